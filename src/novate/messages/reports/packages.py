"""Packages, blocks and quotes: what one would do, and what an account has open.

    from novate.messages.reports import packages
    packages.package(engine, 7, markets=(2, 1), lots=(100, -100), prices=(18_000, 17_990)).excess_after
    packages.offers(engine, 7).blocks

Responsible for: one class per answer of `crates/novate-core/src/query/packages.rs`, and one function per question. Never computes:
a preview runs the production checks on a copy of the state, which costs what the copy costs.
"""

from collections.abc import Sequence
from typing import NamedTuple

from novate.messages.reports.base import Answers, Report, ask

Four = tuple[int, int, int, int]
"""One number per level, strictest first."""


class Fill(NamedTuple):
    """One fill that would happen: market, signed lots, ticks, fee in quote units."""

    market: int
    lots: int
    price: int
    fee: int


class Preview(Report, frozen=True, kw_only=True):
    """What a package, or one side of a block or a quote, would do.

    Attributes:
        refusal: Number of what would refuse it; 0 when nothing does.
        rule: Its name.
        field: The field at fault, from 1; 0 for none.
        value: The value that is refused.
        limit: The bound it met.
        units: Whole units that would trade.
        fills: Empty when the books or the fields already refuse.
        cost: Quote units paid in all, fees left out; negative: received.
        fee: Quote units.
        excess_before: Per level, micro-dollars.
        excess_after: Per level, once it has traded.
        requirement_after: Per level.
        crowd: Charge at initial for the exposure added, micro-dollars, beside `excess_after`.
    """

    refusal: int
    rule: str
    field: int
    value: int
    limit: int
    units: int
    fills: tuple[Fill, ...]
    cost: int
    fee: int
    excess_before: Four
    excess_after: Four
    requirement_after: Four
    crowd: int


class BlockLine(NamedTuple):
    """An open block: its number, who proposed it to whom, legs as the proposer trades them, and until when."""

    block: int
    proposer: int
    counterparty: int
    markets: tuple[int, ...]
    lots: tuple[int, ...]
    prices: tuple[int, ...]
    expiry_ns: int


class QuoteLine(NamedTuple):
    """A live quote: its number, what each leg costs the requester and brings it, and until when it is firm."""

    quote: int
    buy_prices: tuple[int, ...]
    sell_prices: tuple[int, ...]
    expiry_ns: int


class RequestLine(NamedTuple):
    """An open request: its number, the package, the side, until when, and the quotes it has."""

    request: int
    markets: tuple[int, ...]
    lots: tuple[int, ...]
    side: int
    expiry_ns: int
    quotes: tuple[QuoteLine, ...]


class Offers(Report, frozen=True, kw_only=True):
    """What an account has open.

    Attributes:
        blocks: Blocks that it proposed or that wait for its answer.
        requests: Its requests for quotes.
        quotes: Quotes it gave, each with its request.
    """

    blocks: tuple[BlockLine, ...]
    requests: tuple[RequestLine, ...]
    quotes: tuple[tuple[int, QuoteLine], ...]


def package(
    engine: Answers,
    account: int,
    *,
    markets: Sequence[int],
    lots: Sequence[int],
    prices: Sequence[int],
    net_limit: int | None = None,
    units: int = 1,
    least_units: int = 1,
) -> Preview:
    """A package as `PlacePackage` would find it now. Raises ValueError when the account does not exist."""
    whole, net = int(net_limit is not None), net_limit or 0
    return ask(
        engine, Preview, 450, account, list(markets), list(lots), list(prices), whole, net, units, least_units
    )


def side(
    engine: Answers, account: int, *, markets: Sequence[int], lots: Sequence[int], prices: Sequence[int]
) -> Preview:
    """One side of a block or of a trade on a quote; the lots are the account's. Raises ValueError as `package`."""
    return ask(engine, Preview, 451, account, list(markets), list(lots), list(prices))


def offers(engine: Answers, account: int) -> Offers:
    """The account's open offers. Raises ValueError when it does not exist."""
    return ask(engine, Offers, 452, account)
