"""What a back office types for corporate actions: `novate actions`, on the venue's machine.

Responsible for: options to arguments, and results for people or as one JSON object. Never: decides anything. Heavy modules are imported by
the command that needs them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from novate.clearing.back_office import (
    HOME,
    KEYS,
    answers,
    book_of,
    by,
    day_option,
    options,
    result,
    venue,
)
from novate.console import say, terminal

if TYPE_CHECKING:
    from novate.broker.announcements import Announcement, DividendPaid
    from novate.clearing.actions_book import ActionsBook, Imported, Kept
    from novate.clearing.actions_desk import Effect
    from novate.clearing.break_book import BreakBook
    from novate.clearing.dividends import Expected, Line, Parcel
    from novate.clearing.ledger_side import Ledger
    from novate.messages import Command, ScheduleCorporateAction
    from novate.messages.reports.base import Answers
    from novate.projector.past import Past
    from novate.reader_process import ReaderClient

_NUMBER: Final = click.argument("number", type=click.IntRange(min=1))
_FILE: Final = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
_SHOWN: Final = 20


@click.group()
def actions() -> None:
    """Corporate actions: from an announcement to the engine, by two people. An action's number is its id at the venue."""


def _ns(_: click.Context, option: click.Parameter, value: str | None) -> int:
    from novate.calendar import to_ns

    if value is None:
        return 0
    try:
        return to_ns(datetime.fromisoformat(value))
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r} is no time with its zone such as 2024-06-07T19:50:00-04:00 ({error}).", param=option
        ) from None


@contextmanager
def _book(home: Path) -> Iterator[ActionsBook]:
    from contextlib import closing

    from novate.clearing.actions_book import ActionsBook

    with closing(ActionsBook.open(home)) as book:
        yield book


# --- what was announced --------------------------------------------------------------------------------------------------


@actions.command(name="import")
@options(HOME, _FILE)
def import_(directory: Path, file: Path, *, as_json: bool) -> None:
    """Take the announcements of FILE (.toml, .json or .csv) into the book of the venue in DIR. Twice is once."""
    from novate.clearing.corporate_actions import read_announcements

    read = read_announcements(file)
    found = _take(directory, read.announcements, f"{read.name} {read.sha256}")
    if as_json:
        result(
            {"ok": True, "file": read.name, "sha256": read.sha256, "actions": [_taken(*one) for one in found]}
        )


@actions.command()
@click.option("--broker", required=True, help="Whose announcements, by the broker's name in clearing.toml.")
@click.option("--since", callback=day_option, metavar="DAY", help="First day [default: today].")
@click.option(
    "--until", callback=day_option, metavar="DAY", help="Last day [default: 30 days after the first]."
)
@options(HOME)
def fetch(directory: Path, broker: str, since: date | None, until: date | None, *, as_json: bool) -> None:
    """Take what a broker announces for the names of the venue in DIR into its book. Twice is once."""
    from novate.calendar import new_york_date
    from novate.clearing.announcer import announcer
    from novate.messages.reports.portfolios import listed

    first = since or new_york_date(time.time_ns())
    last = until or first + timedelta(days=30)
    with answers(directory) as reader:
        names = listed(reader)
    source = announcer(directory, broker, names)
    told = source.line.announced(source.symbols, first, last)
    ours = list(map(source.ours, told.announcements))
    found = _take(directory, ours, f"{broker}, {first} to {last}")
    for unread in told.unread:
        say(f"   -  to be read by a person: {unread}")
    if as_json:
        result(
            {"ok": True, "broker": broker, "actions": [_taken(*one) for one in found], "unread": told.unread}
        )


def _take(home: Path, announced: Iterable[Announcement], note: str) -> list[tuple[Imported, list[str]]]:
    """Puts announcements into the book, and says what became of each and where the venue's schedule is behind it."""
    from novate.clearing.corporate_actions import Hearing
    from novate.messages.reports import corporate

    with answers(home) as reader:
        above = max((one.action for one in corporate.actions(reader)), default=0)
    with _book(home) as book:
        found = book.take(announced, time.time_ns(), "console", note, above=above)
        late = _behind(home, [book.one(one.number) for one in found])
    for one in found:
        what = one.announcement
        disputed = " - sources differ, choose one" if one.hearing is Hearing.DIFFERS else ""
        say(
            f"{one.number:>4}  {one.hearing.value:<9} {what.symbol} {_words_of(what)}, ex {what.ex_date}{disputed}"
        )
        _say_behind(late[one.number])
    return [(one, late[one.number]) for one in found]


