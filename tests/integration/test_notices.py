"""Public notices at a venue of real processes: operators post, events make their own, everybody is told once, and a rebuild finds the same."""

import json
import subprocess
import sys
import time
from xml.etree.ElementTree import fromstring

import pytest

from gateways import PERP, SPOT, Key, eventually, running
from novate.identity import Grant, Identity, KeyKind, KeyTerms, Scope, verify_audit
from novate.messages.codes import Role
from novate.projector import project
from projecting import dump

STAFF = {"operator": Role.OPERATOR, "risk": Role.RISK, "compliance": Role.COMPLIANCE, "keeper": Role.KEEPER}
POST = {
    "kind": "maintenance",
    "severity": "info",
    "title": "New disks",
    "text": "Ten minutes.",
    "markets": [PERP],
}


class World:
    def __init__(self, venue, identity):
        self.venue, self.identity, self.keys = venue, identity, {}
        for name, role in STAFF.items():
            self.make(
                name, KeyTerms(owner=0, scopes=Scope.READ | Scope.ADMIN, grants=frozenset({Grant(role, 0)}))
            )

    def make(self, name, terms):
        made = self.identity.create_key(None, KeyKind.HMAC, terms, time.time_ns())
        self.keys[name] = Key("test", str(made.record.actor), secret=made.secret)

    def done(self, path, said, who="operator"):
        status, reply = self.venue.call("POST", path, said, self.keys[who])
        assert status == 200 and reply["ok"], (path, reply)
        return reply["result"]

    def page(self, query=""):
        status, reply = self.venue.get(f"/notices{query}", self.keys["operator"])
        assert status == 200, reply
        return reply["result"]

    def all(self):
        return self.page("?limit=1000")["notices"]

    def made(self, title):
        return [one for one in self.all() if one["title"] == title]

    def phase(self, phase, market=PERP, until_ns=0):
        return self.venue.do(
            "set_market_phase", 0, self.keys["operator"], market=market, phase=phase, until_ns=until_ns
        )


def hears(speaker, true):
    """The first notice told of which something is true; what was posted just before may be told again."""
    while True:
        for one in speaker.next("notices")["notices"]:
            if true(one):
                return one


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    home = tmp_path_factory.mktemp("notices") / "home"
    with (
        running(home, dev=False) as venue,
        Identity.open(home, time.time_ns(), venue="test", chain_id=1) as identity,
    ):
        venue.start("projector")
        found = World(venue, identity)
        venue.open(11, key=found.keys["compliance"], keeper=found.keys["keeper"])
        venue.prices(key=found.keys["keeper"])
        eventually(lambda: 11 in identity.store.owners())
        found.make("customer", KeyTerms(owner=11, scopes=Scope.READ | Scope.TRADE | Scope.ADMIN))
        yield found


def test_an_operator_posts_updates_and_resolves(world):
    with world.venue.ws() as nobody:
        assert nobody.ask("subscribe", {"channel": "notices"})["ok"]
        nobody.next("notices")
        made = world.done("/notices", POST)
        told = hears(nobody, lambda one: one["notice"] == made["notice"])
        assert (
            told["notice"] == made["notice"] and told["title"] == "New disks" and told["state"] == "current"
        )
        assert told["markets"] == [PERP] and told["source"] == "operator"
        (short,) = [
            one
            for one in world.venue.get("/status")[1]["result"]["notices"]
            if one["notice"] == made["notice"]
        ]
        assert short["severity"] == "info" and short["state"] == "current"
        world.done(f"/notices/{made['notice']}/update", {"text": "Five more."}, "risk")
        told = hears(nobody, lambda one: one["updates"])
        assert [one["text"] for one in told["updates"]] == ["Five more."]
        world.done(f"/notices/{made['notice']}/resolve", {"text": "They run."}, "compliance")
        told = hears(nobody, lambda one: one["resolved_ns"] and one["notice"] == made["notice"])
        assert told["state"] == "over" and told["resolution"] == "They run."
    listed = [one["notice"] for one in world.venue.get("/status")[1]["result"]["notices"]]
    assert made["notice"] not in listed
    status, reply = world.venue.call(
        "POST", f"/notices/{made['notice']}/update", {"text": "x"}, world.keys["risk"]
    )
    assert status == 409 and reply["error"]["code"] == "notice_must_not_be_over"
    log = (world.venue.home / "audit.log").read_text()
    assert all(f'"notice_{what}"' in log for what in ("posted", "updated", "resolved"))
    assert verify_audit(world.venue.home / "audit.log").whole


