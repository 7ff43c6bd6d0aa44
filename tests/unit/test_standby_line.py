"""A standby's line to its core that breaks anywhere, and what is sent beside frames: nothing lost, nothing confirmed that is not synced."""

import random
import socket
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest

from novate._core import Engine, release, ruleset
from novate.core_process import shipping_files, shipping_link
from novate.core_process import shipping_wire as ship
from novate.core_process.listening import listen
from novate.core_process.shipping import SOCKET, Shipping, ShippingPlan, next_record, next_records
from novate.core_process.shipping_wire import Asked, Here, What
from novate.core_process.wire import RecordReader
from novate.identity.sealing import KEY_FILE
from novate.journal import verify_journal
from novate.journal.tail import BEGINNING, FramePlace, RawFrame, raw_frames, segment_header
from novate.messages import OpenAccount, encode
from novate.sequencer import open_venue_log
from novate.standby import process as standby_process
from novate.standby.line import Line
from novate.standby.mirror import Mirror
from novate.standby.process import Standby, StandbyPlan, read_standby
from standbys import eventually, frames, segments


def journal(home: Path, count: int) -> list[RawFrame]:
    """A sealed journal of small segments; its frames as they stand on disk."""
    opened = open_venue_log(
        home, Engine, release=release(), ruleset=ruleset(), resume=None, segment_bytes=2_000
    )
    for number in range(count):
        command = encode(OpenAccount(owner=number + 1), account=number + 1, request=number + 1)
        opened.sequencer.submit(command, 1_000 + number)
    opened.sequencer.close()
    with closing(Mirror(home)) as end:
        place = end.place
    return list(raw_frames(home / "journal", BEGINNING, place))


class FakeCore:
    """Ships a journal in pieces and hangs up wherever it is told to; keeps what it was told was stored."""

    def __init__(self, home: Path, shipped: list[RawFrame]) -> None:
        self.home, self.shipped = home, shipped
        self.places = [BEGINNING, *(frame.place for frame in shipped)]
        self.stored = 0
        """Frames that the standby has confirmed."""
        self.before = b""
        """What is sent in front of the frames of a connection."""
        self._listener = listen(home / SOCKET, "core")

    def serve(self, choose: random.Random | None) -> None:
        """One connection, cut where `choose` says; without it all that is missing, until it is confirmed."""
        sock, _ = self._listener.accept()
        with closing(sock):
            sock.settimeout(20)
            own = b"c" * ship.NONCE_BYTES
            sock.sendall(ship.pack_challenge(own))
            reader = RecordReader(1 << 16)
            what, asked, nonce = ship.parse_ask(next_record(sock, reader), own, b"")
            assert what is What.FOLLOW
            has = self.places.index(FramePlace(asked.sequence, bytes.fromhex(asked.hash)))
            assert has >= self.stored, "what was confirmed is there, also after the line broke"
            here = Here(
                term=1,
                sequence=self.places[-1].sequence,
                release=release(),
                ruleset=ruleset(),
                mode="sync",
            )
            sock.sendall(ship.pack_here(here, (own, nonce), b""))
            upto = len(self.shipped) if choose is None else min(has + 4, len(self.shipped))
            said, ends = self._packed(has, upto)
            near = [end + more for end in (0, *ends) for more in (-30, -1, 0, 5, 60)]
            cut = len(said) if choose is None else min(max(choose.choice(near), 0), len(said))
            whole = sum(end <= cut for end in ends)
            with suppress(OSError):  # it may have hung up itself
                sock.sendall(said[:cut])
                if choose is not None and choose.random() < 0.3:
                    return  # and hears no confirmation
                if choose is not None:
                    sock.shutdown(socket.SHUT_WR)
                self._hear(sock, reader, has, whole, to_end=choose is None)

    def _packed(self, first: int, upto: int) -> tuple[bytes, list[int]]:
        """Frames with the segments they stand in, and where each of them ends."""
        said, ends, segment = bytearray(self.before), [], -1
        for frame in self.shipped[first:upto]:
            if frame.segment_first != segment:
                segment = frame.segment_first
                header = segment_header(self.home / "journal", segment)
                said += ship.pack_head(ship.Ship.SEGMENT, len(header)) + header
            said += ship.pack_head(ship.Ship.FRAME, len(frame.data)) + frame.data
            ends.append(len(said))
        return bytes(said), ends

    def _hear(self, sock: socket.socket, reader: RecordReader, has: int, whole: int, *, to_end: bool) -> None:
        told = -1
        with suppress(ConnectionResetError):  # hung up
            while not (to_end and told == whole):
                for record in next_records(sock, reader):
                    stored = ship.parse_stored(record)
                    assert told <= stored.frames <= whole, "no frame is confirmed that was not sent whole"
                    told = stored.frames
                    assert stored.sequence == self.places[has + told].sequence
                    assert stored.sequence <= SYNCED[-1], "nothing is confirmed that is not synced"
                    self.stored = max(self.stored, has + told)
        assert told == whole, "every whole frame is taken and confirmed"

    def close(self) -> None:
        self._listener.close()


