"""Planted faults: judging, and the judges that ship."""

from tests.mutants.table import Mutant

CALLS = "python/hardmine/pipeline/judge_calls.py"
ITEMS = "python/hardmine/pipeline/judge_items.py"
PAIRS = "python/hardmine/pipeline/judge_pairs.py"
POLICIES = "python/hardmine/pipeline/judge_policies.py"
SUSPICION = "python/hardmine/pipeline/suspicion.py"
JUDGE = "python/hardmine/pipeline/judge.py"
CHAT = "python/hardmine/teachers/chat_judge.py"
UNIT = "tests/test_judge.py tests/test_judge_cache.py tests/test_judge_cross_encoder.py"
SERVED = "tests/test_judge_chat.py"

MUTANTS = [
    Mutant(
        "judge-positive-left-out-of-the-key",
        ITEMS,
        "    for table, rows in texts:\n",
        "    for table, rows in texts[:2]:\n",
        f"{UNIT} -k other_labels",
    ),
    Mutant(
        "judge-no-positive-is-unlike-an-empty-one",
        ITEMS,
        'fingerprint.of_texts([""])',
        'fingerprint.of_texts(["\\0"])',
        f"{UNIT} -k small_runs",
    ),
    Mutant(
        "judge-copies-judged-apart",
        ITEMS,
        "first_of_group[groups[pairs.documents[wanted]]]",
        "pairs.documents[wanted]",
        f"{UNIT} -k of_the_loops",
    ),
    Mutant(
        "judge-least-suspicious-first",
        ITEMS,
        "-suspicious[wanted])",
        "suspicious[wanted])",
        f"{UNIT} -k of_the_loops",
    ),
    Mutant(
        "judge-worst-positive-shown",
        PAIRS,
        "np.lexsort((positives.ids, -scores, positives.query_of_each))",
        "np.lexsort((positives.ids, scores, positives.query_of_each))",
        f"{UNIT} -k best_positive",
    ),
    Mutant(
        "judge-copies-of-positives-are-asked-about",
        PAIRS,
        "known = coded(labels.query_of_each, groups[labels.ids], collection.num_documents)\n"
        "    return np.isin(coded(queries, groups[documents], collection.num_documents), known)",
        "known = coded(labels.query_of_each, labels.ids, collection.num_documents)\n"
        "    return np.isin(coded(queries, documents, collection.num_documents), known)",
        f"{UNIT} -k of_the_loops",
    ),
    Mutant(
        "judge-a-negative-p-turns-the-order",
        SUSPICION,
        "        gap = (s - p) / np.abs(p)\n",
        "        gap = s / p\n",
        f"{UNIT} -k negative_positive_score",
    ),
    Mutant(
        "judge-verdicts-lost-with-a-failure",
        CALLS,
        "        finally:  # after Ctrl-C and errors too: what was paid for is kept\n            asking.keep(0.0)\n",
        "        finally:\n            pass\n",
        f"{UNIT} -k kept",
    ),
    Mutant(
        "judge-failures-are-kept",
        CALLS,
        "(self._outcomes < FAILED) & ~self._is_kept",
        "(self._outcomes <= FAILED) & ~self._is_kept",
        f"{UNIT} -k bad_item",
    ),
    Mutant(
        "judge-verdicts-asked-for-again",
        CALLS,
        "                self._outcomes[item] = VERDICTS.index(verdict)\n                errors.pop(item, None)\n"
        "                continue\n",
        "                self._outcomes[item] = VERDICTS.index(verdict)\n                again.append(item)\n"
        "                continue\n",
        f"{UNIT} -k come_back_as_errors",
    ),
    Mutant(
        "judge-no-item-alone",
        CALLS,
        "        if hit.size > 1:\n",
        "        if False:\n",
        f"{UNIT} -k bad_item",
    ),
    Mutant(
        "judge-hopeless-errors-retried",
        CALLS,
        "            if isinstance(error, JudgeError) and not error.retry:\n                raise\n",
        "",
        f"{UNIT} -k no_try_mends",
    ),
    Mutant(
        "judge-waits-do-not-grow",
        CALLS,
        "FIRST_DELAY * 2.0 ** (attempt - 1)",
        "FIRST_DELAY",
        f"{UNIT} -k waits_double",
    ),
    Mutant(
        "judge-cut-of-the-cache-counted-apart",
        ITEMS,
        "        number = np.where(number < budget, number, -1)\n",
        "",
        f"{UNIT} -k of_the_loops",
    ),
    Mutant(
        "judge-copies-become-positives",
        POLICIES,
        "    chosen = found[distinct(coded(pairs.queries[found], texts, collection.num_documents))[0]]\n",
        "    chosen = found\n",
        f"{UNIT} -k relabelled_run",
    ),
    Mutant(
        "judge-copies-of-false-negatives-stay",
        POLICIES,
        "            codes = coded(queries, self.groups[documents], self.groups.size)\n",
        "            codes = coded(queries, documents, self.groups.size)\n",
        f"{UNIT} -k not_chosen",
    ),
    Mutant(
        "judge-ranks-of-what-left-are-counted",
        POLICIES,
        "run.ranks[stays] - before[stays].astype(np.int32)",
        "run.ranks[stays]",
        f"{UNIT} -k as_excluded",
    ),
    Mutant(
        "judge-dropped-at-the-number",
        JUDGE,
        "minlength=collection.num_queries) > max_false",
        "minlength=collection.num_queries) >= max_false",
        f"{UNIT} -k as_excluded",
    ),
    Mutant(
        "judge-equality-is-negative",
        "python/hardmine/teachers/judge.py",
        "(scores < lower)",
        "(scores <= lower)",
        f"{UNIT} -k two_thresholds",
    ),
    Mutant(
        "judge-key-in-the-message",
        "python/hardmine/teachers/_chat_http.py",
        "    if key is None:\n        said",
        "    if True:\n        said",
        f"{SERVED} -k nowhere",
    ),
    Mutant(
        "judge-a-wrong-key-is-shown",
        CHAT,
        '"api_key_variable: no such environment variable, or an empty one;',
        'f"api_key_variable: {variable}: no such environment variable, or an empty one;',
        f"{SERVED} -k wrong_place",
    ),
    Mutant(
        "judge-redirects-followed",
        CHAT,
        "follow_redirects=False",
        "follow_redirects=True",
        f"{SERVED} -k ends_the_run",
    ),
    Mutant(
        "judge-texts-looked-into",
        "python/hardmine/teachers/_chat_prompt.py",
        "    return _PLACE.sub(lambda found: texts[found[1]], prompt)\n",
        '    for place in PLACES:\n        prompt = prompt.replace(f"{{{place}}}", texts[place])\n    return prompt\n',
        f"{SERVED} -k looked_into",
    ),
    Mutant(
        "judge-repeated-requests-not-paced",
        CHAT,
        "            if self._pace is not None:\n",
        "            if self._pace is not None and attempt == 0:\n",
        f"{SERVED} -k counts_repeated",
    ),
    Mutant(
        "judge-an-error-is-an-answer",
        "python/hardmine/teachers/_chat_http.py",
        "        return None\n    return content if",
        "        return str(body)\n    return content if",
        f"{SERVED} -k has_failed",
    ),
    Mutant(
        "judge-headers-of-the-environment",
        "python/hardmine/teachers/_chat_http.py",
        "            del headers[name]\n",
        "            pass\n",
        f"{SERVED} -k asked_for_is_sent",
    ),
    Mutant(
        "judge-finds-come-back",
        "python/hardmine/primitives/unlisted.py",
        '(*LIMITS, "excluded", "positive", "duplicate_text")',
        '(*LIMITS, "positive", "duplicate_text")',
        "tests/test_unlisted.py",
    ),
]
