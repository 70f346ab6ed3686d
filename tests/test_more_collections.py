"""Collections from ids, from datasets, from MS MARCO, csv and trec_eval; and written for others to read."""

import json

import datasets
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hardmine as hm
from hardmine.formats import FormatError
from hardmine.formats.corpora import beside


def labels(collection):
    names, documents = list(collection.query_ids), list(collection.document_ids)
    return {names[row]: [documents[d] for d in found] for row, found in enumerate(collection.positives)}


def same(one, other):
    assert one.queries.to_pydict() == other.queries.to_pydict()
    assert one.documents.to_pydict() == other.documents.to_pydict()
    assert one.positives.has_labels_of(other.positives)


# Ids


IDS = ["q1", "q2"], ["a", "b", "c"]


@pytest.mark.parametrize("positives", [
    ["b", ["a", "c"]], [("b",), ["a", "c", "a"]], hm.Positives.from_lists([[1], [0, 2]]),
    (np.array([0, 1, 3]), np.array([1, 0, 2])), [iter(["b"]), np.array(["a", "c"])],
])  # fmt: skip
def test_from_ids(positives):
    collection = hm.Collection.from_ids(*IDS, positives)
    assert not collection.has_texts
    assert labels(collection) == {"q1": ["b"], "q2": ["a", "c"]}
    assert collection.document_groups.tolist() == [0, 1, 2]
    assert collection.queries.column_names == collection.documents.column_names == ["id"]


@pytest.mark.parametrize("ids", [
    [5, 6, 7], np.array([5, 6, 7], np.uint8), pa.array([5, 6, 7]), pa.array(["5", "6", "7"]),
    hm.StringTable.from_strings(["5", "6", "7"]), (str(i) for i in (5, 6, 7)), pa.chunked_array([["5"], ["6", "7"]]),
])  # fmt: skip
def test_ids_of_any_kind(ids):
    collection = hm.Collection.from_ids(["q"], ids, [[6]])
    assert list(collection.document_ids) == ["5", "6", "7"]
    assert collection.positives[0].tolist() == [1], "an id, not a position"


BAD_IDS = {
    "twice": ((["q", "q"], ["a"], ["a", "a"]), ValueError, "query_ids: 'q' occurs twice, expected every id once"),
    "document twice": ((["q"], ["a", "a"], ["a"]), ValueError, "document_ids: 'a' occurs twice"),
    "stranger": ((["q", "r"], ["a"], ["a", "b"]), ValueError, r"positives\[1\]: 'b', expected an id of document_ids"),
    "number": ((["q"], ["a"], [1.5]), TypeError, r"positives\[0\]: float, expected an id or several"),
    "empty": ((["q", "r"], ["a"], ["a", []]), ValueError, r"positives\[1\]: empty, expected at least one id"),
    "few": ((["q", "r"], ["a"], ["a"]), ValueError, r"positives: 1 rows, expected 2 \(one per query\)"),
    "none": (([], ["a"], []), ValueError, "query_ids: none, expected at least one"),
    "string": (("qr", ["a"], ["a"]), TypeError, "query_ids: str, expected an iterable of ids"),
    "mapping": ((["q"], ["a"], {"q": "a"}), TypeError, "positives: dict, expected an entry for each query"),
    "bool": (([True], ["a"], ["a"]), TypeError, r"query_ids\[0\]: bool, expected a string or an integer"),
    "null": ((pa.array(["q", None]), ["a"], ["a"]), ValueError, "query_ids: column 'id' holds 1 nulls"),
    "matrix": (
        (np.zeros((2, 2), int), ["a"], ["a"]),
        ValueError,
        r"query_ids: 2 dimensions, shape \(2, 2\), expected 1",
    ),
    "surrogate": ((["\ud800"], ["a"], ["a"]), ValueError, r"query_ids\[0\]: .*expected text that UTF-8 can hold"),
    "beyond": ((["q"], ["a"], hm.Positives([0, 1], [7])), ValueError, "positives: document 7, expected below 1"),
}


