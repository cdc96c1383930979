"""Ranks, and going on in the middle of an epoch."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch.distributed as dist
from torch.utils.data import DataLoader, Sampler

from factory.storage.dataset.volume_reader import forks_abort
from factory.storage.errors import DatasetError
from factory.torch.patches import PatchDataset


class PatchSampler(Sampler[int]):
    """The items that one rank has yet to take of an epoch: every so many-th, so that after any
    number of steps all ranks together have taken the first so many, whatever their number.

    rank, ranks: of this process and in all; without them, torch.distributed's where it is set up.
    taken: patches of the epoch that all ranks have taken. usable: patches of an epoch that are
    given out; without it all, so that some ranks may get one more than others.
    """

    def __init__(
        self,
        dataset: PatchDataset,
        rank: int | None = None,
        ranks: int | None = None,
        usable: int | None = None,
    ) -> None:
        live = dist.is_available() and dist.is_initialized()
        self.dataset = dataset
        self.rank = rank if rank is not None else dist.get_rank() if live else 0
        self.ranks = ranks if ranks is not None else dist.get_world_size() if live else 1
        self.usable = len(dataset) if usable is None else usable
        self.epoch = self.taken = 0
        if not 0 <= self.rank < self.ranks:
            raise DatasetError(f"rank {self.rank}; allowed: 0 to {self.ranks - 1}")

    def __iter__(self) -> Iterator[int]:
        first = self.epoch * len(self.dataset)
        return iter(range(first + self.taken + self.rank, first + self.usable, self.ranks))

    def __len__(self) -> int:
        """Items of this rank in a whole epoch."""
        return len(range(self.rank, self.usable, self.ranks))

    def advance(self, patches: int) -> None:
        """So many patches were taken by this rank, and so by each."""
        self.taken = min(self.taken + patches * self.ranks, self.usable)

    def next_epoch(self) -> None:
        self.epoch, self.taken = self.epoch + 1, 0

    def state_dict(self) -> dict[str, int]:
        """Where the training stands; the same on every rank."""
        of = self.dataset
        return {"epoch": self.epoch, "taken": self.taken, "length": len(of), "seed": of.seed}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on from there, with as many ranks and workers as there now are.

        Raises DatasetError where the state is of patches of another seed or number.
        """
        for key, here in (("length", len(self.dataset)), ("seed", self.dataset.seed)):
            if state[key] != here:
                raise DatasetError(f"the state is of {key} {state[key]}, these patches have {here}")
        self.epoch, self.taken = state["epoch"], state["taken"]


class PatchLoader(DataLoader[Any]):
    """A DataLoader that knows what it has handed over: looping over it is the rest of an epoch,
    looping again the next epoch; a loop that was left goes on where it was.

    rank, ranks: as for PatchSampler. drop_last: every rank gets the same number of whole batches.
    options: DataLoader's: num_workers, pin_memory, persistent_workers, collate_fn, ...
    """

    def __init__(
        self,
        dataset: PatchDataset,
        batch_size: int = 1,
        *,
        rank: int | None = None,
        ranks: int | None = None,
        drop_last: bool = False,
        **options: Any,
    ) -> None:
        patches = PatchSampler(dataset, rank, ranks)
        if drop_last:
            patches.usable -= patches.usable % (batch_size * patches.ranks)
        if options.get("num_workers") and forks_abort():
            options.setdefault("multiprocessing_context", "spawn")
        super().__init__(dataset, batch_size, sampler=patches, **options)
        self.patches = patches

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        for batch in super().__iter__():
            assert self.batch_size is not None
            self.patches.advance(self.batch_size)  # before the training has it: it may stop there
            yield batch
        self.patches.next_epoch()

    def state_dict(self) -> dict[str, int]:
        """Where the training stands, as plain numbers; the same on every rank."""
        return self.patches.state_dict()

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on from there; see PatchSampler.load_state_dict."""
        self.patches.load_state_dict(state)
