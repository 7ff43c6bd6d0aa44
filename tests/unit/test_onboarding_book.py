"""Onboarding without a venue: the table of states, what is kept, what is forgotten, and a log that misses nothing."""

import time
from contextlib import closing
from itertools import product

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novate.errors import ConfigError
from novate.identity import (
    Identity,
    IdentityRefused,
    KeyKind,
    KeyTerms,
    Scope,
    authorise,
    authorise_owner,
    verify_audit,
)
from novate.identity.sealing import Seal, SealBroken
from novate.messages.codes import HolderType
from novate.onboarding import service
from novate.onboarding.book import APPLICATIONS, DECIDE_NS, META, Book, Who
from novate.onboarding.engine import free_account
from novate.onboarding.people import FILE, People
from novate.onboarding.records import NEEDED, Document, Person, Terms, checked_reason, checked_terms
from novate.onboarding.refusals import OnboardingRefused, Rule
from novate.onboarding.service import CONSOLE, Onboarding
from novate.onboarding.states import OPEN, TABLE, Event, State, after

NOW = 1_767_623_400 * 10**9
ANNA, BORIS = Who(1, "key 1"), Who(2, "key 2")
PERSON = Person(name="Wilhelmina Featherstonehaugh", born="1970-01-01")
TERMS = Terms(
    holder_class=2, tier=2, expires_ns=NOW + 1, trial_order_cap=10, order_cap=100, test_asset=1, test_least=1, test_most=5
)  # fmt: skip

# state | events that lead on: event>state
SPEC = """
applied | document>applied complete>documents_complete refuse>refused withdraw>withdrawn expire>expired
documents_complete | complete>documents_complete classify>classified refuse>refused withdraw>withdrawn expire>expired
classified | complete>documents_complete classify>classified approve>approved_once refuse>refused withdraw>withdrawn expire>expired
approved_once | complete>documents_complete classify>classified approve>approved refuse>refused withdraw>withdrawn expire>expired
approved | deposit>funded_test refuse>refused expire>expired
funded_test | confirm>active refuse>refused expire>expired
"""


def spec():
    for line in SPEC.strip().splitlines():
        state, _, rest = line.partition("|")
        for word in rest.split():
            event, _, then = word.partition(">")
            yield (State(state.strip()), Event(event)), State(then)


def test_every_state_and_event_is_in_the_table_or_refused():
    wanted = dict(spec())
    assert wanted == TABLE
    for state, event in product(State, Event):
        if (state, event) in wanted:
            assert after(state, event) is wanted[state, event]
        else:
            with pytest.raises(OnboardingRefused) as refused:
                after(state, event)
            assert refused.value.rule is Rule.APPLICATION_MUST_BE_IN_THE_RIGHT_STATE


@settings(max_examples=200)
@given(st.lists(st.sampled_from(list(Event)), max_size=40))
def test_whatever_happens_nothing_is_active_without_two_approvals_of_the_same_terms(events):
    state, approvals, deposits = State.APPLIED, 0, 0
    for event in events:
        then = TABLE.get((state, event))
        if then is None:
            continue
        if event in {Event.CLASSIFY, Event.COMPLETE}:
            approvals = 0
        approvals += event is Event.APPROVE
        deposits += event is Event.DEPOSIT
        state = then
    if state in {State.APPROVED, State.FUNDED_TEST, State.ACTIVE}:
        assert approvals == 2
    if state is State.ACTIVE:
        assert deposits == 1


@pytest.fixture
def identity(tmp_path):
    with Identity.open(tmp_path, NOW, venue="test", chain_id=1) as found:
        found.store.add_owner(NOW, owner=7)
        yield found


@pytest.fixture
def onboarding(tmp_path, identity):
    found = Onboarding.open(tmp_path, identity)
    yield found
    found.close()


def paper(kind, expires_ns=0):
    return Document(
        kind=kind, reference=f"vault:{kind}", sha256="ab" * 32, received_ns=NOW, expires_ns=expires_ns
    )


