"""The bridge: quotes the venue's books from the primary market's best bid and offer, and hedges every fill through the broker.

    machine           facts and time in, orders and requests out: all names together
    quoting           the primary's book to the orders that should rest
    orders            those that rest to those that should, in the fewest changes
    hedging           what is open to a request for tokens, or for their end
    limits            stances, doubts, and room under every limit
    inventory         what the account has in a name, and what it cost
    terms, facts      what it is told to do, and what it is told, in whole numbers

and around it:

    run               the process: an ordinary client of the venue
    hearing, story    the API's words to facts; the account's events once each and in order
    primary, hours    who shows the primary market; when a long closure is near
    day               what outlives the process
    settings          `bridge.toml`
    commands, telling `novate bridge`
    lockstep          the same machine beside a venue in one process, in virtual time

It trades from an ordinary account through the public API, and sees nothing earlier than anybody. docs/concepts/bridge.md tells the story.
"""
