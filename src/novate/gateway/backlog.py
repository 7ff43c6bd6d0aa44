"""What an account was told before: from this gateway's memory, else from the reader's event log, else from the read models, in that order.

Responsible for: an account's events in a row from any number on, whichever of the three has them, and the hand-over to what is told live, with
neither a gap nor an event twice. Never: knows a transport, or keeps an event.

The hand-over. This gateway's memory holds the events behind a position of the journal, `begins`, but for the oldest, which it may have
dropped. Whoever resumes is told older ones in parts, until the next event is in memory; or until the reader has said, of a state behind
`begins`, that there are no more. From then on, with nothing awaited in between, he listens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol

from novate.gateway.errors import GatewayRefused, Rule
from novate.gateway.history import History
from novate.gateway.streams import Listener, Streams
from novate.messages import event_heads
from novate.projections import queries
from novate.reader_process import Recalled

AT_ONCE: Final = 100
"""Events told before others have their turn, and the listener time to read."""
_ASKED: Final = 1_000
_AHEAD_S: Final = 2.0
"""So long a number may be ahead of what is known here: whoever heard it elsewhere may be faster than the events are here."""
_AGAIN_S: Final = 0.05


class Told(NamedTuple):
    """Events in a row."""

    events: list[bytes]
    """Whole messages."""
    last: int
    """Number of the account's last event, as far as that was found; 0 where it was not."""
    sequence: int
    """All events up to this command were looked through: without events there are none behind the number up to here."""


class Remembers(Protocol):
    """The reader, as far as it is asked here: `VenueLink` is one."""

    @property
    def heard(self) -> int:
        """Last command whose events this gateway has heard."""
        ...

    async def recall(self, account: int, after: int, most: int, min_seq: int) -> Recalled | None:
        """Events of an account from the event log; None where the reader has none. Raises GatewayRefused."""
        ...


class Backlog:
    """An account's events before now. For one event loop."""

    def __init__(self, streams: Streams, link: Remembers, history: History | None) -> None:
        self._streams, self._link, self._history = streams, link, history
        self._begins: int | None = None

    def begins(self, sequence: int) -> None:
        """The gateway's memory holds what is behind command `sequence`, and nothing before."""
        self._begins = sequence

    def at_hand(self, account: int, after: int) -> bool:
        """Whether all behind number `after` is in memory, and little enough to be told at once."""
        log = self._streams.account_log(account)
        return log.reaches(after) and log.last - after < AT_ONCE

    async def events(self, account: int, after: int, most: int) -> Told:
        """At most `most` events behind number `after`; none say that there are no more up to `sequence`.

        Raises GatewayRefused: they are gone, and which is the oldest that is not; or the reader can't be reached.
        """
        log = self._streams.account_log(account)
        if log.reaches(after):
            return Told(log.since(after, most), log.last, self._link.heard)
        least = self._least()
        found = await self._link.recall(account, after, most, least)
        if found is not None and found.how_many:
            return Told(_each(found.events), found.last, found.sequence)
        if found is not None and not found.oldest and (found.last or found.first_sequence == 1):
            return Told([], found.last, found.sequence)
        return await self._from_rows(account, after, most, found.oldest if found is not None else 0, least)

    async def follow(
        self,
        account: int,
        after: int,
        listener: Listener,
        begun: Callable[[int], None],
        room: Callable[[], Awaitable[None]],
    ) -> None:
        """Tells `listener` every event behind number `after`, then joins it to those that come.

        `begun` gets the number of the last event so far, before the first one is told; `room` returns once the listener has room for more.
        Raises GatewayRefused where some events are gone: before `begun` they were to begin with.
        """
        known, said, patience = after, False, _AHEAD_S
        while not self.at_hand(account, known):
            told = await self.events(account, known, _ASKED)
            log = self._streams.account_log(account)
            last = max(told.last, log.last)
            if last < known:
                if patience <= 0:
                    raise _gone(f"The account's last event is {last}; read the account anew.", last)
                patience -= _AGAIN_S
                await asyncio.sleep(_AGAIN_S)
                continue
            if not said:
                begun(last)
                said = True
            if told.events:
                if not await self._tell(told.events, listener, room):
                    return
                known = _number(told.events[-1])
            elif log.last <= known and self._begins is not None and told.sequence >= self._begins:
                self._streams.join_account(account, listener, None)
                return
        if not said:
            begun(self._streams.account_log(account).last)
        self._streams.join_account(account, listener, known)

    async def _tell(
        self, events: list[bytes], listener: Listener, room: Callable[[], Awaitable[None]]
    ) -> bool:
        """Whether the listener is still there."""
        for at in range(0, len(events), AT_ONCE):
            for event in events[at : at + AT_ONCE]:
                if not listener.tell(self._streams.private_message(event)):
                    return False
            await room()
        return True

    def _least(self) -> int:
        if self._begins is None:
            raise GatewayRefused(Rule.VENUE_MUST_BE_REACHABLE)
        return max(self._begins, self._link.heard)

    async def _from_rows(self, account: int, after: int, most: int, oldest: int, least: int) -> Told:
        """From the read models; `oldest` is the oldest number in the event log, 0 where it has none of the account."""
        if self._history is None:
            raise _gone_before(oldest)
        try:
            if not oldest:  # the rows alone know whether there are more
                await self._history.reached(least)
            (rows, last), sequence = await self._history.ask(queries.account_events, account, after, most)
        except GatewayRefused as refused:
            raise _gone_before(oldest) from refused
        events = [event for row in rows for event in _each(row)]
        if events and _number(events[0]) == after + 1:
            return Told(events, last, sequence)
        if events or oldest or (last == 0 and after):
            raise _gone_before(oldest)
        return Told([], last, sequence)


def _each(events: bytes) -> list[bytes]:
    return [events[head.at : head.at + head.length] for head in event_heads(events)]


def _number(event: bytes) -> int:
    return event_heads(event)[0].account_sequence


def _gone_before(oldest: int) -> GatewayRefused:
    if not oldest:
        return _gone(Rule.RESUME_MUST_BE_WITHIN_REACH.sentence, None)
    return _gone(f"The oldest event that is kept is {oldest}; read the account anew.", oldest)


def _gone(sentence: str, limit: int | None) -> GatewayRefused:
    return GatewayRefused(Rule.RESUME_MUST_BE_WITHIN_REACH, sentence, field="resume_from", limit=limit)
