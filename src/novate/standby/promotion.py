"""From standby to venue, by hand; and the end of the other core's turn.

    promote(home, by, reason)                    refused while the other core answers
    promote(home, by, reason, take_over=True)    tells it to end first, which it does in order, and may not start again

Responsible for: asking the other core before anything changes; ending the standby; a new term, written down with who and why. Never: begins a
term over a journal that does not hold, or claims that a core which can't be reached has ended: that is for a person to make sure.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from novate._core import ruleset
from novate.core_process.shipping import shipping_key
from novate.core_process.shipping_wire import Asked, Here, ShippingDenied, What
from novate.errors import ConfigError, JournalError, JournalLocked, NovateError
from novate.identity.audit import AuditLog
from novate.identity.nonces import NonceJournal
from novate.identity.sealing import KEY_FILE, Seal
from novate.journal.log import HomeLock, repair_tail
from novate.journal.recovery import HomePaths, judge
from novate.journal.scan import segment_paths
from novate.journal.terms import (
    Term,
    begin_term,
    end_following,
    fence_of,
    follows,
    known_term,
    lift_fence,
    terms_of,
    write_terms,
)
from novate.standby.line import Line, LineBroken, is_tcp
from novate.standby.process import REQUEST, read_standby

_END_S: Final = 60.0
_ASK_S: Final = 3.0
_LATE_S: Final = 5.0
_LOOK_S: Final = 0.1

Say = Callable[[str], None]


class PromotionRefused(NovateError):
    """The standby was not promoted, and nothing has changed."""

    code = "promotion_refused"


@dataclass(frozen=True, slots=True)
class Promoted:
    """What a promotion came to."""

    term: int
    sequence: int
    """Last command of the term before."""
    clean: bool
    """Whether the other core had sealed its journal: then nothing that it wrote is missing here."""
    core_reached: bool
    """Whether the other core was told to end; else somebody has to be sure that it has."""


def promote(
    home: Path, *, by: str, reason: str, take_over: bool = False, say: Say = lambda _words: None
) -> Promoted:
    """Makes the standby in `home` the venue that `novate up` serves.

    Raises ConfigError where `home` is no standby or `reason` is empty, PromotionRefused where the other core answers and is not to be taken
    over, or does not end; JournalDamaged where the journal here does not hold.
    """
    marked = follows(home)
    if marked is None:
        raise ConfigError(f"{home} is no standby.", path=str(home))
    if not reason.strip() or not by.strip():
        raise ConfigError("A promotion is written down with who and why: neither may be empty.")
    here = _core_of(home, marked.of)
    if here is not None and not take_over:
        raise PromotionRefused(
            f"The core at {marked.of} still answers, at command {here.sequence}. End it first, or say --take-over.",
            of=marked.of,
            sequence=here.sequence,
        )
    known = max(known_term(home), here.term if here else 1)
    term = known + 1
    if here is not None:
        _must_follow(home)
        _end_core(home, marked.of, Asked(term=term, ruleset=ruleset(), by=by, reason=reason), say)
        _await_end(home, marked.of, say)
    paths = HomePaths(home / "journal", home / "snapshots")
    if not segment_paths(paths.journal):
        raise JournalError(
            f"There is no journal in {home}: the standby has received nothing yet.", path=str(home)
        )
    lock = _ended_standby(home, paths.journal)
    try:
        walk = judge(paths, ruleset=ruleset()).walk
        repair_tail(paths.journal, walk)
        clean = walk.torn is None and walk.last is not None and walk.last.is_seal
        sequence = walk.next_sequence - 1
        if here is not None and here.terms != terms_of(home):
            write_terms(home, here.terms)
        _forget_nonces(home)
        _write_audit(home, term, sequence, by, reason)
        begin_term(
            home,
            Term(
                term=term, sequence=sequence, frame_hash=walk.previous_hash.hex(), clean=clean,
                by=by, reason=reason, at_ns=time.time_ns(), of=marked.of,
            ),
        )  # fmt: skip
        if fence_of(home) is not None:
            lift_fence(home)
        end_following(home)
    finally:
        (home / REQUEST).unlink(missing_ok=True)
        lock.release()
    return Promoted(term, sequence, clean, here is not None)


def _forget_nonces(home: Path) -> None:
    """The other home's nonces are not here: what was signed before now may have been used there, and is not taken."""
    now = time.time_ns()
    nonces = NonceJournal.open(home / "nonces", now)
    try:
        nonces.refuse_before(now)
    finally:
        nonces.close()


def _write_audit(home: Path, term: int, sequence: int, by: str, reason: str) -> None:
    """Into the home's log of who did what, where there is one."""
    if not (home / KEY_FILE).exists():
        return
    log = AuditLog.open(home, Seal.open(home, create=False).key)
    try:
        log.record("promoted", time.time_ns(), sequence=sequence, wait=True, term=term, by=by, reason=reason)
    finally:
        log.close()


def _core_of(home: Path, of: str) -> Here | None:
    """What the other core says of itself; None where none answers."""
    try:
        with Line.open(of, What.TERM, Asked(ruleset=ruleset()), _key(home, of), _ASK_S) as line:
            return line.here
    except LineBroken:
        return None


def _must_follow(home: Path) -> None:
    """What the other core writes last must come here: its standby runs and is connected. Raises PromotionRefused."""
    said = read_standby(home)
    late = said is None or time.time_ns() - said["at_ns"] > _LATE_S * 1e9
    if said is None or late or not said["connected"]:
        raise PromotionRefused(
            f"No standby runs in {home} and follows: what the core writes last would be missing. Start `novate standby` first."
        )


def _end_core(home: Path, of: str, asked: Asked, say: Say) -> None:
    try:
        with Line.open(of, What.FENCE, asked, _key(home, of), _ASK_S):
            say(f"the core at {of} was told to end")
    except (LineBroken, ShippingDenied) as error:
        raise PromotionRefused(f"The core at {of} can't be told to end: {error}", of=of) from error


def _await_end(home: Path, of: str, say: Say) -> None:
    """Until the other core has sealed its journal and what it wrote is here. Raises PromotionRefused where it does not come to that."""
    end = time.monotonic() + _END_S
    while time.monotonic() < end:
        said = read_standby(home)
        if _core_of(home, of) is None and said is not None and not said["connected"]:
            if not said["sealed"]:
                say("it has ended, and its seal is not here: it may have written what is not here")
            return
        time.sleep(_LOOK_S)
    raise PromotionRefused(
        f"The core at {of} was told to end and still answers after {_END_S:.0f} s; it will not start again.",
        of=of,
    )


def _ended_standby(home: Path, journal_dir: Path) -> HomeLock:
    """The home's lock, once the standby has let go of it. Raises JournalLocked."""
    lock = HomeLock(journal_dir)
    (home / REQUEST).write_text("")
    end = time.monotonic() + _END_S
    while True:
        try:
            lock.acquire()
        except JournalLocked:
            if time.monotonic() > end:
                (home / REQUEST).unlink(missing_ok=True)
                raise
            time.sleep(_LOOK_S)
        else:
            return lock


def _key(home: Path, of: str) -> bytes:
    return shipping_key(home) if is_tcp(of) else b""
