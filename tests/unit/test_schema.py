"""The public language inwards and of what happened: scales, names, operations, events and refusals."""

import itertools
import json
import random
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novate.errors import DataError, UnitError
from novate.messages import (
    AmendOrder,
    BookChanged,
    CancelOrder,
    Command,
    CommandRefused,
    Deposit,
    Event,
    EventMessage,
    Header,
    IndexChanged,
    MarkChanged,
    OrderCancelled,
    OrderPlaced,
    PlaceOrder,
    PlaceOrderFull,
    PlacePackage,
    PlaceTwap,
    RequestWithdrawal,
    Transfer,
    decode_event,
    encode,
    encode_event,
    iter_events,
)  # fmt: skip
from novate.messages.commands import COMMANDS
from novate.messages.events import EVENTS
from novate.messages.layout import LAYOUTS, RANGES
from novate.schema.catalogue import Catalogue
from novate.schema.operations import (
    SchemaError,
    client_id,
    client_text,
    name_of,
    operation,
    operations,
    parse,
    to_command,
)
from novate.schema.outcomes import happenings, outcome, problem
from novate.schema.scale import Scale, decimal_text
from novate.schema.telling import Teller
from novate.schema.values import How, Outer, outer
from venues import TOKEN, USD, PlainVenue, open_plain_venue

I64 = st.integers(-(2**63), 2**63 - 1)
CENT, LOT, COIN = Scale(Fraction(1, 100)), Scale(Fraction(1, 100)), Scale(Fraction(1, 10**6))


@pytest.fixture(scope="module")
def venue() -> PlainVenue:
    return open_plain_venue({7: 70, 8: 80})


@pytest.fixture(scope="module")
def catalogue(venue: PlainVenue) -> Catalogue:
    return Catalogue.of(venue.engine)


# --- scales ------------------------------------------------------------------------------------------------------------


@given(units=I64, step=st.fractions(Fraction(1, 10**9), 10**4, max_denominator=10**9))
def test_text_is_read_back_to_its_units(units: int, step: Fraction) -> None:
    """Every step down to 1e-9, finite or not; far below, 18 decimals would not tell neighbours apart."""
    scale = Scale(step)
    assert scale.units(scale.text(units)) == units


@given(units=st.integers(-(10**12), 10**12), decimals=st.integers(0, 18))
def test_text_is_exact_and_plain(units: int, decimals: int) -> None:
    text = Scale(Fraction(1, 10**decimals)).text(units)
    assert Fraction(text) == Fraction(units, 10**decimals)
    assert "e" not in text.lower()
    assert "." not in text or not text.endswith(("0", "."))
    assert text == decimal_text(units, decimals)


@given(units=st.integers(-(10**9), 10**9), off=st.integers(1, 24))
def test_what_lies_between_two_steps_is_refused(units: int, off: int) -> None:
    with pytest.raises(UnitError, match=r"price must be a multiple of 0\.25"):
        Scale(Fraction(1, 4)).units(decimal_text(units * 25 + off, 2), "price")


@pytest.mark.parametrize(
    "text", ["", ".", "1.", ".5", "+1", "1e5", "0x1", "1_000", "1,5", " 1", "1\n", "\u0661\u0662", "\uff11", "nan", "-", "--1", "1.2.3"]
)  # fmt: skip
def test_only_plain_numbers_are_read(text: str) -> None:
    with pytest.raises(UnitError, match="plain decimal number"):
        CENT.units(text)


@pytest.mark.parametrize(
    ("units", "fits"), [(2**63 - 1, True), (2**63, False), (-(2**63), True), (-(2**63) - 1, False)]
)
def test_what_does_not_fit_64_bits_is_refused(units: int, fits: bool) -> None:
    text = CENT.text(units)
    if fits:
        assert CENT.units(text) == units
    else:
        with pytest.raises(UnitError, match="64 bits"):
            CENT.units(text)


def test_a_third_of_a_step_has_18_decimals_and_comes_back() -> None:
    third = Scale(Fraction(1, 300))
    assert third.text(1) == "0.003333333333333333"
    assert third.text(3) == "0.01"
    assert third.units("0.01") == 3
    with pytest.raises(UnitError):
        third.units("0.005")


