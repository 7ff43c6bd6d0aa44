"""The records between the core and its clients: cut out of any stream, refused before they are read where they are no records."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novate.core_process import Limits, wire
from novate.core_process.inbox import Inbox
from novate.core_process.wire import (
    HEAD,
    Answered,
    BadRecord,
    CoreRefused,
    DurableFrame,
    Kind,
    Record,
    RecordReader,
    Refusal,
    Welcome,
)
from novate.errors import ConfigError

BODIES = st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=40)), max_size=12)


def packed(kind: int, body: bytes) -> bytes:
    return HEAD.pack(HEAD.size + len(body), kind, 0) + body


@given(BODIES, st.data())
def test_records_come_out_whole_however_the_stream_is_cut(records, data):
    stream = b"".join(packed(*record) for record in records)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader, found = RecordReader(1_000), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += reader.feed(stream[start:end])
    assert found == [Record(*record) for record in records]
    assert reader.bad is None


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (HEAD.pack(101, Kind.COMMANDS, 0), Refusal.RECORD_TOO_LARGE),
        (HEAD.pack(2**32 - 1, Kind.COMMANDS, 0), Refusal.RECORD_TOO_LARGE),
        (HEAD.pack(7, Kind.COMMANDS, 0), Refusal.BAD_RECORD),
        (HEAD.pack(0, 0, 0), Refusal.BAD_RECORD),
        (HEAD.pack(50, Kind.COMMANDS, 1), Refusal.BAD_RECORD),
    ],
)
def test_what_can_not_be_a_record_is_known_from_its_head_and_what_was_whole_before_it_is_not_lost(head, why):
    reader = RecordReader(100)
    assert reader.feed(packed(2, b"x" * 92) + head) == [Record(2, b"x" * 92)]
    assert reader.bad is not None and reader.bad.refusal is why
    assert reader.feed(packed(2, b"later")) == []


def test_what_the_core_says_is_read_as_it_was_said():
    said = [
        (wire.pack_welcome(Welcome(1, 2, 3, 4)), Welcome(1, 2, 3, 4)),
        (wire.pack_answer_head(5, 6, 7, 8, 3) + b"abc", Answered(5, 6, 7, 8, b"abc")),
        (wire.pack_events_head(6, 7, 8, 3) + b"abc", Answered(None, 6, 7, 8, b"abc")),
        (wire.pack_frames_head(6, 7, 8, 3) + b"abc", DurableFrame(6, 7, 8, b"abc")),
    ]
    for raw, expected in said:
        (record,) = RecordReader(1_000).feed(raw)
        assert wire.parse_from_core(record) == expected
    (record,) = RecordReader(1_000).feed(wire.pack_refused(9, Refusal.BAD_BUFFER, "No."))
    refused = wire.parse_from_core(record)
    assert isinstance(refused, CoreRefused)
    assert (refused.sentence, refused.facts) == ("No.", {"refusal": 1, "tag": 9})


def test_what_the_client_says_is_read_as_it_was_said():
    hello, commands = RecordReader(1_000).feed(wire.pack_hello(1) + wire.pack_commands_head(9, 3) + b"abc")
    assert wire.parse_hello(hello.body) == 1
    assert wire.parse_commands(commands.body) == (9, b"abc")
    with pytest.raises(BadRecord, match="Protocol 7 was offered"):
        wire.parse_hello(b"\7\0\0\0\0\0\0\0")
    with pytest.raises(BadRecord, match="without a tag"):
        wire.parse_commands(b"1234567")


@pytest.mark.parametrize("kind", [Kind.HELLO, Kind.COMMANDS, 0, 77])
def test_a_kind_that_only_clients_send_is_not_taken_from_the_core(kind):
    with pytest.raises(BadRecord, match="sends no records"):
        wire.parse_from_core(Record(kind, bytes(40)))


@pytest.mark.parametrize("kind", [Kind.ANSWER, Kind.EVENTS, Kind.FRAMES, Kind.WELCOME, Kind.REFUSED])
def test_a_record_of_the_core_that_is_cut_short_is_refused(kind):
    with pytest.raises(BadRecord, match="cut short"):
        wire.parse_from_core(Record(kind, bytes(3)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"record_bytes": 10},
        {"record_bytes": 1 << 40},
        {"frame_bytes": 0},
        {"frame_bytes": 1 << 26},
        {"clients": 0},
        {"unsent_bytes": 1},
    ],
)
def test_limits_that_contradict_each_other_are_refused(wrong):
    with pytest.raises(ConfigError):
        Limits(**wrong)


def test_what_was_read_stays_when_more_is_read() -> None:
    """The memory is used again; its size bounds a read; the end is empty, and nothing to read is an error of a socket that does not wait."""
    here, there = socket.socketpair()
    here.setblocking(False)
    inbox = Inbox(4)
    with pytest.raises(BlockingIOError):
        inbox.read(here)
    there.sendall(b"abcdefg")
    first, second = inbox.read(here), inbox.read(here)
    there.close()
    assert (first, second, inbox.read(here)) == (b"abcd", b"efg", b"")
    here.close()
