"""Runs from outside: every layout read and written, and what malformed files say."""

import gzip
import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import hardmine as hm
from hardmine.formats import FormatError, rows, run_order
from tests.oracle import runs as oracle

COLLECTION = hm.Collection.from_ids(["q1", "q2", "q3"], ["d1", "d2", "d3", "d4"], [["d2"], ["d1"], ["d4"]])
RUN = hm.Candidates(
    [0, 3, 3, 5], [1, 0, 2, 3, 0], np.float32([0.75, 0.5, 0.5, 3e30, -1.25]),
    query_ids=COLLECTION.query_ids, document_ids=COLLECTION.document_ids, metadata={"teacher": "my engine"},
)  # fmt: skip
FILES = [
    ("trec-run", "run.trec"), ("trec-run", "run.run.gz"), ("trec-run", "run.txt.zst"), ("msmarco", "run.tsv"),
    ("tevatron", "run.tsv"), ("hardmine", "run.hm"), ("parquet", "run.parquet"), ("arrow", "run.arrow"),
    ("npz", "run.npz"), ("npy", "arrays"), ("npy", "arrays.npz"), ("faiss", "index"), ("pylate", "kd.parquet"),
    ("pylate", "kd.jsonl.gz"),
]  # fmt: skip
GOLDEN = {
    "trec-run": "q1 Q0 d2 1 0.75 my_engine\nq1 Q0 d1 2 0.5 my_engine\nq1 Q0 d3 3 0.5 my_engine\n"
    "q3 Q0 d4 1 3e+30 my_engine\nq3 Q0 d1 2 -1.25 my_engine\n",
    "msmarco": "q1\td2\t1\nq1\td1\t2\nq1\td3\t3\nq3\td4\t1\nq3\td1\t2\n",
    "tevatron": "q1\td2\t0.75\nq1\td1\t0.5\nq1\td3\t0.5\nq3\td4\t3e+30\nq3\td1\t-1.25\n",
    "pylate": '{"query_id": "q1", "document_ids": ["d2", "d1", "d3"], "scores": [0.75, 0.5, 0.5]}\n'
    '{"query_id": "q3", "document_ids": ["d4", "d1"], "scores": [3e+30, -1.25]}\n',
}


def table(run):
    names, documents = list(run.query_ids), list(run.document_ids)
    return {
        names[i]: [(documents[d], float(s)) for d, s in zip(*run[i], strict=True)]
        for i in range(len(run))
        if run[i].ids.size
    }


@pytest.mark.parametrize(("name", "file"), FILES)
def test_round_trip(tmp_path, name, file):
    RUN.write(tmp_path / file, name)
    found = hm.Candidates.read(tmp_path / file, name, collection=COLLECTION)
    assert found.offsets.tolist() == RUN.offsets.tolist()
    assert found.ids.tolist() == RUN.ids.tolist()
    assert found.query_ids == RUN.query_ids
    assert found.document_ids == RUN.document_ids
    wanted = [-1, -2, -3, -1, -2] if name == "msmarco" else RUN.scores.tolist()
    assert found.scores.tolist() == wanted
    alone = hm.Candidates.read(tmp_path / file, name)
    assert [len(row.ids) for row in alone if row.ids.size] == [3, 2]
    assert alone.metadata.get("teacher") == (
        "my engine" if name == "hardmine" else "my_engine" if name == "trec-run" else file
    )


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(tmp_path, name):
    file = tmp_path / ("run.jsonl" if name == "pylate" else "run.txt")
    RUN.write(file, name)
    assert file.read_text() == GOLDEN[name]
    if name != "pylate":
        assert table(hm.Candidates.read(file, name)) == table(RUN) or name == "msmarco"


def test_columns_of_tables(tmp_path):
    RUN.write(tmp_path / "run.parquet")
    schema = pq.read_schema(tmp_path / "run.parquet")
    assert {f.name: str(f.type) for f in schema} == {
        "query_id": "large_string", "document_id": "large_string", "score": "float", "rank": "int32"
    }  # fmt: skip
    with np.load((RUN.write(tmp_path / "run.npz", "npz"), tmp_path / "run.npz")[1], allow_pickle=False) as arrays:
        assert {name: arrays[name].tolist() for name in arrays} == {
            "query_id": ["q1", "q1", "q1", "q3", "q3"], "document_id": ["d2", "d1", "d3", "d4", "d1"],
            "score": RUN.scores.tolist(), "rank": [1, 2, 3, 1, 2],
        }  # fmt: skip


