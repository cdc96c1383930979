"""The server: its replies, whom it lets in, and what a kill leaves behind."""

import json
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import uvicorn
from support.reader_studies import Server, call, free_port, write_dataset, write_real

from factory.cli import main
from factory.errors import FactoryError
from factory.evaluation.reader_study.answers import Answer, Study
from factory.evaluation.reader_study.scales import SCALES
from factory.evaluation.reader_study.server import PAGE, make_application
from factory.evaluation.reader_study.session import start_session

SAMPLES = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder with a dataset, real volumes and a study of both without answers."""
    folder = tmp_path_factory.mktemp("rate")
    dataset, real = write_dataset(folder / "d.zarr"), write_real(folder / "real", first=10)
    output = str(folder / "study")
    start_session(dataset, real, readers=1, samples=SAMPLES, output=output, port=0).listener.close()
    return folder


@pytest.fixture
def arguments(folder, tmp_path) -> list[str]:
    """Return the arguments of `factory rate` for a copy of that study."""
    shutil.copytree(folder / "study", tmp_path / "study")
    return [str(folder / "d.zarr"), "--real", str(folder / "real"), "--samples", str(SAMPLES),
            "--output", str(tmp_path / "study")]  # fmt: skip


@pytest.fixture
def links(arguments) -> Iterator[list[str]]:
    """Start a server in this process, and return the addresses of two readers."""
    study = Study(Path(arguments[-1]))
    readers = study.add_readers(["reader-1", "reader-2"], None, 0)
    app = make_application(study, {r.token: r for r in readers}, SCALES["mos"], ["127.0.0.1"])
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


def answer(link: str, position: int, score: int = 3, verdict: str | None = "real") -> int:
    body = {"position": position, "score": score, "said": verdict}
    return call(link, "api/answer", body)[0]


def test_no_reply_tells_real_from_synthetic(links, arguments):
    """Every picture comes with the same headers and the same number of bytes."""
    with closing(sqlite3.connect(Path(arguments[-1]) / "study.sqlite")) as connection:
        rows = connection.execute("SELECT pixels, source FROM pictures").fetchall()
    source_of = {bytes(pixels): source for pixels, source in rows}
    sources, replies = set(), set()
    for position in range(SAMPLES):
        status, headers, pixels = call(links[0], f"api/picture/{position}")
        sources.add(source_of[pixels])
        others = {k: v for k, v in state(links[0]).items() if k not in ("position", "last")}
        replies.add((status, len(pixels), json.dumps(headers), json.dumps(others)))
        assert answer(links[0], position) == 200
    assert sources == {"real", "synthetic"}
    assert len(replies) == 1
    (reply,) = replies
    assert not any(word in reply[2] + reply[3] for word in ("real", "synthetic", "sub-", "sample"))


def test_two_readers_see_the_same_pictures_in_different_orders(links):
    orders = []
    for link in links:
        orders.append([])
        for position in range(SAMPLES):
            orders[-1].append(call(link, f"api/picture/{position}")[2])
            answer(link, position)
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


def test_a_call_needs_a_key_and_the_right_host(links):
    bare = links[0].partition("#")[0]
    for link in (bare, f"{bare}#reader-1", links[0][:-1]):
        for path, body in (("api/state", None), ("api/picture/0", None), ("api/answer", {})):
            assert call(link, path, body)[0] == 403
    assert call(links[0], "api/state", headers={"Host": "evil.example"})[0] == 400
    assert call(bare, "../answers.py")[0] == 404


def test_bad_calls_are_refused(links):
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


def test_the_page_loads_nothing_from_elsewhere():
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

        def answer_all(reader: int) -> None:
            try:
                for position in range(SAMPLES - 2):
                    assert answer(links[reader], position, 1 + position % 5) == 200
                    confirmed[reader] += 1
            except OSError:
                pass  # killed

        threads = [threading.Thread(target=answer_all, args=(i,)) for i in range(2)]
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
    assert set(stored["scale"]) == {"ayaz"}


def test_without_a_token_the_address_names_the_reader(arguments):
    options = {"readers": 1, "samples": SAMPLES, "output": arguments[-1], "port": 0, "token": False}
    session = start_session(arguments[0], arguments[2], **options, group="beginner")
    assert list(session.readers) == ["beginner-1"]
    with session.listener:
        assert "/#beginner-1  0 of 12 answered" in "\n".join(session.lines())


def error_line(capsys, *arguments: str) -> str:
    """Run a command that the user must correct; return its only line of error."""
    assert main(["rate", *arguments]) == 2
    output = capsys.readouterr()
    line = [x for x in output.err.splitlines() if "preparing" not in x]
    assert len(line) == 1
    return line[0]


def test_bad_input_is_one_line(arguments, tmp_path, capsys):
    command = [*arguments, "--port", "0"]
    assert "needs DATASET and --real FOLDER" in error_line(capsys, "--port", "0")
    assert "no such dataset" in error_line(
        capsys, str(tmp_path / "no"), "--real", ".", "--port", "0"
    )
    assert "--scale moss; allowed: mos, ayaz; did you mean mos?" in error_line(
        capsys, *command, "--scale", "moss"
    )
    assert "--group novice; allowed: expert, beginner" in error_line(
        capsys, *command, "--group", "novice"
    )
    assert "--samples 7; allowed: an even number" in error_line(capsys, *command, "--samples", "7")
    assert "holds a study of samples 12" in error_line(capsys, *command, "--samples", "8")
    assert "holds a study of real" in error_line(capsys, *command, "--real", str(tmp_path))
    assert "holds a study of seed 0" in error_line(capsys, *command, "--seed", "1")
    assert "--readers" in error_line(capsys, *command, "--readers", "0")
    other = write_real(tmp_path / "r", 1)
    new = [arguments[0], "--real", other, "--output", str(tmp_path / "new"), "--port", "0"]
    assert "fewer --samples" in error_line(capsys, *new, "--samples", "400")
    assert not (tmp_path / "new").exists()
    assert "a file; --output takes a folder" in error_line(
        capsys, *new, "--output", other + "/sub-00_T2w.nii.gz"
    )
    assert "no such file; factory rate DATASET" in error_line(
        capsys, "--summary", "--output", str(tmp_path)
    )
    with start_session(arguments[0], arguments[2], readers=1, samples=SAMPLES, output=arguments[-1],
              port=0).listener as socket:  # fmt: skip
        port = str(socket.getsockname()[1])
        assert f"127.0.0.1:{port}: " in error_line(capsys, *arguments, "--port", port)


def test_without_starlette_the_error_says_what_to_install(arguments, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install '.[rate]'" in error_line(capsys, *arguments, "--port", "0")


def test_a_reader_keeps_to_one_scale(arguments):
    options = {"readers": 1, "samples": SAMPLES, "output": arguments[-1], "port": 0}
    session = start_session(arguments[0], arguments[2], **options)
    session.listener.close()
    (reader,) = session.readers.values()
    session.study.record_answer(reader, Answer(0, 3, None), "mos")
    with pytest.raises(FactoryError, match="reader-1 began with scale mos"):
        start_session(arguments[0], arguments[2], **options, scale="ayaz")
