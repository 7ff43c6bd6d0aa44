"""The engine's margin equals the plain Python reference, bit for bit: requirement, every term, equity, binding row.

Each world is a random venue (see `worlds.py`) whose accounts trade, borrow, settle and fall below their requirements by
real commands. Every few steps an account is evaluated at all four levels, with and without its open orders, and below
initial also at the slower price; one comparison is one such evaluation, all its numbers. The reference reads the listing
commands and the engine's reports of prices and holdings, never its margin. In every evaluation the contributions of
the positions sum to the requirement.

WORLDS worlds of STEPS steps; NOVATE_LONG=1 runs twenty times as many worlds.
"""

import os
import sys
from collections import Counter

import pytest

from dividends import MIX as DIVIDENDS
from dividends import DividendWorld
from issuing import MIX as ISSUING
from issuing import IssuingWorld
from novate._core import Engine
from novate.messages import OrderPlaced, PlaceOrder, Side, reports
from novate.messages.reports import BindingRow, GapGroup, LevelReport, RowKind
from novate.messages.reports.corporate import receivables
from novate.messages.reports.prices import gates as gates_of
from reference import margin as reference
from reference.inputs import AccountView, Balance, Liquidity, OpenOrder, Position, PriceView, Venue
from splits import MIX as SPLITS
from splits import SplitWorld
from worlds import World, sender

WORLDS = 24 * (20 if os.environ.get("NOVATE_LONG") else 1)
STEPS = 450
EVERY = 15
LEAST = 3_000
"""Evaluations that must have been compared, so that the test can't go quiet."""
M = 1_000_000
FRACTIONS = {"1": M, "2/3": 666_667, "1/3": 333_334}
compared: Counter[str] = Counter()


# --- The engine's reports as the reference's inputs -------------------------------------------------------------------


def venue_of(world: World) -> Venue:
    """Listing commands, prices, marks, stored exit costs and open interest as they are now."""
    lines = reports.underlyings(world.engine)
    marks = {line.market: line.mark for line in reports.markets(world.engine) if line.mark}
    prices = {}
    gates = {gate.underlying: gate for gate in gates_of(world.engine)}
    for line in lines:
        gate = gates[line.underlying]
        par = 10 ** world.underlyings[line.underlying].decimals
        prices[line.underlying] = PriceView(
            index=line.index,
            stable=line.stable,
            last_external=line.last_external,
            marks={m: mark for m, mark in marks.items() if world.markets[m].underlying == line.underlying},
            session_initial_ppm=line.initial_ppm,
            session_maintenance_ppm=line.maintenance_ppm,
            confidence_ppm=line.confidence_ppm,
            price_ppm=line.index * M // par if line.index else M,
            uses_slower=line.uses_slower,
            blending_to=gate.current if gate.blending and gate.current else None,
            least_gap_initial_ppm=gate.least_gap_initial_ppm,
            least_gap_maintenance_ppm=gate.least_gap_maintenance_ppm,
            worthless_unmatched=gate.worthless_unmatched,
        )
    cap = world.parameters.liquidity_cap_ppm
    empty = {
        line.underlying: Liquidity(
            *(min(cap, line.half_spread_ppm) if v else cap for v in (line.spot_volume, line.perp_volume))
        )
        for line in lines
    }
    liquidity = {(owner, u): empty[u] for owner in world.owners.values() for u in empty}
    stored = {
        (k.owner, k.underlying): Liquidity(k.spot_ppm, k.perp_ppm) for k in reports.liquidity(world.engine)
    }
    return Venue(
        parameters=world.parameters,
        buckets=world.buckets,
        dated_rows=world.dated_rows,
        underlyings=world.underlyings,
        assets=world.assets,
        markets=world.markets,
        pools=world.pools,
        prices=prices,
        liquidity=liquidity | stored,
        open_interest={line.underlying: line.open_interest for line in lines},
        admitted=admitted_of(world, list(world.owners)),
        receivable={line.asset: line.each for line in receivables(world.engine)},
        splits={m: ratio.as_integer_ratio() for m, ratio in world.splits.items()}
        if isinstance(world, SplitWorld)
        else {},
        due_ppm=world.clearing.due_ppm if isinstance(world, IssuingWorld) else M,
    )


def admitted_of(world: World, accounts: list[int]) -> dict[int, int]:
    """Admitted units of each token in these accounts."""
    found: Counter[int] = Counter()
    for account in accounts:
        for balance in reports.account(world.engine, account).balances:
            found[balance.asset] += balance.admitted
    return found


def account_of(world: World, account: int) -> AccountView:
    """What the account holds, owes and has open."""
    report = reports.account(world.engine, account)
    owner = world.owners[account]
    return AccountView(
        owner=owner,
        balances={
            b.asset: Balance(b.pledged, b.lent, b.admitted, b.escrowed, b.due) for b in report.balances
        },
        positions={
            p.market: Position(p.lots, p.cost, p.claim, p.hedged_claim, p.debt)
            for p in report.positions
            if p.perp
        },
        orders=tuple(OpenOrder(o.market, o.side, o.price, o.leaves) for o in report.orders),
        owner_accounts=list(world.owners.values()).count(owner),
        owner_admitted=admitted_of(world, [a for a, o in world.owners.items() if o == owner]),
    )


