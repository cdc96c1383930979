"""Charts: drawn in the colour of the text about them, with names as text."""

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.report import charts


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(str(svg).replace("<svg", '<svg xmlns:xlink="x"', 1))


def test_it_takes_the_colour_of_the_text_about_it():
    values = pd.Series([1.0, 2.0, 3.0, np.nan])
    of = pd.Series(["<a>", "$b", "<a>", "$b"])
    svg = charts.distribution('a "name" <x>', values, of, ["<a>", "$b"], limit=2.5)
    root = parsed(svg)
    assert root.get("aria-label") == 'a "name" <x>'
    assert root.get("width") is None
    assert "currentColor" in svg
    assert charts._INK not in svg
    assert "#000000" not in svg
    written = {"".join(text.itertext()).strip() for text in root.iter("text")}
    assert {"<a>", "$b"} <= written


@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.one_of(st.floats(-1e9, 1e9), st.just(float("nan")), st.integers(0, 3)),
             min_size=1, max_size=6),
    st.sampled_from([1, 100]),
)  # fmt: skip
def test_any_values(values, times):
    series = pd.Series(values * times, dtype=float)
    of = pd.Series([f"s{i % 2}" for i in range(len(series))])
    if series.notna().any():
        parsed(charts.distribution("x", series, of, ["s0", "s1", "none of them"]))
        there = series.fillna(0.0)
        parsed(charts.against("x", there, there, of, ["s0"]))


@pytest.mark.parametrize("count", [charts.MANY, charts.MANY + 1])
def test_many_values_do_not_make_it_large(count):
    series = pd.Series(np.arange(count * 10.0) if count > charts.MANY else np.arange(float(count)))
    of = pd.Series("all", series.index)
    assert len(charts.distribution("x", series, of, ["all"])) < 80_000