@pytest.mark.parametrize(("arguments", "error", "message"), BAD_IDS.values(), ids=BAD_IDS)
def test_bad_ids(arguments, error, message):
    with pytest.raises(error, match=message):
        hm.Collection.from_ids(*arguments)


class Pictures:
    """A teacher that looks pictures up by id."""

    name, similarity, needs_texts = "pictures", "dot", False
    seen = ()

    def embed_queries(self, texts, *, progress):  # noqa: ARG002
        return np.eye(3, dtype=np.float32)[: len(texts)]

    def embed_documents(self, texts, *, progress=False):  # noqa: ARG002
        self.seen = list(texts)
        return np.float32([[1, 0, 0], [0.5, 1, 0], [0.25, 0.75, 0]])


def test_ids_are_mined_from_embeddings_and_written_by_id(tmp_path):
    collection = hm.Collection.from_ids(*IDS, ["a", "b"])
    teacher = Pictures()
    mined = hm.mine(collection, teacher, hm.strategies.naive_top_k(1), progress=False)
    assert teacher.seen == ["a", "b", "c"]
    assert [[collection.document_ids[d] for d in row.ids] for row in mined.negatives] == [["b"], ["c"]]
    mined.write(tmp_path / "rows.jsonl", "ids", provenance=False)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [(row["query_id"], row["positive_id"]) for row in rows] == [("q1", "a"), ("q2", "b")]
    queries = np.eye(3, dtype=np.float32)[:2]
    again = hm.mine(
        collection, hm.teachers.precomputed(queries, teacher.embed_documents([]), similarity="dot"),
        hm.strategies.naive_top_k(1), progress=False,
    )  # fmt: skip
    assert again.negatives.ids.tolist() == mined.negatives.ids.tolist()
    with pytest.raises(
        ValueError, match=r"teacher 'bm25': reads texts, but the collection holds ids alone; expected emb"
    ):
        hm.mine(collection, "bm25", hm.strategies.naive_top_k(1), progress=False)
    for name in ("query_texts", "document_texts"):
        with pytest.raises(ValueError, match=r"collection: ids without texts .*expected a collection of texts"):
            getattr(collection, name)


# Datasets


PAIRS = {"query": ["a", "b", "a"], "positive": [["x"], ["y", "x"], ["z"]], "language": ["en", "de", "fr"]}


@pytest.fixture
def pairs():
    return datasets.Dataset.from_dict(PAIRS)


def saved(dataset, path, capsys):
    dataset.save_to_disk(path)
    capsys.readouterr()
    return path


@pytest.mark.parametrize("kind", ["dataset", "table", "chosen", "folder", "dictionary", "folder of splits", "read"])
def test_from_dataset(pairs, tmp_path, capsys, kind):
    given = {
        "dataset": lambda: pairs,
        "table": lambda: pa.table(PAIRS),
        "chosen": lambda: pairs.select([2, 0, 1, 0]).select([1, 2, 0]),
        "folder": lambda: saved(pairs, tmp_path / "d", capsys),
        "dictionary": lambda: datasets.DatasetDict({"test": pairs.select([0]), "train": pairs}),
        "folder of splits": lambda: str(saved(datasets.DatasetDict({"train": pairs}), tmp_path / "d", capsys)),
        "read": lambda: None,
    }[kind]()
    if kind == "read":
        found = hm.Collection.read(saved(datasets.DatasetDict({"train": pairs}), tmp_path / "d", capsys), split="train")
    else:
        found = hm.Collection.from_dataset(given, keep_columns=["language"])
        assert found.queries["language"].to_pylist() == ["en", "de"]
    assert found.query_texts.to_pylist() == ["a", "b"]
    assert found.document_texts.to_pylist() == ["x", "y", "z"]
    assert [row.tolist() for row in found.positives] == [[0, 2], [1, 0]]
    assert found.counts["merged_queries"] == 1
    assert found.column_names == ("query", "positive")


