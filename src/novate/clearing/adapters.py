"""From a broker's settings to its line: one function for each kind of adapter.

    [[broker]]
    adapter = "my_firm.prime:line"      # def line(given: Given) -> Broker

Responsible for: finding the function. Never: imports an adapter that is not asked for, or opens a line.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from novate.broker import Broker, PrimaryMarket
from novate.errors import ConfigError

Clock = Callable[[], int]


class Given(NamedTuple):
    """What an adapter is made of."""

    broker: int
    """The venue's number of the broker."""
    name: str
    options: Mapping[str, Any]
    home: Path
    """The venue's home: for paths in the options, and for what the adapter keeps."""
    clock: Clock
    """The venue's time."""


Make = Callable[[Given], Broker]

MAKERS: Final = {name: f"novate.clearing.lines:{name}" for name in ("simulated", "fix", "alpaca")}
"""Name of an adapter to the function that makes it. What it makes shows the primary market too, where it is a `PrimaryMarket`."""


def make(adapter: str, given: Given) -> Broker:
    """The line of a broker, not open. Raises ConfigError for an adapter that is not known, or options that it does not take."""
    maker: Make = _function(MAKERS.get(adapter, adapter), f"Broker {given.name}: adapter", MAKERS)
    return maker(given)


def make_market(adapter: str, given: Given) -> PrimaryMarket:
    """Who shows the primary market, by a function of one's own. Raises ConfigError."""
    maker: Callable[[Given], PrimaryMarket] = _function(adapter, "market.adapter", ())
    return maker(given)


def _function(named: str, what: str, known: Iterable[str]) -> Any:
    module, _, function = named.partition(":")
    if not function:
        raise ConfigError(
            f"{what}: expected {'one of ' if known else ''}{', '.join([*known, 'module:function'])}, found {named!r}."
        )
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{what}: {named!r} can't be loaded: {error}.") from error
