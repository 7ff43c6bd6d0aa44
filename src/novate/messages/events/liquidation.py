"""Backstop, insurance, auto-deleveraging, loss sharing and recovery: events 850 to 899.

Responsible for: names, numbers, order and meaning of the fields. Never decides anything: that is the engine's. The same definitions stand in
`crates/novate-core/src/event/liquidation.rs`; a test compares them.
"""

from novate.messages.fields import Event

EVENTS: tuple[type[Event], ...] = ()
"""By number."""
