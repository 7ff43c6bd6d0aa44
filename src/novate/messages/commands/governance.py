"""Roles, proposals, eligibility, freezes, limits and releases: commands 1000 to 1049.

Responsible for: names, numbers, order and meaning of the fields. Never decides a rule: that is the engine's. The same definitions stand in
`crates/novate-core/src/command/governance.rs`; a test compares them.
"""

from typing import ClassVar

from novate.messages.fields import (
    Amount,
    Bytes,
    Command,
    HolderTypeCode,
    Id,
    Nanos,
    Numbers,
    SubjectCode,
    Text,
    Tier,
    TimeNs,
    Yes,
)


class ConfigureEligibility(Command, frozen=True, kw_only=True):
    """Switches eligibility on, once.

    Which tokens are closed to whom by default, and how long a holder who lost eligibility has.

    Attributes:
        excluded_jurisdiction: Two capital letters. Holders from there need a rule that admits them.
        restricted_buckets: Buckets whose tokens are restricted.
        notice_ns: Time after eligibility was lost until only reducing is possible.
        reduce_only_ns: From then until the tokens are redeemed at market.
    """

    KIND: ClassVar[int] = 1000

    excluded_jurisdiction: Text
    restricted_buckets: Numbers
    notice_ns: Nanos
    reduce_only_ns: Nanos


class ListHolderClass(Command, frozen=True, kw_only=True):
    """A kind of holder.

    Attributes:
        holder_class: Its id.
        name: 1 to 32 printable ASCII characters.
        jurisdiction: Two capital letters.
        holder_type: What the holder is.
        tier: Tier of the identity check, from 0.
    """

    KIND: ClassVar[int] = 1001

    holder_class: Id
    name: Text
    jurisdiction: Text
    holder_type: HolderTypeCode
    tier: Tier


class SetEligibility(Command, frozen=True, kw_only=True):
    """Admits a class to an asset or a market, or excludes it, between two times; takes the place of an earlier rule.

    Attributes:
        subject: What the rule is about.
        id: The asset or market.
        holder_class: The holder class.
        admits: 1 admits, 0 excludes.
        from_ns: In force from this time.
        until_ns: Before this time; 0 without end.
    """

    KIND: ClassVar[int] = 1002

    subject: SubjectCode
    id: Id
    holder_class: Id
    admits: Yes
    from_ns: TimeNs
    until_ns: TimeNs


class ClassifyOwner(Command, frozen=True, kw_only=True):
    """The result of an identity check.

    The salted id is all that the journal knows of the person.

    Attributes:
        owner: Who.
        holder_class: Holder class.
        expires_ns: The result counts before this time.
        salted_id: 1 to 64 bytes.
    """

    KIND: ClassVar[int] = 1003

    owner: Id
    holder_class: Id
    expires_ns: TimeNs
    salted_id: Bytes


class Hold(Command, frozen=True, kw_only=True):
    """Sets units apart: no margin value, never lent, sold, liquidated or loss-shared.

    Under the rule of every outflow.

    Attributes:
        asset: Which asset.
        amount: How much, above zero.
    """

    KIND: ClassVar[int] = 1004

    asset: Id
    amount: Amount


class Pledge(Command, frozen=True, kw_only=True):
    """Lets units that were set apart back the portfolio again.

    Attributes:
        asset: Which asset.
        amount: How much, above zero.
    """

    KIND: ClassVar[int] = 1005

    asset: Id
    amount: Amount


COMMANDS: tuple[type[Command], ...] = (
    ConfigureEligibility,
    ListHolderClass,
    SetEligibility,
    ClassifyOwner,
    Hold,
    Pledge,
)
"""By number."""
