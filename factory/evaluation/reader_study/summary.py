"""What came out of a reader study: opinions, the visual Turing test, agreement.

Intervals are over pictures: where several readers saw one, their answers count once, as a mean.
So they say what these readers would find in further pictures, not what other readers would.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from factory.errors import FactoryError
from factory.evaluation.reader_study.agreement import (
    difference_interval,
    fleiss_kappa,
    mean_interval,
    share_interval,
)
from factory.evaluation.reader_study.answers import Study
from factory.evaluation.reader_study.scales import SCALES
from factory.evaluation.reader_study.study import SOURCES

EVERYONE = "all"
NOT_SAID = "cannot tell"
SAID = (*SOURCES, NOT_SAID)


@dataclass(frozen=True)
class Summary:
    """Tables by name, and the files that were written."""

    tables: dict[str, pd.DataFrame]
    files: list[Path]
    unfinished: list[str]

    def to_json(self) -> dict[str, Any]:
        tables = {
            name: table.astype(object).where(table.notna(), None).to_dict("records")
            for name, table in self.tables.items()
        }
        return {**tables, "files": [str(f) for f in self.files], "unfinished": self.unfinished}

    def lines(self) -> list[str]:
        titles = {
            "opinion": "Mean opinion score, 5 is best (on scale ayaz, 6 − score is taken); "
            "95 % intervals over pictures",
            "turing": "Real or synthetic? Rows are what a picture is, columns what was said",
            "accuracy": "Pictures told rightly, of those where something was said; 0.5 is chance; "
            "95 % intervals over pictures",
            "agreement": "Fleiss' kappa over the pictures that all of them answered",
        }
        lines = []
        for name, title in titles.items():
            table = self.tables[name]
            text = table.to_string(index=False, na_rep="–", float_format="{:.2f}".format)
            if table.empty:
                text = "one reader alone: nobody to agree with"
            lines += [title, *text.splitlines(), ""]
        return [*lines, *self.unfinished, *(f"written   {file}" for file in self.files)]


def summarise(folder: str) -> Summary:
    """The summary of the study in a folder; its CSVs and PNGs are written there.

    Raises FactoryError where there is no study, or no answer yet.
    """
    from factory.evaluation.reader_study.charts import frequency_chart, turing_chart

    study = Study(Path(folder))
    if not study.exists():
        raise FactoryError(f"{study.file}: no such file; factory rate DATASET --real FOLDER begins")
    samples = study.about()["asked"]["samples"]
    answers = frame_of(study.results())
    if answers.empty:
        raise FactoryError(f"{study.file}: no answer yet")
    tables = tables_of(answers)
    files = [study.folder / f"{name}.csv" for name in ("answers", *tables)]
    for file, table in zip(files, (answers, *tables.values()), strict=True):
        table.to_csv(file, index=False, float_format="%.6g")
    for name, draw in (("frequency", frequency_chart), ("turing", turing_chart)):
        files.append(study.folder / f"{name}.png")
        draw(tables[name], files[-1])
    given = answers["reader"].value_counts()
    unfinished = [
        f"unfinished {reader.name}: {given.get(reader.name, 0)} of {samples} answered"
        for reader in study.readers()
        if given.get(reader.name, 0) < samples
    ]
    return Summary(tables, files, unfinished)


def tables_of(answers: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Every table of a summary, by name. answers: as frame_of gives them."""
    return {
        "opinion": opinion(answers),
        "frequency": frequency(answers),
        "turing": turing(answers),
        "accuracy": accuracy(answers),
        "agreement": agreement(answers),
    }


def frame_of(results: list[dict[str, Any]]) -> pd.DataFrame:
    """Study.results as a table, with "opinion": the score where 5 is best, whatever the scale."""
    answers = pd.DataFrame(results)
    if answers.empty:
        return answers
    answers["opinion"] = [
        SCALES[scale].turned(score)
        for scale, score in zip(answers["scale"], answers["score"], strict=True)
    ]
    answers["said"] = answers["said"].astype(object).where(answers["said"].notna(), NOT_SAID)
    return answers


