"""Parameters of a document in words."""

from typing import Any

from factory.config.sweep_keywords import word_of


def parameter(node: Any, unit: str | None = None) -> str:
    """A plain parameter in words."""
    word = word_of(node)
    end = f" {unit}" if unit else ""
    if isinstance(node, tuple | list) and any(word_of(axis) for axis in node):
        return ", ".join(
            f"{name} {parameter(v, unit)}" for name, v in zip("zyx", node, strict=True)
        )
    if word is None:
        return words(node) + end
    body = node[word]
    count = f", {node['count']} draws a case each" if "count" in node else ""
    if word in ("each", "zip"):
        step = " in step" if word == "zip" else ""
        return f"each of {words(body)}{end}{step}"
    if word == "range":
        return f"each from {body[0]:g} to {body[1]:g}{end} by {body[2]:g}"
    if word == "uniform":
        return f"drawn evenly from {body[0]:g} to {body[1]:g}{end}{count}"
    if word == "normal":
        shape = f"normal about {body['mean']:g}, sd {body['sd']:g}"
        return f"drawn {shape}, from {body['min']:g} to {body['max']:g}{end}{count}"
    if word == "lognormal":
        shape = f"lognormal about {body['median']:g}, spread {body['spread']:g}"
        return f"drawn {shape}, from {body['min']:g} to {body['max']:g}{end}{count}"
    if isinstance(body, dict):
        whole = sum(body.values())
        shares = (f"{words(value)} ({100 * w / whole:.3g} %)" for value, w in body.items())
        return f"one of {', '.join(shares)}{end}{count}"
    return f"one of {words(body)}{end}{count}"


def words(value: Any) -> str:
    """A plain value in words."""
    if isinstance(value, dict):
        return ", ".join(f"{words(key)}: {words(v)}" for key, v in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(map(words, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
