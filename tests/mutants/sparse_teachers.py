"""Planted faults: sparse teachers, and their rows in the store."""

from tests.mutants.table import Mutant

SPLADE = "python/hardmine/teachers/splade.py"
ROWS = "python/hardmine/teachers/_sparse_rows.py"
BM25 = "python/hardmine/teachers/bm25.py"
OBJECTS = "python/hardmine/teachers/sparse_encoder.py"
KEPT = "python/hardmine/pipeline/cached_sparse.py"
WORDS, RUNS = "tests/test_teachers.py", "tests/test_store_runs.py"
TEACHERS, PIPELINE = "tests/test_teachers_sparse.py", "tests/test_sparse_pipeline.py"

MUTANTS = [
    Mutant(
        "sparse-padding-has-weights",
        SPLADE,
        "logits.masked_fill_(absent, -torch.inf)",
        "logits",
        f"{TEACHERS} -k test_by_hand",
    ),
    Mutant(
        "sparse-last-layer-without-its-biases",
        SPLADE,
        "None if biases is None else biases[i])",
        "None)",
        f"{TEACHERS} -k test_by_hand",
    ),
    Mutant(
        "sparse-last-layer-taken-over-blindly",
        SPLADE,
        "is_last = len(seen) == 1 and seen[0] is logits\n",
        "is_last = len(seen) == 1\n",
        f"{TEACHERS} -k behind_its_last_layer",
    ),
    Mutant(
        "sparse-one-logarithm",
        SPLADE,
        '        if self.recipe.activation == "log1p_relu":\n',
        "        if False:\n",
        f"{TEACHERS} -k own_configuration",
    ),
    Mutant(
        "sparse-ties-by-higher-term",
        ROWS,
        "np.lexsort((found.terms, -np.abs(found.weights)",
        "np.lexsort((-found.terms, -np.abs(found.weights)",
        f"{TEACHERS} -k largest_weights_by_hand",
    ),
    Mutant(
        "sparse-rows-in-the-order-of-batches",
        ROWS,
        "ragged.ranges(offsets[members], self._lengths[members])",
        "ragged.ranges(offsets[np.sort(members)], self._lengths[np.sort(members)])",
        f"{TEACHERS} -k test_by_hand",
    ),
    Mutant(
        "sparse-queries-go-through-the-documents-side",
        OBJECTS,
        "self._model.encode_query, texts",
        "self._model.encode_document, texts",
        f"{TEACHERS} -k queries_without_a_model",
    ),
    Mutant(
        "sparse-use-changes-the-fingerprint",
        OBJECTS,
        '_SET_BY_USE = {"embedding_dimension"}',
        "_SET_BY_USE: set[str] = set()",
        f"{TEACHERS} -k object_is_known_by_its_numbers",
    ),
    Mutant(
        "sparse-pruning-left-out-of-the-fingerprint",
        SPLADE,
        '            "max_terms": self._most[what],\n',
        "",
        f"{TEACHERS} -k model_is_known_by_its_numbers",
    ),
    Mutant(
        "sparse-terms-left-out-of-the-key",
        KEPT,
        "for column in (queries.terms, queries.weights)]",
        "for column in (queries.weights,)]",
        f"{PIPELINE} -k known_by_weights",
    ),
    Mutant(
        "sparse-documents-known-by-their-terms",
        KEPT,
        " = [documents.offsets, documents.terms, documents.weights]",
        " = [documents.offsets, documents.terms]",
        f"{PIPELINE} -k known_by_weights",
    ),
    Mutant(
        "sparse-buffers-kept-by-reference",
        KEPT,
        '"list.weight": np.array(found.weights, np.float32)',
        '"list.weight": np.asarray(found.weights, np.float32)',
        f"{PIPELINE} -k formats_that_a_teacher",
    ),
    Mutant(
        "sparse-vocabularies-not-compared",
        KEPT,
        "    if len(sizes) > 1:\n",
        "    if False:\n",
        f"{PIPELINE} -k vocabularies_that_differ",
    ),
    Mutant(
        "bm25-weights-rounded-before-their-constant-is-out",
        BM25,
        'given.update(delta=teacher.delta, dtype="float64")',
        "given.update(delta=teacher.delta)",
        f"{WORDS} -k of_bm25s_within_a_rounding",
    ),
    Mutant(
        "bm25-delta-not-handed-on",
        BM25,
        "given.update(delta=teacher.delta, ",
        "given.update(",
        f"{WORDS} -k bm25_equals_its_twin",
    ),
    Mutant(
        "bm25-constant-of-words-lost",
        BM25,
        "self.nonoccurrence = model.nonoccurrence_array",
        "self.nonoccurrence = None",
        f"{WORDS} -k bm25_equals_its_twin",
    ),
    Mutant(
        "bm25-delta-left-out-of-the-fingerprint",
        BM25,
        '{"method": self.method, "delta": self.delta}',
        '{"method": self.method}',
        f"{RUNS} -k bm25_is_known",
    ),
    Mutant(
        "bm25-caches-of-lucene-made-anew",
        BM25,
        'form = {} if self.method == "lucene" else {',
        "form = {",
        f"{RUNS} -k fingerprint_of_lucenes_form",
    ),
]
