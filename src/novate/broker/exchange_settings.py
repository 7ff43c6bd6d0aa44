"""What an operator writes about a simulated exchange, in TOML, and the floor made from it.

    start = "2025-10-09 10:00"          # New York; left out: the moment of the first start
    journal = "exchange.db"             # beside this file; left out: nothing is durable
    extended = ["pre", "post"]
    delay = "50 ms"                     # from an instruction to its arrival at the market

    [impact]
    parts = 1000                        # of 1000 of what is taken, what stays away
    half_life = "60 s"

    [fees]                              # left out: the schedule of `fees`
    per_share = "0.003"

    [broker.alpha]
    cash = "10 M USD"
    credit = "0 USD"
    shares = { ACME = "10000" }

    [stock.ACME]                        # a seeded walk that goes round for ever
    price = "100.00"
    seed = 1
    step = "1 s"
    best = "500"

    [stock.BAC]                         # recorded quotes of one day, and the trades that have its auctions
    quotes = "orderflow/bac_2013-10-10_quotes.parquet"
    trades = "orderflow/bac_2013-10-10_trades.parquet"
    day = 2013-10-10

    [stock.SPY]                         # ticks of a scenario
    scenario = "crash-2025-10"

    [[fault]]
    broker = "alpha"
    order = 3                           # its third order
    kind = "bust"
    after = "1 h"

Responsible for: one clear error per mistake. Never: moves the floor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from novate.broker.checks import SHARE
from novate.broker.custody import Opening
from novate.broker.displayed import Best, Impact
from novate.broker.exchange import Exchange, Terms
from novate.broker.exchange_journal import ExchangeJournal
from novate.broker.faults import Fault, Plan, Planned
from novate.broker.fees import Fees
from novate.broker.floor import Floor
from novate.broker.hours import Hours
from novate.broker.tape import Depth, Tape, endless, recorded_quotes, scenario_tape
from novate.calendar import NEW_YORK, to_ns
from novate.errors import ConfigError, UnitError
from novate.marketdata import find_data, load_scenario
from novate.marketdata.find import no_data
from novate.messages.codes import Session
from novate.settings_file import read_settings
from novate.units import duration_ns, quantity, scaled

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
Symbol = Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Z0-9.-]{0,11}$")]


class _Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base: unknown keys are refused."""


class ImpactSettings(_Settings, frozen=True, kw_only=True):
    """Impact.

    Attributes:
        parts: Of 1000 of what is taken, what stays away.
        half_life: Half of it is back after this.
    """

    parts: int = 1000
    half_life: str = "60 s"


class FeeSettings(_Settings, frozen=True, kw_only=True):
    """Fees, in dollars.

    Attributes:
        per_share: Of each share.
        sale_per_million: Of a million dollars sold.
        sale_per_share: Of each share sold.
        sale_per_share_most: Most of that for one execution.
    """

    per_share: str = "0.003"
    sale_per_million: str = "27.80"
    sale_per_share: str = "0.000166"
    sale_per_share_most: str = "8.30"


class OpeningSettings(_Settings, frozen=True, kw_only=True):
    """What a broker holds at the first start.

    Attributes:
        cash: Dollars.
        credit: How far cash may fall below zero.
        shares: Shares by symbol.
    """

    cash: str = "0 USD"
    credit: str = "0 USD"
    shares: dict[Symbol, str] = {}


class StockSettings(_Settings, frozen=True, kw_only=True):
    """A stock: a walk from a price, recorded quotes, or a scenario.

    Attributes:
        price: First price of a walk.
        seed: Draws the walk, or the scenario's ticks.
        step: Between two prices of a walk.
        step_ppm: Largest step of a walk, in parts per million of its first price.
        quotes: File of recorded quotes, below the data folder or by its whole path.
        trades: File of the trades of that day; its opening and closing prints are the auctions.
        day: Day of the quotes.
        behind: Modelled levels behind the recorded national best.
        scenario: Name of a scenario.
        best: Shares at the best price of a modelled book.
        levels: Levels of a modelled book.
        half_spread_ppm: From the price to the best bid and ask of a modelled book.
    """

    price: str = ""
    seed: int = 1
    step: str = "1 s"
    step_ppm: int = 20
    quotes: str = ""
    trades: str = ""
    day: date | None = None
    behind: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    scenario: str = ""
    best: str = ""
    levels: int = 8
    half_spread_ppm: int = 50


