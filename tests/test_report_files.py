"""The report of files: rows of any format with and without their side file, runs, saved negatives, and the command."""

import json
from pathlib import Path

import numpy as np
import pytest

import hardmine as hm
from hardmine.cli.main import main
from hardmine.report.html.of_mined import of_mined, of_run
from hardmine.report.html.of_rows import of_rows
from tests.report_pages import SWEEP, Found, hostile_collection, mined, without_pictures
from tests.texts import random_beir

TUPLES = "sentence-transformers:n-tuple"


@pytest.fixture(scope="module")
def found():
    """What was mined under a rule that leaves rows short, several positives a query."""
    collection = hm.Collection.from_pairs(
        [f"query {i}" for i in range(30)],
        [[f"positive {i} {j}" for j in range(1 + i % 3)] for i in range(30)],
        [f"other {i} " + "word " * i for i in range(40)],
    )
    return mined(collection, k=12, selection=hm.Selection(3, ceiling=hm.PercPos(0.8)), seed=5)


@pytest.mark.parametrize("agg", ["min", "max", "mean", "each"])
@pytest.mark.parametrize("layout", ["jsonl", "parquet", "jsonl.gz", "csv"])
def test_the_side_file_gives_scores_ranks_and_reasons(found, tmp_path, layout, agg):
    rule = hm.Selection(3, ceiling=hm.PercPos(0.8), positive_agg=agg)
    again = hm.Mined.from_run(found.collection, found.candidates, rule)
    path = tmp_path / f"rows.{layout}"
    written = again.write(path, TUPLES)
    material = of_rows(path, TUPLES, examples=20)
    assert material.num_rows == written["rows"] > 5
    assert material.reasons == {name: int(counts.sum()) for name, counts in again.negatives.reasons.items()}
    # Slowly: every pair with all its negatives is a row, in order.
    expected = []
    for row, query in enumerate(again.negatives.queries.tolist()):
        labels = range(*again.positives.offsets[query : query + 2])
        if agg == "each":
            labels = [label for label in labels if again.positives.ids[label] == again.negatives.positives[row]]
        for label in labels:
            if len(again.negatives[row].ids) == 3:
                ids, scores = again.negatives[row]
                start = int(again.negatives.offsets[row])
                own, ranks = again.positives.scores[label], again.negatives.ranks[start : start + 3]
                expected.append((own, scores, ranks, ids, again.negatives.positive_scores[row]))
    assert np.array_equal(material.row_positives, [p for *_, p in expected])
    assert np.array_equal(material.positive_scores, [p for p, *_ in expected])
    assert np.array_equal(material.scores, np.concatenate([scores for _, scores, *_ in expected]))
    assert np.array_equal(material.ranks, np.concatenate([ranks for _, _, ranks, *_ in expected]))
    lost = written["dropped_pairs"]
    assert material.notes == [f"{lost:,} of {written['pairs']:,} mined pairs gave no row: they had too few negatives."]
    documents = found.collection.document_texts
    assert material.lengths["negatives"].tolist() == [
        len(documents[i].as_py()) for each in expected for i in each[3].tolist()
    ]
    keys = {}
    for key, document in zip(material.keys.tolist(), [i for each in expected for i in each[3].tolist()], strict=True):
        assert keys.setdefault(key, document) == document
    assert len(keys) == len(set(keys.values()))
    ratios = material.ratios.reshape(-1, 3)
    best = [example for example in material.examples if example.why == "suspicious"]
    assert [example.row for example in best] == np.argsort(-ratios.max(axis=1), kind="stable")[: len(best)].tolist()
    for example in best:
        assert [document.text for document in example.negatives] == [
            documents[i].as_py() for i in expected[example.row][3].tolist()
        ]
        assert [document.score for document in example.negatives] == expected[example.row][1].tolist()
        assert [document.score for document in example.positives] == [float(expected[example.row][0])]


def test_rows_of_lists_keep_their_lengths(found, tmp_path):
    path = tmp_path / "rows.jsonl"
    found.write(path, "flag-embedding")
    material = of_rows(path, "flag-embedding", examples=10)
    kept = found.negatives.lengths[found.negatives.lengths > 0]
    assert material.counts.tolist() == kept.tolist()
    assert np.array_equal(material.scores, found.negatives.scores)
    assert {example.num_negatives for example in material.examples} <= set(kept.tolist())


def test_a_side_file_of_other_rows_is_left_out_and_said(found, tmp_path):
    found.write(tmp_path / "rows.jsonl", TUPLES)
    lines = (tmp_path / "rows.jsonl").read_text().splitlines()
    (tmp_path / "rows.jsonl").write_text("\n".join(lines[1:]) + "\n")
    material = of_rows(tmp_path / "rows.jsonl", TUPLES, examples=5)
    assert material.notes == [
        "rows.provenance.jsonl is about other rows than these: its scores and ranks are left out."
    ]
    assert np.isnan(material.scores).all()
    assert material.reasons == {}
    (tmp_path / "rows.provenance.jsonl").write_text('{"query_id": "a"}\n')
    with pytest.raises(hm.formats.FormatError, match=r"rows.provenance.jsonl.*positive_score.*missing"):
        of_rows(tmp_path / "rows.jsonl", TUPLES, examples=5)
    (tmp_path / "rows.provenance.jsonl").write_text("no json")
    with pytest.raises(hm.formats.FormatError, match="unreadable"):
        of_rows(tmp_path / "rows.jsonl", TUPLES, examples=5)


