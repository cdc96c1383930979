"""The real images that a dataset is compared with: those of a folder or of a recipe.

A folder is a BIDS dataset, stacks in the layout of the M&Ms challenge, or holds any *.nii.gz. A
render recipe gives its subjects, a training recipe the images it learns from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from factory.config.document import read_yaml
from factory.config.merge import read_text
from factory.errors import FactoryError, RecipeError
from factory.evaluation.generated_images import (
    GeneratedImages,
    normalise_brightness,
    volumes_of_planes,
)
from factory.evaluation.image_set import ImageSet, Volume
from factory.families.registry import load_training
from factory.families.stylegan2.data import read_recipe_planes
from factory.families.stylegan2.recipe import StyleGanTraining
from factory.lookup import find_recipe
from factory.planning.compatibility import subject_warnings
from factory.schema.render_recipe import load_recipe_file
from factory.storage.errors import SubjectError
from factory.storage.subjects.bids import list_bids_remarks, list_bids_subjects
from factory.storage.subjects.channels import first_channel, select_channels
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.nifti import read_volume, to_finite_float32
from factory.storage.subjects.nifti_header import BODY_MM, check_size
from factory.storage.subjects.records import Record
from factory.storage.subjects.remarks import list_file_remarks
from factory.storage.subjects.resample import resample
from factory.storage.subjects.short_axis import list_short_axis_subjects
from factory.storage.subjects.types import Grid, LabelTable, Subject
from factory.training.data import person_id, subject_records

FAMILIES = ("spade", "stylegan2")
"""Families whose training recipes say where their images are."""

LABEL_FILES = ("_dseg.nii", "_mask.nii", "_gt.nii", "_seg.nii", "_label.nii")
"""What names of files contain that are no images, in a folder of *.nii.gz."""

OTHER_ANATOMY = "another anatomy, of which the dataset has no label"
"""How a remark begins on real images that show a different anatomy."""


@dataclass(frozen=True)
class RealImages:
    """The real images to compare with.

    Attributes:
        images: The images; held_out are the owners that the model did not learn from.
        resolution: Pixels a side, if they are the slices of a recipe of slices.
        recipe: That recipe.
    """

    images: ImageSet
    resolution: int | None = None
    recipe: StyleGanTraining | None = None


def find_real_images(
    name: str, generated: GeneratedImages, overrides: Sequence[str] = ()
) -> RealImages:
    """Find the real images that a folder or recipe names.

    Args:
        name: A folder, or the file or name of a recipe.
        generated: The dataset, whose spacing volumes are resampled to.
        overrides: "KEY=VALUE", changes of the recipe.

    Raises:
        FactoryError, StorageError: In one line.
    """
    if Path(name).is_dir():
        if overrides:
            raise FactoryError(f"--set {overrides[0]}: {name} is a folder; --set is for a recipe")
        subjects = list_folder_records(Path(name))
        remarks = subject_remarks(name, None, subjects)
        return RealImages(images_of_records(name, subjects, generated, remarks))
    if Path(name).is_absolute() and not Path(name).exists():
        raise FactoryError(f"--real {name}: no such folder or recipe")
    file = find_recipe(name)
    if "family" not in (read_yaml(read_text(file), str(file)).data or {}):
        loaded = load_recipe_file(file, overrides)
        subjects = loaded.spec.catalogue.records
        remarks = subject_warnings(loaded)
        return RealImages(images_of_records(name, subjects, generated, remarks))
    return _images_of_training(name, file, generated, overrides)


def _images_of_training(
    name: str, file: Path, generated: GeneratedImages, overrides: Sequence[str]
) -> RealImages:
    """Find the images that a training recipe learns from and holds out."""
    spec = load_training(file, overrides).spec
    if spec.family not in FAMILIES:
        raise RecipeError(
            f"{file}: family {spec.family}; --real takes one of {', '.join(FAMILIES)}, another "
            "recipe or a folder"
        )
    if spec.family == "spade":
        subjects = subject_records(spec.subjects)
        images = images_of_records(name, subjects, generated)
        owners = {person_id(record) for record in subjects}
        hold_out = spec.subjects.hold_out
        images.held_out, held_out_remarks = find_held_out(name, owners, hold_out, generated)
        remarks = subject_remarks(spec.subjects.path, spec.subjects.rec, subjects)
        images.remarks = dict.fromkeys([*remarks, *held_out_remarks])
        return RealImages(images)
    planes = volumes_of_planes(read_recipe_planes(spec.slices, spec.resolution))
    owners = {plane.owner for plane in planes}
    held_out, held_out_remarks = find_held_out(name, owners, spec.slices.hold_out, generated)
    images = ImageSet(name, [lambda: planes], True, held_out, dict.fromkeys(held_out_remarks))
    slices = spec.slices.model_copy(update={"hold_out": tuple(sorted(held_out))})
    return RealImages(images, spec.resolution, spec.model_copy(update={"slices": slices}))


def refuse_other_anatomy(real: ImageSet) -> None:
    """Raise FactoryError if a set, once it has been read, turned out to show another anatomy."""
    for remark in real.remarks:
        if remark.startswith(OTHER_ANATOMY):
            raise FactoryError(f"{real.name}: {remark}; allowed: images of what the dataset shows")


def find_held_out(
    name: str, owners: set[str], by_recipe: Sequence[str], generated: GeneratedImages
) -> tuple[frozenset[str], list[str]]:
    """Find the people whose images a dataset's model did not learn from.

    The model's card decides if it lists any of them; else the training recipe does.

    Args:
        name: The recipe's name, for the remark.
        owners: The people of all real images.
        by_recipe: Those that the recipe holds out.
        generated: The dataset.

    Returns:
        The people, and a remark if card and recipe differ.
    """
    training = generated.training_owners
    if not training & owners:
        return frozenset(by_recipe), []
    held_out = frozenset(owners - training)
    if held_out == set(by_recipe) & owners:
        return held_out, []
    remark = (
        f"held out are the {len(held_out)} that the model's card does not list, not those of {name}"
    )
    return held_out, [remark]


def list_folder_records(root: Path) -> Sequence[Record]:
    """List the subjects of a folder: of BIDS, of stacks, or one for each image file.

    Raises:
        FactoryError: If it holds no image.
    """
    if any(folder.is_dir() for folder in root.glob("sub-*")):
        return list_bids_subjects(root, None, None)
    if (root / "participants.csv").is_file():
        return list_short_axis_subjects(root)
    files = [
        file
        for file in sorted(root.rglob("*.nii*"))
        if not any(part in file.name for part in LABEL_FILES)
    ]
    if not files:
        raise FactoryError(
            f"{root}: no images; allowed: sub-* folders, stacks with participants.csv, or *.nii.gz"
        )
    return [
        {
            "source": "file",
            "id": file.relative_to(root).with_name(file.name.split(".")[0]).as_posix(),
            "image": str(file),
        }
        for file in files
    ]


def subject_remarks(root: str, rec: str | None, subjects: Sequence[Record]) -> tuple[str, ...]:
    """Return what the readers of files remark on, one line each.

    Args:
        root: The folder.
        rec: The reconstruction that was selected (BIDS entity `rec`), or None.
        subjects: The records of its subjects.
    """
    left_out = list_bids_remarks(root, rec) if subjects[0]["source"] == "bids" else []
    from_files = [r for r in subjects if r["source"] in ("bids", "nifti", "file")]
    return (*left_out, *list_file_remarks(from_files))


def images_of_records(
    name: str,
    subjects: Sequence[Record],
    generated: GeneratedImages,
    remarks: Sequence[str] = (),
) -> ImageSet:
    """Return the images of subjects, at the dataset's spacing.

    Args:
        name: The folder or recipe that they come from.
        subjects: Their records.
        generated: The dataset.
        remarks: Remarks on their files.

    Raises:
        FactoryError: If there is no subject.
    """
    if not subjects:
        raise FactoryError(f"{name}: no subject with an image; a phantom is not real")
    thick = subjects[0]["source"] == "short_axis"
    images = ImageSet(name, [], thick, remarks=dict.fromkeys(remarks))
    layout = generated.dataset.layout
    spacing_mm, dataset_labels = generated.pixel_mm, set(layout.table.names)
    channels = layout.channels.get("image", ())

    def make_source(record: Record) -> Callable[[], list[Volume]]:
        def read() -> list[Volume]:
            subject = load_real_subject(record, spacing_mm)
            if remark := _label_remark(subject, dataset_labels):
                images.remarks[remark] = None
            inside = subject.label > 0
            image = normalise_brightness(_comparable_channel(subject, channels), inside)
            return [Volume(subject.id, person_id(record), image, inside)]

        return read

    images.sources = [make_source(record) for record in subjects]
    owners = {person_id(record) for record in subjects}
    if generated.training_owners & owners:
        images.held_out = frozenset(owners - generated.training_owners)
    else:
        images.remarks[
            "which images the model learnt from is not known, so all are treated as training images"
        ] = None
    return images


def _comparable_channel(subject: Subject, channels: tuple[str, ...]) -> np.ndarray:
    """Return the channel [z, y, x] that a dataset's first one is compared with: of its name."""
    assert subject.image is not None
    same = [name for name in channels[:1] if name in subject.channels]
    image = select_channels(subject.image, subject.channels, same) if same else subject.image
    return first_channel(image)


