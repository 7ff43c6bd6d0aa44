"""Closed hours, reopening, halts, outages and cancelled prints: commands 600 to 649.

Responsible for: names, numbers, order and meaning of the fields. Never decides a rule: that is the engine's. The same definitions stand in
`crates/novate-core/src/command/prices.rs`; a test compares them.
"""

from novate.messages.fields import Command

COMMANDS: tuple[type[Command], ...] = ()
"""By number."""
