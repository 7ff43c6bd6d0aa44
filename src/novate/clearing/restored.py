"""The outbox of a home that was made from a copy: what it knew may have gone on since, and nobody saw it.

Responsible for: that nothing leaves twice. No order that it knew is sent again before a person says so, nothing is told to the engine that the
engine would take twice, and what happened since is taken over from the journal as on a venue that nobody cleared before. Never: for an outbox
that is at work.
"""

from __future__ import annotations

from pathlib import Path

from novate.clearing.outbox import FILE, FOLDER, Outbox
from novate.clearing.reporting import ONCE


def of_the_past(home: Path) -> None:
    """Marks the outbox of a home, where there is one, as one of the past. The same again changes nothing. Raises DataError for what is no outbox, JournalLocked for one that is at work.

    An order that might still leave becomes one that its broker has: it is asked about when the line comes up, and where the broker never had
    it a person decides. A correction, or shares in kind, that may have been told waits for a person, too. Where the venue stood is forgotten.
    """
    if (home / FOLDER / FILE).is_file():
        with Outbox(home) as outbox:
            outbox.lock()
            outbox.begin_anew(ONCE)
