"""What every server of a venue does alike: listening on a Unix socket with the rights of its owner alone, and ending on a signal.

Responsible for: those two, and what HOST:PORT means. Never: knows a record.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from novate.errors import ConfigError

_BACKLOG: Final = 128


def listen(path: Path, who: str) -> socket.socket:
    """Listens on `path`, readable and writable by its owner alone; a socket that was left there is replaced.

    Whoever calls knows that nobody listens there. Raises ConfigError that says `who` can't.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            path.unlink()
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(f"The {who} can't listen on {path}: {error.strerror or error}.") from error
    return listener


def host_and_port(address: str) -> tuple[str, int]:
    """HOST:PORT as two. Raises ConfigError."""
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ConfigError(f"{address!r} is no HOST:PORT.", address=address)
    return host.strip("[]"), int(port)


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT call `stop`, for as long as this lasts. For the main thread."""
    wanted = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: stop()) for number in wanted]
    try:
        yield
    finally:
        for number, handler in zip(wanted, before, strict=True):
            signal.signal(number, handler)
