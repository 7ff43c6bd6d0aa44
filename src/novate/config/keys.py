"""What a configuration file may hold: the keys of each kind of section, and how the text of each is read.

Responsible for: one `Key` per parameter, derived from the command that carries it, so that a new field is a new key.
Never: reads a file, knows a bound (the engine's), or gives a default.

A key is the field's name without its unit: `gap_ppm` is written `gap = "6 %"`. Money, rates and durations are text with
their unit, so that "85" can't be taken for 8,500 %; a float is refused wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from novate import units
from novate.errors import UnitError
from novate.messages import (
    Command,
    ConfigureClearing,
    ConfigureLending,
    ConfigureLiquidation,
    ConfigureOrders,
    ConfigurePackages,
    ConfigurePrices,
    ConfigureVenue,
    FundBroker,
    ListAsset,
    ListBroker,
    ListBucket,
    ListIssuance,
    ListMarket,
    ListPool,
    ListUnderlying,
)
from novate.messages.layout import LAYOUTS

Value = int | str | Decimal
"""A parameter as read: text, an integer at its field's scale, or an exact number that a listed scale turns into one."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a value is written: in words for people, and the function that reads it (UnitError where it can't)."""

    expected: str
    read: Callable[[object], Value]


@dataclass(frozen=True, slots=True)
class Key:
    """One parameter: its name in the file, the message field it fills, and how it is written."""

    name: str
    field: str
    kind: Kind


def _text(raw: object) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise UnitError("not text")
    return raw


def _count(raw: object) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int) or not 0 <= raw < 2**32:
        raise UnitError("not a count")
    return raw


def _flag(raw: object) -> int:
    if not isinstance(raw, bool):
        raise UnitError("not true or false")
    return int(raw)


def _rate(raw: object) -> int:
    text = _text(raw)
    if not text.endswith(("%", "bps", "ppm")):
        raise UnitError("a rate says its unit")
    return units.rate_ppm(text)


def _date(raw: object) -> str:
    try:
        return date.fromisoformat(_text(raw)).isoformat()
    except ValueError:
        raise UnitError("not a date") from None


def _choice(words: Mapping[str, int]) -> Kind:
    def read(raw: object) -> int:
        if _text(raw) not in words:
            raise UnitError("not one of the words")
        return words[_text(raw)]

    return Kind(" or ".join(f'"{word}"' for word in words), read)


TEXT: Final = Kind('text such as "NVDA"', _text)
DATE: Final = Kind('a day in quotes such as "2020-03-12"', _date)
FLAG: Final = Kind("true or false", _flag)
COUNT: Final = Kind("a whole number such as 6, at least 0 and below 2^32", _count)
RATE: Final = Kind('a rate with its unit such as "1.5 %", "3.5 bps" or "250 ppm"', _rate)
FACTOR: Final = Kind('a plain number in quotes such as "1.15"', lambda raw: units.scaled(_text(raw), 6))
DURATION: Final = Kind(
    'a duration such as "30 s", "6 min" or "4 d"', lambda raw: units.duration_ns(_text(raw))
)
DOLLARS: Final = Kind(
    'dollars such as "100,000 USD", "500 M USD" or "2 bn USD"',
    lambda raw: units.micro_usd(units.quantity(_text(raw), "USD")),
)
PRICE: Final = Kind('a price such as "0.01 USD"', lambda raw: units.quantity(_text(raw), "USD"))
NOTIONAL: Final = Kind('dollars such as "20,000 USD"', PRICE.read)
SIZE: Final = Kind(
    'a quantity in quotes such as "0.01"', lambda raw: units.decimal(units.scaled(_text(raw), 9), 9)
)
MULTIPLE: Final = Kind('a plain number in quotes such as "1"', lambda raw: units.scaled(_text(raw), 9))
TOKENS: Final = Kind('a quantity such as "1 M tokens"', lambda raw: units.quantity(_text(raw), "tokens"))
REVEAL: Final = _choice({"nobody": 0, "requester": 1, "maker": 2, "both": 3})
PRICE_CLASS: Final = _choice({"continuous": 0, "nav": 1})
SELF_TRADE: Final = _choice({"cancel_newest": 0, "allow": 1})
MOVE: Final = Kind(
    'a signed rate such as "-9.2 %", or "-" where there is no history',
    lambda raw: 0 if raw == "-" else _rate(raw),
)


CHANNELS: Final = {"issue": 1, "redeem": 2, "issue_in_kind": 4, "redeem_in_kind": 8, "queue": 16}
"""What a session allows of issuance, with its bit in the session's mask."""
NOTHING: Final = "nothing"


