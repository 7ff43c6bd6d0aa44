"""A venue on this machine for as long as a program needs it: for examples, and for tests of one's own trading programs.

Responsible for: starting `novate up --dev` in a directory that is thrown away, and facts that somebody must bring to it: accounts with
money, prices, a session that is open. Its time passes and its prices stay what they were said to be, however long a program thinks; nothing
else happens by itself. Never: for money.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from novate.client.blocking import Client
from novate.client.calls import Amount
from novate.client.errors import ClientError, VenueUnreachable
from novate.client.steps import Persistence

_START: Final = "import sys; from novate.cli import main; sys.exit(main())"
_SOURCES: Final = (1, 2)
_BEFORE_NS: Final = 100_000_000
"""A price was made a little before it arrives."""
_SAID_AGAIN_S: Final = 5.0
"""How often a price is said again: the listing calls a source slow after as long, and drops it after six times that."""
_TRADE: Final = "trade"
_REGULAR: Final[dict[str, Any]] = {
    "session": "regular", "next_session": "regular", "next_time_ns": 0, "closure_step_ns": 0,
    "closure_ramp_from_ns": 0, "closure_ramp_to_ns": 0, "closure_end_ns": 0,
}  # fmt: skip


@dataclass
class LocalVenue:
    """A venue that runs, and what its people do there."""

    url: str
    client: Client
    """Without a key: it may do everything."""
    home: Path
    """Its directory, as long as it runs."""
    _open: set[str] = field(default_factory=set)
    _said: dict[tuple[str, str], Amount] = field(default_factory=dict)
    _saying: threading.Lock = field(default_factory=threading.Lock)

    def fund(self, account: int, **amounts: Amount) -> None:
        """Opens an account whose owner has the same number, with so much of each asset."""
        self.client.call("open_account", account, owner=account)
        for asset, amount in amounts.items():
            self.client.call("deposit", account, asset=asset, amount=amount, reference=1)

    def price(self, **dollars: Amount) -> None:
        """What two sources say now that underlyings are worth; their sessions are regular from then on."""
        for underlying, price in dollars.items():
            if underlying not in self._open:
                self.client.call("set_session", underlying=underlying, **_REGULAR)
                self._open.add(underlying)
            self.say(underlying, price)

    def say(self, underlying: str, price: Amount, kind: str = "quote") -> None:
        """What two sources say from now on: a `quote`, or the value that an `issuer` states; or say once: a `trade`."""
        with self._saying:
            if kind != _TRADE:
                self._said[underlying, kind] = price
            _post(self.client, underlying, price, kind)

    def _say_again(self, client: Client) -> None:
        """What was said last of everything, as of now."""
        with self._saying:
            for (underlying, kind), price in self._said.items():
                _post(client, underlying, price, kind)


def _post(client: Client, underlying: str, price: Amount, kind: str) -> None:
    for source in _SOURCES:
        client.call(
            "post_price", underlying=underlying, source=source, price=price, price_kind=kind,
            venue_time_ns=time.time_ns() - _BEFORE_NS, size=1_000_000,
        )  # fmt: skip


@contextmanager
def local_venue(wait_s: float = 90.0, listing: Path | None = None) -> Iterator[LocalVenue]:
    """A new venue that lists what a file says, or what the demo lists; USDC at a dollar.

    Raises VenueUnreachable when it does not take commands in time; the end of its log is in the sentence.
    """
    with tempfile.TemporaryDirectory(prefix="novate-") as directory:
        home, port = Path(directory) / "venue", _two_ports()
        up = ["up", str(home), "--dev", "--port", str(port), "--without", "projector", "--without", "keeper"]
        up += ["--listing", str(listing)] if listing is not None else []
        with (Path(directory) / "log").open("wb") as log:
            processes = [_start(log.fileno(), *up)]
            try:
                with Client(f"http://127.0.0.1:{port}") as client:
                    _await(processes[0], client.url, time.monotonic() + wait_s, Path(log.name))
                    processes.append(_start(log.fileno(), "keeper", "time", str(home)))
                    venue = LocalVenue(client.url, client, home)
                    venue.say("USDC", 1, "issuer")
                    with _fresh(venue):
                        yield venue
            finally:
                for process in reversed(processes):
                    _end(process)


@contextmanager
def _fresh(venue: LocalVenue) -> Iterator[None]:
    """Prices are said again as long as this lasts."""
    ends = threading.Event()

    def say() -> None:
        with Client(venue.url) as client:
            while not ends.wait(_SAID_AGAIN_S):
                with suppress(ClientError):
                    venue._say_again(client)  # noqa: SLF001 - of this module

    thread = threading.Thread(target=say, name="prices", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join(_SAID_AGAIN_S)


def _start(log: int, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _START, *arguments]
    return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)  # noqa: S603 - our own program


def _await(venue: subprocess.Popen[bytes], url: str, until: float, log: Path) -> None:
    with Client(url, persistence=Persistence(attempts=1)) as client:
        while venue.poll() is None and time.monotonic() < until:
            try:
                if client.status().takes_commands and client.markets():
                    return
            except ClientError:
                pass
            time.sleep(0.1)
    raise VenueUnreachable(
        f"The venue did not start: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}"
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _two_ports() -> int:
    """A free port of which the next one is free too."""
    for _ in range(100):
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            try:
                other.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port
    raise VenueUnreachable("No two ports beside each other are free.")
