"""What the side file of training rows adds to them: scores, ranks, and what became of every candidate."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hardmine.formats.provenance import read_provenance
from hardmine.nouns.arrow import flat
from hardmine.nouns.lists import REASONS
from hardmine.plumbing.extras import need
from hardmine.plumbing.ragged import offsets_of
from hardmine.report.html.material import Float32s, Int64s, members, row_maxima

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class SideFile:
    """Columns aligned with the rows of the training file; None where the two do not fit together.

    Attributes
    ----------
    scores, ranks : float32 [n], int32 [n], optional
        Of the negatives, row after row.
    row_positives : float32 [rows]
        The positive score that the rule used for each row; the lowest of its positives where the file is of before
        this was kept.
    label_scores : float32 [rows]
        The lowest score of a positive of each row.
    positive_scores : float32 [pairs]
    reasons : dict of str to int
    teacher : str
    notes : list of str
    """

    scores: Float32s | None
    ranks: npt.NDArray[np.int32] | None
    row_positives: Float32s
    label_scores: Float32s
    positive_scores: Float32s
    reasons: dict[str, int]
    teacher: str
    notes: list[str]

    @classmethod
    def beside(cls, path: Path, counts: Int64s, names: Mapping[str, Int64s]) -> SideFile | None:
        """The side file of rows with so many negatives each; None where there is none.

        Parameters
        ----------
        path : Path
        counts : int64 [rows]
        names : mapping of str to int64
            Digests of the ids that the rows bring, 0 where there is none: "query_id" of every row, "negative_ids" of
            every negative.

        Raises
        ------
        FormatError
            It is there and cannot be read.
        """
        if not path.is_file():
            return None
        pa = need("pyarrow", what="the report", extra="mine")
        table = read_provenance(path)
        found = table["num_found"].to_numpy()
        positive_scores = _floats(table["positive_score"].cast(pa.float64()))
        output_rows = table["output_row"].to_numpy()
        written = np.flatnonzero(output_rows >= 0)
        teacher = next((name for name in table["teacher"].slice(0, 1).to_pylist() if name), "not said")
        common: dict[str, Any] = {"positive_scores": positive_scores[written], "teacher": str(teacher)}
        fitting = _fitting(table, written, found, counts, names)
        if fitting is None:
            note = f"{path.name} is about other rows than these: its scores and ranks are left out."
            nothing = np.full(counts.size, np.nan, np.float32)
            return cls(None, None, nothing, nothing, reasons={}, notes=[note], **common)
        firsts, row_of_pair = fitting
        order = np.argsort(row_of_pair, kind="stable")
        bounds = offsets_of(np.bincount(row_of_pair, minlength=counts.size))
        lowest = (-row_maxima(bounds, -positive_scores[written][order].astype(np.float64))).astype(np.float32)
        places = pa.array(members(offsets_of(found), firsts))
        scores, ranks = (
            flat(table[name]).flatten().cast(pa.float64()).take(places)
            for name in ("negative_scores", "negative_ranks")
        )
        used, notes = lowest, []
        if "rule_positive_score" in table.column_names:
            used = _floats(table["rule_positive_score"].cast(pa.float64()))[firsts]
        else:
            notes.append(
                f"{path.name} does not say which positive score the rule used: that of a row is the lowest of its "
                "positives here, and what became of the candidates is left out."
            )
        lost = int((output_rows < 0).sum())
        if lost:
            notes.append(f"{lost:,} of {output_rows.size:,} mined pairs gave no row: they had too few negatives.")
        return cls(
            scores=_floats(scores),
            ranks=np.nan_to_num(ranks.to_numpy(zero_copy_only=False)).astype(np.int32),
            row_positives=used,
            label_scores=lowest,
            reasons=_reasons(table),
            notes=notes,
            **common,
        )


def digests(names: Any) -> Int64s:
    """A number for every name of an array of strings, equal where they are; 0 for null."""
    encoded = names.dictionary_encode()
    known = [_digest(name) for name in encoded.dictionary.to_pylist()]
    codes = encoded.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)
    found: Int64s = np.array([*known, 0], dtype=np.int64)[codes]
    return found


def _digest(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little", signed=True)


def _fitting(
    table: pa.Table, written: Int64s, found: Int64s, counts: Int64s, names: Mapping[str, Int64s]
) -> tuple[Int64s, Int64s] | None:
    """The first pair of each row, and the row of each pair that was written; None where these are other rows.

    Rows of the file may be cut finer than the rows that are read (a triplet is one negative), but come in order. Where
    each positive has a row of its own in the file and they are read as one, pairs that were mined together are one.
    """
    for column in ("output_row", "mined_row"):
        if column not in table.column_names:
            continue
        first_of_row, row_of_pair = np.unique(
            table[column].to_numpy()[written], return_index=True, return_inverse=True
        )[1:]
        firsts = written[first_of_row]
        if firsts.size != counts.size or (found[firsts] != counts).any():
            continue
        queries = digests(flat(table["query_id"].cast("large_string")).take(firsts))
        negatives = digests(flat(table["negative_ids"]).flatten().cast("large_string"))
        own = {"query_id": queries, "negative_ids": negatives[members(offsets_of(found), firsts)]}
        if all(not ((own[name] != given) & (given != 0)).any() for name, given in names.items()):
            return firsts, row_of_pair
    return None


def _floats(column: Any) -> Float32s:
    """A column as float32, NaN for null."""
    found: Float32s = np.asarray(flat(column).to_numpy(zero_copy_only=False), dtype=np.float64).astype(np.float32)
    return found


def _reasons(table: Any) -> dict[str, int]:
    """How many candidates were kept or left out, and why: pairs that were mined together count once."""
    if "mined_row" not in table.column_names:
        return {}
    struct = flat(table["drop_reasons"])
    names = [field.name for field in struct.type if field.name in REASONS]
    counts = np.stack([struct.field(name).to_numpy(zero_copy_only=False) for name in names], axis=1)
    is_first = np.diff(table["mined_row"].to_numpy(), prepend=-1) != 0
    return dict(zip(names, counts[is_first].sum(axis=0).tolist(), strict=True))
