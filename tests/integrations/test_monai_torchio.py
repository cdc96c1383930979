"""Patches through MONAI's and TorchIO's own random transforms, in workers."""

import pytest
import torch
from support.stored_datasets import layout, write

from factory.torch import PatchDataset, PatchLoader


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("integrations") / "d"
    write(folder, layout(5, 2))
    return str(folder)


def monai() -> object:
    transforms = pytest.importorskip("monai.transforms", reason="no MONAI: pip install monai")
    both = ["image", "label"]
    return transforms.Compose(
        [
            transforms.RandFlipd(both, prob=0.5, spatial_axis=0),
            transforms.RandAffined(
                both, prob=1.0, rotate_range=(0.3, 0, 0), mode=["bilinear", "nearest"]
            ),
            transforms.RandGaussianNoised("image", prob=1.0, std=0.1),
        ]
    )


def torchio() -> object:
    tio = pytest.importorskip("torchio", reason="no TorchIO: pip install torchio")
    how = {"include": ["image", "label"], "label_keys": ["label"]}
    return tio.Compose([tio.RandomAffine(degrees=20, **how), tio.RandomNoise(include=["image"])])


def epochs(path: str, transform: object, **how: object) -> list[list[torch.Tensor]]:
    """Two epochs of images and labels."""
    patches = PatchDataset(path, 16, seed=3, length=6, transform=transform)
    loader = PatchLoader(patches, 2, **how)
    return [
        [torch.cat([torch.as_tensor(b[k]).float() for k in ("image", "label")]) for b in loader]
        for _ in range(2)
    ]


@pytest.mark.parametrize("make", [monai, torchio])
@pytest.mark.parametrize("persistent", [True, False])
def test_workers_and_epochs_draw_what_is_the_items(
    path: str, make: object, persistent: bool
) -> None:
    alone = epochs(path, make())
    workers = epochs(path, make(), num_workers=2, persistent_workers=persistent)
    for one, other in zip(alone, workers, strict=True):
        for a, b in zip(one, other, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)
    # no two items are the same: not of two workers, nor of two epochs
    items = [item for epoch in alone for batch in epoch for item in batch[:2]]
    plain = epochs(path, None)
    noise = [
        (item - other).flatten()
        for epoch, before in zip(alone, plain, strict=True)
        for batch, own in zip(epoch, before, strict=True)
        for item, other in zip(batch[:2], own[:2], strict=True)
    ]
    assert len({tuple(n[:64].tolist()) for n in noise}) == len(items) == 12


@pytest.mark.parametrize("make", [monai, torchio])
def test_labels_stay_labels(path: str, make: object) -> None:
    patches = PatchDataset(path, 16, seed=3, length=4, transform=make())
    for item in (patches[i] for i in range(4)):
        label = torch.as_tensor(item["label"]).float()
        assert torch.equal(label, label.round())
        assert label.shape == torch.as_tensor(item["image"]).shape == (1, 16, 16, 16)
