"""The columns of a dataset for the parameters of `appearance.contrast`."""

from collections.abc import Iterator

from factory.storage.json_value import JsonObject, JsonValue

PREFIX = "appearance.contrast."
"""The start of the full names of the section's parameters."""

LOOK_KEYS = ("blur_mm", "slice_mm", "plane", "gamma")
"""The parameters of the whole image."""


def contrast_numbers(section: JsonObject | None) -> dict[str, JsonValue]:
    """Return every parameter of a filled section in plain JSON, by its full name."""
    if not section:
        return {}
    numbers: dict[str, JsonValue] = {PREFIX + key: section[key] for key in LOOK_KEYS}
    for label, layers in (section.get("layers") or {}).items():
        numbers[f"{PREFIX}layers.{label}.spread"] = layers["spread"]
    numbers |= dict(_label_numbers(section, PREFIX))
    for name, channel in (section.get("channels") or {}).items():
        numbers |= dict(_label_numbers(channel, f"{PREFIX}channels.{name}."))
    return numbers


def _label_numbers(channel: JsonObject, prefix: str) -> Iterator[tuple[str, JsonValue]]:
    """Yield the means and spreads that a recipe gives to single labels."""
    for label, look in (channel.get("labels") or {}).items():
        for key in ("mean", "sd"):
            if key in look:
                yield f"{prefix}labels.{label}.{key}", look[key]


def contrast_column(name: str) -> str:
    """Return the column of a parameter.

    "appearance.contrast.blur_mm" -> "blur_mm", and "appearance.contrast.labels.liver.mean" ->
    "contrast_liver_mean".
    """
    words = name.removeprefix(PREFIX).split(".")
    if len(words) == 1:
        return words[0]
    return "_".join(["contrast", *(w for w in words if w not in ("labels", "channels"))])
