"""QuickFIX around a session: frames in and out, numbers, logon, the log with its secrets masked.

QuickFIX does the session: logon, heartbeats, test requests, resend, gap fill, sequence reset, and every message's text with the data dictionary.
It calls back from a thread of its own, and **an exception that leaves a callback ends the process**; so none does, but those that QuickFIX knows.
It counts a message once the callback is over. A message that could not be kept must come again, so the line is cut inside the callback and the
number set back before the next logon.

Responsible for: that, and nothing of orders. Never: imported where QuickFIX is not installed (`novate.broker.fix` says so).
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final, Protocol

import quickfix
import quickfix44

from novate.broker.fix.frame import Frame
from novate.broker.fix.tags import (
    MISC_FEE_AMT,
    NO_MISC_FEES,
    PASSWORD,
    SECRET_TAGS,
    USERNAME,
    Header,
    Kind,
    Tag,
)
from novate.errors import ConfigError

LOG: Final = "messages.log"
_LOG_BYTES: Final = 32 << 20
_SECRET: Final = re.compile(rf"(\x01(?:{'|'.join(map(str, SECRET_TAGS))})=)[^\x01]*")
_CLASSES: Final[Mapping[Kind, Callable[[], Any]]] = {
    Kind.TEST_REQUEST: quickfix44.TestRequest,
    Kind.NEW_ORDER_SINGLE: quickfix44.NewOrderSingle,
    Kind.ORDER_CANCEL_REQUEST: quickfix44.OrderCancelRequest,
    Kind.ORDER_CANCEL_REPLACE_REQUEST: quickfix44.OrderCancelReplaceRequest,
    Kind.ORDER_STATUS_REQUEST: quickfix44.OrderStatusRequest,
    Kind.EXECUTION_REPORT: quickfix44.ExecutionReport,
    Kind.TRADE_CAPTURE_REPORT: quickfix44.TradeCaptureReport,
    Kind.ORDER_CANCEL_REJECT: quickfix44.OrderCancelReject,
    Kind.BUSINESS_MESSAGE_REJECT: quickfix44.BusinessMessageReject,
}
_OF_A_SIDE: Final = (Tag.SIDE, Tag.ORDER_ID)
"""What a TradeCaptureReport says of its one side, in a group."""


class NotKept(Exception):
    """What came could not be kept: it has to come again."""


class Party(Protocol):
    """Whose session it is. Called from QuickFIX's threads."""

    def logon_fields(self) -> Mapping[int, str]:
        """What is said at a logon."""

    def admits(self, fields: Mapping[int, str]) -> bool:
        """Whether the other side may log on."""

    def began(self) -> None:
        """The other side's logon has come; numbers are those of the session that it begins or goes on with."""

    def up(self) -> None:
        """Both sides have logged on."""

    def down(self, reason: str) -> None:
        """The line is cut. Called under the session's lock: who waits in here for somebody that is sending waits for ever."""

    def heard(self, frame: Frame, raw: bytes) -> None:
        """A message of the application. Raises NotKept where it has to come again."""

    def heard_admin(self, frame: Frame, raw: bytes) -> None:
        """A message of the session. Raises NotKept where it has to come again."""

    def leaves(self, frame: Frame) -> bool:
        """A message of the application is about to leave, under its number; whether it may."""

    def rejects(self, frame: Frame, raw: bytes) -> None:
        """QuickFIX is about to refuse a message: it does not fit the dictionary."""

    def broken(self, error: BaseException) -> None:
        """Something failed that should not."""


