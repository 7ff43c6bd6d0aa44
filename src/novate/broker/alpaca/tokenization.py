"""The issuer's side of the tokenisation network, as one table: what the network and the venue say, and what each is asked next.

    mint      a participant asks the network; the venue reserves (`RequestInKind`); the network moves the shares to the issuer's account;
              the venue mints (`ReportInKind`) and pays the tokens out to the participant's wallet; the network is told the transaction
    redeem    tokens come to the redemption wallet; the venue reserves them; the network is asked to move the shares back;
              the venue burns (`ReportInKind`)

The rules are those of the guide for issuers: a mint is asked for and confirmed under the network's id, any number of times with one result; a
redemption is asked for under the issuer's id, which is used once; quantities are shares with nine decimals at most.

Responsible for: the life of one request, which bodies are valid, and what is said to whom. Never: speaks to anybody, keeps anything, or knows
what a token is worth in shares: who wires it asks the engine.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from novate.broker.alpaca.exact import Json, nano, said, text_of
from novate.errors import DataError, MessageError

_KEYS: Final = uuid.UUID("6d0f9f0e-3f55-4a0f-9f0b-6a8b7a3f9a55")
"""Names of idempotency keys: the same request has the same key, on every machine and after every crash."""


class Way(StrEnum):
    """Shares into tokens, or tokens into shares."""

    MINT = "mint"
    REDEEM = "redeem"


class Stage(StrEnum):
    """Where a request stands."""

    ASKED = "asked"
    """The venue was asked to reserve."""
    RESERVED = "reserved"
    """The shares are on their way to the issuer (mint), or the network is asked for them (redeem)."""
    PENDING = "pending"
    """The network has a redemption and moves the shares."""
    MOVED = "moved"
    """The shares moved; the venue was told."""
    ISSUED = "issued"
    """The tokens are minted and on their way to the participant's wallet."""
    PAID = "paid"
    """The tokens are in the wallet; the network was told."""
    DONE = "done"
    REFUSED = "refused"
    """The venue did not reserve."""
    ENDING = "ending"
    """The network did not move the shares; the venue was asked to end the request."""
    ENDED = "ended"


class Happening(StrEnum):
    """What may happen to a request."""

    RESERVE = "reserve"
    REFUSE = "refuse"
    MOVE = "move"
    FAIL = "fail"
    TAKE = "take"
    ISSUE = "issue"
    PAY = "pay"
    CONFIRM = "confirm"
    END = "end"


TABLE: Final = {
    (Way.MINT, Stage.ASKED, Happening.RESERVE): Stage.RESERVED,
    (Way.MINT, Stage.ASKED, Happening.REFUSE): Stage.REFUSED,
    (Way.MINT, Stage.RESERVED, Happening.MOVE): Stage.MOVED,
    (Way.MINT, Stage.RESERVED, Happening.FAIL): Stage.ENDING,
    (Way.MINT, Stage.MOVED, Happening.ISSUE): Stage.ISSUED,
    (Way.MINT, Stage.ISSUED, Happening.PAY): Stage.PAID,
    (Way.MINT, Stage.PAID, Happening.CONFIRM): Stage.DONE,
    (Way.MINT, Stage.ENDING, Happening.END): Stage.ENDED,
    (Way.REDEEM, Stage.ASKED, Happening.RESERVE): Stage.RESERVED,
    (Way.REDEEM, Stage.ASKED, Happening.REFUSE): Stage.REFUSED,
    (Way.REDEEM, Stage.RESERVED, Happening.TAKE): Stage.PENDING,
    (Way.REDEEM, Stage.RESERVED, Happening.FAIL): Stage.ENDING,
    (Way.REDEEM, Stage.PENDING, Happening.MOVE): Stage.MOVED,
    (Way.REDEEM, Stage.PENDING, Happening.FAIL): Stage.ENDING,
    (Way.REDEEM, Stage.MOVED, Happening.ISSUE): Stage.DONE,
    (Way.REDEEM, Stage.ENDING, Happening.END): Stage.ENDED,
}
"""Every pair that may be. In a redemption `ISSUE` is the burning. What has happened already changes nothing (`apply`)."""