SYNCED = [0]
"""The last command at each sync of the standby's journal."""


@pytest.mark.parametrize("seed", range(4))
def test_a_line_that_is_cut_anywhere_loses_no_frame_and_confirms_none_that_is_not_synced(
    tmp_path, monkeypatch, seed
):
    one, two = tmp_path / "one", tmp_path / "two"
    core = FakeCore(one, journal(one, 30))
    SYNCED[:] = [0]
    sync = Mirror.sync

    def synced(self: Mirror) -> None:
        sync(self)
        SYNCED.append(self.sequence)

    monkeypatch.setattr(Mirror, "sync", synced)
    monkeypatch.setattr(standby_process, "_FIRST_WAIT_S", 0.005)
    monkeypatch.setattr(standby_process, "_LONGEST_WAIT_S", 0.01)
    standby = Standby(two, StandbyPlan(of=str(one), name="two", snapshots=None))
    follows = threading.Thread(target=standby.run)
    follows.start()
    try:
        choose = random.Random(seed)
        for _ in range(15):
            core.serve(choose)
        core.serve(None)
        core.close()  # who is connecting again is not answered for long otherwise
        last = core.places[-1].sequence
        eventually(lambda: (said := read_standby(two)) and said["applied"] == last)
    finally:
        standby.stop()
        core.close()
        follows.join(20)
    assert read_standby(two)["engine"] == ""
    assert frames(two) == [frame.place.hash for frame in core.shipped] and segments(two) == segments(one)
    assert verify_journal(two, Engine, ruleset=ruleset()).ok


def test_frames_do_not_wait_while_a_database_beside_them_is_copied(tmp_path, monkeypatch):
    one = tmp_path / "one"
    shipped = journal(one, 3)
    with closing(sqlite3.connect(one / "identity.db")) as made:
        made.execute("create table keys (number integer)")
    begun, go_on = threading.Event(), threading.Event()
    copied = shipping_files._copy

    def slow(path: Path) -> bytes:
        begun.set()
        assert go_on.wait(20)
        return copied(path)

    monkeypatch.setattr(shipping_files, "_copy", slow)
    monkeypatch.setattr(shipping_link, "_BEAT_S", 0.02)
    shipping = Shipping(one, ShippingPlan("sync"))
    shipping._sequence, shipping._last = shipped[0].place.sequence, shipped[0].data
    shipping.serve()
    place = shipped[0].place
    asked = Asked(name="two", sequence=place.sequence, hash=place.hash.hex(), ruleset=ruleset())
    try:
        with Line.open(str(one), What.FOLLOW, asked) as line:
            line.send(ship.pack_stored(ship.Stored(0, place.sequence, 0)))
            assert begun.wait(20)
            taking = threading.Thread(target=shipping.take, args=(shipped[1].data, 2, 1))
            taking.start()
            heard = []
            while ship.Ship.FRAME not in heard:
                heard += [record.kind for record in line.receive()]
            line.send(ship.pack_stored(ship.Stored(1, 2, 0)))
            taking.join(20)
            assert not taking.is_alive() and ship.Ship.FILE not in heard
            go_on.set()
            while ship.Ship.FILE not in heard:
                heard += [record.kind for record in line.receive()]
    finally:
        go_on.set()
        shipping.close()


def test_a_copy_is_written_behind_the_frames_it_came_with_for_its_owner_alone(tmp_path, monkeypatch):
    one, two = tmp_path / "one", tmp_path / "two"
    shipped = journal(one, 2)
    two.mkdir()
    (two / KEY_FILE).write_bytes(bytes(32))
    order: list[str] = []
    took, send = standby_process.take_file, Line.send
    monkeypatch.setattr(standby_process, "take_file", lambda *given: (order.append("file"), took(*given))[1])
    monkeypatch.setattr(Line, "send", lambda self, said: (order.append("stored"), send(self, said))[1])
    core = FakeCore(one, shipped)
    core.before = ship.pack_file("identity.db", b"x")
    standby = Standby(two, StandbyPlan(of=str(one), name="two", snapshots=None))
    follows = threading.Thread(target=standby.run)
    follows.start()
    try:
        core.serve(None)
        core.close()
        eventually((two / "identity.db").exists)
    finally:
        standby.stop()
        core.close()
        follows.join(20)
    assert order[:3] == ["stored", "stored", "file"]
    assert (two / "identity.db").stat().st_mode & 0o777 == 0o600
