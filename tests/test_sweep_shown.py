"""A sweep as text, in a notebook and on the command line, and what it refuses."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest

import hardmine as hm
from hardmine.cli.main import main
from hardmine.report.sweep import as_html
from tests.sweep_cases import fixtures, make, sweep

world, second = fixtures()


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, attrs))


def test_the_summary_fits_and_says_what_it_rests_on(world, second):
    found = sweep(world, None, second=second)
    lines = found.summary().splitlines()
    assert max(map(len, lines)) <= 100
    text = " ".join(" ".join(lines).split())
    assert f"recommended: {found.rows[found.recommended['index']]['rule']}" in text
    assert "for each labelled one, and is in proportion to that number" in text
    assert sum(line.endswith(">") for line in lines) == 1
    assert sum(line.endswith("*") for line in lines) > 0
    bare = sweep(
        world, ["abs=2", hm.Selection(2, ceiling=hm.PercPos(0.95) & hm.PercPos(0.94) & hm.Absolute(1234567.0))]
    )
    assert "\nperc-pos=0.95 & perc-pos=0.94 & abs=1234567.0 num-negatives=2\n   " in bare.summary()
    alike = [f"perc-pos=0.95 & abs=0.71 draw=softmax={t}" for t in (0.5, 0.7)]
    assert all(rule in sweep(world, alike).summary() for rule in alike)


def test_numbers_of_any_size_keep_to_their_columns(world):
    collection, run, _ = world
    for size in (1e4, -1e5, 1e36):
        scores = np.sort(run.scores.reshape(len(run), -1) * np.float32(size), axis=1)[:, ::-1]
        run_of_size = run.replace(
            scores=np.ascontiguousarray(scores).ravel(),
            positives=run.positives.with_scores(run.positives.scores * np.float32(size)),
        )
        found = hm.sweep(collection, run_of_size, ["naive"], num_negatives=2, progress=False)
        line = found.summary().splitlines()[3]
        assert len(line.removesuffix(">").removesuffix("*").split()) == 11, line


def test_a_name_that_steers_the_terminal_is_shown_as_text(world):
    collection, run, documents = world
    evil = run.replace(metadata={**run.metadata, "teacher": "evil\x1b[31m\nline"})
    text = sweep((collection, evil, documents), ["naive"]).summary()
    assert "teacher evil\\x1b[31m\\nline" in text
    assert "\x1b" not in text


def test_data_of_a_sweep_are_a_copy(world):
    found = sweep(world, ["naive"])
    found.to_dict()["rows"][0]["rule"] = "other"
    assert found.rows[0]["rule"] == "naive"


def test_a_notebook_shows_text_as_text(world):
    found = sweep(world, ["naive", "abs=2"]).to_dict()
    found["rows"][0]["rule"] = "<script>alert(1)</script>"
    found["unfit"] = [{"rule": "a<b", "reason": "<img src=x onerror=1>"}]
    parser = Tags()
    parser.feed(as_html(found))
    assert {tag for tag, _ in parser.tags} == {"p", "b", "table", "thead", "tr", "th", "tbody", "td", "ul", "li"}
    assert not any(attrs for _, attrs in parser.tags)
    assert sweep(world, ["naive"])._repr_html_().count("<tr>") == 2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"grid": "naive"}, TypeError, "grid: str, expected a sequence of Selections or of rules as text"),
        ({"grid": []}, ValueError, "grid: empty, expected at least one setting"),
        ({"grid": ["naive", 3]}, TypeError, "grid[1]: int, expected a Selection, a ceiling or text such as"),
        ({"grid": ["nave"]}, ValueError, "grid[0]: unknown 'nave', expected one of naive, abs"),
        ({"grid": ["naive range-min=x"]}, ValueError, "grid[0] naive range-min=x: range-min=x: expected an integer"),
        ({"grid": ["naive range-min=1 range-min=2"]}, ValueError, "range-min twice, expected once"),
        ({"trials_per_query": 17}, ValueError, "trials_per_query: 17, expected at most 16"),
        ({"progress": 1}, TypeError, "progress: int 1, expected True, False or a callable"),
        ({"second": 3}, TypeError, "second: int, expected Candidates"),
        ({"second": hm.Candidates([0], [], [])}, ValueError, "second: 0 queries, expected 60 as in the collection"),
        ({"document_embeddings": np.zeros((3, 4), np.float32)}, ValueError, "document_embeddings: 3 rows, expected 90"),
    ],
)
def test_bad_arguments_are_named(world, options, error, message):
    with pytest.raises(error) as caught:
        sweep(world, options.pop("grid", ["naive"]), **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_run_that_was_cut_is_refused(world):
    collection, run, _ = world
    counts = np.zeros(len(run), dtype=np.int64)
    counts[7] = 2
    with pytest.raises(ValueError, match=r"^run: retrieved under a ceiling, which removed 2 documents of query 7"):
        hm.sweep(collection, run.replace(reasons={"above_ceiling": counts}), progress=False)
    with pytest.raises(ValueError, match=r"^second: retrieved under a ceiling, which removed 2 documents of query 7"):
        hm.sweep(collection, run, second=run.replace(reasons={"above_ceiling": counts}), progress=False)
    with pytest.raises(TypeError, match="^collection: int, expected a Collection"):
        hm.sweep(3, run)
    with pytest.raises(TypeError, match="^run: str, expected Candidates"):
        hm.sweep(collection, "run")
    other = make(num_queries=3)[0]
    with pytest.raises(ValueError, match="expected 3 as in the collection"):
        hm.sweep(other, run, progress=False)


@pytest.fixture
def files(world, second, tmp_path):
    collection, run, documents = world
    collection.write(tmp_path / "collection", "beir")
    run.save(tmp_path / "run.hm")
    second.save(tmp_path / "second.hm")
    np.save(tmp_path / "documents.npy", documents)
    return tmp_path


def test_the_command_says_what_the_function_finds(world, second, files, capsys):
    arguments = ["sweep", str(files / "collection"), str(files / "run.hm"), "--quiet", "--num-negatives", "3"]
    more = ["--rules", "naive", "anchored=1.1,1.0", "--second", str(files / "second.hm")]
    embeddings = ["--document-embeddings", str(files / "documents.npy"), "--bootstrap", "100", "--seed", "4"]
    output = files / "found.json"
    assert main([*arguments, *more, *embeddings, "--json", "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    options = {"second": second, "document_embeddings": world[2], "num_bootstrap": 100, "seed": 4}
    assert json.loads(printed) == sweep(world, ["naive", "anchored=1.1,1.0"], **options).to_dict()
    assert json.loads(output.read_text()) == json.loads(printed)
    assert main([*arguments, "--unlabelled-per-positive", "0.5", "--max-short", "0.2", "--positive-agg", "max"]) == 0
    expected = sweep(world, None, unlabelled_per_positive=0.5, max_short=0.2, positive_agg="max")
    assert capsys.readouterr().out.strip() == expected.summary().strip()


def test_the_command_refuses_in_one_line(files, capsys):
    collection, run = str(files / "collection"), str(files / "run.hm")
    (files / "no.npy").write_bytes(b"nothing")
    np.savez(files / "several.npz", a=np.zeros(1))
    for more, message in (
        (["--rules", "nave"], "grid[0]: unknown 'nave'"),
        (["--document-embeddings", str(files / "no.npy")], "no.npy: no array of NumPy, expected a .npy file"),
        (["--document-embeddings", str(files / "several.npz")], "several.npz: several arrays (.npz), expected one"),
        (["--document-embeddings", str(files / "gone.npy")], "gone.npy: no such file, expected an array of NumPy"),
        (["--second", str(files / "none.hm")], "none.hm: no such file, expected a run made by hardmine retrieve"),
        (["--output", str(files / "none" / "x.json")], "none does not exist"),
        (["--max-short", "2"], "max_short: 2, expected at most 1"),
    ):
        assert main(["sweep", collection, run, "--quiet", *more]) == 2
        line = capsys.readouterr().err
        assert message in line
        assert line.count("\n") == 1
        assert "pickle" not in line


def test_the_command_reads_a_run_of_any_format(world, files, capsys):
    collection, run, _ = world
    run.write(files / "run.txt", format="trec-run")
    arguments = ["--run-format", "trec-run", "--second", str(files / "second.hm"), "--rules", "naive", "--json"]
    assert main(["sweep", str(files / "collection"), str(files / "run.txt"), "--quiet", *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"][0]["kept"] == 4 * collection.num_queries
    assert found["rows"][0]["second"]["overlap"] > 0
    assert found["estimate"]["why_none"] == "the run holds no scores of the positives"
