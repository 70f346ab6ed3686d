"""What the site must hold, without building it.

Every public name, every command, every page in a table of contents, links that lead somewhere.
"""

import html
import importlib.util
import inspect
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import hardmine

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if page.parent.name != "generated")
LINKED = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]
REFERENCE = sorted((DOCS / "reference").glob("*.rst"))


def module(path):
    """A module of the site's own, by its file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def without_code(text):
    """The text without blocks of code, and a word for each piece of code inside a line."""
    text = re.sub(r"^```(?!\{toctree\}).*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "code", text)


# Names


def listed(text):
    """Public names that a page of the reference lists, with the module that they are looked up in."""
    home = re.search(r"currentmodule:: ([\w.]+)", text).group(1)
    blocks = re.findall(r"autosummary::\n   :toctree: generated\n\n((?:   \S+\n)+)", text)
    names = [name for block in blocks for name in block.split()]
    return {f"{home}.{name}" for name in [*names, *re.findall(r"^\.\. py:data:: (\w+)", text, flags=re.MULTILINE)]}


def public():
    """Every public name: those of the package that are no modules, and those of its public modules."""
    modules = {name: getattr(hardmine, name) for name in hardmine._MODULES}
    for name in hardmine.__all__:
        if name not in modules:
            yield f"hardmine.{name}"
    for found in modules.values():
        for name in found.__all__:
            value = getattr(found, name)
            inner = getattr(value, "__all__", None)
            yield from (f"{found.__name__}.{name}.{each}" for each in inner) if inner else [f"{found.__name__}.{name}"]


def test_the_reference_lists_every_public_name_and_no_other():
    assert set().union(*(listed(page.read_text()) for page in REFERENCE)) == set(public())


def test_what_the_reference_lists_is_read():
    page = (
        ".. currentmodule:: a.b\n\n.. autosummary::\n   :toctree: generated\n\n   one\n   two\n\n.. py:data:: THREE\n"
    )
    assert listed(page) == {"a.b.one", "a.b.two", "a.b.THREE"}


def test_the_method_cards_name_every_rule_draw_strategy_and_loss():
    pytest.importorskip("torch")
    from hardmine.rules import ceilings, draws

    cards = "".join(page.read_text() for page in (DOCS / "methods").glob("*.md"))
    written = {word for code in re.findall(r"`[^`\n]+`", cards) for word in re.findall(r"\w+", code)}
    classes = {name for found in (ceilings, draws) for name, value in vars(found).items() if isinstance(value, type)}
    rules = classes & set(hardmine.__all__)
    losses = [name for name in hardmine.losses.__all__ if inspect.isfunction(getattr(hardmine.losses, name))]
    assert len(rules) > 15
    assert len(losses) > 30
    assert {*rules, *hardmine.strategies.__all__, *losses} - written == set()


# The command line


def test_the_page_of_commands_has_every_command_and_every_option():
    from hardmine.cli.main import _parser

    parser = _parser()
    text = module(DOCS / "_ext/command_line.py").page(parser)
    commands = dict(parser._subparsers._group_actions[0].choices)
    sections = dict(re.findall(r"^## `hardmine (\S+)`\n(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL))
    assert list(sections) == list(commands)
    for name, command in commands.items():
        for action in command._actions:
            for option in action.option_strings:
                assert option in ("-h", "--help") or f"`{option}" in sections[name], (name, option)


# Tables of contents, links


def entries(page):
    """Pages that the tables of contents of a page name."""
    for block in re.findall(r"^```\{toctree\}\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line and line[0] != ":":
                yield (page.parent / line).resolve()


def test_every_page_is_in_one_table_of_contents():
    named = [entry for page in PAGES for entry in entries(page)]
    of_pages = {page.resolve().with_suffix("") for page in [*PAGES, *REFERENCE]}
    made = DOCS / "reference/generated/commands"
    assert sorted(named) == sorted((of_pages | {made}) - {DOCS / "index"})


def links(page):
    return re.findall(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)", without_code(page.read_text()))


def anchors(page):
    """What the headings of a page are called in links, as GitHub and MyST make it."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for text, link in links(page):
        assert text, link  # Sphinx takes the title of the page, the repository's own pages show nothing
        parts = urlsplit(link)
        if parts.scheme:  # not fetched: no test may need the network
            assert parts.scheme == "https", link
            assert re.fullmatch(r"[\w.-]+\.[a-z]+", parts.netloc), link
            continue
        target = (page.parent / parts.path) if parts.path else page
        assert target.exists(), link
        if parts.fragment:
            assert parts.fragment in anchors(target), link


