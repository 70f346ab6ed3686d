"""Links from a page to the repository: pages are read there too, where the site's own addresses do not exist.

`[text](../examples/fine_tune.py)` is a link that works in the repository. On the site it leads to the page of examples,
which shows the file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

EXAMPLE = re.compile(r"\]\((?:\.\./)+examples(?:/[\w./]*)?\)")


def setup(app: Any) -> dict[str, Any]:
    """What Sphinx calls."""
    app.connect("source-read", _rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _rewrite(_: Any, name: str, source: list[str]) -> None:
    up = "../" * (len(Path(name).parts) - 1)
    source[0] = EXAMPLE.sub(f"]({up}examples.md)", source[0])
