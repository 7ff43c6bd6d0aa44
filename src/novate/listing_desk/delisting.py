"""A name's way off the venue: notice, reduce-only, settlement, and what its tokens are paid.

    announce(name, venue, reason)       a corporate action without a window: everybody reads that it will come
    reduce_only(name, venue, reason)    one person restricts its markets, and proposes that it stands until the end
    settle(name, venue, terms)          the window and the price; another person confirms what he sees
    pay(name, venue, ..)                tokens become cash, once the name has ended

Its perps are closed at one price in the window, its orders cancelled before; its tokens wait for `pay`. The engine does all of it: a
delisting is a corporate action with the rules of one (docs/concepts/corporate-actions.md).

Responsible for: which command is next. Never: a rule, or a price: who settles states it, and who confirms states it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

from novate.client import VenueRefused
from novate.listing_desk.desk import Done, NotNow
from novate.listing_desk.live import Change, Venue
from novate.listing_desk.plan import Planned
from novate.messages import ConfirmRestriction
from novate.messages.codes import Power
from novate.schema.catalogue import Market
from novate.schema.scale import Scale

DELISTING: Final = "delisting"
ANNOUNCED, SCHEDULED, CONFIRMED, RUNNING, APPLIED = (
    "announced",
    "scheduled",
    "confirmed",
    "running",
    "applied",
)
_OVER: Final = frozenset(("cancelled",))
_PICO: Final = 12
_CENT: Final = Decimal("0.01")
REDUCE_ONLY, ISSUANCE = "reduce_only", "issuance"


@dataclass(frozen=True, slots=True)
class Action:
    """The delisting as the venue has it."""

    id: int
    state: str
    scheduled_by: str
    confirmed_by: str
    booked: Decimal


@dataclass(frozen=True, slots=True)
class Preview:
    """What the settlement would do to accounts now."""

    price: Decimal
    accounts: tuple[dict[str, Any], ...]
    """That would be otherwise, those that would lose most equity at initial first; dollars as text."""
    below_maintenance: int
    refusal: str
    """Why it could not run now; empty where it could."""


@dataclass(frozen=True, slots=True)
class Status:
    """Where a name's delisting stands."""

    name: str
    action: Action | None
    restricted: dict[str, int]
    """Market or token to the end of its restriction; 0: until it is lifted."""
    pending: tuple[Change, ...]
    open_interest: dict[str, Decimal]
    preview: Preview | None


def markets_of(name: str, venue: Venue) -> tuple[Market, ...]:
    """The name's markets. Raises NotNow where it is not listed."""
    if venue.underlying(name) is None:
        raise NotNow(f"The venue lists no {name}.")
    found = (one for one in venue.catalogue.markets.values() if one.underlying.name == name)
    return tuple(sorted(found, key=lambda one: one.id))


def action_of(name: str, venue: Venue) -> Action | None:
    """The name's delisting that stands; None where there is none."""
    found = [
        one
        for one in venue.ask("/corporate-actions")
        if (one["underlying"], one["action_kind"]) == (name, DELISTING) and one["state"] not in _OVER
    ]
    if not found:
        return None
    one = found[-1]
    return Action(
        int(one["action"]), one["state"], one["scheduled_by"], one["confirmed_by"], Decimal(one["booked"])
    )


def announce(name: str, venue: Venue) -> list[Done]:
    """Announces the delisting. Raises NotNow where it is announced already, VenueRefused."""
    markets_of(name, venue)
    there = action_of(name, venue)
    if there is not None:
        raise NotNow(f"The delisting of {name} is {there.state} already, as action {there.id}.")
    number = 1 + max((int(one["action"]) for one in venue.ask("/corporate-actions")), default=0)
    venue.call("schedule_corporate_action", **_terms(number, name))
    return [Done(f"delisting of {name}", "announced", number)]


def _terms(number: int, name: str, **more: object) -> dict[str, Any]:
    return {
        "action": number, "underlying": name, "action_kind": DELISTING, "ratio_new": 0, "ratio_old": 0, "amount": "0", "estimated": False,
        "token_mode": False, "name": "", "window_start_ns": 0, "window_end_ns": 0, "correct_until_ns": 0, "scale_tolerance_ppm": 0,
        "guard_ns": 0, **more,
    }  # fmt: skip


