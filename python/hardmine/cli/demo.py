"""``demo``: mines without a model, a GPU or a download, and shows some of what it found."""

from __future__ import annotations

import argparse
import sysconfig
from pathlib import Path
from typing import Any

import hardmine as hm
from hardmine.cli import options as shared

_SNIPPET = 100


def add_commands(commands: Any) -> None:
    """Add the commands of this file to the parser."""
    demo = commands.add_parser("demo", help="mine on a collection made from the docstrings of the installed Python")
    demo.add_argument("--output", type=Path, default=Path(), metavar="DIR", help="folder of hardmine-demo.jsonl (.)")
    shared.add_progress(demo)
    demo.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> None:
    output = options.output / "hardmine-demo.jsonl"
    hm.formats.check_output(output, shared.DEFAULT_FORMAT)
    collection = hm.Collection.read(sysconfig.get_path("stdlib"), "docstrings", progress=options.progress)
    mined = hm.mine(collection, "bm25", hm.strategies.top_k_perc_pos(4), progress=options.progress)
    written = mined.write(output, shared.DEFAULT_FORMAT, progress=options.progress)
    shared.say(
        mined.summary(),
        "",
        *_examples(mined),
        shared.written_line(output, written),
        "each row: a docstring's first line, the function it describes, and 4 functions that it does not",
    )


def _examples(mined: hm.Mined, count: int = 3) -> list[str]:
    """A few rows to read, spread over the collection."""
    collection, negatives = mined.collection, mined.negatives
    full = (negatives.lengths == negatives.metadata["num_negatives"]).nonzero()[0].tolist()
    rows = [full[(2 * i + 1) * len(full) // (2 * count)] for i in range(count)] if len(full) >= count else full
    lines = []
    for row in rows:
        query = int(negatives.queries[row])
        lines.append(f"query     {collection.query_texts[query].as_py()}")
        positive = int(mined.positives[query][0])
        lines.append(f"positive  {negatives.positive_scores[row]:6.2f}  {_snippet(collection, positive)}")
        for document, found in zip(*negatives[row], strict=True):
            lines.append(f"negative  {found:6.2f}  {_snippet(collection, int(document))}")
        lines.append("")
    return lines


def _snippet(collection: hm.Collection, document: int) -> str:
    text = " ".join(collection.document_texts[document].as_py().split())
    return text if len(text) <= _SNIPPET else text[: _SNIPPET - 3] + "..."
