"""The compiled ways between text and records say what the plain ways say, byte for byte, or leave it to them."""

import json
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novate import _core
from novate.errors import BadBuffer
from novate.messages import (
    AmendOrder,
    CancelOrder,
    CommandRefused,
    Event,
    OrderPlaced,
    decode_command,
    decode_event,
    encode,
    encode_event,
)
from novate.messages.events import EVENTS
from novate.messages.layout import LAYOUTS
from novate.schema.catalogue import Catalogue
from novate.schema.hearing import Hearer
from novate.schema.operations import Operation, SchemaError, operation, operations, parse, to_command
from novate.schema.outcomes import outcome
from novate.schema.scale import Scale
from novate.schema.telling import Teller
from novate.schema.values import How, Outer
from venues import open_plain_venue

RECORDS = [op for op in operations().values() if LAYOUTS[op.command].message is not None]
ODD = [
    None, True, False, 0, 1, -1, 255, 256, 2**31, 2**32, 2**63 - 1, 2**63, -(2**63), 2**64, 1.0, 1.5, 1e3, [], {}, "", " ", "0", "1", "-1", "-0", "+1", "01",
    "1.", ".5", "1.50", "-0.01", "0.005", "1e3", "1_0", "0x1", "NaN", "\u0661", "9" * 20, "9" * 24, "9" * 25, "9" * 24 + "." + "9" * 24, "0.000000000000000001",
    "92233720368547758.07", "92233720368547758.08", "-92233720368547758.08", "18446744073709551615", "18446744073709551616", "PERP", "perp", "SPOT", "P\u00e9rp",
    "bid", "BID", "ask", "limit", "ioc", "a b", 'a"b', "a\\b", "a/b", "\n", "\x00", "\x7f", "~" * 16, "~" * 17, "0" * 32, "a" * 32, "A" * 32, "g" * 32, "f" * 31,
]  # fmt: skip


@pytest.fixture(scope="module")
def hearer(catalogue: Catalogue) -> Hearer:
    return Hearer(catalogue)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.of(open_plain_venue({7: 70}).engine)


def plain(catalogue: Catalogue, op: Operation, said: bytes, market: int = 0) -> bytes:
    return encode(to_command(catalogue, parse(op, said), market))


def good(catalogue: Catalogue, one: Outer) -> st.SearchStrategy[Any]:
    """What a field takes and the compiled way reads."""
    names = {
        "market": catalogue.market_ids,
        "asset": catalogue.asset_ids,
        "underlying": catalogue.underlying_ids,
    }
    match one.how:
        case How.NAME:
            return st.sampled_from(sorted(names[one.what]))
        case How.CODE:
            return st.sampled_from([word.value for word in one.words().values()])
        case How.YES | How.BITS:
            return st.booleans()
        case How.ID:
            return st.integers(0, 2 ** (32 if one.field.type == "u32" else 64) - 1).map(str)
        case How.CLIENT_ID:
            hexadecimal = st.binary(min_size=16, max_size=16).filter(any).map(bytes.hex)
            text = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=16)
            return hexadecimal | text.filter(lambda said: not set(said) & set('"\\'))
        case How.BYTES:
            return st.binary(min_size=16, max_size=16).map(bytes.hex)
        case How.SCALED:
            return st.integers(-(10**11), 10**11).map(Scale(Fraction(1, 100)).text)
        case _:
            return st.integers(0, 2**16 - 1)


