"""How many events and rows a second the projection folds and writes, on SQLite and on a real PostgreSQL; one JSON line.

    python benches/projector.py [FILLS]

Responsible for: a stream of orders that trade in one perp, made by the engine beforehand; timed are folding, writing and committing. Never
measures the engine, the journal or a socket.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from novate._core import Engine
from novate.messages import PlaceOrder, Side, encode
from novate.projections.fold import Fold
from novate.projections.store import Store
from projecting import has_postgres, postgres
from venues import open_plain_venue

BUFFER = 2_000
"""Commands of one buffer: a busy core's frame."""


def stream(trades: int) -> tuple[list[bytes], list[tuple[bytes, int, int]]]:
    """The commands before, and (events, last sequence, time) of buffers in which every second order meets the one before."""
    venue = open_plain_venue({1: 1, 2: 2})
    sequence = count(venue.engine.sequence + 1)
    buffers = []
    for begin in range(0, 2 * trades, BUFFER):
        commands = b"".join(
            encode(
                PlaceOrder(market=1, side=Side.ASK if n % 2 else Side.BID, price=10_000 + n // 2 % 7, lots=1),
                account=1 + n % 2,
                sequence=next(sequence),
                time_ns=venue.time_ns,
            )
            for n in range(begin, min(begin + BUFFER, 2 * trades))
        )
        events = venue.engine.apply(commands)
        buffers.append((events, venue.engine.sequence, venue.time_ns))
    return venue.sent, buffers


def measured(url: str, sent: list[bytes], buffers: list[tuple[bytes, int, int]]) -> dict[str, int]:
    """Commands and rows a second, written in transactions of about 20,000 rows."""
    engine, teller = Engine(), Engine()

    def moment(sequence: int) -> Engine:
        engine.replay(b"".join(sent[engine.sequence : sequence]))
        return engine

    with Store.open(url) as store:
        store.clear()
        run = store.load(bytes(32))
        fold = Fold(run, moment)
        fold.feed(teller.apply(b"".join(sent)), teller.sequence, teller.time_ns)
        store.write(run)
        rows, folding, begun = 0, 0.0, time.perf_counter()
        for events, last, time_ns in buffers:
            at = time.perf_counter()
            fold.feed(events, last, time_ns)
            folding += time.perf_counter() - at
            if run.batch.size >= 20_000:
                rows += store.write(run)
        rows += store.write(run)
        took = time.perf_counter() - begun
    commands = buffers[-1][1] - len(sent)
    return {
        "commands_per_s": round(commands / took),
        "rows_per_s": round(rows / took),
        "rows": rows,
        "folding_percent": round(100 * folding / took),
    }


def main() -> None:
    """Prints one line."""
    sent, buffers = stream(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
    result: dict[str, object] = {
        "bench": "projector",
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
    }
    with tempfile.TemporaryDirectory() as directory:
        result["sqlite"] = measured(f"sqlite:///{directory}/models.db", sent, buffers)
    if has_postgres():
        with postgres(Path("/tmp") / f"novate-bench-{os.getpid()}") as url:
            result["postgresql"] = measured(url, sent, buffers)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
