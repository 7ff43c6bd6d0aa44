"""How a bridge stands, for people and programs.

Responsible for: reading what the process said last. Never: asks the venue.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from novate.bridge.day import Stop
from novate.keepers.health import read_health
from novate.units import decimal

_OLD_NS: Final = 5_000_000_000


def report(home: Path, stops: Sequence[Stop] = ()) -> dict[str, Any]:
    """What the process said last; `runs` is false where that is old, or nothing."""
    said = read_health(home).get("bridge", {})
    age_ns = time.time_ns() - int(said.get("at_ns", 0))
    return {
        "ok": True,
        "runs": bool(said) and age_ns < _OLD_NS,
        "stops": msgspec.to_builtins(list(stops)),
        **said,
    }


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The same in words."""
    if not found["runs"]:
        yield "The bridge does not run." + (" What it said last:" if "names" in found else "")
    for stop in found["stops"]:
        whose = f", {stop['symbol']}" if stop["symbol"] else ""
        yield f"Stopped by {stop['by']}: {stop['reason']}{whose}{'' if stop['hedges'] else ', not hedged'}"
    if "names" not in found:
        return
    line = found["line"]
    yield f"Line to the venue: {'up' if line['connected'] else 'down'}; result of the day {_short(found['result'], 6)} USD"
    for symbol, name in found["names"].items():
        why = name["stopped"] or name["doubt"]
        yield (
            f"{symbol}: {name['stance']}{f' ({why})' if why else ''}; {_short(name['tokens'], 9)} tokens, perps "
            f"{_short(sum(name['perps'].values()), 9)}, open {_short(name['open_shares'], 9)} shares, "
            f"{name['under_way']} requests under way, result {_short(name['result'], 6)} USD"
        )


def _short(units: int, decimals: int) -> str:
    return f"{decimal(units, decimals):,.2f}"
