"""What a bridge makes of a day: `python benches/bridge_day.py --day bac --impact 1`.

    spread and depth on the venue against the primary market's, slippage of 100 k, 1 M and 10 M dollars with and without the bridge, distance of
    the token's middle from the primary's, what is open, results, and the time from a click to the token; by session

Days: `generated` (always), `bac` (Bank of America, 2013-10-10, every quote of 12 exchanges), `october` (a name of the October 2025 bars, whose book
is modelled). Recorded days need the recorded data (NOVATE_DATA or --data); they are left out, loudly, where there is none.

A replayed market can't react to us. `--impact` says how much of what is taken stays away, in times; run it at 0.5, 1 and 2.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from datetime import time as wall
from pathlib import Path
from statistics import median
from typing import Any

from bridge_world import SECOND, Plan, World, set_up

from novate.broker.port import Level
from novate.broker.tape import Depth, Tape, generated, recorded_quotes, scenario_tape
from novate.calendar import new_york_ns
from novate.errors import DataError
from novate.marketdata import find_data, load_scenario
from novate.messages import reports
from novate.messages.codes import Session
from novate.messages.reports import clearing

DOLLARS = (100_000, 1_000_000, 10_000_000)
NEAR_PPM = 1_000
"""Depth is counted within 10 basis points of the primary's middle."""
BAC_DAY, GENERATED_DAY, OCTOBER_DAY = date(2013, 10, 10), date(2025, 10, 9), date(2025, 10, 10)


@dataclass
class Figures:
    """Samples of one session. Distances and slippage in basis points of the primary's middle."""

    token_off: list[float] = field(default_factory=list)
    perp_off: list[float] = field(default_factory=list)
    no_quote: int = 0
    samples: int = 0
    spread: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    depth: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    slip: dict[tuple[str, int], list[float]] = field(default_factory=lambda: defaultdict(list))
    filled: dict[tuple[str, int], list[float]] = field(default_factory=lambda: defaultdict(list))
    worse: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    open_dollars: list[float] = field(default_factory=list)
    result: float = 0.0
    traded: float = 0.0


def walk(levels: list[Level] | tuple[Level, ...], dollars: int, middle: int) -> tuple[float, float]:
    """Slippage in basis points of what fills of so many dollars, and the part that does."""
    left, shares, cost = dollars * 10**18 // middle, 0, 0
    whole = left
    for level in levels:
        taken = min(left, level.shares)
        left, shares, cost = left - taken, shares + taken, cost + taken * level.price
    if not shares:
        return 0.0, 0.0
    return abs(cost / shares - middle) / middle * 1e4, shares / whole


def sample(world: World, found: dict[str, Figures], before: dict[str, int]) -> None:
    """One look at both markets."""
    middle, book = world.middle(), world.book
    figures = found[world.session.name.lower()]
    machine = world.bridge.machine
    if world.plan.bridge:
        now = machine.result()
        figures.result += (now - before.get("result", 0)) / 1e6
        before["result"] = now
        traded = sum(one.inventory.traded for one in machine.names.values())
        figures.traded += (traded - before.get("traded", 0)) / 1e6
        before["traded"] = traded
    if not middle or book is None:
        return
    figures.samples += 1
    spot, perp = (_book(world, name) for name in (f"t{world.plan.symbol}-USDC", f"{world.plan.symbol}-PERP"))
    figures.spread["primary"].append((book.asks[0].price - book.bids[0].price) / middle * 1e4)
    figures.depth["primary"].append(_near(book.bids, book.asks, middle))
    for name, (bids, asks), off in (("token", spot, figures.token_off), ("perp", perp, figures.perp_off)):
        figures.depth[name].append(_near(bids, asks, middle))
        if not bids or not asks:
            figures.no_quote += name == "token"
            continue
        off.append(abs((bids[0].price + asks[0].price) / 2 - middle) / middle * 1e4)
        figures.spread[name].append((asks[0].price - bids[0].price) / middle * 1e4)
    for dollars in DOLLARS:
        slips = {}
        for name, sides in (("primary", (book.bids, book.asks)), ("token", spot), ("perp", perp)):
            for way, levels in zip(("sell", "buy"), sides, strict=True):
                slip, part = walk(levels, dollars, middle)
                figures.filled[name, dollars].append(part)
                if part >= 0.999:
                    figures.slip[name, dollars].append(slip)
                    slips[name, way] = slip
        figures.worse[dollars] += [
            slips["token", way] - slips["primary", way]
            for way in ("sell", "buy")
            if ("token", way) in slips and ("primary", way) in slips
        ]
    if world.plan.bridge:
        held = next(iter(machine.names.values())).inventory
        figures.open_dollars.append(abs(held.open_shares()) * middle / 1e18)


