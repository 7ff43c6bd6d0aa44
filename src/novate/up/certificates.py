"""`novate keys certificates`: the admin door's authority, its certificate, and those of the people who come through it.

Responsible for: options to arguments, and that every change is in the log of who did what. The console of this machine may do all of it; a
running door takes up what changes by itself.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from novate.console import JSON, result, say
from novate.up.records import HOME, VENUE

if TYPE_CHECKING:
    from novate.identity.certificates import Certificates, Issued

AUTHORITY_KEY: Final = click.option(
    "--authority-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The authority's private key, where it is not kept in DIR.",
)


@click.group()
def certificates() -> None:
    """Certificates of the admin door: begin an authority, issue, renew, end for ever, list."""


@certificates.command("begin")
@HOME
@VENUE
@click.option("--host", "hosts", multiple=True, help="Another name or address that the door is reached by.")
def begin(directory: Path, venue: str, hosts: tuple[str, ...]) -> None:
    """Make the venue's authority and the door's first certificate in DIR/certificates, or where DIR's venue.toml says."""
    from novate.identity.certificates import Certificates
    from novate.operations.settings import certificates_of

    now = time.time_ns()
    made = Certificates.begin(certificates_of(directory), venue, now, hosts=hosts)
    _record(directory, venue, "authority_begun", made.server())
    result({"ok": True, "authority": str(made.authority_path), "server": made.server().serial})


@certificates.command("server")
@HOME
@VENUE
@click.option("--host", "hosts", multiple=True, help="Another name or address that the door is reached by.")
@click.option(
    "--days", type=click.IntRange(1, 3650), default=397, show_default=True, help="How long it holds."
)
@AUTHORITY_KEY
def server(
    directory: Path, venue: str, hosts: tuple[str, ...], days: int, authority_key: Path | None
) -> None:
    """Renew the door's own certificate; a running door shows it to the next connection."""
    now, found = time.time_ns(), _of(directory)
    made = found.issue_server(
        now, hosts=[*found.server_names(), *hosts], days=days, authority_key=authority_key
    )
    _record(directory, venue, "certificate_issued", made)
    result(_shown(made))


@certificates.command("client")
@HOME
@VENUE
@click.option(
    "--key", type=click.IntRange(min=1), required=True, help="Whose: a key of the venue's own people."
)
@click.option(
    "--to",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Where certificate and private key go, in one file that is not there yet.",
)
@click.option(
    "--days", type=click.IntRange(1, 3650), default=90, show_default=True, help="How long it holds."
)
@AUTHORITY_KEY
def client(directory: Path, venue: str, key: int, to: Path, days: int, authority_key: Path | None) -> None:
    """Issue a certificate to the holder of a key; an earlier one goes on until it ends or is revoked."""
    from novate.identity import Identity

    now, found = time.time_ns(), _of(directory)
    with Identity.open(directory, now, venue=venue, chain_id=1) as identity:
        record = identity.store.key(key)
    made = found.issue_client(record, to, now, days=days, authority_key=authority_key)
    _record(directory, venue, "certificate_issued", made)
    result(_shown(made) | {"file": str(to)})


@certificates.command("revoke")
@HOME
@VENUE
@click.option("--serial", required=True, help="Which, as `list` shows it.")
@AUTHORITY_KEY
def revoke(directory: Path, venue: str, serial: str, authority_key: Path | None) -> None:
    """End a certificate for ever, on open connections too."""
    made = _of(directory).revoke(serial, time.time_ns(), authority_key=authority_key)
    _record(directory, venue, "certificate_revoked", made)
    result(_shown(made))


@certificates.command("list")
@HOME
@JSON
def list_all(directory: Path, *, as_json: bool) -> None:
    """List every certificate that was issued, the ones that end last first."""
    found, now = _of(directory).all(), time.time_ns()
    for one in found:
        state = "revoked" if one.revoked else "in force" if one.is_in_force(now) else "ended"
        whose = f"key {one.actor}" if one.actor else "the door"
        words = f"{one.serial:>40}  {one.kind:6} {whose:12} {state:8} ends {_day(one.ends_ns)}  {one.label}"
        say(words)
    if as_json:
        result({"ok": True, "certificates": [_shown(one) for one in found]})


def _of(directory: Path) -> Certificates:
    from novate.identity.certificates import Certificates
    from novate.operations.settings import certificates_of

    return Certificates(certificates_of(directory))


def _record(directory: Path, venue: str, kind: str, one: Issued) -> None:
    from novate.identity import Identity

    now = time.time_ns()
    with Identity.open(directory, now, venue=venue, chain_id=1) as identity:
        identity.audit.record(
            kind,
            now,
            wait=True,
            by="console",
            certificate=one.evidence[:256],
            key=one.actor,
            ends_ns=one.ends_ns,
        )


def _shown(one: Issued) -> dict[str, Any]:
    return {
        "ok": True,
        "serial": one.serial,
        "kind": one.kind,
        "key": str(one.actor) if one.actor else None,
        "label": one.label,
        "ends_ns": one.ends_ns,
        "revoked": one.revoked,
    }


def _day(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // 10**9, UTC).date().isoformat()
