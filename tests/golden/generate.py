"""Makes the golden journals: `PYTHONPATH=tests python -m golden.generate`, from the root of the repository.

Responsible for: six small journals, one per part of the engine, each a seeded random world (`worlds.py`) driven through the
real sequencer and written with what a replay must reproduce: state hash, hash of all events, conservation. Never uses recorded
market data or a clock: the same release makes the same bytes. To be run only when behaviour changed on purpose; from
release 1.0 journals are added, never replaced.
"""

import hashlib
import json
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from novate import _core
from novate._core import Engine
from novate.journal.scan import segment_paths
from novate.messages import ActivateRelease, Command, EventMessage, ResumeVenue, encode, iter_events
from novate.venue import Venue
from worlds import MIX, START_NS, World, kinds

HERE = Path(__file__).parent
EXPECTED = HERE / "expected.json"
COMMANDS_A_FRAME = 12
SEEDS = 2_000


@dataclass(frozen=True)
class Recipe:
    """A journal: how often each step is drawn, how many steps, and how many events at least make a seed serve."""

    mix: dict[str, int]
    steps: int
    events: dict[str, int]
    names: int = 3
    accounts: int = 5


def _all_of(**mix: int) -> dict[str, int]:
    return dict.fromkeys(MIX, 0) | mix


RECIPES = {
    "ledger": Recipe(
        _all_of(money=60, time=3), 330,
        {"Deposited": 50, "WithdrawalSettled": 5, "WithdrawalVoided": 5, "Transferred": 10, "Lent": 10, "InsuranceFunded": 4},
        accounts=6,
    ),
    "matching": Recipe(
        _all_of(order=60, amend=12, cancel=10, cancel_all=1), 400,
        {"OrderPlaced": 100, "OrderFilled": 50, "OrderCancelled": 30, "OrderAmended": 20, "CommandRefused": 20},
    ),
    "margin": Recipe(
        _all_of(order=20, cross=25, price=8, coin=3, session=6, liquidity=2, money=4), 150,
        {"OrderFilled": 20, "SessionChanged": 20, "IndexChanged": 50, "LiquidityPosted": 1, "AccountStateChanged": 3},
    ),
    "settlement": Recipe(
        _all_of(cross=30, order=15, price=6, time=20, money=3), 180,
        {"FundingSet": 20, "Settled": 10, "InterestPaid": 2, "MarkChanged": 20}, accounts=6,
    ),
    "liquidation": Recipe(
        _all_of(cross=35, order=30, price=14, time=3), 220,
        {"AccountStateChanged": 6, "LiquidationStarted": 2, "LiquidationSlice": 4, "LiquidationEnded": 1}, accounts=6,
    ),
    "restart": Recipe(
        _all_of(order=20, cross=20, price=8, time=4, money=4, resume=1), 200,
        {"VenueResumed": 2, "OrderFilled": 20, "IndexChanged": 50},
    ),
}  # fmt: skip


@dataclass
class Recorder:
    """Runs a world on a bare engine and keeps what was sent and what happened."""

    engine: Engine = field(default_factory=Engine)
    sent: list[tuple[int, Command, bytes]] = field(default_factory=list)
    """Time, command, message without a sequence."""
    seen: Counter[str] = field(default_factory=Counter)

    def send(self, command: Command, account: int, time_ns: int) -> list[EventMessage]:
        """One command, recorded."""
        self.sent.append((time_ns, command, encode(command, account=account, time_ns=time_ns)))
        stamped = encode(command, account=account, sequence=self.engine.sequence + 1, time_ns=time_ns)
        events = list(iter_events(self.engine.apply(stamped)))
        self.seen += kinds(events)
        return events


def record(recipe: Recipe) -> tuple[int, Recorder]:
    """The first seed whose world has everything the recipe asks for."""
    for seed in range(SEEDS):
        recorder = Recorder()
        world = World(seed, recorder.engine, recorder.send, mix=recipe.mix)
        world.found(names=recipe.names, accounts=recipe.accounts)
        world.steps(recipe.steps)
        if all(recorder.seen[name] >= least for name, least in recipe.events.items()):
            return seed, recorder
    raise RuntimeError(f"no seed below {SEEDS} has {recipe.events}")


def write(recorder: Recorder, home: Path) -> None:
    """Sends the recorded commands through a sequencer into `home`; a `ResumeVenue` closes and reopens the venue."""
    venue = Venue.open(home, START_NS)
    batch: list[bytes] = []

    def flush() -> None:
        if batch:
            venue.submit_stamped(b"".join(batch))
            batch.clear()

    for time_ns, command, message in recorder.sent:
        if isinstance(command, ActivateRelease):
            continue  # opening did it
        if isinstance(command, ResumeVenue):
            flush()
            venue.close()
            venue = Venue.open(home, time_ns)  # sends it
            continue
        batch.append(message)
        if len(batch) == COMMANDS_A_FRAME:
            flush()
    flush()
    same = venue.engine.state_hash() == recorder.engine.state_hash()
    venue.close()
    if not same:
        raise RuntimeError("the sequencer reached another state than the bare engine")


def make(name: str, recipe: Recipe) -> dict[str, object]:
    """Writes one journal and returns what a replay must find."""
    from .replay import replay

    seed, recorder = record(recipe)
    target = HERE / name
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        write(recorder, Path(scratch))
        target.mkdir()
        for segment in segment_paths(Path(scratch) / "journal"):
            shutil.copyfile(segment, target / segment.name)
    found = replay(target)
    size = sum(path.stat().st_size for path in target.iterdir())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(target.iterdir()))).hexdigest()
    sys.stderr.write(
        f"{name}: seed {seed}, {found['commands']} commands, {size} bytes, {dict(recorder.seen)}\n"
    )
    return found | {"seed": seed, "release": _core.release(), "journal_sha256": digest}


def main() -> None:
    """Makes all journals anew."""
    expected = {name: make(name, recipe) for name, recipe in RECIPES.items()}
    EXPECTED.write_text(json.dumps(expected, indent=2) + "\n")


if __name__ == "__main__":
    main()
