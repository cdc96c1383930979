"""The source `interpolated`: subjects between subjects, by a label VAE (Amirrajab et al.).

Its section is the recipe's key `interpolate`.
"""

import functools
import itertools
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypedDict, cast

from pydantic import Field, model_validator

from factory.config.section import Section, allowed, one_of, problem
from factory.config.types import Text
from factory.errors import RecipeError
from factory.families.base import StyleEnds
from factory.imaging.types import Shape
from factory.lookup import find_model
from factory.seeding import derive_seed
from factory.storage.json_value import JsonObject
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.records import Record
from factory.storage.subjects.short_axis import HEART, SIDE
from factory.storage.subjects.types import LabelTable, Subject
from factory.subjects.source import Source
from factory.text import count_text, join_names

if TYPE_CHECKING:
    from factory.families.label_vae.inference import LabelVaeCodec

Count = Annotated[int, Field(ge=1, le=10_000), allowed("a whole number, 1 or more")]
Slices = Annotated[int, Field(ge=2, le=512), allowed("a whole number of slices, 2 to 512")]
Ids = Annotated[tuple[Text, ...], Field(min_length=2), allowed("a list of two subjects or more")]


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
    """New anatomies by a label VAE instead of the subjects themselves (Amirrajab et al.).

    `between` goes from each subject of the list to the next, with `steps` anatomies on the way;
    `pairs` does so for a number of pairs. Without either, every subject is made anew in `slices`
    slices.
    """

    model: Text
    between: Ids | None = None
    pairs: Pairs | None = None
    steps: Count = 8
    slices: Slices = 32
    method: Annotated[str, one_of(("linear", "spherical"))] = "linear"

    @model_validator(mode="after")
    def _check_choice(self) -> "Interpolate":
        if self.between and self.pairs:
            raise problem("both between and pairs; allowed: one of them, or neither")
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
    """Hearts interpolated between others by a label VAE."""

    name: ClassVar[str] = "interpolated"
    Section: ClassVar[type[Section]] = Interpolate
    key: ClassVar[str] = "interpolate"
    model_keys: ClassVar[tuple[str, ...]] = ("model",)
    kind: ClassVar[str] = "hearts"
    is_stack: ClassVar[bool] = True

    def load(self, record: Record, spacing_mm: float | None, replicate: int = 0) -> Subject:
        """Make the subject of a record, without an image; spacing_mm is that in plane."""
        from factory.families.label_vae.inference import interpolate_at, interpolate_within

        assert spacing_mm is not None
        heart = cast(InterpolatedRecord, record)
        codec = load_codec(heart["model"])
        first = _load_end(heart["first"], spacing_mm)
        slices, method = heart["slices"], heart["method"]
        if heart["last"] is None:
            return interpolate_within(codec, first, slices, method)
        last = _load_end(heart["last"], spacing_mm)
        return interpolate_at(codec, first, last, heart["t"], slices, method)

    def table(self, section: Interpolate) -> LabelTable:
        """Return HEART."""
        return HEART

    def shape(self, section: Interpolate, records: Sequence[Record], spacing_mm: float) -> Shape:
        """Return the section's number of slices, each a square around the heart."""
        return section.slices, SIDE, SIDE

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
        return (
            f"{count_text(total, 'new heart')} of {section['slices']} slices by "
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
            "model": section.model,
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
        subject = _load_end(end, spacing_mm)
        codes[subject.id] = load_codec(section.model).codes(subject, section.slices, section.method)
    return {
        (a, b): float((codes[a] - codes[b]).square().mean().sqrt())
        for a, b in itertools.combinations(codes, 2)
    }


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
