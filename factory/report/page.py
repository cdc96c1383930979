"""The page about a dataset, written as one file that needs no other."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2

from factory.errors import FactoryError
from factory.report.content import gather_content
from factory.report.scores import Scores, read_scores
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.open import open_dataset
from factory.storage.json_value import JsonObject
from factory.text import count_text, size_text


@dataclass(frozen=True)
class PageReport:
    """A page that was written.

    Attributes:
        path: The file.
        size_bytes: Its size.
        samples: Number of samples in the dataset.
        samples_shown: Number of samples with a picture.
        scores: Titles of the evaluations on it.
        digest: The dataset's digest; None if it was not computed.
    """

    path: str
    size_bytes: int
    samples: int
    samples_shown: int
    scores: list[str]
    digest: str | None

    def to_json(self) -> JsonObject:
        """Return the keys path, size, samples, shown, scores and digest."""
        return {
            "path": self.path,
            "size": self.size_bytes,
            "samples": self.samples,
            "shown": self.samples_shown,
            "scores": self.scores,
            "digest": self.digest,
        }

    def lines(self) -> list[str]:
        """Return what the command prints."""
        return [
            f"report    {self.path} ({size_text(self.size_bytes)}), {self.samples_shown} of "
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
    """Write the page of a dataset.

    Only the images that are shown are read, one sample at a time.

    Args:
        path: The dataset's folder or URL.
        output: The file to write.
        folders: Folders with the scores of evaluations, see factory.report.scores.
        with_digest: Whether everything is read to compute the dataset's digest; by default, if the
            dataset is small.

    Raises:
        DatasetError: If there is no dataset, or a sample cannot be read.
        FactoryError: If no sample is finished, a folder holds no scores, or the page cannot be
            written.
    """
    target = Path(output)
    if target.is_dir():
        raise FactoryError(f"--output {output}: a folder; allowed: a file, e.g. report.html")
    dataset = open_dataset(path)
    table = dataset.cases()
    if table.empty:
        raise FactoryError(f"{path}: no sample is finished yet, so there is nothing to report")
    scores = _read_all_scores(dataset, folders)
    content = gather_content(dataset, table, scores, with_digest)
    page = _template().render(vars(content))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page, encoding="utf-8")
    except OSError as error:
        raise FactoryError(f"{output}: cannot write the report: {error.strerror}") from error
    return PageReport(
        path=str(target),
        size_bytes=len(page.encode()),
        samples=len(table),
        samples_shown=sum(len(stratum.samples) for stratum in content.strata),
        scores=[one.title for one in scores],
        digest=content.digest,
    )


def _template() -> jinja2.Template:
    text = resources.files("factory.report").joinpath("report.html.j2").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(text)


def _read_all_scores(dataset: Dataset, folders: Sequence[str]) -> list[Scores]:
    """Read the scores in some folders, of this dataset or of one that it grew from."""
    record = dataset.record
    digests = [record["recipe_digest"]]
    digests += [earlier["recipe_digest"] for earlier in record.get("grown_from", ())]
    return [one for folder in folders for one in read_scores(folder, digests)]
