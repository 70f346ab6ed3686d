"""Embeddings as int8 codes on a PyTorch device, and how far an inner product of codes may lie from the exact score.

Why int8: its products and sums are exact integers on every device, so the bound needs no word on how a tensor core
rounds, and no setting of the process (TF32, reduced precision, flush to zero) touches it; it has twice the rate of
bfloat16 and half its size, a quarter of float32. `hardmine._native` has codes too, whose layout suits a processor's
dot-accumulate instruction: one scale per document. Here `GROUP` documents share a scale, so that the largest of their
integer sums is the largest of their approximate scores, and one reduction over the integers tells which groups need a
closer look; nothing else ever reads or writes as many numbers as there are pairs.

A piece of documents is a matrix of `GROUP` x S of them: a group is a column, documents j, j + S, j + 2 S, ... of it. A
device reduces over rows of a matrix at the speed of its memory, and what lies close together in a corpus (copies, parts
of one text) falls into different groups.

**Bound.** Notation and steps are those of `rust/core/src/search/code_bound.rs`: u = 2^-24; q and d = the embeddings,
for the cosine divided by their norms; m = the centre; R = the rotation (or nothing); q' = R q, d' = R (d - m); s(q),
s(d) = scales, here s(d) of the group; c = codes, q^ = s(q) c(q), d^ = s(d) c(d); r(q) = q' - q^, r(d) = d' - d^. Then

    q d = q m + q' d',   |q' d' - q^ d^| <= |q^| |r(d)| + |r(q)| |d'|

by Cauchy-Schwarz. All norms are kept in units of their scale: |q^| / s(q) = |c(q)|, |r(d)| / s(d), and so on, hence the
ends of a score, less q m and over s(q), are s(d) (c(q) c(d) -+ (|c(q)| |r(d)| + |r(q)| |d'|)). What is computed differs
from these letters by roundings, all covered by `_MARGIN |q'| |d'|` with _MARGIN = 2^-17 = 128 u, which the query's
|r(q)| carries:
- q' and d' are rounded to float32 once, u each; the rotation costs u per level of its butterflies and 2 u for its
  factor, twice at most: 2 (15 + 2) u of the norm. Both sides: 70 u.
- Codes are `round(x * fl(1 / s))`, off by 2 u of x from x / s; the difference to the code is exact (Sterbenz), so what
  is summed as |r|^2 is the residual but for 2 u |x|. Both sides: 4 u. A float32 norm of h numbers, summed in any order,
  is off by less than (h / 2 + 2) u of itself, and by what underflows; it is enlarged by (h + 16) 2 u and 2^-20 units.
- The sum of products of codes is an exact integer of at most 2^29 (h <= 2^15). Its conversion, the sum with the width
  and the product with s(d): 3 u of |q^| |d^| and of the width. The width's own roundings, 3 u of it, are covered by
  `_ENLARGED`.
- The residual and length of a group are the largest of its documents, which only widens.
Thresholds are computed in float64 and moved outwards by more than all that (`lower`, `keeps`, `Queries.bounds`).

A score S is float32, E its float64 sum, S = E rounded once. With t' = the float32 number below t: E <= t' gives
S <= t' < t, and E <= t gives S <= t; likewise upwards. Sums beyond the largest float32 number M round to infinity and
tie there: t' = M for every t beyond M, and for t below -M there is none (`_before`). |E - q d| <=
(h + 8) 2^-53 |q| (|d'| + |m|) is covered by _MARGIN for d' and by `_CENTRE_MARGIN |q| |m|` for m, which also covers the
float64 product q m.

A group without codes (all zero, or beyond 2^-60 .. 2^60, where float32 might lose digits on the way) has codes 0, scale
1 and a residual not below its length: the bound then says |q' d'| <= |q'| |d'|. Infinities and NaN say nothing, and
every comparison is written so that they discard nothing.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

GROUP = 32
"""Documents that share a scale."""
ROWS = 32
"""Queries are filled up to a multiple of this: int8 products want more than 16 rows, and whole eights."""
GONE = -(2**30)
"""Stands for the sum of a document that is not there or not allowed; no sum is as low."""

_DEPTH = 16
_SMALLEST, _LARGEST = 2.0**-60, 2.0**60
_MARGIN = 2.0**-17
_ENLARGED = 1 + 2.0**-20
_CENTRE_MARGIN = 2.0**-35
# More than rounding to float32 costs, twice: of a number, and near zero, flushed or not.
_RELATIVE, _TINY = 2.0**-21, 2.0**-125
# Numbers that get codes at a time; what they are made of takes some thirty bytes each.
_AT_A_TIME = 2**23
# Most products of two codes whose sum float32 holds exactly: 127 * 127 * 1024 < 2^24.
_EXACT_DEPTH = 1024


def bytes_of(documents: tuple[int, int]) -> int:
    """Bytes that the codes of so many documents of that dimension take, about."""
    return documents[0] * (max(-(-documents[1] // _DEPTH), 1) * _DEPTH + 9)


class Codes(NamedTuple):
    """Rows [g, s] as codes; each of the s columns has a scale."""

    values: torch.Tensor
    """int8 [g, s, depth]."""
    scale: torch.Tensor
    """float32 [s]."""
    residual: torch.Tensor
    """float32 [g, s]: norm of what the codes leave of a row, over the scale, rounded up."""
    length: torch.Tensor
    """float32 [g, s]: norm of a row, over the scale, rounded up."""


class Piece(NamedTuple):
    """Documents that follow one another, as codes."""

    first: int
    """The first of them."""
    rows: int
    """How many there are; the rest of the last piece is filled up with zeros."""
    codes: Codes
    residual: torch.Tensor
    """float32 [s]: the largest residual of each group."""
    length: torch.Tensor
    """float32 [s]: the largest length of each group."""


class Bounds(NamedTuple):
    """What ends of scores are compared with: float32 [q, 1] each."""

    above: torch.Tensor
    """A lower end above this: surely above the ceiling."""
    within: torch.Tensor
    """An upper end up to this: surely not above the ceiling."""
    below: torch.Tensor
    """An upper end below this: surely below the floor."""
    reached: torch.Tensor
    """A lower end from this on: surely not below the floor."""


class Queries(NamedTuple):
    """Queries as codes, with what the ends of their scores need."""

    codes: torch.Tensor
    """int8 [q and what fills up, depth]."""
    norm: torch.Tensor
    """float32 [q, 1]: norm of the codes."""
    residual: torch.Tensor
    """float32 [q, 1]: what the codes leave, and the margin, over the scale."""
    scale: torch.Tensor
    """float64 [q]."""
    offset: torch.Tensor
    """float64 [q]: product with the centre."""
    slack: torch.Tensor
    """float64 [q]: what that may be off."""

    def ends(self, rows: slice | torch.Tensor, sums: torch.Tensor, *document: torch.Tensor) -> list[torch.Tensor]:
        """Lower and upper ends of scores, less the offset and over the scale.

        From sums of products of codes, and the documents' scale, residual and length.
        """
        scale, residual, length = document
        width = self.norm[rows] * residual
        width.addcmul_(self.residual[rows], length)
        return [(sums - width).mul_(scale), width.add_(sums).mul_(scale)]

    def around(self, rows: torch.Tensor, score: torch.Tensor, error: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Lower and upper ends of scores of these queries, one each, that are known up to an error, float64."""
        middle, scale = score - self.offset[rows], self.scale[rows]
        return _float32_below((middle - error) / scale), -_float32_below((-middle - error) / scale)

    def lower(self, ends: torch.Tensor) -> torch.Tensor:
        """Scores, in float64, that documents with these lower ends surely reach, but for their last rounding."""
        return self.offset - self.slack + self.scale * ends.double()

    def keeps(self, score: torch.Tensor) -> torch.Tensor:
        """An upper end below this: the score is surely below that of a document which surely reaches `score`."""
        return self._down(_before(score))

    def bounds(self, ceiling: torch.Tensor, floor: torch.Tensor) -> Bounds:
        """From the bounds of scores, float64 [q]."""
        return Bounds(
            -self._up(-ceiling, before=True), self._down(ceiling), self._down(_before(floor)), -self._up(-floor)
        )

    def _down(self, score: torch.Tensor) -> torch.Tensor:
        """Ends of scores that are surely not above `score`, if they are below this."""
        return _float32_below((score - self.offset - self.slack) / self.scale)[:, None]

    def _up(self, negative: torch.Tensor, *, before: bool = False) -> torch.Tensor:
        """As `_down`, seen in the mirror: of scores with the sign turned."""
        score = _before(negative) if before else negative
        return _float32_below((score + self.offset - self.slack) / self.scale)[:, None]


