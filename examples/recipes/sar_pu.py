"""SAR-PU (arXiv 1809.03207): labels missing not at random, corrected by the chance of being labelled.

Trains a logistic model of relevance on pairs described by ten features. Relevance depends on all of them; a relevant
pair is labelled with a known probability that grows with the first feature, as an annotator's pool does with a
retriever's score.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

import hardmine as hm
from examples.recipes.shared import Effect, Report, Size, optimise, over_seeds

WIDTH = 10


def fit(
    loss: Callable[[torch.Tensor], torch.Tensor], features: torch.Tensor, steps: int
) -> tuple[torch.nn.Linear, list]:
    """A logistic model under a loss of its logits."""
    torch.manual_seed(0)
    model = torch.nn.Linear(WIDTH, 1)
    return model, optimise(model, (loss(model(features)[:, 0]) for _ in range(steps)), rate=0.03)


def run(size: Size) -> Report:
    """All of it."""
    kept: list[float] = []

    def one(seed: int) -> dict[str, float]:
        noise = torch.Generator().manual_seed(seed)
        weights = torch.randn(WIDTH, generator=noise)
        features, unseen = (torch.randn(400 * size.topics, WIDTH, generator=noise) for _ in range(2))
        relevant = torch.rand(len(features), generator=noise) < (features @ weights).sigmoid()
        propensity = (1.5 * features[:, 0]).sigmoid().clamp(min=0.1)
        labelled = relevant & (torch.rand(len(features), generator=noise) < propensity)
        fits = {
            "full": fit(
                lambda logits: binary_cross_entropy_with_logits(logits, relevant.float()), features, size.steps
            ),
            "naive": fit(
                lambda logits: binary_cross_entropy_with_logits(logits, labelled.float()), features, size.steps
            ),
            "sar": fit(
                lambda logits: hm.losses.sar_pu_risk(logits[None], labelled[None], propensity[None]),
                features,
                size.steps,
            ),
        }
        kept[:] = fits["sar"][1]
        with torch.no_grad():
            chances = {name: model(unseen)[:, 0].sigmoid() for name, (model, _) in fits.items()}
        truth = (unseen @ weights) > 0
        figures = {name: (chances[name] - chances["full"]).abs().mean().item() for name in ("naive", "sar")}
        figures |= {f"right {name}": ((chances[name] > 0.5) == truth).float().mean().item() for name in chances}
        return figures

    found = over_seeds(size, one)
    effects = [
        Effect(
            "distance to the full-label model: unlabelled as negative over SAR-PU",
            found["naive"],
            found["sar"],
            "a chance of a label that is estimated: here it is given",
        ),
        Effect(
            "accuracy: SAR-PU over unlabelled as negative",
            found["right sar"],
            found["right naive"],
            "a chance of a label that is estimated; the usual threshold moved for the unlabelled",
        ),
    ]
    tuned = "rate, steps and the chance of a label chosen on pairs made this way"
    return Report("logistic model", "made pairs", tuned, effects, kept, (0.5, found["right sar"][0]))
