"""A consistent copy of a venue while it runs, proven by a replay; and a venue from such a copy.

    backup(home, to)        journal up to a durable command, the newest snapshot before it, identity, audit log, alerts, applications, notices,
                            what clearing keeps, the files in TOML
    restore(of, home)       the same back, each file as its hash says, the journal replayed once more, and an outbox that trusts nothing it knew

A copy is made beside its place and put there whole: what has the name is a proven backup. Not copied: read models, which `novate up` builds
anew from the journal, and the archive of raw prices, whose closed files any tool can copy.

Responsible for: never more than was durable, and never less than the core had answered when the copy began. Never: writes to the home it
copies, overwrites anything, or takes a lock that the venue waits for longer than one copy of its audit log.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from novate._core import Engine, release, ruleset
from novate.bridge.day import FOLDER as BRIDGE
from novate.clearing.actions_book import FILE as ACTIONS
from novate.clearing.break_book import FILE as BREAKS
from novate.clearing.day_end import FOLDER as STATEMENTS
from novate.clearing.outbox import FOLDER as CLEARING
from novate.clearing.restored import of_the_past
from novate.core_process import CoreClient
from novate.errors import ConfigError, JournalError, NovateError
from novate.files import sync_path
from novate.identity import verify_audit
from novate.identity.certificates import FOLDER as CERTIFICATES
from novate.identity.sealing import KEY_FILE, Seal
from novate.journal import VerifyReport, Walk, verify_journal
from novate.journal.recovery import HomePaths
from novate.journal.scan import segment_paths, walk_segment
from novate.journal.snapshots import BadSnapshot, read_snapshot, snapshot_paths
from novate.journal.terms import TERMS

MANIFEST: Final = "backup.json"
_FORMAT: Final = 1
_CHUNK: Final = 1 << 20
_DATABASES: Final = ("identity.db", "alerts.db", "onboarding.db", "people.db", "notices.db")
_FOLLOWING: Final = (ACTIONS, BREAKS, f"{CLEARING}/**/*.db")
"""Databases that say how far the venue was heard: copied before the journal, so that none is ahead of it."""
_BESIDE_THEM: Final = (
    f"{CLEARING}/raw/**/*",
    f"{CLEARING}/fix/*/FIX*",
    f"{STATEMENTS}/**/*.csv",
    f"{BRIDGE}/*.json",
)
_AUDIT: Final = ("audit.log", "audit.head")
_ASK_S: Final = 5.0
_COPY_SHARE: Final = 0.5

Progress = Callable[[float, str], None]
"""Called with the part that is done, and what is being done."""


class BackupUnsound(NovateError):
    """A copy is not what it says: a file differs from its hash, or the journal in it does not hold."""

    code = "backup_unsound"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself.

    Attributes:
        format: Of the backup.
        release: Of novate that made it.
        made_ns: When it was made.
        sequence: Last command in it.
        time_ns: Its journal time.
        state_hash: Of the engine after it, hexadecimal.
        files: Path in the backup to SHA-256, hexadecimal.
    """

    format: int
    release: str
    made_ns: int
    sequence: int
    time_ns: int
    state_hash: str
    files: dict[str, str]


