"""`novate clearing network`: what is under way in the tokenisation network, and what only a person can say of the chain.

Responsible for: options to arguments, and results for people on standard error or as one JSON object on standard output. Never: sends a
command or calls the network: what a person says is kept, and the service goes on from there.
"""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.table import Table

from novate.console import common, result, terminal

if TYPE_CHECKING:
    from novate.clearing.network_book import Line
    from novate.clearing.network_terms import NetworkSettings
    from novate.clearing.settings import ClearingSettings

_HOME: Final = click.argument(
    "directory", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR"
)
_PPM: Final = 1_000_000
_NANO: Final = 9


@click.group("network")
def network() -> None:
    """Requests of the tokenisation network, where the venue issues in it."""


@network.command("list")
@_HOME
@click.option("--all", "everything", is_flag=True, help="Those that are over, too.")
@common
def list_(directory: Path, *, everything: bool, as_json: bool) -> None:
    """List requests, where each stands, and who is waited for."""
    from novate.clearing.network_book import NetworkBook
    from novate.clearing.view import opened

    with opened(directory) as outbox:
        found = [_shown(line) for line in NetworkBook(outbox).lines(everything=everything)]
    _told({"requests": found}, found, as_json=as_json)


@network.command()
@_HOME
@common
def clients(directory: Path, *, as_json: bool) -> None:
    """List the clients of the settings, and which accounts at Alpaca the network linked to them."""
    from novate.clearing.network_book import NetworkBook
    from novate.clearing.view import opened

    _, issuer = _settings(directory)
    with opened(directory) as outbox:
        links = NetworkBook(outbox).links()
    found = []
    for name, one in issuer.clients.items():
        linked, at_ns = links.get(name, ("", 0))
        found.append(
            {
                "client": name,
                "account": str(one.account),
                "email": one.email,
                "linked": linked,
                "linked_ns": str(at_ns),
                "wallets": ", ".join(one.wallets),
            }
        )
    _told({"clients": found}, found, as_json=as_json)


@network.command()
@_HOME
@click.argument("client")
@common
def unlink(directory: Path, client: str, *, as_json: bool) -> None:
    """End the link of a CLIENT to its account at Alpaca, so that the network may link another one."""
    from novate.clearing.network_book import NetworkBook
    from novate.clearing.view import opened

    with opened(directory) as outbox:
        NetworkBook(outbox).unlink(client)
    _told({"client": client}, as_json=as_json)


@network.command()
@_HOME
@click.argument("request")
@click.option("--tx", "transaction", required=True, help="The transaction that paid, as the chain names it.")
@click.option("--by", default=getpass.getuser, show_default="this machine's user", help="Who; it is kept.")
@common
def paid(directory: Path, request: str, transaction: str, by: str, *, as_json: bool) -> None:
    """Say that the tokens of a mint are in the client's wallet: the REQUEST by the issuer's id."""
    from novate.clearing.network_book import NetworkBook
    from novate.clearing.view import opened
    from novate.keepers.pace import Pace

    with opened(directory) as outbox:
        line = NetworkBook(outbox).paid(request, transaction, by, Pace.read(directory)())
    _told({"request": _shown(line)}, as_json=as_json)


@network.command()
@_HOME
@click.argument("request")
@common
def pay(directory: Path, request: str, *, as_json: bool) -> None:
    """Have a payment made once more that was voided: the REQUEST by the issuer's id."""
    from novate.clearing.network_book import NetworkBook
    from novate.clearing.view import opened
    from novate.keepers.pace import Pace

    with opened(directory) as outbox:
        line = NetworkBook(outbox).pay_again(request, Pace.read(directory)())
    _told({"request": _shown(line)}, as_json=as_json)


@network.command()
@_HOME
@click.option("--client", required=True, help="Whose they are, by its name in the network.")
@click.option("--token", required=True, help="The token's symbol in the network.")
@click.option("--amount", required=True, help="How many tokens.")
@click.option("--chain", required=True, help="The network that they came on.")
@click.option("--wallet", required=True, help="The client's wallet, from which they came.")
@click.option("--tx", "transaction", required=True, help="The transaction, as the chain names it.")
@click.option(
    "--reference", required=True, type=click.IntRange(min=1),
    help="The number of the deposit: rises per account and token, as with any deposit.",
)  # fmt: skip
@common
def arrived(
    directory: Path, client: str, token: str, amount: str, chain: str, wallet: str, transaction: str, reference: int, *, as_json: bool
) -> None:  # fmt: skip
    """Say that tokens to be redeemed are in the redemption wallet, final on the chain."""
    from novate.broker.alpaca import tokenization as itn
    from novate.clearing.names import Names
    from novate.clearing.network_book import NetworkBook
    from novate.clearing.network_terms import network_terms, shares_of
    from novate.clearing.view import opened
    from novate.errors import DataError
    from novate.keepers.pace import Pace
    from novate.messages.reports import clearing as questions
    from novate.messages.reports.portfolios import listed
    from novate.reader_process import ReaderClient
    from novate.units import scaled

    settings, issuer = _settings(directory)
    with ReaderClient.connect(directory / "reader.sock") as reader:
        names = Names.of(listed(reader), settings.symbols)
        broker = next(one.broker for one in questions.brokers(reader) if one.name == issuer.broker)
        terms = network_terms(issuer, names, broker)
        if token not in terms.assets or client not in terms.accounts:
            raise DataError(f"[network] has no token {token!r}, or no client {client!r}.")
        asset = terms.assets[token]
        units = scaled(amount, asset.decimals, "amount")
        fee_ppm = next(one.redeem_fee_ppm for one in questions.terms(reader) if one.token == asset.asset)
    seen = itn.redeem_seen(
        client=terms.clients[client], token=token, network=chain, wallet=wallet, transaction=transaction,
        shares=shares_of(asset, units + -units * fee_ppm // _PPM), terms=terms.terms,
    )  # fmt: skip
    with opened(directory) as outbox:
        line = NetworkBook(outbox).arrived(
            seen, terms, units=units, reference=reference, now_ns=Pace.read(directory)()
        )
    _told({"request": _shown(line)}, as_json=as_json)


def _settings(directory: Path) -> tuple[ClearingSettings, NetworkSettings]:
    from novate.clearing.settings import FILE, load_clearing
    from novate.errors import ConfigError

    settings = load_clearing(directory / FILE)
    if settings.network is None:
        raise ConfigError(f"{directory / FILE} has no [network].")
    return settings, settings.network


def _told(facts: dict[str, Any], rows: list[dict[str, Any]] | None = None, *, as_json: bool) -> None:
    if rows:
        shown = Table(*rows[0], box=None)
        for row in rows:
            shown.add_row(*(str(value) for value in row.values()))
        terminal().print(shown, markup=False)
    if as_json:
        result({"ok": True, **facts})


def _shown(line: Line) -> dict[str, Any]:
    from novate.clearing.network_book import waits_for
    from novate.units import text

    said = line.request
    return {
        "request": line.id,
        "way": said.way.value,
        "stage": said.stage.value,
        "waits_for": waits_for(line),
        "client": said.client.name,
        "account": str(line.account),
        "token": said.token,
        "shares": text(said.shares, _NANO),
        "units": str(line.issued or line.units),
        "chain": said.network,
        "wallet": said.wallet,
        "tx": said.transaction,
        "network_id": said.network_id,
        "engine_request": said.request,
        "withdrawal": line.withdrawal,
        "release_ns": str(line.release_ns),
        "problem": line.problem or said.reason,
    }
