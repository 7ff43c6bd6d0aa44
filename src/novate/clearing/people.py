"""What the venue's people do with the API, by their own keys: the few operations that reconciliation and corporate actions need.

Responsible for: an operation as it is, or as a change that a second person approves where the venue has governance. Never: decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from novate.client import Client, VenueRefused
from novate.client.answers import Done
from novate.client.calls import act, arguments
from novate.client.keyfile import signing

URL: Final = "http://127.0.0.1:8080"
TAKES_TWO: Final = 1004
"""Refusal of a command that nobody sends alone."""
_REASON: Final = 256


class Venue:
    """A venue by its API, as one of its people. Methods raise what a client raises: VenueRefused, VenueUnreachable, OutcomeUnknown."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def call(self, op: str, **args: Any) -> Done:
        """An operation of the venue's."""
        return self._client.request(act(op, None, args))

    def ask(self, path: str, **numbers: int) -> Any:
        """A question."""
        return self._client.ask(path, **numbers)

    def alone_or_proposed(self, op: str, reason: str, **args: Any) -> int:
        """Does it, or proposes it where two people must: the change's id then, else 0."""
        try:
            self.call(op, **args)
        except VenueRefused as error:
            if error.number != TAKES_TWO:
                raise
        else:
            return 0
        said = {"op": op, "args": arguments(op, args)}
        done = self.call("propose_change", account="0", command=said, reason=reason[:_REASON])
        found = next(one.data for one in done.events if one.event == "change_proposed")
        return int(msgspec.to_builtins(found)["change"])

    def changes(self) -> list[dict[str, Any]]:
        """Changes that wait."""
        return list(self.ask("/admin/changes"))


@contextmanager
def venue_at(url: str, key: int | None, seed: Path | None) -> Iterator[Venue]:
    """The venue at a URL, with a person's key. Raises ConfigError for a key that is none."""
    with Client(url or URL, signing(key, seed)) as client:
        yield Venue(client)
