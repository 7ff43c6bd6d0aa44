"""The entry points: each keeper as a process (or a thread) that runs until it is asked to end.

Responsible for: threads, signals, sockets and the order of things around the pure machines beside this file. Each `run_...` is for the
main thread of a process of its own, ends on SIGTERM or SIGINT, and calls `on_ready` once it has done its first work; with `stop` given it
runs in any thread and leaves signals alone. Never: holds a rule, or goes on after an error that it does not know: a supervisor
starts it again, and nothing that matters is in memory.

`answers` makes something that can be asked: a reader's client in a service, an engine in a test.
"""

from __future__ import annotations

import asyncio
import logging
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from novate.core_process import Answered, CoreGone
from novate.errors import NovateError
from novate.keepers.alert_book import AlertBook
from novate.keepers.alert_keeper import AlertKeeper, Dispatcher
from novate.keepers.line import Line, Stopped
from novate.keepers.pace import Pace
from novate.keepers.price_keeper import PriceKeeper, send_archived
from novate.keepers.running import AnswersOf, Asked, Health, patiently, stopping
from novate.keepers.session_keeper import Hours, SessionKeeper, always_open, recorded_hours
from novate.keepers.settings import KeeperSettings, nanoseconds
from novate.keepers.time_keeper import TimeKeeper, beat_ns
from novate.marketdata import Scenario, find_data, load_scenario
from novate.messages.reports import explain as questions
from novate.messages.reports.base import Answers
from novate.messages.reports.portfolios import listed
from novate.prices.adapters.recorded import RecordedFeed
from novate.prices.archive import RawArchive
from novate.prices.feed import Feed, Priced, run_feed
from novate.prices.observation import Clock
from novate.prices.settings import build_feed

Ready = Callable[[], None]
_LOG: Final = logging.getLogger("novate.keepers")
_HEALTH_S: Final = 1.0
_ASK_AGAIN_S: Final = 1.0
_SOCKET: Final = "core.sock"


def _nothing() -> None:
    """Nobody waits to hear that it is ready."""


def run_time_keeper(
    home: Path | str,
    settings: KeeperSettings | None = None,
    *,
    on_ready: Ready = _nothing,
    stop: threading.Event | None = None,
    socket_path: Path | None = None,
) -> None:
    """Lets the venue's time advance. Raises ConfigError."""
    chosen, home = settings or KeeperSettings(), Path(home)
    pace = Pace.read(home)
    keeper = TimeKeeper(beat_ns(nanoseconds(chosen.time.every, "time.every"), pace))
    with stopping(stop) as ends, _line(home, socket_path, ends, chosen.actor) as line:
        health, ready = Health(home, "time"), on_ready
        while not ends.is_set():
            commands = keeper.on_time(time.monotonic_ns())
            if commands:
                answer = line.send(commands)
                keeper.on_answer()
                if answer is not None:
                    ready = _once(ready)
            health.say(lambda: {"line": line.values(), "pace": pace.values(), **keeper.values()})
            ends.wait(max(keeper.next_ns - time.monotonic_ns(), 0) / 1e9)


def run_session_keeper(
    home: Path | str,
    settings: KeeperSettings | None,
    answers: AnswersOf,
    *,
    on_ready: Ready = _nothing,
    stop: threading.Event | None = None,
    socket_path: Path | None = None,
    scenario: Scenario | None = None,
) -> None:
    """Keeps every underlying's session as its calendar (or the recorded scenario) says. Raises ConfigError."""
    chosen, home = settings or KeeperSettings(), Path(home)
    keeper = session_keeper(chosen, scenario or recorded_scenario(chosen))
    with stopping(stop) as ends, _line(home, socket_path, ends, chosen.actor) as line:
        health, ready, asked = Health(home, "sessions"), on_ready, Asked(answers)
        while not ends.is_set():
            pace = Pace.read(home)
            lines = asked(questions.sessions)
            wait_s = _ASK_AGAIN_S
            if lines is not None:
                if commands := keeper.on_time(lines, pace()):
                    line.send(commands)
                ready = _once(ready)
                wait_s = min(max(pace.real_s(keeper.next_ns - pace()), 0.01), _HEALTH_S)
            health.say(lambda: {"line": line.values(), "questions": asked.values(), **keeper.values()})
            ends.wait(wait_s)


