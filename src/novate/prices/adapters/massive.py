"""Massive's stock cluster (formerly Polygon.io): quotes or trades. Format: massive.com/docs, "WebSocket, Stocks".

Responsible for: its handshake and its messages, which are JSON arrays; times are milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from novate.messages import PriceKind
from novate.prices.observation import Frame, Heard, Observation, Phase, Print, Quote
from novate.prices.reading import Unreadable, messages, moment_ns, number, optional_number, text

_CHANNELS: Final = {"quotes": "Q", "trades": "T"}
_REFUSED: Final = frozenset({"auth_failed", "auth_timeout", "not_authorized"})
_BROKEN: Final = frozenset({"max_connections", "slow_consumer", "force_disconnect"})


class Massive:
    """`channel` is "quotes" or "trades"."""

    def __init__(self, symbols: Sequence[str], *, key: str, channel: str = "quotes") -> None:
        self._key = key
        self.subscriptions = tuple(f"{_CHANNELS[channel]}.{symbol}" for symbol in symbols)
        """As the vendor names them."""
        self._left = set(self.subscriptions)

    def opened(self) -> Heard:
        """The server speaks first."""
        self._left = set(self.subscriptions)
        return Heard()

    def heard(self, frame: Frame) -> Heard:
        """Takes one frame: an array of messages."""
        try:
            found = messages(frame)
        except Unreadable:
            return Heard(malformed=1)
        seen: list[Observation] = []
        replies: list[str] = []
        phase, why, malformed = None, "", 0
        for message in found:
            try:
                kind = text(message.get("ev")) if isinstance(message, dict) else ""
                if kind in ("Q", "T"):
                    seen.append(_quote(message) if kind == "Q" else _trade(message))
                elif kind == "status":
                    said, phase, why = self._status(message, phase, why)
                    replies += said
                elif not kind:
                    malformed += 1
            except Unreadable:
                malformed += 1
        return Heard(tuple(seen), tuple(replies), phase, malformed, why)

    def _status(
        self, message: dict[str, Any], phase: Phase | None, why: str
    ) -> tuple[list[str], Phase | None, str]:
        status, words = message.get("status"), str(message.get("message", ""))
        if status == "connected":
            return [_say("auth", self._key)], phase, why
        if status == "auth_success":
            return [_say("subscribe", ",".join(self.subscriptions))], phase, why
        if status == "success":
            self._left.discard(words.rpartition(" ")[2])
            return [], (phase if self._left else Phase.READY), why
        if status in _REFUSED or status == "error":
            return [], Phase.REFUSED, words or str(status)
        if status in _BROKEN:
            return [], Phase.BROKEN, words or str(status)
        return [], phase, why


def _say(action: str, params: str) -> str:
    return msgspec.json.encode({"action": action, "params": params}).decode()


def _quote(message: dict[str, Any]) -> Quote:
    return Quote(
        text(message.get("sym")),
        number(message.get("bp")),
        number(message.get("ap")),
        optional_number(message.get("bs")),
        optional_number(message.get("as")),
        moment_ns(message.get("t"), "ms"),
    )


def _trade(message: dict[str, Any]) -> Print:
    size = message.get("ds", message.get("s"))  # `ds` has the fraction of a fractional trade
    return Print(
        text(message.get("sym")),
        number(message.get("p")),
        optional_number(size),
        moment_ns(message.get("t"), "ms"),
        PriceKind.TRADE,
    )
