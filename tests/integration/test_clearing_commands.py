"""`novate clearing` on a venue whose brokers are lines to a simulated exchange: the process, what it shows, and what a person says to it."""

import io
import json
import signal
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from datetime import time as wall

import pytest

from clearings import ALICE, MICRO, ONE, STOCK, TOKEN, cleared, references
from gateways import eventually
from novate.broker.book_file import BookFile
from novate.calendar import new_york_ns, trading_days
from novate.clearing.outbox import Outbox
from novate.cli import main
from novate.keepers.pace import Pace
from novate.messages import (
    AuthoriseParticipant,
    FundTreasury,
    RequestConversion,
    RequestInKind,
    RequestReserved,
)
from novate.messages.codes import RequestState as S
from novate.messages.reports import clearing as questions

EXCHANGE = """
journal = "exchange.db"
delay = "20 ms"
[broker.alpha]
cash = "10 M USD"
shares = { AAPL = "500000" }
[broker.beta]
cash = "10 M USD"
[stock.AAPL]
price = "100.00"
step = "250 ms"
step_ppm = 1
best = "2000"
"""
CLEARING = """
[market]
shown = "primary.json"
[desk]
oldest = "1 min"
[[broker]]
name = "Simulated Prime"
adapter = "simulated"
options = { broker = "alpha" }
[[broker]]
name = "Second Prime"
adapter = "simulated"
options = { broker = "beta" }
"""


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    """A venue at eleven in the morning of the next trading day, as its own clock goes."""
    tomorrow = datetime.now(UTC).date() + timedelta(days=2)
    day = trading_days(tomorrow, tomorrow + timedelta(days=10))[0].date
    pace = Pace.begin(new_york_ns(day, wall(11)))
    with cleared(tmp_path_factory.mktemp("clearing") / "home", pace) as found:
        (found.home / "exchange.toml").write_text(EXCHANGE)
        (found.home / "clearing.toml").write_text(CLEARING)
        found.say(FundTreasury(asset=found.cash, amount=10**4 * MICRO))
        found.start("clearing run")
        found.can()
        yield found
        found.sound()


def novate(venue, *words: str) -> tuple[int, dict]:
    """A command of the group, and the object that it prints."""
    command, *rest = words
    out = io.StringIO()
    with redirect_stdout(out):
        status = main(["clearing", command, str(venue.home), *rest, "--json"])
    return status, json.loads(out.getvalue().splitlines()[-1])


def test_shares_are_bought_at_the_exchange_and_a_kill_changes_nothing(venue):
    first = venue.issue(5_000)
    venue.becomes(first, S.FILLED)
    venue.children["clearing run"].send_signal(signal.SIGKILL)
    second = venue.issue(7_000)
    venue.start("clearing run")
    venue.becomes(second, S.FILLED)
    status, found = novate(venue, "orders", "--all")
    assert status == 0
    assert [(one["state"], one["sends"]) for one in found["orders"]] == [("done", 1)] * 2
    assert all(float(one["filled"]) > 40 for one in found["orders"])


def test_what_it_shows(venue):
    _, found = novate(venue, "status")
    assert eventually(lambda: novate(venue, "status")[1]["status"]["lines"] == {"1": True, "2": True})
    assert found["status"]["serves"] and found["status"]["refused"] == []
    _, found = novate(venue, "capacity")
    lines = {(line["token"], line["direction"]): line for line in found["capacity"]}
    line = lines[TOKEN, "issue"]
    assert line["binding"] in ("depth", "limit", "order") and 10_000 < float(line["dollars"]) <= 5 * 10**6, (
        line
    )
    _, found = novate(venue, "channels")
    rows = {row["session"]: row for row in found["channels"] if row["token"] == TOKEN}
    assert rows["regular"]["issue"] == rows["regular"]["redeem in kind"] == "yes"
    assert (rows["closed"]["issue"], rows["closed"]["queue"], rows["halted"]["queue"]) == ("", "yes", "")
    assert novate(venue, "breaks") == (0, {"ok": True, "breaks": []})
    book = eventually(lambda: BookFile(venue.home / "primary.json").book(STOCK))
    assert book.bids[0].price < book.asks[0].price


