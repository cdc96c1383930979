"""The source `interpolated`: subjects between subjects, by a label VAE (Amirrajab et al.).

Its section is the recipe's key `interpolate`. Without a model the subjects stay those of their own
source, on ways between one another (factory.subjects.ways).
"""

import functools
import itertools
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypedDict, cast

import numpy as np
from pydantic import Field, model_validator

from factory.config.section import Section, allowed, one_of, problem
from factory.config.types import Text
from factory.errors import FactoryError, RecipeError
from factory.families.base import StyleEnds
from factory.imaging.types import Shape
from factory.lookup import find_model
from factory.seeding import derive_seed
from factory.storage.json_value import JsonObject
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.records import Record
from factory.storage.subjects.short_axis import HEART, SIDE
from factory.storage.subjects.types import FETA, LabelTable, Subject
from factory.subjects.source import Source
from factory.subjects.ways import way_record
from factory.text import count_text, join_names
from factory.training.tables import card_table, map_subject

if TYPE_CHECKING:
    from factory.families.label_vae.inference import LabelVaeCodec

Count = Annotated[int, Field(ge=1, le=10_000), allowed("a whole number, 1 or more")]
Slices = Annotated[int, Field(ge=2, le=512), allowed("a whole number of slices, 2 to 512")]
Ids = Annotated[
    tuple[Text, ...],
    Field(min_length=2),
    allowed("a list of two subjects or more, numbers in quotes"),
]


class Pairs(Section):
    """How many pairs of subjects: those whose anatomies are most alike, or any, by the seed.

    Two subjects of one person are no pair, nor are two of different phases.
    """

    nearest: Count | None = None
    random: Count | None = None

    @model_validator(mode="after")
    def _check_choice(self) -> "Pairs":
        if (self.nearest is None) == (self.random is None):
            raise problem("allowed: one of nearest, random")
        return self


class Interpolate(Section):
    """New anatomies instead of the subjects themselves.

    With a `model`, a label VAE, its latent codes are interpolated (Amirrajab et al.). Without one
    the two label maps, of any table, are registered; `slices` and `method` are the VAE's alone.

    `between` goes from each subject of the list to the next, with `steps` anatomies on the way;
    `pairs` does so for a number of pairs. Without either, every subject is made anew in `slices`
    slices.
    """

    model: Text | None = None
    between: Ids | None = None
    pairs: Pairs | None = None
    steps: Count = 8
    slices: Slices = 32
    method: Annotated[str, one_of(("linear", "spherical"))] = "linear"

    @model_validator(mode="after")
    def _check_choice(self) -> "Interpolate":
        if self.between and self.pairs:
            raise problem("both between and pairs; allowed: one of them, or neither")
        if self.model is not None:
            return self
        for key in ("slices", "method"):
            if key in self.model_fields_set:
                raise problem("value given; allowed: with a model, a label VAE", at=(key,))
        if not self.between and not self.pairs:
            raise problem("no model; allowed: between or pairs, or the model of a label VAE")
        if self.pairs and self.pairs.nearest:
            text = "value given; allowed: random, or nearest with the model of a label VAE"
            raise problem(text, at=("pairs", "nearest"))
        return self


class InterpolatedRecord(TypedDict):
    """A subject between two others, enough to make it again.

    `first` and `last` are records; `last` is None for a subject interpolated within itself. `t` is
    the place on the way between them, from 0 to 1.
    """

    source: Literal["interpolated"]
    model: str
    slices: int
    method: str
    id: str
    first: Record
    last: Record | None
    t: float


