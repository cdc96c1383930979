"""What readers have to say of files that can be read, but not without a doubt."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from factory.storage.subjects.nifti_header import orientation_remark


def list_file_remarks(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is uncertain about the NIfTI files of some records, one line for each remark.

    Headers alone are read. A line names the first file that it is about, and how many more there
    are.
    """
    about: dict[str, list[str]] = {}
    for record in records:
        for path in filter(None, (record.get("label"), record["image"])):
            if said := orientation_remark(Path(path)):
                about.setdefault(said, []).append(path)
    return [f"{_describe_files(paths)}: {said}" for said, paths in about.items()]


def _describe_files(paths: list[str]) -> str:
    more = len(paths) - 1
    return paths[0] + (f" and {more} more file{'s' if more > 1 else ''}" if more else "")
