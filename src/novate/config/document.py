"""A configuration file as sections of raw values, each value read under its key, every mistake named with its place.

Responsible for: TOML to sections, overrides on top, unknown and missing keys, wrong types. Never: knows what the values
mean together (`build`), or fills in what is not there.

A section is named as people find it in the file: `venue`, `class.mega_cap`, and for entries of a list the value that
names the entry: `underlying.NVDA`, `dated_row.2020-03-12`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from novate import units
from novate.config.keys import AREAS, TEXT, Key, Value
from novate.errors import ConfigError, UnitError

Raw = Mapping[str, object]
_LISTS: Final = {"bucket": "name", "dated_row": "date", "underlying": "name", "broker": "name"}
"""Lists of entries, and the key that names an entry."""
_AREAS: Final = tuple(AREAS)
"""Sections that stand once, each the parameters of one area of the venue."""
_TABLES: Final = ("class", "spot_terms", "perp_terms", "stablecoin", "issuance", "pool")
"""Tables of named tables."""


def refuse(section: str, key: str, value: object, expected: str) -> NoReturn:
    """Raises the ConfigError of one value: where it is, what it is, what is expected."""
    raise ConfigError(
        f"[{section}] {key} = {shown(value)}: expected {expected}.",
        section=section,
        key=key,
        value=shown(value),
        expected=expected,
    )


def shown(value: object) -> str:
    """A raw value the way a TOML file writes it, short."""
    text = (
        f'"{value}"'
        if isinstance(value, str)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(slots=True)
class Section:
    """One section: raw values by key, those of `template` where it has none itself."""

    name: str
    raw: dict[str, object]
    template: Section | None = None

    def has(self, key: str) -> bool:
        """Whether the section itself, not its template, holds the key."""
        return key in self.raw

    def place(self, key: str) -> str:
        """Name of the section that holds the key: this one or its template."""
        return self.name if self.template is None or key in self.raw else self.template.name

    def get(self, key: str) -> object:
        """The raw value; None where neither holds the key."""
        return self.raw.get(key, self.template.get(key) if self.template else None)

    def only(self, keys: Iterable[str], why: str = "") -> None:
        """Raises ConfigError at the first key of the section itself that is not among these."""
        known = list(keys)
        for key, value in self.raw.items():
            if key not in known:
                refuse(
                    self.name, key, value, why or f"one of the keys {', '.join(known)}; this one is unknown"
                )

    def read(self, key: Key) -> Value:
        """The value of a key. Raises ConfigError: missing, a float, a wrong type, or text that does not fit."""
        raw = self.get(key.name)
        if raw is None:
            also = f" (class {self.template.name.partition('.')[2]} has none either)" if self.template else ""
            raise ConfigError(
                f"[{self.name}] {key.name} is missing{also}: expected {key.kind.expected}.",
                section=self.name,
                key=key.name,
                value=None,
                expected=key.kind.expected,
            )
        try:
            return key.kind.read(raw)
        except UnitError:
            what = "a float is never exact; " if isinstance(raw, float) else ""
            refuse(self.place(key.name), key.name, raw, what + key.kind.expected)

    def scaled(self, key: Key, decimals: int) -> int:
        """The value of a key as an integer with so many decimals. Raises ConfigError where it has more."""
        value = self.read(key)
        try:
            return units.scaled(value, decimals)
        except UnitError:
            refuse(
                self.place(key.name),
                key.name,
                self.get(key.name),
                f"at most {decimals} decimals, inside 64 bits",
            )

    def name_of(self, key: str, known: Iterable[str]) -> str:
        """The value of a key that names something else in the file. Raises ConfigError where that does not exist."""
        names = list(known)
        value = self.get(key)
        if value is None:
            self.read(Key(key, key, TEXT))
        if not isinstance(value, str) or value not in names:
            refuse(self.place(key), key, value, f"one of {', '.join(names) or 'none: the file lists none'}")
        return value


@dataclass(slots=True)
class Document:
    """All sections of a file by kind, in the order of the file."""

    venue: Section
    areas: dict[str, Section] = field(default_factory=dict)
    entries: dict[str, dict[str, Section]] = field(default_factory=dict)

    def area(self, name: str) -> Section:
        """The parameters of an area; empty when the file has none, so that the first key is missed."""
        return self.areas.setdefault(name, Section(name, {}))

    def of(self, kind: str) -> dict[str, Section]:
        """The sections of a kind by name."""
        return self.entries.get(kind, {})


def read_document(source: Path | str, overrides: Mapping[str, Raw]) -> Document:
    """The sections of a TOML file, or of TOML text (anything with a line break), with `overrides` put on top.

    `overrides` maps the name of a section that exists to keys and values that replace or add to its own.
    Raises ConfigError: no such file, not TOML, an unknown section, an entry without a name or with one that is taken.
    """
    content = _toml(source)
    document = Document(Section("venue", {}))
    for kind, value in content.items():
        if kind == "venue":
            document.venue = Section("venue", _table(value, "venue"))
        elif kind in _AREAS:
            document.areas[kind] = Section(kind, _table(value, kind))
        elif kind in _LISTS:
            document.entries[kind] = _list(kind, value)
        elif kind in _TABLES:
            tables = _table(value, kind).items()
            document.entries[kind] = {
                name: Section(f"{kind}.{name}", _table(entry, f"{kind}.{name}")) for name, entry in tables
            }
        else:
            known = ("venue", *_AREAS, *_LISTS, *_TABLES)
            raise ConfigError(
                f"[{kind}] is unknown: expected one of the sections {', '.join(known)}.", section=kind
            )
    for name, values in overrides.items():
        section = _section(document, name)
        if (key := _LISTS.get(name.partition(".")[0])) in values:
            refuse(name, str(key), values[str(key)], "no override: it names the section")
        section.raw.update(values)
    return document


def _toml(source: Path | str) -> dict[str, object]:
    is_text = isinstance(source, str) and "\n" in source
    text = str(source) if is_text else file_text(Path(source))
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        origin = "text" if is_text else f"file {source}"
        raise ConfigError(f"The configuration {origin} is not TOML: {error}.") from None


def file_text(path: Path) -> str:
    """The text of a configuration file. Raises ConfigError: it is not there, or can't be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"There is no configuration file {path}.", file=str(path)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The configuration file {path} cannot be read: {error}.", file=str(path)
        ) from error


def _table(value: object, name: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ConfigError(
            f"{name} = {shown(value)}: expected a section [{name}].", section=name, value=shown(value)
        )
    return dict(value)


def _list(kind: str, value: object) -> dict[str, Section]:
    """The entries of a list by the value of their naming key."""
    if not isinstance(value, list):
        raise ConfigError(f"{kind}: expected a list of entries, each headed [[{kind}]].", section=kind)
    out: dict[str, Section] = {}
    for number, entry in enumerate(value, 1):
        raw = _table(entry, f"{kind} {number}")
        name = raw.get(_LISTS[kind])
        if not isinstance(name, str) or not name:
            refuse(f"{kind} {number}", _LISTS[kind], name, "text in quotes that names the entry")
        if name in out:
            refuse(f"{kind}.{name}", _LISTS[kind], name, "a name that no earlier entry has")
        out[name] = Section(f"{kind}.{name}", raw)
    return out


def _section(document: Document, name: str) -> Section:
    kind, _, entry = name.partition(".")
    singles = {"venue": document.venue, **document.areas}
    found = singles.get(name) or document.of(kind).get(entry)
    if found is None:
        raise ConfigError(f"There is no section [{name}] to override.", section=name)
    return found
