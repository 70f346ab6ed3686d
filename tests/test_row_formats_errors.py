"""What is wrong with a file of training rows: the file, the line, the field, what came, what was wanted."""

import json
import pickle
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hardmine as hm
from hardmine.formats import json_stream, pylate
from hardmine.formats.errors import FormatError


def rows(path, name):
    return [found for table in hm.formats.read_rows(path, name) for found in table.to_pylist()]


def refused(path, name, message):
    with pytest.raises(FormatError) as caught:
        rows(path, name)
    assert "\n" not in str(caught.value)
    assert re.sub(r".*/", "", str(caught.value)) == message


def test_an_error_crosses_processes():
    error = FormatError(Path("rows.csv"), "a number", "a text", line=3, field="query", unit="row")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "rows.csv, row 3, field 'query': a number, expected a text"
    assert vars(again) == vars(error)


FLAG = {"query": "q", "pos": ["p"], "neg": ["n"]}
TEVATRON = {"query_id": "1", "query": "q", "positive_passages": [{"docid": "1", "title": "", "text": "p"}]}
SWIFT = {"messages": [{"role": "user", "content": "q"}], "positive_messages": [[{"role": "user", "content": "p"}]]}
ST = "sentence-transformers:"
LINES = [
    # FlagEmbedding's trainer takes the letters of a string for passages (its issue 1388).
    ("flag-embedding", FLAG | {"pos": "p"}, "field 'pos': a string (p), expected a list of strings"),
    ("flag-embedding", FLAG | {"neg": "n"}, "field 'neg': a string (n), expected a list of strings"),
    ("flag-embedding", FLAG | {"pos": []}, "field 'pos': empty, expected at least one of strings"),
    ("flag-embedding", FLAG | {"pos": None}, "field 'pos': null, expected a list of strings"),
    ("flag-embedding", {"query": "q", "neg": ["n"]},
     "field 'pos': missing; found query, neg, expected a list of strings under this name"),
    ("flag-embedding", FLAG | {"pos": ["p", 3]}, "field 'pos[1]': a number (3), expected a string"),
    ("flag-embedding", FLAG | {"neg": ["n", None]}, "field 'neg[1]': null (None), expected a string"),
    ("flag-embedding", FLAG | {"query": 5}, "field 'query': a number (5), expected a string"),
    ("flag-embedding", FLAG | {"pos_scores": [0.5, 0.4]},
     "field 'pos_scores': 2 numbers, expected 1, one for each of pos"),
    ("flag-embedding", FLAG | {"neg_scores": []}, "field 'neg_scores': 0 numbers, expected 1, one for each of neg"),
    ("flag-embedding", FLAG | {"neg_scores": 0.5}, "field 'neg_scores': a number (0.5), expected a list of numbers"),
    ("flag-embedding", FLAG | {"neg_scores": ["x"]}, "field 'neg_scores[0]': a string (x), expected a number"),
    ("flag-embedding", FLAG | {"neg_scores": [True]}, "field 'neg_scores[0]': a boolean (True), expected a number"),
    ("flag-embedding", FLAG | {"neg_scores": [10**400]},
     f"field 'neg_scores[0]': 1{'0' * 56}..., expected a number that 64 bits can hold"),
    ("flag-embedding", FLAG | {"neg": ["\ud800"]},
     "field 'neg[0]': half of a surrogate pair ('\\ud800'), expected Unicode text"),
    ("flag-embedding", [1], "a list ([1]), expected one JSON object per line"),
    ("tevatron", TEVATRON | {"positive_passages": {}},
     "field 'positive_passages': an object ({}), expected a list of objects"),
    ("tevatron", TEVATRON | {"positive_passages": ["p"]},
     "field 'positive_passages[0]': a string (p), expected an object"),
    ("tevatron", TEVATRON | {"positive_passages": [{"docid": "1"}]},
     "field 'positive_passages[0].text': missing; found docid, expected a string under this name"),
    ("tevatron", TEVATRON | {"positive_passages": [{"docid": [], "text": "p"}]},
     "field 'positive_passages[0].docid': a list ([]), expected a string"),
    ("tevatron", TEVATRON | {"negative_passages": [{"docid": "1", "text": "p", "score": "x"}]},
     "field 'negative_passages[0].score': a string (x), expected a number"),
    ("tevatron", {name: TEVATRON[name] for name in ("query", "positive_passages")},
     "field 'query_id': missing; found query, positive_passages, expected a string under this name"),
    ("tevatron-ids", {"query_id": "1", "query_text": "q", "positive_document_ids": [1.5]},
     "field 'positive_document_ids[0]': a number (1.5), expected a string or an integer"),
    ("tevatron-ids", {"query_id": "1", "query_text": "q", "positive_document_ids": "12"},
     "field 'positive_document_ids': a string (12), expected a list of ids"),
    ("automodel", {"query": "q", "pos_doc": []}, "field 'pos_doc': empty, expected at least one of strings"),
    ("automodel", {"query": "q", "pos_doc": [{"image": 1}]},
     "field 'pos_doc[0].text': missing; found image, expected a string under this name"),
    ("automodel", {"ask": "q", "pos_doc": "p"},
     "field 'query': missing; found ask, pos_doc, expected a string under this name (or question)"),
    ("llama-index", {"query": "q", "relevant_passages": "p"},
     "field 'relevant_passages': a string (p), expected a list of strings"),
    ("ms-swift", SWIFT | {"positive_messages": SWIFT["positive_messages"] * 2},
     "field 'positive_messages': 2 items, expected one"),
    ("ms-swift", SWIFT | {"messages": []}, "field 'messages': empty, expected a list of messages"),
    ("ms-swift", SWIFT | {"negative_messages": [{"role": "user", "content": "n"}]},
     "field 'negative_messages[0]': an object, expected a list of messages"),
    ("ms-swift", SWIFT | {"negative_messages": [[{"role": "user"}]]},
     "field 'negative_messages[0][0].content': missing; found role, expected a string under this name"),
    ("ids", {"query_id": "1", "negative_ids": ["2"]},
     "field 'positive_id': missing; found query_id, negative_ids, expected an id or a list of ids under this name "
     "(or positive_ids)"),
    ("ids", {"query_id": "1", "positive_id": "2", "negative_ids": ["3"], "scores": [1]},
     "field 'scores': 1 numbers, expected 2, one for each of the positives and negatives"),
    ("msmarco-hard-negatives", {"qid": 1, "pos": [2], "neg": [3]},
     "field 'neg': a list ([3]), expected an object of lists by system"),
    ("msmarco-hard-negatives", {"qid": 1, "pos": [2], "neg": {"bm25": 3}},
     "field 'neg.bm25': a number (3), expected a list of ids"),
    ("msmarco-hard-negatives", {"qid": 1, "pos": [2], "neg": {"bm25": [3, None]}},
     "field 'neg.bm25[1]': null (None), expected a string or an integer"),
    ("pylate", {"query_id": 1, "document_ids": []}, "field 'document_ids': empty, expected at least one of ids"),
    ("pylate", {"query_id": 1, "document_ids": "[1, 2"},
     "field 'document_ids': a string ([1, 2), expected a list, or a text that spells one"),
    ("pylate", {"query_id": 1, "document_ids": "__import__('os')"},
     "field 'document_ids': a string (__import__('os')), expected a list, or a text that spells one"),
    ("pylate", {"query_id": 1, "document_ids": [1, 2], "scores": [0.5]},
     "field 'scores': 1 numbers, expected 2, one for each of document_ids"),
    ("gpl", {"qid": "q", "pos": []}, "field 'pos': empty, expected at least one of ids"),
    ("colbert", [1], "a list ([1]), expected a list of a query, a positive and negatives"),
    ("colbert", {"q": 1}, """an object ({"q": 1}), expected a list of a query, a positive and negatives"""),
    ("colbert", [1, 2.5], "field '[1]': a number (2.5), expected a string or an integer"),
    ("colbert", [None, 2], "field '[0]': null (None), expected a string or an integer"),
    ("colbert", [1, [2, 0.5], [3]], "field '[2]': a list ([3]), expected a list of a document and its score"),
    ("colbert", [1, [2, 0.5], [3, "x"]], "field '[2][1]': a string (x), expected a number"),
    (ST + "triplet", {"a": "q", "b": "p"}, "columns a, b, expected three: the query, the positive, the negative"),
    (ST + "triplet", {"a": "q", "b": "p", "c": "n", "scores": [1]},
     "field 'scores': 1 numbers, expected 2, one for each of the positive and the negative"),
    (ST + "n-tuple", {"a": "q", "label": 1}, "columns a, expected at least two: the query, the positive, negatives"),
    (ST + "labeled-pair", {"a": "q", "b": "p", "label": 2}, "field 'label': a number (2), expected 0 or 1"),
    (ST + "labeled-pair", {"a": "q", "b": "p"}, "field 'label': missing or null, expected 0 or 1"),
    (ST + "labeled-pair", {"a": "q", "b": "p", "score": 0.5},
     "field 'score': a score, expected a label of 0 or 1: a score does not say which documents are positive"),
    (ST + "labeled-list", {"a": "q", "b": "p", "labels": [1]}, "field 'b': a string (p), expected a list of strings"),
    (ST + "labeled-list", {"a": "q", "b": ["p"], "labels": [1, 0]},
     "field 'labels': 2 labels, expected 1, one for each of b"),
    (ST + "labeled-list", {"a": "q", "b": ["p"], "labels": ["x"]},
     "field 'labels[0]': a string (x), expected 0 or 1"),
]  # fmt: skip
GOOD = {
    "flag-embedding": FLAG, "tevatron": TEVATRON, "ms-swift": SWIFT, "automodel": {"query": "q", "pos_doc": "p"},
    "tevatron-ids": {"query_id": "1", "query_text": "q", "positive_document_ids": ["1"]},
    "llama-index": {"query": "q", "relevant_passages": ["p"]}, "ids": {"query_id": 1, "positive_id": 2},
    "msmarco-hard-negatives": {"qid": 1, "pos": [2]}, "gpl": {"qid": "q", "pos": ["p"]}, "colbert": [1, 2, 3],
    "pylate": {"query_id": 1, "document_ids": [2]},
}  # fmt: skip


