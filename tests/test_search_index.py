"""Indexes that keep codes, plans before the run, and corpora whose codes are of no use."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import hardmine as hm
import hardmine._native as _native
from hardmine.plumbing import container
from hardmine.primitives.search import changing_codes, codes, tiles
from tests.oracle import search as oracle
from tests.test_search import agree, make

needs_codes = pytest.mark.skipif(not _native.has_fast_codes(), reason="this level has no fast products of bytes")


def same(left, right):
    for column in ("offsets", "ids", "scores"):
        assert getattr(left, column).tobytes() == getattr(right, column).tobytes()


@needs_codes
@pytest.mark.parametrize("mmap", [True, False])
def test_a_saved_index_brings_its_codes(mmap, tmp_path, monkeypatch):
    q, d = make("clustered", 9, 1500, 24)
    index = hm.ExactIndex(d, similarity="cosine")
    index.save(tmp_path / "index.hm")
    wanted = index.search(q, 7)
    agree(wanted, oracle.search(q, d, 7, "cosine"))

    def never(*_args, **_options):
        raise AssertionError("codes and norms are in the file")

    monkeypatch.setattr(codes, "encode", never)
    loaded = hm.ExactIndex.load(tmp_path / "index.hm", mmap=mmap)
    same(loaded.search(q, 7), wanted)
    same(pickle.loads(pickle.dumps(loaded)).search(q, 7), wanted)


@needs_codes
def test_a_file_whose_codes_do_not_fit_is_refused(tmp_path):
    _, d = make("random", 1, 1100, 8)
    hm.ExactIndex(d).save(tmp_path / "index.hm")
    arrays, about = container.load(tmp_path / "index.hm", "exact-index")
    whole = dict(arrays)
    assert {"documents", "norms", "codes", "terms", "centre"} == set(whole)
    faults = [
        ({"codes": whole["codes"][1:]}, {}),
        ({"terms": whole["terms"][1:]}, {}),
        ({"terms": whole["terms"].astype(np.float64)}, {}),
        ({"centre": np.zeros(3, np.float32)}, {}),
        ({"centre": np.full(8, np.nan, np.float32)}, {}),
        ({"norms": whole["norms"][1:]}, {}),
        ({"norms": whole["norms"].astype(np.float32)}, {}),
        ({}, {"turned": "yes"}),
    ]
    for replaced, said in faults:
        container.save(tmp_path / "bad.hm", "exact-index", whole | replaced, about | said)
        with pytest.raises(ValueError, match=r"bad\.hm: malformed exact-index"):
            hm.ExactIndex.load(tmp_path / "bad.hm")


def test_codes_of_an_earlier_rotation_are_made_anew(tmp_path):
    q, d = make("random", 5, 1100, 8)
    hm.ExactIndex(d).save(tmp_path / "index.hm")
    arrays, about = container.load(tmp_path / "index.hm", "exact-index")
    if "turned" in about:  # a machine without codes saves none
        about = {name: value for name, value in about.items() if name != "turned"} | {"rotated": about["turned"]}
    whole = dict(arrays)
    if "codes" in whole:
        whole["codes"] = np.zeros_like(whole["codes"])  # so that using them would show
    container.save(tmp_path / "old.hm", "exact-index", whole, about)
    for mmap in (True, False):
        agree(hm.ExactIndex.load(tmp_path / "old.hm", mmap=mmap).search(q, 7), oracle.search(q, d, 7))


def test_a_file_without_codes_is_an_index_too(tmp_path):
    q, d = make("random", 5, 1100, 8)
    container.save(tmp_path / "index.hm", "exact-index", {"documents": d}, {"similarity": "dot", "kind": "f32"})
    agree(hm.ExactIndex.load(tmp_path / "index.hm").search(q, 7), oracle.search(q, d, 7))


@needs_codes
def test_codes_that_tell_nothing_apart_give_way(monkeypatch):
    q, d = make("equal", 50, 9000, 16)
    fed, seen = [], []
    real = tiles.feed
    monkeypatch.setattr(tiles, "feed", lambda *args: fed.append(1) or real(*args))
    found = hm.search(q, d, 5, progress=lambda done, total: seen.append((done, total)))
    agree(found, oracle.search(q, d, 5))
    assert fed
    assert seen[-1] == (450_000, 450_000)


@needs_codes
@pytest.mark.parametrize("spread", [0.0, 1e-4])
def test_a_query_for_what_is_repeated_among_others(spread):
    """Its guess may fail, and its second scan meets many documents that codes do not tell apart: it goes on."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        d = rng.standard_normal((12_000, 32), dtype=np.float32)
        repeated = rng.standard_normal(32).astype(np.float32)
        among = rng.random(len(d)) < 0.3
        d[among] = repeated + spread * d[among]
        q = rng.standard_normal((100, 32), dtype=np.float32)
        q[7] = repeated + 0.3 * q[7]
        found = hm.search(q, d, 40)
        agree(found.take([7, 8]), oracle.search(q[7:9], d, 40))
        same(hm.ExactIndex(d).search(q, 40), found)
        bank = hm.MemoryBank(len(d), 32, similarity="dot")
        bank.push(d)
        same(bank.hardest(q, 40), found)