def test_names_of_a_run_without_names(tmp_path):
    bare = hm.Candidates(RUN.offsets, RUN.ids, RUN.scores)
    bare.write(tmp_path / "numbers.trec")
    assert (tmp_path / "numbers.trec").read_text().startswith("0 Q0 1 1 0.75 hardmine\n")
    bare.write(tmp_path / "names.trec", collection=COLLECTION)
    assert table(hm.Candidates.read(tmp_path / "names.trec")) == table(RUN)


names = st.text(alphabet="abc1é-", min_size=1, max_size=2)
triples = st.lists(
    st.tuples(names, names, st.floats(width=32, allow_nan=False)), min_size=1, max_size=30, unique_by=lambda t: t[:2]
)


@given(triples, st.sampled_from([1, 30, 1 << 20]), st.booleans())
@settings(deadline=None, max_examples=100)
def test_any_run(tmp_path_factory, found, block, has_blanks):
    """The lists, whatever the order of lines, the cut into blocks and the blanks."""
    path = tmp_path_factory.mktemp("run") / "run.trec"
    between = "\t  " if has_blanks else " "
    path.write_text("\n".join(between.join((q, "Q0", d, "0", repr(s), "tag")) for q, d, s in found), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "BLOCK", block)
        run = hm.Candidates.read(path)
    queries, documents, wanted = oracle.lists(found)
    assert list(run.query_ids) == queries
    assert list(run.document_ids) == documents
    assert [list(zip(row.ids.tolist(), row.scores.tolist(), strict=True)) for row in run] == wanted


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(width=32, allow_nan=False), st.integers(0, 2**33)), max_size=40),
    st.sampled_from([1, 5, 1 << 20]), st.sampled_from([1, 1 << 17]),
)  # fmt: skip
@example([(0, -0.0, 1), (0, 0.0, 0)], 1, 1)
@settings(deadline=None)
def test_the_order_of_candidates(found, chunk, spread):
    """Also of ids and query numbers that have no room in a key."""
    queries, scores, ids = (np.array([row[i] for row in found]) for i in range(3))
    queries, ids, scores = queries.astype(np.int64) * spread, ids.astype(np.int64), scores.astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_order, "_CHUNK", chunk)
        order = run_order.best_first(queries, ids, scores)
    key = list(zip(queries.tolist(), (-scores).tolist(), ids.tolist(), strict=True))
    assert sorted(order.tolist()) == list(range(len(found)))
    assert [key[at] for at in order] == sorted(key)


@given(triples, st.sampled_from(FILES))
@settings(deadline=None, max_examples=100)
def test_any_round_trip(tmp_path_factory, found, file):
    name, file = file
    folder = tmp_path_factory.mktemp("run")
    if name == "pylate" and file.endswith(".jsonl.gz"):
        found = [t for t in found if np.isfinite(t[2])] or [("q", "d", 0.5)]  # JSON has no word for infinities
    queries, documents, lists = oracle.lists(found)
    collection = hm.Collection.from_ids(queries, documents, [[documents[0]]] * len(queries))
    run = hm.Candidates(
        np.cumsum([0, *map(len, lists)]),
        [d for row in lists for d, _ in row],
        np.float32([s for row in lists for _, s in row]),
    )
    run.write(folder / file, name, collection=collection)
    again = hm.Candidates.read(folder / file, name, collection=collection)
    assert again.offsets.tolist() == run.offsets.tolist()
    assert again.ids.tolist() == run.ids.tolist()
    if name != "msmarco":
        assert again.scores.tolist() == run.scores.tolist()


