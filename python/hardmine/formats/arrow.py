"""Arrow for the modules of training rows, or one line that says which extra brings it."""

from __future__ import annotations

from hardmine.plumbing.extras import need

need("pyarrow", what="reading and writing training rows", extra="mine")

import pyarrow as pa  # noqa: E402
import pyarrow.compute as compute  # noqa: E402

__all__ = ["compute", "pa"]
