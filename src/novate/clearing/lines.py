"""The line of each kind of broker, from its options.

Responsible for: reading options, and that brokers of one simulated exchange share one floor of it. Never: opens a line before it is asked to.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Annotated, Final

import msgspec

from novate.broker import Broker, Hear, PrimaryBook
from novate.broker.exchange_settings import load_exchange_settings, make_floor
from novate.broker.fix.settings import fix_settings
from novate.broker.floor import Floor
from novate.broker.simulated import SimulatedBroker
from novate.clearing.adapters import Clock, Given
from novate.errors import ConfigError
from novate.prices.credentials import credentials


class SimulatedOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`adapter = "simulated"`: a broker of a simulated exchange that runs in this process, at the venue's time.

    Attributes:
        exchange: File of the exchange's settings, in the home.
        broker: Its name there.
    """

    exchange: Annotated[str, msgspec.Meta(min_length=1)] = "exchange.toml"
    broker: Annotated[str, msgspec.Meta(min_length=1)]


def simulated(given: Given) -> Broker:
    """A line to a simulated exchange; it shows the primary market, too."""
    try:
        options = msgspec.convert(given.options, SimulatedOptions)
    except msgspec.ValidationError as error:
        raise ConfigError(f"Broker {given.name}: {error}.") from error
    return SimulatedLine(_floors.of(given.home / options.exchange, given.clock), options.broker)


def fix(given: Given) -> Broker:
    """A FIX 4.4 session. Options as `FixSettings`; its numbers and orders are kept in `HOME/clearing/fix`."""
    from novate.broker.fix.initiator import FixBroker  # noqa: PLC0415 - QuickFIX is an extra

    said = {"name": given.name.replace(" ", "-"), **given.options}
    settings = fix_settings(said, f"Broker {given.name}")
    return FixBroker(
        settings,
        given.home / "clearing" / "fix" / settings.name,
        clock=given.clock,
        password=lambda: next(iter(credentials(settings.password_env, os.environ)), ""),
    )


def alpaca(given: Given) -> Broker:
    """An account at Alpaca. Options as `AlpacaSettings`; its keys are in files of the home."""
    from novate.broker.alpaca.adapter import AlpacaBroker  # noqa: PLC0415 - the vendor's client is an extra
    from novate.broker.alpaca.settings import read_settings  # noqa: PLC0415 - with it

    return AlpacaBroker(read_settings(dict(given.options)), given.home, clock_ns=given.clock)


class SimulatedLine(SimulatedBroker):
    """A broker's line whose exchange runs while one of its lines is open."""

    def __init__(self, shared: _Shared, broker: str) -> None:
        super().__init__(shared.floor, broker)
        self._shared = shared

    def open(self, hear: Hear, since: str = "") -> None:
        """As the port says."""
        super().open(hear, since)
        self._shared.begin()

    def close(self) -> None:
        """As the port says."""
        super().close()
        self._shared.end()

    def book(self, symbol: str) -> PrimaryBook | None:
        """The primary market of a symbol."""
        return self.floor.book(symbol)


class _Shared:
    """A floor and how many lines of it are open."""

    def __init__(self, floor: Floor, clock: Clock) -> None:
        self.floor, self._clock, self._open = floor, clock, 0
        self._lock = threading.Lock()

    def begin(self) -> None:
        with self._lock:
            self._open += 1
            if self._open == 1:
                self.floor.run(self._clock)

    def end(self) -> None:
        with self._lock:
            self._open -= 1
            if self._open == 0:
                self.floor.close()
                _floors.forget(self)


class _Floors:
    """Floors of this process, by the file of their exchange."""

    def __init__(self) -> None:
        self._found: dict[Path, _Shared] = {}

    def of(self, path: Path, clock: Clock) -> _Shared:
        path = path.absolute()
        if path not in self._found:
            floor = make_floor(load_exchange_settings(path), path.parent, clock())
            self._found[path] = _Shared(floor, clock)
        return self._found[path]

    def forget(self, shared: _Shared) -> None:
        self._found = {path: one for path, one in self._found.items() if one is not shared}


_floors: Final = _Floors()
