"""The index of 5×5 neighbourhoods: equal rows are equal neighbourhoods, and nothing else is."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.models.spade import neighbourhoods as module
from factory.models.spade.neighbourhoods import LabelMaps, index_neighbourhoods, rank_tuples


def windows(label: torch.Tensor, outside: int) -> torch.Tensor:
    """Each pixel's 25 labels, one by one: (B · H · W, 25)."""
    batch, height, width = label.shape
    rows = []
    for b in range(batch):
        for i in range(height):
            for j in range(width):
                rows.append(
                    [
                        int(label[b, i + di, j + dj])
                        if 0 <= i + di < height and 0 <= j + dj < width
                        else outside
                        for di in range(-2, 3)
                        for dj in range(-2, 3)
                    ]
                )
    return torch.tensor(rows)


def label_maps(labels: int, seed: int, *shape: int, coarse: int = 1) -> torch.Tensor:
    """Random label maps, in squares of some pixels."""
    rng = torch.Generator().manual_seed(seed)
    drawn = torch.randint(0, labels, shape, generator=rng)
    return drawn.repeat_interleave(coarse, 1).repeat_interleave(coarse, 2)


@settings(max_examples=40, deadline=None)
@given(
    labels=st.integers(1, 60),
    batch=st.integers(1, 3),
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    coarse=st.integers(1, 3),
    counted=st.sampled_from([1, 1 << 20]),
    seed=st.integers(0, 1000),
)
def test_a_row_stands_for_all_pixels_of_its_neighbourhood_and_no_others(
    labels: int, batch: int, height: int, width: int, coarse: int, counted: int, seed: int
) -> None:
    label = label_maps(labels, seed, batch, height, width, coarse=coarse)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "COUNTED", counted)
        near = index_neighbourhoods(label, labels)
    truth = windows(label, labels)
    distinct, expected = torch.unique(truth, dim=0, return_inverse=True)
    assert len(near.parts_N9) == len(distinct)
    pairs = torch.stack([near.index_BHW.flatten().long(), expected])
    assert len(torch.unique(pairs, dim=1)[0]) == len(distinct)  # a bijection between the two
    assert len(torch.unique(near.labels_M9, dim=0)) == len(near.labels_M9)
    # The nine 3×3 windows of a row spell the 25 labels of its pixels again.
    spelt = near.labels_M9[near.parts_N9].view(-1, 3, 3, 3, 3)
    again = torch.empty(len(spelt), 5, 5, dtype=torch.long)
    for i in range(3):
        for j in range(3):
            again[:, i : i + 3, j : j + 3] = spelt[:, i, j]
    torch.testing.assert_close(again[near.index_BHW.flatten().long()].flatten(1), truth)


def test_long_codes_are_ranked_before_they_overflow() -> None:
    """Forty places of 60 labels are 237 bits: far more than an int64 holds."""
    rng = torch.Generator().manual_seed(0)
    tuples = torch.randint(0, 60, (300, 40), generator=rng).repeat(2, 1)
    rank, count = rank_tuples(list(tuples.unbind(1)), 60)
    assert count == 300
    torch.testing.assert_close(rank[:300], rank[300:])


def test_an_index_is_made_once() -> None:
    maps = LabelMaps(label_maps(4, 0, 1, 64, 64), 4)
    assert maps.neighbourhoods(2) is maps.neighbourhoods(2)
    assert maps.neighbourhoods(2).index_BHW.shape == (1, 32, 32)


def test_tables_are_for_labels_that_recur() -> None:
    assert not LabelMaps(label_maps(4, 0, 1, 64, 64), 4).is_recurrent(1)  # noise
    maps = LabelMaps(label_maps(4, 0, 1, 4, 4, coarse=16), 4)
    assert [maps.is_recurrent(d) for d in (1, 2, 16)] == [True, True, False]
    assert set(maps.by_downscale) == {1, 2, 4}  # 1/4 does not pay, so that 1/8 is not looked at


def test_labels_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="0 to 4; allowed: 0 to 3"):
        LabelMaps(torch.tensor([[[0, 4]]]), 4)
