"""Describe in words what the scanner of a recipe does."""

from collections.abc import Callable, Iterator

from factory.config.parameters import extremes
from factory.config.phrases import parameter_text
from factory.config.sweep_keywords import parameter_keyword
from factory.storage.json_value import JsonObject, JsonValue

_NUMBERS = ("one", "two", "three", "four", "five", "six")
_MOTIONS = ((0, "no motion"), (1.5, "a bit of motion"), (3, "motion"), (1e9, "a lot of motion"))


def explain_scan(acquisition: JsonObject | None) -> Iterator[str]:
    """Yield the sentences for a plain acquisition section; none if there is no section."""
    if acquisition is None:
        return
    scanner = acquisition.get("scanner", {}).get("name")
    stacks = acquisition.get("stacks")
    yield (
        f"{f'On a {scanner} scanner' if scanner else 'Scanned'}: "
        f"{_stacks(stacks) if stacks else 'the volume itself, slice by slice'}."
    )
    defects = [
        describe(acquisition[key]) for key, describe in _DEFECTS.items() if key in acquisition
    ]
    if defects:
        yield f"With {'; '.join(defects)}."
    if acquisition["labels"] == "stack":
        yield "Labels stay with the volume, and follow each stack too."


def _stacks(s: JsonObject) -> str:
    names = s["orientations"]
    noun = "stack" if len(names) == 1 else "stacks"
    gap = "" if s["gap_mm"] == 0 else f", gaps {parameter_text(s['gap_mm'], 'mm')}"
    return (
        f"{_NUMBERS[len(names) - 1]} {noun} ({', '.join(names)}), slices "
        f"{parameter_text(s['thickness_mm'], 'mm')} thick{gap}, "
        f"{parameter_text(s['in_plane_mm'], 'mm')} in plane"
    )


def _motion(m: JsonObject) -> str:
    amount = max(_middle(m["translation_mm"]), _middle(m["rotation_degrees"]) / 1.5)
    how = next(word for most, word in _MOTIONS if amount <= most)
    drift = (
        parameter_text(m["translation_mm"], "mm"),
        parameter_text(m["rotation_degrees"], "degrees"),
    )
    jerks = "" if m["jerk_share"] == 0 else f", jerks in {_share_text(m['jerk_share'])} of slices"
    return f"{how} (drift {drift[0]}, turning {drift[1]}{jerks})"


def _voids(v: JsonObject) -> str:
    size, share = parameter_text(v["size_mm"], "mm"), _share_text(v["share"])
    return f"signal voids of {size} in {share} of slices"


def _kspace(k: JsonObject) -> str:
    train = f", an echo train of {parameter_text(k['echo_train_ms'], 'ms')}"
    blur = (
        "" if k["echo_train_ms"] == 0 else f"{train} at a T2 of {parameter_text(k['t2_ms'], 'ms')}"
    )
    readout = (
        "" if k["readout_kept"] == 1 else f" and {_share_text(k['readout_kept'])} of the readout"
    )
    return f"{_share_text(k['kept'])} of the phase-encoding lines{readout}{blur}"


def _bias_field(b: JsonObject) -> str:
    order, strength = parameter_text(b["order"]), parameter_text(b["strength"])
    return f"a bias field of order {order}, strength {strength}"


_DEFECTS: dict[str, Callable[[JsonValue], str]] = {
    "motion": _motion,
    "dropped": lambda d: f"{_share_text(d['share'])} of slices dropped",
    "voids": _voids,
    "kspace": _kspace,
    "noise": lambda n: f"signal-to-noise ratio {parameter_text(n['snr'])}",
    "bias_field": _bias_field,
    "gamma": lambda g: f"gamma {parameter_text(g)}",
    "contrast": lambda c: f"contrast {parameter_text(c)}",
    "histogram": lambda h: f"the brightness of {h['reference']}",
}


def _share_text(node: JsonValue) -> str:
    """Return a share in words; in percent if it is one number."""
    return (
        f"{100 * node:g} %"
        if isinstance(node, int | float)
        else f"a share ({parameter_text(node)})"
    )


def _middle(node: JsonValue) -> float:
    """Return the middle of a plain numeric parameter."""
    word = parameter_keyword(node)
    body = node[word] if word else node
    if isinstance(body, dict) and "median" in body:
        return float(body["median"])
    limits = extremes(node)
    return (min(limits) + max(limits)) / 2
