"""What the tests of the adapter for Alpaca share: who listens, an order, and the settings of a server on this machine."""

from pathlib import Path

from alpaca_server import KEY, SECRET, AlpacaServer
from novate.broker import Heard, LineLost, LineUp, NewOrder, Report
from novate.broker.alpaca.settings import AlpacaSettings, read_settings
from novate.messages.codes import Side

SHARE, DOLLAR = 10**9, 10**9


class Ears:
    """Keeps what it hears, unless it is told to fail."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.fails = 0

    def __call__(self, heard: Heard) -> None:
        if self.fails and not isinstance(heard.report, LineUp | LineLost):
            self.fails -= 1
            raise OSError("the disk is full")
        self.heard.append(heard)

    def of(self, *kinds: type[Report]) -> list[Report]:
        return [one.report for one in list(self.heard) if isinstance(one.report, kinds)]

    def said(self) -> list[Report]:
        return [one.report for one in list(self.heard) if not isinstance(one.report, LineUp | LineLost)]


def settings_of(server: AlpacaServer, home: Path) -> AlpacaSettings:
    """An account on a server, its key in the home."""
    (home / "key").write_text(KEY + "\n")
    (home / "secret").write_text(SECRET + "\n")
    return read_settings(
        {
            "kind": "alpaca", "account": "paper", "key_file": "key", "secret_file": "secret", "url": server.url, "stream_url": server.stream_url,
            "patience_s": 1, "longest_wait_s": 0, "first_wait_s": 0.05, "sweep_s": 3600,
        }
    )  # fmt: skip


def buy(order: str = "n-1", shares: int = 100 * SHARE, limit: int = 180 * DOLLAR, **more: object) -> NewOrder:
    return NewOrder(
        **{"order": order, "symbol": "AAPL", "side": Side.BID, "shares": shares, "dollars": 0, "limit": limit}
        | more
    )


def kinds(reports: list[Report]) -> list[str]:
    return [type(one).__name__ for one in reports]
