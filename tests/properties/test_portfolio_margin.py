"""`novate.margin` says of a portfolio what the venue says of an account that came by it with real commands, to the micro-dollar.

Each world is a venue with the packaged listing in which one account gets tokens and coins, borrows, and trades perps with a maker;
prices move, sessions change, hours are settled. Then the same holdings are asked as a portfolio at the same prices and session.
Equity, requirement and excess at all four levels, every term, the binding row, the state, and the contributions agree.
"""

import contextlib
import os
from fractions import Fraction
from random import Random

import pytest

import novate
from novate.config import packaged_listing
from novate.embedding.margin import TERMS, Rules
from novate.errors import Refused
from novate.messages import AccountState, Lend, reports
from novate.messages.reports import Level

WORLDS = 16 * (20 if os.environ.get("NOVATE_LONG") else 1)
M = 1_000_000
NAMES = ("SPY", "NVDA", "COIN", "IBIT", "BTC", "BILL")
FIRST = {"SPY": 660, "NVDA": 190, "COIN": 350, "IBIT": 65, "BTC": 120_000, "BILL": 100}
SESSIONS = ("regular", "post", "overnight", "closed", "weekend", "before_weekend", "halted")
RULES = Rules.of_listing(packaged_listing(underlyings=NAMES))
compared = 0


def venue(random: Random) -> tuple[novate.Engine, int]:
    """A venue in which an account holds a random portfolio."""
    engine = novate.Engine()
    engine.list(underlyings=NAMES)
    prices = {name: round(price * random.uniform(0.7, 1.4), 2) for name, price in FIRST.items()}
    prices["BILL"] = 100
    engine.price(prices)
    maker, own = engine.open_account(), engine.open_account()
    engine.deposit(maker, "USDC", 150_000_000)
    engine.send(Lend(asset=RULES.instruments.assets["USDC"].asset, amount=20_000_000 * M), account=maker)
    engine.deposit(own, "USDC", random.choice((1_000, 200_000, 5_000_000)))
    tokens = random.sample(NAMES, random.randint(0, 4))
    for name in tokens:
        dollars = random.choice((1_000, 50_000, 2_000_000, 60_000_000 if name == "COIN" else 500_000))
        engine.deposit(own, f"t{name}", round(dollars / prices[name], 6))
    for name in random.sample([name for name in NAMES if name != "BILL"], random.randint(0, 4)):
        market = f"{name}-PERP"
        lot = float(1 / RULES.instruments.held[market].per_unit)
        shares = round(max(random.choice((500, 20_000, 400_000)) / prices[name] // lot, 1) * lot, 4)
        tick = 0.1 if name == "BTC" else 0.01
        at = round(round(prices[name] * random.uniform(0.97, 1.03) / tick) * tick, 2)
        buys = random.random() < 0.4
        sides = (engine.sell, engine.buy) if buys else (engine.buy, engine.sell)
        try:
            sides[0](maker, market, shares, at)
            sides[1](own, market, shares, at)
        except Refused:
            engine.cancel(maker)
    if random.random() < 0.5:
        with contextlib.suppress(Refused):
            engine.withdraw(own, "USDC", random.choice((5_000, 300_000)))
    if random.random() < 0.7:
        moved = {
            name: round(price * random.uniform(0.9, 1.1), 6)
            for name, price in prices.items()
            if name != "BILL"
        }
        engine.price(moved)
        engine.advance("70 min")  # the stable price and the mark come after, an hour is settled
    return engine, own


def holdings(engine: novate.Engine, account: int) -> list[tuple[str, object, object]]:
    """Instrument, quantity and entry price of everything that the account has."""
    told = reports.account(engine, account)
    rows: list[tuple[str, object, object]] = []
    debts = sum(p.debt for p in told.positions)
    for b in told.balances:
        units = b.pledged + b.lent - (debts if b.name == "USDC" else 0)
        rows.append((b.name, Fraction(units) / RULES.instruments.held[b.name].per_unit, None))
    for p in told.positions:
        assert p.claim == 0
        if p.lots:
            shares = p.lots / RULES.instruments.held[p.name].per_unit
            rows.append((p.name, shares, Fraction(p.cost, M) / shares))
    return rows


@pytest.mark.parametrize("seed", range(WORLDS))
def test_a_portfolio_needs_what_the_account_needs(seed: int) -> None:
    global compared  # noqa: PLW0603 - counts over all worlds
    import pandas as pd

    random = Random(seed)
    engine, own = venue(random)
    session = random.choice(SESSIONS)
    for each in ("overnight", "regular"):
        engine.session(each, NAMES)  # an opening: exit costs are stored anew
    if session != "regular":
        engine.session(session)
    index = {line.name: Fraction(line.index, M) for line in reports.underlyings(engine) if line.index}
    held = holdings(engine, own)
    positions = pd.DataFrame(held, columns=["instrument", "quantity", "price"], dtype=object)
    found = novate.margin(positions, index, session, RULES, exact=True).iloc[0]
    report = reports.margin(engine, own)
    initial = report.levels[Level.INITIAL]
    assert (found["equity"], found["requirement"], found["excess"]) == (
        initial.equity,
        initial.requirement,
        initial.excess,
    )
    for name, level in (
        ("liquidation_end", Level.LIQUIDATION_END),
        ("maintenance", Level.MAINTENANCE),
        ("close_out", Level.CLOSE_OUT),
    ):
        assert found[name] == report.levels[level].requirement
        assert found[f"{name}_excess"] == report.levels[level].excess
    assert {column: found[column] for column in TERMS} == {
        column: getattr(initial.terms, term) for column, term in TERMS.items()
    }
    assert sum(found[column] for column in TERMS) == found["requirement"]
    assert found["binding"] == initial.binding
    assert not reports.account(engine, own).line.in_liquidation or found["state"] != "green"
    if report.state in (AccountState.GREEN, AccountState.RED, AccountState.BLACK):
        assert found["state"] == AccountState(report.state).name.lower()
    for name, level in (("initial", Level.INITIAL), ("maintenance", Level.MAINTENANCE)):
        parts = novate.contributions(positions, index, session, RULES, level=name, exact=True)
        assert parts["contribution"].sum() == report.levels[level].requirement
        told = {part.name: (part.value, part.amount) for part in report.levels[level].contributions}
        assert {key: (row["value"], row["contribution"]) for key, row in parts.iterrows()} == told
    compared += bool(held)


def test_there_was_something_to_compare() -> None:
    assert compared == WORLDS
