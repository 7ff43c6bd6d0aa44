"""Two sides of a FIX session on this machine: the venue's line, and a counterparty whose exchange does what a test says."""

import re
import socket
import threading
from contextlib import suppress
from datetime import date
from pathlib import Path

import msgspec

from gateways import eventually, free_port
from novate.broker import (
    Accepted,
    AskOrder,
    Busted,
    Cancelled,
    CancelOrder,
    CancelRefused,
    Corrected,
    Filled,
    Heard,
    LineUp,
    NewOrder,
    NotKnown,
    Rejected,
    Replaced,
    ReplaceOrder,
)
from novate.broker.fix.settings import AcceptorSettings, Client, FixSettings
from novate.messages.codes import Side

SHARE = DOLLAR = 10**9
CENT = 10**4
SETTLES = date(2026, 11, 30)
MESSAGE = re.compile(rb"8=FIX\.4\.4\x019=\d+\x01.*?\x0110=\d{3}\x01", re.DOTALL)
TRADED_NS = 1_795_000_000 * 10**9


PATIENCE_S = 45.0
"""A session that comes back takes its time on a busy machine."""


class Listener:
    """Hears, keeps, and fails where it is told to."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.fails = 0

    def __call__(self, heard: Heard) -> None:
        if self.fails > 0:
            self.fails -= 1
            raise OSError("the disk is full")
        self.heard.append(heard)

    @property
    def reports(self) -> list:
        return [one.report for one in self.heard]

    @property
    def cursor(self) -> str:
        return self.heard[-1].cursor if self.heard else ""

    def of(self, kind) -> list:
        return [report for report in self.reports if isinstance(report, kind)]

    def wait(self, kind, count: int = 1) -> list:
        return eventually(lambda: len(found := self.of(kind)) >= count and found, PATIENCE_S)


class Desk:
    """A broker port that takes every order and does what a test says. What it told stands in a log, as an exchange's does."""

    def __init__(self, *, takes: bool = True) -> None:
        self.takes = takes
        self.asked: list = []
        self.orders: dict[str, NewOrder] = {}
        self.log: list = []
        self._hear = None
        self._lock = threading.RLock()

    def open(self, hear, since: str = "") -> None:
        with self._lock:
            self._hear = hear
            for number in range(int(since or 0), len(self.log)):
                self._say(number)
            hear(Heard(LineUp(), "", since, b"", 0))

    def send(self, instruction) -> None:
        with self._lock:
            self.asked.append(instruction)
            match instruction:
                case NewOrder() if instruction.order in self.orders:
                    pass
                case NewOrder():
                    self.orders[instruction.order] = instruction
                    if self.takes:
                        self.tell(Accepted(order=instruction.order, broker_order=f"B-{instruction.order}"))
                case AskOrder() if instruction.order not in self.orders:
                    self.tell(NotKnown(order=instruction.order))
                case AskOrder():
                    self.tell(Accepted(order=instruction.order, broker_order=f"B-{instruction.order}"))

    def close(self) -> None:
        with self._lock:
            self._hear = None

    def tell(self, report) -> None:
        with self._lock:
            self.log.append(report)
            if self._hear is not None:
                self._say(len(self.log) - 1)

    def _say(self, number: int) -> None:
        self._hear(Heard(self.log[number], f"m{number}", str(number + 1), b"", 0))

    def taken(self, order: str) -> int:
        """How often an order reached the exchange."""
        return sum(isinstance(one, NewOrder) and one.order == order for one in self.asked)

    # --- what an exchange does -----------------------------------------------------------------------------------------

    def wait(self, kind, count: int = 1) -> list:
        return eventually(
            lambda: len(found := [one for one in self.asked if isinstance(one, kind)]) >= count and found,
            PATIENCE_S,
        )

    def fill(
        self,
        order: str,
        execution: str,
        shares: int,
        *,
        price: int = 180 * DOLLAR,
        complete: bool = False,
        **other,
    ) -> None:
        asked = self.orders.get(order)
        said = {"symbol": asked.symbol, "side": asked.side} if asked else {"symbol": "NVDA", "side": Side.BID}
        self.tell(
            Filled(
                order=order, execution=execution, shares=shares * SHARE, price=price, fee=3 * CENT, complete=complete,
                settles=SETTLES, traded_ns=TRADED_NS, **{**said, **other},
            )
        )  # fmt: skip

    def cancel(self, order: str, *, asked: bool = True, reason: str = "") -> None:
        self.tell(Cancelled(order=order, asked=asked, reason=reason))

    def reject(self, order: str, reason: str) -> None:
        self.tell(Rejected(order=order, reason=reason))

    def bust(self, execution: str) -> None:
        self.tell(Busted(execution=execution))

    def correct(self, execution: str, shares: int, price: int) -> None:
        self.tell(Corrected(execution=execution, shares=shares * SHARE, price=price))

    def refuse_cancel(self, order: str, reason: str) -> None:
        self.tell(CancelRefused(order=order, reason=reason))

    def replaced(self, asked: ReplaceOrder) -> None:
        self.tell(Replaced(order=asked.order, shares=asked.shares, limit=asked.limit))