def test_columns_that_are_named(pairs):
    other = pairs.rename_columns({"query": "frage", "positive": "antwort", "language": "nummer"})
    with pytest.raises(
        FormatError, match=r"dataset, field 'query': missing; found frage, antwort, nummer, expected a col"
    ):
        hm.Collection.from_dataset(other)
    found = hm.Collection.from_dataset(
        other, query_column="frage", positive_column=["antwort"], query_id_column="nummer"
    )
    assert found.column_names == ("frage", "antwort")
    assert list(found.query_ids) == ["en", "de", "fr"], "told apart by these, not by their texts"
    with pytest.raises(
        ValueError, match=r"keep_columns: 'x', expected columns of the dataset or the corpus \(frage, an"
    ):
        hm.Collection.from_dataset(other, query_column="frage", positive_column="antwort", keep_columns=["x"])


def test_texts_of_one_piece_are_shared():
    """The bytes of the input are those of the collection where all texts differ and lie in one piece."""
    texts = pa.array([f"text {i}" for i in range(1000)], pa.large_string())
    table = pa.table({"query": texts, "positive": pa.array([f"other {i}" for i in range(1000)])})
    found = hm.Collection.from_dataset(table)
    assert found.query_texts.buffers()[2].address == texts.buffers()[2].address
    assert found.document_texts.buffers()[2].address == table["positive"].chunk(0).buffers()[2].address


def hub(**changes):
    tables = {
        "corpus": datasets.DatasetDict(
            {"corpus": datasets.Dataset.from_dict({"_id": ["1", "2"], "title": ["T", None], "text": ["a", "b"]})}
        ),
        "queries": datasets.Dataset.from_dict({"_id": ["q1", "q2"], "text": ["c", "d"], "kind": [7, 8]}),
        "default": datasets.DatasetDict({
            "train": datasets.Dataset.from_dict(
                {"query-id": ["q2", "q2", "q2"], "corpus-id": ["1", "2", "1"], "score": [1.0, 0, 1]}
            ),
            "test": datasets.Dataset.from_dict({"query-id": ["q1"], "corpus-id": ["2"], "score": [1]}),
        }),
    }  # fmt: skip
    return tables | {name: datasets.Dataset.from_dict(columns) for name, columns in changes.items()}


def test_the_layout_of_beir_on_the_hub(tmp_path, capsys):
    found = hm.Collection.from_dataset(hub(), keep_columns=["kind"])
    assert found.queries.to_pydict() == {"id": ["q2"], "text": ["d"], "kind": [8]}
    assert found.document_texts.to_pylist() == ["T a", "b"]
    assert dict(found.counts) == {
        "duplicate_judgements": 1, "judged_not_relevant": 1, "merged_queries": 0, "queries_without_positives": 1
    }  # fmt: skip
    for name, table in hub().items():
        saved(table, tmp_path / "hub" / name, capsys)
    assert labels(hm.Collection.read(tmp_path / "hub", split="test")) == {"q1": ["2"]}