@pytest.mark.parametrize(("name", "bad", "message"), LINES)
def test_a_line_is_named(tmp_path, name, bad, message):
    """Behind a good line and an empty one, which count."""
    path = tmp_path / "rows.jsonl"
    good = json.dumps(GOOD[name]) + "\n\n" if name in GOOD else ""
    path.write_text(good + json.dumps(bad) + "\n")
    place = f"rows.jsonl, line {3 if good else 1}"
    refused(path, name, f"{place}, {message}" if message.startswith("field") else f"{place}: {message}")


def test_a_row_of_parquet_is_named(tmp_path):
    table = pa.table({"query_id": ["1", "2"], "query_text": ["a", "b"], "positive_document_ids": [["x"], []]})
    pq.write_table(table, tmp_path / "rows.parquet")
    refused(
        tmp_path / "rows.parquet", "tevatron-ids",
        "rows.parquet, row 2, field 'positive_document_ids': empty, expected at least one of ids",
    )  # fmt: skip


def test_what_nobody_can_read(tmp_path):
    path = tmp_path / "rows.jsonl"
    with pytest.raises(FileNotFoundError, match=r"rows\.jsonl: no such file"):
        rows(path, "flag-embedding")
    path.write_bytes(b'{"query": "a", "pos": ["x"]}\n{"query"')
    refused(
        path,
        "flag-embedding",
        "rows.jsonl, line 2: '{\"query\"' (Expecting '), expected one JSON object per line",
    )
    path.write_bytes(b'{"query": "\xff"}')
    refused(path, "flag-embedding", "rows.jsonl, line 1: byte 0xff at position 12, expected UTF-8 text")
    with pytest.raises(ValueError, match="format: 'x', expected one of 'flag-embedding'"):
        rows(path, "x")


