"""What outlives the process: what was known of the account, where its events stood, the day's results, and a stop.

    HOME/bridge/day.json     replaced whole, at most once a second and at the end
    HOME/bridge/stop.json    there while a person has stopped the bridge
    HOME/bridge/losses.json  there while it has stopped itself: each loss limit that was passed, and names whose tokens were renumbered

Responsible for: those files, each written by one of the two. The venue's answers rule: at a start what is kept here is brought up to date by the account's events since,
and compared with what the account has. Never: an order, or anything that the venue would not say again, but results and the
prices at which they are judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from novate.bridge.inventory import Flight
from novate.bridge.machine import Machine
from novate.errors import DataError
from novate.files import write_private

FOLDER: Final = "bridge"
_DAY, _STOP, _LOSSES = "day.json", "stop.json", "losses.json"


class KeptFlight(msgspec.Struct, frozen=True):
    """A request under way: see `inventory.Flight`."""

    mints: bool
    held: int


class KeptName(msgspec.Struct, frozen=True):
    """A name: see `inventory.Inventory`. `mark`, `carried` and `result`: see `machine.Name`; `scale`: see `terms.NameTerms`."""

    tokens: int
    perps: dict[str, int]
    flights: dict[int, KeptFlight]
    cash: int
    traded: int
    mark: int = 0
    carried: int | None = None
    result: int = 0
    scale: tuple[int, ...] = ()


class Kept(msgspec.Struct, frozen=True):
    """Everything. `heard`: number of the account's last event that is in it. `reference`: the last one used for a request."""

    day: str
    heard: int
    reference: int
    names: dict[str, KeptName]


class Stop(msgspec.Struct, frozen=True):
    """Why it is stopped, by whom and since when; `hedges`: whether what is open is still hedged. `symbol`: of which name; empty for all."""

    reason: str
    by: str
    at_ns: int
    hedges: bool = True
    symbol: str = ""


def keep(machine: Machine, day: str, heard: int, reference: int) -> Kept:
    """What is to be kept of a machine."""
    names = {}
    for symbol, name in machine.names.items():
        held = name.inventory
        flights = {number: KeptFlight(one.mints, one.held) for number, one in held.flights.items()}
        names[symbol] = KeptName(
            tokens=held.tokens,
            perps=dict(held.perps),
            flights=flights,
            cash=held.cash,
            traded=held.traded,
            mark=name.mark,
            carried=name.carried,
            result=name.result(),
            scale=name.terms.scale(),
        )
    return Kept(day, heard, reference, names)


def restore(machine: Machine, kept: Kept) -> None:
    """Puts into a machine what was kept of names that it has."""
    for symbol, one in kept.names.items():
        if symbol not in machine.names:
            continue
        name = machine.names[symbol]
        held, name.mark, name.carried = name.inventory, one.mark, one.carried
        held.tokens, held.perps, held.cash, held.traded = one.tokens, dict(one.perps), one.cash, one.traded
        held.flights = {number: Flight(flight.mints, flight.held) for number, flight in one.flights.items()}
        machine.knows(held.flights, symbol)
        if one.scale and one.scale != name.terms.scale():
            name.mark = 0
            name.carry(one.result)


class Day:
    """The folder of a bridge in a venue's home; made where it is not there."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER

    def read(self) -> Kept | None:
        """What was kept; None where nothing was. Raises DataError for a file that is none: results of the day would be lost unseen."""
        try:
            return msgspec.json.decode((self._folder / _DAY).read_bytes(), type=Kept)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as error:
            path = self._folder / _DAY
            raise DataError(
                f"{path} is not what a bridge keeps: {error}. Put it aside to begin anew.", file=str(path)
            ) from error

    def write(self, kept: Kept) -> None:
        """Keeps it, on disk when it returns."""
        self._write(_DAY, kept)

    def stops(self) -> tuple[Stop, ...]:
        """Why the bridge is stopped, a person's stop first; none while it is not. A file that can't be read is a stop."""
        return (*self._said(_STOP, _person), *self._losses())

    def stop(self, stop: Stop) -> None:
        """A person stops it, also across restarts, until `resume`; in place of what a person said before."""
        self._write(_STOP, stop)

    def lose(self, stops: Sequence[Stop]) -> None:
        """It stops itself, also across restarts, until `resume`; beside the stops of before."""
        self._write(_LOSSES, [*self._losses(), *stops])

    def resume(self) -> bool:
        """Ends every stop; whether there was one."""
        there = [self._folder / one for one in (_STOP, _LOSSES) if (self._folder / one).exists()]
        for path in there:
            path.unlink(missing_ok=True)
        return bool(there)

    def _losses(self) -> tuple[Stop, ...]:
        return self._said(_LOSSES, msgspec.json.Decoder(tuple[Stop, ...]).decode)

    def _said(self, name: str, decode: Callable[[bytes], tuple[Stop, ...]]) -> tuple[Stop, ...]:
        try:
            return decode((self._folder / name).read_bytes())
        except FileNotFoundError:
            return ()
        except (OSError, msgspec.MsgspecError):
            return (Stop(f"{name} can't be read", "", 0),)

    def _write(self, name: str, said: object) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_private(self._folder / name, msgspec.json.encode(said))


def _person(said: bytes) -> tuple[Stop, ...]:
    return (msgspec.json.decode(said, type=Stop),)
