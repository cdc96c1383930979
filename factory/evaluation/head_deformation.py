"""How far a dataset's head planes must be deformed to become real ones that are not paired.

The score is that of Jiao et al., see factory.metrics.deformation. Of every volume the axial slice
with the most tissue is taken, and brought into one frame by the ellipse of its tissue, so that size
and pose do not count. If some real images are held out, they are the references; else all are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from factory.errors import FactoryError
from factory.evaluation.generated_images import GeneratedImages
from factory.evaluation.image_set import ImageSet, Volume
from factory.evaluation.parallel import SERIAL, Workers, map_in_workers
from factory.evaluation.real_images import refuse_other_anatomy
from factory.imaging.intensities import to_network
from factory.imaging.pictures import draw_image_rows
from factory.metrics.deformation import (
    COLUMNS,
    Reference,
    mean_deformation,
    pairwise_deformations,
    summary_row,
)
from factory.storage.subjects.head_frame import mask_ellipse, resample_to_frame

MOST_REFERENCES = 6
"""Most real planes that each sample is registered with; of more, evenly spread ones are taken."""

PLANES_DRAWN = 10


@dataclass(frozen=True)
class FramedPlane:
    """One axial plane of a head in the common frame.

    Attributes:
        id: The volume's name.
        owner: The person it shows.
        image: float32 [row, column] in [-1, 1]; -1 outside the brain.
        brain: bool [row, column], the brain's mask.
    """

    id: str
    owner: str
    image: np.ndarray
    brain: np.ndarray


def compare_planes(
    generated: GeneratedImages, real: ImageSet, output: Path, workers: Workers = SERIAL
) -> tuple[pd.DataFrame, list[str]]:
    """Score a dataset's planes; write deformation.csv, deformation-samples.csv, deformation.png.

    Args:
        generated: The dataset.
        real: The real images, of which some may be held out.
        output: The folder to write into.
        workers: The processes that share the work.

    Returns:
        A row for the samples and, if there are two references or more, one for real planes against
        one another as the floor, with the columns of factory.metrics.deformation; and the remarks.

    Raises:
        FactoryError, StorageError: In one line.
    """
    synthetic = generated.images()
    samples = frame_planes(synthetic, workers)
    references, kind = _select_references(frame_planes(real, workers), real)
    refuse_other_anatomy(real)
    pairs: list[Reference] = [(plane.image, plane.brain) for plane in references]
    images = [plane.image for plane in samples]
    scores = list(
        map_in_workers(partial(make_scorer, images, pairs), len(images), workers, "registering")
    )
    rows = [summary_row(f"samples, to {kind} planes", scores)]
    if len(pairs) > 1:
        rows.append(summary_row(f"{kind} planes, to one another", pairwise_deformations(pairs)))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    remarks = [
        "mean |det J - 1| / 0.5 over the brain of a B-spline deformation, control points 16 pixels "
        "apart; 0 is no change of area; not comparable with published figures",
        f"{len(references)} {kind} planes are the references: "
        f"{', '.join(plane.id for plane in references)}",
    ]
    if len(references) == 1:
        remarks.append("one real plane alone: no floor of real against real")
    remarks += [*synthetic.remarks, *real.remarks]
    output.mkdir(parents=True, exist_ok=True)
    table.to_csv(output / "deformation.csv", index=False)
    by_sample = {
        "sample": [plane.id for plane in samples],
        "subject": [plane.owner for plane in samples],
        "deformation": scores,
    }
    pd.DataFrame(by_sample).to_csv(output / "deformation-samples.csv", index=False)
    draw_planes(output / "deformation.png", images, [plane.image for plane in references], kind)
    return table, remarks


def _select_references(planes: list[FramedPlane], real: ImageSet) -> tuple[list[FramedPlane], str]:
    """Return evenly spread planes to register with, and whether they are "held-out" or "real"."""
    held_out = [plane for plane in planes if plane.owner in real.held_out]
    candidates, kind = (held_out, "held-out") if held_out else (planes, "real")
    count = min(MOST_REFERENCES, len(candidates))
    evenly = np.linspace(0, len(candidates) - 1, count).astype(int)
    return [candidates[i] for i in evenly], kind


def frame_planes(images: ImageSet, workers: Workers) -> list[FramedPlane]:
    """Return the plane of every volume of a set."""
    return list(images.map(lambda: frame_plane, workers, f"reading {images.name}"))


def frame_plane(volume: Volume) -> FramedPlane:
    """Return a volume's axial slice with the most tissue, in the common frame.

    Raises:
        FactoryError: If the tissue is too little to fit an ellipse.
    """
    areas = volume.inside.sum(axis=(1, 2))
    z = int(areas.argmax())
    inside = ndimage.binary_fill_holes(volume.inside[z])
    try:
        ellipse = mask_ellipse(inside)
    except ValueError as error:
        raise FactoryError(f"{volume.id}: no head to frame: {error}") from None
    image = to_network(resample_to_frame(np.where(inside, volume.image[z], 0), ellipse))
    return FramedPlane(volume.id, volume.owner, image, resample_to_frame(inside, ellipse) > 0.5)


def make_scorer(
    images: list[np.ndarray], references: Sequence[Reference]
) -> Callable[[int], float]:
    """Return a function from the number of an image to its score against the references."""
    return lambda number: mean_deformation(images[number], references)


def draw_planes(path: Path, samples: list[np.ndarray], real: list[np.ndarray], kind: str) -> None:
    """Draw a row of samples above a row of real planes, which are repeated to fill it, as a PNG."""
    evenly = np.linspace(0, len(samples) - 1, min(PLANES_DRAWN, len(samples))).astype(int)
    above = np.stack([samples[i] for i in evenly])
    below = np.stack([real[i % len(real)] for i in range(len(evenly))])
    rows = [("samples", above), (f"{kind} planes", below)]
    draw_image_rows(path, [(name, planes, "gray", -1.0, 1.0) for name, planes in rows])
