"""The nouns travel: pickled, copied, sent to other processes, they come back the same, and still frozen."""

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

import hardmine as hm
from tests.test_candidates import assert_same_run, full_run

POSITIVES = hm.Positives.from_lists([[3], [], [1, 2]], scores=[[0.5], [], [0.25, 1.0]])
RUN = full_run().replace(positives=POSITIVES)
RULE = hm.Selection(1, ceiling=hm.Absolute(0.85), positive_agg="each", on_shortage="drop")


def collection():
    return hm.Collection.from_pairs(
        ["red apples", "green pears"], ["an apple is red", "a pear is green"], ["red cars", "green leaves"]
    )


def make(name):
    if name == "candidates":
        return RUN
    if name == "bare candidates":
        return hm.Candidates([0, 1], [3], [0.5])
    if name == "positives":
        return POSITIVES
    if name == "strings":
        return hm.StringTable.from_strings(["a", "é", ""])
    if name == "negatives":
        return hm.select(
            hm.Candidates([0, 2, 3], [7, 2, 5], [0.9, 0.4, 0.8]), hm.Positives.from_lists([[1], [2]]), RULE
        )
    if name == "collection":
        return collection()
    return hm.mine(collection(), "bm25", hm.strategies.top_k_perc_pos(1), progress=False)


NAMES = ("candidates", "bare candidates", "positives", "strings", "negatives", "collection", "mined")


