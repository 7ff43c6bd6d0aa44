"""Read models: what people look up, folded from the venue's events into SQL rows, and statements from them.

    schema      the tables                    fold        events into rows, by way of `trading`, `money`, `settling`, `sampling`
    store       the database, exactly once    queries     what the API asks, typed and paged (`rows`)
    statements  days and months that re-add   operator    the venue's own result
    export      CSV, Parquet, text, HTML

Responsible for: everything between an event and a statement. Never follows a core (that is `novate.projector`), never reads a journal.
"""
