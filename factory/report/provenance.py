"""Where a dataset comes from: the models that made and judged it, its subjects, its machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from factory.errors import FactoryError
from factory.lookup import find_model
from factory.rendering.model_set import list_roles
from factory.report.tables import text
from factory.subjects.registry import SOURCES
from factory.text import join_names

NOT_STATED = "not stated"


@dataclass(frozen=True)
class Model:
    """A model and what its card says. about: rows of words. limits: the card's own. trouble: where
    the card is not here, or is of other weights."""

    name: str
    does: str
    family: str = ""
    licence: str = NOT_STATED
    about: list[tuple[str, str]] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    weights: list[tuple[str, str]] = field(default_factory=list)
    trouble: str = ""
    card: Mapping[str, Any] = field(default_factory=dict)


def models(record: Mapping[str, Any]) -> list[Model]:
    """Every model that a dataset's recipe names, by the cards that are here."""
    resolved = record.get("recipe", {}).get("resolved", {})
    return [
        _model(role.name, role.does, _recorded(record, role.prefix))
        for role in list_roles(resolved)
    ]


def _recorded(record: Mapping[str, Any], prefix: str) -> dict[str, str]:
    """sha256 of a model's weight files, as the dataset keeps them."""
    weights = record.get("weights") or {}
    if prefix:
        return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    return {k: v for k, v in weights.items() if "/" not in k}


def _model(name: str, does: str, weights: Mapping[str, str]) -> Model:
    from factory.models.checkpoint import WeightsError, read_card

    pairs = sorted(weights.items())
    try:
        card = read_card(find_model(name))
    except (FactoryError, WeightsError) as error:
        trouble = f"Its card cannot be read here, so nothing more is known of it: {error}"
        return Model(name, does, weights=pairs, trouble=trouble)
    trouble = ""
    if weights and dict(card["sha256"]) != dict(weights):
        trouble = "The card found here is of other weights than those that made this dataset."
    return Model(
        str(card.get("name", name)),
        does,
        str(card["family"]),
        str(card.get("licence") or NOT_STATED),
        _about(card),
        [str(line) for line in card.get("limits", ())],
        pairs,
        trouble,
        card,
    )


def _about(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a card says of its training, a row each."""
    from factory.model_zoo import held_out_headline

    training = card.get("training", {})
    held = training.get("held_out", ())
    rows = [("learnt from", _names(training.get("subjects", ()))), ("held out", _names(held))]
    if training.get("mri_subjects"):
        rows.append(("MR learnt from", _names(training["mri_subjects"])))
    for key, name, between, unit in (
        ("gestational_age_weeks", "ages", " to ", "weeks"),
        ("circumference_mm", "head circumferences", " to ", "mm"),
        ("spacing_mm", "spacings", ", ", "mm"),
    ):
        if values := training.get(key):
            rows.append((name, f"{between.join(f'{v:g}' for v in values)} {unit}"))
    for key in ("steps", "hours", "kimg"):
        if (value := training.get(key)) is not None:
            rows.append((key, _each(value)))
    if (seed := (training.get("recipe") or {}).get("seed")) is not None:
        rows.append(("seed", text(seed)))
    return [*rows, ("score", held_out_headline(dict(card)))]


def _each(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {text(v)}" for name, v in value.items())
    return text(value)


def _names(names: Sequence[str]) -> str:
    if not names:
        return NOT_STATED
    some = join_names([str(n) for n in names[:4]]) + (", …" if len(names) > 4 else "")
    return f"{len(names)} ({some})"


def circle(found: Sequence[Model]) -> str:
    """What the gate's segmenter and a generator both learnt from, in a sentence; "" if nothing."""
    judges = [m for m in found if m.does == "judges the images"]
    makers = [m for m in found if m.does.startswith(("paints", "makes anatomies and"))]
    for judge in judges:
        own = judge.card.get("training", {}).get("subjects", ())
        for maker in makers:
            theirs = maker.card.get("training", {}).get("subjects", ())
            listed_as = judge.card.get("shared_with", {}).get(maker.name, ())
            if shared := [one for one in own if one in theirs] or list(listed_as):
                return (
                    f"A circle: {judge.name}, which judges the images, and {maker.name}, which "
                    f"made them, both learnt from {len(shared)} of {len(own) or len(shared)} "
                    f"volumes ({join_names(shared)}). Where both err alike, the gate does not see "
                    "it."
                )
    return ""


def sources(resolved: Mapping[str, Any]) -> list[str]:
    """Whose anatomies, in words."""
    said = []
    for kind, part in (resolved.get("subjects") or {}).items():
        if not part:
            continue
        said.append(SOURCES[kind].origin(part) if kind in SOURCES else kind)
    if resolved.get("latents"):
        said.append("drawn from the latents of the model below")
    return said or [NOT_STATED]
