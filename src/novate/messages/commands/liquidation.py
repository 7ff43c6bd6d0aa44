"""Backstop, insurance, auto-deleveraging, loss sharing and recovery: commands 800 to 849.

Responsible for: names, numbers, order and meaning of the fields. Never decides a rule: that is the engine's. The same definitions stand in
`crates/novate-core/src/command/liquidation.rs`; a test compares them.
"""

from novate.messages.fields import Command

COMMANDS: tuple[type[Command], ...] = ()
"""By number."""
