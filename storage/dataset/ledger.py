"""The ledger: small signed JSON documents that state which shards are complete.

An entry is put after the objects of its shard, and the seal after everything else. Each is
canonical JSON with its own sha256, so that damage is noticed. None holds a time or a host name, so
a task that runs twice writes the same bytes. An entry of four samples:

    {"shard", "start", "cases_sha256", "environment", "sha256",
     "samples": [{"case", "columns", "affine", ...}, ...],
     "objects": {"image/c/0/0/0/0": {"bytes", "sha256"}, ...}}
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Protocol

from factory.storage.json_value import JsonObject

LEDGER = "ledger"
"""The subfolder of the entries."""


class HasJson(Protocol):
    """A case, as far as the ledger needs it."""

    def to_json(self) -> str:
        """Return the case as canonical JSON."""


class ShardLike(Protocol):
    """A shard of the plan, as far as the ledger needs it."""

    @property
    def index(self) -> int:
        """The index of the shard."""

    @property
    def cases(self) -> Sequence[HasJson]:
        """The cases of the shard, in the order of the samples."""


def sha256(data: bytes) -> str:
    """Return the sha256 of some bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def canonical_json(document: Mapping[str, object]) -> bytes:
    """Return JSON with sorted keys and no spaces.

    Raises:
        ValueError: The document holds NaN or infinity.
    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode()


def sign(document: Mapping[str, object]) -> bytes:
    """Return the document as canonical JSON, with the sha256 of that added to it."""
    return canonical_json({**document, "sha256": sha256(canonical_json(document))})


def parse_signed(data: bytes | None) -> JsonObject | None:
    """Return a signed document, or None if it is missing, cut short or altered."""
    if data is None:
        return None
    try:
        document: JsonObject = json.loads(data)
        digest = document.pop("sha256")
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
    # Compare all bytes, since JSON can write one number in several ways.
    return document if isinstance(digest, str) and sign(document) == data else None


def cases_digest(cases: Sequence[str]) -> str:
    """Return the sha256 that identifies a shard's cases, given as canonical JSON in order."""
    return sha256("\n".join(cases).encode())


def entry_name(shard: int, digest: str, vacant: bool) -> str:
    """Return the name of a ledger entry, from which a listing shows what is complete.

    Args:
        shard: The index of the shard.
        digest: The `cases_digest` of its cases.
        vacant: Whether a case of it failed, so that the place of its sample is vacant.
    """
    return f"{shard:08d}-{digest[:16]}{'-vacant' if vacant else ''}.json"
