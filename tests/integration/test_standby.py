"""A standby by the journal's frames: the same bytes on another home, nothing acknowledged lost, promoted by hand, and never two venues."""

import signal
import socket
import sqlite3
import threading
import time
from contextlib import closing, suppress

import pytest

from novate.core_process import CoreClient, CoreGone, Refusal
from novate.core_process.shipping import read_shipping
from novate.identity import Identity, KeyKind, KeyTerms, Scope, verify_audit
from novate.identity.nonces import NonceJournal
from novate.journal.terms import current_term, fence_of, follows, terms_of
from novate.standby.process import read_standby
from standbys import Load, Pair, eventually, frames, novate, numbered, pair, replayed, segments, verified

SYNC = ("--standby", "sync")


def tcp_of(both: Pair) -> str:
    """The core's address of TCP; its key is copied to the standby, as an operator does."""
    both.two.mkdir()
    (both.two / "standby.key").write_text((both.one / "standby.key").read_text())
    return next(address for address in read_shipping(both.one)["addresses"] if ":" in address)


@pytest.mark.parametrize("by_tcp", [False, True])
def test_a_killed_core_loses_nothing_that_it_acknowledged_and_its_standby_answers_the_same(tmp_path, by_tcp):
    with pair(tmp_path) as both:
        core = both.core(None, *SYNC, *(("--ship-from", "127.0.0.1:0") if by_tcp else ()))
        both.standby(of=tcp_of(both) if by_tcp else None)
        load = Load(both.one / "core.sock")
        load.reach(500)
        core.kill()
        acked = load.end()
        status, told = novate("promote", str(both.two), "--reason", "the core was killed", "--by", "a test")
        assert status == 0, told
        assert (told["term"], told["clean"], told["core_reached"]) == (2, False, False)
        answered = replayed(both.two)
        assert {request: answered[request] for request in acked} == acked
        one, two = frames(both.one), frames(both.two)
        assert two == one[: len(two)] and len(one) - len(two) <= 1, "all but the frame in flight"
        begun = [(term.term, term.by, term.reason) for term in terms_of(both.two)]
        assert begun == [(2, "a test", "the core was killed")]
        state = verified(both.two).state_hash
        if two == one:
            assert state == verified(both.one).state_hash
        both.core(both.two)
        with CoreClient.connect(both.two / "core.sock") as client:
            assert client.submit(numbered(9_999_999)).commands == 1


def test_a_switch_as_planned_ends_the_old_core_which_never_serves_again_and_may_follow(tmp_path):
    with pair(tmp_path) as both:
        core, standby = both.core(None, *SYNC, "--standby-wait", "30"), both.standby()
        load = Load(both.one / "core.sock")
        load.reach(200)
        status, told = novate("promote", str(both.two), "--reason", "too early")
        assert (
            status == 1
            and told["error"]["code"] == "promotion_refused"
            and "--take-over" in told["error"]["sentence"]
        )
        standby.end()
        status, told = novate("promote", str(both.two), "--reason", "too early", "--take-over")
        assert status == 1 and "would be missing" in told["error"]["sentence"]
        assert follows(both.two) is not None and current_term(both.two) == 1, "nothing has changed"
        standby = both.standby()
        load.reach(len(load.acked) + 50)
        status, told = novate("promote", str(both.two), "--reason", "a new machine", "--take-over")
        assert status == 0, (told, standby.words, core.words)
        acked = load.end()
        assert (told["clean"], told["core_reached"]) == (True, True)
        assert core.wait() == 0 and standby.wait() == 0
        assert segments(both.one) == segments(both.two), "the same files, to the byte"
        assert set(acked) <= set(replayed(both.two))
        assert fence_of(both.one).term == 2
        status, told = novate("core", str(both.one))
        assert status == 1 and told["error"]["code"] == "home_fenced"

        both.core(both.two, *SYNC)
        with CoreClient.connect(both.two / "core.sock") as client:
            both.standby(home=both.one, of=str(both.two))
            eventually(lambda: read_shipping(both.two)["state"] == "in step")
            client.submit(numbered(8_000_000, 3))
        assert fence_of(both.one) is None and current_term(both.one) == 2
        status, told = novate("core", str(both.one))
        assert status == 1 and told["error"]["code"] == "home_is_standby"
        eventually(lambda: frames(both.one) == frames(both.two))


def test_a_standby_catches_up_from_nothing_and_from_what_it_has_after_it_was_killed(tmp_path):
    with pair(tmp_path) as both:
        both.core(None, "--standby", "async")
        load = Load(both.one / "core.sock")
        load.reach(300)
        for _ in range(3):
            standby = both.standby()
            known = len(load.acked)
            load.reach(known + 200)
            standby.kill()
        load.reach(len(load.acked) + 200)
        standby = both.standby()
        load.end()
        said = both.in_step()
        assert said["lag_commands"] == 0
        said = eventually(
            lambda: (s := read_standby(both.two)) and s["state_hash_sequence"] == s["applied"] and s
        )
        with CoreClient.connect(both.one / "core.sock"):
            assert verified(both.one).state_hash == said["state_hash"]
        assert standby.end() == 0
        assert segments(both.one) == segments(both.two)
        assert frames(both.one) == frames(both.two)


