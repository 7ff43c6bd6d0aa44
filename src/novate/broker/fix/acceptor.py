"""A broker served over FIX 4.4: the simulated exchange as a counterparty on a socket, one session for each of its brokers.

Whatever implements the broker port can stand behind a session, with the faults it injects; a `script` changes messages on their way out, for
faults that only FIX knows.

Responsible for: reports kept in the session's file before the exchange is told that they are kept, so that they are said when the client logs on
again; requests given to the broker behind. Never: matches, or guards anything of value: it is for tests, drills and the demo.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from novate.broker.fix.frame import Frame, Unreadable
from novate.broker.fix.orders import SessionBook
from novate.broker.fix.serving import Server, unreadable
from novate.broker.fix.settings import AcceptorSettings, Client, acceptor_text, dictionary_path
from novate.broker.fix.tags import PASSWORD, Kind
from novate.broker.fix.wire import Wire
from novate.broker.port import (
    AskOrder,
    Broker,
    CancelOrder,
    Heard,
    LineDown,
    LineLost,
    LineUp,
    NewOrder,
    ReplaceOrder,
)
from novate.errors import ConfigError, NovateError

_CURSOR: Final = "cursor"

Script = Callable[[str, Frame], Iterable[Frame]]
"""What is said to a client instead of a message."""


class FixAcceptor:
    """The sessions of an exchange. `brokers`: who stands behind each client's session, by the client's id."""

    def __init__(
        self,
        settings: AcceptorSettings,
        folder: Path,
        brokers: Mapping[str, Broker],
        *,
        clock: Callable[[], int] = time.time_ns,
        script: Script | None = None,
    ) -> None:
        missing = [client.id for client in settings.clients if client.id not in brokers]
        if missing:
            raise ConfigError(f"No broker stands behind the session of {', '.join(missing)}.")
        self.settings = settings
        self._folder, self._brokers, self._clock, self._script = folder, brokers, clock, script
        self._wire: Wire | None = None
        self._sessions: dict[str, _Session] = {}

    def start(self) -> None:
        """Listens. Does not wait. Raises ConfigError, also for a port that is taken, and DataError; nothing is open then."""
        if self._wire is not None:
            raise ConfigError(f"{self.settings.exchange} listens already.")
        text = acceptor_text(self.settings, self._folder, dictionary_path(self.settings.dictionary))
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            for client in self.settings.clients:
                self._sessions[client.id] = _Session(
                    client, self._brokers[client.id], self._folder, self._clock, self._script
                )
            self._wire = Wire(text, self._folder, self._sessions)
            self._wire.build()
            for session in self._sessions.values():
                session.begin(self._wire)
            self._wire.start()
        except BaseException:
            self.close()
            raise

    def cut(self, client: str) -> None:
        """Cuts a client's line; it may log on again."""
        if self._wire is not None:
            self._wire.cut(client, "cut")

    def say(self, client: str, frame: Frame) -> None:
        """Says a message that no report stands behind."""
        if self._wire is not None:
            self._wire.say(client, frame)

    def close(self) -> None:
        """Logs out and ends; the brokers behind are closed."""
        if self._wire is not None:
            self._wire.close()
        for session in self._sessions.values():
            session.end()
        self._wire, self._sessions = None, {}


class _Session:
    """One client's session."""

    def __init__(
        self, client: Client, broker: Broker, folder: Path, clock: Callable[[], int], script: Script | None
    ) -> None:
        self._client, self._broker, self._script = client, broker, script
        self._clock = clock
        self._book = SessionBook(folder / f"{client.id}.db")
        self._server = Server(client, self._book, clock)
        self._wire: Wire | None = None
        self._shut = False

    def begin(self, wire: Wire) -> None:
        self._wire = wire
        self._broker.open(self._heard, self._book.fact(_CURSOR))

    def end(self) -> None:
        if self._wire is not None:
            self._broker.close()
        self._wire = None
        self._book.close()

    def _heard(self, heard: Heard) -> None:
        """A report is in the session's file once it was said, whether anybody is there or not."""
        if isinstance(heard.report, LineLost | LineUp):
            self._shut = isinstance(heard.report, LineLost)
            if self._shut and self._wire is not None:
                self._wire.cut(self._client.id, "the exchange's line is cut")
            return
        for frame in self._server.report(heard):
            self._say(frame)
        self._book.keep_fact(_CURSOR, heard.cursor)

    def _say(self, frame: Frame) -> None:
        wire = self._wire
        if wire is None:
            raise LineDown("The session is closed.")
        for said in [frame] if self._script is None else self._script(self._client.id, frame):
            wire.say(self._client.id, said)

    # --- the session ---------------------------------------------------------------------------------------------------

    def logon_fields(self) -> Mapping[int, str]:
        return {}

    def admits(self, fields: Mapping[int, str]) -> bool:
        said = fields.get(PASSWORD, "").encode("utf-8", "surrogateescape")
        return not self._shut and (
            not self._client.password or hmac.compare_digest(said, self._client.password.encode())
        )

    def began(self) -> None:
        """Numbers go on."""

    def up(self) -> None:
        """What was missed is asked for by the client's session."""

    def down(self, reason: str) -> None:
        """Reports go on into the session's file."""

    def leaves(self, frame: Frame) -> bool:
        del frame
        return True

    def rejects(self, frame: Frame, raw: bytes) -> None:
        self._book.refuse(self._clock(), f"A message does not fit the dictionary: {dict(frame.fields)}.", raw)

    def broken(self, error: BaseException) -> None:
        self._book.refuse(self._clock(), f"{type(error).__name__}: {error}", b"")

    def heard_admin(self, frame: Frame, raw: bytes) -> None:
        """Nothing of the session matters here."""

    def heard(self, frame: Frame, raw: bytes) -> None:
        """A request. One that can't be taken is answered, and never comes again."""
        try:
            self._taken(frame)
        except Unreadable as error:
            self._say(unreadable(frame, error))
        except NovateError as error:
            self._book.refuse(self._clock(), error.sentence, raw)
            self._say(self._server.not_available(frame, error.sentence))

    def _taken(self, frame: Frame) -> None:
        match frame.kind:
            case Kind.NEW_ORDER_SINGLE:
                said: NewOrder | CancelOrder | ReplaceOrder | Frame = self._server.new_order(frame)
            case Kind.ORDER_CANCEL_REQUEST | Kind.ORDER_CANCEL_REPLACE_REQUEST:
                said = self._server.change(frame)
            case Kind.ORDER_STATUS_REQUEST:
                answers, open_end = self._server.state(frame)
                for answer in answers:
                    self._say(answer)
                if open_end:
                    self._broker.send(AskOrder(order=open_end))
                return
            case _:
                said = self._server.not_available(frame, "no message of this kind is taken")
        if isinstance(said, Frame):
            self._say(said)
        else:
            self._broker.send(said)
