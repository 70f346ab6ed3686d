"""Selects benchmark groups by HARDMINE_BENCH_ONLY and HARDMINE_BENCH_SKIP (names divided by blanks)."""

import os

import pytest
from report import BLAS_OVERRIDES


def pytest_configure():
    """Refuse an environment that slows the peers: it is too late to mend once NumPy is loaded."""
    meant = os.environ.get("HARDMINE_BENCH_FORCED", "").split()  # by the report's --coretype
    found = [name for name in BLAS_OVERRIDES if name in os.environ and name not in meant]
    if found:
        raise pytest.UsageError(f"unset {' and '.join(found)}: the peers' BLAS would be slowed")


def pytest_collection_modifyitems(config, items):
    """Keep the groups asked for, all of them by default."""
    only, skip = (set(os.environ.get(f"HARDMINE_BENCH_{name}", "").split()) for name in ("ONLY", "SKIP"))
    keep, drop = [], []
    for item in items:
        marker = item.get_closest_marker("benchmark")
        group = marker.kwargs.get("group", "") if marker else ""
        (keep if group not in skip and (not only or group in only) else drop).append(item)
    if drop:
        config.hook.pytest_deselected(items=drop)
    items[:] = keep


@pytest.fixture
def record(benchmark):
    """Name a timing for the table: ``record(peer, case)`` returns the benchmark to call."""

    def named(peer, case):
        benchmark.extra_info.update(peer=peer, case=case)
        return benchmark

    return named
