"""Collections: reading every layout, equal texts, and what malformed input says."""

import dataclasses
import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import hardmine as hm
from hardmine.formats import FormatError
from tests.oracle import collection as oracle
from tests.texts import write_beir, write_jsonl

CORPUS = [("d1", "Cats", "purr"), ("d2", "", "dogs bark"), ("d3", "", "")]
QUERIES = [("q2", "who barks"), ("q1", "who purrs"), ("q3", "who is silent")]


@pytest.fixture
def beir(tmp_path):
    train = [("q1", "d1", 1), ("q2", "d2", 2), ("q2", "d2", 1), ("q2", "d1", 0), ("q1", "d3", -1)]
    return write_beir(tmp_path / "beir", CORPUS, QUERIES, train=train, test=[("q3", "d3", 1)])


def test_beir(beir):
    collection = hm.Collection.read(beir)
    assert collection.queries.to_pydict() == {"id": ["q2", "q1"], "text": ["who barks", "who purrs"]}
    assert collection.document_texts.to_pylist() == ["Cats purr", "dogs bark", ""]
    assert [row.tolist() for row in collection.positives] == [[1], [0]]
    assert dict(collection.counts) == {
        "duplicate_judgements": 1, "judged_not_relevant": 2, "merged_queries": 0, "queries_without_positives": 1
    }  # fmt: skip
    assert repr(collection) == "Collection(2 queries, 3 documents, 2 positives)"


def test_beir_splits(beir):
    assert hm.Collection.read(beir, split="test").queries["id"].to_pylist() == ["q3"]
    with pytest.raises(ValueError, match=r"split: 'dev', expected one of test, train"):
        hm.Collection.read(beir, split="dev")
    (beir / "qrels/train.tsv").rename(beir / "qrels/dev.tsv")
    assert hm.Collection.read(beir).queries["id"].to_pylist() == ["q2", "q1"]
    (beir / "qrels/dev.tsv").rename(beir / "qrels/mine.tsv")
    assert hm.Collection.read(beir).queries["id"].to_pylist() == ["q3"]
    (beir / "qrels/test.tsv").rename(beir / "qrels/yours.tsv")
    with pytest.raises(ValueError, match="holds mine, yours; say which one with split"):
        hm.Collection.read(beir)


def test_beir_gzipped_is_the_same(beir):
    plain = hm.Collection.read(beir)
    for path in [*beir.glob("*.jsonl"), *beir.glob("qrels/*.tsv")]:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    zipped = hm.Collection.read(beir)
    assert zipped.queries.equals(plain.queries)
    assert zipped.documents.equals(plain.documents)
    assert zipped.positives.ids.tolist() == plain.positives.ids.tolist()


def test_identical_ids(tmp_path):
    folder = write_beir(tmp_path / "b", [("a", "", "x"), ("b", "", "y")], [("b", "q"), ("c", "r")],
                        train=[("b", "a", 1), ("c", "a", 1)])  # fmt: skip
    offsets, ids = hm.Collection.read(folder, ignore_identical_ids=True).identical_ids()
    assert (offsets.tolist(), ids.tolist()) == ([0, 1, 1], [1])


