"""Issuance and redemption: quotes, requests, broker legs, backing: events 950 to 999.

Responsible for: names, numbers, order and meaning of the fields. Never decides anything: that is the engine's. The same definitions stand in
`crates/novate-core/src/event/clearing.rs`; a test compares them.
"""

from novate.messages.fields import Event

EVENTS: tuple[type[Event], ...] = ()
"""By number."""