class FaultSettings(_Settings, frozen=True, kw_only=True):
    """A planned fault.

    Attributes:
        broker: Whose.
        order: Which of its orders, from 1.
        kind: What goes wrong.
        after: How long after its cause, or for how long.
    """

    broker: Name
    order: int
    kind: str
    after: str = ""


class ExchangeSettings(_Settings, frozen=True, kw_only=True):
    """A simulated exchange.

    Attributes:
        start: The exchange's time at its first start, New York; the clock's where it is empty.
        journal: File of its inputs, beside the settings; nothing is durable where it is empty.
        extended: Sessions beside the regular one.
        auction_parts: Of 1000 of an auction's print, what one order may get.
        delay: From an instruction to its arrival at the market.
        impact: What an order leaves behind.
        fees: What an execution costs.
        broker: Brokers.
        stock: Stocks.
        fault: Planned faults.
        faults_seed: Draws more faults.
        faults_per_mille: For so many of 1000 orders.
    """

    start: str = ""
    journal: str = ""
    extended: tuple[Literal["pre", "post", "overnight"], ...] = ("pre", "post")
    auction_parts: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 100
    delay: str = "0 ms"
    impact: ImpactSettings = ImpactSettings()
    fees: FeeSettings = FeeSettings()
    broker: dict[Name, OpeningSettings]
    stock: dict[Symbol, StockSettings]
    fault: tuple[FaultSettings, ...] = ()
    faults_seed: int = 0
    faults_per_mille: int = 0


def load_exchange_settings(source: Path | str | Mapping[str, Any]) -> ExchangeSettings:
    """Settings from a TOML file, TOML text (anything with a line break) or a mapping. Raises ConfigError with the place of the mistake."""
    settings = read_settings(source, ExchangeSettings, "exchange's")
    for name, stock in settings.stock.items():
        _kind_of(name, stock)
    return settings


def make_floor(settings: ExchangeSettings, folder: Path, now_ns: int, data: Path | None = None) -> Floor:
    """The floor, to be started (`Floor.run`, or `start` and `advance`). `folder` holds the journal; `data` the recorded data, else searched for.

    Raises ConfigError, DataError for recorded data that is missing, JournalLocked for a journal that another process has.
    """
    journal = folder / settings.journal if settings.journal else None
    start_ns = _start_of(settings, journal, now_ns)
    terms = Terms(
        hours=Hours(tuple(Session[name.upper()] for name in settings.extended)),
        fees=_fees(settings.fees),
        impact=Impact(
            settings.impact.parts, _said(duration_ns, settings.impact.half_life, "impact.half_life")
        ),
        auction_parts=settings.auction_parts,
        delay_ns=_said(duration_ns, settings.delay, "delay"),
    )
    tapes = [_tape(symbol, stock, start_ns, data) for symbol, stock in settings.stock.items()]
    brokers = {name: _opening(name, opening) for name, opening in settings.broker.items()}
    exchange = Exchange(tapes, brokers, start_ns=start_ns, terms=terms, plan=_plan(settings))
    return Floor(exchange, journal)


def _start_of(settings: ExchangeSettings, journal: Path | None, now_ns: int) -> int:
    """The exchange's first moment: as the journal has it, as it is written, or now."""
    if journal is not None and journal.exists():
        kept = ExchangeJournal.open(journal)
        begun = kept.begun()
        kept.close()
        if begun is not None and not settings.start:
            return begun[0]
    if not settings.start:
        return now_ns
    try:
        return to_ns(datetime.fromisoformat(settings.start).replace(tzinfo=NEW_YORK))
    except ValueError as error:
        raise ConfigError(
            f'start must be a time in New York such as "2025-10-09 10:00", got {settings.start!r}'
        ) from error


