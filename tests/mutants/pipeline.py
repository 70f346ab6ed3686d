"""Planted faults: the pipeline and the command line."""

from tests.mutants.table import Mutant

MUTANTS = [
    Mutant(
        "mine-positives-retrieved",
        "python/hardmine/pipeline/scorers.py",
        "    if exclude_positives:",
        "    if not exclude_positives:",
        "tests/test_mine.py",
    ),
    Mutant(
        "cli-first-rule-alone",
        "python/hardmine/cli/mine.py",
        "        ceiling = ceiling & other\n",
        "        pass\n",
        "tests/test_cli.py -k retrieve_then_select",
    ),
    Mutant(
        "mine-run-of-another-collection",
        "python/hardmine/pipeline/mined.py",
        "        collection._refuse_foreign(run)\n",
        "",
        "tests/test_mine.py -k another_collection",
    ),
    Mutant(
        "mine-epoch-noticed-at-the-end",
        "python/hardmine/pipeline/mine.py",
        '    epoch = checks.integer("epoch", epoch)\n',
        "",
        "tests/test_mine.py -k before_the_teacher",
    ),
]