BAD_DATASETS = {
    "judged query": (hub(default={"query-id": ["q9"], "corpus-id": ["1"], "score": [1]}),
                     r"default, row 1, field 'query-id': 'q9', expected an id of queries"),
    "judged document": (hub(default={"query-id": ["q1", "q1"], "corpus-id": ["1", "7"], "score": [1, 1]}),
                        r"default, row 2, field 'corpus-id': '7', expected an id of corpus"),
    "nothing relevant": (hub(default={"query-id": ["q1"], "corpus-id": ["1"], "score": [0]}),
                         "default: no judgement with a score above 0"),
    "twice": (hub(corpus={"_id": ["1", "1"], "text": ["a", "b"]}), r"corpus, row 2, field '_id': '1' occurs twice"),
    "no rows": (pa.table({"query": pa.array([], pa.string()), "positive": pa.array([], pa.string())}),
                "dataset: no rows"),
    "null": (pa.table({"query": ["a", None], "positive": ["b", "c"]}), r"dataset, row 2, field 'query': null"),
    "number": (pa.table({"query": [1], "positive": ["b"]}), r"dataset, field 'query': int64, expected strings"),
    "no positive": (pa.table({"query": ["a", "b"], "positive": ["b", None]}),
                    r"dataset, row 2, field 'positive': no positive, expected at least one"),
    "null in a list": (pa.table({"query": ["a", "b"], "positive": [["b"], [None]]}),
                       r"dataset, row 2, field 'positive': null, expected a string or a list of strings"),
    "id": (pa.table({"query": ["a", "b"], "positive": ["b", "c"], "id": [1, 1]}),
           r"dataset, row 2: query id '1' has another text in an earlier row, expected one text per query id"),
    "ids": (pa.table({"query": ["a"], "positive_id": ["b"]}), r"field 'positive_id': ids of documents, expected a"),
    "no positives": (pa.table({"query": ["a"]}), r"dataset, field 'positive': missing; found query, expected a column"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "message"), BAD_DATASETS.values(), ids=BAD_DATASETS)
def test_malformed_datasets(given, message):
    with pytest.raises(FormatError, match=message):
        hm.Collection.from_dataset(given)


def test_what_is_no_dataset(pairs, tmp_path):
    with pytest.raises(TypeError, match=r"dataset: list, expected a datasets.Dataset or DatasetDict, a pyarrow.Table"):
        hm.Collection.from_dataset([1])
    with pytest.raises(FileNotFoundError, match="gone: no such folder"):
        hm.Collection.from_dataset(tmp_path / "gone")
    with pytest.raises(FormatError, match="no dataset, expected a folder that save_to_disk wrote"):
        hm.Collection.from_dataset(tmp_path)
    with pytest.raises(ValueError, match="split: missing, expected one of a, b"):
        hm.Collection.from_dataset({"a": pairs, "b": pairs})
    with pytest.raises(ValueError, match="split: 'c', expected one of a, b"):
        hm.Collection.from_dataset({"a": pairs, "b": pairs}, split="c")
    (tmp_path / "state.json").write_text('{"_data_files": [{"filename": "data.arrow"}]}')
    with pytest.raises(FileNotFoundError, match=r"data.arrow: no such file, named by .*state.json"):
        hm.Collection.read(tmp_path)
    (tmp_path / "data.arrow").write_bytes(b"no such thing")
    with pytest.raises(FormatError, match=r"data.arrow: unreadable .*, expected an Arrow file that datasets wrote"):
        hm.Collection.read(tmp_path)
    (tmp_path / "state.json").write_text("[]")
    with pytest.raises(FormatError, match=r"state.json: TypeError .*, expected the state that save_to_disk wrote"):
        hm.Collection.read(tmp_path)


texts = st.sampled_from(["a", "b", "c", "d", "é", ""])
some_rows = st.lists(st.tuples(texts, st.lists(texts, min_size=1, max_size=3)), min_size=1, max_size=8)


@given(some_rows, st.none() | st.lists(texts, min_size=1, max_size=4))
@settings(deadline=None, max_examples=200)
def test_columns_give_what_rows_give(rows, corpus):
    """The builder of rows is the oracle of what is made of whole columns."""
    table = pa.table({"query": [q for q, _ in rows], "positive": [p for _, p in rows]})
    documents = (
        None if corpus is None else pa.table({"id": [f"positive-{n}" for n in range(len(corpus))], "text": corpus})
    )
    named = None if corpus is None else {f"positive-{n}": text for n, text in enumerate(corpus)}
    found = hm.Collection.from_dataset(table, corpus=documents)
    wanted = hm.Collection.from_pairs([q for q, _ in rows], [p for _, p in rows], named)
    same(found, wanted)
    assert found.counts == wanted.counts


