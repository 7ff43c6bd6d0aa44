"""What the venue tells everybody: maintenance, incidents, halts, listings, changes of parameters, releases.

    records     a notice, its bounds, and every "no" with its number, 2251 to 2299
    book        what operators post, in SQL
    feed        theirs and those that the engine's events made, as one list
    formats     the list as JSON Feed and Atom
    commands    `novate notice`

Notices of events come from the read models (`novate.projections.notices`) and are rebuilt with them; those of operators stand in HOME/notices.db.
"""
