"""`novate.replay`: one's own portfolio through a crash that happened, on the real engine.

    novate.replay("portfolio.csv")

Responsible for: opening the portfolios in the demo's venue beside its market maker, lender and backstop, playing the demo's tape,
and telling what became of them, as a frame. Holds no rule, and writes no journal: the run is in memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

import pandas as pd

from novate._core import Engine, release, ruleset
from novate.config import Listing
from novate.demo.cast import Casting
from novate.demo.market import Market
from novate.demo.participants import Participant, Target, lots_worth
from novate.demo.replay import Replay
from novate.demo.run import arrival, first_prices, listing_of, opening_state
from novate.embedding.columns import Book, Positions, book_of, plain, read_positions
from novate.embedding.instruments import Instrument, Instruments
from novate.embedding.margin import Rules, margin
from novate.embedding.words import lots_in, moment, tick_of, to_ns
from novate.errors import ConfigError, DataError
from novate.journal.envelope import stamp
from novate.marketdata import Scenario, default_scenario, find_data, load_scenario
from novate.messages import (
    AccountState,
    ActivateRelease,
    Command,
    CommandRefused,
    Event,
    EventMessage,
    LiquidationEnded,
    LiquidationStarted,
    OrderFilled,
    RequestWithdrawal,
    ShortfallReported,
    Side,
    encode,
    reports,
)
from novate.messages import explain as in_words
from novate.messages.events.liquidation import BackstopSliceTaken, Deleveraged
from novate.messages.reports import Level
from novate.units import duration_ns

FIRST_ACCOUNT: Final = 101
"""Account of the first portfolio."""
CLIP_DOLLARS: Final = 150_000
"""Most that a portfolio trades in one frame while it puts its perps on: less than the maker shows."""
_WAIT_NS: Final = 300_000_000_000
_WATCHED: Final[tuple[type[Event], ...]] = (
    LiquidationStarted, LiquidationEnded, BackstopSliceTaken, Deleveraged, ShortfallReported,
)  # fmt: skip
Progress = Callable[[float, str], None]


def replay(
    positions: Positions,
    crash: str | None = None,
    *,
    data: str | None = None,
    seed: int = 1,
    start: Any = None,
    until: Any = None,
    every: str = "5 min",
    clock: str = "5 s",
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Plays a crash on one's own portfolio: who would have been liquidated, when, and of what.

    Tokens and coins are there from the start; perps are traded on the first opening against the demo's market maker, so they
    begin at the crash's own prices and pay its spread (an entry price in `positions` is left out). A loan (a coin below zero)
    is taken out of the cash pool. From then on the portfolio does nothing: marks, sessions, funding, settlement, interest and the
    liquidation ladder are the engine's.

    Args:
        positions: as for `novate.margin`: a frame, a CSV file, or a mapping; several portfolios each get an account.
        crash: a scenario of `novate scenarios`: by default the recorded crash of October 2025 where its data is found, else October
            2008 from the package.
        data: folder of recorded data; default: `$NOVATE_DATA`, `./data`, `../shared/data`.
        seed: draws what is not recorded.
        start: a later start than the scenario's own; New York time where it has no zone.
        until: an earlier end.
        every: how often the frame has a row, in market time.
        clock: step of the venue's clock.
        progress: called with the fraction that is done and a note.

    Returns:
        A frame indexed by time (New York) and, where named, portfolio. Columns, in dollars: `equity` at maintenance, `requirement` and
        `excess` at initial, `maintenance` and `maintenance_excess`, `state`, `liquidated` (notional since the row before) and `events` (what
        happened since then, in words; empty mostly). `frame.attrs` has the scenario's `title` and `headline` (which prices are real),
        `state_hash` and `conservation`.

    Raises:
        DataError: positions as for `novate.margin`, a name that the crash has no prices of, or a portfolio whose equity does not
            cover its requirement at the crash's first prices. ConfigError: a time that is none.
    """
    folder = find_data(data)
    scenario = load_scenario(
        crash or default_scenario(folder),
        folder,
        seed,
        start_ns=None if start is None else to_ns(start),
        end_ns=None if until is None else to_ns(until),
    )
    everything = Instruments.of(Rules.of_listing(listing_of(scenario)).core)
    _in_scenario(positions, everything, scenario)
    # Whatever the portfolios don't hold would go through the venue beside them and change nothing for them.
    scenario = scenario.only(book_of(positions, everything).underlyings | {"USDC"})
    listing = listing_of(scenario)
    rules = Rules.of_listing(listing)
    book = book_of(positions, rules.instruments)
    prices = first_prices(scenario)
    _can_open(positions, rules, prices, scenario.start_ns)
    people = tuple(_holders(book, listing, rules.instruments, prices))
    run = Run(scenario, listing, rules.instruments, people, prices, _span(every, "every"))
    run.play(_span(clock, "clock"), progress or (lambda _fraction, _note: None))
    return run.frame(book)