# --- names -------------------------------------------------------------------------------------------------------------


def test_names_ids_and_scales(catalogue: Catalogue) -> None:
    market = catalogue.market("PERP")
    assert (market.id, market.perp, market.quote.name, market.base) == (1, True, "USDC", None)
    assert (market.price.text(1), market.quantity.text(1), market.money.text(1), market.mark.text(1)) == (
        "0.01", "0.01", "0.000001", "0.000001",
    )  # fmt: skip
    assert catalogue.market("SPOT").quantity.text(1) == "0.01"


@pytest.mark.parametrize(
    ("name", "said"), [("PRP", "did you mean PERP"), ("xyzzy", "there are PERP"), ("P" * 500, "PERP")]
)
def test_an_unknown_name_says_what_there_is(catalogue: Catalogue, name: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        catalogue.market(name)
    assert len(str(caught.value)) < 300


# --- operations --------------------------------------------------------------------------------------------------------


def test_every_command_has_an_operation() -> None:
    assert {op.command for op in operations().values()} == set(COMMANDS)
    assert len(operations()) == len(COMMANDS)
    assert operation("place_order").command is PlaceOrder
    with pytest.raises(SchemaError):
        operation("buy")


@pytest.mark.parametrize("op", operations().values(), ids=lambda op: op.name)
def test_every_field_of_a_command_is_one_of_its_operation(op: Any) -> None:
    shown = {one.field.attribute for one in op.fields}
    assert shown == {field.attribute for field in LAYOUTS[op.command].fields if field.unit != "0"}
    names = [one.name for one in op.fields]
    assert len(set(names)) == len(names)
    assert op.summary


def written(catalogue: Catalogue, command: Command) -> dict[str, Any]:
    """A command as somebody would write it, from its fields alone."""
    found: dict[str, Any] = {}
    for one in outer(type(command)):
        value = getattr(command, one.field.attribute)
        if one.how is How.BITS and one.code is not None:
            found |= {name.lower(): bool(value & bit) for name, bit in one.code.__members__.items() if bit}
        else:
            text = wrote(catalogue, one, value)
            if text is not None:
                found[one.name] = text
    return found


def wrote(catalogue: Catalogue, one: Outer, value: Any) -> Any:
    names: dict[str, Any] = {
        "market": catalogue.markets,
        "asset": catalogue.assets,
        "underlying": catalogue.underlyings,
    }
    match one.how:
        case How.ID:
            return str(value)
        case How.NAME:
            return names[one.what][value].name if value else None
        case How.NAMES:
            return [names[one.what][each].name for each in value]
        case How.CODE:
            return str(one.code(value).name).lower() if one.code else None
        case How.YES:
            return bool(value)
        case How.CLIENT_ID:
            return client_text(value) or None
        case How.BYTES:
            return value.hex()
        case How.SCALED:
            return scale_beside(one).text(value) if value else None
        case How.SCALED_EACH:
            return [(COIN if one.what == "money" else CENT).text(each) for each in value]
        case _:
            return value


def scale_beside(one: Outer) -> Scale:
    """By hand: all four markets have ticks of a cent and lots of a hundredth, both assets six decimals."""
    return COIN if one.what in {"dollars", "amount", "money"} else CENT


PRICES, SIZES = st.integers(1, 10**12), st.integers(1, 10**9)
MARKETS, SIDES, YES = st.integers(1, 4), st.integers(0, 1), st.integers(0, 1)
FLAGS, TIMES = st.integers(0, 3), st.integers(0, 2**63 - 1)
CLIENT = st.one_of(
    st.just(bytes(16)), st.binary(min_size=16, max_size=16), st.text("abcXYZ-_.:/09", min_size=1, max_size=16).map(lambda t: t.encode().ljust(16, b"\0"))
)  # fmt: skip
LEGS = st.integers(1, 4).flatmap(
    lambda n: st.fixed_dictionaries(
        {
            "markets": st.permutations([1, 2, 3, 4]).map(lambda all_of: tuple(all_of[:n])),
            "lots": st.lists(SIZES, min_size=n, max_size=n).map(tuple),
            "prices": st.lists(PRICES, min_size=n, max_size=n).map(tuple),
        }
    )
)
TRADING: dict[type[Command], Any] = {
    PlaceOrder: st.builds(
        PlaceOrder, market=MARKETS, side=SIDES, kind=SIDES, time_in_force=st.integers(0, 2), flags=FLAGS, price=PRICES, lots=SIZES,
        client_id=CLIENT,
    ),
    PlaceOrderFull: st.builds(
        PlaceOrderFull, market=MARKETS, side=SIDES, kind=SIDES, time_in_force=st.integers(0, 3), flags=FLAGS,
        self_trade=st.integers(0, 3), trigger=st.integers(0, 2), trigger_market=st.integers(0, 4), price=PRICES, lots=SIZES,
        min_lots=st.integers(0, 10**6), expires_ns=TIMES, trigger_price=st.integers(0, 10**9), client_id=CLIENT,
    ),
    PlaceTwap: st.builds(
        PlaceTwap, market=MARKETS, side=SIDES, flags=FLAGS, self_trade=st.integers(0, 3), price=PRICES, lots=SIZES,
        interval_ns=TIMES, duration_ns=TIMES, client_id=CLIENT,
    ),
    AmendOrder: st.builds(AmendOrder, order=st.integers(1, 2**64 - 1), price=PRICES, lots=SIZES, client_id=CLIENT),
    CancelOrder: st.builds(CancelOrder, order=st.integers(1, 2**64 - 1), client_id=CLIENT),
    PlacePackage: LEGS.flatmap(
        lambda legs: st.builds(
            PlacePackage, limit_kind=SIDES, net_limit=st.integers(-(10**12), 10**12), units=SIZES, least_units=SIZES,
            **{name: st.just(value) for name, value in legs.items()},
        )
    ),
    Transfer: st.builds(Transfer, to=st.integers(1, 2**64 - 1), asset=st.sampled_from((USD, TOKEN)), amount=SIZES),
    Deposit: st.builds(Deposit, asset=st.sampled_from((USD, TOKEN)), amount=SIZES, reference=st.integers(1, 2**64 - 1)),
}  # fmt: skip


@pytest.mark.parametrize("command", TRADING, ids=lambda command: command.__name__)
@given(data=st.data())
def test_what_is_written_is_read_back(
    catalogue: Catalogue, command: type[Command], data: st.DataObject
) -> None:
    sent = data.draw(TRADING[command])
    said = json.dumps(written(catalogue, sent)).encode()
    assert to_command(catalogue, parse(operation(name_of(command)), said), market=1) == sent


ORDER = {"market": "PERP", "side": "bid", "price": "99.5", "quantity": "1"}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"market": "PRP"}, "market"), ({"market": None}, "market"), ({"side": "buy"}, "side"), ({"price": "99.505"}, "price"),
        ({"price": 99.5}, "price"), ({"quantity": "0.001"}, "quantity"), ({"quantity": "1e3"}, "quantity"),
        ({"quantity": "\u0661"}, "quantity"), ({"extra": 1}, "extra"), ({"lots": 100}, "lots"), ({"post_only": 1}, "post_only"),
        ({"client_id": ""}, "client_id"), ({"client_id": "a b"}, "client_id"), ({"client_id": "a\n"}, "client_id"),
        ({"client_id": "z" * 32}, "client_id"), ({"quantity": "99999999999999999999"}, "quantity"),
    ],
)  # fmt: skip
def test_what_does_not_fit_names_its_field(catalogue: Catalogue, changed: dict[str, Any], field: str) -> None:
    with pytest.raises(SchemaError) as caught:
        to_command(catalogue, parse(operation("place_order"), json.dumps(ORDER | changed).encode()))
    assert caught.value.facts["field"] == field


