"""Ventriculomegaly as pressure makes it: the wall pushes the brain outwards, nothing is eaten."""

from typing import Any

import edt
import numpy as np
from scipy import ndimage, special

from factory.anatomy.flow import FLOW_MM, STEP_MM, Flow
from factory.anatomy.measure import atrial_width_mm, components, euler_number, volumes_ml
from factory.anatomy.solve import solve
from factory.anatomy.topology import led_towards
from factory.anatomy.ventricles import box_of, lateral_ventricles
from factory.anatomy.warp import Shape, jacobian, pull_image, pull_label, voxels_from
from factory.errors import AnatomyError
from storage.subject import LabelTable

Spacing = tuple[float, float, float]

NAME = "ventriculomegaly: displace"
FLUID = ("background", "external_csf", "ventricles")
MOST_STEPS = 40.0
GRAIN_VOXELS = 1.5
CONVEXITY_MM = 6.0
"""External CSF this near to the skull counts as the mantle's outside; deeper, it is a sulcus, a
fissure or a cistern."""


def displaced_ventricles(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    request: tuple[float, float, list[str]],
    sides: dict[str, np.ndarray],
    shares: dict[str, float],
    image: np.ndarray | None,
    mantle_min_mm: float = 2.0,
    csf_min_share: float = 0.3,
    parenchyma_loss_max: float = 0.1,
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    """The wall of the ventricles moved outwards, and all else with it, in a skull that stays.

    request: atrial width wanted and present (mm), and the sides it is measured on. sides: the
    lateral ventricles, bool. shares: how fast each expands. Limits: mantle_min_mm, the least
    distance from ventricle to convexity, to a voxel (where it is less already, it may not become
    less);
    csf_min_share, what each place keeps of its external CSF; parenchyma_loss_max, the share of
    all that is neither CSF nor ventricle that may be lost, tissue by tissue.

    The record certifies the sample: jacobian_min and _max at full resolution, the share of
    parenchyma lost and of external CSF left, the mantle before and after, every volume before.
    Raises AnatomyError where the map folds, a tissue's components or Euler number would change,
    or the width cannot be reached within the limits.
    """
    _check(mantle_min_mm, csf_min_share, parenchyma_loss_max)
    wanted, present, main = request
    box = box_of(label > 0, (3, 3, 3))
    old = label[box]
    flow = _flow(old, spacing, table, {s: m[box] for s, m in sides.items()}, shares, csf_min_share)
    solid = [i for i, name in enumerate(table.names) if name not in FLUID]
    volumes = np.bincount(old.ravel(), minlength=len(table.names))[solid]
    mantle = _mantle_mm(old, spacing, table)
    grain = _grain((old.shape[0], old.shape[1], old.shape[2]))

    def warped(time: float) -> np.ndarray:
        places = voxels_from(flow.displacement(time), old.shape, spacing, FLOW_MM)
        new = pull_label(old, places + grain)
        # The skull stays: what came from beyond it is the tissue that was there.
        return np.where((old == 0) | (new == 0), old, new)

    def measured(time: float) -> tuple[float, str | None]:
        new = warped(time)
        widths = atrial_width_mm(new, spacing, table)
        hindrance = None
        if _lost(new, solid, volumes) > parenchyma_loss_max:
            hindrance = f"parenchyma_loss_max is {parenchyma_loss_max:g}"
        elif _mantle_mm(new, spacing, table) < min(mantle_min_mm, mantle) - max(spacing):
            hindrance = f"mantle_min_mm is {mantle_min_mm:g}"
        return max(w for s in main if (w := widths[s]) is not None), hindrance

    tolerance = min(spacing[1:]) / 2
    first = (wanted - present) / (1.5 * STEP_MM)
    found = solve(measured, wanted, present, 0.6 * tolerance, first, MOST_STEPS, NAME)
    led = old
    for time in [*np.arange(1, found.amount), found.amount]:
        target = warped(float(time))
        led = led_towards(led, target)
    displacement = flow.displacement(found.amount)
    folding = jacobian(displacement, old.shape, spacing, FLOW_MM)
    record = {
        "flow_steps": found.amount,
        "evaluations": found.evaluations,
        "jacobian_min": float(folding.min()),
        "jacobian_max": float(folding.max()),
        "voxels_held_by_topology": int((led != target).sum()),
        "parenchyma_loss": _lost(led, solid, volumes),
        "intracranial_change": float((led > 0).sum() / (old > 0).sum() - 1),
        "mantle_before_mm": mantle,
        "mantle_mm": _mantle_mm(led, spacing, table),
        **{f"before_volume_ml_{n}": ml for n, ml in volumes_ml(old, spacing, table).items()},
    }
    _certify(old, led, spacing, table, record, (wanted, tolerance, main))
    new = label.copy()
    new[box] = led
    painted = None if image is None else image.astype(np.float32)
    if painted is not None:
        places = voxels_from(displacement, old.shape, spacing, FLOW_MM)
        inside = old > 0
        painted[box][inside] = pull_image(painted[box], places[:, inside])
    return new, painted, record


def _check(mantle: float, csf: float, loss: float) -> None:
    for name, value, most in (
        ("mantle_min_mm", mantle, 20.0),
        ("csf_min_share", csf, 0.95),
        ("parenchyma_loss_max", loss, 0.5),
    ):
        if not 0 <= value <= most:
            raise AnatomyError(f"{NAME}: {name} is {value}; allowed are 0 to {most:g}")


def _flow(
    label: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    sides: dict[str, np.ndarray],
    shares: dict[str, float],
    csf_min_share: float,
) -> Flow:
    sources = np.zeros(label.shape, np.float32)
    for side, mask in sides.items():
        sources[mask] = shares[side] / mask.sum()
    csf = label == (table.names.index("external_csf") if "external_csf" in table.names else -1)
    parenchyma = np.isin(label, [i for i, n in enumerate(table.names) if n not in FLUID])
    return Flow(sources, csf, parenchyma, label > 0, spacing, csf_min_share)


def _grain(shape: Shape) -> np.ndarray:
    """Smooth noise, even over half a voxel to either side: float32 [3, z, y, x] in voxels.

    A cortex that moves by a fifth of a voxel would not move at all in the nearest label, and the
    white matter would pay for it. Added to the places, this moves a fifth of it, in patches, by
    one voxel; where nothing moves nothing changes. It is the same for every label map.
    """
    noise = np.random.Generator(np.random.Philox(0)).standard_normal((3, *shape), np.float32)
    smooth = ndimage.gaussian_filter(noise, (0, *[GRAIN_VOXELS] * 3), mode="wrap")
    return (0.998 * (special.ndtr(smooth / smooth.std()) - 0.5)).astype(np.float32)


def _lost(label: np.ndarray, solid: list[int], before: np.ndarray) -> float:
    """What tissues lost over what all had; the gain of one does not make up for another."""
    after = np.bincount(label.ravel(), minlength=max(solid) + 1)[solid]
    return float(np.maximum(before - after, 0).sum() / before.sum())


def _mantle_mm(label: np.ndarray, spacing: Spacing, table: LabelTable) -> float:
    """Least distance between a lateral ventricle and the brain's convexity."""
    deep = edt.edt(label > 0, anisotropy=spacing, black_border=True)
    csf = table.names.index("external_csf") if "external_csf" in table.names else 0
    outside = (label == 0) | ((label == csf) & (deep <= CONVEXITY_MM))
    inside = edt.edt(~outside, anisotropy=spacing, black_border=True)
    return float(inside[lateral_ventricles(label, spacing, table)].min())


def _certify(
    old: np.ndarray,
    new: np.ndarray,
    spacing: Spacing,
    table: LabelTable,
    record: dict[str, Any],
    request: tuple[float, float, list[str]],
) -> None:
    if record["jacobian_min"] <= 0:
        raise AnatomyError(f"{NAME}: the map folds (Jacobian {record['jacobian_min']:.2f})")
    for count in (components, euler_number):
        before, after = count(old, table), count(new, table)
        changed = [name for name in before if before[name] != after[name]]
        if changed:
            raise AnatomyError(f"{NAME}: the topology of {', '.join(changed)} would change")
    wanted, tolerance, main = request
    widths = atrial_width_mm(new, spacing, table)
    width = max(w for s in main if (w := widths[s]) is not None)
    if abs(width - wanted) > tolerance:
        raise AnatomyError(
            f"{NAME}: {wanted:.1f} mm asked for; with the topology kept it comes to {width:.1f} mm"
        )
