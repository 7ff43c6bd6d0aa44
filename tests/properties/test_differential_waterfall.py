"""Stages 6 to 8 against the plain reference: what an engine told in random venues, worked out again from the rule."""

from collections import defaultdict
from collections.abc import Iterable
from random import Random

from novate import Engine
from novate.messages import BankruptcyPriced, Command, Deleveraged, EventMessage, InsurancePaid, LossShared
from reference.waterfall import (
    Winner,
    bankruptcy,
    by_largest_remainder,
    deleverage,
    lots_for,
    share_loss,
    to_legs,
)
from worlds import World, sender

WORLDS, STEPS = 12, 250


def check(events: Iterable[EventMessage]) -> int:
    """Deleveragings of one command, worked out again; how many there were."""
    priced: dict[tuple[int, int], BankruptcyPriced] = {}
    paid: dict[tuple[int, int], int] = defaultdict(int)
    taken: dict[tuple[int, int], list[Deleveraged]] = defaultdict(list)
    for event in events:
        body, account = event.body, event.header.account
        if isinstance(body, BankruptcyPriced):
            priced[account, body.market] = body
            paid[account, body.market] = 0
            taken[account, body.market] = []
        elif isinstance(body, InsurancePaid):
            paid[account, body.market] += body.amount
        elif isinstance(body, Deleveraged) and body.role == 0:
            leg = priced[account, body.market]
            before = taken[account, body.market]
            left = leg.amount - paid[account, body.market]
            lots = lots_for(leg.lots, leg.amount, left)
            found = sum(abs(fill.lots) for fill in before)
            size = abs(body.lots)
            assert body.haircut == left * (found + size) // lots - left * found // lots
            assert found + size <= lots <= abs(leg.lots)
            before.append(body)
    return sum(len(fills) for fills in taken.values())


def test_what_the_engine_told_is_what_the_rule_says() -> None:
    """Random worlds in which accounts go broke: each haircut and each number of lots again from the rule."""
    found = shared = 0
    for seed in range(9_000, 9_000 + WORLDS):
        engine = Engine()
        plain = sender(engine)
        batches: list[list[EventMessage]] = []

        def send(
            command: Command,
            account: int,
            time_ns: int,
            plain: object = plain,
            batches: list[list[EventMessage]] = batches,
        ) -> list[EventMessage]:
            events: list[EventMessage] = plain(command, account, time_ns)  # type: ignore[operator]
            batches.append(events)
            return events

        world = World(seed, engine, send, mix={"price": 40, "time": 20})
        world.found()
        world.steps(STEPS)
        found += sum(check(batch) for batch in batches)
        shared += sum(isinstance(event.body, LossShared) for batch in batches for event in batch)
    assert found > 0, f"{found} deleveragings, {shared} shared losses"


def test_the_reference_itself() -> None:
    """Random cases: nothing is lost, nobody pays beyond profit, hedges are last."""
    random = Random(8)
    for _ in range(2_000):
        draw = random.randint
        weights = [draw(0, 50) for _ in range(draw(1, 6))]
        total = draw(0, 10_000)
        assert sum(to_legs(total, weights)) == sum(by_largest_remainder(total, weights)) == total
        amounts = bankruptcy(-total, [draw(0, 9_000)], weights)
        assert all(part >= 0 for part in amounts) and sum(amounts) <= total
        winners = [Winner(n, draw(0, 20), draw(0, 20), draw(1, 500)) for n in range(1, draw(2, 6))]
        lots, left = draw(1, 60), draw(1, 600)
        fills = deleverage(winners, lots, left, [draw(1, 10) for _ in winners])
        assert sum(size for _, size, _, _ in fills) <= lots
        assert sum(haircut for _, _, haircut, _ in fills) <= left
        flags = [hedged for _, _, _, hedged in fills]
        assert flags == sorted(flags)
        for winner in winners:
            assert (
                sum(haircut for account, _, haircut, _ in fills if account == winner.account)
                <= winner.profit + 2
            )
        gains = [draw(0, 100) for _ in range(4)]
        parts = share_loss(total, gains)
        assert sum(parts) == min(total, sum(gains)) and all(p <= g for p, g in zip(parts, gains, strict=True))
