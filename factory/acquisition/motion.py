"""The position of the head at each slice: a smooth drift in time, and sudden jerks."""

from dataclasses import dataclass

import numpy as np

from factory.acquisition.streams import random_stream
from factory.storage.json_value import JsonObject

CYCLES = np.array([0.5, 1, 1.5, 2, 3])
"""Frequencies of the drift, in cycles for each stack."""

JERK = 3
"""Standard deviation of a jerk, as a multiple of the drift's standard deviation."""


@dataclass(frozen=True)
class SliceMotion:
    """One rigid pose of the head for each slice.

    Attributes:
        shift_mm: float [slice, 3] along the stack's slice, row and column axes.
        turn_degrees: float [slice, 3], rotation vectors about the brain's centre, along the same
            axes.
    """

    shift_mm: np.ndarray
    turn_degrees: np.ndarray

    @property
    def is_still(self) -> bool:
        """Whether the head does not move at all."""
        return not (self.shift_mm.any() or self.turn_degrees.any())

    def summary(self) -> dict[str, float]:
        """Return the mean and the maximum over the slices of shift and turn, by column name."""
        shift, turn = (np.linalg.norm(pose, axis=1) for pose in (self.shift_mm, self.turn_degrees))
        return {
            "motion_mean_mm": float(shift.mean()),
            "motion_max_mm": float(shift.max()),
            "motion_mean_degrees": float(turn.mean()),
            "motion_max_degrees": float(turn.max()),
        }


def draw_motion(parameters: JsonObject, slices: int, seed: int, stack: int) -> SliceMotion:
    """Draw the motion of a stack: a drift, and jerks that displace single slices in addition.

    Args:
        parameters: translation_mm and rotation_degrees, the drift's standard deviations along each
            axis, and jerk_share, the share of slices with a jerk.
        slices: The number of slices.
        seed: The seed of the acquisition.
        stack: The number of the stack, from 0.
    """
    pose = _draw_drift(slices, random_stream(seed, stack, "drift"))
    rng = random_stream(seed, stack, "jerk")
    jerked = rng.permutation(slices)[: round(parameters["jerk_share"] * slices)]
    pose[jerked] += JERK * rng.standard_normal((slices, 6))[jerked]
    return SliceMotion(
        pose[:, :3] * parameters["translation_mm"], pose[:, 3:] * parameters["rotation_degrees"]
    )


def interleaved_times(slices: int) -> np.ndarray:
    """Return the time of each slice in [0, 1): first the even slices, then the odd ones."""
    order = np.concatenate([np.arange(0, slices, 2), np.arange(1, slices, 2)])
    time = np.empty(slices)
    time[order] = np.arange(slices) / slices
    return time


def _draw_drift(slices: int, rng: np.random.Generator) -> np.ndarray:
    """Draw float [slice, 6], each column of unit variance and smooth in time."""
    phase = 2 * np.pi * interleaved_times(slices)[:, None] * CYCLES
    cosine, sine = rng.standard_normal((2, len(CYCLES), 6)) / np.sqrt(len(CYCLES))
    drift: np.ndarray = np.cos(phase) @ cosine + np.sin(phase) @ sine
    return drift
