"""Any JSON over a WebSocket: where symbol, price, size and time stand is what the operator writes, not code.

Responsible for: following the mapping. A path is names and places with points between them ("data.0.price"); a template says
{symbol}, {symbols} (a JSON array) or {key}. Never: guesses; what the mapping does not find is malformed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from novate.errors import ConfigError
from novate.messages import PriceKind
from novate.prices.observation import Frame, Heard, Observation, Phase, Print, Quote
from novate.prices.reading import (
    TimeUnit,
    Unreadable,
    field,
    moment_ns,
    number,
    optional_number,
    read_json,
    text,
)

Match = dict[str, str | int | bool]
"""Path to the value that must stand there; all must, an empty one matches nothing."""


class Pong(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a venue asks to see that somebody listens, and what it wants to hear.

    Attributes:
        when: Which message asks.
        say: The answer; {value} is what stands at `value`.
        value: A path, for answers that repeat something.
    """

    when: Match
    say: str
    value: str = ""


class JsonMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where things stand in a venue's messages.

    Attributes:
        subscribe: What to say once connected, one template per message; one with {symbol} is said per symbol.
        items: Path to the list of messages in a frame; empty where the frame is the list, or the one message.
        match: Which messages carry a price; where `items` has a path, which frames do.
        symbol: Path to the symbol.
        time: Path to the venue's time.
        time_unit: ns, us, ms, s, or rfc3339.
        price: Path to the price, for prints; else `bid` and `ask`.
        size: Path to the size of a print, where stated.
        bid: Path to the bid.
        ask: Path to the ask.
        bid_size: Path to its size, where stated.
        ask_size: Path to its size, where stated.
        kind: What a print is: trade, quote or issuer.
        ready: Which message says that the subscription stands; empty: it does once it is said.
        refused: Which message says that it is refused.
        reason: Path to the words of a refusal.
        pong: What a venue asks for, if it does.
    """

    subscribe: tuple[str, ...] = ()
    items: str = ""
    match: Match
    symbol: Annotated[str, msgspec.Meta(min_length=1)]
    time: Annotated[str, msgspec.Meta(min_length=1)]
    time_unit: TimeUnit
    price: str = ""
    size: str = ""
    bid: str = ""
    ask: str = ""
    bid_size: str = ""
    ask_size: str = ""
    kind: Literal["trade", "quote", "issuer"] = "trade"
    ready: Match = {}
    refused: Match = {}
    reason: str = ""
    pong: Pong | None = None

    def __post_init__(self) -> None:
        if bool(self.price) == bool(self.bid and self.ask) or bool(self.bid) is not bool(self.ask):
            raise ValueError("a mapping has either price, or bid and ask")


class Mapped:
    """A feed by its mapping. Raises ConfigError for a template that can't be filled."""

    def __init__(self, symbols: Sequence[str], mapping: JsonMapping, *, key: str = "") -> None:
        self._mapping = mapping
        self._opening = tuple(
            _filled(template, symbol=symbol, symbols=symbols, key=key)
            for template in mapping.subscribe
            for symbol in (symbols if "{symbol}" in template else ("",))
        )

    def opened(self) -> Heard:
        """Says what subscribes."""
        return Heard(replies=self._opening, phase=None if self._mapping.ready else Phase.READY)

    def heard(self, frame: Frame) -> Heard:
        """Takes one frame."""
        try:
            read = read_json(frame)
            items = field(read, self._mapping.items)
        except Unreadable:
            return Heard(malformed=1)
        found = items if isinstance(items, list) else [items if items is not None else read]
        seen: list[Observation] = []
        replies: list[str] = []
        phase, why, malformed = self._phase(read)
        pong = self._mapping.pong
        if pong is not None and _matches(read, pong.when):
            replies.append(pong.say.replace("{value}", _shown(field(read, pong.value))))
        for message in found:
            if _matches(read if self._mapping.items else message, self._mapping.match):
                try:
                    seen.append(self._observation(message))
                except Unreadable:
                    malformed += 1
        return Heard(tuple(seen), tuple(replies), phase, malformed, why)

    def _phase(self, read: Any) -> tuple[Phase | None, str, int]:
        if _matches(read, self._mapping.refused):
            return Phase.REFUSED, str(field(read, self._mapping.reason) or "refused"), 0
        if _matches(read, self._mapping.ready):
            return Phase.READY, "", 0
        return None, "", 0 if isinstance(read, dict | list) else 1

    def _observation(self, message: Any) -> Observation:
        def at(path: str) -> Any:
            return field(message, path) if path else None

        paths = self._mapping
        symbol, time_ns = text(at(paths.symbol)), moment_ns(at(paths.time), paths.time_unit)
        if paths.price:
            kind = PriceKind[paths.kind.upper()]
            return Print(symbol, number(at(paths.price)), optional_number(at(paths.size)), time_ns, kind)
        sizes = optional_number(at(paths.bid_size)), optional_number(at(paths.ask_size))
        return Quote(symbol, number(at(paths.bid)), number(at(paths.ask)), *sizes, time_ns)


def _matches(message: Any, match: Mapping[str, str | int | bool]) -> bool:
    return bool(match) and all(field(message, path) == value for path, value in match.items())


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


def _filled(template: str, *, symbol: str, symbols: Sequence[str], key: str) -> str:
    filled = template.replace("{symbols}", msgspec.json.encode(list(symbols)).decode())
    filled = filled.replace("{symbol}", symbol).replace("{key}", key)
    try:
        msgspec.json.decode(filled)
    except msgspec.DecodeError as error:
        raise ConfigError(f"The template {template!r} does not become JSON: {error}.") from error
    return filled
