"""Who listens to what: market data for everybody, an account's events for those who may see them.

Responsible for: turning the venue's events into messages once, whoever listens; conflation; private events numbered without a gap and told
again from a number on; cutting off who does not keep up. Never: knows a transport; a listener is something that takes bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from novate.core_process.wire import Answered
from novate.gateway.books import (
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
    iter_events,
)
from novate.messages.reports import MarketLine, UnderlyingLine
from novate.schema.catalogue import Catalogue
from novate.schema.outcomes import outcome

CHECKED_EVERY: Final = 16
"""Book messages between two checksums."""
KEPT_TRADES: Final = 1000
KEPT_EVENTS: Final = 1_000_000
"""Private events, of all accounts together, that can be told again from memory."""
_LIQUIDATIONS: Final = (LiquidationStarted, LiquidationSlice, LiquidationEnded)
_STATUS: Final = (SessionChanged, MarketPhaseChanged, Restricted, RestrictionEnded, VenueResumed, Listed)
PUBLIC: Final = ("book", "bbo", "trades", "prices", "liquidations", "status")
"""Public channels."""


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

    kept: deque[EventMessage] = field(default_factory=deque)
    listeners: set[Listener] = field(default_factory=set)
    last: int = 0
    """Number of the last one among the account's events."""

    def since(self, number: int) -> list[EventMessage]:
        """The events behind a number. Raises GatewayRefused when some of them are not kept any more."""
        if not self.kept or self.kept[0].account_sequence > number + 1:
            raise GatewayRefused(Rule.RESUME_MUST_BE_WITHIN_REACH, field="resume_from")
        return [event for event in self.kept if event.account_sequence > number]


