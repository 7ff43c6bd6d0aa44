"""The command line tells results on standard output, everything else on standard error, and errors in one line."""

import functools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import novate
from novate import cli, marketdata
from novate.demo import run as demo_run
from novate.errors import DataError
from novate.marketdata import packaged
from novate.messages import rules

TEN_MINUTES = 600 * 10**9


@dataclass(frozen=True)
class Told:
    """What one command line left behind."""

    status: int
    out: str
    err: str

    @property
    def object(self) -> dict[str, Any]:
        """The JSON object of the last line of standard output."""
        value = json.loads(self.out.splitlines()[-1])
        assert isinstance(value, dict)
        return value

    @property
    def last_words(self) -> str:
        return self.err.splitlines()[-1]


Run = Callable[..., Told]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command line in this process; `minutes` is the beginning of the packaged scenario."""
    window = (packaged.START_NS, packaged.START_NS + TEN_MINUTES)
    monkeypatch.setitem(marketdata._SCENARIOS, "minutes", marketdata._Entry(*window, needs_data=False))
    monkeypatch.delenv("NOVATE_DATA", raising=False)

    def call(*arguments: object) -> Told:
        status = cli.main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return Told(status, told.out, told.err)

    return call


# --- a replay and its journal ------------------------------------------------------------------------------------------


def test_a_replay_prints_the_path_of_its_report(run: Run, tmp_path: Path) -> None:
    told = run("replay", "minutes", "--home", tmp_path / "home", "--advance-ms", 5_000)
    assert told.status == 0
    assert told.out == f"{tmp_path / 'home' / 'report.html'}\n"
    assert Path(told.out.strip()).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "Package data" in told.err
    assert "Traceback" not in told.err


def test_a_replay_as_json_is_one_object_and_the_journal_agrees(run: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    told = run(
        "replay", "minutes", "--headless", "--json", "--home", home, "--report", tmp_path / "page.html"
    )
    assert told.status == 0
    assert len(told.out.splitlines()) == 1
    played = told.object
    assert played["ok"] is True
    assert set(played["conservation"].values()) == {0}
    assert (tmp_path / "page.html").is_file()
    for directory in (home, home / "journal"):
        checked = run("verify", "journal", directory, "--json")
        assert checked.status == 0
        assert len(checked.out.splitlines()) == 1
        for key in ("state_hash", "commands"):
            assert checked.object[key] == played[key]
        assert checked.object["ok"] is True
        assert checked.object["truncated_tail_bytes"] == 0
        assert set(checked.object["conservation"].values()) == {0}
    assert run("verify", "journal", "--home", home).status == 0


def test_the_same_seed_is_the_same_state_and_another_is_not(run: Run, tmp_path: Path) -> None:
    def state(name: str, seed: int) -> str:
        told = run("replay", "minutes", "--json", "--home", tmp_path / name, "--seed", seed)
        return str(told.object["state_hash"])

    assert state("first", 1) == state("second", 1) != state("third", 2)


def test_a_home_with_a_journal_is_not_played_into(run: Run, tmp_path: Path) -> None:
    first = run("replay", "minutes", "--json", "--home", tmp_path)
    again = run("replay", "minutes", "--json", "--home", tmp_path)
    assert again.status == 1
    assert (
        again.last_words == f"novate: {tmp_path} already holds a journal; name another --home. [config_error]"
    )
    assert again.object["error"]["code"] == "config_error"
    assert run("verify", "journal", tmp_path, "--json").object["state_hash"] == first.object["state_hash"]


def test_a_damaged_journal_is_not_verified(run: Run, tmp_path: Path) -> None:
    run("replay", "minutes", "--home", tmp_path)
    (segment,) = (tmp_path / "journal").glob("*.log")
    raw = bytearray(segment.read_bytes())
    raw[len(raw) // 2] ^= 1
    segment.write_bytes(raw)
    told = run("verify", "journal", tmp_path, "--json")
    assert told.status == 1
    assert told.object["ok"] is False
    assert told.object["problems"]
    assert told.object["error"]["code"] == "verification_failed"
    assert told.last_words.startswith("novate: The journal in ")
    assert told.last_words.endswith(" [verification_failed]")
    assert "Traceback" not in told.err


def test_a_torn_tail_is_counted_and_is_no_damage(run: Run, tmp_path: Path) -> None:
    run("replay", "minutes", "--home", tmp_path)
    (segment,) = (tmp_path / "journal").glob("*.log")
    segment.write_bytes(segment.read_bytes()[:-10])
    told = run("verify", "journal", tmp_path, "--json")
    assert told.status == 0
    assert told.object["truncated_tail_bytes"] > 0


def test_an_interrupt_is_one_line_and_leaves_a_sound_journal(run: Run, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "novate.cli",
        "replay",
        "october-2008",
        "--headless",
        "--json",
        "--home",
        tmp_path,
    ]
    # A shell's background job hands its children an ignored SIGINT; a person's terminal does not.
    heeds = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heeds,  # noqa: PLW1509 - one thread here
    ) as process:
        deadline = time.monotonic() + 60
        while not any(path.stat().st_size > 2_000_000 for path in (tmp_path / "journal").glob("*.log")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    told = Told(process.returncode, out, err)
    assert told.status == 130
    assert told.last_words == "novate: Interrupted. [interrupted]"
    assert told.object == {"ok": False, "error": {"code": "interrupted", "sentence": "Interrupted."}}
    assert "Traceback" not in err
    checked = run("verify", "journal", tmp_path, "--json").object
    assert checked["ok"] is True
    assert checked["commands"] > 1_000


# --- errors ------------------------------------------------------------------------------------------------------------

WRONG = {
    "no such command": (("upp",), 2, "usage", "No such command 'upp'"),
    "no such option": (("demo", "--sed", "1"), 2, "usage", "--sed"),
    "a negative seed": (("demo", "--seed", "-1"), 2, "usage", "--seed"),
    "a seed that is no number": (("demo", "--seed", "one"), 2, "usage", "--seed"),
    "no clock step": (("demo", "--advance-ms", "0"), 2, "usage", "--advance-ms"),
    "prices without feeds": (("keeper", "prices", "somewhere"), 2, "usage", "--settings"),
    "a statement of no venue": (
        ("statement", "/nowhere/at/all", "--account", "1", "--period", "2025-10-10"),
        2,
        "usage",
        "/nowhere/at/all",
    ),
    "a key that is not hexadecimal": (
        ("keys", "create", ".", "--owner", "5", "--public", "zz", "--scope", "read"),
        2,
        "usage",
        "--public",
    ),
    "a crash that stands still": (("demo", "--live", "--speed", "0"), 1, "config_error", "speed"),
    "a scenario too few": (("replay",), 2, "usage", "SCENARIO"),
    "an unknown scenario": (("replay", "crash-1929"), 2, "usage", "october-2008"),
    "an argument too many": (("demo", "now"), 2, "usage", "now"),
    "no data there": (("demo", "--data", "/nowhere/at/all"), 1, "data_error", "/nowhere/at/all"),
    "no folder for the report": (
        ("demo", "--report", "/nowhere/page.html"),
        1,
        "config_error",
        "/nowhere/page.html",
    ),
    "no directory to verify": (("verify", "journal"), 2, "usage", "one directory"),
    "two directories to verify": (("verify", "journal", "a", "--home", "b"), 2, "usage", "one directory"),
    "no journal there": (("verify", "journal", "/nowhere"), 1, "journal_error", "/nowhere"),
    "no such refusal": (("refusals", "99999"), 2, "usage", "99999"),
    "nearly a refusal": (
        ("refusals", "amount_must_not_exceed"),
        2,
        "usage",
        "amount_must_not_exceed_balance",
    ),
}


@pytest.mark.parametrize(("arguments", "status", "code", "words"), WRONG.values(), ids=WRONG)
def test_an_error_is_one_line_with_its_code(
    run: Run, arguments: tuple[str, ...], status: int, code: str, words: str
) -> None:
    plain = run(*arguments)
    assert plain.status == status
    assert plain.out == ""
    assert plain.last_words.startswith("novate: ")
    assert plain.last_words.endswith(f" [{code}]")
    assert words in plain.last_words
    assert "Traceback" not in plain.err
    told = run(*arguments, "--json")
    assert told.status == status
    assert len(told.out.splitlines()) == 1
    assert told.object["ok"] is False
    assert told.object["error"]["code"] == code
    assert f"novate: {told.object['error']['sentence']} [{code}]" == told.last_words


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (DataError("The file is gone.", file="x"), "data_error", "The file is gone."),
        (
            OSError(28, "No space left on device", "page.html"),
            "os_error",
            "No space left on device (page.html).",
        ),
        (RuntimeError("a bug"), "internal_error", "Unexpected RuntimeError: a bug; --traceback shows where."),
    ],
)
def test_whatever_goes_wrong_inside_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str, words: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(demo_run, "run_demo", fail)
    told = run("demo", "--json")
    assert told.status == 1
    assert told.last_words == f"novate: {words} [{code}]"
    assert told.object["error"]["code"] == code
    assert "Traceback" not in told.err
    shown = run("demo", "--traceback")
    assert shown.status == 1
    assert "Traceback" in shown.err
    assert shown.last_words == told.last_words


# --- what is known -----------------------------------------------------------------------------------------------------


def test_version_and_help(run: Run) -> None:
    assert run("--version").out == f"novate {novate.__version__}\n"
    told = run("--help")
    assert told.status == 0
    assert run().out == told.out
    for command in ("demo", "replay", "verify", "scenarios", "refusals"):
        assert command in told.out
        assert run(command, "--help").status == 0


def test_scenarios_are_those_of_the_data(run: Run) -> None:
    told = run("scenarios", "--json")
    assert told.object["scenarios"] == marketdata.scenarios()
    assert told.object["default"] in marketdata.scenarios()
    assert all(name in told.err for name in marketdata.scenarios())
    assert run("scenarios").out == ""


def test_refusals_are_the_engines(run: Run) -> None:
    listed = run("refusals", "--json").object["refusals"]
    assert [row["number"] for row in listed] == list(rules())
    by_number, by_name = (
        run("refusals", which, "--json").object for which in (309, "parameter_must_be_within_bounds")
    )
    assert by_number == by_name
    assert [row["name"] for row in by_number["refusals"]] == ["parameter_must_be_within_bounds"]
    assert "outside its validated bounds" in run("refusals", 309).err
