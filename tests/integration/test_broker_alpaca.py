"""The adapter for Alpaca against a server that reads every body and message with the vendor's own models."""

import logging
import threading
import time
from collections.abc import Iterator
from datetime import date
from datetime import time as clock_time
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("alpaca", reason="the vendor's client is not installed: pip install novate[feeds]")
pytest.importorskip("aiohttp", reason="the server of these tests needs aiohttp, which ccxt brings along")

from alpaca_lines import DOLLAR, SHARE, Ears, buy, kinds, settings_of
from alpaca_server import KEY, SECRET, AlpacaServer
from gateways import eventually
from novate.broker import (
    Accepted,
    AskOrder,
    Busted,
    Cancelled,
    CancelOrder,
    CancelRefused,
    Corrected,
    Filled,
    LineDown,
    LineLost,
    LineUp,
    NewOrder,
    NotKnown,
    Rejected,
    Replaced,
    ReplaceOrder,
)
from novate.broker.alpaca import desk as desk_module
from novate.broker.alpaca.adapter import AlpacaBroker
from novate.broker.alpaca.settings import AlpacaSettings, read_settings
from novate.calendar import new_york_ns
from novate.errors import ConfigError, MessageError
from novate.messages.codes import Side


@pytest.fixture
def server() -> Iterator[AlpacaServer]:
    server = AlpacaServer().start()
    server.on_submit = lambda order: server.accept(order["id"])
    yield server
    server.stop()


@pytest.fixture
def settings(server: AlpacaServer, tmp_path: Path) -> AlpacaSettings:
    return settings_of(server, tmp_path)


@pytest.fixture
def broker(settings: AlpacaSettings, tmp_path: Path) -> Iterator[AlpacaBroker]:
    broker = AlpacaBroker(settings, tmp_path, clock_ns=time.time_ns)
    yield broker
    broker.close()


@pytest.fixture
def ears(broker: AlpacaBroker) -> Ears:
    ears = Ears()
    broker.open(ears)
    eventually(lambda: ears.of(LineUp))
    return ears


# --- orders --------------------------------------------------------------------------------------------------------------


def test_an_order_is_accepted_and_filled_in_parts(
    server: AlpacaServer, broker: AlpacaBroker, ears: Ears
) -> None:
    broker.send(buy())
    first = server.fill("n-1", "40", "179.99", last=False)
    second = server.fill("n-1", "60", "179.995", last=True)
    eventually(lambda: len(ears.of(Filled)) == 2)
    assert kinds(ears.said()) == ["Accepted", "Filled", "Filled"]
    one, two = ears.of(Filled)
    assert (one.execution, one.shares, one.price, one.complete) == (first, 40 * SHARE, 179_990_000_000, False)
    assert (two.execution, two.shares, two.price, two.complete) == (second, 60 * SHARE, 179_995_000_000, True)
    assert ears.of(Accepted)[0].broker_order == server.order("n-1")["id"]


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (buy(), {"qty": "100", "limit_price": "180"}),
        (buy(shares=300_000_003), {"qty": "0.300000003"}),
        (buy(shares=1, limit=179_999_999_999), {"qty": "0.000000001", "limit_price": "179.99"}),
        (buy(side=Side.ASK, limit=179_990_000_001), {"side": "sell", "limit_price": "180"}),
        (buy(limit=123_450_000), {"limit_price": "0.1234"}),
        (buy(side=Side.ASK, limit=123_410_000), {"limit_price": "0.1235"}),
        (buy(shares=0, dollars=500_759_999), {"notional": "500.75"}),
        (buy(shares=0, dollars=1_000_000_000, whole=True), {"qty": "5"}),
        (buy(shares=2 * SHARE, dollars=1_000_000_000), {"qty": "2"}),
        (buy(shares=20 * SHARE, dollars=1_000_000_000), {"qty": "5.555555555"}),
    ],
)
@pytest.mark.usefixtures("ears")
def test_numbers_leave_as_their_own_digits(
    server: AlpacaServer, broker: AlpacaBroker, order: NewOrder, said: dict[str, str]
) -> None:
    broker.send(order)
    body = next(body for method, _, body in server.requests if method == "POST")
    assert {name: body[name] for name in said} == said
    assert body["time_in_force"] == "day" and body["type"] == "limit" and body["extended_hours"] is True
    assert ("qty" in body) != ("notional" in body)