TREC = {
    "columns": (
        "q1 Q0 d1 1 0.5\n",
        "trec-run",
        r"run, line 1: 5 columns \('q1 Q0 d1 1 0.5'\), expected six columns sep",
    ),
    "later": ("q1 Q0 d1 1 0.5 x\n\nq1 Q0 d2\n", "trec-run", r"run, line 3: 3 columns"),
    "nan": (
        "q1 Q0 d1 1 0.5 x\nq1 Q0 d2 1 nan x\n",
        "trec-run",
        r"run, line 2, field 'score': 'nan', expected a number",
    ),
    "word": ("q1 Q0 d1 1 high x\n", "trec-run", r"run, line 1, field 'score': 'high', expected a number"),
    "twice": (
        "q1 Q0 d1 1 0.5 x\nq2 Q0 d1 1 0.5 x\nq1 Q0 d1 2 0.4 x\n",
        "trec-run",
        r"run, line 3: document 'd1' occurs twice for query 'q1', expected every document once for a query",
    ),
    "nothing": ("\n \n", "trec-run", r"run: no candidates, expected at least one"),
    "bytes": (
        "q1 Q0 d1 1 0.5 x\nq\xe9 Q0 d1 1 0.5 x\n",
        "trec-run",
        r"run, line 2: byte 0xe9 at position 2, expected UTF-8",
    ),
    "rank": ("1\t2\tfirst\n", "msmarco", r"run, line 1, field 'rank': 'first', expected an integer of at least 0"),
    "score in place of rank": ("1\t2\t0.5\n", "msmarco", r"run, line 1, field 'rank': '0.5', expected an integer"),
    "negative rank": ("1\t2\t-5\n", "msmarco", r"run, line 1, field 'rank': '-5', expected an integer of at least 0"),
    "empty id": ("1\t\t5\n", "msmarco", r"run, line 1, field 'document': empty, expected an id"),
    "tevatron": ("1 2\n", "tevatron", r"run, line 1: 2 columns \('1 2'\), expected three columns separated by blanks"),
}


@pytest.mark.parametrize(("text", "name", "message"), TREC.values(), ids=TREC)
def test_malformed_text(tmp_path, text, name, message):
    (tmp_path / "run").write_bytes(text.encode("latin-1"))
    with pytest.raises(FormatError, match=message) as caught:
        hm.Candidates.read(tmp_path / "run", name)
    assert "\n" not in str(caught.value)


def test_ranks_and_order_of_a_trec_run_say_nothing(tmp_path):
    """BEIR writes rank 0 on every line, and lines in any order."""
    path = tmp_path / "run.trec"
    path.write_text("q1 Q0 d1 0 0.5 x\nq2 Q0 d2 0 9 x\nq1 Q0 d2 0 0.75 x\n")
    assert table(hm.Candidates.read(path)) == {"q1": [("d2", 0.75), ("d1", 0.5)], "q2": [("d2", 9.0)]}


def test_candidates_of_msmarco_have_no_scores(tmp_path):
    path = tmp_path / "top1000.dev.tsv"
    path.write_text('1\t9\twhat "is\tone\n2\t9\twho\tone\n1\t7\twhat "is\ttwo\n')
    run = hm.Candidates.read(path, "msmarco-top1000")
    assert table(run) == {"1": [("9", 0.0), ("7", 0.0)], "2": [("9", 0.0)]}


@pytest.mark.parametrize(("name", "columns"), [
    ("ids", ("query_id", "positive_ids", "negative_ids")), ("texts", ("query", "positives", "negatives")),
])  # fmt: skip
def test_triples_of_msmarco(tmp_path, name, columns):
    path = tmp_path / "triples.tsv.gz"
    path.write_bytes(gzip.compress(b'1\t"a\tb\n2\tc\td, e\n'))
    (chunk,) = hm.formats.read_rows(path, f"msmarco-triples:{name}")
    assert [chunk[column].to_pylist() for column in columns] == [["1", "2"], [['"a'], ["c"]], [["b"], ["d, e"]]]
    path.write_bytes(gzip.compress(b"1\ta\tb\n1\ta\n"))
    with pytest.raises(
        FormatError, match=r"triples.tsv.gz, line 2: 2 columns .*, expected three columns separated by tabs"
    ):
        list(hm.formats.read_rows(path, f"msmarco-triples:{name}"))


