"""Every loss against its slow twin: value and gradient in float64, narrow inputs, autocast, masks, extremes."""

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import hardmine as hm
from hardmine import losses as L  # noqa: N812
from tests.oracle import losses as slow

B, C, N, K, H = 4, 6, 5, 7, 6


class Case(NamedTuple):
    """One call: float arrays that get a gradient, the loss of tensors, the twin of arrays."""

    name: str
    arrays: Any
    loss: Any
    twin: Any


def cases():
    rng = np.random.default_rng(5)

    def u(*shape):
        return rng.uniform(-1.0, 1.0, shape)

    def mask(*shape, share=0.4):
        return rng.random(shape) < share

    t = torch.from_numpy
    m_bc, m_bn, m_bk = mask(B, C), mask(B, N), mask(B, K)
    m_bn[1] = True  # a row without negatives
    w_bc, w_bn = rng.uniform(0.0, 3.0, (B, C)), rng.uniform(0.0, 3.0, (B, N))
    w_bc[0, 2] = w_bn[0, 0] = 0.0
    columns = np.array([2, 0, 5, 2])
    yield Case("info_nce", [u(B, C)], lambda s: L.info_nce(s, temperature=0.2), lambda s: slow.info_nce(s, t=0.2))
    yield Case(
        "info_nce-all",
        [u(B, C), u(B, N)],
        lambda s, h: L.info_nce(
            s, h, temperature=0.3, mask=t(m_bc), hard_mask=t(m_bn), weights=t(w_bc), hard_weights=t(w_bn),
            positive_columns=t(columns),
        ),
        lambda s, h: slow.info_nce(
            s, h, t=0.3, mask=m_bc, hard_mask=m_bn, weights=w_bc, hard_weights=w_bn, columns=columns
        ),
    )  # fmt: skip
    for tau, beta in itertools.product((0.0, 0.1, 0.6), (0.0, 1.0, 2.5)):
        yield Case(
            f"hardness-{tau}-{beta}",
            [u(B), u(B, N)],
            lambda p, s, tau=tau, beta=beta: L.hardness_contrastive(p, s, mask=t(m_bn), tau_plus=tau, beta=beta),
            lambda p, s, tau=tau, beta=beta: slow.debiased(p, s, t=0.5, tau=tau, beta=beta, mask=m_bn),
        )
    yield Case("debiased", [u(B), u(B, N)], L.DebiasedContrastive(), lambda p, s: slow.debiased(p, s, t=0.5, tau=0.1))
    # What is left of the sum is above 0 and below N e^(-1/T): the bound holds.
    yield Case(
        "debiased-at-its-bound",
        [np.array([0.0, 1.0]), np.array([[-0.317, -0.317], [0.5, 0.2]])],
        lambda p, s: L.debiased_contrastive(p, s, tau_plus=0.5),
        lambda p, s: slow.debiased(p, s, t=0.5, tau=0.5),
    )
    for gamma, beta in ((2.0, 0.02), (0.0, 0.0), (0.5, 0.3), (3.0, 1.0)):
        yield Case(
            f"calibration-{gamma}-{beta}",
            [u(B), u(B, N)],
            lambda p, s, g=gamma, b=beta: L.selective_calibration(
                p, s, mask=t(m_bn), gamma=g, smoothing=b, temperature=0.3
            ),
            lambda p, s, g=gamma, b=beta: slow.selective_calibration(p, s, gamma=g, beta=b, t=0.3, mask=m_bn),
        )
    texts, others = u(2, 3, 4, H), u(2, 5, H)
    m_text, m_other, probe = mask(2, 3, 4), mask(2, 5), u(2, 3)
    m_text[:, :, 0] = m_other[:, 0] = False
    yield Case(
        "token_scores",
        [texts, others],
        lambda x, y: (L.token_scores(x, y, text_mask=t(m_text), other_mask=t(m_other), scale=3.0) * t(probe)).sum(),
        lambda x, y: float(
            (
                slow.token_scores(x, y, scale=3.0, attention_of=(texts, others), text_mask=m_text, other_mask=m_other)
                * probe
            ).sum()
        ),
    )
    guides = [u(B, 3), u(B, 3), u(3, 3)]
    gq, gp, gn = (t(g) for g in guides)
    for relative, both in itertools.product((False, True), (False, True)):
        settings = {"temperature": 0.4, "margin": 0.1, "margin_strategy": "relative" if relative else "absolute"}
        loss = L.GISTEmbed(**settings, contrast_queries=both, contrast_positives=not both)
        yield Case(
            f"gist-{relative}-{both}",
            [u(B, H), u(B, H), u(3, H)],
            lambda q, p, n, loss=loss: loss(q, p, n, guide_queries=gq, guide_positives=gp, guide_negatives=gn),
            lambda q, p, n, r=relative, both=both: slow.gist_embed(
                q, p, n, *guides, t=0.4, margin=0.1, relative=r, queries=both, positives=not both
            ),
        )
    yield Case("rank_net", [u(B), u(B, N)], L.RankNet(), slow.rank_net)
    yield Case(
        "rank_net-all",
        [u(B), u(B, N)],
        lambda p, s: L.rank_net(p, s, mask=t(m_bn), weights=t(w_bn)),
        lambda p, s: slow.rank_net(p, s, mask=m_bn, weights=w_bn),
    )
    yield Case(
        "bpr",
        [u(B), u(B, 1), u(B, H)],
        lambda p, s, x: L.bpr(p, s, x, l2=0.3),
        lambda p, s, x: slow.rank_net(p, s) + 0.15 * float((x**2).sum()) / B,
    )
    relevant, ranks = mask(B, K, share=0.3), np.argsort(u(B, K), axis=1) + 1
    relevant[:, 2], relevant[3] = True, False  # the last query has no pair
    yield Case("adore", [u(B, K)], lambda s: L.adore(s, t(relevant)), lambda s: slow.adore(s, relevant, cut=200))
    yield Case(
        "adore-all",
        [u(B, K)],
        lambda s: L.adore(s, t(relevant), mask=t(m_bk), ranks=t(ranks), metric_cut=4),
        lambda s: slow.adore(s, relevant, cut=4, ranks=ranks, mask=m_bk),
    )
    for weight in (150.0, None):
        yield Case(
            f"ccl-{weight}",
            [u(B) * 1.5, u(B, N)],
            lambda p, s, w=weight: L.ccl(p, s, mask=t(m_bn), margin=0.3, negative_weight=w),
            lambda p, s, w=weight: slow.ccl(p, s, margin=0.3, weight=w, mask=m_bn),
        )
    same = mask(B, B, share=0.6)
    yield Case(
        "bidirectional_margin",
        [u(B, B)],
        lambda s: L.bidirectional_margin(s, t(same)),
        lambda s: slow.bidirectional_margin(s, same, alpha=0.2, beta=0.5),
    )
    for masked in (False, True):
        loss = L.ClusterNS(0.2, 0.7, 0.1, 0.3, own_centroid_logit=0.4, mask_same_cluster=masked)
        yield Case(
            f"cluster_ns-{masked}",
            [u(B, B), u(B, B)],
            lambda s, c, loss=loss: loss(s, c, t(same)),
            lambda s, c, masked=masked: slow.cluster_ns(
                s, c, same, t=0.2, weight=0.7, alpha=0.1, beta=0.3, bonus=0.4, masked=masked
            ),
        )
    yield Case(
        "moco",
        [u(B), u(B, N), u(B, K)],
        lambda p, q, k: L.moco_dual_view(p, q, k, query_mask=t(m_bn), key_mask=t(m_bk), num_hardest=2, temperature=0.3),
        lambda p, q, k: slow.moco(p, q, k, t=0.3, hardest=2, query_mask=m_bn, key_mask=m_bk),
    )
    yield Case("moco-whole", [u(B), u(B, N), u(B, K)], L.MoCoDualView(), lambda p, q, k: slow.moco(p, q, k, t=0.07))
    labelled, propensity = mask(B, N), rng.uniform(0.0, 1.0, (B, N))
    propensity[0, 0] = 0.0
    labelled[0, 0] = True
    yield Case(
        "sar_pu_risk",
        [u(B, N)],
        lambda z: L.sar_pu_risk(z, t(labelled), t(propensity), mask=t(m_bk[:, :N]), min_propensity=0.2),
        lambda z: slow.sar_pu_risk(z, labelled, propensity, floor=0.2, mask=m_bk[:, :N]),
    )
    starred, left_out = mask(B, K, share=0.3), m_bk.copy()
    left_out[:, 0] = False
    for reference, clip in (("max", 10.0), ("first", 1.3)):
        arrays = [2.0 * u(B, K), 2.0 * u(B, K)]
        for part in (0, 1):
            yield Case(
                f"coupled-{reference}-{part}",
                arrays,
                lambda r, g, part=part, ref=reference, clip=clip: L.coupled_estimation(
                    r, g, t(starred), mask=t(left_out), reference=ref, clip=clip
                )[part],
                lambda r, g, part=part, ref=reference, clip=clip, arrays=arrays: slow.coupled(
                    r, g, starred, reference=ref, clip=clip, mask=left_out, weights_of=arrays
                )[part],
            )
    triplets = np.stack([rng.integers(0, B, 9) for _ in range(3)], axis=1)
    yield Case(
        "triplet",
        [u(B, B)],
        lambda d: L.triplet_margin(d, t(triplets)),
        lambda d: slow.triplet(d, triplets, margin=0.2),
    )
    yield Case(
        "triplet-positive",
        [u(B, B)],
        lambda d: L.TripletMargin(0.1, reduction="mean_positive")(d, t(triplets)),
        lambda d: slow.triplet(d, triplets, margin=0.1, positive_only=True),
    )
    yield Case(
        "triplet-soft", [u(B, B)], lambda d: L.TripletSoftMargin()(d, t(triplets)), lambda d: slow.triplet(d, triplets)
    )
    teacher_p, teacher_n, teacher = u(B), u(B, N), 2.0 * u(B, K)
    teacher[0, 1] = -np.inf
    yield Case(
        "margin_mse",
        [u(B), u(B, N)],
        lambda p, s: L.MarginMSE()(p, s, t(teacher_p), t(teacher_n), mask=t(m_bn)),
        lambda p, s: slow.margin_mse(p, s, teacher_p, teacher_n, mask=m_bn),
    )
    m_kl = m_bk.copy()
    m_kl[2] = True
    yield Case(
        "listwise_kl",
        [u(B, K)],
        lambda s: L.listwise_kl(s, t(teacher), mask=t(m_kl), temperature=0.5, teacher_temperature=0.7),
        lambda s: slow.listwise_kl(s, teacher, t=0.5, teacher_t=0.7, mask=m_kl),
    )
    yield Case("norm_ratio", [u(B, H), u(B, H)], L.NormRatio(), slow.norm_ratio)
    bends = u(B, B)
    for squared in (False, True):
        yield Case(
            f"distances-{squared}",
            [u(B, H)],
            lambda x, q=squared: (L.pairwise_distances(x, squared=q) * t(bends)).sum(),
            lambda x, q=squared: float((slow.distances(x, squared=q) * bends).sum()),
        )
    bends_bn = u(B, N)
    yield Case(
        "similarity-own",
        [u(B, H), u(B, N, H)],
        lambda q, d: (L.similarity(q, d) * t(bends_bn)).sum(),
        lambda q, d: sum(slow.cosine(q[i], d[i, j]) * bends_bn[i, j] for i, j in itertools.product(range(B), range(N))),
    )


