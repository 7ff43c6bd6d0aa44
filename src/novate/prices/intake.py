"""Observations to `PostPrice` commands: whose price it is, at which scale, and what is no price at all.

Responsible for: exact scaling by the listing, the middle of a quote, its confidence and size, and refusing garbage by name, counted.
Never: judges a price. Jumps, quorum, thin prints and stale sources are the engine's business, and it journals them as they came.

The middle of a quote is rounded down by at most half a unit of the listed scale. Confidence is one less the quote's spread as a part of
its middle, and full for a print. Size is the dollars on the thinner side of a quote, or of the print, rounded down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final

from novate.errors import ConfigError, UnitError
from novate.messages import PostPrice, PriceKind
from novate.prices.observation import Observation, Quote
from novate.units import scaled

PPM: Final = 1_000_000
_SIZE_DECIMALS: Final = 9
_LARGEST: Final = 2**63 - 1


class Garbage(StrEnum):
    """Why an observation became no command; the names are those of the counters."""

    MALFORMED = "malformed"
    """Not what the format says: no JSON, a missing field, a text where a number belongs, NaN."""
    OTHER_SYMBOL = "other_symbol"
    """A symbol that was not subscribed to."""
    NOT_POSITIVE = "not_positive"
    IMPLAUSIBLE = "implausible"
    """Outside the listed bounds of the underlying."""
    FINER_THAN_SCALE = "finer_than_scale"
    """More decimals than the underlying's listed scale has."""
    CROSSED = "crossed"
    """A bid above its ask."""
    FROM_THE_FUTURE = "from_the_future"
    OUT_OF_ORDER = "out_of_order"
    """Older than what the source said before."""
    DUPLICATE = "duplicate"
    """The same price at the same time as before."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One symbol of a feed and the underlying it prices, as listed."""

    symbol: str
    underlying: int
    source: int
    decimals: int
    price_min: int
    price_max: int
    nav: bool = False
    """Whether the price is an issuer's value; the engine takes no other kind of such a name."""


@dataclass(frozen=True, slots=True)
class IntakeTerms:
    """What an operator says of a feed's numbers."""

    unit: Decimal = Decimal(1)
    """Shares or coins of one unit of the feed's sizes: 100 where it counts round lots."""
    assumed_size: int = 0
    """Micro-dollars behind a price whose size the feed does not state; 0 says nothing, and a listing may then ignore the print."""
    skew_ns: int = 250_000_000
    """How far a venue's clock may run ahead of ours: such a price counts as of now. Beyond it is from the future."""


class _Refused(Exception):
    def __init__(self, garbage: Garbage) -> None:
        self.garbage = garbage


@dataclass(slots=True)
class Intake:
    """The symbols of one feed. `take` gives a command or counts why not."""

    instruments: Iterable[Instrument]
    terms: IntakeTerms = IntakeTerms()
    refused: Counter[Garbage] = field(default_factory=Counter)
    taken: int = 0
    _by_symbol: dict[str, Instrument] = field(default_factory=dict)
    _last: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.instruments = tuple(self.instruments)
        self._by_symbol = {entry.symbol: entry for entry in self.instruments}
        places = {(entry.underlying, entry.source) for entry in self.instruments}
        if len(self._by_symbol) < len(self.instruments) or len(places) < len(self.instruments):
            raise ConfigError("Two symbols of a feed have one name, or price one underlying as one source.")

    def take(self, seen: Observation, raw_hash: bytes, now_ns: int) -> PostPrice | None:
        """The command, or None for garbage, which is counted. `raw_hash` is of the frame it came in."""
        try:
            command = self._command(seen, raw_hash, now_ns)
        except _Refused as refusal:
            self.refused[refusal.garbage] += 1
            return None
        self.taken += 1
        return command

    def _command(self, seen: Observation, raw_hash: bytes, now_ns: int) -> PostPrice:
        entry = self._by_symbol.get(seen.symbol)
        if entry is None:
            raise _Refused(Garbage.OTHER_SYMBOL)
        if isinstance(seen, Quote):
            price, confidence = _middle(seen, entry.decimals)
            sizes = [size for size in (seen.bid_size, seen.ask_size) if size is not None]
            size, kind = (min(sizes) if len(sizes) == 2 else None), PriceKind.QUOTE
        else:
            price, confidence = _positive(seen.price, entry.decimals), PPM
            size, kind = seen.size, seen.kind
        if not entry.price_min <= price <= entry.price_max:
            raise _Refused(Garbage.IMPLAUSIBLE)
        if seen.venue_time_ns > now_ns + self.terms.skew_ns:
            raise _Refused(Garbage.FROM_THE_FUTURE)
        at = min(seen.venue_time_ns, now_ns)
        last_at, last_price = self._last.get(seen.symbol, (0, 0))
        if at < last_at:
            raise _Refused(Garbage.OUT_OF_ORDER)
        if (at, price) == (last_at, last_price):
            raise _Refused(Garbage.DUPLICATE)
        self._last[seen.symbol] = (at, price)
        return PostPrice(
            underlying=entry.underlying,
            source=entry.source,
            price=price,
            confidence_ppm=confidence,
            price_kind=int(PriceKind.ISSUER if entry.nav else kind),
            venue_time_ns=at,
            size=self._dollars(size, price, entry.decimals),
            raw_hash=raw_hash,
        )

    def _dollars(self, size: Decimal | None, price: int, decimals: int) -> int:
        """Micro-dollars of a size, rounded down."""
        if size is None:
            return self.terms.assumed_size
        units = int((size * self.terms.unit).scaleb(_SIZE_DECIMALS))
        micro = units * price * 10**6 // int(10 ** (_SIZE_DECIMALS + decimals))
        return min(max(micro, 0), _LARGEST)


def _positive(price: Decimal, decimals: int) -> int:
    if price <= 0:
        raise _Refused(Garbage.NOT_POSITIVE)
    if price.adjusted() > 18:
        raise _Refused(Garbage.IMPLAUSIBLE)
    try:
        return scaled(price, decimals, "price")
    except UnitError:
        fine = price.scaleb(decimals) % 1
        raise _Refused(Garbage.FINER_THAN_SCALE if fine else Garbage.IMPLAUSIBLE) from None


def _middle(quote: Quote, decimals: int) -> tuple[int, int]:
    bid, ask = _positive(quote.bid, decimals), _positive(quote.ask, decimals)
    if bid > ask:
        raise _Refused(Garbage.CROSSED)
    middle = (bid + ask) // 2
    return middle, max(PPM - -(-(ask - bid) * PPM // middle), 0)
