"""Runs as tables and rectangles: columns, distances of faiss, and what malformed ones say."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hardmine as hm
from hardmine.formats import FormatError
from tests.run_cases import COLLECTION, RUN, table


def test_columns_of_tables(tmp_path):
    RUN.write(tmp_path / "run.parquet")
    schema = pq.read_schema(tmp_path / "run.parquet")
    assert {f.name: str(f.type) for f in schema} == {
        "query_id": "large_string", "document_id": "large_string", "score": "float", "rank": "int32"
    }  # fmt: skip
    RUN.write(tmp_path / "run.npz", "npz")
    with np.load(tmp_path / "run.npz", allow_pickle=False) as arrays:
        assert {name: arrays[name].tolist() for name in arrays} == {
            "query_id": ["q1", "q1", "q1", "q3", "q3"], "document_id": ["d2", "d1", "d3", "d4", "d1"],
            "score": RUN.scores.tolist(), "rank": [1, 2, 3, 1, 2],
        }  # fmt: skip


BAD_TABLES = {
    "no ids": ({"query_id": ["q"], "score": [1.0]}, r"field 'document_id': missing; found query_id, score, exp"),
    "no scores": ({"query_id": ["q"], "document_id": ["d"]}, r"field 'score': missing; found query_id"),
    "null": ({"query_id": ["q", None], "document_id": ["d", "e"], "score": [1.0, 2]}, r"row 2, field 'query_id': null"),
    "nan": ({"query_id": ["q"], "document_id": ["d"], "score": [float("nan")]}, r"row 1, field 'score': nan"),
    "null score": (
        {"query_id": ["q"], "document_id": ["d"], "score": pa.array([None], pa.float32())},
        r"row 1, field 'score': null, expected a number",
    ),
    "strings": ({"query_id": ["q"], "document_id": ["d"], "score": ["1"]}, r"field 'score': string, expected"),
    "floats": ({"query_id": [1.5], "document_id": ["d"], "score": [1.0]}, r"field 'query_id': double, exp"),
    "twice": (
        {"query_id": ["q", "r", "q"], "document_id": ["d"] * 3, "score": [1.0] * 3}, r"row 3: document 'd' occurs twice"
    ),
    "nothing": ({"query_id": pa.array([], pa.string()), "document_id": pa.array([], pa.string()),
                 "score": pa.array([], pa.float32())}, r"no candidates, expected at least one"),
}  # fmt: skip


@pytest.mark.parametrize(("columns", "message"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_malformed_tables(tmp_path, columns, message):
    pq.write_table(pa.table(columns), tmp_path / "run.parquet")
    with pytest.raises(FormatError, match=r"run.parquet.*" + message):
        hm.Candidates.read(tmp_path / "run.parquet")


@pytest.mark.parametrize("name", ["parquet", "arrow", "npz"])
def test_files_that_are_none(tmp_path, name):
    path = tmp_path / f"run.{name}"
    path.write_bytes(b"no such thing")
    with pytest.raises(FormatError, match=rf"run.{name}: unreadable \(.*\), expected an? "):
        hm.Candidates.read(path, name)
    with pytest.raises(FileNotFoundError, match="gone: no such file"):
        hm.Candidates.read(tmp_path / "gone", name)


def test_integers_and_ranks_in_tables(tmp_path):
    table_ = pa.table(
        {"qid": [5, 5, 7], "pid": pa.array([2, 1, 2], pa.int32()), "rank": [1, 2, 1], "other": [None] * 3}
    )
    pq.write_table(table_, tmp_path / "run.parquet")
    assert table(hm.Candidates.read(tmp_path / "run.parquet")) == {"5": [("2", -1.0), ("1", -2.0)], "7": [("2", -1.0)]}
    with pa.OSFile(str(tmp_path / "run.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table_.schema) as writer:
        writer.write_table(table_)
    assert len(hm.Candidates.read(tmp_path / "run.arrow")) == 2


def test_npz_is_not_unpickled(tmp_path):
    np.savez(tmp_path / "run.npz", query_id=np.array(["q"], object), document_id=np.array(["d"]), score=np.float32([1]))
    with pytest.raises(FormatError, match=r"run.npz, field 'query_id': unreadable \(Object arrays cannot be loaded"):
        hm.Candidates.read(tmp_path / "run.npz", "npz")


# Rectangles


def rectangles(folder, ids, scores, names=("ids", "scores")):
    folder.mkdir(exist_ok=True)
    for name, array in zip(names, (ids, scores), strict=True):
        np.save(folder / f"{name}.npy", array)
    return folder


def test_rectangles(tmp_path):
    folder = rectangles(
        tmp_path / "r", [[2, 0, -1], [1, -1, -1], [-1, 3, 0]], np.float32([[1, 2, 9], [3, 9, 9], [9, 5, 5]])
    )
    run = hm.Candidates.read(folder, collection=COLLECTION)
    assert table(run) == {"q1": [("d1", 2.0), ("d3", 1.0)], "q2": [("d2", 3.0)], "q3": [("d1", 5.0), ("d4", 5.0)]}
    assert hm.Candidates.read(folder).query_ids is None


def test_distances_of_faiss_are_taken_negated(tmp_path):
    ids, names = np.array([[2, 0], [1, -1], [0, 3]]), ("I", "D")
    rising = rectangles(tmp_path / "l2", ids, np.float32([[1, 2], [3, 3e38], [0, 5]]), names)
    assert hm.Candidates.read(rising).scores.tolist() == [-1, -2, -3, 0, -5]
    falling = rectangles(tmp_path / "ip", ids, np.float32([[2, 1], [3, -3e38], [5, 0]]), names)
    assert hm.Candidates.read(falling).scores.tolist() == [2, 1, 3, 5, 0]
    both = rectangles(tmp_path / "both", ids, np.float32([[2, 1], [3, 0], [0, 5]]), names)
    with pytest.raises(FormatError, match=r"row 3, field 'D': numbers that rise in one row and fall in another"):
        hm.Candidates.read(both)


def test_faiss_itself(tmp_path):
    faiss = pytest.importorskip("faiss", reason="faiss is not installed")
    rng = np.random.default_rng(0)
    queries, documents = rng.normal(size=(3, 8)).astype("f4"), rng.normal(size=(4, 8)).astype("f4")
    for kind in (faiss.IndexFlatIP, faiss.IndexFlatL2):
        index = kind(8)
        index.add(documents)
        distances, found = index.search(queries, 6)
        run = hm.Candidates.read(
            rectangles(tmp_path / kind.__name__, found, distances, ("I", "D")), collection=COLLECTION
        )
        scores = queries @ documents.T
        if kind is faiss.IndexFlatL2:
            scores = -((queries[:, None] - documents) ** 2).sum(-1)
        assert [row.ids.tolist() for row in run] == np.argsort(-scores, axis=1).tolist()


BAD_RECTANGLES = {
    "one dimension": ([1], [1.0], r"field 'ids': shape \(1,\), expected two dimensions"),
    "shapes": ([[1]], [[1.0, 2.0]], r"field 'scores': shape \(1, 2\), expected \(1, 1\) as ids"),
    "floats": ([[1.0]], [[1.0]], r"field 'ids': dtype float64, expected integers"),
    "below": ([[0], [-7]], [[1.0], [2.0]], r"row 2, field 'ids': -7, expected a row number, or -1"),
    "nan": ([[0], [1]], [[1.0], [np.nan]], r"row 2, field 'scores': nan, expected a number"),
    "twice": (
        [[0, 1], [1, 1]],
        [[2.0, 1.0], [2.0, 1.0]],
        r"row 2, field 'ids': document 1 occurs twice, expected every",
    ),
    "queries": ([[0]], [[1.0]], r"r: 1 rows, expected 3, the queries of the collection"),
    "documents": ([[0], [9], [0]], [[1.0]] * 3, r"row 2, field 'ids': 9, expected below 4, the number of documents"),
}


@pytest.mark.parametrize(("ids", "scores", "message"), BAD_RECTANGLES.values(), ids=BAD_RECTANGLES)
def test_malformed_rectangles(tmp_path, ids, scores, message):
    folder = rectangles(tmp_path / "r", ids, scores)
    with pytest.raises(FormatError, match=message):
        hm.Candidates.read(folder, collection=COLLECTION if "the" in message else None)
    (folder / "scores.npy").unlink()
    with pytest.raises(FormatError, match=r"field 'scores': missing; found ids, expected an array of this name"):
        hm.Candidates.read(folder)
