"""Files that others read and write, as methods of the runs in them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from hardmine.nouns.candidates import Candidates
    from hardmine.nouns.collection import Collection


class RunFiles:
    """`Candidates.read` and `Candidates.write`."""

    __slots__ = ()

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        format: str | None = None,  # noqa: A002
        *,
        collection: Collection | None = None,
        unknown: str = "error",
        teacher: str | None = None,
    ) -> Candidates:
        """Read a run that something else made: a search engine, faiss, another library; see `hardmine.formats`.

        Parameters
        ----------
        path : path-like
            The file (or folder); .gz and .zst are unpacked where the format is text.
        format : str, optional
            One of ``hardmine.formats.names_of("run", "reads")``, such as "trec-run"; by default what the path says.
        collection : Collection, optional
            What the ids are ids of. The result has a list for each of its queries, empty where the file has none, and
            the scores of its positives where the run has all of them. Without it the queries and documents are those
            of the file, numbered as they appear.
        unknown : {"error", "drop"}
            What to do with candidates whose query or document the collection does not have. Those that are dropped are
            counted in ``metadata``.
        teacher : str, optional
            Who scored; by default what the file says, or else its name.

        Returns
        -------
        Candidates
            Best first, equal scores by lower index, whatever the order of the file.

        Raises
        ------
        hardmine.formats.FormatError
            A ValueError that names file, line, field, what came and what was wanted: also for NaN, and for a document
            that comes twice for one query.
        TypeError, ValueError, OSError
            An argument is of another kind, the format is unknown, or the file cannot be read.
        """
        from hardmine.formats.access import read_run  # an arrow that runs up: readers are known by name

        return read_run(path, format, collection=collection, unknown=unknown, teacher=teacher)

    def write(
        self,
        path: str | os.PathLike[str],
        format: str | None = None,  # noqa: A002
        *,
        collection: Collection | None = None,
    ) -> None:
        """Write the run for something else to read, whole or not at all; `save` keeps all that is in it.

        Parameters
        ----------
        path : path-like
            The file; .gz and .zst are packed where the format is text.
        format : str, optional
            One of ``hardmine.formats.names_of("run", "writes")``, such as "trec-run"; by default what the path says.
        collection : Collection, optional
            Gives the ids where the run has none itself; without either they are the numbers.

        Raises
        ------
        TypeError, ValueError, OSError
            The format cannot hold an id, the collection is another or none, or the file cannot be written.
        """
        from hardmine.formats.access import write_run

        write_run(path, cast("Candidates", self), format, collection=collection)