# Ids and their corpora


def test_an_id_that_the_corpus_lacks_is_named(tmp_path):
    (tmp_path / "rows.corpus.jsonl").write_text('{"docid": "1", "title": "T", "text": "p"}\n')
    line = '{"query_id": "1", "query_text": "q", "positive_document_ids": ["1"], "negative_document_ids": [%s]}\n'
    (tmp_path / "rows.jsonl").write_text(line % "" + line % '"7"')
    refused(
        tmp_path / "rows.jsonl", "tevatron-ids",
        "rows.jsonl, row 2, field 'negative_ids': '7', expected an id of rows.corpus.jsonl",
    )  # fmt: skip
    (tmp_path / "rows.jsonl").write_text(line % "")
    assert rows(tmp_path / "rows.jsonl", "tevatron-ids")[0]["positive_titles"] == ["T"]
    (tmp_path / "rows.corpus.jsonl").write_text('{"docid": "1", "text": "p"}\n{"docid": 1, "text": "q"}\n')
    refused(
        tmp_path / "rows.jsonl", "tevatron-ids",
        "rows.corpus.jsonl, line 2: document id '1' occurs twice, expected every document once",
    )  # fmt: skip


def test_pylate_tables_as_others_write_them(tmp_path):
    """Folders of the hub, texts under other names, integers for ids, lists that are texts."""
    for part, table in {
        "train": {"query_id": [1, 2], "document_ids": ["[7, 8]", "['8']"], "scores": ["[1.5, -0.5]", "[2]"]},
        "queries": {"query_id": [1, 2], "query": ["a", "b"]},
        "documents": {"document_id": [7, 8], "document": ["x", "y"]},
    }.items():
        (tmp_path / part).mkdir()
        pq.write_table(pa.table(table), tmp_path / part / "0000.parquet")
    found = rows(tmp_path, "pylate")
    assert [(one["query"], one["positives"], one["negatives"], one["positive_scores"]) for one in found] == [
        ("a", ["x"], ["y"], [1.5]), ("b", ["y"], [], [2.0])
    ]  # fmt: skip
    pq.write_table(pa.table({"query_id": [1], "query": ["a"]}), tmp_path / "queries" / "0000.parquet")
    refused(tmp_path, "pylate", "0000.parquet, row 2, field 'query_id': '2', expected an id of 0000.parquet")
    with pytest.raises(FileNotFoundError, match="no train.parquet or train.jsonl"):
        rows(tmp_path / "train", "pylate")


