"""A name's file as commands: what lists it, what each command waits for, and the caps of every step.

    plan = load_plan(Path("NFLX.toml"), base)
    plan.listing        commands in an order that the engine takes
    plan.steps[0]       caps that stand before the market opens; the later ones are raised to

The sections `[[underlying]]`, `[spot_terms.X]`, `[perp_terms.X]` and `[issuance.X]` are those of a venue's listing, read as if they stood
at the end of the venue's own: so ids, references and bounds are checked where a venue's are, by `novate.config` and the engine.

Responsible for: one clear error per mistake, with section, key and value. Never: talks to a venue, or knows a bound.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import msgspec

from novate.config import Listing, load_listing
from novate.config.document import file_text, refuse
from novate.errors import ConfigError, UnitError
from novate.messages import (
    ChangeTerms,
    Command,
    ListAsset,
    ListIssuance,
    ListMarket,
    ListSource,
    ListUnderlying,
    MarketKind,
    SetLimit,
    encode,
)
from novate.messages.codes import CapKind
from novate.schema.operations import name_of
from novate.units import duration_ns, micro_usd, quantity, rate_ppm, scaled

OWN: Final = ("name", "source", "opening", "step")
LISTED: Final = ("underlying", "spot_terms", "perp_terms", "issuance")
MOST_STEPS: Final = 12
_PPM: Final = 10**6
_SHARES: Final = 9
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base: unknown keys are refused."""


class NameSettings(_Section, frozen=True, kw_only=True):
    """`[name]`: which name, after which, and since when there is a draft.

    Attributes:
        name: The underlying.
        like: The listed peer that defaults come from.
        price: What it costs now, as drafted; a venue's index far from it is a mistake in a feed.
    """

    name: Text
    like: str = ""
    price: Text


