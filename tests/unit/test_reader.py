"""Any moment of a journal can be rebuilt: the state after exactly one command, from a snapshot or from the beginning."""

import json
from pathlib import Path

import pytest
from tests.worlds import World

from novate import Venue
from novate._core import Engine
from novate.cli import main
from novate.errors import JournalError
from novate.messages import Command, EventMessage, PostPrice, encode, iter_commands, iter_events, reports
from novate.reader import Reader

STEPS, FRAME, SNAPSHOT_AT = 240, 9, 5


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, int, bytes]]]:
    """A home with frames of several commands and a snapshot, and after each command its sequence, time and state hash."""
    home = tmp_path_factory.mktemp("home")
    twin = Engine()
    history: list[tuple[int, int, bytes]] = []
    waiting: list[bytes] = []
    with Venue.open(home, time_ns=0) as venue:
        twin.apply(first_command(home))
        history.append((twin.sequence, twin.time_ns, twin.state_hash()))
        frames = 0

        def flush() -> None:
            nonlocal frames
            if waiting:
                venue.submit_stamped(b"".join(waiting))
                waiting.clear()
                frames += 1
                if frames == SNAPSHOT_AT:
                    venue.sequencer.snapshot()

        def send(command: Command, account: int, time_ns: int) -> list[EventMessage]:
            waiting.append(encode(command, account=account, time_ns=time_ns))
            message = encode(command, account=account, sequence=twin.sequence + 1, time_ns=time_ns)
            events = list(iter_events(twin.apply(message)))
            history.append((twin.sequence, twin.time_ns, twin.state_hash()))
            if len(waiting) == FRAME:
                flush()
            return events

        world = World(5, twin, send)
        world.found(release=False)
        world.steps(STEPS)
        flush()
    return home, history


def first_command(home: Path) -> bytes:
    """What `Venue.open` wrote."""
    from novate.journal.recovery import HomePaths
    from novate.journal.scan import Walk, walk_journal

    return next(iter(walk_journal(HomePaths.of(home).journal, Walk()))).payload


def test_every_command_has_its_moment(recorded: tuple[Path, list[tuple[int, int, bytes]]]) -> None:
    home, history = recorded
    reader = Reader(home)
    assert reader.last_sequence == len(history)
    for sequence, time_ns, state in history[::7]:
        moment = reader.at(sequence=sequence)
        assert (moment.sequence, moment.time_ns, moment.engine.state_hash()) == (sequence, time_ns, state)


def test_a_time_means_the_last_command_not_later(recorded: tuple[Path, list[tuple[int, int, bytes]]]) -> None:
    home, history = recorded
    reader = Reader(home)
    for _, time_ns, _ in history[10::31]:
        last = max(s for s, t, _ in history if t <= time_ns)
        assert reader.at(time_ns=time_ns).sequence == last
        assert reader.at(time_ns=time_ns + 1).sequence == max(s for s, t, _ in history if t <= time_ns + 1)
    assert reader.at().sequence == len(history)


def test_the_last_posts_are_the_prices_the_engine_has(
    recorded: tuple[Path, list[tuple[int, int, bytes]]],
) -> None:
    home, history = recorded
    moment = Reader(home).at(sequence=len(history) - 3)
    assert moment.posts
    known = {
        (line.underlying, source.source): source
        for line in reports.underlyings(moment.engine)
        for source in reports.explain.sources(moment.engine, line.underlying)
    }
    for key, post in moment.posts.items():
        assert post.sequence <= moment.sequence
        assert (known[key].price, known[key].venue_time_ns) == (post.price, post.venue_time_ns)
    assert len(moment.posts) > len(known) // 2


def test_moments_outside_the_journal_are_named(
    recorded: tuple[Path, list[tuple[int, int, bytes]]], tmp_path: Path
) -> None:
    home, history = recorded
    for sequence in (0, len(history) + 1):
        with pytest.raises(JournalError, match="is not in the journal"):
            Reader(home).at(sequence=sequence)
    with pytest.raises(JournalError, match="later than"):
        Reader(home).at(time_ns=-1)
    with pytest.raises(JournalError, match="no journal"):
        Reader(tmp_path)


def test_the_command_line_explains_a_past_moment(
    recorded: tuple[Path, list[tuple[int, int, bytes]]], capsys: pytest.CaptureFixture[str]
) -> None:
    home, history = recorded
    at = len(history) - 20
    account = next(iter(sorted({c.header.account for c in commands(home) if c.header.account})))
    assert main(["explain", str(home), "--account", str(account), "--at", str(at), "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["sequence"], told["account"], told["ok"]) == (at, account, True)
    assert set(told["levels"]) == {"initial", "liquidation-end", "maintenance", "close-out"}
    for level in told["levels"].values():
        assert sum(part["amount"] for part in level["contributions"]) == level["requirement"]
    for wrong, status in (("yesterday", 2), ("2026-01-05T10:00:00", 2), ("999999999", 1)):
        assert main(["explain", str(home), "--account", str(account), "--at", wrong]) == status
    assert main(["explain", str(home), "--account", "424242"]) == 1
    assert "account_must_exist" in capsys.readouterr().err


def commands(home: Path) -> list:
    from novate.journal.recovery import HomePaths
    from novate.journal.scan import Walk, walk_journal

    frames = walk_journal(HomePaths.of(home).journal, Walk())
    return [
        c for f in frames if f.count for c in iter_commands(f.payload) if not isinstance(c.body, PostPrice)
    ]
