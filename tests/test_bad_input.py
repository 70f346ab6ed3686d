"""Bad input, for everything public: `CASES` holds calls with what must come of them, and a meta-test walks
``hardmine.__all__`` and the rows of `ROWS`, so that nothing public is without its cases.

A message must name the argument, what came and what was wanted; a case is a pattern that its message must match.
"""

import inspect

import pytest

import hardmine as hm
from tests.bad_input import judge, library, rescore, search, sparse, sweep, texts, training  # noqa: F401 (they fill the table)
from tests.bad_input.table import CASES, ROWS

EXEMPT = {
    "REASONS": "a constant",
    "__version__": "a constant",
    "NoCeiling": "takes nothing",
    "Top": "takes nothing",
    "Uniform": "takes nothing",
    "Ranking": "a plain pair that the library hands out and never takes",
    "SparseRow": "a plain pair that the library hands out and never takes",
    "compat": "a module; tests/test_compat_differences.py has its cases",
    "distributed": "a module; tests/test_distributed.py has its cases",
    "data": "a module of two classes; tests/test_data.py has their cases",
    "losses": "a module; tests/test_losses_errors.py has its table, and a meta-test of its own",
    "ProgressEvent": "a plain record that a callable given as `progress` is handed",
    "Plan": "a plain record that `plan` hands out",
    "SearchPlan": "a plain record that `search_plan` hands out",
    "DynamicLists": "a plain record that `DynamicMiner.lists` hands out",
    "AuditReport": "a plain record that `audit` hands out; tests/test_audit_command.py tries its severities",
    "Sweep": "a plain record that `sweep` hands out",
    "Judged": "a plain record that `judge` hands out; what its writer refuses stands in tests/test_judge.py",
    "Mined": "a plain record that `mine` hands out; its writer's cases stand under formats",
}
"""Public names without cases, and why."""


APPLIES = {
    "nan": "parse_ceiling parse_draw "
    "SparseIndex SparseRows "
    "AliasTable Candidates DynamicMiner ExactIndex MemoryBank OnlineClusters Popularity Positives "
    "TopKAccumulator Weighted anchor_scores draw in_batch_mask mine_scores pair_scores rescore retrieve "
    "search spherical_kmeans topk triplets",
    "infinite": "SparseRows "
    "AliasTable DynamicMiner ExactIndex MemoryBank Popularity Positives Weighted anchor_scores draw "
    "mine_scores pair_scores rescore search spherical_kmeans",
    "count": "parse_ceiling parse_draw "
    "SparseIndex SparseRows "
    "AliasTable Among Candidates DynamicMiner ExactIndex MemoryBank OnlineClusters Positives Selection "
    "Stratified StringTable TopKAccumulator TopThen draw ensemble fuse merge mine mine_scores "
    "near_duplicate_groups plan rescore retrieve sample_uniform search search_plan select "
    "spherical_kmeans strategies sweep topk triplets judge",
    "shape": "SparseIndex SparseRows "
    "AliasTable Candidates Clusters Collection DynamicMiner ExactIndex MemoryBank OnlineClusters "
    "Popularity Positives StringTable TopKAccumulator Weighted anchor_scores draw embed ensemble fuse "
    "in_batch_mask merge mine_scores pair_scores rescore retrieve sample_uniform search select "
    "spherical_kmeans teachers sweep topk triplets judge",
    "dtype": "SparseIndex SparseRows "
    "AliasTable Candidates Clusters DynamicMiner ExactIndex MemoryBank Popularity Positives StringTable "
    "TopKAccumulator Weighted anchor_scores draw in_batch_mask merge mine_scores pair_scores rescore "
    "sample_uniform search select spherical_kmeans topk triplets",
    "ids": "SparseIndex SparseRows "
    "AliasTable Candidates Clusters Collection DynamicMiner ExactIndex MemoryBank Positives StringTable "
    "TopKAccumulator anchor_scores merge mine_scores pair_scores rescore sample_uniform search select "
    "topk triplets judge sweep",
    "parameter": "parse_ceiling parse_draw spell "
    "SparseIndex "
    "Absolute AliasTable Anchored Candidates Clusters Collection DynamicMiner ExactIndex Laplace "
    "MarginPos MemoryBank OnlineClusters PercPos Popularity Positives RankPower Selection SimANS Softmax "
    "Stratified StringTable TopKAccumulator audit draw embed ensemble formats fuse in_batch_mask merge "
    "mine_scores near_duplicate_groups pair_scores plan rescore retrieve sample_uniform search "
    "search_plan select spherical_kmeans strategies teachers sweep topk triplets judge",
    "memory": "AliasTable ExactIndex TopKAccumulator anchor_scores draw pair_scores sample_uniform search select topk",
    "kind": "parse_ceiling parse_draw spell "
    "SparseIndex SparseRows "
    "Absolute AliasTable AllOf Among Anchored Candidates Collection DynamicMiner ExactIndex Laplace "
    "MarginPos MemoryBank Negatives PercPos Popularity Positives RankPower Selection SimANS Softmax "
    "Stratified StringTable TopKAccumulator TopThen anchor_scores audit draw embed ensemble fuse in_batch_mask "
    "merge mine mine_scores near_duplicate_groups pair_scores plan rescore retrieve sample_uniform search "
    "search_plan select spherical_kmeans teachers sweep topk triplets judge",
}
"""For each row of the table, the names that it applies to. The others take nothing of the sort."""


def label(number):
    return f"{number}-{CASES[number].target}-{CASES[number].row}"


@pytest.mark.parametrize("number", range(len(CASES)), ids=label)
def test_bad_input_is_refused(number, count_cases):
    wanted = CASES[number]
    with pytest.raises(wanted.error, match=wanted.pattern) as caught:
        wanted.call()
    assert caught.type is wanted.error or not issubclass(caught.type, RuntimeError)
    assert "\n" not in str(caught.value)
    count_cases()


def test_every_public_name_has_bad_input():
    with_cases = {case.target for case in CASES}
    assert set(hm.__all__) == with_cases | set(EXEMPT)
    assert not with_cases & set(EXEMPT)


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_the_table_is_covered(row):
    assert {case.target for case in CASES if case.row == row} == set(APPLIES[row].split())


@pytest.mark.parametrize("name", sorted(set(hm.__all__) - set(EXEMPT)))
def test_every_parameter_that_counts_is_tried(name):
    """A parameter named like a count of a public function must occur in a message of its cases."""
    found = getattr(hm, name)
    if inspect.ismodule(found) or not callable(found):
        return
    counts = {"k", "n", "num_rows", "num_items", "num_queries", "num_negatives", "seed", "epoch", "n_top"}
    for parameter in counts & set(inspect.signature(found).parameters):
        assert any(c.target == name and c.pattern.startswith(f"{parameter}:") for c in CASES), parameter
