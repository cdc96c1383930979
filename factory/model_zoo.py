"""The models there are: a line each, from its card, and whether its files are the card's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory.families.registry import family_of
from factory.lookup import find_model, model_folders
from factory.models.checkpoint import WeightsError, read_card, sha256


@dataclass(frozen=True)
class ModelsReport:
    """One entry a model: name, family, licence, trained_on, held_out, folder, usable."""

    models: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        return {"models": self.models}

    def lines(self) -> list[str]:
        if not self.models:
            return ["no models here or installed; train one with factory train RECIPE"]
        columns = ("name", "family", "licence", "trained_on", "held_out", "folder")
        return [
            "  ".join(entry[column] for column in columns)
            + ("" if entry["usable"] else "  REFUSED")
            for entry in self.models
        ]


def list_models(names: Sequence[str] = ()) -> ModelsReport:
    """Those named, by folder or by name; by default all in models/weights here and installed.

    Raises FactoryError for a name that is none.
    """
    folders = [find_model(name, "models") for name in names] if names else model_folders()
    return ModelsReport([model_entry(folder) for folder in folders])


def model_entry(folder: Path) -> dict[str, Any]:
    """What a card says, in one line's words; a card that cannot be read, or whose files differ
    from it, is listed as unusable, with the reason for its held-out score."""
    found = {"name": folder.name, "family": "?", "licence": "?", "trained_on": "?"}
    try:
        card = read_card(folder)
        training = card.get("training", {})
        subjects = training.get("subjects", [])
        found |= {
            "name": card.get("name", folder.name),
            "family": card["family"],
            "licence": card.get("licence", "no licence given"),
            "trained_on": f"{len(subjects)} subjects, {len(training.get('held_out', []))} held out",
        }
        check_weights(folder, card)
    except WeightsError as error:
        return {**found, "held_out": str(error), "folder": str(folder), "usable": False}
    return {**found, "held_out": held_out_headline(card), "folder": str(folder), "usable": True}


def check_weights(folder: Path, card: dict[str, Any]) -> None:
    """Raises WeightsError where a weight file is missing or differs from the card's sha256."""
    for name, digest in card["sha256"].items():
        if not (folder / name).is_file():
            raise WeightsError(f"{name}: missing")
        if sha256(folder / name) != digest:
            raise WeightsError(f"{name}: its sha256 differs from the card's; the file was changed")


def held_out_headline(card: dict[str, Any]) -> str:
    """The held-out score in a few words, as the model's family has it."""
    rows = card.get("metrics", {}).get("held_out", [])
    return family_of(card).headline(rows) or "not scored"