@pytest.fixture
def automodel(tmp_path):
    """A document and its corpus, as others write them."""
    folder = tmp_path / "wiki"
    folder.mkdir()
    (folder / "merlin_metadata.json").write_text('{"class": "TextQADataset", "corpus_id": "wiki"}')
    pq.write_table(pa.table({"id": ["1", "2"], "text": ["x", "y"]}), folder / "train.parquet")
    document = {
        "mining": {"args": {"k": [1, 2]}},
        "corpus": [{"path": "wiki"}],
        "data": [
            {"question_id": "q1", "question": "a", "corpus_id": "wiki", "pos_doc": [{"id": "1"}], "neg_doc": ["2"]},
            {"question_id": "q2", "question": "b", "corpus_id": "wiki", "pos_doc": ["2"], "neg_doc": []},
        ],
    }

    def write(**changes):
        document.update(changes)
        (tmp_path / "rows.json").write_text(json.dumps(document, indent=1))
        return tmp_path / "rows.json"

    return write


def test_automodel_as_others_write_it(automodel):
    path = automodel()
    found = rows(path, "automodel")
    assert [(one["query_id"], one["positives"], one["negatives"]) for one in found] == [
        ("q1", ["x"], ["y"]),
        ("q2", ["y"], []),
    ]
    text = path.read_text().replace('{\n     "id": "1"\n    }', '{"id": 1, "score": -Infinity}')
    path.write_text(text)
    assert rows(path, "automodel")[0]["positive_scores"] == [float("-inf")]
    path = automodel(corpus={"path": str(path.parent / "wiki")})
    assert len(rows(path, "automodel")) == 2


