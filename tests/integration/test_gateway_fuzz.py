"""Messages that were right until bytes of them were changed, at both doors and below them: each is answered with success or a numbered refusal.

`NOVATE_LONG=1` tries twenty times as many.
"""

import contextlib
import json
import os
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateways import PERP, running

TIMES = 20 if os.environ.get("NOVATE_LONG") else 1
GROWTH_MIB = 100
ORDER = {
    "market": PERP,
    "side": "bid",
    "price": "170",
    "quantity": "0.01",
    "time_in_force": "ioc",
    "client_id": "a1",
}
CANCEL = {"op": "cancel_order", "args": {"order": "18446744073709551615"}}
BODIES = {
    "/v1/accounts/11/orders": ORDER,
    "/v1/accounts/11/operations/order_batch": {"legs": [{"op": "place_order", "args": ORDER}, CANCEL]},
    "/v1/accounts/11/operations/amend_order": {"order": "1", "price": "170.01", "quantity": "2"},
    "/v1/accounts/11/what-if": {"operations": [{"op": "place_order", "args": ORDER}]},
    "/v1/keys": {"kind": "hmac", "owner": "11", "scopes": ["read", "trade"]},
    "/v1/wallets": {"address": "0x" + "ab" * 20, "signature": "0x" + "cd" * 65},
}
LOGIN = {"key": "7", "timestamp_ns": 1, "nonce": "1", "signature": "0" * 64}
MESSAGES = (
    {"op": "place_order", "id": 1, "account": "11", "args": ORDER},
    {"op": "subscribe", "id": 2, "args": {"channel": "book", "market": PERP, "depth": 5, "interval_ms": 30}},
    {"op": "subscribe", "id": "x", "args": {"channel": "account", "account": "11", "resume_from": 0}},
    {"op": "login", "id": 4, "args": LOGIN},
)
TOKENS = (
    b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"\\u", b"\\ud800", b"\x00", b"\xff", b"null", b"true", b"NaN", b"1e999", b"-0",
    b"9" * 40, b"0." + b"0" * 30 + b"1", b'"op":', b'{"a":' * 200, b"[" * 200, b"/*", b"\xef\xbb\xbf", b"\r\n\r\n", b"\xc0\x80",
)  # fmt: skip
MANY = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@st.composite
def changed(draw, seeds):
    """One of the seeds with some bytes overwritten, cut out, doubled or put in."""
    found = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(found)))
        to = min(len(found), at + draw(st.integers(0, 12)))
        match draw(st.sampled_from(["write", "cut", "double", "insert", "end"])):
            case "write":
                found[at:to] = draw(st.binary(min_size=to - at, max_size=to - at))
            case "cut":
                del found[at:to]
            case "double":
                found[at:at] = found[at:to] * draw(st.integers(1, 20))
            case "insert":
                found[at:at] = draw(st.sampled_from(TOKENS))
            case "end":
                del found[at:]
    return bytes(found)


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    with running(tmp_path_factory.mktemp("fuzz")) as found:
        found.prices()
        found.open(11)
        found.get("/status")
        before = found.resident_mib()
        yield found
        assert found.get("/status")[1]["result"]["takes_commands"]
        assert found.resident_mib() - before < GROWTH_MIB


def numbered(reply: dict) -> None:
    assert reply["ok"] or (reply["error"]["number"] and reply["error"]["code"] != "operation_failed"), reply


@pytest.mark.parametrize("path", BODIES)
@settings(max_examples=60 * TIMES, **MANY)
@given(data=st.data())
def test_bodies(venue, path, data):
    body = data.draw(changed([json.dumps(BODIES[path]).encode()]))
    reply = venue.http.post(path, content=body)
    numbered(reply.json())
    assert reply.status_code < 500, (body, reply.text)


@settings(max_examples=60 * TIMES, **MANY)
@given(said=st.lists(changed([json.dumps(one).encode() for one in MESSAGES]), min_size=1, max_size=4))
def test_messages(venue, said):
    """Each has one answer, in its order among those that are not operations, and the connection goes on."""
    with venue.ws() as speaker:
        for one in said:
            speaker.raw.send(one, text=False)
        answered = 0
        while answered < len(said):
            heard = speaker.hear()
            if "ok" in heard:
                numbered(heard)
                answered += 1
        assert speaker.ask("ping")["ok"]


HEADS = (
    b"POST /v1/accounts/11/orders HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}",
    b"GET /v1/markets?min_seq=1 HTTP/1.1\r\nhost: x\r\nnovate-key: 1\r\nnovate-nonce: 2\r\nnovate-timestamp: 3\r\nnovate-signature: 00\r\n\r\n",
    b'POST /v1/keys HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n',
    b"GET /v1/ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\r\n",
)  # fmt: skip


@settings(max_examples=150 * TIMES, **MANY)
@given(head=changed(HEADS), door=st.sampled_from([0, 1]))
def test_requests(venue, head, door):
    """What is said by HTTP itself: whatever is answered at all is no 5xx, and refusals of the HTTP door carry their number."""
    with socket.create_connection(("127.0.0.1", venue.port + door), timeout=10) as raw:
        raw.sendall(head)
        raw.shutdown(socket.SHUT_WR)
        told = b""
        with contextlib.suppress(ConnectionError):
            while part := raw.recv(1 << 16):
                told += part
    answers = [line for line in told.split(b"\r\n") if line.startswith(b"HTTP/1.")]
    assert not any(line[9:10] == b"5" for line in answers), (head, told)
    if door == 0 and answers and answers[-1][9:10] == b"4":
        assert b'"number":' in told, (head, told)
