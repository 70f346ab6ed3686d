"""Bad input ends with a message that names the argument, what came and what was wanted."""

import inspect
import math
import subprocess
import sys
from typing import NamedTuple

import pytest
import torch

from hardmine import losses as L  # noqa: N812

P, S = torch.zeros(2), torch.zeros(2, 3)
Q = torch.zeros(2, 2)
TRUE = torch.ones(2, 3, dtype=torch.bool)
NAN = torch.tensor([[0.0, 0.0, 0.0], [0.0, math.nan, 0.0]])

BAD = [
    (lambda: L.info_nce([[1.0]]), TypeError, "scores: list, expected a torch.Tensor"),
    (lambda: L.info_nce(P), ValueError, "scores: shape (2,), expected [b, c]"),
    (lambda: L.info_nce(Q.long()), TypeError, "scores: dtype int64, expected one of float16"),
    (lambda: L.info_nce(NAN), ValueError, "scores: NaN at (1, 1), expected a number below infinity"),
    (lambda: L.info_nce(S + math.inf), ValueError, "scores: inf at (0, 0), expected a number below infinity"),
    (lambda: L.info_nce(S - math.inf), ValueError, "scores: -inf for the positive of row 0, expected a finite"),
    (lambda: L.info_nce(torch.zeros(0, 3)), ValueError, "scores: shape (0, 3), expected at least one row"),
    (lambda: L.info_nce(S.T), ValueError, "scores: 3 rows, 2 columns; without positive_columns"),
    (lambda: L.info_nce(S, temperature=0.0), ValueError, "temperature: 0, expected above 0"),
    (lambda: L.info_nce(S, temperature=-1), ValueError, "temperature: -1, expected above 0"),
    (lambda: L.info_nce(S, temperature=math.nan), ValueError, "temperature: nan, expected a finite number"),
    (lambda: L.InfoNCE(temperature="low"), TypeError, "temperature: str 'low', expected a number"),
    (lambda: L.info_nce(S, mask=TRUE.float()), TypeError, "mask: dtype float32, expected bool"),
    (lambda: L.info_nce(S, mask=TRUE.T), ValueError, "mask: shape (3, 2), expected [b=2, c=3]"),
    (lambda: L.info_nce(S, weights=S - 1), ValueError, "weights: -1.0 at (0, 0), expected at least 0"),
    (lambda: L.info_nce(S, hard_mask=TRUE), ValueError, "hard_mask, hard_weights: given without hard_scores"),
    (lambda: L.info_nce(S, positive_columns=torch.tensor([0, 3])), ValueError, "positive_columns: 3 at 1, expected"),
    (lambda: L.info_nce(S, positive_columns=P), TypeError, "positive_columns: dtype float32, expected integers"),
    (lambda: L.info_nce(S, reduction="max"), ValueError, "reduction: 'max', expected one of 'mean', 'sum', 'none'"),
    (lambda: L.info_nce(S, S.to("meta")), ValueError, "hard_scores: on meta, expected cpu, where scores is"),
    (lambda: L.debiased_contrastive(P, S, tau_plus=1.0), ValueError, "tau_plus: 1, expected below 1"),
    (lambda: L.hardness_contrastive(P, S, beta=-1.0), ValueError, "beta: -1, expected at least 0"),
    (lambda: L.debiased_contrastive(P - math.inf, S), ValueError, "positive_scores: -inf at 0, expected a finite"),
    (lambda: L.selective_calibration(P, S, smoothing=2.0), ValueError, "smoothing: 2, expected at most 1"),
    (lambda: L.token_scores(S, S), ValueError, "text_tokens: shape (2, 3), expected [b, n, t, h]"),
    (lambda: L.token_scores(torch.zeros(1, 1, 1, 2), torch.zeros(1, 0, 2)), ValueError, "expected at least one token"),
    (lambda: L.gist_embed(Q, Q, Q, guide_queries=Q, guide_positives=Q), ValueError, "one given without the other"),
    (lambda: L.gist_embed(Q, Q, guide_queries=S, guide_positives=Q), ValueError, "guide_positives: shape (2, 2)"),
    (lambda: L.gist_mask(Q, P, margin_strategy="x"), ValueError, "margin_strategy: 'x', expected one of"),
    (lambda: L.rank_net(S, S), ValueError, "positive_scores: shape (2, 3), expected [b]"),
    (lambda: L.adore(S, S), TypeError, "relevant: dtype float32, expected bool"),
    (lambda: L.adore(S, TRUE, metric_cut=None), TypeError, "metric_cut: NoneType None, expected an integer"),
    (lambda: L.ADORE(metric_cut=0), ValueError, "metric_cut: 0, expected at least 1"),
    (lambda: L.adore(S, TRUE, ranks=torch.zeros(2, 3).long()), ValueError, "ranks: 0 at (0, 0), expected from 1"),
    (lambda: L.bpr(P, S, "x"), TypeError, "factors[0]: str, expected a torch.Tensor"),
    (lambda: L.ccl(P, S, negative_weight=-1.0), ValueError, "negative_weight: -1, expected at least 0"),
    (lambda: L.pg_rank(S, S - 1), ValueError, "gains: -1, expected at least 0"),
    (lambda: L.pg_rank(S, S, num_samples=1), ValueError, "num_samples: 1, expected at least 2"),
    (lambda: L.ndcg(S, torch.full((1, 2, 3), 3)), ValueError, "rankings: 3 at (0, 0, 0), expected from 0 to 2"),
    (lambda: L.bidirectional_margin(S, TRUE), ValueError, "scores: shape (2, 3), expected [b, b]"),
    (lambda: L.ClusterNS(alpha=0.5, beta=0.2), ValueError, "beta: 0.2, expected at least 0.5"),
    (lambda: L.moco_dual_view(P, S, S, num_hardest=0), ValueError, "num_hardest: 0, expected at least 1"),
    (lambda: L.sar_pu_risk(S, TRUE, S + 2), ValueError, "propensity: 2, expected from 0 to 1"),
    (lambda: L.sar_pu_risk(S - math.inf, TRUE, S), ValueError, "logits: -inf at (0, 0), expected a finite number"),
    (lambda: L.SARPU(min_propensity=0.0), ValueError, "min_propensity: 0, expected above 0"),
    (lambda: L.sar_pu_weights(S - 1, S), ValueError, "relevance: -1, expected from 0 to 1"),
    (lambda: L.coupled_estimation(S - math.inf, S, TRUE), ValueError, "labelled: a labelled document scores -inf"),
    (lambda: L.CET(clip=0.5), ValueError, "clip: 0.5, expected at least 1"),
    (lambda: L.triplet_margin(Q, torch.tensor([[0, 1]])), ValueError, "triplets: shape (1, 2), expected [n, 3]"),
    (lambda: L.triplet_margin(Q, torch.tensor([[0, 1, 2]])), ValueError, "triplets: 2 at (0, 2), expected from 0 to 1"),
    (lambda: L.listwise_kl(S - math.inf, S), ValueError, "scores: -inf at (0, 0), expected a finite number"),
    (lambda: L.norm_ratio_mask(Q, Q, threshold=0.0), ValueError, "threshold: 0, expected above 0"),
    (lambda: L.mean_pair_cosine(torch.zeros(1, 2)), ValueError, "embeddings: shape (1, 2), expected at least two rows"),
    (lambda: L.similarity(Q, Q, kind="l2"), ValueError, "kind: 'l2', expected one of 'cosine', 'dot'"),
    (lambda: L.similarity(Q, S), ValueError, "documents: shape (2, 3), expected [c, h=2]"),
    (lambda: L.margin_mse("x", P, P, P), TypeError, "positive_scores: str, expected a torch.Tensor"),
    (lambda: L.hardness_weights("x"), TypeError, "scores: str, expected a torch.Tensor"),
    (lambda: L.sample_rankings(S, "x"), TypeError, "num_samples: str 'x', expected an integer"),
    (lambda: L.triplet_soft_margin("x", P), TypeError, "distances: str, expected a torch.Tensor"),
    (lambda: L.lambda_weights("x"), TypeError, "num_ranks: str 'x', expected an integer"),
    (lambda: L.collapse("x"), TypeError, "embeddings: str, expected a torch.Tensor"),
    (lambda: L.plackett_luce_log_probability("x", P), TypeError, "scores: str, expected a torch.Tensor"),
    (lambda: L.cluster_ns("x", S, TRUE), TypeError, "scores: str, expected a torch.Tensor"),
    (lambda: L.effective_rank("x"), TypeError, "embeddings: str, expected a torch.Tensor"),
    (lambda: L.norm_ratio_loss("x", P), TypeError, "larger: str, expected a torch.Tensor"),
    (lambda: L.pairwise_distances(Q, squared=1), TypeError, "squared: int 1, expected True or False"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "message"), BAD, ids=[message[:50] for _, _, message in BAD])
