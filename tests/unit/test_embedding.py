"""novate in a notebook: frames in and out, the engine by names, forks, a production day that goes on, and errors that name the cell."""

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import novate
from novate import _core, cli
from novate.config import packaged_listing
from novate.demo.crash import outcome
from novate.embedding.margin import TERMS, Rules
from novate.embedding.words import Events
from novate.errors import ConfigError, DataError, JournalError, Refused, UnitError
from novate.messages import LiquidationSlice, OrderFilled, PlaceOrder, reports
from novate.messages.reports import Level, portfolios

PACKAGED = Rules.of_listing(packaged_listing())
HEDGE = {"tNVDA": 1_000, "NVDA-PERP": -1_000, "USDC": 50_000}
PRICES = {"NVDA": 190.0}
DAYS = pd.DataFrame(
    {"NVDA": [190.0, 171.0, 180.5], "BTC": [120_000.0, 105_000.0, 112_000.0]},
    index=pd.to_datetime(["2025-10-09", "2025-10-10", "2025-10-13"]),
)
TWO = pd.DataFrame(
    [("a", "tNVDA", 1_000.0), ("b", "BTC-PERP", 2.0), ("a", "USDC", -20_000.0), ("b", "USDC", 100_000.0)],
    columns=["portfolio", "instrument", "quantity"],
)


# --- margin on frames --------------------------------------------------------------------------------------------------


def test_one_portfolio_at_one_price_is_one_row() -> None:
    found = novate.margin(HEDGE, PRICES)
    assert len(found) == 1
    row = found.iloc[0]
    assert row["excess"] == pytest.approx(row["equity"] - row["requirement"])
    assert row["scenario"] == row["gap"] == 0
    assert row["explanation"].startswith("needs $6,744.16")
    assert row[[*TERMS]].sum() == pytest.approx(row["requirement"])
    assert found.equals(novate.margin(pd.Series(HEDGE), pd.Series(PRICES)))


def test_a_row_per_date_and_portfolio() -> None:
    found = novate.margin(TWO, DAYS)
    assert list(found.index) == [(day, name) for day in DAYS.index for name in ("a", "b")]
    assert found.index.names == ["date", "portfolio"]
    for day in DAYS.index:
        for name in ("a", "b"):
            own = TWO[TWO["portfolio"] == name].drop(columns="portfolio")
            alone = novate.margin(own, dict(DAYS.loc[day])).iloc[0]
            assert found.loc[(day, name)].to_dict() == alone.to_dict()
    assert list(novate.margin(HEDGE, DAYS).index) == list(DAYS.index)
    assert list(novate.margin(TWO, dict(DAYS.iloc[0])).index) == ["a", "b"]


def test_contributions_sum_to_the_requirement_at_every_level() -> None:
    whole = novate.margin(TWO, DAYS, exact=True)
    columns = {
        "initial": "requirement",
        "liquidation_end": "liquidation_end",
        "maintenance": "maintenance",
        "close_out": "close_out",
    }
    for level, column in columns.items():
        parts = novate.contributions(TWO, DAYS, level=level, exact=True)
        assert (
            parts.groupby(level=["date", "portfolio"])["contribution"]
            .sum()
            .equals(whole[column].rename("contribution"))
        )
    parts = novate.contributions(HEDGE, PRICES)
    assert parts.loc["NVDA-PERP", "value"] == -190_000
    assert list(parts["underlying"]) == ["NVDA", "NVDA", "USDC"]


def test_sessions_by_name_date_and_underlying() -> None:
    regular, weekend = (novate.margin(TWO, DAYS, s)["requirement"] for s in ("regular", "weekend"))
    a, b = pd.IndexSlice[:, "a"], pd.IndexSlice[:, "b"]
    assert (weekend.loc[a] > regular.loc[a]).all()
    assert (weekend.loc[b] == regular.loc[b]).all()  # what never closes has no weekend
    by_date = novate.margin(TWO, DAYS, dict(zip(DAYS.index, ("regular", "weekend", "regular"), strict=True)))
    assert list(by_date["requirement"].loc[a]) == [
        regular.loc[a].iloc[0],
        weekend.loc[a].iloc[1],
        regular.loc[a].iloc[2],
    ]
    named = novate.margin(TWO, DAYS, {"BTC": "weekend"})["requirement"]
    assert (named.loc[b] > regular.loc[b]).all()
    assert (named.loc[a] == regular.loc[a]).all()
    calendar = novate.margin(TWO, DAYS, "calendar")["requirement"].loc[a]
    assert list(calendar == regular.loc[a]) == [True, False, True]  # Friday's close has the weekend in it
    evening = DAYS.set_axis(DAYS.index.tz_localize("America/New_York") + pd.Timedelta(hours=17))
    assert (novate.margin(TWO, evening, "calendar")["requirement"].to_numpy() >= regular.to_numpy()).all()


