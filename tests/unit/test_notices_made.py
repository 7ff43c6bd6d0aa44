"""Which events make a public notice, what it says, and what ends it; operators' notices without a venue."""

import json

import msgspec
import pytest

from novate.messages import (
    AccountOpened,
    ChangeApproved,
    ChangeEnded,
    ChangeExecuted,
    ChangePostponed,
    ChangeProposed,
    ChangeTerms,
    HaltSettlementEnded,
    HaltSettlementStarted,
    IssuancePaused,
    LimitSet,
    Listed,
    MarketPhaseChanged,
    MoveOwnership,
    OutageEnded,
    ReleaseEntered,
    ReleasePermitted,
    Restricted,
    RestrictionEnded,
    SessionChanged,
    TermsChanged,
)
from novate.messages.codes import CapKind, MarketPhase, Power, Session
from novate.messages.commands import COMMANDS
from novate.messages.events import EVENTS
from novate.notices.book import NoticeBook
from novate.notices.feed import Feed
from novate.notices.records import NoticeRefused, Post, Rule
from novate.projections import notices
from novate.projections.listing import Asset, Market, Underlying
from novate.projections.notices import Announcer
from novate.projections.running import At, Running

NOW, DAY = 1_767_623_400 * 10**9, 86_400 * 10**9
FIELDS = [
    "sequence", "idx", "kind", "severity", "subject", "markets", "title", "text", "from_ns", "to_ns", "published_ns", "resolved_ns",
    "resolution", "changed",
]  # fmt: skip


class Told:
    """Events by command, and the rows that they made."""

    def __init__(self, *, opened=True):
        self.run, self.announcer, self.sequence, self.rows = Running(), Announcer(), 0, {}
        self.run.listing.markets[1] = Market(1, "NVDA-PERP", 1, 1, 0, 1, 1, 1, 1)
        self.run.listing.markets[2] = Market(2, "tNVDA-USDC", 0, 1, 2, 1, 1, 1, 1)
        self.run.listing.assets[2] = Asset(2, "tNVDA", 6, 0, 1, 10**9)
        self.run.listing.underlyings[1] = Underlying(1, "NVDA", 6)
        if opened:
            self.run.accounts[7] = [7, 7, 1, NOW, 0]

    def command(self, *events):
        """One command; the notice that it made or changed last."""
        self.sequence += 1
        for idx, body in enumerate(events):
            self.announcer.take(self.run, At(self.sequence, idx, NOW + self.sequence), body)
        self.announcer.close(self.run)
        batch = self.run.take_batch()
        self.rows |= batch.notices
        self.updates = [row[-1] for row in batch.appended["notice_updates"]]
        return [self.shown(row) for row in batch.notices.values()]

    def one(self, *events):
        (found,) = self.command(*events)
        return found

    @staticmethod
    def shown(row):
        found = dict(zip(FIELDS, row, strict=True))
        return found | {"markets": json.loads(found["markets"])}


def phase(to, market=1):
    return MarketPhaseChanged(market=market, phase=to, until_ns=0)


def restricted(power, number=1, until_ns=0):
    return Restricted(power=power, id=number, limit=0, until_ns=until_ns, reason="a fault")


def session(to):
    return SessionChanged(underlying=1, session=to, next_session=Session.REGULAR, next_time_ns=NOW)


def proposed(command=ChangeTerms, change=17):
    return ChangeProposed(
        change=change, kind=command.KIND, long_delay=0, refusal=0, expires_ns=NOW, reason="thin books"
    )


def test_nothing_is_told_before_anybody_has_an_account():
    told = Told(opened=False)
    assert told.command(Listed(what="market", id=1, name="NVDA-PERP"), phase(MarketPhase.CLOSED)) == []
    told.run.accounts[7] = [7, 7, 1, NOW, 0]
    assert told.one(phase(MarketPhase.CLOSED))["title"] == "NVDA-PERP is closed"


