"""How a running venue stands, as one value: what `novate status` prints.

Responsible for: the scrape's own samples in words, so that screen and dashboard never differ. Never: a supervisor's knowledge: it works
beside any supervisor, and says of a process only what the process itself answers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from novate._core import release
from novate.operations.checklist import began_for_real
from novate.operations.metrics import VenueCollector, Watched

_OLD_S = 10.0
_GIB = 1 << 30


def status_of(home: Path, database: str) -> dict[str, Any]:
    """How the venue of `home` stands; `core` is None where no core answers. Raises JournalError for a damaged journal."""
    real = began_for_real(home)
    samples = list(VenueCollector(Watched(home, database, (), dev=not real), tuple).samples())
    single = {name: value for name, labels, value in samples if not labels}
    core = (
        {"sequence": int(single["novate_commands"]), "time_s": single["novate_core_time_seconds"]}
        if "novate_commands" in single
        else None
    )
    return {
        "release": release(),
        "production": real,
        "core": core,
        "reader_lag": _whole(single.get("novate_reader_lag_commands")),
        "read_models_lag": _whole(single.get("novate_projector_lag_commands")),
        "keepers": {
            labels[0]: {"age_s": value}
            for name, labels, value in samples
            if name == "novate_keeper_age_seconds"
        },
        "feeds": {
            labels[0]: labels[1] for name, labels, value in samples if name == "novate_feed_state" and value
        },
        "journal_bytes": _whole(single.get("novate_journal_bytes")),
        "disk_free_bytes": _whole(single.get("novate_disk_free_bytes")),
    }


def lines_of(found: dict[str, Any]) -> list[str]:
    """A status for people."""
    kind = {None: "not begun", True: "production", False: "FOR DEVELOPMENT"}[found["production"]]
    core = found["core"]
    lines = [
        f"venue        {kind}, release {found['release']}",
        f"core         command {core['sequence']:,}" if core else "core         does not answer",
        f"reader       {_lag(found['reader_lag'])}",
        f"read models  {_lag(found['read_models_lag'])}",
    ]
    for keeper, said in found["keepers"].items():
        late = ": it is gone" if said["age_s"] > _OLD_S else ""
        lines.append(f"keeper       {keeper} spoke {said['age_s']:.1f} s ago{late}")
    lines += [f"feed         {feed} {state}" for feed, state in found["feeds"].items()]
    if found["disk_free_bytes"] is not None:
        lines.append(f"disk         {found['disk_free_bytes'] / _GIB:.1f} GiB free")
    return lines


def _lag(commands: int | None) -> str:
    return "does not answer" if commands is None else f"{commands:,} commands behind"


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
