"""The one error that every reader and writer raises for a wrong file."""

from __future__ import annotations

import os
from functools import partial


class FormatError(ValueError):
    """A file does not hold what its format asks for.

    Parameters
    ----------
    path : path-like
        The file.
    came : str
        What was found.
    wanted : str
        What was expected.
    line : int, optional
        1-based line (of a text file) or row (of a table).
    field : str, optional
        Name of the field.
    unit : {"line", "row"}
        What `line` counts.

    Examples
    --------
    >>> from hardmine.formats import FormatError
    >>> print(FormatError("pairs.jsonl", "a number", "a string", line=3, field="query"))
    pairs.jsonl, line 3, field 'query': a number, expected a string
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        came: str,
        wanted: str,
        *,
        line: int | None = None,
        field: str | None = None,
        unit: str = "line",
    ) -> None:
        self.path, self.line, self.field = os.fspath(path), line, field
        self.came, self.wanted, self.unit = came, wanted, unit
        place = self.path
        if line is not None:
            place += f", {unit} {line}"
        if field is not None:
            place += f", field {field!r}"
        super().__init__(f"{place}: {came}, expected {wanted}")

    def __reduce__(self) -> tuple[partial[FormatError], tuple[()]]:
        """It crosses processes: what an exception is made of anew is else its message alone."""
        again = partial(type(self), self.path, self.came, self.wanted, line=self.line, field=self.field, unit=self.unit)
        return again, ()
