"""`novate actions` on a governed venue: a split from its file to its effect by two people, a dividend to its holders, and breaks by two."""

import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from gateways import eventually, running
from governed import People, govern, novate
from novate.broker import Cash, EndOfDay, Position
from novate.calendar import new_york_date
from novate.clearing.dividends import ex_date_of
from novate.clearing.settlement import business_day
from novate.clearing.statement_files import write_statement
from novate.identity import Identity

HOLDER, SHORT = 11, 12
SHARE = 10**9
FILE = """
[[action]]
symbol = "AAPL"
kind = "split"
ex_date = 2014-06-09
ratio = "7:1"
source = "company"
key = "aapl-2014"

[[action]]
symbol = "NVDA"
kind = "split"
ex_date = 2024-06-10
ratio = "10:1"
source = "company"
key = "nvda-2024"

[[action]]
symbol = "GOOG"
kind = "cash_dividend"
ex_date = 2024-06-10
amount = "0.20"
payable = 2024-06-17
source = "company"
key = "goog-2024-q2"
"""
AAPL, NVDA, GOOG = 1, 2, 3
BEFORE = [
    ("list_withholding", {"asset": "tGOOG", "withholding_ppm": 300_000}),
    ("list_withholding", {"market": "GOOG-PERP", "withholding_ppm": 300_000}),
]
ALWAYS = {
    "session": "regular", "next_session": "regular", "next_time_ns": 0, "closure_step_ns": 0, "closure_ramp_from_ns": 0,
    "closure_ramp_to_ns": 0, "closure_end_ns": 0,
}  # fmt: skip


class World:
    def __init__(self, people):
        self.people, self.venue, self.home = people, people.venue, people.venue.home
        self.file = people.folder / "actions.toml"
        self.file.write_text(FILE)
        self.split = 1
        self.cash = 10_000_000 * 10**6

    def actions(self, word, *words, who=None):
        return novate("actions", word, self.home, *words, *(self.people.at(who) if who else ()))

    def state(self, number):
        time.sleep(0.3)
        return {one["number"]: one["venue"] for one in self.actions("list")[1]["actions"]}[number]

    def account(self, number):
        return self.venue.get(f"/accounts/{number}", self.people.keys["ann"])[1]["result"]

    def equity(self, number):
        found = self.venue.get(f"/accounts/{number}/margin", self.people.keys["ann"])[1]["result"]
        return Decimal(found["levels"][2]["equity"])

    def statement(self, **change):
        """What the broker has: the shares of the attested tokens; a split of the venue's only from its ex-date on."""
        day = business_day(time.time_ns())
        ratio = self.split if day >= ex_date_of(new_york_date(time.time_ns())) else 1
        positions = (
            Position(symbol="AAPL", settled=500_000 * SHARE * ratio + change.get("aapl", 0), unsettled=0),
            Position(symbol="GOOG", settled=500_000 * SHARE, unsettled=0),
        )
        said = EndOfDay(
            broker="Simulated Prime",
            day=day,
            positions=positions,
            cash=Cash(settled=self.cash, unsettled=0),
            trades=(),
        )
        write_statement(said, self.home / "statements")
        return day

    def reconcile(self):
        day = business_day(time.time_ns())
        return novate("reconcile", self.home, "--day", day, "--keeper", self.people.keys["keeper"].number)


def soon(seconds):
    return datetime.fromtimestamp(time.time() + seconds, UTC).isoformat()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("actions")
    home = folder / "venue"
    with (
        running(home, dev=False) as venue,
        Identity.open(home, time.time_ns(), venue="test", chain_id=1) as identity,
    ):
        people = People(venue, folder)
        govern(people, identity, (HOLDER, SHORT), BEFORE)
        keeper = people.keys["keeper"]
        people.prices = {"AAPL": "645.57", "GOOG": "150", "NVDA": "1208.88", "USDC": "1"}
        with people.feeding():
            for name in ("AAPL", "GOOG", "NVDA"):
                venue.do("set_session", 0, keeper, underlying=name, **ALWAYS)
            for token, amount in (("tAAPL", "100"), ("tGOOG", "1000")):
                venue.do("deposit", HOLDER, keeper, asset=token, amount=amount, reference="1")
            yield World(people)


