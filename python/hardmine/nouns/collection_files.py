"""Files that hold collections, as methods of what they hold."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from hardmine.plumbing.progress import Reporting

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
        progress: Reporting = False,
    ) -> Collection:
        r"""Read a collection from disk.

        Parameters
        ----------
        path : path-like
            A BEIR folder (corpus.jsonl, queries.jsonl, qrels/\*.tsv), or a jsonl, parquet, csv or tsv file whose rows
            hold a query and its positives: a string or a list of strings under ``positive``, ``positives``, ``pos``,
            ``answer``, ``document``, ``passage``, ``positive_1`` ..., or ids of `corpus` under ``positive_id`` or
            ``positive_ids``. The query is under ``query``, ``anchor``, ``question`` or ``query_text``. Or a folder of
            MS MARCO or of ``save_to_disk``, judgements of trec_eval, and training rows; docs/formats.md has them all.
            Or, with ``format="docstrings"``, a folder of Python sources, such as ``sysconfig.get_path("stdlib")``: a
            query is the first line of a function's docstring, its document the function's source without it.
        format : str, optional
            One of ``hardmine.formats.READ``; taken from the path where it is not given and the path tells.
        corpus : path-like, optional
            For a file of pairs: the same layouts, with ``text``, optional ``title`` and id. Positives whose text is not
            in it are added. Without it the corpus is the positives of all queries.
        split : str, optional
            For a folder with several: which judgements. Without it train if there is one, else dev, else test.
        ignore_identical_ids : bool
            Never retrieve a document for the query that has the same id.
        progress : bool or callable
            As in `hardmine.retrieve`; in bytes of the files as they lie on the disk, or in files ("docstrings").
            Folders of other layouts than BEIR's show none.

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

    @classmethod
    def from_dataset(
        cls,
        dataset: Any,
        *,
        corpus: Any = None,
        split: str | None = None,
        query_column: str | None = None,
        positive_column: str | Sequence[str] | None = None,
        query_id_column: str | None = None,
        keep_columns: Sequence[str] = (),
        ignore_identical_ids: bool = False,
    ) -> Collection:
        """Build a collection from a table of Hugging Face's ``datasets``: its Arrow data are used as they lie.

        Parameters
        ----------
        dataset : datasets.Dataset or DatasetDict, pyarrow.Table, path of a folder that save_to_disk wrote, or mapping
            Rows of a query and its positives, in columns named as in `read`; or, as a mapping (or a folder of folders)
            with ``corpus``, ``queries`` and ``default``, the three tables of BEIR on the hub.
        corpus : the same, optional
            Documents with ``text``, optional ``title`` and id. Positives whose text is not in it are added.
        split : str, optional
            Which split of a dictionary of them, or of the judgements; by default train, else dev, validation or test,
            or the only one.
        query_column, query_id_column : str, optional
            What the query and its id are called; by default the first of the names that `read` knows.
        positive_column : str or sequence of str, optional
            Columns of positives, strings or lists of strings.
        keep_columns : sequence of str
            Further columns that are kept, in ``queries`` or ``documents`` of the collection. Rows with the same query
            become one with the values of the first.
        ignore_identical_ids : bool
            Never retrieve a document for the query that has the same id.

        Raises
        ------
        hardmine.formats.FormatError
            A ValueError that names table, row, column, what came and what was wanted.

        Examples
        --------
        >>> import hardmine as hm, pyarrow as pa
        >>> table = pa.table({"anchor": ["a", "b", "a"], "positive": ["c", "d", "e"], "language": ["en", "de", "fr"]})
        >>> collection = hm.Collection.from_dataset(table, keep_columns=["language"])
        >>> collection, collection.queries["language"].to_pylist()
        (Collection(2 queries, 3 documents, 3 positives), ['en', 'de'])
        """
        from hardmine.formats.hub import from_dataset

        return from_dataset(
            dataset, corpus=corpus, split=split, query_column=query_column, positive_column=positive_column,
            query_id_column=query_id_column, keep_columns=keep_columns, ignore_identical_ids=ignore_identical_ids,
        )  # fmt: skip

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
