"""A venue's core, reader and gateway as real processes on free ports, and how a client written from the documentation speaks to it."""

import hashlib
import hmac
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path

import httpx
from websockets.sync.client import connect

from novate.up.genesis import begin

PERP, SPOT = "NVDA-PERP", "tNVDA-USDC"
STARTS_WITHIN_S = 40.0
_nonces = iter(range(random.randrange(2**40), 2**63))


def free_port() -> int:
    """A port that is free together with the next one."""
    for _ in range(200):
        port = random.randrange(19_000, 19_998, 2)
        with suppress(OSError), socket.socket() as one, socket.socket() as next_one:
            one.bind(("127.0.0.1", port))
            next_one.bind(("127.0.0.1", port + 1))
            return port
    raise AssertionError("no two free ports")


def eventually(true, within_s: float = 15.0):
    """What `true` gives once it is true."""
    end = time.monotonic() + within_s
    while not (found := true()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)
    return found


class Key:
    """A client's key; `sign` is the documented string, made without the server's code."""

    def __init__(self, venue: str, number: str, *, secret: str = "", private=None) -> None:
        self.venue, self.number, self._secret, self._private = venue, number, secret, private

    def signature(self, text: bytes) -> str:
        if self._private is not None:
            return self._private.sign(text).hex()
        return hmac.new(self._secret.encode(), text, hashlib.sha256).hexdigest()

    def headers(self, method: str, target: str, body: bytes = b"", **change) -> dict[str, str]:
        said = {"timestamp": str(time.time_ns()), "nonce": str(next(_nonces)), "expires": "0"} | change
        text = "\n".join(
            ["NOVATE-1", self.venue, self.number, method, target, said["timestamp"], said["expires"],
             said["nonce"], hashlib.sha256(body).hexdigest()]
        )  # fmt: skip
        found = {
            "novate-key": self.number,
            "novate-timestamp": said["timestamp"],
            "novate-nonce": said["nonce"],
            "novate-signature": self.signature(text.encode()),
        }
        return found if said["expires"] == "0" else found | {"novate-expires-after": said["expires"]}

    def login(self) -> dict:
        found = self.headers("LOGIN", "/v1/ws")
        return {
            "key": self.number,
            "timestamp_ns": int(found["novate-timestamp"]),
            "nonce": found["novate-nonce"],
            "signature": found["novate-signature"],
        }


class Speaker:
    """A WebSocket: `ask` gives the reply to one message, what is told meanwhile is kept in `told`."""

    def __init__(self, connection) -> None:
        self.raw, self.told, self._id = connection, [], 0

    def ask(self, op: str, args=None, account=None, *, within_s: float = 6.0) -> dict:
        self._id += 1
        said = {"op": op, "id": self._id} | ({} if args is None else {"args": args})
        self.raw.send(json.dumps(said | ({} if account is None else {"account": str(account)})))
        return self.reply(self._id, within_s)

    def reply(self, number, within_s: float = 6.0) -> dict:
        while True:
            heard = self.hear(within_s)
            if "ok" in heard and heard.get("id") == number:
                return heard
            self.told.append(heard)

    def hear(self, within_s: float = 6.0) -> dict:
        return json.loads(self.raw.recv(timeout=within_s))

    def next(self, channel: str, within_s: float = 6.0) -> dict:
        """The next message of a channel."""
        while True:
            heard = self.told.pop(0) if self.told else self.hear(within_s)
            if heard.get("channel") == channel:
                return heard

    def quiet(self, for_s: float = 0.3) -> None:
        """Keeps what is told until nothing is for a while."""
        with suppress(TimeoutError):
            while True:
                self.told.append(self.hear(for_s))


