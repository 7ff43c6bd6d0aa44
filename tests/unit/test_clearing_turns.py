"""Single turns of the clearing worker that went wrong once: each is told as a scene with the real engine and, where it needs one, the exchange."""

import sqlite3

import pytest

from clearing_world import ALICE, MICRO, Counting, World
from novate.broker import (
    Accepted,
    AskOrder,
    Cancelled,
    CancelOrder,
    Heard,
    LineDown,
    LineLost,
    LineUp,
    NewOrder,
    NotKnown,
)
from novate.clearing.life import State
from novate.clearing.outbox import Outbox
from novate.clearing.words import Deliver, Ended
from novate.messages import RequestIssuance, RequestReserved
from novate.messages.codes import RequestState as S
from novate.messages.reports import clearing as questions

answer = Counting.send


@pytest.fixture
def world(tmp_path):
    found = World(tmp_path)
    found.turn()
    yield found
    found.close()


def issue(world: World, dollars: int = 20_000) -> int:
    world.references += 1
    events = world.say(
        RequestIssuance(token=world.token, amount=dollars * MICRO, reference=world.references), account=ALICE
    )
    return next(event.request for event in events if isinstance(event, RequestReserved))


def state(world: World, request: int) -> S:
    return S(next(one.state for one in questions.requests(world.engine, ALICE) if one.request == request))


def turn_until(world: World, true, most: int = 60) -> None:
    for _ in range(most):
        if true():
            return
        world.turn()
    raise AssertionError("it did not come about")


def said(world: World, report, key: str = "", broker: int = 1) -> None:
    world.outbox.hear(broker, Heard(report, key, "", b"", world.now))


# --- kills -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nth", range(1, 6))
def test_a_word_that_was_told_and_not_marked_still_moves_its_order_on(world, nth, monkeypatch):
    """The engine tells of tokens issued for any fill: that proves nothing of what became of the order. A broker need not tell of it again."""
    monkeypatch.setattr(Counting, "send", lambda self, one: isinstance(one, AskOrder) or answer(self, one))
    wish = issue(world)
    world.kill_at = "words told", nth
    turn_until(world, lambda: state(world, wish) == S.FILLED)
    for _ in range(10):
        world.turn()
    orders = world.outbox.orders(State)
    assert orders and {one.state for one in orders} <= {State.DONE, State.RETURNED}
    assert world.outbox.refused() == []
    world.sound()


# --- an order's life -------------------------------------------------------------------------------------------------------


def test_an_order_that_lives_after_it_went_elsewhere_is_ended_at_its_broker(world):
    for broker in world.brokers.values():
        broker.close()
    said_to = []
    issue(world)
    world._hear()
    (order,) = world.outbox.orders()
    world.worker._give_back(order, world.now, wanted=True)
    world.brokers[1].send = said_to.append
    world.safe_tell()
    assert world.outbox.order(order.id).state == State.RETURNED
    said(world, Accepted(order=order.id, broker_order="b"), "k1", order.broker)
    world.safe_tell()
    assert world.outbox.order(order.id).state == State.WORKING
    assert [one.order for one in said_to if isinstance(one, CancelOrder)] == [order.id]


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("report", [Accepted, Cancelled])
def test_a_person_ends_a_disputed_order_and_its_broker_spoke_meanwhile(world, monkeypatch, report, before):
    """Whichever word is first: the service lives, the broker's word counts, and the person sees that theirs came too late."""
    monkeypatch.setattr(world.floor, "advance", lambda _: None)
    issue(world)
    turn_until(world, lambda: world.outbox.orders((State.LEAVING, State.WORKING)), 4)
    (order,) = world.outbox.orders()
    said(world, Accepted(order=order.id, broker_order="b"), "k1", order.broker)
    world.safe_tell()
    world.outbox.asking(order)
    said(world, NotKnown(order=order.id), "k2", order.broker)
    world.safe_tell()
    assert world.outbox.order(order.id).state == State.DISPUTED
    again = (
        Accepted(order=order.id, broker_order="b")
        if report is Accepted
        else Cancelled(order=order.id, asked=False)
    )
    if before:
        said(world, again, "k3", order.broker)
    world.outbox.say(f"ended:{order.id}", Ended(order=order.id, by="somebody"), world.now)
    if not before:
        said(world, again, "k3", order.broker)
    world.safe_tell()
    assert world.outbox.waiting() == []
    late = [one.word for one, _ in world.outbox.refused()]
    assert late == ([Ended(order=order.id, by="somebody")] if before else [])
    ends = report is Cancelled or not before
    assert world.outbox.order(order.id).state == (State.DONE if ends else State.WORKING)