BAD_BEIR = {
    "corpus json": ("corpus.jsonl", '{"_id": "d1", "text": \n', r"corpus.jsonl, line 1: .* expected one JSON object"),
    "corpus list": ("corpus.jsonl", "[1]\n", r"corpus.jsonl, line 1: a list .* expected one JSON object per line"),
    "corpus no text": (
        "corpus.jsonl",
        '{"_id": "d1"}\n',
        r"line 1, field 'text': missing; found _id, expected a string",
    ),
    "corpus text type": (
        "corpus.jsonl",
        '{"_id": "d1", "text": 3}\n',
        r"line 1, field 'text': a number \(3\), expected",
    ),
    "corpus text null": ("corpus.jsonl", '{"_id": "d1", "text": null}\n', r"field 'text': null, expected a string"),
    "corpus title type": ("corpus.jsonl", '{"_id": "d1", "title": [], "text": ""}\n', r"field 'title': a list"),
    "corpus id": ("corpus.jsonl", '{"_id": true, "text": ""}\n', r"field '_id': a boolean \(True\), expected a string"),
    "corpus twice": ("corpus.jsonl", '{"_id": "d1", "text": ""}\n' * 2, r"line 2: document id 'd1' occurs twice"),
    "corpus surrogate": (
        "corpus.jsonl",
        '{"_id": "d1", "text": "\\ud800"}\n',
        r"field 'text': half of a surrogate pair",
    ),
    "corpus deep": ("corpus.jsonl", "[" * 100_000 + "\n", r"corpus.jsonl, line 1: "),
    "corpus empty": ("corpus.jsonl", "", r"corpus.jsonl: no documents, expected at least one"),
    "queries twice": (
        "queries.jsonl",
        '{"_id": "q1", "text": ""}\n' * 2,
        r"queries.jsonl, line 2: query id 'q1' occurs",
    ),
    "qrels columns": (
        "qrels/train.tsv",
        "a\tb\tc\nq1\td1\n",
        r"train.tsv, line 2: 2 columns .* expected three columns",
    ),
    "qrels header": ("qrels/train.tsv", "q1\td1\t1\n", r"train.tsv, line 1: no header .* expected the line query-id"),
    "qrels score": ("qrels/train.tsv", "a\tb\tc\nq1\td1\thigh\n", r"line 2, field 'score': 'high', expected a finite"),
    "qrels nan": (
        "qrels/train.tsv",
        "a\tb\tc\nq1\td1\tnan\n",
        r"line 2, field 'score': 'nan', expected a finite number",
    ),
    "qrels document": (
        "qrels/train.tsv",
        "a\tb\tc\nq1\td9\t1\n",
        r"line 2, field 'corpus-id': 'd9', expected an id of c",
    ),
    "qrels query": ("qrels/train.tsv", "a\tb\tc\nq9\td1\t1\n", r"line 2, field 'query-id': 'q9', expected an id of q"),
    "qrels none": ("qrels/train.tsv", "a\tb\tc\nq1\td1\t0\n", r"train.tsv: no judgement with a score above 0"),
    "qrels empty": ("qrels/train.tsv", "", r"train.tsv: no judgement with a score above 0, expected at least one"),
}


@pytest.mark.parametrize(("file", "text", "message"), BAD_BEIR.values(), ids=BAD_BEIR)
def test_malformed_beir(beir, file, text, message):
    (beir / file).write_text(text)
    with pytest.raises(FormatError, match=message) as caught:
        hm.Collection.read(beir)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["corpus.jsonl", "queries.jsonl", "qrels/train.tsv"])
def test_not_utf8(beir, file):
    (beir / file).write_bytes((beir / file).read_bytes() + b"caf\xe9\n")
    number = len((beir / file).read_bytes().splitlines())
    with pytest.raises(FormatError, match=rf"line {number}: byte 0xe9 at position 4, expected UTF-8 text"):
        hm.Collection.read(beir)


