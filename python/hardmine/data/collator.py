"""Items to tensors: tokens of queries and documents, and who is whose positive and negative."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hardmine.data.batch import NegativeBatch
from hardmine.plumbing import checks

_PARALLELISM = "TOKENIZERS_PARALLELISM"


class HardNegativeCollator:
    """Collate items of a `NegativeDataset` into tensors for a contrastive or distillation loss.

    Every distinct document of the batch is tokenised once, however many items it serves: the m documents are the
    positives in the order of the items, then the negatives.

    Parameters
    ----------
    tokenizer : callable
        A Hugging Face tokenizer: called as ``tokenizer(texts, padding=..., truncation=True, max_length=...,
        return_tensors="pt")``.
    max_length : int, optional
        Tokens at most; None for the tokenizer's own limit.
    query_prompt, document_prompt : str
        Put before each text.
    num_negatives : int, optional
        Width n of the negatives: shorter rows are masked, of longer ones the first n are taken. Default: the longest
        row of the batch.
    teacher_scores : bool
        Whether to return the teacher's scores.
    pad_to_multiple_of : int, optional
        Handed to the tokenizer.
    clusters : int64 [num_documents], optional
        Cluster of each document of the collection, for instance of `spherical_kmeans`; -1 is none. Adds
        ``same_cluster``.
    negative_weights : callable, optional
        Called as ``negative_weights(positive_scores, negative_scores, mask)`` with float32 [b], float32 [b, n] (NaN and
        -inf as in ``teacher_scores``) and bool [b, n]; returns the weight of each negative in the loss, [b, n], finite
        and at least 0. Adds ``negative_weights``. Define it at the top of a module: it pickles into workers.

    Returns
    -------
    dict
        From a call with a sequence of b items:

        ``query``, ``document``
            What the tokenizer gives for the b queries and the m documents: ``input_ids``, ``attention_mask``, ...
        ``positive_index`` : int64 [b]
            Document that is the item's positive.
        ``negative_index`` : int64 [b, n]
            Documents that are its negatives; 0 where there is none.
        ``negative_mask`` : bool [b, n]
            True where there is a negative.
        ``not_negative`` : bool [b, m]
            True where a document must not serve as an in-batch negative of the item: its query's labelled positives,
            what has the text of one, what the caller excluded. `in_batch_mask` speaks of the same shape and sign:
            combine the two with ``|``.
        ``same_cluster`` : bool [b, m]
            With `clusters`: True where a document lies in the cluster of the item's positive and is another one. The
            mask of ClusterNS: combine it with ``not_negative`` by ``|``.
        ``negative_weights`` : float32 [b, n]
            With `negative_weights`: 0 where there is no negative. ``info_nce`` takes it as ``hard_weights``.
        ``query_ids`` : int64 [b]; ``document_ids``, ``document_groups`` : int64 [m]
            Indices in the collection, and text groups.
        ``teacher_scores`` : float32 [b, 1 + n]
            The positive's score, then the negatives'. NaN: not known (no scores given, or a document that fills a
            shortage). -inf: there is no such negative. Neither is a score to learn from.

    Raises
    ------
    TypeError, ValueError
        A parameter is wrong, or the items carry no texts.

    Notes
    -----
    Pickles with its tokenizer. Inside a DataLoader worker the tokenizer runs on one thread, unless the environment
    variable ``TOKENIZERS_PARALLELISM`` says otherwise: the loader is parallel already, and threads do not survive a
    fork.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        max_length: int | None = None,
        query_prompt: str = "",
        document_prompt: str = "",
        num_negatives: int | None = None,
        teacher_scores: bool = True,
        pad_to_multiple_of: int | None = None,
        clusters: npt.ArrayLike | None = None,
        negative_weights: Callable[..., Any] | None = None,
    ) -> None:
        if not callable(tokenizer):
            raise TypeError(f"tokenizer: {type(tokenizer).__name__}, expected a tokenizer of transformers")
        for name, prompt in (("query_prompt", query_prompt), ("document_prompt", document_prompt)):
            if not isinstance(prompt, str):
                raise TypeError(f"{name}: {type(prompt).__name__}, expected a string")
        if not isinstance(teacher_scores, bool):
            raise TypeError(f"teacher_scores: {type(teacher_scores).__name__}, expected True or False")
        self.tokenizer = tokenizer
        self.max_length = _at_least_one("max_length", max_length)
        self.query_prompt, self.document_prompt = query_prompt, document_prompt
        self.num_negatives = _at_least_one("num_negatives", num_negatives)
        self.teacher_scores = teacher_scores
        self.pad_to_multiple_of = _at_least_one("pad_to_multiple_of", pad_to_multiple_of)
        self.clusters = None if clusters is None else checks.int64_vector("clusters", clusters)
        if negative_weights is not None and not callable(negative_weights):
            raise TypeError(f"negative_weights: {type(negative_weights).__name__}, expected a callable")
        self.negative_weights = negative_weights
        _quiet_forks()

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Collate items: see the class."""
        batch = NegativeBatch.from_items(items)
        if not len(batch):
            raise ValueError("items: none, expected at least one")
        if batch.queries is None or batch.positives is None or batch.negatives is None:
            raise ValueError("items: no texts, expected items of a NegativeDataset with columns='all'")
        if torch.utils.data.get_worker_info() is not None:
            os.environ.setdefault(_PARALLELISM, "false")
        size, lengths = len(batch), np.diff(batch.offsets)
        width = int(lengths.max(initial=0)) if self.num_negatives is None else self.num_negatives
        mask = np.arange(width) < lengths[:, None]
        at = (batch.offsets[:-1, None] + np.arange(width))[mask]

        ids = np.concatenate([batch.positive_ids, batch.negative_ids[at]])
        groups = np.concatenate([batch.positive_groups, batch.negative_groups[at]])
        order, document = _distinct(ids)
        negative = np.zeros(mask.shape, dtype=np.int64)
        negative[mask] = document[size:]
        texts = _pick(batch.positives, batch.negatives, at, order)
        collated = {
            "query": self._tokens(self.query_prompt, batch.queries),
            "document": self._tokens(self.document_prompt, texts),
            "positive_index": torch.from_numpy(document[:size]),
            "negative_index": torch.from_numpy(negative),
            "negative_mask": torch.from_numpy(mask),
            "not_negative": torch.from_numpy(_not_negative(batch, ids[order], groups[order])),
            "query_ids": torch.from_numpy(batch.query_ids.copy()),
            "document_ids": torch.from_numpy(ids[order]),
            "document_groups": torch.from_numpy(groups[order]),
        }
        if self.clusters is not None:
            collated["same_cluster"] = torch.from_numpy(self._same_cluster(batch.positive_ids, ids[order]))
        scores = np.full((size, 1 + width), -np.inf, dtype=np.float32)
        scores[:, 0] = batch.positive_scores
        scores[:, 1:][mask] = batch.negative_scores[at]
        if self.teacher_scores:
            collated["teacher_scores"] = torch.from_numpy(scores)
        if self.negative_weights is not None:
            collated["negative_weights"] = torch.from_numpy(self._weights(scores, mask))
        return collated

    def _same_cluster(
        self, positives: npt.NDArray[np.int64], documents: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        assert self.clusters is not None  # noqa: S101
        if documents.size and int(documents.max()) >= self.clusters.size:
            raise ValueError(f"clusters: length {self.clusters.size}, but document {int(documents.max())} occurs")
        own = self.clusters[positives][:, None]
        same: npt.NDArray[np.bool_] = (self.clusters[documents] == own) & (own != -1)
        same &= documents != positives[:, None]
        return same

    def _weights(self, scores: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        assert self.negative_weights is not None  # noqa: S101
        weights = np.asarray(self.negative_weights(scores[:, 0], scores[:, 1:], mask), dtype=np.float32)
        if weights.shape != mask.shape:
            raise ValueError(f"negative_weights: gave shape {weights.shape}, expected {mask.shape}")
        if not (weights[mask] >= 0).all() or np.isinf(weights[mask]).any():
            raise ValueError("negative_weights: gave a weight that is negative, infinite or NaN")
        return np.where(mask, weights, np.float32(0))

    def _tokens(self, prompt: str, texts: list[str]) -> dict[str, torch.Tensor]:
        tokens = self.tokenizer(
            [prompt + text for text in texts] if prompt else texts,
            padding=True,
            truncation=True,
            max_length=self.max_length,
            pad_to_multiple_of=self.pad_to_multiple_of,
            return_tensors="pt",
        )
        return dict(tokens)

    def __repr__(self) -> str:
        return f"HardNegativeCollator({type(self.tokenizer).__name__}, max_length={self.max_length})"


def _at_least_one(name: str, value: Any) -> int | None:
    return None if value is None else checks.integer(name, value, minimum=1)


def _distinct(ids: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Positions of the first of each id, in their order, and for each position the number of its id in that order."""
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    by_position = np.argsort(first)
    number = np.empty(first.size, dtype=np.int64)
    number[by_position] = np.arange(first.size)
    return first[by_position], number[inverse]


