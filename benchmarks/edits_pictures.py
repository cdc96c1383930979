"""What does each edit look like, at three strengths, on a real brain and on a phantom?

    python benchmarks/edits_pictures.py DATA_FOLDER --output runs/edits [--only microcephaly …]

DATA_FOLDER is a BIDS dataset (see storage.bids). One picture an edit: rows are the real subject
and the phantom, columns nothing and three strengths, each headed by what it shows best. To add
an edit, add it to EDITS.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

from factory.errors import AnatomyError
from factory.operators import operator_class, operator_function
from storage.bids import bids_subjects
from storage.phantom import phantom
from storage.resample import fit
from storage.sources import load_subject
from storage.subject import Subject


@dataclass(frozen=True)
class Shown:
    """One edit's three strengths, and where to look.

    axis: 0 axial, 1 coronal, 2 sagittal. tissue: the slice where the unedited subject has most of
    it, of all that is labelled by default. title: a key of the record to print above each panel.
    """

    strengths: list[dict[str, Any]]
    axis: int = 0
    tissue: str | None = None
    title: str | None = None


EDITS = {
    "microcephaly": Shown(
        [{"biparietal_mm": mm} for mm in (62, 55, 48)], title="achieved_biparietal_mm"
    ),
    "grow": Shown(
        [{"to_weeks": weeks} for weeks in (23, 32, 36)], title="achieved_occipito_frontal_mm"
    ),
    "asymmetry": Shown(
        [{"side": "left", "hemisphere_share": share} for share in (-0.1, -0.2, -0.3)],
        tissue="ventricles",
        title="achieved_hemisphere_share",
    ),
    "asymmetry of the ventricle": Shown(
        [{"side": "right", "ventricle_share": share} for share in (-0.4, 0.5, 1.0)],
        tissue="ventricles",
        title="achieved_ventricle_share",
    ),
    "cerebellar_hypoplasia": Shown(
        [{"transcerebellar_mm": mm} for mm in (22, 18, 13)],
        tissue="cerebellum",
        title="achieved_transcerebellar_mm",
    ),
    "cerebellar_hypoplasia, coronal": Shown(
        [{"transcerebellar_mm": mm} for mm in (22, 18, 13)],
        axis=1,
        tissue="cerebellum",
        title="achieved_transcerebellar_mm",
    ),
}


def subjects(folder: Path, participant: str) -> list[Subject]:
    (record,) = bids_subjects(folder, None, None, [participant])
    both = [load_subject(record, 0.8), phantom(28, 1, 0.8)]
    return [fit(subject, (144, 160, 128)) for subject in both]


def edited(
    name: str, subject: Subject, parameters: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
    operator = name.split(",")[0].split(" ")[0]
    known = {}
    if operator_class(operator).wants_age:
        known = {"age_weeks": subject.metadata["gestational_age_weeks"]}
    run = operator_function(operator)
    label, image, *record = run(
        subject.label,
        subject.grid.spacing,
        subject.table,
        image=subject.image,
        **parameters,
        **known,
    )
    return label, image, record[0] if record else {}


def picture(name: str, shown: Shown, both: list[Subject]) -> plt.Figure:
    """The real subject's image, its labels, and the phantom's labels."""
    figure, axes = plt.subplots(3, 4, figsize=(13, 11))
    rows = [(both[0], True, axes[0]), (both[0], False, axes[1]), (both[1], False, axes[2])]
    for subject, as_image, row in rows:
        table = subject.table
        where = subject.label == table.index(shown.tissue) if shown.tissue else subject.label > 0
        at = int(np.argmax(where.sum(tuple(a for a in range(3) if a != shown.axis))))
        colours = ListedColormap(np.array(table.colours) / 255)
        for panel, parameters in zip(row, [None, *shown.strengths], strict=True):
            panel.axis("off")
            label, image, record, title = subject.label, subject.image, {}, "none"
            if parameters is not None:
                title = ", ".join(f"{k} {v}" for k, v in parameters.items())
                try:
                    label, image, record = edited(name, subject, parameters)
                except AnatomyError as error:
                    panel.set_title(f"{title}\n{str(error)[:60]}", fontsize=7)
                    continue
            if shown.title in record:
                title += f"\n{shown.title} {record[shown.title]:.3g}"
            panel.set_title(title, fontsize=8)
            if as_image and image is not None:
                panel.imshow(np.take(image, at, shown.axis), origin="lower", cmap="gray", vmin=0)
            else:
                section = np.take(label, at, shown.axis)
                top = len(table.names) - 1
                panel.imshow(section, origin="lower", cmap=colours, vmin=0, vmax=top)
    figure.tight_layout()
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--participant", default="ga28op")
    parser.add_argument("--output", type=Path, default=Path("edits"))
    parser.add_argument("--only", nargs="+", choices=sorted(EDITS))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    both = subjects(options.folder, options.participant)
    for name in options.only or EDITS:
        figure = picture(name, EDITS[name], both)
        path = options.output / f"{name.replace(', ', '-').replace(' ', '-')}.png"
        figure.savefig(path, dpi=65)
        plt.close(figure)
        print(path)


if __name__ == "__main__":
    main()
