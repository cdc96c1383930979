"""Labelled synthetic medical images at any scale: a recipe in, a Zarr dataset out.

dataset = factory.open("hydrocephalus.zarr")        # see factory.datasets.open
from factory.torch import PatchDataset, PatchLoader  # patches of it for PyTorch and MONAI
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory.datasets.open import OpenedDataset


def open(
    path: str, *, cache: str | None = None, unsealed: bool = False, unaccepted: bool = False
) -> "OpenedDataset":
    """A finished dataset in a folder or bucket, to look into, filter and train from.

    cache: for a bucket, a folder of this machine where what was read is kept. unsealed: open one
    that is not finished too, as far as it stands. unaccepted: with the samples whose column
    `accepted` is False. Raises factory.storage.errors.DatasetError, one line.
    """
    from factory.datasets.open import opened

    return opened(path, cache=cache, unsealed=unsealed, unaccepted=unaccepted)