_ORDER: Final = {
    Way.MINT: (Stage.ASKED, Stage.RESERVED, Stage.MOVED, Stage.ISSUED, Stage.PAID, Stage.DONE),
    Way.REDEEM: (Stage.ASKED, Stage.RESERVED, Stage.PENDING, Stage.MOVED, Stage.DONE),
}
_BEFORE_A_FAILURE: Final = {
    Stage.REFUSED: frozenset({Happening.REFUSE}),
    Stage.ENDING: frozenset({Happening.RESERVE, Happening.TAKE, Happening.FAIL}),
    Stage.ENDED: frozenset({Happening.RESERVE, Happening.TAKE, Happening.FAIL, Happening.END}),
}


class _Plain(msgspec.Struct, frozen=True, kw_only=True):
    """Base: plain values that can be stored as they are."""


class Client(_Plain, frozen=True, kw_only=True):
    """A participant as the network names it: by the issuer's own id of it, or by its account at the broker; exactly one."""

    external: str = ""
    account: str = ""

    @property
    def name(self) -> str:
        """Whichever it is."""
        return self.external or self.account

    def body(self) -> dict[str, str]:
        """The field of a body."""
        return (
            {"client_external_account_id": self.external}
            if self.external
            else {"client_account_id": self.account}
        )


class Request(_Plain, frozen=True, kw_only=True):
    """One request, to be stored after every step.

    Attributes:
        way: Mint or redeem.
        stage: Where it stands.
        issuer_id: The issuer's id of it.
        network_id: The network's id of it; empty for a redemption that the network does not have yet.
        client: Whose.
        underlying: The share.
        token: The token's symbol.
        network: The chain.
        wallet: Where tokens go, or came from.
        shares: How many shares, in 1e-9.
        request: The engine's request; 0 before it is reserved.
        transaction: The transaction on the chain.
        reason: Why it failed.
    """

    way: Way
    stage: Stage
    issuer_id: str
    network_id: str = ""
    client: Client
    underlying: str
    token: str
    network: str
    wallet: str
    shares: int
    request: int = 0
    transaction: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    """What the issuer offers: the share behind a token and the chains it exists on."""

    underlying: str
    networks: frozenset[str]


@dataclass(frozen=True, slots=True)
class Terms:
    """What requests are judged by.

    Attributes:
        tokens: By symbol.
        wallets: Of each client, by its name: the addresses that are its own.
    """

    tokens: Mapping[str, Token]
    wallets: Mapping[str, frozenset[str]]

    def listing(self) -> dict[str, list[dict[str, object]]]:
        """The answer to the question for tokens."""
        return {
            "tokens": [
                {"underlying": token.underlying, "token": symbol, "networks": sorted(token.networks)}
                for symbol, token in sorted(self.tokens.items())
            ]
        }


# --- what is to be done ------------------------------------------------------------------------------------------------------


class Reserve(_Plain, frozen=True, kw_only=True, tag=True):
    """`RequestInKind` for the client's account: tokens worth `shares`, at the broker whose network this is."""

    way: Way
    client: str
    token: str
    shares: int


class Report(_Plain, frozen=True, kw_only=True, tag=True):
    """`ReportInKind`: the shares came, or went."""

    request: int
    shares: int


class End(_Plain, frozen=True, kw_only=True, tag=True):
    """`CancelRequest`: nothing of it will be done."""

    request: int


class PayOut(_Plain, frozen=True, kw_only=True, tag=True):
    """A withdrawal of the request's tokens to the client's wallet."""

    request: int
    network: str
    wallet: str


class ConfirmMint(_Plain, frozen=True, kw_only=True, tag=True):
    """The network is told that tokens are in the wallet. Until it answers it is told again: the answer is the same."""

    body: dict[str, str]


class AskRedeem(_Plain, frozen=True, kw_only=True, tag=True):
    """The network is asked for shares, under a key that makes the same question the same request."""

    body: dict[str, str]
    key: str


class AskState(_Plain, frozen=True, kw_only=True, tag=True):
    """The network is asked what became of a redemption, until it is not pending."""

    issuer_id: str


Effect = Reserve | Report | End | PayOut | ConfirmMint | AskRedeem | AskState
Step = tuple[Request, tuple[Effect, ...]]


# --- the beginnings -----------------------------------------------------------------------------------------------------------