def _book(world: World, name: str) -> tuple[list[Level], list[Level]]:
    listing = world.listing
    tick, lot = (
        listing.tick_size(name) * 1_000,
        listing.lot_size(name) * 10 ** (9 - listing.lot_decimals(name)),
    )
    told = reports.book(world.venue.engine, listing.market[name], 40)
    bids, asks = (
        [Level(one.price * tick, one.lots * lot) for one in side] for side in (told.bids, told.asks)
    )
    return bids, asks


def _near(bids: Any, asks: Any, middle: int) -> float:
    """Dollars within reach, the mean of both sides."""
    reach = middle * NEAR_PPM // 1_000_000
    return sum(one.price * one.shares for one in (*bids, *asks) if abs(one.price - middle) <= reach) / 2e18


def play(plan: Plan, every_ns: int) -> dict[str, Any]:
    """Runs a day and gives its figures."""
    began, found, before = time.perf_counter(), defaultdict(Figures), {}
    with tempfile.TemporaryDirectory(prefix="novate-bridge-") as folder:
        world = set_up(plan, Path(folder))
        told = 0
        for now in range(plan.start_ns + plan.step_ns, plan.end_ns + 1, plan.step_ns):
            world.step(now)
            if now % every_ns < plan.step_ns and world.session != Session.CLOSED:
                sample(world, found, before)
            share = (now - plan.start_ns) * 100 // (plan.end_ns - plan.start_ns)
            if share >= told + 10:
                told = share
                print(f"  {plan.title}: {share} %", file=sys.stderr, flush=True)
        supply = max((abs(one.difference) for one in clearing.supply(world.venue.engine)), default=0)
        conservation = max(
            (abs(difference) for _, difference in world.venue.engine.conservation()), default=0
        )
        said = {
            "title": plan.title,
            "impact": plan.impact / 1_000,
            "bridge": plan.bridge,
            "maker": plan.maker,
            "maker_keeps": plan.maker_keeps,
            "passed": plan.passed,
            "step_s": plan.step_ns / 1e9,
            "wall_s": round(time.perf_counter() - began, 1),
            "conservation": conservation,
            "supply_difference": supply,
            "click_to_token_s": _clicks(world),
            "bridge_paid_usd": {name: round(micro / 1e6, 2) for name, micro in world.paid.items()},
            "refused": dict(sorted(world.refused.items(), key=lambda item: -item[1])[:5]),
            "sessions": {name: told_of(one) for name, one in found.items() if one.samples},
        }
        world.venue.close()
    return said


def told_of(figures: Figures) -> dict[str, Any]:
    """The figures of a session."""
    return {
        "samples": figures.samples,
        "token_not_quoted": figures.no_quote,
        "token_off_bp": _pair(figures.token_off),
        "perp_off_bp": _pair(figures.perp_off),
        "spread_bp": {name: _mid(values) for name, values in figures.spread.items()},
        "depth_10bp_usd": {name: round(_mid(values) or 0) for name, values in figures.depth.items()},
        "slippage_bp": {
            f"{dollars:,}": {name: _mid(figures.slip[name, dollars]) for name in ("primary", "token", "perp")}
            for dollars in DOLLARS
        },
        "fills_at_once": {
            f"{dollars:,}": {
                name: round(
                    sum(figures.filled[name, dollars]) / max(len(figures.filled[name, dollars]), 1), 3
                )
                for name in ("primary", "token", "perp")
            }
            for dollars in DOLLARS
        },
        "token_worse_bp": {f"{dollars:,}": _pair(figures.worse[dollars]) for dollars in DOLLARS},
        "open_usd": _pair(figures.open_dollars),
        "result_usd": round(figures.result, 2),
        "traded_usd": round(figures.traded),
    }


