"""A running venue by its API, as far as listing needs it: what is listed, capped, proposed and priced, and the wishes of its people.

    with Client(url, key) as client:
        venue = Venue(client)
        venue.stands(planned)       whether a command's effect is there
        venue.propose(planned, "reason")

Responsible for: questions and operations of the public API in the terms of a plan. Never: decides anything, or keeps an answer longer than
one command line needs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote

import msgspec

from novate.client import Client, VenueRefused
from novate.client.answers import Done
from novate.client.calls import Call, act
from novate.listing_desk.plan import Planned
from novate.messages import (
    ApproveChange,
    Command,
    ListAsset,
    ListIssuance,
    ListMarket,
    ListSource,
    ListUnderlying,
    SetLimit,
)
from novate.messages.codes import CapKind
from novate.messages.reports.portfolios import Listed, UnderlyingName
from novate.schema.catalogue import Catalogue
from novate.schema.operations import name_of
from novate.schema.outcomes import wish
from novate.schema.scale import DOLLARS

NO_GOVERNANCE: Final = 1005
"""Refusal of a venue where every command still acts for whoever sends it."""
OPEN_CELL: Final = 0
"""Place of opening among the cells of a quality gate."""
DAY_S: Final = 86_400
_DEPTH: Final = 1_000
_REASON: Final = 256


@dataclass(frozen=True, slots=True)
class Change:
    """A change that waits."""

    id: int
    approved: bool
    op: str
    body: bytes
    reason: str
    proposer: str
    approver: str
    long_delay: bool
    expires_ns: int
    due_ns: int
    opens_left: int


@dataclass(frozen=True, slots=True)
class Price:
    """How an underlying is priced now."""

    index: Decimal
    quality: str
    session: str
    fresh_sources: int
    opens: bool
    """Whether positions may be opened at this price."""


@dataclass(frozen=True, slots=True)
class Auction:
    """A market's phase, and what its auction would trade."""

    phase: str
    until_ns: int
    price: Decimal
    quantity: Decimal
    surplus: Decimal


