"""What the venue does besides trading in the demo: the desks that act for it, and those that only look on.

Responsible for: which desks there are, what each is given, and when their parts of the story begin. Each desk does its own work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Final

from msgspec.structs import replace

from novate._core import Engine
from novate.calendar import new_york_date, new_york_ns, trading_days
from novate.config import Listing
from novate.demo import dividend
from novate.demo.cast import BORROWER, PACKAGER, Cast
from novate.demo.dividend import DividendDesk
from novate.demo.issuing import Issuing
from novate.demo.market import Market
from novate.demo.pairing import Pairing
from novate.demo.rulebook import Plan, Rulebook
from novate.demo.staff import Desk
from novate.demo.stock_loan import StockLoanLog
from novate.demo.treasury import Treasury
from novate.marketdata import Scenario
from novate.messages import Command, Event, EventMessage
from novate.reports import operations

MINUTE: Final = 60_000_000_000
HOUR: Final = 60 * MINUTE
GAP_STEP_PPM: Final = 20_000
"""By how much the gap of a name rises: 6 % to 8 %."""
WINDOW: Final = (time(19, 50), time(20, 10))
"""Halt window of a corporate action, New York, the evening before the ex-date."""
DIVIDENDS: Final = {
    "package": (130_000, "$0.13 a share, Microsoft's quarterly dividend that went ex on 18 November 2008"),
    "recorded": (910_000, "$0.91 a share, Microsoft's quarterly dividend that went ex on 20 November 2025"),
}
"""By data source: dollars a share at 1e-6, and where they come from."""
ILLUSTRATIVE: Final = "Illustrative: no listed name goes ex in this window, so {amount}, is moved into it. The replayed prices do not fall by it."


@dataclass(frozen=True, slots=True)
class BackOffice:
    """All desks, in the order in which they act."""

    requests: Issuing
    packages: Pairing
    rules: Rulebook
    stock_loans: StockLoanLog
    bank: Treasury
    payer: DividendDesk | None
    watchers: dict[type[Event], list[Desk]]
    """Which desks want which events: most events of a run are nobody's here."""

    @classmethod
    def of(
        cls, engine: Engine, listing: Listing, market: Market, scenario: Scenario, cast: Cast
    ) -> BackOffice:
        """The desks of one scenario. A window without an evening before a trading day has no dividend."""
        office = cls._of(engine, listing, market, scenario, cast)
        for desk in office.desks:
            for kind in desk.watched:
                office.watchers.setdefault(kind, []).append(desk)
        return office

    @classmethod
    def _of(
        cls, engine: Engine, listing: Listing, market: Market, scenario: Scenario, cast: Cast
    ) -> BackOffice:
        terms = dividend_terms(scenario, cast.paired)
        return cls(
            requests=Issuing(engine, listing, market),
            packages=Pairing(engine, listing),
            rules=Rulebook(engine, listing, _plans(listing, cast.second), first_open(scenario) + 90 * MINUTE),
            stock_loans=StockLoanLog(engine, listing, cast.issued, BORROWER),
            bank=Treasury(listing),
            payer=DividendDesk(engine, listing, terms, PACKAGER) if terms else None,
            watchers={},
        )

    @property
    def desks(self) -> tuple[Desk, ...]:
        """All of them."""
        more = (self.payer,) if self.payer else ()
        return (self.requests, self.packages, self.rules, self.stock_loans, self.bank, *more)

    def see(self, event: EventMessage) -> None:
        """Shows an event to the desks that want it."""
        for desk in self.watchers.get(type(event.body), ()):
            desk.see(event)

    def opening(self) -> Iterator[Command]:
        """What the venue lists for its desks before it opens."""
        if self.payer:
            yield from self.payer.withholding()

    def open(self, time_ns: int) -> None:
        """After everything is listed and everybody has arrived."""
        self.requests.open(time_ns)

    def result(
        self, legs_of: Callable[[set[int]], tuple[operations.BrokerLeg, ...]]
    ) -> operations.Operations:
        """What the report carries; `legs_of` tells what became of broker orders."""
        return operations.Operations(
            issuance=self.requests.result(legs_of),
            packages=self.packages.result(),
            dividends=self.payer.result() if self.payer else (),
            changes=self.rules.result(),
            loans=self.stock_loans.result(),
        )


def _plans(listing: Listing, name: str) -> tuple[Plan, ...]:
    """A rule that asks more of somebody, and one that asks more of nobody."""
    terms, token = listing.terms[name], listing.assets[listing.token_of_underlying[name]]
    gap, cap, unit = terms.gap_ppm + GAP_STEP_PPM, token.owner_cap // 2, 10**token.decimals
    return (
        Plan(
            f"gap of {name} from {terms.gap_ppm / 10_000:g} % to {gap / 10_000:g} %",
            "single-name jumps of the last quarter",
            replace(terms, gap_ppm=gap),
        ),
        Plan(
            f"owner cap of {token.name} from {token.owner_cap // unit:,} to {cap // unit:,} tokens",
            "one owner may count less of one issuer",
            replace(token, owner_cap=cap),
        ),
    )


def first_open(scenario: Scenario) -> int:
    """The first regular open at or after the start; the start itself when the window begins inside a session and ends before one."""
    first, last = new_york_date(scenario.start_ns), new_york_date(scenario.end_ns)
    opens = (day.open_ns for day in trading_days(first, last))
    return next((at for at in opens if scenario.start_ns <= at < scenario.end_ns), scenario.start_ns)


def dividend_terms(scenario: Scenario, name: str) -> dividend.Terms | None:
    """A dividend in the first evening of the window that is followed by a trading day; none without one."""
    amount, source = DIVIDENDS[scenario.data_source]
    first, last = new_york_date(scenario.start_ns), new_york_date(scenario.end_ns)
    days = [day.date for day in trading_days(first, last)]
    scheduled = first_open(scenario) + 2 * HOUR
    for ex_date in days:
        start, end = (new_york_ns(ex_date - timedelta(days=1), at) for at in WINDOW)
        if scheduled + dividend.CONFIRMED_AFTER < start and end < scenario.end_ns:
            note = ILLUSTRATIVE.format(amount=source)
            return dividend.Terms(name, amount, note, scheduled, start, end)
    return None
