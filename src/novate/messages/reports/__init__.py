"""Questions to the engine and their answers: what an account holds, why its margin is what it is, what would happen if.

    from novate.messages import reports
    reports.account(engine, 7).line.excess[reports.Level.MAINTENANCE]
    reports.margin(engine, 7).levels[reports.Level.INITIAL].binding
    reports.what_if(engine, 7, [reports.Trade(market=1, lots=-10, price=10_000)], level=reports.Level.INITIAL)

Responsible for: one class per answer of `crates/novate-core/src/query.rs`, field by field, and one function per question.
Never computes: every number is the engine's own, of the state after its last command. Asking changes nothing.

Units: "micro-dollars" are 1e-6 dollars at face; "units" the asset's smallest unit; "quote units" those of the market's
stablecoin; prices of underlyings at the listing's scale; rates in ppm (1e-6); times in ns since 1970 UTC. Signs: positive
is towards the account and long; a requirement is positive; `excess = equity - requirement`. An amount beyond 64 bits
reads as the largest (or smallest) 64-bit number.

Errors: every function raises ValueError with one sentence when an account, market or asset does not exist, and
`novate.errors.EngineHalted` after a fault of the engine.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from novate.messages.commands.first import ListDatedRow
from novate.messages.reports.base import Answers, Report, ask


class Level(IntEnum):
    """The four requirements, strictest first; the index of every tuple of four."""

    INITIAL = 0
    LIQUIDATION_END = 1
    MAINTENANCE = 2
    CLOSE_OUT = 3


class RowKind(IntEnum):
    """Kind of the row that sets scenario risk."""

    NONE = 0
    PARALLEL = 1
    ROTATION = 2
    TAIL = 3
    DATED = 4


Four = tuple[int, int, int, int]
"""One number per `Level`."""


class AccountLine(Report, frozen=True, kw_only=True):
    """One account against its four requirements, open orders counted.

    Attributes:
        account: Its id.
        owner: Who owns it.
        state: `AccountState`, as of the last time the engine visited the account.
        in_liquidation: Whether a liquidation runs.
        equity: Net liquidation value at maintenance, micro-dollars; may be negative.
        requirements: Per level, micro-dollars.
        excess: Per level, that level's own equity less its requirement, micro-dollars.
    """

    account: int
    owner: int
    state: int
    in_liquidation: bool
    equity: int
    requirements: Four
    excess: Four


class BalanceLine(Report, frozen=True, kw_only=True):
    """What the account holds of one asset.

    Attributes:
        asset: Its id.
        name: Its name.
        pledged: Units it holds; negative when borrowed.
        lent: Units in the lending pool.
        reserved: Units of `pledged` that open spot orders may need.
        admitted: Units of a token that count as unhedged collateral at initial.
        held: Units set apart; they back nothing.
        escrowed: Units held for requests to issue or redeem; they back the portfolio.
        due: Cash of redemptions that is not paid yet; a listed part of it counts.
        value: Micro-dollars; tokens at the maintenance price, stablecoins at face.
    """

    asset: int
    name: str
    pledged: int
    lent: int
    reserved: int
    admitted: int
    held: int
    escrowed: int
    due: int
    value: int


class PositionLine(Report, frozen=True, kw_only=True):
    """The account in one market: its perp position, or its open orders in a spot market.

    Attributes:
        market: Its id.
        name: Its name.
        perp: Whether it is a perp.
        lots: Signed position; 0 in a spot market.
        cost: Signed cost of the open lots, quote units.
        claim: Realised gain that the next settlement pays, quote units.
        hedged_claim: Part of `claim` that was matched by tokens when it arose, quote units.
        debt: Realised loss that the next settlement collects, quote units.
        value: Signed notional at the maintenance price, micro-dollars.
        result: Unsettled result of the open lots at maintenance, micro-dollars, the mark's premium included.
        bid_lots: Lots of the account's open bids.
        ask_lots: Lots of the account's open asks.
    """

    market: int
    name: str
    perp: bool
    lots: int
    cost: int
    claim: int
    hedged_claim: int
    debt: int
    value: int
    result: int
    bid_lots: int
    ask_lots: int


class OrderLine(Report, frozen=True, kw_only=True):
    """One open order.

    Attributes:
        order: The venue's id.
        market: Where it rests.
        side: `Side`.
        price: Ticks.
        leaves: Lots not yet filled.
        flags: `Flags`.
    """

    order: int
    market: int
    side: int
    price: int
    leaves: int
    flags: int


class AccountReport(Report, frozen=True, kw_only=True):
    """An account in full.

    Attributes:
        sequence: Last command applied.
        time_ns: Its time.
        line: The account against its requirements.
        balances: What it holds.
        positions: Its markets.
        orders: Its open orders.
    """

    sequence: int
    time_ns: int
    line: AccountLine
    balances: tuple[BalanceLine, ...]
    positions: tuple[PositionLine, ...]
    orders: tuple[OrderLine, ...]


# --- margin ------------------------------------------------------------------------------------------------------------


class TermAmounts(Report, frozen=True, kw_only=True):
    """The terms of a requirement, micro-dollars, open orders counted, before the level's factor; never negative.

    Attributes:
        sr: Scenario risk: the worst listed joint move.
        gap: Moves of single names.
        basis: Token against perp.
        wrap: Token against share.
        fx: Stablecoins against the dollar.
        liq: Cost of getting out.
        crowd: New exposure where open interest is crowded; initial only.
        loss: Immediate loss and fees of open orders.
        lent: Lent claims: they can't be had back at once.
    """

    sr: int
    gap: int
    basis: int
    wrap: int
    fx: int
    liq: int
    crowd: int
    loss: int
    lent: int


class Contribution(Report, frozen=True, kw_only=True):
    """Part of a requirement that one position makes.

    Attributes:
        kind: `token`, `perp`, `cash`, or `orders`.
        id: Asset, market, asset, or underlying.
        name: Its name.
        value: Signed value of the position, micro-dollars; 0 for orders.
        amount: Signed part of the requirement, micro-dollars; negative where the position hedges others.
    """

    kind: str
    id: int
    name: str
    value: int
    amount: int


class BindingRow(NamedTuple):
    """The row that sets scenario risk, as numbers."""

    kind: int
    """`RowKind`."""
    place: int
    """Bucket id; for a dated row its place in the listing, from 0."""
    detail: int
    """Parallel and tail: signed ppm of the shock. Rotation: the sector."""
    rises: bool
    """Whether the names (rotation: the sector's names) rise."""


class GapGroup(NamedTuple):
    """One gap group and its charge."""

    group: int
    amount: int
    """Micro-dollars."""


class LevelReport(Report, frozen=True, kw_only=True):
    """One requirement, with everything it is made of.

    Attributes:
        level: `Level`.
        factor_ppm: The level's factor on the stress terms.
        equity: Net liquidation value at the level, micro-dollars.
        requirement: `up(sr + gap + basis + wrap + fx, factor) + liq + crowd + loss + lent`, micro-dollars.
        excess: `equity - requirement`.
        terms: The terms, before the factor.
        requirement_without_orders: The same requirement with no open order.
        orders: Part of the requirement that open orders make: the difference of the two.
        binding: The row that sets scenario risk, in words.
        binding_row: The same as numbers.
        gap_groups: The up to two gap groups that count in full, largest first.
        contributions: Per position; they sum to `requirement` exactly.
    """

    level: int
    factor_ppm: int
    equity: int
    requirement: int
    excess: int
    terms: TermAmounts
    requirement_without_orders: int
    orders: int
    binding: str
    binding_row: BindingRow
    gap_groups: tuple[GapGroup, ...]
    contributions: tuple[Contribution, ...]


class MarginReport(Report, frozen=True, kw_only=True):
    """All four requirements of an account.

    Attributes:
        account: Its id.
        sequence: Last command applied.
        time_ns: Its time.
        state: `AccountState`.
        levels: One per `Level`, in order.
    """

    account: int
    sequence: int
    time_ns: int
    state: int
    levels: tuple[LevelReport, LevelReport, LevelReport, LevelReport]


class Distance(Report, frozen=True, kw_only=True):
    """How far one underlying can move alone before the account's excess at a level is negative.

    Attributes:
        underlying: Its id.
        name: Its name.
        fall_ppm: The fall, a negative ppm; None when a fall of 99 % does not do it.
        rise_ppm: The rise, a positive ppm; None when a rise of 300 % does not do it.
    """

    underlying: int
    name: str
    fall_ppm: int | None
    rise_ppm: int | None


# --- the venue ---------------------------------------------------------------------------------------------------------


class UnderlyingLine(Report, frozen=True, kw_only=True):
    """Price, session and liquidity of one underlying. Prices at its listed scale.

    Attributes:
        underlying: Its id.
        name: Its name.
        index: Confirmed index; 0 before the first.
        stable: Stable price (a slow mean of the index).
        last_external: Last price from outside before the closure.
        long_price: What a long exposure is worth at initial: the lowest candidate.
        short_price: What a short exposure costs at initial: the highest candidate.
        slower_long: The slower price of a long exposure: the better of index and stable.
        slower_short: The slower price of a short exposure.
        uses_slower: Whether a liquidation must use the slower price now.
        quality: `Quality`.
        session: `Session`.
        initial_ppm: Session factor of shocks at initial.
        maintenance_ppm: Session factor of shocks at the other levels.
        confidence_ppm: Confidence of the index.
        fresh_sources: Sources that count now.
        open_interest: Perps held long at the index, micro-dollars.
        spot_volume: Primary market, micro-dollars a day.
        perp_volume: This venue's perps, micro-dollars a day.
        sigma_ppm: Daily volatility.
        half_spread_ppm: Half spread.
        speed_budget: What liquidations may still trade now, micro-dollars.
    """

    underlying: int
    name: str
    index: int
    stable: int
    last_external: int
    long_price: int
    short_price: int
    slower_long: int
    slower_short: int
    uses_slower: bool
    quality: int
    session: int
    initial_ppm: int
    maintenance_ppm: int
    confidence_ppm: int
    fresh_sources: int
    open_interest: int
    spot_volume: int
    perp_volume: int
    sigma_ppm: int
    half_spread_ppm: int
    speed_budget: int


class MarketLine(Report, frozen=True, kw_only=True):
    """One market.

    Attributes:
        market: Its id.
        name: Its name.
        perp: Whether it is a perp.
        unit: Quote units of one tick of one lot.
        index_ticks: The index in ticks.
        mark: Mark price at the underlying's scale; 0 for a spot market and before the first.
        best_bid: Ticks; None when there is no bid.
        best_ask: Ticks; None when there is no ask.
        last_trade: Ticks; 0 before the first.
        open_interest: Lots held long, equal to lots held short.
        orders: Open orders.
    """

    market: int
    name: str
    perp: bool
    unit: int
    index_ticks: int
    mark: int
    best_bid: int | None
    best_ask: int | None
    last_trade: int
    open_interest: int
    orders: int


class VenueBalance(NamedTuple):
    """A balance of the venue itself."""

    asset: int
    party: str
    """`Custody`, `Fees`, `Insurance(bucket)`, `Rounding`, `Pool`, `Reserve`, `Clearing(market)`, `Pending`."""
    amount: int
    """Units."""


class PoolLine(NamedTuple):
    """A lending pool, in units of its asset."""

    asset: int
    lent: int
    borrowed: int
    reserved: int


class AssetDifference(NamedTuple):
    """What is in custody less all that is owed, units: 0 always."""

    asset: int
    difference: int


class ClearingDifference(NamedTuple):
    """What the positions of a market come to: zeros always."""

    market: int
    positions: int
    """Sum of all signed positions, lots."""
    difference: int
    """Claims less debts, costs and what clearing holds, quote units."""


class LedgerReport(Report, frozen=True, kw_only=True):
    """The venue's own books.

    Attributes:
        venue: Balances of the venue.
        pools: Lending pools.
        conservation: One line per asset; every difference is 0.
        pools_are_true: Whether the pools' totals are the sums over the accounts: True always.
        clearing: One line per perp, and per other market with positions or orders; all zeros.
    """

    venue: tuple[VenueBalance, ...]
    pools: tuple[PoolLine, ...]
    conservation: tuple[AssetDifference, ...]
    pools_are_true: bool
    clearing: tuple[ClearingDifference, ...]


class BookLevel(NamedTuple):
    """All orders at one price."""

    price: int
    """Ticks."""
    lots: int


class Book(NamedTuple):
    """Both sides of a market, best price first."""

    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]


