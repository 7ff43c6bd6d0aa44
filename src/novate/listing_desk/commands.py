"""What an operator types to list a name on a running venue, and to take it off: `novate list`, `novate delist`.

Responsible for: options to arguments, and results for people on standard error or as one JSON object on standard output. Never: decides
anything. Heavy modules are imported by the command that needs them.

Exit status: 0; 1 where a line is red, a step is not due, or the venue refuses; 2 for wrong usage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from rich.text import Text

from novate.console import common, result, say, terminal

if TYPE_CHECKING:
    from novate.client.signing import Key
    from novate.keepers.settings import KeeperSettings
    from novate.listing_desk.live import Venue
    from novate.listing_desk.plan import Plan
    from novate.operations.settings import VenueFile

_F = TypeVar("_F", bound=Callable[..., Any])
_COLOURS: Final = {"green": "bold green", "yellow": "bold yellow", "red": "bold red"}
_PATH: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_URL: Final = "http://127.0.0.1:8080"


def _say_all(lines: Iterable[str]) -> None:
    for line in lines:
        say(line)


def _result(as_json: bool, **value: object) -> None:
    if as_json:
        import msgspec

        plain = msgspec.to_builtins(value, enc_hook=str, builtin_types=(bytes,))
        result({"ok": True, **plain}, bytes.hex)


def _options(*wanted: Callable[[Any], Any]) -> Callable[[_F], _F]:
    def around(command: _F) -> _F:
        for option in reversed(wanted):
            command = option(command)
        return common(command)

    return around


_NAME: Final = click.argument("name", metavar="NAME")
_FILE: Final = click.option("--file", type=_PATH, help="The name's file [default: NAME.toml here].")
_HOME: Final = click.option(
    "--home",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="NOVATE_HOME",
    help="The venue's directory: its venue.toml says listing, keepers and port.",
)
_LISTING: Final = click.option(
    "--listing",
    type=_PATH,
    envvar="NOVATE_LISTING",
    help="What the venue lists [default: of --home, else the demo's].",
)
_KEEPERS: Final = click.option("--keepers", type=_PATH, help="The keepers' settings [default: of --home].")
_AT: Final = (
    click.option(
        "--url", envvar="NOVATE_URL", default="", help=f"The venue's API [default: of --home, else {_URL}]."
    ),
    click.option(
        "--key", type=click.IntRange(min=1), envvar="NOVATE_KEY", help="Number of one's key; none on a venue for development."
    ),
    click.option(
        "--seed", type=_PATH, envvar="NOVATE_SEED", help="File with its private key (hexadecimal) or secret (nvs_...)."
    ),
)  # fmt: skip
_REASON: Final = click.option("--reason", required=True, help="Why, for the journal and whoever approves.")
_ALONE: Final = click.option(
    "--alone", is_flag=True, help="Send it as it is: only on a venue without governance."
)


class _NamesFirst(click.Group):
    """A group whose first word may be a name: then the first command is meant."""

    first = "draft"

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = [self.first, *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_NamesFirst, name="list")
def listing() -> None:
    """List NAME on a running venue: draft its file, check, propose, approve, open by auction, raise its caps.

    `novate list NFLX --like NVDA` drafts NFLX.toml; the other commands read it.
    """


@listing.command()
@_options(_NAME, _HOME, _LISTING)
@click.option(
    "--like", default="", help="The listed name that defaults come from [default: the nearest by --data]."
)
@click.option("--data", type=_PATH, help="Daily bars (CSV: date, close, and where known open and volume).")
@click.option("--price", default="", help="Dollars a share now [default: the last close of --data].")
@click.option("--token", default="", help="Name of the token [default: tNAME].")
@click.option("--sector", default="", help="Its sector in the bucket [default: the peer's].")
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="NAME",
    help="A price source; again for more [default: feed-a, feed-b].",
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to write it [default: NAME.toml]."
)
def draft(
    name: str, home: Path | None, listing: Path | None, data: Path | None, price: str, sources: tuple[str, ...],
    out: Path | None, *, as_json: bool, **given: str,
) -> None:  # fmt: skip
    """Draft NAME's file: every parameter, with a comment that says where its default comes from."""
    from novate.listing_desk.draft import SOURCES, Wish, drafted
    from novate.listing_desk.plan import read_plan
    from novate.listing_desk.series import read_series

    to = out or Path(f"{name.replace('/', '_')}.toml")
    if to.exists():
        raise click.UsageError(f"{to} exists; nothing is overwritten.")
    base = _base(_venue_file(home), listing)
    found = read_series(data) if data is not None else None
    wish = Wish(
        name=name, price=_dollars(price), series=found, sources=sources or SOURCES,
        origin=data.name if data is not None else "", **given,
    )  # fmt: skip
    text = drafted(wish, base)
    plan = read_plan(text, base, str(to))  # what is written can be read
    to.write_text(text, encoding="utf-8")
    say(
        f"{to}: {name} as {plan.like}, {len(plan.listing)} commands and {len(plan.steps)} steps of caps. Read it; every number has its reason."
    )
    _result(
        as_json, file=str(to), name=name, like=plan.like, commands=len(plan.listing), steps=len(plan.steps)
    )


