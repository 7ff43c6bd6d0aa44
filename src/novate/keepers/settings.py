"""What an operator writes about the keepers, in TOML, and the defaults of what is not about money.

    actor = 901                         # the keepers' key, on a venue with governance

    [time]
    every = "100 ms"

    [sessions]
    always = ["BTC", "ETH", "USDC"]     # never close; all else is a US stock

    [[feed]]                            # see docs/reference/feeds.md
    [alerts]
    marks = ["80 %", "90 %", "100 %"]
    [[alerts.webhook]]
    name = "desk"
    url = "https://example.org/novate"
    secret_env = "DESK_SECRET"

Responsible for: one clear error per mistake. Never: holds a secret (files name environment variables).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from novate.calendar import Extended, Session
from novate.errors import ConfigError, UnitError
from novate.keepers.channels import Channel, Email, Wanted, Webhook
from novate.keepers.session_keeper import Hours, always_open, exchange_hours
from novate.keepers.thresholds import Marks
from novate.messages.reports import Level
from novate.prices.credentials import credentials
from novate.prices.settings import FeedSettings, names_of
from novate.settings_file import read_settings
from novate.units import duration_ns, rate_ppm

Least = Literal["info", "warning", "critical"]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class _Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base: unknown keys are refused."""


class TimeSettings(_Settings, frozen=True, kw_only=True):
    """Time.

    Attributes:
        every: Step of the venue's time.
    """

    every: str = "100 ms"


class SessionSettings(_Settings, frozen=True, kw_only=True):
    """Sessions.

    Attributes:
        always: Underlyings that never close.
        extended: Extended sessions that count as open: true, false, or some of pre, post, overnight.
        by_name: The same for single underlyings.
    """

    always: tuple[str, ...] = ()
    extended: bool | tuple[Literal["pre", "post", "overnight"], ...] = True
    by_name: dict[str, bool | tuple[Literal["pre", "post", "overnight"], ...]] = {}

    def hours(self) -> dict[str, Hours]:
        """The hours of the names that are named."""
        own = {name: exchange_hours(_extended(value)) for name, value in self.by_name.items()}
        return own | dict.fromkeys(self.always, always_open)

    def default(self) -> Hours:
        """The hours of all others."""
        return exchange_hours(_extended(self.extended))


class PriceSettings(_Settings, frozen=True, kw_only=True):
    """Prices.

    Attributes:
        beat: Prices of a source within a beat become one, the newest.
    """

    beat: str = "100 ms"


class WebhookSettings(_Settings, frozen=True, kw_only=True):
    """A webhook.

    Attributes:
        name: Its name in the delivery log.
        url: Where alerts are posted.
        secret_env: Environment variable with the secret that signs them.
        accounts: Whose alerts; all where there is none.
        least: From which severity on.
    """

    name: Name
    url: str
    secret_env: str
    accounts: tuple[int, ...] = ()
    least: Least = "info"


class EmailSettings(_Settings, frozen=True, kw_only=True):
    """A mailbox.

    Attributes:
        name: Its name in the delivery log.
        host: The mail server.
        sender: From whom.
        to: To whom.
        port: Its port.
        starttls: Whether the connection is encrypted.
        user: Login, where the server asks for one.
        password_env: Environment variable with its password.
        accounts: Whose alerts; all where there is none.
        least: From which severity on.
    """

    name: Name
    host: str
    sender: str
    to: str
    port: int = 587
    starttls: bool = True
    user: str = ""
    password_env: str = ""
    accounts: tuple[int, ...] = ()
    least: Least = "warning"


