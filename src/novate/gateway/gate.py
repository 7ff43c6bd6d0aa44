"""Who speaks through a door, and what that lets them do: identity as every door uses it.

Responsible for: one place where a request becomes a principal, where it is authorised, and where its budget is paid. Never: proves anything
itself (`novate.identity`), or knows a transport.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from novate.gateway.errors import GatewayRefused, Rule
from novate.identity import (
    ANONYMOUS,
    Budgets,
    Identity,
    IdentityRefused,
    Principal,
    PrincipalKind,
    SignedRequest,
    Standing,
    authorise_owner,
    credentials_from,
)
from novate.identity.authority import action_of
from novate.identity.canonical import LOGIN, Credentials


class Gate:
    """For one event loop."""

    def __init__(self, identity: Identity, budgets: Budgets, *, public: bool = False) -> None:
        """`public`: what needs a role at the venue has a door of its own, which this one is not."""
        self.identity, self._budgets, self._public = identity, budgets, public

    def of_request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, address: str
    ) -> Principal:
        """Who sent a request; `headers` have lower-case names. Raises IdentityRefused for credentials that prove nothing."""
        given = credentials_from(headers)
        if given is None:
            return self.identity.nobody()
        with self.counted(address):
            return self.identity.authenticate(SignedRequest(method, target, body, given), now(), address)

    def of_login(self, path: str, credentials: Credentials, address: str) -> Principal:
        """Who logs in at a WebSocket. Raises IdentityRefused."""
        with self.counted(address):
            return self.identity.login(SignedRequest(LOGIN, path, b"", credentials), now(), address)

    @contextmanager
    def counted(self, address: str) -> Iterator[None]:
        """Who proves nothing pays as nobody: credentials are not tried without end."""
        try:
            yield
        except IdentityRefused:
            self._budgets.spend(ANONYMOUS, now(), address=address)
            raise

    def still(self, principal: Principal) -> Principal:
        """A session's principal as it stands now. Raises IdentityRefused once its key is gone."""
        if principal.kind in {PrincipalKind.ANONYMOUS, PrincipalKind.DEV}:
            return principal
        return self.identity.still(principal, now())

    def authorise(
        self,
        principal: Principal,
        action: str,
        account: int = 0,
        markets: Sequence[int] = (),
        notional: int | None = None,
    ) -> bool:
        """Raises IdentityRefused unless the principal may do this in all of the markets; whether it only reduces."""
        if self._public:
            principal = self.as_customer(principal, action)
        found = self.identity.authorise(principal, action, account, markets[0] if markets else None, notional)
        for market in markets[1:]:
            self.identity.authorise(principal, action, account, market, notional)
        return found.relief

    def as_customer(self, principal: Principal, action: str) -> Principal:
        """The principal without its roles at the venue, for a public door. Raises GatewayRefused for what only they allow."""
        row = action_of(action)
        if not self._public or row.scope is None or principal.kind is PrincipalKind.DEV:
            return principal
        of_venue = not row.venue_roles.isdisjoint(principal.venue_roles)
        if not row.account_roles or (of_venue and not principal.owner):
            raise GatewayRefused(Rule.ADMIN_MUST_USE_ITS_OWN_DOOR)
        return replace(principal, venue_roles=frozenset()) if of_venue else principal

    def authorise_owner(self, principal: Principal, action: str, owner: int | None) -> Principal:
        """The same for what is about an owner as a whole; gives the principal as this door takes it."""
        principal = self.as_customer(principal, action)
        authorise_owner(principal, action, owner)
        return principal

    def witness(self, principal: Principal, action: str, account: int, sequence: int, *, done: bool) -> None:
        """Records what came through the admin door, with its certificate; nothing for other doors."""
        if principal.certificate:
            self.identity.note(
                "admin_act",
                principal,
                now(),
                sequence=sequence,
                action=action,
                account=account,
                done=int(done),
            )

    def spend(
        self, principal: Principal, *, reduces: bool = False, weight: int = 1, address: str = ""
    ) -> Standing | None:
        """Pays for a request; what is left, or None for a venue's developer. Raises IdentityRefused when nothing is."""
        if principal.kind is PrincipalKind.DEV:
            return None
        return self._budgets.spend(principal, now(), weight=weight, relief=reduces, address=address)


def now() -> int:
    """Nanoseconds since 1970, UTC."""
    return time.time_ns()
