"""What an operator writes about a feed, and the feed it becomes.

    [[feed]]
    name = "iex"
    kind = "alpaca"                 # alpaca, massive, ccxt, json
    key_env = "ALPACA_KEY"          # names of environment variables: no secret stands in a file
    secret_env = "ALPACA_SECRET"
    [feed.symbols]
    NVDA = { underlying = "NVDA", source = 1 }

Responsible for: one clear error for what does not fit together or is not listed. Never: connects, or holds a default for a price.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec

from novate.errors import ConfigError, UnitError
from novate.messages.reports.portfolios import Listed, UnderlyingName
from novate.prices.adapters.alpaca import Alpaca
from novate.prices.adapters.mapped import JsonMapping, Mapped
from novate.prices.adapters.massive import Massive
from novate.prices.adapters.ticker import Ticker
from novate.prices.credentials import credentials
from novate.prices.feed import Feed
from novate.prices.health import Backoff, FeedHealth
from novate.prices.intake import Instrument, Intake, IntakeTerms
from novate.prices.links import AlpacaLink, CcxtLink, Link, MassiveLink, SocketLink
from novate.prices.observation import Adapter, Clock
from novate.units import duration_ns, micro_usd, quantity

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class SymbolSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a symbol of a feed prices.

    Attributes:
        underlying: Name of the underlying, as listed.
        source: Id of the listed source that this feed is for it.
    """

    underlying: Name
    source: Annotated[int, msgspec.Meta(ge=1)]


class FeedSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One feed.

    Attributes:
        name: Its name, in health, alarms and the archive.
        kind: alpaca, massive, ccxt or json.
        symbols: The vendor's symbol to what it prices.
        transport: `sdk`: the vendor's own client; `socket`: a WebSocket of novate's. ccxt is always itself, json always a socket.
        url: Address of a socket; the vendor's own where it is empty.
        channel: quotes or trades; of ccxt, tickers or trades.
        exchange: ccxt's name of the exchange.
        tape: `iex` or `sip`, of alpaca.
        key_env: Environment variable with the key.
        secret_env: Environment variable with the secret.
        json: The mapping, for json.
        options: ccxt's own options.
        unit: Shares or coins in one unit of the feed's sizes, as text.
        assumed_size: Dollars behind a price whose size is not stated, "100,000 USD"; without it such a price has size 0.
        skew: How far the venue's clock may run ahead of ours.
        silence: After so long without any message the connection counts as dead.
    """

    name: Name
    kind: Literal["alpaca", "massive", "ccxt", "json"]
    symbols: dict[Name, SymbolSettings]
    transport: Literal["sdk", "socket"] = "sdk"
    url: str = ""
    channel: Literal["quotes", "trades"] = "quotes"
    exchange: str = ""
    tape: Literal["iex", "sip"] = "iex"
    key_env: str = ""
    secret_env: str = ""
    json: JsonMapping | None = None
    options: dict[str, Any] = {}
    unit: str = "1"
    assumed_size: str = "0 USD"
    skew: str = "250 ms"
    silence: str = "60 s"


def instruments(settings: FeedSettings, listed: Listed) -> tuple[Instrument, ...]:
    """The symbols of a feed as the venue lists what they price. Raises ConfigError for what it does not list."""
    known = {line.name: line for line in listed.underlyings}
    found = []
    for symbol, entry in settings.symbols.items():
        line = known.get(entry.underlying)
        if line is None:
            raise ConfigError(f"Feed {settings.name}: the venue lists no underlying {entry.underlying!r}.")
        if entry.source not in line.sources:
            raise ConfigError(
                f"Feed {settings.name}: {entry.underlying} has no source {entry.source}; it has "
                f"{', '.join(map(str, line.sources)) or 'none'}."
            )
        found.append(_instrument(symbol, entry, line))
    if not found:
        raise ConfigError(f"Feed {settings.name} has no symbols.")
    return tuple(found)


def connection(
    settings: FeedSettings, environment: Mapping[str, str] = os.environ
) -> tuple[Adapter, Callable[[], Link]]:
    """The format of a feed, and what makes a new connection to it. Raises ConfigError for a missing key or package."""
    return _KINDS[settings.kind](settings, tuple(settings.symbols), environment)


def build_feed(
    settings: FeedSettings,
    listed: Listed,
    clock: Clock,
    *,
    expects: Callable[[str, int], bool] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Feed:
    """A feed, ready to run. `expects` says whether an underlying (by name) should have prices at a time.

    Raises ConfigError, naming the feed: a missing key, an unknown underlying or source, a package that is not installed.
    """
    entries = instruments(settings, listed)
    symbols = tuple(settings.symbols)
    names = {symbol: entry.underlying for symbol, entry in settings.symbols.items()}

    def speaks(symbol: str, now_ns: int) -> bool:
        return expects is None or expects(names[symbol], now_ns)

    try:
        unit = Decimal(quantity(f"{settings.unit} units", "units", "unit"))
        terms = IntakeTerms(
            unit,
            micro_usd(quantity(settings.assumed_size, "USD", "assumed_size")),
            duration_ns(settings.skew, "skew"),
        )
        silence_s = duration_ns(settings.silence, "silence") / 1e9
    except UnitError as error:
        raise ConfigError(f"Feed {settings.name}: {error.sentence}") from error
    adapter, link = connection(settings, environment)
    return Feed(
        name=settings.name,
        adapter=adapter,
        link=link,
        intake=Intake(entries, terms),
        health=FeedHealth(settings.name, symbols, clock(), speaks),
        backoff=Backoff(),
        clock=clock,
        silence_s=silence_s,
    )


Built = tuple[Adapter, Callable[[], Link]]


def _tried(make: Callable[[], Link]) -> Callable[[], Link]:
    """Makes one link in vain, so that a package or an exchange that is missing is said at the start."""
    make()
    return make


def _alpaca(settings: FeedSettings, symbols: tuple[str, ...], environment: Mapping[str, str]) -> Built:
    key, secret = _secret(settings, "key_env", environment), _secret(settings, "secret_env", environment)
    adapter = Alpaca(symbols, key=key, secret=secret, channel=settings.channel)
    if settings.transport == "socket":
        url = settings.url or f"wss://stream.data.alpaca.markets/v2/{settings.tape}"
        return adapter, lambda: SocketLink(url)

    def tapped() -> Link:
        return AlpacaLink(
            symbols,
            key=key,
            secret=secret,
            channel=settings.channel,
            feed=settings.tape,
            url=settings.url or None,
        )

    return adapter, _tried(tapped)


def _massive(settings: FeedSettings, symbols: tuple[str, ...], environment: Mapping[str, str]) -> Built:
    key = _secret(settings, "key_env", environment)
    adapter = Massive(symbols, key=key, channel=settings.channel)
    if settings.transport == "socket":
        url = settings.url or "wss://socket.massive.com/stocks"
        return adapter, lambda: SocketLink(url)
    scheme, _, host = settings.url.removesuffix("/stocks").rpartition("://")
    return adapter, _tried(
        lambda: MassiveLink(adapter.subscriptions, key=key, host=host, secure=scheme != "ws")
    )


def _ccxt(settings: FeedSettings, symbols: tuple[str, ...], environment: Mapping[str, str]) -> Built:
    del environment  # market data of exchanges asks for no key
    if not settings.exchange:
        raise ConfigError(f"Feed {settings.name}: a ccxt feed names its exchange.")
    return Ticker(), _tried(
        lambda: CcxtLink(settings.exchange, symbols, settings.options, channel=settings.channel)
    )


def _json(settings: FeedSettings, symbols: tuple[str, ...], environment: Mapping[str, str]) -> Built:
    if settings.json is None or not settings.url:
        raise ConfigError(f"Feed {settings.name}: a json feed has a url and a mapping, [feed.json].")
    key = _secret(settings, "key_env", environment) if settings.key_env else ""
    SocketLink(settings.url)
    return Mapped(symbols, settings.json, key=key), lambda: SocketLink(settings.url)


_KINDS: Mapping[str, Callable[[FeedSettings, tuple[str, ...], Mapping[str, str]], Built]] = {
    "alpaca": _alpaca,
    "massive": _massive,
    "ccxt": _ccxt,
    "json": _json,
}


def _secret(settings: FeedSettings, which: str, environment: Mapping[str, str]) -> str:
    variable = getattr(settings, which)
    found = credentials(variable, environment)
    if not found:
        said = f"the environment variable {variable} is not set" if variable else f"{which} is missing"
        raise ConfigError(f"Feed {settings.name}: {said}.")
    return found[0]


def _instrument(symbol: str, entry: SymbolSettings, line: UnderlyingName) -> Instrument:
    return Instrument(
        symbol, line.underlying, entry.source, line.decimals, line.price_min, line.price_max, line.nav
    )


def names_of(feeds: Iterable[FeedSettings]) -> tuple[str, ...]:
    """The names of these feeds. Raises ConfigError where two have one name, or one source is two feeds'."""
    listed = tuple(feeds)
    names = tuple(entry.name for entry in listed)
    if len(set(names)) < len(names):
        raise ConfigError(f"Two feeds have one name: {', '.join(sorted(names))}.")
    taken: dict[tuple[str, int], str] = {}
    for entry in listed:
        for symbol in entry.symbols.values():
            other = taken.setdefault((symbol.underlying, symbol.source), entry.name)
            if other != entry.name:
                raise ConfigError(
                    f"Feeds {other} and {entry.name} are both source {symbol.source} of {symbol.underlying}: sources count as "
                    "independent only where they are."
                )
    return names
