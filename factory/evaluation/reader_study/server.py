"""The web server of a reader study: a page, and the four calls that it makes.

GET  /api/state                the reader, the scale, and which position is next
GET  /api/picture/POSITION     its pixels: always the same number of bytes and the same headers
POST /api/answer               {"position", "score", "said"}; the reply comes once it is on the disk
POST /api/undo                 {"position"}: withdraw that answer

A reader is known by the token in the Authorization header. The page takes it from the part of its
address after the #, which a browser never sends by itself.
"""

import json
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from factory.evaluation.reader_study.answers import Answer, OutOfTurn, Reader, Study
from factory.evaluation.reader_study.scales import Scale
from factory.evaluation.reader_study.study import SOURCES
from factory.storage.json_value import JsonObject

PAGE = Path(__file__).parent / "page"
NO_STORE = {"Cache-Control": "no-store"}


class CallError(Exception):
    """A call that is refused, with the HTTP status and a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class ReaderApi:
    """The four calls of the page.

    Attributes:
        study: The study.
        readers: The readers by the token that they must send.
        scale: The scale of their scores.
        side: Width and height of a picture in pixels.
    """

    study: Study
    readers: Mapping[str, Reader]
    scale: Scale
    side: int

    def get_state(self, request: Request) -> Response:
        """Reply with the reader's state."""
        return _reply_or_error(lambda: self._state_reply(self._authenticate(request)))

    def get_picture(self, request: Request) -> Response:
        """Reply with the pixels of a picture."""

        def reply() -> Response:
            reader = self._authenticate(request)
            pixels = self.study.pixels(reader, request.path_params["position"])
            return Response(pixels, media_type="application/octet-stream", headers=NO_STORE)

        return _reply_or_error(reply)

    async def post_answer(self, request: Request) -> Response:
        """Record an answer, and reply with the reader's new state."""
        return await self._post(request, self._record_answer)

    async def post_undo(self, request: Request) -> Response:
        """Withdraw an answer, and reply with the reader's new state."""
        return await self._post(request, self._withdraw_answer)

    async def _post(
        self, request: Request, change: Callable[[Reader, JsonObject], None]
    ) -> Response:
        body = await request.body()

        def reply() -> Response:
            reader = self._authenticate(request)
            change(reader, _parse_object(body))
            return self._state_reply(reader)

        return await run_in_threadpool(_reply_or_error, reply)

    def _record_answer(self, reader: Reader, body: JsonObject) -> None:
        score, verdict = body.get("score"), body.get("said")
        if type(score) is not int or not 1 <= score <= 5:
            raise CallError(422, f"score {score!r}; allowed: 1, 2, 3, 4, 5")
        if verdict is not None and verdict not in SOURCES:
            raise CallError(422, f"said {verdict!r}; allowed: real, synthetic, null")
        answer = Answer(_parse_position(body), score, verdict)
        self.study.record_answer(reader, answer, self.scale.name)

    def _withdraw_answer(self, reader: Reader, body: JsonObject) -> None:
        self.study.withdraw_answer(reader, _parse_position(body))

    def _authenticate(self, request: Request) -> Reader:
        """Return the reader whose token a request carries."""
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        for token, reader in self.readers.items():
            if secrets.compare_digest(token.encode(), sent.encode()):
                return reader
        raise CallError(403, "this address has no valid key; use one that factory rate printed")

    def _state_reply(self, reader: Reader) -> Response:
        answers = self.study.list_answers(reader)
        last = answers[-1] if answers else None
        state = {
            "reader": reader.name,
            "group": reader.group,
            "scale": self.scale.name,
            "words": self.scale.words,
            "best": self.scale.best,
            "position": len(answers),
            "total": len(reader.order),
            "side": self.side,
            "last": None if last is None else {"score": last.score, "said": last.verdict},
        }
        return JSONResponse(state, headers=NO_STORE)


def make_application(
    study: Study, readers: Mapping[str, Reader], scale: Scale, hosts: Sequence[str]
) -> Starlette:
    """Return the web application of a study.

    Args:
        study: The study.
        readers: The readers by the token that they must send.
        scale: The scale of their scores.
        hosts: The host names that it answers to; "*" is any.
    """
    api = ReaderApi(study, readers, scale, study.settings().frame.side)
    return Starlette(
        routes=[
            Route("/api/state", api.get_state),
            Route("/api/picture/{position:int}", api.get_picture),
            Route("/api/answer", api.post_answer, methods=["POST"]),
            Route("/api/undo", api.post_undo, methods=["POST"]),
            Mount("/", StaticFiles(directory=PAGE, html=True)),
        ],
        # So that another page whose host name is pointed at this server cannot use it.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))],
    )


def _reply_or_error(reply: Callable[[], Response]) -> Response:
    """Return a reply, or a JSON error of one line if the call is refused."""
    try:
        return reply()
    except CallError as error:
        return JSONResponse({"error": str(error)}, error.status, headers=NO_STORE)
    except OutOfTurn:
        message = "another position is next; the page was open twice"
        return JSONResponse({"error": message}, 409, headers=NO_STORE)


def _parse_object(body: bytes) -> JsonObject:
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise CallError(422, "the body is no JSON object")
    return data


def _parse_position(body: JsonObject) -> int:
    position = body.get("position")
    if type(position) is not int or position < 0:
        raise CallError(422, f"position {position!r}; allowed: a whole number from 0")
    return position


def serve(app: Starlette, listener: socket.socket) -> None:
    """Serve an application on a socket until Ctrl-C."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="off",
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[listener])
