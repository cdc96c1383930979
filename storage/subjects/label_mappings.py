"""Mappings: what each value of a label file means.

A mapping is {value: name of a label}. A recipe gives it by name ("feta", "freesurfer", …), as a
dict, or as a file (see `label_files`); a BIDS dataset has its dseg.tsv. The key "others" names the
label of all values that the mapping lacks. Several values may have one name.

A mapping decides the label table of its subjects: FETA's where it names tissues of FETA alone (the
corpus callosum may come apart), else a table of its own names in the order of their values.
"""

import colorsys
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from factory.storage.errors import SubjectError
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.label_files import MAX_VALUE, Colour, read_label_file
from factory.storage.subjects.label_names import (
    BACKGROUND,
    is_label_name,
    normalise_label_name,
)
from factory.storage.subjects.named_label_tables import NAMED_MAPPINGS as NAMED_MAPPINGS
from factory.storage.subjects.types import FETA, FETA_WITH_CALLOSUM, LabelTable, label_dtype

LabelMapping = Mapping[int, str] | Mapping[str, str] | Mapping[int | str, str]

OTHERS = "others"
"""The key of a mapping for all values that it lacks."""

SYNONYMS = {
    "external csf": "external_csf",
    "external cerebrospinal fluid": "external_csf",
    "extra axial csf": "external_csf",
    "extra axial cerebrospinal fluid": "external_csf",
    "cortical grey matter": "grey_matter",
    "intra axial csf": "ventricles",
    "lateral ventricles": "ventricles",
    "ventricular system": "ventricles",
    "subcortical grey matter": "deep_grey_matter",
    "brain stem": "brainstem",
    "corpus callosum": "white_matter",
} | {name.replace("_", " "): name for name in FETA.names}
"""How datasets of fetal brains call the tissues of FETA."""


def resolve_mapping(mapping: str | LabelMapping) -> dict[int, str]:
    """Return {value: name} of a mapping given by name, as a file, or as a dict.

    The key "others" of a dict is left out; see `others_of`.

    Raises:
        SubjectError: If there is no such mapping or file, a value is no whole number from 0 to
            65535, or a name is none.
    """
    if isinstance(mapping, str):
        if mapping in NAMED_MAPPINGS:
            return NAMED_MAPPINGS[mapping]
        if is_file_name(mapping):
            return {0: BACKGROUND} | file_mapping(Path(mapping))
        raise SubjectError(
            f"no label mapping {mapping!r}; there are {', '.join(NAMED_MAPPINGS)}"
            f"{nearest_name_hint(mapping, NAMED_MAPPINGS)}"
        )
    resolved = {0: BACKGROUND}
    for value, name in mapping.items():
        if value == OTHERS:
            check_label_name(name, OTHERS)
            continue
        if not re.fullmatch(r"\d+", str(value)) or int(value) > MAX_VALUE:
            raise SubjectError(
                f"label mapping: value {value!r}; allowed: a whole number from 0 to {MAX_VALUE}"
            )
        check_label_name(name, str(value))
        resolved[int(value)] = name
    return resolved


def check_label_name(name: str, key: str) -> None:
    """Raise SubjectError if a text is no name of a label; the message gives the nearest one."""
    if isinstance(name, str) and is_label_name(name):
        return
    nearest = normalise_label_name(str(name))
    hint = f", e.g. {nearest}" if nearest else ""
    raise SubjectError(
        f"label mapping: {key} is {name!r}; allowed: small letters, digits and _, a letter "
        f"first{hint}"
    )


def others_of(mapping: str | LabelMapping | None) -> str | None:
    """Return the name of all values that a mapping lacks; None if they are refused."""
    if mapping is None or isinstance(mapping, str):
        return None
    return dict(mapping).get(OTHERS)  # type: ignore[call-overload]


def is_file_name(text: str) -> bool:
    """Return whether a mapping given as a text is a file and not a name."""
    return "/" in text or "\\" in text or Path(text).suffix != ""


def file_mapping(path: Path) -> dict[int, str]:
    """Return the mapping of a table of labels.

    Where every name is a tissue of FETA by any of its usual names, it becomes that tissue.

    Raises:
        SubjectError: If the file cannot be read as a table.
    """
    table = read_label_file(path)
    tissues = {value: SYNONYMS.get(_plain_words(text)) for value, text in table.names.items()}
    if None not in tissues.values():
        return {value: str(tissue) for value, tissue in tissues.items()}
    return table.mapping


def _plain_words(text: str) -> str:
    """Return a name in lower case, without what stands in brackets."""
    words = re.sub(r"\(.*?\)", "", text.lower()).replace("gray", "grey")
    return " ".join(re.split(r"[\s_-]+", words.strip()))


