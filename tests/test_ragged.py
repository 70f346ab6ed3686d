"""Rows laid end to end, against loops over lists."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hardmine.plumbing.ragged import offsets_of, ranges, with_heads

ROWS = st.lists(st.lists(st.integers(-9, 9), max_size=4), max_size=8)


def flat(rows):
    return np.array([item for row in rows for item in row], dtype=np.int64)


@given(ROWS)
def test_offsets_cut_rows(rows):
    offsets = offsets_of([len(row) for row in rows])
    assert offsets.dtype == np.int64
    assert offsets.size == len(rows) + 1
    values = flat(rows)
    assert [values[a:b].tolist() for a, b in pairwise(offsets)] == rows


def test_offsets_do_not_overflow_a_narrow_dtype():
    assert offsets_of(np.array([100, 100], dtype=np.int8)).tolist() == [0, 100, 200]


@given(st.lists(st.tuples(st.integers(-5, 20), st.integers(0, 4)), max_size=8))
def test_ranges(pairs):
    starts, lengths = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    found = ranges(starts, lengths)
    assert found.dtype == np.int64
    assert found.tolist() == [start + i for start, length in pairs for i in range(length)]


@given(ROWS)
def test_with_heads(rows):
    heads = np.arange(100, 100 + len(rows), dtype=np.float32)
    found = with_heads(heads, flat(rows).astype(np.float32), np.array([len(row) for row in rows], dtype=np.int64))
    assert found.dtype == np.float32
    assert found.tolist() == [item for head, row in zip(heads.tolist(), rows, strict=True) for item in [head, *row]]
