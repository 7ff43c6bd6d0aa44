"""From a holder's click to the token, and back to the dollars, through real processes and sockets. One line of JSON.

    click_side.py [--requests 100] [--delay "0 ms"]

A venue as `novate up` runs it, `novate clearing run`, and the simulated exchange as a process of its own, which speaks FIX 4.4 (`pip install
novate[fix]`). A holder asks over HTTP, one request at a time, and hears over WebSocket when the tokens are in the account, or the dollars; each
goes through gateway, core, clearing service, FIX session, exchange and back. `--delay` is what the exchange takes to answer.

Responsible for: the measurement, and that nothing is missing at its end. Times are of the holder's own clock.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from novate.client import Client, Event, local_venue
from novate.client.errors import ClientError

HOLDER, STOCK, TOKEN, CASH = 11, "AAPL", "tAAPL", "USDC"
PRICE, REQUEST, BACK = "100", 1_000, 5
"""Dollars of a share, dollars of a request, tokens of one back."""
PORTION = 20
"""Every so manieth request is one back: until then the holder has the tokens for it."""
MICRO = 10**6
"""Both in millionths, as the listing has them."""
WITHIN_S = 30.0

EXCHANGE = f"""
start = "2025-10-09 10:00"
delay = "{{delay}}"
[broker.prime]
cash = "50 M USD"
shares = {{{{ {STOCK} = "1000000" }}}}
[stock.{STOCK}]
price = "{PRICE}"
step_ppm = 1
best = "20000"
"""
ACCEPTOR = """
port = {port}
exchange = "FLOOR"
[[clients]]
id = "NOVATE"
broker = "prime"
"""
CLEARING = """
[market]
file = "{books}"
[desk]
oldest = "4000 d"
age = "0 bps"
[conversion]
by = "simulated"
takes = "0.1 s"
[[broker]]
name = "Simulated Prime"
adapter = "fix"
[broker.options]
host = "127.0.0.1"
port = {port}
sender = "NOVATE"
target = "FLOOR"
reconnect_s = 1
cash_orders = true
fraction_decimals = 9
"""


def a_port() -> int:
    """A free one."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(log: Path, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """A command of `novate`, until the end."""
    command = [sys.executable, "-m", "novate.cli", *map(str, arguments)]
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def listing(path: Path) -> Path:
    """The packaged one, without an hour at which dollars are no longer changed."""
    text = files("novate.demo").joinpath("listing.toml").read_text(encoding="utf-8")
    path.write_text(
        text.replace('conversion_cutoff = "20 h"', 'conversion_cutoff = "24 h"'), encoding="utf-8"
    )
    return path


def heard(events: Any, event: str, request: str) -> float:
    """When the holder heard it."""
    end = time.monotonic() + WITHIN_S
    while (left := end - time.monotonic()) > 0:
        found = events.next(left)
        if isinstance(found, Event) and found.event == event and str(found.data.request) == request:
            return time.perf_counter()
    raise TimeoutError(f"{event} of request {request} did not come within {WITHIN_S} s")


def measure(client: Client, requests: int) -> dict[str, list[float]]:
    """Milliseconds to the reservation, to tokens, to dollars."""
    took: dict[str, list[float]] = {"reserved": [], "tokens": [], "dollars": []}
    with client.follow_account(HOLDER) as events:
        events.next(0.5)
        for n in range(1, requests + 1):
            back = n % PORTION == 0
            began = time.perf_counter()
            if back:
                done = client.call(
                    "request_redemption", HOLDER, token=TOKEN, amount=BACK * MICRO, reference=n
                )
            else:
                done = client.call(
                    "request_issuance", HOLDER, token=TOKEN, amount=REQUEST * MICRO, reference=n
                )
            answered = time.perf_counter()
            request = str(next(one.data.request for one in done.events if one.event == "request_reserved"))
            got = heard(events, "request_paid" if back else "tokens_issued", request)
            took["reserved"].append((answered - began) * 1e3)
            took["dollars" if back else "tokens"].append((got - began) * 1e3)
    return took


def shown(times: list[float]) -> dict[str, float]:
    """Percentiles."""
    times = sorted(times)
    at = {
        name: times[min(len(times) - 1, int(len(times) * part))]
        for name, part in (("p50", 0.5), ("p99", 0.99))
    }
    return {"n": len(times), "mean": round(statistics.fmean(times), 1)} | {
        k: round(v, 1) for k, v in at.items()
    }


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--delay", default="0 ms")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="novate-click-") as place, ExitStack() as stack:
        floor, log, fix = Path(place) / "floor", Path(place) / "log", a_port()
        floor.mkdir()
        (floor / "exchange.toml").write_text(EXCHANGE.format(delay=given.delay))
        (floor / "acceptor.toml").write_text(ACCEPTOR.format(port=fix))
        try:
            exchange = stack.enter_context(running(log, "exchange", floor, "--books", floor / "books.json"))
            venue = stack.enter_context(local_venue(listing=listing(Path(place) / "listing.toml")))
            venue.price(**{STOCK: PRICE})
            venue.fund(HOLDER, **{CASH: 5_000_000})
            (venue.home / "clearing.toml").write_text(CLEARING.format(books=floor / "books.json", port=fix))
            clearing = stack.enter_context(running(log, "clearing", "run", venue.home))
            await_capacity(venue.url, {"the exchange": exchange, "the clearing service": clearing})
            took = measure(venue.client, given.requests)
            difference = [one["difference"] for one in asked(venue.url, "supply")]
            difference += [one["difference"] for one in asked(venue.url, "conservation")["conservation"]]
        except (TimeoutError, ChildProcessError, ClientError):
            sys.stderr.write(log.read_text(errors="replace")[-4_000:])
            raise
        if any(map(int, difference)):
            raise SystemExit(f"something is missing: {difference}")
        print(json.dumps({name: shown(times) for name, times in took.items()} | {"load": os.getloadavg()[0]}))


def asked(url: str, what: str) -> Any:
    """A public question's answer."""
    with urllib.request.urlopen(f"{url}/v1/{what}", timeout=5) as answer:
        return json.loads(answer.read())["result"]


def await_capacity(url: str, needed: dict[str, subprocess.Popen[bytes]], within_s: float = 90.0) -> None:
    """Until tokens can be made at once."""
    end = time.monotonic() + within_s
    while not any(
        one["token"] == TOKEN and float(one["dollars"]) > REQUEST for one in asked(url, "capacity")
    ):
        for name, process in needed.items():
            if process.poll() is not None:
                raise ChildProcessError(f"{name} ended with {process.returncode}; what it said is above")
        if time.monotonic() > end:
            raise TimeoutError(f"Nothing can be issued after {within_s} s")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
