"""Shard objects put together from samples, and cut back again, without decoding a voxel.

A shard of Zarr's sharding codec is its bricks one after the other, then an index: offset and
length of every brick, uint64 little endian, C order, and its crc32c (Zarr v3, sharding_indexed,
index at the end). Samples are put in order, so that a shard that grows begins with the very bytes
it had: whoever reads by an older index still finds every brick where it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import google_crc32c
import numpy as np

_MISSING = 2**64 - 1  # offset and length of a brick that is not there
_CRC_BYTES = 4


@dataclass(frozen=True)
class Part:
    """A shard object with room for `room` samples, of which the first `count` are taken."""

    data: bytes
    room: int = 1
    count: int = 1


def join_parts(parts: Sequence[Part], bricks: int, room: int) -> bytes:
    """One object with room for so many samples, out of parts in order. bricks: of a sample.

    Raises ValueError where a part is no such shard.
    """
    bodies: list[bytes] = []
    table = np.full((room, bricks, 2), _MISSING, "<u8")
    samples = offset = 0
    for part in parts:
        index = _read_index(part.data, bricks, part.room)[: part.count]
        there = index[..., 0] != _MISSING
        bodies.append(part.data[: int(index[there].sum(axis=-1).max(initial=0))])
        rows = table[samples : samples + part.count]
        rows[there] = index[there] + np.array([offset, 0], "<u8")
        samples, offset = samples + part.count, offset + len(bodies[-1])
    return b"".join(bodies) + _append_checksum(table.tobytes())


def _read_index(data: bytes, bricks: int, room: int) -> np.ndarray:
    """Offset and length [sample, brick, 2] of every brick."""
    size = room * bricks * 16 + _CRC_BYTES
    table = data[-size:-_CRC_BYTES]
    if len(data) < size or _append_checksum(table) != data[-size:]:
        raise ValueError("no shard: its index is damaged")
    return np.frombuffer(table, "<u8").reshape(room, bricks, 2)


def _append_checksum(table: bytes) -> bytes:
    return table + google_crc32c.value(table).to_bytes(_CRC_BYTES, "little")
