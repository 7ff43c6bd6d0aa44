"""The examples of docs/concepts/api.md, word for word."""

import json
import re
from pathlib import Path

import pytest

from gateways import running

PAGE = (Path(__file__).parents[2] / "docs" / "concepts" / "api.md").read_text(encoding="utf-8")
HTTP = re.findall(r"```http\n(\w+) /v1(\S+)\n(.*?)\n```", PAGE, re.DOTALL)
WS = [line for block in re.findall(r"```ws\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    with running(tmp_path_factory.mktemp("examples")) as found:
        found.prices()
        found.open(11)
        yield found


def test_requests(venue):
    done, missing = HTTP
    assert venue.call(done[0], done[1], done[2].encode())[0] == 200
    assert venue.call(done[0], done[1], done[2].encode())[1]["result"]["order"]["duplicate"] is True
    status, reply = venue.call(missing[0], missing[1], missing[2].encode())
    assert status == 404 and reply["error"]["number"] == 2052 and reply["error"]["retryable"] is False


def test_messages(venue):
    with venue.ws() as speaker:
        for line in WS:
            speaker.raw.send(line)
            assert speaker.reply(json.loads(line)["id"])["ok"], line
    assert len(WS) == 4


def test_what_was_written_is_read(venue):
    seq = venue.get("/time")[1]["seq"]
    status, reply = venue.get(f"/accounts/11?min_seq={seq}")
    assert status == 200 and reply["seq"] >= seq
    status, reply = venue.get(f"/accounts/11?min_seq={seq + 10**6}")
    assert (
        status == 409 and reply["error"]["code"] == "sequence_must_be_reached" and reply["error"]["retryable"]
    )