# Text files


def test_csv_and_tsv(tmp_path):
    (tmp_path / "pairs.csv").write_text('query,positive,positive_2\n"a, b","c\nd",\nb,e,f\n', encoding="utf-8")
    found = hm.Collection.read(tmp_path / "pairs.csv")
    assert found.query_texts.to_pylist() == ["a, b", "b"]
    assert found.document_texts.to_pylist() == ["c\nd", "e", "f"]
    (tmp_path / "corpus.tsv").write_text("id\ttitle\ttext\nx\t\tone\ny\tT\ttwo\n")
    (tmp_path / "pairs.tsv").write_text("query\tpositive_id\nq\ty\n")
    found = hm.Collection.read(tmp_path / "pairs.tsv", corpus=tmp_path / "corpus.tsv")
    assert found.document_texts.to_pylist() == ["one", "T two"]
    assert labels(found) == {"0": ["y"]}
    (tmp_path / "pairs.csv").write_text("query,positive\na,b\nc,\n")
    with pytest.raises(FormatError, match=r"pairs.csv, row 2, field 'positive': null, expected a string"):
        hm.Collection.read(tmp_path / "pairs.csv")


def marco(folder, *, documents=False, **changes):
    files = {
        "collection.tsv": '7\tthe "first\n9\ta second\n', "queries.train.tsv": "1\twhat\n2\twho\n",
        "qrels.train.tsv": "1\t0\t9\t1\n1\t0\t7\t0\n", "qrels.dev.small.tsv": "2 0 7 1\n",
        "queries.dev.small.tsv": "2\twho\n",
    }  # fmt: skip
    if documents:
        files = {
            "msmarco-docs.tsv": "D7\thttp://x\tTitle\tbody\nD9\thttp://y\t\tother\n",
            "msmarco-doctrain-queries.tsv": "1\twhat\n", "msmarco-doctrain-qrels.tsv": "1 0 D9 1\n",
        }  # fmt: skip
    folder.mkdir(exist_ok=True)
    for name, text in (files | {name.replace("__", "."): text for name, text in changes.items()}).items():
        (folder / name).write_text(text)
    return folder


def test_msmarco(tmp_path):
    found = hm.Collection.read(marco(tmp_path / "m"))
    assert found.documents.to_pydict() == {"id": ["7", "9"], "title": ["", ""], "text": ['the "first', "a second"]}
    assert labels(found) == {"1": ["9"]}
    assert found.counts["judged_not_relevant"] == found.counts["queries_without_positives"] == 1
    assert labels(hm.Collection.read(tmp_path / "m", split="dev.small")) == {"2": ["7"]}
    whole = hm.Collection.read(marco(tmp_path / "d", documents=True))
    assert whole.document_texts.to_pylist() == ["Title body", "other"]
    assert labels(whole) == {"1": ["D9"]}


BAD_MARCO = {
    "columns": (
        {"collection__tsv": "7\ta\tb\n"},
        r"collection.tsv, line 1: 3 columns .*, expected two columns separated by t",
    ),
    "twice": ({"collection__tsv": "7\ta\n9\tb\n7\tc\n"}, r"collection.tsv, line 3: id '7' occurs twice"),
    "document": (
        {"qrels__train__tsv": "1\t0\t5\t1\n"},
        r"qrels.train.tsv, line 1, field 'document': '5', expected an id of col",
    ),
    "query": (
        {"qrels__train__tsv": "\n8\t0\t7\t1\n"},
        r"qrels.train.tsv, line 2, field 'query': '8', expected an id of queri",
    ),
    "relevance": (
        {"qrels__train__tsv": "1\t0\t7\tyes\n"},
        r"line 1, field 'relevance': 'yes', expected a finite number",
    ),
    "nothing": ({"qrels__train__tsv": "1\t0\t7\t0\n"}, "qrels.train.tsv: no judgement with a relevance above 0"),
}