def outcome(frame: pd.DataFrame) -> dict[str, Any]:
    """A replay in short: what became of each portfolio, and each thing that happened to one, as lines and as JSON-ready rows."""
    named = "portfolio" in frame.index.names
    lines, rows = [], []
    groups = frame.groupby(level="portfolio", sort=False) if named else [("portfolio", frame)]
    for name, path in groups:
        first, last = path["equity"].iloc[0], path["equity"].iloc[-1]
        sold = float(path["liquidated"].sum())
        rows.append(
            {
                "portfolio": str(name),
                "equity_before": float(first),
                "equity_after": float(last),
                "least_excess": float(path["excess"].min()),
                "least_maintenance_excess": float(path["maintenance_excess"].min()),
                "liquidated": sold,
                "refused": frame.attrs["refused"].get(str(name), ""),
                "events": [
                    {"time": str(key[0] if named else key), "what": what}
                    for key, what in path["events"].items()
                    if what
                ],
            }
        )
        fate = f"${sold:,.0f} liquidated" if sold else "untouched"
        least = path["excess"].min()
        sign = "-" if least < 0 else ""
        lines.append(
            f"{name}: equity ${first:,.0f} to ${last:,.0f}, least excess {sign}${abs(least):,.0f}, {fate}"
        )
        lines += [f"    {event['time']}  {event['what']}" for event in rows[-1]["events"]]
        lines += [f"    not opened: {rows[-1]['refused']}"] if rows[-1]["refused"] else []
    kept = ("scenario", "title", "headline", "state_hash", "conservation")
    return {key: frame.attrs[key] for key in kept} | {"portfolios": rows, "lines": lines}


def _span(text: str, name: str) -> int:
    span = duration_ns(text, name)
    if span <= 0:
        raise ConfigError(f'{name} = "{text}": expected time that passes, such as "5 min".')
    return span


def _in_scenario(positions: Positions, names: Instruments, scenario: Scenario) -> None:
    """Raises DataError for a name that the packaged listing has and the scenario has not, with those it has."""
    for row, name in read_positions(positions)["instrument"].items():
        if name not in names.held:
            has = ", ".join(one for one in names.held if names.held[one].underlying in scenario.underlyings)
            raise DataError(
                f"positions, row {row}, column 'instrument': {scenario.title} has no prices of {name!r}; it has {has}.",
                column="instrument",
                row=str(row),
                value=str(name),
            )


def _can_open(positions: Positions, rules: Rules, prices: Mapping[str, int], start_ns: int) -> None:
    """Raises DataError for a portfolio that no venue would let somebody open at the first prices, in the session they find."""
    told = pd.DataFrame(
        {name: price / 1e6 for name, price in prices.items()}, index=pd.DatetimeIndex([moment(start_ns)])
    )
    frame = margin(_without_entries(positions), told, "calendar", rules)
    short = frame[frame["state"] != "green"]
    if len(short):
        row, key = short.iloc[0], short.index[0]
        which = f"Portfolio {key[1]!r}" if isinstance(key, tuple) else "The portfolio"
        raise DataError(
            f"{which} can't be opened at the crash's first prices: it needs ${row['requirement']:,.2f} because {row['binding']}, and "
            f"has ${row['equity']:,.2f}."
        )


def _without_entries(positions: Positions) -> Any:
    frame = read_positions(positions)
    return frame.drop(columns="price") if "price" in frame else frame


