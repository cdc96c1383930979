"""What recipes say of files of subjects: `mapping` and `others` of labels, and `images`."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Discriminator, Tag

from factory.config.document import KeyPath
from factory.config.section import problem
from factory.config.types import ChannelName, LabelName, LabelValue, Text
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.label_mappings import (
    NAMED_MAPPINGS,
    OTHERS,
    LabelMapping,
    is_file_name,
    resolve_mapping,
)


def _check_mapping_name(name: str) -> str:
    """Refuse what is neither a named mapping nor looks like a file."""
    if name not in NAMED_MAPPINGS and not is_file_name(name):
        text = "value {value}; allowed: {names}, a table of labels (.tsv, .json, .txt), or "
        hint = nearest_name_hint(name, NAMED_MAPPINGS)
        names = ", ".join(NAMED_MAPPINGS)
        raise problem(text + "{{value: name, ...}}{hint}", name, names=names, hint=hint)
    return name


RecipeMapping = Annotated[
    Annotated[dict[LabelValue, LabelName], Tag("<values>")]
    | Annotated[str, AfterValidator(_check_mapping_name), Tag("<name>")],
    Discriminator(lambda value: "<values>" if isinstance(value, dict) else "<name>"),
]
"""A label mapping in a recipe: its name, a file with a table of labels, or {value: name}."""


ImageFiles = Annotated[
    Annotated[dict[ChannelName, Text], Tag("<channels>")] | Annotated[Text, Tag("<one>")],
    Discriminator(lambda value: "<channels>" if isinstance(value, dict) else "<one>"),
]
"""The pattern of the images' files in a recipe, or one for each channel by its name."""


def check_channel_names(names: Iterable[str], at: KeyPath) -> None:
    """Raise the error of a validator where there are no channels, or two have nearly one name.

    Capitals and _ do not make two names different, because not all file systems and formats tell
    them apart.

    Args:
        names: The names of the channels of one source.
        at: Where the recipe has them.
    """
    lower = [name.lower().replace("_", "") for name in names]
    if not lower:
        raise problem("no channels; allowed: one or more", at=at)
    for name in lower:
        if lower.count(name) > 1:
            raise problem("two channels are {name}; allowed: each once", at=at, name=name)


def check_patterns(labels: str, images: str | dict[str, str] | None) -> None:
    """Raise the error of a validator where the pattern of a file lacks {subject}.

    Args:
        labels: The pattern of the label maps.
        images: That of the images, or one for each channel by its name.
    """
    patterns: dict[KeyPath, str] = {("labels",): labels}
    if isinstance(images, dict):
        check_channel_names(images, ("images",))
        patterns |= {("images", name): pattern for name, pattern in images.items()}
    elif images is not None:
        patterns["images",] = images
    for path, pattern in patterns.items():
        if "{subject}" not in pattern:
            words = "a file name with {subject} in it"
            raise problem("value {value}; allowed: {words}", pattern, at=path, words=words)


def full_mapping(
    mapping: str | LabelMapping | None, others: str | None
) -> str | LabelMapping | None:
    """Return a recipe's mapping as readers take it: with `others` as one of its keys."""
    if others is None or mapping is None:
        return mapping
    full: dict[int | str, str] = dict(resolve_mapping(mapping).items())
    full[OTHERS] = others
    return full
