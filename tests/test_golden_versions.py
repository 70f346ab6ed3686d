"""Files that earlier versions wrote are read as they were meant, and draws of one series stay what they were."""

import json

import pytest

import hardmine as hm
from tests import golden_versions

VERSIONS = sorted(folder.name for folder in golden_versions.ROOT.iterdir())
NEEDS = {"dataset.hm": "torch", "rows.jsonl": "pyarrow", "rows.provenance.jsonl": "pyarrow"}


def series(version):
    return version.split(".")[:2]


def held(expected, found):
    """What is found of the facts that were kept: a later version may know more about an object, never less."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return {name: held(expected[name], found[name]) for name in expected if name in found}
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return [held(*pair) for pair in zip(expected, found, strict=True)]
    return found


def expected(version, name):
    return json.loads((golden_versions.ROOT / version / name).read_text(encoding="utf-8"))


def test_this_version_has_its_folder():
    assert hm.__version__ in VERSIONS, "python -m tests.golden_versions"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", golden_versions.READERS)
def test_a_file_of_that_version_is_read_as_it_was_meant(version, name):
    pytest.importorskip(NEEDS.get(name, "numpy"))
    kept = expected(version, "expected.json")
    if name not in kept:
        pytest.skip(f"{version} did not write it")
    found = json.loads(json.dumps(golden_versions.READERS[name](golden_versions.ROOT / version / name)))
    assert held(kept[name], found) == kept[name]


@pytest.mark.parametrize("version", [version for version in VERSIONS if series(version) == series(hm.__version__)])
def test_draws_of_the_same_series_are_the_same(version):
    kept = expected(version, "draws.json")
    assert held(kept, golden_versions.draws()) == kept


def test_what_an_object_no_longer_says_is_noticed():
    assert held({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2, "new": 3}], "new": 4}) == {"a": [1, {"b": 2}]}
    assert held({"a": 1, "b": 2}, {"a": 1}) != {"a": 1, "b": 2}
    assert held([1, 2], [1, 2, 3]) != [1, 2]
