"""Shared by every test: no model hub, hypothesis profiles, and a line on what this machine could not run."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest
from hypothesis import HealthCheck, settings

from hardmine import _native

settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "ci", max_examples=1000, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

ALL_LEVELS = ("portable", "avx2", "avx512")


@pytest.fixture(params=_native.isa_levels())
def isa(request, monkeypatch):
    """Every instruction-set level of this machine, forced for the test."""
    monkeypatch.setenv("HARDMINE_ISA", request.param)
    return request.param


def pytest_report_header():
    """Say which levels run and which this machine lacks."""
    have = _native.isa_levels()
    missing = [level for level in ALL_LEVELS if level not in have]
    return f"hardmine: levels {', '.join(have)}; this machine cannot run: {', '.join(missing) or 'none'}"


def pytest_terminal_summary(terminalreporter):
    """Add up the random cases that tests held to a twin."""
    passed = terminalreporter.stats.get("passed", [])
    cases = sum(count for report in passed for name, count in report.user_properties if name == "cases")
    if cases:
        terminalreporter.write_line(f"hardmine: {cases:,} random cases held to a slow twin")
