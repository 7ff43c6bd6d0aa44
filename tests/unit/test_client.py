"""The client without a venue: what is signed, what is sent again, what a lost answer leads to, and books that notice what they missed."""

from __future__ import annotations

import inspect
import itertools
import time
import zlib
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novate.client import (
    AsyncClient,
    Client,
    OutcomeUnknown,
    Persistence,
    VenueRefused,
    VenueUnreachable,
    steps,
)
from novate.client.answers import Account, Event, Reply, event
from novate.client.books import Book, Missed
from novate.client.calls import act, arguments, plain
from novate.client.feeds import AccountFeed, Remembering, TradesFeed, TradesMissed
from novate.client.orders import Order, Orders, client_ids
from novate.client.signing import Ed25519Key, HmacKey, Nonces, Signer, canonical
from novate.client.steps import Answered, Lost, Past, Pause, Recall, Send
from novate.errors import UnitError
from novate.identity import canonical_string, credentials_from
from novate.identity.proofs import new_ed25519, sign_ed25519, sign_hmac
from novate.schema.operations import SchemaError, client_id
from novate.schema.outcomes import Problem

FEW = Persistence(attempts=3)
PLACE = {"market": "NVDA-PERP", "side": "bid", "quantity": "5", "price": "180", "client_id": "c1"}

# --- signing ------------------------------------------------------------------------------------------------------------


@given(
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**64 - 1),
    st.binary(max_size=40),
    st.integers(0, 2**63 - 1),
)
def test_what_is_signed_is_what_the_venue_checks(
    key: int, now: int, nonce: int, body: bytes, until: int
) -> None:
    said = ("novate-dev", key, "POST", "/v1/orders?a=1", now, nonce, body, until)
    assert canonical(*said) == canonical_string(*said)


def test_headers_carry_a_signature_that_the_venue_reads() -> None:
    seed, _ = new_ed25519()
    for key, sign in (
        (HmacKey(7, "nvs_x"), lambda text: sign_hmac("nvs_x", text)),
        (Ed25519Key(7, seed), lambda text: sign_ed25519(seed, text)),
    ):
        given_ = credentials_from(Signer("v", key).headers("GET", "/v1/accounts/7", b""))
        assert given_ is not None
        text = canonical_string(
            "v", 7, "GET", "/v1/accounts/7", given_.timestamp_ns, given_.nonce, b"", given_.expires_after_ns
        )
        assert given_.signature == sign(text)
        assert given_.expires_after_ns > time.time_ns()
        assert "nvs_x" not in repr(key)


def test_nonces_rise_and_begin_above_those_of_an_earlier_run() -> None:
    before, nonces = time.time_ns(), Nonces()
    found = [nonces.next() for _ in range(1000)]
    assert found == sorted(set(found))
    assert before < found[0] < 2**64


def test_client_ids_fit_the_venue_and_differ() -> None:
    found = [*itertools.islice(client_ids(), 2000), *itertools.islice(client_ids(), 2000)]
    assert len(set(found)) == 4000
    assert all(client_id(one) == one.encode() for one in found)


# --- requests -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Decimal("180.10"), "180.1"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-7"), "0.0000001"),
        (Decimal(200), "200"),
        (Decimal("-0.50"), "-0.5"),
    ],
)
def test_decimals_become_plain_text(value: Decimal, said: str) -> None:
    assert plain(value) == said


def test_a_request_that_cannot_be_is_refused_before_it_is_sent() -> None:
    with pytest.raises(UnitError, match="quantity must be a Decimal"):
        act("place_order", 7, {**PLACE, "quantity": 5.0})
    with pytest.raises(SchemaError) as unknown:
        act("place_order", 7, {**PLACE, "sid": "bid"})
    assert unknown.value.facts["field"] == "sid"
    with pytest.raises(SchemaError):
        act("no_such_thing", 7, {})
    assert arguments("transfer", {"to": 8, "asset": "USDC", "amount": 5}) == {
        "to": "8",
        "asset": "USDC",
        "amount": "5",
    }


