"""Which formats there are, and where each is at home: names to modules.

A format is one module of this folder and one line of `FORMATS`. Its module is imported when its name is asked for, so
that the others, and what they need, stay out of the way. A file of a format holds one or more of three kinds of things:
a *collection* (queries, documents, labels), a *run* (candidates with scores) or *rows* (what is trained on). What a
module offers follows from what its line says that it reads and writes; `format` is always the name that the user wrote:

``read_collection(path, *, ..., **options) -> Collection``
    Keywords are those of `Format.takes`; `options` go to the collection. A line that reads rows too has none: its rows
    are read and turned into a collection.
``read_run(path, *, format, asked) -> Candidates``
    `asked` is `hardmine.formats.run_parts.Asked`: the collection, if any, and what to do with unknown ids.
``read_rows(path, name) -> Iterator[pyarrow.Table]``
    Chunks of the one schema that `hardmine.formats.chunks` describes.
``others_of(path) -> Iterator[Path]``
    Of a format of rows alone whose texts lie in files of their own: the files that reading `path` opens too.
``write_collection(path, collection, *, format)``
    Whole or not at all.
``write_run(path, run, *, format, collection)``
    Whole or not at all. `collection` may be None.
``row_writer(name, options) -> RowWriter``
    Says how chunks of rows are encoded; see `hardmine.formats.training_rows`, which does the rest.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hardmine.plumbing import checks
from hardmine.plumbing.files import suffix

Kind = Literal["collection", "run", "rows"]
Does = Literal["reads", "writes"]


@dataclass(frozen=True)
class Format:
    """What one format is; all that can be known of it without its module.

    Parameters
    ----------
    name : str
        What users write. A name may stand on several lines where its kinds have modules of their own, or its shapes
        other layouts.
    module : str
        Its home in this folder.
    what : str
        A file or folder of it in a few words; for messages.
    holds : str
        What is in it, on one line; for lists of formats.
    reads, writes : tuple of {"collection", "run", "rows"}
        What it can be read as, and what is written into it.
    layouts : tuple of str
        Suffixes of its files, the plain ones; "/" for a folder.
    signs : tuple of str
        Paths that are taken for this format where none is named. ``".jsonl"``: files with this suffix (or with one of a
        compression behind it); ``"/name"``: folders that hold `name`; ``"/"``: any other folder. The first one wins.
    takes : tuple of str
        Keywords of `read_collection`: of ``corpus`` and ``split``, which nobody may give to another format, and of
        ``format`` (the name) and ``progress``.
    shapes : tuple of str
        Kinds of rows; each is a format of its own to users, ``NAME:SHAPE``.
    """

    name: str
    module: str
    what: str
    holds: str = ""
    reads: tuple[Kind, ...] = ()
    writes: tuple[Kind, ...] = ()
    layouts: tuple[str, ...] = ()
    signs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What users write, one name for each shape."""
        return tuple(f"{self.name}:{shape}" for shape in self.shapes) or (self.name,)

    def load(self) -> Any:
        """The module; what it needs and is not installed is said by the module itself."""
        return importlib.import_module(f"hardmine.formats.{self.module}")


