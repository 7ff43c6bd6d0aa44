"""The issuer's door: what the tokenisation network asks of an issuer, over HTTP.

    POST /tokenization/mint             200 with the issuer's id once the venue has reserved, else 400 in the guide's words
    POST /tokenization/mint/confirm     200 once it is kept that the shares moved, or did not
    GET  /tokenization/tokens           what is offered
    POST /accounts/connect              200 with the client's id, by which the network names it from then on; 404 where no client has the address,
                                        409 where it, or the account, is linked otherwise

A caller that does not prove to be the network is answered 401, and nothing else is said. A question for a mint that the engine did not answer
in time is answered 503: it is kept, and the same question again has the same result.

Responsible for: who calls, bodies no larger than allowed, and statuses. Never: decides what follows (`network_book`), or sends anything.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import uvicorn
from litestar import Litestar, Request, Response, get, post
from litestar.exceptions import HTTPException

from novate.broker.alpaca import tokenization as itn
from novate.broker.alpaca.callers import Called, by_key, by_signature
from novate.broker.alpaca.exact import Json, read_json
from novate.clearing.network_book import Line, NetworkBook
from novate.clearing.network_terms import NetworkSettings, NetworkTerms
from novate.errors import ConfigError, DataError, MessageError, NovateError

STEPS: Final = ("network asked", "network confirmed")
"""Where a kill is tested."""
_BODY_BYTES: Final = 1 << 14
_BODY_S: Final = 10.0
_CALLERS: Final = 64
_GRACE_S: Final = 5
_WINDOW_S: Final = 300
_FAULT: Final = 500
_JSON: Final = "application/json"
_log: Final = logging.getLogger("novate.clearing")


@dataclass(frozen=True, slots=True)
class Callers:
    """How the network proves to be itself: keys that it shows, or keys that it signs with (PEM, by `keyid`)."""

    keys: tuple[str, ...]
    signers: Mapping[str, str]

    @classmethod
    def of(cls, settings: NetworkSettings, home: Path) -> Callers:
        """From the settings' files. Raises ConfigError."""
        try:
            lines = (
                (home / settings.keys_file).read_text(encoding="utf-8").split() if settings.keys_file else []
            )
            signers = {
                name: (home / path).read_text(encoding="utf-8") for name, path in settings.signers.items()
            }
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"network: a key can't be read: {error}.") from None
        if settings.keys_file and not lines:
            raise ConfigError(f"network.keys_file: {settings.keys_file} holds no key.")
        return cls(tuple(lines), signers)


