"""Price feeds without a socket: numbers as written, what is garbage, how old is old, and the raw message behind a price."""

import random
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novate.errors import ConfigError, DataError
from novate.marketdata import load_scenario
from novate.messages import PriceKind
from novate.messages.reports.portfolios import Listed, UnderlyingName
from novate.prices import (
    Backoff,
    FeedHealth,
    FeedState,
    Garbage,
    Instrument,
    Intake,
    Phase,
    Print,
    Quote,
    RawArchive,
    raw_hash,
)
from novate.prices.adapters.alpaca import Alpaca
from novate.prices.adapters.mapped import JsonMapping, Mapped
from novate.prices.adapters.massive import Massive
from novate.prices.adapters.recorded import RecordedFeed
from novate.prices.adapters.ticker import Ticker
from novate.prices.intake import IntakeTerms
from novate.prices.reading import Unreadable, field, moment_ns, number, read_json
from novate.prices.settings import FeedSettings, SymbolSettings, build_feed, names_of

SECOND = 10**9
NOW = 1_767_625_210 * SECOND
HASH = bytes(range(16))


def intake(**terms) -> Intake:
    entry = Instrument("A", 3, 2, decimals=4, price_min=1, price_max=10**9)
    return Intake([entry], IntakeTerms(**terms))


def printed(price, *, at=NOW, size="1", symbol="A") -> Print:
    return Print(symbol, Decimal(price), None if size is None else Decimal(size), at)


def quoted(bid, ask, *, at=NOW) -> Quote:
    return Quote("A", Decimal(bid), Decimal(ask), Decimal(2), Decimal(3), at)


# --- reading -----------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.decimals(min_value=0, max_value=10**9, allow_nan=False, allow_infinity=False, places=9))
def test_a_number_of_a_frame_is_the_decimal_that_was_written(value):
    written = f"{value:f}"
    assert read_json(f"[{written}]")[0] == value
    assert number(read_json(f'["{written}"]')[0]) == value


@pytest.mark.parametrize(
    "value",
    ["NaN", "Infinity", "-inf", "", " 1", "1_000", "0x10", "1e9999", "1" * 60, None, True, [], {}, float("nan"), float("inf"),
     Decimal("NaN"), Decimal("1e400"), 10**60],
)  # fmt: skip
def test_what_is_no_number_is_unreadable(value):
    with pytest.raises(Unreadable):
        number(value)


@settings(deadline=None)
@given(st.text(max_size=60) | st.binary(max_size=60))
def test_no_adapter_raises_for_what_a_vendor_sends(frame):
    mapping = JsonMapping(match={"a": 1}, symbol="s", time="t", time_unit="s", price="p")
    adapters = (Alpaca(["A"], key="k", secret="s"), Massive(["A"], key="k"), Mapped(["A"], mapping), Ticker())
    for adapter in adapters:
        heard = adapter.heard(frame)
        assert not heard.observations


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["q", "t", "Q", "success", "error"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["T", "S", "bp", "ap", "t", "ev", "sym", "status", "message", "msg", "code", "p", "s"]), inner, max_size=6),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None)
@given(JSON)
def test_no_adapter_raises_for_json_of_the_wrong_shape(message):
    import msgspec

    frame = msgspec.json.encode([message]).decode()
    for adapter in (Alpaca(["A"], key="k", secret="s"), Massive(["A"], key="k"), Ticker()):
        adapter.heard(frame)


@pytest.mark.parametrize(
    ("value", "unit", "ns"),
    [
        ("2026-01-05T15:00:00.123456789Z", "rfc3339", 1767625200123456789),
        ("2026-01-05T10:00:00-05:00", "rfc3339", 1767625200 * SECOND),
        (1767625200123, "ms", 1767625200123 * 10**6),
        ("1767625200.5", "s", 1767625200 * SECOND + SECOND // 2),
        (1767625200123456, "us", 1767625200123456000),
        (1767625200123456789, "ns", 1767625200123456789),
    ],
)
def test_a_time_is_exact(value, unit, ns):
    assert moment_ns(value, unit) == ns


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        ("2026-13-05T15:00:00Z", "rfc3339"),
        ("2026-01-05", "rfc3339"),
        (0, "ms"),
        (-1, "s"),
        (10**30, "ns"),
        ("x", "ms"),
    ],
)
def test_what_is_no_time_is_unreadable(value, unit):
    with pytest.raises(Unreadable):
        moment_ns(value, unit)