class InterpolatedSource(Source):
    """Hearts, or other stacks, interpolated between others by a label VAE."""

    name: ClassVar[str] = "interpolated"
    Section: ClassVar[type[Section]] = Interpolate
    key: ClassVar[str] = "interpolate"
    model_keys: ClassVar[tuple[str, ...]] = ("model",)
    kind: ClassVar[str] = "hearts"
    is_stack: ClassVar[bool] = True

    def is_used(self, section: Interpolate) -> bool:
        """Return whether there is a model; without one the ends' own source makes the subjects."""
        return section.model is not None

    def load(self, record: Record, spacing_mm: float | None, replicate: int = 0) -> Subject:
        """Make the subject of a record, without an image; spacing_mm is that in plane."""
        from factory.families.label_vae.inference import interpolate_at, interpolate_within

        assert spacing_mm is not None
        heart = cast(InterpolatedRecord, record)
        codec = load_codec(heart["model"])
        first = _load_end_in_table(heart["first"], spacing_mm, heart["model"])
        slices, method = heart["slices"], heart["method"]
        if heart["last"] is None:
            return interpolate_within(codec, first, slices, method)
        last = _load_end_in_table(heart["last"], spacing_mm, heart["model"])
        return interpolate_at(codec, first, last, heart["t"], slices, method)

    def table(self, section: Interpolate) -> LabelTable:
        """Return the label table of the section's model."""
        return vae_table(str(section.model))

    def shape(self, section: Interpolate, records: Sequence[Record], spacing_mm: float) -> Shape:
        """Return the section's number of slices; of hearts each is a square around the heart."""
        if vae_table(str(section.model)) is HEART:
            return section.slices, SIDE, SIDE
        y, x = load_codec(str(section.model)).config.shape[-2:]
        return section.slices, y, x

    def style_ends(self, record: Record, spacing_mm: float) -> StyleEnds:
        """Return its two ends, so that appearance changes along with the anatomy."""
        heart = cast(InterpolatedRecord, record)
        first = _load_end(heart["first"], spacing_mm)
        return first, _load_end(heart["last"] or heart["first"], spacing_mm), heart["t"]

    def has_own_style(self) -> bool:
        """Return True: its ends lend it their style."""
        return True

    def lacks_images(self, section: Interpolate) -> str:
        """Return "an interpolated subject", which has no image."""
        return "an interpolated subject"

    def describe(self, section: JsonObject, total: int) -> str:
        """Say how many hearts there are, and between which subjects."""
        ways = "within every subject"
        if "between" in section:
            ways = f"{section['steps']} on each way {' to '.join(section['between'])}"
        elif "pairs" in section:
            [(which, count)] = section["pairs"].items()
            ways = f"{section['steps']} on the way of each of the {count} {which} pairs"
        what = "new heart" if vae_table(section["model"]) is HEART else "new stack"
        return (
            f"{count_text(total, what)} of {section['slices']} slices by "
            f"{section['model']}, its codes interpolated by a {section['method']} path: {ways}. "
            "Appearance goes with them."
        )


SOURCE = InterpolatedSource()


def list_interpolated_records(
    section: Interpolate, ends: Sequence[Record], seed: int, spacing_mm: float
) -> list[InterpolatedRecord]:
    """List the records of a recipe's interpolated subjects.

    Args:
        section: What to interpolate.
        ends: The records of the subjects that the recipe names.
        seed: The recipe's.
        spacing_mm: The spacing in plane at which subjects are compared.

    Raises:
        RecipeError: Where `between` names an unknown subject, or more pairs are requested than
            there are.
    """

    def record(id: str, first: Record, last: Record | None, t: float) -> InterpolatedRecord:
        return {
            "source": "interpolated",
            "model": str(section.model),
            "slices": section.slices,
            "method": section.method,
            "id": id,
            "first": first,
            "last": last,
            "t": t,
        }

    if not section.between and not section.pairs:
        return [record(f"{end['id']}-{section.slices}", end, None, 0.0) for end in ends]
    return [
        record(f"{a['id']}-to-{b['id']}-{k}of{section.steps}", a, b, k / (section.steps + 1))
        for a, b in select_pairs(section, ends, seed, spacing_mm)
        for k in range(1, section.steps + 1)
    ]


def list_way_records(section: Interpolate, ends: Sequence[Record], seed: int) -> list[Record]:
    """List the records of subjects on ways between others, without a model.

    For the arguments and errors see `list_interpolated_records`.
    """
    return [
        way_record(a, b, k, section.steps)
        for a, b in select_pairs(section, ends, seed, 0.0)
        for k in range(1, section.steps + 1)
    ]