def _dollars(text: str) -> Decimal | None:
    try:
        found = Decimal(text) if text else None
    except InvalidOperation:
        found = Decimal("NaN")
    if found is not None and (not found.is_finite() or found <= 0):
        raise click.UsageError(f"--price is dollars above zero, such as 110.25; not {text!r}.")
    return found


@listing.command()
@_options(_NAME, _FILE, _HOME, _LISTING, _KEEPERS, *_AT)
@click.pass_context
def check(context: click.Context, /, name: str, keepers: Path | None, *, as_json: bool, **given: Any) -> None:
    """Say what stands between NAME's file and its proposal, red, yellow or green. Exit status 1 while a line is red."""
    from novate.listing_desk.review import review
    from novate.operations.checklist import is_red

    with _desk(name, **given) as (plan, venue, file):
        lines = review(plan, venue, _keepers(file, keepers))
    shown = terminal()
    for line in lines:
        mark = Text(f"{line.light.value:>6}", style=_COLOURS[line.light.value])
        shown.print(mark, Text(f"  {line.name:<10} {line.found} {line.advice}".rstrip()), soft_wrap=True)
    _result(as_json, sound=not is_red(lines), lines=lines)
    context.exit(1 if is_red(lines) else 0)


@listing.command()
@click.option(
    "--step",
    type=click.IntRange(1),
    help="Of this step's caps [default: of what is not in force: the listing, else the next step].",
)
@_options(_NAME, _FILE, _HOME, _LISTING, *_AT)
def effect(name: str, step: int | None, *, as_json: bool, **given: Any) -> None:
    """Say what NAME's commands would do to every account, worst first: each is tried on a copy of the venue."""
    from novate.listing_desk.desk import next_of
    from novate.listing_desk.review import effect as measured
    from novate.listing_desk.telling import of_effects

    with _desk(name, **given) as (plan, venue, _):
        found = measured(venue, next_of(plan, venue, step))
    _say_all(of_effects(found))
    _result(as_json, effects=found)


@listing.command()
@_options(_NAME, _FILE, _HOME, _LISTING, *_AT, _REASON, _ALONE)
def propose(name: str, reason: str, *, alone: bool, as_json: bool, **given: Any) -> None:
    """Propose what can come now of NAME's listing and first caps; again when that has taken effect."""
    from novate.listing_desk import desk
    from novate.listing_desk.telling import of_done

    with _desk(name, **given) as (plan, venue, _):
        done = desk.send_alone(plan, venue) if alone else desk.propose(plan, venue, reason)
    _say_all(of_done(done))
    _result(as_json, done=done)


@listing.command()
@_options(_NAME, _FILE, _HOME, _LISTING, *_AT)
def approve(name: str, *, as_json: bool, **given: Any) -> None:
    """Approve, as another person, what waits for NAME and is in the file byte for byte; nothing where anything differs."""
    from novate.listing_desk import desk
    from novate.listing_desk.telling import of_done

    with _desk(name, **given) as (plan, venue, _):
        done = desk.approve(plan, venue)
    _say_all(of_done(done))
    _result(as_json, done=done)


@listing.command(name="open")
@click.option("--now", is_flag=True, help="End a call that runs, by its auction.")
@_options(_NAME, _FILE, _HOME, _LISTING, *_AT)
def open_(name: str, *, now: bool, as_json: bool, **given: Any) -> None:
    """Begin the call of NAME's markets: orders gather, then they open at one price. Refused before all caps are in force."""
    from novate.listing_desk import desk
    from novate.listing_desk.telling import of_done

    with _desk(name, **given) as (plan, venue, _):
        done = desk.open_market(plan, venue, now=now)
    _say_all(of_done(done))
    _result(as_json, done=done)


