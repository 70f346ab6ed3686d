"""The compiled core. Private: the typed wrappers beside it check and document every argument."""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, TypedDict, TypeVar, final, type_check_only

import numpy as np
import numpy.typing as npt

_T = TypeVar("_T")
_I64: TypeAlias = npt.NDArray[np.int64]
_U64: TypeAlias = npt.NDArray[np.uint64]
_F32: TypeAlias = npt.NDArray[np.float32]
_F64: TypeAlias = npt.NDArray[np.float64]

# offsets, ids, scores; then per row: above_ceiling, below_floor, nan, excluded
class Ranked(TypedDict):
    offsets: _I64
    ids: _I64
    scores: _F32
    above_ceiling: _I64
    below_floor: _I64
    nan: _I64
    excluded: _I64

# ceiling, floor, exclude (offsets, ids), whether NaN is dropped, what is reached elsewhere
class Limits(Protocol):
    @property
    def ceiling(self) -> _F32 | None: ...
    @property
    def floor(self) -> _F32 | None: ...
    @property
    def exclude(self) -> tuple[_I64, _I64] | None: ...
    @property
    def nan_is_dropped(self) -> bool: ...
    @property
    def reached(self) -> _F32 | None: ...

# a 2-d array and the kind of its items: "f16" | "bf16" (as uint16) | "f32" | "f64"
Matrix: TypeAlias = npt.NDArray[Any]

# name of a ceiling and its two parameters
CeilingTerms: TypeAlias = list[tuple[str, float, float]]

# whose noise: a name of `domains()`
class Noise(TypedDict):
    domain: str
    seed: int
    epoch: int

class WeightedLists(TypedDict):
    offsets: _I64
    keys: _I64
    log_weights: _F64 | None
    row_keys: _U64 | None

# positions are among all entries
class DrawnLists(TypedDict):
    offsets: _I64
    positions: _I64

class Request(TypedDict):
    rows: int
    n: int
    replace: bool
    exclude: tuple[_I64, _I64] | None
    noise: Noise
    row_keys: _U64 | None

class MaskCeiling(TypedDict):
    terms: CeilingTerms
    positive_columns: _I64
    positive_scores: _F32 | None

# column_ids: the ids of the columns, of which ids are
class KnownPositives(TypedDict):
    offsets: _I64
    ids: _I64
    column_ids: _I64

# by_column: labels of the columns; query_ids: of the rows
class MaskLabels(TypedDict):
    by_column: list[_I64]
    query_ids: _I64 | None
    known: KnownPositives | None

__version__: str

