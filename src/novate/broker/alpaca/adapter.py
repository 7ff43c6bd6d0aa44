"""The `Broker` and `Records` ports over an account at Alpaca: instructions by REST, reports by the stream, and the record behind both.

    send          one request; where nobody can say whether it was taken, the order is asked for until it is known; the answer is told by the
                  stream's thread, like everything
    stream        trade updates as they happen, told at once
    record        activity events and orders of the time since the last told moment: when the line comes up, and again and again beside it

Executions have the same id in the stream and in the record, so whichever tells one first, the other adds nothing.

Responsible for: the port's promises. Never: reads a field of a message itself, or knows a token.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import date, time
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

from novate.broker.alpaca.announcements import announced, announcements_api
from novate.broker.alpaca.desk import Desk, encoded, living, object_of, submitted_ns
from novate.broker.alpaca.exact import Json, moment_ns, moment_text, nano, part, read_json, said, side_of
from novate.broker.alpaca.http import NoAnswer, NotReached, Refusal, TradingApi, trading_api
from novate.broker.alpaca.orders import order_body, replace_body
from novate.broker.alpaca.record import (
    LONGEST_SETTLEMENT_NS,
    Corrections,
    earliest,
    endings,
    executed_of,
    merged,
    of_order,
)
from novate.broker.alpaca.reports import HOURS, OPEN, Told, commission_of, from_event, from_order, from_update
from novate.broker.alpaca.settings import AlpacaSettings
from novate.broker.alpaca.statement import Days, end_of_day
from novate.broker.alpaca.stream import TradeUpdates
from novate.broker.announcements import Announced
from novate.broker.checks import check
from novate.broker.port import (
    Accepted,
    AskOrder,
    Busted,
    Cancelled,
    CancelOrder,
    CancelRefused,
    Corrected,
    EndOfDay,
    Filled,
    Hear,
    Heard,
    Instruction,
    LineDown,
    LineLost,
    LineUp,
    NewOrder,
    NotKnown,
    Rejected,
    Replaced,
    ReplaceOrder,
    Report,
)
from novate.calendar import new_york_ns
from novate.errors import DataError, MessageError

Clock = Callable[[], int]

_LOG: Final = logging.getLogger(__name__)
_SECOND_NS: Final = 10**9
_MOST_TOLD: Final = 50_000
_UNAUTHORISED: Final = 401
_LAST_TRY: Final = 6
"""An order of which nobody knows is asked for after 1, 2, 4, 8, 16 and 32 seconds; then the broker never had it."""
_CLOSING_S: Final = 30
_NOON: Final = time(12)
_MOST_READINGS: Final = 5


class _Doubt:
    """An order that may have been taken: when it is asked for next, and how often it was."""

    def __init__(self, due_ns: int) -> None:
        self.due_ns, self.tries = due_ns, 0


class _Answered(Enum):
    """What came of asking for an order."""

    TOLD = "told"
    BEHIND = "its executions are not all in the record"
    UNKNOWN = "the broker has none"


class _Answer(NamedTuple):
    """A report that an instruction's answer makes. `first`: only where the order has no other report yet, for the stream may be ahead."""

    told: Told
    raw: bytes
    first: bool = False


