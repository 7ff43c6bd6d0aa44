"""A file to a listing: built as a whole, shown to the engine, then cut down to what was asked for.

Responsible for: `load_listing`, and telling the engine's refusal in the words of the file. Bounds are the engine's alone: the
commands are applied to an empty engine, so a file that loads is a file the venue takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

from novate import units
from novate._core import Engine, release, ruleset
from novate.config.build import Body, Builder
from novate.config.document import Raw, read_document, shown
from novate.config.listing import Listing
from novate.errors import ConfigError
from novate.messages import (
    ActivateRelease,
    AttestBacking,
    Command,
    CommandRefused,
    FundPool,
    ListAsset,
    ListIssuance,
    ListMarket,
    ListPool,
    ListSource,
    ListUnderlying,
    encode,
    iter_events,
    rule,
)
from novate.messages.layout import LAYOUTS


def packaged_listing(**options: Any) -> Listing:
    """The listing that comes with the package, which the demo plays; options as for `load_listing`."""
    return load_listing(packaged_text(), **options)


def packaged_text() -> str:
    """The file itself, comments and all."""
    return resources.files("novate.demo").joinpath("listing.toml").read_text(encoding="utf-8")


def load_listing(
    source: Path | str,
    *,
    underlyings: Sequence[str] | None = None,
    overrides: Mapping[str, Raw] | None = None,
    sources: Sequence[tuple[str, int, str]] = (),
    omit_dated_row: str | None = None,
) -> Listing:
    """Read a venue's TOML file, check all of it, and return what it lists.

    Args:
        source: a path, or TOML text (anything with a line break).
        underlyings: list only these (and every stablecoin); ids stay those of the whole file. None lists all.
        overrides: section name ("venue", "class.stock", "underlying.NVDA") to keys and values put over its own.
        sources: price sources as (underlying, source id, name); names are cut to 32 characters.
        omit_dated_row: date of a dated row to leave out, because it is the day being replayed.

    Raises:
        ConfigError: no such file, not TOML, an unknown section or key, a missing parameter, a float or another wrong type,
            a name that nothing has, or a value that the engine refuses. Names section, key, value and what is expected.
    """
    builder = Builder(read_document(source, overrides or {}))
    builder.build(sources)
    _ask_the_engine(builder.built)
    chosen = _chosen(builder, underlyings)
    classes = dict.fromkeys(builder.coins, "stable") | {
        name: str(entry.section.get("class")) for name, entry in builder.names.items()
    }
    listing = Listing(
        tuple(command for command, _ in builder.built if _is_chosen(command, chosen)),
        {name: kind for name, kind in classes.items() if (builder.coins | chosen).get(name)},
    )
    return listing.without_row(omit_dated_row) if omit_dated_row else listing


def _chosen(builder: Builder, underlyings: Sequence[str] | None) -> dict[str, int]:
    """The underlyings to list, with their ids; every stablecoin is among them."""
    numbers = builder.coins | {name: entry.id for name, entry in builder.names.items()}
    for name in underlyings or ():
        if name not in numbers:
            raise ConfigError(
                f"The configuration lists no underlying {name}; it lists {', '.join(numbers)}.",
                underlying=name,
            )
    return {n: i for n, i in numbers.items() if underlyings is None or n in builder.coins or n in underlyings}


def _is_chosen(command: Command, chosen: Mapping[str, int]) -> bool:
    if isinstance(command, ListUnderlying | ListSource | ListAsset | ListMarket):
        return command.underlying in chosen.values()
    # An asset has the id of its underlying.
    if isinstance(command, ListIssuance | AttestBacking):
        return command.token in chosen.values()
    if isinstance(command, ListPool | FundPool):
        return command.asset in chosen.values()
    return True


def _ask_the_engine(built: Sequence[tuple[Command, Body]]) -> None:
    """Applies the commands to an empty engine. Raises ConfigError at the first it refuses."""
    commands = [ActivateRelease(release=release(), ruleset=ruleset()), *(command for command, _ in built)]
    buffer = b"".join(encode(command, sequence=at) for at, command in enumerate(commands, 1))
    for event in iter_events(Engine().apply(buffer), (CommandRefused,)):
        if isinstance(event.body, CommandRefused):
            _refuse_as_written(*built[event.header.sequence - 2], event.body)


def _refuse_as_written(command: Command, body: Body, refused: CommandRefused) -> NoReturn:
    """The engine's refusal in the words of the file."""
    fields = LAYOUTS[type(command)].fields
    found = fields[refused.field - 1] if 1 <= refused.field <= len(fields) else None
    section, key = body.origins.get(found.name if found else "", (body.section, None))
    broken = rule(refused.code)
    limit = _as_written(refused.limit, found.unit if found else "ppm")
    if key is None:
        raise ConfigError(
            f"[{section.name}] {broken.sentence} It is {_as_written(refused.value, 'ppm')}, the limit {limit}.",
            section=section.name,
            rule=broken.name,
        )
    value = section.get(key.name)
    raise ConfigError(
        f"[{section.place(key.name)}] {key.name} = {shown(value)}: {broken.sentence} The limit is {limit}.",
        section=section.place(key.name),
        key=key.name,
        value=shown(value),
        rule=broken.name,
        limit=refused.limit,
    )


def _as_written(number: int, unit: str) -> str:
    """A number of the engine the way the file would write it."""
    match unit:
        case "ppm":
            return f"{units.decimal(number, 4).normalize():f} %"
        case "ns":
            return f"{units.decimal(number, 9).normalize():f} s"
        case "micro-dollars":
            return f"{units.decimal(number, 6).normalize():,f} USD"
        case _:
            return str(number)
