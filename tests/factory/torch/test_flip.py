"""A flip from left to right swaps the labels of the two sides."""

import torch

from factory.storage.subjects.types import FETA, LabelTable
from factory.torch import FlipLeftRight

NAMES = ("background", "left_lung", "heart", "lung_r", "right_lung")
LUNGS = LabelTable(NAMES, ((0, 0, 0),) * 5)


def item(dtype: torch.dtype) -> dict:
    label = torch.tensor([1, 1, 2, 0, 3, 4], dtype=dtype).reshape(1, 1, 1, 6)
    return {"image": label.float() / 4, "label": label, "sample": 3, "grade": "mild"}


def test_both_are_mirrored_and_the_sides_of_labels_are_swapped() -> None:
    for dtype in (torch.uint8, torch.int32):
        flipped = FlipLeftRight(LUNGS, probability=1)(item(dtype))
        assert flipped["image"].flatten().tolist() == [1, 0.75, 0, 0.5, 0.25, 0.25]
        assert flipped["label"].flatten().tolist() == [1, 3, 0, 2, 4, 4]
        assert flipped["label"].dtype == dtype
        assert (flipped["sample"], flipped["grade"]) == (3, "mild")
        again = FlipLeftRight(LUNGS, probability=1)(flipped)
        assert all(torch.equal(again[name], item(dtype)[name]) for name in ("image", "label"))


def test_labels_without_sides_stay_and_the_draw_follows_the_seed() -> None:
    assert FlipLeftRight(FETA).mirrored.tolist() == list(range(8))
    assert FlipLeftRight(LUNGS, probability=0)(item(torch.uint8))["label"][0, 0, 0, 0] == 1
    draws = []
    for _ in range(2):
        torch.manual_seed(1)
        flip = FlipLeftRight(LUNGS)
        draws.append([int(flip(item(torch.uint8))["label"][0, 0, 0, 2]) for _ in range(8)])
    assert draws[0] == draws[1]
    assert set(draws[0]) == {0, 2}
