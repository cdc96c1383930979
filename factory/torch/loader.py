"""Ranks, epochs, and going on in the middle of an epoch."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch.distributed as dist
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

from factory.storage.dataset.volume_reader import forks_abort
from factory.storage.errors import DatasetError
from factory.torch.patches import PatchDataset


class PatchSampler(DistributedSampler[int]):
    """The items that one rank has yet to take of an epoch: every n-th, for n ranks.

    After any number of steps all ranks together have taken the first items of the epoch, whatever
    their number. A plain DataLoader with this sampler sees other patches each time it is looped
    over. It counts as a DistributedSampler, so that Lightning does not replace it.

    Attributes:
        epoch: The epoch that is taken, from 0.
        taken: Patches of the epoch that all ranks have taken.
    """

    def __init__(
        self,
        dataset: PatchDataset,
        rank: int | None = None,
        ranks: int | None = None,
        batch: int | None = None,
    ) -> None:
        """Make a sampler.

        Arguments:
            dataset: What the items are of.
            rank: Of this process; by default torch.distributed's, once it is set up.
            ranks: In all; likewise.
            batch: Give every rank the same number of whole batches of this size; by default all
                items are given, so that some ranks may get one more than others.

        Raises:
            DatasetError: Where the rank is not below the number of ranks.
        """
        # not DistributedSampler's own, which asks for the rank now, and pads an epoch
        self.dataset: PatchDataset = dataset
        self._given = rank, ranks
        self.batch = batch
        self.epoch = self.taken = 0
        self.moves_on = True
        self._place()

    def _place(self) -> tuple[int, int]:
        """This process's rank and their number, as they are now."""
        live = dist.is_available() and dist.is_initialized()
        rank, ranks = self._given
        rank = rank if rank is not None else dist.get_rank() if live else 0
        ranks = ranks if ranks is not None else dist.get_world_size() if live else 1
        if not 0 <= rank < ranks:
            raise DatasetError(f"rank {rank}; allowed: 0 to {ranks - 1}")
        return rank, ranks

    @property
    def usable(self) -> int:
        """Patches of an epoch that are given out."""
        length, (_, ranks) = len(self.dataset), self._place()
        return length - length % (self.batch * ranks) if self.batch else length

    def left(self) -> range:
        """The items of this rank that are left of the epoch."""
        first, (rank, ranks) = self.epoch * len(self.dataset), self._place()
        return range(first + self.taken + rank, first + self.usable, ranks)

    def __iter__(self) -> Iterator[int]:
        items = self.left()
        if self.moves_on:  # for a plain DataLoader, each loop is an epoch
            self.next_epoch()
        return iter(items)

    def __len__(self) -> int:
        """Items of this rank in a whole epoch."""
        rank, ranks = self._place()
        return len(range(rank, self.usable, ranks))

    def advance(self, patches: int) -> None:
        """Note that this rank, and so each, has taken so many patches."""
        _, ranks = self._place()
        self.taken = min(self.taken + patches * ranks, self.usable)

    def next_epoch(self) -> None:
        """Begin the next epoch."""
        self.epoch, self.taken = self.epoch + 1, 0

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch; the one that is being taken goes on where it is."""
        if epoch != self.epoch:
            self.epoch, self.taken = epoch, 0

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
    """A DataLoader that knows what it has handed over.

    Looping over it gives the rest of an epoch; the epoch ends once its last batch is handed over,
    and looping again gives the next one. A loop that was left goes on where it was. Ranks are
    shared out here: Lightning and accelerate leave its sampler as it is.
    """

    _is_accelerate_prepared = True  # or accelerate would share out what is shared out already

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
        """Make a loader.

        Arguments:
            dataset: What batches are of.
            batch_size: Patches a batch.
            rank: Of this process; by default torch.distributed's, once it is set up.
            ranks: In all; likewise.
            drop_last: Give every rank the same number of whole batches.
            options: DataLoader's: num_workers, pin_memory, persistent_workers, collate_fn, ...

        Raises:
            DatasetError: For a batch size or an option that would change which patches are taken.
        """
        if not isinstance(batch_size, int) or batch_size < 1:
            raise DatasetError(f"batch_size {batch_size}; allowed: a whole number, 1 or more")
        for name in ("sampler", "batch_sampler", "shuffle"):
            if options.get(name) is not None:
                raise DatasetError(
                    f"{name}: a PatchLoader has an order of its own, by its dataset's seed; "
                    "allowed: none"
                )
        patches = PatchSampler(dataset, rank, ranks, batch_size if drop_last else None)
        patches.moves_on = False  # but here, by what is handed over: workers fetch ahead
        if options.get("num_workers") and forks_abort():
            options.setdefault("multiprocessing_context", "spawn")
        super().__init__(dataset, batch_size, sampler=patches, **options)
        self.patches = patches

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        assert self.batch_size is not None
        left = len(self.patches.left())
        if not left:
            self.patches.next_epoch()  # this rank has none of it
            return
        for batch in super().__iter__():
            # before the training has it: it may stop there
            self.patches.advance(self.batch_size)
            left -= self.batch_size
            if left <= 0:
                self.patches.next_epoch()
            yield batch

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch; the one that is being taken goes on where it is."""
        self.patches.set_epoch(epoch)

    def state_dict(self) -> dict[str, int]:
        """Where the training stands, as plain numbers; the same on every rank."""
        return self.patches.state_dict()

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on from there; see PatchSampler.load_state_dict."""
        self.patches.load_state_dict(state)
