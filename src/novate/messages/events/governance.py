"""Roles, proposals, eligibility, freezes, limits and releases: events 1050 to 1099.

Responsible for: names, numbers, order and meaning of the fields. Never decides anything: that is the engine's. The same definitions stand in
`crates/novate-core/src/event/governance.rs`; a test compares them.
"""

from novate.messages.fields import Event

EVENTS: tuple[type[Event], ...] = ()
"""By number."""