@pytest.mark.parametrize("text", ["18446744073709551616", "-1", "1.0", "\u0661", "1\n", " 1", ""])
def test_an_id_is_a_whole_number_of_its_width(catalogue: Catalogue, text: str) -> None:
    with pytest.raises(SchemaError) as caught:
        to_command(catalogue, parse(operation("cancel_order"), json.dumps({"order": text}).encode()))
    assert caught.value.facts["field"] == "order"


def test_a_missing_field_is_named() -> None:
    with pytest.raises(SchemaError) as caught:
        parse(operation("place_order"), b'{"market":"PERP","side":"bid","price":"1"}')
    assert caught.value.facts["field"] == "quantity"


def test_a_trigger_price_is_of_the_market_that_pulls(catalogue: Catalogue) -> None:
    """A perp with another tick: 95 dollars are other ticks there than in the order's own market."""
    stretched = [
        msgspec.structs.replace(line, tick_size=line.tick_size * 50) if line.name == "PERP-ALLOW" else line
        for line in catalogue.listed.markets
    ]
    other = Catalogue(msgspec.structs.replace(catalogue.listed, markets=tuple(stretched)))
    said = ORDER | {"trigger": "stop", "trigger_price": "95"}
    own = to_command(other, parse(operation("place_order_full"), json.dumps(said).encode()))
    named = to_command(
        other,
        parse(operation("place_order_full"), json.dumps(said | {"trigger_market": "PERP-ALLOW"}).encode()),
    )
    assert isinstance(own, PlaceOrderFull)
    assert isinstance(named, PlaceOrderFull)
    assert (own.trigger_price, named.trigger_price) == (9_500, 190)


