"""Pieces of HTML that a model card is put together from."""

from collections.abc import Sequence
from html import escape
from typing import Any

Cells = Sequence[Any]


class Html(str):
    """Text that is HTML already."""


def section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def code(text: str) -> Html:
    return Html(f"<code>{escape(text)}</code>")


def figure(picture: str, caption: str) -> str:
    return (
        f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{picture}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def table(heads: Sequence[str], rows: Sequence[Cells], numeric: Sequence[int] = ()) -> str:
    def cell(tag: str, position: int, text: Any) -> str:
        mark = ' class="n"' if position in numeric else ""
        return f"<{tag}{mark}>{text if isinstance(text, Html) else escape(str(text))}</{tag}>"

    head = "".join(cell("th", n, text) for n, text in enumerate(heads)) if any(heads) else ""
    body = "".join(
        "<tr>" + "".join(cell("td", n, text) for n, text in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def number(value: float | None) -> str:
    if value is None:
        return "–"
    size = abs(value)
    if size >= 1_000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3f}" if size < 10 else f"{value:,.1f}"


def span(interval: Sequence[float | None] | None) -> str:
    if not interval or interval[0] is None or interval[1] is None:
        return ""
    return f"{number(interval[0])} to {number(interval[1])}"