def _pick(
    positives: list[str], negatives: list[str], at: npt.NDArray[np.int64], order: npt.NDArray[np.int64]
) -> list[str]:
    """Texts of the distinct documents."""
    texts = [*positives, *map(negatives.__getitem__, at.tolist())]
    return [texts[i] for i in order.tolist()]


def _not_negative(
    batch: NegativeBatch, ids: npt.NDArray[np.int64], groups: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Which documents are excluded for which item, or have the text of its positive."""
    banned = groups == batch.positive_groups[:, None]
    rows = np.repeat(np.arange(len(batch)), np.diff(batch.excluded_offsets))
    order = np.argsort(ids)
    place = np.searchsorted(ids, batch.excluded_ids, sorter=order)
    document = order[np.minimum(place, ids.size - 1)]
    there = ids[document] == batch.excluded_ids
    banned[rows[there], document[there]] = True
    found: npt.NDArray[np.bool_] = banned
    return found


_hooked = False


def _quiet_forks() -> None:
    """Forked workers tokenise on one thread from the start.

    The tokenizers library switches itself off in a fork too, but warns on standard error each time. The variable is set
    across the fork alone, so that this process keeps its parallel tokenizers.
    """
    global _hooked
    if _hooked or not hasattr(os, "register_at_fork"):
        return
    _hooked = True
    was_set: list[bool] = []

    def before() -> None:
        was_set.append(_PARALLELISM in os.environ)
        os.environ.setdefault(_PARALLELISM, "false")

    def after() -> None:
        if was_set and not was_set.pop():
            os.environ.pop(_PARALLELISM, None)

    os.register_at_fork(before=before, after_in_parent=after)
