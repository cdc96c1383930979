"""A PatchLoader in Lightning's Trainer: every epoch, two ranks, and stops in mid-epoch."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from support.stored_datasets import layout, write

from factory.torch import PatchDataset, PatchLoader

lightning = pytest.importorskip("lightning", reason="no Lightning: pip install lightning")

LENGTH, BATCH = 10, 2


class Tell(lightning.LightningModule):
    """Learns nothing, and writes down which patches it sees."""

    def __init__(self, folder: str, stop_after: int | None = None) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.folder, self.stop_after = Path(folder), stop_after

    def training_step(self, batch: dict[str, Any], number: int) -> torch.Tensor:
        seen = [self.current_epoch, batch["image"].double().sum((1, 2, 3, 4)).tolist()]
        with (self.folder / f"rank-{self.global_rank}.jsonl").open("a") as file:
            print(json.dumps(seen), file=file)
        if self.stop_after is not None and self.global_step + 1 == self.stop_after:
            self.trainer.should_stop = True
        return (self.weight * batch["image"].mean()).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def loader(path: str, **how: Any) -> PatchLoader:
    return PatchLoader(PatchDataset(path, 16, seed=3, length=LENGTH), BATCH, **how)


def trainer(folder: Path, **how: Any) -> Any:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return lightning.Trainer(default_root_dir=folder, accelerator="cpu", **quiet, **how)


def seen(folder: Path, rank: int = 0) -> list[list[float]]:
    """Patches by epoch."""
    lines = map(json.loads, (folder / f"rank-{rank}.jsonl").read_text().splitlines())
    found: dict[int, list[float]] = {}
    for epoch, values in lines:
        found.setdefault(epoch, []).extend(values)
    return [found[epoch] for epoch in sorted(found)]


def expected(path: str, epochs: int) -> list[list[float]]:
    """Patches by epoch, as a plain loop gives them."""
    plain = loader(path)
    return [
        [v for batch in plain for v in batch["image"].double().sum((1, 2, 3, 4)).tolist()]
        for _ in range(epochs)
    ]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("lightning") / "d"
    write(folder, layout(5, 2))
    return str(folder)


@pytest.mark.parametrize("workers", [0, 2])
def test_every_epoch_has_all_of_its_patches(path: str, tmp_path: Path, workers: int) -> None:
    how = {"num_workers": workers, "persistent_workers": bool(workers)}
    trainer(tmp_path, max_epochs=4).fit(Tell(str(tmp_path)), loader(path, **how))
    assert seen(tmp_path) == expected(path, 4)


def test_two_devices_share_an_epoch(path: str, tmp_path: Path) -> None:
    """The loader is built before there is a process group."""
    spawned = trainer(tmp_path, max_epochs=2, devices=2, strategy="ddp_spawn")
    spawned.fit(Tell(str(tmp_path)), loader(path))
    ranks = [seen(tmp_path, rank) for rank in range(2)]
    for epoch, whole in enumerate(expected(path, 2)):
        # of each step the ranks have every second patch
        assert ranks[0][epoch] == whole[0::2]
        assert ranks[1][epoch] == whole[1::2]


def test_a_checkpoint_in_mid_epoch_goes_on_with_the_next_patch(path: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    saved = lightning.pytorch.callbacks.ModelCheckpoint(
        first, filename="step-{step}", every_n_train_steps=1, save_top_k=-1
    )
    trainer(first, max_steps=8, callbacks=[saved]).fit(Tell(str(first)), loader(path))
    [checkpoint] = first.glob("step-step=7.ckpt")
    trainer(second, max_epochs=3).fit(
        Tell(str(second)), loader(path), ckpt_path=str(checkpoint), weights_only=False
    )
    whole = expected(path, 3)
    assert seen(first) == [whole[0], whole[1][: 3 * BATCH]]
    assert seen(second) == [whole[1][2 * BATCH :], whole[2]]
