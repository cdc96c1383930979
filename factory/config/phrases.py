"""Parameters of a document in words."""

from typing import Any

from factory.config.sweep_keywords import parameter_keyword


def parameter_text(node: Any, unit: str | None = None) -> str:
    """A plain parameter in words."""
    word = parameter_keyword(node)
    end = f" {unit}" if unit else ""
    if isinstance(node, tuple | list) and any(parameter_keyword(axis) for axis in node):
        return ", ".join(
            f"{name} {parameter_text(v, unit)}" for name, v in zip("zyx", node, strict=True)
        )
    if word is None:
        return value_text(node) + end
    body = node[word]
    count = f", {node['count']} draws a case each" if "count" in node else ""
    if word in ("each", "zip"):
        step = " in step" if word == "zip" else ""
        return f"each of {value_text(body)}{end}{step}"
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
        shares = (f"{value_text(value)} ({100 * w / whole:.3g} %)" for value, w in body.items())
        return f"one of {', '.join(shares)}{end}{count}"
    return f"one of {value_text(body)}{end}{count}"


def value_text(value: Any) -> str:
    """A plain value in words."""
    if isinstance(value, dict):
        return ", ".join(f"{value_text(key)}: {value_text(v)}" for key, v in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(map(value_text, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
