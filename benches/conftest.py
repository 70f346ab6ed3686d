"""Selects benchmark groups by the environment variable HARDMINE_BENCH_ONLY (names divided by blanks)."""

import os

import pytest


def pytest_collection_modifyitems(config, items):
    """Keep the groups asked for, all of them by default."""
    only = set(os.environ.get("HARDMINE_BENCH_ONLY", "").split())
    if not only:
        return
    keep, drop = [], []
    for item in items:
        marker = item.get_closest_marker("benchmark")
        group = marker.kwargs.get("group", "") if marker else ""
        (keep if group in only else drop).append(item)
    config.hook.pytest_deselected(items=drop)
    items[:] = keep


@pytest.fixture
def record(benchmark):
    """Name a timing for the table: ``record(peer, case)`` returns the benchmark to call."""

    def named(peer, case):
        benchmark.extra_info.update(peer=peer, case=case)
        return benchmark

    return named