def test_a_third_of_a_cent_survives_the_way_back(
    server: AlpacaServer, broker: AlpacaBroker, ears: Ears
) -> None:
    broker.send(buy(shares=300_000_003))
    server.fill("n-1", "0.100000001", "0.3", last=False)
    server.fill("n-1", "0.200000002", "17.100000001", last=True)
    eventually(lambda: len(ears.of(Filled)) == 2)
    one, two = ears.of(Filled)
    assert one.shares + two.shares == 300_000_003  # 0.1 + 0.2
    assert (one.price, two.price) == (300_000_000, 17_100_000_001)


def test_the_same_order_twice_is_one_order(server: AlpacaServer, broker: AlpacaBroker, ears: Ears) -> None:
    broker.send(buy())
    broker.send(buy())
    eventually(lambda: len([one for one in server.requests if one[0] == "POST"]) == 2)
    eventually(lambda: len(ears.of(Accepted)) == 2)  # asked for, because of the second
    assert len(server.orders) == 1
    assert not ears.of(Rejected)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (403, 40310000, "insufficient buying power"),
        (422, 42210000, "asset FOO is not tradable"),
        (400, 40010000, "limit price must be limited to 2 decimal places"),
    ],
)
def test_a_refusal_is_a_rejection_with_its_reason(
    server: AlpacaServer, broker: AlpacaBroker, ears: Ears, status: int, code: int, message: str
) -> None:
    server.fault("POST /v2/orders", status=status, body={"code": code, "message": message})
    broker.send(buy())
    eventually(lambda: ears.of(Rejected))
    assert ears.of(Rejected) == [Rejected(order="n-1", reason=f"{code}: {message}")]


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (buy(shares=0, dollars=9_999), "dollars 0.009999 are below a cent"),
        (buy(shares=0, dollars=100_000_000, whole=True), "dollars 100 buy no share at 180"),
        (buy(limit=99_999), "limit 0.000099999 is below the smallest increment"),
    ],
)
def test_what_the_broker_has_no_number_for_is_never_sent(
    server: AlpacaServer, broker: AlpacaBroker, ears: Ears, order: NewOrder, why: str
) -> None:
    broker.send(order)
    eventually(lambda: ears.of(Rejected))
    assert [one.reason for one in ears.of(Rejected)] == [why]
    assert not server.orders


@pytest.mark.usefixtures("ears")
def test_what_is_no_instruction_is_refused_before_it_leaves(
    server: AlpacaServer, broker: AlpacaBroker
) -> None:
    with pytest.raises(MessageError, match="order must be 1 to 20"):
        broker.send(buy("an id that is too long for it"))
    assert not server.orders


# --- cancel, replace, ask -----------------------------------------------------------------------------------------------


def test_a_cancel_ends_what_is_left(server: AlpacaServer, broker: AlpacaBroker, ears: Ears) -> None:
    broker.send(buy())
    server.fill("n-1", "40", "179", last=False)
    broker.send(CancelOrder(order="n-1"))
    eventually(lambda: ears.of(Cancelled))
    assert kinds(ears.said()) == ["Accepted", "Filled", "Cancelled"]
    assert ears.of(Cancelled) == [Cancelled(order="n-1", asked=True)]


