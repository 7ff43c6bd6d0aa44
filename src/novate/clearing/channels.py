"""What a token's terms let through, session by session: the table of its listing.

Responsible for: laying the table out. Never: says whether a channel is open now (the engine's gates do; what binds is in the capacity).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from novate.messages import Session
from novate.messages.reports.clearing import IssuanceTerms
from novate.messages.reports.portfolios import Listed

CHANNELS: Final = ("issue", "redeem", "issue in kind", "redeem in kind", "queue")
"""By the bits of a mask."""


def table(terms: Iterable[IssuanceTerms], listed: Listed) -> list[dict[str, str]]:
    """A row for each token and session: which channels it opens, and whether what is not open waits."""
    names = {asset.asset: asset.name for asset in listed.assets}
    return [
        {
            "token": names[one.token],
            "session": session.name.lower(),
            **{channel: "yes" if mask >> bit & 1 else "" for bit, channel in enumerate(CHANNELS)},
        }
        for one in terms
        for session, mask in zip(Session, one.sessions, strict=True)
    ]
