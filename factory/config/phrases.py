"""Describe parameters of a document in words."""

from factory.config.sweep_keywords import parameter_keyword
from factory.storage.json_value import JsonValue


def parameter_text(node: JsonValue, unit: str | None = None) -> str:
    """Return a plain parameter in words, e.g. "drawn evenly from 1 to 4 mm".

    Args:
        node: The parameter as plain JSON: a value, a sweep, a distribution, or a list of three.
        unit: The unit of its values.
    """
    keyword = parameter_keyword(node)
    end = f" {unit}" if unit else ""
    if isinstance(node, tuple | list) and any(parameter_keyword(axis) for axis in node):
        return ", ".join(
            f"{name} {parameter_text(v, unit)}" for name, v in zip("zyx", node, strict=True)
        )
    if keyword is None:
        return value_in_words(node) + end
    body = node[keyword]
    count = f", {node['count']} draws a case each" if "count" in node else ""
    if keyword in ("each", "zip"):
        step = " in step" if keyword == "zip" else ""
        return f"each of {value_in_words(body)}{end}{step}"
    if keyword == "range":
        return f"each from {body[0]:g} to {body[1]:g}{end} by {body[2]:g}"
    if keyword == "uniform":
        return f"drawn evenly from {body[0]:g} to {body[1]:g}{end}{count}"
    if keyword == "normal":
        shape = f"normal about {body['mean']:g}, sd {body['sd']:g}"
        return f"drawn {shape}, from {body['min']:g} to {body['max']:g}{end}{count}"
    if keyword == "lognormal":
        shape = f"lognormal about {body['median']:g}, spread {body['spread']:g}"
        return f"drawn {shape}, from {body['min']:g} to {body['max']:g}{end}{count}"
    if isinstance(body, dict):
        total = sum(body.values())
        shares = (f"{value_in_words(value)} ({100 * w / total:.3g} %)" for value, w in body.items())
        return f"one of {', '.join(shares)}{end}{count}"
    return f"one of {value_in_words(body)}{end}{count}"


def value_in_words(value: JsonValue) -> str:
    """Return a plain value in words."""
    if isinstance(value, dict):
        return ", ".join(f"{value_in_words(key)}: {value_in_words(v)}" for key, v in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(map(value_in_words, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
