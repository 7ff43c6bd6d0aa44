"""The journal: commands on disk in one order, chained by hash, durable before anything is applied.

    layout    the bytes of segments and frames
    scan      reading, and telling a torn tail from damage
    log       the Log port, files, the lock of a home, repair of a tail
    writer    the chain: builds the next frame
    envelope  lengths, sequence and time in the headers of commands
    snapshots engine states beside the journal
    quarantine  commands that two people put aside, known before a replay
    aside     one person's word that a command makes the engine fail
    recovery  from disk to a running engine
    verify    checks everything, changes nothing

docs/internals/journal.md has the format, the recovery table and what is promised. Beneath the sequencer, the only
writer; knows the engine as a handful of methods and commands as bytes, but for quarantines.
"""

from novate.journal.aside import PutAside, put_aside
from novate.journal.log import SEGMENT_BYTES, FileLog, Log, MemoryLog
from novate.journal.recovery import Engine, EngineFactory, Recovery
from novate.journal.scan import Frame, TornTail, Walk, journal_bytes, walk_journal
from novate.journal.verify import VerifyReport, verify_journal
from novate.journal.writer import Journal

__all__ = [
    "SEGMENT_BYTES",
    "Engine",
    "EngineFactory",
    "FileLog",
    "Frame",
    "Journal",
    "Log",
    "MemoryLog",
    "PutAside",
    "Recovery",
    "TornTail",
    "VerifyReport",
    "Walk",
    "journal_bytes",
    "put_aside",
    "verify_journal",
    "walk_journal",
]
