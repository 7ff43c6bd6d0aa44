"""Whose each account is: known at once, written soon, asked for in pages; whatever the store already says."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from novate.gateway import ownership
from novate.gateway.ownership import Ownership
from novate.identity import Identity
from novate.messages import AccountOpened
from novate.messages.reports import owners

NOW = 1_800_000_000_000_000_000


class Link:
    """Answers the one question that is asked, from a list of (account, owner)."""

    def __init__(self, pairs: list[tuple[int, int]]) -> None:
        self.pairs, self.asked = pairs, 0

    async def ask(self, question: Any, skip: int, limit: int) -> tuple[list[tuple[int, int]], int]:
        assert question is owners
        self.asked += 1
        return self.pairs[skip : skip + limit], 1


@pytest.fixture
def identity(tmp_path: Path):
    found = Identity.open(tmp_path, NOW, venue="test", chain_id=1)
    yield found
    found.close()


def stored(identity: Identity) -> dict[int, int]:
    return identity.store.changes_after(-1).owners_of


def opened(account: int, owner: int) -> Any:
    return SimpleNamespace(header=SimpleNamespace(account=account), body=AccountOpened(owner=owner))


def test_a_venue_of_many_pages_is_learned_once_and_only_what_changed_is_written_again(identity, monkeypatch):
    monkeypatch.setattr(ownership, "_PAGE", 100)
    pairs = [(account, account % 37 + 1) for account in range(1, 1_051)]
    link = Link(pairs)
    identity.store.add_owner(NOW, "one of before", owner=5)
    identity.store.assign_account(4, 5)
    before = identity.store.generation()

    asyncio.run(Ownership(link, identity).learn())
    assert link.asked == 12, "eleven pages, and one that is empty"
    assert stored(identity) == dict(pairs)
    assert identity.store.owners()[5] == "one of before", "an owner who is known stays as he was"
    assert identity.store.generation() - before == 11

    identity.keyring.freshen(NOW)
    written = identity.store.generation()
    pairs[500] = (501, 99)
    asyncio.run(Ownership(Link(pairs), identity).learn())
    assert stored(identity) == dict(pairs) and identity.keyring.owner_of(501) == 99
    assert identity.store.generation() == written + 1, "the other pages were known"


def test_an_opened_account_is_known_before_it_is_written_and_many_are_one_write(identity):
    async def play() -> None:
        mine = Ownership(Link([]), identity)
        before = identity.store.generation()
        for account in range(1, 501):
            mine.opened(opened(account, 7))
            assert identity.keyring.owner_of(account) == 7
        await mine.written()
        assert stored(identity) == dict.fromkeys(range(1, 501), 7)
        assert identity.store.generation() - before <= 2

    asyncio.run(play())


def test_an_account_of_the_venue_itself_is_nobodys(identity):
    asyncio.run(Ownership(Link([(1, 0), (2, 3)]), identity).learn())
    assert stored(identity) == {2: 3} and identity.keyring.owner_of(1) is None

    async def play() -> None:
        mine = Ownership(Link([]), identity)
        for account, owner in ((4, 7), (5, 0), (6, 7)):
            mine.opened(opened(account, owner))
        await mine.written()

    asyncio.run(play())
    assert stored(identity) == {2: 3, 4: 7, 6: 7}, "it takes nobody else's with it"


def test_a_store_that_takes_nothing_just_now_costs_no_later_write(identity, monkeypatch, caplog):
    really, failed = identity.store.assign_accounts, []

    def fails_once(*words: Any) -> None:
        if not failed:
            failed.append(words)
            raise OSError("the disk is full")
        really(*words)

    monkeypatch.setattr(identity.store, "assign_accounts", fails_once)

    async def play() -> None:
        mine = Ownership(Link([]), identity)
        for account in (1, 2):
            mine.opened(opened(account, 7))
            await mine.written()

    asyncio.run(play())
    assert stored(identity) == {2: 7} and "were not written" in caplog.text
    assert identity.keyring.owner_of(1) == 7
