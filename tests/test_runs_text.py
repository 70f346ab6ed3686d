"""Runs as text: order, triples, trec_eval, and what malformed lines say."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hardmine as hm
from hardmine.formats import FormatError, rows
from tests.oracle import runs as oracle
from tests.run_cases import COLLECTION, RUN, table, triples


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


def test_ids_that_a_line_cannot_hold(tmp_path):
    run = RUN.replace(document_ids=["a b", "c", "d", "e"])
    with pytest.raises(FormatError, match=r"run.trec: the id 'a b', expected ids without white space"):
        run.write(tmp_path / "run.trec")
    assert list(tmp_path.iterdir()) == []
    run.write(tmp_path / "run.tsv", "msmarco")
    assert "a b" in (tmp_path / "run.tsv").read_text()


@pytest.mark.parametrize("name", ["trec-run", "msmarco", "tevatron", "trec-qrels"])
def test_an_id_that_begins_as_a_file_does(tmp_path, name):
    """The first letter of a file is taken for a mark, and would be missing from its first id."""
    collection = hm.Collection.from_ids(["\ufeffq"], ["d"], ["d"])
    run = hm.Candidates([0, 1], [0], np.float32([1]), query_ids=collection.query_ids)
    with pytest.raises(FormatError, match=r"the id '.ufeffq', expected ids that do not begin with U.FEFF"):
        (collection if name == "trec-qrels" else run).write(tmp_path / "out", name)
    assert not (tmp_path / "out").exists()
