"""Who listens to what: market data for everybody, an account's events for those who may see them.

Responsible for: turning the venue's events into messages once, whoever listens; conflation; private events numbered without a gap and told
again from a number on; cutting off who does not keep up. Never: knows a transport; a listener is something that takes bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol

from novate.core_process.wire import Answered
from novate.gateway.books import (
    AUCTION,
    BookDelta,
    MarketBook,
    PriceState,
    PublicTrade,
    as_bytes,
    quality_word,
    session_word,
)
from novate.gateway.errors import GatewayRefused, Rule
from novate.messages import (
    BookChanged,
    Event,
    EventHead,
    EventMessage,
    FundingSet,
    IndexChanged,
    LiquidationEnded,
    LiquidationSlice,
    LiquidationStarted,
    Listed,
    MarkChanged,
    MarketPhaseChanged,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderPlaced,
    Restricted,
    RestrictionEnded,
    SessionChanged,
    Side,
    VenueResumed,
    body_reader,
    decode_event,
    event_heads,
)
from novate.messages.fields import NO_CLIENT_ID
from novate.messages.reports import MarketLine, UnderlyingLine
from novate.projections.rows import FillRow
from novate.schema.catalogue import Catalogue, Market
from novate.schema.outcomes import outcome
from novate.schema.telling import Teller

CHECKED_EVERY: Final = 16
"""Book messages between two checksums."""
KEPT_TRADES: Final = 1000
KEPT_EVENTS: Final = 1_000_000
"""Private events, of all accounts together, that can be told again from memory."""
_LIQUIDATIONS: Final = (LiquidationStarted, LiquidationSlice, LiquidationEnded)
_STATUS: Final = (SessionChanged, MarketPhaseChanged, Restricted, RestrictionEnded, VenueResumed, Listed)
_BOOK_CHANGED: Final = BookChanged.KIND
_read_change: Final = body_reader(BookChanged)
_read_placed: Final = body_reader(OrderPlaced, "order", "market", "client_id")
_read_filled: Final = body_reader(OrderFilled)
_read_cancelled: Final = body_reader(OrderCancelled, "order")
_read_amended: Final = body_reader(OrderAmended, "order", "market")
_READ_PRICES: Final = {kind.KIND: body_reader(kind) for kind in (IndexChanged, MarkChanged, FundingSet)}
_SIDES: Final = {int(side): side.name.lower() for side in Side}
Handler = Callable[[EventHead, bytes], None]
"""Takes an event: its head, and the buffer that it is in."""
PUBLIC: Final = ("book", "bbo", "trades", "prices", "liquidations", "status", "notices", "book_orders")
"""Public channels; the last one is `book_orders.py`'s."""


class Listener(Protocol):
    """Whoever is told."""

    def tell(self, message: bytes) -> bool:
        """Takes one message; False when it does not keep up and is cut off."""
        ...

    def cut_off(self, why: str) -> None:
        """Ends it."""
        ...


class Topic(NamedTuple):
    """What one subscription is for."""

    channel: str
    name: str = ""
    """Market or underlying; empty for all."""
    depth: int = 0
    """Levels of a book; 0 for all of it, as deltas."""
    interval_ms: int = 0
    """At most one message in so many milliseconds; 0 for each change."""


@dataclass(slots=True)
class Group:
    """Everybody with the same subscription: one message for all of them."""

    topic: Topic
    listeners: set[Listener] = field(default_factory=set)
    changed: dict[tuple[int, int], None] = field(default_factory=dict)
    told_seq: int = 0
    told: int = 0
    due_ms: int = 0
    dirty: bool = False

    def tell(self, message: bytes) -> None:
        """To all; who does not keep up is out."""
        slow = [one for one in self.listeners if not one.tell(message)]
        self.listeners.difference_update(slow)


@dataclass(slots=True)
class AccountLog:
    """An account's last events, and who hears them."""

    kept: deque[bytes] = field(default_factory=deque)
    """Whole messages, without a gap up to the last one."""
    listeners: set[Listener] = field(default_factory=set)
    last: int = 0
    """Number of the last one among the account's events."""

    def reaches(self, number: int) -> bool:
        """Whether all events behind a number are kept, and the number is one of the account's."""
        return bool(self.kept) and self.last - len(self.kept) <= number <= self.last

    def since(self, number: int, most: int | None = None) -> list[bytes]:
        """The events behind a number that is reached, `most` of them at most."""
        first = number - (self.last - len(self.kept))
        return list(islice(self.kept, first, None if most is None else first + most))