def test_a_stopped_standby_makes_the_core_refuse_and_when_it_goes_on_so_does_the_venue(tmp_path):
    with pair(tmp_path) as both:
        core, standby = both.core(None, *SYNC, "--standby-wait", "0.5"), both.standby()
        load = Load(both.one / "core.sock")
        load.reach(100)
        standby.signal(signal.SIGSTOP)

        def acknowledged_while_refused():
            """How much came through while thirty were refused."""
            known, refused = len(load.acked), len(load.refused)
            eventually(lambda: len(load.refused) >= refused + 30)
            return len(load.acked) - known

        eventually(lambda: not acknowledged_while_refused())  # what was on its way may still arrive
        assert load.refused[-1].facts["refusal"] == Refusal.STANDBY_IS_AWAITED
        eventually(lambda: read_shipping(both.one)["refusing"])
        assert not acknowledged_while_refused(), "nothing is acknowledged meanwhile"
        known = len(load.acked)
        standby.signal(signal.SIGCONT)
        load.reach(known + 100)
        acked = load.end()
        assert core.said("ALARM: the standby is gone") and core.said("in step again")
        core.kill()
        assert novate("promote", str(both.two), "--reason", "killed")[0] == 0
        answered = replayed(both.two)
        assert {request: answered[request] for request in acked} == acked


def test_a_venue_that_may_go_on_without_its_standby_says_so_and_waits_for_it_again_later(tmp_path):
    with pair(tmp_path) as both:
        core = both.core(None, *SYNC, "--standby-wait", "2", "--standby-lost", "continue")
        standby = both.standby()
        load = Load(both.one / "core.sock")
        load.reach(100)
        standby.kill()
        load.reach(len(load.acked) + 200)
        assert not load.refused
        assert core.said("the venue goes on WITHOUT it")
        eventually(lambda: read_shipping(both.one)["alone"])
        both.standby()
        eventually(lambda: core.said("in step again"))
        known = len(load.acked)
        load.reach(known + 100)
        # A busy machine may leave it behind once more.
        eventually(lambda: not read_shipping(both.one)["alone"])
        core.kill()
        acked = load.end()
        assert novate("promote", str(both.two), "--reason", "killed")[0] == 0
        assert set(acked) <= set(replayed(both.two)), "what was answered meanwhile was shipped afterwards"


def test_a_core_that_is_ended_while_a_frame_waits_tells_nobody_and_gives_it_to_the_standby_later(tmp_path):
    with pair(tmp_path) as both:
        core, standby = both.core(None, *SYNC, "--standby-wait", "0.5"), both.standby()
        both.in_step()
        standby.signal(signal.SIGSTOP)
        with CoreClient.connect(both.one / "core.sock") as client:
            client.send(numbered(1, 3))
            eventually(lambda: read_shipping(both.one)["refusing"])
            assert core.end() == 1 and core.said("standby_lost")
            with pytest.raises(CoreGone):
                client.receive()
        standby.signal(signal.SIGCONT)
        both.core(None, *SYNC)
        eventually(lambda: read_shipping(both.one)["state"] == "in step")
        eventually(lambda: {1, 2, 3} <= set(replayed(both.two)))
        assert frames(both.one) == frames(both.two)


