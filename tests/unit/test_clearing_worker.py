"""The clearing worker against a simulated exchange in virtual time: random days, faults and kills, and nothing is lost or done twice."""

import pytest

from clearing_world import ALICE, MICRO, SECOND, STOCK, World
from novate.broker import Accepted, Heard, NotKnown
from novate.broker.acts import Default, FailSettlement
from novate.broker.faults import MILD, Fault, Plan, Planned
from novate.broker.report_log import heard
from novate.clearing.intake import RENAMES
from novate.clearing.life import State
from novate.clearing.words import Converted, Defaulted, InKind
from novate.messages import (
    CommandRefused,
    FirmPriceGiven,
    FundBroker,
    ListSource,
    RequestConversion,
    RequestFirmPrice,
    RequestIssuance,
    RequestReserved,
    iter_commands,
)
from novate.messages.codes import CapacityTerm
from novate.messages.codes import RequestState as S
from novate.messages.commands.clearing import PostDepth
from novate.messages.refusals import rule
from novate.messages.reports import clearing as questions

MENDED = [fault for fault in MILD if fault != Fault.WRONG_SYMBOL]
"""Shares of another stock are settled by a person with the broker."""
UNDER_WAY = (S.REQUESTED, S.RESERVED, S.ROUTED, S.PARTLY_FILLED, S.UNKNOWN)
DAY = 86_400 * SECOND


@pytest.fixture
def worlds(tmp_path):
    """Makes worlds, and closes them."""
    made = []

    def make(*arguments, **options) -> World:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(World(folder, *arguments, **options))
        return made[-1]

    yield make
    for world in made:
        world.close()


def requests(world: World):
    return [one for account in (ALICE, ALICE + 1) for one in questions.requests(world.engine, account)]


@pytest.mark.parametrize(
    ("seed", "kills", "per_mille"),
    [(1, 0.0, 0), (2, 0.05, 0), (3, 0.02, 400), (4, 0.05, 900), (5, 0.1, 500), (6, 0.0, 1_000)],
)
def test_a_day_of_wishes_faults_and_kills_ends_to_the_unit(worlds, seed, kills, per_mille):
    world = worlds(seed, kills=kills, plan=Plan(seed=seed, per_mille=per_mille, drawn=MENDED))
    world.day(60)
    world.evening()
    world.sound()
    assert world.left and (world.killed > 3 or not kills)
    assert not world.outbox_open()
    assert not [one for one in requests(world) if one.state in UNDER_WAY]
    assert set(world.differences().values()) == {0}
    assert world.outbox.refused() == []
    assert not (world.problems | set(world.worker.seen.problems))


def issue(world: World, dollars: int = 20_000) -> int:
    world.references += 1
    events = world.say(
        RequestIssuance(token=world.token, amount=dollars * MICRO, reference=world.references), account=ALICE
    )
    return next(event.request for event in events if isinstance(event, RequestReserved))


def state(world: World, request: int) -> S:
    return S(next(one.state for one in requests(world) if one.request == request))


def turn_until(world: World, true, most: int = 60) -> None:
    for _ in range(most):
        if true():
            return
        world.turn()
    raise AssertionError("it did not come about")


def test_a_broker_in_default_is_frozen_five_days_while_the_other_goes_on(worlds):
    world = worlds()
    world.turn()
    filled = issue(world)
    turn_until(world, lambda: state(world, filled) == S.FILLED)
    caught = issue(world)
    assert state(world, caught) == S.ROUTED
    world.work()  # it leaves, and is on its way to the market
    world.floor.act("alpha", Default(until_ns=world.now + 5 * DAY))
    world.outbox.say("default:1", Defaulted(by="treasurer"), world.now, 1)
    turn_until(world, lambda: state(world, caught) == S.UNKNOWN)
    held = next(one.held for one in requests(world) if one.request == caught)
    assert held > 0
    frozen = next(one for one in questions.brokers(world.engine) if one.broker == 1)
    assert frozen.frozen_until_ns > world.now + 4 * DAY and not frozen.reachable
    elsewhere = issue(world)
    turn_until(world, lambda: state(world, elsewhere) == S.FILLED)
    assert world.floor.exchange.desks["beta"].orders
    for _ in range(4 * 4):
        world.turn(6 * 3_600 * SECOND)
    assert state(world, caught) == S.UNKNOWN  # nobody knows, and everything stays held
    assert [broker for _, _, broker, _ in world.outbox.overdue()] == [1]
    for _ in range(3 * 4):
        world.turn(6 * 3_600 * SECOND)
    turn_until(world, lambda: state(world, caught) not in UNDER_WAY)
    world.evening(2)
    world.sound()
    assert world.outbox.overdue() == []
    assert set(world.differences().values()) == {0}


def test_a_fill_of_another_stock_is_booked_nowhere_and_stops_its_own_token_alone(worlds):
    world = worlds(plan=Plan([Planned("alpha", 1, Fault.WRONG_SYMBOL)]))
    world.turn()
    wish = issue(world)
    turn_until(world, lambda: bool(questions.breaks(world.engine)))
    (broken,) = questions.breaks(world.engine)
    assert broken.token == world.token
    lines = {line.token: line for line in questions.capacity(world.engine) if line.direction == 0}
    assert lines[world.token].binding == CapacityTerm.CLOSED
    turn_until(world, lambda: state(world, wish) != S.ROUTED)
    refused = world.say(
        RequestIssuance(token=world.token, amount=1_000 * MICRO, reference=99), account=ALICE, must=False
    )
    assert isinstance(refused[0], CommandRefused)
    world.sound()