def _taken(one: Imported, behind: list[str]) -> dict[str, Any]:
    return {
        "number": one.number,
        "behind": behind,
        "heard": one.hearing.value,
        "state": one.state.value,
        "announcement": one.announcement,
    }


@actions.command(name="list")
@click.option(
    "--since", callback=day_option, metavar="DAY", help="With an ex-date on or after [default: all]."
)
@options(HOME)
def list_all(directory: Path, since: date | None, *, as_json: bool) -> None:
    """List what is known, and where it stands at the venue."""
    from novate.clearing.actions_desk import standing

    lines = []
    with _book(directory) as book, answers(directory) as reader:
        known = book.all(since)
        late = _behind(directory, known)
        for kept in known:
            at = standing(reader, kept.number)
            lines.append(
                _line(kept)
                | {"venue": at.state, "scheduled_by": at.scheduled_by, "confirmed_by": at.confirmed_by}
                | {"behind": late[kept.number]}
            )
            one = kept.matter.announcement
            say(
                f"{kept.number:>4}  {one.ex_date}  {one.symbol:<8} {_words_of(one):<28} {kept.matter.state.value:<9} at the venue: {at.state}"
            )
            _say_behind(late[kept.number])
    if not lines:
        say("No corporate actions are known.")
    if as_json:
        result({"ok": True, "actions": lines})


@actions.command()
@options(HOME, _NUMBER)
def show(directory: Path, number: int, *, as_json: bool) -> None:
    """Show one action: what each source says, the terms for the engine, and what people did."""
    from novate.clearing.actions_desk import standing, terms

    with _book(directory) as book, answers(directory) as reader:
        kept, steps = book.one(number), book.steps(number)
        wanted, at = terms(reader, kept), standing(reader, number)
        late = _behind(directory, [kept])[number]
    for name, one in kept.matter.said.items():
        chosen = " (chosen)" if name == kept.matter.chosen else ""
        say(
            f"{name}{chosen}: {one.symbol} {_words_of(one)}, ex {one.ex_date}{', withdrawn' if one.withdrawn else ''}"
        )
    _say_terms(wanted)
    say(f"at the venue: {at.state}")
    _say_behind(late)
    for step in steps:
        say(f"  {_when(step.at_ns)}  {step.event} by {step.by}: {step.note}")
    if as_json:
        result(
            {
                "ok": True,
                "action": _line(kept),
                "terms": wanted,
                "venue": at.state,
                "behind": late,
                "steps": steps,
            }
        )


@actions.command()
@click.option("--source", required=True, metavar="SOURCE:KEY", help="Whose terms count.")
@options(HOME, _NUMBER, *KEYS[1:2])
def choose(directory: Path, number: int, source: str, key: int | None, *, as_json: bool) -> None:
    """Say which source is right where they differ."""
    with _book(directory) as book:
        kept = book.choose(number, source, time.time_ns(), by(key))
    say(f"Action {number} counts as {source} says.")
    if as_json:
        result({"ok": True, "action": _line(kept)})


# --- what it would do ----------------------------------------------------------------------------------------------------


@actions.command(name="dry-run")
@click.option(
    "--all", "everything", is_flag=True, help=f"Every account that differs [default: the worst {_SHOWN}]."
)
@options(HOME, _NUMBER, *KEYS[1:2])
def dry_run(directory: Path, number: int, key: int | None, *, everything: bool, as_json: bool) -> None:
    """Carry an action out on a copy of the venue: what it does to every account, token, perp, loan and to the shares at brokers."""
    from novate.clearing.actions_desk import effect

    with _book(directory) as book, answers(directory) as reader:
        found = effect(reader, book.one(number), key or 0)
    _say_effect(found, len(found.accounts) if everything else _SHOWN)
    if as_json:
        result({"ok": True, "effect": found})


