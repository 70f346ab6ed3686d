"""Planted faults: rules and their spelling."""

from tests.mutants.table import Mutant

MUTANTS = [
    Mutant(
        "spelling-digits-cut",
        "python/hardmine/rules/spelling.py",
        "map(_plain, parts.values())",
        'f"{each:.6g}" for each in parts.values()',
        "tests/test_spelling.py",
    ),
    Mutant(
        "spelling-last-rule-wins",
        "python/hardmine/rules/spelling.py",
        "return joined(found)",
        "return joined(found[-1:])",
        "tests/test_spelling.py",
    ),
]
