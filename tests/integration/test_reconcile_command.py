"""`novate reconcile` and `novate breaks` on a real venue: a statement that agrees, one that does not, and what that stops."""

import contextlib
import hashlib
import io
import json
import time

import pytest
from msgspec.structs import replace

from broking import SHARE, HandBroker
from gateways import eventually, running
from novate.broker import Cash
from novate.clearing.statement_files import path_of, read_statement, write_statement
from novate.cli import main
from novate.reader import Reader

HOLDER = 11
PRICES = {"AAPL": "200", "GOOG": "150", "USDC": "1"}


def novate(*words):
    """Exit status, the JSON that came of it, and what people read."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([*map(str, words), "--json"])
    lines = out.getvalue().splitlines()
    assert lines, (words, err.getvalue())
    return status, json.loads(lines[-1]), err.getvalue()


class World:
    def __init__(self, venue, broker):
        self.venue, self.broker, self.home, self.day = venue, broker, venue.home, broker.today

    def prices(self):
        for source in ("1", "2"):
            for name, price in PRICES.items():
                self.venue.do(
                    "post_price", 0, None, underlying=name, source=source, price=price, price_kind="issuer" if name == "USDC" else "quote",
                    venue_time_ns=time.time_ns() - 10**8, size="1000000",
                )  # fmt: skip

    def statement(self, change=lambda one: one):
        """The broker's files, as they are or changed."""
        write_statement(change(self.broker.end_of_day(self.day)), self.home / "statements")

    def reconcile(self, *words):
        return novate("reconcile", self.home, "--day", self.day, *words)

    def stopped(self):
        """Tokens with a break, as the gates have it."""
        return {one["token"] for one in self.venue.get("/admin/breaks")[1]["result"]}


@pytest.fixture(scope="module")
def running_venue(tmp_path_factory):
    home = tmp_path_factory.mktemp("reconcile") / "venue"
    with running(home) as venue:
        venue.open(HOLDER, usdc="5000000")
        broker = HandBroker(home)
        for token in ("tAAPL", "tGOOG"):
            broker.attested(token, 500_000)
        world = World(venue, broker)
        broker.open_market("AAPL", "GOOG")
        world.prices()
        try:
            yield world
        finally:
            broker.close()


@pytest.fixture
def world(running_venue):
    running_venue.prices()
    return running_venue


def issue(world, token, price, dollars=20_000):
    def tried():
        world.prices()
        with contextlib.suppress(AssertionError):
            return world.broker.issue(HOLDER, token, dollars, price)

    return eventually(tried)


def test_what_agrees_what_does_not_and_what_that_stops(world):
    aapl, _ = issue(world, "tAAPL", 200), issue(world, "tGOOG", 150)
    world.statement()

    status, said, words = world.reconcile()
    assert status == 0 and said["ok"], words
    (prime,) = said["report"]["brokers"]
    assert prime["matched"] == {"trades": 2, "positions": 2, "cash": 1} and prime["found"] == {}
    assert {one["subject"]: one["what"] for one in prime["told"]} == {
        "AAPL": "agrees",
        "GOOG": "agrees",
        "USD": "agrees",
    }
    assert {one["symbol"]: one["issuance"] for one in prime["lines"]} == {
        "AAPL": "open",
        "GOOG": "open",
        "USD": "",
    }
    assert "agrees" in words and "No breaks stand" in words
    assert world.stopped() == set()

    # A fill that the venue never heard of: ten shares of AAPL more, and what they cost.
    ghost = replace(aapl, execution="1-999", shares=10 * SHARE)
    world.broker.trades.append(ghost)
    world.broker._open.append(ghost)
    world.statement()
    status, said, words = world.reconcile()
    assert status == 1 and not said["ok"]
    (found,) = said["report"]["breaks"]
    assert (found["kind"], found["subject"], found["symbol"], found["owner"]) == (
        "missing_at_venue",
        "1-999",
        "AAPL",
        "",
    )
    assert found["shares"] == "10" and found["engine_break"] and "nobody" in words
    assert world.stopped() == {"tAAPL"}  # and no other token
    issuance = {one["symbol"]: one["issuance"] for one in said["report"]["brokers"][0]["lines"]}
    assert issuance == {"AAPL": f"stopped by {found['engine_break']}", "GOOG": "open", "USD": ""}
    world.prices()
    with pytest.raises(AssertionError, match="code=918"):
        world.broker.issue(HOLDER, "tAAPL", 20_000, 200)
    issue(world, "tGOOG", 150)
    world.statement()

    # Assigned, by the engine too; found again it is the same break.
    assert (
        novate(
            "breaks",
            "assign",
            world.home,
            found["number"],
            "--to",
            "ben",
            "--owner-number",
            7,
            "--url",
            world.venue.base,
        )[0]
        == 0
    )
    status, said, _ = world.reconcile()
    (again,) = said["report"]["breaks"]
    assert (again["number"], again["owner"], again["state"]) == (found["number"], "ben", "assigned")
    assert [one["owner"] for one in world.venue.get("/admin/breaks")[1]["result"]] == ["7"]

    # The broker takes the line back: both sides agree, and the token waits for a person to resolve the engine's break.
    world.broker.trades.remove(ghost)
    world.broker._open.remove(ghost)
    world.statement()
    status, said, _ = world.reconcile()
    assert status == 1 and [one["state"] for one in said["report"]["breaks"]] == ["agreed"]
    assert world.stopped() == {"tAAPL"}
    at = ("--url", world.venue.base)
    status, said, _ = novate(
        "breaks", "resolve", world.home, found["number"], "--note", "a line of another client", *at
    )
    assert (status, said["state"], said["change"]) == (0, "resolved", 0)
    assert world.stopped() == set()
    status, said, _ = world.reconcile()
    assert status == 0 and said["report"]["breaks"] == []
    issue(world, "tAAPL", 200)
    status, said, words = novate("breaks", "show", world.home, found["number"])
    assert [one["event"] for one in said["steps"]] == [
        "found",
        "assign",
        "agrees",
        "resolve",
    ] and "another client" in words
    assert novate("breaks", "list", world.home)[1]["breaks"] == []