def _say_effect(found: Effect, most: int) -> None:
    from rich.box import SIMPLE
    from rich.table import Table

    from novate.clearing.statement_files import DOLLARS

    say(f"Action {found.action} ({found.state}), if it were carried out now:")
    for one in found.instruments:
        say(f"  {one.what}: {one.before} -> {one.after}")
    say(
        f"  equity of all accounts: {DOLLARS.text(found.equity_before)} -> {DOLLARS.text(found.equity)}; orders cancelled: "
        f"{found.orders_cancelled}; accounts below maintenance: {found.below_maintenance}"
    )
    if not found.accounts:
        say("  no account differs")
        return
    table = Table(box=SIMPLE)
    for name in ("account", "equity before", "after", "change", "requirement before", "after", "orders"):
        table.add_column(name, justify="right")
    for line in found.accounts[:most]:
        figures = (line.equity_before, line.equity, line.change, line.requirement_before, line.requirement)
        table.add_row(str(line.account), *map(DOLLARS.text, figures), str(line.orders_cancelled))
    terminal().print(table)
    if len(found.accounts) > most:
        say(f"  and {len(found.accounts) - most} accounts more: --all, or --json")


# --- two people ----------------------------------------------------------------------------------------------------------


@actions.command()
@click.option(
    "--from",
    "from_ns",
    callback=_ns,
    metavar="TIME",
    help="Another window's start [default: 19:50 New York before the ex-date].",
)
@click.option("--to", "to_ns", callback=_ns, metavar="TIME", help="Its end.")
@click.option(
    "--in-tokens",
    default="",
    metavar="STABLECOIN",
    help="A split renumbers tokens, and this pays fractions [default: the multiplier changes].",
)
@options(HOME, _NUMBER, *KEYS)
def propose(
    directory: Path, number: int, from_ns: int, to_ns: int, in_tokens: str, *, as_json: bool, **at: Any
) -> None:  # fmt: skip
    """Schedule an action at the venue, or amend it, as one person; another one approves."""
    from msgspec.structs import replace

    from novate.clearing import actions_desk
    from novate.messages.reports.portfolios import listed

    if bool(from_ns) != bool(to_ns):
        raise click.UsageError("A window is its start and its end: --from TIME and --to TIME.")
    with _book(directory) as book, answers(directory) as reader, venue(**at) as door:
        kept = book.one(number)
        coin = next((one.asset for one in listed(reader).assets if one.name == in_tokens), 0)
        if in_tokens and not coin:
            raise click.UsageError(f"The venue lists no {in_tokens}.")
        if from_ns or in_tokens:
            window = (from_ns, to_ns) if from_ns else kept.window
            kept = replace(kept, window=window, in_tokens=coin or kept.in_tokens)
        wanted = actions_desk.propose(door, reader, kept)
        book.arrange(number, kept.window, kept.in_tokens)
        book.note(number, "proposed", time.time_ns(), by(at["key"]), _digest(wanted))
    _say_terms(wanted)
    say(f"Action {number} is scheduled; another person approves: novate actions approve {directory} {number}")
    if as_json:
        result({"ok": True, "number": number, "terms": wanted, "digest": _digest(wanted)})


@actions.command()
@click.option(
    "--file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="One's own copy of the announcement: what the book counts must be in it.",
)  # fmt: skip
@options(HOME, _NUMBER, *KEYS)
def approve(directory: Path, number: int, file: Path | None, *, as_json: bool, **at: Any) -> None:
    """Approve an action as another person: only if the journal has exactly the terms of the book. The engine takes it in its window."""
    from novate.clearing import actions_desk
    from novate.clearing.corporate_actions import read_announcements
    from novate.errors import ConfigError

    with _book(directory) as book, answers(directory) as reader, venue(**at) as door:
        kept = book.one(number)
        counts = kept.matter.announcement
        if file is not None and not any(
            (one.matter, one.content) == (counts.matter, counts.content)
            for one in read_announcements(file).announcements
        ):
            raise ConfigError(
                f"{file} does not announce {counts.symbol} {_words_of(counts)}, ex {counts.ex_date}: nothing was confirmed."
            )
        wanted = actions_desk.confirm(door, reader, kept, _scheduled(directory, number))
        book.note(number, "approved", time.time_ns(), by(at["key"]), _digest(wanted))
    _say_terms(wanted)
    say(f"Action {number} is confirmed; the engine takes it in its window.")
    if as_json:
        result({"ok": True, "number": number, "terms": wanted, "digest": _digest(wanted)})


