"""The issuer in the tokenisation network: its door, its calls, and the book between them, wired.

Responsible for: which line's account it is, keys from their files, and the order of opening and closing. Never: decides what follows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from novate.clearing.names import Names
from novate.clearing.network_book import NetworkBook
from novate.clearing.network_terms import NetworkSettings, network_terms
from novate.errors import ConfigError

NANO = 10**9


class Issuer:
    """One issuer, bound to its port and not open yet."""

    def __init__(
        self, home: Path, settings: NetworkSettings, options: Mapping[str, Any], book: NetworkBook, names: Callable[[], Names],
        broker: int, clock: Callable[[], int],
        *, answer_ns: int, every_ns: int, wake: Callable[[], None], on_step: Callable[[str], None],
    ) -> None:  # fmt: skip
        """`options` are those of the line, `broker` its number. Raises ConfigError."""
        from novate.broker.alpaca.http import broker_api  # noqa: PLC0415 - the vendor's client is an extra
        from novate.broker.alpaca.network import Network  # noqa: PLC0415 - with it
        from novate.broker.alpaca.settings import read_key, read_settings  # noqa: PLC0415 - with it
        from novate.clearing.network_calls import NetworkCalls  # noqa: PLC0415 - with it
        from novate.clearing.network_door import (  # noqa: PLC0415 - HTTP is for issuers only
            Callers,
            NetworkDoor,
        )

        line = read_settings(dict(options))
        if line.network is None:
            raise ConfigError(
                f"network.broker: the line of {settings.broker!r} has no account in the network (options.network)."
            )
        network_terms(settings, names(), broker)
        key = read_key(line.network.key_file, line.network.secret_file, home)
        network = Network(broker_api(line, key), line.network.account_id)
        self._calls = NetworkCalls(book, network, clock, every_s=every_ns / NANO, on_step=on_step)
        self.door = NetworkDoor(
            settings, Callers.of(settings, home), book, lambda: network_terms(settings, names(), broker), clock,
            home=home, answer_s=answer_ns / NANO, wake=wake, on_step=on_step,
        )  # fmt: skip

    def open(self) -> None:
        """Begins to serve and to call."""
        self._calls.open()
        self.door.open()

    def close(self) -> None:
        """Ends both."""
        self.door.close()
        self._calls.close()
