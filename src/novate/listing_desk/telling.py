"""What the desk found and did, in words for people.

Responsible for: lines of text. Never: asks or decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from novate.listing_desk import delisting
from novate.listing_desk.desk import Condition, Done, Standing, Status
from novate.listing_desk.live import Auction, Change
from novate.listing_desk.review import Effect

SHOWN: Final = 20
"""Accounts that a person is shown of each command; --json has them all."""


def when(ns: int) -> str:
    """A time to the second, UTC."""
    return f"{datetime.fromtimestamp(ns / 1e9, UTC):%Y-%m-%d %H:%M:%S} UTC"


def of_change(change: Change) -> str:
    """Where a change stands."""
    if not change.approved:
        delay = "the long delay" if change.long_delay else "the short delay"
        return f"change {change.id} by key {change.proposer}, waits for a second person until {when(change.expires_ns)}; then {delay}"
    due = f"due {when(change.due_ns)}" if change.due_ns else f"due in {change.opens_left} regular opens"
    return f"change {change.id} by key {change.proposer}, approved by key {change.approver}, {due}"


def of_done(done: Iterable[Done]) -> Iterator[str]:
    """What was done, a line each."""
    for one in done:
        match one.how:
            case "proposed":
                delay = "long" if one.said["long_delay"] else "short"
                would = f"; would be refused now ({one.said['refusal']})" if one.said["refusal"] else ""
                yield f"{one.what}: proposed as change {one.change}, {delay} delay{would}"
            case "approved":
                due = one.said["due_ns"]
                at = when(due) if due else f"in {one.said['opens_left']} regular opens"
                yield f"{one.what}: change {one.change} approved, takes effect {at}"
            case "waits":
                yield f"{one.what}: waits already as change {one.change}"
            case "call":
                yield f"{one.what}: orders gather until {when(one.said['until_ns'])}, then it opens by auction"
            case how:
                yield f"{one.what}: {how}"


def of_status(status: Status) -> Iterator[str]:
    """Where a name stands."""
    yield f"{status.name}: {status.stage}, step {status.step} of {status.steps}"
    for one in (*status.listing, *status.pending):
        yield f"  {one.state:<9} {one.what}{_why(one)}"
    if status.price is not None:
        price = status.price
        yield f"  price     {price.index} ({price.quality}, session {price.session}, {price.fresh_sources} fresh sources)"
    for market, auction in status.auctions.items():
        yield f"  market    {market}: {of_auction(auction)}"
    for line in of_conditions(status.next_step):
        yield f"  next step {line}"


def _why(one: Standing) -> str:
    if one.change is not None:
        return f": {of_change(one.change)}"
    return f": after {', '.join(one.waits_for)}" if one.waits_for else ""


def of_auction(auction: Auction) -> str:
    """A market's phase and indicative price."""
    if auction.phase != "call":
        return auction.phase
    until = f"until {when(auction.until_ns)}" if auction.until_ns else "until it is told"
    if not auction.price:
        return f"call {until}; nothing crosses yet"
    surplus = ""
    if auction.surplus:
        side = "bid" if auction.surplus > 0 else "offered"
        surplus = f", {abs(auction.surplus)} more {side}"
    return f"call {until}; would open at {auction.price} with {auction.quantity}{surplus}"


def of_conditions(found: Iterable[Condition]) -> Iterator[str]:
    """Conditions, met or not."""
    for one in found:
        yield f"{'met' if one.met else 'NOT met'}: {one.name}, {one.found}" + (
            "" if one.met else f"; wanted {one.wanted}"
        )


def of_effects(effects: Iterable[Effect]) -> Iterator[str]:
    """What commands would do to accounts, worst first."""
    for one in effects:
        if one.waits_for:
            yield f"{one.what}: measured once {', '.join(one.waits_for)} is listed"
        elif one.refusal:
            yield f"{one.what}: would be refused, {one.refusal} {one.rule}"
        elif not one.changed:
            yield f"{one.what}: no requirement, excess or equity of {one.accounts} accounts changes"
        else:
            yield f"{one.what}: {one.changed} of {one.accounts} accounts change, {one.worse} for the worse"
            yield from (f"  {_account(line)}" for line in one.lines[:SHOWN])


def of_delisting(status: delisting.Status) -> Iterator[str]:
    """Where a name's delisting stands."""
    action = status.action
    yield f"{status.name}: " + (
        f"delisting {action.state}, action {action.id}" if action else "not being delisted"
    )
    for subject, until in sorted(status.restricted.items()):
        yield f"  restricted  {subject} " + (f"until {when(until)}" if until else "until it is lifted")
    for change in status.pending:
        yield f"  waits       {change.reason}: {of_change(change)}"
    for market, interest in status.open_interest.items():
        yield f"  open        {market}: {interest} held long"
    preview = status.preview
    if preview is None:
        return
    if preview.refusal:
        yield f"  settlement  could not run now: {preview.refusal}"
        return
    yield f"  settlement  at {preview.price}; {preview.below_maintenance} accounts would be below maintenance"
    for line in preview.accounts[:SHOWN]:
        yield f"    account {line['account']}: equity {line['equity_before'][0]} to {line['equity'][0]}, requirement {line['requirement_before'][0]} to {line['requirement'][0]}"


def _account(line: dict[str, Any]) -> str:
    initial, maintenance = 0, 2
    requirements = ", ".join(
        f"{word} {line['requirements_before'][level]} to {line['requirements_after'][level]}"
        for word, level in (("initial", initial), ("maintenance", maintenance))
    )
    excess = f"excess {line['excess_before'][initial]} to {line['excess_after'][initial]}"
    state = (
        ""
        if line["state_before"] == line["state_after"]
        else f"; {line['state_before']} to {line['state_after']}"
    )
    return f"account {line['account']}: {requirements}; {excess}{state}"
