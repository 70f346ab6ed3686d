"""What sentence-transformers calls by the same names, exact, seeded and faster."""

from hardmine.compat.sentence_transformers.mine import mine_hard_negatives

__all__ = ["mine_hard_negatives"]
