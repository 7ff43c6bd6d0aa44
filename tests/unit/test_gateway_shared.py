"""An answer for all who ask within a while: how many are made, of what sequence each is, and what becomes of a failure."""

import asyncio

import pytest

from novate.gateway.shared import Shared


class Venue:
    """Counts what it is asked; each answer is of the next sequence and takes `takes_s`."""

    def __init__(self, takes_s: float = 0.02) -> None:
        self.takes_s, self.seq, self.asked, self.fails = takes_s, 0, 0, False

    async def make(self) -> tuple[str, int]:
        self.asked += 1
        self.seq += 1
        seq = self.seq
        await asyncio.sleep(self.takes_s)
        if self.fails:
            raise ValueError("the reader is gone")
        return f"answer {seq}", seq


def test_who_asks_together_gets_one_answer_and_who_asks_soon_after_the_same():
    async def ask() -> None:
        venue, shared = Venue(), Shared(kept_s=30)
        together = await asyncio.gather(*(shared.of("a", venue.make) for _ in range(50)))
        assert set(together) == {("answer 1", 1)}
        assert await shared.of("a", venue.make) == ("answer 1", 1)
        assert venue.asked == 1
        assert (await shared.of("b", venue.make))[1] == 2, "another question"

    asyncio.run(ask())


def test_it_is_made_again_once_it_was_kept_for_twenty_times_what_it_took():
    async def ask() -> None:
        venue, shared = Venue(takes_s=0.01), Shared(kept_s=0.0)
        begun = asyncio.get_running_loop().time()
        for _ in range(1_000):
            if (await shared.of("a", venue.make))[1] > 1:
                break
            await asyncio.sleep(0.005)
        assert asyncio.get_running_loop().time() - begun > 20 * 0.01
        assert venue.asked == 2

    asyncio.run(ask())


def test_nobody_gets_an_older_one_than_he_asked_for():
    async def ask() -> None:
        venue, shared = Venue(), Shared(kept_s=30)
        assert await shared.of("a", venue.make) == ("answer 1", 1)
        found = await asyncio.gather(*(shared.of("a", venue.make, least) for least in (0, 1, 2, 2)))
        assert [seq for _, seq in found] == [1, 1, 2, 2] and venue.asked == 2
        assert await shared.of("a", venue.make, 1) == ("answer 2", 2)

        making = asyncio.ensure_future(shared.of("a", venue.make, 3))
        await asyncio.sleep(0.005)
        assert (await shared.of("a", venue.make, 4))[1] == 4, "what was being made was not new enough"
        assert (await making)[1] == 3

    asyncio.run(ask())


def test_a_failure_is_told_to_all_who_wait_and_not_kept():
    async def ask() -> None:
        venue, shared = Venue(), Shared(kept_s=30)
        venue.fails = True
        found = await asyncio.gather(*(shared.of("a", venue.make) for _ in range(5)), return_exceptions=True)
        assert [str(one) for one in found] == ["the reader is gone"] * 5 and venue.asked == 1
        venue.fails = False
        assert await shared.of("a", venue.make) == ("answer 2", 2)

    asyncio.run(ask())


def test_who_goes_away_does_not_take_the_answer_from_the_others():
    async def ask() -> None:
        venue, shared = Venue(), Shared(kept_s=30)
        first = asyncio.ensure_future(shared.of("a", venue.make))
        second = asyncio.ensure_future(shared.of("a", venue.make))
        await asyncio.sleep(0.005)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await second == ("answer 1", 1) and venue.asked == 1

    asyncio.run(ask())
