"""The quote desk: firm prices and posted depth from the primary market's best bid and offer, and the size that is there.

Responsible for: walking the levels for the asked amount, the spread on top by session and age, and saying why there is no price. Never: holds
a price, reads a clock, or prices what it can't see: a market that is unknown, closed, halted, old, crossed or too thin is not quoted.

A quote is the venue's risk for its life: the spread is what that costs. Rounding is against the holder.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from novate.broker import Level, PrimaryBook, PrimaryMarket
from novate.clearing.names import Names
from novate.messages import Session
from novate.messages.codes import RequestDirection

PPM: Final = 1_000_000
SECOND: Final = 10**9
_NANO: Final = 10**9
_PER_MICRO: Final = 10**3
"""1e-9 dollars in a micro-dollar."""
_OPEN: Final = frozenset((Session.PRE, Session.REGULAR, Session.POST, Session.OVERNIGHT))


class Why(StrEnum):
    """Why there is no price.

    Attributes:
        UNKNOWN: The token or its market is not known.
        CLOSED: The market is closed or halted, or one of its sides is empty.
        OLD: Its last change is too long ago.
        CROSSED: Its bid is above its offer.
        THIN: Less is there than was asked for.
        LATE: The question is older than a price would be firm.
    """

    UNKNOWN = "unknown"
    CLOSED = "closed"
    OLD = "old"
    CROSSED = "crossed"
    THIN = "thin"
    LATE = "late"


class DeskTerms(NamedTuple):
    """What the desk goes by."""

    spread_ppm: dict[Session, int]
    """On top of the primary price, by session; a session that is missing is not quoted."""
    age_ppm: int
    """More of it for each second since the market's last change."""
    oldest_ns: int
    """A market that did not change for so long is not quoted."""
    reach_ppm: int
    """Depth is posted as far as this from the best price."""


class Wish(NamedTuple):
    """What is to be priced: cash for an issuance, else tokens."""

    token: int
    direction: int
    amount: int


def firm_price(
    wish: Wish, names: Names, market: PrimaryMarket | None, terms: DeskTerms, now_ns: int
) -> int | Why:
    """The firm price of a share at the venue's scale for a wish, or why there is none."""
    token = names.assets.get(wish.token)
    book = _book(names, token.underlying, market) if token is not None else None
    if token is None or book is None:
        return Why.UNKNOWN
    why = unsound(book, terms, now_ns)
    if why is not None:
        return why
    buys = wish.direction == RequestDirection.ISSUE
    if buys:
        # The fee is not taken off: a little more depth is asked for than is needed.
        cost = walked_dollars(book.asks, wish.amount * 10 ** max(9 - names.cash_decimals, 0))
    else:
        cost = walked_shares(book.bids, wish.amount * token.multiplier_ppb // 10**token.decimals)
    if cost is None:
        return Why.THIN
    spread = terms.spread_ppm[book.session] + terms.age_ppm * max(now_ns - book.at_ns, 0) // SECOND
    price = -(-cost * (PPM + spread) // PPM) if buys else cost * (PPM - spread) // PPM
    return names.price_heard(token.underlying, price, up=buys)


def depth(
    names: Names, underlying: int, market: PrimaryMarket | None, terms: DeskTerms, now_ns: int
) -> tuple[int, int]:
    """Micro-dollars to buy and to sell within reach of the best prices; none where the market can't be trusted."""
    book = _book(names, underlying, market)
    if book is None or unsound(book, terms, now_ns) is not None:
        return 0, 0
    least = book.bids[0].price * (PPM - terms.reach_ppm) // PPM
    most = book.asks[0].price * (PPM + terms.reach_ppm) // PPM
    buy = sum(one.shares * one.price for one in book.asks if one.price <= most)
    sell = sum(one.shares * one.price for one in book.bids if one.price >= least)
    return buy // (_NANO * _PER_MICRO), sell // (_NANO * _PER_MICRO)


def unsound(book: PrimaryBook, terms: DeskTerms, now_ns: int) -> Why | None:
    """Why a market is not quoted; None where it is."""
    if book.session not in _OPEN or book.session not in terms.spread_ppm or not (book.bids and book.asks):
        return Why.CLOSED
    if now_ns - book.at_ns > terms.oldest_ns:
        return Why.OLD
    if book.bids[0].price > book.asks[0].price:
        return Why.CROSSED
    return None


def walked_dollars(levels: Sequence[Level], dollars: int) -> int | None:
    """Mean price at which nano-dollars are spent, level by level, rounded up; None where the levels are too thin."""
    shares, left = 0, dollars * _NANO
    for level in levels:
        worth = level.shares * level.price
        if worth >= left:
            shares += left // level.price
            return -(-dollars * _NANO // shares) if shares else level.price
        shares, left = shares + level.shares, left - worth
    return None


def walked_shares(levels: Sequence[Level], shares: int) -> int | None:
    """Mean price at which shares are sold, level by level, rounded down; None where the levels are too thin."""
    got, left = 0, shares
    for level in levels:
        taken = min(level.shares, left)
        got, left = got + taken * level.price, left - taken
        if left == 0:
            return got // shares if shares else level.price
    return None


def _book(names: Names, underlying: int, market: PrimaryMarket | None) -> PrimaryBook | None:
    symbol = names.symbols.get(underlying)
    return market.book(symbol) if market is not None and symbol else None