def row_of(world: World, binding: tuple[str | int, ...]) -> BindingRow:
    """The reference's binding row as the engine tells it."""
    match binding:
        case ("none",):
            return BindingRow(RowKind.NONE, 0, 0, False)
        case ("dated", row):
            return BindingRow(RowKind.DATED, list(world.dated_rows).index(int(row)), 0, False)
        case ("grid", bucket, str(name)):
            rises = name[0] == "+"
            if name[1:].startswith("sector"):
                return BindingRow(RowKind.ROTATION, int(bucket), int(name.split()[1]), rises)
            tail = world.parameters.tail_shock_ppm * world.parameters.tail_weight_ppm // M
            size = FRACTIONS.get(name[1:], tail)
            kind = RowKind.PARALLEL if name[1:] in FRACTIONS else RowKind.TAIL
            return BindingRow(kind, int(bucket), size if rises else -size, rises)
    raise AssertionError(binding)


# --- The comparison ----------------------------------------------------------------------------------------------------


def told(report: LevelReport) -> dict[str, object]:
    """What the engine says, by the reference's names."""
    terms = {name: getattr(report.terms, name.lower()) for name in reference.TERMS}
    return terms | {
        "equity": report.equity,
        "requirement": report.requirement,
        "excess": report.excess,
        "without orders": report.requirement_without_orders,
        "orders": report.orders,
        "binding": report.binding_row,
    }


def expected(world: World, found: reference.Evaluation) -> dict[str, object]:
    """What the reference says."""
    return found.terms | {
        "equity": found.nlv,
        "requirement": found.requirement,
        "excess": found.excess,
        "without orders": found.requirement_without_orders,
        "orders": found.ord,
        "binding": row_of(world, found.binding),
    }


def compare(world: World, account: int) -> None:
    """One account at every level, with and without orders, slower or not."""
    venue, view = venue_of(world), account_of(world, account)
    for level in range(4):
        for orders in (True, False):
            for slower in (False, True) if level else (False,):
                report = reports.what_if(world.engine, account, level=level, orders=orders, slower=slower)
                found = reference.evaluate(venue, view, level, orders, slower=slower)
                assert told(report) == expected(world, found), (account, level, orders, slower)
                exposures = exposures_of(venue, view, level, orders, slower)
                assert report.gap_groups == largest_groups(venue, exposures)
                assert sum(part.amount for part in report.contributions) == report.requirement
                count(view, report, slower)
                count_splits(venue, view, report)
                compared["with receivables"] += any(venue.receivable.get(b) for b in view.balances)
                compared["paid for or unhedged above a cap"] += any(e.uncounted for e in exposures)


def exposures_of(
    venue: Venue, view: AccountView, level: int, orders: bool, slower: bool
) -> list[reference.Exposure]:
    """The reference's exposures under a question."""
    held = reference.held(venue, view, orders)
    orders = orders and bool(view.orders)
    return [reference.exposure(venue, view, u, level, orders, slower) for u in held]


def largest_groups(venue: Venue, exposures: list[reference.Exposure]) -> tuple[GapGroup, ...]:
    """The reference's two gap groups that count in full."""
    return tuple(GapGroup(group, x) for group, x in reference.gap_groups(venue, exposures)[:2] if x)


def count(view: AccountView, report: LevelReport, slower: bool) -> None:
    """What the evaluations covered."""
    compared["evaluations"] += 1
    compared["with open orders"] += bool(view.orders and report.orders)
    compared["with perps"] += any(p.lots for p in view.positions.values())
    compared["with claims or debts"] += any(p.claim or p.debt for p in view.positions.values())
    compared["with loans"] += any(b.pledged < 0 for b in view.balances.values())
    compared["with tokens in escrow"] += any(b.escrowed and b.admitted for b in view.balances.values())
    compared["with cash in escrow"] += any(b.escrowed and not b.admitted for b in view.balances.values())
    compared["with cash due"] += any(b.due for b in view.balances.values())
    compared["below requirement"] += report.excess < 0
    compared["slower"] += slower
    compared[f"binding {RowKind(report.binding_row.kind).name}"] += 1
    for name in reference.TERMS:
        compared[name] += getattr(report.terms, name.lower()) > 0


def count_splits(venue: Venue, view: AccountView, report: LevelReport) -> None:
    """What the evaluations met of splits; a part of a share (1e-9) is what rounding is about."""
    whole = {
        m: lots * venue.markets[m].lot_size * n % o == 0
        for m, (n, o) in venue.splits.items()
        for lots in [lots_of(view, m)]
    }
    compared["with split perps"] += any(lots_of(view, m) for m in whole)
    compared["with parts of a unit of a share"] += not all(whole.values())
    names = {venue.markets[m].underlying for m in venue.splits}
    compared["with split tokens"] += any(
        b.pledged and venue.assets[a].underlying in names for a, b in view.balances.items()
    )
    compared["with orders in split perps"] += report.orders and any(
        o.market in venue.splits for o in view.orders
    )


