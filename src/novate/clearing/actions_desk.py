"""A corporate action from the book to the engine: what it would do to everything, its proposal, and the second person's confirmation.

    effect(reader, kept)                    carried out on a copy of the venue, scheduled there or not
    behind(reader, kept, scheduled)         what was announced since, and the schedule does not say
    propose(venue, reader, kept)            one person's schedule
    confirm(venue, reader, kept, scheduled) another person's yes, to exactly the terms of the book

The engine takes it in its window, in one step over tokens, perps, loans, books at brokers and prices; nothing here does a part of that.

Responsible for: which word is said, and what is compared before it. Never: a rule: who may, and whether the terms fit, the engine says.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final, NamedTuple, Protocol

import msgspec

from novate.clearing.actions_book import Kept
from novate.clearing.corporate_actions import AMOUNT, differences, terms_of
from novate.clearing.people import Venue
from novate.errors import ConfigError, DataError, NovateError
from novate.messages import CommandRefused, ScheduleCorporateAction, encode, explain, iter_events
from novate.messages.codes import CorporateActionKind, CorporateActionState
from novate.messages.reports import Level, clearing, corporate, lending
from novate.messages.reports.base import Answers
from novate.messages.reports.portfolios import Listed, listed
from novate.reader_process.wire import Foretold
from novate.schema.catalogue import Catalogue
from novate.schema.outcomes import wish

_DRY_RUN: Final = 1201
_OPEN: Final = frozenset(
    (CorporateActionState.ANNOUNCED, CorporateActionState.SCHEDULED, CorporateActionState.CONFIRMED)
)

WAITING: Final = ("scheduled", "confirmed")
"""In which states the engine has terms that it has not carried out."""


class Reader(Answers, Protocol):
    """What can be asked and tried on: `ReaderClient` is one."""

    def what_if(self, commands: bytes, *questions: bytes) -> Foretold:
        """What commands would do, and the answers there."""
        ...


class NotDue(NovateError):
    """A step is not taken. Facts: `action`."""

    code = "not_due"


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """Something of the name, before and after; computed from the terms."""

    what: str
    before: str
    after: str


class AccountEffect(msgspec.Struct, frozen=True, kw_only=True):
    """An account before and after. Dollars and units as the engine has them: micro-dollars, smallest units."""

    account: int
    equity_before: int
    equity: int
    requirement_before: int
    requirement: int
    orders_cancelled: int
    tokens_before: dict[str, int]
    tokens: dict[str, int]
    cash_before: dict[str, int]
    cash: dict[str, int]

    @property
    def change(self) -> int:
        """Of its equity."""
        return self.equity - self.equity_before


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What an action would do now.

    Attributes:
        action: Which.
        state: Where it stands in the engine; `not scheduled` where the schedule was tried with it.
        index_before: Of the name, at the scale of its prices.
        index: After it.
        instruments: Tokens, perps, loans and shares at brokers.
        accounts: Those for which something differs, worst change of equity first.
        equity_before: Of all accounts, at maintenance.
        equity: After it.
        below_maintenance: Accounts that would be.
        orders_cancelled: Of all accounts.
    """

    action: int
    state: str
    index_before: int
    index: int
    instruments: list[Instrument]
    accounts: list[AccountEffect]
    equity_before: int
    equity: int
    below_maintenance: int
    orders_cancelled: int


class Standing(NamedTuple):
    """Where an action stands in the engine; `unknown` where it has none of its number."""

    state: str
    scheduled_by: int = 0
    confirmed_by: int = 0
    sequence: int = 0


def standing(answers: Answers, number: int) -> Standing:
    """Where the engine has it."""
    one = _line(answers, number)
    if one is None:
        return Standing("unknown")
    name = CorporateActionState(one.state).name.lower()
    return Standing(name, one.scheduled_by, one.confirmed_by, one.sequence)


def _line(answers: Answers, number: int) -> corporate.ActionLine | None:
    return next((one for one in corporate.actions(answers) if one.action == number), None)