def test_both_clients_have_the_same_methods() -> None:
    def shape(cls: type, name: str) -> list[tuple[str, Any]]:
        return [(one.name, one.default) for one in inspect.signature(getattr(cls, name)).parameters.values()]

    def public(cls: type) -> set[str]:
        return {name for name, _ in inspect.getmembers(cls, inspect.isfunction) if not name.startswith("_")}

    assert public(Client) == public(AsyncClient)
    for name in public(Client) | {"__init__"}:
        assert shape(Client, name) == shape(AsyncClient, name), name


# --- what is sent again -------------------------------------------------------------------------------------------------


def reply(result: Any = None, *, number: int = 0, seq: int = 9) -> Answered:
    error = Problem(number=number, code=f"rule_{number}", message="No.", retryable=False) if number else None
    return Answered(
        Reply(ok=not number, ts_ns=1, seq=seq, result=msgspec.Raw(msgspec.json.encode(result)), error=error)
    )


def happened(name: str, number: int, **data: Any) -> Event:
    return event(Event(event=name, seq=number, index=0, ts_ns=1, data=data, account="7", account_seq=number))


def placed(number: int = 4, order: str = "50") -> Event:
    return happened(
        "order_placed", number, order=order, market="NVDA-PERP", side="bid", kind="limit", time_in_force="gtc",
        post_only=False, reduce_only=False, price="180", quantity="5", client_id="c1",
    )  # fmt: skip


def filled(number: int, quantity: str, remaining: str) -> Event:
    return happened(
        "order_filled", number, order="50", trade="1", market="NVDA-PERP", side="bid", maker=True, liquidation=False,
        price="180", quantity=quantity, remaining=remaining, fee="0", realised="0",
    )  # fmt: skip


def cancelled(number: int) -> Event:
    return happened(
        "order_cancelled",
        number,
        order="50",
        market="NVDA-PERP",
        side="bid",
        reason="requested",
        quantity="3",
    )


DONE = {
    "events": [msgspec.to_builtins(placed())],
    "order": {"order": "50", "status": "open", "remaining": "5"},
}
AGAIN = {"events": [], "order": {"order": "50", "status": "ended", "remaining": "0", "duplicate": True}}
STANDS = {
    "events": [],
    "order": {"order": "50", "status": "open", "filled": "2", "remaining": "3", "duplicate": True},
}
GONE = Past((), 9, kept=False)
"""The venue keeps the events no more: asked for once, not for 13 seconds."""
CUT, UNSENT = Lost(sent=True, why="cut"), Lost(sent=False, why="no connection")


def play(procedure: Any, *came: Any) -> tuple[Any, list[Any]]:
    """Runs a procedure on what comes of its sends and recalls; its result or error, and what it did."""
    left, did, answer = list(came), [], None
    try:
        while True:
            step = procedure.send(answer)
            did.append(step)
            answer = None if isinstance(step, Pause) else left.pop(0)
    except StopIteration as end:
        found = end.value
    except (VenueRefused, OutcomeUnknown, VenueUnreachable) as error:
        found = error
    assert not left, "not all of it was asked for"
    return found, [type(one) for one in did if not isinstance(one, Pause)]


PAST = (placed(), filled(5, "2", "3"), filled(6, "3", "0"))


