"""Every item of an epoch once, whatever the ranks and workers, stopped and resumed anywhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stored_datasets import layout, write

from factory.storage.dataset.object_store import Folder
from factory.storage.errors import DatasetError
from factory.torch import PatchDataset, PatchLoader, PatchSampler


class Numbers:
    """As PatchDataset as far as loaders see it; items are their own numbers."""

    def __init__(self, length: int) -> None:
        self.length, self.seed = length, 1

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, item: int) -> int:
        return item


many = st.integers(1, 60)
few = st.integers(1, 7)


@given(many, few, few, few)
def test_all_ranks_together_take_each_item_once_and_a_stop_changes_nothing(
    length, batch, ranks, later
):
    """Some steps by so many ranks, the rest of the epoch by another number, then the next."""
    dataset = Numbers(length)
    loaders = [PatchLoader(dataset, batch, rank=r, ranks=ranks) for r in range(ranks)]
    steps = min(len(loader) for loader in loaders) // 2
    taken = [i for loader in loaders for _, b in zip(range(steps), loader, strict=False) for i in b]
    states = [loader.state_dict() for loader in loaders]
    assert all(state == states[0] for state in states)
    assert sorted(map(int, taken)) == list(range(min(steps * batch * ranks, length)))

    resumed = [PatchLoader(dataset, batch, rank=r, ranks=later) for r in range(later)]
    for loader in resumed:
        loader.load_state_dict(json.loads(json.dumps(states[0])))
        taken += [i for b in loader for i in b]
    assert sorted(map(int, taken)) == list(range(length))
    following = [int(i) for loader in resumed for b in loader for i in b]
    assert sorted(following) == list(range(length, 2 * length))


@given(many, few, few)
def test_whole_batches_only_are_as_many_on_every_rank(length, batch, ranks):
    loaders = [
        PatchLoader(Numbers(length), batch, rank=r, ranks=ranks, drop_last=True)
        for r in range(ranks)
    ]
    found = [[b.tolist() for b in loader] for loader in loaders]
    assert {len(batches) for batches in found} == {length // (batch * ranks)}
    assert all(len(b) == batch for batches in found for b in batches)
    assert sorted(i for bs in found for b in bs for i in b) == list(
        range(length - length % (batch * ranks))
    )


def test_workers_hand_over_the_same_batches_and_only_those_count():
    """Spawned: this process may have read through tensorstore, which forbids forking."""
    how = {"num_workers": 2, "multiprocessing_context": "spawn"}
    loader = PatchLoader(Numbers(11), 2, rank=1, ranks=2, persistent_workers=True, **how)
    assert [b.tolist() for b in loader] == [[1, 3], [5, 7], [9]]
    begun = iter(loader)
    assert next(begun).tolist() == [12, 14]
    # workers have fetched further ahead; what counts is what was handed over
    assert loader.state_dict()["taken"] == 4
    del begun
    assert [b.tolist() for b in loader] == [[16, 18], [20]]


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("loader") / "d"
    write(folder, layout(5, 2))
    return str(folder)


def run(folder: Path, code: str) -> None:
    """Run a script in a process of its own, where nothing has read through tensorstore yet."""
    script = folder / "script.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert done.stdout == "equal\n", done.stderr


def test_forked_and_spawned_workers_give_what_the_main_process_gives(path, tmp_path):
    """The main process reads first and starts workers then."""
    run(
        tmp_path,
        f"""
import torch
from factory.torch import PatchDataset, PatchLoader
if __name__ == "__main__":
    patches = PatchDataset({path!r}, 16, seed=3, columns=("grade", "subject"))
    here = list(PatchLoader(patches, 2))
    for start, workers in (("fork", 1), ("fork", 3), ("spawn", 2)):
        how = dict(num_workers=workers, multiprocessing_context=start)
        there = list(PatchLoader(patches, 2, **how))
        assert len(here) == len(there) == 3
        for a, b in zip(here, there):
            assert torch.equal(a["image"], b["image"]) and torch.equal(a["label"], b["label"])
            assert a["subject"] == b["subject"] and torch.equal(a["grade"], b["grade"])
    print("equal")
""",
    )


def test_from_a_bucket_by_forked_workers(s3, path, tmp_path):
    """The main process has talked to the bucket before it forks."""
    url, here = f"{s3}/d.zarr", Path(path)
    for file in here.rglob("*"):
        if file.is_file():
            Folder(url).put(str(file.relative_to(here)), file.read_bytes())
    run(
        tmp_path,
        f"""
import torch
from factory.torch import PatchDataset, PatchLoader
known = next(iter(PatchLoader(PatchDataset({path!r}, 16, seed=3), 5)))
for cache in (None, {str(tmp_path / "cache")!r}):
    patches = PatchDataset({url!r}, 16, seed=3, cache=cache)
    assert torch.equal(patches[0]["image"], known["image"][0])
    how = dict(num_workers=1, multiprocessing_context="fork")
    found = next(iter(PatchLoader(patches, 5, **how)))
    assert torch.equal(found["image"], known["image"])
    assert torch.equal(found["label"], known["label"])
print("equal")
""",
    )


def test_a_state_of_other_patches_and_a_rank_beyond_are_refused(path):
    loader = PatchLoader(PatchDataset(path, 8, seed=1))
    state = PatchLoader(PatchDataset(path, 8, seed=2)).state_dict()
    with pytest.raises(DatasetError, match="the state is of seed 2, these patches have 1"):
        loader.load_state_dict(state)
    with pytest.raises(DatasetError, match="rank 2; allowed: 0 to 1"):
        PatchSampler(loader.dataset, 2, 2)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 4))
def test_a_resumed_training_sees_the_very_patches(path, stop):
    whole = [b["image"] for b in PatchLoader(PatchDataset(path, 8, seed=5), 1)]
    first = PatchLoader(PatchDataset(path, 8, seed=5), 1)
    seen = [b["image"] for _, b in zip(range(stop), first, strict=False)]
    second = PatchLoader(PatchDataset(path, 8, seed=5), 1)
    second.load_state_dict(first.state_dict())
    seen += [b["image"] for b in second]
    assert all((a == b).all() for a, b in zip(whole, seen, strict=True))