class RunningVenue:
    """The three processes and a client's way to them."""

    def __init__(self, home: Path, *, dev: bool, venue: str = "test", gateway=()) -> None:
        self.home, self.dev, self.name, self._gateway = home, dev, venue, gateway
        self.port = free_port()
        self.admin_port = 0
        self.surface: dict[str, list[str]] = {}
        """Options of `gateway` and `gateway admin`."""
        self.base = f"http://127.0.0.1:{self.port}"
        self.socket = f"ws://127.0.0.1:{self.port + 1}/v1/ws"
        self.children: dict[str, subprocess.Popen] = {}
        self.http = httpx.Client(base_url=self.base, timeout=20)
        self.last: httpx.Response | None = None

    # --- processes

    def start(self, *names: str) -> None:
        for name in names:
            more, words = [], name.split()
            if name.startswith("gateway"):
                port = self.port if name == "gateway" else self.admin_port
                words = ["gateway"]
                more = ["--venue", self.name, "--port", str(port), *(["--dev"] if self.dev else [])]
                more += self.surface.get(name, [])
                more += self._gateway if name == "gateway" else []
            self.children[name] = subprocess.Popen(
                [sys.executable, "-m", "novate.cli", *words, str(self.home), *more],
                stdout=subprocess.PIPE, text=True, env=os.environ | {"NOVATE_SUPERVISED": "1"}, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            self._await_ready(name)

    def _await_ready(self, name: str) -> None:
        child, path = self.children[name], self.home / f"{name}.sock"
        if name == "core":  # says it in words of its own
            eventually(lambda: _answers(path) or child.poll() is not None, STARTS_WITHIN_S)
        else:
            ready = threading.Event()

            def read() -> None:
                for line in child.stdout:
                    if line.startswith("ready"):
                        ready.set()
                ready.set()

            threading.Thread(target=read, daemon=True).start()
            assert ready.wait(STARTS_WITHIN_S), f"{name} does not serve"
        assert child.poll() is None, f"{name} ended with {child.returncode}"

    def kill(self, name: str) -> None:
        self.children[name].send_signal(signal.SIGKILL)
        self.children[name].wait()

    def again(self, name: str) -> None:
        self.kill(name)
        self.start(name)

    def close(self) -> None:
        self.http.close()
        for child in reversed(self.children.values()):
            if child.poll() is None:
                child.terminate()
                try:
                    child.wait(15)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
            if child.stdout:
                child.stdout.close()

    def resident_mib(self, name: str = "gateway") -> float:
        text = Path(f"/proc/{self.children[name].pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) / 1024

    # --- a client

    def call(self, method: str, path: str, said=None, key: Key | None = None, **change) -> tuple[int, dict]:
        body = b"" if said is None else said if isinstance(said, bytes) else json.dumps(said).encode()
        target = "/v1" + path
        headers = {} if key is None else key.headers(method, target, body, **change)
        self.last = self.http.request(method, target, content=body, headers=headers)
        return self.last.status_code, self.last.json()

    def get(self, path: str, key: Key | None = None) -> tuple[int, dict]:
        return self.call("GET", path, None, key)

    def do(self, name: str, account=0, key: Key | None = None, /, **args) -> dict:
        """An operation that must be done; its reply."""
        status, reply = self.tried(name, account, key, **args)
        assert status == 200 and reply["ok"], (name, args, reply)
        return reply

    def tried(self, name: str, account=0, key: Key | None = None, /, **args) -> tuple[int, dict]:
        where = f"/accounts/{account}" if account else ""
        return self.call("POST", f"{where}/operations/{name}", args, key)

    @contextmanager
    def ws(self, key: Key | None = None, **options):
        with connect(self.socket, max_size=None, **options) as raw:
            speaker = Speaker(raw)
            if key is not None:
                reply = speaker.ask("login", key.login())
                assert reply["ok"], reply
            yield speaker

    # --- a world on a venue for development

    def open(
        self, *accounts: int, usdc: str = "1000000", key: Key | None = None, keeper: Key | None = None
    ) -> None:
        for account in accounts:
            self.do("open_account", account, key, owner=str(account))
            self.do("deposit", account, keeper, asset="USDC", amount=usdc, reference=str(account))

    def prices(self, nvda: str = "180.00", key: Key | None = None) -> None:
        self.tried(
            "resume_venue", 0, key
        )  # a slow machine has gaps in time that the venue takes for an outage
        for source in ("1", "2"):
            for underlying, price, kind in (("NVDA", nvda, "quote"), ("USDC", "1", "issuer")):
                self.do(
                    "post_price", 0, key, underlying=underlying, source=source, price=price, price_kind=kind,
                    venue_time_ns=time.time_ns() - 10**8, size="1000000",
                )  # fmt: skip


def _answers(path: Path) -> bool:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as one:
        one.connect(str(path))
        return True
    return False


def patient_listing(path: Path) -> Path:
    """The packaged listing as a file, but a slow machine's pauses are no outages, after which orders may only leave for a minute."""
    text = files("novate.demo").joinpath("listing.toml").read_text(encoding="utf-8")
    assert 'outage = "5 s"' in text
    path.write_text(text.replace('outage = "5 s"', 'outage = "600 s"'), encoding="utf-8")
    return path


@contextmanager
def running(home: Path, *, dev: bool = True, venue: str = "test", gateway=()):
    """A venue with the packaged listing; ended at the end, whatever happens."""
    begin(home, patient_listing(home.with_name(f"{home.name}.toml")))
    found = RunningVenue(home, dev=dev, venue=venue, gateway=gateway)
    try:
        found.start(
            "core", "keeper time", "reader", "gateway"
        )  # without time passing the venue takes it for an outage
        found.tried("resume_venue")
        yield found
    finally:
        found.close()