def test_a_path_leads_through_names_and_places_or_to_nothing():
    message = {"a": [{"b": 1}, {"b": 2}]}
    assert field(message, "a.1.b") == 2
    assert field(message, "a.-1.b") == 2
    assert field(message, "a.7.b") is None
    assert field(message, "a.b") is None
    assert field(message, "") is message


# --- intake ------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(1, 10**8), st.integers(0, 10**6))
def test_the_middle_of_a_quote_is_exact_but_for_half_a_unit_downwards(bid, spread):
    ask = bid + spread
    taken = intake().take(quoted(Decimal(bid).scaleb(-4), Decimal(ask).scaleb(-4)), HASH, NOW)
    exact = Fraction(bid + ask, 2)
    assert taken is not None
    assert 0 <= exact - taken.price <= Fraction(1, 2)
    lost = 1_000_000 - taken.confidence_ppm
    assert lost == min(-(-spread * 1_000_000 // taken.price), 1_000_000)
    assert taken.size == 2 * taken.price * 10**6 // 10**4
    assert (taken.underlying, taken.source, taken.raw_hash, taken.venue_time_ns) == (3, 2, HASH, NOW)


GARBAGE = [
    (printed("-1"), Garbage.NOT_POSITIVE),
    (printed("0"), Garbage.NOT_POSITIVE),
    (quoted("0", "1"), Garbage.NOT_POSITIVE),
    (printed("1.00001"), Garbage.FINER_THAN_SCALE),
    (printed("1e17"), Garbage.IMPLAUSIBLE),
    (printed("1e29"), Garbage.IMPLAUSIBLE),
    (printed("100000.0001"), Garbage.IMPLAUSIBLE),
    (quoted("1.0001", "1"), Garbage.CROSSED),
    (printed("1", symbol="B"), Garbage.OTHER_SYMBOL),
    (printed("1", at=NOW + 250_000_001), Garbage.FROM_THE_FUTURE),
]


@pytest.mark.parametrize(("seen", "garbage"), GARBAGE)
def test_garbage_becomes_no_command_and_is_counted_by_name(seen, garbage):
    taker = intake()
    assert taker.take(seen, HASH, NOW) is None
    assert dict(taker.refused) == {garbage: 1}
    assert taker.take(printed("1"), HASH, NOW) is not None, "garbage leaves nothing behind"


def test_a_clock_that_runs_a_little_ahead_counts_as_now():
    taken = intake().take(printed("1", at=NOW + 250_000_000), HASH, NOW)
    assert taken is not None and taken.venue_time_ns == NOW


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3)), max_size=30))
def test_times_of_a_source_never_run_backwards_and_nothing_is_said_twice(said):
    taker = intake()
    taken = [taker.take(printed(price, at=NOW - 10 + at), HASH, NOW) for at, price in said]
    passed = [(command.venue_time_ns, command.price) for command in taken if command is not None]
    assert [at for at, _ in passed] == sorted(at for at, _ in passed)
    assert all(one != other for one, other in pairwise(passed))
    assert taker.taken + sum(taker.refused.values()) == len(said)


def test_sizes_count_in_the_feeds_unit_and_a_size_that_is_not_stated_is_what_the_operator_says():
    assert intake(unit=Decimal(100)).take(printed("2", size="3"), HASH, NOW).size == 600 * 10**6
    assert intake().take(printed("2", size=None), HASH, NOW).size == 0
    assert intake(assumed_size=7).take(printed("2", size=None), HASH, NOW).size == 7


def test_an_issuers_value_is_of_its_kind_whatever_the_feed_calls_it():
    nav = Intake([Instrument("A", 3, 2, 4, 1, 10**9, nav=True)])
    assert nav.take(printed("2"), HASH, NOW).price_kind == PriceKind.ISSUER


def test_two_symbols_may_not_price_one_underlying_as_one_source():
    with pytest.raises(ConfigError):
        Intake([Instrument("A", 3, 2, 4, 1, 10), Instrument("B", 3, 2, 4, 1, 10)])


# --- health ------------------------------------------------------------------------------------------------------------


def health(**options) -> FeedHealth:
    return FeedHealth("f", ["A", "B"], NOW, **options)


def test_a_silent_symbol_is_late_after_5_s_and_stale_after_30_s_each_said_once():
    feed = health()
    feed.ready()
    feed.price("A", NOW)
    feed.price("B", NOW)
    said = []
    for tenths in range(400):
        at = NOW + tenths * SECOND // 10
        feed.price("B", at)
        said += [(tenths, alarm.symbol, alarm.kind, alarm.raised) for alarm in feed.alarms(at)]
        assert feed.state(at) is (FeedState.STALE if tenths >= 300 else FeedState.LIVE)
    assert said == [(50, "A", "late", True), (300, "A", "stale", True)]
    feed.price("A", NOW + 40 * SECOND)
    over = feed.alarms(NOW + 40 * SECOND)
    assert [(alarm.kind, alarm.raised) for alarm in over] == [("late", False), ("stale", False)]


