"""The page of benchmarks: what it computes from given times, and where its processes run."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

PATH = Path(__file__).resolve().parent.parent / "benches" / "report.py"


@pytest.fixture(scope="module")
def report():
    spec = importlib.util.spec_from_file_location("report", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_page_is_what_the_committed_figures_give(report):
    docs = PATH.parent.parent / "docs"
    record = json.loads((docs / "benchmarks.json").read_text())
    assert (docs / "benchmarks.md").read_text() == report.page(record)
    assert record["machine"]["passes"] >= 1
    assert all(cell["seconds"] for found in record["levels"].values() for cell in found)


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


def test_no_process_runs_with_what_slows_the_peers(report, monkeypatch):
    for name in report.BLAS_OVERRIDES:
        monkeypatch.setenv(name, "Prescott")
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    run = subprocess.run(
        [sys.executable, "-c", code], env=report.environment(HARDMINE_ISA="portable"), capture_output=True, timeout=60
    )
    found = json.loads(run.stdout)
    assert not set(report.BLAS_OVERRIDES) & set(found)
    assert found["HARDMINE_ISA"] == "portable"
    assert found["PATH"]


@pytest.mark.parametrize(("given", "found"), [([], None), (["--coretype", "SkylakeX"], "SkylakeX")])
def test_every_process_of_the_report_takes_its_environment(report, monkeypatch, given, found):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    seen = []

    def run(command, env, **_):
        seen.append(env)
        if command[1] == "-c":
            return subprocess.CompletedProcess(command, 0, "[]")
        result = next(word for word in command if word.startswith("--benchmark-json="))
        Path(result.partition("=")[2]).write_text('{"benchmarks": []}')
        return subprocess.CompletedProcess(command, 0, "")

    replaced = SimpleNamespace(run=run, PIPE=subprocess.PIPE, STDOUT=subprocess.STDOUT)
    monkeypatch.setattr(report, "subprocess", replaced)
    monkeypatch.setattr(sys, "argv", ["report.py", "--passes", "2", "--levels", "portable", *given])
    assert report.main() == 0
    assert len(seen) == 3
    assert [env.get("OPENBLAS_CORETYPE") for env in seen] == [found] * 3
    assert [env["HARDMINE_BENCH_FORCED"] for env in seen[1:]] == ["OPENBLAS_CORETYPE" if found else ""] * 2


def test_the_page_is_made_from_the_data_that_were_written(report, cells, monkeypatch, tmp_path):
    monkeypatch.setattr(report, "measure", lambda *_, **__: cells)
    monkeypatch.setattr(report, "blas", lambda _: [])
    data, first, again = (tmp_path / name for name in ("data.json", "first.md", "again.md"))
    monkeypatch.setattr(sys, "argv", ["report.py", "--levels", "avx2", "--json", str(data), "--output", str(first)])
    assert report.main() == 0
    monkeypatch.setattr(report, "measured", None)
    monkeypatch.setattr(sys, "argv", ["report.py", "--from", str(data), "--output", str(again)])
    assert report.main() == 0
    assert first.read_text() == again.read_text()
    found = json.loads(data.read_text())
    assert found["machine"]["versions"]["hardmine"]
    by_case = {cell["case"]: cell for cell in found["levels"]["avx2"]}
    assert by_case["256 x 100"]["seconds"]["torch"] == 9e-3
    assert by_case["256 x 100"]["ratios"] == {"reading alone": 0.5, "faiss heap": 2.0, "torch": pytest.approx(4.5)}


def test_the_page_names_the_kernels_of_blas(report):
    numpy = {"package": "numpy", "internal_api": "openblas", "version": "0.3.31", "architecture": "SkylakeX"}
    faiss = {"package": "faiss", "internal_api": "openblas", "version": "0.3.15", "architecture": "Prescott"}
    assert report.kernels([numpy, faiss], {}) == (
        "BLAS: numpy openblas 0.3.31 with SkylakeX kernels; "
        "faiss openblas 0.3.15 with Prescott kernels (without AVX2: its times are no measure)."
    )
    assert "mkl 1 with ? kernels" in report.kernels([{"package": "numpy", "internal_api": "mkl", "version": "1"}], {})
    assert report.kernels([], {}) == "BLAS: unknown."
    said = report.kernels([], {"OPENBLAS_CORETYPE": "SkylakeX"})
    assert said == "BLAS: unknown. OPENBLAS_CORETYPE=SkylakeX was set: an old build takes slower ones."


def test_the_kernels_are_asked_of_a_process_of_the_benchmarks(report, monkeypatch):
    pytest.importorskip("threadpoolctl")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    found = {info["package"]: info for info in report.blas({})}
    assert found.get("numpy", {}).get("architecture") != "Prescott"
