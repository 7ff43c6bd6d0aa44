"""`novate init`: six questions become a venue's directory, its file with comments, its listing, and the keys of its first people.

Responsible for: the questions and their defaults, writing each file once, and telling every private key exactly once. Never: overwrites,
starts a venue, or keeps a private key where it was not asked to: the identity store has the public ones alone.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import msgspec

from novate.config import load_listing
from novate.config.load import packaged_text
from novate.core_process.listening import host_and_port
from novate.errors import ConfigError
from novate.identity import VENUE, Grant, Identity, KeyKind, KeyTerms, Scope
from novate.identity.certificates import FOLDER as CERTIFICATES
from novate.identity.certificates import Certificates
from novate.identity.proofs import new_ed25519
from novate.messages.codes import Role
from novate.operations.settings import (
    DEVELOPMENT,
    FILE,
    PACKAGED,
    VenueFile,
    keeper_settings,
    load_venue,
    process_settings,
)

KEEPERS: Final = "keepers"
"""Label of the keepers' key."""
LISTING: Final = "listing.toml"
METRICS_PORT: Final = 9464


class Answers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the six questions ask; a file of answers has the same keys.

    Attributes:
        venue: The venue's id.
        listing: What it lists: `packaged`, or the path of a file.
        listen: Where it listens, `host:port`.
        database: URL of the read models; empty for SQLite.
        operators: Labels of the two people's keys, with a comma between.
        feeds: Path of the keepers' settings with feeds, or `none`.
    """

    venue: str = "my-venue"
    listing: str = PACKAGED
    listen: str = "127.0.0.1:8080"
    database: str = ""
    operators: str = "operator-1, operator-2"
    feeds: str = "none"


QUESTIONS: Final = {
    "venue": "The venue's id, part of every signature",
    "listing": "What it lists: packaged, or the path of a file",
    "listen": "Where it listens, host:port",
    "database": "URL of the read models' database (empty: SQLite in the directory)",
    "operators": "Labels of the two operators' keys",
    "feeds": "Price feeds: the path of the keepers' settings, or none",
}


class MadeKey(msgspec.Struct, frozen=True):
    """A key that was made.

    Attributes:
        label: For people.
        role: operator or keeper.
        key: Its number.
        public: Hexadecimal.
        seed: The private key, hexadecimal; empty where it was written to a file.
        file: Where it was written, readable by its owner alone; empty where it was not.
        certificate: File of the person's certificate for the admin door, with its private key; empty for the keepers, who need none.
    """

    label: str
    role: str
    key: int
    public: str
    seed: str
    file: str
    certificate: str = ""


class Made(msgspec.Struct, frozen=True):
    """What a set-up made: the file, as read again, and the keys."""

    file: VenueFile
    keys: list[MadeKey]


def ask(put: Callable[[str, str], str], defaults: Answers | None = None) -> Answers:
    """Puts the six questions; `put` takes a question and its default and gives the answer."""
    first = defaults or Answers()
    return msgspec.convert(
        {key: put(question, getattr(first, key)).strip() for key, question in QUESTIONS.items()}, Answers
    )


def set_up(directory: Path, answers: Answers, *, keys_to: Path | None = None) -> Made:
    """Makes a venue's directory from answers; private keys go to `keys_to`, or into what is returned.

    Raises ConfigError for an answer that can't be, or a directory that holds a venue already; then nothing was made.
    """
    for name in (FILE, LISTING, "journal", "identity.db"):
        if (directory / name).exists():
            raise ConfigError(f"{directory} holds a venue already ({name}); nothing was changed.", file=name)
    labels = _labels(answers.operators)
    listing = _listing_text(answers.listing)
    feeds = _feeds(answers.feeds)
    host, port = _listen(answers.listen)
    process_settings({"venue": answers.venue, "host": host, "port": port, "database": answers.database})
    if answers.venue == DEVELOPMENT:
        raise ConfigError(f'"{DEVELOPMENT}" is the id of every venue for development: choose another.')
    _check_free(keys_to, (*labels, KEEPERS))
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    backup = directory.absolute().with_name(directory.absolute().name + "-backup")
    backup.mkdir(mode=0o700, exist_ok=True)
    keys = _make_keys(directory, answers.venue, labels, keys_to)
    keys = _make_certificates(directory, answers.venue, keys, keys_to)
    _write(directory / LISTING, listing)
    text = _file_text(answers, host, port, feeds, keys[-1].key, backup)
    _write(directory / FILE, text)
    return Made(load_venue(directory / FILE), keys)


def _labels(text: str) -> tuple[str, str]:
    labels = [label.strip() for label in text.split(",") if label.strip()]
    if len(labels) != 2 or labels[0] == labels[1]:
        raise ConfigError(
            f'operators = "{text[:80]}": expected two labels with a comma between, of two people.',
            key="operators",
        )
    return labels[0], labels[1]


def _listen(text: str) -> tuple[str, int]:
    try:
        return host_and_port(text)
    except ConfigError:
        raise ConfigError(
            f'listen = "{text[:80]}": expected host:port such as 127.0.0.1:8080.', key="listen"
        ) from None


def _listing_text(source: str) -> str:
    """The listing; the packaged one made a production venue's: two sources confirm each price."""
    if source != PACKAGED:
        path = Path(source)
        load_listing(path)
        return path.read_text(encoding="utf-8")
    text, changed = re.subn(r"(?m)^production = false", "production = true", packaged_text())
    text = re.sub(r"(?m)^quorum = 1\b", "quorum = 2", text)
    if not changed:
        raise ConfigError("The packaged listing does not say whether it is a production venue's.")
    load_listing(text)
    return text