class Cutter:
    """A proxy that cuts the connection after so many bytes of the core's, in the middle of whatever they are."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.limit = 0
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._path.rsplit(":", 1))
            threading.Thread(target=self._pass, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(far, near, True), daemon=True).start()

    def _pass(self, of: socket.socket, to: socket.socket, cut: bool) -> None:
        passed = 0
        try:
            while chunk := of.recv(1 << 16):
                if cut and self.limit and passed + len(chunk) > self.limit:
                    to.sendall(chunk[: self.limit - passed])
                    self.cuts += 1
                    break
                to.sendall(chunk)
                passed += len(chunk)
        except OSError:
            pass
        for sock in (of, to):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def close(self) -> None:
        self._listener.close()


def test_a_frame_that_is_cut_on_its_way_is_nothing_and_comes_whole_the_next_time(tmp_path):
    with pair(tmp_path) as both:
        both.core(None, *SYNC, "--ship-from", "127.0.0.1:0", "--standby-wait", "30")
        cutter = Cutter(tcp_of(both))
        cutter.limit = 7_001
        both.standby(of=cutter.address)
        load = Load(both.one / "core.sock", threads=2, size=20)
        eventually(lambda: cutter.cuts >= 5)
        cutter.limit = 0
        load.reach(len(load.acked) + 100)
        acked = load.end()
        both.in_step()
        assert frames(both.one) == frames(both.two)
        answered = replayed(both.two)
        assert {request: answered[request] for request in acked} == acked
        cutter.close()


def test_an_old_core_with_a_tail_of_its_own_is_told_where_it_parts_and_follows_only_once_that_is_put_aside(
    tmp_path,
):
    with pair(tmp_path) as both:
        core = both.core(None, "--standby", "async")
        standby = both.standby()
        with CoreClient.connect(both.one / "core.sock") as client:
            client.submit(numbered(1, 5))
            both.in_step()
            standby.kill()
            for first in range(10, 40, 10):
                client.submit(numbered(first, 10))  # the standby never gets these
        core.kill()
        assert novate("promote", str(both.two), "--reason", "the machine is lost")[0] == 0
        common = len(frames(both.two))
        both.core(both.two, *SYNC)

        status, told = novate("standby", str(both.one), "--of", str(both.two))
        assert status == 1 and told["error"]["code"] == "standby_diverged"
        assert told["error"]["commands"] == 30 and told["error"]["frames"] == 3
        assert told["error"]["common"] == terms_of(both.two)[-1].sequence == 6
        assert len(frames(both.one)) == common + 3, "nothing was cut unasked"

        both.standby("--set-aside", home=both.one, of=str(both.two))
        eventually(lambda: read_shipping(both.two)["state"] == "in step")
        with CoreClient.connect(both.two / "core.sock") as client:
            client.submit(numbered(50, 5))
        eventually(lambda: frames(both.one) == frames(both.two))
        kept = [path for path in (both.one / "journal").iterdir() if path.suffix in {".cut", ".parted"}]
        assert kept and sum(path.stat().st_size for path in kept) > 30 * 48, "every byte is kept"
        assert {10, 20, 39}.isdisjoint(replayed(both.one))


def test_nobody_follows_a_core_whose_turn_is_over_and_nobody_without_the_key_is_shipped_to(tmp_path):
    with pair(tmp_path) as both:
        core = both.core(None, "--standby", "async", "--ship-from", "127.0.0.1:0")
        address = tcp_of(both)
        standby = both.standby(of=address)
        both.in_step()
        three = tmp_path / "three"
        status, told = novate("standby", str(three), "--of", address)
        assert status == 1 and "standby.key" in told["error"]["sentence"]
        three.mkdir(exist_ok=True)
        (three / "standby.key").write_text("11" * 32)
        status, told = novate("standby", str(three), "--of", address)
        assert (
            status == 1
            and told["error"]["code"] == "shipping_denied"
            and "has not the key" in told["error"]["sentence"]
        )
        assert not list(three.glob("journal/*.log"))
        second = both.start("standby", str(three), "--of", str(both.one))
        eventually(lambda: second.said("follows already"))  # and waits in line
        assert second.end() == 0

        core.kill()  # out of reach, as far as the standby can tell
        assert novate("promote", str(both.two), "--reason", "out of reach")[0] == 0
        assert standby.wait() == 0
        both.core(None, "--standby", "async")  # the old one comes back by itself
        status, told = novate("standby", str(both.two), "--of", str(both.one))
        assert status == 1 and told["error"]["code"] in {"old_term", "shipping_denied"}
        assert "turn is over" in told["error"]["sentence"]


def test_keys_made_and_ended_while_it_follows_are_known_to_it_and_what_was_signed_before_counts_no_more(
    tmp_path,
):
    with pair(tmp_path) as both:
        core = both.core(None, *SYNC)
        now = time.time_ns()
        with Identity.open(both.one, now, venue="v", chain_id=1) as identity:
            terms = KeyTerms(owner=0, scopes=Scope.of("read"), label="early")
            early = identity.create_key(None, KeyKind.HMAC, terms, now).record.actor
        both.two.mkdir()
        (both.two / "identity.key").write_bytes((both.one / "identity.key").read_bytes())
        (both.two / "identity.key").chmod(0o600)
        both.standby()
        with Identity.open(both.one, now, venue="v", chain_id=1) as identity:
            late = identity.create_key(None, KeyKind.HMAC, terms, now).record.actor
            identity.revoke_key(None, early, now + 1)

        def copied() -> bool:
            with suppress(sqlite3.Error), closing(sqlite3.connect(both.two / "identity.db")) as database:
                return (
                    len(database.execute("select 1 from identity_keys where revoked_ns > 0").fetchall()) == 1
                )
            return False

        eventually(copied)
        core.kill()
        status, told = novate("promote", str(both.two), "--reason", "killed", "--by", "ann")
        assert status == 0, told
        promoted = time.time_ns()
        with Identity.open(both.two, promoted, venue="v", chain_id=1) as identity:
            lives = {one.actor: not one.revoked_ns for one in identity.store.keys()}  # noqa: SIM118 - a query
        assert lives == {early: False, late: True}
        nonces = NonceJournal.open(both.two / "nonces", promoted)
        assert now < nonces.floor_ns <= promoted
        nonces.close()
        log = (both.two / "audit.log").read_text()
        assert '"promoted"' in log and '"ann"' in log
        assert verify_audit(both.two / "audit.log").whole
