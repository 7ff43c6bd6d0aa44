"""What a FIX session must not lose when the other side refuses, garbles, or goes in the middle of something."""

import socket
import time
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("quickfix", reason="QuickFIX is not installed: pip install novate[fix]")

from fix_sides import DOLLAR, SHARE, Desk, Listener, Proxy, Sides, checked, tag
from gateways import eventually, free_port
from novate.broker import (
    Accepted,
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
    Rejected,
    Replaced,
    ReplaceOrder,
)
from novate.broker.fix import wire
from novate.broker.fix.acceptor import FixAcceptor
from novate.broker.fix.initiator import FixBroker
from novate.broker.fix.orders import SessionBook
from novate.broker.fix.settings import AcceptorSettings, Client
from novate.broker.fix.tags import Tag
from novate.errors import ConfigError
from novate.messages.codes import Side


@pytest.fixture
def spoiled(tmp_path):
    """A line through a proxy."""
    sides = Sides(tmp_path)
    proxy = Proxy(sides.port)
    sides.use(proxy.port)
    yield sides.start(), proxy
    proxy.close()
    sides.close()


# --- what QuickFIX counts though something before it is missing ----------------------------------------------------------------


def test_what_was_told_while_logons_were_refused_is_told_once_they_are_taken(tmp_path):
    sides = Sides(tmp_path).start()
    try:
        sides.place()
        sides.listener.wait(Accepted)
        for number in (1, 2, 3):
            sides.desk.fill("N-1", f"E{number}", 10)
        sides.listener.wait(Filled, 3)
        session = sides.acceptor._sessions[sides.venue]
        session._shut = True
        sides.acceptor.cut(sides.venue)
        sides.listener.wait(LineLost)
        sides.desk.bust("E1")
        sides.desk.bust("E2")
        log = tmp_path / "venue" / "messages.log"
        eventually(
            lambda: log.read_text().count("password is not") >= 3
        )  # each refusal is a logout, and counts
        session._shut = False
        sides.listener.wait(LineUp, 2)
        assert [bust.execution for bust in sides.listener.of(Busted)] == ["E1", "E2"]
    finally:
        sides.close()


def test_a_refusal_behind_a_gap_is_heard_and_what_is_missing_comes_behind_it(spoiled):
    """The bust is lost on the line; the next message is a Reject, which QuickFIX counts as if nothing were missing."""
    sides, proxy = spoiled
    sides.place()
    sides.listener.wait(Accepted)
    sides.desk.fill("N-1", "E1", 40)
    sides.listener.wait(Filled)

    def spoil(way: str, message: bytes) -> list[bytes]:
        if way == "out" and tag(message, 35) == "F":
            return [
                checked(message.replace(b"\x0154=1\x01", b"\x0154=%\x01"))
            ]  # no side: the exchange's session refuses it
        if way == "in" and tag(message, 150) == "H" and tag(message, 43) != "Y":
            return []
        return [message]

    proxy.spoil = spoil
    before = sides.listener.cursor
    sides.desk.bust("E1")
    sides.cancel()
    eventually(lambda: any(tag(message, 35) == "3" for way, message in proxy.passed if way == "in"))
    sides.listener.wait(Busted)
    sides.listener.wait(LineUp, 2)
    refused = [one for one in sides.listener.heard if type(one.report).__name__ == "CancelRefused"]
    assert [one.cursor for one in refused] == [
        before
    ]  # who stops behind it and comes back is told of the bust


# --- bytes that are no text ----------------------------------------------------------------------------------------------------


def test_a_reason_that_is_no_utf_8_can_be_kept(spoiled):
    sides, proxy = spoiled
    sides.place()
    sides.listener.wait(Accepted)
    proxy.spoil = lambda _way, message: [checked(message.replace(b"58=XCOMPTE", b"58=\xe9COMPTE"))]
    sides.desk.reject("N-1", "XCOMPTE")
    (rejected,) = sides.listener.wait(Rejected)
    assert rejected.reason == "\\xe9COMPTE"
    assert msgspec.msgpack.encode(rejected)
    (raw,) = [one.raw for one in sides.listener.heard if isinstance(one.report, Rejected)]
    assert b"58=\xe9COMPTE" in raw


