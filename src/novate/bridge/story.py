"""The account's events, each once and in order, from the stream and from replies alike.

Responsible for: order, and waiting until an event has been heard. Never: what an event means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from novate.client.answers import Event


class Story:
    """Hands events to `tell`, the one after `heard` next. `heard` is None before the first is known."""

    def __init__(self, tell: Callable[[Event], None], heard: int | None = None) -> None:
        self._tell, self.heard = tell, heard
        self._early: dict[int, Event] = {}
        self._news = asyncio.Event()

    def streamed(self, event: Event) -> None:
        """Takes an event of the stream, which leaves none out: the first one says where the story begins."""
        if self.heard is None and event.account_seq is not None:
            self.heard = event.account_seq - 1
        self.replied((event,))

    def replied(self, events: Iterable[Event]) -> int:
        """Takes events of a reply, which may come before those in front of them; the number of the last, 0 for none."""
        last = 0
        for event in events:
            number = event.account_seq
            if number is None:
                continue
            last = max(last, number)
            if self.heard is None or number > self.heard:
                self._early[number] = event
        self._go_on()
        return last

    def skip(self, to: int) -> None:
        """Events up to a number can't be had any more."""
        self.heard = max(self.heard or 0, to)
        self._early = {number: event for number, event in self._early.items() if number > self.heard}
        self._go_on()

    async def reach(self, number: int, seconds: float) -> bool:
        """Whether everything up to an event has been heard, waited for so long."""
        try:
            async with asyncio.timeout(seconds):
                while (self.heard or 0) < number:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    def _go_on(self) -> None:
        while self.heard is not None and self.heard + 1 in self._early:
            event = self._early.pop(self.heard + 1)
            self.heard += 1
            self._tell(event)
        self._news.set()
