"""The draft of a name's file: every parameter with a comment that says where its default comes from.

    text = drafted(Wish(name="NFLX", like="NVDA", price=Decimal("110"), series=found), base_text)

Responsible for: defaults that are cautious and say why, from a listed peer's terms and from daily bars. Never: is taken without being read:
a draft is a proposal to the people who approve it.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final

from novate.config.keys import FUNDING, MARKET, PERP, SPOT_TERMS, TOKEN, UNDERLYING
from novate.errors import ConfigError
from novate.listing_desk.series import Series
from novate.units import quantity, rate_ppm

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,19}")
SOURCES: Final = ("feed-a", "feed-b")
"""Two, the least that a price can be confirmed by; named as a venue for development names its own."""
_GAP_MARGIN: Final = 5
"""A gap covers the worst night of the bars and a quarter more: in quarters."""
_SHARE_OF_VOLUME: Final = 20
"""At most one part in so many of a day's dollars may be open in the end: what a day's trading could close."""
_PARTS: Final = ((20, 0), (4, 5), (1, 20))
"""Steps: one part in so many of the end, after so many days with trades."""
_OF_INTEREST: Final = 10
"""One account may have one part in so many of the open interest, one obligor two."""
_WIDE: Final = 20
"""A price is plausible from one part in so many of today's to so many times it."""

Line = tuple[str, object, str]
"""Key, value, why."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a draft is asked for."""

    name: str
    like: str
    """A listed peer; empty for the nearest by volatility and volume, which needs bars."""
    price: Decimal | None
    series: Series | None
    token: str
    """Name of the token; empty for the usual one."""
    sector: str
    sources: tuple[str, ...]
    origin: str
    """Where the bars are from, in words."""


@dataclass(frozen=True, slots=True)
class _Peer:
    name: str
    kind: str
    terms: dict[str, Any]
    """Its own keys over its class's."""

    def rate(self, key: str) -> int:
        return rate_ppm(self.terms[key])

    def dollars(self, key: str) -> Decimal:
        return quantity(self.terms[key], "USD")


def drafted(wish: Wish, base: str) -> str:
    """The draft on top of the venue's listing (its text).

    Raises ConfigError: the name is listed, there is no such peer or none can be chosen, or no price is known.
    """
    for name in (wish.name, wish.token or "t", wish.sector or "s", *wish.sources):
        if not _PLAIN.fullmatch(name):
            raise ConfigError(
                f"{name[:40]!r} is no name: 1 to 20 letters, digits, dots, dashes or underscores.",
                name=name[:40],
            )
    content = tomllib.loads(base)
    peers = _peers(content)
    if wish.name in peers or wish.name in content.get("stablecoin", {}):
        raise ConfigError(f"{wish.name} is listed in the venue's file already.", underlying=wish.name)
    price = wish.price or (Decimal(str(wish.series.close)) if wish.series else None)
    if price is None or price <= 0:
        raise ConfigError(
            f"What does {wish.name} cost? Give --price DOLLARS, or --data with daily bars: caps are shares, and are drafted in dollars."
        )
    peer = _chosen(peers, wish)
    return _Draft(wish, peer, price, content).text()


def _peers(content: Mapping[str, Any]) -> dict[str, _Peer]:
    classes = content.get("class", {})
    return {
        entry["name"]: _Peer(entry["name"], entry["class"], {**classes.get(entry["class"], {}), **entry})
        for entry in content.get("underlying", [])
    }


def _chosen(peers: Mapping[str, _Peer], wish: Wish) -> _Peer:
    fit = {
        n: p for n, p in peers.items() if p.terms.get("perp") and p.terms.get("price_class") == "continuous"
    }
    if wish.like:
        if wish.like not in fit:
            raise ConfigError(
                f"{wish.like} is no peer: the venue's file lists with a perp and a market price {', '.join(fit)}.",
                like=wish.like,
            )
        return fit[wish.like]
    if wish.series is None:
        raise ConfigError(
            f"Which listed name is {wish.name} like? Give --like NAME, or --data with daily bars to find the nearest."
        )
    return min(fit.values(), key=lambda peer: (_distance(peer, wish.series), peer.name))


