"""The launch checklist: what must be so before a venue may be real, each line red, yellow or green, with what to do.

    lines = checklist(file)
    is_red(lines)           # then `novate up` refuses, unless the venue is for development

Responsible for: looking, and one sentence of advice a line. Never: changes anything, or passes a line it could not look at: that is red.
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from novate.errors import ConfigError, NovateError
from novate.identity import VENUE, IdentityStore, KeyRecord
from novate.identity.certificates import Certificates
from novate.identity.sealing import KEY_FILE, Seal
from novate.journal.recovery import HomePaths, frames_after
from novate.journal.scan import segment_paths
from novate.journal.snapshots import snapshot_paths
from novate.messages import ConfigureVenue, iter_commands
from novate.messages.codes import Role
from novate.operations.settings import DEVELOPMENT, LOCAL_HOSTS, VenueFile
from novate.prices.credentials import credentials

GIB: Final = 1 << 30
LEAST_ROOM: Final = 5 * GIB
"""Below: segments of the journal, a quarter GiB each, would fill the disk within hours of a busy venue."""
GOOD_ROOM: Final = 20 * GIB
LEAST_SOURCES: Final = 2
"""What a production venue's prices are confirmed by."""
PEOPLE: Final = 2
_BEGINNING: Final = 64
"""A journal says within so many commands whether it is a production venue's."""
_UNSYNCHRONISED: Final = 5
_CAP_SYS_NICE: Final = 1 << 23
_DAY_NS: Final = 86_400 * 10**9
_SOON_NS: Final = 14 * _DAY_NS
"""A certificate that ends earlier is told of."""
_RENEW: Final = "Issue new ones: `novate keys certificates server` and `client`."


class Light(StrEnum):
    """How a line stands.

    Attributes:
        GREEN: As it must be.
        YELLOW: Works, and is worth knowing.
        RED: The venue may not begin for real.
    """

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


class Line(msgspec.Struct, frozen=True):
    """One line.

    Attributes:
        name: What it is about; stable, for programs.
        light: How it stands.
        found: What was found, one sentence.
        advice: What to do about it; empty where nothing is to be done.
    """

    name: str
    light: Light
    found: str
    advice: str = ""


Answer = tuple[Light, str, str]
_GREEN, _YELLOW, _RED = Light.GREEN, Light.YELLOW, Light.RED


def checklist(file: VenueFile, *, dev: bool = False) -> list[Line]:
    """Every line, in the order in which an operator works through them. Raises nothing: what can't be looked at is red."""
    return [_line(name, look) for name, look in _looks(file, dev=dev)]


def is_red(lines: list[Line]) -> bool:
    """Whether a line is red."""
    return any(line.light is Light.RED for line in lines)


class NotReady(NovateError):
    """Lines of the launch checklist are red."""

    code = "not_ready"


def refuse_red(lines: list[Line]) -> None:
    """Raises NotReady with the name of every red line, and what to do."""
    red = [line for line in lines if line.light is Light.RED]
    if red:
        told = " ".join(f"{line.name}: {line.found} {line.advice}".rstrip() for line in red)
        raise NotReady(
            f"The launch checklist has {len(red)} red line{'' if len(red) == 1 else 's'}. {told}",
            red=", ".join(line.name for line in red),
        )


def _looks(file: VenueFile, *, dev: bool) -> Iterator[tuple[str, Callable[[], Answer]]]:
    yield "venue id", lambda: _venue_id(file)
    yield "real", lambda: _real(dev=dev)
    yield "listing", lambda: _listing(file)
    yield "journal", lambda: _journal(file.home)
    yield "operators", lambda: _operators(file.home)
    yield "keepers' key", lambda: _keeper(file)
    yield "price feeds", lambda: _feeds(file)
    yield "network", lambda: _network(file)
    yield "admin door", lambda: _admin(file)
    yield "permissions", lambda: _permissions(file.home)
    yield "backup", lambda: _backup(file)
    yield "disk", lambda: _disk(file.home)
    yield "clock", lambda: _clock(file.home)
    yield "real-time", lambda: _realtime(file)


def _line(name: str, look: Callable[[], Answer]) -> Line:
    try:
        return Line(name, *look())
    except NovateError as error:
        return Line(name, Light.RED, error.sentence)
    except OSError as error:
        return Line(name, Light.RED, f"It can't be looked at: {error.strerror or error}.")


def _venue_id(file: VenueFile) -> Answer:
    venue = file.process.venue
    if not venue or venue == DEVELOPMENT:
        return (
            _RED,
            f'The id is "{venue}".',
            "Give the venue an id of its own: it is part of every signature.",
        )
    return _GREEN, f'The id is "{venue}".', ""


def _real(*, dev: bool) -> Answer:
    if dev:
        return _RED, "It is for development: whoever comes may do everything.", "Start it without --dev."
    return _GREEN, "Only keys with the role may act.", ""


