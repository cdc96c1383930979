"""Creating, continuing, growing and opening a dataset, and the reasons to refuse that."""

from factory.storage.dataset import ledger
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.documents import DatasetRecord, Environment, Provenance, Seal
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
    provenance: Provenance,
    recipe_text: str,
    *,
    device: str = "cpu",
    threads: int = 1,
    overwrite: bool = False,
    allow_mixed: bool = False,
) -> Dataset:
    """Create a dataset, or continue the one that the same recipe began at this path.

    Args:
        path: A folder or URL.
        layout: The arrays and how they are divided.
        provenance: What made the dataset.
        recipe_text: The resolved recipe as YAML.
        device: The device that renders. Bits are the same for one device type, instruction set,
            number of threads and set of installed versions.
        threads: The number of threads of one renderer.
        overwrite: Whether to replace a dataset of this format; nothing else is ever replaced.
        allow_mixed: Whether to continue a dataset that was begun in another environment.

    Raises:
        DatasetError: The path holds something else, or the dataset of another recipe, or one that
            was begun in another environment, or it cannot be written.
    """
    folder = ObjectStore(path)
    folder.check_access()
    here = current_environment(device, threads)
    record = _make_record(provenance, recipe_text, layout, here)
    is_taken = folder.is_file() or folder.list_names() - {folder.scratch}
    existing = _read_record(folder)  # after listing, since another driver may begin it now
    if existing is None and is_taken:
        raise DatasetError(f"{path}: exists and is not a dataset of ours; choose another output")
    if existing is not None and overwrite:
        _remove_dataset(folder, existing)
        existing = None
    if existing is None:
        # First of all, so that whatever a killed process leaves is recognised as a dataset.
        folder.put_new("record.json", record_bytes(record))  # of two recipes only one begins
        existing = _read_record(folder) or record
    if existing["recipe_digest"] != record["recipe_digest"]:
        raise DatasetError(
            f"{path}: made by another recipe (digest {existing['recipe_digest'][:12]}, this one "
            f"{record['recipe_digest'][:12]}); choose another output or pass --overwrite"
        )
    if existing["layout"] != record["layout"]:
        raise DatasetError(
            f"{path}: made by this recipe in another layout; choose another output or pass "
            "--overwrite"
        )
    if not allow_mixed:
        refuse_mixed(path, existing["environment"], here)
    folder.remove_temporary_files()
    put_missing(folder, record_objects(layout, existing))
    return Dataset(_absolute_path(folder), layout, existing, allow_mixed)


def grow_dataset(
    path: str,
    layout: Layout,
    provenance: Provenance,
    recipe_text: str,
    *,
    device: str = "cpu",
    threads: int = 1,
    allow_mixed: bool = False,
) -> Dataset:
    """Begin to grow a complete dataset, or continue the growth that the same recipe began.

    Until the new seal is written, a reader finds the dataset as it was before.

    Args:
        path: A folder or URL.
        layout: The existing layout with more samples; the existing samples come first.
        provenance: As for `create_dataset`, with "grown_from".
        recipe_text: The resolved recipe as YAML.
        device: The device that renders.
        threads: The number of threads of one renderer.
        allow_mixed: Whether to continue a dataset that was begun in another environment.

    Raises:
        DatasetError: The dataset is not complete, or another recipe is growing it, or the layout
            differs in more than the number of samples, or the environment is another.
    """
    dataset, folder = open_dataset(path, sealed=True), ObjectStore(path)
    here = current_environment(device, threads)
    expected = {**dataset.record["layout"], "samples": layout.samples}
    if expected != layout.to_json():
        changed = next(k for k, v in layout.to_json().items() if expected.get(k) != v)
        raise DatasetError(f"{path}: {changed} would change; only samples can be added")
    if not allow_mixed:
        refuse_mixed(path, dataset.record["environment"], here)
    record = _make_record(provenance, recipe_text, layout, dataset.record["environment"])
    growth = parse_record(folder.get(GROWTH))
    if growth is None:
        seal = newest_seal(folder)
        if seal is None or not dataset.is_complete():
            raise DatasetError(
                f"{path}: not complete; complete it first, with its own recipe or factory repair"
            )
        if folder.put_new(GROWTH, record_bytes(record)):
            remove_unsealed_entries(folder, seal)
        growth = parse_record(folder.get(GROWTH)) or record
    if growth["recipe_digest"] != record["recipe_digest"]:
        raise DatasetError(
            f"{path}: is being grown by another recipe (digest {growth['recipe_digest'][:12]}); "
            f"finish that first, or remove its {GROWTH}"
        )
    return Dataset(_absolute_path(folder), layout, growth, allow_mixed)


def _make_record(
    provenance: Provenance, recipe_text: str, layout: Layout, environment: Environment
) -> DatasetRecord:
    return {
        "format": FORMAT,
        "version": VERSION,
        **provenance,
        "recipe_text": recipe_text,
        "layout": layout.to_json(),
        "environment": environment,
    }


def open_dataset(path: str, *, sealed: bool = False) -> Dataset:
    """Open the dataset at a path, complete or not.

    Args:
        path: A folder or URL.
        sealed: Whether to use the record in its seal, if the seal is undamaged.

    Raises:
        DatasetError: There is no dataset.
    """
    folder = ObjectStore(path)
    folder.check_access()
    seal = newest_seal(folder) if sealed else None
    record = _sealed_record(folder, seal) if seal else _read_record(folder)
    if record is None:
        what = (
            "no dataset of ours" if folder.is_file() or folder.list_names() else "no such dataset"
        )
        raise DatasetError(f"{path}: {what}")
    return Dataset(_absolute_path(folder), Layout.from_json(record["layout"]), record)


def dataset_digest(path: str) -> str:
    """Return `Dataset.digest` of the dataset at a path."""
    return open_dataset(path).digest()


def _read_record(folder: ObjectStore) -> DatasetRecord | None:
    """Return record.json, or the seal's copy if it is damaged; None if there is neither."""
    record = parse_record(folder.get("record.json"))
    if record is not None:
        _refuse_other_version(folder, record.get("version"))
        return record
    seal = newest_seal(folder)
    return None if seal is None else _sealed_record(folder, seal)


def _sealed_record(folder: ObjectStore, seal: Seal) -> DatasetRecord:
    """Return the record in a seal; a seal of an old version has none and is refused."""
    _refuse_other_version(folder, seal.get("record", {}).get("version"))
    return seal["record"]


def _refuse_other_version(folder: ObjectStore, version: object) -> None:
    if version != VERSION:
        raise DatasetError(
            f"{folder.url}: written in format {version}, this program reads {VERSION}; render it "
            "again, or read it with the release that wrote it"
        )


def _remove_dataset(folder: ObjectStore, record: DatasetRecord) -> None:
    """Remove a dataset, seals first, so that a killed process leaves none that looks complete."""
    layout = Layout.from_json(record["layout"])
    arrays = (*layout.arrays, "sample", *layout.grids)
    small = ("cases.parquet", "recipe.yaml", "zarr.json")
    for key in (SEALS, GROWTH, ledger.LEDGER, *small, *arrays, "record.json"):
        folder.delete(key)


def _absolute_path(folder: ObjectStore) -> str:
    """Return a path that is valid in every process, whatever its working folder."""
    return str(folder.root) if folder.is_local else folder.url
