"""A whole book, order by order, of one moment.

Responsible for: as many pages as it takes, asked for together, so that no command comes between two of them. Never: keeps a book.
"""

from __future__ import annotations

from typing import Final

from novate.messages.reports import orders
from novate.messages.reports.orders import PAGE, RestingOrders
from novate.reader_process.client import ReaderClient
from novate.reader_process.limits import ReaderLimits
from novate.reader_process.wire import NotTold, Why

_MOST_PAGES: Final = ReaderLimits().questions


def whole_book(client: ReaderClient, market: int, *, page: int = PAGE) -> RestingOrders:
    """All orders that rest in a market, as of one sequence.

    Raises BadQuestion when there is no such market, NotTold when the book has more orders than are told at once (1,280,000), ReaderGone.
    """
    found = orders.resting(client, market, limit=page)
    while found.next:
        # The book may have grown since: a page more than it had, and again if that was not enough.
        pages = -(-found.resting // page) + 1
        if pages > _MOST_PAGES:
            raise NotTold(f"A book of {found.resting} orders is not told at once.", why=Why.ANSWER_TOO_LARGE)
        questions = [orders.resting_question(market, skip=n * page, limit=page) for n in range(pages)]
        told = [orders.resting_answer(one) for one in client.ask(*questions).answers]
        together = tuple(line for one in told for line in one.orders)
        found = RestingOrders(
            market=market,
            sequence=told[0].sequence,
            time_ns=told[0].time_ns,
            resting=told[0].resting,
            orders=together,
            next=told[-1].next,
        )
    return found