def reduce_only(name: str, venue: Venue, reason: str) -> list[Done]:
    """Lets the name's markets take only what reduces, and stops issuance of its token; proposes that this stands until it is lifted.

    Raises NotNow: no notice was given, or all of it stands; VenueRefused (a venue without governance has no restrictions).
    """
    if action_of(name, venue) is None:
        raise NotNow(f"Give notice first: novate delist notice {name}.")
    there = _restrictions(venue)
    done: list[Done] = []
    for power, subject, number, planned in _wanted(name, venue):
        if (power, subject) not in there:
            venue.call("restrict", power=power, id=number, limit=0, reason=_reason(name, reason))
            done.append(Done(f"{subject}: {power.replace('_', '-')}", "in force"))
        if there.get((power, subject)) == 0 or venue.change_of(planned) is not None:
            continue
        said = venue.propose(planned, _reason(name, reason))
        told = {"long_delay": said["long_delay"], "refusal": said["refusal"]}
        done.append(Done(planned.what, "proposed", said["change"], told))
    if not done:
        raise NotNow(f"{name} only reduces already, and what was proposed waits.")
    return done


def _wanted(name: str, venue: Venue) -> list[tuple[str, str, int, Planned]]:
    """Power, subject and id of every restriction of a name that leaves, and the change which lets it stand."""
    found = [(REDUCE_ONLY, one.name, one.id) for one in markets_of(name, venue)]
    found += [(ISSUANCE, token, number) for token, number in _issued(name, venue)]
    return [
        (power, subject, number, Planned(
            ConfirmRestriction(power=Power[power.upper()], id=number), f"{subject}: {power.replace('_', '-')} until lifted"
        ))
        for power, subject, number in found
    ]  # fmt: skip


def approve(name: str, venue: Venue) -> list[Done]:
    """Approves, as another person, that the restrictions of the name stand.

    What is approved is compared byte for byte with what `reduce_only` would propose, never believed by its reason. Raises NotNow where none waits,
    or where one that says it is of this delisting is something else: then nothing is approved.
    """
    known = {(one.op, one.body): one for *_, one in _wanted(name, venue)}
    waiting = [one for one in _changes(name, venue) if not one.approved and one.op == "confirm_restriction"]
    for one in waiting:
        if (one.op, one.body) not in known:
            raise NotNow(
                f"Change {one.id} says {one.reason!r}, and restricts something else: nothing was approved."
            )
    done = [Done(known[one.op, one.body].what, "approved", one.id, venue.approve(one.id)) for one in waiting]
    if not done:
        raise NotNow(f"Nothing of the delisting of {name} waits for a second person.")
    return done


def settle(name: str, venue: Venue, price: Decimal | None, from_ns: int, to_ns: int) -> list[Done]:
    """Schedules the settlement: its window, and dollars a share (the index at the window's start where none is stated).

    Raises NotNow: no notice was given, the name does not only reduce yet, or it has ended; VenueRefused.
    """
    there = action_of(name, venue)
    if there is None:
        raise NotNow(f"Give notice first: novate delist notice {name}.")
    if there.state in {RUNNING, APPLIED}:
        raise NotNow(f"The delisting of {name} is {there.state}.")
    restricted = _restrictions(venue)
    free = [one.name for one in markets_of(name, venue) if (REDUCE_ONLY, one.name) not in restricted]
    if free:
        raise NotNow(f"{free[0]} still takes orders that open: novate delist reduce-only {name}.", free)
    window = {"window_start_ns": from_ns, "window_end_ns": to_ns, "correct_until_ns": to_ns}
    amount = f"{price:f}" if price is not None else "0"
    venue.call("schedule_corporate_action", **_terms(there.id, name, amount=amount, **window))
    return [Done(f"settlement of {name}", "scheduled", there.id, {"window_start_ns": from_ns, "window_end_ns": to_ns})]  # fmt: skip


def confirm(name: str, venue: Venue, price: Decimal) -> list[Done]:
    """Confirms the settlement, as another person than who scheduled it; `price` is what he expects it to be at.

    Raises NotNow: nothing is scheduled, it could not run now, or it would be at another price; VenueRefused.
    """
    there = action_of(name, venue)
    if there is None or there.state != SCHEDULED:
        raise NotNow(f"No settlement of {name} waits for a second person.")
    seen = preview(there, venue)
    if seen.refusal:
        raise NotNow(f"The settlement of {name} could not run now: {seen.refusal}")
    if abs(seen.price - price) > _CENT:
        raise NotNow(
            f"The settlement would be at {seen.price}, not at {price}: nothing was confirmed.",
            [str(seen.price)],
        )
    venue.call("confirm_corporate_action", action=there.id)
    return [Done(f"settlement of {name} at {seen.price}", "confirmed", there.id)]


