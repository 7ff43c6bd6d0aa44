"""What an operator does with a plan: propose, approve, open by auction, raise the caps; and where the name stands.

    propose(plan, venue, "reason")      the commands that can come now
    approve(plan, venue)                another person; only what the file says
    open_market(plan, venue)            a call, then the auction
    ramp(plan, venue, "reason")         the next step's caps, when its conditions are met

Where a name stands is read from the venue each time; nothing is kept beside it, so two people at two desks see the same.

Responsible for: which command is next and what must have come about before. Never: a rule of the venue. A change waits its delay there.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from novate.client import VenueRefused
from novate.errors import NovateError
from novate.listing_desk.live import Auction, Change, Price, Venue, ungoverned
from novate.listing_desk.plan import Plan, Planned, Step
from novate.listing_desk.review import OWN_FILE, before_opening, mismatch, step_of

OPEN, CALL = "open", "call"
TAKES_TWO: Final = 1004
"""Refusal of a command that nobody sends alone."""
_VISIBLE_S: Final = 10.0
_LOOK_S: Final = 0.05


class NotNow(NovateError):
    """The desk does not take a step yet. Facts: `missing`, what must come about first."""

    code = "not_now"

    def __init__(self, sentence: str, missing: Iterable[str] = ()) -> None:
        super().__init__(sentence, missing="; ".join(missing))


@dataclass(frozen=True, slots=True)
class Done:
    """A command that was proposed, approved or sent."""

    what: str
    how: str
    """`proposed`, `approved`, `sent`, or `waits`."""
    change: int = 0
    said: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one command of a plan stands."""

    what: str
    state: str
    """`in force`, `approved`, `proposed`, `next`, `waits`."""
    change: Change | None = None
    waits_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that must have come about before a step."""

    name: str
    met: bool
    found: str
    wanted: str


@dataclass(frozen=True, slots=True)
class Status:
    """Where a name stands."""

    name: str
    stage: str
    """`drafted`, `proposed`, `listed`, `call`, `open`: how far it is."""
    step: int
    """Of caps in force; 0 before the first."""
    steps: int
    listing: tuple[Standing, ...]
    pending: tuple[Standing, ...]
    """Caps that were proposed and are not in force."""
    auctions: dict[str, Auction]
    price: Price | None
    next_step: tuple[Condition, ...]
    """Conditions of the next step; none where there is none."""


# --- proposing and approving --------------------------------------------------------------------------------------------


def propose(plan: Plan, venue: Venue, reason: str) -> list[Done]:
    """Proposes, of listing and first caps, whatever can come now and waits nowhere yet.

    Raises NotNow where nothing can, VenueRefused as the venue says; of a venue without governance NotNow says so.
    """
    return _propose(plan, venue, before_opening(plan, venue), reason)


def _propose(plan: Plan, venue: Venue, wanted: tuple[Planned, ...], reason: str) -> list[Done]:
    _in_step(plan, venue)
    found: list[Done] = []
    for one in wanted:
        if venue.stands(one):
            continue
        waiting = venue.change_of(one)
        if waiting is not None:
            found.append(Done(one.what, "waits", waiting.id))
            continue
        if not all(map(venue.known, one.needs)):
            continue
        try:
            said = venue.propose(one, reason_of(plan, one, reason))
        except VenueRefused as error:
            if ungoverned(error):
                raise NotNow(
                    "The venue has no governance: nobody approves there, and every command acts for whoever sends it. With --alone it is sent as it is."
                ) from error
            raise
        found.append(Done(one.what, "proposed", said["change"], said))
    if not any(one.how == "proposed" for one in found):
        left = [one.what for one in wanted if not venue.stands(one)]
        if not left:
            raise NotNow(f"All of this stands already: nothing is left to propose for {plan.name}.")
        raise NotNow(f"Nothing can be proposed before what waits has taken effect: {', '.join(left)}.", left)
    return found


def send_alone(plan: Plan, venue: Venue, wanted: tuple[Planned, ...] | None = None) -> list[Done]:
    """Sends what is left at once, on a venue without governance. Raises NotNow where it has some, VenueRefused."""
    _in_step(plan, venue)
    found: list[Done] = []
    for one in before_opening(plan, venue) if wanted is None else wanted:
        if venue.stands(one):
            continue
        try:
            venue.send(one.command)
        except VenueRefused as error:
            if found or error.number != TAKES_TWO:
                raise
            raise NotNow("The venue has governance: two people change it, and nobody alone.") from error
        found.append(Done(one.what, "sent"))
        venue = _after(venue, one)
    return found


def _after(venue: Venue, one: Planned) -> Venue:
    """A look that sees the command's effect, for the names of the next one."""
    end = time.monotonic() + _VISIBLE_S
    venue = venue.again()
    while _is_listing(one) and not venue.stands(one) and time.monotonic() < end:
        time.sleep(_LOOK_S)
        venue = venue.again()
    return venue


