"""The example of a dense and a sparse teacher: both give, each under its own ceiling."""

import numpy as np
import pytest

import hardmine as hm
from examples import dense_and_sparse
from tests.models import tiny_bert
from tests.texts import write_beir

pytest.importorskip("transformers")


def test_both_teachers_give(tmp_path, capsys):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("abcdefgh"), size=6)) for _ in range(60)]
    corpus = [(f"d{i}", "", text) for i, text in enumerate(texts)]
    labels = [(f"q{i}", f"d{i}", 1) for i in range(20)]
    folder = write_beir(tmp_path / "beir", corpus, [(f"q{i}", texts[i]) for i in range(20)], train=labels)
    models = {name: tmp_path / name for name in ("dense", "sparse")}
    for name, path in models.items():
        path.mkdir()
        tiny_bert(path, masked=name == "sparse")
    paths = [f"--{name}={path}" for name, path in models.items()]
    found = dense_and_sparse.main([f"--collection={folder}", *paths, f"--output={tmp_path / 'rows.jsonl'}"])
    assert set(found["ensemble"].sources.tolist()) == {0, 1}
    assert set(found["fused"].candidates.sources.tolist()) == {0, 1}
    assert "candidates: dense" in capsys.readouterr().out
    assert (tmp_path / "rows.jsonl").stat().st_size

    sparse = hm.teachers.sparse(models["sparse"], max_query_terms=64, max_document_terms=256)
    collection = hm.Collection.read(folder)
    rows = [getattr(sparse, f"encode_{side}")(texts) for side, texts in (
        ("queries", collection.query_texts), ("documents", collection.document_texts))]  # fmt: skip
    ensemble, labels = found["ensemble"], collection.positives
    lowest = hm.pair_scores(*rows, np.repeat(np.arange(20), np.diff(labels.offsets)), labels.ids)
    given = ensemble.sources == 1
    queries = ensemble.queries[ensemble.row_of_each[given]]
    scores = hm.pair_scores(*rows, queries, ensemble.ids[given])
    assert (scores <= 0.95 * lowest[queries] * (1 + 1e-6)).all(), "under the ceiling of the sparse teacher"
