"""What does each edit look like, at three strengths, on a real brain and on a phantom?

    python benchmarks/edits_pictures.py DATA_FOLDER --output runs/edits [--only microcephaly …]

DATA_FOLDER holds fetal-spina-bifida (a BIDS dataset, see factory.storage.subjects.bids) and
adult-brain. One picture an edit: rows are the real subject's image and labels and the phantom's
labels, columns nothing and three strengths, each headed by what it shows best; and one sheet with
all edits at the middle strength. To add an edit, add it to EDITS.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
from matplotlib.colors import ListedColormap

from factory.anatomy.edits.operator import Example
from factory.anatomy.edits.registry import OPERATORS
from factory.case import AddedLabel
from factory.errors import AnatomyError
from factory.imaging.boxes import box_with_margin
from factory.schema.label_table import dataset_table
from factory.storage.subjects.bids import list_bids_subjects
from factory.storage.subjects.label_mappings import NAMED_MAPPINGS, apply_mapping
from factory.storage.subjects.load import load_subject
from factory.storage.subjects.phantom import phantom
from factory.storage.subjects.resample import crop_to_shape
from factory.storage.subjects.types import CALLOSUM, FETA, FETA_WITH_CALLOSUM, Grid, Subject

LESION = dataset_table(FETA, (AddedLabel("lesion", "white_matter"),))

EDITS = {
    f"{name}, {example.text}": example
    for name, kind in OPERATORS.items()
    for example in kind.examples
}
"""What there is to look at: the examples of every edit."""

# FreeSurfer's numbers.
ADULT = {
    **dict.fromkeys((2, 28, 30, 41, 60, 62, 77, 80, 85), "white_matter"),
    **dict.fromkeys((3, 17, 18, 42, 53, 54), "grey_matter"),
    **dict.fromkeys((4, 5, 14, 15, 31, 43, 44, 63, 72), "ventricles"),
    **dict.fromkeys((7, 8, 46, 47), "cerebellum"),
    **dict.fromkeys((10, 11, 12, 13, 26, 49, 50, 51, 52, 58), "deep_grey_matter"),
    16: "brainstem",
    24: "external_csf",
    **dict.fromkeys(range(251, 256), CALLOSUM),
}


def operator_of(name: str) -> str:
    """Return the operator of a name in EDITS."""
    return name.split(",")[0]


def real_subject(folder: Path, participant: str, with_callosum: bool) -> Subject:
    """Load a subject of the fetal atlas."""
    mapping = NAMED_MAPPINGS["spina-bifida-atlas"] | ({8: CALLOSUM} if with_callosum else {})
    (record,) = list_bids_subjects(folder / "fetal-spina-bifida", None, mapping, [participant])
    return crop_to_shape(load_subject(record, 0.8), (144, 160, 128))


def adult_subject(folder: Path) -> Subject:
    """Load the adult brain."""
    path = folder / "adult-brain" / "sub-01_dseg.nii.gz"
    image: Any = nib.load(path)
    values = np.asarray(image.dataobj).astype(int)
    # Its header says RAS, its voxels run to the left, down and to the front.
    label = apply_mapping(values[::-1, ::-1].transpose(1, 2, 0), {0: "background"} | ADULT, path)
    grid = Grid.centred(label.shape, (1.0, 1.0, 1.0))
    return Subject("adult", label, grid, FETA_WITH_CALLOSUM)


def subjects_for(name: str, folder: Path, participant: str) -> list[Subject]:
    """Return the real subject and the phantom, or the adult if a corpus callosum is needed."""
    with_callosum = operator_of(name) == "corpus_callosum_agenesis"
    real = real_subject(folder, participant, with_callosum)
    if with_callosum:
        return [real, adult_subject(folder)]
    both = [real, crop_to_shape(phantom(28, 1, 0.8), (144, 160, 128))]
    if operator_of(name) == "lesion":
        return [replace(subject, table=LESION) for subject in both]
    return both


@dataclass
class Panel:
    """One subject, edited; if the edit was refused it has no label and the title says why."""

    title: str
    label: Any = None  # an array, or None
    image: Any = None


def edited(name: str, subject: Subject, parameters: Mapping[str, Any], key: str | None) -> Panel:
    """Edit a subject, and return the panel."""
    operator = operator_of(name)
    kind = OPERATORS[operator]
    extra = {"seed": 5} if kind.random else {}
    if kind.takes_age:
        extra["age_weeks"] = subject.metadata["gestational_age_weeks"]
    title = ", ".join(f"{k} {v}" for k, v in parameters.items() if k not in ("inside", "into"))
    try:
        label, image, *record = kind.apply(
            subject.label,
            subject.grid.spacing,
            subject.table,
            image=subject.image,
            **parameters,
            **extra,
        )
    except AnatomyError as error:
        return Panel(f"{title}\n{str(error)[:60]}\n{str(error)[60:120]}")
    if record and key and record[0].get(key) is not None:
        title += f"\n{key} {record[0][key]:.3g}"
    return Panel(title, label, image)


def panels(name: str, example: Example, subject: Subject, others: bool) -> list[Panel]:
    """Return the unedited subject and three strengths, cut at one slice and cropped to one box."""
    strengths = example.on_phantom if others and example.on_phantom else example.strengths
    row = [Panel(f"{subject.id}, none", subject.label, subject.image)]
    row += [edited(name, subject, parameters, example.record) for parameters in strengths]
    where = subject.label > 0
    if example.tissue:
        value = subject.table.index(example.tissue)
        maps = [p.label for p in row if p.label is not None]
        where = next(m == value for m in maps if (m == value).any())
    at = int(np.argmax(where.sum(tuple(a for a in range(3) if a != example.axis))))
    if example.tissue == CALLOSUM:
        at = round(float(np.nonzero(where)[example.axis].mean()))
    drawn_panels = [panel for panel in row if panel.label is not None]
    for panel in drawn_panels:
        panel.label = np.take(panel.label, at, example.axis)
        if panel.image is not None:
            panel.image = np.take(panel.image, at, example.axis)
    window = box_with_margin(sum(panel.label > 0 for panel in drawn_panels)[None], (0, 4, 4))[1:]
    for panel in drawn_panels:
        panel.label = panel.label[window]
        panel.image = None if panel.image is None else panel.image[window]
    return row


def draw(axes: plt.Axes, panel: Panel, subject: Subject, as_image: bool, brightest: float) -> None:
    """Draw a panel as image or as labels."""
    axes.axis("off")
    if panel.label is None:
        return
    if as_image:
        axes.imshow(panel.image, origin="lower", cmap="gray", vmin=0, vmax=brightest)
    else:
        colours = ListedColormap(np.array(subject.table.colours) / 255)
        top = len(subject.table.colours) - 1
        axes.imshow(
            panel.label, origin="lower", cmap=colours, vmin=0, vmax=top, interpolation="nearest"
        )


def picture(name: str, example: Example, both: list[Subject]) -> tuple[plt.Figure, list[Any]]:
    """Return the figure of one edit, and what the sheet shows of it."""
    figure, axes = plt.subplots(3, 4, figsize=(13, 11))
    real, other = (panels(name, example, s, others=i > 0) for i, s in enumerate(both))
    # one scale for a row, so that an edit that darkens a part does not brighten the others
    image = both[0].image
    assert image is not None
    brightest = float(np.percentile(image[both[0].label > 0], 99.8))
    rows = (real, both[0], True), (real, both[0], False), (other, both[1], False)
    for row, (cut, subject, as_image) in zip(axes, rows, strict=True):
        for place, panel in zip(row, cut, strict=True):
            draw(place, panel, subject, as_image, brightest)
            place.set_title(panel.title, fontsize=8)
    figure.suptitle(name)
    figure.tight_layout()
    triple = [(real[0], False), (real[2], False), (real[2], True)]
    return figure, [(panel, both[0], as_image, brightest) for panel, as_image in triple]


ROOM = {"left": 0.01, "right": 0.99, "bottom": 0.01, "top": 0.88, "wspace": 0.02}


def contact_sheet(cells: dict[str, list[Any]]) -> plt.Figure:
    """Draw all edits of the real subject at the middle strength: before, after, and the image."""
    columns = 3
    figure = plt.figure(figsize=(19, 2.5 * -(-len(cells) // columns)))
    parts = figure.subfigures(-(-len(cells) // columns), columns, squeeze=False).ravel()
    for part, (name, triple) in zip(parts, cells.items(), strict=False):
        part.suptitle(f"{name}: {triple[1][0].title.splitlines()[0]}", fontsize=8)
        for place, cell in zip(part.subplots(1, 3, gridspec_kw=ROOM), triple, strict=True):
            draw(place, *cell)
    return figure


def main() -> None:
    """Draw the pictures that the command line selects."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--participant", default="ga28op")
    parser.add_argument("--output", type=Path, default=Path("edits"))
    parser.add_argument("--only", nargs="+", choices=sorted(EDITS))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    cells = {}
    for name in options.only or EDITS:
        start = time.process_time()
        both = subjects_for(name, options.folder, options.participant)
        figure, cells[name] = picture(name, EDITS[name], both)
        path = options.output / f"{name.replace(', ', '-').replace(' ', '-')}.png"
        figure.savefig(path, dpi=65)
        plt.close(figure)
        print(f"{path}, {time.process_time() - start:.0f} s", flush=True)
    if not options.only:
        contact_sheet(cells).savefig(options.output / "all.png", dpi=80)


if __name__ == "__main__":
    main()
