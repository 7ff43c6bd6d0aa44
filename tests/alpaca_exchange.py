"""The simulated exchange behind the server of Alpaca's endpoints: one account for each broker of a floor."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alpaca_server import KEY, SECRET, AlpacaServer
from novate import units
from novate.broker.alpaca.adapter import AlpacaBroker
from novate.broker.alpaca.settings import read_settings
from novate.broker.floor import Floor
from novate.broker.port import (
    Accepted,
    Broker,
    Busted,
    Cancelled,
    CancelOrder,
    CancelRefused,
    Corrected,
    Filled,
    NewOrder,
    Rejected,
    Replaced,
    ReplaceOrder,
    Report,
)
from novate.broker.report_log import Told
from novate.messages.codes import Side


class Behind:
    """Moves a server's orders as the exchange moves a broker's."""

    def __init__(self, floor: Floor, broker: str, server: AlpacaServer) -> None:
        self.floor, self.broker, self.server = floor, broker, server
        self.number, self.now_ns = 0, floor.now_ns()
        self.replacing: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
        server.clock_ns = lambda: self.now_ns
        server.on_submit, server.on_cancel, server.on_replace = self.submit, self.cancel, self.replace
        desk = floor.exchange.desks[broker]
        server.positions = lambda: {
            symbol: units.decimal(desk.custody.shares(symbol), 9)
            for symbol in {*desk.custody.settled, *desk.custody.unsettled}
        }
        server.balance = lambda: units.decimal(desk.custody.cash(), 6)
        floor.connect(self)

    def submit(self, order: dict[str, Any]) -> None:
        self.floor.say(
            self.broker,
            NewOrder(
                order=order["client_order_id"],
                symbol=order["symbol"],
                side=Side.BID if order["side"] == "buy" else Side.ASK,
                shares=units.scaled(order["qty"] or "0", 9),
                dollars=units.scaled(order["notional"] or "0", 6),
                limit=units.scaled(order["limit_price"], 9),
            ),
        )

    def cancel(self, order: dict[str, Any]) -> None:
        self.floor.say(self.broker, CancelOrder(order=root(order)))

    def replace(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        self.replacing[root(old)] = old, new
        shares, limit = units.scaled(new["qty"], 9), units.scaled(new["limit_price"], 9)
        self.floor.say(self.broker, ReplaceOrder(order=root(old), shares=shares, limit=limit))

    def tell(self, now_ns: int) -> None:
        """Called by the floor when something may be new."""
        cut = self.floor.exchange.line_down_until_ns(self.broker) > now_ns
        if cut and not self.server.deaf:
            self.server.deaf = True
            self.server.cut()
        for told in self.floor.behind(self.broker, self.number):
            self.number, self.now_ns = told.number, told.at_ns
            self.happened(told, told.report)
        self.now_ns = now_ns
        if not cut:
            self.server.deaf = False

    def happened(self, told: Told, report: Report) -> None:
        server = self.server
        match report:
            case Accepted():
                server.accept(server.order(report.order)["id"])
            case Rejected():
                server.reject(server.order(report.order)["id"], report.reason)
            case Filled():
                server.fill(
                    report.order,
                    f"{units.decimal(report.shares, 9).normalize():f}",
                    f"{units.decimal(report.price, 9).normalize():f}",
                    last=report.complete,
                    commission=f"{units.decimal(report.fee, 6):f}",
                    execution=report.execution,
                    settles=report.settles.isoformat(),
                    net=f"{units.decimal(self.cash_of(report), 6):f}",
                )
            case Cancelled():
                server.cancel(server.alive(report.order)["id"], asked=report.asked, reason=report.reason)
            case Replaced():
                old, new = self.replacing.pop(report.order)
                filled = old["filled_qty"]
                server.replace(old, new)
                new["filled_qty"] = filled
            case CancelRefused() if report.order in self.replacing:
                old, new = self.replacing.pop(report.order)
                server.reject(new["id"], report.reason)
            case CancelRefused():
                server.refuse(server.alive(report.order)["id"], "order_cancel_rejected", report.reason)
            case Busted():
                server.bust(report.execution)
            case Corrected():
                server.correct(
                    report.execution,
                    f"{units.decimal(report.shares, 9):f}",
                    f"{units.decimal(report.price, 9):f}",
                )
            case _:
                del told  # a settlement is not published

    def cash_of(self, report: Filled) -> int:
        custody = self.floor.exchange.desks[self.broker].custody
        return custody.executions[report.execution].cash()


def root(order: dict[str, Any]) -> str:
    return str(order["client_order_id"]).partition(".")[0]


@contextmanager
def alpaca(floor: Floor, folder: Path) -> Iterator[Any]:
    """The adapter on servers of its own."""
    (folder / "key").write_text(KEY)
    (folder / "secret").write_text(SECRET)
    servers: dict[str, AlpacaServer] = {}
    clients: list[AlpacaBroker] = []

    def connect(broker: str) -> Broker:
        if broker not in servers:
            servers[broker] = AlpacaServer().start()
            Behind(floor, broker, servers[broker])
        server = servers[broker]
        settings = read_settings(
            {
                "account": "paper", "key_file": "key", "secret_file": "secret", "url": server.url, "stream_url": server.stream_url,
                "patience_s": 2, "longest_wait_s": 0, "first_wait_s": 0.05, "sweep_s": 1,
            }
        )  # fmt: skip
        clients.append(AlpacaBroker(settings, folder, clock_ns=time.time_ns))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()
    for server in servers.values():
        server.stop()
