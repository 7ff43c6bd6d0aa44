"""What a gateway process is told at its start.

Responsible for: names, defaults and bounds. Never: reads a file.
"""

from __future__ import annotations

from dataclasses import dataclass

from novate.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """One gateway process. Where several serve a venue, each has its part of the budgets."""

    venue: str = "novate-dev"
    """The venue's id: part of every signature, and the epoch of its sequences."""
    chain_id: int = 1
    host: str = "127.0.0.1"
    port: int = 8080
    """Of HTTP; the WebSocket has the next one."""
    dev: bool = False
    """Whoever comes may do everything: for development, never for money."""
    gateways: int = 1
    body_bytes: int = 1 << 18
    """Largest body of a request, largest message of a WebSocket."""
    subscriptions: int = 256
    """Of one connection."""
    unread_bytes: int = 1 << 22
    """What a listener may leave unread before it is cut off."""
    connections: int = 4096
    """Of each door."""
    connections_per_address: int = 512
    """Of both doors; an address of IPv6 counts with its network of 64 bits."""
    proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    """Who is believed in X-Forwarded-For on whom he speaks for; his own connections are not counted by address."""
    database: str = ""
    """URL of the read models; empty for SQLite in the home."""
    surface: str = "all"
    """What is served: `all`; `public`, which takes nothing that needs a role at the venue; `admin`, to whom shows a certificate."""
    certificates: str = ""
    """Folder of the admin door's certificates; empty for the one in the home."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.venue) <= 64 or not self.venue.isascii() or not self.venue.isprintable():
            raise ConfigError("A venue's id is 1 to 64 printable ASCII characters.", venue=self.venue[:80])
        if not 0 <= self.port <= 65_534:
            raise ConfigError(
                "A gateway's port is 0 to 65,534; the WebSocket has the next one.", port=self.port
            )
        if self.surface not in {"all", "public", "admin"}:
            raise ConfigError("A gateway serves all, public or admin.", surface=self.surface[:80])
        if self.dev and self.surface == "admin":
            raise ConfigError("A venue for development has no admin door: whoever comes may do everything.")
        if self.dev and self.host not in {"127.0.0.1", "::1", "localhost"}:
            raise ConfigError("A venue for development listens on this machine alone.", host=self.host)

    @property
    def ws_port(self) -> int:
        """Port of the WebSocket."""
        return self.port + 1 if self.port else 0
