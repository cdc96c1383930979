"""Warnings about the files of subjects: files that can be read, but leave something in doubt."""

from collections.abc import Iterable
from pathlib import Path

from factory.storage.subjects.nifti_header import orientation_remark
from factory.storage.subjects.records import Record


def list_file_remarks(records: Iterable[Record]) -> list[str]:
    """List what is uncertain about the NIfTI files of some records, one line for each remark.

    Only headers are read. A line names the first file that it is about, and how many more there
    are.
    """
    paths_by_remark: dict[str, list[str]] = {}
    for record in records:
        image = record["image"]
        images = image if isinstance(image, list) else [image]
        for path in filter(None, (record.get("label"), *images)):
            if remark := orientation_remark(Path(path)):
                paths_by_remark.setdefault(remark, []).append(path)
    return [f"{_describe_files(paths)}: {remark}" for remark, paths in paths_by_remark.items()]


def _describe_files(paths: list[str]) -> str:
    more = len(paths) - 1
    return paths[0] + (f" and {more} more file{'s' if more > 1 else ''}" if more else "")
