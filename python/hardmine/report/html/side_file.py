"""What the side file of training rows adds to them: scores, ranks, and what became of every candidate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.formats.provenance import read_provenance
from hardmine.nouns.arrow import codes_of, flat
from hardmine.nouns.lists import REASONS
from hardmine.plumbing.extras import need
from hardmine.plumbing.ragged import offsets_of
from hardmine.report.html.material import Float32s, Int64s, members, row_maxima


@dataclass(frozen=True)
class SideFile:
    """Columns aligned with the rows of the training file; None where the two do not fit together.

    Attributes
    ----------
    scores, ranks : float32 [n], int32 [n], optional
        Of the negatives, row after row.
    row_positives : float32 [rows], optional
        The lowest score of a positive of each row.
    positive_scores : float32 [pairs]
    reasons : dict of str to int
    teacher : str
    notes : list of str
    """

    scores: Float32s | None
    ranks: npt.NDArray[np.int32] | None
    row_positives: Float32s
    positive_scores: Float32s
    reasons: dict[str, int]
    teacher: str
    notes: list[str]

    @classmethod
    def beside(cls, path: Path, counts: Int64s) -> SideFile | None:
        """The side file of rows with so many negatives each; None where there is none.

        Raises
        ------
        FormatError
            It is there and cannot be read.
        """
        if not path.is_file():
            return None
        pa = need("pyarrow", what="the report", extra="mine")
        table = read_provenance(path)
        output_rows = table["output_row"].to_numpy()
        # Rows of the file may be cut finer than the rows that are read (a triplet is one negative), but come in order.
        written = np.flatnonzero(output_rows >= 0)
        first_of_row, row_of_pair = np.unique(output_rows[written], return_index=True, return_inverse=True)[1:]
        firsts = written[first_of_row]
        found = table["num_found"].to_numpy()
        positive_scores = _floats(table["positive_score"].cast(pa.float64()))
        teacher = next((name for name in table["teacher"].slice(0, 1).to_pylist() if name), "not said")
        common: dict[str, Any] = {
            "positive_scores": positive_scores[written], "reasons": _reasons(table, found), "teacher": str(teacher),
        }  # fmt: skip
        if firsts.size != counts.size or (found[firsts] != counts).any():
            note = f"{path.name} is about other rows than these: its scores and ranks are left out."
            nothing = np.full(counts.size, np.nan, np.float32)
            return cls(None, None, nothing, notes=[note], **common | {"reasons": {}})
        order = np.argsort(row_of_pair, kind="stable")
        bounds = offsets_of(np.bincount(row_of_pair, minlength=counts.size))
        lowest = -row_maxima(bounds, -positive_scores[written][order].astype(np.float64))
        places = members(offsets_of(found), firsts)
        scores, ranks = (
            flat(table[name]).flatten().cast(pa.float64()).take(pa.array(places))
            for name in ("negative_scores", "negative_ranks")
        )
        lost = int((output_rows < 0).sum())
        notes = (
            [f"{lost:,} of {output_rows.size:,} mined pairs gave no row: they had too few negatives."] if lost else []
        )
        return cls(
            scores=_floats(scores),
            ranks=np.nan_to_num(ranks.to_numpy(zero_copy_only=False)).astype(np.int32),
            row_positives=lowest.astype(np.float32),
            notes=notes,
            **common,
        )


def _floats(column: Any) -> Float32s:
    """A column as float32, NaN for null."""
    found: Float32s = np.asarray(flat(column).to_numpy(zero_copy_only=False), dtype=np.float64).astype(np.float32)
    return found


def _reasons(table: Any, found: Int64s) -> dict[str, int]:
    """How many candidates were kept or left out, and why. Pairs of one query that were mined together count once."""
    struct = flat(table["drop_reasons"])
    names = [field.name for field in struct.type if field.name in REASONS]
    counts = np.stack([struct.field(name).to_numpy(zero_copy_only=False) for name in names], axis=1)
    queries = codes_of(table["query_id"].cast("large_string"))[0]
    lists = flat(table["negative_ids"])
    same_query = queries[1:] == queries[:-1]
    keys = codes_of(lists.flatten().cast("large_string"))[0]
    starts = offsets_of(found)[:-1]
    sums = np.add.reduceat(np.append(keys + 1, 0), starts) * (found > 0) if keys.size else found
    if (same_query & (sums[1:] != sums[:-1])).any():  # each pair was mined by itself
        return dict(zip(names, counts.sum(axis=0).tolist(), strict=True))
    is_first = np.concatenate([[True], ~same_query])[: queries.size]
    return dict(zip(names, counts[is_first].sum(axis=0).tolist(), strict=True))
