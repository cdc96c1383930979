"""Record the golden values anew.

    PYTHONPATH=tests python -m golden.record [recipes] [datasets] [help]

Only where an issue orders other bits, and with a line in CHANGELOG.md.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from golden import values, workplace


def main() -> None:
    kinds = sys.argv[1:] or ["recipes", "datasets", "help"]
    os.environ["COLUMNS"] = "100"
    with tempfile.TemporaryDirectory() as folder:
        place = workplace.set_up(Path(folder) / "workplace")
        os.chdir(place)
        if "recipes" in kinds:
            _write("recipes.json", values.recipe_values(place))
        if "datasets" in kinds:
            rendered = {name: values.render(name, "--serial") for name in values.DATASETS}
            _write("datasets.json", {n: values.dataset_values(p) for n, p in rendered.items()})
        if "help" in kinds:
            _write("help.json", values.help_texts())


def _write(name: str, values_by_name: object) -> None:
    (values.RECORDED / name).write_text(json.dumps(values_by_name, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
