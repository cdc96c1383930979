"""A dataset's head planes against unpaired real ones: how far each must be deformed to become real
(the score of Jiao et al., see factory.metrics.deformation).

Of every volume the axial slice with the most tissue is taken, and brought into one frame by the
ellipse of its tissue, so that size and pose do not count. Of real images, those held out are the
references where there are any.
"""

from collections.abc import Callable, Sequence
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
from factory.imaging.pictures import picture_rows
from factory.metrics.deformation import COLUMNS, Reference, among_themselves, row, to_references
from factory.storage.subjects.head_frame import ellipse_of_mask, framed

MOST_REAL = 6
"""References; of more, evenly spread ones. Each sample is registered with each."""

SHOWN = 10


Framed = tuple[str, str, np.ndarray, np.ndarray]
"""Id and owner of a plane; the plane in [-1, 1], -1 outside the brain; and the brain's mask."""


def compare(
    made: GeneratedImages, real: ImageSet, output: Path, crew: Workers = SERIAL
) -> tuple[pd.DataFrame, list[str]]:
    """A row of COLUMNS for the samples, and for real planes against one another as the floor; and
    what is to be said of them. Writes deformation.csv, deformation-samples.csv and deformation.png
    into output. Raises FactoryError, StorageError.
    """
    samples = made.images()
    drawn = planes_of(samples, crew)
    found = planes_of(real, crew)
    refuse_other_anatomy(real)
    held = [plane for plane in found if plane[1] in real.held_out]
    against, kind = (held, "held-out") if held else (found, "real")
    chosen = np.linspace(0, len(against) - 1, min(MOST_REAL, len(against))).astype(int)
    against = [against[i] for i in chosen]
    references = [plane[2:] for plane in against]
    score = partial(scorer, [plane[2] for plane in drawn], references)
    of_samples = list(map_in_workers(score, len(drawn), crew, "registering"))
    rows = [row(f"samples, to {kind} planes", of_samples)]
    if len(references) > 1:
        rows.append(row(f"{kind} planes, to one another", among_themselves(references)))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    said = [
        "mean |det J - 1| / 0.5 over the brain of a B-spline deformation, control points 16 pixels "
        "apart; 0 is no change of area; not comparable with published figures",
        f"{len(references)} {kind} planes are the references: {', '.join(p[0] for p in against)}",
    ]
    if len(references) == 1:
        said.append("one real plane alone: no floor of real against real")
    said += [*samples.remarks, *real.remarks]
    output.mkdir(parents=True, exist_ok=True)
    table.to_csv(output / "deformation.csv", index=False)
    names = {"sample": [p[0] for p in drawn], "subject": [p[1] for p in drawn]}
    each = pd.DataFrame({**names, "deformation": of_samples})
    each.to_csv(output / "deformation-samples.csv", index=False)
    picture(output / "deformation.png", [p[2] for p in drawn], [p[0] for p in references], kind)
    return table, said


def planes_of(images: ImageSet, crew: Workers) -> list[Framed]:
    return list(images.map(lambda: plane_of, crew, f"reading {images.name}"))


def plane_of(volume: Volume) -> Framed:
    """Raises FactoryError where a volume's tissue is not known or too little."""
    areas = volume.inside.sum(axis=(1, 2))
    z = int(areas.argmax())
    inside = ndimage.binary_fill_holes(volume.inside[z])
    try:
        ellipse = ellipse_of_mask(inside)
    except ValueError as error:
        raise FactoryError(f"{volume.id}: no head to frame: {error}") from None
    plane = to_network(framed(np.where(inside, volume.image[z], 0), ellipse))
    return volume.id, volume.owner, plane, framed(inside, ellipse) > 0.5


def scorer(planes: list[np.ndarray], against: Sequence[Reference]) -> Callable[[int], float]:
    """What gives the n-th plane's score."""
    return lambda n: to_references(planes[n], against)


def picture(path: Path, made: list[np.ndarray], real: list[np.ndarray], kind: str) -> None:
    """A PNG: some samples, and real planes over and over as far as there are columns."""
    chosen = np.linspace(0, len(made) - 1, min(SHOWN, len(made))).astype(int)
    of_samples = np.stack([made[i] for i in chosen])
    others = np.stack([real[i % len(real)] for i in range(len(chosen))])
    shown = [("samples", of_samples), (f"{kind} planes", others)]
    picture_rows(path, [(name, planes, "gray", -1.0, 1.0) for name, planes in shown])