def parts(value):
    """An object as plain data, arrays with their dtype and bytes."""
    if value is None or isinstance(value, (int, float, str, bytes)):
        return value
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if hasattr(value, "items"):
        return {name: parts(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [parts(each) for each in value]
    if hasattr(value, "to_pylist"):
        return value.to_pylist()
    names = getattr(value, "__dataclass_fields__", None) or value._columns()
    return type(value).__name__, {name: parts(getattr(value, name)) for name in names}


def arrays(value):
    """Every array that an object holds."""
    if isinstance(value, np.ndarray):
        yield value
    elif hasattr(value, "items"):
        for each in value.values():
            yield from arrays(each)
    elif not hasattr(value, "to_pylist") and not isinstance(value, (str, bytes, int, float, tuple, type(None))):
        names = getattr(value, "__dataclass_fields__", None) or value._columns()
        for name in names:
            yield from arrays(getattr(value, name))


def assert_frozen(value):
    name = next(iter(getattr(value, "__dataclass_fields__", None) or value._columns()))
    with pytest.raises(AttributeError):
        setattr(value, name, None)
    for array in arrays(value):
        assert not array.flags.writeable
    for held in ("reasons", "metadata", "counts", "report"):
        mapping = getattr(value, held, None)
        if mapping is not None:
            with pytest.raises(TypeError):
                mapping["new"] = 1


def out_of_band(value):
    buffers = []
    data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(data, buffers=buffers)


JOURNEYS = {
    "pickle 2": lambda value: pickle.loads(pickle.dumps(value, protocol=2)),
    "pickle 5": lambda value: pickle.loads(pickle.dumps(value, protocol=5)),
    "out of band": out_of_band,
    "out of band, writable": lambda value: _writable_buffers(value),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def _writable_buffers(value):
    buffers = []
    data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(data, buffers=[bytearray(buffer.raw()) for buffer in buffers])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("journey", JOURNEYS)
def test_objects_come_back_the_same_and_frozen(name, journey):
    value = make(name)
    back = JOURNEYS[journey](value)
    assert type(back) is type(value)
    assert parts(back) == parts(value)
    assert_frozen(back)
    assert repr(back) == repr(value)


def test_the_arrays_of_a_large_run_go_out_of_band():
    ids = np.arange(100_000)
    run = hm.Candidates([0, ids.size], ids, np.linspace(1, 0, ids.size, dtype=np.float32))
    buffers = []
    data = pickle.dumps(run, protocol=5, buffer_callback=buffers.append)
    assert len(data) < 2_000
    assert sum(buffer.raw().nbytes for buffer in buffers) >= 12 * ids.size
    back = pickle.loads(data, buffers=buffers)
    assert np.shares_memory(back.ids, run.ids)


def test_a_deep_copy_is_apart_from_the_array_it_was_made_of():
    mine = np.array([0.9, 0.4], dtype=np.float32)
    run = hm.Candidates([0, 2], [1, 2], mine)
    copied = copy.deepcopy(run)
    mine[0] = 1.0
    assert copied.scores[0] == np.float32(0.9)


def test_a_mapped_run_travels_by_its_content(tmp_path):
    RUN.save(tmp_path / "run.hm")
    mapped = hm.Candidates.load(tmp_path / "run.hm")
    data = pickle.dumps(mapped)
    (tmp_path / "run.hm").unlink()
    assert_same_run(pickle.loads(data), RUN)


def choose(run, positives, rule):
    """What another process does with what it was sent."""
    return hm.select(run, positives, rule)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_processes_get_and_give_them(method):
    run = hm.Candidates([0, 2, 3], [7, 2, 5], [0.9, 0.4, 0.8], metadata={"k": 2})
    labels = hm.Positives.from_lists([[1], [2]])
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        found = pool.submit(choose, run, labels, RULE).result(timeout=100)
    assert parts(found) == parts(choose(run, labels, RULE))
    assert_frozen(found)


class TestRectangles:
    def test_the_fill_id_ends_a_row_wherever_it_stands(self):
        ids = np.array([[7, 2, -1], [-1, -1, -1], [5, -1, 3]])
        scores = np.array([[0.9, 0.4, np.nan], [np.nan, 1.0, 2.0], [0.8, np.inf, 0.1]], dtype=np.float32)
        run = hm.Candidates.from_padded(ids, scores, query_ids=["a", "b", "c"], metadata={"by": "hand"})
        assert run.offsets.tolist() == [0, 2, 2, 4]
        assert run.ids.tolist() == [7, 2, 5, 3]
        assert run.scores.tolist() == np.float32([0.9, 0.4, 0.8, 0.1]).tolist()
        assert list(run.query_ids) == ["a", "b", "c"]
        back = hm.Candidates.from_padded(*run.padded())
        assert back.ids.tolist() == run.ids.tolist()
        assert back.offsets.tolist() == run.offsets.tolist()

    @pytest.mark.parametrize("kind", ["int32", "uint32", "int64", "uint64"])
    def test_ids_of_any_integer_type(self, kind):
        fill = {"u": int(np.iinfo(kind).max), "i": -1}[np.dtype(kind).kind]
        ids = np.array([[4, 2], [1, fill]], dtype=kind)
        run = hm.Candidates.from_padded(ids, np.float16([[2, 1], [3, 0]]), fill_id=fill)
        assert run.ids.tolist() == [4, 2, 1]

    def test_what_a_search_library_gives(self):
        faiss = pytest.importorskip("faiss")
        rng = np.random.default_rng(0)
        documents, queries = rng.standard_normal((5, 8), np.float32), rng.standard_normal((3, 8), np.float32)
        index = faiss.IndexFlatIP(8)
        index.add(documents)
        scores, ids = index.search(queries, 7)
        run = hm.Candidates.from_padded(ids, scores)
        assert run.ids.tolist() == hm.search(queries, documents, 7).ids.tolist()

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            (([1, 2], [0.5, 0.4]), ValueError, r"ids: 1 dimensions, shape \(2,\), expected 2"),
            (([[1, 2]], [[0.5]]), ValueError, r"scores: shape \(1, 1\), expected \(1, 2\) as ids"),
            (([[1.0, 2.0]], [[0.5, 0.4]]), TypeError, "ids: dtype float64, expected integers"),
            (([[1, 2]], [[0.4, 0.5]]), ValueError, "scores: they rise inside query 0 at position 1"),
            (([[1, 1]], [[0.5, 0.4]]), ValueError, "ids: 1 occurs twice for query 0"),
            (([[1, -2]], [[0.5, 0.4]]), ValueError, "ids: -2, expected at least 0"),
            (([[1, 2]], [[5, 4]]), TypeError, "scores: dtype int64, expected floats"),
            (([[1, 2]], [[0.5, np.nan]]), ValueError, "scores: NaN at position 1"),
            (([[1], [1, 2]], [[0.5], [0.5, 0.4]]), ValueError, "ids: list of rows that differ in length"),
        ],
    )
    def test_bad_rectangles_are_named(self, arguments, error, message):
        with pytest.raises(error, match=message):
            hm.Candidates.from_padded(*arguments)

    def test_columns_of_single_candidates_are_refused(self):
        with pytest.raises(TypeError, match="ranks: a column of single candidates"):
            hm.Candidates.from_padded([[1]], [[0.5]], ranks=[1])
        with pytest.raises(TypeError, match="fill_id: float"):
            hm.Candidates.from_padded([[1]], [[0.5]], fill_id=-1.0)


class TestTheRunKeepsItsPositives:
    def test_they_are_saved_loaded_and_taken(self, tmp_path):
        RUN.save(tmp_path / "run.hm")
        back = hm.Candidates.load(tmp_path / "run.hm")
        assert parts(back.positives) == parts(POSITIVES)
        some = back.take([2, 0])
        assert [row.tolist() for row in some.positives] == [[1, 2], [3]]
        assert some.positives.scores.tolist() == [0.25, 1.0, 0.5]
        unscored = RUN.replace(positives=hm.Positives.from_lists([[3], [], [1]]))
        unscored.save(tmp_path / "run.hm")
        assert hm.Candidates.load(tmp_path / "run.hm").positives.scores is None

    def test_those_of_other_queries_are_refused(self):
        with pytest.raises(ValueError, match="positives: 1 queries, expected 3"):
            RUN.replace(positives=hm.Positives.from_lists([[1]]))
        with pytest.raises(TypeError, match="positives: list, expected Positives"):
            RUN.replace(positives=[[1]])

    def test_what_mine_found_can_be_selected_from(self, tmp_path):
        texts = collection()
        mined = hm.mine(texts, "bm25", hm.strategies.top_k_perc_pos(1), progress=False)
        mined.candidates.save(tmp_path / "run.hm")
        run = hm.Candidates.load(tmp_path / "run.hm")
        again = hm.Mined.from_run(texts, run, hm.strategies.top_k_perc_pos(1))
        assert parts(again.negatives) == parts(mined.negatives)
        assert again.report == mined.report

    def test_millions_of_scores_are_a_column_not_a_header(self, tmp_path):
        count = 1 << 21
        ids = np.arange(count)
        scores = np.random.default_rng(0).random(count, np.float32)
        run = hm.Candidates([0] * (count + 1), [], [], positives=hm.Positives(np.arange(count + 1), ids, scores))
        run.save(tmp_path / "run.hm")
        with (tmp_path / "run.hm").open("rb") as file:
            assert int.from_bytes(file.read(8), "little") < 10_000
        assert np.array_equal(hm.Candidates.load(tmp_path / "run.hm").positives.scores, scores)

    def test_save_refuses_what_load_would(self, tmp_path, monkeypatch):
        monkeypatch.setattr("hardmine.plumbing.container.MAX_HEADER", 10_000)
        run = RUN.replace(metadata={"notes": "x" * 20_000})
        with pytest.raises(ValueError, match=r"run.hm: metadata of 2\d,\d\d\d bytes, expected at most 10,000"):
            run.save(tmp_path / "run.hm")
        assert not list(tmp_path.iterdir())
        RUN.save(tmp_path / "run.hm")
        assert_same_run(hm.Candidates.load(tmp_path / "run.hm"), RUN)


class TestStringsStayInArrow:
    def test_buffers_are_shared_and_slices_are_cut(self):
        pa = pytest.importorskip("pyarrow")
        words = [f"wörd {i}" * (i % 4) for i in range(50)]
        wide = pa.array(words, pa.large_string())
        table = hm.StringTable.from_strings(wide)
        assert list(table) == words
        assert np.shares_memory(table.data, np.frombuffer(wide.buffers()[2], dtype=np.uint8))
        for array in (
            pa.array(words), wide[7:31], pa.array(words)[3:9], pa.chunked_array([wide[:20], wide[20:]]),
            pa.chunked_array([pa.array(words[:5]), pa.array([], pa.string()), pa.array(words[5:])]),
        ):  # fmt: skip
            assert list(hm.StringTable.from_strings(array)) == array.to_pylist()
        for empty in (pa.array([], pa.large_string()), pa.chunked_array([], pa.string()), wide[4:4]):
            assert len(hm.StringTable.from_strings(empty)) == 0

    def test_bad_arrow_arrays_are_named(self):
        pa = pytest.importorskip("pyarrow")
        with pytest.raises(TypeError, match=r"ids\[1\]: null, expected a string"):
            hm.StringTable.from_strings(pa.array(["a", None]), "ids")
        with pytest.raises(TypeError, match="ids: int64, expected strings"):
            hm.StringTable.from_strings(pa.array([1, 2]), "ids")

    @pytest.mark.parametrize(
        ("a", "b", "at"),
        [
            (["x", "y"], ["x", "y"], None), ([], [], None), (["x"], [], 0), (["x", "y"], ["x"], 1),
            (["ab", "c"], ["a", "bc"], 0), (["a", "é", "z"], ["a", "è", "z"], 1), (["", "", "b"], ["", "", "a"], 2),
        ],
    )  # fmt: skip
    def test_the_first_difference(self, a, b, at):
        first, second = hm.StringTable.from_strings(a), hm.StringTable.from_strings(b)
        assert first.first_difference(second) == second.first_difference(first) == at

    def test_rows_of_a_table(self):
        table = hm.StringTable.from_strings(["a", "é", "", "long enough"])
        assert list(table.rows(np.array([3, 1, 1, 2]))) == ["long enough", "é", "é", ""]
        assert len(table.rows(np.array([], dtype=np.int64))) == 0
        with pytest.raises(ValueError, match=r"id 4 of row 0 is outside 0\.\.4"):
            table.rows(np.array([4]))

    def test_ids_never_become_python_objects(self, monkeypatch):
        texts = collection()

        def refuse(*_):
            raise AssertionError("ids went through Python")

        monkeypatch.setattr("hardmine.nouns.strings._utf8", refuse)
        run = hm.retrieve(texts, "bm25", k=2, progress=False)
        assert run.query_ids == texts.query_ids
        assert texts.scored_positives(run).ids.tolist() == texts.positives.ids.tolist()


class TestAccumulators:
    @pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
    @pytest.mark.parametrize("journey", JOURNEYS)
    def test_they_go_on_where_they_were(self, kind, journey):
        rng = np.random.default_rng(0)
        scores = rng.standard_normal((7, 900)).astype(kind)
        if kind == "float64":  # order that float32 would lose
            scores = 1 + scores * 1e-12
        scores[2, 5] = np.nan
        limits = {"ceiling": float(np.nanquantile(scores, 0.9)), "floor": -3.0, "exclude": [[1, 2]] * 7, "nan": "drop"}
        whole = hm.topk(scores, 20, **limits)
        travelling = hm.TopKAccumulator(7, 20, **limits)
        travelling = JOURNEYS[journey](travelling)
        for start in (600, 0, 300):
            travelling.update(scores[:, start : start + 300], first_document=start)
            travelling = JOURNEYS[journey](travelling)
        other = JOURNEYS[journey](hm.TopKAccumulator(7, 20, **limits))
        travelling.merge(other)
        assert parts(travelling.finish()) == parts(whole)
        assert f"k=20, {kind}" in repr(travelling)

    def test_bfloat16(self):
        ml_dtypes = pytest.importorskip("ml_dtypes")
        scores = np.random.default_rng(0).standard_normal((3, 200)).astype(ml_dtypes.bfloat16)
        travelling = hm.TopKAccumulator(3, 9)
        travelling.update(scores[:, :100])
        travelling = pickle.loads(pickle.dumps(travelling))
        travelling.update(scores[:, 100:], first_document=100)
        assert parts(travelling.finish()) == parts(hm.topk(scores, 9))

    def test_a_copy_is_apart(self):
        first = hm.TopKAccumulator(1, 2)
        first.update(np.float32([[1, 2]]))
        second = copy.deepcopy(first)
        second.update(np.float32([[9]]), first_document=2)
        assert first.finish().ids.tolist() == [1, 0]
        assert second.finish().ids.tolist() == [2, 1]

    def test_a_failed_one_does_not_travel(self):
        failed = hm.TopKAccumulator(1, 2)
        with pytest.raises(ValueError, match="NaN"):
            failed.update(np.float32([[np.nan]]))
        with pytest.raises(ValueError, match="an update failed midway"):
            pickle.dumps(failed)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"offsets": np.array([0, 1])}, "state: offsets have length 2, expected 3"),
            ({"ids": np.array([1, -2, 3])}, "state: id -2 of row"),
            ({"ranks": np.zeros(2, np.uint64)}, "state ranks: length 2, expected 3"),
            ({"counts": np.zeros(7, np.int64)}, "state counts: expected four of every query"),
            ({"counts": np.zeros(4, np.int64)}, "state counts: length 1, expected 2"),
        ],
    )
    def test_a_state_that_does_not_fit_is_refused(self, change, message):
        held = hm.TopKAccumulator(2, 2)
        held.update(np.float32([[1, 2], [3, 4]])[:, :2])
        rebuild, arguments = held.__reduce__()
        kept = {**arguments[-1], "offsets": np.array([0, 2, 3]), "ids": np.arange(3), "ranks": np.zeros(3, np.uint64)}
        with pytest.raises(ValueError, match=message):
            rebuild(*arguments[:-1], {**kept, **change})
