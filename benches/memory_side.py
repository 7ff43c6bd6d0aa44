"""What an account, a position and a resting order take of a process's memory. One line of JSON.

    memory_side.py FILE.cmds [--accounts N]

FILE.cmds is what `workload encode` writes for 64 markets: its listings are used, its accounts and orders are not. Responsible for: what
becomes resident while N accounts are opened and funded, take a position in one market after the other, and place orders that nobody
meets: the room that lists keep to grow and the indexes that find things included. `workload sizes` has the records alone.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable
from pathlib import Path

from python_side import read

from novate._core import Engine
from novate.messages import (
    CommandRefused,
    Deposit,
    OpenAccount,
    PlaceOrder,
    Side,
    TimeInForce,
    encode,
    iter_events,
    read_header,
)
from novate.messages.wire import Command

DOLLAR = 1
MONEY = 10_000_000_000_000
PRICE = 100_000
"""Ticks: the index of every underlying of the workload."""
MARKETS = 8
STEP_NS = 1_000
BUFFER = 4_096
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


class Sender:
    """Stamps commands as a sequencer would, and applies them in buffers."""

    def __init__(self, engine: Engine, last: bytes) -> None:
        """Goes on after the message `last`."""
        self.engine = engine
        header = read_header(last)
        self.sequence, self.time_ns = header.sequence, header.time_ns

    def send(self, commands: Iterable[tuple[int, Command]]) -> None:
        """Applies commands of accounts. Raises SystemExit if one is refused."""
        buffer: list[bytes] = []
        for account, command in commands:
            self.sequence += 1
            self.time_ns += STEP_NS
            buffer.append(encode(command, account, sequence=self.sequence, time_ns=self.time_ns))
            if len(buffer) == BUFFER:
                self.apply(buffer)
        self.apply(buffer)

    def apply(self, buffer: list[bytes]) -> None:
        """Applies what is there and forgets it."""
        events = self.engine.apply(b"".join(buffer))
        for refused in iter_events(events, (CommandRefused,)):
            raise SystemExit(f"command {refused.header.sequence} was refused: {refused.body}")
        buffer.clear()


def measured(work: Path, accounts: int) -> dict[str, float]:
    """Bytes each, by what was added."""
    before = read(work, 1).before
    opening = next(at for at, message in enumerate(before) if read_header(message).kind == OpenAccount.KIND)
    engine = Engine()
    engine.apply(b"".join(before[:opening]))
    to, maker = Sender(engine, before[opening - 1]), accounts + 1
    to.send(
        [
            (maker, OpenAccount(owner=maker)),
            (maker, Deposit(asset=DOLLAR, amount=MONEY * 10_000, reference=maker)),
        ]
    )
    found, was = {}, resident()

    def added(what: str, each: int) -> None:
        nonlocal was
        now = resident()
        found[what], was = (now - was) / each, now

    def opened() -> Iterable[tuple[int, Command]]:
        for account in range(1, accounts + 1):
            yield account, OpenAccount(owner=account)
            yield account, Deposit(asset=DOLLAR, amount=MONEY, reference=account)

    def traded(market: int) -> Iterable[tuple[int, Command]]:
        for account in range(1, accounts + 1):
            if account % BUFFER == 1:
                yield maker, PlaceOrder(market=market, side=Side.ASK, price=PRICE, lots=BUFFER)
            yield (
                account,
                PlaceOrder(market=market, side=Side.BID, price=PRICE, lots=1, time_in_force=TimeInForce.IOC),
            )

    def rested(market: int) -> Iterable[tuple[int, Command]]:
        for account in range(1, accounts + 1):
            yield (
                account,
                PlaceOrder(market=market, side=Side.BID, price=PRICE - 100 - account % 1_000, lots=1),
            )

    to.send(opened())
    added("account_bytes", accounts)
    to.send(traded(1))
    added("first_position_bytes", accounts)
    for market in range(2, MARKETS + 1):
        to.send(traded(market))
    added("further_position_bytes", accounts * (MARKETS - 1))
    found["position_bytes"] = (
        found["first_position_bytes"] + found["further_position_bytes"] * (MARKETS - 1)
    ) / MARKETS
    for market in range(1, MARKETS + 1):
        to.send(rested(market))
    added("order_bytes", accounts * MARKETS)
    return {"accounts": accounts, **found, "rss_mib": resident() / 2**20}


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("--accounts", type=int, default=200_000)
    given = parser.parse_args()
    print(json.dumps(measured(given.work, given.accounts)))


if __name__ == "__main__":
    main()
