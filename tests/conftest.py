"""Shared by every test: no model hub, hypothesis profiles, and a line on what this machine could not run."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest
from hypothesis import HealthCheck, settings

import hardmine._native as _native
from tests import counting, small_worlds

settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "ci", max_examples=1000, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

ALL_LEVELS = ("portable", "avx2", "avxvnni", "avx512", "avx512vnni")


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


@pytest.fixture(scope="session")
def count_cases():
    """Adds to the number of compared cases of the running test's module; see `tests.counting`."""
    return counting.count_cases


@pytest.fixture(scope="session")
def small_worlds_folder(tmp_path_factory):
    """Made folders in the layouts of the real collections."""
    return small_worlds.make(tmp_path_factory.mktemp("collections"))


def pytest_sessionfinish(session):
    """A worker of several hands its counts to the process that prints the summary."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["compared"] = dict(counting.COMPARED)


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist, which may be switched off
def pytest_testnodedown(node):
    """Add what a worker compared; one that crashed has nothing to say."""
    counting.COMPARED.update(getattr(node, "workeroutput", {}).get("compared", {}))


def pytest_terminal_summary(terminalreporter):
    """Say how many cases were compared."""
    if counting.COMPARED:
        terminalreporter.write_sep("-", "cases compared")
        terminalreporter.write_line(f"cases compared: {counting.summary()}")