class LiquidityLine(NamedTuple):
    """Stored exit cost of an owner in one underlying, ppm of the dollars held."""

    owner: int
    underlying: int
    spot_ppm: int
    perp_ppm: int


# --- what has not happened ---------------------------------------------------------------------------------------------


class Trade(NamedTuple):
    """The account trades."""

    market: int
    lots: int
    """Signed: bought is positive."""
    price: int
    """Ticks."""


class Order(NamedTuple):
    """The account has one more open order."""

    market: int
    side: int
    """`Side`."""
    price: int
    """Ticks."""
    lots: int


class BalanceChange(NamedTuple):
    """The account's balance differs."""

    asset: int
    amount: int
    """Signed units."""


class Shift(NamedTuple):
    """All prices of one underlying move."""

    underlying: int
    ppm: int
    """Signed; -100,000 is a fall of 10 %."""


Change = Trade | Order | BalanceChange


def _wire(change: Change) -> tuple[int, int, int, int, int]:
    """A change as the engine reads it: kind, id, side, price, lots or amount."""
    match change:
        case Trade(market, lots, price):
            return (0, market, 0, price, lots)
        case Order(market, side, price, lots):
            return (1, market, int(side), price, lots)
        case BalanceChange(asset, amount):
            return (2, asset, 0, 0, amount)


