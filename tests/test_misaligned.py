"""Arrays whose items lie at odd addresses, such as a field of packed records: what the aligned copy gives, or an error.

NumPy calls them contiguous; a slice of Rust must never be made of one.
"""

import numpy as np
import pytest

import hardmine as hm

rng = np.random.default_rng(0)
ROWS, COLUMNS = 6, 40
SCORES = rng.standard_normal((ROWS, COLUMNS), dtype=np.float32)
VECTORS = rng.standard_normal((COLUMNS, 8), dtype=np.float32)
RUN = hm.topk(SCORES, 12)
LABELS = hm.Positives(np.arange(ROWS + 1), np.arange(ROWS), np.full(ROWS, 2.0, np.float32))
KEYS = np.arange(COLUMNS, dtype=np.uint64) * 3
OFFSETS, IDS = np.arange(ROWS + 1) * 2, np.tile([3, 7], ROWS)
BOUND = np.full(ROWS, 0.5, np.float32)
COUNTS = np.arange(1.0, COLUMNS + 1)


def select(draw=None, candidates=RUN, positives=LABELS, **options):
    rule = hm.Selection(3, ceiling=hm.PercPos(0.95), draw=draw or hm.Softmax(1.0))
    return hm.select(candidates, positives, rule, **options)


def accumulate(**limits):
    accumulator = hm.TopKAccumulator(ROWS, 5, **limits)
    accumulator.update(SCORES)
    return accumulator.finish()


def bank(keys):
    kept = hm.MemoryBank(COLUMNS, 8)
    kept.push(VECTORS, keys)
    return kept.hardest(VECTORS[:ROWS], 4)


def drawn_from(weights, **options):
    return hm.AliasTable(weights).sample(ROWS, 4, seed=0, **options)


def rebuilt(**changed):
    parts = {"offsets": RUN.offsets, "ids": RUN.ids, "scores": RUN.scores, **changed}
    return hm.Candidates(**parts)


