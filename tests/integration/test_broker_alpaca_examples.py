"""The examples that Alpaca publishes, told by the server as they stand on its pages: each is understood, and in its numbers."""

import json
import time
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("alpaca", reason="the vendor's client is not installed: pip install novate[feeds]")
pytest.importorskip("aiohttp", reason="the server of these tests needs aiohttp, which ccxt brings along")

from alpaca.trading.models import Order, Position, TradeAccount

import alpaca_examples as published
from alpaca_lines import SHARE, Ears, buy, kinds, settings_of
from alpaca_server import AlpacaServer
from gateways import eventually
from novate.broker import Accepted, Busted, Corrected, Filled, LineUp
from novate.broker.alpaca import tokenization as itn
from novate.broker.alpaca.adapter import AlpacaBroker
from novate.broker.alpaca.exact import moment_ns, read_json
from novate.broker.alpaca.reports import HOURS
from novate.broker.alpaca.statement import Days, end_of_day
from novate.messages.codes import Side

CENT = 10_000
MOVES: dict[str, tuple[dict[str, str], int]] = {
    "TRD": ({"MSFT": "0.04"}, -1_921),
    "CSD": ({}, 138_200_000),
    "CSW": ({}, -700),
    "JNLC": ({}, -481),
    "JNLS": ({"AAPL": "0.00911"}, 0),
    "FEE TAF": ({}, -1),
    "FEE": ({}, -2),
    "ACATC": ({}, 11_879),
    "ACATS": ({"AAPL": "4"}, 0),
    "FOPT": ({"IBM": "10"}, 0),
    "INT MGN": ({}, -301),
    "INT FPSL": ({}, 1),
    "DIV CDIV": ({}, 2_825),
    "DIV ROC": ({}, 2_825),
    "DIV SDIV": ({"PAYR": "0.002709921"}, 0),
    "DIV SPD": ({}, -3),
    "DIVNRA": ({}, -847),
    "CGD": ({}, 4_586 + 1_102),
    "MA CMA": ({"OLDC": "-0.045"}, 3),
    "MA SMA": ({"OLDC": "-2000", "NEWC": "200"}, 0),
    "MA SCMA": ({"OLDC": "-0.394803871", "NEWC": "0.394803871"}, 829),
    "NC SNC": ({"OLDC": "-7.30762391", "NEWC": "7.30762391"}, 0),
    "NC CNC": ({}, 0),
    "SPLIT FSPLIT": ({"SPLT": "0.273982235"}, 0),
    "SPLIT RSPLIT": ({"SPLT": "-31.35"}, 0),
    "SPLIT USPLIT": ({"UNIU": "-8", "UNIT": "8", "UNIT.WS": "2"}, 0),
    "SPIN": ({"SPUN": "0.2"}, 0),
    "VOF VDST": ({"HYTR.RT": "9.975695601"}, 0),
    "REORG WRM": ({"NULLW": "-200"}, 0),
    "REO REOSC": ({"PRNT": "-50", "NEWC": "25"}, 15_000),
    "OPCA DIV.CDIV": ({}, 0),
}
"""What each example does: shares by symbol, and cents."""
BEFORE = "10000"
"""Shares of every symbol on the evening before."""


@pytest.fixture
def server() -> Iterator[AlpacaServer]:
    server = AlpacaServer().start()
    yield server
    server.stop()


def evening(day: date) -> int:
    return HOURS.at(moment_ns(f"{day}T17:00:00Z", "noon")).day_ends_ns


def test_every_published_activity_has_its_meaning_here():
    assert MOVES.keys() == published.RECORD.keys()


@pytest.mark.parametrize("name", MOVES)
def test_an_evening_before_an_activity_is_without_it_and_one_after_it_has_it(name):
    moved, cents = MOVES[name]
    events = published.RECORD[name]
    symbols = sorted({*moved, *(str(one["details"].get("symbol") or "AAPL") for one in events)})
    now = {symbol: Decimal(BEFORE) + Decimal(moved.get(symbol, "0")) for symbol in symbols}
    positions = [published.position(symbol, f"{qty:f}") for symbol, qty in now.items()]
    account = published.account(f"{Decimal(-2_314_020 + cents) / 100:f}")
    for one in positions:
        Position(**one)
    TradeAccount(**account)
    days = Days.read(
        (read_json(json.dumps(one)), b"") for one in [*events, events[-1] | {"status": "executed"}]
    )
    yesterday = published.DAY - timedelta(days=1)
    before = end_of_day(yesterday, evening(yesterday), days, positions, account)
    after = end_of_day(published.DAY, evening(published.DAY), days, positions, account)
    held = {one.symbol: one.settled + one.unsettled for one in before.positions}
    assert held == dict.fromkeys(symbols, int(BEFORE) * SHARE)
    assert before.cash.settled + before.cash.unsettled == -2_314_020 * CENT
    assert {one.symbol: one.settled + one.unsettled for one in after.positions} == {
        symbol: int(qty * SHARE) for symbol, qty in now.items()
    }
    assert after.cash.settled + after.cash.unsettled == (-2_314_020 + cents) * CENT


