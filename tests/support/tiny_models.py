"""A SPADE model as training writes it, tiny and untrained, and options of a small recipe for it."""

from pathlib import Path

import torch

from factory.models.checkpoint import save_model
from factory.models.spade.network import SpadeConfig, SpadeGenerator
from factory.storage.subjects.types import FETA

FROZEN = Path(__file__).parents[1] / "golden" / "workplace" / "recipes"
RECIPE = str(FROZEN / "hydrocephalus.yaml")
"""Heads in five grades, all painted by one model; of the golden tests."""


def tiny_model(folder: Path) -> str:
    sizes = {"labels": 8, "width": 2, "hidden": 4, "latent": 0}
    torch.manual_seed(0)
    orientations = ("sagittal", "coronal", "axial")
    networks = {name: SpadeGenerator(SpadeConfig(**sizes)) for name in orientations}
    card = {
        "name": "tiny",
        "family": "spade",
        "config": sizes,
        "orientations": list(orientations),
        "label_table": {"names": list(FETA.names)},
        "training": {"gestational_age_weeks": [24, 30]},
    }
    save_model(folder, networks, card)
    return str(folder)


def small(model: str) -> list[str]:
    """Options that make the recipe small."""
    return [
        f"--set=appearance.model={model}",
        "--set=output.spacing_mm=3",
        "--set=subjects.phantom.count=1",
        "--set=subjects.phantom.gestational_age_weeks=21",
        "--set=anatomy.0.ventriculomegaly.grade={each: [0, 4]}",
        "--set=anatomy.0.ventriculomegaly.mode=dilate",  # 3 mm voxels are too coarse to displace
    ]
