"""One operation, from what was said to what it came to, whichever door it came through.

Responsible for: the one order of things: read, authorise, budget, send, answer; and what an answer says. Never: knows HTTP or WebSocket.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from math import ceil
from typing import Any, Final, NamedTuple, cast

import msgspec

from novate.core_process.wire import Answered
from novate.gateway.batches import Barred, Leg, as_refused, barred_legs, in_place, is_limited
from novate.gateway.errors import GatewayRefused
from novate.gateway.gate import Gate
from novate.gateway.history import History
from novate.gateway.link import VenueLink
from novate.gateway.streams import Streams
from novate.identity import Principal, Standing
from novate.messages import (
    AmendOrder,
    CancelOrder,
    Command,
    CommandRefused,
    EventHead,
    Flags,
    OrderBatch,
    OrderCancelled,
    OrderFilled,
    OrderPlaced,
    PlaceOrder,
    PlaceOrderFull,
    PlaceTwap,
    TriggerPlaced,
    TwapPlaced,
    body_reader,
    decode_command,
    encode,
    event_heads,
    iter_events,
    reports,
)
from novate.messages.codes import CancelReason
from novate.messages.commands import COMMANDS
from novate.messages.fields import NO_CLIENT_ID
from novate.messages.layout import LAYOUTS
from novate.messages.refusals import number_of
from novate.messages.reports.orders import waiting as waiting_orders
from novate.projections import queries
from novate.projections.rows import OrderRow
from novate.projections.trading import OrderStatus
from novate.schema.catalogue import Catalogue
from novate.schema.hearing import Hearer
from novate.schema.operations import Args, Operation, client_id, client_text, operation, parse, to_command
from novate.schema.outcomes import Outcome, Problem, problem
from novate.schema.scale import decimal_text

_NEW_ORDERS: Final = (PlaceOrder, PlaceOrderFull, PlaceTwap)
_NAMES_ORDERS: Final = (AmendOrder, OrderBatch)
"""Of these the market of the order that they name must be known: for scales."""


def _readers(kinds: tuple[type[Command], ...], *names: str) -> dict[type[Command], Callable[..., Any]]:
    return {kind: body_reader(kind, *names) for kind in kinds}


_READ_ORDER: Final = _readers((CancelOrder, AmendOrder), "order", "client_id")
_READ_FLAGS: Final = _readers((PlaceOrder, PlaceOrderFull), "market", "flags")
_READ_MARKET: Final = {
    kind: body_reader(kind, "market")
    for kind in COMMANDS
    if LAYOUTS[kind].message is not None and "market" in kind.__struct_fields__
}
_LIST_MARKETS: Final = {kind for kind in COMMANDS if "markets" in kind.__struct_fields__}
_REDUCE_ONLY: Final = int(Flags.REDUCE_ONLY)
_REASONS: Final = {int(reason): reason.name.lower() for reason in CancelReason}
_read_refused: Final = body_reader(CommandRefused)
_READ_PLACED: Final = {
    kind.KIND: body_reader(kind, "order", "market", "lots", "client_id")
    for kind in (OrderPlaced, TriggerPlaced, TwapPlaced)
}
_read_filled: Final = body_reader(OrderFilled, "order", "price", "lots", "leaves")
_read_cancelled: Final = body_reader(OrderCancelled, "order", "reason")
_LOOKS_UP: Final = 5
"""What it costs to amend an order that this gateway did not see placed, above what amending costs."""
_AMEND: Final = "amend_order"
_WAITING: Final = 1 << 63
"""The bit of ids that wait: `WAITING` of `crates/novate-core/src/state/trading.rs`."""
_SENT_BEFORE: Final = number_of("order_already_exists")


class OrderResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of an order at once.

    Attributes:
        order: The venue's id; the same across amendments.
        status: `open`, `filled`, `cancelled`, or `waiting` for a trigger and a parent order. Of a duplicate also `fired`, and `ended` where
            the read models can't say how.
        filled: Quantity that traded; absent of a duplicate where the read models can't say it.
        remaining: What rests or waits.
        average_price: Of what traded, rounded half up to nine decimals; for people, the fills are exact.
        client_id: The sender's own id.
        reason: Why the rest was cancelled.
        duplicate: The same client id was sent before: this is how that order stands.
    """

    order: str
    status: str
    remaining: str
    filled: str | None = None
    average_price: str | None = None
    client_id: str | None = None
    reason: str | None = None
    duplicate: bool = False