# --- questions ---------------------------------------------------------------------------------------------------------

(
    _ACCOUNTS,
    _ACCOUNT,
    _MARGIN,
    _UNDERLYINGS,
    _MARKETS,
    _LEDGER,
    _BOOK,
    _WHAT_IF,
    _DISTANCE,
    _LIQUIDITY,
    _WITH_ROW,
    _OWNERS,
) = range(1, 13)


def accounts(engine: Answers) -> tuple[AccountLine, ...]:
    """All accounts in the order they were opened. Re-margins every one: the cost grows with their number."""
    return ask(engine, tuple[AccountLine, ...], _ACCOUNTS)


def owners(engine: Answers, skip: int, limit: int) -> list[tuple[int, int]]:
    """Account and owner of `limit` accounts at most behind the first `skip`, in the order they were opened."""
    return ask(engine, list[tuple[int, int]], _OWNERS, skip, limit)


def account(engine: Answers, account: int) -> AccountReport:
    """One account: balances, positions, orders, requirements."""
    return ask(engine, AccountReport, _ACCOUNT, account)


def margin(engine: Answers, account: int) -> MarginReport:
    """All four requirements of an account, explained. Levels below initial use the index, not the slower price."""
    return ask(engine, MarginReport, _MARGIN, account)


def underlyings(engine: Answers) -> tuple[UnderlyingLine, ...]:
    """All underlyings by id."""
    return ask(engine, tuple[UnderlyingLine, ...], _UNDERLYINGS)