def _before(score: torch.Tensor) -> torch.Tensor:
    """What a sum has to stay below so that it rounds to less than any sum from `score` on does (float64).

    Beyond the largest float32 number all sums round to infinity: they stay below it together, and beyond its negative
    nothing is surely less.
    """
    largest = torch.finfo(torch.float32).max
    reached = score.clamp(max=largest)
    return torch.where(score < -largest, -torch.inf, reached - (reached.abs() * _RELATIVE + 2.0**-146))


def _float32_below(x: torch.Tensor) -> torch.Tensor:
    """float32 numbers not above `x`, whatever the processor does to subnormal ones."""
    lower = torch.where(x.isinf(), x, (x - x.abs() * _RELATIVE - _TINY).clamp(max=torch.finfo(torch.float32).max))
    return lower.float()


def encode_queries(
    rows: torch.Tensor, norms: torch.Tensor | None, offset: torch.Tensor, reach: torch.Tensor, *, rotated: bool
) -> Queries:
    """Codes of queries [q, h]; `norms` are given where they are divided by them.

    `offset` holds their products with the centre, and `reach` those of the norms, float64 [q].
    """
    count = len(rows)
    codes = encode(rows[None], None if norms is None else norms[None], None, rotated=rotated)
    values = torch.zeros(
        (max(-(-count // ROWS), 1) * ROWS, codes.values.shape[2]), dtype=torch.int8, device=rows.device
    )
    values[:count] = codes.values[0]
    norm = torch.linalg.vector_norm(values[:count].float(), dim=1, dtype=torch.float64) * _ENLARGED
    residual = (codes.residual[0] + codes.length[0] * _MARGIN) * _ENLARGED**2
    return Queries(
        values, norm.float()[:, None], residual[:, None], codes.scale.double(), offset, reach * _CENTRE_MARGIN
    )


def encode_documents(
    first: int, rows: torch.Tensor, norms: torch.Tensor | None, centre: torch.Tensor | None, *, rotated: bool
) -> Piece:
    """Codes of documents [n, h]; `norms` are given where they are divided by them."""
    (count, h), spare = rows.shape, -len(rows) % GROUP
    if spare:
        rows = torch.nn.functional.pad(rows, (0, 0, 0, spare))
        norms = None if norms is None else torch.nn.functional.pad(norms, (0, spare))
    columns = len(rows) // GROUP
    norms = None if norms is None else norms.reshape(GROUP, columns)
    codes = encode(rows.reshape(GROUP, columns, h), norms, centre, rotated=rotated)
    return Piece(first, count, codes, codes.residual.amax(0), codes.length.amax(0))


def encode(rows: torch.Tensor, norms: torch.Tensor | None, centre: torch.Tensor | None, *, rotated: bool) -> Codes:
    """Codes of rows [g, s, h], a few columns at a time.

    They are divided by their norms [g, s], moved by the centre [h], turned, divided by a scale and rounded.
    """
    (g, s, h), device = rows.shape, rows.device
    depth = max(-(-h // _DEPTH), 1) * _DEPTH
    found = Codes(
        torch.zeros((g, s, depth), dtype=torch.int8, device=device),
        torch.empty(s, dtype=torch.float32, device=device),
        torch.empty((g, s), dtype=torch.float32, device=device),
        torch.empty((g, s), dtype=torch.float32, device=device),
    )
    for columns in _slices(s, max(_AT_A_TIME // (g * depth), 1)):
        x = _moved(rows[:, columns], None if norms is None else norms[:, columns], centre)
        if not h:
            x = torch.zeros((*x.shape[:2], 1), dtype=torch.float32, device=device)
        _digits(x, found, columns, rotated=rotated)
    return found


def _slices(count: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _moved(rows: torch.Tensor, norms: torch.Tensor | None, centre: torch.Tensor | None) -> torch.Tensor:
    """In float64, and rounded once."""
    if norms is None and centre is None:
        return rows.float()
    wide = rows.double()
    if norms is not None:
        wide = wide / torch.where(norms > 0, norms, 1.0)[..., None]
    return (wide if centre is None else wide - centre.double()).float()


def _digits(x: torch.Tensor, found: Codes, columns: slice, *, rotated: bool) -> None:
    """Fill in the codes of some columns."""
    h = x.shape[2]
    largest = x.abs().amax(dim=(0, 2))
    coded = (largest >= _SMALLEST) & (largest <= _LARGEST)
    beyond = largest.clamp(min=_SMALLEST) * (math.sqrt(h) * _ENLARGED**2)
    x = torch.where(coded[:, None], x, 0.0)
    if rotated:
        x = rotate(x)
    scale = torch.where(coded, x.abs().amax(dim=(0, 2)) / 127, 1.0)
    x = x * (1 / scale)[:, None]
    rounded = x.round().clamp_(-127, 127)
    found.values[:, columns, :h] = rounded.to(torch.int8)
    found.scale[columns] = scale
    enlarged = (1 + (h + 16) * 2.0**-23) * _ENLARGED
    for norms, out in ((x - rounded, found.residual), (x, found.length)):
        norm = torch.linalg.vector_norm(norms, dim=2) * enlarged + 2.0**-20
        out[:, columns] = torch.where(coded, norm, beyond)


def rotate(x: torch.Tensor) -> torch.Tensor:
    """Turn rows [..., h] by a fixed rotation that spreads every number over all of them.

    Signs by the place, then a Hadamard transform of the first 2^p numbers and, where that is not all, the same for the
    last ones; without other signs in between, the second transform would undo half of what the first one did.
    """
    h = x.shape[-1]
    size = 1 << (h.bit_length() - 1)
    first, second = _signs(h).to(x.device)
    x = x * first
    x = torch.cat([_hadamard(x[..., :size]), x[..., size:]], dim=-1)
    if size == h:
        return x
    x = x * second
    return torch.cat([x[..., : h - size], _hadamard(x[..., h - size :])], dim=-1)


@functools.lru_cache(maxsize=8)
def _signs(h: int) -> torch.Tensor:
    """Signs that look random, the same for both sides and for ever: codes are never compared across processes."""
    return torch.from_numpy(np.random.default_rng(h).choice(np.array([-1, 1], np.float32), (2, h)))


def _hadamard(x: torch.Tensor) -> torch.Tensor:
    """Hadamard transform, orthonormal, of rows whose length is a power of two."""
    shape, half = x.shape, 1
    while half < shape[-1]:
        left, right = x.reshape(*shape[:-1], -1, 2, half).unbind(-2)
        x = torch.stack([left + right, left - right], dim=-2)
        half *= 2
    return x.reshape(shape) * (1 / math.sqrt(shape[-1]))


def product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Exact inner products of codes: int32 [rows of left, rows of right]."""
    return _multiplier(left.device)(left, right)


@functools.lru_cache(maxsize=16)
def _multiplier(device: torch.device) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """How to multiply codes on a device: as bytes where PyTorch can and does it right, else as floats.

    Not every card has int8 products, and some releases of cuBLAS were silently wrong for some shapes
    (pytorch/pytorch#107671), so one product of the shape used here is looked at.
    """
    codes = torch.from_numpy(np.random.default_rng(0).integers(-127, 128, (2 * ROWS, 64)).astype(np.int8))
    left, right = codes[:ROWS].to(device), codes.to(device)
    try:
        found = _multiply_bytes(left, right).cpu()
    except (AttributeError, RuntimeError):
        return _multiply_floats
    right_ones = torch.equal(found.long(), codes[:ROWS].long() @ codes.long().T)
    return _multiply_bytes if right_ones else _multiply_floats


def _multiply_bytes(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return torch._int_mm(left, right.T)


def _multiply_floats(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Codes fit bfloat16 and TF32, and sums of so many products float32: no setting of precision makes them inexact."""
    total = torch.zeros((len(left), len(right)), dtype=torch.int32, device=left.device)
    for part in _slices(left.shape[1], _EXACT_DEPTH):
        total += (left[:, part].float() @ right[:, part].float().T).to(torch.int32)
    return total