AUTOMODEL = [
    ({"corpus": []}, "rows.json, field 'corpus': missing or empty, expected a list of objects with a path"),
    ({"corpus": [{"path": 1}]}, "rows.json, line 1, field 'corpus[0].path': a number (1), expected a string"),
    ({"data": 5}, "rows.json, line 15, field 'data': '5', expected an array of objects"),
    ({"data": [3]}, "rows.json, line 16, field 'data': a number (3), expected an object"),
    ({"data": [{"question_id": "1", "question": "a", "corpus_id": "x", "pos_doc": ["1"]}]},
     "rows.json, line 16, field 'corpus_id': 'x', expected one of wiki"),
    ({"data": [{"question_id": "1", "question": "a", "corpus_id": "wiki", "pos_doc": ["1"], "neg_doc": ["9"]}]},
     "rows.json, line 16, field 'neg_doc[0]': '9', expected an id of wiki"),
    ({"data": [{"question_id": "1", "question": "a", "corpus_id": "wiki", "pos_doc": []}]},
     "rows.json, line 16, field 'pos_doc': empty, expected at least one of objects"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), AUTOMODEL)
def test_what_is_wrong_with_a_document_of_automodel(automodel, changes, message):
    refused(automodel(**changes), "automodel", message)


def test_what_is_wrong_with_a_corpus_of_automodel(automodel, tmp_path):
    path = automodel()
    about = tmp_path / "wiki" / "merlin_metadata.json"
    about.write_text('{"class": "ImageDataset", "corpus_id": "wiki"}')
    refused(path, "automodel", "merlin_metadata.json, line 1, field '.class': 'ImageDataset', expected 'TextQADataset'")
    about.unlink()
    with pytest.raises(
        FileNotFoundError, match=r"merlin_metadata\.json: no such file, expected in the corpus that rows\.json"
    ):
        rows(path, "automodel")


# Documents that are one JSON value


DPR = json.dumps(
    {
        "question": "a",
        "answers": [],
        "positive_ctxs": [{"title": "T", "text": "x"}],
        "hard_negative_ctxs": [],
        "negative_ctxs": [{"title": "", "text": "n"}],
    }
)


@pytest.mark.parametrize("block", [1, 2, 7, 64, 1 << 20])
def test_a_document_is_read_in_blocks(tmp_path, monkeypatch, block):
    monkeypatch.setattr(json_stream, "_BLOCK", block)
    path = tmp_path / "rows.json"
    path.write_text(f"\ufeff[\n{DPR},\n\n {DPR}\n]\n \n")
    found = rows(path, "dpr")
    assert [(one["positives"], one["positive_titles"], one["negatives"]) for one in found] == [
        (["x"], ["T"], ["n"])
    ] * 2
    path.write_text("[ ]")
    assert rows(path, "dpr") == []
    assert json_stream.member(path.with_name("rows.json"), "x") is None if path.write_text("{}") else False
    path.write_text('{"n": 123456789, "s": "]", "x": [1, 2.5e3, null], "y": 1}')
    assert json_stream.member(path, "n") == 123456789
    assert json_stream.member(path, "x") == [1, 2500.0, None]