def test_truncated_gzip(beir):
    data = gzip.compress((beir / "corpus.jsonl").read_bytes() * 1000)
    (beir / "corpus.jsonl").unlink()
    (beir / "corpus.jsonl.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError, match=r"corpus.jsonl.gz, line \d+: .* expected"):
        hm.Collection.read(beir)
    (beir / "corpus.jsonl.gz").write_bytes(b"no gzip at all")
    with pytest.raises(FormatError, match=r"corpus.jsonl.gz, line 1: broken gzip data .* expected a whole gzip file"):
        hm.Collection.read(beir)


@pytest.mark.parametrize("file", ["corpus.jsonl", "queries.jsonl"])
def test_missing_beir_files(beir, file):
    (beir / file).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{file}: no such file"):
        hm.Collection.read(beir)


def test_missing_paths(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere: no such file or folder"):
        hm.Collection.read(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"no judgements \(\*.tsv\)"):
        hm.Collection.read(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nowhere.jsonl: no such file"):
        hm.Collection.read(tmp_path / "nowhere.jsonl", "jsonl")
    (tmp_path / "a.docx").touch()
    with pytest.raises(ValueError, match=r"a.docx: suffix '.docx', expected a BEIR folder, .jsonl"):
        hm.Collection.read(tmp_path / "a.docx")
    with pytest.raises(ValueError, match="format: 'xml', expected one of 'beir', 'jsonl', 'parquet'"):
        hm.Collection.read(tmp_path, "xml")


PAIRS = [
    {"question": "a?", "positive": "A"},
    {"question": "b?", "positive": ["B", "BB"]},
    {"question": "a?", "positive": "AA", "positive_2": "A"},
]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".ndjson"])
def test_pairs(tmp_path, suffix):
    collection = hm.Collection.read(write_jsonl(tmp_path / f"pairs{suffix}", PAIRS))
    assert collection.query_texts.to_pylist() == ["a?", "b?"]
    assert collection.document_texts.to_pylist() == ["A", "B", "BB", "AA"]
    assert [row.tolist() for row in collection.positives] == [[0, 3], [1, 2]]
    assert collection.column_names == ("question", "positive")
    assert collection.counts["merged_queries"] == 1
    assert collection.counts["duplicate_judgements"] == 1


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv", ".tsv"])
def test_queries_of_one_text_are_told_apart_by_their_ids(tmp_path, suffix):
    """A folder of BEIR may hold them, and comes back from every file of pairs, with each its own positives."""
    folder = tmp_path / "beir"
    folder.mkdir()
    write_jsonl(folder / "corpus.jsonl", [{"_id": f"d{i}", "text": f"text {i}"} for i in range(3)])
    write_jsonl(folder / "queries.jsonl", [{"_id": f"q{i}", "text": "same"} for i in range(2)])
    (folder / "qrels").mkdir()
    (folder / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq0\td1\t1\nq1\td2\t1\nq1\td0\t1\n")
    hm.Collection.read(folder).write(tmp_path / f"p{suffix}")
    found = hm.Collection.read(tmp_path / f"p{suffix}", corpus=tmp_path / f"p.corpus{suffix}")
    assert list(found.query_ids) == ["q0", "q1"]
    assert found.query_texts.to_pylist() == ["same", "same"]
    assert [[found.document_ids[i] for i in row] for row in found.positives] == [["d1"], ["d2", "d0"]]


def test_queries_of_one_text_by_ids_in_rows_and_columns(tmp_path):
    columns = {"query_id": ["1", "2", "1"], "query": ["a"] * 3, "positive": ["x", "y", "z"]}
    found = hm.Collection.from_dataset(pa.table(columns))
    assert list(found.query_ids) == ["1", "2"]
    assert [row.tolist() for row in found.positives] == [[0, 2], [1]]
    assert found.counts["merged_queries"] == 1
    rows = [
        {"query_id": name, "query": "a", "positive_passages": [{"docid": d, "text": d}], "negative_passages": []}
        for name, d in zip(columns["query_id"], columns["positive"], strict=True)
    ]
    found = hm.Collection.read(write_jsonl(tmp_path / "rows.jsonl", rows), "tevatron")
    assert list(found.query_ids) == ["1", "2"]
    assert [row.tolist() for row in found.positives] == [[0, 2], [1]]


def test_pairs_in_parquet(tmp_path):
    table = pa.table({"anchor": ["a?", "b?"], "pos": [["A"], ["B", "BB"]], "qid": [7, 8]})
    pq.write_table(table, tmp_path / "pairs.parquet")
    collection = hm.Collection.read(tmp_path / "pairs.parquet")
    assert collection.queries.to_pydict() == {"id": ["7", "8"], "text": ["a?", "b?"]}
    assert [row.tolist() for row in collection.positives] == [[0], [1, 2]]
    assert collection.column_names == ("anchor", "pos")


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_pairs_with_a_corpus(tmp_path, suffix):
    rows = [{"id": "x", "title": "T", "text": "A"}, {"id": "y", "title": "", "text": "B"}]
    corpus = tmp_path / f"corpus{suffix}"
    if suffix == ".jsonl":
        write_jsonl(corpus, rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), corpus)
    pairs = write_jsonl(
        tmp_path / "pairs.jsonl",
        [
            {"query": "1", "positive": "T A"},
            {"query": "2", "positive": "new"},
            {"query": "3", "positive_ids": ["y", "x"]},
        ],
    )
    collection = hm.Collection.read(pairs, corpus=corpus)
    assert collection.documents["id"].to_pylist() == ["x", "y", "positive-2"]
    assert [row.tolist() for row in collection.positives] == [[0], [2], [1, 0]]


BAD_PAIRS = {
    "no query": ([{"text": "a", "positive": "b"}], r"line 1, field 'query': missing; found text, positive, expected a"),
    "no positive": ([{"query": "a"}], r"line 1, field 'positive': missing; found query, expected a string under this"),
    "null positive": ([{"query": "a", "positive": None}], r"line 1, field 'positive': null, expected a string"),
    "empty list": ([{"query": "a", "positive": []}], r"line 1, field 'positive': .* expected"),
    "number": ([{"query": "a", "positive": "b"}, {"query": 3, "positive": "b"}], r"line 2, field 'query': a number \("),
    "list item": ([{"query": "a", "positive": ["b", 4]}], r"field 'positive': a number \(4\), expected a string or a"),
    "id without corpus": ([{"query": "a", "positive_id": "7"}], r"field 'positive_id': ids of documents, expected a c"),
    "query id": ([{"id": 1, "query": "a", "positive": "b"}, {"id": 1, "query": "c", "positive": "b"}],
                 r"line 2: query id '1' has another text in an earlier row, expected one text per query id"),
    "none": ([], r"pairs.jsonl: no rows, expected at least one \(query, positive\)"),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "message"), BAD_PAIRS.values(), ids=BAD_PAIRS)
