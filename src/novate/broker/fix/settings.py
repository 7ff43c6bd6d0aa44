"""What an operator writes about a FIX session, and the settings QuickFIX is started with.

    [fix]
    name = "prime"
    host = "fix.broker.example"
    port = 9876
    sender = "NOVATE"                  # SenderCompID (49)
    target = "BROKER"                  # TargetCompID (56)
    username = "novate"                # 553; empty: none is said
    password_env = "PRIME_PASSWORD"    # 554, from the environment, or from the file that PRIME_PASSWORD_FILE names
    account = "NOV-1"                  # 1
    fraction_decimals = 0              # the broker takes whole shares

Responsible for: one clear error for what does not fit; the data dictionary's path. Never: connects, or holds a secret.
"""

from __future__ import annotations

import site
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

import msgspec

from novate.errors import ConfigError, UnitError
from novate.units import rate_ppm, scaled

DICTIONARY: Final = "FIX44.xml"
VERSION: Final = "FIX.4.4"

Word = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
Clock = Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$")]
OwnTag = Annotated[str, msgspec.Meta(pattern=r"^[1-9]\d{0,4}$")]


class FixSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The venue's session with one broker.

    Attributes:
        name: Its name, in health and logs.
        host: The broker's address.
        port: The broker's port.
        sender: SenderCompID: who the venue is.
        target: TargetCompID: who the broker is.
        account: The venue's account at the broker; empty: none is said.
        username: Of the logon; empty: none is said.
        password_env: The environment variable with the password; empty: none is said.
        heartbeat_s: Seconds of silence after which each side says that it is there.
        reconnect_s: Seconds between two attempts to connect.
        session_from: When the day's session begins, UTC; empty, with `session_to`: it never ends.
        session_to: When it ends. Numbers begin at 1 with the next one.
        reset_on_logon: Whether numbers begin at 1 with every logon. What was missed can't be asked for again then.
        cash_orders: Whether the broker takes an order in dollars, its fees included (152). Otherwise shares are computed from them.
        fraction_decimals: Decimals of a share that the broker takes; 0: whole shares.
        fee_rate: What the broker's fees are at most, of an order's value: "5 bps".
        fee_per_share: What they are at most on top of it, in dollars a share.
        order_fields: What this broker wants in every new order besides, by tag.
        dictionary: Path of the data dictionary; empty: the one of QuickFIX.
        unknown_fields: Whether a message may have fields that the dictionary does not know for its kind.
    """

    name: Word
    host: Annotated[str, msgspec.Meta(min_length=1)]
    port: Port
    sender: Word
    target: Word
    account: str = ""
    username: str = ""
    password_env: str = ""
    heartbeat_s: Annotated[int, msgspec.Meta(ge=1, le=300)] = 30
    reconnect_s: Annotated[int, msgspec.Meta(ge=1, le=300)] = 5
    session_from: Clock | Literal[""] = ""
    session_to: Clock | Literal[""] = ""
    reset_on_logon: bool = False
    cash_orders: bool = False
    fraction_decimals: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0
    fee_rate: str = "0 bps"
    fee_per_share: str = "0"
    order_fields: dict[OwnTag, Annotated[str, msgspec.Meta(min_length=1)]] = {}
    dictionary: str = ""
    unknown_fields: bool = True

    def __post_init__(self) -> None:
        if self.sender == self.target:
            raise ValueError(f"sender and target are both {self.sender}: a session has two sides")
        if bool(self.session_from) != bool(self.session_to):
            raise ValueError("session_from and session_to are set together, or neither")
        if "\x01" in self.account + self.username or any(
            "\x01" in said for said in self.order_fields.values()
        ):
            raise ValueError("a value holds the byte 1, which ends a field")
        try:
            if self.fee_ppm < 0 or self.fee_each < 0:
                raise ValueError("fee_rate and fee_per_share are not below 0")
        except UnitError as error:
            raise ValueError(error.sentence) from error

    @property
    def fee_ppm(self) -> int:
        """Fees at most, in parts per million of an order's value."""
        return rate_ppm(self.fee_rate, "fee_rate")

    @property
    def fee_each(self) -> int:
        """Fees at most on top, in 1e-9 dollars a share."""
        return scaled(self.fee_per_share, 9, "fee_per_share")


