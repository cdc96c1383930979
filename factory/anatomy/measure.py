"""What a label map measures: volumes in ml, diameters in mm, folding, components.

Pure functions of a label array [z, y, x] (RAS+: x runs to the patient's right, so the patient's
left lies at low x), its spacing in mm (z, y, x) and its LabelTable. A measure that does not
apply — the tissue is not in the table, or not in the label map — is None.
"""

from typing import Any

import cc3d
import edt
import numpy as np
from scipy import ndimage
from skimage import measure as skimage_measure

from factory.anatomy.midline import midline_x
from factory.anatomy.ventricles import lateral_ventricles
from storage.subject import LabelTable

Spacing = tuple[float, float, float]

CEREBRUM = ("grey_matter", "white_matter", "deep_grey_matter", "ventricles")
ATRIAL_LEVEL = (0.39, 0.47)
ATRIAL_STRETCH = (0.27, 0.42)
HULL_RADIUS_MM = 10.0
SUBVOXELS = 4


def measure(label: np.ndarray, spacing: Spacing, table: LabelTable) -> dict[str, Any]:
    """The columns every sample carries: volumes in ml and the width of the atria in mm.

    volume_ml_<tissue> for each tissue of the table (0.0 where it is absent),
    volume_ml_lateral_ventricles, atrial_width_left_mm, atrial_width_right_mm and
    atrial_width_mm, the wider of the two.
    """
    volumes = volumes_ml(label, spacing, table)
    columns: dict[str, Any] = {f"volume_ml_{name}": ml for name, ml in volumes.items()}
    lateral_ml = None
    if "ventricles" in table.names:
        lateral = lateral_ventricles(label, spacing, table)
        lateral_ml = float(lateral.sum() * np.prod(spacing) / 1000)
        widths = _atrial_widths(lateral, label, spacing, table)
    else:
        widths = {"left": None, "right": None}
    columns["volume_ml_lateral_ventricles"] = lateral_ml
    columns["atrial_width_mm"] = max((w for w in widths.values() if w is not None), default=None)
    columns["atrial_width_left_mm"] = widths["left"]
    columns["atrial_width_right_mm"] = widths["right"]
    return columns


def volumes_ml(label: np.ndarray, spacing: Spacing, table: LabelTable) -> dict[str, float]:
    """Millilitres of every tissue of the table but the background."""
    counts = np.bincount(label.ravel(), minlength=len(table.names))
    ml = float(np.prod(spacing)) / 1000
    return {name: float(counts[i] * ml) for i, name in enumerate(table.names) if i}


def atrial_width_mm(
    label: np.ndarray, spacing: Spacing, table: LabelTable
) -> dict[str, float | None]:
    """Width of the atrium of each lateral ventricle, {"left": mm, "right": mm}.

    ISUOG measures in the axial plane of the thalami, across the atrium at the glomus of the
    choroid plexus, perpendicular to the ventricle and from inner wall to inner wall. Labels show
    neither glomus nor sulcus, so the place is taken from the cerebrum's box:
    - the level is the axial slices from 0.39 to 0.47 of the cerebrum's height, the upper half of
      the thalami, and the atrium what lies from 0.27 to 0.42 of its length from behind, the
      stretch just behind them (in 15 atlas brains and five phantoms, 20–36 weeks, the deep grey
      matter's middle lies at 0.39 ± 0.03 of the height, its posterior end at 0.41 ± 0.04 of the
      length). Not the deep grey matter itself: an edit may grow into it, and the level would
      slide away under the measurement, while the cerebrum's box stays;
    - the width in a slice is the diameter of the largest circle centred there that fits in the
      ventricle's half: in a tube the chord perpendicular to its long axis, however the head is
      turned; in steps of a quarter to half a voxel;
    - the width is the median over the slices.
    A ventricle grown by r mm is wider by about 2 r, and never narrower. None where the side has
    no ventricle at that place. Raises AnatomyError for a table without ventricles.
    """
    return _atrial_widths(lateral_ventricles(label, spacing, table), label, spacing, table)


def _atrial_widths(
    lateral: np.ndarray, label: np.ndarray, spacing: Spacing, table: LabelTable
) -> dict[str, float | None]:
    if not lateral.any():
        return {"left": None, "right": None}
    cerebrum = _cerebrum(label, table)
    level = _part(np.any(cerebrum, axis=(1, 2)), ATRIAL_LEVEL)
    window = _part(np.any(cerebrum, axis=(0, 2)), ATRIAL_STRETCH)
    left = np.arange(label.shape[2]) < midline_x(label)[level, :, None]
    sides = {"left": lateral[level] & left, "right": lateral[level] & ~left}
    return {
        side: _width(mask, window, (spacing[1], spacing[2])) if mask[:, window].any() else None
        for side, mask in sides.items()
    }


def _part(profile: np.ndarray, fractions: tuple[float, float]) -> slice:
    """The voxels between two fractions of the extent of a profile, one at least."""
    where = np.nonzero(profile)[0]
    length = where[-1] - where[0] + 1
    first, last = (round(where[0] + f * length) for f in fractions)
    return slice(first, max(last, first + 1))


