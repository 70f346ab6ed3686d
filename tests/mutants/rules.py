"""Planted faults: rules and their spelling."""

from tests.mutants.table import Mutant

MUTANTS = [
    Mutant(
        "spelling-digits-cut",
        "python/hardmine/rules/spelling.py",
        "str(getattr(value, field.name)) for field",
        'f"{getattr(value, field.name):.6g}" for field',
        "tests/test_spelling.py",
    ),
    Mutant(
        "spelling-last-rule-wins",
        "python/hardmine/rules/spelling.py",
        "ceiling = ceiling & _parse(name, part, _CEILINGS)",
        "ceiling = _parse(name, part, _CEILINGS)",
        "tests/test_spelling.py",
    ),
]
