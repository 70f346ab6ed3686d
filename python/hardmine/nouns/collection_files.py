"""Files that hold collections, as methods of what they hold."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from hardmine.nouns.collection import Collection


class CollectionFiles:
    """`Collection.read`, `Collection.write` and `Collection.from_dataset`."""

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        format: str | None = None,  # noqa: A002
        *,
        corpus: str | os.PathLike[str] | None = None,
        split: str | None = None,
        ignore_identical_ids: bool = False,
        progress: bool = False,
    ) -> Collection:
        r"""Read a collection from disk.

        Parameters
        ----------
        path : path-like
            A BEIR folder (corpus.jsonl, queries.jsonl, qrels/\*.tsv), or a jsonl or parquet file whose rows hold a
            query and its positives: a string or a list of strings under ``positive``, ``positives``, ``pos``,
            ``answer``, ``document``, ``passage``, ``positive_1`` ..., or ids of `corpus` under ``positive_id`` or
            ``positive_ids``. The query is under ``query``, ``anchor``, ``question`` or ``query_text``. Or, with
            ``format="docstrings"``, a folder of Python sources, such as ``sysconfig.get_path("stdlib")``: a query is
            the first line of a function's docstring, its document the function's source without the docstring.
        format : {"beir", "jsonl", "parquet", "docstrings"}, optional
            Taken from the path where it is not given; "docstrings" never is.
        corpus : path-like, optional
            For a file of pairs: jsonl or parquet with ``text``, optional ``title`` and id. Positives whose text is not
            in it are added. Without it the corpus is the positives of all queries.
        split : str, optional
            For a BEIR folder: which judgements. Without it train if there is one, else dev, else test.
        ignore_identical_ids : bool
            Never retrieve a document for the query that has the same id.
        progress : bool
            Show progress on standard error, where the format knows how far it is ("docstrings").

        Returns
        -------
        Collection
            Queries in the order of the file; those without a positive are left out and counted in ``counts``. Pairs
            with the same query text become one query with several positives.

        Raises
        ------
        hardmine.formats.FormatError
            A ValueError that names file, line, field, what came and what was wanted.
        FileNotFoundError
            A file is not there.
        """
        from hardmine.formats.access import read  # an arrow that runs up: readers are known by name

        return read(
            path, format, corpus=corpus, split=split, progress=progress, ignore_identical_ids=ignore_identical_ids
        )

    def write(self, path: str | os.PathLike[str], format: str | None = None) -> None:  # noqa: A002
        """Write the collection for something else to read, whole or not at all.

        Parameters
        ----------
        path : path-like
            The file or folder.
        format : str, optional
            One of ``hardmine.formats.names_of("collection", "writes")``, such as "beir"; by default what the path says.

        Raises
        ------
        ValueError, OSError
            The format cannot hold the collection, or the file cannot be written.
        """
        from hardmine.formats.access import write_collection

        write_collection(path, cast("Collection", self), format)