def test_trec_eval_reads_what_we_write(tmp_path):
    measures = pytest.importorskip("ir_measures", reason="ir-measures is not installed")
    RUN.write(tmp_path / "run.trec")
    COLLECTION.write(tmp_path / "test.qrels")
    run = list(measures.read_trec_run(str(tmp_path / "run.trec")))
    assert [(row.query_id, row.doc_id, float(np.float32(row.score))) for row in run] == [
        (query, document, score) for query, row in table(RUN).items() for document, score in row
    ]
    qrels = list(measures.read_trec_qrels(str(tmp_path / "test.qrels")))
    assert [(row.query_id, row.doc_id, row.relevance) for row in qrels] == [
        ("q1", "d2", 1),
        ("q2", "d1", 1),
        ("q3", "d4", 1),
    ]
    assert measures.calc_aggregate([measures.RR], qrels, run)[measures.RR] == pytest.approx(2 / 3)


def test_unknown_ids(tmp_path):
    path = tmp_path / "run.trec"
    path.write_text("q1 Q0 d1 0 1 x\nq9 Q0 d1 0 9 x\nq1 Q0 d8 0 0.75 x\nq2 Q0 d3 0 4 x\n")
    with pytest.raises(
        FormatError, match=r"run.trec, line 2, field 'query': 'q9', expected the id of a query of the coll"
    ):
        hm.Candidates.read(path, collection=COLLECTION)
    path.write_text(path.read_text().replace("q9", "q3"))
    with pytest.raises(
        FormatError, match=r"line 3, field 'document': 'd8', expected the id of a document .* unknown='drop'"
    ):
        hm.Candidates.read(path, collection=COLLECTION)
    path.write_text(path.read_text().replace("q3", "q9"))
    run = hm.Candidates.read(path, collection=COLLECTION, unknown="drop")
    assert table(run) == {"q1": [("d1", 1.0)], "q2": [("d3", 4.0)]}
    assert (run.metadata["unknown_query"], run.metadata["unknown_document"]) == (1, 1)
    with pytest.raises(ValueError, match="unknown: 'keep', expected one of 'error', 'drop'"):
        hm.Candidates.read(path, unknown="keep")
    path.write_text("q1 Q0 x 0 1 x\nq1 Q0 d1 0 1 x\nq2 Q0 d1 0 1 x\nq1 Q0 d1 0 1 x\n")
    with pytest.raises(FormatError, match=r"line 4: document 'd1' occurs twice for query 'q1'"):
        hm.Candidates.read(path, collection=COLLECTION, unknown="drop")


def test_ids_that_a_line_cannot_hold(tmp_path):
    run = RUN.replace(document_ids=["a b", "c", "d", "e"])
    with pytest.raises(FormatError, match=r"run.trec: the id 'a b', expected ids without white space"):
        run.write(tmp_path / "run.trec")
    assert list(tmp_path.iterdir()) == []
    run.write(tmp_path / "run.tsv", "msmarco")
    assert "a b" in (tmp_path / "run.tsv").read_text()


# Positives


def test_scores_of_positives_that_the_run_holds(tmp_path):
    path = tmp_path / "run.trec"
    path.write_text("q1 Q0 d2 0 1 x\nq1 Q0 d1 0 0.9 x\nq2 Q0 d1 0 2 x\nq3 Q0 d4 0 3 x\nq3 Q0 d1 0 2 x\n")
    run = hm.Candidates.read(path, collection=COLLECTION)
    assert run.positives.scores.tolist() == [1, 2, 3]
    mined = hm.Mined.from_run(COLLECTION, run, hm.Selection(1, ceiling=hm.PercPos(0.8)))
    assert [row.ids.tolist() for row in mined.negatives] == [[], [], [0]]
    assert mined.report["reasons"]["positive"] == 3


