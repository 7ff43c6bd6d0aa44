"""A difference of a symbol stands for the engine's break of each of its tokens."""

from contextlib import closing
from datetime import date

from novate.clearing.break_book import BreakBook, State
from novate.clearing.reconcile import BrokerRun, Said, link
from novate.clearing.reconciliation import Break, BreakKind, Comparison

NAME, DAY = "Simulated Prime", date(2024, 6, 12)
OFF = Break(kind=BreakKind.POSITION_DIFFERS, subject="GOOG", symbol="GOOG", broker={}, venue={}, shares=5)
STEPS = (
    ({100: 3, 101: 4}, {3, 4}, {3, 4}),  # told of both tokens
    ({100: 5}, {4, 5}, {4, 5}),  # the first token's was resolved past the book
    ({}, {4, 5}, {4, 5}),
)
"""Token to break as the engine answered, what the engine holds then, and what is linked."""


def test_a_difference_ends_when_the_engine_holds_no_break_of_any_token_for_it(tmp_path):
    with closing(BreakBook.open(tmp_path)) as book:

        def run(*breaks):
            return book.record(NAME, DAY, 1, Comparison(breaks=list(breaks)), (), (7, bytes(32)))

        (one,) = run(OFF)
        for told, held, wanted in STEPS:
            said = [Said("GOOG", token, "break", engine_break=number) for token, number in told.items()]
            link(BrokerRun(1, NAME, known=[book.one(one.number)], told=said), book, held)
            assert set(book.one(one.number).engine_breaks) == wanted
        (again,) = run(OFF)
        assert (again.number, set(again.engine_breaks)) == (one.number, {4, 5})
        run()
        for held, state in (((4, 9), State.AGREED), ((), State.CLEARED)):
            book.let_go(held, 4)
            assert book.one(one.number).state is state
