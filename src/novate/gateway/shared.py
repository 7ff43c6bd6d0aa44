"""Answers that cost as much as a venue has accounts, made once for all who ask within a while.

Responsible for: one at a time, and at most a twentieth of the time spent on them, but for who asks for a later position in the journal. Never: an
answer older than what was asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final

_KEPT_S: Final = 2.0
_REST: Final = 20
"""An answer is kept so many times as long as it took."""


@dataclass(slots=True)
class _Held:
    making: asyncio.Task[tuple[Any, int]]
    until: float = float("inf")


class Shared:
    """For one event loop."""

    def __init__(self, kept_s: float = _KEPT_S) -> None:
        self._kept_s = kept_s
        self._held: dict[Hashable, _Held] = {}

    async def of(
        self, key: Hashable, make: Callable[[], Awaitable[tuple[Any, int]]], min_seq: int = 0
    ) -> tuple[Any, int]:
        """What `make` gave, and the sequence it is of, `min_seq` at least: now, or a while ago. Raises what it raises, which is not kept."""
        held = self._held.get(key)
        if held is not None and held.until > asyncio.get_running_loop().time():
            answer = await asyncio.shield(held.making)
            if answer[1] >= min_seq:
                return answer
        if self._held.get(key) is held:
            self._held[key] = held = _Held(asyncio.ensure_future(self._made(key, make)))
        return await asyncio.shield(self._held[key].making)

    async def _made(self, key: Hashable, make: Callable[[], Awaitable[tuple[Any, int]]]) -> tuple[Any, int]:
        clock = asyncio.get_running_loop().time
        begun = clock()
        try:
            answer = await make()
        except BaseException:
            self._held.pop(key, None)
            raise
        self._held[key].until = clock() + self._kept_s + _REST * (clock() - begun)
        return answer
