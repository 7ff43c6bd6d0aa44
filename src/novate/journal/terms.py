"""Whose turn it is to write: the terms of a venue, and the marks by which a home is not written by a core.

    HOME/term.json      every term so far: after which frame it began, who began it, and why; without the file it is the first
    HOME/follows.json   the home is a standby's: its journal is another core's, and a core here would part from it
    HOME/fenced.json    a later term has begun elsewhere: a core here would be a second one

Responsible for: reading and writing those marks durably, and refusing to open a home that bears one. Never: touches the journal, whose
format knows no terms, or knows what happens on another machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypeVar

import msgspec

from novate.errors import JournalError
from novate.files import sync_path, write_durably
from novate.journal.log import storage_error

TERMS: Final = "term.json"
FOLLOWS: Final = "follows.json"
FENCED: Final = "fenced.json"


class HomeFenced(JournalError):
    """A later term of the venue has begun elsewhere; no core may write this home. Facts: `term`, `path`."""

    code = "home_fenced"


class HomeIsStandby(JournalError):
    """The home follows another core's journal; it is promoted before a core writes it. Facts: `of`, `path`."""

    code = "home_is_standby"


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """One term: all that is written from a frame on, until the next term begins.

    Attributes:
        term: Its number; the first is 1 and is not written down.
        sequence: Last command of the term before.
        frame_hash: Of the last frame of the term before, hexadecimal.
        clean: Whether that frame was the seal of a core that ended in order.
        by: Who began it.
        reason: Why.
        at_ns: When, nanoseconds UTC.
        of: Which core was followed.
    """

    term: int
    sequence: int
    frame_hash: str
    clean: bool
    by: str
    reason: str
    at_ns: int
    of: str


class Follows(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a standby follows, since when (nanoseconds UTC)."""

    of: str
    since_ns: int


class Fence(msgspec.Struct, frozen=True, kw_only=True):
    """What ended a home's turn: the term that began elsewhere, who began it, why, and when (nanoseconds UTC)."""

    term: int
    by: str
    reason: str
    at_ns: int


class _Terms(msgspec.Struct, frozen=True, kw_only=True):
    terms: tuple[Term, ...]


_S = TypeVar("_S", bound=msgspec.Struct)


def terms_of(home: Path) -> tuple[Term, ...]:
    """The terms behind the first, oldest first. Raises JournalError where the file can't be read."""
    found = _read(home / TERMS, _Terms)
    return found.terms if found else ()


def current_term(home: Path) -> int:
    """The number of the newest term that this home knows; 1 for a venue that was never promoted."""
    found = terms_of(home)
    return found[-1].term if found else 1


def known_term(home: Path) -> int:
    """The newest term that this home knows of, also where it began elsewhere."""
    fence = fence_of(home)
    return max(current_term(home), fence.term if fence else 1)


def write_terms(home: Path, terms: tuple[Term, ...]) -> None:
    """Makes `terms` those of the home, durably. Raises SyncFailed or JournalFull."""
    _write(home / TERMS, _Terms(terms=terms))


def begin_term(home: Path, term: Term) -> None:
    """Appends one term. Raises JournalError unless it is later than all before."""
    before = current_term(home)
    if term.term <= before:
        raise JournalError(f"Term {term.term} can't begin: {home} knows of term {before}.", path=str(home))
    write_terms(home, (*terms_of(home), term))


def follows(home: Path) -> Follows | None:
    """Whom the home follows; None for a home of its own."""
    return _read(home / FOLLOWS, Follows)


def write_follows(home: Path, of: str, since_ns: int) -> None:
    """Marks the home as a standby's, before a byte of another's journal is in it."""
    _write(home / FOLLOWS, Follows(of=of, since_ns=since_ns))


def end_following(home: Path) -> None:
    """Takes that mark away: from here on a core may write the home."""
    _remove(home / FOLLOWS)


def fence_of(home: Path) -> Fence | None:
    """What ended the home's turn; None where nothing did."""
    return _read(home / FENCED, Fence)


def write_fence(home: Path, fence: Fence) -> None:
    """Ends the home's turn, durably."""
    _write(home / FENCED, fence)


def lift_fence(home: Path) -> None:
    """Takes the mark away: the home follows the term that began elsewhere, or was promoted anew."""
    _remove(home / FENCED)


def check_may_write(home: Path | str) -> None:
    """Raises HomeFenced or HomeIsStandby for a home that a core must not write."""
    home = Path(home)
    fence = fence_of(home)
    if fence is not None:
        raise HomeFenced(
            f"Term {fence.term} of this venue began elsewhere ({fence.by}: {fence.reason}); {home} may follow it"
            " with `novate standby`, and serves nobody.",
            term=fence.term,
            path=str(home),
        )
    marked = follows(home)
    if marked is not None:
        raise HomeIsStandby(
            f"{home} is a standby of {marked.of}; `novate promote` makes it the venue.",
            of=marked.of,
            path=str(home),
        )


def _read(path: Path, kind: type[_S]) -> _S | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise JournalError(
            f"{path} can't be read ({error}); it says whose turn it is to write.", path=str(path)
        ) from error


def _write(path: Path, value: object) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, msgspec.json.format(msgspec.json.encode(value)) + b"\n")
    except OSError as error:
        raise storage_error(error, path.name) from error


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
        sync_path(path.parent)
    except OSError as error:
        raise storage_error(error, path.name) from error