class Sides:
    """Both ends of one session."""

    def __init__(self, home: Path, *, script=None, desk: Desk | None = None, **venue) -> None:
        self.home, self.port, self._script = home, free_port(), script
        self.venue, self.exchange = f"NOV-{self.port}", f"PRIME-{self.port}"  # a process runs a session once
        self.desk = desk or Desk()
        self.listener = Listener()
        self.acceptor = self._exchange()
        self.settings = FixSettings(
            name="prime",
            host="127.0.0.1",
            port=self.port,
            sender=self.venue,
            target=self.exchange,
            reconnect_s=1,
            **venue,
        )
        self.broker = self._venue()

    def _exchange(self):
        from novate.broker.fix.acceptor import FixAcceptor

        settings = AcceptorSettings(port=self.port, exchange=self.exchange, clients=(Client(id=self.venue),))
        return FixAcceptor(settings, self.home / "exchange", {self.venue: self.desk}, script=self._script)

    def _venue(self):
        from novate.broker.fix.initiator import FixBroker

        return FixBroker(self.settings, self.home / "venue")

    def use(self, port: int) -> None:
        """Has the venue connect to another port."""
        self.settings = msgspec.structs.replace(self.settings, port=port)
        self.broker = self._venue()

    def restart_exchange(self) -> None:
        self.acceptor = self._exchange()
        self.acceptor.start()

    def start(self) -> "Sides":
        self.acceptor.start()
        self.broker.open(self.listener)
        self.listener.wait(LineUp)
        return self

    def place(self, order: str = "N-1", shares: int = 100, **other) -> NewOrder:
        said = {
            "symbol": "NVDA",
            "side": Side.BID,
            "shares": shares * SHARE,
            "dollars": 0,
            "limit": 181 * DOLLAR,
        }
        asked = NewOrder(order=order, **{**said, **other})
        self.broker.send(asked)
        return asked

    def cancel(self, order: str = "N-1", attempt: int = 1) -> None:
        self.broker.send(CancelOrder(order=order, attempt=attempt))

    def ask(self, order: str = "N-1", attempt: int = 1) -> None:
        self.broker.send(AskOrder(order=order, attempt=attempt))

    def close(self) -> None:
        self.broker.close()
        self.acceptor.close()


# --- the line between ------------------------------------------------------------------------------------------------------


class Proxy:
    """A line that a test can spoil: messages pass one by one, and `spoil` says what goes on instead of one. `Cut` ends the connection."""

    class Cut(Exception):
        pass

    def __init__(self, to_port: int) -> None:
        self.port, self._to = free_port(), to_port
        self.spoil = None
        self.passed: list[tuple[str, bytes]] = []
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._server = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                venue, _ = self._server.accept()
                try:
                    exchange = socket.create_connection(("127.0.0.1", self._to))
                except OSError:
                    venue.close()
                    continue
                self._pairs.append((venue, exchange))
                for way, one, other in (("out", venue, exchange), ("in", exchange, venue)):
                    threading.Thread(target=self._pump, args=(way, one, other), daemon=True).start()

    def _pump(self, way: str, one: socket.socket, other: socket.socket) -> None:
        waiting = b""
        with suppress(OSError):
            while data := one.recv(65_536):
                waiting += data
                while found := MESSAGE.match(waiting):
                    waiting = waiting[found.end() :]
                    try:
                        self._pass(way, found.group(), other)
                    except Proxy.Cut:
                        self.cut()
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _pass(self, way: str, message: bytes, other: socket.socket) -> None:
        for said in [message] if self.spoil is None else self.spoil(way, message):
            self.passed.append((way, said))
            other.sendall(said)

    def cut(self) -> None:
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.spoil = None
        self._server.close()
        self.cut()


def tag(message: bytes, number: int) -> str:
    """A field of a message on the wire."""
    found = re.search(rb"\x01%d=([^\x01]*)" % number, message)
    return found.group(1).decode() if found else ""


def again(message: bytes) -> bytes:
    """A message as a session says it again: PossDupFlag and OrigSendingTime, and the sums that follow."""
    body = message[message.index(b"\x0135=") + 1 : message.rindex(b"10=")]
    sent = tag(message, 52).encode()
    body = body.replace(b"\x0149=", b"\x0143=Y\x01122=" + sent + b"\x0149=", 1)
    return _framed(body)


def checked(message: bytes) -> bytes:
    """A message that was changed, with the length and the sum that it has now."""
    body = message[message.index(b"\x0135=") + 1 : message.rindex(b"10=")]
    return _framed(body)


def _framed(body: bytes) -> bytes:
    text = b"8=FIX.4.4\x019=%d\x01" % len(body) + body
    return text + b"10=%03d\x01" % (sum(text) % 256)
