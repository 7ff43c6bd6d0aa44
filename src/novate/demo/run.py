"""Runs the demo: genesis, replay, report.

Responsible for: the order of things and the figures of the run itself. `novate demo`, `novate replay` and the tests call
`run_demo`; the rules are in the engine, the people in `cast`, the words in `novate.reports`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import time as clock_time
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from novate._core import release, ruleset
from novate.calendar import new_york_date, new_york_ns, trading_days
from novate.config import Listing, packaged_listing
from novate.demo.backoffice import BackOffice
from novate.demo.bridging import EVENTS as BRIDGED
from novate.demo.bridging import Bridging
from novate.demo.cast import CRYPTO_LONG, HEDGER, HOLDER, PANIC, Cast, Casting
from novate.demo.market import Market
from novate.demo.participants import Participant
from novate.demo.portrait import Painter, Portrait
from novate.demo.primary import Primary
from novate.demo.recorder import SAMPLE_NS, WANTED, Recorder
from novate.demo.replay import TICK_MICRO_USD, Replay
from novate.demo.staff import governance, staffing
from novate.demo.watch import WATCHED, Watch
from novate.journal import journal_bytes
from novate.marketdata import Scenario, default_scenario, find_data, load_scenario
from novate.messages import (
    Command,
    Deposit,
    Event,
    EventMessage,
    FundInsurance,
    FundOperatorTranche,
    OpenAccount,
    PostPrice,
    PriceClass,
    PriceKind,
    encode,
    reports,
)
from novate.reports import model, print_report, write_page
from novate.venue import Venue

INSURANCE_DOLLARS = 2_000_000
OPERATOR_DOLLARS = 250_000
CALENDAR = "SPY"
"""Whose regular opens the long delay of a change counts."""
Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the caller chose; None means the default."""

    scenario: str | None = None
    data: str | None = None
    home: Path | None = None
    advance_ms: int = 1_000
    seed: int = 1
    report: Path | None = None
    start_ns: int | None = None
    end_ns: int | None = None


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The report, where its page is, and the machine-readable summary."""

    report: model.Report
    report_path: Path
    json: dict[str, Any]


def run_demo(options: DemoOptions, progress: Progress, console: Console) -> DemoResult:
    """Replays a scenario through a fresh venue, prints the report on `console`, writes the page.

    Raises DataError, ConfigError, JournalError: one clear sentence each; the home keeps what was journaled.
    """
    begun = time.perf_counter()
    data = find_data(options.data)
    name = options.scenario or default_scenario(data)
    scenario = load_scenario(name, data, options.seed, start_ns=options.start_ns, end_ns=options.end_ns)
    home = options.home or Path(tempfile.mkdtemp(prefix="novate-"))
    console.print(f"[bold]{scenario.headline}[/bold]", highlight=False)
    console.print(f"Journal and report in {home}", highlight=False)
    with Venue.open(home, scenario.start_ns) as venue:
        stage = Stage.set(venue, scenario, home)
        first_frame_s = time.perf_counter() - begun
        stage.play(options.advance_ms, progress)
        result = stage.result(options, home, begun, first_frame_s)
    print_report(result.report, console)
    return result


@dataclass(slots=True)
class Stage:
    """A venue with its cast, ready to play."""

    venue: Venue
    scenario: Scenario
    listing: Listing
    market: Market
    cast: Cast
    recorder: Recorder
    watch: Watch
    office: BackOffice
    primary: Primary
    replay: Replay
    before_ns: int
    before: dict[int, Portrait]
    insurance: dict[str, int]

    @classmethod
    def set(
        cls,
        venue: Venue,
        scenario: Scenario,
        home: Path,
        listing: Listing | None = None,
        cast: Cast | None = None,
    ) -> Stage:
        """Genesis: listings, sessions, first prices, accounts, deposits; the demo's own listing and cast where none is given."""
        listing = listing or listing_of(scenario)
        omitted = packaged_listing().dated_rows.get(scenario.omitted_dated_row)
        market = Market(listing, time_ns=scenario.start_ns)
        cast = cast or Casting(listing, scenario, first_prices(scenario)).cast()
        classes = {name: kind for name, kind in scenario.asset_class.items() if kind != "stable"}
        painter = Painter(venue.engine, listing, classes, omitted)
        recorder = Recorder(venue.engine, listing, market, painter, HEDGER, cast.hero_market)
        watch = Watch(venue.engine, listing, cast.hero_market.removesuffix("-PERP"))

        office = BackOffice.of(venue.engine, listing, market, scenario, cast)

        bridges = [person for person in cast.people if isinstance(person, Bridging)]

        def see(event: EventMessage) -> None:
            for bridge in bridges:
                bridge.see(event)
            recorder.see(event)
            watch.see(event)
            office.see(event)

        also: tuple[type[Event], ...] = (*WANTED, *WATCHED, *BRIDGED, *office.watchers)
        primary = Primary.of(venue, listing, scenario, home)
        replay = Replay(
            venue, scenario, listing, market, cast.people, office.desks, 0, also, see, beside=(primary,)
        )
        start = before_ns(scenario)
        stage = cls(
            venue, scenario, listing, market, cast, recorder, watch, office, primary, replay, start, {}, {}
        )
        stage._genesis()
        return stage

    def _genesis(self) -> None:
        start = self.scenario.start_ns
        parts = [encode(c, time_ns=start) for c in self.listing.commands]
        parts += [encode(c, time_ns=start) for c in opening_state(self.listing, self.scenario)]
        for person in self.cast.people:
            parts += [encode(c, account=person.account, time_ns=start) for c in arrival(self.listing, person)]
        parts += [encode(c, time_ns=start) for c in self.office.opening()]
        people = [person.account for person in self.cast.people]
        parts += [encode(c, account=account, time_ns=start) for account, c in staffing(people)]
        calendar = governance(self.listing.underlying[CALENDAR])
        parts.append(
            encode(calendar, time_ns=start)
        )  # from here on every command is checked against its authority
        self.replay.take_in(self.venue.submit_stamped(b"".join(parts)))
        self.insurance = self._insurance()
        self.primary.open(self.replay.take_in)
        for person in self.cast.people:
            if isinstance(person, Bridging):
                person.begin(self.venue.engine, self.primary.floor)
        self.office.open(start)

    def _insurance(self) -> dict[str, int]:
        names = {f"Insurance({number})": name for name, number in self.listing.bucket.items()}
        usdc = self.listing.asset["USDC"]
        ledger = reports.ledger(self.venue.engine)
        return {names[b.party]: b.amount for b in ledger.venue if b.asset == usdc and b.party in names}

    def play(self, advance_ms: int, progress: Progress) -> None:
        """The whole window."""
        self.replay.advance_ns = advance_ms * 1_000_000
        start, span = self.scenario.start_ns, self.scenario.end_ns - self.scenario.start_ns

        latecomer = next((person for person in self.cast.people if person.account == PANIC), None)

        def each_frame(time_ns: int) -> None:
            if latecomer is not None and latecomer.started_ns == time_ns:
                self._remember_before(latecomer)
            if time_ns % SAMPLE_NS == 0:
                self._sample(time_ns)
                stamp = f"{new_york_date(time_ns):%a %d %b}"
                progress(
                    (time_ns - start) / span,
                    f"{stamp} · {len(self.recorder.liquidations)} liquidation slices",
                )

        self.replay.run(each_frame)
        self._sample(self.scenario.end_ns)
        self.recorder.finish(self.scenario.end_ns)
        self.primary.close()
        progress(1.0, "done")

    def _remember_before(self, person: Participant) -> None:
        if person.account not in self.before:
            self.before[person.account] = self.recorder.painter.portrait(person.account)

    def _sample(self, time_ns: int) -> None:
        self.recorder.settled.update(person.account for person in self.cast.people if person.started_ns)
        self.recorder.sample(time_ns)
        self.watch.sample(time_ns)
        for person in self.cast.people:
            if person.account != PANIC and person.started_ns and time_ns >= self.before_ns:
                self._remember_before(person)
        if HEDGER in self.before:
            self.recorder.sample_hedge(time_ns)

    def result(self, options: DemoOptions, home: Path, begun: float, first_frame_s: float) -> DemoResult:
        """Everything the run has to say; written as a page."""
        engine, counts = self.venue.engine, self.replay.counts
        names = {number: name for name, number in self.listing.asset.items()}
        conservation = {names[asset]: difference for asset, difference in engine.conservation()}
        state_hash = engine.state_hash().hex()
        wall_s = time.perf_counter() - begun
        facts = model.VenueFacts(
            commands=counts.commands,
            events=counts.events,
            frames=counts.frames + 1,
            journal_bytes=journal_bytes(home / "journal"),
            state_hash=state_hash,
            conservation=tuple(model.AssetDifference(asset=a, difference=d) for a, d in conservation.items()),
            wall_s=wall_s,
            advance_ms=options.advance_ms,
            seed=options.seed,
            release=release(),
            ruleset=ruleset(),
            verify_command=f"novate verify journal {home}",
            home=str(home),
            first_frame_s=first_frame_s,
        )
        report = self._report(facts)
        path = write_page(report, options.report or home / "report.html")
        return DemoResult(report, path, summary(report, path, conservation))

    def _report(self, facts: model.VenueFacts) -> model.Report:
        recorder = self.recorder
        names = ("SPY", "BTC", "ETH", self.cast.hero_market.removesuffix("-PERP"))
        prices = tuple(
            model.PricePath(
                underlying=name,
                asset_class=self.scenario.asset_class[name],
                points=tuple(points),
                headline=name in names,
            )
            for name, points in recorder.prices.items()
            if name not in ("BILL", "USDC")
        )
        after = self._insurance()
        return model.Report(
            scenario=scenario_of(self.scenario),
            venue=facts,
            accounts=tuple(self._account(person) for person in self.cast.people),
            hero=HEDGER,
            featured=(HEDGER, HOLDER, CRYPTO_LONG, PANIC),
            liquidations=tuple(recorder.liquidations),
            shortfalls=tuple(recorder.shortfalls),
            insurance=tuple(
                model.Insurance(bucket=name, before_micro=before, after_micro=after.get(name, 0))
                for name, before in self.insurance.items()
            ),
            funding=tuple(recorder.funding),
            prices=prices,
            quality=tuple(recorder.quality),
            sessions=tuple(recorder.sessions),
            hedge=recorder.hedge_proof(),
            safeguards=self.watch.result(),
            operations=msgspec.structs.replace(
                self.office.result(self.primary.legs_of),
                bridge=next((p.result() for p in self.cast.people if isinstance(p, Bridging)), None),
            ),
        )

    def _account(self, person: Participant) -> model.Account:
        painter = self.recorder.painter
        after = painter.portrait(person.account)
        before = self.before.get(person.account, after)
        worst = self.recorder.worst.get(person.account, (0, after))[1]
        spent = self.recorder.spending[person.account]
        return model.Account(
            id=person.account,
            name=person.name,
            story=person.story,
            rule=person.rule,
            exposure_micro=before.exposure_micro,
            balance_before=before.sheet,
            balance_after=after.sheet,
            before=before.margin,
            worst=msgspec.structs.replace(
                worst.margin, state=self.recorder.states[person.account].name.lower()
            ),
            after=after.margin,
            peers=before.peers,
            path=tuple(self.recorder.paths[person.account]),
            costs=model.Costs(
                fills=spent.fills,
                volume_micro=spent.volume,
                fees_micro=spent.fees,
                funding_micro=spent.funding,
                interest_micro=spent.interest,
            ),
            liquidated_if=before.liquidated_if,
            distances=before.distances,
            ahead=before.ahead,
            dated_row=before.dated_row,
        )


