"""A broker written by hand, for tests of settlement: it fills what the venue raises, reports by commands, and has its own records.

Responsible for: saying the same by two ways, reports and end-of-day statements, until a test changes one of them. Never looks at the venue's
books.
"""

import time
from collections import defaultdict
from datetime import date
from itertools import count

from novate.broker import Cash, EndOfDay, Position, Trade, execution_bytes
from novate.clearing.reconciliation import net_dollars, signed_shares
from novate.clearing.settlement import business_day, day_ends_ns, settlement_day
from novate.core_process import CoreClient
from novate.messages import (
    BrokerOrderRaised,
    CommandRefused,
    PostDepth,
    ReportBrokerAccepted,
    ReportBrokerFill,
    ReportSettlement,
    RequestIssuance,
    RequestRedemption,
    SetSession,
    encode,
    iter_events,
)
from novate.messages.codes import Session, Side
from novate.messages.reports.portfolios import listed
from novate.reader_process import ReaderClient

SHARE, DOLLAR = 10**9, 10**6


class HandBroker:
    """One broker of a running venue, and the wishes of its holders; `actor` is the keeper's key where the venue has governance."""

    def __init__(self, home, *, broker=1, name="Simulated Prime", cash=10**13, actor=0):
        self.home, self.broker, self.name, self.actor = home, broker, name, actor
        self.core = CoreClient.connect(home / "core.sock")
        with ReaderClient.connect(home / "reader.sock") as reader:
            names = listed(reader)
        self.assets = {one.name: one for one in names.assets}
        self.symbols = {one.underlying: one.name for one in names.underlyings}
        self.underlyings = {one.name: one.underlying for one in names.underlyings}
        self.settled, self.cash = defaultdict(int), cash
        self.trades: list[Trade] = []
        self._open: list[Trade] = []
        self._numbers = count(1)

    def close(self):
        self.core.close()

    def send(self, command, account=0):
        """A command that has to be taken; its events."""
        answer = self.core.submit(encode(command, account=account, actor=self.actor))
        events = [event.body for event in iter_events(answer.events)]
        refused = [event for event in events if isinstance(event, CommandRefused)]
        assert not refused, (command, refused)
        return events

    def open_market(self, *symbols):
        """Regular session, and depth at the best prices."""
        for symbol in symbols:
            underlying = self.underlyings[symbol]
            self.send(
                SetSession(
                    underlying=underlying,
                    session=Session.REGULAR,
                    next_session=Session.REGULAR,
                    next_time_ns=0,
                )
            )
            self.send(PostDepth(underlying=underlying, buy=10**13, sell=10**13))

    def attested(self, token, units, multiplier_ppb=10**9):
        """Shares that the broker has settled for tokens that exist from the beginning."""
        asset = self.assets[token]
        self.settled[self.symbols[asset.underlying]] += units * multiplier_ppb

    def issue(self, account, token, dollars, price):
        """A holder buys tokens; the broker fills at once, in one execution."""
        wish = RequestIssuance(
            token=self.assets[token].asset, amount=dollars * DOLLAR, reference=next(self._numbers)
        )
        return self._fill(self.send(wish, account), price)

    def redeem(self, account, token, units, price):
        """A holder sells tokens."""
        asset = self.assets[token]
        wish = RequestRedemption(
            token=asset.asset, amount=units * 10**asset.decimals, reference=next(self._numbers)
        )
        return self._fill(self.send(wish, account), price)

    def _fill(self, events, price):
        order = next(event for event in events if isinstance(event, BrokerOrderRaised))
        self.send(ReportBrokerAccepted(order=order.order))
        shares = order.shares or order.dollars * 999 * SHARE // (1_000 * price * DOLLAR)
        settles = settlement_day(self.today)
        fee = 120
        line = Trade(
            execution=f"{self.broker}-{next(self._numbers)}", order=str(order.order), symbol=self.symbols[order.underlying],
            side=Side(order.side), shares=shares, price=price * SHARE, fee=fee, traded=self.today, settles=settles,
        )  # fmt: skip
        self.report(line)
        self.trades.append(line)
        self._open.append(line)
        return line

    def report(self, line):
        """Tells the venue of an execution."""
        self.send(
            ReportBrokerFill(
                order=int(line.order), execution=execution_bytes(line.execution), underlying=self.underlyings[line.symbol], side=line.side,
                complete=1, shares=line.shares, price=line.price // 1_000, fee=line.fee, settle_time_ns=day_ends_ns(line.settles),
            )
        )  # fmt: skip

    def settle(self, line, *, tell=True):
        """The execution settles here, and the venue hears of it or not."""
        self._open.remove(line)
        self.settled[line.symbol] += signed_shares(line.side, line.shares)
        self.cash += net_dollars(line)
        if tell:
            self.send(
                ReportSettlement(broker=self.broker, settled=1, execution=execution_bytes(line.execution))
            )

    @property
    def today(self) -> date:
        return business_day(time.time_ns())

    def end_of_day(self, day: date) -> EndOfDay:
        """What the broker says it has."""
        coming = defaultdict(int)
        for line in self._open:
            coming[line.symbol] += signed_shares(line.side, line.shares)
        symbols = sorted(self.settled.keys() | coming.keys())
        return EndOfDay(
            broker=self.name, day=day, trades=tuple(line for line in self.trades if line.traded == day),
            positions=tuple(Position(symbol=one, settled=self.settled[one], unsettled=coming[one]) for one in symbols),
            cash=Cash(settled=self.cash, unsettled=sum(net_dollars(line) for line in self._open)),
        )  # fmt: skip
