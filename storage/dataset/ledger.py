"""The small JSON documents that say what stands: one entry a shard, one seal a finished dataset.

An entry is put after its shard's objects, the seal after everything. Each is canonical JSON with
its own sha256, so that a damaged one is told from a whole one; neither holds times or hosts, so a
task run twice writes the same bytes. An entry of four samples:

    {"shard", "start", "cases_sha256", "environment", "sha256",
     "samples": [{"case", "columns", "affine", ...}, ...],
     "objects": {"image/c/0/0/0/0": {"bytes", "sha256"}, ...}}
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

LEDGER = "ledger"


class HasJson(Protocol):
    def to_json(self) -> str: ...


class ShardLike(Protocol):
    """A shard as the plan has it: its index, its first sample, its cases in sample order."""

    @property
    def index(self) -> int: ...
    @property
    def cases(self) -> Sequence[HasJson]: ...


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def canonical_json(document: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys and no spaces. Raises ValueError on NaN."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode()


def sign(document: Mapping[str, Any]) -> bytes:
    """Canonical JSON with the sha256 of the rest added."""
    return canonical_json({**document, "sha256": sha256(canonical_json(document))})


def parse_signed(data: bytes | None) -> dict[str, Any] | None:
    """The document, or None where it is missing, cut short or altered."""
    if data is None:
        return None
    try:
        document = json.loads(data)
        claimed = document.pop("sha256")
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
    # byte for byte: JSON has several ways to write one number
    return document if isinstance(claimed, str) and sign(document) == data else None


def cases_digest(cases: Sequence[str]) -> str:
    """sha256 of the canonical JSON of a shard's cases, in order."""
    return sha256("\n".join(cases).encode())


def entry_name(shard: int, digest: str, vacant: bool) -> str:
    """An entry's name says which shard of which cases stands, and whether a case of it failed and
    left its place vacant, so that a listing tells it."""
    return f"{shard:08d}-{digest[:16]}{'-vacant' if vacant else ''}.json"
