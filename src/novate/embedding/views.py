"""An engine's answers as frames: accounts, holdings, prices, markets and books, in dollars, shares and tokens, and a margin explained.

Responsible for: one row per thing, by name. Every figure is the engine's own; floats begin here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from novate import explain
from novate._core import Engine
from novate.embedding.instruments import Instruments
from novate.embedding.words import lots_in, tick_of
from novate.explain import Explanation
from novate.messages import AccountState, Quality, Session, reports
from novate.messages.reports.portfolios import MarketName


def accounts(core: Engine) -> pd.DataFrame:
    """Every account against its requirements, dollars: equity at maintenance, excess against each level's own equity."""
    rows = [
        {
            "account": line.account,
            "owner": line.owner,
            "state": AccountState(line.state).name.lower(),
            "in_liquidation": line.in_liquidation,
            "equity": line.equity / 1e6,
            "requirement": line.requirements[reports.Level.INITIAL] / 1e6,
            "excess": line.excess[reports.Level.INITIAL] / 1e6,
            "maintenance": line.requirements[reports.Level.MAINTENANCE] / 1e6,
            "maintenance_excess": line.excess[reports.Level.MAINTENANCE] / 1e6,
        }
        for line in reports.accounts(core)
    ]
    return _indexed(rows, "account")


def holdings(core: Engine, names: Instruments, account: int) -> pd.DataFrame:
    """What an account holds: quantity in tokens, coins or shares, value at maintenance and a perp's result, dollars."""
    told = reports.account(core, account)
    rows = []
    for b in told.balances:
        units_in_all = b.pledged + b.lent + b.escrowed
        scale = 10 ** names.assets[b.name].decimals
        rows.append(
            {
                "instrument": b.name,
                "quantity": units_in_all / scale,
                "value": b.value / 1e6,
                "result": 0.0,
            }
        )
    for p in told.positions:
        if p.perp and (p.lots or p.claim or p.debt):
            shares = float(p.lots / names.held[p.name].per_unit)
            coin = names.assets[names.held[p.name].quote]
            result = p.result / 1e6 + (p.claim - p.debt) / 10**coin.decimals
            rows.append({"instrument": p.name, "quantity": shares, "value": p.value / 1e6, "result": result})
    return _indexed(rows, "instrument")


def prices(core: Engine, names: Instruments) -> pd.DataFrame:
    """Every name's index and stable price (dollars; nan before the first), how far it can be trusted, and its session."""
    scale = {line.name: 10**line.decimals for line in names.listed.underlyings}
    rows = [
        {
            "underlying": line.name,
            "index": line.index / scale[line.name] if line.index else float("nan"),
            "stable": line.stable / scale[line.name] if line.index else float("nan"),
            "quality": Quality(line.quality).name.lower(),
            "session": Session(line.session).name.lower(),
        }
        for line in reports.underlyings(core)
    ]
    return _indexed(rows, "underlying")


def markets(core: Engine, names: Instruments) -> pd.DataFrame:
    """Every market with its best prices and steps, in dollars and shares or tokens."""
    rows = []
    for line in reports.markets(core):
        terms = names.markets[line.name]
        tick = tick_of(terms, names)
        told = {
            side: None if at is None else float(at * tick)
            for side, at in (("bid", line.best_bid), ("ask", line.best_ask))
        }
        rows.append(
            {
                "market": line.name,
                "underlying": names.underlying_of(terms.underlying),
                "kind": "perp" if line.perp else "spot",
                "bid": told["bid"],
                "ask": told["ask"],
                "tick": float(tick),
                "lot": float(lots_in(terms, names)),
            }
        )
    return _indexed(rows, "market").astype({"bid": float, "ask": float})


def book(core: Engine, names: Instruments, terms: MarketName, levels: int) -> pd.DataFrame:
    """The best prices of both sides of a market, best first."""
    tick, lot = tick_of(terms, names), lots_in(terms, names)
    told = reports.book(core, terms.market, levels)
    rows = [
        {"side": side, "price": float(level.price * tick), "quantity": float(level.lots * lot)}
        for side, lines in (("ask", reversed(told.asks)), ("bid", iter(told.bids)))
        for level in lines
    ]
    return _indexed(rows, "side")


def books(core: Engine, names: Instruments) -> pd.DataFrame:
    """The venue's own accounts per asset, and `difference`: custody less everything owed, which is 0 always."""
    assets = {line.asset: line for line in names.listed.assets}
    told = reports.ledger(core)
    rows: dict[str, dict[str, float]] = {
        assets[line.asset].name: {"difference": float(line.difference)} for line in told.conservation
    }
    for line in told.venue:
        asset = assets[line.asset]
        rows[asset.name][line.party.lower()] = line.amount / 10**asset.decimals
    frame = pd.DataFrame.from_dict(rows, orient="index").fillna(0.0).rename_axis("asset")
    return frame[[*sorted(set(frame.columns) - {"difference"}), "difference"]]


class Explained:
    """An account's margin explained: prints as its sentence and its parts, shows itself in a notebook."""

    def __init__(self, explanation: Explanation) -> None:
        self.explanation = explanation
        """Everything in the engine's units."""

    @property
    def sentence(self) -> str:
        """The answer in words."""
        return self.explanation.sentence

    @property
    def frame(self) -> pd.DataFrame:
        """What each holding makes of the initial requirement, dollars; they sum to it exactly."""
        rows = [
            {
                "position": part.name,
                "kind": part.kind,
                "value": part.value / 1e6,
                "contribution": part.amount / 1e6,
            }
            for part in self.explanation.initial.contributions
        ]
        return _indexed(rows, "position")

    @property
    def levels(self) -> pd.DataFrame:
        """The four requirements, dollars, each against its own equity."""
        rows = [
            {
                "level": explain.LEVELS[reports.Level(level.level)],
                "equity": level.equity / 1e6,
                "requirement": level.requirement / 1e6,
                "excess": level.excess / 1e6,
                "binding": level.binding,
            }
            for level in self.explanation.margin.levels
        ]
        return _indexed(rows, "level")

    @property
    def distances(self) -> pd.DataFrame:
        """The smallest move of one name, a fraction, that leads to each state, all else unchanged; none where none does."""
        rows = [
            {
                "underlying": line.name,
                "state": explain.STATES[AccountState(at.state)],
                "fall": at.fall.ppm / 1e6 if at.fall else None,
                "rise": at.rise.ppm / 1e6 if at.rise else None,
            }
            for line in self.explanation.thresholds
            for at in line.states
        ]
        frame = pd.DataFrame(rows, columns=["underlying", "state", "fall", "rise"])
        return frame.astype({"fall": float, "rise": float}).set_index(["underlying", "state"])

    def __repr__(self) -> str:
        lines = [
            f"    {part.name:16} {part.amount / 1e6:>16,.2f}"
            for part in self.explanation.initial.contributions
        ]
        return "\n".join([self.sentence, *lines])

    def _repr_html_(self) -> str:
        tables = (self.levels, self.frame)
        return f"<p>{self.sentence}</p>" + "".join(
            table.to_html(float_format=lambda number: f"{number:,.2f}") for table in tables
        )


def _indexed(rows: Iterable[Mapping[str, Any]], index: str) -> pd.DataFrame:
    frame = pd.DataFrame([*rows])
    return frame.set_index(index) if len(frame) else frame
