"""Weights on disk: safetensors beside a JSON card. Nothing here unpickles.

A model is a folder with card.json and one NAME.safetensors for each network. The card holds family,
config, label table, training data, metrics, licence, and the sha256 of each weight file; a file
whose sha256 differs is refused. The state of a training (weights, optimisers, step) is one
safetensors file, whose header holds the plain values as JSON.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils import parametrize

JsonObject = dict[str, Any]
"""A card, or the plain values of a training. `Any`: each family knows what its own keys hold."""


class WeightsError(Exception):
    """Weights or their card cannot be used; the text is one line for the user."""


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file so that it is never seen half written.

    Args:
        path: The file.
        write: Writes a temporary file, whose path it is given; it is then moved into place.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        temporary.chmod(0o644)  # safetensors lets only the owner read its files
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def inference_state(module: nn.Module, dtype: torch.dtype = torch.float16) -> dict[str, Tensor]:
    """Return the weights for inference: with spectral norm folded in, contiguous, on the CPU."""
    state = {}
    folded = {}
    for prefix, layer in module.named_modules():
        if parametrize.is_parametrized(layer):
            folded[prefix] = layer
            state[f"{prefix}.weight"] = layer.weight
    for name, tensor in module.state_dict().items():
        if not any(name.startswith(f"{prefix}.parametrizations.") for prefix in folded):
            state[name] = tensor
    return {k: v.detach().to("cpu", dtype).contiguous() for k, v in sorted(state.items())}


def remove_parametrizations(module: nn.Module) -> nn.Module:
    """Turn spectrally normalised layers into plain ones, so that inference weights fit."""
    for layer in module.modules():
        if parametrize.is_parametrized(layer):
            parametrize.remove_parametrizations(layer, "weight")
    return module


def save_model(folder: Path, networks: Mapping[str, nn.Module], card: JsonObject) -> None:
    """Write the files of a model.

    Args:
        folder: The model folder.
        networks: Networks by the names of their files; weights are stored as float16.
        card: The card without "sha256", which is added here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digests = {}
    for name, network in networks.items():
        path = folder / f"{name}.safetensors"
        write_atomically(path, partial(save_file, inference_state(network)))
        digests[path.name] = sha256(path)
    write_card(folder, {**card, "sha256": digests})


def write_card(folder: Path, card: JsonObject) -> None:
    """Write card.json into a model folder."""
    text = json.dumps(card, indent=2, allow_nan=False) + "\n"
    write_atomically(folder / "card.json", lambda p: p.write_text(text, encoding="utf-8"))


def read_card(folder: Path) -> JsonObject:
    """Read the card of a model folder.

    Raises:
        WeightsError: There is no card, it is not JSON, or a key that every card has is missing.
    """
    path = folder / "card.json"
    try:
        card: JsonObject = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsError(f"{folder}: no model here (card.json is missing)") from None
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read: {error}") from None
    missing = {"family", "config", "sha256"} - card.keys() if isinstance(card, dict) else {"family"}
    if missing:
        raise WeightsError(f"{path}: not a model card: {', '.join(sorted(missing))} is missing")
    return card


def load_weights(folder: Path, name: str, network: nn.Module, card: JsonObject) -> nn.Module:
    """Load the weights of a network as float32, ready for inference.

    Args:
        folder: The model folder.
        name: The name of the weight file, without its suffix.
        network: The network; it is changed in place.
        card: The model's card.

    Returns:
        The network, frozen and in evaluation mode.

    Raises:
        WeightsError: The file is missing, its sha256 is not the card's, or it does not fit.
    """
    path = folder / f"{name}.safetensors"
    if not path.is_file():
        raise WeightsError(f"{path}: missing; the card lists {', '.join(sorted(card['sha256']))}")
    expected = card["sha256"].get(path.name)
    if sha256(path) != expected:
        raise WeightsError(f"{path}: its sha256 differs from the card's; the file was changed")
    try:
        state = {k: v.float() for k, v in load_file(path).items()}
        remove_parametrizations(network).load_state_dict(state)
    except (SafetensorError, RuntimeError) as error:
        raise WeightsError(f"{path}: does not fit its card: {str(error).splitlines()[0]}") from None
    return network.eval().requires_grad_(False)


def save_state(
    path: Path,
    modules: Mapping[str, nn.Module],
    optimisers: Mapping[str, torch.optim.Optimizer],
    plain: JsonObject,
) -> None:
    """Write the whole state of a training into one file, never seen half written.

    Args:
        path: The file.
        modules: Networks by name.
        optimisers: Optimisers by name.
        plain: Other values, which become JSON in the header.
    """
    tensors = {
        f"{m}/{k}": v for m, module in modules.items() for k, v in module.state_dict().items()
    }
    for name, optimiser in optimisers.items():
        for index, values in optimiser.state_dict()["state"].items():
            tensors |= {f"{name}/{index}/{k}": torch.as_tensor(v) for k, v in values.items()}
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    metadata = {"plain": json.dumps(plain, allow_nan=False)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda p: save_file(tensors, p, metadata))


def load_state(
    path: Path, modules: Mapping[str, nn.Module], optimisers: Mapping[str, torch.optim.Optimizer]
) -> JsonObject:
    """Load the state of a training that `save_state` wrote.

    Args:
        path: The file.
        modules: Networks by name, which are changed in place; they may be only some of those saved.
        optimisers: Optimisers by name, likewise.

    Returns:
        The plain values.

    Raises:
        WeightsError: The file cannot be read, or does not fit.
    """
    try:
        with safe_open(path, "pt") as file:
            plain: JsonObject = json.loads(file.metadata()["plain"])
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        for name, module in modules.items():
            prefix = f"{name}/"
            module.load_state_dict(
                {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            )
        for name, optimiser in optimisers.items():
            state = optimiser.state_dict()
            state["state"] = {}
            for key, tensor in tensors.items():
                owner, _, rest = key.partition("/")
                if owner == name:
                    index, _, value = rest.partition("/")
                    state["state"].setdefault(int(index), {})[value] = tensor
            optimiser.load_state_dict(state)
    except (SafetensorError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise WeightsError(f"{path}: cannot be resumed: {str(error).splitlines()[0]}") from None
    return plain
