"""Requests of the tokenisation network on disk, beside the outbox: each step is kept before it is answered, told or asked for.

    network_requests    every request as it stands: the table's (`tokenization`), whose account it is, and the call that is owed to the network
    network_links       clients' accounts at Alpaca, where the network linked them
    network_nonces      signatures that were taken

A step and what it asks of the engine are one transaction: the command becomes a word of the outbox, which tells it once. What it asks of the
network stands with the request until it is answered.

Responsible for: from a happening to the next step, once. Never: speaks to anybody, or decides a rule of the venue.
"""

# ruff: noqa: S608 - what is put into a statement are names that stand in this file
from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Final

import msgspec

from novate.broker.alpaca import tokenization as itn
from novate.broker.alpaca.exact import Json, text_of
from novate.broker.alpaca.tokenization import Stage, Way
from novate.clearing.network_terms import NetworkTerms, units_of
from novate.clearing.outbox import VENUE, Outbox
from novate.clearing.words import Arrived, EndInKind, InKind, PaidOut, PayOut, ReserveInKind, Word
from novate.errors import DataError, MessageError
from novate.messages import (
    CommandRefused,
    Deposited,
    Event,
    EventMessage,
    WithdrawalQueued,
    WithdrawalRequested,
    WithdrawalSettled,
    WithdrawalVoided,
)
from novate.messages.codes import RequestState
from novate.messages.events.clearing import RequestReserved, RequestStateChanged, TokensIssued
from novate.messages.refusals import number_of, rule

HEARD: Final[tuple[type[Event], ...]] = (
    RequestReserved, RequestStateChanged, TokensIssued, Deposited, WithdrawalRequested, WithdrawalQueued, WithdrawalSettled, WithdrawalVoided,
)  # fmt: skip
"""Events that matter here."""
_SCHEMA: Final = """
create table if not exists network_requests (
    id text primary key, network_id text unique, stage text not null, request integer not null, withdrawal integer not null,
    owed integer not null, changed_ns integer not null, body blob not null);
create index if not exists network_by_request on network_requests (request);
create index if not exists network_by_withdrawal on network_requests (withdrawal);
create table if not exists network_links (client text primary key, account text not null unique, linked_ns integer not null) without rowid;
create table if not exists network_nonces (nonce text primary key, until_s integer not null) without rowid;
"""
_REFERENCE_NEW: Final = number_of("request_reference_must_be_new")
_LIMITS: Final = frozenset(
    number_of(name)
    for name in ("amount_must_be_positive", "request_must_be_within_limits", "account_limit_must_hold", "token_limit_must_hold")
)  # fmt: skip
_CLIENTS: Final = frozenset(
    number_of(name)
    for name in (
        "account_must_exist", "account_must_not_be_in_liquidation", "account_must_be_a_participant", "owner_must_not_be_frozen",
        "holder_must_be_eligible_for_asset", "actor_must_be_known", "actor_must_not_be_revoked", "actor_must_have_the_role",
        "owner_asks_for_two_people", "amount_must_not_exceed_balance", "tokens_must_be_settled_to_leave",
    )
)  # fmt: skip
_OVER: Final = frozenset((RequestState.REJECTED, RequestState.CANCELLED, RequestState.EXPIRED))
_DONE: Final = f"('{Stage.DONE}', '{Stage.REFUSED}', '{Stage.ENDED}')"
_MINT, _REDEEM = 0, 1

Call = itn.ConfirmMint | itn.AskRedeem | itn.AskState
"""What is owed to the network."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A request and what the venue has of it.

    Attributes:
        request: As the network's table has it.
        account: The client's account.
        token: The token.
        broker: Where the shares are.
        units: Tokens asked for, or brought.
        reference: Of the last question to the engine.
        deposit: Reference of the arrival of a redemption's tokens.
        arrived: Whether they are in the account.
        issued: Tokens that were minted for the client, fee deducted.
        withdrawal: The engine's number of their payment; 0 before it.
        release_ns: From when they may be paid.
        voided: Whether their last payment was voided, and none was asked for since.
        owed: The call that the network is owed.
        called: Whether it may have been made.
        problem: What a person has to look at.
        asked_ns: When it began.
        changed_ns: When it went on.
    """

    request: itn.Request
    account: int
    token: int
    broker: int
    units: int
    reference: int = 0
    deposit: int = 0
    arrived: bool = False
    issued: int = 0
    withdrawal: int = 0
    release_ns: int = 0
    voided: bool = False
    owed: Call | None = None
    called: bool = False
    problem: str = ""
    asked_ns: int = 0
    changed_ns: int = 0

    @property
    def id(self) -> str:
        """The issuer's id of it."""
        return self.request.issuer_id