def said_of(catalogue: Catalogue, op: Operation) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments with all that must be there and some of the rest."""
    needed = {column.encode_name for column in msgspec.structs.fields(op.args) if column.required}
    fields = {
        key: good(catalogue, one)
        for one in op.fields
        for key in ([name for name, _ in one.bits()] if one.how is How.BITS else [one.name])
    }
    must = {key: how for key, how in fields.items() if key in needed}
    return st.fixed_dictionaries(
        must, optional={key: how for key, how in fields.items() if key not in needed}
    )


@pytest.mark.parametrize("op", RECORDS, ids=lambda op: op.name)
@given(data=st.data(), market=st.integers(1, 4))
@settings(max_examples=40)
def test_plain_arguments_become_the_same_command(
    catalogue: Catalogue, hearer: Hearer, op: Operation, data: st.DataObject, market: int
) -> None:
    said = json.dumps(
        data.draw(said_of(catalogue, op)), indent=data.draw(st.sampled_from((None, 2, "\t")))
    ).encode()
    assert hearer.command(op, said, lambda _: market) == plain(catalogue, op, said, market)


@pytest.mark.parametrize("op", RECORDS, ids=lambda op: op.name)
@given(data=st.data())
@settings(max_examples=60)
def test_whatever_is_said_is_the_same_command_or_left_to_the_plain_way(
    catalogue: Catalogue, hearer: Hearer, op: Operation, data: st.DataObject
) -> None:
    """Odd values, fields that are none, fields left out; then text cut and changed at any byte."""
    args = data.draw(said_of(catalogue, op))
    keys = st.sampled_from([*sorted(args), *op.args.__struct_fields__, "extra", "op"])
    args |= data.draw(st.dictionaries(keys, st.sampled_from(ODD), max_size=2))
    for key in data.draw(st.sets(st.sampled_from([*sorted(args), ""]), max_size=1)):
        args.pop(key, None)
    said = bytearray(json.dumps(args, ensure_ascii=data.draw(st.booleans())).encode())
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(said)))
        said[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    found = hearer.command(op, bytes(said), lambda _: 1)
    if found is not None:
        assert found == plain(catalogue, op, bytes(said), 1)


@pytest.mark.parametrize(
    "said",
    [
        b'{"order":"5","order":"6"}', b'{"order":"5",}', b'{"order":"5"}{}', b'{"order":"\\u0035"}', b'{"order":5}', b'{"order":null}', b'["5"]', b'"5"', b"", b"{", b'{"order":"5"',
        b"{,}", b'{"order" "5"}', b'{"order":"5" "client_id":"a"}', b"\xef\xbb\xbf{}", b'{"order":"5"}\0', b'{"extra":"5"}', b'{"client_id":"' + b"0" * 32 + b'"}',
    ],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_the_plain_way(catalogue: Catalogue, said: bytes) -> None:
    assert Hearer(catalogue).command(operation("cancel_order"), said, lambda _: 0) is None


def test_an_amendment_is_in_the_scales_of_the_market_where_its_order_rests(catalogue: Catalogue) -> None:
    """Which is asked for by what the amendment names, once, and only where a scale is needed."""
    asked = []

    def rests(message: bytes) -> int:
        asked.append(decode_command(message).body)
        return 1

    hearer, op = Hearer(catalogue), operation("amend_order")
    made = hearer.command(op, b'{"order":"5","client_id":"me","price":"1.5","quantity":"2"}', rests)
    assert made == encode(AmendOrder(order=5, client_id=b"me".ljust(16, b"\0"), price=150, lots=200))
    assert asked == [AmendOrder(order=5, client_id=b"me".ljust(16, b"\0"))]
    assert hearer.command(op, b'{"order":"5"}', rests) == encode(AmendOrder(order=5))
    assert hearer.command(operation("cancel_order"), b'{"order":"5"}', rests) == encode(CancelOrder(order=5))
    assert len(asked) == 1
    assert hearer.command(op, b'{"order":"5","price":"1"}', lambda _: 0) is None
    with pytest.raises(SchemaError, match="market"):
        to_command(catalogue, parse(op, b'{"order":"5","price":"1"}'))


def stepped(catalogue: Catalogue, tick: int, split: tuple[int, int]) -> Catalogue:
    """The same listing with other ticks of the first market."""
    lines = [
        msgspec.structs.replace(line, tick_size=tick, split=split) if line.market == 1 else line
        for line in catalogue.listed.markets
    ]
    return Catalogue(msgspec.structs.replace(catalogue.listed, markets=tuple(lines)))


@given(
    tick=st.integers(1, 10**12),
    split=st.sampled_from([(1, 1), (1, 2), (3, 1), (1, 3), (7, 5)]),
    units=st.integers(-(2**63), 2**63 - 1) | st.integers(-1000, 1000),
    off=st.sampled_from(["", "0", "00", "1", "01"]),
)
def test_scales_are_the_same_both_ways(
    catalogue: Catalogue, tick: int, split: tuple[int, int], units: int, off: str
) -> None:
    """Also where a step has no finite decimals, or is so large that a number does not fit."""
    other = stepped(catalogue, tick, split)
    event = OrderPlaced(
        order=1, market=1, side=0, kind=0, time_in_force=0, flags=0, price=units, lots=1, client_id=bytes(16)
    )
    message = encode_event(event, 7, 1)
    teller = Teller(other)
    told = teller.tell(message)
    assert told == msgspec.json.encode(outcome(other, decode_event(message)))
    price = json.loads(told)["data"]["price"]
    said = json.dumps(
        {"market": "PERP", "side": "bid", "price": price + (off if "." in price else ""), "quantity": "1"}
    ).encode()
    found = Hearer(other).command(operation("place_order"), said, lambda _: 0)
    if found is not None:
        assert found == plain(other, operation("place_order"), said)
    elif not off and split in {(1, 1), (1, 2)} and abs(units) < 10**9:
        raise AssertionError("a plain price was left to the plain way")


@pytest.mark.parametrize(
    "event",
    [one for one in EVENTS if one.FORM == "record" and one is not CommandRefused],
    ids=lambda one: one.__name__,
)
def test_records_do_not_go_the_plain_way(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, event: type[Event]
) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("told the plain way")

    monkeypatch.setattr("novate.schema.telling.outcome", never)
    values = {field.attribute: bytes(16) if field.type == "[u8;16]" else 1 for field in LAYOUTS[event].fields}
    told = json.loads(Teller(catalogue, lambda _: 1).tell(encode_event(event(**values), 7, 1)))
    assert told["account_seq"] == 1


def test_what_is_no_event_is_refused(catalogue: Catalogue) -> None:
    teller = Teller(catalogue)
    message = encode_event(
        OrderPlaced(
            order=1, market=1, side=0, kind=0, time_in_force=0, flags=0, price=1, lots=1, client_id=bytes(16)
        )
    )
    for broken in (b"", message[:-1], message + b"\0", bytes(64)):
        with pytest.raises(BadBuffer):
            teller.tell(broken)
    with pytest.raises(BadBuffer):
        teller.answer(message + message[:-1], 7)


LISTED = _core.Listed([], [])
FIELD = ("order", "id", 64, "u64", "", [], [])


@pytest.mark.parametrize(
    "field",
    [
        ("order", "id", 48, "u64", "", [], []), ("order", "id", 65, "u64", "", [], []), ("order", "spell", 64, "u64", "", [], []), ("order", "id", 64, "u128", "", [], []),
        ("price", "scaled", 64, "u64", "ticks", [64], []), ("price", "scaled", 64, "i64", "miles", [64], []), ("price", "scaled", 64, "i64", "ticks", [70], []),
        ("price", "of_order", 64, "i64", "ticks", [], []), ("market", "name", 64, "u32", "planet", [], []), ("side", "code", 64, "u8", "", [], [("bid", 256)]),
        ("client", "client_id", 64, "u64", "", [], []), ("client", "client_id", 57, "[u8;16]", "", [], []),
    ],
)  # fmt: skip
def test_a_table_that_fits_no_record_is_refused(field: Any) -> None:
    _core.Teller([(1, 72, "made", [FIELD])], [], LISTED, lambda _: 0, lambda _: b"")
    with pytest.raises(ValueError, match=r"field|of"):
        _core.Teller([(1, 72, "made", [field])], [], LISTED, lambda _: 0, lambda _: b"")


@pytest.mark.parametrize(
    "field",
    [
        ("id", 47, "u64", "", [], False, [("order", 0)], []), ("id", 49, "u64", "", [], False, [("order", 0)], []), ("spell", 48, "u64", "", [], False, [("order", 0)], []),
        ("scaled", 48, "i64", "ticks", [], False, [("price", 0)], []), ("scaled", 48, "i64", "ticks", [53], False, [("price", 0)], []), ("name", 48, "u64", "market", [], False, [("m", 0)], []),
        ("bytes", 48, "[u8;16]", "", [], False, [("hash", 0)], []), ("bits", 48, "u8", "", [], False, [(f"b{n}", 1) for n in range(33)], []),
    ],
)  # fmt: skip
def test_a_table_that_fits_no_command_is_refused(field: Any) -> None:
    with pytest.raises(ValueError, match=r"field|of|keys"):
        _core.Hearer([("made", bytes(56), [field])], LISTED)
