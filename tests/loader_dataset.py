"""A dataset whose items call the core, importable by the workers of every start method."""

import numpy as np
from torch.utils.data import Dataset

import hardmine as hm
from hardmine.plumbing.threads import thread_count


class TopkDataset(Dataset):
    """Item i: the best three of a fixed row rolled by i, and the number of threads a worker takes by default."""

    def __init__(self):
        self.row = np.random.default_rng(0).standard_normal(20_000).astype(np.float32)

    def __len__(self):
        return 8

    def __getitem__(self, index):
        scores = np.stack([np.roll(self.row, index)] * 64)
        found = hm.topk(scores, 3, num_threads=2 if index % 2 else None)
        return found.padded()[0], thread_count(None)