def select_pairs(
    section: Interpolate, ends: Sequence[Record], seed: int, spacing_mm: float
) -> list[tuple[Record, Record]]:
    """Select the pairs of records to interpolate between; see list_interpolated_records."""
    if section.between:
        by_id = {end["id"]: end for end in ends}
        for name in section.between:
            if name not in by_id:
                hint = nearest_name_hint(name, by_id) or f"; there are {join_names(by_id)}"
                raise RecipeError(f"interpolate.between: no subject {name!r}{hint}")
        return list(itertools.pairwise(by_id[name] for name in section.between))
    assert section.pairs is not None
    pairs = [
        (a, b)
        for a, b in itertools.combinations(ends, 2)
        if a.get("person", a["id"]) != b.get("person", b["id"]) and a.get("phase") == b.get("phase")
    ]
    count = section.pairs.nearest or section.pairs.random or 0
    if count > len(pairs):
        raise RecipeError(f"interpolate.pairs: value {count}; there are {len(pairs)} pairs")
    if section.pairs.random:
        pairs.sort(key=lambda pair: derive_seed(seed, pair[0]["id"], pair[1]["id"], "pair"))
    else:
        distances = code_distances(section, ends, spacing_mm)
        pairs.sort(key=lambda pair: distances[pair[0]["id"], pair[1]["id"]])
    return pairs[:count]


def code_distances(
    section: Interpolate, ends: Sequence[Record], spacing_mm: float
) -> dict[tuple[str, str], float]:
    """Return the root mean square distances between the codes of subjects, by pairs of ids.

    All subjects are first brought to one number of slices.
    """
    codes = {}
    for end in ends:
        subject = _load_end_in_table(end, spacing_mm, str(section.model))
        codes[subject.id] = load_codec(str(section.model)).codes(
            subject, section.slices, section.method
        )
    return {
        (a, b): float((codes[a] - codes[b]).square().mean().sqrt())
        for a, b in itertools.combinations(codes, 2)
    }


def vae_table(model: str) -> LabelTable:
    """Return the label table of a label VAE by its card; HEART if the model does not say.

    Args:
        model: The name or the folder of the model.
    """
    try:
        card = json.loads((find_model(model) / "card.json").read_text("utf-8"))
    except (FactoryError, OSError, ValueError):  # told where the model is loaded
        return HEART
    table = card_table(card) if card.get("label_table") else HEART
    return next((built_in for built_in in (HEART, FETA) if built_in.names == table.names), table)


def _load_end_in_table(record: Record, spacing_mm: float, model: str) -> Subject:
    """Load an end of a path in the labels of a label VAE.

    Raises:
        FactoryError: It has a label that the model does not know.
    """
    subject = _load_end(record, spacing_mm)
    table = vae_table(model)
    if subject.table.names == table.names:
        return subject
    present = [subject.table.names[value] for value in np.unique(subject.label)]
    if unknown := [name for name in present if name not in table.names]:
        hint = nearest_name_hint(unknown[0], table.names)
        raise RecipeError(
            f"interpolate.model: {model} does not know the label {unknown[0]} of {subject.id}; it "
            f"was trained on {join_names(table.names)}{hint}"
        )
    return map_subject(subject, table)


def _load_end(record: Record, spacing_mm: float) -> Subject:
    return _load_record(json.dumps(record, sort_keys=True), spacing_mm)


@functools.lru_cache(maxsize=4)
def _load_record(record_json: str, spacing_mm: float) -> Subject:
    """Load an end of a path; it is cached, since the steps of a path follow one another."""
    return load_subject(json.loads(record_json), spacing_mm)


@functools.lru_cache(maxsize=2)
def load_codec(model: str) -> "LabelVaeCodec":
    """Load the label VAE of a recipe."""
    from factory.families.label_vae.inference import LabelVaeCodec

    return LabelVaeCodec(find_model(model, "interpolate.model"))
