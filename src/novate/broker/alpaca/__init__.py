"""Alpaca: orders, executions and statements of an account there, and the issuer's side of its tokenisation network.

    settings      what an operator writes; addresses; where the key is
    exact         numbers, times and ids from their own digits
    orders        instructions as request bodies
    reports       what one message says
    record        what a span of time says, in order
    http          the vendor's REST client with exact numbers and honest endings
    desk          which questions are asked of it
    stream        the vendor's stream client, with a catch-up before the line is up
    adapter       the port over all of them
    statement     the end of a day, computed back from now
    announcements corporate actions as they are announced
    tokenization  a request of the issuer's, as one table
    network       what the issuer asks of the network
    callers       whether it is the network that calls

Needs the `feeds` extra, which brings the vendor's client, but for `exact`, `tokenization` and `callers`; only lines and the issuer's door
(`novate.clearing`) import this package.
"""
