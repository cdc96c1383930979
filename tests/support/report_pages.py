"""Small datasets to report on, and a parser of their pages."""

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from factory.report.page import write_page
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.layout import Layout
from factory.storage.dataset.open import create_dataset
from factory.storage.dataset.stored_sample import StoredSample
from factory.storage.subjects.types import FETA, Grid, LabelTable

SHAPE = (20, 24, 22)
SECTIONS = ["asked", "samples", "measures", "metrics", "gate", "copies", "provenance", "cite"]
VOID = {"img", "meta", "br", "link", "input", "hr", "use", "path", "rect", "image"}


def brain(grade: int, shape: tuple[int, int, int] = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """An ellipsoid with ventricles that grow with the grade: image and label."""
    grid = np.indices(shape) - (np.array(shape)[:, None, None, None] - 1) / 2
    scale = np.array([max(n, 2) / 2 for n in shape])[:, None, None, None]
    radius = (
        np.sqrt(((grid / scale) ** 2).sum(0)) if shape[0] > 1 else np.hypot(*(grid / scale)[1:])
    )
    label = np.select([radius < 0.2 + 0.05 * grade, radius < 0.8], [4, 3], 0).astype(np.uint8)
    return np.choose(label, [0, 0, 0, 0.5, 1.0]).astype(np.float32), label


def dataset(
    path: Path,
    rows: list[dict],
    *,
    shape: tuple[int, int, int] = SHAPE,
    resolved: dict | None = None,
    samples: int | None = None,
    image: np.ndarray | None = None,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    table: LabelTable = FETA,
    **record: object,
) -> Dataset:
    """A dataset with these rows of columns; unfinished where it has fewer than `samples`. A row
    with a failure is a vacant place."""
    recipe = {"source": "recipes/small.yaml", "overrides": [], "resolved": resolved or {}}
    content = {"recipe_digest": "a" * 64, "recipe": recipe, **record}
    layout = Layout(samples or len(rows), shape, table)
    stored = create_dataset(str(path), layout, content, "seed: 1\n")
    grid = Grid.centred(shape, spacing)
    for i, columns in enumerate(rows):
        head_image, label = brain(int(columns.get("grade") or 0), shape)
        if columns.get("failure"):
            head_image, label = np.zeros_like(head_image), np.zeros_like(label)
        arrays = {
            "image": head_image if image is None else image,
            "label": label % len(table.names),
        }
        case = json.dumps({"id": f"c{i}"}, separators=(",", ":"))
        stored.write_shard(i, i, [StoredSample(case, arrays, grid.affine, grid.spacing, columns)])
    if not samples or samples == len(rows):
        stored.seal()
    return stored


def graded(subjects: int = 2, grades: int = 3) -> list[dict]:
    return [
        {
            "subject": f"phantom-{s}",
            "grade": g,
            "gestational_age_weeks": 24.0 + s,
            "requested_gestational_age_weeks": 24.0 + s,
            "requested_atrial_width_mm": 0.0 if g == 0 else 8.0 + g,
            "widen_requested_atrial_width_mm": None if g == 0 else 8.0 + g,
            "atrial_width_mm": 8.1 + g + 0.1 * s,
            "volume_ml_ventricles": 3.0 + g,
            "components_ventricles": 1,
        }
        for s in range(subjects)
        for g in range(grades)
    ]


class Page(HTMLParser):
    """What a page holds: ids of its sections, what it loads, its words, and its tags, balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sections: list[str] = []
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        if tag in ("td", "th", "dd"):
            self.words += " "
        attributes = dict(attrs)
        if tag == "section":
            self.sections.append(attributes["id"])
        for name, value in attributes.items():
            if tag == "a" and name == "href":
                self.links.append(value)
            elif name in ("src", "href", "xlink:href", "srcset", "data", "poster", "action"):
                self.loaded.append(value)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    @property
    def plain(self) -> str:
        return " ".join(self.words.split())


def page_of(path: Path | str, output: Path, *folders: Path, **how: bool) -> tuple[Page, str]:
    """A dataset's page, parsed and as it is written."""
    write_page(str(path), output, [str(folder) for folder in folders], **how)
    text = output.read_text(encoding="utf-8")
    return Page(text), text
