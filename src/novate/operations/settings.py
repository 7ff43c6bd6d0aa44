"""The file of a venue's processes: one TOML, read into one value, each mistake named with key, value and what is expected.

    [process]
    venue = "example-venue"
    port = 8080
    [process.keepers]               # or keepers = "keepers.toml"
    [[process.keepers.feed]]
    [venue]                         # the listing may stand in the same file, or be named: listing = "listing.toml"

Responsible for: names, defaults, bounds, and paths relative to the file. Never: starts anything, holds a secret (files name
environment variables), or knows a parameter of the listing: that is `novate.config`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NoReturn

import msgspec

from novate.config import Listing, load_listing, packaged_listing
from novate.config.document import file_text, refuse
from novate.errors import ConfigError, UnitError
from novate.identity.certificates import FOLDER as CERTIFICATES
from novate.keepers.settings import KeeperSettings, load_settings
from novate.units import duration_ns

FILE: Final = "venue.toml"
"""Name of the file in a venue's directory."""
SECTION: Final = "process"
DEVELOPMENT: Final = "novate-dev"
"""Id of every venue for development: nothing signed for it holds elsewhere."""
LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})
PACKAGED: Final = "packaged"
_HEADER: Final = re.compile(r"\s*\[\[?\s*\"?([A-Za-z0-9_-]+)")
_SECOND: Final = 10**9


class AdminSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[process.admin]`: the door of the venue's own people, with TLS in which both sides show a certificate.

    Attributes:
        host: Where it listens.
        port: Of HTTPS; the WebSocket has the next one.
        certificates: Folder of the venue's authority and the door's certificate, relative to the file; empty for the one in the home.
    """

    host: Annotated[str, msgspec.Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65_534)] = 8070
    certificates: str = ""


class ProcessSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[process]`: what runs for a venue, and where.

    Attributes:
        home: Directory of journal, keys and sockets, relative to the file.
        venue: The venue's id, part of every signature.
        chain_id: Chain that wallets sign for.
        host: Where gateways listen.
        port: Of HTTP; the WebSocket has the next, a further gateway the next but one.
        gateways: How many gateway processes.
        behind_tls: Whether a proxy in front of the gateways encrypts; needed to listen beyond this machine.
        proxies: Addresses of proxies: believed on whom they speak for (X-Forwarded-For), and not counted.
        connections_per_address: HTTP and WebSocket together, of one gateway.
        database: URL of the read models; SQLite in the home where it is empty.
        listing: What an empty venue lists: `packaged`, or a file; the sections of this file where it has some.
        keepers: Their settings, here or in a file of their own.
        keeper: Key of the keepers and of who resumes the venue; 0 where none was made.
        realtime: Whether the core runs before all processes that are not real-time.
        snapshot: Time between snapshots; "0 s" for none.
        standby: Whether the core ships its journal to a standby: `none`, `async` (never waited for), or `sync` (answers only what it has, too).
        standby_lost: With `sync`, once the standby is gone: `refuse` commands until it is back, or `continue` without it, loudly.
        standby_wait: Time until a silent standby counts as gone.
        ship_from: HOST:PORT to ship from by TCP beside the socket in the home; encrypted under standby.key.
        events: How long events are kept to be told again; "0 s" for not at all.
        metrics_port: Of metrics and health, on this machine alone; 0 for none.
        log: How supervisor and processes say what happens: `text`, or `json` for a line of JSON each.
        backup: Where backups go.
        admin: The door of the venue's own people; without it the gateways serve them too, which a real venue refuses.
    """

    home: str = "."
    venue: Annotated[str, msgspec.Meta(max_length=64, pattern="^[!-~]*$")] = ""
    chain_id: Annotated[int, msgspec.Meta(ge=1)] = 1
    host: Annotated[str, msgspec.Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65_000)] = 8080
    gateways: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    behind_tls: bool = False
    proxies: Annotated[tuple[Annotated[str, msgspec.Meta(min_length=2)], ...], msgspec.Meta(min_length=1)] = (
        "127.0.0.1",
        "::1",
    )
    connections_per_address: Annotated[int, msgspec.Meta(ge=1)] = 512
    database: str = ""
    listing: str = ""
    keepers: str | KeeperSettings = ""
    keeper: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    realtime: bool = False
    snapshot: str = "5 min"
    standby: Literal["none", "async", "sync"] = "none"
    standby_lost: Literal["refuse", "continue"] = "refuse"
    standby_wait: str = "5 s"
    ship_from: Annotated[str, msgspec.Meta(pattern="^(.+:[0-9]{1,5})?$")] = ""
    events: str = "7 d"
    metrics_port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    log: Literal["text", "json"] = "text"
    backup: str = ""
    admin: AdminSettings | None = None

    @property
    def ports(self) -> range:
        """Every port of the gateways."""
        return range(self.port, self.port + 2 * self.gateways)

    @property
    def snapshot_s(self) -> int:
        """Seconds between snapshots; 0 for none. Raises ConfigError."""
        return self._seconds("snapshot")

    @property
    def events_s(self) -> int:
        """Seconds that events are kept; 0 for not at all. Raises ConfigError."""
        return self._seconds("events")

    def _seconds(self, key: str) -> int:
        """A duration of whole seconds. Raises ConfigError."""
        seconds, rest = divmod(self._duration(key), _SECOND)
        if rest or seconds < 0:
            raise ConfigError(
                f'[{SECTION}] {key} = "{getattr(self, key)}": expected whole seconds.',
                section=SECTION,
                key=key,
            )
        return seconds

    @property
    def standby_wait_s(self) -> float:
        """Seconds until a silent standby counts as gone. Raises ConfigError."""
        seconds = self._duration("standby_wait") / _SECOND
        if seconds <= 0:
            raise ConfigError(
                f'[{SECTION}] standby_wait = "{self.standby_wait}": expected more than nothing.',
                section=SECTION,
                key="standby_wait",
            )
        return seconds

    def _duration(self, key: str) -> int:
        try:
            return duration_ns(getattr(self, key), key)
        except UnitError as error:
            raise ConfigError(f"[{SECTION}] {error.sentence}.", section=SECTION, key=key) from error


_EXPECTED: Final = {
    "home": "a directory in quotes",
    "venue": 'an id of 1 to 64 printable ASCII characters without blanks, such as "example-venue"',
    "chain_id": "the number of a chain, 1 or more",
    "host": 'an address in quotes such as "127.0.0.1"',
    "port": "a port from 1 to 65,000; the WebSocket has the next one",
    "gateways": "1 to 64 processes",
    "behind_tls": "true or false",
    "proxies": 'addresses such as ["127.0.0.1"], at least one',
    "connections_per_address": "a whole number, 1 or more",
    "database": 'a URL in quotes such as "postgresql+psycopg://user@host/db", or "" for SQLite in the home',
    "listing": '"packaged", or the path of a file',
    "keepers": "the path of a file in quotes, or a table [process.keepers]",
    "keeper": "the number of a key, 0 or more",
    "realtime": "true or false",
    "snapshot": 'a duration such as "5 min", or "0 s" for none',
    "standby": '"none", "async" or "sync"',
    "standby_lost": '"refuse" or "continue"',
    "standby_wait": 'a duration such as "5 s"',
    "ship_from": 'an address such as "10.0.0.1:7700", or "" for the socket in the home alone',
    "events": 'a duration such as "7 d", or "0 s" for not at all',
    "metrics_port": "a port from 1 to 65,535, or 0 for none",
    "log": '"text" or "json"',
    "backup": "a directory in quotes",
    "admin": "a table [process.admin] with host, port and certificates; its two ports are no gateway's",
}
"""Key to what is expected of it, in the words of an error."""


class VenueFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file as read.

    Attributes:
        path: Where it is.
        process: Its `[process]`.
        listing_text: The sections of a listing that stand in it, as TOML; empty where there are none.
    """

    path: Path
    process: ProcessSettings
    listing_text: str = ""

    @property
    def home(self) -> Path:
        """The venue's home."""
        return self._beside(self.process.home)

    @property
    def certificates(self) -> Path:
        """Folder of the admin door's certificates."""
        named = self.process.admin.certificates if self.process.admin is not None else ""
        return self._beside(named) if named else self.home / CERTIFICATES

    @property
    def backup(self) -> Path | None:
        """Where backups go."""
        return self._beside(self.process.backup) if self.process.backup else None

    @property
    def listing(self) -> Path | str | None:
        """What an empty venue lists, as `load_listing` takes it: a path, or text; None for what is packaged."""
        named = self.process.listing
        if named and named != PACKAGED:
            return self._beside(named)
        return self.listing_text or None

    @property
    def keepers_path(self) -> Path | None:
        """The file in which the keepers' settings stand: this one, or their own; None where there are none."""
        match self.process.keepers:
            case KeeperSettings():
                return self.path
            case "":
                return None
            case named:
                return self._beside(named)

    def keepers(self) -> KeeperSettings | None:
        """The keepers' settings, checked. Raises ConfigError."""
        return None if self.keepers_path is None else keeper_settings(self.keepers_path)

    def load_listing(self, **options: Any) -> Listing:
        """What the venue lists, shown to the engine. Raises ConfigError."""
        source = self.listing
        return packaged_listing(**options) if source is None else load_listing(source, **options)

    def check(self) -> Listing:
        """Reads everything that the file names. Raises ConfigError at the first mistake; returns the listing."""
        _ = self.process.snapshot_s, self.process.events_s, self.process.standby_wait_s
        self.keepers()
        return self.load_listing()

    def _beside(self, path: str) -> Path:
        return self.path.parent / path


