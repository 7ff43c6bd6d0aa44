"""Roles, proposals, eligibility, freezes, limits and releases: events 1050 to 1099.

Responsible for: names, numbers, order and meaning of the fields. Never decides anything: that is the engine's. The same definitions stand in
`crates/novate-core/src/event/governance.rs`; a test compares them.
"""

from typing import ClassVar

from novate.messages.fields import (
    Amount,
    Count,
    Event,
    Id,
    SubjectCode,
    TimeNs,
    Yes,
)


class EligibilityConfigured(Event, frozen=True, kw_only=True):
    """Eligibility is on."""

    KIND: ClassVar[int] = 1050


class EligibilitySet(Event, frozen=True, kw_only=True):
    """A rule of eligibility took its place.

    Attributes:
        subject: What it is about.
        id: The asset or market.
        holder_class: The holder class.
        admits: 1 admits, 0 excludes.
        from_ns: In force from this time.
        until_ns: Before this time; 0 without end.
        version: Counts all changes of classes and rules.
    """

    KIND: ClassVar[int] = 1051

    subject: SubjectCode
    id: Id
    holder_class: Id
    admits: Yes
    from_ns: TimeNs
    until_ns: TimeNs
    version: Count


class OwnerClassified(Event, frozen=True, kw_only=True):
    """An owner's class and its expiry.

    Attributes:
        owner: Who.
        holder_class: Holder class.
        expires_ns: Counts before this time.
        version: Version of the rules it was decided under.
    """

    KIND: ClassVar[int] = 1052

    owner: Id
    holder_class: Id
    expires_ns: TimeNs
    version: Count


class Held(Event, frozen=True, kw_only=True):
    """Units were set apart (positive) or pledged again (negative).

    Attributes:
        asset: Which asset.
        amount: How much.
        held: Set apart after it.
        balance: Pledged after it.
    """

    KIND: ClassVar[int] = 1053

    asset: Id
    amount: Amount
    held: Amount
    balance: Amount


EVENTS: tuple[type[Event], ...] = (
    EligibilityConfigured,
    EligibilitySet,
    OwnerClassified,
    Held,
)
"""By number."""
