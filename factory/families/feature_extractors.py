"""Features of slices, by which sets of them are compared.

vgg (the default)          pooled 512-d features of the VGG16 that factory.models.features.vgg
                           reads, not comparable with published figures
deepbet                    240-d features of an MR network, by factory.models.features.deepbet
segmenter:NAME             features of a segmenter of ours, by its name or folder
FILE.pt                    a TorchScript file, such as the Inception of published FIDs: it takes
                           uint8 (N, 3, H, W) and gives (N, features)
PACKAGE.MODULE:FUNCTION    an importable function of images float32 (N, C, H, W) in [-1, 1] that
                           gives an array (N, features)
"""

import functools
import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from factory.errors import FactoryError
from factory.families.registry import FAMILIES
from factory.lookup import find_model
from factory.models.features import deepbet, vgg

BATCH = 32
Extractor = Callable[[np.ndarray], np.ndarray]


ALLOWED = "vgg, deepbet, segmenter:NAME, a TorchScript file *.pt, or PACKAGE.MODULE:FUNCTION"


@functools.cache
def _vgg(file: Path) -> nn.Module:
    return vgg.VggFeatures(file).eval()


@functools.cache
def _deepbet(file: Path) -> nn.Module:
    return deepbet.DeepbetFeatures(file).eval()


def named(extractor: str | None) -> str:
    """What is said of whose features were compared."""
    return f"features of the extractor {extractor or 'vgg'}; another one's cannot be compared"


def extractor_of(name: str | None) -> Extractor:
    """The extractor of a name, by default `vgg`. Raises FactoryError where it is none, WeightsError
    where its weights are not installed."""
    if name in (None, "vgg"):
        return pooled(cast(vgg.VggFeatures, _vgg(vgg.weights_file())).pooled)
    if name == "deepbet":
        return pooled(_deepbet(deepbet.weights_file()))
    assert name is not None
    family, colon, model = name.partition(":")
    if colon and family in FAMILIES:
        folder = find_model(model, "extractor")
        network = FAMILIES[family].extractor(folder)
        if network is None:
            raise FactoryError(f"extractor: value {name}; {family} has none; allowed: {ALLOWED}")
        return pooled(network)
    if Path(name).suffix in (".pt", ".pth", ".ts"):
        return _checked(name, torchscript(Path(name)))
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise FactoryError(
            f"extractor: value {name}; {error}; allowed: {ALLOWED}, importable here"
        ) from None
    return _checked(name, found)


def pooled(network: Callable[[torch.Tensor], torch.Tensor]) -> Extractor:
    """(N, features) by a network of grey slices (N, 1, H, W) in [-1, 1]; of several channels their
    mean is taken."""

    @torch.inference_mode()
    def extract(images_NCHW: np.ndarray) -> np.ndarray:
        grey = torch.from_numpy(np.asarray(images_NCHW, np.float32)).mean(1, keepdim=True)
        return torch.cat([network(part) for part in grey.split(BATCH)]).double().numpy()

    return extract


def torchscript(file: Path) -> Extractor:
    """The network of a TorchScript file; one that takes return_features gives those, as the
    Inception of published FIDs does. Raises FactoryError where it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            network: Any = torch.jit.load(str(file), map_location="cpu").eval()
    except (RuntimeError, ValueError, OSError) as error:
        reason = "no such file" if not file.is_file() else str(error).splitlines()[0][:120]
        raise FactoryError(f"extractor {file}: {reason}; allowed: a TorchScript file") from None
    names = [argument.name for argument in network.forward.schema.arguments]
    options = {"return_features": True} if "return_features" in names else {}

    @torch.inference_mode()
    def extract(images_NCHW: np.ndarray) -> np.ndarray:
        grey = torch.from_numpy(np.asarray(images_NCHW, np.float32)).mean(1, keepdim=True)
        pixels = ((grey + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).expand(-1, 3, -1, -1)
        given = [network(part, **options).flatten(1) for part in pixels.split(BATCH)]
        return torch.cat(given).double().numpy()

    return extract


def _checked(name: str, extract: Callable[[np.ndarray], Any]) -> Extractor:
    def checked(images: np.ndarray) -> np.ndarray:
        try:
            values = np.asarray(extract(images), float)
        except Exception as error:  # whatever a user's own code raises
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
            raise FactoryError(
                f"extractor {name}: {why}; allowed: what takes images (N, C, H, W)"
            ) from error
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
