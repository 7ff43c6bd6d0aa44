"""The keepers' machines without a socket: the venue's clock, time, sessions, prices, settings."""

import random
import threading
import time
from datetime import UTC, date, datetime
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novate.calendar import Session, to_ns, trading_days
from novate.config import packaged_listing
from novate.errors import ConfigError
from novate.keepers.health import read_health, write_health
from novate.keepers.line import Line, Stopped
from novate.keepers.pace import Pace
from novate.keepers.price_keeper import PriceKeeper, send_archived
from novate.keepers.session_keeper import (
    SessionKeeper,
    always_open,
    exchange_hours,
    hours_of,
    recorded_hours,
)
from novate.keepers.settings import load_settings
from novate.keepers.thresholds import BEYOND, Marks, usage_ppm
from novate.keepers.time_keeper import LEAST_REAL_NS, TimeKeeper, beat_ns
from novate.messages import AdvanceTime, PostPrice
from novate.messages.reports.explain import SessionLine
from novate.prices import RawArchive, raw_hash
from novate.prices.feed import Priced
from novate.sequencer import steady_clock

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 3_600 * SECOND


def at(text: str) -> int:
    return to_ns(datetime.fromisoformat(text).replace(tzinfo=UTC))


# --- pace --------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.integers(0, 2**60),
    st.integers(0, 2**60),
    st.integers(1, 10**12),
    st.lists(st.integers(0, 10**13), max_size=20),
)
def test_a_pace_never_goes_back_and_is_the_same_everywhere(start, steady, speed, elapsed):
    pace, other = Pace(start, steady, speed), Pace(start, steady, speed)
    times = [pace.at(steady + e) for e in sorted(elapsed)]
    assert times == sorted(times) and all(t >= start for t in times)
    assert times == [other.at(steady + e) for e in sorted(elapsed)]
    assert pace.at(steady) == start == pace.at(steady - 5)
    for e in elapsed:
        assert pace.at(steady + e) - start == e * speed // 10**6


def test_a_pace_of_sixty_is_a_minute_a_second_and_its_file_says_the_same_time(tmp_path):
    pace = Pace.begin(at("2025-10-10T13:30:00"), "60")
    pace.write(tmp_path)
    read = Pace.read(tmp_path)
    assert read == pace
    assert pace.at(pace.steady_ns + SECOND) == pace.start_ns + MINUTE
    assert pace.real_s(MINUTE) == 1.0
    before = pace()
    time.sleep(0.02)
    assert read() - before >= 60 * 20_000_000


def test_a_core_that_starts_again_goes_on_where_its_journal_ends():
    old = Pace(1_000, time.monotonic_ns() - 10**15, 60_000_000)
    assert old.continued(5_000).start_ns == 5_000
    assert old.continued(5).start_ns == 1_000
    again = old.continued(5_000)
    assert 5_000 <= again() < 5_000 + 600 * SECOND
    assert again.speed_ppm == old.speed_ppm


def test_without_a_file_the_pace_is_real_time(tmp_path):
    assert abs(Pace.read(tmp_path)() - steady_clock()()) < SECOND


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "1000001", "0.0000001"])
def test_a_speed_that_is_none_is_refused(speed):
    with pytest.raises(ConfigError):
        Pace.begin(0, speed)


def test_a_file_that_is_no_pace_is_refused(tmp_path):
    (tmp_path / "pace.json").write_text('{"start_ns": 1.5}')
    with pytest.raises(ConfigError, match="no pace"):
        Pace.read(tmp_path)


