"""What an operator writes about the bridge, `bridge.toml` in the venue's home, and the defaults.

    account = 900                       # an ordinary account of the venue
    key = 41                            # its key; secret in the environment variable `secret_env`
    secret_env = "BRIDGE_SECRET"

    [primary]
    kind = "file"                       # who shows the primary market
    path = "primary.json"

    [total]
    unhedged = "2 M USD"

    [[name]]
    symbol = "NVDA"
    token = "tNVDA"
    spot = "tNVDA-USDC"
    perp = "NVDA-PERP"
    mint_fee = "5 bps"
    redeem_fee = "5 bps"

Responsible for: one clear error per mistake, and whole numbers out of words. Never: holds a secret (files name environment variables).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from novate.bridge.terms import NANO, PPM, Conduct, Market, NameTerms, TotalTerms
from novate.client import answers
from novate.errors import ConfigError, UnitError
from novate.messages.codes import Session
from novate.prices.settings import FeedSettings
from novate.settings_file import read_settings
from novate.units import duration_ns, micro_usd, quantity, rate_ppm, scaled

FILE: Final = "bridge.toml"
Words = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class _Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base: unknown keys are refused."""


class PrimarySettings(_Settings, frozen=True, kw_only=True):
    """Who shows the primary market.

    Attributes:
        kind: `file`: books that somebody keeps current; `feed`: quotes of a feed; `exchange`: a simulated exchange of its own, at the venue's time.
        path: The file of books, or the exchange's settings, seen from the home.
        feed: The feed, as in the keepers' settings; its `symbols` name underlyings.
    """

    kind: Literal["file", "feed", "exchange"] = "file"
    path: str = "primary.json"
    feed: FeedSettings | None = None


class TotalSettings(_Settings, frozen=True, kw_only=True):
    """Limits over all names: see `terms.TotalTerms`."""

    unhedged: str = "2 M USD"
    net: str = "2 M USD"
    gross: str = "50 M USD"
    loss: str = "50,000 USD"
    excess: str = "100,000 USD"
    cash: str = "0 USD"


class ConductSettings(_Settings, frozen=True, kw_only=True):
    """A session: see `terms.Conduct`."""

    edge: str
    size: str = "100 %"
    levels: Annotated[int, msgspec.Meta(ge=1, le=20)] = 3
    unhedged: str = "1 M USD"
    stale: str = "5 s"
    hedges: bool = False
    age: str = "0 bps"


SessionName = Literal["pre", "regular", "post", "overnight", "closed"]
_CONDUCT: Final[dict[SessionName, ConductSettings]] = {
    "regular": ConductSettings(edge="0.5 bps", levels=5, hedges=True, age="2 bps"),
    "pre": ConductSettings(
        edge="10 bps", size="25 %", levels=2, unhedged="100,000 USD", stale="60 s", age="10 bps"
    ),
    "post": ConductSettings(
        edge="10 bps", size="25 %", levels=2, unhedged="100,000 USD", stale="60 s", age="10 bps"
    ),
}
"""Where a file says nothing of sessions: overnight, closed and halted are not quoted."""


class NameSettings(_Settings, frozen=True, kw_only=True):
    """A name: see `terms.NameTerms`.

    Attributes:
        symbol: At the primary market.
        underlying: The venue's name; the symbol where it is empty.
        token: The token that is made and unmade.
        spot: Its spot market; empty for none.
        perp: Its perp; empty for none.
        spot_part: Part of the primary's size shown on the spot market; the perp shows the rest.
        spot_fee: The venue's fee of a maker on the spot market.
        perp_fee: The same on the perp.
        mint_fee: Fee of an issuance.
        redeem_fee: Fee of a redemption.
        passed: Part of those two that quotes earn back.
        base: Tokens that are the owner's, to be sold from and not hedged.
        request_min: Smallest request.
        request_max: Largest request.
        gather: Opposite fills meet for so long.
        retry: Wait after a refused request.
        doubt_edge: More edge while the venue's price is degraded.
        doubt_size: Part of the usual size then.
        sanity: Largest distance from the venue's index.
        calm: Wait after the last doubt.
        flatten: So long before the last session that hedges, it becomes flat, where a long closure follows.
        gross: Tokens and perps that it may have.
        loss: What may be lost in a day.
        hours: `exchange`: New York; `always`: it never closes.
        conduct: By session.
    """

    symbol: Words
    token: Words
    mint_fee: str
    redeem_fee: str
    underlying: str = ""
    spot: str = ""
    perp: str = ""
    spot_part: str = "50 %"
    spot_fee: str = "2 bps"
    perp_fee: str = "1.5 bps"
    passed: str = "100 %"
    base: str = "0"
    request_min: str = "100 USD"
    request_max: str = "2 M USD"
    gather: str = "200 ms"
    retry: str = "2 s"
    doubt_edge: str = "10 bps"
    doubt_size: str = "25 %"
    sanity: str = "50 bps"
    calm: str = "1 s"
    flatten: str = "15 min"
    gross: str = "20 M USD"
    loss: str = "20,000 USD"
    hours: Literal["exchange", "always"] = "exchange"
    conduct: dict[SessionName, ConductSettings] = msgspec.field(default_factory=_CONDUCT.copy)


