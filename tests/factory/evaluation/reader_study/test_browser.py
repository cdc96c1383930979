"""The reader page in a real browser: two readers at once, and a server that is killed meanwhile."""

import re

import pytest
from support.reader_studies import Server, free_port, write_dataset, write_real

from factory.evaluation.reader_study.answers import Study

SAMPLES = 6
PIXELS = "document.querySelector('#picture').toDataURL()"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def open_page(browser, link: str, requests: list[str], **device):
    """Open a page at a reader's address; every address it requests is noted."""
    page = browser.new_context(**device).new_page()
    page.set_default_timeout(60_000)
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: pytest.fail(f"the page failed: {error}"))
    page.goto(link)
    page.wait_for_selector("body[data-screen=start]")
    return page


def wait_for(page, position: int) -> None:
    """Wait for the picture at a position, or for the end."""
    words = f"{min(position + 1, SAMPLES)} of {SAMPLES}"
    screen = "done" if position == SAMPLES else "read"
    page.wait_for_selector(f"body[data-screen={screen}]:not(.sending) #count:text-is('{words}')")


def test_two_readers_at_once_a_killed_server_and_back(browser, tmp_path):
    dataset, real = write_dataset(tmp_path / "d.zarr"), write_real(tmp_path / "real", first=10)
    arguments = [dataset, "--real", real, "--output", str(tmp_path / "study")]
    arguments += ["--readers", "2", "--samples", str(SAMPLES), "--port", str(free_port())]
    arguments += ["--group", "expert"]
    requests: list[str] = []
    with Server(*arguments) as server:
        links = server.links
        desk = open_page(browser, links[0], requests)
        phone = open_page(browser, links[1], requests, **PHONE)

        # one reader at a desk, with keys only
        assert "Scale mos: 5 is best" in desk.inner_text(".start")
        desk.keyboard.press("Enter")
        wait_for(desk, 0)
        assert desk.get_attribute("#progress", "aria-valuenow") == "0"
        assert "scale mos: 5 is best" in desk.inner_text("#questions")
        first = desk.evaluate(PIXELS)
        desk.keyboard.press("4")
        desk.keyboard.press("5")  # another score
        assert desk.get_attribute("[data-score='4']", "aria-pressed") == "false"
        desk.keyboard.press("s")
        wait_for(desk, 1)
        assert desk.get_attribute("#progress", "aria-valuenow") == "1"
        second = desk.evaluate(PIXELS)
        assert second != first

        # the window, by mouse and by keys
        box = desk.locator("#picture").bounding_box()
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        desk.mouse.move(*middle)
        desk.mouse.down()
        desk.mouse.move(middle[0] - 150, middle[1] + 60, steps=4)
        desk.mouse.up()
        assert desk.inner_text("#window") != "window 100 level 50"
        assert desk.evaluate(PIXELS) != second
        desk.keyboard.press("0")
        assert desk.evaluate(PIXELS) == second
        desk.keyboard.press("ArrowUp")
        assert desk.evaluate(PIXELS) != second
        desk.mouse.dblclick(*middle)
        assert desk.evaluate(PIXELS) == second

        # undo brings the first picture back
        desk.keyboard.press("z")
        wait_for(desk, 0)
        assert desk.evaluate(PIXELS) == first
        desk.keyboard.press("r")  # the other question first
        desk.keyboard.press("2")
        wait_for(desk, 1)

        # the other on a phone, by touch
        phone.tap("#begin")
        wait_for(phone, 0)
        assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for position in range(SAMPLES):
            phone.tap("[data-score='3']")
            phone.tap("[data-said=unsure]")
            wait_for(phone, position + 1)
        assert "You have answered for all 6 pictures" in phone.inner_text(".done")

        server.kill()
        desk.keyboard.press("1")
        desk.keyboard.press("n")
        desk.wait_for_selector("#notice:visible")
    with Server(*arguments) as server:
        assert server.links == links
        wait_for(desk, 2)  # the answer that was not confirmed was sent again
        assert not desk.is_visible("#notice")
        desk.close()
        desk = open_page(browser, links[0], requests)  # another day
        assert "Continue with picture 3 of 6" in desk.inner_text("#begin")
        desk.click("#begin")
        for position in range(2, SAMPLES):
            wait_for(desk, position)
            desk.keyboard.press("5")
            desk.keyboard.press("s")
        wait_for(desk, SAMPLES)
        desk.click("#undo")
        wait_for(desk, SAMPLES - 1)
        desk.keyboard.press("4")
        desk.keyboard.press("s")
        wait_for(desk, SAMPLES)

        stranger = browser.new_page()
        stranger.goto(links[0].partition("#")[0])
        stranger.wait_for_selector("body[data-screen=stop]")
        assert "no valid key" in stranger.inner_text(".stop")

    study = Study(tmp_path / "study")
    answers = {
        reader.name: [(answer.score, answer.verdict) for answer in study.list_answers(reader)]
        for reader in study.readers()
    }
    assert answers["expert-1"] == [
        (2, "real"), (1, None), *[(5, "synthetic")] * 3, (4, "synthetic")
    ]  # fmt: skip
    assert answers["expert-2"] == [(3, None)] * SAMPLES
    assert set(study.results()["reader_group"]) == {"expert"}
    address = links[0].partition("#")[0]
    allowed = re.compile(
        re.escape(address) + r"(|style\.css|app\.js|viewer\.js|api/(state|answer|undo|picture/\d))"
    )
    assert [
        url for url in requests if not allowed.fullmatch(url) and not url.startswith("data:")
    ] == []
