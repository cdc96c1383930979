"""Every item of an epoch once, whatever the ranks and workers, stopped and resumed anywhere."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch.distributed as dist
import torch.multiprocessing as mp
from hypothesis import given, settings
from hypothesis import strategies as st
from support.places import environment
from support.stored_datasets import layout, write
from torch.utils.data import DataLoader

from factory.storage.dataset.object_store import ObjectStore
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


@pytest.mark.parametrize("drop_last", [False, True])
@given(length=many, batch=few, ranks=few)
def test_an_epoch_ends_with_its_last_batch(length, batch, ranks, drop_last):
    """Whoever counts batches asks for no more than there are, epoch after epoch."""
    for rank in range(ranks):
        how = {"rank": rank, "ranks": ranks, "drop_last": drop_last}
        whole, counted = (PatchLoader(Numbers(length), batch, **how) for _ in range(2))
        sliced = PatchLoader(Numbers(length), batch, **how)
        for _ in range(3):
            expected = [b.tolist() for b in whole]
            assert len(expected) == len(counted)
            assert [b.tolist() for _, b in zip(range(len(counted)), counted, strict=False)] == (
                expected
            )
            assert [b.tolist() for b in itertools.islice(sliced, len(sliced))] == expected
            if expected:  # of nothing, a loop by numbers asks for nothing
                assert counted.state_dict() == sliced.state_dict() == whole.state_dict()


def test_an_epoch_can_be_set_and_the_one_that_is_taken_goes_on():
    loader = PatchLoader(Numbers(6), 2)
    loader.set_epoch(3)
    assert next(iter(loader)).tolist() == [18, 19]
    loader.set_epoch(3)
    assert [b.tolist() for b in loader] == [[20, 21], [22, 23]]
    assert next(iter(loader)).tolist() == [24, 25]
    loader.set_epoch(1)
    assert next(iter(loader)).tolist() == [6, 7]


def test_a_plain_loader_with_our_sampler_sees_other_patches_each_epoch():
    loader = DataLoader(Numbers(5), 2, sampler=PatchSampler(Numbers(5)))
    for epoch in range(3):
        items = [i for batch in loader for i in batch.tolist()]
        assert items == list(range(5 * epoch, 5 * epoch + 5))


def build_then_join(rank: int, folder: str) -> None:
    """As a training does that is handed its loader: the group is set up later."""
    loader, plain = PatchLoader(Numbers(7), 2), PatchSampler(Numbers(7))
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    items = [i for batch in loader for i in batch.tolist()]
    (Path(folder) / f"{rank}.json").write_text(json.dumps([items, list(plain)]))
    dist.destroy_process_group()


def test_the_rank_is_read_when_a_loop_begins(tmp_path):
    mp.spawn(build_then_join, (str(tmp_path),), nprocs=2)
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert found == [[[0, 2, 4, 6]] * 2, [[1, 3, 5]] * 2]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"batch_size": None}, "batch_size None; allowed: a whole number"),
        ({"batch_size": 0}, "batch_size 0"),
        ({"shuffle": True}, "shuffle: the seed of its dataset gives the order"),
        ({"sampler": [1, 2]}, "sampler: the seed of its dataset gives the order"),
        ({"rank": 2, "ranks": 2}, "rank 2; allowed: 0 to 1"),
    ],
)
def test_options_that_would_change_the_patches_are_refused(how, message):
    with pytest.raises(DatasetError, match=message):
        PatchLoader(Numbers(4), **how)


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


def test_workers_deliver_the_same_batches_and_only_delivered_ones_count():
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
        env=environment(),
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
            ObjectStore(url).put(str(file.relative_to(here)), file.read_bytes())
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
def test_a_resumed_training_sees_the_same_patches(path, stop):
    whole = [b["image"] for b in PatchLoader(PatchDataset(path, 8, seed=5), 1)]
    first = PatchLoader(PatchDataset(path, 8, seed=5), 1)
    seen = [b["image"] for _, b in zip(range(stop), first, strict=False)]
    second = PatchLoader(PatchDataset(path, 8, seed=5), 1)
    second.load_state_dict(first.state_dict())
    seen += [b["image"] for b in second]
    assert all((a == b).all() for a, b in zip(whole, seen, strict=True))


RANDOM = """
import random
import numpy as np
import torch
from factory.torch import PatchDataset, PatchLoader

class Noise:
    "Draws from every generator that a library may draw from."
    def __init__(self):
        self.R = np.random.RandomState(0)  # as MONAI's transforms have
    def set_random_state(self, seed):
        self.R = np.random.RandomState(seed)
    def __call__(self, item):
        draws = random.random(), np.random.rand(), float(torch.rand(1)), self.R.rand()
        return {{"item": item["sample"], "draws": torch.tensor(draws)}}

def epochs(loader):
    return [[tuple(d) for b in loader for d in b["draws"].tolist()] for _ in range(2)]

def patches():
    return PatchDataset({path!r}, 16, seed=3, length=6, arrays=["label"], transform=Noise())

if __name__ == "__main__":
    how = dict(num_workers=2, multiprocessing_context={context!r})
    random.seed(1)
    forked = [epochs(PatchLoader(patches(), 2, persistent_workers=p, **how)) for p in {persist}]
    alone = epochs(PatchLoader(patches(), 2))
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    patches()[0]
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert before == after, "the generators of the training were moved"
    assert all(one == alone for one in forked), (forked, alone)
    every = [d for epoch in alone for draws in epoch for d in draws]
    assert len(set(every)) == len(every) == 48, "two items drew the same"
    print("equal")
"""


@pytest.mark.parametrize(("context", "persist"), [("fork", [True, False]), ("spawn", [True])])
def test_a_transform_draws_what_is_its_items_in_any_worker_and_epoch(
    path, tmp_path, context, persist
):
    run(tmp_path, RANDOM.format(path=path, context=context, persist=persist))


def test_a_plain_loader_can_be_told_the_epoch(path, tmp_path):
    code = f"""
import torch
from torch.utils.data import DataLoader
from factory.torch import PatchDataset, PatchLoader

def places(batches):
    return [batch["image"].sum(dtype=torch.float64).item() for batch in batches]

if __name__ == "__main__":
    patches = PatchDataset({path!r}, 16, seed=3, length=8)
    plain = DataLoader(patches, 2, num_workers=2, persistent_workers=True)
    ours = PatchLoader(PatchDataset({path!r}, 16, seed=3, length=8), 2)
    seen = []
    for epoch in range(3):
        patches.set_epoch(epoch)
        seen.append(places(plain))
        assert seen[-1] == places(ours)
    assert seen[0] != seen[1] != seen[2]
    print("equal")
"""
    run(tmp_path, code)
