"""Plant known faults in the source, one at a time, and see the tests catch them: ``make mutants``.

Each mutant replaces one piece of text in one file of a copy of the tree, rebuilds if it is Rust, and runs the tests
named beside it, which must fail. A mutant that survives is a hole in the tests: the command then exits with 1.
``python tests/mutants.py NAME ...`` runs some of them, ``--only ROOM`` those of one room (the word before the first
hyphen of a name, such as topk or bad); `tests/test_mutants.py` keeps the list applicable.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


PATIENCE = 300
"""Seconds after which a fault counts as one that hangs."""


class Mutant(NamedTuple):
    """One planted fault."""

    name: str
    file: str
    old: str
    new: str
    tests: str


MUTANTS: list[Mutant] = [
    Mutant(
        "clusters-empty-left-empty",
        "python/hardmine/clusters.py",
        "    if not empty.size:\n        return",
        "    if empty.size:\n        return",
        "tests/test_clusters.py",
    ),
    Mutant(
        "clusters-mean-of-raw-vectors",
        "python/hardmine/clusters.py",
        "wide = unit(wide) if normalise else wide",
        "wide = wide",
        "tests/test_clusters.py",
    ),
    Mutant(
        "clusters-online-moves-all",
        "python/hardmine/clusters.py",
        "np.where(moved[:, None], after, self.centroids)",
        "np.where(moved[:, None] | True, after, self.centroids)",
        "tests/test_clusters.py",
    ),
    Mutant(
        "dynamic-draws-by-place-in-the-batch",
        "python/hardmine/dynamic.py",
        "            query_keys=rows,\n",
        "            query_keys=None,\n",
        "tests/test_dynamic.py",
    ),
    Mutant(
        "dynamic-index-left-after-a-refresh",
        "python/hardmine/dynamic.py",
        "        self._index = job.index\n",
        "",
        "tests/test_dynamic.py",
    ),
    Mutant(
        "dynamic-missed-positives-unordered",
        "python/hardmine/dynamic.py",
        "np.lexsort((labels.ids[missing], -scores, of_label[missing]))",
        "np.lexsort((labels.ids[missing], scores, of_label[missing]))",
        "tests/test_dynamic.py",
    ),
    Mutant(
        "dynamic-adore-reads-ranks-of-padding",
        "python/hardmine/losses/pairwise.py",
        "ranks = ranks.masked_fill(left_out, 1)",
        "ranks = ranks.masked_fill(left_out, 0)",
        "tests/test_dynamic.py",
    ),
    Mutant(
        "dynamic-failure-comes-out-twice",
        "python/hardmine/dynamic.py",
        "        self._job = None\n        if job.index is None:",
        "        self._job = None if job.index else job\n        if job.index is None:",
        "tests/test_dynamic.py",
    ),
    Mutant(
        "ensemble-teacher-of-the-query",
        "python/hardmine/ensemble.py",
        "return queries ^ (",
        "return queries ^ (0 * ",
        "tests/test_ensemble.py",
    ),
    Mutant(
        "ensemble-joint-counts-a-document-once",
        "python/hardmine/ensemble.py",
        "np.add.reduceat(shares[order], starts)",
        "np.maximum.reduceat(shares[order], starts)",
        "tests/test_ensemble.py",
    ),
    Mutant(
        "ensemble-untaken-still-kept",
        "python/hardmine/ensemble.py",
        "total[not_drawn] += total[kept] - taken",
        "total[not_drawn] += 0",
        "tests/test_ensemble.py",
    ),
    Mutant(
        "ensemble-score-of-another-teacher",
        "python/hardmine/ensemble.py",
        "np.lexsort((self.teachers, -shares, self.ids, self.rows))",
        "np.lexsort((self.teachers, shares, self.ids, self.rows))",
        "tests/test_ensemble.py",
    ),
    Mutant(
        "fuse-rank-from-zero",
        "rust/core/src/fuse.rs",
        "(constant + 1.0 + place.position as f64)",
        "(constant + 0.5 + place.position as f64)",
        "tests/test_fuse.py",
    ),
    Mutant(
        "fuse-missing-counts-as-mean",
        "rust/core/src/fuse.rs",
        ".map_or(scale.lowest, |place| ",
        ".map_or(0.0, |place| ",
        "tests/test_fuse.py",
    ),
    Mutant(
        "fuse-source-of-the-last",
        "rust/core/src/fuse.rs",
        "(place.position, place.list))",
        "(place.position, usize::MAX - place.list))",
        "tests/test_fuse.py",
    ),
    Mutant(
        "triplets-hard-is-strict",
        "rust/core/src/batch/triplets.rs",
        "Kind::Hard => (f64::NEG_INFINITY, distance, false)",
        "Kind::Hard => (f64::NEG_INFINITY, distance, true)",
        "tests/test_triplets.py",
    ),
    Mutant(
        "triplets-unlabelled-are-negatives",
        "rust/core/src/batch/triplets.rs",
        "*value = if *label == NONE { f64::NAN } else { *value };",
        "*value = if *label == NONE { *value } else { *value };",
        "tests/test_triplets.py",
    ),
    Mutant(
        "triplets-batch-hard-last-of-equals",
        "rust/core/src/batch/triplets.rs",
        "negatives.iter().position(|distance| *distance == nearest)?",
        "negatives.iter().rposition(|distance| *distance == nearest)?",
        "tests/test_triplets.py",
    ),
    Mutant(
        "bank-own-key-kept",
        "python/hardmine/bank.py",
        "counts = np.where(keys == _NONE, 0, end - start)",
        "counts = np.where(keys == _NONE, 0, 0 * (end - start))",
        "tests/test_bank.py",
    ),
    Mutant(
        "bank-overwrites-the-newest",
        "python/hardmine/bank.py",
        "slots = np.arange(end - kept, end) % size",
        "slots = np.minimum(np.arange(end - kept, end), size - 1)",
        "tests/test_bank.py",
    ),
    Mutant(
        "in-batch-equality-dropped",
        "rust/core/src/batch/mask.rs",
        "*out = !(lane <= ceiling);",
        "*out = !(lane < ceiling);",
        "tests/test_in_batch.py",
    ),
    Mutant(
        "in-batch-positive-left-in",
        "rust/core/src/batch/mask.rs",
        "out[positive] = !rules.keep_positive;",
        "out[positive] |= !rules.keep_positive;",
        "tests/test_in_batch.py",
    ),
    Mutant(
        "in-batch-nan-unseen",
        "rust/core/src/batch/mask.rs",
        "all_numbers &= lane <= T::TOP;",
        "all_numbers &= lane <= T::TOP || true;",
        "tests/test_in_batch.py",
    ),
    Mutant(
        "in-batch-no-label-is-a-label",
        "rust/core/src/batch/labels.rs",
        "pairs.filter(|(label, _)| *label != NONE).collect()",
        "pairs.collect()",
        "tests/test_in_batch.py",
    ),
    Mutant(
        "in-batch-label-of-the-row",
        "rust/core/src/batch/mask.rs",
        "shared.columns(labels[positive])",
        "shared.columns(labels[row % labels.len()])",
        "tests/test_in_batch.py",
    ),
    Mutant(
        "in-batch-device-rounds-late",
        "python/hardmine/_device_mask.py",
        "bounds[:, None].to(wide.dtype)",
        "bounds[:, None].to(wide.dtype) + 0.125",
        "tests/test_in_batch.py",
    ),
    Mutant(
        "losses-positive-masked",
        "python/hardmine/losses/infonce.py",
        "total = log_sum(negatives.scatter(1, columns[:, None], -torch.inf))",
        "total = log_sum(negatives)",
        "tests/test_losses.py",
    ),
    Mutant(
        "losses-weights-unlogged",
        "python/hardmine/losses/_log_domain.py",
        "logits = logits + weights.log()",
        "logits = logits * weights",
        "tests/test_losses.py",
    ),
    Mutant(
        "losses-empty-sum-has-a-gradient",
        "python/hardmine/losses/_log_domain.py",
        "    gap = negatives.masked_fill(empty, 0.0) - positives\n",
        "    gap = negatives - positives * 1.0000001\n",
        "tests/test_losses.py",
    ),
    Mutant(
        "losses-adore-ranks-from-zero",
        "python/hardmine/losses/pairwise.py",
        "places = torch.arange(1, num_ranks + 1, device=device)",
        "places = torch.arange(2, num_ranks + 2, device=device)",
        "tests/test_losses.py",
    ),
    Mutant(
        "losses-policy-without-leave-one-out",
        "python/hardmine/losses/policy_gradient.py",
        "baselines = (rewards.sum(0) - rewards) / (num_samples - 1)",
        "baselines = rewards.mean(0)",
        "tests/test_losses_ranking.py",
    ),
    Mutant(
        "losses-ranking-ignores-the-rest",
        "python/hardmine/losses/policy_gradient.py",
        "rest = ordered.flip(2).logcumsumexp(2).flip(2)",
        "rest = ordered.logcumsumexp(2)",
        "tests/test_losses_ranking.py",
    ),
    Mutant(
        "losses-debiased-without-its-bound",
        "python/hardmine/losses/debiased.py",
        "total = torch.where(total > bound, total, bound)",
        "total = torch.where(total > bound - 99.0, total, bound)",
        "tests/test_losses.py",
    ),
    Mutant(
        "losses-coupled-weights-with-gradient",
        "python/hardmine/losses/pu.py",
        "weights = (anchor - other).detach().clamp(",
        "weights = (anchor - other).clamp(",
        "tests/test_losses.py",
    ),
    Mutant(
        "losses-propensity-on-the-unlabelled",
        "python/hardmine/losses/pu.py",
        "(z / e.clamp_min(floor)).masked_fill(~positives, 0.0)",
        "(z / e.clamp_min(floor)).masked_fill(positives, 0.0)",
        "tests/test_losses.py",
    ),
    Mutant(
        "losses-focal-factor-of-the-positive",
        "python/hardmine/losses/focal.py",
        "doubt = -torch.expm1(log_probability)",
        "doubt = -torch.expm1(log_probability[:, :1])",
        "tests/test_losses.py",
    ),
    Mutant(
        "losses-autocast-in-charge",
        "python/hardmine/losses/similarity.py",
        "with torch.autocast(queries.device.type, enabled=False):",
        "if True:",
        "tests/test_losses.py",
    ),
    Mutant(
        "losses-narrow-arithmetic",
        "python/hardmine/losses/_inputs.py",
        "return tensor if tensor.dtype is torch.float64 else tensor.float()",
        "return tensor",
        "tests/test_losses.py",
    ),
    Mutant(
        "losses-sizes-disagree",
        "python/hardmine/losses/_inputs.py",
        "found = dict(zip(letters, value.shape, strict=False)) | self.sizes",
        "found = self.sizes | dict(zip(letters, value.shape, strict=False))",
        "tests/test_losses_errors.py",
    ),
    Mutant(
        "topk-one-too-few",
        "rust/core/src/topk/best.rs",
        "by_id { E::ID_BITS } else { 0 }, scratch)?;\n    entries.truncate(k);",
        "by_id { E::ID_BITS } else { 0 }, scratch)?;\n    entries.truncate(k.saturating_sub(1));",
        "tests/test_topk.py",
    ),
    Mutant(
        "topk-exclusion-skipped",
        "rust/core/src/topk/selector.rs",
        "&& excluded.binary_search(&id).is_ok();",
        "&& excluded.first() == Some(&id);",
        "tests/test_topk.py",
    ),
    Mutant(
        "topk-estimate-forgets-exclusions",
        "rust/core/src/topk/selector.rs",
        "let wanted = self.k + spoiled;",
        "let wanted = self.k + spoiled.min(0);",
        "tests/test_topk.py",
    ),
    Mutant(
        "topk-ceiling-of-another-type",
        "rust/core/src/topk/kernels/lanes.rs",
        "if nearest.to_f64() > f64::from(bound) {",
        "if nearest.to_f64() > f64::from(bound) + 1e9 {",
        "tests/test_topk.py",
    ),
    Mutant(
        "topk-entry-ties-reversed",
        "rust/core/src/topk/entry.rs",
        "<$entry>::from(id as $half)",
        "<$entry>::from(!id as $half)",
        "tests/test_topk.py",
    ),
    Mutant(
        "topk-digit-skipped",
        "rust/core/src/sort.rs",
        "shift += width;",
        "shift += width + 1;",
        "tests/test_topk.py",
    ),
    Mutant(
        "topk-digit-unstable",
        "rust/core/src/topk/best.rs",
        "if by_id { E::ID_BITS } else { 0 }, scratch)?;",
        "if by_id || true { E::ID_BITS } else { 0 }, scratch)?;",
        "tests/test_topk.py",
    ),
    Mutant(
        "topk-bound-one-short",
        "rust/core/src/topk/threshold.rs",
        "if reaching >= wanted {",
        "if reaching + 1 >= wanted {",
        "tests/test_topk.py",
    ),
    Mutant(
        "topk-part-starts-at-zero",
        "rust/core/src/topk/parts.rs",
        "let first_id = self.first_document + columns.start as i64;",
        "let first_id = self.first_document + 0 * columns.start as i64;",
        "tests/test_topk.py",
    ),
    Mutant(
        "topk-rising-ties-reversed",
        "rust/core/src/topk/ordered.rs",
        "        ties(exec, values, ids)?;",
        "        ties(exec, &values[..0], ids)?;",
        "tests/test_topk.py",
    ),
    Mutant(
        "topk-nan-at-an-end",
        "rust/core/src/topk/kernels/plain.rs",
        "if first.is_nan() || last.is_nan() {",
        "if first.is_nan() && last.is_nan() {",
        "tests/test_topk.py",
    ),
    Mutant(
        "topk-sample-trusted",
        "rust/core/src/topk/direct.rs",
        "if self.entries.len() < k {",
        "if self.entries.len() < k / 2 {",
        "tests/test_topk.py",
    ),
    Mutant(
        "topk-negative-nan-wins-nothing",
        "rust/core/src/topk/kernels/plain.rs",
        "if T::of_folded(best).is_nan() || T::of_folded(lowest).is_nan() {",
        "if T::of_folded(best).is_nan() {",
        "tests/test_topk.py",
    ),
    Mutant(
        "topk-gap-not-closed",
        "rust/core/src/topk/output.rs",
        "move_down(exec, &mut scores, row * k, end, length)?;",
        "move_down(exec, &mut scores, row * k, row * k, length)?;",
        "tests/test_topk.py",
    ),
    Mutant(
        "order-two-zeros",
        "rust/core/src/order.rs",
        "let bits = if bits == TOP { 0 } else { bits };",
        "let bits = if bits == TOP { bits } else { bits };",
        "tests/test_topk.py",
    ),
    Mutant(
        "select-margin-ignored",
        "rust/core/src/ceiling.rs",
        "Ceiling::MarginPos(m) => p - m,",
        "Ceiling::MarginPos(m) => p - m * 0.0,",
        "tests/test_select.py",
    ),
    Mutant(
        "select-negative-positive-raises-the-ceiling",
        "rust/core/src/ceiling.rs",
        "Ceiling::PercPos(f) => p - p.abs() * (1.0 - f),",
        "Ceiling::PercPos(f) => p * f,",
        "tests/test_select.py",
    ),
    Mutant(
        "select-equality-drops",
        "rust/core/src/select/row.rs",
        "leading(list.scores, |score| score > ceiling)",
        "leading(list.scores, |score| score >= ceiling)",
        "tests/test_select.py",
    ),
    Mutant(
        "select-window-one-late",
        "rust/core/src/select/row.rs",
        "let low = if window.min == 0 { 0 } else { position(window.min) };",
        "let low = if window.min == 0 { 0 } else { position(window.min + 1) };",
        "tests/test_select.py",
    ),
    Mutant(
        "select-anchor-sign",
        "rust/core/src/select/row.rs",
        "exact + weight * anchor <=",
        "exact - weight * anchor <=",
        "tests/test_select.py",
    ),
    Mutant(
        "select-reasons-forget-the-tail",
        "rust/core/src/select/row.rs",
        "counts[OUTSIDE_WINDOW] = self.free(0, low) + self.free(high, list.ids.len());\n        counts[ABOVE_CEILING]",
        "counts[OUTSIDE_WINDOW] = self.free(0, low);\n        counts[ABOVE_CEILING]",
        "tests/test_select.py",
    ),
    Mutant(
        "select-highest-positive",
        "rust/core/src/ceiling.rs",
        "|a, &b| if b < a { b } else { a }",
        "|a, &b| if b > a { b } else { a }",
        "tests/test_select.py",
    ),
    Mutant(
        "select-window-ignores-removed",
        "rust/core/src/select/row.rs",
        "ranks[index] as usize - 1 - hits::before(&self.hits, index) >= wanted",
        "ranks[index] as usize - 1 >= wanted",
        "tests/test_select.py",
    ),
    Mutant(
        "select-filtered-window-uncounted",
        "rust/core/src/select/row.rs",
        "counts[OUTSIDE_WINDOW] += seen - self.len(span);",
        "counts[OUTSIDE_WINDOW] += 0 * seen;",
        "tests/test_select.py",
    ),
    Mutant(
        "select-query-keys-ignored",
        "rust/core/src/select/row.rs",
        "self.queries.keys.map_or(query as u64, |keys| keys[query])",
        "query as u64",
        "tests/test_select.py",
    ),
    Mutant(
        "select-last-id-unread",
        "rust/core/src/select/hits.rs",
        "u8::MAX >> (8 - rest.len())",
        "u8::MAX >> (9 - rest.len()).min(7)",
        "tests/test_select.py",
    ),
    Mutant(
        "select-fill-meets-forbidden",
        "rust/core/src/select/fill.rs",
        "forbidden <= *id + skipped as i64",
        "forbidden < *id + skipped as i64",
        "tests/test_select.py",
    ),
    Mutant(
        "select-drawn-off-by-a-hit",
        "rust/core/src/select/weighed.rs",
        "hit.at <= low + index + skipped",
        "hit.at < low + index + skipped",
        "tests/test_select.py",
    ),
    Mutant(
        "select-document-keys-ignored",
        "rust/core/src/select/weighed.rs",
        "ids.iter().map(|&id| document_keys[id as usize])",
        "ids.iter().map(|&id| document_keys[id as usize] & 0 | id as u64)",
        "tests/test_select.py",
    ),
    Mutant(
        "select-dropped-row-stays",
        "rust/core/src/select/columns.rs",
        "        self.items = self.row_start;",
        "        self.row_start = self.items;",
        "tests/test_select.py",
    ),
    Mutant(
        "select-twins-before-positives",
        "rust/core/src/exclusions.rs",
        "(id, kind as u8)",
        "(id, 2 - kind as u8)",
        "tests/test_select.py",
    ),
    Mutant(
        "select-centring-forgotten",
        "rust/core/src/anchor.rs",
        "value.to_f64() - mean",
        "value.to_f64() - 0.0 * mean",
        "tests/test_anchor.py",
    ),
    Mutant(
        "select-scan-too-shallow",
        "python/hardmine/mine_scores.py",
        "return min(selection.range_min + selection.num_negatives, num_documents)",
        "return selection.num_negatives",
        "tests/test_mine_scores.py",
    ),
    Mutant(
        "select-pairs-share-a-ceiling",
        "python/hardmine/mine_scores.py",
        "offsets = np.arange(positives.ids.size + 1, dtype=np.int64)",
        "offsets = np.repeat(positives.offsets, np.r_[np.diff(offsets), 1])",
        "tests/test_mine_scores.py",
    ),
    Mutant(
        "select-scan-reasons-by-row",
        "python/hardmine/select.py",
        "list_of_row = None if lists_by_pair else query_of_pair",
        "list_of_row = None",
        "tests/test_select.py",
    ),
    Mutant(
        "draw-sim-ans-sign-of-b",
        "rust/core/src/draw/distributions.rs",
        "let distance = f64::from(score) - positive - b;",
        "let distance = f64::from(score) - positive + b;",
        "tests/test_select.py",
    ),
    Mutant(
        "mine-positives-retrieved",
        "python/hardmine/retrieve.py",
        "if not exclude_positives:",
        "if exclude_positives:",
        "tests/test_mine.py",
    ),
    Mutant(
        "collection-case-matters",
        "python/hardmine/collection.py",
        ".casefold()",
        ".strip()",
        "tests/test_collection.py",
    ),
    Mutant(
        "container-of-another-kind",
        "python/hardmine/_container.py",
        "if found != kind:",
        "if found is None:",
        "tests/test_candidates.py",
    ),
    Mutant(
        "search-bound-halved",
        "rust/core/src/search/error_bound.rs",
        "let relative = (gamma * (1.0 + 4.0 * U)",
        "let relative = (gamma * 0.5",
        "tests/test_search.py",
    ),
    Mutant(
        "search-bound-without-underflow",
        "rust/core/src/search/error_bound.rs",
        "let slack = norm * inputs + (8.0 * self.dimension + 32.0) * TINY;",
        "let slack = 0.0 * inputs;",
        "tests/test_search.py",
    ),
    Mutant(
        "search-overflow-believed",
        "rust/core/src/search/error_bound.rs",
        "!(self.norm(query_norm) * f64::from(largest) < f64::from(f32::MAX) / 4.0)",
        "self.norm(query_norm) * f64::from(largest) < -1.0",
        "tests/test_search.py",
    ),
    Mutant(
        "search-ties-with-threshold-dropped",
        "rust/core/src/search/filter.rs",
        "let mut listed = _mm512_mask_cmp_ps_mask::<_CMP_NLT_UQ>(lanes, high, theta);",
        "let mut listed = _mm512_mask_cmp_ps_mask::<_CMP_GT_OQ>(lanes, _mm512_sub_ps(high, e), theta);",
        "tests/test_search.py",
    ),
    Mutant(
        "search-seed-one-too-high",
        "rust/core/src/search/filter.rs",
        "keys.select_nth_unstable(groups - k)",
        "keys.select_nth_unstable((groups - k + 1).min(groups - 1))",
        "tests/test_search.py",
    ),
    Mutant(
        "search-theta-one-too-high",
        "rust/core/src/search/query_state.rs",
        "let place = keys.len() - wanted.k;",
        "let place = (keys.len() - wanted.k + 1).min(keys.len() - 1);",
        "tests/test_search.py",
    ),
    Mutant(
        "search-ties-to-the-higher-id",
        "rust/core/src/search/query_state.rs",
        "(u64::from(!self.low.key()) << 32) | u64::from(self.id)",
        "(u64::from(!self.low.key()) << 32) | u64::from(!self.id)",
        "tests/test_search.py",
    ),
    Mutant(
        "search-floor-tally-inclusive",
        "rust/core/src/search/query_state.rs",
        "tally.below_floor += i64::from(score < wanted.floor",
        "tally.below_floor += i64::from(score <= wanted.floor",
        "tests/test_search.py",
    ),
    Mutant(
        "search-doubtful-side-forgotten",
        "rust/core/src/search/query_state.rs",
        "} else if !(interval.high < self.theta) || wanted.unsure(&interval) {",
        "} else if !(interval.high < self.theta) {",
        "tests/test_search.py",
    ),
    Mutant(
        "search-exclusion-skipped",
        "rust/core/src/search/scan.rs",
        "start = stop + 1;",
        "start = stop;",
        "tests/test_search.py",
    ),
    Mutant(
        "search-cosine-of-zero",
        "rust/core/src/search/exact.rs",
        "Similarity::Cosine => 0.0,",
        "Similarity::Cosine => 1.0,",
        "tests/test_search.py",
    ),
    Mutant(
        "search-cosine-rounded-twice",
        "rust/core/src/search/exact.rs",
        "(dot / (query_norm * document_norm)) as f32",
        "(dot as f32) / ((query_norm * document_norm) as f32)",
        "tests/test_search.py",
    ),
    Mutant(
        "search-tail-in-other-lanes",
        "rust/core/src/search/exact.rs",
        "a_tail.iter().zip(b_tail).enumerate()",
        "a_tail.iter().zip(b_tail).rev().enumerate()",
        "tests/test_search.py",
    ),
    Mutant(
        "search-infinity-accepted",
        "rust/core/src/search/exact.rs",
        "if !out.is_finite() {",
        "if out.is_nan() {",
        "tests/test_search.py",
    ),
    Mutant(
        "search-panel-limits-misplaced",
        "python/hardmine/_tiles.py",
        "offsets[start : stop + 1] - first",
        "offsets[start : stop + 1] * 0",
        "tests/test_search.py",
    ),
    Mutant(
        "search-memory-ignored",
        "python/hardmine/_tiles.py",
        "while tile_bytes() > free // 2 and",
        "while tile_bytes() > free * 50 and",
        "tests/test_search.py",
    ),
    Mutant(
        "search-device-drops-ties",
        "python/hardmine/_device.py",
        "listed = ~(high < theta) | unsure",
        "listed = (low > theta) | unsure",
        "tests/test_search.py",
    ),
    Mutant(
        "draw-tie-to-the-higher",
        "rust/core/src/draw/largest.rs",
        "(!key.key(), position)",
        "(!key.key(), !position)",
        "tests/test_draw.py::test_columns_of_one_key_tie_and_the_lower_wins",
    ),
    Mutant(
        "philox-nine-rounds",
        "rust/core/src/draw/philox.rs",
        "ROUNDS: usize = 10",
        "ROUNDS: usize = 9",
        "tests/test_draw.py::test_noise_equals_the_twin_to_the_bit",
    ),
    Mutant(
        "biased-last-bin",
        "rust/core/src/draw/words.rs",
        "(product as u32 >= self.refused)",
        "(product as u32 >= self.refused.min(0))",
        "tests/test_draw.py::test_no_item_is_favoured",
    ),
    Mutant(
        "prefilter-without-its-bound",
        "rust/core/src/draw/rough.rs",
        "NOISE_BOUND: f32 = 1.0 / 512.0",
        "NOISE_BOUND: f32 = 0.0",
        "tests/test_draw.py::test_close_calls_are_decided_in_full",
    ),
    Mutant(
        "first-exclusion-skipped",
        "rust/core/src/draw/uniform.rs",
        "excluded.iter().filter(",
        "excluded.iter().skip(1).filter(",
        "tests/test_draw.py::test_uniform_draws_are_distinct_and_never_excluded",
    ),
    Mutant(
        "minus-infinity-eligible",
        "rust/core/src/draw/picker.rs",
        "**weight > f64::NEG_INFINITY",
        "**weight >= f64::NEG_INFINITY",
        "tests/test_draw.py::test_minus_infinity_is_never_drawn",
    ),
    Mutant(
        "half-of-the-epoch",
        "rust/core/src/draw/noise.rs",
        "[epoch as u32, (epoch >> 32) as u32,",
        "[epoch as u32, 0,",
        "tests/test_draw.py::test_noise_equals_the_twin_to_the_bit",
    ),
    Mutant(
        "alias-swapped",
        "rust/core/src/draw/alias.rs",
        "if coin < cell.threshold",
        "if coin >= cell.threshold",
        "tests/test_draw.py::test_alias_draws_follow_the_weights",
    ),
    Mutant(
        "shuffle-one-short",
        "rust/core/src/draw/uniform.rs",
        "below((total - drawn) as u64)",
        "below((total - drawn).max(2) as u64 - 1)",
        "tests/test_draw.py::test_ordered_pairs_are_uniform",
    ),
    Mutant(
        "one-noise-for-all-arrivals",
        "rust/core/src/draw/noise.rs",
        "self.domain, arrival), ..*self",
        "self.domain, 0), ..*self",
        "tests/test_draw.py::test_draws_with_replacement_are_independent",
    ),
    Mutant(
        "draw-common-rounds-with-another-key",
        "rust/core/src/draw/philox.rs",
        "c2_third: (second & LOW) ^ keys[2][1],",
        "c2_third: (second & LOW) ^ keys[2][0],",
        "tests/test_draw.py::test_draws_equal_the_twin",
    ),
    Mutant(
        "draw-last-round-with-another-key",
        "rust/core/src/draw/philox.rs",
        ">> 32) ^ c3 ^ keys[ROUNDS - 2][1];",
        ">> 32) ^ c3 ^ keys[ROUNDS - 3][1];",
        "tests/test_draw.py::test_draws_equal_the_twin",
    ),
    Mutant(
        "draw-wide-keys-cut",
        "rust/core/src/draw/philox.rs",
        "low.iter().fold(0, |all, low| all | low) > LOW",
        "low.iter().fold(0, |all, low| all | low) >= u64::MAX",
        "tests/test_draw.py::test_wide_keys_equal_the_twin",
    ),
    Mutant(
        "draw-cut-above-the-threshold",
        "rust/core/src/draw/prefilter.rs",
        "let below = ordered(cut) - 1;",
        "let below = ordered(threshold) + 0 * ordered(cut);",
        "tests/test_draw.py::test_draws_equal_the_twin",
    ),
    Mutant(
        "draw-settled-too-soon",
        "rust/core/src/draw/prefilter.rs",
        "if !(last - next > bound) {",
        "if !(last - next > 0.0 * bound) {",
        "tests/test_draw.py::test_close_calls_are_decided_in_full",
    ),
    Mutant(
        "draw-threshold-of-one-fewer",
        "rust/core/src/draw/prefilter.rs",
        "at_rank::<L, V>(&merged, above, n - 1)",
        "at_rank::<L, V>(&merged, above, n.max(2) - 2)",
        "tests/test_draw.py::test_draws_equal_the_twin",
    ),
    Mutant(
        "draw-marked-items-accepted",
        "rust/core/src/draw/uniform.rs",
        "else { marks.mark(item) });",
        "else { marks.mark(item) | true });",
        "tests/test_draw.py::test_uniform_draws_equal_the_twin",
    ),
    Mutant(
        "noise-from-the-wrong-word",
        "rust/core/src/draw/noise.rs",
        "let [k0, k1, _, _] = philox::block",
        "let [_, k0, k1, _] = philox::block",
        "tests/test_draw.py::test_noise_equals_the_twin_to_the_bit",
    ),
    Mutant(
        "data-epoch-ignored",
        "python/hardmine/data/dataset.py",
        "        epoch = self.epoch\n",
        "        epoch = 0\n",
        "tests/test_data.py",
    ),
    Mutant(
        "data-key-is-the-place-in-the-batch",
        "python/hardmine/data/dataset.py",
        "return (queries if keys is None else keys[queries])",
        "return (np.arange(queries.size) if keys is None else keys[queries])",
        "tests/test_data.py",
    ),
    Mutant(
        "data-negatives-of-the-neighbour",
        "python/hardmine/data/batch.py",
        "start, end = int(self.offsets[i]), int(self.offsets[i + 1])",
        "start, end = int(self.offsets[i - 1]), int(self.offsets[i])",
        "tests/test_data.py",
    ),
    Mutant(
        "data-mask-inverted",
        "python/hardmine/data/collator.py",
        '"negative_mask": torch.from_numpy(mask)',
        '"negative_mask": torch.from_numpy(~mask)',
        "tests/test_data.py",
    ),
    Mutant(
        "data-exclusions-forgotten",
        "python/hardmine/data/collator.py",
        "    banned[rows[there], document[there]] = True\n",
        "",
        "tests/test_data.py",
    ),
    Mutant(
        "faults-pool-survives-fork",
        "rust/core/src/pool.rs",
        "if current.process == process && current.workers >= workers {",
        "if current.workers >= workers {",
        "tests/test_faults.py -k forked",
    ),
    Mutant(
        "faults-panic-of-another-type",
        "rust/python/src/door.rs",
        "Err(PyRuntimeError::new_err(format!(",
        "Err(PyValueError::new_err(format!(",
        "tests/test_faults.py -k panic",
    ),
    Mutant(
        "bad-offsets-may-fall",
        "rust/core/src/csr.rs",
        "position(|pair| pair[0] > pair[1])",
        "position(|pair| pair[0] > pair[1] + 1_000)",
        "tests/test_bad_input.py -k ids",
    ),
    Mutant(
        "bad-candidate-twice",
        "rust/core/src/distinct.rs",
        "if table[at] == id {",
        "if table[at] == id && ids.is_empty() {",
        "tests/test_bad_input.py -k ids",
    ),
    Mutant(
        "bad-giant-result-not-refused",
        "rust/core/src/error.rs",
        "    Vec::<T>::new().try_reserve_exact(len)",
        "    Vec::<T>::new().try_reserve_exact(len.min(1))",
        "tests/test_bad_input.py -k memory",
    ),
    # Selection and search in steps, and with checked room.
    Mutant(
        "topk-steps-not-compared-with-each-other",
        "rust/core/src/sort.rs",
        "items.len().min(start + STEP + 1)",
        "items.len().min(start + STEP)",
        "tests/test_topk.py",
    ),
    Mutant(
        "topk-wrong-digit-selected",
        "rust/core/src/sort.rs",
        "while before + counts[wanted] <= nth - start {",
        "while before + counts[wanted] < nth - start {",
        "tests/test_topk.py",
    ),
    Mutant(
        "topk-split-loses-the-order-of-digits",
        "rust/core/src/sort.rs",
        "items.swap(at, high);",
        "items.swap(low, high);",
        "tests/test_topk.py",
    ),
    Mutant(
        "topk-deaf-while-it-sorts",
        "rust/core/src/steps.rs",
        "        work(part);\n        if part.len() == STEP {",
        "        work(part);\n        if part.len() > STEP {",
        "tests/test_scan_faults.py -k deaf",
    ),
    Mutant(
        "topk-room-not-checked",
        "rust/core/src/topk/selector.rs",
        "try_reserve(&mut row.entries, BLOCK)?;",
        "row.entries.reserve(BLOCK);",
        "tests/test_scan_faults.py -k memory",
    ),
    Mutant(
        "search-room-not-checked",
        "rust/core/src/search/query_state.rs",
        "try_reserve_exact(&mut self.intervals, wanted.capacity)?;",
        "self.intervals.reserve_exact(wanted.capacity);",
        "tests/test_scan_faults.py -k memory",
    ),
    Mutant(
        "search-pairs-checked-once",
        "rust/core/src/search/exact.rs",
        'let q = row_of("query_ids", first + index, q, queries.rows())?;',
        "let q = q as usize;",
        "tests/test_scan_faults.py -k pair_scores",
    ),
    Mutant(
        "search-run-after-an-excluded-document-lost",
        "rust/core/src/search/scan.rs",
        "if stop > start {",
        "if stop > start + 1 {",
        "tests/test_search.py",
    ),
]


def room(mutant: Mutant) -> str:
    """What a fault belongs to."""
    return mutant.name.partition("-")[0]


def build(tree: Path) -> None:
    """Build the extension of the copy in place."""
    command = ["maturin", "develop", "--skip-install", "--profile", "dev", "-q"]
    environment = {**os.environ, "VIRTUAL_ENV": sys.prefix, "CARGO_TARGET_DIR": str(tree / "target")}
    maturin = Path(sys.executable).with_name("maturin")
    subprocess.run([str(maturin), *command[1:]], cwd=tree, env=environment, check=True, stderr=subprocess.DEVNULL)


def fails(tree: Path, tests: str) -> bool:
    """Whether the tests fail on the copy."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests.split()]
    environment = {**os.environ, "PYTHONPATH": str(tree / "python")}
    try:
        run = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return True  # the fault never ends
    if run.returncode < 0 or run.returncode == 134:
        return True  # the fault brought the process down
    if run.returncode not in (0, 1):
        raise SystemExit(run.stdout[-3000:] + run.stderr[-3000:])
    return run.returncode == 1


