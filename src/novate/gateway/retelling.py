"""Accounts whose events a connection is told again, from before this gateway's memory, in parts, while the connection goes on.

Responsible for: one task for each such account, its reply before its events, and a refusal where some are gone. Never: finds an event (`backlog.py` does).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from novate.errors import NovateError
from novate.gateway.errors import GatewayRefused, Rule

if TYPE_CHECKING:
    from novate.gateway.door import Door
    from novate.gateway.socket import Connection, Said

_log: Final = logging.getLogger("novate.gateway")


class Retelling:
    """Of one connection."""

    def __init__(
        self,
        door: Door,
        connection: Connection,
        say: Callable[[Said, dict[str, Any]], None],
        refuse: Callable[[Said, NovateError], None],
    ) -> None:
        """`say` and `refuse` send the connection's replies."""
        self._door, self._connection = door, connection
        self._say, self._refuse = say, refuse
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._unanswered: dict[int, Said] = {}
        """Subscriptions that have no reply yet, by account."""

    def begin(self, said: Said, account: int, after: int) -> None:
        """Answers a subscription, tells every event of the account behind number `after`, and then those that come."""
        self.end(account)
        self._door.streams.leave_account(account, self._connection)
        self._unanswered[account] = said
        self._tasks[account] = asyncio.ensure_future(self._tell(said, account, after))

    def end(self, account: int) -> None:
        """Tells no more of the account, if it was being told; a subscription that has not begun is refused."""
        task = self._tasks.pop(account, None)
        if task is None or task is asyncio.current_task():
            return
        task.cancel()
        said = self._unanswered.pop(account, None)
        if said is not None:
            self._refuse(said, GatewayRefused(Rule.SUBSCRIPTION_MUST_NOT_END_BEFORE_IT_BEGINS))

    def after(self, do: Callable[[], None]) -> None:
        """Does it once everything that is being told was told: now, where nothing is."""
        if not self._tasks:
            do()
            return
        waiting = asyncio.gather(*self._tasks.values(), return_exceptions=True)
        waiting.add_done_callback(lambda _: do())

    async def _tell(self, said: Said, account: int, after: int) -> None:
        connection = self._connection

        def begun(last: int) -> None:
            self._unanswered.pop(account, None)
            self._say(said, {"account": str(account), "account_seq": last})

        try:
            await self._door.backlog.follow(account, after, connection, begun, connection.room)
        except Exception as error:  # noqa: BLE001 - one subscription never ends the gateway
            answered = self._unanswered.pop(account, None) is None
            connection.give_up(account)
            known = isinstance(error, NovateError)
            if not known:
                _log.exception("events of account %d could not be told again", account)
            self._refuse(
                said, error if isinstance(error, NovateError) else GatewayRefused(Rule.OPERATION_FAILED)
            )
            if answered:
                connection.cut_off(
                    "events are not kept any more" if known else "events can't be told any more"
                )
        finally:
            if self._tasks.get(account) is asyncio.current_task():
                del self._tasks[account]
