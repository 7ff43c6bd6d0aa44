"""Commands about what a venue keeps beside its journal: read models, statements, keys, the log of who did what.

Responsible for: options to arguments, and results for people or as one JSON object. They work on a home; the venue may run meanwhile.
"""

from __future__ import annotations

import sys
import time
from datetime import date
from pathlib import Path
from typing import Any, Final

import click

from novate.console import JSON, result, terminal
from novate.errors import DataError
from novate.projections.location import url_of

_ROLES: Final = "viewer trader treasurer risk compliance operator keeper"
HOME: Final = click.argument(
    "directory", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR"
)
DATABASE: Final = click.option(
    "--database", default="", help="URL of the read models [default: SQLite in DIR]."
)
VENUE: Final = click.option(
    "--venue", default="novate-dev", show_default=True, help="The venue's id, part of every signature."
)


@click.command()
@HOME
@DATABASE
@click.option("--rebuild", is_flag=True, help="Empty the tables first.")
@JSON
def project(directory: Path, database: str, *, rebuild: bool, as_json: bool) -> None:
    """Bring the read models of DIR up to the end of its journal, or make them anew from it, without a running venue."""
    from novate.projector import project as bring_up

    rows = bring_up(directory, url_of(directory, database), rebuild=rebuild)
    terminal().print(f"Read models hold the journal up to command {rows}.", markup=False)
    if as_json:
        result({"ok": True, "sequence": rows})


@click.command()
@HOME
@click.option("--account", type=click.IntRange(min=1), required=True, help="Whose.")
@click.option("--period", required=True, metavar="DAY|MONTH", help="2025-10-10 or 2025-10.")
@click.option(
    "--zone",
    type=click.Choice(["UTC", "America/New_York"]),
    default="UTC",
    show_default=True,
    help="Where midnight is.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "csv", "parquet", "html"]),
    default="text",
    show_default=True,
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where a Parquet file goes.")
@DATABASE
def statement(
    directory: Path, account: int, period: str, zone: Any, form: str, out: Path | None, database: str
) -> None:
    """Print an account's statement: opening to closing equity by source, which adds up to the unit or is refused."""
    from sqlalchemy.exc import OperationalError

    from novate.projections import export
    from novate.projections.statements import statement as of
    from novate.projections.store import connect

    wanted = _period(period, zone)
    try:
        with connect(url_of(directory, database)).connect() as connection:
            found = of(connection, account, wanted)
    except OperationalError as error:
        raise DataError(f"There are no read models in {directory}; `novate project` makes them.") from error
    if form == "parquet":
        if out is None:
            raise click.UsageError("A Parquet file goes somewhere: --out FILE.")
        export.statements_parquet([found], out)
        sys.stdout.write(f"{out}\n")
        return
    words = {"text": export.statement_text, "html": export.statement_html}.get(form)
    sys.stdout.write(words(found) if words else export.statements_csv([found]))
    sys.stdout.write("\n")


@click.group()
def keys() -> None:
    """Keys that may act at a venue: make, list, end for ever. The console of this machine may do all of it."""


@keys.command("create")
@HOME
@VENUE
@click.option(
    "--owner", type=click.IntRange(min=0), required=True, help="Whose accounts; 0 for the venue's own people."
)
@click.option("--kind", type=click.Choice(["hmac", "ed25519", "wallet"]), default="hmac", show_default=True)
@click.option(
    "--public", default="", help="Public key or address, hexadecimal; for hmac the venue makes a secret."
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(["read", "trade", "transfer", "admin"]),
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(_ROLES.split()),
    help="At the owner's accounts, or at the venue for owner 0.",
)
@click.option(
    "--account", "accounts", multiple=True, type=click.IntRange(min=1), help="Accounts it is limited to."
)
@click.option("--network", "networks", multiple=True, help="Networks (CIDR) it may come from.")
@click.option("--label", default="", help="For people.")
def create_key(
    directory: Path, venue: str, owner: int, kind: str, public: str, label: str, **lists: tuple[Any, ...]
) -> None:
    """Make a key; the secret of an hmac key is printed here and never again."""
    from novate.identity import Grant, Identity, KeyKind, KeyTerms, Scope
    from novate.messages.codes import Role

    try:
        raw = bytes.fromhex(public.removeprefix("0x"))
    except ValueError:
        raise click.BadParameter("a public key or address is hexadecimal.", param_hint="--public") from None
    now = time.time_ns()
    with Identity.open(directory, now, venue=venue, chain_id=1) as identity:
        if owner and owner not in identity.store.owners():
            identity.store.add_owner(now, owner=owner)
        grants = frozenset(Grant(Role[role.upper()], None if owner else 0) for role in lists["roles"])
        terms = KeyTerms(
            owner=owner,
            scopes=Scope.of(*lists["scopes"]),
            grants=grants,
            accounts=frozenset(lists["accounts"]) or None,
            networks=tuple(lists["networks"]),
            label=label,
        )
        made = identity.create_key(None, KeyKind(kind), terms, now, public=raw)
    result({"ok": True, "key": str(made.record.actor), "secret": made.secret or None})


@keys.command("list")
@HOME
@VENUE
def list_keys(directory: Path, venue: str) -> None:
    """List all keys, without secrets."""
    from novate.identity import Identity

    with Identity.open(directory, time.time_ns(), venue=venue, chain_id=1) as identity:
        for one in identity.store.keys():  # noqa: SIM118 - a query, not a mapping
            ended = "revoked" if one.revoked_ns else "lives"
            words = f"{one.actor:>20}  {one.kind:8} owner {one.terms.owner:<6} {' '.join(one.terms.scopes.words):26} {ended}  {one.terms.label}"
            terminal().print(words, markup=False, soft_wrap=True)


@keys.command("revoke")
@HOME
@VENUE
@click.option("--key", type=click.IntRange(min=1), required=True, help="Which.")
@click.option("--why", default="", help="For the log.")
def revoke_key(directory: Path, venue: str, key: int, why: str) -> None:
    """End a key at once and for ever, and a wallet's agents with it."""
    from novate.identity import Identity

    now = time.time_ns()
    with Identity.open(directory, now, venue=venue, chain_id=1) as identity:
        revoked = identity.revoke_key(None, key, now, why)
    result({"ok": True, "revoked": [str(one) for one in revoked]})


@click.command()
@HOME
@JSON
def audit(directory: Path, *, as_json: bool) -> None:
    """Check the log of who did what in DIR: that no record was changed, dropped or moved."""
    from novate.identity import verify_audit

    report = verify_audit(directory / "audit.log")
    terminal().print(f"{report.records} records, {'whole' if report.whole else 'NOT WHOLE'}.", markup=False)
    for fault in report.damage:
        terminal().print(fault, markup=False)
    if as_json:
        result({"ok": report.whole, "records": report.records, "faults": list(report.damage)})
    if not report.whole:
        raise SystemExit(1)


def _period(text: str, zone: Any) -> Any:
    from novate.projections.periods import day, month

    try:
        if len(text) == 7:
            year, number = text.split("-")
            return month(int(year), int(number), zone)
        return day(date.fromisoformat(text), zone)
    except ValueError:
        raise click.UsageError(
            f"A period is a day such as 2025-10-10 or a month such as 2025-10, not {text!r}."
        ) from None


COMMANDS: Final = (project, statement, keys, audit)