@given(st.binary(min_size=16, max_size=16).filter(any))
def test_a_client_id_comes_back_as_it_was(raw: bytes) -> None:
    assert client_id(client_text(raw)) == raw


def test_an_order_by_its_id_needs_its_market(catalogue: Catalogue) -> None:
    args = parse(operation("amend_order"), b'{"order":"5","price":"1"}')
    with pytest.raises(SchemaError, match="market"):
        to_command(catalogue, args)
    assert to_command(catalogue, args, market=1) == AmendOrder(order=5, price=100)


# --- events ------------------------------------------------------------------------------------------------------------


def generated(event: type[Event], seed: int) -> Event:
    """An event with anything in its fields; every other time with ids that are listed and lists of one length."""
    chance = random.Random(f"{event.__name__}{seed}")
    values: dict[str, Any] = {}
    for field in LAYOUTS[event].fields:
        if field.type == "String":
            values[field.attribute] = "text"
        elif field.type in {"Bytes", "[u8;16]"}:
            values[field.attribute] = chance.randbytes(16)
        elif field.type == "Vec<i64>":
            values[field.attribute] = tuple(chance.choice((1, 2)) for _ in range(2))
        elif event is CommandRefused and field.attribute == "code":
            values[field.attribute] = 201
        elif seed % 2:
            values[field.attribute] = chance.choice((0, 1, 2))
        else:
            values[field.attribute] = chance.randint(*RANGES[field.type])
    return event(**values)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_every_event_is_told_as_it_is_declared(catalogue: Catalogue, event: type[Event]) -> None:
    declared = next(one for one in happenings().values() if one.event is event)
    for seed in range(6):
        body = generated(event, seed)
        header = Header(0, event.KIND, 1, 7, 0, 0, 5, 9)
        told = outcome(catalogue, EventMessage(header, 2, 1, 4, body), lambda _: 1)
        assert (told.event, told.seq, told.index, told.ts_ns, told.account, told.account_seq) == (
            declared.name,
            5,
            2,
            9,
            "7",
            4,
        )
        again = msgspec.json.decode(msgspec.json.encode(told.data), type=declared.data)
        assert again == told.data
        public = msgspec.to_builtins(told.data)
        wide = [one for one in declared.fields if one.how is How.ID]
        assert all(public[one.name] == str(getattr(body, one.field.attribute)) for one in wide)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_an_event_told_from_its_record_is_the_same_text(catalogue: Catalogue, event: type[Event]) -> None:
    """Byte for byte, with anything in its fields, alone and in an answer, with and without an account, and where no order's market is known."""
    public = encode_event(BookChanged(market=1, side=0, price=100, lots=1))
    others = encode_event(OrderCancelled(order=1, market=1, side=0, reason=0, lots=1), 8, 1)
    for seed, client in itertools.product(range(8), (b"", b'a"\\b', b"me-7")):
        body = generated(event, seed)
        if client and hasattr(body, "client_id"):
            body = msgspec.structs.replace(body, client_id=client.ljust(16, b"\0"))
        account = 7 if seed % 3 else 0
        message = encode_event(body, account, 4 * account, number=seed, sequence=2**63 + 1, time_ns=-seed)
        market = seed % 2
        plain = outcome(catalogue, decode_event(message), lambda _, market=market: market)
        teller = Teller(catalogue, lambda _, market=market: market)
        assert teller.tell(message) == msgspec.json.encode(plain)
        told, heads = teller.answer(public + message + others + message, account)
        if event in {BookChanged, IndexChanged, MarkChanged}:
            assert (bytes(told), heads) == (b"[]", [])
        else:
            assert bytes(told) == msgspec.json.encode([plain, plain])
            assert [head.at for head in heads] == [len(public), len(public + message + others)]


