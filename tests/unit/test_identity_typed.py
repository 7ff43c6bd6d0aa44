"""What wallets sign, against an independent implementation, and every crafted signature that must not pass."""

import dataclasses
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from novate.identity import Domain, IdentityRefused, Rule, WalletRequest, typed, typed_data
from novate.identity.wallets import CURVE_ORDER, WalletChecker, check, examine, recover

DOMAIN = Domain("test-venue", 31337)
WALLET = Account.from_key("0x" + "11" * 32)
OTHER = Account.from_key("0x" + "22" * 32)
PRIMARY = sorted(typed.TYPES.keys() - typed.PARTS)
U64 = st.integers(0, 2**64 - 1)


def raw(account: Any) -> bytes:
    return bytes.fromhex(account.address[2:])


def values(form: str) -> st.SearchStrategy[Any]:
    if form.endswith("[]"):
        return st.lists(values(form[:-2]), max_size=3)
    if form in typed.TYPES:
        return messages(form)
    return {
        "string": st.text(max_size=20),
        "bool": st.booleans(),
        "address": st.binary(min_size=20, max_size=20).map(lambda value: "0x" + value.hex()),
        "bytes16": st.binary(min_size=16, max_size=16).map(lambda value: "0x" + value.hex()),
        "bytes32": st.binary(min_size=32, max_size=32).map(lambda value: "0x" + value.hex()),
        "uint64": U64,
        "uint128": st.integers(0, 2**128 - 1),
    }[form]


def messages(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: values(form) for name, form in typed.TYPES[kind]})


def sample(kind: str = "CancelAll", **changes: Any) -> dict[str, Any]:
    plain = {"string": "x", "bool": False, "address": "0x" + "ab" * 20, "uint64": 1, "uint128": 1}
    found = {
        name: []
        if form.endswith("[]")
        else "0x" + "00" * int(form[5:])
        if form.startswith("bytes")
        else plain[form]
        for name, form in typed.TYPES[kind]
    }
    return found | changes


def signed(
    message: dict[str, Any], kind: str = "CancelAll", signer: Any = WALLET, domain: Domain = DOMAIN
) -> WalletRequest:
    signature = signer.sign_typed_data(full_message=typed_data(domain, kind, message)).signature
    return WalletRequest(kind, message, raw(signer), bytes(signature))


def refused(request: WalletRequest) -> Rule:
    with pytest.raises(IdentityRefused) as found:
        check(DOMAIN, request)
    return found.value.rule


@pytest.mark.parametrize("kind", PRIMARY)
def test_digests_are_those_of_an_independent_implementation(kind: str) -> None:
    @settings(max_examples=15, deadline=None)
    @given(message=messages(kind))
    def agree(message: dict[str, Any]) -> None:
        theirs = encode_typed_data(full_message=typed_data(DOMAIN, kind, message))
        assert typed.digest(DOMAIN, kind, message) == keccak(b"\x19\x01" + theirs.header + theirs.body)

    agree()


@pytest.mark.parametrize("kind", PRIMARY)
def test_every_type_ends_with_time_expiry_and_nonce(kind: str) -> None:
    assert [name for name, _ in typed.TYPES[kind]][-3:] == ["timeNs", "expiresAfterNs", "nonce"]


def test_numbers_as_text_and_bytes_as_bytes_are_the_same_message() -> None:
    plain = sample("CancelOrder", account=7, clientId="0x" + "0f" * 16)
    wordy = plain | {"account": "7", "clientId": b"\x0f" * 16}
    assert typed.digest(DOMAIN, "CancelOrder", plain) == typed.digest(DOMAIN, "CancelOrder", wordy)


