"""A venue whose tokens are issued through two brokers on paper, with the clearing service as a process that a test may kill at a named step."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from clearing_child import ARMED
from gateways import RunningVenue, eventually, patient_listing
from novate.broker import LineLost, LineUp
from novate.clearing.outbox import Outbox
from novate.core_process import CoreClient, CoreGone, CoreRefused
from novate.keepers.health import read_health
from novate.keepers.pace import Pace
from novate.messages import (
    AdvanceTime,
    CommandRefused,
    Deposit,
    OpenAccount,
    PostPrice,
    PriceKind,
    RequestIssuance,
    RequestRedemption,
    RequestReserved,
    ResumeVenue,
    Session,
    SetSession,
    encode,
    explain,
    iter_events,
)
from novate.messages.reports import clearing as questions
from novate.messages.reports import ledger
from novate.messages.reports.portfolios import listed
from novate.reader_process import ReaderClient
from novate.up.genesis import begin
from paper_broker import Paper

MICRO = 10**6
TOKEN, CASH, STOCK = "tAAPL", "USDC", "AAPL"
ALICE = 11
ONE, TWO = 1, 2
HERE = Path(__file__).parent
references = itertools.count(1)


def two_brokers(path: Path) -> Path:
    """The packaged listing with a second broker, and a week without sessions that would open and close."""
    patient_listing(path)
    text = path.read_text(encoding="utf-8")
    first = text.index("[[broker]]")
    second = text[first : text.index("\n\n", first)].replace("Simulated Prime", "Second Prime")
    text = text.replace('conversion_cutoff = "20 h"', 'conversion_cutoff = "24 h"')
    text = text.replace('default_freeze = "10 d"', 'default_freeze = "5 d"')
    first = text.index("[[broker]]")
    path.write_text(text[:first] + text[first:].replace("\n\n", f"\n\n{second}\n\n", 1), encoding="utf-8")
    return path


class ClearedVenue(RunningVenue):
    """The venue, its two brokers on paper, and the service."""

    imports: tuple[str, ...] = ()
    """Modules that the service imports beyond those of any."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, dev=True)
        self.papers = {n: Paper(home.parent / f"{home.name}-broker-{n}.db") for n in (ONE, TWO)}
        brokers = "".join(
            f'[[broker]]\nname = "{name}"\nadapter = "paper_broker:line"\n[broker.options]\nfile = "{home.parent / f"{home.name}-broker-{n}.db"}"\n'
            for n, name in ((ONE, "Simulated Prime"), (TWO, "Second Prime"))
        )
        (home / "clearing.toml").write_text(
            'patience = "1 s"\nanswer = "2 s"\n[conversion]\nby = "simulated"\ntakes = "0.1 s"\ncost = "1 bps"\n'
            + brokers
        )
        self.nursery: subprocess.Popen | None = None
        self.step = ""
        self.said: list[str] = []
        self.ends, self.still, self.clock = threading.Event(), False, time.time_ns

    def learn(self) -> None:
        """The numbers and scales of what is listed."""
        found = self.ask(listed)
        stock, cash = (next(u for u in found.underlyings if u.name == name) for name in (STOCK, CASH))
        self.stock, self.cash = stock.underlying, cash.underlying
        self.one_dollar = 10**stock.decimals
        self.price, self.one = 100 * self.one_dollar, 10**cash.decimals
        self.token = next(asset.asset for asset in found.assets if asset.name == TOKEN)

    # --- the service

    def clear(self, *, kill_at: str = "", nth: int = 1, armed: bool = False) -> None:
        """Starts the service, and waits until it serves; it kills itself the `nth` time it comes to a step once it is armed."""
        self.home.with_name(ARMED).unlink(missing_ok=True)
        if armed:
            self.home.with_name(ARMED).touch()
        self.step = kill_at
        if self.nursery is None:
            path = os.pathsep.join([str(HERE), *sys.path])
            self.nursery = subprocess.Popen(
                [sys.executable, str(HERE / "clearing_child.py"), *self.imports],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path},
            )  # fmt: skip
            self.children["nursery"] = self.nursery
            threading.Thread(target=self._read, daemon=True).start()
        self.said.clear()
        self.nursery.stdin.write(json.dumps([str(self.home), kill_at, nth]) + "\n")
        self.nursery.stdin.flush()
        eventually(lambda: "ready" in self.said or self.ended(), 60)

    def _read(self) -> None:
        for line in self.nursery.stdout:
            self.said.append(line.strip())

    def ended(self) -> bool:
        return any(line.startswith("ended") for line in self.said)

    def arm(self) -> None:
        """From now on the service counts how often it comes to the step at which it kills itself; what it was at before is over."""
        began = time.time_ns()
        eventually(lambda: self.health().get("at_ns", 0) > began)  # said once a round of its work
        self.home.with_name(ARMED).touch()

    def died(self) -> None:
        """The service has killed itself, at its step."""
        eventually(self.ended, 30)
        assert self.said[-2:] == [f"at {self.step}", f"ended {-signal.SIGKILL}"], self.said

    def stop(self, number: int = signal.SIGTERM) -> None:
        pid = next(line.split()[1] for line in self.said if line.startswith("pid"))
        os.kill(int(pid), number)
        eventually(self.ended, 30)

    def close(self) -> None:
        """Ends the service first: it would outlive the process that forked it, and hold its output open."""
        if self.nursery is not None and self.said and not self.ended():
            self.stop(signal.SIGKILL)
        super().close()

    def health(self) -> dict:
        """What the service says of itself."""
        return read_health(self.home).get("clearing", {"lines": {}, "unquoted": {}})

    # --- the world

    def pulse(self) -> None:
        """Time and prices, until the end; a core that is away is waited for."""
        while not self.ends.wait(0.15):
            if self.still:
                continue
            with suppress(CoreGone, CoreRefused):
                self.tell(AdvanceTime(), *self.prices_now())

    def prices_now(self):
        at = self.clock() - 10**8
        for source in (1, 2):
            for underlying, price, kind in (
                (self.stock, self.price, PriceKind.QUOTE),
                (self.cash, self.one, PriceKind.ISSUER),
            ):
                yield PostPrice(
                    underlying=underlying, source=source, price=price, price_kind=kind, venue_time_ns=at, size=10**12
                )  # fmt: skip

    def tell(self, *commands, account: int = 0):
        """Sends commands to the core; what came of them."""
        with CoreClient.connect(self.home / "core.sock") as core:
            answer = core.submit(b"".join(encode(command, account=account) for command in commands))
        return [event.body for event in iter_events(answer.events)]

    def say(self, *commands, account: int = 0):
        """The same; none may be refused."""
        events = self.tell(*commands, account=account)
        refused = [explain(event) for event in events if isinstance(event, CommandRefused)]
        assert not refused, refused
        return events

    def session(self, session: Session) -> None:
        later = self.clock() + 10**15
        self.say(
            SetSession(underlying=self.stock, session=session, next_session=Session.POST, next_time_ns=later)
        )

    def ask(self, question, *arguments):
        with ReaderClient.connect(self.home / "reader.sock") as reader:
            with CoreClient.connect(self.home / "core.sock") as core:
                reader.min_seq = core.welcome.sequence
            return question(reader, *arguments)

    def request(self, number: int):
        return next(r for r in self.ask(questions.requests, ALICE) if r.request == number)

    def issue(self, dollars: int = 1_000, quote: int = 0) -> int:
        """Alice asks for tokens; the number of her request."""
        wish = RequestIssuance(
            token=self.token, amount=dollars * MICRO, reference=next(references), quote=quote
        )
        return self.wished(wish)

    def redeem(self, units: int, quote: int = 0) -> int:
        return self.wished(
            RequestRedemption(token=self.token, amount=units, reference=next(references), quote=quote)
        )

    def wished(self, wish) -> int:
        return next(e.request for e in self.say(wish, account=ALICE) if isinstance(e, RequestReserved))

    def can(self) -> None:
        """Waits until both lines stand, and tokens can be issued and redeemed at once."""
        with Outbox(self.home) as outbox:
            eventually(lambda: outbox.lines() == {ONE: True, TWO: True} and not line_words(outbox), 30)
        eventually(
            lambda: (
                all(
                    line.dollars > 100_000 * MICRO
                    for line in self.ask(questions.capacity)
                    if line.token == self.token
                )
                and all(one.reachable for one in self.ask(questions.brokers))
            ),
            30,
        )

    def becomes(self, request: int, *states: int, within_s: float = 30.0) -> None:
        eventually(lambda: self.request(request).state in states, within_s)

    def sound(self) -> None:
        """Nothing was lost and nothing was made: ledger, backing, and what brokers hold of us."""
        assert {line.difference for line in self.ask(ledger).conservation} == {0}
        assert {line.difference for line in self.ask(questions.supply)} == {0}


def line_words(outbox: Outbox) -> list:
    """What is still to be told of lines: until then the service does not send on them, and the engine may believe what was so before."""
    return [one for one in outbox.waiting(1_000) if isinstance(one.word, LineUp | LineLost)]


@contextmanager
def cleared(home: Path, pace: Pace | None = None):
    begin(home, two_brokers(home.with_name(f"{home.name}.toml")))
    found = ClearedVenue(home)
    if pace is not None:
        pace.write(home)
        found.clock = pace
    pulse = threading.Thread(target=found.pulse, daemon=True)
    try:
        found.start("core", "reader")
        found.learn()
        found.session(Session.REGULAR)
        found.say(ResumeVenue())
        found.say(*found.prices_now(), AdvanceTime())
        found.say(
            OpenAccount(owner=ALICE),
            Deposit(asset=found.cash, amount=10**6 * MICRO, reference=1),
            Deposit(asset=found.token, amount=5_000 * MICRO, reference=2),
            account=ALICE,
        )
        pulse.start()
        yield found
    finally:
        found.ends.set()
        if pulse.is_alive():
            pulse.join()
        found.close()
