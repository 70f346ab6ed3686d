"""Training loops: fresh negatives from a stored run, every epoch, inside a PyTorch data loader."""

from __future__ import annotations

from hardmine.plumbing.extras import need

need("torch", what="hardmine.data", extra="torch")

from hardmine.data.batch import NegativeBatch  # noqa: E402
from hardmine.data.collator import HardNegativeCollator  # noqa: E402
from hardmine.data.dataset import NegativeDataset  # noqa: E402
from hardmine.data.samplers import NoDuplicatesBatchSampler, SameClusterBatchSampler  # noqa: E402
from hardmine.data.streaming import StreamingNegativeDataset  # noqa: E402

__all__ = [
    "HardNegativeCollator",
    "NegativeBatch",
    "NegativeDataset",
    "NoDuplicatesBatchSampler",
    "SameClusterBatchSampler",
    "StreamingNegativeDataset",
]
