"""The event log: what the venue told, kept for seven days or as long as is wished, and an account's events from any number on.

    layout     the bytes of segments, records and indexes, and the walk over events
    segment    one segment: places of events in memory while it grows, in an index once it is complete
    log        the segments of a home: appended, read, cut, forgotten

Written by the reader process, which has the events of every durable frame. docs/internals/event-log.md says what holds after a kill.
"""

from novate.event_log.log import DIRECTORY, KEPT_S, EventLog, EventLogPlan, EventLogStopped, Page, log_end
from novate.event_log.segment import EventsDamaged

__all__ = [
    "DIRECTORY",
    "KEPT_S",
    "EventLog",
    "EventLogPlan",
    "EventLogStopped",
    "EventsDamaged",
    "Page",
    "log_end",
]
