"""The projector: follows what the core tells, writes it as rows, and says how far behind it is.

    run_projector(home, home / "core.sock", "sqlite:///projections.db")

Responsible for: losing nothing and delaying nobody. A thread of its own takes what the core sends as fast as it comes, up to a bound; beyond
it hangs up, and what it missed is read from the journal. Rows and log position are one transaction, so a kill at any moment costs nothing
but the work since. Never sends a command, never writes to the home.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

from novate.core_process import CoreClient
from novate.core_process.client import CoreGone
from novate.projections.fold import Fold
from novate.projections.running import Running
from novate.projections.store import OtherJournal, Store
from novate.projector.listening import Listener
from novate.projector.past import Moments, Past, Told

WAITING_BYTES: Final = 64 << 20
"""Events that wait in memory; beyond, the projector hangs up and reads the journal."""
BATCH_ROWS: Final = 20_000
"""A transaction is written at about this many rows, or when nothing more waits."""
_FIRST_WAIT_S: Final = 0.05
_LONGEST_WAIT_S: Final = 5.0
_LOOK_S: Final = 0.2


class Lag(NamedTuple):
    """How far the read models are behind."""

    sequence: int
    """Last command whose rows are written."""
    time_ns: int
    """Its journal time."""
    core_sequence: int
    """Last command that the core was heard to have applied."""
    core_time_ns: int
    """Its journal time."""
    connected: bool

    @property
    def commands(self) -> int:
        """Commands that are not written yet."""
        return max(self.core_sequence - self.sequence, 0)


def project(
    home: Path | str,
    url: str,
    *,
    rebuild: bool = False,
    until: int | None = None,
    batch_rows: int = BATCH_ROWS,
) -> int:
    """Brings the read models at `url` to the end of the journal (or to command `until`), without a core; returns the last command.

    With `rebuild` every row is removed first. Raises JournalError and its kin, OtherJournal, DatabaseUnknown, ProjectionMoved.
    """
    with Store.open(url) as store:
        if rebuild:
            store.clear()
        past = Past(home)
        run, fold = _begin(store, past)
        for told in past.told(run.sequence, past.last_sequence if until is None else until):
            fold.feed(told.events, told.last_sequence, told.time_ns)
            if store.due(run, batch_rows):
                store.write(run)
        store.write(run)
        return run.sequence


def run_projector(
    home: Path | str,
    core_socket: Path | str,
    url: str,
    *,
    on_ready: Callable[[], None] | None = None,
    on_lag: Callable[[Lag], None] | None = None,
    stop: threading.Event | None = None,
    waiting_bytes: int = WAITING_BYTES,
    batch_rows: int = BATCH_ROWS,
) -> None:
    """Follows the core until `stop` is set, or SIGTERM or SIGINT arrives in the main thread.

    `on_ready` is called once, when the rows first hold all that the core had applied; `on_lag` after every transaction and when the core
    is gone. A core that is away is waited for. Raises OtherJournal, DatabaseUnknown, ProjectionMoved, JournalError and its kin, and
    what the database raises: the supervisor starts it anew.
    """
    stop = stop or threading.Event()
    with _signals(stop), Store.open(url) as store:
        projector = _Projector(Path(home), store, stop, on_ready, on_lag, waiting_bytes, batch_rows)
        wait_s = _FIRST_WAIT_S
        while not stop.is_set():
            try:
                with CoreClient.connect(core_socket, events=True) as client:
                    projector.follow(client)
                    wait_s = _FIRST_WAIT_S
            except CoreGone:
                projector.lost()
            stop.wait(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set `stop`, where this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def asked(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    before = [(number, signal.signal(number, asked)) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _begin(store: Store, past: Past) -> tuple[Running, Fold]:
    run = store.load(past.identity())
    if run.sequence > past.last_sequence:
        raise OtherJournal(
            f"The read models stand at command {run.sequence}, the journal ends at {past.last_sequence}.",
            sequence=run.sequence,
        )
    return run, Fold(run, Moments(past, past.engine_before(run.sequence)))


class _Projector:
    """One database and the core whose venue it shows."""

    def __init__(
        self,
        home: Path,
        store: Store,
        stop: threading.Event,
        on_ready: Callable[[], None] | None,
        on_lag: Callable[[Lag], None] | None,
        waiting_bytes: int,
        batch_rows: int,
    ) -> None:
        self._home = home
        self._store = store
        self._stop = stop
        self._on_ready = on_ready
        self._on_lag = on_lag
        self._waiting_bytes = waiting_bytes
        self._batch_rows = batch_rows
        self._lag = Lag(0, 0, 0, 0, connected=False)

    def follow(self, client: CoreClient) -> None:
        """Catches up from the journal, then writes what the core tells, until one of them ends."""
        with Listener(client, self._waiting_bytes, "projector") as listener:
            # The core begins a journal before it listens; an empty one has nothing to show.
            past = Past(self._home)
            run, fold = _begin(self._store, past)
            for told in past.told(run.sequence, client.welcome.sequence):
                self._take(run, fold, [told], listener)
                if self._stop.is_set():
                    return
            self._write(run, listener)
            self._ready()
            while not self._stop.is_set():
                heard = listener.take(_LOOK_S)
                if heard is None or not self._take(run, fold, heard, listener):
                    return
                if heard:
                    self._write(run, listener)

    def lost(self) -> None:
        """The core is away."""
        self._tell(self._lag._replace(connected=False))

    def _take(self, run: Running, fold: Fold, heard: list[Told], listener: Listener) -> bool:
        """False when frames are missing in between: the journal has them."""
        for told in heard:
            if told.last_sequence <= run.sequence:
                continue
            if told.first_sequence != run.sequence + 1:
                return False
            fold.feed(told.events, told.last_sequence, told.time_ns)
            if self._store.due(run, self._batch_rows):
                self._write(run, listener)
        return True

    def _write(self, run: Running, listener: Listener) -> None:
        self._store.write(run)
        self._tell(Lag(run.sequence, run.time_ns, listener.sequence, listener.time_ns, connected=True))

    def _ready(self) -> None:
        if self._on_ready is not None:
            self._on_ready()
            self._on_ready = None

    def _tell(self, lag: Lag) -> None:
        self._lag = lag
        if self._on_lag is not None:
            self._on_lag(lag)
