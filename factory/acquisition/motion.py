"""Where the head is when each slice is taken: a smooth drift in time, and jerks."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from factory.acquisition.streams import random_stream

CYCLES = np.array([0.5, 1, 1.5, 2, 3])
"""Frequencies of the drift, in cycles a stack."""

JERK = 3
"""Standard deviation of a sudden displacement, in those of the drift."""


@dataclass(frozen=True)
class SliceMotion:
    """A rigid pose a slice, about the brain's centre.

    shift_mm and turn_degrees: float [slice, 3] along the stack's (slice, row, column) axes; a
    turn is a rotation vector.
    """

    shift_mm: np.ndarray
    turn_degrees: np.ndarray

    @property
    def still(self) -> bool:
        return not (self.shift_mm.any() or self.turn_degrees.any())

    def summary(self) -> dict[str, float]:
        shift, turn = (np.linalg.norm(each, axis=1) for each in (self.shift_mm, self.turn_degrees))
        return {
            "motion_mean_mm": float(shift.mean()),
            "motion_max_mm": float(shift.max()),
            "motion_mean_degrees": float(turn.mean()),
            "motion_max_degrees": float(turn.max()),
        }


def draw_motion(parameters: dict[str, Any], slices: int, seed: int, stack: int) -> SliceMotion:
    """The motion of a stack. translation_mm and rotation_degrees are the drift's standard
    deviations along each axis; jerk_share of the slices are thrown off on top, each alone.
    """
    pose = _drift(slices, random_stream(seed, stack, "drift"))
    rng = random_stream(seed, stack, "jerk")
    thrown = rng.permutation(slices)[: round(parameters["jerk_share"] * slices)]
    pose[thrown] += JERK * rng.standard_normal((slices, 6))[thrown]
    return SliceMotion(
        pose[:, :3] * parameters["translation_mm"], pose[:, 3:] * parameters["rotation_degrees"]
    )


def interleaved_times(slices: int) -> np.ndarray:
    """When each slice is taken, in [0, 1): the even ones in a first pass, then the odd."""
    order = np.concatenate([np.arange(0, slices, 2), np.arange(1, slices, 2)])
    time = np.empty(slices)
    time[order] = np.arange(slices) / slices
    return time


def _drift(slices: int, rng: np.random.Generator) -> np.ndarray:
    """[slice, 6], each column of unit variance and smooth in time."""
    phase = 2 * np.pi * interleaved_times(slices)[:, None] * CYCLES
    cosine, sine = rng.standard_normal((2, len(CYCLES), 6)) / np.sqrt(len(CYCLES))
    return np.cos(phase) @ cosine + np.sin(phase) @ sine
