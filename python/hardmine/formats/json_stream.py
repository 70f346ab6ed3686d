"""One large JSON document read piece by piece: memory holds a block of it and one record."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from hardmine.formats.errors import FormatError
from hardmine.formats.opening import BROKEN, broken, opened
from hardmine.formats.rows import Row, kind, shorten
from hardmine.formats.tolerance import listens, pass_over

_BLOCK = 1 << 20
_SPACE = " \t\n\r"
_ESCAPED = re.compile("[\udc80-\udcff]")
"""A byte that is no UTF-8, as Python keeps it."""
_CUT = 16
"""Characters before the end of what is there in which a mistake may be no more than the end of a block."""

_decode = json.JSONDecoder().raw_decode


def array_rows(path: Path, key: str | None = None) -> Iterator[Row]:
    """The objects of an array that is the document, or that stands under a key of the object that is it."""
    text = _Text(path)
    with text.open():
        if key is None:
            text.expect("[", "an array of objects")
            yield from _items(text)
            text.end()
            return
        for name in _keys(text):
            if name == key:
                text.expect("[", "an array of objects", key)
                yield from _items(text, key)
                return
            text.value()
        raise FormatError(path, "missing", "an array under this name", field=key)


def member(path: Path, key: str) -> Any:
    """What stands under a key of the object that is the document; None where the key is not there."""
    text = _Text(path)
    with text.open():
        for name in _keys(text):
            value = text.value()
            if name == key:
                return value
    return None


def _keys(text: _Text) -> Iterator[str]:
    """The keys of an object; whoever takes one takes its value too."""
    text.expect("{", "one JSON object")
    if text.peek() == "}":
        return
    while True:
        name = text.value()
        if not isinstance(name, str):
            text.wrong(f"{kind(name)} ({shorten(name)})", "a name in quotes")
        text.expect(":", "a colon behind a name")
        yield name
        if text.one_of(",}") == "}":
            return


def _items(text: _Text, key: str | None = None) -> Iterator[Row]:
    if text.peek() == "]":
        text.one_of("]")
        return
    while True:
        text.peek()
        line = text.line
        text.damage = ""
        value = text.value()
        if text.damage:
            pass_over(FormatError(text.path, f"byte {text.damage}", "UTF-8 text", line=line, field=key))
        elif not isinstance(value, dict):
            pass_over(FormatError(text.path, f"{kind(value)} ({shorten(value)})", "an object", line=line, field=key))
        else:
            yield Row(text.path, line, value)
        if text.one_of(",]") == "]":
            return


class _Text:
    """The text of a file, from where reading is.

    Attributes
    ----------
    line : int
    damage : str
        The last byte that was no UTF-8, where somebody listens: then its record is left out, and not all behind it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.line = 1
        self.damage = ""
        self._file: Any = None
        self._is_heard = False
        self._text, self._at, self._block, self._is_whole = "", 0, _BLOCK, False

    def open(self) -> Any:
        """The file, to be closed."""
        self._is_heard = listens()
        errors = "surrogateescape" if self._is_heard else "strict"
        self._file = io.TextIOWrapper(opened(self.path), encoding="utf-8-sig", errors=errors, newline="")
        return self._file

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            start = self._at
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            self.line += self._text.count("\n", start, self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def one_of(self, characters: str) -> str:
        """Take one of these characters."""
        found = self.peek()
        if not found or found not in characters:
            self.wrong(repr(found) if found else "the end", " or ".join(map(repr, characters)))
        self._at += 1
        return found

    def expect(self, character: str, wanted: str, field: str | None = None) -> None:
        """Take a character that begins what is wanted."""
        found = self.peek()
        if found != character:
            raise FormatError(self.path, repr(found) if found else "the end", wanted, line=self.line, field=field)
        self._at += 1

    def end(self) -> None:
        """Raise unless nothing follows."""
        if self.peek():
            self.wrong(repr(self.peek()), "nothing behind the document")

    def value(self) -> Any:
        """Take a value."""
        self.peek()
        while True:
            try:
                value, end = _decode(self._text, self._at)
            except RecursionError:
                self.wrong("values nested too deeply", "JSON")
            except json.JSONDecodeError as error:
                is_cut = error.pos >= len(self._text) - _CUT or error.msg.startswith("Unterminated")
                if not (is_cut and self._more()):
                    self.line += self._text.count("\n", self._at, error.pos)
                    came = shorten(self._text[max(error.pos - 20, self._at) : error.pos + 20])
                    self.wrong(f"{came!r} ({error.msg})", "JSON")
                continue
            except ValueError as error:  # an integer of more digits than Python reads
                self.wrong(str(error).partition(":")[0], "JSON")
            if end < len(self._text) or not self._more():  # a number may go on behind the block
                if self._is_heard and not self.damage:
                    found = _ESCAPED.search(self._text, self._at, end)
                    self.damage = "" if found is None else f"0x{ord(found[0]) - 0xDC00:02x}"
                self.line += self._text.count("\n", self._at, end)
                self._at = end
                return value

    def wrong(self, came: str, wanted: str) -> NoReturn:
        """Say what is wrong at this place."""
        raise FormatError(self.path, came, wanted, line=self.line)

    def _more(self) -> bool:
        """Read another block, and forget what has been taken; whether there was one."""
        if self._is_whole:
            return False
        try:
            block = self._file.read(self._block)
        except UnicodeDecodeError as error:
            self.line += self._text.count("\n", self._at)
            self.wrong(f"byte 0x{error.object[error.start]:02x} in or after this line", "UTF-8 text")
        except BROKEN as error:
            raise broken(self.path, error, self.line) from None
        self._is_whole = not block
        self._text, self._at = self._text[self._at :] + block, 0
        self._block = max(_BLOCK, len(self._text))  # a long record is decoded again only when it has doubled
        return bool(block)