FORMATS = [
    Format(
        "beir", "beir", "a BEIR folder", "corpus, queries and judgements",
        reads=("collection",), writes=("collection",), layouts=("/",), signs=("/",), takes=("split", "progress"),
    ),
    Format(
        "jsonl", "pairs", "a jsonl file", "queries with their positives",
        reads=("collection",), writes=("collection",), layouts=(".jsonl",), signs=(".jsonl", ".ndjson"),
        takes=("format", "corpus"),
    ),
    Format(
        "parquet", "pairs", "a parquet file", "queries with their positives",
        reads=("collection",), writes=("collection",), layouts=(".parquet",), signs=(".parquet",),
        takes=("format", "corpus"),
    ),
    Format(
        "docstrings", "docstrings", "a folder of Python sources", "functions and what they do",
        reads=("collection",), layouts=("/",), takes=("progress",),
    ),
    Format(
        "datasets", "hub", "a folder of save_to_disk", "tables of pairs, or corpus, queries and default as on the hub",
        reads=("collection",), layouts=("/",), signs=("/state.json", "/dataset_dict.json", "/corpus/state.json",
        "/corpus/dataset_dict.json"), takes=("split",),
    ),
    Format(
        "csv", "pairs", "a csv file", "queries with their positives, under a header",
        reads=("collection",), writes=("collection",), layouts=(".csv",), signs=(".csv",), takes=("format", "corpus"),
    ),
    Format(
        "tsv", "pairs", "a tsv file", "queries with their positives, under a header",
        reads=("collection",), writes=("collection",), layouts=(".tsv",), signs=(".tsv",), takes=("format", "corpus"),
    ),
    Format(
        "msmarco", "msmarco", "a folder of MS MARCO", "collection, queries and qrels, between tabs",
        reads=("collection",), writes=("collection",), layouts=("/",), signs=("/collection.tsv", "/msmarco-docs.tsv"),
        takes=("split",),
    ),
    Format(
        "trec-qrels", "qrels", "judgements of trec_eval", "query, 0, document and relevance: ids alone",
        reads=("collection",), writes=("collection",), layouts=(".qrels", ".txt"), signs=(".qrels",),
    ),
    Format(
        "flag-embedding", "records", "a FlagEmbedding file", "queries with the texts of positives and negatives",
        reads=("collection", "rows"), writes=("rows",), layouts=(".jsonl",),
    ),
    Format(
        "tevatron", "records", "a Tevatron file", "queries with titles and texts of positives and negatives",
        reads=("collection", "rows"), writes=("rows",), layouts=(".jsonl", ".parquet"),
    ),
    Format(
        "dpr", "records", "a DPR file", "queries with titles and texts of positives and negatives",
        reads=("collection", "rows"), writes=("rows",), layouts=(".json",),
    ),
    Format(
        "ms-swift", "records", "an ms-swift file", "queries and documents as messages",
        reads=("collection", "rows"), writes=("rows",), layouts=(".jsonl",),
    ),
    Format(
        "llama-index", "records", "a LlamaIndex file", "queries with the texts of positives and negatives",
        reads=("collection", "rows"), writes=("rows",), layouts=(".jsonl",),
    ),
    Format(
        "tevatron-ids", "tevatron_ids", "a Tevatron file of ids", "queries with ids of documents, and a corpus file",
        reads=("collection", "rows"), writes=("rows",), layouts=(".jsonl", ".parquet"),
    ),
    Format(
        "automodel", "automodel", "a NeMo Automodel file", "queries with texts, or with ids and a corpus folder",
        reads=("collection", "rows"), writes=("rows",), layouts=(".json", ".jsonl"),
    ),
    Format(
        "pylate", "pylate", "tables of PyLate", "ids and scores of documents, and tables of the texts",
        reads=("collection", "rows"), writes=("rows",), layouts=(".jsonl", ".parquet"),
    ),
    Format(
        "ids", "id_rows", "rows of ids", "ids of a query, a positive and its negatives",
        reads=("rows",), writes=("rows",), layouts=(".jsonl", ".parquet"),
    ),
    Format(
        "msmarco-hard-negatives", "id_rows", "hard negatives of MS MARCO", "numbers of queries and passages, by system",
        reads=("rows",), writes=("rows",), layouts=(".jsonl",),
    ),
    Format(
        "gpl", "id_rows", "hard negatives of GPL", "ids of queries and passages, by system",
        reads=("rows",), writes=("rows",), layouts=(".jsonl",),
    ),
    Format(
        "colbert", "id_rows", "triples of ColBERT", "numbers of a query, a positive and its negatives",
        reads=("rows",), writes=("rows",), layouts=(".jsonl",),
    ),
    Format(
        "arctic", "id_rows", "a table of Arctic", "numbers of a query and a document, and whether it is relevant",
        reads=("rows",), writes=("rows",), layouts=(".parquet",),
    ),
    Format(
        "msmarco-triples", "triples", "triples of MS MARCO", "a query, a positive and a negative, between tabs",
        reads=("rows",), layouts=(".tsv",), shapes=("ids", "texts"),
    ),
    Format(
        "sentence-transformers", "sentence_transformers", "training rows of sentence-transformers",
        "one row per negative, per positive or per text",
        reads=("collection", "rows"), writes=("rows",), layouts=(".jsonl", ".parquet", ".csv", ".tsv"),
        shapes=("triplet", "n-tuple", "labeled-pair"),
    ),
    Format(
        "sentence-transformers", "sentence_transformers", "training rows of sentence-transformers",
        "one row per positive, with lists of texts and labels",
        reads=("collection", "rows"), writes=("rows",), layouts=(".jsonl", ".parquet"), shapes=("labeled-list",),
    ),
    Format(
        "trec-run", "text_runs", "a run of trec_eval", "query, Q0, document, rank, score and tag, between blanks",
        reads=("run",), writes=("run",), layouts=(".trec", ".run", ".txt"), signs=(".trec", ".run"),
    ),
    Format(
        "msmarco", "text_runs", "a run of MS MARCO", "query, document and rank, between tabs",
        reads=("run",), writes=("run",), layouts=(".tsv",),
    ),
    Format(
        "tevatron", "text_runs", "a run of Tevatron", "query, document and score, between tabs",
        reads=("run",), writes=("run",), layouts=(".tsv", ".txt"),
    ),
    Format(
        "msmarco-top1000", "text_runs", "candidates of MS MARCO", "query, document and their texts, between tabs",
        reads=("run",), layouts=(".tsv",),
    ),
    Format(
        "hardmine", "saved", "a run that hardmine saved", "candidates with all that is known about them",
        reads=("run",), writes=("run",), layouts=(".hm",), signs=(".hm",),
    ),
    Format(
        "parquet", "table_runs", "a parquet file", "query_id, document_id, score and rank",
        reads=("run",), writes=("run",), layouts=(".parquet",), signs=(".parquet",),
    ),
    Format(
        "arrow", "table_runs", "an Arrow file", "query_id, document_id, score and rank",
        reads=("run",), writes=("run",), layouts=(".arrow", ".feather"), signs=(".arrow", ".feather"),
    ),
    Format(
        "npz", "table_runs", "an .npz file", "query_id, document_id, score and rank, vectors of one length",
        reads=("run",), writes=("run",), layouts=(".npz",),
    ),
    Format(
        "npy", "array_runs", "arrays ids and scores", "rectangles, row i for query i; a folder of .npy, or .npz",
        reads=("run",), writes=("run",), layouts=("/", ".npz"), signs=("/ids.npy",),
    ),
    Format(
        "faiss", "array_runs", "arrays I and D", "what faiss returns; a folder of .npy, or .npz",
        reads=("run",), writes=("run",), layouts=("/", ".npz"), signs=("/I.npy",),
    ),
    Format(
        "pylate", "kd_tables", "a table of scores for distillation", "query_id, document_ids and scores, a query a row",
        reads=("run",), writes=("run",), layouts=(".parquet", ".jsonl", ".arrow"),
    ),
]  # fmt: skip
"""Every format: the one line that each has outside its module."""


