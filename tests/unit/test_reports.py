"""Answers of the engine decode whole, mean what they say, and asking changes nothing."""

from collections.abc import Callable

import msgspec
import pytest

from novate._core import Engine
from novate.messages import Flags, ListDatedRow, PlaceOrder, Quality, Session, Side, reports
from novate.messages.reports import Level, orders
from venues import CASH, NAME, PERP, SPOT, TOKEN, USD, PlainVenue, open_plain_venue

M = 1_000_000
PERP_ID, SPOT_ID = PERP[0].market, SPOT[0].market
LONG, SHORT, HEDGED = 1, 2, 3


@pytest.fixture
def venue() -> PlainVenue:
    """LONG bought 1,000 perp lots (10 shares) from SHORT at 100.00, has 5 lots bid and 7 tokens' lots offered."""
    found = open_plain_venue({LONG: 11, SHORT: 12, HEDGED: 12})
    found.must(PlaceOrder(market=PERP_ID, side=Side.ASK, price=10_000, lots=1_000), SHORT)
    found.must(PlaceOrder(market=PERP_ID, side=Side.BID, price=10_000, lots=1_000), LONG)
    found.must(PlaceOrder(market=PERP_ID, side=Side.BID, price=9_990, lots=5, flags=Flags.POST_ONLY), LONG)
    found.must(PlaceOrder(market=SPOT_ID, side=Side.ASK, price=10_010, lots=7), LONG)
    return found


def test_an_account_tells_what_it_holds(venue: PlainVenue) -> None:
    report = reports.account(venue.engine, LONG)
    assert (report.sequence, report.time_ns) == (venue.engine.sequence, venue.time_ns)
    assert (report.line.account, report.line.owner, report.line.state) == (LONG, 11, 0)
    token = next(b for b in report.balances if b.asset == TOKEN)
    assert (token.pledged, token.reserved, token.admitted) == (10**11, 7 * 10**4, 10**11)
    assert token.value == 10**11 * 100
    perp = next(p for p in report.positions if p.perp)
    assert (perp.market, perp.lots, perp.cost, perp.result) == (PERP_ID, 1_000, 1_000 * M, 0)
    assert (perp.value, perp.bid_lots, perp.debt) == (
        1_000 * M,
        5,
        350_000,
    )  # the taker fee is owed until settlement
    open_orders = {(o.market, o.side, o.price, o.leaves, o.flags) for o in report.orders}
    assert open_orders == {(PERP_ID, Side.BID, 9_990, 5, Flags.POST_ONLY), (SPOT_ID, Side.ASK, 10_010, 7, 0)}
    short = next(p for p in reports.account(venue.engine, SHORT).positions if p.perp)
    assert (short.lots, short.cost, short.value) == (-1_000, -1_000 * M, -1_000 * M)


def test_lines_repeat_the_accounts(venue: PlainVenue) -> None:
    lines = reports.accounts(venue.engine)
    assert [line.account for line in lines] == [LONG, SHORT, HEDGED]
    assert list(lines) == [reports.account(venue.engine, line.account).line for line in lines]


