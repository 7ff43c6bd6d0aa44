"""A venue with a bridge on it: the primary market as a file, a broker that fills at its best price, and the bridge as a process.

Responsible for: the outside world of the bridge's tests. Prices in dollars, sizes in shares.
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from decimal import Decimal

from gateways import Key, RunningVenue, eventually, running
from novate.core_process import Answered, CoreClient
from novate.identity import Grant, Identity, KeyKind, KeyTerms, Scope
from novate.messages import BrokerOrderRaised, ReportBrokerAccepted, ReportBrokerFill, encode, iter_events
from novate.messages.codes import Role, Side

BRIDGE, CUSTOMER, OTHER = 900, 7, 8
SYMBOL, TOKEN, SPOT, PERP = "AAPL", "tAAPL", "tAAPL-USDC", "AAPL-PERP"
BASE = 2_000
SETTINGS = f"""
account = {BRIDGE}
key = KEY
secret_env = "BRIDGE_SECRET"
beat = "50 ms"
silence = "2 s"
[total]
excess = "1,000 USD"
[[name]]
symbol = "{SYMBOL}"
token = "{TOKEN}"
spot = "{SPOT}"
perp = "{PERP}"
mint_fee = "5 bps"
redeem_fee = "5 bps"
base = "{BASE}"
hours = "always"
calm = "100 ms"
gather = "100 ms"
retry = "200 ms"
[name.conduct.regular]
edge = "1 bps"
levels = 3
stale = "1 h"
hedges = true
unhedged = "200,000 USD"
"""
REGULAR = {
    "session": "regular", "next_session": "regular", "next_time_ns": 0, "closure_step_ns": 0,
    "closure_ramp_from_ns": 0, "closure_ramp_to_ns": 0, "closure_end_ns": 0,
}  # fmt: skip


class TestBroker(threading.Thread):
    """Fills what the venue raises at the best price of the file, after `waits_s`."""

    __test__ = False

    def __init__(self, world: "World") -> None:
        super().__init__(daemon=True)
        self.world, self.waits_s, self.fills, self._over = world, 0.0, [], threading.Event()

    def run(self) -> None:
        with CoreClient.connect(self.world.venue.home / "core.sock", events=True) as core:
            while not self._over.is_set():
                if not core.waiting and not select.select([core], [], [], 0.1)[0]:
                    continue
                heard = core.receive()
                if isinstance(heard, Answered):
                    for event in iter_events(heard.events, (BrokerOrderRaised,)):
                        self._fill(core, event.body)

    def _fill(self, core: CoreClient, raised: BrokerOrderRaised) -> None:
        raised_s = time.monotonic()
        while time.monotonic() - raised_s < self.waits_s and not self._over.wait(0.05):
            pass  # a test may let it go
        price = int((self.world.ask if raised.side == Side.BID else self.world.bid) * 10**6)
        shares = raised.shares or raised.dollars * 10**9 // price
        self.fills.append((raised.side, shares, price))
        commands = [
            ReportBrokerAccepted(order=raised.order),
            ReportBrokerFill(
                order=raised.order, execution=os.urandom(16), underlying=raised.underlying, side=raised.side, complete=1, shares=shares,
                price=price, fee=0, settle_time_ns=time.time_ns() + 86_400 * 10**9,
            ),
        ]  # fmt: skip
        core.submit(b"".join(map(encode, commands)))

    def end(self) -> None:
        self._over.set()
        self.join(5)


OWN, STAFF = Scope.READ | Scope.TRADE, Scope.READ | Scope.ADMIN
KEYS = {
    "bridge": KeyTerms(owner=BRIDGE, scopes=OWN),
    "customer": KeyTerms(owner=CUSTOMER, scopes=OWN),
    "other": KeyTerms(owner=OTHER, scopes=OWN),
    "compliance": KeyTerms(owner=0, scopes=STAFF, grants=frozenset({Grant(Role.COMPLIANCE, 0)})),
    "keeper": KeyTerms(owner=0, scopes=STAFF, grants=frozenset({Grant(Role.KEEPER, 0)})),
    "risk": KeyTerms(owner=0, scopes=STAFF, grants=frozenset({Grant(Role.RISK, 0)})),
}
"""Who speaks: the bridge's key may trade and read for its own account, and nothing else."""
OF = {BRIDGE: "bridge", CUSTOMER: "customer", OTHER: "other"}


