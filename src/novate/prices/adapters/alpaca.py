"""Alpaca's stock stream: quotes or trades of IEX or of the consolidated tape. Format: docs.alpaca.markets, "Real-time Stock Data".

Responsible for: its handshake and its messages, in both encodings: text is JSON, bytes are MessagePack (what the vendor's SDK speaks).
MessagePack carries floats; each is read as the shortest decimal that means the same float, which is what the vendor wrote.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from novate.messages import PriceKind
from novate.prices.observation import Frame, Heard, Observation, Phase, Print, Quote
from novate.prices.reading import Unreadable, messages, moment_ns, number, optional_number, text

_NO_WAY_ON: Final = frozenset({402, 405, 409, 410})
"""Vendor's codes for a key, a number of symbols, or a subscription that it will not take next time either."""


class Alpaca:
    """`channel` is "quotes" or "trades"."""

    def __init__(self, symbols: Sequence[str], *, key: str, secret: str, channel: str = "quotes") -> None:
        self._symbols, self._channel = list(symbols), channel
        self._credentials = {"action": "auth", "key": key, "secret": secret}

    def opened(self) -> Heard:
        """The server speaks first."""
        return Heard()

    def heard(self, frame: Frame) -> Heard:
        """Takes one frame: an array of messages."""
        try:
            found = messages(frame) if isinstance(frame, str) else _unpacked(frame)
        except Unreadable:
            return Heard(malformed=1)
        seen: list[Observation] = []
        replies: list[str] = []
        phase, why, malformed = None, "", 0
        for message in found:
            try:
                kind = text(message.get("T")) if isinstance(message, dict) else ""
                if kind in ("q", "t"):
                    seen.append(_quote(message) if kind == "q" else _trade(message))
                elif kind == "success":
                    replies += self._reply(message.get("msg"))
                elif kind == "subscription":
                    phase = Phase.READY
                elif kind == "error":
                    phase, why = _error(message)
                elif not kind:
                    malformed += 1
            except Unreadable:
                malformed += 1
        return Heard(tuple(seen), tuple(replies), phase, malformed, why)

    def _reply(self, said: object) -> list[str]:
        if said == "connected":
            return [msgspec.json.encode(self._credentials).decode()]
        if said == "authenticated":
            return [msgspec.json.encode({"action": "subscribe", self._channel: self._symbols}).decode()]
        return []


def _unpacked(frame: bytes) -> list[Any]:
    """With the package that the vendor's client brings along: it keeps nanoseconds."""
    try:
        read = importlib.import_module("msgpack").unpackb(frame)
    except (ValueError, ImportError) as error:
        raise Unreadable("not MessagePack") from error
    return read if isinstance(read, list) else [read]


def _time_ns(value: object) -> int:
    """JSON has text, MessagePack a moment of its own."""
    exact = getattr(value, "to_unix_nano", None)
    return moment_ns(value, "rfc3339") if exact is None else moment_ns(exact(), "ns")


def _quote(message: dict[str, Any]) -> Quote:
    return Quote(
        text(message.get("S")),
        number(message.get("bp")),
        number(message.get("ap")),
        optional_number(message.get("bs")),
        optional_number(message.get("as")),
        _time_ns(message.get("t")),
    )


def _trade(message: dict[str, Any]) -> Print:
    return Print(
        text(message.get("S")),
        number(message.get("p")),
        optional_number(message.get("s")),
        _time_ns(message.get("t")),
        PriceKind.TRADE,
    )


def _error(message: dict[str, Any]) -> tuple[Phase, str]:
    code, said = message.get("code"), str(message.get("msg", ""))
    return (Phase.REFUSED if code in _NO_WAY_ON else Phase.BROKEN), f"{said} ({code})"
