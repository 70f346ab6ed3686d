"""The examples that bring something from elsewhere: hits of search engines, embeddings, tables of `datasets`."""

import json
import runpy
import sys

import numpy as np
import pytest

from examples import from_search_engine, images_by_id
from hardmine import Candidates, Collection
from tests.texts import random_beir, random_texts, write_beir

ENGINES = {"tantivy": "tantivy", "qdrant": "qdrant_client"}


@pytest.fixture(params=ENGINES)
def engine(request):
    pytest.importorskip(ENGINES[request.param])
    return request.param


@pytest.fixture
def folder(tmp_path):
    """Some queries have several positives, some documents the text of another."""
    return random_beir(tmp_path / "collection", num_queries=60, num_documents=300)


@pytest.fixture
def findable(tmp_path):
    """A query is the words of its two positives, so that their scores are high; a third of the documents are copies."""
    texts = random_texts(120, 0, words=300)
    corpus = [(f"d{i}", "", text) for i, text in enumerate([*texts, *(text.upper() for text in texts[::2])])]
    queries = [(f"q{i}", f"{texts[2 * i]} {texts[2 * i + 1]}") for i in range(60)]
    labels = [(f"q{i}", f"d{document}", 1) for i in range(60) for document in (2 * i, 2 * i + 1)]
    return write_beir(tmp_path / "findable", corpus, queries, train=labels)


def chosen_plainly(mined, number, factor):
    """Negatives of each query by the words of the rule: the first that are good enough."""
    collection, run = mined.collection, mined.candidates
    groups, rows = collection.document_groups, []
    for query in range(len(run)):
        labels, positives = mined.positives[query], mined.positives
        low = positives.scores[positives.offsets[query] : positives.offsets[query + 1]].min()
        ceiling = np.float64(low) - abs(np.float64(low)) * (1 - factor)
        taken, texts = [], set(groups[labels])
        for document, score in zip(run[query].ids.tolist(), run[query].scores.tolist(), strict=True):
            if groups[document] not in texts and score <= ceiling and len(taken) < number:
                taken.append(document)
        rows.append(taken)
    return rows


@pytest.mark.parametrize("source", ["docstrings", "beir"])
def test_rows_of_an_engine(engine, source, findable, tmp_path, capsys):
    output = tmp_path / "rows.jsonl"
    given = [] if source == "docstrings" else ["--collection", str(findable)]
    mined = from_search_engine.main(["--engine", engine, "--output", str(output), *given])
    collection, negatives = mined.collection, mined.negatives
    assert mined.report["teacher"] == engine
    assert collection.num_queries >= 50
    assert negatives.ids.size > collection.num_queries, "else nothing below would be looked at"
    assert [row.ids.tolist() for row in negatives] == chosen_plainly(mined, 3, 0.95)

    texts, wanted = collection.document_texts.to_pylist(), set()
    for query, row in zip(negatives.queries.tolist(), negatives, strict=True):
        labels = collection.positives[query].tolist()
        assert not set(labels) & set(row.ids.tolist())
        anchor = collection.query_texts[query].as_py()
        wanted |= {(anchor, texts[label], texts[document]) for label in labels for document in row.ids.tolist()}
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert {(row["anchor"], row["positive"], row["negative"]) for row in rows} == wanted
    assert not [row for row in rows if row["positive"] == row["negative"]]
    assert f"{len(rows):,} rows in {output}" in capsys.readouterr().out


def test_an_engine_scores_positives_wherever_they_rank(engine, folder):
    """Among few hits or all documents, the positives' scores are those of their hits."""
    collection = Collection.read(folder)
    few, every = (from_search_engine.ENGINES[engine](collection, k=k) for k in (5, collection.num_documents))
    assert isinstance(few, Candidates)
    np.testing.assert_allclose(few.positives.scores, every.positives.scores, rtol=1e-5)
    outside = 0
    for query in range(collection.num_queries):
        known = dict(zip(every[query].ids.tolist(), every[query].scores.tolist(), strict=True))
        labels, at = collection.positives[query].tolist(), collection.positives.offsets[query]
        scores = few.positives.scores[at : at + len(labels)]
        np.testing.assert_allclose(scores, [known.get(label, 0.0) for label in labels], rtol=1e-5)
        best = every[query].scores[:5]
        np.testing.assert_allclose(few[query].scores[: len(best)], best, rtol=1e-5)
        outside += len(set(labels) - set(every[query].ids[:5].tolist()))
    assert outside > 10, "else every positive was among the hits anyhow"


