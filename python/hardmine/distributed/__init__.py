"""Past one machine: the same candidates and negatives from any number of shards of the documents."""
