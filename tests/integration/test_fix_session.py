"""The venue's line and a counterparty over a real FIX session: what brokers do wrong, and what lines do."""

import contextlib
import itertools
import threading
import time

import pytest

pytest.importorskip("quickfix", reason="QuickFIX is not installed: pip install novate[fix]")

from fix_sides import (
    CENT,
    DOLLAR,
    SETTLES,
    SHARE,
    TRADED_NS,
    Desk,
    Listener,
    Proxy,
    Sides,
    again,
    tag,
)
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
from novate.broker.fix.acceptor import FixAcceptor
from novate.broker.fix.frame import Frame
from novate.broker.fix.initiator import FixBroker
from novate.broker.fix.settings import AcceptorSettings, Client
from novate.broker.fix.tags import Kind, Tag
from novate.errors import ConfigError, DataError
from novate.messages.codes import Side

_ids = itertools.count(1)


class Script:
    """Changes what the exchange says, until it is told to stop."""

    def __init__(self) -> None:
        self.change = None

    def __call__(self, _client: str, frame: Frame) -> list[Frame]:
        return [frame] if self.change is None else self.change(frame)


class Order:
    """One order of its own on a line that tests share."""

    def __init__(self, sides: Sides, script: Script) -> None:
        self.sides, self.desk, self.script = sides, sides.desk, script
        self.id = f"N-{next(_ids)}"
        self.prefix = f"E{self.id[2:]}-"

    def place(self, shares: int = 100, **other) -> "Order":
        self.sides.place(self.id, shares, **other)
        self.wait(Accepted)
        return self

    def fill(self, number: int, shares: int, **other) -> None:
        self.desk.fill(self.id, f"{self.prefix}{number}", shares, **other)

    def heard(self, kind) -> list:
        return [
            one
            for one in self.sides.listener.heard
            if isinstance(one.report, kind) and self._mine(one.report)
        ]

    def _mine(self, report) -> bool:
        return getattr(report, "order", None) == self.id or getattr(report, "execution", "").startswith(
            self.prefix
        )

    def wait(self, kind, count: int = 1) -> list:
        heard = eventually(lambda: len(found := self.heard(kind)) >= count and found)
        return [one.report for one in heard]


@pytest.fixture(scope="module")
def script() -> Script:
    return Script()


@pytest.fixture(scope="module")
def line(tmp_path_factory, script):
    sides = Sides(tmp_path_factory.mktemp("fix"), script=script).start()
    yield sides
    sides.close()


@pytest.fixture
def order(line, script):
    script.change = None
    yield Order(line, script)
    script.change = None


# --- what becomes of an order ------------------------------------------------------------------------------------------------


def test_a_fill_arrives_with_its_price_fee_and_settlement_day_to_the_unit(order):
    order.place()
    order.fill(1, 40, price=180 * DOLLAR + 123_456_789, complete=False)
    order.fill(2, 60, complete=True)
    first, second = order.wait(Filled, 2)
    assert first == Filled(
        order=order.id, execution=f"{order.prefix}1", symbol="NVDA", side=Side.BID, shares=40 * SHARE,
        price=180 * DOLLAR + 123_456_789, fee=3 * CENT, complete=False, settles=SETTLES, traded_ns=TRADED_NS,
    )  # fmt: skip
    assert (second.shares, second.complete) == (60 * SHARE, True)


def test_a_rejected_order_is_rejected_with_the_brokers_reason(order):
    order.place()
    order.desk.reject(order.id, "no borrow")
    (rejected,) = order.wait(Rejected)
    assert rejected.reason == "no borrow"


def test_a_part_is_filled_and_the_rest_cancelled(order):
    order.place()
    order.fill(1, 40)
    order.sides.cancel(order.id)
    eventually(lambda: CancelOrder(order=order.id) in order.desk.asked)
    order.desk.cancel(order.id)
    (cancelled,) = order.wait(Cancelled)
    assert cancelled.asked
    assert [fill.shares for fill in order.wait(Filled)] == [40 * SHARE]


