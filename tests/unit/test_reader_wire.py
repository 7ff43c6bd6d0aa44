"""The records between the reader and who asks it, its limits, and how what waits is kept: without a socket or an engine."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novate.core_process.wire import HEAD, BadRecord, Record, RecordReader, Welcome
from novate.errors import ConfigError, NovateError
from novate.reader_process import BadQuestion, NotTold, ReaderLimits, SnapshotPlan, wire
from novate.reader_process.askers import Asker, Waiting
from novate.reader_process.wire import Ask, Foretold, Kind, Recall, Recalled, Told, WhatIf, Why

U64, U32, I64 = st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.integers(-(2**63), 2**63 - 1)
PARTS = st.lists(st.binary(max_size=30), max_size=5).map(tuple)
COMMANDS = st.binary(max_size=60)
ASKS = st.builds(Ask, U64, U64, U32, PARTS)
WHAT_IFS = st.builds(WhatIf, U64, U64, U32, PARTS, COMMANDS)
RECALLS = st.builds(Recall, U64, U64, U32, U32, U64, U64)
RECALLED = st.builds(Recalled, U64, U64, I64, st.booleans(), U32, U64, U64, U64, st.binary(max_size=60))
TOLD = st.builds(Told, U64, U64, I64, st.booleans(), PARTS)
FORETOLD = st.builds(Foretold, U64, U64, I64, st.booleans(), PARTS, U32, COMMANDS)


def only(raw: bytes) -> Record:
    (record,) = RecordReader(1 << 20).feed(raw)
    return record


def packed_question(question: wire.Question) -> bytes:
    if isinstance(question, Recall):
        return wire.pack_recall(question)
    return wire.pack_ask(question) if isinstance(question, Ask) else wire.pack_what_if(question)


def packed_reply(reply: Told | Foretold | Recalled) -> bytes:
    if isinstance(reply, Recalled):
        return b"".join(wire.pack_recalled(reply))
    return b"".join(wire.pack_told(reply) if isinstance(reply, Told) else wire.pack_foretold(reply))


@given(ASKS | WHAT_IFS | RECALLS)
def test_what_is_asked_is_read_as_it_was_asked(question):
    assert wire.parse_question(only(packed_question(question))) == question


@given(TOLD | FORETOLD | RECALLED)
def test_what_is_told_is_read_as_it_was_told(reply):
    assert wire.parse_from_reader(only(packed_reply(reply))) == reply


@given(ASKS | WHAT_IFS | RECALLS | TOLD | FORETOLD, st.data())
def test_a_record_that_is_cut_short_or_too_long_is_refused(said, data):
    asked = isinstance(said, Ask | WhatIf | Recall)
    record = only(packed_question(said) if asked else packed_reply(said))
    parse = wire.parse_question if asked else wire.parse_from_reader
    body = record.body
    wrong = data.draw(st.sampled_from([body[:at] for at in range(len(body))] + [body + b"\0"]))
    with pytest.raises(BadRecord):
        parse(Record(record.kind, wrong))


@given(st.integers(0, 9), st.binary(max_size=80))
def test_any_bytes_are_a_question_or_a_bad_record(kind, body):
    with suppress(BadRecord):
        wire.parse_question(Record(kind, body))


@given(st.integers(0, 9), st.binary(max_size=80))
def test_any_bytes_are_an_answer_or_a_bad_record(kind, body):
    with suppress(BadRecord):
        wire.parse_from_reader(Record(kind, body))


def test_the_first_words_of_both_and_a_no():
    wire.parse_hello(only(wire.pack_hello()).body)
    with pytest.raises(BadRecord, match="Protocol 9 was offered"):
        wire.parse_hello(b"\x09" + bytes(7))
    with pytest.raises(BadRecord, match="another size"):
        wire.parse_hello(bytes(9))
    welcome = Welcome(1, 2, 3, -4)
    assert wire.parse_from_reader(only(wire.pack_welcome(welcome))) == welcome
    refused = wire.parse_from_reader(only(wire.pack_not_told(7, Why.BUSY, "Later.")))
    assert isinstance(refused, NotTold) and not isinstance(refused, ValueError)
    assert (refused.sentence, refused.facts) == ("Later.", {"why": Why.BUSY, "tag": 7})


def test_a_bad_question_is_the_value_error_an_engine_raises_and_an_error_of_novate():
    refused = wire.parse_from_reader(only(wire.pack_not_told(7, Why.BAD_QUESTION, "What?")))
    assert isinstance(refused, BadQuestion) and isinstance(refused, ValueError)
    assert isinstance(refused, NovateError) and refused.as_dict()["code"] == "bad_question"


@pytest.mark.parametrize("kind", [Kind.HELLO, Kind.WELCOME, Kind.TOLD, Kind.FORETOLD, Kind.NOT_TOLD, 0, 99])
def test_who_asks_can_not_say_what_only_the_reader_says(kind):
    with pytest.raises(BadRecord, match="not taken here"):
        wire.parse_question(Record(kind, bytes(40)))


@given(st.lists(st.binary(max_size=200), max_size=20), st.integers(1, 64))
def test_records_come_out_whole_however_small_the_chunks_are(bodies, size):
    stream = b"".join(HEAD.pack(HEAD.size + len(body), 3, 0) + body for body in bodies)
    reader, found = RecordReader(1_000), []
    for at in range(0, len(stream), size):
        found += reader.feed(stream[at : at + size])
    assert found == [Record(3, body) for body in bodies]


@pytest.mark.parametrize("wrong", [{"questions": 0}, {"apply_ms": 0}, {"commands_bytes": 1 << 20}])
def test_limits_that_can_not_be_are_refused(wrong):
    with pytest.raises(ConfigError):
        ReaderLimits(**wrong)


@pytest.mark.parametrize("wrong", [{"every_s": -1.0}, {"every_commands": 0}, {"keep": 0}])
def test_a_plan_of_snapshots_that_can_not_be_is_refused(wrong):
    with pytest.raises(ConfigError):
        SnapshotPlan(**wrong)


# --- what waits ---------------------------------------------------------------------------------------------------------


class Socket:
    """What an `Asker` needs of a socket here: none of these tests sends a byte."""

    def setblocking(self, _: bool) -> None:
        pass

    def close(self) -> None:
        pass


def asker() -> Asker:
    return Asker(Socket(), ReaderLimits(unsent_bytes=100))


def asked(tag: int, min_seq: int = 0) -> Ask:
    return Ask(tag, min_seq, 0, ())


def turns(waiting: Waiting) -> list[int]:
    found = []
    while (turn := waiting.next()) is not None:
        found.append(turn[1].tag)
    return found


def test_askers_take_turns_however_much_one_of_them_asks():
    waiting, greedy, modest = Waiting(), asker(), asker()
    for tag in (1, 2, 3):
        waiting.take(greedy, asked(tag))
    waiting.take(modest, asked(10))
    assert turns(waiting) == [1, 10, 2, 3]
    assert not waiting.ready


def test_an_asker_that_does_not_read_loses_its_turn_until_it_does():
    waiting, deaf, other = Waiting(), asker(), asker()
    waiting.take(deaf, asked(1))
    waiting.take(other, asked(2))
    deaf.say(bytes(101))
    assert not deaf.heard and turns(waiting) == [2]
    waiting.take(deaf, asked(3))
    assert turns(waiting) == []
    deaf.unsent_bytes = 0
    waiting.again(deaf)
    waiting.again(deaf)
    assert deaf.heard and turns(waiting) == [1, 3]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=30), st.data())
def test_each_held_question_is_released_or_expires_once(held, data):
    waiting, one = Waiting(), asker()
    for tag, (min_seq, until) in enumerate(held):
        waiting.hold(one, asked(tag, min_seq), float(until))
    released, expired, sequence, now = [], [], 0, 0.0
    for step in data.draw(st.lists(st.tuples(st.booleans(), st.integers(1, 6)), max_size=20)):
        if step[0]:
            sequence += step[1]
            waiting.release(sequence)
            came = turns(waiting)
            assert all(held[tag][0] <= sequence for tag in came)
            released += came
        else:
            now += step[1]
            came = [question.tag for _, question in waiting.expired(now)]
            assert all(held[tag][1] <= now for tag in came)
            expired += came
        left = set(range(len(held))) - set(released) - set(expired)
        assert waiting.deadline == min((held[tag][1] for tag in left), default=float("inf"))
    assert len(released + expired) == len(set(released + expired))


def test_who_has_left_is_neither_answered_nor_told_that_it_waited_in_vain():
    waiting, gone = Waiting(), asker()
    waiting.take(gone, asked(1))
    waiting.hold(gone, asked(2, 5), 1.0)
    waiting.hold(gone, asked(3, 6), 9.0)
    gone.close()
    assert waiting.expired(2.0) == []
    waiting.release(10)
    assert turns(waiting) == []
