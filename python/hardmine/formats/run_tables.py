"""What every writer of runs shares: the ids of a run, and its candidates as tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hardmine.nouns import arrow
from hardmine.plumbing.extras import need

if TYPE_CHECKING:
    import pyarrow as pa

    from hardmine.nouns.candidates import Candidates
    from hardmine.nouns.collection import Collection

_CHUNK = 1 << 18
_Int64 = npt.NDArray[np.int64]


class Names:
    """Ids of a run that is written: its own, those of a collection, or its numbers."""

    def __init__(self, run: Candidates, collection: Collection | None) -> None:
        if collection is not None:
            collection._refuse_foreign(run)
        self._tables = {}
        for kind in ("query", "document"):
            table = getattr(run, f"{kind}_ids")
            if table is None and collection is not None:
                table = getattr(collection, f"{kind}_ids")
            self._tables[kind] = None if table is None else arrow.of_table(table)

    def of(self, kind: str, numbers: _Int64) -> pa.LargeStringArray:
        """The ids of some queries or documents."""
        pa = need("pyarrow", what="writing runs", extra="mine")
        table = self._tables[kind]
        return arrow.digits(numbers) if table is None else table.take(pa.array(numbers))


def chunks(run: Candidates, collection: Collection | None) -> Iterator[pa.Table]:
    """The candidates of a run in its order: ``query_id``, ``document_id``, ``score``, ``rank`` (from 1)."""
    pa = need("pyarrow", what="writing runs", extra="mine")
    names = Names(run, collection)
    rows = run.row_of_each
    ranks = np.arange(1, run.ids.size + 1) - run.offsets[rows]
    for start in range(0, max(run.ids.size, 1), _CHUNK):
        part = slice(start, start + _CHUNK)
        yield pa.table(
            {
                "query_id": names.of("query", rows[part]),
                "document_id": names.of("document", run.ids[part]),
                "score": pa.array(run.scores[part]),
                "rank": pa.array(ranks[part].astype(np.int32)),
            }
        )