def test_a_market_that_is_closed_is_silent_without_alarm_and_has_5_s_when_it_opens():
    opens = NOW + 100 * SECOND
    feed = health(expects=lambda _, now: now >= opens)
    feed.ready()
    assert not [a for s in range(100) for a in feed.alarms(NOW + s * SECOND)]
    assert not feed.alarms(opens) and not feed.alarms(opens + 4 * SECOND)
    assert {alarm.kind for alarm in feed.alarms(opens + 5 * SECOND)} == {"late"}


def test_a_feed_that_is_cut_is_down_and_alarms_after_5_s():
    feed = health()
    feed.ready()
    feed.price("A", NOW)
    feed.cut(NOW, "gone")
    assert feed.state(NOW) is FeedState.DOWN
    assert not [alarm for alarm in feed.alarms(NOW + SECOND) if alarm.kind == "down"]
    assert [alarm.raised for alarm in feed.alarms(NOW + 5 * SECOND) if alarm.kind == "down"] == [True]
    feed.connecting()
    assert feed.state(NOW) is FeedState.DOWN, "a try is not yet a connection"
    feed.ready()
    assert [alarm.raised for alarm in feed.alarms(NOW + 6 * SECOND) if alarm.kind == "down"] == [False]
    assert feed.values(NOW + 6 * SECOND)["symbols"] == {"A": 6_000, "B": None}


def test_back_off_doubles_up_to_its_bound_and_half_of_it_is_chance():
    waits = [Backoff(1, 30, random.Random(seed)) for seed in range(50)]
    for step, full in enumerate([1, 2, 4, 8, 16, 30, 30]):
        seen = [backoff.next_s() for backoff in waits]
        assert all(full / 2 <= wait <= full for wait in seen), step
        assert max(seen) - min(seen) > full / 4
    waits[0].reset()
    assert waits[0].next_s() <= 1


# --- archive -----------------------------------------------------------------------------------------------------------


def test_a_raw_message_is_found_by_its_hash_across_days_and_restarts(tmp_path):
    frames = [f"message {n}" for n in range(20)] + [b"\x00\xff"]
    for part in (frames[:7], frames[7:]):
        with RawArchive(tmp_path) as archive:
            for place, frame in enumerate(part):
                assert archive.append("f", NOW + place * 6 * 3600 * SECOND, frame) == raw_hash(frame)
            archive.sync()
    archive = RawArchive(tmp_path)
    for frame in frames:
        found = archive.find(raw_hash(frame))
        assert found is not None and found.feed == "f"
        assert found.raw == (frame if isinstance(frame, bytes) else frame.encode())
    assert archive.find(bytes(16)) is None
    assert len(list(tmp_path.iterdir())) > 2


