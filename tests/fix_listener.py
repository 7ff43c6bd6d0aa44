"""A process that sends orders over FIX until all are done, keeping what it hears, and kills itself where it is told to.

It does what the clearing service does, in thirty lines: intent on disk before the order leaves, a report on disk before `hear` returns, and after a
restart it asks for what it does not know.
"""

import json
import os
import signal
import threading
import time
from pathlib import Path

from novate.broker import AskOrder, Filled, Heard, LineDown, LineUp, NewOrder, NotKnown
from novate.broker.fix import initiator, orders, reading
from novate.broker.fix.initiator import FixBroker
from novate.broker.fix.settings import FixSettings
from novate.messages.codes import Side

SHARE = DOLLAR = 10**9
STEPS = (
    "before it is kept under its number", "after it is kept under its number", "after it left", "before it is read", "after it is read",
    "before it is heard", "after it is heard", "while coming up",
)  # fmt: skip


class Death:
    """Kills the process when a step comes for the n-th time."""

    def __init__(self, step: str, count: int) -> None:
        self.step, self.left = step, count

    def __call__(self, step: str) -> None:
        if step == self.step:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def around(owner, name: str, before: str, after: str, at: Death) -> None:
    real = getattr(owner, name)

    def wrapped(*args, **other):
        at(before)
        found = real(*args, **other)
        at(after)
        return found

    setattr(owner, name, wrapped)


class Keeper:
    """What is on disk, and what is still to do."""

    def __init__(self, path: Path, at: Death) -> None:
        self.at, self.lock, self.up = at, threading.Lock(), threading.Event()
        self.lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        self.file = path.open("a")

    def keep(self, **said) -> None:
        with self.lock:
            self.lines.append(said)
            self.file.write(json.dumps(said) + "\n")
            self.file.flush()
            os.fsync(self.file.fileno())

    def hear(self, heard: Heard) -> None:
        self.at("before it is heard")
        report = heard.report
        kind = type(report).__name__
        filled = isinstance(report, Filled)
        self.keep(
            kind=kind, key=heard.key, cursor=heard.cursor, order=getattr(report, "order", ""),
            execution=report.execution if filled else "", shares=report.shares if filled else 0,
            complete=report.complete if filled else False,
        )  # fmt: skip
        self.at("after it is heard")
        if isinstance(report, LineUp):
            self.up.set()

    @property
    def cursor(self) -> str:
        return next((line["cursor"] for line in reversed(self.lines) if line.get("key")), "")

    def has(self, order: str, kind: str) -> bool:
        with self.lock:
            return any(line["order"] == order and line["kind"] == kind for line in self.lines)

    def last(self, order: str) -> str:
        with self.lock:
            return next((line["kind"] for line in reversed(self.lines) if line["order"] == order), "")

    def done(self, order: str) -> bool:
        with self.lock:
            return any(
                line["order"] == order and line["complete"] for line in self.lines if line["kind"] == "Filled"
            )


def run(home: Path, port: int, venue: str, exchange: str, count: int, step: str = "", times: int = 0) -> None:
    """The whole life of one process."""
    at = Death(step, times)
    around(orders.SessionBook, "says", *STEPS[0:2], at)
    around(FixBroker, "send", "", STEPS[2], at)
    around(reading.Reader, "read", *STEPS[3:5], at)
    around(initiator.FixBroker, "up", "", STEPS[7], at)
    keeper = Keeper(home / "kept.jsonl", at)
    settings = FixSettings(
        name="prime", host="127.0.0.1", port=port, sender=venue, target=exchange, reconnect_s=1
    )
    broker = FixBroker(settings, home / "venue")
    broker.open(keeper.hear, keeper.cursor)
    assert keeper.up.wait(30)
    for number in range(1, count + 1):
        order = f"N-{number}"
        asked = NewOrder(
            order=order, symbol="NVDA", side=Side.BID, shares=100 * SHARE, dollars=0, limit=181 * DOLLAR
        )
        for attempt in range(1, 2_000):
            if keeper.done(order):
                break
            try:
                if not keeper.has(order, "intent") or keeper.last(order) == NotKnown.__name__:
                    keeper.keep(
                        kind="intent", order=order, key="", cursor="", execution="", shares=0, complete=False
                    )
                    broker.send(asked)
                elif attempt % 50 == 1:
                    broker.send(AskOrder(order=order, attempt=attempt))
            except LineDown:
                pass
            time.sleep(0.01)
        assert keeper.done(order), order
    broker.close()