@actions.command()
@options(HOME, _NUMBER, *KEYS)
def cancel(directory: Path, number: int, *, as_json: bool, **at: Any) -> None:
    """Call a scheduled or confirmed action off at the venue."""
    from novate.clearing import actions_desk

    with _book(directory) as book, venue(**at) as door:
        actions_desk.cancel(door, book.one(number))
        book.note(number, "cancelled", time.time_ns(), by(at["key"]), "at the venue")
    say(f"Action {number} is cancelled at the venue.")
    if as_json:
        result({"ok": True, "number": number})


# --- dividends that arrived ----------------------------------------------------------------------------------------------


@actions.command()
@click.option(
    "--day",
    callback=day_option,
    metavar="DAY",
    help="What should have been paid before [default: today in New York].",
)
@click.option("--asset", default="USDC", show_default=True, help="The stablecoin that holders are paid in.")
@click.option(
    "--sent",
    default="",
    metavar="NAME",
    help="Say that a command was taken which was begun and not ended.",
)
@click.option("--not-sent", default="", metavar="NAME", help="Say that it was not taken, and may come again.")
@click.option(
    "--send",
    is_flag=True,
    help="Book what arrived and carry it on, by one's key (a treasurer's; a keeper's where shares were bought).",
)
@options(HOME, _FILE, *KEYS)
@click.pass_context
def received(
    context: click.Context, /, directory: Path, file: Path, day: date | None, asset: str, sent: str, not_sent: str, *, send: bool,
    as_json: bool, **at: Any,
) -> None:  # fmt: skip
    """Compare dividends that arrived at brokers (FILE, and all that came before) with what is receivable on tokens; differences are breaks.

    Exit status 0 where all agrees, 1 where a dividend differs or is late.
    """
    from novate.calendar import new_york_date
    from novate.clearing import dividends

    told, sha256 = dividends.read_paid(file)
    chosen = day or new_york_date(time.time_ns())
    with book_of(directory) as book, answers(directory) as reader:
        if sent:
            book.end_sending(sent)
        if not_sent:
            book.forget_sending(not_sent)
        book.keep_paid(told, time.time_ns())
        paid, expected = _open_dividends(directory, book, reader, told, chosen)
        lines = dividends.match(paid, expected, chosen)
        broken = dividends.breaks_of(lines)
        for broker, judged in dividends.judged_of(lines, told).items():
            book.record_dividends(broker, chosen, time.time_ns(), broken.get(broker, ()), judged)
        parcels = [_as_begun(book, one) for one in _parcels(lines, reader, asset)]
    for line in lines:
        _say_dividend(line)
    done = _send(directory, parcels, **at) if send else set[str]()
    for one in parcels:
        how = ("sent" if one.name in done else "was sent before") if send else "to send"
        for command in one.commands:
            say(f"  {how}: {type(command).__name__} {_fields(command)}")
    if as_json:
        said = [
            {
                "parcel": one.name,
                "sent": one.name in done,
                "commands": [{type(c).__name__: c} for c in one.commands],
            }
            for one in parcels
        ]
        result({"ok": not broken, "sha256": sha256, "lines": lines, "parcels": said})
    context.exit(1 if broken else 0)


def _parcels(lines: list[Line], reader: Answers, asset: str) -> list[Parcel]:
    """What books and carries on dividends that agree; nothing of one that differs."""
    from novate.clearing import dividends
    from novate.messages.reports.portfolios import listed

    cash = next((one.asset for one in listed(reader).assets if one.name == asset and one.stablecoin), 0)
    if not cash:
        raise click.UsageError(f"The venue lists no stablecoin {asset}.")
    arrived = [
        parcel for line in lines if line.paid and not line.differs for parcel in dividends.arrivals(line)
    ]
    return [*arrived, *dividends.onward(lines, reader, cash)]


