"""What must hold of identities for any input: nonces once, audit records for ever, one string per request, budgets per owner."""

import itertools
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from novate.identity import (
    AuditDamaged,
    BudgetLimits,
    Budgets,
    Credentials,
    IdentityRefused,
    Limit,
    Principal,
    PrincipalKind,
    Rule,
    SignedRequest,
    canonical_string,
    credentials_from,
    headers_of,
    verify_audit,
)
from novate.identity.audit import AuditLog
from novate.identity.nonces import SECOND, NonceJournal

KEY = bytes(range(32))
NOW = 1_800_000_000 * SECOND
WINDOW = 60 * SECOND


def refusal_of(call: Callable[[], object]) -> IdentityRefused | None:
    try:
        call()
    except IdentityRefused as refusal:
        return refusal
    return None


# --- nonces ------------------------------------------------------------------------------------------------------------


class Nonces(RuleBasedStateMachine):
    """Two gateways of one home, restarts, clock steps and time: no signed (signer, nonce, timestamp) is taken twice, ever."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.now = NOW
        self.taken: set[tuple[int, int, int]] = set()
        self.boots = 0
        self.boot = (b"first", NOW - 3_600 * SECOND)
        self.gateways: list[NonceJournal] = []

    def opened(self) -> NonceJournal:
        journal = NonceJournal(self.folder, window_ns=WINDOW, boot=lambda: self.boot)
        journal.start(self.now)
        return journal

    @initialize()
    def begin(self) -> None:
        self.gateways = [self.opened(), self.opened()]

    @rule(at=st.integers(0, 1), signer=st.integers(1, 2), nonce=st.integers(0, 3), age=st.integers(-70, 70))
    def take(self, at: int, signer: int, nonce: int, age: int) -> None:
        timestamp = self.now - age * SECOND
        request = (signer, nonce, timestamp)
        live = {one for one in self.taken if abs(one[2] - self.now) <= WINDOW}
        met = refusal_of(lambda: self.gateways[at].take(signer, nonce, timestamp, self.now))
        if met is None:
            assert request not in self.taken
            assert (signer, nonce) not in {one[:2] for one in live}
            self.taken.add(request)
        elif met.rule is Rule.TIMESTAMP_MUST_BE_IN_WINDOW:
            assert abs(age) * SECOND > WINDOW or timestamp < self.gateways[at].floor_ns
            assert met.facts["server_time_ns"] == self.now
        else:
            assert met.rule is Rule.DUPLICATE_NONCE
            assert (signer, nonce) in {one[:2] for one in self.taken}

    @rule(at=st.integers(0, 1))
    def replay_everything(self, at: int) -> None:
        for signer, nonce, timestamp in self.taken:
            with pytest.raises(IdentityRefused):
                self.gateways[at].take(signer, nonce, timestamp, self.now)

    @rule(seconds=st.integers(1, 200))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule(seconds=st.integers(1, 4_000))
    def step_the_clock_back(self, seconds: int) -> None:
        self.now -= seconds * SECOND

    @rule(at=st.integers(0, 1))
    def restart(self, at: int) -> None:
        self.gateways[at].close()
        self.gateways[at] = self.opened()

    @rule()
    def lose_power(self) -> None:
        """All that was written is lost, but for what was synced: the state."""
        for gateway in self.gateways:
            gateway.close()
        for path in self.folder.glob("nonces-*"):
            path.unlink()
        latest = max((timestamp for _, _, timestamp in self.taken), default=self.now)
        self.now = max(self.now, latest - WINDOW) + SECOND  # the clock of the next boot has not gone back
        self.boots += 1
        self.boot = (b"boot %d" % self.boots, self.now)
        self.gateways = [self.opened(), self.opened()]

    @invariant()
    def memory_is_bounded_by_the_window(self) -> None:
        for gateway in self.gateways:
            assert gateway.held <= 2 * 4 * 4

    def teardown(self) -> None:
        for gateway in self.gateways:
            gateway.close()
        shutil.rmtree(self.folder)


TestNonces = Nonces.TestCase
TestNonces.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_any_order_of_nonces_in_the_window_is_taken(tmp_path: Path) -> None:
    journal = NonceJournal.open(tmp_path, NOW)
    for nonce in (5, 3, 4, 2**64 - 1, 0):
        journal.take(1, nonce, NOW, NOW)
        journal.take(2, nonce, NOW, NOW)
    journal.close()


def test_the_edges_of_the_window(tmp_path: Path) -> None:
    journal = NonceJournal.open(tmp_path, NOW, window_ns=WINDOW)
    journal.take(1, 1, NOW - WINDOW, NOW)
    journal.take(1, 2, NOW + WINDOW, NOW)
    for timestamp in (NOW - WINDOW - 1, NOW + WINDOW + 1):
        with pytest.raises(IdentityRefused) as found:
            journal.take(1, 3, timestamp, NOW)
        assert found.value.rule is Rule.TIMESTAMP_MUST_BE_IN_WINDOW
    journal.take(1, 4, NOW, NOW, expires_after_ns=NOW)
    with pytest.raises(IdentityRefused) as found:
        journal.take(1, 5, NOW, NOW, expires_after_ns=NOW - 1)
    assert found.value.rule is Rule.REQUEST_MUST_NOT_BE_EXPIRED
    journal.close()


def test_memory_and_disk_are_bounded_and_pruned(tmp_path: Path) -> None:
    journal = NonceJournal.open(tmp_path, NOW, window_ns=WINDOW, most_per_signer=10, most=15)
    for nonce in range(10):
        journal.take(1, nonce, NOW, NOW)
    for signer, nonce in [(1, 10), *((2, nonce) for nonce in range(5)), (3, 0)]:
        if signer == 2:
            journal.take(signer, nonce, NOW, NOW)
            continue
        with pytest.raises(IdentityRefused) as found:
            journal.take(signer, nonce, NOW, NOW)
        assert found.value.rule is Rule.NONCES_MUST_FIT_THE_WINDOW
        assert found.value.rule.retryable
    later = NOW + 5 * WINDOW
    journal.take(1, 0, later, later)
    assert journal.held == 1
    assert len(list(tmp_path.glob("nonces-*"))) <= 3
    journal.close()


def test_a_torn_record_is_cut_and_a_changed_one_stops(tmp_path: Path) -> None:
    from novate.identity.nonces import NonceJournalDamaged

    journal = NonceJournal.open(tmp_path, NOW)
    journal.take(1, 1, NOW, NOW)
    journal.close()
    path = next(path for path in tmp_path.glob("nonces-*") if path.stat().st_size)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:17])
    journal = NonceJournal.open(tmp_path, NOW)
    with pytest.raises(IdentityRefused):
        journal.take(1, 1, NOW, NOW)
    journal.take(1, 2, NOW, NOW)
    journal.close()
    path.write_bytes(bytes((whole[0] ^ 1,)) + path.read_bytes()[1:])
    with pytest.raises(NonceJournalDamaged):
        NonceJournal.open(tmp_path, NOW)


def test_a_state_that_cannot_be_read_lets_nothing_old_in(tmp_path: Path) -> None:
    journal = NonceJournal.open(tmp_path, NOW)
    journal.take(1, 1, NOW, NOW)
    journal.close()
    for damage in (b"", b"\0" * 48):
        (tmp_path / "state").write_bytes(damage)
        journal = NonceJournal.open(tmp_path, NOW)
        with pytest.raises(IdentityRefused):
            journal.take(1, 2, NOW, NOW)
        journal.close()


def _race(folder: Path, take: int, queue) -> None:
    journal = NonceJournal.open(folder, NOW)
    won = []
    for nonce in range(take):
        try:
            journal.take(1, nonce, NOW, NOW)
            won.append(nonce)
        except IdentityRefused:
            pass
    queue.put(won)


def test_racing_processes_take_each_nonce_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    racers = [context.Process(target=_race, args=(tmp_path, 2_000, queue)) for _ in range(4)]
    for racer in racers:
        racer.start()
    won = [queue.get(timeout=60) for _ in racers]
    for racer in racers:
        racer.join()
    assert sorted(itertools.chain(*won)) == list(range(2_000))


# --- the audit log -------------------------------------------------------------------------------------------------------


def write_log(home: Path, count: int) -> list[bytes]:
    log = AuditLog.open(home, KEY)
    for number in range(count):
        log.record(
            "login", NOW + number, actor=number, sequence=number, address=f"10.0.0.{number}", wait=True
        )
    log.close()
    return (home / "audit.log").read_bytes().splitlines(keepends=True)


def restored(home: Path, lines: list[bytes]) -> tuple[bool, bool]:
    """Whether the log with these lines passes, with and without the key."""
    (home / "audit.log").write_bytes(b"".join(lines))
    return verify_audit(home / "audit.log", KEY).whole, verify_audit(home / "audit.log").whole


def test_every_drop_reorder_and_edit_of_any_record_is_found(tmp_path: Path) -> None:
    lines = write_log(tmp_path, 12)
    assert restored(tmp_path, lines) == (True, True)
    for at in range(12):
        assert restored(tmp_path, lines[:at] + lines[at + 1 :]) == (False, False), f"dropped {at}"
        assert restored(tmp_path, [*lines[:at], lines[at], *lines[at:]]) == (False, False), f"doubled {at}"
        assert restored(tmp_path, lines[:at]) == (False, False), f"cut at {at}"
    for one, other in itertools.combinations(range(12), 2):
        swapped = list(lines)
        swapped[one], swapped[other] = swapped[other], swapped[one]
        assert restored(tmp_path, swapped) == (False, False), f"swapped {one} and {other}"
    assert restored(tmp_path, lines) == (True, True)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_changed_byte_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    global _LOG  # noqa: PLW0603 - written once for all examples
    if not _LOG or not _LOG[0].exists():
        home = tmp_path_factory.mktemp("audit")
        _LOG = (home, b"".join(write_log(home, 5)))
    home, whole = _LOG
    at = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))
    assert restored(home, [whole[:at] + bytes((byte,)) + whole[at + 1 :]]) == (False, False)


_LOG: tuple[Path, bytes] | tuple[()] = ()


def test_a_chain_written_anew_without_the_key_is_found_with_it(tmp_path: Path) -> None:
    """The forger recomputes every hash and the head; only the key tells."""
    forged_home, home = tmp_path / "forged", tmp_path / "own"
    forged_home.mkdir()
    home.mkdir()
    write_log(home, 5)
    forger = AuditLog.open(forged_home, b"another key of thirty-two bytes.")
    for number in range(5):
        forger.record("login", NOW + number, actor=99, wait=True)
    forger.close()
    for name in ("audit.log", "audit.head"):
        shutil.copy(forged_home / name, home / name)
    assert verify_audit(home / "audit.log").whole
    report = verify_audit(home / "audit.log", KEY)
    assert len(report.damage) == 6
    with pytest.raises(AuditDamaged):
        AuditLog.open(home, KEY)


def test_a_log_goes_on_after_a_torn_line_and_after_a_late_head(tmp_path: Path) -> None:
    write_log(tmp_path, 3)
    head = (tmp_path / "audit.head").read_bytes()
    log = AuditLog.open(tmp_path, KEY)
    log.record("login", NOW, wait=True)
    log.close()
    (tmp_path / "audit.head").write_bytes(head)  # the process died between the log and its head
    with (tmp_path / "audit.log").open("ab") as torn:
        torn.write(b'{"number":5,"time')
    log = AuditLog.open(tmp_path, KEY)
    log.record("login", NOW, wait=True)
    log.close()
    report = verify_audit(tmp_path / "audit.log", KEY)
    assert (report.records, report.damage) == (5, ())


def test_a_missing_end_or_head_does_not_open(tmp_path: Path) -> None:
    lines = write_log(tmp_path, 3)
    (tmp_path / "audit.log").write_bytes(b"".join(lines[:2]))
    with pytest.raises(AuditDamaged):
        AuditLog.open(tmp_path, KEY)
    (tmp_path / "audit.log").write_bytes(b"".join(lines))
    os.truncate(tmp_path / "audit.head", 0)
    with pytest.raises(AuditDamaged):
        AuditLog.open(tmp_path, KEY)


def test_two_writers_make_one_chain(tmp_path: Path) -> None:
    logs = [AuditLog.open(tmp_path, KEY) for _ in range(2)]
    for number in range(100):
        logs[number % 2].record("login", NOW + number, wait=number % 7 == 0)
    for log in logs:
        log.close()
    assert verify_audit(tmp_path / "audit.log", KEY) == verify_audit(tmp_path / "audit.log")
    assert verify_audit(tmp_path / "audit.log", KEY).records == 100


# --- the canonical string ------------------------------------------------------------------------------------------------

PATHS = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30).map("/".__add__)
REQUESTS = st.tuples(
    st.sampled_from(["venue", "venue2"]), st.integers(0, 2**64 - 1), st.sampled_from(["GET", "POST", "DELETE", "LOGIN"]), PATHS,
    st.integers(0, 2**63 - 1), st.integers(0, 2**64 - 1), st.binary(max_size=20), st.integers(0, 2**63 - 1),
)  # fmt: skip


@given(REQUESTS, REQUESTS)
def test_different_requests_have_different_strings(one: tuple, other: tuple) -> None:
    assert (canonical_string(*one) == canonical_string(*other)) == (one == other)


@given(REQUESTS, st.integers(0, 7), st.data())
def test_one_changed_part_changes_the_string(request: tuple, at: int, data: st.DataObject) -> None:
    changed = (*request[:at], data.draw(REQUESTS)[at], *request[at + 1 :])
    assert (canonical_string(*changed) == canonical_string(*request)) == (changed == request)


@pytest.mark.parametrize(
    ("method", "target"),
    [("get", "/"), ("GET\n", "/"), ("GET", "x"), ("GET", "/a\nb"), ("GET", "/a b"), ("GET", "/é"), ("", "/")],
)
def test_what_no_request_line_holds_is_not_signed(method: str, target: str) -> None:
    with pytest.raises(IdentityRefused) as found:
        canonical_string("venue", 1, method, target, 1, 1)
    assert found.value.rule is Rule.CREDENTIALS_MUST_BE_WELL_FORMED


@given(st.builds(
    Credentials, st.integers(0, 2**64 - 1), st.integers(0, 2**63 - 1), st.integers(0, 2**64 - 1),
    st.binary(min_size=32, max_size=32) | st.binary(min_size=64, max_size=64), st.integers(0, 2**63 - 1),
))  # fmt: skip
def test_credentials_travel_as_headers(given_credentials: Credentials) -> None:
    assert credentials_from(headers_of(given_credentials)) == given_credentials


@given(
    st.sampled_from(
        ["novate-key", "novate-timestamp", "novate-nonce", "novate-signature", "novate-expires-after"]
    ),
    st.data(),
)
def test_malformed_credentials_are_named(name: str, data: st.DataObject) -> None:
    headers = headers_of(Credentials(1, 2, 3, bytes(32), 4))
    bad = data.draw(
        st.sampled_from(["", "-1", "+1", "1.0", "0x1", " 1", "1_0", "01", "١", "9" * 20, "A" * 64, "ab" * 33])
    )
    with pytest.raises(IdentityRefused) as found:
        credentials_from(headers | {name: bad})
    assert found.value.rule is Rule.CREDENTIALS_MUST_BE_WELL_FORMED
    assert found.value.facts["field"] == name


def test_no_credentials_are_none_and_a_part_of_them_is_an_error() -> None:
    assert credentials_from({}) is None
    headers = headers_of(Credentials(1, 2, 3, bytes(32)))
    for name in headers:
        with pytest.raises(IdentityRefused):
            credentials_from({key: value for key, value in headers.items() if key != name})


def test_a_signed_request_is_hashable_and_equal_by_value() -> None:
    one = SignedRequest("GET", "/", b"", Credentials(1, 2, 3, b""))
    assert {one} == {SignedRequest("GET", "/", b"", Credentials(1, 2, 3, b""))}


# --- rate budgets --------------------------------------------------------------------------------------------------------

LIMITS = BudgetLimits(
    key=Limit(10, 20),
    owner=Limit(15, 30),
    key_relief=Limit(50, 100),
    owner_relief=Limit(75, 150),
    address=Limit(5, 10),
)


def who(actor: int, owner: int) -> Principal:
    return Principal(kind=PrincipalKind.KEY, actor=actor, owner=owner)


def taken(budgets: Budgets, requests: list[tuple[Principal, int, dict]]) -> list[bool]:
    found = [
        refusal_of(lambda: budgets.spend(principal, now, **options))  # noqa: B023 - called at once
        for principal, now, options in requests
    ]
    assert {met.rule for met in found if met} <= {Rule.RATE_MUST_NOT_EXCEED_BUDGET}
    return [met is None for met in found]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 10**8)), min_size=1, max_size=400))
def test_many_keys_of_one_owner_have_one_owners_budget(steps: list[tuple[int, int]]) -> None:
    """Whatever keys it spreads its requests over: never more than burst + rate x time of the owner, nor of any key."""
    budgets, now, times = Budgets(LIMITS), NOW, []
    for key, gap in steps:
        now += gap
        if taken(budgets, [(who(key, 1), now, {})]) == [True]:
            times.append((now, key))
    for start, end in itertools.combinations_with_replacement(range(0, len(times), 7), 2):
        span = times[end][0] - times[start][0]
        assert end - start + 1 <= 30 + -(-15 * span // SECOND) + 1
        for key in {key for _, key in times[start : end + 1]}:
            of_key = sum(1 for _, other in times[start : end + 1] if other == key)
            assert of_key <= 20 + -(-10 * span // SECOND) + 1


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.booleans())
def test_the_remaining_figure_is_what_can_be_spent(weight: int, relief: bool) -> None:
    budgets = Budgets(LIMITS)
    most = 100 if relief else 20
    left = most
    while left >= weight:
        standing = budgets.spend(who(1, 1), NOW, weight=weight, relief=relief)
        left -= weight
        assert (standing.limit, standing.remaining) == (most, left)
    with pytest.raises(IdentityRefused) as found:
        budgets.spend(who(1, 1), NOW, weight=weight, relief=relief)
    assert found.value.facts["remaining"] == left
    if weight <= most:
        wait = int(found.value.facts["retry_after_ns"])
        assert taken(budgets, [(who(1, 1), NOW + wait - 1, {"weight": weight, "relief": relief})]) == [False]
        assert taken(budgets, [(who(1, 1), NOW + wait, {"weight": weight, "relief": relief})]) == [True]


def test_cancels_go_through_when_orders_do_not() -> None:
    budgets = Budgets(LIMITS)
    assert taken(budgets, [(who(1, 1), NOW, {})] * 25) == [True] * 20 + [False] * 5
    assert taken(budgets, [(who(1, 1), NOW, {"relief": True})] * 101) == [True] * 100 + [False]


def test_a_refused_request_costs_nothing() -> None:
    budgets = Budgets(LIMITS)
    taken(budgets, [(who(1, 1), NOW, {})] * 200)
    assert taken(budgets, [(who(2, 1), NOW, {})] * 11) == [True] * 10 + [False]


def test_strangers_pay_by_network() -> None:
    nobody = Principal(kind=PrincipalKind.ANONYMOUS)
    budgets = Budgets(LIMITS)
    household = [f"2001:db8:1:2::{number:x}" for number in range(1, 13)]
    assert (
        taken(budgets, [(nobody, NOW, {"address": address}) for address in household])
        == [True] * 10 + [False] * 2
    )
    assert taken(budgets, [(nobody, NOW, {"address": "2001:db8:1:3::1"})]) == [True]
    mapped = [("10.0.0.1", "::ffff:10.0.0.1")[number % 2] for number in range(12)]
    assert (
        taken(budgets, [(nobody, NOW, {"address": address}) for address in mapped])
        == [True] * 10 + [False] * 2
    )


def test_memory_is_bounded_and_the_busy_are_remembered() -> None:
    import dataclasses

    budgets = Budgets(dataclasses.replace(LIMITS, most_buckets=100))
    nobody = Principal(kind=PrincipalKind.ANONYMOUS)
    taken(budgets, [(who(1, 1), NOW, {})] * 20)
    taken(
        budgets,
        [(nobody, NOW, {"address": f"10.0.{number // 256}.{number % 256}"}) for number in range(1_000)],
    )
    assert len(budgets._full_at) <= 102
    assert taken(budgets, [(who(1, 1), NOW, {})]) == [False]


def test_gateways_share_a_budget() -> None:
    part = LIMITS.of_one_in(4)
    assert (part.key, part.owner) == (Limit(3, 5), Limit(4, 8))
