"""The examples at a tiny size: the loss falls, the metric rises, and every epoch draws afresh."""

from pathlib import Path

import pytest

from examples import train_pytorch, train_transformers
from tests.texts import random_beir


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
