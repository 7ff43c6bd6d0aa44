"""Plain tables for a terminal: no frame, quiet headings, text left and figures right.

Responsible for: the look of every table. Never knows what stands in one.
"""

from rich.table import Table
from rich.text import Text

GOOD, BAD, QUIET = "green", "bold red", "dim"


def plain_table(title: str, *columns: str, left: int = 1) -> Table:
    """A plain table whose first `left` columns are text and the others figures."""
    table = Table(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style=QUIET
    )
    for number, column in enumerate(columns):
        table.add_column(Text(column), justify="left" if number < left else "right", no_wrap=number >= left)
    return table


def plain_cells(*cells: str | Text) -> list[Text]:
    """Cells as literal text: nothing in a name is ever read as markup. A figure in parentheses is red."""
    return [c if isinstance(c, Text) else Text(c, style="red" if c.startswith("($") else "") for c in cells]