# --- time --------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 500), st.booleans()), max_size=60))
def test_time_is_due_once_a_beat_never_twice_at_once_and_never_while_it_waits(steps):
    keeper, now, sent, waiting = TimeKeeper(100), 0, [], False
    for passes, answered in steps:
        now += passes
        commands = keeper.on_time(now)
        assert len(commands) <= 1 and not (waiting and commands)
        if commands:
            sent.append(now)
            waiting = True
        if answered:
            keeper.on_answer()
            waiting = False
    assert len({moment // 100 for moment in sent}) == len(sent), "one beat of the grid, one command"


def test_a_stall_of_ten_beats_is_one_command_and_nine_skipped():
    keeper = TimeKeeper(100)
    assert keeper.on_time(1_000)
    keeper.on_answer()
    assert not keeper.on_time(1_099)
    assert len(keeper.on_time(2_050)) == 1
    keeper.on_answer()
    assert not keeper.on_time(2_051)
    assert keeper.values() == {"beats": 2, "skipped": 9}
    assert keeper.on_time(2_100)


def test_a_beat_is_in_real_time_what_the_venue_wants_at_its_speed_but_never_below_the_least():
    assert beat_ns(100_000_000, Pace(0, 0)) == 100_000_000
    assert beat_ns(100_000_000, Pace(0, 0, 10_000_000)) == 10_000_000
    assert beat_ns(100_000_000, Pace(0, 0, 600_000_000)) == LEAST_REAL_NS
    with pytest.raises(ConfigError):
        TimeKeeper(0)


# --- sessions ----------------------------------------------------------------------------------------------------------


class Venue:
    """What a venue holds of its sessions: what was sent last."""

    def __init__(self, *names: str) -> None:
        self.lines = {
            n: SessionLine(
                underlying=n, name=name, session=0, next_session=0, next_time_ns=0, closure_step_ns=0,
                closure_ramp_from_ns=0, closure_ramp_to_ns=0, closure_end_ns=0,
            )
            for n, name in enumerate(names, 1)
        }  # fmt: skip
        self.log: list[tuple[int, str, int]] = []

    def take(self, commands, now) -> None:

        for command in commands:
            line = self.lines[command.underlying]
            told = {name: getattr(command, name) for name in line.__struct_fields__ if hasattr(command, name)}
            self.lines[command.underlying] = msgspec.structs.replace(line, **told)
            self.log.append((now, line.name, command.session))

    def run(self, keeper, start: int, end: int, step: int = MINUTE) -> None:
        now = start
        while now < end:
            self.take(keeper.on_time(self.lines.values(), now), now)
            now = min(max(keeper.next_ns, now + 1), now + step)


def keeper(**options) -> SessionKeeper:
    return SessionKeeper({"BTC": always_open}, exchange_hours(**options))


def test_a_week_with_a_holiday_a_half_day_and_a_weekend_is_exact():
    """Thanksgiving 2025: closed on Thursday, until 13:00 on Friday."""
    venue = Venue("NVDA", "BTC")
    venue.run(keeper(), at("2025-11-26T12:00:00"), at("2025-12-01T16:00:00"))
    seen = [
        (datetime.fromtimestamp(when / 1e9, UTC).strftime("%a %H:%M"), Session(s).name)
        for when, n, s in venue.log
        if n == "NVDA"
    ]
    assert seen == [
        ("Wed 12:00", "PRE"), ("Wed 14:30", "REGULAR"), ("Wed 21:00", "POST"), ("Thu 01:00", "CLOSED"),
        ("Fri 01:00", "OVERNIGHT"), ("Fri 09:00", "PRE"), ("Fri 14:30", "REGULAR"), ("Fri 18:00", "POST"), ("Fri 22:00", "CLOSED"),
        ("Mon 01:00", "OVERNIGHT"), ("Mon 09:00", "PRE"), ("Mon 14:30", "REGULAR"),
    ]  # fmt: skip
    assert [s for _, n, s in venue.log if n == "BTC"] == [Session.REGULAR], "crypto never closes"


@pytest.mark.parametrize(
    ("day", "opens"),
    [("2026-03-06", "14:30"), ("2026-03-09", "13:30"), ("2025-10-31", "13:30"), ("2025-11-03", "14:30")],
)
def test_the_regular_open_follows_new_york_through_both_changes_of_the_clock(day, opens):
    venue = Venue("NVDA")
    venue.run(keeper(extended=False), at(f"{day}T12:00:00"), at(f"{day}T16:00:00"))
    assert (at(f"{day}T{opens}:00"), "NVDA", Session.REGULAR) in venue.log


@settings(deadline=None)
@given(st.integers(0, 400), st.integers(0, 24 * 60 - 1), st.booleans())
def test_a_restart_sends_nothing_that_the_venue_has(days, minute, extended):
    now = at("2025-01-02T00:00:00") + days * 24 * HOUR + minute * MINUTE
    venue = Venue("NVDA", "BTC")
    venue.take(keeper(extended=extended).on_time(venue.lines.values(), now), now)
    assert len(venue.log) == 2
    for later in (0, 1, 30 * SECOND):
        fresh = keeper(extended=extended)
        commands = fresh.on_time(venue.lines.values(), now + later)
        changed = {c.underlying for c in commands}
        due = {n for n, line in venue.lines.items() if 0 < line.next_time_ns <= now + later}
        assert changed == due
        assert fresh.next_ns > now + later


def test_every_open_of_a_year_is_sent_at_its_very_nanosecond():
    venue, machine = Venue("NVDA"), keeper(extended=False)
    now, end = at("2026-01-01T00:00:00"), at("2027-01-01T00:00:00")
    while now < end:
        venue.take(machine.on_time(venue.lines.values(), now), now)
        now = venue.lines[1].next_time_ns
    opened = [when for when, _, session in venue.log if session == Session.REGULAR]
    assert opened == [day.open_ns for day in trading_days(date(2026, 1, 1), date(2026, 12, 31))]
    closed = [when for when, _, session in venue.log if session == Session.CLOSED]
    assert closed[1:] == [day.close_ns for day in trading_days(date(2026, 1, 1), date(2026, 12, 31))]


def test_a_halt_stands_until_somebody_lifts_it_and_a_stranger_is_put_right_within_a_minute():

    now = at("2026-01-05T15:00:00")
    venue, machine = Venue("NVDA"), keeper()
    venue.take(machine.on_time(venue.lines.values(), now), now)
    right = venue.lines[1]
    venue.lines[1] = msgspec.structs.replace(right, session=Session.HALTED)
    venue.run(machine, now, now + 24 * HOUR)
    assert venue.lines[1].session == Session.HALTED
    venue.lines[1] = msgspec.structs.replace(right, session=Session.CLOSED)
    venue.run(machine, now + 24 * HOUR, now + 24 * HOUR + 2 * MINUTE)
    assert venue.lines[1].session == Session.REGULAR


def test_what_was_sent_is_not_sent_again_while_the_answers_lag():
    now = at("2026-01-05T15:00:00")
    venue, machine = Venue("NVDA"), keeper()
    assert machine.on_time(venue.lines.values(), now)
    assert not machine.on_time(venue.lines.values(), now + SECOND)
    assert machine.on_time(venue.lines.values(), now + 3 * SECOND), (
        "but it is said again when it did not arrive"
    )


def test_recorded_hours_are_the_recorded_changes():
    changes = [SimpleNamespace(time_ns=t, session=s) for t, s in ((10, 0), (20, 2), (30, 0))]
    hours = recorded_hours(changes)
    assert [hours(now).session for now in (5, 10, 19, 20, 29, 30, 99)] == [0, 0, 0, 2, 2, 0, 0]
    with pytest.raises(ConfigError):
        recorded_hours([])


def test_the_packaged_listing_knows_what_closes():
    hours, now = hours_of(packaged_listing()), at("2026-01-03T15:00:00")  # a Saturday
    closed = {name for name in hours if hours[name](now).session == Session.CLOSED}
    assert {"NVDA", "SPY"} <= closed and not {"BTC", "ETH", "USDC", "BILL"} & closed


def test_hours_that_nobody_stated_are_an_error():
    with pytest.raises(ConfigError, match="NVDA"):
        SessionKeeper({}).on_time(Venue("NVDA").lines.values(), at("2026-01-05T15:00:00"))


# --- prices ------------------------------------------------------------------------------------------------------------


def priced(underlying, source, price, received=0) -> Priced:
    frame = f"{underlying} {source} {price}"
    command = PostPrice(
        underlying=underlying, source=source, price=price, venue_time_ns=1, raw_hash=raw_hash(frame)
    )
    return Priced("f", "A", command, frame, received)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 10**6)), max_size=40),
    st.integers(1, 7),
)
def test_the_newest_price_of_each_source_is_sent_and_none_is_forgotten(said, most):
    machine, newest = PriceKeeper(most), {}
    for place, (underlying, source, price) in enumerate(said):
        machine.take(priced(underlying, source, price, place))
        newest[underlying, source] = price
    sent = []
    while batch := machine.due():
        assert len(batch) <= most
        sent += batch
    assert {(p.command.underlying, p.command.source): p.command.price for p in sent} == newest
    assert [p.received_ns for p in sent] == sorted(p.received_ns for p in sent)
    assert machine.conflated == len(said) - len(newest)


