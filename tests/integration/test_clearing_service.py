"""The clearing service on a venue of real processes, with two brokers: every wish is done once, whatever is killed when."""

import signal
import threading
import time

import pytest

from clearings import ALICE, MICRO, ONE, TWO, cleared
from gateways import eventually
from novate.broker import Accepted, Filled
from novate.clearing.outbox import Outbox
from novate.clearing.service import STEPS
from novate.core_process import CoreClient, CoreGone
from novate.messages import (
    CancelRequest,
    FirmPriceGiven,
    FundTreasury,
    RequestConversion,
    RequestFirmPrice,
    Session,
    iter_events,
)
from novate.messages.codes import CapacityTerm
from novate.messages.codes import RequestState as S
from novate.messages.reports import clearing as questions

ATTESTED = 500_000 * 10**9
"""Shares behind the tokens with which the venue begins."""


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    with cleared(tmp_path_factory.mktemp("clearing") / "home") as found:
        found.say(FundTreasury(asset=found.cash, amount=10**5 * MICRO))
        yield found


@pytest.fixture(autouse=True)
def honest(venue):
    """Brokers that fill at once; in the end nothing is missing and nothing is there twice."""
    venue.papers[ONE].set(mode="fill", price="100", down="0", closed="0", age_s="0", size="1000")
    venue.papers[TWO].set(mode="fill", price="100", down="0", closed="0", age_s="0", size="1000")
    yield
    if not venue.ended():
        with Outbox(venue.home) as outbox:
            eventually(lambda: not outbox.orders())  # every order is done, or was given back
        venue.stop()
    assert "ended 0" in venue.said or f"ended {-signal.SIGKILL}" in venue.said, venue.said
    venue.sound()
    eventually(lambda: in_books(venue) == at_brokers(venue), 5)
    for paper in venue.papers.values():
        sent = paper.heard("NewOrder")
        assert len(sent) == len(set(sent)), "an order left twice"


def at_brokers(venue) -> int:
    return sum(paper.shares() for paper in venue.papers.values())


def in_books(venue) -> int:
    """Shares that the books have at brokers, settled or not, less those attested at the start."""
    lines = [line for line in venue.ask(questions.supply) if line.token == venue.token]
    return sum(line.settled + line.bought - line.sold + line.house for line in lines) - ATTESTED


def house(venue) -> int:
    """Shares that nobody's token stands for."""
    return next(line.house for line in venue.ask(questions.supply) if line.token == venue.token)


def issued(venue, dollars: int = 1_000) -> int:
    """A request that was filled through the service."""
    request = venue.issue(dollars)
    venue.becomes(request, S.FILLED)
    return request


def last_execution(venue, broker: int = ONE) -> tuple[str, int]:
    return venue.papers[broker].rows("select id, shares from fills order by rowid desc limit 1")[0]


# --- the whole way -----------------------------------------------------------------------------------------------------


def test_from_the_click_to_the_token_and_back(venue):
    venue.clear()
    venue.can()
    began = time.monotonic()
    one = issued(venue)
    took_s = time.monotonic() - began
    found = venue.request(one)
    assert found.units > 0 and found.held == 0
    two = venue.redeem(1_500 * MICRO)  # more than the treasury has: shares are sold
    venue.becomes(two, S.FILLED)
    venue.papers[ONE].settle_all()
    venue.becomes(one, S.DELIVERED)
    venue.becomes(two, S.SETTLED, S.DELIVERED)
    assert took_s < 5


def test_a_firm_price_comes_from_the_book_and_says_nothing_where_it_can_not(venue):
    venue.papers[ONE].set(closed="1")
    venue.clear()
    eventually(lambda: all(one.reachable for one in venue.ask(questions.brokers)))
    venue.papers[ONE].set(closed="0")
    venue.can()
    with Prices(venue) as prices:
        venue.say(RequestFirmPrice(token=venue.token, direction=0, amount=1_000 * MICRO), account=ALICE)
        given = eventually(lambda: prices.given)[0]
        # 100.01 is the best offer; two basis points on top, and a little for its age
        assert 100.03 <= given.price / venue.one_dollar <= 100.06
        one = venue.issue(1_000, quote=given.quote)
        venue.becomes(one, S.FILLED)
        assert venue.request(one).price == given.price
        for flags, why in (({"age_s": "60"}, "old"), ({"age_s": "0", "size": "1"}, "thin")):
            venue.papers[ONE].set(**flags)
            venue.say(RequestFirmPrice(token=venue.token, direction=0, amount=1_500 * MICRO), account=ALICE)
            eventually(lambda why=why: venue.health()["unquoted"].get(why), 10)
        venue.papers[ONE].set(size="1000")
        assert len(prices.given) == 1


