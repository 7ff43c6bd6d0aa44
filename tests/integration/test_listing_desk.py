"""A name on a running venue with governance, by its people's keys: drafted, approved by two, opened by auction, raised by a step, delisted."""

import contextlib
import io
import json
import math
import threading
import time
from datetime import date, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from gateways import Key, eventually, running
from novate.cli import main
from novate.client import Client, HmacKey
from novate.identity import Grant, Identity, KeyKind, KeyTerms, Scope
from novate.listing_desk.plan import load_plan
from novate.messages import ChangeTerms, encode
from novate.messages.codes import Role

SECOND, HOUR = 10**9, 3_600 * 10**9
NAME, PERP, SPOT = "NFLX", "NFLX-PERP", "tNFLX-USDC"
STAFF = {
    "ann": (Role.OPERATOR,), "ben": (Role.RISK,), "cleo": (Role.COMPLIANCE,), "dan": (Role.COMPLIANCE,),
    "keeper": (Role.KEEPER,), "tess": (Role.TREASURER, Role.VIEWER),
}  # fmt: skip
GOVERNANCE = {
    "short_delay_ns": SECOND // 2, "long_delay_ns": HOUR, "calendar_underlying": None, "long_delay_opens": 1,
    "ownership_delay_ns": HOUR, "approval_ns": HOUR, "emergency_ns": HOUR, "measured_accounts": 100, "open_changes": 100,
    "change_bytes": 4096, "changes_per_advance": 10, "nonce_window": 0, "outflow_window_ns": HOUR, "outflow_limit": "0",
    "outflow_wait_ns": 0,
}  # fmt: skip
ALWAYS = {
    "session": "regular", "next_session": "regular", "next_time_ns": 0, "closure_step_ns": 0, "closure_ramp_from_ns": 0,
    "closure_ramp_to_ns": 0, "closure_end_ns": 0,
}  # fmt: skip


class Desk:
    """A venue, its people's keys as files, and `novate list` as they type it."""

    def __init__(self, venue, folder):
        self.venue, self.folder, self.keys = venue, folder, {}
        self.listing = venue.home.with_name(f"{venue.home.name}.toml")
        self.prices = {"NVDA": "180", NAME: None}
        self._end = threading.Event()

    def person(self, identity, name, terms):
        made = identity.create_key(None, KeyKind.HMAC, terms, time.time_ns())
        (self.folder / f"{name}.seed").write_text(made.secret)
        self.keys[name] = Key("test", str(made.record.actor), secret=made.secret)

    def novate(self, who, *words, file=None, desk="list"):
        """Exit status and the JSON that came of it."""
        at = ["--url", self.venue.base, "--key", self.keys[who].number, "--seed", self.folder / f"{who}.seed"]
        if desk == "list":
            at += ["--listing", self.listing, "--file", file or self.file]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([desk, *map(str, [words[0], NAME, *words[1:], *at]), "--json"])
        lines = out.getvalue().splitlines()
        assert lines, (words, err.getvalue())
        return status, json.loads(lines[-1])

    def done(self, who, *words, **more):
        status, said = self.novate(who, *words, **more)
        assert status == 0 and said["ok"], (words, said)
        return said

    @property
    def file(self):
        return self.folder / f"{NAME}.toml"

    def bring_prices(self):
        """As feeds do: fresh prices until the end."""
        key = self.keys["keeper"]
        with Client(self.venue.base, HmacKey(int(key.number), key._secret)) as client:
            while not self._end.wait(0.3):
                for underlying, price in self.prices.items():
                    for source in (1, 2) if price else ():
                        client.call(
                            "post_price", underlying=underlying, source=source, price=price, price_kind="quote",
                            venue_time_ns=time.time_ns() - 10**8, size=1_000_000,
                        )  # fmt: skip

    def close(self):
        self._end.set()

    def order(self, account, side, price, quantity, market=PERP):
        return self.venue.tried(
            "place_order", account, self.keys[f"trader {account}"], market=market, side=side, price=price, quantity=quantity
        )  # fmt: skip

    def account(self, number):
        return self.venue.get(f"/accounts/{number}", self.keys["ann"])[1]["result"]

    def settled(self):
        """Waits until no change is open; not too often, for every look costs of the key's budget."""

        def none_waits():
            time.sleep(0.4)
            return not self.venue.get("/admin/changes", self.keys["ann"])[1].get("result", True)

        eventually(none_waits, 60)