class AlpacaBroker:
    """A line to one account. `clock_ns` is the time of hearing, and the pace of what is repeated."""

    def __init__(self, settings: AlpacaSettings, home: Path, *, clock_ns: Clock) -> None:
        self._settings, self._home, self._clock_ns = settings, home, clock_ns
        self._speaking = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stream: TradeUpdates | None = None
        self._voice: TradingApi | None = None
        self._desk: Desk | None = None
        self._hear: Hear | None = None
        self._up, self._why_down = False, ""
        self._cursor_ns, self._knows_who_lives = 0, False
        self._reset("")

    def open(self, hear: Hear, since: str = "") -> None:
        """Connects in a thread of its own, and again whenever the line is cut. `since` is a cursor; empty goes back ten days."""
        self.close()
        key = self._settings.key(self._home)
        self._reset(since)
        self._hear = hear
        self._voice = trading_api(self._settings, key)
        self._desk = Desk(trading_api(self._settings, key))
        self._stream = TradeUpdates(self._settings, key, self)
        self._thread = threading.Thread(target=self._stream.run, name="alpaca", daemon=True)
        self._thread.start()

    def announced(self, symbols: Sequence[str], first: date, last: date) -> Announced:
        """As `announcements.Announcements` says; asks by itself, whether the line is open or not."""
        with closing(announcements_api(self._settings, self._settings.key(self._home))) as api:
            return announced(api, symbols, first, last)

    def close(self) -> None:
        """Ends the line; waits for what is being told."""
        stream, thread = self._stream, self._thread
        self._up, self._stream, self._thread = False, None, None
        if stream is not None and thread is not None:
            stream.finish()
            if thread is not threading.current_thread():
                thread.join(_CLOSING_S)
        self._hear = None
        for one in (self._voice, self._desk):
            if one is not None:
                one.close()

    def send(self, instruction: Instruction) -> None:
        """Says something. Raises LineDown where it can't have left, MessageError where it is no instruction."""
        check(instruction)
        voice = self._voice
        if not self._up or voice is None:
            raise LineDown("there is no line to Alpaca", order=instruction.order)
        with self._speaking:
            try:
                self._say(voice, instruction)
            except NotReached as error:
                raise LineDown(error.sentence, order=instruction.order) from None

    def end_of_day(self, day: date) -> EndOfDay:
        """The statement of a day that is over, from what is held now and the record since. Raises DataError, LineDown."""
        try:
            with closing(Desk(trading_api(self._settings, self._settings.key(self._home)))) as desk:
                now_ns = desk.now_ns()
                if not HOURS.day_is_over(day, now_ns):
                    raise DataError(
                        f"there is no statement of {day}: it is no trading day, or not over", day=str(day)
                    )
                return self._statement(desk, day, HOURS.at(new_york_ns(day, _NOON)).day_ends_ns, now_ns)
        except (NotReached, NoAnswer, Refusal) as error:
            raise LineDown(error.sentence) from None

    def _statement(self, desk: Desk, day: date, ends_ns: int, now_ns: int) -> EndOfDay:
        """Reads record, positions and cash as of one moment: once more where something happened meanwhile."""
        for _ in range(_MOST_READINGS):
            days = Days.read(desk.events(ends_ns - LONGEST_SETTLEMENT_NS, now_ns))
            positions, account = desk.positions(), desk.account()
            before_ns, now_ns = now_ns, desk.now_ns()
            if not any(True for _ in desk.events(before_ns + 1, now_ns)):
                return end_of_day(day, ends_ns, days, positions, account)
        raise DataError(f"there is no statement of {day} while the account moves", day=str(day))

    # --- what the stream calls, from its thread ---

    def connected(self) -> None:
        """Tells what was missed and that the line is up."""
        self._catch_up()
        self._up, self._why_down = True, ""
        self._line(LineUp())

    def frame(self, frame: bytes) -> None:
        """Tells what an update says; where the broker takes a commission, the record tells it instead, with the fee."""
        data = part(read_json(frame), "data")
        for told in from_update(data):
            if isinstance(told.report, Filled) and commission_of(data):
                self._next_sweep_ns = 0
            else:
                self._tell(self._about_first(told), frame)

    def tick(self) -> None:
        """Compares with the record now and then, and asks for what nobody knows."""
        while self._answers:
            answer = self._answers[0]
            if not (answer.first and self._has_moved(answer.told)):
                self._tell(answer.told, answer.raw, again=not answer.first)
            self._answers.popleft()
        now = self._clock_ns()
        if now >= self._next_sweep_ns:
            self._catch_up()
        for order, doubt in list(self._doubts.items()):
            if now >= doubt.due_ns:
                self._resolve(order, doubt)

    def cut(self, reason: str) -> None:
        """Tells once that there is no line."""
        self._up = False
        if self._why_down != reason:
            self._why_down = reason
            try:
                self._line(LineLost(reason=reason))
            except Exception:  # noqa: BLE001 - whoever can't keep that the line is cut hears it with the next one
                _LOG.exception("the end of the line was not kept")

    # --- instructions ---

    def _say(self, voice: TradingApi, instruction: Instruction) -> None:
        try:
            if isinstance(instruction, NewOrder):
                self._new(voice, instruction)
            elif isinstance(instruction, AskOrder):
                if self._ask(Desk(voice), instruction.order, str(instruction.attempt)) is _Answered.BEHIND:
                    self._doubt(instruction.order)
            else:
                self._change(voice, instruction)
        except Refusal as refusal:
            if refusal.facts["status"] == _UNAUTHORISED:
                raise NotReached("Alpaca refuses the key") from None
            self._refuse(instruction, refusal.sentence)

    def _new(self, voice: TradingApi, order: NewOrder) -> None:
        try:
            body = order_body(order, extended_hours=self._settings.extended_hours)
        except MessageError as error:
            self._refuse(order, error.sentence)
            return
        try:
            answer = object_of(voice.post("/orders", dict(body)))
            self._answers.extend(_Answer(told, encoded(answer), first=True) for told in from_order(answer))
        except (NoAnswer, DataError):
            self._doubt(order.order)
        except Refusal as refusal:
            if not refusal.duplicate:
                raise
            self._doubt(order.order)

    def _change(self, voice: TradingApi, instruction: CancelOrder | ReplaceOrder) -> None:
        try:
            chain = Desk(voice).chain(instruction.order)
        except NoAnswer as error:
            raise NotReached(error.sentence) from None
        if not chain:
            self._refuse(instruction, "Alpaca never had the order")
            return
        broker_order = said(chain[-1], "id")
        try:
            if isinstance(instruction, CancelOrder):
                voice.cancel_order_by_id(broker_order)
            else:
                voice.patch(
                    f"/orders/{broker_order}", dict(replace_body(instruction, side_of(chain[-1].get("side"))))
                )
        except NoAnswer:
            self._next_sweep_ns = 0
        except Refusal as refusal:
            if not refusal.duplicate:
                raise

    def _refuse(self, instruction: Instruction, reason: str) -> None:
        """A refusal that came as an answer: it is of this request and of no other."""
        report: Report
        if isinstance(instruction, NewOrder):
            report, key = Rejected(order=instruction.order, reason=reason), f"{instruction.order}:refused"
        else:
            report = CancelRefused(order=instruction.order, reason=reason)
            key = f"{instruction.order}.{instruction.attempt}:refused"
        self._answers.append(_Answer(Told(report, key, self._cursor_ns), encoded(report)))

    def _ask(self, desk: Desk, order: str, mark: str) -> _Answered:
        """Tells an order's executions and its state, whether they were told or not; its end only when all of it is told."""
        try:
            chain = desk.chain(order)
            if not chain:
                if mark:
                    report = NotKnown(order=order)
                    told = Told(report, f"{order}:unknown:{mark}", self._cursor_ns)
                    self._answers.append(_Answer(told, encoded(report)))
                return _Answered.UNKNOWN
            events = desk.events(submitted_ns(chain) - self._overlap_ns, desk.now_ns())
            found = list(of_order(events, order, self._corrections))
        except NoAnswer as error:
            raise NotReached(error.sentence) from None
        self._answers.extend(_Answer(one.told, one.raw) for one in found)
        executed = executed_of(found).get(order, 0)
        if any(nano(link.get("filled_qty") or "0", "filled_qty") > executed for link in chain):
            return _Answered.BEHIND
        self._tell_state(order, chain[-1], mark)
        return _Answered.TOLD

    def _tell_state(self, order: str, link: Json, mark: str) -> None:
        if link.get("status") in OPEN:
            broker_order = said(link, "id")
            told = [
                Told(
                    Accepted(order=order, broker_order=broker_order),
                    f"{broker_order}:accepted",
                    self._cursor_ns,
                )
            ]
        else:
            told = [one for one in from_order(link) if isinstance(one.report, Rejected | Cancelled)]
        for one in told:
            self._answers.append(
                _Answer(one._replace(key=f"{one.key}:{mark}" if mark else one.key), encoded(link))
            )

    # --- orders that may have been taken ---

    def _doubt(self, order: str) -> None:
        self._doubts[order] = _Doubt(self._clock_ns())

    def _resolve(self, order: str, doubt: _Doubt) -> None:
        """Asks for it. The doubt stands until it was answered: whatever breaks off here, it is asked again."""
        doubt.tries += 1
        last = doubt.tries > _LAST_TRY
        try:
            answer = self._ask(self._asker(), order, "" if not last else "doubt")
        except NotReached:
            answer, last = _Answered.UNKNOWN, False
        if answer is _Answered.BEHIND:
            doubt.due_ns = self._clock_ns() + _SECOND_NS
        elif answer is _Answered.UNKNOWN and not last:
            doubt.due_ns = self._clock_ns() + (_SECOND_NS << min(doubt.tries - 1, _LAST_TRY))
        elif self._doubts.get(order) is doubt:  # another may have come meanwhile
            del self._doubts[order]

    # --- the record ---

    def _catch_up(self) -> None:
        """Tells everything since the cursor that was not told."""
        desk = self._asker()
        now_ns = desk.now_ns()
        start_ns = self._cursor_ns - self._overlap_ns if self._cursor_ns else now_ns - LONGEST_SETTLEMENT_NS
        orders = desk.orders(start_ns, list(self._alive.values()) if self._knows_who_lives else None)
        ended = endings((order for order, _ in orders.values()), start_ns, self._told.__contains__)
        events = desk.events(earliest(ended, start_ns, now_ns), now_ns)
        for found in merged(events, orders, self._corrections, ended, start_ns=start_ns, now_ns=now_ns):
            self._tell(found.told, found.raw)
        self._alive |= living(order for order, _ in orders.values())
        self._knows_who_lives = True
        self._cursor_ns = max(self._cursor_ns, now_ns)
        self._next_sweep_ns = self._clock_ns() + self._settings.sweep_s * _SECOND_NS

    def _about_first(self, told: Told) -> Told:
        """A bust or correction names what it changes; where that is unknown here, the record of the last days is read for it."""
        report = told.report
        if not isinstance(report, Busted | Corrected):
            return told
        if report.execution not in self._told and not self._corrections.knows(report.execution):
            desk = self._asker()
            now_ns = desk.now_ns()
            for event, _ in desk.events(now_ns - LONGEST_SETTLEMENT_NS, now_ns):
                for found in from_event(event):
                    self._corrections.note(found)
        return self._corrections.note(told)

    # --- telling ---

    def _tell(self, told: Told, raw: bytes, *, again: bool = False) -> None:
        if self._hear is None or (told.key in self._told and not again):
            return
        cursor_ns = max(self._cursor_ns, told.moment_ns)
        self._hear(Heard(told.report, told.key, moment_text(cursor_ns), raw, self._clock_ns()))
        self._cursor_ns = cursor_ns
        self._remember(told)

    def _remember(self, told: Told) -> None:
        self._told[told.key] = None
        self._note_life(told)
        if isinstance(told.report, Filled | Rejected | Cancelled) and (order := told.report.order):
            self._moved[order] = None
        for kept in (self._told, self._moved):
            while len(kept) > _MOST_TOLD:
                kept.popitem(last=False)

    def _note_life(self, told: Told) -> None:
        """Which of the broker's orders stands for each order that lives."""
        report = told.report
        if isinstance(report, Accepted):
            self._alive[report.order] = report.broker_order
        elif isinstance(report, Replaced):
            self._alive[report.order] = told.key.partition(":")[0]
        elif isinstance(report, Rejected | Cancelled) or (isinstance(report, Filled) and report.complete):
            self._alive.pop(report.order, None)

    def _has_moved(self, told: Told) -> bool:
        """Whether the stream was ahead of an answer."""
        return isinstance(told.report, Accepted | Rejected) and told.report.order in self._moved

    def _line(self, report: LineUp | LineLost) -> None:
        if self._hear is not None:
            cursor = moment_text(self._cursor_ns) if self._cursor_ns else ""
            self._hear(Heard(report, "", cursor, b"", self._clock_ns()))

    def _asker(self) -> Desk:
        if self._desk is None:
            raise LineDown("there is no line to Alpaca")
        return self._desk

    def _reset(self, since: str) -> None:
        """Forgets what was told: whoever opens says what is kept."""
        self._cursor_ns = moment_ns(since, "cursor") if since else 0
        self._overlap_ns = self._settings.overlap_s * _SECOND_NS
        self._told: OrderedDict[str, None] = OrderedDict()
        self._moved: OrderedDict[str, None] = OrderedDict()
        self._corrections = Corrections()
        self._alive: dict[str, str] = {}
        self._knows_who_lives = False
        self._doubts: dict[str, _Doubt] = {}
        self._answers: deque[_Answer] = deque()
        self._next_sweep_ns = 0