def run_price_keeper(
    home: Path | str,
    settings: KeeperSettings,
    answers: AnswersOf,
    *,
    on_ready: Ready = _nothing,
    stop: threading.Event | None = None,
    socket_path: Path | None = None,
    scenario: Scenario | None = None,
) -> None:
    """Runs the feeds, or plays the recorded scenario, into the core. Raises ConfigError for what does not fit the venue's listing."""
    home = Path(home)
    played = scenario or recorded_scenario(settings)
    sessions = session_keeper(settings, played)
    with stopping(stop) as ends, _line(home, socket_path, ends, settings.actor) as line:
        known = patiently(answers, listed, ends)
        pace = Pace.read(home)
        clock = pace if Pace.is_set(home) else _core_clock(line, pace)
        feeds = [build_feed(entry, known, clock, expects=sessions.is_open) for entry in settings.feed]
        recorded = RecordedFeed(played, known, from_ns=pace()) if played is not None else None
        with closing(RawArchive(home / "raw")) as archive:
            work = _Prices(home, line, archive, feeds, recorded, pace, ends)
            beat_s = nanoseconds(settings.prices.beat, "prices.beat") / 1e9
            asyncio.run(work.run(beat_s, on_ready))


def run_alert_keeper(
    home: Path | str,
    settings: KeeperSettings | None,
    answers: AnswersOf,
    *,
    on_ready: Ready = _nothing,
    stop: threading.Event | None = None,
    socket_path: Path | None = None,
) -> None:
    """Watches accounts, raises alerts and calls, and delivers them. Raises ConfigError, DataError."""
    chosen, home = settings or KeeperSettings(), Path(home)
    terms = chosen.alerts
    channels = terms.channels()
    with ExitStack() as opened:
        ends = opened.enter_context(stopping(stop))
        line = opened.enter_context(_line(home, socket_path, ends, chosen.actor, events=True))
        book = opened.enter_context(AlertBook(home))
        asked = Asked(answers)
        keeper = AlertKeeper(
            _patient_answers(answers, ends),
            book,
            terms.thresholds(),
            terms.level_number,
            Dispatcher(book, channels).route,
            nanoseconds(terms.sweep, "alerts.sweep"),
            nanoseconds(terms.cure, "alerts.cure"),
        )
        opened.callback(_deliveries(home, channels, ends).join)
        opened.callback(ends.set)
        health, ready = Health(home, "alerts"), on_ready
        while not ends.is_set():
            now = Pace.read(home)()
            _hear(line, keeper, now)
            try:
                keeper.on_time(now)
            except (NovateError, OSError, ValueError) as error:
                asked.failed(error)
                keeper.answers = _patient_answers(answers, ends)
                ends.wait(_ASK_AGAIN_S)
            else:
                ready = _once(ready)
            health.say(lambda: {"line": line.values(), "questions": asked.values(), **keeper.values()})


def run_keepers(
    home: Path | str,
    settings: KeeperSettings,
    answers: AnswersOf,
    *,
    on_ready: Ready = _nothing,
    stop: threading.Event | None = None,
    socket_path: Path | None = None,
) -> None:
    """All keepers in one process, a thread each; ends when one of them does, and raises what it raised."""
    home = Path(home)
    scenario = recorded_scenario(settings)
    raised: list[BaseException] = []
    waiting = {"time", "sessions", "prices", "alerts"}
    lock = threading.Lock()

    def ready(name: str) -> None:
        with lock:
            waiting.discard(name)
            if waiting:
                return
        on_ready()

    with stopping(stop) as ends:
        common: dict[str, Any] = {"stop": ends, "socket_path": socket_path}

        def guarded(
            name: str, work: Callable[..., None], *arguments: Any, **options: Any
        ) -> threading.Thread:
            def run() -> None:
                try:
                    work(home, settings, *arguments, on_ready=lambda: ready(name), **common, **options)
                except Stopped:
                    pass
                except BaseException as error:  # noqa: BLE001 - it is raised again by the main thread
                    raised.append(error)
                finally:
                    ends.set()

            return threading.Thread(target=run, name=f"keeper-{name}")

        threads = [
            guarded("time", run_time_keeper),
            guarded("sessions", run_session_keeper, answers, scenario=scenario),
            guarded("prices", run_price_keeper, answers, scenario=scenario),
            guarded("alerts", run_alert_keeper, answers),
        ]
        for thread in threads:
            thread.start()
        while not ends.wait(0.2):
            pass
        for thread in threads:
            thread.join()
    if raised:
        raise raised[0]


def recorded_scenario(settings: KeeperSettings) -> Scenario | None:
    """The scenario of the settings, loaded; None for the world outside. Raises DataError."""
    wanted = settings.recorded
    return (
        load_scenario(wanted.scenario, find_data(wanted.data or None), wanted.seed)
        if wanted is not None
        else None
    )


