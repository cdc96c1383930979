"""Find the unit at the end of a key (`_mm`, `_weeks`, `_ml`, `_degrees`, `_ms`), and give hints."""

import re
from collections.abc import Sequence

UNITS = {
    "mm": "millimetres",
    "weeks": "weeks",
    "ml": "millilitres",
    "degrees": "degrees",
    "ms": "milliseconds",
}
"""The unit that a key ends in, and its name."""

_SIZES = {
    "mm": {"um": 0.001, "mm": 1.0, "cm": 10.0, "m": 1000.0},
    "weeks": {"d": 1 / 7, "day": 1 / 7, "days": 1 / 7, "w": 1.0, "wk": 1.0, "week": 1.0},
    "ml": {"mm3": 0.001, "ul": 0.001, "ml": 1.0, "cc": 1.0, "cm3": 1.0, "l": 1000.0},
    "degrees": {"deg": 1.0, "degree": 1.0, "°": 1.0, "rad": 57.29577951308232},
    "ms": {"us": 0.001, "ms": 1.0, "s": 1000.0},
}
for _unit, _table in _SIZES.items():
    _table[_unit] = 1.0

_OTHERS = sorted(
    {name for table in _SIZES.values() for name in table} | {"months", "vox", "voxels"}
)
_QUANTITY = re.compile(r"\s*([-+]?\d{1,9}(?:\.\d{0,9})?)\s*([a-zA-Z°]+3?)\s*")


def unit_of(key: object) -> str | None:
    """Return the unit that a key ends in: "mm" for "radius_mm", None for a key without a unit."""
    last = str(key).rpartition("_")[2]
    return last if last in UNITS else None


def value_hint(value: object, path: Sequence[object]) -> str:
    """Return a hint on a value with a unit such as "3mm", or "" for any other value.

    Args:
        value: The value.
        path: The path of the value; the last key with a unit decides which unit is expected.
    """
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) and len(value) < 40 else None
    if match is None:
        return ""
    number, written_unit = match.groups()
    key = next((step for step in reversed(path) if unit_of(step)), None)
    if key is None:
        return f"; write the number alone, {number}"
    unit = unit_of(key) or ""
    size = _SIZES[unit].get(written_unit.lower())
    if size is None:
        return f"; {key} is in {UNITS[unit]}, without the unit"
    return f"; {key} is in {UNITS[unit]}: write {float(number) * size:.6g}"


def key_hint(key: object, keys: Sequence[str]) -> str:
    """Return a hint on an unknown key that differs from an allowed one only in its unit, or ""."""
    front, _, last = str(key).lower().rpartition("_")
    stem = front if front and last in _OTHERS else str(key).lower()
    for key_name in keys:
        unit = unit_of(key_name)
        if unit is None or len(stem) < 2:
            continue
        name = key_name.removesuffix(f"_{unit}")
        if stem == name or name.endswith(f"_{stem}") or name.startswith(f"{stem}_"):
            return f"; did you mean {key_name}? it is in {UNITS[unit]}"
    return ""
