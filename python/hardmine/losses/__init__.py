"""Training objectives for mined lists, in PyTorch: each a function, and a module that holds its settings.

Scores and embeddings come as float16, bfloat16, float32 or float64; everything is computed in float32 at least, under
autocast too. A mask is bool, and True leaves an entry out, as `hardmine.in_batch_mask` returns it. NaN is refused by
name, a score of -inf is a term of 0. The checks read one flag back from the device per tensor; a compiled graph leaves
them out.
"""

from __future__ import annotations

from hardmine.plumbing import extras

extras.need("torch", what="hardmine.losses", extra="torch")

from hardmine.losses.cluster import ClusterNS, bidirectional_margin, cluster_ns  # noqa: E402
from hardmine.losses.debiased import (  # noqa: E402
    DebiasedContrastive,
    HardnessWeightedContrastive,
    debiased_contrastive,
    hardness_contrastive,
)
from hardmine.losses.distillation import ListwiseKL, MarginMSE, listwise_kl, margin_mse  # noqa: E402
from hardmine.losses.focal import SelectiveCalibration, selective_calibration, token_scores  # noqa: E402
from hardmine.losses.gist import GISTEmbed, gist_embed, gist_mask  # noqa: E402
from hardmine.losses.infonce import InfoNCE, hardness_weights, info_nce  # noqa: E402
from hardmine.losses.moco import MoCoDualView, moco_dual_view  # noqa: E402
from hardmine.losses.monitor import Collapse, collapse, effective_rank, mean_pair_cosine  # noqa: E402
from hardmine.losses.norm_ratio import NormRatio, norm_ratio_loss, norm_ratio_mask  # noqa: E402
from hardmine.losses.pairwise import ADORE, BPR, RankNet, adore, bpr, lambda_weights, rank_net  # noqa: E402
from hardmine.losses.policy_gradient import (  # noqa: E402
    PGRank,
    ndcg,
    pg_rank,
    plackett_luce_log_probability,
    sample_rankings,
)
from hardmine.losses.pu import (  # noqa: E402
    CET,
    SARPU,
    CoupledLosses,
    coupled_estimation,
    sar_pu_risk,
    sar_pu_weights,
)
from hardmine.losses.similarity import pairwise_distances, similarity  # noqa: E402
from hardmine.losses.simplex import CCL, ccl  # noqa: E402
from hardmine.losses.triplet import (  # noqa: E402
    TripletMargin,
    TripletSoftMargin,
    triplet_margin,
    triplet_soft_margin,
)

__all__ = [
    "ADORE",
    "BPR",
    "CCL",
    "CET",
    "SARPU",
    "ClusterNS",
    "Collapse",
    "CoupledLosses",
    "DebiasedContrastive",
    "GISTEmbed",
    "HardnessWeightedContrastive",
    "InfoNCE",
    "ListwiseKL",
    "MarginMSE",
    "MoCoDualView",
    "NormRatio",
    "PGRank",
    "RankNet",
    "SelectiveCalibration",
    "TripletMargin",
    "TripletSoftMargin",
    "adore",
    "bidirectional_margin",
    "bpr",
    "ccl",
    "cluster_ns",
    "collapse",
    "coupled_estimation",
    "debiased_contrastive",
    "effective_rank",
    "gist_embed",
    "gist_mask",
    "hardness_contrastive",
    "hardness_weights",
    "info_nce",
    "lambda_weights",
    "listwise_kl",
    "margin_mse",
    "mean_pair_cosine",
    "moco_dual_view",
    "ndcg",
    "norm_ratio_loss",
    "norm_ratio_mask",
    "pairwise_distances",
    "pg_rank",
    "plackett_luce_log_probability",
    "rank_net",
    "sample_rankings",
    "sar_pu_risk",
    "sar_pu_weights",
    "selective_calibration",
    "similarity",
    "token_scores",
    "triplet_margin",
    "triplet_soft_margin",
]