def _channels(raw: object) -> int:
    words = [word.strip() for word in _text(raw).split(",")]
    if words == [NOTHING]:
        return 0
    if len(set(words)) != len(words) or not set(words) <= CHANNELS.keys():
        raise UnitError("not words of the list")
    return sum(CHANNELS[word] for word in words)


ALLOWED: Final = Kind(f'"{NOTHING}", or some of "{", ".join(CHANNELS)}", with commas', _channels)


def amount(asset: str) -> Kind:
    """An amount of a stablecoin or token, in whole coins or tokens."""
    return Kind(f'an amount such as "20 M {asset}"', lambda raw: units.quantity(_text(raw), asset))


_FACTORS: Final = {
    "tail_shock_ppm", "impact_ppm", "withdrawal_multiple_ppm", "extended_ppm", "overnight_ppm", "closure_ppm", "beta_ppm",
    "leverage_ppm", "confidence_slope_ppm", "funding_ppm", "funding_closed_ppm", "earnings_multiple_ppm",
}  # fmt: skip
"""Fields in parts per million that people write as a plain factor; all others are rates and say their unit."""
_BY_UNIT: Final = {
    "ppm": RATE, "ns": DURATION, "micro-dollars": DOLLARS, "count": COUNT, "integer": COUNT, "text": TEXT, "lots": COUNT,
    "price at the listing's scale": PRICE, "1e-9": MULTIPLE, "`PriceClass`": PRICE_CLASS, "`SelfTrade`": SELF_TRADE,
    "0 no, 1 yes": FLAG,
    "`Reveal`": REVEAL,
}  # fmt: skip


def _keys(message: type[Command], *fields: str, **written: str) -> dict[str, Key]:
    """Keys of these fields (all, when none is named), in their order; `written` renames a field's key."""
    layout = {field.name: field for field in LAYOUTS[message].fields}
    out = {}
    for field in fields or tuple(layout):
        name = written.get(field) or field.removesuffix("_ppm").removesuffix("_ns").removesuffix("_ppb")
        kind = FACTOR if field in _FACTORS else _BY_UNIT[layout[field].unit]
        out[name] = Key(name, field, kind)
    return out


def _named(*names: str) -> dict[str, Key]:
    """Keys that hold the name of something else in the file."""
    return {name: Key(name, name, TEXT) for name in names}


def _caps(kind: Kind) -> dict[str, Key]:
    return {name: Key(name, name, kind) for name in ("owner_cap", "venue_cap")}