class BridgeSettings(_Settings, frozen=True, kw_only=True):
    """The bridge.

    Attributes:
        account: Its account, of a holder like any other.
        url: The venue's HTTP address.
        cash: The stablecoin that pays for tokens.
        key: Its key; 0 on a venue for development.
        secret_env: Environment variable with the key's secret.
        beat: How often it looks.
        silence: Its orders are cancelled by the venue when it says nothing for so long.
        primary: Who shows the primary market.
        total: Limits over all names.
        name: The names.
    """

    account: Annotated[int, msgspec.Meta(ge=1)]
    url: str = "http://127.0.0.1:8080"
    cash: str = "USDC"
    key: Annotated[int, msgspec.Meta(ge=0)] = 0
    secret_env: str = ""
    beat: str = "100 ms"
    silence: str = "5 s"
    primary: PrimarySettings = PrimarySettings()
    total: TotalSettings = TotalSettings()
    name: Annotated[tuple[NameSettings, ...], msgspec.Meta(min_length=1)]


def load_settings(source: Path | str | Mapping[str, Any]) -> BridgeSettings:
    """Settings from a TOML file, TOML text (anything with a line break) or a mapping. Raises ConfigError with the place of the mistake."""
    settings = read_settings(source, BridgeSettings, "bridge's")
    symbols = [one.symbol for one in settings.name]
    if len(set(symbols)) < len(symbols):
        raise ConfigError(f"name.symbol is said once each, got {', '.join(symbols)}.")
    if (settings.primary.kind == "feed") != (settings.primary.feed is not None):
        raise ConfigError(
            f"primary.feed is said where primary.kind is feed, and only there; it is {settings.primary.kind}."
        )
    if settings.key and not settings.secret_env:
        raise ConfigError(f"secret_env must name the variable with the secret of key {settings.key}.")
    for one in settings.name:
        if not one.spot and not one.perp:
            raise ConfigError(f"{one.symbol} needs a spot market, a perp, or both.")
        _checked(one)
    span_ns(settings.beat, "beat")
    span_ns(settings.silence, "silence")
    total_terms(settings.total)
    return settings


def name_terms(
    settings: NameSettings, markets: Mapping[str, answers.Market], assets: Mapping[str, answers.Asset]
) -> NameTerms:
    """Terms on a venue that has these markets and assets. Raises ConfigError for one that is not there, or is of something else."""
    token = assets.get(settings.token)
    if token is None:
        raise ConfigError(f"{settings.symbol}: the venue has no {settings.token}.")
    underlying = settings.underlying or settings.symbol
    if token.underlying != underlying:
        raise ConfigError(
            f"{settings.symbol}: {settings.token} is a token of {token.underlying}, not {underlying}."
        )
    ppb = scaled(token.shares_per_token, 9, "shares_per_token")
    found = []
    for name, spot, fee in (
        (settings.spot, True, settings.spot_fee),
        (settings.perp, False, settings.perp_fee),
    ):
        if not name:
            continue
        market = markets.get(name)
        if market is None or (market.kind == "spot") != spot or market.underlying != underlying:
            raise ConfigError(
                f"{settings.symbol}: the venue has no {'spot market' if spot else 'perp'} {name} of {underlying}."
            )
        if spot and market.base != settings.token:
            raise ConfigError(f"{settings.symbol}: {name} trades {market.base}, not {settings.token}.")
        found.append(
            Market(
                name=name,
                spot=spot,
                price_step=scaled(market.price_step, 9, "price_step"),
                quantity_step=scaled(market.quantity_step, 9, "quantity_step"),
                shares_ppb=ppb if spot else NANO,
                fee_ppm=_rate(fee, "spot_fee" if spot else "perp_fee"),
                part_ppm=_part(settings, spot=spot),
            )
        )
    return _terms(settings, tuple(found), ppb, 10 ** (9 - token.decimals))


