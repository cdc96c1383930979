"""Where a dataset comes from: the models that made and judged it, and its subjects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from factory.errors import FactoryError
from factory.lookup import find_model
from factory.rendering.model_set import list_roles
from factory.report.tables import value_text
from factory.storage.json_value import JsonObject, JsonValue
from factory.subjects.registry import SOURCES, subject_sections
from factory.text import join_names

NOT_STATED = "not stated"

_RANGES = (
    ("gestational_age_weeks", "ages", " to ", "weeks"),
    ("circumference_mm", "head circumferences", " to ", "mm"),
    ("spacing_mm", "spacings", ", ", "mm"),
)
"""Keys of a card's training with lists of numbers, their names, separators and units."""


@dataclass(frozen=True)
class Model:
    """A model, and what its card says.

    Attributes:
        name: Its name.
        does: Its task in words.
        family: Its family.
        licence: Its licence.
        facts: What the card says of its training, as names and values.
        limits: The limits that the card states.
        weights: The weight files that the dataset was made with, and their sha256.
        warning: Why the card is missing, or that it belongs to other weights; else "".
        card: The card; {} if it is missing.
    """

    name: str
    does: str
    family: str = ""
    licence: str = NOT_STATED
    facts: list[tuple[str, str]] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    weights: list[tuple[str, str]] = field(default_factory=list)
    warning: str = ""
    card: JsonObject = field(default_factory=dict)


def list_models(record: Mapping[str, JsonValue]) -> list[Model]:
    """List every model that a dataset's recipe names, with the cards that are installed here."""
    recipe = record.get("recipe", {}).get("resolved", {})
    return [
        _describe_model(role.name, role.does, _recorded_weights(record, role.prefix))
        for role in list_roles(recipe)
    ]


def _recorded_weights(record: Mapping[str, JsonValue], prefix: str) -> dict[str, str]:
    """Return the sha256 of a model's weight files, as the dataset's record holds them."""
    weights = record.get("weights") or {}
    if prefix:
        return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    return {k: v for k, v in weights.items() if "/" not in k}


def _describe_model(name: str, does: str, weights: Mapping[str, str]) -> Model:
    from factory.models.checkpoint import WeightsError, read_card

    pairs = sorted(weights.items())
    try:
        card = read_card(find_model(name))
    except (FactoryError, WeightsError) as error:
        warning = f"Its card cannot be read here, so nothing more is known about it: {error}"
        return Model(name, does, weights=pairs, warning=warning)
    warning = ""
    if weights and dict(card["sha256"]) != dict(weights):
        warning = "The card here belongs to other weights than those that made this dataset."
    return Model(
        name=str(card.get("name", name)),
        does=does,
        family=str(card["family"]),
        licence=str(card.get("licence") or NOT_STATED),
        facts=_training_facts(card),
        limits=[str(line) for line in card.get("limits", ())],
        weights=pairs,
        warning=warning,
        card=card,
    )


def _training_facts(card: JsonObject) -> list[tuple[str, str]]:
    """Return what a card says of its model's training, as names and values."""
    from factory.model_zoo import held_out_headline

    training = card.get("training", {})
    facts = [
        ("learnt from", _names_text(training.get("subjects", ()))),
        ("held out", _names_text(training.get("held_out", ()))),
    ]
    if training.get("mri_subjects"):
        facts.append(("MR learnt from", _names_text(training["mri_subjects"])))
    for key, name, separator, unit in _RANGES:
        if values := training.get(key):
            facts.append((name, f"{separator.join(f'{v:g}' for v in values)} {unit}"))
    for key in ("steps", "hours", "kimg"):
        if (value := training.get(key)) is not None:
            facts.append((key, _parts_text(value)))
    if (seed := (training.get("recipe") or {}).get("seed")) is not None:
        facts.append(("seed", value_text(seed)))
    return [*facts, ("score", held_out_headline(dict(card)))]


def _parts_text(value: JsonValue) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {value_text(v)}" for name, v in value.items())
    return value_text(value)


def _names_text(names: Sequence[str]) -> str:
    """Return how many names there are, and the first four."""
    if not names:
        return NOT_STATED
    first = join_names(names[:4]) + (", …" if len(names) > 4 else "")
    return f"{len(names)} ({first})"


def shared_data_warning(models: Sequence[Model]) -> str:
    """Warn if the gate's segmenter and a generator learnt from the same volumes; else return ""."""
    judges = [m for m in models if m.does == "judges the images"]
    makers = [m for m in models if m.does.startswith(("paints", "makes anatomies and"))]
    for judge in judges:
        of_judge = judge.card.get("training", {}).get("subjects", ())
        for maker in makers:
            of_maker = maker.card.get("training", {}).get("subjects", ())
            on_card = judge.card.get("shared_with", {}).get(maker.name, ())
            if shared := [name for name in of_judge if name in of_maker] or list(on_card):
                return (
                    f"The gate is not independent: {judge.name}, which judges the images, and "
                    f"{maker.name}, which made them, both learnt from {len(shared)} of "
                    f"{len(of_judge) or len(shared)} volumes ({join_names(shared)}). The gate does "
                    "not notice an error that both of them make."
                )
    return ""


def describe_sources(recipe: JsonObject) -> list[str]:
    """Describe where the anatomies of a resolved recipe come from, one text for each source."""
    texts = []
    for name, section in subject_sections(recipe):
        texts.append(SOURCES[name].origin(section) if name in SOURCES else name)
    if recipe.get("latents"):
        texts.append("generated from random latents by the model below")
    return list(dict.fromkeys(texts)) or [NOT_STATED]
