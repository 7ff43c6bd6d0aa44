"""The bridge as a machine: facts and time in, orders and requests out.

    machine.begin(holdings)                     what the account has, once nothing of it rests on the venue
    machine.hear(fact); machine.price(...); machine.book(...)
    for action in machine.act(now_ns): ...

Responsible for: putting quoting, hedging and limits together, name by name, and the limits over all names. Never: a clock, a socket, a file;
and it counts on nothing that the venue has not told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from novate.bridge import facts
from novate.bridge.hedging import Hedger, Mint, Request
from novate.bridge.inventory import Flight, Inventory
from novate.bridge.limits import (
    NO_ROOM,
    Capacity,
    Doubt,
    Happening,
    Price,
    Purse,
    Room,
    Spare,
    Stance,
    after,
    believed,
    doubt,
    middle,
    room,
)
from novate.bridge.orders import Change, Orders, Resting
from novate.bridge.quoting import Targets, targets
from novate.bridge.terms import NameTerms, TotalTerms, dollars_down, dollars_up
from novate.broker.port import PrimaryBook
from novate.messages.codes import Quality, Side

NO_CAPACITY: Final = Capacity(0, 0)


class Closure(NamedTuple):
    """A long closure: flat from, and handled as usual again from."""

    from_ns: int
    until_ns: int


class Ask(NamedTuple):
    """A request of a name."""

    symbol: str
    request: Request


Action = Change | Ask


@dataclass(slots=True)
class Name:
    """One name's state."""

    terms: NameTerms
    inventory: Inventory
    hedger: Hedger
    stance: Stance = Stance.STARTING
    book: PrimaryBook | None = None
    price: Price | None = None
    capacity: Capacity = NO_CAPACITY
    closure: Closure | None = None
    doubt: Doubt | None = None
    stopped: str = ""
    """Why it is stopped; empty while it is not."""
    hedges_when_stopped: bool = True
    asked: bool = False
    """Whether a request was sent that the venue has not answered."""
    believed: PrimaryBook | None = None
    """The last book that says what shares cost: requests are sized by it."""
    mark: int = 0
    """The middle of the last such book, of an earlier process too, 1e-9 dollars; 0 before any. What is open is judged at it, and at nothing else."""
    carried: int | None = 0
    """Result of the day with which the count begins at the first mark; None once it has begun."""
    _clear_since: int = 0

    def result(self) -> int:
        """Micro-dollars won or lost since the day began; while there is no mark, what was known before."""
        if self.carried is not None:
            return self.carried
        return self.inventory.result(self.mark) if self.mark else 0

    def reach(self) -> tuple[int, int]:
        """Micro-dollars that may be open at the mark, least and most, whichever requests under way fill; short below zero."""
        held = self.inventory
        low, high = held.open_shares() - held.burning(), held.open_shares() + held.minting(self.mark)
        return dollars_down(low, self.mark), dollars_up(high, self.mark)

    def new_day(self) -> None:
        """A day begins: what is open was bought at the mark, at the first one where there is none."""
        self.inventory.traded = 0
        self.carry(0)

    def carry(self, result: int) -> None:
        """The count goes on from a result, with what is open at the mark."""
        self.carried = result
        if self.mark:
            self.inventory.rebase(result, self.mark)
            self.carried = None

    def rescale(self, terms: NameTerms) -> None:
        """Prices and quantities mean something else from here on: nothing is judged before one of the new is believed."""
        result = self.result()
        self.terms = self.inventory.terms = self.hedger.terms = terms
        self.believed, self.mark = None, 0
        self.carry(result)

    def look(self, now_ns: int) -> None:
        """Takes the book for the mark where it is believed."""
        if self.book is not None and believed(self.terms, self.book, self.price, now_ns):
            self.believed, self.mark = self.book, middle(self.book)
            if self.carried is not None:
                self.carry(self.carried)

    def happen(self, happening: Happening) -> None:
        """Moves on in the table."""
        self.stance = after(self.stance, happening)

    def settle(self, now_ns: int, doubt_: Doubt | None) -> None:
        """The stance that fits what is known now."""
        if self.stance is Stance.STARTING:
            return
        self.doubt = doubt_
        if self.stopped:
            if self.stance is not Stance.STOPPED:
                self.happen(Happening.STOP)
            return
        if self.stance is Stance.STOPPED:
            self.happen(Happening.RESUME)
        near = self.closure is not None and self.closure.from_ns <= now_ns < self.closure.until_ns
        if self.stance is Stance.FLATTENING:
            if near:
                return
            self.happen(Happening.OVER)
        elif near:
            self.happen(Happening.CLOSURE)
            return
        if doubt_ is not None:
            self._clear_since = 0
            self.happen(Happening.DOUBT)
            return
        self._clear_since = self._clear_since or now_ns
        if self.stance is Stance.QUOTING or now_ns - self._clear_since >= self.terms.calm_ns:
            self.happen(Happening.CLEAR)


