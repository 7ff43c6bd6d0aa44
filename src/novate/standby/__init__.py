"""A warm standby: the journal of a running core on a disk of its own, byte by byte, and an engine at its end.

    mirror      the journal here: writes what was shipped, once it is proven to be the next frame
    warm        the engine: applies what is on disk, takes snapshots, says its state hash
    line        the connection to the core
    process     the loop: connects, receives, syncs, confirms, applies
    parting     a journal that has parted from the core's: where, how much, and how it is put aside
    promotion   from standby to venue, by hand; and the end of the other core's turn
    commands    `novate standby`, `novate promote`

Nothing here writes a command, and nothing decides by itself which of two cores is the venue. docs/internals/standby.md says what is
promised, docs/guides/operate.md what an operator does.
"""
