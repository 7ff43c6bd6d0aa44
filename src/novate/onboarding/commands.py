"""`novate onboard`: applications from the console of the venue's machine.

Responsible for: options to arguments, and results for people or as one JSON object. The console may do what needs no person; classifying, approving,
refusing and confirming are acts of a person, who proves it with their own key, as through the API. Never: a name on the command line, where
everybody on the machine could read it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from novate.console import common, result, say

if TYPE_CHECKING:
    from novate.onboarding.service import Onboarding
    from novate.schema.catalogue import Catalogue

_F = TypeVar("_F", bound=Callable[..., Any])
_HOME: Final = click.argument(
    "directory", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR"
)
_NUMBER: Final = click.argument("application", type=click.IntRange(min=1))
_REASON: Final = click.option("--reason", required=True, help="Why; kept for ever, so it names nobody.")


def _person(command: _F) -> _F:
    """Options of an act that a person does."""
    for option in (
        click.option("--venue", default="novate-dev", show_default=True, help="The venue's id, part of every signature."),
        click.option("--secret", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="File with the key's private half: an Ed25519 seed in hexadecimal, or an HMAC secret."),
        click.option("--key", type=click.IntRange(min=1), required=True, help="Key of the person who does it."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.group()
def onboard() -> None:
    """Applications to become a customer: apply, documents by reference, class and limits, approval by two people, first deposit."""


@onboard.command()
@_HOME
@click.option("--owner", type=click.IntRange(min=1), required=True, help="Whose; made where it is new.")
@click.option("--type", "holder_type", type=click.Choice(["person", "firm", "fund", "dealer"]), required=True)
@click.option("--jurisdiction", required=True, metavar="XX", help="Two capital letters.")
@click.option(
    "--person",
    type=click.File("rb"),
    required=True,
    help="JSON with name, born, address, contact, number; `-` reads it from standard input.",
)
@common
def apply(
    directory: Path, owner: int, holder_type: str, jurisdiction: str, person: Any, *, as_json: bool
) -> None:
    """Take an application in."""
    import msgspec

    from novate.errors import ConfigError
    from novate.onboarding.records import Person
    from novate.onboarding.service import CONSOLE
    from novate.onboarding.words import holder_type as code

    try:
        who = msgspec.json.decode(person.read(), type=Person)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"The person can't be read: {error}.") from None
    with _opened(directory) as (onboarding, identity):
        now = time.time_ns()
        if owner not in identity.store.owners():
            identity.store.add_owner(now, owner=owner)
        made = onboarding.apply(CONSOLE, owner, who, code(holder_type), jurisdiction, now)
        _tell(directory, made, as_json)


@onboard.command("list")
@_HOME
@click.option("--state", default=None, help="Only those in this state.")
@common
def list_all(directory: Path, state: str | None, *, as_json: bool) -> None:
    """List applications; names are not shown."""
    from novate.onboarding.states import State
    from novate.onboarding.words import shown

    if state is not None and state not in {one.value for one in State}:
        raise click.BadParameter(f"states are {', '.join(State)}.", param_hint="--state")
    with _opened(directory) as (onboarding, _):
        found = list(onboarding.book.each(None if state is None else frozenset({State(state)})))
    now, catalogue = time.time_ns(), _catalogue(directory)
    if not found:
        say("No applications.")
    for one in found:
        account = f"account {one.account}" if one.account else ""
        say(f"{one.number:>6}  owner {one.owner:<8} {one.state.value:20} {account:18} {one.problem}")
    if as_json:
        result({"ok": True, "applications": [shown(catalogue, one, now) for one in found]})


@onboard.command()
@_HOME
@_NUMBER
@click.option("--person", "names", is_flag=True, help="Also who applies; that is recorded.")
@common
def show(directory: Path, application: int, *, names: bool, as_json: bool) -> None:
    """Show one application with its decisions."""
    import msgspec

    from novate.onboarding.service import CONSOLE

    with _opened(directory) as (onboarding, _):
        found = onboarding.book.get(application)
        person = onboarding.person(application, CONSOLE, time.time_ns()) if names else None
    if person is not None:
        say(", ".join(filter(None, msgspec.structs.astuple(person))))
    more = {} if person is None else {"person": msgspec.structs.asdict(person)}
    _tell(directory, found, as_json, more)


@onboard.command()
@_HOME
@_NUMBER
@click.option("--kind", required=True, help="What it proves.")
@click.option("--reference", required=True, help="Where it is kept, with a scheme: vault:kyc/8812.")
@click.option("--sha256", required=True, help="Of its bytes, hexadecimal.")
@click.option(
    "--expires-ns", type=click.IntRange(min=0), default=0, help="Until when it counts; 0 without end."
)
@common
def document(directory: Path, application: int, *, as_json: bool, **said: Any) -> None:
    """Note that a document came: where it is kept and its hash, never the document."""
    from novate.onboarding.records import Document
    from novate.onboarding.service import CONSOLE

    with _opened(directory) as (onboarding, _):
        now = time.time_ns()
        found = onboarding.document(application, Document(received_ns=now, **said), CONSOLE, now)
        _tell(directory, found, as_json)


@onboard.command()
@_HOME
@_NUMBER
@click.option("--holder-class", required=True, help="The engine's class of holders, once active.")
@click.option("--trial-class", default=None, help="The class until then [default: the same].")
@click.option("--tier", type=click.IntRange(0, 255), required=True, help="Of the identity check.")
@click.option("--expires-ns", type=click.IntRange(min=1), required=True, help="Until when the check counts.")
@click.option(
    "--order-cap", default=None, help="Dollars of one order at most, once active [default: without limit]."
)
@click.option("--trial-order-cap", required=True, help="The same until then.")
@click.option("--test-asset", required=True, help="What the first deposit is in.")
@click.option("--test-least", required=True, help="At least so much.")
@click.option("--test-most", required=True, help="And at most so much.")
@_REASON
@_person
@common
def classify(
    directory: Path, application: int, key: int, secret: Path, venue: str, *, as_json: bool, **said: Any
) -> None:
    """State class and limits; what was approved before is void. The venue runs meanwhile."""
    from novate.errors import DataError

    if _catalogue(directory) is None:
        raise DataError(f"No reader answers in {directory}: the venue runs while somebody is classified.")
    wish = {name: value for name, value in said.items() if value is not None}
    _act(directory, application, "classify", wish, (key, secret, venue), as_json=as_json)


def _by_person(name: str, summary: str) -> click.Command:
    @click.command(name, help=summary)
    @_HOME
    @_NUMBER
    @_REASON
    @_person
    @common
    def command(
        directory: Path, application: int, reason: str, key: int, secret: Path, venue: str, *, as_json: bool
    ) -> None:
        _act(directory, application, name, {"reason": reason}, (key, secret, venue), as_json=as_json)

    return command


def _by_console(name: str, summary: str) -> click.Command:
    @click.command(name, help=summary)
    @_HOME
    @_NUMBER
    @_REASON
    @common
    def command(directory: Path, application: int, reason: str, *, as_json: bool) -> None:
        from novate.onboarding.service import CONSOLE

        with _opened(directory) as (onboarding, _):
            found = getattr(onboarding, name)(application, CONSOLE, reason, time.time_ns())
            _tell(directory, found, as_json)

    return command


@onboard.command()
@_HOME
@click.option(
    "--retry",
    type=click.IntRange(min=1),
    multiple=True,
    help="Try this application's part in the engine again after a refusal.",
)
@click.option("--database", default="", help="URL of the read models [default: SQLite in DIR].")
@common
def resume(directory: Path, retry: tuple[int, ...], database: str, *, as_json: bool) -> None:
    """Do what is due by itself: complete what was left half done, look for test deposits, expire. A gateway does so every second."""
    from novate.onboarding.service import CONSOLE

    with _opened(directory, database=database) as (onboarding, _):
        now = time.time_ns()
        for number in retry:
            onboarding.retry(number, CONSOLE, "tried again from the console", now)
        looked = onboarding.sweep(now)
    say(f"Looked at {looked} applications.")
    if as_json:
        result({"ok": True, "looked_at": looked})


for _command in (
    _by_person("approve", "Approve; the second of two people opens the account."),
    _by_person("refuse", "Refuse an application that is not in force."),
    _by_person("confirm", "Say that the test deposit was right, where it is not paid out again."),
    _by_console("withdraw", "Take an application back for its applicant."),
    _by_console("erase", "Erase names and references for ever; salted id, hashes and decisions stay."),
):
    onboard.add_command(_command)


# --- around them -----------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(
    directory: Path, venue: str = "novate-dev", database: str = ""
) -> Iterator[tuple[Onboarding, Any]]:
    from contextlib import closing

    from novate.identity import Identity
    from novate.onboarding.service import Onboarding

    with (
        Identity.open(directory, time.time_ns(), venue=venue, chain_id=1) as identity,
        closing(Onboarding.open(directory, identity, database)) as onboarding,
    ):
        yield onboarding, identity


def _act(
    directory: Path,
    application: int,
    name: str,
    said: dict[str, Any],
    person: tuple[int, Path, str],
    *,
    as_json: bool,
) -> None:
    """An act of a person, signed and checked as if it had come through the API."""
    import msgspec

    from novate.client.keyfile import key_of
    from novate.client.signing import Signer
    from novate.errors import ConfigError
    from novate.identity import SignedRequest, authorise_owner, credentials_from
    from novate.onboarding.service import who
    from novate.onboarding.words import ClassificationWish, terms_of

    key, secret, venue = person
    body, target = msgspec.json.encode(said), f"/v1/onboarding/{application}/{name}"
    with _opened(directory, venue) as (onboarding, identity):
        now = time.time_ns()
        given = credentials_from(Signer(venue, key_of(key, secret)).headers("POST", target, body))
        assert given is not None  # noqa: S101 - it was just signed
        principal = identity.authenticate(SignedRequest("POST", target, body, given), now)
        authorise_owner(principal, "onboarding.decide", onboarding.book.owner_of(application))
        if name == "classify":
            try:
                wish = msgspec.json.decode(body, type=ClassificationWish)
            except msgspec.MsgspecError as error:
                raise ConfigError(f"Class or limits can't be read: {error}.") from None
            catalogue = _catalogue(directory)
            assert catalogue is not None  # noqa: S101 - `classify` asked before
            found = onboarding.classify(
                application, terms_of(catalogue, wish), who(principal), wish.reason, now
            )
        else:
            found = getattr(onboarding, name)(application, who(principal), said["reason"], now)
        _tell(directory, found, as_json)


def _catalogue(directory: Path) -> Catalogue | None:
    """Names and scales of the running venue; None where no reader answers."""
    from novate.reader_process import NotTold, ReaderClient, ReaderGone
    from novate.schema.catalogue import Catalogue

    try:
        with ReaderClient.connect(directory / "reader.sock") as reader:
            return Catalogue.of(reader)
    except (ReaderGone, NotTold):
        return None


def _tell(directory: Path, found: Any, as_json: bool, more: dict[str, Any] | None = None) -> None:
    from novate.onboarding.words import shown

    told = shown(_catalogue(directory), found, time.time_ns())
    missing = f"; missing: {', '.join(told['missing'])}" if found.state.value == "applied" else ""
    account = f", account {found.account}" if found.account else ""
    say(f"Application {found.number} of owner {found.owner} is {found.state.value}{account}{missing}.")
    if found.problem:
        say(found.problem)
    for one in told["decisions"]:
        say(f"{one['decision']:>6}  {one['event']:10} by {one['by']}: {one['reason']}")
    if as_json:
        result({"ok": True, **told, **(more or {})})


COMMANDS: Final = (onboard,)
"""What `novate` takes up from here."""
