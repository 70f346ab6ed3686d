"""Tables of Hugging Face's ``datasets``: objects in memory, and folders that ``save_to_disk`` wrote.

Their Arrow data are used as they lie, memory-mapped where they are. The layouts are pairs (a query and its positives in
a row), and that of BEIR on the hub: ``corpus``, ``queries`` and ``default``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.formats.errors import FormatError
from hardmine.formats.pairs import DOCUMENT_ID, DOCUMENT_TEXT, POSITIVE_ID, QUERY, QUERY_ID, is_positive
from hardmine.formats.rows import shorten
from hardmine.nouns import arrow
from hardmine.nouns.collection import Collection
from hardmine.nouns.tables import parts
from hardmine.nouns.text_pairs import Corpus, TextPairs, another_text, parts_of_columns
from hardmine.plumbing.extras import is_a, need

if TYPE_CHECKING:
    import pyarrow as pa

_SPLITS = ("train", "dev", "validation", "test")
_LABELS = ("default", "qrels")
_KINDS = "a datasets.Dataset or DatasetDict, a pyarrow.Table, a folder of save_to_disk, or a mapping of these"


def read_collection(path: Path, *, split: str | None = None, **options: Any) -> Collection:
    """Read a folder that ``save_to_disk`` wrote; see `from_dataset`."""
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such folder")
    return from_dataset(path, split=split, **options)


def from_dataset(
    dataset: Any,
    *,
    corpus: Any = None,
    split: str | None = None,
    query_column: str | None = None,
    positive_column: str | Sequence[str] | None = None,
    query_id_column: str | None = None,
    keep_columns: Sequence[str] = (),
    **options: Any,
) -> Collection:
    """See `hardmine.Collection.from_dataset`."""
    found = _opened("dataset", dataset)
    source = str(dataset) if isinstance(dataset, (str, Path)) else "dataset"
    if isinstance(found, Mapping) and {"corpus", "queries"} <= set(found):
        named = {"corpus": corpus, "query_column": query_column, "positive_column": positive_column}
        for name, value in named.items():
            if value is not None:
                raise ValueError(f"{name}: given, but the dataset has the layout of BEIR (corpus, queries, default)")
        return Collection(**_beir(found, split, tuple(keep_columns), source), **options)
    table = _one("dataset", found, split)
    documents = (
        None if corpus is None else _corpus(_one("corpus", _opened("corpus", corpus), None), tuple(keep_columns))
    )
    _refuse_absent(tuple(keep_columns), table, documents)
    wanted = ([] if query_column is None else [query_column], positive_column, query_id_column)
    pairs, names = _pairs(table, documents, wanted, tuple(keep_columns))
    at = another_text(pairs)
    if at is not None:
        assert pairs.query_ids is not None  # noqa: S101
        came = f"query id {pairs.query_ids[at].as_py()!r} has another text in an earlier row"
        raise _error("dataset", at, None, came, "one text per query id")
    return Collection(**parts_of_columns(pairs, documents, source=source, column_names=names), **options)


def _refuse_absent(keep: tuple[str, ...], table: pa.Table, corpus: Corpus | None) -> None:
    for name in keep:
        if name not in table.column_names and (corpus is None or name not in corpus.extra):
            found = shorten(", ".join(table.column_names))
            raise ValueError(f"keep_columns: {name!r}, expected columns of the dataset or the corpus ({found})")


def _error(name: str, row: int | None, column: str | None, came: str, wanted: str) -> FormatError:
    return FormatError(name, came, wanted, line=None if row is None else row + 1, field=column, unit="row")


def _opened(name: str, value: Any) -> Any:
    """A table, or a mapping of tables or of such mappings."""
    pa = need("pyarrow", what="hardmine.Collection", extra="mine")
    if isinstance(value, pa.Table):
        return value
    if isinstance(value, (str, Path)):
        return _folder(Path(value))
    if isinstance(value, Mapping):
        return {str(key): _opened(f"{name}[{key!r}]", part) for key, part in value.items()}
    if is_a(value, "datasets.arrow_dataset", "Dataset"):
        return value.with_format("arrow")[:]
    raise TypeError(f"{name}: {type(value).__name__}, expected {_KINDS}")


def _folder(path: Path) -> Any:
    """What a folder of ``save_to_disk`` holds, memory-mapped; a folder of such folders is a mapping."""
    if (path / "state.json").is_file():
        return _mapped(path)
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such folder")
    inner = sorted(
        part for part in path.iterdir() if (part / "state.json").is_file() or (part / "dataset_dict.json").is_file()
    )
    if not inner:
        raise FormatError(path, "no dataset", "a folder that save_to_disk wrote (state.json or dataset_dict.json)")
    return {part.name: _folder(part) for part in inner}


def _mapped(path: Path) -> pa.Table:
    pa = need("pyarrow", what="hardmine.Collection", extra="mine")
    ipc = need("pyarrow.ipc", what="hardmine.Collection", extra="mine")
    state = path / "state.json"
    try:
        files = [path / part["filename"] for part in json.loads(state.read_text(encoding="utf-8"))["_data_files"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FormatError(
            state, f"{type(error).__name__} ({shorten(error)})", "the state that save_to_disk wrote"
        ) from None
    tables = []
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(f"{file}: no such file, named by {state}")
        try:
            tables.append(ipc.open_stream(pa.memory_map(str(file))).read_all())
            tables[-1].validate(full=True)
        except Exception as error:  # Arrow raises all sorts for a broken file
            raise FormatError(file, f"unreadable ({shorten(error)})", "an Arrow file that datasets wrote") from None
    return pa.concat_tables(tables) if tables else pa.table({})


def _one(name: str, found: Any, split: str | None) -> pa.Table:
    """One table out of the splits."""
    if not isinstance(found, Mapping):
        if split is not None:
            raise ValueError(f"split: {split!r}, but the {name} has no splits")
        return _plain(found)
    names = ", ".join(found)
    if split is None:
        split = next((known for known in _SPLITS if known in found), next(iter(found)) if len(found) == 1 else None)
        if split is None:
            raise ValueError(f"split: missing, expected one of {names}")
    if split not in found:
        raise ValueError(f"split: {split!r}, expected one of {names}")
    return _one(name, found[split], None)


def _plain(table: pa.Table) -> pa.Table:
    """The table with strings in place of codes of a dictionary and of views, as other libraries hold categories."""
    pa = need("pyarrow", what="hardmine.Collection", extra="mine")
    for number, field in enumerate(table.schema):
        kind = _plain_type(pa, field.type)
        if kind is not None:
            table = table.set_column(number, field.name, table.column(number).cast(kind))
    return table


def _plain_type(pa: Any, kind: Any) -> Any:
    """What a column of this type is cast to; None for as it is."""
    if pa.types.is_dictionary(kind):
        return _plain_type(pa, kind.value_type) or kind.value_type
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = _plain_type(pa, kind.value_type)
        return None if inner is None else pa.large_list(inner)
    return None


def _beir(found: Mapping[str, Any], split: str | None, keep: tuple[str, ...], source: str) -> dict[str, Any]:
    corpus = _corpus(_one("corpus", found["corpus"], None), keep)
    table = _one("queries", found["queries"], None)
    _refuse_absent(keep, table, corpus)
    ids = _ids("queries", table, QUERY_ID)
    texts = _texts("queries", table, ("text", *QUERY))
    names = [name for name in _LABELS if name in found]
    if not names:
        raise ValueError(f"dataset: {', '.join(found)}, expected {' or '.join(_LABELS)} too, with the judgements")
    labels = _one("judgements", found[names[0]], split)
    scores = _column(names[0], labels, ("score",))
    relevant = np.nan_to_num(labels[scores].to_numpy().astype(np.float64)) > 0
    numbers = []
    for kind, columns, known in (
        ("query", ("query-id", "query_id"), ids),
        ("corpus", ("corpus-id", "corpus_id"), corpus.ids),
    ):
        name = _column(names[0], labels, columns)
        values = _strings(names[0], labels, name, is_id=True)
        number = arrow.places(values, known)
        missing = (number < 0) & (relevant if kind == "corpus" else True)
        if missing.any():
            at = int(missing.argmax())
            where = "queries" if kind == "query" else "corpus"
            raise _error(names[0], at, name, repr(shorten(values[at].as_py())), f"an id of {where}")
        numbers.append(number[relevant])
    if not relevant.any():
        raise FormatError(names[0], "no judgement with a score above 0", "at least one")
    extra = {name: arrow.flat(table[name]) for name in keep if name in table.column_names}
    documents = {"id": corpus.ids, "title": corpus.titles, "text": corpus.texts, **corpus.extra}
    not_relevant = int((~relevant).sum())
    return parts(
        {"id": ids, "text": texts, **extra}, documents, (numbers[0], numbers[1]), source=source,
        judged_not_relevant=not_relevant,
    )  # fmt: skip


def _corpus(table: pa.Table, keep: tuple[str, ...]) -> Corpus:
    if not table.num_rows:
        raise FormatError("corpus", "no documents", "at least one")
    has_ids = any(name in table.column_names for name in DOCUMENT_ID)
    ids = _ids("corpus", table, DOCUMENT_ID) if has_ids else arrow.digits(np.arange(table.num_rows))
    titles = arrow.constant("", table.num_rows)
    if "title" in table.column_names:
        compute = need("pyarrow.compute", what="hardmine.Collection", extra="mine")
        filled = compute.fill_null(table["title"], "") if table["title"].null_count else table["title"]
        titles = _strings("corpus", table.set_column(table.column_names.index("title"), "title", filled), "title")
    extra = {name: arrow.flat(table[name]) for name in keep if name in table.column_names}
    return Corpus(ids, titles, _texts("corpus", table, DOCUMENT_TEXT), extra)


def _column(name: str, table: pa.Table, names: Sequence[str]) -> str:
    found = next((column for column in names if column in table.column_names), None)
    if found is None:
        others = f" (or {', '.join(names[1:])})" if len(names) > 1 else ""
        came = f"missing; found {shorten(', '.join(table.column_names)) or 'no columns'}"
        raise FormatError(name, came, f"a column of this name{others}", field=names[0])
    return found


def _texts(name: str, table: pa.Table, names: Sequence[str]) -> Any:
    return _strings(name, table, _column(name, table, names))


def _ids(name: str, table: pa.Table, names: Sequence[str]) -> Any:
    column = _column(name, table, names)
    ids = _strings(name, table, column, is_id=True)
    at = arrow.first_repeat(ids)
    if at is not None:
        raise _error(name, at, column, f"{ids[at].as_py()!r} occurs twice", "every id once")
    return ids


def _strings(name: str, table: pa.Table, column: str, *, is_id: bool = False) -> Any:
    """A column of strings, or of integers where they are ids."""
    pa = need("pyarrow", what="hardmine.Collection", extra="mine")
    found = table[column]
    if found.null_count:
        at = int(found.is_null().to_numpy().argmax())
        raise _error(name, at, column, "null", "an id" if is_id else "a string")
    if is_id and pa.types.is_integer(found.type):
        return arrow.digits(found)
    if not (pa.types.is_string(found.type) or pa.types.is_large_string(found.type)):
        raise FormatError(name, str(found.type), "strings or integers" if is_id else "strings", field=column)
    return arrow.large_strings(name, table, column)


def _pairs(
    table: pa.Table, corpus: Corpus | None, wanted: tuple[list[str], Any, str | None], keep: tuple[str, ...]
) -> tuple[TextPairs, tuple[str, str]]:
    """The rows of a table of pairs, and what it calls query and positive."""
    if not table.num_rows:
        raise FormatError("dataset", "no rows", "at least one (query, positive)")
    query = _column("dataset", table, wanted[0] or QUERY)
    id_column = wanted[2] or next((name for name in QUERY_ID if name in table.column_names), None)
    ids = None if id_column is None else _strings("dataset", table, _column("dataset", table, (id_column,)), is_id=True)
    extra = {name: arrow.flat(table[name]) for name in keep if name in table.column_names}
    given = [wanted[1]] if isinstance(wanted[1], str) else list(wanted[1] or ())
    columns = given or [name for name in table.column_names if is_positive(name)]
    by_id = None if columns else next((name for name in POSITIVE_ID if name in table.column_names), None)
    if by_id is not None:
        rows, values = _listed(table, [by_id], is_id=True)
        if corpus is None:
            raise FormatError("dataset", "ids of documents", "a corpus that holds them (corpus=)", field=by_id)
        numbers = arrow.places(values, corpus.ids)
        if (numbers < 0).any():
            at = int((numbers < 0).argmax())
            raise _error("dataset", int(rows[at]), by_id, repr(shorten(values[at].as_py())), "an id of the corpus")
        names = (query, "positive")
        positives: Any = numbers
    else:
        columns = columns or [_column("dataset", table, ("positive", "pos", "answer", "positive_id"))]
        rows, positives = _listed(table, [_column("dataset", table, (name,)) for name in columns], is_id=False)
        names = (query, columns[0])
    return TextPairs(_texts("dataset", table, (query,)), ids, rows, positives, extra), names


def _listed(table: pa.Table, columns: list[str], *, is_id: bool) -> tuple[Any, Any]:
    """Row and value of each positive: columns of strings or of lists of strings; null is none."""
    pa = need("pyarrow", what="hardmine.Collection", extra="mine")
    compute = need("pyarrow.compute", what="hardmine.Collection", extra="mine")
    rows, values = [], []
    for name in columns:
        column = arrow.flat(table[name])
        there = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        column = column.drop_null() if column.null_count else column
        if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            there = np.repeat(there, compute.list_value_length(column).to_numpy())
            column = column.flatten()
        one = pa.table({name: column})
        if column.null_count:
            at = int(there[int(column.is_null().to_numpy(zero_copy_only=False).argmax())])
            raise _error("dataset", at, name, "null", "a string or a list of strings")
        values.append(_strings("dataset", one, name, is_id=is_id))
        rows.append(there)
    row, value = np.concatenate(rows), values[0] if len(values) == 1 else pa.concat_arrays(values)
    lacking = np.bincount(row, minlength=table.num_rows) == 0
    if lacking.any():
        raise _error("dataset", int(lacking.argmax()), columns[0], "no positive", "at least one")
    if len(values) > 1:
        order = np.argsort(row, kind="stable")
        row, value = row[order], value.take(pa.array(order))
    return row, value