class Wire:
    """Sessions of one connection, initiator or acceptor, and their parties, by the other side's CompID."""

    def __init__(self, text: str, folder: Path, parties: Mapping[str, Party]) -> None:
        self._text, self._folder, self.parties = text, folder, parties
        self._engine: Any = None
        self._ids: dict[str, Any] = {}
        self._again: dict[str, int] = {}
        self._reasons: dict[str, str] = {}

    def build(self) -> None:
        """Makes the sessions, their files in the folder; nothing connects yet.

        Raises ConfigError where this process runs one of them already, or for a dictionary that can't be read.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / "session.cfg"
        path.write_text(self._text, encoding="utf-8")
        try:
            self._make(path)
        except (quickfix.RuntimeError, quickfix.ConfigError) as error:
            raise ConfigError(f"The FIX sessions can't be made: {error}.", file=str(path)) from error

    def _make(self, path: Path) -> None:
        settings = quickfix.SessionSettings(str(path))
        for found in settings.getSessions():
            if quickfix.Session.doesSessionExist(found):
                raise ConfigError(f"This process runs the FIX session {found.toString()} already.")
        log = _Logs(self._folder / LOG)
        # a SocketAcceptor that is stopped frees its server in one thread while another still uses it
        make = quickfix.ThreadedSocketAcceptor if "=acceptor" in self._text else quickfix.SocketInitiator
        callbacks = _Callbacks(self)
        try:
            self._engine = make(callbacks, quickfix.FileStoreFactory(settings), settings, log)
        except BaseException:
            log.close()
            raise

    def start(self) -> None:
        """Connects or listens, now and again, in threads of QuickFIX's. Does not wait. Raises ConfigError where it can't listen."""
        _RUNNING.add(self)
        try:
            self._engine.start()
        except (quickfix.RuntimeError, quickfix.ConfigError) as error:
            raise ConfigError(f"The FIX sessions can't be started: {error}.") from error

    def close(self, logout_within_s: float = 2.0) -> None:
        """Logs out, waits for the answer a while, and ends the threads."""
        engine, self._engine = self._engine, None
        if engine is None:
            return
        waiting = threading.Event()
        for found in self._ids.values():
            session = quickfix.Session.lookupSession(found)
            if session.isLoggedOn():  # `logout` alone waits for the next second
                quickfix.Session.sendToTarget(quickfix44.Logout(), found)
            session.logout()
        for _ in range(int(logout_within_s / 0.02)):
            if not any(self.logged_on(party) for party in self._ids):
                break
            waiting.wait(0.02)
        engine.stop(True)
        kept = (
            engine.application,
            engine.logFactory,
            engine.storeFactory,
        )  # QuickFIX calls them while it goes
        del engine
        kept[1].close()
        _RUNNING.discard(self)

    # --- saying --------------------------------------------------------------------------------------------------------

    def say(self, party: str, frame: Frame) -> bool:
        """Says a message; False where it has not left and will not."""
        if (found := self._ids.get(party)) is None or self._engine is None:
            return False
        try:
            return bool(quickfix.Session.sendToTarget(message_of(frame), found))
        except quickfix.SessionNotFound:  # closed meanwhile
            return False

    def logged_on(self, party: str) -> bool:
        """Whether both sides have."""
        session = self._session(party)
        return session is not None and bool(session.isLoggedOn())

    def cut(self, party: str, reason: str) -> None:
        """Cuts the line without a logout."""
        self._reasons[party] = reason
        if (session := self._session(party)) is not None:
            session.disconnect()

    def again_from(self, party: str, seq: int, reason: str) -> None:
        """Cuts the line, and has the other side say everything from this number on again once it stands."""
        self._again[party] = seq
        self.cut(party, reason)

    # --- numbers -------------------------------------------------------------------------------------------------------

    def expected(self, party: str) -> int:
        """The number that the other side's next message has."""
        session = self._session(party)
        return int(session.getExpectedTargetNum()) if session is not None else 1

    def expect(self, party: str, seq: int) -> None:
        """Has the other side say everything from this number on again. Before the logon."""
        if (session := self._session(party)) is not None:
            session.setNextTargetMsgSeqNum(seq)

    def epoch(self, party: str) -> str:
        """When the numbers began at 1, as text."""
        found = self._ids[party]
        stem = f"FIX.4.4-{found.getSenderCompID().getValue()}-{found.getTargetCompID().getValue()}"
        return (self._folder / f"{stem}.session").read_text(encoding="utf-8").strip("\0 \n")

    def _session(self, party: str) -> Any:
        found = self._ids.get(party)
        return quickfix.Session.lookupSession(found) if found is not None else None

    # --- what QuickFIX calls -------------------------------------------------------------------------------------------

    def created(self, found: Any) -> None:
        """A session was made."""
        self._ids[_party(found)] = quickfix.SessionID(
            found.getBeginString().getValue(),
            found.getSenderCompID().getValue(),
            found.getTargetCompID().getValue(),
        )

    def went_up(self, party: str) -> None:
        """Both sides have logged on."""
        self.parties[party].up()

    def went_down(self, party: str) -> None:
        """The line is cut."""
        self.parties[party].down(self._reasons.pop(party, ""))

    def leaving_admin(self, party: str, message: Any) -> None:
        """A message of the session leaves."""
        kind = message.getHeader().getField(int(Header.MSG_TYPE))
        if kind == Kind.LOGON:
            # back only: where numbers began at 1 meanwhile, what was to come again is gone
            if 0 < (seq := self._again.pop(party, 0)) < self.expected(party):
                self.expect(party, seq)
            for tag, said in self.parties[party].logon_fields().items():
                message.setField(tag, said)
        elif kind == Kind.REJECT:
            self.parties[party].rejects(frame_of(message), _raw(message))

    def came_admin(self, party: str, message: Any) -> None:
        """A message of the session has come."""
        kind = message.getHeader().getField(int(Header.MSG_TYPE))
        if kind == Kind.LOGON:
            self._admit(party, message)
            self.parties[party].began()
            return
        expected, seq = self.expected(party), _seq(message)
        if kind == Kind.LOGOUT:
            if seq != expected:  # QuickFIX counts a logout whatever its number is
                self._again.setdefault(party, expected)
            if message.isSetField(int(Tag.TEXT)):
                self._reasons[party] = f"logged out: {_field(message, Tag.TEXT)}"
        if kind == Kind.REJECT and seq > expected:
            # counted too, and never said again: it is heard now, in the place of what was counted last, and the rest comes again
            self._kept(party, message, self.parties[party].heard_admin, counts_as=expected - 1)
            self.again_from(party, expected, f"messages from {expected} to {seq - 1} are missing")
            return
        self._kept(party, message, self.parties[party].heard_admin)

    def _admit(self, party: str, message: Any) -> None:
        """Raises RejectLogon where the other side may not log on, or where that could not be told."""
        try:
            fields = {tag: message.getField(tag) for tag in (USERNAME, PASSWORD) if message.isSetField(tag)}
            admitted = self.parties[party].admits(fields)
        except Exception as error:
            self.parties[party].broken(error)
            raise quickfix.RejectLogon("The logon could not be checked.") from error
        if not admitted:
            raise quickfix.RejectLogon("The password is not the one agreed.")

    def came(self, party: str, message: Any) -> None:
        """A message of the application has come."""
        self._kept(party, message, self.parties[party].heard)

    def _kept(
        self, party: str, message: Any, take: Callable[[Frame, bytes], None], counts_as: int | None = None
    ) -> None:
        frame = frame_of(message)
        try:
            take(frame if counts_as is None else frame._replace(seq=counts_as), _raw(message))
        except BaseException as error:  # noqa: BLE001 - whatever failed, the message was not kept
            if not isinstance(error, NotKept):
                self.parties[party].broken(error)
            self.again_from(party, frame.seq, f"message {frame.seq} could not be kept: {error}")

    def leaving(self, party: str, message: Any) -> None:
        """A message of the application leaves, or quickfix.DoNotSend."""
        if not self.parties[party].leaves(frame_of(message)):
            raise quickfix.DoNotSend


