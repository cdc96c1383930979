"""Real images that a dataset is held against: of a folder or a training recipe."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from factory.config.document import read_yaml
from factory.config.merge import read_text
from factory.errors import FactoryError, RecipeError
from factory.evaluation.generated_images import GeneratedImages, bright, planes_as_volumes
from factory.evaluation.image_set import ImageSet, Volume
from factory.families.registry import load_training
from factory.families.stylegan2.data import read as read_planes
from factory.families.stylegan2.recipe import StyleGanTraining
from factory.lookup import find_recipe
from factory.planning.compatibility import subject_warnings
from factory.schema.render_recipe import load_recipe
from factory.storage.errors import SubjectError
from factory.storage.subjects.bids import bids_remarks, bids_subjects
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.nifti import finite, read_volume
from factory.storage.subjects.nifti_header import BODY_MM, check_size
from factory.storage.subjects.remarks import file_remarks
from factory.storage.subjects.resample import resample
from factory.storage.subjects.short_axis import short_axis_subjects
from factory.storage.subjects.types import Grid, LabelTable, Subject
from factory.training.data import person_id, subject_records

FAMILIES = ("spade", "stylegan2")
"""Of training recipes that say where images are learnt from."""


LABELS = ("_dseg.nii", "_mask.nii", "_gt.nii", "_seg.nii", "_label.nii")
"""Files that are no images, in a folder of *.nii.gz."""


OTHER_ANATOMY = "another anatomy, of which the dataset has no label"
"""How a remark begins where real images show something else altogether."""


Real = tuple[ImageSet, int | None, StyleGanTraining | None]


def real_images(name: str, made: GeneratedImages, overrides: Sequence[str] = ()) -> Real:
    """The real images of a folder or recipe; where a stylegan2 recipe's slices, also their
    resolution and the recipe.

    held_out are those that a training recipe holds out, or that the card of the dataset's model
    does not list as learnt from. overrides: of the recipe. Raises FactoryError, StorageError.
    """
    if Path(name).is_dir():
        if overrides:
            raise FactoryError(f"--set {overrides[0]}: {name} is a folder; --set is for a recipe")
        found = folder_records(Path(name))
        return of_records(name, found, made, reader_remarks(name, None, found)), None, None
    if Path(name).is_absolute() and not Path(name).exists():
        raise FactoryError(f"--real {name}: no such folder or recipe")
    file = find_recipe(name)
    if "family" not in (read_yaml(read_text(file), str(file)).data or {}):
        loaded = load_recipe(file, overrides)
        about = subject_warnings(loaded)
        return of_records(name, loaded.spec.catalogue.records, made, about), None, None
    spec = load_training(file, overrides).spec
    if spec.family not in FAMILIES:
        raise RecipeError(
            f"{file}: family {spec.family}; --real takes one of {', '.join(FAMILIES)}, another "
            "recipe or a folder"
        )
    if spec.family == "spade":
        found = subject_records(spec.subjects)
        images = of_records(name, found, made)
        owners = {person_id(r) for r in found}
        images.held_out, said = held_out(name, owners, spec.subjects.hold_out, made)
        about = reader_remarks(spec.subjects.path, spec.subjects.rec, found)
        images.remarks = dict.fromkeys([*about, *said])
        return images, None, None
    planes = planes_as_volumes(read_planes(spec.slices, spec.resolution))
    held, said = held_out(name, {p.owner for p in planes}, spec.slices.hold_out, made)
    images = ImageSet(name, [lambda: planes], True, held, dict.fromkeys(said))
    own = spec.slices.model_copy(update={"hold_out": tuple(sorted(held))})
    return images, spec.resolution, spec.model_copy(update={"slices": own})


def refuse_other_anatomy(real: ImageSet) -> None:
    """For once a set has been read. Raises FactoryError where it shows something else."""
    for remark in real.remarks:
        if remark.startswith(OTHER_ANATOMY):
            raise FactoryError(f"{real.name}: {remark}; allowed: images of what the dataset shows")


def held_out(
    name: str, owners: set[str], by_recipe: Sequence[str], made: GeneratedImages
) -> tuple[frozenset[str], list[str]]:
    """Whose images a dataset's model did not learn from, and what is to be said of it: as its card
    has it where it knows any of them, else as the training recipe of that name has it."""
    learnt = set(made.card.get("training", {}).get("subjects", ()))
    if not learnt & owners:
        return frozenset(by_recipe), []
    held = frozenset(owners - learnt)
    if held == set(by_recipe) & owners:
        return held, []
    return held, [f"held out are the {len(held)} that the model's card says, not those of {name}"]


def folder_records(root: Path) -> list[dict[str, Any]]:
    """What a folder holds: BIDS, stacks, or else images of which nothing more is known."""
    if any(folder.is_dir() for folder in root.glob("sub-*")):
        return bids_subjects(root, None, None)
    if (root / "participants.csv").is_file():
        return short_axis_subjects(root)
    files = [f for f in sorted(root.rglob("*.nii*")) if not any(n in f.name for n in LABELS)]
    if not files:
        raise FactoryError(
            f"{root}: no images; allowed: sub-* folders, stacks with participants.csv, or *.nii.gz"
        )
    names = [f.relative_to(root).with_name(f.name.split(".")[0]).as_posix() for f in files]
    return [{"source": "file", "id": i, "image": str(f)} for i, f in zip(names, files, strict=True)]


def reader_remarks(root: str, rec: str | None, found: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """What readers have to say of the files of a folder, one line each."""
    left_out = bids_remarks(root, rec) if found[0]["source"] == "bids" else []
    placed = [record for record in found if record["source"] in ("bids", "file")]
    return (*left_out, *file_remarks(placed))


def of_records(
    name: str, found: list[dict[str, Any]], made: GeneratedImages, about: Sequence[str] = ()
) -> ImageSet:
    """Subjects at the dataset's spacing. about: remarks on their files."""
    if not found:
        raise FactoryError(f"{name}: no subject with an image; a phantom is not real")
    spacing, known = made.spacing_mm, set(made.dataset.layout.table.names)
    images = ImageSet(name, [], found[0]["source"] == "short_axis", remarks=dict.fromkeys(about))

    def source(record: dict[str, Any]) -> Callable[[], list[Volume]]:
        def read() -> list[Volume]:
            subject = subject_of(record, spacing)
            names = set(subject.table.names)
            several = min(len(names), len(known)) > 2  # else labels are no more than an outline
            if several and not names & known - {subject.table.names[0]}:
                images.remarks[f"{OTHER_ANATOMY}: {', '.join(sorted(names - known))}"] = None
            elif unknown := sorted(names - known):
                images.remarks[
                    f"other labels ({', '.join(unknown)}): no more is used of them than where "
                    "there is any"
                ] = None
            assert subject.image is not None
            inside = subject.label > 0
            return [Volume(subject.id, person_id(record), bright(subject.image, inside), inside)]

        return read

    images.sources = [source(r) for r in found]
    learnt = set(made.card.get("training", {}).get("subjects", ()))
    owners = {person_id(r) for r in found}
    if learnt & owners:
        images.held_out = frozenset(owners - learnt)
    else:
        images.remarks["which images the model learnt from is not known: all are taken so"] = None
    return images


def subject_of(record: dict[str, Any], spacing_mm: float) -> Subject:
    """A subject with its image at a spacing; of a file alone, tissue is what is not dark.

    Raises SubjectError where it has none or cannot be read.
    """
    if record["image"] is None:
        raise SubjectError(f"{record['id']}: it has no image")
    if record["source"] != "file":
        return load_subject(record, spacing_mm)
    image, affine = read_volume(Path(record["image"]))
    image = finite(image, record["image"])
    z, y, x = image.shape
    dx, dy, dz = (float(s) for s in np.linalg.norm(affine[:3, :3], axis=0))
    sides = np.array(image.shape) * [dz, dy, dx]
    check_size(record["image"], "the field of view", sides, BODY_MM)
    label = (image > 0).astype(np.uint8)
    grid = Grid((z, y, x), (dz, dy, dx), affine)
    table = LabelTable(("background",), ((0, 0, 0),))
    return resample(Subject(record["id"], label, grid, table, image), spacing_mm)