def _send(home: Path, parcels: Iterable[Parcel], **at: Any) -> set[str]:
    """Sends each command of each parcel once; the names of parcels of which something was sent now. Raises VenueRefused, VenueUnreachable, OutcomeUnknown at the first.

    Where nobody knows whether one was taken it stays begun: a person looks in the journal.
    """
    from novate.clearing.break_book import numbered
    from novate.clearing.dividends import commands_of
    from novate.client import VenueRefused, VenueUnreachable
    from novate.schema.catalogue import Catalogue
    from novate.schema.outcomes import wish

    found = set()
    with book_of(home) as book, answers(home) as reader, venue(**at) as door:
        catalogue = Catalogue.of(reader)
        for one in parcels:
            kept = commands_of(book.begin_parcel(one.name, len(one.commands), one.said))
            for number, command in enumerate(kept, 1):
                name = numbered(one.name, number)
                if not book.begin_sending(name, time.time_ns()):
                    continue
                op, args = wish(catalogue, command)
                try:
                    door.call(op, **args)
                except (VenueRefused, VenueUnreachable):
                    book.forget_sending(name)  # it was not taken, so it may come again
                    raise
                book.end_sending(name)
                found.add(one.name)
    return found


def _as_begun(book: BreakBook, one: Parcel) -> Parcel:
    """A parcel with the commands that it was begun with."""
    from novate.clearing.dividends import Parcel, commands_of

    kept = book.parcel(one.name)
    return one if kept is None else Parcel(name=one.name, commands=commands_of(kept))


def _open_dividends(
    home: Path, book: BreakBook, reader: ReaderClient, told: Iterable[DividendPaid], day: date
) -> tuple[list[DividendPaid], list[Expected]]:
    """What arrived, and what brokers should have paid: of every dividend of which something arrived or that is past its payment day.

    One that was carried on to its holders is over, and comes again only where it is told of now. Amounts as booked by now.
    """
    from msgspec.structs import replace

    from novate.calendar import new_york_date
    from novate.clearing.break_book import arrival
    from novate.clearing.dividends import ex_date_of, expected_of, onward_name
    from novate.messages.reports import corporate
    from novate.messages.reports.portfolios import listed
    from novate.projector.past import Moments, Past

    past, paid = Past(home), book.paid()
    now, ever = {(one.symbol, one.ex_date) for one in told}, {(one.symbol, one.ex_date) for one in paid}
    ledger = _ledger(book, past)
    reader.min_seq = past.last_sequence
    booked = {one.action: one.booked for one in corporate.actions(reader)}
    with _book(home) as known:
        said = {kept.number: kept.matter.announcement for kept in known.all()}
    expected: list[Expected] = []
    for action, one in sorted(ledger.dividends.items()):
        announced, over = said.get(action), book.is_sent(onward_name(action))
        ex_date = announced.ex_date if announced is not None else ex_date_of(new_york_date(one.at_ns))
        due = announced.payable_date if announced is not None else None
        if over and not any(ex_date == when for _, when in now):
            continue
        engine = Moments(past, past.engine_before(one.sequence))(one.sequence)
        symbol = next(line.name for line in listed(engine).underlyings if line.underlying == one.underlying)
        late = due is not None and due < day and not over
        if late or (symbol, ex_date) in (now if over else ever):
            expected += expected_of(engine, ledger, replace(one, amount=booked[action]), ex_date, due)
    wanted = now | {(one.symbol, one.ex_date) for one in expected}
    return [
        one for one in paid if (one.symbol, one.ex_date) in wanted or not book.is_sent(arrival(one))
    ], expected


def _ledger(book: BreakBook, past: Past) -> Ledger:
    """Everything that the journal says, up to its end."""
    from novate.clearing.ledger_side import movements

    known, _ = book.position(past.identity())
    for last, time_ns, moved in movements(past, known, past.last_sequence):
        book.keep(last, time_ns, moved)
    return book.ledger(past.last_sequence)


