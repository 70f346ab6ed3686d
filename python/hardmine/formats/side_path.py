"""Where the side file of training rows lies."""

from __future__ import annotations

from pathlib import Path

from hardmine.plumbing.files import compression, stem, suffix

_LAYOUTS = (".jsonl", ".ndjson", ".parquet")


def provenance_path(path: Path) -> Path:
    """Name of the side file of a training file; jsonl where the layout of the rows has no lists or is one document."""
    packing = path.suffix if compression(path) else ""
    plain = path.with_suffix("") if packing else path
    layout = plain.suffix if suffix(path) in _LAYOUTS else ".jsonl"
    return path.with_name(f"{stem(path)}.provenance{layout}{packing}")
