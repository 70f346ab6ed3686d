"""The count of compared cases reaches the summary."""

import subprocess
import sys

import pytest

from tests import counting
from tests.children import ROOT


def test_cases_are_counted_by_room(count_cases, monkeypatch):
    monkeypatch.setattr(counting, "COMPARED", counting.Counter())
    count_cases(1200)
    count_cases()
    assert counting.summary() == "counting 1,201"
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "tests/test_topk.py::test_equal (call)")
    count_cases(7)
    assert counting.summary() == "counting 1,201; topk 7"


@pytest.mark.parametrize("options", [["-p", "no:xdist"], ["--numprocesses=2"]])
def test_the_summary_adds_up_what_processes_side_by_side_compared(options):
    cases = [f"tests/test_select_draws.py::test_bounded_draws_equal_the_twin[{part}]" for part in (0, 1)]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *cases]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert "cases compared: select_draws 3,000\n" in run.stdout, run.stdout + run.stderr