def certificates_of(directory: Path) -> Path:
    """Folder of the admin door's certificates: where venue.toml in `directory` says, else in it. Raises ConfigError."""
    file = directory / FILE
    return load_venue(file).certificates if file.is_file() else directory / CERTIFICATES


def load_venue(path: Path) -> VenueFile:
    """The file of a venue's processes.

    Raises ConfigError: no such file, not TOML, a key that is unknown or holds what it can't, a listing that stands here and elsewhere.
    """
    text = file_text(path)
    content = _toml(text, path)
    if SECTION not in content:
        raise ConfigError(
            f"{path} has no section [{SECTION}]: it says nothing about processes.", file=str(path)
        )
    process = process_settings(content.pop(SECTION))
    if not content:
        return VenueFile(path=path, process=process)
    if process.listing:
        raise ConfigError(
            f'[{SECTION}] listing = "{process.listing}", but {path.name} has [{next(iter(content))}] itself: expected one of the two.',
            section=SECTION,
            key="listing",
        )
    cut = _without_process(text)
    if _toml(cut, path) != content:
        raise ConfigError(
            f"{path.name}: expected [{SECTION}] and its tables apart from those of the listing.",
            file=str(path),
        )
    return VenueFile(path=path, process=process, listing_text=cut + "\n")


def section_names(path: Path) -> frozenset[str]:
    """The sections of a TOML file. Raises ConfigError."""
    return frozenset(_toml(file_text(path), path))


def process_settings(raw: object) -> ProcessSettings:
    """`[process]` from what TOML holds. Raises ConfigError with key, value and what is expected; an unknown key with the nearest known."""
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{SECTION}: expected a section [{SECTION}].", section=SECTION)
    known = ProcessSettings.__struct_fields__
    for key, value in raw.items():
        if key not in known:
            near = get_close_matches(key, known, n=1)
            _refuse(
                key,
                value,
                f"a known key{f', such as {near[0]}' if near else ''}; there are {', '.join(known)}",
            )
        if key == "keepers" and isinstance(value, Mapping):
            continue
        try:
            msgspec.convert({key: value}, ProcessSettings)
        except msgspec.ValidationError:
            _refuse(key, value, _EXPECTED[key])
    keepers = raw.get("keepers")
    if isinstance(keepers, Mapping):
        raw = {**raw, "keepers": load_settings(keepers)}
    settings = msgspec.convert({k: v for k, v in raw.items() if k != "keepers"}, ProcessSettings)
    settings = msgspec.structs.replace(settings, keepers=raw.get("keepers", ""))
    _ = settings.snapshot_s, settings.events_s, settings.standby_wait_s
    if settings.admin is not None and {settings.admin.port, settings.admin.port + 1} & set(settings.ports):
        _refuse("admin", raw["admin"], _EXPECTED["admin"])
    return settings


def keeper_settings(path: Path) -> KeeperSettings:
    """The keepers' settings of a file: its `[process.keepers]`, or the whole file where that is theirs. Raises ConfigError."""
    content = _toml(file_text(path), path)
    process = content.get(SECTION)
    if isinstance(process, Mapping):
        return load_settings(process.get("keepers", {}))
    return load_settings(content)


def _refuse(key: str, value: object, expected: str) -> NoReturn:
    refuse(SECTION, key, value, expected)


def _toml(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"The configuration file {path} is not TOML: {error}.", file=str(path)) from None


def _without_process(text: str) -> str:
    """The text without the lines of `[process]` and its tables."""
    kept, inside = [], False
    for line in text.splitlines():
        if header := _HEADER.match(line):
            inside = header[1] == SECTION
        if not inside:
            kept.append(line)
    return "\n".join(kept)
