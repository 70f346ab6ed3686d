"""Runs from outside: every layout read and written, unknown ids, scores of positives, whole or absent."""

import os

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import hardmine as hm
from hardmine.formats import FormatError, access, run_order
from tests.oracle import runs as oracle
from tests.run_cases import COLLECTION, FILES, RUN, table, triples

GOLDEN = {
    "trec-run": "q1 Q0 d2 1 0.75 my_engine\nq1 Q0 d1 2 0.5 my_engine\nq1 Q0 d3 3 0.5 my_engine\n"
    "q3 Q0 d4 1 3e+30 my_engine\nq3 Q0 d1 2 -1.25 my_engine\n",
    "msmarco": "q1\td2\t1\nq1\td1\t2\nq1\td3\t3\nq3\td4\t1\nq3\td1\t2\n",
    "tevatron": "q1\td2\t0.75\nq1\td1\t0.5\nq1\td3\t0.5\nq3\td4\t3e+30\nq3\td1\t-1.25\n",
    "pylate": '{"query_id": "q1", "document_ids": ["d2", "d1", "d3"], "scores": [0.75, 0.5, 0.5]}\n'
    '{"query_id": "q3", "document_ids": ["d4", "d1"], "scores": [3e+30, -1.25]}\n',
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
        wanted = table(RUN)
        if name == "msmarco":  # a rank in place of each score
            wanted = {q: [(d, -rank) for rank, (d, _) in enumerate(row, start=1)] for q, row in wanted.items()}
        assert table(hm.Candidates.read(file, name)) == wanted


def test_names_of_a_run_without_names(tmp_path):
    bare = hm.Candidates(RUN.offsets, RUN.ids, RUN.scores)
    bare.write(tmp_path / "numbers.trec")
    assert (tmp_path / "numbers.trec").read_text().startswith("0 Q0 1 1 0.75 hardmine\n")
    bare.write(tmp_path / "names.trec", collection=COLLECTION)
    assert table(hm.Candidates.read(tmp_path / "names.trec")) == table(RUN)


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


@pytest.mark.parametrize(("given", "message"), [
    ({"collection": "x"}, "collection: str, expected a Collection or None"),
    ({"collection": RUN}, "collection: Candidates, expected a Collection or None"),
    ({"teacher": 5}, "teacher: int, expected a string or None"),
])  # fmt: skip
def test_arguments_of_another_kind(tmp_path, given, message):
    RUN.write(tmp_path / "run.trec")
    with pytest.raises(TypeError, match=f"^{message}$"):
        hm.Candidates.read(tmp_path / "run.trec", **given)
    if "collection" in given:
        with pytest.raises(TypeError, match=f"^{message}$"):
            RUN.write(tmp_path / "other.trec", **given)
    assert [file.name for file in tmp_path.iterdir()] == ["run.trec"]


def test_writing_something_else(tmp_path):
    with pytest.raises(TypeError, match="^run: Collection, expected Candidates$"):
        access.write_run(tmp_path / "run.trec", COLLECTION)
    for value in (None, RUN):
        with pytest.raises(TypeError, match=f"^collection: {type(value).__name__}, expected a Collection$"):
            access.write_collection(tmp_path / "pairs.jsonl", value)
