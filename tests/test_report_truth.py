"""The page claims what is so: the rule's own positive scores, side files and sweeps of other runs, whole numbers."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import hardmine as hm
from hardmine.cli.main import main
from hardmine.nouns.identity import foreign
from hardmine.report.html import figures
from hardmine.report.html.bins import bins
from hardmine.report.html.of_mined import of_mined
from hardmine.report.html.of_rows import of_rows
from hardmine.report.html.verdicts import headlines, verdicts
from tests.report_pages import SWEEP, Found, hostile_collection, mined, without_pictures

TUPLES = "sentence-transformers:n-tuple"


def several(agg="min", *, seed=5, ceiling=None):
    """A run of queries with one to three positives."""
    collection = hm.Collection.from_pairs(
        [f"query {i}" for i in range(30)],
        [[f"positive {i} {j}" for j in range(1 + i % 3)] for i in range(30)],
        [f"other {i}" for i in range(40)],
    )
    rule = hm.Selection(3, ceiling=ceiling or hm.NoCeiling(), positive_agg=agg)
    return mined(collection, k=12, selection=rule, seed=seed)


def said_of(material):
    return [(each.name, each.value) for each in headlines(material)]


@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("format", [TUPLES, "flag-embedding", "tevatron"])
@pytest.mark.parametrize("agg", ["min", "max", "mean", "each"])
def test_a_file_says_what_the_run_says(tmp_path, agg, format, scores):  # noqa: A002
    found = several(agg, ceiling=hm.PercPos(1.0))
    try:
        found.write(tmp_path / "rows.jsonl", format, scores=scores)
    except ValueError:
        pytest.skip("the format has no place for scores")
    of_file = of_rows(tmp_path / "rows.jsonl", format, examples=5)
    whole = of_mined(found.collection, found.negatives, found.positives, found.candidates, examples=5)
    assert of_file.above[0] == whole.above[0] == 0
    assert of_file.reasons == whole.reasons
    if format != TUPLES and agg != "each":
        assert said_of(of_file)[2:] == [each for each in said_of(whole) if "short" not in each[0]][2:]


def test_a_side_file_of_before_says_which_positive_it_takes(tmp_path):
    found = several("max")
    found.write(tmp_path / "rows.jsonl", "flag-embedding")
    side = tmp_path / "rows.provenance.jsonl"
    lines = [json.loads(line) for line in side.read_text().splitlines()]
    for line in lines:
        del line["rule_positive_score"], line["mined_row"]
    side.write_text("".join(json.dumps(line) + "\n" for line in lines))
    material = of_rows(tmp_path / "rows.jsonl", "flag-embedding", examples=5)
    assert "does not say which positive score the rule used" in material.notes[0]
    assert material.reasons == {}
    labels = found.positives
    lowest = [labels.scores[slice(*labels.offsets[row : row + 2])].min() for row in range(30)]
    assert np.array_equal(material.row_positives, np.float32(lowest))


@pytest.mark.parametrize("agg", ["min", "mean", "max"])
def test_other_teachers_are_aggregated_as_the_rule_does(agg):
    found = several(agg)
    run, labels = found.candidates, found.positives
    both = hm.Candidates(
        run.offsets, run.ids, run.scores, positives=labels.with_scores(labels.scores),
        query_ids=run.query_ids, document_ids=run.document_ids, metadata=run.metadata,
    )  # fmt: skip
    object.__setattr__(both, "teacher_scores", {"twin": run.scores})
    object.__setattr__(labels, "teacher_scores", {"twin": labels.scores})
    material = of_mined(found.collection, found.negatives, labels, both, examples=5)
    (twin,) = material.others
    assert twin.above == material.above
    assert material.above[0] > 0
    assert np.allclose(twin.ratios, material.ratios, rtol=1e-5)


def test_ids_disprove_a_side_file(tmp_path):
    for name, seed in (("a", 1), ("b", 2)):
        several(seed=seed).write(tmp_path / f"{name}.jsonl", "tevatron")
    (tmp_path / "b.provenance.jsonl").replace(tmp_path / "a.provenance.jsonl")
    material = of_rows(tmp_path / "a.jsonl", "tevatron", examples=5)
    assert material.notes == ["a.provenance.jsonl is about other rows than these: its scores and ranks are left out."]
    assert np.isnan(material.scores).all()


def test_labeled_pairs_have_their_side_file(tmp_path):
    found = several()
    found.write(tmp_path / "rows.jsonl", "sentence-transformers:labeled-pair")
    material = of_rows(tmp_path / "rows.jsonl", "sentence-transformers:labeled-pair", examples=5)
    assert np.array_equal(material.scores, found.negatives.scores)
    assert np.array_equal(material.row_positives, found.negatives.positive_scores)
    assert material.notes == ["Lines that belong together (neighbours with the same query) are read as one row."]


def test_each_positive_with_equal_lists_is_counted_by_itself(tmp_path):
    found = several("each")
    found.write(tmp_path / "rows.jsonl", "flag-embedding")
    expected = {name: int(counts.sum()) for name, counts in found.negatives.reasons.items()}
    assert of_rows(tmp_path / "rows.jsonl", "flag-embedding", examples=5).reasons == expected


def test_negatives_of_another_collection_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, count in (("own", 30), ("small", 4)):
        lines = [json.dumps({"query": f"{name} {i}", "positive": f"p {i}"}) + "\n" for i in range(count)]
        Path(f"{name}.jsonl").write_text("".join(lines))
    own = mined(hm.Collection.read("own.jsonl"))
    own.negatives.save("n.hm")
    without_pictures(monkeypatch)
    assert main(["report", "n.hm", "--collection", "own.jsonl", "--output", "r.html", "--quiet"]) == 0
    bare = {**own.negatives.metadata}
    del bare["collection"]
    columns = {name: getattr(own.negatives, name) for name in own.negatives._columns()}
    hm.Negatives(**columns | {"metadata": bare}).save("old.hm")
    for file, message in (
        ("n.hm", "mined from 30 queries, but the collection has 4"),
        ("old.hm", "queries: number 29"),
    ):
        capsys.readouterr()
        assert main(["report", file, "--collection", "small.jsonl", "--output", "s.html", "--quiet"]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1
    large = hm.Collection.from_pairs([f"q{i}" for i in range(99)], [f"p{i}" for i in range(99)])
    assert foreign(hm.Negatives.load("old.hm"), large) == "rows of 30 queries, but the collection has 99"
    ids = [[f"{letter}{i}" for i in range(30)] for letter in "qde"]
    labels = hm.Positives.from_lists([[i] for i in range(30)])
    one, two = (hm.Collection.from_ids(ids[0], names, labels) for names in ids[1:])
    assert foreign(mined(one).negatives, one) is None
    assert foreign(mined(one).negatives, two) == "mined from a collection with other ids"


@pytest.mark.parametrize(
    ("key", "value"), [("teacher", "another"), ("queries", 9), ("documents", 1), ("queries", None)]
)
def test_the_estimate_of_another_run_is_not_taken(tmp_path, monkeypatch, key, value):
    without_pictures(monkeypatch)
    found = mined(hostile_collection(), teacher="made")
    about = {"teacher": "made", "queries": 8, "documents": 24}
    found.report_html(tmp_path / "own.html", sweep={**SWEEP, "about": about})
    assert "false negatives, estimated (" in Found((tmp_path / "own.html").read_text()).text
    found.report_html(tmp_path / "r.html", sweep={**SWEEP, "about": {**about, key: value}})
    text = Found((tmp_path / "r.html").read_text()).text
    assert "false negatives, estimated (" not in text
    assert re.search(rf"It may be of another run \((its|the) {key}.*no estimate is taken", text)


def test_long_words_of_a_sweep_are_cut(tmp_path, monkeypatch):
    without_pictures(monkeypatch)
    words = "w" * 3_000_000
    for parts in ({"recommended": {"why": words}}, {"estimate": {"why_none": words}}):
        several().report_html(tmp_path / "r.html", sweep={"rows": [], "recommended": {}, **parts})
        assert (tmp_path / "r.html").stat().st_size < 1_500_000


def test_whole_numbers_have_bins_of_their_own():
    found = bins(np.array([1, 2, 3, 4, 4]), whole=True)
    assert found.edges.tolist() == [1, 2, 3, 4, 5]
    assert found.counts[0].tolist() == [1, 1, 1, 2]
    assert bins(np.array([3, 3]), whole=True).edges.tolist() == [3, 4]
    material = of_mined(*_parts(several()), examples=0)
    ranks = next(each for each in figures.quality(material) if each.key == "ranks")
    values, counts = np.unique(material.ranks, return_counts=True)
    assert [row[0] for row in ranks.rows] == [str(value) for value in values]
    assert [float(row[1]) for row in ranks.rows] == pytest.approx(100 * counts / counts.sum(), abs=0.01)


def _parts(found):
    return found.collection, found.negatives, found.positives, found.candidates


def test_above_a_positive_of_zero_is_marked_and_first(tmp_path, monkeypatch):
    without_pictures(monkeypatch)
    collection = hm.Collection.from_pairs(["a", "b"], ["one", "two"], ["three", "four"])
    scores = [[0.5, 0.4, 0.3, 0.2], [0.9, 0.5, 0.4, 0.3]]
    found = mined(collection, k=4, scores=scores, positive_scores=np.float32([0.5, 0.0]))
    found.report_html(tmp_path / "r.html")
    examples = [each for each in Found((tmp_path / "r.html").read_text()).all("details") if "data-row" in each]
    assert [each["data-row"] for each in examples] == ["1", "0"]
    assert ["data-above" in each for each in examples] == [True, False]
    assert float(examples[0]["data-suspicion"]) > 1e299
    items = Found((tmp_path / "r.html").read_text()).all("li")
    assert sum(each.get("class") == "above" for each in items) == of_mined(*_parts(found), examples=2).above[0] == 3


def test_times_their_positive_is_said_of_positives_above_zero_only():
    found = mined(hostile_collection(), positive_scores=np.full(8, -2.0, np.float32))
    assert not [each for each in verdicts(of_mined(*_parts(found), examples=0)) if "times their positive" in each.text]


def test_pictures_do_not_mix_teachers(tmp_path, monkeypatch):
    without_pictures(monkeypatch)
    collection = several().collection
    runs = [several(seed=seed).candidates for seed in (0, 1)]
    rules = [hm.Selection(3, ceiling=hm.PercPos(0.8)), hm.Selection(3, ceiling=hm.NoCeiling())]
    found = hm.Mined.from_runs(collection, list(zip(runs, rules, strict=True)), scheme="intra_sample")
    found.report_html(tmp_path / "r.html")
    parsed = Found((tmp_path / "r.html").read_text())
    keys = {each["id"] for each in parsed.all("figure")}
    assert "figure-ranks" in keys
    assert not keys & {"figure-scores", "figure-margins"}
    assert "Rule: perc-pos=0.8; naive" in parsed.text
    assert "pictures that would mix their scales are left out" in parsed.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "--sweep s.json: No such file or directory, expected what hardmine sweep --json prints"),
        ("[" * 100_000, "--sweep s.json: nested too deeply"),
        ("{", "--sweep s.json: no JSON (line 1, column 2)"),
        ("1" * 5_000, "--sweep s.json: a number of too many digits"),
        (b"\xff", "--sweep s.json: not in UTF-8"),
        ('{"rows": [3], "recommended": {}}', "--sweep s.json: sweep['rows'][0]: int, expected an object"),
    ],
)
def test_what_is_no_sweep_is_one_line(tmp_path, monkeypatch, capsys, text, message):
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text('{"anchor": "a", "positive": "b", "negative_1": "c"}\n')
    if text is not None:
        Path("s.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["report", "rows.jsonl", "--output", "o.html", "--sweep", "s.json"]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_side_files_are_not_written_over(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text("{}")
    Path("a.provenance.jsonl").write_text("precious")
    for command, message in (
        (["report", "a.jsonl", "--output", "a.provenance.jsonl"], "--output a.provenance.jsonl: the command reads it"),
        (
            ["mine", "c", "--teacher", "bm25", "--output", "a.jsonl", "--report", "a.provenance.jsonl"],
            "--report a.provenance.jsonl: the side file of --output",
        ),
        (
            ["mine", "a.provenance.jsonl", "--teacher", "bm25", "--output", "a.jsonl"],
            "--output a.jsonl: its side file a.provenance.jsonl is read",
        ),
    ):
        assert main(command) == 2
        assert message in capsys.readouterr().err
    assert Path("a.provenance.jsonl").read_text() == "precious"


def test_a_teacher_of_no_such_name_is_said_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("c.jsonl").write_text('{"query": "a", "positive": "b"}\n')

    def fail(*_, **__):
        raise OSError("We couldn't connect")

    monkeypatch.setattr("hardmine.teachers.load", fail)
    assert main(["mine", "c.jsonl", "--teacher", "bm52", "--output", "a.jsonl"]) == 2
    assert "--teacher bm52: neither 'bm25' nor a folder, and no such model could be loaded" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to_is_said_at_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("shut").mkdir()
    monkeypatch.setattr("os.access", lambda path, _mode: str(path) != "shut")
    assert main(["mine", "c", "--teacher", "bm25", "--output", "a.jsonl", "--report", "shut/r.html"]) == 2
    assert "shut/r.html: the folder shut cannot be written to" in capsys.readouterr().err


def test_a_caution_is_whole_and_the_assumption_stands_beside_the_estimate(tmp_path):
    collection = hostile_collection()
    caution = "Caution: " + "few labels " * 40 + "end."
    estimate = SWEEP["estimate"] | {"caution": caution, "unlabelled_per_positive": 2.5}
    advice = SWEEP["recommended"] | {"why": f"{'because ' * 60}{caution}"}
    given = {**SWEEP, "estimate": estimate, "recommended": advice}
    mined(collection).report_html(tmp_path / "r.html", sweep=given)
    page = (tmp_path / "r.html").read_text()
    assert page.count(caution) == 1
    assert "with 95 % intervals over queries" in page
    assert "2.5 unlabelled relevant documents for each labelled one" in page
