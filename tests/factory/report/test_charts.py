"""Charts: drawn in the colour of the surrounding text, with names as text."""

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.report import charts


def parse_svg(svg: str) -> ET.Element:
    return ET.fromstring(str(svg).replace("<svg", '<svg xmlns:xlink="x"', 1))


def test_a_chart_has_the_colour_of_the_surrounding_text():
    values = pd.Series([1.0, 2.0, 3.0, np.nan])
    by_row = pd.Series(["<a>", "$b", "<a>", "$b"])
    svg = charts.draw_distribution('a "name" <x>', values, by_row, ["<a>", "$b"], limit=2.5)
    root = parse_svg(svg)
    assert root.get("aria-label") == 'a "name" <x>'
    assert root.get("width") is None
    assert "currentColor" in svg
    assert "#000000" not in svg
    texts = {"".join(text.itertext()).strip() for text in root.iter("text")}
    assert {"<a>", "$b"} <= texts


@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.one_of(st.floats(-1e9, 1e9), st.just(float("nan")), st.integers(0, 3)),
             min_size=1, max_size=6),
    st.sampled_from([1, 100]),
)  # fmt: skip
def test_any_values_can_be_drawn(values, times):
    series = pd.Series(values * times, dtype=float)
    by_row = pd.Series([f"s{i % 2}" for i in range(len(series))])
    if series.notna().any():
        parse_svg(charts.draw_distribution("x", series, by_row, ["s0", "s1", "none of them"]))
        filled = series.fillna(0.0)
        parse_svg(charts.draw_requested_and_achieved("x", filled, filled, by_row, ["s0"]))


@pytest.mark.parametrize("count", [charts.MANY, charts.MANY + 1])
def test_many_values_do_not_make_a_chart_large(count):
    series = pd.Series(np.arange(count * 10.0) if count > charts.MANY else np.arange(float(count)))
    by_row = pd.Series("all", series.index)
    assert len(charts.draw_distribution("x", series, by_row, ["all"])) < 80_000
