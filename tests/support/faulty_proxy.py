"""A proxy of a real S3 server that makes trouble: 5xx, broken connections, slow answers."""

import http.client
import itertools
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SLOW_DOWN = (
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)
ILL = b"<Error><Code>InternalError</Code><Message>We encountered an error.</Message></Error>"


class FaultyProxy:
    """A context manager that runs the proxy.

    Args:
        upstream: Host and port of the real server.
        trouble: What happens to the n-th request: "ok", "500", "503", "cut" or "slow".
        slow: Seconds that a slow answer takes.
    """

    def __init__(self, upstream: str, trouble: Callable[[int], str], slow: float = 0.0) -> None:
        self.count = itertools.count()
        self.troubles: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                kind = trouble(next(proxy.count))
                proxy.troubles.append(kind)
                if kind == "slow":
                    time.sleep(slow)
                if kind in ("500", "503"):
                    self.answer(int(kind), [], SLOW_DOWN if kind == "503" else ILL)
                    return
                with closing(http.client.HTTPConnection(upstream, timeout=60)) as connection:
                    connection.request(self.command, self.path, body, dict(self.headers))
                    reply = connection.getresponse()
                    data = reply.read()
                if kind == "cut":
                    self.answer(reply.status, reply.getheaders(), data[: len(data) // 2], len(data))
                    self.close_connection = True
                else:
                    self.answer(reply.status, reply.getheaders(), data)

            def answer(self, status: int, headers: list, data: bytes, length: int = -1) -> None:
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                        self.send_header(name, value)
                if status != 204:
                    declared_length = (
                        dict(headers).get("Content-Length") if self.command == "HEAD" else None
                    )
                    self.send_header(
                        "Content-Length", declared_length or str(max(length, len(data)))
                    )
                self.end_headers()
                if self.command != "HEAD":
                    with suppress(BrokenPipeError):  # the client did not wait for a slow answer
                        self.wfile.write(data)

            do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = any

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> "FaultyProxy":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
