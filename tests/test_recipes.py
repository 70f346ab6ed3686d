"""Every recipe at a tiny size: what it trains gets better, and its figures are there. Effects are for the full size."""

import importlib

import numpy as np
import pytest

from examples.recipes.__main__ import SYSTEMS, main, rows
from examples.recipes.shared import SIZES, Effect, Report, recipe


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_loss_falls_and_the_metric_beats_the_untrained_model(name):
    report, _ = recipe(name, SIZES["tiny"])
    tenth = max(len(report.losses) // 10, 1)
    assert np.mean(report.losses[-tenth:]) < np.mean(report.losses[:tenth])
    assert report.metric[1] > report.metric[0]
    assert len({effect.claim for effect in report.effects}) == len(report.effects) >= 2
    for effect in report.effects:
        assert len(effect.better) == len(effect.worse) >= 2
        assert np.isfinite([*effect.better, *effect.worse]).all()


def test_the_interval_is_that_of_a_paired_t_test():
    # Differences 1, 2, 3: mean 2, standard error 1 / sqrt(3), quantile 4.303 at two degrees of freedom.
    effect = Effect("", [2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert effect.difference == pytest.approx((2.0, 2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5))
    assert not effect.shown
    assert Effect("", [2.0, 4.1, 6.0], [1.0, 3.0, 5.0]).shown


def test_a_table_of_what_was_asked_for(capsys, tmp_path):
    page = tmp_path / "page.md"
    assert main(["--size", "tiny", "--only", "sar_pu", "--output", str(page)]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].startswith("| system | effect (A over B) |")
    assert [line.split(" | ")[0] for line in lines[2:4]] == ["| SAR-PU"] * 2
    assert lines[-1].endswith("of 2 effects shown.")
    assert page.read_text().endswith(captured.out)
    assert "sar_pu: logistic model, made pairs" in captured.err


def test_a_row_says_what_did_not_show():
    report = Report("", [Effect("a over b", [1.0, 1.0], [2.0, 2.5])], [], (0, 0))
    assert rows("asl", report) == [("ASL-style", "a over b", "1.000", "2.250", "-1.250 [-4.426, +1.926]", "2", "no")]


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
