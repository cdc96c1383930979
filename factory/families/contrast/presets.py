"""Presets of contrast: how bright each tissue is, and how much this varies between images.

`random` follows the configuration of SynthSeg (Billot et al., Medical Image Analysis 2023): the
mean of a class of labels is uniform in 25 to 225 of 255, its spread inside the label in 5 to 25.

`t1w`, `t2w` and `flair` are the signal equations of a spoiled gradient echo, a spin echo and an
inversion-recovery spin echo (Bernstein, King, Zhou: Handbook of MRI Pulse Sequences, 2004), with
relaxation times at 3 T. Those of grey and white matter, muscle, liver, kidney, myocardium,
cartilage and blood are from Stanisz et al. (Magnetic Resonance in Medicine 2005), the others are
middles of the ranges that Bojorquez et al. (Magnetic Resonance Imaging 2017) review. Proton
densities are relative to water. What label maps call skin is dermis with the fat below it: its
times lie between those of both. The times of an image are all longer or shorter by up to 15 %, as
between field strengths and reports, and those of one tissue by up to 4 % more.

`ct` has Hounsfield units from the ranges in Prokop, Galanski: Spiral and Multislice Computed
Tomography of the Body (2003), and Buzug: Computed Tomography (2008).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from factory.families.contrast.tissues import OTHER, tissue_of

PRESETS = ("random", "t1w", "t2w", "flair", "ct")
"""The names of the presets."""

HOUNSFIELD_RANGE = (-1024.0, 3071.0)
"""The values that a CT stores, 12 bits."""

_AIR_HU = -1000.0

IMAGE_VARIATION, TISSUE_VARIATION = 0.15, 0.04
"""How far the relaxation times of an image, and of one tissue, lie from the reported ones."""

FLOW_VOID = (0.05, 0.4)
"""What is left of the signal of moving blood in a spin echo, as a share."""

FREE_WATER = ("fluid",)
"""Tissues whose times do not depend on the field strength."""


@dataclass(frozen=True)
class Relaxation:
    """What a tissue gives to magnetic resonance.

    Attributes:
        density: The density of protons, relative to water.
        t1_ms: The longitudinal relaxation time at 3 T.
        t2_ms: The transverse relaxation time at 3 T.
    """

    density: float
    t1_ms: float
    t2_ms: float


RELAXATION: dict[str, Relaxation] = {
    "fluid": Relaxation(1.0, 4160, 1500),
    "choroid_plexus": Relaxation(0.9, 2200, 200),
    "grey_matter": Relaxation(0.82, 1820, 99),
    "deep_grey_matter": Relaxation(0.80, 1450, 85),
    "white_matter": Relaxation(0.70, 1084, 69),
    "lesion": Relaxation(0.85, 1700, 160),
    "vessel": Relaxation(0.85, 1932, 200),
    "myocardium": Relaxation(0.80, 1471, 47),
    "muscle": Relaxation(0.80, 1412, 50),
    "liver": Relaxation(0.75, 812, 42),
    "spleen": Relaxation(0.80, 1328, 61),
    "kidney": Relaxation(0.80, 1194, 56),
    "pancreas": Relaxation(0.75, 725, 43),
    "prostate": Relaxation(0.80, 1597, 80),
    "cartilage": Relaxation(0.70, 1168, 27),
    "fat": Relaxation(0.90, 380, 70),
    "skin": Relaxation(0.85, 700, 50),
    "cancellous_bone": Relaxation(0.60, 550, 50),
    "bone": Relaxation(0.05, 250, 1),
    "lung": Relaxation(0.15, 1200, 2),
    "air": Relaxation(0.0, 1000, 1),
}
"""The tissues that presets of magnetic resonance know."""

HOUNSFIELD: dict[str, tuple[float, float, float]] = {
    "air": (-1000, 5, 10),
    "lung": (-800, 60, 60),
    "fat": (-90, 10, 12),
    "skin": (-90, 10, 12),
    "fluid": (8, 4, 8),
    "choroid_plexus": (35, 8, 10),
    "white_matter": (28, 2, 7),
    "grey_matter": (38, 2, 7),
    "deep_grey_matter": (36, 2, 7),
    "lesion": (20, 8, 8),
    "vessel": (50, 8, 10),
    "myocardium": (50, 6, 12),
    "muscle": (52, 6, 12),
    "liver": (58, 6, 12),
    "spleen": (48, 5, 12),
    "kidney": (32, 5, 12),
    "pancreas": (40, 8, 12),
    "prostate": (40, 6, 12),
    "cartilage": (90, 20, 20),
    "cancellous_bone": (250, 60, 80),
    "bone": (1100, 200, 200),
}
"""Mean, spread of the mean between people, and spread inside the tissue, in Hounsfield units."""


@dataclass(frozen=True)
class DrawnContrast:
    """The contrast of one image: a value for each label of a table.

    Attributes:
        means: float64, the mean brightness of each label.
        sds: float64, the spread of brightness inside each label.
    """

    means: np.ndarray
    sds: np.ndarray


HOUNSFIELD_UNITS = "hounsfield"
"""What `fitted` says of its units where they are Hounsfield units."""


def is_hounsfield(preset: str | None, fitted_units: str | None) -> bool:
    """Return whether a contrast is in Hounsfield units; others have 0 for dark, 1 for bright.

    Args:
        preset: Its preset, if it has one.
        fitted_units: The units of what was fitted, if there is something.
    """
    return preset == "ct" or fitted_units == HOUNSFIELD_UNITS


def draw_preset(
    preset: str, classes: tuple[str, ...], generator: np.random.Generator
) -> DrawnContrast:
    """Draw a contrast from a preset, the same for all labels of a class.

    Args:
        preset: One of PRESETS.
        classes: The class of each label of a table, the background first.
        generator: Gives the randomness.
    """
    if preset == "random":
        return _draw_random(classes, generator)
    if preset == "ct":
        return _draw_hounsfield(classes, generator)
    return _draw_magnetic(preset, classes, generator)


def _draw_random(classes: tuple[str, ...], generator: np.random.Generator) -> DrawnContrast:
    """Draw every class uniformly; the background is air, 0, in every second image."""
    unique = list(dict.fromkeys(classes))
    index = [unique.index(name) for name in classes]
    means = generator.uniform(25 / 255, 225 / 255, len(unique))
    sds = generator.uniform(5 / 255, 25 / 255, len(unique))
    if generator.random() < 0.5:
        means[0] = sds[0] = 0.0
    return DrawnContrast(means[index], sds[index])


def _draw_hounsfield(classes: tuple[str, ...], generator: np.random.Generator) -> DrawnContrast:
    """Draw the mean of each class between people; a label of no known tissue is like muscle."""
    means, sds = {}, {}
    for name in dict.fromkeys(classes):
        mean, between, within = HOUNSFIELD.get(tissue_of(name), HOUNSFIELD["muscle"])
        means[name] = max(mean + between * float(np.clip(generator.normal(), -2, 2)), _AIR_HU)
        sds[name] = within
    return DrawnContrast(
        np.array([means[name] for name in classes]), np.array([sds[name] for name in classes])
    )


def _draw_magnetic(
    preset: str, classes: tuple[str, ...], generator: np.random.Generator
) -> DrawnContrast:
    """Draw the times of each class, and return its signal relative to the brightest class.

    A label of no known tissue has the times of a tissue drawn for it.
    """
    sequence = _draw_sequence(preset, generator)
    tissues = sorted(RELAXATION.keys() - {"air", "skin"})
    common = 1 + generator.uniform(-IMAGE_VARIATION, IMAGE_VARIATION, 2)
    signals: dict[str, float] = {}
    for name in dict.fromkeys(classes):
        tissue, anything = tissue_of(name), tissues[int(generator.integers(len(tissues)))]
        times = RELAXATION[anything if tissue == OTHER else tissue]
        off = generator.uniform(-TISSUE_VARIATION, TISSUE_VARIATION, 2)
        off += 1.0 if tissue in FREE_WATER else common
        varied = Relaxation(times.density, times.t1_ms * off[0], times.t2_ms * off[1])
        signal = sequence.signal(varied)
        if tissue == "vessel" and sequence.kind != "gradient":
            signal *= generator.uniform(*FLOW_VOID)  # moving blood misses the second pulse
        signals[name] = signal
    brightest = max(signals.values()) or 1.0
    means = np.array([signals[name] for name in classes]) / brightest
    noise = generator.uniform(0.02, 0.06)
    return DrawnContrast(means, np.where(means > 0, noise * (0.3 + 0.7 * means), 0.0))


@dataclass(frozen=True)
class Sequence:
    """A pulse sequence.

    Attributes:
        kind: A spoiled gradient echo, a spin echo, or one with an inversion before it.
        tr_ms: The repetition time.
        te_ms: The echo time.
        flip_degrees: The flip angle of the gradient echo.
        ti_ms: The time from the inversion to the excitation.
    """

    kind: Literal["gradient", "spin", "inversion"]
    tr_ms: float
    te_ms: float
    flip_degrees: float = 90.0
    ti_ms: float = 0.0

    def signal(self, tissue: Relaxation) -> float:
        """Return the signal of a tissue, relative to the magnetisation of water."""
        recovery = float(np.exp(-self.tr_ms / tissue.t1_ms))
        echo = tissue.density * float(np.exp(-self.te_ms / tissue.t2_ms))
        if self.kind == "gradient":
            angle = np.deg2rad(self.flip_degrees)
            ernst = np.sin(angle) * (1 - recovery) / (1 - np.cos(angle) * recovery)
            return float(echo * ernst)
        if self.kind == "spin":
            return echo * (1 - recovery)
        inverted = 2 * float(np.exp(-self.ti_ms / tissue.t1_ms))
        return echo * abs(1 - inverted + recovery)


def _draw_sequence(preset: str, generator: np.random.Generator) -> Sequence:
    """Draw the parameters of a preset's sequence in the ranges of clinical protocols."""
    if preset == "t1w":
        flip = generator.uniform(20, 35)
        return Sequence("gradient", generator.uniform(12, 25), generator.uniform(2, 6), flip)
    if preset == "t2w":
        return Sequence("spin", generator.uniform(3000, 6000), generator.uniform(80, 120))
    tr_ms, te_ms = generator.uniform(8000, 11000), generator.uniform(90, 140)
    fluid_ms = RELAXATION["fluid"].t1_ms  # the inversion time at which fluid gives no signal
    ti_ms = fluid_ms * np.log(2 / (1 + np.exp(-tr_ms / fluid_ms))) * generator.uniform(0.96, 1.04)
    return Sequence("inversion", tr_ms, te_ms, ti_ms=float(ti_ms))
