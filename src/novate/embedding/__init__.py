"""novate inside another program or a notebook: margin on data frames, and an engine to play with.

`instruments` (names to ids and scales), `columns` (frames to checked integers), `sessions` (which session when), `margin` (portfolios
by dates), `words` (events in words), `views` (answers as frames), `engine` (the whole venue, without a journal), `tables` (prices of a command line). What users need of it is in `novate` itself.
"""
