"""Runs as text: of trec_eval, of MS MARCO, of Tevatron; one candidate a line.

trec_eval: https://github.com/usnistgov/trec_eval; MS MARCO: https://github.com/microsoft/MSMARCO-Passage-Ranking.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.formats import delimited
from hardmine.formats.delimited import Layout
from hardmine.formats.lines import joined_lines, line_writer, refuse_white_space
from hardmine.formats.run_parts import Asked, Facts, candidates
from hardmine.formats.run_tables import chunks
from hardmine.nouns import arrow
from hardmine.plumbing.extras import need
from hardmine.plumbing.files import check_target

if TYPE_CHECKING:
    import pyarrow as pa

    from hardmine.nouns.candidates import Candidates
    from hardmine.nouns.collection import Collection

_LAYOUTS = {
    "trec-run": Layout(
        {"query": "id", "Q0": "any", "document": "id", "rank": "any", "score": "score", "tag": "text"}, by="blanks"
    ),
    "msmarco": Layout({"query": "id", "document": "id", "rank": "rank"}),
    "msmarco-top1000": Layout({"query": "id", "document": "id", "text": "any", "passage": "any"}),
    "tevatron": Layout({"query": "id", "document": "id", "score": "score"}, by="blanks"),
}
_LINES = {
    "trec-run": (" ", ("query_id", "document_id", "rank", "score"), " {tag}\n"),
    "msmarco": ("\t", ("query_id", "document_id", "rank"), "\n"),
    "tevatron": ("\t", ("query_id", "document_id", "score"), "\n"),
}
"""What stands between the columns, which they are, and what stands behind them, of lines that are written."""


def read_run(path: Path, *, format: str, asked: Asked) -> Candidates:  # noqa: A002
    """Read a run.

    Notes
    -----
    A run of MS MARCO has ranks and no scores: the score of a candidate is minus its rank. The candidates of top1000
    have neither, and the score 0. The ranks of a run of trec_eval are not looked at, nor is the order of its lines:
    BEIR writes rank 0 everywhere, and only scores count.
    """
    layout, facts = _LAYOUTS[format], Facts()

    def tables() -> Iterable[pa.Table]:
        pa = need("pyarrow", what="reading runs", extra="mine")
        for table in delimited.tables(path, layout):
            columns: dict[str, Any] = {name: table[name] for name in ("query", "document", "line")}
            if format == "msmarco-top1000":
                columns["score"] = pa.array(np.zeros(table.num_rows))
            elif layout.columns.get("rank") == "rank":
                columns["score"] = pa.array(-table["rank"].to_numpy().astype(np.float64))
            else:
                columns["score"] = table["score"]
            if "tag" in layout.columns and not facts.teacher and table.num_rows:
                facts.teacher = table["tag"][0].as_py()
            yield pa.table(columns)

    return candidates(path, tables, asked, format=format, facts=facts)


def write_run(path: Path, run: Candidates, *, format: str, collection: Collection | None) -> None:  # noqa: A002
    """Write a run; ids must hold no white space, which stands between the columns."""
    pa = need("pyarrow", what="writing runs", extra="mine")
    check_target(path)
    tag = "_".join(str(run.metadata.get("teacher") or "hardmine").split())
    with line_writer(path) as put:
        for chunk in chunks(run, collection):
            columns = {name: arrow.flat(chunk[name]).cast(pa.large_string()) for name in chunk.column_names}
            for name in ("query_id", "document_id"):
                refuse_white_space(path, columns[name], r"\t\n\r" if format == "msmarco" else r"\s")
            between, names, tail = _LINES[format]
            behind = [between] * (len(names) - 1) + [tail.format(tag=tag)]
            if format == "trec-run":
                behind[0] = " Q0 "
            put(joined_lines([columns[name] for name in names], behind))
