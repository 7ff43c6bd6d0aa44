"""Clients that are not ours: a page in Chromium and a program in Node, written from the documentation, trade and check every book by its CRC-32."""

import contextlib
import functools
import http.server
import json
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from websockets.sync.client import connect

from gateways import PERP, eventually, running

CLIENT = Path(__file__).parent.parent / "client.js"
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
)  # fmt: skip


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    with running(tmp_path_factory.mktemp("javascript")) as found:
        found.prices()
        found.open(11, 12, 13, 14)
        yield found


def judged(found: dict) -> None:
    """What a client saw is what happened."""
    assert not found["broken"], found["broken"]
    assert found["deltas"] >= 41 and found["checked"] >= 3  # the snapshot, and every sixteenth delta
    assert found["sold"]["status"] == "filled" and found["sold"]["filled"] == "0.05", found["sold"]
    assert found["trades"] >= 5
    assert found["refused"]["number"] == 2051
    assert found["same"], "the book of a second connection is another one"
    began = found["began"]
    assert found["numbers"] == list(range(began + 1, began + 1 + len(found["numbers"]))), (
        "events with a gap, or twice"
    )


def test_node(venue):
    node = shutil.which("node")
    if node is None:
        pytest.skip(
            "NODE IS NOT INSTALLED: no client in JavaScript was tried (Debian 12: apt-get install nodejs)"
        )
    flags = ["--experimental-websocket"]
    known = subprocess.run(
        [node, *flags, "-p", "typeof WebSocket"], capture_output=True, text=True, check=False
    )
    if known.stdout.strip() != "function":
        pytest.skip("THIS NODE HAS NO WEBSOCKET: no client in JavaScript was tried")
    venue.prices()
    said = subprocess.run(
        [node, *flags, str(CLIENT), venue.socket, PERP, "11,12"],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    judged(json.loads(said.stdout))


@contextlib.contextmanager
def page(directory: Path):
    """A page with the client on a server of its own; yields its address."""
    directory.joinpath("client.js").write_text(CLIENT.read_text())
    directory.joinpath("index.html").write_text(
        "<!doctype html><title>novate</title><script src=client.js></script>"
    )

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=directory))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
    finally:
        server.shutdown()
        server.server_close()


class Browser:
    """Chromium without a window, spoken to by its DevTools protocol."""

    def __init__(self, program: str, profile: Path) -> None:
        self._process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        said = profile / "DevToolsActivePort"
        try:
            eventually(lambda: said.is_file() and said.read_text().count("\n"), 60)
        except AssertionError:
            self.close()
            raise
        self._base = f"http://127.0.0.1:{said.read_text().split()[0]}"

    def run(self, address: str, script: str):
        """What a script gives in the page at an address."""
        request = urllib.request.Request(
            f"{self._base}/json/new?{urllib.parse.quote(address, safe='')}", method="PUT"
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            target = json.load(answer)
        with connect(target["webSocketDebuggerUrl"], max_size=None, origin=None) as tools:
            end, number = time.monotonic() + 30, 0

            def evaluate(expression: str) -> dict:
                nonlocal number
                number += 1
                said = {"expression": expression, "awaitPromise": True, "returnByValue": True}
                tools.send(json.dumps({"id": number, "method": "Runtime.evaluate", "params": said}))
                while (heard := json.loads(tools.recv(timeout=90))).get("id") != number:
                    pass
                return heard["result"]

            while evaluate("document.readyState + typeof trade")["result"]["value"] != "completefunction":
                assert time.monotonic() < end, "the page does not load"
                time.sleep(0.05)
            found = evaluate(script)
            assert "exceptionDetails" not in found, found["exceptionDetails"]
            return found["result"]["value"]

    def close(self) -> None:
        """Ends it with all its processes, which are a session of their own."""
        import os
        import signal

        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def test_chromium(venue, tmp_path):
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("CHROMIUM IS NOT INSTALLED: no browser was tried (Debian 12: apt-get install chromium)")
    venue.prices()
    tmp_path.joinpath("site").mkdir()
    browser = Browser(program, tmp_path / "profile")
    try:
        with page(tmp_path / "site") as address:
            judged(browser.run(address, f'trade("{venue.socket}", "{PERP}", ["13", "14"])'))
    finally:
        browser.close()
