"""Random numbers that belong to what they are drawn for: the only randomness of recipes.

Every draw is a function of the recipe's seed and an identity, through a counter-based generator.
"""

import itertools
import math
from statistics import NormalDist
from typing import Any

import numpy as np

from factory.config.parameters import log_cdf


def draw_value(word: str, body: Any, generator: np.random.Generator) -> Any:
    """One value of a distribution, as factory/config/parameters.py writes them."""
    u = float(generator.random())
    if word == "uniform":
        low, high = body
        return min(low + (high - low) * u, high)
    if word == "normal":
        curve = NormalDist(body["mean"], body["sd"])
        value = _between(curve, curve.cdf(body["min"]), curve.cdf(body["max"]), u)
        return min(max(value, body["min"]), body["max"])
    if word == "lognormal":
        curve = NormalDist(math.log(body["median"]), math.log(body["spread"]))
        value = _between(curve, log_cdf(curve, body["min"]), log_cdf(curve, body["max"]), u)
        return min(max(math.exp(value), body["min"]), body["max"])
    weighted = sorted(body.items()) if isinstance(body, dict) else [(v, 1.0) for v in body]
    heights = list(itertools.accumulate(weight for _, weight in weighted))
    point = u * heights[-1]
    tops = zip(weighted, heights, strict=True)
    return next((value for (value, _), top in tops if point < top), weighted[-1][0])


def _between(curve: NormalDist, low: float, high: float, u: float) -> float:
    """The value below which a share of the curve lies that is u of the way from low to high."""
    return curve.inv_cdf(min(max(low + (high - low) * u, 1e-12), 1 - 1e-12))