def _party(found: Any) -> str:
    return str(found.getTargetCompID().getValue())


_RUNNING: Final[set[Wire]] = set()
"""Wires whose threads run: one that is forgotten without being closed must not be freed under them."""


class _Callbacks(quickfix.Application):  # type: ignore[misc]  # a class without types
    """What QuickFIX calls. Nothing but its own exceptions leaves."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def onCreate(self, session: Any) -> None:
        self._guarded(session, lambda: self._wire.created(session))

    def onLogon(self, session: Any) -> None:
        self._guarded(session, lambda: self._wire.went_up(_party(session)))

    def onLogout(self, session: Any) -> None:
        self._guarded(session, lambda: self._wire.went_down(_party(session)))

    def toAdmin(self, message: Any, session: Any) -> None:
        self._guarded(session, lambda: self._wire.leaving_admin(_party(session), message))

    def fromAdmin(self, message: Any, session: Any) -> None:
        self._guarded(session, lambda: self._wire.came_admin(_party(session), message))

    def toApp(self, message: Any, session: Any) -> None:
        try:
            self._guarded(session, lambda: self._wire.leaving(_party(session), message), raises=True)
        except quickfix.DoNotSend:
            raise
        except BaseException as error:
            raise quickfix.DoNotSend from error

    def fromApp(self, message: Any, session: Any) -> None:
        self._guarded(session, lambda: self._wire.came(_party(session), message))

    def _guarded(self, session: Any, act: Callable[[], None], *, raises: bool = False) -> None:
        try:
            act()
        except (quickfix.RejectLogon, quickfix.DoNotSend):
            raise
        except BaseException as error:
            party = self._wire.parties.get(_party(session))
            if party is not None:
                party.broken(error)
            if raises:
                raise


class _Log(quickfix.Log):  # type: ignore[misc]  # a class without types
    """One session's lines in the log."""

    def __init__(self, log: logging.Logger) -> None:
        super().__init__()
        self._log = log

    def clear(self) -> None:
        """A log is never cleared."""

    def backup(self) -> None:
        """Old files are kept by their number."""

    def onIncoming(self, text: str) -> None:
        self._line("<", text)

    def onOutgoing(self, text: str) -> None:
        self._line(">", text)

    def onEvent(self, text: str) -> None:
        self._line("!", text)

    def _line(self, mark: str, text: str) -> None:
        self._log.info("%s %s", mark, masked(text))


