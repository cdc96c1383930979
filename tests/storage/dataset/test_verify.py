"""The check of a dataset finds every flipped byte and every missing object."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stored_datasets import RECORD, files, layout, sample, write

from factory.storage.dataset.open import create_dataset, open_dataset
from factory.storage.dataset.verify import Damage, Findings, verify_objects

SAMPLES, PER_SHARD = 3, 2


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("verify") / "d"
    write(path, layout(SAMPLES, PER_SHARD, ("uncertainty",)), ("uncertainty",))
    return path


def check(path: Path) -> Findings:
    dataset = open_dataset(str(path))
    return verify_objects(dataset.folder, dataset.record)


def shard_of(key: str) -> int | None:
    if key.startswith("ledger/"):
        return int(key[7:15])
    parts = key.split("/")
    volume = parts[0] in ("image", "label", "uncertainty") and parts[1] == "c"
    return int(parts[2]) if volume else None


def test_all_objects_of_a_sound_dataset_are_read_without_damage(sealed):
    findings = check(sealed)
    assert findings.damage == []
    assert findings.samples == SAMPLES
    assert findings.objects == len(files(sealed))
    assert findings.bytes == sum(map(len, files(sealed).values()))


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_flipped_byte_is_found(sealed, data):
    """Of any object, any byte, any bits of it."""
    key = data.draw(st.sampled_from(sorted(files(sealed))))
    file = sealed / key
    original_bytes = file.read_bytes()
    place = data.draw(st.integers(0, len(original_bytes) - 1))
    bits = data.draw(st.integers(1, 255))
    try:
        file.write_bytes(
            original_bytes[:place]
            + bytes([original_bytes[place] ^ bits])
            + original_bytes[place + 1 :]
        )
        assert check(sealed).damage == [Damage(key, "damaged", shard_of(key))]
    finally:
        file.write_bytes(original_bytes)


def test_every_byte_of_the_seal_counts(sealed):
    """JSON has more than one way to write a number or a letter."""
    file = sealed / "seal/0001.json"
    original_bytes = file.read_bytes()
    rng = np.random.Generator(np.random.Philox(3))
    exponents = [i for i, byte in enumerate(original_bytes) if byte in b"eE\\u"]
    try:
        for place in rng.choice(exponents, 40):
            file.write_bytes(
                original_bytes[:place]
                + bytes([original_bytes[place] ^ 32])
                + original_bytes[place + 1 :]
            )
            assert [findings.key for findings in check(sealed).damage] == ["seal/0001.json"]
    finally:
        file.write_bytes(original_bytes)


@pytest.mark.parametrize("damage_kind", ["cut", "gone"])
def test_every_object_that_is_cut_short_or_missing_is_found(sealed, damage_kind):
    for key, original_bytes in files(sealed).items():
        file = sealed / key
        try:
            file.write_bytes(original_bytes[:-1]) if damage_kind == "cut" else file.unlink()
            what = "damaged" if damage_kind == "cut" else "missing"
            assert check(sealed).damage == [Damage(key, what, shard_of(key))]
        finally:
            file.write_bytes(original_bytes)


def test_shards_that_were_never_rendered_are_missing(tmp_path):
    dataset = create_dataset(str(tmp_path / "d"), layout(3), RECORD, "")
    dataset.write_shard(1, 1, [sample(1)])
    findings = check(tmp_path / "d")
    assert findings.shards == {0, 2}
    assert [str(d) for d in findings.damage] == [
        "seal/0001.json missing",
        "shard 0: ledger/00000000 missing",
        "shard 2: ledger/00000002 missing",
    ]


def test_record_and_seal_restore_each_other(sealed):
    record = (sealed / "record.json").read_bytes()
    expected = open_dataset(str(sealed)).record
    try:
        (sealed / "record.json").write_bytes(b"{" + record)
        assert open_dataset(str(sealed)).record == expected
    finally:
        (sealed / "record.json").write_bytes(record)
