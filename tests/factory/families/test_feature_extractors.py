"""Extractors of features: the default one, and one that a user names."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from factory.errors import FactoryError
from factory.families.feature_extractors import find_extractor, images_to_compare

OWN = """
def mean_and_sd(images):
    return [[i.mean(), i.std()] for i in images]

def wrong(images):
    return images
"""


def test_vgg_features_are_of_one_length_at_most_and_tell_images_apart() -> None:
    pytest.importorskip("stlpips_pytorch")
    y, x = np.mgrid[:32, :32] / 16 - 1
    images = np.stack([x, y, np.sin(9 * x)])[:, None].astype(np.float32)
    features = find_extractor(None)(images)
    assert features.shape == (3, 512)
    dot = features @ features.T / 512
    assert (np.diag(dot) <= 1 + 1e-6).all()
    assert (np.diag(dot) > 0.1).all()
    assert dot[0, 2] < dot[0, 0]


def test_a_segmenter_of_ours_and_deepbet_give_features_of_sides_of_any_length() -> None:
    images = np.random.default_rng(0).uniform(-1, 1, (3, 1, 37, 50)).astype(np.float32)
    assert find_extractor("segmenter:fetal-segmenter")(images).shape == (3, 11 * 16)
    with pytest.raises(FactoryError, match=r"extractor: fetal-segmentr: .* did you mean"):
        find_extractor("segmenter:fetal-segmentr")
    if importlib.util.find_spec("deepbet") is None:
        pytest.skip("deepbet is not installed")
    assert find_extractor("deepbet")(images).shape == (3, 240)


def test_an_extractor_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_features.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    images = np.random.default_rng(0).normal(size=(4, 1, 8, 8))
    values = find_extractor("my_features:mean_and_sd")(images)
    np.testing.assert_allclose(values[:, 0], images.mean((1, 2, 3)))
    with pytest.raises(FactoryError, match=r"gave an array of \(4, 1, 8, 8\) for 4 images"):
        find_extractor("my_features:wrong")(images)
    for name in ("my_features:nothing", "no_such_module:f", "my_features"):
        with pytest.raises(FactoryError, match=r"allowed: .* PACKAGE\.MODULE:FUNCTION"):
            find_extractor(name)
    sys.modules.pop("my_features")


class Pooled(torch.nn.Module):
    def forward(self, x: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        x = x.float().mean([2, 3])
        return x if return_features else x[:, :1]


def test_a_networks_file_of_the_users(tmp_path: Path) -> None:
    """Bytes in, three channels, and features where it offers them, as Inception's file does."""
    file = tmp_path / "inception.pt"
    torch.jit.save(torch.jit.script(Pooled()), str(file))
    images = np.stack([np.full((1, 4, 4), v, np.float32) for v in (-1, 0.2, 1)])
    values = find_extractor(str(file))(images)
    assert values.shape == (3, 3)
    assert values[:, 0].tolist() == [0, 153, 255]
    (tmp_path / "text.pt").write_text("no network")
    for name in ("text.pt", "missing.pt"):
        with pytest.raises(FactoryError, match="allowed: a TorchScript file"):
            find_extractor(str(tmp_path / name))


def test_without_images_label_maps_are_compared_as_grey() -> None:
    labels = np.array([[[0, 1], [2, 4]]], np.uint8)
    assert images_to_compare(np.zeros((1, 0, 2, 2)), labels, 5).tolist() == [[[[-1, -0.5], [0, 1]]]]
    images = np.ones((1, 1, 2, 2))
    assert images_to_compare(images, labels, 5) is images