def begun(onboarding, holder_type=HolderType.PERSON):
    return onboarding.apply(CONSOLE, 7, PERSON, holder_type, "DE", NOW).number


@pytest.mark.parametrize("holder_type", list(HolderType))
def test_documents_are_complete_when_every_kind_is_there_and_in_date(onboarding, holder_type):
    number = begun(onboarding, holder_type)
    first, *rest = NEEDED[holder_type]
    onboarding.document(number, paper(first, NOW + 10), CONSOLE, NOW)
    for kind in rest:
        found = onboarding.document(number, paper(kind), CONSOLE, NOW)
    assert found.state is State.DOCUMENTS_COMPLETE and found.missing(NOW) == ()
    assert found.missing(NOW + 10) == (first,)


def test_an_application_that_nobody_decides_expires(onboarding):
    number = begun(onboarding)
    onboarding.sweep(NOW + DECIDE_NS - 1)
    assert onboarding.book.get(number).state is State.APPLIED
    with pytest.raises(OnboardingRefused) as refused:
        onboarding.document(number, paper("identity"), CONSOLE, NOW + DECIDE_NS)
    assert refused.value.rule is Rule.APPLICATION_MUST_BE_IN_THE_RIGHT_STATE
    found = onboarding.book.get(number)
    assert found.state is State.EXPIRED and found.documents == ()
    assert onboarding.apply(CONSOLE, 7, PERSON, HolderType.PERSON, "DE", NOW).number != number


def test_a_decision_that_a_kill_kept_from_the_log_comes_with_the_next(onboarding, tmp_path):
    number = begun(onboarding)
    onboarding.book.step(
        number, Event.REFUSE, ANNA, "unknown register", NOW
    )  # without the log, as a kill leaves it
    assert "unknown register" not in (tmp_path / "audit.log").read_text()
    for _ in range(2):
        onboarding.sweep(NOW)
    text = (tmp_path / "audit.log").read_text()
    assert text.count("unknown register") == 1 and PERSON.name not in text
    assert verify_audit(tmp_path / "audit.log", Seal.open(tmp_path).key).whole


def test_a_kill_before_the_note_of_effects_leaves_none_of_them_out(onboarding, identity, monkeypatch):
    """Who reads that an application is carried finds account and limits as they should be; what is not noted is done again."""
    number = begun(onboarding)
    book, owner = onboarding.book, onboarding.book.get(number).owner
    book.step(number, Event.COMPLETE, CONSOLE, "seen", NOW)
    stated = {"terms": msgspec.json.encode(TERMS)}
    book.step(number, Event.CLASSIFY, ANNA, "seen", NOW, check=lambda _: stated)
    for event, who in (
        (Event.APPROVE, ANNA), (Event.APPROVE, BORIS), (Event.DEPOSIT, CONSOLE), (Event.CONFIRM, CONSOLE),
    ):  # fmt: skip
        book.step(number, event, who, "seen", NOW)
    identity.store.cap_owner(owner, TERMS.trial_order_cap)
    monkeypatch.setattr(service.engine, "carry_out", lambda *_: service.engine.Carried(70, 9, ""))
    note = book.note

    def killed(*_, **columns):
        raise KeyboardInterrupt if columns.get("carried") else AssertionError(columns)

    monkeypatch.setattr(book, "note", killed)
    with pytest.raises(KeyboardInterrupt):
        onboarding.settle(number, NOW)
    caps = identity.store.changes_after(-1).caps
    assert caps[owner] == TERMS.order_cap and identity.store.changes_after(-1).owners_of[70] == owner
    monkeypatch.setattr(book, "note", note)
    assert onboarding.settle(number, NOW).carried == State.ACTIVE


# state | carried | refused by the engine | deadline passed || due
DUE = """
applied        |             | no  | no  || no
approved_once  |             | no  | no  || no
approved_once  |             | no  | yes || yes
approved       |             | no  | no  || yes
approved       |             | yes | no  || no
approved       |             | yes | yes || yes
approved       | approved    | no  | no  || yes
funded_test    | approved    | no  | no  || yes
funded_test    | funded_test | no  | no  || yes
active         | funded_test | no  | no  || yes
active         | funded_test | yes | no  || no
active         | active      | no  | yes || no
refused        |             | no  | yes || no
expired        | approved    | no  | yes || no
"""