def _behind(home: Path, known: Sequence[Kept]) -> dict[int, list[str]]:
    """By number where the venue's schedule is behind the book; the journal is read only where something waits at the venue."""
    from novate.clearing.actions_desk import WAITING, behind, standing

    with answers(home) as reader:
        return {
            one.number: behind(reader, one, _scheduled(home, one.number))
            if standing(reader, one.number).state in WAITING
            else []
            for one in known
        }


def _say_behind(late: Iterable[str]) -> None:
    for one in late:
        say(f"      the venue's schedule is behind (now, and scheduled): {one}")


def _scheduled(home: Path, number: int) -> ScheduleCorporateAction | None:
    """The terms that the journal has, scheduled last."""
    import msgspec

    from novate.messages import ScheduleCorporateAction
    from novate.projector.past import Past

    with book_of(home) as book:
        one = _ledger(book, Past(home)).terms.get(number)
    return None if one is None else msgspec.msgpack.decode(one.command, type=ScheduleCorporateAction)


# --- words ---------------------------------------------------------------------------------------------------------------


def _words_of(one: Any) -> str:
    from novate.clearing.corporate_actions import AMOUNT

    ratio = f" {one.ratio_new}:{one.ratio_old}" if one.ratio_old else ""
    amount = f" {AMOUNT.text(one.amount)}" if one.amount else ""
    estimated = " (estimated)" if one.estimated else ""
    other = f" {one.other_symbol or one.name}" if one.other_symbol or one.name else ""
    return f"{one.kind.value.replace('_', ' ')}{ratio}{amount}{other}{estimated}"


def _line(kept: Kept) -> dict[str, Any]:
    return {
        "number": kept.number, "state": kept.matter.state.value, "chosen": kept.matter.chosen, "sources": list(kept.matter.said),
        "announcement": kept.matter.announcement, "window": kept.window, "in_tokens": kept.in_tokens,
    }  # fmt: skip


def _say_terms(wanted: ScheduleCorporateAction) -> None:
    from novate.messages.codes import CorporateActionKind

    kind = CorporateActionKind(wanted.action_kind).name.lower()
    say(
        f"terms: {kind}, {_fields(wanted, skip=('action_kind', 'window_start_ns', 'window_end_ns', 'correct_until_ns'))}"
    )
    say(
        f"window {_when(wanted.window_start_ns)} to {_when(wanted.window_end_ns)}, corrections until {_when(wanted.correct_until_ns)}"
    )
    say(f"digest {_digest(wanted)}")


def _fields(command: Command, skip: Iterable[str] = ()) -> str:
    said = ((name, getattr(command, name)) for name in command.__struct_fields__ if name not in skip)
    return ", ".join(f"{name} {value}" for name, value in said if value not in (0, ""))


def _digest(wanted: ScheduleCorporateAction) -> str:
    """By what two people tell each other that they mean the same terms."""
    import hashlib

    from novate.messages.wire import encode_body

    return hashlib.sha256(encode_body(wanted)).hexdigest()[:16]


def _say_dividend(line: Line) -> None:
    from novate.clearing.statement_files import DOLLARS, SHARES

    want = line.expected
    if want is None:
        one = line.paid[0]
        say(
            f"{one.broker} {one.symbol} {one.ex_date}: {DOLLARS.text(line.net)} arrived, and nobody expects it"
        )
        return
    verdict = (
        f"differs: {', '.join(line.differs)}" if line.differs else "agrees" if line.paid else "not due yet"
    )
    arrived = DOLLARS.text(line.net) if line.paid else "nothing"
    say(
        f"{want.broker} {want.symbol} {want.ex_date}: {verdict}; {arrived} arrived, {DOLLARS.text(want.net)} expected on "
        f"{SHARES.text(want.shares)} shares"
    )


def _when(ns: int) -> str:
    from datetime import UTC

    return f"{datetime.fromtimestamp(ns // 10**9, UTC):%Y-%m-%d %H:%M:%S} UTC"


COMMANDS: Final = (actions,)
"""What `novate` takes up from here."""
