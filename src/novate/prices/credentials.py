"""Secrets that files name and do not hold: an environment variable, or the file that the variable with `_FILE` behind its name points to.

    DESK_SECRET=...                      read once, at the start of the process
    DESK_SECRET_FILE=/etc/novate/desk    read whenever it is needed: it can be rotated while the process runs

A file has a line for each secret that is good: while one is rotated the new one stands first and the old one behind it.

Responsible for: where a secret is. Never: keeps one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from novate.errors import ConfigError


def credentials(variable: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The secrets of a variable, the one in use first; none where it is not set. Raises ConfigError for a file that can't be read or is empty."""
    path = environment.get(f"{variable}_FILE", "") if variable else ""
    if not path:
        value = environment.get(variable, "") if variable else ""
        return (value,) if value else ()
    try:
        lines = [said for line in Path(path).read_text(encoding="utf-8").splitlines() if (said := line.strip())]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{variable}_FILE={path} can't be read: {error}.", file=path) from None
    if not lines:
        raise ConfigError(f"{variable}_FILE={path} holds no secret.", file=path)
    return tuple(lines)
