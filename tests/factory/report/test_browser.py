"""A report in a real browser: on a phone and on a desk, light and dark, and printed."""

from support.report_pages import dataset, graded

from factory.report.page import write_page

BACKGROUND = "getComputedStyle(document.body).backgroundColor"
PAGE_WIDTH = "document.documentElement.scrollWidth"


def test_the_page_fits_any_screen_and_loads_nothing(browser, tmp_path):
    rows = graded()
    rows[0] |= {"subject": "a-name-without-any-place-to-break-it-" * 4, "accepted": False,
                "why": "missed" * 40}  # fmt: skip
    gate = {"gate": {"model": "m" * 90, "ventricles": {"dice": 0.8}}}
    stored = dataset(tmp_path / "d.zarr", rows, resolved=gate)
    scores = tmp_path / "scores"
    scores.mkdir()
    columns = ["what", "close_in_pixels", "close_in_features", *(f"column_{i}" for i in range(9))]
    (scores / "audit-strata.csv").write_text(
        f"{','.join(columns)}\n{','.join(['a_word_or_two_more', *['0.12345678'] * 11])}\n"
    )
    write_page(stored.path, tmp_path / "r.html", [str(scores)])
    problems: list[str] = []
    backgrounds = {}
    for width in (390, 1280):
        for scheme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
            )
            page = context.new_page()
            page.on("console", lambda message: problems.append(message.text))
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("requestfailed", lambda request: problems.append(request.url))
            page.goto((tmp_path / "r.html").as_uri())
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert page.evaluate(PAGE_WIDTH) <= width
            assert page.evaluate("[...document.images].every(i => i.naturalWidth > 0)")
            backgrounds[scheme] = page.evaluate(BACKGROUND)
            page.emulate_media(media="print")
            assert page.evaluate(BACKGROUND) == "rgb(255, 255, 255)"
            page.set_viewport_size({"width": 688, "height": 800})  # A4 within its margins
            assert page.evaluate(PAGE_WIDTH) <= 688
            context.close()
    assert problems == []
    assert backgrounds["light"] == "rgb(255, 255, 255)"
    assert sum(map(int, backgrounds["dark"][4:-1].split(","))) < 120
