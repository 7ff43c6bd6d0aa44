"""Keepers: processes that bring outside facts to the core as commands, and tell people what its events mean for them.

    pace             the venue's clock: real time, or recorded time at a speed
    line             a keeper's line to the core: whole buffers, one at a time, connected again for ever
    settings         what an operator writes, and the defaults
    time_keeper      `AdvanceTime`, never two due at once
    session_keeper   `SetSession` from the exchange's calendar
    price_keeper     feeds to `PostPrice`, the newest of each source first, raw messages archived before
    margin_calls     what an account must bring, how it can, and by when
    thresholds       80, 90 and 100 % of a requirement, without flapping
    alert_keeper     events and sweeps to alerts and calls
    alert_book       alerts, calls and deliveries on disk
    channels         webhook and email
    health           what every keeper says of itself, for a metrics endpoint
    run              the entry points that a supervisor starts

Each keeper is a pure machine with a small runner around it. None decides a rule; the engine judges every command they send.
docs/concepts/keepers.md tells the story.
"""
