"""The two sets of message definitions agree, every message survives the engine byte-equal, nothing unsound is encoded."""

import json
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novate import _core
from novate.errors import BadBuffer, MessageError, UnitError
from novate.messages import (
    COMMANDS,
    EVENTS,
    AdvanceTime,
    AmendOrder,
    BookChanged,
    CancelAll,
    CancelOrder,
    CommandRefused,
    ListDatedRow,
    ListSource,
    OpenAccount,
    OrderCancelled,
    OrderFilled,
    OrderKind,
    PlaceOrder,
    PostPrice,
    Quality,
    Side,
    VenueConfigured,
    VenueResumed,
    body_reader,
    decode_command,
    decode_event,
    encode,
    encode_event,
    event_heads,
    explain,
    iter_commands,
    iter_events,
    post_prices,
    read_header,
    read_table,
    rule,
    rules,
    select,
    split,
    table_dtype,
    write_table,
)
from novate.messages.fields import CODES
from novate.messages.layout import EVENT_HEAD_SIZE, HEADER_SIZE, LAYOUTS, RANGES, definitions
from novate.messages.reference import meanings, messages_page, refusals_page
from novate.messages.wire import encode_body

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
ALL = [*COMMANDS, *EVENTS]
RECORDS = [cls for cls in ALL if cls.FORM == "record"]
every_message = pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
every_command_record = pytest.mark.parametrize(
    "cls", [cls for cls in COMMANDS if cls.FORM == "record"], ids=lambda cls: cls.__name__
)


def _integers(wire_type):
    """Integers of a wire type, its bounds and MessagePack's changes of width among them."""
    low, high = RANGES[wire_type]
    edges = {
        low,
        high,
        *(v + d for b in (5, 7, 8, 15, 16, 31, 32, 63) for v in (2**b, -(2**b)) for d in (-1, 0, 1)),
    }
    return st.integers(low, high) | st.sampled_from(sorted(v for v in edges | {0} if low <= v <= high))


def _values(wire_type):
    match wire_type:
        case "String":
            return st.text(max_size=40) | st.sampled_from(["", "x" * 31, "x" * 32, "é" * 128, "x" * 65_536])
        case "Vec<i64>":
            return st.lists(_integers("i64"), max_size=20).map(tuple)
        case "[u8;16]":
            return st.binary(min_size=16, max_size=16)
        case "Bytes":
            return st.binary(max_size=40) | st.sampled_from([b"x" * 255, b"x" * 256, b"x" * 65_536])
    return _integers(wire_type)


def _messages(cls):
    return st.builds(cls, **{field.attribute: _values(field.type) for field in LAYOUTS[cls].fields})


def _extreme(cls, at):
    """A message with every number at its least (0) or greatest (1) value."""
    other = {
        "String": "",
        "Vec<i64>": (RANGES["i64"][at],) * 16,
        "[u8;16]": bytes([255 * at]) * 16,
        "Bytes": b"",
    }
    return cls(
        **{
            f.attribute: RANGES[f.type][at] if f.type in RANGES else other[f.type]
            for f in LAYOUTS[cls].fields
        }
    )


HEADERS = st.fixed_dictionaries({
    "account": _integers("u64"), "actor": _integers("u64"), "request": _integers("u64"),
    "sequence": _integers("u64"), "time_ns": _integers("i64"),
})  # fmt: skip
EVENT_HEADERS = st.fixed_dictionaries({
    "account": _integers("u64"), "account_sequence": _integers("u64"), "number": _integers("u32"),
    "flags": _integers("u32"), "request": _integers("u64"), "sequence": _integers("u64"), "time_ns": _integers("i64"),
})  # fmt: skip

# --- the definitions ---------------------------------------------------------------------------------------------------


def test_the_engine_has_the_same_definitions_in_the_same_order():
    assert definitions() == json.loads(_core.definitions())


def test_type_numbers_are_unique_and_tell_commands_from_events():
    kinds = [cls.KIND for cls in ALL]
    assert len(set(kinds)) == len(kinds)
    # The first messages: commands below 128, events from there. Each area has a hundred: commands first, events from its 50.
    assert all(cls.KIND < 128 or (cls.KIND >= 400 and cls.KIND % 100 < 50) for cls in COMMANDS)
    assert all(128 <= cls.KIND < 400 or (400 <= cls.KIND < 2**16 and cls.KIND % 100 >= 50) for cls in EVENTS)


