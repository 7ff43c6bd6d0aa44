"""The venue's line to a broker over FIX 4.4: the broker port on one QuickFIX session.

Coming up takes these steps, and `LineUp` is told after the last:

    logon -> a test request; its answer comes behind everything that was missed, since FIX keeps the order of messages
          -> the state of every order that may still trade is asked; a second test request
          -> its answer: LineUp

What was missed is said again by the broker's session (resend). `since` names the last message that was kept, by its number; where the listener is
behind the session's own count, the count is set back and the broker says the rest again. A message that `hear` did not keep cuts the line, and
comes again after the next logon. Orders are never said again by the session: what did not arrive is answered by `NotKnown`, and whoever gave the
order decides.

Responsible for: the port's promises. Never: reads a clock but the one it is given, or knows a request or an account of the venue.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from novate.broker.checks import check
from novate.broker.fix import writing
from novate.broker.fix.frame import Frame, Unreadable
from novate.broker.fix.orders import Order, SaidBefore, SessionBook
from novate.broker.fix.reading import Read, Reader, Told, base
from novate.broker.fix.settings import FixSettings, dictionary_path, initiator_text
from novate.broker.fix.tags import PASSWORD, USERNAME, Kind, Tag
from novate.broker.fix.wire import NotKept, Wire
from novate.broker.port import (
    AskOrder,
    CancelOrder,
    CancelRefused,
    Hear,
    Heard,
    Instruction,
    LineDown,
    LineLost,
    LineUp,
    NewOrder,
    Rejected,
    ReplaceOrder,
    Report,
)
from novate.errors import ConfigError, DataError, NovateError

BOOK: Final = "session.db"
_RETOLD: Final = "retold"
_AGAIN_S: Final = 0.25
_AGAIN_MOST_S: Final = 4.0
"""Between two test requests on the way up: the first wait and, doubled each time, the last."""


class FixBroker:
    """A line to one broker.

    `folder` holds the session's numbers, orders and log, in the venue's home, for this session alone. `password` is asked at every logon.
    """

    def __init__(
        self,
        settings: FixSettings,
        folder: Path,
        *,
        clock: Callable[[], int] = time.time_ns,
        password: Callable[[], str] = str,
    ) -> None:
        self.settings = settings
        self._folder, self._clock, self._secret = folder, clock, password
        self._wire: Wire | None = None
        self._book: SessionBook | None = None
        self._reader: Reader | None = None
        self._hear: Hear = _nobody
        self._epoch = self._cursor = self._step = ""
        self._retelling: set[str] = set()
        """What was missed and is being said again, until the line is up."""
        self._up = False
        self._closing = False
        self._arrived = threading.Event()
        self._losing: threading.Thread | None = None
        self._refused = self._failed = 0
        self._last_error = ""

    # --- the port ------------------------------------------------------------------------------------------------------

    def open(self, hear: Hear, since: str = "") -> None:
        """Connects, now and again; tells what happened behind `since`, then everything new.

        Raises ConfigError for a dictionary or password that is not there, DataError where another process runs the session.
        """
        if self._wire is not None:
            raise ConfigError(f"The FIX session {self.settings.name} is open already.")
        dictionary = dictionary_path(self.settings.dictionary)
        self._password()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._book = SessionBook(self._folder / BOOK)
        self._reader = Reader(self._book)
        self._hear = hear
        text = initiator_text(self.settings, self._folder, dictionary)
        self._wire = Wire(text, self._folder, {self.settings.target: self})
        try:
            self._wire.build()
            self._begins(self._wire, self._book)
            self._go_on_behind(since)
            self._wire.start()
        except BaseException:
            self.close()
            raise

    def send(self, instruction: Instruction) -> None:
        """Says something. Raises LineDown where it can't have left, DataError for an id that was another order's."""
        check(instruction)
        book = self._needed_book()
        if not self._up:
            raise LineDown(f"There is no line to {self.settings.name}.")
        match instruction:
            case NewOrder():
                self._new(book, instruction)
            case CancelOrder() | ReplaceOrder():
                self._change(book, instruction)
            case AskOrder():
                self._ask(book, instruction.order, f"{instruction.order}.S{instruction.attempt}")

    def close(self) -> None:
        """Logs out and ends. Nothing is told once it has returned; not to be called from `hear`."""
        wire, book = self._wire, self._book
        self._arrived.set()
        self._closing = True
        if wire is not None:
            wire.close()
        if self._losing is not None:
            self._losing.join()
        self._closing, self._losing = False, None
        self._wire = self._book = self._reader = None
        self._up = False
        if book is not None:
            book.close()

    def values(self) -> dict[str, object]:
        """How the session is, JSON-ready."""
        wire = self._wire
        return {
            "session": self.settings.name,
            "up": self._up,
            "logged_on": wire is not None and wire.logged_on(self.settings.target),
            "refused": self._refused,
            "failed": self._failed,
            "last_error": self._last_error,
        }

    # --- what is said --------------------------------------------------------------------------------------------------

    def _new(self, book: SessionBook, asked: NewOrder) -> None:
        order = book.order(asked.order)
        if order is not None and order.asked != asked:
            raise DataError(f"The client order id {asked.order} was another order's.")
        if order is not None and order.known:
            self._ask(book, asked.order, f"{asked.order}.S{self._clock()}")
            return
        if order is None:
            shares = writing.shares_said(asked, self.settings)
            if shares == 0 and not writing.said_in_dollars(asked, self.settings):
                self._tell(
                    Rejected(order=asked.order, reason=self._too_small(asked)), f"Rejected:here:{asked.order}"
                )
                return
            order = Order(asked=asked, shares=shares, limit=asked.limit, works_as=asked.order)
        frame = writing.new_order(order, self.settings, self._clock())
        book.keep(msgspec.structs.replace(order, said=order.said + 1, ended=False))
        self._say(frame)

    def _too_small(self, asked: NewOrder) -> str:
        taken = (
            "whole shares"
            if asked.whole or not self.settings.fraction_decimals
            else f"{self.settings.fraction_decimals} decimals"
        )
        return f"the order is for less than the least {self.settings.name} takes ({taken})"

    def _change(self, book: SessionBook, asked: CancelOrder | ReplaceOrder) -> None:
        order = book.order(asked.order)
        if order is None:
            key = f"CancelRefused:here:{asked.order}:{asked.attempt}"
            self._tell(
                CancelRefused(order=asked.order, reason="the order was never sent to this broker"), key
            )
            return
        if isinstance(asked, CancelOrder):
            self._request(
                book, asked.order, "cancelling", writing.cancel(order, asked, self.settings, self._clock())
            )
            return
        if writing.taken(asked.shares, order.asked, self.settings) == 0:
            key = f"CancelRefused:here:{writing.replace_id(asked)}"
            self._tell(CancelRefused(order=asked.order, reason=self._too_small(order.asked)), key)
            return
        self._request(
            book, asked.order, "replacing", writing.replace(order, asked, self.settings, self._clock())
        )

    def _request(self, book: SessionBook, order: str, named: str, frame: Frame) -> None:
        """Keeps a request's id and says it. One that has not left was never asked for."""
        request = frame.needed(Tag.CL_ORD_ID)
        was = self._names(book, order, named, request)
        try:
            self._say(frame)
        except LineDown:
            self._names(book, order, named, was, instead_of=request)
            raise

    def _names(
        self, book: SessionBook, order: str, named: str, request: str, instead_of: str | None = None
    ) -> str:
        """Keeps the id of the request that is open; returns the one before."""
        with book.together():
            found = book.order(order)
            was = str(getattr(found, named, ""))
            if found is not None and instead_of in (None, was):
                book.keep(msgspec.structs.replace(found, **{named: request}))
        return was

    def _ask(self, book: SessionBook, order: str, request: str) -> None:
        found = book.order(order)
        if found is None:
            self._say(writing.status_of_unknown(order, request))
        else:
            self._say(writing.status(found, request, self.settings))

    def _say(self, frame: Frame) -> None:
        wire = self._wire
        if wire is None or not wire.say(self.settings.target, frame):
            raise LineDown(f"The line to {self.settings.name} is cut.")

    def leaves(self, frame: Frame) -> bool:
        """Keeps what is about to leave under its number. What can't be answered for does not leave."""
        wire, book = self._wire, self._book
        if wire is None or book is None or frame.poss_dup or not wire.logged_on(self.settings.target):
            return False
        book.says(self._epoch, frame.seq, SaidBefore(frame.kind.value, frame.text(Tag.CL_ORD_ID)))
        return True

    # --- the session ---------------------------------------------------------------------------------------------------

    def logon_fields(self) -> Mapping[int, str]:
        """User and password, where there are any."""
        said = {USERNAME: self.settings.username, PASSWORD: self._password()}
        return {tag: value for tag, value in said.items() if value}

    def admits(self, fields: Mapping[int, str]) -> bool:
        """A broker proves nothing at its logon; the line to it does."""
        del fields
        return True

    def began(self) -> None:
        """Numbers may have begun at 1."""
        if self._wire is not None and self._book is not None:
            self._begins(self._wire, self._book)

    def _begins(self, wire: Wire, book: SessionBook) -> None:
        epoch = wire.epoch(self.settings.target)
        if epoch != self._epoch:
            book.begins(epoch)
        self._epoch = epoch

    def up(self) -> None:
        """Asks for the end of what was missed, again and again: a test request that meets a resend the other way is skipped by it."""
        self._step = f"told-{self._clock()}"
        self._arrived.set()
        self._arrived = threading.Event()
        threading.Thread(target=self._come_up, args=(self._arrived,), daemon=True).start()
        self._test()

    def _come_up(self, arrived: threading.Event) -> None:
        wait_s = _AGAIN_S
        while not arrived.wait(wait_s):
            self._test()
            wait_s = min(2 * wait_s, _AGAIN_MOST_S)

    def down(self, reason: str) -> None:
        """The line is cut."""
        was, self._up, self._step = self._up, False, ""
        self._arrived.set()
        if was and not self._closing:
            report = LineLost(reason=reason or "the line was cut")
            self._losing = threading.Thread(target=self._lose, args=(report,), daemon=True)
            self._losing.start()

    def _lose(self, report: LineLost) -> None:
        """Tells that the line is cut, beside the session's thread; what comes after waits for it."""
        try:
            self._tell(report, "")
        except Exception as error:  # noqa: BLE001 - the next LineUp says as much
            self._failed += 1
            self._last_error = f"{type(error).__name__}: {error}"

    def heard_admin(self, frame: Frame, raw: bytes) -> None:
        """The answer to a test request is a step on the way up; a reject is an answer to something that was said."""
        if frame.kind is Kind.REJECT:
            self.heard(frame, raw)
        elif frame.kind is Kind.HEARTBEAT and self._step and frame.text(Tag.TEST_REQ_ID) == self._step:
            cursor = f"{self._epoch}/{frame.seq}"
            if self._step.startswith("told-"):
                self._cursor = cursor
                self._ask_open_orders()
                self._step = f"asked-{self._clock()}"
                self._test()
            else:
                self._keep_retold()
                self._step, self._up = "", True
                self._arrived.set()
                self._kept((Told(LineUp(), ""),), cursor)

    def heard(self, frame: Frame, raw: bytes) -> None:
        """Tells what a message means; one that can't be taken is kept as it is, and the session goes on."""
        book, reader = self._book, self._reader
        if book is None or reader is None:
            raise NotKept("the session is closed")
        cursor = f"{self._epoch}/{frame.seq}"
        try:
            read = reader.read(frame, epoch=self._epoch, at_ns=self._clock())
        except NovateError as error:
            self._refuse(book, error.sentence, raw)
            read = Read(ask=self._doubtful(book, frame)) if isinstance(error, Unreadable) else Read()
        except Exception as error:
            raise NotKept(str(error)) from error
        self._kept(read.told, cursor, raw)
        self._then(book, read, raw)

    def _then(self, book: SessionBook, read: Read, raw: bytes) -> None:
        for order in read.ask:
            self._ask_again(order)
        if not read.missed:
            return
        wire, missed = self._wire, read.missed
        # numbers that begin at 1 with every logon leave nothing to be said again
        if wire is None or self.settings.reset_on_logon or self._was_retold(book, missed):
            self._refuse(book, f"The broker never told what it did: {missed}.", raw)
            return
        self._retelling.add(missed)
        wire.again_from(self.settings.target, 1, f"something was missed: {missed}")

    def _was_retold(self, book: SessionBook, missed: str) -> bool:
        return missed in self._retelling or book.fact(f"{_RETOLD} {missed}") == self._epoch

    def _keep_retold(self) -> None:
        """The session was said again to its end; before that it does not count, since a crash would have lost the rest."""
        if self._book is not None and self._retelling:
            with self._book.together():
                for missed in self._retelling:
                    self._book.keep_fact(f"{_RETOLD} {missed}", self._epoch)
            self._retelling.clear()

    def _doubtful(self, book: SessionBook, frame: Frame) -> tuple[str, ...]:
        """The order of a message that could not be taken: its state is asked, unless that was the answer."""
        named = base(frame.text(Tag.CL_ORD_ID))
        if (
            frame.kind is not Kind.EXECUTION_REPORT
            or frame.text(Tag.ORD_STATUS_REQ_ID)
            or book.order(named) is None
        ):
            return ()
        return (named,)

    def rejects(self, frame: Frame, raw: bytes) -> None:
        """A message of the broker does not fit the dictionary. If it was a report, what it said is asked for."""
        if self._book is None:
            return
        why = f"{frame.text(Tag.TEXT) or 'no reason'} (tag {frame.text(Tag.REF_TAG_ID) or 'unknown'})"
        self._refuse(
            self._book, f"Message {frame.text(Tag.REF_SEQ_NUM)} does not fit the dictionary: {why}.", raw
        )
        if frame.text(Tag.REF_MSG_TYPE) == Kind.EXECUTION_REPORT:
            # not in here: the refusal has its number already and has not left
            threading.Thread(target=self._ask_open_orders, daemon=True).start()

    def broken(self, error: BaseException) -> None:
        """Something failed that should not: the line is cut and tried again."""
        self._failed += 1
        self._last_error = f"{type(error).__name__}: {error}"
        if self._wire is not None:
            self._wire.cut(self.settings.target, self._last_error)

    # --- parts ---------------------------------------------------------------------------------------------------------

    def _ask_open_orders(self) -> None:
        book = self._book
        for order in book.open_orders() if book is not None else ():
            self._ask_again(order.id)

    def _ask_again(self, order: str) -> None:
        """Asks for an order's state; what can't be asked now is asked at the next logon."""
        book = self._book
        if book is not None:
            with suppress(LineDown):
                self._ask(book, order, f"{order}.S{self._clock()}")

    def _test(self) -> None:
        step, wire = self._step, self._wire
        if step and wire is not None:
            wire.say(self.settings.target, Frame(Kind.TEST_REQUEST, {Tag.TEST_REQ_ID: step}))

    def _kept(self, told: Sequence[Told], cursor: str, raw: bytes = b"") -> None:
        """Hands the reports of a message over, the last with its place; raises NotKept where one was not kept, and the place stays."""
        if told and self._losing is not None:
            self._losing.join()
            self._losing = None
        try:
            for number, one in enumerate(told, 1):
                self._tell(one.report, one.key, raw, cursor if number == len(told) else "")
        except Exception as error:
            self._failed += 1
            self._last_error = f"{type(error).__name__}: {error}"
            raise NotKept(self._last_error) from error
        self._cursor = cursor

    def _tell(self, report: Report, key: str, raw: bytes = b"", cursor: str = "") -> None:
        """Hands a report over; without a place of its own it has that of the last message whose reports are kept."""
        self._hear(Heard(report, key, cursor or self._cursor, raw, self._clock()))

    def _refuse(self, book: SessionBook, why: str, raw: bytes) -> None:
        self._refused += 1
        self._last_error = why
        book.refuse(self._clock(), why, raw)

    def _go_on_behind(self, since: str) -> None:
        """Sets the count back to the first message behind `since`; one of another session is behind everything of this one."""
        wire = self._wire
        if wire is None:
            return
        epoch, _, seq = since.partition("/")
        first = int(seq) + 1 if epoch == self._epoch and seq.isdecimal() else 1
        expected = wire.expected(self.settings.target)
        self._cursor = since or f"{self._epoch}/0"
        if first < expected:
            wire.expect(self.settings.target, first)

    def _password(self) -> str:
        found = self._secret()
        if self.settings.password_env and not found:
            raise ConfigError(
                f"FIX session {self.settings.name}: there is no password in {self.settings.password_env}."
            )
        return found

    def _needed_book(self) -> SessionBook:
        if self._book is None:
            raise LineDown(f"The FIX session {self.settings.name} is closed.")
        return self._book


def _nobody(_heard: Heard) -> None:
    """Who listens before anybody does."""
