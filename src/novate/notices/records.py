"""A public notice, what an operator may say in one, and why not.

Responsible for: these values and their bounds; numbers 2251 to 2299, never reused. Never: stores one.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from novate.errors import NumberedRule, RuleBroken
from novate.projections.notices import Kind, Severity

_MOST_TITLE: Final = 120
_MOST_TEXT: Final = 2_000
_MOST_MARKETS: Final = 200


class Rule(NumberedRule):
    """Rules of notices."""

    # fmt: off
    NOTICE_MUST_EXIST = (2251, 404, False, "There is no such notice of an operator's.")
    NOTICE_MUST_BE_POSSIBLE = (2252, 400, False, "A notice has a kind, a severity, a title of 1 to 120 characters, a text of at most 2,000, and ends after it begins.")
    NOTICE_MUST_NOT_BE_OVER = (2253, 409, False, "The notice was resolved.")
    NOTICE_MUST_BE_AN_OPERATORS = (2254, 409, False, "The notice was made by an event of the venue, and another event ends it.")
    # fmt: on


class NoticeRefused(RuleBroken):
    """Nothing was said. `rule` says which rule it would break."""

    code = "notice_refused"


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """What was said of a notice later.

    Attributes:
        at_ns: When.
        text: What.
    """

    at_ns: int
    text: str


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A public notice.

    Attributes:
        notice: Its id: `o7` an operator's, `v4711-0` of the event at that place in the journal.
        source: `operator`, or `venue` for those that events made.
        kind: halt, incident, maintenance, listing, parameters, release or other.
        severity: info, warning or critical.
        title: In one line.
        text: The rest.
        markets: Names of the markets it is about; empty for all, or none.
        from_ns: From when it holds.
        to_ns: Until when; 0 without a stated end.
        published_ns: When it was said.
        updates: What was said later.
        resolved_ns: When it was over; 0 as long as it is not.
        resolution: How it ended.
        seq: The command that last changed it; 0 of an operator's.
    """

    notice: str
    source: str
    kind: Kind
    severity: Severity
    title: str
    text: str
    markets: tuple[str, ...]
    from_ns: int
    to_ns: int
    published_ns: int
    updates: tuple[Update, ...] = ()
    resolved_ns: int = 0
    resolution: str = ""
    seq: int = 0

    def state(self, now_ns: int) -> str:
        """`upcoming`, `current` or `over`."""
        if self.resolved_ns or 0 < self.to_ns <= now_ns:
            return "over"
        return "upcoming" if now_ns < self.from_ns else "current"


Text = Annotated[str, msgspec.Meta(max_length=_MOST_TEXT)]
Ns = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Post(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A notice that an operator posts.

    Attributes:
        kind: maintenance, incident, halt, listing, parameters, release or other.
        severity: info, warning or critical.
        title: 1 to 120 characters.
        text: The rest; at most 2,000.
        markets: Names; empty for all, or none.
        from_ns: From when; 0 for at once.
        to_ns: Until when; 0 without a stated end.
    """

    kind: Annotated[str, msgspec.Meta(max_length=32)]
    severity: Annotated[str, msgspec.Meta(max_length=32)]
    title: Annotated[str, msgspec.Meta(max_length=_MOST_TITLE)]
    text: Text = ""
    markets: Annotated[tuple[str, ...], msgspec.Meta(max_length=_MOST_MARKETS)] = ()
    from_ns: Ns = 0
    to_ns: Ns = 0


class Words(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An update of a notice, or its resolution.

    Attributes:
        text: What is to be said; at most 2,000 characters.
    """

    text: Text


def checked(post: Post, now_ns: int) -> Post:
    """The post with its beginning. Raises NoticeRefused (`notice_must_be_possible`)."""
    rule = Rule.NOTICE_MUST_BE_POSSIBLE
    if post.kind not in set(Kind):
        raise NoticeRefused(rule, f"Kinds are {', '.join(Kind)}.", "kind")
    if post.severity not in set(Severity):
        raise NoticeRefused(rule, f"Severities are {', '.join(Severity)}.", "severity")
    if not 1 <= len(post.title.strip()) <= _MOST_TITLE or not post.title.isprintable():
        raise NoticeRefused(rule, field="title")
    checked_text(post.text, needed=False)
    from_ns = post.from_ns or now_ns
    if post.to_ns and post.to_ns <= max(from_ns, now_ns):
        raise NoticeRefused(rule, field="to_ns")
    return msgspec.structs.replace(post, from_ns=from_ns)


def checked_text(text: str, *, needed: bool = True) -> str:
    """Text of lines that can be printed. Raises NoticeRefused (`notice_must_be_possible`)."""
    plain = all(line.isprintable() for line in text.split("\n"))
    if len(text) > _MOST_TEXT or not plain or (needed and not text.strip()):
        raise NoticeRefused(Rule.NOTICE_MUST_BE_POSSIBLE, field="text")
    return text
