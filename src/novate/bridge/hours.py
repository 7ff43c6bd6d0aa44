"""When a long closure is near: from so long before the last session that hedges, until trading begins again.

Responsible for: that window, by the exchange's own calendar. Never: a clock.
"""

from __future__ import annotations

from typing import Final

from novate import calendar
from novate.bridge.machine import Closure
from novate.calendar import Session

LONG_NS: Final = 12 * 3_600 * calendar.SECOND_NS
"""A closure is long when it lasts longer: a weekend or a holiday, not a night."""
_AHEAD_NS: Final = 8 * 86_400 * calendar.SECOND_NS
_BACK_NS: Final = 5 * 86_400 * calendar.SECOND_NS


def closure(now_ns: int, before_ns: int, extended: calendar.Extended = True) -> Closure | None:
    """The long closure that is on or comes next, of a name whose tokens are made and unmade in regular sessions.

    It begins `before_ns` before the end of the last regular session; None where none comes in a week.
    """
    changes = calendar.session_changes(now_ns - _BACK_NS, now_ns + _AHEAD_NS, extended=extended)
    last_close = 0
    for change in changes:
        if change.session is Session.REGULAR:
            last_close = change.next_time_ns
        if change.session is not Session.CLOSED or not last_close:
            continue
        ends = change.next_time_ns
        if ends - change.time_ns > LONG_NS and ends > now_ns:
            return Closure(last_close - before_ns, ends)
    return None
