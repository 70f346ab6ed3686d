"""Pieces of a page. Whatever is no piece already is text, and is escaped: nobody can forget to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any


class Html(str):
    """Text of a page that is right as it stands."""

    __slots__ = ()


_VOID = {"meta", "link", "input", "br"}


def element(tag: str, /, *content: Any, **attributes: Any) -> Html:
    """An element: pieces as they are, all else escaped as text.

    Parameters
    ----------
    tag : str
    *content
        Pieces, texts, or lists of them; None is nothing.
    **attributes
        An underscore behind a name is cut off, others are dashes; None and False leave one out, True has no value.

    Examples
    --------
    >>> from hardmine.report.html.elements import element
    >>> element("p", "a < b", class_="note", data_row=3)
    '<p class="note" data-row="3">a &lt; b</p>'
    """
    given = "".join(_attribute(key, value) for key, value in attributes.items())
    if tag in _VOID:
        return Html(f"<{tag}{given}>")
    return Html(f"<{tag}{given}>{joined(content)}</{tag}>")


def joined(content: Iterable[Any]) -> Html:
    """Pieces and texts one after another."""
    return Html("".join(_piece(each) for each in content))


def _piece(value: Any) -> str:
    if isinstance(value, Html):
        return value
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return joined(value)
    return escape(_shown(str(value)), quote=False)


def _attribute(key: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(_shown(str(value)))}"'


def _shown(text: str) -> str:
    """`text` without what a page cannot hold: a control character is shown as the sign for one that is unknown."""
    if text.isprintable():
        return text
    return "".join("\ufffd" if _is_unshowable(letter) else letter for letter in text)


def _is_unshowable(letter: str) -> bool:
    is_control = letter < " " or "\x7f" <= letter < "\xa0"
    return (is_control and letter not in "\t\n\r") or "\ud800" <= letter < "\ue000"


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], caption: str, **attributes: Any) -> Html:
    """A table whose first column heads its rows; it scrolls in itself where it is wider than the page."""
    heads = [element("th", name, scope="col") for name in header]
    body = [
        element("tr", element("th", row[0], scope="row"), [element("td", value) for value in row[1:]]) for row in rows
    ]
    shown = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", heads)),
        element("tbody", body),
        **attributes,
    )
    return element("div", shown, class_="scrolls", tabindex="0", role="region", aria_label=caption)