class Streams:
    """All that is told without being asked. For one event loop; `feed` takes the venue's events in order."""

    def __init__(self, epoch: str, catalogue: Callable[[], Catalogue]) -> None:
        self.epoch = epoch
        self._catalogue = catalogue
        self.books: dict[int, MarketBook] = {}
        self.trades: dict[int, deque[PublicTrade]] = {}
        self.prices: dict[int, PriceState] = {}
        self.markets_of_orders: dict[int, int] = {}
        """Live orders to their markets, as far as this gateway saw them placed."""
        self.orders_by_client: dict[tuple[int, bytes], int] = {}
        """(account, client id) of live orders, likewise."""
        self._clients: dict[int, tuple[int, bytes]] = {}
        self._groups: dict[Topic, Group] = {}
        self._by_market: dict[int, list[Group]] = {}
        self._accounts: dict[int, AccountLog] = {}
        self._kept: deque[int] = deque()
        self._meanwhile: list[tuple[BookChanged, int, int]] | None = None
        """What changed in books since whole ones were asked for."""
        self.on_listing: Callable[[], None] = lambda: None

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
        """Adds a listener to an account's events, those behind `resume_from` first; returns the number of the last one so far."""
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
        touched: set[int] = set()
        for event in iter_events(frame.events):
            body, seq, ts_ns = event.body, event.header.sequence, event.header.time_ns
            if isinstance(body, BookChanged):
                if self._meanwhile is not None:
                    self._meanwhile.append((body, seq, ts_ns))
                if self._book_changed(body, seq, ts_ns):
                    touched.add(body.market)
                continue
            if isinstance(body, OrderFilled):
                self._filled(body, seq, ts_ns)
            elif isinstance(body, OrderPlaced):
                self._placed(event.header.account, body)
            elif isinstance(body, OrderCancelled):
                self._ended(body.order)
            elif isinstance(body, OrderAmended):
                self.markets_of_orders[body.order] = body.market
            elif isinstance(body, IndexChanged | MarkChanged | FundingSet):
                self._priced(body, seq, ts_ns)
            if isinstance(body, _LIQUIDATIONS):
                self._tell("liquidations", event)
            if isinstance(body, _STATUS):
                self._tell("status", event)
                if isinstance(body, Listed):
                    self.on_listing()
            if event.header.account and event.account_sequence:
                self._private(event)
        for market in touched:
            for group in self._by_market.get(market, ()):
                if not group.topic.interval_ms:
                    self._tell_group(group)

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

    def _book_changed(self, body: BookChanged, seq: int, ts_ns: int) -> bool:
        book = self.books.get(body.market)
        if book is None:
            market = self._catalogue().markets.get(body.market)
            if market is None:
                return False
            book = self.books[body.market] = MarketBook(market, self.epoch)
        if seq <= book.whole_seq:
            return False
        book.change(body, seq, ts_ns)
        for group in self._by_market.get(body.market, ()):
            if group.topic.channel in {"book", "bbo"}:
                group.changed[body.side, body.price] = None
                group.dirty = True
        return True

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

    def _placed(self, account: int, body: OrderPlaced) -> None:
        self.markets_of_orders[body.order] = body.market
        if any(body.client_id):
            self._clients[body.order] = account, body.client_id
            self.orders_by_client[account, body.client_id] = body.order

    def _ended(self, order: int) -> None:
        self.markets_of_orders.pop(order, None)
        client = self._clients.pop(order, None)
        if client is not None:
            self.orders_by_client.pop(client, None)

    def _filled(self, body: OrderFilled, seq: int, ts_ns: int) -> None:
        if not body.leaves:
            self._ended(body.order)
        market = self._catalogue().markets.get(body.market)
        if body.maker or market is None:
            return
        trade = PublicTrade(
            trade=str(body.trade),
            price=market.price.text(body.price),
            quantity=market.quantity.text(body.lots),
            side=Side(body.side).name.lower(),
            liquidation=bool(body.liquidation),
            seq=seq,
            ts_ns=ts_ns,
        )
        self.trades.setdefault(market.id, deque(maxlen=KEPT_TRADES)).append(trade)
        group = self._groups.get(Topic("trades", market.name))
        if group is not None and group.listeners:
            group.tell(trades_message(market.name, [trade]))

    def _priced(self, body: IndexChanged | MarkChanged | FundingSet, seq: int, ts_ns: int) -> None:
        catalogue = self._catalogue()
        if isinstance(body, IndexChanged):
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
            if isinstance(body, MarkChanged):
                state.marks[market.name] = market.mark.text(body.mark)
            else:
                state.funding_ppb[market.name] = body.rate_ppb
        state.seq, state.ts_ns = seq, ts_ns
        message: bytes | None = None
        for topic in (Topic("prices", state.underlying), Topic("prices")):
            group = self._groups.get(topic)
            if group is not None and group.listeners:
                message = message or self._prices_message(number)
                group.tell(message)

    def _prices_message(self, number: int) -> bytes:
        return as_bytes({"channel": "prices", "data": self.prices[number]})

    def _tell(self, channel: str, event: EventMessage) -> None:
        group = self._groups.get(Topic(channel))
        if group is None or not group.listeners:
            return
        told = outcome(self._catalogue(), event)
        data = {"event": told.event, "seq": told.seq, "ts_ns": told.ts_ns, "data": told.data}
        group.tell(as_bytes({"channel": channel, **data}))

    def _private(self, event: EventMessage) -> None:
        log = self._accounts.setdefault(event.header.account, AccountLog())
        log.last = event.account_sequence
        log.kept.append(event)
        self._kept.append(event.header.account)
        if len(self._kept) > KEPT_EVENTS:
            self._accounts[self._kept.popleft()].kept.popleft()
        if log.listeners:
            message = self.private_message(event)
            slow = [one for one in log.listeners if not one.tell(message)]
            log.listeners.difference_update(slow)

    def private_message(self, event: EventMessage) -> bytes:
        """An account's event as the channel tells it."""
        told = outcome(self._catalogue(), event, lambda order: self.markets_of_orders.get(order, 0))
        return as_bytes(
            {"channel": "account", **{name: getattr(told, name) for name in told.__struct_fields__}}
        )


def trades_message(market: str, trades: list[PublicTrade]) -> bytes:
    """Trades as the channel tells them."""
    return as_bytes({"channel": "trades", "market": market, "trades": trades})
