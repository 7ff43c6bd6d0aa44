"""Operations on real venues: processes started and killed, copies taken while commands come, and what the journal says afterwards."""

import json
import os
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from novate._core import Engine, ruleset
from novate.broker import NewOrder
from novate.clearing.life import State
from novate.clearing.outbox import Outbox
from novate.config import packaged_listing
from novate.core_process import CoreClient
from novate.errors import ConfigError, JournalError
from novate.journal import Walk, verify_journal, walk_journal
from novate.messages import Deposit, LiquidationStarted, OpenAccount, RequestWithdrawal, encode, iter_events
from novate.messages.codes import Side
from novate.operations import backup as copies
from novate.operations.backup import BackupUnsound, backup, restore, within
from novate.operations.checklist import began_for_real
from novate.operations.commands import COMMANDS
from novate.operations.incident import incident, text_of
from novate.operations.metrics import exposed_names
from novate.operations.setup import Answers, set_up
from novate.venue import Venue

PORT, METRICS = 17_180, 17_190
URL = f"http://127.0.0.1:{METRICS}"
GROUP = click.Group(commands={str(command.name): command for command in COMMANDS})


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "novate.cli", "up", *map(str, arguments)], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def get(path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(URL + path, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def until(said: Any, timeout_s: float = 40.0, what: str = "it") -> Any:
    deadline = time.monotonic() + timeout_s
    while not (found := said()):
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.05)
    return found


def value(metrics: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", metrics, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A venue for development that was scraped, lost its reader, was copied under load, and ended."""
    home = tmp_path_factory.mktemp("lived") / "venue"
    found: dict[str, Any] = {"home": home, "began_ns": time.time_ns()}
    child = start(
        home, "--dev", "--port", PORT, "--metrics-port", METRICS, "--log", "json", "--without", "projector"
    )
    try:
        found["before"] = until(lambda: (got := get("/readyz"))[0] and got)
        until(lambda: get("/readyz")[0] == 200, what="readiness")
        until(lambda: "keeper time" in get("/metrics")[1], what="the metrics")
        until(
            lambda: re.search(r'novate_keeper_connected\{keeper="time"\} 1', get("/metrics")[1]), what="time"
        )
        found["metrics"] = get("/metrics")[1]
        found["health"], found["nothing"] = get("/healthz"), get("/nothing")
        found["status"] = CliRunner().invoke(GROUP, ["status", str(home), "--json"])
        reader = int(
            subprocess.run(
                ["pgrep", "-f", f"novate.cli reader {home}"], capture_output=True, text=True, check=True
            ).stdout.split()[0]
        )  # fmt: skip
        os.kill(reader, signal.SIGKILL)
        found["unready"] = until(lambda: (got := get("/readyz"))[0] == 503 and got, what="unreadiness")
        until(lambda: get("/readyz")[0] == 200, what="readiness again")
        found["again"] = get("/metrics")[1]
        found["copy"] = copied_under_load(home, home.parent / "copy")
    finally:
        child.terminate()
        found["log"] = child.communicate(timeout=60)[1]
    found["status_code"] = child.returncode
    return found


def copied_under_load(home: Path, to: Path) -> tuple[int, Path]:
    """Copies while commands come; returns the last command that was answered before the copy began."""
    stop, answered = threading.Event(), threading.Event()
    last = [0]

    def load() -> None:
        with CoreClient.connect(home / "core.sock") as client:
            account = 1
            while not stop.is_set():
                account += 1
                last[0] = client.submit(encode(OpenAccount(owner=account), account=account)).first_sequence
                answered.set()

    thread = threading.Thread(target=load)
    thread.start()
    try:
        assert answered.wait(20)
        before = last[0]
        backup(home, to)
    finally:
        stop.set()
        thread.join(20)
    return before, to


def test_readiness_comes_and_goes_with_what_trading_needs(lived: dict[str, Any]) -> None:
    assert lived["before"][0] == 503  # a supervisor that has only begun says so
    status, body = lived["unready"]
    assert status == 503
    assert json.loads(body)["processes"]["reader"]["serves"] is False
    assert json.loads(body)["development"] is True
    assert lived["health"] == (200, '{"alive": true}\n')
    assert lived["nothing"][0] == 404


def test_a_scrape_shows_the_table_and_counts_restarts(lived: dict[str, Any]) -> None:
    shown = set(re.findall(r"^# TYPE (\S+)", lived["metrics"], re.MULTILINE))
    assert shown == exposed_names()
    assert value(lived["metrics"], "novate_ready") == 1
    assert value(lived["metrics"], "novate_commands_total") > 100
    assert value(lived["metrics"], 'novate_process_starts_total{process="reader"}') == 1
    assert value(lived["again"], 'novate_process_starts_total{process="reader"}') == 2
    assert value(lived["again"], 'novate_process_starts_total{process="core"}') == 1


def test_every_word_of_the_log_is_json(lived: dict[str, Any]) -> None:
    lines = [json.loads(line) for line in lived["log"].splitlines()]
    assert {"venue", "core", "reader", "gateway"} <= {line["process"] for line in lines}
    assert any("FOR DEVELOPMENT" in line["message"] for line in lines)
    ended = [line for line in lines if line["message"] == "ended with status -9"]
    assert [(line["process"], line["level"]) for line in ended] == [("reader", "warning")]
    assert lived["status_code"] == 0


def test_status_says_what_a_scrape_says(lived: dict[str, Any]) -> None:
    told = lived["status"]
    assert told.exit_code == 0
    found = json.loads(told.stdout.splitlines()[-1])
    assert found["production"] is False
    assert found["core"]["sequence"] > 100
    assert "time" in found["keepers"]
    assert "FOR DEVELOPMENT" in told.stderr


def test_a_copy_holds_all_that_was_answered_before_it_began(lived: dict[str, Any], tmp_path: Path) -> None:
    before, copy = lived["copy"]
    manifest = copies.read_manifest(copy)
    assert manifest.sequence >= before
    assert {"identity.db", "identity.key", "audit.log"} <= set(manifest.files)
    home = tmp_path / "restored"
    restore(copy, home)
    report = verify_journal(home, Engine, ruleset=ruleset())
    assert (report.ok, report.commands) == (True, manifest.sequence)
    with Venue.open(home, time.time_ns()) as venue:  # and it lives on
        assert venue.recovery.sequence == manifest.sequence
        assert venue.sequence == manifest.sequence + 1


def test_what_is_copied_is_the_same_venue(lived: dict[str, Any], tmp_path: Path) -> None:
    whole = backup(lived["home"], tmp_path / "whole")
    assert whole.sequence == verify_journal(lived["home"], Engine, ruleset=ruleset()).commands
    spans = [
        incident(place, lived["began_ns"], time.time_ns()) for place in (lived["home"], tmp_path / "whole")
    ]
    assert msgspec_free(spans[0]) == msgspec_free(spans[1])
    assert [h.what for h in spans[0].happenings].count("restart") == 1
    assert spans[0].commands["OpenAccount"] > 0
    assert spans[0].balanced


def msgspec_free(report: Any) -> dict[str, Any]:
    return {name: getattr(report, name) for name in report.__struct_fields__ if name != "to_ns"}


def test_a_development_journal_never_becomes_real(lived: dict[str, Any]) -> None:
    child = start(lived["home"], "--venue", "real-one", "--port", PORT)
    _, words = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "journal: The journal began as a development venue's" in words
    assert "[not_ready]" in words


# --- a venue without processes -----------------------------------------------------------------------------------------


LISTING = packaged_listing()
USD = LISTING.asset["USDC"]
SECOND, START_NS = 10**9, 1_767_623_400 * 10**9


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A sealed journal in which little happens."""
    place = tmp_path / "home"
    with Venue.open(place, START_NS) as venue:
        venue.send(*LISTING.commands, time_ns=START_NS)
        for number in (1, 2, 3):
            at = START_NS + number * SECOND
            venue.send(OpenAccount(owner=number), account=number, time_ns=at)
            venue.send(
                Deposit(asset=USD, amount=number * 10**9, reference=number), account=number, time_ns=at
            )
        venue.send(RequestWithdrawal(asset=USD, amount=10**15), account=1, time_ns=START_NS + 4 * SECOND)
    return place


def test_nothing_is_overwritten_and_nothing_is_left_by_a_failure(home: Path, tmp_path: Path) -> None:
    backup(home, tmp_path / "copy")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="nothing is overwritten"):
        backup(home, tmp_path / "copy")
    with pytest.raises(ConfigError, match="nothing is overwritten"):
        restore(tmp_path / "copy", home)
    with pytest.raises(JournalError, match="no journal"):
        backup(tmp_path / "nowhere", tmp_path / "other")
    with pytest.raises(ConfigError, match="is no backup"):
        restore(home, tmp_path / "other")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("how", ["flip", "cut", "missing", "manifest"])
def test_a_copy_that_was_changed_is_not_restored(home: Path, tmp_path: Path, how: str) -> None:
    copy = tmp_path / "copy"
    manifest = backup(home, copy)
    path = copy / next(name for name in manifest.files if name.startswith("journal/"))
    data = bytearray(path.read_bytes())
    if how == "flip":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif how == "cut":
        path.write_bytes(data[:-1])
    elif how == "missing":
        path.unlink()
    else:
        said = (copy / "backup.json").read_bytes()
        (copy / "backup.json").write_bytes(said.replace(manifest.state_hash.encode(), b"0" * 64))
    with pytest.raises(BackupUnsound):
        restore(copy, tmp_path / "restored")
    assert not (tmp_path / "restored").exists()
    assert not list(tmp_path.glob(".*partial"))


@pytest.mark.parametrize("way", ["tls", "../home/tls", "other/../tls", "link"])
def test_certificates_are_copied_from_where_they_are_kept_in_the_home(
    home: Path, tmp_path: Path, way: str
) -> None:
    for folder in (home / "tls", home / "other"):
        folder.mkdir()
    (home / "tls" / "ca.pem").write_text("authority")
    (home / "link").symlink_to(home / "tls")
    kept = backup(home, tmp_path / "one", certificates=home / way)
    assert within(home, home / way)
    assert "tls/ca.pem" in kept.files
    restore(tmp_path / "one", tmp_path / "restored")
    assert (tmp_path / "restored" / "tls" / "ca.pem").read_text() == "authority"


@pytest.mark.parametrize("way", ["../elsewhere", "tls/../../elsewhere", "link", "../home-too"])
def test_certificates_elsewhere_are_not_copied_whichever_way_their_folder_is_written(
    home: Path, tmp_path: Path, way: str
) -> None:
    (home / "tls").mkdir()
    for folder in (tmp_path / "elsewhere", tmp_path / "home-too"):
        folder.mkdir()
        (folder / "ca.key").write_text("authority")
    (home / "link").symlink_to(tmp_path / "elsewhere")
    kept = backup(home, tmp_path / "copies" / "one", certificates=home / way)
    assert not within(home, home / way)
    assert not list(tmp_path.glob("copies/**/ca.key"))
    assert not [name for name in kept.files if name.endswith("ca.key")]


def test_what_clearing_keeps_is_copied_before_the_journal_and_comes_back(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outbox that is ahead of its journal would pass over what the venue says next."""
    (home / "clearing" / "fix" / "prime").mkdir(parents=True)
    databases = ["corporate_actions.db", "reconciliation.db", "clearing/fix/prime/session.db"]
    for name in databases:
        with closing(sqlite3.connect(home / name)) as database:
            database.execute("pragma journal_mode = wal")
            database.execute("create table said (what text)")
            database.execute("insert into said values (?)", (name,))
            database.commit()
    files = [
        "clearing/fix/prime/FIX.4.4-A-B.seqnums", "clearing/raw/2026-01-05/messages.idx", "clearing/raw/2026-01-05/messages.raw",
        "statements/2026-01-05/prime.cash.csv", "bridge/stop.json",
    ]  # fmt: skip
    for name in (*files, "clearing/fix/prime/messages.log"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(name)
    said = NewOrder(order="X-1", symbol="NVDA", side=Side.BID, shares=10**9, dollars=0, limit=10**9)
    with Outbox(home) as outbox, outbox.heard_until(3, b"journal"):
        outbox.add_order(said, 1, 1, request=1, purpose=0, token=7, underlying=7, now_ns=1)
    there_first: list[set[str]] = []
    journal = copies._copy_journal

    def watched(home: Path, paths: Any, copy: Path, progress: Any) -> None:
        there_first.append({str(path.relative_to(copy)) for path in copy.rglob("*.db")})
        journal(home, paths, copy, progress)

    monkeypatch.setattr(copies, "_copy_journal", watched)
    kept = backup(home, tmp_path / "copy")
    assert there_first == [{*databases, "clearing/outbox.db"}]
    assert {*databases, *files, "clearing/outbox.db"} <= set(kept.files)
    assert not [name for name in kept.files if name.endswith(("-wal", "-shm", ".log.1", "messages.log"))]
    back = tmp_path / "restored"
    restore(tmp_path / "copy", back)
    for name in databases:
        with closing(sqlite3.connect(back / name)) as database:
            assert database.execute("select what from said").fetchall() == [(name,)]
    assert [(back / name).read_text() for name in files] == files
    with Outbox(back) as outbox:  # its order may have left since: it is not sent on its word
        assert outbox.place.journal == b""
        assert [(one.id, one.state) for one in outbox.orders()] == [("X-1", State.WORKING)]


def test_a_damaged_database_of_clearing_gives_no_copy(home: Path, tmp_path: Path) -> None:
    (home / "clearing").mkdir()
    (home / "clearing" / "outbox.db").write_bytes(b"no database at all, but as long as one" * 100)
    with pytest.raises(BackupUnsound, match=r"outbox\.db"):
        backup(home, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_damaged_home_gives_no_copy(home: Path, tmp_path: Path) -> None:
    segment = next((home / "journal").glob("*.log"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    with pytest.raises((BackupUnsound, JournalError)):
        backup(home, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_an_incident_counts_refusals_and_names_who_moved_most(home: Path) -> None:
    last = incident(home, START_NS, START_NS + 10**15)
    assert list(last.refusals) == ["spot_order_must_be_funded"] or sum(last.refusals.values()) == 1
    assert [(move.account, move.change) for move in last.moves] == [(n, n * 10**9) for n in (3, 2, 1)]
    assert last.commands["Deposit"] == 3
    one = incident(home, START_NS + 2 * SECOND, START_NS + 2 * SECOND)
    assert [(move.account, move.before, move.after) for move in one.moves] == [(2, 0, 2 * 10**9)]
    assert one.last_sequence - one.first_sequence == 1
    quiet = incident(home, START_NS + 10**14, START_NS + 10**15)
    assert (quiet.commands, quiet.moves, quiet.first_sequence - quiet.last_sequence) == ({}, [], 1)
    assert any("balance" in line for line in text_of(last))
    with pytest.raises(JournalError, match="later than the span"):
        incident(home, 1, 2)


def test_an_incident_finds_every_liquidation_of_a_journal_and_reads_the_same_twice() -> None:
    journal = Path(__file__).resolve().parents[1] / "golden" / "liquidation"
    engine, began = Engine(), []
    for frame in walk_journal(journal, Walk(), ruleset=ruleset()):
        if frame.count:
            began += list(iter_events(engine.apply(frame.payload), (LiquidationStarted,)))
    whole = incident(journal, 0, 2**62)
    assert whole == incident(journal, 0, 2**62)
    assert whole.liquidations == len(began) > 0
    told = [h for h in whole.happenings if h.what == "liquidation" and h.says.startswith("Began")]
    assert [(h.sequence, h.account) for h in told] == [(e.header.sequence, e.header.account) for e in began]
    assert whole.last_sequence == engine.sequence
    # A report of every part of the span, added up, is the report of the whole.
    cut = told[0].time_ns
    parts = [incident(journal, 0, cut - 1), incident(journal, cut, 2**62)]
    assert sum(part.liquidations for part in parts) == whole.liquidations
    assert sum((Counter(part.refusals) for part in parts), Counter()) == Counter(whole.refusals)
    assert sum((Counter(part.commands) for part in parts), Counter()) == Counter(whole.commands)
    assert parts[0].last_sequence + 1 == parts[1].first_sequence


def test_the_commands_tell_people_and_programs(home: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    made = runner.invoke(GROUP, ["init", str(tmp_path / "v"), "--yes", "--json"])
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout.splitlines()[-1])
    assert (told["ok"], told["ready"], len(told["keys"])) == (True, False, 3)
    assert "price feeds" in made.stderr
    asked = runner.invoke(GROUP, ["init", str(tmp_path / "w")], input="\n" * 6)
    assert asked.exit_code == 0, asked.output
    assert runner.invoke(GROUP, ["checklist", str(tmp_path / "v")]).exit_code == 1
    checked = runner.invoke(GROUP, ["config", "check", str(tmp_path / "v/venue.toml"), "--json"])
    assert json.loads(checked.stdout)["listing"]["markets"] > 20
    alone = runner.invoke(GROUP, ["config", "check", str(tmp_path / "v/listing.toml"), "--json"])
    assert json.loads(alone.stdout)["listing"] == json.loads(checked.stdout)["listing"]
    copied = runner.invoke(GROUP, ["backup", str(home), str(tmp_path / "c"), "--json"])
    assert json.loads(copied.stdout)["ok"] is True
    assert runner.invoke(GROUP, ["restore", str(tmp_path / "c"), str(tmp_path / "r")]).exit_code == 0
    span = ["--from", "2026-01-01T00:00:00Z", "--to", "2027-01-01T00:00:00Z"]
    assert "account" in runner.invoke(GROUP, ["incident", str(home), *span]).stdout
    assert (
        json.loads(runner.invoke(GROUP, ["incident", str(home), *span, "--json"]).stdout)["balanced"] is True
    )
    wrong = runner.invoke(GROUP, ["incident", str(home), "--from", "2026-01-01", "--to", "x"])
    assert wrong.exit_code == 2
    assert "no time with its zone" in wrong.output
    for shell in ("bash", "zsh", "fish"):
        assert "_NOVATE_COMPLETE" in runner.invoke(GROUP, ["completion", shell]).stdout


def listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 2):
            return True
    except OSError:
        return False


def at_the_admin_door(home: Path, certificate: str) -> int:
    """The status of a question there; 0 where there is no connection."""
    context = ssl.create_default_context(cafile=str(home / "certificates/ca.pem"))
    if certificate:
        context.load_cert_chain(certificate)
    try:
        with urllib.request.urlopen(
            f"https://127.0.0.1:{PORT + 10}/v1/time", timeout=10, context=context
        ) as answer:
            return int(answer.status)
    except OSError:
        return 0


def public_status(url: str) -> tuple[int, int]:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url, timeout=10)
    return refused.value.code, json.load(refused.value)["error"]["number"]


def test_a_real_venue_is_refused_while_red_then_runs_and_is_never_for_development(tmp_path: Path) -> None:
    made = set_up(tmp_path / "venue", Answers(venue="real-one", listen=f"127.0.0.1:{PORT + 20}"))
    home, path = made.file.home, made.file.path
    refused = start("--config", path)
    _, words = refused.communicate(timeout=60)
    assert refused.returncode == 1
    assert "price feeds: Fewer than 2 sources" in words
    assert began_for_real(home) is None
    names = list(made.file.load_listing().class_of)
    symbols = ["\n".join(f'{n} = {{ underlying = "{n}", source = {s} }}' for n in names) for s in (1, 2)]
    feeds = [
        f'[[process.keepers.feed]]\nname = "f{s}"\nkind = "alpaca"\n[process.keepers.feed.symbols]\n{symbols[s - 1]}'
        for s in (1, 2)
    ]
    text = path.read_text(encoding="utf-8").replace('keepers = ""\n', "")
    path.write_text(text + "\n".join(feeds) + "\n", encoding="utf-8")
    child = start(
        home,
        "--metrics-port",
        METRICS + 20,
        *(w for n in ("keeper", "projector") for w in ("--without", n)),
    )
    try:
        until(lambda: (home / "reader.sock").exists() or child.poll() is not None)
        assert child.poll() is None, child.communicate()[1]
        until(lambda: began_for_real(home))
        until(lambda: at_the_admin_door(home, made.keys[0].certificate) == 200, 90, "the admin door")
        assert at_the_admin_door(home, "") == 0
        until(
            lambda: listens(PORT + 20), 30, "the public door"
        )  # it opens by itself, soon before or after the other
        assert public_status(f"http://127.0.0.1:{PORT + 20}/v1/admin/accounts") == (403, 2068)
    finally:
        child.terminate()
        child.communicate(timeout=60)
    assert child.returncode == 0
    development = start(home, "--dev", "--port", PORT + 20)
    _, words = development.communicate(timeout=60)
    assert development.returncode == 1
    assert "is a production venue's" in words
