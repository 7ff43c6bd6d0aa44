"""Corporate actions: schedule, effect, receivables and corrections: commands 1200 to 1249.

Responsible for: names, numbers, order and meaning of the fields. Never decides a rule: that is the engine's. The same definitions stand in
`crates/novate-core/src/command/corporate.rs`; a test compares them.
"""

from novate.messages.fields import Command

COMMANDS: tuple[type[Command], ...] = ()
"""By number."""
