"""Features of slices, by which sets of them are compared.

By default pooled 512-d features of the VGG16 that models.vgg reads, not comparable with published
figures. An extractor of one's own is named as PACKAGE.MODULE:FUNCTION, an importable function of
images float32 (N, C, H, W) in [-1, 1] that gives an array (N, features).
"""

import importlib
from collections.abc import Callable

import numpy as np
import torch

from factory.errors import FactoryError
from models.vgg import VggFeatures, weights_file

BATCH = 32
Extractor = Callable[[np.ndarray], np.ndarray]


@torch.inference_mode()
def vgg(images_NCHW: np.ndarray) -> np.ndarray:
    """(N, 512) of slices in [-1, 1]; of several channels their mean."""
    extractor = VggFeatures(weights_file()).eval()
    grey = torch.from_numpy(np.asarray(images_NCHW, np.float32)).mean(1, keepdim=True)
    return torch.cat([extractor.pooled(part) for part in grey.split(BATCH)]).double().numpy()


def extractor_of(name: str | None) -> Extractor:
    """The extractor of a name, by default `vgg`. Raises FactoryError where it is none, WeightsError
    where the default's weights are not installed."""
    if name is None:
        weights_file()
        return vgg
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise FactoryError(
            f"extractor: value {name}; {error}; allowed: PACKAGE.MODULE:FUNCTION, importable here"
        ) from None

    def checked(images: np.ndarray) -> np.ndarray:
        values = np.asarray(found(images), float)
        if values.ndim != 2 or len(values) != len(images):
            raise FactoryError(
                f"extractor {name}: gave an array of {values.shape} for {len(images)} images; "
                "allowed: (images, features)"
            )
        return values

    return checked


def pictures(images: np.ndarray, labels: np.ndarray | None, names: int) -> np.ndarray:
    """What is compared (N, C, H, W): the images, or where there are none the label maps as grey
    values from -1 to 1."""
    if images.shape[1] or labels is None:
        return images
    grey = labels[:, None].astype(np.float32) * (2 / max(names - 1, 1)) - 1
    return np.asarray(grey, np.float32)