def test_a_cancel_that_comes_too_late_leaves_the_order_as_it_was(order):
    order.place()
    order.sides.cancel(order.id)
    eventually(lambda: CancelOrder(order=order.id) in order.desk.asked)
    order.desk.refuse_cancel(order.id, "too late")
    (refused,) = order.wait(CancelRefused)
    assert refused.reason == "too late"
    order.desk.cancel(order.id, asked=False, reason="the day is over")
    (cancelled,) = order.wait(Cancelled)
    assert not cancelled.asked


def test_a_replaced_order_is_replaced_again_and_cancelled_under_the_id_it_works_as(order):
    order.place()
    asked = []
    for attempt, shares in ((1, 80), (2, 60)):
        order.sides.broker.send(
            ReplaceOrder(order=order.id, shares=shares * SHARE, limit=182 * DOLLAR, attempt=attempt)
        )
        asked = eventually(
            lambda attempt=attempt: len(found := [
                one for one in order.desk.asked if isinstance(one, ReplaceOrder) and one.order == order.id
            ]) == attempt and found
        )  # fmt: skip
        order.desk.replaced(asked[-1])
        replaced = order.wait(Replaced, attempt)[-1]
        assert (replaced.order, replaced.shares, replaced.limit) == (order.id, shares * SHARE, 182 * DOLLAR)
    order.sides.cancel(order.id)
    eventually(
        lambda: any(isinstance(one, CancelOrder) and one.order == order.id for one in order.desk.asked)
    )
    order.desk.cancel(order.id)
    order.wait(Cancelled)


def test_dollars_become_whole_shares_with_fees_at_most_where_the_broker_takes_no_dollars(tmp_path):
    sides = Sides(tmp_path, fee_rate="10 bps", fee_per_share="0.01").start()
    try:
        sides.place("N-1", 0, dollars=18_200 * 10**6, limit=181 * DOLLAR)
        (accepted,) = sides.listener.wait(Accepted)
        assert accepted.order == "N-1"
        assert sides.desk.orders["N-1"].shares == 100 * SHARE  # 18,200 / (181 x 1.001 + 0.01) = 100.44
        sides.place("N-2", 0, dollars=181 * 10**6, limit=181 * DOLLAR)
        (rejected,) = sides.listener.wait(Rejected)
        assert "less than the least" in rejected.reason
        assert "N-2" not in sides.desk.orders
    finally:
        sides.close()


# --- what brokers do wrong -----------------------------------------------------------------------------------------------------


def test_an_execution_told_twice_has_one_key(order):
    order.script.change = lambda frame: [frame, frame._replace(poss_resend=True)]
    order.place()
    order.fill(1, 40)
    order.wait(Filled, 2)
    assert len({one.key for one in order.heard(Filled)}) == 1


def test_one_id_for_two_executions_is_told_as_two(order):
    def twice(frame: Frame) -> list[Frame]:
        if frame.text(Tag.EXEC_ID) != f"{order.prefix}1":
            return [frame]
        return [frame, frame._replace(fields={**frame.fields, Tag.LAST_QTY: "41"})]

    order.script.change = twice
    order.place()
    order.fill(1, 40)
    assert [fill.shares for fill in order.wait(Filled, 2)] == [40 * SHARE, 41 * SHARE]
    assert len({one.key for one in order.heard(Filled)}) == 2


def test_an_order_ended_by_the_broker_was_not_asked_for(order):
    order.place()
    order.desk.cancel(order.id, asked=False, reason="risk desk")
    (cancelled,) = order.wait(Cancelled)
    assert (cancelled.asked, cancelled.reason) == (False, "risk desk")