def test_rules_that_need_no_score_of_a_positive_need_none(tmp_path):
    path = tmp_path / "run.trec"
    path.write_text("q1 Q0 d1 0 0.9 x\nq2 Q0 d1 0 2 x\nq3 Q0 d4 0 3 x\nq3 Q0 d1 0 2 x\n")
    run = hm.Candidates.read(path, collection=COLLECTION)
    assert run.positives is None
    assert run.metadata["positives_without_score"] == 1
    mined = hm.Mined.from_run(COLLECTION, run, hm.Selection(1, ceiling=hm.Absolute(2.5)))
    assert [row.ids.tolist() for row in mined.negatives] == [[0], [], [0]]
    message = (
        r"run: no scores of positives, expected .* \(of this one 1 of 3 are not among its candidates\); else give posit"
    )
    with pytest.raises(ValueError, match=message):
        hm.Mined.from_run(COLLECTION, run, hm.Selection(1))
    given = COLLECTION.positives.with_scores([1.0, 2.0, 3.0])
    assert len(hm.Mined.from_run(COLLECTION, run, hm.Selection(1), positives=given).negatives) == 3


# Tables


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


# Tables of scores


def test_tables_of_scores(tmp_path):
    """Lists, or texts that spell them, as tables that went through csv have them."""
    lists = {"query_id": [7, 8], "document_ids": [["2", "1"], ["3"]], "scores": [[0.5, 0.75], [1.0]]}
    texts = {"query_id": ["7", "8"], "document_ids": ["['2', '1']", "[3]"], "scores": ["[0.5, 0.75]", " [1]"]}
    for number, columns in enumerate((lists, texts)):
        path = tmp_path / f"kd{number}.parquet"
        pq.write_table(pa.table(columns), path)
        run = hm.Candidates.read(path, "pylate")
        assert table(run) == {"7": [("1", 0.75), ("2", 0.5)], "8": [("3", 1.0)]}
        assert [[run.document_ids[i] for i in row] for row in run.positives] == [["2"], ["3"]]
        assert run.positives.scores.tolist() == [0.5, 1.0]
        run.write(tmp_path / "again.jsonl", "pylate")
        first = json.loads((tmp_path / "again.jsonl").read_text().splitlines()[0])
        assert first == {"query_id": "7", "document_ids": ["2", "1"], "scores": [0.5, 0.75]}, (
            "the positive is the first"
        )