class Done(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an operation came to.

    Attributes:
        events: All events of the command that the sender may see, in order.
        order: Of an operation that places one order.
    """

    events: tuple[Outcome, ...]
    order: OrderResult | None = None


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The envelope of every answer.

    Attributes:
        ok: Whether it was done.
        result: What it came to.
        error: Why not.
        ts_ns: The venue's time.
        seq: Position in the journal that the answer is of.
        id: The sender's own, repeated.
    """

    ok: bool
    ts_ns: int
    seq: int
    result: Any = None
    error: Problem | None = None
    id: str | int | None = None


class Replied(NamedTuple):
    """A reply, its HTTP status, and what is left of the sender's budget."""

    reply: Reply
    status: int
    standing: Standing | None = None


Then = Callable[[Replied | BaseException], None]
"""Gets the reply to an operation, or why there is none."""


class Prepared(NamedTuple):
    """A command that is wished for."""

    kind: type[Command]
    message: bytes
    """Whole, and nobody's yet."""
    market: int
    """That it, or the order which it names, is of; 0 for none."""
    reduces: bool = False
    """Whether it says that it only reduces."""
    legs: tuple[Leg, ...] = ()
    """Of a batch of a key that is limited."""

    def command(self) -> Command:
        """The command by its fields: for what few ask."""
        return decode_command(self.message).body


class _SentBefore(Exception):
    """Not an error: the answer is looked up."""

    def __init__(self, order: int) -> None:
        super().__init__(order)
        self.order = order


class Actions:
    """Does operations for whoever a door says speaks."""

    def __init__(self, link: VenueLink, streams: Streams, gate: Gate, history: History) -> None:
        self._link, self._streams, self._gate, self._history = link, streams, gate, history
        self._hearer: Hearer | None = None
        self._asking: set[asyncio.Task[OrderResult]] = set()

    @property
    def catalogue(self) -> Catalogue:
        """Names and scales as of now. Raises GatewayRefused before the venue was reached."""
        if self._link.catalogue is None:
            raise self._link.unreachable()
        return self._link.catalogue

    async def do(
        self, principal: Principal, name: str, account: int, said: bytes, address: str = ""
    ) -> Replied:
        """An operation by name, its arguments as JSON. Raises what `told` knows; what the engine refuses is a reply."""
        op = operation(name)
        prepared = self.prepared(op, account, said) or await self.prepare(principal, op, account, said)
        answer: asyncio.Future[Replied] = asyncio.get_running_loop().create_future()
        self.send(principal, prepared, account, address, partial(_settle, answer))
        return await answer

    def prepared(self, op: Operation, account: int, said: bytes) -> Prepared | None:
        """The command that is wished for; None where somebody has to be asked first."""
        message = self._hearing().command(op, said, partial(self._rests_here, AmendOrder, account))
        if message is not None:
            return self._of_record(op.command, account, message)
        return None if op.command in _NAMES_ORDERS else self._of_args(op, account, parse(op, said), 0)

    async def prepare(self, principal: Principal, op: Operation, account: int, said: bytes) -> Prepared:
        """The same; may have to ask the reader where the order rests that it names."""
        args = parse(op, said)
        market = await self.where(op, account, args, principal)
        prepared = self._of_args(op, account, args, market)
        if isinstance(market, tuple) and is_limited(principal):
            return prepared._replace(legs=self._legs(account, args, market))
        return prepared

    def _hearing(self) -> Hearer:
        catalogue = self.catalogue
        if self._hearer is None or self._hearer.catalogue is not catalogue:
            self._hearer = Hearer(catalogue)
        return self._hearer

    def _of_record(self, kind: type[Command], account: int, message: bytes) -> Prepared:
        if kind in _READ_FLAGS:
            market, flags = _READ_FLAGS[kind](message, 0)
            return Prepared(kind, message, market, bool(flags & _REDUCE_ONLY))
        if kind in _READ_ORDER:
            return Prepared(kind, message, self._rests_here(kind, account, message))
        return Prepared(kind, message, _READ_MARKET[kind](message, 0)[0] if kind in _READ_MARKET else 0)

    def _of_args(self, op: Operation, account: int, args: Args, market: int | tuple[int, ...]) -> Prepared:
        command = to_command(self.catalogue, args, market)
        message = encode(command)
        if LAYOUTS[op.command].message is not None:
            prepared = self._of_record(op.command, account, message)
        else:
            prepared = Prepared(op.command, message, getattr(command, "market", 0))
        return prepared._replace(market=prepared.market or (market if isinstance(market, int) else 0))

    def _rests_here(self, kind: type[Command], account: int, message: bytes) -> int:
        """The market of the order that a cancellation or an amendment names; 0 where this gateway did not see it placed."""
        order, client = _READ_ORDER[kind](message, 0)
        if not order and client != NO_CLIENT_ID:
            order = self._streams.orders_by_client.get((account, client), 0)
        return self._streams.market_of(order)

    def send(self, principal: Principal, prepared: Prepared, account: int, address: str, then: Then) -> None:
        """Authorises, pays for and sends a command; `then` gets the reply, or why there is none. Raises what is known before it is sent."""
        kind, message, market, reduces, legs = prepared
        reduces = self._ask(principal, account, kind, market, prepared.command) or reduces
        barred = barred_legs(legs, partial(self._ask_leg, principal, account)) if legs else {}
        standing = self._gate.spend(principal, reduces=reduces, address=address)
        if barred:
            message = encode(in_place(cast("OrderBatch", prepared.command()), legs, barred))
        self._link.post(
            message,
            account,
            principal.actor,
            partial(self._answered, principal, prepared, account, barred, standing, then),
            reserved=reduces,
        )

    def _ask(
        self,
        principal: Principal,
        account: int,
        kind: type[Command],
        market: int,
        command: Callable[[], Command],
    ) -> bool:
        """Whether one order, or any other command, may be sent: raises IdentityRefused, or says whether it only reduces."""
        markets: tuple[int, ...] = (market,) if market else ()
        if kind in _LIST_MARKETS:
            markets = tuple(getattr(command(), "markets", None) or markets)
        notional = self._notional(command(), market) if principal.cap_micro_usd else None
        return self._gate.authorise(principal, kind.__name__, account, markets, notional)

    def _ask_leg(self, principal: Principal, account: int, leg: Leg) -> bool:
        return self._ask(principal, account, type(leg.command), leg.market, lambda: leg.command)

    def _legs(self, account: int, args: Any, markets: Sequence[int]) -> tuple[Leg, ...]:
        """The legs of a batch as commands, each with the market of its order."""
        found = []
        for said, where in zip(args.legs, markets, strict=True):
            leg = parse(operation(said.op), bytes(said.args))
            command = to_command(self.catalogue, leg, where)
            rests = self._named(account, leg) if isinstance(command, CancelOrder) else 0
            market = getattr(command, "market", 0) or where or self._streams.market_of(rests)
            found.append(Leg(command, market))
        return tuple(found)

    def _answered(
        self,
        principal: Principal,
        prepared: Prepared,
        account: int,
        barred: Barred,
        standing: Standing | None,
        then: Then,
        found: Answered | GatewayRefused,
    ) -> None:
        if isinstance(found, GatewayRefused):
            then(found)
            return
        try:
            reply, status = self._reply(found, prepared, account, barred)
        except _SentBefore as before:
            task = asyncio.ensure_future(self._before(prepared, account, before.order, found.first_sequence))
            self._asking.add(task)
            task.add_done_callback(partial(self._answered_before, found, standing, then))
        except Exception as error:  # noqa: BLE001 - one reply never ends the connection to the core
            then(error)
        else:
            self._gate.witness(principal, prepared.kind.__name__, account, reply.seq, done=reply.ok)
            then(Replied(reply, status, standing))

    def _answered_before(
        self, found: Answered, standing: Standing | None, then: Then, task: asyncio.Task[OrderResult]
    ) -> None:
        self._asking.discard(task)
        error = CancelledError() if task.cancelled() else task.exception()
        if error is not None:
            then(error)
            return
        done = Done(events=(), order=task.result())
        then(
            Replied(Reply(ok=True, ts_ns=found.time_ns, seq=found.first_sequence, result=done), 200, standing)
        )

    def _reply(
        self, answered: Answered, prepared: Prepared, account: int, barred: Barred
    ) -> tuple[Reply, int]:
        """What is said of a command's events. Raises _SentBefore for an order that was sent before under the same client id."""
        seq, ts_ns = answered.first_sequence, answered.time_ns
        events = as_refused(answered.events, prepared.legs, barred) if barred else answered.events
        for head in event_heads(events):  # first, for nothing else is told of what was refused
            if head.kind == CommandRefused.KIND and head.account in {account, 0}:
                refused = _read_refused(events, head.at)
                if refused.code == _SENT_BEFORE and prepared.kind in _NEW_ORDERS:
                    raise _SentBefore(refused.value)
                why = problem(self.catalogue, refused, prepared.market, prepared.command())
                return Reply(ok=False, ts_ns=ts_ns, seq=seq, error=why), 422
        told, mine = self._streams.teller().answer(events, account)
        order = self._order(events, mine) if prepared.kind in _NEW_ORDERS else None
        done = Done(events=cast("tuple[Outcome, ...]", told), order=order)
        return Reply(ok=True, ts_ns=ts_ns, seq=seq, result=done), 200

    async def _before(self, prepared: Prepared, account: int, order: int, seq: int) -> OrderResult:
        """How an order stands now that was sent before under the same client id.

        An amendment may have changed its quantity, so what traded is what the read models counted, not what was sent less what is left.
        """
        try:
            await self._history.reached(seq)
            row, _ = await self._history.ask(queries.order, account, order)
        except GatewayRefused:
            row = None
        if row is not None:
            return self._as_recorded(row)
        report, _ = await self._link.ask(reports.account, account)
        waiting, _ = await self._link.ask(waiting_orders, account)
        rests = next((line.leaves for line in report.orders if line.order == order), 0) or next(
            (line.lots - line.filled for line in waiting.orders if line.order == order), 0
        )
        quantity = self.catalogue.markets[prepared.market].quantity
        command: Any = prepared.command()
        return OrderResult(
            order=str(order),
            status="ended" if not rests else "waiting" if _waits(order) else "open",
            remaining=quantity.text(rests),
            client_id=client_text(command.client_id) or None,
            duplicate=True,
        )

    def _as_recorded(self, row: OrderRow) -> OrderResult:
        listed = self.catalogue.markets[row.market]
        cancelled = row.status == OrderStatus.CANCELLED
        live = row.status in {OrderStatus.OPEN, OrderStatus.WAITING}
        # Of a parent order the fills are its children's.
        worth = _average(row.filled_ticks, row.filled_lots, listed.price.step) if row.filled_ticks else None
        return OrderResult(
            order=str(row.order_id),
            status=OrderStatus(row.status).name.lower(),
            filled=listed.quantity.text(row.filled_lots),
            remaining=listed.quantity.text(row.leaves if live else 0),
            average_price=worth,
            client_id=client_text(row.client_id) or None,
            reason=_REASONS.get(row.reason, str(row.reason)) if cancelled else None,
            duplicate=True,
        )

    def _order(self, events: bytes, mine: Sequence[EventHead]) -> OrderResult | None:
        order, market, client, waits = 0, 0, NO_CLIENT_ID, False
        left, filled, worth, reason = 0, 0, 0, None
        for head in mine:
            kind = head.kind
            if not order:
                if kind in _READ_PLACED:
                    order, market, left, client = _READ_PLACED[kind](events, head.at)
                    waits = kind != OrderPlaced.KIND
            elif kind == OrderFilled.KIND:
                whose, price, lots, leaves = _read_filled(events, head.at)
                if whose == order:
                    filled, worth, left = filled + lots, worth + lots * price, leaves
            elif kind == OrderCancelled.KIND:
                whose, why = _read_cancelled(events, head.at)
                if whose == order:
                    left, reason = 0, _REASONS.get(why, str(why))
        if not order:
            return None
        listed = self.catalogue.markets[market]
        status = "cancelled" if reason else "waiting" if waits else "open" if left else "filled"
        if left:
            self._streams.markets_of_orders[order] = market
        return OrderResult(
            order=str(order),
            status=status,
            filled=listed.quantity.text(filled),
            remaining=listed.quantity.text(left),
            average_price=_average(worth, filled, listed.price.step) if filled else None,
            client_id=client_text(client) or None,
            reason=reason,
        )

    async def where(
        self, op: Operation, account: int, args: Any, principal: Principal | None
    ) -> int | tuple[int, ...]:
        """Where an order that is named by its id rests, for what says no market itself; of a batch for each leg.

        `principal` is who asks, where that was neither authorised nor paid for yet: asking the reader is not for everybody.
        """
        if op.command is OrderBatch:
            legs = [(leg, operation(leg.op)) for leg in args.legs if leg.op == _AMEND]
            known = {
                id(leg): await self._rests(account, parse(of, bytes(leg.args)), principal) for leg, of in legs
            }
            return tuple(known.get(id(leg), 0) for leg in args.legs)
        if op.command is AmendOrder:
            return await self._rests(account, args, principal)
        if op.command is CancelOrder:
            return self._streams.markets_of_orders.get(self._named(account, args), 0)
        return 0

    def _named(self, account: int, args: Any) -> int:
        if args.order or not args.client_id:
            return int(args.order or 0)
        return self._streams.orders_by_client.get((account, client_id(args.client_id)), 0)

    async def _rests(self, account: int, args: Any, principal: Principal | None) -> int:
        """The market of the order that an amendment names; 0 where there is none. Asks where this gateway did not see it placed."""
        number = self._named(account, args)
        if number in self._streams.markets_of_orders:
            return self._streams.markets_of_orders[number]
        if principal is not None:
            self._gate.authorise(principal, CancelOrder.__name__, account)
            self._gate.spend(principal, weight=_LOOKS_UP)
        if not number and args.client_id:
            number = await self._under(account, client_id(args.client_id))
        if number:
            report, _ = await self._link.ask(reports.account, account)
            waiting, _ = await self._link.ask(waiting_orders, account)
            rests = {line.order: line.market for line in report.orders}
            self._streams.markets_of_orders |= rests | {line.order: line.market for line in waiting.orders}
        return self._streams.markets_of_orders.get(number, 0)

    async def _under(self, account: int, client: bytes) -> int:
        """The live order under a client id, 0 for none: what its cancellation would cancel, on a copy of the venue."""
        told = await self._link.foretell(encode(CancelOrder(order=0, client_id=client), account))
        ended = [e.body.order for e in iter_events(told.events) if isinstance(e.body, OrderCancelled)]
        return ended[0] if ended else 0

    def _notional(self, command: Command, market: int) -> int | None:
        """What an order is worth at most, micro-dollars; None for what is no order, or an amendment that leaves out price or quantity.

        What an amendment leaves as it is may change until it arrives, so whoever has a cap says both.
        """
        if not isinstance(command, (*_NEW_ORDERS, AmendOrder)):
            return None
        if isinstance(command, AmendOrder) and not (command.price and command.lots):
            return None
        listed = self.catalogue.markets.get(market)
        if listed is None:
            return None
        state = self._streams.prices.get(listed.underlying.underlying)
        index = Fraction(state.index) if state is not None and state.index is not None else None
        if index is None and not command.price:
            return None
        # A sale far below the market trades at the market.
        price = max(listed.price.step * command.price, index or Fraction(0))
        return ceil(price * listed.quantity.step * command.lots * 1_000_000)


def _waits(order: int) -> bool:
    """Whether an id is one of a trigger or a parent order."""
    return bool(order & _WAITING)


def _average(worth: int, lots: int, step: Any) -> str:
    return decimal_text(round(step * worth * 10**9 / lots), 9)


def _settle(answer: asyncio.Future[Replied], found: Replied | BaseException) -> None:
    if answer.done():
        return
    if isinstance(found, BaseException):
        answer.set_exception(found)
    else:
        answer.set_result(found)
