"""A training process that is killed while it runs."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.multiprocessing as mp

from factory.training.run import Run


@dataclass
class Mortal(Run):
    """A run whose process is killed at its first progress line from so many images on."""

    dies_at: int = 0

    def log(self, title: str, images: int, total: int, values: dict[str, float]) -> None:
        super().log(title, images, total, values)
        if images >= self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)


def killed(function: Callable[..., None], *arguments: Any) -> None:
    """function(*arguments) in a process of its own, which must come to be killed.

    It computes in as many threads as this one: their number decides the last digits of a sum.
    """
    victim = mp.get_context("spawn").Process(
        target=_run, args=(function, torch.get_num_threads(), arguments)
    )
    victim.start()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL


def _run(function: Callable[..., None], threads: int, arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(threads)
    function(*arguments)
