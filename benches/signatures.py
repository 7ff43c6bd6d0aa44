"""What it costs to know who speaks: recovery of wallets' signers in 1, 2 and 4 threads against pure Python, and API keys' requests.

Prints one JSON line. `recover` is the recovery and its address, `check` also the order's typed data and digest. With two threads on two
free processors recovery gains, which a loop of plain Python never does: libsecp256k1 runs without the interpreter's lock.
Left out: HTTP, JSON, the network.
"""

import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from eth_account import Account
from eth_keys import KeyAPI
from eth_keys.backends import NativeECCBackend

from novate.identity import (
    Credentials,
    Identity,
    KeyKind,
    KeyTerms,
    Scope,
    SignedRequest,
    canonical_string,
    proofs,
    typed,
    typed_data,
)
from novate.identity.wallets import WalletRequest, check, recover

NOW = 1_800_000_000_000_000_000
COUNT = 8_000
DOMAIN = typed.Domain("bench", 31337)
MESSAGE = {
    "account": 7, "market": "NVDA-PERP", "side": "buy", "kind": "limit", "timeInForce": "gtc", "priceE9": 182_500_000_000,
    "quantityE9": 10_000_000_000, "postOnly": False, "reduceOnly": False, "selfTrade": "cancel_newest",
    "clientId": "0x" + "0f" * 16, "timeNs": NOW, "expiresAfterNs": 0, "nonce": 1,
}  # fmt: skip


def rate(work: Callable[[], object], count: int, threads: int = 1) -> float:
    """How often a second `work` is done by so many threads together; the best of five rounds, for the machine has other work."""

    def part() -> None:
        for _ in range(count // threads // 5):
            work()

    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(5):
            start = time.perf_counter()
            for done in [pool.submit(part) for _ in range(threads)]:
                done.result()
            best = max(best, count / 5 / (time.perf_counter() - start))
    return best


def wallets() -> dict[str, Any]:
    """Recovery, the whole check of an order, and how far it leaves the interpreter to others."""
    wallet = Account.create()
    signature = bytes(
        wallet.sign_typed_data(full_message=typed_data(DOMAIN, "PlaceOrder", MESSAGE)).signature
    )
    digest = typed.digest(DOMAIN, "PlaceOrder", MESSAGE)
    request = WalletRequest("PlaceOrder", MESSAGE, bytes.fromhex(wallet.address[2:]), signature)
    pure = KeyAPI(NativeECCBackend)
    plain = pure.Signature(signature[:64] + bytes((signature[64] - 27,)))
    return {
        "recover_per_s": {n: round(rate(lambda: recover(digest, signature), COUNT, n)) for n in (1, 2, 4)},
        "check_per_s": {n: round(rate(lambda: check(DOMAIN, request), COUNT, n)) for n in (1, 2, 4)},
        "pure_python_recover_per_s": round(rate(lambda: pure.ecdsa_recover(digest, plain), 100)),
        "python_loop_per_s": {n: round(rate(lambda: sum(range(2_000)), COUNT, n)) for n in (1, 2)},
        "digest_us": round(1e6 / rate(lambda: typed.digest(DOMAIN, "PlaceOrder", MESSAGE), COUNT), 1),
    }


def keys() -> dict[str, Any]:
    """A signed request, from its parts to its principal, nonce on disk; and a command of a session that has logged in."""
    found: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory() as home,
        Identity.open(home, NOW, venue="bench", chain_id=31337) as identity,
    ):
        identity.store.add_owner(NOW, owner=1)
        identity.store.assign_account(7, 1)
        for kind in (KeyKind.HMAC, KeyKind.ED25519):
            seed, public = proofs.new_ed25519() if kind is KeyKind.ED25519 else (b"", b"")
            terms = KeyTerms(owner=1, scopes=Scope.READ | Scope.TRADE)
            made = identity.create_key(None, kind, terms, NOW, public=public)
            requests = []
            for nonce in range(COUNT):
                body, actor = b"x" * 200, made.record.actor
                text = canonical_string("bench", actor, "POST", "/v1/orders", NOW, nonce, body)
                signature = proofs.sign_ed25519(seed, text) if seed else proofs.sign_hmac(made.secret, text)
                requests.append(
                    SignedRequest("POST", "/v1/orders", body, Credentials(actor, NOW, nonce, signature))
                )
            waiting = iter(requests)
            found[f"{kind.value}_request_us"] = round(
                1e6
                / rate(lambda waiting=waiting: identity.authenticate(next(waiting), NOW, "10.0.0.1"), COUNT),
                1,
            )
            principal = identity.keyring.principal(identity.keyring.record(made.record.actor, NOW))

        def command() -> None:
            identity.authorise(identity.still(principal, NOW), "PlaceOrder", 7, 3, 1)

        found["session_command_us"] = round(1e6 / rate(command, 10 * COUNT), 2)
    return found


if __name__ == "__main__":
    machine = {
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps({"bench": "signatures", **wallets(), **keys(), "machine": machine}))
