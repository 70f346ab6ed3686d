"""Planted faults: what lives in a training loop."""

from tests.mutants.table import Mutant

MUTANTS = [
    Mutant(
        "clusters-empty-left-empty",
        "python/hardmine/training/clusters.py",
        "    if not empty.size:\n        return",
        "    if empty.size:\n        return",
        "tests/test_clusters.py",
    ),
    Mutant(
        "clusters-mean-of-raw-vectors",
        "python/hardmine/training/clusters.py",
        "wide = unit(wide) if normalise else wide",
        "wide = wide",
        "tests/test_clusters.py",
    ),
    Mutant(
        "clusters-online-moves-all",
        "python/hardmine/training/clusters.py",
        "np.where(moved[:, None], after, self.centroids)",
        "np.where(moved[:, None] | True, after, self.centroids)",
        "tests/test_clusters.py",
    ),
    Mutant(
        "dynamic-draws-by-place-in-the-batch",
        "python/hardmine/training/dynamic.py",
        "            query_keys=rows,\n",
        "            query_keys=None,\n",
        "tests/test_dynamic.py",
    ),
    Mutant(
        "dynamic-index-left-after-a-refresh",
        "python/hardmine/training/dynamic.py",
        "        self._index = job.index\n",
        "",
        "tests/test_dynamic.py",
    ),
    Mutant(
        "dynamic-missed-positives-unordered",
        "python/hardmine/training/dynamic.py",
        "np.lexsort((labels.ids[missing], -scores, of_label[missing]))",
        "np.lexsort((labels.ids[missing], scores, of_label[missing]))",
        "tests/test_dynamic.py",
    ),
    Mutant(
        "dynamic-failure-comes-out-twice",
        "python/hardmine/training/dynamic.py",
        "        self._job = None\n        if job.index is None:",
        "        self._job = None if job.index else job\n        if job.index is None:",
        "tests/test_dynamic.py",
    ),
    Mutant(
        "bank-own-key-kept",
        "python/hardmine/training/bank.py",
        "counts = np.where(keys == _NONE, 0, end - start)",
        "counts = np.where(keys == _NONE, 0, 0 * (end - start))",
        "tests/test_bank.py",
    ),
    Mutant(
        "bank-pushes-at-once",
        "python/hardmine/plumbing/threads.py",
        "        with self._lock:\n            return",
        "        if self._lock:\n            return",
        "tests/test_bank.py -k threads",
    ),
    Mutant(
        "bank-overwrites-the-newest",
        "python/hardmine/training/bank.py",
        "slots = np.arange(end - kept, end) % size",
        "slots = np.minimum(np.arange(end - kept, end), size - 1)",
        "tests/test_bank.py",
    ),
]