def listing_of(scenario: Scenario, overrides: Mapping[str, dict[str, object]] | None = None) -> Listing:
    """The packaged listing for a scenario: its names, its sources, its volatility, without the row of the day it replays."""
    return packaged_listing(
        underlyings=scenario.underlyings,
        sources=sources_of(scenario),
        overrides={**overrides_of(scenario), **(overrides or {})},
        omit_dated_row=scenario.omitted_dated_row,
    )


def opening_state(listing: Listing, scenario: Scenario) -> list[Command]:
    """Sessions, the last prices before the window, and the operator's insurance."""
    commands: list[Command] = []
    for name in scenario.underlyings:
        number = listing.underlying[name]
        commands.append(scenario.sessions[name][0].command(number))
        if name in scenario.last_price_e6:
            time_ns, price = scenario.last_price_e6[name]
            source = int(scenario.ticks_of(name)["source"][0]) + 1
            nav = listing.terms[name].price_class == PriceClass.NAV
            commands.append(_price(number, source, price, time_ns, nav=nav))
    usdc = listing.asset["USDC"]
    for bucket in listing.bucket.values():
        commands += [
            FundInsurance(bucket=bucket, asset=usdc, amount=INSURANCE_DOLLARS * 1_000_000),
            FundOperatorTranche(bucket=bucket, asset=usdc, amount=OPERATOR_DOLLARS * 1_000_000),
        ]
    return commands


