"""The guide's walk-through runs on a real venue for development, in order, and prints what stands in the page.

python tests/e2e/test_list_a_name_guide.py        writes what the commands print into the page
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script it finds the venue of the tests too

from gateways import eventually, running
from novate.cli import main
from novate.client import Client

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "list-a-name.md"
BLOCK = re.compile(r"```(console|python)\n(.*?)```\n", re.DOTALL)
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")


def typed(line: str) -> str:
    """What a command prints for people; times of the day are left out."""
    err = io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        main(shlex.split(line.removeprefix("$ novate ")))
    return TIME.sub("TIME", "".join(f"{one.rstrip()}\n" for one in err.getvalue().splitlines()))


def rendered(page: str) -> str:
    """The page with what its commands print now."""
    notebook: dict[str, Any] = {}

    def run(block: re.Match[str]) -> str:
        if block[1] == "python":
            exec(compile(block[2], "<guide>", "exec"), notebook)
            return block[0]
        lines = [line for line in block[2].splitlines() if line.startswith("$ novate ")]
        if "status" in lines[0] and "$ novate list open NFLX --now" in page[: block.start()]:
            path = "/markets/NFLX-PERP/candles"  # the read models have seen the auction
            eventually(lambda: notebook["venue"].ask(path, interval_s=86_400, limit=10), 30)
        return "```console\n" + "".join(f"{line}\n{typed(line)}" for line in lines) + "```\n"

    def keep_prices(base: str) -> None:
        with Client(base) as client:
            while not over.wait(0.5):
                for source in (1, 2) if "post" in notebook else ():
                    notebook["post"](client, source)

    here, over = Path.cwd(), threading.Event()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "venue") as venue:
        listing = Path(folder) / "venue.toml"
        at = {"NOVATE_URL": venue.base, "NOVATE_LISTING": str(listing)}
        venue.start("projector")
        feeds = threading.Thread(target=keep_prices, args=(venue.base,), daemon=True)
        feeds.start()
        os.chdir(folder)
        try:
            with mock.patch.dict(os.environ, at):
                venue.prices()
                return BLOCK.sub(run, page)
        finally:
            over.set()
            feeds.join(10)
            if "venue" in notebook:
                notebook["venue"].close()
            os.chdir(here)


def test_the_guide_says_what_its_commands_print() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.count("\n$ novate list ") >= 9
    assert rendered(page) == page


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
