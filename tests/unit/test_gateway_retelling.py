"""Every subscription to an account's events from before is answered once, also where it ends before it begins."""

import asyncio
from types import SimpleNamespace

import pytest

from novate.gateway.errors import GatewayRefused, Rule
from novate.gateway.retelling import Retelling
from novate.gateway.socket import Said

ENDED = Rule.SUBSCRIPTION_MUST_NOT_END_BEFORE_IT_BEGINS
GONE = Rule.RESUME_MUST_BE_WITHIN_REACH


class Scene:
    """A connection, and a past that begins to be told when the test says so."""

    def __init__(self) -> None:
        self.replies: list[tuple[object, object]] = []
        self.cut = 0
        self.go, self.fails, self.goes_on = asyncio.Event(), False, asyncio.Event()
        door = SimpleNamespace(
            streams=SimpleNamespace(leave_account=lambda *_: None),
            backlog=SimpleNamespace(follow=self.follow),
        )
        self.retelling = Retelling(
            door,
            self,
            lambda said, told: self.replies.append((said.id, told["account_seq"])),
            lambda said, error: self.replies.append((said.id, error.broken)),
        )

    async def follow(self, _account, _after, _listener, begun, _room) -> None:
        await self.go.wait()
        if self.fails:
            raise GatewayRefused(GONE)
        begun(9)
        await self.goes_on.wait()

    def give_up(self, account: int) -> None:
        self.retelling.end(account)

    def cut_off(self, _why: str) -> None:
        self.cut += 1

    async def room(self) -> None:
        pass


# what happens, in order | replies, by id of the subscription
SCENES = """
subscribe 1, end                          | 1 ended
subscribe 1, turn, end                    | 1 ended
subscribe 1, subscribe 2, go              | 1 ended, 2 begun
subscribe 1, turn, subscribe 2, go, end   | 1 ended, 2 begun
subscribe 1, go, end                      | 1 begun
subscribe 1, go, subscribe 2, turn, end   | 1 begun, 2 begun
subscribe 1, fail                         | 1 gone
subscribe 1, end, subscribe 2, fail       | 1 ended, 2 gone
"""


@pytest.mark.parametrize("line", SCENES.strip().splitlines())
def test_every_subscription_is_answered_once(line):
    happens, _, wanted = line.partition("|")

    async def play() -> list[str]:
        scene = Scene()
        for word in happens.split(","):
            match word.split():
                case ["subscribe", number]:
                    scene.retelling.begin(Said(op="subscribe", id=int(number)), 7, 3)
                case ["end"]:
                    scene.retelling.end(7)
                case ["go"]:
                    scene.go.set()
                case ["fail"]:
                    scene.fails = True
                    scene.go.set()
                case _:
                    pass
            if word.split()[0] in {"turn", "go", "fail"}:
                for _ in range(5):
                    await asyncio.sleep(0)
        scene.retelling.end(7)
        await asyncio.sleep(0)
        assert scene.cut == 0 and not scene.retelling._unanswered and not scene.retelling._tasks
        names = {ENDED: "ended", GONE: "gone"}
        return [f"{number} {names.get(what, 'begun')}" for number, what in scene.replies]

    assert asyncio.run(play()) == [word.strip() for word in wanted.split(",")]
