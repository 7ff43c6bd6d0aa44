"""Snapshots: one file per engine state, `HOME/snapshots/<sequence>.snap`, replaced atomically, never deleted.

Responsible for: the file format, writing it whole or not at all, and reading it with every doubt reported.
Never: trusts a snapshot over the journal (a snapshot only saves time), restores an engine, or removes a file.

File: 200 bytes of header, the engine's bytes, u32 CRC32C of everything before it. Header, little endian:
    8s magic | u32 format | u32 ruleset | u64 sequence | i64 time_ns | 32s engine state hash
    32s SHA-256 of the journal frame that ends at `sequence` | 64s release, zero padded | u64 engine bytes | 32s zero
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import google_crc32c

from novate.files import write_durably
from novate.journal.layout import check_release
from novate.journal.log import storage_error

FORMAT = 1
_MAGIC = b"NOVATESN"
_HEADER = struct.Struct("<8sIIQq32s32s64sQ32s")
_CRC = struct.Struct("<I")
_NAME = re.compile(r"\d{20}\.snap")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An engine's state right after command `sequence`, the last of the frame whose hash is `frame_hash`."""

    sequence: int
    time_ns: int
    state_hash: bytes
    frame_hash: bytes
    release: str
    ruleset: int
    engine: bytes


class SnapshotFile(NamedTuple):
    """What a snapshot's header says, as far as choosing one needs it. Nothing is proven before `read_snapshot`."""

    path: Path
    sequence: int
    frame_hash: bytes
    ruleset: int


class BadSnapshot(ValueError):
    """The file is no sound snapshot; the text says why. Never fatal: the journal holds the truth."""


def snapshot_name(sequence: int) -> str:
    """File name of the snapshot after command `sequence`."""
    return f"{sequence:020d}.snap"


def snapshot_paths(directory: Path) -> list[Path]:
    """The snapshot files, oldest first. Left-over temporary files are not among them."""
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if _NAME.fullmatch(path.name))


def write_snapshot(directory: Path, snapshot: Snapshot) -> Path:
    """Writes `snapshot` durably and returns its path: afterwards the old file is there or the new, never neither.

    Raises JournalFull or SyncFailed; the journal is untouched either way, so the venue may go on without it.
    """
    header = _HEADER.pack(
        _MAGIC,
        FORMAT,
        snapshot.ruleset,
        snapshot.sequence,
        snapshot.time_ns,
        snapshot.state_hash,
        snapshot.frame_hash,
        check_release(snapshot.release).encode(),
        len(snapshot.engine),
        bytes(32),
    )
    checksum = google_crc32c.extend(google_crc32c.value(header), snapshot.engine)
    path = directory / snapshot_name(snapshot.sequence)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_durably(path, header, snapshot.engine, _CRC.pack(checksum))
    except OSError as error:
        raise storage_error(error, f"snapshot after command {snapshot.sequence}") from error
    return path


def peek_snapshot(path: Path) -> SnapshotFile:
    """What the snapshot at `path` says about itself. Raises BadSnapshot if that is impossible already."""
    try:
        with path.open("rb") as stream:
            header, size = stream.read(_HEADER.size), path.stat().st_size
    except OSError as error:
        raise BadSnapshot(f"it cannot be read ({error.strerror})") from error
    if len(header) < _HEADER.size or size < _HEADER.size + _CRC.size:
        raise BadSnapshot("it is cut short")
    magic, version, ruleset, sequence, _, _, frame, _, length, _ = _HEADER.unpack(header)
    sound = magic == _MAGIC and version == FORMAT and path.name == snapshot_name(sequence)
    if not sound or size != _HEADER.size + length + _CRC.size:
        read_snapshot(path)  # says in its own words what is wrong
        raise BadSnapshot("its header is not what the file is")
    return SnapshotFile(path, sequence, frame, ruleset)


def read_snapshot(path: Path) -> Snapshot:
    """The snapshot at `path`. Raises BadSnapshot for anything less than a sound one."""
    try:
        with path.open("rb") as stream:
            size = path.stat().st_size
            header = stream.read(_HEADER.size)
            engine = stream.read(max(size - _HEADER.size - _CRC.size, 0))
            checksum = stream.read(_CRC.size)
    except OSError as error:
        raise BadSnapshot(f"it cannot be read ({error.strerror})") from error
    if len(header) < _HEADER.size or len(checksum) < _CRC.size:
        raise BadSnapshot("it is cut short")
    if _CRC.unpack(checksum)[0] != google_crc32c.extend(google_crc32c.value(header), engine):
        raise BadSnapshot("its checksum fails")
    magic, version, ruleset, sequence, time_ns, state, frame, release, length, _ = _HEADER.unpack(header)
    if magic != _MAGIC or version != FORMAT:
        raise BadSnapshot(f"it is not a snapshot of format {FORMAT}")
    if length != len(engine) or path.name != snapshot_name(sequence):
        raise BadSnapshot("its name or size is not the one in its header")
    name = release.rstrip(b"\0").decode(errors="replace")
    return Snapshot(sequence, time_ns, state, frame, name, ruleset, engine)


@dataclass(frozen=True, slots=True)
class SnapshotStore:
    """Where a running venue puts its snapshots, and what it writes into each: its release and ruleset."""

    directory: Path
    release: str
    ruleset: int

    def write(
        self, *, sequence: int, time_ns: int, state_hash: bytes, frame_hash: bytes, engine: bytes
    ) -> Path:
        """As `write_snapshot`."""
        snapshot = Snapshot(sequence, time_ns, state_hash, frame_hash, self.release, self.ruleset, engine)
        return write_snapshot(self.directory, snapshot)
