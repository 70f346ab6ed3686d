"""Every recipe at a tiny size: what it trains gets better, and its figures are there. Effects are for the full size.

And the page as it is committed: what it must say of every row, and what it must not say again.
"""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

from examples.recipes.__main__ import HEADER, PAGE, SYSTEMS, WITHDRAWN, main, rows
from examples.recipes.shared import SIZES, Effect, Report, interval, recipe

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / name for name in ("README.md", "CHANGELOG.md", "docs/recipes.md", "docs/study.md", "docs/benchmarks.md")
]
WITHDRAWN_CLAIMS = (
    r"beyond doubt",
    r"\d+ of \d+ (effects|claims|do\b)",
    r"effects? shown",
    r"says? of every paper's claim whether it shows",
    r"the hardest are the\s+best",
    r"naive ones included",
    r"4\.5 times sentence-transformers",
)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_loss_falls_and_the_metric_beats_the_untrained_model(name):
    report, _ = recipe(name, SIZES["tiny"])
    tenth = max(len(report.losses) // 10, 1)
    assert np.mean(report.losses[-tenth:]) < np.mean(report.losses[:tenth])
    assert report.metric[1] > report.metric[0]
    assert report.data
    assert report.tuned
    assert len({effect.compares for effect in report.effects}) == len(report.effects) >= 2
    for effect in report.effects:
        assert effect.missing
        assert len(effect.a) == len(effect.b) >= 2
        assert np.isfinite([*effect.a, *effect.b]).all()


def test_the_interval_is_that_of_a_paired_t_test():
    # Differences 1, 2, 3: mean 2, standard error 1 / sqrt(3), quantile 4.303 at two degrees of freedom.
    found = interval([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert found == pytest.approx((2.0, 2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5))
    assert found.side == "covers 0"
    assert interval([2.0, 4.1, 6.0], [1.0, 3.0, 5.0]).side == "above 0"
    assert interval([1.0, 3.0, 5.0], [2.0, 4.1, 6.0]).side == "below 0"
    assert found.show(2) == "+2.00 [-0.48, +4.48]"


def test_the_interval_of_overlapping_resplits_is_nadeau_and_bengios():
    """Ten 60/40 resplits: (1/10 + 2/3) in the place of 1/10, 2.77 times as wide."""
    a, b = np.random.default_rng(0).normal(size=(2, 10))
    plain, corrected = interval(a, b), interval(a, b, test_to_train=0.4 / 0.6)
    assert corrected.mean == plain.mean
    widths = [each.high - each.low for each in (plain, corrected)]
    assert widths[1] / widths[0] == pytest.approx(((1 / 10 + 2 / 3) / (1 / 10)) ** 0.5)


def test_a_table_of_what_was_asked_for(capsys, tmp_path):
    page = tmp_path / "page.md"
    assert main(["--size", "tiny", "--only", "sar_pu", "--output", str(page)]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].startswith("| system | A over B |")
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| SAR-PU"] * 2
    assert page.read_text() == f"{PAGE}\n{captured.out}\n{WITHDRAWN}"
    assert "sar_pu: logistic model, made pairs" in captured.err


def test_a_row_says_where_the_interval_lies_and_on_what_it_rests():
    effect = Effect("a over b", [1.0, 1.0], [2.0, 2.5], "a third arm")
    report = Report("a model", "made things", "one rate", [effect], [], (0, 0))
    figures = ("1.000", "2.250", "-1.250 [-4.427, +1.927]", "covers 0", "2")
    assert rows("asl", report) == [("ASL-style", "a over b", *figures, "made things", "one rate", "a third arm")]


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


def test_every_row_of_the_committed_page_says_data_tuning_and_missing_control():
    for row in committed():
        assert row["data"].startswith(("made ", "real: ")), row
        assert row["tuned"], row
        assert row["missing control"], row
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


@pytest.mark.parametrize("arguments", [["--only", "nothing"], ["--data", "/nowhere"], ["--size", "huge"]])
def test_wrong_arguments_are_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "error: " in capsys.readouterr().err.splitlines()[-1]


def test_simplex_reads_lists_of_interactions(tmp_path):
    simplex = importlib.import_module("examples.recipes.simplex")
    (tmp_path / "train.txt").write_text("0 3 1\n2 0\n")
    (tmp_path / "test.txt").write_text("0 2\n1 4\n")
    data = simplex.read(tmp_path)
    assert data.pairs.tolist() == [[0, 1], [0, 3], [2, 0]]
    assert [data.held_out[user].tolist() for user in range(3)] == [[2], [4], []]
    assert data.num_items == 5
