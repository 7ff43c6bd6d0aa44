"""Statements against the venue's books: every planted difference is found once and nothing else is; files are read strictly; breaks live by a table."""

import csv
import io
import random
import sqlite3
import threading
from collections import defaultdict
from contextlib import closing
from datetime import date, datetime
from fractions import Fraction
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.console import Console

from novate.broker import Cash, EndOfDay, LineDown, Position, Trade, execution_bytes
from novate.calendar import NEW_YORK, to_ns, trading_days
from novate.clearing.break_book import FILE, LIVE, TABLE, BreakBook, BreakRefused, Event, State
from novate.clearing.day_end import DayEnd
from novate.clearing.ledger_side import (
    FAILED,
    OPEN,
    QUARANTINED,
    SETTLED,
    BreakEnded,
    BrokerSide,
    Changed,
    Execution,
    Fill,
    Holding,
    Ledger,
    OrderRaised,
    Settlement,
    Split,
    TakenBack,
    statement_of,
    text_of_key,
)
from novate.clearing.reconcile import BrokerRun, Said, Taken
from novate.clearing.reconcile_report import render, report, write_files
from novate.clearing.reconciliation import (
    KINDS,
    BreakKind,
    Carried,
    compare,
    contradictions,
    engine_words,
    net_dollars,
    signed_shares,
)
from novate.clearing.settlement import (
    business_day,
    day_ends_ns,
    days_late,
    is_trading_day,
    last_day_over,
    late,
    settlement_day,
    trading_day_before,
)
from novate.clearing.statement_files import fetch_due, path_of, read_statement, write_statement
from novate.errors import DataError
from novate.messages.codes import Side

BROKER, NAME = 1, "Simulated Prime"
DAY, BEFORE, NEXT = date(2024, 6, 12), date(2024, 6, 11), date(2024, 6, 13)
SYMBOLS = {6: "NVDA", 7: "AAPL", 10: "GOOG"}
TOKENS = {"NVDA": (60,), "AAPL": (70,), "GOOG": (100, 101)}
SHARE, DOLLAR = 10**9, 10**6
CENT = 10**7  # of a price in 1e-9 dollars


def execution(number, symbol="AAPL", side=Side.BID, shares=10, price=200, **more):
    """One of today's, by an id that fits 16 bytes; the price in dollars."""
    underlying = next(key for key, name in SYMBOLS.items() if name == symbol)
    given = {
        "broker": BROKER, "key": execution_bytes(f"X{number}"), "order": number, "underlying": underlying, "token": TOKENS[symbol][0],
        "side": side, "shares": shares * SHARE, "price": price * DOLLAR, "fee": 120, "settles": NEXT, "day": DAY, "sequence": 1_000 + number,
    }  # fmt: skip
    return Execution(**given | more)


def trade_of(one, **change):
    """The broker's line for the same."""
    line = Trade(
        execution=text_of_key(one.key), order=f"N-{one.order}", symbol=SYMBOLS[one.underlying], side=one.side, shares=one.shares,
        price=one.price * 1_000, fee=one.fee, traded=one.day, settles=one.settles,
    )  # fmt: skip
    return replace(line, **change)


def sides(executions, opening=None, cash=10**12):
    """A statement and a venue's side that agree: opening balances and what the executions did."""
    opening = {"AAPL": 500 * SHARE} if opening is None else opening
    settled, unsettled = defaultdict(int, opening), defaultdict(int)
    dollars = [cash, 0]
    for one in executions:
        if one.stage not in {OPEN, SETTLED}:
            continue
        place, at = (settled, 0) if one.stage == SETTLED else (unsettled, 1)
        place[SYMBOLS[one.underlying]] += one.signed
        dollars[at] += net_dollars(trade_of(one))
    symbols = settled.keys() | unsettled.keys()
    side = BrokerSide(
        broker=BROKER, name=NAME, day=DAY, cash=Cash(settled=dollars[0], unsettled=dollars[1]),
        holdings={one: Holding(settled=settled[one], unsettled=unsettled[one]) for one in symbols},
        executions={one.key: one for one in executions}, symbols=SYMBOLS, decimals=dict.fromkeys(SYMBOLS, 6), tokens=TOKENS,
    )  # fmt: skip
    statement = EndOfDay(
        broker=NAME, day=DAY, cash=side.cash,
        positions=tuple(Position(symbol=one, settled=settled[one], unsettled=unsettled[one]) for one in sorted(symbols)),
        trades=tuple(trade_of(one) for one in executions if one.day == DAY and one.booked),
    )  # fmt: skip
    return statement, side


def moved(statement, symbol="", shares=0, dollars=0, *, settled=False):
    """The broker has more shares and dollars than before, unsettled unless said otherwise."""
    positions = {one.symbol: one for one in statement.positions}
    if shares:
        known = positions.get(symbol, Position(symbol=symbol, settled=0, unsettled=0))
        positions[symbol] = (
            replace(known, settled=known.settled + shares)
            if settled
            else replace(known, unsettled=known.unsettled + shares)
        )
    cash = statement.cash
    if dollars:
        cash = (
            replace(cash, settled=cash.settled + dollars)
            if settled
            else replace(cash, unsettled=cash.unsettled + dollars)
        )
    return replace(
        statement, positions=tuple(sorted(positions.values(), key=lambda one: one.symbol)), cash=cash
    )


def with_trades(statement, *trades, without=()):
    """Lines put in (over those of the same id) and taken out, with what that does to the broker's balances."""
    lines = {one.execution: one for one in statement.trades}
    for line in trades:
        before = lines.get(line.execution)
        if before is not None:
            statement = moved(
                statement, before.symbol, -signed_shares(before.side, before.shares), -net_dollars(before)
            )
        statement = moved(statement, line.symbol, signed_shares(line.side, line.shares), net_dollars(line))
        lines[line.execution] = line
    for name in without:
        gone = lines.pop(name)
        statement = moved(statement, gone.symbol, -signed_shares(gone.side, gone.shares), -net_dollars(gone))
    return replace(statement, trades=tuple(lines[name] for name in sorted(lines)))


def told(found):
    return [(one.kind.value, one.subject) for one in found.breaks]


BOUGHT, SOLD = execution(1), execution(2, "NVDA", Side.ASK, 4, 121)
OLD = execution(3, "AAPL", shares=7, day=BEFORE, settles=DAY)

SCENARIOS = {
    "all agrees": (lambda s: s, (BOUGHT, SOLD), []),
    "nothing at all": (lambda s: s, (), []),
    "the broker lacks one": (lambda s: with_trades(s, without=("X1",)), (BOUGHT, SOLD), [("missing_at_broker", "X1")]),
    "the venue lacks one": (
        lambda s: with_trades(s, trade_of(BOUGHT, execution="X9")), (BOUGHT, SOLD), [("missing_at_venue", "X9")]
    ),
    "a name that nobody listed": (
        lambda s: with_trades(s, trade_of(BOUGHT, execution="X9", symbol="GME")), (BOUGHT,), [("unknown_symbol", "X9")]
    ),
    "shares of a name that nobody listed": (lambda s: moved(s, "GME", SHARE), (BOUGHT,), [("unknown_symbol", "GME")]),
    "more shares": (
        lambda s: with_trades(s, trade_of(BOUGHT, shares=11 * SHARE)), (BOUGHT, SOLD), [("shares_differ", "X1")]
    ),
    "the other side": (lambda s: with_trades(s, trade_of(BOUGHT, side=Side.ASK)), (BOUGHT,), [("shares_differ", "X1")]),
    "another price": (
        lambda s: with_trades(s, trade_of(BOUGHT, price=200 * SHARE + CENT)), (BOUGHT, SOLD), [("price_differs", "X1")]
    ),
    "a price beyond the venue's decimals is the same": (
        lambda s: replace(s, trades=tuple(replace(one, price=one.price + 999) for one in s.trades)), (BOUGHT,), []
    ),
    "another fee": (lambda s: with_trades(s, trade_of(BOUGHT, fee=121)), (BOUGHT,), [("fee_differs", "X1")]),
    "price and fee": (
        lambda s: with_trades(s, trade_of(BOUGHT, fee=1, price=201 * SHARE)), (BOUGHT,), [("price_differs", "X1"), ("fee_differs", "X1")]
    ),
    "a position alone": (lambda s: moved(s, "AAPL", 5), (BOUGHT,), [("position_differs", "AAPL")]),
    "settled, where nothing is late": (
        lambda s: moved(moved(s, "AAPL", SHARE, settled=True), "AAPL", -SHARE), (BOUGHT,), [("position_differs", "AAPL")]
    ),
    "cash alone": (lambda s: moved(s, dollars=-1), (BOUGHT,), [("cash_differs", "USD")]),
    "a trade's line is gone, its balances are not": (
        lambda s: replace(s, trades=s.trades[1:]), (BOUGHT, SOLD), [("missing_at_broker", "X1")]
    ),
    "late here, settled there": (
        lambda s: moved(
            moved(s, "AAPL", 7 * SHARE, net_dollars(trade_of(OLD)), settled=True), "AAPL", -7 * SHARE, -net_dollars(trade_of(OLD))
        ),
        (BOUGHT, OLD),
        [("settlement_late", "X3")],
    ),
    "late on both sides": (lambda s: s, (BOUGHT, OLD), [("settlement_late", "X3")]),
    "in quarantine": (
        lambda s: with_trades(s, trade_of(execution(4))), (execution(4, stage=QUARANTINED, break_id=88),), [("in_quarantine", "X4")]
    ),
    "failed here, traded there": (
        lambda s: with_trades(s, trade_of(execution(5))), (execution(5, stage=FAILED),), [("missing_at_venue", "X5")]
    ),
    "a position and another name's trade": (
        lambda s: moved(with_trades(s, without=("X2",)), "AAPL", -SHARE),
        (BOUGHT, SOLD),
        [("missing_at_broker", "X2"), ("position_differs", "AAPL")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_difference_is_told_once_where_it_began(name):
    change, executions, wanted = SCENARIOS[name]
    statement, side = sides(executions)
    found = compare(change(statement), side)
    assert told(found) == wanted
    assert found.clean is (not wanted)


def test_every_kind_of_break_says_what_it_means():
    assert KINDS.keys() == set(BreakKind)


def test_both_sides_stand_in_a_break():
    statement, side = sides((BOUGHT,))
    (one,) = compare(with_trades(statement, trade_of(BOUGHT, price=200 * SHARE + CENT)), side).breaks
    assert (one.broker["price"], one.venue["price"]) == ("200.01", "200")
    assert (one.shares, one.dollars, one.symbol) == (0, -10 * 10_000, "AAPL")


@pytest.mark.parametrize(
    ("name", "off"),
    [
        ("all agrees", {}),
        ("the broker lacks one", {70: -10 * SHARE}),
        ("the venue lacks one", {70: 10 * SHARE}),
        ("a position alone", {70: 5}),
        ("cash alone", {0: -1}),
        ("another price", {}),
        ("a name that nobody listed", {0: net_dollars(trade_of(BOUGHT))}),
        ("late here, settled there", {}),
    ],
)
def test_the_engine_is_told_by_how_much_a_token_is_off_and_no_other(name, off):
    change, executions, _ = SCENARIOS[name]
    statement, side = sides(executions)
    words = engine_words(compare(change(statement), side), side)
    assert {one.token: one.off for one in words if one.off} == off
    assert {one.token for one in words} >= {0, 70}  # what agrees is told too: a statement has an age


def test_two_tokens_of_one_name_are_both_off():
    statement, side = sides((execution(1, "GOOG"),))
    words = engine_words(compare(moved(statement, "GOOG", -3), side), side)
    assert {one.token: one.off for one in words if one.off} == {100: -3, 101: -3}


def test_one_execution_with_two_contents_is_told_as_such_and_no_other_difference_is():
    statement, side = sides((BOUGHT, SOLD))
    changed = trade_of(BOUGHT, price=201 * SHARE, fee=1)
    assert contradictions(compare(with_trades(statement, changed), side)) == [changed]
    fewer = trade_of(BOUGHT, shares=SHARE, price=201 * SHARE)
    assert contradictions(compare(with_trades(statement, fewer), side)) == []


def test_a_tolerance_takes_rounding_of_cash_and_says_so():
    statement, side = sides((BOUGHT,))
    found = compare(moved(statement, dollars=3), side, cash_tolerance=3)
    assert found.clean and found.within == {"USD": 3} and found.matched["cash"] == 1
    assert told(compare(moved(statement, dollars=4), side, cash_tolerance=3)) == [("cash_differs", "USD")]


def test_sides_of_two_days_are_not_compared():
    statement, side = sides(())
    with pytest.raises(ValueError, match="compared with"):
        compare(replace(statement, day=NEXT), side)


# --- what earlier days left ----------------------------------------------------------------------------------------------


def test_a_trade_heard_after_midnight_clears_its_break_and_makes_no_other():
    """The broker's file of the day before has it, the venue heard it today: today's file lacks it, and nothing is missing."""
    heard_today = execution(7)
    statement, side = sides((heard_today, BOUGHT))
    line = trade_of(heard_today, traded=BEFORE)
    today = replace(statement, trades=tuple(one for one in statement.trades if one.execution != "X7"))
    assert told(compare(today, side)) == [("missing_at_broker", "X7")]
    assert told(compare(today, side, Carried(trades=(line,)))) == []
    assert told(compare(today, side, Carried(matched=frozenset({heard_today.key})))) == []


def test_what_the_broker_lacked_is_looked_for_until_it_comes():
    one = execution(8, day=BEFORE)
    statement, side = sides((one,))
    assert told(compare(statement, side)) == []  # of another day, and nobody missed it
    carried = Carried(wanted=frozenset({one.key}))
    assert told(compare(statement, side, carried)) == [("missing_at_broker", "X8")]
    late_line = replace(statement, trades=(trade_of(one),))
    found = compare(late_line, side, carried)
    assert found.clean and one.key in found.seen


@pytest.mark.parametrize("ratio", [Fraction(10), Fraction(3, 2), Fraction(1, 7)])
def test_a_split_that_only_the_venue_has_taken_is_no_difference(ratio):
    """The venue splits in the evening before the ex-date; the broker's statement of that evening has the old shares."""
    statement, side = sides((BOUGHT, SOLD), {"AAPL": 123_456_789_123, "NVDA": 50 * SHARE})
    holdings = {
        name: Holding(settled=int(one.settled * ratio), unsettled=int(one.unsettled * ratio)) if name == "AAPL" else one
        for name, one in side.holdings.items()
    }  # fmt: skip
    executions = {
        key: replace(one, scale=ratio) if one.underlying == 7 else one for key, one in side.executions.items()
    }
    after = BrokerSide(
        broker=BROKER, name=NAME, day=DAY, holdings=holdings, cash=side.cash, executions=executions, symbols=SYMBOLS,
        decimals=side.decimals, tokens=TOKENS, ratios={"AAPL": ratio},
    )  # fmt: skip
    assert told(compare(statement, after)) == []
    assert told(compare(with_trades(statement, without=("X1",)), after)) == [("missing_at_broker", "X1")]


# --- property ------------------------------------------------------------------------------------------------------------


def plant(random_, statement, executions, number):
    """One difference; gives the statement with it and what has to be told."""
    kind = random_.choice(
        [
            "missing_at_broker",
            "missing_at_venue",
            "shares_differ",
            "price_differs",
            "fee_differs",
            "unknown_symbol",
        ]
    )
    free = [
        one for one in statement.trades if one.execution.startswith("X") and one.execution not in plant.used
    ]
    if kind in {"missing_at_venue", "unknown_symbol"} or not free:
        name = f"B{number}"
        symbol = f"ZZ{number}" if kind == "unknown_symbol" else random_.choice(list(TOKENS))
        line = trade_of(random_.choice(executions), execution=name, symbol=symbol)
        kind = kind if kind == "unknown_symbol" else "missing_at_venue"
        return with_trades(statement, line), (kind, name)
    line = random_.choice(free)
    plant.used.add(line.execution)
    if kind == "missing_at_broker":
        return with_trades(statement, without=(line.execution,)), (kind, line.execution)
    field = {"shares_differ": "shares", "price_differs": "price", "fee_differs": "fee"}[kind]
    by = random_.randint(1_000, 10**10)
    return with_trades(statement, replace(line, **{field: getattr(line, field) + by})), (kind, line.execution)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_planted_differences_are_each_found_once_and_nothing_else(seed):
    random_ = random.Random(seed)
    plant.used = set()
    executions = [
        execution(
            number, random_.choice(list(TOKENS)), random_.choice(list(Side)), fee=random_.randint(0, 10**6),
        )
        for number in range(random_.randint(1, 30))
    ]  # fmt: skip
    executions = [
        replace(one, shares=random_.randint(1, 10**13), price=random_.randint(1, 10**9)) for one in executions
    ]
    statement, side = sides(executions, {name: random_.randint(0, 10**14) for name in TOKENS})
    assert compare(statement, side).clean
    wanted = []
    for number in range(random_.randint(0, 6)):
        statement, expected = plant(random_, statement, executions, number)
        wanted.append(expected)
    touched = {one.symbol for one in compare(statement, side).breaks}
    for symbol in TOKENS.keys() - touched:
        if random_.random() < 0.3:
            statement = moved(
                statement,
                symbol,
                random_.choice((-1, 1)) * random_.randint(1, 10**10),
                settled=random_.random() < 0.5,
            )
            wanted.append(("position_differs", symbol))
    if random_.random() < 0.3:
        statement = moved(statement, dollars=random_.choice((-1, 1)) * random_.randint(1, 10**7))
        wanted.append(("cash_differs", "USD"))
    found = compare(statement, side)
    assert sorted(told(found)) == sorted(wanted)
    words = {one.token: one.off for one in engine_words(found, side)}
    off = {one.symbol: sum(b.shares for b in found.breaks if b.symbol == one.symbol) for one in found.breaks}
    for symbol, tokens in TOKENS.items():
        assert {words.get(token, 0) for token in tokens} == {off.get(symbol, 0)}


# --- the venue's executions by what the journal says ---------------------------------------------------------------------


def at(sequence):
    return {"sequence": sequence, "at_ns": 1_718_200_000 * 10**9 + sequence}  # 12 June 2024, in the morning


def fill(sequence, name, **change):
    given = {
        "order": 5, "execution": execution_bytes(name), "underlying": 7, "side": 0, "shares": 10 * SHARE, "price": 200 * DOLLAR, "fee": 1,
        "settle_ns": 1_718_308_800 * 10**9, **at(sequence),
    }  # fmt: skip
    return Fill(**given | change)


LIVES = {
    "filled": ([fill(2, "A")], ("open", 10)),
    "settled": ([fill(2, "A"), Settlement(broker=1, execution=execution_bytes("A"), settled=True, **at(3))], ("settled", 10)),
    "failed": ([fill(2, "A"), Settlement(broker=1, execution=execution_bytes("A"), settled=False, **at(3))], ("failed", 10)),
    "busted": ([fill(2, "A"), TakenBack(broker=1, execution=execution_bytes("A"), **at(3))], ("busted", 10)),
    "corrected": ([fill(2, "A"), Changed(broker=1, execution=execution_bytes("A"), shares=8 * SHARE, price=1, **at(3))], ("open", 8)),
    "quarantined": ([fill(2, "A", break_id=9)], ("quarantined", 10)),
    "adopted": ([fill(2, "A", break_id=9), BreakEnded(break_id=9, resolution=1, **at(3))], ("open", 10)),
    "taken back": ([fill(2, "A", break_id=9), BreakEnded(break_id=9, resolution=2, **at(3))], ("busted", 10)),
    "split": ([fill(2, "A"), Split(underlying=7, new=7, old=1, **at(3))], ("open", 70)),
    "split, then corrected": (
        [fill(2, "A"), Split(underlying=7, new=7, old=1, **at(3)), Changed(broker=1, execution=execution_bytes("A"), shares=56 * SHARE, price=1, **at(4))],
        ("open", 56),
    ),
    "another name's split": ([fill(2, "A"), Split(underlying=6, new=10, old=1, **at(3))], ("open", 10)),
    "another broker's bust": ([fill(2, "A"), TakenBack(broker=2, execution=execution_bytes("A"), **at(3))], ("open", 10)),
}  # fmt: skip


@pytest.mark.parametrize("name", LIVES)
def test_an_execution_stands_as_the_journal_says(name):
    moves, (stage, shares) = LIVES[name]
    ledger = Ledger()
    ledger.take(OrderRaised(order=5, broker=1, token=70, underlying=7, **at(1)))
    for one in moves:
        ledger.take(one)
    (found,) = ledger.of(1).values()
    assert (found.stage, found.signed) == (stage, shares * SHARE)
    assert (found.day, found.settles) == (DAY, NEXT)


@pytest.mark.parametrize(
    ("name", "text"),
    [("A-1", "A-1"), ("x" * 16, "x" * 16), ("x" * 17, None), ("has,comma", None), ("#1", None), ("", None)],
)
def test_an_id_that_fits_is_shown_and_any_other_is_hexadecimal(name, text):
    shown = text_of_key(execution_bytes(name))
    assert shown == (text or "#" + execution_bytes(name).hex())


# --- files ---------------------------------------------------------------------------------------------------------------


def test_a_statement_is_read_as_it_was_written(tmp_path):
    statement, side = sides((BOUGHT, SOLD, execution(11, shares=1, fee=0)))
    files = write_statement(statement, tmp_path)
    found = read_statement(tmp_path, NAME, DAY)
    assert set(found.statement.trades) == set(statement.trades)
    assert (found.statement.positions, found.statement.cash) == (statement.positions, statement.cash)
    assert [one.sha256 for one in files] == [one.sha256 for one in found.files] and [
        one.rows for one in files
    ] == [2, 1, 3]
    assert statement_of(side, DAY).positions and compare(found.statement, side).clean


BAD_FILES = {
    "trades": [
        ("AAPL,buy", "AAPL,bought", "line 3, side", "`buy` or `sell`"),
        (",10,", ",0,", "line 3, shares", "above zero"),
        (",10,", ",1e1,", "line 3, shares", "plain decimal"),
        (",10,", ",10.0000000001,", "line 3, shares", "multiple of"),
        (",200,", ",NaN,", "line 3, price", "plain decimal"),
        (",0.00012,", ",-1,", "line 3, fee", "must not be negative"),
        ("2024-06-13", "13/06/2024", "line 3, settles", "not what belongs"),
        ("2024-06-13\n", "2024-06-10\n", "line 3, settles", "before the trade"),
        ("2024-06-12,2024-06-13", "2024-06-14,2024-06-15", "line 3, traded", "after the day"),
        ("2024-06-13\n", "2024-06-13,more\n", "line 3, columns", "has 10 fields"),
        ("end,2", "end,3", "line 5, end", "says '3' rows and has 2"),
        ("end,2\n", "", "line 4, end", "cut short"),
        ("end,2\n", "end,2", "end", "cut short"),
        ("\nX2,", "\nX0,", "line 4, execution", "out of order"),
        ("\nX2,", "\nX1,", "line 4, execution", "twice"),
        ("Simulated Prime,", "Another,", "line 1, broker", "belongs"),
        (",trades,", ",cash,", "line 1, kind", "belongs"),
        ("statement,1,", "statement,2,", "line 1, version", "belongs"),
        ("execution,order", "order,execution", "line 2, columns", "are not"),
        ("X1", '"X1"', "characters", "a quote"),
        ("\n", "\r\n", "characters", "carriage return"),
        ("X1", "X\x071", "line 3, execution", "not what belongs"),
    ],
    "positions": [("AAPL,500", "AAPL,0x1f", "line 3, settled", "plain decimal"), ("AAPL", "", "line 3, symbol", "not what belongs")],
    "cash": [("1000000,", "1000000.0000001,", "line 3, settled", "multiple of"), ("end,1", "1,1\nend,2", "line 3, rows", "where one belongs")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "old", "new", "where", "why"),
    [(kind, *case) for kind, cases in BAD_FILES.items() for case in cases],
)
def test_a_bad_file_is_refused_by_line_and_field(tmp_path, kind, old, new, where, why):
    statement, _ = sides((BOUGHT, SOLD))
    write_statement(statement, tmp_path)
    path = path_of(tmp_path, NAME, DAY, kind)
    text = path.read_bytes().decode()
    assert old in text, text
    path.write_bytes(text.replace(old, new, 1).encode())
    with pytest.raises(DataError) as error:
        read_statement(tmp_path, NAME, DAY)
    assert where in error.value.sentence and why in error.value.sentence, error.value.sentence
    assert error.value.facts["file"] == str(path)


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path):
    with pytest.raises(DataError, match="There is no statement"):
        read_statement(tmp_path, NAME, DAY)
    write_statement(sides(())[0], tmp_path)
    path_of(tmp_path, NAME, DAY, "cash").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not UTF-8 at byte 0"):
        read_statement(tmp_path, NAME, DAY)
    with pytest.raises(DataError, match="cannot stand in a statement"):
        write_statement(
            EndOfDay(broker="A,B", day=DAY, positions=(), cash=Cash(settled=0, unsettled=0), trades=()),
            tmp_path,
        )


class Line:
    """A broker's line with records under its own name."""

    def __init__(self, statement, problem=""):
        self.statement, self.problem, self.asked = statement, problem, 0

    def end_of_day(self, day):
        assert day == DAY
        self.asked += 1
        if self.problem:
            raise DataError(self.problem)
        return replace(self.statement, broker="what it calls itself")


def test_statements_are_fetched_once_and_what_has_none_is_asked_again(tmp_path):
    statement, side = sides((BOUGHT,))
    lines = {NAME: Line(statement), "Late": Line(statement, "not before six"), "Without": object()}
    for _ in range(2):
        assert fetch_due(lines, DAY, tmp_path) == {"Late": "not before six"}
    assert (lines[NAME].asked, lines["Late"].asked) == (1, 2)
    assert compare(read_statement(tmp_path, NAME, DAY).statement, side).clean
    wrong = Line(replace(statement, trades=(replace(trade_of(BOUGHT), traded=NEXT),)))
    for _ in range(2):  # what can't be read is not there
        assert "after the day" in fetch_due({"Wrong": wrong}, DAY, tmp_path)["Wrong"]


def test_one_brokers_failure_keeps_no_other_from_its_statement(tmp_path):
    statement, _ = sides((BOUGHT,))

    class Gone(Line):
        def end_of_day(self, day):
            raise (
                LineDown(f"no call comes through for {day}") if self.problem else OSError("the disk is full")
            )

    lines = {"Gone": Gone(statement, "gone"), "Full": Gone(statement), NAME: Line(statement)}
    found = fetch_due(lines, DAY, tmp_path)
    assert set(found) == {"Gone", "Full"} and "no call" in found["Gone"] and "full" in found["Full"]
    assert read_statement(tmp_path, NAME, DAY)


def test_days_that_nobody_asked_for_are_asked_for_from_the_last_complete_one_on(tmp_path):
    days = [one.date for one in trading_days(date(2026, 3, 2), date(2026, 3, 6))]
    statement = EndOfDay(broker=NAME, day=days[0], positions=(), cash=Cash(settled=0, unsettled=0), trades=())

    class Every:
        asked: ClassVar = []
        without: ClassVar = set()

        def end_of_day(self, day):
            self.asked.append(day)
            if day in self.without:
                raise DataError("not yet")
            return replace(statement, day=day)

    def looks(day) -> bool:
        return DayEnd(tmp_path, {NAME: Every()}, lambda: day_ends_ns(day), threading.Event()).look()

    everyday = tmp_path / "statements"
    assert looks(days[0]) and (everyday / str(days[0])).is_dir() and Every.asked == days[:1], (
        "nothing was ever fetched: the last day alone"
    )
    Every.without = {days[2]}
    assert not looks(days[3]) and Every.asked[1:] == days[1:4], (
        "oldest first, and one that is not there holds no other up"
    )
    Every.without = set()
    assert looks(days[4]) and Every.asked[4:] == [days[2], days[4]]


# --- the calendar --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("traded", "settles"),
    [
        (date(2024, 6, 7), date(2024, 6, 10)),  # over a weekend
        (date(2024, 6, 18), date(2024, 6, 20)),  # over Juneteenth
        (date(2024, 7, 3), date(2024, 7, 5)),  # over Independence Day, after an early close
        (date(2025, 10, 10), date(2025, 10, 14)),  # over Columbus Day: stocks trade, banks are closed
        (date(2025, 10, 13), date(2025, 10, 14)),
        (date(2024, 6, 8), date(2024, 6, 10)),  # a Saturday
    ],
)
def test_a_trade_settles_on_the_next_settlement_day(traded, settles):
    assert settlement_day(traded) == settles


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2024, 6, 6, 19, 59, tzinfo=NEW_YORK), date(2024, 6, 6)),
        (
            datetime(2024, 6, 6, 20, 0, tzinfo=NEW_YORK),
            date(2024, 6, 7),
        ),  # the overnight session is the next day's
        (datetime(2024, 6, 7, 3, 0, tzinfo=NEW_YORK), date(2024, 6, 7)),
        (datetime(2024, 6, 7, 21, 0, tzinfo=NEW_YORK), date(2024, 6, 10)),
        (datetime(2024, 6, 19, 12, 0, tzinfo=NEW_YORK), date(2024, 6, 20)),
    ],
)
def test_a_moment_belongs_to_one_trading_day(moment, day):
    time_ns = to_ns(moment)
    assert business_day(time_ns) == day
    assert last_day_over(time_ns) == trading_day_before(day)
    assert day_ends_ns(last_day_over(time_ns)) <= time_ns < day_ends_ns(day)


def test_what_is_late():
    today, old, done = execution(1), execution(2, settles=BEFORE), execution(3, settles=BEFORE, stage=SETTLED)
    assert late((today, old, done), DAY) == [old] and late((today, old, done), NEXT) == [old, today]
    assert is_trading_day(DAY)
    assert trading_day_before(date(2024, 6, 10)) == date(2024, 6, 7)
    assert [days_late(BEFORE, day) for day in (BEFORE, DAY, NEXT)] == [0, 1, 2]
    assert days_late(date(2024, 6, 7), date(2024, 6, 10)) == 1
    assert days_late(date(2025, 10, 10), date(2025, 10, 13)) == 0


# --- the book ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def book(tmp_path):
    found = BreakBook.open(tmp_path)
    yield found
    found.close()


def run(book, change, executions=(BOUGHT, SOLD), day=DAY, now=1):
    statement, side = sides(executions)
    found = compare(change(statement), side, book.carried(NAME, DAY) if day != DAY else None)
    return book.record(NAME, day, now, found, (), (7, bytes(32)))


def test_a_break_that_is_found_again_is_the_same_one_and_older(book, tmp_path):
    (one,) = run(book, SCENARIOS["another price"][0])
    assert (one.state, one.day, one.age_days(NEXT)) == (State.OPEN, DAY, 1)
    (again,) = run(book, SCENARIOS["another price"][0], now=2)
    assert (again.number, again.opened_ns) == (one.number, 1)
    assert len(book.steps(one.number)) == 1
    with closing(sqlite3.connect(tmp_path / FILE)) as file:
        assert file.execute("SELECT count(*) FROM runs").fetchone() == (2,)


def test_a_difference_that_is_gone_is_cleared_and_one_that_comes_back_is_new(book):
    (one,) = run(book, SCENARIOS["cash alone"][0])
    assert run(book, lambda s: s, now=5) == []
    assert (book.one(one.number).state, book.one(one.number).ended_ns) == (State.CLEARED, 5)
    (new,) = run(book, SCENARIOS["cash alone"][0], now=6)
    assert new.number != one.number


def test_a_run_of_an_earlier_day_clears_nothing_that_a_later_one_found(book):
    (one,) = run(book, SCENARIOS["cash alone"][0], day=NEXT)
    assert [b.number for b in run(book, lambda s: s)] == [one.number]


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("event", list(Event))
def test_a_break_takes_the_steps_of_its_table_and_no_other(book, state, event):
    (one,) = run(book, SCENARIOS["cash alone"][0])
    ways = {
        State.ASSIGNED: lambda: book.assign(one.number, "ben", 2, "ann"),
        State.RESOLVED: lambda: book.resolve(one.number, "x", 2, "ann"),
    }
    if state is State.AGREED or event is Event.AGREES:
        book.link(one.number, 77)
    if state in {State.CLEARED, State.AGREED}:
        run(book, lambda s: s)
        book.let_go((77,) if state is State.AGREED else (), 2)
    elif state in ways:
        ways[state]()
    step = {
        Event.ASSIGN: lambda: book.assign(one.number, "cleo", 3, "ann"),
        Event.RESOLVE: lambda: book.resolve(one.number, "explained", 3, "ann", "fee of the wire"),
        Event.FOUND: lambda: run(book, SCENARIOS["cash alone"][0]),
        Event.GONE: lambda: (run(book, lambda s: s), book.let_go((), 3)),
        Event.AGREES: lambda: (run(book, lambda s: s), book.let_go((77,), 3)),
    }[event]  # fmt: skip
    wanted = TABLE.get((state, event))
    if wanted is None and event in {Event.ASSIGN, Event.RESOLVE}:
        with pytest.raises(BreakRefused, match=f"is {state}"):
            step()
    else:
        step()
    assert book.one(one.number).state == (wanted or state)
    assert (book.one(one.number).ended_ns == 0) is (book.one(one.number).state in LIVE)


def test_an_owner_and_a_resolution_are_words(book):
    (one,) = run(book, SCENARIOS["cash alone"][0])
    for bad in ("", "  ", "a\nb", "x" * 501):
        with pytest.raises(BreakRefused, match="is a line of 1 to 500"):
            book.assign(one.number, bad, 1, "ann")
    with pytest.raises(BreakRefused, match="no break 99"):
        book.resolve(99, "x", 1, "ann")


def test_a_book_of_another_journal_is_refused(book):
    assert book.position(b"one" * 4) == (0, 0)
    with pytest.raises(DataError, match="another journal"):
        book.position(b"two" * 4)


def test_movements_are_kept_once_and_read_as_of_any_command(book):
    book.position(b"one")
    moves = [OrderRaised(order=5, broker=1, token=70, underlying=7, **at(1)), fill(2, "A"), TakenBack(broker=1, execution=execution_bytes("A"), **at(3))]  # fmt: skip
    book.keep(2, 10, moves[:2])
    book.keep(3, 11, moves)  # what was kept comes again: nothing doubles
    assert [one.stage for one in book.ledger(2).of(1).values()] == ["open"]
    assert [one.stage for one in book.ledger(3).of(1).values()] == ["busted"]
    assert book.position(b"one") == (3, 11)


# --- the report ----------------------------------------------------------------------------------------------------------


