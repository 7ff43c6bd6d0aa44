"""Questions about who may do what: keys, open changes and their effect, restrictions, holders, caps, owner groups, releases.

Responsible for: one class per answer of `crates/novate-core/src/query/governance.rs` and `governance/effect.rs`, field by field,
and one function per question. Never computes: the effect of a change is rehearsed by the engine on a copy of its state.
"""

from novate.messages.codes import CapKind, LapseStage, Power, Role
from novate.messages.fields import Command
from novate.messages.reports.base import Answers, Report, ask
from novate.messages.wire import encode

_EFFECT, _ACTORS, _CHANGES, _RESTRICTIONS, _HOLDERS, _CAPS, _OBLIGORS, _RELEASES = range(1001, 1009)

PAGE = 1_000
"""Most lines of one answer that comes in pages."""

Four = tuple[int, int, int, int]


class EffectLine(Report, frozen=True, kw_only=True):
    """One account before and after a change, micro-dollars; per level: initial, liquidation-end, maintenance, close-out.

    Attributes:
        account: Its id.
        equity_before: Equity at maintenance now.
        equity_after: And with the change in force.
        requirements_before: Per level.
        requirements_after: Per level.
        excess_before: Per level.
        excess_after: Per level.
        state_before: Green 0 to black 4, by the excesses, open orders counted.
        state_after: The same.
    """

    account: int
    equity_before: int
    equity_after: int
    requirements_before: Four
    requirements_after: Four
    excess_before: Four
    excess_after: Four
    state_before: int
    state_after: int


class ChangeEffect(Report, frozen=True, kw_only=True):
    """What a change would do now.

    Attributes:
        refusal: Number of the refusal that its command would meet; 0 none.
        rule: Its name.
        accounts: How many accounts there are.
        lines: A page of them; none when the command would be refused.
    """

    refusal: int
    rule: str
    accounts: int
    lines: tuple[EffectLine, ...]


class GrantLine(Report, frozen=True, kw_only=True):
    """A role of a key: at an account (0: at the venue), for some markets (none named: all), with limits (0: none) and an end."""

    account: int
    role: Role
    markets: tuple[int, ...]
    order_notional: int
    position_notional: int
    expires_ns: int
    in_force: bool


class ActorLine(Report, frozen=True, kw_only=True):
    """A key.

    Attributes:
        actor: Its id.
        person: Whose it is; two keys of one person are one person.
        owner: The owner the person acts for; 0 for the venue's own people.
        revoked: Revoked for ever.
        request: Highest request number taken from it.
        grants: Its roles.
    """

    actor: int
    person: int
    owner: int
    revoked: bool
    request: int
    grants: tuple[GrantLine, ...]


class ChangeLine(Report, frozen=True, kw_only=True):
    """A change that waits.

    Attributes:
        change: Its id.
        stage: 0 for a second person, 1 for its time.
        account: Account its command acts for; 0 for the venue.
        kind: Type of its command.
        body: The command's body.
        reason: Why.
        proposer: Key that proposed it.
        proposer_person: Whose.
        approver: Key that approved it; 0 before.
        approver_person: Whose.
        long_delay: Whether it waits the long delay.
        expires_ns: Gone at this time without approval.
        approved_ns: When it was approved.
        due_ns: Takes effect at this time; 0 before its approval, and while it counts opens.
        opens_left: Regular opens until it takes effect; 0 when it goes by time.
    """

    change: int
    stage: int
    account: int
    kind: int
    body: bytes
    reason: str
    proposer: int
    proposer_person: int
    approver: int
    approver_person: int
    long_delay: bool
    expires_ns: int
    approved_ns: int
    due_ns: int
    opens_left: int


class RestrictionLine(Report, frozen=True, kw_only=True):
    """A restriction in force: what it is about, the lower cap (0 where it lowers none), and its end (0: until it is lifted)."""

    power: Power
    id: int
    limit: int
    until_ns: int


class LapseLine(Report, frozen=True, kw_only=True):
    """A token that its owner may not hold any more: the stage, and when the next one begins (0 in the last)."""

    account: int
    asset: int
    stage: LapseStage
    next_ns: int