def test_a_fill_behind_the_end_of_its_order_is_told(order):
    order.place()
    order.sides.cancel(order.id)
    eventually(lambda: CancelOrder(order=order.id) in order.desk.asked)
    order.desk.cancel(order.id)
    order.wait(Cancelled)
    order.fill(1, 25)
    (late,) = order.wait(Filled)
    assert late.shares == 25 * SHARE


def test_more_than_was_ordered_is_told_as_it_is(order):
    order.place(100)
    order.fill(1, 150, complete=True)
    (fill,) = order.wait(Filled)
    assert fill.shares == 150 * SHARE


@pytest.mark.parametrize("wrong", [{"symbol": "AMD"}, {"side": Side.ASK}], ids=["symbol", "side"])
def test_a_fill_of_another_stock_or_side_is_told_as_the_broker_says(order, wrong):
    order.place()
    order.fill(1, 10, **wrong)
    (fill,) = order.wait(Filled)
    assert (fill.symbol, fill.side) == (wrong.get("symbol", "NVDA"), wrong.get("side", Side.BID))


def test_a_fill_of_an_order_that_nobody_sent_names_none(order):
    before = len(order.sides.listener.of(Filled))
    order.desk.fill("X-1", f"{order.prefix}1", 10)
    fill = order.sides.listener.wait(Filled, before + 1)[-1]
    assert (fill.order, fill.execution) == ("", f"{order.prefix}1")


def test_a_bust_and_corrections_of_corrections_name_the_first_execution(order):
    order.place()
    order.fill(1, 40)
    order.fill(2, 60, complete=True)
    order.desk.bust(f"{order.prefix}1")
    order.desk.correct(f"{order.prefix}2", 55, 179 * DOLLAR)
    (bust,) = order.wait(Busted)
    (corrected,) = order.wait(Corrected)
    assert bust.execution == f"{order.prefix}1"
    assert (corrected.execution, corrected.shares, corrected.price) == (
        f"{order.prefix}2",
        55 * SHARE,
        179 * DOLLAR,
    )
    correction = f"m{len(order.desk.log) - 1}"  # the correction's own id

    def of_it(frame: Frame) -> list[Frame]:
        return [frame._replace(fields={**frame.fields, Tag.EXEC_REF_ID: correction})]

    order.script.change = of_it
    order.desk.correct(f"{order.prefix}2", 50, 179 * DOLLAR)
    assert order.wait(Corrected, 2)[-1].execution == f"{order.prefix}2"


@pytest.mark.parametrize(
    ("tag_named", "said"),
    [(Tag.LAST_PX, None), (Tag.LAST_PX, "abc"), (Tag.LAST_QTY, "-5"), (Tag.SETTL_DATE, "soon"), (Tag.SIDE, "5")],
)  # fmt: skip
def test_a_fill_that_can_not_be_read_is_kept_as_it_came_and_the_session_goes_on(order, tag_named, said):
    def spoiled(frame: Frame) -> list[Frame]:
        if frame.text(Tag.EXEC_ID) != f"{order.prefix}1" or frame.poss_resend:
            return [frame]
        fields = {key: value for key, value in frame.fields.items() if key != tag_named}
        return [frame._replace(fields=fields if said is None else {**fields, tag_named: said})]

    broker = order.sides.broker
    before = broker.values()["refused"]
    order.script.change = spoiled
    order.place()
    order.fill(1, 40)
    eventually(lambda: broker.values()["refused"] > before)
    assert str(int(tag_named)) in str(broker.values()["last_error"])
    order.fill(2, 60, complete=True)
    fills = order.wait(Filled, 2)
    assert {fill.execution for fill in fills} == {
        f"{order.prefix}1",
        f"{order.prefix}2",
    }  # its state was asked: it came again, whole
    assert broker.values()["failed"] == 0


