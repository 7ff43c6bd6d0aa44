"""What somebody could say to a gateway, made from its own tables: arguments of every operation, a message of every typed kind."""

from typing import Any

from novate.identity.typed import TYPES
from novate.messages import AmendOrder, OrderBatch, ProposeChange
from novate.schema.catalogue import Catalogue
from novate.schema.operations import Operation
from novate.schema.values import How, Outer, outer

ZERO_CLIENT = "0x" + "00" * 16
_WORDS = {
    "market": "NVDA-PERP", "triggerMarket": "", "side": "bid", "kind": "limit", "timeInForce": "gtc", "selfTrade": "cancel_newest",
    "asset": "USDC", "action": "cancel", "trigger": "none", "to": "0x" + "ab" * 20, "label": "", "method": "GET", "target": "/v1/time",
}  # fmt: skip


def arguments(op: Operation, catalogue: Catalogue) -> dict[str, Any]:
    """The least that the operation takes as well formed: first names, first words, smallest numbers, ids of nothing."""
    if op.command is OrderBatch:
        return {"legs": [{"op": "cancel_order", "args": {"order": "1"}}]}
    if op.command is AmendOrder:
        return {"order": "4000000000"}
    if op.command is ProposeChange:
        return {"account": "12", "command": {"op": "cancel_all", "args": {}}, "reason": "x"}
    found: dict[str, Any] = {}
    for one in outer(op.command):
        if one.how is How.BITS:
            found |= dict.fromkeys((name for name, _ in one.bits()), False)
        elif one.how is not How.CLIENT_ID:
            found[one.name] = _value(one, catalogue)
    return found


def _value(one: Outer, catalogue: Catalogue) -> Any:
    names = {
        "market": catalogue.market_ids,
        "asset": catalogue.asset_ids,
        "underlying": catalogue.underlying_ids,
    }
    match one.how:
        case How.ID:
            return "4000000000"
        case How.NAME:
            return next(iter(names[one.what]))
        case How.NAMES:
            return [next(iter(names[one.what]))]
        case How.CODE:
            return next(iter(one.words().values())).value
        case How.YES:
            return False
        case How.WORDS:
            return "x"
        case How.BYTES:
            return "00" * 16
        case How.SCALED:
            return "0"
        case How.SCALED_EACH:
            return ["0"]
        case How.WHOLES:
            return []
        case _:
            return 0


def message(kind: str, account: int, **changed: Any) -> dict[str, Any]:
    """A message of a typed kind, as far as its signer does not seal it."""
    sealed = {"timeNs", "expiresAfterNs", "nonce"}
    found = {name: _typed(name, form, account) for name, form in TYPES[kind] if name not in sealed}
    return found | changed


def _typed(name: str, form: str, account: int) -> Any:
    if form.endswith("[]"):
        inner = form[:-2]
        return [message(inner, account)] if inner in TYPES else []
    match form:
        case "string":
            return _WORDS[name]
        case "bool":
            return False
        case "address":
            return "0x" + "cd" * 20
        case "bytes16":
            return ZERO_CLIENT
        case "bytes32":
            return "0x" + "00" * 32
    if name == "account":
        return str(account)
    return {
        "order": "1",
        "to": "999",
        "priceE9": str(10**7),
        "quantityE9": str(10**9),
        "amountE9": "1000",
    }.get(name, "0")
