"""Draw random parameters of cases. There is no other randomness in recipes."""

import itertools
import math
from statistics import NormalDist

import numpy as np

from factory.config.parameters import log_cdf
from factory.storage.json_value import JsonValue


def draw_value(keyword: str, body: JsonValue, generator: np.random.Generator) -> JsonValue:
    """Draw one value of a distribution.

    Args:
        keyword: "uniform", "normal", "lognormal" or "choice", see factory/config/parameters.py.
        body: The plain value of the keyword.
        generator: The random generator of what the value belongs to.
    """
    u = float(generator.random())
    if keyword == "uniform":
        low, high = body
        return min(low + (high - low) * u, high)
    if keyword == "normal":
        curve = NormalDist(body["mean"], body["sd"])
        value = _between(curve, curve.cdf(body["min"]), curve.cdf(body["max"]), u)
        return min(max(value, body["min"]), body["max"])
    if keyword == "lognormal":
        curve = NormalDist(math.log(body["median"]), math.log(body["spread"]))
        value = _between(curve, log_cdf(curve, body["min"]), log_cdf(curve, body["max"]), u)
        return min(max(math.exp(value), body["min"]), body["max"])
    weighted = sorted(body.items()) if isinstance(body, dict) else [(v, 1.0) for v in body]
    cumulative_weights = list(itertools.accumulate(weight for _, weight in weighted))
    point = u * cumulative_weights[-1]
    bounds = zip(weighted, cumulative_weights, strict=True)
    return next((value for (value, _), bound in bounds if point < bound), weighted[-1][0])


def _between(curve: NormalDist, low: float, high: float, u: float) -> float:
    """Return the quantile of a curve at the fraction u of the way between two probabilities."""
    return curve.inv_cdf(min(max(low + (high - low) * u, 1e-12), 1 - 1e-12))