@pytest.mark.parametrize(("changes", "message"), BAD_MARCO.values(), ids=BAD_MARCO)
def test_malformed_msmarco(tmp_path, changes, message):
    with pytest.raises(FormatError, match=message):
        hm.Collection.read(marco(tmp_path / "m", **changes))


def test_qrels(tmp_path):
    path = tmp_path / "test.qrels"
    path.write_text("q1 0 b 1\nq1 0 a 0\n\nq2\t0\ta 2\nq1 0 c 1\nq3 0 a -1\n")
    found = hm.Collection.read(path)
    assert not found.has_texts
    assert labels(found) == {"q1": ["b", "c"], "q2": ["a"]}
    assert (found.counts["judged_not_relevant"], found.counts["queries_without_positives"]) == (2, 1)
    found.write(tmp_path / "again.qrels")
    assert (tmp_path / "again.qrels").read_text() == "q1 0 b 1\nq1 0 c 1\nq2 0 a 1\n"
    path.write_text("q1 0 b\n")
    with pytest.raises(FormatError, match=r"test.qrels, line 1: 3 columns .*expected four columns separated by blanks"):
        hm.Collection.read(path)


# Written


WRITTEN = [("beir", "folder"), ("jsonl", "pairs.jsonl.gz"), ("parquet", "pairs.parquet"), ("csv", "pairs.csv"),
           ("tsv", "pairs.tsv.zst"), ("msmarco", "folder")]  # fmt: skip
TEXT = st.text(alphabet=st.characters(exclude_characters="\t\n\r\0", exclude_categories=["Cs"]), min_size=1, max_size=6)


@given(st.dictionaries(TEXT, TEXT, min_size=2, max_size=5), st.sampled_from(WRITTEN), st.data())
@settings(deadline=None, max_examples=60)
def test_collections_come_back(tmp_path_factory, corpus, written, data):
    name, file = written
    folder = tmp_path_factory.mktemp("written")
    count = data.draw(st.integers(1, 3))
    ids = [f"d{n}" for n in range(len(corpus))]
    made = hm.Collection.from_pairs(
        [f"query {n}" for n in range(count)],
        [data.draw(st.lists(st.sampled_from(sorted(corpus.values())), min_size=1, max_size=2)) for _ in range(count)],
        dict(zip(ids, corpus.values(), strict=True)),
    )
    made.write(folder / file, name)
    found = hm.Collection.read(
        folder / file, name, corpus=beside(folder / file, "corpus") if name not in ("beir", "msmarco") else None
    )
    same(found, made)


def test_what_a_format_cannot_hold(tmp_path):
    made = hm.Collection.from_pairs(["a\tb"], ["c"])
    with pytest.raises(
        FormatError, match=r"queries.train.tsv: 'a\\tb', expected ids and texts without tabs and line ends"
    ):
        made.write(tmp_path / "m", "msmarco")
    ids = hm.Collection.from_ids(["q 1"], ["d"], ["d"])
    for name in ("beir", "msmarco", "jsonl"):
        with pytest.raises(ValueError, match="ids without texts"):
            ids.write(tmp_path / "x.jsonl", name)
    with pytest.raises(FormatError, match="the id 'q 1', expected ids without white space"):
        ids.write(tmp_path / "x.qrels")
    assert list(tmp_path.iterdir()) == []


def test_beir_that_we_write_is_read_by_datasets(tmp_path):
    made = hm.Collection.from_pairs(["a", "é"], ["x", "y"], {"1": "other"})
    made.write(tmp_path / "beir", "beir")
    corpus = datasets.load_dataset(
        "json", data_files=str(tmp_path / "beir" / "corpus.jsonl"), cache_dir=str(tmp_path / "c")
    )
    assert corpus["train"].to_dict() == {
        "_id": ["1", "positive-1", "positive-2"], "title": [""] * 3, "text": ["other", "x", "y"]
    }  # fmt: skip
    assert (tmp_path / "beir" / "qrels" / "train.tsv").read_text() == (
        "query-id\tcorpus-id\tscore\n0\tpositive-1\t1\n1\tpositive-2\t1\n"
    )