BROKEN = [
    ("", "rows.json, line 1: the end, expected an array of objects"),
    ("{}", "rows.json, line 1: '{', expected an array of objects"),
    (f"[\n{DPR}", "rows.json, line 2: the end, expected ',' or ']'"),
    (f"[\n{DPR}\n{DPR}]", "rows.json, line 3: '{', expected ',' or ']'"),
    (
        f'[\n{DPR},\n{{"question" 3}}' + " " * 99,
        "rows.json, line 3: '{\"question\" 3}' (Expecting ':' delimiter), expected JSON",
    ),
    (f"[{DPR}] x", "rows.json, line 1: 'x', expected nothing behind the document"),
    ("[\n\n7]", "rows.json, line 3: a number (7), expected an object"),
    ("[" * 100_000, "rows.json, line 1: values nested too deeply, expected JSON"),
    (
        '[\n{"question": "a", "positive_ctxs": []}]',
        "rows.json, line 2, field 'positive_ctxs': empty, expected at least one of objects",
    ),
]


@pytest.mark.parametrize("block", [1, 30, 1 << 20])
@pytest.mark.parametrize(("text", "message"), BROKEN, ids=range(len(BROKEN)))
def test_what_is_wrong_with_a_document(tmp_path, monkeypatch, text, message, block):
    monkeypatch.setattr(json_stream, "_BLOCK", block)
    (tmp_path / "rows.json").write_text(text)
    refused(tmp_path / "rows.json", "dpr", message)


def test_a_document_that_is_no_text(tmp_path):
    (tmp_path / "rows.json").write_bytes(b'[\n{"question": "\xff"}]')
    with pytest.raises(FormatError, match=r"rows\.json, line \d: byte 0xff in or after this line, expected UTF-8 text"):
        rows(tmp_path / "rows.json", "dpr")
    (tmp_path / "rows.json.gz").write_bytes(b"no gzip at all")
    with pytest.raises(FormatError, match=r"rows\.json\.gz, line 1: broken gzip data"):
        rows(tmp_path / "rows.json.gz", "dpr")


# Flat files


def test_flat_files_as_others_write_them(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b'\xef\xbb\xbfa,b,label\r\nq,"p, and ""more""",1\r\nq,"n\nn",0\r\nr,,0\r\n')
    found = rows(path, ST + "labeled-pair")
    assert [(one["query"], one["positives"], one["negatives"]) for one in found] == [
        ("q", ['p, and "more"'], ["n\nn"]), ("r", [], [""])
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), [
    (b"", r"rows\.csv: unreadable after row 0 \(.*\), expected a header and rows of as many values"),
    (b"a,b,label\nq,p,1\nq,p\n", r"rows\.csv: unreadable after row \d \(.*\), expected a header and rows of as many"),
    (b"a,b,a\nq,p,1\n", r"rows\.csv, line 1: 'a' twice in the header, expected every column once"),
    (b"a,b,label\nq,p,x\n", r"rows\.csv, row 1, field 'label': a string \(x\), expected 0 or 1"),
    (b"a,b,label\nq,\xff,1\n", r"rows\.csv: unreadable after row 0 \(.*"),
])  # fmt: skip
def test_what_is_wrong_with_a_flat_file(tmp_path, text, message):
    (tmp_path / "rows.csv").write_bytes(text)
    with pytest.raises(FormatError, match=message):
        rows(tmp_path / "rows.csv", ST + "labeled-pair")


# Tables in bulk


KD = {"query_id": [1, 2], "document_ids": [[7, 8], [8]], "scores": [[1.5, -0.5], [2.0]]}
KD_WRONG = [
    ({"document_ids": [[7], []]}, "row 1, field 'scores': 2 numbers, expected 1, one for each of document_ids"),
    ({"document_ids": [[7, 8], []], "scores": [[1.0, 2.0], []]},
     "row 2, field 'document_ids': empty, expected at least one of ids"),
    ({"document_ids": [[7, 8], [None]]},
     "row 2, field 'document_ids[0]': null (None), expected a string or an integer"),
    ({"document_ids": [[7, 8], None]}, "row 2, field 'document_ids': null, expected a list of ids"),
    ({"document_ids": [[7.5, 8.0], [8.0]]},
     "row 1, field 'document_ids[0]': a number (7.5), expected a string or an integer"),
    ({"query_id": [1, None]}, "row 2, field 'query_id': null, expected a string"),
    ({"query_id": [1.5, 2.0]}, "row 1, field 'query_id': a number (1.5), expected a string"),
]  # fmt: skip


