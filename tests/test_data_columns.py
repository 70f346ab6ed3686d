"""Columns of a batch: texts for sentence-transformers, and the numbers that a loss looks up by."""

import dataclasses

import numpy as np
import pytest

from tests import negatives as made

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

TEXTS, *_ = made.parts()


def test_columns_for_sentence_transformers():
    dataset = made.dataset(columns="sentence-transformers")
    every = made.dataset()
    lengths = np.array([len(item["negatives"]) for item in every])
    assert dataset.left_out == {"short": int((lengths < 4).sum())} != {"short": 0}
    assert len(dataset) == (lengths == 4).sum()
    names = ["anchor", "positive", "negative_1", "negative_2", "negative_3", "negative_4"]
    for item, at in zip(dataset, np.flatnonzero(lengths == 4).tolist(), strict=True):
        assert list(item) == names
        same = every[at]
        assert [same["query"], same["positive"], *same["negatives"]] == list(item.values())
    columns = dataset.__getitems__([0, 2]).text_columns()
    assert list(columns) == names
    assert [values[1] for values in columns.values()] == list(dataset[2].values())
    with pytest.raises(ValueError, match="items: 0 to 4 negatives, expected the same number in each|items: . to 4 neg"):
        every.__getitems__(range(60)).text_columns()


def test_rows_for_a_trainer_carry_numbers_where_they_are_wanted():
    datasets = pytest.importorskip("datasets")
    drawn = made.dataset(columns="sentence-transformers")
    plain, numbered = drawn.to_datasets(), drawn.to_datasets(ids=True)
    assert numbered.column_names == [*plain.column_names, "label"]
    assert numbered.features["label"] == datasets.Sequence(datasets.Value("int64"))
    every, epochs = made.dataset(columns="ids"), []
    for epoch in (0, 1):
        numbered.set_epoch(epoch)
        every.set_epoch(epoch)
        found = numbered[:]
        assert {name: found[name] for name in plain.column_names} == plain[:]
        labels = found["label"]
        for query, positive, *negatives in labels:
            same = every[query]
            assert (query, positive, negatives) == (
                *(same["query_id"], same["positive_id"]),
                same["negative_ids"].tolist(),
            )
        for texts, (query, *documents) in zip(numbered, labels, strict=True):
            del texts["label"]
            assert list(texts.values()) == [TEXTS[0][query], *(TEXTS[1][at] for at in documents)]
        epochs.append(labels)
    assert epochs[0] != epochs[1]
    assert drawn.to_datasets([5, 2], ids=True)[:]["label"] == [epochs[1][5], epochs[1][2]]
    assert drawn.__getitems__([]).id_column() == []
    ragged = dataclasses.replace(drawn.__getitems__([]), query_ids=np.arange(2), offsets=np.array([0, 3, 4]))
    with pytest.raises(ValueError, match="items: 1 to 3 negatives, expected the same number in each"):
        ragged.id_column()
    with pytest.raises(TypeError, match="ids: int 1, expected True or False"):
        drawn.to_datasets(ids=1)
