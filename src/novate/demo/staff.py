"""The venue's own people and everybody's keys: who may send what once governance is on.

Responsible for: keys, roles, and the terms of governance of the demo. What a role may do is the engine's table; nobody here has
two roles, so whatever takes two people takes two of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, Protocol

from novate.demo.market import Market
from novate.messages import Command, ConfigureGovernance, Event, EventMessage, GrantRole, RegisterActor
from novate.messages.codes import Role

KEEPER, BROKER_KEEPER, OPERATOR, RISK, TREASURER, COMPLIANCE, SECOND_COMPLIANCE = range(901, 908)
STAFF: Final = {
    KEEPER: (Role.KEEPER, "prices, sessions and time"),
    BROKER_KEEPER: (Role.KEEPER, "what the broker reports"),
    OPERATOR: (Role.OPERATOR, "operations"),
    RISK: (Role.RISK, "risk"),
    TREASURER: (Role.TREASURER, "treasury"),
    COMPLIANCE: (Role.COMPLIANCE, "compliance"),
    SECOND_COMPLIANCE: (Role.COMPLIANCE, "compliance, a second person"),
}
"""Key to its role and what it is there for."""
FIRST_KEY: Final = 1_000
HOUR: Final = 3_600_000_000_000
DAY: Final = 24 * HOUR


class Signed(NamedTuple):
    """A command of the venue's own, and the key that sends it."""

    actor: int
    command: Command


class Desk(Protocol):
    """One of the venue's own desks, or a broker: it sees events and sends commands under a key of the staff."""

    @property
    def watched(self) -> tuple[type[Event], ...]:
        """Types of the events that it wants."""

    def see(self, event: EventMessage) -> None:
        """Takes one event in."""

    def act(self, market: Market) -> Iterator[Signed]:
        """What it sends now; called once a frame, after the events of the frame before."""

    def after_frame(self, time_ns: int) -> None:
        """Asks the venue about what the frame changed; sends nothing."""


def key_of(account: int) -> int:
    """The key of the one person behind an account."""
    return FIRST_KEY + account


def name_of(actor: int) -> str:
    """Whose key it is, in words."""
    return STAFF[actor][1] if actor in STAFF else f"key {actor}"


def staffing(accounts: Iterable[int]) -> Iterator[tuple[int, Command]]:
    """Keys and roles as (account, command): the staff's at the venue, and a trader and treasurer at each account."""
    for actor, (role, _) in STAFF.items():
        yield 0, RegisterActor(actor=actor, person=actor, owner=0)
        yield 0, _grant(actor, role)
    for account in accounts:
        yield 0, RegisterActor(actor=key_of(account), person=key_of(account), owner=account)
        for role in (Role.TRADER, Role.TREASURER):
            yield account, _grant(key_of(account), role)


def _grant(actor: int, role: Role) -> GrantRole:
    return GrantRole(actor=actor, role=role, markets=(), order_notional=0, position_notional=0, expires_ns=0)


def governance(calendar: int) -> ConfigureGovernance:
    """Terms of governance. A change that raises a requirement waits five regular opens of `calendar`, any other four hours."""
    return ConfigureGovernance(
        short_delay_ns=4 * HOUR,
        long_delay_ns=7 * DAY,
        calendar_underlying=calendar,
        long_delay_opens=5,
        ownership_delay_ns=30 * DAY,
        approval_ns=2 * DAY,
        emergency_ns=DAY,
        measured_accounts=1_000,
        open_changes=100,
        change_bytes=4_096,
        changes_per_advance=10,
        nonce_window=0,
        outflow_window_ns=DAY,
        outflow_limit=5_000_000_000_000,
        outflow_wait_ns=DAY,
    )