class NetworkDoor:
    """Serves while it is open, from a thread of its own. `clock` is the venue's."""

    def __init__(
        self, settings: NetworkSettings, callers: Callers, book: NetworkBook, terms: Callable[[], NetworkTerms], clock: Callable[[], int],
        *, home: Path, answer_s: float, wake: Callable[[], None], on_step: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        """Binds the port. Raises ConfigError where it can't be had."""
        self._settings, self._callers, self._book, self._terms, self._clock = (
            settings,
            callers,
            book,
            terms,
            clock,
        )
        self._answer_s, self._wake, self._mark = answer_s, wake, on_step
        self._listener = _bound(settings)
        tls: dict[str, Any] = {}
        if settings.certificate:
            tls = {
                "ssl_certfile": str(home / settings.certificate),
                "ssl_keyfile": str(home / settings.certificate_key),
            }
        config = uvicorn.Config(
            self._app(), log_level="error", access_log=False, lifespan="off", server_header=False, ws="none",
            limit_concurrency=_CALLERS, timeout_graceful_shutdown=_GRACE_S, **tls,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="network door", daemon=True)

    @property
    def port(self) -> int:
        """Where it serves."""
        return int(self._listener.getsockname()[1])

    def open(self) -> None:
        """Begins to serve: who calls from now on is answered."""
        self._listener.listen(_CALLERS)
        self._thread.start()

    def close(self) -> None:
        """Ends: what was taken is answered."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        asyncio.run(self._server._serve([self._listener]))  # noqa: SLF001 - `serve` takes the signals, which are the process's

    def _app(self) -> Litestar:
        handlers = [
            post("/tokenization/mint", status_code=200)(self._handler(self._mint)),
            post("/tokenization/mint/confirm", status_code=200)(self._handler(self._confirm)),
            get("/tokenization/tokens")(self._handler(self._tokens)),
            post("/accounts/connect", status_code=200)(self._handler(self._connect)),
        ]
        return Litestar(
            handlers,
            openapi_config=None,
            request_max_body_size=_BODY_BYTES,
            exception_handlers={Exception: _failed},
            logging_config=None,
        )

    def _handler(
        self, answer: Callable[[bytes], tuple[int, Json]]
    ) -> Callable[[Request[Any, Any, Any]], Any]:
        async def handle(request: Request[Any, Any, Any]) -> Response[bytes]:
            body = await asyncio.wait_for(request.body(), _BODY_S)
            target = request.scope["raw_path"].decode("ascii", "replace")
            query = request.scope["query_string"].decode("ascii", "replace")
            headers = {name: value.strip() for name, value in request.headers.items()}
            address = self._settings.address.rstrip("/") + target + (f"?{query}" if query else "")
            called = Called(str(request.method), address, headers, body)
            return await asyncio.to_thread(self._answered, called, answer)

        return handle

    def _answered(self, called: Called, answer: Callable[[bytes], tuple[int, Json]]) -> Response[bytes]:
        try:
            self._check(called)
        except MessageError as error:
            return _said(401, {"message": error.sentence})
        try:
            return _said(*answer(called.body))
        except (MessageError, DataError) as error:
            return _said(400, {"message": error.sentence})

    def _check(self, called: Called) -> None:
        """Whether it is the network that calls, and not somebody who heard it call. Raises MessageError."""
        if self._callers.keys:
            by_key(called, self._callers.keys)
            return
        now_s = int(time.time())
        nonce = by_signature(called, self._callers.signers, now_s=now_s, window_s=_WINDOW_S)
        if not self._book.take_nonce(nonce, now_s, now_s + 2 * _WINDOW_S):
            raise MessageError("the signature was taken before", field="nonce")

    # --- the endpoints -----------------------------------------------------------------------------------------------------

    def _mint(self, body: bytes) -> tuple[int, Json]:
        line = self._book.mint_asked(_object(body), self._terms(), self._clock())
        self._mark("network asked")
        self._wake()
        line = self._decided(line)
        if line.request.stage == itn.Stage.ASKED:
            return 503, {"message": "The request is kept, and not decided yet: ask again."}
        if line.request.stage == itn.Stage.REFUSED:
            return 400, {"message": line.request.reason}
        return 200, itn.created(line.request)

    def _decided(self, line: Line) -> Line:
        """The request once the engine has spoken, or the time is over."""
        until = time.monotonic() + self._answer_s
        while line.request.stage == itn.Stage.ASKED and (left := until - time.monotonic()) > 0:
            seen = self._book.changes
            line = self._book.line(line.id) or line
            if line.request.stage == itn.Stage.ASKED:
                self._book.wait(seen, left)
        return line

    def _confirm(self, body: bytes) -> tuple[int, Json]:
        self._book.mint_confirmed(_object(body), self._clock())
        self._mark("network confirmed")
        self._wake()
        return 200, {}

    def _tokens(self, _: bytes) -> tuple[int, Json]:
        return 200, self._terms().terms.listing()

    def _connect(self, body: bytes) -> tuple[int, Json]:
        email, account = itn.connect_asked(_object(body))
        client = self._terms().emails.get(email)
        if client is None:
            return 404, {"message": "No client has this e-mail address."}
        if not self._book.connect(client, account, self._clock()):
            return 409, {"message": "The client or the account is linked to another one."}
        return 200, {"client_id": client}


def _object(body: bytes) -> Json:
    try:
        found = read_json(body)
    except DataError:
        found = None
    if not isinstance(found, dict):
        raise MessageError("Failed Validation: Invalid data payload (the body is no JSON object)")
    return found


def _said(status: int, body: Json) -> Response[bytes]:
    return Response(msgspec.json.encode(body), status_code=status, media_type=_JSON)


def _failed(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    if isinstance(error, HTTPException):
        return _said(error.status_code, {"message": error.detail})
    if isinstance(error, TimeoutError):
        return _said(408, {"message": "The body did not come."})
    if not isinstance(error, NovateError):
        _log.exception("the network's question was not answered", exc_info=error)
    return _said(_FAULT, {"message": "The issuer could not answer; ask again."})


def _bound(settings: NetworkSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"network.listen: {settings.listen} can't be had: {error.strerror or error}."
        ) from error
    return listener
