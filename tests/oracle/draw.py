"""Draws, slow and plain: Philox in Python integers or NumPy, every cell's noise computed, everything sorted."""

from __future__ import annotations

import numpy as np

MULTIPLIER = (0xD2511F53, 0xCD9E8D57)
KEY_STEP = (0x9E3779B9, 0xBB67AE85)
LOW = 0xFFFFFFFF
(
    DRAW, SELECT, FILL, UNIFORM, ALIAS, CROSS_SAMPLE, JOINT, POSITIVES, DYNAMIC, CLUSTERS, ONLINE_CLUSTERS,
    NEAR_DUPLICATES,
) = range(12)  # fmt: skip


def philox(counter, key):
    """One block; works on integers and on uint64 arrays alike."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = MULTIPLIER[0] * c0, MULTIPLIER[1] * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & LOW, (p0 >> 32) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + KEY_STEP[0]) & LOW, (k1 + KEY_STEP[1]) & LOW
    return c0, c1, c2, c3


def stream_key(seed, epoch, domain, arrival=0):
    return philox((epoch & LOW, epoch >> 32, domain, arrival), (seed & LOW, seed >> 32))[:2]


def bits(key, row_key, column_keys):
    """64 random bits of every column."""
    columns = np.asarray(column_keys, np.uint64)
    low, high = columns & np.uint64(LOW), columns >> np.uint64(32)
    row = [np.full_like(columns, half) for half in (row_key & LOW, row_key >> 32)]
    with np.errstate(over="ignore"):
        w0, w1, _, _ = _philox_arrays([low, high, *row], key)
    return w0 | w1 << np.uint64(32)


def _philox_arrays(counter, key):
    c0, c1, c2, c3 = counter
    k0, k1 = key
    low, shift = np.uint64(LOW), np.uint64(32)
    for _ in range(10):
        p0, p1 = np.uint64(MULTIPLIER[0]) * c0, np.uint64(MULTIPLIER[1]) * c2
        c0, c1, c2, c3 = (p1 >> shift) ^ c1 ^ np.uint64(k0), p1 & low, (p0 >> shift) ^ c3 ^ np.uint64(k1), p0 & low
        k0, k1 = (k0 + KEY_STEP[0]) & LOW, (k1 + KEY_STEP[1]) & LOW
    return c0, c1, c2, c3


def unit(words):
    """The odd multiple of 2**-53 that the top 52 bits name."""
    return ((np.asarray(words, np.uint64) >> np.uint64(12)) * np.uint64(2) + np.uint64(1)).astype(np.float64) * 2.0**-53


def ln(x):
    """The library's own logarithm, operation by operation."""
    raw = np.asarray(x, np.float64).view(np.uint64)
    with np.errstate(over="ignore"):
        shifted = raw + np.uint64(0x3FF0000000000000 - 0x3FE6A09E00000000)
        mantissa = (shifted & np.uint64(0x000FFFFFFFFFFFFF)) + np.uint64(0x3FE6A09E00000000)
    k = (shifted >> np.uint64(52)).astype(np.float64) - 1023.0
    f = mantissa.view(np.float64) - 1.0
    half_square = 0.5 * f * f
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (0.39999999999899444 + w * (0.22222211130259878 + w * 0.15331710618210773))
    odd = 0.2857142862600327 + w * (0.18182889455674947 + w * 0.14616585424888623)
    tail = z * (0.666666666666667 + w * odd) + even
    return k * 0.6931471803691238 - ((half_square - (s * (half_square + tail) + k * 1.9082149292705877e-10)) - f)


def gumbel(words):
    return -ln(-ln(unit(words)))


def noise(seed, epoch, row_key, column_keys, domain=DRAW, arrival=0):
    return gumbel(bits(stream_key(seed, epoch, domain, arrival), row_key, column_keys))


def sums(weights, gumbel):
    """Exact sums of two numbers, as the nearest float64 and what that leaves out (nothing of -inf)."""
    with np.errstate(invalid="ignore"):
        total = weights + gumbel
        of_gumbel = total - weights
        rest = (weights - (total - of_gumbel)) + (gumbel - of_gumbel)
    return total, np.where(np.isfinite(total), rest, 0.0)


