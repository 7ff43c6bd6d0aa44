"""Files that are there whole or not at all, and after a power cut.

Responsible for: order of writing, syncing and naming, and rights. Never: knows what stands in one, or what a failure means: that is the
caller's.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path


def write_fully(fd: int, data: bytes, offset: int) -> None:
    """Writes all of `data` at `offset`; a short write is continued, an error is not. Raises OSError."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        if written <= 0:
            raise OSError(errno.EIO, "the file takes no more bytes")
        view = view[written:]
        offset += written


def write_durably(path: Path, *parts: bytes, mode: int = 0o644) -> None:
    """Puts `parts`, back to back, at `path`, all or nothing: temporary file, sync, rename, sync of the directory. Raises OSError.

    The file has the rights of `mode`, whatever the umask, from its first byte on.
    """
    temporary = path.with_name(path.name + ".tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        os.fchmod(fd, mode)  # one that a kill left has the rights of then
        offset = 0
        for part in parts:
            write_fully(fd, part, offset)
            offset += len(part)
        os.fsync(fd)
    finally:
        os.close(fd)
    temporary.rename(path)
    sync_path(path.parent)


def write_private(path: Path, content: bytes) -> None:
    """The same for a file that is its owner's alone, such as a private key. Raises OSError."""
    write_durably(path, content, mode=0o600)


def replace_file(path: Path, content: bytes) -> None:
    """Puts `content` at `path` whole, for who reads it meanwhile; not synced, for what is written anew anyway. Raises OSError."""
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(content)
    beside.replace(path)


def sync_path(path: Path) -> None:
    """Makes what was written into a file durable, or the names in a directory. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
