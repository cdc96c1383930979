"""The server by itself: what it gives away, whom it knows, and what a kill leaves."""

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from support.reader_studies import Server, call, free_port, write_dataset, write_real

from factory.cli import main
from factory.errors import FactoryError
from factory.evaluation.reader_study.answers import Answer, Study
from factory.evaluation.reader_study.scales import SCALES
from factory.evaluation.reader_study.server import PAGE, application
from factory.evaluation.reader_study.session import rate

SAMPLES = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A dataset, real volumes and a study of both that nobody has answered."""
    folder = tmp_path_factory.mktemp("rate")
    dataset, real = write_dataset(folder / "d.zarr"), write_real(folder / "real", first=10)
    output = str(folder / "study")
    rate(dataset, real, readers=1, samples=SAMPLES, output=output, port=0).listening.close()
    return folder


@pytest.fixture
def arguments(folder, tmp_path) -> list[str]:
    """What to give `factory rate`: a study of this test's own, already begun."""
    shutil.copytree(folder / "study", tmp_path / "study")
    return [str(folder / "d.zarr"), "--real", str(folder / "real"), "--samples", str(SAMPLES),
            "--output", str(tmp_path / "study")]  # fmt: skip


@pytest.fixture
def links(arguments) -> Iterator[list[str]]:
    """Addresses of two readers of a server in this process."""
    study = Study(Path(arguments[-1]))
    readers = study.add_readers(["reader-1", "reader-2"], None, 0)
    app = application(study, {r.token: r for r in readers}, SCALES["mos"], ["127.0.0.1"])
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off",
                                           server_header=False, date_header=False))  # fmt: skip
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield [f"http://127.0.0.1:{port}/#{reader.token}" for reader in readers]
    server.should_exit = True
    thread.join()


def state(link: str) -> dict:
    return json.loads(call(link, "api/state")[2])


def answer(link: str, position: int, score: int = 3, said: str | None = "real") -> int:
    body = {"position": position, "score": score, "said": said}
    return call(link, "api/answer", body)[0]


def test_no_reply_tells_real_from_synthetic(links, arguments):
    """Every picture comes from a like address, under like headers, in as many bytes."""
    truth = {
        bytes(p): s
        for s, p in Study(Path(arguments[-1]))._read("SELECT source, pixels FROM pictures")
    }
    seen, replies = set(), set()
    for position in range(SAMPLES):
        status, headers, pixels = call(links[0], f"api/picture/{position}")
        seen.add(truth[pixels])
        said = {k: v for k, v in state(links[0]).items() if k not in ("position", "last")}
        replies.add((status, len(pixels), json.dumps(headers), json.dumps(said)))
        assert answer(links[0], position) == 200
    assert seen == {"real", "synthetic"}
    assert len(replies) == 1
    (reply,) = replies
    assert not any(word in reply[2] + reply[3] for word in ("real", "synthetic", "sub-", "sample"))


def test_two_readers_see_the_same_pictures_in_orders_of_their_own(links):
    orders = []
    for link in links:
        orders.append([])
        for position in range(SAMPLES):
            orders[-1].append(call(link, f"api/picture/{position}")[2])
            answer(link, position)
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


def test_only_with_a_key_and_from_this_host(links):
    bare = links[0].partition("#")[0]
    for link in (bare, f"{bare}#reader-1", links[0][:-1]):
        for path, body in (("api/state", None), ("api/picture/0", None), ("api/answer", {})):
            assert call(link, path, body)[0] == 403
    assert call(links[0], "api/state", headers={"Host": "evil.example"})[0] == 400
    assert call(bare, "../answers.py")[0] == 404


def test_what_is_not_answered(links):
    link = links[0]
    wrong = [
        {"position": 0, "score": 6},
        {"position": 0, "score": True},
        {"position": 0, "score": 3, "said": "maybe"},
        {"position": -1, "score": 3},
        {"score": 3},
        [],
    ]
    for body in wrong:
        status, _, reply = call(link, "api/answer", body)
        assert status == 422
        assert len(json.loads(reply)["error"].splitlines()) == 1
    assert answer(link, 3) == 409
    assert call(link, "api/picture/1")[0] == 409
    assert call(link, "api/undo", {"position": 4})[0] == 409
    assert state(link)["position"] == 0