@every_message
def test_every_field_says_what_it_means_and_nothing_else_is_described(cls):
    fields = [field.attribute for field in LAYOUTS[cls].fields if not field.name.startswith("reserved")]
    assert list(meanings(cls)) == fields
    assert all(sentence.endswith(".") for sentence in meanings(cls).values())


def test_every_code_says_what_it_means():
    for code in CODES.values():
        assert list(meanings(code)) == list(code.__members__)


def test_every_code_of_a_field_is_an_enumeration():
    units = {field.unit for layout in LAYOUTS.values() for field in layout.fields if "`" in field.unit}
    assert units == set(CODES)


@pytest.mark.parametrize(("name", "page"), [("messages", messages_page), ("refusals", refusals_page)])
def test_the_reference_pages_are_fresh(name, page):
    committed = (REFERENCE / f"{name}.md").read_text(encoding="utf-8")
    assert committed == page(), "run: python -m novate.messages.reference --write docs/reference"


# --- byte-equal through the engine -------------------------------------------------------------------------------------


@every_message
@pytest.mark.parametrize("at", [0, 1], ids=["least", "greatest"])
def test_extremes_survive_the_engine_byte_equal(cls, at):
    body = encode_body(_extreme(cls, at))
    assert _core.round_trip(cls.KIND, body) == body


@every_message
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_message_survives_the_engine_byte_equal_and_decodes_to_the_same(cls, data):
    body = data.draw(_messages(cls))
    encoded = encode_body(body)
    assert _core.round_trip(cls.KIND, encoded) == encoded
    if cls in COMMANDS:
        head = data.draw(HEADERS)
        message = encode(body, **head)
        decoded = decode_command(message)
    else:
        head = data.draw(EVENT_HEADERS)
        message = encode_event(body, **head)
        decoded = decode_event(message)
        found = {
            "account_sequence": decoded.account_sequence,
            "number": decoded.number,
            "flags": decoded.flags,
        }
        assert found == {name: head.pop(name) for name in found}
        assert decoded.is_last == bool(decoded.flags & 1)
    assert decoded.body == body
    assert {name: getattr(decoded.header, name) for name in head} == head
    assert (decoded.header.length, decoded.header.kind, decoded.header.version) == (len(message), cls.KIND, 1)


@every_message
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_engine_and_python_read_the_same_bodies(cls, data):
    """Damaged bodies: what the engine takes, Python takes with the same value; Python fails in one way only."""
    body = bytearray(encode_body(data.draw(_messages(cls))))
    for at in data.draw(st.lists(st.integers(0, max(0, len(body) - 1)), max_size=3)):
        body[at : at + 1] = data.draw(st.binary(max_size=2))
    lead = bytes(EVENT_HEAD_SIZE) if cls in EVENTS else b""
    length = HEADER_SIZE + len(lead) + len(body)
    message = (
        length.to_bytes(4, "little") + cls.KIND.to_bytes(2, "little") + b"\1\0" + bytes(40) + lead + body
    )
    try:
        taken = _core.round_trip(cls.KIND, bytes(body)) == body
    except ValueError:
        taken = False
    try:
        again = encode_body((decode_event if lead else decode_command)(message).body)
    except (MessageError, UnitError):
        assert not taken
    else:
        assert again == body or not taken


# --- what is not encoded -----------------------------------------------------------------------------------------------


def _integer_fields():
    for cls in ALL:
        for field in LAYOUTS[cls].fields:
            if field.type in RANGES:
                yield pytest.param(cls, field, id=f"{cls.__name__}.{field.name}")


@pytest.mark.parametrize(("cls", "field"), list(_integer_fields()))
def test_floats_and_values_beyond_the_type_are_refused_by_name(cls, field):
    good = _extreme(cls, 1)
    low, high = RANGES[field.type]
    write = encode if cls in COMMANDS else encode_event
    for bad in (1.0, float("nan"), np.float64(1), Decimal(1), "1", None, b"1", low - 1, high + 1, 2**200):
        with pytest.raises(UnitError, match=rf"{cls.__name__}\.{field.name} must be "):
            write(msgspec.structs.replace(good, **{field.attribute: bad}))
    for fine in (np.int64(5), True, Side.ASK):
        value = decode_command if cls in COMMANDS else decode_event
        decoded = value(write(msgspec.structs.replace(good, **{field.attribute: fine}))).body
        assert getattr(decoded, field.attribute) == int(fine)


