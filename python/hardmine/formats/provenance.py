"""The side file of mined training rows: where each row comes from, and what became of every pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine.formats.chunks import lists
from hardmine.formats.errors import FormatError
from hardmine.formats.mined_pairs import Pairs, shortest
from hardmine.formats.rows import shorten
from hardmine.nouns.lists import REASONS
from hardmine.plumbing.extras import need
from hardmine.plumbing.files import suffix

if TYPE_CHECKING:
    import pyarrow as pa

    from hardmine.nouns.collection import Collection
    from hardmine.nouns.negatives import Negatives

_Int64 = npt.NDArray[np.int64]


def provenance_tables(
    collection: Collection, negatives: Negatives, pairs: Pairs, first_rows: _Int64
) -> Iterator[pa.Table]:
    """One row per (query, positive) that was mined, also where it gave no training row.

    ``positive_score`` is that of the positive, ``rule_positive_score`` the one that the rule used for the mined row: of
    several positives their lowest, mean or highest. Pairs with the same ``mined_row`` were mined together.
    """
    pa = need("pyarrow", what="reading and writing training rows", extra="mine")
    query_ids = collection.queries["id"].combine_chunks()
    document_ids = collection.documents["id"].combine_chunks()
    several = negatives.sources is not None
    teachers = [_teacher_of(run) for run in (negatives.metadata["runs"] if several else [negatives.metadata])]
    done = 0
    for some in pairs.chunks():
        members = some.members()
        scores, scored = shortest(negatives.scores[members]), shortest(some.positive_score)
        used = shortest(negatives.positive_scores[some.row])
        reasons = [pa.array(negatives.reasons[name][some.row]) for name in REASONS]
        by = {}
        if negatives.sources is not None:
            by["negative_teachers"] = lists(pa.array(teachers).take(pa.array(negatives.sources[members])), some.length)
        yield pa.table(
            {
                "query_id": query_ids.take(pa.array(some.query)),
                "positive_id": document_ids.take(pa.array(some.positive)),
                "positive_score": pa.array(scored, mask=np.isnan(scored)),
                "rule_positive_score": pa.array(used, mask=np.isnan(used)),
                "negative_ids": lists(document_ids.take(pa.array(negatives.ids[members])), some.length),
                "negative_scores": lists(pa.array(scores, mask=np.isnan(scores)), some.length),
                "negative_ranks": lists(pa.array(negatives.ranks[members]), some.length),
                **by,
                "teacher": pa.repeat(", ".join(teachers), len(some)),
                "num_found": pa.array(some.length),
                "output_row": pa.array(first_rows[done : done + len(some)]),
                "mined_row": pa.array(some.row),
                "drop_reasons": pa.StructArray.from_arrays(reasons, list(REASONS)),
            }
        )
        done += len(some)


def _teacher_of(metadata: Mapping[str, Any]) -> str:
    return str(metadata.get("candidates", {}).get("teacher", ""))


_READ = ("query_id", "positive_score", "negative_ids", "negative_scores", "negative_ranks", "num_found", "output_row",
         "teacher", "drop_reasons")  # fmt: skip
_NEW = "rule_positive_score", "mined_row"
"""What side files of before lack."""


def read_provenance(path: Path) -> pa.Table:
    """The side file of training rows, as `provenance_tables` gave it; what a report has no use for may be missing.

    Raises
    ------
    FormatError
        It cannot be read, or lacks a column.
    """
    pa = need("pyarrow", what="reading and writing training rows", extra="mine")
    try:
        if suffix(path) == ".parquet":
            table = need("pyarrow.parquet", what="reading parquet", extra="mine").read_table(path)
        else:
            with pa.input_stream(str(path), compression="detect") as file:
                table = need("pyarrow.json", what="reading training rows", extra="mine").read_json(file)
    except (pa.ArrowException, ValueError) as error:
        raise FormatError(path, f"unreadable ({shorten(error)})", "a side file of training rows") from None
    lacking = [name for name in _READ if name not in table.column_names]
    if lacking:
        raise FormatError(path, "missing", "a side file of training rows", field=lacking[0])
    return table.select([*_READ, *(name for name in _NEW if name in table.column_names)])
