"""Links from a page to the repository: pages are read there too, where the site's own addresses do not exist.

A link to `../examples/fine_tune.py` works in the repository. On the site it leads to the page of examples, which shows
the file. The changelog is a file of the repository's top: its links to pages lead to them, and those to files that the
site does not have become text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PAGE = re.compile(r"\]\(docs/")
ELSEWHERE = re.compile(r"\[([^\]]+)\]\((?!docs/|https:)[^)]+\)")
EXAMPLE = re.compile(r"\]\((?:\.\./)+examples(?:/[\w./]*)?\)")


def setup(app: Any) -> dict[str, Any]:
    """What Sphinx calls."""
    app.connect("source-read", _rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _rewrite(app: Any, name: str, source: list[str]) -> None:
    if name == "changelog":
        text = (Path(app.srcdir).parent / "CHANGELOG.md").read_text()
        source[0] = PAGE.sub("](", ELSEWHERE.sub(r"\1", text))
        return
    up = "../" * (len(Path(name).parts) - 1)
    source[0] = EXAMPLE.sub(f"]({up}examples.md)", source[0])
