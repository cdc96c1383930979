"""The kinds of evaluations that the page shows: their files, their tables and what they mean."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from factory.report.tables import NOTHING, Table, table_of_frame, value_text

METRICS = "metrics"
COPIES = "copies"
"""The sections of the page."""

MOST_ROWS = 60
"""Most rows of a table on the page."""

HEADINGS = {
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
"""Headings of columns whose names are no words."""


@dataclass(frozen=True)
class EvaluationKind:
    """A kind of evaluation, recognised by a table that it writes.

    Attributes:
        name: The name of the table, NAME.csv.
        title: Its title on the page.
        explanation: What the figures mean.
        columns: The columns that the table must have.
        make_table: Makes the table of the page.
        section: METRICS or COPIES.
        pictures: Patterns of its picture files, and their captions.
        further_tables: Names of further tables beside it, and their titles.
        summary_name: The name of its JSON file, if it is not `name`.
        papers: Keys of factory.report.references.PAPERS.
    """

    name: str
    title: str
    explanation: str
    columns: Sequence[str]
    make_table: Callable[[pd.DataFrame], Table]
    section: str = METRICS
    pictures: Mapping[str, str] = field(default_factory=dict)
    further_tables: Mapping[str, str] = field(default_factory=dict)
    summary_name: str = ""
    papers: Sequence[str] = ()


def _plain_table(frame: pd.DataFrame) -> Table:
    return table_of_frame(frame.head(MOST_ROWS), HEADINGS)


def _table_with_floor(column: str, starts: tuple[str, ...]) -> Callable[[pd.DataFrame], Table]:
    """Return a function that highlights the rows whose value in a column begins with a word."""

    def make_table(frame: pd.DataFrame) -> Table:
        frame = frame.head(MOST_ROWS).copy()
        frame[column] = frame[column].astype(str).str.replace("_", " ")
        floor = [i for i, value in enumerate(frame[column]) if str(value).startswith(starts)]
        return table_of_frame(frame, HEADINGS, floor)

    return make_table


def summarise_pairs(frame: pd.DataFrame) -> Table:
    """Return mean ± sd over the samples, a row for each kind of labels and direction."""
    figures = [c for c in frame.select_dtypes("number").columns if c != "sample"]
    rows = []
    for (labels, direction), samples in frame.groupby(["labels", "direction"], sort=False):
        cells = []
        for name in figures:
            mean, sd = samples[name].mean(), samples[name].std()
            digits = {"mse": 4, "psnr": 1}.get(str(name), 3)
            spread = "" if pd.isna(sd) else f" ± {sd:.{digits}f}"
            cells.append(NOTHING if pd.isna(mean) else f"{mean:.{digits}f}{spread}")
        count = value_text(samples["sample"].nunique())
        rows.append([str(labels), str(direction), count, *cells])
    headings = [HEADINGS.get(str(name), str(name)) for name in figures]
    return Table(["labels", "direction", "samples", *headings], rows)


_HELD_OUT = "The model's own scores on subjects that its training held out."

KINDS = (
    EvaluationKind(
        name="distribution",
        title="As a set, against real images",
        explanation="How close the synthetic images are to real ones, by features of a network. "
        "FID and KID are distances: lower is better. Precision and density say how many synthetic "
        "images look like real ones; recall and coverage say how much of the variety of real "
        "images is reached: higher is better. The highlighted row is the floor: real images "
        "against real images, split in half, so what real images reach themselves. A precision "
        "above the floor together with a recall below it means that the images vary less than real "
        "ones.",
        columns=("against",),
        make_table=_table_with_floor("against", ("real",)),
        papers=("fid", "kid", "recall", "coverage"),
    ),
    EvaluationKind(
        name="paired",
        title="In pairs, against the real image of each sample",
        explanation="For equal images SSIM, correlation and the score (2 SSIM + correlation) / 3 "
        "are 1, and MSE is 0. PSNR is in dB, mutual information in nats. Mean ± standard deviation "
        "over samples.",
        columns=("sample", "labels", "direction"),
        make_table=summarise_pairs,
        pictures={
            "paired.png": "The scores of every sample, by direction.",
            "profiles-*.png": "Intensities along the three axes, synthetic and real.",
        },
        papers=("ssim",),
    ),
    EvaluationKind(
        name="deformation",
        title="By registration, against real heads",
        explanation="How far a plane must be deformed to become a real one: the mean change of "
        "area over the brain, divided by 0.5; lower is better. The highlighted row is the floor: "
        "real planes against one another. A score below it means that the planes are more alike "
        "than real ones.",
        columns=("what", "deformation"),
        make_table=_table_with_floor("what", ("real planes", "held-out planes")),
        pictures={"deformation.png": "Planes of some samples, and the real ones."},
    ),
    EvaluationKind(
        name="downstream",
        title="What a segmenter learns from it",
        explanation="The same segmenter was trained on real volumes, on this dataset, and on both, "
        "and tested on held-out real volumes. The effect is the difference from real volumes "
        "alone, with its 95 % interval over n subjects; if the interval contains 0, there may be "
        "no effect. For Dice higher is better, for Hausdorff-95 (mm) lower.",
        columns=("way", "measure", "effect"),
        make_table=_plain_table,
        papers=("unet",),
    ),
    EvaluationKind(
        name="opinion",
        title="The reader study",
        explanation="Mean opinion scores of blinded readers with 95 % intervals (5 is best), and "
        "whether they could tell synthetic from real; half of the answers right is chance.",
        columns=("who", "mos"),
        make_table=_plain_table,
        pictures={
            "frequency.png": "How often each score was given.",
            "turing.png": "What was real or synthetic, and what readers answered.",
        },
        further_tables={
            "accuracy": "Right answers, without those that were “cannot tell”",
            "agreement": "Fleiss' kappa",
        },
    ),
    EvaluationKind(
        name="audit-strata",
        title="Does it copy the images that its model learnt from?",
        explanation="A sample is close if it is nearer to a training image than 95 % of the real "
        "images are to one of another person. About one sample in twenty (0.05) is close if "
        "nothing is copied. The highlighted row is the floor: the share of held-out real images "
        "that are close. Samples made from training labels are near by their shape alone.",
        columns=("what", "close_in_pixels", "close_in_features"),
        make_table=_table_with_floor("what", ("held-out real",)),
        section=COPIES,
        pictures={
            "audit-pairs.png": "The closest pairs: a sample, its nearest training image, and their "
            "difference (red where the sample is brighter). Red titles: closer than the limit.",
            "audit-distances.png": "All distances to the nearest training image. The dashed line "
            "is the limit of close.",
        },
        further_tables={"audit": "Each sample's nearest training image"},
        summary_name="audit",
        papers=("hayes",),
    ),
    EvaluationKind("held_out", "On held-out subjects", _HELD_OUT, (), _plain_table),
    EvaluationKind("fusion", "The fusion on held-out subjects", _HELD_OUT, (), _plain_table),
    EvaluationKind("segmenter", "A segmenter on held-out subjects", _HELD_OUT, (), _plain_table),
)
"""In the order of the page."""