def terms(answers: Answers, kept: Kept) -> ScheduleCorporateAction:
    """The terms of the book at what is listed now. Raises DataError."""
    return terms_of(
        kept.matter.announcement, listed(answers), kept.number, kept.window, in_tokens=kept.in_tokens
    )


def behind(answers: Answers, kept: Kept, scheduled: ScheduleCorporateAction | None) -> list[str]:
    """What the book says now and the schedule of the venue does not, so that a person amends it or calls it off.

    Empty where nothing is scheduled that has yet to run, and where both say the same.
    """
    if scheduled is None or standing(answers, kept.number).state not in WAITING:
        return []
    if not kept.matter.settled:
        return [f"it is {kept.matter.state}: {_advice(kept)}"]
    try:
        return differences(terms(answers, kept), scheduled)
    except DataError as error:
        return [error.sentence]


def effect(reader: Reader, kept: Kept, actor: int = 0) -> Effect:
    """What it would do to every account, token, perp, loan and broker now.

    The terms of the book are scheduled on a copy of the venue and carried out there. `actor` is the key that would schedule it.
    Raises NotDue with the engine's refusal where it could not be scheduled or could not run now; DataError.
    """
    wanted = terms(reader, kept)
    schedule = encode(wanted, actor=actor)
    refused = next(
        (one.body for one in iter_events(reader.what_if(schedule).events, (CommandRefused,))), None
    )
    if isinstance(refused, CommandRefused):
        raise NotDue(f"The engine would refuse action {kept.number}: {explain(refused)}", action=kept.number)
    try:
        told = reader.what_if(schedule, msgspec.msgpack.encode((_DRY_RUN, kept.number)))
    except ValueError as error:
        raise NotDue(f"Action {kept.number} could not run now: {error}", action=kept.number) from error
    run = msgspec.msgpack.decode(told.answers[0], type=corporate.DryRun)
    names = listed(reader)
    found = [_account(one, names) for one in run.accounts]
    return Effect(
        action=kept.number, state=standing(reader, kept.number).state.replace("unknown", "not scheduled"), index_before=run.index_before,
        index=run.index, instruments=_instruments(reader, names, wanted, run),
        accounts=sorted(found, key=lambda one: (one.change, one.account)), equity_before=run.equity_before, equity=run.equity,
        below_maintenance=run.below_maintenance, orders_cancelled=sum(one.orders_cancelled for one in found),
    )  # fmt: skip


def _account(one: corporate.ActionEffect, names: Listed) -> AccountEffect:
    asset = {line.asset: line.name for line in names.assets}
    level = Level.MAINTENANCE
    return AccountEffect(
        account=one.account, equity_before=one.equity_before[level], equity=one.equity[level],
        requirement_before=one.requirement_before[level], requirement=one.requirement[level], orders_cancelled=one.orders_cancelled,
        tokens_before={asset[key]: units for key, units in one.tokens_before}, tokens={asset[key]: units for key, units in one.tokens},
        cash_before={asset[key]: units for key, units in one.cash_before}, cash={asset[key]: units for key, units in one.cash},
    )  # fmt: skip


