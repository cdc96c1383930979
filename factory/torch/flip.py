"""Mirror patches left to right, and swap the labels of the left and the right side with them."""

from typing import Any  # items: tensors, numbers and text

import torch

from factory.storage.subjects.label_names import left_right_pairs
from factory.storage.subjects.types import LabelTable


class FlipLeftRight:
    """A transform of items of a PatchDataset: some of them are mirrored from left to right.

    Labels that differ in their side alone (left_kidney, right_kidney) are swapped, so that a
    mirrored left kidney is a right one. The last axis of the arrays must run from left to right, as
    it does in volumes.

    PatchDataset("heads.zarr", seed=7, transform=FlipLeftRight(factory.open("heads.zarr").table))
    """

    def __init__(self, table: LabelTable, probability: float = 0.5) -> None:
        """Find the labels of the two sides.

        Args:
            table: The label table of the dataset: `factory.open(path).table`. Of several datasets
                `union_table(one.table, other.table)`.
            probability: Of an item to be mirrored. It is drawn from torch's global generator, which
                a PatchDataset seeds for each item.
        """
        self.probability = probability
        self.names = table.names
        self.mirrored = torch.arange(len(table.names))
        for left, right in left_right_pairs(table.names):
            one, other = table.index(left), table.index(right)
            self.mirrored[one], self.mirrored[other] = other, one

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        """Return the item, or its mirror image."""
        if float(torch.rand(())) >= self.probability:
            return item
        return {name: self._mirror(value) for name, value in item.items()}

    def _mirror(self, value: Any) -> Any:
        """Return the mirror image of an array; anything else as it is."""
        if not isinstance(value, torch.Tensor) or value.ndim < 3:
            return value
        flipped = value.flip(-1)
        if value.is_floating_point():  # an image
            return flipped
        return self.mirrored[flipped.long()].to(value.dtype)
