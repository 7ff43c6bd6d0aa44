"""Public notices through a door: pages, feeds, what is current, posts of operators; and everybody who listens is told what changes.

Responsible for: who may post, and looking for changes whichever process made them. Never: makes a notice itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from novate.errors import DataError
from novate.gateway.gate import now
from novate.identity import Principal
from novate.notices.feed import Feed
from novate.notices.formats import ATOM_TYPE, JSON_TYPE, atom, json_feed
from novate.notices.records import Notice, Post, Words
from novate.schema.catalogue import named
from novate.schema.operations import SchemaError

if TYPE_CHECKING:
    from novate.gateway.door import Door

T = TypeVar("T")

POST: Final = "notices.post"
_LOOK_S: Final = 0.25
_IN_FEED: Final = 50
_IN_STATUS: Final = 100
_log: Final = logging.getLogger("novate.gateway")


class Notices:
    """Notices as doors serve them."""

    def __init__(self, door: Door, feed: Feed) -> None:
        self._door, self._feed = door, feed
        self._kept: tuple[Notice, ...] = ()
        door.streams.notices = self._told_first

    async def page(self, before_ns: int, limit: int, *, current: bool) -> dict[str, Any]:
        """A page of the list, newest first, and what the next one is asked with."""
        at = self._now()
        found = await self._do(lambda feed: feed.page(before_ns, limit, at if current else None))
        return {
            "notices": [self.shown(one) for one in found.notices],
            "next_before_ns": found.next_ns or None,
        }

    def current(self) -> list[dict[str, Any]]:
        """Those that are not over, in short."""
        at = self._now()
        return [
            {
                "notice": one.notice, "kind": one.kind.value, "severity": one.severity.value, "title": one.title, "markets": list(one.markets),
                "state": one.state(at), "from_ns": one.from_ns, "to_ns": one.to_ns,
            }
            for one in self._kept
            if one.state(at) != "over"
        ]  # fmt: skip

    async def post(self, principal: Principal, read: Callable[[type], Any]) -> dict[str, Any]:
        """A new notice; `read` gives it once it is known that the speaker may."""
        self._door.gate.authorise(principal, POST)
        wish: Post = read(Post)
        try:
            for market in wish.markets:
                named(self._door.catalogue.market_ids, market, "market")
        except DataError as error:
            raise SchemaError(error.sentence, field="markets") from None
        made = await self._do(lambda feed: feed.book.post(wish, self._now()))
        return await self._noted("notice_posted", principal, made)

    async def update(self, principal: Principal, notice: str, read: Callable[[type], Any]) -> dict[str, Any]:
        """More about a notice."""
        self._door.gate.authorise(principal, POST)
        wish: Words = read(Words)
        made = await self._do(lambda feed: feed.book.update(notice, wish.text, self._now()))
        return await self._noted("notice_updated", principal, made)

    async def resolve(self, principal: Principal, notice: str, read: Callable[[type], Any]) -> dict[str, Any]:
        """The end of a notice."""
        self._door.gate.authorise(principal, POST)
        wish: Words = read(Words)
        made = await self._do(lambda feed: feed.book.resolve(notice, wish.text, self._now()))
        return await self._noted("notice_resolved", principal, made)

    async def feed(self, form: str, url: str) -> tuple[bytes, str]:
        """The newest notices as JSON Feed or Atom, and its media type."""
        found = await self._do(lambda feed: feed.page(limit=_IN_FEED).notices)
        write, kind = (json_feed, JSON_TYPE) if form == "json" else (atom, ATOM_TYPE)
        return write(self._door.settings.venue, found, self._now(), url), kind

    async def watch(self) -> None:
        """Tells whoever listens what changed, until cancelled."""
        await self._door.link.ready()
        mark = None
        try:
            while True:
                try:
                    if mark is None:
                        mark = await self._do(lambda feed: feed.now())
                        await self._keep()
                    mark, found = await asyncio.to_thread(self._feed.changed, mark)
                    if found:
                        await self._keep()
                        self._door.streams.tell_notices([self.shown(one) for one in found])
                except Exception:  # noqa: BLE001 - a disk that stalls never ends the gateway
                    _log.exception("notices failed")
                await asyncio.sleep(_LOOK_S)
        finally:
            self._feed.close()

    async def _keep(self) -> None:
        """What a newcomer to the channel is told first, and the status names: public, so nothing is read for each who asks."""
        at = self._now()
        found = await self._do(lambda feed: feed.page(limit=_IN_STATUS, current_ns=at).notices)
        self._kept = tuple(found)

    def _told_first(self) -> list[dict[str, Any]]:
        at = self._now()
        return [self.shown(one) for one in self._kept if one.state(at) != "over"]

    def shown(self, one: Notice) -> dict[str, Any]:
        """A notice as it is told."""
        return {**msgspec.to_builtins(one), "state": one.state(self._now())}

    async def _noted(self, kind: str, principal: Principal, made: Notice) -> dict[str, Any]:
        identity, at = self._door.gate.identity, now()
        await asyncio.to_thread(
            lambda: identity.note(kind, principal, at, notice=made.notice, title=made.title)
        )
        return self.shown(made)

    async def _do(self, work: Callable[[Feed], T]) -> T:
        return await asyncio.to_thread(work, self._feed)

    def _now(self) -> int:
        """The venue's time: by it events are dated."""
        return int(self._door.link.time_ns) or now()
