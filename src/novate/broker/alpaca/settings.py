"""What an operator writes about an account at Alpaca, in TOML, under the broker's entry.

    kind = "alpaca"
    account = "paper"                           # or "live": which of the vendor's addresses is spoken to
    key_file = "secrets/alpaca.key"             # the key's id, the first line of the file
    secret_file = "secrets/alpaca.secret"       # the key's secret

    [network]                                   # the issuer's side of the tokenisation network, where the operator is one
    account_id = "7d3c..."                      # the account that shares are journaled to
    name = "novate"                             # the issuer's name in the network
    key_file = "secrets/alpaca-broker.key"      # the broker API has a key of its own
    secret_file = "secrets/alpaca-broker.secret"

Responsible for: one clear error per mistake, addresses, and reading a secret when it is needed. Never: keeps one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from novate.errors import ConfigError

Account = Literal["paper", "live"]

_REST: Final = {"paper": "https://paper-api.alpaca.markets", "live": "https://api.alpaca.markets"}
_STREAM: Final = {"paper": "wss://paper-api.alpaca.markets/stream", "live": "wss://api.alpaca.markets/stream"}
_BROKER: Final = {
    "paper": "https://broker-api.sandbox.alpaca.markets",
    "live": "https://broker-api.alpaca.markets",
}
_DATA: Final = "https://data.alpaca.markets"
_HERE: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Key:
    """A key and its secret, for as long as a connection is opened with them; neither is in its text."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return "Key(...)"


class _Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base: unknown keys are refused."""


class NetworkSettings(_Settings, frozen=True, kw_only=True):
    """The issuer's side of the tokenisation network.

    Attributes:
        account_id: The account at Alpaca that shares are journaled to and from.
        name: The issuer's name in the network.
        key_file: Where the broker API's key is.
        secret_file: Where its secret is.
        url: An address instead of the vendor's, for tests.
    """

    account_id: str
    name: str
    key_file: str
    secret_file: str
    url: str = ""


class AlpacaSettings(_Settings, frozen=True, kw_only=True):
    """An account at Alpaca.

    Attributes:
        account: `paper` or `live`.
        key_file: Where the key's id is.
        secret_file: Where its secret is.
        url: An address of the REST API instead of the vendor's, for tests.
        stream_url: The same for the stream.
        data_url: The same for announcements.
        extended_hours: Whether orders also execute before and after the regular session.
        patience_s: Seconds an answer may take before it counts as lost.
        retries: How often a request is repeated that the broker did not take for its rate limit.
        longest_wait_s: Longest wait before such a repetition.
        overlap_s: How far before the last told moment a catch-up begins: what was published late is told again rather than missed.
        sweep_s: How often what the stream should have said is compared with the record.
        first_wait_s: Wait before the first attempt to connect again; it doubles.
        network: The issuer's side, where the operator is one.
    """

    account: Account
    key_file: str
    secret_file: str
    url: str = ""
    stream_url: str = ""
    data_url: str = ""
    extended_hours: bool = True
    patience_s: int = 10
    retries: int = 3
    longest_wait_s: int = 10
    overlap_s: int = 300
    sweep_s: int = 60
    first_wait_s: float = 1.0
    network: NetworkSettings | None = None

    def rest(self) -> str:
        """The address of the trading API."""
        return _safe(self.url, "url", "https") if self.url else _REST[self.account]

    def stream(self) -> str:
        """The address of the trade updates."""
        return _safe(self.stream_url, "stream_url", "wss") if self.stream_url else _STREAM[self.account]

    def data(self) -> str:
        """The address of announcements, the same for both accounts."""
        return _safe(self.data_url, "data_url", "https") if self.data_url else _DATA

    def broker(self) -> str:
        """The address of the broker API, which the tokenisation network is part of."""
        url = self.network.url if self.network else ""
        return _safe(url, "network.url", "https") if url else _BROKER[self.account]

    def key(self, home: Path) -> Key:
        """The key, from its files now. Raises ConfigError."""
        return read_key(self.key_file, self.secret_file, home)


def read_settings(raw: object) -> AlpacaSettings:
    """The settings of a broker's entry. Raises ConfigError."""
    try:
        found = msgspec.convert(_without_kind(raw), AlpacaSettings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"broker alpaca: {error}") from None
    for name, value, least in (
        ("patience_s", found.patience_s, 1), ("retries", found.retries, 0), ("overlap_s", found.overlap_s, 0),
        ("longest_wait_s", found.longest_wait_s, 0), ("sweep_s", found.sweep_s, 1),
    ):  # fmt: skip
        if value < least:
            raise ConfigError(f"broker alpaca: {name} must be at least {least}, got {value}", field=name)
    for address in (found.rest, found.stream, found.data, found.broker):
        address()
    return found


def read_key(key_file: str, secret_file: str, home: Path) -> Key:
    """A key from two files, relative ones in the home: the first line of each. Raises ConfigError."""
    return Key(_first_line(home / key_file), _first_line(home / secret_file))


def _without_kind(raw: object) -> Any:
    return {name: value for name, value in raw.items() if name != "kind"} if isinstance(raw, dict) else raw


def _first_line(path: Path) -> str:
    try:
        lines = [said for line in path.read_text(encoding="utf-8").splitlines() if (said := line.strip())]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}", file=str(path)) from None
    if not lines:
        raise ConfigError(f"{path} holds no secret", file=str(path))
    return lines[0]


def _safe(url: str, name: str, scheme: str) -> str:
    """A key is sent over an encrypted line only, or to this machine."""
    parts = urlsplit(url)
    if parts.scheme != scheme and parts.hostname not in _HERE:
        raise ConfigError(f"broker alpaca: {name} must be {scheme}://..., got {url}", field=name)
    return url.rstrip("/")
