"""An account's margin explained, on a terminal and as one JSON object.

Responsible for: laying out what `novate.explain` and `novate.reader` found. Never computes a figure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec
from rich.console import RenderableType
from rich.text import Text

from novate.explain import LEVELS, STATES, Explanation, Milestone, percent
from novate.messages import AccountState, Quality, Session, reports
from novate.messages.reports import explain as questions
from novate.messages.reports.base import Answers
from novate.reader import Moment, Post
from novate.reports.figures import minute, money
from novate.reports.grid import plain_cells, plain_table
from novate.reports.story import in_short

MOST_ROWS = 24


@dataclass(frozen=True, slots=True)
class PriceInput:
    """One source's last word on an underlying, and the command that carried it."""

    underlying: str
    index: int
    stable: int
    quality: str
    session: str
    source: int
    price: int
    venue_time_ns: int
    confidence_ppm: int
    counts: bool
    sequence: int | None
    raw_hash: str


def price_inputs(engine: Answers, explanation: Explanation, moment: Moment | None) -> list[PriceInput]:
    """The outside prices behind every index the account depends on."""
    wanted = {line.underlying for line in explanation.thresholds}
    found = []
    for line in reports.underlyings(engine):
        if line.underlying not in wanted:
            continue
        for source in questions.sources(engine, line.underlying):
            post: Post | None = moment.posts.get((line.underlying, source.source)) if moment else None
            found.append(
                PriceInput(
                    underlying=line.name,
                    index=line.index,
                    stable=line.stable,
                    quality=Quality(line.quality).name.lower(),
                    session=Session(line.session).name.lower(),
                    source=source.source,
                    price=source.price,
                    venue_time_ns=source.venue_time_ns,
                    confidence_ppm=source.confidence_ppm,
                    counts=source.posted,
                    sequence=post.sequence if post else None,
                    raw_hash=post.raw_hash.hex() if post else "",
                )
            )
    return found


def as_json(explanation: Explanation, inputs: list[PriceInput], ahead: list[Milestone]) -> dict[str, object]:
    """Everything as one JSON-ready object: values in micro-dollars, moves in ppm, prices at the underlyings' scales."""
    return {
        "account": explanation.account,
        "sequence": explanation.sequence,
        "time_ns": explanation.time_ns,
        "state": explanation.state,
        "sentence": explanation.sentence,
        "levels": {
            LEVELS[reports.Level(level.level)]: msgspec.to_builtins(level)
            for level in explanation.margin.levels
        },
        "holdings": msgspec.to_builtins(explanation.holdings),
        "thresholds": [_threshold(line) for line in msgspec.to_builtins(explanation.thresholds)],
        "marginal": msgspec.to_builtins(explanation.marginal),
        "prices": msgspec.to_builtins(inputs),
        "ahead": [milestone._asdict() for milestone in ahead],
    }


def _threshold(line: Mapping[str, object]) -> dict[str, object]:
    states: list[dict[str, object]] = line["states"]  # type: ignore[assignment]  # as the report defines them
    named = {
        STATES[AccountState(int(str(at["state"])))]: {"fall": at["fall"], "rise": at["rise"]} for at in states
    }
    return {**line, "states": named}


def parts(
    explanation: Explanation, inputs: list[PriceInput], ahead: list[Milestone]
) -> Iterable[RenderableType]:
    """The explanation from the answer down to the prices behind it."""
    yield Text(explanation.sentence, style="bold")
    yield Text(
        f"After command {explanation.sequence:,}, {minute(explanation.time_ns)} New York.", style="dim"
    )
    levels = plain_table("Requirement by level", "level", "equity", "requirement", "excess", "binding row")
    for level in explanation.margin.levels:
        name = LEVELS[reports.Level(level.level)]
        levels.add_row(
            *plain_cells(
                name, money(level.equity), money(level.requirement), money(level.excess), level.binding
            )
        )
    yield levels
    made = plain_table("What makes the initial requirement", "position", "value", "part of it")
    for part in sorted(explanation.initial.contributions, key=lambda c: -abs(c.amount))[:MOST_ROWS]:
        made.add_row(*plain_cells(part.name, money(part.value), money(part.amount)))
    yield made
    yield _distances(explanation)
    one_more = plain_table("One thousand dollars more", "market", "bought adds", "sold adds")
    for line in explanation.marginal:
        one_more.add_row(*plain_cells(line.name, money(line.buy), money(line.sell)))
    yield one_more
    if ahead:
        yield _week(ahead)
    yield _prices(inputs)


def _distances(explanation: Explanation) -> RenderableType:
    states = [STATES[state] for state in AccountState if state != AccountState.GREEN]
    grid = plain_table("How far each state is, by one name's move (fall / rise)", "underlying", *states)
    for line in explanation.thresholds:
        moves = (
            " / ".join("none" if move is None else percent(move.ppm) for move in (at.fall, at.rise))
            for at in line.states
        )
        grid.add_row(*plain_cells(line.name, *moves))
    return grid


def _week(ahead: list[Milestone]) -> RenderableType:
    grid = plain_table(
        "The days ahead, prices unchanged", "New York", "what", "initial", "maintenance", "state", left=2
    )
    for milestone in ahead:
        grid.add_row(
            *plain_cells(
                minute(milestone.time_ns),
                in_short(milestone.what),
                money(milestone.requirements[reports.Level.INITIAL]),
                money(milestone.requirements[reports.Level.MAINTENANCE]),
                milestone.state,
            )
        )
    return grid


def _prices(inputs: list[PriceInput]) -> RenderableType:
    columns = ("underlying", "session", "quality", "index", "source", "its price", "venue time", "command")
    grid = plain_table("Prices behind it, at each underlying's scale", *columns, left=3)
    for line in inputs:
        grid.add_row(
            *plain_cells(
                line.underlying,
                line.session,
                line.quality,
                f"{line.index:,}",
                str(line.source),
                f"{line.price:,}",
                minute(line.venue_time_ns) if line.price else "",
                f"{line.sequence:,}" if line.sequence else "",
            )
        )
    return grid
