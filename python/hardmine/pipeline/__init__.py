"""From texts to training rows: a teacher bound to a collection, retrieval, mining."""
