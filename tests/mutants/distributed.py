"""Planted faults: shards of a search, apart and on a cluster."""

from tests.mutants.table import Mutant

CUTS = "python/hardmine/distributed/cuts.py"
RUN = "python/hardmine/distributed/shard_run.py"
SEARCH = "python/hardmine/distributed/shard_search.py"
SPREAD = "python/hardmine/distributed/spread.py"
BOUNDS = "python/hardmine/distributed/bounds.py"
COSTS = "python/hardmine/distributed/costs.py"
CACHED = "python/hardmine/pipeline/cached.py"
SPARSE = "python/hardmine/pipeline/sparse_scorers.py"
SHARDS, SCALE, TOLD = "tests/test_shards.py", "tests/test_scale_costs.py", "tests/test_spread_bounds.py"

MUTANTS = [
    Mutant(
        "shard-holds-the-first-document-of-the-next",
        CUTS,
        "(ids < stop)",
        "(ids <= stop)",
        f"{SHARDS} -k within",
    ),
    Mutant(
        "shard-checksum-not-compared",
        RUN,
        "    if checksum(KIND, LAYOUT, about, arrays) != stated:",
        "    if False:",
        f"{SHARDS} -k damaged",
    ),
    Mutant(
        "shard-missing-at-the-end-not-seen",
        RUN,
        '    if expected != first.common["num_documents"]:',
        "    if False:",
        f"{SHARDS} -k belong",
    ),
    Mutant(
        "shard-of-another-search-merged",
        RUN,
        "        if difference is not None:",
        "        if False:",
        f"{SHARDS} -k belong",
    ),
    Mutant(
        "shard-without-the-ceiling",
        SEARCH,
        "k, ceiling=ceiling, exclude=within",
        "k, ceiling=None, exclude=within",
        f"{SHARDS} -k under_a_ceiling",
    ),
    Mutant(
        "shard-embeds-every-group",
        CACHED,
        "if is_needed[start:stop].any()]",
        "if is_needed.any()]",
        f"{SHARDS} -k touches",
    ),
    Mutant(
        "shard-known-by-all-documents",
        SPARSE,
        '{**about, "span": list(self._span)}',
        "about",
        f"{SHARDS} -k none_of_another",
    ),
    Mutant(
        "spread-blocks-of-queries-in-another-order",
        SPREAD,
        "            return joined([fetched(cluster, tree.root(), watch) for tree in trees])",
        "            return joined([fetched(cluster, tree.root(), watch) for tree in trees[::-1]])",
        f"{SCALE} -k passes",
    ),
    Mutant(
        "spread-numbers-of-the-shard",
        SPREAD,
        '"ids": found.ids + start})',
        '"ids": found.ids})',
        f"{SCALE} -k passes",
    ),
    Mutant(
        "spread-ranks-rounded-down",
        BOUNDS,
        "return -(-np.arange(1, count + 1) * k // max(count, 1))",
        "return np.maximum(np.arange(1, count + 1) * k // max(count, 1), 1)",
        f"{TOLD} -k reached",
    ),
    Mutant(
        "spread-told-of-other-queries",
        SPREAD,
        "partial(_started, task, bounds[block], *given)",
        "partial(_started, task, bounds[0], *given)",
        f"{TOLD} -k one_search",
    ),
    Mutant(
        "costs-without-merges",
        COSTS,
        "sum(_merges(lengths, k))",
        "sum(_merges(lengths[:1], k))",
        f"{SCALE} -k passes",
    ),
]