class Streams:
    """All that is told without being asked. For one event loop; `feed` takes the venue's events in order."""

    def __init__(self, epoch: str, catalogue: Callable[[], Catalogue]) -> None:
        self.epoch = epoch
        self._catalogue = catalogue
        self.books: dict[int, MarketBook] = {}
        self.trades: dict[int, deque[PublicTrade]] = {}
        self._made = 0
        """The trade whose resting side was the last fill heard; 0 for none."""
        self.prices: dict[int, PriceState] = {}
        self.markets_of_orders: dict[int, int] = {}
        """Live orders to their markets, as far as this gateway saw them placed."""
        self.orders_by_client: dict[tuple[int, bytes], int] = {}
        """(account, client id) of live orders, likewise."""
        self._clients: dict[int, tuple[int, bytes]] = {}
        self._teller: Teller | None = None
        self._groups: dict[Topic, Group] = {}
        self._by_market: dict[int, list[Group]] = {}
        self._accounts: dict[int, AccountLog] = {}
        self._kept: deque[int] = deque()
        self._meanwhile: list[tuple[BookChanged, int, int]] | None = None
        """What changed in books since whole ones were asked for."""
        self.notices: Callable[[], list[dict[str, Any]]] = list
        """Public notices that are not over: what a newcomer is told first."""
        self._handlers: dict[int, Handler] = {
            OrderFilled.KIND: self._filled,
            OrderPlaced.KIND: self._placed,
            OrderCancelled.KIND: self._cancelled,
            OrderAmended.KIND: self._amended,
            **{kind.KIND: self._priced for kind in (IndexChanged, MarkChanged, FundingSet)},
            **{kind.KIND: partial(self._tell, "liquidations") for kind in _LIQUIDATIONS},
            **{kind.KIND: partial(self._tell, "status") for kind in _STATUS},
        }

    def listen(self, kind: type[Event], hear: Callable[[EventMessage], None]) -> None:
        """Calls `hear` with each event of a kind that no other part of the streams takes, or after it."""
        before = self._handlers.get(kind.KIND)

        def handle(head: EventHead, events: bytes) -> None:
            if before is not None:
                before(head, events)
            hear(decode_event(events[head.at : head.at + head.length]))

        self._handlers[kind.KIND] = handle

    # --- who listens ----------------------------------------------------------------------------------------------------

    def join(self, topic: Topic, listener: Listener) -> None:
        """Adds a listener, and tells it where things stand. Raises GatewayRefused: no such channel or market."""
        first = self._first(topic)
        group = self._groups.get(topic)
        if group is None:
            group = self._groups[topic] = Group(topic)
            if topic.channel in {"book", "bbo", "trades"}:
                self._by_market.setdefault(self._market(topic.name).market.id, []).append(group)
        self._bring_up(group)
        for message in first:
            listener.tell(message)
        group.listeners.add(listener)

    def check(self, topic: Topic) -> None:
        """Raises GatewayRefused where there is no such channel or market."""
        self._first(topic)

    def leave(self, topic: Topic, listener: Listener) -> None:
        """Removes a listener; nothing when it was none."""
        group = self._groups.get(topic)
        if group is not None:
            group.listeners.discard(listener)
            self._drop_empty(group)

    def join_account(self, account: int, listener: Listener, resume_from: int | None) -> int:
        """Adds a listener to an account's events, those behind `resume_from`, which must be reached, first; returns the number of the last one."""
        log = self._accounts.setdefault(account, AccountLog())
        if resume_from is not None:
            for event in log.since(resume_from):
                listener.tell(self.private_message(event))
        log.listeners.add(listener)
        return log.last

    def leave_account(self, account: int, listener: Listener) -> None:
        """Removes a listener; nothing when it was none."""
        if account in self._accounts:
            self._accounts[account].listeners.discard(listener)

    def account_log(self, account: int) -> AccountLog:
        """An account's last events."""
        return self._accounts.setdefault(account, AccountLog())

    def market_of(self, order: int) -> int:
        """Where a live order is; 0 where this gateway did not see it placed."""
        return self.markets_of_orders.get(order, 0)

    def book(self, name: str) -> MarketBook:
        """A market's book. Raises GatewayRefused."""
        return self._market(name)

    def missed(self) -> None:
        """Events may have been missed: whole books come soon, and private events from before can't be told again.

        Who listens to an account is cut off: it is to read the account anew.
        """
        self._meanwhile = []
        self._kept.clear()
        for log in self._accounts.values():
            log.kept.clear()
            listeners, log.listeners = log.listeners, set()
            for one in listeners:
                one.cut_off("events may have been missed")

    # --- what happened --------------------------------------------------------------------------------------------------

    def begin(self, books: Mapping[int, tuple[Any, int, int]]) -> None:
        """Takes whole books as of their sequences: at the start, and when events may have been missed."""
        catalogue = self._catalogue()
        for market, (book, seq, ts_ns) in books.items():
            mine = self.books.get(market)
            if mine is None:
                mine = self.books[market] = MarketBook(catalogue.markets[market], self.epoch)
            mine.market = catalogue.markets[market]
            mine.put(book, seq, ts_ns)
            for body, at, at_ns in self._meanwhile or ():
                if body.market == market and at > seq:
                    mine.change(body, at, at_ns)
            for group in self._by_market.get(market, ()):
                if group.topic.channel == "book":
                    group.told_seq, group.changed, group.dirty = mine.seq, {}, False
                    group.tell(as_bytes(mine.snapshot(group.topic.depth or None)))
                elif group.topic.channel == "bbo":
                    group.changed, group.dirty = {}, False
                    group.tell(as_bytes(mine.quote()))
        self._meanwhile = None

    def put_past_trades(self, number: int, fills: Iterable[FillRow]) -> None:
        """Takes both sides of what traded in a market before, oldest first; what is known already stays as it is."""
        market = self._catalogue().markets.get(number)
        if market is None:
            return
        found: dict[int, PublicTrade] = {}
        made = 0
        for fill in fills:
            if fill.origin:  # no trade of the book
                continue
            if fill.maker and fill.trade != made:
                made = fill.trade
                continue
            made = 0
            found[fill.trade] = _public(market, fill, fill.sequence, fill.time_ns)
        found |= {int(one.trade): one for one in self.trades.get(number, ())}
        self.trades[number] = deque((found[trade] for trade in sorted(found)), maxlen=KEPT_TRADES)

    def begin_prices(
        self, underlyings: Iterable[UnderlyingLine], markets: Iterable[MarketLine], seq: int, ts_ns: int
    ) -> None:
        """Takes prices as of a sequence."""
        catalogue = self._catalogue()
        for line in underlyings:
            scale = catalogue.prices[line.underlying]
            state = self.prices.setdefault(line.underlying, PriceState(underlying=line.name))
            if line.index:
                state.index, state.stable = scale.text(line.index), scale.text(line.stable)
            state.quality, state.session = quality_word(line.quality), session_word(line.session)
            state.fresh_sources, state.seq, state.ts_ns = line.fresh_sources, seq, ts_ns
        for one in markets:
            market = catalogue.markets.get(one.market)
            if market is not None and one.mark:
                self.prices[market.underlying.underlying].marks[market.name] = market.mark.text(one.mark)

    def feed(self, frame: Answered) -> None:
        """The events of one frame."""
        events, touched = frame.events, set[int]()
        for head in event_heads(events):
            kind = head.kind
            if kind == _BOOK_CHANGED:
                market = self._book_changed(_read_change(events, head.at), head.sequence, head.time_ns)
                if market:
                    touched.add(market)
                continue
            handle = self._handlers.get(kind)
            if handle is not None:
                handle(head, events)
            if head.account_sequence and head.account:
                self._private(head, events[head.at : head.at + head.length])
        for market in touched:
            for group in self._by_market.get(market, ()):
                if not group.topic.interval_ms:
                    self._tell_group(group)

    def tell_notices(self, changed: list[dict[str, Any]]) -> None:
        """Tells public notices that are new or changed."""
        group = self._groups.get(Topic("notices"))
        if group is not None:
            group.tell(notices_message(changed))

    def tick(self, now_ms: int) -> None:
        """Tells what was held back for its interval."""
        for group in self._groups.values():
            if group.dirty and group.topic.interval_ms and now_ms >= group.due_ms:
                self._tell_group(group)
                group.due_ms = now_ms + group.topic.interval_ms

    # --- inside ---------------------------------------------------------------------------------------------------------

    def _market(self, name: str) -> MarketBook:
        catalogue = self._catalogue()
        number = catalogue.market_ids.get(name)
        if number is None:
            raise GatewayRefused(Rule.THING_MUST_EXIST, f"There is no market {name[:40]!r}.", field="market")
        if number not in self.books:
            self.books[number] = MarketBook(catalogue.markets[number], self.epoch)
        return self.books[number]

    def _first(self, topic: Topic) -> list[bytes]:
        match topic.channel:
            case "book":
                return [as_bytes(self._market(topic.name).snapshot(topic.depth or None))]
            case "bbo":
                return [as_bytes(self._market(topic.name).quote())]
            case "trades":
                book = self._market(topic.name)
                return [trades_message(book.market.name, list(self.trades.get(book.market.id, ()))[-50:])]
            case "prices":
                if topic.name and topic.name not in self._catalogue().underlying_ids:
                    raise GatewayRefused(
                        Rule.THING_MUST_EXIST,
                        f"There is no underlying {topic.name[:40]!r}.",
                        field="underlying",
                    )
                return [
                    self._prices_message(number)
                    for number, state in self.prices.items()
                    if topic.name in {"", state.underlying}
                ]
            case "liquidations" | "status":
                return []
            case "notices":
                return [notices_message(self.notices())]
            case _:
                raise GatewayRefused(Rule.CHANNEL_MUST_EXIST, field="channel")

    def _drop_empty(self, group: Group) -> None:
        """Subscriptions come in any number of kinds: what nobody has any more is not kept."""
        if not group.listeners:
            self._groups.pop(group.topic, None)
            for groups in self._by_market.values():
                if group in groups:
                    groups.remove(group)

    def _bring_up(self, group: Group) -> None:
        """So that a newcomer's first delta follows its snapshot: what was held back is told to the others first."""
        if group.topic.channel == "book":
            if group.dirty and group.listeners:
                self._tell_group(group)
            group.changed, group.dirty = {}, False
            group.told_seq = self._market(group.topic.name).seq

    def _book_changed(self, body: BookChanged, seq: int, ts_ns: int) -> int:
        """Takes a change; the market where one was taken, 0 for none."""
        if self._meanwhile is not None:
            self._meanwhile.append((body, seq, ts_ns))
        book = self.books.get(body.market)
        if book is None:
            market = self._catalogue().markets.get(body.market)
            if market is None:
                return 0
            book = self.books[body.market] = MarketBook(market, self.epoch)
        if seq <= book.whole_seq:
            return 0
        book.change(body, seq, ts_ns)
        for group in self._by_market.get(body.market, ()):
            if group.topic.channel in {"book", "bbo"}:
                group.changed[body.side, body.price] = None
                group.dirty = True
        return body.market

    def _tell_group(self, group: Group) -> None:
        if not group.dirty or not group.listeners:
            group.dirty = False
            group.changed.clear()
            return
        book = self._market(group.topic.name)
        message: bytes | None
        if group.topic.channel == "bbo":
            message = as_bytes(book.quote())
        elif group.topic.depth:
            message = as_bytes(book.snapshot(group.topic.depth))
        else:
            group.told += 1
            delta: BookDelta = book.delta(
                group.changed, group.told_seq, checked=group.told % CHECKED_EVERY == 0
            )
            message = as_bytes(delta)
        group.told_seq = book.seq
        group.changed.clear()
        group.dirty = False
        group.tell(message)

    def _placed(self, head: EventHead, events: bytes) -> None:
        order, market, client_id = _read_placed(events, head.at)
        self.markets_of_orders[order] = market
        if client_id != NO_CLIENT_ID:
            self._clients[order] = head.account, client_id
            self.orders_by_client[head.account, client_id] = order

    def _cancelled(self, head: EventHead, events: bytes) -> None:
        (order,) = _read_cancelled(events, head.at)
        self._ended(order)

    def _amended(self, head: EventHead, events: bytes) -> None:
        order, market = _read_amended(events, head.at)
        self.markets_of_orders[order] = market

    def _ended(self, order: int) -> None:
        self.markets_of_orders.pop(order, None)
        client = self._clients.pop(order, None)
        if client is not None:
            self.orders_by_client.pop(client, None)

    def _filled(self, head: EventHead, events: bytes) -> None:
        body = _read_filled(events, head.at)
        if not body.leaves:
            self._ended(body.order)
        market = self._catalogue().markets.get(body.market)
        if market is None or (body.maker and body.trade != self._made):
            self._made = body.trade if body.maker else 0
            return
        self._made = 0
        trade = _public(market, body, head.sequence, head.time_ns)
        self.trades.setdefault(market.id, deque(maxlen=KEPT_TRADES)).append(trade)
        group = self._groups.get(Topic("trades", market.name))
        if group is not None and group.listeners:
            group.tell(trades_message(market.name, [trade]))

    def _priced(self, head: EventHead, events: bytes) -> None:
        body = _READ_PRICES[head.kind](events, head.at)
        catalogue = self._catalogue()
        if head.kind == IndexChanged.KIND:
            number = body.underlying
            line, scale = catalogue.underlyings.get(number), catalogue.prices.get(number)
            if line is None or scale is None:
                return
            state = self.prices.setdefault(number, PriceState(underlying=line.name))
            state.index, state.stable = scale.text(body.index), scale.text(body.stable)
            state.quality, state.session = quality_word(body.quality), session_word(body.session)
            state.fresh_sources = body.fresh_sources
        else:
            market = catalogue.markets.get(body.market)
            if market is None:
                return
            number = market.underlying.underlying
            state = self.prices.setdefault(number, PriceState(underlying=market.underlying.name))
            if head.kind == MarkChanged.KIND:
                state.marks[market.name] = market.mark.text(body.mark)
            else:
                state.funding_ppb[market.name] = body.rate_ppb
        state.seq, state.ts_ns = head.sequence, head.time_ns
        message: bytes | None = None
        for topic in (Topic("prices", state.underlying), Topic("prices")):
            group = self._groups.get(topic)
            if group is not None and group.listeners:
                message = message or self._prices_message(number)
                group.tell(message)

    def _prices_message(self, number: int) -> bytes:
        return as_bytes({"channel": "prices", "data": self.prices[number]})

    def _tell(self, channel: str, head: EventHead, events: bytes) -> None:
        group = self._groups.get(Topic(channel))
        if group is None or not group.listeners:
            return
        told = outcome(self._catalogue(), decode_event(events[head.at : head.at + head.length]))
        data = {"event": told.event, "seq": told.seq, "ts_ns": told.ts_ns, "data": told.data}
        group.tell(as_bytes({"channel": channel, **data}))

    def _private(self, head: EventHead, message: bytes) -> None:
        log = self._accounts.get(head.account)
        if log is None:
            log = self._accounts[head.account] = AccountLog()
        log.last = head.account_sequence
        log.kept.append(message)
        self._kept.append(head.account)
        if len(self._kept) > KEPT_EVENTS:
            self._accounts[self._kept.popleft()].kept.popleft()
        if log.listeners:
            told = self.private_message(message)
            slow = [one for one in log.listeners if not one.tell(told)]
            log.listeners.difference_update(slow)

    def private_message(self, message: bytes) -> bytes:
        """An account's event as the channel tells it."""
        return b'{"channel":"account",' + self.teller().tell(message)[1:]

    def teller(self) -> Teller:
        """What tells events as of the catalogue now."""
        catalogue = self._catalogue()
        if self._teller is None or self._teller.catalogue is not catalogue:
            self._teller = Teller(catalogue, self.market_of)
        return self._teller


def _public(market: Market, second: OrderFilled | FillRow, sequence: int, time_ns: int) -> PublicTrade:
    """A trade by its second side. In an auction both sides rested, and nobody took."""
    return PublicTrade(
        trade=str(second.trade),
        price=market.price.text(second.price),
        quantity=market.quantity.text(second.lots),
        side=AUCTION if second.maker else _SIDES[second.side],
        liquidation=bool(second.liquidation),
        seq=sequence,
        ts_ns=time_ns,
    )


def notices_message(notices: list[dict[str, Any]]) -> bytes:
    """Notices as the channel tells them: each whole, as it is now."""
    return as_bytes({"channel": "notices", "notices": notices})


def trades_message(market: str, trades: list[PublicTrade]) -> bytes:
    """Trades as the channel tells them."""
    return as_bytes({"channel": "trades", "market": market, "trades": trades})
