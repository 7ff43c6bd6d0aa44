"""The reader process: a second engine that follows the core, and answers every question there is.

    wire       the records on the socket
    limits     how much an asker may ask, how much a turn does, when a snapshot is written
    follower   the engine: from snapshot and journal, then frame by frame behind the core
    feed       the connection to the core, made again whenever it ends
    askers     who asks, and what of it waits
    whatif     orders and changes tried on a copy
    snapshots  the state written beside the journal, for the core's next start
    server     the loop
    client     the other end, blocking: stands wherever an engine is asked
    aio        the other end for asyncio: many questions in flight
    whole_books  a book order by order, however many pages it takes

Nothing here writes a command. docs/internals/reader-process.md describes the wire and the promises.
"""

from novate.journal.scan import Position
from novate.reader_process.aio import AsyncReaderClient
from novate.reader_process.client import ReaderClient, ReaderGone
from novate.reader_process.follower import Follower
from novate.reader_process.limits import ReaderLimits, SnapshotPlan
from novate.reader_process.server import ReaderServer, serve_reader
from novate.reader_process.whole_books import whole_book
from novate.reader_process.wire import BadQuestion, Foretold, NotTold, Recalled, Told, Why

__all__ = [
    "AsyncReaderClient",
    "BadQuestion",
    "Follower",
    "Foretold",
    "NotTold",
    "Position",
    "ReaderClient",
    "ReaderGone",
    "ReaderLimits",
    "ReaderServer",
    "Recalled",
    "SnapshotPlan",
    "Told",
    "Why",
    "serve_reader",
    "whole_book",
]
