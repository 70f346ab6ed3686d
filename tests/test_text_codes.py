"""Numbers in the place of texts, beside Arrow's dictionary."""

import numpy as np
import pyarrow as pa
import pytest

from hardmine import _native
from hardmine.nouns.arrow import codes_of


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
@pytest.mark.parametrize("num_different", [1, 40, 5000])
def test_as_arrow_numbers_them(num_different, kind, threads):
    rng = np.random.default_rng(num_different)
    texts = ["", "é漢🦦", *(f"text {number} " * (number % 4) for number in rng.integers(0, num_different, 4000))]
    strings = pa.chunked_array([texts[:7], [], texts[7:]], kind)
    expected = strings.combine_chunks().dictionary_encode()
    codes, unique = codes_of(strings, threads)
    assert codes.dtype == np.int64
    assert codes.tolist() == expected.indices.to_pylist()
    assert unique.type == pa.large_string()
    assert unique.to_pylist() == expected.dictionary.to_pylist()


def test_pieces_of_arrays():
    whole = pa.array(["a", "b", "a", "c", "b", "d"], pa.large_string())
    codes, unique = codes_of(whole.slice(1, 4))
    assert (codes.tolist(), unique.to_pylist()) == ([0, 1, 2, 0], ["b", "a", "c"])
    codes, unique = codes_of(whole.slice(0, 0))
    assert (codes.tolist(), unique.to_pylist()) == ([], [])


def test_different_texts_that_stand_first_are_not_copied():
    texts = pa.array(["a", "b", "c", "b", "a"], pa.large_string())
    _, unique = codes_of(texts)
    assert unique.to_pylist() == ["a", "b", "c"]
    assert unique.buffers()[2].address == texts.buffers()[2].address


@pytest.mark.parametrize("offsets", [[0, 9], [-1, 2], [0, 2, 1], []])
def test_offsets_that_do_not_cut(offsets):
    with pytest.raises(ValueError, match="offsets"):
        _native.text_codes(np.array(offsets, np.int64), np.zeros(3, np.uint8), 1)
