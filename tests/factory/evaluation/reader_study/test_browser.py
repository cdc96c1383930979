"""The reader page in a real browser, end to end: two readers at once, a server killed between."""

import re

import pytest
from support.reader_studies import Server, free_port, write_dataset, write_real

from factory.evaluation.reader_study.answers import Study

SAMPLES = 6
SEEN = "document.querySelector('#picture').toDataURL()"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def opened(browser, link: str, asked: list[str], **device):
    """A page at a reader's address; every address it asks for is noted."""
    page = browser.new_context(**device).new_page()
    page.set_default_timeout(60_000)
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: pytest.fail(f"the page failed: {error}"))
    page.goto(link)
    page.wait_for_selector("body[data-screen=start]")
    return page


def at(page, position: int) -> None:
    """Wait for the picture at a position, or for the end."""
    words = f"{min(position + 1, SAMPLES)} of {SAMPLES}"
    screen = "done" if position == SAMPLES else "read"
    page.wait_for_selector(f"body[data-screen={screen}]:not(.sending) #count:text-is('{words}')")


def test_two_readers_at_once_a_killed_server_and_back(browser, tmp_path):
    dataset, real = write_dataset(tmp_path / "d.zarr"), write_real(tmp_path / "real", first=10)
    arguments = [dataset, "--real", real, "--output", str(tmp_path / "study")]
    arguments += ["--readers", "2", "--samples", str(SAMPLES), "--port", str(free_port())]
    arguments += ["--group", "expert"]
    asked: list[str] = []
    with Server(*arguments) as server:
        links = server.links
        desk = opened(browser, links[0], asked)
        phone = opened(browser, links[1], asked, **PHONE)

        # the one at the desk: keys alone
        assert "Scale mos: 5 is best" in desk.inner_text(".start")
        desk.keyboard.press("Enter")
        at(desk, 0)
        assert desk.get_attribute("#progress", "aria-valuenow") == "0"
        assert "scale mos: 5 is best" in desk.inner_text("#questions")
        first = desk.evaluate(SEEN)
        desk.keyboard.press("4")
        desk.keyboard.press("5")  # thought again
        assert desk.get_attribute("[data-score='4']", "aria-pressed") == "false"
        desk.keyboard.press("s")
        at(desk, 1)
        assert desk.get_attribute("#progress", "aria-valuenow") == "1"
        second = desk.evaluate(SEEN)
        assert second != first

        # the window, by mouse and by keys
        box = desk.locator("#picture").bounding_box()
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        desk.mouse.move(*middle)
        desk.mouse.down()
        desk.mouse.move(middle[0] - 150, middle[1] + 60, steps=4)
        desk.mouse.up()
        assert desk.inner_text("#window") != "window 100 level 50"
        assert desk.evaluate(SEEN) != second
        desk.keyboard.press("0")
        assert desk.evaluate(SEEN) == second
        desk.keyboard.press("ArrowUp")
        assert desk.evaluate(SEEN) != second
        desk.mouse.dblclick(*middle)
        assert desk.evaluate(SEEN) == second

        # undo brings the first picture back
        desk.keyboard.press("z")
        at(desk, 0)
        assert desk.evaluate(SEEN) == first
        desk.keyboard.press("r")  # the other question first
        desk.keyboard.press("2")
        at(desk, 1)

        # the other on a phone, by touch, in an order of its own
        phone.tap("#begin")
        at(phone, 0)
        assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for position in range(SAMPLES):
            phone.tap("[data-score='3']")
            phone.tap("[data-said=unsure]")
            at(phone, position + 1)
        assert "All 6 pictures are answered" in phone.inner_text(".done")

        server.kill()
        desk.keyboard.press("1")
        desk.keyboard.press("n")
        desk.wait_for_selector("#notice:visible")
    with Server(*arguments) as server:
        assert server.links == links
        at(desk, 2)  # the answer that nobody took was sent again
        assert not desk.is_visible("#notice")
        desk.close()
        desk = opened(browser, links[0], asked)  # another day
        assert "Go on with picture 3 of 6" in desk.inner_text("#begin")
        desk.click("#begin")
        for position in range(2, SAMPLES):
            at(desk, position)
            desk.keyboard.press("5")
            desk.keyboard.press("s")
        at(desk, SAMPLES)
        desk.click("#undo")
        at(desk, SAMPLES - 1)
        desk.keyboard.press("4")
        desk.keyboard.press("s")
        at(desk, SAMPLES)

        stranger = browser.new_page()
        stranger.goto(links[0].partition("#")[0])
        stranger.wait_for_selector("body[data-screen=stop]")
        assert "no valid key" in stranger.inner_text(".stop")

    results = Study(tmp_path / "study").results()
    given = {name: [(row["score"], row["said"]) for row in results if row["reader"] == name]
             for name in ("expert-1", "expert-2")}  # fmt: skip
    assert given["expert-1"] == [(2, "real"), (1, None), *[(5, "synthetic")] * 3, (4, "synthetic")]
    assert given["expert-2"] == [(3, None)] * SAMPLES
    assert {row["reader_group"] for row in results} == {"expert"}
    address = links[0].partition("#")[0]
    own = re.compile(
        re.escape(address) + r"(|style\.css|app\.js|viewer\.js|api/(state|answer|undo|picture/\d))"
    )
    assert [url for url in asked if not own.fullmatch(url) and not url.startswith("data:")] == []
