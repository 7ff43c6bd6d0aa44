"""The keepers as a service: a real core, a real reader, real web and mail servers, real threads and processes."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiosmtpd.controller import Controller
from test_keepers_feeds import CASES, Player, expected
from websockets.asyncio.server import serve as serve_socket

from novate.config import packaged_listing
from novate.core_process import CoreClient, CoreServer
from novate.errors import ConfigError
from novate.journal.recovery import frames_after
from novate.keepers.alert_book import Alert, AlertBook
from novate.keepers.channels import Email, Undelivered, verify
from novate.keepers.health import read_health
from novate.keepers.pace import Pace
from novate.keepers.run import run_alert_keeper, run_keepers, run_session_keeper, run_time_keeper
from novate.keepers.settings import KeeperSettings, load_settings
from novate.marketdata import load_scenario
from novate.messages import (
    AdvanceTime,
    CommandRefused,
    Deposit,
    OpenAccount,
    PlaceOrder,
    PostPrice,
    Side,
    encode,
    iter_commands,
    iter_events,
    reports,
)
from novate.messages.reports import explain as questions
from novate.prices import RawArchive
from novate.reader_process import ReaderClient
from novate.sequencer import steady_clock
from novate.venue import Venue
from venues import CASH, NAME, SIZE, USD, M, open_plain_venue

SECOND = 10**9


@contextmanager
def core(home: Path, clock=None, commands: bytes = b""):
    """A core in a thread, with these commands as genesis; yields the venue, whose engine may be asked."""
    venue = Venue.open(home, clock=clock or steady_clock(), pipelined=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(home / "core.sock"))
    listener.listen()
    server = CoreServer(venue.sequencer, listener)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        if commands:
            with CoreClient.connect(home / "core.sock") as client:
                refused = list(iter_events(client.submit(commands).events, (CommandRefused,)))
                assert not refused, refused
        yield venue
    finally:
        server.stop()
        thread.join(20)
        venue.close()
        (home / "core.sock").unlink(missing_ok=True)


def genesis(sources: int = 2, **options) -> bytes:
    named = [(name, n + 1, f"S{n + 1}") for name in packaged_listing().underlying for n in range(sources)]
    return packaged_listing(sources=named, **options).buffer()


@contextmanager
def running(work, *arguments, **options):
    """A keeper in a thread; ends it, and raises what it raised."""
    stop, ready, raised = threading.Event(), threading.Event(), []

    def run():
        try:
            work(*arguments, on_ready=ready.set, stop=stop, **options)
        except BaseException as error:  # noqa: BLE001 - raised again below
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield SimpleNamespace(ready=ready, thread=thread)
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()
    if raised:
        raise raised[0]


def until(said, timeout_s: float = 20.0, what: str = "it"):
    deadline = time.monotonic() + timeout_s
    while not (found := said()):
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.02)
    return found


# --- time --------------------------------------------------------------------------------------------------------------


def test_time_advances_about_every_beat_and_goes_on_after_the_core_was_away(tmp_path):
    settings = load_settings({"time": {"every": "50 ms"}})
    with running(run_time_keeper, tmp_path, settings) as keeper:
        assert not keeper.ready.wait(0.2), "nobody is there yet"
        for part in range(2):
            with core(tmp_path) as venue:
                assert keeper.ready.wait(10)
                before, begun = venue.sequence, time.monotonic()
                time.sleep(1.0)
                beats = venue.sequence - before
                wanted = (time.monotonic() - begun) / 0.05
                assert wanted / 3 < beats < wanted + 3, part
        until(lambda: "time" in read_health(tmp_path))


def test_at_a_pace_the_venue_lives_a_minute_a_second_and_time_stays_fine(tmp_path):
    start = 1_760_100_000 * SECOND
    pace = Pace.begin(start, "60")
    pace.write(tmp_path)
    with core(tmp_path, clock=pace) as venue, running(run_time_keeper, tmp_path, KeeperSettings()) as keeper:
        assert keeper.ready.wait(10)
        first, begun = venue.time_ns, time.monotonic()
        time.sleep(1.0)
        passed, real = venue.time_ns - first, time.monotonic() - begun
        assert venue.time_ns >= start
        assert 30 * real * SECOND < passed < 90 * real * SECOND
        assert venue.sequence > 30, "steps of the venue's time stay small however fast it goes"


def test_a_process_ends_on_sigterm(tmp_path):
    code = (
        "import sys; from novate.keepers.run import run_time_keeper\n"
        "run_time_keeper(sys.argv[1], on_ready=lambda: print('ready', flush=True))"
    )
    with core(tmp_path):
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        process.stdout.close()


# --- all of them -------------------------------------------------------------------------------------------------------


def test_all_keepers_play_a_recorded_day_into_a_running_core_at_a_pace(tmp_path):
    scenario = load_scenario("october-2008")
    sources = [
        (name, n + 1, source) for name in scenario.underlyings for n, source in enumerate(scenario.sources)
    ]
    listing = packaged_listing(underlyings=list(scenario.underlyings), sources=sources)
    pace = Pace.begin(scenario.start_ns, "300")
    pace.write(tmp_path)
    settings = load_settings({"recorded": {"scenario": "october-2008"}, "alerts": {"sweep": "60 s"}})
    with core(tmp_path, clock=pace, commands=listing.buffer()) as venue:
        with running(run_keepers, tmp_path, settings, lambda: venue.engine) as keepers:
            assert keepers.ready.wait(30)
            until(
                lambda: sum(line.index > 0 for line in reports.underlyings(venue.engine)) >= 3,
                what="an index",
            )
        health = read_health(tmp_path)
        assert {"time", "sessions", "prices", "alerts"} <= set(health)
        refused = {key for h in health.values() for key in h["line"]["counts"] if key.startswith("refused")}
        assert not refused
        lines = {line.name: line for line in questions.sessions(venue.engine)}
        for name, changes in scenario.sessions.items():
            now = venue.time_ns
            begun = [change for change in changes if change.time_ns <= now]
            assert lines[name].session == int((begun or changes)[-1 if begun else 0].session), name
        said = [
            s for line in lines.values() for s in questions.sources(venue.engine, line.underlying) if s.price
        ]
        assert said and all(scenario.start_ns <= s.venue_time_ns <= venue.time_ns for s in said)


def test_a_live_feed_reaches_the_engine_and_each_price_leads_back_to_its_message(tmp_path):
    case = next(case for case in CASES if case.name == "alpaca-socket")
    os.environ |= {"KEY": "test-key", "SECRET": "test-secret"}
    stand = 1_767_625_210 * SECOND
    started, port, player = threading.Event(), [], []

    async def play(stop: threading.Event):
        player.append(Player(case, "alpaca"))
        async with serve_socket(player[0], "127.0.0.1", 0, ping_interval=None, close_timeout=1) as server:
            port.append(server.sockets[0].getsockname()[1])
            started.set()
            await asyncio.to_thread(stop.wait)

    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(play(stop)))
    thread.start()
    assert started.wait(10)
    symbols = {name: {"underlying": name, "source": 1} for name in ("NVDA", "SPY")}
    feed = {"name": "iex", "kind": "alpaca", "transport": "socket", "url": f"ws://127.0.0.1:{port[0]}", "key_env": "KEY",
            "secret_env": "SECRET", "symbols": symbols}  # fmt: skip
    always = [name for name in packaged_listing().underlying if name not in symbols]
    settings = load_settings({"feed": [feed], "prices": {"beat": "20 ms"}, "sessions": {"always": always}})
    pace = Pace.begin(stand, 1)
    pace.write(tmp_path)
    try:
        with (
            core(tmp_path, clock=pace, commands=genesis(underlyings=["NVDA", "SPY"])) as venue,
            running(run_keepers, tmp_path, settings, lambda: venue.engine) as keepers,
        ):
            assert keepers.ready.wait(30)
            last = int(expected("alpaca")[-1].split()[1])
            spy = packaged_listing().underlying["SPY"]
            until(lambda: questions.sources(venue.engine, spy)[0].price == last, what="the last price")
            sessions = {line.name: line.session for line in questions.sessions(venue.engine)}
            assert sessions["NVDA"] == sessions["SPY"] == 2, (
                "15:00 UTC on a Monday in January is a regular session"
            )
            until(lambda: read_health(tmp_path).get("prices", {}).get("feeds"))
    finally:
        stop.set()
        thread.join(10)
    assert not player[0].wrong
    archive = RawArchive(tmp_path / "raw")
    found = prices_of(tmp_path)
    assert found
    for price in found:
        kept = archive.find(price.raw_hash)
        assert kept is not None and kept.feed == "iex"


def prices_of(home: Path) -> list[PostPrice]:
    """The prices in the journal of a home."""
    frames = (frame for frame in frames_after(home / "journal", 0) if frame.count)  # a seal holds no commands
    return [message.body for frame in frames for message in iter_commands(frame.payload, (PostPrice,))]


CORE = """
import sys
from novate.core_process import serve
from novate.keepers.pace import Pace
serve(sys.argv[1], sys.argv[1] + "/core.sock", clock=Pace.read(sys.argv[1]), on_ready=lambda _: print("ready", flush=True))
"""
READER = """
import sys
from novate.reader_process import serve_reader
serve_reader(sys.argv[1], on_ready=lambda _: print("ready", flush=True))
"""
KEEPERS = """
import sys
from novate.keepers.run import run_keepers
from novate.keepers.settings import load_settings
from novate.reader_process import ReaderClient
settings = load_settings({"recorded": {"scenario": "october-2008"}})
answers = lambda: ReaderClient.connect(sys.argv[1] + "/reader.sock")
run_keepers(sys.argv[1], settings, answers, on_ready=lambda: print("ready", flush=True))
"""


def test_core_reader_and_keepers_as_processes_play_a_day_and_end_on_sigterm(tmp_path):
    scenario = load_scenario("october-2008")
    sources = [
        (name, n + 1, source) for name in scenario.underlyings for n, source in enumerate(scenario.sources)
    ]
    listing = packaged_listing(underlyings=list(scenario.underlyings), sources=sources)
    Pace.begin(scenario.start_ns, "300").write(tmp_path)
    processes = []

    def start(code: str) -> None:
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout.readline() == b"ready\n"

    try:
        start(CORE)
        with CoreClient.connect(tmp_path / "core.sock") as client:
            assert not list(iter_events(client.submit(listing.buffer()).events, (CommandRefused,)))
        start(READER)
        start(KEEPERS)
        with ReaderClient.connect(tmp_path / "reader.sock") as reader:
            until(lambda: sum(line.index > 0 for line in reports.underlyings(reader)) >= 3, what="an index")
            assert 2 in {line.session for line in questions.sessions(reader)}
        for process in reversed(processes):
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdout.close()
    refused = {
        key
        for h in read_health(tmp_path).values()
        for key in h["line"]["counts"]
        if key.startswith("refused")
    }
    assert not refused


def test_a_keeper_that_cannot_go_on_ends_all_of_them_with_its_error(tmp_path):
    feed = {"name": "f", "kind": "alpaca", "key_env": "NOT_SET", "secret_env": "NOT_SET",
            "symbols": {"NVDA": {"underlying": "NVDA", "source": 1}}}  # fmt: skip
    settings = load_settings({"feed": [feed]})
    with (
        core(tmp_path, commands=genesis(underlyings=["NVDA"])) as venue,
        pytest.raises(ConfigError, match="NOT_SET"),
    ):
        run_keepers(tmp_path, settings, lambda: venue.engine, stop=threading.Event())


def test_sessions_wait_for_a_reader_that_is_not_there_yet(tmp_path):
    asked = []

    def answers():
        asked.append(1)
        if len(asked) < 3:
            raise ConnectionRefusedError
        return venue.engine

    with core(tmp_path, commands=genesis(underlyings=["NVDA"])) as venue:
        settings = load_settings({"sessions": {"always": ["USDC", "USDT", "USDE"]}})
        with running(run_session_keeper, tmp_path, settings, answers) as keeper:
            assert keeper.ready.wait(20)
            sent = venue.sequence
            lines = {line.name: line for line in questions.sessions(venue.engine)}
            assert lines["NVDA"].next_time_ns > venue.time_ns
        with running(run_session_keeper, tmp_path, settings, lambda: venue.engine) as keeper:
            assert keeper.ready.wait(20)
            assert venue.sequence == sent, "a restart sends nothing that the venue has"


# --- alerts ------------------------------------------------------------------------------------------------------------


class Web:
    """A web server that answers as told, then 204; keeps what it got."""

    def __init__(self, *statuses: int, port: int = 0) -> None:
        web, self.statuses, self.got = self, list(statuses), []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                web.got.append((dict(self.headers), body))
                status = web.statuses.pop(0) if web.statuses else 204
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/alerts?x=1"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Mail:
    """A mail server that keeps what it got."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.controller = Controller(self, hostname="127.0.0.1", port=0)

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - the library's name
        self.got.append(envelope.content)
        return "250 taken"


