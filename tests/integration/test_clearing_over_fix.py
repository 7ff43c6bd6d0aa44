"""The whole path over a real socket: a venue, its clearing service, FIX 4.4, and the simulated exchange as a process of its own."""

import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

pytest.importorskip("quickfix", reason="QuickFIX is not installed: pip install novate[fix]")

from clearings import MICRO, ONE, STOCK, TWO, cleared
from gateways import eventually, free_port
from novate.clearing.life import State
from novate.clearing.outbox import Outbox
from novate.messages import FundTreasury
from novate.messages.codes import RequestState as S
from novate.messages.reports import clearing as questions

# The exchange begins in a regular session of the past, so that a test may run at any hour; its market is as old as that to the desk.
EXCHANGE = f"""
start = "2025-10-09 10:00"
journal = "exchange.db"
delay = "300 ms"
[broker.one]
cash = "50 M USD"
shares = {{ {STOCK} = "1000000" }}
[broker.two]
cash = "50 M USD"
shares = {{ {STOCK} = "1000000" }}
[stock.{STOCK}]
price = "100"
step_ppm = 1
best = "20000"
"""
CLEARING = """
patience = "2 s"
answer = "5 s"
[market]
file = "{books}"
[desk]
oldest = "4000 d"
age = "0 bps"
[conversion]
by = "simulated"
takes = "0.1 s"
"""
BROKER = """
[[broker]]
name = "{name}"
adapter = "fix"
[broker.options]
host = "127.0.0.1"
port = {port}
sender = "{client}"
target = "FLOOR"
reconnect_s = 1
cash_orders = true
fraction_decimals = 9
"""


class Floor:
    """`novate exchange` with its folder."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        folder.mkdir()
        (folder / "exchange.toml").write_text(EXCHANGE)
        clients = "".join(
            f'[[clients]]\nid = "NOV{n}"\nbroker = "{name}"\n' for n, name in ((ONE, "one"), (TWO, "two"))
        )
        (folder / "acceptor.toml").write_text(f'port = {self.port}\nexchange = "FLOOR"\n{clients}')
        self.books = folder / "books.json"
        self.process = None

    def start(self):
        command = (sys.executable, "-m", "novate.cli", "exchange", self.folder, "--books", self.books)
        self.process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert line.startswith("ready"), line + self.process.stderr.read()

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def working(venue):
    """The service, ended with the test."""
    venue.clear()
    try:
        yield
    finally:
        if not venue.ended():
            venue.stop()


@contextmanager
def served(folder):
    floor = Floor(folder)
    floor.start()
    try:
        yield floor
    finally:
        if floor.process.poll() is None:
            assert floor.end() == 0


def test_tokens_are_made_and_unmade_over_fix_and_a_killed_exchange_loses_none(tmp_path):
    with served(tmp_path / "exchange") as floor, cleared(tmp_path / "home") as venue:
        lines = "".join(
            BROKER.format(name=name, port=floor.port, client=f"NOV{n}")
            for n, name in ((ONE, "Simulated Prime"), (TWO, "Second Prime"))
        )
        (venue.home / "clearing.toml").write_text(CLEARING.format(books=floor.books) + lines)
        venue.say(FundTreasury(asset=venue.cash, amount=10**5 * MICRO))
        with working(venue):
            venue.can()
            made = venue.issue(50_000)
            venue.becomes(made, S.FILLED)
            found = venue.request(made)
            assert found.units > 490 * MICRO and found.held == 0
            unmade = venue.redeem(1_500 * MICRO)  # more than the treasury would take: shares are sold
            venue.becomes(unmade, S.FILLED)
            venue.sound()

            # The exchange is killed with an order on its way, and comes back with what it had.
            cut = venue.issue(20_000)
            venue.becomes(cut, S.ROUTED, S.PARTLY_FILLED, S.FILLED, S.UNKNOWN)
            floor.end(signal.SIGKILL)
            eventually(lambda: set(lines_of(venue)) == {False}, 30)
            floor.start()
            venue.can()
            venue.becomes(cut, S.FILLED, within_s=60)
            assert venue.request(cut).units > 190 * MICRO
            venue.sound()
            with Outbox(venue.home) as outbox:
                sent = [order.id for order in outbox.orders(tuple(State)) if order.sends]
            assert len(sent) == len(set(sent)) == 3
            bought = sum(
                line.bought - line.sold for line in venue.ask(questions.supply) if line.token == venue.token
            )
            units = venue.request(made).units + venue.request(cut).units - 1_500 * MICRO
            # Each fill makes whole millionths of a token: the books are at most so much above.
            assert 0 <= bought - units * 1_000 < 5_000, (bought, units)


def lines_of(venue):
    with Outbox(venue.home) as outbox:
        return outbox.lines().values()
