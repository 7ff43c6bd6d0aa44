"""An outbox that came back from a copy: what it says may be long over, so nothing leaves and nothing is told a second time because of it."""

import pytest

from novate.broker import Corrected, NewOrder
from novate.broker.port import Heard
from novate.clearing.life import Event, State
from novate.clearing.outbox import FILE, FOLDER, Outbox
from novate.clearing.restored import of_the_past
from novate.clearing.words import Deliver, InKind
from novate.errors import DataError
from novate.messages.codes import Side

JOURNAL = b"j" * 32


def an_order(outbox, number):
    said = NewOrder(order=f"X-{number}", symbol="NVDA", side=Side.BID, shares=0, dollars=10**9, limit=10**9)
    with outbox.heard_until(number, JOURNAL):
        outbox.add_order(said, number, 1, request=1, purpose=0, token=7, underlying=7, now_ns=number)
    return outbox.order(said.order)


def test_what_may_have_left_or_been_told_waits_for_the_broker_or_a_person(tmp_path):
    with Outbox(tmp_path) as outbox:
        an_order(outbox, 1)
        outbox.hand_over(an_order(outbox, 2), 1)
        an_order(outbox, 3)
        outbox.over({}, {}, [("X-3", Event.ALIVE)], [], 1)
        an_order(outbox, 4)
        outbox.over({}, {}, [("X-4", Event.END)], [], 1)
        outbox.hear(1, Heard(Corrected(execution="e", shares=1, price=1), "k1", "c1", b"", 1))
        outbox.say("in-kind:1", InKind(request=1, shares=1, by="b"), 1)
        outbox.say("deliver:1", Deliver(request=1), 1)
        outbox.telling([outbox.waiting()[1].row])
    for _ in range(2):  # the same again changes nothing
        of_the_past(tmp_path)
        with Outbox(tmp_path) as outbox:
            assert outbox.place[:2] == (b"", 0)
            states = [outbox.order(f"X-{number}").state for number in (1, 2, 3, 4)]
            assert states == [State.WORKING, State.WORKING, State.WORKING, State.DONE]
            assert [one.word for one in outbox.waiting()] == [Deliver(request=1)]
            assert {type(one.word) for one, _ in outbox.refused()} == {Corrected, InKind}
            assert outbox.cursor(1) == "c1"
    with Outbox(tmp_path) as outbox:  # the broker never had it: a person says whether it is over
        outbox.asking(outbox.order("X-1"))
        outbox.over({}, {}, [("X-1", Event.NOT_KNOWN)], [], 2)
        assert outbox.order("X-1").state == State.DISPUTED


def test_a_home_without_an_outbox_is_left_alone_and_what_is_none_is_named(tmp_path):
    of_the_past(tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / FILE).write_bytes(b"no database at all, but long enough to be looked at" * 20)
    with pytest.raises(DataError, match=r"outbox\.db can't be used"):
        of_the_past(tmp_path)