@pytest.fixture
def mail():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Mail()
    server.controller = Controller(server, hostname="127.0.0.1", port=port)
    server.controller.start()
    yield server, port
    server.controller.stop()


DESK, RICH = 1, 2


def indebted(home: Path) -> int:
    """A home in which account 1 is long 4,500 lots with 1,000 dollars; returns its time."""
    plain = open_plain_venue({RICH: RICH})
    plain.must(OpenAccount(owner=DESK), DESK)
    plain.must(Deposit(asset=USD, amount=1_000 * M, reference=1), DESK)
    plain.must(PlaceOrder(market=1, side=Side.ASK, price=10_000, lots=4_500), RICH)
    plain.must(PlaceOrder(market=1, side=Side.BID, price=10_000, lots=4_500), DESK)
    sent = [message for buffer in plain.sent for message in iter_commands(buffer)]
    with Venue.open(home, time_ns=sent[0].header.time_ns) as venue:
        for header, body in sent[1:]:
            venue.submit_stamped(encode(body, account=header.account, time_ns=header.time_ns))
        assert reports.account(venue.engine, DESK).positions
    return plain.time_ns


def post(home: Path, pace: Pace, cents: int) -> None:
    """Both sources say a price, and time passes."""
    with CoreClient.connect(home / "core.sock") as client:
        for number, price in ((NAME, cents * 10_000), (CASH, M)):
            for source in (1, 2):
                told = PostPrice(
                    underlying=number, source=source, price=price, venue_time_ns=pace(), size=SIZE
                )
                answer = client.submit(encode(told))
                assert not list(iter_events(answer.events, (CommandRefused,)))
        client.submit(encode(AdvanceTime()))


