"""Brokers: the line to the primary market, one port and an adapter for each kind of line.

    port              what is said both ways, what an adapter promises, the market as it is seen, end-of-day statements
    checks            what an instruction must be before anything of it leaves, for every adapter
    simulated         the adapter of the simulated exchange, in the same process
    fix               FIX 4.4 over QuickFIX: the line to a broker, and the simulated exchange behind an acceptor (extra `fix`)
    alpaca            an account at Alpaca, and the issuer's side of its tokenisation network (extra `feeds`)

The simulated exchange, without a clock or a disk of its own:

    exchange          order entry, matching, sessions, auctions, settlement, statements
    tape, displayed   what the primary market showed; what is left of it and how it answers to what is taken
    orders, custody   an order's life; a broker's cash and shares
    fees, hours       what an execution costs; when the exchange is open and when a trade settles
    acts              what its operator does: halts, busts, corrections, a broker's default
    faults            what brokers do wrong, by a script or a seed
    report_log        what a broker was told, to be told again from any place

and around it:

    floor             the exchange moved by a clock, the lines of its brokers, the market as it is seen
    exchange_journal  its inputs on disk, from which the same exchange is made again
    exchange_settings what an operator writes about it, and the floor made from that

Nothing here knows a token, a request or an account: `novate.clearing` turns the engine's events into instructions and reports into commands.
"""

from novate.broker.port import (
    Accepted,
    AskOrder,
    Broker,
    Busted,
    Cancelled,
    CancelOrder,
    CancelRefused,
    Cash,
    Corrected,
    EndOfDay,
    Filled,
    Hear,
    Heard,
    Instruction,
    Level,
    LineDown,
    LineLost,
    LineUp,
    NewOrder,
    NotKnown,
    Position,
    PrimaryBook,
    PrimaryMarket,
    Records,
    Rejected,
    Replaced,
    ReplaceOrder,
    Report,
    Settled,
    Trade,
    execution_bytes,
)

__all__ = [
    "Accepted", "AskOrder", "Broker", "Busted", "CancelOrder", "CancelRefused", "Cancelled", "Cash", "Corrected", "EndOfDay", "Filled",
    "Hear", "Heard", "Instruction", "Level", "LineDown", "LineLost", "LineUp", "NewOrder", "NotKnown", "Position", "PrimaryBook",
    "PrimaryMarket", "Records", "Rejected", "ReplaceOrder", "Replaced", "Report", "Settled", "Trade", "execution_bytes",
]  # fmt: skip
