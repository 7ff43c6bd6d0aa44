"""One account at one moment, as the report shows it: balance sheet, margin with reasons, and the same book under other rules.

Responsible for: asking the engine and turning its answers into report values. Never computes a margin: every requirement is
the engine's own, those of legs alone too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from novate import explain
from novate._core import Engine
from novate.config import Listing
from novate.demo.dividend import receivable
from novate.messages import AccountState, ConfigureClearing, ListDatedRow, reports
from novate.messages.reports import BalanceChange, Level, Trade
from novate.messages.reports import explain as questions
from novate.reports import model
from novate.risk.peers import AssetClass, Leg, LegKind, PeerResult, Portfolio, Standalone, compare

DAYS_AHEAD = 4
ORANGE = 1
"""Place of the state in which liquidation begins, among the four distances."""
LEVELS = ("initial", "liquidation-end", "maintenance", "close-out")


@dataclass(frozen=True, slots=True)
class Portrait:
    """Everything a report says about an account at one time."""

    sheet: model.BalanceSheet
    margin: model.MarginView
    peers: tuple[PeerResult, ...]
    exposure_micro: int
    distances: tuple[model.Distance, ...]
    ahead: tuple[model.Milestone, ...]
    dated_row: model.DatedRow | None

    @property
    def liquidated_if(self) -> str:
        """What completes "it would be liquidated if ...": the moves of single names to maintenance, or the equity above it."""
        clauses = []
        for d in self.distances:
            fall, rise = d.falls[ORANGE], d.rises[ORANGE]
            moves = [f"fell by {-fall / 10_000:.1f} %"] if fall is not None else []
            moves += [f"rose by {rise / 10_000:.1f} %"] if rise is not None else []
            if moves:
                clauses.append(f"{d.underlying} {' or '.join(moves)}")
        if clauses:
            return "; or ".join(clauses) + ", all else equal"
        level = self.margin.level("maintenance")
        excess = level.excess_micro if level else 0
        return (
            f"its equity fell by ${excess / 1e6:,.0f}: no price of one name between -99 % and +300 % does it"
        )


@dataclass(frozen=True, slots=True)
class Painter:
    """Draws portraits from one engine and listing."""

    engine: Engine
    listing: Listing
    asset_class: Mapping[str, AssetClass]
    dated_row: ListDatedRow | None

    def portrait(self, account: int, *, peers: bool = True) -> Portrait:
        """The account now; `peers`: with the compared rules, the distances and the days ahead."""
        held = reports.account(self.engine, account)
        return Portrait(
            sheet=self.sheet(held),
            margin=self.margin(account),
            peers=self._peers(account, held) if peers else (),
            exposure_micro=sum(abs(p.value) for p in held.positions)
            + sum(abs(b.value) for b in self._tokens(held)),
            distances=self._distances(account) if peers else (),
            ahead=self._ahead(account) if peers else (),
            dated_row=self._with_row(account),
        )

    def _distances(self, account: int) -> tuple[model.Distance, ...]:
        lines = [line for line in questions.thresholds(self.engine, account) if line.name != "USDC"]
        return tuple(
            model.Distance(
                underlying=line.name,
                falls=tuple(at.fall.ppm if at.fall else None for at in line.states),
                rises=tuple(at.rise.ppm if at.rise else None for at in line.states),
            )
            for line in lines
        )

    def _ahead(self, account: int) -> tuple[model.Milestone, ...]:
        return tuple(
            model.Milestone(
                time_ns=at.time_ns,
                what=at.what,
                initial_micro=at.requirements[Level.INITIAL],
                maintenance_micro=at.requirements[Level.MAINTENANCE],
                state=at.state,
            )
            for at in explain.projection(self.engine, account, DAYS_AHEAD)
        )

    def sheet(self, held: reports.AccountReport) -> model.BalanceSheet:
        """All lines; they add up to the equity that maintenance sees."""
        lines = [line for balance in held.balances for line in self._balance(balance)]
        for p in held.positions:
            terms = self.listing.markets[p.name]
            if p.perp and (p.lots or p.result):
                quantity = f"{p.lots * terms.lot_size / 1e9:,.10g}"
                lines.append(
                    model.BalanceLine(
                        group="perp",
                        name=p.name,
                        quantity=quantity,
                        value_micro=p.result,
                        exposure_micro=p.value,
                    )
                )
            if p.claim or p.debt:
                lines.append(
                    model.BalanceLine(
                        group="claim", name=f"{p.name} unsettled", quantity="", value_micro=p.claim - p.debt
                    )
                )
        difference = held.line.equity - sum(line.value_micro for line in lines)
        if difference:
            lines.append(
                model.BalanceLine(group="cash", name="price of USDC", quantity="", value_micro=difference)
            )
        return model.BalanceSheet(time_ns=held.time_ns, lines=tuple(lines), equity_micro=held.line.equity)

    def _balance(self, b: reports.BalanceLine) -> list[model.BalanceLine]:
        return self._cash(b) if b.name == "USDC" else self._token(b)

    def _token(self, b: reports.BalanceLine) -> list[model.BalanceLine]:
        units = b.pledged + b.lent + b.escrowed
        lines = []
        if b.value:
            group: model.LineGroup = "asset" if units >= 0 else "loan"
            name = b.name if units >= 0 else f"{b.name} borrowed"
            quantity = f"{units / 1e6:,.10g}"
            lines.append(model.BalanceLine(group=group, name=name, quantity=quantity, value_micro=b.value))
        if due := receivable(self.engine, self.listing, b.name, units):
            lines.append(
                model.BalanceLine(group="claim", name=f"{b.name} dividend", quantity="", value_micro=due)
            )
        return lines

    def _cash(self, b: reports.BalanceLine) -> list[model.BalanceLine]:
        loan: model.LineGroup = "cash" if b.pledged > 0 else "loan"
        counts = next(c.due_ppm for c in self.listing.commands if isinstance(c, ConfigureClearing))
        parts: tuple[tuple[model.LineGroup, str, int], ...] = (
            (loan, "USDC", b.pledged),
            ("cash", "USDC lent", b.lent),
            ("cash", "USDC held for an issuance", b.escrowed),
            ("claim", f"due from a redemption, at {counts / 10_000:g} %", b.due * counts // 1_000_000),
        )
        return [
            model.BalanceLine(group=group, name=name, quantity="", value_micro=value)
            for group, name, value in parts
            if value
        ]

    def margin(self, account: int) -> model.MarginView:
        """All four levels, terms and contributions of the initial one."""
        report = reports.margin(self.engine, account)
        initial = report.levels[0]
        bare = reports.what_if(self.engine, account, orders=False).terms
        names = ("sr", "gap", "basis", "wrap", "fx", "liq", "crowd", "lent")
        terms = [model.Term(name=n.upper(), amount_micro=getattr(bare, n)) for n in names]
        terms.append(model.Term(name="ORD", amount_micro=initial.orders))
        return model.MarginView(
            time_ns=report.time_ns,
            equity_micro=report.levels[Level.MAINTENANCE].equity,
            state=AccountState(report.state).name.lower(),
            binding=self._binding(initial),
            levels=tuple(
                model.Level(name=name, requirement_micro=level.requirement, excess_micro=level.excess)
                for name, level in zip(LEVELS, report.levels, strict=True)
            ),
            terms=tuple(terms),
            contributions=tuple(
                model.Contribution(position=c.name, amount_micro=c.amount) for c in initial.contributions
            ),
        )

    def _binding(self, level: reports.LevelReport) -> str:
        """The binding scenario in words, with what the largest terms are."""
        terms = {
            "the stress itself": level.terms.sr,
            "single-name gaps": level.terms.gap,
            "token against perp": level.terms.basis,
            "token wrappers": level.terms.wrap,
            "stablecoin depeg": level.terms.fx,
            "cost of getting out": level.terms.liq,
            "what it has lent": level.terms.lent,
            "open orders": level.orders,
        }
        largest = sorted(terms, key=lambda name: -terms[name])[:2]
        parts = [f"{name} ${terms[name] / 1e6:,.0f}" for name in largest if terms[name] > 0]
        worst = level.binding if level.terms.sr else "no listed scenario costs it anything"
        return worst + (f"; most of it is {' and '.join(parts)}" if parts else "")

    def _tokens(self, held: reports.AccountReport) -> list[reports.BalanceLine]:
        return [b for b in held.balances if b.name != "USDC"]

    def _peers(self, account: int, held: reports.AccountReport) -> tuple[PeerResult, ...]:
        """The same book under the compared rules; legs alone are margined by the engine.

        None for a book with a borrowed token: none of these rules says what it asks of one.
        """
        if any(b.pledged < 0 for b in self._tokens(held)):
            return ()
        legs: dict[str, dict[str, int]] = {}
        changes: dict[tuple[str, str], BalanceChange | Trade] = {}
        names = {number: name for name, number in self.listing.asset.items()}
        for b in self._tokens(held):
            name = self.listing.underlying_of_asset[names[b.asset]]
            legs.setdefault(name, {})["spot"] = b.value
            changes[name, "spot"] = BalanceChange(asset=b.asset, amount=b.pledged + b.lent + b.escrowed)
        lines = {line.market: line for line in reports.markets(self.engine)}
        claims = 0
        for p in held.positions:
            claims += p.claim - p.debt
            if p.perp and p.lots:
                name = self.listing.underlying_of_market[p.name]
                legs.setdefault(name, {}).update(perp=p.value, pnl=p.result)
                changes[name, "perp"] = Trade(market=p.market, lots=p.lots, price=lines[p.market].index_ticks)
        cash = sum(b.pledged + b.lent for b in held.balances if b.name == "USDC")
        book = Portfolio(
            cash={"USDC": cash},
            legs=tuple(self._leg(name, parts) for name, parts in legs.items()),
            claims_micro=claims,
        )

        def alone(change: BalanceChange | Trade) -> Standalone:
            both = [
                reports.what_if(
                    self.engine, account, [change], level=level, alone=True, orders=False
                ).requirement
                for level in (Level.INITIAL, Level.MAINTENANCE)
            ]
            return Standalone(*both)

        def standalone(leg: Leg, kind: LegKind) -> Standalone:
            return alone(changes[leg.underlying, kind])

        return compare(book, standalone, alone(BalanceChange(asset=self.listing.asset["USDC"], amount=cash)))

    def _leg(self, name: str, parts: dict[str, int]) -> Leg:
        return Leg(
            underlying=name,
            asset_class=self.asset_class[name],
            spot_value_micro=parts.get("spot", 0),
            perp_value_micro=parts.get("perp", 0),
            perp_pnl_micro=parts.get("pnl", 0),
        )

    def _with_row(self, account: int) -> model.DatedRow | None:
        """The initial requirement with the dated row of the replayed day listed as well."""
        if self.dated_row is None:
            return None
        return model.DatedRow(
            name=self.dated_row.date,
            time_ns=self.engine.time_ns,
            without_micro=reports.margin(self.engine, account).levels[0].requirement,
            with_micro=reports.margin_with_row(self.engine, account, self.dated_row).levels[0].requirement,
        )