class Client(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A broker at the simulated exchange: one session.

    Attributes:
        id: Its CompID.
        password: What it has to say at its logon; empty: nothing. A simulated exchange guards nothing, so it stands here.
        cash_orders: Whether orders in dollars are taken from it.
        fees: Whether fees are said as Commission (12, 13) or as MiscFees (136).
    """

    id: Word
    password: str = ""
    cash_orders: bool = True
    fees: Literal["commission", "misc"] = "commission"


class AcceptorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The simulated exchange as a FIX counterparty.

    Attributes:
        port: Where it listens.
        exchange: Its CompID.
        clients: Who may log on.
        host: The address it listens at.
        heartbeat_s: Seconds of silence after which each side says that it is there.
        dictionary: Path of the data dictionary; empty: the one of QuickFIX.
    """

    port: Port
    exchange: Word
    clients: Annotated[tuple[Client, ...], msgspec.Meta(min_length=1)]
    host: str = "127.0.0.1"
    heartbeat_s: Annotated[int, msgspec.Meta(ge=1, le=300)] = 30
    dictionary: str = ""

    def __post_init__(self) -> None:
        ids = [client.id for client in self.clients]
        if len({*ids, self.exchange}) <= len(ids):
            raise ValueError(f"two parties have one id: {', '.join(sorted([*ids, self.exchange]))}")


class Served(NamedTuple):
    """An acceptor, and which of the exchange's brokers each of its clients is."""

    acceptor: AcceptorSettings
    brokers: dict[str, str]


def load_served(path: Path) -> Served:
    """An acceptor's TOML file: fields of `AcceptorSettings`, and in each `[[clients]]` the `broker` that it is. Raises ConfigError."""
    try:
        document = msgspec.toml.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}.", file=str(path)) from error
    brokers: dict[str, str] = {}
    for client in document.get("clients", ()):
        if not isinstance(client, dict) or not isinstance(broker := client.pop("broker", None), str):
            raise ConfigError(f"{path}: each of clients has a broker.", file=str(path))
        brokers[str(client.get("id"))] = broker
    try:
        acceptor = msgspec.convert(document, AcceptorSettings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}.", file=str(path)) from error
    return Served(acceptor, brokers)


def load_fix(path: Path) -> FixSettings:
    """The `[fix]` table of a TOML file. Raises ConfigError."""
    try:
        document = msgspec.toml.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}.", file=str(path)) from error
    if not isinstance(document, dict) or "fix" not in document:
        raise ConfigError(f"{path} has no table [fix].", file=str(path))
    return fix_settings(document["fix"], str(path))


def fix_settings(table: object, where: str = "fix") -> FixSettings:
    """A table as settings. Raises ConfigError, naming the key."""
    try:
        return msgspec.convert(table, FixSettings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}.") from error


def dictionary_path(stated: str, folders: Iterator[Path] | None = None) -> Path:
    """The FIX 4.4 data dictionary: the stated one, else the one QuickFIX installs under `share/quickfix`. Raises ConfigError."""
    if stated:
        if not (path := Path(stated)).is_file():
            raise ConfigError(f"The data dictionary {path} is not there.", file=stated)
        return path
    looked = list(folders or _shares())
    for folder in looked:
        if (path := folder / "share" / "quickfix" / DICTIONARY).is_file():
            return path
    raise ConfigError(
        f"{DICTIONARY} is in none of {', '.join(str(folder) for folder in looked)}: QuickFIX installs it under share/quickfix; "
        "state its path as `dictionary`."
    )


def _shares() -> Iterator[Path]:
    """Where a package's shared files are put."""
    yield Path(sys.prefix)
    if spec := sys.modules.get("quickfix"):
        here = Path(spec.__file__ or "")
        yield from list(here.parents)[1:5]
    yield Path(site.getuserbase())
    yield Path(sys.base_prefix)
    yield Path("/usr/local")


def initiator_text(settings: FixSettings, folder: Path, dictionary: Path) -> str:
    """QuickFIX's settings of the venue's session. No message is kept by QuickFIX: an order that was missed is not said again by itself."""
    session = {
        "ConnectionType": "initiator",
        "BeginString": VERSION,
        "SenderCompID": settings.sender,
        "TargetCompID": settings.target,
        "SocketConnectHost": settings.host,
        "SocketConnectPort": settings.port,
        "HeartBtInt": settings.heartbeat_s,
        "ReconnectInterval": settings.reconnect_s,
        "SocketNodelay": "Y",
        "PersistMessages": "N",
        "ResetOnLogon": _flag(settings.reset_on_logon),
        **_times(settings.session_from, settings.session_to),
        **_checks(dictionary, unknown=settings.unknown_fields),
        "FileStorePath": folder,
    }
    return _sections([session])


def acceptor_text(settings: AcceptorSettings, folder: Path, dictionary: Path) -> str:
    """QuickFIX's settings of the simulated exchange: one session for each client."""
    return _sections(
        [
            {
                "ConnectionType": "acceptor",
                "BeginString": VERSION,
                "SenderCompID": settings.exchange,
                "TargetCompID": client.id,
                "SocketAcceptPort": settings.port,
                "SocketAcceptHost": settings.host,
                "SocketReuseAddress": "Y",
                "SocketNodelay": "Y",
                "HeartBtInt": settings.heartbeat_s,
                **_times("", ""),
                **_checks(dictionary, unknown=True),
                "FileStorePath": folder,
            }
            for client in settings.clients
        ]
    )


def _times(begin: str, end: str) -> Mapping[str, object]:
    if begin:
        return {"StartTime": begin, "EndTime": end}
    return {"NonStopSession": "Y"}


def _checks(dictionary: Path, *, unknown: bool) -> Mapping[str, object]:
    return {
        "UseDataDictionary": "Y",
        "DataDictionary": dictionary,
        "ValidateUserDefinedFields": "N",
        "AllowUnknownMsgFields": _flag(unknown),
    }


def _flag(value: bool) -> str:
    return "Y" if value else "N"


def _sections(sessions: list[dict[str, object]]) -> str:
    lines = ["[DEFAULT]", "TimestampPrecision=3"]
    for session in sessions:
        lines += ["", "[SESSION]", *(f"{key}={value}" for key, value in session.items())]
    return "\n".join([*lines, ""])