@pytest.mark.parametrize("line", DUE.strip().splitlines())
def test_only_what_may_be_due_is_looked_at(tmp_path, line):
    state, carried, refused, passed, _, due = (word.strip() for word in line.split("|"))
    with closing(Book.open(tmp_path)) as book:
        number = book.add(7, "ab" * 32, HolderType.PERSON, "DE", NOW).number
        problem = "no" if refused == "yes" else ""
        deadline = NOW if passed == "yes" else NOW + 1
        book.note(number, state=state, carried=carried, problem=problem, deadline_ns=deadline)
        assert book.due(NOW) == ([number] if due == "yes" else [])


def test_a_sweep_without_anything_due_writes_nothing(onboarding):
    begun(onboarding)

    def changes():
        with onboarding.book._engine.connect() as connection:
            return connection.execute(META.select()).one().changes

    before = changes()
    assert onboarding.sweep(NOW) == 0 and changes() == before


def test_all_applications_are_listed_also_beyond_a_page(tmp_path):
    with closing(Book.open(tmp_path)) as book:
        one = book.add(7, "ab" * 32, HolderType.PERSON, "DE", NOW)
        with book._engine.begin() as connection:
            row = dict(connection.execute(APPLICATIONS.select()).one()._mapping)
            connection.execute(
                APPLICATIONS.insert(), [{**row, "number": one.number + more} for more in range(1, 1_501)]
            )
        numbers = [found.number for found in book.each()]
        assert numbers == list(range(one.number, one.number + 1_501))
        assert not list(book.each(frozenset({State.ACTIVE})))


def test_an_account_is_the_owners_own_or_one_that_nobody_has():
    assert free_account({5: 1, 9: 7}, 7, ()) == 9
    assert free_account({5: 1, 9: 2}, 7, {12}) == 13
    assert free_account({}, 7, ()) == 1


def test_approvals_are_those_of_the_present_terms(tmp_path):
    book = Book.open(tmp_path)
    number = book.add(7, "ab" * 32, HolderType.PERSON, "DE", NOW).number
    for event, who in (
        (Event.COMPLETE, CONSOLE), (Event.CLASSIFY, ANNA), (Event.APPROVE, ANNA), (Event.CLASSIFY, ANNA), (Event.APPROVE, BORIS),
    ):  # fmt: skip
        found = book.step(number, event, who, "seen", NOW)
    assert [one.actor for one in found.approvals] == [2]
    assert len(found.decisions) == 5
    book.close()


def test_a_step_that_is_refused_leaves_nothing(tmp_path):
    book = Book.open(tmp_path)
    number = book.add(7, "ab" * 32, HolderType.PERSON, "DE", NOW).number
    before = book.get(number)

    def check(_):
        raise OnboardingRefused(Rule.TERMS_MUST_BE_POSSIBLE)

    for event, more in ((Event.CONFIRM, {"document": paper("identity")}), (Event.COMPLETE, {"check": check})):
        with pytest.raises(OnboardingRefused):
            book.step(number, event, ANNA, "no", NOW, **more)
    assert book.get(number) == before
    book.close()


def test_a_book_of_a_later_release_is_not_opened(tmp_path):
    book = Book.open(tmp_path)
    with book._engine.begin() as connection:
        connection.execute(META.insert().values(version=99, changes=0))
    book.close()
    with pytest.raises(ConfigError, match="version 99"):
        Book.open(tmp_path)


