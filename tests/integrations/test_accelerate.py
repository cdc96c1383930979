"""A PatchLoader that accelerate prepares: it is shared out once, not twice."""

import json
import os
from pathlib import Path

import pytest
import torch.multiprocessing as mp
from support.stored_datasets import layout, write

from factory.torch import PatchDataset, PatchLoader

accelerate = pytest.importorskip("accelerate", reason="no accelerate: pip install accelerate")

LENGTH, BATCH = 12, 2


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("accelerate") / "d"
    write(folder, layout(5, 2))
    return str(folder)


def take(rank: int, path: str, folder: str, port: int) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    loader = PatchLoader(PatchDataset(path, 16, seed=3, length=LENGTH), BATCH)
    accelerator = accelerate.Accelerator(cpu=True)
    loader = accelerator.prepare(loader)
    epochs = [
        [v for batch in loader for v in batch["image"].double().sum((1, 2, 3, 4)).tolist()]
        for _ in range(2)
    ]
    (Path(folder) / f"{rank}.json").write_text(json.dumps(epochs))
    accelerator.end_training()


def test_two_ranks_take_every_patch_once(path: str, tmp_path: Path) -> None:
    from socket import socket

    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(take, (path, str(tmp_path), port), nprocs=2)
    ranks = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    plain = PatchLoader(PatchDataset(path, 16, seed=3, length=LENGTH), BATCH)
    for epoch in range(2):
        whole = [v for b in plain for v in b["image"].double().sum((1, 2, 3, 4)).tolist()]
        assert [ranks[0][epoch], ranks[1][epoch]] == [whole[0::2], whole[1::2]]