def test_scores_of_qdrant_are_cosines(folder):
    pytest.importorskip("qdrant_client")
    collection = Collection.read(folder)
    run = from_search_engine.from_qdrant(collection, k=7)
    sides = [
        from_search_engine.hashed(texts.to_pylist()) for texts in (collection.query_texts, collection.document_texts)
    ]
    queries, documents = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in sides)
    ids, scores = run.padded()[:2]
    cosines = queries @ documents.T
    np.testing.assert_allclose(scores, np.take_along_axis(cosines, ids, axis=1), atol=1e-5)
    np.testing.assert_allclose(scores, -np.sort(-cosines, axis=1)[:, :7], atol=1e-5)


def test_hashed_vectors_tell_words_alone():
    one, two, three, other = from_search_engine.hashed(["Read a file_name", "a FILE name: read", "read", "close it"])
    assert np.array_equal(one, two)
    assert one @ three > 0
    assert one @ other == 0
    assert np.array_equal(from_search_engine.hashed(["read"])[0], three), "whatever stands beside it"


def test_a_missing_engine_is_named(monkeypatch, capsys, folder):
    for module in ENGINES.values():
        monkeypatch.setitem(sys.modules, module, None)
    for engine, module in ENGINES.items():
        with pytest.raises(SystemExit, match="^1$"):
            from_search_engine.main(["--engine", engine, "--collection", str(folder)])
        assert capsys.readouterr().err == f"{module} is not installed: pip install tantivy qdrant-client\n"


def test_images_by_id(tmp_path, capsys):
    mined, rows = images_by_id.main(["--output", str(tmp_path / "rows.jsonl"), "--scenes", "60"])
    again = images_by_id.main(["--output", str(tmp_path / "rows.parquet"), "--scenes", "60"])[1]
    assert again == rows
    assert not mined.collection.has_texts
    captions, images = images_by_id.embed(60)
    cosines = captions @ images.T
    names = {name: number for number, name in enumerate(mined.collection.document_ids)}
    assert len(names) == len(images)
    assert [row["query_id"] for row in rows] == [f"caption-{scene:04}" for scene in range(60)]
    for scene, row in enumerate(rows):
        positive, negatives = names[row["positive_ids"][0]], [names[name] for name in row["negative_ids"]]
        assert row["positive_ids"] == [f"{scene:04}/0.jpg"]
        # The second shot of the scene is as near as the first, and so no negative.
        assert cosines[scene, positive + 1] > 0.95 * cosines[scene, positive]
        admissible = np.flatnonzero(cosines[scene] <= 0.95 * cosines[scene, positive])
        best = admissible[np.argsort(-cosines[scene, admissible])][:4]
        assert negatives == best.tolist()
        np.testing.assert_allclose(row["positive_scores"], cosines[scene, [positive]], rtol=1e-5)
        np.testing.assert_allclose(row["negative_scores"], cosines[scene, best], rtol=1e-5)
    out = capsys.readouterr().out
    assert "nearest: 240 negatives, 60 of them the second shot" in out, "what the rule is there for"
    assert "below 95 % of the positive: 240 negatives, 0 of them the second shot" in out


@pytest.fixture
def pipeline():
    pytest.importorskip("datasets")
    from examples import datasets_pipeline

    return datasets_pipeline


def test_datasets_pipeline(pipeline, capsys):
    rows, pairs = pipeline.main(["--num-negatives", "3"]), pipeline.pairs_of("email")
    assert rows.column_names == ["anchor", "positive", "negative_1", "negative_2", "negative_3"]
    assert {feature.dtype.removeprefix("large_") for feature in rows.features.values()} == {"string"}
    assert len(pairs) // 2 < len(rows) < len(pairs)
    assert f"{len(rows)} of {len(pairs)} pairs have 3 negatives" in capsys.readouterr().out
    asked = {f"Find the function of {row['module']}: {row['anchor']}": row["positive"] for row in pairs}
    known = set(pairs["positive"])
    for row in rows:
        negatives = {row[f"negative_{number}"] for number in (1, 2, 3)}
        assert row["positive"] == asked[row["anchor"]], "the instruction names the module of its own query"
        assert len(negatives) == 3
        assert negatives <= known - {row["positive"]}


def test_datasets_pipeline_of_a_folder(pipeline, tmp_path):
    pairs = pipeline.pairs_of("logging")
    pairs.save_to_disk(tmp_path / "pairs")
    rows = pipeline.main(["--dataset", str(tmp_path / "pairs"), "--num-negatives", "1"])
    assert len(rows) > len(pairs) // 2
    assert rows.column_names == ["anchor", "positive", "negative_1"]
    assert set(rows["positive"]) <= set(pairs["positive"])


def test_missing_datasets_are_named(monkeypatch, pipeline):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(SystemExit, match=r"no module datasets: pip install 'hardmine\[mine,datasets\]'"):
        runpy.run_path(pipeline.__file__)