def circles(answers: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Whom a row of a table is about: all; each group, where there are any; each reader."""
    yield EVERYONE, answers
    for group, rows in answers.groupby("reader_group", sort=True):
        yield f"{group}s", rows
    for reader, rows in answers.groupby("reader", sort=True):
        yield str(reader), rows


def by_picture(answers: pd.DataFrame, column: str) -> np.ndarray:
    """A column's mean a picture, over whoever answered it."""
    return answers.groupby("picture")[column].mean().to_numpy(float)


def opinion(answers: pd.DataFrame) -> pd.DataFrame:
    """A row a circle and source, and one for real − synthetic: mean opinion score and interval."""
    rows = []
    for who, given in circles(answers):
        readers = given["reader"].nunique()
        parts = {s: given[given["source"] == s] for s in SOURCES}
        scores = {s: by_picture(part, "opinion") for s, part in parts.items()}
        for source in SOURCES:
            mean, low, high = mean_interval(scores[source])
            rows.append((who, readers, source, len(scores[source]), mean, low, high))
        mean, low, high = difference_interval(scores["real"], scores["synthetic"])
        rows.append((who, readers, "real − synthetic", given["picture"].nunique(), mean, low, high))
    return pd.DataFrame(
        rows, columns=["who", "readers", "source", "pictures", "mos", "low", "high"]
    )


def frequency(answers: pd.DataFrame) -> pd.DataFrame:
    """A row a circle, scale, source and score, as it was given: how often, and of how many."""
    rows = []
    for who, given in circles(answers):
        for (scale, source), part in given.groupby(["scale", "source"], sort=True):
            for score in range(1, 6):
                count = int((part["score"] == score).sum())
                word = SCALES[str(scale)].words[score - 1]
                rows.append((who, scale, source, score, word, count, len(part)))
    return pd.DataFrame(rows, columns=["who", "scale", "source", "score", "word", "answers", "of"])


def turing(answers: pd.DataFrame) -> pd.DataFrame:
    """The confusion matrix of each circle: a row a source, answers by what was said."""
    return pd.DataFrame(
        [
            {
                "who": who,
                "is": source,
                **{said: int(((given["source"] == source) & (given["said"] == said)).sum())
                   for said in SAID},
            }
            for who, given in circles(answers)
            for source in SOURCES
        ]
    )  # fmt: skip


def accuracy(answers: pd.DataFrame) -> pd.DataFrame:
    """A row a circle: the share of right answers among those that said real or synthetic."""
    rows = []
    for who, given in circles(answers):
        said = given[given["said"] != NOT_SAID].copy()
        said["right"] = said["said"] == said["source"]
        right = by_picture(said, "right")
        share = float(right.mean()) if right.size else float("nan")
        rows.append((who, len(said), right.size, share, *share_interval(share, right.size)))
    return pd.DataFrame(rows, columns=["who", "answers", "pictures", "right", "low", "high"])


def agreement(answers: pd.DataFrame) -> pd.DataFrame:
    """A row a circle of two readers or more and question: kappa over the pictures all answered.

    For real or synthetic, "cannot tell" is a category of its own. Scores are categories without an
    order, as Fleiss has them: 4 against 5 counts as much as 1 against 5.
    """
    rows = []
    for who, given in circles(answers):
        readers = given["reader"].nunique()
        complete = given.groupby("picture")["reader"].transform("nunique") == readers
        shared = given[complete]
        for question, column in (("score", "opinion"), ("real or synthetic", "said")):
            if readers > 1:
                counts = pd.crosstab(shared["picture"], shared[column]).to_numpy()
                rows.append((who, question, readers, len(counts), fleiss_kappa(counts)))
    return pd.DataFrame(rows, columns=["who", "question", "readers", "pictures", "kappa"])
