import json

import numpy as np
import pytest

import hardmine as hm
from hardmine.plumbing import container


def full_run():
    return hm.Candidates(
        [0, 2, 2, 3],
        [7, 2, 5],
        np.array([0.9, 0.4, 0.8], dtype=np.float32),
        ranks=[1, 3, 2],
        sources=[0, 1, 0],
        anchor_scores=np.array([0.1, 0.2, 0.3], dtype=np.float32),
        query_ids=["a", "é", ""],
        document_ids=[f"d{i}" for i in range(8)],
        reasons={"above_ceiling": [0, 4, 1], "nan": [0, 0, 0]},
        metadata={"teacher": "bm25", "k": 2},
    )


def assert_same_run(a, b):
    for name in ("offsets", "ids", "scores", "ranks", "sources", "anchor_scores"):
        left, right = getattr(a, name), getattr(b, name)
        assert (left is None) == (right is None), name
        if left is not None:
            assert left.dtype == right.dtype, name
            np.testing.assert_array_equal(left, right)
    assert a.query_ids == b.query_ids
    assert a.document_ids == b.document_ids
    assert dict(a.metadata) == dict(b.metadata)
    assert {k: v.tolist() for k, v in (a.reasons or {}).items()} == {
        k: v.tolist() for k, v in (b.reasons or {}).items()
    }


def test_rows_lengths_and_padding():
    run = full_run()
    assert len(run) == 3
    assert run.lengths.tolist() == [2, 0, 1]
    assert run[0].ids.tolist() == [7, 2]
    assert run[-1].scores.tolist() == [np.float32(0.8)]
    ids, scores = run.padded(fill_id=-9, fill_score=-1.0)
    assert ids.tolist() == [[7, 2], [-9, -9], [5, -9]]
    np.testing.assert_array_equal(scores, np.float32([[0.9, 0.4], [-1, -1], [0.8, -1]]))
    assert "3 queries, 3 candidates, 0 to 2 each, with ranks, sources, anchor_scores, query_ids" in repr(run)
    with pytest.raises(IndexError, match="row 3 of 3"):
        run[3]
    with pytest.raises(TypeError, match="row: bool"):
        run[True]


def test_empty_runs_keep_their_shape():
    nothing = hm.Candidates([0], [], [])
    assert len(nothing) == 0
    assert nothing.padded()[0].shape == (0, 0)
    assert repr(nothing) == "Candidates(0 queries, 0 candidates, empty)"
    assert hm.Candidates([0, 0, 0], [], []).padded()[0].shape == (2, 0)


def test_nothing_can_be_changed():
    run = full_run()
    with pytest.raises(AttributeError, match="frozen"):
        run.ids = np.zeros(3)
    with pytest.raises(AttributeError, match="frozen"):
        del run.ids
    with pytest.raises(ValueError, match="read-only"):
        run.scores[0] = 2
    with pytest.raises(TypeError):
        run.metadata["k"] = 3
    with pytest.raises(AttributeError, match="frozen"):
        hm.Positives([0, 1], [3]).ids = None


def test_the_caller_keeps_a_writable_array():
    mine = np.array([0.9, 0.4], dtype=np.float32)
    hm.Candidates([0, 2], [1, 2], mine)
    mine[0] = 1.0
    assert mine.flags.writeable


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"offsets": [1, 2, 2, 3]}, ValueError, "offsets: expected to start at 0"),
        ({"offsets": [0, 3, 2, 3]}, ValueError, "never fall"),
        ({"offsets": [0, 2, 2, 2]}, ValueError, "end at 3"),
        ({"offsets": [0.0, 1.0]}, TypeError, "offsets: dtype float64, expected integers"),
        ({"offsets": [[0, 3]]}, ValueError, "offsets: 2 dimensions"),
        ({"ids": [7, -2, 5]}, ValueError, "ids: -2, expected at least 0"),
        ({"ids": np.array([7.0, 2, 5])}, TypeError, "ids: dtype float64"),
        ({"ids": [True, False, True]}, TypeError, "ids: dtype bool"),
        ({"scores": [0.9, 0.4]}, ValueError, "scores: length 2, expected 3"),
        ({"scores": [0.4, 0.9, 0.8]}, ValueError, "scores: they rise inside query 0 at position 1"),
        ({"scores": [0.9, np.nan, 0.8]}, ValueError, "scores: NaN at position 1"),
        ({"scores": [1, 0, 1]}, TypeError, "scores: dtype int64, expected floats"),
        ({"ranks": [1, 2]}, ValueError, r"ranks: shape \(2,\), expected \(3,\)"),
        ({"ranks": [1.0, 2.0, 3.0]}, TypeError, "ranks: dtype float64, expected int32"),
        ({"query_ids": ["a"]}, ValueError, "query_ids: 1 names, expected 3"),
        ({"document_ids": ["a"]}, ValueError, "document_ids: 1 names, but id 7 occurs"),
        ({"reasons": {"bored": [1, 2, 3]}}, ValueError, "reasons: unknown 'bored'"),
        ({"reasons": {"nan": [1]}}, ValueError, "reasons\\['nan'\\]: length 1, expected 3"),
    ],
)
def test_bad_columns_are_named(change, error, message):
    with pytest.raises(error, match=message):
        full_run().replace(**change)


