"""Search: equality with a float64 brute force to the bit, whatever the data, the cut, the threads and the level."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hardmine as hm
import hardmine._native as _native
from hardmine.plumbing import arrays, checks, ragged
from hardmine.primitives.limits import Limits
from hardmine.primitives.search import tiles
from tests.children import PROMPT, run_script
from tests.oracle import search as oracle

LEVELS = _native.isa_levels()
REASONS = ("excluded", "above_ceiling", "below_floor")


def make(kind, num_queries, num_documents, dimension, seed=0):
    """float32 embeddings of a kind that is hard in its own way."""
    rng = np.random.default_rng(seed)
    q = rng.standard_normal((num_queries, dimension))
    d = rng.standard_normal((num_documents, dimension))
    if kind == "clustered":
        centres = rng.standard_normal((4, dimension))
        q, d = centres[rng.integers(0, 4, num_queries)] + q / 50, centres[rng.integers(0, 4, num_documents)] + d / 50
    elif kind == "duplicated":
        d = d[rng.integers(0, max(num_documents // 10, 1), num_documents)]
    elif kind == "equal":
        d = np.broadcast_to(d[:1], d.shape)
    elif kind == "near ties":  # every pair of scores lies within the rounding bound of the other
        d = d[:1].astype(np.float32) * (1 + rng.integers(-2, 3, d.shape) * 2.0**-23)
    elif kind == "zeros":
        d[rng.random(num_documents) < 0.5] = 0
        q[::3] = 0
    elif kind == "huge":  # products overflow float32, sums cancel from infinity
        q, d = q * 1e25, d * rng.choice([1e10, 1e14, 1e38 / 8], (num_documents, 1))
    elif kind == "tiny":  # products and norms below the smallest float32
        q, d = (
            q * rng.choice([1e-20, 1e-40], (num_queries, 1)),
            d * rng.choice([1e-20, 1e-30, 1e-43], (num_documents, 1)),
        )
    elif kind == "mixed norms":
        d = d * 10.0 ** rng.uniform(-6, 6, (num_documents, 1))
    elif kind == "cancelling":  # every score is rounding noise of its own sum: the order of the lanes shows
        half = dimension // 2
        q *= 10.0 ** rng.uniform(-3, 3, q.shape)
        q[:, half : 2 * half] = np.roll(q[:, :half], 5, axis=1)
        d[:, half : 2 * half] = -np.roll(d[:, :half], 5, axis=1)
        q[:, 2 * half :] = 0
    elif kind == "ascending":
        d = d[np.argsort(d @ q[0])]
    return q.astype(np.float32), d.astype(np.float32)


KINDS = (
    "random", "clustered", "duplicated", "equal", "near ties", "zeros", "huge", "tiny", "mixed norms", "cancelling",
    "ascending",
)  # fmt: skip


def agree(found, wanted):
    ids, scores, counts = wanted
    assert [row.ids.tolist() for row in found] == ids
    assert found.scores.tobytes() == np.concatenate([np.array(s, np.float32) for s in [*scores, []]]).tobytes()
    for name in REASONS:
        got = (found.reasons or {}).get(name, np.zeros(len(ids), np.int64))
        assert got.tolist() == [count[name] for count in counts], name
    if found.ranks is not None:
        shift = [count["above_ceiling"] for count in counts]
        assert found.ranks.tolist() == [s + i + 1 for s, row in zip(shift, ids, strict=True) for i in range(len(row))]


def cut_search(q, d, k, tiling, *, similarity="dot", threads=2, ceiling=None, floor=None, exclude=None, reached=None):
    """`search` with the tiling given."""
    limits = Limits(
        checks.per_query("ceiling", ceiling, len(q)),
        checks.per_query("floor", floor, len(q)),
        ragged.csr("exclude", exclude, len(q)),
        reached=reached,
    )
    rows = [tiles.Rows(*arrays.matrix("x", x), _native.row_norms("x", arrays.matrix("x", x), threads)) for x in (q, d)]
    found = tiles.scan(*rows, k, similarity, limits, tiling, threads)
    return hm.Candidates._from_native(found)


def limits_for(scores, seed=0):
    """Ceilings and floors that equal scores of some documents, and exclusions."""
    rng = np.random.default_rng(seed)
    ranked = np.sort(scores, axis=1)
    n = scores.shape[1]
    ceiling, floor = ranked[:, (n * 3) // 4].copy(), ranked[:, n // 4].copy()
    ceiling[::3] = np.nextafter(ceiling[::3], np.float32(-np.inf))
    floor[1::3] = np.nextafter(floor[1::3], np.float32(np.inf))
    exclude = [rng.integers(0, n, rng.integers(0, 6)).tolist() for _ in scores]
    return {"ceiling": ceiling, "floor": floor, "exclude": exclude}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("kind", KINDS)
def test_equals_brute_force(kind, similarity, level, monkeypatch):
    monkeypatch.setenv("HARDMINE_ISA", level)
    q, d = make(kind, 7, 300, 33)
    limits = limits_for(oracle.score_matrix(q, d, similarity))
    for k in (0, 1, 20, 299, 300, 301):
        agree(hm.search(q, d, k, similarity=similarity), oracle.search(q, d, k, similarity))
        for names in (["ceiling"], ["floor"], ["exclude"], ["ceiling", "floor", "exclude"]):
            some = {name: limits[name] for name in names}
            agree(hm.search(q, d, k, similarity=similarity, **some), oracle.search(q, d, k, similarity, **some))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_every_dimension(similarity, level, monkeypatch):
    monkeypatch.setenv("HARDMINE_ISA", level)
    for dimension in [*range(71), 384, 1000]:
        for kind in ("random", "cancelling"):
            q, d = make(kind, 3, 60, dimension, seed=dimension)
            agree(hm.search(q, d, 9, similarity=similarity), oracle.search(q, d, 9, similarity))
            pairs = np.indices((3, 60)).reshape(2, -1)
            scores = hm.pair_scores(q, d, *pairs, similarity=similarity)
            assert scores.tobytes() == oracle.score_matrix(q, d, similarity).tobytes()


@pytest.mark.parametrize("kind", ["random", "near ties", "equal", "mixed norms", "ascending"])
def test_the_cut_changes_nothing(kind):
    q, d = make(kind, 11, 230, 20)
    limits = limits_for(oracle.score_matrix(q, d))
    for some in ({}, limits):
        wanted = oracle.search(q, d, 13, **some)
        for panel, query_tile, document_tile in [
            (1, 1, 1),
            (4, 3, 7),
            (11, 11, 230),
            (5, 2, 64),
            (11, 4, 1),
            (3, 3, 100),
        ]:
            for threads, shuffle in [(1, None), (2, 1), (3, 2), (7, 3)]:
                tiling = tiles.Tiling(panel, query_tile, document_tile, shuffle)
                agree(cut_search(q, d, 13, tiling, threads=threads, **some), wanted)


def test_long_rows_pass_the_first_bound_and_many_shrinks():
    for kind in ("random", "ascending", "equal", "clustered"):
        q, d = make(kind, 3, 5000, 8)
        limits = limits_for(oracle.score_matrix(q, d))
        for k in (1, 7, 150):
            for some in ({}, limits, {"floor": 0.0, "ceiling": 1.0}):
                for tiling in (tiles.Tiling(3, 3, 5000), tiles.Tiling(3, 2, 1100, 5)):
                    agree(cut_search(q, d, k, tiling, **some), oracle.search(q, d, k, **some))


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_threads_change_nothing(threads):
    q, d = make("clustered", 40, 500, 48)
    agree(hm.search(q, d, 30, num_threads=threads), oracle.search(q, d, 30))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(KINDS),
    similarity=st.sampled_from(["dot", "cosine"]),
    shape=st.tuples(st.integers(0, 6), st.integers(0, 40), st.integers(0, 20)),
    k=st.integers(0, 45),
    sizes=st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(1, 45)),
    level=st.sampled_from(LEVELS),
)
def test_random_small_cases(seed, kind, similarity, shape, k, sizes, level):
    num_queries, num_documents, dimension = shape
    if num_documents == 0 or num_queries == 0:
        kind = "random"
    q, d = make(kind, num_queries, num_documents, dimension, seed)
    some = limits_for(oracle.score_matrix(q, d, similarity), seed) if q.size and d.size else {}
    panel, query_tile, document_tile = sizes
    tiling = tiles.Tiling(panel, min(query_tile, panel), document_tile, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARDMINE_ISA", level)
        agree(cut_search(q, d, k, tiling, similarity=similarity, **some), oracle.search(q, d, k, similarity, **some))


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_every_dtype_and_layout(similarity, tmp_path):
    torch = pytest.importorskip("torch")
    q, d = make("random", 6, 200, 40)
    for dtype in (np.float16, ml_dtypes.bfloat16, np.float32):
        narrow_q, narrow_d = q.astype(dtype), d.astype(dtype)
        wanted = oracle.search(narrow_q, narrow_d, 12, similarity)
        path = tmp_path / "documents.bin"
        narrow_d.tofile(path)
        padded = np.zeros((400, 90), dtype)
        padded[::2, 3:83:2] = narrow_d
        packed = np.zeros(200, np.dtype([("flag", "u1"), ("vector", dtype, (40,))]))
        packed["vector"] = narrow_d
        reversed_rows = narrow_d[::-1].copy()[::-1]
        layouts = [
            narrow_d, np.asfortranarray(narrow_d), padded[::2, 3:83:2], reversed_rows, packed["vector"],
            np.memmap(path, dtype=dtype, mode="r", shape=(200, 40)),
        ]  # fmt: skip
        for layout in layouts:
            agree(hm.search(narrow_q, layout, 12, similarity=similarity), wanted)
        agree(hm.search(q, narrow_d, 12, similarity=similarity), oracle.search(q, narrow_d, 12, similarity))
    for kind in (torch.float16, torch.bfloat16, torch.float32):
        tensors = torch.from_numpy(q).to(kind), torch.from_numpy(d).to(kind)
        wanted = oracle.search(*(t.float().numpy() for t in tensors), 12, similarity)
        agree(hm.search(*tensors, 12, similarity=similarity), wanted)
    row = np.broadcast_to(d[0], (50, 40))
    agree(hm.search(q, row, 12, similarity=similarity), oracle.search(q, row, 12, similarity))


def test_the_bound_holds_in_number():
    rng = np.random.default_rng(1)
    tightest = 0.0
    for dimension in (1, 2, 3, 17, 64, 384, 1000):
        for scale in (1.0, 1e-18, 1e-21, 1e-30):
            q = (rng.standard_normal((150, dimension)) * scale).astype(np.float32)
            d = (rng.standard_normal((600, dimension)) * 10.0 ** rng.uniform(-3, 3, (600, 1))).astype(np.float32)
            for similarity in ("dot", "cosine"):
                norms = [_native.row_norms("x", (x, "f32"), 2) for x in (q, d)]
                q_scale, slack, factor = _native.search_bound(similarity, dimension, *norms)
                left, right = q, d
                if similarity == "cosine":
                    left, right = np.empty_like(q), np.empty_like(d)
                    _native.widen_rows((q, "f32"), 0, norms[0], left, 2)
                    _native.widen_rows((d, "f32"), 0, norms[1], right, 2)
                pairs = np.indices((150, 600)).reshape(2, -1)
                exact = hm.pair_scores(q, d, *pairs, similarity=similarity).reshape(150, 600).astype(np.float64)
                allowed = (q_scale[:, None] * factor + slack[:, None]).astype(np.float64)
                for approx in (left @ right.T, sequential(left, right)):
                    # The exact score is rounded once more; low and high are float32, so rounding cannot cross them.
                    low, high = (approx - allowed).astype(np.float32), (approx + allowed).astype(np.float32)
                    assert (low <= exact).all()
                    assert (exact <= high).all()
                    tightest = max(tightest, float((np.abs(approx - exact) / allowed).max()))
    assert 0.1 < tightest < 1, "a bound that nothing comes near tests nothing"


def sequential(q, d):
    """The product summed one element after the other: the worst order."""
    total = np.zeros((len(q), len(d)), np.float32)
    for i in range(q.shape[1]):
        total += q[:, i, None] * d[None, :, i]
    return total


def test_a_tile_at_the_edge_of_the_bound():
    """Tile values pushed against the bound in the worst direction still give the exact result."""
    rng = np.random.default_rng(5)
    q, d = make("near ties", 8, 400, 24)
    norms = [_native.row_norms("x", (x, "f32"), 1) for x in (q, d)]
    q_scale, slack, factor = _native.search_bound("dot", 24, *norms)
    exact = oracle.score_matrix(q, d).astype(np.float64)
    # The part of the bound that belongs to the product alone.
    gamma = 24 * 2.0**-24 / (1 - 24 * 2.0**-24)
    allowed = gamma * norms[0][:, None] * norms[1] * 0.99
    assert (allowed < q_scale[:, None] * factor + slack[:, None]).all()
    for signs in (rng.choice([-1, 1], exact.shape), np.where(exact > np.median(exact, axis=1)[:, None], -1, 1)):
        tile = (exact + signs * allowed).astype(np.float32)
        for level_limits in ({}, limits_for(exact.astype(np.float32))):
            wanted = oracle.search(q, d, 17, **level_limits)
            limits = Limits(
                level_limits.get("ceiling"), level_limits.get("floor"),
                ragged.csr("exclude", level_limits.get("exclude"), 8),
            )  # fmt: skip
            state = _native.SearchScan("dot", 8, 400, 17, limits)
            source = tiles.Source(tiles.Rows(q, "f32", norms[0]), tiles.Rows(d, "f32", norms[1]))
            for start in range(0, 400, 90):
                state.update(source, np.ascontiguousarray(tile[:, start : start + 90]), 0, start, 2)
            agree(hm.Candidates._from_native(state.finish(source, 2)), wanted)


def test_values_that_are_not_finite_say_nothing():
    q, d = make("huge", 4, 100, 6)
    state = _native.SearchScan("dot", 4, 100, 5, Limits())
    source = tiles.Source(*(tiles.Rows(x, "f32", _native.row_norms("x", (x, "f32"), 1)) for x in (q, d)))
    tile = np.random.default_rng(0).choice(np.array([np.nan, np.inf, -np.inf], np.float32), (4, 100))
    state.update(source, tile, 0, 0, 1)
    agree(hm.Candidates._from_native(state.finish(source, 1)), oracle.search(q, d, 5))


def test_torch_is_not_imported_without_need():
    done = run(
        """
        import sys
        import numpy as np
        import hardmine as hm
        hm.search(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32), 2)
        assert "torch" not in sys.modules
        """
    )
    assert done.returncode == 0, done.stderr


def test_pair_scores_of_any_pairs_and_types():
    rng = np.random.default_rng(3)
    q, d = make("random", 9, 50, 37)
    pairs = rng.integers(0, 9, 500), rng.integers(0, 50, 500)
    for level_q in (np.float16, ml_dtypes.bfloat16, np.float32):
        for level_d in (np.float16, np.float32):
            for similarity in ("dot", "cosine"):
                a, b = q.astype(level_q), d.astype(level_d)
                for threads in (1, 3):
                    scores = hm.pair_scores(a, b, *pairs, similarity=similarity, num_threads=threads)
                    assert scores.tobytes() == oracle.score_matrix(a, b, similarity)[pairs].tobytes()
    assert hm.pair_scores(q, d, [], []).shape == (0,)


def test_all_f16_and_bf16_values_widen_exactly():
    for dtype in (np.float16, ml_dtypes.bfloat16):
        every = np.arange(2**16, dtype=np.uint16).view(dtype)
        every = every[np.isfinite(every.astype(np.float32))]
        ones = np.ones((1, 1), np.float32)
        index = np.arange(every.size)
        scores = hm.pair_scores(ones, every[:, None], np.zeros_like(index), index)
        assert (scores == every.astype(np.float32)).all()


def test_index_saves_maps_and_loads(tmp_path):
    for dtype in (np.float16, ml_dtypes.bfloat16, np.float32):
        q, d = make("random", 5, 120, 24)
        d = d.astype(dtype)
        index = hm.ExactIndex(d, similarity="cosine", num_threads=2)
        path = tmp_path / "index"
        index.save(path)
        for mmap in (True, False):
            loaded = hm.ExactIndex.load(path, mmap=mmap)
            assert (len(loaded), loaded.dimension, loaded.similarity) == (120, 24, "cosine")
            assert repr(loaded) == repr(index) == f"ExactIndex(120 documents, dimension 24, {np.dtype(dtype)}, cosine)"
            agree(loaded.search(q, 10, ceiling=0.3), oracle.search(q, d, 10, "cosine", ceiling=0.3))
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(ValueError, match="'documents' is malformed or truncated"):
        hm.ExactIndex.load(path)
    hm.search(q, d, 3).save(path)
    with pytest.raises(ValueError, match="holds candidates, expected exact-index"):
        hm.ExactIndex.load(path)


def test_empty_inputs_keep_their_shapes(tmp_path):
    q, d = make("random", 3, 10, 4)
    assert hm.search(q[:0], d, 5).offsets.tolist() == [0]
    assert hm.search(q, d[:0], 5).offsets.tolist() == [0, 0, 0, 0]
    flat = hm.search(q[:, :0], d[:, :0], 2)
    assert flat.ids.tolist() == [0, 1] * 3
    assert flat.scores.tolist() == [0.0] * 6
    hm.ExactIndex(d[:0]).save(tmp_path / "empty")
    assert len(hm.ExactIndex.load(tmp_path / "empty")) == 0


def test_metadata_tells_what_was_asked():
    q, d = make("random", 3, 10, 4)
    about = hm.search(q, d, 5, similarity="cosine").metadata
    assert (about["k"], about["similarity"], about["num_documents"]) == (5, "cosine", 10)


def test_progress_counts_pairs():
    q, d = make("random", 30, 100, 4)
    seen = []
    hm.search(q, d, 5, progress=lambda done, total: seen.append((done, total)), max_memory=20_000)
    assert seen == sorted(seen)
    assert seen[-1] == (3000, 3000)
    assert len(seen) > 3
    hm.search(q, d, 5, progress=True)


BAD = [
    ({"queries": np.zeros((2, 3))}, TypeError, r"queries: dtype float64, expected .*\.astype\(np\.float32\)"),
    ({"documents": np.zeros((2, 4), np.int32)}, TypeError, "documents: dtype int32, expected one of"),
    ({"documents": np.zeros((2, 4), ">f4")}, TypeError, "documents: dtype float32 with swapped byte order"),
    ({"documents": np.zeros(4, np.float32)}, ValueError, "documents: 1 dimensions, shape .4,., expected 2"),
    ({"documents": "x"}, TypeError, "documents: str, expected an array"),
    ({"queries": np.zeros((2, 3), np.float32)}, ValueError, "queries: dimension 3, expected 4 .that of documents."),
    ({"k": -1}, ValueError, "k: -1, expected at least 0"),
    ({"k": 1.0}, TypeError, "k: float 1.0, expected an integer"),
    ({"k": True}, TypeError, "k: bool True"),
    ({"similarity": "euclid"}, ValueError, "similarity: 'euclid', expected one of 'cosine', 'dot'"),
    ({"ceiling": np.nan}, ValueError, "ceiling: nan"),
    ({"floor": np.array([0, np.nan], np.float32)}, ValueError, "floor: NaN for query 1"),
    ({"ceiling": np.zeros(3, np.float32)}, ValueError, "ceiling: length 3, expected 2"),
    ({"exclude": [[0], [9]]}, ValueError, r"exclude: id 9 of row 1 is outside 0\.\.5"),
    ({"exclude": [[0]]}, ValueError, "exclude: 1 rows, expected 2"),
    ({"exclude": (np.array([0, 2, 1]), np.array([0]))}, ValueError, "exclude: offsets fall from 2 to 1 at row 1"),
    ({"max_memory": 10}, ValueError, "max_memory: 10 bytes, expected at least"),
    ({"max_memory": "6 parsec"}, ValueError, "max_memory: '6 parsec', expected a number of bytes"),
    ({"num_threads": 0}, ValueError, "num_threads: 0, expected at least 1"),
    ({"progress": 3}, TypeError, "progress: int, expected"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD)
def test_bad_arguments(change, error, message):
    q, d = make("random", 2, 5, 4)
    arguments = {"queries": q, "documents": d, "k": 2, **change}
    with pytest.raises(error, match=message):
        hm.search(**arguments)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32])
def test_embeddings_must_be_finite(value, dtype):
    q, d = (x.astype(dtype) for x in make("random", 300, 400, 20))
    name = {np.inf: "inf", -np.inf: "-inf"}.get(value, "NaN")
    for argument, array in (("queries", q), ("documents", d)):
        bad = array.copy()
        bad[123, 17] = bad[200, 3] = value
        arrays = {"queries": q, "documents": d, argument: bad}
        wanted = f"{argument}: {name} at row 123, column 17, expected finite embeddings"
        for threads in (1, 2):
            with pytest.raises(ValueError, match=wanted):
                hm.search(**arrays, k=3, num_threads=threads)
            with pytest.raises(ValueError, match=wanted):
                hm.pair_scores(**arrays, query_ids=[0, 123, 200], document_ids=[5, 123, 200], num_threads=threads)
        hm.pair_scores(**arrays, query_ids=[0, 124], document_ids=[5, 124])


def test_bad_pairs():
    q, d = make("random", 2, 5, 4)
    with pytest.raises(ValueError, match=r"query_ids: id 2 of row 1 is outside 0\.\.2"):
        hm.pair_scores(q, d, [0, 2], [0, 0])
    with pytest.raises(ValueError, match=r"document_ids: id -1 of row 0 is outside 0\.\.5"):
        hm.pair_scores(q, d, [0], [-1])
    with pytest.raises(ValueError, match="document_ids: length 1, expected 2"):
        hm.pair_scores(q, d, [0, 1], [0])
    with pytest.raises(TypeError, match="query_ids: dtype float64, expected integers"):
        hm.pair_scores(q, d, [0.5], [0])
    with pytest.raises(ValueError, match="queries: dimension 3, expected 4"):
        hm.pair_scores(q[:, :3], d, [0], [0])


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, timeout=100, check=False, env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_max_memory_is_obeyed(dtype):
    done = run(
        f"""
        import resource
        import numpy as np
        import hardmine as hm
        rng = np.random.default_rng(0)
        q = rng.standard_normal((3000, 64), dtype=np.float32).astype("{dtype}")
        d = rng.standard_normal((60_000, 64), dtype=np.float32).astype("{dtype}")
        peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        np.ones((2048, 2048), np.float32) @ np.ones((2048, 2048), np.float32)  # the buffers of BLAS itself
        hm.search(q[:50], d[:500], 5)
        before = peak()
        found = hm.search(q, d, 200, max_memory="12MB")
        result = found.ids.nbytes + found.scores.nbytes + 50 * len(found)
        print((peak() - before - result) / 1e6)
        """
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 12


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_stops_a_long_search():
    heard = run_script(
        """
        import numpy as np
        import hardmine as hm
        rng = np.random.default_rng(0)
        q = rng.standard_normal((4000, 256), dtype=np.float32)
        d = np.broadcast_to(rng.standard_normal((1, 256), dtype=np.float32), (2_000_000, 256))  # all equal: the slowest
        sent = interrupt_after(1.5)
        try:
            hm.search(q, d, 10)
        except KeyboardInterrupt:
            print(time.monotonic() - sent[0])
            hm.search(q[:2], d[:100], 10)
        """
    )
    assert float(heard) < PROMPT


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_limits_and_scores_at_the_ends_of_the_range(similarity, level, monkeypatch):
    """Infinite scores, bounds of the error that overflow, ceilings and floors at the ends of float32."""
    monkeypatch.setenv("HARDMINE_ISA", level)
    rng = np.random.default_rng(2)
    most = np.finfo(np.float32).max
    q = (rng.standard_normal((5, 17)) * np.array([[1e-44], [1e-30], [1.0], [1e30], [most / 8]])).astype(np.float32)
    d = rng.choice(np.float32([most, -most, most / 2, 1e-45, 1.0, 0.0, -0.0, 1e-38]), (400, 17))
    d[::3] = (d[::3] * 1e-20).astype(np.float32)
    ends = np.float32([-np.inf, -most, -1e-45, 0.0, 1e-45, 1.0, most, np.inf])
    for k in (1, 7, 200, 400):
        agree(hm.search(q, d, k, similarity=similarity), oracle.search(q, d, k, similarity))
        for ceiling, floor in zip(ends, ends[::-1], strict=True):
            for limits in ({"ceiling": ceiling}, {"floor": floor}, {"ceiling": ceiling, "floor": -ceiling}):
                found = hm.search(q, d, k, similarity=similarity, **limits)
                agree(found, oracle.search(q, d, k, similarity, **limits))


def test_everything_and_half_excluded():
    """Runs between excluded documents are short or empty."""
    q, d = make("mixed", 3, 3000, 12)
    for exclude in (np.arange(3000), np.arange(0, 3000, 2), np.arange(1, 3000, 2)[::-1]):
        lists = [exclude.tolist(), [], exclude.tolist()]
        agree(hm.search(q, d, 1600, exclude=lists), oracle.search(q, d, 1600, exclude=lists))


@pytest.mark.parametrize("argument", ["queries", "documents"])
def test_tensors_that_are_no_dense_floats_are_named(argument):
    torch = pytest.importorskip("torch")
    rows = np.ones((3, 4), np.float32)
    dense = torch.ones(3, 4)
    cases = {
        dense.to_sparse(): f"{'documents' if argument == 'queries' else 'queries'}: ndarray, expected SparseRows, ",
        dense.to(torch.float8_e4m3fn): f"{argument}: a strided tensor of torch.float8_e4m3fn, expected a dense one",
        dense.to("meta"): f"{argument}: a tensor on meta",
        dense.int(): f"{argument}: dtype int32, expected one of float16, bfloat16, float32$",
    }
    for tensor, message in cases.items():
        given = {"queries": rows, "documents": rows, argument: tensor}
        with pytest.raises(TypeError, match=message):
            hm.search(given["queries"], given["documents"], 1)


@pytest.mark.parametrize("bound", ["0.5", b"1", True, np.True_])
def test_bounds_are_numbers(bound):
    rows = np.ones((1, 4), np.float32)
    for name in ("ceiling", "floor"):
        with pytest.raises(TypeError, match=rf"{name}: \w+ .*, expected None, a number or one per query"):
            hm.search(rows, rows, 1, **{name: bound})