@listing.command()
@click.option(
    "--to",
    type=click.IntRange(1),
    default=None,
    help="Back to this step, without conditions: it only tightens.",
)
@_options(_NAME, _FILE, _HOME, _LISTING, *_AT, _REASON, _ALONE)
def ramp(name: str, reason: str, to: int | None, *, alone: bool, as_json: bool, **given: Any) -> None:
    """Propose the caps of NAME's next step. Exit status 1 while its conditions are not met."""
    from novate.listing_desk import desk
    from novate.listing_desk.telling import of_done

    with _desk(name, **given) as (plan, venue, _):
        done = desk.ramp(plan, venue, reason, to=to or 0, alone=alone)
    _say_all(of_done(done))
    _result(as_json, done=done)


@listing.command()
@_options(_NAME, _FILE, _HOME, _LISTING, *_AT)
def status(name: str, *, as_json: bool, **given: Any) -> None:
    """Say where NAME stands: what is in force or waits for whom, its auction's price, its step, and what the next one asks."""
    from novate.listing_desk import desk
    from novate.listing_desk.telling import of_status

    with _desk(name, **given) as (plan, venue, _):
        found = desk.status(plan, venue)
    _say_all(of_status(found))
    _result(as_json, status=found)


@listing.command()
@_options(_NAME, _FILE)
@click.option("--listing", type=_PATH, required=True, envvar="NOVATE_LISTING", help="The venue's own file.")
def record(name: str, file: Path | None, listing: Path, *, as_json: bool) -> None:
    """Append NAME to the venue's own listing file, so that the next name's ids come after it."""
    from novate.listing_desk.plan import recorded

    path = _file_of(name, file)
    listing.write_text(recorded(path, listing), encoding="utf-8")
    say(f"{listing} ends with {name} now.")
    _result(as_json, file=str(listing), name=name)


# --- what the commands have in common -----------------------------------------------------------------------------------


@contextmanager
def _desk(
    name: str,
    file: Path | None,
    home: Path | None,
    listing: Path | None,
    **at: Any,
) -> Iterator[tuple[Plan, Venue, VenueFile | None]]:
    """The name's plan, the venue, and the venue's file where there is one."""
    from novate.errors import ConfigError
    from novate.listing_desk.plan import load_plan

    of = _venue_file(home)
    path = _file_of(name, file)
    plan = load_plan(path, _base(of, listing))
    if plan.name != name:
        raise ConfigError(f"{path} is of {plan.name}, not of {name}.", file=str(path))
    with _venue(of, **at) as venue:
        yield plan, venue, of


def _file_of(name: str, file: Path | None) -> Path:
    path = file or Path(f"{name}.toml")
    if not path.exists():
        raise click.UsageError(
            f"There is no {path}: draft it with `novate list {name}`, or name it with --file."
        )
    return path


def _venue_file(home: Path | None) -> VenueFile | None:
    from novate.operations.settings import FILE, load_venue

    return load_venue(home / FILE) if home is not None and (home / FILE).exists() else None


def _base(of: VenueFile | None, listing: Path | None) -> str:
    """Text of what the venue lists by its own file."""
    from novate.config.document import file_text
    from novate.config.load import packaged_text

    found = listing if listing is not None else of.listing if of is not None else None
    if found is None:
        return packaged_text()
    return file_text(found) if isinstance(found, Path) else found


def _keepers(of: VenueFile | None, keepers: Path | None) -> KeeperSettings | None:
    from novate.operations.settings import keeper_settings

    if keepers is not None:
        return keeper_settings(keepers)
    return of.keepers() if of is not None else None


@contextmanager
def _venue(of: VenueFile | None, url: str, key: int | None, seed: Path | None) -> Iterator[Venue]:
    from novate.client import Client
    from novate.listing_desk.live import Venue

    at = url or (f"http://{of.process.host}:{of.process.port}" if of is not None else _URL)
    told: list[str] = []

    def wait(why: str) -> None:
        if not told:
            told.append(why)
            say(f"{at} does not answer as it should; trying for a while: {why}")

    with Client(at, _signing(key, seed), on_wait=wait) as client:
        yield Venue(client)


def _signing(key: int | None, seed: Path | None) -> Key | None:
    from novate.client.keyfile import signing
    from novate.errors import ConfigError

    try:
        return signing(key, seed)
    except ConfigError as error:
        raise click.UsageError(error.sentence) from error


# --- off the venue ------------------------------------------------------------------------------------------------------


class _StatusFirst(_NamesFirst):
    first = "status"


@click.group(cls=_StatusFirst, name="delist")
def delisting() -> None:
    """Take NAME off a running venue: notice, reduce-only, settlement, payment of its tokens. `novate delist NFLX` says where it stands."""