def connect_asked(body: Json) -> tuple[str, str]:
    """The network's question for a client: its e-mail address, lower case, and its account at Alpaca. Raises MessageError."""
    try:
        return said(body, "email").strip().lower(), said(body, "account")
    except DataError as error:
        raise MessageError(f"Failed Validation: Invalid data payload ({error.sentence})") from None


def mint_asked(body: Json, terms: Terms) -> Step:
    """The network's question for a mint. Raises MessageError with the guide's own words for what is wrong: the answer is 400 then."""
    try:
        token, shares = said(body, "token_symbol"), nano(body.get("qty"), "qty")
        request = Request(
            way=Way.MINT,
            stage=Stage.ASKED,
            issuer_id=issuer_id_of(said(body, "tokenization_request_id")),
            network_id=said(body, "tokenization_request_id"),
            client=client_of(body),
            underlying=said(body, "underlying_symbol"),
            token=token,
            network=said(body, "network"),
            wallet=said(body, "wallet_address"),
            shares=shares,
        )
    except DataError as error:
        raise MessageError(f"Failed Validation: Invalid data payload ({error.sentence})") from None
    _valid(request, terms)
    return request, (Reserve(way=Way.MINT, client=request.client.name, token=token, shares=shares),)


def redeem_seen(
    *, client: Client, token: str, network: str, wallet: str, transaction: str, shares: int, terms: Terms
) -> Step:
    """Tokens came to the redemption wallet. The transaction makes the issuer's id: seen twice it is one request. Raises MessageError."""
    offered = terms.tokens.get(token)
    request = Request(
        way=Way.REDEEM,
        stage=Stage.ASKED,
        issuer_id=issuer_id_of(f"{network}:{transaction}"),
        client=client,
        underlying=offered.underlying if offered else "",
        token=token,
        network=network,
        wallet=wallet,
        shares=shares,
        transaction=transaction,
    )
    _valid(request, terms)
    return request, (Reserve(way=Way.REDEEM, client=client.name, token=token, shares=shares),)


def issuer_id_of(name: str) -> str:
    """The issuer's id of a request: the same for the same."""
    return str(uuid.uuid5(_KEYS, name))


def client_of(body: Json) -> Client:
    """Whom a body names. Raises DataError where that is nobody or two."""
    external, account = body.get("client_external_account_id"), body.get("client_account_id")
    if bool(external) == bool(account):
        raise DataError("exactly one of client_external_account_id and client_account_id is needed")
    if external:
        return Client(external=said(body, "client_external_account_id"))
    return Client(account=said(body, "client_account_id"))


def created(request: Request) -> dict[str, str]:
    """The answer to a question for a mint once the venue has reserved."""
    return {"issuer_request_id": request.issuer_id, "status": "created"}


# --- what happens then -----------------------------------------------------------------------------------------------------------


def reserved(request: Request, number: int) -> Step:
    """The engine has the request under a number."""
    step = apply(request, Happening.RESERVE)
    if step is None:
        return request, ()
    after = msgspec.structs.replace(step, request=number)
    return after, ((_redeem(after),) if after.way == Way.REDEEM else ())


def refused(request: Request, reason: str) -> Step:
    """The engine refused it: the network is answered 400, and tokens that came are the client's own still."""
    step = apply(request, Happening.REFUSE)
    return (request, ()) if step is None else (msgspec.structs.replace(step, reason=reason), ())


def confirmed(request: Request, body: Json) -> Step:
    """The network's confirmation that shares moved, or did not. Raises MessageError where it is about another request or client."""
    try:
        same = said(body, "tokenization_request_id") == request.network_id
        same = same and said(body, "issuer_request_id") == request.issuer_id
        same = same and client_of(body) == request.client
        status = said(body, "status")
    except DataError as error:
        raise MessageError(f"Failed Validation: Invalid data payload ({error.sentence})") from None
    if not same or status not in ("completed", "rejected"):
        raise MessageError("Failed Validation: the confirmation is not of this request")
    return _moved(request, failed=status == "rejected")


