"""Events in, rows out: the one place that decides what an event becomes.

    fold = Fold(running, moment)
    fold.feed(events, last_sequence, time_ns)       whole commands, in the journal's order
    batch = running.take_batch()

Responsible for: order. Rows depend on the events and the journal alone, never on how they were cut into buffers, so that a projection
that followed live, one that caught up and one that was rebuilt hold the same rows. Never touches a database, never decides a rule.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import msgspec

from novate.messages import (
    AccountOpened,
    AccountStateChanged,
    BackstopAuctionEnded,
    BackstopAuctionOpened,
    BackstopSliceTaken,
    BankruptcyPriced,
    CollateralPassedToRecovery,
    CollateralSold,
    CorporateActionTaken,
    Deleveraged,
    DistributionPaid,
    Event,
    FundingSet,
    IndexChanged,
    InsurancePaid,
    InsuranceRepaid,
    InterestPaid,
    LiquidationEnded,
    LiquidationSlice,
    LiquidationStageChanged,
    LiquidationStarted,
    Listed,
    LoanShortfallAbsorbed,
    LossShared,
    OrderAmended,
    OrderCancelled,
    OrderDecremented,
    OrderFilled,
    OrderPlaced,
    OwnAccountSetOff,
    OwnershipMoved,
    OwnPositionsClosed,
    PositionAdjusted,
    PositionSettled,
    ReceivableChanged,
    RequestReserved,
    RequestsNetted,
    RequestStateChanged,
    ResidueBought,
    ShortfallReported,
    TermsChanged,
    TokensRedeemed,
    TriggerFired,
    TriggerPlaced,
    TwapPlaced,
    TwapSlice,
    WaitingEnded,
    decode_event,
)
from novate.messages.layout import LAYOUTS
from novate.projections import money, notices, sampling, trading
from novate.projections.causes import Cause
from novate.projections.running import At, Running
from novate.projections.sampling import HOUR_NS
from novate.projections.settling import Moment, Untold, settle
from novate.projections.trading import OrderKindShown, OrderStatus

_PEEK: Final = struct.Struct("<IH2xQ40xQ")
"""Length, type, account and its number: the first 64 bytes of every event."""
_HEAD: Final = 11
"""Values of an event's header and lead in front of its body."""

_LISTS: Final = (Listed, TermsChanged, CorporateActionTaken, ReceivableChanged)
_LIQUIDATION: Final = (
    LiquidationStarted, LiquidationSlice, LiquidationEnded, ShortfallReported, LiquidationStageChanged, BankruptcyPriced,
    InsurancePaid, InsuranceRepaid, Deleveraged, PositionSettled, LossShared, BackstopSliceTaken, BackstopAuctionOpened,
    BackstopAuctionEnded, CollateralSold, ResidueBought, CollateralPassedToRecovery, OwnAccountSetOff, OwnPositionsClosed,
    LoanShortfallAbsorbed,
)  # fmt: skip
"""Events that stand in `liquidations`."""
_HOT: Final = {
    cls.KIND: (cls, LAYOUTS[cls].message)
    for cls in (OrderPlaced, OrderFilled, OrderCancelled, OrderAmended, OrderDecremented, IndexChanged)
}
_OTHERS: Final = (
    AccountOpened, AccountStateChanged, FundingSet, RequestReserved, RequestsNetted, RequestStateChanged, OwnershipMoved,
    TriggerPlaced, TriggerFired, WaitingEnded, TwapPlaced, TwapSlice, DistributionPaid, TokensRedeemed,
)  # fmt: skip
_TAKEN: Final[tuple[type[Event], ...]] = (
    *_LISTS, *_LIQUIDATION, *_OTHERS, *money.HANDLERS, *money.UNTOLD, *notices.TAKEN
)  # fmt: skip
_RARE: Final = frozenset(cls.KIND for cls in _TAKEN)