class Machine:
    """All names of a bridge.

    Args:
        names: Terms of each name.
        total: Limits over all.
        session: Begins every client id: up to 9 characters that no earlier run had.
    """

    def __init__(self, names: Sequence[NameTerms], total: TotalTerms, session: str) -> None:
        self.names = {one.symbol: Name(one, Inventory(one), Hedger(one)) for one in names}
        self.total, self.session = total, session
        self.orders = Orders(session)
        self.purse = Purse(0, 0)
        self.losses: list[tuple[str, str]] = []
        """Symbol (empty for all) and reason of each stop by a loss limit that nobody has kept yet."""
        self._of_market = {market.name: self.names[one.symbol] for one in names for market in one.markets}
        self._of_token = {one.token: self.names[one.symbol] for one in names}
        self._of_underlying = {one.underlying: self.names[one.symbol] for one in names}
        self._of_request: dict[int, Name] = {}

    # --- facts ---------------------------------------------------------------------------------------------------------

    def begin(self, holdings: Mapping[str, facts.Holding]) -> list[str]:
        """What the account has by symbol, at a moment when no order of it rests. Returns the symbols of which something else was known."""
        self.orders.forget()
        self._of_request = {}
        differ = []
        for symbol, name in self.names.items():
            held = holdings.get(symbol, facts.Holding(0, {}, {}))
            if name.inventory.adopt(held.tokens, held.perps, held.flights, name.mark):
                differ.append(symbol)
                if not name.mark:
                    name.carry(name.result())
            name.asked = False
            self._of_request |= dict.fromkeys(held.flights, name)
            if name.stance is Stance.STARTING:
                name.happen(Happening.KNOWN)
        return differ

    def terms(self, terms: Iterable[NameTerms]) -> None:
        """What the venue says of its markets and tokens now, for the same names; while nothing rests, and before `begin`."""
        for one in terms:
            if one != self.names[one.symbol].terms:
                self.names[one.symbol].rescale(one)

    def knows(self, requests: Iterable[int], symbol: str) -> None:
        """Requests under way that are a name's, from before this machine began."""
        self._of_request |= dict.fromkeys(requests, self.names[symbol])

    def cut(self) -> None:
        """The line to the venue broke: nothing is known until `begin`."""
        for name in self.names.values():
            name.happen(Happening.CUT)

    def book(self, book: PrimaryBook) -> None:
        """The primary market of a name."""
        self.names[book.symbol].book = book

    def price(self, underlying: str, price: Price) -> None:
        """What the venue says publicly; underlyings that are not quoted are passed over."""
        if underlying in self._of_underlying:
            self._of_underlying[underlying].price = price

    def capacity(self, token: str, capacity: Capacity) -> None:
        """What can be issued and redeemed of a token; others are passed over."""
        if token in self._of_token:
            self._of_token[token].capacity = capacity

    def closure(self, symbol: str, closure: Closure | None) -> None:
        """The long closure of a name that is near, or on."""
        self.names[symbol].closure = closure

    def stop(self, reason: str, *, symbol: str = "", hedges: bool = True) -> None:
        """Stops a name, or all, until `resume`. `hedges`: whether what is open is still hedged, where no earlier stop says that it is not."""
        for name in self._named(symbol):
            name.hedges_when_stopped = hedges and (not name.stopped or name.hedges_when_stopped)
            name.stopped = name.stopped or reason

    def resume(self, symbol: str = "") -> None:
        """A person wants a name, or all, to go on."""
        for name in self._named(symbol):
            name.stopped = ""

    def new_day(self) -> None:
        """A day of the loss limits begins."""
        for name in self.names.values():
            name.new_day()

    def hear(self, fact: facts.Fact) -> None:
        """What the account was told."""
        match fact:
            case facts.OrderRests():
                order = Resting(fact.order, fact.market, fact.side, fact.price, fact.quantity)
                self.orders.placed(fact.client_id, order)
            case facts.OrderChanged():
                self.orders.amended(fact.order, fact.price, fact.quantity)
            case facts.OrderLeft():
                self.orders.left(fact.order, fact.quantity)
            case facts.OrderFilled():
                self.orders.left(fact.order, fact.left)
                if fact.market in self._of_market:
                    self._of_market[fact.market].inventory.trade(fact)
            case facts.Carried():
                if fact.market in self._of_market:
                    self._of_market[fact.market].inventory.carried(fact.amount)
            case facts.RequestHeld():
                if fact.token in self._of_token:
                    name = self._of_request[fact.request] = self._of_token[fact.token]
                    name.inventory.reserve(fact.request, mints=fact.mints, held=fact.held)
            case facts.Issued():
                self._requested(fact.token).issued(fact.request, fact.tokens, fact.paid)
            case facts.Redeemed():
                self._requested(fact.token).redeemed(fact.request, fact.tokens, fact.due)
            case facts.Returned():
                if fact.request in self._of_request:
                    self._of_request[fact.request].inventory.returned(fact.request, fact.amount)
            case facts.RequestMoved():
                if fact.request in self._of_request:
                    self._of_request[fact.request].inventory.moved(fact.request, fact.after)

    def answered(self, symbol: str, *, taken: bool, now_ns: int) -> None:
        """The venue took a request, or did not."""
        name = self.names[symbol]
        name.asked, name.inventory.asking = False, None
        if taken:
            name.hedger.done()
        else:
            name.hedger.refused(now_ns)

    # --- what to do ----------------------------------------------------------------------------------------------------

    def act(self, now_ns: int) -> list[Action]:
        """Changes of orders, then requests, for which the orders leave room. Facts of earlier changes are heard before the next call."""
        self._judge(now_ns)
        asks = list(self._requests(now_ns))
        actions: list[Action] = []
        for name in self.names.values():
            actions += self.orders.changes(self._targets(name, now_ns), name.terms.tolerance_ppm)
        return [*actions, *asks]

    def result(self) -> int:
        """Micro-dollars won or lost since the day began, all names."""
        return sum(one.result() for one in self.names.values())

    def values(self) -> dict[str, Any]:
        """For health: what it does with each name, and why."""
        return {
            "result": self.result(),
            "cash": self.purse.cash,
            "excess": self.purse.excess,
            "orders": len(self.orders.resting),
            "names": {symbol: self._values(name) for symbol, name in self.names.items()},
        }

    def _judge(self, now_ns: int) -> None:
        for name in self.names.values():
            name.look(now_ns)
        going = {symbol for symbol, name in self.names.items() if not name.stopped}
        if going and -self.result() > self.total.loss:
            self._lose("loss_of_all_names")
        for symbol, name in self.names.items():
            if symbol in going and -name.result() > name.terms.loss:
                self._lose("loss_of_the_name", symbol)
            found = doubt(name.terms, name.book, name.price, now_ns)
            if found is None and self.purse.excess < self.total.excess:
                found = Doubt.EXCESS_LOW
            name.settle(now_ns, found)

    def _lose(self, reason: str, symbol: str = "") -> None:
        self.stop(reason, symbol=symbol)
        self.losses.append((symbol, reason))

    def _targets(self, name: Name, now_ns: int) -> Targets:
        book, price = name.book, name.price
        if name.stance is not Stance.QUOTING or book is None or price is None:
            return {(market.name, side): () for market in name.terms.markets for side in Side}
        conduct = name.terms.conduct[book.session]
        return targets(
            name.terms,
            conduct,
            book,
            self._room(name),
            name.inventory.gap(name.mark),
            degraded=price.quality == Quality.DEGRADED,
            age_ns=now_ns - book.at_ns,
        )

    def _room(self, name: Name) -> Room:
        if name.book is None or not name.mark:
            return NO_ROOM
        cash = max(self.purse.cash - self.total.cash, 0)
        conduct = name.terms.conduct[name.book.session]
        return room(name.inventory, conduct, name.mark, name.capacity, self._spare(), cash)

    def _spare(self) -> Spare:
        """What the limits over all names leave to each, the same to all: together they can't pass one, whether requests under way fill or not."""
        marked = [one for one in self.names.values() if one.mark]
        reach = [one.reach() for one in marked]
        sides = max(len(self.names), 1)
        wide = self.total.unhedged - sum(max(-low, high) for low, high in reach)
        short, long = (
            self.total.net + sum(low for low, _ in reach),
            self.total.net - sum(high for _, high in reach),
        )
        gross = self.total.gross - sum(one.inventory.gross(one.mark) for one in marked)
        return Spare(
            sell=max(min(wide, short), 0) // sides,
            buy=max(min(wide, long), 0) // sides,
            gross=max(gross, 0) // sides,
        )

    def _requests(self, now_ns: int) -> Iterator[Ask]:
        for symbol, name in self.names.items():
            if name.asked or name.book is None or name.believed is None or name.stance is Stance.STARTING:
                continue
            if name.stance is Stance.STOPPED and not name.hedges_when_stopped:
                continue
            conduct = name.terms.conduct.get(name.book.session)
            if conduct is None or not conduct.hedges:
                continue
            spot = frozenset(one.name for one in name.terms.markets if one.spot)
            offered = self.orders.shown(Side.ASK, spot)
            wish = name.hedger.next(
                name.inventory, name.believed, self.purse, name.capacity, conduct.unhedged, now_ns, offered
            )
            if wish is not None:
                name.asked = True
                name.inventory.asking = _flight(wish)
                yield Ask(symbol, wish)

    def _requested(self, token: str) -> Inventory:
        return self._of_token[token].inventory

    def _named(self, symbol: str) -> list[Name]:
        return [self.names[symbol]] if symbol else list(self.names.values())

    def _values(self, name: Name) -> dict[str, Any]:
        held = name.inventory
        return {
            "stance": name.stance.value,
            "doubt": name.doubt.value if name.doubt else "",
            "stopped": name.stopped,
            "tokens": held.tokens,
            "perps": dict(held.perps),
            "open_shares": held.open_shares(),
            "gap": held.gap(name.mark),
            "under_way": len(held.flights),
            "mark": name.mark,
            "result": name.result(),
            "traded": held.traded,
        }


def _flight(request: Request) -> Flight:
    return Flight(True, request.cash) if isinstance(request, Mint) else Flight(False, request.tokens)
