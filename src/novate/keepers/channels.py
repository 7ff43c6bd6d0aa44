"""How an alert reaches somebody outside: a webhook, an email. Each is one attempt; when to try again is the dispatcher's business.

A webhook is a POST of the alert as JSON with

    Novate-Alert-Id     the alert's id: the same alert has the same id however often it comes
    Novate-Signature    t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>" under the shared secret>

with one v1 for each secret that is good while it is rotated,

and counts as delivered at a 2xx answer. Redirects are not followed: an alert goes where the operator said.

Responsible for: one message, one answer, a bounded wait. Never: retries, or holds a secret that it shows.
"""

from __future__ import annotations

import hashlib
import hmac
import smtplib
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final, Protocol
from urllib.parse import urlsplit

import msgspec

from novate.errors import ConfigError, NovateError
from novate.keepers.alert_book import Alert

_WAIT_S: Final = 10.0
_ORDER: Final = {"info": 0, "warning": 1, "critical": 2}


class Undelivered(NovateError):
    """One attempt failed; its sentence is the line of the log."""

    code = "undelivered"


class Channel(Protocol):
    """A way to somebody."""

    @property
    def name(self) -> str:
        """As it stands in the delivery log."""
        ...

    def wants(self, alert: Alert) -> bool:
        """Whether an alert goes this way."""
        ...

    def send(self, alert: Alert) -> str:
        """One attempt; returns what the other side said. Raises Undelivered."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts somebody wants: of these accounts (None: all), from this severity on."""

    accounts: frozenset[str] | None = None
    least: str = "info"

    def __call__(self, alert: Alert) -> bool:
        """Whether this is one of them."""
        mine = self.accounts is None or alert.account in self.accounts
        return mine and _ORDER[alert.severity] >= _ORDER[self.least]


def sign(secret: bytes, unix_s: int, body: bytes) -> str:
    """The value of `Novate-Signature`."""
    signed = hmac.new(secret, f"{unix_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={unix_s},v1={signed}"


def sign_by_all(secrets: Iterable[bytes], unix_s: int, body: bytes) -> str:
    """The same with one signature for each secret: a receiver that has one of them takes it."""
    return f"t={unix_s}," + ",".join(sign(secret, unix_s, body).partition(",")[2] for secret in secrets)


def verify(secret: bytes, signature: str, body: bytes, now_s: int, within_s: int = 300) -> bool:
    """What a receiver does: whether a body is signed by who knows the secret, and lately."""
    stamp, *given = signature.split(",")
    said = stamp.removeprefix("t=")
    if not said.isascii() or not said.isdigit() or abs(now_s - int(said)) > within_s:
        return False
    expected = sign(secret, int(said), body).partition(",")[2]
    return any(hmac.compare_digest(expected.encode(), one.encode()) for one in given)


@dataclass(frozen=True, slots=True)
class Webhook:
    """One address. Raises ConfigError for one that is not http(s)."""

    name: str
    url: str
    secret: bytes = field(repr=False)
    wanted: Wanted = Wanted()
    read: Callable[[], tuple[str, ...]] | None = field(default=None, repr=False)
    """Gives the secrets that are good now, where they can change while this runs."""

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            raise ConfigError(f"Webhook {self.name}: {self.url!r} is no http address.")

    def wants(self, alert: Alert) -> bool:
        """Whether an alert goes this way."""
        return self.wanted(alert)

    def _secrets(self) -> tuple[bytes, ...]:
        try:
            found = self.read() if self.read is not None else ()
        except ConfigError as error:
            raise Undelivered(error.sentence) from error
        return tuple(one.encode() for one in found) or (self.secret,)

    def send(self, alert: Alert) -> str:
        """One POST."""
        body, at = msgspec.json.encode(alert), urlsplit(self.url)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "novate",
            "Novate-Alert-Id": alert.id,
            "Novate-Signature": sign_by_all(self._secrets(), int(time.time()), body),
        }
        host, port = at.hostname or "", at.port
        connection = (
            HTTPSConnection(host, port, timeout=_WAIT_S, context=ssl.create_default_context())
            if at.scheme == "https"
            else HTTPConnection(host, port, timeout=_WAIT_S)
        )
        try:
            connection.request("POST", (at.path or "/") + (f"?{at.query}" if at.query else ""), body, headers)
            answer = connection.getresponse()
            answer.read(1_024)
        except (OSError, HTTPException) as error:
            raise Undelivered(f"{type(error).__name__}: {error}") from error
        finally:
            connection.close()
        if not 200 <= answer.status < 300:
            raise Undelivered(f"HTTP {answer.status} {answer.reason}")
        return f"HTTP {answer.status}"


@dataclass(frozen=True, slots=True)
class Email:
    """One mailbox through one mail server; with a user it logs in, and then only over TLS."""

    name: str
    host: str
    port: int
    sender: str
    to: str
    starttls: bool = True
    user: str = ""
    password: str = field(default="", repr=False)
    wanted: Wanted = Wanted()

    def __post_init__(self) -> None:
        if self.user and not self.starttls:
            raise ConfigError(f"Email {self.name}: a password is not sent without TLS.")

    def wants(self, alert: Alert) -> bool:
        """Whether an alert goes this way."""
        return self.wanted(alert)

    def send(self, alert: Alert) -> str:
        """One message."""
        try:
            with smtplib.SMTP(self.host, self.port, timeout=_WAIT_S) as server:
                if self.starttls:
                    server.starttls(context=ssl.create_default_context())
                if self.user:
                    server.login(self.user, self.password)
                server.send_message(self._message(alert))
        except (OSError, smtplib.SMTPException) as error:
            raise Undelivered(f"{type(error).__name__}: {error}") from error
        return f"taken by {self.host}"

    def _message(self, alert: Alert) -> EmailMessage:
        message = EmailMessage()
        message["From"], message["To"] = self.sender, self.to
        message["Subject"] = f"[{alert.severity}] account {alert.account}: {alert.kind.replace('_', ' ')}"
        message["Date"] = formatdate()
        domain = self.sender.rpartition("@")[2].strip(" >") or "novate"
        message["Message-ID"] = f"<{alert.id}@{domain}>"
        message["Novate-Alert-Id"] = alert.id
        lines = [alert.sentence]
        if alert.call is not None:
            call = alert.call
            lines += ["", f"Missing: {call.amount} {call.asset}. {call.reason}", f"Deadline: {call.deadline}"]
            lines += ["", "Each of these ends it:"] + [f"  - {remedy.sentence}" for remedy in call.remedies]
        message.set_content("\n".join(lines) + "\n")
        return message