def test_an_activity_that_names_another_takes_its_place():
    (first,) = published.RECORD["DIV CDIV"]
    right = published.activity("right", "DIV", "0", "30.00", first["details"], subtype="CDIV", previous_id=first["ref_id"])  # fmt: skip
    gone = published.activity("gone", "DIV", "0", "30.00", first["details"], subtype="CDIV", previous_id=right["ref_id"], status="canceled")  # fmt: skip
    for events, cents in (([first, right], 3_000), ([first, right, gone], 0)):
        days = Days.read((read_json(json.dumps(one)), b"") for one in events)
        assert sum(one.cash for one in days.moved) == cents * CENT


@pytest.mark.parametrize("record", [False, True], ids=["the stream", "the record"])
def test_the_published_life_of_an_order_is_told_once(
    server: AlpacaServer, tmp_path: Path, record: bool
) -> None:
    """From the stream, with the record telling it again; or from the record alone, because the stream was away."""
    broker, ears = AlpacaBroker(settings_of(server, tmp_path), tmp_path, clock_ns=time.time_ns), Ears()
    server.clock_ns = lambda: moment_ns("2026-11-24T14:45:04.9Z", "at")
    frames = published.stream_of("n-1")
    for one in frames:
        Order(**one["data"]["order"])
    try:
        if record:
            server.orders["n-1"] = frames[-1]["data"]["order"]
            server.events += published.record_of("n-1")
            server.clock_ns = lambda: moment_ns("2026-11-24T15:04:00Z", "at")
        broker.open(ears)
        eventually(lambda: ears.of(LineUp))
        if not record:
            for one in frames:
                server.replay(json.dumps(one).encode())
            eventually(lambda: ears.of(Corrected))
            server.orders["n-1"] = frames[-1]["data"]["order"]
            server.events += published.record_of("n-1")
            server.clock_ns = lambda: moment_ns("2026-11-24T15:04:00Z", "at")
            server.cut()
            eventually(lambda: len(ears.of(LineUp)) == 2)
    finally:
        broker.close()
    assert kinds(ears.said()) == ["Accepted", "Filled", "Filled", "Busted", "Corrected"]
    assert ears.of(Accepted) == [Accepted(order="n-1", broker_order=published.ident("order n-1"))]
    part, rest = ears.of(Filled)
    assert [(one.order, one.execution, one.symbol, one.side, one.shares, one.price, one.fee, one.complete, one.settles) for one in (part, rest)] == [
        ("n-1", published.ident("part"), "AAPL", Side.BID, 40 * SHARE, 179_990_000_000, 0, False, date(2026, 11, 25)),
        ("n-1", published.ident("rest"), "AAPL", Side.BID, 60 * SHARE, 180_000_000_000, 0, True, date(2026, 11, 25)),
    ]  # fmt: skip
    assert ears.of(Busted) == [Busted(execution=published.ident("rest"))]
    assert ears.of(Corrected) == [
        Corrected(execution=published.ident("part"), shares=40 * SHARE, price=179_950_000_000)
    ]


@pytest.mark.parametrize(
    ("status", "stage", "next_"),
    [
        ("pending", "pending", itn.AskState),
        ("completed", "moved", itn.Report),
        ("rejected", "ending", itn.End),
    ],
)
def test_a_published_tokenisation_request_says_where_a_redemption_stands(status, stage, next_):
    terms = itn.Terms(
        {"TSLAx": itn.Token("TSLA", frozenset(["solana"]))}, {"ap-7": frozenset(["0x1234567A"])}
    )
    request, _ = itn.redeem_seen(
        client=itn.Client(external="ap-7"), token="TSLAx", network="solana", wallet="0x1234567A", transaction="0x1234567B",
        shares=123_450_000_000, terms=terms,
    )  # fmt: skip
    request, _ = itn.reserved(request, 7)
    request, effects = itn.state_told(request, published.tokenization_request(request.issuer_id, status))
    assert (request.stage, [type(one) for one in effects]) == (stage, [next_])


def test_an_order_is_answered_as_published(server: AlpacaServer, tmp_path: Path) -> None:
    broker, ears = AlpacaBroker(settings_of(server, tmp_path), tmp_path, clock_ns=time.time_ns), Ears()
    server.fault("POST /v2/orders", status=200, body=published.order("n-1", "accepted", "0"))
    try:
        broker.open(ears)
        eventually(lambda: ears.of(LineUp))
        broker.send(buy())
        eventually(lambda: ears.of(Accepted))
    finally:
        broker.close()
    assert ears.of(Accepted) == [Accepted(order="n-1", broker_order=published.ident("order n-1"))]
