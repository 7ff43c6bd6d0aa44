"""Minutes of a day through a venue, an exchange and a bridge in virtual time: what the bench of `benches/bridge_day.py` measures, held to its aims."""

import sys
from collections import defaultdict
from datetime import date, time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benches"))

from bridge_day import Figures, sample, told_of
from bridge_world import BASE, BRIDGE, SECOND, Plan, set_up

from novate.broker.tape import Depth, generated, recorded_quotes
from novate.calendar import new_york_ns
from novate.marketdata import find_data
from novate.messages import reports
from novate.messages.codes import Session
from novate.messages.reports import clearing

THURSDAY, BAC_DAY = date(2025, 10, 9), date(2013, 10, 10)


def made():
    depth = Depth(half_spread_ppm=50, levels=10, step_ppm=100, best=2_000 * 10**9)
    hours = [new_york_ns(THURSDAY, time(hour)) for hour in (4, 20)]
    return (
        "ACME",
        generated("ACME", start_ns=hours[0], end_ns=hours[1], seed=5, depth=depth),
        THURSDAY,
        "0.001 USD",
    )


def recorded():
    data = find_data()
    path = data / "orderflow/bac_2013-10-10_quotes.parquet" if data else None
    if path is None or not path.is_file():
        pytest.skip(
            "LEFT OUT: no recorded quotes of Bank of America; NOVATE_DATA says where the recorded data is"
        )
    return "BAC", recorded_quotes("BAC", BAC_DAY, path), BAC_DAY, "0.0002 USD"


@pytest.mark.parametrize("day", [made, recorded])
@pytest.mark.parametrize("impact", [500, 2_000])
def test_minutes_of_a_day(day, impact, tmp_path):
    symbol, tape, when, tick = day()
    start = new_york_ns(when, time(9, 40))
    plan = Plan(
        "a test",
        symbol,
        tape,
        start,
        start + 240 * SECOND,
        SECOND,
        impact,
        every_ns=4 * SECOND,
        maker=False,
        tick=tick,
    )
    world = set_up(plan, tmp_path)
    found, before = defaultdict(Figures), {}
    for now in range(plan.start_ns + SECOND, plan.end_ns, SECOND):
        world.step(now)
        if now % (5 * SECOND) == 0:
            sample(world, found, before)
    world._next_customer_ns = world._next_click_ns = 2**62  # nobody trades any more
    for now in range(plan.end_ns, plan.end_ns + 20 * SECOND, SECOND):
        world.step(now)
    inventory = world.bridge.machine.names[symbol].inventory
    account = reports.account(world.venue.engine, BRIDGE)
    tokens = sum(line.pledged for line in account.balances if line.name == f"t{symbol}")
    perps = sum(line.lots for line in account.positions if line.perp) * world.listing.lot_size(
        f"{symbol}-PERP"
    )
    assert (inventory.tokens, sum(inventory.perps.values())) == (tokens * 1_000, perps)
    assert inventory.traded > 10**11, "customers traded with it"
    assert abs(inventory.tokens + perps - BASE * 10**9) * world.middle() // 10**18 < 100 * 10**6, (
        "hedged, but for a least request"
    )
    assert not inventory.flights
    assert all(one.difference == 0 for one in clearing.supply(world.venue.engine))
    assert all(difference == 0 for _, difference in world.venue.engine.conservation())
    figures = told_of(found[Session.REGULAR.name.lower()])
    assert figures["token_not_quoted"] <= figures["samples"] // 10, "a market that was emptied"
    assert figures["token_off_bp"]["p50"] <= 2
    assert figures["token_off_bp"]["p99"] <= 20
    assert figures["token_worse_bp"]["100,000"]["p50"] <= 3
    world.venue.close()
