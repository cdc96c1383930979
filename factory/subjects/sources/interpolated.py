"""Subjects between subjects, by a label VAE (Amirrajab et al.).

A record is plain JSON, and enough to make the subject again:
{"source": "interpolated", "id", "model", "first", "last" (records; last None within a subject),
"t", "slices", "method"}. A recipe asks for them by its key `interpolate`.
"""

import functools
import itertools
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from factory.config.section import Section, allowed, one_of, problem
from factory.config.types import Text
from factory.errors import RecipeError
from factory.families.base import StyleEnds
from factory.imaging.types import Shape
from factory.lookup import find_model
from factory.seeding import derive_seed
from factory.storage.nearest_name import nearest_name_hint
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.short_axis import HEART, SIDE
from factory.storage.subjects.types import LabelTable, Subject
from factory.subjects.source import Record, Source
from factory.text import count_text, join_names

if TYPE_CHECKING:
    from factory.families.label_vae.inference import LabelVaeCodec

Count = Annotated[int, Field(ge=1, le=10_000), allowed("a whole number, 1 or more")]
Slices = Annotated[int, Field(ge=2, le=512), allowed("a whole number of slices, 2 to 512")]
Ids = Annotated[tuple[Text, ...], Field(min_length=2), allowed("a list of two subjects or more")]


class Pairs(Section):
    """How many pairs of subjects: those whose anatomies are most alike, or any, by the seed.

    Two of one person are no pair, nor are two of different phases.
    """

    nearest: Count | None = None
    random: Count | None = None

    @model_validator(mode="after")
    def _one(self) -> "Pairs":
        if (self.nearest is None) == (self.random is None):
            raise problem("allowed: one of nearest, random")
        return self


class Interpolate(Section):
    """New anatomies by a label VAE instead of the subjects themselves (Amirrajab et al.).

    between: from each subject of the list to the next, in `steps` anatomies on the way; or as many
    `pairs`. Without either, every subject itself in `slices` slices.
    """

    model: Text
    between: Ids | None = None
    pairs: Pairs | None = None
    steps: Count = 8
    slices: Slices = 32
    method: Annotated[str, one_of(("linear", "spherical"))] = "linear"

    @model_validator(mode="after")
    def _ways(self) -> "Interpolate":
        if self.between and self.pairs:
            raise problem("both between and pairs; allowed: one of them, or neither")
        return self


class InterpolatedSource(Source):
    name: ClassVar[str] = "interpolated"
    Section: ClassVar[type[Section]] = Interpolate
    key: ClassVar[str] = "interpolate"
    model_keys: ClassVar[tuple[str, ...]] = ("model",)
    kind: ClassVar[str] = "hearts"
    is_stack: ClassVar[bool] = True

    def load(self, record: Record, spacing_mm: float | None, replicate: int = 0) -> Subject:
        """The subject of a record; it has no image. spacing_mm: in plane."""
        from factory.families.label_vae.inference import at, within

        assert spacing_mm is not None
        latents = load_codec(record["model"])
        first = _load_end(record["first"], spacing_mm)
        slices, method = record["slices"], record["method"]
        if record["last"] is None:
            return within(latents, first, slices, method)
        last = _load_end(record["last"], spacing_mm)
        return at(latents, first, last, record["t"], slices, method)

    def table(self, section: Any) -> LabelTable:
        return HEART

    def shape(self, section: Any, records: Sequence[Record], spacing_mm: float) -> Shape:
        return section.slices, SIDE, SIDE

    def style_ends(self, record: Record, spacing_mm: float) -> StyleEnds:
        """Its two ends, so that appearance passes from one to the other with the anatomy."""
        first = _load_end(record["first"], spacing_mm)
        return first, _load_end(record["last"] or record["first"], spacing_mm), record["t"]

    def has_own_style(self) -> bool:
        return True

    def lacks_images(self, section: Any) -> str:
        return "an interpolated subject"

    def describe(self, section: dict[str, Any], total: int) -> str:
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
    section: Interpolate, found: Sequence[Record], seed: int, spacing_mm: float
) -> list[Record]:
    """The interpolated subjects of a recipe. found: records of the subjects it names.

    Raises RecipeError where `between` names one that is not there or more pairs are asked for than
    there are.
    """
    common: Record = {"source": "interpolated", "model": section.model}
    common |= {"slices": section.slices, "method": section.method}
    if not section.between and not section.pairs:
        return [
            {**common, "id": f"{r['id']}-{section.slices}", "first": r, "last": None, "t": 0.0}
            for r in found
        ]
    return [
        {
            **common,
            "id": f"{a['id']}-to-{b['id']}-{k}of{section.steps}",
            "first": a,
            "last": b,
            "t": k / (section.steps + 1),
        }
        for a, b in select_pairs(section, found, seed, spacing_mm)
        for k in range(1, section.steps + 1)
    ]


def select_pairs(
    section: Interpolate, found: Sequence[Record], seed: int, spacing_mm: float
) -> list[tuple[Record, Record]]:
    """The pairs of records between which to go."""
    if section.between:
        by_id = {r["id"]: r for r in found}
        for name in section.between:
            if name not in by_id:
                hint = nearest_name_hint(name, by_id) or f"; there are {join_names(by_id)}"
                raise RecipeError(f"interpolate.between: no subject {name!r}{hint}")
        return list(itertools.pairwise(by_id[name] for name in section.between))
    assert section.pairs is not None
    every = [
        (a, b)
        for a, b in itertools.combinations(found, 2)
        if a.get("person", a["id"]) != b.get("person", b["id"]) and a.get("phase") == b.get("phase")
    ]
    wanted = section.pairs.nearest or section.pairs.random or 0
    if wanted > len(every):
        raise RecipeError(f"interpolate.pairs: {wanted} asked for; there are {len(every)}")
    if section.pairs.random:
        every.sort(key=lambda pair: derive_seed(seed, pair[0]["id"], pair[1]["id"], "pair"))
    else:
        far = code_distances(section, found, spacing_mm)
        every.sort(key=lambda pair: far[pair[0]["id"], pair[1]["id"]])
    return every[:wanted]


def code_distances(
    section: Interpolate, found: Sequence[Record], spacing_mm: float
) -> dict[tuple[str, str], float]:
    """Root mean square distance of the codes of two subjects, brought to one number of slices."""
    codes = {}
    for record in found:
        subject = _load_end(record, spacing_mm)
        codes[subject.id] = load_codec(section.model).codes(subject, section.slices, section.method)
    return {
        (a, b): float((codes[a] - codes[b]).square().mean().sqrt())
        for a, b in itertools.combinations(codes, 2)
    }


def _load_end(record: Record, spacing_mm: float) -> Subject:
    return _load_record(json.dumps(record, sort_keys=True), spacing_mm)


@functools.lru_cache(maxsize=4)
def _load_record(record_json: str, spacing_mm: float) -> Subject:
    """A subject that is interpolated; kept, since the steps of a path follow one another."""
    return load_subject(json.loads(record_json), spacing_mm)


@functools.lru_cache(maxsize=2)
def load_codec(model: str) -> "LabelVaeCodec":
    from factory.families.label_vae.inference import LabelVaeCodec

    return LabelVaeCodec(find_model(model, "interpolate.model"))