def bars(path, nights=120):
    """Daily bars without chance: a slow wave, and one night of 10 %."""
    lines, close, day = ["date,open,close,volume"], 100.0, date(2026, 1, 5)
    for night in range(nights):
        opened = close * (1.1 if night == 60 else 1.0)
        close = opened * (1 + 0.02 * math.sin(night))
        lines.append(f"{day + timedelta(night)},{opened:.4f},{close:.4f},4000000")
    path.write_text("\n".join(lines) + "\n")
    return path


def govern(desk, identity):
    """People, their keys and roles, two traders; then governance, under which the time keeper has a key too."""
    venue = desk.venue
    for name, roles in STAFF.items():
        grants = frozenset(Grant(role, 0) for role in roles)
        desk.person(
            identity, name, KeyTerms(owner=0, scopes=Scope.READ | Scope.ADMIN | Scope.TRANSFER, grants=grants)
        )
    ann, keeper = desk.keys["ann"], desk.keys["keeper"]
    venue.open(1, 2, 3, key=desk.keys["cleo"], keeper=keeper)
    eventually(lambda: {1, 2, 3} <= set(identity.store.owners()))
    grant = {"markets": [], "order_notional": "0", "position_notional": "0", "expires_ns": 0}
    for person, (name, roles) in enumerate(STAFF.items(), 1):
        number = desk.keys[name].number
        venue.do("register_actor", 0, ann, actor=number, person=str(person), owner="0")
        for role in roles:
            venue.do("grant_role", 0, ann, actor=number, role=role.name.lower(), **grant)
    for account in (1, 2, 3):
        name = f"trader {account}"
        desk.person(identity, name, KeyTerms(owner=account, scopes=Scope.READ | Scope.TRADE))
        number = desk.keys[name].number
        venue.do("register_actor", 0, ann, actor=number, person=str(100 + account), owner=str(account))
        venue.do("grant_role", account, ann, actor=number, role="trader", **grant)
    venue.do("configure_governance", 0, ann, **GOVERNANCE | {"calendar_underlying": "SPY"})
    venue.kill("keeper time")
    venue.start(f"keeper time --keeper {keeper.number}")


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("desk")
    home = folder / "venue"
    with (
        running(home, dev=False) as venue,
        Identity.open(home, time.time_ns(), venue="test", chain_id=1) as identity,
    ):
        found = Desk(venue, folder)
        govern(found, identity)
        thread = threading.Thread(target=found.bring_prices, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            found.close()
            thread.join(20)


def test_a_draft_takes_its_numbers_from_bars_and_the_nearest_peer(desk):
    data = bars(desk.folder / "bars.csv")
    words = [
        "list",
        NAME,
        "--data",
        str(data),
        "--listing",
        str(desk.listing),
        "--out",
        str(desk.file),
        "--json",
    ]
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        assert main(words) == 0
        assert main(words) == 2  # nothing is overwritten
    said = json.loads(out.getvalue().splitlines()[0])
    assert said["ok"] and said["commands"] == 6 and said["steps"] == 3
    text = desk.file.read_text()
    assert 'gap = "13 %" # the widest night of the bars was 10.0 %' in text
    # of this test: a short call; the second step asks for no days, the third for twenty
    text = text.replace('call = "10 min"', 'call = "30 s"')
    text = text.replace("after_days = 5", "after_days = 0").replace(
        'depth = "', 'depth = "10,000 USD" # was "'
    )
    desk.file.write_text(text)


def test_check_and_effect_before_anything_is_listed(desk):
    status, said = desk.novate("ann", "check")
    lights = {line["name"]: line["light"] for line in said["lines"]}
    assert status == 0 and lights["file"] == lights["names"] == lights["bounds"] == lights["venue"] == "green"
    effects = desk.done("ann", "effect")["effects"]
    assert effects[0]["accounts"] == 3 and effects[0]["changed"] == 0
    assert effects[1]["waits_for"] == [NAME]


def test_check_says_which_feed_is_missing(desk):
    keepers, lights = desk.folder / "keepers.toml", {}
    for feeds in (1, 2):
        keepers.write_text(
            "".join(
                f'[[feed]]\nname = "f{n}"\nkind = "ccxt"\nexchange = "kraken"\n[feed.symbols]\nNFLX = {{ underlying = "NFLX", source = {n} }}\n'
                for n in range(1, feeds + 1)
            )
        )
        status, said = desk.novate("ann", "check", "--keepers", keepers)
        lights[feeds] = (status, next(line for line in said["lines"] if line["name"] == "feeds"))
    assert (
        lights[1][0] == 1 and lights[1][1]["light"] == "red" and "source 2 of NFLX" in lights[1][1]["found"]
    )
    assert lights[2][0] == 0 and lights[2][1]["light"] == "green"


def test_a_venue_whose_file_is_another_ones_is_seen(desk):
    """A file that lists a name more, before it: every id would be one too high."""
    other = desk.folder / "other-venue.toml"
    more = '\n[[underlying]]\nname = "UBER"\nclass = "stock"\nsector = "technology"\ngap_group = "UBER"\nbeta = "1.2"\nperp = true\ntoken = "tUBER"\n'
    other.write_text(
        desk.listing.read_text().replace(
            '\n[[underlying]]\nname = "SPY"', more + '\n[[underlying]]\nname = "SPY"', 1
        )
    )
    ours, desk.listing = desk.listing, other
    try:
        status, said = desk.novate("ann", "check")
        found = next(line for line in said["lines"] if line["name"] == "file")
        assert status == 1 and found["light"] == "red" and "has id" in found["found"]
        assert "has id" in desk.novate("ann", "propose", "--reason", "x")[1]["error"]["sentence"]
    finally:
        desk.listing = ours


def test_a_number_out_of_bounds_is_named_with_its_rule(desk):
    bad = desk.folder / "bad.toml"
    bad.write_text(desk.file.read_text().replace('gap = "13 %"', 'gap = "95 %"'))
    status, said = desk.novate("ann", "check", file=bad)
    assert status == 1 and said["error"]["rule"] == "parameter_must_be_within_bounds"
    assert (
        said["error"]["key"] == "gap"
        and said["error"]["value"] == '"95 %"'
        and "90 %" in said["error"]["sentence"]
    )


def test_two_people_list_it_and_only_what_the_file_says(desk):
    assert desk.novate("ben", "approve")[1]["error"]["code"] == "not_now"
    assert "two people" in desk.novate("ann", "propose", "--reason", "x", "--alone")[1]["error"]["sentence"]
    first = desk.done("ann", "propose", "--reason", "clients ask for it")["done"]
    assert [one["what"] for one in first] == [f"underlying {NAME}"] and not first[0]["said"]["long_delay"]
    status, said = desk.novate("ann", "approve")
    assert status == 1 and said["error"]["rule"] == "approver_must_be_another_person"
    other = desk.folder / "other.toml"
    other.write_text(desk.file.read_text().replace('gap = "13 %"', 'gap = "14 %"'))
    status, said = desk.novate("ben", "approve", file=other)
    assert status == 1 and "is not what the file says" in said["error"]["sentence"]
    assert desk.novate("ann", "status")[1]["status"]["listing"][0]["state"] == "proposed"
    rounds = 1
    while desk.novate("ann", "status")[1]["status"]["stage"] != "listed":
        desk.done("ben", "approve")
        desk.settled()
        if desk.novate("ann", "status")[1]["status"]["stage"] != "listed":
            desk.done("ann", "propose", "--reason", "clients ask for it")
            rounds += 1
        assert rounds < 5
    assert rounds == 3  # the underlying; what stands on it; what stands on that
    status = desk.done("ann", "status")["status"]
    assert status["step"] == 1 and {one["phase"] for one in status["auctions"].values()} == {"closed"}
    assert "nothing is left" in desk.novate("ann", "propose", "--reason", "x")[1]["error"]["sentence"]


def test_it_opens_by_auction_at_the_computed_price(desk):
    assert "no price" in desk.novate("ann", "open")[1]["error"]["sentence"]
    keeper = desk.keys["keeper"]
    desk.venue.do("set_session", 0, keeper, underlying=NAME, **ALWAYS)
    desk.prices[NAME] = price = str(Decimal(str(float(bars_close(desk)))).quantize(Decimal("0.01")))
    eventually(lambda: desk.novate("ann", "status")[1]["status"]["price"]["opens"], 30)
    p = Decimal(price)
    assert desk.order(1, "bid", str(p), "1")[1]["error"]["code"] == "venue_must_be_open_for_orders"
    assert {one["how"] for one in desk.done("ann", "open")["done"]} == {"call"}
    # bids 10 at +0.40 and 5 at +0.20, asks 8 at -0.40 and 4 at +0.30: from +0.30 to +0.40 ten trade, two more are offered, so the lowest
    for account, side, off, quantity in (
        (1, "bid", "0.40", "10"),
        (1, "bid", "0.20", "5"),
        (2, "ask", "-0.40", "8"),
        (2, "ask", "0.30", "4"),
    ):
        status, reply = desk.order(account, side, str(p + Decimal(off)), quantity)
        assert status == 200, reply
    shown = desk.done("ann", "status")["status"]["auctions"][PERP]
    assert shown["phase"] == "call" and Decimal(shown["price"]) == p + Decimal("0.30")
    assert (Decimal(shown["quantity"]), Decimal(shown["surplus"])) == (10, -2)
    eventually(lambda: phase(desk) == "open", 90)
    trades = desk.venue.get(f"/markets/{PERP}/trades")[1]["result"]
    assert {Decimal(one["price"]) for one in trades} == {p + Decimal("0.30")}
    assert sum(Decimal(one["quantity"]) for one in trades) == 10
    assert desk.novate("ann", "status")[1]["status"]["stage"] == "open"


def phase(desk):
    time.sleep(0.4)
    return desk.venue.get(f"/markets/{PERP}/auction", desk.keys["ben"])[1]["result"]["phase"]


def applied(desk):
    time.sleep(0.4)
    return "applied" in {
        one["state"] for one in desk.venue.get("/corporate-actions", desk.keys["ben"])[1].get("result", ())
    }


def bars_close(desk):
    return (desk.folder / "bars.csv").read_text().splitlines()[-1].split(",")[2]


def test_caps_hold_and_the_next_step_raises_them(desk):
    p = Decimal(desk.prices[NAME])
    cap = Decimal(desk.venue.get("/admin/caps", desk.keys["ann"])[1]["result"][0]["most"])
    wanted, bid = str(cap + 1), str(p - 1)
    status, reply = desk.order(3, "bid", bid, wanted)
    assert status == 422 and reply["error"]["number"] == 1037
    assert (Decimal(reply["error"]["value"]), Decimal(reply["error"]["limit"])) == (cap + 1, cap)
    assert (
        "step 1: the next is 2"
        in desk.novate("ann", "ramp", "--to", "3", "--reason", "x")[1]["error"]["sentence"]
    )
    # the second step asks for 10,000 dollars on each side, and what the auction left is less
    status, said = desk.novate("ann", "ramp", "--reason", "it trades well")
    assert status == 1 and said["error"]["code"] == "not_now" and "depth" in said["error"]["missing"], said
    for side, price in (("bid", p - Decimal("0.5")), ("ask", p + Decimal("0.5"))):
        assert desk.order(3, side, str(price), "100")[0] == 200
    done = desk.done("ann", "ramp", "--reason", "it trades well")["done"]
    assert [one["how"] for one in done] == ["proposed"] * 5 and not any(
        one["said"]["long_delay"] for one in done
    )
    assert desk.order(3, "bid", bid, wanted)[0] == 422
    desk.done("ben", "approve")
    desk.settled()
    assert desk.done("ann", "status")["status"]["step"] == 2
    status, reply = desk.order(3, "bid", bid, wanted)
    assert status == 200, reply
    status, said = desk.novate("ann", "propose", "--reason", "once more")
    assert status == 1 and "nothing is left" in said["error"]["sentence"], "the first caps are not proposed again"
    status, said = desk.novate("ann", "ramp", "--reason", "more")
    assert status == 1 and "days" in said["error"]["missing"]
    asked = desk.done("ann", "status")["status"]["next_step"]
    assert {one["name"]: one["met"] for one in asked} == {
        "market": True,
        "price": True,
        "days": False,
        "depth": True,
    }


def test_a_change_of_terms_shows_every_account_the_worst_first(desk):
    plan = load_plan(desk.file, desk.listing)
    message = encode(replace(plan.terms, gap_ppm=plan.terms.gap_ppm * 2))
    wish = {
        "op": "change_terms",
        "args": {"terms": ChangeTerms(terms=message[4:6] + message[48:]).terms.hex()},
    }
    status, reply = desk.venue.call("POST", "/admin/effect", wish, desk.keys["ann"])
    found = reply["result"]
    assert status == 200 and found["accounts"] == 3 and found["worse"] == found["changed"] >= 2
    falls = [
        min(Decimal(a) - Decimal(b) for a, b in zip(line["excess_after"], line["excess_before"], strict=True)) for line in found["lines"]
    ]  # fmt: skip
    assert falls == sorted(falls) and falls[0] < 0
    assert (
        desk.venue.call("POST", "/admin/effect", wish | {"most": 1}, desk.keys["ann"])[1]["result"]["lines"]
        == found["lines"][:1]
    )
    assert desk.venue.call("POST", "/admin/effect", wish, desk.keys["trader 1"])[0] == 403
    assert desk.venue.call("POST", "/admin/effect", wish | {"op": "nothing"}, desk.keys["ann"])[0] == 400


def test_what_was_listed_is_recorded_for_the_next_name(desk):
    before = desk.listing.read_text()
    words = ["list", "record", NAME, "--file", str(desk.file), "--listing", str(desk.listing), "--json"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert main(words) == 0
        assert main(words) == 1  # it stands there already
    assert desk.listing.read_text().startswith(before.rstrip())
    status, said = desk.novate("ann", "check")
    assert status == 0, said


def test_it_leaves_by_notice_reduce_only_and_settlement(desk):
    def delist(who, *words):
        return desk.novate(who, *words, desk="delist")

    keeper, p = desk.keys["keeper"], Decimal(desk.prices[NAME])
    desk.venue.do("deposit", 1, keeper, asset="tNFLX", amount="10", reference="1")
    assert "notice first" in delist("ann", "reduce-only", "--reason", "bought")[1]["error"]["sentence"]
    assert delist("ann", "notice")[0] == 0
    assert delist("ann", "notice")[0] == 1
    assert [one["state"] for one in desk.venue.get("/corporate-actions")[1]["result"]] == ["announced"]
    begin, end = (f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(time.time() + s))}Z" for s in (45, 600))
    window = ("--from", begin, "--to", end)
    assert "still takes orders" in delist("ann", "settle", *window)[1]["error"]["sentence"]
    assert delist("ann", "reduce-only", "--reason", "bought by another company")[0] == 0
    other = desk.venue.get("/admin/listing", desk.keys["ann"])[1]["result"]["markets"]
    strange = next(str(one["market"]) for one in other if one["name"] == "NVDA-PERP")
    said = desk.venue.do(
        "propose_change", 0, desk.keys["ann"], account="0", reason="delist NFLX: bought by another company",
        command={"op": "confirm_restriction", "args": {"power": "reduce_only", "id": strange}},
    )  # fmt: skip
    assert "nothing was approved" in delist("ben", "approve")[1]["error"]["sentence"]
    (proposed,) = [e for e in said["result"]["events"] if e["event"] == "change_proposed"]
    desk.venue.do("reject_change", 0, desk.keys["ben"], change=proposed["data"]["change"])
    assert delist("ben", "approve")[0] == 0
    desk.settled()
    assert set(delist("ann", "status")[1]["status"]["restricted"].values()) == {0}
    status, reply = desk.order(3, "bid", str(p - 2), "1")
    assert status == 422 and reply["error"]["code"] == "restriction_must_not_be_in_force"
    assert delist("ann", "settle", "--price", str(p), *window)[0] == 0
    assert delist("ann", "confirm", "--price", str(p))[1]["error"]["rule"] == "second_actor_must_confirm"
    assert "nothing was confirmed" in delist("ben", "confirm", "--price", "1")[1]["error"]["sentence"]
    assert delist("ben", "confirm", "--price", str(p))[0] == 0
    assert {p["market"] for p in desk.account(1)["positions"]} == {PERP}
    assert "has not ended" in delist("tess", "pay")[1]["error"]["sentence"]
    eventually(lambda: applied(desk), 120)
    assert not [one for one in desk.account(1)["positions"] if Decimal(one["quantity"])]
    had = {one["asset"]: Decimal(one["pledged"]) for one in desk.account(1)["balances"]}
    status, said = delist("tess", "pay")
    assert status == 0, said
    eventually(
        lambda: (
            not [
                one
                for one in desk.account(1)["balances"]
                if one["asset"] == "tNFLX" and Decimal(one["pledged"])
            ]
        ),
        20,
    )
    has = {one["asset"]: Decimal(one["pledged"]) for one in desk.account(1)["balances"]}
    assert has["USDC"] == had["USDC"] + 10 * p
    differences = desk.venue.get("/conservation")[1]["result"]["conservation"]
    assert {Decimal(one["difference"]) for one in differences} == {0}
