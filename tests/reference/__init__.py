"""Plain Python restatements of the engine's rules, for tests: slow, short, and written from the documentation.

Responsible for: being an independent opinion. Never imports the engine, never shares code with it, never optimised.
`inputs` mirrors the listing commands, `margin` restates docs/concepts/portfolio-margin.md, `matching` the order book, `prices`
docs/concepts/prices.md.
"""
