"""Stablecoin to dollars and back: who changes the treasury's money, behind one port.

Responsible for: the port, a simulated changer, and one that waits for a person who confirms what came. Limits, the cut-off and the peg guard
are the engine's: what arrives here was allowed. Never: moves a balance.
"""

from __future__ import annotations

from typing import Final, Protocol

from novate.clearing.names import Names
from novate.clearing.outbox import Conversion
from novate.clearing.words import Converted

PPM: Final = 1_000_000
_MICRO: Final = 6


class Changer(Protocol):
    """Who changes stablecoins into dollars at a broker, and back."""

    def begin(self, conversion: Conversion, now_ns: int) -> None:
        """Begins a conversion. The same number again is never a second one."""

    def look(self, conversion: Conversion, names: Names, now_ns: int) -> Converted | None:
        """What came of a conversion that was begun; None while it is on its way. `names` is what is listed now."""


class ByHand:
    """A person changes the money, and says what came: `novate clearing converted`."""

    def begin(self, conversion: Conversion, now_ns: int) -> None:
        """Nothing: it is on the list of what waits."""

    def look(self, conversion: Conversion, names: Names, now_ns: int) -> Converted | None:
        """Nothing: the person's word is kept beside the brokers'."""


class SimulatedChanger:
    """Changes at face less a cost, after a stated time. For a venue for development."""

    def __init__(self, *, takes_ns: int, cost_ppm: int) -> None:
        self._takes_ns, self._cost_ppm = takes_ns, cost_ppm

    def begin(self, conversion: Conversion, now_ns: int) -> None:
        """Nothing: the time that it was begun is all that it needs."""

    def look(self, conversion: Conversion, names: Names, now_ns: int) -> Converted | None:
        """Face less the cost, rounded down."""
        if now_ns - conversion.changed_ns < self._takes_ns:
            return None
        asset = names.assets.get(conversion.asset)
        decimals = asset.decimals if asset is not None else _MICRO
        source, target = (decimals, _MICRO) if conversion.to_dollars else (_MICRO, decimals)
        face = conversion.amount * 10**target // 10**source
        return Converted(
            conversion=conversion.conversion, amount=face * (PPM - self._cost_ppm) // PPM, by="simulated"
        )