@pytest.mark.parametrize(
    ("came", "status", "filled_", "error"),
    [
        ([reply(DONE)], "open", 0, None),
        ([CUT, reply(DONE)], "open", 0, None),
        ([UNSENT, reply(number=2057), reply(DONE)], "open", 0, None),
        ([reply(number=2056), reply(AGAIN), Past(PAST, 9)], "filled", 5, None),
        ([CUT, reply(AGAIN), None, None, None], "ended", 0, None),
        ([CUT, reply(AGAIN), None, Past(PAST, 9)], "filled", 5, None),
        ([CUT, reply(AGAIN), Past((*PAST[:2], cancelled(6)), 9)], "cancelled", 2, None),
        ([CUT, reply(AGAIN), Past((), 8), Past(PAST, 9)], "filled", 5, None),
        ([CUT, reply(STANDS), Past(PAST[:2], 9)], "open", 2, None),
        ([CUT, reply(STANDS), None, None, None], "open", 2, None),
        ([CUT, reply(STANDS), Past((), 9)], "open", 2, None),
        ([CUT, reply(STANDS), GONE], "open", 2, None),
        ([CUT, reply(AGAIN), GONE], "ended", 0, None),
        ([reply(number=408)], "refused", 0, VenueRefused),
        ([CUT, reply(number=408), Past((placed(),), 9)], "open", 0, None),
        ([CUT, reply(number=408), Past((), 8), Past(PAST, 9)], "filled", 5, None),
        ([CUT, reply(number=408), Past((), 9)], "refused", 0, VenueRefused),
        ([CUT, reply(number=408), None, None, None], "unknown", 0, OutcomeUnknown),
        ([CUT, reply(number=408), GONE], "unknown", 0, OutcomeUnknown),
        ([UNSENT, reply(number=408)], "refused", 0, VenueRefused),
        ([CUT, CUT, CUT], "unknown", 0, OutcomeUnknown),
        ([UNSENT, UNSENT, UNSENT], "refused", 0, VenueUnreachable),
        ([UNSENT, CUT, UNSENT], "unknown", 0, OutcomeUnknown),
    ],
)  # fmt: skip
def test_an_order_is_never_lost_sight_of(
    came: list[Any], status: str, filled_: int, error: type | None
) -> None:
    orders = Orders()
    found, _ = play(steps.place(orders, "place_order", 7, PLACE, FEW), *came)
    order = orders["c1"]
    assert (order.status, order.filled) == (status, filled_)
    assert isinstance(found, error) if error else found is order


@pytest.mark.parametrize(
    ("came", "status", "found"),
    [
        ([reply({"seq": 9}), Past(PAST, 9)], "filled", True),
        ([reply({"seq": 9}), Past((), 9)], "refused", False),
        ([reply({"seq": 9}), None, None, None], "unknown", OutcomeUnknown),
    ],
)
def test_an_order_of_unknown_fate_can_be_found(came: list[Any], status: str, found: Any) -> None:
    orders = Orders()
    play(steps.place(orders, "place_order", 7, PLACE, FEW), CUT, CUT, CUT)
    result, _ = play(steps.find(orders, "c1", FEW), *came)
    assert orders["c1"].status == status
    if isinstance(found, bool):
        assert (result is orders["c1"]) is found
    else:
        assert isinstance(result, found)


@pytest.mark.parametrize(
    ("op", "args", "resent"),
    [
        ("cancel_all", {}, True),
        ("cancel_after", {"span_ns": 1}, True),
        ("transfer", {"to": 8, "asset": "USDC", "amount": 5}, False),
        ("request_withdrawal", {"asset": "USDC", "amount": 5}, False),
    ],
)
def test_only_what_is_harmless_twice_is_sent_twice(op: str, args: dict[str, Any], resent: bool) -> None:
    found, did = play(steps.deliver(act(op, 7, args), FEW), *([CUT] * (3 if resent else 1)))
    assert isinstance(found, OutcomeUnknown)
    assert did == [Send] * (3 if resent else 1)
    found, did = play(steps.deliver(act(op, 7, args), FEW), UNSENT, reply({"events": []}))
    assert did == [Send, Send], "what was not sent may always be sent"


def test_an_amendment_whose_answer_is_lost_is_looked_up_before_it_is_sent_again() -> None:
    def begin() -> tuple[Orders, Order]:
        orders = Orders()
        order, _ = play(steps.place(orders, "place_order", 7, PLACE, FEW), reply(DONE))
        return orders, order

    amended = happened(
        "order_amended",
        5,
        order="50",
        market="NVDA-PERP",
        side="bid",
        kept_priority=False,
        price="181",
        remaining="4",
    )
    orders, order = begin()
    _, did = play(steps.amend(orders, order, {"price": "181"}, FEW), CUT, Past((amended,), 9))
    assert (did, order.price, order.remaining) == ([Send, Recall], 181, 4)
    orders, order = begin()
    again = reply({"events": [msgspec.to_builtins(amended)]})
    _, did = play(steps.amend(orders, order, {"price": "181"}, FEW), CUT, Past((), 9), again)
    assert (did, order.price) == ([Send, Recall, Send], 181)
    orders, order = begin()
    late = (Past((), 8), Past((amended,), 9))  # the first attempt was slower than the look-up
    found, _ = play(
        steps.amend(orders, order, {"price": "181"}, FEW), CUT, Past((), 8), reply(number=417), *late
    )
    assert (found, order.price) == (order, 181)
    orders, order = begin()
    found, _ = play(steps.amend(orders, order, {"price": "181"}, FEW), reply(number=417))
    assert isinstance(found, VenueRefused)
    orders, order = begin()
    found, _ = play(steps.cancel(orders, order, FEW), CUT, reply(number=414), Past((cancelled(5),), 9))
    assert (found.status, order.alive) == ("cancelled", False)
    orders, order = begin()
    found, _ = play(steps.cancel(orders, order, FEW), reply(number=414))
    assert isinstance(found, VenueRefused)


