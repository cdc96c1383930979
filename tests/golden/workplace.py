"""The workplace of the golden tests: frozen recipes, tiny untrained networks, made-up subjects.

`workplace/` holds copies of the shipped recipes as they were when the golden values were recorded,
and a network of every role that these recipes name, with random weights. So shipped recipes and
weights may change, and the golden values stay.
"""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image

FROZEN = Path(__file__).parent / "workplace"
PEOPLE = ("A3H1O5", "C0S7W0", "P2")
"""The hearts: the first two are those that cardiac-interpolation.yaml goes between."""


def set_up(folder: Path) -> Path:
    """Fill a folder with all that the frozen recipes need, by relative paths; return it.

    Arguments:
        folder: Where; it does not exist yet.
    """
    shutil.copytree(FROZEN, folder)
    rng = np.random.Generator(np.random.Philox(key=17))
    _write_hearts(folder / "data" / "cardiac-mnms", rng)
    _write_ultrasounds(folder / "data" / "fetal-ultrasound-hc18", rng)
    return folder


def _write_hearts(root: Path, rng: np.random.Generator) -> None:
    """Short-axis stacks in the layout of the M&Ms challenge, 96 × 96 pixels of 1 mm."""
    root.mkdir(parents=True)
    rows = ["External code,VendorName,Vendor"]
    for index, person in enumerate(PEOPLE):
        (root / person).mkdir()
        rows.append(f"{person},{('Siemens', 'Philips')[index % 2]},{'AB'[index % 2]}")
        for phase in ("ED", "ES"):
            label = _heart(rng, slices=5 + index)
            tones = np.array([200, 900, 300, 800]) * (1 + index % 2)
            image = tones[label] + rng.integers(-30, 31, label.shape)
            for name, volume in (("sa", image), ("sa_gt", label)):
                file = nib.Nifti1Image(volume.T.astype(np.int16), np.diag([1.0, 1, 8, 1]))
                nib.save(file, root / person / f"{person}_{phase}_{name}.nii.gz")
    (root / "participants.csv").write_text("\n".join(rows) + "\n")


def _heart(rng: np.random.Generator, slices: int) -> np.ndarray:
    """Labels [z, y, x]: a ring around a pool, and a crescent beside it."""
    y, x = np.mgrid[:96, :96]
    pool, wall, right = (int(rng.integers(low, high)) for low, high in ((8, 13), (6, 9), (12, 18)))
    label = np.zeros((slices, 96, 96), np.int64)
    for plane in label:
        distance_2 = (y - 48) ** 2 + (x - 48) ** 2
        plane[(y - 48) ** 2 + (x - 48 + pool + wall) ** 2 < right**2] = 3
        plane[distance_2 < (pool + wall) ** 2] = 2
        plane[distance_2 < pool**2] = 1
    return label


def _write_ultrasounds(root: Path, rng: np.random.Generator) -> None:
    """Heads in the layout of the HC18 challenge, 0.8 mm a pixel, axis-aligned ellipses."""
    root.mkdir(parents=True)
    rows = ["filename,pixel size(mm),head circumference (mm)"]
    for index in range(2):
        name, long, short = f"00{index + 1}_HC", 64 + 4 * index, 48 + 4 * index
        y, x = np.mgrid[:150, :170] - np.array([75, 85])[:, None, None]
        radius = np.sqrt((x / long) ** 2 + (y / short) ** 2)
        image = np.where(np.abs(radius - 0.95) < 0.04, 200, 0) + rng.integers(0, 40, y.shape)
        outline = np.abs(radius - 1) * short < 0.7
        Image.fromarray(image.astype(np.uint8)).save(root / f"{name}.png")
        Image.fromarray((255 * outline).astype(np.uint8)).save(root / f"{name}_Annotation.png")
        rows.append(f"{name}.png,0.8,{0.8 * np.pi * (long + short):.3f}")
    (root / "pixel_size_and_HC.csv").write_text("\n".join(rows) + "\n")