def test_a_rise_between_two_queries_is_fine():
    assert len(hm.Candidates([0, 0, 1, 1, 2, 2], [1, 2], [0.1, 0.9])) == 5


def test_save_and_load_map_the_same_run(tmp_path):
    run = full_run()
    run.save(tmp_path / "run.hm")
    back = hm.Candidates.load(tmp_path / "run.hm")
    assert_same_run(run, back)
    base = back.ids
    while base.base is not None and not isinstance(base, np.memmap):
        base = base.base if isinstance(base, np.ndarray) else base.obj
    assert isinstance(base, np.memmap)
    for column in (back.offsets, back.ids, back.scores, back.ranks):
        assert column.flags.aligned
    back.save(tmp_path / "again.hm")
    assert (tmp_path / "run.hm").read_bytes() == (tmp_path / "again.hm").read_bytes()


def test_a_bare_run_saves_too(tmp_path):
    for run in (hm.Candidates([0], [], []), hm.Candidates([0, 1], [3], [0.5])):
        run.save(tmp_path / "run.hm")
        assert_same_run(run, hm.Candidates.load(tmp_path / "run.hm"))


def test_other_readers_open_the_file(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    run = full_run()
    run.save(tmp_path / "run.hm")
    arrays = safetensors.load_file(tmp_path / "run.hm")
    np.testing.assert_array_equal(arrays["ids"], run.ids)
    np.testing.assert_array_equal(arrays["scores"], run.scores)


def test_arrow_round_trip():
    run = full_run()
    back = hm.Candidates.from_arrow(run.to_arrow(), num_queries=3)
    assert_same_run(run.replace(query_ids=None, document_ids=None, reasons=None, metadata=None), back)
    with pytest.raises(ValueError, match="not grouped"):
        hm.Candidates.from_arrow(run.to_arrow().take([2, 0]))
    with pytest.raises(ValueError, match="query: 2, expected below 2"):
        hm.Candidates.from_arrow(run.to_arrow(), num_queries=2)


def hostile_files():
    """Name, bytes: what a broken disk or a hostile hand may leave in a saved run."""
    good_header = {"__metadata__": {"hardmine": "candidates", "metadata": "{}"}}

    def file(header, data=b""):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return len(text).to_bytes(8, "little") + text + data

    def array(name="ids", dtype="I64", shape=(1,), span=(0, 8)):
        return {**good_header, name: {"dtype": dtype, "shape": list(shape), "data_offsets": list(span)}}

    yield "empty", b""
    yield "short", b"\x01\x00"
    yield "huge header", (2**62).to_bytes(8, "little") + b"{}"
    yield "header past the end", (50).to_bytes(8, "little") + b"{}"
    yield "not JSON", file(b"hello")
    yield "not UTF-8", file(b'{"\xff": 1}')
    yield "a list", file(b"[1]")
    yield "no metadata", file({"ids": {}})
    yield "deep", file(b'{"__metadata__":' + b"[" * 100_000 + b"}")
    yield "array past the end", file(array(span=(0, 8)), b"1234")
    yield "negative span", file(array(span=(-8, 0)), b"12345678")
    yield "negative shape", file(array(shape=(-1,)), b"12345678")
    yield "huge shape", file(array(shape=(2**40, 2**40)), b"12345678")
    yield "shape and span differ", file(array(shape=(2,)), b"12345678")
    yield "unknown dtype", file(array(dtype="O"), b"12345678")
    yield "no columns", file(good_header)
    yield "pickle", b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix."
    yield "other kind", file({"__metadata__": {"hardmine": "negatives", "metadata": "{}"}})
    yield "unknown column", file(array(name="surprise"), b"12345678")


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in hostile_files()])
def test_hostile_files_give_one_clear_error(tmp_path, data):
    path = tmp_path / "run.hm"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="run.hm: "):
        hm.Candidates.load(path)


