"""What the event log costs: writing it beside applying alone, and reading an account's events back; one JSON line.

    python benches/event_log.py [COMMANDS]

Responsible for: orders of many accounts that rest, and of two that trade, applied in runs as the reader applies them; the log on the disk of the
temporary directory, read by a log that was opened anew. Times are of the processor, so that busy neighbours count for little. Never measures a socket, or a disk that is slower than the page cache.
"""

from __future__ import annotations

import json
import platform
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from novate._core import Engine
from novate.event_log import EventLog, EventLogPlan
from novate.journal.scan import START, Position
from novate.messages import PlaceOrder, Side, encode, split
from venues import open_plain_venue

RUN = 2_500
"""Commands applied at once: about the 256 KiB that the reader takes."""
ACCOUNTS = 1_000
RESUMED = 10_000
PAGE = 1_000
"""Events a gateway asks for at once."""


def runs(commands: int) -> tuple[list[bytes], list[bytes]]:
    """The commands before, and those to be timed: every second order meets the one before, accounts in turn."""
    venue = open_plain_venue({account: account for account in range(1, ACCOUNTS + 1)})
    sequence = count(venue.engine.sequence + 1)
    made = [
        encode(
            PlaceOrder(market=1, side=Side.ASK if n % 2 else Side.BID, price=10_000 + n // 2 % 7, lots=1),
            account=1 + n % 2 if n % 4 < 2 else 1 + n % ACCOUNTS,
            sequence=next(sequence),
            time_ns=venue.time_ns,
        )
        for n in range(commands)
    ]
    return venue.sent, [b"".join(made[at : at + RUN]) for at in range(0, commands, RUN)]


def prepared(sent: list[bytes]) -> Engine:
    """An engine behind the commands before."""
    engine = Engine()
    engine.replay(b"".join(sent))
    return engine


def counted(sent: list[bytes], run: bytes) -> float:
    """Events a command, in the first run."""
    return sum(1 for _ in split(prepared(sent).apply(run))) / RUN


def applied(
    sent: list[bytes], timed: list[bytes], log: EventLog | None, *, told: bool = True
) -> tuple[float, int]:
    """Seconds, and bytes of events."""
    engine, size = prepared(sent), 0
    if log is not None:
        log.begin(Position(engine.sequence, 1, START.frame_hash))
    before = time.process_time()
    for run in timed:
        if not told:
            engine.replay(run)
            continue
        events = engine.apply(run)
        size += len(events)
        if log is not None:
            log.append(events, Position(engine.sequence, 1, START.frame_hash))
    return time.process_time() - before, size


def resumed(log: EventLog, account: int, events: int) -> float:
    """Milliseconds to read so many events of an account, page by page, from its first one on."""
    first = log.account(account, 0, 1).oldest - 1  # before them it was opened, which the log does not have
    before, read = time.process_time(), 0
    while read < events:
        page = log.account(account, first + read, min(PAGE, events - read))
        if not page.how_many:
            raise SystemExit(f"account {account} has {read} events only")
        read += page.how_many
    return (time.process_time() - before) * 1e3


def main() -> None:
    """Prints the line."""
    commands = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    sent, timed = runs(commands)
    replayed, _ = applied(sent, timed, None, told=False)
    alone, size = applied(sent, timed, None)
    with tempfile.TemporaryDirectory(prefix="novate-event-log-") as directory:
        log = EventLog(Path(directory), EventLogPlan())
        logged, _ = applied(sent, timed, log)
        log.close()
        before = time.process_time()
        log = EventLog(Path(directory), EventLogPlan())
        opened = time.process_time() - before
        page = log.account(500, 0, 1)
        rare = page.last - page.oldest + 1
        found = {
            "commands": commands,
            "events_a_command": round(counted(sent, timed[0]), 2),
            "event_bytes": size,
            "log_bytes": sum(path.stat().st_size for path in Path(directory).iterdir()),
            "segments": len(list(Path(directory).glob("*.events"))),
            "replay_us_a_command": round(replayed / commands * 1e6, 3),
            "apply_us_a_command": round(alone / commands * 1e6, 3),
            "append_us_a_command": round((logged - alone) / commands * 1e6, 3),
            "append_ns_a_byte": round((logged - alone) / size * 1e9, 3),
            "open_ms": round(opened * 1e3, 1),
            f"busy_account_{RESUMED}_events_ms": round(resumed(log, 1, RESUMED), 1),
            f"account_of_{rare}_events_among_all_ms": round(resumed(log, 500, rare), 1),
            "machine": platform.processor() or platform.machine(),
        }
        log.close()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
