"""Planted faults: progress, its log, the dtype that is measured, locks across a fork."""

from tests.mutants.table import Mutant

MUTANTS = [
    Mutant(
        "progress-remaining-is-the-whole",
        "python/hardmine/plumbing/progress.py",
        "return (self.total - self.done) * self.elapsed / self.done",
        "return self.total * self.elapsed / self.done",
        "tests/test_progress.py -k rate_and_remaining",
    ),
    Mutant(
        "progress-ends-what-failed",
        "python/hardmine/plumbing/progress.py",
        "        if kind is not None:\n            return\n",
        "",
        "tests/test_progress.py -k fails_has_no_end",
    ),
    Mutant(
        "progress-log-is-cut",
        "python/hardmine/plumbing/progress_log.py",
        "os.O_WRONLY | os.O_APPEND",
        "os.O_WRONLY | os.O_TRUNC",
        "tests/test_progress.py -k quiet_and_log_json",
    ),
    Mutant(
        "progress-log-in-any-file",
        "python/hardmine/plumbing/progress_log.py",
        "if not _BEGINNING.startswith(beginning):",
        "if False:",
        "tests/test_progress.py -k refused_before_the_work",
    ),
    Mutant(
        "progress-reads-half-a-file",
        "python/hardmine/formats/opening.py",
        "        counted(size or 0)\n",
        "",
        "tests/test_progress.py -k last_byte",
    ),
    Mutant(
        "dtype-takes-the-slower",
        "python/hardmine/teachers/_dtype.py",
        'speeds["bfloat16"] >= _GAIN * speeds["float32"]',
        '_GAIN * speeds["bfloat16"] >= speeds["float32"]',
        "tests/test_dtype.py -k clearly_faster",
    ),
    Mutant(
        "fork-does-not-wait",
        "python/hardmine/plumbing/threads.py",
        "    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, "
        "after_in_child=_after_fork_in_child)\n",
        "    pass\n",
        "tests/test_fork_locks.py -k another_thread",
    ),
]