@pytest.mark.parametrize("batch", [1, 64])
def test_tables_in_bulk_are_rows_one_by_one(tmp_path, monkeypatch, batch):
    monkeypatch.setattr(pylate, "_BATCH_ROWS", batch)
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table(KD), path)
    one_by_one = next(pylate.tables(pylate._record(row) for row in pylate.rows_of(path))).to_pylist()
    assert rows(path, "pylate") == one_by_one
    assert one_by_one[0]["negative_scores"] == [-0.5]
    pq.write_table(pa.table({name: KD[name] for name in ("query_id", "document_ids")}), path)
    assert [one["positive_scores"] for one in rows(path, "pylate")] == [None, None]
    pq.write_table(pa.table(KD | {"scores": [[1.0, None], None]}), path)
    assert [one["negative_scores"] for one in rows(path, "pylate")] == [[None], None]


@pytest.mark.parametrize("batch", [1, 64])
@pytest.mark.parametrize(("changes", "message"), KD_WRONG)
def test_what_is_wrong_with_a_table(tmp_path, monkeypatch, changes, message, batch):
    monkeypatch.setattr(pylate, "_BATCH_ROWS", batch)
    pq.write_table(pa.table(KD | changes), tmp_path / "rows.parquet")
    refused(tmp_path / "rows.parquet", "pylate", f"rows.parquet, {message}")


def test_a_table_that_is_none(tmp_path):
    path = tmp_path / "rows.parquet"
    with pytest.raises(FileNotFoundError, match=r"rows\.parquet: no such file"):
        rows(path, "pylate")
    path.write_bytes(b"PAR1 and so on")
    with pytest.raises(FormatError, match=r"rows\.parquet: unreadable after row 0 \(.*\), expected a parquet file"):
        rows(path, "pylate")


def test_colbert_with_scores(tmp_path):
    (tmp_path / "rows.jsonl").write_text("[1, [7, 0.5], [8, -1]]\n\n[2, 7, 8, 9]\n")
    found = rows(tmp_path / "rows.jsonl", "colbert")
    assert [(one["positive_ids"], one["negative_ids"], one["negative_scores"]) for one in found] == [
        (["7"], ["8"], [-1.0]), (["7"], ["8", "9"], None)
    ]  # fmt: skip


def test_arctic(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"QUERY_ID": [1, 1, 2], "DOCUMENT_ID": [7, 8, 7], "RELEVANCE": [-1, 1, 1]}), path)
    assert [(one["query_id"], one["positive_ids"], one["negative_ids"]) for one in rows(path, "arctic")] == [
        ("1", ["8"], ["7"]), ("2", ["7"], [])
    ]  # fmt: skip
    pq.write_table(pa.table({"QUERY_ID": [1], "DOCUMENT_ID": [7], "RELEVANCE": [0]}), path)
    refused(path, "arctic", "rows.parquet, row 1, field 'RELEVANCE': a number (0), expected 1 or -1")


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_an_empty_id_of_a_table_of_scores(tmp_path, suffix):
    path = tmp_path / f"kd.{suffix}"
    row = {"query_id": "q", "document_ids": ["a", ""], "scores": [1.0, 0.5]}
    if suffix == "jsonl":
        path.write_text(json.dumps(row))
    else:
        pq.write_table(pa.Table.from_pylist([row]), path)
    unit = "line" if suffix == "jsonl" else "row"
    refused(path, "pylate", f"kd.{suffix}, {unit} 1, field 'document_ids[1]': empty, expected an id")
