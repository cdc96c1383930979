"""Files that say which structure each value of a label map is.

| file | format |
|---|---|
| `*.tsv` | BIDS: columns index and name, and optionally r, g, b or color |
| `*.json` | nnU-Net's dataset.json: {"labels": {name: value}} |
| `*.txt`, `*.ctab`, `*.lut`, `*.label` | FreeSurfer: value name R G B A; ITK-SNAP: value R G B A VIS MESH "name" |
"""  # noqa: E501 (a table)

import csv
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from factory.storage.errors import SubjectError
from factory.storage.subjects.label_names import (
    BACKGROUND,
    is_background_name,
    normalise_label_name,
)

Colour = tuple[int, int, int]

MAX_VALUE = 65535

ITK_SNAP_LINE = re.compile(r'(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+[\d.]+\s+\d\s+\d\s+"(.*)"')
FREESURFER_LINE = re.compile(r"(\d+)\s+(\S+)\s+(\d+)\s+(\d+)\s+(\d+)(?:\s+\d+)?")


@dataclass(frozen=True)
class LabelFile:
    """What a table of labels says.

    Attributes:
        names: The name of each value, as the file spells it.
        colours: (r, g, b) in 0–255 by value, where the file gives them.
    """

    names: dict[int, str]
    colours: dict[int, Colour] = field(default_factory=dict)

    @property
    def mapping(self) -> dict[int, str]:
        """The normalised name of each value; the value 0 is background by any usual name."""
        mapping = {}
        for value, text in self.names.items():
            name = normalise_label_name(text)
            is_background = value == 0 and is_background_name(name)
            mapping[value] = BACKGROUND if is_background else name
        return mapping

    @property
    def colours_by_name(self) -> dict[str, Colour]:
        """The colour of each normalised name; of several values with one name the first's."""
        by_name: dict[str, Colour] = {}
        for value, name in self.mapping.items():
            if value in self.colours:
                by_name.setdefault(name, self.colours[value])
        return by_name


def read_label_file(path: str | Path) -> LabelFile:
    """Read a table of labels in any of the formats above.

    Raises:
        SubjectError: If the file is missing or in none of the formats, names no label, gives a
            value two names or a value that is no whole number from 0 to 65535; in one line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SubjectError(f"{path}: no such file, a table of labels") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SubjectError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
    if path.suffix == ".tsv":
        table = _parse_bids(path, text)
    elif path.suffix == ".json":
        table = _parse_nnunet(path, text)
    else:
        table = _parse_lines(path, text)
    if not any(value for value in table.names):
        raise SubjectError(f"{path}: names no label beside the background")
    return table


def _parse_bids(path: Path, text: str) -> LabelFile:
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    if not {"index", "name"} <= set(rows.fieldnames or ()):
        raise SubjectError(f"{path}: needs the columns index and name, has {rows.fieldnames}")
    table = LabelFile({})
    for row in rows:
        where = f"{path}, line {rows.line_num}"
        value = _parse_value((row["index"] or "").strip(), where)
        _add(table, value, (row["name"] or "").strip(), where)
        if colour := _parse_bids_colour(row):
            table.colours[value] = colour
    return table


def _parse_bids_colour(row: dict[str, str | None]) -> Colour | None:
    """Return a row's colour from the columns r, g, b, or from color as #rrggbb."""
    levels = [(row.get(key) or "").strip() for key in "rgb"]
    if all(level.isdecimal() and int(level) <= 255 for level in levels):
        return int(levels[0]), int(levels[1]), int(levels[2])
    match = re.fullmatch(r"#?([0-9a-fA-F]{6})", (row.get("color") or "").strip())
    return tuple(bytes.fromhex(match[1])) if match else None  # type: ignore[return-value]


def _parse_nnunet(path: Path, text: str) -> LabelFile:
    try:
        content = json.loads(text)
        pairs = list(content["labels"].items())
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SubjectError(f'{path}: needs {{"labels": {{name: value}}}}, as nnU-Net has') from None
    table = LabelFile({})
    for key, value in pairs:
        where = f"{path}: labels: {key}"
        if str(key).isdecimal() and isinstance(value, str):  # nnU-Net's first version: value: name
            _add(table, _parse_value(key, where), value, where)
        elif isinstance(value, list):  # a region of several values
            raise SubjectError(
                f"{where}: value {value}; allowed: one value for each name (give regions as "
                "regions: in the recipe)"
            )
        else:
            _add(table, _parse_value(str(value), where), str(key), where)
    _add_own_colours(table, content.get("label_colours"))
    return table


def _add_own_colours(table: LabelFile, colours: object) -> None:
    """Add the colours (r, g, b) by name that our own exports record, where they are valid."""
    for value, name in table.names.items():
        colour = colours.get(name) if isinstance(colours, dict) else None
        if isinstance(colour, list) and len(colour) == 3 and all(c in range(256) for c in colour):
            table.colours[value] = (int(colour[0]), int(colour[1]), int(colour[2]))


def _parse_lines(path: Path, text: str) -> LabelFile:
    """Parse a FreeSurfer colour table or an ITK-SNAP label file."""
    table = LabelFile({})
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if not line or line.startswith("#"):
            continue
        where = f"{path}, line {number}"
        if match := ITK_SNAP_LINE.fullmatch(line):
            name, levels = match[5], match.groups()[1:4]
        elif match := FREESURFER_LINE.fullmatch(line):
            name, levels = match[2], match.groups()[2:5]
        else:
            raise SubjectError(
                f"{where}: value {line[:60]!r}; allowed: a line of a FreeSurfer colour table "
                "(value name R G B A) or of an ITK-SNAP label file"
            )
        value = _parse_value(match[1], where)
        _add(table, value, name, where)
        r, g, b = (min(int(level), 255) for level in levels)
        table.colours[value] = (r, g, b)
    return table


def _parse_value(text: str, where: str) -> int:
    if not text.isdecimal() or int(text) > MAX_VALUE:
        raise SubjectError(
            f"{where}: label value {text}; allowed: a whole number from 0 to {MAX_VALUE}"
        )
    return int(text)


def _add(table: LabelFile, value: int, name: str, where: str) -> None:
    if not normalise_label_name(name):
        raise SubjectError(f"{where}: label {value} has no name")
    if table.names.setdefault(value, name) != name:
        raise SubjectError(
            f"{where}: label {value} is {name}, but an earlier line has {table.names[value]}; "
            "allowed: one name for each value"
        )
