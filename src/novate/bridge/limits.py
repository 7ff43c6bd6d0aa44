"""Whether a name may be quoted now, and how much more of it may be bought and sold.

    starting -> withdrawn <-> quoting -> flattening -> withdrawn; stopped until a person resumes it

Responsible for: the table of stances, reasons for doubt, and room under every limit. Never: prices, or sends.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from novate.bridge.inventory import Inventory
from novate.bridge.terms import NANO, PPM, Conduct, NameTerms, shares_worth
from novate.broker.port import PrimaryBook
from novate.errors import NovateError
from novate.messages.codes import Quality, Session, Side


class Stance(StrEnum):
    """How a name is handled.

    Attributes:
        STARTING: What the account has is not known: nothing is quoted, nothing hedged.
        WITHDRAWN: Something is doubtful: nothing is quoted, what is open is hedged.
        QUOTING: Quoted and hedged.
        FLATTENING: A long closure is near or here: nothing is quoted, everything open is hedged.
        STOPPED: A person or a loss limit stopped it: nothing is quoted, what is open is hedged, until a person resumes it.
    """

    STARTING = "starting"
    WITHDRAWN = "withdrawn"
    QUOTING = "quoting"
    FLATTENING = "flattening"
    STOPPED = "stopped"


class Happening(StrEnum):
    """What changes a stance.

    Attributes:
        KNOWN: The venue said what the account has, and no order is left that is not known.
        CUT: The line to the venue broke.
        DOUBT: Something is doubtful.
        CLEAR: Nothing has been doubtful for a while.
        CLOSURE: A long closure is near.
        OVER: It is over.
        STOP: A person, or a loss limit.
        RESUME: A person.
    """

    KNOWN = "known"
    CUT = "cut"
    DOUBT = "doubt"
    CLEAR = "clear"
    CLOSURE = "closure"
    OVER = "over"
    STOP = "stop"
    RESUME = "resume"


S, H = Stance, Happening
TABLE: Final[dict[tuple[Stance, Happening], Stance]] = {
    (S.STARTING, H.KNOWN): S.WITHDRAWN,
    (S.STARTING, H.CUT): S.STARTING,
    (S.WITHDRAWN, H.CLEAR): S.QUOTING,
    (S.WITHDRAWN, H.DOUBT): S.WITHDRAWN,
    (S.WITHDRAWN, H.CLOSURE): S.FLATTENING,
    (S.WITHDRAWN, H.STOP): S.STOPPED,
    (S.WITHDRAWN, H.CUT): S.STARTING,
    (S.QUOTING, H.CLEAR): S.QUOTING,
    (S.QUOTING, H.DOUBT): S.WITHDRAWN,
    (S.QUOTING, H.CLOSURE): S.FLATTENING,
    (S.QUOTING, H.STOP): S.STOPPED,
    (S.QUOTING, H.CUT): S.STARTING,
    (S.FLATTENING, H.OVER): S.WITHDRAWN,
    (S.FLATTENING, H.STOP): S.STOPPED,
    (S.FLATTENING, H.CUT): S.STARTING,
    (S.STOPPED, H.RESUME): S.WITHDRAWN,
    (S.STOPPED, H.CUT): S.STARTING,
}
"""Any other pair is an error of this program. A stop outlives a restart and a cut in its file: `STOP` follows `KNOWN`."""


class StanceError(NovateError):
    """A stance met what can't happen in it."""

    code = "stance_error"


def after(stance: Stance, happening: Happening) -> Stance:
    """The next stance. Raises StanceError."""
    found = TABLE.get((stance, happening))
    if found is None:
        raise StanceError(f"{happening.value} can't happen to a name that is {stance.value}.")
    return found


class Price(NamedTuple):
    """What the venue says publicly of an underlying: its index in 1e-9 dollars, 0 for none."""

    value: int
    quality: Quality
    session: Session


class Doubt(StrEnum):
    """Why a name is not quoted."""

    NO_PRIMARY = "no_primary"
    PRIMARY_ONE_SIDED = "primary_one_sided"
    PRIMARY_CROSSED = "primary_crossed"
    PRIMARY_STALE = "primary_stale"
    NO_VENUE_PRICE = "no_venue_price"
    VENUE_QUALITY = "venue_quality"
    SESSIONS_DIFFER = "sessions_differ"
    SESSION_NOT_QUOTED = "session_not_quoted"
    INDEX_FAR = "index_far"
    EXCESS_LOW = "excess_low"


_BELIEVED: Final = frozenset({Quality.LIVE, Quality.DEGRADED, Quality.CLOSED})


