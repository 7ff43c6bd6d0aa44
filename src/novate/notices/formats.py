"""Notices for feed readers: JSON Feed 1.1 and Atom (RFC 4287).

Responsible for: both documents of a list of notices. Never: decides what is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

import msgspec

from novate.notices.records import Notice

JSON_TYPE: Final = "application/feed+json"
ATOM_TYPE: Final = "application/atom+xml"
_ATOM: Final = "http://www.w3.org/2005/Atom"


def json_feed(venue: str, notices: Sequence[Notice], now_ns: int, url: str) -> bytes:
    """A JSON Feed; `url` is its own."""
    return msgspec.json.encode(
        {
            "version": "https://jsonfeed.org/version/1.1",
            "title": f"Notices of {venue}",
            "feed_url": url,
            "items": [
                {
                    "id": _id(venue, one),
                    "title": one.title,
                    "content_text": _text(one, now_ns),
                    "date_published": _time(one.published_ns),
                    "date_modified": _time(_changed_ns(one)),
                    "tags": [one.kind.value, one.severity.value, one.state(now_ns), *one.markets],
                }
                for one in notices
            ],
        }
    )


def atom(venue: str, notices: Sequence[Notice], now_ns: int, url: str) -> bytes:
    """An Atom feed; `url` is its own."""
    feed = Element("feed", xmlns=_ATOM)
    SubElement(feed, "id").text = f"urn:novate:{venue}:notices"
    SubElement(feed, "title").text = f"Notices of {venue}"
    SubElement(feed, "link", rel="self", href=url, type=ATOM_TYPE)
    SubElement(feed, "updated").text = _time(max((_changed_ns(one) for one in notices), default=0))
    SubElement(SubElement(feed, "author"), "name").text = venue
    for one in notices:
        entry = SubElement(feed, "entry")
        SubElement(entry, "id").text = _id(venue, one)
        SubElement(entry, "title").text = one.title
        SubElement(entry, "published").text = _time(one.published_ns)
        SubElement(entry, "updated").text = _time(_changed_ns(one))
        for word in (one.kind.value, one.severity.value, one.state(now_ns), *one.markets):
            SubElement(entry, "category", term=word)
        SubElement(entry, "content", type="text").text = _text(one, now_ns)
    document: bytes = tostring(feed, encoding="utf-8", xml_declaration=True)
    return document


def _id(venue: str, one: Notice) -> str:
    return f"urn:novate:{venue}:notice:{one.notice}"


def _changed_ns(one: Notice) -> int:
    return max(one.published_ns, one.resolved_ns, *(update.at_ns for update in one.updates), 0)


def _text(one: Notice, now_ns: int) -> str:
    until = f" to {_time(one.to_ns)}" if one.to_ns else ""
    lines = [f"{one.severity} {one.kind}, {one.state(now_ns)}, from {_time(one.from_ns)}{until}."]
    lines += [f"Markets: {', '.join(one.markets)}."] if one.markets else []
    lines += [one.text] if one.text else []
    lines += [f"{_time(update.at_ns)}: {update.text}" for update in one.updates]
    lines += [f"{_time(one.resolved_ns)}: {one.resolution}"] if one.resolved_ns else []
    return "\n".join(lines)


def _time(ns: int) -> str:
    return datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