def texts_of(query="q", document="d", text="text", question="question"):
    tables = {
        "corpus": pa.table({"_id": [document, "other"], "title": ["", ""], "text": [text, "other"]}),
        "queries": pa.table({"_id": [query], "text": [question]}),
        "default": pa.table({"query-id": [query], "corpus-id": [document], "score": [1]}),
    }
    return hm.Collection.from_dataset(tables)


@pytest.mark.parametrize("split", ["dev.tsv", "test.tsv.gz"])
def test_beir_is_not_written_beside_the_judgements_of_another(tmp_path, split):
    folder = tmp_path / "beir"
    texts_of().write(folder, "beir")
    texts_of().write(folder, "beir")
    old = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (folder / "qrels" / split).write_text("another")
    with pytest.raises(
        FormatError, match=f"beir: holds qrels of another collection: {split}, expected a new folder, or"
    ):
        texts_of(query="r").write(folder, "beir")
    assert {path: path.read_bytes() for path in old} == old


@pytest.mark.parametrize("query", ["q 1", "q\x0b", "q\n"])
@pytest.mark.parametrize("side", ["query", "document"])
def test_ids_with_blanks_are_none_of_msmarco(tmp_path, side, query):
    if query == "q\x0b":
        texts_of(**{side: query}).write(tmp_path / "ms", "msmarco")
        assert query in getattr(hm.Collection.read(tmp_path / "ms", "msmarco"), f"{side}_ids")
        return
    with pytest.raises(FormatError, match="expected ids (without white space|and texts without tabs)"):
        texts_of(**{side: query}).write(tmp_path / "ms", "msmarco")
    assert not (tmp_path / "ms").exists()


def test_an_id_of_msmarco_that_begins_as_a_file_does(tmp_path):
    with pytest.raises(
        FormatError, match=r"collection.tsv: the id '.ufeffd', expected ids that do not begin with U.FEFF"
    ):
        texts_of(document="\ufeffd").write(tmp_path / "ms", "msmarco")


@pytest.mark.parametrize("layout", ["csv", "tsv"])
def test_empty_texts_of_csv_are_empty(tmp_path, layout):
    texts_of(text="", question="").write(tmp_path / f"p.{layout}")
    found = hm.Collection.read(tmp_path / f"p.{layout}", corpus=tmp_path / f"p.corpus.{layout}")
    assert found.query_texts.to_pylist() == [""]
    assert found.document_texts.to_pylist() == ["", "other"]


@pytest.mark.parametrize("kind", [pa.dictionary(pa.int32(), pa.string()), pa.string_view()], ids=str)
def test_columns_of_categories_and_views(kind):
    """What pandas and polars hand over."""
    columns = {"query": ["a", "b", "a"], "query_id": ["1", "2", "1"], "positive": ["x", "y", "z"]}
    encoded = pa.table({name: pa.array(values, pa.string()).cast(kind) for name, values in columns.items()})
    found = hm.Collection.from_dataset(encoded)
    assert list(found.query_ids) == ["1", "2"]
    assert found.document_texts.to_pylist() == ["x", "y", "z"]
    assert labels(found) == labels(hm.Collection.from_dataset(pa.table(columns)))
    if pa.types.is_string_view(kind):
        values = pa.array(["x", "y", "z"], kind)
        lists = pa.ListArray.from_arrays([0, 1, 2, 3], values)
        listed = encoded.set_column(2, "positive", lists)
        assert hm.Collection.from_dataset(listed).document_texts.to_pylist() == ["x", "y", "z"]
