"""What an operator does with a venue beside trading on it: set it up, judge whether it may begin, watch it, keep copies, and say what happened.

    settings    one TOML file for a venue's processes, with one clear error per mistake
    setup       `novate init`: six questions, the file, the first keys
    checklist   what must be so before a venue may be real, red or green
    metrics     the table of metrics, and what a scrape finds
    endpoint    metrics, /healthz and /readyz on a port of this machine
    dashboard   the table of metrics as a Grafana dashboard
    logs        what supervisor and processes say, as lines of JSON
    backup      a consistent copy of a running venue, proven by a replay; and back
    status      how a running venue stands, in words
    incident    what happened between two times, from the journal
    commands    all of it on the command line

Responsible for: the machine and the files. Never: sends a command to the engine, decides a rule of the venue, or changes a journal.
docs/guides/operate.md is the runbook, docs/reference/venue-configuration.md the reference of the file.
"""