def test_bad_input(call, kind, message):
    with pytest.raises(kind) as caught:
        call()
    assert message in str(caught.value)


class Far(NamedTuple):
    """Scores that some temperatures make infinite: of a list, and of its positives alone."""

    rows: torch.Tensor
    first: torch.Tensor

    def times(self, factor):
        return Far(self.rows * factor, self.first * factor)


FAR = Far(torch.tensor([[3e37, 0.0, -1.0], [0.0, 1.0, 2.0]]), torch.tensor([3e37, 0.0]))
COLD = [
    (lambda far: L.info_nce(far.rows, temperature=0.02), "scores"),
    (lambda far: L.info_nce(S, far.rows, temperature=0.02), "hard_scores"),
    (lambda far: L.debiased_contrastive(far.first, S, temperature=0.02), "positive_scores"),
    (lambda far: L.hardness_contrastive(P, far.rows, temperature=0.02), "negative_scores"),
    (lambda far: L.selective_calibration(far.first, S, temperature=0.02), "positive_scores"),
    (lambda far: L.selective_calibration(P, far.rows, temperature=0.02), "negative_scores"),
    (lambda far: L.listwise_kl(far.rows, S, temperature=0.02), "scores"),
    (lambda far: L.listwise_kl(S, far.rows, teacher_temperature=0.02), "teacher_scores"),
    (lambda far: L.moco_dual_view(far.first, S, S, num_hardest=1, temperature=0.02), "positive_scores"),
    (lambda far: L.moco_dual_view(P, far.rows, S, num_hardest=1, temperature=0.02), "query_bank_scores"),
    (lambda far: L.pg_rank(far.rows, S, temperature=0.02), "scores"),
]
"""Losses under a temperature that makes a finite score infinite, and the name of that score."""