def test_who_may_post_and_what(world):
    for who in (None, "customer", "keeper"):
        for path, said in (
            ("/notices", POST),
            ("/notices/o1/update", {"text": "x"}),
            ("/notices/o1/resolve", {"text": "x"}),
        ):
            status, reply = world.venue.call("POST", path, said, world.keys.get(who))
            assert status in {401, 403}, (who, path, reply)
    later = time.time_ns() + 10**12
    for change, code in (
        ({"kind": "gossip"}, "notice_must_be_possible"), ({"severity": "dire"}, "notice_must_be_possible"),
        ({"title": " "}, "notice_must_be_possible"), ({"to_ns": 1}, "notice_must_be_possible"),
        ({"from_ns": later, "to_ns": later}, "notice_must_be_possible"), ({"text": "\x07"}, "notice_must_be_possible"),
        ({"markets": ["NO-SUCH"]}, "fields_must_fit_the_operation"), ({"by": "me"}, "message_must_be_json"),
    ):  # fmt: skip
        status, reply = world.venue.call("POST", "/notices", POST | change, world.keys["operator"])
        assert status == 400 and reply["error"]["code"] in {code, "fields_must_fit_the_operation"}, (
            change,
            reply,
        )
    for notice in ("o999999", "x1", "o"):
        status, reply = world.venue.call(
            "POST", f"/notices/{notice}/update", {"text": "x"}, world.keys["operator"]
        )
        assert status == 404 and reply["error"]["code"] == "notice_must_exist"


def test_what_is_to_come_is_not_current_yet(world):
    begins = time.time_ns() + 3_600 * 10**9
    made = world.done("/notices", POST | {"title": "Next week", "from_ns": begins, "to_ns": begins + 10**9})
    assert made["state"] == "upcoming"
    world.done(f"/notices/{made['notice']}/resolve", {"text": "Called off."})


def test_a_newcomer_hears_nothing_whose_time_is_over(world):
    ends = time.time_ns() + 2 * 10**9
    made = world.done("/notices", POST | {"title": "Short", "from_ns": 0, "to_ns": ends})["notice"]

    def told():
        with world.venue.ws() as nobody:
            assert nobody.ask("subscribe", {"channel": "notices"})["ok"]
            return {one["notice"] for one in nobody.next("notices")["notices"]}

    eventually(lambda: made in told() or time.time_ns() > ends)
    eventually(lambda: made not in told())


def test_pages_are_whole_and_do_not_overlap(world):
    for number in range(7):
        world.done("/notices", POST | {"title": f"Page {number}"})
    everything, seen, before = world.all(), [], 0
    while before is not None:
        page = world.page(f"?limit=3&before_ns={before}")
        seen += page["notices"]
        before = page["next_before_ns"]
    assert [one["notice"] for one in seen] == [one["notice"] for one in everything]
    assert len({one["notice"] for one in seen}) == len(seen) >= 7
    times = [one["published_ns"] for one in seen]
    assert times == sorted(times, reverse=True)


def test_a_halt_makes_a_notice_of_itself_and_its_end_resolves_it(world):
    title = f"{PERP} takes only cancellations"
    with world.venue.ws() as nobody:
        assert nobody.ask("subscribe", {"channel": "notices"})["ok"]
        nobody.next("notices")
        reply = world.phase("cancel_only")
        told = hears(
            nobody, lambda one: one["source"] == "venue" and one["title"] == title and not one["updates"]
        )
        assert (told["title"], told["kind"], told["severity"]) == (title, "halt", "critical")
        assert told["markets"] == [PERP] and told["seq"] == reply["seq"] and told["source"] == "venue"
        assert told["notice"].startswith(f"v{reply['seq']}-")
        world.phase("call")
        told = hears(nobody, lambda one: one["source"] == "venue" and one["updates"])
        assert [one["text"] for one in told["updates"]] == [f"{PERP} gathers orders for an auction."]
        status, reply = world.venue.call(
            "POST", f"/notices/{told['notice']}/resolve", {"text": "x"}, world.keys["operator"]
        )
        assert status == 409 and reply["error"]["code"] == "notice_must_be_an_operators"
    assert title in [one["title"] for one in world.venue.get("/status")[1]["result"]["notices"]]