@needs_codes
def test_a_second_scan_has_a_share_of_the_memory(monkeypatch):
    """Where every guess fails, so many queries at a time are scanned again as were planned for."""
    q, d = make("random", 300, 3000, 16)
    sizes = []
    real = _native.SearchScan

    class Doubtful:
        """A scan none of whose guesses is confirmed."""

        bytes_per_query, settling_bytes = real.bytes_per_query, real.settling_bytes

        def __init__(self, *args):
            self.scan, self.queries, self.is_careful = real(*args), args[1], False

        def careful(self):
            sizes.append(self.queries)
            self.is_careful = True
            self.scan.careful()

        def settle(self, *args):
            found = self.scan.settle(*args)
            return found if self.is_careful else np.arange(self.queries)

        def adopt(self, queries, other):
            self.scan.adopt(queries, other.scan)

        def __getattr__(self, name):
            return getattr(self.scan, name)

    wanted = hm.search(q, d, 9)
    monkeypatch.setattr(_native, "SearchScan", Doubtful)
    found = hm.search(q, d, 9)
    monkeypatch.undo()
    same(found, wanted)
    assert sum(sizes) == 300
    assert max(sizes) == 1 + 300 // codes._AGAIN


@needs_codes
def test_a_small_budget_makes_codes_piece_by_piece(monkeypatch):
    q, d = make("random", 300, 60_000, 32)
    budgets = range(10**6, 10**8, 10**5)
    plans = ((budget, hm.search_plan(300, 60_000, 32, 10, max_memory=budget)) for budget in budgets)
    budget, plan = next(pair for pair in plans if pair[1].engine == "codes")
    assert 0 < plan.documents_at_a_time < 60_000
    assert plan.working <= budget
    seen = []
    real = _native.encode_rows
    monkeypatch.setattr(_native, "encode_rows", lambda *args: seen.append(args[1:3]) or real(*args))
    done = []
    found = hm.search(q, d, 10, max_memory=budget, progress=lambda done_, total: done.append((done_, total)))
    firsts = list(range(0, 60_000, plan.documents_at_a_time))
    # All pieces once, and once more where a guess failed.
    assert [first for first, _ in seen] in (firsts, 2 * firsts)
    assert done[-1] == (18_000_000, 18_000_000)
    monkeypatch.undo()
    same(found, hm.search(q, d, 10))
    agree(found.take(np.arange(5)), tuple(part[:5] for part in oracle.search(q[:5], d, 10)))


def test_a_plan_says_what_a_search_will_do(monkeypatch):
    used = []
    for module, name in ((tiles, "tiles"), (codes, "codes")):
        real = module.scan
        monkeypatch.setattr(module, "scan", lambda *a, real=real, name=name, **b: used.append(name) or real(*a, **b))
    for num_queries, num_documents, index in [(1, 2000, False), (1, 2000, True), (60, 2000, False), (60, 500, True)]:
        q, d = make("random", num_queries, num_documents, 16)
        (hm.ExactIndex(d).search(q, 5) if index else hm.search(q, d, 5))
        plan = hm.search_plan(num_queries, num_documents, 16, 5, index=index)
        assert {"codes": "codes", "floats": "tiles"}[plan.engine] == used[-1]
        assert plan.peak == plan.working + plan.index + plan.result
        assert (plan.index > 0) == (index and codes.can((num_documents, 16)))
    for options, error, text in [
        ({"max_memory": 10}, ValueError, "max_memory: 10 bytes, expected at least"),
        ({"dtype": "int8"}, ValueError, "dtype: 'int8', expected one of float16, bfloat16, float32"),
        ({"similarity": "l2"}, ValueError, "similarity: 'l2'"),
        ({"k": 2.5}, TypeError, "k: "),
        ({"num_queries": -1}, ValueError, "num_queries: -1"),
    ]:
        with pytest.raises(error, match=text):
            hm.search_plan(**{"num_queries": 5, "num_documents": 9, "dimension": 4, "k": 2} | options)


@needs_codes
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_a_bank_makes_codes_for_what_is_new(similarity, monkeypatch):
    made = []
    real = codes.encode

    def encode(documents, frame, threads, first=0, rows=None, space=None):
        made.append((first, rows))
        return real(documents, frame, threads, first, rows, space)

    monkeypatch.setattr(changing_codes.codes, "encode", encode)
    bank = hm.MemoryBank(2000, 12, similarity=similarity)
    rng = np.random.default_rng(0)
    q = rng.standard_normal((5, 12), dtype=np.float32)
    for step, size in enumerate([1990, 3, 64, 10, 1100, 130]):
        bank.push(rng.standard_normal((size, 12), dtype=np.float32) + step)
        made.clear()
        agree(bank.hardest(q, 9), oracle.search(q, bank.vectors, 9, similarity))
        if step in (1, 3):
            assert sum(rows for _, rows in made) <= 2 * codes.BLOCK
        made.clear()
        bank.hardest(q, 9)
        assert not made
