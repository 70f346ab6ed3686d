"""The examples at a tiny size: the loss falls, the metric rises, and every epoch draws afresh."""

import ast
from pathlib import Path

import pytest

import hardmine as hm
from examples import train_pytorch, train_transformers
from tests.texts import random_beir

EXAMPLES = sorted(Path(train_pytorch.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_what_is_copied_imports_no_module_from_inside(path):
    """Names of the package's face are promised, modules below it are not, imported or reached through it."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    modules = [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    modules += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    assert [module for module in modules if module.startswith("hardmine.")] == []
    owners = ((node.attr, node.value) for node in nodes if isinstance(node, ast.Attribute))
    asked = {name for name, owner in owners if isinstance(owner, ast.Name) and owner.id == "hm"}
    assert asked <= set(hm.__all__)


@pytest.fixture
def folder(tmp_path):
    return random_beir(tmp_path / "collection", num_queries=60, num_documents=300)


def test_plain_loop(folder: Path):
    found = train_pytorch.main(["--collection", str(folder), "--workers", "0", "--epochs", "4", "--batch-size", "16"])
    assert found["loss"][-1] < found["loss"][0]
    assert found["mrr"][1] > found["mrr"][0]
    assert min(found["new"][1:]) > 0.1


@pytest.mark.filterwarnings("default")
def test_transformers(folder: Path):
    found = train_transformers.main(["--collection", str(folder), "--epochs", "6", "--batch-size", "16"])
    assert found["epoch"] == [5], "the callback sets the epoch"
    assert found["loss"][-1] < found["loss"][0]
    assert found["mrr"][1] > found["mrr"][0]
    assert min(found["new"][1:]) > 0.05
