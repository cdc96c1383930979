"""What all sources and datasets share: Grid, LabelTable, Subject.

Arrays are indexed [z, y, x]: z runs inferior to superior, y posterior to anterior, x left to
right (the RAS+ orientation of NIfTI, transposed). Affines map voxel (x, y, z, 1) to RAS+
millimetres, as in NIfTI.
"""

from dataclasses import dataclass, field

import numpy as np

from factory.storage.errors import SubjectError
from factory.storage.json_value import JsonObject
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.label_names import left_right_pairs


@dataclass(frozen=True)
class Grid:
    """A voxel lattice in the world.

    Attributes:
        shape: Voxels (z, y, x).
        spacing: Voxel size in mm (z, y, x).
        affine: 4×4, voxel (x, y, z) to RAS+ mm.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    affine: np.ndarray

    @staticmethod
    def centred(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> "Grid":
        """Return a grid whose centre lies at the world's origin, its axes along RAS+."""
        affine = np.diag([*spacing[::-1], 1.0])
        affine[:3, 3] = [-(n - 1) / 2 * s for n, s in zip(shape[::-1], spacing[::-1], strict=True)]
        return Grid(shape, spacing, affine)

    def moved(self, start: tuple[int, int, int], shape: tuple[int, int, int]) -> "Grid":
        """Return the grid of array[start : start + shape].

        `start` (z, y, x) may be negative, which pads.
        """
        affine = self.affine.copy()
        affine[:3, 3] += affine[:3, :3] @ np.asarray(start[::-1], float)
        return Grid(shape, self.spacing, affine)


def label_dtype(labels: int) -> type[np.unsignedinteger]:
    """Return the type that holds so many labels: uint8, or uint16 for more than 256."""
    return np.uint8 if labels <= 256 else np.uint16


@dataclass(frozen=True)
class LabelTable:
    """Names and colours of label values; value 0 is always background.

    Attributes:
        names: One for each label, in order of value.
        colours: (red, green, blue) in 0–255, one for each label.
        regions: Names of unions of labels, each with the names of its labels.
    """

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    regions: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def dtype(self) -> type[np.unsignedinteger]:
        """The type that holds every value: uint8, or uint16 of more than 256 labels."""
        return label_dtype(len(self.names))

    @property
    def mirrored_values(self) -> np.ndarray:
        """The label that each value becomes in a mirror image: left and right are swapped."""
        values = np.arange(len(self.names), dtype=self.dtype)
        for left, right in left_right_pairs(self.names):
            a, b = self.names.index(left), self.names.index(right)
            values[a], values[b] = b, a
        return values

    def values_of(self, name: str) -> list[int]:
        """Return the values of a label, or of those labels of a region that the table has.

        Raises:
            SubjectError: If there is neither, with the nearest name.
        """
        regions = dict(self.regions)
        if name in regions:
            return [self.index(label) for label in regions[name] if label in self.names]
        if name in self.names:
            return [self.index(name)]
        names = [*self.names[1:], *regions]
        raise SubjectError(
            f"no label or region {name!r}; there are {', '.join(names[:12])}"
            f"{', …' if names[12:] else ''}{nearest_name_hint(name, names)}"
        )

    def index(self, name: str) -> int:
        """Return the value of a tissue. Raises SubjectError naming the tissues there are."""
        if name not in self.names:
            raise SubjectError(
                f"no tissue {name!r} in the label table; it has {', '.join(self.names)}"
            )
        return self.names.index(name)

    def indices(self, names: list[str] | tuple[str, ...]) -> list[int]:
        """Return the values of several tissues."""
        return [self.index(name) for name in names]


FETA = LabelTable(
    names=(
        "background",
        "external_csf",
        "grey_matter",
        "white_matter",
        "ventricles",
        "cerebellum",
        "deep_grey_matter",
        "brainstem",
    ),
    colours=(
        (0, 0, 0),
        (86, 180, 233),
        (148, 148, 148),
        (240, 228, 196),
        (0, 114, 178),
        (0, 158, 115),
        (230, 159, 0),
        (204, 121, 167),
    ),
)
"""The seven tissues of the FeTA challenge, in its order of values 1–7."""

CALLOSUM = "corpus_callosum"
"""A tissue that FETA counts as white matter; a label mapping may name it separately."""

FETA_WITH_CALLOSUM = LabelTable((*FETA.names, CALLOSUM), (*FETA.colours, (120, 0, 0)))


@dataclass(frozen=True)
class Subject:
    """One anatomy: a label map and what is known of it.

    Attributes:
        id: Its name, unique in a dataset.
        label: uint8 [z, y, x].
        grid: Where its voxels lie.
        table: What its labels mean.
        image: float32 on the same grid: [z, y, x], or [channel, z, y, x] if it has named channels;
            None if there is no image.
        metadata: Plain JSON values, e.g. gestational_age_weeks, pathology, rec.
        channels: The names of the image's channels in order; empty if it has one without a name.
    """

    id: str
    label: np.ndarray
    grid: Grid
    table: LabelTable
    image: np.ndarray | None = None
    metadata: JsonObject = field(default_factory=dict)
    channels: tuple[str, ...] = ()
