"""`factory rate`: begin a reader study or continue it, and serve it."""

import contextlib
import importlib.util
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from factory.errors import FactoryError
from factory.evaluation.reader_study.answers import Reader, Study, StudySettings
from factory.evaluation.reader_study.scales import SCALES
from factory.evaluation.reader_study.study import StudyRequest, make_pictures
from factory.evaluation.reader_study.volumes import open_complete
from factory.storage.nearest_name import nearest_name_hint
from factory.text import join_names

GROUPS = ("expert", "beginner")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class ReaderSession:
    """A study that is about to be served.

    Attributes:
        study: The study.
        scale: Name of the scale of scores.
        readers: The readers by the token that their browser must send.
        listener: The socket to serve on.
        host: The host name or address of the socket.
    """

    study: Study
    scale: str
    readers: dict[str, Reader]
    listener: socket.socket
    host: str

    def lines(self) -> list[str]:
        """Return what the command prints: the study, the scale, and each reader's address."""
        settings, scale = self.study.settings(), SCALES[self.scale]
        frame, samples = settings.frame, settings.request.samples
        port = self.listener.getsockname()[1]
        name = socket.gethostname() if self.host in ("0.0.0.0", "::") else self.host
        address = f"http://{f'[{name}]' if ':' in name else name}:{port}/#"
        return [
            f"study     {self.study.folder}: {samples} pictures for each reader, half of them "
            f"real, {frame.side} × {frame.side} pixels of {frame.pixel_mm:.3g} mm",
            f"scale     {scale.name}: from 1 ({scale.words[0].lower()}) to 5 "
            f"({scale.words[4].lower()}); {scale.best} is best",
            *(
                f"{reader.name:<11} {address}{token}  "
                f"{len(self.study.list_answers(reader))} of {len(reader.order)} answered"
                for token, reader in self.readers.items()
            ),
            "Each address is for one reader. Ctrl-C stops the server; the same command starts it "
            "again.",
        ]

    def run(self) -> None:
        """Serve the study until Ctrl-C."""
        from factory.evaluation.reader_study.server import make_application, serve

        hosts = [self.host, *LOOPBACK] if self.host in LOOPBACK else ["*"]
        app = make_application(self.study, self.readers, SCALES[self.scale], hosts)
        serve(app, self.listener)


def start_session(  # noqa: PLR0913
    dataset: str,
    real: str,
    *,
    readers: int,
    output: str,
    scale: str = "mos",
    group: str | None = None,
    samples: int = 80,
    seed: int = 0,
    host: str = "127.0.0.1",
    port: int = 8421,
    token: bool = True,
) -> ReaderSession:
    """Begin a study of a dataset and a folder of real volumes, or continue the one in `output`.

    It has more parameters than others since each is an option of the command line.

    Args:
        dataset: The folder or URL of the synthetic dataset.
        real: The folder of real volumes.
        readers: Number of readers.
        output: The folder of the study.
        scale: Name of the scale of scores, "mos" or "ayaz".
        group: "expert" or "beginner", for the names of the readers and the summary.
        samples: Number of pictures that each reader sees, even.
        seed: Seed of the choice of slices and of the order of each reader.
        host: The address to listen on.
        port: The port; 0 is any free one.
        token: Whether readers must send a secret key; else their name.

    Raises:
        FactoryError, StorageError: In one line.
    """
    _check_choice("--scale", scale, tuple(SCALES))
    if group is not None:
        _check_choice("--group", group, GROUPS)
    if samples < 2 or samples % 2:
        raise FactoryError(f"--samples {samples}; allowed: an even number from 2, half are real")
    if importlib.util.find_spec("starlette") is None or importlib.util.find_spec("uvicorn") is None:
        raise FactoryError("factory rate serves a page with Starlette: pip install '.[rate]'")
    names = [f"{group or 'reader'}-{i + 1}" for i in range(readers)]
    with contextlib.ExitStack() as stack:  # closes the listener if the study cannot be used
        listener = stack.enter_context(_listen(host, port))
        study = _open_study(dataset, real, samples, seed, Path(output))
        members = study.add_readers(names, group, seed)
        for reader in members:
            if others := study.used_scales(reader) - {scale}:
                raise FactoryError(
                    f"--scale {scale}: {reader.name} began with scale {others.pop()}; continue "
                    "with that one, or choose another --output"
                )
        stack.pop_all()
    if host not in LOOPBACK:
        print("factory: warning: pictures and answers travel unencrypted", file=sys.stderr)
    by_token = {reader.token if token else reader.name: reader for reader in members}
    return ReaderSession(study, scale, by_token, listener, host)


def _open_study(dataset: str, real: str, samples: int, seed: int, folder: Path) -> Study:
    """Open the study of a folder; make its pictures if it does not exist yet."""
    study, synthetic = Study(folder), open_complete(dataset)
    if _absolute(real) == _absolute(dataset):
        raise FactoryError(f"--real {real}: the dataset itself; allowed: real images")
    if not synthetic.layout.samples:
        raise FactoryError(f"{dataset}: no sample in it")
    digest = str(synthetic.record["recipe_digest"])
    request = StudyRequest(digest, _absolute(real), samples, seed)
    if not study.exists():
        if folder.exists() and not folder.is_dir():
            raise FactoryError(f"{folder}: a file; --output takes a folder")
        print(f"factory: preparing {samples} pictures, once", file=sys.stderr)
        frame, pictures = make_pictures(synthetic, real, samples, seed)
        study.create(StudySettings(request, frame), pictures)
    stored = study.settings().request.to_json()
    for key, value in request.to_json().items():
        if stored[key] != value:
            of_study = "another dataset" if key == "recipe_digest" else f"{key} {stored[key]}"
            raise FactoryError(
                f"{folder}: holds a study of {of_study}; use the same, or choose another --output"
            )
    return study


def _absolute(path: str) -> str:
    return path if "://" in path else str(Path(path).resolve())


def _check_choice(option: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise FactoryError(
            f"{option} {value}; allowed: {join_names(allowed)}{nearest_name_hint(value, allowed)}"
        )


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address.

    Raises:
        FactoryError: If the address is in use, or is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = error.strerror or error
        raise FactoryError(
            f"{host}:{port}: {reason}; choose another --host or --port, 0 for any free one"
        ) from None
