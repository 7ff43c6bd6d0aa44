"""One cash dividend of the demo: scheduled by one person, rehearsed, confirmed by another, and effected in its halt.

Responsible for: its terms, the dry run before the confirmation, and what it did to the one who holds tokens against a short perp.
What a dividend does to prices and accounts is the engine's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from novate._core import Engine
from novate.config import Listing
from novate.demo.market import Market
from novate.demo.staff import OPERATOR, RISK, Signed, name_of
from novate.messages import (
    ConfirmCorporateAction,
    CorporateActionChanged,
    CorporateActionKind,
    CorporateActionTaken,
    Event,
    EventMessage,
    ListWithholding,
    PositionAdjusted,
    ScheduleCorporateAction,
    reports,
)
from novate.messages.codes import CorporateActionState
from novate.messages.reports import Level, corporate
from novate.reports import operations

WATCHED: Final = (CorporateActionChanged, CorporateActionTaken, PositionAdjusted)
ACTION: Final = 1
MINUTE: Final = 60_000_000_000
CONFIRMED_AFTER: Final = 15 * MINUTE
CORRECTABLE_NS: Final = 30 * 24 * 60 * MINUTE
WITHHELD_PPM: Final = 300_000


@dataclass(frozen=True, slots=True)
class Terms:
    """What is paid on which name, in which window, and what the report says of it."""

    underlying: str
    amount_e6: int
    note: str
    scheduled_ns: int
    window_start_ns: int
    window_end_ns: int


@dataclass(slots=True)
class DividendDesk:
    """Sends one dividend through its life; `account` is the hedged holder it is told for."""

    engine: Engine
    listing: Listing
    terms: Terms
    account: int
    _told: operations.Dividend | None = None
    _sent: bool = False
    _confirms_ns: int = 0
    _took: bool = False

    def withholding(self) -> Iterator[ListWithholding]:
        """The same part of a dividend is withheld on the token and on the perp: the pair stays flat."""
        name = self.terms.underlying
        token = self.listing.asset[self.listing.token_of_underlying[name]]
        yield ListWithholding(asset=token, market=0, withholding_ppm=WITHHELD_PPM)
        yield ListWithholding(
            asset=0, market=self.listing.market[f"{name}-PERP"], withholding_ppm=WITHHELD_PPM
        )

    @property
    def watched(self) -> tuple[type[Event], ...]:
        """Types of the events that it wants."""
        return WATCHED

    def see(self, event: EventMessage) -> None:
        """Takes one event in."""
        body, at = event.body, event.header.time_ns
        if self._told is None:
            return
        if isinstance(body, CorporateActionChanged) and body.action == ACTION:
            if body.to == CorporateActionState.SCHEDULED:
                self._confirms_ns = at + CONFIRMED_AFTER
                self._told = replace(self._told, scheduled_ns=at)
            elif body.to == CorporateActionState.CONFIRMED:
                self._told = replace(self._told, confirmed_by=name_of(RISK), confirmed_ns=at)
        elif isinstance(body, PositionAdjusted) and event.header.account == self.account:
            self._told = replace(self._told, perp_micro=self._told.perp_micro + body.amount)
        elif isinstance(body, CorporateActionTaken) and body.action == ACTION:
            self._took = True
            self._told = replace(
                self._told, effective_ns=at, sequence=event.header.sequence, index_before_e6=body.index_before,
                index_after_e6=body.index,
            )  # fmt: skip

    def act(self, market: Market) -> Iterator[Signed]:
        """The schedule, and the confirmation a quarter of an hour after it, once the dry run is on record."""
        now, terms = market.time_ns, self.terms
        if not self._sent and now >= terms.scheduled_ns:
            self._sent = True
            self._told = self._announced()
            yield Signed(OPERATOR, self._schedule())
        elif self._confirms_ns and now >= self._confirms_ns:
            self._confirms_ns = 0
            self._rehearse()
            yield Signed(RISK, ConfirmCorporateAction(action=ACTION))

    def _schedule(self) -> ScheduleCorporateAction:
        terms = self.terms
        return ScheduleCorporateAction(
            action=ACTION,
            underlying=self.listing.underlying[terms.underlying],
            action_kind=CorporateActionKind.CASH_DIVIDEND,
            amount=terms.amount_e6,
            window_start_ns=terms.window_start_ns,
            window_end_ns=terms.window_end_ns,
            correct_until_ns=terms.window_end_ns + CORRECTABLE_NS,
        )

    def _announced(self) -> operations.Dividend:
        terms = self.terms
        return operations.Dividend(
            underlying=terms.underlying,
            note=terms.note,
            amount_e6=terms.amount_e6,
            withheld_ppm=WITHHELD_PPM,
            scheduled_by=name_of(OPERATOR),
            scheduled_ns=0,
            confirmed_by="",
            confirmed_ns=0,
            window_start_ns=terms.window_start_ns,
            window_end_ns=terms.window_end_ns,
            rehearsed_accounts=0,
            rehearsed_before_micro=0,
            rehearsed_after_micro=0,
            account=self.account,
            account_before_micro=0,
            account_after_micro=0,
        )

    def _rehearse(self) -> None:
        """The dry run: the engine carries the action out on a copy of its state."""
        if self._told is None:
            return
        run = corporate.dry_run(self.engine, ACTION)
        own = next((a for a in run.accounts if a.account == self.account), None)
        before = own.equity_before[Level.MAINTENANCE] if own else 0
        self._told = replace(
            self._told,
            rehearsed_accounts=len(run.accounts),
            rehearsed_before_micro=run.equity_before,
            rehearsed_after_micro=run.equity,
            account_before_micro=before,
            account_after_micro=own.equity[Level.MAINTENANCE] if own else 0,
        )

    def after_frame(self, time_ns: int) -> None:
        """Once it took effect: what is receivable on the hedged holder's tokens."""
        del time_ns
        if not self._took or self._told is None:
            return
        self._took = False
        token = self.listing.token_of_underlying[self.terms.underlying]
        held = reports.account(self.engine, self.account)
        units = sum(b.pledged + b.lent for b in held.balances if b.name == token)
        self._told = replace(
            self._told,
            shares=units * self.listing.assets[token].multiplier_ppb // 10 ** self.listing.decimals(token),
            token_micro=receivable(self.engine, self.listing, token, units),
        )

    def result(self) -> tuple[operations.Dividend, ...]:
        """What the report carries."""
        return (self._told,) if self._told and self._told.scheduled_ns else ()


def receivable(engine: Engine, listing: Listing, token: str, units: int) -> int:
    """Micro-dollars receivable on units of a token, rounded down as the venue counts them."""
    number = listing.asset[token]
    each = next((line.each for line in corporate.receivables(engine) if line.asset == number), 0)
    return units * each // (int(10 ** listing.decimals(token)) * 1_000_000)
