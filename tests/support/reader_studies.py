"""What the tests of the reader study share: artificial brains, real and synthetic ones."""

import json
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from factory.storage.dataset.layout import Layout
from factory.storage.dataset.open import create_dataset
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.subjects.types import FETA, Grid

SHAPE = (30, 40, 34)


def brain(number: int, shape: tuple[int, int, int] = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """Image in [0, 1.1] and label of a lopsided ball with ventricles, each number another."""
    rng = np.random.Generator(np.random.Philox(number))
    z, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    centre = np.array(shape) / 2
    r = np.sqrt((z - centre[0]) ** 2 + (0.8 * (y - centre[1])) ** 2 + (x - centre[2]) ** 2)
    label = np.select([r < 3 + number % 3, r < 11 + number % 2], [4, 3], 0).astype(np.uint8)
    image = np.choose(label, [0, 0, 0, 0.5, 1.0]) + 0.05 * rng.standard_normal(shape)
    image += 0.1 * (x > centre[2] + 2) + 0.1 * (y > centre[1])
    return np.where(label > 0, np.clip(image, 0.02, 1.1), 0).astype(np.float32), label


def write_dataset(path: Path, count: int = 4, first: int = 0, vacant: int | None = None) -> str:
    """A sealed dataset of the brains first, first + 1, …; one of its places may be vacant."""
    dataset = create_dataset(str(path), Layout(count, SHAPE, FETA), {"recipe_digest": "r" * 64}, "")
    grid = Grid.centred(SHAPE, (1.0, 1.0, 1.0))
    for i in range(count):
        image, label = brain(first + i)
        case = json.dumps({"id": f"s/{i}"}, separators=(",", ":"))
        arrays = {"image": image * (i != vacant), "label": label * (i != vacant)}
        columns = {"subject": f"s{i}", "accepted": i != vacant}
        sample = StoredSample(case, arrays, grid.affine, grid.spacing, columns)
        dataset.write_shard(i, i, [sample])
    dataset.seal()
    return str(path)


def write_real(folder: Path, count: int = 4, first: int = 0) -> str:
    """The same brains as a scanner's files: in other units, in a larger field with noise about,
    off its centre, stored from right to left, with the label map beside."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.Generator(np.random.Philox(99))
    for i in range(count):
        image, label = (np.pad(a, ((2, 7), (9, 1), (3, 4))) for a in brain(first + i))
        image = np.where(label > 0, 873 * image, 40 * rng.random(image.shape)).astype(np.float32)
        affine = np.diag([-1.0, 1, 1, 1])
        for name, volume in (("T2w", image), ("dseg", label)):
            file = nib.Nifti1Image(volume.T[::-1], affine)
            nib.save(file, folder / f"sub-{first + i:02d}_{name}.nii.gz")
    return str(folder)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


class Server:
    """`factory rate` as a user runs it, in a process of its own. links: an address a reader."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "factory.cli", "rate", *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.links = []
        for line in self.process.stdout:
            self.links += re.findall(r"http://\S+", line)
            if "Ctrl-C" in line:
                return
        raise AssertionError(self.process.communicate()[1])

    def kill(self) -> None:
        """As a power cut would: no chance to tidy up."""
        self.process.kill()
        self.process.communicate()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def call(link: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Any:
    """(status, headers, body) of a call in the name of a reader's link."""
    address, _, key = link.partition("#")
    data = None if body is None else json.dumps(body).encode()
    all_headers = {"Authorization": f"Bearer {key}", **(headers or {})}
    request = urllib.request.Request(f"{address}{path}", data, all_headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, dict(reply.headers), reply.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()
