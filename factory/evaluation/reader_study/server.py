"""The web server of a reader study: a page, and four calls that it makes.

GET  /api/state                who reads, on what scale, and which position is next
GET  /api/picture/POSITION     its pixels: always as many bytes, under headers that are always alike
POST /api/answer               {"position", "score", "said"}; answered once it is on the disk
POST /api/undo                 {"position"}: take that answer back

A reader is known by the token in the Authorization header, which the page takes from the part of
its address behind the #: that part never leaves the browser by itself.
"""

import json
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

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

PAGE = Path(__file__).parent / "page"
NO_STORE = {"Cache-Control": "no-store"}


class Refused(Exception):
    """A call that is not answered: status, and what to say."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def application(
    study: Study, readers: Mapping[str, Reader], scale: Scale, hosts: Sequence[str]
) -> Starlette:
    """The server. readers: by what they must show. hosts: names it answers to; "*" is any."""
    frame = study.about()["frame"]

    def state(reader: Reader) -> dict[str, Any]:
        answered = study.answered(reader)
        last = answered[-1] if answered else None
        return {
            "reader": reader.name,
            "group": reader.group,
            "scale": scale.name,
            "words": scale.words,
            "best": scale.best,
            "position": len(answered),
            "total": len(reader.order),
            "side": frame["side"],
            "last": None if last is None else {"score": last.score, "said": last.said},
        }

    def known(request: Request) -> Reader:
        shown = request.headers.get("authorization", "").removeprefix("Bearer ")
        for token, reader in readers.items():
            if secrets.compare_digest(token.encode(), shown.encode()):
                return reader
        raise Refused(403, "this address has no valid key; use one that factory rate printed")

    def picture(reader: Reader, request: Request) -> Response:
        pixels = study.pixels(reader, request.path_params["position"])
        return Response(pixels, media_type="application/octet-stream", headers=NO_STORE)

    def answer(reader: Reader, body: dict[str, Any]) -> None:
        score, said = body.get("score"), body.get("said")
        if type(score) is not int or not 1 <= score <= 5:
            raise Refused(422, f"score {score!r}; allowed: 1, 2, 3, 4, 5")
        if said is not None and said not in SOURCES:
            raise Refused(422, f"said {said!r}; allowed: real, synthetic, null")
        study.answer(reader, Answer(_position(body), score, said), scale.name)

    def undo(reader: Reader, body: dict[str, Any]) -> None:
        study.undo(reader, _position(body))

    def get(call: Callable[[Reader, Request], Response]) -> Callable[[Request], Response]:
        def endpoint(request: Request) -> Response:
            return _guarded(lambda: call(known(request), request))

        return endpoint

    def post(
        call: Callable[[Reader, dict[str, Any]], None],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            body = await request.body()

            def made() -> Response:
                reader = known(request)
                call(reader, _object(body))
                return JSONResponse(state(reader), headers=NO_STORE)

            return await run_in_threadpool(_guarded, made)

        return endpoint

    return Starlette(
        routes=[
            Route(
                "/api/state", get(lambda reader, _: JSONResponse(state(reader), headers=NO_STORE))
            ),
            Route("/api/picture/{position:int}", get(picture)),
            Route("/api/answer", post(answer), methods=["POST"]),
            Route("/api/undo", post(undo), methods=["POST"]),
            Mount("/", StaticFiles(directory=PAGE, html=True)),
        ],
        # A page elsewhere cannot name itself our host and then ask in a reader's name.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))],
    )


def _guarded(call: Callable[[], Response]) -> Response:
    try:
        return call()
    except Refused as error:
        return JSONResponse({"error": str(error)}, error.status, headers=NO_STORE)
    except OutOfTurn:
        text = "another position is next; the page was open twice"
        return JSONResponse({"error": text}, 409, headers=NO_STORE)


def _object(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise Refused(422, "the body is no JSON object")
    return given


def _position(body: Mapping[str, Any]) -> int:
    position = body.get("position")
    if type(position) is not int or position < 0:
        raise Refused(422, f"position {position!r}; allowed: a whole number from 0")
    return position


def serve(app: Starlette, listening: socket.socket) -> None:
    """Answer on a socket until Ctrl-C."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="off",
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[listening])