def test_a_perps_entry_price_is_its_result() -> None:
    def equity(price: object) -> float:
        rows = [("NVDA-PERP", -100, price), ("USDC", 50_000, None)]
        frame = pd.DataFrame(rows, columns=["instrument", "quantity", "price"])
        return float(
            novate.margin(frame, PRICES)["maintenance"].iloc[0]
            + novate.margin(frame, PRICES)["maintenance_excess"].iloc[0]
        )

    assert equity(None) == equity("190") == 50_000
    assert equity(200.0) == 51_000
    assert equity(Decimal("180.25")) == 49_025


@pytest.mark.parametrize("kind", [float, str, Decimal, np.int64, int])
def test_numbers_of_any_type_say_the_same(kind: type) -> None:
    numbers = {name: kind(value) for name, value in HEDGE.items()}
    assert novate.margin(numbers, {"NVDA": kind(190)}).equals(novate.margin(HEDGE, PRICES))


def test_whose_rules_hold(tmp_path: Path) -> None:
    listing = packaged_listing(underlyings=["NVDA"])
    same = novate.margin(HEDGE, PRICES)
    assert novate.margin(HEDGE, PRICES, params=listing).equals(same)
    file = tmp_path / "listing.toml"
    file.write_text(
        novate.config.load.packaged_text().replace('gap = "6 %"', 'gap = "12 %"'), encoding="utf-8"
    )
    more = novate.margin({"tNVDA": 1_000}, PRICES, params=file)["requirement"].iloc[0]
    assert more > novate.margin({"tNVDA": 1_000}, PRICES)["requirement"].iloc[0]
    engine = opened()
    assert (
        engine.margin({"tNVDA": 1_000})["requirement"].iloc[0]
        == novate.margin({"tNVDA": 1_000}, PRICES)["requirement"].iloc[0]
    )
    raw = novate.margin({"tNVDA": 1_000}, None, None, engine.core)
    assert raw.equals(engine.margin({"tNVDA": 1_000}))
    with pytest.raises(ConfigError, match="params is a int"):
        novate.margin(HEDGE, PRICES, params=7)


def positions(*rows: tuple[object, ...], columns: str = "instrument quantity price") -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns.split()[: len(rows[0])])