@pytest.mark.parametrize("name", ["account", "actor", "request", "sequence", "time_ns"])
@pytest.mark.parametrize("command", [AdvanceTime(), OpenAccount(owner=1)], ids=["record", "document"])
def test_header_fields_are_checked(name, command):
    for bad in (1.5, "7", 2**64, -1 if name != "time_ns" else -(2**63) - 1):
        with pytest.raises(UnitError, match=name):
            encode(command, **{name: bad})


@pytest.mark.parametrize("bad", [b"", b"x" * 15, b"x" * 17, "x" * 16, 7, None, [0] * 16])
def test_sixteen_bytes_are_never_cut_or_padded(bad):
    for command in (
        CancelOrder(client_id=bad),
        AmendOrder(client_id=bad),
        PlaceOrder(market=1, side=0, price=1, lots=1, client_id=bad),
        PostPrice(underlying=1, source=1, price=1, venue_time_ns=1, raw_hash=bad),
    ):
        with pytest.raises(MessageError, match="exactly 16 bytes"):
            encode(command)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (ListSource(underlying=1, source=1, name=b"x"), "ListSource.name must be text"),
        (ListSource(underlying=1, source=1, name="\ud800"), "no UTF-8"),
        (ListDatedRow(row=1, date="x", moves_ppm=7), "sequence of integers"),
        (ListDatedRow(row=1, date="x", moves_ppm="12"), "sequence of integers"),
        (VenueConfigured(), "not a command"),
        ("PlaceOrder", "not a command"),
    ],
)
def test_what_is_no_command_is_refused(command, sentence):
    with pytest.raises(MessageError, match=sentence):
        encode(command)


def test_dated_moves_are_refused_by_position():
    with pytest.raises(UnitError, match=r"moves_ppm\[1\] must be an integer"):
        encode(ListDatedRow(row=1, date="2020-03-12", moves_ppm=(1, 0.5)))


def test_messages_do_not_change_and_take_fields_by_name():
    order = PlaceOrder(market=1, side=Side.BID, price=1, lots=1)
    with pytest.raises(AttributeError):
        order.lots = 2
    with pytest.raises(TypeError):
        PlaceOrder(1, Side.BID, 1, 1)


# --- buffers -----------------------------------------------------------------------------------------------------------

MIXED = [
    PlaceOrder(market=1, side=Side.BID, price=100, lots=2),
    OpenAccount(owner=3),
    AdvanceTime(),
    ListSource(underlying=1, source=2, name="tape"),
    CancelAll(),
]


@pytest.mark.parametrize("cls", EVENTS, ids=lambda cls: cls.__name__)
@given(data=st.data())
@settings(max_examples=20)
def test_heads_and_bodies_are_read_in_place(cls, data):
    """What is read of an event within a buffer is what it says when it is decoded; of a record also a part of its fields."""
    event, header = data.draw(_messages(cls)), data.draw(EVENT_HEADERS)
    message = encode_event(event, **header)
    other = encode_event(VenueResumed(), 3, 4, sequence=5, time_ns=6) if cls is not VenueResumed else b""
    head = list(event_heads(other + message))[-1]
    assert (head.at, head.length, head.kind) == (len(other), len(message), cls.KIND)
    assert (head.account, head.sequence, head.time_ns, head.account_sequence) == (
        header["account"], header["sequence"], header["time_ns"], header["account_sequence"],
    )  # fmt: skip
    names = [field.attribute for field in LAYOUTS[cls].fields]
    body = body_reader(cls)(other + message, head.at)
    assert [getattr(body, name) for name in names] == [getattr(event, name) for name in names]
    if cls.FORM == "record":
        chosen = data.draw(st.sets(st.sampled_from(names)))
        some = [name for name in names if name in chosen]
        part = body_reader(cls, *some)(other + message, head.at) if some else ()
        assert list(part) == [getattr(event, name) for name in some]


def test_heads_and_fields_that_are_none_are_refused():
    message = encode_event(OrderCancelled(order=1, market=1, side=0, reason=0, lots=1))
    for broken in (message[:-1], message[:20], b"\0" * 64):
        with pytest.raises(BadBuffer):
            list(event_heads(broken))
    for names in (("order", "price"), ("order", "order")):
        with pytest.raises(MessageError):
            body_reader(OrderCancelled, *names)