class Prices:
    """Hears firm prices."""

    def __init__(self, venue) -> None:
        self.client = CoreClient.connect(venue.home / "core.sock", events=True, timeout_s=None)
        self.given = []

    def __enter__(self):
        threading.Thread(target=self.hear, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.client.close()

    def hear(self) -> None:
        try:
            while True:
                told = self.client.receive()
                self.given += [e.body for e in iter_events(told.events, (FirmPriceGiven,))]
        except (CoreGone, OSError, ValueError):
            return


# --- brokers come and go -----------------------------------------------------------------------------------------------


def test_a_line_that_is_cut_holds_its_orders_and_the_other_broker_takes_the_next(venue):
    venue.papers[ONE].set(mode="hold")
    venue.clear()
    venue.can()
    held = venue.issue()
    venue.becomes(held, S.ROUTED)
    eventually(lambda: venue.papers[ONE].heard("NewOrder"))
    venue.papers[ONE].set(down="1")
    venue.becomes(held, S.UNKNOWN)
    assert venue.request(held).held > 0
    issued(venue)
    assert venue.papers[TWO].heard("NewOrder")
    venue.papers[ONE].set(down="0")
    venue.becomes(held, S.ROUTED)  # asked about, and the broker still has it
    venue.papers[ONE].fill(venue.papers[ONE].heard("NewOrder")[-1])
    venue.becomes(held, S.FILLED)


def test_an_order_that_never_left_goes_to_the_other_broker(venue):
    venue.clear()
    venue.can()
    venue.stop(signal.SIGKILL)
    before = len(venue.papers[ONE].heard("NewOrder"))
    waits = venue.issue()
    assert venue.request(waits).state == S.ROUTED
    venue.papers[ONE].set(down="1")
    venue.clear()
    venue.becomes(waits, S.FILLED)
    assert len(venue.papers[ONE].heard("NewOrder")) == before
    assert not {one.broker: one for one in venue.ask(questions.brokers)}[ONE].reachable
    venue.papers[ONE].set(down="0")
    eventually(lambda: {one.broker: one for one in venue.ask(questions.brokers)}[ONE].reachable)


def test_with_no_line_at_all_the_money_is_back(venue):
    venue.clear()
    venue.can()
    venue.stop(signal.SIGKILL)
    waits = venue.issue()
    for paper in venue.papers.values():
        paper.set(down="1")
    venue.clear()
    venue.becomes(waits, S.REJECTED)
    assert venue.request(waits).held == 0
    assert {line.binding for line in venue.ask(questions.capacity) if line.token == venue.token} == {
        CapacityTerm.BROKER
    }


def test_a_broker_that_refuses_is_passed_over(venue):
    venue.papers[ONE].set(mode="reject")
    venue.clear()
    venue.can()
    issued(venue)


def test_the_core_and_the_reader_come_back_and_nothing_is_missed(venue):
    venue.papers[ONE].set(mode="hold")
    venue.clear()
    venue.can()
    held = venue.issue()
    order = eventually(lambda: venue.papers[ONE].rows("select id from orders where state = 'working'"))[0][0]
    venue.kill("core")
    venue.papers[ONE].fill(order)
    time.sleep(0.3)
    venue.kill("reader")
    venue.start("core", "reader")
    venue.becomes(held, S.FILLED)


# --- killed at every step ------------------------------------------------------------------------------------------------


def fills(venue):
    venue.arm()
    wish = venue.issue()
    return lambda: venue.becomes(wish, S.FILLED)


def fills_by_and_by(venue):
    """Three reports, each told before the next one comes."""
    paper = venue.papers[ONE]
    paper.set(mode="hold")
    venue.arm()
    wish = venue.issue()
    (order,) = eventually(lambda: paper.rows("select id from orders where state = 'working'"))[-1]

    def told(kind: type) -> bool:
        with Outbox(venue.home) as outbox:
            found = outbox.order(order)
            heard = found.shares > 0 if kind is Filled else found.broker_order
            return venue.ended() or (heard and not outbox.waiting())

    eventually(lambda: told(Accepted))
    paper.fill(order, 2, complete=False)
    eventually(lambda: told(Filled))
    paper.fill(order)
    return lambda: venue.becomes(wish, S.FILLED)


def asks(venue):
    """An order that works while its line is cut and comes back."""
    paper = venue.papers[ONE]
    paper.set(mode="hold")
    wish = venue.issue()
    eventually(lambda: paper.rows("select id from orders where state = 'working'"))
    paper.set(down="1")
    venue.becomes(wish, S.UNKNOWN)
    venue.arm()
    paper.set(down="0")

    def done() -> None:
        venue.becomes(wish, S.ROUTED)
        paper.fill(paper.heard("NewOrder")[-1])
        venue.becomes(wish, S.FILLED)

    return done


def cancels(venue):
    venue.papers[ONE].set(mode="hold")
    wish = venue.issue()
    eventually(lambda: venue.papers[ONE].rows("select id from orders where state = 'working'"))
    venue.arm()
    venue.say(CancelRequest(request=wish), account=ALICE)
    return lambda: venue.becomes(wish, S.CANCELLED)


def corrects(venue):
    """More bought than was told: the one report that the engine would take twice."""
    issued(venue)
    execution, shares = last_execution(venue)
    before = house(venue)
    with Outbox(venue.home) as outbox:
        eventually(lambda: not outbox.waiting())
    venue.arm()
    venue.papers[ONE].correct(execution, shares + 10**9, 100 * 10**9)

    def done() -> None:
        # kept, or sold again in two parts; `honest` looks once more when no order is left
        eventually(lambda: in_books(venue) == at_brokers(venue) and house(venue) - before in (0, 10**9))

    return done


def converts(venue):
    before = {one.broker: one.dollars for one in venue.ask(questions.brokers)}[TWO]
    venue.arm()
    venue.say(RequestConversion(asset=venue.cash, broker=TWO, to_dollars=1, amount=1_000 * MICRO))

    def done() -> None:
        eventually(
            lambda: (
                {one.broker: one.dollars for one in venue.ask(questions.brokers)}[TWO] == before + 999_900_000
            )
        )

    return done


MOMENTS = [
    *((fills, "report kept", nth) for nth in (1, 2, 3)),
    *((fills, "events kept", nth) for nth in (1, 2)),
    *((fills_by_and_by, step, nth) for step in ("words told", "words over") for nth in (1, 2, 3)),
    (fills, "order leaving", 1),
    (fills, "order sent", 1),
    (asks, "asking", 1),
    (asks, "asked", 1),
    (cancels, "cancelling", 1),
    (cancels, "cancelled", 1),
    (corrects, "telling once", 1),
    (corrects, "words told", 1),
    (converts, "conversion sent", 1),
    (converts, "conversion ended", 1),
]


@pytest.mark.parametrize(
    ("scene", "step", "nth"), MOMENTS, ids=lambda value: getattr(value, "__name__", str(value))
)
def test_a_kill_at_any_step_loses_nothing_and_does_nothing_twice(venue, scene, step, nth):
    venue.clear(kill_at=step, nth=nth)
    venue.can()
    done = scene(venue)
    venue.died()
    venue.clear()
    done()


def test_a_kill_while_an_order_is_given_back(venue):
    venue.clear()
    venue.can()
    venue.stop(signal.SIGKILL)
    waits = venue.issue()
    venue.papers[ONE].set(down="1")
    venue.clear(kill_at="given back", armed=True)
    venue.died()
    venue.clear()
    venue.becomes(waits, S.FILLED)


def test_every_step_is_met():
    assert {step for _, step, _ in MOMENTS} | {"given back"} == set(STEPS)


def test_one_service_a_home(venue):
    from novate.clearing.outbox import Outbox
    from novate.errors import JournalLocked

    venue.clear()
    with Outbox(venue.home) as another, pytest.raises(JournalLocked):
        another.lock()


def test_a_session_that_only_queues_keeps_wishes_and_the_next_one_serves_them(venue):
    venue.clear()
    venue.can()
    venue.session(Session.PRE)
    sent = [len(paper.heard("NewOrder")) for paper in venue.papers.values()]
    mine = venue.issue(5_000)
    assert venue.request(mine).state == S.RESERVED
    time.sleep(0.3)
    assert [len(paper.heard("NewOrder")) for paper in venue.papers.values()] == sent
    venue.session(Session.REGULAR)
    venue.becomes(mine, S.FILLED)
