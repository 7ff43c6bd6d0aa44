"""One operation, from what was said to what it came to, whichever door it came through.

Responsible for: the one order of things: read, authorise, budget, send, answer; and what an answer says. Never: knows HTTP or WebSocket.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import Any, Final, NamedTuple

import msgspec

from novate.core_process.wire import Answered
from novate.gateway.errors import GatewayRefused, Rule
from novate.gateway.gate import Gate
from novate.gateway.link import VenueLink
from novate.gateway.streams import Streams
from novate.identity import Principal, Standing
from novate.messages import (
    AmendOrder,
    BookChanged,
    CancelOrder,
    Command,
    CommandRefused,
    EventMessage,
    Flags,
    IndexChanged,
    MarkChanged,
    OrderBatch,
    OrderCancelled,
    OrderFilled,
    OrderPlaced,
    PlaceOrder,
    PlaceOrderFull,
    PlaceTwap,
    encode,
    iter_events,
    reports,
)
from novate.messages.codes import CancelReason
from novate.messages.refusals import number_of
from novate.messages.reports.orders import waiting as waiting_orders
from novate.schema.catalogue import Catalogue
from novate.schema.operations import Args, Operation, client_id, client_text, operation, parse, to_command
from novate.schema.outcomes import Outcome, Problem, outcome, problem
from novate.schema.scale import decimal_text

_NEW_ORDERS: Final = (PlaceOrder, PlaceOrderFull, PlaceTwap)
_MARKET_DATA: Final = (BookChanged, IndexChanged, MarkChanged)
"""Told to everybody, by the streams."""
_LOOKS_UP: Final = 5
"""What it costs to amend an order that this gateway did not see placed, above what amending costs."""
_AMEND: Final = "amend_order"
_SENT_BEFORE: Final = number_of("order_already_exists")


class OrderResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of an order at once.

    Attributes:
        order: The venue's id; the same across amendments.
        status: `open`, `filled` or `cancelled`; of a duplicate `open` or `ended`.
        filled: Quantity that traded; absent of a duplicate that has ended.
        remaining: What rests or waits.
        average_price: Of what traded, rounded half up to nine decimals; for people, the fills are exact.
        client_id: The sender's own id.
        reason: Why the rest was cancelled.
        duplicate: The same client id was sent before: this is the answer that it had.
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


class Actions:
    """Does operations for whoever a door says speaks."""

    def __init__(self, link: VenueLink, streams: Streams, gate: Gate) -> None:
        self._link, self._streams, self._gate = link, streams, gate

    @property
    def catalogue(self) -> Catalogue:
        """Names and scales as of now. Raises GatewayRefused before the venue was reached."""
        if self._link.catalogue is None:
            raise GatewayRefused(Rule.VENUE_MUST_BE_REACHABLE)
        return self._link.catalogue

    async def do(
        self, principal: Principal, name: str, account: int, said: bytes, address: str = ""
    ) -> Replied:
        """An operation by name, its arguments as JSON. Raises what `told` knows; what the engine refuses is a reply."""
        op = operation(name)
        return await self.carry_out(principal, op, account, parse(op, said or b"{}"), address)

    async def carry_out(
        self, principal: Principal, op: Operation, account: int, args: Args, address: str = ""
    ) -> Replied:
        """The same with its arguments read."""
        return await self.finish(
            principal, await self.prepare(principal, op, account, args), account, address
        )

    async def prepare(
        self, principal: Principal, op: Operation, account: int, args: Args
    ) -> tuple[Command, int]:
        """The command that is wished for, and the market of the order that it names, 0 for none. May have to ask the reader."""
        market = await self.where(op, account, args, principal)
        return to_command(self.catalogue, args, market), 0 if isinstance(market, tuple) else market

    async def finish(
        self, principal: Principal, prepared: tuple[Command, int], account: int, address: str = ""
    ) -> Replied:
        """Authorises, pays for, sends and answers. Before the command is sent nothing is waited for."""
        command, market = prepared
        market = getattr(command, "market", 0) or market
        markets = tuple(getattr(command, "markets", None) or ((market,) if market else ()))
        reduces = self._gate.authorise(
            principal, type(command).__name__, account, markets, self._notional(command, market)
        )
        reduces = reduces or _only_reduces(command)
        standing = self._gate.spend(principal, reduces=reduces, address=address)
        answered = await self._link.send(command, account, principal.actor, reserved=reduces)
        reply, status = await self._reply(answered, command, account, market)
        return Replied(reply, status, standing)

    async def _reply(
        self, answered: Answered, command: Command, account: int, market: int
    ) -> tuple[Reply, int]:
        events = list(iter_events(answered.events))
        seq, ts_ns = answered.first_sequence, answered.time_ns
        refused = next((e.body for e in events if isinstance(e.body, CommandRefused)), None)
        if refused is not None and refused.code == _SENT_BEFORE and isinstance(command, _NEW_ORDERS):
            return Reply(
                ok=True,
                ts_ns=ts_ns,
                seq=seq,
                result=Done(events=(), order=await self._before(command, account, refused.value)),
            ), 200
        if refused is not None:
            return Reply(
                ok=False, ts_ns=ts_ns, seq=seq, error=problem(self.catalogue, refused, market, command)
            ), 422
        mine = [
            e for e in events if e.header.account in {account, 0} and not isinstance(e.body, _MARKET_DATA)
        ]
        shown = tuple(outcome(self.catalogue, event, self._market_of) for event in mine)
        done = Done(events=shown, order=self._order(command, mine))
        return Reply(ok=True, ts_ns=ts_ns, seq=seq, result=done), 200

    async def _before(self, command: Any, account: int, order: int) -> OrderResult:
        """How an order stands now that was sent before under the same client id."""
        report, _ = await self._link.ask(reports.account, account)
        waiting, _ = await self._link.ask(waiting_orders, account)
        rests = next((line.leaves for line in report.orders if line.order == order), 0) or next(
            (line.lots - line.filled for line in waiting.orders if line.order == order), 0
        )
        quantity = self.catalogue.markets[command.market].quantity
        return OrderResult(
            order=str(order),
            status="open" if rests else "ended",
            filled=quantity.text(command.lots - rests) if rests else None,
            remaining=quantity.text(rests),
            client_id=client_text(command.client_id) or None,
            duplicate=True,
        )

    def _market_of(self, order: int) -> int:
        return self._streams.markets_of_orders.get(order, 0)

    def _order(self, command: Command, events: Sequence[EventMessage]) -> OrderResult | None:
        if not isinstance(command, _NEW_ORDERS):
            return None
        placed = next((e.body for e in events if isinstance(e.body, OrderPlaced)), None)
        if placed is None:
            return None
        listed = self.catalogue.markets[placed.market]
        left, filled, worth = placed.lots, 0, 0
        reason = None
        for event in events:
            body = event.body
            if isinstance(body, OrderFilled) and body.order == placed.order:
                filled, worth, left = filled + body.lots, worth + body.lots * body.price, body.leaves
            elif isinstance(body, OrderCancelled) and body.order == placed.order:
                left, reason = 0, _word(CancelReason, body.reason)
        status = "cancelled" if reason else "open" if left else "filled"
        if status == "open":
            self._streams.markets_of_orders[placed.order] = placed.market
        return OrderResult(
            order=str(placed.order),
            status=status,
            filled=listed.quantity.text(filled),
            remaining=listed.quantity.text(left),
            average_price=_average(worth, filled, listed.price.step) if filled else None,
            client_id=client_text(placed.client_id) or None,
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
        """What an order is worth at most, micro-dollars; None for what is no order."""
        if not isinstance(command, PlaceOrder | PlaceOrderFull | PlaceTwap):
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


def _only_reduces(command: Command) -> bool:
    return isinstance(command, PlaceOrder | PlaceOrderFull) and bool(command.flags & Flags.REDUCE_ONLY)


def _average(worth: int, lots: int, step: Any) -> str:
    return decimal_text(round(step * worth * 10**9 / lots), 9)


def _word(code: Any, number: int) -> str:
    return code(number).name.lower() if number in code._value2member_map_ else str(number)
