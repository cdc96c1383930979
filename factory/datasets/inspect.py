"""The report of `factory inspect`: what a dataset holds and whether it is complete."""

from dataclasses import dataclass

from factory.datasets.structures import telling_columns
from factory.results import failure_lines, failures_json
from factory.storage.dataset.dataset import Dataset
from factory.storage.dataset.layout import label_table_json
from factory.storage.dataset.open import open_dataset
from factory.storage.json_value import JsonObject
from factory.storage.subjects.channels import describe_channels

MOST_VOLUMES = 4
"""Volumes that are summarised, where there are no measures of fetal heads."""

_SHOWN = ("atrial_width_mm", "volume_ml_ventricles")


@dataclass(frozen=True)
class DatasetReport:
    """What a dataset holds, as JSON and as lines of text.

    Attributes:
        content: The report as JSON.
        columns: The columns that the lines summarise.
    """

    content: JsonObject
    columns: tuple[str, ...]

    def to_json(self) -> JsonObject:
        """Return the report as JSON."""
        return self.content

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        c = self.content
        state = (
            "complete" if c["complete"] else f"not complete: {c['standing']} samples are finished"
        )
        overrides = c["record"].get("recipe", {}).get("overrides")
        measures = c["measures_by_grade"]
        if c["growing_to"]:
            state += f"; growing to {c['growing_to']} samples, not sealed yet"
        return [
            f"dataset   {c['path']} ({state})",
            *failure_lines({one["sample"]: one["why"] for one in c["failures"]}),
            f"samples   {c['samples']} of {_size_text(c['shape'])} voxels (z, y, x)",
            *(
                f"array     {name}: {a['dtype']}, "
                + ("" if a["shape"] == c["shape"] else f"at most {_size_text(a['shape'])}, ")
                + (f"{describe_channels(a['channels'])}, " if "channels" in a else "")
                + f"bricks {_size_text(a['brick'])}, "
                f"{a['bytes'] / 1e6:.1f} MB"
                for name, a in c["arrays"].items()
            ),
            f"labels    {', '.join(str(row['value']) + ' ' + row['name'] for row in c['labels'])}",
            f"recipe    digest {c['recipe_digest'][:12]}"
            + (f", changed: {overrides}" if overrides else ""),
            f"made on   {c['environment']['device']}, {c['environment']['instruction_set']}, "
            f"numpy {c['environment']['versions'].get('numpy')}, "
            f"torch {c['environment']['versions'].get('torch')}",
            f"clipped   at most {100 * (c['clipped_fraction_max'] or 0):.3f} % of a sample",
            *(
                f"{'grade ' + grade if grade else 'all':<9} {row.pop('samples')} samples; "
                + "; ".join(
                    f"{name} {r['min']:.1f} to {r['max']:.1f}, mean {r['mean']:.1f}"
                    for name, r in row.items()
                    if name in self.columns
                )
                for grade, row in ((g, dict(row)) for g, row in measures.items())
            ),
            f"digest    {c['digest'] or 'not computed'}",
        ]


def _size_text(shape: list[int]) -> str:
    return " × ".join(map(str, shape))


def inspect_dataset(path: str, *, with_digest: bool = True) -> DatasetReport:
    """Report what a dataset holds.

    Args:
        path: A folder or URL.
        with_digest: Whether to compute the digest of a complete dataset, which reads all of it.

    Raises:
        DatasetError: There is no dataset, or a shard is missing or damaged.
    """
    dataset = open_dataset(path)
    layout, record = dataset.layout, dataset.record
    channels = layout.channels
    table = dataset.cases()
    recipe = record.get("recipe", {}).get("resolved", {})
    complete = dataset.is_complete()
    stored = dataset.stored_bytes()
    clipped = table.filter(like="clipped_fraction").max().max() if len(table) else None
    return DatasetReport(
        {
            "path": dataset.path,
            "complete": complete,
            "growing_to": dataset.growth_target(),
            "samples": layout.samples,
            "standing": len(table),
            "digest": dataset.digest() if complete and with_digest else None,
            "failures": failures_json(dataset.failures()),
            "shape": list(layout.shape),
            "arrays": {
                name: {
                    "dtype": layout.dtype_of(name).name,
                    "shape": list(layout.shape_of(name)),
                    "brick": list(layout.brick_of(name)),
                    "samples_per_shard": layout.samples_per_shard,
                    "range": list(layout.ranges[name]) if name in layout.ranges else None,
                    "bytes": stored[name],
                    **({"channels": list(channels[name])} if name in channels else {}),
                }
                for name in layout.arrays
            },
            "labels": label_table_json(layout.table),
            "recipe_digest": record["recipe_digest"],
            "environment": record["environment"],
            "record": {k: v for k, v in record.items() if k not in ("layout", "environment")},
            "clipped_fraction_max": None if clipped is None else float(clipped),
            "measures_by_grade": measures_by_grade(dataset),
        },
        ("gestational_age_weeks", *telling_columns(table, recipe, _SHOWN, MOST_VOLUMES)),
    )


def measures_by_grade(dataset: Dataset) -> dict[str, JsonObject]:
    """Return the number of samples, and minimum, mean and maximum of each numeric column.

    They are listed by grade, or under "" if the dataset has no grades.
    """
    table = dataset.cases()
    if not len(table):
        return {}
    groups = table.groupby("grade", dropna=False) if "grade" in table else [("", table)]
    identity = {"sample", "grade", "replicate"}
    columns = [name for name in table.select_dtypes("number").columns if name not in identity]
    return {
        _grade_text(grade): {
            "samples": len(rows),
            **{
                name: {
                    "min": float(rows[name].min()),
                    "mean": float(rows[name].mean()),
                    "max": float(rows[name].max()),
                }
                for name in columns
                if rows[name].notna().any()
            },
        }
        for grade, rows in groups
    }


def _grade_text(grade: object) -> str:
    """Return a grade as text; it is a float in a column with missing values."""
    if isinstance(grade, float):
        return "none" if grade != grade else f"{grade:g}"
    return str(grade)
