"""Random worlds as journals, and what read models are compared by: for tests of the projections and the projector.

Responsible for: a home with a journal in which accounts trade, borrow and are liquidated over days; the rows of a database as plain
sorted lists; the sums of the ledger against the engine, computed here anew.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from novate.messages import encode, iter_events, reports
from novate.projections import schema
from novate.projections.store import connect
from novate.projector.past import Moments, Past
from novate.venue import Venue
from worlds import START_NS, World

MIX = {"time": 45, "money": 12}
"""Steps in which days pass."""


def world_home(home: Path, seed: int, steps: int) -> Path:
    """A home with the journal of a random world."""
    with Venue.open(home, START_NS - seed) as venue:

        def send(command: Any, account: int, time_ns: int) -> list[Any]:
            return list(iter_events(venue.submit(encode(command, account=account), time_ns)))

        world = World(seed, venue.engine, send, mix=MIX)
        world.found(release=False)
        world.steps(steps)
    return home


def dump(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, sorted."""
    engine = connect(url)
    with engine.connect() as connection:
        rows = {
            table.name: sorted(
                tuple(bytes(v) if isinstance(v, memoryview) else v for v in row)
                for row in connection.execute(select(table))
            )
            for table in schema.metadata.sorted_tables
        }
    engine.dispose()
    return rows


def differences(connection: Connection, home: Path) -> dict[tuple[int, int, int], int]:
    """Engine less ledger after the last projected command, by account, asset and market; empty when every unit has a cause.

    A loan or a claim that bears interest may differ by interest that is not booked yet: a loan is larger then.
    """
    sequence = connection.execute(select(schema.position.c.sequence)).scalar_one()
    past = Past(home)
    engine = Moments(past, past.engine_before(sequence))(sequence)
    c = schema.ledger.c
    sums = connection.execute(
        select(c.account, c.asset, c.market, func.sum(c.amount)).group_by(c.account, c.asset, c.market)
    )
    booked: dict[tuple[int, int, int], int] = defaultdict(int, {(a, s, m): int(x) for a, s, m, x in sums})
    quotes = {m.market: m.quote for m in connection.execute(select(schema.markets))}
    wrong = {}
    for line in reports.accounts(engine):
        report = reports.account(engine, line.account)
        for b in report.balances:
            left = (
                b.pledged + b.lent + b.held + b.escrowed + b.due - booked.pop((line.account, b.asset, 0), 0)
            )
            if left and not (b.lent > 0 or (b.pledged < 0 and left < 0)):
                wrong[line.account, b.asset, 0] = left
        for p in report.positions:
            if p.perp:
                key = (line.account, quotes[p.market], p.market)
                left = p.claim - p.debt - p.cost - booked.pop(key, 0)
                if left:
                    wrong[key] = left
    return wrong | {key: -left for key, left in booked.items() if left}


def has_postgres() -> bool:
    """Whether a PostgreSQL server is installed here."""
    return all(shutil.which(program) for program in ("postgres", "initdb", "pg_ctl"))


@contextmanager
def postgres(directory: Path) -> Iterator[str]:
    """A real server with an empty cluster in `directory`, reached by a Unix socket alone; yields the URL of its only database.

    PostgreSQL refuses to run as root: then it runs as `nobody`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    data, user = directory / "data", None
    if os.geteuid() == 0:
        user = "nobody"
        os.chown(directory, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        for parent in directory.parents:
            if parent != parent.parent and parent.stat().st_uid == 0 and parent != Path("/tmp"):
                parent.chmod(parent.stat().st_mode | 0o055)

    def run(*arguments: str) -> None:
        subprocess.run(arguments, check=True, user=user, cwd=directory, stdout=subprocess.DEVNULL)

    run("initdb", "-D", str(data), "-U", "novate", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-c listen_addresses='' -c unix_socket_directories={directory} -c fsync=off"
    run("pg_ctl", "-D", str(data), "-w", "-l", str(directory / "log"), "-o", options, "start")
    try:
        yield f"postgresql+psycopg://novate@/postgres?host={directory}"
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(directory)