CASES = list(cases())
every = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def tensors(arrays, dtype=torch.float64, *, grad=True):
    return [torch.tensor(a, dtype=dtype).requires_grad_(grad) for a in arrays]


@every
def test_value_and_gradient_equal_the_twin(case):
    inputs = tensors(case.arrays)
    value = case.loss(*inputs)
    assert value.dtype is torch.float64
    np.testing.assert_allclose(value.item(), case.twin(*case.arrays), rtol=1e-12, atol=1e-14)
    gradients = torch.autograd.grad(value, inputs, allow_unused=True, materialize_grads=True)
    assert any(bool(g.any()) for g in gradients)
    for index, gradient in enumerate(gradients):
        expected = slow.numerical_gradient(case.twin, case.arrays, index)
        np.testing.assert_allclose(gradient.detach().numpy(), expected, rtol=2e-6, atol=1e-7 * (1 + abs(value.item())))


CONSTANT_FACTORS = ("coupled", "token_scores")  # their gradient leaves factors out on purpose


@every
def test_gradcheck(case):
    if not case.name.startswith(CONSTANT_FACTORS):
        assert torch.autograd.gradcheck(case.loss, tensors(case.arrays), eps=1e-6, atol=1e-6)


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
def test_narrow_inputs_are_computed_in_float32(case, dtype):
    narrow = tensors(case.arrays, dtype)
    wide = tensors([x.detach().float().numpy() for x in narrow], torch.float32)
    # Teachers, weights and probes of the cases are float64; what matters is that no step happens in the narrow type.
    got, expected = case.loss(*narrow), case.loss(*wide)
    assert got.dtype is expected.dtype
    assert got.dtype in (torch.float32, torch.float64)
    assert torch.equal(got, expected)
    got.backward()
    expected.backward()
    for a, b in zip(narrow, wide, strict=True):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            assert torch.equal(a.grad, b.grad.to(dtype))


