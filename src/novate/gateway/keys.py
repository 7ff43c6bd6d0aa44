"""Keys through a door: who has them, new ones, and their end.

Responsible for: from what was said to `novate.identity`, and back. A secret is told once, in the answer that made it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from novate.errors import DataError, UnitError
from novate.gateway.gate import now
from novate.identity import (
    Grant,
    IdentityRefused,
    KeyKind,
    KeyRecord,
    KeyTerms,
    Principal,
    PrincipalKind,
    Scope,
)
from novate.identity.refusals import Rule as IdentityRule
from novate.messages.codes import Role
from novate.schema.catalogue import named
from novate.schema.operations import SchemaError
from novate.schema.scale import DOLLARS
from novate.schema.values import Decimal, Number, Word

if TYPE_CHECKING:
    from novate.gateway.door import Door


class GrantWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A role.

    Attributes:
        role: Its name.
        account: Where; absent for every account of the owner, "0" for the venue.
    """

    role: Word
    account: Number | None = None


class KeyWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to be made.

    Attributes:
        kind: `ed25519`, `hmac` or `wallet`.
        owner: Whose accounts it acts for; "0" for the venue's own people.
        public: Hexadecimal public key or address; absent for `hmac`.
        scopes: Of read, trade, transfer, admin.
        roles: Absent for what the scopes need.
        accounts: Absent for all of the owner.
        markets: Absent for all.
        order_cap: Most dollars one order may be worth; absent without limit.
        networks: CIDR; absent for all.
        expires_ns: When it ends; 0 for never.
        label: For people.
    """

    kind: str
    owner: Number
    scopes: Annotated[tuple[Word, ...], msgspec.Meta(min_length=1, max_length=4)]
    public: str = ""
    roles: tuple[GrantWish, ...] = ()
    accounts: tuple[Number, ...] | None = None
    markets: tuple[Word, ...] | None = None
    order_cap: Decimal | None = None
    networks: Annotated[tuple[str, ...], msgspec.Meta(max_length=100)] = ()
    expires_ns: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    label: Annotated[str, msgspec.Meta(max_length=64)] = ""


class Keys:
    """Keys as doors serve them."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def all(self, principal: Principal) -> list[dict[str, Any]]:
        """The keys that a principal may see: its owner's, or all for the venue's people who keep keys."""
        principal = self._door.gate.as_customer(principal, "keys.list")
        return [self._shown(one) for one in self._door.gate.identity.keys_of(_by(principal), now())]

    def create(self, principal: Principal, wish: KeyWish) -> dict[str, Any]:
        """A new key; the answer alone holds the secret of an HMAC key."""
        try:
            kind = KeyKind(wish.kind)
            scopes = Scope.of(*wish.scopes)
            grants = frozenset(
                Grant(Role[one.role.upper()], None if one.account is None else _id(one.account))
                for one in wish.roles
            )
            public = bytes.fromhex(wish.public.removeprefix("0x"))
        except (ValueError, KeyError) as error:
            raise SchemaError(f"A kind, scope, role or public key is not one: {error}.") from None
        ids = self._door.catalogue.market_ids
        try:
            markets = wish.markets and frozenset(named(ids, name, "market") for name in wish.markets)
            cap = 0 if wish.order_cap is None else DOLLARS.units(wish.order_cap, "order_cap")
        except (UnitError, DataError) as error:
            raise SchemaError(error.sentence) from None
        terms = KeyTerms(
            owner=_id(wish.owner),
            scopes=scopes,
            grants=grants,
            accounts=None if wish.accounts is None else frozenset(map(_id, wish.accounts)),
            markets=None if wish.markets is None else markets or frozenset(),
            cap_micro_usd=cap,
            networks=wish.networks,
            expires_ns=wish.expires_ns,
            label=wish.label,
        )
        principal = self._door.gate.as_customer(principal, "keys.create")
        made = self._door.gate.identity.create_key(_by(principal), kind, terms, now(), public=public)
        shown = self._shown(made.record)
        return shown | ({"secret": made.secret} if made.secret else {})

    def revoke(self, principal: Principal, key: int) -> dict[str, Any]:
        """Ends a key for ever, and a wallet's agents with it."""
        principal = self._door.gate.as_customer(principal, "keys.revoke")
        revoked = self._door.gate.identity.revoke_key(_by(principal), key, now())
        return {"revoked": [str(one) for one in revoked]}

    def _shown(self, one: KeyRecord) -> dict[str, Any]:
        markets = self._door.catalogue.markets
        terms = one.terms
        return {
            "key": str(one.actor),
            "kind": one.kind.value,
            "owner": str(terms.owner),
            "public": "" if one.kind is KeyKind.HMAC else one.public.hex(),
            "scopes": list(terms.scopes.words),
            "roles": [
                {
                    "role": grant.role.name.lower(),
                    "account": None if grant.account is None else str(grant.account),
                }
                for grant in sorted(terms.grants, key=str)
            ],
            "accounts": None
            if terms.accounts is None
            else [str(account) for account in sorted(terms.accounts)],
            "markets": None
            if terms.markets is None
            else [
                markets[market].name if market in markets else str(market) for market in sorted(terms.markets)
            ],
            "order_cap": DOLLARS.text(terms.cap_micro_usd) if terms.cap_micro_usd else None,
            "networks": list(terms.networks),
            "expires_ns": terms.expires_ns,
            "revoked_ns": one.revoked_ns,
            "label": terms.label,
        }


def _by(principal: Principal) -> Principal | None:
    """Who makes or ends a key: None, which is the machine's own console, for a venue's developer alone."""
    if principal.kind is PrincipalKind.ANONYMOUS:
        raise IdentityRefused(IdentityRule.CREDENTIALS_MUST_BE_GIVEN)
    return None if principal.kind is PrincipalKind.DEV else principal


def _id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 2**64):
        raise SchemaError("An id is a whole number of 64 bits.")
    return int(text)
