"""The history of the benchmarks: what is kept of a run, and what counts as fallen."""

from itertools import starmap

import pytest

from benches import history, report

SEEN = [
    ("avx2", "P1", "small", 3.0),
    ("avx2", "P1", "small", 4.0),
    ("avx2", "P1", "small", 5.0),
    ("avx2", "P3", "", 9.0),
]


def run(level, group, case, ratio):
    return history.Run("2026-11-28", "abc", level, group, case, 0.5, "torch", ratio)


def test_what_is_added_is_read(tmp_path):
    runs = list(starmap(run, SEEN))
    path = history.add(runs[:2], "AMD EPYC (R) 9", tmp_path / "new")
    assert (history.add(runs[2:], "AMD EPYC (R) 9", tmp_path / "new"), path.name) == (path, "amd-epyc-r-9.jsonl")
    assert history.read(path) == runs


@pytest.mark.parametrize(("ratio", "names"), [(3.3, True), (3.5, False)])
def test_a_row_has_fallen_by_the_median_of_its_own_runs(tmp_path, capsys, ratio, names):
    """Runs of another level or row, and rows that ran once, say nothing of it."""
    others = [("avx512", "P1", "small", 40.0), ("avx2", "P1", "large", 40.0)]
    history.add(starmap(run, [*SEEN, *others, ("avx2", "P1", "small", ratio)]), "x", tmp_path)
    assert history.main(["--folder", str(tmp_path), "--fall", "0.85"]) == names
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "x: 7 figures of 4 rows"
    assert said[1:] == (["  P1, small at avx2: 3.3x torch, before 4x; 0.5 s of its own, before 0.5 s"] if names else [])


def test_what_a_commit_gave_again_on_a_day_is_another_run():
    runs = [run("avx2", "P1", "a", 2.0), run("avx512", "P1", "a", 3.0), run("avx2", "P1", "a", 4.0)]
    other = runs[0]._replace(commit="def")
    names = [(name, each.ratio) for name, each in history.named([*runs, other])]
    first = "2026-11-28 abc"
    assert names == [(first, 2.0), (first, 3.0), (f"{first} (2)", 4.0), ("2026-11-28 def", 2.0)]


def test_of_a_run_the_best_peer_is_kept():
    cells = [
        {"group": "P1", "case": "a", "seconds": {"hardmine": 2.0, "numpy alone": 1.0, "torch": 6.0, "faiss": 5.0}},
        {"group": "P8", "case": "b", "seconds": {"hardmine": 2.0, "hardmine, 1 thread": 3.0}},
        {"group": "P6", "case": "c", "seconds": {"torch": 3.0}},
    ]
    kept = list(report.kept({"machine": {"date": "2026-11-28"}, "levels": {"avx2": cells}}))
    assert [each[2:] for each in kept] == [("avx2", "P1", "a", 2.0, "faiss", 2.5)]


def test_the_files_that_the_repository_keeps():
    paths = sorted(history.HISTORY.glob("*.jsonl"))
    assert paths
    for path in paths:
        assert all(run.ratio > 0 and run.seconds > 0 and run.date for run in history.read(path))
