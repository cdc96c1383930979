"""A real S3 server on free ports of this machine: SeaweedFS from its PyPI package."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

KEYS = {"AWS_ACCESS_KEY_ID": "factory", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}
WAIT = 120


def executable() -> str | None:
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Weed:
    """One server; its folder holds all it has. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        parts = ("master", "volume", "filer", "s3")
        http, grpc = free_ports(4), free_ports(4)
        self.ports = dict(zip(parts, http, strict=True))
        self.grpc = dict(zip(parts, grpc, strict=True))
        self.options = [
            f"-{name}.port{kind}={port}"
            for kind, ports in (("", http), (".grpc", grpc))
            for name, port in zip(parts, ports, strict=True)
        ]
        self.url = f"http://127.0.0.1:{self.ports['s3']}"
        self.environment = {
            **KEYS,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def __enter__(self) -> "Weed":
        name = {"accessKey": KEYS["AWS_ACCESS_KEY_ID"], "secretKey": KEYS["AWS_SECRET_ACCESS_KEY"]}
        rights = {"name": "factory", "credentials": [name], "actions": ["Admin"]}
        config = self.folder / "s3.json"
        config.write_text(json.dumps({"identities": [rights]}))
        (self.folder / "data").mkdir(exist_ok=True)
        command = [
            str(executable()), "server", "-filer", "-s3", "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1", f"-dir={self.folder / 'data'}", f"-s3.config={config}",
            "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.volumeSizeLimitMB=64",
            "-volume.max=300", "-master.telemetry=false", *self.options,
        ]  # fmt: skip
        with (self.folder / "log").open("wb") as log_file:
            self.process = subprocess.Popen(
                command, stdout=log_file, stderr=subprocess.STDOUT, start_new_session=True
            )
        deadline = time.monotonic() + WAIT
        while not self._answers():
            log = (self.folder / "log").read_text()[-2000:]
            assert self.process.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()  # it has nothing to keep
        self.process.wait()

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.url, timeout=1).close()
        except urllib.error.HTTPError as error:
            error.close()
            return True  # it answers, and refuses a request without a key
        except OSError:
            return False
        return True

    def shell(self, *commands: str) -> str:
        """Run commands of the server's own shell."""
        where = [
            f"-{name}=127.0.0.1:{self.ports[name]}.{self.grpc[name]}"
            for name in ("master", "filer")
        ]
        ended = subprocess.run(
            [str(executable()), "shell", *where],
            input="\n".join(commands) + "\n",
            capture_output=True,
            text=True,
            check=True,
            timeout=WAIT,
            env={**os.environ},
        )
        return ended.stdout + ended.stderr
