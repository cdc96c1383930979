"""The segmenter's network and its loss."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from factory.models.segmenter import STRIDE, Segmenter, SegmenterConfig, dice_loss, initialise


def small(seed: int = 0) -> Segmenter:
    network = Segmenter(SegmenterConfig(labels=5, width=4))
    initialise(network, torch.Generator().manual_seed(seed))
    return network


def test_every_pixel_gets_a_logit_a_label_on_sides_of_any_multiple() -> None:
    image = torch.randn(2, 1, 2 * STRIDE, 3 * STRIDE)
    assert small()(image).shape == (2, 5, 2 * STRIDE, 3 * STRIDE)


def test_at_inference_a_slice_knows_nothing_of_the_others_in_its_batch() -> None:
    network = small().eval()
    image = torch.randn(3, 1, 32, 32)
    together = network(image)
    torch.testing.assert_close(together[1:2], network(image[1:2]), rtol=1e-5, atol=1e-5)


def test_initial_weights_follow_from_the_generator_alone() -> None:
    a, b, other = (small(seed).to_logits.weight for seed in (3, 3, 4))
    torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert not torch.equal(a, other)


def test_the_dice_loss_is_one_minus_the_dice_of_certain_answers() -> None:
    rng = np.random.Generator(np.random.Philox(key=2))
    label = torch.from_numpy(rng.integers(0, 3, (2, 16, 16)))
    predicted = torch.from_numpy(rng.integers(0, 3, (2, 16, 16)))
    certain = 100.0 * F.one_hot(predicted, 3).permute(0, 3, 1, 2).float()
    dices = [
        2 * ((predicted == v) & (label == v)).sum() / ((predicted == v).sum() + (label == v).sum())
        for v in (1, 2)
    ]
    assert float(dice_loss(certain, label, smooth=1e-9)) == pytest.approx(
        1 - float(torch.stack(dices).mean()), abs=1e-5
    )
    right = 100.0 * F.one_hot(label, 3).permute(0, 3, 1, 2).float()
    assert float(dice_loss(right, label)) == pytest.approx(0, abs=1e-5)


def test_a_structure_that_is_nowhere_costs_nothing_unless_it_is_seen() -> None:
    label = torch.zeros(1, 16, 16, dtype=torch.long)
    nothing = torch.zeros(1, 2, 16, 16)
    nothing[:, 0] = 100
    assert float(dice_loss(nothing, label)) == pytest.approx(0, abs=1e-5)
    assert float(dice_loss(nothing.flip(1), label)) > 0.9
