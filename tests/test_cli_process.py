"""The command line as a process: closed and full streams, Ctrl-C while it loads."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hardmine as hm
from hardmine.plumbing.progress import Progress
from tests.test_cli import COMMAND
from tests.texts import random_beir

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="descriptors and signals of POSIX")


@pytest.fixture
def beir(tmp_path):
    return random_beir(tmp_path / "collection", num_queries=6, num_documents=30)


def shell(redirections, *arguments, before=""):
    words = " ".join(f"'{word}'" for word in (*COMMAND, *arguments))
    command = f"{before} {words} {redirections}"
    return subprocess.run(command, shell=True, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams(beir, tmp_path, closed):
    """Silent, and nothing that is meant for a stream goes into a file that has its number."""
    wanted, out = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    mine = ("mine", beir, "--teacher", "bm25", "--output")
    first = shell("", *mine, wanted)
    found = shell(closed, *mine, out)
    assert (first.returncode, found.returncode) == (0, 0), found.stderr
    assert "retrieving for queries" in first.stderr
    assert found.stdout == ("" if ">&-" in closed.split() else first.stdout.replace("a.jsonl", "b.jsonl"))
    assert ("retrieving" in found.stderr) == ("2>&-" not in closed)
    for suffix in (".jsonl", ".provenance.jsonl"):
        assert out.with_suffix(suffix).read_bytes() == wanted.with_suffix(suffix).read_bytes()
    assert shell(closed, "mine", tmp_path / "gone", "--teacher", "bm25", "--output", out).returncode == 2
    for option in ("--help", "--version"):
        found = shell(closed, option)
        assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_full_streams(beir, tmp_path):
    """Progress that cannot be written stops nothing; a report that cannot is an error of one line."""
    mine = ("mine", beir, "--teacher", "bm25", "--output", tmp_path / "rows.jsonl")
    found = shell("2>/dev/full", *mine)
    assert found.returncode == 0
    assert "rows in" in found.stdout
    for unbuffered in ("", "1"):
        found = shell(">/dev/full", *mine, before=f"PYTHONUNBUFFERED={unbuffered}")
        assert found.returncode == 2
        assert found.stderr.splitlines()[-1] == "hardmine: [Errno 28] No space left on device: 'standard output'"
        assert "Exception ignored" not in found.stderr


def test_a_reader_of_the_progress_that_has_gone_stops_nothing(beir, tmp_path):
    read, write = os.pipe()
    os.close(read)
    found = subprocess.run(
        [*COMMAND, "mine", beir, "--teacher", "bm25", "--output", tmp_path / "rows.jsonl"],
        stderr=write, stdout=subprocess.PIPE, text=True, timeout=100,
    )  # fmt: skip
    os.close(write)
    assert found.returncode == 0
    assert "rows in" in found.stdout
    assert (tmp_path / "rows.jsonl").is_file()


def closed_stream():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, closed_stream()])
def test_progress_without_a_stream(beir, monkeypatch, stream):
    collection = hm.Collection.read(beir)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stream)
        with Progress("work", 2, progress=True) as bar:
            bar.update(1)
        run = hm.retrieve(collection, "bm25")
    assert len(run) == 6


# Ctrl-C


def loading(folder, module, *command, source="raise KeyboardInterrupt"):
    """Run a command where Ctrl-C comes while a module is imported."""
    (folder / f"{module}.py").write_text(f"{source}\n")
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": path}
    )


@pytest.mark.parametrize("module", ["numpy", "argparse"])
def test_ctrl_c_while_the_command_line_loads(tmp_path, module):
    script = tmp_path / "hardmine"
    script.write_text("import sys\nfrom hardmine.cli.main import main\nsys.exit(main())\n")
    for command in ((script, "--version"), ("-m", "hardmine.cli", "--version")):
        found = loading(tmp_path, module, *command)
        assert (found.returncode, found.stdout) == (130, "")
        assert found.stderr == "hardmine: interrupted; nothing was left half-written\n"


def test_ctrl_c_in_source_from_a_string(beir, tmp_path):
    """The interpreter would end by the signal, although the command line has handled it."""
    words = "-m", "hardmine.cli", "mine", beir, "--teacher", "bm25", "--output", tmp_path / "rows.jsonl"
    found = loading(tmp_path, "bm25s", *words, source="exec('raise KeyboardInterrupt')")
    assert (found.returncode, found.stdout) == (130, "")
    assert found.stderr.splitlines()[-1] == "hardmine: interrupted; nothing was left half-written"


def test_ctrl_c_while_another_program_loads_is_its_own_matter(tmp_path):
    script = tmp_path / "other.py"
    script.write_text("import hardmine\n")
    for command in ((script,), ("-c", "import hardmine")):
        found = loading(tmp_path, "numpy", *command)
        assert found.stderr.splitlines()[-1] == "KeyboardInterrupt"
        assert "Traceback" in found.stderr