def _distance(peer: _Peer, series: Series | None) -> float:
    """How unlike a peer is: volatility and dollars a day, each as a factor."""
    assert series is not None  # noqa: S101 - for the type checker: asked for before
    far = abs(math.log(max(series.sigma_ppm, 1) / max(peer.rate("sigma"), 1)))
    if series.adv_usd:
        far += abs(math.log(series.adv_usd / max(float(peer.dollars("spot_volume")), 1.0))) / 2
    return far


class _Draft:
    """One draft in the making."""

    def __init__(self, wish: Wish, peer: _Peer, price: Decimal, content: Mapping[str, Any]) -> None:
        self._wish, self._peer, self._price, self._content = wish, peer, price, content
        self._token = wish.token or (f"t{wish.name}" if "token" in peer.terms else "")
        series = wish.series
        self._dollars = (
            Decimal(series.adv_usd) if series and series.adv_usd else peer.dollars("spot_volume") / 4
        )
        self._end = _two_digits(self._dollars / _SHARE_OF_VOLUME)
        """Open interest in the end, dollars."""

    def text(self) -> str:
        return "\n".join([*self._head(), *self._underlying(), *self._markets(), *self._steps()]) + "\n"

    def _head(self) -> list[str]:
        wish, peer = self._wish, self._peer
        bars = (
            f"{wish.series.days} daily bars, {wish.series.first} to {wish.series.last} ({wish.origin})"
            if wish.series
            else "no bars: volatility, gap and volume are guesses from the peer"
        )
        lines = [
            f"# {wish.name}, as it is to be listed. Drafted from {peer.name} and {bars}.",
            f"# Read every line. A number without a comment is {peer.name}'s (class {peer.kind}); else the comment says where it comes from. Then:",
            f"#   novate list check {wish.name}     what is missing, and every bound",
            f"#   novate list effect {wish.name}    what it does to each account",
            f'#   novate list propose {wish.name} --reason "..."    and a second person: novate list approve {wish.name}',
            "",
            "[name]",
            f'name = "{wish.name}"',
            f'like = "{peer.name}"',
            f'price = "{_plain(self._price)} USD" # when this was drafted; an index far from it is a feed of something else',
            "",
            "# Who says what it costs. Each id is one [[feed]] symbol of the keepers' settings: { underlying, source }. Sources of one",
            "# origin (above 0) count once; one that trades while the primary market is closed says so.",
        ]
        for number, name in enumerate(wish.sources, 1):
            lines += [
                "[[source]]",
                f"id = {number}",
                f'name = "{name}"',
                "origin = 0",
                "always_open = false",
                "",
            ]
        return [
            *lines,
            "# Orders gather this long, then the market opens at the one price at which most of them trade.",
            "[opening]",
            'call = "10 min"',
            "",
        ]

    def _underlying(self) -> list[str]:
        wish, terms = self._wish, self._peer.terms
        lines = ["[[underlying]]", f'name = "{wish.name}"', f'class = "{self._peer.kind}"']
        if self._token:
            lines.append(f'token = "{self._token}"')
        lines.append("perp = true")
        own = self._own()
        groups = (
            ("Prices", [key for key in UNDERLYING if key in _PRICES]),
            ("Stress, and the cost of getting out", [key for key in UNDERLYING if key not in _PRICES]),
            ("What only a perp has", list(PERP)),
            ("The token; how much of it counts as unhedged collateral is a matter of the steps", list(TOKEN) if self._token else []),
            ("Its markets", list(MARKET)),
        )  # fmt: skip
        for title, keys in groups:
            rows: list[Line] = []
            for key in keys:
                if key in ("owner_cap", "venue_cap"):
                    continue
                value, why = own.get(key, (terms.get(key), ""))
                if value is None:
                    raise ConfigError(f"{self._peer.name} has no {key} in the venue's file.", key=key)
                rows.append((key, value, why))
            if rows:
                lines += ["", f"# {title}", *_aligned(rows)]
        return [*lines, ""]

    def _own(self) -> dict[str, tuple[object, str]]:
        """Keys that are not the peer's, and why."""
        wish, peer, price = self._wish, self._peer, self._price
        low, high = _two_digits(price / _WIDE), _two_digits(price * _WIDE)
        found: dict[str, tuple[object, str]] = {
            "sector": (wish.sector or peer.terms["sector"], "rotates against the rest of the bucket" if wish.sector else f"{peer.name}'s"),
            "gap_group": (wish.name, "its own: nothing else gaps on its news"),
            "quorum": (min(2, len(wish.sources)), "independent sources that a price needs; a production venue takes no fewer than 2"),
            "price_min": (f"{_plain(low)} USD", f"a {_WIDE}th of today's price"),
            "price_max": (f"{_plain(high)} USD", f"{_WIDE} times today's price"),
            "loan_to_value": (_rate(min(peer.rate("loan_to_value"), 500_000)) if "loan_to_value" in peer.terms else None, "no more than half while the token is new"),
            "perp_volume": (_usd(_two_digits(peer.dollars("perp_volume") / 20)), f"a 20th of {peer.name}'s: a floor until this venue's own figures arrive"),
            "crowd_low": (_usd(_two_digits(self._end / 2)), "half of the open interest of the last step"),
            "crowd_high": (_usd(_two_digits(self._end * 2)), "twice the open interest of the last step"),
            "spot_terms": (wish.name, "below"),
            "perp_terms": (wish.name, "below"),
        }  # fmt: skip
        return found | self._of_bars()

    def _of_bars(self) -> dict[str, tuple[object, str]]:
        series, peer = self._wish.series, self._peer
        if series is None:
            volume = _usd(_two_digits(self._dollars))
            return {
                "spot_volume": (volume, f"a quarter of {peer.name}'s: nobody gave bars. CHECK"),
                "sigma": (peer.terms["sigma"], f"{peer.name}'s: nobody gave bars. CHECK"),
                "gap": (peer.terms["gap"], f"{peer.name}'s: nobody gave bars. CHECK"),
            }
        sigma = _up(series.sigma_ppm, 1_000)
        wilder = Decimal(max(sigma, peer.rate("sigma"))) / Decimal(max(peer.rate("sigma"), 1))
        beta = (Decimal(str(peer.terms["beta"])) * wilder).quantize(Decimal("0.1"), ROUND_CEILING)
        found: dict[str, tuple[object, str]] = {
            "sigma": (_rate(sigma), f"root mean square of the last quarter's daily returns, {series.sigma_ppm / 10_000:.2f} %, rounded up"),
            "beta": (f"{beta}", f"{peer.name}'s {peer.terms['beta']}, times how much wilder this name is ({wilder:.2f}), rounded up"),
        }  # fmt: skip
        if series.adv_usd:
            found["spot_volume"] = (
                _usd(_two_digits(Decimal(series.adv_usd))), "median dollars a day of the last quarter, rounded down",
            )  # fmt: skip
        if series.gap_ppm is not None:
            gap = max(_up(series.gap_ppm * _GAP_MARGIN // 4, 10_000), peer.rate("gap"))
            found["gap"] = (
                _rate(min(gap, 900_000)),
                f"the widest night of the bars was {series.gap_ppm / 10_000:.1f} % ({series.gap_day}); a quarter more, and no less than {peer.name}'s",
            )
        return found

    def _markets(self) -> list[str]:
        name, terms = self._wish.name, self._peer.terms
        auction = "closed until its first auction"
        spot = self._content["spot_terms"][terms["spot_terms"]] if self._token else None
        perp = self._content["perp_terms"][terms["perp_terms"]]
        lines: list[str] = []
        for kind, table, keys in (
            ("spot_terms", spot, SPOT_TERMS),
            ("perp_terms", perp, SPOT_TERMS | FUNDING),
        ):
            if table is None:
                continue
            rows = [
                (
                    key,
                    True if key == "opens_by_auction" else table[key],
                    auction if key == "opens_by_auction" else "",
                )
                for key in keys
            ]
            lines += [f"# {'Fees, bands and self-trade rule of the token' if kind == 'spot_terms' else 'The same of the perp, and its funding'}: {self._peer.name}'s.",
                      f"[{kind}.{_key(name)}]", *_aligned(rows), ""]  # fmt: skip
        return lines

    def _steps(self) -> list[str]:
        why = (
            "of a day's dollars"
            if self._wish.series and self._wish.series.adv_usd
            else "of a guessed day's dollars"
        )
        lines = [
            "# Caps that rise by steps. The first stands before the market opens; `novate list ramp` proposes the next one when its conditions",
            f"# are met: days with trades, and dollars that rest near the index on each side. The last is {_usd(self._end)} of open interest,",
            f"# one part in {_SHARE_OF_VOLUME} {why}: what one day's trading could close. An account may have a {_OF_INTEREST}th of it.",
            "",
        ]
        for number, (part, days) in enumerate(_PARTS):
            interest = self._end / part
            shares = max(_two_digits(interest / self._price), Decimal(20))
            account = max(_two_digits(shares / _OF_INTEREST), Decimal(1))
            depth = _two_digits(account * self._price) if number else Decimal(0)
            rows: list[Line] = [
                ("account", _of(account, "shares"), "an account's position in the perp"),
                ("obligor", _of(account * 2, "shares"), "of all accounts of one obligor"),
                ("open_interest", _of(shares, "shares"), ""),
                ("underlying", _usd(_two_digits(interest * 2)), "at the index: room for the price to double"),
            ]
            if self._token:
                rows += [
                    ("owner_collateral", _of(account, "tokens"), "of one owner, as unhedged collateral"),
                    ("venue_collateral", _of(shares, "tokens"), ""),
                ]
            rows += [
                ("closed", "50 %", "the part of it outside the regular session"),
                ("after_days", days, "days with trades since the opening"),
                ("depth", _usd(depth), "on each side: an account at this step's cap could be closed into the book" if depth else "none is asked of the first step"),
                ("within", "1 %", "of the index"),
            ]  # fmt: skip
            lines += ["[[step]]", *_aligned(rows), ""]
        return lines[:-1]


_PRICES: Final = frozenset(
    ("bucket", "sector", "gap_group", "price_decimals", "price_class", "quorum", "deviation", "jump", "price_min", "price_max",
     "min_size", "confidence_floor", "confidence_slope")
)  # fmt: skip


def _key(name: str) -> str:
    return f'"{name}"' if "." in name else name


def _aligned(rows: Iterable[Line]) -> list[str]:
    return [
        f"{key} = {_toml(value)}" + (f" # {why}" if why else "")
        for key, value, why in rows
        if value is not None
    ]


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else f'"{value}"'


def _two_digits(value: Decimal) -> Decimal:
    """Rounded down to two digits that count."""
    if value <= 0:
        return Decimal(0)
    step = Decimal(1).scaleb(value.adjusted() - 1)
    return (value / step).to_integral_value(ROUND_FLOOR) * step


def _up(ppm: int, step: int) -> int:
    return -(-ppm // step) * step


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _usd(value: Decimal) -> str:
    return f"{value.normalize():,f} USD"


def _of(value: Decimal, unit: str) -> str:
    return f"{value.normalize():,f} {unit}"


def _rate(ppm: int) -> str:
    return f"{Decimal(ppm).scaleb(-4).normalize():f} %"