def test_a_failed_settlement_is_the_venues_and_shares_that_come_after_all_are_booked(worlds):
    world = worlds()
    world.turn()
    wish = issue(world)
    turn_until(world, lambda: state(world, wish) == S.FILLED)
    (execution,) = list(world.floor.exchange.desks["alpha"].custody.executions)[:1]
    world.floor.act("alpha", FailSettlement(execution=execution))
    world.evening()
    world.sound()
    assert state(world, wish) in (S.SETTLED, S.DELIVERED)
    assert world.outbox.refused() == []
    assert set(world.differences().values()) == {0}


def test_a_repeated_report_changes_nothing(worlds):
    """Every report of a day once more, under other keys, as a broker may say it after a reset."""
    world = worlds(
        plan=Plan(
            [Planned("alpha", 1, Fault.CORRECTION, 60 * SECOND), Planned("alpha", 2, Fault.BUST, 60 * SECOND)]
        ),
    )
    world.turn()
    for _ in range(3):
        issue(world)
        world.turn()
    for _ in range(30):
        world.turn()
    world.resolve()
    before = questions.books(world.engine), [one.state for one in requests(world)]
    told = list(world.floor.behind("alpha", 0))
    assert len(told) > 8
    for one in told:
        again = heard(one, world.now)
        world.outbox.hear(1, again._replace(key=f"again-{again.key}", cursor=""))
    world.work()
    assert (questions.books(world.engine), [one.state for one in requests(world)]) == before
    assert not world.outbox_open()
    world.sound()


def test_a_firm_price_is_the_bid_that_is_there_less_the_spread(worlds):
    world = worlds()
    world.turn()
    world.say(RequestFirmPrice(token=world.token, direction=1, amount=10 * MICRO), account=ALICE)
    world.work()
    (given,) = [body for body in world.events if isinstance(body, FirmPriceGiven)]
    # 99.99 less 200 ppm, and 50 ppm for each second since the tape's last change
    aged = 200 + 50 * ((world.now - world.floor.book(STOCK).at_ns) // SECOND)
    assert given.price == 9_999 * world.price * (10**6 - aged) // 10**6 // 10_000


def test_an_order_that_its_broker_disowns_waits_for_a_person(worlds):
    world = worlds()
    world.turn()
    wish = issue(world)
    world.work()
    (order,) = world.outbox.orders()
    world.outbox.hear(1, Heard(Accepted(order=order.id, broker_order="b"), "k1", "", b"", world.now))
    world.work()
    world.outbox.asking(order)
    world.outbox.hear(1, Heard(NotKnown(order=order.id), "k2", "", b"", world.now))
    world.safe_tell()
    assert world.outbox.order(order.id).state == State.DISPUTED
    assert next(one.held for one in requests(world) if one.request == wish) > 0
    assert world.left[order.id] == 1


def test_names_are_asked_for_anew_when_something_is_listed_or_a_token_is_other_shares(worlds):
    world, asked = worlds(), []
    world.turn()
    names = world.names
    world.worker._ask_names = lambda least: (asked.append(least), names)[1]
    world.say(FundBroker(broker=1, amount=MICRO))
    world.turn()
    assert asked == []
    world.say(ListSource(underlying=world.names.underlying_of(STOCK), source=9, name="S9"))
    listed_at = world.engine.sequence
    world.turn()
    assert asked and asked[0] >= listed_at
    assert {kind.__name__ for kind in RENAMES} == {"Listed", "ReceivableChanged"}


def test_a_stretch_without_anything_of_interest_is_kept_once_a_second_and_heard_again_after_a_kill(worlds):
    world, kept = worlds(), []
    world.turn()
    began, keep = world.engine.sequence, world.outbox.heard_until
    world.outbox.heard_until = lambda sequence: (kept.append(sequence), keep(sequence))[1]
    for _ in range(9):
        world.turn(SECOND // 10)
    assert (
        kept == [] and world.worker.sequence == world.engine.sequence > began >= world.outbox.place.sequence
    )
    world.die()
    world.turn(SECOND // 10)
    assert world.outbox.place.sequence > began and world.worker.sequence == world.engine.sequence


def test_a_conversion_that_nobody_asked_for_is_told_and_one_that_is_over_is_no_news(worlds):
    world = worlds()
    world.turn()
    world.say(RequestConversion(asset=world.cash.underlying, broker=1, to_dollars=1, amount=100 * MICRO))
    turn_until(world, lambda: not world.outbox.conversions() and not world.outbox.waiting())
    for conversion in (1, 99):
        word = Converted(conversion=conversion, amount=5, by="tess")
        world.outbox.say(f"again:{conversion}", word, world.now)
        world.turn()
    ((kept, code),) = world.outbox.refused()
    assert (kept.word.conversion, rule(code).name) == (99, "conversion_must_be_pending")


def test_nothing_counts_as_told_before_the_core_answered(worlds):
    world, told = worlds(), []
    world.turn()
    submit, worker = world.worker._submit, world.worker
    world.outbox.say("in-kind:1:c-1", InKind(request=1, shares=5, by="tess"), world.now)
    world.outbox.telling(one.row for one in world.outbox.waiting())
    worker._submit = lambda *_: None
    assert not worker.step(world.now)  # whether it was told before can't be asked
    world.outbox.over({one.row: 0 for one in world.outbox.waiting()}, {}, [], [], world.now)
    assert worker.step(world.now)  # nothing is due
    world.now += 60 * SECOND
    world.floor.advance(world.now)
    assert not worker.step(world.now)
    worker._submit = lambda buffer, commands: (told.append(buffer), submit(buffer, commands))[1]
    assert worker.step(world.now) and worker.step(world.now)
    posts = [one.body for buffer in told for one in iter_commands(buffer)]
    assert posts and all(isinstance(one, PostDepth) for one in posts)
    assert len({one.underlying for one in posts}) == len(posts)
