"""Mistakes: their line, their column, and what to write instead; units in names."""

from typing import get_args

import pytest
from support.recipes import TEXT, refused

from factory.anatomy.edits.registry import OPERATORS, Edit
from factory.config.units import UNITS


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ("count: 10", "count: 0", "3:20", "value 0"),
        ("count: 10", "cuont: 10", "3:13", "did you mean count?"),
        ("[22, 34]", "[22, 39]", "3:62", "allowed: 20 to 38 weeks"),
        ("radius_mm", "radius_cm", "5:25", "did you mean radius_mm? it is in millimetres"),
        ("radius_mm", "radius", "5:25", "did you mean radius_mm? it is in millimetres"),
        ("gestational_age_weeks", "age_mm", "3:24", "gestational_age_weeks? it is in weeks"),
        ("gestational_age_weeks", "age_days", "3:24", "gestational_age_weeks? it is in weeks"),
        ("radius_mm: 2", "radius_mm: 3mm", "5:36", "radius_mm is in millimetres: write 3"),
        ("radius_mm: 2", "radius_mm: 0.3 cm", "5:36", "write 3"),
        ("radius_mm: 2", "radius_mm: {each: [1, 2 ml]}", "5:47", "millimetres, without the unit"),
        ("{uniform: [22, 34]}", "175 days", "3:47", "weeks: write 25"),
        ("count: 10", "count: 10 weeks", "3:20", "write the number alone, 10"),
    ],
)
def test_a_mistake_has_its_line_its_column_and_a_hint(old, new, place, says) -> None:
    assert TEXT.count(old) == 1
    message = refused(text=TEXT.replace(old, new))
    assert message.startswith(f"h.yaml:{place}: ")
    assert says in message


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_is_a_class_of_named_units(name: str) -> None:
    assert OPERATORS[name].seconds_per_megavoxel > 0
    for key, field in OPERATORS[name].model_fields.items():
        words = str(field.metadata) + str(get_args(field.annotation))
        for unit in UNITS:
            if f" {unit}'" in words:
                assert key.endswith(f"_{unit}")
    assert name in Edit.model_fields


EDIT = "  - dilate_ventricles: {radius_mm: 2, into: [white_matter]}\n"


@pytest.mark.parametrize(
    ("edits", "place", "says"),
    [
        ("deform: {warp: 2}", "5:14", "did you mean warp_mm? it is in millimetres"),
        ("deform: {warp_mm: 20 um}", "5:23", "warp_mm is in millimetres: write 0.02"),
        (
            "deform: {warp_mm: 1, rotation_degrees: [0, {uniform: [-5, 50]}]}",
            "5:63",
            "rotation_degrees[1].uniform[1]: value 50; allowed: -45 to 45 degrees",
        ),
        ("deform: {warp_mm: 1, flip: {uniform: [0, 1]}}", "5:32", "each, range, zip, choice"),
        ("deform: {warp_mm: 1, flip: {range: [false, true, 1]}}", "5:40", "allowed: numbers"),
        (
            "ventriculomegaly: {atrial_width_mm: 9, mode: {each: [displace, dilate]}, "
            "head_growth: 0.5}",
            "5:91",
            "mode dilate has no head_growth; allowed: mode displace",
        ),
        (
            "ventriculomegaly: {atrial_width_mm: 9, side: {each: [left, both]}, ratio: 0.5}",
            "5:79",
            "ratio with side both",
        ),
        ("grow: {to: 30}", "5:12", "did you mean to_weeks? it is in weeks"),
        ("grow: {to_weeks: 200 days}", "5:22", "to_weeks is in weeks: write 28.5714"),
        ("lesion: {inside: [white_matter], volume_mm3: 2}", "5:38", "volume_ml? it is in"),
        ("cortical_thinning: {share: 30 %}", "5:32", "a share from 0 to 1 (30 % is 0.3)"),
        ("asymmetry: {side: both, hemisphere_share: 0.1}", "5:23", "allowed: left, right"),
        ("microcephaly: {biparietal_mm: 6 cm}", "5:35", "20 to 150 mm; biparietal_mm is in"),
        (
            "deform: {warp_mm: {zip: [1, 2]}}\n  - external_csf: {wider_mm: {zip: [1, 2, 3]}}",
            "6:30",
            "anatomy[0].deform.warp_mm has 2, anatomy[1].external_csf.wider_mm has 3",
        ),
        (
            "deform: {warp_mm: {zip: [1, 2, 1]}}\n  - external_csf: {wider_mm: {zip: [1, 2, 1]}}",
            "5:36",
            "rows 1 and 3 are the same: [1.0, 1.0]",
        ),
    ],
)
def test_so_has_a_mistake_in_any_edit(edits: str, place: str, says: str) -> None:
    assert EDIT in TEXT
    message = refused(text=TEXT.replace(EDIT, f"  - {edits}\n"))
    assert message.startswith(f"h.yaml:{place}: ")
    assert says in message


@pytest.mark.parametrize(
    ("scan", "says"),
    [
        ("{kspace: {t2: 100}}", "did you mean t2_ms? it is in milliseconds"),
        ("{kspace: {t2_ms: 0.1 s}}", "allowed: 10 to 3000 ms; t2_ms is in milliseconds: write 100"),
        ("{stacks: {thickness: 3, in_plane_mm: 1}}", "thickness_mm? it is in millimetres"),
    ],
)
def test_so_has_a_mistake_in_a_scanner(scan: str, says: str) -> None:
    message = refused(text=f"{TEXT}acquisition: {scan}\n")
    assert message.startswith("h.yaml:8:")
    assert says in message
