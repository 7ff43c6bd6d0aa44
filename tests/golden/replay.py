"""Replays journals and prints what they come to, as JSON: `python replay.py DIRECTORY...`

Responsible for: one fresh engine per journal, every frame checked and applied. Never writes, and knows no expected value.
"""

import hashlib
import json
import sys
from pathlib import Path

from novate import _core
from novate._core import Engine
from novate.journal.scan import Walk, walk_journal
from novate.journal.verify import verify_journal


def replay(journal: Path) -> dict[str, object]:
    """Commands, state hash, hash of all events and conservation of one journal."""
    engine, events = Engine(), hashlib.sha256()
    for frame in walk_journal(journal, Walk(), ruleset=_core.ruleset()):
        if not frame.is_seal:
            events.update(engine.apply(frame.payload))
    report = verify_journal(journal, Engine, ruleset=_core.ruleset())
    assert report.ok, report.problems
    assert report.state_hash == engine.state_hash().hex()
    return {
        "commands": engine.sequence,
        "state_hash": engine.state_hash().hex(),
        "events_sha256": events.hexdigest(),
        "conservation": {str(asset): difference for asset, difference in engine.conservation()},
    }


if __name__ == "__main__":
    json.dump({Path(name).name: replay(Path(name)) for name in sys.argv[1:]}, sys.stdout)
