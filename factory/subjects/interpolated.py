"""Interpolated subjects: which there are, and what becomes of each. Loads torch.

A record is plain JSON, and enough to make the subject again:
{"source": "interpolated", "id", "model", "first", "last" (records; last None within a subject),
"t", "slices", "method"}.
"""

import functools
import itertools
import json
from collections.abc import Sequence
from typing import Any

import torch

from factory.errors import RecipeError
from factory.families.label_vae.inference import Latents, at, within
from factory.families.spade.slice_painter import SlicePainter
from factory.lookup import find_model
from factory.seeding import seed_of
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.types import Subject
from factory.subjects.interpolation_section import Interpolate
from factory.text import listed, nearest

Record = dict[str, Any]


def records(part: Interpolate, found: Sequence[Record], seed: int, mm: float) -> list[Record]:
    """The interpolated subjects of a recipe. found: records of the subjects it names.

    Raises RecipeError where `between` names one that is not there or more pairs are asked for than
    there are.
    """
    return list(_records(part, json.dumps(found, sort_keys=True), seed, mm))


@functools.lru_cache(maxsize=8)
def _records(part: Interpolate, found_json: str, seed: int, mm: float) -> tuple[Record, ...]:
    found = json.loads(found_json)
    common: Record = {"source": "interpolated", "model": part.model}
    common |= {"slices": part.slices, "method": part.method}
    if not part.between and not part.pairs:
        return tuple(
            {**common, "id": f"{r['id']}-{part.slices}", "first": r, "last": None, "t": 0.0}
            for r in found
        )
    return tuple(
        {
            **common,
            "id": f"{a['id']}-to-{b['id']}-{k}of{part.steps}",
            "first": a,
            "last": b,
            "t": k / (part.steps + 1),
        }
        for a, b in pairs(part, found, seed, mm)
        for k in range(1, part.steps + 1)
    )


def pairs(
    part: Interpolate, found: Sequence[Record], seed: int, mm: float
) -> list[tuple[Record, Record]]:
    """The pairs of records between which to go."""
    if part.between:
        by_id = {r["id"]: r for r in found}
        for name in part.between:
            if name not in by_id:
                hint = nearest(name, by_id) or f"; there are {listed(by_id)}"
                raise RecipeError(f"interpolate.between: no subject {name!r}{hint}")
        return list(itertools.pairwise(by_id[name] for name in part.between))
    assert part.pairs is not None
    every = [
        (a, b)
        for a, b in itertools.combinations(found, 2)
        if a.get("person", a["id"]) != b.get("person", b["id"]) and a.get("phase") == b.get("phase")
    ]
    wanted = part.pairs.nearest or part.pairs.random or 0
    if wanted > len(every):
        raise RecipeError(f"interpolate.pairs: {wanted} asked for; there are {len(every)}")
    if part.pairs.random:
        every.sort(key=lambda pair: seed_of(seed, pair[0]["id"], pair[1]["id"], "pair"))
    else:
        far = distances(part, [json.dumps(r, sort_keys=True) for r in found], mm)
        every.sort(key=lambda pair: far[pair[0]["id"], pair[1]["id"]])
    return every[:wanted]


def distances(part: Interpolate, found: list[str], mm: float) -> dict[tuple[str, str], float]:
    """Root mean square distance of the codes of two subjects, brought to one number of slices."""
    codes = {}
    for text in found:
        subject = end(text, mm)
        codes[subject.id] = latents_of(part.model).codes(subject, part.slices, part.method)
    return {
        (a, b): float((codes[a] - codes[b]).square().mean().sqrt())
        for a, b in itertools.combinations(codes, 2)
    }


def make(record: Record, mm: float) -> Subject:
    """The subject of a record, at mm in plane; it has no image."""
    latents = latents_of(record["model"])
    first = end(json.dumps(record["first"], sort_keys=True), mm)
    slices, method = record["slices"], record["method"]
    if record["last"] is None:
        return within(latents, first, slices, method)
    last = end(json.dumps(record["last"], sort_keys=True), mm)
    return at(latents, first, last, record["t"], slices, method)


def style(painter: SlicePainter, record: Record, mm: float) -> torch.Tensor:
    """The style code (Z,) of a record: of the image of its first subject, on the way to that of
    its last, so that appearance passes from one to the other with the anatomy."""
    codes = []
    for side in (record["first"], record["last"] or record["first"]):
        subject = end(json.dumps(side, sort_keys=True), mm)
        if subject.image is None:
            raise RecipeError(f"interpolate: {subject.id} has no image to take a style from")
        codes.append(painter.style_of(subject.image, subject.label))
    return codes[0] + record["t"] * (codes[1] - codes[0])


@functools.lru_cache(maxsize=4)
def end(record: str, mm: float) -> Subject:
    """A subject that is interpolated; kept, since the steps of a path follow one another."""
    return load_subject(json.loads(record), mm)


@functools.lru_cache(maxsize=2)
def latents_of(model: str) -> Latents:
    return Latents(find_model(model, "interpolate.model"), torch.device("cpu"))