def session_keeper(settings: KeeperSettings, scenario: Scenario | None = None) -> SessionKeeper:
    """The sessions' machine: by the settings, or as recorded; names that a scenario does not have never close."""
    if scenario is None:
        return SessionKeeper(settings.sessions.hours(), settings.sessions.default())
    hours: dict[str, Hours] = {name: recorded_hours(changes) for name, changes in scenario.sessions.items()}
    return SessionKeeper(hours, always_open)


def _core_clock(line: Line, pace: Pace) -> Clock:
    """The core's clock by its answers. It read the wall clock once, so that ours may be ahead of it, and its future is refused."""

    def now_ns() -> int:
        told = line.now_ns()
        return pace() if told is None else told

    return now_ns


# --- prices ------------------------------------------------------------------------------------------------------------


class _Prices:
    """The price keeper's tasks: one per feed, and one that sends."""

    def __init__(
        self,
        home: Path,
        line: Line,
        archive: RawArchive,
        feeds: list[Feed],
        recorded: RecordedFeed | None,
        pace: Pace,
        ends: threading.Event,
    ) -> None:
        self._line, self._archive, self._feeds = line, archive, feeds
        self._recorded, self._pace, self._ends = recorded, pace, ends
        self._keeper = PriceKeeper()
        self._health = Health(home, "prices")

    async def run(self, beat_s: float, on_ready: Ready) -> None:
        tasks = [asyncio.create_task(run_feed(feed, self._keeper.take)) for feed in self._feeds]
        try:
            await asyncio.to_thread(self._line.client)
            on_ready()
            while not self._ends.is_set():
                prices = self._keeper.due() + self._played()
                with suppress(Stopped):
                    await asyncio.to_thread(send_archived, prices, self._archive, self._line.send)
                for task in tasks:
                    if task.done():
                        task.result()
                self._say()
                await asyncio.sleep(beat_s)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _played(self) -> list[Priced]:
        if self._recorded is None:
            return []
        now = self._pace()
        return [Priced("recorded", "", tick.command, tick.raw, now) for tick in self._recorded.due(now)]

    def _say(self) -> None:
        now = self._pace()
        for feed in self._feeds:
            for alarm in feed.health.alarms(now):
                state = "raised" if alarm.raised else "over"
                _LOG.warning("feed %s %s: %s %s", alarm.feed, alarm.symbol, alarm.kind, state)
        self._health.say(
            lambda: {
                "line": self._line.values(),
                "feeds": [feed.values() for feed in self._feeds],
                **self._keeper.values(),
            }
        )


# --- alerts ------------------------------------------------------------------------------------------------------------


def _hear(line: Line, keeper: AlertKeeper, now_ns: int, wait_s: float = 0.25) -> None:
    """Takes in what the core tells, or waits a little."""
    client = line.client()
    try:
        while client.waiting or select.select([client], [], [], wait_s)[0]:
            heard = client.receive()
            if isinstance(heard, Answered):
                keeper.on_events(heard.events, now_ns)
            wait_s = 0
    except CoreGone:
        line.cut()


def _deliveries(home: Path, channels: Any, ends: threading.Event) -> threading.Thread:
    """A thread that delivers: a slow mail server holds up no sweep."""

    def run() -> None:
        with AlertBook(home) as book:
            dispatcher = Dispatcher(book, channels)
            while not ends.wait(0.25):
                dispatcher.on_time(time.time_ns)

    thread = threading.Thread(target=run, name="deliveries")
    thread.start()
    return thread


# --- what all have in common -------------------------------------------------------------------------------------------


def _patient_answers(answers: AnswersOf, ends: threading.Event) -> Answers:
    """Something that can be asked, once there is one. Raises Stopped."""
    while True:
        try:
            return answers()
        except (NovateError, OSError) as error:
            _LOG.info("nobody answers questions yet: %s", error)
            if ends.wait(_ASK_AGAIN_S):
                raise Stopped from None


def _once(ready: Ready) -> Ready:
    """Calls it, and gives what to call next time: nothing."""
    ready()
    return _nothing


@contextmanager
def _line(
    home: Path, socket_path: Path | None, ends: threading.Event, actor: int, *, events: bool = False
) -> Iterator[Line]:
    line = Line(socket_path or home / _SOCKET, ends, actor=actor, events=events)
    try:
        with suppress(Stopped):
            yield line
    finally:
        line.close()
