"""Search on a PyTorch device, run on the device "cpu": equality with a brute force to the bit, and the bound."""

from __future__ import annotations

import runpy
from pathlib import Path

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
from tests.oracle import search as oracle
from tests.test_search import KINDS, agree, limits_for, make

torch = pytest.importorskip("torch")

from hardmine.primitives.search import device, device_codes, device_documents  # noqa: E402

CPU = torch.device("cpu")
NO_CENTRE = np.empty(0, np.float32)


@pytest.fixture(autouse=True)
def one_thread():
    """Tensors here are small, and threads that wait for each other only slow them down."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def rows_of(x):
    array, kind = arrays.matrix("x", x)
    return tiles.Rows(array, kind, _native.row_norms("x", (array, kind), 2))


def documents_of(d, similarity="dot", *, frame=None, keep=False):
    """Documents on the "device": there already where they are a tensor, else on the host."""
    rows = d if isinstance(d, torch.Tensor) else rows_of(d)
    documents = device_documents.Documents(rows, similarity, CPU, 2, keep=keep)
    if frame is not None:
        documents.centre, documents.rotated = frame
    return documents


def limits_of(count, ceiling=None, floor=None, exclude=None, reached=None):
    bounds = checks.per_query("ceiling", ceiling, count), checks.per_query("floor", floor, count)
    return Limits(*bounds, ragged.csr("exclude", exclude, count), reached=reached)


def search(q, d, k, *, similarity="dot", frame=None, piece=2**17, query_tile=1024, max_memory=10**8, **limits):
    documents = d if isinstance(d, device_documents.Documents) else documents_of(d, similarity, frame=frame)
    cut = {"piece": piece, "query_tile": query_tile}
    found = device.scan(rows_of(q), documents, k, limits_of(len(q), **limits), max_memory, 2, **cut)
    return hm.Candidates._from_native(found)


def frames(d):
    """No frame, a centre, a rotation, both, and a centre far from everything."""
    mean = np.asarray(d, np.float32).mean(axis=0, dtype=np.float64).astype(np.float32)
    mean = np.where(np.isfinite(mean), mean, 0).astype(np.float32)
    return [(NO_CENTRE, False), (mean, False), (NO_CENTRE, True), (mean, True), (mean + np.float32(3), True)]


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("kind", KINDS)
def test_equals_brute_force(kind, similarity):
    q, d = make(kind, 7, 300, 33)
    limits = limits_for(oracle.score_matrix(q, d, similarity))
    for k in (0, 1, 2, 20, 301):
        for names in ([], ["ceiling"], ["floor"], ["exclude"], ["ceiling", "floor", "exclude"]):
            some = {name: limits[name] for name in names}
            wanted = oracle.search(q, d, k, similarity, **some)
            for rows, piece in [(d, 2**17), (d, 64), (torch.from_numpy(np.array(d)), 96)]:
                agree(search(q, rows, k, similarity=similarity, piece=piece, **some), wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_frames_change_nothing(kind):
    q, d = make(kind, 5, 200, 48, seed=1)
    for similarity in ("dot", "cosine"):
        limits = limits_for(oracle.score_matrix(q, d, similarity))
        wanted = oracle.search(q, d, 15, similarity, **limits)
        for frame in frames(d):
            agree(search(q, d, 15, similarity=similarity, frame=frame, piece=64, **limits), wanted)


@pytest.mark.parametrize("on_device", [False, True])
@pytest.mark.parametrize("kind", ["random", "equal", "near ties", "zeros", "mixed norms"])
def test_small_buffers_change_nothing(kind, on_device, monkeypatch):
    """The list overflows, within a query too, groups are looked at few at a time, the host takes small portions."""
    q, d = make(kind, 40, 140, 20)
    rows = torch.from_numpy(np.array(d)) if on_device else d
    limits = limits_for(oracle.score_matrix(q, d))
    flushed = []
    learn = device._Panel._learn
    monkeypatch.setattr(device._Panel, "_learn", lambda self: (flushed.append(1), learn(self)))
    monkeypatch.setattr(device, "_NUMBERS", 500)
    for some in ({}, {"ceiling": limits["ceiling"]}, limits):
        wanted = oracle.search(q, d, 9, **some)
        for looked, held, hits, hit_bytes in [(20, 100, 30, 10**6), (100, 1500, 1000, 800)]:
            monkeypatch.setattr(device, "_LOOKED", looked)
            monkeypatch.setattr(device, "_LIST", held)
            monkeypatch.setattr(device, "_HITS", hits)
            monkeypatch.setattr(device, "_HIT_BYTES", hit_bytes)
            agree(search(q, rows, 9, piece=96, query_tile=32, **some), wanted)
    assert len(flushed) > 6  # more often than once at the end of each panel
    # With a little memory the queries are cut into panels, and codes are made once.
    documents, made = documents_of(rows), []
    encode = device_codes.encode_documents
    monkeypatch.setattr(device_codes, "encode_documents", lambda *a, **b: made.append(a[0]) or encode(*a, **b))
    agree(search(q, documents, 9, piece=96, max_memory=50_000, **limits), oracle.search(q, d, 9, **limits))
    assert made == [0, 96]


def test_every_type_shape_and_stride(tmp_path):
    q, d = make("random", 5, 90, 12)
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        tensors = torch.from_numpy(q).to(dtype), torch.from_numpy(d).to(dtype)
        wanted = oracle.search(*(t.float().numpy() for t in tensors), 12)
        agree(search(tensors[0], tensors[1], 12, piece=32), wanted)
        agree(search(tensors[0], arrays.matrix("d", tensors[1])[0].view(_numpy(dtype)), 12, piece=32), wanted)
        agree(search(q.astype(_numpy(dtype)), tensors[1].T.contiguous().T, 12, piece=32), wanted)
    np.save(tmp_path / "d.npy", d)
    mapped = np.load(tmp_path / "d.npy", mmap_mode="r")
    wanted = oracle.search(q, d, 12)
    for rows in (mapped, np.asfortranarray(d), np.repeat(d, 2, axis=1)[:, ::2], d[::-1][::-1], np.repeat(d, 2, 0)[::2]):
        agree(search(q[:, ::-1][:, ::-1], rows, 12, piece=32), wanted)
    for shape in [(0, 5, 3), (3, 0, 3), (3, 5, 0), (1, 1, 1), (33, 33, 17), (2, 31, 1), (40, 64, 130)]:
        q, d = make("random", *shape)
        for similarity in ("dot", "cosine"):
            wanted = oracle.search(q, d, 4, similarity)
            agree(search(q, d, 4, similarity=similarity), wanted)
            agree(search(q, torch.from_numpy(d), 4, similarity=similarity), wanted)


def _numpy(dtype):
    return {torch.float16: np.float16, torch.bfloat16: ml_dtypes.bfloat16, torch.float32: np.float32}[dtype]


def test_outlier_dimensions_subnormals_and_long_embeddings():
    rng = np.random.default_rng(2)
    q, d = make("random", 6, 250, 100)
    q[:, 7], d[:, 7] = q[:, 7] * 1e4, d[:, 7] * 1e4
    for rows in (d, d * np.float32(1e-38), d * rng.choice(np.float32([1, 1e-44, 1e-19, 1e18]), (250, 1))):
        for similarity in ("dot", "cosine"):
            agree(search(q, rows, 20, similarity=similarity), oracle.search(q, rows, 20, similarity))
    q, d = make("random", 2, 40, 5000)
    agree(search(q, d, 7, frame=(NO_CENTRE, True)), oracle.search(q, d, 7))


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 130), st.integers(1, 40)),
    kind=st.sampled_from(KINDS), similarity=st.sampled_from(["dot", "cosine"]), k=st.integers(0, 140),
    names=st.sets(st.sampled_from(["ceiling", "floor", "exclude"])), seed=st.integers(0, 2**32 - 1),
    piece=st.sampled_from([32, 64, 2**17]), on_device=st.booleans(),
)  # fmt: skip
def test_any_case_equals_brute_force(shape, kind, similarity, k, names, seed, piece, on_device):
    q, d = make(kind, *shape, seed=seed)
    limits = limits_for(oracle.score_matrix(q, d, similarity), seed)
    some = {name: limits[name] for name in names}
    rows = torch.from_numpy(np.array(d)) if on_device else d
    agree(search(q, rows, k, similarity=similarity, piece=piece, **some), oracle.search(q, d, k, similarity, **some))


def test_scores_that_are_equal_but_for_what_rounding_takes_away():
    """Next to a centre, codes tell documents apart that have the same score, and the lower index must win."""
    d = np.ones((64, 64), np.float32)
    d[np.arange(1, 64), np.arange(1, 64)] = np.nextafter(np.float32(1), np.float32(2))
    d[0, 0] = np.nextafter(np.float32(1), np.float32(0))
    q = np.ones((1, 64), np.float32)
    exact = d.astype(np.float64).sum(1)
    assert exact[0] < 64 < exact[1:].min()  # all of them are 64 in float32
    for rows in (d, torch.from_numpy(d)):
        for some in ({}, {"ceiling": 64.0}, {"floor": 64.0}, {"ceiling": 64.0, "floor": 64.0}):
            for frame in frames(np.ones_like(d)):
                agree(search(q, rows, 1, frame=frame, **some), oracle.search(q, d, 1, **some))
                agree(search(q, rows, 64, frame=frame, **some), oracle.search(q, d, 64, **some))


def ends(q, d, similarity, frame):
    """Lower and upper ends of all scores, of the best of every group, and the scores in float64."""
    documents = documents_of(torch.from_numpy(d), similarity, frame=frame)
    queries = documents.encode_queries(rows_of(q), torch.from_numpy(q))
    (piece,) = documents.pieces()
    values, scale, residual, length = piece.codes
    sums = device_codes.product(queries.codes, values.view(-1, values.shape[2]))[: len(q)]
    everything = slice(0, len(q))
    each = queries.ends(everything, sums, scale.repeat(32), residual.reshape(-1), length.reshape(-1))
    best = queries.ends(everything, sums.view(len(q), 32, -1).amax(1), scale, piece.residual, piece.length)
    for low, high in (each, best):
        low, high = queries.lower(low.T).T, -(-queries.offset - queries.slack - queries.scale * high.T.double()).T
        yield low.numpy()[:, : len(d)], high.numpy()[:, : len(d)]
    exact = q.astype(np.float64) @ d.astype(np.float64).T
    if similarity == "cosine":
        norms = np.linalg.norm(q.astype(np.float64), axis=1)[:, None] * np.linalg.norm(d.astype(np.float64), axis=1)
        exact = np.divide(exact, norms, out=np.zeros_like(exact), where=norms > 0)
    yield exact


def hard_pairs(kind, h, rng):
    """Embeddings whose products the codes get as wrong as they can."""
    signs = rng.choice(np.float32([-1, 1]), (400, h))
    if kind == "document residuals along the query":
        d = rng.integers(-120, 120, (800, h)) + 0.499 * signs[np.arange(800) % 400]
        d[:, 0] = 127 * signs[np.arange(800) % 400, 0]
        return signs * 3, d.astype(np.float32)
    if kind == "query residuals along the document":
        q = rng.integers(-120, 120, (400, h)) + 0.499 * signs
        q[:, 0] = 127 * signs[:, 0]
        return q.astype(np.float32), np.repeat(signs, 2, axis=0) * 3
    if kind == "one huge dimension":
        q, d = make("random", 400, 800, h)
        d[:, 3] *= 1e6
        q[:, 3] *= 1e-6
        return q, d
    return make(kind, 400, 800, h)


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize(
    "kind",
    ["random", "clustered", "zeros", "mixed norms", "near ties", "huge", "tiny", "one huge dimension",
     "document residuals along the query", "query residuals along the document"],
)  # fmt: skip
def test_the_bound_holds(kind, similarity):
    """Of every pair: 2 x 10 x 5 x 320,000 of them."""
    q, d = hard_pairs(kind, 64, np.random.default_rng(7))
    for frame in frames(d):
        if frame[0].size and not np.isfinite(frame[0].astype(np.float64) @ frame[0]):
            continue
        (low, high), (group_low, group_high), exact = ends(q, d, similarity, frame)
        assert not (exact < low).any()
        assert not (exact > high).any()
        best = exact.reshape(len(q), 32, -1).max(axis=1)
        assert not (best < group_low).any()
        assert not (best > group_high).any()
        if "along" in kind and similarity == "dot" and not (frame[0].size or frame[1]):
            # And it is no wider than it must be: with all residuals aligned, the error is nearly all that it allows.
            used = np.abs(exact - (low + high) / 2) / ((high - low) / 2)
            assert 0.9 < used.max() <= 1


def test_few_documents_are_left_for_the_host(monkeypatch):
    """On data like embeddings: of documents on the host some 2 per one wanted, of those on the device hardly one."""
    rng = np.random.default_rng(0)
    centres, mean = rng.standard_normal((40, 96)), 2 * rng.standard_normal(96)
    q, d = (mean + centres[rng.integers(0, 40, n)] + 0.7 * rng.standard_normal((n, 96)) for n in (32, 6000))
    offered = []
    offer = device._Panel._offer
    monkeypatch.setattr(
        device._Panel, "_offer", lambda self, found: (offered.append(len(found.query)), offer(self, found))
    )
    q, d = q.astype(np.float32), d.astype(np.float32)
    for rows, most in ((d, 4), (torch.from_numpy(d), 1.1)):
        offered.clear()
        agree(search(q, rows, 20, similarity="cosine", piece=1024), oracle.search(q, d, 20, "cosine"))
        assert 1 <= sum(offered) / (32 * 20) <= most


@pytest.mark.parametrize("broken", [None, RuntimeError, AttributeError])
def test_devices_without_byte_products(broken, monkeypatch):
    """PyTorch refuses, or multiplies wrongly: sums of floats that hold them exactly take over."""

    def multiply(left, right):
        if broken:
            raise broken("CUBLAS_STATUS_NOT_SUPPORTED")
        return torch._int_mm(left, right.T) + 1

    rng = np.random.default_rng(0)
    q, d = (rng.integers(-120, 121, (n, 2100)).astype(np.float32) for n in (40, 20))
    d = d[rng.integers(0, 20, 200)]
    d[:, 10:20] += rng.integers(-2, 3, (200, 10))  # close to each other,
    q[:, 0] = d[:, 0] = 127  # and the codes are the numbers themselves: the bound leaves no room
    wanted = oracle.search(q, d, 9)
    device_codes._multiplier.cache_clear()
    monkeypatch.setattr(device_codes, "_multiply_bytes", multiply)
    try:
        assert device_codes._multiplier(CPU) is device_codes._multiply_floats
        with torch.autocast("cpu"):
            agree(search(q, d, 9), wanted)
        most = torch.full((1, 32768), 127, dtype=torch.int8)
        for precision in ("medium", "highest"):
            torch.set_float32_matmul_precision(precision)
            assert device_codes.product(most, -most).tolist() == [[-127 * 127 * 32768]]
            left, right = (torch.randint(90, 128, (3, 32768), dtype=torch.int8) for _ in range(2))
            assert torch.equal(device_codes.product(left, right).long(), left.long() @ right.long().T)
    finally:
        torch.set_float32_matmul_precision("highest")
        device_codes._multiplier.cache_clear()
    assert device_codes.GONE < -127 * 127 * 32768


def test_settings_of_the_process_change_nothing_and_stay():
    q, d = make("mixed norms", 5, 200, 24)
    wanted = oracle.search(q, d, 12)
    before = torch.get_float32_matmul_precision()
    try:
        for precision in ("medium", "high", "highest"):
            torch.set_float32_matmul_precision(precision)
            agree(search(q, d, 12), wanted)
            assert torch.get_float32_matmul_precision() == precision
        torch.set_default_dtype(torch.float64)
        torch.set_flush_denormal(True)
        with torch.autocast("cpu"), torch.enable_grad():
            agree(search(q, torch.from_numpy(d), 12), wanted)
            assert torch.is_grad_enabled()
            assert torch.is_autocast_enabled("cpu")
    finally:
        torch.set_flush_denormal(False)
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision(before)


def test_bad_embeddings_and_devices_are_named():
    q, d = make("random", 5, 90, 12)
    for value, name in ((np.nan, "NaN"), (np.inf, "inf"), (-np.inf, "-inf")):
        bad = torch.from_numpy(d.copy())
        bad[70, 5] = value
        with pytest.raises(ValueError, match=f"documents: {name} at row 70, column 5, expected finite embeddings"):
            search(q, bad, 12, piece=32)
    with pytest.raises(ValueError, match="device: 'meta', expected 'cpu' or 'cuda'"):
        hm.search(q, d, 3, device="meta")
    with pytest.raises(ValueError, match="device: 'nowhere', expected 'cpu' or 'cuda'"):
        hm.search(q, d, 3, device="nowhere")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a device is there")
def test_a_device_that_is_missing_is_named():
    q, d = make("random", 5, 90, 12)
    with pytest.raises(ValueError, match="device: 'cuda', but PyTorch finds no such device"):
        hm.search(q, d, 3, device="cuda")


def test_an_index_keeps_its_codes_on_the_device(monkeypatch):
    """The path of `device="cuda"` with the device "cpu" put in."""
    q, d = make("random", 5, 200, 24)
    made = []
    encode = device_codes.encode_documents
    monkeypatch.setattr(device_codes, "encode_documents", lambda *a, **b: made.append(a[0]) or encode(*a, **b))
    monkeypatch.setattr(device_documents, "checked", lambda _: CPU)
    index, calls = hm.ExactIndex(d, similarity="cosine"), []
    for k in (3, 7):
        found = index.search(q, k, ceiling=0.4, device="cuda", progress=lambda *pair: calls.append(pair))
        agree(found, oracle.search(q, d, k, "cosine", ceiling=0.4))
        assert made == [0]
    assert calls[-1] == (5 * 200, 5 * 200)
    for _ in range(2):
        hm.search(q, d, 3, device="cuda")
    assert made == [0, 0, 0]


def test_embeddings_too_long_for_codes_are_searched_on_the_host():
    q, d = make("random", 2, 4, 32769)
    agree(hm.search(q, d, 2, device="cpu:0"), oracle.search(q, d, 2))


def test_the_rotation_is_one():
    for h in (1, 2, 3, 8, 31, 33, 96, 129):
        turned = device_codes.rotate(torch.eye(h)).double()
        np.testing.assert_allclose((turned @ turned.T).numpy(), np.eye(h), atol=1e-6)
    for h in (96, 384):
        assert device_codes.rotate(torch.eye(h)).abs().max() < 4 / h**0.5 + 0.1  # no number stays nearly all there is


def test_the_bench_for_a_gpu_runs(monkeypatch, capsys):
    """It waits for a machine that has one: on small arrays, on the CPU, with all that it checks."""
    script = Path(__file__).resolve().parent.parent / "benches" / "device_search.py"
    small = "--device cpu --queries 9 --documents 700 --dimension 24 -k 5 --repeat 1"
    for more in ("", "--host --dtype float32"):
        monkeypatch.setattr("sys.argv", [str(script), *small.split(), *more.split()])
        runpy.run_path(str(script), run_name="__main__")
        assert "int8 products alone" in capsys.readouterr().out


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("kind", KINDS)
def test_equals_brute_force_on_a_gpu(kind, similarity):
    q, d = make(kind, 40, 5000, 70)
    limits = limits_for(oracle.score_matrix(q, d, similarity))
    for some in ({}, limits):
        wanted = oracle.search(q, d, 50, similarity, **some)
        for dtype in (torch.float32, torch.bfloat16):
            rounded = torch.from_numpy(np.array(d)).to(dtype)
            if dtype == torch.bfloat16:
                if not rounded.isfinite().all():
                    continue
                wanted = oracle.search(q, rounded.float().numpy(), 50, similarity, **some)
            index = hm.ExactIndex(rounded.cuda(), similarity=similarity)
            for _ in range(2):
                agree(index.search(q, 50, **some), wanted)
            agree(hm.search(q, rounded, 50, similarity=similarity, device="cuda", **some), wanted)
    codes = torch.randint(-127, 128, (96, 768), dtype=torch.int8)
    found = device_codes.product(codes[:32].cuda(), codes.cuda()).cpu()
    assert torch.equal(found.long(), codes[:32].long() @ codes.long().T)


@pytest.mark.parametrize("rows", [(1, 64, 4), (3, 3000, 96)])
@pytest.mark.parametrize("tensors", [False, True])
def test_sums_beyond_float32_tie_at_infinity(rows, tensors):
    # Finite embeddings whose float64 sums differ and round to the same infinity: the lower index wins, and a floor or
    # ceiling there is reached by all of them.
    count, documents, h = rows
    rng = np.random.default_rng(documents)
    q = np.full((count, h), 1e18, np.float32)
    d = np.float32(1e21) * rng.uniform(0.5, 0.9, (documents, h)).astype(np.float32)
    d[[0, 40]] *= 1000
    finite = d * np.float32(1e-15)
    mixed = np.concatenate([finite[: documents // 2], d[documents // 2 :]])
    for some in (d, -d, mixed, -mixed):
        given = torch.from_numpy(some) if tensors else some
        for limits in ({}, {"floor": np.inf}, {"ceiling": -np.inf}, {"ceiling": np.inf}, {"floor": -np.inf}):
            bounds = {name: np.full(count, bound, np.float32) for name, bound in limits.items()}
            for k in (2, 5, documents):
                agree(search(q, documents_of(given, "dot"), k, **bounds), oracle.search(q, some, k, **bounds))
