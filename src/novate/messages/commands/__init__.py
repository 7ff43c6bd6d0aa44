"""Every command of the venue: wishes, outside facts and time, as they stand in the journal.

Responsible for: the whole list. The definitions stand by area in the modules beside this one, in the order of the engine's.
"""

from novate.messages.commands import (
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
from novate.messages.fields import Command

COMMANDS: tuple[type[Command], ...] = (
    *first.COMMANDS,
    *orders.COMMANDS,
    *packages.COMMANDS,
    *prices.COMMANDS,
    *lending.COMMANDS,
    *liquidation.COMMANDS,
    *clearing.COMMANDS,
    *governance.COMMANDS,
    *corporate.COMMANDS,
)
"""All commands, in the order of the engine's definitions."""

__all__ = ["COMMANDS"]
