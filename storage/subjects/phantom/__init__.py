"""A procedural fetal brain: seven tissues by gestational age and a seed, at any spacing.

The anatomy is built once as signed distances on a fixed lattice in millimetres, then sampled at
the requested spacing: the same brain at 0.5 mm and at 2 mm. The same seed at another age is the
same brain at that age. The third and the fourth ventricle are labelled external CSF, whose cisterns
they join; the cavum septi pellucidi is white matter; there is no hippocampus.
"""

from collections.abc import Callable

import cc3d
import numpy as np
from scipy import ndimage

from factory.storage.errors import SubjectError
from factory.storage.subjects.growth_curves import (
    MAX_WEEKS,
    MIN_WEEKS,
    intracranial_mm,
    subarachnoid_mm,
)
from factory.storage.subjects.phantom.anatomy import (
    BASE,
    VERTEX,
    Build,
    Frame,
    brainstem,
    callosum,
    cerebellum,
    core,
    deep_grey,
    draw_build,
    envelope,
    sylvian,
    third_ventricle,
    ventricles,
)
from factory.storage.subjects.phantom.cortex import folding
from factory.storage.subjects.phantom.shapes import (
    Lattice,
    distance,
    halve_field,
    intersection,
    refine_field,
    resample,
    union,
)
from factory.storage.subjects.types import FETA, Grid, Subject

LATTICE_MM = 0.8
"""Spacing of the lattice on which the anatomy is built."""

CISTERN_MM = 1.3
"""Least width of the CSF between cerebrum and brainstem, and under the tentorium."""


def phantom(
    gestational_age_weeks: float, seed: int, spacing_mm: float, id: str | None = None
) -> Subject:
    """Make a normal fetal brain of an age; the same arguments give the same bytes.

    Args:
        gestational_age_weeks: 20 to 38.
        seed: Which brain.
        spacing_mm: Isotropic voxel size, above 0 and up to 4 mm.
        id: The subject's id; by default phantom-SEED.

    Returns:
        A subject without an image; its label is uint8 [z, y, x] in FETA's table.

    Raises:
        SubjectError: For an age or a spacing outside those ranges.
    """
    weeks = _check_age(gestational_age_weeks)
    if not 0 < spacing_mm <= 4:
        raise SubjectError(f"phantom: spacing_mm is {spacing_mm}; allowed: above 0, up to 4 mm")
    fields, lattice = _build_fields(weeks, seed)
    label = _sample_labels(fields, lattice, _tight_lattice(fields["outer"], lattice, spacing_mm))
    grid = Grid.centred(label.shape, (float(spacing_mm),) * 3)
    metadata = {"gestational_age_weeks": weeks, "seed": int(seed), "pathology": "none"}
    return Subject(id or f"phantom-{seed}", label, grid, FETA, None, metadata)


def phantom_extent_mm(gestational_age_weeks: float) -> tuple[float, float, float]:
    """Return an upper bound, over all seeds, of the size (z, y, x) of brain and external CSF.

    Raises:
        SubjectError: For an age outside 20–38 weeks.
    """
    weeks = _check_age(gestational_age_weeks)
    width, length = intracranial_mm(weeks)
    csf = subarachnoid_mm(weeks)
    largest = 1.13  # of all draws of a size
    height = (VERTEX - BASE) / 80 * (width - 2 * csf) + 2 * csf
    return largest * height + 4, largest * length + 4, largest * width + 4


def _check_age(weeks: float) -> float:
    if not MIN_WEEKS <= weeks <= MAX_WEEKS:
        raise SubjectError(
            f"phantom: gestational_age_weeks is {weeks}; allowed: {MIN_WEEKS:g} to {MAX_WEEKS:g}"
        )
    return float(weeks)


def _brain_lattice(weeks: float, build: Build) -> Lattice:
    """Return a lattice that holds the brain; its origin is the reference brain's."""
    size = np.array(phantom_extent_mm(weeks)) + 6
    middle = np.array([(VERTEX + BASE) / 2 * build.scale[2], 0.0, 0.0])
    shape = np.ceil(size / LATTICE_MM).astype(int)
    first = middle - (shape - 1) / 2 * LATTICE_MM
    return Lattice(tuple(float(f) for f in first), tuple(int(n) for n in shape), LATTICE_MM)