@pytest.mark.parametrize(
    ("wrong", "prices", "said"),
    [
        ({"tNVDAA": 1}, PRICES, r"row 0, column 'instrument': the instrument 'tNVDAA' is not listed; did you mean tNVDA"),
        ({"NVDA": 1}, PRICES, r"'NVDA' is an underlying; a portfolio holds tNVDA or NVDA-PERP"),
        (positions(("tNVDA", np.nan)), PRICES, r"row 0, column 'quantity' = nan: expected a finite number"),
        ({"tNVDA": "ten"}, PRICES, r"column 'quantity' = 'ten': expected a finite number"),
        ({"NVDA-PERP": 0.005}, PRICES, r"= 0.005: expected whole lots of NVDA-PERP, 0.01 each"),
        ({"tNVDA": "0.0000001"}, PRICES, r"expected no smaller part of tNVDA than 0.000001"),
        ({"tNVDA": -5}, PRICES, r"= -5: expected at least 0: there is no pool of tNVDA"),
        (positions(("tNVDA", 1), ("USDC", 2), ("tNVDA", 3)), PRICES, r"row 2, column 'instrument' = 'tNVDA': expected one row .* row 0 has it"),
        (positions(("tNVDA", 1, 180)), PRICES, r"'price' = 180: expected nothing: it is the entry price of a perp"),
        (positions(("NVDA-PERP", 1, -2)), PRICES, r"'price' = -2: expected a price above zero"),
        (positions(("tNVDA", 1), columns="instrument amount"), PRICES, r"has the column 'amount': expected portfolio, instrument"),
        (positions(("tNVDA",), columns="instrument"), PRICES, r"lacks the column 'quantity'; it has instrument"),
        (TWO.iloc[:0], PRICES, r"positions is empty"),
        (7, PRICES, r"positions is a int: expected a data frame"),
        ("nowhere.csv", PRICES, r"There is no file nowhere.csv"),
        (HEDGE, {"AAPL": 1}, r"prices lacks NVDA, which the portfolio holds; it has AAPL"),
        (HEDGE, {"NVDA": float("nan")}, r"column 'NVDA' = nan: expected a price"),
        (HEDGE, {"NVDA": 0}, r"expected a price of 0.1 to 100,000 dollars, the listing's plausible range"),
        (HEDGE, {"NVDA": "1.00000001"}, r"expected at most 6 decimals"),
        (TWO, DAYS.assign(BTC=[1e5, np.nan, 1e5]), r"prices, row 2025-10-10, column 'BTC' = nan"),
        (TWO, pd.concat([DAYS, DAYS.iloc[:1]]), r"two rows 2025-10-09"),
        ({"tNVDA": 8e12}, PRICES, r"tNVDA is worth more than a trillion dollars"),
        (HEDGE, None, r"prices is missing"),
        (HEDGE, 190.0, r"prices is a float"),
    ],
)  # fmt: skip
def test_what_can_not_be_is_named(wrong: object, prices: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        novate.margin(wrong, prices)


@pytest.mark.parametrize(
    ("session", "said"),
    [
        ("lunch", "session = 'lunch': expected one of regular, pre"),
        ({"NVDA": "lunch"}, "session = 'lunch'"),
        ("calendar", "needs prices by date"),
        ({"2025-10-09": "regular"}, "session is by date, but prices are not"),
    ],
)
def test_a_session_that_is_none_is_named(session: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        novate.margin(HEDGE, PRICES, session)


def test_what_nobody_holds_may_have_gaps_and_files_may_hold_more() -> None:
    more = DAYS.assign(ZZZ=1.0, AAPL=np.nan)
    assert novate.margin(TWO, more).equals(novate.margin(TWO, DAYS))
    assert (
        novate.margin(TWO, DAYS.assign(USDC=0.98))["equity"].iloc[0]
        != novate.margin(TWO, DAYS)["equity"].iloc[0]
    )


def test_a_level_that_is_none_is_named() -> None:
    with pytest.raises(DataError, match="level = 'margin call': expected one of initial"):
        novate.contributions(HEDGE, PRICES, level="margin call")


# --- the question behind it --------------------------------------------------------------------------------------------


def moments(**changed: object) -> portfolios.Moments:
    """NVDA at 190, regular."""
    number = PACKAGED.instruments.underlyings["NVDA"].underlying
    plain = portfolios.Moments(
        np.array([number], np.uint32),
        np.zeros(1, np.int64),
        np.array([[190_000_000]], np.int64),
        (portfolios.SessionRow(2),),
        np.zeros((1, 1), np.uint16),
    )
    return plain._replace(**changed)


def holdings(**changed: object) -> portfolios.Holdings:
    """One token."""
    number = PACKAGED.instruments.assets["tNVDA"].asset
    plain = portfolios.Holdings(
        np.array([1], np.uint32),
        np.zeros(1, np.uint8),
        np.array([number], np.uint32),
        np.array([10**6]),
        np.zeros(1, np.int64),
    )
    return plain._replace(**changed)


@pytest.mark.parametrize(
    ("asked", "held", "said"),
    [
        ({"underlyings": np.array([999], np.uint32)}, {}, "underlying_must_exist"),
        ({"prices": np.zeros((2, 1), np.int64)}, {}, "do not fit each other"),
        ({"session_of": np.ones((1, 1), np.uint16)}, {}, "do not fit each other"),
        ({"sessions": (portfolios.SessionRow(9),)}, {}, "session_must_be_known"),
        ({"sessions": (portfolios.SessionRow(2, 5, 4, 3, 2),)}, {}, "session_times_must_be_ordered"),
        ({}, {"counts": np.array([2], np.uint32)}, "do not fit each other"),
        ({}, {"ids": np.array([999], np.uint32)}, "asset_must_exist"),
        ({}, {"ids": np.array([999], np.uint32), "kinds": np.ones(1, np.uint8)}, "market_must_exist"),
        ({}, {"sizes": np.array([-1])}, "pool_must_exist"),
        ({}, {"ids": np.array([10], np.uint32), "kinds": np.ones(1, np.uint8)}, "is no perp"),
    ],
)  # fmt: skip
def test_columns_that_can_not_be_are_refused(
    asked: dict[str, object], held: dict[str, object], said: str
) -> None:
    if "is no perp" in said:
        held = held | {"ids": np.array([PACKAGED.instruments.markets["tNVDA-USDC"].market], np.uint32)}
    with pytest.raises(ValueError, match=said):
        portfolios.portfolios(PACKAGED.core, moments(**asked), holdings(**held))
    sheet = portfolios.portfolios(PACKAGED.core, moments(), holdings(), contributions=Level.INITIAL)
    assert sheet.figures.shape == (1, 1, 4, len(portfolios.FIGURES))
    assert sheet.parts.amounts.sum() == sheet.figures[0, 0, 0, 1]


def test_an_empty_engine_lists_nothing_and_says_so() -> None:
    with pytest.raises(ValueError, match="venue_must_be_configured"):
        portfolios.portfolios(_core.Engine(), moments(), holdings())
    assert portfolios.listed(_core.Engine()).underlyings == ()


# --- the engine --------------------------------------------------------------------------------------------------------


def opened() -> novate.Engine:
    engine = novate.Engine()
    engine.list(underlyings=["NVDA"])
    engine.price(NVDA=190, USDC=1)
    return engine


@pytest.fixture
def traded() -> tuple[novate.Engine, int, int]:
    """Ann, long a perp on thin margin, and a maker who quotes."""
    engine = opened()
    ann, maker = engine.open_account(), engine.open_account()
    engine.deposit(maker, "USDC", 50_000_000)
    engine.deposit(ann, "USDC", 20_000)
    engine.deposit(ann, "tNVDA", 100)
    engine.quote(maker, "NVDA-PERP", 5_000, levels=2)
    engine.buy(ann, "NVDA-PERP", 500)
    return engine, ann, maker


def test_a_crash_on_a_fork_liquidates_there_alone(traded: tuple[novate.Engine, int, int]) -> None:
    engine, ann, _ = traded
    before = engine.state_hash()
    branch = engine.fork()
    events = [*branch.price(NVDA=140), *branch.advance("2 min")]
    assert any(isinstance(event.body, LiquidationSlice) for event in events)
    assert branch.holdings(ann).loc["NVDA-PERP", "quantity"] < 500
    assert engine.state_hash() == before
    assert engine.holdings(ann).loc["NVDA-PERP", "quantity"] == 500
    assert all(difference == 0 for _, difference in branch.conservation())
    assert (branch.books()["difference"] == 0).all()


def test_events_read_as_a_frame(traded: tuple[novate.Engine, int, int]) -> None:
    engine, ann, _ = traded
    events = engine.sell(ann, "NVDA-PERP", "0.5")
    fills = events.of(OrderFilled, account=ann)
    assert len(fills) == 1
    frame = fills.frame()
    assert list(frame.columns) == ["time", "account", "event", "details"]
    assert "market NVDA-PERP, side ask" in frame["details"].iloc[0]
    assert "price $189.81, lots 0.5" in frame["details"].iloc[0]
    assert "<table" in events._repr_html_()
    assert isinstance(events[:1], Events)


def test_an_account_explains_itself(traded: tuple[novate.Engine, int, int]) -> None:
    engine, ann, _ = traded
    told = engine.explain(ann)
    report = reports.margin(engine, ann).levels[Level.INITIAL]
    assert told.frame["contribution"].sum() == pytest.approx(report.requirement / 1e6)
    assert told.sentence in repr(told)
    assert told.sentence in told._repr_html_()
    assert told.levels.loc["initial", "excess"] == report.excess / 1e6
    assert told.distances.loc[("NVDA", "orange"), "fall"] < 0
    assert engine.accounts().loc[ann, "state"] == "green"
    assert set(engine.prices().loc["NVDA"]) >= {190.0, "live", "regular"}
    assert engine.book("NVDA-PERP")["price"].tolist() == [190.57, 190.19, 189.81, 189.43]


def test_a_refusal_is_an_error_here_and_an_event_through_send(traded: tuple[novate.Engine, int, int]) -> None:
    engine, ann, _ = traded
    with pytest.raises(Refused, match="excess") as refused:
        engine.buy(ann, "NVDA-PERP", 4_000, 190)
    assert refused.value.facts["rule"]
    market = engine.instruments.markets["NVDA-PERP"].market
    events = engine.send(PlaceOrder(market=market, side=0, price=19_000, lots=400_000), account=ann)
    assert "refused" in str(events)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda e: e.buy(1, "NVDA-PERPS", 1),
            "the market 'NVDA-PERPS' is not listed; did you mean NVDA-PERP",
        ),
        (lambda e: e.buy(1, "NVDA-PERP", 0.005), "a multiple of 0.01 .one of NVDA-PERP's lots"),
        (lambda e: e.buy(1, "NVDA-PERP", 1, 190.001), "a multiple of 0.01 .one of NVDA-PERP's ticks"),
        (lambda e: e.deposit(1, "USDX", 1), "the asset 'USDX' is not listed; did you mean USDC"),
        (lambda e: e.price(NVDA=float("nan")), "price of NVDA = nan: expected a finite number"),
        (lambda e: e.price(AMD=1), "the underlying 'AMD' is not listed"),
        (lambda e: e.session("lunch"), "session = 'lunch'"),
        (lambda e: e.session("closed", "AMD"), "the underlying 'AMD' is not listed"),
        (lambda e: e.advance("0 s", step="0 s"), "expected time that passes"),
    ],
)
def test_a_wrong_call_is_named(call: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        call(opened())


@pytest.mark.parametrize("account", ["alice", 1.5, -1, None])
@pytest.mark.parametrize("ask", ["explain", "what_if", "holdings"])
def test_a_question_names_an_account_that_is_no_number(ask: str, account: object) -> None:
    with pytest.raises(UnitError, match="account must be"):
        getattr(opened(), ask)(account)


def test_an_engine_without_a_price_says_so() -> None:
    engine = novate.Engine()
    engine.list(underlyings=["NVDA"])
    with pytest.raises(DataError, match="no price of NVDA yet"):
        engine.margin({"tNVDA": 1})


def test_no_portfolio_is_too_large_to_be_answered() -> None:
    """The largest holdings, all names at once, at the highest prices: an answer, and the engine goes on."""
    names = dict.fromkeys(("NVDA", "AAPL", "MSFT", "COIN", "SPY"), 100000.0)
    held = {f"t{name}": 9_999_999.0 for name in names} | {f"{name}-PERP": -9_999_998.0 for name in names}
    parts = novate.contributions(held, names, "weekend", exact=True)
    whole = novate.margin(held, names, "weekend", exact=True)
    assert parts["contribution"].sum() == whole["requirement"].iloc[0]
    with pytest.raises(DataError, match="trillion"):
        novate.margin(held | {"tIBM": 9e12}, names | {"IBM": 100_000.0})
    assert len(novate.margin(held, names)) == 1


def test_one_more_market_from_its_bounds() -> None:
    engine = opened()
    markets = engine.list_market("PLTR", "stock", beta="2.2", gap="25 %", sector="technology")
    assert {"tPLTR-USDC", "PLTR-PERP"} <= set(markets.index)
    engine.price(PLTR=180)
    narrow = engine.margin({"PLTR-PERP": 10, "USDC": 5_000})["gap"].iloc[0]
    assert narrow == 450  # 25 % of 1,800
    with pytest.raises(ConfigError, match="gap"):
        engine.list_market("X", "stock", beta="1", gap="half")
    with pytest.raises(ConfigError, match="lists a venue already"):
        engine.list()


def test_a_session_that_closes_is_known_after_a_restore(traded: tuple[novate.Engine, int, int]) -> None:
    engine, ann, _ = traded
    again = novate.Engine.restore(engine.snapshot())
    assert again.state_hash() == engine.state_hash()
    again.session("weekend")
    assert again.prices().loc["NVDA", "session"] == "closed"
    assert again.accounts().loc[ann, "requirement"] > engine.accounts().loc[ann, "requirement"]
    assert again.prices().loc["USDC", "session"] == "regular"


def test_a_production_day_goes_on_from_its_journal(tmp_path: Path) -> None:
    source = opened()
    commands = []
    with novate.Venue.open(tmp_path, source.time_ns) as venue:
        listing = packaged_listing(underlyings=["NVDA"], sources=[("NVDA", 1, "x"), ("USDC", 2, "x")])
        venue.send(*listing.commands)
        for name in ("NVDA", "USDC"):
            commands += venue.send(
                novate.messages.SetSession(
                    underlying=listing.underlying[name], session=2, next_session=2, next_time_ns=0
                )
            )
        venue.send(novate.messages.OpenAccount(owner=7), account=7)
        venue.sequencer.snapshot()
        venue.send(
            novate.messages.Deposit(asset=listing.asset["USDC"], amount=10**10, reference=1), account=7
        )
        state, sequence = venue.engine.state_hash(), venue.sequence
    engine = novate.Engine.restore(tmp_path)
    assert (engine.state_hash(), engine.sequence) == (state, sequence)
    assert engine.holdings(7).loc["USDC", "quantity"] == 10_000
    engine.price(NVDA=190)
    engine.deposit(7, "tNVDA", 5, reference=9)
    assert engine.margin({"tNVDA": 5})["requirement"].iloc[0] > 0
    earlier = novate.Engine.restore(tmp_path, at=sequence - 1)
    assert len(earlier.holdings(7)) == 0
    with pytest.raises(JournalError, match="There is no journal"):
        novate.Engine.restore(tmp_path / "nowhere")


def test_the_compiled_surface_is_all_there() -> None:
    raw = {name for name in dir(_core.Engine) if not name.startswith("_")}
    assert raw <= set(dir(novate.Engine))


# --- a crash on one's own portfolio ------------------------------------------------------------------------------------


def test_a_crash_on_ones_own_portfolio() -> None:
    held = pd.DataFrame(
        [("hedged", "tAAPL", 100), ("hedged", "AAPL-PERP", -100), ("hedged", "USDC", 2_000), ("short", "AAPL-PERP", -500), ("short", "USDC", 12_000)],
        columns=["portfolio", "instrument", "quantity"],
    )  # fmt: skip
    path = novate.replay(held, "october-2008", start="2008-10-09 15:40", until="2008-10-10 15:50")
    assert not any(path.attrs["conservation"].values())
    hedged, short = (path.xs(name, level="portfolio") for name in ("hedged", "short"))
    assert not hedged["liquidated"].any()
    assert hedged["equity"].max() - hedged["equity"].min() < 20
    assert short["liquidated"].sum() > 0
    assert "bought" in "".join(short["events"])
    told = outcome(path)
    assert [row["portfolio"] for row in told["portfolios"]] == ["hedged", "short"]
    assert "untouched" in told["lines"][0]


def test_a_replay_is_the_same_every_time() -> None:
    held = {"ETH-PERP": 10, "USDC": 30_000}
    window = {"start": "2008-10-10 17:00", "until": "2008-10-10 17:40", "every": "1 min"}
    first, second = (novate.replay(held, "october-2008", **window) for _ in range(2))
    assert first.equals(second)
    assert first.attrs["state_hash"] == second.attrs["state_hash"]
    assert len(first) == 40


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"NVDA-PERP": 1}, "October 2008, Thursday to Monday has no prices of 'NVDA-PERP'; it has "),
        (
            {"AAPL-PERP": 1_000, "USDC": 10},
            "The portfolio can't be opened at the crash's first prices: it needs",
        ),
        ({"tAAPL": -1, "USDC": 10_000}, "can't begin with borrowed tAAPL"),
    ],
)
def test_a_portfolio_that_can_not_be_replayed_is_named(held: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        novate.replay(held, "october-2008", until="2008-10-09 10:00")


# --- the command line --------------------------------------------------------------------------------------------------


def test_margin_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = tmp_path / "book.csv"
    TWO.to_csv(book, index=False)
    assert cli.main(["margin", str(book), "--price", "NVDA=190", "--price", "BTC=120000", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["ok"]
    expected = novate.margin(TWO, {"NVDA": 190, "BTC": 120_000})
    assert [row["requirement"] for row in told["rows"]] == list(expected["requirement"])
    prices = tmp_path / "prices.csv"
    DAYS.rename_axis("date").to_csv(prices)
    assert cli.main(["margin", str(book), "--prices", str(prices), "--session", "calendar"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("date,portfolio,equity,requirement")
    assert len(printed.out.splitlines()) == 1 + len(DAYS) * 2
    assert cli.main(["margin", str(book)]) == 1
    assert "Prices are missing" in capsys.readouterr().err
    assert cli.main(["margin", str(book), "--price", "NVDA"]) == 1
    assert "expected NAME=DOLLARS" in capsys.readouterr().err