VENUE: Final = _keys(ConfigureVenue)
AREAS: Final[dict[str, tuple[type[Command], dict[str, Key]]]] = {
    "orders": (ConfigureOrders, _keys(ConfigureOrders)),
    "prices": (ConfigurePrices, _keys(ConfigurePrices)),
    "packages": (ConfigurePackages, _keys(ConfigurePackages)),
    "lending": (ConfigureLending, _keys(ConfigureLending)),
    "liquidation": (ConfigureLiquidation, _keys(ConfigureLiquidation, auction_fast_ns="auction_fast_time")),
    "clearing": (ConfigureClearing, _keys(ConfigureClearing)),
}
"""Sections that stand once: the parameters of an area, and the command that carries them, in the order they are sent."""
BUCKET: Final = _keys(
    ListBucket,
    "name", "gain_ppm", "history_divisor", "extended_ppm", "overnight_ppm", "closure_ppm",
)  # fmt: skip
UNDERLYING: Final = _named("bucket", "sector", "gap_group") | _keys(
    ListUnderlying,
    "decimals", "price_class", "quorum", "deviation_ppm", "jump_ppm", "price_min", "price_max", "beta_ppm", "shock_down_ppm",
    "shock_up_ppm", "gap_ppm", "leverage_ppm", "half_spread_ppm", "sigma_ppm", "spot_volume", "session_share_ppm",
    "confidence_floor_ppm", "confidence_slope_ppm", "min_size",
    decimals="price_decimals",
)  # fmt: skip
"""What every underlying says."""
NAV: Final = _keys(ListUnderlying, "accrual_ppm", "max_age_ns")
"""Only with `price_class = "nav"`."""
TOKEN: Final = (
    _named("spot_terms")
    | _keys(
        ListAsset,
        "decimals", "multiplier_ppb", "wrap_ppm", "borrow_wrap_ppm", "loan_to_value_ppm", "sale_rank",
        decimals="token_decimals",
        multiplier_ppb="shares_per_token",
    )
    | _caps(TOKENS)
)  # fmt: skip
"""Only with `token`."""
PERP: Final = _named("perp_terms") | _keys(
    ListUnderlying,
    "basis_ppm",
    "perp_volume",
    "crowd_ppm",
    "crowd_low",
    "crowd_high",
    "discovery_ppm",
    "re_anchors",
)
"""Only with `perp = true`."""
MARKET: Final = (
    _named("quote")
    | _keys(ListMarket, "tick_size", "min_lots", "max_lots", tick_size="tick")
    | {"lot": Key("lot", "lot_size", SIZE)}
)
"""Only with `token` or `perp = true`."""
SPOT_TERMS: Final = _keys(
    ListMarket,
    "maker_fee_ppm", "taker_fee_ppm", "band_ppm", "band_extended_ppm", "band_closed_ppm", "collar_ppm", "self_trade",
    "opens_by_auction",
)  # fmt: skip
_IMPACT: Final = {"impact_notional": Key("impact_notional", "impact_notional", NOTIONAL)}
FUNDING: Final = _IMPACT | _keys(
    ListMarket,
    "funding_ppm", "funding_closed_ppm", "interest_ppm", "premium_clamp_ppm", "funding_cap_ppm", "funding_closed_cap_ppm",
)  # fmt: skip
"""What only perps have."""
PERP_TERMS: Final = SPOT_TERMS | FUNDING
STABLECOIN: Final = (
    _named("bucket")
    | _keys(
        ListUnderlying,
        "decimals", "quorum", "deviation_ppm", "jump_ppm", "price_min", "price_max", "accrual_ppm", "max_age_ns",
        decimals="price_decimals",
    )
    | _keys(ListAsset, "decimals", "depeg_ppm", decimals="coin_decimals")
)  # fmt: skip
SESSIONS: Final = {
    name: Key(name, "sessions", ALLOWED)
    for name in ("closed", "pre", "regular", "post", "overnight", "halted")
}
"""What each session allows of issuance, in the order of the sessions' numbers."""
BROKER: Final = _keys(ListBroker, "name", "fractional", "custody_limit", "order_limit") | _keys(
    FundBroker, "amount", amount="prefunded"
)
TOP: Final = {
    "name": Key("name", "name", TEXT),
    "class": Key("class", "class", TEXT),
    "token": Key("token", "token", TEXT),
    "perp": Key("perp", "perp", FLAG),
}
"""Stands in the underlying's own entry, never in a class."""
CLASS: Final = UNDERLYING | NAV | TOKEN | PERP | MARKET


def issuance(token: str) -> dict[str, Key]:
    """Keys of the terms on which a token is issued and redeemed, those of the sessions apart."""
    return _named("cash", "attested_at") | {"attested": Key("attested", "units", amount(token))} | _keys(
        ListIssuance,
        "mint_fee_ppm", "redeem_fee_ppm", "sanity_ppm", "request_min", "request_max", "account_limit", "token_limit", "window_ns",
        "statement_age_ns",
    )  # fmt: skip


def pool(asset: str) -> dict[str, Key]:
    """Keys of the pool of a stablecoin or token."""
    units = amount(asset)
    return (
        _keys(ListPool, "rate_ppm", "reserve_ppm", "lent_charge_ppm")
        | {name: Key(name, name, RATE) for name in ("kink", "kink_rate", "full_rate")}
        | {name: Key(name, name, units) for name in ("locked_deposit", "reserve_target")}
        | _named("insurance_bucket")
        | _caps(units)
    )


def dated_row(buckets: list[str]) -> dict[str, Key]:
    """Keys of a dated row: the date, and one move per bucket."""
    return {"date": Key("date", "date", DATE)} | {name: Key(name, name, MOVE) for name in buckets}
