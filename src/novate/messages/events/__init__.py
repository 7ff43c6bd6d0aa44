"""Every event of the venue: what happened, in the past tense.

Responsible for: the whole list. The definitions stand by area in the modules beside this one, in the order of the engine's.
"""

from novate.messages.events import (
    clearing,
    corporate,
    first,
    governance,
    lending,
    liquidation,
    orders,
    packages,
    prices,
)
from novate.messages.events.first import LAST
from novate.messages.fields import Event

EVENTS: tuple[type[Event], ...] = (
    *first.EVENTS,
    *orders.EVENTS,
    *packages.EVENTS,
    *prices.EVENTS,
    *lending.EVENTS,
    *liquidation.EVENTS,
    *clearing.EVENTS,
    *governance.EVENTS,
    *corporate.EVENTS,
)
"""All events, in the order of the engine's definitions."""

__all__ = ["EVENTS", "LAST"]
