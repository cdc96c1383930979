"""Recipe -> cases: sweeps, distributions and seeds. The only place that draws random parameters."""

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """One sample to be, as plain JSON: from it alone the sample can be made again.

    id: "<subject id>/<variant>/<replicate>", the case's identity.
    subject: {"source": "phantom" | "bids" | "nifti", "id": str, and what the source needs to load
        it: for a phantom gestational_age_weeks and seed, for files path, rec, mapping, ...}.
    variant: the swept values in words, e.g. "grade=2"; "" where nothing is swept.
    edits: [{"dilate_ventricles": {"radius_mm": 3.0, "into": ["white_matter"]}}, ...] in order.
    appearance: {"model": str, "fuse": "mean" | "closest_two" | {"reject_outliers": {"m": 0.5}},
        "style_seed": int, "uncertainty": bool}.
    grid: {"shape": [z, y, x], "spacing_mm": float}, what is rendered and stored.
    requested: the drawn and swept parameters by column name, scalars (grade, radius_mm, ...).
    """

    id: str
    subject: dict[str, Any]
    variant: str
    replicate: int
    edits: list[dict[str, Any]]
    appearance: dict[str, Any]
    grid: dict[str, Any]
    requested: dict[str, Any]

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces; the same case gives the same bytes."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @staticmethod
    def from_json(text: str) -> "Case":
        return Case(**json.loads(text))