def test_a_fill_wins_the_race_against_a_cancel(
    server: AlpacaServer, broker: AlpacaBroker, ears: Ears
) -> None:
    broker.send(buy())
    server.on_cancel = lambda _: server.fill("n-1", "100", "179", last=True)
    broker.send(CancelOrder(order="n-1"))
    eventually(lambda: ears.of(Filled))
    broker.send(CancelOrder(order="n-1", attempt=2))
    eventually(lambda: ears.of(CancelRefused))
    assert ears.of(Filled)[0].complete and not ears.of(Cancelled)
    assert "filled" in ears.of(CancelRefused)[0].reason


@pytest.mark.parametrize(
    ("how", "reason", "told"),
    [
        ("expired", "", Cancelled(order="n-1", asked=False, reason="expired")),
        ("canceled", "CORPORATE_ACTION", Cancelled(order="n-1", asked=False, reason="CORPORATE_ACTION")),
    ],
)
def test_an_end_that_nobody_asked_for(
    server: AlpacaServer, broker: AlpacaBroker, ears: Ears, how: str, reason: str, told: Cancelled
) -> None:
    broker.send(buy())
    server.cancel(server.order("n-1")["id"], asked=False, how=how, reason=reason)
    eventually(lambda: ears.of(Cancelled))
    assert ears.of(Cancelled) == [told]


def test_a_replacement_keeps_the_venues_id(server: AlpacaServer, broker: AlpacaBroker, ears: Ears) -> None:
    broker.send(buy())
    broker.send(ReplaceOrder(order="n-1", shares=50 * SHARE, limit=181 * DOLLAR))
    eventually(lambda: ears.of(Replaced))
    broker.send(ReplaceOrder(order="n-1", shares=50 * SHARE, limit=181 * DOLLAR))  # the same again
    broker.send(ReplaceOrder(order="n-1", shares=60 * SHARE, limit=182 * DOLLAR, attempt=2))
    eventually(lambda: len(ears.of(Replaced)) == 2)
    server.fill("n-1", "60", "181.5", last=True)
    eventually(lambda: ears.of(Filled))
    assert ears.of(Replaced) == [
        Replaced(order="n-1", shares=50 * SHARE, limit=181 * DOLLAR),
        Replaced(order="n-1", shares=60 * SHARE, limit=182 * DOLLAR),
    ]
    assert ears.of(Filled)[0].order == "n-1"
    assert [one["client_order_id"] for one in server.orders.values()] == ["n-1", "n-1.1", "n-1.2"]
    assert not ears.of(CancelRefused)
    broker.send(CancelOrder(order="n-1"))
    eventually(lambda: ears.of(CancelRefused))


@pytest.mark.parametrize("event", ["order_replace_rejected", "rejected"])
def test_a_replacement_that_is_rejected_later_leaves_the_order(
    server: AlpacaServer, broker: AlpacaBroker, ears: Ears, event: str
) -> None:
    broker.send(buy())
    if event == "rejected":
        server.on_replace = lambda _, new: server.reject(new["id"], "too late")
    else:
        server.on_replace = lambda old, _: server.refuse(old["id"], event, "too late")
    broker.send(ReplaceOrder(order="n-1", shares=50 * SHARE, limit=181 * DOLLAR))
    eventually(lambda: ears.of(CancelRefused))
    assert ears.of(CancelRefused) == [CancelRefused(order="n-1", reason="too late")]
    assert not ears.of(Rejected)


@pytest.mark.parametrize(
    "what", [CancelOrder(order="n-9"), ReplaceOrder(order="n-9", shares=SHARE, limit=DOLLAR)]
)
def test_an_order_that_was_never_sent_can_not_be_changed(
    broker: AlpacaBroker, ears: Ears, what: CancelOrder | ReplaceOrder
) -> None:
    broker.send(what)
    eventually(ears.said)
    assert kinds(ears.said()) == ["CancelRefused"]