def _listing(file: VenueFile) -> Answer:
    listing = file.check()
    if not _is_production(listing.commands):
        return (
            _RED,
            "The listing says production = false.",
            "Set production = true in [venue] of the listing.",
        )
    return _GREEN, f"{len(listing.markets)} markets; the engine takes it, as a production venue's.", ""


def began_for_real(home: Path) -> bool | None:
    """Whether the journal of a home says that it is a production venue's; None where none has begun. Raises JournalError."""
    paths = HomePaths.of(home)
    if not segment_paths(paths.journal):
        return None
    first: list[object] = []
    for frame in frames_after(paths.journal, 0):
        first += [command.body for command in iter_commands(frame.payload)] if frame.count else []
        if len(first) >= _BEGINNING:
            break
    return _is_production(first)


def _journal(home: Path) -> Answer:
    real = began_for_real(home)
    if real is None:
        return _GREEN, "No journal yet: the venue begins with the listing.", ""
    if not real:
        return (
            _RED,
            "The journal began as a development venue's, and says so for ever.",
            "Begin in another directory.",
        )
    return _GREEN, "The journal is a production venue's.", ""


def _is_production(commands: Sequence[object]) -> bool:
    return any(isinstance(command, ConfigureVenue) and command.production for command in commands)


def keys_with(home: Path, role: Role, now_ns: int) -> list[KeyRecord]:
    """The keys in force of the venue's own people that have a role at the venue. Raises what opening the store raises."""
    if not (home / KEY_FILE).is_file() or not (home / "identity.db").is_file():
        return []
    store = IdentityStore.open(home, Seal.open(home, create=False))
    try:
        return [
            key
            for key in store.keys(VENUE)
            if not key.revoked_ns
            and (not key.terms.expires_ns or key.terms.expires_ns > now_ns)
            and any(grant.role is role and grant.account == VENUE for grant in key.terms.grants)
        ]
    finally:
        store.close()


def _operators(home: Path) -> Answer:
    found = keys_with(home, Role.OPERATOR, time.time_ns())
    names = ", ".join(f"{key.terms.label or 'no label'} (key {key.actor})" for key in found) or "none"
    # Two keys of one person look like two people here; with governance the engine knows people.
    people = {key.terms.label or str(key.actor) for key in found}
    if len(people) < PEOPLE:
        return (
            _RED,
            f"Operators: {names}.",
            "What matters takes two people: give a second one a key with the role.",
        )
    return _GREEN, f"Operators: {names}.", ""


def _keeper(file: VenueFile) -> Answer:
    keeper = file.process.keeper
    known = {key.actor for key in keys_with(file.home, Role.KEEPER, time.time_ns())}
    if not keeper or keeper not in known:
        return (
            _RED,
            f"keeper = {keeper} is no key with the keeper's role.",
            "Make one, and name it in the file.",
        )
    settings = file.keepers()
    if settings is not None and settings.actor not in {0, keeper}:
        return (
            _RED,
            f"The keepers' settings name key {settings.actor}, the venue {keeper}.",
            "Let both be the same.",
        )
    return _GREEN, f"Key {keeper} brings facts.", ""


def _feeds(file: VenueFile) -> Answer:
    settings = file.keepers()
    if settings is not None and settings.recorded is not None:
        return _RED, "Prices are recorded ones.", "Name feeds."
    sources: defaultdict[str, set[int]] = defaultdict(set)
    for feed in settings.feed if settings is not None else ():
        for symbol in feed.symbols.values():
            sources[symbol.underlying].add(symbol.source)
    few = [name for name in file.load_listing().class_of if len(sources[name]) < LEAST_SOURCES]
    if few:
        return (
            _RED,
            f"Fewer than {LEAST_SOURCES} sources for {', '.join(few)}.",
            "Add feeds: nobody confirms a lone price.",
        )
    unset = [
        variable
        for feed in (settings.feed if settings is not None else ())
        for variable in (feed.key_env, feed.secret_env)
        if variable and not credentials(variable, os.environ)
    ]
    if unset:
        return _YELLOW, f"Not set here: {', '.join(unset)}.", "Set them where the venue runs."
    return _GREEN, f"Each of {len(sources)} underlyings has {LEAST_SOURCES} sources and more.", ""


def _network(file: VenueFile) -> Answer:
    host = file.process.host
    if host in LOCAL_HOSTS:
        return _GREEN, f"Gateways listen on {host}: this machine alone.", ""
    if file.process.behind_tls:
        return _GREEN, f"Gateways listen on {host}, behind what encrypts.", ""
    return (
        _RED,
        f"Gateways listen on {host} without encryption.",
        "Put a proxy with TLS in front and say behind_tls = true, or listen on 127.0.0.1.",
    )


