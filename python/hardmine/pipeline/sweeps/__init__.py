"""The parts of a sweep: its grid, trials with hidden positives, measures, bounds, advice."""