def test_what_became_of_an_order(server: AlpacaServer, broker: AlpacaBroker, ears: Ears) -> None:
    broker.send(AskOrder(order="n-1"))
    eventually(ears.said)
    assert ears.said() == [NotKnown(order="n-1")]
    broker.send(buy())
    server.fill("n-1", "40", "179", last=False)
    eventually(lambda: ears.of(Filled))
    ears.heard.clear()
    broker.send(AskOrder(order="n-1", attempt=2))
    eventually(lambda: ears.of(Accepted))
    assert kinds(ears.said()) == ["Filled", "Accepted"]
    server.cancel(server.order("n-1")["id"])
    eventually(lambda: ears.of(Cancelled))
    ears.heard.clear()
    broker.send(AskOrder(order="n-1", attempt=3))
    eventually(lambda: ears.of(Cancelled))
    assert kinds(ears.said()) == ["Filled", "Cancelled"]


# --- endings of a request ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"after": True, "drop": True},
        {"after": True, "delay_s": 1.3},
        {"after": True, "status": 504},
        {"after": True, "status": 500},
    ],
    ids=["reset", "timeout", "504", "500"],
)
def test_an_order_that_was_taken_without_an_answer_is_found(
    server: AlpacaServer, broker: AlpacaBroker, ears: Ears, fault: dict[str, object]
) -> None:
    server.silent = True
    server.fault("POST /v2/orders", **fault)
    broker.send(buy())
    eventually(lambda: ears.of(Accepted))
    assert len(server.orders) == 1
    broker.send(buy())
    assert len(server.orders) == 1


