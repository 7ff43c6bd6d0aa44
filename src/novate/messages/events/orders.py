"""Orders beyond the plain ones: stops, time in force, batches, packages, auctions, blocks, quotes: events 450 to 499.

Responsible for: names, numbers, order and meaning of the fields. Never decides anything: that is the engine's. The same definitions stand in
`crates/novate-core/src/event/orders.rs`; a test compares them.
"""

from novate.messages.fields import Event

EVENTS: tuple[type[Event], ...] = ()
"""By number."""