@pytest.mark.parametrize("byte", range(256))
def test_a_client_id_is_told_the_same_from_its_record(catalogue: Catalogue, byte: int) -> None:
    """Whichever byte stands first, within, and last: a space is no more printable to one way than to the other."""
    said = bytes([byte])
    for client in (said, b"a" + said + b"b", b"a" + said, b"A" * 15 + said):
        body = OrderPlaced(
            order=1,
            market=1,
            side=0,
            kind=0,
            time_in_force=0,
            flags=0,
            price=1,
            lots=1,
            client_id=client.ljust(16, b"\0"),
        )
        message = encode_event(body, 7, 1)
        plain = outcome(catalogue, decode_event(message), lambda _: 1)
        assert Teller(catalogue, lambda _: 1).tell(message) == msgspec.json.encode(plain)


def test_events_are_told_in_text(venue: PlainVenue, catalogue: Catalogue) -> None:
    placed, changed = venue.send(PlaceOrder(market=1, side=0, price=9_012, lots=123), 7)
    said = msgspec.to_builtins(outcome(catalogue, placed).data)
    assert int(said.pop("order")) >= 2**32
    assert said == {
        "market": "PERP", "side": "bid", "kind": "limit", "time_in_force": "gtc", "post_only": False, "reduce_only": False,
        "price": "90.12", "quantity": "1.23", "client_id": None,
    }  # fmt: skip
    assert outcome(catalogue, changed).account is None
    assert msgspec.to_builtins(outcome(catalogue, changed).data)["quantity"] == "1.23"


# --- refusals ----------------------------------------------------------------------------------------------------------


def refused(venue: PlainVenue, command: Command, account: int) -> CommandRefused:
    stamped = encode(command, account=account, sequence=venue.engine.sequence + 1, time_ns=venue.time_ns)
    (event,) = iter_events(venue.engine.apply(stamped))
    assert isinstance(event.body, CommandRefused)
    return event.body


def test_a_refusal_is_in_the_fields_own_unit(venue: PlainVenue, catalogue: Catalogue) -> None:
    """A lot too many of a billion: 10,000,000 shares; a price a tick beyond the band of 50 per cent."""
    many = problem(
        catalogue, refused(venue, PlaceOrder(market=1, side=0, price=10_000, lots=10**9 + 1), 7), market=1
    )
    assert (many.field, many.value, many.limit) == ("quantity", "10000000.01", "10000000")
    far = problem(catalogue, refused(venue, PlaceOrder(market=1, side=0, price=99_999, lots=1), 7), market=1)
    assert (far.field, far.value) == ("price", "999.99")
    assert far.code.startswith("price_must")
    assert far.number > 0
    assert far.message


def test_an_amount_is_told_where_its_asset_is_known(venue: PlainVenue, catalogue: Catalogue) -> None:
    """11 million dollars, where ten are there."""
    sent = RequestWithdrawal(asset=USD, amount=11 * 10**12)
    body = refused(venue, sent, 7)
    told = problem(catalogue, body, sent=sent)
    assert (told.field, told.value) == ("amount", "11000000")
    blind = problem(catalogue, body)
    assert (blind.field, blind.value, blind.limit) == ("amount", None, None)
