"""The command line in processes of its own: exit codes, one line per error, files whole or absent, same bytes."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

import hardmine as hm
from hardmine.cli.main import main
from hardmine.rules.spelling import ceiling_spellings, draw_spellings
from tests.texts import random_beir, write_jsonl

COMMAND = [sys.executable, "-m", "hardmine.cli"]


@pytest.fixture(scope="module")
def beir(tmp_path_factory):
    return random_beir(tmp_path_factory.mktemp("beir") / "c")


def run(*arguments, code=0, cwd=None):
    found = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=100, cwd=cwd)
    assert found.returncode == code, found.stderr
    return found


def test_mine(beir, tmp_path):
    out = tmp_path / "rows.jsonl"
    arguments = ["mine", beir, "--teacher", "bm25", "--rule", "perc-pos=0.95", "--num-negatives", 4, "--output", out]
    found = run(*arguments, "--format", "sentence-transformers:n-tuple")
    assert "40 queries" in found.stdout
    assert "rows in" in found.stdout
    assert "retrieving for queries: 40 in" in found.stderr
    expected = hm.mine(hm.Collection.read(beir), "bm25", hm.strategies.top_k_perc_pos(4), progress=False)
    expected.write(tmp_path / "api.jsonl")
    assert out.read_bytes() == (tmp_path / "api.jsonl").read_bytes()
    before = out.read_bytes(), (tmp_path / "rows.provenance.jsonl").read_bytes()
    found = run(*arguments, "--json", "--threads", 2)
    report = json.loads(found.stdout)
    assert report["written"]["rows"] == len(out.read_text().splitlines())
    assert report["selection"]["ceiling"]["f"] == 0.95
    assert (out.read_bytes(), (tmp_path / "rows.provenance.jsonl").read_bytes()) == before


def test_retrieve_then_select_equals_mine(beir, tmp_path, capsys):
    rng = np.random.default_rng(0)
    positives = hm.Collection.read(beir).positives
    queries = rng.standard_normal((40, 6), dtype=np.float32)
    documents = rng.standard_normal((200, 6), dtype=np.float32)
    documents[positives.ids] += queries[positives.query_of_each]
    np.save(tmp_path / "q.npy", queries)
    np.save(tmp_path / "d.npy", documents)
    teacher = f"precomputed:{tmp_path / 'q.npy'},{tmp_path / 'd.npy'}"
    both = ["--rule", "abs=0.6", "--rule", "anchored=1.2,0.5"]
    rules = [
        *both,
        "--draw",
        "softmax=0.5",
        "--seed",
        "3",
        "--range-max",
        "50",
    ]
    here = [str(beir), "--teacher", teacher]
    assert main(["retrieve", *here, "-k", "50", "--anchors", "--output", str(tmp_path / "run")]) == 0
    one, two = tmp_path / "one.parquet", tmp_path / "two.parquet"
    assert main(["select", str(beir), str(tmp_path / "run"), *rules, "--output", str(one), "--no-provenance"]) == 0
    assert main(["mine", *here, *rules, "-k", "50", "--output", str(two), "--no-provenance"]) == 0
    assert "40 queries" in capsys.readouterr().out
    # The ceiling acts inside the scan of one and after it in the other; the window keeps both to the same 50.
    assert pq.read_table(one).num_rows > 20
    assert one.read_bytes() == two.read_bytes()
    joined = ["--rule", "abs=0.6 & anchored=1.2,0.5", *rules[len(both) :]]
    assert main(["select", str(beir), str(tmp_path / "run"), *joined, "--output", str(two), "--no-provenance"]) == 0
    assert one.read_bytes() == two.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d.npy", "one.parquet", "q.npy", "run", "two.parquet"]


def failing(beir, tmp_path):
    """Command lines that must end with exit code 2, and the line that they must print."""
    good, out = ["mine", beir, "--teacher", "bm25"], ["--output", tmp_path / "rows.jsonl"]
    bad_line = write_jsonl(tmp_path / "bad.jsonl", [{"query": "a", "positive": "b"}])
    bad_line.write_text(bad_line.read_text() + "{\n")
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    nan = np.ones((200, 4), dtype=np.float32)
    nan[7, 2] = np.nan
    np.save(tmp_path / "nan.npy", nan)
    np.save(tmp_path / "q.npy", np.ones((40, 4), dtype=np.float32))
    (tmp_path / "run").write_bytes(b"nonsense")
    return {
        "nothing": ([], "the following arguments are required: COMMAND (see hardmine --help)"),
        "unknown command": (["dig"], "invalid choice: 'dig'"),
        "missing option": (good, "the following arguments are required: --output (see hardmine mine --help)"),
        "unknown option": ([*good, *out, "--fast"], "unrecognized arguments: --fast"),
        "missing file": (["mine", tmp_path / "gone", "--teacher", "bm25", *out], "gone: no such file or folder"),
        "malformed line": (["mine", bad_line, "--teacher", "bm25", *out], "bad.jsonl, line 2: '{'"),
        "empty file": (["mine", empty, "--teacher", "bm25", *out], "empty.jsonl: no rows, expected at least one"),
        "unknown format": ([*good, *out, "--format", "csv"], "format: 'csv', expected one of 'flag-embedding', 't"),
        "unknown suffix": (
            [*good, "--output", tmp_path / "rows.txt"], "rows.txt: suffix '.txt', expected .jsonl, .parquet, .csv or"
        ),
        "output folder": ([*good, "--output", tmp_path / "gone" / "r.jsonl"], "the folder"),
        "unknown rule": ([*good, *out, "--rule", "best"], "--rule: unknown 'best', expected one of naive, abs, margin"),
        "rule number": ([*good, *out, "--rule", "perc-pos=high"], "--rule perc-pos=high: 'high', expected a number"),
        "rule numbers": ([*good, *out, "--rule", "abs=1,2"], "--rule abs=1,2: 2 numbers, expected 0 to 1"),
        "rule value": ([*good, *out, "--rule", "perc-pos=-1"], "--rule perc-pos=-1: "),
        "one of two rules": ([*good, *out, "--rule", "abs & best"], "--rule: unknown 'best', expected one of naive"),
        "sources": ([*good, *out, "--input-format", "docstrings"], "no functions with docstrings in 0 Python sources"),
        "sources with a split": ([*good, *out, "--input-format", "docstrings", "--split", "x"], "split: 'x', but only"),
        "rule nan": ([*good, *out, "--rule", "perc-pos=nan"], "--rule perc-pos=nan: "),
        "unknown draw": ([*good, *out, "--draw", "dice"], "--draw: unknown 'dice', expected one of top, uniform, soft"),
        "negatives": ([*good, *out, "--num-negatives", "0"], "num_negatives: 0, expected at least 1"),
        "anchored bm25": ([*good, *out, "--rule", "anchored"], "teacher 'bm25': has no document embeddings"),
        "unknown teacher": (["mine", beir, "--teacher", "./gone", *out], "teacher './gone': no such folder"),
        "teacher option": ([*good, *out, "--device", "cpu"], "teacher 'bm25': unknown option 'device'"),
        "one file": (["mine", beir, "--teacher", "precomputed:q.npy", *out], "1 files, expected precomputed:QUERIES.n"),
        "missing npy": (["mine", beir, "--teacher", "precomputed:a.npy,b.npy", *out], "a.npy: no such file, expected"),
        "rows": (["mine", beir, "--teacher", f"precomputed:{tmp_path}/nan.npy,{tmp_path}/nan.npy", *out],
                 "query embeddings: 200 rows, expected 40"),
        "nan": (["mine", beir, "--teacher", f"precomputed:{tmp_path}/q.npy,{tmp_path}/nan.npy", *out], "NaN"),
        "split": ([*good, *out, "--split", "dev"], "split: 'dev', expected one of train"),
        "no run": (["select", beir, tmp_path / "no.run", *out], "no.run: no such file, expected a run made by hardmin"),
        "bad run": (["select", beir, tmp_path / "run", *out], "run: not a hardmine file"),
        "fill and scores": ([*good, *out, "--on-shortage", "fill", "--scores"], "--scores: documents that fill a shor"),
        "shortage": ([*good, *out, "--num-negatives", "190", "--on-shortage", "error"], "on_shortage: query 0 has"),
        "threads": ([*good, *out, "--threads", "0"], "num_threads: 0, expected at least 1"),
        "memory": ([*good, *out, "--max-memory", "lots"], "max_memory: 'lots', expected a number of bytes"),
    }  # fmt: skip


def test_fuse(beir, tmp_path):
    for name in ("one", "two"):
        run("retrieve", beir, "--teacher", "bm25", "-k", 9 if name == "one" else 5, "--output", tmp_path / name)
    found = run("fuse", tmp_path / "one", tmp_path / "two", "--method", "vote", "-k", 7, "--output", tmp_path / "both")
    assert "with sources, query_ids" in found.stdout
    runs = [hm.Candidates.load(tmp_path / name) for name in ("one", "two")]
    np.testing.assert_array_equal(hm.Candidates.load(tmp_path / "both").ids, hm.fuse(runs, method="vote", k=7).ids)
    found = run("fuse", tmp_path / "one", tmp_path / "none", "--output", tmp_path / "x", code=2)
    assert "none: no such file, expected a run made by hardmine retrieve" in found.stderr
    found = run("fuse", tmp_path / "one", "--method", "sum", "--output", tmp_path / "x", code=2)
    assert "method: 'sum', expected one of 'rrf'" in found.stderr


def test_ensemble(beir, tmp_path):
    for name in ("one", "two"):
        run("retrieve", beir, "--teacher", "bm25", "-k", 9 if name == "one" else 5, "--output", tmp_path / name)
    runs, out = [tmp_path / "one", tmp_path / "two"], tmp_path / "rows.parquet"
    each = ["--rule", "naive", "--rule", "perc-pos=0.9", "--scheme", "intra_sample", "--num-negatives", 3]
    found = run("ensemble", beir, *runs, *each, "--output", out, "--format", "sentence-transformers:labeled-list")
    assert "; by teacher: " in found.stdout
    collection = hm.Collection.read(beir)
    selected = []
    for path, ceiling in zip(runs, (hm.NoCeiling(), hm.PercPos(0.9)), strict=True):
        candidates = hm.Candidates.load(path)
        rule = hm.Selection(3, ceiling=ceiling)
        groups = collection.document_groups
        selected.append(hm.select(candidates, collection.scored_positives(candidates), rule, document_groups=groups))
    expected = hm.ensemble(selected, scheme="intra_sample", num_negatives=3)
    provenance = pq.read_table(tmp_path / "rows.provenance.parquet")
    wanted = [collection.documents["id"].take(row.ids).to_pylist() for row in expected]
    pairs = collection.positives.query_of_each.tolist()  # a row for each (query, positive)
    assert provenance["negative_ids"].to_pylist() == [wanted[query] for query in pairs]
    assert provenance["negative_teachers"].to_pylist() == [["bm25"] * len(wanted[query]) for query in pairs]
    assert set(provenance["teacher"].to_pylist()) == {"bm25, bm25"}
    for arguments, text in (
        (["--rule", "naive", "--rule", "abs=0.1", "--rule", "naive"], "--rule: 3 of them, expected one or 2"),
        (["--scheme", "mean"], "scheme: 'mean', expected one of 'cross_sample'"),
        (["--on-shortage", "fill"], "--on-shortage fill: expected keep or error"),
        (["--scores"], "--scores: those of several teachers do not compare"),
        (["--scheme", "joint", "--pool", 1], "--pool 1: expected at least --num-negatives 4"),
    ):
        assert text in run("ensemble", beir, *runs, *arguments, "--output", out, code=2).stderr


def test_errors_are_one_line_and_exit_code_2(beir, tmp_path, capsys):
    for name, (arguments, message) in failing(beir, tmp_path).items():
        before = sorted(tmp_path.iterdir())
        assert main([str(a) for a in arguments]) == 2, name
        lines = capsys.readouterr().err.splitlines()
        errors = [line for line in lines if line.startswith("hardmine: ")]
        assert len(errors) == 1, (name, lines)
        assert lines[-1] == errors[0], name
        assert message in errors[0], (name, errors[0])
        assert "Traceback" not in "".join(lines)
        assert sorted(tmp_path.iterdir()) == before, f"{name} left a file behind"


@pytest.mark.parametrize(("options", "message"), [
    (["--epoch", "-1"], "epoch: -1, expected at least 0"),
    (["--seed", "-1"], "seed: -1, expected at least 0"),
    (["--num-negatives", "0"], "num_negatives: 0, expected at least 1"),
    (["--num-negatives", str(2**61)], f"num_negatives: {2**61}, expected at most 100000 for an n-tuple"),
    (["--range-min", "3", "--range-max", "2"], "range_max: 2, expected above range_min (3)"),
    (["--floor", "nan"], "floor: nan, expected a finite number"),
    (["--draw", "softmax=0"], "--draw softmax=0: temperature: 0, expected above 0"),
    (["--threads", "0"], "num_threads: 0, expected at least 1"),
    (["--format", "csv"], "format: 'csv', expected one of"),
    (["--max-memory", "lots"], "max_memory: 'lots', expected a number of bytes"),
    (["--scheme", "mean"], "scheme: 'mean', expected one of"),
    (["--temperature", "0", "--scheme", "joint"], "temperature: 0, expected a number above 0"),
    (["--num-negatives", "0", "--scheme", "joint"], "num_negatives: 0, expected at least 1"),
])  # fmt: skip
def test_options_are_looked_at_before_any_work(tmp_path, capsys, monkeypatch, options, message):
    def work(*_, **__):
        raise AssertionError("work before the options were looked at")

    monkeypatch.setattr(hm.Collection, "read", work)
    for name in ("mine", "retrieve", "fuse"):
        monkeypatch.setattr(hm, name, work)
    monkeypatch.setattr(hm.Candidates, "load", work)
    out = ["--output", str(tmp_path / "rows.jsonl")]
    commands = {
        "mine": ["mine", "c", "--teacher", "bm25"],
        "retrieve": ["retrieve", "c", "--teacher", "bm25"],
        "select": ["select", "c", "run"],
        "ensemble": ["ensemble", "c", "run", "run"],
        "fuse": ["fuse", "run", "run"],
    }
    tried = 0
    for command in commands.values():
        assert main([*command, *out, *options]) == 2
        line = capsys.readouterr().err
        if "unrecognized arguments" not in line:
            assert line.startswith(f"hardmine: {message}"), line
            tried += 1
    assert tried


def test_errors_of_the_process(tmp_path):
    found = run("mine", tmp_path / "gone", "--teacher", "bm25", "--output", tmp_path / "rows.jsonl", code=2)
    assert found.stderr == f"hardmine: {tmp_path / 'gone'}: no such file or folder\n"
    assert found.stdout == ""


def test_help_and_version():
    assert "demo" in run("--help").stdout
    text = " ".join(run("mine", "--help").stdout.replace("-\n", "-").split()).replace("- ", "-")
    assert "--on-shortage" in text
    for spelled in (*ceiling_spellings(), *draw_spellings(), *hm.formats.READ):
        assert spelled in text
    assert run("--version").stdout == f"hardmine {hm.__version__}\n"


def test_a_missing_extra_is_one_line(beir, tmp_path):
    blocker = (
        "import sys; sys.modules['bm25s'] = None; sys.modules['torch'] = None; from hardmine.cli.main import main; "
    )
    for teacher, message in (
        ("bm25", "hardmine: teacher 'bm25' needs bm25s: pip install 'hardmine[mine]'\n"),
        ("some/model", "hardmine: a dense teacher needs torch: pip install 'hardmine[torch]'\n"),
    ):
        words = ["mine", str(beir), "--teacher", teacher, "--output", "x.jsonl", "--quiet"]
        code = f"{blocker} sys.exit(main({words!r}))"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
        assert (found.returncode, found.stderr) == (2, message)
    code = "import sys; sys.modules['pyarrow'] = None; import hardmine as hm; hm.Collection"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    last = found.stderr.splitlines()[-1]
    assert last == "ModuleNotFoundError: hardmine.Collection needs pyarrow: pip install 'hardmine[mine]'"


def test_import_is_light():
    heavy = ["pyarrow", "tqdm", "torch", "bm25s", "argparse"]
    for module, loaded in (("hardmine", []), ("hardmine.cli.main", ["argparse"])):
        code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert found.stdout == f"{loaded}\n"


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT to one process is a POSIX matter")
def test_ctrl_c(tmp_path):
    """Interrupted in the middle: exit code 130, one line, the old output intact."""
    out = tmp_path / "hardmine-demo.jsonl"
    out.write_text("old")
    process = subprocess.Popen(
        [*COMMAND, "demo", "--output", str(tmp_path)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # the parent may ignore it: nohup make test &
    )  # fmt: skip
    # Said when they are read: less than a second of work is left, and on a fast machine a pause would outlast it.
    assert "reading docstrings" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == "hardmine: interrupted; nothing was left half-written"
    assert "Traceback" not in errors
    assert [p.name for p in tmp_path.iterdir()] == [out.name]
    assert out.read_text() == "old"


def test_a_closed_pipe_is_no_error(beir, tmp_path):
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [*COMMAND, "mine", beir, "--teacher", "bm25", "--output", tmp_path / "rows.jsonl"],
        stdout=write, stderr=subprocess.PIPE, text=True, timeout=60,
    )  # fmt: skip
    os.close(write)
    assert process.returncode == 0, process.stderr
    assert (tmp_path / "rows.jsonl").exists()


def test_mine_in_python_sources(tmp_path):
    (tmp_path / "src").mkdir()
    for name in ("add", "multiply"):
        body = "    total = sum(range(a)) + sum(range(b)) + sum(range(a + b)) + a * b * 3 + 1 - a - b\n"
        text = f'def {name}(a, b):\n    """Some numbers {name}."""\n{body}    return {name}er(a, b) + total\n'
        (tmp_path / "src" / f"{name}.py").write_text(text)
    arguments = ["--input-format", "docstrings", "--teacher", "bm25", "--rule", "naive", "--num-negatives", 1]
    found = run("mine", tmp_path / "src", *arguments, "--output", tmp_path / "rows.jsonl")
    assert "reading docstrings: 2 in" in found.stderr
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["anchor"] for row in rows] == ["Some numbers add.", "Some numbers multiply."][: len(rows)]


def test_demo(tmp_path):
    found = run("demo", "--output", tmp_path)
    assert found.stdout.count("query     ") == 3
    assert found.stdout.count("negative  ") == 12
    assert "above the ceiling" in found.stdout
    rows = [json.loads(line) for line in (tmp_path / "hardmine-demo.jsonl").read_text().splitlines()]
    assert len(rows) > 1000
    assert list(rows[0]) == ["anchor", "positive", *(f"negative_{i}" for i in range(1, 5))]
    assert run("demo", "--output", tmp_path / "gone", code=2).stderr.startswith("hardmine: ")
