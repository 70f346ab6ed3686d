import subprocess
import sys

import numpy as np
import pytest

from hardmine.plumbing import arrays, checks, ragged
from hardmine.plumbing.threads import thread_count


@pytest.mark.parametrize("value", [True, np.True_, 1.0, "1", None, [1]])
def test_only_integers_are_integers(value):
    with pytest.raises(TypeError, match=r"k: .*expected an integer"):
        checks.integer("k", value)


def test_integers_of_any_kind():
    assert [checks.integer("k", v) for v in (3, np.int8(3), np.uint64(3))] == [3, 3, 3]
    with pytest.raises(ValueError, match="k: -1, expected at least 0"):
        checks.integer("k", -1)
    with pytest.raises(ValueError, match="expected at most 10"):
        checks.integer("k", 11, maximum=10)


def test_reals():
    assert checks.real("t", np.float16(0.5)) == 0.5
    assert checks.real("t", 1) == 1.0
    assert checks.real("t", float("inf"), finite=False) == float("inf")
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="t: .*expected a finite number"):
            checks.real("t", value)
    with pytest.raises(ValueError, match="t: NaN|t: nan"):
        checks.real("t", float("nan"), finite=False)
    with pytest.raises(TypeError, match="t: bool True, expected a number"):
        checks.real("t", True)
    with pytest.raises(ValueError, match="t: -1, expected at least 0"):
        checks.real("t", -1, minimum=0)


def test_choices():
    assert checks.choice("nan", "drop", ("raise", "drop")) == "drop"
    with pytest.raises(ValueError, match="nan: 'keep', expected one of 'raise', 'drop'"):
        checks.choice("nan", "keep", ("raise", "drop"))
    with pytest.raises(TypeError, match="nan: int 3"):
        checks.choice("nan", 3, ("raise", "drop"))


def test_threads(monkeypatch):
    assert thread_count(3) == 3
    monkeypatch.setenv("HARDMINE_NUM_THREADS", "5")
    assert thread_count(None) == 5
    assert thread_count(2) == 2
    monkeypatch.delenv("HARDMINE_NUM_THREADS")
    assert thread_count(None) >= 1
    for text in ("0", "-1", "many", "1.5", "99999"):
        monkeypatch.setenv("HARDMINE_NUM_THREADS", text)
        with pytest.raises(ValueError, match="HARDMINE_NUM_THREADS: "):
            thread_count(None)
    with pytest.raises(ValueError, match="num_threads: 0, expected at least 1"):
        thread_count(0)


@pytest.mark.parametrize("dtype", ["int64", "bool", "complex64", "object", "U3", ">f4", "longdouble"])
def test_other_item_types_are_refused(dtype):
    if np.dtype(dtype) == np.float64:
        pytest.skip("long double is double on this platform")
    with pytest.raises(TypeError, match="scores: dtype .*expected one of float16, bfloat16, float32, float64"):
        arrays.matrix("scores", np.zeros((2, 2), dtype))


@pytest.mark.parametrize("shape", [(), (3,), (1, 2, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=f"scores: {len(shape)} dimensions"):
        arrays.matrix("scores", np.zeros(shape, np.float32))
    with pytest.raises(TypeError, match="scores: dict, expected an array"):
        arrays.matrix("scores", {})


def test_bfloat16_comes_as_bits():
    import ml_dtypes
    import torch

    values = np.array([[1.0, -2.5]], dtype=ml_dtypes.bfloat16)
    for given in (values, torch.tensor([[1.0, -2.5]], dtype=torch.bfloat16)):
        array, kind = arrays.matrix("scores", given)
        assert kind == "bf16"
        assert array.tolist() == values.view(np.uint16).tolist()


def test_views_are_not_copied():
    base = np.zeros((4, 6), np.float32)
    for view in (base, base.T, base[::-1, ::2], np.broadcast_to(base[0], (5, 6))):
        array, _ = arrays.matrix("scores", view)
        assert np.shares_memory(array, base)
        assert array.strides == view.strides


def test_id_vectors():
    assert checks.int64_vector("ids", np.uint8([1, 2])).dtype == np.int64
    assert checks.int64_vector("ids", []).dtype == np.int64
    for bad in ([1.0], [True], np.zeros(0)):
        with pytest.raises(TypeError, match="ids: dtype"):
            checks.int64_vector("ids", bad)
    with pytest.raises(ValueError, match=f"ids: {2**63}, expected at most"):
        checks.int64_vector("ids", np.array([2**63], np.uint64))


def test_ragged_rows():
    offsets, ids = ragged.csr("exclude", [[1], [], [4, 2]], 3)
    assert offsets.tolist() == [0, 1, 1, 3]
    assert ids.tolist() == [1, 4, 2]
    given = (np.array([0, 1]), np.array([5]))
    assert ragged.csr("exclude", given, 1)[1].tolist() == [5]
    with pytest.raises(ValueError, match="exclude: 2 rows, expected 3"):
        ragged.csr("exclude", [[1], [2]], 3)
    with pytest.raises(TypeError, match="exclude: str"):
        ragged.csr("exclude", "ab", 2)


def test_bounds_per_query():
    assert checks.per_query("ceiling", None, 3) is None
    assert checks.per_query("ceiling", 0.7, 2).tolist() == [np.float32(0.7)] * 2
    assert checks.per_query("ceiling", float("inf"), 1).tolist() == [np.inf]
    with pytest.raises(ValueError, match="ceiling: NaN for query 1"):
        checks.per_query("ceiling", np.array([0, np.nan], np.float32), 2)
    with pytest.raises(ValueError, match="ceiling: length 1, expected 2"):
        checks.per_query("ceiling", np.float32([0.5]), 2)


def test_keys_keep_their_bits():
    assert checks.keys("query_keys", None, 3) is None
    assert checks.keys("query_keys", np.int64([-1, 2]), 2).tolist() == [2**64 - 1, 2]
    assert checks.keys("query_keys", np.uint64([2**64 - 1]), 1).tolist() == [2**64 - 1]
    with pytest.raises(ValueError, match=r"query_keys: shape \(2,\), expected \(3,\)"):
        checks.keys("query_keys", [1, 2], 3)
    with pytest.raises(TypeError, match="query_keys: dtype float64"):
        checks.keys("query_keys", [1.5], 1)


def test_import_is_light():
    code = (
        "import sys, hardmine\n"
        "heavy = {'pyarrow', 'torch', 'transformers', 'bm25s', 'tqdm', 'scipy', 'faiss'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "import threading; assert threading.active_count() == 1\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


def test_unknown_level_is_refused():
    code = "import hardmine._native as n\ntry: n.panic_in_worker(1)\nexcept ValueError as e: print(e)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"HARDMINE_ISA": "mmx"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "HARDMINE_ISA=mmx: unknown level, expected one of portable, avx2, avxvnni, avx512, avx512vnni" in run.stdout


def test_a_panic_is_one_exception_and_the_pool_lives_on():
    import hardmine._native as _native

    for threads in (1, 2, 4):
        for _ in range(3):
            with pytest.raises(RuntimeError, match="hardmine failed inside: asked for.*it is a bug, please report it"):
                _native.panic_in_worker(threads)