@pytest.mark.parametrize(("call", "name"), COLD, ids=lambda value: value if isinstance(value, str) else "")
def test_scores_beyond_what_a_temperature_allows_are_named(call, name):
    """A NaN for them, or a complaint about an infinity that nobody gave, would send people looking elsewhere."""
    wanted = rf"^{name}: 3\.\d*e\+37 at .*, expected at most 6\.81e\+36 in size under a temperature of 0\.02$"
    with pytest.raises(ValueError, match=wanted):
        call(FAR)
    assert call(FAR.times(0.01)).isfinite()


def test_low_scores_of_positives_are_named_and_of_negatives_count_nothing():
    low = torch.finfo(torch.float32).min
    scores = torch.tensor([[0.5, low, 0.1], [0.2, 0.4, low]])
    out = scores == low
    found = L.info_nce(scores, temperature=0.02)
    torch.testing.assert_close(found, L.info_nce(scores.masked_fill(out, 0.0), mask=out, temperature=0.02))
    with pytest.raises(ValueError, match=r"scores: -3\.4\d*e\+38 at 0, expected at most"):
        L.info_nce(scores.flip(1)[:, [1, 0, 2]], temperature=0.02)
    teacher = torch.tensor([[1.0, low, 0.0], [0.0, 1.0, low]])
    found = L.listwise_kl(scores, teacher, mask=out, temperature=0.02, teacher_temperature=0.02)
    plain = L.listwise_kl(scores.masked_fill(out, 0), teacher, mask=out, temperature=0.02, teacher_temperature=0.02)
    torch.testing.assert_close(found, plain)
    with pytest.raises(ValueError, match=r"scores: -3\.4\d*e\+38 at \(0, 1\), expected at most"):
        L.listwise_kl(scores, teacher, temperature=0.02)


@pytest.mark.parametrize("name", ["temperature", "teacher_temperature"])
def test_a_temperature_without_an_inverse_is_named(name):
    with pytest.raises(ValueError, match=f"^{name}: 1e-45, expected at least 1e-37"):
        L.ListwiseKL(**{name: 1e-45})


def test_every_public_loss_has_bad_input():
    tried = {name for call, _, _ in BAD for name in call.__code__.co_names}
    functions = {name for name in L.__all__ if inspect.isfunction(getattr(L, name))}
    assert functions
    assert not functions - tried


WITHOUT_TORCH = """
import sys
import hardmine as hm
assert "torch" not in sys.modules
sys.modules["torch"] = None
try:
    hm.losses
except ModuleNotFoundError as error:
    print(error)
"""


def test_without_torch_one_line_says_what_to_install():
    run = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, timeout=60)
    assert run.stdout.strip() == "hardmine.losses needs torch: pip install 'hardmine[torch]'", run.stderr
