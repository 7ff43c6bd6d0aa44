"""A core that recovers says how far it is: to its supervisor, in the status, at the gateways that already stand, and to the readiness probe."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from gateways import eventually, free_port
from novate.core_process.recovering import read_recovery
from novate.messages import OpenAccount, encode
from novate.up.genesis import begin
from novate.venue import Venue

COMMANDS, PER_FRAME = 4_000_000, 20_000


@pytest.fixture(scope="module")
def long_journal(tmp_path_factory):
    """A venue for development whose journal takes a moment to replay."""
    home = tmp_path_factory.mktemp("long") / "venue"
    begin(home, None, production=False)
    really, os.fdatasync = os.fdatasync, lambda _: None
    try:
        with Venue.open(home, time.time_ns()) as venue:
            buffer = b"".join(encode(OpenAccount(owner=0), account=0) for _ in range(PER_FRAME))
            for _ in range(COMMANDS // PER_FRAME):
                venue.submit(buffer, time.time_ns())
    finally:
        os.fdatasync = really
    return home


def get(url: str) -> tuple[int, dict]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 0, {}


def test_how_far_a_recovery_is_stands_in_status_gateway_and_probe_and_is_gone_once_the_core_serves(
    long_journal: Path,
):
    port, metrics = free_port(), free_port()
    child = subprocess.Popen(
        [sys.executable, "-m", "novate.cli", "up", str(long_journal), "--dev", "--port", str(port),
         "--metrics-port", str(metrics), "--without", "projector", "--without", "keeper", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    core = 0
    try:

        def replaying():
            facts = read_recovery(long_journal)
            return facts if facts and facts["phase"] == "replaying" and facts["done"] else None

        end = time.monotonic() + 60
        while not (facts := replaying()):
            assert time.monotonic() < end and child.poll() is None
        core = int(facts["pid"])
        os.kill(core, signal.SIGSTOP)  # time enough to look at it
        facts = read_recovery(long_journal)
        assert 0 < facts["done"] < facts["total"] == pytest.approx(COMMANDS, rel=0.01)
        assert facts["per_s"] > 0 and facts["rest_s"] > 0

        def status():
            return get(f"http://127.0.0.1:{port}/v1/status")[1].get("result")

        told = eventually(status, 60)
        assert told["takes_commands"] is False
        assert told["recovery"]["fraction"] == facts["fraction"] and told["recovery"]["phase"] == "replaying"
        code, reply = get(f"http://127.0.0.1:{port}/v1/markets")
        assert (code, reply["error"]["number"], reply["error"]["retryable"]) == (503, 2067, True)
        assert f"{facts['done']:,} of {facts['total']:,} commands" in reply["error"]["message"]
        code, ready = get(f"http://127.0.0.1:{metrics}/readyz")
        assert code == 503 and ready["recovery"]["fraction"] == facts["fraction"]
        done = subprocess.run(
            [sys.executable, "-m", "novate.cli", "status", str(long_journal), "--json"], capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert json.loads(done.stdout)["recovery"]["done"] == facts["done"]
        assert "replays" in done.stderr

        os.kill(core, signal.SIGCONT)
        eventually(lambda: (status() or {}).get("takes_commands"), 60)
        assert status()["recovery"] is None and read_recovery(long_journal) is None
        assert get(f"http://127.0.0.1:{metrics}/readyz")[0] in {200, 503}
    finally:
        if core:
            with suppress(OSError):
                os.kill(core, signal.SIGCONT)
        child.terminate()
        out, err = child.communicate(timeout=60)
    events = [json.loads(line) for line in out.splitlines()]
    told = [event["recovery"] for event in events if "recovery" in event]
    order = ["reading", "restoring", "replaying"]
    phases = [order.index(one["phase"]) for one in told]
    assert phases == sorted(phases) and order.index("replaying") in phases
    fractions = [one["fraction"] for one in told if one["phase"] == "replaying"]
    assert fractions == sorted(fractions)
    assert "replays" in err, "a line for a log, too"
