"""A cache on the command line."""

import os
import subprocess
import sys

import pytest

from hardmine.cli.main import main
from tests.store_runs import counts, make_small
from tests.texts import random_beir

pytest.importorskip("pyarrow")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Several shards of everything."""
    make_small(monkeypatch)


@pytest.fixture(scope="module")
def beir(tmp_path_factory):
    return random_beir(tmp_path_factory.mktemp("beir") / "c")


@pytest.mark.parametrize("command", ["mine", "retrieve", "plan"])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--cache", ""], "argument --cache: '', expected a path"),
        (["--cache", "a\0b"], "argument --cache: 'a\\x00b', expected a path"),
        (["--log-json", ""], "argument --log-json: '', expected a path"),
        (["--cache-policy", "reuse"], "--cache-policy reuse: expected --cache DIR beside it"),
    ],
)
def test_options_that_name_nothing(beir, tmp_path, capsys, monkeypatch, command, given, message):
    if command == "plan" and given[0] != "--cache":
        pytest.skip("an option that it lacks")
    monkeypatch.chdir(tmp_path)
    output = [] if command == "plan" else ["--output", "out.jsonl"]
    assert main([command, str(beir), "--teacher", "bm25", *output, *given]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"hardmine: {message}")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_command_line(beir, tmp_path, capsys):
    cache, here = tmp_path / "c", ["--teacher", "bm25", "--cache", str(tmp_path / "c")]
    for name in ("one", "two"):
        assert main(["retrieve", str(beir), *here, "-k", "9", "--output", str(tmp_path / name)]) == 0
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert "candidates: 40 reused (shards: 7), 0 to do" in capsys.readouterr().err
    assert counts(cache) == {"candidates": (40, 0)}
    rows = str(tmp_path / "rows.jsonl")
    assert main(["mine", str(beir), *here, "--output", rows, "--cache-policy", "reuse"]) == 0
    for victim in sorted(cache.rglob("*.shard")):
        victim.write_bytes(victim.read_bytes()[:100])
    assert main(["retrieve", str(beir), *here, "-k", "9", "--output", str(tmp_path / "three")]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("hardmine: ")
    assert ".shard" in said
    assert not (tmp_path / "three").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="processes that start at once")
def test_two_commands_at_once(beir, tmp_path):
    """Whoever comes second waits, and finds everything done."""
    command = [sys.executable, "-m", "hardmine.cli", "retrieve", beir, "--teacher", "bm25", "--cache", tmp_path / "c"]
    children = [
        subprocess.Popen(
            [str(word) for word in [*command, "--output", tmp_path / name]],
            stderr=subprocess.PIPE, text=True, env=os.environ,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    errors = [child.communicate(timeout=100)[1] for child in children]
    assert [child.returncode for child in children] == [0, 0], errors
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert sum("candidates: 40 reused" in text for text in errors) == 1
