"""The page about a dataset: gathered, then written as one file that needs no other."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from factory.errors import FactoryError
from factory.report import scores
from factory.report.content import content
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.open import open_dataset
from factory.text import count_text, size_text


@dataclass(frozen=True)
class PageReport:
    """A page that was written: where, its bytes, and what it holds."""

    path: str
    size: int
    samples: int
    shown: int
    scores: list[str]
    digest: str | None

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))

    def lines(self) -> list[str]:
        return [
            f"report    {self.path} ({size_text(self.size)}), {self.shown} of "
            f"{count_text(self.samples, 'sample')} shown",
            f"scores    {', '.join(self.scores) or 'none; --scores FOLDER shows an evaluation'}",
            f"digest    {self.digest or 'not computed'}",
        ]


def write_page(
    path: str,
    output: str | os.PathLike[str] = "report.html",
    folders: Sequence[str] = (),
    *,
    with_digest: bool | None = None,
) -> PageReport:
    """Write a dataset's page. folders: what evaluations wrote, see factory.report.scores.

    with_digest: read everything for the dataset's digest; by default where that is quickly done.
    Of images only those shown are read, one sample at a time. Raises DatasetError where there is
    no dataset or a sample cannot be read; FactoryError where nothing stands, a folder holds no
    scores, or the page cannot be written.
    """
    target = Path(output)
    if target.is_dir():
        raise FactoryError(f"--output {output}: a folder; allowed: a file, e.g. report.html")
    dataset = open_dataset(path)
    table = dataset.cases()
    if not len(table):
        raise FactoryError(f"{path}: nothing stands yet, so there is nothing to report")
    judged = _scores(dataset, folders)
    found = content(dataset, table, judged, with_digest)
    page = _template().render(found)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page, encoding="utf-8")
    except OSError as error:
        raise FactoryError(f"{output}: cannot write the report: {error.strerror}") from error
    return PageReport(
        str(target),
        len(page.encode()),
        len(table),
        sum(len(stratum["samples"]) for stratum in found["strata"]),
        [one.title for one in judged],
        found["digest"],
    )


def _template() -> jinja2.Template:
    text_of = resources.files("factory.report").joinpath("report.html.j2").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(text_of)


def _scores(dataset: Dataset, folders: Sequence[str]) -> list[scores.Scores]:
    record = dataset.record
    digests = [record["recipe_digest"]]
    digests += [before["recipe_digest"] for before in record.get("grown_from", ())]
    return [one for folder in folders for one in scores.read(folder, digests)]