def test_one_execution_with_two_prices_stops_its_token(world):
    line = issue(world, "tGOOG", 150)
    index = world.broker.trades.index(line)
    changed = replace(line, price=line.price + SHARE)
    world.broker.trades[index] = changed
    world.broker._open[world.broker._open.index(line)] = changed
    world.statement()
    status, said, _ = world.reconcile()
    (found,) = said["report"]["breaks"]
    assert status == 1 and (found["kind"], found["subject"]) == ("price_differs", line.execution)
    assert (found["broker_says"]["price"], found["venue_has"]["price"]) == ("151", "150")
    assert world.stopped() == {"tGOOG"} and found["engine_break"]
    status, again, _ = world.reconcile()  # a second run opens nothing new
    assert [one["engine_break"] for one in again["report"]["breaks"]] == [found["engine_break"]]
    world.venue.do("resolve_break", 0, None, break_id=str(found["engine_break"]), resolution="explained")
    (found,) = world.reconcile()[1]["report"]["breaks"]  # past the book: its prices still differ
    assert found["engine_break"] != again["report"]["breaks"][0]["engine_break"]
    assert world.stopped() == {"tGOOG"}
    world.broker.trades[index] = line
    world.broker._open[world.broker._open.index(changed)] = line
    world.statement()
    world.reconcile()
    assert (
        novate(
            "breaks", "resolve", world.home, found["number"], "--note", "corrected", "--url", world.venue.base
        )[0]
        == 0
    )
    assert world.stopped() == set()


def breaks(world, word, number, *words):
    return novate("breaks", word, world.home, number, *words, "--url", world.venue.base)


def test_what_several_breaks_stand_for_opens_with_the_last_of_them(world):
    """Two lines that the venue never heard of are one difference of a token; a break that the engine has lost is opened again."""
    line = issue(world, "tAAPL", 200)
    ghosts = [replace(line, execution=f"2-{number}", shares=number * SHARE) for number in (5, 7)]
    world.broker.trades += ghosts
    world.broker._open += ghosts
    world.statement()
    status, said, _ = world.reconcile()
    one, two = said["report"]["breaks"]
    assert status == 1 and one["engine_break"] == two["engine_break"] != 0

    # Words that the book would not keep change nothing in the engine either.
    for words in (("assign", "--to", " "), ("assign", "--to", "a\nb"), ("resolve", "--note", "x" * 600)):
        status, said, _ = breaks(world, words[0], one["number"], *words[1:])
        assert status == 1 and said["error"]["code"] == "break_refused", said
    (held,) = world.venue.get("/admin/breaks")[1]["result"]
    assert (held["token"], held["owner"]) == ("tAAPL", "0")

    status, said, words = breaks(world, "resolve", one["number"], "--note", "another client's")
    assert (status, said["state"], said["stands_for"]) == (0, "resolved", [two["number"]])
    assert "stands until" in words and world.stopped() == {"tAAPL"}
    status, said, _ = breaks(world, "resolve", one["number"], "--note", "again")
    assert status == 1 and said["error"]["code"] == "break_refused"

    # Resolved at the venue past the book: it still differs, so it is told again, and the book has the new one.
    world.venue.do("resolve_break", 0, None, break_id=str(two["engine_break"]), resolution="explained")
    assert world.stopped() == set()
    status, said, _ = world.reconcile()
    found = {each["engine_break"] for each in said["report"]["breaks"]}
    assert len(found) == 1 and found.isdisjoint({0, two["engine_break"]}) and world.stopped() == {"tAAPL"}
    for ghost in ghosts:
        world.broker.trades.remove(ghost)
        world.broker._open.remove(ghost)
    world.statement()
    for each in world.reconcile()[1]["report"]["breaks"]:
        assert world.stopped() == {"tAAPL"}
        assert breaks(world, "resolve", each["number"], "--note", "gone")[0] == 0
    assert world.stopped() == set() and world.reconcile()[0] == 0