def test_a_margin_call_reaches_the_desk_by_web_and_by_mail_once_it_is_made_and_again_when_it_is_cured(
    tmp_path, mail
):
    mailbox, port = mail
    os.environ["DESK_SECRET"] = "between us"
    pace = Pace.begin(indebted(tmp_path), 1)
    pace.write(tmp_path)
    with Web(503, 302) as web, core(tmp_path, clock=pace) as venue:
        settings = load_settings(
            {
                "alerts": {
                    "sweep": "500 ms",
                    "webhook": [{"name": "desk", "url": web.url, "secret_env": "DESK_SECRET", "accounts": [DESK]}],
                    "email": [
                        {"name": "mail", "host": "127.0.0.1", "port": port, "starttls": False, "sender": "venue@example.org",
                         "to": "desk@example.org"}
                    ],
                }
            }
        )  # fmt: skip
        with running(run_alert_keeper, tmp_path, settings, lambda: venue.engine) as keeper:
            assert keeper.ready.wait(20)
            post(tmp_path, pace, 9_300)
            until(lambda: len(web.got) >= 3 and mailbox.got, what="the call")
            with AlertBook(tmp_path) as book:
                (call,) = book.calls(DESK)
                book.acknowledge(call.id, "desk", pace())
            with CoreClient.connect(tmp_path / "core.sock") as client:
                client.submit(encode(Deposit(asset=USD, amount=2_000 * M, reference=2), account=DESK))
            until(lambda: len(web.got) >= 4, what="the end of the call")
        until(lambda: read_health(tmp_path)["alerts"]["done"] >= 1)
    calls = web.got[:3]
    assert len({headers["Novate-Alert-Id"] for headers, _ in calls}) == 1, "tried again under the same id"
    for headers, body in web.got:
        assert verify(b"between us", headers["Novate-Signature"], body, int(time.time()))
        assert json.loads(body)["id"] == headers["Novate-Alert-Id"]
    first = json.loads(calls[0][1])
    assert (first["kind"], first["account"], first["mark_ppm"]) == ("call", str(DESK), 1_000_000)
    assert {remedy["kind"] for remedy in first["call"]["remedies"]} == {"deposit", "close"}
    assert json.loads(web.got[3][1])["kind"] == "call_cured"
    letter = message_from_bytes(mailbox.got[0])
    assert letter["Message-ID"] == f"<{first['id']}@example.org>"
    assert "Deposit" in letter.get_payload()
    with AlertBook(tmp_path) as book:
        assert [a.detail for a in book.log(1) if a.channel == "desk"] == [
            "HTTP 503 Service Unavailable",
            "HTTP 302 Found",
            "HTTP 204",
        ]
        assert [call.acknowledged_by for call in book.calls(ended=True)] == ["desk"]


