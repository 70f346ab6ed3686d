"""The nouns that travel between the rooms: strings, positives, candidates, negatives, collections."""