@pytest.mark.parametrize(
    "frame",
    [
        Frame(Kind.BUSINESS_MESSAGE_REJECT, {Tag.REF_MSG_TYPE: "D", Tag.BUSINESS_REJECT_REASON: "0", Tag.REF_SEQ_NUM: "9999"}),
        Frame(Kind.ORDER_CANCEL_REJECT, {Tag.ORDER_ID: "B", Tag.CL_ORD_ID: "X", Tag.ORIG_CL_ORD_ID: "Y", Tag.ORD_STATUS: "0", Tag.CXL_REJ_RESPONSE_TO: "1"}),
        Frame(Kind.NEW_ORDER_SINGLE, {Tag.CL_ORD_ID: "X", Tag.SIDE: "1", Tag.TRANSACT_TIME: "20261127-10:00:00", Tag.ORD_TYPE: "2"}),
    ],
    ids=["a refusal of nothing", "a refusal of nobody's cancel", "an order to us"],
)  # fmt: skip
def test_a_message_that_nobody_expects_is_kept_and_ends_nothing(order, frame):
    broker = order.sides.broker
    before = broker.values()["refused"]
    order.sides.acceptor.say(order.sides.venue, frame)
    eventually(lambda: broker.values()["refused"] == before + 1)
    order.place()
    assert broker.values()["failed"] == 0


def test_an_order_that_the_exchange_can_not_take_is_rejected(order):
    def down(_instruction) -> None:
        raise LineDown("the exchange's line is down")

    order.desk.send, real = down, order.desk.send
    try:
        order.sides.place(order.id)
        (rejected,) = order.wait(Rejected)
        assert "line is down" in rejected.reason
    finally:
        order.desk.send = real


# --- said twice, said to nobody --------------------------------------------------------------------------------------------------


def test_an_order_said_again_before_any_answer_is_one_order_and_no_refusal(order):
    order.desk.takes = False
    try:
        asked = order.sides.place(order.id)
        eventually(lambda: order.id in order.desk.orders)
        order.sides.broker.send(asked)
        order.wait(Accepted)  # the second was refused as a repeat, which tells nothing: the state was asked
        assert not order.heard(Rejected)
        assert order.desk.taken(order.id) == 1
    finally:
        order.desk.takes = True


def test_another_order_under_a_used_id_does_not_leave(order):
    order.place()
    with pytest.raises(DataError, match="another order's"):
        order.sides.place(order.id, 7)


def test_an_order_is_asked_for_in_every_state(order):
    order.sides.ask(order.id)
    order.wait(NotKnown)
    order.place()
    order.sides.ask(order.id, 2)
    order.wait(Accepted, 2)
    order.fill(1, 100, complete=True)
    order.wait(Filled)
    order.sides.ask(order.id, 3)
    order.wait(Filled, 2)
    assert len({one.key for one in order.heard(Filled)}) == 1


# --- lines -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def spoiled(tmp_path):
    """A line of its own through a proxy."""
    sides = Sides(tmp_path)
    proxy = Proxy(sides.port)
    sides.use(proxy.port)
    yield sides.start(), proxy
    proxy.close()
    sides.close()


def executions(listener: Listener) -> list[str]:
    """The executions as they came, each once."""
    return list(dict.fromkeys(fill.execution for fill in listener.of(Filled)))


def test_a_line_cut_in_the_middle_of_fills_tells_them_all_before_it_is_up(spoiled):
    sides, proxy = spoiled
    sides.place()
    sides.listener.wait(Accepted)

    def cut(way: str, message: bytes) -> list[bytes]:
        if way == "in" and tag(message, 17) == "E2":
            raise Proxy.Cut
        return [message]

    proxy.spoil = cut
    sides.desk.fill("N-1", "E1", 10)
    sides.desk.fill("N-1", "E2", 10)
    sides.listener.wait(LineLost)
    with pytest.raises(LineDown):
        sides.place("N-2")
    sides.desk.fill("N-1", "E3", 10)
    sides.desk.fill("N-1", "E4", 70, complete=True)
    proxy.spoil = None
    sides.listener.wait(LineUp, 2)
    assert executions(sides.listener) == ["E1", "E2", "E3", "E4"]
    kinds = [type(report) for report in sides.listener.reports]
    assert kinds[: kinds.index(LineLost)].count(LineUp) == 1
    assert max(i for i, kind in enumerate(kinds) if kind is Filled) < len(kinds) - 1 - kinds[::-1].index(
        LineUp
    )
    assert "N-2" not in sides.desk.orders