def largest(weights, gumbel, n):
    """Positions of the n largest sums, best first, ties to the lower one, -inf never."""
    total, rest = sums(np.asarray(weights, np.float64), gumbel)
    order = np.lexsort((-rest, -total))
    return [int(i) for i in order if total[i] > -np.inf][:n]


def draw(log_weights, n, *, seed, epoch=0, replace=False, row_keys=None, column_keys=None):
    rows, columns = log_weights.shape
    row_keys = range(rows) if row_keys is None else [int(key) for key in row_keys]
    column_keys = np.arange(columns, dtype=np.uint64) if column_keys is None else np.asarray(column_keys, np.uint64)
    out = np.full((rows, n), -1)
    for row, key in enumerate(row_keys):
        weights = np.asarray(log_weights[row], np.float64)
        if replace:
            drawn = _events(weights, n, seed, epoch, key, column_keys)
        else:
            drawn = sorted(largest(weights, noise(seed, epoch, key, column_keys), n))
        out[row, : len(drawn)] = drawn
    return out


def _events(weights, n, seed, epoch, row_key, column_keys):
    """The first n events of one Poisson process for each column."""
    events = []
    waited = np.zeros(len(weights))
    for arrival in range(n):
        waited = waited + -ln(unit(bits(stream_key(seed, epoch, DRAW, arrival), row_key, column_keys)))
        keys = zip(*sums(weights, -ln(waited)), strict=True)
        events += [(-key, -rest, column, arrival) for column, (key, rest) in enumerate(keys) if key > -np.inf]
    return [column for _, _, column, _ in sorted(events)[:n]]


class Words:
    """64 random bits after 64 random bits of one row."""

    def __init__(self, key, row_key):
        self.key, self.row, self.block, self.rest = key, (row_key & LOW, row_key >> 32), 0, []

    def __next__(self):
        if not self.rest:
            w = philox((self.block & LOW, self.block >> 32, *self.row), self.key)
            self.rest = [w[0] | w[1] << 32, w[2] | w[3] << 32]
            self.block += 1
        return self.rest.pop(0)

    def below(self, limit):
        while True:
            value = scaled(next(self), limit, 64)
            if value is not None:
                return value


def scaled(word, limit, width):
    """Lemire's unbiased integer below the limit, None where the word is refused."""
    product = word * limit
    return None if product % 2**width < 2**width % limit else product >> width


def sample_uniform(num_rows, n, num_items, *, exclude, seed, epoch=0, replace=False, row_keys=None, domain=UNIFORM):
    out = np.full((num_rows, n), -1)
    for row in range(num_rows):
        words = Words(stream_key(seed, epoch, domain), row if row_keys is None else int(row_keys[row]))
        gone = {int(item) for item in exclude[row]}
        if len(gone) == num_items:
            continue
        if len(gone) + (0 if replace else n) <= num_items // 2:
            drawn = _rejection(words, n, num_items, gone, replace)
        else:
            left = [item for item in range(num_items) if item not in gone]
            drawn = []
            for i in range(n if replace else min(n, len(left))):
                if replace:
                    drawn.append(left[words.below(len(left))])
                    continue
                j = i + words.below(len(left) - i)
                left[i], left[j] = left[j], left[i]
                drawn.append(left[i])
        out[row, : len(drawn)] = drawn
    return out


def _rejection(words, n, num_items, gone, replace):
    drawn = []
    seen = set(gone)
    while len(drawn) < n:
        word = next(words)
        narrow = num_items <= LOW
        for item in (
            [scaled(half, num_items, 32) for half in (word & LOW, word >> 32)]
            if narrow
            else [scaled(word, num_items, 64)]
        ):
            if item is not None and item not in seen and len(drawn) < n:
                drawn.append(item)
                if not replace:
                    seen.add(item)
    return drawn


def sequential(weights, n):
    """Probability of every ordered way to draw n without replacement, {tuple: probability}."""
    total = sum(weights)
    if n == 0:
        return {(): 1.0}
    law = {}
    for first, weight in enumerate(weights):
        if weight > 0:
            rest = [0.0 if i == first else w for i, w in enumerate(weights)]
            for tail, probability in sequential(rest, n - 1).items():
                law[(first, *tail)] = weight / total * probability
    return law
