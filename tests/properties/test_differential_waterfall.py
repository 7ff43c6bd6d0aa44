"""Stages 6 to 8 against the plain reference: what an engine told in random venues, worked out again from the rule."""

from collections import defaultdict
from collections.abc import Iterable
from random import Random

from novate._core import Engine
from novate.messages import (
    AdvanceTime,
    BankruptcyPriced,
    Command,
    Deleveraged,
    EventMessage,
    FundInsurance,
    InsurancePaid,
    LossShared,
)
from reference.waterfall import (
    Winner,
    bankruptcy,
    by_largest_remainder,
    deleverage,
    lots_for,
    share_loss,
    to_legs,
)
from worlds import COINS, SECOND, Send, World, sender

WORLDS, STEPS = 12, 300


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


def check_shares(world: World, events: Iterable[EventMessage]) -> int:
    """Shared losses of one command, each market's in turn, worked out again from the gains that were told; how many."""
    groups: list[list[LossShared]] = []
    accounts: list[int] = []
    for event in events:
        if isinstance(event.body, LossShared):
            follows = (
                groups and groups[-1][-1].market == event.body.market and accounts[-1] < event.header.account
            )
            if not follows:
                groups.append([])
            groups[-1].append(event.body)
            accounts.append(event.header.account)
    for group in groups:
        if world.assets[world.markets[group[0].market].quote].decimals == 6:  # a unit is a micro-dollar
            amounts, gains = [part.amount for part in group], [part.gain for part in group]
            assert amounts == share_loss(sum(amounts), gains)
    return sum(len(group) for group in groups)


def crash(world: World) -> None:
    """Every name falls by four tenths at once, and the clock runs on."""
    for underlying in world.underlyings:
        if underlying not in COINS.values():
            world.price[underlying] = max(1, world.price[underlying] * 6 // 10)
    for _ in range(40):
        world.time_ns += 3 * SECOND
        for underlying in world.underlyings:
            world._post(underlying, 0, 3)
        world.submit(AdvanceTime())


def test_what_the_engine_told_is_what_the_rule_says() -> None:
    """Worlds that crash with little insurance: each haircut, number of lots and share again from the rule."""
    found = shared = 0
    for seed in range(9_000, 9_000 + WORLDS):
        engine = Engine()
        plain = sender(engine)
        batches: list[list[EventMessage]] = []

        def send(
            command: Command,
            account: int,
            time_ns: int,
            plain: Send = plain,
            batches: list[list[EventMessage]] = batches,
        ) -> list[EventMessage]:
            batches.append([] if isinstance(command, FundInsurance) else plain(command, account, time_ns))
            return batches[-1]

        world = World(
            seed, engine, send, mix={"price": 30, "order": 20, "cross": 60, "time": 10, "money": 20}
        )
        world.found(names=3)
        world.steps(STEPS)
        crash(world)
        found += sum(check(batch) for batch in batches)
        shared += sum(check_shares(world, batch) for batch in batches)
    assert found > 10 and shared > 0, f"{found} deleveragings, {shared} shared losses"


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
