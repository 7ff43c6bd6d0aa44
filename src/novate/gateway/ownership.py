"""Whose each account is, as the venue has it: what a gateway asks once, and hears from then on.

Responsible for: the keyring knows of an account before anybody is told that it was opened; the store knows soon after, written in batches by a
thread. Never: evaluates an account, or holds the event loop for as long as a venue has accounts.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final, cast

from novate.gateway.link import VenueLink
from novate.identity import Identity
from novate.messages import AccountOpened, EventMessage, reports

_log: Final = logging.getLogger(__name__)
_PAGE: Final = 4_096
"""Accounts asked for and written at once: the keyring reads what was written while nobody else is served."""


class Ownership:
    """The accounts' owners, from the venue into identity. For one event loop."""

    def __init__(self, link: VenueLink, identity: Identity) -> None:
        self._link, self._identity = link, identity
        self._unwritten: dict[int, int] = {}
        self._writing: asyncio.Task[None] | None = None

    def opened(self, event: EventMessage) -> None:
        """An account was opened."""
        self._hear(event.header.account, cast("AccountOpened", event.body).owner)

    async def learn(self) -> None:
        """Asks for every account, a page after the other. Raises GatewayRefused."""
        skip = 0
        while page := (await self._link.ask(reports.owners, skip, _PAGE))[0]:
            skip += len(page)
            for account, owner in page:
                self._hear(account, owner)
            await self.written()

    def _hear(self, account: int, owner: int) -> None:
        """Whose an account is: known at once, and written where it was known otherwise. What is nobody's is not."""
        if not owner or self._identity.keyring.owner_of(account) == owner:
            return
        self._identity.keyring.told(account, owner)
        self._unwritten[account] = owner
        if self._writing is None:
            self._writing = asyncio.ensure_future(self._write())

    async def written(self) -> None:
        """Waits until what was heard so far is written."""
        if self._writing is not None:
            await self._writing

    async def _write(self) -> None:
        while self._unwritten:
            news, self._unwritten = self._unwritten, {}
            try:
                await asyncio.to_thread(self._identity.store.assign_accounts, news, time.time_ns())
            except Exception:  # noqa: BLE001 - the next start asks the venue again
                _log.exception("the owners of %d accounts were not written", len(news))
        self._writing = None
