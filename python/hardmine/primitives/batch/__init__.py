"""Inside a training batch: masks and triplets."""
