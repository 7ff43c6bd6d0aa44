"""A gateway's link to the venue: it waits for events that are due, and asks again where a reader was started anew."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest

from novate.gateway.errors import GatewayRefused, Rule
from novate.gateway.link import VenueLink
from novate.reader_process import ReaderGone


class Pooled:
    """A connection that was used before: of a reader that lives, or of one that is gone."""

    sequence, min_seq = 12, 0

    def __init__(self, *, gone: bool) -> None:
        self.gone, self.closed = gone, False

    def query(self, request: bytes, /) -> bytes:
        if self.gone:
            raise ReaderGone("The reader has hung up.")
        return request

    def close(self) -> None:
        self.closed = True


def question(engine: Pooled) -> bytes:
    return engine.query(b"?")


async def link(folder: Path) -> VenueLink:
    return VenueLink(folder / "core.sock", folder / "reader.sock", lambda _: None, lambda _: None)


def test_what_was_told_is_waited_for_until_its_events_are_heard(tmp_path: Path) -> None:
    async def run() -> None:
        mine = await link(tmp_path)
        mine.sequence, mine._heard = 5, 4
        waiting = asyncio.create_task(mine.fall_in_step())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        mine._heard = 5
        await asyncio.wait_for(waiting, 0.2)

    asyncio.run(run())


def test_a_reader_that_was_started_anew_is_asked_by_a_connection_that_lives(tmp_path: Path) -> None:
    async def run() -> None:
        mine = await link(tmp_path)
        lives, stale = Pooled(gone=False), Pooled(gone=True)
        mine._readers[:] = [lives, stale]
        assert await mine.ask(question) == (b"?", 12)
        assert stale.closed
        assert mine._readers == [lives]

    asyncio.run(run())


def test_without_a_reader_the_refusal_says_so(tmp_path: Path) -> None:
    async def run() -> None:
        mine = await link(tmp_path)
        mine._readers[:] = [Pooled(gone=True)]
        with pytest.raises(GatewayRefused) as refused:
            await mine.ask(question)
        assert refused.value.broken is Rule.VENUE_MUST_BE_REACHABLE

    asyncio.run(run())


def test_commands_are_taken_once_the_reader_has_said_what_is_listed(tmp_path: Path) -> None:
    async def run() -> None:
        mine = await link(tmp_path)
        assert not mine.takes_commands and "core can't be reached" in str(mine.unreachable())
        mine._core = SimpleNamespace(gone=False)  # type: ignore[assignment]
        assert mine.connected and not mine.takes_commands
        assert "reader is not there yet" in str(mine.unreachable())
        mine.catalogue = SimpleNamespace()  # type: ignore[assignment]
        assert mine.takes_commands

    asyncio.run(run())
