"""Anatomies between any two label maps: the second is registered to the first, without a model.

Half of the way is half of the affine map and half of the velocity. Each place takes the label that
it is deepest in, the two label maps weighted by the position between them.
"""

from dataclasses import dataclass

import torch

from factory.families.anatomy.drawing import Anchor, Individual, Maps, draw_labels
from factory.families.anatomy.registration import (
    Person,
    first_logarithm,
    label_codes,
    length_mm,
    levels_by_size,
    register_person,
)
from factory.families.anatomy.train import common_lattice
from factory.models.anatomy import NodeLattice
from factory.storage.json_value import JsonObject
from factory.storage.subjects.types import Grid, Subject

LATTICE_NODES = 22
"""Nodes of the velocity along the longest side."""

STIFFNESS = 0.005
SEED = 1
"""Of the labels' vectors, where there are many labels."""


@dataclass(frozen=True)
class Way:
    """The way from one subject to another.

    Attributes:
        first: The subject that it begins with; its space is the common one.
        last: The subject that it ends with.
        maps: The maps of the last one.
        lattice: The lattice of the velocity.
    """

    first: Subject
    last: Subject
    maps: Maps
    lattice: NodeLattice


def register_subjects(first: Subject, last: Subject) -> Way:
    """Register a subject to another one of the same label table."""
    people = [Person.of(s.label, s.grid.spacing) for s in (first, last)]
    lattice = common_lattice(people[0], length_mm(people[0]) / LATTICE_NODES)
    codes = label_codes(people, len(first.table.names), SEED)
    levels = levels_by_size(people[0])
    start = first_logarithm(people[1], people[0]), torch.zeros(3, *lattice.shape)
    maps = register_person(people[1], people[0], codes, lattice, levels, STIFFNESS, start)
    return Way(first, last, maps, lattice)


def subject_on_way(way: Way, t: float, id: str, spacing_mm: float) -> Subject:
    """Return the anatomy at a position of a way, without an image.

    Args:
        way: The way.
        t: 0 is the first subject, 1 the last one.
        id: Its id.
        spacing_mm: The size of its voxels.
    """
    people = [Person.of(s.label, s.grid.spacing) for s in (way.first, way.last)]
    logarithm, velocity = way.maps
    identity = torch.zeros_like(logarithm), torch.zeros_like(velocity)
    anchors = [Anchor(people[0], identity, 1 - t), Anchor(people[1], way.maps, t)]
    individual = Individual([a for a in anchors if a.weight], (t * logarithm, t * velocity))
    label = draw_labels(individual, way.lattice, spacing_mm)
    z, y, x = label.shape
    grid = Grid.centred((z, y, x), (spacing_mm, spacing_mm, spacing_mm))
    metadata: JsonObject = {"between": [way.first.id, way.last.id], "t": round(t, 6)}
    return Subject(id, label.astype(way.first.label.dtype), grid, way.first.table, None, metadata)
