"""Does the phantom look like a fetal brain? Its slices beside real ones of the same age.

    python benchmarks/phantom_beside_real.py DATA_FOLDER --output beside.png

DATA_FOLDER holds sub-ga<weeks>*/anat/*_T2w.nii.gz and *_dseg.nii.gz. Rows: the real image, the
phantom painted with each tissue's mean real intensity, the real labels, the phantom's. Columns:
three axial, two coronal, three sagittal slices. Compare contrast, folding and nesting; sizes
only if the real brains are normal.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
from matplotlib.colors import ListedColormap

from factory.imaging.intensities import intensity_unit
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.types import FETA

# Tissues of FETA for the atlas's labels 0-8; its corpus callosum counts as white matter.
ATLAS = np.array([0, 3, 4, 5, 1, 2, 6, 7, 3], np.uint8)
CUTS = [(0, 0.36), (0, 0.54), (0, 0.68), (1, 0.3), (1, 0.55), (2, 0.53), (2, 0.68), (2, 0.82)]


def real(folder: Path, weeks: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return image and label [z, y, x] (FeTA's values) of the brain, and the spacing in mm."""
    label_file = next(folder.glob(f"sub-ga{weeks}*/anat/*_dseg.nii.gz"))
    label_image = nib.as_closest_canonical(nib.load(label_file))
    image_file = str(label_file).replace("_dseg", "_T2w")
    image = nib.as_closest_canonical(nib.load(image_file)).get_fdata().T
    label = ATLAS[np.asarray(label_image.dataobj).astype(int).T]
    box = cropped(label)
    image = image / intensity_unit(image, label > 0)
    return image[box], label[box], float(label_image.header.get_zooms()[0])


def cropped(label: np.ndarray) -> tuple[slice, ...]:
    """Return the box of all that is labelled."""
    inside = np.argwhere(label > 0)
    return tuple(slice(a, b + 1) for a, b in zip(inside.min(0), inside.max(0), strict=True))


def panels(axes: np.ndarray, volumes: list[tuple[np.ndarray, dict]]) -> None:
    """Draw each volume in a row of slices."""
    for row, (volume, style) in zip(axes, volumes, strict=True):
        for panel, (axis, share) in zip(row, CUTS, strict=True):
            at = int(share * volume.shape[axis])
            panel.imshow(np.take(volume, at, axis), origin="lower", **style)
            panel.axis("off")


def main() -> None:
    """Draw a picture for each age."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, default=Path("beside.png"))
    parser.add_argument("--weeks", type=int, nargs="+", default=[22, 26, 30, 34])
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    colours = ListedColormap(np.array(FETA.colours) / 255)
    tissue = {"cmap": colours, "vmin": 0, "vmax": 7, "interpolation": "nearest"}
    grey = {"cmap": "gray", "vmin": 0, "vmax": 1}
    for weeks in options.weeks:
        image, label, spacing = real(options.folder, weeks)
        means = np.array([image[label == i].mean() if i else 0 for i in range(len(FETA.names))])
        phantom_label = phantom(weeks, options.seed, spacing).label
        phantom_label = phantom_label[cropped(phantom_label)]
        figure, axes = plt.subplots(4, len(CUTS), figsize=(2.2 * len(CUTS), 9.6))
        panels(
            axes,
            [(image, grey), (means[phantom_label], grey), (label, tissue), (phantom_label, tissue)],
        )
        figure.suptitle(f"{weeks} weeks: real image, phantom painted, real labels, phantom labels")
        figure.tight_layout()
        path = options.output.with_stem(f"{options.output.stem}-{weeks}")
        figure.savefig(path, dpi=80)
        plt.close(figure)
        print(path)


if __name__ == "__main__":
    main()
