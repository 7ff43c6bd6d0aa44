"""Closed hours, reopening, halts, outages and cancelled prints: events 650 to 699.

Responsible for: names, numbers, order and meaning of the fields. Never decides anything: that is the engine's. The same definitions stand in
`crates/novate-core/src/event/prices.rs`; a test compares them.
"""

from novate.messages.fields import Event

EVENTS: tuple[type[Event], ...] = ()
"""By number."""