def _kind_of(symbol: str, stock: StockSettings) -> str:
    kinds = [kind for kind in ("price", "quotes", "scenario") if getattr(stock, kind)]
    if len(kinds) != 1:
        raise ConfigError(
            f"stock.{symbol} must have one of price, quotes, scenario, got {' and '.join(kinds) or 'none'}"
        )
    if kinds == ["quotes"] and stock.day is None:
        raise ConfigError(f"stock.{symbol} has quotes and must have their day")
    return kinds[0]


def _tape(symbol: str, stock: StockSettings, start_ns: int, data: Path | None) -> Tape:
    kind = _kind_of(symbol, stock)
    if kind == "price":
        return endless(
            symbol,
            start_ns=start_ns,
            seed=stock.seed,
            price=_said(_at_nine, stock.price, f"stock.{symbol}.price"),
            step_ns=_said(duration_ns, stock.step, f"stock.{symbol}.step"),
            step_ppm=stock.step_ppm,
            depth=_depth(symbol, stock) or Depth(),
        )
    folder = data or find_data()
    if folder is None:
        raise no_data(stock.scenario or f"stock.{symbol}")
    if kind == "scenario":
        return scenario_tape(load_scenario(stock.scenario, folder, stock.seed), symbol, _depth(symbol, stock))
    day = stock.day or date.min
    trades = folder / stock.trades if stock.trades else None
    return recorded_quotes(symbol, day, folder / stock.quotes, trades, best=Best(behind=stock.behind))


def _depth(symbol: str, stock: StockSettings) -> Depth | None:
    if not stock.best:
        return None
    best = _said(_at_nine, stock.best, f"stock.{symbol}.best")
    return Depth(half_spread_ppm=stock.half_spread_ppm, levels=stock.levels, best=best // SHARE * SHARE)


def _fees(fees: FeeSettings) -> Fees:
    return Fees(
        per_share=_said(_at_nine, fees.per_share, "fees.per_share"),
        sale_ppb=_said(_at_nine, fees.sale_per_million, "fees.sale_per_million") // 1_000_000,
        sale_per_share=_said(_at_nine, fees.sale_per_share, "fees.sale_per_share"),
        sale_per_share_most=_said(_at_six, fees.sale_per_share_most, "fees.sale_per_share_most"),
    )


def _opening(name: str, opening: OpeningSettings) -> Opening:
    return Opening(
        cash=_said(_dollars, opening.cash, f"broker.{name}.cash"),
        credit=_said(_dollars, opening.credit, f"broker.{name}.credit"),
        shares={
            symbol: _said(_at_nine, shares, f"broker.{name}.shares.{symbol}")
            for symbol, shares in opening.shares.items()
        },
    )


def _plan(settings: ExchangeSettings) -> Plan:
    script = []
    for one in settings.fault:
        if one.broker not in settings.broker:
            raise ConfigError(f"fault.broker must be one of {', '.join(settings.broker)}, got {one.broker}")
        kinds = {fault.name.lower(): fault for fault in Fault}
        if one.kind not in kinds:
            raise ConfigError(f"fault.kind must be one of {', '.join(kinds)}, got {one.kind}")
        after = _said(duration_ns, one.after, "fault.after") if one.after else 0
        script.append(Planned(one.broker, one.order, kinds[one.kind], after))
    return Plan(script, seed=settings.faults_seed, per_mille=settings.faults_per_mille)


def _at_nine(value: str, name: str) -> int:
    return scaled(value, 9, name)


def _at_six(value: str, name: str) -> int:
    return scaled(value, 6, name)


def _dollars(value: str, name: str) -> int:
    return scaled(quantity(value, "USD", name), 6, name)


def _said(read: Callable[[str, str], int], value: str, name: str) -> int:
    try:
        return read(value, name)
    except UnitError as error:
        raise ConfigError(error.sentence) from error
