"""Everything shown runs: docstring examples, and the code blocks of README and docs.

A ``python`` block is executed; where a line ends in ``# -> text``, that text must be what the line printed. An ``sh``
block is run line by line in a folder that holds a small collection called ``collection``; lines that start with
``make`` or ``pip`` are the business of CI itself, and ``hardmine demo`` has its test in test_cli.py. The blocks of a
page share that folder, in the order of the page. Models that a page names are stood in for by small random ones.
"""

import contextlib
import doctest
import importlib
import inspect
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
from tests.models import tiny_bert

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").rglob("*.md") if p.parent.name != "generated")]
MODELS = {"sentence-transformers/all-MiniLM-L6-v2": "encoder", "cross-encoder/ms-marco-MiniLM-L6-v2": "reranker"}
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


def blocks(page):
    """Code blocks, each with the line it starts at and its language."""
    text = page.read_text()
    for match in re.finditer(r"^```(python|sh)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield text[: match.start()].count("\n") + 2, *match.groups()


def expected_prints(code):
    return [match.strip() for match in re.findall(r"# -> (.*)$", code, re.MULTILINE)]


def run_python(code, namespace, where, line):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile("\n" * (line - 1) + code, where, "exec"), namespace)
    shown = expected_prints(code)
    if shown:
        assert [text.strip() for text in printed.getvalue().splitlines()] == shown, f"{where}:{line}"


def run_shell(code, folder, where):
    bin_folder = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": bin_folder + os.pathsep + os.environ["PATH"]}
    for command in code.replace("\\\n", " ").splitlines():
        words = shlex.split(command, comments=True)
        if not words or words[0] in ("make", "pip", "git") or words[:2] == ["hardmine", "demo"]:
            continue
        run = subprocess.run(
            [sys.executable, "-m", "hardmine.cli", *words[1:]] if words[0] == "hardmine" else words,
            cwd=folder, env=environment, capture_output=True, text=True, timeout=100,
        )  # fmt: skip
        assert run.returncode == 0, f"{where}: {command}\n{run.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks(page, folder):
    text = page.read_text()
    for name, stand_in in MODELS.items():
        if name in text:
            (folder / stand_in).mkdir()
            tiny_bert(folder / stand_in, labels=1 if stand_in == "reranker" else None, positions=64)
    namespace = {"__name__": "__main__"}
    for line, language, code in blocks(page):
        for name, stand_in in MODELS.items():
            code = code.replace(name, stand_in)
        if language == "python":
            run_python(code, namespace, str(page), line)
        else:
            run_shell(code, folder, f"{page.name}:{line}")


def test_the_readme_is_one_screen_with_what_a_reader_needs_first():
    text = PAGES[0].read_text()
    assert len(text.splitlines()) <= 70
    for needed in ("make demo", "make test", "import hardmine as hm", "Rust toolchain", "Python 3.10", "pip install"):
        assert needed in text, needed
    first = "\n".join(text.splitlines()[:20])
    assert "pip install" in first
    assert "import hardmine as hm" in first


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


# Parameters


def is_ours(value):
    return str(getattr(value, "__module__", "")).startswith("hardmine")


def public_callables():
    """Functions, classes and methods of the library that a user can name, each under one name."""
    seen = set()

    def found(name, value):
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value

    homes = [hardmine, *(getattr(hardmine, name) for name in sorted(hardmine._MODULES))]
    for home in homes:
        for name in sorted(home.__all__):
            value = getattr(home, name)
            if not callable(value) or not is_ours(value):
                continue
            yield from found(f"{home.__name__}.{name}", value)
            for member in sorted(dir(value)) if inspect.isclass(value) else ():
                method = inspect.getattr_static(value, member)
                method = getattr(method, "__func__", method)
                if not member.startswith("_") and inspect.isfunction(method) and is_ours(method):
                    yield from found(f"{home.__name__}.{name}.{member}", method)


CALLABLES = dict(public_callables())


def documented(text, *sections):
    """Names that stand in some numpydoc sections."""
    names = set()
    for section in sections:
        match = re.search(rf"^{section}\n-+\n(.*?)(?=^\w[\w ]*\n-{{3,}}|\Z)", text, re.MULTILINE | re.DOTALL)
        for line in match.group(1).splitlines() if match else ():
            if line and not line[0].isspace():
                names |= {name.strip(" *") for name in line.split(" : ")[0].split(",")}
    return names


def lacking(value):
    """Parameters of a callable that its docstring does not explain."""
    text = inspect.getdoc(value) or ""
    is_class = inspect.isclass(value)
    if is_class and getattr(value, "_is_protocol", False):
        return set()
    known = documented(text, "Parameters", "Attributes") if is_class else documented(text, "Parameters")
    elsewhere = re.match(r"As `(\w+)`\.", text)
    if elsewhere:  # the module of a loss takes what its function takes
        function = getattr(sys.modules[value.__module__], elsewhere.group(1))
        known |= documented(inspect.getdoc(function), "Parameters")
    columns = documented(text, "Attributes") if is_class else set()
    return {
        name
        for name, parameter in inspect.signature(value).parameters.items()
        if name not in known | {"self", "cls"} and not (columns and parameter.kind is parameter.VAR_KEYWORD)
    }


def test_there_are_callables_to_look_at():
    assert len(CALLABLES) > 150
    for name in ("hardmine.mine", "hardmine.Candidates.save", "hardmine.rules.strategies.sim_ans"):
        assert name in CALLABLES
    for name in ("hardmine.losses.ADORE.forward", "hardmine.data.NegativeDataset.load", "hardmine.formats.write"):
        assert name in CALLABLES


@pytest.mark.parametrize("name", CALLABLES)
def test_every_parameter_is_explained(name):
    assert not lacking(CALLABLES[name])


def test_a_parameter_that_is_not_explained_is_noticed():
    def call(one, two, **three):
        """Do it.

        Parameters
        ----------
        one : int
        """

    assert lacking(call) == {"two", "three"}
