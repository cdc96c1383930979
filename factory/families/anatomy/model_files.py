"""The files of an anatomy generator: safetensors with people's maps and their label maps.

A label map is stored as the bytes of its xz stream, which is a tenth to a twentieth of its voxels;
velocities and modes as whole numbers of eight bits.
"""

import lzma
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from factory.families.anatomy.registration import Person
from factory.models.anatomy import NodeLattice
from factory.models.checkpoint import WeightsError, read_card, sha256, write_atomically, write_card
from factory.storage.json_value import JsonObject

WEIGHTS = "anatomy.safetensors"


@dataclass(frozen=True)
class AnatomyModel:
    """Everything that an anatomy generator is made of.

    Attributes:
        card: The model's JSON card.
        people: Those whose label maps are in the model.
        ages: Their ages in weeks; empty where they have none.
        phases: Their cardiac phases; empty where they have none.
        lattice: The lattice of the velocities.
        logarithm: The people's affine maps [people, 3, 4].
        velocity: The people's velocities [people, 3, z, y, x].
        mode_lattice: The lattice of the modes.
        modes: [count, 3, z, y, x], mm for one standard deviation.
    """

    card: JsonObject
    people: tuple[Person, ...]
    ages: tuple[float, ...]
    lattice: NodeLattice
    logarithm: Tensor
    velocity: Tensor
    mode_lattice: NodeLattice
    modes: Tensor
    phases: tuple[str, ...] = ()


def save_anatomy(folder: Path, model: AnatomyModel) -> None:
    """Write the weights and the card of a generator; the card's "config" and digests are added."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        "logarithm": model.logarithm.float(),
        **_to_bytes("velocity", model.velocity),
        **_to_bytes("modes", model.modes),
    }
    for index, person in enumerate(model.people):
        stream = lzma.compress(np.ascontiguousarray(person.label).tobytes(), preset=9)
        tensors[f"label.{index:03d}"] = torch.frombuffer(bytearray(stream), dtype=torch.uint8)
    path = folder / WEIGHTS
    write_atomically(path, partial(save_file, {k: v.contiguous() for k, v in tensors.items()}))
    config = {
        "lattice": {"shape": list(model.lattice.shape), "step_mm": model.lattice.step_mm},
        "modes": {"shape": list(model.mode_lattice.shape), "step_mm": model.mode_lattice.step_mm},
        "people": [
            {
                "shape": list(person.label.shape),
                "spacing_mm": list(person.spacing),
                "centre": list(person.centre),
                "spread_mm": list(person.spread_mm),
            }
            for person in model.people
        ],
        "ages": list(model.ages),
        **({"phases": list(model.phases)} if model.phases else {}),
    }
    write_card(folder, {**model.card, "config": config, "sha256": {path.name: sha256(path)}})


def load_anatomy(folder: Path) -> AnatomyModel:
    """Load a generator from its model folder.

    Raises:
        WeightsError: The folder has no anatomy generator, or its weights differ from the card.
    """
    card, path = read_card(folder), folder / WEIGHTS
    if card["family"] != "anatomy":
        raise WeightsError(f"{folder}: family {card['family']!r}; expected 'anatomy'")
    if not path.is_file():
        raise WeightsError(f"{path}: missing")
    if sha256(path) != card["sha256"].get(path.name):
        raise WeightsError(f"{path}: its sha256 differs from the card's; the file was changed")
    try:
        tensors, config = load_file(path), card["config"]
        people = [
            _read_person(tensors[f"label.{index:03d}"], entry, len(card["label_table"]["names"]))
            for index, entry in enumerate(config["people"])
        ]
        return AnatomyModel(
            card,
            tuple(people),
            tuple(config["ages"]),
            _read_lattice(config["lattice"]),
            tensors["logarithm"].float(),
            _from_bytes("velocity", tensors),
            _read_lattice(config["modes"]),
            _from_bytes("modes", tensors),
            tuple(config.get("phases", ())),
        )
    except (SafetensorError, KeyError, ValueError, lzma.LZMAError) as error:
        raise WeightsError(f"{path}: does not fit its card: {str(error).splitlines()[0]}") from None


def _to_bytes(name: str, fields: Tensor) -> dict[str, Tensor]:
    """Return fields [n, …] as whole numbers of -127 to 127, and what 1 stands for in each of them.

    The error is at most a 250th of the largest value: 0.1 mm of a velocity of 25 mm.
    """
    scale = fields.flatten(1).abs().amax(1).clamp_min(1e-6) / 127
    steps = fields / scale.reshape(-1, *[1] * (fields.ndim - 1))
    return {name: steps.round().to(torch.int8), f"{name}.scale": scale}


def _from_bytes(name: str, tensors: Mapping[str, Tensor]) -> Tensor:
    """Return the fields that `_to_bytes` stored."""
    steps, scale = tensors[name].float(), tensors[f"{name}.scale"]
    return steps * scale.reshape(-1, *[1] * (steps.ndim - 1))


def _read_lattice(entry: JsonObject) -> NodeLattice:
    z, y, x = entry["shape"]
    return NodeLattice((z, y, x), entry["step_mm"])


def _read_person(stream: Tensor, entry: JsonObject, labels: int) -> Person:
    dtype = np.uint8 if labels <= 256 else np.uint16
    label = np.frombuffer(lzma.decompress(stream.numpy().tobytes()), dtype)
    shape, spacing, centre, spread = (
        tuple(entry[key]) for key in ("shape", "spacing_mm", "centre", "spread_mm")
    )
    return Person(label.reshape(shape).copy(), spacing, centre, spread)  # may be written
