"""Everything shown runs: docstring examples, and the code blocks of README and docs.

A ``python`` block is executed; where a line ends in ``# -> text``, that text must be what the line printed. An ``sh``
block is run line by line in a folder that holds a small collection called ``collection``; lines that start with
``make`` or ``pip`` are the business of CI itself.
"""

import contextlib
import doctest
import importlib
import io
import json
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import hardmine

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = sorted(
    info.name for info in pkgutil.walk_packages(hardmine.__path__, "hardmine.") if not info.name.endswith("_native")
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a small BEIR collection."""
    collection = tmp_path / "collection"
    (collection / "qrels").mkdir(parents=True)
    animals = ["cat", "dog", "horse", "mouse", "otter", "raven", "shark", "tiger", "whale", "zebra"]
    pairs = [(a, b) for a in animals for b in animals if a != b]
    documents = [f"the {a} and the {b} share a river" for a, b in pairs]
    for i in range(len(animals)):
        documents[9 * i] = "here lives the {0}, and every {0} lives near a {1}".format(*pairs[9 * i])
    with (collection / "corpus.jsonl").open("w") as file:
        file.writelines(json.dumps({"_id": f"d{i}", "title": "", "text": t}) + "\n" for i, t in enumerate(documents))
    with (collection / "queries.jsonl").open("w") as file:
        file.writelines(
            json.dumps({"_id": f"q{i}", "text": f"which {a} lives here"}) + "\n" for i, a in enumerate(animals)
        )
    with (collection / "qrels" / "train.tsv").open("w") as file:
        file.write("query-id\tcorpus-id\tscore\n")
        file.writelines(f"q{i}\td{9 * i}\t1\n" for i in range(len(animals)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def blocks(page, language):
    """Code blocks of one language, with the line they start at."""
    text = page.read_text()
    for match in re.finditer(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield text[: match.start()].count("\n") + 2, match.group(1)


def expected_prints(code):
    return [match.strip() for match in re.findall(r"# -> (.*)$", code, re.MULTILINE)]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
@pytest.mark.usefixtures("folder")
def test_python_blocks(page):
    namespace = {"__name__": "__main__"}
    for line, code in blocks(page, "python"):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * (line - 1) + code, str(page), "exec"), namespace)
        shown = expected_prints(code)
        if shown:
            assert [text.strip() for text in printed.getvalue().splitlines()] == shown, f"{page.name}:{line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_shell_blocks(page, folder):
    bin_folder = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": bin_folder + os.pathsep + os.environ["PATH"]}
    for line, code in blocks(page, "sh"):
        for command in code.replace("\\\n", " ").splitlines():
            words = shlex.split(command, comments=True)
            if not words or words[0] in ("make", "pip", "git"):
                continue
            run = subprocess.run(
                [sys.executable, "-m", "hardmine.cli", *words[1:]] if words[0] == "hardmine" else words,
                cwd=folder, env=environment, capture_output=True, text=True, timeout=100,
            )  # fmt: skip
            assert run.returncode == 0, f"{page.name}:{line}: {command}\n{run.stderr}"


def test_the_first_screen_is_there():
    top = PAGES[0].read_text().splitlines()[:40]
    text = "\n".join(top)
    for needed in ("make demo", "make test", "import hardmine as hm", "Rust toolchain", "Python 3.10", "pip install"):
        assert needed in text, needed


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.usefixtures("folder")
def test_docstrings(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


@pytest.mark.parametrize("name", sorted(hardmine.__all__))
def test_public_names_are_documented(name):
    value = getattr(hardmine, name)
    if isinstance(value, (str, tuple)):
        return
    text = value.__doc__ or ""
    assert len(text) > 20, name


def test_the_page_of_noise_lists_every_domain():
    import hardmine._native as native

    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", (ROOT / "docs/noise.md").read_text(), flags=re.MULTILINE)
    assert [(name, str(number)) for number, name in enumerate(native.domains())] == rows