def test_a_message_that_is_lost_is_asked_for_again_and_the_order_of_all_is_kept(spoiled):
    sides, proxy = spoiled
    sides.place()
    sides.listener.wait(Accepted)
    lost = []

    def drop(way: str, message: bytes) -> list[bytes]:
        if way == "in" and tag(message, 17) == "E2" and not lost:
            lost.append(message)
            return []
        return [message]

    proxy.spoil = drop
    for number in (1, 2, 3, 4):
        sides.desk.fill("N-1", f"E{number}", 25, complete=number == 4)
    sides.listener.wait(Filled, 4)
    assert executions(sides.listener) == ["E1", "E2", "E3", "E4"]
    assert any(tag(message, 35) == "2" for way, message in proxy.passed if way == "out")
    assert any(
        tag(message, 43) == "Y" and tag(message, 17) == "E2" for way, message in proxy.passed if way == "in"
    )


def test_messages_out_of_order_are_put_in_order(spoiled):
    sides, proxy = spoiled
    sides.place()
    sides.listener.wait(Accepted)
    held = []

    def swap(way: str, message: bytes) -> list[bytes]:
        if way == "in" and tag(message, 17) == "E1" and not held:
            held.append(message)
            return []
        if way == "in" and tag(message, 17) == "E2":
            return [message, *held]
        return [message]

    proxy.spoil = swap
    for number in (1, 2, 3):
        sides.desk.fill("N-1", f"E{number}", 25)
    sides.listener.wait(Filled, 3)
    assert executions(sides.listener) == ["E1", "E2", "E3"]


def test_a_message_that_the_session_says_again_counts_once(spoiled):
    sides, proxy = spoiled
    sides.place()
    sides.listener.wait(Accepted)
    proxy.spoil = lambda way, message: (
        [message, again(message)] if way == "in" and tag(message, 17) == "E1" else [message]
    )
    sides.desk.fill("N-1", "E1", 25)
    sides.desk.fill("N-1", "E2", 25)
    sides.listener.wait(Filled, 2)
    assert [fill.execution for fill in sides.listener.of(Filled)] == ["E1", "E2"]
    assert any(tag(message, 43) == "Y" for _, message in proxy.passed)


def test_a_message_doubled_by_the_line_ends_the_session_and_nothing_is_doubled(spoiled):
    sides, proxy = spoiled
    sides.place()
    sides.listener.wait(Accepted)
    proxy.spoil = lambda way, message: (
        [message, message] if way == "in" and tag(message, 17) == "E1" else [message]
    )
    sides.desk.fill("N-1", "E1", 25)
    sides.listener.wait(
        LineLost
    )  # a number below the expected one, and not as a repeat: the standard wants the session ended
    proxy.spoil = None
    sides.listener.wait(LineUp, 2)
    sides.desk.fill("N-1", "E2", 75, complete=True)
    eventually(lambda: "E2" in executions(sides.listener))
    assert executions(sides.listener) == ["E1", "E2"]
    assert len({one.key for one in sides.listener.heard if isinstance(one.report, Filled)}) == 2


def test_an_order_lost_on_the_line_is_not_known_and_is_never_said_again_by_itself(spoiled):
    sides, proxy = spoiled

    def lose(way: str, message: bytes) -> list[bytes]:
        if way == "out" and tag(message, 35) == "D":
            raise Proxy.Cut
        return [message]

    proxy.spoil = lose
    asked = sides.place()
    sides.listener.wait(LineLost)
    proxy.spoil = None
    sides.listener.wait(LineUp, 2)
    (unknown,) = sides.listener.of(NotKnown)  # told before the line was up, without being asked
    assert unknown.order == "N-1"
    assert not sides.desk.asked
    sides.broker.send(asked)
    sides.listener.wait(Accepted)
    assert sides.desk.taken("N-1") == 1


