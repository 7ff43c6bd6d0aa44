"""Market data: bars to ticks, which file counts when, refusals of impossible data, and the two scenarios."""

import hashlib
import shutil
import time as clock
from datetime import date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novate.calendar import NEW_YORK, SECOND_NS, Session, Span, new_york_ns, spans
from novate.errors import DataError
from novate.marketdata import default_scenario, find_data, load_scenario, scenarios
from novate.marketdata.bars import BarFile, Bars, read_bars
from novate.marketdata.coverage import choose, counts_as_open, last_close, strays
from novate.marketdata.drawing import anchor_places, draw, seeded
from novate.marketdata.find import CRASH_FOLDER
from novate.marketdata.liquidity import dollar_volume, from_bars, from_closes
from novate.marketdata.recorded import CLASSES, FILES
from novate.marketdata.simulated import along, bill

CENT = 10_000
TICK_NS = 5 * SECOND_NS


def at(text):
    moment = datetime.fromisoformat(text)
    return new_york_ns(moment.date(), moment.time())


def bars_of(seconds, starts, rows=None, volume=None):
    """Bars at these starts (seconds after 0), at 100 dollars unless rows of open, high, low, close in cents are given."""
    rows = [(10_000,) * 4] * len(starts) if rows is None else rows
    anchors = np.array(rows, dtype=np.int64).reshape(-1, 4) * CENT
    traded = None if volume is None else np.array(volume, dtype=np.float64)
    return Bars(seconds * SECOND_NS, np.array(starts, dtype=np.int64) * SECOND_NS, anchors, traded)


# --- bars to ticks -----------------------------------------------------------------------------------------------------