@every
def test_autocast_changes_nothing(case):
    plain, cast = tensors(case.arrays, torch.float32), tensors(case.arrays, torch.float32)
    expected = case.loss(*plain)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = case.loss(*cast)
    assert torch.equal(got, expected)
    expected.backward()
    got.backward()
    for a, b in zip(cast, plain, strict=True):
        assert (a.grad is None and b.grad is None) or torch.equal(a.grad, b.grad)


@every
def test_same_twice(case):
    assert torch.equal(case.loss(*tensors(case.arrays)), case.loss(*tensors(case.arrays)))


def finite(value, *inputs):
    value.sum().backward()
    assert bool(value.isfinite().all())
    for x in inputs:
        assert bool(x.grad.isfinite().all())
    return value.detach()


def leaf(values):
    return torch.tensor(values, dtype=torch.float32, requires_grad=True)


INF = math.inf
NO_NEGATIVES = {
    "info_nce": lambda p, s: L.info_nce(torch.cat([p[:, None], s], 1), s, positive_columns=torch.tensor([0, 0])),
    "debiased": L.debiased_contrastive,
    "hardness": L.hardness_contrastive,
    "calibration": L.selective_calibration,
    "rank_net": L.rank_net,
    "ccl": lambda p, s: L.ccl(p, s) - (1 - p).relu().mean(),
    "moco": lambda p, s: L.moco_dual_view(p, s, s),
}