def arrival(listing: Listing, person: Participant) -> list[Command]:
    """Its account, and what arrives in it first."""
    deposits = [
        Deposit(asset=listing.asset[name], amount=units, reference=1)
        for name, units in person.holdings.items()
    ]
    return [OpenAccount(owner=person.account), *deposits]


def before_ns(scenario: Scenario) -> int:
    """10:30 New York on the second trading day: positions are on, the fall has not begun."""
    first, last = new_york_date(scenario.start_ns), new_york_date(scenario.end_ns)
    days = [day.date for day in trading_days(first, last)]
    day = days[1] if len(days) > 1 else first
    return max(new_york_ns(day, clock_time(10, 30)), scenario.start_ns)


def first_prices(scenario: Scenario) -> dict[str, int]:
    """A price per name to size positions with: the last before the window, else the first in it."""
    known = {name: price for name, (_, price) in scenario.last_price_e6.items()}
    return {
        name: known.get(name) or int(scenario.ticks_of(name)["price_e6"][0])
        for name in scenario.underlyings
        if name in known or len(scenario.ticks_of(name))
    }


def sources_of(scenario: Scenario) -> list[tuple[str, int, str]]:
    """Underlying, source number (from 1) and source name of every price source that has ticks."""
    pairs = sorted({(int(u), int(s)) for u, s in scenario.ticks[["underlying", "source"]].tolist()})
    return [(scenario.underlyings[u], s + 1, scenario.sources[s][:32]) for u, s in pairs]


