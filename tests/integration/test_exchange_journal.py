"""kill -9 of a process that has the exchange in it, again and again on one journal: what was told is told again, word for word.

Run as a program, this file is that process: it trades and prints the key and the bytes of every report that it kept.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from brokers import BEST, SECOND, Ear, Street, a_floor, buy, sell
from gateways import eventually
from novate.broker import CancelOrder, Filled, LineDown, Report
from novate.broker.acts import Bust, Halt
from novate.broker.checks import SHARE
from novate.broker.custody import Opening
from novate.broker.exchange import Exchange, Terms
from novate.broker.exchange_journal import ExchangeJournal
from novate.broker.faults import Fault, Plan, Planned
from novate.broker.floor import Floor
from novate.broker.simulated import SimulatedBroker
from novate.broker.tape import endless
from novate.errors import DataError, JournalLocked, MessageError

KILLS = 4


def trader(path: Path, seed: int) -> None:
    """Trades until killed; a line on standard output for each report kept."""
    floor = a_floor(journal=path)
    floor.run()
    dice, client = random.Random(seed), SimulatedBroker(floor, "alpha")
    ear = Ear()
    os.write(1, b"open\n")

    def keep(heard) -> None:
        ear(heard)
        if heard.key:
            os.write(1, f"{heard.key} {heard.raw.hex()}\n".encode())

    client.open(keep)
    while not ear.up:
        time.sleep(0.002)
    for number in range(10**9):
        order = f"{seed}-{number}"
        client.send(dice.choice((buy, sell))(order, dice.randrange(1, 200) * SHARE // 3))
        if dice.randrange(4) == 0:
            client.send(CancelOrder(order=order))
        time.sleep(0.001)


def run_and_kill(path: Path, seed: int, reports: int) -> dict[str, str]:
    """Every report that a process told before it was killed, its bytes by its key; at least so many."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    process = subprocess.Popen(
        [sys.executable, __file__, str(path), str(seed)], stdout=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == b"open\n"
        lines = [process.stdout.readline() for _ in range(reports)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.read().split(b"\n")
    assert process.returncode == -signal.SIGKILL
    return dict(line.decode().split() for line in lines if len(line.split()) == 2)


def test_what_was_told_before_a_kill_is_told_again_word_for_word(tmp_path):
    path, told = tmp_path / "exchange.db", {}
    for kill in range(KILLS):
        again = run_and_kill(path, kill, len(told) + 20 + 7 * kill)
        assert told.items() <= again.items(), [key for key, raw in told.items() if again.get(key) != raw][:3]
        told = again
    floor = a_floor(journal=path)
    floor.start(0)
    held = floor.exchange.desks["alpha"].custody
    trades = [one.trade for one in held.executions.values()]
    assert held.shares("ACME") == 10_000 * SHARE + sum(
        trade.shares if trade.side == 0 else -trade.shares for trade in trades
    )
    floor.close()


def a_busy_floor(path: Path | None) -> tuple[Floor, Ear]:
    """Orders, faults and acts over an hour."""
    plan = Plan([Planned("alpha", 3, Fault.LATE_FILL), Planned("alpha", 4, Fault.CORRECTION, 60 * SECOND)])
    floor = a_floor(journal=path, plan=plan)
    floor.start(0)
    street, ear = Street(floor, lambda broker: SimulatedBroker(floor, broker)), Ear()
    client = street.open(ear)
    client.send(buy("o-1", 3 * BEST))
    street.step(90)
    client.send(sell("o-2", 50 * SHARE))
    client.send(buy("o-3", 50 * SHARE, 99 * 10**9))
    client.send(CancelOrder(order="o-3"))
    street.step(1)
    floor.act("alpha", Bust(execution=ear.all(Filled)[0].execution))
    floor.act("alpha", Halt(symbol="ACME", until_ns=floor.now_ns() + 60 * SECOND))
    client.send(buy("o-4"))
    street.step(3600)
    return floor, ear


def test_the_bytes_of_a_message_are_its_report():
    floor, ear = a_busy_floor(None)
    assert len(ear.kept) == len(floor.behind("alpha", 0))
    said = [msgspec.json.decode(heard.raw)["report"] for heard in ear.kept.values()]
    assert [msgspec.convert(one, Report) for one in said] == [heard.report for heard in ear.kept.values()]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_breaks_takes_every_line_down():
    floor, ear = a_floor(), Ear()
    client = SimulatedBroker(floor, "alpha")
    client.open(ear)
    floor.run()
    eventually(lambda: ear.up)
    floor.exchange.at(floor.now_ns() + SECOND // 100, lambda: 1 // 0)
    eventually(lambda: floor.error)
    assert floor.error == "ZeroDivisionError: integer division or modulo by zero"
    with pytest.raises(LineDown):
        client.send(buy("o-1"))
    floor.close()


def test_a_floor_that_starts_again_is_where_it_was(tmp_path):
    floor, ear = a_busy_floor(tmp_path / "exchange.db")
    now_ns = floor.now_ns()
    said = floor.behind("alpha", 0)
    floor.close()
    again = a_floor(journal=tmp_path / "exchange.db", plan=floor.exchange.plan)
    again.start(now_ns - again.exchange.start_ns)
    assert again.now_ns() == now_ns
    assert again.behind("alpha", 0) == said
    assert len(said) > 10
    late = Ear(cursor=ear.cursor)
    Street(again, lambda broker: SimulatedBroker(again, broker)).open(late)
    assert not late.kept, "everything was heard before"
    again.close()


def test_an_act_that_can_not_be_noted_is_not_done_and_one_that_can_not_be_done_ends_nothing(
    tmp_path, monkeypatch
):
    floor, ear = a_busy_floor(tmp_path / "exchange.db")
    now_ns, told = floor.now_ns(), floor.behind("alpha", 0)
    with pytest.raises(MessageError, match="no execution X-none stands"):
        floor.act("alpha", Bust(execution="X-none"))

    def full(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(ExchangeJournal, "append", full)
        with pytest.raises(OSError, match="the disk is full"):
            floor.act("alpha", Bust(execution=ear.all(Filled)[1].execution))
    assert floor.behind("alpha", 0) == told
    floor.act("alpha", Bust(execution=ear.all(Filled)[2].execution))
    told = floor.behind("alpha", 0)
    floor.close()
    again = a_floor(journal=tmp_path / "exchange.db", plan=floor.exchange.plan)
    again.start(now_ns - again.exchange.start_ns)
    assert again.behind("alpha", 0) == told
    again.close()


def test_how_often_time_is_told_changes_nothing():
    floor, _ = a_busy_floor(None)
    other, _ = a_busy_floor(None)
    end = floor.now_ns() + 40 * 3600 * SECOND
    floor.advance(end)
    while other.now_ns() < end:
        other.advance(min(other.now_ns() + 97 * SECOND, end))
    assert floor.behind("alpha", 0) == other.behind("alpha", 0)


def test_a_cursor_ahead_of_the_exchange_waits_until_it_is_there(tmp_path):
    floor, ear = a_busy_floor(tmp_path / "exchange.db")
    now_ns = floor.now_ns()
    floor.close()
    again = a_floor(journal=tmp_path / "exchange.db", plan=floor.exchange.plan)
    again.start(0)
    late = Ear(cursor=ear.cursor)
    SimulatedBroker(again, "alpha").open(late, ear.cursor)
    again.advance(again.now_ns() + 1)
    assert not late.heard
    again.advance(now_ns)
    assert late.up
    again.close()


def test_a_journal_belongs_to_one_process_and_one_exchange(tmp_path):
    floor = a_floor(journal=tmp_path / "exchange.db")
    floor.start(0)
    with pytest.raises(JournalLocked, match="can't be opened"):
        ExchangeJournal.open(tmp_path / "exchange.db")
    floor.close()
    tape = endless("ACME", start_ns=0, seed=1)
    other = Exchange([tape], {"alpha": Opening()}, start_ns=0, terms=Terms())
    with pytest.raises(DataError, match="was begun with other tapes"):
        Floor(other, tmp_path / "exchange.db").start(0)
    (tmp_path / "text.db").write_text("this is no journal " * 100)
    with pytest.raises(DataError, match="is no journal"):
        ExchangeJournal.open(tmp_path / "text.db")


if __name__ == "__main__":
    trader(Path(sys.argv[1]), int(sys.argv[2]))