def _label_remark(subject: Subject, dataset_labels: set[str]) -> str | None:
    """Return a remark if a real image has labels that the dataset does not have."""
    table = subject.table
    present = {0, *np.unique(subject.label).tolist()}
    names = {name for value, name in enumerate(table.names) if value in present}
    unknown = ", ".join(sorted(names - dataset_labels))
    # with two labels or fewer, one of them is an outline and not an anatomy
    several = min(len(names), len(dataset_labels)) > 2
    if several and not names & dataset_labels - {table.names[0]}:
        return f"{OTHER_ANATOMY}: {unknown}"
    if unknown:
        return f"other labels ({unknown}): they only serve to tell tissue from background"
    return None


def load_real_subject(record: Record, spacing_mm: float) -> Subject:
    """Load a subject with its image, at a spacing; in a lone image file, tissue is what is not 0.

    Raises:
        SubjectError: If it has no image or cannot be read.
    """
    if record["image"] is None:
        raise SubjectError(f"{record['id']}: it has no image")
    if record["source"] != "file":
        return load_subject(record, spacing_mm)
    image, affine = read_volume(Path(record["image"]))
    image = to_finite_float32(image, record["image"])
    z, y, x = image.shape
    dx, dy, dz = (float(s) for s in np.linalg.norm(affine[:3, :3], axis=0))
    sides_mm = np.array(image.shape) * [dz, dy, dx]
    check_size(record["image"], "the field of view", sides_mm, BODY_MM)
    label = (image > 0).astype(np.uint8)
    grid = Grid((z, y, x), (dz, dy, dx), affine)
    table = LabelTable(("background",), ((0, 0, 0),))
    return resample(Subject(record["id"], label, grid, table, image), spacing_mm)
