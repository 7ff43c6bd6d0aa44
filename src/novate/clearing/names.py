"""What the venue lists, in a broker's language and back: symbols, prices of a share, client order ids.

Responsible for: conversions, exact where they can be and rounded against the venue where not. Never: asks (a caller brings the answer), or
decides what is listed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from typing import Final, Self

from novate.calendar import new_york_ns
from novate.errors import ConfigError
from novate.messages.reports.portfolios import AssetName, Listed, UnderlyingName

PRICE_DECIMALS: Final = 9
"""Of a price of the broker port."""
SETTLES_AT: Final = time(20)
"""New York time of its day after which an execution without a report of its settlement is overdue."""
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ID: Final = re.compile(r"([0-9A-Z]{6})-([0-9A-Z]{1,13})")


@dataclass(frozen=True, slots=True)
class Names:
    """Everything listed that clearing needs, by id and by symbol."""

    underlyings: Mapping[int, UnderlyingName]
    assets: Mapping[int, AssetName]
    symbols: Mapping[int, str]
    """Underlying to the broker's symbol."""
    _by_symbol: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, listed: Listed, symbols: Mapping[str, str]) -> Self:
        """From what the venue answers. `symbols` says what an underlying is called at brokers, where that differs from its name.

        Raises ConfigError for a name that is not listed, or a symbol used twice.
        """
        known = {line.name: line.underlying for line in listed.underlyings}
        for name in symbols:
            if name not in known:
                raise ConfigError(f"symbols: the venue lists no underlying {name!r}.", name=name)
        found = {line.underlying: symbols.get(line.name, line.name) for line in listed.underlyings}
        by_symbol: dict[str, int] = {}
        for line in listed.underlyings:
            first = by_symbol.setdefault(found[line.underlying], line.underlying)
            if first != line.underlying:
                one = next(other.name for other in listed.underlyings if other.underlying == first)
                raise ConfigError(
                    f"symbols: {one} and {line.name} are both {found[first]!r} at brokers; give one of them its own.",
                    name=line.name,
                )
        return cls(
            {line.underlying: line for line in listed.underlyings},
            {line.asset: line for line in listed.assets},
            found,
            by_symbol,
        )

    @property
    def cash_decimals(self) -> int:
        """Decimals of the venue's stablecoins; the fewest, where they differ."""
        return min((asset.decimals for asset in self.assets.values() if asset.stablecoin), default=6)

    def underlying_of(self, symbol: str) -> int:
        """The underlying of a symbol; 0 where the venue lists none."""
        return self._by_symbol.get(symbol, 0)

    def price_said(self, underlying: int, price: int) -> int:
        """A price of the venue as brokers say it, 1e-9 dollars."""
        return price * self._step(underlying)

    def price_heard(self, underlying: int, price: int, *, up: bool) -> int:
        """A broker's price at the venue's scale; what does not fit is rounded up for what the venue pays, down for what it gets."""
        step = self._step(underlying)
        return -(-price // step) if up else price // step

    def _step(self, underlying: int) -> int:
        """1e-9 dollars in the smallest step of the venue's prices."""
        line = self.underlyings.get(underlying)
        decimals = min(line.decimals, PRICE_DECIMALS) if line is not None else PRICE_DECIMALS
        return int(10 ** (PRICE_DECIMALS - decimals))


def order_id(journal: bytes, number: int) -> str:
    """The client id of the engine's order: six letters of the journal, so that no other venue uses it, and its number."""
    return f"{_base36(int.from_bytes(journal[:8], 'big') % 36**6).rjust(6, '0')}-{_base36(number)}"


def order_number(order: str) -> int | None:
    """The engine's number in a client id; None for an id that is none of a venue's."""
    found = _ID.fullmatch(order)
    return int(found[2], 36) if found else None


def settles_ns(day: date) -> int:
    """When an execution that settles on a day is overdue."""
    return new_york_ns(day, SETTLES_AT)


def _base36(number: int) -> str:
    digits = ""
    while number or not digits:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits
