"""The end of a day, computed back from now, against books that were kept forwards."""

from datetime import date, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("alpaca", reason="the vendor's client is not installed: pip install novate[feeds]")

from novate.broker.alpaca.exact import moment_text, text_of
from novate.broker.alpaca.statement import Days, end_of_day
from novate.broker.fees import cost_up, proceeds_down
from novate.broker.hours import settlement_day
from novate.calendar import new_york_ns

SHARE = 10**9
DAYS = [date(2026, 11, 23), date(2026, 11, 24), date(2026, 11, 25), date(2026, 11, 27), date(2026, 11, 30)]
"""Thanksgiving week: the 26th is closed, the 27th closes early."""
HOURS = [5, 11, 15]


def trade(number, day, hour, side, symbol, shares, price, commission):
    cash = (
        -cost_up(shares, price) - commission if side == "buy" else proceeds_down(shares, price) - commission
    )
    at = moment_text(new_york_ns(day, time(hour)) + number)
    return {
        "activity_type": "TRD",
        "ref_id": f"X{number}",
        "qty": text_of(shares),
        "price": text_of(price),
        "net_amount": text_of(cash, 6),
        "at": at,
        "executed_at": at,
        "settle_date": settlement_day(day).isoformat(),
        "details": {
            "execution_type": "fill",
            "order_status": "filled",
            "order_id": f"B{number}",
            "client_order_id": f"n-{number}",
            "symbol": symbol,
            "side": side,
            "commission": text_of(commission, 6),
        },
    }


