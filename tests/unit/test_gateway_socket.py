"""The order of what one connection is told, where replies of the core are ahead of events."""

import asyncio
import json
from types import SimpleNamespace

from picows import WSMsgType

from novate.gateway.socket import Connection
from novate.identity import PrincipalKind


class Late:
    """A gateway's link to a venue that has replied to command 9, and whose events up to 7 have come."""

    def __init__(self) -> None:
        self.heard, self.sequence, self.time_ns = 7, 9, 1
        self.here = asyncio.Event()

    @property
    def in_step(self) -> bool:
        return self.heard >= self.sequence

    async def fall_in_step(self) -> None:
        await self.here.wait()
        self.heard = 9


def connection(link: Late) -> tuple[Connection, list[dict]]:
    principal = SimpleNamespace(kind=PrincipalKind.ANONYMOUS)
    found: list[dict] = []
    door = SimpleNamespace(
        link=link,
        admin=None,
        past_trades=SimpleNamespace(known=True),
        settings=SimpleNamespace(subscriptions=10, body_bytes=10_000),
        gate=SimpleNamespace(
            identity=SimpleNamespace(nobody=lambda: principal),
            still=lambda one: one,
            authorise=lambda *_: None,
        ),
        backlog=SimpleNamespace(at_hand=lambda *_: True),
        streams=SimpleNamespace(
            account_log=lambda _: SimpleNamespace(last=4),
            leave_account=lambda *_: None,
            join_account=lambda _account, listener, _from: listener.tell(b'{"event": 4}'),
        ),
    )
    made = Connection(door, "", SimpleNamespace(guests=None))  # type: ignore[arg-type]
    made.tell = lambda message: found.append(json.loads(message)) or True  # type: ignore[method-assign]
    return made, found


def say(to: Connection, op: str, number: int, **args: object) -> None:
    payload = json.dumps({"op": op, "id": number, "args": args}).encode()
    frame = SimpleNamespace(msg_type=WSMsgType.TEXT, fin=True, get_payload_as_bytes=lambda: payload)
    to.on_ws_frame(None, frame)  # type: ignore[arg-type]


def test_a_pong_comes_behind_the_events_of_what_was_subscribed_to_before_it() -> None:
    async def run() -> None:
        link = Late()
        client, told = connection(link)
        say(client, "ping", 1)
        assert [(one["id"], one["seq"]) for one in told] == [(1, 7)]  # not 9, of which nothing was heard
        say(client, "subscribe", 2, channel="account", account="11", resume_from=3)
        say(client, "ping", 3)
        await asyncio.sleep(0.01)
        assert len(told) == 1
        link.here.set()
        await asyncio.sleep(0.01)
        assert [one.get("id", one.get("event")) for one in told] == [1, 2, 4, 3]
        assert told[-1]["seq"] == 9

    asyncio.run(run())


def test_a_pong_comes_too_where_what_was_subscribed_to_is_given_up() -> None:
    async def run() -> None:
        client, told = connection(Late())
        said = {"channel": "account", "account": "11", "resume_from": 3}
        say(client, "subscribe", 1, **said)
        say(client, "ping", 2)
        say(client, "unsubscribe", 3, **said)
        await asyncio.sleep(0.01)
        assert [one["id"] for one in told] == [1, 3, 2] and not told[0]["ok"]

    asyncio.run(run())