def _admin(file: VenueFile) -> Answer:
    """The door of the venue's people: configured, with certificates that hold, and an operator who can come through it."""
    if file.process.admin is None:
        return (
            _RED,
            "What needs a role at the venue is taken at the public ports.",
            "Give the venue's people a door of their own: [process.admin], and `novate keys certificates`.",
        )
    now = time.time_ns()
    certificates = Certificates(file.certificates)
    server = certificates.server()
    if not server.is_in_force(now):
        return _RED, "The admin door's certificate has ended or was revoked.", _RENEW
    operators = {key.actor for key in keys_with(file.home, Role.OPERATOR, now)}
    able = [one for one in certificates.all() if one.actor in operators and one.is_in_force(now)]
    if len({one.actor for one in able}) < PEOPLE:
        return (
            _RED,
            f"{len({one.actor for one in able})} of {len(operators)} operators have a certificate in force.",
            "Issue them: `novate keys certificates client`.",
        )
    last = {
        one.actor: one for one in sorted(able, key=lambda one: one.ends_ns)
    }  # one that was renewed lasts longer
    soon = [one.label for one in (server, *last.values()) if one.ends_ns - now < _SOON_NS]
    if soon:
        return (
            _YELLOW,
            f"Within {_SOON_NS // _DAY_NS} days end the certificates of {', '.join(soon)}.",
            _RENEW,
        )
    return _GREEN, f"Port {file.process.admin.port} takes {len(last)} operators' certificates.", ""


def _permissions(home: Path) -> Answer:
    if not home.is_dir():
        return _RED, f"There is no directory {home}.", "Run `novate init`."
    if home.stat().st_mode & 0o077:
        return _RED, f"Others may look into {home}.", f"chmod 700 {home}"
    return _GREEN, f"{home} is its owner's alone.", ""


def _backup(file: VenueFile) -> Answer:
    where = file.backup
    if where is None:
        return (
            _RED,
            "No place for backups is named.",
            "Set backup in the file, and run `novate backup` by a timer.",
        )
    if not where.is_dir() or not os.access(where, os.W_OK):
        return _RED, f"{where} is no directory that can be written.", "Make it."
    if file.home.resolve() in (where.resolve(), *where.resolve().parents):
        return _RED, f"{where} lies in the home it protects.", "Name another place."
    if where.stat().st_dev == file.home.stat().st_dev:
        return _YELLOW, f"{where} is on the disk of the home.", "A disk that fails takes both: copy it away."
    return _GREEN, f"Backups go to {where}.", ""


def _disk(home: Path) -> Answer:
    free = shutil.disk_usage(home if home.exists() else home.parent).free
    found = f"{free / GIB:.1f} GiB are free."
    if free < LEAST_ROOM:
        return _RED, found, f"At least {LEAST_ROOM // GIB} GiB: a full disk stops the venue."
    return (_GREEN, found, "") if free >= GOOD_ROOM else (_YELLOW, found, "Watch novate_disk_free_bytes.")


def _clock(home: Path) -> Answer:
    now = time.time_ns()
    paths = HomePaths.of(home)
    newest = max(
        (p.stat().st_mtime_ns for p in (*segment_paths(paths.journal), *snapshot_paths(paths.snapshots))),
        default=0,
    )
    if now < newest:
        return (
            _RED,
            f"The clock is {(newest - now) / 1e9:.0f} s behind what was written here.",
            "Set it right.",
        )
    if not _synchronised():
        return _YELLOW, "Nothing synchronises the clock.", "Run chrony or systemd-timesyncd."
    return _GREEN, "The clock is synchronised.", ""


def _synchronised() -> bool:
    """What the kernel says of its clock; a kernel that does not say is taken as unsynchronised."""
    try:
        state: int = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        return False
    return 0 <= state < _UNSYNCHRONISED


def _realtime(file: VenueFile) -> Answer:
    permitted = resource.getrlimit(resource.RLIMIT_RTPRIO)[0] != 0 or _has_sys_nice()
    if permitted:
        return _GREEN, "The core may run before processes that are not real-time.", ""
    if file.process.realtime:
        return _RED, "realtime = true, but it is not permitted.", "LimitRTPRIO=1 in the systemd unit."
    return (
        _YELLOW,
        "Real-time is not permitted: beside busy processes the core may wait milliseconds.",
        "LimitRTPRIO=1 in the systemd unit, and realtime = true.",
    )


def _has_sys_nice() -> bool:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return False
    words = [line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")]
    return bool(words) and bool(int(words[0], 16) & _CAP_SYS_NICE)


def listing_sources(file: VenueFile) -> tuple[tuple[str, int, str], ...]:
    """The price sources that the feeds name, as `load_listing` takes them: underlying, source id, name. Raises ConfigError."""
    settings = file.keepers()
    named: dict[tuple[str, int], str] = {}
    for feed in settings.feed if settings is not None else ():
        for symbol in feed.symbols.values():
            place = (symbol.underlying, symbol.source)
            if named.setdefault(place, feed.name) != feed.name:
                raise ConfigError(
                    f"The feeds {named[place]} and {feed.name} are both source {symbol.source} of {symbol.underlying}."
                )
    return tuple((name, number, feed) for (name, number), feed in sorted(named.items()))


__all__ = [
    "Light", "Line", "NotReady", "began_for_real", "checklist", "is_red", "keys_with", "listing_sources", "refuse_red",
]  # fmt: skip