def mapping_table(mapping: str | LabelMapping | None) -> LabelTable:
    """Return the label table of the subjects that a mapping is applied to.

    Args:
        mapping: None stands for FETA's tissues.

    Raises:
        SubjectError: As `resolve_mapping` does.
    """
    if mapping is None:
        return FETA
    resolved = resolve_mapping(mapping)
    names = tuple(dict.fromkeys((BACKGROUND, *(resolved[value] for value in sorted(resolved)))))
    if others := others_of(mapping):
        names = tuple(dict.fromkeys((*names, others)))
    for table in (FETA, FETA_WITH_CALLOSUM):
        if set(names) <= set(table.names):
            return table
    colours = {}
    if isinstance(mapping, str) and is_file_name(mapping):
        colours = read_label_file(mapping).colours_by_name
    return LabelTable(names, colours_of(names, colours))


def colours_of(names: tuple[str, ...], by_name: Mapping[str, Colour]) -> tuple[Colour, ...]:
    """Return a colour for each label: the given ones, else distinct hues; the background is black.

    Args:
        names: Of the labels, the background first.
        by_name: Colours (r, g, b) in 0–255.
    """
    colours: list[Colour] = [(0, 0, 0)]
    for index, name in enumerate(names[1:]):
        hue = index * 0.618034 % 1  # the golden ratio keeps neighbours apart
        levels = colorsys.hls_to_rgb(hue, (0.45, 0.6, 0.7)[index % 3], 0.65)
        r, g, b = (round(255 * level) for level in levels)
        colours.append(by_name.get(name, (r, g, b)))
    return tuple(colours)


def mapping_to_json(mapping: str | LabelMapping) -> str | dict[str, str]:
    """Return the mapping as a subject's record keeps it: its name, or a dict with digits for keys.

    A file is read, so that the record does not depend on it.
    """
    if isinstance(mapping, str) and not is_file_name(mapping):
        return mapping
    plain = {str(value): name for value, name in sorted(resolve_mapping(mapping).items())}
    others = others_of(mapping)
    return plain | ({OTHERS: others} if others else {})


def apply_mapping(values: np.ndarray, mapping: str | LabelMapping, path: Path) -> np.ndarray:
    """Turn the values of a label file into indices of the mapping's table.

    Args:
        values: Whole numbers of any dtype, of any shape.
        mapping: See above.
        path: The file, for errors.

    Returns:
        uint8 of the same shape, or uint16 if the table has more than 256 labels.

    Raises:
        SubjectError: If the mapping lacks a value, in one line with the values that it has.
    """
    resolved, others, table = resolve_mapping(mapping), others_of(mapping), mapping_table(mapping)
    present = [int(value) for value in np.unique(values)]
    unknown = [value for value in present if value not in resolved]
    if unknown and others is None:
        raise SubjectError(_unknown_values(path, unknown, resolved))
    names = [resolved.get(value, others) for value in present]
    indices = np.array([table.names.index(str(name)) for name in names], table.dtype)
    if not present or present[0] < 0 or present[-1] > MAX_VALUE:
        return indices[np.searchsorted(present, values)]
    lookup = np.zeros(present[-1] + 1, table.dtype)
    lookup[present] = indices
    label: np.ndarray = lookup[values]
    return label


def map_by_name(label: np.ndarray, subject_table: LabelTable, other: tuple[str, ...]) -> np.ndarray:
    """Return a label map with the values that another table gives to the same names.

    Args:
        label: [z, y, x], in the labels of `subject_table`.
        subject_table: Its table.
        other: The names of the other table, in order of their values. A label that it lacks must
            not occur.
    """
    if subject_table.names == other[: len(subject_table.names)]:
        return label
    values = [other.index(name) if name in other else 0 for name in subject_table.names]
    mapped: np.ndarray = np.array(values, label_dtype(len(other)))[label]
    return mapped


def _unknown_values(path: Path, unknown: list[int], resolved: Mapping[int, str]) -> str:
    """Say which values of a file a mapping lacks, and which it has."""
    listed = ", ".join(map(str, unknown[:8])) + (", …" if len(unknown) > 8 else "")
    entries = [f"{value} {name}" for value, name in sorted(resolved.items())]
    known_values = ", ".join(entries[:16]) + (
        f", … ({len(entries)} in all)" if entries[16:] else ""
    )
    return (
        f"{path}: label value {listed} is not in the mapping, which has {known_values}; "
        "others: background leaves such values out"
    )