def test_rows_of_others_with_scores_of_their_own(tmp_path):
    rows = [
        {"query": "a", "pos": ["b", "c"], "neg": ["d", "e"], "pos_scores": [0.9, 0.5], "neg_scores": [0.6, 0.2]},
        {"query": "f", "pos": ["g"], "neg": ["d"], "pos_scores": [0.7], "neg_scores": [0.1]},
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    material = of_rows(tmp_path / "rows.jsonl", "flag-embedding", examples=5)
    assert material.row_positives.tolist() == [0.5, np.float32(0.7)]
    assert material.counts.tolist() == [2, 1]
    assert material.ratios[0] == pytest.approx(1.2)
    assert material.uses[1].tolist() in ([2, 1], [1, 2])
    top = int(material.uses[0][material.uses[1].argmax()])
    assert [document.text for document in material.named([top])] == ["d"]
    assert [(example.row, example.why) for example in material.examples] == [(0, "suspicious"), (1, "suspicious")]


def test_a_run_alone_and_saved_negatives(found, tmp_path):
    run = of_run(found.candidates, None, examples=5)
    assert run.noun == "candidates"
    assert run.keys.tolist() == found.candidates.ids.tolist()
    lowest = [float(found.positives.scores[slice(*found.positives.offsets[i : i + 2])].min()) for i in range(30)]
    assert run.row_positives.tolist() == lowest
    assert run.examples[0].query.text is None
    found.negatives.save(tmp_path / "negatives.hm")
    loaded = hm.Negatives.load(tmp_path / "negatives.hm")
    one = of_mined(found.collection, loaded, found.collection.positives, None, examples=5)
    two = of_mined(found.collection, found.negatives, found.positives, found.candidates, examples=5)
    assert np.array_equal(one.ratios, two.ratios)
    assert one.reasons == two.reasons
    assert [example.row for example in one.examples] == [example.row for example in two.examples]
    assert one.about[0] == ("Teacher", "made")


@pytest.fixture
def beir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return random_beir(tmp_path / "c")


def text_of(path):
    return Found(Path(path).read_text(encoding="utf-8")).text


def test_the_commands(beir, capsys, monkeypatch):
    without_pictures(monkeypatch)
    mine = ["mine", str(beir), "--teacher", "bm25", "--num-negatives", "2", "--output", "rows.jsonl", "--quiet"]
    assert main([*mine, "--report", "mined.html"]) == 0
    assert "what became of the candidates seen" in capsys.readouterr().out  # the short form stays
    assert "Teacher: bm25" in text_of("mined.html")
    assert main(["report", "rows.jsonl", "--output", "rows.html", "--title", "Mine"]) == 0
    said = capsys.readouterr()
    assert "rows in rows.html" in said.out
    assert "rows.jsonl (counting)" in said.err
    assert "rows.jsonl (taking out the rows to show)" in said.err
    assert text_of("rows.html").count("Mine") >= 2
    assert main(["retrieve", str(beir), "--teacher", "bm25", "-k", "20", "--output", "run.hm", "--quiet"]) == 0
    assert main(["report", "run.hm", "--output", "alone.html", "--examples", "3"]) == 0
    assert "No rule has chosen yet" in text_of("alone.html")
    Path("sweep.json").write_text(json.dumps(SWEEP))
    whole = ["report", "run.hm", "--collection", str(beir), "--rule", "abs=1e9", "--num-negatives", "3"]
    assert main([*whole, "--output", "run.html", "--sweep", "sweep.json"]) == 0
    assert "Rule: abs=1e+09" in text_of("run.html")
    assert "Hard against false" in text_of("run.html")
    expected = hm.Mined.from_run(
        hm.Collection.read(beir), hm.Candidates.load("run.hm"), hm.Selection(3, ceiling=hm.Absolute(1e9))
    )
    assert f"{expected.report['negatives']:,}" in text_of("run.html")
    assert main(["select", str(beir), "run.hm", "--output", "s.jsonl", "--report", "s.html", "--quiet"]) == 0
    assert "Rule: perc-pos=0.95" in text_of("s.html")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "none.jsonl", "--output", "o.html"], "none.jsonl: no such file, expected training rows, a run or"),
        (["report", "rows.jsonl", "--output", "rows.jsonl"], "--output rows.jsonl: the command reads it"),
        (["report", "rows.jsonl", "--output", "no/o.html"], "no/o.html: the folder no does not exist"),
        (["report", "rows.jsonl", "--output", "o.html", "--rule", "abs"], "--rule: not for rows, as which rows.jsonl"),
        (["report", "n.hm", "--output", "o.html"], "n.hm: saved negatives, expected --collection COLLECTION beside"),
        (["report", "n.hm", "--output", "o.html", "--format", "ids"], "--format: not for negatives"),
        (["report", "rows.jsonl", "--output", "o.html", "--sweep", "rows.jsonl"], "--sweep rows.jsonl: "),
        (["report", "rows.jsonl", "--output", "o.html", "--audit", "a.json"], "--audit a.json: audit['findings']: mis"),
        (["report", "rows.jsonl", "--output", "o.html", "--examples", "-1"], "examples: -1, expected at least 0"),
        (["report", "rows.jsonl", "--output", "o.html", "--format", "what"], "format: 'what', expected one of"),
        (["mine", "c", "--teacher", "no", "--output", "a.jsonl", "--report", "a.jsonl"], "--report a.jsonl: the file"),
        (["mine", "c", "--teacher", "no", "--output", "a.jsonl", "--report", "x/a.html"], "x/a.html: the folder x"),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text('{"anchor": "a", "positive": "b", "negative_1": "c"}\n' * 2)
    Path("a.json").write_text("{}")
    mined(hostile_collection()).negatives.save("n.hm")
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert message in said, said
    assert said.count("\n") == 1
    assert not Path("o.html").exists()
