"""The table of a protocol: rows of datasets that teach, seeds, people, and an interval over both.

Every finished training is two files in OUTPUT/scores, its weights and its scores; the same command
goes on with what is missing.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.teaching.segmenter import TrainingPlan, test_segmenter, train_segmenter

DRAWS = 2000
Scores = dict[str, dict[str, float]]
"""The Dice of each structure, by person."""


@dataclass(frozen=True)
class Fold:
    """What is trained on, and who is tested.

    Attributes:
        train: The share of the patches that come from each dataset, by its name.
        test: The name of the dataset that is tested.
    """

    train: Mapping[str, float]
    test: str


@dataclass(frozen=True)
class Row:
    """A row of the table; its folds test different people."""

    name: str
    folds: tuple[Fold, ...]


@dataclass(frozen=True)
class Protocol:
    """A table, and how its trainings are done.

    Attributes:
        output: The folder of everything that is made.
        plan: How a segmenter is trained.
        structures: The names of the classes from 1 on.
        make_dataset: Returns the path of a dataset by its name; makes it if it is missing.
        person_of: The person of a subject's id.
    """

    output: Path
    plan: TrainingPlan
    structures: Sequence[str]
    make_dataset: Callable[[str], str]
    person_of: Callable[[str], str] = str


def sweep_rows(name: str, real: Sequence[Fold], synthetic: Sequence[Fold]) -> list[Row]:
    """Return rows from real patches alone to synthetic ones alone, in steps of a quarter."""
    rows = []
    for percent in (0, 25, 50, 75, 100):
        share = percent / 100
        folds = []
        for a, b in zip(real, synthetic, strict=True):
            train = {**{n: s * (1 - share) for n, s in a.train.items()}}
            train |= {n: s * share for n, s in b.train.items()}
            folds.append(Fold({n: s for n, s in train.items() if s}, a.test))
        rows.append(Row(f"{name}, {percent} %", tuple(folds)))
    return rows


def score_row(protocol: Protocol, row: Row, steps: int, seed: int) -> Scores:
    """Return the scores of one seed of a row; train and test what is missing."""
    folder = protocol.output / "scores"
    folder.mkdir(parents=True, exist_ok=True)
    scores: Scores = {}
    for number, fold in enumerate(row.folds):
        shares = "+".join(f"{name}-{share:g}" for name, share in fold.train.items())
        stem = f"{shares}-on-{fold.test}-{steps}-{seed}"
        file = folder / f"{stem}.json"
        if not file.exists():
            print(f"{row.name}, {steps} steps, seed {seed}, fold {number}", flush=True)
            datasets = {protocol.make_dataset(n): share for n, share in fold.train.items()}
            tested = protocol.make_dataset(fold.test)
            checkpoint = folder / f"{stem}.safetensors"
            network = train_segmenter(datasets, protocol.plan, steps, seed, checkpoint)
            result = test_segmenter(network, tested, protocol.plan, protocol.structures)
            file.write_text(json.dumps(result, indent=1))
        scores |= json.loads(file.read_text())
    return scores


def mean_by_person(protocol: Protocol, scores: Scores, structure: str | None) -> dict[str, float]:
    """Return the Dice of each person: of one structure, or the mean over all."""
    values: dict[str, list[float]] = {}
    for subject, dice in scores.items():
        chosen_dice = list(dice.values()) if structure is None else [dice[structure]]
        values.setdefault(protocol.person_of(subject), []).append(float(np.mean(chosen_dice)))
    return {person: float(np.mean(of_person)) for person, of_person in values.items()}


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the mean of [seeds, people] by resampling both."""
    rng = np.random.Generator(np.random.Philox(1))
    seeds, people = values.shape
    means = [
        values[np.ix_(rng.integers(seeds, size=seeds), rng.integers(people, size=people))].mean()
        for _ in range(DRAWS)
    ]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def write_table(
    protocol: Protocol,
    rows: Sequence[Row],
    steps: Sequence[int],
    seeds: int,
    columns: Sequence[str] = (),
) -> str:
    """Train and test every row, and write the table to OUTPUT/table.md; return it.

    Args:
        protocol: The protocol.
        rows: The rows.
        steps: The budgets; each row is trained with each.
        seeds: Seeds of each row and budget.
        columns: Structures with columns of their own, beside the mean over all.
    """
    head = ["row", "steps", "seeds", "people", "mean Dice", "95 % interval", *columns]
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for count in steps:
        for row in rows:
            scored = [score_row(protocol, row, count, seed) for seed in range(seeds)]
            means = [mean_by_person(protocol, scores, None) for scores in scored]
            values = np.array([[of_seed[p] for p in sorted(of_seed)] for of_seed in means])
            low, high = interval(values)
            cells = [row.name, str(count), str(seeds), str(values.shape[1])]
            cells += [f"{values.mean():.3f}", f"{low:.3f} to {high:.3f}"]
            for structure in columns:
                by_person = [mean_by_person(protocol, scores, structure) for scores in scored]
                cells.append(f"{np.mean([list(d.values()) for d in by_person]):.3f}")
            lines.append(" | ".join(cells))
            print(lines[-1], flush=True)
    text = "\n".join(f"| {line} |" for line in lines) + "\n"
    (protocol.output / "table.md").write_text(text)
    return text
