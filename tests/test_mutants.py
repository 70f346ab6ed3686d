"""The list of planted faults stays applicable; `make mutants` runs it."""

import pytest

from tests.mutants import MUTANTS, ROOT


def test_there_are_enough():
    assert len(MUTANTS) >= 62
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_fault_can_be_planted(mutant):
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1
    assert mutant.old != mutant.new
    if mutant.tests.startswith("cargo "):
        folder = "src" if "--lib" in mutant.tests else "tests"
        module = mutant.tests.split()[-1].replace("::", "/")
        assert (ROOT / f"rust/core/{folder}/{module}.rs").exists()
        return
    paths, _, word = mutant.tests.partition(" -k ")
    texts = [(ROOT / test.split("::")[0]).read_text() for test in paths.split()]
    assert any(word in text for text in texts), f"-k {word} chooses nothing"
