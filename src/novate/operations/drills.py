"""`novate drill`: what is practised on a running venue before it is needed.

Responsible for: options to arguments, and a report for people and programs. Exit status 1 where the drill found a fault.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from novate.console import JSON, result, say

if TYPE_CHECKING:
    from novate.operations.rotation import HookSecret
    from novate.operations.settings import VenueFile


@click.group()
def drill() -> None:
    """Practise on a running venue what must not be done for the first time when it is needed."""


@drill.command("rotation")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
@click.option("--account", type=click.IntRange(min=1), required=True, help="Whose orders go on meanwhile.")
@click.option("--market", required=True, help="Where they are placed.")
@click.option("--price", required=True, help="Of a post-only bid that does not trade: well below the market.")
@click.option("--quantity", required=True, help="Of the bid.")
@click.option(
    "--phase", type=click.FloatRange(0.1, 3600), default=2.0, show_default=True, help="Seconds of each phase."
)
@click.option("--venue", default="", help="The venue's id [default: of venue.toml in DIR].")
@click.option("--url", default="", help="Of a gateway [default: of venue.toml in DIR].")
@click.option(
    "--admin-url", default="", help="Of the admin door [default: of venue.toml in DIR, where it has one]."
)
@click.option(
    "--webhook",
    default="",
    metavar="NAME",
    help="A webhook of the keepers' settings whose secret is replaced for good.",
)
@click.option("--yes", is_flag=True, help="Ask nothing: the webhook's receiver has the new secret already.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the report is written, as Markdown.",
)
@JSON
def rotation(
    directory: Path, account: int, market: str, price: str, quantity: str, phase: float, venue: str, url: str, admin_url: str,
    webhook: str, report: Path | None, *, yes: bool, as_json: bool,
) -> None:  # fmt: skip
    """Replace each kind of key in turn on the running venue in DIR while orders go on, and count what that broke.

    HMAC and Ed25519 keys, agents of a wallet, certificates of the admin door, a webhook's secret. Keys are the drill's own and end with it.
    """
    import msgspec

    from novate.operations import rotation as drills
    from novate.operations.settings import FILE, load_venue

    file = load_venue(directory / FILE) if (directory / FILE).is_file() else None
    process = file.process if file is not None else None
    if process is not None and process.admin is not None and not admin_url:
        admin_url = f"https://{process.admin.host}:{process.admin.port}"
    site = drills.Site(
        home=file.home if file is not None else directory,
        venue=venue or (process.venue if process else ""),
        chain_id=process.chain_id if process else 1,
        url=url or (f"http://{process.host}:{process.port}" if process else ""),
        admin_url=admin_url,
        certificates=file.certificates if file is not None else None,
    )
    if not site.venue or not site.url:
        raise click.UsageError("There is no venue.toml in DIR: name --venue and --url.")
    found = drills.drill(
        site,
        drills.Load(account=account, market=market, price=price, quantity=quantity, phase_s=phase),
        webhook=_hook(file, webhook, yes=yes) if webhook else None,
        say=say,
    )
    text = drills.text_of(found)
    say(text)
    if report is not None:
        report.write_text(text, encoding="utf-8")
    if as_json:
        told = {"ok": not found.faults, "faults": found.faults, **msgspec.to_builtins(found)}
        result(told)
    if found.faults:
        click.get_current_context().exit(1)


def _hook(file: VenueFile | None, name: str, *, yes: bool) -> HookSecret:
    """The webhook of that name, with a secret in a file."""
    from novate.keepers.alert_book import Alert
    from novate.operations.rotation import HookSecret

    keepers = file.keepers() if file is not None else None
    settings = next((w for w in keepers.alerts.webhook if w.name == name), None) if keepers else None
    path = os.environ.get(f"{settings.secret_env}_FILE", "") if settings else ""
    if keepers is None or settings is None or not path:
        raise click.UsageError(
            f"--webhook {name}: no such webhook whose secret is in a file that SECRET_ENV_FILE names."
        )
    channel = next(one for one in keepers.alerts.channels() if one.name == name)

    def deliver() -> str:
        now = time.time_ns()
        return channel.send(
            Alert(
                id=f"drill-{now}",
                at_ns=now,
                account="0",
                kind="drill",
                severity="info",
                sentence="A rotation drill: nothing is wrong.",
            )
        )

    def hand_over(_: str) -> None:
        if not yes:
            click.prompt(
                f"The first line of {path} is the new secret. Give it to the receiver, then press Enter",
                default="",
                show_default=False,
                err=True,
            )

    return HookSecret(Path(path), deliver, hand_over)


COMMANDS: Final = (drill,)
"""What `novate` takes up from here."""