def test_an_order_taken_whose_answer_was_lost_is_not_a_second_order(spoiled):
    sides, proxy = spoiled

    def lose(way: str, message: bytes) -> list[bytes]:
        if way == "in" and tag(message, 35) == "8":
            raise Proxy.Cut
        return [message]

    proxy.spoil = lose
    asked = sides.place()
    sides.listener.wait(LineLost)
    proxy.spoil = None
    sides.listener.wait(LineUp, 2)
    assert not sides.listener.of(NotKnown)
    assert sides.listener.of(Accepted)
    proxy.passed.clear()
    sides.broker.send(asked)
    sides.ask("N-1", 5)
    sides.listener.wait(Accepted, 3)
    assert sides.desk.taken("N-1") == 1
    assert "D" not in [tag(message, 35) for way, message in proxy.passed if way == "out"]


def test_what_could_not_be_kept_comes_again_though_the_session_had_counted_it(spoiled):
    sides, _ = spoiled
    sides.place()
    sides.listener.wait(Accepted)
    sides.listener.fails = 3
    for number in (1, 2, 3):
        sides.desk.fill("N-1", f"E{number}", 25)
    sides.listener.wait(Filled, 3)
    assert executions(sides.listener) == ["E1", "E2", "E3"]
    assert "the disk is full" in str(sides.broker.values()["last_error"])
    sides.listener.wait(LineUp, 2)


def test_who_sends_and_hears_under_one_lock_is_never_stuck_when_the_line_is_cut(spoiled):
    sides, proxy = spoiled
    lock = threading.Lock()
    heard = sides.listener.heard

    def hear(one) -> None:
        with lock:
            heard.append(one)

    down = sides.broker.down

    def slowly_down(reason: str) -> None:
        time.sleep(0.2)  # who sends now waits for the session's lock
        down(reason)

    sides.broker._hear, sides.broker.down = hear, slowly_down

    def send_until_it_is_cut() -> None:
        for attempt in itertools.count(1):
            with lock:
                sides.ask("N-1", attempt)

    def sending() -> None:
        with contextlib.suppress(LineDown):
            send_until_it_is_cut()

    for cuts in range(1, 4):
        sender = threading.Thread(target=sending, daemon=True)
        sender.start()
        time.sleep(0.05)
        proxy.cut()
        sender.join(10)
        assert not sender.is_alive()
        sides.listener.wait(LineLost, cuts)
        sides.listener.wait(LineUp, cuts + 1)


def test_who_listens_from_further_back_is_told_from_there(tmp_path):
    sides = Sides(tmp_path).start()
    try:
        sides.place()
        sides.desk.wait(NewOrder)
        for number in (1, 2, 3):
            sides.desk.fill("N-1", f"E{number}", 25)
        sides.listener.wait(Filled, 3)
        first = next(one for one in sides.listener.heard if isinstance(one.report, Filled))
        sides.broker.close()
        sides.desk.fill("N-1", "E4", 25, complete=True)
        behind = Listener()
        sides.broker = FixBroker(sides.settings, tmp_path / "venue")
        sides.broker.open(behind, first.cursor)
        behind.wait(LineUp)
        assert executions(behind) == ["E2", "E3", "E4"]
    finally:
        sides.close()


def test_an_exchange_that_starts_again_goes_on_with_the_session(tmp_path):
    sides = Sides(tmp_path).start()
    try:
        sides.place()
        sides.listener.wait(Accepted)
        sides.acceptor.close()
        sides.listener.wait(LineLost)
        sides.desk.fill("N-1", "E1", 40)
        sides.restart_exchange()
        sides.listener.wait(LineUp, 2)
        sides.desk.fill("N-1", "E2", 60, complete=True)
        eventually(lambda: "E2" in executions(sides.listener))
        assert executions(sides.listener) == ["E1", "E2"]
    finally:
        sides.close()


