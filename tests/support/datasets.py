"""Random images of people, files of them, and datasets with given content."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.open import create_dataset
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.subjects.types import FETA, Grid, LabelTable

EXTRACTOR = "support.toy_extractor:coarse"


def rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def person(seed: int, shape: tuple[int, int, int] = (1, 32, 32)) -> np.ndarray:
    """An ellipsoid of a size of its own, filled with a texture of its own: from 0 to 1."""
    draw = rng(seed)
    half = [n * draw.uniform(0.3, 0.4) if n > 1 else 1.0 for n in shape]
    grid = np.indices(shape) - (np.array(shape)[:, None, None, None] - 1) / 2
    inside = sum((g / h) ** 2 for g, h in zip(grid, half, strict=True)) < 1
    sigma = [2.0 if n > 1 else 0.0 for n in shape]
    texture = ndimage.gaussian_filter(draw.normal(size=shape), sigma)
    texture = 0.55 + 0.18 * texture / texture.std()
    return (np.clip(texture, 0.05, 1) * inside).astype(np.float32)


def files(folder: Path, images: dict[str, np.ndarray], spacing: float = 1.0) -> Path:
    """A folder of NIfTI files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in images.items():
        nib.save(nib.Nifti1Image(image.T, np.diag([spacing] * 3 + [1])), folder / f"{name}.nii.gz")
    return folder


def card(folder: Path, training_subjects: list[str], held_out: list[str]) -> Path:
    """The card of a model that learnt from some people."""
    folder.mkdir(parents=True, exist_ok=True)
    training = {"subjects": training_subjects, "held_out": held_out}
    content = {"family": "spade", "config": {}, "sha256": {}, "training": training}
    (folder / "card.json").write_text(json.dumps(content))
    return folder


def dataset(
    path: Path,
    images: list[np.ndarray],
    *,
    originals: list[np.ndarray] | None = None,
    subjects: list[str] | None = None,
    edits: int = 0,
    model: Path | None = None,
    table: LabelTable = FETA,
    recipe: dict | None = None,
) -> Dataset:
    """A dataset of those images, labels where they are not black; the first `edits` are edited.
    recipe: what the dataset says it was made by."""
    spec = {**(recipe or {}), **({"appearance": {"model": str(model)}} if model else {})}
    record = {"recipe_digest": "a" * 64, "recipe": {"resolved": spec}}
    ranges = {"image": (0.0, 1.2), **({"original": (0.0, 1.2)} if originals else {})}
    layout = Layout(len(images), images[0].shape, table, ranges)
    new_dataset = create_dataset(str(path), layout, record, "seed: 1\n")
    grid = Grid.centred(images[0].shape, (1.0, 1.0, 1.0))
    for i, image in enumerate(images):
        case = {"id": f"c{i}", **({"edits": [{"warp": 1}]} if i < edits else {})}
        text = json.dumps(case, sort_keys=True, separators=(",", ":"))
        arrays = {"image": image, "label": (image > 0).astype(np.uint8)}
        arrays |= {"original": originals[i]} if originals else {}
        columns = {"subject": subjects[i] if subjects else f"made-{i}", "case": f"c{i}"}
        stored = StoredSample(text, arrays, grid.affine, grid.spacing, columns)
        new_dataset.write_shard(i, i, [stored])
    new_dataset.seal()
    return new_dataset