def markets(engine: Answers) -> tuple[MarketLine, ...]:
    """All markets by id."""
    return ask(engine, tuple[MarketLine, ...], _MARKETS)


def ledger(engine: Answers) -> LedgerReport:
    """The venue's own balances, its pools, and the proof that nothing was made or lost. Walks every account."""
    return ask(engine, LedgerReport, _LEDGER)


def book(engine: Answers, market: int, levels: int = 10) -> Book:
    """The best `levels` prices of each side of a market."""
    return ask(engine, Book, _BOOK, market, levels)


def what_if(
    engine: Answers,
    account: int,
    changes: Iterable[Change] = (),
    *,
    level: int = Level.INITIAL,
    shift: Shift | None = None,
    orders: bool = True,
    slower: bool = False,
    withdrawal: bool = False,
    alone: bool = False,
) -> LevelReport:
    """One requirement of the account as it would be after `changes` and a move of prices. Nothing happens.

    Exit costs stay at the stored rates: a real order that makes its owner's group grow may raise them.

    Args:
        engine: Whom to ask.
        account: Whose; 0 with `alone` for nobody's (the first account's owner then stands for exit costs).
        changes: Trades, orders and balance changes, in order.
        level: Which requirement.
        shift: A move of one underlying's prices.
        orders: Count open orders.
        slower: Below initial: use the slower price where the index is thinly supported, as a liquidation must.
        withdrawal: Count no unmatched, unsettled gain, as a withdrawal or a loan does.
        alone: Leave out all that the account holds: only the changes are evaluated.
    """
    moved = (shift.underlying, shift.ppm) if shift is not None else (0, 0)
    told = [_wire(change) for change in changes]
    return ask(
        engine, LevelReport, _WHAT_IF, account, int(level), orders, slower, withdrawal, alone, moved, told
    )


def margin_with_row(engine: Answers, account: int, row: ListDatedRow) -> MarginReport:
    """The account's margin as it would be if `row` were listed too; the engine is untouched. ValueError: not one move per bucket."""
    return ask(engine, MarginReport, _WITH_ROW, account, row.date, list(row.moves_ppm))


def distance(engine: Answers, account: int, level: int = Level.MAINTENANCE) -> tuple[Distance, ...]:
    """Per underlying the account is exposed to, the move that would breach a level; found to within 100 ppm."""
    return ask(engine, tuple[Distance, ...], _DISTANCE, account, int(level))


def liquidity(engine: Answers) -> tuple[LiquidityLine, ...]:
    """Stored exit costs per owner and underlying; an owner who never held an underlying has no line."""
    return ask(engine, tuple[LiquidityLine, ...], _LIQUIDITY)
