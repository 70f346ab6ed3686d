"""Planted faults: rescoring, scorers of pairs, and ceilings that name a teacher."""

from tests.mutants.table import Mutant

RESCORE = "python/hardmine/pipeline/rescore.py"
CEILINGS = "python/hardmine/primitives/teacher_ceilings.py"
CROSS_ENCODER = "python/hardmine/teachers/cross_encoder.py"
TESTS = "tests/test_rescore.py"

MUTANTS = [
    Mutant(
        "rescore-ties-to-the-higher-index",
        RESCORE,
        "np.lexsort((ids, -scores, rows))",
        "np.lexsort((-ids, -scores, rows))",
        f"{TESTS} -k equals_the_loop",
    ),
    Mutant(
        "rescore-pairs-known-by-their-query",
        RESCORE,
        "        return fingerprint.of_rows(len(self), *columns)\n",
        "        return fingerprint.of_rows(len(self), columns[0])\n",
        f"{TESTS} -k with_and_without_a_cache",
    ),
    Mutant(
        "rescore-a-buffer-is-kept",
        "python/hardmine/teachers/pairs.py",
        "length=count).copy()",
        "length=count)",
        f"{TESTS} -k buffer",
    ),
    Mutant(
        "rescore-groups-of-any-size",
        RESCORE,
        "return [cached.GROUP_TEXTS, checks.integer(",
        "return [cached.GROUP_TEXTS, 2 * checks.integer(",
        f"{TESTS} -k scored_once_in_groups",
    ),
    Mutant(
        "rescore-positives-forget-the-first-teacher",
        RESCORE,
        "        others[first] = labels.scores\n",
        "        pass\n",
        f"{TESTS} -k equals_the_loop",
    ),
    Mutant(
        "rescore-a-teacher-is-written-over",
        RESCORE,
        "    if new == own or new in others:",
        "    if new == own:",
        f"{TESTS} -k several_times",
    ),
    Mutant(
        "rescore-shards-cut-inside-a-group",
        RESCORE,
        "                first, begun, done = stop, time.monotonic(), []",
        "                first, begun, done = stop, time.monotonic(), done",
        "tests/test_rescore_kill.py -k not_scored_again",
    ),
    Mutant(
        "teacher-ceilings-equality-removes",
        CEILINGS,
        "above |= scores > np.repeat(",
        "above |= scores >= np.repeat(",
        "tests/test_teacher_scores.py -k equality",
    ),
    Mutant(
        "teacher-ceilings-last-one-wins",
        CEILINGS,
        "        above |= scores > ",
        "        above = scores > ",
        "tests/test_teacher_scores.py -k twin",
    ),
    Mutant(
        "teacher-ceilings-on-the-runs-own-scores",
        "python/hardmine/rules/ceilings.py",
        "        return self._terms() if self.teacher is None else []",
        "        return self._terms()",
        "tests/test_teacher_scores.py -k twin",
    ),
    Mutant(
        "cross-encoder-length-left-out-of-the-fingerprint",
        CROSS_ENCODER,
        '            "max_length": self.max_length,\n',
        "",
        "tests/test_cross_encoder.py -k fingerprint",
    ),
    Mutant(
        "cross-encoder-head-in-few-bits",
        CROSS_ENCODER,
        'if part is not body and dtype != "float32":',
        "if False:",
        "tests/test_cross_encoder.py -k head_stays",
    ),
    Mutant(
        "cross-encoder-made-up-head",
        CROSS_ENCODER,
        "    if missing:\n",
        "    if False:\n",
        "tests/test_cross_encoder.py -k models_that_are_none",
    ),
]