def test_the_message_behind_a_price_is_on_disk_before_the_price_is_sent(tmp_path):
    archive, sent = RawArchive(tmp_path), []

    def send(commands):
        for command in commands:
            assert RawArchive(tmp_path).find(command.raw_hash) is not None
        sent.extend(commands)

    prices = [priced(1, 1, n, n) for n in range(1, 5)]
    send_archived(prices, archive, send)
    assert sent == [p.command for p in prices]
    send_archived([], archive, lambda _: pytest.fail("nothing to send"))


# --- thresholds --------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(-(10**15), 10**15), st.integers(-(10**15), 10**15))
def test_usage_is_rounded_up_and_bounded(requirement, equity):
    usage = usage_ppm(requirement, equity)
    assert 0 <= usage <= BEYOND
    if requirement > 0 and equity > 0 and usage < BEYOND:
        assert (usage - 1) * equity < requirement * 10**6 <= usage * equity
    assert (usage >= 10**6) == ((requirement > 0 and requirement >= equity) or usage == 10**6)


@settings(deadline=None)
@given(st.lists(st.integers(700_000, 1_100_000), max_size=80))
def test_a_mark_is_reached_at_once_and_left_only_below_the_hysteresis(usages):
    marks, reached = Marks(), 0
    for usage in usages:
        crossing = marks.step(reached, usage)
        if crossing is not None:
            assert crossing.before_ppm == reached != crossing.mark_ppm
            reached = crossing.mark_ppm
        highest = max((m for m in marks.marks_ppm if m <= usage), default=0)
        assert reached >= highest
        assert reached == highest or usage >= reached - marks.hysteresis_ppm


