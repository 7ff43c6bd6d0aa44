"""FIX 4.4 over QuickFIX: the venue's line to a broker, and the simulated exchange as somebody's broker.

    settings     what an operator writes, and QuickFIX's settings made from it
    tags, frame  the words of the standard; a message as fields, its numbers and times read exactly
    orders       what a session remembers, on disk
    writing      instructions as messages           reading    messages as reports
    wire         QuickFIX around both
    initiator    the broker port                    acceptor   a broker port served to others, `serving` its messages

QuickFIX is an extra (`pip install novate[fix]`). `fix_broker` and `fix_acceptor` say so where it is not installed; `initiator`, `acceptor` and `wire`
can only be imported where it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from novate.broker.fix.settings import (
    AcceptorSettings,
    Client,
    FixSettings,
    Served,
    fix_settings,
    load_fix,
    load_served,
)
from novate.broker.port import Broker
from novate.errors import ConfigError

if TYPE_CHECKING:
    from novate.broker.fix.acceptor import FixAcceptor
    from novate.broker.fix.initiator import FixBroker

__all__ = [
    "AcceptorSettings",
    "Client",
    "FixSettings",
    "Served",
    "fix_acceptor",
    "fix_broker",
    "fix_settings",
    "load_fix",
    "load_served",
]


def fix_broker(
    settings: FixSettings,
    folder: Path,
    *,
    clock: Callable[[], int] = time.time_ns,
    password: Callable[[], str] = str,
) -> FixBroker:
    """The venue's line to a broker over FIX. Raises ConfigError where QuickFIX is not installed."""
    _needs_quickfix()
    from novate.broker.fix.initiator import FixBroker

    return FixBroker(settings, folder, clock=clock, password=password)


def fix_acceptor(
    settings: AcceptorSettings,
    folder: Path,
    brokers: Mapping[str, Broker],
    *,
    clock: Callable[[], int] = time.time_ns,
) -> FixAcceptor:
    """Brokers served over FIX, by the id of each one's client. Raises ConfigError where QuickFIX is not installed."""
    _needs_quickfix()
    from novate.broker.fix.acceptor import FixAcceptor

    return FixAcceptor(settings, folder, brokers, clock=clock)


def _needs_quickfix() -> None:
    try:
        import quickfix  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise ConfigError(
            "A FIX session needs the package 'quickfix': pip install novate[fix].", package="quickfix"
        ) from error
