"""From words to commands, and from the engine's answers to what became of them.

Responsible for: the one command that a word becomes, what it does to its order's life, and which refusals only say that the engine knew it
already. Never: sends or keeps.

Every command here may come twice, by a kill between its journal and ours. The engine answers a repeat by a refusal that changes nothing
(`is_no_news`); the few commands that it would take again (`ONCE`) are told again only after the journal was seen not to hold them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from novate.broker import (
    Accepted,
    Busted,
    Cancelled,
    CancelRefused,
    Corrected,
    Filled,
    LineLost,
    LineUp,
    NotKnown,
    Rejected,
    Replaced,
    Settled,
    execution_bytes,
)
from novate.clearing.life import Event, State
from novate.clearing.names import Names, settles_ns
from novate.clearing.outbox import Kept, Order, Outbox
from novate.clearing.words import (
    Arrived,
    Converted,
    Defaulted,
    Deliver,
    Ended,
    EndInKind,
    InKind,
    Over,
    PaidOut,
    PayOut,
    PriceAsked,
    ReserveInKind,
    Returned,
    Word,
)
from novate.messages import (
    Command,
    CommandRefused,
    Deposit,
    RequestWithdrawal,
    SettleWithdrawal,
    Side,
)
from novate.messages.commands.clearing import (
    CancelRequest,
    DeliverRequest,
    GiveFirmPrice,
    ReportBrokerAccepted,
    ReportBrokerCancelled,
    ReportBrokerDefault,
    ReportBrokerFill,
    ReportBrokerLine,
    ReportBrokerReject,
    ReportBust,
    ReportConversion,
    ReportCorrection,
    ReportInKind,
    ReportSettlement,
    RequestInKind,
)
from novate.messages.refusals import number_of

SOON_NS: Final = 3_600 * 10**9
"""An execution that is heard after its settlement day settles an hour later in the books, unless it is reported before."""

_SETTLED: Final = frozenset((1,))
_CARRIED: Final = frozenset((2, 4))
"""Stages of an execution, as the engine counts them: taken back, and failed to settle."""
ONCE: Final = (Corrected, InKind, ReserveInKind, Arrived, PayOut, PaidOut)
"""Words that the engine would take twice, a correction where another one of the same execution came after it."""
ALONE: Final = (*ONCE, Ended)
"""Words of which it must be known what became of those before them; each is a buffer of its own."""


class Told(NamedTuple):
    """What a word comes to."""

    command: Command | None = None
    order: str = ""
    """The order whose life goes on by it; empty where none does."""
    event: Event | None = None
    account: int = 0
    """Whose command it is; 0 for the venue's own."""
    problem: str = ""
    """Why no command can be made of it: a person has to look."""


def is_no_news(word: Word, refused: CommandRefused, outbox: Outbox) -> bool:
    """Whether a refusal only says that the engine knew it, or that it is over: nothing was lost, and nothing is done twice.

    A conversion that the engine does not know is over where it is in the outbox; elsewhere the number is wrong, and a person has to look.
    Where the engine does not reserve in kind, that is the answer to whoever asked, and nobody's matter beyond that.
    """
    if isinstance(word, ReserveInKind):
        return True
    if refused.code not in _NO_NEWS.get(refused.command, ()):
        return False
    if isinstance(word, Converted):
        return outbox.knows_conversion(word.conversion)
    if refused.code != _EXECUTION_OPEN:
        return True
    # An execution in quarantine that settles or is taken back, or one that was taken back and settles after all, is news.
    return refused.value in (_SETTLED if isinstance(word, Settled) and word.settled else _CARRIED)


def leaves_open(word: Word, code: int, *, broke: bool) -> bool:
    """Whether the engine may still count on an order whose broker is done with it.

    So it is where its last execution waits behind a break (`broke`), or was told before and may.
    """
    return isinstance(word, Filled) and word.complete and (broke or code == EXECUTION_NEW)


EXECUTION_NEW: Final = number_of("execution_must_be_new")
_ORDER_DONE: Final = number_of("broker_order_must_be_open")
ORDER_OVER: Final = frozenset((number_of("broker_order_must_exist"), _ORDER_DONE))
"""Refusals that say that an order is over, remembered or not."""
_EXECUTION_OPEN: Final = number_of("execution_must_be_open")
_NO_NEWS: Final[dict[int, frozenset[int]]] = {
    ReportBrokerAccepted.KIND: frozenset((_ORDER_DONE,)),
    ReportBrokerReject.KIND: frozenset((_ORDER_DONE,)),
    ReportBrokerCancelled.KIND: frozenset((_ORDER_DONE,)),
    ReportBrokerFill.KIND: frozenset((EXECUTION_NEW,)),
    ReportBust.KIND: frozenset((_EXECUTION_OPEN,)),
    ReportCorrection.KIND: frozenset((number_of("correction_must_change_something"),)),
    ReportSettlement.KIND: frozenset((_EXECUTION_OPEN,)),
    CancelRequest.KIND: frozenset((number_of("request_must_exist"), number_of("request_must_allow_event"))),
    DeliverRequest.KIND: frozenset((number_of("request_must_allow_event"),)),
    ReportConversion.KIND: frozenset((number_of("conversion_must_be_pending"),)),
    GiveFirmPrice.KIND: frozenset((number_of("quote_must_be_known"), number_of("quote_must_be_firm"))),
}


