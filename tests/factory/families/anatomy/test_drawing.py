"""Label maps of individuals: read from people, blended, and cropped."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.anatomies import BODIES

from factory.families.anatomy.drawing import (
    Anchor,
    Individual,
    blend_labels,
    draw_labels,
    read_nearest,
    vote_labels,
)
from factory.families.anatomy.registration import (
    Person,
    RegistrationLevel,
    first_logarithm,
    label_codes,
    register_person,
)
from factory.families.anatomy.specks import remove_specks
from factory.families.anatomy.train import common_lattice
from factory.metrics.overlap import mean_label_dice
from factory.storage.subjects.shapes import draw_shapes


def body(seed: int) -> Person:
    subject = draw_shapes(BODIES, 1.0, seed, 2.0, "p")
    return Person.of(subject.label, subject.grid.spacing)


@given(st.integers(0, 2**31 - 1))
def test_reading_at_whole_voxels_returns_the_labels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 5, (4, 5, 6)).astype(np.uint8)
    places = np.stack(np.meshgrid(*[np.arange(n) for n in label.shape], indexing="ij"))
    for read in (read_nearest, vote_labels):
        assert np.array_equal(read(label, places.astype(np.float32)), label)


def test_a_vote_goes_to_the_greater_share_and_outside_is_background() -> None:
    label = np.array([[[1, 1, 2, 2]]], np.uint8)
    x = np.array([0.4, 1.4, 1.6, 7.0, -3.0], np.float32).reshape(1, 1, -1)
    places = np.stack([np.zeros_like(x), np.zeros_like(x), x])
    assert vote_labels(label, places).tolist() == [[[1, 1, 2, 0, 0]]]


def test_of_two_labels_the_deeper_one_wins_and_weights_count() -> None:
    a, b = np.full((1, 1, 3), 1, np.uint8), np.full((1, 1, 3), 2, np.uint8)
    deep, shallow = np.array([[[3.0, 2.0, 1.0]]]), np.array([[[1.0, 2.0, 3.0]]])
    assert blend_labels([(a, deep, 0.5), (b, shallow, 0.5)]).tolist() == [[[1, 1, 2]]]
    assert blend_labels([(a, deep, 0.1), (b, shallow, 0.9)]).tolist() == [[[2, 2, 2]]]


def test_an_individual_without_any_change_is_the_person() -> None:
    person = body(1)
    lattice = common_lattice(person, 12.0)
    still = torch.zeros(3, 4), torch.zeros(3, *lattice.shape)
    label = draw_labels(Individual([Anchor(person, still)], still), lattice, 2.0)
    box = [slice(a.min(), a.max() + 1) for a in np.nonzero(person.label)]
    cropped = person.label[tuple(box)]
    assert label.shape == pytest.approx(cropped.shape, abs=1)
    assert np.bincount(label.ravel()) == pytest.approx(np.bincount(cropped.ravel()), rel=0.1)


def test_registration_lays_one_person_on_another() -> None:
    first, last = body(1), body(2)
    lattice = common_lattice(first, 12.0)
    codes = label_codes([first, last], 3, seed=1)
    start = first_logarithm(last, first), torch.zeros(3, *lattice.shape)
    levels = [RegistrationLevel(8.0, 30), RegistrationLevel(4.0, 30)]
    maps = register_person(last, first, codes, lattice, levels, 0.005, start)
    still = torch.zeros(3, 4), torch.zeros(3, *lattice.shape)
    drawn = draw_labels(Individual([Anchor(last, maps)], still), lattice, 2.0)
    target = draw_labels(Individual([Anchor(first, still)], still), lattice, 2.0)
    n = [min(a, b) for a, b in zip(drawn.shape, target.shape, strict=True)]
    same = tuple(slice(k) for k in n)
    assert mean_label_dice(drawn[same], target[same], 3) > 0.85


def test_a_piece_that_people_lack_takes_the_label_around_it() -> None:
    label = np.ones((12, 12, 12), np.uint8)
    label[2:7, 2:7, 2:7] = 2
    person = Person.of(label.copy(), (1.0, 1.0, 1.0))
    label[9:11, 9:11, 9:11] = 2
    assert np.array_equal(remove_specks(label, [person]), person.label)
