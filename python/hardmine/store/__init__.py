"""What survives a run that ends too early: embeddings and candidates in checked shards, by what they were made of."""