def _build_fields(weeks: float, seed: int) -> tuple[dict[str, np.ndarray], Lattice]:
    """Return the brain as fields in mm, negative inside, by name, and their lattice."""
    streams = [np.random.Generator(np.random.Philox(key=[seed, i])) for i in (0, 1, 1, 2)]
    build = draw_build(weeks, streams[0])
    lattice = _brain_lattice(weeks, build)
    coarse = lattice.every_second()
    frame, rough = Frame(build, lattice, streams[1]), Frame(build, coarse, streams[2])

    def smooth(organ: Callable[[Frame], np.ndarray]) -> np.ndarray:
        """An organ without fine detail, worked out on the coarse lattice."""
        return refine_field(organ(rough), lattice)

    body, stem, small, deep = map(smooth, (envelope, brainstem, cerebellum, deep_grey))
    fossa, cavity = smooth(sylvian), ventricles(frame, rough)
    middle = build.mean_scale * frame.side
    # The fourth ventricle: a slit before the vermis, open below; the peduncles pass beside it.
    slit = np.maximum(stem - 1.6, middle - 4 * build.brainstem)
    small = np.maximum(small, -slit)

    hull = intersection(body, build.fissure - middle, 3)
    hull = np.maximum(np.maximum(hull, CISTERN_MM + 1 - stem), CISTERN_MM + 0.5 - small)
    hull = distance(np.maximum(hull, -fossa), LATTICE_MM)
    inner = np.minimum(np.minimum(cavity, deep), np.minimum(stem - 3, fossa + 2))
    folded = hull + folding(frame, hull, inner, streams[3])
    cerebrum = np.minimum(folded, smooth(core))
    cerebrum = np.maximum(cerebrum, CISTERN_MM - small)
    surface = distance(np.minimum(cerebrum, stem), LATTICE_MM)
    brain = np.minimum(union(body, stem, 3), small)
    outer = np.minimum(_meninges(brain, build.csf, lattice), brain - 0.6 * build.csf)
    outer = np.maximum(outer, (BASE - frame.z) * build.scale[2])

    fields = {
        "outer": outer,
        "surface": surface,
        "cerebrum": cerebrum,
        "grey": np.maximum(-surface - build.ribbon, -smooth(callosum)),
        "deep": np.maximum(deep, surface + build.ribbon),
        "ventricles": np.maximum(cavity, surface + build.ribbon + 1.3),
        "third": third_ventricle(frame),
        "stem": stem,
        "cerebellum": small,
        "left": frame.x,
    }
    return fields, lattice


def _meninges(brain: np.ndarray, csf: float, lattice: Lattice) -> np.ndarray:
    """Return the outer bound of the external CSF: `csf` mm off the brain, cisterns bridged."""
    bridge, margin = 4.5, 6
    spacing = 2 * lattice.spacing
    body = np.pad(halve_field(brain, 0.8), margin, mode="edge")
    grown = distance(distance(body, spacing) - csf - bridge, spacing)
    grown = ndimage.gaussian_filter(grown, 1.0)[(slice(margin, -margin),) * 3]
    return refine_field(grown + bridge, lattice)


def _tight_lattice(outer: np.ndarray, lattice: Lattice, spacing: float) -> Lattice:
    """Return a lattice of a spacing around the brain, with three voxels of background."""
    inside = outer < 0
    box = []
    for axis in range(3):
        hit = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
        low, high = (lattice.first[axis] + lattice.spacing * i for i in (hit[0], hit[-1]))
        count = int(np.ceil((high - low) / spacing)) + 1 + 6
        box.append(((low + high) / 2 - (count - 1) / 2 * spacing, count))
    return Lattice(tuple(b[0] for b in box), tuple(b[1] for b in box), spacing)


def _sample_labels(fields: dict[str, np.ndarray], source: Lattice, target: Lattice) -> np.ndarray:
    """Return the label map uint8 [z, y, x] of the fields at the points of a target lattice."""
    # Only signs matter, and interpolation must not overshoot from large values.
    at = {name: _sample_field(np.clip(f, -4, 4), source, target) for name, f in fields.items()}
    label = np.zeros(target.shape, np.uint8)

    def fill(where: np.ndarray, tissue: str) -> None:
        label[where] = FETA.index(tissue)

    brain = (at["surface"] < 0) & (at["cerebrum"] < at["stem"])
    fill(at["outer"] < 0, "external_csf")
    fill(brain, "white_matter")
    fill(brain & (at["grey"] < 0), "grey_matter")
    fill(brain & (at["deep"] < 0), "deep_grey_matter")
    fill(brain & (at["ventricles"] < 0), "ventricles")
    fill(at["cerebellum"] < 0, "cerebellum")
    fill(brain & (at["third"] < 0), "external_csf")
    fill((at["stem"] < 0) & (at["deep"] > 0) & (at["ventricles"] > 0), "brainstem")
    return _relabel_fragments(label, at["left"])


def _sample_field(field: np.ndarray, source: Lattice, target: Lattice) -> np.ndarray:
    """Sample a field, which is 4 everywhere except around an organ, at the target's points."""
    sampled = np.full(target.shape, 4, field.dtype)
    box = []
    for axis in range(3):
        near = np.flatnonzero((field < 4).any(tuple(a for a in range(3) if a != axis)))
        points = target.first[axis] + target.spacing * np.arange(target.shape[axis])
        position = (points - source.first[axis]) / source.spacing
        inside = np.flatnonzero((position > near[0] - 2) & (position < near[-1] + 2))
        box.append(slice(int(inside[0]), int(inside[-1]) + 1))
    sampled[tuple(box)] = resample(field, source, target, tuple(box))
    return sampled


def _relabel_fragments(label: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Relabel fragments, which sampling split off their tissue, by the nearest other voxel."""
    left = x < 0
    fragments = label > 0
    for value in range(1, len(FETA.names)):
        tissue = label == value
        paired = value == FETA.index("ventricles")
        for organ in (tissue & left, tissue & ~left) if paired else (tissue,):
            fragments[cc3d.largest_k(organ, k=1, connectivity=6) > 0] = False
    relabelled = label.copy()
    # The voxels around a fragment always include another label, and none is nearer.
    components = cc3d.connected_components(fragments, connectivity=26)
    for fragment, box in enumerate(ndimage.find_objects(components), 1):
        surroundings = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in box)
        nearest = ndimage.distance_transform_edt(
            fragments[surroundings], return_distances=False, return_indices=True
        )
        here = components[surroundings] == fragment
        relabelled[surroundings][here] = label[surroundings][tuple(nearest)][here]
    return relabelled