def test_what_was_due_when_the_keeper_ended_is_delivered_when_it_starts_again(tmp_path):
    """First nobody listens at the address; then somebody does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ["DESK_SECRET"] = "between us"
    pace = Pace.begin(indebted(tmp_path), 1)
    pace.write(tmp_path)
    hook = {"name": "desk", "url": f"http://127.0.0.1:{port}/", "secret_env": "DESK_SECRET"}
    settings = load_settings({"alerts": {"sweep": "500 ms", "webhook": [hook]}})
    with core(tmp_path, clock=pace) as venue:
        with running(run_alert_keeper, tmp_path, settings, lambda: venue.engine) as keeper:
            assert keeper.ready.wait(20)
            post(tmp_path, pace, 9_300)
            with AlertBook(tmp_path) as book:
                until(book.log, what="a failed attempt")
        with Web(port=port) as web:
            with running(run_alert_keeper, tmp_path, settings, lambda: venue.engine):
                until(lambda: web.got, what="the alert")
                time.sleep(0.7)
            assert len(web.got) == 1, "once it arrived it is not sent again"


def test_a_mail_server_that_offers_no_tls_gets_no_mail_that_asks_for_it(mail):
    mailbox, port = mail
    letter = Alert(id="a", account="7", kind="usage", severity="warning", at_ns=1, sentence="x")
    with pytest.raises(Undelivered):
        Email("m", "127.0.0.1", port, "a@example.org", "b@example.org").send(letter)
    assert not mailbox.got
    Email("m", "127.0.0.1", port, "a@example.org", "b@example.org", starttls=False).send(letter)
    assert len(mailbox.got) == 1
