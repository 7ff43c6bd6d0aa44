"""A whole book of many pages is of one moment, whatever happens between two questions."""

import pytest

from novate.messages import PlaceOrder, Side
from novate.messages.reports import orders
from novate.reader_process import NotTold, whole_book
from novate.reader_process.wire import Told
from venues import PERP, PlainVenue, open_plain_venue

MARKET = PERP[0].market


class Reader:
    """An engine that is asked as the reader is; between two records `meanwhile` happens."""

    def __init__(self, venue: PlainVenue, meanwhile=lambda: None) -> None:
        self.venue, self.meanwhile, self.asked = venue, meanwhile, []

    def query(self, request: bytes, /) -> bytes:
        return self.ask(request).answers[0]

    def ask(self, *questions: bytes) -> Told:
        self.meanwhile()
        self.asked.append(len(questions))
        answers = tuple(self.venue.engine.query(one) for one in questions)
        return Told(0, self.venue.engine.sequence, self.venue.time_ns, stale=False, answers=answers)


@pytest.fixture
def venue() -> PlainVenue:
    found = open_plain_venue({1: 1})
    for number in range(25):
        rest(found, 9_900 - number % 5)
    return found


def rest(venue: PlainVenue, price: int) -> None:
    venue.must(PlaceOrder(market=MARKET, side=Side.BID, price=price, lots=1), 1)


@pytest.mark.parametrize(("page", "asked"), [(100, [1]), (25, [1]), (24, [1, 3]), (7, [1, 5]), (1, [1, 26])])
def test_as_many_pages_as_it_takes(venue: PlainVenue, page: int, asked: list[int]) -> None:
    reader = Reader(venue)
    found = whole_book(reader, MARKET, page=page)
    assert found == orders.resting(venue.engine, MARKET)
    assert reader.asked == asked


def test_a_book_that_grows_in_between_is_asked_for_again(venue: PlainVenue) -> None:
    def grows() -> None:
        for _ in range(growing.pop() if growing else 0):
            rest(venue, 9_000)

    growing = [0, 12, 0]
    reader = Reader(venue, grows)
    found = whole_book(reader, MARKET, page=5)
    assert found == orders.resting(venue.engine, MARKET)
    assert (found.resting, len(found.orders), found.next) == (37, 37, 0)
    assert reader.asked == [1, 6, 9]


def test_a_book_that_is_too_long_is_not_told(venue: PlainVenue) -> None:
    for _ in range(60):
        rest(venue, 9_000)
    with pytest.raises(NotTold, match="85 orders"):
        whole_book(Reader(venue), MARKET, page=1)
