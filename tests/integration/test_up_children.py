"""The processes of a venue as children of one supervisor: the reader that the core forks, and that nobody outlives whoever started him."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateways import eventually, free_port
from novate._core import Engine, ruleset
from novate.core_process import CoreClient
from novate.event_log import log_end
from novate.journal import verify_journal
from novate.messages import OpenAccount, encode
from novate.reader_process import ReaderClient
from novate.up.children import AVAILABLE, Forked

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="only Linux lets a process have another's children")


class Up:
    """`novate up` without what only costs time here."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        self.child = subprocess.Popen(
            [sys.executable, "-m", "novate.cli", "up", str(home), "--dev", "--port", str(self.port),
             "--without", "projector", "--without", "keeper", "--log", "json"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.serves()

    def serves(self) -> None:
        def status() -> bool:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v1/status", timeout=10) as answer:
                    return json.load(answer)["result"]["takes_commands"]
            except OSError:
                return False

        assert eventually(status, 60)

    def pids(self, name: str = "") -> list[int]:
        """Of the processes of this home, by the command of `novate`."""
        found = subprocess.run(
            ["pgrep", "-f", f"novate.cli {name}.*{self.home}"], capture_output=True, text=True, check=False
        )  # fmt: skip
        return [int(pid) for pid in found.stdout.split()]

    def pid(self, name: str) -> int:
        (pid,) = self.pids(f"{name} ")
        return pid

    def open_accounts(self, first: int, count: int) -> int:
        """Sends commands; the last one's sequence."""
        with CoreClient.connect(self.home / "core.sock") as core:
            accounts = range(first, first + count)
            commands = b"".join(encode(OpenAccount(owner=one), account=one) for one in accounts)
            return core.submit(commands).first_sequence + count - 1

    def told(self, account: int, min_seq: int) -> bytes:
        """What the event log has of an account."""
        with ReaderClient.connect(self.home / "reader.sock") as reader:
            reader.min_seq = min_seq
            return reader.recall(account, 0).events

    def end(self) -> str:
        self.child.terminate()
        return self.child.communicate(timeout=60)[1]


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Up]:
    up = Up(tmp_path / "venue")
    try:
        yield up
    finally:
        words = up.end()
        assert not up.pids(), "nobody is left"
        assert "Traceback" not in words, words


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def open_files(pid: int) -> set[str]:
    return {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir() if file.is_symlink()}


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_the_reader_is_the_supervisors_child_and_has_nothing_of_the_cores(venue: Up):
    reader, core = venue.pid("reader"), venue.pid("core")
    assert parent_of(reader) == parent_of(core) == venue.child.pid
    lock = str(venue.home / "journal" / "lock")
    assert lock in open_files(core) and lock not in open_files(reader)
    assert not [name for name in open_files(reader) if name.endswith((".log", ".blank"))]
    assert os.sched_getscheduler(reader) == os.SCHED_OTHER
    last = venue.open_accounts(100, 50)
    assert venue.told(149, last)


def test_each_comes_again_alone_and_the_other_stays(venue: Up):
    reader, core = venue.pid("reader"), venue.pid("core")
    os.kill(core, signal.SIGKILL)
    assert eventually(lambda: venue.pids("core ") not in ([], [core]), 30)
    eventually((venue.home / "core.sock").exists, 30)
    venue.serves()
    last = eventually(lambda: _or_none(lambda: venue.open_accounts(200, 10)), 30)
    assert venue.pid("reader") == reader, "it did not hold the home's lock, nor end with the core"
    assert venue.told(209, last)

    core = venue.pid("core")
    os.kill(reader, signal.SIGKILL)
    assert eventually(lambda: venue.pids("reader ") not in ([], [reader]), 30)
    assert eventually(lambda: _or_none(lambda: venue.told(209, last)), 30)
    assert venue.pid("core") == core and gone(reader)


def test_a_killed_supervisor_leaves_nobody_and_the_next_one_begins_with_all_that_was_answered(tmp_path: Path):
    up = Up(tmp_path / "venue")
    last = up.open_accounts(300, 100)
    told = up.told(399, last)
    assert told
    children = [pid for pid in up.pids() if pid != up.child.pid]
    assert len(children) == 3
    up.child.kill()
    up.child.communicate()
    assert eventually(lambda: all(map(gone, children)), 30), "an old core would keep a new one from its home"
    report = verify_journal(up.home, Engine, ruleset=ruleset())
    assert report.ok and report.commands == last
    again = Up(up.home)
    try:
        assert again.told(399, last) == told
        assert log_end(up.home / "events").sequence > last
    finally:
        words = again.end()
    assert not again.pids() and "put aside" not in words


def test_the_next_one_waits_for_what_a_killed_one_left(tmp_path: Path):
    up = Up(tmp_path / "venue")
    last = up.open_accounts(300, 100)
    slow = [up.pid("core"), up.pid("reader")]
    for pid in slow:
        os.kill(pid, signal.SIGSTOP)  # it is told to end, and takes its time
    up.child.kill()
    up.child.communicate()
    timer = threading.Timer(3.0, lambda: [os.kill(pid, signal.SIGCONT) for pid in slow])
    timer.start()
    begun = time.monotonic()
    again = Up(up.home)
    try:
        assert time.monotonic() - begun > 2.5 and again.told(399, last)
        assert all(map(gone, slow))
    finally:
        timer.join()
        words = again.end()
    assert "ended with status" not in words, words