_Happens = Callable[[itn.Request], itn.Step]
_LINE: Final = msgspec.json.Decoder(Line)
_replace = msgspec.structs.replace


class NetworkBook:
    """The requests of a home's outbox. Any thread; a person's process, too."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox, self._salt = outbox, outbox.place.salt
        self._changed, self.changes = threading.Condition(), 0
        with outbox.within() as db:
            for statement in _SCHEMA.split(";"):
                db.execute(statement)

    def wait(self, seen: int, within_s: float) -> None:
        """Waits until this process changed something since `changes` was `seen`, or somebody wakes it."""
        with self._changed:
            self._changed.wait_for(lambda: self.changes != seen, within_s)

    # --- what is there ---------------------------------------------------------------------------------------------------

    def line(self, issuer_id: str) -> Line | None:
        """A request by the issuer's id."""
        return self._one("id", issuer_id)

    def lines(self, *, everything: bool = False) -> list[Line]:
        """Requests that are under way, oldest first."""
        over = "" if everything else f"where stage not in {_DONE} "
        with self._outbox.within() as db:
            rows = db.execute(f"select body from network_requests {over}order by rowid").fetchall()
        return [_LINE.decode(body) for (body,) in rows]

    def owed(self) -> list[Line]:
        """Requests of which the network is to hear, oldest first."""
        with self._outbox.within() as db:
            rows = db.execute("select body from network_requests where owed = 1 order by rowid").fetchall()
        return [_LINE.decode(body) for (body,) in rows]

    def _one(self, column: str, value: str | int) -> Line | None:
        with self._outbox.within() as db:
            found = db.execute(f"select body from network_requests where {column} = ?", (value,)).fetchone()
        return _LINE.decode(found[0]) if found else None

    # --- what the network says -------------------------------------------------------------------------------------------

    def mint_asked(self, body: Json, terms: NetworkTerms, now_ns: int) -> Line:
        """A question for a mint: kept with the engine's question behind it. Asked before, it is what it became.

        Raises MessageError in the guide's words.
        """
        request, _ = itn.mint_asked(body, terms.terms)
        if terms.clients[request.client.name] != request.client:
            raise MessageError("Insufficient Eligibility: Client not eligible", field="client")
        account, asset = terms.accounts[request.client.name], terms.assets[request.token]
        with self._outbox.within() as db:
            known = self._one("network_id", request.network_id)
            if known is not None:
                return _same(known, request)
            units = units_of(asset, request.shares)
            if units is None:
                raise MessageError(
                    f"Failed Validation: Invalid data payload (qty {text_of(request.shares)} is no whole number of the token's units)",
                    field="qty",
                )
            line = Line(
                request=request,
                account=account,
                token=asset.asset,
                broker=terms.broker,
                units=units,
                asked_ns=now_ns,
            )
            line = self._reserve(db, line, now_ns)
        self.tell()
        return line

    def mint_confirmed(self, body: Json, now_ns: int) -> Line:
        """The network moved the shares of a mint, or did not. Raises MessageError, where it fits no request of ours."""
        with self._outbox.within() as db:
            known = self._one("network_id", str(body.get("tokenization_request_id", "")))
            if known is None:
                raise MessageError("Failed Validation: Invalid data payload (there is no such request)")
            line = self._step(db, known, itn.confirmed(known.request, body), now_ns)
        self.tell()
        return line

    def connect(self, client: str, account: str, now_ns: int) -> bool:
        """Links a client to its account at Alpaca; False where one of them has another link. Linked again, it is the same link."""
        with self._outbox.within() as db:
            db.execute(
                "insert into network_links values (?, ?, ?) on conflict do nothing", (client, account, now_ns)
            )
            row = db.execute("select account from network_links where client = ?", (client,)).fetchone()
            return row is not None and row[0] == account

    def unlink(self, client: str) -> None:
        """Ends a client's link, so that the network may make another. Raises DataError where there is none."""
        with self._outbox.within() as db:
            if not db.execute("delete from network_links where client = ?", (client,)).rowcount:
                raise DataError(f"The network linked no account to {client!r}.", client=client)

    def links(self) -> dict[str, tuple[str, int]]:
        """Accounts at Alpaca that the network linked, and when (ns), by client."""
        with self._outbox.within() as db:
            rows = db.execute("select client, account, linked_ns from network_links").fetchall()
        return {client: (account, linked_ns) for client, account, linked_ns in rows}

    def take_nonce(self, nonce: str, now_s: int, until_s: int) -> bool:
        """Takes a signature's nonce; False where it was taken before."""
        with self._outbox.within() as db:
            db.execute("delete from network_nonces where until_s < ?", (now_s,))
            done = db.execute(
                "insert into network_nonces values (?, ?) on conflict do nothing", (nonce, until_s)
            )
            return done.rowcount == 1

    # --- what the network is asked, and answers ----------------------------------------------------------------------------

    def calling(self, line: Line, now_ns: int) -> None:
        """Keeps that the network may have heard of it from now on."""
        with self._outbox.within() as db:
            self._keep(db, _replace(self._known(line.id), called=True), now_ns)

    def answered_mint(self, issuer_id: str, now_ns: int) -> None:
        """The network knows where the tokens are."""
        self._heard_of(issuer_id, itn.mint_answered, now_ns)

    def answered_redeem(self, issuer_id: str, body: Json, now_ns: int) -> None:
        """What the network has of a redemption. Raises DataError for an answer that is about another one."""
        self._heard_of(issuer_id, lambda request: itn.state_told(request, body), now_ns)

    def refused_redeem(self, issuer_id: str, reason: str, now_ns: int) -> None:
        """The network does not take a redemption."""
        self._heard_of(issuer_id, lambda request: itn.redeem_refused(request, reason), now_ns)

    def complain(self, issuer_id: str, problem: str, now_ns: int) -> None:
        """Keeps what is wrong with a request; nothing where all is well again."""
        with self._outbox.within() as db:
            line = self._known(issuer_id)
            if line.problem != problem:
                self._keep(db, _replace(line, problem=problem), now_ns)

    # --- what a person says ------------------------------------------------------------------------------------------------

    def arrived(
        self, seen: itn.Step, terms: NetworkTerms, *, units: int, reference: int, now_ns: int
    ) -> Line:
        """Tokens came to the redemption wallet (`tokenization.redeem_seen`). Raises DataError where the transaction was told of before.

        Where the engine did not take the deposit's reference, it may be told of again with another one.
        """
        request = seen[0]
        with self._outbox.within() as db:
            known = self.line(request.issuer_id)
            if known is not None and (known.arrived or not known.problem):
                raise DataError(
                    f"This transaction was told of before: {known.id} is {known.request.stage}.",
                    request=known.id,
                )
            line = Line(
                request=request, account=terms.accounts[request.client.name], token=terms.assets[request.token].asset, broker=terms.broker,
                units=units, deposit=reference, asked_ns=now_ns,
            )  # fmt: skip
            word = Arrived(
                id=line.id, account=line.account, asset=line.token, amount=units, reference=reference
            )
            if not self._word(f"network:arrived:{line.id}:{reference}", word, now_ns):
                raise DataError(f"Reference {reference} was refused before.", reference=reference)
            self._keep(db, line, now_ns)
        return line

    def paid(self, issuer_id: str, transaction: str, by: str, now_ns: int) -> Line:
        """The tokens of a mint are in the client's wallet. Raises DataError where none are to be paid, or not yet."""
        with self._outbox.within() as db:
            line = self._known(issuer_id)
            if line.request.stage != Stage.ISSUED or not line.withdrawal:
                raise DataError(
                    f"Nothing is to be paid for {issuer_id}: it is {line.request.stage}.", request=issuer_id
                )
            if now_ns < line.release_ns:
                raise DataError(
                    f"Withdrawal {line.withdrawal} may not be paid before {line.release_ns} ns.",
                    request=issuer_id,
                )
            line = self._step(db, line, itn.paid(line.request, transaction), now_ns)
            self._word(
                f"network:paid:{line.id}", PaidOut(id=line.id, withdrawal=line.withdrawal, by=by), now_ns
            )
        return line

    def pay_again(self, issuer_id: str, now_ns: int) -> Line:
        """A payment that was voided is asked of the venue once more. Raises DataError where none was."""
        with self._outbox.within() as db:
            line = self._known(issuer_id)
            if not line.voided:
                raise DataError(f"No payment of {issuer_id} was voided.", request=issuer_id)
            line = _replace(line, voided=False, problem="")
            self._pay(line, now_ns)
            self._keep(db, line, now_ns)
        return line

    # --- what the engine says ----------------------------------------------------------------------------------------------

    def answered(self, word: Word, refused: CommandRefused | None, now_ns: int) -> None:
        """What the engine said to a word of a request. In the transaction that ends the word."""
        if not isinstance(word, ReserveInKind | Arrived | PayOut | PaidOut | EndInKind):
            return
        with self._outbox.within() as db:
            line = self.line(word.id)
            if line is None:
                return
            if isinstance(word, EndInKind):
                self._follow(db, line, itn.ended, now_ns)
            elif refused is None:
                return
            elif not isinstance(word, ReserveInKind):
                self._keep(db, _replace(line, problem=rule(refused.code).name), now_ns)
            elif refused.code == _REFERENCE_NEW:
                self._reserve(db, _replace(line, reference=int(refused.limit)), now_ns)
            else:
                self._step(db, line, itn.refused(line.request, reason_of(refused.code)), now_ns)
        self.tell()

    def heard(self, event: EventMessage) -> None:
        """An event of the venue. Inside `heard_until`."""
        body, now_ns = event.body, event.header.time_ns
        if not isinstance(body, HEARD):
            return
        with self._outbox.within() as db:
            match body:
                case RequestStateChanged() | TokensIssued():
                    line = self._one("request", body.request) if body.request else None
                    if line is not None:
                        self._moved(db, line, body, now_ns)
                case WithdrawalVoided():
                    line = self._one("withdrawal", body.withdrawal)
                    if line is not None and line.request.stage == Stage.ISSUED:
                        problem = "the payment was voided: the tokens are in the account"
                        self._keep(db, _replace(line, withdrawal=0, voided=True, problem=problem), now_ns)
                case _:
                    self._ours(db, event, now_ns)
        self.tell()

    def _ours(self, db: sqlite3.Connection, event: EventMessage, now_ns: int) -> None:
        """What came of a word of ours, told by the number of its row."""
        if event.header.request >> 32 != self._salt:
            return
        word = self._outbox.word(event.header.request & 0xFFFF_FFFF)
        line = self.line(word.id) if isinstance(word, ReserveInKind | Arrived | PayOut) else None
        if line is None:
            return
        match event.body:
            case RequestReserved(request=number):
                self._follow(db, line, lambda request: itn.reserved(request, number), now_ns)
            case Deposited() if not line.arrived:
                self._reserve(db, _replace(line, arrived=True, problem=""), now_ns)
            case WithdrawalRequested(withdrawal=number):
                self._keep(db, _replace(line, withdrawal=number, problem=""), now_ns)
            case WithdrawalQueued(release_ns=release_ns):
                self._keep(db, _replace(line, release_ns=release_ns), now_ns)
            case _:
                pass

    def _moved(
        self, db: sqlite3.Connection, line: Line, body: RequestStateChanged | TokensIssued, now_ns: int
    ) -> None:
        if isinstance(body, TokensIssued):
            self._keep(db, _replace(line, issued=body.units - body.fee), now_ns)
        elif body.after == RequestState.SETTLED:
            self._follow(db, line, itn.issued, now_ns)
        elif body.after in _OVER and line.request.stage in (Stage.RESERVED, Stage.PENDING, Stage.MOVED):
            state = RequestState(body.after).name.lower()
            problem = f"the venue's request is {state}, and the network was not told: see that no shares move"
            self._keep(db, _replace(line, problem=problem), now_ns)
        elif body.after in _OVER:
            self._follow(db, line, itn.ended, now_ns)

    # --- one step ------------------------------------------------------------------------------------------------------------

    def _known(self, issuer_id: str) -> Line:
        line = self.line(issuer_id)
        if line is None:
            raise DataError(f"There is no request {issuer_id!r} of the network.", request=issuer_id)
        return line

    def _heard_of(self, issuer_id: str, happens: _Happens, now_ns: int) -> None:
        with self._outbox.within() as db:
            line = self._known(issuer_id)
            self._step(db, line, happens(line.request), now_ns)
        self.tell()

    def _follow(self, db: sqlite3.Connection, line: Line, happens: _Happens, now_ns: int) -> None:
        """What the venue did: where it fits no step, a person has to look, and the service goes on."""
        try:
            self._step(db, line, happens(line.request), now_ns)
        except MessageError as error:
            self._keep(db, _replace(line, problem=error.sentence), now_ns)

    def _step(self, db: sqlite3.Connection, line: Line, step: itn.Step, now_ns: int) -> Line:
        """Keeps where a request stands now, with what follows from it."""
        request, effects = step
        if request == line.request:
            return line
        owed = next((one for one in effects if isinstance(one, Call)), None)
        line = _replace(line, request=request, owed=owed, called=False, problem="")
        for one in effects:
            match one:
                case itn.Report(request=number, shares=shares):
                    self._word(
                        f"in-kind:network:{line.id}",
                        InKind(request=number, shares=shares, by="network"),
                        now_ns,
                    )
                case itn.End(request=number):
                    self._word(
                        f"network:end:{line.id}",
                        EndInKind(id=line.id, account=line.account, request=number),
                        now_ns,
                    )
                case itn.PayOut():
                    self._pay(line, now_ns)
                case _:
                    pass
        self._keep(db, line, now_ns)
        return line

    def _pay(self, line: Line, now_ns: int) -> None:
        """Asks the engine for the payment. Each time is a word of its own: the next one comes when the last was voided."""
        word = PayOut(id=line.id, account=line.account, asset=line.token, amount=line.issued)
        self._word(f"network:pay:{line.id}:{now_ns}", word, now_ns)

    def _reserve(self, db: sqlite3.Connection, line: Line, now_ns: int) -> Line:
        """Asks the engine, under the reference behind the last one that is known of the account: its refusal names a later one."""
        line = _replace(line, reference=line.reference + 1)
        word = ReserveInKind(
            id=line.id, account=line.account, token=line.token, direction=_MINT if line.request.way == Way.MINT else _REDEEM,
            amount=line.units, broker=line.broker, reference=line.reference,
        )  # fmt: skip
        self._word(f"network:reserve:{line.id}:{line.reference}", word, now_ns)
        self._keep(db, line, now_ns)
        return line

    def _word(self, key: str, word: Word, now_ns: int) -> bool:
        return self._outbox.say(key, word, now_ns, VENUE)

    def _keep(self, db: sqlite3.Connection, line: Line, now_ns: int) -> None:
        line = _replace(line, changed_ns=now_ns)
        row = (
            line.id, line.request.network_id or None, line.request.stage, line.request.request, line.withdrawal, line.owed is not None, now_ns,
            msgspec.json.encode(line),
        )  # fmt: skip
        db.execute(
            "insert into network_requests values (?, ?, ?, ?, ?, ?, ?, ?) on conflict (id) do update set network_id = excluded.network_id, "
            "stage = excluded.stage, request = excluded.request, withdrawal = excluded.withdrawal, owed = excluded.owed, changed_ns = excluded.changed_ns, body = excluded.body",
            row,
        )

    def tell(self) -> None:
        """Wakes who waits."""
        with self._changed:
            self.changes += 1
            self._changed.notify_all()

    def forget(self, before_ns: int) -> None:
        """Forgets what was over before a time."""
        with self._outbox.within() as db:
            db.execute(
                f"delete from network_requests where stage in {_DONE} and changed_ns < ?", (before_ns,)
            )

    def values(self) -> dict[str, object]:
        """For health."""
        lines = self.lines()
        stages = [line.request.stage for line in lines]
        return {
            "stages": {stage.value: stages.count(stage) for stage in Stage if stage in stages},
            "problems": {line.id: line.problem for line in lines if line.problem},
        }


def reason_of(code: int) -> str:
    """A refusal of the engine's in the guide's words, its rule behind them."""
    name = rule(code).name
    if code in _LIMITS:
        return f"Failed Validation: Invalid data payload ({name})"
    if code in _CLIENTS:
        return f"Insufficient Eligibility: Client not eligible ({name})"
    return f"Invalid Token: Token not available on the network ({name})"


def waits_for(line: Line) -> str:
    """Who is to go on with a request: empty where it is over."""
    way, stage = line.request.way, line.request.stage
    if stage in (Stage.DONE, Stage.REFUSED, Stage.ENDED):
        return ""
    if line.owed is not None or (way == Way.MINT and stage == Stage.RESERVED):
        return "the network"
    return "a person" if stage == Stage.ISSUED else "the venue"


def _same(known: Line, asked: itn.Request) -> Line:
    """The request that was asked for before under this id. Raises MessageError where this is another one."""
    first = _replace(
        known.request,
        stage=asked.stage,
        request=asked.request,
        transaction=asked.transaction,
        reason=asked.reason,
    )
    if first != asked:
        raise MessageError(
            "Failed Validation: Invalid data payload (another request has this tokenization_request_id)"
        )
    return known