def tables_of_scores(folder, rows):
    """The same rows as parquet and as jsonl."""
    columns = dict(zip(("query_id", "document_ids", "scores"), zip(*rows, strict=True), strict=True))
    pq.write_table(pa.table({name: list(values) for name, values in columns.items()}), folder / "kd.parquet")
    lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]
    (folder / "kd.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "kd.parquet", folder / "kd.jsonl"


def test_every_row_of_a_query_has_a_positive(tmp_path):
    rows = [("q", ["p1", "n", "p2"], [0.75, 0.25, 0.5]), ("r", ["n"], [1.0]), ("q", ["p2", "n", "m"], [0.5, 0.25, 0.1])]
    for path in tables_of_scores(tmp_path, rows):
        run = hm.Candidates.read(path, "pylate")
        assert {q: [d for d, _ in found] for q, found in table(run).items()} == {
            "q": ["p1", "p2", "n", "m"],
            "r": ["n"],
        }
        assert [[run.document_ids[i] for i in row] for row in run.positives] == [["p1", "p2"], ["n"]]
        assert run.positives.scores.tolist() == [0.75, 0.5, 1.0]
        documents = ["p1", "p2", "n", "m"]
        collection = hm.Collection.from_ids(["q", "r"], documents, [["m"], ["n"]])
        known = hm.Candidates.read(path, "pylate", collection=collection)
        assert [documents[i] for i in known.ids] == ["p1", "p2", "n", "m", "n"]
        fewer = hm.Collection.from_ids(["q", "r"], documents[:3], [["p1"], ["n"]])
        dropped = hm.Candidates.read(path, "pylate", collection=fewer, unknown="drop")
        assert [documents[i] for i in dropped.ids] == ["p1", "p2", "n", "n"]
        assert dropped.metadata["unknown_document"] == 1
    for path in tables_of_scores(tmp_path, [*rows, ("q", ["n"], [0.3])]):
        with pytest.raises(FormatError, match=r"row 4: document 'n' occurs twice for query 'q'"):
            hm.Candidates.read(path, "pylate")


def test_rows_of_a_query_with_two_positives_are_a_run(tmp_path):
    collection = hm.Collection.from_pairs(["a", "b"], [["p", "r"], ["s"]], ["n", "m"])
    run = hm.Candidates([0, 2, 3], [0, 1, 1], np.float32([0.5, 0.25, 0.125]))
    positives = collection.positives.with_scores([1.0, 0.75, 2.0])
    mined = hm.Mined.from_run(collection, run, hm.Selection(1, ceiling=hm.NoCeiling()), positives=positives)
    mined.write(tmp_path / "kd.parquet", "pylate")
    again = hm.Candidates.read(tmp_path / "kd.parquet", "pylate")
    assert again.positives.scores.tolist() == [1.0, 0.75, 2.0]
    assert [again.document_ids[i] for i in again.positives.ids] == list(collection.document_ids)[2:]


def test_an_empty_list_is_a_query_without_candidates(tmp_path):
    for lists in ([("q", ["p"], [1.0]), ("r", [], [])], [("r", [], [])] * 600 + [("q", ["p"], [1.0])]):
        for path in tables_of_scores(tmp_path, lists):
            run = hm.Candidates.read(path, "pylate")
            assert {q: [d for d, _ in found] for q, found in table(run).items()} == {"q": ["p"]}
            assert sorted(run.query_ids) == ["q", "r"]
            assert sorted(len(row) for row in run.positives) == [0, 1]
            assert run.positives.scores.tolist() == [1.0]


def test_ids_with_commas_and_quotes_in_a_text_that_spells_a_list(tmp_path):
    ids = ["a,b", "it's", '"x"', "[1]", " y ", "\\n"]
    scores = [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    for spell in (json.dumps, repr):
        for path in tables_of_scores(tmp_path, [("q", spell(ids), spell(scores))]):
            assert [d for d, _ in table(hm.Candidates.read(path, "pylate"))["q"]] == ids


BAD_VALUES = {
    "null id": (["a", None], [1.0, 2.0], r"field 'document_ids\[1\]': null \(None\), expected a string or an integer"),
    "number": (["a", 1.5], [1.0, 2.0], r"field 'document_ids\[1\]': a number \(1.5\), expected a string or an integer"),
    "bool": (["a"], [True], r"field 'scores\[0\]': a boolean \(True\), expected a number"),
    "text": (["a"], ["b"], r"field 'scores\[0\]': a string \(b\), expected a number"),
    "large": (["a"], [10**400], r"field 'scores\[0\]': 1000.*expected a number that 64 bits can hold"),
    "null": (["a"], [None], r"field 'scores': nan or null, expected a number"),
    "empty id": (["a", ""], [1.0, 2.0], r"field 'document_ids': empty, expected an id"),
    "surrogate": (["\ud800"], [1.0], r"field 'document_ids\[0\]': half of a surrogate pair"),
}


@pytest.mark.parametrize(("ids", "scores", "message"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_values_in_lists_of_scores(tmp_path, ids, scores, message):
    path = tmp_path / "kd.jsonl"
    for spell in (lambda value: value, json.dumps):
        rows = [("p", ["a"], [1.0]), ("q", spell(ids), spell(scores))]  # a list in one row, a text in the next
        names = ("query_id", "document_ids", "scores")
        path.write_text("\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in rows))
        with pytest.raises(FormatError, match=f"(line|row) 2, {message}"):
            hm.Candidates.read(path, "pylate")


BAD_SCORES = {
    "empty id": (["a", "b"], [["d"], [""]], [[1.0], [1.0]], r"row 2, field 'document_ids': empty, expected an id"),
    "empty query": (["a", ""], [["d"], ["d"]], [[1.0], [1.0]], r"row 2, field 'query_id': empty, expected an id"),
    "lengths": (["a"], [["d", "e"]], [[1.0]], r"row 1, field 'scores': 1 scores, expected 2, one for each document"),
    "null": (["a"], [["d"]], [[None]], r"row 1, field 'scores': nan or null, expected a number"),
    "null list": (["a", "b"], [["d"], None], [[1.0], [1.0]], r"row 2, field 'document_ids': null, expected a list"),
    "null id": (["a", "b"], [["d"], [None]], [[1.0], [1.0]], r"row 2, field 'document_ids': null, expected an id"),
    "no list": (
        ["a"],
        ["d"],
        [[1.0]],
        r"row 1, field 'document_ids': a string \(d\), expected a list, or a text that spells one",
    ),
    "numbers": (["a"], [1], [[1.0]], r"field 'document_ids': int64, expected lists"),
    "words": (["a"], [["d"]], ["[high]"], r"row 1, field 'scores': a string \(\[high\]\), expected a list, or a"),
    "twice": (["a"], [["d", "d"]], [[1.0, 2.0]], r"row 1: document 'd' occurs twice for query 'a'"),
}


@pytest.mark.parametrize(("queries", "documents", "scores", "message"), BAD_SCORES.values(), ids=BAD_SCORES)
def test_malformed_tables_of_scores(tmp_path, queries, documents, scores, message):
    path = tmp_path / "kd.parquet"
    pq.write_table(pa.table({"query_id": queries, "document_ids": documents, "scores": scores}), path)
    with pytest.raises(FormatError, match=message):
        hm.Candidates.read(path, "pylate")


@pytest.mark.parametrize(("name", "file"), [f for f in FILES if f[0] not in ("hardmine",)])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch, name, file):
    RUN.write(tmp_path / file, name)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        RUN.replace(scores=RUN.scores * 0.5).write(tmp_path / file, name)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("name", ["trec-run", "parquet", "arrow", "npz", "pylate", "tevatron", "msmarco"])
def test_a_folder_that_is_not_there(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="the folder .*gone does not exist"):
        RUN.write(tmp_path / "gone" / ("run.parquet" if name == "pylate" else "run"), name)


def test_unnamed_formats(tmp_path):
    with pytest.raises(ValueError, match=r"run.xyz: suffix '.xyz', expected .trec, .run, .hm, .parquet"):
        RUN.write(tmp_path / "run.xyz")
    with pytest.raises(ValueError, match="format: 'beir', expected one of 'trec-run', 'msmarco', 'tevatron'"):
        RUN.write(tmp_path / "run", "beir")


def test_infinite_scores_have_no_word_in_json(tmp_path):
    run = hm.Candidates([0, 1], [0], np.float32([-np.inf]))
    with pytest.raises(FormatError, match=r"kd.jsonl, field 'scores': an infinite score, expected finite ones, or .p"):
        run.write(tmp_path / "kd.jsonl", "pylate")
    assert not (tmp_path / "kd.jsonl").exists()
    run.write(tmp_path / "kd.parquet", "pylate")
    assert hm.Candidates.read(tmp_path / "kd.parquet", "pylate").scores.tolist() == [-np.inf]


@pytest.mark.parametrize("name", ["trec-run", "msmarco", "tevatron", "trec-qrels"])
def test_an_id_that_begins_as_a_file_does(tmp_path, name):
    """The first letter of a file is taken for a mark, and would be missing from its first id."""
    collection = hm.Collection.from_ids(["\ufeffq"], ["d"], ["d"])
    run = hm.Candidates([0, 1], [0], np.float32([1]), query_ids=collection.query_ids)
    with pytest.raises(FormatError, match=r"the id '.ufeffq', expected ids that do not begin with U.FEFF"):
        (collection if name == "trec-qrels" else run).write(tmp_path / "out", name)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["trec-run", "pylate", "parquet", "arrow", "npz", "npy"])
@pytest.mark.parametrize("suffix", ["", ".parquet", ".jsonl"])
def test_a_pipe_is_not_read(tmp_path, name, suffix):
    """It gives its bytes once, and readers look twice; nobody waits for a writer that never comes."""
    pipe = tmp_path / f"pipe{suffix}"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match=rf"pipe{suffix}: not a regular file but a pipe, which cannot be read twice$"):
        hm.Candidates.read(pipe, name)


@pytest.mark.parametrize("layout", ["jsonl", "parquet", "csv"])
def test_a_pipe_is_no_collection(tmp_path, layout):
    pipe = tmp_path / f"pipe.{layout}"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="not a regular file but a pipe, which cannot be read twice$"):
        hm.Collection.read(pipe)
