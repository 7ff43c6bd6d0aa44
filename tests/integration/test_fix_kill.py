"""The venue's side of a FIX session killed at every step: no fill is lost, none is doubled, no order is sent twice."""

import json
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import pytest

pytest.importorskip("quickfix", reason="QuickFIX is not installed: pip install novate[fix]")

import fix_listener
from fix_sides import SHARE, Desk, Sides
from novate.broker import NewOrder

ORDERS = 30
KILLS = [
    (step, count)
    for count in (1, 2, 5)
    for step in fix_listener.STEPS
    if count == 1 or step != "while coming up"
]


class Dealer(Desk):
    """Fills every order in two parts as soon as it has taken it."""

    def send(self, instruction) -> None:
        with self._lock:
            new = isinstance(instruction, NewOrder) and instruction.order not in self.orders
            super().send(instruction)
            if new:
                self.fill(instruction.order, f"{instruction.order}/1", 40)
                self.fill(instruction.order, f"{instruction.order}/2", 60, complete=True)


def listener(sides: Sides, *death) -> int:
    """Runs the listener to its end; its exit status."""
    started = multiprocessing.get_context("forkserver")
    started.set_forkserver_preload(["fix_listener"])
    process = started.Process(
        target=fix_listener.run, args=(sides.home, sides.port, sides.venue, sides.exchange, ORDERS, *death)
    )
    process.start()
    process.join(120)
    return process.exitcode


def test_killed_at_every_step_nothing_is_lost_and_nothing_doubled(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # for the process that forks the others
    sides = Sides(tmp_path, desk=Dealer())
    sides.acceptor.start()
    try:
        died = [kill for kill in KILLS if listener(sides, *kill) == -signal.SIGKILL]
        assert listener(sides) == 0
    finally:
        sides.acceptor.close()
    assert died == KILLS
    kept = [json.loads(line) for line in (tmp_path / "kept.jsonl").read_text().splitlines()]
    fills = {line["key"]: line for line in kept if line["kind"] == "Filled"}
    assert sorted(line["execution"] for line in fills.values()) == sorted(
        f"N-{number}/{part}" for number in range(1, ORDERS + 1) for part in (1, 2)
    )
    assert sum(line["shares"] for line in fills.values()) == ORDERS * 100 * SHARE
    assert [sides.desk.taken(f"N-{number}") for number in range(1, ORDERS + 1)] == [1] * ORDERS
