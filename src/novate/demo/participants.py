"""The people of the demo: each follows one stated rule and trades through the sequencer like anybody.

Responsible for: what each one owns at the start, and what it does next given the public market. Nobody here has a privilege,
sees the engine, or knows the future.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from novate.config import Listing
from novate.demo.market import Market
from novate.messages import (
    Command,
    CommitBackstop,
    Flags,
    Lend,
    ListMarket,
    OrderKind,
    PlaceOrder,
    PlaceOrderFull,
    Session,
    Side,
    TimeInForce,
    TriggerKind,
)

MINUTE: Final = 60_000_000_000
HOUR: Final = 60 * MINUTE
DOLLAR: Final = 1_000_000
NO_CLIENT: Final = bytes(16)


@dataclass(slots=True)
class Participant:
    """Someone with an account. `holdings` is what arrives in custody first, in units of each asset."""

    account: int
    name: str
    story: str
    rule: str
    listing: Listing
    holdings: Mapping[str, int]
    started_ns: int = 0
    """When it had put its position on; 0 until then."""

    def act(self, market: Market) -> Iterator[Command]:
        """What it sends now. Called every five seconds of market time; nothing unless a role says otherwise."""
        del market
        yield from ()


def lots_of(terms: ListMarket, shares: int) -> int:
    """Whole lots of a number of shares (perps) or tokens of 6 decimals (spot)."""
    return shares * (1_000_000_000 if terms.market_kind == 1 else 1_000_000) // terms.lot_size


def lots_worth(terms: ListMarket, dollars: int, price_e6: int) -> int:
    """Whole lots worth a number of dollars at a price."""
    scale = 1_000_000_000 if terms.market_kind == 1 else 1_000_000
    return dollars * DOLLAR * scale // (price_e6 * terms.lot_size) if price_e6 else 0


def take(terms: ListMarket, side: Side, lots: int) -> PlaceOrder:
    """A market order: what the book gives inside the collar, at once."""
    return PlaceOrder(
        market=terms.market,
        side=side,
        kind=OrderKind.MARKET,
        time_in_force=TimeInForce.IOC,
        flags=0,
        price=0,
        lots=lots,
        client_id=NO_CLIENT,
    )


@dataclass(slots=True)
class Target:
    """A position somebody works towards in clips."""

    terms: ListMarket
    lots: int
    clip: int

    def next_order(self, account: int, market: Market) -> PlaceOrder | None:
        """The next clip, or None when the position is there."""
        missing = self.lots - market.lots[account, self.terms.market]
        if abs(missing) < self.terms.min_lots:
            return None
        return take(self.terms, Side.BID if missing > 0 else Side.ASK, min(abs(missing), self.clip))


@dataclass(slots=True)
class Protection:
    """A stop that sells part of a long perp once its mark has fallen far enough."""

    terms: ListMarket
    lots: int
    falls_ppm: int

    def order(self, market: Market) -> PlaceOrderFull:
        """The stop, so far below the mark now: a market order that only reduces."""
        mark = market.mark[self.terms.market]
        return PlaceOrderFull(
            market=self.terms.market,
            side=Side.ASK,
            kind=OrderKind.MARKET,
            time_in_force=TimeInForce.IOC,
            flags=Flags.REDUCE_ONLY,
            trigger=TriggerKind.STOP,
            price=0,
            lots=self.lots,
            trigger_price=mark * (1_000_000 - self.falls_ppm) // (1_000_000 * self.terms.tick_size),
        )


@dataclass(slots=True)
class Holder(Participant):
    """Puts a fixed set of positions on once its market has been open for a while, and then holds them."""

    opens_with: str = ""
    """Underlying whose regular, live session it waits for."""
    wait_ns: int = 5 * MINUTE
    targets: list[Target] = field(default_factory=list)
    protection: Protection | None = None
    """Placed once, when the positions are on."""
    _open_since: int = 0

    def act(self, market: Market) -> Iterator[Command]:
        """One clip per target until all are there."""
        if self.started_ns:
            return
        number = self.listing.underlying[self.opens_with]
        if market.session.get(number) != Session.REGULAR or not market.live(self.opens_with):
            self._open_since = 0
            return
        self._open_since = self._open_since or market.time_ns
        if market.time_ns - self._open_since < self.wait_ns:
            return
        orders = [order for target in self.targets if (order := target.next_order(self.account, market))]
        if not orders:
            self.started_ns = market.time_ns
            if self.protection:
                yield self.protection.order(market)
        yield from orders


@dataclass(slots=True)
class Lender(Participant):
    """Lends most of its dollars on the first day and leaves them there."""

    amount: int = 0

    def act(self, market: Market) -> Iterator[Command]:
        """Lends once."""
        if not self.started_ns:
            self.started_ns = market.time_ns
            yield Lend(asset=self.listing.asset["USDC"], amount=self.amount)


@dataclass(slots=True)
class Backstop(Participant):
    """Commits a tranche of its money to backstop auctions on the first day and leaves it there."""

    discount_ppm: int = 0
    notional: int = 0
    loss_limit: int = 0

    def act(self, market: Market) -> Iterator[Command]:
        """Commits once."""
        if not self.started_ns:
            self.started_ns = market.time_ns
            yield CommitBackstop(
                discount_ppm=self.discount_ppm, notional=self.notional, loss_limit=self.loss_limit
            )


@dataclass(slots=True)
class PanicSeller(Participant):
    """Shorts all it is allowed to, half a day after the crash, and never covers: the over-leveraged one."""

    underlying: str = ""
    market_name: str = ""
    falls_ppm: int = 130_000
    waits_ns: int = 12 * HOUR
    first_price: int = 0
    triggered_ns: int = 0
    clip_dollars: int = 80_000
    done: bool = False
    _sent: bool = False

    def act(self, market: Market) -> Iterator[Command]:
        """Sells in clips until the engine refuses the smallest one."""
        price = market.price(self.underlying)
        self.first_price = self.first_price or price
        if not self.triggered_ns:
            if price and price * 1_000_000 < self.first_price * (1_000_000 - self.falls_ppm):
                self.triggered_ns = market.time_ns
            return
        if self.done or market.time_ns - self.triggered_ns < self.waits_ns:
            return
        if self._sent and market.refused[self.account]:
            market.refused[self.account] = 0
            self.clip_dollars //= 2
        if self.clip_dollars < 500:
            self.done, self.started_ns = True, market.time_ns
            return
        terms = self.listing.markets[self.market_name]
        self._sent = True
        yield take(terms, Side.ASK, max(lots_worth(terms, self.clip_dollars, price), terms.min_lots))