@pytest.mark.parametrize("name", NO_NEGATIVES)
@pytest.mark.parametrize("width", [0, 3])
def test_rows_without_negatives_lose_nothing(name, width):
    p, s = leaf([0.5, 0.7]), leaf(np.full((2, width), -INF))
    value = finite(NO_NEGATIVES[name](p, s), p, s)
    if name in ("debiased", "hardness") and width:
        assert value > 0  # three negatives of -inf are three negatives: the bound N e^(-1/T) holds
    else:
        assert value == 0
        assert not s.grad.any()


@pytest.mark.parametrize("name", NO_NEGATIVES)
def test_large_scores_stay_finite(name):
    p, s = leaf([-3e4, 3e4]), leaf([[3e4, -INF, 0.0], [-3e4, 3e4, -INF]])
    finite(NO_NEGATIVES[name](p, s), p, s)


def test_other_empty_inputs():
    scores = leaf([[-INF, 1.0, -INF]])
    assert finite(L.adore(scores, torch.tensor([[True, True, False]])), scores) == 0
    empty = leaf(np.zeros((1, 0)))
    assert finite(L.adore(empty, torch.zeros(1, 0, dtype=torch.bool)), empty) == 0
    scores = leaf([[0.0, 1.0]])
    all_out = torch.ones(1, 2, dtype=torch.bool)
    assert finite(L.listwise_kl(scores, torch.zeros(1, 2), mask=all_out), scores) == 0
    scores, other = leaf([[0.0, 1.0]]), leaf([[0.0, -INF]])
    first = torch.tensor([[True, False]])
    assert finite(L.coupled_estimation(scores, other, first, mask=all_out).total, scores, other) == 0
    scores, other = leaf([[0.0, 1.0]]), leaf([[0.0, -INF]])
    finite(L.coupled_estimation(scores, other, first).total, scores, other)
    distances = leaf(np.zeros((2, 2)))
    assert finite(L.triplet_margin(distances, torch.zeros(0, 3, dtype=torch.int64)), distances) == 0
    points = leaf(np.ones((3, 2)))
    finite(L.pairwise_distances(points), points)
    long, short = leaf([[1.0, 0.0], [0.0, 0.0]]), leaf([[0.0, 0.0], [0.0, 0.0]])
    finite(L.norm_ratio_loss(long, short), long, short)
    text, other = leaf(np.zeros((1, 1, 2, 3))), leaf(np.zeros((1, 2, 3)))
    finite(L.token_scores(text, other), text, other)
    padded = torch.ones(1, 1, 2, dtype=torch.bool)
    assert L.token_scores(text, other, text_mask=padded).item() == -INF
    logits = leaf([[1e4, -1e4]])
    finite(L.sar_pu_risk(logits, torch.tensor([[True, False]]), torch.full((1, 2), 0.5)), logits)


