"""The files of `deploy/` in a real Prometheus that scrapes a living venue: rules hold, and every expression of the dashboard has something to show.

Grafana itself is no package of Debian; its dashboard is checked by its form and by what Prometheus answers to its expressions.
"""

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from gateways import eventually, free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana/novate.json").read_text(encoding="utf-8"))
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
VENUE = "my-venue"
QUIET = {"rate(novate_keeper_refused_total", "novate_standby_", "novate_recovery_"}
"""Of what this venue has not: the series begins with a keeper's first refusal, a standby, a core that recovers."""
KEEPERS = """\
[[feed]]
name = "own"
kind = "json"
url = "ws://127.0.0.1:{port}/"
[feed.symbols]
NVDA = {{ underlying = "NVDA", source = 1 }}
[feed.json]
subscribe = ['{{"op":"subscribe","names":{{symbols}}}}']
items = "data"
match = {{ op = "quotes" }}
symbol = "s"
time = "at"
time_unit = "ns"
bid = "best.0.0"
bid_size = "best.0.1"
ask = "best.1.0"
ask_size = "best.1.1"
ready = {{ op = "subscribed", ok = true }}
"""


EXCHANGE = """\
[broker.alpha]
cash = "10 M USD"
[stock.AAPL]
price = "180"
"""
CLEARING = """\
[[broker]]
name = "Simulated Prime"
adapter = "simulated"
options = { exchange = "exchange.toml", broker = "alpha" }
"""


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(
            f"{name.upper()} IS NOT INSTALLED: deploy/ was not tried (Debian 12: apt-get install prometheus)"
        )
    return found


def port_of_its_own() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def quotes(connection) -> None:
    """A vendor: a price of NVDA twice a second."""
    connection.recv()
    connection.send('{"op":"subscribed","ok":true}')
    turn = 0
    try:
        while True:
            turn += 1
            best = [[f"179.9{turn % 10}", "5000"], ["180.10", "5000"]]
            connection.send(
                json.dumps({"op": "quotes", "data": [{"s": "NVDA", "best": best, "at": str(time.time_ns())}]})
            )
            time.sleep(0.5)
    except ConnectionClosed:
        return


class Prometheus:
    """A server with the project's rules and its way to scrape, every second instead of every fifth."""

    def __init__(self, directory: Path, metrics: int) -> None:
        scrape = (DEPLOY / "prometheus/scrape.yml").read_text(encoding="utf-8")
        for told, here in (
            ("127.0.0.1:9464", f"127.0.0.1:{metrics}"),
            ("scrape_interval: 5s", "scrape_interval: 1s"),
        ):
            assert scrape.count(told) == 1
            scrape = scrape.replace(told, here)
        (directory / "prometheus.yml").write_text(
            "global: {evaluation_interval: 1s}\n" + scrape, encoding="utf-8"
        )
        shutil.copy(DEPLOY / "prometheus/rules.yml", directory)
        self._port = port_of_its_own()
        self._process = subprocess.Popen(
            [
                program("prometheus"), f"--config.file={directory / 'prometheus.yml'}", f"--storage.tsdb.path={directory / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def ask(self, path: str, **parameters: str):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self._port}/api/v1/{path}?{query}", timeout=10
        ) as answer:
            told = json.load(answer)
        assert told["status"] == "success"
        return told["data"]

    def series(self, expression: str) -> list:
        try:
            return self.ask("query", query=expression)["result"]
        except OSError:
            return []

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    program("prometheus")
    directory = tmp_path_factory.mktemp("watched")
    port, metrics = free_port(), port_of_its_own()
    with serve(quotes, "127.0.0.1", 0) as vendor:
        threading.Thread(target=vendor.serve_forever, daemon=True).start()
        (directory / "keepers.toml").write_text(
            KEEPERS.format(port=vendor.socket.getsockname()[1]), encoding="utf-8"
        )
        (directory / "venue.toml").write_text(
            f'[process]\nhome = "home"\nvenue = "{VENUE}"\nport = {port}\nmetrics_port = {metrics}\nsnapshot = "3 s"\n'
            'listing = "packaged"\nkeepers = "keepers.toml"\n',
            encoding="utf-8",
        )
        (directory / "home").mkdir(mode=0o700)
        (directory / "home/exchange.toml").write_text(EXCHANGE, encoding="utf-8")
        (directory / "home/clearing.toml").write_text(CLEARING, encoding="utf-8")
        up = subprocess.Popen(
            [sys.executable, "-m", "novate.cli", "up", "--config", str(directory / "venue.toml"), "--dev"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            server = Prometheus(directory, metrics)
            try:
                eventually(lambda: up.poll() is not None or server.series("novate_ready == 1"), 90)
                assert up.poll() is None, up.stderr.read()
                yield server
            finally:
                server.close()
        finally:
            up.terminate()
            up.communicate(timeout=60)
            vendor.shutdown()


def test_promtool_finds_the_files_right():
    for what, name in (("rules", "rules.yml"), ("config", "scrape.yml")):
        said = subprocess.run(
            [program("promtool"), "check", what, str(DEPLOY / "prometheus" / name)], capture_output=True, text=True, check=False
        )  # fmt: skip
        assert said.returncode == 0, said.stdout + said.stderr


def test_the_dashboard_has_the_form_that_grafana_reads():
    assert DASHBOARD["schemaVersion"] >= 36 and DASHBOARD["uid"] and DASHBOARD["title"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert panel["type"] in {"stat", "timeseries", "table", "gauge"} and panel["title"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, f"{panel['title']} lies over another panel"
        taken |= cells
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    assert variables == {"source", "venue"}


def test_the_dashboards_list_of_venues(watched):
    """The variable `venue` is made of the label's values."""
    assert watched.ask("label/venue/values") == [VENUE]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_of_the_dashboard_has_something_to_show(watched, expression):
    assert "$venue" in expression
    asked = expression.replace("$venue", VENUE)
    if any(expression.startswith(one) for one in QUIET):
        watched.ask("query", query=asked)  # it reads
        return
    found = eventually(lambda: watched.series(asked), 45)
    assert all(one["value"][1] != "NaN" for one in found)


def test_the_rules_are_evaluated_and_only_the_true_one_fires(watched):
    def rules():
        groups = watched.ask("rules")["groups"]
        found = [rule for group in groups for rule in group["rules"]]
        return found if found and all(rule["health"] == "ok" for rule in found) else None

    found = eventually(rules, 30)
    assert len(found) == 16
    firing = eventually(
        lambda: {
            rule["name"] for rule in watched.ask("rules")["groups"][0]["rules"] if rule["state"] == "firing"
        },
        30,
    )
    # It runs for development; a disk with little room is the machine's matter.
    assert firing - {"DiskFills"} == {"DevelopmentVenue"}
