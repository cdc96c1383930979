"""List the available models, each as one line from its card, and check their weight files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from factory.families.registry import family_of
from factory.lookup import find_model, model_folders
from factory.models.checkpoint import WeightsError, read_card, sha256
from factory.storage.json_value import JsonObject


@dataclass(frozen=True)
class ModelEntry:
    """One line of the list of models.

    Attributes:
        name: The name in the card, or the folder's name.
        family: The model family, "?" if the card cannot be read.
        licence: The licence of the weights.
        trained_on: The numbers of training and held-out subjects.
        held_out: The score on held-out subjects, or why the model is not usable.
        folder: The folder of the card.
        usable: Whether the card can be read and matches the weight files.
    """

    name: str
    family: str
    licence: str
    trained_on: str
    held_out: str
    folder: str
    usable: bool

    def line(self) -> str:
        """Return the attributes as one line; "REFUSED" marks a model that is not usable."""
        words = [self.name, self.family, self.licence, self.trained_on, self.held_out, self.folder]
        return "  ".join(words if self.usable else [*words, "REFUSED"])


@dataclass(frozen=True)
class ModelsReport:
    """The list of models."""

    models: list[ModelEntry]

    def to_json(self) -> JsonObject:
        """Return the entries as JSON objects."""
        return {"models": [vars(entry) for entry in self.models]}

    def lines(self) -> list[str]:
        """Return one line for each model."""
        if not self.models:
            return ["no models here or installed; train one with factory train RECIPE"]
        return [entry.line() for entry in self.models]


def list_models(names: Sequence[str] = ()) -> ModelsReport:
    """List models.

    Args:
        names: Folders or names of models; by default all in models/weights here and installed.

    Raises:
        FactoryError: There is no model of one of the names.
    """
    folders = [find_model(name, "models") for name in names] if names else model_folders()
    return ModelsReport([describe_model(folder) for folder in folders])


def describe_model(folder: Path) -> ModelEntry:
    """Read the card of a model and check its weight files.

    A model whose card cannot be read or does not match the files is not usable; its entry has the
    reason in place of the held-out score.
    """
    name, family, licence, trained_on = folder.name, "?", "?", "?"
    problem = None
    try:
        card = read_card(folder)
        training = card.get("training", {})
        subjects, held_out = training.get("subjects", []), training.get("held_out", [])
        name, family = card.get("name", folder.name), card["family"]
        licence = card.get("licence", "no licence given")
        trained_on = f"{len(subjects)} subjects, {len(held_out)} held out"
        check_weights(folder, card)
    except WeightsError as error:
        problem = str(error)
    score = held_out_headline(card) if problem is None else problem
    return ModelEntry(name, family, licence, trained_on, score, str(folder), problem is None)


def check_weights(folder: Path, card: JsonObject) -> None:
    """Compare the weight files of a model with the sha256 digests in its card.

    Raises:
        WeightsError: A file is missing or has another digest.
    """
    for name, digest in card["sha256"].items():
        if not (folder / name).is_file():
            raise WeightsError(f"{name}: missing")
        if sha256(folder / name) != digest:
            raise WeightsError(f"{name}: its sha256 differs from the card's; the file was changed")


def held_out_headline(card: JsonObject) -> str:
    """Return the score on held-out subjects in a few words, as the model's family words it."""
    rows = card.get("metrics", {}).get("held_out", [])
    return family_of(card).headline(rows) or "not scored"
