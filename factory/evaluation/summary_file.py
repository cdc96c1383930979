"""What is said of the scores in a folder, beside their tables: of which dataset they are, against
what, and what a reader of the figures must know."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from factory.storage.dataset.dataset import Dataset


def write_about(
    output: Path, kind: str, dataset: Dataset, real: str, remarks: Sequence[str], **further: Any
) -> None:
    """Writes KIND.json. kind: paired, distribution, audit or downstream. further: what else there
    is to keep, plain JSON."""
    content = {
        "dataset": dataset.path,
        "recipe_digest": dataset.record["recipe_digest"],
        "real": real,
        "remarks": list(remarks),
        **further,
    }
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    (output / f"{kind}.json").write_text(text, encoding="utf-8")
