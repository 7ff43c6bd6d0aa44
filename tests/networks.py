"""A venue that issues in the tokenisation network: its second broker is an account at Alpaca, and the network calls over HTTP.

Responsible for: settings, the network's bodies as it sends them, and a client's account. Never: what is expected of an answer.
"""

import io
import json
import signal
import time
import uuid
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import httpx

from alpaca_server import ACCOUNT, KEY, SECRET, AlpacaServer
from clearings import ALICE, TOKEN, ClearedVenue, cleared
from gateways import eventually, free_port
from novate.clearing.network_book import NetworkBook
from novate.clearing.outbox import Outbox
from novate.cli import main
from novate.messages import AuthoriseParticipant

API_KEY = "the-networks-own-key"
SHOWN = 'keys_file = "network.keys"'
SIGNED = 'signers = { key-1 = "network.pem" }\naddress = "https://issuer.example.com"'
WALLET = "0x52908400098527886E0F7030069857D2E4169EE7"
IMPORTS = ("novate.broker.alpaca.adapter", "novate.clearing.network_calls", "novate.clearing.network_door")
_SETTINGS = """
patience = "1 s"
answer = "2 s"
[[broker]]
name = "Simulated Prime"
adapter = "paper_broker:line"
options = {{ file = "{paper}" }}
[[broker]]
name = "Second Prime"
adapter = "alpaca"
[broker.options]
account = "paper"
key_file = "key"
secret_file = "secret"
url = "{url}"
stream_url = "{stream}"
patience_s = 1
longest_wait_s = 0
first_wait_s = 0.05
network = {{ account_id = "{account}", name = "novate", key_file = "key", secret_file = "secret", url = "{url}" }}
[network]
broker = "Second Prime"
listen = "127.0.0.1:{port}"
{proof}
every = "0.1 s"
answer = "5 s"
[network.tokens.AAPLx]
token = "{token}"
networks = ["base", "solana"]
[network.clients.ap-7]
account = {alice}
named_by = "{named_by}"
wallets = ["{wallet}"]
email = "Desk@ap-7.example"
"""


class Network:
    """The network's side: an account at Alpaca, and requests to the issuer."""

    def __init__(self, venue: ClearedVenue, server: AlpacaServer, port: int) -> None:
        self.venue, self.server, self.port = venue, server, port
        self.deaths = 0
        """How often the service was found killed."""
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10)

    def post(self, path: str, body: dict, **headers: str) -> httpx.Response:
        return self.http.post(path, json=body, headers={"X-API-KEY": API_KEY} | headers)

    def mint(self, shares: str = "10", **change: object) -> dict:
        """The body of a question for a mint, as the guide has it."""
        return {
            "tokenization_request_id": str(uuid.uuid4()), "qty": shares, "underlying_symbol": "AAPL", "token_symbol": "AAPLx",
            "network": "base", "client_external_account_id": "ap-7", "wallet_address": WALLET,
        } | change  # fmt: skip

    def confirmation(self, body: dict, issuer_id: str, status: str = "completed") -> dict:
        return {
            "tokenization_request_id": body["tokenization_request_id"], "issuer_request_id": issuer_id,
            "client_external_account_id": body["client_external_account_id"], "status": status,
        }  # fmt: skip

    def insist(self, path: str, body: dict, **headers: str) -> httpx.Response:
        """As the network does: until it is answered. A service that is gone is started again."""
        for _ in range(20):
            try:
                answer = self.post(path, body, **headers)
            except httpx.TransportError:
                self.revive()
                continue
            if answer.status_code < 500:
                return answer
        raise AssertionError("never answered")

    def revive(self) -> None:
        """Starts the service where it has killed itself."""
        eventually(self.venue.ended, 5)
        self.alive()

    def alive(self) -> None:
        """The same, where it is seen to be gone."""
        if self.venue.ended():
            self.deaths += f"ended {-signal.SIGKILL}" in self.venue.said
            self.venue.clear()

    def minted(self, shares: str = "10") -> tuple[dict, str]:
        """A mint whose tokens are minted and not paid: its body and the issuer's id."""
        body = self.mint(shares)
        answer = self.insist("/tokenization/mint", body)
        assert answer.status_code == 200, answer.text
        issuer_id = answer.json()["issuer_request_id"]
        assert (
            self.insist("/tokenization/mint/confirm", self.confirmation(body, issuer_id)).status_code == 200
        )
        return body, issuer_id

    def pay(self, issuer_id: str) -> None:
        self.becomes(issuer_id, "issued", ready=lambda line: line.withdrawal)
        status, found = novate(self.venue, "paid", issuer_id, "--tx", f"0x{issuer_id[:8]}", "--by", "tess")
        assert status == 0, found

    def arrive(self, amount: str = "5", **change: object) -> tuple[int, dict]:
        """A person says that tokens came; the deposit's number rises."""
        said = {
            "client": "ap-7", "token": "AAPLx", "amount": amount, "chain": "base", "wallet": WALLET, "tx": f"0x{uuid.uuid4().hex}",
            "reference": time.time_ns() // 1_000,
        } | change  # fmt: skip
        return novate(
            self.venue,
            "arrived",
            *(word for name, value in said.items() for word in (f"--{name}", str(value))),
        )

    def journal(self, issuer_id: str, status: str = "completed") -> None:
        """The network moves the shares of a redemption, or does not."""

        def asked() -> list[dict]:
            self.alive()
            return [
                one
                for _, one in list(self.server.redemptions.values())
                if one["issuer_request_id"] == issuer_id
            ]

        eventually(asked)[0]["status"] = status

    def rests(self) -> None:
        """All that was to be told to the engine is told: what the next test finds does not move by itself."""
        with Outbox(self.venue.home) as outbox:
            eventually(lambda: not outbox.waiting())

    def line(self, issuer_id: str):
        with Outbox(self.venue.home) as outbox:
            return NetworkBook(outbox).line(issuer_id)

    def becomes(self, issuer_id: str, stage: str, ready=lambda _: True):
        def there():
            self.alive()
            line = self.line(issuer_id)
            return line if line is not None and line.request.stage == stage and ready(line) else None

        return eventually(there)

    def said(self, what: str) -> list[dict]:
        """What the issuer called with."""
        return [body for kind, body, _ in self.server.network if kind == what]

    def settings(self, proof: str, named_by: str = "external") -> None:
        """What the operator writes; the next start of the service reads it."""
        home = self.venue.home
        (home / "clearing.toml").write_text(
            _SETTINGS.format(
                paper=home.parent / f"{home.name}-broker-1.db", url=self.server.url, stream=self.server.stream_url, account=ACCOUNT,
                port=self.port, proof=proof, token=TOKEN, alice=ALICE, wallet=WALLET, named_by=named_by,
            )
        )  # fmt: skip


def novate(venue: ClearedVenue, command: str, *words: str) -> tuple[int, dict]:
    """A command of `novate clearing network`, and the object that it prints."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(io.StringIO()):
        status = main(["clearing", "network", command, str(venue.home), *words, "--json"])
    return status, json.loads(out.getvalue().splitlines()[-1])


@contextmanager
def issuing(home):
    """A venue whose service is not started yet."""
    server = AlpacaServer().start()
    port = free_port()
    try:
        with cleared(home) as venue:
            venue.imports = IMPORTS
            (home / "key").write_text(KEY)
            (home / "secret").write_text(SECRET)
            (home / "network.keys").write_text(f"an-older-key\n{API_KEY}\n")
            found = Network(venue, server, port)
            found.settings(SHOWN)
            venue.say(AuthoriseParticipant(account=ALICE, allowed=1))
            yield found
    finally:
        server.stop()