class SourceSettings(_Section, frozen=True, kw_only=True):
    """`[[source]]`: who says the price.

    Attributes:
        id: Its id, as the feeds' settings name it.
        name: Its name.
        origin: Sources of one origin count once; 0 is an origin of its own.
        always_open: Whether it trades while the primary market is closed.
    """

    id: Annotated[int, msgspec.Meta(ge=1)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    origin: Annotated[int, msgspec.Meta(ge=0)] = 0
    always_open: bool = False


class OpeningSettings(_Section, frozen=True, kw_only=True):
    """`[opening]`.

    Attributes:
        call: How long orders gather before the market opens with its auction.
    """

    call: str


class StepSettings(_Section, frozen=True, kw_only=True):
    """`[[step]]`: caps, and what must have come about before they are raised to.

    Attributes:
        account: An account's position in the perp.
        obligor: The same of all accounts of one obligor.
        open_interest: Of the perp.
        underlying: Open interest of all perps of the name, at the index.
        owner_collateral: Tokens of one owner that count as unhedged collateral.
        venue_collateral: The same of everybody.
        closed: The part of the position caps that holds outside the regular session.
        after_days: Days with trades since the opening.
        depth: Dollars that must rest on each side of the perp's book within `within` of the index.
        within: How near to the index.
    """

    account: str
    obligor: str
    open_interest: str
    underlying: str
    owner_collateral: str = "0 tokens"
    venue_collateral: str = "0 tokens"
    closed: str = "100 %"
    after_days: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 0
    depth: str = "0 USD"
    within: str = "1 %"


class _Own(_Section, frozen=True, kw_only=True):
    name: NameSettings
    source: tuple[SourceSettings, ...]
    opening: OpeningSettings
    step: tuple[StepSettings, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """A command of a plan, in words, and the names that must be listed before it can be said."""

    command: Command
    what: str
    needs: tuple[str, ...] = ()

    @property
    def op(self) -> str:
        """The command's name in the public language."""
        return name_of(type(self.command))

    @property
    def body(self) -> bytes:
        """The command's body, as a change carries it."""
        return encode(self.command)[48:]


@dataclass(frozen=True, slots=True)
class Step:
    """Caps to be in force together, and the conditions of taking the step."""

    number: int
    """From 1; the first stands before the market opens."""
    caps: tuple[Planned, ...]
    collateral: tuple[Planned, ...]
    """The token's terms with the step's caps; the first step's stand in its listing, and come here for a step back."""
    after_days: int
    depth_micro: int
    within_ppm: int

    @property
    def planned(self) -> tuple[Planned, ...]:
        """All of it."""
        return self.collateral + self.caps


@dataclass(frozen=True, slots=True)
class Plan:
    """A name as it is to be listed."""

    name: str
    like: str
    price: Decimal
    quorum: int
    sources: tuple[SourceSettings, ...]
    call_ns: int
    base: Listing
    """What the venue lists besides, by its own file."""
    terms: ListUnderlying
    token: ListAsset | None
    perp: ListMarket
    markets: tuple[ListMarket, ...]
    listing: tuple[Planned, ...]
    """Underlying, sources, token, markets and issuance."""
    steps: tuple[Step, ...]

    @property
    def before_opening(self) -> tuple[Planned, ...]:
        """All that is in force before the market opens."""
        return self.listing + self.steps[0].caps

    @property
    def everything(self) -> tuple[Planned, ...]:
        """Every command that this file asks two people for."""
        return self.listing + tuple(one for step in self.steps for one in step.planned)


def load_plan(path: Path, base: Path | str) -> Plan:
    """Reads a name's file on top of the venue's own listing (a path, or TOML text).

    Raises ConfigError: no such file, an unknown section or key, a value that does not fit or that the engine refuses, caps that fall.
    """
    return read_plan(file_text(path), base, str(path))


def read_plan(text: str, base: Path | str, origin: str) -> Plan:
    """The same from text; `origin` says whose it is."""
    content = _toml(text, origin)
    unknown = [name for name in content if name not in OWN + LISTED]
    if unknown:
        raise ConfigError(
            f"[{unknown[0]}] is unknown in {origin}: expected one of the sections {', '.join(OWN + LISTED)}.",
            section=unknown[0],
        )
    try:
        own = msgspec.convert({name: content[name] for name in OWN if name in content}, _Own)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{origin}: {error}.", file=origin) from error
    entry = _entry(content, own)
    sources = [(own.name.name, one.id, one.name) for one in own.source]
    whole = base if isinstance(base, str) and "\n" in base else file_text(Path(base))
    together = _together(_toml(whole, "the venue's file"), content, entry)
    return _plan(own, load_listing(_text(together), sources=sources))


def recorded(path: Path, base: Path) -> str:
    """The text of the venue's own file with a name's sections at its end, so that the next name's ids come after it.

    Raises ConfigError: a file does not hold, or the name stands there already.
    """
    text, whole = file_text(path), file_text(base)
    plan = read_plan(text, whole, str(path))
    there = _toml(whole, str(base)).get("underlying", [])
    if any(entry.get("name") == plan.name for entry in there):
        raise ConfigError(f"{base} holds {plan.name} already.", file=str(base), underlying=plan.name)
    content = _toml(text, str(path))
    own = msgspec.convert({name: content[name] for name in OWN}, _Own)
    said: dict[str, Any] = {kind: content[kind] for kind in LISTED[1:] if kind in content}
    together = f"{whole.rstrip()}\n\n# {plan.name}, listed while the venue ran; its file was {path.name}.\n"
    together += _text({"underlying": [_entry(content, own)], **said})
    load_listing(together)
    return together


def _toml(text: str, origin: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{origin} is not TOML: {error}.", file=origin) from None


def _entry(content: Mapping[str, Any], own: _Own) -> dict[str, Any]:
    """The one underlying of the file, with the first step's collateral as its caps."""
    entries = content.get("underlying")
    if not isinstance(entries, list) or len(entries) != 1 or not isinstance(entries[0], dict):
        raise ConfigError("A name's file has one [[underlying]].", section="underlying")
    entry = dict(entries[0])
    if entry.get("name") != own.name.name:
        refuse("underlying", "name", entry.get("name"), f"{own.name.name}, as [name] says")
    for key in ("owner_cap", "venue_cap"):
        if key in entry:
            refuse("underlying", key, entry[key], "no such key here: the first [[step]] says it")
    if not own.step:
        raise ConfigError("A name's file has at least one [[step]] of caps.", section="step")
    if len(own.step) > MOST_STEPS:
        raise ConfigError(f"{len(own.step)} steps of caps; at most {MOST_STEPS}.", section="step")
    if "token" in entry:
        entry |= {"owner_cap": own.step[0].owner_collateral, "venue_cap": own.step[0].venue_collateral}
    if entry.get("perp") is not True:
        refuse("underlying", "perp", entry.get("perp"), "true: what a step caps is read from the perp's caps")
    return entry


def _together(venue: dict[str, Any], content: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """The venue's sections with the name's: at their end, or where the venue's file has the name already."""
    entries = [dict(one) for one in venue.get("underlying", [])]
    at = next((place for place, one in enumerate(entries) if one.get("name") == entry["name"]), len(entries))
    entries[at : at + 1] = [dict(entry)]
    found = venue | {"underlying": entries}
    for kind in LISTED[1:]:
        tables = content.get(kind, {})
        for name, table in tables.items() if isinstance(tables, dict) else ():
            if not isinstance(table, dict):
                refuse(kind, name, table, f"a section [{kind}.NAME]")
        found[kind] = venue.get(kind, {}) | tables
    return found


def _text(content: Mapping[str, Any]) -> str:
    """Sections as TOML: tables, lists of tables, tables of tables."""
    lines: list[str] = []
    for kind, value in content.items():
        if isinstance(value, list):
            for entry in value:
                lines += [f"[[{kind}]]", *_pairs(kind, entry), ""]
            continue
        tables = {name: one for name, one in value.items() if isinstance(one, dict)}
        plain = {name: one for name, one in value.items() if name not in tables}
        if plain or not tables:
            lines += [f"[{kind}]", *_pairs(kind, plain), ""]
        for name, table in tables.items():
            lines += [f"[{kind}.{_key(name)}]", *_pairs(f"{kind}.{name}", table), ""]
    return "\n".join(lines) + "\n"


def _pairs(section: str, table: Mapping[str, Any]) -> list[str]:
    return [f"{_key(key)} = {_value(section, key, value)}" for key, value in table.items()]


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name)


def _value(section: str, key: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        refuse(section, key, value, "text, a whole number, true or false; a float is never exact")
    return json.dumps(value)


def _plan(own: _Own, listing: Listing) -> Plan:
    name = own.name.name
    terms = listing.terms[name]
    mine = [command for command in listing.commands if _is_of(command, terms.underlying)]
    token = next((command for command in mine if isinstance(command, ListAsset)), None)
    markets = tuple(command for command in mine if isinstance(command, ListMarket))
    perp = next(market for market in markets if market.market_kind == MarketKind.PERP)
    settings = {one.id: one for one in own.source}
    planned = tuple(_planned(_as_said(command, settings), name, token) for command in mine)
    steps = tuple(_step(number, one, terms, token, perp) for number, one in enumerate(own.step, 1))
    _rising(steps)
    return Plan(
        name=name,
        like=own.name.like,
        price=_quantity(own.name.price, "USD", "name", "price"),
        quorum=terms.quorum,
        sources=own.source,
        call_ns=_duration(own.opening.call, "opening", "call"),
        base=listing,
        terms=terms,
        token=token,
        perp=perp,
        markets=markets,
        listing=planned,
        steps=steps,
    )


def _is_of(command: Command, underlying: int) -> bool:
    if isinstance(command, ListUnderlying | ListSource | ListAsset | ListMarket):
        return bool(command.underlying == underlying)
    # A token has the id of its underlying.
    return isinstance(command, ListIssuance) and bool(command.token == underlying)


def _as_said(command: Command, settings: Mapping[int, SourceSettings]) -> Command:
    """A source with its origin and hours, which a venue's listing does not say."""
    if not isinstance(command, ListSource):
        return command
    said = settings[command.source]
    return msgspec.structs.replace(command, origin=said.origin, always_open=int(said.always_open))


def _planned(command: Command, name: str, token: ListAsset | None) -> Planned:
    match command:
        case ListUnderlying():
            return Planned(command, f"underlying {name}")
        case ListSource():
            return Planned(command, f"price source {command.source} {command.name}", (name,))
        case ListAsset():
            return Planned(command, f"token {command.name}", (name,))
        case ListMarket(base=base):
            return Planned(
                command, f"market {command.name}", (name, token.name) if token and base else (name,)
            )
    held = token.name if token else ""
    return Planned(command, f"issuance of {held}", (held,))


def _step(
    number: int,
    one: StepSettings,
    terms: ListUnderlying,
    token: ListAsset | None,
    perp: ListMarket,
) -> Step:
    section = f"step {number}"
    closed = _rate(one.closed, section, "closed")
    if not 0 <= closed <= _PPM:
        refuse(section, "closed", one.closed, "0 % to 100 %")
    caps = [
        _cap(kind, perp.market, _lots(getattr(one, key), perp, section, key), closed, f"cap {key} {perp.name}", perp.name)
        for kind, key in (
            (CapKind.ACCOUNT, "account"), (CapKind.OBLIGOR, "obligor"), (CapKind.OPEN_INTEREST, "open_interest"),
        )
    ]  # fmt: skip
    dollars = micro_usd(_quantity(one.underlying, "USD", section, "underlying"))
    caps.append(
        _cap(
            CapKind.UNDERLYING, terms.underlying, dollars, closed, f"cap underlying {terms.name}", terms.name
        )
    )
    said = (one.owner_collateral, one.venue_collateral)
    collateral = () if token is None else (_collateral(token, *said, section),)
    return Step(
        number=number,
        caps=tuple(caps),
        collateral=collateral,
        after_days=one.after_days,
        depth_micro=micro_usd(_quantity(one.depth, "USD", section, "depth")),
        within_ppm=_rate(one.within, section, "within"),
    )


def _cap(kind: CapKind, number: int, most: int, closed_ppm: int, what: str, needs: str) -> Planned:
    command = SetLimit(cap_kind=kind, id=number, most=most, closed_most=most * closed_ppm // _PPM)
    return Planned(command, what, (needs,))


def _collateral(token: ListAsset, owner: str, venue: str, section: str) -> Planned:
    caps = {
        key: scaled(_quantity(text, "tokens", section, key), token.decimals, key)
        for key, text in (("owner_cap", owner), ("venue_cap", venue))
    }
    message = encode(msgspec.structs.replace(token, **caps))
    return Planned(
        ChangeTerms(terms=message[4:6] + message[48:]), f"collateral caps of {token.name}", (token.name,)
    )


def _lots(text: str, perp: ListMarket, section: str, key: str) -> int:
    units = scaled(_quantity(text, "shares", section, key), _SHARES, key)
    lots, rest = divmod(units, perp.lot_size)
    if rest or lots < 1:
        refuse(
            section,
            key,
            text,
            f"at least one lot, and whole lots of {Decimal(perp.lot_size).scaleb(-9).normalize():f} shares",
        )
    return lots


def _rising(steps: tuple[Step, ...]) -> None:
    """Raises ConfigError where a later step caps less than an earlier one, or none differs."""
    for before, after in pairwise(steps):
        pairs = [(_most(a), _most(b), a.what) for a, b in zip(before.caps, after.caps, strict=True)]
        fallen = next((what for a, b, what in pairs if b[0] < a[0] or b[1] < a[1]), None)
        if fallen or all(a == b for a, b, _ in pairs):
            why = f"{fallen} is lower than" if fallen else "caps nothing higher than"
            raise ConfigError(
                f"[step {after.number}] {why} step {before.number}: steps rise.",
                section=f"step {after.number}",
            )


def _most(planned: Planned) -> tuple[int, int]:
    """The cap, and the cap while the primary market is closed."""
    command = planned.command
    assert isinstance(command, SetLimit)  # noqa: S101 - for the type checker: caps are made of nothing else
    return command.most, command.closed_most


def _quantity(text: str, unit: str, section: str, key: str) -> Decimal:
    try:
        return quantity(text, unit, key)
    except UnitError as error:
        _refuse(section, key, text, error)


def _rate(text: str, section: str, key: str) -> int:
    try:
        return rate_ppm(text, key)
    except UnitError as error:
        _refuse(section, key, text, error)


def _duration(text: str, section: str, key: str) -> int:
    try:
        return duration_ns(text, key)
    except UnitError as error:
        _refuse(section, key, text, error)


def _refuse(section: str, key: str, text: str, error: UnitError) -> NoReturn:
    raise ConfigError(f"[{section}] {error.sentence}.", section=section, key=key, value=text) from error
