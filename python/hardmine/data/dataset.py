"""A map-style dataset whose negatives are drawn when a batch is asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from hardmine.data import _parts
from hardmine.data._parts import Parts
from hardmine.data.batch import COLUMNS, NegativeBatch
from hardmine.nouns.candidates import Candidates
from hardmine.nouns.frozen import FrozenDict
from hardmine.nouns.positives import Positives
from hardmine.plumbing import checks
from hardmine.plumbing.threads import thread_count
from hardmine.primitives.draw import draw_from_lists
from hardmine.primitives.select import BatchSelection
from hardmine.rules.draws import Weighted
from hardmine.rules.selection import Selection

if TYPE_CHECKING:
    import datasets

    from hardmine.nouns.collection import Collection

_Ints = npt.NDArray[np.int64]
_Chosen = tuple[_Ints, _Ints, npt.NDArray[np.float32], npt.NDArray[np.bool_]]
"""Offsets, ids, scores and filled of negatives."""
_BLOCK = 16_384
"""Items that are looked at together where all have to be."""


class NegativeDataset(torch.utils.data.Dataset[dict[str, Any]]):  # type: ignore[misc]
    """Training items with hard negatives that are drawn afresh every epoch from a stored run.

    An item is a query with one positive and its negatives, or, with ``which_positive="each"``, a (query, positive) pair
    with its negatives. A batch is one call of `select` on the rows of the batch, so an item's negatives are what
    `select` gives for the whole run: a function of (seed, epoch, query), whatever the batch, worker, rank or start
    method.

    Parameters
    ----------
    collection : Collection or (query texts, document texts)
        Texts. A `Collection` also brings the positives, the text groups and the exclusion of identical ids; each can be
        overridden below.
    candidates : Candidates
        A stored run: one list per query, best first. Mapped runs (`Candidates.load`) stay mapped.
    selection : Selection
        Which candidates, how many, how drawn.
    positives : Positives, optional
        Labelled positives with their scores; needed without a `Collection`.
    which_positive : {"sample", "first", "each"}, optional
        What a query with several positives shows: one of them drawn each epoch (a function of seed, epoch and query),
        always its first, or every one as an item of its own. Default: "each" where the selection has
        ``positive_agg="each"``, else "sample".
    document_groups : integers [num_documents], optional
        Same number, same text: documents with the text of a positive are never its negatives.
    exclude : (offsets, ids) or sequence of id sequences, optional
        Further documents per query that are never negatives.
    query_keys, document_keys : 64-bit integers [num_queries], [num_documents], optional
        Stable noise keys in place of the indices.
    columns : {"all", "ids", "sentence-transformers"}
        What an item holds. "all": ``query``, ``positive``, ``negatives`` (texts) and everything under "ids":
        ``query_id``, ``positive_id``, ``negative_ids``, ``positive_score``, ``negative_scores``, ``filled``,
        ``excluded_ids``, ``positive_group``, ``negative_groups``. "sentence-transformers": the texts alone, as
        ``anchor``, ``positive``, ``negative_1``, ...
    num_threads : int, optional
        Threads of a batch; the result does not depend on them. Default: one inside a DataLoader worker.

    Raises
    ------
    TypeError, ValueError
        Parts do not fit each other, a query lacks a positive or score that the selection needs, or an item is short
        under ``on_shortage="error"``. The message names the argument.

    Notes
    -----
    How many negatives are admissible does not depend on the epoch, so ``len`` never changes. ``on_shortage="keep"``
    gives ragged items, which `HardNegativeCollator` masks; "drop" leaves short items out, "error" refuses them, both
    when the dataset is made; "fill" adds random documents, flagged in ``filled``. Columns for sentence-transformers
    need all their negatives: short items are left out there under "keep" too. Where the item's positive is sampled and
    sets the ceiling alone (``positive_agg="each"``), an item stays if it is long enough with every positive. Queries
    without a positive make no item. `left_out` counts both.

    With ``positive_agg="each"`` the ceiling of an item is that of the positive it shows.

    Workers: the epoch lives in shared memory, so `set_epoch` reaches persistent workers. Call it between epochs, before
    ``iter(loader)``. A dataset that was loaded from a file pickles as its path, and its workers map that file; one that
    was made in memory pickles with all its data under spawn and forkserver (not under fork): `save` and `load` it
    first. The draws `Popularity` and noise by `document_keys` look at all documents in each batch.

    Examples
    --------
    >>> import hardmine as hm
    >>> texts = ["red"], ["red", "rose", "ruby", "rust", "sky"]
    >>> run = hm.Candidates([0, 4], [1, 2, 3, 4], [0.8, 0.7, 0.6, 0.1])
    >>> rule = hm.Selection(2, ceiling=hm.NoCeiling(), draw=hm.Uniform())
    >>> dataset = hm.data.NegativeDataset(texts, run, rule, positives=hm.Positives.from_lists([[0]]))
    >>> dataset[0]["query"], dataset[0]["positive"]
    ('red', 'red')
    >>> for epoch in range(3):
    ...     dataset.set_epoch(epoch)
    ...     print(dataset[0]["negatives"])
    ['rose', 'sky']
    ['ruby', 'sky']
    ['ruby', 'rust']
    """

    def __init__(
        self,
        collection: Collection | tuple[Sequence[str], Sequence[str]],
        candidates: Candidates,
        selection: Selection,
        *,
        positives: Positives | None = None,
        which_positive: str | None = None,
        document_groups: npt.ArrayLike | None = None,
        exclude: Any = None,
        query_keys: npt.ArrayLike | None = None,
        document_keys: npt.ArrayLike | None = None,
        columns: str = "all",
        num_threads: int | None = None,
    ) -> None:
        checks.choice("columns", columns, COLUMNS)
        parts = _parts.gather(
            collection,
            candidates,
            selection,
            positives=positives,
            which_positive=which_positive,
            document_groups=document_groups,
            exclude=exclude,
            query_keys=query_keys,
            document_keys=document_keys,
            columns=columns,
        )
        self._share_epoch(_shared_epoch(0))
        self._file: tuple[str, _parts.Stamp] | None = None
        self._new_items: _Ints | None = None
        self._bind(parts, num_threads)
        self._choose_items()

    # Making

    def _bind(self, parts: Parts, num_threads: int | None) -> None:
        """Take up the parts. Cheap: nothing is read but what a batch needs."""
        if num_threads is not None:
            thread_count(num_threads)
        arrays, settings = parts.arrays, parts.settings
        self._parts, self._num_threads = parts, num_threads
        self._resolved: tuple[int, int] | None = None
        self._run = _parts.run_of(parts)
        self._positives = Positives._checked(
            arrays["positives.offsets"], arrays["positives.ids"], arrays.get("positives.scores")
        )
        self._queries, self._documents = parts.table("queries"), parts.table("documents")
        self._columns: str = settings["columns"]
        self._which: str = settings["which_positive"]
        self._log_weights = arrays.get("log_weights")
        self._rule = _parts.selection_of(parts)
        self._own_positive = self._rule.positive_agg == "each"
        # One row of the batch's call has one positive where that sets the ceiling alone; items are short or not for
        # good.
        batch_rule = self._rule.replace(
            positive_agg="min" if self._own_positive else self._rule.positive_agg,
            on_shortage="fill" if self._rule.on_shortage == "fill" else "keep",
        )
        keys = arrays.get("document_keys")
        self._document_keys = None if keys is None else keys.astype(np.uint64, copy=False)
        self._batch_selection = BatchSelection(
            self._run,
            batch_rule,
            log_weights=self._log_weights,
            document_keys=self._document_keys,
            num_documents=len(self._documents),
            above=arrays.get("above"),
        )
        self._has_exclusions = "excluded.ids" in arrays
        union = ("excluded.offsets", "excluded.ids") if self._has_exclusions else ("positives.offsets", "positives.ids")
        scores = None if self._has_exclusions else self._positives.scores
        self._excluded = Positives._checked(arrays[union[0]], arrays[union[1]], scores)
        self._items: _Ints | None = arrays.get("items")
        self._single = self._items is None and self._positives.ids.size == len(self._run)
        """Every query has exactly one positive."""

    def _choose_items(self) -> None:
        """Leave out what makes no item: no positive, or short where that is not wanted."""
        each = self._which == "each"
        units = np.arange(self._positives.ids.size if each else len(self._run))
        left_out: dict[str, int] = {}
        lacking = np.diff(self._positives.offsets) == 0
        if lacking.any():
            left_out["without_positive"] = int(lacking.sum())
            units = units if each else units[~lacking]
        if self._rule.on_shortage in ("drop", "error") or self._columns == "sentence-transformers":
            full = self._are_full(units)
            if not full.all():
                self._refuse_short(units[~full])
                left_out["short"] = int((~full).sum())
                units = units[full]
        if left_out:
            self._new_items = units
            arrays = {**self._parts.arrays, "items": units}
            self._bind(Parts(arrays, {**self._parts.settings, "left_out": left_out}), self._num_threads)

    def _are_full(self, units: _Ints) -> npt.NDArray[np.bool_]:
        full = np.empty(units.size, dtype=np.bool_)
        for start in range(0, units.size, _BLOCK):
            block = units[start : start + _BLOCK]
            queries, shown = self._queries_of(block), None
            owner = np.arange(block.size)
            if self._own_positive and self._which == "sample":
                counts = self._positives.offsets[queries + 1] - self._positives.offsets[queries]
                owner = np.repeat(owner, counts)
                within = np.arange(owner.size) - np.repeat(np.cumsum(counts) - counts, counts)
                queries = queries[owner]
                shown = self._positives.offsets[queries] + within
            elif self._which == "each":
                shown = block
            else:
                shown = self._positives.offsets[queries]
            short = np.diff(self._select(queries, shown, 0)[0][0]) < self._rule.num_negatives
            full[start : start + block.size] = np.bincount(owner, weights=short, minlength=block.size) == 0
        return full

    def _refuse_short(self, units: _Ints) -> None:
        if self._rule.on_shortage == "error":
            query = int(self._queries_of(units[:1])[0])
            raise ValueError(
                f"candidates: query {query} has fewer than {self._rule.num_negatives} admissible negatives, "
                f"and so have {units.size - 1} more items; on_shortage='keep', 'drop' or 'fill' takes them"
            )

    # Epochs

    def _share_epoch(self, epoch: torch.Tensor) -> None:
        self._epoch_tensor: torch.Tensor = epoch
        self._epoch: _Ints = epoch.numpy()  # the same memory, read without the cost of a tensor

    @property
    def epoch(self) -> int:
        """Epoch of the draws, shared by all workers of this dataset."""
        return int(self._epoch[0])

    def set_epoch(self, epoch: int) -> None:
        """Give fresh draws: to be called before each epoch, in the main process; every worker sees it.

        Parameters
        ----------
        epoch : int
            At least 0. The same epoch gives the same draws.
        """
        self._epoch[0] = checks.integer("epoch", epoch)

    # Reading

    @property
    def selection(self) -> Selection:
        """What chooses the negatives."""
        if self._log_weights is None:
            return self._rule
        return self._rule.replace(draw=_parts.with_law(self._rule.draw, Weighted(self._log_weights)))

    @property
    def columns(self) -> str:
        """What an item holds."""
        return self._columns

    @property
    def num_documents(self) -> int:
        """Number of documents of the collection."""
        return len(self._documents)

    @property
    def num_queries(self) -> int:
        """Number of queries of the run, those included that make no item."""
        return len(self._run)

    def shown(self, epoch: int | None = None) -> tuple[_Ints, _Ints, _Ints]:
        """What every item shows in an epoch, without its texts: for whoever plans batches.

        Parameters
        ----------
        epoch : int, optional
            Default: the epoch that is set.

        Returns
        -------
        query_ids, positive_ids, positive_groups : int64 [len]
            Groups are the document indices where the dataset knows none.
        """
        epoch = self.epoch if epoch is None else checks.integer("epoch", epoch)
        units = np.arange(len(self)) if self._items is None else self._items
        queries = self._queries_of(units)
        positives = self._positives.ids[self._shown(units, queries, epoch)]
        groups = self._parts.arrays.get("groups")
        return queries, positives, positives if groups is None else groups[positives]

    @property
    def left_out(self) -> Mapping[str, int]:
        """How many queries (or pairs) make no item, by reason: ``without_positive``, ``short``."""
        return FrozenDict(self._parts.settings["left_out"])

    def __len__(self) -> int:
        if self._items is not None:
            return int(self._items.size)
        return int(self._positives.ids.size) if self._which == "each" else len(self._run)

    def __getitem__(self, index: int) -> dict[str, Any]:
        index = checks.integer("index", index, minimum=-(2**63))
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} of a dataset of {len(self)} items")
        return self.__getitems__([index % len(self)])[0]

    def __getitems__(self, indices: Sequence[int] | _Ints) -> NegativeBatch:
        """The items of a batch, drawn by one call.

        Parameters
        ----------
        indices : integers [b]
            Items, at least 0; one may occur several times.

        Returns
        -------
        NegativeBatch
            A sequence of the items.

        Raises
        ------
        IndexError
            An index is out of range.
        """
        at = checks.int64_vector("indices", indices)
        if at.size and (int(at.min()) < 0 or int(at.max()) >= len(self)):
            wrong = int(at[(at < 0) | (at >= len(self))][0])
            raise IndexError(f"index {wrong} of a dataset of {len(self)} items")
        units = at if self._items is None else self._items[at]
        epoch = self.epoch
        queries = self._queries_of(units)
        shown = self._shown(units, queries, epoch)
        chosen, excluded = self._select(queries, shown, epoch)
        return self._batch(queries, shown, chosen, excluded)

    def _queries_of(self, units: _Ints) -> _Ints:
        if self._which != "each":
            return units
        return np.searchsorted(self._positives.offsets, units, side="right") - 1

    def _shown(self, units: _Ints, queries: _Ints, epoch: int) -> _Ints:
        """Position of the positive that each item shows."""
        if self._which == "each":
            return units
        if self._single:
            return queries
        offsets = self._positives.offsets
        shown = offsets[queries]
        if self._which == "sample":
            several = np.flatnonzero(offsets[queries + 1] - shown > 1)
            if several.size:
                shown[several] += self._sampled(queries[several], epoch)
        return shown

    def _sampled(self, queries: _Ints, epoch: int) -> _Ints:
        """Place of one positive of each query, uniformly."""
        labels = self._positives.take(queries)
        keys = labels.ids if self._document_keys is None else self._document_keys[labels.ids].view(np.int64)
        drawn = draw_from_lists(
            "positives", labels.offsets, keys, 1, seed=self._rule.seed, epoch=epoch, row_keys=self._keys(queries),
            num_threads=self._threads,
        )  # fmt: skip
        return drawn["positions"] - labels.offsets[:-1]

    @property
    def _threads(self) -> int:
        """Threads of a call. Asked of the system once in each process: a worker has another answer."""
        process = os.getpid()
        if self._resolved is None or self._resolved[0] != process:
            self._resolved = process, thread_count(self._num_threads)
        return self._resolved[1]

    def _keys(self, queries: _Ints) -> npt.NDArray[np.uint64]:
        keys = self._parts.arrays.get("query_keys")
        return (queries if keys is None else keys[queries]).astype(np.uint64, copy=False)

    def _select(self, queries: _Ints, shown: _Ints, epoch: int) -> tuple[_Chosen, Positives]:
        """Negatives of rows that show the positives at `shown`, and what is excluded for each."""
        excluded = self._excluded.take(queries)
        if self._own_positive:
            scores = self._positives.scores
            labels = Positives._checked(
                np.arange(queries.size + 1),
                self._positives.ids[shown],
                None if scores is None else scores[shown],
            )
        else:
            labels = self._positives.take(queries) if self._has_exclusions else excluded
        chosen = self._batch_selection.select(
            queries,
            labels,
            epoch=epoch,
            query_keys=self._keys(queries),
            exclude=(excluded.offsets, excluded.ids) if self._has_exclusions or self._own_positive else None,
            num_threads=self._threads,
        )
        return chosen, excluded

    def _batch(self, queries: _Ints, shown: _Ints, chosen: _Chosen, excluded: Positives) -> NegativeBatch:
        offsets, ids, negative_scores, filled = chosen
        positive_ids, scores = self._positives.ids[shown], self._positives.scores
        groups = self._parts.arrays.get("groups")
        texts: list[list[str] | None] = [None, None, None]
        if self._columns != "ids":
            found = self._documents.take(np.concatenate([positive_ids, ids]))
            texts = [self._queries.take(queries), found[: queries.size], found[queries.size :]]
        return NegativeBatch(
            columns=self._columns,
            query_ids=queries,
            positive_ids=positive_ids,
            positive_scores=np.full(queries.size, np.nan, np.float32) if scores is None else scores[shown],
            offsets=offsets,
            negative_ids=ids,
            negative_scores=negative_scores,
            filled=filled,
            excluded_offsets=excluded.offsets,
            excluded_ids=excluded.ids,
            positive_groups=positive_ids if groups is None else groups[positive_ids],
            negative_groups=ids if groups is None else groups[ids],
            queries=texts[0],
            positives=texts[1],
            negatives=texts[2],
        )

    def to_datasets(self, items: npt.ArrayLike | None = None, *, ids: bool = False) -> datasets.Dataset:
        """Give the items as a `datasets.Dataset`, for trainers that insist on one.

        Rows are drawn when they are asked for, with fresh negatives each epoch: the trainer's ``set_epoch`` reaches
        this dataset. What its ``select`` or ``shuffle`` returns draws afresh too, but does not pass ``set_epoch`` on.

        Parameters
        ----------
        items : integers [n], optional
            Which items, in which order. Default: all.
        ids : bool
            Add a column ``label`` of int64 [2 + num_negatives]: the numbers of the query, the positive and the
            negatives. sentence-transformers hands it to the loss as ``labels``, which can look up there what a teacher
            says of them.

        Raises
        ------
        ValueError
            The dataset was not made with ``columns="sentence-transformers"``, or its selection asks for more negatives
            than a table has columns for.
        ModuleNotFoundError
            The package datasets is missing.
        """
        if self._columns != "sentence-transformers":
            raise ValueError(f"columns: {self._columns!r}, expected 'sentence-transformers' for a trainer")
        checks.n_tuple(self._rule.num_negatives)
        ids = checks.boolean("ids", ids)
        from hardmine.plumbing.extras import need

        need("datasets", what="NegativeDataset.to_datasets", extra="torch")
        from hardmine.data._trainer import FreshDataset

        wanted = np.arange(len(self)) if items is None else checks.int64_vector("items", items)
        return FreshDataset.of(self, wanted, ids=ids)

    # Files and workers

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one memory-mappable file (safetensors layout, no pickle), whole or not at all.

        Parameters
        ----------
        path : path-like
            The file; its folder must exist.
        """
        self._parts.save(path)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, columns: str | None = None, num_threads: int | None = None
    ) -> NegativeDataset:
        """Map a file written by `save`, at epoch 0.

        Parameters
        ----------
        path : path-like
        columns : str, optional
            Other columns than the dataset was saved with.
        num_threads : int, optional
            As for the constructor.

        Raises
        ------
        ValueError
            The file is truncated, malformed or of another kind.
        """
        self = cls.__new__(cls)
        self._share_epoch(_shared_epoch(0))
        self._new_items = None
        path = os.path.abspath(path)  # noqa: PTH100 - a worker may have another working folder
        self._file = (path, _parts.stamp_of(path))
        parts = _parts.load(path)
        saved = parts.settings["columns"]
        if columns is not None:
            checks.choice("columns", columns, COLUMNS)
            parts = Parts(parts.arrays, {**parts.settings, "columns": columns})
        self._bind(parts, num_threads)
        if self._columns == "sentence-transformers" != saved:
            self._choose_items()
        return self

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = {"epoch": self._epoch_tensor, "num_threads": self._num_threads}
        if self._file is None:
            return {**state, "parts": tuple(self._parts)}
        return {**state, "file": self._file, "settings": self._parts.settings, "items": self._new_items}

    def __setstate__(self, state: dict[str, Any]) -> None:
        epoch: torch.Tensor = state["epoch"]
        self._share_epoch(epoch if epoch.is_shared() else _shared_epoch(int(epoch[0])))
        self._file, self._new_items = state.get("file"), None
        if self._file is None:
            parts = Parts(*state["parts"])
        else:
            arrays, _ = _parts.reopen(*self._file)
            self._new_items = state["items"]
            if self._new_items is not None:
                arrays["items"] = self._new_items
            parts = Parts(arrays, state["settings"])
        self._bind(parts, state["num_threads"])

    def __repr__(self) -> str:
        unit = "pairs" if self._which == "each" else "queries"
        where = "in memory" if self._file is None else os.path.basename(self._file[0])  # noqa: PTH119
        left_out = "".join(f", {count} {reason}" for reason, count in self.left_out.items())
        return (
            f"NegativeDataset({len(self)} {unit}, {self._rule.num_negatives} negatives each, epoch {self.epoch}, "
            f"{where}{left_out})"
        )


def _shared_epoch(epoch: int) -> torch.Tensor:
    """A number that all workers see: a tensor in shared memory passes to workers of every start method."""
    return torch.tensor([epoch], dtype=torch.int64).share_memory_()