def doubt(terms: NameTerms, book: PrimaryBook | None, price: Price | None, now_ns: int) -> Doubt | None:
    """The first reason not to quote; None where there is none."""
    if book is None:
        return Doubt.NO_PRIMARY
    if price is None or price.value <= 0:
        return Doubt.NO_VENUE_PRICE
    if book.session != price.session:
        return Doubt.SESSIONS_DIFFER
    conduct = terms.conduct.get(book.session)
    if conduct is None:
        return Doubt.SESSION_NOT_QUOTED
    if price.quality not in _BELIEVED:
        return Doubt.VENUE_QUALITY
    if not book.bids or not book.asks:
        return Doubt.PRIMARY_ONE_SIDED
    if book.bids[0].price > book.asks[0].price:
        return Doubt.PRIMARY_CROSSED
    if now_ns - book.at_ns > conduct.stale_ns:
        return Doubt.PRIMARY_STALE
    return None if _near(terms, book, price) else Doubt.INDEX_FAR


def _near(terms: NameTerms, book: PrimaryBook, price: Price) -> bool:
    return abs(middle(book) - price.value) * PPM <= price.value * terms.sanity_ppm


def believed(terms: NameTerms, book: PrimaryBook | None, price: Price | None, now_ns: int) -> bool:
    """Whether a book says what shares cost: both sides, not crossed, not old, and near the venue's index, whatever the session and quality are."""
    if book is None or price is None or price.value <= 0 or not book.bids or not book.asks:
        return False
    conduct = terms.conduct.get(book.session)
    if conduct is not None and now_ns - book.at_ns > conduct.stale_ns:
        return False
    return book.bids[0].price <= book.asks[0].price and _near(terms, book, price)


def middle(book: PrimaryBook) -> int:
    """Half way between the best bid and offer, rounded down; the one that is there, or 0."""
    best = [side[0].price for side in (book.bids, book.asks) if side]
    return sum(best) // len(best) if best else 0


class Purse(NamedTuple):
    """Micro-dollars of cash that may be spent, and of initial excess."""

    cash: int
    excess: int


class Capacity(NamedTuple):
    """Micro-dollars that the venue can issue and redeem now."""

    mint: int
    redeem: int


class Spare(NamedTuple):
    """Micro-dollars left under the limits over all names: to be sold, to be bought, and of gross."""

    sell: int
    buy: int
    gross: int


class Room(NamedTuple):
    """Shares (1e-9) that may be sold and bought in all, and of these on spot markets and perps."""

    sell: int
    buy: int
    spot_sell: int
    spot_buy: int
    perp_sell: int
    perp_buy: int

    def side(self, side: Side, *, spot: bool) -> int:
        """What one kind of market may take of a side."""
        if side == Side.ASK:
            return min(self.sell, self.spot_sell if spot else self.perp_sell)
        return min(self.buy, self.spot_buy if spot else self.perp_buy)


NO_ROOM: Final = Room(0, 0, 0, 0, 0, 0)


def room(
    inventory: Inventory,
    conduct: Conduct,
    price: int,
    capacity: Capacity,
    spare: Spare,
    cash: int,
) -> Room:
    """What all orders of a side may come to, so that no limit is passed when all of them fill.

    Requests under way may fill or not: a name's own limit holds in either case, so a broker that does not fill ends the quoting by itself. A
    perp that is sold takes gross twice, for the tokens that hedge it; one that is bought needs tokens that can be unmade. Tokens that are to be
    unmade, or are being asked for, are not offered.
    """
    terms = inventory.terms
    limit, open_ = shares_worth(conduct.unhedged, price), inventory.open_shares()
    minting, burning = inventory.minting(price), inventory.burning()
    sell, buy = limit + open_ - burning, limit - open_ - minting
    gap = open_ + minting - burning
    if conduct.hedges:
        sell = min(sell, shares_worth(capacity.mint, price) + min(gap, 0))
        buy = min(buy, shares_worth(capacity.redeem, price) - max(gap, 0))
    sell = min(sell, shares_worth(spare.sell, price))
    buy = min(buy, shares_worth(spare.buy, price))
    wide = shares_worth(min(terms.gross - inventory.gross(price), spare.gross), price)
    tokens = max(inventory.tokens - inventory.asked_for(), 0) * terms.token_ppb // NANO
    perps = sum(inventory.perps.values())
    return Room(
        sell=max(sell, 0),
        buy=max(buy, 0),
        spot_sell=max(tokens - max(gap, 0), 0),
        spot_buy=min(wide, shares_worth(cash, price)),
        perp_sell=wide // 2 + max(perps, 0),
        perp_buy=tokens if conduct.hedges else wide // 2 + max(-perps, 0),
    )
