"""What every command of `novate` takes, and how it says what came of it.

Responsible for: the options that all have, words for people on standard error, one JSON object for programs on standard output. Never: knows
what a command does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click
from rich.console import Console

_F = TypeVar("_F", bound=Callable[..., Any])
JSON: Final = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object on the last line of output."
)
_TRACEBACK: Final = click.option(
    "--traceback", is_flag=True, expose_value=False, help="Show where an error arose."
)


def common(command: _F) -> _F:
    """Options of every command: `--json`, which it gets as `as_json`, and `--traceback`."""
    return _TRACEBACK(JSON(command))


def terminal() -> Console:
    """Where people are told: standard error, plain where it is no terminal."""
    return Console(stderr=True, highlight=False)


def say(words: str) -> None:
    """One sentence for people, as it is."""
    terminal().print(words, markup=False, soft_wrap=True)


def result(value: Mapping[str, object], plain: Callable[[Any], object] | None = None) -> None:
    """The one object of `--json`, on a line of its own; `plain` makes of a value that JSON has not what it has."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=plain) + "\n")
    sys.stdout.flush()
