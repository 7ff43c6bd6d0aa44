"""Every block of the tutorial runs, in order and in one notebook, and prints what stands below it.

python tests/e2e/test_tutorial.py        writes what the blocks print into the page
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

import novate

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
SAMPLE = Path(novate.__file__).parent / "demo" / "portfolio.csv"
BLOCK = re.compile(r"```python\n(.*?)```\n(\n```text\n.*?```\n)?", re.DOTALL)
WIDE = {"display.width": 150, "display.max_columns": 20, "display.max_colwidth": 110, "display.precision": 2}


def shown(code: str, notebook: dict[str, Any]) -> str:
    """What a cell prints, its last expression included."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(tree, "<tutorial>", "exec"), notebook)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "<tutorial>", "eval"), notebook)
            if value is not None:
                out.write(f"{value if not isinstance(value, str) else repr(value)}\n")
    return out.getvalue()


def rendered(page: str) -> str:
    """The page with what its blocks print now."""
    notebook: dict[str, Any] = {}

    def run(block: re.Match[str]) -> str:
        told = shown(block[1], notebook)
        lines = "\n".join(line.rstrip() for line in told.rstrip().splitlines())
        return f"```python\n{block[1]}```\n" + (f"\n```text\n{lines}\n```\n" if lines else "")

    here = Path.cwd()
    with (
        tempfile.TemporaryDirectory() as folder,
        pd.option_context(*(part for pair in WIDE.items() for part in pair)),
        pd.option_context("display.float_format", "{:,.2f}".format),
    ):
        shutil.copy(SAMPLE, Path(folder) / "portfolio.csv")
        os.chdir(folder)
        try:
            return BLOCK.sub(run, page)
        finally:
            os.chdir(here)


def test_the_tutorial_says_what_it_prints() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert len(BLOCK.findall(page)) > 10
    assert rendered(page) == page


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