@given(
    st.permutations([filled(5, "1", "4"), filled(6, "1", "3"), filled(7, "2", "1"), cancelled(8)]), st.data()
)
def test_an_order_comes_to_the_same_in_whatever_order_its_events_come(
    events: list[Event], data: st.DataObject
) -> None:
    order = Order("c1", 7, "NVDA-PERP", "bid", Decimal(5))
    order.hear(placed())
    for one in events + data.draw(st.lists(st.sampled_from(events))):
        order.hear(one)
    assert (order.status, order.filled, order.remaining, order.reason) == ("cancelled", 4, 0, "requested")


def test_an_order_that_met_its_owners_shrinks_and_ends() -> None:
    order = Order("c1", 7, "NVDA-PERP", "bid", Decimal(5))
    order.hear(placed())
    for number, left, status in ((5, "2", "open"), (6, "0", "cancelled")):
        order.hear(
            happened(
                "order_decremented",
                number,
                order="50",
                market="NVDA-PERP",
                side="bid",
                quantity="3",
                remaining=left,
            )
        )
        assert (order.remaining, order.status, order.filled) == (Decimal(left), status, 0)
    assert order.reason == "self_trade"


def test_an_account_read_anew_ends_what_does_not_rest() -> None:
    orders = Orders()
    order, _ = play(steps.place(orders, "place_order", 7, PLACE, FEW), reply(DONE))
    line = {
        "order": "50",
        "market": "NVDA-PERP",
        "side": "bid",
        "price": "179",
        "remaining": "2",
        "post_only": False,
        "reduce_only": False,
    }

    def account(*resting: dict[str, Any]) -> Account:
        standing = {
            "account": "7",
            "owner": "7",
            "state": "green",
            "in_liquidation": False,
            "equity": "0",
            "requirements": [],
            "excess": [],
        }
        return msgspec.convert(
            {
                "sequence": 1,
                "time_ns": 1,
                "line": standing,
                "balances": [],
                "positions": [],
                "orders": resting,
            },
            Account,
        )

    orders.reread(7, account(line))
    assert (order.status, order.price, order.remaining) == ("open", 179, 2)
    orders.reread(8, account())
    assert order.alive
    orders.reread(7, account())
    assert order.status == "ended"


# --- books and feeds ----------------------------------------------------------------------------------------------------


def told(kind: str, seq: int, bids: list[list[str]], asks: list[list[str]], **more: Any) -> bytes:
    return msgspec.json.encode(
        {
            "channel": "book",
            "type": kind,
            "market": "M",
            "epoch": "e",
            "seq": seq,
            "ts_ns": 1,
            "bids": bids,
            "asks": asks,
            **more,
        }
    )


