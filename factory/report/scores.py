"""What evaluations of a dataset wrote into their folders, for the page."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from factory.errors import FactoryError
from factory.report.pictures import embedded
from factory.report.tables import NOTHING, Table, table_of, text

METRICS = "metrics"
COPIES = "copies"
PICTURES = 2
"""Of one kind at the most, where there are many alike."""

ROWS = 60
"""Of a table."""


NAMES = {
    "fid": "FID",
    "kid": "KID",
    "kid_sd": "KID sd",
    "real": "real",
    "made": "synthetic",
    "ssim": "SSIM",
    "mse": "MSE",
    "psnr": "PSNR (dB)",
    "corr": "correlation",
    "mi": "mutual information (nats)",
    "ci_low": "95 % from",
    "ci_high": "to",
    "mos": "mean score",
    "low": "95 % from",
    "high": "to",
}
"""Of columns, where they are no words."""


@dataclass(frozen=True)
class Scores:
    """One evaluation. section: METRICS or COPIES. says: what the figures mean. tables, with what
    each is called; pictures: what is seen, and the data URI. remarks: the evaluation's own.
    warning: where it is of another dataset."""

    section: str
    title: str
    says: str
    folder: str
    tables: list[tuple[str, Table]]
    pictures: list[tuple[str, str]]
    remarks: list[str] = field(default_factory=list)
    warning: str = ""


@dataclass(frozen=True)
class Kind:
    """An evaluation known by a table. needs: its columns. pictures: patterns of files, and what is
    seen. tables: further ones beside it. about: its JSON, where that has another name."""

    name: str
    title: str
    says: str
    needs: Sequence[str]
    shown: Callable[[pd.DataFrame], Table]
    section: str = METRICS
    pictures: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)
    about: str = ""


def read(folder: str, digests: Sequence[str]) -> list[Scores]:
    """The scores in a folder. digests: of the dataset's recipes, to see that they are its own.

    Raises FactoryError where there are none, or a file cannot be read.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FactoryError(f"--scores {folder}: no such folder")
    found = [_read(kind, root, digests) for kind in KINDS if (root / f"{kind.name}.csv").is_file()]
    if not found:
        names = ", ".join(f"{kind.name}.csv" for kind in KINDS)
        raise FactoryError(
            f"--scores {folder}: no scores; allowed: a folder that factory evaluate DATASET "
            f"--output wrote ({names})"
        )
    return found


def _read(kind: Kind, root: Path, digests: Sequence[str]) -> Scores:
    frame = _frame(root / f"{kind.name}.csv", kind.needs)
    cut = "" if kind.shown is _paired or len(frame) <= ROWS else _cut("", frame).strip(" ()")
    tables = [(cut, kind.shown(frame))]
    for name, title in kind.tables.items():
        if (root / f"{name}.csv").is_file():
            further = _frame(root / f"{name}.csv", ())
            if "distance" in further:  # the nearest first
                further = further.sort_values("distance")
            tables.append((_cut(title, further), table_of(further.head(ROWS), NAMES)))
    about = _about(root / f"{kind.about or kind.name}.json")
    remarks, warning = [str(line) for line in about.get("remarks", [])], ""
    if about.get("recipe_digest") not in (None, *digests):
        warning = f"These scores are of another dataset: {about.get('dataset')}."
    for name, score in (about.get("membership") or {}).items():
        remarks.insert(0, _membership(name, score))
    pictures = [
        (seen, embedded(path))
        for pattern, seen in kind.pictures.items()
        for path in sorted(root.glob(pattern))[:PICTURES]
    ]
    return Scores(kind.section, kind.title, kind.says, str(root), tables, pictures, remarks,
                  warning)  # fmt: skip


def _frame(path: Path, needs: Sequence[str]) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:  # empty, no CSV, not UTF-8
        why = " ".join(str(error).split())
        raise FactoryError(f"{path}: cannot be read as a table: {why}") from error
    if missing := [name for name in needs if name not in frame]:
        raise FactoryError(
            f"{path}: not a table of factory evaluate: it has no column {', '.join(missing)}"
        )
    return frame