def test_a_file_is_imported_once_and_listed(world):
    status, said, words = world.actions("import", world.file)
    assert status == 0, words
    assert [(one["number"], one["heard"]) for one in said["actions"]] == [
        (AAPL, "first"),
        (NVDA, "first"),
        (GOOG, "first"),
    ]
    assert {one["heard"] for one in world.actions("import", world.file)[1]["actions"]} == {"repeated"}
    assert world.state(AAPL) == "unknown"
    bad = world.people.folder / "bad.toml"
    bad.write_text(FILE.replace('"7:1"', '"7:7"'))
    status, said, words = world.actions("import", bad)
    assert status == 1 and "entry 1, ratio: of a split is not one to one" in words


def test_a_rehearsal_shows_every_account_token_perp_and_broker_and_changes_nothing(world):
    status, said, words = world.actions("dry-run", AAPL, "--key", world.people.keys["ann"].number)
    # Its own window is long past, and the engine says so by its rule.
    assert status == 1 and "would refuse action 1" in words and "window" in words
    world.actions("propose", NVDA, "--from", soon(3_000), "--to", soon(4_200), who="ann")
    status, said, words = world.actions("dry-run", NVDA, "--key", world.people.keys["ann"].number)
    assert status == 0, words
    parts = {one["what"]: (one["before"], one["after"]) for one in said["effect"]["instruments"]}
    assert parts["NVDA index"] == ("1208.88", "120.888") and parts["tNVDA shares per token"] == ("1", "10")
    assert parts["NVDA-PERP shares per lot"][0] != parts["NVDA-PERP shares per lot"][1]
    assert (
        said["effect"]["equity"] == said["effect"]["equity_before"]
        and said["effect"]["below_maintenance"] == 0
    )
    # What is announced after it was scheduled is said wherever it is looked at; a proposal that is refused arranges nothing.
    later = world.people.folder / "later.toml"
    later.write_text(FILE.replace('"10:1"', '"12:1"'))
    (said,) = (one for one in world.actions("import", later)[1]["actions"] if one["number"] == NVDA)
    assert (said["heard"], said["behind"]) == ("amends", ["ratio_new: 12 and 10"])
    (said,) = (one for one in world.actions("list")[1]["actions"] if one["number"] == NVDA)
    assert said["behind"] == ["ratio_new: 12 and 10"]
    window = said["window"]
    assert world.actions("propose", NVDA, "--from", soon(4_200), "--to", soon(3_000), who="ann")[0] == 1
    status, said, words = world.actions("show", NVDA)
    assert said["behind"] == ["ratio_new: 12 and 10"] and "ratio_new: 12 and 10" in words
    assert said["action"]["window"] == window
    world.actions("import", world.file)
    assert world.actions("show", NVDA)[1]["behind"] == []
    assert world.actions("cancel", NVDA, who="ann")[0] == 0 and world.state(NVDA) == "cancelled"


def test_a_split_from_its_file_to_its_effect_by_two_people(world):
    world.statement()
    assert world.reconcile()[0] == 0
    before = world.equity(HOLDER)
    window = ("--from", soon(40), "--to", soon(55))
    status, said, words = world.actions("propose", AAPL, *window, who="ann")
    assert status == 0, words
    digest = said["digest"]
    assert world.state(AAPL) == "scheduled"
    status, said, words = world.actions("approve", AAPL, who="ann")
    assert status == 1 and said["error"]["rule"] == "second_actor_must_confirm", said
    # Who scheduled it amends it past the book: the second person sees that, and confirms nothing.
    terms = {**_terms(world, AAPL), "ratio_new": 8}
    world.venue.do("schedule_corporate_action", 0, world.people.keys["ann"], **terms)
    status, said, words = world.actions("approve", AAPL, who="ben")
    assert status == 1 and "ratio_new: 7 and 8" in words and world.state(AAPL) == "scheduled"
    assert world.actions("propose", AAPL, who="ann")[1]["digest"] == digest
    other = world.people.folder / "other.toml"
    other.write_text(FILE.replace('"7:1"', '"8:1"'))
    assert "nothing was confirmed" in world.actions("approve", AAPL, "--file", other, who="ben")[2]
    status, said, words = world.actions("approve", AAPL, "--file", world.file, who="ben")
    assert status == 0 and said["digest"] == digest, words
    listed = Decimal(_market(world, "AAPL-PERP")["quantity_step"])
    eventually(lambda: world.state(AAPL) in {"running", "applied"} or None, 90)
    world.people.prices["AAPL"] = "92.224286"
    eventually(lambda: world.state(AAPL) == "applied", 30)
    world.split = 7
    # Who asks publicly is told the new ratio and steps, in which the gateway takes orders from then on.
    eventually(lambda: _token(world, "tAAPL")["shares_per_token"] == "7")
    assert Decimal(_market(world, "AAPL-PERP")["quantity_step"]) == 7 * listed
    found = next(
        one
        for one in world.venue.get("/admin/listing", world.people.keys["ann"])[1]["result"]["assets"]
        if one["name"] == "tAAPL"
    )
    assert int(found["multiplier_ppb"]) == 7 * SHARE
    assert abs(world.equity(HOLDER) - before) <= Decimal("0.01")
    # The broker splits on the ex-date: its statement of today has the old shares, and nothing differs.
    world.statement()
    status, said, words = world.reconcile()
    assert status == 0, words
    lines = {one["symbol"]: one["venue_settled"] for one in said["report"]["brokers"][0]["lines"]}
    assert lines["AAPL"] == "3500000"
    steps = [one["event"] for one in world.actions("show", AAPL)[1]["steps"]]
    assert steps == ["first", "proposed", "proposed", "approved"]


