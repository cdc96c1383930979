"""deepbet's encoder is that of the package's own network."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from factory.models.checkpoint import WeightsError
from factory.models.features.deepbet import (
    FEATURES,
    DeepbetFeatures,
    normalise_images,
    weights_file,
)


@pytest.fixture(scope="module")
def network() -> DeepbetFeatures:
    try:
        return DeepbetFeatures(weights_file()).eval()
    except WeightsError as error:
        pytest.skip(str(error))


def images(count: int, side: int = 64) -> torch.Tensor:
    return torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_every_stage_is_the_packages(network: DeepbetFeatures) -> None:
    theirs = torch.jit.load(str(weights_file())).eval()
    relu = getattr(theirs.conv, "2")._c
    x = images(1)[:, :, None].expand(-1, -1, 64, -1, -1)
    with torch.inference_mode():
        expected = theirs.init._c._get_method("forward")(relu, x)
        x = F.relu(F.instance_norm(F.conv3d(x, network.first, stride=2, padding=3)))
        x = F.max_pool3d(x, 3, stride=2, padding=1)
        for number, stage in enumerate(network.stages):
            expected = getattr(theirs, f"down{number}")._c._get_method("forward")(relu, expected)
            x = stage(x)
            torch.testing.assert_close(x, expected)


def test_features_are_one_row_an_image_and_tell_images_apart(network: DeepbetFeatures) -> None:
    both = images(2)
    features = network(both)
    assert features.shape == (2, FEATURES)
    torch.testing.assert_close(network(both[1:])[0], features[1], atol=1e-4, rtol=1e-4)
    assert (features[0] - features[1]).abs().max() > 1e-2


def test_brightness_and_contrast_do_not_count(network: DeepbetFeatures) -> None:
    one = images(1)
    torch.testing.assert_close(network(0.5 * one + 0.2), network(one), atol=1e-3, rtol=1e-3)


def test_a_constant_image_is_the_mean() -> None:
    constant = torch.full((1, 1, 8, 8), 0.3)
    torch.testing.assert_close(normalise_images(constant), torch.full((1, 1, 8, 8), 0.449))


def test_another_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.pt"
    torch.jit.script(torch.nn.ReLU()).save(str(file))
    with pytest.raises(WeightsError, match=r"no deepbet 1\.0\.2"):
        DeepbetFeatures(file)
