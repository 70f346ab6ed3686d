"""No kernel enables a processor feature that detection does not ask for: the lists are read from the source."""

import re
from pathlib import Path

import pytest

CORE = Path(__file__).resolve().parent.parent / "rust/core/src"
SOURCES = sorted(CORE.rglob("*.rs"))


def code(path):
    """Rust source without comments."""
    return re.sub(r"//.*", "", path.read_text())


def levels():
    """The features of each level."""
    lists = re.findall(r"\((avx\w+) => \$then.*?\[(.*?)\]", code(CORE / "isa/features.rs"), re.DOTALL)
    return {level: set(re.findall(r'"(\w+)"', features)) for level, features in lists}


def enabled(path):
    """The features of every attribute of a file, one set each."""
    for attribute in re.findall(r"#\[target_feature\((.*?)\)\]", code(path)):
        lists = re.findall(r'enable\s*=\s*"([^"]*)"', attribute)
        yield {feature for features in lists for feature in features.split(",")}, attribute


def test_a_level_holds_the_one_below():
    found = levels()
    assert set(found) == {"avx2", "avxvnni", "avx512", "avx512vnni"}
    assert "avx2" in found["avx2"] < found["avx512"] < found["avx512vnni"]
    assert found["avxvnni"] == found["avx2"] | {"avxvnni"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(CORE)))
def test_what_a_kernel_enables_is_in_the_list_of_its_level(path):
    for features, attribute in enabled(path):
        if "$feature" in attribute:
            # A list that the macro hands over, which is that of the level.
            assert path.name == "dispatch.rs" or "with_features!(" in code(path)
            continue
        assert features, attribute
        level = "avx512" if any(feature.startswith("avx512") for feature in features) else "avx2"
        level = next((name for name in ("avx512vnni", "avxvnni") if name in features), level)
        assert features <= levels()[level], features - levels()[level]


def test_there_are_kernels_to_check():
    assert sum(len(list(enabled(path))) for path in SOURCES) > 10


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(CORE)))
def test_detection_and_dispatch_have_one_home(path):
    if path.parent.name != "isa":
        assert not re.findall(r"is_x86_feature_detected|Isa::Avx\w+\s*=>", code(path)), "by_isa! and per_isa! do this"
