"""What the ccxt link hands on: one unified ticker of an exchange as JSON, its own raw message inside it.

Responsible for: reading that frame. A ticker without both sides of the market is read as its last trade. Never: talks to an exchange;
`novate.prices.links` does, through ccxt.
"""

from __future__ import annotations

from novate.messages import PriceKind
from novate.prices.observation import Frame, Heard, Observation, Phase, Print, Quote
from novate.prices.reading import Unreadable, moment_ns, number, optional_number, read_json, text

SUBSCRIBED = '{"subscribed":true}'
"""The link's word that it watches every symbol."""


class Ticker:
    """Frames of `CcxtLink`."""

    def opened(self) -> Heard:
        """The link says what there is to say."""
        return Heard()

    def heard(self, frame: Frame) -> Heard:
        """Takes one ticker."""
        try:
            read = read_json(frame)
            if not isinstance(read, dict):
                return Heard(malformed=1)
            if read.get("subscribed") is True:
                return Heard(phase=Phase.READY)
            return Heard((_observation(read),))
        except Unreadable:
            return Heard(malformed=1)


def _observation(read: dict[str, object]) -> Observation:
    symbol, at = text(read.get("symbol")), moment_ns(read.get("timestamp"), "ms")
    bid, ask = read.get("bid"), read.get("ask")
    if bid is not None and ask is not None:
        sizes = optional_number(read.get("bidVolume")), optional_number(read.get("askVolume"))
        return Quote(symbol, number(bid), number(ask), *sizes, at)
    return Print(
        symbol, number(read.get("last")), optional_number(read.get("lastVolume")), at, PriceKind.TRADE
    )
