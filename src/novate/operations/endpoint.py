"""Metrics and health on a port of this machine: what Prometheus scrapes and a load balancer asks.

    /metrics    the table of `metrics`, in Prometheus's text format
    /healthz    200 while the supervisor looks after its processes
    /readyz     200 while everything serves that trading needs, else 503; and each process, as JSON

Responsible for: answering in bounded time, from a thread of its own. Never: listens beyond this machine, takes a command, or names anything
that a key protects.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from novate.core_process.recovering import read_recovery, told_of
from novate.errors import ConfigError
from novate.operations.metrics import States, Watched, is_ready, registry

HOST: Final = "127.0.0.1"
_JSON: Final = "application/json"
_REQUEST_S: Final = 10.0


class Endpoint:
    """Serves one venue's metrics and health while it is entered."""

    def __init__(self, port: int, watched: Watched, states: States, alive: Callable[[], bool]) -> None:
        """Binds the port, 0 for a free one; `alive` says whether the supervisor still looks. Raises ConfigError where it can't be had."""
        handler = _handler(registry(watched, states), states, alive, watched)
        try:
            self._server = _Server((HOST, port), handler)
        except OSError as error:
            raise ConfigError(
                f"Metrics can't be served on {HOST}:{port}: {error.strerror or error}.", port=port
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False


def _handler(
    metrics: CollectorRegistry, states: States, alive: Callable[[], bool], watched: Watched
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _REQUEST_S
        server_version = "novate"
        sys_version = ""

        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(metrics))
                case "/healthz":
                    good = alive()
                    self._json(200 if good else 503, {"alive": good})
                case "/readyz":
                    found = states()
                    good = is_ready(found)
                    processes = {one.name: {"serves": one.serves, "starts": one.starts} for one in found}
                    told = {"ready": good, "development": watched.dev, "processes": processes}
                    recovery = None if good else read_recovery(watched.home)
                    self._json(200 if good else 503, {**told, "recovery": told_of(recovery)})
                case _:
                    self._json(404, {"error": "There are /metrics, /healthz and /readyz."})

        def _json(self, status: int, value: dict[str, Any]) -> None:
            self._answer(status, _JSON, json.dumps(value).encode() + b"\n")

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing: a scrape is no news."""

    return Handler
