"""Wallets through the door of a venue that is not for development: typed orders of a wallet and of the agent that it approved."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from gateways import free_port, patient_listing
from novate.config import packaged_listing
from novate.core_process import CoreClient
from novate.identity import Identity, KeyKind, KeyTerms, Scope, typed_data
from novate.identity.typed import Domain
from novate.messages import Deposit, OpenAccount, PostPrice, PriceKind, encode
from novate.up.genesis import begin

VENUE, CHAIN, OWNER, ACCOUNT = "wallet-test", 31337, 5, 7
WALLET, AGENT, STRANGER = (Account.from_key(bytes([seed]) * 32) for seed in (1, 2, 3))
ZERO = "0x" + "00" * 16


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    home = tmp_path_factory.mktemp("venue")
    begin(home, patient_listing(home.with_name("listing.toml")))
    with Identity.open(home, time.time_ns(), venue=VENUE, chain_id=CHAIN) as identity:
        identity.store.add_owner(time.time_ns(), owner=OWNER)
        terms = KeyTerms(owner=OWNER, scopes=Scope.of("read", "trade"))
        identity.create_key(
            None, KeyKind.WALLET, terms, time.time_ns(), public=bytes.fromhex(WALLET.address[2:])
        )
    chosen = free_port()
    env = os.environ | {"NOVATE_SUPERVISED": "1"}
    running: list[subprocess.Popen[str]] = []
    try:
        gateway = ("gateway", str(home), "--venue", VENUE, "--chain-id", str(CHAIN), "--port", str(chosen))
        for arguments in (("core", str(home)), ("reader", str(home)), gateway):
            command = (sys.executable, "-m", "novate.cli", *arguments)
            running.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True))
            out = running[-1].stdout
            assert out is not None
            assert any(line.startswith("ready") for line in out)  # it says first how far it is
            if len(running) == 2:
                prepare(home)
        yield home, chosen
    finally:
        for process in reversed(running):
            process.send_signal(signal.SIGTERM)
            process.wait(20)


@pytest.fixture
def port(venue: tuple[Path, int]) -> int:
    """The gateway's port, with prices that are young."""
    home, chosen = venue
    post_prices(home)
    return chosen


def prepare(home: Path) -> None:
    """An account with cash."""
    listing = packaged_listing()
    with CoreClient.connect(home / "core.sock") as core:
        core.submit(encode(OpenAccount(owner=OWNER), account=ACCOUNT))
        core.submit(encode(Deposit(asset=listing.asset["USDC"], amount=10**12, reference=1), account=ACCOUNT))


def post_prices(home: Path) -> None:
    """Two sources that agree."""
    listing = packaged_listing()
    with CoreClient.connect(home / "core.sock") as core:
        for source in (1, 2):
            for name, price, kind in (("NVDA", 180, PriceKind.QUOTE), ("USDC", 1, PriceKind.ISSUER)):
                scale = 10 ** listing.terms[name].decimals if name in listing.terms else 10**6
                core.submit(
                    encode(
                        PostPrice(
                            underlying=listing.underlying[name],
                            source=source,
                            price=price * scale,
                            price_kind=kind,
                            venue_time_ns=time.time_ns() - 10**8,
                            size=10**12,
                        )
                    )
                )


def post(port: int, path: str, body: dict) -> tuple[int, dict]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1{path}", json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def signed(kind: str, message: dict, by=WALLET, agent: str | None = None, chain: int = CHAIN) -> dict:
    message = message | {
        "timeNs": str(time.time_ns()),
        "expiresAfterNs": "0",
        "nonce": str(time.perf_counter_ns()),
    }
    whole = typed_data(Domain(VENUE, chain), kind, message)
    signature = by.sign_message(encode_typed_data(full_message=whole)).signature.hex()
    wish = {
        "kind": kind,
        "message": message,
        "wallet": WALLET.address,
        "signature": "0x" + signature.removeprefix("0x"),
    }
    return wish if agent is None else wish | {"agent": agent}


def order(**changed: object) -> dict:
    return {
        "account": str(ACCOUNT), "market": "NVDA-PERP", "side": "bid", "kind": "limit", "timeInForce": "gtc", "priceE9": str(175 * 10**9),
        "quantityE9": str(2 * 10**9), "postOnly": False, "reduceOnly": False, "selfTrade": "cancel_newest", "clientId": ZERO,
    } | changed  # fmt: skip


