"""The atrial width that a ventriculomegaly aims at, on which side, and how much each side grows."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class WidthRequest:
    """The atrial width to reach.

    Attributes:
        target_mm: The width to reach.
        present_mm: The width before.
        growth: How much each side grows, "left" and "right": 1 for a side that must reach the
            width, a share of that for the other.
    """

    target_mm: float
    present_mm: float
    growth: dict[str, float]

    def widest_mm(self, widths_mm: Mapping[str, float | None]) -> float:
        """Return the width of the widest of the sides that must reach the target."""
        return max(w for side in self.main_sides if (w := widths_mm[side]) is not None)

    @property
    def main_sides(self) -> list[str]:
        """The sides that must reach the target."""
        return main_sides(self.growth)


def main_sides(growth: Mapping[str, float]) -> list[str]:
    """List the sides that grow by the full amount."""
    return [side for side, share in growth.items() if share == 1]
