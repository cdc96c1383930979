"""One sample to be."""

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """One sample to be, as plain JSON: from it alone the sample can be made again.

    id: "<group>/<subject id>/<variant>/<replicate>", the case's identity; a recipe without groups
        leaves the first out.
    subject: {"source": "phantom" | "bids" | "nifti", "id": str, and what the source needs to load
        it: for a phantom gestational_age_weeks and seed, for files path, rec, mapping, ...}.
    variant: the swept values in words, e.g. "grade=2"; "" where nothing is swept.
    edits: [{"dilate_ventricles": {"radius_mm": 3.0, "into": ["white_matter"]}}, ...] in order,
        without those that `when` switches off; the recipe's second of an operator has beside it
        {"as": "dilate_ventricles_2"}, what its columns are named after.
    appearance: {"model": str, "fuse": "mean" | "closest_two" | {"reject_outliers": {"m": 0.5}},
        "style_seed": int, "uncertainty": bool, "original": bool}, and {"mixed_precision": True}
        where that is asked for.
    grid: {"shape": [z, y, x], "spacing_mm": float}, what is rendered and stored.
    requested: the drawn and swept parameters by column name, scalars (grade, radius_mm, ..., an
        axis as rotation_degrees_z); those of an edit that is switched off are left out. A column
        has one name in a whole recipe.
    group: the group's name, "" in a recipe without.
    labels: those of the dataset beside FETA's, in order of their values: {"name": "lesion",
        "looks_like": "white_matter"}, the tissue as which they are painted; where there are none,
        the JSON has no such key.
    acquisition: {"scanner": str, "labels": "volume" | "stack", "parameters": what
        factory.acquisition.acquire takes, "seed": int}; {} in a recipe without, and then not in
        the JSON.
    gate: {"model": str, "tries": int, "structures": {"ventricles": {"dice": 0.85}, ...}}; likewise.
    """

    id: str
    subject: dict[str, Any]
    variant: str
    replicate: int
    edits: list[dict[str, Any]]
    appearance: dict[str, Any]
    grid: dict[str, Any]
    requested: dict[str, Any]
    group: str = ""
    labels: list[dict[str, str]] = field(default_factory=list)
    acquisition: dict[str, Any] = field(default_factory=dict)
    gate: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces; the same case gives the same bytes."""
        plain = dict(vars(self))
        for optional in ("labels", "acquisition", "gate"):
            if not plain[optional]:
                del plain[optional]
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @staticmethod
    def from_json(text: str) -> "Case":
        return Case(**json.loads(text))