def test_fields_are_asked_for_in_the_order_in_which_they_come():
    """A caller that unpacks them in its own order would take one for another."""
    assert len(LAYOUTS[OrderFilled].fields) > 2
    with pytest.raises(MessageError, match=r"OrderFilled has .*price, lots.*not .*lots, price"):
        body_reader(OrderFilled, "lots", "price")
    with pytest.raises(MessageError):
        body_reader(OrderFilled, "leaves", "order")


def test_a_buffer_is_split_into_its_messages():
    buffer = b"".join(encode(command, account=at) for at, command in enumerate(MIXED))
    assert [message.body for message in iter_commands(buffer)] == MIXED
    assert [(header.account, header.kind) for header, _ in split(buffer)] == [
        (i, c.KIND) for i, c in enumerate(MIXED)
    ]
    assert [bytes(body) for _, body in split(buffer)] == [encode_body(command) for command in MIXED]
    assert list(split(b"")) == []


def test_every_truncation_ends_at_a_message_or_is_a_bad_buffer():
    whole = [encode(command) for command in MIXED]
    buffer = b"".join(whole)
    ends = {sum(map(len, whole[:count])) for count in range(len(whole) + 1)}
    for cut in range(len(buffer) + 1):
        if cut in ends:
            assert sum(header.length for header, _ in split(buffer[:cut])) == cut
        else:
            with pytest.raises(BadBuffer):
                list(split(buffer[:cut]))
            if cut:
                with pytest.raises(MessageError):
                    decode_command(buffer[:cut])


@pytest.mark.parametrize("length", [0, 1, 47, 2**32 - 1])
def test_a_length_that_cannot_be_is_a_bad_buffer(length):
    buffer = length.to_bytes(4, "little") + encode(AdvanceTime())[4:]
    with pytest.raises(BadBuffer, match="byte 0"):
        list(split(buffer))


def test_unwanted_types_are_not_read():
    fill = OrderFilled(
        order=1,
        trade=1,
        market=1,
        side=0,
        maker=1,
        liquidation=0,
        price=5,
        lots=1,
        leaves=0,
        fee=-1,
        realised=0,
    )
    broken = bytearray(encode_event(VenueConfigured()))
    broken[-1] = 0xC1  # no MessagePack at all
    buffer = bytes(broken) + encode_event(fill, account=9, account_sequence=4) + bytes(broken)
    (found,) = iter_events(buffer, {OrderFilled})
    assert (found.body, found.header.account, found.account_sequence) == (fill, 9, 4)
    assert [bytes(m) for m in select(buffer, OrderFilled.KIND)] == [
        encode_event(fill, account=9, account_sequence=4)
    ]
    with pytest.raises(MessageError, match="VenueConfigured"):
        list(iter_events(buffer))


def test_unknown_types_and_versions_are_named():
    message = bytearray(encode(AdvanceTime()))
    message[4] = 99
    with pytest.raises(MessageError, match="type 99"):
        decode_command(message)
    with pytest.raises(MessageError, match="no event"):
        decode_event(encode(AdvanceTime()))
    message[4:8] = b"\5\0\2\0"
    with pytest.raises(MessageError, match="version 2"):
        decode_command(message)
    assert read_header(message).version == 2


# --- columns -----------------------------------------------------------------------------------------------------------


@every_command_record
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_columns_give_the_same_bytes_as_single_commands(cls, data):
    commands = data.draw(st.lists(_messages(cls), min_size=1, max_size=8))
    times = data.draw(st.lists(_integers("i64"), min_size=len(commands), max_size=len(commands)))
    dtype = table_dtype(cls)["body"]
    rows = [msgspec.structs.astuple(command) for command in commands]
    columns = {
        name: np.array([row[at] for row in rows], dtype[name]) for at, name in enumerate(dtype.names or ())
    }
    buffer = write_table(cls, columns, account=7, time_ns=np.array(times))
    assert buffer == b"".join(encode(c, account=7, time_ns=t) for c, t in zip(commands, times, strict=True))
    table = read_table(buffer, cls)
    assert np.shares_memory(table, np.frombuffer(buffer, np.uint8))
    assert [
        cls(**{n: _plain(v) for n, v in zip(dtype.names or (), row, strict=True)}) for row in table["body"]
    ] == commands


