"""What an issuer in the tokenisation network writes, in TOML, and what requests are judged by.

    [network]
    broker = "Alpaca"                           # the line whose options have the account that shares are journaled to
    listen = "127.0.0.1:8090"
    keys_file = "secrets/network.keys"          # X-API-KEY: one key a line; or signatures:
    # address = "https://issuer.example.com"    # where the network calls, as it signs it
    # signers = { "key-1" = "secrets/network.pem" }

    [network.tokens.tAAPL]                      # the token's symbol in the network
    networks = ["base"]

    [network.clients.ap-7]                      # client_external_account_id; or client_account_id, with named_by = "account"
    account = 11
    wallets = ["0x52908400098527886E0F7030069857D2E4169EE7"]
    # email = "desk@ap-7.example"               # where the network links its account to this client itself

Responsible for: one clear error per mistake, and a quantity's way between shares and tokens. Never: holds a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec

from novate.broker.alpaca import tokenization as itn
from novate.clearing.names import Names
from novate.errors import ConfigError
from novate.messages.reports.portfolios import AssetName

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
_HERE: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_PORTS: Final = 1 << 16


class _Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base: unknown keys are refused."""


class TokenSettings(_Settings, frozen=True, kw_only=True):
    """A token that the network offers.

    Attributes:
        token: Its name at the venue, where the network calls it otherwise.
        networks: The chains it exists on.
    """

    token: str = ""
    networks: Annotated[tuple[_Name, ...], msgspec.Meta(min_length=1)]


class ClientSettings(_Settings, frozen=True, kw_only=True):
    """An authorised participant, linked to its account.

    Attributes:
        account: Its account at the venue.
        wallets: Addresses that are its own.
        named_by: `external`: by the issuer's id of it; `account`: by its account at Alpaca.
        email: Address that it registered with, by which the network asks for it and links its account; empty: not to be found so.
    """

    account: Annotated[int, msgspec.Meta(gt=0)]
    wallets: Annotated[tuple[_Name, ...], msgspec.Meta(min_length=1)]
    named_by: Literal["external", "account"] = "external"
    email: Annotated[str, msgspec.Meta(max_length=320)] = ""


class NetworkSettings(_Settings, frozen=True, kw_only=True):
    """The issuer's door.

    Attributes:
        broker: The broker whose line has the account that shares are journaled to and from.
        listen: Host and port.
        keys_file: Keys that the network may show, one a line, in the home; empty where it signs.
        signers: Ed25519 keys (PEM files in the home) by their `keyid`, where it signs.
        address: Where the network calls, as it signs it.
        certificate: TLS, where no front has it: chain and private key, files in the home.
        certificate_key: The private key.
        actor: Key that acts for clients' accounts; 0: the service's own.
        answer: How long a question for a mint may wait for the engine.
        every: How often the network is asked what became of a redemption.
        tokens: By their symbols in the network.
        clients: By their names in the network.
    """

    broker: _Name
    listen: str = "127.0.0.1:8090"
    keys_file: str = ""
    signers: dict[_Name, _Name] = {}
    address: str = ""
    certificate: str = ""
    certificate_key: str = ""
    actor: Annotated[int, msgspec.Meta(ge=0)] = 0
    answer: str = "10 s"
    every: str = "10 s"
    tokens: dict[_Name, TokenSettings]
    clients: dict[_Name, ClientSettings] = {}

    def check(self, brokers: Mapping[str, str]) -> None:
        """Whether it is in itself consistent, and fits the lines (adapter by name). Raises ConfigError."""
        if brokers.get(self.broker) != "alpaca":
            raise ConfigError(
                f"network.broker: expected a broker with the adapter alpaca, found {self.broker!r}."
            )
        if bool(self.keys_file) == bool(self.signers):
            raise ConfigError("network: expected one of keys_file and signers.")
        if self.signers and urlsplit(self.address).scheme != "https":
            raise ConfigError(f"network.address: signatures are over https://..., found {self.address!r}.")
        if bool(self.certificate) != bool(self.certificate_key):
            raise ConfigError("network: expected both of certificate and certificate_key, or neither.")
        if not self.host or self.port < 0:
            raise ConfigError(f"network.listen: expected host:port, found {self.listen!r}.")
        if self.host not in _HERE and not self.certificate:
            raise ConfigError(
                f"network.listen: {self.host!r} is not this machine, and there is no certificate."
            )
        wallets = [wallet for one in self.clients.values() for wallet in one.wallets]
        if len(set(wallets)) < len(wallets):
            raise ConfigError("network.clients: one wallet has two clients.")
        emails = [one.email.lower() for one in self.clients.values() if one.email]
        if len(set(emails)) < len(emails):
            raise ConfigError("network.clients: one e-mail address has two clients.")

    @property
    def host(self) -> str:
        """Where it listens."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """Where it listens; 0 for a free port. Raises ConfigError."""
        said = self.listen.rpartition(":")[2]
        if not (said.isascii() and said.isdigit() and int(said) < _PORTS):
            raise ConfigError(f"network.listen: expected host:port, found {self.listen!r}.")
        return int(said)


@dataclass(frozen=True, slots=True)
class NetworkTerms:
    """What requests are judged by, with the venue's numbers."""

    terms: itn.Terms
    clients: Mapping[str, itn.Client]
    """By their names."""
    accounts: Mapping[str, int]
    """By the clients' names."""
    emails: Mapping[str, str]
    """The clients' names by their addresses, lower case."""
    assets: Mapping[str, AssetName]
    """By the tokens' symbols in the network."""
    broker: int


def network_terms(settings: NetworkSettings, names: Names, broker: int) -> NetworkTerms:
    """The settings on a venue. Raises ConfigError for a token that is not listed."""
    listed = {asset.name: asset for asset in names.assets.values() if not asset.stablecoin}
    assets = {}
    for symbol, one in settings.tokens.items():
        name = one.token or symbol
        if name not in listed:
            raise ConfigError(f"network.tokens: the venue lists no token {name!r}.", name=name)
        assets[symbol] = listed[name]
    tokens = {
        symbol: itn.Token(names.symbols[assets[symbol].underlying], frozenset(one.networks))
        for symbol, one in settings.tokens.items()
    }
    wallets = {name: frozenset(one.wallets) for name, one in settings.clients.items()}
    accounts = {name: one.account for name, one in settings.clients.items()}
    clients = {
        name: itn.Client(external=name) if one.named_by == "external" else itn.Client(account=name)
        for name, one in settings.clients.items()
    }
    emails = {one.email.lower(): name for name, one in settings.clients.items() if one.email}
    return NetworkTerms(itn.Terms(tokens, wallets), clients, accounts, emails, assets, broker)


def units_of(asset: AssetName, shares: int) -> int | None:
    """Token units that stand for exactly so many shares (1e-9); None where none do: what is left over would be nobody's."""
    units = shares * 10**asset.decimals // asset.multiplier_ppb
    return units if units > 0 and _shares_up(asset, units) == shares else None


def shares_of(asset: AssetName, units: int) -> int:
    """Shares (1e-9) that tokens give right to, rounded down: what is left over is the backing's."""
    return units * asset.multiplier_ppb // int(10**asset.decimals)


def _shares_up(asset: AssetName, units: int) -> int:
    return -(-units * asset.multiplier_ppb // int(10**asset.decimals))