class Venue:
    """One look at a venue. Every method raises what a client raises: VenueRefused, VenueUnreachable, OutcomeUnknown."""

    def __init__(self, client: Client) -> None:
        self._client = client

    # --- what there is

    @cached_property
    def catalogue(self) -> Catalogue:
        """Names, ids and scales."""
        return Catalogue(msgspec.convert(self._client.ask("/admin/listing"), Listed, strict=False))

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """Changes that wait, oldest first."""
        return tuple(
            Change(
                int(one["change"]), one["stage"] != "second_person", one["kind"], bytes.fromhex(one["body"]), one["reason"],
                one["proposer"], one["approver"], one["long_delay"], one["expires_ns"], one["due_ns"], one["opens_left"],
            )
            for one in self._client.ask("/admin/changes")
        )  # fmt: skip

    @cached_property
    def caps(self) -> Mapping[tuple[str, str], tuple[str, str]]:
        """Kind and name to cap, and cap outside the regular session."""
        return {
            (one["cap_kind"], one["id"]): (one["most"], one["closed_most"])
            for one in self._client.ask("/admin/caps")
        }

    @cached_property
    def _supplied(self) -> frozenset[str]:
        return frozenset(one["token"] for one in self._client.ask("/supply"))

    def underlying(self, name: str) -> UnderlyingName | None:
        """An underlying by name."""
        number = self.catalogue.underlying_ids.get(name)
        return None if number is None else self.catalogue.underlyings[number]

    def time_ns(self) -> int:
        """The venue's time."""
        return int(self._client.ask("/time")["ts_ns"])

    def development(self) -> bool:
        """Whether it is a venue for development."""
        return self._client.status().development

    def known(self, name: str) -> bool:
        """Whether anything of that name is listed."""
        catalogue = self.catalogue
        return name in catalogue.underlying_ids or name in catalogue.asset_ids or name in catalogue.market_ids

    def stands(self, planned: Planned) -> bool:
        """Whether a command of a plan has taken effect. Of a token's new terms nobody can say so: they are False."""
        catalogue, command = self.catalogue, planned.command
        match command:
            case ListUnderlying():
                return catalogue.underlying_ids.get(command.name) == command.underlying
            case ListSource():
                line = catalogue.underlyings.get(command.underlying)
                return line is not None and command.source in line.sources
            case ListAsset():
                return catalogue.asset_ids.get(command.name) == command.asset
            case ListMarket():
                return catalogue.market_ids.get(command.name) == command.market
            case ListIssuance():
                asset = catalogue.assets.get(command.token)
                return asset is not None and asset.name in self._supplied
            case SetLimit():
                return self._capped(command)
        return False

    def _capped(self, command: SetLimit) -> bool:
        catalogue, kind = self.catalogue, CapKind(command.cap_kind)
        if kind is CapKind.UNDERLYING:
            line = catalogue.underlyings.get(command.id)
            name, scale = (line.name if line else ""), DOLLARS
        else:
            market = catalogue.markets.get(command.id)
            if market is None:
                return False
            name, scale = market.name, market.quantity
        wanted = (scale.text(command.most), scale.text(command.closed_most))
        return self.caps.get((kind.name.lower(), name)) == wanted

    def change_of(self, planned: Planned) -> Change | None:
        """The newest change that waits for exactly this command."""
        wanted = (planned.op, planned.body)
        return next((one for one in reversed(self.changes) if (one.op, one.body) == wanted), None)

    def price(self, name: str) -> Price | None:
        """How an underlying is priced now; None where it is not listed."""
        line = next((one for one in self._client.ask("/underlyings") if one["name"] == name), None)
        gate = next((one for one in self._client.ask("/gates") if one["underlying"] == name), None)
        if line is None or gate is None:
            return None
        opens = gate["cells"][OPEN_CELL] == "Y" and Decimal(line["index"]) > 0
        return Price(Decimal(line["index"]), line["quality"], line["session"], line["fresh_sources"], opens)

    def auction(self, market: str) -> Auction:
        """A market's phase, and the price that its auction would have now."""
        one = self._client.ask(f"/markets/{quote(market, safe='')}/auction")
        return Auction(
            one["phase"], one["until_ns"], *(Decimal(one[key]) for key in ("price", "quantity", "surplus"))
        )

    def days_traded(self, market: str) -> int:
        """Days on which the market traded, by the read models."""
        return len(
            self._client.ask(f"/markets/{quote(market, safe='')}/candles", interval_s=DAY_S, limit=1_000)
        )

    def depth_usd(self, market: str, index: Decimal, within_ppm: int) -> Decimal:
        """Dollars that rest near the index on the thinner side of the book."""
        book = self._client.book(market, _DEPTH)
        reach = index * within_ppm / 1_000_000
        return min(
            sum(
                (level.price * level.quantity for level in side if abs(level.price - index) <= reach),
                Decimal(0),
            )
            for side in (book.bids(), book.asks())
        )

    # --- what would be

    def effect(self, command: Command, most: int = 100) -> dict[str, Any]:
        """What a command would do to every account; the refusal that it would meet."""
        op, args = wish(self.catalogue, command)
        body = msgspec.json.encode({"op": op, "args": args, "most": most})
        return self._client.request(Call("POST", "/v1/admin/effect", dict[str, Any], body))

    # --- what its people wish

    def propose(self, planned: Planned, reason: str) -> dict[str, Any]:
        """Proposes a command; the change's id, which delay it has, and the refusal that it would meet now."""
        op, args = wish(self.catalogue, planned.command)
        done = self.call(
            "propose_change", account="0", command={"op": op, "args": args}, reason=reason[:_REASON]
        )
        said = data_of(done, "change_proposed")
        return {
            "change": int(said["change"]),
            "long_delay": bool(said["long_delay"]),
            "refusal": int(said["refusal"]),
        }

    def approve(self, change: int) -> dict[str, Any]:
        """Approves a change; when it takes effect."""
        said = data_of(self.call(name_of(ApproveChange), change=change), "change_approved")
        return {"change": change, "due_ns": said["due_ns"], "opens_left": said["opens_left"]}

    def send(self, command: Command) -> Done:
        """Sends a command as it is; a later look sees its effect."""
        op, args = wish(self.catalogue, command)
        return self.call(op, **args)

    def turn(self, market: str, phase: str, until_ns: int) -> Done:
        """Turns a market to a phase."""
        return self.call("set_market_phase", market=market, phase=phase, until_ns=until_ns)

    def call(self, op: str, **args: Any) -> Done:
        """Any operation of the venue's; an `account` among its arguments is one of them, not whose it is."""
        return self._client.request(act(op, None, args))

    def ask(self, path: str, **numbers: int) -> Any:
        """Any question."""
        return self._client.ask(path, **numbers)

    def again(self) -> Venue:
        """A new look."""
        return Venue(self._client)


def data_of(done: Done, event: str) -> dict[str, Any]:
    """What the first event of that name says, as JSON has it."""
    found = next(one.data for one in done.events if one.event == event)
    plain: dict[str, Any] = msgspec.to_builtins(found)
    return plain


def ungoverned(error: VenueRefused) -> bool:
    """Whether a venue refused because it has no governance yet."""
    return error.number == NO_GOVERNANCE
