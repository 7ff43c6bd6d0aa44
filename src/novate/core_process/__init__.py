"""The core process: the one writer behind a Unix socket, for gateways and services that are processes of their own.

    wire      the records on the socket
    limits    how much a client may send and may leave unread
    clients   what the core knows of each connection
    server    the loop: takes whole buffers, stamps, frames, syncs, applies, answers
    client    the other end, for services, tests and benches
    aio       the other end for asyncio: many callers' buffers through one connection

Whole buffers in, whole buffers out: nothing here makes an object per command, reads JSON or SQL, or checks a signature.
docs/internals/core-process.md describes the wire and the promises.
"""

from novate.core_process.aio import AsyncCoreClient
from novate.core_process.client import CoreClient, CoreGone
from novate.core_process.limits import Limits
from novate.core_process.server import CoreServer, run_before_others, serve
from novate.core_process.wire import Answered, CoreRefused, DurableFrame, Kind, Refusal, Welcome

__all__ = [
    "Answered",
    "AsyncCoreClient",
    "CoreClient",
    "CoreGone",
    "CoreRefused",
    "CoreServer",
    "DurableFrame",
    "Kind",
    "Limits",
    "Refusal",
    "Welcome",
    "run_before_others",
    "serve",
]
