"""Closed hours, reopening, halts, outages and cancelled prints: commands 600 to 649.

Responsible for: names, numbers, order and meaning of the fields. Never decides a rule: that is the engine's. The same definitions stand in
`crates/novate-core/src/command/prices.rs`; a test compares them.
"""

from typing import ClassVar

from novate.messages.fields import (
    NO_CLIENT_ID,
    Bytes16,
    Command,
    Count,
    HotCommand,
    Id,
    Nanos,
    Ppm,
    Price,
    Text,
    TimeNs,
)


class ConfigurePrices(Command, frozen=True, kw_only=True):
    """Price parameters of the venue, once, after `ConfigureVenue` and before the first listing.

    Attributes:
        statements_kept: Statements of a source that it may still take back.
        venues_while_closed: Live outside venues that make an index while the primary market is closed.
        drift_ns: Time constant of a closed index on its way to the venue's impact price.
        re_anchor_at_ppm: Share of the way to a discovery bound at which the reference moves there.
        breach_ns: Unbroken time below close-out at the drifted index before a liquidation.
        long_closure_ns: After a longer closure overnight trading is suspect at first.
        reopening_ns: For how long.
        blend_ns: Time in which a reopening index goes to the external price.
        outage_ns: After a longer outage markets only cancel at first.
        cancel_only_ns: For how long.
        halt_first_ns: Length of a halt from which the first gap rate holds.
        halt_first_gap_ppm: Least gap rate from then on.
        halt_second_ns: Length from which the second one holds.
        halt_second_gap_ppm: Least gap rate from then on.
        halt_last_ns: Length from which collateral that no perp matches is worth nothing.
        halt_settle_ns: Length from which its perps may be settled by decision.
        earnings_multiple_ppm: Part of the implied move that the gap rate covers in the window of a report.
        earnings_ramp_ns: Time in which it climbs there below initial.
    """

    KIND: ClassVar[int] = 600

    statements_kept: Count
    venues_while_closed: Count
    drift_ns: Nanos
    re_anchor_at_ppm: Ppm
    breach_ns: Nanos
    long_closure_ns: Nanos
    reopening_ns: Nanos
    blend_ns: Nanos
    outage_ns: Nanos
    cancel_only_ns: Nanos
    halt_first_ns: Nanos
    halt_first_gap_ppm: Ppm
    halt_second_ns: Nanos
    halt_second_gap_ppm: Ppm
    halt_last_ns: Nanos
    halt_settle_ns: Nanos
    earnings_multiple_ppm: Ppm
    earnings_ramp_ns: Nanos


class CancelPrint(HotCommand, frozen=True, kw_only=True):
    """A source takes a print back, and what it said near it since; or corrects it.

    Attributes:
        underlying: What was priced.
        source: Which source takes it back.
        venue_time_ns: Venue time of the print.
        corrected: The price it should have been; 0 when there was none.
        raw_hash: First 16 bytes of the SHA-256 of the message that says so; zeros when there is none.
    """

    KIND: ClassVar[int] = 601

    underlying: Id
    source: Id
    venue_time_ns: TimeNs
    corrected: Price = 0
    raw_hash: Bytes16 = NO_CLIENT_ID


class ScheduleEarnings(Command, frozen=True, kw_only=True):
    """A company reports in a window.

    Attributes:
        underlying: The company.
        from_ns: Begin of the window, after now.
        to_ns: Its end.
        implied_move_ppm: The move that options imply; 0 takes the window back.
    """

    KIND: ClassVar[int] = 602

    underlying: Id
    from_ns: TimeNs
    to_ns: TimeNs
    implied_move_ppm: Ppm


class SettleHalted(Command, frozen=True, kw_only=True):
    """All perps of a halted underlying are settled at a price that two people decided; the underlying is worth it.

    Attributes:
        underlying: The halted underlying.
        price: The price at its scale; 0 is the last confirmed one.
        reason: Why, in public words.
    """

    KIND: ClassVar[int] = 603

    underlying: Id
    price: Price
    reason: Text


COMMANDS: tuple[type[Command], ...] = (ConfigurePrices, CancelPrint, ScheduleEarnings, SettleHalted)
"""By number."""