def test_small_losses_keep_their_digits():
    scores = torch.tensor([[1.0, 0.0]], dtype=torch.float32)
    assert L.info_nce(scores, temperature=0.02).item() == pytest.approx(math.exp(-50.0), rel=1e-5)


def test_masked_entries_get_no_gradient():
    scores = leaf(np.random.default_rng(0).uniform(size=(3, 3)))
    mask = torch.tensor(hm.in_batch_mask(scores.detach().numpy(), ceiling=hm.PercPos(0.9)))
    L.info_nce(scores, mask=mask).backward()
    off = ~torch.eye(3, dtype=torch.bool)
    assert bool((scores.grad[mask & off] == 0).all())
    assert bool((scores.grad.diagonal() <= 0).all())


def test_reductions():
    p, s = torch.rand(3), torch.rand(3, 4)
    for loss in (L.InfoNCE, L.DebiasedContrastive, L.HardnessWeightedContrastive, L.CCL, L.SelectiveCalibration):
        args = (torch.cat([p[:, None], s], 1),) if loss is L.InfoNCE else (p, s)
        rows = loss(reduction="none")(*args)
        assert rows.shape == (3,)
        torch.testing.assert_close(loss(reduction="sum")(*args), rows.sum())
        torch.testing.assert_close(loss()(*args), rows.mean())


def test_guided_mask_equals_the_twin_and_in_batch_mask():
    rng = np.random.default_rng(3)
    guide = rng.uniform(-1, 1, (6, 6)).astype(np.float32)
    own = np.diagonal(guide).copy()
    for margin, relative in itertools.product((0.0, 0.05, 0.3), (False, True)):
        strategy = "relative" if relative else "absolute"
        got = L.gist_mask(torch.tensor(guide), torch.tensor(own), margin=margin, margin_strategy=strategy)
        expected = slow.gist_mask(guide.astype(np.float64), own.astype(np.float64), margin=margin, relative=relative)
        assert np.array_equal(got.numpy(), expected)
        rule = hm.PercPos(1.0 - margin) if relative else hm.MarginPos(margin)
        off = ~np.eye(6, dtype=bool)
        assert np.array_equal(got.numpy()[off], hm.in_batch_mask(guide, ceiling=rule)[off])


def test_gist_leaves_a_text_out_of_its_own_row():
    x = torch.eye(3)  # query equals positive, so the guide's own score is 1, and no entry is above it
    loss = L.gist_embed(x, x, guide_queries=x, guide_positives=x, temperature=1.0)
    assert loss.item() == pytest.approx(math.log1p(6 * math.exp(-1.0)), rel=1e-6)