price = st.integers(1, 10_000_000_000_000)
bar = (
    st.lists(price, min_size=4, max_size=4).map(sorted).map(lambda four: (four[1], four[3], four[0], four[2]))
)
mirrored = bar.map(lambda row: (row[3], row[1], row[2], row[0]))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(bar | mirrored, min_size=1, max_size=4),
    st.sampled_from([20, 60, 120, 300, 900, 23_400]),
    st.integers(0, 9),
)
def test_ticks_keep_the_anchors_and_never_leave_the_bar(rows, seconds, seed):
    anchors = np.array(rows, dtype=np.int64)
    bars = Bars(seconds * SECOND_NS, np.arange(len(rows)) * seconds * SECOND_NS, anchors, None)
    times, prices = draw(bars, seeded(seed, "X", "file"))
    assert times.ravel().tolist() == list(range(0, len(rows) * seconds * SECOND_NS, TICK_NS))
    places = anchor_places(seconds // 5)
    for (open_, high, low, close), path in zip(rows, prices, strict=True):
        nearer, other = (low, high) if open_ - low <= high - open_ else (high, low)
        assert [path[place] for place in places] == [open_, nearer, other, close]
        assert (path.min(), path.max()) == (low, high)
        assert all(tick % CENT == 0 or tick in (open_, high, low, close) for tick in path)
    again, other_seed = draw(bars, seeded(seed, "X", "file"))[1], draw(bars, seeded(seed + 1, "X", "file"))[1]
    assert (again == prices).all()
    ranges = anchors[:, 1] - anchors[:, 2]
    assert seconds < 300 or (ranges < 100 * CENT).all() or (other_seed != prices).any()


def test_the_anchors_stand_at_even_places():
    assert [anchor_places(count) for count in (4, 12, 24, 60, 180)] == [
        (0, 1, 2, 3), (0, 4, 7, 11), (0, 8, 15, 23), (0, 20, 39, 59), (0, 60, 119, 179),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="four"):
        anchor_places(3)


def test_a_tie_goes_to_the_low_first():
    _times, prices = draw(bars_of(20, [0], [(10_000, 10_100, 9_900, 10_000)]), seeded(1, "X"))
    assert (prices[0] // CENT).tolist() == [10_000, 9_900, 10_100, 10_000]


def test_a_seed_draws_the_same_ticks_on_every_machine():
    bars = bars_of(
        60, [0, 60, 120], [(10_000, 10_400, 9_700, 10_100), (10_100, 10_100, 9_000, 9_100), (9_100,) * 4]
    )
    _times, prices = draw(bars, seeded(1, "SPY", "file"))
    digest = hashlib.sha256(prices.astype("<i8").tobytes()).hexdigest()
    assert digest == "41dcc2d5e31d8becdcaa481e7841683e4ca957942a49b1e635ef210801b99274"


def test_ticks_of_one_name_do_not_depend_on_another():
    bars = bars_of(300, [0], [(10_000, 10_400, 9_700, 10_100)])
    spy, qqq = (draw(bars, seeded(1, name, "file"))[1] for name in ("SPY", "QQQ"))
    assert (spy != qqq).any()


@given(
    st.lists(st.tuples(st.integers(1, 500), st.integers(1, 10**12)), min_size=2, max_size=6),
    st.integers(0, 1_000),
)
def test_a_walk_passes_through_its_waypoints(legs, step_ppm):
    times = np.cumsum([ticks for ticks, _price in legs]) * TICK_NS
    waypoints = [(int(when), cents * CENT) for when, (_ticks, cents) in zip(times, legs, strict=True)]
    ticks, prices = along(waypoints, step_ppm, seeded(1, "X"))
    found = dict(zip(ticks.tolist(), prices.tolist(), strict=True))
    assert ticks.tolist() == list(range(waypoints[0][0], waypoints[-1][0], TICK_NS))
    assert all(found[when] == price for when, price in waypoints[:-1])


def test_the_bill_accrues_four_percent_a_year():
    year_ns = 365 * 86_400 * SECOND_NS
    times, values = bill(0, year_ns + 60 * SECOND_NS)
    assert (values[0], values[-1]) == (100_000_000, 104_000_000)
    assert times[1] == 60 * SECOND_NS
    assert set(np.diff(values).tolist()) == {7, 8}


# --- which file counts when --------------------------------------------------------------------------------------------

DAY = Span(0, 3_600 * SECOND_NS, Session.REGULAR, date(2025, 10, 10))  # one hour stands for a session


def minutes(*numbers):
    return [number * 60 for number in numbers]


def sources_by_minute(files, span=DAY):
    """For each minute the file its ticks come from, "." for none, "*" where the minute is shared."""
    owners = {}
    for index, (bars, use) in enumerate(zip(files, choose(files, [span]), strict=True)):
        times = (bars.start_ns[use.rows][:, None] + np.arange(bars.span_ns // TICK_NS) * TICK_NS)[use.keep]
        for when in times.tolist():
            assert when not in owners, "one instant from two files"
            owners[when] = str(index)
    whole = []
    for minute in range((span.end_ns - span.start_ns) // (60 * SECOND_NS)):
        seen = [owners.get(minute * 60 * SECOND_NS + tick * TICK_NS, ".") for tick in range(12)]
        whole.append(seen[0] if len(set(seen)) == 1 else "*")
    return "".join(whole)


def test_the_finest_covering_file_is_used_and_its_holes_are_filled_by_the_next():
    one = bars_of(60, minutes(*(number for number in range(60) if number not in (7, 30, 31))))
    five = bars_of(300, [start for start in range(0, 3_600, 300) if start != 1_800])
    assert sources_by_minute([one, five]) == "0000000100" + "0" * 20 + ".." + "0" * 28


def test_a_file_below_nine_tenths_gives_way_to_a_coarser_one_that_covers():
    thin = bars_of(60, minutes(*range(53)))
    full = bars_of(300, range(0, 3_600, 300))
    assert sources_by_minute([thin, full]) == "1" * 60
    longer = Span(0, 6_000 * SECOND_NS, Session.REGULAR, DAY.day)
    full = bars_of(300, range(0, 6_000, 300))
    assert sources_by_minute([bars_of(60, minutes(*range(89))), full], longer) == "1" * 100
    assert sources_by_minute([bars_of(60, minutes(*range(90))), full], longer) == "0" * 90 + "1" * 10


def test_where_no_file_covers_the_finest_comes_first():
    thin = bars_of(60, minutes(*range(10)))
    gappy = bars_of(300, range(0, 1_800, 300))
    assert sources_by_minute([thin, gappy]) == "0" * 10 + "1" * 20 + "." * 30


@given(st.lists(st.sets(st.integers(0, 59)), min_size=3, max_size=3))
def test_an_instant_has_a_tick_exactly_when_some_file_has_a_bar_there(present):
    lengths = (60, 120, 300)
    files = [
        bars_of(length, sorted({(minute * 60) // length * length for minute in chosen}))
        for length, chosen in zip(lengths, present, strict=True)
    ]
    covered = {
        minute for bars in files for start in bars.start_ns // (60 * SECOND_NS)
        for minute in range(start, start + bars.span_ns // (60 * SECOND_NS))
    }  # fmt: skip
    assert {minute for minute, owner in enumerate(sources_by_minute(files)) if owner != "."} == covered


def test_an_extended_session_is_open_from_half_of_its_bars():
    day = date(2025, 10, 10)
    pre = Span(0, 3_600 * SECOND_NS, Session.PRE, day)
    half, less = bars_of(60, minutes(*range(30))), bars_of(60, minutes(*range(29)))
    assert counts_as_open([half], [pre])(day, Session.PRE)
    assert counts_as_open([less, half], [pre])(day, Session.PRE)
    assert not counts_as_open([less], [pre])(day, Session.PRE)
    assert not counts_as_open([half], [pre])(day, Session.POST)
    assert not counts_as_open([half], [pre])(day + timedelta(days=3), Session.PRE)


def test_strays_are_counted_in_the_window_and_straddlers_are_strays():
    bars = bars_of(60, [-120, -30, 0, 60, 3_540, 3_570 + 60, 7_200])
    assert strays(bars, [DAY], -60 * SECOND_NS, 7_200 * SECOND_NS) == 2
    assert choose([bars], [DAY])[0].rows.tolist() == [2, 3, 4]


def test_the_last_close_is_the_latest_whole_bar_before_the_moment():
    one = bars_of(60, minutes(0, 1, 2), [(1, 1, 1, 1), (2, 2, 2, 2), (3, 3, 3, 3)])
    five = bars_of(300, [0], [(5, 5, 5, 5)])
    assert last_close([one, five], [DAY], 0) is None
    assert last_close([one, five], [DAY], 150 * SECOND_NS) == (120 * SECOND_NS, 2 * CENT)
    assert last_close([one, five], [DAY], 400 * SECOND_NS) == (300 * SECOND_NS, 5 * CENT)


# --- volumes and volatility --------------------------------------------------------------------------------------------


def test_dollar_volume_is_shares_times_typical_price_of_whole_regular_days():
    starts = range(0, 3_600, 1_200)
    rows = [(10_000, 12_000, 9_000, 9_000)] * 3
    bars = bars_of(1_200, starts, rows, [1, 2, 3])
    assert dollar_volume(bars, [DAY], 3_600 * SECOND_NS) == [(DAY.day, 600)]
    assert dollar_volume(bars, [DAY], 3_599 * SECOND_NS) == []
    assert dollar_volume(bars_of(1_200, starts[:2], rows[:2], [1, 2]), [DAY], 3_600 * SECOND_NS) == []
    assert dollar_volume(bars_of(1_200, starts), [DAY], 3_600 * SECOND_NS) == []


def test_volatility_is_the_root_mean_square_of_returns():
    up_and_down = [100 * (1.01 if day % 2 else 1) for day in range(11)]
    found = from_closes(up_and_down, "a file")
    assert (found.sigma_ppm, found.origin) == (9_951, "10 daily returns, a file")
    assert from_closes(up_and_down[:10], "a file") is None


def test_volatility_from_bars_uses_nothing_from_the_window():
    days = [
        Span(
            day * 86_400 * SECOND_NS,
            (day * 86_400 + 3_600) * SECOND_NS,
            Session.REGULAR,
            date(2025, 10, 6 + day),
        )
        for day in range(3)
    ]
    starts = [day * 86_400 + part for day in range(3) for part in (0, 1_800)]
    rows = [(cents,) * 4 for cents in (10_000, 10_100, 10_000, 10_100, 99_999, 1)]
    before = from_bars(bars_of(1_800, starts, rows), days, days[2].start_ns, "a file")
    assert before.sigma_ppm == 12_207
    assert from_bars(bars_of(1_800, starts, rows), days, days[1].start_ns, "a file") is None


# --- impossible data ---------------------------------------------------------------------------------------------------

SPEC = BarFile("bars", 60, "start_utc_ms", has_symbol=True, has_volume=True, about="test bars")
FIRST_MS = 1_760_000_000_000


def good_columns():
    return {
        "symbol": ["A", "B", "A", "B"],
        "start_utc_ms": [FIRST_MS, FIRST_MS, FIRST_MS + 60_000, FIRST_MS + 60_000],
        "open": [10.0] * 4, "high": [11.0] * 4, "low": [9.0] * 4, "close": [10.5] * 4, "volume": [5.0] * 4,
    }  # fmt: skip


def write(folder, columns, stem="bars"):
    pq.write_table(pa.table(columns), folder / f"{stem}.parquet")


def test_good_bars_are_read_by_symbol(tmp_path):
    write(tmp_path, good_columns())
    found = read_bars(tmp_path, SPEC)
    assert sorted(found) == ["A", "B"]
    assert found["A"].start_ns.tolist() == [FIRST_MS * 10**6, (FIRST_MS + 60_000) * 10**6]
    assert found["A"].anchors_e6.tolist() == [[10_000_000, 11_000_000, 9_000_000, 10_500_000]] * 2


nan, inf = float("nan"), float("inf")
BAD_VALUES = [
    *((column, value) for column in ("open", "high", "low", "close") for value in (nan, inf, -inf, None, 0.0, -1.0, 1e12)),
    ("high", 8.0), ("high", 95.0), ("open", 8.99), ("close", 11.01), ("low", 12.0),
    ("volume", nan), ("volume", -1.0), ("volume", inf), ("volume", None),
    ("start_utc_ms", -5), ("start_utc_ms", 1_760_000_000), ("start_utc_ms", 10**17),
]  # fmt: skip


@pytest.mark.parametrize(("column", "value"), BAD_VALUES)
def test_an_impossible_value_is_refused_with_file_row_column_and_value(tmp_path, column, value):
    columns = good_columns()
    columns[column][2] = value
    write(tmp_path, columns)
    with pytest.raises(DataError) as caught:
        read_bars(tmp_path, SPEC)
    assert str(tmp_path / "bars.parquet") in caught.value.sentence
    assert caught.value.facts["row"] == 2
    assert str(caught.value.facts["value"]) in caught.value.sentence
    blamed = caught.value.facts["column"]
    assert blamed == column or {blamed, column} <= {"high", "low", "open"}
    assert caught.value.sentence.count("\n") == 0


MALFORMED = {
    "a repeated bar": ({"start_utc_ms": [FIRST_MS, FIRST_MS, FIRST_MS, FIRST_MS + 60_000]}, "row 2"),
    "time runs backwards": (
        {"start_utc_ms": [FIRST_MS, FIRST_MS + 60_000, FIRST_MS + 60_000, FIRST_MS]},
        "row 3",
    ),
    "bars overlap": ({"start_utc_ms": [FIRST_MS, FIRST_MS, FIRST_MS + 59_999, FIRST_MS + 60_000]}, "row 2"),
    "a missing time": (
        {"start_utc_ms": [FIRST_MS, None, FIRST_MS + 60_000, FIRST_MS + 60_000]},
        "without a time",
    ),
    "a missing symbol": ({"symbol": ["A", None, "A", "B"]}, "without a symbol"),
    "prices as text": ({"open": ["10"] * 4}, "column open holds string"),
    "a time as float": ({"start_utc_ms": [1.0] * 4}, "column start_utc_ms holds double"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_file_is_refused_with_one_sentence(tmp_path, case):
    change, message = MALFORMED[case]
    write(tmp_path, good_columns() | change)
    with pytest.raises(DataError, match=message):
        read_bars(tmp_path, SPEC)


def test_a_missing_column_a_broken_file_and_a_missing_file_are_named(tmp_path):
    columns = good_columns()
    del columns["low"]
    write(tmp_path, columns)
    with pytest.raises(DataError, match="has no column 'low'"):
        read_bars(tmp_path, SPEC)
    (tmp_path / "bars.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(DataError, match="not a readable parquet file"):
        read_bars(tmp_path, SPEC)
    (tmp_path / "bars.parquet").unlink()
    with pytest.raises(
        DataError, match=r"bars.parquet is missing .*--data DIR, \$NOVATE_DATA, ./data, ../shared/data"
    ):
        read_bars(tmp_path, SPEC)


def test_data_is_looked_for_in_the_stated_order(tmp_path, monkeypatch):
    monkeypatch.delenv("NOVATE_DATA", raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    assert find_data(None) is None
    (tmp_path / "shared" / "data" / CRASH_FOLDER).mkdir(parents=True)
    assert find_data(None) == Path("../shared/data")
    (home / "data").mkdir()
    assert find_data(None) == Path("../shared/data"), "an unrelated ./data is passed over"
    (home / "data" / CRASH_FOLDER).mkdir()
    assert find_data(None) == Path("data")
    monkeypatch.setenv("NOVATE_DATA", str(tmp_path))
    assert find_data(None) == tmp_path
    assert find_data(str(home)) == home
    with pytest.raises(DataError, match="given by --data does not exist"):
        find_data("nowhere")
    monkeypatch.setenv("NOVATE_DATA", "nowhere")
    with pytest.raises(DataError, match=r"given by \$NOVATE_DATA does not exist"):
        find_data(None)


# --- the recorded scenario, on invented bars in the same format --------------------------------------------------------

DATES = [date(2025, 10, day) for day in (7, 8, 9, 10, 13)]
PLENTY = {
    "us_equities_1m": ("SPY", "QQQ", "NVDA", "COIN"),
    "us_etf_extended_hours_2m": ("SPY", "QQQ", "IBIT", "ETHA"),
}
FIVE = ("SPY", "QQQ", "NVDA", "AAPL", "MSFT", "TSLA", "COIN", "MSTR")


def day_starts(day, first, last, seconds):
    return range(new_york_ns(day, first) // SECOND_NS, new_york_ns(day, last) // SECOND_NS, seconds)


def invented(starts, generator):
    """Columns of bars with random prices around 100."""
    low = np.round(generator.uniform(95, 99, len(starts)), 2)
    high = np.round(generator.uniform(101, 105, len(starts)), 2)
    inner = np.round(generator.uniform(99, 101, (2, len(starts))), 2)
    return {"open": inner[0], "high": high, "low": low, "close": inner[1]}


def invented_file(spec, generator):
    extended = spec.stem == "us_etf_extended_hours_2m"
    names = PLENTY.get(spec.stem, FIVE) if spec.has_symbol else ("",)
    stamps = []
    for name in names:
        if not spec.has_symbol:
            first, end = (
                new_york_ns(date(2025, 10, 8), time(20)) // SECOND_NS,
                new_york_ns(date(2025, 10, 14), time(20)) // SECOND_NS,
            )
            stamps += [(name, start) for start in range(first, end, spec.seconds)]
            continue
        hours = (time(4), time(20)) if extended else (time(9, 30), time(16))
        stamps += [(name, start) for day in DATES for start in day_starts(day, *hours, spec.seconds)]
    if spec.stem == "us_equities_5m":
        stamps += [("NVDA", new_york_ns(DATES[2], time(16, 5 * step)) // SECOND_NS) for step in range(3)]
        stamps = sorted(stamps)
    if spec.stem == "us_equities_1m":  # COIN trades two minutes of three there
        stamps = [(name, start) for name, start in stamps if name != "COIN" or start % 180]
    starts = np.array([start for _name, start in stamps])
    columns = invented(starts, generator)
    if spec.has_symbol:
        columns["symbol"] = [name for name, _start in stamps]
    if spec.has_volume:
        columns["volume"] = np.full(len(starts), 1_000.0)
    columns[spec.time_column] = in_unit(spec.time_column, starts)
    return columns


def in_unit(column, seconds):
    if column == "start_et":
        return pa.array(
            [datetime.fromtimestamp(int(start), NEW_YORK).replace(tzinfo=None) for start in seconds]
        )
    return seconds * (1_000 if column == "start_utc_ms" else 1)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    (root / CRASH_FOLDER).mkdir()
    generator = np.random.default_rng(7)
    for spec in FILES:
        write(root / CRASH_FOLDER, invented_file(spec, generator), spec.stem)
    return root


@pytest.fixture(scope="module")
def crash(data):
    return load_scenario("crash-2025-10", data)


def test_the_scenario_names_what_is_real_derived_and_simulated(crash):
    assert crash.data_source == "recorded"
    assert crash.headline.startswith("Recorded data. Real: the price bars of SPY")
    assert {row.quality for row in crash.series} == {"derived", "simulated"}
    assert {row.underlying for row in crash.series if row.quality == "simulated"} == {"BILL", "USDC"}
    assert crash.omitted_dated_row == "2025-10-10"
    assert (
        set(crash.underlyings) == set(crash.asset_class) == set(crash.sessions) == set(crash.daily_sigma_ppm)
    )
    origins = {name: volatility.origin for name, volatility in crash.daily_volatility.items()}
    assert origins["MSTR"] == "returns of 5-minute bars over 2 days, us_equities_5m"
    assert origins["IBIT"].startswith("that of BTC")
    assert len(crash.describe()["series"]) == len(crash.series)


def test_ticks_are_sorted_and_lie_in_open_sessions_only(crash):
    ticks = crash.ticks
    keys = [ticks["time_ns"], ticks["underlying"], ticks["source"]]
    assert (np.lexsort(keys[::-1]) == np.arange(len(ticks))).all()
    for name in crash.underlyings:
        own = crash.ticks_of(name)
        assert (np.diff(own["time_ns"]) > 0).all(), f"{name} has two ticks at once"
        changes = crash.sessions[name]
        index = np.searchsorted([change.time_ns for change in changes], own["time_ns"], side="right") - 1
        assert {changes[place].session for place in set(index.tolist())} <= {
            Session(1),
            Session(2),
            Session(3),
        }
        assert {crash.sources[number].split("/")[0] for number in set(own["source"].tolist())} == {name}
    assert ticks["price_e6"].min() > 0


def test_extended_sessions_and_strays_by_name(crash):
    def seen(name):
        return {change.session for change in crash.sessions[name]}

    assert Session.PRE in seen("SPY")
    assert Session.PRE not in seen("NVDA")
    assert len(crash.sessions["BTC"]) == len(crash.sessions["BILL"]) == 1
    outside = {(row.underlying, row.source): row.stray_bars for row in crash.series if row.stray_bars}
    assert outside == {("NVDA", "us_equities_5m"): 3}
    (row,) = (row for row in crash.series if row.stray_bars)
    assert (row.bars, row.first_ns) == (0, 0)
    assert row.note.endswith("not drawn from")


def test_the_source_changes_where_coverage_moves(crash):
    def files(name):
        return [row.source for row in crash.series if row.underlying == name and row.bars]

    assert files("SPY") == ["us_equities_1m", "us_etf_extended_hours_2m"]
    assert files("COIN") == ["us_equities_5m"]
    assert files("IBIT") == ["us_etf_extended_hours_2m"]
    assert files("BTC") == ["btcusd_coin_margined_perp_mark_1m"]


def test_a_five_minute_name_shows_every_bar_whole(crash, data):
    bars = read_bars(data / CRASH_FOLDER, FILES[2])["AAPL"]
    ticks = crash.ticks_of("AAPL")
    inside = (bars.start_ns >= crash.start_ns) & (bars.start_ns < crash.end_ns)
    drawn = ticks["price_e6"].reshape(-1, 60)
    assert (drawn[:, 0] == bars.anchors_e6[inside, 0]).all()
    assert (drawn.max(axis=1) == bars.anchors_e6[inside, 1]).all()
    assert (drawn.min(axis=1) == bars.anchors_e6[inside, 2]).all()
    assert (drawn[:, -1] == bars.anchors_e6[inside, 3]).all()


def test_volume_is_known_for_past_days_and_never_for_a_day_that_runs(crash, data):
    assert [day for day, _usd in crash.daily_volume_usd["AAPL"]] == DATES
    midway = load_scenario("crash-2025-10", data, end_ns=at("2025-10-10 15:59"))
    assert [day for day, _usd in midway.daily_volume_usd["AAPL"]] == DATES[:3]
    assert crash.daily_volume_usd["IBIT"] == []
    spy, aapl = (dict(crash.daily_volume_usd[name])[DATES[2]] for name in ("SPY", "AAPL"))
    assert spy == pytest.approx(aapl, rel=0.02), "the consolidated file counts, not the small exchange's"


def test_a_shorter_window_has_the_same_ticks(crash, data):
    mini = load_scenario("crash-2025-10-mini", data)
    odd = load_scenario(
        "crash-2025-10", data, start_ns=at("2025-10-10 09:31") + 3, end_ns=at("2025-10-13 12:00") + 17
    )
    for part in (mini, odd):
        for name in crash.underlyings:
            own, whole = part.ticks_of(name), crash.ticks_of(name)
            inside = whole[(whole["time_ns"] >= part.start_ns) & (whole["time_ns"] < part.end_ns)]
            assert own[["time_ns", "price_e6"]].tolist() == inside[["time_ns", "price_e6"]].tolist()
    assert mini.sessions["SPY"][0].time_ns == mini.start_ns == at("2025-10-10 13:00")
    assert mini.last_price_e6["AAPL"][0] == mini.start_ns


def test_the_same_seed_gives_the_same_scenario_and_another_does_not(crash, data):
    again, other = load_scenario("crash-2025-10", data), load_scenario("crash-2025-10", data, seed=2)
    assert (again.ticks.tobytes(), again.series) == (crash.ticks.tobytes(), crash.series)
    assert other.ticks.tobytes() != crash.ticks.tobytes()
    assert len(other.ticks) == len(crash.ticks)


def test_a_missing_or_empty_handed_file_names_itself(data, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    for spec in FILES:
        moved = copy / CRASH_FOLDER / f"{spec.stem}.parquet"
        moved.rename(tmp_path / "aside")
        with pytest.raises(DataError, match=f"{spec.stem}.parquet is missing"):
            load_scenario("crash-2025-10", copy)
        (tmp_path / "aside").rename(moved)
    path = copy / CRASH_FOLDER / "us_equities_5m.parquet"
    table = pq.read_table(path)
    pq.write_table(table.filter(pa.compute.not_equal(table["symbol"], "MSTR")), path)
    with pytest.raises(DataError, match="holds MSTR"):
        load_scenario("crash-2025-10", copy)


def test_daily_closes_are_optional_used_when_there_and_refused_when_wrong(data, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    (copy / "corporate_actions").mkdir()
    path = copy / "corporate_actions" / "us_raw_daily_with_dividends_splits_2024_2026.parquet"
    days = [
        date(2025, 9, 28) + timedelta(days=step) for step in range(14)
    ]  # the last three are not before the window
    closes = [100 * (1.01 if step % 2 else 1) for step in range(11)] + [1.0, 999.0, 1.0]
    table = {"symbol": ["AAPL"] * 14, "date": [day.isoformat() for day in days], "adjclose": closes}
    pq.write_table(pa.table(table), path)
    volatility = load_scenario("crash-2025-10", copy).daily_volatility
    assert (volatility["AAPL"].sigma_ppm, volatility["AAPL"].origin[:16]) == (9_951, "10 daily returns")
    assert volatility["MSFT"].origin == "returns of 5-minute bars over 2 days, us_equities_5m"
    closes[4] = nan
    pq.write_table(pa.table(table | {"adjclose": closes}), path)
    with pytest.raises(DataError, match="row 4, column adjclose: nan is not a price above 0"):
        load_scenario("crash-2025-10", copy)


def test_wrong_requests_get_one_sentence(data):
    with pytest.raises(DataError, match="no scenario 'crash-1987'; there are crash-2025-10"):
        load_scenario("crash-1987", data)
    with pytest.raises(DataError, match="none was found"):
        load_scenario("crash-2025-10", None)
    with pytest.raises(DataError, match="at least 0"):
        load_scenario("october-2008", seed=-1)
    with pytest.raises(DataError, match="leaves that of"):
        load_scenario("october-2008", end_ns=at("2008-10-13 16:01"))
    with pytest.raises(DataError, match="leaves that of"):
        load_scenario("october-2008", start_ns=at("2008-10-10 12:00"), end_ns=at("2008-10-10 12:00"))
    assert default_scenario(None) in scenarios()
    assert default_scenario(data) in scenarios()


# --- the scenario of an installed package ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def october():
    return load_scenario("october-2008")


def test_package_stocks_touch_the_low_and_high_of_each_real_day(october):
    from bokeh_sampledata import stocks

    for name in ("AAPL", "GOOG", "IBM", "MSFT"):
        table, ticks = getattr(stocks, name), october.ticks_of(name)
        for span in spans(date(2008, 10, 9), date(2008, 10, 13), extended=False):
            row = table["date"].index(span.day.isoformat())
            day = ticks[(ticks["time_ns"] >= span.start_ns) & (ticks["time_ns"] < span.end_ns)]["price_e6"]
            real = [round(table[column][row] * 10**6) for column in ("open", "low", "high", "close")]
            assert [day[0], day.min(), day.max(), day[-1]] == real


def test_package_scenario_says_what_is_simulated(october):
    assert october.data_source == "package"
    assert "Simulated: SPY and QQQ" in october.headline
    assert {row.underlying for row in october.series if row.quality == "derived"} == {
        "AAPL",
        "GOOG",
        "IBM",
        "MSFT",
    }
    assert october.omitted_dated_row == "2008-10-13"
    assert len(october.series) == len(october.underlyings)
    assert set(october.daily_sigma_ppm) == set(october.underlyings)


def test_the_simulated_fund_follows_the_four_stocks(october):
    def day_return(name, day):
        span = spans(day, day, extended=False)[0]
        own = october.ticks_of(name)
        before = own[own["time_ns"] < span.start_ns]["price_e6"][-1]
        return own[own["time_ns"] < span.end_ns]["price_e6"][-1] / before - 1

    for day in (date(2008, 10, 10), date(2008, 10, 13)):
        mean = np.mean([day_return(name, day) for name in ("AAPL", "GOOG", "IBM", "MSFT")])
        assert day_return("SPY", day) == pytest.approx(0.8 * mean, abs=3e-4)


def test_the_simulated_coins_crash_on_friday_evening(october):
    for name in ("BTC", "ETH"):
        ticks = october.ticks_of(name)
        lowest = int(ticks["time_ns"][ticks["price_e6"].argmin()])
        assert at("2008-10-10 17:00") < lowest < at("2008-10-10 18:00")


def test_package_scenario_is_a_function_of_its_seed(october):
    assert load_scenario("october-2008").ticks.tobytes() == october.ticks.tobytes()
    assert load_scenario("october-2008", seed=2).ticks.tobytes() != october.ticks.tobytes()
    part = load_scenario("october-2008", start_ns=at("2008-10-10 15:00"), end_ns=at("2008-10-10 18:00"))
    for name in october.underlyings:
        whole = october.ticks_of(name)
        inside = whole[(whole["time_ns"] >= part.start_ns) & (whole["time_ns"] < part.end_ns)]
        assert (
            part.ticks_of(name)[["time_ns", "price_e6"]].tolist() == inside[["time_ns", "price_e6"]].tolist()
        )


# --- the recorded data itself, where it is -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded():
    found = find_data(None)
    if found is None or not (found / CRASH_FOLDER).is_dir():
        pytest.skip("recorded data not found")
    return found


def test_the_recorded_crash_loads_quickly_and_is_what_it_says(recorded):
    started = clock.monotonic()
    crash = load_scenario("crash-2025-10", recorded)
    assert clock.monotonic() - started < 6
    opened = {
        name
        for name, changes in crash.sessions.items()
        if any(change.session is Session.POST for change in changes)
    }
    assert opened == {"SPY", "QQQ", "IBIT", "ETHA"}
    assert set(CLASSES) == set(crash.underlyings)
    assert sum(row.stray_bars for row in crash.series) > 0
    for name in crash.underlyings:
        assert len(crash.ticks_of(name)) > 1_000
    for name, kind in crash.asset_class.items():
        assert kind in ("bill", "stable") or crash.daily_sigma_ppm[name] > 1_000


def test_the_recorded_crash_draws_inside_its_bars(recorded):
    crash = load_scenario("crash-2025-10", recorded)
    found = {spec.stem: read_bars(recorded / CRASH_FOLDER, spec) for spec in FILES}
    for number, source in enumerate(crash.sources):
        name, stem = source.split("/")
        if stem.startswith("simulated"):
            continue
        bars = found[stem].get(name) or found[stem][""]
        own = crash.ticks[crash.ticks["source"] == number]
        row = np.searchsorted(bars.start_ns, own["time_ns"], side="right") - 1
        assert (own["time_ns"] < bars.start_ns[row] + bars.span_ns).all()
        assert (own["price_e6"] >= bars.anchors_e6[row, 2]).all()
        assert (own["price_e6"] <= bars.anchors_e6[row, 1]).all()
