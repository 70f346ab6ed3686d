"""What the documentation quotes of the study and the recipes: every sentence with such a figure, made from its source.

`python -m tests.quoted` writes the sentences anew into the pages, where they differ in nothing but what is computed.
"""

import re
import textwrap
from pathlib import Path
from typing import NamedTuple

from benches.quality.study.findings import Findings
from benches.quality.study.page import EARLIER
from benches.quality.study.records import Records
from tests.quoted_sentences import PAGES

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benches" / "quality" / "study" / "results.jsonl.gz"
ANYTHING = r"(?:(?!\n\n).)+?"
LONGEST = 150
"""Of lines of prose that are written anew."""


class Quote(NamedTuple):
    """A sentence of a page, with {} for each thing that is computed, and these things."""

    page: str
    words: str
    computed: tuple[str, ...]

    def sentence(self):
        """As it should be."""
        return self.words.format(*self.computed)

    def stands(self, text):
        """Where the sentence stands as it should be: a match or None."""
        return self._find(text, *map(_spaced, self.computed))

    def anew(self, text):
        """The page's text with the sentence as it should be, where it stands with other figures."""
        found = None if self.stands(text) else self._find(text, *[ANYTHING] * len(self.computed))
        if not found:
            return text
        start, end = text.rfind("\n", 0, found.start()) + 1, text.find("\n", found.end())
        return (
            text[:start] + _filled(text[start : found.start()] + self.sentence() + text[found.end() : end]) + text[end:]
        )

    def _find(self, text, *between):
        first, *others = map(_spaced, self.words.split("{}"))
        pattern = first + "".join(map("".join, zip(between, others, strict=True)))
        return re.search(rf"{pattern}(?=\s|$)", text, flags=re.DOTALL)


def _spaced(words):
    """A pattern of words, wherever lines break between them."""
    return r"\s+".join(map(re.escape, re.split(r"\s+", words)))


def _filled(lines):
    """Lines of prose, none of them long; a row of a table stays one line."""
    if lines.startswith("|"):
        return lines
    indent = "  " * lines.startswith(("- ", "  "))
    filled = textwrap.fill(" ".join(lines.split()), LONGEST, subsequent_indent=indent, break_on_hyphens=False)
    return indent + filled if lines.startswith("  ") else filled


class Row(NamedTuple):
    """A row of docs/recipes.md: the means of its arms, their difference with its interval, where that lies."""

    a: str
    b: str
    difference: str
    side: str

    def __str__(self):
        return f"{self.difference} ({self.side})"


class Recipes:
    """The rows of docs/recipes.md."""

    def __init__(self, text):
        cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
        self.rows = {(each[0], each[1]): Row(*each[2:6]) for each in cells}

    def __call__(self, system, compares):
        """By the system and what is compared, without what stands in brackets behind it."""
        (found,) = [row for key, row in self.rows.items() if key == (system, compares) or (
            key[0] == system and key[1].startswith(f"{compares} (")
        )]  # fmt: skip
        return str(found)

    def means(self, system, compares):
        """The same, the two means."""
        row = self.rows[system, compares]
        return row.a, row.b


def sources():
    """The findings of the study and the rows of the recipes."""
    findings = Findings(Records(RESULTS), Records(EARLIER, of_plan=False))
    return findings, Recipes((ROOT / "docs" / "recipes.md").read_text())


def quotes(f, r):
    """All sentences, by findings and rows."""
    for page, made in PAGES.items():
        yield from (Quote(page, words, computed) for words, *computed in made(f, r))


def write():
    """The sentences anew into the pages."""
    for quote in quotes(*sources()):
        path = ROOT / quote.page
        path.write_text(quote.anew(path.read_text()))


if __name__ == "__main__":
    write()
