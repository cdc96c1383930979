"""The environment in which voxel values are computed, on which their bits depend."""

import functools
import hashlib
import platform
from importlib import metadata
from typing import Literal

import numpy as np

from factory.storage.dataset.documents import Environment
from factory.storage.errors import DatasetError

BITS: tuple[Literal["device", "instruction_set", "threads", "lock_digest"], ...] = (
    "device",
    "instruction_set",
    "threads",
    "lock_digest",
)
"""The keys of an environment that change bits; if they are equal, so are the datasets."""

_PACKAGES = (
    "connected-components-3d",
    "edt",
    "nibabel",
    "numcodecs",
    "numpy",
    "ray",
    "safetensors",
    "scikit-image",
    "scipy",
    "torch",
    "zarr",
)


def current_environment(device: str, threads: int) -> Environment:
    """Return the environment of this process.

    Args:
        device: What computes, e.g. "cpu" or "NVIDIA H200".
        threads: The number of threads of one renderer.
    """
    versions = _versions()
    lock = "\n".join(f"{name}=={version}" for name, version in versions.items())
    return {
        "device": device,
        "threads": threads,
        "instruction_set": _instruction_set(),
        "platform": f"{platform.system()}-{platform.machine()}",
        "versions": {"python": platform.python_version(), **versions},
        "lock_digest": hashlib.sha256(lock.encode()).hexdigest(),
    }


def refuse_mixed(path: str, begun: Environment, here: Environment) -> None:
    """Raise DatasetError if bits made here would differ from those of the dataset.

    Args:
        path: The dataset's path, for the message.
        begun: The environment in which the dataset was begun.
        here: The environment of this process.
    """
    changed = [
        f"{key} {_shorten(begun[key])}, here {_shorten(here[key])}"
        for key in BITS
        if begun[key] != here[key]
    ]
    if changed:
        raise DatasetError(
            f"{path}: begun in another environment ({'; '.join(changed)}), so bits would differ; "
            "--allow-mixed continues nevertheless"
        )


def _shorten(value: object) -> str:
    """Return a value as text; of a sha256 only the first digits."""
    text = str(value)
    return text[:12] if len(text) == 64 else text


@functools.cache
def _versions() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


@functools.cache
def _instruction_set() -> str:
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    return "+".join([*simd["baseline"], *simd["found"]])