STEP = st.tuples(
    st.integers(0, len(DAYS) * len(HOURS) - 1),
    st.sampled_from(["buy", "sell", "bust", "correct", "dividend", "fee", "journal"]),
    st.sampled_from(["AAPL", "MSFT"]),
    st.integers(1, 5 * SHARE),
    st.integers(SHARE // 100, 500 * SHARE),
    st.integers(0, 2_000_000),
)


@pytest.mark.parametrize("after", [60, 13 * 3_600], ids=["a minute", "the next morning"])
@pytest.mark.parametrize("busted", [False, True])
def test_a_trade_that_is_recorded_after_the_days_end_is_of_its_day(after, busted):
    """Traded a second before eight: the day it was made on has it, whatever was recorded before it and became of it since."""
    day, following = DAYS[0], DAYS[1]
    ends_ns = new_york_ns(day, time(20))
    late = trade(1, day, 19, "buy", "AAPL", 3 * SHARE, 100 * SHARE, 0)
    late |= {"executed_at": moment_text(ends_ns - SHARE), "at": moment_text(ends_ns + after * SHARE)}
    early = trade(2, following, 5, "sell", "AAPL", SHARE, 101 * SHARE, 0)  # overnight, the next day's
    early |= {"executed_at": moment_text(ends_ns + 30 * SHARE), "at": moment_text(ends_ns + 30 * SHARE)}
    events, held, cash = [early, late], 2, 1_000_000_000 - 300_000_000 + 101_000_000
    if busted:
        bust = {"ref_id": "C1", "previous_id": "X1", "at": moment_text(ends_ns + 2 * after * SHARE)}
        bust |= {"executed_at": bust["at"], "details": {"execution_type": "trade_bust"}}
        events, held, cash = [*events, late | bust], -1, cash + 300_000_000
    said = end_of_day(
        day, ends_ns, Days.read((one, b"") for one in events), [{"symbol": "AAPL", "qty": str(held)}],
        {"cash": text_of(cash, 6)},
    )  # fmt: skip
    assert [one.execution for one in said.trades] == ["X1"]
    assert [(one.settled, one.unsettled) for one in said.positions] == [(0, 3 * SHARE)]
    assert (said.cash.settled, said.cash.unsettled) == (1_000_000_000, -300_000_000)


class Books:
    """What a broker keeps, forwards."""

    def __init__(self):
        self.shares, self.cash, self.trades, self.fees = {}, 1_000_000_000, {}, {}

    def post(self, symbol, shares, cash):
        self.shares[symbol] = self.shares.get(symbol, 0) + shares
        self.cash += cash


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=25), st.integers(0, len(DAYS) - 2))
def test_a_day_is_the_same_forwards_and_backwards(steps, asked):
    day, books, events, then = DAYS[asked], Books(), [], None
    ends_ns = new_york_ns(day, time(20))
    for number, (when, what, symbol, shares, price, fee) in enumerate(
        sorted(steps, key=lambda step: step[0])
    ):
        on, hour = DAYS[when // len(HOURS)], HOURS[when % len(HOURS)]
        if then is None and on > day:
            then = shown(books, day)
        events += happen(books, number, on, hour, what, symbol, shares, price, fee)
    then = then or shown(books, day)
    positions = [
        {"symbol": symbol, "qty": text_of(shares)} for symbol, shares in books.shares.items() if shares
    ]
    said = end_of_day(
        day, ends_ns, Days.read((event, b"") for event in events), positions, {"cash": text_of(books.cash, 6)}
    )
    found = {one.symbol: (one.settled, one.unsettled) for one in said.positions}
    assert (found, said.cash.settled, said.cash.unsettled) == then[:3]
    assert sorted((one.execution, one.shares, one.price) for one in said.trades) == then[3]


def shown(books, day):
    """The statement of an evening as it is kept."""
    open_shares, open_cash = {}, 0
    for symbol, signed, cash, settles, _, _ in books.trades.values():
        if settles > day:
            open_shares[symbol] = open_shares.get(symbol, 0) + signed
            open_cash += cash
    found = {
        symbol: (books.shares.get(symbol, 0) - open_shares.get(symbol, 0), open_shares.get(symbol, 0))
        for symbol in {*books.shares, *open_shares}
        if books.shares.get(symbol) or open_shares.get(symbol)
    }
    made = sorted(
        (execution, abs(signed), price)
        for execution, (_, signed, _, _, on, price) in books.trades.items()
        if on == day
    )
    return found, books.cash - open_cash, open_cash, made


def happen(books, number, on, hour, what, symbol, shares, price, fee):
    """Does a step, and gives the activities that the record has of it."""
    at = moment_text(new_york_ns(on, time(hour)) + number)
    if what in ("buy", "sell"):
        event = trade(number, on, hour, what, symbol, shares, price, fee)
        cash = (-cost_up(shares, price) if what == "buy" else proceeds_down(shares, price)) - fee
        signed = shares if what == "buy" else -shares
        books.fees[f"X{number}"] = fee
        books.trades[f"X{number}"] = (symbol, signed, cash, settlement_day(on), on, price)
        books.post(symbol, signed, cash)
        return [event]
    if what in ("bust", "correct"):
        if not books.trades:
            return []
        execution = sorted(books.trades)[number % len(books.trades)]
        symbol, signed, cash, settles, traded, _ = books.trades.pop(execution)
        books.post(symbol, -signed, -cash)
        event = {
            "activity_type": "TRD",
            "ref_id": f"C{number}",
            "previous_id": execution,
            "qty": text_of(shares),
            "price": text_of(price),
            "at": at,
            "executed_at": at,
            "settle_date": settles.isoformat(),
            "details": {"execution_type": "trade_bust" if what == "bust" else "trade_correct"},
        }
        if what == "correct":
            buys, kept = signed > 0, books.fees[execution]
            cash = (-cost_up(shares, price) if buys else proceeds_down(shares, price)) - kept
            signed = shares if buys else -shares
            books.trades[execution] = (symbol, signed, cash, settles, traded, price)
            books.post(symbol, signed, cash)
        return [event]
    amount = {"dividend": fee, "fee": -fee, "journal": 0}[what]
    moved = shares if what == "journal" else 0
    books.post(symbol, moved, amount)
    kind = {"dividend": "DIV", "fee": "FEE", "journal": "JNLS"}[what]
    return [
        {
            "activity_type": kind,
            "activity_subtype": "CDIV" if kind == "DIV" else "",
            "ref_id": f"N{number}",
            "qty": text_of(shares),
            "net_amount": text_of(amount, 6),
            "at": at,
            "details": {"symbol": symbol},
        }
    ]