# --- where a listener goes on ---------------------------------------------------------------------------------------------------


def test_no_cursor_is_ahead_of_what_was_kept(tmp_path):
    """The cut that follows a report which was not kept is told with the place before it: who stops there and comes back hears it."""
    sides = Sides(tmp_path).start()
    try:
        sides.place()
        before = sides.listener.wait(Accepted) and sides.listener.cursor
        sides.listener.fails = 1
        sides.desk.fill("N-1", "E1", 40)
        sides.listener.wait(LineLost)
        (lost,) = [one for one in sides.listener.heard if isinstance(one.report, LineLost)]
        assert lost.cursor == before
    finally:
        sides.close()


def test_of_several_reports_in_one_message_only_the_last_has_its_place(tmp_path):
    """Asked for, an order that is done is its fills again, in one answer."""
    script: list = [lambda frame: [frame]]
    sides = Sides(tmp_path, script=lambda _client, frame: script[0](frame)).start()
    try:
        sides.place()
        sides.listener.wait(Accepted)
        sides.desk.fill("N-1", "E1", 40)
        sides.desk.fill("N-1", "E2", 60, complete=True)
        sides.listener.wait(Filled, 2)
        script[0] = lambda frame: [] if frame.poss_resend else [frame]  # the answer alone
        before = sides.listener.cursor
        sides.ask()
        sides.listener.wait(Filled, 4)
        first, last = [one for one in sides.listener.heard if isinstance(one.report, Filled)][-2:]
        assert (first.report.execution, first.cursor) == ("E1", before)
        assert last.cursor not in ("", before)
    finally:
        sides.close()


# --- the way up -----------------------------------------------------------------------------------------------------------------


def test_the_session_is_said_again_once_for_each_sum_that_is_missing(tmp_path):
    lost = {"E2", "E3"}
    sides = Sides(
        tmp_path, script=lambda _client, frame: [] if frame.text(Tag.EXEC_ID) in lost else [frame]
    ).start()
    try:
        sides.place("N-1")
        sides.place("N-2")
        sides.listener.wait(Accepted, 2)
        ups, attempt = 1, 0

        def asked(order: str, *, missing: bool) -> None:
            nonlocal ups, attempt
            attempt, refused = attempt + 1, int(str(sides.broker.values()["refused"]))
            sides.ask(order, attempt)
            ups += missing
            sides.listener.wait(LineUp, ups)
            eventually(lambda: int(str(sides.broker.values()["refused"])) > refused)
            assert len(sides.listener.of(LineUp)) == ups

        sides.desk.fill("N-1", "E2", 20)
        asked("N-1", missing=True)
        asked("N-1", missing=False)
        sides.desk.fill("N-2", "E3", 20)  # another order's, after it is known that N-1's never comes
        asked("N-2", missing=True)
        asked("N-2", missing=False)
        asked("N-1", missing=False)
        sides.broker.close()
        sides.broker = FixBroker(sides.settings, tmp_path / "venue")
        again = Listener()
        sides.broker.open(again, sides.listener.cursor)
        again.wait(LineUp)
        assert not again.of(LineLost)
        lost.clear()
        sides.ask("N-1", 9)
        again.wait(Filled)
    finally:
        sides.close()


def test_an_answer_that_does_not_come_is_asked_for_ever_more_slowly(spoiled):
    sides, proxy = spoiled
    proxy.spoil = lambda way, message: [] if way == "in" and tag(message, 35) == "0" else [message]
    proxy.cut()
    sides.listener.wait(LineLost)
    proxy.passed.clear()

    def tests() -> list[bytes]:
        return [message for way, message in proxy.passed if way == "out" and tag(message, 35) == "1"]

    eventually(tests)
    time.sleep(4)
    assert 2 <= len(tests()) <= 6  # at once, and after 0.25, 0.75, 1.75, 3.75 s
    proxy.spoil = None
    sides.listener.wait(LineUp, 2)
    proxy.passed.clear()
    sides.broker._test()  # the one that was about to ask as the answer came
    sides.ask()
    eventually(lambda: any(tag(message, 35) == "H" for _, message in proxy.passed))
    assert not tests()


