"""Planted faults: rules and their spelling."""

from tests.mutants.table import Mutant

MUTANTS = [
    Mutant(
        "spelling-digits-cut",
        "python/hardmine/rules/spelling.py",
        "map(str, known.values())",
        'f"{each:.6g}" for each in known.values()',
        "tests/test_spelling.py",
    ),
    Mutant(
        "spelling-last-rule-wins",
        "python/hardmine/rules/spelling.py",
        "ceiling = ceiling & (_of_teacher(",
        "ceiling = (_of_teacher(",
        "tests/test_spelling.py",
    ),
]