def test_numbers_that_begin_again_lose_no_fill_of_an_order_that_is_open(tmp_path):
    sides = Sides(tmp_path, reset_on_logon=True).start()
    try:
        sides.place()
        sides.listener.wait(Accepted)
        sides.acceptor.cut(sides.venue)
        sides.desk.fill("N-1", "E1", 40)  # its message goes with the numbers
        sides.listener.wait(LineUp, 2)
        assert executions(sides.listener) == ["E1"]
    finally:
        sides.close()


def test_a_fill_that_the_broker_never_tells_is_asked_for_once_and_then_said_to_be_missing(tmp_path):
    script = Script()
    script.change = lambda frame: [] if frame.text(Tag.EXEC_ID) == "E2" else [frame]
    sides = Sides(tmp_path, script=script).start()
    try:
        sides.place()
        sides.listener.wait(
            Accepted
        )  # the exchange has it: a fill that comes before would name nobody's order
        sides.desk.fill("N-1", "E1", 40)
        sides.desk.fill("N-1", "E2", 20)
        sides.listener.wait(Filled)
        sides.ask()  # 60 are done and 40 were told: the whole session is said again, and that does not help
        sides.listener.wait(LineUp, 2)
        eventually(lambda: "never told what it did" in str(sides.broker.values()["last_error"]))
        sides.ask(attempt=2)
        eventually(lambda: sides.broker.values()["refused"] >= 2)
        assert len(sides.listener.of(LineUp)) == 2
        assert executions(sides.listener) == ["E1"]
        script.change = None
        sides.ask(attempt=3)
        eventually(lambda: executions(sides.listener) == ["E1", "E2"])
    finally:
        sides.close()


# --- who may speak -----------------------------------------------------------------------------------------------------------------


def test_a_password_is_asked_for_and_stands_in_no_file(tmp_path):
    sides = Sides(tmp_path, password_env="FIX_PASSWORD", username="novate")
    sides.acceptor = FixAcceptor(
        AcceptorSettings(
            port=sides.port,
            exchange=sides.exchange,
            clients=(Client(id=sides.venue, password="open sesame"),),
        ),
        tmp_path / "exchange",
        {sides.venue: Desk()},
    )
    said = ["a wrong one"]
    sides.broker = FixBroker(sides.settings, tmp_path / "venue", password=lambda: said[0])
    sides.acceptor.start()
    try:
        sides.broker.open(sides.listener)
        log = tmp_path / "venue" / "messages.log"
        eventually(lambda: "password is not" in log.read_text())
        assert not sides.listener.heard
        said[0] = "open sesame"
        sides.listener.wait(LineUp)
    finally:
        sides.close()
    for path in (tmp_path / "venue").iterdir():
        assert b"sesame" not in path.read_bytes(), path
    assert (tmp_path / "venue").stat().st_mode & 0o077 == 0


def test_a_password_that_is_not_there_is_said_at_the_start(tmp_path):
    sides = Sides(tmp_path, password_env="FIX_PASSWORD")
    with pytest.raises(ConfigError, match="no password in FIX_PASSWORD"):
        sides.broker.open(sides.listener)


def test_a_session_is_one_process_s(line):
    other = FixBroker(line.settings, line.home / "venue")
    with pytest.raises(DataError, match="One process runs a FIX session"):
        other.open(Listener())


def test_a_session_that_is_open_is_not_opened_again(line):
    with pytest.raises(ConfigError, match="open already"):
        line.broker.open(Listener())


def test_asking_and_sending_on_a_closed_session_is_refused(tmp_path):
    sides = Sides(tmp_path)
    with pytest.raises(LineDown):
        sides.broker.send(AskOrder(order="N-1"))