def lines_of(kind: Kind, does: Does) -> list[Format]:
    """The lines of `FORMATS` that read or write a kind."""
    return [known for known in FORMATS if kind in getattr(known, does)]


def names_of(kind: Kind, does: Does) -> tuple[str, ...]:
    """What users may write where a kind is read or written.

    Parameters
    ----------
    kind : {"collection", "run", "rows"}
    does : {"reads", "writes"}

    Examples
    --------
    >>> from hardmine.formats import names_of
    >>> "flag-embedding" in names_of("rows", "writes")
    True
    """
    return tuple(name for known in lines_of(kind, does) for name in known.names)


READ = names_of("collection", "reads")
"""Names of the formats that can be read as a collection."""

WRITE = names_of("rows", "writes")
"""Names of the formats that training rows can be written in."""


def find(name: str, kind: Kind, does: Does) -> Format:
    """The line of a name that a user wrote."""
    checks.choice("format", name, names_of(kind, does))
    return next(known for known in lines_of(kind, does) if name in known.names)


def recognise(path: Path, kind: Kind = "collection") -> str | None:
    """The format of a path that names none, from its suffix or from what the folder holds; None for an unknown one."""
    is_folder = path.is_dir()
    found = suffix(path)
    signs = [(sign, known) for known in FORMATS if kind in (*known.reads, *known.writes) for sign in known.signs]
    for sign, known in sorted(signs, key=lambda pair: pair[0] == "/"):  # any folder after those that hold something
        if (path / sign[1:]).exists() if is_folder and sign[0] == "/" else sign == found and not is_folder:
            return known.name
    return None


def expect(target: Path, format: str | None, kind: Kind, *, does: Does = "reads") -> Format:  # noqa: A002
    """The line of the format that is named, or else of that which the path tells."""
    if format is None:
        if does == "reads" and not target.exists():
            raise FileNotFoundError(f"{target}: no such file or folder")
        format = recognise(target, kind)  # noqa: A001
        if format is None or format not in names_of(kind, does):
            raise ValueError(f"{target}: suffix {target.suffix!r}, expected {_signs(kind, does)}")
    return find(format, kind, does)


def _signs(kind: Kind, does: Does) -> str:
    of_each = ((known, sign) for known in lines_of(kind, does) for sign in known.signs)
    signs = list(dict.fromkeys(known.what if sign[0] == "/" else sign for known, sign in of_each))
    if not signs:
        return f"format to say which: {', '.join(names_of(kind, does))}"
    return f"{', '.join(signs[:-1])}{' or ' * (len(signs) > 1)}{signs[-1]} (or say which with format)"
