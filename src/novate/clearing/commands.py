"""`novate clearing`: the service, what it is doing, and the words that only a person can say.

Responsible for: options to arguments, and results for people on standard error or as one JSON object on standard output. Never: decides
anything, or sends a command: a person's word is kept in the outbox, and the service tells it as its own.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from rich.console import Console
from rich.table import Table

from novate.clearing.network_commands import network

if TYPE_CHECKING:
    from novate.clearing.outbox import Outbox
    from novate.clearing.words import Word

_F = TypeVar("_F", bound=Callable[..., Any])
_SUPERVISED: Final = "NOVATE_SUPERVISED"
_HOME: Final = click.argument(
    "directory", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR"
)
_BY: Final = click.option(
    "--by", default=getpass.getuser, show_default="this machine's user", help="Who; it is kept."
)


def _common(command: _F) -> _F:
    command = click.option(
        "--json", "as_json", is_flag=True, help="One JSON object on the last line of output."
    )(command)
    return click.option("--traceback", is_flag=True, expose_value=False, help="Show where an error arose.")(
        command
    )


def _told(facts: dict[str, Any], *tables: list[dict[str, Any]], as_json: bool) -> None:
    """Tables for people on standard error, one object for programs."""
    console = Console(stderr=True, highlight=False)
    for rows in tables:
        if rows:
            shown = Table(*rows[0], box=None)
            for row in rows:
                shown.add_row(*(str(value) for value in row.values()))
            console.print(shown, markup=False)
    if as_json:
        sys.stdout.write(json.dumps({"ok": True, **facts}, ensure_ascii=False) + "\n")


@click.group()
def clearing() -> None:
    """Issuance and redemption against brokers: the service and what it is doing."""


@clearing.command()
@_HOME
@click.option(
    "--settings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Brokers, desk and conversions (TOML) [default: clearing.toml in DIR].",
)
@click.option("--keeper", type=click.IntRange(min=0), default=0, help="Key of the keepers.")
def run(directory: Path, settings: Path | None, keeper: int) -> None:
    """Carry the orders of the venue in DIR to brokers and their reports back, until SIGTERM or SIGINT."""
    import msgspec

    from novate.clearing.run import run_clearing
    from novate.clearing.settings import FILE, load_clearing
    from novate.reader_process import ReaderClient

    chosen = load_clearing(settings or directory / FILE)
    if keeper and not chosen.actor:
        chosen = msgspec.structs.replace(chosen, actor=keeper)

    def ready() -> None:
        words = f"Clearing through {', '.join(one.name for one in chosen.broker) or 'nobody'}"
        if os.environ.get(_SUPERVISED):
            sys.stdout.write(f"ready {words}\n")
            sys.stdout.flush()
        else:
            Console(stderr=True, highlight=False).print(words, markup=False)

    run_clearing(directory, chosen, lambda: ReaderClient.connect(directory / "reader.sock"), on_ready=ready)


@clearing.command()
@_HOME
@_common
def status(directory: Path, *, as_json: bool) -> None:
    """Say how far the venue was heard, which lines stand, and what waits."""
    from novate.clearing.view import status_of

    found = status_of(directory, time.time_ns())
    rows = [
        {"what": name, "now": json.dumps(value) if isinstance(value, dict | list) else str(value)}
        for name, value in found.items()
    ]
    _told({"status": found}, rows, as_json=as_json)


@clearing.command()
@_HOME
@click.option("--all", "everything", is_flag=True, help="Those that are over, too.")
@_common
def orders(directory: Path, *, everything: bool, as_json: bool) -> None:
    """List orders for brokers and where each stands, newest first."""
    from novate.clearing.view import orders_of

    found, left_out = orders_of(directory, everything=everything)
    _told({"orders": found, "left_out": left_out}, found, as_json=as_json)
    if left_out and not as_json:
        Console(stderr=True, highlight=False).print(f"{left_out} older ones are left out.", markup=False)


@clearing.command()
@_HOME
@_common
def capacity(directory: Path, *, as_json: bool) -> None:
    """Say what can be issued and redeemed now, and what binds it."""
    from novate.clearing.view import capacity_of

    found = capacity_of(directory)
    _told({"capacity": found}, found, as_json=as_json)


@clearing.command()
@_HOME
@_common
def channels(directory: Path, *, as_json: bool) -> None:
    """Say which channels each session opens, by token."""
    from novate.clearing.view import channels_of

    found = channels_of(directory)
    _told({"channels": found}, found, as_json=as_json)


@clearing.command()
@_HOME
@_common
def breaks(directory: Path, *, as_json: bool) -> None:
    """List open differences with brokers: what stops issuance of a token."""
    from novate.clearing.view import breaks_of

    found = breaks_of(directory)
    _told({"breaks": found}, found, as_json=as_json)


@clearing.command()
@_HOME
@_common
def waiting(directory: Path, *, as_json: bool) -> None:
    """List what waits for a person: conversions, shares in kind, settlements that are overdue, reports that the engine did not take."""
    from novate.clearing.view import in_kind_of, money_of, overdue_of, status_of

    money, kind, late = money_of(directory), in_kind_of(directory), overdue_of(directory)
    refused = status_of(directory, time.time_ns())["refused"]
    found = {"conversions": money, "in_kind": kind, "overdue": late, "refused": refused}
    _told(found, *found.values(), as_json=as_json)


# --- words of a person -------------------------------------------------------------------------------------------------


def _keep(outbox: Outbox, key: str, word: Word, broker: int = 0) -> None:
    from novate.errors import DataError

    with outbox.within():
        outbox.make_room(key, broker)
        if not outbox.say(key, word, time.time_ns(), broker):
            raise DataError(f"This was said before ({key}).", key=key)


@clearing.command()
@_HOME
@click.argument("conversion", type=click.IntRange(min=1))
@click.argument("amount", type=click.IntRange(min=0))
@_BY
@_common
def converted(directory: Path, conversion: int, amount: int, by: str, *, as_json: bool) -> None:
    """Say what a CONVERSION brought: AMOUNT in micro-dollars, or in units of the stablecoin; 0 where it failed."""
    from novate.clearing.view import opened
    from novate.clearing.words import Converted
    from novate.errors import DataError

    with opened(directory) as outbox, outbox.within():
        _keep(outbox, f"converted:{conversion}", Converted(conversion=conversion, amount=amount, by=by))
        if all(one.conversion != conversion for one in outbox.conversions()):
            raise DataError(f"No conversion {conversion} is on its way.", conversion=conversion)
    _told({"conversion": conversion}, as_json=as_json)


@clearing.command("in-kind")
@_HOME
@click.argument("request", type=click.IntRange(min=1))
@click.argument("shares", metavar="SHARES")
@click.option(
    "--reference", required=True, help="The custodian's own number of the movement: the same is taken once."
)
@_BY
@_common
def in_kind(directory: Path, request: int, shares: str, reference: str, by: str, *, as_json: bool) -> None:
    """Say that a participant brought, or took, SHARES for a REQUEST."""
    from novate.clearing.view import opened
    from novate.clearing.words import InKind
    from novate.errors import DataError
    from novate.messages import RequestKind
    from novate.units import scaled

    word = InKind(request=request, shares=scaled(shares, 9, "shares"), by=by)
    with opened(directory) as outbox, outbox.within():
        _keep(outbox, f"in-kind:{request}:{reference}", word)
        if outbox.request_kind(request) not in (RequestKind.MINT_IN_KIND, RequestKind.REDEEM_IN_KIND):
            raise DataError(f"No request in kind has number {request}, or it is over.", request=request)
    _told({"request": request}, as_json=as_json)


@clearing.command()
@_HOME
@click.argument("broker", type=click.IntRange(min=1))
@_BY
@_common
def default(directory: Path, broker: int, by: str, *, as_json: bool) -> None:
    """Say that a BROKER is in default: what is there is frozen for the listed time, and nothing more goes there."""
    from novate.clearing.view import opened
    from novate.clearing.words import Defaulted
    from novate.errors import DataError
    from novate.keepers.pace import Pace
    from novate.messages.reports import clearing as questions
    from novate.reader_process import ReaderClient

    with ReaderClient.connect(directory / "reader.sock") as reader:
        listed = {one.broker: one for one in questions.brokers(reader)}
    if broker not in listed:
        raise DataError(f"The venue lists no broker {broker}.", broker=broker)
    until_ns = listed[broker].frozen_until_ns
    if until_ns > Pace.read(directory)():  # the venue's time
        until = (
            datetime.fromtimestamp(until_ns // 10**9, UTC).isoformat(" ", "minutes").removesuffix("+00:00")
        )
        raise DataError(f"Broker {broker} is in default already, until {until} UTC.", until_ns=until_ns)
    with opened(directory) as outbox:
        _keep(outbox, f"default:{broker}:{until_ns}", Defaulted(by=by), broker)
    _told({"broker": broker}, as_json=as_json)


@clearing.command()
@_HOME
@click.argument("order")
@_BY
@_common
def end(directory: Path, order: str, by: str, *, as_json: bool) -> None:
    """Say that nothing more of a disputed ORDER fills: its broker had it and says that it never did."""
    from novate.clearing.life import Event, after
    from novate.clearing.view import opened
    from novate.clearing.words import Ended
    from novate.errors import DataError

    with opened(directory) as outbox, outbox.within():
        found = outbox.order(order)
        if found is None:
            raise DataError(f"There is no order {order!r}.", order=order)
        after(found.state, Event.SETTLE)
        _keep(outbox, f"ended:{order}", Ended(order=order, by=by))
    _told({"order": order}, as_json=as_json)


@clearing.command()
@_HOME
@click.argument("row", type=click.IntRange(min=1))
@_common
def again(directory: Path, row: int, *, as_json: bool) -> None:
    """Tell the engine once more what it did not take: the ROW of a refused report."""
    from novate.clearing.view import opened
    from novate.errors import DataError

    with opened(directory) as outbox:
        if not outbox.again(row):
            raise DataError(f"No report that was refused stands in row {row}.", row=row)
    _told({"row": row}, as_json=as_json)


clearing.add_command(network)

COMMANDS: Final = (clearing,)
"""What `novate` takes up from here."""