def test_a_person_says_what_a_conversion_brought(venue):
    before = {one.broker: one.dollars for one in venue.ask(questions.brokers)}[ONE]
    venue.say(RequestConversion(asset=venue.cash, broker=ONE, to_dollars=1, amount=500 * MICRO))
    (one,) = eventually(lambda: novate(venue, "waiting")[1]["conversions"])
    assert one["way"] == "to dollars"
    assert novate(venue, "converted", str(one["conversion"]), "499000000", "--by", "tess")[0] == 0
    eventually(
        lambda: {one.broker: one.dollars for one in venue.ask(questions.brokers)}[ONE] == before + 499_000_000
    )
    status, found = novate(venue, "converted", str(one["conversion"]), "1")
    assert status == 1 and "said before" in found["error"]["sentence"]


def test_a_participant_brings_shares_and_a_person_says_so_once(venue):
    venue.say(AuthoriseParticipant(account=ALICE, allowed=1))
    wish = RequestInKind(
        token=venue.token, direction=0, amount=10 * MICRO, broker=ONE, reference=next(references)
    )
    request = next(e.request for e in venue.say(wish, account=ALICE) if isinstance(e, RequestReserved))
    eventually(lambda: [one["request"] for one in novate(venue, "waiting")[1]["in_kind"]] == [request])
    novate(venue, "in-kind", str(request), "500", "--reference", "c-1")  # more than was asked for: refused
    assert eventually(lambda: novate(venue, "waiting")[1]["refused"])
    for reference in ("c-1", "c-1", "c-2"):  # half of it, the same again, the rest
        novate(venue, "in-kind", str(request), "5", "--reference", reference)
    venue.becomes(request, S.DELIVERED)
    assert venue.request(request).units == 10 * MICRO and not novate(venue, "waiting")[1]["refused"]


def test_words_that_can_not_be_are_one_clear_error(venue):
    assert novate(venue, "again", "999999")[1]["error"]["code"] == "data_error"
    assert novate(venue, "end", "NOBODY-1")[1]["error"]["code"] == "data_error"
    for _ in range(2):  # a wrong number uses nothing up
        for words, sentence in (
            (("converted", "999999", "1"), "No conversion 999999 is on its way"),
            (("in-kind", "999999", "1", "--reference", "c-1"), "No request in kind has number 999999"),
            (("default", "99"), "lists no broker 99"),
        ):
            status, said = novate(venue, *words)
            assert status == 1 and sentence in said["error"]["sentence"]
    _, found = novate(venue, "orders", "--all")
    status, said = novate(venue, "end", found["orders"][0]["order"])
    assert status == 1 and said["error"]["code"] == "no_such_step"


def test_a_venue_that_nobody_cleared_is_taken_over_with_its_open_orders(venue):
    """The outbox is lost: what the engine counts as open is asked about, and nothing is bought twice."""
    venue.kill("clearing run")
    wish = venue.issue(3_000)
    for path in (venue.home / "clearing").glob("outbox.db*"):
        path.unlink()
    venue.start("clearing run")
    venue.becomes(wish, S.FILLED)
    with Outbox(venue.home) as outbox:
        (only,) = outbox.orders(("waiting", "leaving", "working", "disputed", "done", "returned"))
    assert (only.request, only.asks, only.sends) == (wish, 1, 1)


def test_a_default_is_said_once(venue):
    """Last: nothing goes to that broker any more."""
    assert novate(venue, "default", str(ONE))[0] == 0
    frozen = eventually(
        lambda: next(b.frozen_until_ns for b in venue.ask(questions.brokers) if b.broker == ONE)
    )
    status, said = novate(venue, "default", str(ONE))
    assert status == 1 and "in default already" in said["error"]["sentence"]
    assert {b.broker: b.frozen_until_ns for b in venue.ask(questions.brokers)}[ONE] == frozen