@pytest.mark.parametrize(
    ("begins", "ends", "kind", "severity", "title", "markets"),
    [
        (phase(MarketPhase.CLOSED), phase(MarketPhase.OPEN), "halt", "critical", "NVDA-PERP is closed", ["NVDA-PERP"]),
        (session(Session.HALTED), session(Session.REGULAR), "halt", "critical", "Trading in NVDA is halted outside", ["NVDA-PERP", "tNVDA-USDC"]),
        (restricted(Power.REDUCE_ONLY), RestrictionEnded(power=Power.REDUCE_ONLY, id=1, lifted=1), "halt", "critical", "NVDA-PERP takes only orders that reduce", ["NVDA-PERP"]),
        (restricted(Power.WITHDRAWALS, 0), RestrictionEnded(power=Power.WITHDRAWALS, id=0, lifted=0), "halt", "critical", "No withdrawal is taken", []),
        (restricted(Power.COLLATERAL_CAP, 2), RestrictionEnded(power=Power.COLLATERAL_CAP, id=2, lifted=0), "halt", "warning", "Less tNVDA counts as unhedged collateral", []),
        (HaltSettlementStarted(underlying=1, price=1, reason="delisted"), HaltSettlementEnded(underlying=1, price=1, accounts=2), "halt", "critical", "Perps of NVDA, which is halted, are settled", ["NVDA-PERP", "tNVDA-USDC"]),
        (IssuancePaused(token=2, mint=1, redeem=1), IssuancePaused(token=2, mint=0, redeem=0), "halt", "warning", "tNVDA is not issued and redeemed", []),
        (ReleasePermitted(release="0.9", ruleset=3), ReleaseEntered(release="0.9", ruleset=3, state_before=b"", state_after=b""), "release", "info", "Release 0.9 is permitted", []),
    ],
)  # fmt: skip
def test_what_begins_and_what_ends_it(begins, ends, kind, severity, title, markets):
    told = Told()
    assert told.command(ends) == [] or isinstance(ends, ReleaseEntered)
    found = told.one(begins)
    assert (found["kind"], found["severity"], found["title"], found["markets"]) == (
        kind,
        severity,
        title,
        markets,
    )
    assert found["published_ns"] and not found["resolved_ns"]
    again = told.one(ends)
    assert (again["sequence"], again["idx"]) == (found["sequence"], found["idx"]), "the same notice"
    assert (
        again["resolved_ns"] == NOW + told.sequence
        and again["resolution"]
        and again["changed"] == told.sequence
    )
    assert told.run.notices == {}
    assert told.command(ends) == [] or isinstance(ends, ReleaseEntered)


def test_what_is_so_still_or_otherwise_is_an_update():
    told = Told()
    told.one(restricted(Power.CANCEL_ONLY, until_ns=NOW + DAY))
    found = told.one(restricted(Power.CANCEL_ONLY))
    assert found["to_ns"] == 0 and told.updates == ["NVDA-PERP takes only cancellations. a fault"]
    assert told.one(phase(MarketPhase.CANCEL_ONLY, 2))["sequence"] == 3, "of another market"


def test_an_outside_halt_is_told_once():
    told = Told()
    told.one(session(Session.HALTED))
    assert told.command(session(Session.HALTED)) == []
    for regular in (Session.CLOSED, Session.PRE, Session.REGULAR, Session.POST, Session.OVERNIGHT):
        assert len(told.command(session(regular))) == (regular is Session.CLOSED)


def test_a_frozen_owner_is_nobodys_business():
    told = Told()
    assert told.command(restricted(Power.FREEZE)) == []
    assert told.command(RestrictionEnded(power=Power.FREEZE, id=1, lifted=1)) == []


def test_a_change_is_told_once_two_people_agreed_and_until_it_is_in_force():
    told = Told()
    assert told.one(proposed())["published_ns"] == 0
    found = told.one(ChangeApproved(change=17, due_ns=NOW + DAY, opens_left=0))
    assert found["title"] == "Change 17: change terms" and found["text"] == "thin books"
    assert found["published_ns"] == NOW + 2 and found["from_ns"] == NOW + DAY
    later = told.one(ChangePostponed(change=17, due_ns=NOW + 5 * DAY))
    assert later["from_ns"] == NOW + 5 * DAY and len(told.updates) == 1
    terms = TermsChanged(kind=next(c.KIND for c in COMMANDS if c.__name__ == "ListMarket"), id=1)
    done = told.one(ChangeExecuted(change=17, kind=ChangeTerms.KIND), terms)
    assert done["resolution"] == "In force." and done["markets"] == ["NVDA-PERP"]


def test_a_change_that_nobody_approved_is_never_told():
    told = Told()
    told.command(proposed())
    ended = told.one(ChangeEnded(change=17, outcome=1, code=0, value=0, limit=0))
    assert ended["published_ns"] == 0 and ended["resolved_ns"]
    assert told.command(ChangeApproved(change=17, due_ns=0, opens_left=0)) == []


@pytest.mark.parametrize("command", [MoveOwnership, *(c for c in COMMANDS if c.__name__ in notices._PRIVATE)])
def test_a_change_about_one_owner_is_not_told(command):
    told = Told()
    assert told.command(proposed(command)) == []
    assert told.command(ChangeApproved(change=17, due_ns=NOW, opens_left=0)) == []


def test_private_commands_are_commands():
    assert {command.__name__ for command in COMMANDS} >= notices._PRIVATE


def test_parameters_without_a_change_are_told_for_a_day():
    told = Told()
    found = told.one(LimitSet(cap_kind=CapKind.OPEN_INTEREST, id=1, most=5, closed_most=5))
    assert found["title"] == "NVDA-PERP: cap on open interest" and found["to_ns"] == NOW + 1 + DAY
    found = told.one(LimitSet(cap_kind=CapKind.UNDERLYING, id=1, most=5, closed_most=5))
    assert found["markets"] == ["NVDA-PERP", "tNVDA-USDC"]


