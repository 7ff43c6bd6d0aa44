"""A venue's doors to the world: REST and WebSocket, the same operations through both.

    link.py       connections to the core and the reader, and what is listed
    books.py      books, trades and prices as the venue's events make them
    streams.py    who listens to what, and what each has been told
    actions.py    one operation from what was said to what it came to, whichever door it came through
    rest.py       HTTP
    socket.py     WebSocket
    describe.py   OpenAPI and AsyncAPI, from the same tables
    serve.py      one gateway process

Responsible for: who speaks, what may be said, text to integers, limits on connections. Never: a rule of the venue; that is the engine's.
"""
