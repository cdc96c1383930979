"""The results of a reader study: opinions, the visual Turing test, agreement.

Intervals are over pictures: if several readers answered for one, their answers count once, as a
mean. So the intervals tell what these readers would answer for further pictures, not what other
readers would.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
from factory.storage.json_value import JsonObject

EVERYONE = "all"
CANNOT_TELL = "cannot tell"
VERDICTS = (*SOURCES, CANNOT_TELL)

TITLES = {
    "opinion": "Mean opinion score, 5 is best (for scale ayaz, 6 − score is used); 95 % intervals "
    "over pictures",
    "turing": "Real or synthetic? Rows are what a picture is, columns what readers answered",
    "accuracy": 'Share of right answers among those that were not "cannot tell"; 0.5 is chance; '
    "95 % intervals over pictures",
    "agreement": "Fleiss' kappa over the pictures that all readers of a group answered",
}
"""The tables that are printed, and their titles."""


@dataclass(frozen=True)
class Summary:
    """The summary of a study.

    Attributes:
        tables: The tables by name, see `build_tables`.
        files: The files that were written.
        unfinished: A line for each reader who has not answered for all pictures.
    """

    tables: dict[str, pd.DataFrame]
    files: list[Path]
    unfinished: list[str]

    def to_json(self) -> JsonObject:
        """Return the rows of each table by its name, and the keys files and unfinished."""
        tables = {
            name: table.astype(object).where(table.notna(), None).to_dict("records")
            for name, table in self.tables.items()
        }
        return {**tables, "files": [str(f) for f in self.files], "unfinished": self.unfinished}

    def lines(self) -> list[str]:
        """Return the tables as lines to read."""
        lines = []
        for name, title in TITLES.items():
            table = self.tables[name]
            text = table.to_string(index=False, na_rep="–", float_format="{:.2f}".format)
            if table.empty:
                text = "only one reader: no agreement to measure"
            lines += [title, *text.splitlines(), ""]
        return [*lines, *self.unfinished, *(f"written   {file}" for file in self.files)]


def summarise_study(folder: str) -> Summary:
    """Summarise the study in a folder; write its tables (CSV) and charts (PNG) there.

    Raises:
        FactoryError: If there is no study, or no answer yet.
    """
    from factory.evaluation.reader_study.charts import draw_frequencies, draw_turing_matrices

    study = Study(Path(folder))
    if not study.exists():
        raise FactoryError(
            f"{study.file}: no such file; factory rate DATASET --real FOLDER begins a study"
        )
    samples = study.settings().request.samples
    results = study.results()
    if results.empty:
        raise FactoryError(f"{study.file}: no answer yet")
    answers = add_opinions(results)
    tables = build_tables(answers)
    files = [study.folder / f"{name}.csv" for name in ("answers", *tables)]
    for file, table in zip(files, (answers, *tables.values()), strict=True):
        table.to_csv(file, index=False, float_format="%.6g")
    for name, draw in (("frequency", draw_frequencies), ("turing", draw_turing_matrices)):
        files.append(study.folder / f"{name}.png")
        draw(tables[name], files[-1])
    counts = answers["reader"].value_counts()
    unfinished = [
        f"unfinished {reader.name}: {counts.get(reader.name, 0)} of {samples} answered"
        for reader in study.readers()
        if counts.get(reader.name, 0) < samples
    ]
    return Summary(tables, files, unfinished)


def build_tables(answers: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return every table of a summary, by name; answers: as `add_opinions` returns them."""
    return {
        "opinion": opinion_table(answers),
        "frequency": frequency_table(answers),
        "turing": turing_table(answers),
        "accuracy": accuracy_table(answers),
        "agreement": agreement_table(answers),
    }


def add_opinions(results: pd.DataFrame) -> pd.DataFrame:
    """Return the results of a study with the column `opinion`, and "cannot tell" for no verdict.

    `opinion` is the score of which 5 is best, whatever the scale.
    """
    opinions = [
        SCALES[scale].opinion(score)
        for scale, score in zip(results["scale"], results["score"], strict=True)
    ]
    verdicts = results["said"].astype(object).where(results["said"].notna(), CANNOT_TELL)
    return results.assign(opinion=opinions, said=verdicts)


