"""Exporting a dataset to a format that trainings and archives read.

Several processes write the samples. The files of a sample appear complete or not at all, so the
same command continues an export that was stopped.
"""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait as wait_for_exit
from pathlib import Path
from typing import TYPE_CHECKING

from factory.datasets.query import select_rows
from factory.discovery import discover
from factory.errors import FactoryError
from factory.progress import Progress
from factory.storage.dataset import ledger
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.open import open_dataset
from factory.storage.export import target
from factory.storage.export.format import Format
from factory.storage.export.metadata import DatasetSummary
from factory.storage.json_value import JsonObject
from factory.storage.nearest_name import nearest_name_hint
from factory.text import count_text, join_names

if TYPE_CHECKING:
    import pandas as pd


FORMATS: Mapping[str, type[Format]] = {
    name.replace("_", "-"): kind
    for name, kind in discover("factory.storage.export.formats", "FORMAT", folders=False).items()
}
"""The export formats, by name."""


@dataclass(frozen=True)
class ExportReport:
    """What was exported and what was omitted.

    Attributes:
        to: The name of the format.
        folder: The folder or URL of the export.
        samples: The number of samples in the export.
        written: The number of samples that this call wrote.
        rejected: The number of samples that were omitted because they were rejected.
        not_chosen: The number of samples that the query omitted.
        arrays_left_out: The arrays that the format cannot hold.
        use: A command that reads the export.
    """

    to: str
    folder: str
    samples: int
    written: int = 0
    rejected: int = 0
    not_chosen: int = 0
    arrays_left_out: tuple[str, ...] = ()
    use: str = ""

    def to_json(self) -> JsonObject:
        """Return the report as JSON."""
        return {**vars(self), "arrays_left_out": list(self.arrays_left_out)}

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        arrays = f"left out  the arrays {join_names(self.arrays_left_out)}"
        omitted = [
            *([f"{self.not_chosen} by --where"] if self.not_chosen else []),
            *([f"{self.rejected} rejected (--all exports them too)"] if self.rejected else []),
        ]
        result = (
            "described"
            if FORMATS[self.to].describes_only
            else f"exported, {self.written} of them written now; left out: "
            f"{join_names(omitted) or 'none'}"
        )
        return [
            f"{self.to:<9} {self.folder}",
            *([arrays] if self.arrays_left_out else []),
            f"use       {self.use}",
            f"{count_text(self.samples, 'sample')} {result}",
        ]