def _clicks(world: World) -> dict[str, Any]:
    """Seconds from a request to its first and its last token: at the house at once, else by way of the broker."""
    done = [one for one in world.clicks.values() if one.all_ns]
    routed = [one for one in done if one.all_ns > one.said_ns]
    return {
        "requests": len(world.clicks),
        "by_the_house": len(done) - len(routed),
        "first": _pair([(one.first_ns - one.said_ns) / 1e9 for one in routed]),
        "all": _pair([(one.all_ns - one.said_ns) / 1e9 for one in routed]),
    }


def _mid(values: list[float]) -> float | None:
    return round(median(values), 3) if values else None


def _pair(values: list[float]) -> dict[str, float] | None:
    """Median, 99th percentile and largest."""
    if not values:
        return None
    ordered = sorted(values)
    at = min(len(ordered) - 1, len(ordered) * 99 // 100)
    return {"p50": round(median(ordered), 3), "p99": round(ordered[at], 3), "max": round(ordered[-1], 3)}


# --- days --------------------------------------------------------------------------------------------------------------


def tape_of(day: str, data: Path | None, name: str) -> tuple[str, Tape, date, str]:
    """Symbol, tape, date and price step of a day. Raises DataError where its data is not there."""
    if day == "generated":
        at = [new_york_ns(GENERATED_DAY, wall(hour)) for hour in (4, 20)]
        depth = Depth(half_spread_ppm=50, levels=10, step_ppm=100, best=2_000 * 10**9)
        return (
            "ACME",
            generated("ACME", start_ns=at[0], end_ns=at[1], seed=3, step_ppm=30, depth=depth),
            GENERATED_DAY,
            "0.001 USD",
        )
    folder = find_data(data)
    if folder is None:
        raise DataError("no recorded data: NOVATE_DATA or --data says where it is")
    if day == "bac":
        return (
            "BAC",
            recorded_quotes("BAC", BAC_DAY, folder / "orderflow/bac_2013-10-10_quotes.parquet"),
            BAC_DAY,
            "0.0002 USD",
        )
    first = new_york_ns(OCTOBER_DAY - timedelta(days=1), wall(4))
    scenario = load_scenario(
        "crash-2025-10", folder, 1, start_ns=first, end_ns=new_york_ns(OCTOBER_DAY, wall(20))
    )
    return name, scenario_tape(scenario, name), OCTOBER_DAY, "0.001 USD"


def main() -> None:
    """Options to a plan, and its figures as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--day", choices=("generated", "bac", "october"), default="generated")
    parser.add_argument("--name", default="NVDA", help="of --day october")
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--impact", type=float, default=1.0)
    parser.add_argument("--no-bridge", action="store_true")
    parser.add_argument("--no-maker", action="store_true", help="without the demo's market maker beside it")
    parser.add_argument(
        "--maker-keeps",
        type=int,
        default=1_000_000,
        help="dollars of tokens beyond which it redeems or has some made; 0: never",
    )
    parser.add_argument("--passed", default="0 %", help="part of the issuance fee in the quotes")
    parser.add_argument("--fee", default="5 bps", help="of an issuance, and of a redemption")
    parser.add_argument("--step-ms", type=int, default=1_000)
    parser.add_argument("--from", dest="first", default="09:00")
    parser.add_argument("--to", dest="last", default="16:30")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    try:
        symbol, tape, day, tick = tape_of(given.day, given.data, given.name)
    except DataError as missing:
        print(f"LEFT OUT: {missing.sentence}", file=sys.stderr)
        raise SystemExit(3) from None
    start, end = (new_york_ns(day, wall.fromisoformat(text)) for text in (given.first, given.last))
    plan = Plan(
        title=f"{given.day} {symbol} {day}", symbol=symbol, tape=tape, start_ns=start, end_ns=end, step_ns=given.step_ms * 1_000_000,
        impact=round(given.impact * 1_000), seed=given.seed, bridge=not given.no_bridge, maker=not given.no_maker, maker_keeps=given.maker_keeps, passed=given.passed, fee=given.fee, tick=tick,
    )  # fmt: skip
    print(json.dumps(play(plan, 5 * SECOND), indent=1))
    print(
        "A replayed market can't react to us: what is taken from it stays away as --impact says.",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
