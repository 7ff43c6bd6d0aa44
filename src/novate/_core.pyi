"""The engine, compiled from `crates/novate-core` and bound by `crates/novate-py`."""

from collections.abc import Callable, Sequence
from typing import Self, final

from typing_extensions import Buffer

__all__ = [
    "Engine",
    "EventHead",
    "Hearer",
    "Listed",
    "Teller",
    "check",
    "definitions",
    "digest",
    "event_heads",
    "holds",
    "refusals",
    "release",
    "round_trip",
    "ruleset",
    "stamp",
]

@final
class Engine:
    """A deterministic venue engine: commands in, events out. Safe to share between threads; calls run one at a time.

    It does no I/O and has no clock: a command's time is in its header. After a fault of its own every call raises
    `novate.errors.EngineHalted`; the journal, not the halted engine, holds the state then.
    """

    def __new__(cls) -> Self: ...
    def apply(self, buffer: Buffer, /) -> bytes:
        """Apply the messages in `buffer`, in order; return their events, back to back.

        A buffer that is not whole messages raises `novate.errors.BadBuffer` and changes nothing. A refused command is an event.
        """

    def replay(self, buffer: Buffer, /) -> None:
        """As `apply`, without the events: for a replay that tells nobody."""

    def query(self, request: Buffer, /) -> bytes:
        """Answer a read-only question. MessagePack in and out; an unknown or malformed question raises `ValueError`."""

    def snapshot(self) -> bytes:
        """Return the whole state as bytes that `restore` takes."""

    @staticmethod
    def restore(snapshot: Buffer, /) -> Engine:
        """Return the engine a snapshot was taken of; damaged or foreign bytes raise `ValueError`."""

    def state_hash(self) -> bytes:
        """Return 32 bytes that are equal exactly when two engines hold the same state."""

    def quarantine(self, sequence: int, digest: bytes, /) -> None:
        """Answer the command of this sequence without applying it, as long as its message has the BLAKE3 `digest`."""

    def unconfirmed(self) -> list[int]:
        """Return the commands answered unapplied that two people have not confirmed."""

    def rehearse_panic(self, sequence: int, /) -> None:
        """Make the command of this sequence fail when it is applied: a rehearsal, no part of the state."""

    def fork(self) -> Engine:
        """Return an independent copy, for questions of the form "what if"."""

    @property
    def sequence(self) -> int:
        """Sequence of the last command applied; 0 when none was."""

    @property
    def time_ns(self) -> int:
        """Time of the last command applied, nanoseconds UTC."""

    def conservation(self) -> list[tuple[int, int]]:
        """Return per asset the difference that must be 0, in the asset's smallest unit."""

@final
class EventHead:
    """Where an event is in its buffer, and what its head says; see `novate.messages.Header` and `EventMessage`."""

    @property
    def at(self) -> int:
        """Offset of its first byte."""

    @property
    def length(self) -> int:
        """Bytes of the whole message."""

    @property
    def kind(self) -> int:
        """Type number."""

    @property
    def account(self) -> int:
        """Whose event it is; 0 for the venue."""

    @property
    def sequence(self) -> int:
        """The command's position in the journal."""

    @property
    def time_ns(self) -> int:
        """Journal time, ns since 1970 UTC."""

    @property
    def account_sequence(self) -> int:
        """Position among the events of its account; 0 for the venue."""

def event_heads(events: bytes, /) -> list[EventHead]:
    """Return where each event of a buffer is, and what its head says; raise `novate.errors.BadBuffer` for anything but whole events."""

@final
class Listed:
    """Names and scales as of one catalogue, for `Teller` and `Hearer`."""

    def __new__(
        cls, names: Sequence[tuple[str, int, str, str]], scales: Sequence[tuple[str, int, int, int]], /
    ) -> Self:
        """`names` are (what, id, name, the name as JSON); `scales` are (what, of which id, step, decimals), with a step of 0 where text is not `step` times 10^-`decimals`."""

@final
class Teller:
    """Tells events in the public language as of one catalogue, from their records, by tables that `novate.schema.telling` makes."""

    def __new__(
        cls,
        kinds: Sequence[
            tuple[
                int,
                int,
                str,
                Sequence[tuple[str, str, int, str, str, Sequence[int], Sequence[tuple[str, int]]]],
            ]
        ],
        unheard: Sequence[int],
        listed: Listed,
        market_of: Callable[[int], int],
        plain: Callable[[bytes], bytes],
        /,
    ) -> Self:
        """`kinds` are (number, bytes, name, fields); `answer` leaves out the `unheard` ones; `plain` tells any whole event. A table that fits no record raises `ValueError`."""

    def tell(self, event: Buffer, /) -> bytes:
        """Return one whole event as JSON text; raise `novate.errors.BadBuffer` for what is none, and what the plain way raises."""

    def answer(self, events: bytes, account: int, /) -> tuple[bytes, list[EventHead]]:
        """Return the events that are the account's or the venue's and are not left out, as a JSON array, and their heads."""

@final
class Hearer:
    """Makes commands of operations as of one catalogue, from their JSON text, by tables that `novate.schema.hearing` makes."""

    def __new__(
        cls,
        operations: Sequence[
            tuple[
                str,
                bytes,
                Sequence[
                    tuple[
                        str,
                        int,
                        str,
                        str,
                        Sequence[int],
                        bool,
                        Sequence[tuple[str, int]],
                        Sequence[tuple[str, int]],
                    ]
                ],
            ]
        ],
        listed: Listed,
        /,
    ) -> Self:
        """`operations` are (name, the command with defaults, fields). A table that fits no record raises `ValueError`."""

    def command(self, name: str, args: bytes, rests: Callable[[bytes], int], /) -> bytes | None:
        """Return the command that an operation's arguments stand for, nobody's yet; None for what is not plain, or wrong."""

def refusals() -> str:
    """Return every refusal as a JSON array: number, name, sentence, and whether a retry can help."""

def release() -> str:
    """Return the engine's release, recorded in every journal segment."""

def ruleset() -> int:
    """Return the number of the ruleset this build applies; a change of behaviour is a new number."""

def definitions() -> str:
    """Return every command and event as a JSON array: name, kind, form, and fields as name and type."""

def digest(message: bytes, /) -> bytes:
    """Return the BLAKE3 of a whole message as it stands in the journal: what a quarantine names it by."""

def stamp(
    buffer: Buffer, first_sequence: int, time_ns: int | None, last_time_ns: int, /
) -> tuple[bytes, int, int]:
    """Return a copy of `buffer` with sequences from `first_sequence` filled, how many messages, and the last one's time.

    All get `time_ns`; with None they carry their own times, which must not decrease. Raises `novate.errors.BadBuffer` for anything
    but whole messages, `TimeRanBackwards` for a time before `last_time_ns` or before the message in front.
    """

def check(buffer: bytes, kind: int, /) -> bool:
    """Return whether one of the messages in `buffer` is of type `kind`; raise `novate.errors.BadBuffer` if `stamp` would."""

def holds(buffer: bytes, kind: int, /) -> bool:
    """Return whether one of the messages in `buffer` is of type `kind`, looking at their headers alone."""

def round_trip(kind: int, body: bytes, /) -> bytes:
    """Decode the body of a message (an event's without its three leading fields) and encode it again.

    For tests that compare bytes. A body the engine would refuse raises `ValueError`.
    """