def test_a_report_is_tables_on_a_terminal_lines_elsewhere_and_the_same_in_files(book, tmp_path):
    change, executions, _ = SCENARIOS["another price"]
    statement, side = sides(executions)
    write_statement(change(statement), tmp_path)
    read = read_statement(tmp_path, NAME, DAY)
    found = compare(read.statement, side)
    known = book.record(NAME, DAY, 1, found, read.files, (431, bytes(32)))
    run_ = BrokerRun(BROKER, NAME, side=side, statement=read, found=found, known=known)
    run_.told = [
        Said("AAPL", 70, "break", engine_break=3),
        Said("USD", 0, "refused", rule="statement_must_name_the_books"),
    ]
    taken = Taken(DAY, 431, 1_718_236_798 * 10**9, bytes(32), conserved=True, engine=None, ledger=Ledger())
    names = {60: "tNVDA", 70: "tAAPL", 100: "tGOOG", 101: "tGOOG2"}
    said = report(taken, [run_, BrokerRun(2, "Other", problem="There is no statement.")], names, {70: [3]}, 1)
    assert (said.status, said.verdict, said.brokers[0].verdict) == (2, "not reconciled", "breaks")
    texts = []
    for terminal in (False, True):
        out = io.StringIO()
        render(said, Console(file=out, force_terminal=terminal, no_color=True, width=220))
        texts.append(out.getvalue())
    for text in texts:
        for part in (
            "200.01",
            "stopped by 3",
            "nobody (ask broker)",
            "431",
            said.brokers[0].files[0].sha256,
            "statement_must_name_the_books",
            "There is no statement.",
        ):
            assert part in text, (part, text)
    assert "broker settled 500" in texts[0] and "broker settled" in texts[1]
    paths = write_files(said, tmp_path / "out")
    assert [path.name for path in paths] == ["report.json", "summary.csv", "breaks.csv"]
    rows = list(csv.DictReader(paths[1].read_text().splitlines()))
    assert [(row["symbol"], row["difference"], row["issuance"]) for row in rows] == [
        ("AAPL", "0", "stopped by 3"), ("NVDA", "0", "open"), ("USD", "-0.1", ""),
    ]  # fmt: skip
    (line,) = csv.DictReader(paths[2].read_text().splitlines())
    assert (line["broker_says"], line["venue_has"].split(",")[0]) == ("price 200.01", "price 200")
