"""Label mappings: which tissue each value of a label file is.

A mapping brings the labels of another dataset to the tissues of FETA: {value: tissue name}. The
corpus callosum, which FETA counts as white matter, has a value of its own where a mapping names
it. A mapping is given by name ("feta", "spina-bifida-atlas"), written as a dict in the recipe, or
read from a dataset's dseg.tsv.
"""

import csv
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from factory.storage.errors import SubjectError
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.types import CALLOSUM, FETA, FETA_WITH_CALLOSUM, LabelTable

LabelMapping = Mapping[int, str] | Mapping[str, str]
"""{value: tissue}; in JSON, values are strings of digits."""

TISSUES = FETA_WITH_CALLOSUM.names
"""The tissues that a mapping may name."""

NAMED_MAPPINGS: dict[str, dict[int, str]] = {
    "feta": dict(enumerate(FETA.names)),
    "spina-bifida-atlas": {
        0: "background",
        1: "white_matter",
        2: "ventricles",  # all intra-axial CSF, the third and fourth ventricles too
        3: "cerebellum",
        4: "external_csf",
        5: "grey_matter",
        6: "deep_grey_matter",
        7: "brainstem",
        8: "white_matter",  # corpus callosum
    },
}

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
"""The tissue of each name that a dseg.tsv may use; names in lower case, words by one space."""


def resolve_mapping(mapping: str | LabelMapping) -> dict[int, str]:
    """Return a mapping as {value: tissue}, with the background at 0.

    Args:
        mapping: The name of a mapping, or a dict whose keys are numbers or digits.

    Raises:
        SubjectError: For an unknown mapping, a value that is no whole number, an unknown tissue.
    """
    if isinstance(mapping, str):
        if mapping not in NAMED_MAPPINGS:
            raise SubjectError(
                f"no label mapping {mapping!r}; there are {', '.join(NAMED_MAPPINGS)}"
                f"{nearest_name_hint(mapping, NAMED_MAPPINGS)}"
            )
        return NAMED_MAPPINGS[mapping]
    resolved = {0: "background"}
    for value, tissue in mapping.items():
        if not re.fullmatch(r"-?\d+", str(value)):
            raise SubjectError(f"label mapping: {value!r} is not a whole number")
        if tissue not in TISSUES:
            raise SubjectError(
                f"label mapping: value {value} is {tissue!r}, which is none of "
                f"{', '.join(TISSUES)}{nearest_name_hint(tissue, TISSUES)}"
            )
        resolved[int(value)] = tissue
    return resolved


def mapping_table(mapping: str | LabelMapping | None) -> LabelTable:
    """Return FETA's table, with the corpus callosum after it where a mapping names that."""
    has_callosum = isinstance(mapping, Mapping) and CALLOSUM in mapping.values()
    return FETA_WITH_CALLOSUM if has_callosum else FETA


def mapping_to_json(mapping: str | LabelMapping) -> str | dict[str, str]:
    """Return the mapping as a record keeps it: its name, or a dict with digits for keys."""
    if isinstance(mapping, str):
        return mapping
    return {str(value): tissue for value, tissue in sorted(resolve_mapping(mapping).items())}


def read_dseg(path: Path) -> dict[int, str]:
    """Read the mapping of a BIDS dseg.tsv, which has the columns index and name.

    Raises:
        SubjectError: Naming the line whose name is no known tissue.
    """
    mapping: dict[int, str] = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, delimiter="\t")
        if not {"index", "name"} <= set(rows.fieldnames or ()):
            raise SubjectError(f"{path}: needs the columns index and name, has {rows.fieldnames}")
        for row in rows:
            index, name = (row["index"] or "").strip(), (row["name"] or "").strip()
            words = re.sub(r"\(.*?\)", "", name.lower()).replace("gray", "grey")
            tissue = SYNONYMS.get(" ".join(re.split(r"[\s_-]+", words.strip())))
            if not index.isdecimal() or tissue is None:
                raise SubjectError(
                    f"{path}, line {rows.line_num}: cannot tell which tissue {index} {name!r} is; "
                    f"name a mapping ({', '.join(NAMED_MAPPINGS)}) or give one as value: tissue"
                )
            if mapping.setdefault(int(index), tissue) != tissue:
                raise SubjectError(
                    f"{path}, line {rows.line_num}: {index} is {tissue}, but an earlier line has "
                    f"{mapping[int(index)]}; allowed: one tissue for each index"
                )
    return mapping


def apply_mapping(values: np.ndarray, mapping: Mapping[int, str], path: Path) -> np.ndarray:
    """Bring the label values of a file to those of `mapping_table`.

    Args:
        values: Whole numbers of any dtype and shape.
        mapping: {value: tissue}, from `resolve_mapping`.
        path: The file, for the error.

    Returns:
        uint8 of the same shape.

    Raises:
        SubjectError: Naming the file, the values without a tissue, and the mapping.
    """
    present = [int(value) for value in np.unique(values)]
    unknown = [value for value in present if value not in mapping]
    if unknown:
        listed = ", ".join(map(str, unknown[:8])) + (", …" if len(unknown) > 8 else "")
        tissues = ", ".join(f"{value} {tissue}" for value, tissue in sorted(mapping.items()))
        raise SubjectError(
            f"{path}: label value {listed} is not in the mapping, which has {tissues}"
        )
    label = np.zeros(values.shape, np.uint8)
    for value in present:
        label[values == value] = TISSUES.index(mapping[value])
    return label