class World:
    """The venue, the primary market, the broker and the bridge."""

    def __init__(self, venue: RunningVenue, identity: Identity) -> None:
        self.venue, self.identity = venue, identity
        self.bid, self.ask, self.child = Decimal("180.00"), Decimal("180.02"), None
        self.keys, self.secrets = {}, {}
        self.broker = TestBroker(self)
        self._over = threading.Event()
        self._prices = threading.Thread(target=self._say_prices, daemon=True)

    def make(self, name: str) -> None:
        made = self.identity.create_key(None, KeyKind.HMAC, KEYS[name], time.time_ns())
        self.keys[name] = Key("test", str(made.record.actor), secret=made.secret)
        self.secrets[name] = made.record.actor, made.secret

    def begin(self) -> None:
        venue = self.venue
        for name in ("compliance", "keeper", "risk"):
            self.make(name)
        venue.tried("resume_venue", 0, self.keys["keeper"])
        self.primary(self.bid, self.ask)
        venue.do("set_session", 0, self.keys["keeper"], underlying=SYMBOL, **REGULAR)
        self.broker.start()
        self._prices.start()
        eventually(lambda: self.quality() == "live")
        venue.open(
            BRIDGE, CUSTOMER, OTHER, usdc="5000000", key=self.keys["compliance"], keeper=self.keys["keeper"]
        )
        for account, amount in ((BRIDGE, BASE), (CUSTOMER, 20_000)):
            venue.do("deposit", account, self.keys["keeper"], asset=TOKEN, amount=str(amount), reference="2")
        eventually(lambda: {BRIDGE, CUSTOMER, OTHER} <= set(self.identity.store.owners()))
        for name in ("bridge", "customer", "other"):
            self.make(name)
        (venue.home / "bridge.toml").write_text(SETTINGS.replace("KEY", str(self.secrets["bridge"][0])))

    def primary(self, bid, ask, size="500", session="regular") -> None:
        self.bid, self.ask = Decimal(bid), Decimal(ask)
        bids = [[str(self.bid - Decimal(n) / 100), size] for n in range(3)]
        asks = [[str(self.ask + Decimal(n) / 100), size] for n in range(3)]
        book = {"session": session, "at_ns": time.time_ns(), "bids": bids, "asks": asks}
        path = self.venue.home / "primary.json"
        path.with_suffix(".new").write_text(json.dumps({SYMBOL: book}))
        path.with_suffix(".new").replace(path)

    def quality(self) -> str:
        return next(one for one in self.venue.get("/prices")[1]["result"] if one["underlying"] == SYMBOL).get(
            "quality", ""
        )

    def _say_prices(self) -> None:
        while not self._over.is_set():
            middle = str((self.bid + self.ask) / 2)
            with suppress(Exception):
                self.say(middle)
            self._over.wait(2)

    def say(self, price: str) -> None:
        said = (("USDC", "1", "issuer"), (SYMBOL, price, "quote"))
        for underlying, one, kind in said:
            self.venue.tried(
                "post_price", 0, self.keys["keeper"], underlying=underlying, source="1", price=one, price_kind=kind,
                venue_time_ns=time.time_ns() - 10**8, size="1000000",
            )  # fmt: skip
        self.venue.tried(
            "post_depth", 0, self.keys["keeper"], underlying=SYMBOL, buy="2000000", sell="2000000"
        )

    # --- the bridge

    def start(self) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-m", "novate.cli", "bridge", "run", str(self.venue.home), "--url", self.venue.base],
            stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
            env=os.environ | {"NOVATE_SUPERVISED": "1", "BRIDGE_SECRET": self.secrets["bridge"][1]},
        )  # fmt: skip
        assert self.child.stdout.readline().startswith("ready")

    def kill(self) -> None:
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def end(self) -> int:
        self.child.terminate()
        return self.child.wait(15)

    def account(self, number: int = BRIDGE) -> dict:
        return self.venue.get(f"/accounts/{number}", self.keys[OF[number]])[1]["result"]

    def tokens(self, number: int = BRIDGE) -> Decimal:
        return next(
            (Decimal(one["pledged"]) for one in self.account(number)["balances"] if one["asset"] == TOKEN),
            Decimal(0),
        )

    def perps(self, number: int = BRIDGE) -> Decimal:
        return next(
            (Decimal(one["quantity"]) for one in self.account(number)["positions"] if one["market"] == PERP),
            Decimal(0),
        )

    def open_shares(self) -> Decimal:
        return self.tokens() + self.perps() - BASE

    def quotes(self, market: str = SPOT) -> tuple[list, list]:
        answer = self.venue.get(f"/markets/{market}/book")[1]
        while answer.get("error", {}).get("code") == "rate_must_not_exceed_budget":
            time.sleep(0.2)
            answer = self.venue.get(f"/markets/{market}/book")[1]
        assert "result" in answer, answer
        return answer["result"]["bids"], answer["result"]["asks"]

    def take(self, side: str, quantity, market: str = SPOT, account: int = CUSTOMER) -> dict:
        return self.venue.do(
            "place_order",
            account,
            self.keys[OF[account]],
            market=market,
            side=side,
            quantity=str(quantity),
            kind="market",
            time_in_force="ioc",
        )

    def close(self) -> None:
        self._over.set()
        if self.child is not None and self.child.poll() is None:
            self.end()
        self.broker.end()
        self._prices.join(5)


@contextmanager
def bridged(home):
    with (
        running(home, dev=False) as venue,
        Identity.open(home, time.time_ns(), venue="test", chain_id=1) as identity,
    ):
        world = World(venue, identity)
        try:
            world.begin()
            yield world
        finally:
            world.close()