def _feeds(text: str) -> str:
    if text in {"", "none"}:
        return ""
    keeper_settings(Path(text))
    return str(Path(text).absolute())


def _make_keys(directory: Path, venue: str, labels: tuple[str, str], keys_to: Path | None) -> list[MadeKey]:
    people: tuple[tuple[str, Literal["operator", "keeper"]], ...] = (
        (labels[0], "operator"), (labels[1], "operator"), (KEEPERS, "keeper"),
    )  # fmt: skip
    if keys_to is not None:
        keys_to.mkdir(mode=0o700, parents=True, exist_ok=True)
    now = time.time_ns()
    made = []
    with Identity.open(directory, now, venue=venue, chain_id=1) as identity:
        for label, role in people:
            seed, public = new_ed25519()
            terms = KeyTerms(
                owner=VENUE,
                scopes=Scope.READ | Scope.ADMIN,
                grants=frozenset({Grant(Role[role.upper()], VENUE)}),
                label=label,
            )
            record = identity.create_key(None, KeyKind.ED25519, terms, now, public=public).record
            path = "" if keys_to is None else str(_seed_path(keys_to, label))
            if path:
                _write(Path(path), seed.hex() + "\n")
            made.append(MadeKey(label, role, record.actor, public.hex(), "" if path else seed.hex(), path))
    return made


def _make_certificates(
    directory: Path, venue: str, keys: list[MadeKey], keys_to: Path | None
) -> list[MadeKey]:
    """The authority, the admin door's certificate, and one for each operator: beside the private keys, or in the directory to be moved."""
    now = time.time_ns()
    certificates = Certificates.begin(directory / CERTIFICATES, venue, now)
    made = []
    with Identity.open(directory, now, venue=venue, chain_id=1) as identity:
        for key in keys:
            if key.role == "operator":
                folder = keys_to or directory / CERTIFICATES
                path = _seed_path(folder, key.label).with_suffix(".pem")
                certificates.issue_client(identity.store.key(key.key), path, now)
                key = msgspec.structs.replace(key, certificate=str(path))  # noqa: PLW2901
            made.append(key)
    return made


def _seed_path(folder: Path, label: str) -> Path:
    return folder / f"{re.sub(r'[^A-Za-z0-9_-]', '_', label)}.seed"


def _check_free(folder: Path | None, labels: tuple[str, ...]) -> None:
    """Raises ConfigError where a private key has no place of its own."""
    paths = [] if folder is None else [_seed_path(folder, label) for label in labels]
    paths += [path.with_suffix(".pem") for path in paths]
    taken = [path for number, path in enumerate(paths) if path.exists() or path in paths[:number]]
    if taken:
        raise ConfigError(f"{taken[0]} is taken: nothing is overwritten.", file=str(taken[0]))


def _write(path: Path, text: str) -> None:
    """Writes a file that is not there yet, readable by its owner alone. Raises ConfigError where it is."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise ConfigError(f"{path} exists; nothing is overwritten.", file=str(path)) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)


def _file_text(answers: Answers, host: str, port: int, feeds: str, keeper: int, backup: Path) -> str:
    def quoted(value: str) -> str:
        return json.dumps(value, ensure_ascii=False)  # a JSON string is a TOML string

    return f"""# The processes of a venue: what runs, and where. What it lists, and every number of its risk rules, is in {LISTING}.
# `novate config check {FILE}` checks both. docs/reference/venue-configuration.md explains every key.

[process]
# Part of every signature: what is signed for this venue holds nowhere else. Never change it.
venue = {quoted(answers.venue)}
chain_id = 1

# Where journal, keys and sockets are: beside this file.
home = "."

# Where gateways listen: HTTP on the port, the WebSocket on the next one, a further gateway on the next but one. To be reached from other
# machines put a proxy with TLS in front, and say so: only then may the host be another one than this machine's own.
host = {quoted(host)}
port = {port}
gateways = 1
behind_tls = false
# Whose word counts on whom a connection is of, and how many connections one address may have.
proxies = ["127.0.0.1", "::1"]
connections_per_address = 512

# Read models: empty for SQLite in the home, or "postgresql+psycopg://USER@HOST/DATABASE". They can be built anew from the journal.
database = {quoted(answers.database)}

# What the venue lists when it begins. Later changes are commands that two people send.
listing = "{LISTING}"

# The key that brings facts: prices, sessions, time. And its settings: feeds, hours, alerts; empty for none, and then nothing has a price.
keeper = {keeper}
keepers = {quoted(feeds)}

# The core before all processes that are not real-time. Must be permitted: LimitRTPRIO=1 in the systemd unit.
realtime = false

# Time between snapshots: a restart reads the journal from the newest one on.
snapshot = "5 min"

# A warm standby on another machine ("none", "async" or "sync": answer only what it has, too); docs/guides/operate.md.
standby = "none"

# How long events are kept, for private streams that resume: about 190 bytes an event. "0 s" for not at all.
events = "7 d"

# Metrics, /healthz and /readyz, on this machine alone; 0 for none.
metrics_port = {METRICS_PORT}

# How processes say what happens: "text" for people, "json" for a line of JSON each.
log = "text"

# Where `novate backup` puts copies. Better on another disk, and copied to another place.
backup = {quoted(str(backup))}

# The door of the venue's own people: TLS in which both sides show a certificate of the venue's own authority, in certificates/ of the home.
# The ports above then take nothing that needs a role at the venue. HTTPS on the port, the WebSocket on the next one.
[process.admin]
host = "127.0.0.1"
port = {_admin_port(port)}
"""


def _admin_port(port: int) -> int:
    """Two ports that are no gateway's: ten below, or above where there is nothing below."""
    return port - 10 if port > 1034 else port + 1000
