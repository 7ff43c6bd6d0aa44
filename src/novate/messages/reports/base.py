"""What every report stands on: who can be asked, how, and the form of an answer.

Responsible for: the request and the decoding. Never knows a question: those are in the modules beside this one, by area.
"""

from typing import Protocol, TypeVar

import msgspec


class Answers(Protocol):
    """What can be asked: an `Engine`, a fork of one, or a reader."""

    def query(self, request: bytes, /) -> bytes:
        """MessagePack array in, MessagePack map out."""
        ...


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all answers: immutable, and decoded only when every field is there and none is unknown."""


T = TypeVar("T")


def ask(engine: Answers, answer: type[T], *question: object) -> T:
    """Asks by number: `question` is the number and its arguments, `answer` the type to read the answer as.

    The functions below are what to call; this is for a question they lack. Raises ValueError for a question the engine
    does not know, msgspec.ValidationError (a ValueError) when the answer is not of the type.
    """
    return msgspec.msgpack.decode(engine.query(msgspec.msgpack.encode(question)), type=answer)