CALLS = {
    "topk": (lambda **given: hm.topk(SCORES, 5, **given), {"ceiling": BOUND, "floor": -BOUND}),
    "topk exclude": (
        lambda **given: hm.topk(SCORES, 5, exclude=tuple(given.values())),
        {"offsets": OFFSETS, "ids": IDS},
    ),
    "accumulator": (accumulate, {"ceiling": BOUND, "floor": -BOUND}),
    "accumulator exclude": (
        lambda **given: accumulate(exclude=tuple(given.values())),
        {"offsets": OFFSETS, "ids": IDS},
    ),
    "search": (lambda **given: hm.search(VECTORS[:ROWS], VECTORS, 5, **given), {"ceiling": BOUND, "floor": -BOUND}),
    "search exclude": (
        lambda **given: hm.search(VECTORS[:ROWS], VECTORS, 5, exclude=tuple(given.values())),
        {"offsets": OFFSETS, "ids": IDS},
    ),
    "pair_scores": (
        lambda **given: hm.pair_scores(VECTORS, VECTORS, **given),
        {"query_ids": np.arange(COLUMNS), "document_ids": np.arange(COLUMNS)[::-1].copy()},
    ),
    "Candidates": (
        lambda **given: select(candidates=rebuilt(**given)),
        {"offsets": RUN.offsets, "ids": RUN.ids, "scores": RUN.scores},
    ),
    "rows of Candidates": (
        lambda **given: rebuilt(**given).take([4, 2]),
        {"offsets": RUN.offsets, "ids": RUN.ids, "scores": RUN.scores},
    ),
    "rows asked for": (lambda rows: RUN.take(rows), {"rows": np.array([4, 2])}),
    "rows of Positives": (
        lambda **given: hm.Positives(**given).take([4, 2]),
        {"offsets": LABELS.offsets, "ids": LABELS.ids, "scores": LABELS.scores},
    ),
    "fuse": (
        lambda **given: hm.fuse([rebuilt(**given), RUN]),
        {"offsets": RUN.offsets, "ids": RUN.ids, "scores": RUN.scores},
    ),
    "anchor_scores": (
        lambda **given: hm.anchor_scores(rebuilt(**given), LABELS, VECTORS),
        {"offsets": RUN.offsets, "ids": RUN.ids},
    ),
    "Positives": (
        lambda **given: select(positives=hm.Positives(**given)),
        {"offsets": LABELS.offsets, "ids": LABELS.ids, "scores": LABELS.scores},
    ),
    "mine_scores": (
        lambda **given: hm.mine_scores(SCORES, hm.Positives(**given), hm.Selection(3)),
        {"offsets": LABELS.offsets, "ids": LABELS.ids, "scores": LABELS.scores},
    ),
    "select": (select, {"query_keys": KEYS[:ROWS].copy(), "document_keys": KEYS}),
    "select exclude": (lambda **given: select(exclude=tuple(given.values())), {"offsets": OFFSETS, "ids": IDS}),
    "Popularity": (lambda **given: select(hm.Popularity(**given)), {"counts": COUNTS}),
    "Weighted": (
        lambda **given: select(hm.Weighted(*given.values())),
        {"log_weights": np.linspace(0.0, 3.0, RUN.ids.size)},
    ),
    "draw": (
        lambda **given: hm.draw(SCORES, 3, seed=0, **given),
        {"row_keys": KEYS[:ROWS].copy(), "column_keys": KEYS},
    ),
    "sample_uniform": (
        lambda **given: hm.sample_uniform(ROWS, 3, COLUMNS, seed=0, **given),
        {"row_keys": KEYS[:ROWS].copy()},
    ),
    "sample_uniform exclude": (
        lambda **given: hm.sample_uniform(ROWS, 3, COLUMNS, seed=0, exclude=tuple(given.values())),
        {"offsets": OFFSETS, "ids": IDS},
    ),
    "AliasTable": (drawn_from, {"weights": COUNTS, "row_keys": KEYS[:ROWS].copy()}),
    "AliasTable exclude": (
        lambda **given: drawn_from(COUNTS, exclude=tuple(given.values())),
        {"offsets": OFFSETS, "ids": IDS},
    ),
    "in_batch_mask": (
        lambda **given: hm.in_batch_mask(SCORES, **given),
        {
            "ids": np.arange(COLUMNS) % 7,
            "groups": np.arange(COLUMNS) % 9,
            "clusters": np.arange(COLUMNS) % 11,
            "query_ids": np.arange(ROWS) % 4,
            "positive_columns": np.arange(ROWS)[::-1].copy(),
            "positive_scores": BOUND,
        },
    ),
    "in_batch_mask, known positives": (
        lambda **given: hm.in_batch_mask(
            SCORES, ids=np.arange(COLUMNS), query_ids=np.arange(ROWS), positives=hm.Positives(**given)
        ),
        {"offsets": LABELS.offsets, "ids": LABELS.ids},
    ),
    "triplets": (lambda **given: hm.triplets(SCORES[:, :ROWS], nan="drop", **given), {"labels": np.arange(ROWS) % 2}),
    "MemoryBank": (bank, {"keys": np.arange(COLUMNS)}),
}
CASES = [(name, argument) for name, (_, given) in CALLS.items() for argument in given]


def misaligned(array):
    raw = np.zeros(array.nbytes + 1, np.uint8)
    raw[1:] = array.view(np.uint8)
    off = raw[1:].view(array.dtype)
    assert not off.flags.aligned
    assert off.flags.c_contiguous
    return off


def parts(result):
    return [result] if isinstance(result, np.ndarray) else [result.offsets, result.ids, result.scores]


@pytest.mark.parametrize(("name", "argument"), CASES, ids=[f"{name}, {argument}" for name, argument in CASES])
def test_a_misaligned_array_is_copied_or_refused(name, argument):
    call, given = CALLS[name]
    expected = call(**given)
    try:
        found = call(**{**given, argument: misaligned(given[argument])})
    except ValueError as error:
        if "no multiple of" not in str(error):
            raise
        return
    for a, b in zip(parts(found), parts(expected), strict=True):
        assert np.array_equal(a, b)
