"""The JSON file that an evaluation writes beside its tables.

It names the dataset that the figures belong to and what it was compared with, and holds the
remarks that a reader of the figures must know.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from factory.storage.dataset.dataset import Dataset
from factory.storage.json_value import JsonValue


def write_summary(
    output: Path,
    kind: str,
    dataset: Dataset,
    real: str,
    remarks: Sequence[str],
    **further: JsonValue,
) -> None:
    """Write KIND.json into a folder.

    Args:
        output: The folder.
        kind: "paired", "distribution", "deformation", "audit" or "downstream".
        dataset: The dataset that was scored.
        real: What it was compared with, as the user named it.
        remarks: What was left out or assumed.
        **further: Further keys of the file.
    """
    content = {
        "dataset": dataset.path,
        "recipe_digest": dataset.record["recipe_digest"],
        "real": real,
        "remarks": list(remarks),
        **further,
    }
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    (output / f"{kind}.json").write_text(text, encoding="utf-8")