def test_listings_and_outages():
    told = Told()
    found = told.one(Listed(what="market", id=3, name="AMD-PERP"))
    assert (found["kind"], found["title"], found["markets"]) == (
        "listing",
        "Market AMD-PERP is listed",
        ["AMD-PERP"],
    )
    assert told.command(Listed(what="holder_class", id=3, name="fund-2")) == []
    found = told.one(OutageEnded(outage_ns=90 * 10**9, cancel_only_until_ns=NOW + DAY))
    assert found["kind"] == "incident" and "90 s" in found["text"] and found["to_ns"] == NOW + DAY
    assert told.run.notices == {}


def test_what_is_taken_are_events():
    assert set(notices.TAKEN) <= set(EVENTS) and AccountOpened not in notices.TAKEN


# --- operators' ---------------------------------------------------------------------------------------------------------------

SAID = Post(
    kind="incident",
    severity="warning",
    title="A feed is gone",
    text="Line one.\nLine two.",
    markets=("NVDA-PERP",),
)


@pytest.fixture
def book(tmp_path):
    found = NoticeBook.open(tmp_path)
    yield found
    found.close()


def test_a_notice_lives_and_ends(book, tmp_path):
    made = book.post(SAID, NOW)
    assert (made.notice, made.from_ns, made.state(NOW)) == ("o1", NOW, "current")
    book.update("o1", "More.", NOW + 1)
    over = book.resolve("o1", "Back.", NOW + 2)
    assert over.state(NOW + 2) == "over" and [one.text for one in over.updates] == ["More."]
    other = NoticeBook.open(tmp_path)
    assert other.page(None, 10, None) == [over] and other.page(None, 10, NOW + 2) == []
    other.close()


def test_changes_are_counted_and_each_is_found_once(book):
    count, found = book.changed(0)
    assert found == []
    for number in range(3):
        book.post(msgspec.structs.replace(SAID, title=f"{number}"), NOW + number)
    count, found = book.changed(count)
    assert [one.title for one in found] == ["0", "1", "2"]
    book.update("o2", "x", NOW)
    count, found = book.changed(count)
    assert [one.notice for one in found] == ["o2"]
    assert book.changed(count) == (count, [])


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 100])
def test_pages_are_whole_whatever_is_published_at_one_moment(tmp_path, limit):
    feed = Feed.open(tmp_path)
    for at in (0, 1, 1, 1, 2, 3, 3):
        feed.book.post(SAID, NOW + at)
    seen, before = [], 0
    while True:
        page = feed.page(before, limit)
        seen += page.notices
        before = page.next_ns
        if not before:
            break
    assert sorted(one.notice for one in seen) == [f"o{number}" for number in range(1, 8)]
    assert [one.published_ns for one in seen] == sorted((one.published_ns for one in seen), reverse=True)
    feed.close()


@pytest.mark.parametrize(
    ("from_ns", "to_ns", "at", "state"),
    [
        (NOW, 0, NOW, "current"),
        (NOW + 5, 0, NOW, "upcoming"),
        (NOW, NOW + 5, NOW + 4, "current"),
        (NOW, NOW + 5, NOW + 5, "over"),
    ],
)
def test_upcoming_current_over(book, from_ns, to_ns, at, state):
    assert book.post(msgspec.structs.replace(SAID, from_ns=from_ns, to_ns=to_ns), NOW).state(at) == state


@pytest.mark.parametrize(
    "change",
    [{"kind": "gossip"}, {"severity": "dire"}, {"title": ""}, {"title": "x" * 121}, {"title": "a\nb"}, {"text": "x" * 2001}, {"text": "\a"}, {"to_ns": NOW}],
)  # fmt: skip
def test_what_cannot_be_said(book, change):
    with pytest.raises(NoticeRefused) as refused:
        book.post(msgspec.structs.replace(SAID, **change), NOW)
    assert refused.value.rule is Rule.NOTICE_MUST_BE_POSSIBLE
    assert book.page(None, 10, None) == []


@pytest.mark.parametrize(
    ("notice", "rule"),
    [("v1-0", Rule.NOTICE_MUST_BE_AN_OPERATORS), ("o2", Rule.NOTICE_MUST_EXIST), ("", Rule.NOTICE_MUST_EXIST), ("o" + "9" * 30, Rule.NOTICE_MUST_EXIST)],
)  # fmt: skip
def test_what_is_not_there_is_not_changed(book, notice, rule):
    book.post(SAID, NOW)
    for change in (book.update, book.resolve):
        with pytest.raises(NoticeRefused) as refused:
            change(notice, "x", NOW)
        assert refused.value.rule is rule