def test_a_wallet_places_amends_and_cancels(port: int) -> None:
    status, placed = post(port, "/wallets", signed("PlaceOrder", order()))
    assert status == 200, placed
    assert (status, placed["result"]["order"]["status"], placed["result"]["order"]["remaining"]) == (
        200,
        "open",
        "2",
    )
    number = placed["result"]["order"]["order"]
    amend = {
        "account": str(ACCOUNT),
        "order": number,
        "clientId": ZERO,
        "priceE9": str(1745 * 10**8),
        "quantityE9": "0",
    }
    status, amended = post(port, "/wallets", signed("AmendOrder", amend))
    assert (status, amended["result"]["events"][0]["data"]["price"]) == (200, "174.5")
    status, cancelled = post(
        port, "/wallets", signed("CancelOrder", {"account": str(ACCOUNT), "order": number, "clientId": ZERO})
    )
    assert (status, cancelled["result"]["events"][0]["event"]) == (200, "order_cancelled")


def test_an_agent_acts_within_what_its_wallet_signed(port: int) -> None:
    stranger = signed("PlaceOrder", order(), by=AGENT, agent=AGENT.address)
    assert post(port, "/wallets", stranger)[1]["error"]["code"] == "key_must_exist"
    terms = {
        "agent": AGENT.address,
        "label": "bot",
        "scopes": ["trade"],
        "accounts": [str(ACCOUNT)],
        "markets": ["NVDA-PERP"],
    }
    terms |= {"capMicroUsd": str(400 * 10**6), "networks": [], "expiresNs": "0"}
    assert post(port, "/wallets", signed("ApproveAgent", terms))[0] == 200
    assert post(port, "/wallets", signed("PlaceOrder", order(), by=AGENT, agent=AGENT.address))[0] == 200
    dear = signed("PlaceOrder", order(quantityE9=str(3 * 10**9)), by=AGENT, agent=AGENT.address)
    assert post(port, "/wallets", dear)[1]["error"]["code"] == "notional_must_not_exceed_cap"
    other = signed("PlaceOrder", order(market="AAPL-PERP"), by=AGENT, agent=AGENT.address)
    assert post(port, "/wallets", other)[1]["error"]["code"] == "market_must_be_allowed"
    assert post(port, "/wallets", signed("RevokeAgent", {"agent": AGENT.address}))[0] == 200
    gone = signed("PlaceOrder", order(), by=AGENT, agent=AGENT.address)
    assert post(port, "/wallets", gone)[1]["error"]["code"] == "key_must_not_be_revoked"


def test_what_was_not_signed_is_not_done(port: int) -> None:
    wish = signed("PlaceOrder", order())
    raised = wish | {"message": wish["message"] | {"quantityE9": str(10**12)}}
    assert post(port, "/wallets", raised)[1]["error"]["code"] == "signature_must_verify"
    assert (
        post(port, "/wallets", signed("PlaceOrder", order(), by=STRANGER))[1]["error"]["code"]
        == "signature_must_verify"
    )
    elsewhere = post(port, "/wallets", signed("PlaceOrder", order(), chain=1))[1]["error"]["code"]
    assert elsewhere in {"domain_must_be_the_venues", "signature_must_verify"}
    twice = signed("PlaceOrder", order())
    assert post(port, "/wallets", twice)[0] == 200
    assert post(port, "/wallets", twice)[1]["error"] | {"message": ""} == {
        "number": 2002, "code": "duplicate_nonce", "message": "", "retryable": True,
    }  # fmt: skip
    foreign = signed("PlaceOrder", order(account="8"))
    assert post(port, "/wallets", foreign)[1]["error"]["code"] == "account_must_be_ones_own"


def test_a_dry_run_says_what_had_to_be_signed(port: int) -> None:
    wish = signed("PlaceOrder", order(), by=STRANGER)
    told = post(port, "/wallets/verify", wish)[1]["result"]
    assert not told["accepted"]
    assert told["recovered"].lower() == STRANGER.address.lower()
    assert told["refusal"]["name"] == "signature_must_verify"


def test_a_sale_far_below_the_market_is_worth_what_the_market_pays(port: int) -> None:
    agent = Account.from_key(bytes([4]) * 32)
    terms = {
        "agent": agent.address,
        "label": "seller",
        "scopes": ["trade"],
        "accounts": [],
        "markets": [],
        "networks": [],
    }
    assert (
        post(
            port,
            "/wallets",
            signed("ApproveAgent", terms | {"capMicroUsd": str(400 * 10**6), "expiresNs": "0"}),
        )[0]
        == 200
    )
    sale = order(side="ask", priceE9=str(150 * 10**9), quantityE9=str(25 * 10**8))
    refused = post(port, "/wallets", signed("PlaceOrder", sale, by=agent, agent=agent.address))[1]
    assert refused["error"]["code"] == "notional_must_not_exceed_cap"


def test_signatures_are_not_tried_without_end(port: int) -> None:
    forged = signed("PlaceOrder", order(), by=STRANGER)
    codes = {post(port, "/wallets", forged)[1]["error"]["code"] for _ in range(120)}
    assert codes == {"signature_must_verify", "rate_must_not_exceed_budget"}
