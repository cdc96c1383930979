"""Joining and cutting shard objects by sample, without decoding their voxels.

A shard of Zarr's sharding codec consists of its bricks, one after the other, and an index: offset
and length of every brick as uint64, little endian, C order, and the crc32c of these (Zarr v3,
sharding_indexed, index at the end). The samples are in order, so a shard that has grown begins with
the same bytes as before: a reader with an older index finds every brick at its old place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import google_crc32c
import numpy as np

_MISSING = 2**64 - 1  # offset and length of a brick that is not there
_CRC_BYTES = 4


@dataclass(frozen=True)
class Part:
    """A shard object with room for `room` samples, of which the first `count` are used."""

    data: bytes
    room: int = 1
    count: int = 1


def join_parts(parts: Sequence[Part], bricks: int, room: int) -> bytes:
    """Join parts, in order, to one shard object.

    Args:
        parts: The parts.
        bricks: The number of bricks of one sample.
        room: The number of samples that the result has room for.

    Raises:
        ValueError: A part is not a valid shard object.
    """
    bodies: list[bytes] = []
    table = np.full((room, bricks, 2), _MISSING, "<u8")
    samples = offset = 0
    for piece in parts:
        index = _read_index(piece.data, bricks, piece.room)[: piece.count]
        exists = index[..., 0] != _MISSING
        bodies.append(piece.data[: int(index[exists].sum(axis=-1).max(initial=0))])
        rows = table[samples : samples + piece.count]
        rows[exists] = index[exists] + np.array([offset, 0], "<u8")
        samples, offset = samples + piece.count, offset + len(bodies[-1])
    return b"".join(bodies) + _append_checksum(table.tobytes())


def _read_index(data: bytes, bricks: int, room: int) -> np.ndarray:
    """Return the offset and the length of every brick, uint64 [sample, brick, 2]."""
    size = room * bricks * 16 + _CRC_BYTES
    table = data[-size:-_CRC_BYTES]
    if len(data) < size or _append_checksum(table) != data[-size:]:
        raise ValueError("not a shard: its index is damaged")
    return np.frombuffer(table, "<u8").reshape(room, bricks, 2)


def _append_checksum(table: bytes) -> bytes:
    checksum: int = google_crc32c.value(table)
    return table + checksum.to_bytes(_CRC_BYTES, "little")
