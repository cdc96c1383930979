"""`factory rate`: begin a reader study or go on with it, and serve it."""

import importlib.util
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory.errors import FactoryError
from factory.evaluation.reader_study.answers import Reader, Study
from factory.evaluation.reader_study.scales import SCALES
from factory.evaluation.reader_study.study import asked, make_pictures
from factory.evaluation.reader_study.volumes import sealed
from factory.storage.nearest_name import nearest_name_hint
from factory.text import join_names

GROUPS = ("expert", "beginner")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Serving:
    """A study about to be served. readers: by what their browser must show."""

    study: Study
    scale: str
    readers: dict[str, Reader]
    listening: socket.socket
    host: str

    def lines(self) -> list[str]:
        about, scale = self.study.about(), SCALES[self.scale]
        frame, count = about["frame"], about["asked"]["samples"]
        port = self.listening.getsockname()[1]
        name = socket.gethostname() if self.host in ("0.0.0.0", "::") else self.host
        address = f"http://{f'[{name}]' if ':' in name else name}:{port}/#"
        return [
            f"study     {self.study.folder}: {count} pictures a reader, half of them real, "
            f"{frame['side']} × {frame['side']} pixels of {frame['mm']:.3g} mm",
            f"scale     {scale.name}: 1 {scale.words[0].lower()} to 5 {scale.words[4].lower()}, "
            f"{scale.best} is best",
            *(
                f"{reader.name:<11} {address}{key}  "
                f"{len(self.study.answered(reader))} of {len(reader.order)} answered"
                for key, reader in self.readers.items()
            ),
            "each address is one reader's; Ctrl-C stops, and the same command goes on",
        ]

    def run(self) -> None:
        """Answer until Ctrl-C."""
        from factory.evaluation.reader_study.server import application, serve

        hosts = [self.host, *LOOPBACK] if self.host in LOOPBACK else ["*"]
        serve(application(self.study, self.readers, SCALES[self.scale], hosts), self.listening)


def rate(
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
) -> Serving:
    """The study of a dataset against a folder of real volumes, begun or taken up again in output.

    Raises FactoryError, StorageError, one line each.
    """
    _one_of("--scale", scale, tuple(SCALES))
    if group is not None:
        _one_of("--group", group, GROUPS)
    if samples < 2 or samples % 2:
        raise FactoryError(f"--samples {samples}; allowed: an even number from 2, half are real")
    if importlib.util.find_spec("starlette") is None or importlib.util.find_spec("uvicorn") is None:
        raise FactoryError("factory rate serves a page with Starlette: pip install '.[rate]'")
    listening = _listen(host, port)
    study = _study(dataset, real, samples, seed, Path(output))
    names = [f"{group or 'reader'}-{i + 1}" for i in range(readers)]
    found = study.add_readers(names, group, seed)
    for reader in found:
        if others := study.scales(reader) - {scale}:
            raise FactoryError(
                f"--scale {scale}: {reader.name} began on {others.pop()}; go on with that, or "
                "choose another --output"
            )
    if host not in LOOPBACK:
        print("factory: warning: pictures and answers travel unencrypted", file=sys.stderr)
    keys = {reader.token if token else reader.name: reader for reader in found}
    return Serving(study, scale, keys, listening, host)


def _study(dataset: str, real: str, samples: int, seed: int, folder: Path) -> Study:
    study, made = Study(folder), sealed(dataset)
    if _absolute(real) == _absolute(dataset):
        raise FactoryError(f"--real {real}: the dataset itself; allowed: real images")
    if not made.layout.samples:
        raise FactoryError(f"{dataset}: no sample in it")
    wanted = asked(made, _absolute(real), samples, seed)
    if not study.exists():
        if folder.exists() and not folder.is_dir():
            raise FactoryError(f"{folder}: a file; --output takes a folder")
        print(f"factory: preparing {samples} pictures, once", file=sys.stderr)
        study.begin(wanted, *make_pictures(made, real, samples, seed))
    begun: dict[str, Any] = study.about()["asked"]
    for key, value in wanted.items():
        if begun[key] != value:
            words = "another dataset" if key == "recipe_digest" else f"{key} {begun[key]}"
            raise FactoryError(
                f"{folder}: holds a study of {words}; give it the same, or choose another --output"
            )
    return study


def _absolute(path: str) -> str:
    return path if "://" in path else str(Path(path).resolve())


def _one_of(option: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise FactoryError(
            f"{option} {value}; allowed: {join_names(allowed)}{nearest_name_hint(value, allowed)}"
        )


def _listen(host: str, port: int) -> socket.socket:
    """A socket. Raises FactoryError where the address is taken or is none of this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = error.strerror or error
        raise FactoryError(
            f"{host}:{port}: {reason}; choose another --host or --port, 0 for any free one"
        ) from None