def test_a_torn_end_is_cut_and_all_that_was_whole_stays(tmp_path):
    with RawArchive(tmp_path) as archive:
        for n in range(3):
            archive.append("f", NOW, f"message {n}")
    (day,) = tmp_path.iterdir()
    messages, index = day / "messages.raw", day / "messages.idx"
    whole, entries = messages.read_bytes(), index.read_bytes()
    size = len(whole) // 3
    for cut in range(len(whole)):
        for kept in (len(entries), len(entries) - 5):
            messages.write_bytes(whole[:cut])
            index.write_bytes(entries[:kept])
            with RawArchive(tmp_path) as archive:
                archive.append("f", NOW, "new")
                archive.sync()
                assert archive.find(raw_hash("new")).raw == b"new"
                for n in range(min(cut // size, kept // 24)):
                    assert archive.find(raw_hash(f"message {n}")).raw == f"message {n}".encode()


def test_a_changed_message_is_not_handed_out(tmp_path):
    with RawArchive(tmp_path) as archive:
        digest = archive.append("f", NOW, "message")
    (path,) = tmp_path.glob("*/messages.raw")
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    with pytest.raises(DataError):
        RawArchive(tmp_path).find(digest)


# --- recorded, settings ------------------------------------------------------------------------------------------------


def listed(names, decimals=6) -> Listed:
    lines = tuple(
        UnderlyingName(
            underlying=n + 1, name=name, decimals=decimals, price_min=1, price_max=10**15, nav=name == "BILL", closes=True,
            sources=(1, 2, 3),
        )
        for n, name in enumerate(names)
    )  # fmt: skip
    return Listed(underlyings=lines, assets=(), markets=())


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("october-2008")


@pytest.mark.parametrize("decimals", [6, 9])
def test_recorded_ticks_come_when_the_clock_reaches_them_each_once_with_its_row_behind_it(scenario, decimals):
    names = listed(scenario.underlyings, decimals)
    feed = RecordedFeed(scenario, names)
    first = feed.next_ns
    assert feed.due(first - 1) == []
    seen = []
    for step in range(0, 3_000, 7):
        seen += feed.due(first + step * SECOND, most=100)
    while batch := feed.due(first + 3_000 * SECOND):
        seen += batch
    rows = scenario.ticks[scenario.ticks["time_ns"] <= first + 3_000 * SECOND]
    assert len(seen) == len(rows) > 100
    for tick, row in zip(seen, rows, strict=True):
        assert tick.raw == row.tobytes() and tick.command.raw_hash == raw_hash(tick.raw)
        assert tick.command.price == int(row["price_e6"]) * 10 ** (decimals - 6)
        assert tick.command.venue_time_ns == int(row["time_ns"])
    assert feed.next_ns > first + 3_000 * SECOND
    late = RecordedFeed(scenario, names, from_ns=int(rows["time_ns"][-1]) + 1)
    assert late.next_ns == feed.next_ns


def test_a_scenario_that_the_venue_does_not_list_or_lists_too_coarsely_is_refused(scenario):
    with pytest.raises(ConfigError):
        RecordedFeed(scenario, listed(scenario.underlyings[1:]))
    with pytest.raises(ConfigError):
        RecordedFeed(scenario, listed(scenario.underlyings, 2))


def feed_settings(**changed) -> FeedSettings:
    symbols = {"A": SymbolSettings(underlying="A", source=1)}
    return FeedSettings(
        **({"name": "f", "kind": "alpaca", "key_env": "K", "secret_env": "S", "symbols": symbols} | changed)
    )


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"symbols": {"A": SymbolSettings(underlying="Z", source=1)}}, "no underlying"),
        ({"symbols": {"A": SymbolSettings(underlying="A", source=9)}}, "no source 9"),
        ({"symbols": {}}, "no symbols"),
        ({"key_env": ""}, "key_env is missing"),
        ({"secret_env": "NONE"}, "NONE is not set"),
        ({"unit": "many"}, "unit"),
        ({"assumed_size": "5 EUR"}, "assumed_size"),
        ({"kind": "ccxt"}, "names its exchange"),
        ({"kind": "ccxt", "exchange": "nowhere"}, "no exchange called"),
        ({"kind": "json"}, "a url and a mapping"),
        ({"kind": "alpaca", "transport": "socket", "url": "http://x"}, "wss://"),
    ],
)  # fmt: skip
def test_a_feed_that_does_not_fit_is_one_clear_error(changed, words):
    with pytest.raises(ConfigError, match=words):
        build_feed(
            feed_settings(**changed), listed(["A"]), lambda: NOW, environment={"K": "k", "S": "s"}
        ).link()


def test_two_feeds_may_not_be_one_source():
    other = feed_settings(name="g")
    with pytest.raises(ConfigError, match="independent"):
        names_of([feed_settings(), other])
    assert names_of([feed_settings()]) == ("f",)


@pytest.mark.parametrize(
    "changed",
    [{}, {"bid": "b"}, {"price": "p", "bid": "b", "ask": "a"}, {"bid": "b", "ask": ""}],
)
def test_a_mapping_has_either_a_price_or_two_sides(changed):
    with pytest.raises(ValueError, match="either price"):
        JsonMapping(match={"a": 1}, symbol="s", time="t", time_unit="s", **changed)


def test_a_template_has_to_become_json():
    mapping = JsonMapping(
        match={"a": 1}, symbol="s", time="t", time_unit="s", price="p", subscribe=("{symbol}",)
    )
    with pytest.raises(ConfigError, match="JSON"):
        Mapped(["A"], mapping)


def test_without_a_word_of_its_own_a_subscription_stands_once_it_is_said():
    mapping = JsonMapping(
        match={"a": 1}, symbol="s", time="t", time_unit="s", price="p", subscribe=('{"sub":"{symbol}"}',)
    )
    opened = Mapped(["A", "B"], mapping).opened()
    assert opened.phase is Phase.READY
    assert opened.replies == ('{"sub":"A"}', '{"sub":"B"}')
