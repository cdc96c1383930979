"""Features of slices, by which sets of them are compared.

An extractor is chosen by its name:

vgg (the default)          512 pooled features of the VGG16 of factory.models.features.vgg; not
                           comparable with published figures
deepbet                    240 features of an MR network, by factory.models.features.deepbet
segmenter:NAME             features of one of our segmenters, by its name or folder
FILE.pt                    a TorchScript file, such as the Inception of published FIDs, that maps
                           images uint8 (N, 3, H, W) to (N, features)
PACKAGE.MODULE:FUNCTION    an importable function that maps images float32 (N, C, H, W) in [-1, 1]
                           to an array (N, features)
"""

import functools
import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from factory.errors import FactoryError
from factory.families.registry import FAMILIES
from factory.lookup import find_model
from factory.models.features import deepbet, vgg

BATCH = 32
"""Slices of a forward pass."""

Extractor = Callable[[np.ndarray], np.ndarray]
"""Maps images (N, C, H, W) in [-1, 1] to features (N, F)."""

ALLOWED = "vgg, deepbet, segmenter:NAME, a TorchScript file *.pt, or PACKAGE.MODULE:FUNCTION"


@functools.cache
def _load_vgg(file: Path) -> vgg.VggFeatures:
    return vgg.VggFeatures(file).eval()


@functools.cache
def _load_deepbet(file: Path) -> deepbet.DeepbetFeatures:
    return deepbet.DeepbetFeatures(file).eval()


def extractor_note(extractor: str | None) -> str:
    """Return the note beside figures that says by which features they were computed."""
    return f"features of the extractor {extractor or 'vgg'}; another one's cannot be compared"


def find_extractor(name: str | None) -> Extractor:
    """Load the extractor of a name, by default `vgg`.

    Raises:
        FactoryError: There is no such extractor.
        WeightsError: Its weights are not installed.
    """
    if name is None or name == "vgg":
        return extract_grey(_load_vgg(vgg.weights_file()).pooled)
    if name == "deepbet":
        return extract_grey(_load_deepbet(deepbet.weights_file()))
    family, colon, model = name.partition(":")
    if colon and family in FAMILIES:
        folder = find_model(model, "extractor")
        network = FAMILIES[family].extractor(folder)
        if network is None:
            raise FactoryError(f"extractor: value {name}; {family} has none; allowed: {ALLOWED}")
        return extract_grey(network)
    if Path(name).suffix in (".pt", ".pth", ".ts"):
        return check_features(name, load_torchscript(Path(name)))
    module, _, attribute = name.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise FactoryError(
            f"extractor: value {name}; {error}; allowed: {ALLOWED}, importable here"
        ) from None
    return check_features(name, function)


def extract_grey(network: Callable[[torch.Tensor], torch.Tensor]) -> Extractor:
    """Make an extractor of a network that maps grey slices (N, 1, H, W) to features (N, F).

    Images of several channels are averaged over their channels.
    """

    @torch.inference_mode()
    def extract(images_NCHW: np.ndarray) -> np.ndarray:
        grey = torch.from_numpy(np.asarray(images_NCHW, np.float32)).mean(1, keepdim=True)
        return torch.cat([network(batch) for batch in grey.split(BATCH)]).double().numpy()

    return extract


def load_torchscript(file: Path) -> Extractor:
    """Make an extractor of a TorchScript file.

    A network with an argument return_features is called with it, as the Inception of published FIDs
    needs it.

    Raises:
        FactoryError: The file cannot be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            network: Any = torch.jit.load(str(file), map_location="cpu").eval()  # torch: untyped
    except (RuntimeError, ValueError, OSError) as error:
        reason = "no such file" if not file.is_file() else str(error).splitlines()[0][:120]
        raise FactoryError(f"extractor {file}: {reason}; allowed: a TorchScript file") from None
    names = [argument.name for argument in network.forward.schema.arguments]
    options = {"return_features": True} if "return_features" in names else {}

    @torch.inference_mode()
    def extract(images_NCHW: np.ndarray) -> np.ndarray:
        grey = torch.from_numpy(np.asarray(images_NCHW, np.float32)).mean(1, keepdim=True)
        pixels = ((grey + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).expand(-1, 3, -1, -1)
        features = [network(batch, **options).flatten(1) for batch in pixels.split(BATCH)]
        return torch.cat(features).double().numpy()

    return extract


def check_features(name: str, extract: Callable[[np.ndarray], Any]) -> Extractor:
    """Make an extractor that raises FactoryError if a user's code fails or returns another shape.

    Args:
        name: The extractor's name, for the message.
        extract: The user's code, which may return anything.
    """

    def extract_checked(images: np.ndarray) -> np.ndarray:
        try:
            values = np.asarray(extract(images), float)
        except Exception as error:  # a user's own code may raise anything
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
            raise FactoryError(
                f"extractor {name}: {reason}; allowed: what takes images (N, C, H, W)"
            ) from error
        if values.ndim != 2 or len(values) != len(images):
            raise FactoryError(
                f"extractor {name}: gave an array of {values.shape} for {len(images)} images; "
                "allowed: (images, features)"
            )
        return values

    return extract_checked


def images_to_compare(images: np.ndarray, labels: np.ndarray | None, names: int) -> np.ndarray:
    """Return images, or label maps as grey values where there are no images.

    Args:
        images: float32 (N, C, H, W) in [-1, 1]; C is 0 where there are only label maps.
        labels: Label maps (N, H, W).
        names: Number of labels, including the background.

    Returns:
        float32 (N, C, H, W) in [-1, 1].
    """
    if images.shape[1] or labels is None:
        return images
    grey = labels[:, None].astype(np.float32) * (2 / max(names - 1, 1)) - 1
    return np.asarray(grey, np.float32)