def _market(world, name):
    return world.venue.get(f"/markets/{name}")[1]["result"]


def _token(world, name):
    return next(one for one in world.venue.get("/assets")[1]["result"] if one["name"] == name)


def _terms(world, number):
    """The book's terms as arguments of the operation."""
    from novate.clearing.actions_book import ActionsBook
    from novate.clearing.actions_desk import terms
    from novate.reader_process import ReaderClient
    from novate.schema.catalogue import Catalogue
    from novate.schema.outcomes import wish

    book = ActionsBook.open(world.home)
    with ReaderClient.connect(world.home / "reader.sock") as reader:
        found = wish(Catalogue.of(reader), terms(reader, book.one(number)))[1]
    book.close()
    return found


def test_a_dividend_goes_from_the_broker_to_its_holders(world):
    assert world.actions("propose", GOOG, "--from", soon(15), "--to", soon(25), who="ann")[0] == 0
    assert world.actions("approve", GOOG, who="ben")[0] == 0
    eventually(lambda: world.state(GOOG) in {"running", "applied"} or None, 60)
    world.people.prices["GOOG"] = "149.80"
    eventually(lambda: world.state(GOOG) == "applied", 30)
    paid = world.people.folder / "paid.csv"
    head = "broker,key,symbol,ex_date,paid,shares,gross,withheld\n"

    # Past its payment day nothing has arrived; then half of what was to be withheld.
    paid.write_text(head)
    status, said, words = world.actions("received", paid)
    assert status == 1 and "not received" in words
    paid.write_text(head + "Simulated Prime,a1,GOOG,2024-06-10,2024-06-17,500000,100000,15000\n")
    status, said, words = world.actions("received", paid, "--send", who="tess")
    assert status == 1 and "differs: withheld" in words and said["parcels"] == []
    (found,) = [
        one for one in novate("breaks", "list", world.home)[1]["breaks"] if one["kind"] == "dividend_differs"
    ]
    assert (found["subject"], found["dollars"]) == ("GOOG 2024-06-10", "15000")

    before = Decimal(_balance(world, HOLDER, "USDC"))
    # What the broker corrects counts as corrected; what it says in two files belongs together.
    paid.write_text(head + "Simulated Prime,a1,GOOG,2024-06-10,2024-06-17,300000,60000,18000\n")
    status, said, words = world.actions("received", paid)
    assert status == 1 and "differs: shares" in words and said["parcels"] == []
    paid.write_text(head + "Simulated Prime,a2,GOOG,2024-06-10,2024-06-17,200000,40000,12000\n")
    nobody = [*world.people.at("tess"), "--url", "http://127.0.0.1:1"]
    status, said, words = novate("actions", "received", world.home, paid, "--send", *nobody)
    assert status == 1 and said["error"]["code"] == "venue_unreachable"  # so nothing of it counts as begun
    status, said, words = world.actions("received", paid, "--not-sent", "onward 9 1")
    assert status == 1 and "No command 'onward 9 1' was begun" in words
    # In its window nothing is paid; what was booked before that refusal is not booked again.
    eventually(lambda: world.actions("received", paid, "--send", who="tess")[0] == 0, 60)
    status, said, words = world.actions("received", paid)
    assert [[next(iter(c)) for c in one["commands"]] for one in said["parcels"]] == [
        ["FundBroker"], ["FundBroker"], ["FundDistributions", "PayDistribution"],
    ]  # fmt: skip
    eventually(
        lambda: Decimal(_balance(world, HOLDER, "USDC")) - before == 140, 20
    )  # 1,000 tokens, 0.20 less 30 %
    status, again, words = world.actions("received", paid, "--send", who="tess")
    assert not any(one["sent"] for one in again["parcels"]) and "was sent before" in words
    assert Decimal(_balance(world, HOLDER, "USDC")) - before == 140
    # One that was carried on is over: a file that says nothing of it makes no break of it.
    paid.write_text(head)
    status, said, words = world.actions("received", paid)
    assert (status, said["lines"]) == (0, []), words
    assert [
        one for one in novate("breaks", "list", world.home)[1]["breaks"] if one["kind"] == "dividend_differs"
    ] == []
    world.cash += 70_000 * 10**6
    world.statement()
    assert world.reconcile()[0] == 0  # cash at the broker agrees, with what arrived


