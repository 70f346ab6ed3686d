"""SAR-PU (arXiv 1809.03207): labels missing not at random, corrected by the chance of being labelled.

Trains a logistic model on real features of tumours (malignant is relevant) and of digits (even is relevant). The labels
are hidden by us: a relevant one keeps its label the likelier, the larger the tumour, the more ink the digit. That
chance, the propensity, is given, learnt from the labels beside the relevance (SAR-EM), or learnt as one number (SCAR).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

import hardmine as hm
from examples.recipes.shared import TUNING_SEED, Effect, Report, Size, optimise, over_seeds, tuned
from examples.recipes.worlds import SEED

RATE, STEPS, SLOPE = 0.05, 200, 2.0
DECAYS = [0.0001, 0.001, 0.01, 0.1]
"""Of the squared weights."""
ARMS = ("all labels", "naive", "scar", "sar-em", "sar-pu")


class Part(NamedTuple):
    """Standardised features [n, d], what decides on labelling [n, 1], and by item: relevant, labelled, propensity."""

    features: torch.Tensor
    about: torch.Tensor
    relevant: torch.Tensor
    labelled: torch.Tensor
    propensity: torch.Tensor


class Fit(NamedTuple):
    """A logistic model, the propensity that it was trained under, its losses."""

    model: torch.nn.Linear
    propensity: Callable[[Part], torch.Tensor]
    losses: list[float]


def chances(model: torch.nn.Linear, inputs: torch.Tensor) -> torch.Tensor:
    """By a logistic model, without gradient."""
    return model(inputs)[:, 0].sigmoid().detach()


@cache
def data(name: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features [n, d], what decides on labelling [n], who is relevant [n]."""
    from sklearn.datasets import load_breast_cancer, load_digits

    load = load_breast_cancer if name == "tumours" else load_digits
    features, target = map(torch.from_numpy, load(return_X_y=True))
    about, relevant = (features[:, 0], target == 0) if name == "tumours" else (features.sum(1), target % 2 == 0)
    features = (features - features.mean(0)) / features.std(0).clamp(min=1e-6)
    return features.float(), ((about - about[relevant].mean()) / about[relevant].std()).float(), relevant


