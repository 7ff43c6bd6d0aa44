"""The public language of a venue: operations in, outcomes and views out, in text that people read and programs keep exactly.

    scale.py        plain decimal text and units, exactly
    catalogue.py    names, ids and scales of what is listed
    values.py       how each field of a message reads outside
    operations.py   what can be sent in, and the command it stands for
    outcomes.py     what happened, as it is told
    views.py        what can be asked, as it is told

Responsible for: one set of structs that REST, WebSocket, their descriptions and the client share. Never: a rule of the venue, a socket.
"""
