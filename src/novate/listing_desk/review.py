"""What must be so before a name is proposed, and what each command would do to every account.

    lines = review(plan, venue, keepers)        red, yellow or green, as the launch checklist
    effects = effect(plan, venue)               one per command that can be carried out now, worst accounts first

Responsible for: looking, and one sentence of advice a line. Never: changes anything, or passes a line it could not look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from novate.keepers.settings import KeeperSettings
from novate.listing_desk.live import Venue
from novate.listing_desk.plan import Plan, Planned
from novate.operations.checklist import Light, Line

_FAR: Final = Decimal("0.25")
"""An index further from the drafted price than this part is believed to be of something else."""
_CONTINUOUS: Final = 0
OWN_FILE: Final = (
    "Name the venue's own file with --listing; what was listed since stands at its end (novate list record)."
)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a command would do to accounts."""

    what: str
    waits_for: tuple[str, ...]
    """Names that must be listed first; then nothing is known yet."""
    refusal: int
    rule: str
    accounts: int
    changed: int
    worse: int
    lines: tuple[dict[str, Any], ...]
    """Accounts that would be otherwise, whose excess falls most first; dollars as text, four levels from initial to close-out."""


def effect(venue: Venue, planned: tuple[Planned, ...], most: int = 100) -> list[Effect]:
    """Of each command that has not taken effect: measured on a copy of the venue, or what it waits for."""
    found = []
    for one in planned:
        if venue.stands(one):
            continue
        missing = tuple(name for name in one.needs if not venue.known(name))
        if missing:
            found.append(Effect(one.what, missing, 0, "", 0, 0, 0, ()))
            continue
        said = venue.effect(one.command, most)
        found.append(
            Effect(
                one.what, (), said["refusal"], said["rule"], said["accounts"], said["changed"], said["worse"],
                tuple(said["lines"]),
            )
        )  # fmt: skip
    return found


def review(plan: Plan, venue: Venue, keepers: KeeperSettings | None) -> list[Line]:
    """Every line, in the order in which one would mend them. The bounds were looked at when the plan was read."""
    return [
        Line("bounds", Light.GREEN, f"{len(plan.listing)} commands and {len(plan.steps)} steps of caps, every number within the engine's bounds."),
        _in_step(plan, venue),
        *_free(plan, venue),
        _sources(plan, production=not venue.development()),
        _feeds(plan, keepers),
        _hours(plan, venue, keepers),
        _price(plan, venue),
        _auction(plan),
        *_refusals(plan, venue),
    ]  # fmt: skip


def mismatch(plan: Plan, venue: Venue) -> str:
    """Where the venue's file and the venue differ on an id, in one sentence; empty where they agree. The file gives the next ids."""
    catalogue, base = venue.catalogue, plan.base
    for what, filed, live in (
        ("underlying", base.underlying, catalogue.underlying_ids),
        ("asset", base.asset, catalogue.asset_ids),
        ("market", base.market, catalogue.market_ids),
    ):
        unknown = sorted(live.keys() - filed.keys())
        if unknown:
            return f"The venue lists {what} {unknown[0]}, and its file does not."
        differs = sorted(name for name in live if live[name] != filed[name])
        if differs:
            name = differs[0]
            return (
                f"{what.capitalize()} {name} has id {live[name]} at the venue and {filed[name]} by its file."
            )
    return ""


def _in_step(plan: Plan, venue: Venue) -> Line:
    found = mismatch(plan, venue)
    if found:
        return Line("file", Light.RED, found, OWN_FILE)
    return Line("file", Light.GREEN, "The venue's file and the venue agree on every id.")


def _free(plan: Plan, venue: Venue) -> Iterator[Line]:
    taken = [one.what for one in plan.listing if venue.stands(one)]
    if not taken:
        yield Line("names", Light.GREEN, f"Nothing of {plan.name} is listed yet.")
    elif len(taken) == len(plan.listing):
        yield Line("names", Light.YELLOW, f"{plan.name} is listed already.", "What changes now is caps.")
    else:
        yield Line("names", Light.YELLOW, f"Listed already: {', '.join(taken)}.")


def _sources(plan: Plan, *, production: bool) -> Line:
    origins = {one.origin or -one.id for one in plan.sources}
    if len(origins) < plan.quorum:
        return Line(
            "sources", Light.RED, f"{len(origins)} independent sources; a price needs {plan.quorum}.",
            "Add a [[source]], or sources of different origin.",
        )  # fmt: skip
    if plan.quorum < 2:
        light = Light.RED if production and plan.terms.price_class == _CONTINUOUS else Light.YELLOW
        return Line(
            "sources",
            light,
            "One source alone makes a price.",
            "quorum = 2, and two sources of different origin.",
        )
    spare = len(origins) - plan.quorum
    found = f"{len(origins)} independent sources, {plan.quorum} needed."
    if spare:
        return Line("sources", Light.GREEN, found)
    return Line(
        "sources", Light.YELLOW, found, "None may fail: the price is degraded then. A third would be better."
    )