def _holders(book: Book, listing: Listing, names: Instruments, prices: Mapping[str, int]) -> Iterator[Own]:
    """One account per portfolio."""
    held, first = book.holdings, 0
    for at, count in enumerate(held.counts.tolist()):
        holdings: dict[str, int] = {}
        loans: dict[str, int] = {}
        targets = []
        for place in range(first, first + count):
            one = names.held[names.named[bool(held.kinds[place]), int(held.ids[place])]]
            size = int(held.sizes[place])
            if one.perp:
                targets.append(_target(one, size, listing, prices))
            elif size < 0 and not names.assets[one.name].stablecoin:
                raise DataError(f"A replay can't begin with borrowed {one.name}: be short its perp instead.")
            else:
                (holdings if size > 0 else loans)[one.name] = abs(size)
        first += count
        name = book.names[at]
        yield Own(
            account=FIRST_ACCOUNT + at,
            name="portfolio" if name is None else str(name),
            story="",
            rule="Puts its positions on at the first opening, and then does nothing.",
            listing=listing,
            holdings={name: units for name, units in holdings.items() if units},
            targets=targets,
            loans=loans,
        )


def _target(one: Instrument, lots: int, listing: Listing, prices: Mapping[str, int]) -> Target:
    terms = listing.markets[one.name]
    clip = max(lots_worth(terms, CLIP_DOLLARS, prices[one.underlying]), terms.min_lots)
    return Target(terms, lots, min(abs(lots), clip) or 1)


@dataclass(slots=True)
class Own(Participant):
    """Somebody's own portfolio: trades its perps in clips while their markets are open and live, borrows once, and holds."""

    targets: list[Target] = field(default_factory=list)
    loans: dict[str, int] = field(default_factory=dict)
    refused: str = ""
    """Why the last order did not go through, while it is not through."""
    _open_since: dict[int, int] = field(default_factory=dict)

    def act(self, market: Market) -> Iterator[Command]:
        """One clip per perp until all are there; the loan once the pool can lend it."""
        if self.started_ns:
            return
        orders = [order for target in self.targets if (order := self._order(target, market)) is not None]
        done = all(self._missing(target, market) == 0 for target in self.targets)
        for coin, units in self.loans.items():
            if done and market.lent[self.listing.asset[coin]] >= 2 * units:
                yield RequestWithdrawal(asset=self.listing.asset[coin], amount=units)
                self.started_ns = market.time_ns
        if done and not self.loans:
            self.started_ns = market.time_ns
        yield from orders

    def _missing(self, target: Target, market: Market) -> int:
        return abs(target.lots - market.lots[self.account, target.terms.market])

    def _order(self, target: Target, market: Market) -> Command | None:
        number = target.terms.underlying
        regular = market.session.get(number) == 2 and market.is_live(number)
        if not regular:
            self._open_since.pop(number, None)
            return None
        since = self._open_since.setdefault(number, market.time_ns)
        return target.next_order(self.account, market) if market.time_ns - since >= _WAIT_NS else None


@dataclass(slots=True)
class InMemory:
    """A venue without a journal: what is submitted is stamped and applied."""

    engine: Engine = field(default_factory=Engine)

    @property
    def sequence(self) -> int:
        """Sequence of the last command."""
        return self.engine.sequence

    def submit_stamped(self, buffer: bytes) -> bytes:
        """Applies messages that carry their own times; returns their events."""
        filled = stamp(buffer, self.engine.sequence + 1, None, self.engine.time_ns)
        return self.engine.apply(filled.payload)


