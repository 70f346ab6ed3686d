"""The page of formats says what the registry says."""

import re
from pathlib import Path

from hardmine.formats import registry

PAGE = (Path(__file__).parent.parent / "docs" / "formats.md").read_text()


def merged(names):
    """What the lines of the registry say of each name, as the table of the page has it."""
    found = {}
    for known in names:
        for name in known.names:
            layouts = ["folder" if layout == "/" else layout for layout in known.layouts]
            row = found.setdefault(name, {"layouts": [], "holds": [], "reads": [], "writes": []})
            row["layouts"] += [layout for layout in layouts if layout not in row["layouts"]]
            row["holds"].append(known.holds)
            row["reads"] += known.reads
            row["writes"] += known.writes
    return {
        name: (", ".join(row["layouts"]), "; ".join(row["holds"]), ", ".join(row["reads"]), ", ".join(row["writes"]))
        for name, row in found.items()
    }


def test_the_table_is_that_of_the_registry():
    rows = re.findall(r"^\| `([\w:-]+)` \|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|", PAGE, flags=re.MULTILINE)
    table = {name: tuple(cell.strip() for cell in cells) for name, *cells in rows}
    assert len(table) == len(rows)
    assert table == merged(registry.FORMATS)
