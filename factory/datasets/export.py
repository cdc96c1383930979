"""A dataset in the formats that trainings and archives read: which samples, and who writes them.

The samples are shared out to processes; each one's files appear whole, so that whatever stops an
export, the same command does the rest.
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
from multiprocessing.connection import wait as ended
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory.datasets.query import select_samples
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
from factory.storage.nearest_name import nearest_name_hint
from factory.text import count_text, join_names

if TYPE_CHECKING:
    import pandas as pd


FORMATS: Mapping[str, type[Format]] = {
    name.replace("_", "-"): kind
    for name, kind in discover("factory.storage.export.formats", "FORMAT", folders=False).items()
}


@dataclass(frozen=True)
class ExportReport:
    """What was written, and what was left out. folder: the export's. use: what reads it."""

    to: str
    folder: str
    samples: int
    written: int = 0
    rejected: int = 0
    not_chosen: int = 0
    arrays_left_out: tuple[str, ...] = ()
    use: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "arrays_left_out": list(self.arrays_left_out)}

    def lines(self) -> list[str]:
        arrays = f"left out  the arrays {join_names(self.arrays_left_out)}"
        out = [
            *([f"{self.not_chosen} by --where"] if self.not_chosen else []),
            *([f"{self.rejected} rejected (--all takes them too)"] if self.rejected else []),
        ]
        done = (
            "described"
            if FORMATS[self.to].describes_only
            else f"exported, {self.written} of them written now; left out: "
            f"{join_names(out) or 'none'}"
        )
        return [
            f"{self.to:<9} {self.folder}",
            *([arrays] if self.arrays_left_out else []),
            f"use       {self.use}",
            f"{count_text(self.samples, 'sample')} {done}",
        ]


def export(
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
    """Write a complete dataset in another format, or go on with that.

    to: a name of FORMATS. output: a folder of this machine; a description lies in the dataset's
    own by default. where: a query of the columns of its cases, as pandas takes it.
    rejected_too: also samples whose column `accepted` is false. licence: what the export says of
    it. contrast: of the images, T2w by default. workers: processes, by default one a core.

    Raises FactoryError for a format or a query that is none, or a worker that died; StorageError
    where the dataset is not complete or damaged, or the folder holds something else.
    """
    if to not in FORMATS:
        raise FactoryError(
            f"--to {to}: allowed: {join_names(FORMATS)}{nearest_name_hint(to, FORMATS)}"
        )
    dataset = open_dataset(path, sealed=True)
    if not dataset.is_complete():
        raise FactoryError(
            f"{path}: not complete, so it is not exported; finish rendering it first"
        )
    format, table = FORMATS[to](DatasetSummary.of(dataset, licence, contrast)), dataset.cases()
    if format.describes_only:
        if where:
            raise FactoryError(f"--where: {to} describes the whole dataset")
        return _export_description(dataset, to, format, table, output)
    if output is None or "://" in output:
        raise FactoryError(f"--output: {to} needs a folder of this machine, not {output}")
    chosen, rejected = select_samples(table, where, rejected_too)
    folder = format.folder(Path(os.path.abspath(output)), format.about)
    target.claim_folder(folder, _export_identity(dataset, to, where, rejected_too))
    indices = [int(i) for i in chosen["sample"]]
    with target.lock_folder(folder):
        todo = [i for i in indices if not target.has_all_files(folder, format.files(i))]
        standing = len(indices) - len(todo)
        with Progress(len(indices), standing, show=progress, activity="exporting") as shown:
            for _ in _run_in_processes(
                partial(write_sample, dataset, format, folder), todo, workers
            ):
                shown.advance(1)
        for name, data in format.documents(_plain_rows(chosen)).items():
            target.put_file(folder, name, data)
    return ExportReport(
        to,
        str(folder),
        len(indices),
        len(todo),
        rejected,
        len(table) - len(chosen) - rejected,
        tuple(format.left_out),
        format.use(str(folder)),
    )


def write_sample(dataset: Dataset, format: Format, folder: Path, index: int) -> None:
    """Export one sample."""
    sample = dataset.sample(index)
    target.place_files(folder, format.files(index), partial(format.write, index, sample))


def _export_description(
    dataset: Dataset, to: str, format: Format, table: "pd.DataFrame", output: str | None
) -> ExportReport:
    into = ObjectStore(output, scratch="") if output else dataset.folder
    into.put(*format.describe(dataset.folder, table))
    at = str(into.root) if into.is_local else into.url
    return ExportReport(to, at, len(table), len(table), use=format.use(at))


def _export_identity(
    dataset: Dataset, to: str, where: str | None, rejected_too: bool
) -> dict[str, Any]:
    """What makes two exports one and the same: a dataset that grows keeps what it began with."""
    record = dataset.record
    first = [*record.get("grown_from", ()), record][0]
    made = {key: record.get(key) for key in ("weights", "environment")}
    return {
        "format": to,
        "recipe_digest": first["recipe_digest"],
        "made_by": ledger.sha256(ledger.canonical_json(made)),
        "where": where,
        "rejected_too": rejected_too,
    }


def _plain_rows(table: "pd.DataFrame") -> list[dict[str, Any]]:
    """The chosen rows as plain values, None where there is none."""
    return [
        {str(name): None if value != value else value for name, value in row.items()}
        for row in table.astype(object).to_dict("records")
    ]


def _run_in_processes(
    task: partial[None], todo: Sequence[int], workers: int | None
) -> Iterator[None]:
    """Run a task for each index, in processes; yields as each one ends."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    count = min(workers or cores or 1, len(todo))
    if count <= 1:
        yield from map(task, todo)
        return
    rest = iter(todo)
    context = get_context("spawn")  # zarr and s3fs have threads, which a fork would break
    with ProcessPoolExecutor(count, context, initializer=_prepare_worker) as pool:
        try:
            running: set[Future[None]] = {pool.submit(task, i) for i in islice(rest, 2 * count)}
            while running:
                over, running = wait(running, return_when=FIRST_COMPLETED)
                for future in over:
                    yield future.result()
                    running |= {pool.submit(task, i) for i in islice(rest, 1)}
        except BrokenProcessPool:
            raise FactoryError(
                "a worker was killed (out of memory?); the same command goes on, maybe with "
                "fewer --workers"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _prepare_worker() -> None:
    """Leave Ctrl-C to the parent, and go when it goes."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:

        def follow() -> None:
            ended([parent.sentinel])
            os._exit(1)

        threading.Thread(target=follow, daemon=True).start()
