"""The exception tree: every error novate raises on purpose, each with a short code and one plain sentence.

    NovateError
    ├── ConfigError             the configuration is wrong, or asks for what the venue is not
    ├── UnitError               a number is not exactly representable, out of range, or a float
    ├── DataError               an input file is missing, malformed, or holds an impossible value
    ├── MessageError            one message is not what its type says, or holds what cannot be encoded
    ├── BadBuffer               a buffer of messages is not messages back to back
    ├── Refused                 the engine refused a command that a caller of `novate.Engine` counted on
    ├── TimeRanBackwards        a command's time lies before the journal's last time
    ├── RuleBroken              a service beside the engine does not do what was asked, by a rule with a number
    ├── EngineHalted            the engine failed inside a command and answers nothing more
    └── JournalError            the journal cannot be trusted, read or written
        ├── JournalDamaged      bytes that were durable are missing or changed
        ├── JournalFull         the disk (or quota, or file size limit) has no room
        ├── JournalLocked       another process owns the home
        ├── LogStopped          the log met an error before and refuses every later call
        ├── ReleaseMismatch     written under another ruleset or journal format
        ├── ReplayDiverged      a replay reached another state than the one recorded
        └── SyncFailed          a write or a sync failed: the process must stop

A refusal of a command is not here: that is an event with a number, decided by the engine. This file holds no
logic beyond carrying facts, and imports nothing of novate.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

Fact = str | int | None


class NovateError(Exception):
    """Base of every error raised on purpose.

    `code` is stable, for programs. `sentence` is one plain sentence, for people. `facts` are the named values behind
    the sentence (a file, an offset, a sequence), for both.
    """

    code: ClassVar[str] = "novate_error"

    def __init__(self, sentence: str, **facts: Fact) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.facts = facts

    def as_dict(self) -> dict[str, Fact]:
        """The error as one flat JSON-ready object: code, sentence, then the facts."""
        return {"code": self.code, "sentence": self.sentence, **self.facts}


class NumberedRule(Enum):
    """A rule by which a service beside the engine says no: number, HTTP status, whether the same may succeed later, sentence.

    A service's rules are one enumeration of these rows, in a range of numbers of its own; numbers are never reused.
    """

    def __init__(self, number: int, status: int, retryable: bool, sentence: str) -> None:
        self.number = number
        self.status = status
        self.retryable = retryable
        self.sentence = sentence

    @property
    def label(self) -> str:
        """The public name, which states the rule."""
        return self.name.lower()


class RuleBroken(NovateError):
    """Nothing was done. `rule` says which rule it would break, `field` which field of what was said, where it is one."""

    code = "rule_broken"

    def __init__(self, rule: NumberedRule, detail: str = "", field: str | None = None, **facts: Fact) -> None:
        super().__init__(
            f"{rule.sentence} {detail}" if detail else rule.sentence,
            rule=rule.label,
            number=rule.number,
            **facts,
        )
        self.rule = rule
        self.field = field


class ConfigError(NovateError):
    """The configuration has an unknown key, a wrong type or an impossible value."""

    code = "config_error"


class UnitError(NovateError):
    """A number cannot be held exactly: too many decimals, out of range, not finite, or a float."""

    code = "unit_error"


class DataError(NovateError):
    """An input file is missing, malformed, or holds a value that cannot be (a NaN price, a high below a low)."""

    code = "data_error"


class MessageError(NovateError):
    """One message is not what its type says: an unknown type or version, another length, a body that does not fit."""

    code = "message_error"


class BadBuffer(NovateError):
    """A buffer handed to the sequencer is not whole messages back to back; all of it is refused."""

    code = "bad_buffer"


class Refused(NovateError):
    """The engine refused a command that a method of `novate.Engine` stands for; its state is untouched.

    On the wire a refusal is an event. A line of a notebook that did nothing must not look as if it had.
    Facts: `rule` (its name), `number`.
    """

    code = "refused"


class TimeRanBackwards(NovateError):
    """A command's time lies before the last time in the journal; nothing was written."""

    code = "time_ran_backwards"


class EngineHalted(NovateError):
    """The engine failed inside a command; its state is unknown and it answers nothing more."""

    code = "engine_halted"


class ResumeRefused(NovateError):
    """The engine refused the first command after a recovery: the key that sent it may not resume the venue."""

    code = "resume_refused"


class JournalError(NovateError):
    """The journal cannot be trusted, read or written."""

    code = "journal_error"


class JournalDamaged(JournalError):
    """Bytes at or before the last durable mark are missing or changed. The venue refuses to start.

    Facts: `segment` (file name), `offset` (byte in it), `sequence` (first command that cannot be read), `what`.
    """

    code = "journal_damaged"

    def __init__(self, *, segment: str, offset: int, sequence: int, what: str) -> None:
        super().__init__(
            f"The journal is damaged at byte {offset} of {segment} (command {sequence}): {what}.",
            segment=segment,
            offset=offset,
            sequence=sequence,
            what=what,
        )


class JournalFull(JournalError):
    """There is no room to write: disk full, quota reached, or file size limit. Nothing was applied."""

    code = "journal_full"


class JournalLocked(JournalError):
    """Another process writes this home."""

    code = "journal_locked"


class LogStopped(JournalError):
    """The log met an error before, or was closed, and refuses every later call."""

    code = "log_stopped"


class ReleaseMismatch(JournalError):
    """The journal was written under another ruleset or in another format than this release follows."""

    code = "release_mismatch"


class ReplayDiverged(JournalError):
    """Replaying the journal reached another state than the one recorded in it."""

    code = "replay_diverged"


class SyncFailed(JournalError):
    """A write or a sync of the journal failed. It is never retried: the process must stop and recover from disk."""

    code = "sync_failed"