def _about(path: Path) -> dict[str, Any]:
    """What an evaluation said of itself; {} where it is older than that file."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FactoryError(f"{path}: cannot be read: {error}") from error
    return content if isinstance(content, dict) else {}


def _membership(name: str, score: Mapping[str, Any]) -> str:
    return (
        f"membership score by {name}: {score['area']:.2f} ({score['low']:.2f} to "
        f"{score['high']:.2f}), {score['learnt']} training images told from {score['held']} held "
        "out; 0.5 is not at all"
    )


def _cut(title: str, frame: pd.DataFrame) -> str:
    return title if len(frame) <= ROWS else f"{title} (the first {ROWS} of {len(frame)})"


def _plain(frame: pd.DataFrame) -> Table:
    return table_of(frame.head(ROWS), NAMES)


def _paired(frame: pd.DataFrame) -> Table:
    """Mean ± sd over the samples, a row a kind of labels and direction."""
    figures = [c for c in frame.select_dtypes("number").columns if c != "sample"]
    rows = []
    for (labels, direction), part in frame.groupby(["labels", "direction"], sort=False):
        cells = []
        for name in figures:
            mean, sd = part[name].mean(), part[name].std()
            digits = {"mse": 4, "psnr": 1}.get(str(name), 3)
            spread = f" ± {sd:.{digits}f}" if sd == sd else ""
            cells.append(f"{mean:.{digits}f}{spread}" if mean == mean else NOTHING)
        rows.append([str(labels), str(direction), text(part["sample"].nunique()), *cells])
    head = [NAMES.get(str(name), str(name)) for name in figures]
    return Table(["labels", "direction", "samples", *head], rows)


def _floored(column: str, starts: tuple[str, ...]) -> Callable[[pd.DataFrame], Table]:
    def shown(frame: pd.DataFrame) -> Table:
        frame = frame.head(ROWS).copy()
        frame[column] = frame[column].astype(str).str.replace("_", " ")
        floor = [i for i, v in enumerate(frame[column]) if str(v).startswith(starts)]
        return table_of(frame, NAMES, floor)

    return shown


_HELD_OUT = "The model's own scores on subjects that its training held out."

KINDS = (
    Kind(
        "distribution",
        "As a set, against real images",
        "How near the synthetic images lie to real ones, by features of a network. FID and KID are "
        "distances: the lower the better. Precision and density say how many synthetic images "
        "look like real ones, recall and coverage how much of the real variety is reached: the "
        "higher the better. The floor, set off, is real against real, split in half: what real "
        "images reach themselves. Precision above it with a recall below it means images that are "
        "less varied than real ones.",
        ("against",),
        _floored("against", ("real",)),
    ),
    Kind(
        "paired",
        "In pairs, against the real image of each sample",
        "SSIM, correlation and the score (2 SSIM + correlation) / 3 are 1 for equal images, MSE is "
        "0; PSNR in dB, mutual information in nats. Mean ± standard deviation over samples.",
        ("sample", "labels", "direction"),
        _paired,
        pictures={
            "paired.png": "Every sample's scores, by direction.",
            "profiles-*.png": "Intensities along the three axes, synthetic and real.",
        },
    ),
    Kind(
        "deformation",
        "By registration, against real heads",
        "How far a plane must be deformed to become a real one: the mean change of area over the "
        "brain, divided by 0.5; the lower the better. The floor, set off, is real planes against "
        "one another. A score below it means planes that are more alike than real ones are.",
        ("what", "deformation"),
        _floored("what", ("real planes", "held-out planes")),
        pictures={"deformation.png": "Some samples' planes, and the real ones."},
    ),
    Kind(
        "downstream",
        "What a segmenter learns from it",
        "The same segmenter, trained on real volumes, on this dataset, and on both, tested on "
        "held-out real volumes. The effect is against real alone, with its 95 % interval over n "
        "subjects: one that spans 0 may be nothing. Dice: the higher the better; Hausdorff-95 in "
        "mm: the lower.",
        ("way", "measure", "effect"),
        _plain,
    ),
    Kind(
        "opinion",
        "The reader study",
        "Mean opinion scores of blinded readers with 95 % intervals (5 is best), and whether they "
        "told synthetic from real: right half of the time is not at all.",
        ("who", "mos"),
        _plain,
        pictures={
            "frequency.png": "How often each score was given.",
            "turing.png": "What was real or synthetic, and what readers said.",
        },
        tables={"accuracy": "Rightly told, of those who said", "agreement": "Fleiss' kappa"},
    ),
    Kind(
        "audit-strata",
        "Does it copy the images that its model learnt from?",
        "A sample is close where it is nearer to a training image than 95 % of real images are to "
        "another person's. Of an honest generator about one in twenty is (0.05), and as many of "
        "the held-out real images, which are the floor, set off. Samples of training labels lie "
        "near by their shape alone.",
        ("what", "close_in_pixels", "close_in_features"),
        _floored("what", ("held-out real",)),
        section=COPIES,
        pictures={
            "audit-pairs.png": "The closest pairs: a sample, its nearest training image, and what "
            "differs (red where the sample is brighter). Red titles: closer than the limit.",
            "audit-distances.png": "All distances to the nearest training image; dashed, the limit "
            "of close.",
        },
        tables={"audit": "Each sample's nearest training image"},
        about="audit",
    ),
    Kind("held_out", "On held-out subjects", _HELD_OUT, (), _plain),
    Kind("fusion", "The fusion on held-out subjects", _HELD_OUT, (), _plain),
    Kind("segmenter", "A segmenter on held-out subjects", _HELD_OUT, (), _plain),
)
"""In the order of the page."""
