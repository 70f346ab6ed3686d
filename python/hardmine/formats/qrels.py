"""Judgements of trec_eval: ``query 0 document relevance`` a line, between blanks. A collection of ids alone.

Layout: https://github.com/usnistgov/trec_eval
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.formats.delimited import Layout, tables
from hardmine.formats.errors import FormatError
from hardmine.formats.lines import joined_lines, line_writer, refuse_white_space
from hardmine.formats.run_parts import Coder
from hardmine.nouns.arrow import of_table
from hardmine.nouns.collection import Collection
from hardmine.nouns.tables import parts
from hardmine.plumbing.extras import need
from hardmine.plumbing.files import check_target

if TYPE_CHECKING:
    import numpy.typing as npt

JUDGEMENT = Layout({"query": "id", "0": "any", "document": "id", "relevance": "number"}, by="blanks")


def read_collection(path: Path, **options: Any) -> Collection:
    """Read judgements as a collection of ids: a document with a relevance above 0 is a positive.

    Queries and documents are numbered as they appear; queries without a positive are left out and counted, as are
    judgements of 0 and below.
    """
    queries, documents, relevant = judgements(path)
    codes, ids = queries.finish()
    numbers, names = documents.finish()
    if not relevant.any():
        raise FormatError(path, "no judgement with a relevance above 0", "at least one")
    found = parts(
        {"id": ids}, {"id": names}, (codes[relevant].astype(np.int64), numbers[relevant].astype(np.int64)),
        source=path, judged_not_relevant=int((~relevant).sum()),
    )  # fmt: skip
    return Collection(**found, **options)


def judgements(path: Path) -> tuple[Coder, Coder, npt.NDArray[np.bool_]]:
    """Queries, documents and whether they are relevant."""
    queries, documents, relevant = Coder(), Coder(), [np.empty(0, bool)]
    for table in tables(path, JUDGEMENT):
        queries.add(table["query"])
        documents.add(table["document"])
        relevant.append(table["relevance"].to_numpy() > 0)
    return queries, documents, np.concatenate(relevant)


def write_collection(path: Path, collection: Collection, *, format: str) -> None:  # noqa: A002, ARG001
    """Write the positives of a collection as judgements of 1; ids must hold no white space."""
    check_target(path)
    pa = need("pyarrow", what="writing judgements", extra="mine")
    labels = collection.positives
    columns = [
        of_table(collection.query_ids).take(pa.array(labels.query_of_each)),
        of_table(collection.document_ids).take(pa.array(labels.ids)),
    ]
    for column in columns:
        refuse_white_space(path, column, r"\s")
    with line_writer(path) as put:
        put(joined_lines(columns, [" 0 ", " 1\n"]))