def export_dataset(  # noqa: PLR0913
    path: str,
    to: str,
    output: str | None = None,
    *,
    where: str | None = None,
    rejected_too: bool = False,
    licence: str | None = None,
    contrast: str | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> ExportReport:
    """Export a complete dataset, or continue an export that was stopped.

    It has one parameter for each option of `factory export`, therefore more than eight.

    Args:
        path: The folder or URL of the dataset.
        to: The name of the format, a key of FORMATS.
        output: A folder of this machine. A description is by default written to the dataset.
        where: A condition on the columns of the cases, e.g. "grade >= 2".
        rejected_too: Whether to export samples whose column `accepted` is False.
        licence: The licence that the export states.
        contrast: The contrast of the images, by default T2w.
        workers: The number of processes, by default one for each core.
        progress: Whether to show progress on stderr.

    Raises:
        FactoryError: The format or the dataset cannot be used, or a worker process died.
        StorageError: The query is wrong, the dataset is damaged, or the folder holds something
            else.
    """
    kind, dataset = _find_format(to), _open_complete(path)
    format, table = kind(DatasetSummary.of(dataset, licence, contrast)), dataset.cases()
    if format.describes_only:
        if where:
            raise FactoryError(f"--where: {to} describes the whole dataset")
        return _export_description(dataset, to, format, table, output)
    if output is None or "://" in output:
        raise FactoryError(f"--output: {to} needs a folder of this machine, not {output}")
    selected, rejected = select_rows(table, where, rejected_too)
    folder = format.folder(Path(os.path.abspath(output)), format.summary)
    target.claim_folder(folder, _export_identity(dataset, to, where, rejected_too))
    indices = [int(i) for i in selected["sample"]]
    with target.lock_folder(folder):
        written = _write_missing(dataset, format, folder, indices, workers, progress)
        for name, data in format.documents(_plain_rows(selected)).items():
            target.put_file(folder, name, data)
    return ExportReport(
        to,
        str(folder),
        len(indices),
        written,
        rejected,
        len(table) - len(selected) - rejected,
        tuple(format.omitted_arrays),
        format.use(str(folder)),
    )


def _find_format(name: str) -> type[Format]:
    if name not in FORMATS:
        hint = nearest_name_hint(name, FORMATS)
        raise FactoryError(f"--to {name}: allowed: {join_names(FORMATS)}{hint}")
    return FORMATS[name]


def _open_complete(path: str) -> Dataset:
    dataset = open_dataset(path, sealed=True)
    if not dataset.is_complete():
        raise FactoryError(
            f"{path}: not complete, so it is not exported; finish rendering it first"
        )
    return dataset


def _write_missing(
    dataset: Dataset,
    format: Format,
    folder: Path,
    indices: Sequence[int],
    workers: int | None,
    progress: bool,
) -> int:
    """Write the samples whose files are not complete, and return their number."""
    missing = [i for i in indices if not target.has_all_files(folder, format.files(i))]
    finished = len(indices) - len(missing)
    task = partial(write_sample, dataset, format, folder)
    with Progress(len(indices), finished, show=progress, activity="exporting") as bar:
        for _ in _run_in_processes(task, missing, workers):
            bar.advance(1)
    return len(missing)


def write_sample(dataset: Dataset, format: Format, folder: Path, index: int) -> None:
    """Write the files of one sample."""
    sample = dataset.sample(index)
    target.place_files(folder, format.files(index), partial(format.write, index, sample))


def _export_description(
    dataset: Dataset, to: str, format: Format, table: "pd.DataFrame", output: str | None
) -> ExportReport:
    """Write the one document of a format that describes only."""
    folder = ObjectStore(output, scratch="") if output else dataset.folder
    folder.put(*format.describe(dataset.folder, table))
    place = str(folder.root) if folder.is_local else folder.url
    return ExportReport(to, place, len(table), len(table), use=format.use(place))


def _export_identity(
    dataset: Dataset, to: str, where: str | None, rejected_too: bool
) -> JsonObject:
    """Return what identifies an export; for a dataset that has grown, its first recipe counts."""
    record = dataset.record
    earlier = record.get("grown_from", ())
    first_digest = earlier[0]["recipe_digest"] if earlier else record["recipe_digest"]
    origin = {key: record.get(key) for key in ("weights", "environment")}
    return {
        "format": to,
        "recipe_digest": first_digest,
        "made_by": ledger.sha256(ledger.canonical_json(origin)),
        "where": where,
        "rejected_too": rejected_too,
    }


def _plain_rows(table: "pd.DataFrame") -> list[JsonObject]:
    """Return the rows of a table as JSON, with None for missing values."""
    return [
        {str(name): None if value != value else value for name, value in row.items()}
        for row in table.astype(object).to_dict("records")
    ]


def _run_in_processes(
    task: partial[None], indices: Sequence[int], workers: int | None
) -> Iterator[None]:
    """Run a task for each index in several processes, and yield whenever one ends."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    count = min(workers or cores or 1, len(indices))
    if count <= 1:
        yield from map(task, indices)
        return
    rest = iter(indices)
    context = get_context("spawn")  # zarr and s3fs have threads, which a fork would break
    with ProcessPoolExecutor(count, context, initializer=_prepare_worker) as pool:
        try:
            running: set[Future[None]] = {pool.submit(task, i) for i in islice(rest, 2 * count)}
            while running:
                ended, running = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    yield future.result()
                    running |= {pool.submit(task, i) for i in islice(rest, 1)}
        except BrokenProcessPool:
            raise FactoryError(
                "a worker process was killed (out of memory?); the same command continues, "
                "perhaps with fewer --workers"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _prepare_worker() -> None:
    """Ignore Ctrl-C, which the parent handles, and end when the parent ends."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:

        def exit_with_parent() -> None:
            wait_for_exit([parent.sentinel])
            os._exit(1)

        threading.Thread(target=exit_with_parent, daemon=True).start()