def iterate_groups(answers: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the name and the answers of all readers, of each group, and of each reader.

    The name is the column `who` of the tables.
    """
    yield EVERYONE, answers
    for group, rows in answers.groupby("reader_group", sort=True):
        yield f"{group}s", rows
    for reader, rows in answers.groupby("reader", sort=True):
        yield str(reader), rows


def mean_by_picture(answers: pd.DataFrame, column: str) -> np.ndarray:
    """Return the mean of a column for each picture, over the readers who answered for it."""
    return np.asarray(answers.groupby("picture")[column].mean(), float)


def opinion_table(answers: pd.DataFrame) -> pd.DataFrame:
    """Return the mean opinion scores.

    A row for each group and source, and one for real − synthetic. Columns: who, readers (their
    number), source, pictures (their number), mos (the mean), and low and high, its interval.
    """
    rows = []
    for who, of_group in iterate_groups(answers):
        readers = of_group["reader"].nunique()
        scores = {
            source: mean_by_picture(of_group[of_group["source"] == source], "opinion")
            for source in SOURCES
        }
        for source in SOURCES:
            mean, low, high = mean_interval(scores[source])
            rows.append((who, readers, source, len(scores[source]), mean, low, high))
        mean, low, high = difference_interval(scores["real"], scores["synthetic"])
        pictures = of_group["picture"].nunique()
        rows.append((who, readers, "real − synthetic", pictures, mean, low, high))
    return pd.DataFrame(
        rows, columns=["who", "readers", "source", "pictures", "mos", "low", "high"]
    )


def frequency_table(answers: pd.DataFrame) -> pd.DataFrame:
    """Return how often each score was given.

    A row for each group, scale, source and score, as the reader gave it. Columns: who, scale,
    source, score, word (what the score is called), answers (with this score), of (all answers).
    """
    rows = []
    for who, of_group in iterate_groups(answers):
        for (scale, source), of_source in of_group.groupby(["scale", "source"], sort=True):
            for score in range(1, 6):
                count = int((of_source["score"] == score).sum())
                word = SCALES[str(scale)].words[score - 1]
                rows.append((who, scale, source, score, word, count, len(of_source)))
    return pd.DataFrame(rows, columns=["who", "scale", "source", "score", "word", "answers", "of"])


def turing_table(answers: pd.DataFrame) -> pd.DataFrame:
    """Return the confusion matrix of each group.

    A row for each group and source. Columns: who, is (the source), and the number of answers with
    each of VERDICTS.
    """
    rows = []
    for who, of_group in iterate_groups(answers):
        for source in SOURCES:
            verdicts = of_group.loc[of_group["source"] == source, "said"]
            counts = {verdict: int((verdicts == verdict).sum()) for verdict in VERDICTS}
            rows.append({"who": who, "is": source, **counts})
    return pd.DataFrame(rows)


def accuracy_table(answers: pd.DataFrame) -> pd.DataFrame:
    """Return the share of right answers among those that are real or synthetic.

    A row for each group. Columns: who, answers and pictures (their numbers), right (the share), and
    low and high, its interval.
    """
    rows = []
    for who, of_group in iterate_groups(answers):
        decided = of_group[of_group["said"] != CANNOT_TELL].copy()
        decided["right"] = decided["said"] == decided["source"]
        right = mean_by_picture(decided, "right")
        share = float(right.mean()) if right.size else float("nan")
        rows.append((who, len(decided), right.size, share, *share_interval(share, right.size)))
    return pd.DataFrame(rows, columns=["who", "answers", "pictures", "right", "low", "high"])


def agreement_table(answers: pd.DataFrame) -> pd.DataFrame:
    """Return Fleiss' kappa of each group of two readers or more.

    A row for each group and question. Columns: who, question, readers (their number), pictures
    (those that all of them answered), kappa.

    For real or synthetic, "cannot tell" is a category of its own. Scores are categories without an
    order, as in Fleiss' definition: 4 against 5 counts as much as 1 against 5.
    """
    rows = []
    for who, of_group in iterate_groups(answers):
        readers = of_group["reader"].nunique()
        is_complete = of_group.groupby("picture")["reader"].transform("nunique") == readers
        shared = of_group[is_complete]
        for question, column in (("score", "opinion"), ("real or synthetic", "said")):
            if readers > 1:
                counts = pd.crosstab(shared["picture"], shared[column]).to_numpy()
                rows.append((who, question, readers, len(counts), fleiss_kappa(counts)))
    return pd.DataFrame(rows, columns=["who", "question", "readers", "pictures", "kappa"])