def main(names: list[str]) -> int:
    """Entry point."""
    rooms = []
    while "--only" in names:
        at = names.index("--only")
        rooms += names[at + 1 : at + 2]
        names = names[:at] + names[at + 2 :]
    everything = not names and not rooms
    chosen = [m for m in MUTANTS if everything or m.name in names or room(m) in rooms]
    if not chosen:
        raise SystemExit(f"no planted fault is called so; rooms: {', '.join(sorted(set(map(room, MUTANTS))))}")
    chosen.sort(key=lambda mutant: (mutant.file.endswith(".py"), room(mutant)))  # Python ones need no build
    caught_of: dict[str, list[bool]] = {}
    survivors, stale = [], False
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns("target", ".venv", ".git", "*.so", "__pycache__"))
        build(tree)
        for tests in sorted({mutant.tests for mutant in chosen}):
            if fails(tree, tests):
                raise SystemExit(f"{tests} fails without any fault planted")
        for mutant in chosen:
            started = time.monotonic()
            path = tree / mutant.file
            original = path.read_text()
            path.write_text(original.replace(mutant.old, mutant.new))
            rust = path.suffix == ".rs"
            try:
                if rust or stale:
                    build(tree)
                caught = fails(tree, mutant.tests)
            finally:
                path.write_text(original)
            stale = rust  # the extension still holds the fault
            verdict = "caught  " if caught else "SURVIVED"
            print(f"{verdict} {mutant.name} ({time.monotonic() - started:.0f} s)", flush=True)
            caught_of.setdefault(room(mutant), []).append(caught)
            if not caught:
                survivors.append(mutant.name)
            elif rust and mutant is not chosen[-1]:
                os.utime(path)
    for name, results in sorted(caught_of.items()):
        print(f"{name:<12}{sum(results):>4} of {len(results):>3} caught")
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} planted faults caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
