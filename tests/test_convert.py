"""The command line: convert, formats, and runs made elsewhere in select."""

import json

import pytest

import hardmine as hm
from hardmine.cli.main import main
from tests.texts import write_beir, write_jsonl

TREC = "q1 Q0 d2 1 0.75 bm25\nq1 Q0 d1 2 0.5 bm25\nq2 Q0 d1 1 3 bm25\nq2 Q0 d3 2 2 bm25\n"


@pytest.fixture
def folder(tmp_path):
    corpus = [("d1", "", "red"), ("d2", "T", "green"), ("d3", "", "blue")]
    write_beir(tmp_path / "beir", corpus, [("q1", "which"), ("q2", "what")], train=[("q1", "d2", 1), ("q2", "d1", 1)])
    (tmp_path / "run.trec").write_text(TREC)
    write_jsonl(tmp_path / "rows.jsonl", [{"query": "a", "pos": ["b"], "neg": ["c", "d"]}])
    return tmp_path


def said(capsys, *arguments, code=0):
    assert main([str(argument) for argument in arguments]) == code
    out, error = capsys.readouterr()
    return error if code else out


def test_collections(folder, capsys):
    out = said(capsys, "convert", folder / "beir", folder / "pairs.parquet")
    assert out.startswith("Collection(2 queries, 3 documents, 2 positives) in ")
    assert out.rstrip().endswith("(beir to parquet)")
    said(
        capsys,
        "convert",
        folder / "pairs.parquet",
        folder / "again",
        "--to",
        "beir",
        "--corpus",
        folder / "pairs.corpus.parquet",
    )
    one, other = (hm.Collection.read(folder / name) for name in ("beir", "again"))
    assert one.documents.equals(other.documents)
    assert one.queries.equals(other.queries)
    assert one.positives.has_labels_of(other.positives)


def test_runs(folder, capsys):
    said(capsys, "convert", folder / "run.trec", folder / "run", "--to", "hardmine")
    said(capsys, "convert", folder / "run", folder / "again.trec")
    assert (folder / "again.trec").read_text() == TREC
    out = said(
        capsys, "convert", folder / "run.trec", folder / "arrays", "--to", "npy", "--collection", folder / "beir"
    )
    assert out.startswith("Candidates(2 queries, 4 candidates")
    assert hm.Candidates.read(folder / "arrays").ids.tolist() == [1, 0, 0, 2]
    (folder / "run.trec").write_text(TREC + "q3 Q0 d1 1 1 x\n")
    error = said(capsys, "convert", folder / "run.trec", folder / "x.hm", "--collection", folder / "beir", code=2)
    assert "run.trec, line 5, field 'query': 'q3', expected the id of a query of the collection" in error
    said(capsys, "convert", folder / "run.trec", folder / "x.hm", "--collection", folder / "beir", "--drop-unknown")


def test_rows(folder, capsys):
    out = said(
        capsys, "convert", folder / "rows.jsonl", folder / "out.jsonl", "--from", "flag-embedding", "--to",
        "sentence-transformers:triplet",
    )  # fmt: skip
    assert out.startswith("2 rows in ")
    rows = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert [list(row.values()) for row in rows] == [["a", "b", "c"], ["a", "b", "d"]]
    said(capsys, "convert", folder / "rows.jsonl", folder / "made", "--from", "flag-embedding", "--to", "beir")
    assert hm.Collection.read(folder / "made").num_queries == 1


