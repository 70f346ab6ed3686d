"""One short file for each system of the papers; `python -m examples.recipes` runs them all."""
