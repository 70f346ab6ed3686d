"""Planted faults: datasets and collators."""

from tests.mutants.table import Mutant

MUTANTS = [
    Mutant(
        "data-epoch-ignored",
        "python/hardmine/data/dataset.py",
        "        epoch = self.epoch\n",
        "        epoch = 0\n",
        "tests/test_data.py",
    ),
    Mutant(
        "data-key-is-the-place-in-the-batch",
        "python/hardmine/data/dataset.py",
        "return (queries if keys is None else keys[queries])",
        "return (np.arange(queries.size) if keys is None else keys[queries])",
        "tests/test_data.py",
    ),
    Mutant(
        "data-negatives-of-the-neighbour",
        "python/hardmine/data/batch.py",
        "start, end = int(self.offsets[i]), int(self.offsets[i + 1])",
        "start, end = int(self.offsets[i - 1]), int(self.offsets[i])",
        "tests/test_data.py",
    ),
    Mutant(
        "data-numbers-of-the-positive-twice",
        "python/hardmine/data/batch.py",
        "np.column_stack([self.query_ids, self.positive_ids, negatives])",
        "np.column_stack([self.positive_ids, self.positive_ids, negatives])",
        "tests/test_data_columns.py -k carry_numbers",
    ),
    Mutant(
        "data-mask-inverted",
        "python/hardmine/data/collator.py",
        '"negative_mask": torch.from_numpy(mask)',
        '"negative_mask": torch.from_numpy(~mask)',
        "tests/test_data.py",
    ),
    Mutant(
        "data-exclusions-forgotten",
        "python/hardmine/data/collator.py",
        "    banned[rows[there], document[there]] = True\n",
        "",
        "tests/test_data.py",
    ),
    Mutant(
        "draw-samplers-shuffle-alike",
        "python/hardmine/data/samplers.py",
        "self.epoch, self._word]",
        "self.epoch, 2]",
        "tests/test_noise.py",
    ),
    Mutant(
        "data-stream-counts-the-epoch-before",
        "python/hardmine/data/streaming.py",
        "self._done[1] if self._done[0] == epoch else 0",
        "self._done[1]",
        "tests/test_data_batches.py",
    ),
    Mutant(
        "data-run-of-another-collection",
        "python/hardmine/data/_parts.py",
        "        collection._refuse_foreign(candidates)\n",
        "",
        "tests/test_mine.py -k another_collection",
    ),
]