def test_a_dead_link_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# One two\n\n[a](#one-two) [b](gone.md) [](bare.md) `[c](code.md)`\n\n```text\n[d](code.md)\n```\n"
    )
    assert links(page) == [("a", "#one-two"), ("b", "gone.md"), ("", "bare.md")]
    assert anchors(page) == {"one-two"}


# Pictures


def test_the_chart_takes_the_best_true_peer():
    make = module(DOCS / "pictures/make.py")
    found = make.bars((DOCS / "benchmarks.md").read_text())
    assert [bar.work for bar in found] == [work for *_, work in make.ROWS]
    assert not any(bar.peer.startswith(make.YARDSTICKS) for bar in found)
    row = "| P1 | 256 x 100,000 f32 | 1 ms | reading alone 1 ms (0.5x); slow 3 ms (3.0x); slower 1.5 s (1500x) | |"
    rest = "\n".join(f"| {group} | {case} | 1 ms | peer 2 ms (2x) | |" for group, case, _ in make.ROWS[1:])
    assert make.bars(f"{row}\n{rest}")[0] == ("top k of scores, 256 x 100,000", "slow", 3.0)


def labels(picture):
    """What the marks of a drawn picture say of themselves."""
    return [html.unescape(label) for label in re.findall(r'aria-label="([^"]*)"', picture.read_text())]


def test_the_chart_of_speed_is_that_of_the_page():
    make = module(DOCS / "pictures/make.py")
    said = [label.partition("; label: ")[2] for label in labels(DOCS / "pictures/speed.svg") if "; label: " in label]
    assert said == [bar.said() for bar in make.bars((DOCS / "benchmarks.md").read_text())], "make pictures"


def test_the_picture_of_the_history_shows_every_run_that_is_kept():
    make = module(DOCS / "pictures/make.py")
    said = [
        label for label in labels(DOCS / "pictures/history.svg") if re.search(r"; .*: [\d.e+-]+x(, fallen)?$", label)
    ]
    assert sorted(said) == sorted(point.said() for point in make.points(make.history.HISTORY)), "make pictures"


def test_points_of_the_history_stand_in_the_order_of_their_dates(tmp_path):
    make = module(DOCS / "pictures/make.py")
    (group, case, work), (hidden, *_) = make.ROWS[2], ("P1b",)
    first = make.history.Run("2026-01-02", "abc", "avx2", group, f"{case}, k = 100", 0.5, "torch", 4.0)
    later = first._replace(date="2026-01-04", commit="def", ratio=3.0)
    make.history.add([first, later, first._replace(group=hidden)], "Intel(R) Xeon(R) Processor", tmp_path)
    make.history.add([first._replace(date="2026-01-03", level="avx512", ratio=8.0)], "AMD EPYC", tmp_path)
    found = make.points(tmp_path)
    assert [point.said() for point in found] == [
        f"{work}; 2026-01-02 abc; intel-xeon, avx2: 4x",
        f"{work}; 2026-01-03 abc; amd-epyc, avx512: 8x",
        f"{work}; 2026-01-04 def; intel-xeon, avx2: 3x, fallen",
    ]
    low, high = make.spans(found)[work]
    assert low < 3.0 < 8.0 < high


def test_pictures_are_small():
    assert sum(path.stat().st_size for path in (DOCS / "pictures").iterdir() if path.suffix != ".py") < 400_000
