"""What the golden tests hold against records: computed here, the same way for both."""

import contextlib
import importlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from typer.main import get_command

from factory import cli
from factory.cli.datasets import FORMATS
from factory.families.registry import load_training
from factory.planning.cases import count_cases, iterate_cases
from factory.schema.render_recipe import load_recipe_file
from factory.storage.dataset.environment import current_environment
from factory.storage.dataset.open import open_dataset
from factory.text import join_names

RECORDED = Path(__file__).parent / "recorded"

SMALL_HEAD = (
    "output.spacing_mm=3",
    "subjects.phantom.count=1",
    "subjects.phantom.gestational_age_weeks=22",
    "anatomy.0.ventriculomegaly.grade={each: [0, 4]}",
    "anatomy.0.ventriculomegaly.mode=dilate",  # 3 mm voxels are too coarse to displace
)
SMALL_TOUR = (
    "output.spacing_mm=3",
    "groups.ventriculomegaly.anatomy=[{dilate_ventricles: "
    "{radius_mm: {zip: [3, 6]}, into: [white_matter, grey_matter]}}]",
    "groups.rare.anatomy.0.cerebellar_hypoplasia.share_of_norm=0.9",
    "groups.rare.anatomy.1.cortical_thinning.share={range: [0, 0.1, 0.1]}",
)
GATE = "gate={ventricles: {dice: 0.9}, tries: 2}"
DATASETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "head": ("hydrocephalus", SMALL_HEAD),
    "head with a scanner": ("tour", SMALL_TOUR),
    "heads with every edit": ("every-edit", ()),
    "head with a trained fusion and a gate": ("cnn-fusion", (*SMALL_HEAD, GATE)),
    "hearts": ("cardiac-interpolation", ("interpolate.steps=2", "interpolate.slices=6")),
    "hearts from latents": ("cardiac-latents", ("latents.count=3",)),
    "ultrasound": ("ultrasound-to-mri", ()),
}
"""Small renders by name: a frozen recipe, and what is changed in it."""

PUBLIC = {
    "factory": ("open",),
    "factory.torch": ("PatchDataset", "PatchLoader", "PatchSampler"),
}
"""Modules that users import, and the names that they find there."""


def verbs(command: Any, words: str = "") -> Iterator[str]:
    """The words of every command and sub-command."""
    yield words
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        yield from verbs(inner, f"{words} {name}".strip())


VERBS = list(verbs(get_command(cli.app)))


def recipe_values(workplace: Path) -> dict[str, Any]:
    """By recipe: digest, number of cases, first and last case. The working folder is workplace."""
    recipes = {}
    for file in sorted(workplace.glob("recipes/*.yaml")):
        recipe = load_recipe_file(file.relative_to(workplace))
        count = count_cases(recipe)
        first, last = (next(iterate_cases(recipe, index)).to_json() for index in (0, count - 1))
        recipes[file.stem] = {
            "digest": recipe.digest,
            "cases": count,
            "first": json.loads(first),
            "last": json.loads(last),
        }
    for file in sorted(workplace.glob("recipes/train/*.yaml")):
        recipe = load_training(file.relative_to(workplace))
        recipes[f"train/{file.stem}"] = {"digest": recipe.digest}
    return recipes


def render(name: str, *options: str) -> str:
    """Render one of DATASETS in the working folder; return the dataset's path."""
    recipe, changes = DATASETS[name]
    output = f"{name.replace(' ', '-')}{''.join(options)}.zarr"
    output_text = io.StringIO()
    arguments = ["render", recipe, *(f"--set={c}" for c in changes), f"--output={output}"]
    with contextlib.redirect_stdout(output_text), contextlib.redirect_stderr(output_text):
        code = cli.main([*arguments, *options])
    assert code == (3 if GATE in changes else 0), output_text.getvalue()
    return output


def dataset_values(path: str) -> dict[str, Any]:
    """A dataset's digest, the environment that its bits depend on, and a summary that holds in
    every environment: voxels and mean intensity by label of the first and the last sample."""
    dataset, here = open_dataset(path), current_environment("cpu", 1)
    samples = [dataset.sample(index) for index in (0, dataset.layout.samples - 1)]
    summary = []
    for sample in samples:
        label, image = sample.arrays["label"], sample.arrays["image"]
        values = [int(v) for v in np.unique(label)]
        summary.append(
            {
                "voxels": {str(v): int((label == v).sum()) for v in values},
                "intensity": {str(v): round(float(image[label == v].mean()), 4) for v in values},
            }
        )
    return {
        "digest": dataset.digest(),
        "environment": {key: here[key] for key in ("instruction_set", "lock_digest")},
        "columns": list(dataset.cases().columns),
        "arrays": list(dataset.layout.arrays),
        "summary": summary,
    }


def help_texts() -> dict[str, str]:
    """The text of `factory --help` and of every verb's `--help`."""
    texts = {}
    for verb in VERBS:
        output_text = io.StringIO()
        with contextlib.redirect_stdout(output_text):
            assert cli.main([*verb.split(), "--help"]) == 0
        text = " ".join(output_text.getvalue().split())
        for names in (cli.SOURCES, cli.EDITS, cli.FAMILIES, FORMATS):
            text = text.replace(join_names(names), "...")  # whichever there are
        texts[f"factory {verb}".strip()] = text
    return texts


def public_names() -> dict[str, list[str]]:
    """The names of PUBLIC that are really there."""
    return {
        module: [name for name in names if hasattr(importlib.import_module(module), name)]
        for module, names in PUBLIC.items()
    }