def told(kept: Kept, orders: Outbox, names: Names, now_ns: int) -> Told:
    """The command of a word, and its order's next step."""
    word, broker = kept.word, kept.broker
    match word:
        case LineUp() | LineLost():
            return Told(ReportBrokerLine(broker=broker, connected=int(isinstance(word, LineUp))))
        case Busted():
            return Told(ReportBust(broker=broker, execution=execution_bytes(word.execution)))
        case Settled():
            return Told(
                ReportSettlement(
                    broker=broker, settled=int(word.settled), execution=execution_bytes(word.execution)
                )
            )
        case Deliver():
            return Told(DeliverRequest(request=word.request))
        case Converted():
            return Told(ReportConversion(conversion=word.conversion, amount=word.amount))
        case InKind():
            return Told(ReportInKind(request=word.request, shares=word.shares))
        case Defaulted():
            return Told(ReportBrokerDefault(broker=broker))
        case CancelRefused() | Replaced() | PriceAsked():
            return Told()
        case ReserveInKind() | Arrived() | PayOut() | EndInKind():
            return Told(_of_network(word), account=word.account)
        case PaidOut():
            return Told(SettleWithdrawal(withdrawal=word.withdrawal))
        case Corrected():
            return _corrected(word, orders.order_of_execution(broker, word.execution), broker, names)
        case _:
            return _of_order(word, broker, orders.order(word.order), names, now_ns)


def _of_order(
    word: Accepted | Filled | Rejected | Cancelled | NotKnown | Returned | Over | Ended,
    broker: int,
    order: Order | None,
    names: Names,
    now_ns: int,
) -> Told:
    if order is None or broker not in (0, order.broker):
        whose = "nobody's" if order is None else f"broker {order.broker}'s"
        return Told(problem=f"order {word.order or '(none)'} is {whose}")
    number, said = order.number, (word.order,)
    match word:
        case Accepted():
            return Told(ReportBrokerAccepted(order=number), *said, Event.ALIVE)
        case Filled():
            return Told(_fill(word, order, names, now_ns), *said, Event.END if word.complete else Event.ALIVE)
        case Rejected():
            return Told(ReportBrokerReject(order=number), *said, Event.END)
        case Cancelled():
            return Told(ReportBrokerCancelled(order=number), *said, Event.END)
        case NotKnown():
            return Told(None, *said, Event.NOT_KNOWN)
        case Returned():
            return Told(
                ReportBrokerReject(order=number) if word.wanted else ReportBrokerCancelled(order=number)
            )
        case Over():
            return Told(ReportBrokerCancelled(order=number))
        case Ended():
            if order.state is not State.DISPUTED:  # the broker said something of it since: that is what is so
                return Told(problem=f"order {order.id} is {order.state}, not disputed")
            return Told(ReportBrokerCancelled(order=number), *said, Event.SETTLE)


def _of_network(word: ReserveInKind | Arrived | PayOut | EndInKind) -> Command:
    match word:
        case ReserveInKind():
            return RequestInKind(
                token=word.token, direction=word.direction, amount=word.amount, broker=word.broker, reference=word.reference
            )  # fmt: skip
        case Arrived():
            return Deposit(asset=word.asset, amount=word.amount, reference=word.reference)
        case PayOut():
            return RequestWithdrawal(asset=word.asset, amount=word.amount)
        case EndInKind():
            return CancelRequest(request=word.request)


def _fill(word: Filled, order: Order, names: Names, now_ns: int) -> ReportBrokerFill:
    """The execution as it was told: whether it fits its order is the engine's to say."""
    underlying = names.underlying_of(word.symbol)
    return ReportBrokerFill(
        order=order.number,
        execution=execution_bytes(word.execution),
        underlying=underlying,
        side=word.side,
        complete=int(word.complete),
        shares=word.shares,
        price=names.price_heard(order.underlying, word.price, up=word.side == Side.BID),
        fee=word.fee,
        settle_time_ns=max(settles_ns(word.settles), now_ns + SOON_NS),
    )


def _corrected(word: Corrected, order: Order | None, broker: int, names: Names) -> Told:
    if order is None:
        return Told(problem=f"execution {word.execution} is of no order that is known here")
    price = names.price_heard(order.underlying, word.price, up=order.said.side == Side.BID)
    return Told(
        ReportCorrection(
            broker=broker, execution=execution_bytes(word.execution), shares=word.shares, price=price
        )
    )
