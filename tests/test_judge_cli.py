"""``hardmine judge``: a cross-encoder and a chat endpoint on the command line, what is written, one line per error."""

import json

import pytest

import hardmine as hm
from hardmine.cli.main import main
from tests.chat_server import failure, serving, verdict
from tests.judges import verdict as verdict_of
from tests.test_judge_chat import texts_of
from tests.texts import write_beir

pytest.importorskip("pyarrow")
THRESHOLDS = ["--negative-below", "0", "--positive-above", "0.5"]


@pytest.fixture(scope="module")
def beir(tmp_path_factory):
    words = "abcdefgh"
    corpus = [(f"d{i}", "", f"doc {a} {b}") for i, (a, b) in enumerate((a, b) for a in words for b in words)]
    queries = [(f"q{i}", f"query {a}") for i, a in enumerate(words)]
    labels = [(f"q{i}", f"d{9 * i}", 1) for i in range(len(words))]
    return write_beir(tmp_path_factory.mktemp("beir") / "c", corpus, queries, train=labels)


@pytest.fixture(scope="module")
def run_file(beir, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run.hm"
    hm.retrieve(hm.Collection.read(beir), "bm25", k=10, progress=False).save(path)
    return path


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.models import tiny_bert

    return tiny_bert(tmp_path_factory.mktemp("model"), labels=1)


def endpoint_options(endpoint):
    return ["--judge-endpoint", endpoint.url, "--judge-model", "m"]


def judge(*arguments, code=0):
    assert main(["judge", *map(str, arguments), "--quiet"]) == code


def test_a_cross_encoder(beir, run_file, model, tmp_path, capsys):
    out, table = tmp_path / "left.hm", tmp_path / "verdicts.parquet"
    who = ["--judge-cross-encoder", model, *THRESHOLDS, "--dtype", "float32"]
    judge(beir, run_file, *who, "--output", out, "--verdicts", table, "--cache", tmp_path / "cache", "--json")
    report = json.loads(capsys.readouterr().out)
    scorer = hm.teachers.load_cross_encoder(model, dtype="float32")
    collection, run = hm.Collection.read(beir), hm.Candidates.load(run_file)
    known = hm.teachers.CrossEncoderJudge(scorer, negative_below=0.0, positive_above=0.5)
    expected = hm.judge(collection, run, known, progress=False)
    assert {**report, "calls": None} == {**expected.to_dict(), "calls": None}
    assert all(expected.report["counts"][name] for name in ("negative", "positive", "unsure"))
    left = hm.Candidates.load(out)
    assert left.ids.tolist() == expected.run.ids.tolist() != run.ids.tolist()
    expected.write(tmp_path / "api.parquet")
    assert table.read_bytes() == (tmp_path / "api.parquet").read_bytes()
    judge(beir, run_file, *who, "--output", out, "--cache", tmp_path / "cache")
    said = capsys.readouterr().out
    assert "of the cache, 0 calls, 0 faults" in said
    assert f"{left!r} in {out}" in said
    judge(beir, run_file, *who, "--relative", "--output", out)
    relative = hm.teachers.CrossEncoderJudge(scorer, negative_below=0.0, positive_above=0.5, relative=True)
    assert hm.Candidates.load(out).ids.tolist() == hm.judge(collection, run, relative, progress=False).run.ids.tolist()


def test_an_endpoint_and_new_labels(beir, run_file, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "sk-secret")
    prompt = tmp_path / "prompt.txt"
    prompt.write_text(
        "<query>\n{query}\n</query><document>\n{document}\n</document><known_answer>\n{positive}\n</known_answer>"
    )
    with serving(lambda _, text: verdict(verdict_of(*texts_of(text)))) as endpoint:
        judge(
            beir, run_file, *endpoint_options(endpoint), "--judge-key-variable", "SOME_KEY", "--judge-prompt", prompt,
            "--policy", "relabel", "--max-false", "none", "--budget", 30, "--output", tmp_path / "left.hm",
            "--output-collection", tmp_path / "labels", "--output-collection-format", "beir",
            "--verdicts", tmp_path / "verdicts.jsonl",
            "--requests-per-minute", 1e6, "--max-concurrency", 4,
        )  # fmt: skip
    assert len(endpoint.requests) == 30
    assert endpoint.requests[0]["headers"]["authorization"] == "Bearer sk-secret"
    assert endpoint.prompts[0].startswith("<query>")
    said = capsys.readouterr().out
    relabelled = hm.Collection.read(tmp_path / "labels")
    rows = [json.loads(line) for line in (tmp_path / "verdicts.jsonl").read_text().splitlines()]
    new = [(row["query_id"], row["document_id"]) for row in rows if row["outcome"] == "positive"]
    assert new
    assert f"{len(new)} relabelled" in said
    labels = relabelled.positives
    found = {
        (relabelled.query_ids[q], relabelled.document_ids[d])
        for q, d in zip(labels.query_of_each.tolist(), labels.ids.tolist(), strict=True)
    }
    assert found == {(f"q{i}", f"d{9 * i}") for i in range(8)} | set(new)
    assert "sk-secret" not in said
    # The run that is left goes with the new labels, and rows come of both.
    rows_file = tmp_path / "rows.jsonl"
    assert main(["select", str(tmp_path / "labels"), str(tmp_path / "left.hm"), "--output", str(rows_file)]) == 0
    assert rows_file.read_text()


def failing(folder):
    """Arguments that must end with exit code 2, and what the one line must hold."""
    out = ["--output", folder / "left.hm"]
    cross = ["--judge-cross-encoder", "nowhere/model"]
    relabel = ["--policy", "relabel", "--output-collection"]
    (folder / "other" / "qrels").mkdir(parents=True)
    (folder / "other" / "qrels" / "test.tsv").touch()
    (folder / "bytes").write_bytes(b"\xff\xfe{query}")
    chat = ["--judge-endpoint", "http://localhost:1/v1", "--judge-model", "m"]
    return [
        (out, "one of the arguments --judge-cross-encoder --judge-endpoint is required"),
        ([*cross, *chat, *out], "--judge-endpoint: not allowed with argument --judge-cross-encoder"),
        ([*chat], "judge: nothing to write, expected --output RUN or --verdicts FILE"),
        ([*cross, *out], "--negative-below: missing, expected beside --judge-cross-encoder"),
        ([*cross, "--negative-below", "1", "--positive-above", "0", *out], "positive_above: 0, expected at least neg"),
        ([*cross, *THRESHOLDS, *out], "nowhere/model"),
        ([*cross, *THRESHOLDS, "--timeout", "3", *out], "--timeout: only with --judge-endpoint"),
        ([*chat, "--relative", *out], "--relative: only with --judge-cross-encoder"),
        ([*chat[:2], *out], "--judge-model: missing, expected beside --judge-endpoint"),
        (["--judge-endpoint", "nowhere", *chat[2:], *out], "base_url: no plain address"),
        ([*chat, "--judge-key-variable", "sk-oops", *out], "api_key_variable: no such environment variable"),
        ([*chat, "--judge-prompt", folder / "no.txt", *out], "no.txt"),
        ([*chat, "--policy", "relabel", *out], "--output-collection: expected with --policy relabel"),
        ([*chat, "--output-collection", folder / "c", *out], "--output-collection: expected with --policy relabel"),
        ([*chat, "--max-false", "many", *out], "--max-false: 'many', expected a number or none"),
        ([*chat, "--budget", "-1", *out], "budget: -1, expected at least 0"),
        ([*chat, "--verdicts", folder / "v.xml"], "suffix '.xml', expected .jsonl"),
        ([*chat, "--verdicts", folder / "nowhere" / "v.csv"], "does not exist"),
        ([*chat, *relabel, folder / "no" / "c.jsonl", *out], "does not exist"),
        ([*chat, *relabel, folder / "no" / "c", "--output-collection-format", "msmarco", *out], "does not exist"),
        ([*chat, *relabel, folder / "c.hm", "--output-collection-format", "parquet", *out], "c.hm"),
        ([*chat, *relabel, folder / "other", "--output-collection-format", "beir", *out], "other: holds qrels of"),
        ([*chat, *relabel, folder / "bytes", "--output-collection-format", "beir", *out], "bytes: a file, expected a"),
        ([*chat, "--judge-prompt", folder / "bytes", *out], "bytes: not UTF-8, expected a text"),
        ([*chat, "--cache-policy", "reuse", *out], "--cache-policy reuse: expected --cache DIR beside it"),
    ]


@pytest.mark.parametrize("number", range(25))
def test_one_line_for_each_mistake(number, beir, run_file, tmp_path, capsys):
    arguments, message = failing(tmp_path)[number]
    judge(beir, run_file, *arguments, code=2)
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert message in errors
    assert "sk-oops" not in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bytes", "other"]


def test_a_judge_that_fails(beir, run_file, tmp_path, capsys):
    with serving(lambda *_: failure(400, "too long")) as endpoint:
        judge(beir, run_file, *endpoint_options(endpoint), "--output", tmp_path / "left.hm", "--retries", 0, code=2)
        line = capsys.readouterr().err
        assert line.startswith("hardmine: judge 'm': (query 'q")
        assert "HTTP 400" in line
        judge(
            beir, run_file, *endpoint_options(endpoint), "--verdicts", tmp_path / "v.csv", "--policy", "flag",
            "--on-error", "unsure", "--budget", 9,
        )  # fmt: skip
    assert (tmp_path / "v.csv").read_text().count("failed") >= 9
    assert not (tmp_path / "left.hm").exists()
