"""The loss of every arm of fine_tune.py: with mined negatives or without, with the teacher's scores or without.

The student can learn, beside which document answers a query, how the teacher ranks all documents of the batch: to the
loss that everybody trains with, hm.losses.listwise_kl of the teacher's scores is added. Weight and temperatures are
those of docs/study.md; nothing was tuned here.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

try:
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
except ModuleNotFoundError:  # releases before 6
    from sentence_transformers.losses import MultipleNegativesRankingLoss

import hardmine as hm

WEIGHT = 3.0
"""What the dev parts of the study chose, of 1 and 3, for most arms with the teacher's scores in the loss."""
MOST = 1_000.0
"""More weight leaves nothing of the loss beside it."""
TEMPERATURE = 0.05
"""Of the teacher's scores, which are cosines, as in the study. The student's have that of the loss, 1 / 20."""


def weight(options: argparse.Namespace, teacher: Any) -> float:
    """What the teacher's scores weigh: as given, else the study's weight from a random start, and 0 otherwise.

    Raises
    ------
    ValueError
        A weight is given, and the teacher has no scores that fit.
    """
    dense = isinstance(teacher, hm.teachers.DenseTeacher)
    fits = dense and teacher.similarity == "cosine"
    if options.scores is None:
        return WEIGHT if fits and options.student == "random" else 0.0
    if options.scores and not fits:
        has = f"compares by {teacher.similarity}" if dense else "has no embeddings"
        raise ValueError(
            f"--scores {options.scores:g}: the teacher {options.teacher} {has}, expected an encoder that compares by "
            "cosine, or --scores 0"
        )
    return float(options.scores)


class Taught(NamedTuple):
    """A teacher's embeddings of a collection, and what is labelled there."""

    name: str
    queries: np.ndarray
    documents: np.ndarray
    positives: hm.Positives

    @classmethod
    def by(cls, teacher: hm.teachers.DenseTeacher, collection: hm.Collection, cache: Path | None = None) -> Taught:
        """Embed all texts; what a cache keeps of them is taken from there."""
        return cls(teacher.name, *hm.embed(collection, teacher, cache=cache), collection.positives)

    def teacher(self) -> hm.teachers.DenseTeacher:
        """The same teacher for `hm.retrieve`, which need not embed again."""
        return hm.teachers.precomputed(self.queries, self.documents, name=self.name)

    def scores(self, queries: np.ndarray, documents: np.ndarray) -> torch.Tensor:
        """Cosines of these queries with these documents, float32 [b, c]."""
        sides = self.queries[queries], self.documents[documents]
        return hm.losses.similarity(*(torch.from_numpy(np.asarray(side, np.float32)) for side in sides))


class ArmLoss(MultipleNegativesRankingLoss):
    """The loss that everybody trains with, on the documents that an arm sees, and the teacher's scores beside it.

    Parameters
    ----------
    model : SentenceTransformer
    mined : bool
        False leaves the negatives of the rows out: the arm has the batches of the others, anchors and positives alone.
    taught : Taught, optional
        What the teacher says. Rows carry their numbers then (``to_datasets(ids=True)``).
    weight : float
        Of the divergence from the teacher's scores over all documents of the batch, each of which counts once. What
        is labelled as relevant for a query is left out of its list, but for the document that is its positive.
    """

    def __init__(self, model: Any, *, mined: bool = True, taught: Taught | None = None, weight: float = WEIGHT) -> None:
        super().__init__(model)
        self.mined, self.taught, self.weight = mined, taught, weight

    def forward(self, sentence_features: Any, labels: torch.Tensor) -> torch.Tensor:
        """The loss of a batch."""
        features = list(sentence_features)
        return super().forward(features if self.mined else features[:2], labels)

    def compute_loss_from_embeddings(self, embeddings: list[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        """The same of embeddings: the anchors', then one [b, d] for each column of documents."""
        loss = super().compute_loss_from_embeddings(embeddings, labels)
        return loss if self.taught is None else loss + self.weight * self._divergence(self.taught, embeddings, labels)

    def _divergence(self, taught: Taught, embeddings: list[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        numbers = labels.cpu().numpy()
        queries, shown = numbers[:, 0], numbers[:, 1 : len(embeddings)].T.ravel()
        documents, first, place = np.unique(shown, return_index=True, return_inverse=True)
        scores = self.similarity_fct(embeddings[0], torch.cat(embeddings[1:])[torch.from_numpy(first)])
        known = hm.in_batch_mask(
            scores,
            ceiling=None,
            ids=documents,
            query_ids=queries,
            positives=taught.positives,
            positive_columns=place[: len(queries)],
            keep_positive=True,
        )
        return hm.losses.listwise_kl(
            scores,
            taught.scores(queries, documents).to(scores.device),
            mask=known,
            temperature=1 / self.scale,
            teacher_temperature=TEMPERATURE,
        )