def test_sar_pu_weights():
    f, e = np.random.default_rng(1).uniform(0, 1, (2, 50))
    got = L.sar_pu_weights(torch.tensor(f), torch.tensor(e)).numpy()
    np.testing.assert_allclose(got, [slow.sar_pu_weight(a, b) for a, b in zip(f, e, strict=True)], rtol=1e-12)
    corner = L.sar_pu_weights(torch.tensor([1.0, 1.0, 0.3, 0.3]), torch.tensor([1.0, 0.0, 1.0, 0.0]))
    torch.testing.assert_close(corner, torch.tensor([1.0, 0.0, 1.0, 0.7]))


def test_the_sar_pu_risk_is_unbiased():
    """The mean over all labellings, weighted by their chance, is the risk under full labels."""
    z, y = np.array([[0.3, -0.7, 1.1]]), np.array([[True, True, False]])
    e, expected = np.array([[0.3, 0.8, 0.5]]), 0.0
    for choice in itertools.product((False, True), repeat=2):
        chance = np.prod([e[0, i] if s else 1 - e[0, i] for i, s in enumerate(choice)])
        labelled = torch.tensor([[*choice, False]])
        expected += chance * L.sar_pu_risk(torch.tensor(z), labelled, torch.tensor(e)).item()
    full = np.mean(np.where(y, np.log1p(np.exp(-z)), np.log1p(np.exp(z))))
    assert expected == pytest.approx(full, rel=1e-12)


def test_norm_ratio_mask_is_asymmetric():
    x = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mask = L.norm_ratio_mask(x, x)
    norms = np.linalg.norm(x.numpy(), axis=1)
    assert np.array_equal(mask.numpy(), norms[:, None] > norms[None, :])
    assert not bool((mask & mask.T).any())
    assert torch.equal(L.norm_ratio_mask(x, x, threshold=2.0), torch.tensor(norms[:, None] > 2.0 * norms[None, :]))


def test_monitor():
    rng = np.random.default_rng(2)
    for x in (rng.standard_normal((30, 5)), rng.standard_normal((4, 9)), np.outer(rng.standard_normal(6), np.ones(3))):
        assert L.effective_rank(torch.tensor(x)) == pytest.approx(slow.effective_rank(x), rel=1e-6)
        assert L.mean_pair_cosine(torch.tensor(x)) == pytest.approx(slow.mean_pair_cosine(x), rel=1e-9)
    healthy = L.collapse(torch.tensor(rng.standard_normal((200, 8))))
    point = L.collapse(torch.tensor(np.ones(8) + 1e-3 * rng.standard_normal((200, 8))))
    assert healthy.effective_rank > 7 > 1.1 > point.effective_rank
    assert abs(healthy.mean_pair_cosine) < 0.05 < 0.99 < point.mean_pair_cosine
    assert healthy.mean_deviation > 0.3 > 0.01 > point.mean_deviation
    assert L.effective_rank(torch.zeros(3, 2)) == 0.0


def test_modules_print_and_hold_their_settings():
    made = [getattr(L, name) for name in L.__all__ if isinstance(getattr(L, name), type)]
    modules = [kind for kind in made if issubclass(kind, torch.nn.Module)]
    assert len(modules) >= 18
    for kind in modules:
        module = kind()
        assert not list(module.parameters())
        assert repr(module).startswith(kind.__name__ + "(")
        assert not module.state_dict()
    p, s = torch.rand(2), torch.rand(2, 3)
    assert torch.equal(L.CCL(0.4, 3.0)(p, s), L.ccl(p, s, margin=0.4, negative_weight=3.0))
    scores, hard = torch.rand(2, 2), torch.rand(2, 3)
    assert torch.equal(L.InfoNCE(0.3)(scores, hard), L.info_nce(scores, hard, temperature=0.3))


def test_compiled_graphs_skip_the_checks(monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    value = L.info_nce(torch.tensor([[math.nan, 0.0]]))
    assert math.isnan(value.item())