def _width(mask: np.ndarray, window: slice, spacing: tuple[float, float]) -> float:
    """Median over slices of the largest circle in mask [z, y, x] centred in the window of y."""
    ys, xs = np.nonzero(mask.any(0))
    y0, x0 = max(0, ys.min() - 2), max(0, xs.min() - 2)
    box = mask[:, y0 : ys.max() + 3, x0 : xs.max() + 3]
    rows = slice(max(0, window.start - y0) * SUBVOXELS, max(0, window.stop - y0) * SUBVOXELS)
    fine_spacing = (spacing[0] / SUBVOXELS, spacing[1] / SUBVOXELS)
    diameters = []
    for section in box:
        # A slight blur takes the voxels' stairs off slanted walls; flat walls stay in place.
        smooth = ndimage.gaussian_filter(section.astype(np.float32), 0.7)
        fine = ndimage.zoom(smooth, SUBVOXELS, order=1, grid_mode=True, mode="nearest") > 0.5
        radius = edt.edt(fine, anisotropy=fine_spacing, black_border=False)[rows]
        diameters.append(2 * float(radius.max(initial=0.0)))
    return float(np.median(diameters))


def biparietal_mm(label: np.ndarray, spacing: Spacing, table: LabelTable) -> float | None:
    """The widest left-to-right extent of everything labelled, in axial slices of the thalami.

    Labels end at the inside of the skull; the sonographer's diameter runs outer to inner table.
    """
    return _widest_extent(_thalamic_level(label, table), 2, spacing)


def occipito_frontal_mm(label: np.ndarray, spacing: Spacing, table: LabelTable) -> float | None:
    """The longest front-to-back extent of everything labelled, in axial slices of the thalami."""
    return _widest_extent(_thalamic_level(label, table), 1, spacing)


def transcerebellar_mm(label: np.ndarray, spacing: Spacing, table: LabelTable) -> float | None:
    """The widest left-to-right extent of the cerebellum in an axial slice."""
    if "cerebellum" not in table.names:
        return None
    return _widest_extent(label == table.index("cerebellum"), 2, spacing)


def _thalamic_level(label: np.ndarray, table: LabelTable) -> np.ndarray:
    """Everything labelled in the slices of the deep grey matter; in all, where there is none."""
    brain = label > 0
    if "deep_grey_matter" not in table.names:
        return brain
    level = (label == table.index("deep_grey_matter")).any((1, 2))
    return brain[level] if level.any() else brain


def _widest_extent(mask: np.ndarray, axis: int, spacing: Spacing) -> float | None:
    """Greatest first-to-last extent along an axis within one axial slice, in mm."""
    profiles = np.any(mask, axis=3 - axis)
    profiles = profiles[profiles.any(1)]
    if not len(profiles):
        return None
    first, last = profiles.argmax(1), profiles.shape[1] - 1 - profiles[:, ::-1].argmax(1)
    return float((last - first + 1).max() * spacing[axis])


def gyrification(label: np.ndarray, spacing: Spacing, table: LabelTable) -> float | None:
    """Area of the cerebrum's outer surface over the area of its closed hull; 1 is smooth.

    The cerebrum is grey and white matter, deep grey matter and ventricles, holes filled; its
    hull, the morphological closing by a ball of 10 mm. Both surfaces by marching cubes on the
    binary mask, whose stairs lengthen both alike.
    """
    cerebrum = _cerebrum(label, table)
    if not cerebrum.any():
        return None
    pad = [int(np.ceil(HULL_RADIUS_MM / s)) + 2 for s in spacing]
    cerebrum = np.pad(
        cerebrum[ndimage.find_objects(cerebrum.astype(np.uint8))[0]],
        list(zip(pad, pad, strict=True)),
    )
    cerebrum = ndimage.binary_fill_holes(cerebrum)
    grown = edt.edt(~cerebrum, anisotropy=spacing) <= HULL_RADIUS_MM
    hull = edt.edt(grown, anisotropy=spacing) > HULL_RADIUS_MM
    return _surface_area(cerebrum, spacing) / _surface_area(hull | cerebrum, spacing)


def _cerebrum(label: np.ndarray, table: LabelTable) -> np.ndarray:
    values = [table.index(name) for name in CEREBRUM if name in table.names]
    return np.isin(label, values, kind="table")


def _surface_area(mask: np.ndarray, spacing: Spacing) -> float:
    vertices, faces, _, _ = skimage_measure.marching_cubes(
        mask.astype(np.float32), 0.5, spacing=spacing
    )
    return float(skimage_measure.mesh_surface_area(vertices, faces))


def components(label: np.ndarray, table: LabelTable) -> dict[str, int]:
    """Connected components of every tissue but the background, by 26-connectivity."""
    return {
        name: int(cc3d.connected_components(label == i, connectivity=26, return_N=True)[1])
        for i, name in enumerate(table.names)
        if i
    }


def euler_number(label: np.ndarray, table: LabelTable) -> dict[str, int]:
    """Components less tunnels plus cavities of every tissue but the background (26-connected)."""
    label = np.pad(label, 1)
    numbers = {}
    for value, name in enumerate(table.names):
        where = ndimage.find_objects((label == value).astype(np.uint8))
        box = where[0] if where else (slice(1),) * 3
        if value:
            numbers[name] = int(skimage_measure.euler_number(label[box] == value, connectivity=3))
    return numbers