def cancel(name: str, venue: Venue) -> list[Done]:
    """Calls the delisting off. Restrictions stand until two people lift them. Raises NotNow, VenueRefused."""
    there = action_of(name, venue)
    if there is None:
        raise NotNow(f"{name} is not being delisted.")
    venue.call("cancel_corporate_action", action=there.id)
    return [Done(f"delisting of {name}", "cancelled", there.id)]


def pay(name: str, venue: Venue, asset: str) -> list[Done]:
    """Funds and pays what the name's tokens ended at, in a stablecoin, and retires them. For a treasurer of the venue.

    Raises NotNow where it has not ended or nobody holds a token, VenueRefused.
    """
    there = action_of(name, venue)
    if there is None or there.state != APPLIED:
        raise NotNow(f"{name} has not ended: its tokens are paid after its settlement.")
    if asset not in venue.catalogue.asset_ids:
        raise NotNow(f"The venue lists no {asset}.")
    price, number = venue.price(name), _id(name, venue)
    assert price is not None  # noqa: S101 - for the type checker: what has ended was listed
    coin = venue.catalogue.amounts[venue.catalogue.asset_ids[asset]]
    held = {
        one["asset"]: abs(Decimal(one["amount"]))
        for one in venue.ask("/conservation")["venue"]
        if one["party"] == "Custody"
    }
    done: list[Done] = []
    for token in venue.catalogue.assets.values():
        out = held.get(token.name, Decimal(0))
        if token.underlying != number or token.stablecoin or not out:
            continue
        each = price.index * token.multiplier_ppb / Decimal(10**9)
        venue.call("fund_distributions", asset=asset, amount=_up(out * each, coin))
        released = int(each.scaleb(_PICO))
        venue.call(
            "pay_distribution",
            asset=token.name, paid_asset=asset, released=released, units=0, retire=True,
        )  # fmt: skip
        done.append(Done(f"{out} {token.name} at {each.normalize():f} {asset}", "paid and retired"))
    if not done:
        raise NotNow(f"Nobody holds a token of {name}.")
    return done


def _up(value: Decimal, scale: Scale) -> str:
    """An amount rounded up to the asset's smallest unit: what is owed is never short by one."""
    step = Decimal(scale.text(1))
    return f"{(value / step).to_integral_value(ROUND_CEILING) * step:f}"


def preview(action: Action, venue: Venue, most: int = 100) -> Preview:
    """What the settlement would do now, worst accounts first."""
    try:
        said = venue.ask(f"/admin/corporate-actions/{action.id}/dry-run")
    except VenueRefused as error:
        return Preview(Decimal(0), (), 0, error.sentence)

    def loses(line: dict[str, Any]) -> Decimal:
        return Decimal(line["equity"][0]) - Decimal(line["equity_before"][0])

    lines = sorted(said["accounts"], key=loses)[:most]
    return Preview(Decimal(said["index"]), tuple(lines), said["below_maintenance"], "")


def status(name: str, venue: Venue) -> Status:
    """Where the name stands."""
    markets = markets_of(name, venue)
    there = action_of(name, venue)
    restricted = _restrictions(venue)
    subjects = {one.name for one in markets} | {token for token, _ in _issued(name, venue)}
    live = {one["name"]: Decimal(one["open_interest"]) for one in venue.ask("/markets")}
    return Status(
        name=name,
        action=there,
        restricted={subject: until for (_, subject), until in restricted.items() if subject in subjects},
        pending=_changes(name, venue),
        open_interest={one.name: live[one.name] for one in markets if one.perp},
        preview=preview(there, venue)
        if there is not None and there.state in {SCHEDULED, CONFIRMED}
        else None,
    )


def _id(name: str, venue: Venue) -> int:
    return venue.catalogue.underlying_ids[name]


def _issued(name: str, venue: Venue) -> list[tuple[str, int]]:
    """Tokens of the name that can be issued, with their ids."""
    known = {one["token"] for one in venue.ask("/supply")}
    return [
        (one.name, one.asset)
        for one in venue.catalogue.assets.values()
        if one.underlying == _id(name, venue) and one.name in known
    ]


def _restrictions(venue: Venue) -> dict[tuple[str, str], int]:
    return {(one["power"], one["id"]): one["until_ns"] for one in venue.ask("/admin/restrictions")}


def _reason(name: str, reason: str) -> str:
    return f"{_prefix(name)}{reason}"[:256]


def _prefix(name: str) -> str:
    return f"delist {name}: "


def _changes(name: str, venue: Venue) -> tuple[Change, ...]:
    return tuple(one for one in venue.changes if one.reason.startswith(_prefix(name)))
