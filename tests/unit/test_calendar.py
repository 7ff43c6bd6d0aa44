"""Sessions and closures: tables of known days, and properties over any window."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novate.calendar import (
    EXTENDED,
    NEW_YORK,
    Session,
    always_open,
    new_york_date,
    new_york_ns,
    session_changes,
    spans,
    to_ns,
    trading_days,
)

CLOSED, PRE, REGULAR, POST, OVERNIGHT = (Session(number) for number in range(5))


def at(text):
    """UTC nanoseconds of "2025-10-09 16:00" in New York."""
    moment = datetime.fromisoformat(text)
    return new_york_ns(moment.date(), moment.time())


def said(time_ns):
    return datetime.fromtimestamp(time_ns // 10**9, NEW_YORK).strftime("%a %d %H:%M")


def told(start, end, extended):
    return [
        (said(change.time_ns), change.session)
        for change in session_changes(at(start), at(end), extended=extended)
    ]


def closure_of(change):
    return (
        change.closure_step_ns,
        change.closure_ramp_from_ns,
        change.closure_ramp_to_ns,
        change.closure_end_ns,
    )


WEEKS = {
    "a plain weekend without extended hours": (
        "2025-10-09 04:00", "2025-10-13 16:00", False,
        [("Thu 09 04:00", CLOSED), ("Thu 09 09:30", REGULAR), ("Thu 09 16:00", CLOSED), ("Fri 10 09:30", REGULAR),
         ("Fri 10 16:00", CLOSED), ("Mon 13 09:30", REGULAR)],
    ),
    "a bond holiday is an open stock day, with pre and post": (
        "2025-10-10 16:00", "2025-10-13 16:01", {PRE, POST},
        [("Fri 10 16:00", POST), ("Fri 10 20:00", CLOSED), ("Mon 13 04:00", PRE), ("Mon 13 09:30", REGULAR),
         ("Mon 13 16:00", POST)],
    ),
    "overnight runs Sunday to Thursday evenings": (
        "2025-10-09 20:00", "2025-10-13 04:00", True,
        [("Thu 09 20:00", OVERNIGHT), ("Fri 10 04:00", PRE), ("Fri 10 09:30", REGULAR), ("Fri 10 16:00", POST),
         ("Fri 10 20:00", CLOSED), ("Sun 12 20:00", OVERNIGHT)],
    ),
    "Thanksgiving: a holiday, no overnight into it, then an early close": (
        "2025-11-26 16:00", "2025-12-01 04:00", True,
        [("Wed 26 16:00", POST), ("Wed 26 20:00", CLOSED), ("Thu 27 20:00", OVERNIGHT), ("Fri 28 04:00", PRE),
         ("Fri 28 09:30", REGULAR), ("Fri 28 13:00", POST), ("Fri 28 17:00", CLOSED), ("Sun 30 20:00", OVERNIGHT)],
    ),
    "the clocks go back on a weekend": (
        "2025-10-31 16:00", "2025-11-03 10:00", {PRE},
        [("Fri 31 16:00", CLOSED), ("Mon 03 04:00", PRE), ("Mon 03 09:30", REGULAR)],
    ),
    "October 2008 lies within reach": (
        "2008-10-09 09:30", "2008-10-13 16:00", False,
        [("Thu 09 09:30", REGULAR), ("Thu 09 16:00", CLOSED), ("Fri 10 09:30", REGULAR), ("Fri 10 16:00", CLOSED),
         ("Mon 13 09:30", REGULAR)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("week", WEEKS)
def test_the_sessions_of_known_days(week):
    start, end, extended, expected = WEEKS[week]
    assert told(start, end, extended) == expected


CLOSURES = {
    # asked at, extended: step, ramp from, ramp to, end (None: no closure near)
    "none on a Wednesday": ("2025-10-08 12:00", False, None),
    "none on a weekday night": ("2025-10-07 22:00", False, None),
    "the weekend is known from Thursday's open": (
        "2025-10-09 09:30", False, ("2025-10-09 16:00", "2025-10-10 13:30", "2025-10-10 15:30", "2025-10-13 09:30")),
    "with a pre-market it ends at 04:00": (
        "2025-10-10 12:00", {PRE, POST}, ("2025-10-09 16:00", "2025-10-10 13:30", "2025-10-10 15:30", "2025-10-13 04:00")),
    "with overnight it ends on Sunday evening": (
        "2025-10-11 12:00", True, ("2025-10-09 16:00", "2025-10-10 13:30", "2025-10-10 15:30", "2025-10-12 20:00")),
    "over at the reopening": ("2025-10-13 09:30", False, None),
    "a holiday on Thursday": (
        "2025-11-26 09:30", False, ("2025-11-25 16:00", "2025-11-26 13:30", "2025-11-26 15:30", "2025-11-28 09:30")),
    "an early close before a weekend, the day after a holiday": (
        "2025-11-28 09:30", False, ("2025-11-26 16:00", "2025-11-28 10:30", "2025-11-28 12:30", "2025-12-01 09:30")),
    "an early close before a long weekend": (
        "2025-07-03 09:30", False, ("2025-07-02 16:00", "2025-07-03 10:30", "2025-07-03 12:30", "2025-07-07 09:30")),
    "an early close as the day before the last": (
        "2029-07-03 09:30", False, ("2029-07-02 16:00", "2029-07-03 10:30", "2029-07-03 12:30", "2029-07-05 09:30")),
}  # fmt: skip


@pytest.mark.parametrize("case", CLOSURES)
def test_the_closure_that_is_ahead_or_running(case):
    when, extended, expected = CLOSURES[case]
    first = session_changes(at(when), at(when) + 1, extended=extended)[0]
    assert closure_of(first) == (tuple(map(at, expected)) if expected else (0, 0, 0, 0))


def test_extended_hours_can_be_a_rule_by_day():
    friday = date(2025, 10, 10)
    changes = session_changes(
        at("2025-10-09 15:00"),
        at("2025-10-13 12:00"),
        extended=lambda day, session: day == friday and session is POST,
    )
    assert [(said(change.time_ns), change.session) for change in changes if change.session is POST] == [
        ("Fri 10 16:00", POST)
    ]
    assert changes[1].session is CLOSED


def test_what_always_trades_has_one_entry_and_no_closure():
    (only,) = always_open(7)
    assert (only.time_ns, only.session, only.next_time_ns) == (7, REGULAR, 0)
    assert closure_of(only) == (0, 0, 0, 0)


def test_an_empty_window_and_a_time_without_a_zone_are_refused():
    with pytest.raises(ValueError, match="before end_ns"):
        session_changes(5, 5)
    with pytest.raises(ValueError, match="zone"):
        to_ns(datetime(2025, 1, 1))  # noqa: DTZ001 - this is what is refused


moments = st.integers(to_ns(datetime(2000, 1, 3, tzinfo=UTC)), to_ns(datetime(2027, 12, 1, tzinfo=UTC)))
lengths = st.integers(1, 12 * 24 * 3_600_000_000_000)
which = st.sets(st.sampled_from(EXTENDED))


@settings(max_examples=150, deadline=None)
@given(moments, lengths, which)
def test_changes_are_a_chain_from_the_start_to_beyond_the_end(start_ns, length, extended):
    changes = session_changes(start_ns, start_ns + length, extended=extended)
    assert changes[0].time_ns == start_ns
    assert changes[-1].next_time_ns >= start_ns + length
    for one, two in pairwise(changes):
        assert one.time_ns < one.next_time_ns == two.time_ns
        assert one.next_session is two.session is not one.session
    assert {change.session for change in changes} <= {CLOSED, REGULAR, *extended}


@settings(max_examples=150, deadline=None)
@given(moments, lengths, lengths, which)
def test_a_window_is_its_parts(start_ns, length, more, extended):
    middle, end = start_ns + length, start_ns + length + more
    whole = session_changes(start_ns, end, extended=extended)
    head = session_changes(start_ns, middle, extended=extended)
    tail = session_changes(middle, end, extended=extended)
    assert whole[: len(head)] == head
    rest = whole[len(head) :]
    assert rest == (tail if rest and rest[0].time_ns == middle else tail[1:])


@settings(max_examples=300, deadline=None)
@given(moments)
def test_the_wall_clock_agrees(time_ns):
    """Each session against New York's clock alone, on days that are neither early closes nor holidays."""
    change = session_changes(time_ns, time_ns + 1, extended=True)[0]
    wall = datetime.fromtimestamp(time_ns // 10**9, NEW_YORK)
    full_days = {
        day.date for day in trading_days(wall.date() - timedelta(days=1), wall.date() + timedelta(days=1))
        if day.close_ns == new_york_ns(day.date, time(16))
    }  # fmt: skip
    hour, today, tomorrow = wall.hour + wall.minute / 60, wall.date(), wall.date() + timedelta(days=1)
    if today in full_days and 4 <= hour < 20:
        assert change.session is (PRE if hour < 9.5 else REGULAR if hour < 16 else POST)
    if hour < 4 and today in full_days:
        assert change.session is OVERNIGHT
    if hour >= 20:
        assert change.session is (OVERNIGHT if trading_days(tomorrow, tomorrow) else CLOSED)
    if 4 <= hour < 20 and not trading_days(today, today):
        assert change.session is CLOSED
    assert wall.weekday() < 5 or change.session in (CLOSED, OVERNIGHT)


@settings(max_examples=150, deadline=None)
@given(moments, which)
def test_a_closure_is_known_when_it_counts_and_gone_when_it_ends(start_ns, extended):
    """Every gap of more than a night is announced by a change no later than its step, and carried until its end."""
    changes = session_changes(start_ns, start_ns + 15 * 24 * 3_600_000_000_000, extended=extended)
    days = trading_days(
        new_york_date(start_ns) + timedelta(days=3), new_york_date(start_ns) + timedelta(days=14)
    )
    for before, last, after in zip(days, days[1:], days[2:], strict=False):
        if after.date - last.date == timedelta(days=1):
            continue
        carried = [change for change in changes if change.closure_step_ns == before.close_ns]
        reopening = min(span.start_ns for span in spans(after.date, after.date, extended=extended))
        assert carried[-1].next_time_ns == reopening == carried[0].closure_end_ns
        assert len({closure_of(change) for change in carried}) == 1
        assert carried[0].closure_ramp_from_ns == last.close_ns - 9_000 * 10**9
        assert carried[0].closure_ramp_to_ns == last.close_ns - 1_800 * 10**9
        earlier_closure_runs = before.date + timedelta(days=1) != last.date
        assert carried[0].time_ns <= before.close_ns or earlier_closure_runs
