"""Every recipe at a tiny size: what it trains gets better, and its figures are there. Effects are for the full size.

And the page as it is committed: what it must say of every row, and what it must not say again.
"""

import os
import re
import subprocess
import sys
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
import pytest

import hardmine as hm
from examples.recipes import interactions
from examples.recipes.__main__ import HEADER, PAGE, SYSTEMS, WITHDRAWN, main, rows, warning
from examples.recipes.shared import SIZES, Effect, Report, recipe
from hardmine.formats import FormatError

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / name for name in ("README.md", "CHANGELOG.md", "docs/recipes.md", "docs/study.md", "docs/benchmarks.md")
]
WITHDRAWN_CLAIMS = (
    r"beyond doubt",
    r"\d+ of \d+ (effects|claims|rows|do\b)",
    r"effects? shown",
    r"says? of every paper's claim whether it shows",
    r"the hardest are the\s+best",
    r"naive ones included",
    r"4\.5 times sentence-transformers",
)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_loss_falls_and_the_metric_beats_the_untrained_model(name, small_worlds_folder):
    size = SIZES["tiny"]._replace(data=small_worlds_folder, cache=small_worlds_folder / "cache")
    report, _ = recipe(name, size)
    tenth = max(len(report.losses) // 10, 1)
    assert np.mean(report.losses[-tenth:]) < np.mean(report.losses[:tenth])
    assert report.metric[1] > report.metric[0]
    assert report.trains
    assert report.data
    assert report.tuned_on
    assert len({effect.compares for effect in report.effects}) == len(report.effects) >= 2
    for effect in report.effects:
        assert effect.control
        assert effect.could_fail
        a, b = np.asarray(effect.a), np.asarray(effect.b)
        assert a.shape == b.shape
        assert len(a) == size.seeds
        assert np.isfinite(a).all()
        assert np.isfinite(b).all()
        assert a.shape[1:] == (() if effect.clusters is None else np.shape(effect.clusters))


def test_a_table_of_what_was_asked_for(capsys, tmp_path, small_worlds_folder):
    page = tmp_path / "page.md"
    where = ["--data", str(small_worlds_folder), "--cache", str(small_worlds_folder / "cache")]
    assert main(["--size", "tiny", "--only", "simplex", *where, "--output", str(page)]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].startswith("| system | A over B |")
    assert {line.split(" | ")[0] for line in lines[2:]} == {"| SimpleX"}
    first, _, rest = page.read_text().partition("\n\n")
    what = "A try, of trainings too short to say anything"
    assert first == f"**{what}: written with `--only simplex --size tiny`.**"
    assert rest == f"{PAGE}\n{captured.out}\n{WITHDRAWN}"
    assert "simplex: vectors of users and items, cf-lastfm" in captured.err


def test_a_missing_collection_is_one_line(tmp_path):
    """As a program: its workers must find there what they are to run, too."""
    found = subprocess.run(
        [sys.executable, "-m", "examples.recipes", "--size", "tiny", "--only", "simplex", "--data", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert found.returncode == 2
    assert found.stderr.splitlines()[-1].endswith(f"error: --data: no folder cf-lastfm in {tmp_path}")
    assert "Traceback" not in found.stderr
    assert not found.stdout


def test_the_whole_page_has_no_warning_and_a_part_of_it_has_one():
    assert warning(list(SYSTEMS)[::-1], "full") == ""
    assert warning(["asl", "simans"], "full") == "**A part of the page: written with `--only asl simans`.**\n\n"
    assert "`--size tiny`" in warning(SYSTEMS, "tiny")


@pytest.mark.parametrize("line", ["0 1 two", "", "0 -1", "0 1.5", "0 1000000"])
def test_a_malformed_line_is_named(listened, line):
    (listened / "cf-lastfm" / "valid.txt").write_text(f"1 2\n{line}\n")
    with pytest.raises(FormatError, match=f"valid.txt, line 2: {line!r}, expected the numbers of a user and of its"):
        interactions.read(listened)


def test_a_malformed_file_is_one_line(listened, monkeypatch, capsys):
    """What a worker raises crosses to here, see the test of FormatError; a thread is quicker than a process."""
    monkeypatch.setattr("examples.recipes.__main__.workers", ThreadPool)
    (listened / "cf-lastfm" / "test.txt").write_text("")
    with pytest.raises(SystemExit) as stopped:
        main(["--size", "tiny", "--only", "simplex", "--data", str(listened)])
    assert stopped.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith("test.txt: an empty file, expected a line for each user")


@pytest.mark.parametrize(
    ("output", "message"),
    [("gone/page.md", "the folder .* does not exist"), (".", "a folder"), ("file/page.md", "the folder .* not exist")],
)
def test_where_no_page_can_be_written_no_work_is_done(tmp_path, monkeypatch, capsys, output, message):
    monkeypatch.setattr("examples.recipes.__main__.workers", None)
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as stopped:
        main(["--data", str(tmp_path), "--output", str(tmp_path / output)])
    assert stopped.value.code == 2
    assert re.search(f"error: --output {re.escape(str(tmp_path / output))}: {message}", capsys.readouterr().err)


def test_ctrl_c_while_it_imports_is_one_line(tmp_path):
    """numpy stands for what takes its time to be imported: here, until Ctrl-C comes."""
    (tmp_path / "numpy.py").write_text("raise KeyboardInterrupt\n")
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    found = subprocess.run(
        [sys.executable, "-m", "examples.recipes"], cwd=ROOT, env={**os.environ, "PYTHONPATH": paths},
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert (found.returncode, found.stderr, found.stdout) == (1, "interrupted\n", "")


@pytest.mark.parametrize("arguments", [["--only", "nothing"], [], ["--data", "/nowhere"], ["--size", "huge"]])
def test_wrong_arguments_are_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "error: " in capsys.readouterr().err.splitlines()[-1]


def test_a_row_says_where_the_interval_lies_and_on_what_it_rests():
    by_runs = Effect("a over b", [1.0, 1.0], [2.0, 3.0], "a third arm", "chance")
    # Both clusters differ by 1 in both seeds, so every resampled mean does.
    by_clusters = Effect("c over d", np.ones((2, 3)), np.zeros((2, 3)), "the like", "luck", np.array([0, 0, 1]))
    report = Report("a model", "some texts", "their dev part", [by_runs, by_clusters], [], (0, 0))
    figures = ("1.000", "2.500", "-1.500 [-7.853, +4.853]", "covers 0", "2")
    others = ("1.000", "0.000", "+1.000 [+1.000, +1.000]", "above 0", "2")
    assert rows("asl", report) == [
        ("ASL-style", "a over b", *figures, "some texts", "a third arm", "their dev part", "chance"),
        ("ASL-style", "c over d", *others, "some texts", "the like", "their dev part", "luck"),
    ]


def committed():
    """The table of the committed page, each row by its columns."""
    lines = [line for line in (ROOT / "docs" / "recipes.md").read_text().splitlines() if line.startswith("| ")]
    table = [line.strip("| ").split(" | ") for line in lines]
    assert tuple(table[0]) == HEADER
    return [dict(zip(HEADER, row, strict=True)) for row in table[2:]]


def test_the_committed_page_is_the_generators():
    text = (ROOT / "docs" / "recipes.md").read_text()
    assert text.startswith(PAGE)
    assert text.endswith(WITHDRAWN)
    assert {row["system"] for row in committed()} == set(SYSTEMS.values())


def test_every_row_of_the_committed_page_says_data_control_tuning_and_what_else_could_have_come_out():
    for row in committed():
        assert row["data"], row
        assert not re.search(r"\bmade\b", row["data"]), row
        assert row["control"], row
        assert row["tuned on"], row
        assert row["could it have failed?"], row
        assert int(row["seeds"]) >= SIZES["full"].seeds, row
        low, high = map(
            float, re.fullmatch(r"[-+.\d]+ \[([-+.\d]+), ([-+.\d]+)\]", row["A - B, 95 % interval"]).groups()
        )
        # As it is printed: an end that rounds to 0 may lie on either side.
        sides = {"above 0": low >= 0, "below 0": high <= 0, "covers 0": low <= 0 <= high}
        assert sides[row["interval"]], row


@pytest.mark.parametrize("claim", WITHDRAWN_CLAIMS)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_makes_a_withdrawn_claim(page, claim):
    assert not re.search(claim, page.read_text(), re.IGNORECASE)


@pytest.fixture
def listened(tmp_path):
    """Item 3 has three users and 0 two, the others have one."""
    folder = tmp_path / "cf-lastfm"
    folder.mkdir()
    (folder / "train.txt").write_text("0 3 1\n1 3 0\n3 0 3\n")
    (folder / "valid.txt").write_text("1 2\n")
    (folder / "test.txt").write_text("0 0\n3 2 4\n")
    return tmp_path


def test_interactions_are_read_and_what_enough_users_share_is_scored(listened, monkeypatch):
    monkeypatch.setattr(interactions, "FEWEST", 2)
    data = interactions.read(listened)
    # Items 3 and 0 come first. The others keep their order: 1, 2, 4.
    assert data.items == 2
    assert [data.seen[user].tolist() for user in range(4)] == [[0], [0, 1], [], [0, 1]]
    assert [data.valid[user].tolist() for user in range(4)] == [[], [3], [], []]
    assert [data.test[user].tolist() for user in range(4)] == [[1], [], [], [3, 4]]


def test_held_out_items_that_are_not_scored_are_misses(listened, monkeypatch):
    monkeypatch.setattr(interactions, "FEWEST", 2)
    data = interactions.read(listened)
    scores = np.float32([[9, 1], [1, 2], [1, 2], [1, 2]])
    recall, ndcg = interactions.judge(scores, data, data.test)
    # User 0 has seen the first item in training, so the second is shown first, and it is held out.
    assert recall.tolist() == ndcg.tolist() == [1, 0, 0, 0]
    recall, ndcg = interactions.judge(scores, data, hm.Positives.from_lists([[1, 3], [], [], []]))
    assert recall[0] == 0.5
    assert ndcg[0] == pytest.approx(1 / (1 + 1 / np.log2(3)))


def test_neighbours_recommend_what_the_nearest_user_has():
    seen = hm.Positives.from_lists([[0, 1], [0, 1, 2], [3], [1, 3]])
    data = interactions.Interactions(seen, seen, seen, 4)
    scores = interactions.neighbours(data, 1)
    # Of user 0 it is user 1, at 2 / sqrt(2 * 3); of user 2 user 3, at 1 / sqrt(2).
    assert scores[0].tolist() == pytest.approx([(2 / 3) ** 0.5] * 3 + [0])
    assert scores[2].tolist() == pytest.approx([0, 0.5**0.5, 0, 0.5**0.5])
