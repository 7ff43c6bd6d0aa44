"""A whole venue by one command: its first commands, its processes, and who starts them again.

    genesis     what an empty journal begins with
    processes   the processes of a venue, in the order in which they start
    supervisor  starts them, waits until each serves, starts again what ended, ends all in order
    commands    `novate up`, and a command for each process

Responsible for: one home, one machine. Never: does the work of a process.
"""
