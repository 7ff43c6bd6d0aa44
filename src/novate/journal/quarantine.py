"""Commands that make the engine fail, and what people said of them in the journal: to be known before its replay.

Responsible for: finding the messages `QuarantineCommand`, and which commands two of them name. Never: decides who may say so (the
engine does, at the end of the replay), or writes one (`aside.py` does, while the venue is stopped).
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from novate._core import holds
from novate.errors import NovateError
from novate.journal.scan import Frame, Walk, segment_paths, walk_journal
from novate.messages import QuarantineCommand, decode_command, encode

_KIND_AND_VERSION: Final = encode(QuarantineCommand(quarantined=1, digest=b""))[4:8]
_LENGTH: Final = struct.Struct("<I")
PEOPLE: Final = 2
"""So many must name a command before it is put aside."""


@dataclass(slots=True)
class Quarantines:
    """Who said what, by the command named: its digest and the messages that name both."""

    said: dict[tuple[int, bytes], int] = field(default_factory=dict)

    def take(self, frame: Frame) -> None:
        """Reads one frame of commands."""
        if frame.is_seal or not holds_quarantine(frame.payload):
            return
        for message in whole_messages(frame.payload):
            if message[4:8] == _KIND_AND_VERSION:
                body = decode_command(message).body
                if isinstance(body, QuarantineCommand):
                    key = (body.quarantined, bytes(body.digest))
                    self.said[key] = self.said.get(key, 0) + 1

    @property
    def confirmed(self) -> dict[int, bytes]:
        """Command to digest, of those that two messages name: a replay answers them without applying them."""
        return {sequence: digest for (sequence, digest), count in self.said.items() if count >= PEOPLE}


def holds_quarantine(payload: bytes) -> bool:
    """Whether one of the commands is a `QuarantineCommand`."""
    return holds(payload, QuarantineCommand.KIND)


def whole_messages(payload: bytes) -> list[bytes]:
    """The commands of a frame, each with its header."""
    found, at = [], 0
    while at < len(payload):
        (length,) = _LENGTH.unpack_from(payload, at)
        found.append(payload[at : at + length])
        at += length
    return found


def quarantines(journal_dir: Path) -> Quarantines:
    """What the journal says, as far as it can be read. A journal without such a message is not walked."""
    found = Quarantines()
    if not any(_may_hold(path) for path in segment_paths(journal_dir)):
        return found
    try:
        for frame in walk_journal(journal_dir, Walk()):
            found.take(frame)
    except NovateError:  # whoever reads it in earnest meets the damage again, and tells it
        return found
    return found


def _may_hold(path: Path) -> bool:
    with path.open("rb") as stream:
        if stream.seek(0, 2) == 0:
            return False
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view:
            return view.find(_KIND_AND_VERSION) >= 0
