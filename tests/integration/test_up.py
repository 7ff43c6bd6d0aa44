"""`novate up`: a venue of processes that come back when they are killed, with all that they answered, and end when told."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from gateways import PERP, RunningVenue, eventually, patient_listing


class UpVenue(RunningVenue):
    """A client of a venue that `novate up` runs."""

    more: tuple[str, ...] = ()

    def begin(self) -> None:
        self.up = subprocess.Popen(
            [
                sys.executable, "-m", "novate.cli", "up", str(self.home), "--dev", "--venue", self.name,
                "--port", str(self.port), "--without", "projector", "--json", *self.more,
            ],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.says, ready = [], threading.Event()

        def read() -> None:
            for line in self.up.stdout:
                self.says.append(json.loads(line))
                if self.says[-1]["process"] == "venue":
                    ready.set()
            ready.set()

        threading.Thread(target=read, daemon=True).start()
        assert ready.wait(60) and self.up.poll() is None, self.says

    def pid(self, name: str) -> int:
        """The process of that name."""
        for path in Path(f"/proc/{self.up.pid}/task/{self.up.pid}/children").read_text().split():
            # One that was forked has its words in a row, not each by itself.
            words = Path(f"/proc/{path}/cmdline").read_bytes().replace(b"\0", b" ").split()
            if name.encode() in words[:8]:
                return int(path)
        return 0

    def kill_child(self, name: str) -> None:
        before = eventually(lambda: self.pid(name), 10)
        assert before > 1
        os.kill(before, signal.SIGKILL)
        eventually(lambda: self.pid(name) not in {0, before}, 30)

    def end(self) -> float:
        begun = time.monotonic()
        self.up.send_signal(signal.SIGTERM)
        self.up.wait(30)
        return time.monotonic() - begun

    def trades(self) -> bool:
        with suppress(httpx.HTTPError, ValueError):
            return self.get("/status")[1]["result"]["takes_commands"] and self.get("/accounts/11")[0] == 200
        return False


@contextmanager
def up(home: Path, *more: str):
    found = UpVenue(home, dev=True)
    found.more = more
    try:
        found.begin()
        yield found
    finally:
        found.http.close()
        if found.up.poll() is None:
            found.up.terminate()
            try:
                found.up.wait(30)
            except subprocess.TimeoutExpired:
                found.up.kill()
        found.up.stdout.close()


def test_killed_processes_come_back_and_nothing_that_was_answered_is_lost(tmp_path):
    home, acked = tmp_path / "home", []
    with up(home, "--listing", str(patient_listing(tmp_path / "listing.toml"))) as venue:
        venue.prices()
        venue.open(11, usdc="100000000")
        stop = threading.Event()

        def load() -> None:
            number = 0
            with httpx.Client(base_url=venue.base, timeout=10) as http:
                while not stop.is_set():
                    number += 1
                    wish = {
                        "market": PERP,
                        "side": "bid",
                        "price": "150",
                        "quantity": "0.01",
                        "client_id": f"n{number}",
                    }
                    with suppress(httpx.HTTPError):
                        reply = http.post("/v1/accounts/11/orders", json=wish)
                        assert reply.status_code in {200, 422, 429, 503}, reply.text
                        if reply.status_code == 200:
                            acked.append((wish["client_id"], reply.json()["result"]["order"]["order"]))
                    time.sleep(0.02)

        loading = threading.Thread(target=load, daemon=True)
        loading.start()
        for name in ("gateway", "reader", "core"):
            known = len(acked)
            venue.kill_child(name)
            eventually(venue.trades, 40)
            venue.prices()
            if name != "core":  # after an outage orders may only leave for a while
                eventually(lambda known=known: len(acked) > known, 20)
        stop.set()
        loading.join()
        rests = {one["order"] for one in venue.get("/accounts/11")[1]["result"]["orders"]}
        assert acked and {order for _, order in acked} <= rests
        client, order = acked[0]
        again = venue.do(
            "place_order", 11, market=PERP, side="bid", price="150", quantity="0.01", client_id=client
        )
        assert again["result"]["order"]["duplicate"] and again["result"]["order"]["order"] == order
        assert sum("ended with status -9" in one["says"] for one in venue.says) == 3
        assert venue.end() < 15
        assert venue.up.returncode == 0
    sound = subprocess.run(
        [sys.executable, "-m", "novate.cli", "verify", "journal", str(home)], capture_output=True, check=False
    )
    assert sound.returncode == 0, sound.stderr
    with up(home) as venue:
        assert rests <= {one["order"] for one in venue.get("/accounts/11")[1]["result"]["orders"]}
        assert not any(one["process"] == "genesis" for one in venue.says)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "--venue"),
        (("--dev", "--host", "0.0.0.0"), "this machine alone"),
        (("--dev", "--port", "0"), "--port"),
        (("--dev", "--gateways", "0"), "--gateways"),
        (("--dev", "--without", "everything"), "everything"),
        (("--venue", "x" * 65), "64"),
        (("--dev", "--listing", "/nowhere.toml"), "/nowhere.toml"),
    ],
    ids=str,
)  # fmt: skip
def test_options_that_can_not_be_give_one_clear_line(tmp_path, options, says):
    found = subprocess.run(
        [sys.executable, "-m", "novate.cli", "up", str(tmp_path / "home"), *options],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert found.returncode != 0
    assert says in found.stderr and "Traceback" not in found.stderr, found.stderr
    assert not (tmp_path / "home" / "journal").exists(), "nothing was begun"
