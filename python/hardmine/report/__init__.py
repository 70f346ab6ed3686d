"""What a run did, as facts and as text to read."""