def test_a_running_venue_is_not_taken_from_its_supervisor(venue: Up):
    done = subprocess.run(
        [sys.executable, "-m", "novate.cli", "up", str(venue.home), "--dev", "--port", str(free_port())],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "journal_locked" in done.stderr
    venue.serves()
    assert venue.open_accounts(400, 1)


def test_all_killed_at_once_while_commands_flow_no_event_is_missing(tmp_path: Path):
    home, first = tmp_path / "venue", 1_000
    answered = {}
    for turn in range(3):
        up = Up(home)
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            answered[first + 49] = last = up.open_accounts(first, 50)
            first += 50
        for pid in up.pids():
            with suppress(ProcessLookupError):  # one that has ended with its supervisor meanwhile
                os.kill(pid, signal.SIGKILL)
        up.child.communicate()
        assert turn or log_end(home / "events").sequence > 0
    up = Up(home)
    try:
        for account in answered:
            assert up.told(account, last), account
    finally:
        up.end()
    assert verify_journal(home, Engine, ruleset=ruleset()).ok


def test_what_is_forked_has_its_words_and_its_status_for_the_supervisor(tmp_path: Path):
    """A supervisor, a process that forks, and its copy, each a line of facts; the fork holds no lock of its parent's."""
    lock = tmp_path / "lock"
    core = (
        "import fcntl, os, sys, msgspec, pathlib\n"
        "from novate.up.children import Then, fork\n"
        "if sys.argv[2] == 'realtime': os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))\n"
        f"held = open({str(lock)!r}, 'w'); fcntl.flock(held, fcntl.LOCK_EX)\n"
        "def work():\n"
        "    print('files', sorted(int(one.name) for one in pathlib.Path('/proc/self/fd').iterdir())[:3],\n"
        "          'policy', os.sched_getscheduler(0), flush=True)\n"
        "    print('its errors', file=sys.stderr, flush=True)\n"
        "    sys.stdin.read(0)\n"
        "    import time; time.sleep(float(sys.argv[3]))\n"
        "    return 7\n"
        "print('forked', fork(msgspec.json.decode(sys.argv[1], type=Then), work), flush=True)\n"
        "os._exit(0)\n"
    )
    supervisor = (
        "import os, subprocess, sys, json, signal\n"
        "from novate.up.children import Pipes, adopt_orphans\n"
        "adopt_orphans()\n"
        "pipes = Pipes(with_errors=True)\n"
        "core = subprocess.Popen([sys.executable, '-c', sys.argv[1], pipes.then(('reader',)), *sys.argv[2:]],\n"
        "                        stdout=subprocess.PIPE, text=True, pass_fds=pipes.passed)\n"
        "pipes.given()\n"
        "forked = pipes.forked(int(core.stdout.readline().split()[1]))\n"
        "core.wait()\n"
        "facts = {'out': forked.stdout.readline(), 'err': forked.stderr.readline(), 'before': forked.poll()}\n"
        "if sys.argv[3] == '60': forked.terminate()\n"
        "print(json.dumps(facts | {'status': forked.wait(20), 'again': forked.poll(), 'rest': forked.stdout.read()}))\n"
    )  # fmt: skip

    def run(*words: str) -> dict:
        done = subprocess.run(
            [sys.executable, "-c", supervisor, core, *words], capture_output=True, text=True, timeout=60, check=False
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return json.loads(done.stdout)

    told = run("plain", "0.3")
    assert told["out"].startswith("files [0, 1, 2]") and told["err"] == "its errors\n" and told["rest"] == ""
    assert told["before"] is None and told["status"] == told["again"] == 7
    assert run("plain", "60")["status"] == -signal.SIGTERM
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    except OSError:
        return
    assert f"policy {os.SCHED_OTHER}" in run("realtime", "0.1")["out"]


def test_how_it_ended_is_told_alike_to_all_threads_that_look(monkeypatch):
    """The supervisor looks, and so does whoever scrapes its metrics; the system says it once."""
    really = os.waitpid

    def slowly(*words: int) -> tuple[int, int]:
        said = really(*words)
        time.sleep(0.01)
        return said

    monkeypatch.setattr(os, "waitpid", slowly)
    with subprocess.Popen(["sleep", "60"], stdout=subprocess.PIPE, text=True) as child:
        forked, found = Forked(child.pid, child.stdout, None), []
        threads = [threading.Thread(target=lambda: found.append(forked.wait(20))) for _ in range(8)]
        for thread in threads:
            thread.start()
        forked.kill()
        for thread in threads:
            thread.join()
        child.returncode = forked.poll()
    assert found == [-signal.SIGKILL] * 8 and forked.poll() == -signal.SIGKILL


def test_a_process_whose_supervisor_is_gone_does_not_begin(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "novate.cli", "core", str(tmp_path)], capture_output=True, text=True, check=False,
        env=os.environ | {"NOVATE_SUPERVISED": "999999999"},
    )  # fmt: skip
    assert done.returncode == 1 and "[supervisor_gone]" in done.stderr and not list(tmp_path.iterdir())


@pytest.mark.parametrize("which", [0, 1])
def test_where_the_system_gives_no_process_nothing_is_forked_and_nothing_stays_open(which: int):
    code = (
        "import os, pathlib, sys\n"
        "from novate.up.children import Then, fork\n"
        f"really, left = os.fork, [{which}]\n"
        "def fails():\n"
        "    left[0] -= 1\n"
        "    if left[0] < 0: raise OSError(12, 'Cannot allocate memory')\n"
        "    return really()\n"
        "os.fork = fails\n"
        "def files(): return [name for name in os.listdir('/proc/self/fd') if pathlib.Path('/proc/self/fd', name).exists()]\n"
        "before = files()\n"
        "out, err = os.pipe()[1], os.pipe()[1]\n"
        "said = fork(Then(('reader',), out, err), lambda: 0)\n"
        "print(said, len(files()) - len(before))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "None 2\n", "the two ends that are read, which this test has"


def _or_none(call):
    try:
        return call()
    except Exception:  # noqa: BLE001 - whatever is not there yet
        return None
