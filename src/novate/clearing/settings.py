"""What an operator writes about clearing, in TOML: `clearing.toml` in the venue's home.

    actor = 901                         # the service's key, on a venue with governance

    [[broker]]
    name = "Prime One"                  # as listed
    adapter = "simulated"
    [broker.options]                    # what the adapter takes: docs/reference/brokers.md

    [[broker]]
    name = "Prime Two"
    adapter = "fix"

    [market]
    broker = "Prime One"                # whose adapter shows the primary market

    [desk.spread]
    regular = "2 bps"

Responsible for: one clear error per mistake. Never: holds a secret (an adapter's options name files and environment variables).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from novate.clearing.desk import DeskTerms
from novate.clearing.network_terms import NetworkSettings
from novate.clearing.service import Terms
from novate.errors import ConfigError, UnitError
from novate.messages import Session
from novate.settings_file import read_settings
from novate.units import duration_ns, rate_ppm

FILE: Final = "clearing.toml"
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class _Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base: unknown keys are refused."""


class BrokerSettings(_Settings, frozen=True, kw_only=True):
    """A broker's line.

    Attributes:
        name: The broker, as the venue lists it.
        adapter: `simulated`, `fix` or `alpaca`; or `module:function` of one's own.
        options: What that adapter takes.
    """

    name: Name
    adapter: Name
    options: dict[str, Any] = {}


class MarketSettings(_Settings, frozen=True, kw_only=True):
    """Who shows the primary market: one of broker, file and adapter; none of them: the first broker whose adapter does.

    Attributes:
        broker: Name of a broker whose adapter shows it.
        file: A file that somebody keeps current, in the home.
        adapter: `module:function` of one's own.
        options: What that takes.
        shown: File in the home to which the market is written for other processes, such as the bridge; empty for none.
    """

    broker: str = ""
    file: str = ""
    adapter: str = ""
    options: dict[str, Any] = {}
    shown: str = ""


class SpreadSettings(_Settings, frozen=True, kw_only=True):
    """What is put on the primary price, by session; a session without one is not quoted.

    Attributes:
        pre: Before the regular session.
        regular: In the regular session.
        post: After it.
        overnight: In the night.
    """

    pre: str = "10 bps"
    regular: str = "2 bps"
    post: str = "10 bps"
    overnight: str = ""


class DeskSettings(_Settings, frozen=True, kw_only=True):
    """The quote desk.

    Attributes:
        spread: By session.
        age: More of it for each second since the market's last change.
        oldest: A market that did not change for so long is not quoted.
        within: A question that is older is not answered.
        reach: Depth is posted as far as this from the best price.
        depth_every: How often depth is posted; well below the listing's `depth_age`.
    """

    spread: SpreadSettings = SpreadSettings()
    age: str = "0.5 bps"
    oldest: str = "10 s"
    within: str = "20 s"
    reach: str = "10 bps"
    depth_every: str = "10 s"


class ConversionSettings(_Settings, frozen=True, kw_only=True):
    """Who changes stablecoins into dollars.

    Attributes:
        by: `hand`: a person, who says what came; `simulated`: nobody, at face less a cost.
        takes: How long the simulated change takes.
        cost: What it costs.
    """

    by: Literal["hand", "simulated"] = "hand"
    takes: str = "1 min"
    cost: str = "0 bps"


class ClearingSettings(_Settings, frozen=True, kw_only=True):
    """All of clearing.

    Attributes:
        actor: Key of the service; 0 on a venue without governance.
        market: Who shows the primary market.
        deliver: `settled`: a settled issuance is delivered at once; `hand`: by a person's or a bridge's word.
        patience: How long an order waits for a line before the engine sends it elsewhere.
        answer: How long an order may stay unacknowledged before the broker is asked about it.
        kept: How long what is over is remembered; longer than the listing's `kept`.
        symbols: What an underlying is called at brokers, where that differs from its name.
        desk: The quote desk.
        conversion: Who changes money.
        broker: The lines.
        network: The door of an issuer in the tokenisation network.
    """

    actor: Annotated[int, msgspec.Meta(ge=0)] = 0
    market: MarketSettings = MarketSettings()
    deliver: Literal["settled", "hand"] = "settled"
    patience: str = "5 s"
    answer: str = "30 s"
    kept: str = "100 d"
    symbols: dict[Name, Name] = {}
    desk: DeskSettings = DeskSettings()
    conversion: ConversionSettings = ConversionSettings()
    broker: tuple[BrokerSettings, ...] = ()
    network: NetworkSettings | None = None

    def terms(self) -> Terms:
        """What the worker goes by. Raises ConfigError."""
        return Terms(
            actor=self.actor,
            for_clients=(self.network.actor if self.network else 0) or self.actor,
            patience_ns=nanoseconds(self.patience, "patience"),
            answer_ns=nanoseconds(self.answer, "answer"),
            kept_ns=nanoseconds(self.kept, "kept"),
            depth_ns=nanoseconds(self.desk.depth_every, "desk.depth_every"),
            quote_ns=nanoseconds(self.desk.within, "desk.within"),
            desk=DeskTerms(
                spread_ppm={
                    Session[name.upper()]: _ppm(value, f"desk.spread.{name}")
                    for name, value in msgspec.structs.asdict(self.desk.spread).items()
                    if value
                },
                age_ppm=_ppm(self.desk.age, "desk.age"),
                oldest_ns=nanoseconds(self.desk.oldest, "desk.oldest"),
                reach_ppm=_ppm(self.desk.reach, "desk.reach"),
            ),
        )


def load_clearing(source: Path | str | Mapping[str, Any]) -> ClearingSettings:
    """Settings from a TOML file, TOML text (anything with a line break) or a mapping; checked as far as no venue is needed.

    Raises ConfigError with the place of the mistake.
    """
    settings = read_settings(source, ClearingSettings, "clearing")
    names = [one.name for one in settings.broker]
    if len(set(names)) < len(names):
        raise ConfigError(f"broker: one name has two lines: {', '.join(sorted(names))}.")
    market = settings.market
    if market.broker and market.broker not in names:
        raise ConfigError(f"market.broker: expected one of {', '.join(names)}, found {market.broker!r}.")
    if sum(map(bool, (market.broker, market.file, market.adapter))) > 1:
        raise ConfigError("market: expected one of broker, file and adapter.")
    if settings.network is not None:
        settings.network.check({one.name: one.adapter for one in settings.broker})
        for name in ("answer", "every"):
            if nanoseconds(getattr(settings.network, name), f"network.{name}") <= 0:
                raise ConfigError(f"network.{name} is above zero.")
    terms = settings.terms()
    nanoseconds(settings.conversion.takes, "conversion.takes")
    _ppm(settings.conversion.cost, "conversion.cost")
    for name, value in (
        ("patience", terms.patience_ns),
        ("answer", terms.answer_ns),
        ("kept", terms.kept_ns),
    ):
        if value <= 0:
            raise ConfigError(f"{name} is above zero.")
    return settings


def symbols_of(home: Path) -> dict[str, str]:
    """What underlyings are called at brokers where that differs from their names, by the home's settings; nothing where it has none. Raises ConfigError."""
    path = home / FILE
    return load_clearing(path).symbols if path.exists() else {}


def nanoseconds(value: str, name: str) -> int:
    """A duration of the settings. Raises ConfigError."""
    try:
        return duration_ns(value, name)
    except UnitError as error:
        raise ConfigError(error.sentence) from error


def _ppm(value: str, name: str) -> int:
    try:
        return rate_ppm(value, name)
    except UnitError as error:
        raise ConfigError(error.sentence) from error