def overrides_of(scenario: Scenario) -> dict[str, dict[str, object]]:
    """Volatility and the primary market's volume where the scenario knows them."""
    overrides: dict[str, dict[str, object]] = {}
    for name, sigma in scenario.daily_sigma_ppm.items():
        if name == "USDC":
            continue
        values: dict[str, object] = {"sigma": f"{sigma} ppm"} if sigma else {}
        start = new_york_date(scenario.start_ns)
        volumes = [usd for day, usd in scenario.daily_volume_usd[name] if day < start]
        if volumes:
            values["spot_volume"] = f"{volumes[-1]} USD"
        overrides[f"underlying.{name}"] = values
    return overrides


def scenario_of(scenario: Scenario) -> model.Scenario:
    """The scenario as the report shows it."""
    return model.Scenario(
        name=scenario.name,
        title=scenario.title,
        headline=scenario.headline,
        story="A small venue goes through the crash, weekend included, on quorum 1: one source at a time, "
        "so jumps wait for their confirmation and liquidations use the slower price.",
        start_ns=scenario.start_ns,
        end_ns=scenario.end_ns,
        data_source=scenario.data_source,
        series=tuple(
            model.Series(
                underlying=s.underlying,
                source=s.source,
                quality=s.quality,
                kind=f"{s.bar_seconds} s bars" if s.bar_seconds else "",
                bars=s.bars,
                stray_bars=s.stray_bars,
                first_ns=s.first_ns,
                last_ns=s.last_ns,
                note=s.note,
            )
            for s in scenario.series
        ),
    )


def summary(report: model.Report, path: Path, conservation: dict[str, int]) -> dict[str, Any]:
    """The machine-readable object of `--json`."""
    facts = report.venue
    return {
        "ok": True,
        "scenario": report.scenario.name,
        "data_source": report.scenario.data_source,
        "state_hash": facts.state_hash,
        "commands": facts.commands,
        "events": facts.events,
        "frames": facts.frames,
        "journal_bytes": facts.journal_bytes,
        "conservation": conservation,
        "liquidations": [
            {
                "account": item.account,
                "time_ns": item.time_ns,
                "market": item.market,
                "side": item.side,
                "quantity": item.quantity,
                "notional": item.notional_micro,
                "price_e6": item.price_e6,
                "index_e6": item.index_e6,
                "fee": item.fee_micro,
            }
            for item in report.liquidations
        ],
        "shortfalls": [{"account": s.account, "amount": s.amount_micro} for s in report.shortfalls],
        "safeguards": msgspec.to_builtins(report.safeguards),
        "operations": msgspec.to_builtins(report.operations),
        "accounts": [_account_summary(account) for account in report.accounts],
        "advance_ms": facts.advance_ms,
        "seed": facts.seed,
        "home": facts.home,
        "report": str(path),
        "first_frame_s": round(facts.first_frame_s or 0.0, 3),
        "wall_s": round(facts.wall_s, 3),
    }


def _account_summary(account: model.Account) -> dict[str, Any]:
    def view(margin: model.MarginView) -> dict[str, Any]:
        return {
            "equity": margin.equity_micro,
            "state": margin.state,
            "binding": margin.binding,
            "requirement": {level.name: level.requirement_micro for level in margin.levels},
        }

    return {
        "account": account.id,
        "name": account.name,
        **view(account.after),
        "before": view(account.before),
        "worst": view(account.worst),
        "compared": {
            peer.rule: {
                "initial": peer.initial_micro,
                "maintenance": peer.maintenance_micro,
                "equity": peer.equity_micro,
            }
            for peer in account.peers
        },
        "fees": account.costs.fees_micro,
        "funding": account.costs.funding_micro,
        "interest": account.costs.interest_micro,
    }


def _price(number: int, source: int, price: int, venue_time_ns: int, *, nav: bool) -> PostPrice:
    return PostPrice(
        underlying=number,
        source=source,
        price=price,
        confidence_ppm=1_000_000,
        price_kind=PriceKind.ISSUER if nav else PriceKind.QUOTE,
        reserved0=0,
        reserved1=0,
        venue_time_ns=venue_time_ns,
        size=TICK_MICRO_USD,
        raw_hash=bytes(16),
    )
