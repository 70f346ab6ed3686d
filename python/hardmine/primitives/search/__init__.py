"""From embeddings to candidates."""
