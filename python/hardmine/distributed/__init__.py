"""Past one machine: the same candidates and negatives from any number of shards of the documents, on Ray."""

from hardmine.distributed.embedding import embed
from hardmine.distributed.jobs import mine, retrieve
from hardmine.distributed.writing import write

__all__ = ["embed", "mine", "retrieve", "write"]
