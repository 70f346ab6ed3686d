"""Runs as hardmine saves them: `Candidates.save`, one file that is mapped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hardmine.nouns.candidates import Candidates

if TYPE_CHECKING:
    from hardmine.formats.run_parts import Asked
    from hardmine.nouns.collection import Collection


def read_run(path: Path, *, format: str, asked: Asked) -> Candidates:  # noqa: A002, ARG001
    """Map a run; one of another collection is refused."""
    run = Candidates.load(path)
    if asked.collection is not None:
        asked.collection._refuse_foreign(run)
    return run if asked.teacher is None else run.replace(metadata={**run.metadata, "teacher": asked.teacher})


def write_run(path: Path, run: Candidates, *, format: str, collection: Collection | None) -> None:  # noqa: A002, ARG001
    """Save a run, with the names of a collection where it has none."""
    if collection is not None:
        collection._refuse_foreign(run)
        run = run.replace(query_ids=collection.query_ids, document_ids=collection.document_ids)
    run.save(path)


def is_saved(path: Path, kind: str = "candidates") -> bool:
    """Whether a file begins as one of ours does: candidates, or negatives."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(200)[8:].startswith(f'{{"__metadata__":{{"hardmine":"{kind}"'.encode())