def test_a_book_takes_deltas_and_notices_what_it_missed() -> None:
    book = Book("M")
    with pytest.raises(Missed):
        book.hear(told("delta", 2, [], [], prev_seq=1))
    crc = zlib.crc32(b"10:1:9.5:2:10.5:3")
    book.hear(told("snapshot", 5, [["10", "1"], ["9.5", "2"]], [["10.5", "3"]], checksum=crc))
    book.hear(
        told(
            "delta",
            7,
            [["10", "0"], ["9.9", "4"]],
            [],
            prev_seq=5,
            checksum=zlib.crc32(b"9.9:4:9.5:2:10.5:3"),
        )
    )
    assert [(str(one.price), str(one.quantity)) for one in book.bids()] == [("9.9", "4"), ("9.5", "2")]
    assert book.ready
    for message in (
        told("delta", 9, [], [], prev_seq=8),
        told("delta", 9, [["1", "1"]], [], prev_seq=7, checksum=1),
    ):
        with pytest.raises(Missed):
            book.hear(message)
        assert not book.ready
        book.hear(told("snapshot", 7, [], []))


def subscribed(number: int) -> bytes:
    return msgspec.json.encode({"ok": True, "ts_ns": 1, "seq": 1, "id": 2, "result": {"account_seq": number}})


def account_event(number: int) -> bytes:
    return msgspec.json.encode({"channel": "account", **msgspec.to_builtins(cancelled(number))})


REFUSED = msgspec.json.encode(
    {
        "ok": False,
        "ts_ns": 1,
        "seq": 1,
        "id": 2,
        "error": {"number": 2061, "code": "x", "message": "Gone.", "retryable": False},
    }
)


def hear(feed: Any, *messages: bytes) -> list[Any]:
    return [item for message in messages for item in feed.hear(message)]


def test_an_account_feed_resumes_drops_what_it_knows_and_notices_gaps() -> None:
    feed = AccountFeed(None, 7)
    assert "resume_from" not in msgspec.json.decode(feed.hello()[0])["args"]
    assert [one.account_seq for one in hear(feed, subscribed(3), account_event(4), account_event(5))] == [
        4,
        5,
    ]
    assert msgspec.json.decode(feed.hello()[0])["args"]["resume_from"] == 5
    assert [one.account_seq for one in hear(feed, subscribed(6), account_event(5), account_event(6))] == [6]
    with pytest.raises(Missed):
        hear(feed, account_event(8))
    with pytest.raises(Missed):
        hear(feed, REFUSED)
    hear(feed, subscribed(9))
    assert feed.lost == (7, 9)
    assert [one.account_seq for one in hear(feed, account_event(10))] == [10]


def test_the_past_is_complete_at_the_pong_or_not_there() -> None:
    pong = msgspec.json.encode({"ok": True, "ts_ns": 1, "seq": 77, "id": 3, "result": {}})
    past = Remembering(None, 7, 3)
    assert past.hear(subscribed(5)) is None
    assert past.hear(account_event(4)) is None
    found = past.hear(pong)
    assert found is not None
    assert ([one.account_seq for one in found.events], found.seq) == ([4], 77)
    for since, number in ((3, 2), (0, 0)):
        with pytest.raises(Missed):
            Remembering(None, 7, since).hear(subscribed(number))
    gone = Remembering(None, 7, 3).hear(REFUSED)
    assert gone == Past((), 1, kept=False), "which no other attempt changes"
    away = {"number": 2055, "code": "x", "message": "No reader.", "retryable": True}
    with pytest.raises(Missed):
        Remembering(None, 7, 3).hear(
            msgspec.json.encode({"ok": False, "ts_ns": 1, "seq": 1, "id": 2, "error": away})
        )


def test_trades_come_once_across_connections() -> None:
    def trades(*numbers: int) -> bytes:
        rows = [
            {
                "trade": str(n),
                "price": "1",
                "quantity": "1",
                "side": "bid",
                "liquidation": False,
                "seq": n,
                "ts_ns": 1,
            }
            for n in numbers
        ]
        return msgspec.json.encode({"channel": "trades", "market": "M", "trades": rows})

    def shown(items: list[Any]) -> list[Any]:
        return [one if isinstance(one, TradesMissed) else int(one.trade) for one in items]

    feed = TradesFeed(None, "M")
    feed.hello()
    assert shown(hear(feed, trades(1, 2), trades(3))) == [3]
    feed.hello()
    assert shown(hear(feed, trades(2, 3, 4, 6), trades(7))) == [4, 6, 7]
    feed.hello()
    assert shown(hear(feed, trades(9, 10))) == [TradesMissed("M"), 9, 10]
