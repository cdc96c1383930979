"""Where numbers were made: what the bits of a dataset depend on besides its recipe."""

import functools
import hashlib
import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np

from factory.storage.errors import DatasetError

BITS = ("device", "instruction_set", "threads", "lock_digest")
"""The keys of an environment that change bits: equal ones promise equal datasets."""

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


def current_environment(device: str, threads: int) -> dict[str, Any]:
    """The environment of this process as plain JSON.

    device: what computes, e.g. "cpu" or "NVIDIA H200". threads: of one renderer.
    lock_digest: sha256 of the versions installed of the packages that numbers pass through; it
    is the lock file as it was really installed.
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


def refuse_mixed(path: str, begun: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Raise DatasetError where the bits of a dataset begun there would differ if made here."""
    changed = [
        f"{key} {_shorten(begun[key])}, here {_shorten(here[key])}"
        for key in BITS
        if begun[key] != here[key]
    ]
    if changed:
        raise DatasetError(
            f"{path}: begun in another environment ({'; '.join(changed)}), so bits would differ; "
            "--allow-mixed goes on nevertheless"
        )


def _shorten(value: Any) -> str:
    """A value for a line of text; of a sha256 the first digits tell enough."""
    text = str(value)
    return text[:12] if len(text) == 64 else text


@functools.cache
def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@functools.cache
def _instruction_set() -> str:
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    return "+".join([*simd["baseline"], *simd["found"]])