def backup(
    home: Path,
    to: Path,
    progress: Progress = lambda _fraction, _note: None,
    certificates: Path | None = None,
) -> Manifest:
    """Copies the venue of `home` to the new directory `to`, running or not.

    `certificates` is the folder of the admin door's, None for the one in the home; one that lies outside the home is not copied.

    Raises ConfigError where `to` exists, JournalError where there is no journal or it is damaged, BackupUnsound where the copy does not
    hold; then `to` is not there.
    """
    _refuse_taken(to)
    home = home.resolve()
    paths = HomePaths.of(home)
    if not segment_paths(paths.journal):
        raise JournalError(f"There is no journal in {home}.", path=str(home))
    with _Beside(to) as copy:
        _copy_databases(home, copy, _FOLLOWING)
        _copy_files(home, copy, (path for kind in _BESIDE_THEM for path in sorted(home.glob(kind))))
        _copy_journal(home, paths, copy, progress)
        _copy_databases(home, copy, _DATABASES)
        _copy_audit(home, copy)
        kept = (home / "nonces", (certificates or home / CERTIFICATES).resolve())
        folders = (path for folder in kept if within(home, folder) for path in sorted(folder.rglob("*")))
        _copy_files(home, copy, (home / KEY_FILE, home / TERMS, *folders, *sorted(home.glob("*.toml"))))
        report = _proven(copy, progress)
        manifest = Manifest(
            format=_FORMAT,
            release=release(),
            made_ns=time.time_ns(),
            sequence=report.commands,
            time_ns=report.last_time_ns,
            state_hash=report.state_hash,
            files={str(path.relative_to(copy)): _hash(path) for path in _files(copy)},
        )
        (copy / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    return manifest


def within(home: Path, folder: Path) -> bool:
    """Whether a folder is a part of a home, and so of its backup."""
    return folder.resolve().is_relative_to(home.resolve())


def restore(of: Path, home: Path, progress: Progress = lambda _fraction, _note: None) -> Manifest:
    """Makes the new directory `home` from a backup.

    Raises ConfigError where `home` exists or `of` is no backup, BackupUnsound where it is not as it was made; then `home` is not there.
    """
    _refuse_taken(home)
    manifest = read_manifest(of)
    with _Beside(home) as copy:
        for number, (name, digest) in enumerate(manifest.files.items()):
            progress(_COPY_SHARE * number / len(manifest.files), name)
            target = copy / name
            if not target.resolve().is_relative_to(copy.resolve()) or not (of / name).is_file():
                raise BackupUnsound(f"{name} is missing in {of}.", file=name)
            _copy_file(of / name, target)
            if _hash(target) != digest:
                raise BackupUnsound(f"{name} in {of} is not as it was made.", file=name)
        report = _proven(copy, progress)
        if (report.commands, report.state_hash) != (manifest.sequence, manifest.state_hash):
            raise BackupUnsound(f"The journal in {of} leads to another state than the backup says.")
        of_the_past(copy)
    return manifest


def read_manifest(of: Path) -> Manifest:
    """What a backup says of itself. Raises ConfigError where it is none."""
    try:
        manifest = msgspec.json.decode((of / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{of} is no backup: {error}.", path=str(of)) from error
    if manifest.format != _FORMAT:
        raise ConfigError(
            f"{of} is a backup of format {manifest.format}; this release reads {_FORMAT}.", path=str(of)
        )
    return manifest


class _Beside:
    """A directory beside its place: put there when all went well, removed otherwise."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._made = place.with_name(f".{place.name}.{os.getpid()}.partial")

    def __enter__(self) -> Path:
        self._place.parent.mkdir(parents=True, exist_ok=True)
        self._made.mkdir(mode=0o700)
        return self._made

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            for folder in (self._made, *(path for path in self._made.rglob("*") if path.is_dir())):
                sync_path(folder)
            self._made.rename(self._place)
            sync_path(self._place.parent)
        else:
            shutil.rmtree(self._made, ignore_errors=True)


def _refuse_taken(place: Path) -> None:
    if place.exists():
        raise ConfigError(f"{place} exists; nothing is overwritten.", path=str(place))


def _copy_journal(home: Path, paths: HomePaths, copy: Path, progress: Progress) -> None:
    """All segments but the last, which nobody writes any more; of the last what is durable; and a snapshot."""
    applied = _applied(home)
    segments = segment_paths(paths.journal)
    total = sum(path.stat().st_size for path in segments)
    done = 0
    for path in segments[:-1]:
        _copy_file(path, copy / "journal" / path.name)
        done += path.stat().st_size
        progress(_COPY_SHARE * done / total, path.name)
    end, last = _durable_part(segments[-1], applied)
    _copy_file(segments[-1], copy / "journal" / segments[-1].name, end)
    for path in reversed(snapshot_paths(paths.snapshots)):
        try:
            snapshot = read_snapshot(path)
        except BadSnapshot:
            continue  # an older one serves as well: the journal holds everything
        if snapshot.sequence <= last:
            _copy_file(path, copy / "snapshots" / path.name)
            break
    progress(_COPY_SHARE, "copied")


def _applied(home: Path) -> int | None:
    """The last command that the core has applied, hence durable; None where no core answers, and all that is sound counts."""
    try:
        with CoreClient.connect(home / "core.sock", timeout_s=_ASK_S) as client:
            return client.welcome.sequence
    except NovateError:
        return None


def _durable_part(path: Path, applied: int | None) -> tuple[int, int]:
    """Where the frames up to the last applied command end in a segment, and that command."""
    walk = Walk()
    with path.open("rb", buffering=_CHUNK) as stream:
        frames = walk_segment(stream, path.name, walk, last=True, trusted=True)
        first = next(frames, None)
        if walk.header is None:
            raise JournalError(f"{path.name} has no header.", segment=path.name)
        end = first.offset if first is not None else walk.bytes_read
        last = walk.header.first_sequence - 1
        frame = first
        while frame is not None and (applied is None or frame.last_sequence <= applied):
            end, last = frame.offset + frame.length, frame.last_sequence
            frame = next(frames, None)
    return end, last


def _copy_file(source: Path, target: Path, size: int | None = None) -> None:
    """Copies a file, or its first bytes, to disk; readable by its owner alone."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    left = source.stat().st_size if size is None else size
    with source.open("rb") as reads:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as writes:
            while left and (chunk := reads.read(min(left, _CHUNK))):
                writes.write(chunk)
                left -= len(chunk)
            writes.flush()
            os.fsync(writes.fileno())


def _copy_files(home: Path, copy: Path, paths: Iterable[Path]) -> None:
    """Copies those of a home's files that are there, each to the same place."""
    for path in paths:
        if path.is_file():
            _copy_file(path, copy / path.relative_to(home))


def _copy_databases(home: Path, copy: Path, kinds: Iterable[str]) -> None:
    for path in (path for kind in kinds for path in sorted(home.glob(kind))):
        _copy_database(path, copy / path.relative_to(home))


def _copy_database(source: Path, target: Path) -> None:
    """By SQLite's own way of copying a database that is written to meanwhile."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as reads,
            closing(sqlite3.connect(target)) as writes,
        ):
            reads.backup(writes)
    except sqlite3.DatabaseError as error:
        raise BackupUnsound(f"{source} can't be copied: {error}.", file=str(source)) from error
    sync_path(target)


def _copy_audit(home: Path, copy: Path) -> None:
    """The log and its head as they stand between two batches of its writers."""
    log, _ = (home / name for name in _AUDIT)
    if not log.is_file():
        return
    with log.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        for name in _AUDIT:
            if (home / name).is_file():
                _copy_file(home / name, copy / name)


def _proven(copy: Path, progress: Progress) -> VerifyReport:
    """Raises BackupUnsound unless the journal replays, the databases are whole, and nothing is missing in the audit log."""

    def verifying(read: int, total: int) -> None:
        progress(_COPY_SHARE + (1 - _COPY_SHARE) * read / max(total, 1), "replaying")

    report = verify_journal(copy, Engine, ruleset=ruleset(), progress=verifying)
    problems = list(report.problems)
    for path in sorted(copy.rglob("*.db")):
        with closing(sqlite3.connect(path)) as database:
            said = database.execute("PRAGMA integrity_check").fetchone()[0]
            if said != "ok":
                problems.append(f"{path.relative_to(copy)}: {said}")
    if (copy / "audit.log").is_file() and (copy / KEY_FILE).is_file():
        problems += verify_audit(copy / "audit.log", Seal.open(copy, create=False).key).damage
    if problems:
        raise BackupUnsound(f"The copy does not hold: {problems[0]}")
    progress(1.0, "proven")
    return report


def _files(copy: Path) -> Iterator[Path]:
    return iter(sorted(path for path in copy.rglob("*") if path.is_file()))


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
