"""Training files: exact columns, every shape, side file, same bytes, whole or absent."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hardmine as hm
from hardmine import formats
from hardmine.nouns.lists import REASONS

PREFIX = "sentence-transformers:"


@pytest.fixture
def mined():
    """Three queries (two positives, one, one with a single negative), 2 negatives each wanted."""
    collection = hm.Collection.from_pairs(
        ["q0", "q1", "q2"], [["p0", "p1"], "p2", "p3"], ["n0", "n1", "n2", 'ñ"3\u2028']
    )
    positives = hm.Positives(collection.positives.offsets, collection.positives.ids, [0.9, 0.75, 0.8, 0.7])
    run = hm.Candidates([0, 3, 5, 6], [0, 1, 2, 3, 1, 2], np.float32([0.8, 0.7, 0.6, 0.5, 0.4, 0.1]),
                        metadata={"teacher": "hand"})  # fmt: skip
    return hm.Mined.from_run(collection, run, hm.Selection(2, ceiling=hm.PercPos(0.95)), positives=positives)


def rows(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    return pq.read_table(path).to_pylist()


SHAPES = {
    "triplet": [
        {"anchor": "q0", "positive": "p0", "negative": "n1"},
        {"anchor": "q0", "positive": "p0", "negative": "n2"},
        {"anchor": "q0", "positive": "p1", "negative": "n1"},
        {"anchor": "q0", "positive": "p1", "negative": "n2"},
        {"anchor": "q1", "positive": "p2", "negative": 'ñ"3\u2028'},
        {"anchor": "q1", "positive": "p2", "negative": "n1"},
        {"anchor": "q2", "positive": "p3", "negative": "n2"},
    ],
    "n-tuple": [
        {"anchor": "q0", "positive": "p0", "negative_1": "n1", "negative_2": "n2"},
        {"anchor": "q0", "positive": "p1", "negative_1": "n1", "negative_2": "n2"},
        {"anchor": "q1", "positive": "p2", "negative_1": 'ñ"3\u2028', "negative_2": "n1"},
    ],
    "labeled-pair": [
        {"anchor": "q0", "positive": "p0", "label": 1},
        {"anchor": "q0", "positive": "p1", "label": 1},
        {"anchor": "q0", "positive": "n1", "label": 0},
        {"anchor": "q0", "positive": "n2", "label": 0},
        {"anchor": "q1", "positive": "p2", "label": 1},
        {"anchor": "q1", "positive": 'ñ"3\u2028', "label": 0},
        {"anchor": "q1", "positive": "n1", "label": 0},
        {"anchor": "q2", "positive": "p3", "label": 1},
        {"anchor": "q2", "positive": "n2", "label": 0},
    ],
    "labeled-list": [
        {"anchor": "q0", "positive": ["p0", "n1", "n2"], "labels": [1, 0, 0]},
        {"anchor": "q0", "positive": ["p1", "n1", "n2"], "labels": [1, 0, 0]},
        {"anchor": "q1", "positive": ["p2", 'ñ"3\u2028', "n1"], "labels": [1, 0, 0]},
        {"anchor": "q2", "positive": ["p3", "n2"], "labels": [1, 0]},
    ],
}


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(mined, tmp_path, shape, suffix):
    path = tmp_path / f"rows{suffix}"
    written = mined.write(path, PREFIX + shape)
    found = rows(path)
    assert found == SHAPES[shape]
    assert [list(row) for row in found] == [list(row) for row in SHAPES[shape]]
    dropped = 1 if shape == "n-tuple" else 0
    assert written == {"rows": len(found), "pairs": 4, "dropped_pairs": dropped}


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("chunk", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_chunks_do_not_show(mined, tmp_path, monkeypatch, shape, chunk, suffix):
    monkeypatch.setattr(formats.sentence_transformers, "_CHUNK", chunk)
    mined.write(tmp_path / f"rows{suffix}", PREFIX + shape)
    assert rows(tmp_path / f"rows{suffix}") == SHAPES[shape]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_scores(mined, tmp_path, suffix):
    path = tmp_path / f"rows{suffix}"
    found = {}
    for shape in SHAPES:
        mined.write(path, PREFIX + shape, scores=True, provenance=False)
        found[shape] = rows(path)
    assert [row["scores"] for row in found["triplet"]][:3] == [[0.9, 0.7], [0.9, 0.6], [0.75, 0.7]]
    assert [row["scores"] for row in found["n-tuple"]] == [[0.9, 0.7, 0.6], [0.75, 0.7, 0.6], [0.8, 0.5, 0.4]]
    assert [row["score"] for row in found["labeled-pair"]] == [0.9, 0.75, 0.7, 0.6, 0.8, 0.5, 0.4, 0.7, 0.1]
    assert [row["scores"] for row in found["labeled-list"]][-1] == [0.7, 0.1]
    assert "labels" not in found["labeled-list"][0]
    assert "label" not in found["labeled-pair"][0]
    assert not (tmp_path / f"rows.provenance{suffix}").exists()


def test_column_types(mined, tmp_path):
    path = tmp_path / "rows.parquet"
    mined.write(path, PREFIX + "labeled-list")
    schema = pq.read_schema(path)
    assert schema.field("labels").type.value_type == pa.int64()
    mined.write(path, PREFIX + "n-tuple", scores=True)
    assert pq.read_schema(path).field("scores").type.value_type == pa.float64()


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize(("shape", "first_rows"), [
    ("n-tuple", [0, 1, 2, -1]), ("triplet", [0, 2, 4, 6]), ("labeled-pair", [0, 1, 4, 7]),
    ("labeled-list", [0, 1, 2, 3]),
])  # fmt: skip
def test_provenance(mined, tmp_path, suffix, shape, first_rows):
    mined.write(tmp_path / f"rows{suffix}", PREFIX + shape)
    found = rows(tmp_path / f"rows.provenance{suffix}")
    assert [row["query_id"] for row in found] == ["0", "0", "1", "2"]
    assert [row["output_row"] for row in found] == first_rows
    first = {**found[0], "drop_reasons": None}
    assert first == {
        "query_id": "0", "positive_id": "positive-4", "positive_score": 0.9, "negative_ids": ["1", "2"],
        "negative_scores": [0.7, 0.6], "negative_ranks": [2, 3], "teacher": "hand", "num_found": 2,
        "output_row": first_rows[0], "drop_reasons": None,
    }  # fmt: skip
    assert tuple(found[0]["drop_reasons"]) == REASONS
    assert found[0]["drop_reasons"]["above_ceiling"] == 1
    assert sum(found[0]["drop_reasons"].values()) == 3


def test_each_positive_has_its_own_row(mined, tmp_path):
    rule = hm.Selection(2, ceiling=hm.PercPos(0.95), positive_agg="each")
    each = hm.Mined.from_run(mined.collection, mined.candidates, rule, positives=mined.positives)
    path = tmp_path / "rows.jsonl"
    each.write(path, PREFIX + "labeled-list", scores=True)
    assert [(row["positive"], row["scores"]) for row in rows(path)] == [
        (["p0", "n0", "n1"], [0.9, 0.8, 0.7]),
        (["p1", "n1", "n2"], [0.75, 0.7, 0.6]),
        (["p2", 'ñ"3\u2028', "n1"], [0.8, 0.5, 0.4]),
        (["p3", "n2"], [0.7, 0.1]),
    ]


def test_input_names_are_kept(tmp_path):
    (tmp_path / "pairs.jsonl").write_text('{"question": "a b", "answer": "a"}\n{"question": "c b", "answer": "b c"}\n')
    rule = hm.Selection(1, ceiling=hm.NoCeiling())
    mined = hm.mine(hm.Collection.read(tmp_path / "pairs.jsonl"), "bm25", rule, progress=False)
    mined.write(tmp_path / "out.jsonl", PREFIX + "triplet")
    # The second question shares no word with the other document.
    assert rows(tmp_path / "out.jsonl") == [{"question": "a b", "answer": "a", "negative": "b c"}]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_same_bytes(mined, tmp_path, suffix):
    mined.write(tmp_path / f"a{suffix}")
    mined.write(tmp_path / f"b{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    sides = [(tmp_path / f"{name}.provenance{suffix}").read_bytes() for name in "ab"]
    assert sides[0] == sides[1]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_write_leaves_the_old_file(mined, tmp_path, monkeypatch, suffix, error):
    path = tmp_path / f"rows{suffix}"
    mined.write(path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    cut = formats.sentence_transformers._Cut.n_tuple
    calls = []

    def break_off(self, pairs):
        calls.append(pairs)
        if len(calls) == 2:
            raise error
        return cut(self, pairs)

    monkeypatch.setattr(formats.sentence_transformers, "_CHUNK", 1)
    monkeypatch.setattr(formats.sentence_transformers._Cut, "n_tuple", break_off)
    with pytest.raises(error):
        mined.write(path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_no_rows(mined, tmp_path):
    rule = hm.Selection(2, ceiling=hm.Absolute(-1.0))
    empty = hm.Mined.from_run(mined.collection, mined.candidates, rule, positives=mined.positives)
    for suffix in (".jsonl", ".parquet"):
        for shape in ("n-tuple", "triplet"):
            assert empty.write(tmp_path / f"rows{suffix}", PREFIX + shape)["rows"] == 0
            assert rows(tmp_path / f"rows{suffix}") == []
    columns = pq.read_schema(tmp_path / "rows.parquet").names
    assert columns == ["anchor", "positive", "negative"]


def test_refusals(mined, tmp_path):
    with pytest.raises(ValueError, match="format: 'tevatron', expected one of 'sentence-transformers:triplet'"):
        mined.write(tmp_path / "rows.jsonl", "tevatron")
    with pytest.raises(ValueError, match=r"rows.csv: suffix '.csv', expected .jsonl or .parquet"):
        mined.write(tmp_path / "rows.csv")
    with pytest.raises(FileNotFoundError, match=r"rows.jsonl: the folder .*gone does not exist"):
        mined.write(tmp_path / "gone" / "rows.jsonl")
    (tmp_path / "d.jsonl").mkdir()
    with pytest.raises(IsADirectoryError, match=r"d.jsonl: a folder, expected a file to write"):
        mined.write(tmp_path / "d.jsonl")
    rule = hm.Selection(2, ceiling=hm.Absolute(0.2), on_shortage="fill")
    filled = hm.Mined.from_run(mined.collection, mined.candidates, rule, positives=mined.positives)
    assert filled.negatives.filled.any()
    with pytest.raises(ValueError, match="scores: some are unknown"):
        filled.write(tmp_path / "rows.jsonl", scores=True)
    filled.write(tmp_path / "rows.jsonl")
    assert None in rows(tmp_path / "rows.provenance.jsonl")[0]["negative_scores"]


def test_sentence_transformers_reads_them(mined, tmp_path):
    datasets = pytest.importorskip("datasets")
    for suffix, kind in ((".jsonl", "json"), (".parquet", "parquet")):
        mined.write(tmp_path / f"rows{suffix}", PREFIX + "labeled-list", scores=True)
        found = datasets.load_dataset(kind, data_files=str(tmp_path / f"rows{suffix}"), cache_dir=str(tmp_path / "c"))
        assert found["train"].column_names == ["anchor", "positive", "scores"]
        assert found["train"][0]["positive"] == ["p0", "n1", "n2"]