@dataclass(slots=True)
class Run:
    """One scenario with the portfolios in it."""

    scenario: Scenario
    listing: Listing
    instruments: Instruments
    own: tuple[Own, ...]
    prices: dict[str, int]
    every_ns: int
    venue: InMemory = field(default_factory=InMemory)
    rows: list[dict[str, Any]] = field(default_factory=list)
    _happened: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    _fills: defaultdict[tuple[int, int, int], list[int]] = field(
        default_factory=lambda: defaultdict(lambda: [0, 0])
    )
    """(account, market, side) to lots, and lots times ticks, of its liquidation since the last row."""
    _taken: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))

    def play(self, advance_ns: int, progress: Progress) -> None:
        """The whole window."""
        start, end = self.scenario.start_ns, self.scenario.end_ns
        people = (*Casting(self.listing, self.scenario, self.prices).services(), *self.own)
        market = Market(self.listing, time_ns=start)
        replay = Replay(
            self.venue, self.scenario, self.listing, market, people, (), advance_ns, _WATCHED, self._see
        )
        parts = [encode(ActivateRelease(release=release(), ruleset=ruleset()), time_ns=start)]
        parts += [encode(c, time_ns=start) for c in self.listing.commands]
        parts += [encode(c, time_ns=start) for c in opening_state(self.listing, self.scenario)]
        for person in people:
            parts += [encode(c, account=person.account, time_ns=start) for c in arrival(self.listing, person)]
        replay.take_in(self.venue.submit_stamped(b"".join(parts)))

        def each_frame(time_ns: int) -> None:
            if (time_ns - start) % self.every_ns < 5_000_000_000:
                self._sample(time_ns)
                progress((time_ns - start) / (end - start), f"{moment(time_ns):%a %d %b %H:%M}")

        replay.run(each_frame)
        progress(1.0, "done")

    def _see(self, event: EventMessage) -> None:
        account, body = event.header.account, event.body
        if account < FIRST_ACCOUNT:
            return
        if isinstance(body, CommandRefused):
            person = self.own[account - FIRST_ACCOUNT]
            person.refused = in_words(body)
            if body.command == RequestWithdrawal.KIND:
                person.started_ns = 0  # it asks again
        elif isinstance(body, OrderFilled) and body.liquidation and not body.maker:
            total = self._fills[account, body.market, body.side]
            total[0] += body.lots
            total[1] += body.lots * body.price
        elif isinstance(body, BackstopSliceTaken) and body.role == 0:
            self._taken[account] += body.notional / 1e6
            self._happened[account].append(f"backstop took legs of ${body.notional / 1e6:,.0f}")
        elif isinstance(body, LiquidationStarted):
            self._happened[account].append(f"liquidation began, ${body.deficit / 1e6:,.0f} short")
        elif isinstance(body, LiquidationEnded):
            slices = f"{body.slices} slice{'' if body.slices == 1 else 's'}"
            self._happened[account].append(f"liquidation ended after {slices}")
        elif isinstance(body, Deleveraged):
            self._happened[account].append("deleveraged")
        elif isinstance(body, ShortfallReported):
            self._happened[account].append(f"shortfall of ${body.amount / 1e6:,.0f}")

    def _traded(self, account: int) -> tuple[float, list[str]]:
        """What its liquidation traded since the last row, in dollars and in words."""
        dollars, told = 0.0, []
        for key in [key for key in self._fills if key[0] == account]:
            lots, ticks_lots = self._fills.pop(key)
            terms = next(line for line in self.instruments.listed.markets if line.market == key[1])
            quantity = lots * lots_in(terms, self.instruments)
            price = Fraction(ticks_lots, lots) * tick_of(terms, self.instruments)
            dollars += float(quantity * price)
            verb = "sold" if key[2] == Side.ASK else "bought"
            told.append(f"{verb} {plain(quantity)} {terms.name} at {float(price):,.2f}")
        return dollars, told

    def _sample(self, time_ns: int) -> None:
        for person in self.own:
            line = reports.account(self.venue.engine, person.account).line
            dollars, traded = self._traded(person.account)
            happened = self._happened.pop(person.account, [])
            began = [what for what in happened if what.startswith("liquidation began")]
            happened = [*began, *traded, *(what for what in happened if what not in began)]
            self.rows.append(
                {
                    "time": moment(time_ns),
                    "portfolio": person.account - FIRST_ACCOUNT,
                    "equity": line.equity / 1e6,
                    "requirement": line.requirements[Level.INITIAL] / 1e6,
                    "excess": line.excess[Level.INITIAL] / 1e6,
                    "maintenance": line.requirements[Level.MAINTENANCE] / 1e6,
                    "maintenance_excess": line.excess[Level.MAINTENANCE] / 1e6,
                    "state": AccountState(line.state).name.lower(),
                    "liquidated": dollars + self._taken.pop(person.account, 0.0),
                    "events": "; ".join(happened),
                }
            )

    def frame(self, book: Book) -> pd.DataFrame:
        """What became of the portfolios."""
        frame = pd.DataFrame(self.rows)
        if book.names == (None,):
            frame = frame.drop(columns="portfolio").set_index("time")
        else:
            frame["portfolio"] = [book.names[at] for at in frame["portfolio"]]
            frame = frame.set_index(["time", "portfolio"])
        engine = self.venue.engine
        names = {line.asset: line.name for line in self.instruments.listed.assets}
        frame.attrs |= {
            "scenario": self.scenario.name,
            "title": self.scenario.title,
            "headline": self.scenario.headline,
            "conservation": {names[asset]: difference for asset, difference in engine.conservation()},
            "state_hash": engine.state_hash().hex(),
            "refused": {
                person.name: person.refused or "The market or the pool never had what it takes."
                for person in self.own
                if not person.started_ns
            },
        }
        return frame