def test_a_person_is_sealed_salted_and_gone_once_erased(tmp_path):
    people = People.open(tmp_path, Seal.open(tmp_path))
    one, other = people.put(PERSON), people.put(PERSON)
    assert one != other, "the same name twice is two ids"
    raw = (tmp_path / FILE).read_bytes()
    assert PERSON.name.encode() not in raw and one.encode() in raw
    assert people.get(one) == PERSON
    assert people.erase(one) and not people.erase(one)
    assert people.get(one) is None and people.get(other) == PERSON
    assert one.encode() not in (tmp_path / FILE).read_bytes()
    people.close()
    (tmp_path / "other").mkdir()
    stranger = People.open(tmp_path, Seal.open(tmp_path / "other"))
    with pytest.raises(SealBroken):
        stranger.get(other)
    stranger.close()


@pytest.mark.parametrize("reason", ["", "x" * 257, "a\nb"])
def test_a_reason_is_there_short_and_plain(reason):
    with pytest.raises(OnboardingRefused) as refused:
        checked_reason(reason, None)
    assert refused.value.rule is Rule.REASON_MUST_BE_GIVEN


def test_a_reason_names_nobody():
    assert checked_reason("agrees with the register", PERSON)
    with pytest.raises(OnboardingRefused) as refused:
        checked_reason("spoke to FEATHERSTONEHAUGH", PERSON)
    assert refused.value.rule is Rule.REASON_MUST_NOT_NAME_THE_APPLICANT


@pytest.mark.parametrize(
    "change",
    [{"holder_class": 0}, {"expires_ns": NOW}, {"trial_order_cap": 0}, {"order_cap": 9}, {"test_least": 0}, {"test_most": 0}, {"tier": 256}],
)  # fmt: skip
def test_terms_that_cannot_be_are_refused(change):
    import msgspec

    assert checked_terms(TERMS, NOW) is TERMS
    with pytest.raises(OnboardingRefused) as refused:
        checked_terms(msgspec.structs.replace(TERMS, **change), NOW)
    assert refused.value.rule is Rule.TERMS_MUST_BE_POSSIBLE


def test_an_owner_cap_holds_for_every_key_and_at_once(identity):
    store, now = identity.store, time.time_ns()
    store.assign_account(70, 7)
    keys = [
        identity.create_key(None, KeyKind.HMAC, KeyTerms(owner=7, scopes=Scope.TRADE, cap_micro_usd=cap), now)
        for cap in (0, 500)
    ]

    def may(made, notional):
        who = identity.keyring.principal(identity.keyring.record(made.record.actor, now))
        try:
            authorise(who, "PlaceOrder", 70, 1, notional, owner_of=identity.keyring.owner_of)
        except IdentityRefused as refusal:
            return refusal.rule.label
        return ""

    too_much = "notional_must_not_exceed_cap"
    assert [may(key, 1_000) for key in keys] == ["", too_much]
    store.cap_owner(7, 100)
    assert [may(key, 100) for key in keys] == ["", ""]
    assert [may(key, 101) for key in keys] == [too_much, too_much]
    store.cap_owner(7, 0)
    assert [may(key, 1_000) for key in keys] == ["", too_much]
    with pytest.raises(IdentityRefused):
        store.cap_owner(8, 1)


def test_what_is_about_an_owner_is_authorised_by_owner(identity):
    now = time.time_ns()
    identity.store.assign_account(70, 7)
    made = identity.create_key(None, KeyKind.HMAC, KeyTerms(owner=7, scopes=Scope.ADMIN | Scope.READ), now)
    narrow = identity.create_key(
        None, KeyKind.HMAC, KeyTerms(owner=7, scopes=Scope.ADMIN, accounts=frozenset({70})), now
    )
    whole, part = (
        identity.keyring.principal(identity.keyring.record(one.record.actor, now)) for one in (made, narrow)
    )
    authorise_owner(whole, "onboarding.apply", 7)
    for who, owner in ((whole, 8), (whole, None), (whole, 0), (part, 7)):
        with pytest.raises(IdentityRefused) as refused:
            authorise_owner(who, "onboarding.apply", owner)
        assert refused.value.rule.label == "account_must_be_ones_own"
    with pytest.raises(IdentityRefused):
        authorise_owner(whole, "onboarding.decide", 7)


def test_open_states_are_those_that_can_expire():
    assert {state for state in State if (state, Event.EXPIRE) in TABLE} == OPEN