def lots_of(view: AccountView, market: int) -> int:
    """Signed lots of a position."""
    return view.positions[market].lots if market in view.positions else 0


@pytest.mark.parametrize("seed", range(WORLDS))
def test_engine_and_reference_agree_in_a_random_world(seed: int) -> None:
    engine = Engine()
    world = World(seed, engine, sender(engine))
    world.found(names=2 + seed % 6)
    for _ in range(STEPS // EVERY):
        world.steps(EVERY)
        compare(world, world.any_account())
    assert all(difference == 0 for _, difference in engine.conservation())


@pytest.mark.parametrize("seed", range(WORLDS // 3))
def test_engine_and_reference_agree_where_tokens_are_issued_and_redeemed(seed: int) -> None:
    engine = Engine()
    world = IssuingWorld(seed, engine, sender(engine), mix=ISSUING)
    world.found(names=2 + seed % 4)
    for _ in range(STEPS // EVERY):
        world.steps(EVERY)
        compare(world, world.any_account())
    assert all(difference == 0 for _, difference in engine.conservation())


@pytest.mark.parametrize("seed", range(WORLDS // 3))
def test_engine_and_reference_agree_where_dividends_are_receivable(seed: int) -> None:
    engine = Engine()
    world = DividendWorld(seed, engine, sender(engine), mix=DIVIDENDS)
    world.found(names=2 + seed % 4)
    for _ in range(STEPS // EVERY):
        world.steps(EVERY)
        compare(world, world.any_account())
    assert all(difference == 0 for _, difference in engine.conservation())
    assert world.taken


@pytest.mark.parametrize("seed", range(WORLDS // 2))
def test_engine_and_reference_agree_where_shares_are_split(seed: int) -> None:
    engine = Engine()
    world = SplitWorld(seed, engine, sender(engine), mix=SPLITS)
    world.found(names=2 + seed % 4)
    for _ in range(STEPS // EVERY):
        world.steps(EVERY)
        compare(world, world.any_account())
    assert all(difference == 0 for _, difference in engine.conservation())
    assert world.splits_taken


def gross(world: World, owner: int, underlying: int) -> int:
    """Dollars of an owner's tokens at the index, in micro-dollars."""
    venue = venue_of(world)
    held = [reports.account(world.engine, a).balances for a, o in world.owners.items() if o == owner]
    shares = sum(
        abs(reference.token_shares(world.assets[b.asset], b.pledged + b.lent))
        for balances in held
        for b in balances
        if b.asset in reference.tokens_of(venue, underlying)
    )
    return reference.dollars(shares, venue.prices[underlying].index, world.underlyings[underlying])


@pytest.mark.parametrize("seed", range(WORLDS))
def test_exit_costs_are_stored_for_what_a_group_holds_and_then_for_what_it_orders(seed: int) -> None:
    engine = Engine()
    world = World(seed, engine, sender(engine))
    world.found()
    stored = {(k.owner, k.underlying): k for k in reports.liquidity(engine)}
    assert stored
    for (owner, underlying), k in stored.items():
        listing, held = world.underlyings[underlying], gross(world, owner, underlying)
        spot = reference.liquidity_rate(world.parameters, listing, held, listing.spot_volume)
        perp = reference.liquidity_rate(world.parameters, listing, 0, listing.perp_volume)
        assert (k.spot_ppm, k.perp_ppm) == (spot, perp)
    for market in world.markets.values():
        lots, account = world.lots(market.market, 3_000), world.any_account()
        price = next(line.index_ticks for line in reports.markets(engine) if line.market == market.market)
        order = PlaceOrder(market=market.market, side=Side.BID, price=price, lots=lots)
        events = world.submit(order, account)
        if market.base or not any(isinstance(event.body, OrderPlaced) for event in events):
            continue
        owner, listing = world.owners[account], world.underlyings[market.underlying]
        k = next(
            k for k in reports.liquidity(engine) if (k.owner, k.underlying) == (owner, market.underlying)
        )
        units = reference.notional(venue_of(world), market, OpenOrder(market.market, 0, price, lots))
        ordered = reference.micro(units, world.assets[market.quote])
        assert k.perp_ppm >= reference.liquidity_rate(world.parameters, listing, ordered, listing.perp_volume)


def test_the_comparison_reached_everything() -> None:
    """Runs after the worlds, which it needs: enough was compared, and every term, kind of row and situation occurred."""
    sys.stdout.write(f"\ncompared with the reference: {dict(compared)}\n")
    assert compared["evaluations"] >= LEAST
    rare = [what for what, times in compared.items() if times < 20]
    assert not rare, rare
    for what in (
        "with tokens in escrow", "with cash in escrow", "with cash due", "with receivables", "LENT", "with split perps",
        "with parts of a unit of a share", "with split tokens", "with orders in split perps",
    ):  # fmt: skip
        assert compared[what] >= 20, what
    for kind in ("NONE", "PARALLEL", "ROTATION", "TAIL", "DATED"):
        assert compared[f"binding {kind}"] >= 20, kind
