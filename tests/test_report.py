"""The page of benchmarks: what it computes from given times."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parent.parent / "benches" / "report.py"


@pytest.fixture(scope="module")
def report():
    spec = importlib.util.spec_from_file_location("report", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def cells(report):
    times = {
        ("P10", "a fresh process"): {"hardmine": 0.11, "numpy alone": 0.09},
        ("P1", "256 x 100"): {"hardmine": 2e-3, "torch": 9e-3, "reading alone": 1e-3, "faiss heap": 4e-3},
        ("P1b", "9 x 64, k = 10, random"): {"hardmine": 1.0, "torch": 0.5, "numpy": 2.0},
        ("P1b", "9 x 64, k = 10, equal"): {"hardmine": 1e-7, "torch": 25e-7},
        ("P1b", "9 x 64, k = 1,000, random"): {"hardmine": 1.0, "torch": 4.0},
    }
    return [report.Cell(*key, seconds) for key, seconds in sorted(times.items(), key=report.in_order)]


def test_the_table_holds_every_cell_but_the_grids_in_order(report, cells):
    rows = report.table(cells)[2:]
    assert rows == [
        "| P1 | 256 x 100 | 2 ms | reading alone 1 ms (0.50x); faiss heap 4 ms (2.00x); torch 9 ms (4.5x) |"
        " 4x torch, 2x faiss heap; reading: 0.5x at 100,000 columns, 0.7x at 1,000,000 |",
        "| P10 | a fresh process | 110 ms | numpy alone 90 ms (hardmine adds 20 ms) | below 60 ms over NumPy |",
    ]


def test_a_grid_names_the_best_peer_of_each_cell(report, cells):
    lines = report.grids(cells)
    assert lines[-4] == "| case | equal | random |"
    assert lines[-2:] == ["| 9 x 64, k = 10 | 25x torch | 0.50x torch |", "| 9 x 64, k = 1,000 | - | 4.0x torch |"]


def test_losses_are_named_and_yardsticks_are_no_peers(report, cells):
    lines = report.losses(cells)
    assert "A peer is faster in 1 of 4 cells:" in lines
    assert lines[-1] == "- P1b, 9 x 64, k = 10, random: torch, 0.50x"