def _time(_: click.Context, option: click.Parameter, value: str) -> int:
    from datetime import datetime

    from novate.calendar import to_ns

    try:
        return to_ns(datetime.fromisoformat(value))
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r} is no time with its zone such as 2026-03-02T01:00:00Z ({error}).", param=option
        ) from None


def _delisted(
    act: Callable[[Venue], Any], words: Callable[[Any], Iterable[str]], called: str = "done", *, as_json: bool, home: Path | None, **at: Any
) -> None:  # fmt: skip
    """Does something with the venue, and says what came of it."""
    with _venue(_venue_file(home), **at) as venue:
        found = act(venue)
    _say_all(words(found))
    _result(as_json, **{called: found})


@delisting.command(name="status")
@_options(_NAME, _HOME, *_AT)
def delisting_status(name: str, **given: Any) -> None:
    """Say where NAME's delisting stands: restrictions, who must still say yes, and what the settlement would do to accounts."""
    from novate.listing_desk import delisting as desk
    from novate.listing_desk.telling import of_delisting

    _delisted(lambda venue: desk.status(name, venue), of_delisting, "status", **given)


@delisting.command()
@_options(_NAME, _HOME, *_AT)
def notice(name: str, **given: Any) -> None:
    """Announce that NAME will be delisted, when is not known yet: everybody can read it from then on."""
    from novate.listing_desk import delisting as desk
    from novate.listing_desk.telling import of_done

    _delisted(lambda venue: desk.announce(name, venue), of_done, **given)


@delisting.command(name="reduce-only")
@_options(_NAME, _HOME, *_AT, _REASON)
def reduce_only(name: str, reason: str, **given: Any) -> None:
    """Let NAME's markets take only what reduces, at once; propose that this stands until it is lifted."""
    from novate.listing_desk import delisting as desk
    from novate.listing_desk.telling import of_done

    _delisted(lambda venue: desk.reduce_only(name, venue, reason), of_done, **given)


@delisting.command(name="approve")
@_options(_NAME, _HOME, *_AT)
def delisting_approve(name: str, **given: Any) -> None:
    """Approve, as another person, that NAME only reduces until it is lifted."""
    from novate.listing_desk import delisting as desk
    from novate.listing_desk.telling import of_done

    _delisted(lambda venue: desk.approve(name, venue), of_done, **given)


@delisting.command()
@click.option(
    "--price",
    default="",
    help="Dollars a share at which perps are closed [default: the index at the window's start].",
)
@click.option(
    "--from",
    "from_ns",
    callback=_time,
    required=True,
    metavar="TIME",
    help="The window's start, with its zone.",
)
@click.option("--to", "to_ns", callback=_time, required=True, metavar="TIME", help="Its end.")
@_options(_NAME, _HOME, *_AT)
def settle(name: str, price: str, from_ns: int, to_ns: int, **given: Any) -> None:
    """Schedule NAME's settlement: in the window its orders go, its perps are closed at one price, and it is over."""
    from novate.listing_desk import delisting as desk
    from novate.listing_desk.telling import of_done

    _delisted(
        lambda venue: desk.settle(name, venue, _dollars(price), from_ns, to_ns), of_done, **given
    )  # fmt: skip


@delisting.command()
@click.option("--price", required=True, help="What you expect it to be at: another price is not confirmed.")
@_options(_NAME, _HOME, *_AT)
def confirm(name: str, price: str, **given: Any) -> None:
    """Confirm NAME's settlement, as another person than who scheduled it."""
    from novate.listing_desk import delisting as desk
    from novate.listing_desk.telling import of_done

    expected = _dollars(price)
    if expected is None:
        raise click.UsageError("--price is dollars above zero.")
    _delisted(lambda venue: desk.confirm(name, venue, expected), of_done, **given)


@delisting.command()
@_options(_NAME, _HOME, *_AT)
def cancel(name: str, **given: Any) -> None:
    """Call NAME's delisting off; its restrictions stand until two people lift them."""
    from novate.listing_desk import delisting as desk
    from novate.listing_desk.telling import of_done

    _delisted(lambda venue: desk.cancel(name, venue), of_done, **given)


@delisting.command()
@click.option("--asset", default="USDC", show_default=True, help="The stablecoin that holders get.")
@_options(_NAME, _HOME, *_AT)
def pay(name: str, asset: str, **given: Any) -> None:
    """Fund and pay what NAME's tokens ended at, and retire them; for a treasurer, once it is settled."""
    from novate.listing_desk import delisting as desk
    from novate.listing_desk.telling import of_done

    _delisted(lambda venue: desk.pay(name, venue, asset), of_done, **given)


COMMANDS: Final = (listing, delisting)
"""What `novate` takes up from here."""
