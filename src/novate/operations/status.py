"""How a running venue stands, as one value: what `novate status` prints.

Responsible for: the scrape's own samples in words, so that screen and dashboard never differ. Never: a supervisor's knowledge: it works
beside any supervisor, and says of a process only what the process itself answers.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from novate._core import release
from novate.core_process.recovering import read_recovery, words_of
from novate.core_process.shipping import read_shipping
from novate.journal.terms import current_term, fence_of, follows
from novate.operations.checklist import began_for_real
from novate.operations.metrics import VenueCollector, Watched
from novate.standby.process import read_standby

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
    marked = follows(home)
    return {
        "release": release(),
        "term": current_term(home),
        "fenced": fence.term if (fence := fence_of(home)) is not None else None,
        "recovery": read_recovery(home),
        "shipping": read_shipping(home) if core is not None else None,
        "standby_of": marked.of if marked is not None else None,
        "standby": read_standby(home) if marked is not None else None,
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
    if found["standby_of"]:
        return _standby_lines(found)
    kind = {None: "not begun", True: "production", False: "FOR DEVELOPMENT"}[found["production"]]
    lines = [
        f"venue        {kind}, release {found['release']}",
        _core_line(found),
        f"reader       {_lag(found['reader_lag'])}",
        f"read models  {_lag(found['read_models_lag'])}",
    ]
    if found["shipping"]:
        lines.append(f"standby      {_shipping_words(found['shipping'])}")
    if found["fenced"]:
        lines.append(f"FENCED       term {found['fenced']} began elsewhere; what is here serves nobody")
    for keeper, said in found["keepers"].items():
        late = ": it is gone" if said["age_s"] > _OLD_S else ""
        lines.append(f"keeper       {keeper} spoke {said['age_s']:.1f} s ago{late}")
    lines += [f"feed         {feed} {state}" for feed, state in found["feeds"].items()]
    if found["disk_free_bytes"] is not None:
        lines.append(f"disk         {found['disk_free_bytes'] / _GIB:.1f} GiB free")
    return lines


def _core_line(found: dict[str, Any]) -> str:
    core, recovery = found["core"], found["recovery"]
    if core:
        return f"core         command {core['sequence']:,}, term {found['term']}"
    if recovery:
        return f"core         {words_of(recovery)} ({recovery['fraction']:.0%})"
    return "core         does not answer"


def _shipping_words(said: dict[str, Any]) -> str:
    """How a core's standby stands."""
    if said["state"] == "gone":
        then = (
            "commands are refused"
            if said["refusing"]
            else "the venue goes on WITHOUT it"
            if said["alone"]
            else ""
        )
        return "is gone" + (f": {then}" if then else "")
    behind = max(said["sequence"] - (said["stored"] or 0), 0)
    return f"{said['standby']} ({said['mode']}) {said['state']}, {behind:,} commands behind"


def _standby_lines(found: dict[str, Any]) -> list[str]:
    """What the standby of this home says."""
    said = found["standby"]
    lines = [f"standby      of {found['standby_of']}, term {found['term']}, release {found['release']}"]
    if said is None or time.time_ns() - said["at_ns"] > _OLD_S * 1e9:
        lines.append("process      does not run")
    if found["recovery"]:
        lines.append(f"engine       {words_of(found['recovery'])}")
    if said is None:
        return lines
    line = (
        "connected"
        if said["connected"]
        else f"not connected: {said['why']}"
        if said["why"]
        else "not connected"
    )
    lines += [
        f"line         {line}",
        f"journal      command {said['stored']:,}, {said['lag_commands']:,} behind the core{', sealed by it' if said['sealed'] else ''}",
        f"engine       command {said['applied']:,}"
        if not said["engine"]
        else f"engine       {said['engine']}",
    ]
    if said["state_hash"]:
        lines.append(f"state        {said['state_hash']} after command {said['state_hash_sequence']:,}")
    return lines


def _lag(commands: int | None) -> str:
    return "does not answer" if commands is None else f"{commands:,} commands behind"


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