def _feeds(plan: Plan, keepers: KeeperSettings | None) -> Line:
    wanted = {one.id for one in plan.sources}
    if keepers is None:
        return Line(
            "feeds", Light.YELLOW, "Nobody said which file has the keepers' settings.",
            "--keepers FILE, or --home DIR with a venue.toml; somebody must bring prices of "
            + ", ".join(f"source {number}" for number in sorted(wanted)) + ".",
        )  # fmt: skip
    fed = {
        symbol.source: feed.name
        for feed in keepers.feed
        for symbol in feed.symbols.values()
        if symbol.underlying == plan.name
    }
    missing = sorted(wanted - fed.keys())
    if missing:
        return Line(
            "feeds", Light.RED, f"No feed brings source {missing[0]} of {plan.name}.",
            f'[feed.symbols] SYMBOL = {{ underlying = "{plan.name}", source = {missing[0]} }}; then start the price keeper anew.',
        )  # fmt: skip
    brought = ", ".join(f"{number} by {fed[number]}" for number in sorted(wanted))
    return Line("feeds", Light.GREEN, f"Sources {brought}.")


def _hours(plan: Plan, venue: Venue, keepers: KeeperSettings | None) -> Line:
    line, price = venue.underlying(plan.name), venue.price(plan.name)
    if line is None or price is None:
        always = keepers is not None and plan.name in keepers.sessions.always
        hours = "never closes" if always else "has the hours of a US stock"
        if keepers is None:
            return Line(
                "calendar", Light.YELLOW, "Hours are the session keeper's; its settings were not named."
            )
        return Line("calendar", Light.GREEN, f"By the session keeper's settings {plan.name} {hours}.")
    if not line.closes and price.session == "closed":
        return Line(
            "calendar", Light.RED, f"No session of {plan.name} is known.",
            "The session keeper says it within a second: look whether it runs (novate status).",
        )  # fmt: skip
    return Line("calendar", Light.GREEN, f"The session is {price.session}.")


def _price(plan: Plan, venue: Venue) -> Line:
    price = venue.price(plan.name)
    if price is None:
        return Line("price", Light.GREEN, "No price before it is listed.")
    if price.index == 0:
        return Line("price", Light.RED, f"{plan.name} has no price yet.", "Its feeds must speak first.")
    if abs(price.index - plan.price) > plan.price * _FAR:
        return Line(
            "price", Light.RED, f"The index is {price.index}, and was drafted at {plan.price}.",
            "See whether a feed's symbol is of something else; else draft again: caps are shares.",
        )  # fmt: skip
    if not price.opens:
        return Line(
            "price", Light.YELLOW, f"{price.index}, but its quality ({price.quality}) opens no positions.",
            "A call waits for a better one.",
        )  # fmt: skip
    return Line(
        "price",
        Light.GREEN,
        f"{price.index} from {price.fresh_sources} fresh sources, quality {price.quality}.",
    )


def _auction(plan: Plan) -> Line:
    without = [market.name for market in plan.markets if not market.opens_by_auction]
    if without:
        return Line(
            "auction", Light.RED, f"{without[0]} would be open at once, before its caps stand.",
            "opens_by_auction = true",
        )  # fmt: skip
    return Line(
        "auction", Light.GREEN, f"Markets open with an auction after {plan.call_ns / 60e9:g} minutes."
    )


def step_of(plan: Plan, venue: Venue) -> int:
    """The last step whose caps are all in force, or raised since; 0 for none."""

    def highest(place: int) -> int:
        return max((step.number for step in plan.steps if venue.stands(step.caps[place])), default=0)

    return min(map(highest, range(len(plan.steps[0].caps))))


def before_opening(plan: Plan, venue: Venue) -> tuple[Planned, ...]:
    """The listing, and the first caps until they stand: later ones replace them."""
    return plan.listing if step_of(plan, venue) else plan.before_opening


def _refusals(plan: Plan, venue: Venue) -> Iterator[Line]:
    """What the running venue itself says to the commands that could come now."""
    tried = effect(venue, before_opening(plan, venue), 0)
    refused = [one for one in tried if one.refusal]
    for one in refused:
        yield Line(
            "venue",
            Light.RED,
            f"{one.what}: refused {one.refusal} ({one.rule}).",
            f"novate refusals {one.refusal}",
        )
    if not refused:
        now = [one for one in tried if not one.waits_for]
        worse = sum(one.worse for one in now)
        found = f"The venue takes what can come now ({len(now)} of {len(tried)}), and {worse} accounts would be worse off."
        yield Line("venue", Light.YELLOW if worse else Light.GREEN, found)
