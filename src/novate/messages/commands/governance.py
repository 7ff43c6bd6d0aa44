"""Roles, proposals, eligibility, freezes, limits and releases: commands 1000 to 1049.

Responsible for: names, numbers, order and meaning of the fields. Never decides a rule: that is the engine's. The same definitions stand in
`crates/novate-core/src/command/governance.rs`; a test compares them.
"""

from novate.messages.fields import Command

COMMANDS: tuple[type[Command], ...] = ()
"""By number."""
