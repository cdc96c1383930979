"""Beginning a dataset, taking one up again, opening one; and what is refused."""

from collections.abc import Mapping
from typing import Any

from factory.storage.dataset import ledger
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.environment import current_environment, refuse_mixed
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.object_store import ObjectStore
from factory.storage.dataset.record import (
    FORMAT,
    GROWTH,
    VERSION,
    parse_record,
    put_missing,
    record_bytes,
    record_objects,
)
from factory.storage.dataset.seal import SEALS, newest_seal, remove_unsealed_entries
from factory.storage.errors import DatasetError


def create_dataset(
    path: str,
    layout: Layout,
    record: Mapping[str, Any],
    recipe_text: str,
    *,
    device: str = "cpu",
    threads: int = 1,
    overwrite: bool = False,
    allow_mixed: bool = False,
) -> Dataset:
    """Begin a dataset, or take up again the one that the same recipe began at this path.

    record: plain JSON with "recipe_digest" and whatever else made it (overrides, models, ...).
    recipe_text: the recipe as resolved, kept beside it. device, threads: what renders; bits are
    promised for one device type, instruction set, thread count and set of installed versions.

    Raises DatasetError where the path holds something else, or the work of another recipe (unless
    overwrite, which replaces a dataset of ours and nothing else), or was begun in another
    environment (unless allow_mixed), or the folder cannot be written.
    """
    folder = ObjectStore(path)
    folder.check_access()
    here = current_environment(device, threads)
    full = _full(record, recipe_text, layout, here)
    something = folder.is_file() or folder.list_names() - {folder.scratch}
    standing = _read_record(folder)  # after looking: another driver may begin it just now
    if standing is None and something:
        raise DatasetError(f"{path}: exists and is not a dataset of ours; choose another output")
    if standing is not None and overwrite:
        _wipe(folder, standing)
        standing = None
    if standing is None:
        # First of all, so that whatever a kill leaves behind is known as ours.
        folder.put_new("record.json", record_bytes(full))  # of two recipes at once, one begins
        standing = _read_record(folder) or full
    if standing["recipe_digest"] != full["recipe_digest"]:
        raise DatasetError(
            f"{path}: made by another recipe (digest {standing['recipe_digest'][:12]}, this one "
            f"{full['recipe_digest'][:12]}); choose another output or pass --overwrite"
        )
    if standing["layout"] != full["layout"]:
        raise DatasetError(
            f"{path}: made by this recipe in another layout; choose another output or pass "
            "--overwrite"
        )
    if not allow_mixed:
        refuse_mixed(path, standing["environment"], here)
    folder.remove_temporary_files()
    put_missing(folder, record_objects(layout, standing))
    return Dataset(_absolute(folder), layout, standing, allow_mixed)


def grow_dataset(
    path: str,
    layout: Layout,
    record: Mapping[str, Any],
    recipe_text: str,
    *,
    device: str = "cpu",
    threads: int = 1,
    allow_mixed: bool = False,
) -> Dataset:
    """Begin to grow a complete dataset, or take up again the growth that the same recipe began.

    layout: the standing one with more samples, of which those that stand come first. record: as
    for `create`, with "grown_from": the records of the generations before, oldest first. Until
    the new seal, whoever opens the dataset finds it as it was.

    Raises DatasetError where it is not complete, is being grown by another recipe, or differs in
    more than its number of samples; as `create` for another environment.
    """
    dataset, folder = open_dataset(path, sealed=True), ObjectStore(path)
    here = current_environment(device, threads)
    before = {**dataset.record["layout"], "samples": layout.samples}
    if before != layout.to_json():
        changed = next(k for k, v in layout.to_json().items() if before.get(k) != v)
        raise DatasetError(f"{path}: {changed} would change; a dataset grows in samples alone")
    if not allow_mixed:
        refuse_mixed(path, dataset.record["environment"], here)
    full = _full(record, recipe_text, layout, dataset.record["environment"])
    begun = parse_record(folder.get(GROWTH))
    if begun is None:
        seal = newest_seal(folder)
        if seal is None or not dataset.is_complete():
            raise DatasetError(
                f"{path}: not complete; its own recipe, or factory repair, completes it first"
            )
        if folder.put_new(GROWTH, record_bytes(full)):
            remove_unsealed_entries(folder, seal)
        begun = parse_record(folder.get(GROWTH)) or full
    if begun["recipe_digest"] != full["recipe_digest"]:
        raise DatasetError(
            f"{path}: is being grown by another recipe (digest {begun['recipe_digest'][:12]}); "
            f"finish that first, or remove its {GROWTH}"
        )
    return Dataset(_absolute(folder), layout, begun, allow_mixed)


def _full(
    record: Mapping[str, Any], text: str, layout: Layout, made_in: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        **record,
        "recipe_text": text,
        "layout": layout.to_json(),
        "environment": dict(made_in),
    }


def open_dataset(path: str, *, sealed: bool = False) -> Dataset:
    """The dataset at a path, complete or not. Raises DatasetError where there is none.

    sealed: as its seal has it, wherever that is whole.
    """
    folder = ObjectStore(path)
    folder.check_access()
    seal = newest_seal(folder) if sealed else None
    record = _known(folder, seal.get("record", {})) if seal else _read_record(folder)
    if record is None:
        what = (
            "no dataset of ours" if folder.is_file() or folder.list_names() else "no such dataset"
        )
        raise DatasetError(f"{path}: {what}")
    return Dataset(_absolute(folder), Layout.from_json(record["layout"]), record)


def dataset_digest(path: str) -> str:
    """Dataset.digest of the dataset at a path."""
    return open_dataset(path).digest()


def _read_record(folder: ObjectStore) -> dict[str, Any] | None:
    """record.json, or where it is damaged what the seal says of it; None where neither is ours."""
    record = parse_record(folder.get("record.json"))
    if record is None:
        seal = newest_seal(folder)
        record = None if seal is None else seal.get("record", {})
    return None if record is None else _known(folder, record)


def _known(folder: ObjectStore, record: dict[str, Any]) -> dict[str, Any]:
    """Raises DatasetError where it is of another version of the format."""
    if (version := record.get("version")) != VERSION:
        raise DatasetError(
            f"{folder.url}: written in format {version}, this program knows {VERSION}; render it "
            "again, or read it with the release that wrote it"
        )
    return record


def _wipe(folder: ObjectStore, record: Mapping[str, Any]) -> None:
    """Remove a dataset, seals first, so that what a kill leaves never looks complete."""
    layout = Layout.from_json(record["layout"])
    arrays = (*layout.arrays, "sample", *layout.grids)
    small = ("cases.parquet", "recipe.yaml", "zarr.json")
    for key in (SEALS, GROWTH, ledger.LEDGER, *small, *arrays, "record.json"):
        folder.delete(key)


def _absolute(folder: ObjectStore) -> str:
    """A path that means the same in every process, whatever its working folder."""
    return str(folder.root) if folder.is_local else folder.url
