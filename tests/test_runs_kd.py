"""Tables of scores for distillation, as parquet, Arrow and jsonl."""

import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hardmine as hm
from hardmine.formats import FormatError, kd_tables
from hardmine.nouns.positives import Positives
from tests.run_cases import table


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
    "null": (["a"], [None], r"field 'scores': null, expected a number"),
    "nan": (["a"], [math.nan], r"field 'scores': nan, expected a number"),
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
    "null": (["a"], [["d"]], [[None]], r"row 1, field 'scores': null, expected a number"),
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


def test_infinite_scores_have_no_word_in_json(tmp_path):
    run = hm.Candidates([0, 1], [0], np.float32([-np.inf]))
    with pytest.raises(FormatError, match=r"kd.jsonl, field 'scores': an infinite score, expected finite ones, or .p"):
        run.write(tmp_path / "kd.jsonl", "pylate")
    assert not (tmp_path / "kd.jsonl").exists()
    run.write(tmp_path / "kd.parquet", "pylate")
    assert hm.Candidates.read(tmp_path / "kd.parquet", "pylate").scores.tolist() == [-np.inf]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("lacking", [[0], [511], [599]])
def test_positives_of_some_queries_alone_are_refused(tmp_path, suffix, lacking):
    run = run_of(600, [[] if query in lacking else [query % 2] for query in range(600)])
    with pytest.raises(
        FormatError, match=rf"a query without a scored positive \('{lacking[0]}'\), expected one for eac"
    ):
        run.write(tmp_path / f"kd.{suffix}", "pylate")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lacking", [[], range(600), [3]])
def test_the_cut_of_queries_is_not_seen(tmp_path, monkeypatch, lacking):
    """Of a run all of whose queries have positives, none has, or only one without candidates has none."""
    run = run_of(600, [[] if query in lacking else [query % 2] for query in range(600)], empty=[3])
    written = set()
    for size in (1, 5, 512):
        monkeypatch.setattr(kd_tables, "_QUERIES", size)
        run.write(tmp_path / "kd.jsonl", "pylate")
        written.add((tmp_path / "kd.jsonl").read_bytes())
    (found,) = written
    lines = [json.loads(line)["document_ids"] for line in found.splitlines()]
    has_positives = len(lacking) < 600
    assert lines == [["1", "0"] if has_positives and query % 2 else ["0", "1"] for query in range(600) if query != 3]


def run_of(count, positives, empty=()):
    """Two candidates for each query but some, the first the better one, and labels with the scores of candidates."""
    lengths = [0 if query in empty else 2 for query in range(count)]
    ids = [document for length in lengths for document in range(length)]
    known = Positives(
        np.cumsum([0, *map(len, positives)]),
        [d for some in positives for d in some],
        np.float32([0.5 - 0.25 * d for some in positives for d in some]),
    )
    scores = np.float32([0.5 - 0.25 * document for document in ids])
    return hm.Candidates(np.cumsum([0, *lengths]), ids, scores, positives=known)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "arrow"])
def test_a_query_with_two_positives_has_two_rows(tmp_path, suffix):
    known = Positives([0, 2, 3], [2, 0, 1], np.float32([0.5, 1.0, 0.75]))
    run = hm.Candidates(
        [0, 3, 5], [0, 1, 2, 0, 1], np.float32([1, 0.75, 0.5, 0.875, 0.75]),
        query_ids=["a", "b"], document_ids=["x", "y", "z"], positives=known,
    )  # fmt: skip
    path = tmp_path / f"kd.{suffix}"
    run.write(path, "pylate")
    again = hm.Candidates.read(path, "pylate")
    assert table(again) == table(run)
    names = [{again.document_ids[i] for i in row} for row in again.positives]
    assert names == [{"x", "z"}, {"y"}]
    if suffix == "jsonl":
        assert [json.loads(line) for line in path.read_text().splitlines()] == [
            {"query_id": "a", "document_ids": ["z", "y"], "scores": [0.5, 0.75]},
            {"query_id": "a", "document_ids": ["x", "y"], "scores": [1.0, 0.75]},
            {"query_id": "b", "document_ids": ["y", "x"], "scores": [0.75, 0.875]},
        ]


@pytest.mark.parametrize(("values", "came"), [([True], "bool"), (["0.5"], "string")])
def test_what_jsonl_takes_for_no_number_is_none_in_a_table(tmp_path, values, came):
    table, lines = tables_of_scores(tmp_path, [("q", ["d"], values)])
    with pytest.raises(FormatError, match=rf"kd.parquet, field 'scores': {came}, expected numbers"):
        hm.Candidates.read(table, "pylate")
    with pytest.raises(FormatError, match=r"kd.jsonl, line 1, field 'scores\[0\]': .* expected a number"):
        hm.Candidates.read(lines, "pylate")


def test_large_integers_are_rounded_in_both(tmp_path):
    for path in tables_of_scores(tmp_path, [("q", ["d"], [2**53 + 1])]):
        assert hm.Candidates.read(path, "pylate").scores.tolist() == [2.0**53]


@pytest.mark.parametrize("name", ["document_ids", "scores"])
def test_a_missing_list_is_said_to_be_missing(tmp_path, name):
    path = tmp_path / "kd.jsonl"
    record = {"query_id": "q", "document_ids": ["d"], "scores": [1.0]}
    path.write_text(json.dumps(record | {name: None}))
    with pytest.raises(FormatError, match=rf"line 1, field '{name}': null, expected a list"):
        hm.Candidates.read(path, "pylate")
    del record[name]
    path.write_text(json.dumps(record))
    with pytest.raises(FormatError, match=rf"line 1, field '{name}': missing; found query_id, .*, expected a list"):
        hm.Candidates.read(path, "pylate")