def test_margin_adds_up(venue: PlainVenue) -> None:
    report = reports.margin(venue.engine, LONG)
    line = reports.account(venue.engine, LONG).line
    for level, told in zip(Level, report.levels, strict=True):
        t = told.terms
        stress = t.sr + t.gap + t.basis + t.wrap + t.fx
        assert told.level == level
        assert told.requirement == -(-stress * told.factor_ppm // M) + t.liq + t.crowd + t.loss
        assert told.requirement == told.requirement_without_orders + told.orders
        assert told.excess == told.equity - told.requirement
        assert (line.requirements[level], line.excess[level]) == (told.requirement, told.excess)
        assert sum(part.amount for part in told.contributions) == told.requirement
        assert told == reports.what_if(venue.engine, LONG, level=level)
    assert [told.factor_ppm for told in report.levels] == [M, 850_000, 750_000, 500_000]
    initial = report.levels[Level.INITIAL]
    assert initial.binding == "dated row 2020-03-16"
    assert initial.binding_row == (reports.RowKind.DATED, 0, 0, False)
    assert {part.kind for part in initial.contributions} == {"token", "perp", "cash", "orders"}


def test_what_if_is_what_then_happens(venue: PlainVenue) -> None:
    sell = reports.Trade(PERP_ID, -500, 10_000)
    alone = reports.what_if(venue.engine, HEDGED, [sell, reports.BalanceChange(TOKEN, -10)], alone=True)
    assert alone.requirement > 0
    order = reports.Order(PERP_ID, Side.ASK, 10_000, 500)
    foreseen = reports.what_if(venue.engine, HEDGED, [order])
    venue.must(PlaceOrder(market=PERP_ID, side=Side.ASK, price=10_000, lots=500), HEDGED)
    happened = reports.what_if(venue.engine, HEDGED).terms
    assert (
        happened.liq >= foreseen.terms.liq
    )  # the order made the group grow, and with it the stored exit cost
    assert msgspec.structs.replace(happened, liq=foreseen.terms.liq) == foreseen.terms
    fallen = reports.what_if(venue.engine, LONG, level=Level.MAINTENANCE, shift=reports.Shift(NAME, -100_000))
    held = reports.what_if(venue.engine, LONG, level=Level.MAINTENANCE)
    shares = 10**5 + 10  # tokens and the perp's
    assert fallen.equity - held.equity == -shares * 10 * M


def test_an_order_alone_is_charged_for_its_own_loss(venue: PlainVenue) -> None:
    fair, dear = (
        reports.what_if(venue.engine, LONG, [reports.Order(PERP_ID, Side.BID, price, 100)], alone=True)
        for price in (10_000, 10_100)
    )
    assert dear.terms.loss - fair.terms.loss == 1 * M + 350  # one dollar on one share, and the fee on it


def test_a_replaced_order_takes_its_loss_back(venue: PlainVenue) -> None:
    for side, price in ((Side.BID, 9_990), (Side.ASK, 10_010), (Side.BID, 10_100)):
        there, gone = reports.Order(PERP_ID, side, price, 100), reports.Order(PERP_ID, side, price, -100)
        both = reports.what_if(venue.engine, HEDGED, [there, gone], alone=True)
        assert both.terms.loss == 0


def test_distance_is_where_the_excess_ends(venue: PlainVenue) -> None:
    venue.must(PlaceOrder(market=PERP_ID, side=Side.BID, price=10_000, lots=150_000 * 100), HEDGED)
    venue.must(PlaceOrder(market=PERP_ID, side=Side.ASK, price=10_000, lots=150_000 * 100), LONG)
    (found,) = reports.distance(venue.engine, HEDGED)
    assert (found.underlying, found.name, found.rise_ppm) == (NAME, "NVDA", None)
    assert found.fall_ppm is not None

    def excess(ppm: int) -> int:
        shift = reports.Shift(NAME, ppm)
        return reports.what_if(venue.engine, HEDGED, level=Level.MAINTENANCE, shift=shift).excess

    assert excess(found.fall_ppm) < 0 <= excess(found.fall_ppm + 200)


def test_the_venue_tells_prices_markets_and_books(venue: PlainVenue) -> None:
    name, cash = reports.underlyings(venue.engine)
    assert (name.underlying, name.index, name.quality, name.session) == (
        NAME,
        100 * M,
        Quality.LIVE,
        Session.REGULAR,
    )
    assert (name.long_price, name.short_price, name.fresh_sources, name.uses_slower) == (
        100 * M,
        100 * M,
        2,
        False,
    )
    assert (name.open_interest, name.initial_ppm, name.confidence_ppm) == (1_000 * M, M, M)
    assert (cash.underlying, cash.index) == (CASH, M)
    perp = next(line for line in reports.markets(venue.engine) if line.market == PERP_ID)
    assert (perp.unit, perp.index_ticks, perp.best_bid, perp.best_ask) == (100, 10_000, 9_990, None)
    assert (perp.last_trade, perp.open_interest, perp.orders) == (10_000, 1_000, 1)
    book = reports.book(venue.engine, PERP_ID)
    assert (book.bids, book.asks) == ((reports.BookLevel(9_990, 5),), ())
    assert {(k.owner, k.underlying) for k in reports.liquidity(venue.engine)} == {(11, NAME), (12, NAME)}


def test_the_ledger_balances(venue: PlainVenue) -> None:
    ledger = reports.ledger(venue.engine)
    assert {line.asset: line.amount for line in ledger.venue if line.party == "Custody"} == {
        USD: 3 * 10**13,
        TOKEN: 3 * 10**11,
    }
    assert ledger.pools_are_true
    assert {line.market for line in ledger.clearing} >= {one.market for one in PERP}
    assert {line[1:] for line in ledger.clearing} == {(0, 0)}
    assert not any(line.difference for line in ledger.conservation)


def test_whose_each_account_is_comes_in_pages_without_an_evaluation(venue: PlainVenue) -> None:
    every = reports.owners(venue.engine, 0, 100)
    assert every == [(line.account, line.owner) for line in reports.accounts(venue.engine)] and len(every) > 2
    assert [pair for skip in range(len(every) + 2) for pair in reports.owners(venue.engine, skip, 1)] == every
    assert reports.owners(venue.engine, 0, 0) == reports.owners(venue.engine, 2**32 - 1, 2**32 - 1) == []


def test_asking_changes_nothing(venue: PlainVenue) -> None:
    before = venue.engine.state_hash()
    for ask in (reports.accounts, reports.underlyings, reports.markets, reports.ledger, reports.liquidity):
        ask(venue.engine)
    reports.margin(venue.engine, LONG)
    reports.distance(venue.engine, LONG)
    reports.what_if(venue.engine, LONG, [reports.Trade(PERP_ID, 10**6, 20_000)])
    assert venue.engine.state_hash() == before


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda engine: reports.account(engine, 99), "account_must_exist"),
        (lambda engine: reports.margin(engine, 99), "account_must_exist"),
        (lambda engine: reports.book(engine, 99), "market_must_exist"),
        (lambda engine: orders.resting(engine, 99), "market_must_exist"),
        (lambda engine: orders.resting(engine, PERP_ID, limit=0), "a page has 1 to 20000 orders, not 0"),
        (lambda engine: orders.resting(engine, PERP_ID, limit=orders.PAGE + 1), "a page has 1 to 20000"),
        (lambda engine: orders.resting(engine, PERP_ID, after=1), "begin with the first page"),
        (lambda engine: reports.what_if(engine, LONG, [reports.Trade(99, 1, 1)]), "market_must_exist"),
        (lambda engine: reports.what_if(engine, LONG, [reports.BalanceChange(99, 1)]), "asset_must_exist"),
        (lambda engine: reports.what_if(engine, LONG, level=4), "level is 0 to 3"),
        (lambda engine: reports.distance(engine, LONG, 4), "level is 0 to 3"),
        (lambda engine: reports.ask(engine, tuple, 99), "no question has number 99"),
    ],
)
def test_a_question_about_nothing_is_refused(
    venue: PlainVenue, ask: Callable[[Engine], object], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        ask(venue.engine)


def test_an_answer_of_another_shape_is_not_taken(venue: PlainVenue) -> None:
    with pytest.raises(msgspec.ValidationError):
        reports.ask(venue.engine, tuple[reports.MarketLine, ...], 4)


def test_a_book_order_by_order_comes_in_pages(venue: PlainVenue) -> None:
    for price, lots in ((9_980, 3), (9_990, 2), (9_970, 4)):
        venue.must(PlaceOrder(market=PERP_ID, side=Side.BID, price=price, lots=lots), SHORT)
    venue.must(PlaceOrder(market=PERP_ID, side=Side.ASK, price=10_020, lots=6), HEDGED)
    whole = orders.resting(venue.engine, PERP_ID)
    assert [one[1:] for one in whole.orders] == [
        (Side.BID, 9_990, 5), (Side.BID, 9_990, 2), (Side.BID, 9_980, 3), (Side.BID, 9_970, 4), (Side.ASK, 10_020, 6),
    ]  # fmt: skip
    assert (whole.resting, whole.next) == (5, 0)
    assert (whole.sequence, whole.time_ns) == (venue.engine.sequence, venue.time_ns)
    first = orders.resting(venue.engine, PERP_ID, limit=3)
    assert first.orders == whole.orders[:3]
    assert (first.resting, first.next) == (5, first.orders[-1].order)
    assert orders.resting(venue.engine, PERP_ID, after=first.next).orders == whole.orders[3:]
    together = orders.resting_answer(venue.engine.query(orders.resting_question(PERP_ID, skip=3, limit=3)))
    assert (together.orders, together.next) == (whole.orders[3:], 0)


def test_one_more_dated_row_is_asked_for_without_listing_it(venue: PlainVenue) -> None:
    before = venue.engine.state_hash()
    plain = reports.margin(venue.engine, LONG).levels[Level.INITIAL]
    buckets = next(n for n in range(1, 20) if _takes(venue, n))
    harsh = reports.margin_with_row(
        venue.engine, LONG, ListDatedRow(row=99, date="a crash", moves_ppm=[-450_000] * buckets)
    )
    assert harsh.levels[Level.INITIAL].requirement > plain.requirement
    assert harsh.levels[Level.INITIAL].binding == "dated row a crash"
    mild = reports.margin_with_row(
        venue.engine, LONG, ListDatedRow(row=99, date="a calm day", moves_ppm=[0] * buckets)
    )
    assert mild.levels[Level.INITIAL].requirement == plain.requirement
    assert venue.engine.state_hash() == before


def _takes(venue: PlainVenue, buckets: int) -> bool:
    """Whether a row of so many moves fits the venue."""
    try:
        reports.margin_with_row(venue.engine, LONG, ListDatedRow(row=99, date="x", moves_ppm=[0] * buckets))
    except ValueError:
        return False
    return True
