"""Orders beyond the plain ones: stops, time in force, batches, packages, auctions, blocks, quotes: commands 400 to 449.

Responsible for: names, numbers, order and meaning of the fields. Never decides a rule: that is the engine's. The same definitions stand in
`crates/novate-core/src/command/orders.rs`; a test compares them.
"""

from novate.messages.fields import Command

COMMANDS: tuple[type[Command], ...] = ()
"""By number."""
