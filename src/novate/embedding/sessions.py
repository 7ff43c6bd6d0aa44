"""Sessions as people say them, as columns for the engine: a name, one per date, one per underlying, or the exchange's calendar.

Responsible for: which session, with which closure ahead, holds for each moment and underlying. Never puts a multiplier on anything.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from novate import calendar
from novate.calendar import Session
from novate.embedding.columns import UNDATED
from novate.embedding.instruments import Instruments
from novate.errors import DataError
from novate.messages.reports.portfolios import AS_IT_IS, SessionRow

FAR: Final = 7_258_118_399_000_000_000
"""Just before the last time that the engine takes: a closure that has not ended, a change that nobody has announced."""
CALENDAR: Final = "calendar"
NAMES: Final[Mapping[str, SessionRow]] = {
    "regular": SessionRow(Session.REGULAR),
    "pre": SessionRow(Session.PRE),
    "post": SessionRow(Session.POST),
    "overnight": SessionRow(Session.OVERNIGHT),
    "closed": SessionRow(Session.CLOSED),
    "halted": SessionRow(Session.HALTED),
    "before_weekend": SessionRow(Session.REGULAR, 1, FAR, FAR, FAR),
    "weekend": SessionRow(Session.CLOSED, 1, 1, 1, FAR),
}
"""`closed` is a night; `before_weekend` is the last regular session before a closure (initial counts it, maintenance not yet), and
`weekend` the closure itself, a holiday's too, at every level."""
EXPECTED: Final = f"one of {', '.join(NAMES)}, or {CALENDAR}"
_REGULAR: Final = NAMES["regular"]
_MORNING: Final = time(12)


def session_columns(
    session: Any,
    dates: Sequence[Any],
    names: Sequence[str],
    instruments: Instruments,
    open_always: frozenset[str],
) -> tuple[NDArray[np.int64], tuple[SessionRow, ...], NDArray[np.uint16]]:
    """Times, distinct sessions, and the place of each moment's and underlying's session among them.

    `session`: a name for every moment; a series or mapping of date to name, or of underlying to name (others regular); or a frame
    of dates by underlyings. Names that never close (`open_always`) are regular unless they are named themselves. None leaves
    all sessions as the engine has them.

    Raises DataError: a name that no session has, a date without one, `calendar` without dates.
    """
    times = np.zeros(len(dates), dtype=np.int64)
    if session is None:
        return times, (), np.full((len(dates), len(names)), AS_IT_IS, dtype=np.uint16)
    if isinstance(session, pd.DataFrame):
        cells = [_by_underlying(dict(_at(session, date)), names, instruments) for date in dates]
    elif isinstance(session, Mapping | pd.Series):
        told = dict(session)
        if told and all(key in instruments.underlyings for key in told):
            cells = [_by_underlying(told, names, instruments)] * len(dates)
        else:
            series = pd.Series(told)
            cells = [dict.fromkeys(names, str(_at(series, date))) for date in dates]
            cells = [_with_open(cell, open_always) for cell in cells]
    else:
        cells = [_with_open(dict.fromkeys(names, session), open_always)] * len(dates)
    moments = _calendar(dates) if any(CALENDAR in cell.values() for cell in cells) else {}
    rows: dict[SessionRow, int] = {}
    places = np.zeros((len(dates), len(names)), dtype=np.uint16)
    for at, cell in enumerate(cells):
        for place, name in enumerate(names):
            row = _row(cell[name], at, moments)
            places[at, place] = rows.setdefault(row, len(rows))
        if CALENDAR in cell.values():
            times[at] = moments[at][0]
    return times, tuple(rows), places


def _with_open(cell: dict[str, Any], open_always: frozenset[str]) -> dict[str, Any]:
    return {name: "regular" if name in open_always else said for name, said in cell.items()}


def _by_underlying(told: Mapping[Any, Any], names: Sequence[str], instruments: Instruments) -> dict[str, Any]:
    for name in told:
        if name not in instruments.underlyings:
            known = ", ".join(instruments.underlyings)
            raise DataError(
                f"session names {name!r}, which is no underlying; there are {known}.", value=str(name)
            )
    return {name: told.get(name, "regular") for name in names}


def _at(table: Any, date: Any) -> Any:
    """The row of a date, which must be there once."""
    if date == UNDATED:
        raise DataError(
            "session is by date, but prices are not: expected a frame of prices with a row per date."
        )
    if date not in table.index or not table.index.is_unique:
        raise DataError(
            f"session has no entry for {date}: expected exactly one per date of prices.", row=str(date)
        )
    return table.loc[date]


def _row(said: Any, at: int, moments: Mapping[int, tuple[int, SessionRow]]) -> SessionRow:
    if said == CALENDAR:
        return moments[at][1]
    if said not in NAMES:
        raise DataError(f"session = {said!r}: expected {EXPECTED}.", value=str(said))
    return NAMES[said]


def _calendar(dates: Sequence[Any]) -> dict[int, tuple[int, SessionRow]]:
    """The New York Stock Exchange's session and closure at each date.

    Times with a zone are taken as they are, days a second before their close, and at noon where nothing trades.
    """
    if not all(isinstance(date, datetime) for date in dates):
        raise DataError(
            "session = 'calendar' needs prices by date: a frame with a DatetimeIndex, not one price per underlying."
        )
    moments = [_moment(date) for date in dates]
    first, last = min(moments), max(moments)
    changes = calendar.session_changes(first, last + 1, extended=True)
    starts = [change.time_ns for change in changes]
    found = {}
    for at, moment in enumerate(moments):
        change = changes[bisect_right(starts, moment) - 1]
        closure = (
            change.closure_step_ns,
            change.closure_ramp_from_ns,
            change.closure_ramp_to_ns,
            change.closure_end_ns,
        )
        ended = closure[3] <= moment
        found[at] = (moment, SessionRow(change.session, *((0, 0, 0, 0) if ended else closure)))
    return found


def _moment(date: datetime) -> int:
    if date.tzinfo is not None:
        return calendar.to_ns(date)
    if date.time() != time():
        raise DataError(
            f"prices has the time {date} without a zone: expected days, or times with a zone.", row=str(date)
        )
    days = calendar.trading_days(date.date(), date.date())
    if days:
        return days[0].close_ns - int(timedelta(seconds=1).total_seconds()) * calendar.SECOND_NS
    return calendar.new_york_ns(date.date(), _MORNING)
