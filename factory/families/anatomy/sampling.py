"""Individuals from an anatomy generator: drawn from a seed, or on the way between two people."""

import functools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from factory.anatomy.measures.diameters import biparietal_mm, occipito_frontal_mm
from factory.families.anatomy.drawing import (
    ROUGH_MM,
    Anchor,
    Individual,
    draw_window,
    rough_window,
)
from factory.families.anatomy.model_files import AnatomyModel
from factory.models.anatomy import sample_field
from factory.storage.subjects.growth_curves import (
    biparietal_sd_mm,
    intracranial_mm,
    occipito_frontal_sd_mm,
)
from factory.storage.subjects.types import LabelTable
from factory.training.tables import card_table

AGE_BANDWIDTH_WEEKS = 1.0
"""People of about this difference in age take part in the mean at an age."""

EXTENT_DRAWS, EXTENT_MARGIN = 16, 1.08
"""The largest of so many individuals, times this, is what hardly any other exceeds."""

DIAMETER_MM = 1.5
"""The spacing at which the diameters of a head are measured before it is scaled."""

SHARED = 0.6
"""The correlation of a head's width with its length at one age."""


class AnatomySampler:
    """Makes individuals of one model.

    Attributes:
        model: The model.
        table: Its label table.
        modes: The modes on the lattice of the velocities [count, 3, z, y, x].
    """

    def __init__(self, model: AnatomyModel) -> None:
        self.model, self.table = model, card_table(model.card)
        nodes = model.lattice.points()
        self.modes = torch.stack(
            [sample_field(mode, nodes, model.mode_lattice).movedim(-1, 0) for mode in model.modes]
        )

    def weights(self, age: float | None, phase: str | None = None) -> np.ndarray:
        """Return how much each person counts at an age or in a phase; else all the same."""
        if phase is not None and self.model.phases:
            same = np.array([p == phase for p in self.model.phases], float)
            return np.asarray(same / same.sum())
        if age is None or not self.model.ages:
            return np.full(len(self.model.people), 1 / len(self.model.people))
        distance = (np.asarray(self.model.ages) - age) / AGE_BANDWIDTH_WEEKS
        weights: np.ndarray = np.exp(-0.5 * (distance**2 - (distance**2).min()))
        return np.asarray(weights / weights.sum())

    def mean_maps(self, weights: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return the weighted mean of the people's maps."""
        w = torch.from_numpy(weights).float()
        logarithm = torch.einsum("n,nij->ij", w, self.model.logarithm)
        return logarithm, torch.einsum("n,nczyx->czyx", w, self.model.velocity)

    def draw(
        self, seed: int, age: float | None, variation: float, phase: str | None = None
    ) -> Individual:
        """Draw an individual.

        Args:
            seed: The seed.
            age: Its age in weeks; None where the model has no ages.
            variation: How much individuals differ; 0 is the mean of the age with a person's
                details, 1 what was learned.
            phase: Its cardiac phase; None where the model has no phases.
        """
        rng = np.random.Generator(np.random.Philox(seed))
        weights = self.weights(age, phase)
        person = int(rng.choice(len(weights), p=weights))
        coefficients = torch.from_numpy(rng.standard_normal(len(self.modes))).float()
        direction = torch.from_numpy(rng.standard_normal(len(weights))).float()
        sizes = rng.standard_normal(3)
        logarithm, velocity = self.mean_maps(weights)
        velocity = velocity + variation * torch.einsum("k,kczyx->czyx", coefficients, self.modes)
        individual = Individual([self.anchor(person)], (logarithm, velocity))
        if self.model.card.get("growth") == "fetal_head" and age is not None:
            return self.scale_head(individual, age, (variation * sizes).tolist())
        spread = torch.from_numpy(np.sqrt(weights)).float()
        residual = self.model.logarithm - logarithm
        residual = variation * torch.einsum("n,nij->ij", direction * spread, residual)
        return replace(individual, maps=(logarithm + residual, velocity))

    def is_mirrored(self, seed: int) -> bool:
        """Return whether left and right of the individual of a seed are exchanged."""
        rng = np.random.Generator(np.random.Philox(key=[seed, 1]))
        return bool(self.model.card.get("mirror", False)) and bool(rng.integers(2))

    @functools.lru_cache(maxsize=8)  # noqa: B019 - a sampler lives as long as its process
    def largest_extent_mm(
        self, age: float | None, variation: float, phase: str | None = None
    ) -> tuple[float, float, float]:
        """Return the size (z, y, x) that hardly any individual of an age or phase exceeds."""
        largest = np.zeros(3)
        for seed in range(EXTENT_DRAWS):
            individual = self.draw(seed, age, variation, phase)
            window = rough_window(individual, self.model.lattice)
            label, _ = draw_window(individual, self.model.lattice, window, True)
            largest = np.maximum(largest, np.ptp(np.argwhere(label > 0), axis=0) + 1)
        z, y, x = (largest * ROUGH_MM * EXTENT_MARGIN).tolist()
        return z, y, x

    def anchor(self, person: int, weight: float = 1.0) -> Anchor:
        """Return a person as one whose labels are taken."""
        maps = self.model.logarithm[person], self.model.velocity[person]
        return Anchor(self.model.people[person], maps, weight)

    def scale_head(
        self, individual: Individual, age: float, deviations: Sequence[float]
    ) -> Individual:
        """Return an individual of the diameters that growth curves give for its age.

        Args:
            individual: The individual.
            age: Weeks.
            deviations: Three standard deviations; see `head_diameters_mm`.
        """
        width, length = head_diameters_mm(age, deviations)
        window = rough_window(individual, self.model.lattice, DIAMETER_MM)
        label, _ = draw_window(individual, self.model.lattice, window)
        spacing = (DIAMETER_MM, DIAMETER_MM, DIAMETER_MM)
        now_width = biparietal_mm(label, spacing, self.table) or width
        now_length = occipito_frontal_mm(label, spacing, self.table) or length
        x, y = width / now_width, length / now_length
        z = math.sqrt(x * y)
        return replace(individual, scale=(z, y, x))

    def between(self, first: int, last: int, t: float) -> Individual:
        """Return an individual on the way between two people of the model, t from 0 to 1."""
        mix = [(1 - t) * value[first] + t * value[last] for value in self._maps()]
        anchors = [self.anchor(i, w) for i, w in ((first, 1 - t), (last, t)) if w]
        return Individual(anchors, (mix[0], mix[1]))

    def _maps(self) -> tuple[Tensor, Tensor]:
        return self.model.logarithm, self.model.velocity


def head_diameters_mm(age: float, deviations: Sequence[float]) -> tuple[float, float]:
    """Return the biparietal and the occipito-frontal diameter inside the skull.

    Args:
        age: Weeks.
        deviations: Standard deviations of the size, which both share, and of either alone.
    """
    size, *alone = deviations
    share, rest = math.sqrt(SHARED), math.sqrt(1 - SHARED)
    width, length = intracranial_mm(age)
    width += biparietal_sd_mm(age) * (share * size + rest * alone[0])
    length += occipito_frontal_sd_mm(age) * (share * size + rest * alone[1])
    return float(width), float(length)


def mirror_label(label: np.ndarray, table: LabelTable) -> np.ndarray:
    """Return a label map with left and right exchanged, its sided labels too."""
    mirrored: np.ndarray = table.mirrored_values[label[..., ::-1]]
    return np.ascontiguousarray(mirrored)