def _is_listing(one: Planned) -> bool:
    return type(one.command).__name__.startswith("List")


def approve(plan: Plan, venue: Venue) -> list[Done]:
    """Approves what waits for this name and is in the file, byte for byte. Raises NotNow where something differs, or nothing waits.

    A change that says it is for the name and that the file does not have is what somebody else proposed: nothing at all is approved then.
    """
    _in_step(plan, venue)
    mine = [one for one in venue.changes if one.reason.startswith(_prefix(plan)) and not one.approved]
    known = {(one.op, one.body): one for one in plan.everything}
    strange = [one for one in mine if (one.op, one.body) not in known]
    if strange:
        raise NotNow(
            f"Change {strange[0].id} ({strange[0].op}: {strange[0].reason}) is not what the file says. Compare files with who proposed it "
            f"(key {strange[0].proposer}); nothing was approved.",
            [str(one.id) for one in strange],
        )
    if not mine:
        raise NotNow(f"Nothing of {plan.name} waits for a second person.")
    found = []
    for change in mine:
        what = known[change.op, change.body].what
        found.append(Done(what, "approved", change.id, venue.approve(change.id)))
    return found


def reason_of(plan: Plan, one: Planned, reason: str) -> str:
    """The reason that a change carries: which name, what, and why."""
    return f"{_prefix(plan)}{one.what}: {reason}"


def _prefix(plan: Plan) -> str:
    return f"list {plan.name}: "


def _in_step(plan: Plan, venue: Venue) -> None:
    """Raises NotNow where the venue's file is not in step with it: ids and references of the plan would mean something else there."""
    found = mismatch(plan, venue)
    if found:
        raise NotNow(f"{found} {OWN_FILE}")


# --- opening ------------------------------------------------------------------------------------------------------------


def open_market(plan: Plan, venue: Venue, *, now: bool = False) -> list[Done]:
    """Begins the call of every market of the name that is closed; with `now` ends one that runs, by its auction.

    Raises NotNow: something is not in force yet, or no price opens positions.
    """
    missing = [one.what for one in before_opening(plan, venue) if not venue.stands(one)]
    if missing:
        raise NotNow(f"{plan.name} does not open before this is in force: {', '.join(missing)}.", missing)
    price = venue.price(plan.name)
    if price is None or not price.opens:
        quality = price.quality if price is not None else "none"
        raise NotNow(f"{plan.name} has no price at which positions may be opened (quality {quality}).")
    found = []
    until = venue.time_ns() + plan.call_ns
    for market in plan.markets:
        phase = venue.auction(market.name).phase
        if phase == OPEN or (phase == CALL) is not now:
            continue
        venue.turn(market.name, OPEN if now else CALL, 0 if now else until)
        found.append(Done(market.name, "opened by its auction" if now else "call", 0, {"until_ns": until}))
    if not found:
        raise NotNow(f"No market of {plan.name} {'is in its call' if now else 'is closed'}.")
    return found


# --- raising caps -------------------------------------------------------------------------------------------------------


def conditions(plan: Plan, venue: Venue, step: Step) -> list[Condition]:
    """What must have come about before a step is taken, and what has."""
    market = plan.perp.name
    phase, price = venue.auction(market).phase, venue.price(plan.name)
    assert price is not None  # noqa: S101 - for the type checker: the caller knows that the name is listed
    found = [
        Condition("market", phase == OPEN, phase, OPEN),
        Condition(
            "price", price.opens and price.fresh_sources >= plan.quorum, f"{price.quality}, {price.fresh_sources} fresh sources",
            f"one that opens positions, from {plan.quorum} fresh sources",
        ),
    ]  # fmt: skip
    if step.after_days:
        found.append(_days(venue, market, step.after_days))
    if step.depth_micro:
        rests = venue.depth_usd(market, price.index, step.within_ppm)
        wanted = Decimal(step.depth_micro).scaleb(-6)
        within = f"{Decimal(step.within_ppm).scaleb(-4).normalize():f} %"
        found.append(
            Condition(
                "depth",
                rests >= wanted,
                f"{rests:,.0f} USD on the thinner side",
                f"{wanted:,.0f} USD within {within}",
            )
        )
    return found