def test_a_file_of_another_kind_is_named(tmp_path):
    run = full_run()
    columns = {"offsets": run.offsets, "ids": run.ids, "scores": run.scores}
    container.save(tmp_path / "other.hm", "negatives", columns, {})
    with pytest.raises(ValueError, match="other.hm: holds negatives, expected candidates"):
        hm.Candidates.load(tmp_path / "other.hm")


def test_every_truncation_of_a_run_is_refused(tmp_path):
    full_run().save(tmp_path / "run.hm")
    data = (tmp_path / "run.hm").read_bytes()
    broken = tmp_path / "broken.hm"
    for length in range(0, len(data), 7):
        broken.write_bytes(data[:length])
        with pytest.raises(ValueError, match="broken.hm"):
            hm.Candidates.load(broken)


def test_flipped_bytes_never_crash(tmp_path):
    run = full_run()
    run.save(tmp_path / "run.hm")
    data = bytearray((tmp_path / "run.hm").read_bytes())
    broken = tmp_path / "broken.hm"
    rng = np.random.default_rng(0)
    refused = 0
    for position in rng.integers(0, len(data), 300):
        changed = data.copy()
        changed[position] ^= 1 << rng.integers(8)
        broken.write_bytes(changed)
        try:
            hm.Candidates.load(broken)
        except ValueError:
            refused += 1
    assert refused > 50


def test_a_missing_folder_and_a_failed_write_leave_nothing(tmp_path):
    run = full_run()
    with pytest.raises(FileNotFoundError, match="does not exist"):
        run.save(tmp_path / "nowhere" / "run.hm")
    run.save(tmp_path / "run.hm")
    before = (tmp_path / "run.hm").read_bytes()
    with pytest.raises(TypeError):
        container.save(tmp_path / "run.hm", "candidates", {"ids": run.ids}, object())
    bad = {"ids": run.ids, "odd": np.zeros(2, dtype="U3")}
    with pytest.raises(KeyError):
        container.save(tmp_path / "run.hm", "candidates", bad, {})
    assert (tmp_path / "run.hm").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["run.hm"]


class TestPositives:
    def test_lists(self):
        positives = hm.Positives.from_lists([[3], [], [1, 7]], scores=[[0.5], [], [0.25, 1.0]])
        assert len(positives) == 3
        assert positives[2].tolist() == [1, 7]
        assert positives.query_of_each.tolist() == [0, 2, 2]
        assert positives.scores.dtype == np.float32
        assert repr(positives) == "Positives(3 queries, 3 positives, scored)"
        assert positives.with_scores([1.0, 2.0, 3.0]).scores.tolist() == [1, 2, 3]
        assert len(hm.Positives.from_lists([])) == 0

    @pytest.mark.parametrize(
        ("rows", "scores", "error", "message"),
        [
            ([[3], [1, 1]], None, ValueError, "ids: 1 occurs twice for query 1"),
            ([[3], [-1]], None, ValueError, "ids: -1 for query 1, expected at least 0"),
            ([[3], [1.5]], None, TypeError, r"positives\[1\]: dtype float64"),
            ([[3], [1]], [[1.0], [np.nan]], ValueError, "scores: nan for query 1, expected a finite number"),
            ([[3], [1]], [[np.inf], [1.0]], ValueError, "scores: inf for query 0"),
            ([[3], [1]], [[1.0, 2.0], []], ValueError, "scores: their rows differ"),
        ],
    )
    def test_bad_rows_are_named(self, rows, scores, error, message):
        with pytest.raises(error, match=message):
            hm.Positives.from_lists(rows, scores)

    def test_bad_offsets(self):
        with pytest.raises(ValueError, match="offsets: expected to start at 0"):
            hm.Positives([0, 2], [1])


class TestStringTable:
    def test_is_a_sequence(self):
        table = hm.StringTable.from_strings(["d1", "", "größe"])
        assert list(table) == ["d1", "", "größe"]
        assert table[-1] == "größe"
        assert table[1:] == ["", "größe"]
        assert "größe" in table
        assert table == hm.StringTable.from_strings(iter(["d1", "", "größe"]))
        assert table != hm.StringTable.from_strings(["d1"])
        assert hash(table) == hash(hm.StringTable.from_strings(["d1", "", "größe"]))
        assert "length 3" in repr(table)
        with pytest.raises(IndexError, match="row 3 of a table of 3"):
            table[3]

    def test_bad_offsets(self):
        with pytest.raises(ValueError, match="never fall and end at 2"):
            hm.StringTable(np.array([0, 3]), np.zeros(2, np.uint8))
        with pytest.raises(ValueError, match="never fall"):
            hm.StringTable(np.array([0, 2, 1, 3]), np.zeros(3, np.uint8))