class AlertSettings(_Settings, frozen=True, kw_only=True):
    """Alerts.

    Attributes:
        level: The requirement that is watched.
        marks: Parts of equity at which the requirement is news; calls are made at 100 % and beyond.
        hysteresis: How far below a mark counts as having left it.
        sweep: How often all accounts are looked at.
        cure: Time the operator gives to cure a margin call; none is promised at zero.
        webhook: Webhooks.
        email: Mailboxes.
    """

    level: Literal["initial", "liquidation_end", "maintenance", "close_out"] = "initial"
    marks: tuple[str, ...] = ("80 %", "90 %", "100 %")
    hysteresis: str = "2 %"
    sweep: str = "10 s"
    cure: str = "0 s"
    webhook: tuple[WebhookSettings, ...] = ()
    email: tuple[EmailSettings, ...] = ()

    @property
    def level_number(self) -> Level:
        """The level as the engine counts them."""
        return Level[self.level.upper()]

    def thresholds(self) -> Marks:
        """The marks. Raises ConfigError."""
        try:
            return Marks(
                tuple(rate_ppm(mark, "marks") for mark in self.marks), rate_ppm(self.hysteresis, "hysteresis")
            )
        except UnitError as error:
            raise ConfigError(f"alerts: {error.sentence}") from error

    def channels(self, environment: Mapping[str, str] = os.environ) -> tuple[Channel, ...]:
        """Webhooks and mailboxes. Raises ConfigError for a secret that is not set, or a name used twice."""
        found: list[Channel] = [
            Webhook(
                w.name,
                w.url,
                _secret(w.name, w.secret_env, environment).encode(),
                _wanted(w.accounts, w.least),
                partial(credentials, w.secret_env, environment),
            )
            for w in self.webhook
        ]
        found += [
            Email(
                e.name, e.host, e.port, e.sender, e.to, starttls=e.starttls, user=e.user,
                password=_secret(e.name, e.password_env, environment) if e.user else "",
                wanted=_wanted(e.accounts, e.least),
            )
            for e in self.email
        ]  # fmt: skip
        names = [channel.name for channel in found]
        if len(set(names)) < len(names):
            raise ConfigError(f"Two channels of alerts have one name: {', '.join(sorted(names))}.")
        return tuple(found)


class RecordedSettings(_Settings, frozen=True, kw_only=True):
    """Recorded data instead of the world outside.

    Attributes:
        scenario: Its name; `novate scenarios` lists them.
        data: Folder of the data; searched for where it is empty.
        seed: Draws the ticks.
    """

    scenario: str
    data: str = ""
    seed: int = 1


class KeeperSettings(_Settings, frozen=True, kw_only=True):
    """All keepers.

    Attributes:
        actor: Key of the keepers; 0 on a venue without governance.
        time: Time.
        sessions: Sessions.
        prices: Prices.
        feed: Feeds.
        recorded: Recorded data; then sessions are the recorded ones.
        alerts: Alerts.
    """

    actor: Annotated[int, msgspec.Meta(ge=0)] = 0
    time: TimeSettings = TimeSettings()
    sessions: SessionSettings = SessionSettings()
    prices: PriceSettings = PriceSettings()
    feed: tuple[FeedSettings, ...] = ()
    recorded: RecordedSettings | None = None
    alerts: AlertSettings = AlertSettings()


def load_settings(source: Path | str | Mapping[str, Any]) -> KeeperSettings:
    """Settings from a TOML file, TOML text (anything with a line break) or a mapping; checked as far as no venue is needed.

    Raises ConfigError with the place of the mistake.
    """
    settings = read_settings(source, KeeperSettings, "keepers'")
    names_of(settings.feed)
    settings.alerts.thresholds()
    for name, value in (
        ("time.every", settings.time.every), ("prices.beat", settings.prices.beat),
        ("alerts.sweep", settings.alerts.sweep),
    ):  # fmt: skip
        if nanoseconds(value, name) <= 0:
            raise ConfigError(f"{name} is above zero.")
    nanoseconds(settings.alerts.cure, "alerts.cure")
    return settings


def nanoseconds(value: str, name: str) -> int:
    """A duration of the settings. Raises ConfigError."""
    try:
        return duration_ns(value, name)
    except UnitError as error:
        raise ConfigError(error.sentence) from error


def _extended(value: bool | tuple[str, ...]) -> Extended:
    return value if isinstance(value, bool) else tuple(Session[name.upper()] for name in value)


def _wanted(accounts: tuple[int, ...], least: Least) -> Wanted:
    return Wanted(frozenset(map(str, accounts)) if accounts else None, least)


def _secret(name: str, variable: str, environment: Mapping[str, str]) -> str:
    found = credentials(variable, environment)
    if not found:
        said = (
            f"the environment variable {variable} is not set" if variable else "no variable holds its secret"
        )
        raise ConfigError(f"Channel {name}: {said}.")
    return found[0]
