"""How long does each metric take a volume, on one core?

    OMP_NUM_THREADS=1 python benchmarks/metrics_speed.py [--repeats 2] [--into DIR]

A phantom of 30 weeks at 1 mm in 112 × 128 × 96, and itself with noise as the other image; the sets
of features are as large as those of a dataset of 1,000 slices. Prints processor seconds, the least
of some repeats, since other work can only slow it down. Written: metrics_speed.json, .md and .png.
"""

import argparse
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from report_table import bars, write_results

from factory.families.feature_extractors import find_extractor
from factory.families.segmenter.inference import VolumeSegmenter
from factory.lookup import find_model
from factory.metrics.distribution import density_coverage, fid, kid, precision_recall
from factory.metrics.paired import paired_scores, slice_scores
from factory.models.checkpoint import WeightsError
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.resample import crop_to_shape

TONES = np.array([0, 0.9, 0.45, 0.55, 1.0, 0.4, 0.45, 0.5], np.float32)
SLICES, SHOWN = 1000, 24


def least(work: Callable[[], Any], repeats: int) -> float:
    """Return the processor seconds of some work, the least of some repeats."""
    times = []
    for _ in range(repeats):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return min(times)


def main() -> None:
    """Time every metric, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--into", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.Generator(np.random.Philox(5))
    label = crop_to_shape(phantom(30.0, seed=0, spacing_mm=1.0), (112, 128, 96)).label
    real = TONES[label]
    synthetic = real + rng.normal(0, 0.05, real.shape).astype(np.float32) * (label > 0)
    planes = 2 * synthetic[44 : 44 + SHOWN, None] - 1
    one, two = rng.normal(size=(2, SLICES, 512))
    segmenter = VolumeSegmenter(find_model("fetal-segmenter", "gate.model"), torch.device("cpu"))

    def extract(name: str) -> np.ndarray:
        return find_extractor(name)(planes)

    works: dict[str, Callable[[], Any]] = {
        "paired, 3D, a volume": lambda: paired_scores(synthetic, real, label),
        "paired, 2D, a volume and direction": lambda: slice_scores(synthetic, real, label, "axial"),
        "gate: segmenting a volume": lambda: segmenter.segment(synthetic, label),
        **{
            f"features ({name}) of {SHOWN} slices": functools.partial(extract, name)
            for name in ("vgg", "deepbet", "segmenter:fetal-segmenter")
        },
        f"FID of {SLICES} and {SLICES} slices": lambda: fid(one, two),
        "KID, 100 subsets": lambda: kid(one, two, rng),
        "precision and recall": lambda: precision_recall(one, two),
        "density and coverage": lambda: density_coverage(one, two),
    }
    lines, results = ["| metric | s |", "|---|---|"], {}
    for name, work in works.items():
        try:
            results[name] = least(work, options.repeats)
            lines.append(f"| {name} | {results[name]:.2f} |")
        except WeightsError as error:  # its package is not installed
            lines.append(f"| {name} | left out: {error} |")
    print("\n".join(lines))
    write_results(options.into, "metrics_speed", results, "\n".join(lines))
    bars(options.into / "metrics_speed.png", results, "processor seconds", {}, log=True)


if __name__ == "__main__":
    main()
