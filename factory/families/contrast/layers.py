"""Layers within a label: by depth between two surfaces, or by a mixture fitted to an image."""

from dataclasses import dataclass

import edt
import numpy as np

from factory.families.contrast.presets import DrawnContrast
from factory.imaging.boxes import bounding_box
from factory.imaging.types import Spacing
from factory.storage.json_value import JsonObject


@dataclass(frozen=True)
class Layered:
    """A label map some of whose labels are divided into layers.

    Attributes:
        label: [z, y, x], values of the table and, from its length on, of the layers.
        parents: The label of each layer, and its number from 0 to 1 within the label.
    """

    label: np.ndarray
    parents: tuple[tuple[int, float], ...]


def divide_labels(
    label: np.ndarray,
    spacing: Spacing,
    names: tuple[str, ...],
    layers: JsonObject,
    image: np.ndarray | None,
) -> Layered:
    """Divide labels into layers.

    Args:
        label: Values of a table [z, y, x].
        spacing: mm (z, y, x).
        names: The names of the table.
        layers: The filled section `layers` in plain JSON, by label.
        image: The subject's own image [z, y, x], for layers by image.

    Raises:
        ValueError: Layers by image are asked for, but there is no image.
    """
    divided = label.astype(np.uint16)
    parents: list[tuple[int, float]] = []
    for name, section in sorted(layers.items()):
        value, count = names.index(name), section["count"]
        mask = label == value
        if not mask.any():
            continue
        if section["by"] == "image":
            if image is None:
                raise ValueError(f"layers of {name} by image, but the subject has no image")
            levels = _levels_by_image(image[mask], count)
        else:
            ends = section.get("from_label"), section.get("to_label")
            masks = [label == names.index(end) for end in ends if end is not None]
            levels = _levels_by_depth(mask, spacing, masks, count)
        divided[mask] = len(names) + len(parents) + levels
        parents += [(value, index / (count - 1)) for index in range(count)]
    return Layered(divided, tuple(parents))


def extend_contrast(
    contrast: DrawnContrast,
    names: tuple[str, ...],
    layers: JsonObject,
    layered: Layered,
    generator: np.random.Generator,
) -> DrawnContrast:
    """Return a contrast with the layers' own brightness after that of the labels.

    By depth, the mean changes steadily from the first to the last layer, by an amount that is
    drawn, and each layer deviates from this by a third as much. By image, each layer's mean is
    drawn by itself, since other contrasts have other orders of brightness.
    """
    means, sds = list(contrast.means), list(contrast.sds)
    slopes: dict[int, float] = {}
    for value, position in layered.parents:
        spread = layers[names[value]]["spread"] * max(abs(contrast.means[value]), 1e-3)
        slope = slopes.setdefault(value, float(generator.normal(0, spread)))
        by_image = layers[names[value]]["by"] == "image"
        deviation = float(generator.normal(0, spread if by_image else spread / 3))
        slope = 0.0 if by_image else slope
        means.append(contrast.means[value] + slope * (2 * position - 1) + deviation)
        count = layers[names[value]]["count"]  # a component of a mixture spreads less than all
        sds.append(contrast.sds[value] / (count if by_image else 1))
    return DrawnContrast(np.array(means), np.array(sds))


def _levels_by_depth(
    mask: np.ndarray, spacing: Spacing, ends: list[np.ndarray], count: int
) -> np.ndarray:
    """Return the layer of each voxel of a mask: 0 at the first surface.

    Without two ends, 0 is at the label's own surface and the last layer at its greatest depth.
    """
    box = bounding_box(mask | ends[0] | ends[1]) if ends else bounding_box(mask)
    inside = np.pad(mask[box], 1)
    if not all(end.any() for end in ends):
        return np.zeros(int(mask.sum()), np.uint16)
    if ends:
        first, last = (_distance(~np.pad(end[box], 1), spacing)[inside] for end in ends)
        depth = first / (first + last)
    else:
        depth = _distance(inside, spacing)[inside]
        depth = (depth - depth.min()) / max(float(np.ptp(depth)), 1e-6)
    levels: np.ndarray = np.minimum((depth * count).astype(np.uint16), count - 1)
    return levels


def _distance(mask: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return the distance of each voxel of a mask to its surface in mm, float32."""
    distance: np.ndarray = edt.edt(mask, anisotropy=spacing)
    return distance


def _levels_by_image(brightness: np.ndarray, count: int, rounds: int = 30) -> np.ndarray:
    """Return the component of each voxel in a mixture of Gaussians, the darkest first.

    Expectation maximisation on the histogram of the voxels, begun at their quantiles.
    """
    quantiles = np.quantile(brightness, [0.002, 0.998])
    edges = np.linspace(quantiles[0], quantiles[1], 129)
    if edges[0] == edges[-1]:
        return np.zeros(brightness.size, np.uint16)
    counts, _ = np.histogram(np.clip(brightness, *quantiles), edges)
    centres = (edges[1:] + edges[:-1]) / 2
    means = np.quantile(brightness, (np.arange(count) + 0.5) / count)
    sds = np.full(count, brightness.std() / count + 1e-6)
    weights = np.full(count, 1 / count)
    smallest = np.ptp(edges) / 128
    for _ in range(rounds):
        shares = _shares(centres, means, sds, weights)
        mass = np.maximum((shares * counts).sum(1), 1e-9)
        means = (shares * counts * centres).sum(1) / mass
        variance = (shares * counts * (centres - means[:, None]) ** 2).sum(1) / mass
        sds, weights = np.sqrt(variance) + smallest, mass / mass.sum()
    order = np.argsort(means)
    best = np.argsort(order)[_shares(centres, means, sds, weights).argmax(0)]
    bins = np.clip(np.digitize(brightness, edges) - 1, 0, 127)
    levels: np.ndarray = best[bins].astype(np.uint16)
    return levels


def _shares(
    values: np.ndarray, means: np.ndarray, sds: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return the share of each component [component, value] in each value."""
    scores = -0.5 * ((values - means[:, None]) / sds[:, None]) ** 2
    scores += np.log(weights[:, None] / sds[:, None])
    shares = np.exp(scores - scores.max(0))
    normalised: np.ndarray = shares / shares.sum(0)
    return normalised
