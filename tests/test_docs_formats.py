"""The page of formats says what the registry says."""

import re
from pathlib import Path

from hardmine.formats import registry

PAGE = (Path(__file__).parent.parent / "docs" / "formats.md").read_text()


def lines():
    """What the registry says, as the table of the page has it."""
    for known in registry.FORMATS:
        layouts = ", ".join("folder" if layout == "/" else layout for layout in known.layouts)
        for name in known.names:
            yield name, layouts, known.holds, ", ".join(known.reads), ", ".join(known.writes)


def test_the_table_is_that_of_the_registry():
    rows = re.findall(r"^\| `([\w:-]+)` \|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|", PAGE, flags=re.MULTILINE)
    assert [tuple(cell.strip() for cell in row) for row in rows] == list(lines())
