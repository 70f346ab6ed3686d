"""Past one machine: the same candidates and negatives from any number of shards of the documents, on Ray."""

from hardmine.distributed.embedding import embed, embed_dataset
from hardmine.distributed.jobs import mine, retrieve
from hardmine.distributed.writing import write

__all__ = ["embed", "embed_dataset", "mine", "retrieve", "write"]
