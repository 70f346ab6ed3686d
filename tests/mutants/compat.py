"""Planted faults: the drop-in for sentence-transformers."""

from tests.mutants.table import Mutant

ROOM = "python/hardmine/compat/sentence_transformers"
GRID = "tests/test_compat.py -k the_same_rows"
ADMISSIBLE = "tests/test_compat_admissible.py -k deep_search_and_a_filter"

MUTANTS = [
    Mutant(
        "compat-depth-without-positives",
        f"{ROOM}/mine.py",
        "    depth = asked.depth + max_positives\n",
        "    depth = asked.depth\n",
        GRID,
    ),
    Mutant(
        "compat-repeated-rows-are-no-positives",
        f"{ROOM}/mine.py",
        "    max_positives = int(found.rows_per_query.max())\n",
        "    max_positives = int(np.diff(found.positives.offsets).max())\n",
        GRID,
    ),
    Mutant(
        "compat-repeated-texts-given-to-the-model",
        f"{ROOM}/texts.py",
        "corpus if differ and isinstance",
        "corpus if isinstance",
        "tests/test_compat_differences.py -k texts_of_the_caller",
    ),
    Mutant(
        "compat-fingerprint-of-the-columns-alone",
        "python/hardmine/formats/fingerprint.py",
        "hash_bytes(parts)",
        "hash_bytes(parts[:3])",
        "tests/test_compat_differences.py -k fingerprint",
    ),
    Mutant(
        "compat-fingerprint-without-lengths",
        "python/hardmine/formats/fingerprint.py",
        "        yield [np.diff(table.offsets).data for table in tables]\n",
        "",
        "tests/test_compat_differences.py -k fingerprint",
    ),
    Mutant(
        "compat-highest-positive",
        f"{ROOM}/choose.py",
        "np.minimum.reduceat",
        "np.maximum.reduceat",
        GRID,
    ),
    Mutant(
        "compat-equality-removes",
        f"{ROOM}/choose.py",
        "        return scores + value > positive\n",
        "        return scores + value >= positive\n",
        "tests/test_compat_differences.py -k margin_zero",
    ),
    Mutant(
        "compat-removed-twice",
        f"{ROOM}/choose.py",
        "removed = alive & fails(",
        "removed = fails(",
        GRID,
    ),
    Mutant(
        "compat-window-by-ranks-of-the-scan",
        f"{ROOM}/admissible.py",
        "    run = hm.Candidates(run.offsets, run.ids, run.scores)  #",
        "    #",
        ADMISSIBLE,
    ),
    Mutant(
        "compat-crowd-without-positives",
        f"{ROOM}/admissible.py",
        "room = most - wanted - np.diff(positives.offsets)",
        "room = most - wanted",
        ADMISSIBLE,
    ),
    Mutant(
        "compat-crowded-queries-searched-under-the-ceiling",
        f"{ROOM}/admissible.py",
        "is_crowded = above > room\n",
        "is_crowded = above > most + 10**6 + 0 * room\n",
        ADMISSIBLE,
    ),
    Mutant(
        "compat-upper-median",
        f"{ROOM}/statistics.py",
        "exact[(exact.size - 1) // 2]",
        "exact[exact.size // 2]",
        GRID,
    ),
    Mutant(
        "compat-rows-by-number",
        "python/hardmine/nouns/tables.py",
        "    first.sort()\n",
        "",
        GRID,
    ),
    Mutant(
        "compat-key-without-weights",
        f"{ROOM}/embeddings.py",
        "    digest.update(of_weights(weights).encode())\n",
        "",
        "tests/test_compat_differences.py -k key",
    ),
    Mutant(
        "compat-key-with-what-a-call-leaves",
        "python/hardmine/teachers/model_digest.py",
        'return facts | {"truncation": tokenizer.truncation_side, "padding": None}',
        "return facts",
        "tests/test_compat_differences.py -k real_model",
    ),
    Mutant(
        "compat-key-without-prompts",
        f"{ROOM}/embeddings.py",
        "repr((self._model, *side.prompt))",
        "repr((self._model,))",
        "tests/test_compat_differences.py -k key",
    ),
    Mutant(
        "compat-two-scores-of-a-pair",
        f"{ROOM}/scores.py",
        "    scores[where >= 0] = run.scores[where[where >= 0]]\n",
        "",
        "tests/test_compat_differences.py -k margin_zero",
    ),
    Mutant(
        "compat-one-seed",
        f"{ROOM}/choose.py",
        "        seed=settings.seed,\n",
        "",
        "tests/test_compat_differences.py -k has_a_seed",
    ),
    Mutant(
        "compat-prompts-of-the-other-side",
        f"{ROOM}/mine.py",
        'Side("corpus", found.documents, Prompt(corpus_prompt, corpus_prompt_name), found.given)',
        'Side("corpus", found.documents, Prompt(query_prompt, query_prompt_name), found.given)',
        GRID,
    ),
]