def _plain(value):
    return value.tobytes() if isinstance(value, np.void) else int(value)


@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_table_gathers_one_type_from_a_mixed_buffer(cls, data):
    write = encode if cls in COMMANDS else encode_event
    bodies = data.draw(st.lists(_messages(cls), max_size=5))
    noise = encode(OpenAccount(owner=1)) + encode_event(VenueConfigured())
    table = read_table(noise + noise.join(write(body, 3) for body in bodies) + noise, cls)
    assert table.shape == (len(bodies),)
    assert table["body"].tobytes() == b"".join(map(encode_body, bodies))
    assert (table["header"]["account"] == 3).all()


def test_a_table_refuses_a_message_of_another_length_or_version():
    good = encode_event(BookChanged(market=1, side=0, price=1, lots=1))
    version = good[:6] + b"\2\0" + good[8:]
    longer = (len(good) + 1).to_bytes(4, "little") + good[4:] + b"\0"
    for bad in (version, longer, good + longer + good):
        with pytest.raises(MessageError):
            read_table(bad, BookChanged)
    with pytest.raises(MessageError, match="document"):
        read_table(b"", OpenAccount)


def test_prices_are_posted_from_columns_with_their_times():
    times = np.arange(5, dtype=np.int64) * 1_000 + 10
    buffer = post_prices(np.arange(1, 6), 2, np.arange(100, 105), times - 3, time_ns=times, size=7)
    found = list(iter_commands(buffer))
    assert [m.header.time_ns for m in found] == times.tolist()
    assert [m.body for m in found] == [
        PostPrice(underlying=i + 1, source=2, price=100 + i, venue_time_ns=int(times[i]) - 3, size=7)
        for i in range(5)
    ]
    assert post_prices([], 1, [], [], time_ns=[]) == b""


@pytest.mark.parametrize(
    ("columns", "error", "sentence"),
    [
        ({"price": [1.5]}, UnitError, "PostPrice.price must be integers, not float64"),
        ({"price": [float("nan")]}, UnitError, "PostPrice.price"),
        ({"price": ["1"]}, UnitError, "PostPrice.price"),
        ({"price": 2**63}, UnitError, "PostPrice.price"),
        ({"price": 2**70}, UnitError, "PostPrice.price"),
        ({"underlying": [-1]}, UnitError, r"PostPrice.underlying must be 0 to 4294967295, got -1"),
        ({"confidence_ppm": np.array([2**32])}, UnitError, "PostPrice.confidence_ppm"),
        ({"price": [[1]]}, MessageError, "one column"),
        ({"price": [1, 2], "source": [1, 2, 3]}, MessageError, r"different lengths: \[2, 3\]"),
        ({"colour": 1}, MessageError, "no field colour"),
        ({"raw_hash": b"short"}, MessageError, "16 bytes"),
    ],
)
def test_columns_are_checked(columns, error, sentence):
    good = {"underlying": 1, "source": 1, "price": 1, "venue_time_ns": 1}
    with pytest.raises(error, match=sentence):
        write_table(PostPrice, good | columns)


def test_a_missing_column_is_named():
    with pytest.raises(MessageError, match=r"PlaceOrder\.lots is missing"):
        write_table(PlaceOrder, {"market": 1, "side": 0, "price": 1})


# --- refusals ----------------------------------------------------------------------------------------------------------


def test_a_refusal_is_put_into_words():
    number = next(r.number for r in rules().values() if r.name == "lots_must_be_within_market_limits")
    refused = CommandRefused(code=number, command=PlaceOrder.KIND, field=7, retry=0, value=5_000, limit=1_000)
    line = explain(refused)
    assert line.startswith("PlaceOrder refused, lots_must_be_within_market_limits (407): The quantity")
    assert line.endswith("Field lots = 5_000, limit 1_000.")
    assert "Field" not in explain(msgspec.structs.replace(refused, field=0))
    assert "Field" not in explain(msgspec.structs.replace(refused, field=99))
    assert explain(msgspec.structs.replace(refused, command=999)).startswith("Command 999")
    with pytest.raises(MessageError, match="65535"):
        rule(65_535)


def test_codes_compare_with_plain_numbers():
    assert (OrderKind.MARKET, Side.ASK, Quality.HALTED) == (1, 1, 5)