def test_a_ratio_that_swings_about_a_mark_is_news_once():
    marks, reached, told = Marks(), 0, []
    chance = random.Random(1)
    for _ in range(1_000):
        crossing = marks.step(reached, 900_000 + chance.randint(-19_999, 19_999))
        if crossing:
            reached = crossing.mark_ppm
            told.append(reached)
    assert told in ([900_000], [800_000, 900_000])


@pytest.mark.parametrize(
    "bad", [{"marks_ppm": ()}, {"marks_ppm": (2, 1)}, {"marks_ppm": (0, 1)}, {"hysteresis_ppm": 10**6}]
)
def test_marks_that_make_no_sense_are_refused(bad):
    with pytest.raises(ConfigError):
        Marks(**bad)


# --- settings, health, line --------------------------------------------------------------------------------------------

WHOLE = """
actor = 901
[time]
every = "50 ms"
[sessions]
always = ["BTC"]
extended = ["pre", "post"]
by_name.SPY = true
[[feed]]
name = "iex"
kind = "alpaca"
key_env = "K"
secret_env = "S"
[feed.symbols]
NVDA = { underlying = "NVDA", source = 1 }
[alerts]
marks = ["80 %", "90 %", "100 %"]
[[alerts.webhook]]
name = "desk"
url = "https://example.org/x"
secret_env = "W"
accounts = [7]
least = "warning"
[[alerts.email]]
name = "mail"
host = "localhost"
sender = "venue@example.org"
to = "desk@example.org"
"""


def test_settings_are_read_whole_and_secrets_come_from_the_environment():
    settings = load_settings(WHOLE)
    assert (settings.actor, settings.feed[0].name) == (901, "iex")
    desk, mail = settings.alerts.channels({"W": "secret"})
    assert desk.secret == b"secret" and "secret" not in repr(desk)
    assert mail.port == 587 and mail.starttls
    saturday, evening = at("2026-01-03T15:00:00"), at("2026-01-06T02:00:00")
    hours = settings.sessions.hours()
    assert hours["BTC"](saturday).session == Session.REGULAR
    assert hours["SPY"](evening).session == Session.OVERNIGHT
    assert settings.sessions.default()(evening).session == Session.CLOSED
    with pytest.raises(ConfigError, match="W is not set"):
        settings.alerts.channels({})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("actor = -1\n", "actor"),
        ("unknown = 1\n", "unknown"),
        ('[time]\nevery = "soon"\n', "time.every"),
        ('[time]\nevery = "0 s"\n', "above zero"),
        ('[alerts]\nmarks = ["90 %", "80 %"]\n', "ascending"),
        ('[alerts]\nlevel = "first"\n', "level"),
        ('[sessions]\nextended = ["noon"]\n', "extended"),
        ("[[feed]]\nname = 1\n", "name"),
        ("no toml\n", "settings"),
    ],
)
def test_a_mistake_in_the_settings_is_one_clear_error(text, words):
    with pytest.raises(ConfigError, match=words):
        load_settings(text)


def test_health_is_a_whole_file_or_none(tmp_path):
    write_health(tmp_path, "time", {"beats": 3})
    (tmp_path / "keepers" / "broken.json").write_text("{")
    found = read_health(tmp_path)
    assert list(found) == ["time"] and found["time"]["beats"] == 3
    assert abs(found["time"]["at_ns"] - time.time_ns()) < 5 * SECOND


def test_a_line_to_nobody_waits_until_it_is_asked_to_end(tmp_path):
    stop = threading.Event()
    line = Line(tmp_path / "core.sock", stop)
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(Stopped):
        line.client()
    assert line.counts["cuts"] >= 1


def test_the_cores_clock_is_known_by_its_answers_and_never_ahead_of_it(tmp_path):
    line = Line(tmp_path / "core.sock", threading.Event())
    assert line.now_ns() is None
    behind = 7 * SECOND  # the core read the wall clock before it was put right

    class Core:
        def submit(self, _buffer):
            stamped = time.time_ns() - behind
            time.sleep(0.001)
            return SimpleNamespace(time_ns=stamped, events=b"")

        def close(self):
            pass

    line._client = Core()
    for _ in range(20):
        line.send([AdvanceTime()])
        assert time.time_ns() - behind - SECOND < line.now_ns() <= time.time_ns() - behind
    line.cut()
    assert line.now_ns() is None, "a core that starts again has another clock"