class Fold:
    """Folds events into the running state and its batch.

    `moment` gives the engine after a command, for what events do not carry and for samples; it is asked in the journal's order.
    """

    def __init__(self, run: Running, moment: Moment) -> None:
        self.run = run
        self._moment = moment
        self._untold = Untold()
        self._announcer = notices.Announcer()
        self._sequence = run.sequence
        self._last = At(run.sequence, 0, run.time_ns)
        self._ledger_from = 0
        self._stale = False
        self._black: set[int] = set()
        self._clawed = False
        self._liquidating = {account for account, row in run.accounts.items() if row[4]}

    def feed(self, events: bytes, last_sequence: int, time_ns: int) -> None:
        """Takes whole commands' events, up to and with those of command `last_sequence`, whose time is `time_ns`."""
        at, end = 0, len(events)
        told = self.run.batch.appended["account_events"].append
        while at < end:
            length, kind, account, number = _PEEK.unpack_from(events, at)
            if number:
                told((account, number, events[at : at + length]))
            hot = _HOT.get(kind)
            if hot is not None and hot[1] is not None:
                values = hot[1].unpack_from(events, at)
                if values[6] != self._sequence:
                    self._turn_to(values[6], values[7])
                if kind == IndexChanged.KIND:
                    self.run.listing.index[values[_HEAD]] = values[_HEAD + 4]
                    self.run.batch.listing = True
                else:
                    place = self._last = At(values[6], values[8], values[7])
                    self._hot(hot[0], place, values[3], values[_HEAD:])
            elif kind in _RARE:
                message = decode_event(memoryview(events)[at : at + length])
                header = message.header
                if header.sequence != self._sequence:
                    self._turn_to(header.sequence, header.time_ns)
                place = self._last = At(header.sequence, message.number, header.time_ns)
                self._rare(place, header.account, message.body)
            at += length
        self._close()
        if self._stale:
            self._read_listing(last_sequence)
        self.run.sequence, self.run.time_ns = last_sequence, time_ns
        self._ledger_from = 0

    # --- commands ------------------------------------------------------------------------------------------------------

    def _turn_to(self, sequence: int, time_ns: int) -> None:
        """Another command begins: what is due between commands comes first."""
        self._close()
        if self._stale:
            self._read_listing(sequence - 1)
        if time_ns >= self.run.next_sample_ns:
            self._sample(sequence - 1, time_ns)
        self._sequence = sequence
        self._ledger_from = len(self.run.batch.appended["ledger"])

    def _close(self) -> None:
        """The present command is whole: what its events left open is asked for."""
        if self._untold:
            settle(self.run, self._untold, self._last, self._ledger_from, self._moment)
            self._untold = Untold()
        self._announcer.close(self.run)
        self._black.clear()
        self._clawed = False

    def _read_listing(self, sequence: int) -> None:
        self.run.listing.read(self._moment(sequence))
        self.run.batch.listing = True
        self._stale = False

    def _sample(self, sequence: int, time_ns: int) -> None:
        run = self.run
        boundary = time_ns - time_ns % HOUR_NS
        first = run.next_sample_ns == 0
        crossed = 1 if first else (boundary - run.next_sample_ns) // HOUR_NS + 1
        run.next_sample_ns = boundary + HOUR_NS
        engine = None if first or sequence < 1 else self._moment(sequence)
        sampling.sample(run, sequence, boundary, crossed, engine)

    # --- hot events ----------------------------------------------------------------------------------------------------

    def _hot(self, cls: type[Event], at: At, account: int, body: tuple[Any, ...]) -> None:
        run = self.run
        if cls is OrderFilled:
            trading.filled(run, at, account, body)
        elif cls is OrderPlaced:
            order, market, side, kind, tif, flags, price, lots, client = body
            trading.place(
                run,
                at,
                account,
                (order, market, side, kind, tif, flags),
                price,
                lots,
                client,
                OrderStatus.OPEN,
            )
        elif cls is OrderCancelled:
            trading.end(run, at, body[0], OrderStatus.CANCELLED, body[3])
        elif cls is OrderAmended:
            row = trading.change(run, at, body[0])
            if row is not None:
                row[trading.PRICE], row[trading.LEAVES] = body[5], body[6]
                row[trading.LOTS] = row[trading.FILLED] + body[6]
                row[trading.REVISION] += 1
        elif cls is OrderDecremented:
            row = trading.change(run, at, body[0])
            if row is not None:
                row[trading.LEAVES] = body[6]
                if body[6] == 0:
                    trading.end(run, at, body[0], OrderStatus.CANCELLED)

    # --- rare events ---------------------------------------------------------------------------------------------------

    def _rare(self, at: At, account: int, body: Event) -> None:
        if isinstance(body, notices.TAKEN):
            self._announcer.take(self.run, at, body)
        if isinstance(body, _LISTS):
            self._stale = True
            return
        if isinstance(body, _LIQUIDATION):
            self._note_liquidation(at, account, body)
        if isinstance(body, InterestPaid) and body.amount < 0 and self.run.debt_in(account, body.asset):
            self._untold.interest[account, body.asset] += body.amount
            self.run.batch.appended["interest"].append(
                (at.sequence, at.idx, at.time_ns, account, body.asset, body.amount, body.balance, "interest")
            )
            return
        self._note_untold(account, body)
        if isinstance(body, TokensRedeemed) and self._redeemed_untold(account, body):
            return
        handler = money.HANDLERS.get(type(body))
        if handler is not None:
            handler(self.run, at, account, body)
        elif isinstance(body, (TriggerPlaced, TriggerFired, WaitingEnded, TwapPlaced, TwapSlice)):
            self._waiting(at, account, body)
        else:
            self._document(at, account, body)

    def _redeemed_untold(self, account: int, body: TokensRedeemed) -> bool:
        """Whether the events alone do not say what a redemption paid: in which cash, or after what it owed on its tokens."""
        if body.price == 0:
            return False
        if self._clawed or body.token not in self.run.listing.cash:
            self._untold.asset(account, Cause.REDEMPTION)
        return body.token not in self.run.listing.cash

    def _note_untold(self, account: int, body: Event) -> None:
        cause = money.UNTOLD.get(type(body))
        if isinstance(body, (LiquidationStageChanged, BankruptcyPriced, ShortfallReported, Deleveraged)):
            self._black.add(account)
        if isinstance(body, DistributionPaid) and body.amount < 0:
            self._clawed = True
        if cause is None:
            return
        if isinstance(body, LossShared):
            for black in self._black | self._liquidating:
                self._untold.perp(black, cause)
        elif isinstance(body, RequestsNetted):
            for number in (body.issuance, body.redemption):
                request = self.run.requests.get(number)
                if request is not None:
                    self._untold.asset(request[1], cause)
        elif isinstance(body, money.ASSETS_UNTOLD):
            self._untold.asset(account, cause)
            if isinstance(body, BackstopSliceTaken):
                self._untold.perp(account, cause)
        else:
            waiting = self._untold.perp(account, cause)
            if isinstance(body, PositionAdjusted):
                waiting.told[body.market] = waiting.told.get(body.market, 0) + body.amount

    def _note_liquidation(self, at: At, account: int, body: Event) -> None:
        run = self.run
        if isinstance(body, (LiquidationStarted, LiquidationEnded)) and account in run.accounts:
            started = isinstance(body, LiquidationStarted)
            run.accounts[account][4] = int(started)
            run.batch.accounts.add(account)
            (self._liquidating.add if started else self._liquidating.discard)(account)
        detail = {name: getattr(body, name) for name in body.__struct_fields__}
        numbers = (
            detail.get(name, 0)
            for name in ("market", "lots", "notional", "fee", "requirement_before", "requirement_after")
        )
        run.batch.appended["liquidations"].append(
            (
                at.sequence,
                at.idx,
                at.time_ns,
                account,
                type(body).__name__,
                *numbers,
                msgspec.json.encode(detail),
            )
        )

    def _waiting(
        self, at: At, account: int, body: TriggerPlaced | TriggerFired | WaitingEnded | TwapPlaced | TwapSlice
    ) -> None:
        run = self.run
        if isinstance(body, TriggerPlaced):
            values = (body.order, body.market, body.side, OrderKindShown.TRIGGER_LIMIT + body.kind, body.time_in_force, body.flags)  # fmt: skip
            trading.place(
                run, at, account, values, body.price, body.lots, body.client_id, OrderStatus.WAITING
            )
        elif isinstance(body, TwapPlaced):
            kind = (body.order, body.market, body.side, int(OrderKindShown.TWAP), 0, body.flags)
            trading.place(run, at, account, kind, body.price, body.lots, body.client_id, OrderStatus.WAITING)
        elif isinstance(body, TriggerFired):
            trading.end(run, at, body.trigger, OrderStatus.FIRED, body.code)
        elif isinstance(body, WaitingEnded):
            status = OrderStatus.FIRED if body.lots == 0 else OrderStatus.CANCELLED
            trading.end(run, at, body.order, status, body.reason)
        else:
            row = trading.change(run, at, body.order)
            if row is not None:
                row[trading.LEAVES] = body.left
                row[trading.FILLED] += body.filled
                if body.left == 0:
                    trading.end(run, at, body.order, OrderStatus.FIRED)

    def _document(self, at: At, account: int, body: Event) -> None:
        run = self.run
        if isinstance(body, AccountOpened):
            run.accounts[account] = [account, body.owner, at.sequence, at.time_ns, 0]
            run.batch.accounts.add(account)
        elif isinstance(body, OwnershipMoved):
            run.accounts[account][1] = body.owner
            run.batch.accounts.add(account)
        elif isinstance(body, AccountStateChanged):
            run.batch.appended["margins"].append(
                (at.sequence, at.idx, account, body.to, at.time_ns, body.equity, body.initial, 0, body.maintenance,
                 body.close_out, sampling.binding(body.binding))
            )  # fmt: skip
        elif isinstance(body, FundingSet):
            run.batch.appended["funding_rates"].append(
                (
                    at.sequence,
                    at.idx,
                    at.time_ns,
                    body.market,
                    body.rate_ppb,
                    body.premium_ppb,
                    body.index,
                    body.reason,
                )
            )
        elif isinstance(body, RequestReserved):
            if body.kind == 0:
                run.listing.cash[body.token] = body.asset
                run.batch.listing = True
            row = [body.request, account, body.kind, 0, body.token, body.asset, body.amount, 0, 0, 0,
                   at.sequence, at.idx, at.time_ns]  # fmt: skip
            run.requests[body.request] = row
            run.batch.requests[body.request] = row
        elif isinstance(body, RequestStateChanged) and body.request in run.requests:
            row = run.requests[body.request]
            row[3] = body.after
            run.batch.requests[body.request] = row
