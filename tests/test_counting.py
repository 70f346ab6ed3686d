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
def test_the_summary_adds_up_what_processes_side_by_side_compared(options, tmp_path):
    both = tmp_path / "test_both.py"
    both.write_text("def test_one(count_cases): count_cases(1200)\ndef test_two(count_cases): count_cases(34)\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", *options, both]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert "cases compared: both 1,234\n" in run.stdout, run.stdout + run.stderr
