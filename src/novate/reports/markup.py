"""Safe HTML in small pieces: every text is escaped unless it is already `Html`.

Responsible for: tags and tables.
Never: raw strings passed through. Only this file joins text into markup.
"""

from collections.abc import Iterable, Sequence
from html import escape


class Html(str):
    """Markup that is safe to embed as it is."""

    __slots__ = ()


def text(value: str) -> Html:
    """Escaped text; markup stays as it is."""
    return value if isinstance(value, Html) else Html(escape(value, quote=True))


def tag(name: str, *children: str, css: str = "", **attributes: str) -> Html:
    """An element with escaped children and attributes; a trailing `_` in an attribute name is dropped."""
    if css:
        attributes["class"] = css
    head = "".join(f' {key.rstrip("_")}="{escape(value, quote=True)}"' for key, value in attributes.items())
    return Html(f"<{name}{head}>{''.join(text(child) for child in children)}</{name}>")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1, css: str = "") -> Html:
    """A table whose first `left` columns are text and the others figures; figures in parentheses are marked."""
    head = tag("tr", *(tag("th", c, css="" if n < left else "n", scope="col") for n, c in enumerate(columns)))
    body = [tag("tr", *(_cell(cell, n < left) for n, cell in enumerate(row))) for row in rows]
    inner = tag("table", tag("thead", head), tag("tbody", *body), css=css)
    return tag("div", inner, css="scroll")


def _cell(cell: str, is_text: bool) -> Html:
    css = "" if is_text else "n"
    if cell.startswith("($"):
        css += " neg"
    return tag("td", cell, css=css.strip())