@pytest.mark.parametrize(
    "change",
    [
        {"account": -1}, {"account": 2**64}, {"account": "1.0"}, {"account": "01"}, {"account": True}, {"account": 1.0},
        {"account": None}, {"market": 1}, {"market": "\ud800"}, {"surprise": 1}, {"nonce": ""}, {"nonce": "١"},
    ],
)  # fmt: skip
def test_what_does_not_fit_its_type_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(IdentityRefused) as found:
        typed.digest(DOMAIN, "CancelAll", sample() | change)
    assert found.value.rule is Rule.TYPED_DATA_MUST_FIT_ITS_TYPE


def test_missing_fields_unknown_types_and_bad_items_are_refused() -> None:
    short = sample()
    del short["market"]
    bad_item = sample("OrderBatch", items=[{"action": "place"}])
    not_a_list = sample("OrderBatch", items="abc")
    for kind, message in [
        ("CancelAll", short), ("Nothing", {}), ("OrderBatch", bad_item), ("OrderBatch", not_a_list),
        ("OrderBatch", sample("OrderBatch", items=[1])), ("OrderBatch", sample("OrderBatch", items=[{}] * 101)),
        ("CancelOrder", sample("CancelOrder", clientId="0x" + "zz" * 16)),
        ("CancelOrder", sample("CancelOrder", clientId="0x00")),
    ]:  # fmt: skip
        with pytest.raises(IdentityRefused) as found:
            typed.digest(DOMAIN, kind, message)
        assert found.value.rule is Rule.TYPED_DATA_MUST_FIT_ITS_TYPE


@pytest.mark.parametrize("kind", PRIMARY)
def test_a_good_signature_passes(kind: str) -> None:
    check(DOMAIN, signed(sample(kind), kind))


def flipped(signature: bytes) -> bytes:
    """The other signature of the same message by the same key: n - s and the other recovery id."""
    s = CURVE_ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes((55 - signature[64],))


def test_the_flipped_signature_is_the_signers_and_refused_all_the_same() -> None:
    request = signed(sample())
    other = flipped(request.signature)
    digest = typed.digest(DOMAIN, "CancelAll", request.message)
    assert Account._recover_hash(digest, signature=other).lower() == WALLET.address.lower()
    assert refused(dataclasses.replace(request, signature=other)) is Rule.SIGNATURE_S_MUST_BE_LOW


def test_each_second_form_has_its_own_refusal() -> None:
    request = signed(sample())
    r, s, v = request.signature[:32], request.signature[32:64], request.signature[64]
    compact = r + (int.from_bytes(s, "big") | (v - 27) << 255).to_bytes(32, "big")
    order = CURVE_ORDER.to_bytes(32, "big")
    for signature, rule in [
        (b"", Rule.SIGNATURE_MUST_HAVE_65_BYTES),
        (compact, Rule.SIGNATURE_MUST_HAVE_65_BYTES),
        (request.signature + b"\0", Rule.SIGNATURE_MUST_HAVE_65_BYTES),
        (r + s + bytes((v - 27,)), Rule.RECOVERY_ID_MUST_BE_27_OR_28),
        (r + s + bytes((v + 2,)), Rule.RECOVERY_ID_MUST_BE_27_OR_28),
        (r + s + b"\xff", Rule.RECOVERY_ID_MUST_BE_27_OR_28),
        (bytes(32) + s + bytes((v,)), Rule.SIGNATURE_VALUES_MUST_BE_IN_RANGE),
        (r + bytes(32) + bytes((v,)), Rule.SIGNATURE_VALUES_MUST_BE_IN_RANGE),
        (order + s + bytes((v,)), Rule.SIGNATURE_VALUES_MUST_BE_IN_RANGE),
        (r + order + bytes((v,)), Rule.SIGNATURE_VALUES_MUST_BE_IN_RANGE),
        (bytes(65), Rule.SIGNATURE_VALUES_MUST_BE_IN_RANGE),
    ]:
        assert refused(dataclasses.replace(request, signature=signature)) is rule