# --- lines -----------------------------------------------------------------------------------------------------------------


def reachable(world: World) -> list[bool]:
    return [one.reachable for one in questions.brokers(world.engine)]


def test_one_failed_send_does_not_take_a_broker_out(world, monkeypatch):
    """An adapter may say so for one failed call while it stands: no word of the line follows."""
    failed = []

    def once(self, instruction):
        if not failed and isinstance(instruction, NewOrder):
            failed.append(instruction.order)
            raise LineDown("one call failed")
        return answer(self, instruction)

    monkeypatch.setattr(Counting, "send", once)
    wish = issue(world)
    turn_until(world, lambda: state(world, wish) == S.FILLED)
    assert [one.id for one in world.outbox.orders(State)] == failed  # the same order, a little later
    assert reachable(world) == [True, True]


def test_an_order_that_never_leaves_is_given_back_though_it_is_tried_again_and_again(world, monkeypatch):
    def never(self, instruction):
        if isinstance(instruction, NewOrder) and self is world.brokers[1]:
            raise LineDown("no call comes through")
        return answer(self, instruction)

    monkeypatch.setattr(Counting, "send", never)
    wish = issue(world)
    turn_until(world, lambda: state(world, wish) == S.FILLED)
    assert [(one.broker, one.state) for one in world.outbox.orders(State)] == [
        (1, State.RETURNED),
        (2, State.DONE),
    ]


def test_a_question_that_did_not_leave_is_asked_again_on_the_same_line(world, monkeypatch):
    asked = []

    def second(self, instruction):
        if isinstance(instruction, AskOrder):
            asked.append(instruction.order)
            if len(asked) == 1:
                raise LineDown("one call failed")
        return answer(self, instruction)

    monkeypatch.setattr(world.floor, "advance", lambda _: None)
    issue(world)
    issue(world)
    turn_until(world, lambda: len(world.outbox.orders((State.LEAVING, State.WORKING))) == 2, 4)
    monkeypatch.setattr(Counting, "send", second)
    said(world, LineUp())
    for _ in range(3):
        world.turn()
    ids = [one.id for one in world.outbox.orders()]
    assert sorted(asked) == sorted([*ids, asked[0]])


def test_a_line_that_came_up_before_it_was_missed_is_not_lost(world, monkeypatch):
    """The core was slow: that the line is up waits to be told when its patience is over."""
    world.die()
    slow = []
    submit = World.cut
    monkeypatch.setattr(World, "cut", lambda self, *what: None if slow else submit(self, *what))
    slow.append(True)
    for _ in range(4):
        world.turn()
    slow.clear()
    for _ in range(3):
        world.turn()
    assert reachable(world) == [True, True]
    wish = issue(world)
    turn_until(world, lambda: state(world, wish) == S.FILLED)


def test_a_line_of_which_nothing_is_heard_is_lost_once(world, monkeypatch):
    monkeypatch.setattr(Counting, "open", lambda *_: None)
    monkeypatch.setattr(Counting, "close", lambda *_: None)
    world.die()
    for _ in range(4):
        world.turn()
    assert reachable(world) == [False, False]
    assert world.outbox.waiting() == []
    said(world, LineUp(), broker=2)
    world.turn()
    assert reachable(world) == [False, True]
    assert not world.outbox.miss_line(2, LineLost(reason="again"), world.now)


# --- the outbox ------------------------------------------------------------------------------------------------------------


class FullDisk:
    """A database whose commit fails once."""

    def __init__(self, db) -> None:
        self.db, self.fails = db, 1

    def __getattr__(self, name: str):
        return getattr(self.db, name)

    def execute(self, statement: str, *values):
        if statement == "commit" and self.fails:
            self.fails -= 1
            raise sqlite3.OperationalError("disk I/O error")
        return self.db.execute(statement, *values)


def test_after_a_commit_that_failed_the_next_one_counts(tmp_path):
    with Outbox(tmp_path) as outbox:
        outbox._db = FullDisk(outbox._db)
        with pytest.raises(sqlite3.OperationalError):
            outbox.say("one", Deliver(request=1), 1)
        assert outbox.waiting() == []
        assert outbox.say("two", Deliver(request=2), 1)
        outbox._db = outbox._db.db
    with Outbox(tmp_path) as outbox:
        assert [one.word for one in outbox.waiting()] == [Deliver(request=2)]
