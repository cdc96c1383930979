"""The choice of measures in a recipe: a list of names, or a mapping to labels and regions."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Discriminator, Tag

from factory.anatomy.measure_names import MEASURES, STRUCTURE_MEASURES
from factory.config.section import one_of, problem
from factory.config.types import LabelName

ALL = "all"

MeasureName = Annotated[str, one_of(MEASURES)]

Structures = Annotated[
    Annotated[str, one_of((ALL,), "a list of labels and regions"), Tag("<all>")]
    | Annotated[tuple[LabelName, ...], Tag("<structures>")],
    Discriminator(lambda value: "<structures>" if isinstance(value, list | tuple) else "<all>"),
]
"""What is measured: all labels and regions, or those in a list."""


def _check_choice(choice: Any) -> Any:
    """Refuse a choice of nothing, and a list of structures for a measure of the whole map."""
    if not choice:
        raise problem("value {value}; allowed: at least one measure", choice)
    if isinstance(choice, tuple) and len(set(choice)) < len(choice):
        raise problem("value {value}; allowed: each measure once", list(choice))
    if isinstance(choice, dict):
        for name, structures in choice.items():
            if name not in STRUCTURE_MEASURES and structures != ALL:
                text = "value {value}; it measures the whole label map; allowed: all"
                raise problem(text, list(structures), at=(name,))
    return choice


def _check_kind(value: Any) -> Any:
    """Refuse a number and a text, for which pydantic's message would name one branch alone."""
    if not isinstance(value, dict | list | tuple):
        text = "value {value}; allowed: a list of measures, or a mapping {{measure: all or labels}}"
        raise problem(text, value)
    return value


def _kind(value: Any) -> str:
    return "<mapping>" if isinstance(value, dict) else "<list>"


Measures = Annotated[
    Annotated[tuple[MeasureName, ...], Tag("<list>")]
    | Annotated[dict[MeasureName, Structures], Tag("<mapping>")],
    Discriminator(_kind),
    BeforeValidator(_check_kind),
    AfterValidator(_check_choice),
]
"""Names of measures, or the labels and regions of each."""


def chosen_measures(
    choice: tuple[str, ...] | dict[str, str | tuple[str, ...]],
) -> dict[str, tuple[str, ...] | None]:
    """Return the labels and regions of each measure; None stands for all."""
    if not isinstance(choice, dict):
        return dict.fromkeys(choice)
    return {
        name: None if isinstance(structures, str) else structures
        for name, structures in choice.items()
    }


def measures_to_json(
    choice: tuple[str, ...] | dict[str, str | tuple[str, ...]] | None,
) -> dict[str, str | list[str]] | None:
    """Return a choice as a case keeps it: "all" or a list of names for each measure."""
    if choice is None:
        return None
    return {
        name: ALL if structures is None else list(structures)
        for name, structures in chosen_measures(choice).items()
    }
