"""`novate exchange`: the simulated exchange as a process that others reach over FIX.

Responsible for: options to arguments. Heavy modules are imported by the command that needs them.
"""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Final

import click

from novate.console import common, result, say

_BEAT_S: Final = 0.2
"""Between two writings of the books."""


@click.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
@click.option(
    "--books", type=click.Path(dir_okay=False, path_type=Path), help="Keep the market of every stock in this file, for clearing and a bridge."
)  # fmt: skip
@common
def exchange(directory: Path, books: Path | None, *, as_json: bool) -> None:
    """Run the simulated exchange whose settings are in DIR, served over FIX 4.4, until SIGTERM or SIGINT.

    DIR/exchange.toml is the exchange (docs/reference/brokers.md), DIR/acceptor.toml who may log on (docs/reference/broker-fix.md).
    """
    from novate.broker.book_file import write_books
    from novate.broker.exchange_settings import load_exchange_settings, make_floor
    from novate.broker.fix import fix_acceptor, load_served
    from novate.broker.simulated import SimulatedBroker
    from novate.errors import ConfigError, DataError

    settings = load_exchange_settings(directory / "exchange.toml")
    served = load_served(directory / "acceptor.toml")
    for client, broker in served.brokers.items():
        if broker not in settings.broker:
            known = ", ".join(settings.broker)
            raise ConfigError(f"acceptor.toml: {client} is {broker!r}, the exchange's brokers are {known}.")
    floor = make_floor(settings, directory, time.time_ns())
    lines = {client: SimulatedBroker(floor, broker) for client, broker in served.brokers.items()}
    acceptor = fix_acceptor(served.acceptor, directory / "fix", lines, clock=floor.now_ns)
    ends = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ends.set())
    said = f"{', '.join(settings.stock)} at {served.acceptor.host}:{served.acceptor.port} for {', '.join(served.brokers)}"
    try:
        floor.run()
        acceptor.start()
        if as_json:
            result({"ok": True, "host": served.acceptor.host, "port": served.acceptor.port})
        say(f"ready {said}")
        while not ends.wait(_BEAT_S):
            if floor.error:
                raise DataError(f"The exchange broke: {floor.error}.")
            if books is not None:
                write_books(
                    books, [book for symbol in settings.stock if (book := floor.book(symbol)) is not None]
                )
    finally:
        acceptor.close()
        floor.close()


COMMANDS = (exchange,)