def _instruments(
    answers: Answers, names: Listed, wanted: ScheduleCorporateAction, run: corporate.DryRun
) -> list[Instrument]:
    """What everything of the name stands for before and after."""
    ratio = (
        Fraction(wanted.ratio_new, wanted.ratio_old)
        if wanted.action_kind == CorporateActionKind.SPLIT
        else Fraction(1)
    )
    catalogue = Catalogue(names)
    scale = catalogue.prices[wanted.underlying]
    own = next(one for one in names.underlyings if one.underlying == wanted.underlying)
    found = [
        Instrument(what=f"{own.name} index", before=scale.text(run.index_before), after=scale.text(run.index))
    ]
    tokens = {
        one.asset: one for one in names.assets if one.underlying == wanted.underlying and not one.stablecoin
    }
    in_units = wanted.token_mode == 1
    for token in tokens.values():
        after = token.multiplier_ppb if in_units else int(token.multiplier_ppb * ratio)
        found.append(
            Instrument(
                what=f"{token.name} shares per token",
                before=AMOUNT.text(token.multiplier_ppb),
                after=AMOUNT.text(after),
            )
        )
    for market in catalogue.markets.values():
        if market.underlying.underlying == wanted.underlying and market.perp:
            lot = market.quantity.step
            found.append(
                Instrument(
                    what=f"{market.name} shares per lot", before=_plain(lot), after=_plain(lot * ratio)
                )
            )
            tick = market.price.step
            found.append(
                Instrument(
                    what=f"{market.name} tick in dollars", before=_plain(tick), after=_plain(tick / ratio)
                )
            )
    for pool in lending.pools(answers):
        if pool.asset in tokens and pool.owed:
            line = tokens[pool.asset]
            shares = Fraction(pool.owed * line.multiplier_ppb, 10**line.decimals * 10**9)
            found.append(
                Instrument(
                    what=f"{line.name} lent, in shares", before=_plain(shares), after=_plain(shares * ratio)
                )
            )
    found += [
        Instrument(
            what=f"{tokens[line.token].name} settled, {line.place}", before=AMOUNT.text(line.amount),
            after=AMOUNT.text(int(line.amount * ratio)),
        )
        for line in clearing.books(answers)
        if line.token in tokens and line.amount and line.place.startswith(("Broker(", "HouseAt("))
    ]  # fmt: skip
    return found


def _plain(value: Fraction) -> str:
    """Up to nine decimals; what has more is written as it is."""
    scaled = value * 10**9
    return AMOUNT.text(int(scaled)) if scaled.denominator == 1 else str(value)


def propose(venue: Venue, reader: Reader, kept: Kept) -> ScheduleCorporateAction:
    """Schedules, or amends, as one person. Raises NotDue: sources differ, it was withdrawn, or it has run; VenueRefused, DataError."""
    if not kept.matter.settled:
        raise NotDue(f"Action {kept.number} is {kept.matter.state}: {_advice(kept)}", action=kept.number)
    wanted = terms(reader, kept)
    known = _line(reader, kept.number)
    if known is not None:
        if (known.underlying, known.action_kind) != (wanted.underlying, wanted.action_kind):
            raise ConfigError(
                f"The venue's action {kept.number} is of another company or kind: it was scheduled beside this book."
            )
        if CorporateActionState(known.state) not in _OPEN:
            state = CorporateActionState(known.state).name.lower()
            raise NotDue(f"Action {kept.number} is {state} at the venue.", action=kept.number)
    op, args = wish(Catalogue.of(reader), wanted)
    venue.call(op, **args)
    return wanted


def _advice(kept: Kept) -> str:
    if kept.matter.state == "withdrawn":
        return "cancel it at the venue if it is scheduled there."
    return f"its sources differ ({', '.join(kept.matter.said)}); choose one."


def confirm(
    venue: Venue, reader: Reader, kept: Kept, scheduled: ScheduleCorporateAction | None
) -> ScheduleCorporateAction:
    """Confirms as another person what the journal has as scheduled, if that is what the book says, field by field.

    Raises NotDue: nothing is scheduled, or other terms are; VenueRefused.
    """
    state = standing(reader, kept.number).state
    if scheduled is None or state != "scheduled":
        raise NotDue(
            f"Action {kept.number} does not wait for a second person: it is {state}.", action=kept.number
        )
    wanted = terms(reader, kept)
    off = differences(wanted, scheduled)
    if off:
        raise NotDue(
            f"What is scheduled is not what the book says, and nothing was confirmed: {'; '.join(off)}.",
            action=kept.number,
        )
    venue.call("confirm_corporate_action", action=kept.number)
    return wanted


def cancel(venue: Venue, kept: Kept) -> None:
    """Calls it off at the venue. Raises VenueRefused."""
    venue.call("cancel_corporate_action", action=kept.number)
