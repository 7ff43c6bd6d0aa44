"""Sections to commands: what the parts of a file mean together.

Responsible for: ids, references between sections, and which keys an underlying needs. Never: knows a bound (the engine's),
or chooses what is listed (`load`).

Ids follow the order of the file and never depend on the choice of underlyings: stablecoins first, then underlyings; a
token has the id of its underlying n, its spot market 2n - 1, the perp 2n; buckets, dated rows and brokers count from 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from novate import units
from novate.config import keys
from novate.config.document import Document, Section, refuse
from novate.config.keys import Key
from novate.config.listing import PERP_LOT_DECIMALS
from novate.messages import (
    AssetKind,
    AttestBacking,
    Command,
    ConfigureVenue,
    FundBroker,
    FundPool,
    ListAsset,
    ListBroker,
    ListBucket,
    ListDatedRow,
    ListIssuance,
    ListMarket,
    ListPool,
    ListSource,
    ListUnderlying,
    MarketKind,
    PriceClass,
)

LONGEST_NAME = 32
"""Characters of a name in the engine."""
Origin = tuple[Section, Key]


@dataclass(slots=True)
class Body:
    """The fields of one command being filled, each with the place it came from."""

    section: Section
    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)

    def take(
        self, section: Section, wanted: Iterable[Key], decimals: Mapping[str, int] | None = None
    ) -> None:
        """Reads these keys; exact numbers become integers with the `decimals` of their field."""
        for key in wanted:
            value = section.read(key)
            if isinstance(value, Decimal):
                value = section.scaled(key, (decimals or {})[key.field])
            self.values[key.field] = value
            self.origins[key.field] = (section, key)


@dataclass(frozen=True, slots=True)
class _Name:
    """An underlying of the file with what hangs on it."""

    id: int
    section: Section
    token: str
    perp: bool


@dataclass(slots=True)
class Builder:
    """One pass over a document; `built` pairs each command with the body it was made of."""

    document: Document
    built: list[tuple[Command, Body]] = field(default_factory=list)
    coins: dict[str, int] = field(default_factory=dict)
    buckets: dict[str, int] = field(default_factory=dict)
    names: dict[str, _Name] = field(default_factory=dict)

    def build(self, sources: Sequence[tuple[str, int, str]]) -> None:
        """Fills `built` in an order that the engine takes."""
        document = self.document
        self.coins = {name: number for number, name in enumerate(document.of("stablecoin"), 1)}
        self.buckets = {name: number for number, name in enumerate(document.of("bucket"), 1)}
        self._templates()
        self.names = self._names()
        self._venue()
        for name, section in document.of("bucket").items():
            self._bucket(name, section)
        for number, section in enumerate(document.of("dated_row").values(), 1):
            self._dated_row(number, section)
        for name, section in document.of("stablecoin").items():
            self._coin_underlying(name, section)
        for name in self.names:
            self._underlying(name)
        self._sources(sources)
        for name, section in document.of("stablecoin").items():
            self._coin(name, section)
        for entry in self.names.values():
            if entry.token:
                self._token(entry)
        for name, entry in self.names.items():
            self._markets(name, entry)
        for number, section in enumerate(document.of("broker").values(), 1):
            self._broker(number, section)
        for name, section in document.of("issuance").items():
            self._issuance(name, section)
        for name, section in document.of("pool").items():
            self._pool(name, section)

    def _add(self, message: type[Command], body: Body, **more: object) -> None:
        self.built.append((message(**(body.values | more)), body))

    # --- the venue ------------------------------------------------------------------------------------------------

    def _venue(self) -> None:
        body = Body(self.document.venue)
        body.section.only(keys.VENUE)
        body.take(body.section, keys.VENUE.values())
        self._add(ConfigureVenue, body)
        for name, (message, wanted) in keys.AREAS.items():
            body = Body(self.document.area(name))
            body.section.only(wanted)
            body.take(body.section, wanted.values())
            self._add(message, body)

    def _bucket(self, name: str, section: Section) -> None:
        body = Body(section)
        section.only(keys.BUCKET)
        body.take(section, keys.BUCKET.values())
        self._add(ListBucket, body, bucket=self.buckets[name])

    def _dated_row(self, number: int, section: Section) -> None:
        wanted = keys.dated_row(list(self.buckets))
        section.only(wanted)
        moves = tuple(section.read(wanted[name]) for name in self.buckets)
        body = Body(section)
        body.take(section, [wanted["date"]])
        self._add(ListDatedRow, body, row=number, moves_ppm=moves)

    # --- stablecoins ----------------------------------------------------------------------------------------------

    def _coin_underlying(self, name: str, section: Section) -> None:
        """A stablecoin's own price. It enters the FX term alone: no shock, gap, or exit cost of its own."""
        body = Body(section)
        section.only(keys.STABLECOIN)
        wanted = [
            key for key in keys.STABLECOIN.values() if key.name not in ("bucket", "coin_decimals", "depeg")
        ]
        price = _count(section, keys.STABLECOIN["price_decimals"])
        body.take(section, wanted, dict.fromkeys(("price_min", "price_max"), price))
        bucket = self.buckets[section.name_of("bucket", self.buckets)]
        number = self.coins[name]
        nothing = dict.fromkeys(
            (
                "sector", "beta_ppm", "shock_down_ppm", "shock_up_ppm", "gap_ppm", "basis_ppm", "half_spread_ppm", "sigma_ppm",
                "spot_volume", "perp_volume", "crowd_ppm", "crowd_low", "confidence_floor_ppm", "confidence_slope_ppm",
            ),
            0,
        )  # fmt: skip
        self._add(
            ListUnderlying,
            body,
            underlying=number,
            name=name,
            bucket=bucket,
            gap_group=number,
            price_class=PriceClass.NAV,
            leverage_ppm=10**6,
            session_share_ppm=10**6,
            crowd_high=1,
            **nothing,
        )

    def _coin(self, name: str, section: Section) -> None:
        body = Body(section)
        body.take(section, [keys.STABLECOIN["coin_decimals"], keys.STABLECOIN["depeg"]])
        nothing = dict.fromkeys(
            ("wrap_ppm", "borrow_wrap_ppm", "loan_to_value_ppm", "owner_cap", "venue_cap", "sale_rank"), 0
        )
        number = self.coins[name]
        self._add(
            ListAsset,
            body,
            asset=number,
            name=name,
            asset_kind=AssetKind.STABLECOIN,
            underlying=number,
            multiplier_ppb=10**9,
            **nothing,
        )

    # --- underlyings ----------------------------------------------------------------------------------------------

    def _templates(self) -> None:
        """Classes and terms are checked as they stand, whether an underlying uses them or not."""
        for section in self.document.of("class").values():
            section.only(keys.CLASS)
            for name in section.raw:
                section.read(keys.CLASS[name])
        for kind, wanted in (("spot_terms", keys.SPOT_TERMS), ("perp_terms", keys.PERP_TERMS)):
            for section in self.document.of(kind).values():
                section.only(wanted)
                for key in wanted.values():
                    section.read(key)

    def _names(self) -> dict[str, _Name]:
        """Every underlying of the file with its class behind it; names and tokens are unique."""
        classes = self.document.of("class")
        out: dict[str, _Name] = {}
        taken = set(self.coins)
        for number, (name, section) in enumerate(self.document.of("underlying").items(), len(self.coins) + 1):
            if name in self.coins:
                refuse(section.name, "name", name, "a name that no stablecoin has")
            section.template = classes[section.name_of("class", classes)]
            token = str(section.read(keys.TOP["token"])) if section.has("token") else ""
            if token in taken:
                refuse(section.name, "token", token, "a name that no other asset has")
            taken |= {token} - {""}
            perp = bool(section.read(keys.TOP["perp"]))
            out[name] = _Name(number, section, token, perp)
            self._only_what_it_uses(out[name])
        return out

    def _only_what_it_uses(self, entry: _Name) -> None:
        """The entry's own keys must mean something for it; its class may say more."""
        section = entry.section
        section.only(keys.TOP | keys.CLASS)
        nav = section.read(keys.UNDERLYING["price_class"]) == PriceClass.NAV
        for group, applies, why in (
            (keys.NAV, nav, 'no such key: it is for price_class = "nav"'),
            (keys.TOKEN, bool(entry.token), "no such key: it is for an underlying with a token"),
            (keys.PERP, entry.perp, "no such key: it is for perp = true"),
        ):
            for key in group:
                if not applies and section.has(key):
                    refuse(section.name, key, section.raw[key], why)

    def _sector(self, section: Section) -> int:
        """Sectors are numbered from 1 in the order in which the file's underlyings name them."""
        found = dict.fromkeys(
            str(entry.section.read(keys.UNDERLYING["sector"])) for entry in self.names.values()
        )
        return list(found).index(str(section.read(keys.UNDERLYING["sector"]))) + 1

    def _underlying(self, name: str) -> None:
        entry = self.names[name]
        section, body = entry.section, Body(entry.section)
        price = _count(section, keys.UNDERLYING["price_decimals"])
        decimals = dict.fromkeys(("price_min", "price_max"), price)
        skipped = ("bucket", "sector", "gap_group", "perp_terms")
        wanted = keys.UNDERLYING | (keys.PERP if entry.perp else {})
        body.take(section, [key for key in wanted.values() if key.name not in skipped], decimals)
        body.values |= self._nav(section, body)
        if not entry.perp:
            body.values |= {"basis_ppm": 0, "perp_volume": 0, "crowd_ppm": 0, "crowd_low": 0, "crowd_high": 1}
        body.origins["sector"] = (section, keys.UNDERLYING["sector"])
        self._add(
            ListUnderlying,
            body,
            underlying=entry.id,
            name=name,
            bucket=self.buckets[section.name_of("bucket", self.buckets)],
            sector=self._sector(section),
            gap_group=self.names[section.name_of("gap_group", self.names)].id,
        )

    def _nav(self, section: Section, body: Body) -> dict[str, int]:
        if body.values["price_class"] != PriceClass.NAV:
            return {"accrual_ppm": 0, "max_age_ns": 0}
        body.take(section, keys.NAV.values())
        return {}

    def _sources(self, sources: Sequence[tuple[str, int, str]]) -> None:
        """Price sources of a run: (underlying, id, name). A name longer than the engine's is cut; the id tells them apart."""
        numbers = self.coins | {name: entry.id for name, entry in self.names.items()}
        for underlying, number, name in sources:
            if underlying not in numbers:
                refuse("sources", "underlying", underlying, f"one of {', '.join(numbers)}")
            body = Body(Section(f"sources.{underlying}", {"source": number, "name": name}))
            self._add(
                ListSource, body, underlying=numbers[underlying], source=number, name=name[:LONGEST_NAME]
            )

    # --- what is held and traded ----------------------------------------------------------------------------------

    def _token(self, entry: _Name) -> None:
        section, body = entry.section, Body(entry.section)
        decimals = _count(section, keys.TOKEN["token_decimals"])
        wanted = [key for key in keys.TOKEN.values() if key.name != "spot_terms"]
        body.take(section, wanted, {"owner_cap": decimals, "venue_cap": decimals})
        body.origins["name"] = (section, keys.TOP["token"])
        self._add(
            ListAsset,
            body,
            asset=entry.id,
            name=entry.token,
            asset_kind=AssetKind.TOKEN,
            underlying=entry.id,
            depeg_ppm=0,
        )

    def _markets(self, name: str, entry: _Name) -> None:
        section = entry.section
        if entry.token:
            quote = section.name_of("quote", self.coins)
            lot = _count(section, keys.TOKEN["token_decimals"])
            no_funding = {key.field: 0 for key in keys.FUNDING.values()}
            body = self._market(entry, "spot_terms", keys.SPOT_TERMS, lot)
            self._add(
                ListMarket,
                body,
                market=2 * entry.id - 1,
                name=f"{entry.token}-{quote}",
                market_kind=MarketKind.SPOT,
                base=entry.id,
                **no_funding,
            )
        if entry.perp:
            body = self._market(entry, "perp_terms", keys.PERP_TERMS, PERP_LOT_DECIMALS)
            self._add(
                ListMarket,
                body,
                market=2 * entry.id,
                name=f"{name}-PERP",
                market_kind=MarketKind.PERP,
                base=0,
            )

    def _market(self, entry: _Name, kind: str, wanted: Mapping[str, Key], lot_decimals: int) -> Body:
        """The body of a market: its steps from the underlying's entry, its terms from the section that names."""
        section, body = entry.section, Body(entry.section)
        quote = section.name_of("quote", self.coins)
        coin = _count(self.document.of("stablecoin")[quote], keys.STABLECOIN["coin_decimals"])
        price = _count(section, keys.UNDERLYING["price_decimals"])
        decimals = {"tick_size": price, "lot_size": lot_decimals, "impact_notional": coin}
        body.take(section, [key for key in keys.MARKET.values() if key.name != "quote"], decimals)
        known = self.document.of(kind)
        terms = known[section.name_of(kind, known)]
        body.take(terms, wanted.values(), decimals)
        body.values |= {"underlying": entry.id, "quote": self.coins[quote]}
        return body

    # --- issuance and pools ---------------------------------------------------------------------------------------

    def _tokens(self) -> dict[str, _Name]:
        return {entry.token: entry for entry in self.names.values() if entry.token}

    def _broker(self, number: int, section: Section) -> None:
        """A broker, and the operator's dollars there that purchases of shares are paid from."""
        section.only(keys.BROKER)
        body = Body(section)
        body.take(section, keys.BROKER.values())
        dollars = body.values.pop("amount")
        self._add(ListBroker, body, broker=number)
        if dollars:
            self._follow(FundBroker(broker=number, amount=dollars), body, "amount")

    def _issuance(self, name: str, section: Section) -> None:
        """A token's terms, and the settled shares behind what exists of it before the venue opens."""
        tokens = self._tokens()
        if name not in tokens:
            refuse(
                section.name, "issuance", name, f"the name of a token: {', '.join(tokens) or 'there is none'}"
            )
        entry, wanted = tokens[name], keys.issuance(name)
        section.only(wanted | keys.SESSIONS)
        body = Body(section)
        decimals = _count(entry.section, keys.TOKEN["token_decimals"])
        body.take(
            section,
            [key for key in wanted.values() if key.name not in ("cash", "attested_at")],
            {"units": decimals},
        )
        cash = self.coins[section.name_of("cash", self.coins)]
        brokers = list(self.document.of("broker"))
        broker = brokers.index(section.name_of("attested_at", brokers)) + 1
        units = body.values.pop("units")
        masks = tuple(section.read(key) for key in keys.SESSIONS.values())
        self._add(ListIssuance, body, token=entry.id, cash=cash, sessions=masks)
        if units:
            multiplier = entry.section.read(keys.TOKEN["shares_per_token"])
            shares = -(-units * int(multiplier) // 10**decimals)
            if shares >= 2**63:
                refuse(
                    section.name,
                    "attested",
                    section.get("attested"),
                    "tokens whose shares fit inside 64 bits",
                )
            self._follow(
                AttestBacking(token=entry.id, broker=broker, units=units, shares=shares), body, "units"
            )

    def _pool(self, name: str, section: Section) -> None:
        tokens = self._tokens()
        if name not in self.coins and name not in tokens:
            known = ", ".join([*self.coins, *tokens]) or "there is none"
            refuse(section.name, "pool", name, f"the name of a stablecoin or a token: {known}")
        wanted = keys.pool(name)
        section.only(wanted)
        asset = self.coins[name] if name in self.coins else tokens[name].id
        decimals = (
            _count(self.document.of("stablecoin")[name], keys.STABLECOIN["coin_decimals"])
            if name in self.coins
            else _count(tokens[name].section, keys.TOKEN["token_decimals"])
        )
        body = Body(section)
        bucket = self.buckets[section.name_of("insurance_bucket", self.buckets)]
        amounts = dict.fromkeys(("owner_cap", "venue_cap", "locked_deposit", "reserve_target"), decimals)
        body.take(section, [key for key in wanted.values() if key.name != "insurance_bucket"], amounts)
        kink, kink_rate, full_rate = (body.values.pop(key) for key in ("kink", "kink_rate", "full_rate"))
        body.values |= {"utilisation_ppm": (kink, 1_000_000), "rates_ppm": (kink_rate, full_rate)}
        self._add(ListPool, body, asset=asset, insurance_bucket=bucket)
        self._follow(FundPool(asset=asset, amount=body.values["locked_deposit"]), body, "locked_deposit")

    def _follow(self, command: Command, body: Body, amount: str) -> None:
        """What comes with a listing: `amount` of its section brings a refusal of the command's own amount back to its key."""
        origins = dict.fromkeys(("amount", "units", "shares"), body.origins[amount])
        self.built.append((command, Body(body.section, origins=origins)))


def _count(section: Section, key: Key) -> int:
    """The value of a key that counts decimals. More than 9 are refused before anything is scaled by them."""
    value = section.read(key)
    if not isinstance(value, int) or value > units.MAX_DECIMALS:
        refuse(
            section.place(key.name), key.name, section.get(key.name), f"0 to {units.MAX_DECIMALS} decimals"
        )
    return value
