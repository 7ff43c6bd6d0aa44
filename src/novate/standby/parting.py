"""A journal that has parted from the core's: where, how much of it the core never had, and how that is put aside.

Responsible for: finding the last frame that both have, by hashes; saying what stands behind it; keeping every byte that is cut. Never: merges
one history into another, or cuts anything unasked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from novate._core import ruleset
from novate.core_process import shipping_wire as ship
from novate.core_process.shipping_wire import Asked, What
from novate.errors import JournalError
from novate.files import sync_path, write_durably
from novate.journal import layout
from novate.journal.log import HomeLock, storage_error
from novate.journal.recovery import HomePaths
from novate.journal.scan import Frame, Walk, segment_paths, walk_journal
from novate.journal.snapshots import snapshot_paths
from novate.journal.terms import current_term
from novate.standby.line import Line

PARTED = ".parted"
"""Behind the names of segments and snapshots that were put aside."""


class StandbyDiverged(JournalError):
    """The journal here holds frames that the core's does not: nothing is followed, nothing is merged.

    Facts: `common` (last command of both), `segment` and `offset` of the first frame that only this one has, `frames`, `commands`.
    """

    code = "standby_diverged"


class _End(NamedTuple):
    """Where a frame stands: segment and offset, its last command, its hash."""

    segment: str
    offset: int
    sequence: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Parting:
    """What the journal here has that the core's has not."""

    common: int
    """Last command of the last frame that both have."""
    segment: str
    offset: int
    """Where the first frame stands that only this one has."""
    frames: int
    commands: int
    term: int
    """The core's."""
    term_sequence: int
    """Last command before that term."""

    @property
    def sentence(self) -> str:
        """In words."""
        return (
            f"Both journals are the same up to command {self.common}; behind it stand {self.frames} frames here with {self.commands} commands"
            f" that the core does not have, from byte {self.offset} of {self.segment} on. The core is of term {self.term},"
            f" which began after command {self.term_sequence}."
        )

    def as_error(self, home: Path) -> StandbyDiverged:
        """The refusal to follow."""
        return StandbyDiverged(
            f"{self.sentence} `novate standby {home} --of .. --set-aside` puts them aside, kept beside.",
            common=self.common,
            segment=self.segment,
            offset=self.offset,
            frames=self.frames,
            commands=self.commands,
        )


def find_parting(home: Path, of: str, key: bytes, name: str) -> Parting:
    """Asks the core at `of` which of the frames here it has. Raises LineBroken, ShippingDenied, JournalDamaged."""
    ends = [
        _end(frame) for frame in walk_journal(HomePaths(home / "journal", home / "snapshots").journal, Walk())
    ]
    commands = [
        number for number, end in enumerate(ends) if number == 0 or ends[number - 1].sequence < end.sequence
    ]
    asked = Asked(name=name, term=current_term(home), ruleset=ruleset())
    with Line.open(of, What.SEARCH, asked, key) as line:
        low, high = 0, len(commands)  # so many frames of commands are the core's, too; not so many
        while low < high:
            middle = (low + high + 1) // 2
            end = ends[commands[middle - 1]]
            line.send(ship.pack_probe(end.sequence))
            probed = ship.parse_probed(line.receive()[0])
            if probed.found and probed.hash == end.hash:
                low = middle
            else:
                high = middle - 1
        here = line.here
    first = commands[low] if low < len(commands) else len(ends) - 1
    if (
        low and first > commands[low - 1] + 1
    ):  # a seal behind the last common frame, which the core may not have
        first = commands[low - 1] + 1
    common = ends[commands[low - 1]].sequence if low else 0
    newest = here.terms[-1].sequence if here.terms else 0
    return Parting(
        common=common,
        segment=ends[first].segment,
        offset=ends[first].offset,
        frames=len(ends) - first,
        commands=ends[-1].sequence - common,
        term=here.term,
        term_sequence=newest,
    )


def set_aside(home: Path, parting: Parting) -> list[Path]:
    """Cuts what only this journal has, and what was made of it; returns the files in which it is kept. Raises JournalLocked, SyncFailed."""
    paths = HomePaths(home / "journal", home / "snapshots")
    lock = HomeLock(paths.journal)
    lock.acquire()
    kept: list[Path] = []
    try:
        for path in segment_paths(paths.journal):
            if path.name < parting.segment:
                continue
            if path.name == parting.segment and parting.offset > layout.SEGMENT_HEADER_BYTES:
                kept.append(_cut(path, parting.offset))
            else:
                kept.append(path.rename(path.with_name(path.name + PARTED)))
        kept += [
            path.rename(path.with_name(path.name + PARTED))
            for path in snapshot_paths(paths.snapshots)
            if int(path.stem) > parting.common
        ]
        for folder in (paths.journal, paths.snapshots):
            if folder.is_dir():
                sync_path(folder)
    except OSError as error:
        raise storage_error(error, "parted end of the journal") from error
    finally:
        lock.release()
    return kept


def _cut(path: Path, offset: int) -> Path:
    """As a torn tail is cut: first kept beside, then cut."""
    kept = path.with_name(f"{path.name}.{offset}.cut")
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        write_durably(kept, os.pread(fd, os.fstat(fd).st_size - offset, offset))
        os.ftruncate(fd, offset)
        os.fsync(fd)
    finally:
        os.close(fd)
    return kept


def _end(frame: Frame) -> _End:
    return _End(frame.segment, frame.offset, frame.last_sequence, frame.hash)
