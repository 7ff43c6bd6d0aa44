"""The parts of the simulated exchange: tapes, what is displayed and how it answers to what is taken, fees, hours, settings."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import date
from datetime import time as wall
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from novate.broker import Level
from novate.broker.checks import SHARE
from novate.broker.custody import Opening
from novate.broker.displayed import CENT, Best, Displayed, Impact
from novate.broker.exchange import Exchange, Terms
from novate.broker.exchange_settings import load_exchange_settings, make_floor
from novate.broker.faults import Fault
from novate.broker.fees import FREE, Fees, cost_up
from novate.broker.hours import Hours, settlement_day
from novate.broker.tape import (
    NEVER,
    Depth,
    LoopTape,
    PriceTape,
    Print,
    QuoteTape,
    endless,
    fixed,
    generated,
    recorded_quotes,
    scenario_tape,
)
from novate.calendar import new_york_ns
from novate.errors import ConfigError, DataError
from novate.marketdata import find_data, load_scenario
from novate.messages.codes import Session, Side

SECOND = 1_000_000_000
DOLLAR = 1_000_000_000
LIFE = 60 * SECOND


def shown(impact: int = 0) -> Displayed:
    """Asks 10.00 x 100 and 10.01 x 200 in two slots, bid 9.99 x 100."""
    market = Displayed.empty(3, Impact(impact, LIFE))
    market.asks.quote(0, 1000 * CENT, 100 * SHARE, 1)
    market.asks.quote(2, 1001 * CENT, 200 * SHARE, 1)
    market.bids.quote(1, 999 * CENT, 100 * SHARE, 1)
    return market


def take(market: Displayed, shares: int, now_ns: int = 1) -> None:
    """Takes shares off the asks, best first."""
    for _, there, parts in market.levels(market.asks, now_ns):
        some = min(shares, there)
        if some:
            market.take(market.asks, parts, some, now_ns)
        shares -= some


def asks(market: Displayed, now_ns: int = 1) -> list[tuple[int, int]]:
    """(cents, shares) of each level."""
    return [(price // CENT, size // SHARE) for price, size in market.book(bids=False, now_ns=now_ns)]


# --- what is displayed -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("impact", "taken", "after_s", "quotes", "left"),
    [
        (0, 0, 0, "", [(1000, 100), (1001, 200)]),
        (0, 40, 0, "", [(1000, 60), (1001, 200)]),
        (0, 100, 0, "", [(1001, 200)]),
        (0, 150, 0, "", [(1001, 150)]),
        (0, 150, 9999, "", [(1001, 150)]),  # gone until the tape says something new
        (0, 150, 0, "a", [(1000, 100), (1001, 150)]),
        (0, 300, 0, "", []),
        (1000, 40, 0, "", [(1000, 60), (1001, 200)]),  # what is gone counts in what stays away
        (1000, 40, 0, "a", [(1000, 60), (1001, 200)]),  # the tape shows it again, and it stays away
        (1000, 40, 60, "a", [(1000, 80), (1001, 200)]),  # half of it after a half-life
        (1000, 40, 30, "a", [(1000, 70), (1001, 200)]),
        (1000, 40, 120, "a", [(1000, 90), (1001, 200)]),
        (500, 40, 0, "a", [(1000, 80), (1001, 200)]),
        (2000, 40, 0, "", [(1000, 20), (1001, 200)]),
        (2000, 60, 0, "a", [(1001, 180)]),  # the price moves
        (2000, 60, 999999, "a", [(1000, 100), (1001, 200)]),
    ],
)
def test_what_is_taken_is_gone_and_stays_away(impact, taken, after_s, quotes, left):
    market, now = shown(impact), 1 + after_s * SECOND
    take(market, taken * SHARE)
    if quotes:
        market.asks.quote(0, 1000 * CENT, 100 * SHARE, now)
    assert asks(market, now) == left
    assert market.book(bids=True, now_ns=now) == (Level(999 * CENT, 100 * SHARE),), "the other side stays"


@pytest.mark.parametrize(("bid_ns", "bids", "asked"), [(5, 1, [1001]), (0, 0, [1000, 1001]), (1, 0, [1001])])
def test_where_sides_cross_the_newer_quote_stands(bid_ns, bids, asked):
    """A bid of 10.00 against an ask of 10.00 locks and stands; one of 10.005 crosses it."""
    market = shown()
    market.bids.quote(1, 1000 * CENT, SHARE, 1)
    assert asks(market) == [(1000, 100), (1001, 200)]
    market.bids.quote(1, 1000 * CENT + CENT // 2, SHARE, bid_ns)
    assert [cents for cents, _ in asks(market)] == asked
    assert len(market.book(bids=True, now_ns=9)) == bids


def test_an_impact_that_is_none_is_refused():
    with pytest.raises(ConfigError, match=r"impact\.parts must be 0 to 10000, got -1"):
        Impact(-1)
    with pytest.raises(ConfigError, match=r"impact\.half_life_ns must be above 0, got 0"):
        Impact(1, 0)


# --- tapes -------------------------------------------------------------------------------------------------------------------


def played(tape, until_ns: int, buys: int = 0, sells: int = NEVER) -> tuple[int, bool, Displayed]:
    market = Displayed.empty(tape.slots, Impact(0))
    row, meets = tape.play(0, until_ns, market, buys, sells)
    return row, meets, market


def test_a_tape_of_quotes_shows_each_slot_as_it_was_last():
    tape = fixed(
        "ACME",
        [(1, "ask", 0, 1000 * CENT, SHARE), (2, "bid", 1, 999 * CENT, SHARE), (3, "ask", 0, 1001 * CENT, SHARE), (3, "ask", 1, 1000 * CENT, 0)],
    )  # fmt: skip
    assert [asks(played(tape, until)[2], until) for until in (0, 1, 2, 3, 9)] == [
        [],
        [(1000, 1)],
        [(1000, 1)],
        [(1001, 1)],
        [(1001, 1)],
    ]
    assert (tape.rows(), tape.time_ns(0), tape.time_ns(9)) == (4, 1, NEVER)


@pytest.mark.parametrize(
    ("buys", "sells", "row", "meets"),
    [(0, NEVER, 4, False), (1000 * CENT, NEVER, 2, True), (999 * CENT, NEVER, 4, False), (0, 998 * CENT, 4, True), (0, 999 * CENT, 4, False)],
)  # fmt: skip
def test_a_tape_stops_behind_the_time_at_which_an_order_may_trade(buys, sells, row, meets):
    rows = [(5, "ask", 0, 1000 * CENT, SHARE), (5, "ask", 1, 1002 * CENT, SHARE), (6, "bid", 0, 998 * CENT, SHARE), (6, "bid", 1, 997 * CENT, SHARE)]  # fmt: skip
    assert played(fixed("ACME", rows), 9, buys, sells)[:2] == (row, meets)


def test_a_tape_of_the_national_best_says_where_the_best_is():
    """Nobody tells that he left the best: what was better than a new best is gone, and who is at it has no more than it says."""
    rows = [
        (1, "ask", 0, 1000 * CENT, 100 * SHARE),
        (2, "ask", 1, 1000 * CENT, 150 * SHARE),
        (3, "ask", 1, 1000 * CENT, 80 * SHARE),  # the largest at the price: slot 0 has 80 at most
        (4, "ask", 2, 1001 * CENT, 50 * SHARE),  # 10.00 is gone
        (5, "ask", 0, 1000 * CENT, 10 * SHARE),  # the best again, and 10.01 behind it
        (9, "bid", 0, 998 * CENT, 10 * SHARE),
    ]
    tape = replace(fixed("ACME", rows), best=Best(kept_ns=100))
    assert [asks(played(tape, until)[2], until) for until in (1, 2, 3, 4, 5, 9)] == [
        [(1000, 100)],
        [(1000, 250)],
        [(1000, 160)],
        [(1001, 50)],
        [(1000, 10), (1001, 50)],
        [(1000, 10), (1001, 50)],
    ]
    assert asks(played(tape, 104)[2], 104) == [(1000, 10), (1001, 50)]
    assert asks(played(tape, 105)[2], 105) == [(1000, 10)], "what is behind the best was seen too long ago"


def test_levels_behind_the_national_best_may_be_modelled():
    rows = [
        (1, "ask", 0, 1000 * CENT, 640 * SHARE),
        (2, "ask", 1, 1000 * CENT, 1280 * SHARE),
        (3, "ask", 0, 1001 * CENT, 10 * SHARE),
        (4, "bid", 0, 1 * CENT, 10 * SHARE),
    ]
    tape = replace(fixed("ACME", rows, slots=4), best=Best(behind=2, behind_parts=500))
    assert asks(played(tape, 1)[2]) == [(1000, 640), (1001, 320), (1002, 320)]
    assert asks(played(tape, 2)[2]) == [(1000, 640 + 1280), (1001, 320), (1002, 320)]
    market = played(tape, 4)[2]
    assert asks(market, 10**18) == [(1001, 10), (1002, 320), (1003, 320)], "of what the best usually showed"
    assert market.book(bids=True, now_ns=4) == (Level(CENT, 10 * SHARE),), "nothing is bid at nothing"
    take(market, 20 * SHARE, 4)
    assert asks(market, 4) == [(1002, 310), (1003, 320)]


def test_a_long_tape_stops_at_the_same_row_as_a_short_one():
    """The rows are read a few thousand at a time; a time may end in the next lot."""
    rows = [(at // 3, "ask", at % 4, (2000 if at < 8190 else 1000) * CENT, SHARE) for at in range(9000)]
    row, meets, market = played(fixed("ACME", rows), NEVER - 1, 1000 * CENT)
    assert meets
    assert row == 8193
    assert asks(market, NEVER - 1)[0] == (1000, 3)


def test_a_generated_tape_is_the_same_for_a_seed_and_its_book_is_as_stated():
    depth = Depth(half_spread_ppm=100, levels=3, step_ppm=100, best=10 * SHARE, growth_parts=1500)
    make = {"start_ns": 0, "end_ns": 100 * SECOND, "depth": depth}
    one, same, other = (generated("ACME", seed=seed, **make) for seed in (1, 1, 2))
    assert one.digest() == same.digest() != other.digest()
    assert (one.prices > 0).all()
    flat = generated("ACME", seed=1, step_ppm=0, **make)
    market = played(flat, 0)[2]
    assert asks(market) == [(10001, 10), (10002, 15), (10003, 22)]
    assert [level.price // CENT for level in market.book(bids=True, now_ns=0)] == [9999, 9998, 9997]


def test_an_endless_tape_goes_round():
    tape = endless("ACME", start_ns=0, seed=3, steps=10, step_ppm=500)
    assert isinstance(tape, LoopTape)
    first, later = played(tape, 4 * SECOND)[2], played(tape, 10_000_004 * SECOND)[2]
    assert asks(first, 9) == asks(later, NEVER - 1)
    assert len({int(price) for price in tape.prices}) > 3
    assert abs(int(tape.prices[-1]) - 100 * DOLLAR) <= 500 * 100_000
    row, meets = tape.play(0, 10**6 * SECOND, Displayed.empty(8, Impact(0)), 2**62, NEVER)
    assert (row, meets) == (1, True)


def test_recorded_quotes_become_a_tape(tmp_path):
    quotes = {
        "ms": [100, 100, 200], "bid_e4": [100_000, 0, 0], "bid_size": [500, 0, 0], "ask_e4": [100_200, 100_100, 0],
        "ask_size": [300, 200, 0], "exchange": ["P", "N", "N"],
    }  # fmt: skip
    trades = {
        "ms": [50, 60, 90], "price_e4": [100_000, 100_100, 100_200], "size": [100, 5_000, 9_000],
        "condition": ["40", "40", "80"],
    }  # fmt: skip
    pq.write_table(pa.table(quotes), tmp_path / "q.parquet")
    pq.write_table(pa.table(trades), tmp_path / "t.parquet")
    midnight = new_york_ns(date(2013, 10, 10), wall())
    tape = recorded_quotes("BAC", date(2013, 10, 10), tmp_path / "q.parquet", tmp_path / "t.parquet")
    assert isinstance(tape, QuoteTape)
    assert (tape.slots, tape.rows(), tape.time_ns(0)) == (2, 3, midnight + 100_000_000)
    market = played(tape, NEVER - 1)[2]
    assert asks(market, midnight + SECOND) == [(1001, 200), (1002, 300)]
    assert asks(market, NEVER - 1) == [(1001, 200)]
    assert market.book(bids=True, now_ns=NEVER - 1) == (Level(1000 * CENT, 500 * SHARE),)
    assert list(tape.prints) == [
        Print(midnight + 60_000_000, 1001 * CENT, 5_000 * SHARE),
        Print(midnight + 90_000_000, 1002 * CENT, 9_000 * SHARE),
    ]


@pytest.mark.parametrize(
    ("column", "values", "rule"),
    [("ms", [2, 1], "ms must not fall"), ("ask_size", [1, -1], "ask_size must be 0 or more, got -1")],
)
def test_a_recording_that_cannot_be_is_refused(tmp_path, column, values, rule):
    table = {name: [1, 1] for name in ("ms", "bid_e4", "bid_size", "ask_e4", "ask_size")}
    table["exchange"] = ["N", "N"]
    pq.write_table(pa.table(table | {column: values}), tmp_path / "q.parquet")
    with pytest.raises(DataError, match=rule):
        recorded_quotes("BAC", date(2013, 10, 10), tmp_path / "q.parquet")
    with pytest.raises(DataError, match="is missing"):
        recorded_quotes("BAC", date(2013, 10, 10), tmp_path / "none.parquet")


def test_the_recorded_day_is_a_market():
    """Bank of America, 10 October 2013: the spread is a cent, sides may lock and never cross, both auctions are there."""
    folder = find_data(None)
    quotes = folder / "orderflow/bac_2013-10-10_quotes.parquet" if folder else None
    if quotes is None or not quotes.is_file():
        pytest.skip("recorded quotes of one day are not there ($NOVATE_DATA)")
    day = date(2013, 10, 10)
    tape = recorded_quotes("BAC", day, quotes, quotes.with_name("bac_2013-10-10_trades.parquet"))
    assert [(one.price // CENT, one.shares // SHARE) for one in tape.prints] == [
        (1403, 885_720),
        (1423, 3_540_847),
    ]
    exchange = Exchange(
        [tape], {"alpha": Opening(cash=10**13)}, start_ns=new_york_ns(day, wall(9)), terms=Terms()
    )
    spreads = []
    for minute in range(390):
        exchange.advance(new_york_ns(day, wall(9, 31)) + minute * 60 * SECOND)
        book = exchange.book("BAC")
        if book.session == Session.REGULAR:
            spreads.append((book.asks[0].price - book.bids[0].price) // CENT)
            assert book.asks[0].shares >= 100 * SHARE
    assert sorted(spreads)[len(spreads) // 2] == 1
    assert min(spreads) >= 0


def test_a_scenario_becomes_a_tape_with_a_modelled_book():
    scenario = load_scenario("october-2008", None)
    name = next(name for name in scenario.underlyings if len(scenario.ticks_of(name)))
    tape = scenario_tape(scenario, name)
    assert isinstance(tape, PriceTape)
    ticks = scenario.ticks_of(name)
    assert set(tape.times.tolist()) <= set(ticks["time_ns"].tolist())
    assert int(tape.prices[0]) == int(ticks["price_e6"][0]) * 1000
    assert np.all(np.diff(tape.times) >= 0)
    assert 100 * SHARE <= tape.depth.best <= 20_000 * SHARE
    outside = tape.depth.outside()
    assert (outside.half_spread_ppm, outside.best) == (4 * tape.depth.half_spread_ppm, tape.depth.best // 10)
    sessions = {Hours().at(int(moment)).session for moment in tape.times[~tape.outside][::50]}
    assert sessions == {Session.REGULAR}
    thin = replace(tape, outside=np.ones(tape.rows(), dtype=np.bool_))
    now = tape.time_ns(0)
    assert played(thin, now)[2].asks.sizes[0] < played(tape, now)[2].asks.sizes[0]
    assert thin.digest() != tape.digest()
    with pytest.raises(DataError, match="has no NONE"):
        scenario_tape(scenario, "NONE")


def test_what_was_quoted_in_one_session_is_not_there_in_the_next():
    opens = new_york_ns(date(2025, 10, 10), wall(9, 30))
    rows = [(opens - SECOND, "ask", 0, 1000 * CENT, SHARE), (opens, "ask", 1, 1002 * CENT, SHARE), (opens + SECOND, "bid", 0, 990 * CENT, SHARE)]  # fmt: skip
    exchange = Exchange([fixed("ACME", rows)], {"alpha": Opening()}, start_ns=opens - 2 * SECOND)
    seen = []
    for now in (opens - SECOND, opens - 1, opens, opens + SECOND, new_york_ns(date(2025, 10, 10), wall(16))):
        exchange.advance(now)
        book = exchange.book("ACME")
        seen.append((book.session, [level.price // CENT for level in (*book.bids, *book.asks)]))
    assert seen == [
        (Session.PRE, [1000]),
        (Session.PRE, [1000]),
        (Session.REGULAR, [1002]),
        (Session.REGULAR, [990, 1002]),
        (Session.POST, []),
    ]


# --- fees and hours --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "shares", "price", "fee"),
    [
        (Side.BID, 100 * SHARE, 50 * DOLLAR, 300_000),
        (Side.ASK, 100 * SHARE, 50 * DOLLAR, 300_000 + 139_000 + 16_600),
        (
            Side.ASK,
            100_000 * SHARE,
            50 * DOLLAR,
            300_000_000 + 139_000_000 + 8_300_000,
        ),  # the last fee is capped
        (Side.BID, 1, 50 * DOLLAR, 1),  # rounded up
        (Side.ASK, 1, 50 * DOLLAR, 0),  # never more than it brings
    ],
)
def test_a_fee_is_the_schedule_s(side, shares, price, fee):
    assert Fees().of(side, shares, price) == fee
    assert FREE.of(side, shares, price) == 0


@pytest.mark.parametrize("dollars", [0, 1, 2, 3, 1_000, 999_999_999, 10**12])
@pytest.mark.parametrize("price", [1, CENT, 123_456_789, 100 * DOLLAR])
def test_dollars_buy_no_more_than_they_pay_for(dollars, price):
    shares = Fees().shares_for(dollars, price)
    assert cost_up(shares, price) + Fees().of(Side.BID, shares, price) <= dollars or shares == 0
    if dollars > 10:
        more = shares + 4 * 10**12 // (price + 3_000_000) + 1
        assert cost_up(more, price) + cost_up(more, 3_000_000) > dollars


@pytest.mark.parametrize(
    ("traded", "settles"),
    [
        ("2025-10-08", "2025-10-09"),
        ("2025-10-10", "2025-10-14"),  # a Friday; banks are closed on Columbus Day
        ("2025-10-13", "2025-10-14"),
        ("2025-11-10", "2025-11-12"),  # Veterans Day
        ("2023-11-10", "2023-11-13"),  # it is a Saturday: banks are open on Friday
        ("2024-07-03", "2024-07-05"),
        ("2025-12-24", "2025-12-26"),
    ],
)
def test_a_trade_settles_on_the_next_day_on_which_banks_are_open(traded, settles):
    assert settlement_day(date.fromisoformat(traded)) == date.fromisoformat(settles)


@pytest.mark.parametrize(
    ("day", "at", "session", "trading_day"),
    [
        ("2025-10-10", (9, 29), Session.PRE, "2025-10-10"),
        ("2025-10-10", (9, 30), Session.REGULAR, "2025-10-10"),
        ("2025-10-10", (16, 0), Session.POST, "2025-10-10"),
        ("2025-10-10", (20, 0), Session.CLOSED, "2025-10-13"),
        ("2025-10-09", (20, 0), Session.CLOSED, "2025-10-10"),
        ("2025-11-28", (13, 0), Session.POST, "2025-11-28"),  # an early close
        ("2025-11-28", (17, 0), Session.CLOSED, "2025-12-01"),
    ],
)
def test_hours_are_the_exchange_s(day, at, session, trading_day):
    moment = Hours().at(new_york_ns(date.fromisoformat(day), wall(*at)))
    assert (moment.session, moment.day) == (session, date.fromisoformat(trading_day))


def test_an_overnight_session_belongs_to_the_day_that_follows():
    hours = Hours((Session.PRE, Session.POST, Session.OVERNIGHT))
    moment = hours.at(new_york_ns(date(2025, 10, 9), wall(20)))
    assert (moment.session, moment.day) == (Session.OVERNIGHT, date(2025, 10, 10))
    assert moment.day_ends_ns == new_york_ns(date(2025, 10, 10), wall(20))
    assert hours.at(new_york_ns(date(2025, 10, 10), wall(20))).session == Session.CLOSED


# --- settings --------------------------------------------------------------------------------------------------------------------

GOOD = """
start = "2025-10-09 10:00"
journal = "exchange.db"
[impact]
parts = 500
[broker.alpha]
cash = "10 M USD"
shares = { ACME = "10.5" }
[stock.ACME]
price = "180.00"
best = "300"
levels = 4
[[fault]]
broker = "alpha"
order = 2
kind = "late_fill"
after = "3 s"
"""


def test_settings_become_a_floor(tmp_path):
    floor = make_floor(load_exchange_settings(GOOD), tmp_path, 5)
    floor.start(0)
    exchange = floor.exchange
    assert exchange.start_ns == new_york_ns(date(2025, 10, 9), wall(10))
    assert exchange.terms.impact.parts == 500
    assert exchange.terms.fees == Fees()
    custody = exchange.desks["alpha"].custody
    assert (custody.cash(), custody.shares("ACME")) == (10**13, 10_500_000_000)
    book = floor.book("ACME")
    assert (len(book.asks), book.asks[0].shares) == (4, 300 * SHARE)
    assert exchange.plan.script[0].after_ns == 3 * SECOND
    floor.close()


def test_an_exchange_that_begins_now_keeps_its_beginning_over_restarts(tmp_path):
    settings = load_exchange_settings(GOOD.replace('start = "2025-10-09 10:00"', ""))
    began = new_york_ns(date(2025, 10, 9), wall(11))
    first = make_floor(settings, tmp_path, began)
    first.start(began)
    first.close()
    again = make_floor(settings, tmp_path, began + 100 * SECOND)
    again.start(began + 100 * SECOND)
    assert again.exchange.start_ns == began
    assert again.now_ns() == began + 100 * SECOND
    again.close()


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('"10 M USD"', '"ten"', "broker.alpha.cash must be a number and USD"),
        ('price = "180.00"', "", r"stock.ACME must have one of price, quotes, scenario, got none"),
        ('price = "180.00"', 'price = "1"\nscenario = "x"', "got price and scenario"),
        ('price = "180.00"', 'quotes = "x"', "must have their day"),
        ('"late_fill"', '"late"', "fault.kind must be one of reject, .*got late"),
        ('broker = "alpha"', 'broker = "beta"', "fault.broker must be one of alpha, got beta"),
        ("parts = 500", "part = 500", "unknown field `part`"),
        ("parts = 500", "parts = 50000", "impact.parts must be 0 to 10000, got 50000"),
        ('"3 s"', '"3"', "fault.after must be a number and one of"),
        ('"2025-10-09 10:00"', '"soon"', "start must be a time in New York such as"),
        ('"10.5"', '"-1"', "opening ACME must be 0 or more"),
        ("levels = 4", "levels = 0", "depth.levels must be at least 1, got 0"),
        ("[broker.alpha]", "[broker.Alpha]", "matching regex"),
    ],
)
def test_a_mistake_in_the_settings_is_one_clear_error(tmp_path, old, new, rule):
    assert old in GOOD
    with pytest.raises(ConfigError, match=rule):
        make_floor(load_exchange_settings(GOOD.replace(old, new)), tmp_path, time.time_ns())


def test_two_tapes_of_one_symbol_are_refused():
    tape = fixed("ACME", [(1, "ask", 0, CENT, SHARE)])
    with pytest.raises(ConfigError, match="ACME has two"):
        Exchange([tape, tape], {"alpha": Opening()}, start_ns=0)
    with pytest.raises(ConfigError, match="at least one tape"):
        Exchange([], {"alpha": Opening()}, start_ns=0)


def test_the_reference_s_settings_are_settings_and_its_faults_are_all():
    page = (Path(__file__).parents[2] / "docs/reference/brokers.md").read_text(encoding="utf-8")
    block = page.split("### Settings")[1].split("### What survives")[0]
    said = "\n".join(line[4:] for line in block.splitlines() if line.startswith("    ") or not line)
    settings = load_exchange_settings(said)
    assert set(settings.stock) == {"ACME", "BAC", "SPY"}
    assert settings.fault[0].kind == "bust"
    table = page.split("| `kind` |")[1].split("Besides")[0]
    assert set(re.findall(r"`([a-z_]+)`", table)) - {"after"} == {fault.name.lower() for fault in Fault}
