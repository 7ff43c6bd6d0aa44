"""Alpaca's numbers, times and ids, from their own digits and back."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novate.broker.alpaca import exact
from novate.broker.alpaca.orders import order_body
from novate.broker.alpaca.reports import from_event, from_update
from novate.broker.port import Filled, NewOrder
from novate.errors import DataError, MessageError
from novate.messages.codes import Side

MOST = 2**63 - 1


@given(st.integers(0, MOST))
def test_an_amount_is_the_same_after_its_text(amount):
    assert exact.nano(exact.text_of(amount), "qty") == amount
    assert exact.nano(exact.read_json(exact.text_of(amount)), "qty") == amount


@given(st.integers(1, MOST), st.sampled_from(Side))
def test_a_limit_is_never_worse_than_asked(limit, side):
    said = Decimal(exact.limit_text(limit, side)) * 10**9
    step = 10_000_000 if limit >= 10**9 else 100_000
    assert said % (step if said >= 10**9 else 100_000) == 0
    assert 0 <= (limit - said if side == Side.BID else said - limit) < step


@given(st.integers(0, 4_102_444_800 * 10**9))
def test_a_time_is_the_same_after_its_text(moment):
    assert exact.moment_ns(exact.moment_text(moment), "at") == moment


@pytest.mark.parametrize(
    ("said", "ns"),
    [
        ("2022-04-19T17:45:05.024916716Z", 24_916_716),
        ("2022-04-19T13:45:05.024916716-04:00", 24_916_716),
        ("2022-04-19T17:45:05Z", 0),
        ("2022-04-19T17:45:05.5+0000", 500_000_000),
    ],
)
def test_a_time_with_any_zone_and_any_digits(said, ns):
    assert exact.moment_ns(said, "at") == 1_650_390_305 * 10**9 + ns


@pytest.mark.parametrize("wrong", [0.3, True, None, "", "NaN", "Infinity", "1.0000000001", "1e30", [], "0x1"])
def test_what_is_no_exact_number_is_refused_with_the_fields_name(wrong):
    with pytest.raises(DataError, match="qty"):
        exact.nano(wrong, "qty")


@pytest.mark.parametrize(
    "wrong", ["", "yesterday", "2022-04-19", "2022-04-19T17:45:05", "2022-13-19T17:45:05Z", 5, None]
)
def test_what_is_no_time_is_refused(wrong):
    with pytest.raises(DataError, match="at"):
        exact.moment_ns(wrong, "at")


@pytest.mark.parametrize(
    ("said", "order", "replaced"),
    [
        ("n-17", "n-17", False),
        ("n-17.3", "n-17", True),
        ("7a4c7e9c-2b1d-4f0a-9f3e-1c2d3e4f5a6b", "", False),
        ("n_17", "", False),
        ("n-17.", "", False),
        ("n-17.x", "", False),
        ("", "", False),
        (None, "", False),
    ],
)
def test_whose_order_a_message_is_about(said, order, replaced):
    assert (exact.order_of(said), exact.is_replacement(said)) == (order, replaced)


def update(**change):
    order = {"id": "B1", "client_order_id": "n-1", "symbol": "AAPL", "side": "buy", "status": "filled"}
    return {
        "event": "fill",
        "execution_id": "X1",
        "timestamp": "2026-11-24T15:00:00.1Z",
        "price": "0.3",
        "qty": "0.1",
        "order": order,
    } | change


@pytest.mark.parametrize("quoted", [True, False], ids=["text", "numbers"])
def test_a_number_is_read_from_its_digits_whether_it_is_quoted_or_not(quoted):
    frame = json.dumps(update()).replace('"0.3"', '"0.3"' if quoted else "0.300000003")
    frame = frame.replace('"0.1"', '"0.1"' if quoted else "0.1000000010")
    (told,) = from_update(exact.read_json(frame))
    assert isinstance(told.report, Filled)
    expected = (300_000_000, 100_000_000) if quoted else (300_000_003, 100_000_001)
    assert (told.report.price, told.report.shares) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"price": 0.1 + 0.2},
        {"price": None},
        {"execution_id": None},
        {"timestamp": "soon"},
        {"order": None},
        {"event": None},
        {"order": {"id": "B1", "client_order_id": "n-1", "symbol": "AAPL", "side": "both"}},
        {"event": "trade_bust"},
    ],
)
def test_a_broken_update_is_an_error_and_never_half_a_report(change):
    with pytest.raises(DataError):
        from_update(update(**change))


def test_an_execution_of_a_kind_nobody_knows_is_an_error():
    event = {"activity_type": "TRD", "ref_id": "X1", "details": {"execution_type": "trade_split"}}
    with pytest.raises(DataError, match="execution_type"):
        from_event(event)
    assert from_event({"activity_type": "FEE", "ref_id": "X1"}) == []


@given(
    st.integers(0, 10**15),
    st.integers(0, 10**13),
    st.integers(100_000, 10**13),
    st.booleans(),
    st.sampled_from(Side),
)
def test_an_order_never_asks_for_more_than_it_may(shares, dollars, limit, whole, side):
    dollars = dollars if side == Side.BID else 0
    shares = shares or (0 if dollars else 10**9)
    shares -= shares % 10**9 if whole else 0
    shares = shares or (0 if dollars else 10**9)
    order = NewOrder(
        order="n-1", symbol="AAPL", side=side, shares=shares, dollars=dollars, limit=limit, whole=whole
    )
    try:
        body = order_body(order, extended_hours=False)
    except MessageError:
        assert dollars, "a quantity can always be sent"
        return
    price = Decimal(body["limit_price"])
    assert price > 0 and (
        price <= Decimal(limit) / 10**9 if side == Side.BID else price >= Decimal(limit) / 10**9
    )
    if "notional" in body:
        assert Decimal(body["notional"]) * 10**6 <= dollars and not shares and not whole
        return
    quantity = Decimal(body["qty"])
    assert quantity > 0 and (not shares or quantity * 10**9 <= shares)
    assert not dollars or quantity * price * 10**6 <= dollars
    assert not whole or quantity == int(quantity)