def _balance(world, account, asset):
    return next(one["pledged"] for one in world.account(account)["balances"] if one["name"] == asset)


def test_a_break_of_a_governed_venue_ends_by_two_people(world):
    world.statement(aapl=-SHARE)
    status, said, _ = world.reconcile()
    (found,) = said["report"]["breaks"]
    assert status == 1 and found["kind"] == "position_differs"
    assert {
        one["token"] for one in world.venue.get("/admin/breaks", world.people.keys["ann"])[1]["result"]
    } == {"tAAPL"}
    number = found["number"]
    status, said, words = novate(
        "breaks", "resolve", world.home, number, "--note", "found", *world.people.at("ann")
    )
    assert status == 0 and said["change"] and said["state"] == "open", words
    assert novate("breaks", "approve", world.home, number, *world.people.at("ann"))[0] == 1
    status, said, words = novate(
        "breaks", "approve", world.home, number, "--as", "adopted", *world.people.at("tess")
    )
    assert status == 1 and "one waits that says --as explained. Nothing was approved." in words
    status, said, words = novate("breaks", "approve", world.home, number, *world.people.at("tess"))
    assert (status, said["state"]) == (0, "resolved"), words
    assert novate("breaks", "list", world.home, "--all")[1]["breaks"][-1]["state"] == "resolved"
    eventually(lambda: world.venue.get("/admin/breaks", world.people.keys["ann"])[1]["result"] == [])


def test_what_a_broker_announces_is_fetched_under_the_venues_names(world):
    june = ("--since", "2031-06-01", "--until", "2031-06-30")
    status, said, words = world.actions("fetch", "--broker", "Prime", *june)
    assert status == 1 and "clearing.toml" in words, "without brokers there is nobody to ask"
    (world.home / "clearing.toml").write_text(
        '[symbols]\nNVDA = "NVDA.O"\nAAPL = "AAPL.O"\n[[broker]]\nname = "Prime"\nadapter = "announcing:line"\n'
        '[[broker]]\nname = "Mute"\nadapter = "announcing:mute"\n'
    )
    status, said, words = world.actions("fetch", "--broker", "Primus", *june)
    assert status == 1 and "it has Prime, Mute" in words
    status, said, words = world.actions("fetch", "--broker", "Prime", *june)
    assert status == 0, words
    one, merger = said["actions"]
    assert (merger["announcement"]["symbol"], merger["announcement"]["other_symbol"]) == ("NVDA", "AAPL")
    assert (one["heard"], one["announcement"]["symbol"], one["announcement"]["amount"]) == (
        "first",
        "NVDA",
        40_000_000,
    )
    assert said["unread"] == ["rights_distributions 77: There are no exact terms."]
    again = world.actions("fetch", "--broker", "Prime", *june)[1]["actions"]
    assert [each["heard"] for each in again] == ["repeated", "repeated"]
    status, said, words = world.actions("fetch", "--broker", "Mute", *june)
    assert status == 1 and "announces no corporate actions" in words
    assert world.actions("fetch", "--broker", "Prime", "--since", "2030-01-01")[1]["actions"] == []
