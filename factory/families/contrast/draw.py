"""Draw the contrast of one image from a filled section of a recipe."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from factory.families.contrast.presets import DrawnContrast, draw_preset, is_hounsfield
from factory.families.contrast.tissues import class_names
from factory.seeding import random_generator
from factory.storage.json_value import JsonObject

MOST_DEVIATIONS = 2.5
"""How far a drawn value lies from a fitted mean at most, in standard deviations."""

SHRINKAGE_PEOPLE = 4
"""The correlation of few people is shrunk as if so many uncorrelated ones were among them."""


@dataclass(frozen=True)
class ChannelContrast:
    """The drawn contrast of one channel.

    Attributes:
        name: The channel's name, "" where there is one without a name.
        contrast: The means and spreads of all labels.
        is_fitted: Whether they are fitted to real images, and so in the factory's unit already.
        is_hounsfield: Whether they are in Hounsfield units.
        generator: Gives the further randomness of the channel.
    """

    name: str
    contrast: DrawnContrast
    is_fitted: bool
    is_hounsfield: bool
    generator: np.random.Generator


def draw_channels(
    section: JsonObject,
    names: tuple[str, ...],
    style_seed: int,
    regions: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[ChannelContrast]:
    """Draw the contrast of each channel, in alphabetical order, which JSON keeps.

    Args:
        section: The filled section `appearance.contrast` in plain JSON.
        names: The names of the label table, the background first.
        style_seed: The seed of the sample's style.
        regions: Names of unions of labels, with the names of their labels.
    """
    channels = section.get("channels") or {"": section}
    unions: dict[str, list[str]] = {name: list(labels) for name, labels in regions.items()}
    classes = class_names(names)
    for name, members in (section.get("classes") or {}).items():
        unions[name] = [label for member in members for label in unions.get(member, [member])]
        first = next((label for label in names if label in unions[name]), name)
        pairs = zip(names, classes, strict=True)
        classes = tuple(first if label in unions[name] else other for label, other in pairs)
    contrasts = []
    for name, channel in sorted(channels.items()):
        generator = random_generator(style_seed, "contrast", name)
        contrast = _draw(channel, names, classes, unions, generator)
        fitted = channel.get("fitted") or {}
        hounsfield = is_hounsfield(channel.get("preset"), fitted.get("units"))
        contrasts.append(ChannelContrast(name, contrast, bool(fitted), hounsfield, generator))
    return contrasts


def _draw(
    channel: JsonObject,
    names: tuple[str, ...],
    classes: tuple[str, ...],
    unions: Mapping[str, Sequence[str]],
    generator: np.random.Generator,
) -> DrawnContrast:
    """Draw a preset, then what was fitted, then what the recipe says of labels and unions."""
    fitted, preset = channel.get("fitted"), channel.get("preset")
    base = preset or ("" if fitted else "random")
    if base:
        contrast = draw_preset(base, classes, generator)
        means, sds = contrast.means.copy(), contrast.sds.copy()
    else:
        means, sds = np.zeros(len(names)), np.zeros(len(names))
    if fitted:
        _put_fitted(fitted, names, means, sds, generator)
    for label, look in (channel.get("labels") or {}).items():
        at = [i for i, name in enumerate(names) if name in unions.get(label, (label,))]
        means[at] = look.get("mean", means[at])
        sds[at] = look.get("sd", sds[at])
    return DrawnContrast(means, sds)


def _put_fitted(
    fitted: JsonObject,
    names: tuple[str, ...],
    means: np.ndarray,
    sds: np.ndarray,
    generator: np.random.Generator,
) -> None:
    """Draw a person from the fitted population, and write the person's labels into the arrays."""
    labels: Mapping[str, JsonObject] = fitted["labels"]
    count = len(labels)
    correlation = np.eye(count)
    if fitted.get("correlation"):
        weight = fitted["people"] / (fitted["people"] + SHRINKAGE_PEOPLE)
        correlation = weight * np.array(fitted["correlation"]) + (1 - weight) * correlation
    deviations = np.linalg.cholesky(correlation + 1e-9 * np.eye(count))
    person = np.clip(
        deviations @ generator.standard_normal(count), -MOST_DEVIATIONS, MOST_DEVIATIONS
    )
    inside = np.clip(generator.standard_normal(count), -MOST_DEVIATIONS, MOST_DEVIATIONS)
    for (label, row), between, within in zip(labels.items(), person, inside, strict=True):
        if label in names:
            at = names.index(label)
            means[at] = row["mean"] + between * row["mean_spread"]
            sds[at] = max(0.0, row["sd"] + within * row["sd_spread"])