def parts(name: str, seed: int) -> list[Part]:
    """Half to train, a fifth for dev, the rest to judge: the same for all seeds, which draw who keeps a label."""
    features, about, relevant = data(name)
    # A relevant one that is like the mean relevant one has an even chance.
    propensity = (SLOPE * about).sigmoid().clamp(0.1, 0.9)
    labelled = relevant & (torch.rand(len(about), generator=torch.Generator().manual_seed(seed)) < propensity)
    order = np.random.default_rng(SEED).permutation(len(about))
    cuts = np.split(order, [len(order) // 2, len(order) * 7 // 10])
    columns = (features, about[:, None], relevant, labelled, propensity)
    return [Part(*(column[rows] for column in columns)) for rows in cuts]


def logistic(width: int) -> torch.nn.Linear:
    """A model that starts undecided."""
    model = torch.nn.Linear(width, 1)
    for each in model.parameters():
        torch.nn.init.zeros_(each)
    return model


def sar_em(part: Part, decay: float, steps: int, *, constant: bool) -> Callable[[Part], torch.Tensor]:
    """The propensity, from labels alone, by expectation-maximisation with a step of Adam to each maximisation."""

    def about(of: Part) -> torch.Tensor:
        return torch.zeros_like(of.about) if constant else of.about

    labels = part.labelled.float()
    relevance, selection = logistic(part.features.shape[1]), logistic(1)

    def loss(model: torch.nn.Linear, inputs: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        fit = binary_cross_entropy_with_logits(model(inputs)[:, 0], target, weight)
        return fit + decay * model.weight.square().sum()

    # The authors' start: relevance as if the labelled were half of all, selection on what that holds for relevant.
    balance = torch.where(part.labelled, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))
    optimise(relevance, (loss(relevance, part.features, labels, balance) for _ in range(steps)), RATE)
    guess = torch.where(part.labelled, 1.0, chances(relevance, part.features))
    optimise(selection, (loss(selection, about(part), labels, guess) for _ in range(steps)), RATE)

    def rounds() -> Iterator[torch.Tensor]:
        for _ in range(steps):
            irrelevant = hm.losses.sar_pu_weights(chances(relevance, part.features), chances(selection, about(part)))
            guess = torch.where(part.labelled, 1.0, 1 - irrelevant)
            first = loss(relevance, part.features, guess, torch.ones_like(guess))
            yield first + loss(selection, about(part), labels, guess)

    optimise(torch.nn.ModuleList([relevance, selection]), rounds(), RATE)
    return lambda of: chances(selection, about(of))


def fit(arm: str, part: Part, decay: float, steps: int) -> Fit:
    """Under the risk of SAR-PU; with a propensity of 1 it is cross-entropy with the unlabelled as irrelevant."""
    if arm in ("scar", "sar-em"):
        propensity = sar_em(part, decay, steps, constant=arm == "scar")
    else:
        propensity = (lambda of: of.propensity) if arm == "sar-pu" else (lambda of: torch.ones_like(of.propensity))
    model, labelled, given = logistic(part.features.shape[1]), part.labelled[None], propensity(part)[None]

    def risks() -> Iterator[torch.Tensor]:
        for _ in range(steps):
            risk = hm.losses.sar_pu_risk(model(part.features).T, labelled, given)
            yield risk + decay * model.weight.square().sum()

    return Fit(model, propensity, optimise(model, risks(), RATE))


def likelihood(fitted: Fit, dev: Part) -> float:
    """Mean log-likelihood of who has a label (f e) and who has none (1 - f e): no truth is needed."""
    chance = chances(fitted.model, dev.features) * fitted.propensity(dev)
    return float(torch.where(dev.labelled, chance, 1 - chance).clamp(min=1e-6).log().mean())


def right(fitted: Fit, part: Part, threshold: float = 0.5) -> np.ndarray:
    """Whether it is right about every item."""
    return ((chances(fitted.model, part.features) > threshold) == part.relevant).numpy()


def compared(name: str, size: Size) -> tuple[list[Effect], list[float], tuple[float, float]]:
    """Effects of one data set; the losses of SAR-PU, and its accuracy before and after."""
    steps = size.steps(STEPS)

    def seen(arm: str, seed: int) -> list[Part]:
        return [each._replace(labelled=each.relevant) if arm == "all labels" else each for each in parts(name, seed)]

    def decay(arm: str) -> float:
        train, dev, _ = seen(arm, TUNING_SEED)
        return tuned(size, DECAYS, lambda decay: likelihood(fit(arm, train, decay, steps), dev))

    decays = {arm: decay(arm) for arm in ARMS}
    last: list[Fit] = []

    def one(seed: int) -> dict[str, np.ndarray]:
        _, dev, test = parts(name, seed)
        fits = {arm: fit(arm, seen(arm, seed)[0], decays[arm], steps) for arm in ARMS}
        last[:] = [fits["sar-pu"]]
        # Elkan and Noto: the chance of a label is that of relevance times a constant, the mean of it on the labelled.
        labels = chances(fits["naive"].model, dev.features)
        elkan_noto = float(labels[dev.labelled].mean()) / 2
        best = max(labels.tolist(), key=lambda threshold: right(fits["naive"], dev, threshold).mean())
        return {
            **{arm: right(each, test) for arm, each in fits.items()},
            "moved": right(fits["naive"], test, elkan_noto),
            "best": right(fits["naive"], test, best),
        }

    found = over_seeds(size, one)
    test = parts(name, 0)[2]
    same = "same labels, model, steps and decays"
    rows = (
        ("SAR-EM over SCAR", "sar-em", "scar", f"a propensity of one number by the same EM; {same}",
         "what is relevant and what is labelled cannot be told apart from labels alone"),
        ("SAR-EM over unlabelled as irrelevant", "sar-em", "naive", f"cross-entropy; {same}",
         "the estimate is worse than none"),
        ("SAR-EM over unlabelled as irrelevant, threshold by Elkan and Noto", "sar-em", "moved",
         f"cross-entropy, threshold moved by the labels of dev; {same}", "a constant is all that is missing"),
        ("SAR-EM over unlabelled as irrelevant, threshold by dev's truth", "sar-em", "best",
         f"cross-entropy, the threshold that is best on the true labels of dev, which SAR-EM never sees; {same}",
         "the order was right, the threshold alone wrong"),
        ("SAR-PU, propensity given, over SCAR", "sar-pu", "scar", f"a propensity of one number, learnt by EM; {same}",
         "weights of up to 10 make the risk too noisy"),
        ("SAR-PU, propensity given, over SAR-EM", "sar-pu", "sar-em", f"the propensity learnt; {same}",
         "knowing the propensity is worth nothing"),
        ("all labels over SAR-EM (what is left)", "all labels", "sar-em", "cross-entropy on the truth; same decays",
         "nothing is lost by the missing labels"),
    )  # fmt: skip
    items = np.arange(len(test.relevant))
    made = [Effect(f"accuracy, {name}: {text}", found[a], found[b], *why, items) for text, a, b, *why in rows]
    return made, last[0].losses, (float((~test.relevant).float().mean()), float(found["sar-pu"][-1].mean()))


def run(size: Size) -> Report:
    """All of it."""
    (tumours, losses, metric), (digits, *_) = (compared(name, size) for name in ("tumours", "digits"))
    return Report(
        "logistic model",
        "scikit-learn's breast_cancer and digits: real features and truth; who keeps a label is drawn by us",
        "the likelihood of the labels of a dev part; the truth of it where the control says so, and for all labels",
        [*tumours, *digits],
        losses,
        metric,
    )
