"""Operations signed by wallets and their agents: typed data that a wallet shows its owner, field by field, before he signs.

Responsible for: from a signed message to the operation that it stands for. Never: checks a signature (`novate.identity`), or sends what the signed
message does not say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from novate.gateway.actions import Replied, Reply
from novate.gateway.errors import GatewayRefused, Rule
from novate.gateway.gate import now
from novate.identity import ANONYMOUS, WalletRequest
from novate.identity.typed import address_of
from novate.schema.scale import decimal_text

if TYPE_CHECKING:
    from novate.gateway.door import Door

Address = Annotated[str, msgspec.Meta(pattern=r"^0x[0-9a-fA-F]{40}$", description="20 bytes.")]
_NANO: Final = 9
_NO_CLIENT: Final = "0" * 32
_OPERATIONS: Final = {
    "PlaceOrder": "place_order_full", "PlaceOrderFull": "place_order_full", "CancelOrder": "cancel_order", "AmendOrder": "amend_order",
    "CancelAll": "cancel_all", "CancelAfter": "cancel_after", "PlaceTwap": "place_twap", "OrderBatch": "order_batch",
    "PlacePackage": "place_package", "Transfer": "transfer", "Lend": "lend", "Recall": "recall",
    "RequestWithdrawal": "request_withdrawal", "WithdrawTo": "withdraw_to", "AddAddress": "add_address", "RemoveAddress": "remove_address",
}  # fmt: skip
"""Typed kinds to operations. A typed order says all that an order can say."""
_SEAL: Final = frozenset({"timeNs", "expiresAfterNs", "nonce", "account"})
_TO_ADDRESS: Final = frozenset({"WithdrawTo", "AddAddress", "RemoveAddress"})
_LEG_ACTIONS: Final = {"place": "place_order_full", "amend": "amend_order", "cancel": "cancel_order"}


class WalletWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A signed message.

    Attributes:
        kind: Primary type of the typed data.
        message: Its fields.
        wallet: For which wallet it acts.
        signature: 65 bytes r, s, v.
        agent: Who signed, where it was not the wallet itself.
        domain: The domain it was signed for, where the signer says so: compared, never used.
    """

    kind: Annotated[str, msgspec.Meta(max_length=32)]
    message: dict[str, Any]
    wallet: Address
    signature: Annotated[str, msgspec.Meta(pattern=r"^0x([0-9a-fA-F]{2}){1,128}$")]
    agent: Address | None = None
    domain: dict[str, Any] | None = None

    def request(self) -> WalletRequest:
        """What identity checks."""
        return WalletRequest(
            kind=self.kind,
            message=self.message,
            wallet=address_of(self.wallet),
            signature=bytes.fromhex(self.signature[2:]),
            agent=None if self.agent is None else address_of(self.agent),
            domain=self.domain,
        )


async def carry_out(door: Door, wish: WalletWish, address: str) -> Replied:
    """Does what was signed. Raises what `told` knows; what the engine refuses is a reply."""
    identity, request = door.gate.identity, wish.request()
    if wish.kind in {"ApproveAgent", "RevokeAgent"}:
        door.gate.spend(ANONYMOUS, address=address)
    if wish.kind == "ApproveAgent":
        with door.gate.counted(address):
            made = identity.approve_agent(
                request, now(), market_id=door.catalogue.market_ids.get, address=address
            )
        return _done(door, {"key": str(made.record.actor), "agent": "0x" + made.record.public.hex()})
    if wish.kind == "RevokeAgent":
        with door.gate.counted(address):
            revoked = identity.revoke_agent(request, now(), address)
        return _done(door, {"revoked": [str(one) for one in revoked]})
    if wish.kind not in _OPERATIONS:
        raise GatewayRefused(
            Rule.FIELDS_MUST_FIT_THE_OPERATION, f"No operation is signed as {wish.kind[:32]!r}.", field="kind"
        )
    with door.gate.counted(address):
        principal = await identity.authenticate_wallet_async(request, now(), address)
    said = msgspec.json.encode(arguments(wish.kind, wish.message))
    account = int(wish.message["account"])
    return await door.actions.do(principal, _OPERATIONS[wish.kind], account, said, address)


def verified(door: Door, wish: WalletWish, address: str) -> Replied:
    """A dry run: what had to be signed, who signed, and the first rule it breaks. Nothing is used up."""
    return _done(door, asdict(door.gate.identity.verify_wallet(wish.request(), now(), address)))


def arguments(kind: str, message: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the operation that a typed message stands for. What the type must say, though it means nothing, is left out."""
    if kind == "OrderBatch":
        return {"legs": [_leg(item) for item in message["items"]]}
    if kind == "PlacePackage":
        return _package(message)
    said: dict[str, Any] = {}
    for name, value in message.items():
        if name in _SEAL:
            continue
        if name == "to" and kind in _TO_ADDRESS:
            said["address"] = _hexadecimal(value)
        elif name.endswith("E9"):
            _put(said, _snake(name[:-2]), decimal_text(int(value), _NANO), "0")
        elif name == "clientId":
            _put(said, "client_id", str(value).removeprefix("0x"), _NO_CLIENT)
        elif name == "order":
            _put(said, "order", str(value), "0")
        elif name in {"market", "triggerMarket"}:
            _put(said, _snake(name), value, "")
        elif name == "to":
            said["to"] = str(value)
        else:
            said[_snake(name)] = int(value) if name.endswith("Ns") else value
    return said


def _leg(item: Mapping[str, Any]) -> dict[str, Any]:
    action = item["action"]
    if action not in _LEG_ACTIONS:
        raise GatewayRefused(
            Rule.FIELDS_MUST_FIT_THE_OPERATION, "An action is place, amend or cancel.", field="items"
        )
    wanted = {
        "place": set(item) - {"action", "order"},
        "amend": {"order", "clientId", "priceE9", "quantityE9"},
        "cancel": {"order", "clientId"},
    }[action]
    args = arguments("BatchItem", {name: value for name, value in item.items() if name in wanted})
    return {"op": _LEG_ACTIONS[action], "args": args}


def _package(message: Mapping[str, Any]) -> dict[str, Any]:
    legs = message["legs"]
    signs = {"bid": "", "ask": "-"}
    if any(leg["side"] not in signs for leg in legs):
        raise GatewayRefused(Rule.FIELDS_MUST_FIT_THE_OPERATION, "A side is bid or ask.", field="legs")
    said: dict[str, Any] = {
        "markets": [leg["market"] for leg in legs],
        "quantity": [signs[leg["side"]] + decimal_text(int(leg["quantityE9"]), _NANO) for leg in legs],
        "prices": [decimal_text(int(leg["priceE9"]), _NANO) for leg in legs],
    }
    _put(said, "client_id", str(message["clientId"]).removeprefix("0x"), _NO_CLIENT)
    return said


def _put(said: dict[str, Any], name: str, value: Any, nothing: str) -> None:
    if value != nothing:
        said[name] = value


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _hexadecimal(value: Any) -> str:
    """An address as the engine keeps it: the bytes of 0x-text, or of any other text."""
    text = str(value)
    return text[2:].lower() if text.startswith("0x") else text.encode().hex()


def _done(door: Door, result: Any) -> Replied:
    return Replied(Reply(ok=True, ts_ns=door.link.time_ns, seq=door.link.sequence, result=result), 200)
