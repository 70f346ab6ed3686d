"""Users and the items that they listened to: reading and judging them, and scores that need no training."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

import hardmine as hm
from hardmine.formats import FormatError

DEPTH = 20
MOST = 10**6
"""Users, and items."""
FEWEST = 3
"""Users of an item in training: a vector of the others could not be learnt. They stay in what is judged, as misses."""


class Interactions(NamedTuple):
    """The items of each user: seen in training, and held out for either purpose. Only the first `items` are scored."""

    seen: hm.Positives
    valid: hm.Positives
    test: hm.Positives
    items: int


def read(data: Path | None) -> Interactions:
    """cf-lastfm below a folder. LightGCN's format: a line for each user, its number and then its items."""
    if data is None or not (folder := data / "cf-lastfm").is_dir():
        raise FileNotFoundError(f"--data: no folder cf-lastfm in {data}")
    rows = [lines(folder / f"{name}.txt") for name in ("train", "valid", "test")]
    users = 1 + max(row[0] for part in rows for row in part)
    items = 1 + max(max(row[1:], default=0) for part in rows for row in part)
    counts = np.bincount([item for row in rows[0] for item in row[1:]], minlength=items)
    place = np.argsort(np.argsort(-counts, kind="stable"))
    scored = int((counts >= FEWEST).sum())
    lists: list[list[list[int]]] = [[[] for _ in range(users)] for _ in rows]
    for part, found in zip(rows, lists, strict=True):
        for user, *liked in part:
            found[user] = sorted(set(place[liked].tolist()))
    lists[0] = [[item for item in liked if item < scored] for liked in lists[0]]
    return Interactions(*map(hm.Positives.from_lists, lists), scored)


def lines(path: Path) -> list[list[int]]:
    """The numbers of every line of a file."""
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        words = line.split()
        if not words or not all(word.isdigit() and int(word) < MOST for word in words):
            came = repr(line[:40].decode(errors="replace"))
            raise FormatError(path, came, f"the numbers of a user and of its items, below {MOST:,}", line=number)
        found.append([int(word) for word in words])
    if not found:
        raise FormatError(path, "an empty file", "a line for each user")
    return found


def judge(scores: np.ndarray, data: Interactions, held_out: hm.Positives) -> tuple[np.ndarray, np.ndarray]:
    """Recall@20 and nDCG@20 of every user, the items seen in training apart."""
    found = hm.topk(scores, DEPTH, exclude=(data.seen.offsets, data.seen.ids)).padded()[0]
    pairs = held_out.query_of_each * MOST + held_out.ids
    hits = np.isin(np.arange(len(found))[:, None] * MOST + found, pairs) & (found >= 0)
    counts = np.diff(held_out.offsets)
    discounts = 1 / np.log2(np.arange(2, DEPTH + 2))
    ideal = np.concatenate([[1.0], np.cumsum(discounts)])[np.minimum(counts, DEPTH)]
    return hits.sum(1) / np.maximum(counts, 1), hits @ discounts[: hits.shape[1]] / ideal


def neighbours(data: Interactions, count: int) -> np.ndarray:
    """Scores without training: what the users with the most similar histories listened to, weighed by similarity."""
    history = torch.zeros(len(data.seen), data.items)
    history[torch.tensor(data.seen.query_of_each), torch.tensor(data.seen.ids)] = 1.0
    similar = (functional.normalize(history) @ functional.normalize(history).T).fill_diagonal_(0.0)
    near = similar.topk(min(count, len(similar))).indices
    return (torch.zeros_like(similar).scatter(1, near, similar.gather(1, near)) @ history).numpy()