class HolderLine(Report, frozen=True, kw_only=True):
    """What the venue knows of an owner; never a name.

    Attributes:
        owner: Its id.
        holder_class: Its class; 0 before it was classified.
        class_name: The class's name.
        expires_ns: When the classification ends.
        expired: Whether it has.
        frozen: Whether the owner is frozen.
        salted_id: Under which an erasable store outside knows the name.
        withdrawals_take_two: Whether two of its people send withdrawals, transfers and addresses.
        keys_take_two: Whether two of its people change keys, roles and this rule.
        cooling_ns: Before a new address may be used.
        addresses: Each with the time from which it may be used.
        outflow: What went out, as the outflow bucket stood when it was last looked at, micro-dollars.
        outflow_ns: When that was.
        lapses: Tokens it may not hold any more.
    """

    owner: int
    holder_class: int
    class_name: str
    expires_ns: int
    expired: bool
    frozen: bool
    salted_id: bytes
    withdrawals_take_two: bool
    keys_take_two: bool
    cooling_ns: int
    addresses: tuple[tuple[bytes, int], ...]
    outflow: int
    outflow_ns: int
    lapses: tuple[LapseLine, ...]


class CapLine(Report, frozen=True, kw_only=True):
    """A cap on positions or open interest, and its use.

    Attributes:
        cap_kind: What it is about.
        id: Market, or underlying.
        most: In the regular session; lots, of an underlying micro-dollars.
        closed_most: Outside it.
        in_force: Which holds now, a restriction that lowers it counted.
        used: How much of it is used, open orders counted: by whom uses most of it, or by everybody.
        by: That account or obligor; 0 for everybody, or nobody.
    """

    cap_kind: CapKind
    id: int
    most: int
    closed_most: int
    in_force: int
    used: int
    by: int


class ObligorLine(Report, frozen=True, kw_only=True):
    """Owners that are one obligor.

    Attributes:
        obligor: The owner by whose id it is known.
        owners: All of them.
        accounts: Their accounts.
        positions: Market, gross long and gross short lots.
        collateral: Token, units admitted as unhedged collateral, and the cap of one obligor.
    """

    obligor: int
    owners: tuple[int, ...]
    accounts: tuple[int, ...]
    positions: tuple[tuple[int, int, int], ...]
    collateral: tuple[tuple[int, int, int], ...]


class QuarantineLine(Report, frozen=True, kw_only=True):
    """A command that was answered without being applied: who named it by which digest, and whether two people did."""

    sequence: int
    digest: bytes
    people: tuple[int, ...]
    confirmed: bool


class Releases(Report, frozen=True, kw_only=True):
    """Releases that may be entered, each with its ruleset, and commands that were put aside."""

    permitted: tuple[tuple[str, int], ...]
    quarantined: tuple[QuarantineLine, ...]


def effect(engine: Answers, change: int, *, first: int = 0, count: int = PAGE) -> ChangeEffect:
    """What an open change would do now to a page of accounts, by their place from 0. ValueError when it is not open."""
    return ask(engine, ChangeEffect, _EFFECT, change, 0, b"", first, count)


def effect_of(
    engine: Answers, command: Command, account: int = 0, *, first: int = 0, count: int = PAGE
) -> ChangeEffect:
    """The same for a command that nobody has proposed."""
    message = encode(command)
    return ask(engine, ChangeEffect, _EFFECT, 0, account, message[4:6] + message[48:], first, count)


def actors(engine: Answers) -> tuple[ActorLine, ...]:
    """All keys by id."""
    return ask(engine, tuple[ActorLine, ...], _ACTORS)


def changes(engine: Answers) -> tuple[ChangeLine, ...]:
    """Changes that wait, by id."""
    return ask(engine, tuple[ChangeLine, ...], _CHANGES)


def restrictions(engine: Answers) -> tuple[RestrictionLine, ...]:
    """Restrictions in force."""
    return ask(engine, tuple[RestrictionLine, ...], _RESTRICTIONS)


def holders(engine: Answers, *, first: int = 0, count: int = PAGE) -> tuple[HolderLine, ...]:
    """A page of owners from owner id `first` on."""
    return ask(engine, tuple[HolderLine, ...], _HOLDERS, first, count)


def caps(engine: Answers) -> tuple[CapLine, ...]:
    """Caps on positions and open interest."""
    return ask(engine, tuple[CapLine, ...], _CAPS)


def obligors(engine: Answers, *, first: int = 0, count: int = PAGE) -> tuple[ObligorLine, ...]:
    """A page of obligors, by their place from 0. An obligor whose owner joined another one is left without accounts."""
    return ask(engine, tuple[ObligorLine, ...], _OBLIGORS, first, count)


def releases(engine: Answers) -> Releases:
    """Releases that may be entered, and commands that were put aside."""
    return ask(engine, Releases, _RELEASES)