def test_a_settlement_that_only_one_side_has_is_late_and_stops_nothing(world):
    """The venue's engine books on a report; a statement that has settled more than the books says it, and by nothing else is the token off."""
    line = issue(world, "tAAPL", 200)
    world.broker.settle(line)
    world.statement()
    status, said, _ = world.reconcile()
    assert status == 0, said
    other = issue(world, "tAAPL", 200)
    world.broker.settle(other, tell=False)
    world.statement()
    status, said, _ = world.reconcile()
    kinds = {one["kind"] for one in said["report"]["breaks"]}
    assert status == 1 and kinds == {
        "position_differs",
        "cash_differs",
    }  # settled there before its day: nothing here is late
    novate_numbers = [one["number"] for one in said["report"]["breaks"]]
    world.broker.send(_settled(world.broker, other))
    assert world.reconcile()[0] == 1
    for number in novate_numbers:
        assert (
            novate(
                "breaks", "resolve", world.home, number, "--note", "reported since", "--url", world.venue.base
            )[0]
            == 0
        )
    assert world.reconcile()[0] == 0


def _settled(broker, line):
    from novate.broker import execution_bytes
    from novate.messages import ReportSettlement

    return ReportSettlement(broker=broker.broker, settled=1, execution=execution_bytes(line.execution))


def test_a_broker_may_call_a_name_otherwise(world):
    issue(world, "tAAPL", 200)
    settings = world.home / "clearing.toml"
    assert not settings.exists()

    def otherwise(one):
        return one if one.symbol != "AAPL" else replace(one, symbol="APC.DE")

    world.statement(
        lambda one: replace(
            one,
            trades=tuple(map(otherwise, one.trades)),
            positions=tuple(sorted(map(otherwise, one.positions), key=lambda each: each.symbol)),
        )
    )
    try:
        assert world.reconcile("--look-only")[0] == 1
        settings.write_text('[symbols]\nAAPL = "APC.DE"\n')
        status, said, words = world.reconcile()
        assert status == 0, words
        lines = {one["symbol"]: one["tokens"] for one in said["report"]["brokers"][0]["lines"]}
        assert lines["APC.DE"] == ["tAAPL"] and "AAPL" not in lines
        settings.write_text('[symbols]\nAAPL = "GOOG"\n')
        assert "are both" in world.reconcile("--look-only")[2]
    finally:
        settings.unlink()


def test_a_missing_or_bad_file_is_a_problem_of_its_broker_and_status_2(world):
    world.statement()
    path = path_of(world.home / "statements", world.broker.name, world.day, "trades")
    good = path.read_text()
    path.write_text(good.replace("end,", "end,1"))
    status, said, words = world.reconcile()
    assert status == 2 and said["report"]["verdict"] == "not reconciled"
    assert (
        "simulated-prime.trades.csv, line" in said["report"]["brokers"][0]["problem"]
        and "rows and has" in words
    )
    path.unlink()
    assert "There is no statement" in world.reconcile()[1]["report"]["brokers"][0]["problem"]
    path.write_text(good)
    assert world.reconcile()[0] == 0


def test_files_and_signature(world, tmp_path):
    world.statement()
    status, said, words = world.reconcile("--out", tmp_path)
    assert status == 0
    folder = tmp_path / world.day.isoformat()
    assert json.loads((folder / "report.json").read_text())["signature"] == said["report"]["signature"]
    assert (folder / "summary.csv").read_text().startswith("broker,symbol,tokens,broker_settled")
    assert (folder / "breaks.csv").read_text().count("\n") == 1
    signed = said["report"]["signature"]
    assert signed["conserved"] and signed["state_hash"] in words
    engine = Reader(world.home).at(sequence=signed["journal_sequence"]).engine
    assert engine.state_hash().hex() == signed["state_hash"]
    for one in said["report"]["brokers"][0]["files"]:
        content = (world.home / "statements" / one["name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == one["sha256"]
    # The venue's own statement is a file of the same format, and says what the broker's says.
    own = read_statement(tmp_path / "venue", world.broker.name, world.day).statement
    theirs = world.broker.end_of_day(world.day)
    assert (own.positions, own.cash) == (theirs.positions, theirs.cash)
    assert {one.execution for one in own.trades} == {one.execution for one in theirs.trades}


def test_looking_keeps_nothing_and_tells_nothing(world):
    world.statement(
        lambda one: replace(one, cash=Cash(settled=one.cash.settled - 1, unsettled=one.cash.unsettled))
    )
    status, said, words = world.reconcile("--look-only")
    assert (
        said["report"]["brokers"][0]["found"] == {"cash_differs": 1} and "not told" in words and status == 1
    )
    assert novate("breaks", "list", world.home)[1]["breaks"] == [] and world.stopped() == set()
    status, said, words = world.reconcile("--look-only", "--cash-tolerance", "0.000001")
    assert status == 0 and "USD differs by -0.000001, within the tolerance" in words
    assert world.reconcile("--broker", "Nobody")[1]["error"]["sentence"].startswith(
        "There is no broker 'Nobody'; the venue has Simulated Prime"
    )
