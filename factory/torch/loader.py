"""Share patches among ranks, count epochs, and resume in the middle of an epoch."""

from collections.abc import Iterator, Mapping
from typing import Any  # batches, and options of DataLoader

import torch.distributed as dist
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

from factory.storage.dataset.volume_reader import forks_abort
from factory.storage.errors import DatasetError
from factory.torch.patches import PatchDataset


class PatchSampler(DistributedSampler[int]):
    """The remaining items of one rank in an epoch: every n-th item, for n ranks.

    After any number of steps, all ranks together have taken the first items of the epoch, whatever
    the number of ranks. A plain DataLoader with this sampler gets the patches of another epoch in
    each loop. The class is a DistributedSampler, so that Lightning does not replace it.

    Attributes:
        epoch: The current epoch, from 0.
        taken: The number of patches of the epoch that all ranks together have taken.
    """

    def __init__(
        self,
        dataset: PatchDataset,
        rank: int | None = None,
        ranks: int | None = None,
        batch: int | None = None,
    ) -> None:
        """Make a sampler.

        Args:
            dataset: The dataset that the items belong to.
            rank: The rank of this process; by default that of torch.distributed, once it is
                initialised.
            ranks: The number of ranks, with the same default.
            batch: Give every rank the same number of whole batches of this size. By default all
                items are given, so some ranks may get one more than others.

        Raises:
            DatasetError: If the rank is not below the number of ranks.
        """
        # DistributedSampler.__init__ is not called: it needs the rank now, and pads an epoch
        self.dataset: PatchDataset = dataset
        self._rank, self._ranks = rank, ranks
        self.batch = batch
        self.epoch = self.taken = 0
        self.loop_is_epoch = True
        self._rank_and_ranks()  # check them now

    def _rank_and_ranks(self) -> tuple[int, int]:
        """Return the rank of this process and the number of ranks, as they are now."""
        is_live = dist.is_available() and dist.is_initialized()
        rank, ranks = self._rank, self._ranks
        if rank is None:
            rank = dist.get_rank() if is_live else 0
        if ranks is None:
            ranks = dist.get_world_size() if is_live else 1
        if not 0 <= rank < ranks:
            raise DatasetError(f"rank {rank}; allowed: 0 to {ranks - 1}")
        return rank, ranks

    @property
    def usable(self) -> int:
        """The number of patches of an epoch that are given to any rank."""
        length, (_, ranks) = len(self.dataset), self._rank_and_ranks()
        return length - length % (self.batch * ranks) if self.batch else length

    def left(self) -> range:
        """Return the items of this rank that remain in the epoch."""
        first, (rank, ranks) = self.epoch * len(self.dataset), self._rank_and_ranks()
        return range(first + self.taken + rank, first + self.usable, ranks)

    def __iter__(self) -> Iterator[int]:
        items = self.left()
        if self.loop_is_epoch:
            self.next_epoch()
        return iter(items)

    def __len__(self) -> int:
        """Return the number of items of this rank in a whole epoch."""
        rank, ranks = self._rank_and_ranks()
        return len(range(rank, self.usable, ranks))

    def advance(self, patches: int) -> None:
        """Count patches that this rank has taken; all ranks take the same number."""
        _, ranks = self._rank_and_ranks()
        self.taken = min(self.taken + patches * ranks, self.usable)

    def next_epoch(self) -> None:
        """Begin the next epoch."""
        self.epoch, self.taken = self.epoch + 1, 0

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch. If it is the current one, its position does not change."""
        if epoch != self.epoch:
            self.epoch, self.taken = epoch, 0

    def state_dict(self) -> dict[str, int]:
        """Return the position of the training, which is the same on every rank."""
        return {
            "epoch": self.epoch,
            "taken": self.taken,
            "length": len(self.dataset),
            "seed": self.dataset.seed,
        }

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Resume at a position. The numbers of ranks and workers may have changed.

        Raises:
            DatasetError: If the state belongs to patches of another seed or number.
        """
        for key, value in (("length", len(self.dataset)), ("seed", self.dataset.seed)):
            if state[key] != value:
                raise DatasetError(
                    f"the state is of {key} {state[key]}, these patches have {value}"
                )
        self.epoch, self.taken = state["epoch"], state["taken"]


class PatchLoader(DataLoader[Any]):
    """A DataLoader that knows which batches it has delivered.

    A loop over it delivers the rest of an epoch. The epoch ends with its last batch, and the next
    loop delivers the next epoch. After a loop that was interrupted, the next one continues at the
    same position. The loader shares the patches among the ranks itself, so Lightning and accelerate
    do not replace its sampler.
    """

    _is_accelerate_prepared = True  # otherwise accelerate would share the patches a second time

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

        Args:
            dataset: The patches.
            batch_size: The number of patches in a batch.
            rank: The rank of this process; by default that of torch.distributed, once it is
                initialised.
            ranks: The number of ranks, with the same default.
            drop_last: Give every rank the same number of whole batches.
            options: Options of DataLoader: num_workers, pin_memory, persistent_workers,
                collate_fn, …

        Raises:
            DatasetError: If the batch size is not a positive whole number, or an option would
                change which patches are taken.
        """
        if not isinstance(batch_size, int) or batch_size < 1:
            raise DatasetError(f"batch_size {batch_size}; allowed: a whole number, 1 or more")
        for name in ("sampler", "batch_sampler", "shuffle"):
            if options.get(name) is not None:
                raise DatasetError(
                    f"{name}: the seed of its dataset gives the order of a PatchLoader; "
                    "allowed: none"
                )
        patches = PatchSampler(dataset, rank, ranks, batch_size if drop_last else None)
        patches.loop_is_epoch = False  # workers fetch ahead, so delivered batches count instead
        if options.get("num_workers") and forks_abort():
            options.setdefault("multiprocessing_context", "spawn")
        super().__init__(dataset, batch_size, sampler=patches, **options)
        self.patches = patches

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        assert self.batch_size is not None
        remaining = len(self.patches.left())
        if not remaining:
            self.patches.next_epoch()  # this rank has no items of the current epoch
            return
        for batch in super().__iter__():
            # before the yield, since the training may stop there
            self.patches.advance(self.batch_size)
            remaining -= self.batch_size
            if remaining <= 0:
                self.patches.next_epoch()
            yield batch

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch. If it is the current one, its position does not change."""
        self.patches.set_epoch(epoch)

    def state_dict(self) -> dict[str, int]:
        """Return the position of the training in plain numbers, the same on every rank."""
        return self.patches.state_dict()

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Resume at a position; see PatchSampler.load_state_dict."""
        self.patches.load_state_dict(state)