def test_the_page_asks_nothing_of_the_network():
    for file in PAGE.iterdir():
        text = file.read_text(encoding="utf-8")
        assert "//" not in "".join(line.partition("// ")[0] for line in text.splitlines()), (
            file.name
        )
    assert "default-src 'self'" in (PAGE / "index.html").read_text(encoding="utf-8")


def test_a_killed_server_loses_nothing_and_keeps_its_addresses(arguments):
    arguments = [*arguments, "--readers", "2", "--port", str(free_port()), "--scale", "ayaz"]
    confirmed = [0, 0]
    with Server(*arguments) as server:
        links = server.links
        assert len(links) == 2

        def read(reader: int) -> None:
            try:
                for position in range(SAMPLES - 2):
                    assert answer(links[reader], position, 1 + position % 5) == 200
                    confirmed[reader] += 1
            except OSError:
                pass  # killed

        threads = [threading.Thread(target=read, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        while min(confirmed) < 3:
            threads[0].join(0.001)
        server.kill()
        for thread in threads:
            thread.join()
    with Server(*arguments) as server:
        assert server.links == links
        for link, count in zip(links, confirmed, strict=True):
            assert state(link)["position"] in (count, count + 1)  # one may have been on its way
            assert answer(link, state(link)["position"]) == 200
    stored = Study(Path(arguments[arguments.index("--output") + 1])).results()
    assert {row["scale"] for row in stored} == {"ayaz"}


def test_without_a_token_the_address_names_the_reader(arguments):
    place = {"readers": 1, "samples": SAMPLES, "output": arguments[-1], "port": 0, "token": False}
    serving = rate(arguments[0], arguments[2], **place, group="beginner")
    assert list(serving.readers) == ["beginner-1"]
    with serving.listening:
        assert "/#beginner-1  0 of 12 answered" in "\n".join(serving.lines())


def said(capsys, *arguments: str) -> str:
    """The one line of a command that a user can mend."""
    assert main(["rate", *arguments]) == 2
    output = capsys.readouterr()
    line = [x for x in output.err.splitlines() if "preparing" not in x]
    assert len(line) == 1
    return line[0]


def test_bad_input_is_one_line(arguments, tmp_path, capsys):
    mended = [*arguments, "--port", "0"]
    assert "needs DATASET and --real FOLDER" in said(capsys, "--port", "0")
    assert "no such dataset" in said(capsys, str(tmp_path / "no"), "--real", ".", "--port", "0")
    assert "--scale moss; allowed: mos, ayaz; did you mean mos?" in said(
        capsys, *mended, "--scale", "moss"
    )
    assert "--group novice; allowed: expert, beginner" in said(capsys, *mended, "--group", "novice")
    assert "--samples 7; allowed: an even number" in said(capsys, *mended, "--samples", "7")
    assert "holds a study of samples 12" in said(capsys, *mended, "--samples", "8")
    assert "holds a study of real" in said(capsys, *mended, "--real", str(tmp_path))
    assert "holds a study of seed 0" in said(capsys, *mended, "--seed", "1")
    assert "--readers" in said(capsys, *mended, "--readers", "0")
    other = write_real(tmp_path / "r", 1)
    new = [arguments[0], "--real", other, "--output", str(tmp_path / "new"), "--port", "0"]
    assert "fewer --samples" in said(capsys, *new, "--samples", "400")
    assert not (tmp_path / "new").exists()
    assert "a file; --output takes a folder" in said(
        capsys, *new, "--output", other + "/sub-00_T2w.nii.gz"
    )
    assert "no such file; factory rate DATASET" in said(
        capsys, "--summary", "--output", str(tmp_path)
    )
    with rate(arguments[0], arguments[2], readers=1, samples=SAMPLES, output=arguments[-1],
              port=0).listening as taken:  # fmt: skip
        port = str(taken.getsockname()[1])
        assert f"127.0.0.1:{port}: " in said(capsys, *arguments, "--port", port)


def test_without_starlette_it_says_what_to_install(arguments, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install '.[rate]'" in said(capsys, *arguments, "--port", "0")


def test_a_reader_keeps_to_one_scale(arguments):
    place = {"readers": 1, "samples": SAMPLES, "output": arguments[-1], "port": 0}
    serving = rate(arguments[0], arguments[2], **place)
    serving.listening.close()
    (reader,) = serving.readers.values()
    serving.study.answer(reader, Answer(0, 3, None), "mos")
    with pytest.raises(FactoryError, match="reader-1 began on mos"):
        rate(arguments[0], arguments[2], **place, scale="ayaz")