def test_a_restart_of_anything_doubles_nothing(world):
    title = f"{SPOT} is closed"
    world.phase("closed", SPOT)
    eventually(lambda: world.made(title))
    before = [(one["notice"], one["title"]) for one in world.all()]
    for name in ("projector", "gateway", "core"):
        world.venue.again(name)
    world.venue.tried("resume_venue", 0, world.keys["keeper"])
    eventually(lambda: world.venue.get("/time")[0] == 200)
    with world.venue.ws() as nobody:
        assert nobody.ask("subscribe", {"channel": "notices"})["ok"]
        assert title in [one["title"] for one in nobody.next("notices")["notices"]]
    after = [(one["notice"], one["title"]) for one in world.all()]
    assert len(world.made(title)) == 1
    assert [one for one in after if one in before] == before


def test_a_rebuild_from_the_journal_finds_the_same(world, tmp_path):
    url = f"sqlite:///{tmp_path}/again.db"
    sequence = project(world.venue.home, url)
    mine = eventually(lambda: _of(world.venue.home, sequence))
    theirs = dump(url)
    for table in ("notices", "notice_updates"):
        assert theirs[table] == [row for row in mine[table] if row[0] <= sequence]
    assert theirs["notices"]


def _of(home, sequence):
    found = dump(f"sqlite:///{home}/readmodels.db")
    return found if found["position"][0][1] >= sequence else None


def test_feeds_for_readers(world):
    made = world.done("/notices", POST | {"title": "<b>Fees & more</b>"})
    answer = world.venue.http.get("/v1/notices/feed.json")
    assert answer.headers["content-type"].startswith("application/feed+json")
    feed = answer.json()
    assert feed["version"] == "https://jsonfeed.org/version/1.1" and feed["feed_url"].endswith(
        "/v1/notices/feed.json"
    )
    item = next(one for one in feed["items"] if one["id"] == f"urn:novate:test:notice:{made['notice']}")
    assert item["title"] == "<b>Fees & more</b>" and PERP in item["tags"]
    answer = world.venue.http.get("/v1/notices/feed.atom")
    assert answer.headers["content-type"].startswith("application/atom+xml")
    root, ns = fromstring(answer.content), {"a": "http://www.w3.org/2005/Atom"}
    titles = [one.findtext("a:title", namespaces=ns) for one in root.findall("a:entry", ns)]
    assert titles == [one["title"] for one in feed["items"]] and "<b>Fees & more</b>" in titles
    assert root.findtext("a:id", namespaces=ns) == "urn:novate:test:notices"


def test_the_console(world):
    home = world.venue.home

    def novate(*words, ok=True):
        ran = subprocess.run(
            [sys.executable, "-m", "novate.cli", "notice", words[0], str(home), *words[1:], "--json"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (ran.returncode == 0) is ok, (words, ran.stderr)
        return json.loads(ran.stdout.splitlines()[-1])

    with world.venue.ws() as nobody:
        assert nobody.ask("subscribe", {"channel": "notices"})["ok"]
        nobody.next("notices")
        made = novate(
            "post",
            "--kind",
            "incident",
            "--severity",
            "critical",
            "--title",
            "A feed is gone",
            "--market",
            PERP,
        )
        told = hears(nobody, lambda one: one["notice"] == made["notice"])
        assert told["notice"] == made["notice"] and told["severity"] == "critical"
    novate("update", made["notice"], "--text", "The other one is enough.")
    current = {one["notice"] for one in novate("list")["notices"]}
    assert made["notice"] in current and any(one.startswith("v") for one in current)
    assert novate("resolve", made["notice"], "--text", "It is back.")["state"] == "over"
    assert made["notice"] not in {one["notice"] for one in novate("list")["notices"]}
    assert made["notice"] in {one["notice"] for one in novate("list", "--all")["notices"]}
    assert novate("update", "o424242", "--text", "x", ok=False)["error"]["rule"] == "notice_must_exist"