class _Logs(quickfix.LogFactory):  # type: ignore[misc]  # a class without types
    """Makes the logs of sessions, all in one file. QuickFIX keeps pointers only, so they live here."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._handler = RotatingFileHandler(
            path, maxBytes=_LOG_BYTES, backupCount=9, encoding="utf-8", errors="backslashreplace"
        )
        self._handler.setFormatter(
            logging.Formatter("%(asctime)s.%(msecs)03d %(message)s", "%Y-%m-%d %H:%M:%S")
        )
        self._logger = logging.Logger("novate.broker.fix", logging.INFO)  # noqa: LOG001 - a file of its own, under no other logger
        self._logger.addHandler(self._handler)
        self._made: list[_Log] = []

    def create(self, *_session: Any) -> _Log:
        log = _Log(self._logger)
        log.this.disown()  # QuickFIX frees what it owns twice
        self._made.append(log)
        return log

    def destroy(self, log: Any) -> None:
        """They go with their factory."""

    def close(self) -> None:
        """Closes the file."""
        self._handler.close()


def masked(text: str) -> str:
    """A message as it may be shown: secrets masked, fields parted by a bar."""
    return _SECRET.sub(r"\1***", text).replace("\x01", "|")


# --- frames ----------------------------------------------------------------------------------------------------------------


def frame_of(message: Any) -> Frame:
    """A QuickFIX message as a frame. Its kind is that of one this line knows, or `Unknown`."""
    head = message.getHeader()

    def flag(tag: Header) -> bool:
        return bool(head.isSetField(int(tag))) and head.getField(int(tag)) == "Y"

    return Frame(
        kind=_kind(head.getField(int(Header.MSG_TYPE))),
        fields={tag: _field(message, tag) for tag in Tag if message.isSetField(int(tag))},
        fees=tuple(_fees(message)),
        seq=_seq(message),
        poss_resend=flag(Header.POSS_RESEND),
        poss_dup=flag(Header.POSS_DUP_FLAG),
    )


def message_of(frame: Frame) -> Any:
    """A frame as a QuickFIX message."""
    message = _CLASSES[frame.kind]()
    in_side = _OF_A_SIDE if frame.kind is Kind.TRADE_CAPTURE_REPORT else ()
    for tag, said in frame.fields.items():
        if tag not in in_side:
            message.setField(int(tag), said)
    if in_side:
        side = quickfix44.TradeCaptureReport.NoSides()
        for tag in in_side:
            side.setField(int(tag), frame.fields[tag])
        message.addGroup(side)
    for fee in frame.fees:
        group = quickfix44.ExecutionReport.NoMiscFees()
        group.setField(MISC_FEE_AMT, fee)
        message.addGroup(group)
    if frame.poss_resend:
        message.getHeader().setField(int(Header.POSS_RESEND), "Y")
    return message


def _fees(message: Any) -> list[str]:
    found = []
    for number in range(1, int(message.groupCount(NO_MISC_FEES)) + 1):
        group = quickfix44.ExecutionReport.NoMiscFees()
        message.getGroup(number, group)
        found.append(group.getField(MISC_FEE_AMT) if group.isSetField(MISC_FEE_AMT) else "")
    return found


def _kind(said: str) -> Kind:
    try:
        return Kind(said)
    except ValueError:
        return Kind.UNKNOWN


def _seq(message: Any) -> int:
    head, tag = message.getHeader(), int(Header.MSG_SEQ_NUM)
    return int(head.getField(tag)) if head.isSetField(tag) else 0


def _field(message: Any, tag: Tag) -> str:
    """A field as text that can be kept: a byte that is no UTF-8 is written out, so that two ids stay two."""
    said: str = message.getField(int(tag))  # with lone surrogates for such bytes
    return said.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _raw(message: Any) -> bytes:
    return str(message.toString()).encode("utf-8", "surrogateescape")
