"""Planted faults: audits."""

from tests.mutants.table import Mutant

ROOM = "python/hardmine/report/audit"
TESTS = "tests/test_audit.py tests/test_audit_command.py tests/test_audit_files.py tests/test_audit_texts.py"
FILES = "tests/test_audit_files.py"
TEXTS = "tests/test_audit_texts.py"

MUTANTS = [
    Mutant(
        "audit-a-document-counts-under-every-check",
        f"{ROOM}/within.py",
        "        flags[name] = found & ~taken\n",
        "        flags[name] = found\n",
        f"{TESTS} -k under_one_check",
    ),
    Mutant(
        "audit-positives-of-any-row-are-looked-for",
        f"{ROOM}/within.py",
        "return np.where(numbers < 0, -1, side.rows * span + numbers)",
        "return numbers",
        f"{TESTS} -k planted_defect",
    ),
    Mutant(
        "audit-normalised-by-letter-case-alone",
        "python/hardmine/nouns/normal_form.py",
        "    is_plain = compute.and_(is_plain, compute.invert(compute.match_substring_regex(strings, _UNCOLLAPSED)))\n",
        "",
        f"{TESTS} -k normal_form",
    ),
    Mutant(
        "audit-the-first-pass-knows-only-one-row-of-a-query",
        f"{ROOM}/across.py",
        "several: Keys = pairs[count[number] > 1]",
        "several: Keys = pairs[count[number] > 2]",
        f"{TESTS} -k across_chunks",
    ),
    Mutant(
        "audit-what-came-first-forgotten-by-a-merge",
        f"{ROOM}/seen.py",
        "        made[is_left], made[at] = one, other\n",
        "        made[is_left], made[at] = one, one[:1]\n",
        f"{TESTS} -k came_first",
    ),
    Mutant(
        "audit-counts-never-fall",
        f"{ROOM}/seen.py",
        "            self.counts -= np.partition(self.counts, rest - 1)[rest - 1]\n",
        "            self.counts -= 0\n",
        f"{TESTS} -k never_too_high",
    ),
    Mutant(
        "audit-hubs-among-few-rows",
        f"{ROOM}/across.py",
        "return max(self._share * self.num_rows, _HUB_ROWS)",
        "return self._share * self.num_rows",
        f"{TESTS} -k hubs",
    ),
    Mutant(
        "audit-leakage-by-exact-text-alone",
        f"{ROOM}/leakage.py",
        "keys.append(keys_of(normalised_all(texts))[:-1])",
        "keys.append(keys_of(texts)[:-1])",
        f"{TESTS} -k planted_defect",
    ),
    Mutant(
        "audit-neighbours-are-not-repaired-again",
        f"{ROOM}/repairs.py",
        "while self.format in SPREAD:",
        "while False:",
        f"{TESTS} -k neighbours",
    ),
    Mutant(
        "audit-half-a-file-is-repaired",
        f"{ROOM}/run.py",
        "        if lost:\n",
        "        if False:\n",
        f"{TESTS} -k cannot_be_read",
    ),
    Mutant(
        "audit-lines-of-rows-that-are-left-out",
        "python/hardmine/formats/tolerance.py",
        "        listener.lines = listener.lines[kept]\n",
        "        pass\n",
        f"{TESTS} -k corpus_does_not_have",
    ),
    Mutant(
        "audit-rows-before-the-end-are-lost",
        "python/hardmine/formats/tolerance.py",
        "        if _LISTENER.get() is None:\n            raise\n",
        "        raise\n",
        f"{TESTS} -k cannot_be_read",
    ),
    Mutant(
        "audit-the-exit-code-is-lost",
        "python/hardmine/cli/main.py",
        "return int(options.run(options) or 0)",
        "options.run(options)",
        f"{TESTS} -k command_line",
    ),
    Mutant(
        "audit-side-files-are-replaced",
        f"{ROOM}/repairs.py",
        "        if each.resolve() in read:\n",
        "        if False:\n",
        f"{FILES} -k is_replaced",
    ),
    Mutant(
        "audit-shuffled-files-are-judged",
        f"{ROOM}/spread.py",
        "return bool(self._scattered.counts())",
        "return False",
        f"{FILES} -k shuffled",
    ),
    Mutant(
        "audit-lone-records-are-dropped",
        f"{ROOM}/repairs.py",
        "        lacks &= view.negatives.lengths == 0\n",
        "        pass\n",
        f"{FILES} -k lone_ones_kept",
    ),
    Mutant(
        "audit-lines-of-columns-behind-a-bad-one",
        "python/hardmine/formats/quoted.py",
        "number = _pass_over(path, wrong, number) + 1",
        "number += 1",
        f"{FILES} -k file_of_columns",
    ),
    Mutant(
        "audit-words-with-quotes-are-damage",
        f"{ROOM}/damage.py",
        "        return tail not in _BEHIND\n",
        "        return True\n",
        f"{TEXTS} -k clean_words",
    ),
    Mutant(
        "audit-lengths-of-repeated-words-exclude",
        f"{ROOM}/near.py",
        "size = self._of(long).size",
        "size = self._count(long)",
        f"{TEXTS} -k kernel",
    ),
]
