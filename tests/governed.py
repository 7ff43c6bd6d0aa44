"""A running venue with governance: its people, their keys as files, and `novate` as they type it.

Responsible for: people, roles and the short delays under which a test sees a change take effect. Never: what the people do.
"""

import contextlib
import io
import json
import threading
import time

from gateways import Key, eventually
from novate.cli import main
from novate.client import Client, HmacKey
from novate.identity import Grant, KeyKind, KeyTerms, Scope
from novate.messages.codes import Role

SECOND, HOUR = 10**9, 3_600 * 10**9
STAFF = {
    "ann": (Role.OPERATOR,), "ben": (Role.RISK,), "cleo": (Role.COMPLIANCE,), "dan": (Role.COMPLIANCE,),
    "keeper": (Role.KEEPER,), "tess": (Role.TREASURER, Role.VIEWER),
}  # fmt: skip
GOVERNANCE = {
    "short_delay_ns": SECOND // 2, "long_delay_ns": HOUR, "calendar_underlying": "SPY", "long_delay_opens": 1,
    "ownership_delay_ns": HOUR, "approval_ns": HOUR, "emergency_ns": HOUR, "measured_accounts": 100, "open_changes": 100,
    "change_bytes": 4096, "changes_per_advance": 10, "nonce_window": 0, "outflow_window_ns": HOUR, "outflow_limit": "0",
    "outflow_wait_ns": 0,
}  # fmt: skip
_GRANT = {"markets": [], "order_notional": "0", "position_notional": "0", "expires_ns": 0}


class People:
    """Keys by name, and prices that keep coming until the end."""

    def __init__(self, venue, folder):
        self.venue, self.folder, self.keys = venue, folder, {}
        self.prices = {}
        self._end = threading.Event()

    def add(self, identity, name, terms):
        made = identity.create_key(None, KeyKind.HMAC, terms, time.time_ns())
        (self.folder / f"{name}.seed").write_text(made.secret)
        self.keys[name] = Key("test", str(made.record.actor), secret=made.secret)

    def at(self, who):
        """Options by which somebody's command reaches the venue."""
        return [
            "--url",
            self.venue.base,
            "--key",
            self.keys[who].number,
            "--seed",
            self.folder / f"{who}.seed",
        ]

    def bring_prices(self):
        key = self.keys["keeper"]
        with Client(self.venue.base, HmacKey(int(key.number), key._secret)) as client:
            while not self._end.wait(0.3):
                for name, price in list(self.prices.items()):
                    for source in (1, 2):
                        client.call(
                            "post_price", underlying=name, source=source, price=price, price_kind="issuer" if name == "USDC" else "quote",
                            venue_time_ns=time.time_ns() - 10**8, size=1_000_000,
                        )  # fmt: skip

    @contextlib.contextmanager
    def feeding(self):
        thread = threading.Thread(target=self.bring_prices, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._end.set()
            thread.join(20)


def novate(*words):
    """Exit status, the JSON that came of it, and what people read."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([*map(str, words), "--json"])
    lines = out.getvalue().splitlines()
    assert lines, (words, err.getvalue())
    return status, json.loads(lines[-1]), err.getvalue()


def govern(people, identity, accounts, before=()):
    """People, their keys and roles, accounts with a trader each; `before` are operations of the operator's; then governance."""
    venue = people.venue
    for name, roles in STAFF.items():
        grants = frozenset(Grant(role, 0) for role in roles)
        people.add(
            identity, name, KeyTerms(owner=0, scopes=Scope.READ | Scope.ADMIN | Scope.TRANSFER, grants=grants)
        )
    ann, keeper = people.keys["ann"], people.keys["keeper"]
    venue.open(*accounts, key=people.keys["cleo"], keeper=keeper)
    eventually(lambda: set(accounts) <= set(identity.store.owners()))
    for op, args in before:
        venue.do(op, 0, ann, **args)
    for person, (name, roles) in enumerate(STAFF.items(), 1):
        number = people.keys[name].number
        venue.do("register_actor", 0, ann, actor=number, person=str(person), owner="0")
        for role in roles:
            venue.do("grant_role", 0, ann, actor=number, role=role.name.lower(), **_GRANT)
    for account in accounts:
        name = f"trader {account}"
        people.add(identity, name, KeyTerms(owner=account, scopes=Scope.READ | Scope.TRADE))
        number = people.keys[name].number
        venue.do("register_actor", 0, ann, actor=number, person=str(100 + account), owner=str(account))
        venue.do("grant_role", account, ann, actor=number, role="trader", **_GRANT)
    venue.do("configure_governance", 0, ann, **GOVERNANCE)
    venue.kill("keeper time")
    venue.start(f"keeper time --keeper {keeper.number}")