def test_an_r_on_no_curve_point_recovers_to_nobody() -> None:
    request = signed(sample())
    found = set()
    for r in range(1, 40):
        signature = r.to_bytes(32, "big") + request.signature[32:]
        found.add(refused(dataclasses.replace(request, signature=signature)))
    assert found == {Rule.SIGNATURE_MUST_VERIFY}


def test_the_zero_address_signs_nothing() -> None:
    request = signed(sample())
    assert refused(dataclasses.replace(request, wallet=bytes(20))) is Rule.SIGNER_MUST_NOT_BE_ZERO
    assert refused(dataclasses.replace(request, agent=bytes(20))) is Rule.SIGNER_MUST_NOT_BE_ZERO


@pytest.mark.parametrize(
    "domain", [Domain("test-venue", 1), Domain("test-venue", 42161), Domain("test-venue", 137)]
)
def test_a_signature_for_another_chain_says_so(domain: Domain) -> None:
    assert refused(signed(sample(), domain=domain)) is Rule.DOMAIN_MUST_BE_THE_VENUES


def test_a_signature_for_another_venue_is_refused_and_named_where_it_says_so() -> None:
    foreign = Domain("other-venue", 31337)
    request = signed(sample(), domain=foreign)
    assert refused(request) is Rule.SIGNATURE_MUST_VERIFY
    stated = dataclasses.replace(request, domain=foreign.as_dict())
    assert refused(stated) is Rule.DOMAIN_MUST_BE_THE_VENUES
    own = dataclasses.replace(signed(sample()), domain=DOMAIN.as_dict() | {"chainId": "31337"})
    check(DOMAIN, own)


def test_a_stranger_is_a_bad_signature_with_both_addresses() -> None:
    request = dataclasses.replace(signed(sample(), signer=OTHER), wallet=raw(WALLET))
    with pytest.raises(IdentityRefused) as found:
        check(DOMAIN, request)
    assert found.value.rule is Rule.SIGNATURE_MUST_VERIFY
    assert found.value.facts["claimed"] == WALLET.address.lower()
    assert found.value.facts["recovered"] == OTHER.address.lower()
    assert found.value.facts["digest"] == "0x" + typed.digest(DOMAIN, "CancelAll", request.message).hex()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_other_message_and_no_other_bytes_pass(data: st.DataObject) -> None:
    """What was signed passes; one bit of the signature, or one field of the message, and it does not."""
    message = data.draw(messages("PlaceOrder"))
    request = signed(message, "PlaceOrder")
    assert examine(DOMAIN, request).refusal is None
    bit = data.draw(st.integers(0, 65 * 8 - 1))
    signature = bytearray(request.signature)
    signature[bit // 8] ^= 1 << bit % 8
    assert examine(DOMAIN, dataclasses.replace(request, signature=bytes(signature))).refusal is not None
    name, form = data.draw(st.sampled_from(typed.TYPES["PlaceOrder"]))
    changed = message | {name: data.draw(values(form).filter(lambda value: value != message[name]))}
    assert examine(DOMAIN, dataclasses.replace(request, message=changed)).refusal is not None


async def _check_in_threads() -> None:
    with WalletChecker(DOMAIN) as checker:
        await checker.check_async(signed(sample()))
        with pytest.raises(IdentityRefused):
            await checker.check_async(dataclasses.replace(signed(sample()), signature=bytes(65)))


def test_the_thread_pool_answers_like_the_caller() -> None:
    import asyncio

    asyncio.run(_check_in_threads())


def test_recovery_agrees_with_an_independent_implementation() -> None:
    for number in range(50):
        digest = keccak(bytes((number,)))
        signature = bytes(Account.unsafe_sign_hash(digest, WALLET.key).signature)
        assert recover(digest, signature) == raw(WALLET)


def test_the_document_for_wallets_lists_each_part_once() -> None:
    document = typed_data(DOMAIN, "OrderBatch", sample("OrderBatch"))
    assert list(document["types"]) == ["EIP712Domain", "OrderBatch", "BatchItem"]
    assert document["domain"]["chainId"] == 31337