def test_malformed_pairs(tmp_path, rows, message):
    with pytest.raises(FormatError, match=message):
        hm.Collection.read(write_jsonl(tmp_path / "pairs.jsonl", rows))


def test_malformed_corpus(tmp_path):
    pairs = write_jsonl(tmp_path / "pairs.jsonl", [{"query": "a", "positive_id": "z"}])
    corpus = write_jsonl(tmp_path / "corpus.jsonl", [{"id": "x", "text": "A"}])
    with pytest.raises(
        FormatError, match=r"pairs.jsonl, line 1, field 'positive_id': 'z', expected an id of corpus.jsonl"
    ):
        hm.Collection.read(pairs, corpus=corpus)
    with pytest.raises(FormatError, match=r"empty.jsonl: no documents, expected at least one"):
        hm.Collection.read(pairs, corpus=write_jsonl(tmp_path / "empty.jsonl", []))
    with pytest.raises(FileNotFoundError, match=r"gone.jsonl: no such file"):
        hm.Collection.read(pairs, corpus=tmp_path / "gone.jsonl")
    with pytest.raises(ValueError, match=r"corpus.txt: suffix '.txt', expected a corpus"):
        hm.Collection.read(pairs, corpus=tmp_path / "corpus.txt")
    with pytest.raises(ValueError, match="split: 'train', but only a BEIR folder or .* takes one"):
        hm.Collection.read(pairs, split="train")


def test_malformed_parquet(tmp_path):
    path = tmp_path / "pairs.parquet"
    path.write_bytes(b"PAR1 but not really PAR1")
    with pytest.raises(FormatError, match=r"pairs.parquet: unreadable after row 0 .* expected a parquet file"):
        hm.Collection.read(path)
    pq.write_table(pa.table({"query": ["a"], "positive": [3.5]}), path)
    with pytest.raises(
        FormatError, match=r"pairs.parquet, row 1, field 'positive': a number \(3.5\), expected a string"
    ):
        hm.Collection.read(path)
    pq.write_table(pa.table({"query": ["a" * 50_000], "positive": ["b"]}), path, compression="none")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(FormatError, match=r"pairs.parquet: unreadable after row 0"):
        hm.Collection.read(path)