def test_an_order_that_was_not_taken_is_not_known_in_the_end(
    server: AlpacaServer, broker: AlpacaBroker, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("novate.broker.alpaca.adapter._LAST_TRY", 1)
    server.fault("POST /v2/orders", status=500)
    broker.send(buy())
    assert not ears.said()
    eventually(lambda: ears.of(NotKnown))
    broker.send(buy())
    eventually(lambda: ears.of(Accepted))


def test_a_rate_limit_is_waited_for(server: AlpacaServer, broker: AlpacaBroker, ears: Ears) -> None:
    limited = {
        "status": 429,
        "headers": {"Retry-After": "1"},
        "body": {"code": 42910000, "message": "too many requests"},
    }
    server.fault("POST /v2/orders", times=3, **limited)
    broker.send(buy())
    eventually(lambda: ears.of(Accepted))
    assert len(server.orders) == 1


def test_a_rate_limit_that_does_not_end_left_nothing(
    server: AlpacaServer, broker: AlpacaBroker, ears: Ears
) -> None:
    server.fault("POST /v2/orders", status=429, times=4)
    with pytest.raises(LineDown, match="rate limit"):
        broker.send(buy())
    assert not server.orders and not ears.said()


@pytest.mark.usefixtures("ears")
def test_nobody_there_is_a_line_that_is_down(server: AlpacaServer, broker: AlpacaBroker) -> None:
    server.stop()
    with pytest.raises(LineDown):
        broker.send(buy())


def test_a_key_that_is_refused_is_a_line_that_is_down(tmp_path: Path, broker: AlpacaBroker) -> None:
    (tmp_path / "secret").write_text("another\n")
    ears = Ears()
    broker.open(ears)
    eventually(lambda: ears.of(LineLost))
    assert "failed to authenticate" in ears.of(LineLost)[0].reason
    with pytest.raises(LineDown):
        broker.send(buy())
    (tmp_path / "secret").write_text(SECRET)
    broker.open(ears)
    eventually(lambda: ears.of(LineUp))


# --- the stream and the record -------------------------------------------------------------------------------------------


def test_what_happened_while_the_stream_was_cut_is_told_before_the_line_is_up(
    server: AlpacaServer, broker: AlpacaBroker, ears: Ears
) -> None:
    for order in ("n-1", "n-2", "n-3"):
        broker.send(buy(order))
    broken = server.fill("n-1", "10", "179", last=False)
    eventually(lambda: ears.of(Filled))
    ears.heard.clear()
    server.deaf = True
    server.cut()
    eventually(lambda: ears.of(LineLost))
    with pytest.raises(LineDown):
        broker.send(buy("n-4"))
    missed = [
        server.fill("n-1", "20", "179.01", last=False),
        server.fill("n-2", "100", "179.02", last=True),
    ]
    server.cancel(server.order("n-1")["id"])
    server.bust(broken)
    server.deaf = False
    eventually(lambda: ears.of(LineUp))
    assert kinds([one.report for one in ears.heard if not isinstance(one.report, LineLost)]) == [
        "Filled", "Filled", "Cancelled", "Busted", "LineUp",
    ]  # fmt: skip
    assert [one.execution for one in ears.of(Filled)] == missed
    assert ears.of(Busted) == [Busted(execution=broken)]


def test_an_execution_is_told_once_whichever_way_it_comes(
    server: AlpacaServer, broker: AlpacaBroker, ears: Ears
) -> None:
    broker.send(buy())
    server.fill("n-1", "10", "179", last=False)
    eventually(lambda: ears.of(Filled))
    for _ in range(3):
        ups = len(ears.of(LineUp))
        server.cut()
        eventually(lambda ups=ups: len(ears.of(LineUp)) > ups)
    assert kinds(ears.said()) == ["Accepted", "Filled"]


def test_what_was_not_kept_comes_again(server: AlpacaServer, broker: AlpacaBroker, ears: Ears) -> None:
    broker.send(buy())
    eventually(lambda: ears.of(Accepted))
    ears.fails = 2
    executions = [server.fill("n-1", "10", f"179.{n:02d}", last=False) for n in range(5)]
    eventually(lambda: len(ears.of(Filled)) == 5)
    assert [one.execution for one in ears.of(Filled)] == executions
    assert ears.fails == 0 and ears.of(LineLost)


def test_who_opens_again_hears_what_is_behind_the_cursor(
    server: AlpacaServer, broker: AlpacaBroker, ears: Ears, settings: AlpacaSettings, tmp_path: Path
) -> None:
    broker.send(buy())
    server.fill("n-1", "10", "179", last=False)
    eventually(lambda: ears.of(Filled))
    before = ears.heard[-1]
    broker.close()
    late = server.fill("n-1", "90", "179.5", last=True)
    other = Ears()
    again = AlpacaBroker(settings, tmp_path, clock_ns=time.time_ns)
    again.open(other, before.cursor)
    eventually(lambda: other.of(LineUp))
    again.close()
    keys = {one.key for one in ears.heard}
    fresh = [one for one in other.heard if one.key not in keys and not isinstance(one.report, LineUp)]
    assert [one.report.execution for one in fresh] == [late]
    assert {before.key} <= {one.key for one in other.heard}  # the overlap comes again under its own key


def test_nothing_falls_between_the_catch_up_and_the_subscription(
    server: AlpacaServer, broker: AlpacaBroker
) -> None:
    first = Ears()
    broker.open(first)
    eventually(lambda: first.of(LineUp))
    broker.send(buy())
    eventually(lambda: first.of(Accepted))
    server.late_s = 0.3
    server.requests.clear()
    ears = Ears()
    broker.open(ears)
    eventually(lambda: any("/events/activities" in path for _, path, _ in server.requests))
    time.sleep(0.05)  # the answer has left
    execution = server.fill("n-1", "100", "179", last=True)
    eventually(lambda: ears.of(Filled), 5)
    assert ears.of(Filled)[0].execution == execution


def test_the_end_of_an_order_from_before_the_cursor_is_found(
    server: AlpacaServer, settings: AlpacaSettings, tmp_path: Path, broker: AlpacaBroker, ears: Ears
) -> None:
    broker.send(buy("old"))
    eventually(lambda: ears.of(Accepted))
    broker.close()
    server.clock_ns = lambda: time.time_ns() + 3_600 * SHARE  # an hour later, in which nothing happened
    again = AlpacaBroker(msgspec.structs.replace(settings, overlap_s=0), tmp_path, clock_ns=time.time_ns)
    other = Ears()
    again.open(other, server.stamp())
    eventually(lambda: other.of(LineUp))
    server.silent = True
    server.cancel(server.order("old")["id"], asked=False, how="expired")
    server.silent = False
    server.cut()
    eventually(lambda: other.of(Cancelled))
    again.close()
    assert other.said() == [Cancelled(order="old", asked=False, reason="expired")]


def test_a_lost_update_is_found_by_the_sweep(
    server: AlpacaServer, settings: AlpacaSettings, tmp_path: Path
) -> None:
    broker = AlpacaBroker(msgspec.structs.replace(settings, sweep_s=1), tmp_path, clock_ns=time.time_ns)
    ears = Ears()
    broker.open(ears)
    eventually(lambda: ears.of(LineUp))
    broker.send(buy())
    server.silent = True
    server.fill("n-1", "100", "179", last=True)
    eventually(lambda: ears.of(Filled))
    broker.close()


def test_an_end_is_never_told_before_the_executions_that_the_record_does_not_have_yet(
    server: AlpacaServer, broker: AlpacaBroker, ears: Ears
) -> None:
    broker.send(buy())
    eventually(lambda: ears.of(Accepted))
    server.deaf = True
    server.cut()
    eventually(lambda: ears.of(LineLost))
    server.fill("n-1", "40", "179", last=False)
    server.cancel(server.order("n-1")["id"])
    server.behind = 2
    server.deaf = False
    eventually(lambda: len(ears.of(LineUp)) == 2)
    assert kinds(ears.said()) == ["Accepted", "Filled", "Cancelled"]
    assert any("behind" in one.reason for one in ears.of(LineLost))


def test_an_order_that_was_replaced_after_a_part_ends_while_nobody_listens(
    server: AlpacaServer, settings: AlpacaSettings, tmp_path: Path
) -> None:
    """Its replacement counts shares that were traded before it was sent, and before the cursor."""
    broker = AlpacaBroker(msgspec.structs.replace(settings, overlap_s=0), tmp_path, clock_ns=time.time_ns)
    ears = Ears()
    broker.open(ears)
    eventually(lambda: ears.of(LineUp))
    server.carries = True
    broker.send(buy())
    server.fill("n-1", "40", "179", last=False)
    broker.send(ReplaceOrder(order="n-1", shares=90 * SHARE, limit=181 * DOLLAR))
    eventually(lambda: ears.of(Replaced) and ears.of(Filled))
    server.deaf = True
    server.cut()
    eventually(lambda: ears.of(LineLost))
    server.fill("n-1", "10", "180", last=False)
    server.cancel(server.alive("n-1")["id"])
    server.deaf = False
    eventually(lambda: len(ears.of(LineUp)) == 2)
    broker.close()
    assert [one.shares for one in ears.of(Filled)] == [40 * SHARE, 10 * SHARE]
    assert kinds(ears.said())[-2:] == ["Filled", "Cancelled"]


@pytest.mark.parametrize("shares", [35, 50])
@pytest.mark.parametrize("follows", [True, False])
def test_an_order_whose_execution_was_corrected_ends_while_nobody_listens(
    server: AlpacaServer, broker: AlpacaBroker, ears: Ears, shares: int, *, follows: bool
) -> None:
    """What the order counts as filled may follow a correction; the record has both, and is not behind."""
    broker.send(buy())
    execution = server.fill("n-1", "40", "179", last=False)
    eventually(lambda: ears.of(Filled))
    server.deaf = True
    server.cut()
    eventually(lambda: ears.of(LineLost))
    server.correct(execution, str(shares), "179")
    if follows:
        server.order("n-1")["filled_qty"] = str(shares)
    server.cancel(server.order("n-1")["id"])
    server.deaf = False
    eventually(lambda: len(ears.of(LineUp)) == 2)
    assert kinds(ears.said()) == ["Accepted", "Filled", "Corrected", "Cancelled"]
    ears.heard.clear()
    broker.send(AskOrder(order="n-1"))
    eventually(lambda: ears.of(Cancelled))


def test_a_doubt_stands_until_it_was_answered(
    server: AlpacaServer, broker: AlpacaBroker, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the broker answers to the question about an order that nobody knows of, it is asked again."""
    monkeypatch.setattr("novate.broker.alpaca.adapter._LAST_TRY", 1)
    server.fault("POST /v2/orders", status=500)
    refused = {"code": 40310000, "message": "forbidden"}
    server.fault("GET /v2/orders:by_client_order_id", status=403, body=refused)
    broker.send(buy())
    eventually(lambda: ears.of(LineLost))  # the refusal is no answer to that question
    eventually(lambda: ears.of(NotKnown))


def test_orders_come_in_pages(broker: AlpacaBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "PAGE", 3)
    ears = Ears()
    broker.open(ears)
    eventually(lambda: ears.of(LineUp))
    names = [f"n-{n}" for n in range(10)]
    for name in names:
        broker.send(buy(name))
    eventually(lambda: len(ears.of(Accepted)) == 10)
    again = Ears()
    broker.open(again)
    eventually(lambda: again.of(LineUp))
    assert sorted(one.order for one in again.of(Accepted)) == sorted(names)


# --- taken back, corrected, fees ------------------------------------------------------------------------------------------


def test_a_bust_and_a_correction_of_a_correction_name_the_first_execution(
    server: AlpacaServer, broker: AlpacaBroker, ears: Ears
) -> None:
    broker.send(buy())
    one = server.fill("n-1", "40", "179", last=False)
    two = server.fill("n-1", "60", "179.5", last=True)
    first = server.correct(one, "40", "178.5")
    server.correct(one, "39", "178.4", names=first)
    server.bust(two)
    eventually(lambda: ears.of(Busted))
    assert ears.of(Corrected) == [
        Corrected(execution=one, shares=40 * SHARE, price=178_500_000_000),
        Corrected(execution=one, shares=39 * SHARE, price=178_400_000_000),
    ]
    assert ears.of(Busted) == [Busted(execution=two)]
    assert len({one.key for one in ears.heard if isinstance(one.report, Corrected | Busted)}) == 3


def test_a_correction_of_a_correction_after_a_restart(
    server: AlpacaServer, broker: AlpacaBroker, ears: Ears, settings: AlpacaSettings, tmp_path: Path
) -> None:
    broker.send(buy())
    one = server.fill("n-1", "40", "179", last=False)
    first = server.correct(one, "40", "178.5")
    eventually(lambda: ears.of(Corrected))
    cursor = ears.heard[-1].cursor
    broker.close()
    other = Ears()
    again = AlpacaBroker(msgspec.structs.replace(settings, overlap_s=0), tmp_path, clock_ns=time.time_ns)
    again.open(other, cursor)
    eventually(lambda: other.of(LineUp))
    server.bust(one, names=first)
    eventually(lambda: other.of(Busted))
    again.close()
    assert other.of(Busted) == [Busted(execution=one)]


def test_a_commission_comes_from_the_record(server: AlpacaServer, broker: AlpacaBroker, ears: Ears) -> None:
    broker.send(buy())
    server.fill("n-1", "40", "179", last=False, commission="0.123456")
    server.fill("n-1", "60", "179", last=True, commission="0.5")
    eventually(lambda: len(ears.of(Filled)) == 2)
    assert [one.fee for one in ears.of(Filled)] == [123_456, 500_000]


def test_an_execution_of_an_order_that_nobody_sent(
    server: AlpacaServer, broker: AlpacaBroker, ears: Ears
) -> None:
    foreign = "7a4c7e9c-2b1d-4f0a-9f3e-1c2d3e4f5a6b"  # what the broker's own web page gives an order
    broker.send(buy())
    server.order("n-1")["client_order_id"] = foreign
    server.fill(foreign, "5", "179", last=True)
    eventually(lambda: ears.of(Filled))
    assert ears.of(Filled)[0].order == ""


@pytest.mark.parametrize(
    "event", ["pending_new", "pending_cancel", "done_for_day", "calculated", "restated", "held"]
)
def test_an_event_that_changes_nothing_is_no_report(
    server: AlpacaServer, broker: AlpacaBroker, ears: Ears, event: str
) -> None:
    broker.send(buy())
    server.refuse(server.order("n-1")["id"], event, "")
    server.fill("n-1", "100", "179", last=True)
    eventually(lambda: ears.of(Filled))
    assert kinds(ears.said()) == ["Accepted", "Filled"]


def test_a_trade_before_a_holiday_settles_after_it(
    server: AlpacaServer, tmp_path: Path, settings: AlpacaSettings
) -> None:
    friday = date(2026, 7, 2)  # the 3rd is a holiday
    server.clock_ns = lambda: new_york_ns(friday, clock_time(11))
    broker = AlpacaBroker(settings, tmp_path, clock_ns=time.time_ns)
    ears = Ears()
    broker.open(ears)
    eventually(lambda: ears.of(LineUp))
    broker.send(buy())
    server.fill("n-1", "100", "179", last=True)
    eventually(lambda: ears.of(Filled))
    broker.close()
    assert ears.of(Filled)[0].settles == date(2026, 7, 6)
    assert server.events[0]["settle_date"] == "2026-07-06"


# --- keys ------------------------------------------------------------------------------------------------------------------


def test_a_key_is_never_written_down(
    server: AlpacaServer,
    broker: AlpacaBroker,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger().setLevel(logging.DEBUG)
        ears = Ears()
        broker.open(ears)
        eventually(lambda: ears.of(LineUp))
        server.fault("POST /v2/orders", status=403, body={"code": 40310000, "message": "no"})
        broker.send(buy())
        server.cut()
        eventually(lambda: len(ears.of(LineUp)) == 2)
        broker.close()
    written = caplog.text + "".join(capfd.readouterr()) + repr(ears.heard) + repr(broker.__dict__)
    assert caplog.records
    assert SECRET not in written
    assert KEY not in written


def test_the_two_accounts_have_addresses_of_their_own() -> None:
    files = {"key_file": "k", "secret_file": "s"}
    paper, live = (read_settings({"account": account} | files) for account in ("paper", "live"))
    assert (paper.rest(), paper.stream()) == (
        "https://paper-api.alpaca.markets",
        "wss://paper-api.alpaca.markets/stream",
    )
    assert (live.rest(), live.stream()) == ("https://api.alpaca.markets", "wss://api.alpaca.markets/stream")
    assert "sandbox" in paper.broker() and "sandbox" not in live.broker()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"account": "demo"}, "account"),
        ({"url": "http://example.org"}, "url must be https"),
        ({"stream_url": "ws://example.org"}, "stream_url must be wss"),
        ({"secret": "in the file"}, "secret"),
        ({"patience_s": 0}, "patience_s must be at least 1, got 0"),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        read_settings({"account": "paper", "key_file": "k", "secret_file": "s"} | wrong)


def test_a_key_that_is_not_there_is_named(settings: AlpacaSettings, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("\n")
    with pytest.raises(ConfigError, match="holds no secret"):
        AlpacaBroker(settings, tmp_path, clock_ns=time.time_ns).open(Ears())


@pytest.mark.usefixtures("ears")
def test_closing_ends_the_thread(broker: AlpacaBroker) -> None:
    broker.close()
    assert not [one for one in threading.enumerate() if one.name == "alpaca"]
    with pytest.raises(LineDown):
        broker.send(buy())
