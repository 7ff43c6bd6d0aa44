"""A recorded crash as a venue that runs: people trade through the API, a stranger joins, the clock goes at the chosen speed."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

SECONDS = 90
LIVE = """
import sys
from pathlib import Path
from novate.up.commands import live
live(Path(sys.argv[1]), "october-2008", data=None, speed="600", port=int(sys.argv[2]))
"""


def free_port() -> int:
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            try:
                two.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def ask(port: int, path: str, body: dict | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1{path}", data)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def until(what, seconds: float = SECONDS):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            found = what()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(0.3)
    pytest.fail("it did not come to that in time")


def test_a_crash_replays_while_people_and_a_stranger_trade(tmp_path: Path) -> None:
    port = free_port()
    words = (tmp_path / "words").open("w")
    venue = subprocess.Popen((sys.executable, "-c", LIVE, str(tmp_path / "v"), str(port)), stderr=words)
    try:
        until(lambda: ask(port, "/status")["ok"])
        until(lambda: ask(port, "/accounts/1/fills").get("result"))  # the market maker trades with somebody
        began, real = ask(port, "/time")["result"]["ts_ns"], time.monotonic()
        market = until(
            lambda: next(
                (
                    m
                    for m in ask(port, "/markets")["result"]
                    if m["best_bid"] and m["best_ask"] and m["kind"] == "perp"
                ),
                None,
            )
        )
        assert ask(port, "/accounts/77/operations/open_account", {"owner": "77"})["ok"]
        wish = {"asset": "USDC", "amount": "100000", "reference": "1"}
        assert ask(port, "/accounts/77/operations/deposit", wish)["ok"]
        order = {
            "market": market["name"],
            "side": "bid",
            "kind": "market",
            "time_in_force": "ioc",
            "quantity": "1",
        }

        def bought() -> dict | None:
            answer = ask(port, "/accounts/77/orders", order)
            return (
                answer["result"]["order"]
                if answer["ok"] and answer["result"]["order"]["filled"] == "1"
                else None
            )

        assert until(bought)["average_price"]
        assert "needs" in ask(port, "/accounts/77/explain")["result"]["sentence"]
        elapsed = time.monotonic() - real
        assert 0.5 < (ask(port, "/time")["result"]["ts_ns"] - began) / 1e9 / elapsed / 600 < 1.6
        assert ask(port, "/conservation")["result"]["conservation"] == [
            {"asset": one["asset"], "difference": "0"}
            for one in ask(port, "/conservation")["result"]["conservation"]
        ]
    finally:
        venue.send_signal(signal.SIGTERM)
        venue.wait(60)
    assert venue.returncode == 0, (tmp_path / "words").read_text()
    assert "ended with status" not in (tmp_path / "words").read_text()