def isa_levels() -> list[str]: ...
def available_threads() -> int: ...
def panic_in_worker(threads: int) -> None: ...
def in_default_mode(function: Callable[..., _T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> _T: ...

# offsets, ids
_Ragged: TypeAlias = tuple[_I64, _I64]

@type_check_only
class FuseRun(TypedDict):
    lists: _Ragged
    scores: _F32
    weight: float

@type_check_only
class Fused(TypedDict):
    offsets: _I64
    ids: _I64
    scores: _F32
    sources: npt.NDArray[np.int16]

def fuse(runs: list[FuseRun], method: str, constant: float, min_votes: int, k: int, num_threads: int) -> Fused: ...

@type_check_only
class MergeShard(TypedDict):
    lists: _Ragged
    scores: _F32
    first_document: int
    ranks: npt.NDArray[np.int32] | None
    above_ceiling: _I64 | None
    sources: npt.NDArray[np.int16] | None
    anchor_scores: _F32 | None

@type_check_only
class Merged(TypedDict):
    offsets: _I64
    ids: _I64
    scores: _F32
    ranks: npt.NDArray[np.int32] | None
    sources: npt.NDArray[np.int16] | None
    anchor_scores: _F32 | None

def merge(shards: list[MergeShard], k: int, num_threads: int) -> Merged: ...
def in_batch_mask(
    scores: Matrix,
    kind: str,
    ceiling: MaskCeiling,
    labels: MaskLabels,
    keep_positive: bool,
    drop_nan: bool,
    num_threads: int,
) -> npt.NDArray[np.bool_]: ...
def triplets(
    distances: Matrix,
    dtype: str,
    labels: _I64,
    kind: str,
    margin: float,
    drop_nan: bool,
    num_threads: int,
) -> _I64: ...

# above: nonzero where a candidate is over a ceiling that was computed elsewhere
@type_check_only
class SelectLists(TypedDict):
    lists: _Ragged
    scores: _F32
    ranks: npt.NDArray[np.int32] | None
    anchor_scores: _F32 | None
    above: npt.NDArray[np.uint8] | None
    num_documents: int | None
    rows: _I64 | None

@type_check_only
class SelectQueries(TypedDict):
    positives: _Ragged
    positive_scores: _F32 | None
    exclude: _Ragged | None
    document_groups: _I64 | None
    near_groups: _I64 | None
    document_embeddings: tuple[npt.NDArray[Any], str] | None
    near_cosine: float | None
    query_keys: _U64 | None
    query_of_pair: _I64 | None
    lists_by_pair: bool

# a draw: `top` for certain, the others by the law `name` of parameters a and b from the `pool` that follows
@type_check_only
class Law(TypedDict):
    top: int
    pool: int | None
    name: str
    a: float
    b: float
    array: _F64 | None

@type_check_only
class SelectPlan(TypedDict):
    num_negatives: int
    ceilings: CeilingTerms
    floor: float | None
    range_min: int
    range_max: int | None
    range_on: str
    positive_agg: str
    draw: Law
    on_shortage: str
    num_documents: int
    seed: int
    epoch: int
    document_keys: _U64 | None

# `rows` where rows were left out; `counts` by reason, those that can differ from 0
@type_check_only
class Chosen(TypedDict):
    offsets: _I64
    ids: _I64
    scores: _F32
    ranks: npt.NDArray[np.int32]
    positive_scores: _F32
    rows: _I64 | None
    counts: dict[str, _I64]

def select(lists: SelectLists, queries: SelectQueries, plan: SelectPlan, num_threads: int) -> Chosen: ...
def ceilings(terms: CeilingTerms, offsets: _I64, scores: _F32, aggregate: str, num_threads: int) -> _F32: ...

# what is excluded, and how many documents of each query fall under each reason
@type_check_only
class Exclusions(TypedDict):
    offsets: _I64
    ids: _I64
    positive: _I64
    excluded: _I64
    duplicate_text: _I64

def exclusions(
    positives: _Ragged, exclude: _Ragged | None, document_groups: _I64 | None, num_documents: int, num_threads: int
) -> Exclusions: ...
def anchor_scores(
    candidates: _Ragged,
    positives: _Ragged,
    document_embeddings: Matrix,
    kind: str,
    num_threads: int,
) -> _F32: ...

# embeddings: a 2-d array and the kind of its items, "f16" | "bf16" (as uint16) | "f32"
_Rows: TypeAlias = tuple[npt.NDArray[Any], str]

def pair_scores(
    queries: _Rows, documents: _Rows, query_ids: _I64, document_ids: _I64, similarity: str, threads: int
) -> _F32: ...
def row_norms(argument: str, rows: _Rows, threads: int) -> npt.NDArray[np.float64]: ...
def check_limits(limits: Limits, queries: int, documents: int) -> None: ...
def widen_rows(rows: _Rows, first: int, norms: npt.NDArray[np.float64] | None, out: _F32, threads: int) -> None: ...
def search_bound(
    similarity: str, dimension: int, query_norms: npt.NDArray[np.float64], document_norms: npt.NDArray[np.float64]
) -> list[_F32]: ...

# `_tiles.Rows`, `_tiles.Source` and `_tiles.Hits`, read by the names of their fields
class _NormedRows(Protocol):
    @property
    def array(self) -> npt.NDArray[Any]: ...
    @property
    def kind(self) -> str: ...
    @property
    def norms(self) -> npt.NDArray[np.float64]: ...

class _Source(Protocol):
    @property
    def queries(self) -> _NormedRows: ...
    @property
    def documents(self) -> _NormedRows: ...

class _Frame(Protocol):
    @property
    def similarity(self) -> str: ...
    @property
    def centre(self) -> _F32: ...
    @property
    def rotated(self) -> bool: ...

class _Coded(Protocol):
    @property
    def data(self) -> npt.NDArray[np.uint8]: ...
    @property
    def terms(self) -> _F32: ...
    @property
    def frame(self) -> _Frame: ...
    @property
    def first(self) -> int: ...
    @property
    def rows(self) -> int: ...

class _Hits(Protocol):
    @property
    def first_query(self) -> int: ...
    @property
    def offsets(self) -> _I64: ...
    @property
    def rows(self) -> _I64: ...
    @property
    def documents(self) -> _I64 | None: ...
    @property
    def above(self) -> _I64: ...
    @property
    def below(self) -> _I64: ...

def code_sizes(rows: int, dimension: int) -> tuple[int, int]: ...
def has_fast_codes() -> bool: ...
def choose_frame(rows: _NormedRows, similarity: str, threads: int) -> tuple[_F32, bool]: ...
def encode_rows(
    rows: _NormedRows, first: int, count: int, frame: _Frame, data: npt.NDArray[np.uint8], terms: _F32, threads: int
) -> None: ...

@final
class SearchScan:
    def __new__(cls, similarity: str, queries: int, documents: int, k: int, limits: Limits) -> SearchScan: ...
    @staticmethod
    def bytes_per_query(k: int, documents: int) -> int: ...
    @staticmethod
    def settling_bytes(k: int, documents: int, queries: int, threads: int) -> int: ...
    def update(self, source: _Source, tile: _F32, first_query: int, first_document: int, threads: int) -> None: ...
    def update_codes(self, source: _Source, codes: _Coded, first_block: int, last_block: int, threads: int) -> int: ...
    def settle(self, source: _Source, threads: int) -> _I64: ...
    def counts(self) -> list[int]: ...
    def careful(self) -> None: ...
    def adopt(self, queries: _I64, other: SearchScan) -> None: ...
    def offer(self, source: _Source, hits: _Hits, threads: int) -> None: ...
    def thresholds(self) -> _F32: ...
    def finish(self, source: _Source, threads: int) -> Ranked: ...

class _SparseRows(Protocol):
    @property
    def offsets(self) -> _I64: ...
    @property
    def terms(self) -> npt.NDArray[np.int32]: ...
    @property
    def weights(self) -> npt.NDArray[Any]: ...

class _Postings(Protocol):
    @property
    def documents(self) -> int: ...
    @property
    def terms(self) -> npt.NDArray[np.int32]: ...
    @property
    def lists(self) -> _I64: ...
    @property
    def blocks(self) -> npt.NDArray[np.int32]: ...
    @property
    def starts(self) -> _I64: ...
    @property
    def high(self) -> _F32: ...
    @property
    def low(self) -> _F32: ...
    @property
    def places(self) -> npt.NDArray[np.uint16]: ...
    @property
    def weights(self) -> _F32: ...
    @property
    def codes(self) -> npt.NDArray[np.uint8]: ...
    @property
    def gridded(self) -> _I64: ...
    @property
    def grids(self) -> npt.NDArray[np.uint16]: ...

# the fields of `_Postings` but the first
@type_check_only
class SparsePostings(TypedDict):
    terms: npt.NDArray[np.int32]
    lists: _I64
    blocks: npt.NDArray[np.int32]
    starts: _I64
    high: _F32
    low: _F32
    places: npt.NDArray[np.uint16]
    weights: _F32
    codes: npt.NDArray[np.uint8]
    gridded: _I64
    grids: npt.NDArray[np.uint16]

def sparse_block() -> int: ...
def sparse_transpose(
    offsets: _I64, documents: npt.NDArray[np.int32], weights: _F32, rows: int
) -> tuple[_I64, npt.NDArray[np.int32], _F32]: ...
def sparse_postings(rows: _SparseRows, threads: int) -> SparsePostings: ...
def sparse_working_bytes(k: int, queries: int, longest: int, threads: int) -> int: ...
def sparse_search(
    queries: _SparseRows,
    first: int,
    count: int,
    documents: _SparseRows,
    postings: _Postings,
    k: int,
    limits: Limits,
    threads: int,
) -> Ranked: ...
def sparse_pair_scores(
    queries: _SparseRows, documents: _SparseRows, query_ids: _I64, document_ids: _I64, threads: int
) -> _F32: ...

# any of int64, int32, int16, uint8, float32, float64, aligned with each other
def first_repeat(offsets: _I64, ids: _I64, num_threads: int) -> tuple[int, int] | None: ...
def take_rows(
    offsets: _I64, columns: list[npt.NDArray[Any]], rows: _I64, num_threads: int
) -> tuple[_I64, list[npt.NDArray[Any]]]: ...
def take_strings(offsets: _I64, data: npt.NDArray[np.uint8], rows: _I64) -> list[str]: ...
def text_codes(offsets: _I64, data: npt.NDArray[np.uint8], num_threads: int) -> tuple[_I64, _I64]: ...
def topk(scores: Matrix, kind: str, k: int, limits: Limits, rows: _I64 | None, threads: int) -> Ranked: ...

@final
class TopKAccumulator:
    def __new__(cls, num_queries: int, k: int, kind: str, limits: Limits, threads: int) -> TopKAccumulator: ...
    def update(self, tile: Matrix, kind: str, first_query: int, first_document: int, threads: int) -> None: ...
    @staticmethod
    def restore(
        num_queries: int, k: int, kind: str, limits: Limits, kept: dict[str, npt.NDArray[Any]], threads: int
    ) -> TopKAccumulator: ...
    def kept(self, threads: int) -> dict[str, npt.NDArray[Any]]: ...
    def merge(self, other: TopKAccumulator, threads: int) -> None: ...
    def finish(self, threads: int) -> Ranked: ...

# `offsets` and `data` of a table of strings, and other strings in place of those of the rows `replaced`
@type_check_only
class Texts(TypedDict):
    offsets: _I64
    data: npt.NDArray[np.uint8]
    replaced: _I64
    other_offsets: _I64
    other_data: npt.NDArray[np.uint8]

def shingle_similarity(left: Texts, right: Texts, size: int, num_threads: int) -> _F32: ...
def near_duplicate_groups(
    texts: Texts, threshold: float, *, size: int, bands: int, rows: int, seed: int, num_threads: int
) -> _I64: ...
def domains() -> list[str]: ...
def draw_rows(
    log_weights: Matrix,
    kind: str,
    n: int,
    *,
    noise: Noise,
    replace: bool,
    row_keys: _U64 | None,
    column_keys: _U64 | None,
    num_threads: int,
) -> _I64: ...
def draw_lists(lists: WeightedLists, n: int, *, noise: Noise, num_threads: int) -> DrawnLists: ...
def gumbel_noise(seed: int, epoch: int, row_key: int, column_keys: _U64) -> _F64: ...
def sample_uniform(num_items: int, request: Request, num_threads: int) -> _I64: ...

@final
class AliasTable:
    def __new__(cls, weights: _F64) -> AliasTable: ...
    def sample(self, request: Request, num_threads: int) -> _I64: ...