def state_told(request: Request, body: Json) -> Step:
    """What the network has of a redemption: the answer to the question for it, or to a later one. Raises DataError."""
    if said(body, "issuer_request_id") != request.issuer_id or nano(body.get("qty"), "qty") != request.shares:
        raise DataError("the network's request is another one", field="issuer_request_id")
    number = said(body, "tokenization_request_id")
    step = apply(request, Happening.TAKE)
    taken = msgspec.structs.replace(step or request, network_id=number)
    status = said(body, "status")
    if status == "pending":
        return taken, ((AskState(issuer_id=request.issuer_id),) if taken.stage == Stage.PENDING else ())
    return _moved(taken, failed=status == "rejected")


def redeem_refused(request: Request, reason: str) -> Step:
    """The network refused the question for a redemption: the client's tokens come back."""
    step = apply(request, Happening.FAIL)
    if step is None:
        return request, ()
    return msgspec.structs.replace(step, reason=reason), (End(request=request.request),)


def issued(request: Request) -> Step:
    """The engine minted, or burned."""
    step = apply(request, Happening.ISSUE)
    if step is None or step.way == Way.REDEEM:
        return step or request, ()
    return step, (PayOut(request=step.request, network=step.network, wallet=step.wallet),)


def paid(request: Request, transaction: str) -> Step:
    """The tokens are in the wallet."""
    step = apply(request, Happening.PAY)
    if step is None:
        return request, ()
    after = msgspec.structs.replace(step, transaction=transaction)
    body = {
        "tokenization_request_id": after.network_id,
        **after.client.body(),
        "wallet_address": after.wallet,
    }
    return after, (ConfirmMint(body=body | {"tx_hash": transaction, "network": after.network}),)


def mint_answered(request: Request) -> Step:
    """The network knows the transaction."""
    return apply(request, Happening.CONFIRM) or request, ()


def ended(request: Request) -> Step:
    """The engine ended the request."""
    return apply(request, Happening.END) or request, ()


def apply(request: Request, happening: Happening) -> Request | None:
    """The request after a happening; None where it happened before. Raises MessageError where it can't happen."""
    after = TABLE.get((request.way, request.stage, happening))
    if after is not None:
        return msgspec.structs.replace(request, stage=after)
    if _is_past(request, happening):
        return None
    raise MessageError(
        f"a {request.way} that is {request.stage}: no {happening} follows", stage=str(request.stage)
    )


def _is_past(request: Request, happening: Happening) -> bool:
    """Whether the stage that a happening leads to was reached, or left behind."""
    to = {after for (way, _, what), after in TABLE.items() if way == request.way and what == happening}
    if request.stage in _BEFORE_A_FAILURE:
        return happening in _BEFORE_A_FAILURE[request.stage]
    order = _ORDER[request.way]
    return any(stage in order and order.index(stage) <= order.index(request.stage) for stage in to)


def _moved(request: Request, *, failed: bool) -> Step:
    step = apply(request, Happening.FAIL if failed else Happening.MOVE)
    if step is None:
        return request, ()
    if failed:
        return msgspec.structs.replace(step, reason="the network did not move the shares"), (
            End(request=step.request),
        )
    return step, (Report(request=step.request, shares=step.shares),)


def _redeem(request: Request) -> AskRedeem:
    body = {
        "issuer_request_id": request.issuer_id,
        "underlying_symbol": request.underlying,
        "token_symbol": request.token,
        **request.client.body(),
        "qty": text_of(request.shares),
        "network": request.network,
        "wallet_address": request.wallet,
        "tx_hash": request.transaction,
    }
    return AskRedeem(body=body, key=issuer_id_of(f"redeem:{request.issuer_id}"))


def _valid(request: Request, terms: Terms) -> None:
    """The guide's four reasons, in its words."""
    token = terms.tokens.get(request.token)
    if request.shares <= 0:
        raise MessageError("Failed Validation: Invalid data payload (qty must be above 0)", field="qty")
    if token is None or request.network not in token.networks or request.underlying != token.underlying:
        raise MessageError("Invalid Token: Token not available on the network", field="token_symbol")
    wallets = terms.wallets.get(request.client.name)
    if wallets is None:
        raise MessageError("Insufficient Eligibility: Client not eligible", field="client")
    if request.wallet not in wallets:
        raise MessageError("Invalid Wallet: Wallet does not belong to client", field="wallet_address")