def total_terms(settings: TotalSettings) -> TotalTerms:
    """Limits over all names. Raises ConfigError."""
    return TotalTerms(
        **{name: dollars(getattr(settings, name), f"total.{name}") for name in settings.__struct_fields__}
    )


def span_ns(value: str, name: str) -> int:
    """A duration above zero. Raises ConfigError."""
    try:
        found = duration_ns(value, name)
    except UnitError as error:
        raise ConfigError(error.sentence) from error
    if found <= 0:
        raise ConfigError(f"{name} is above zero, got {value}.")
    return found


def dollars(value: str, name: str) -> int:
    """Micro-dollars. Raises ConfigError."""
    try:
        return micro_usd(quantity(value, "USD", name), name)
    except UnitError as error:
        raise ConfigError(error.sentence) from error


def _terms(settings: NameSettings, markets: tuple[Market, ...], ppb: int, step: int) -> NameTerms:
    try:
        base = scaled(settings.base, 9, "base") * ppb // NANO
    except UnitError as error:
        raise ConfigError(f"{settings.symbol}: {error.sentence}") from error
    return NameTerms(
        symbol=settings.symbol,
        underlying=settings.underlying or settings.symbol,
        token=settings.token,
        token_ppb=ppb,
        token_step=step,
        markets=markets,
        conduct={Session[name.upper()]: _conduct(one, name) for name, one in settings.conduct.items()},
        mint_fee_ppm=_rate(settings.mint_fee, "mint_fee"),
        redeem_fee_ppm=_rate(settings.redeem_fee, "redeem_fee"),
        passed_ppm=_rate(settings.passed, "passed", most=PPM),
        base=base,
        request_min=dollars(settings.request_min, "request_min"),
        request_max=dollars(settings.request_max, "request_max"),
        gather_ns=span_ns(settings.gather, "gather"),
        retry_ns=span_ns(settings.retry, "retry"),
        doubt_edge_ppm=_rate(settings.doubt_edge, "doubt_edge"),
        doubt_size_ppm=_rate(settings.doubt_size, "doubt_size", most=PPM),
        sanity_ppm=_rate(settings.sanity, "sanity"),
        calm_ns=span_ns(settings.calm, "calm"),
        gross=dollars(settings.gross, "gross"),
        loss=dollars(settings.loss, "loss"),
    )


def _checked(settings: NameSettings) -> None:
    """Raises ConfigError for what is wrong whatever the venue has."""
    span_ns(settings.flatten, "flatten")
    _terms(settings, (), NANO, 1)
    _part(settings, spot=True)
    _rate(settings.spot_fee, "spot_fee")
    _rate(settings.perp_fee, "perp_fee")


def _conduct(settings: ConductSettings, name: str) -> Conduct:
    return Conduct(
        edge_ppm=_rate(settings.edge, f"conduct.{name}.edge"),
        size_ppm=_rate(settings.size, f"conduct.{name}.size", most=PPM),
        levels=settings.levels,
        unhedged=dollars(settings.unhedged, f"conduct.{name}.unhedged"),
        stale_ns=span_ns(settings.stale, f"conduct.{name}.stale"),
        hedges=settings.hedges,
        age_ppm=_rate(settings.age, f"conduct.{name}.age"),
    )


def _part(settings: NameSettings, *, spot: bool) -> int:
    if not (settings.spot and settings.perp):
        return PPM
    part = _rate(settings.spot_part, "spot_part", most=PPM)
    return part if spot else PPM - part


def _rate(value: str, name: str, most: int = 500_000) -> int:
    """A rate in ppm. Raises ConfigError for one that is negative or larger than `most`."""
    try:
        found = rate_ppm(value, name)
    except UnitError as error:
        raise ConfigError(error.sentence) from error
    if not 0 <= found <= most:
        raise ConfigError(f"{name} is from 0 to {most / 10_000:g} %, got {value}.")
    return found