def test_from_pairs():
    collection = hm.Collection.from_pairs(["a", "b", "a"], ["x", ["y", "z"], "y"], {"n1": "x", "n2": "other"})
    assert collection.documents["id"].to_pylist() == ["n1", "n2", "positive-2", "positive-3"]
    assert [row.tolist() for row in collection.positives] == [[0, 2], [2, 3]]
    with pytest.raises(ValueError, match=r"positives: 1 rows, expected 2 \(one per query\)"):
        hm.Collection.from_pairs(["a", "b"], ["x"])
    with pytest.raises(TypeError, match=r"queries\[1\]: int, expected a string"):
        hm.Collection.from_pairs(["a", 2], ["x", "y"])
    with pytest.raises(ValueError, match=r"positives\[0\]: empty, expected at least one text"):
        hm.Collection.from_pairs(["a"], [[]])
    with pytest.raises(ValueError, match="queries: none, expected at least one"):
        hm.Collection.from_pairs([], [])


def test_tables_are_checked():
    queries = pa.table({"id": ["q"], "text": ["t"]})
    documents = pa.table({"id": ["d"], "text": ["t"]})
    positives = hm.Positives.from_lists([[0]])
    assert hm.Collection(queries, documents, positives).documents["title"].to_pylist() == [""]
    with pytest.raises(ValueError, match="documents: no column 'text', found id"):
        hm.Collection(queries, documents.select(["id"]), positives)
    with pytest.raises(TypeError, match="queries: column 'text' of type int64, expected strings"):
        hm.Collection(pa.table({"id": ["q"], "text": [1]}), documents, positives)
    with pytest.raises(ValueError, match="queries: column 'text' holds 1 nulls, expected none"):
        hm.Collection(pa.table({"id": ["q"], "text": pa.array([None], pa.string())}), documents, positives)
    with pytest.raises(ValueError, match="positives: document 1, expected below 1"):
        hm.Collection(queries, documents, hm.Positives.from_lists([[1]]))
    with pytest.raises(ValueError, match="positives: 2 rows, expected 1"):
        hm.Collection(queries, documents, hm.Positives.from_lists([[0], [0]]))
    with pytest.raises(TypeError, match=r"queries: list, expected a pyarrow.Table"):
        hm.Collection([], documents, positives)


@example(["Straße", "STRASSE", "strasse ", "ﬁn", "fin", "\u00a0fin", "e\u0301", "é", "É", ""])
@given(st.lists(st.text(alphabet=" \t\u00a0aAßﬁfíéÉ①1\u017fs\n\x1c", max_size=4), min_size=1, max_size=12))
def test_groups_of_equal_texts(texts):
    table = pa.table({"id": [str(i) for i in range(len(texts))], "text": pa.array(texts, pa.string())})
    queries = pa.table({"id": ["q"], "text": ["t"]})
    collection = hm.Collection(queries, table, hm.Positives.from_lists([[0]]))
    assert collection.document_groups.tolist() == oracle.groups(texts)
    assert collection.document_groups.dtype == np.int64


def test_large_inputs_come_in_chunks(tmp_path):
    rows = [{"query": f"q{i}", "positive": f"p{i}"} for i in range(70_000)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    collection = hm.Collection.read(tmp_path / "pairs.jsonl")
    assert collection.num_documents == 70_000
    assert collection.document_texts[69_999].as_py() == "p69999"
    assert collection.query_texts[65_536].as_py() == "q65536"


@pytest.mark.parametrize(("changes", "error", "message"), [
    ({"positives": [[0], [1]]}, TypeError, "positives: list, expected Positives"),
    ({"column_names": ("x", "x")}, ValueError, "column_names: 'x' twice, expected two names"),
    ({"column_names": "ab"}, TypeError, "column_names: 'ab', expected two strings"),
    ({"column_names": ("x",)}, TypeError, "expected two strings"),
    ({"column_names": ("x", 1)}, TypeError, "column_names: int 1, expected two strings"),
    ({"ignore_identical_ids": "no"}, TypeError, "ignore_identical_ids: str 'no', expected True or False"),
    ({"counts": [1]}, TypeError, "counts: list, expected a mapping"),
])  # fmt: skip
def test_what_a_collection_is_made_of_is_named(changes, error, message):
    made = hm.Collection.from_pairs(["a", "b"], ["c", "d"])
    with pytest.raises(error, match=message):
        dataclasses.replace(made, **changes)
    assert dataclasses.replace(made, column_names=["q", "p"]).column_names == ("q", "p")
