"""The labels of a recipe's dataset: FETA's tissues, and after them those that it brings.

A dataset has one label table, so the table is a function of the recipe: the corpus callosum where
a mapping keeps it apart, then each lesion's name, in order of appearance over the anatomy and then
the groups by name. Groups may share a name, and so a label. A painter knows FETA's tissues alone:
each label has one that it is painted as.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from factory.anatomy.edits.registry import Edit, operator_class, operator_of
from factory.config.section import problem
from factory.storage.subjects.label_mappings import table_of as table_of_mapping
from factory.storage.subjects.types import CALLOSUM, FETA, LabelTable
from factory.text import listed

if TYPE_CHECKING:
    from factory.schema.render_recipe import RenderRecipe

Path = tuple[str | int, ...]
Labels = list[dict[str, str]]
"""Those beside FETA's, in order of their values: {"name": ..., "looks_like": a tissue of FETA}."""

COLOURS = ((213, 94, 0), (136, 34, 85), (51, 34, 136), (170, 68, 153), (102, 153, 0))
MOST = 32


def labels_of(spec: "RenderRecipe") -> Labels:
    """The labels that a recipe's mappings and edits bring."""
    looks: dict[str, str] = {}
    for source in (spec.subjects.bids, spec.subjects.nifti):
        mapping: Any = source.mapping if source else None
        if table_of_mapping(mapping) is not FETA:
            looks[CALLOSUM] = "white_matter"
    for edits in _parts(spec).values():
        for edit in edits:
            if edit.lesion is not None:
                looks.setdefault(edit.lesion.name, edit.lesion.painted_as)
    return [{"name": name, "looks_like": tissue} for name, tissue in looks.items()]


def table_of(labels: Labels) -> LabelTable:
    """FETA's table with more labels."""
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(labels))]
    names = [label["name"] for label in labels]
    return LabelTable((*FETA.names, *names), (*FETA.colours, *colours))


def of_brains(table: LabelTable) -> bool:
    """Whether its labels are FETA's tissues, be it with more after them."""
    return table.names[: len(FETA.names)] == FETA.names


def dataset_table(own: LabelTable, labels: Labels) -> LabelTable:
    """The table of a dataset of subjects with a table of their own: brains get FETA's with the
    recipe's labels, what is none keeps its own."""
    return table_of(labels) if of_brains(own) else own


def known_table(own: LabelTable) -> LabelTable:
    """What a painter knows of labels `as_painted`: FETA's tissues of brains, else their own."""
    return FETA if of_brains(own) else own


def as_painted(label: np.ndarray, labels: Labels) -> np.ndarray:
    """A label map uint8 [z, y, x] in FETA's tissues alone: each label as what it looks like.
    One without labels of the recipe's is as it is."""
    if not labels:
        return label
    values = [*range(len(FETA.names)), *(FETA.index(more["looks_like"]) for more in labels)]
    return np.array(values, np.uint8)[label]


def check_labels(spec: "RenderRecipe") -> None:
    """Raises the error of a validator where two lesions of one subject have one name, a name is to
    look like two tissues, or an edit needs a label that there is not."""
    labels = labels_of(spec)
    if len(labels) > MOST:
        raise problem(f"{len(labels)} names of lesions; allowed: at most {MOST}")
    names = table_of(labels).names
    looks = {label["name"]: label["looks_like"] for label in labels}
    common: set[str] = set()
    for at, edits in _parts(spec).items():
        taken = set(common)
        for index, edit in enumerate(edits):
            here = (*at, index, operator_of(edit))
            for needed in operator_class(operator_of(edit)).needs:
                if needed not in names:
                    text = f"no {needed} among the labels: {listed(names)}"
                    raise problem(f"{text}; allowed: with a mapping that names it", at=here)
            if edit.lesion is None:
                continue
            name, tissue = edit.lesion.name, edit.lesion.painted_as
            if name in taken:
                text = "value {value}; an earlier lesion has it; allowed: another name"
                raise problem(text, name, at=(*here, "name"))
            if tissue != looks[name]:
                text = "value {value}; an earlier {name} looks like {other}; allowed: that"
                at_looks = (*here, "looks_like")
                raise problem(text, tissue, at=at_looks, name=name, other=looks[name])
            taken.add(name)
        if at == ("anatomy",):
            common = taken


def _parts(spec: "RenderRecipe") -> dict[Path, tuple[Edit, ...]]:
    """The recipe's edits, first those of every subject, by where they stand."""
    groups = sorted((spec.groups or {}).items())
    own: dict[Path, tuple[Edit, ...]] = {
        ("groups", name, "anatomy"): group.anatomy for name, group in groups
    }
    return {("anatomy",): spec.anatomy, **own}
