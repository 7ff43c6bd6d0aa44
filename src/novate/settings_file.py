"""Settings that a person writes, from a TOML file to a checked structure.

    read_settings("bridge.toml", BridgeSettings, "bridge's")

Responsible for: one clear error for a file that is missing, is no TOML, or says what the structure does not take. Never: knows what a setting
means, or whether settings fit each other.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from novate.errors import ConfigError

_T = TypeVar("_T")


def read_settings(source: Path | str | Mapping[str, Any], kind: type[_T], whose: str) -> _T:
    """Settings of a `kind` from a TOML file, TOML text (anything with a line break) or a mapping. `whose` is how an error calls them.

    Raises ConfigError with the file, or the place in it.
    """
    try:
        return msgspec.convert(_said(source), kind)
    except FileNotFoundError as error:
        raise ConfigError(
            f"There is no file {source} with the {whose} settings.", file=str(source)
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"The {whose} settings can't be used: {error}.") from error


def _said(source: Path | str | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(source, Mapping):
        return source
    if isinstance(source, str) and "\n" in source:
        return tomllib.loads(source)
    return tomllib.loads(Path(source).read_text(encoding="utf-8"))
