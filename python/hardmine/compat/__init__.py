"""Drop-in names of other tools: their signatures, columns and messages over hardmine's search and selection."""

from hardmine.compat import sentence_transformers

__all__ = ["sentence_transformers"]