# --- requests -------------------------------------------------------------------------------------------------------------------


def test_a_request_that_has_not_left_is_not_open(tmp_path):
    sides = Sides(tmp_path).start()
    try:
        sides.place()
        sides.listener.wait(Accepted)
        sides.acceptor.close()
        sides.listener.wait(LineLost)
        sides.broker._up = True  # cut while it was being sent
        with pytest.raises(LineDown):
            sides.cancel()
        with pytest.raises(LineDown):
            sides.broker.send(ReplaceOrder(order="N-1", shares=50 * SHARE, limit=DOLLAR))
        sides.broker._up = False
        sides.restart_exchange()
        sides.listener.wait(LineUp, 2)
        sides.desk.cancel("N-1", asked=False, reason="risk desk")
        (cancelled,) = sides.listener.wait(Cancelled)
        assert not cancelled.asked
    finally:
        sides.close()


def test_a_replace_below_the_least_the_broker_takes_does_not_leave(tmp_path):
    sides = Sides(tmp_path).start()
    try:
        sides.place()
        sides.listener.wait(Accepted)
        sides.broker.send(ReplaceOrder(order="N-1", shares=SHARE // 2, limit=DOLLAR))
        (refused,) = sides.listener.wait(CancelRefused)
        assert "whole shares" in refused.reason
        assert len(sides.desk.asked) == 1
    finally:
        sides.close()


# --- a corporate action while orders are on their way ------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [False, True], ids=["the line stands", "the line is cut meanwhile"])
def test_a_split_ends_every_order_and_a_late_fill_is_told_in_old_shares(spoiled, cut):
    """Two for one: in the evening window the broker ends what works, in the morning it finds a fill of the day before."""
    sides, proxy = spoiled
    sides.place("N-1")
    sides.place("N-2", side=Side.ASK)
    sides.listener.wait(Accepted, 2)
    sides.desk.fill("N-1", "E1", 40)
    sides.listener.wait(Filled)
    if cut:
        proxy.cut()
        sides.listener.wait(LineLost)
    for order in ("N-1", "N-2"):
        sides.desk.cancel(order, asked=False, reason="corporate action")
    sides.desk.fill("N-1", "E2", 25, price=180 * DOLLAR)
    sides.listener.wait(Filled, 2)
    sides.listener.wait(LineUp, 1 + cut)
    sides.place("N-3", 200, limit=91 * DOLLAR)
    sides.desk.wait(NewOrder, 3)  # an Accepted may be of what the venue asked after as the line came back
    sides.desk.fill("N-3", "E3", 200, price=90 * DOLLAR, complete=True)
    sides.desk.correct(
        "E2", 20, 179 * DOLLAR
    )  # what was traded before the split stays in shares of before it
    sides.listener.wait(Corrected)
    ends = {one.key: one.report for one in sides.listener.heard if isinstance(one.report, Cancelled)}
    assert {end.order for end in ends.values()} == {"N-1", "N-2"}
    assert not any(end.asked for end in ends.values())
    fills = {one.key: one.report for one in sides.listener.heard if isinstance(one.report, Filled)}
    assert sorted((fill.order, fill.shares, fill.price) for fill in fills.values()) == [
        ("N-1", 25 * SHARE, 180 * DOLLAR),
        ("N-1", 40 * SHARE, 180 * DOLLAR),
        ("N-3", 200 * SHARE, 90 * DOLLAR),
    ]
    (corrected,) = sides.listener.of(Corrected)
    assert (corrected.execution, corrected.shares, corrected.price) == ("E2", 20 * SHARE, 179 * DOLLAR)
    assert sides.broker.values()["refused"] == sides.broker.values()["failed"] == 0


@pytest.mark.parametrize("cut", [False, True], ids=["the line stands", "the line is cut meanwhile"])
def test_a_dividend_lowers_the_limit_of_an_order_that_works_and_its_fills_are_told(spoiled, cut):
    """The broker restates what works by the dividend, unasked (150=D); a cancel then names the order as it is known."""

    def restated(way: str, message: bytes) -> list[bytes]:
        return [checked(message.replace(b"\x01150=5\x01", b"\x01150=D\x01"))] if way == "in" else [message]

    sides, proxy = spoiled
    proxy.spoil = restated
    sides.place()
    sides.listener.wait(Accepted)
    sides.desk.fill("N-1", "E1", 40)
    sides.listener.wait(Filled)
    if cut:
        proxy.cut()
        sides.listener.wait(LineLost)
    lower = 180 * DOLLAR + DOLLAR // 4
    sides.desk.tell(Replaced(order="N-1", shares=100 * SHARE, limit=lower))
    sides.desk.fill("N-1", "E2", 25, price=lower)
    sides.listener.wait(Filled, 2)
    sides.listener.wait(LineUp, 1 + cut)
    (replaced,) = {
        one.key: one.report for one in sides.listener.heard if isinstance(one.report, Replaced)
    }.values()
    assert (replaced.shares, replaced.limit) == (100 * SHARE, lower)
    assert b"\x01150=D\x01" in b"".join(message for _, message in proxy.passed)
    sides.cancel()
    sides.desk.wait(CancelOrder)
    sides.desk.cancel("N-1")
    (cancelled,) = sides.listener.wait(Cancelled)
    assert cancelled.asked
    fills = {one.key: one.report.shares for one in sides.listener.heard if isinstance(one.report, Filled)}
    assert sum(fills.values()) == 65 * SHARE
    assert sides.broker.values()["refused"] == sides.broker.values()["failed"] == 0


# --- starting -------------------------------------------------------------------------------------------------------------------


def test_an_acceptor_whose_port_is_taken_leaves_nothing_open(tmp_path: Path):
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    acceptor = FixAcceptor(
        AcceptorSettings(port=port, exchange="PRIME", clients=(Client(id="NOV"),)), tmp_path, {"NOV": Desk()}
    )
    with taken:
        for _ in range(2):
            with pytest.raises(ConfigError, match=str(port)):
                acceptor.start()
    running = len(wire._RUNNING)
    acceptor.start()
    assert tag(logon(port, b"anything"), 35) == "A"
    acceptor.close()
    assert len(wire._RUNNING) == running


def test_a_session_that_can_not_be_made_leaves_its_book_to_the_next(tmp_path: Path):
    dictionary = tmp_path / "FIX44.xml"
    dictionary.write_text("<fix")
    sides = Sides(tmp_path, dictionary=str(dictionary))
    for _ in range(2):
        with pytest.raises(ConfigError, match="FIX44"):
            sides.broker.open(sides.listener)
    SessionBook(tmp_path / "venue" / "session.db").close()


# --- who may log on ------------------------------------------------------------------------------------------------------------


def logon(port: int, password: bytes) -> bytes:
    """What an exchange answers to a logon."""
    now = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime()).encode()
    body = b"35=A\x0134=1\x0149=NOV\x0152=%b\x0156=PRIME\x0198=0\x01108=30\x01554=%b\x01" % (now, password)
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(checked(b"8=FIX.4.4\x019=0\x01" + body + b"10=000\x01"))
        line.settimeout(5)
        return line.recv(4096)


def test_a_password_that_is_no_text_is_a_wrong_one(tmp_path: Path):
    port = free_port()
    client = Client(id="NOV", password="open sesame")
    acceptor = FixAcceptor(
        AcceptorSettings(port=port, exchange="PRIME", clients=(client,)), tmp_path, {"NOV": Desk()}
    )
    acceptor.start()
    try:
        for wrong in (b"\xff", b"open", "ö".encode()):
            assert tag(logon(port, wrong), 35) != "A"
        assert tag(logon(port, b"open sesame"), 35) == "A"
    finally:
        acceptor.close()


def test_a_check_that_fails_admits_nobody(tmp_path: Path, monkeypatch):
    port = free_port()
    acceptor = FixAcceptor(
        AcceptorSettings(port=port, exchange="PRIME", clients=(Client(id="NOV"),)), tmp_path, {"NOV": Desk()}
    )
    acceptor.start()
    try:

        def broken(_fields: object) -> bool:
            raise OSError("the list of passwords can't be read")

        monkeypatch.setattr(acceptor._sessions["NOV"], "admits", broken)
        assert tag(logon(port, b"anything"), 35) != "A"
    finally:
        acceptor.close()