REFUSED = {
    "not told": (("run.trec", "out.x"), "run.trec to .*out.x: the paths do not tell; say it with --from and --to"),
    "unknown": (("run.trec", "out.x", "--to", "xml"), "--to xml: expected one of "),
    "unfit": (("run.trec", "out.x", "--from", "trec-run", "--to", "beir"),
              "--to beir: written from collection, but trec-run is read as run"),
    "gone": (("gone.trec", "out.hm"), "gone.trec: no such file or folder"),
    "several": (("some.parquet", "out.parquet"), "some.parquet: may be read as collection, run; say which with --kind"),
    "option": (("run.trec", "out.hm", "--split", "dev"), "--split: only for what is read as collection, but .* as run"),
    "other option": (("beir", "out.jsonl", "--drop-unknown"), "--drop-unknown: only for what is read as run, but"),
    "scores": (("beir", "out.jsonl", "--scores"), "--scores: only for what is read as rows"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED)
def test_refusals(folder, capsys, arguments, message):
    source, target, *others = arguments
    error = said(capsys, "convert", folder / source, folder / target, *others, code=2)
    import re

    assert re.match("hardmine: .*" + message, error), error
    assert error.count("\n") == 1
    assert not (folder / target).exists()


def test_formats(capsys):
    found = json.loads(said(capsys, "formats", "--json"))
    assert {name for row in found for name in [row["name"]] if "run" in row["reads"]} == set(
        hm.formats.names_of("run", "reads")
    )
    assert all(set(row) == {"name", "reads", "writes", "layouts", "holds"} for row in found)
    text = said(capsys, "formats")
    for row in found:
        assert row["name"] in text
        assert row["holds"] in text
    assert "trec-run" in text
    assert "read as run; written from run (.trec, .run, .txt)" in text


@pytest.mark.parametrize("options", [[], ["--run-format", "trec-run"]])
def test_select_takes_runs_made_elsewhere(folder, capsys, options):
    file = folder / ("run.trec" if not options else "run.bm25")
    (folder / "run.trec").rename(file)
    command = "select", folder / "beir", file, "--num-negatives", 1, "--output", folder / "out.jsonl"
    said(capsys, *command, *options)
    rows = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert [row["negative_1"] for row in rows] == ["red", "blue"]
    (folder / file.name).write_text(TREC.replace("q1 Q0 d2 1 0.75 bm25\n", ""))
    error = said(capsys, *command, *options, code=2)
    assert "1 of 2 are not among its candidates" in error
    assert "abs=0.7" in error
    said(capsys, *command, *options, "--rule", "abs=2.5")


@pytest.mark.parametrize("command", ["convert", "select"])
def test_what_is_dropped_is_counted_and_not_all_of_it(folder, capsys, command):
    run = folder / "run.trec"
    arguments = {
        "convert": ["convert", run, folder / "out.hm", "--collection", folder / "beir"],
        "select": [
            "select",
            folder / "beir",
            run,
            "--num-negatives",
            1,
            "--rule",
            "abs=9",
            "--output",
            folder / "o.jsonl",
        ],
    }[command]
    run.write_text(TREC + "q3 Q0 d1 1 1 x\nq1 Q0 d8 1 1 x\nq1 Q0 d9 1 1 x\n")
    error = said(capsys, *arguments, code=2)
    assert "'q3', expected the id of a query of the collection; --drop-unknown leaves out and counts" in error
    assert "unknown=" not in error
    assert main([str(argument) for argument in [*arguments, "--drop-unknown"]]) == 0
    error = capsys.readouterr().err
    assert f"{run}: 1 candidates of unknown queries and 2 of unknown documents left out\n" in error
    run.write_text("q3 Q0 d1 1 1 x\nq1 Q0 d9 1 1 x\n")
    error = said(capsys, *arguments, "--drop-unknown", code=2)
    assert "run.trec, line 1: no candidate whose query and document the collection has, expected at least one" in error


def test_a_run_of_an_unknown_suffix_is_told_by_an_option(folder, capsys):
    (folder / "run.trec").rename(folder / "run.tsv")
    error = said(capsys, "select", folder / "beir", folder / "run.tsv", "--output", folder / "o.jsonl", code=2)
    assert error.endswith(
        "run.tsv: not a hardmine file, nor a suffix that tells the format; say it with --run-format\n"
    )


@pytest.mark.parametrize(("source", "target", "names"), [
    ("pairs.jsonl", "pairs.parquet", ()), ("run.trec", "run.parquet", ()),
    ("rows.jsonl", "rows.parquet", ("--from", "flag-embedding", "--to", "tevatron", "--kind", "rows")),
])  # fmt: skip
def test_progress_is_logged(folder, capsys, source, target, names):
    write_jsonl(folder / "pairs.jsonl", [{"query": "a", "positive": "b"}])
    log = folder / "log.jsonl"
    assert main([*map(str, ("convert", folder / source, folder / target, *names, "--quiet", "--log-json", log))]) == 0
    assert capsys.readouterr().err == ""
    events = [json.loads(line) for line in log.read_text().splitlines()]
    size = (folder / source).stat().st_size
    found = [(event["done"], event["total"]) for event in events if event["stage"] == f"reading bytes of {source}"]
    assert found[-1] == (size, size)


def test_the_log_is_no_target(folder, capsys):
    target = folder / "run.parquet"
    error = said(capsys, "convert", folder / "run.trec", target, "--log-json", target, code=2)
    assert "--log-json" in error
    assert "the file of OUT, expected another" in error
    assert not target.exists()