def _days(venue: Venue, market: str, wanted: int) -> Condition:
    try:
        days = venue.days_traded(market)
    except VenueRefused as error:  # the read models are down: not known is not met
        return Condition("days", met=False, found=error.sentence, wanted=f"{wanted} days with trades")
    return Condition(
        "days", days >= wanted, f"{days} {'day' if days == 1 else 'days'} with trades", f"{wanted}"
    )


def ramp(plan: Plan, venue: Venue, reason: str, *, to: int = 0, alone: bool = False) -> list[Done]:
    """Proposes (or, alone, sends) the caps of the next step; of step `to`, below the one in force, without conditions: it only tightens.

    Raises NotNow: the step's conditions are not met, it waits already, or it is the last; VenueRefused.
    """
    at = step_of(plan, venue)
    if at == 0:
        raise NotNow(f"No step of {plan.name} is in force: its first caps come with its listing.")
    number = to or at + 1
    if number > at == len(plan.steps):
        raise NotNow(f"{plan.name} is at step {at}, the last.")
    if number == at or number > at + 1:
        raise NotNow(f"{plan.name} is at step {at}: the next is {at + 1}.")
    step = plan.steps[number - 1]
    if number > at:
        unmet = [one for one in conditions(plan, venue, step) if not one.met]
        if unmet:
            said = [f"{one.name}: {one.found}, wanted {one.wanted}" for one in unmet]
            raise NotNow(f"Step {number} of {plan.name} is not due: {'; '.join(said)}.", said)
    if alone:
        return send_alone(plan, venue, step.planned)
    return _propose(plan, venue, step.planned, f"step {number} of {len(plan.steps)}: {reason}")


def next_of(plan: Plan, venue: Venue, number: int | None = None) -> tuple[Planned, ...]:
    """What comes next: the listing and first caps where they are not all in force, else the next step's caps; or those of step `number`."""
    at = step_of(plan, venue)
    if number is not None and number > len(plan.steps):
        raise NotNow(f"{plan.name} has {len(plan.steps)} steps.")
    if number is not None or at:
        step = plan.steps[min(number or at + 1, len(plan.steps)) - 1]
        return step.planned
    return before_opening(plan, venue)


# --- where it stands ----------------------------------------------------------------------------------------------------


def status(plan: Plan, venue: Venue) -> Status:
    """Where the name stands now."""
    at = step_of(plan, venue)
    before = plan.listing if at > 1 else plan.before_opening  # the first caps were raised since
    listing = tuple(_standing(one, venue) for one in before)
    raised = [one for step in plan.steps[1:] for one in step.planned]
    auctions = {m.name: venue.auction(m.name) for m in plan.markets if venue.known(m.name)}
    ahead = plan.steps[at] if 0 < at < len(plan.steps) else None
    return Status(
        name=plan.name,
        stage=_stage(plan, listing, auctions),
        step=at,
        steps=len(plan.steps),
        listing=listing,
        pending=tuple(s for s in (_standing(one, venue) for one in raised) if s.change is not None),
        auctions=auctions,
        price=venue.price(plan.name),
        next_step=tuple(conditions(plan, venue, ahead)) if ahead is not None else (),
    )


def _standing(one: Planned, venue: Venue) -> Standing:
    if venue.stands(one):
        return Standing(one.what, "in force")
    change = venue.change_of(one)
    if change is not None:
        return Standing(one.what, "approved" if change.approved else "proposed", change)
    missing = tuple(name for name in one.needs if not venue.known(name))
    return Standing(one.what, "waits" if missing else "next", None, missing)


def _stage(plan: Plan, listing: tuple[Standing, ...], auctions: dict[str, Auction]) -> str:
    perp = auctions.get(plan.perp.name)
    if perp is not None and perp.phase in {OPEN, CALL}:
        return perp.phase
    if all(one.state == "in force" for one in listing):
        return "listed"
    begun = any(one.state in {"in force", "approved", "proposed"} for one in listing)
    return "proposed" if begun else "drafted"
