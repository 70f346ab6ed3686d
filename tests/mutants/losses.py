"""Planted faults: losses."""

from tests.mutants.table import Mutant

MUTANTS = [
    Mutant(
        "dynamic-adore-reads-ranks-of-padding",
        "python/hardmine/losses/pairwise.py",
        "ranks = ranks.masked_fill(left_out, 1)",
        "ranks = ranks.masked_fill(left_out, 0)",
        "tests/test_dynamic.py",
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
]
