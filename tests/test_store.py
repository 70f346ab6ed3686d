"""The store itself: digests, what a shard refuses, rows of several shards."""

import json
from itertools import pairwise

import numpy as np
import pytest

from hardmine.store import fingerprint, shards
from hardmine.store.matrix import assembled
from hardmine.store.rows import Rows
from tests.store_cases import FACTS, keys_of, written

pytest.importorskip("pyarrow")


# Fingerprints


def test_digests_tell_contents_apart():
    facts = [{"a": 1}, {"a": "1"}, {"a": 1.0}, {"b": 1}, {"a": 1, "b": 2}, {"a": [1]}, {"a": {"b": 1}}, {}]
    assert len({fingerprint.of_facts(each) for each in facts}) == len(facts)
    assert fingerprint.of_facts({"a": 1, "b": 2}) == fingerprint.of_facts({"b": 2, "a": 1})
    texts = ["", "a", "b", "ab", "a\0", "\0a", "ä", "a\u0308", " a"]
    assert len({bytes(key) for key in fingerprint.of_texts(texts)}) == len(texts)
    matrix = np.arange(12, dtype=np.float32).reshape(3, 4)
    others = [matrix, matrix.reshape(4, 3), matrix.astype(np.float16), matrix[::-1], matrix[:2], matrix.view(np.int32)]
    assert len({fingerprint.of_matrix(each) for each in others}) == len(others)


def test_digests_of_a_matrix_do_not_see_how_it_lies(monkeypatch, tmp_path):
    matrix = np.random.default_rng(0).standard_normal((50, 7), dtype=np.float32)
    np.save(tmp_path / "m.npy", matrix)
    wide = np.zeros((50, 14), np.float32)
    wide[:, ::2] = matrix
    same = [matrix, np.asfortranarray(matrix), wide[:, ::2], np.load(tmp_path / "m.npy", mmap_mode="r")]
    same.append(matrix.astype(">f4"))
    digests = {fingerprint.of_matrix(each) for each in same}
    monkeypatch.setattr(fingerprint, "_BLOCK", 60)
    assert digests == {fingerprint.of_matrix(matrix)}


def test_a_digest_of_all_texts_tells_their_cuts_and_order():
    import pyarrow as pa

    others = [[], [""], ["", ""], ["ab", "c"], ["a", "bc"], ["abc"], ["c", "ab"], ["ab", "c", ""]]
    digests = [fingerprint.of_all_texts(texts) for texts in others]
    assert len(set(digests)) == len(others)
    sliced = pa.array(["x", "ab", "c", "y"]).slice(1, 2)
    assert {fingerprint.of_all_texts(each) for each in (sliced, sliced.cast(pa.large_string()))} == {digests[3]}


def test_rows_with_lists_do_not_run_into_each_other():
    def ragged(lists):
        offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
        return offsets, np.array([value for each in lists for value in each], np.int64)

    pairs = [
        ([], []), ([1], []), ([], [1]), ([1], [2, 3]), ([1, 2], [3]), ([2, 1], [3]), ([1], [2, 3]), ([0], [0]),
        ([0, 0], []),
    ]  # fmt: skip
    firsts, seconds = zip(*pairs, strict=True)
    fixed = np.zeros((len(pairs), 2), np.float32)
    keys = [bytes(key) for key in fingerprint.of_rows(len(pairs), fixed, ragged(firsts), ragged(seconds))]
    assert len(set(keys)) == len(pairs) - 1
    assert keys[3] == keys[6]
    fixed[6, 1] = 1
    assert bytes(fingerprint.of_rows(len(pairs), fixed, ragged(firsts), ragged(seconds))[6]) not in keys
    alone = fingerprint.of_rows(1, fixed[:1], ragged([[1]]), ragged([[2, 3]]))
    assert bytes(alone[0]) == keys[3], "a row's digest is its own"


@pytest.mark.parametrize("facts", [{"a": np.inf}, {"a": "x" * 70_000}])
def test_facts_that_no_header_can_hold(facts):
    with pytest.raises(ValueError, match=r"Out of range|fingerprint: 70,.* bytes, expected at most 65,536"):
        fingerprint.of_facts(facts)


# Shards


def test_a_shard_comes_back(tmp_path):
    path, keys = written(tmp_path)
    columns = shards.read(path, "embeddings", FACTS)
    assert np.array_equal(columns["keys"], keys)
    assert columns["row.embedding"].dtype == np.float32
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    again, _ = written(tmp_path)
    assert again == path


def test_every_flipped_bit_is_noticed(tmp_path):
    """Length of the header, header, padding, numbers, keys: no byte of a shard can change unseen."""
    path, _ = written(tmp_path, count=2)
    good = path.read_bytes()
    rng, unnamed = np.random.default_rng(0), 0
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bad)
        try:
            columns = shards.read(path, "embeddings", FACTS)
        except shards.ShardError as error:
            unnamed += not str(error).startswith(str(path))
            continue
        # What passes says the same, bit for bit: blanks behind the header, or another spelling of the same JSON.
        path.write_bytes(good)
        same = shards.read(path, "embeddings", FACTS)
        assert columns.keys() == same.keys()
        assert all(columns[name].tobytes() == same[name].tobytes() for name in same), place
    assert unnamed == 0


def test_every_truncation_is_noticed(tmp_path):
    path, _ = written(tmp_path, count=2)
    good = path.read_bytes()
    for size in range(len(good)):
        path.write_bytes(good[:size])
        with pytest.raises(shards.ShardError, match=path.name):
            shards.read(path, "embeddings", FACTS)


@pytest.mark.parametrize(
    ("kind", "facts", "message"),
    [
        ("candidates", FACTS, "holds shard of embeddings, expected shard of candidates"),
        ("embeddings", {**FACTS, "prompt": "other"}, "made with prompt 'find: ', expected 'other'"),
        ("embeddings", {**FACTS, "weights": "ab"}, "made with weights None, expected 'ab'"),
        ("embeddings", {"teacher": "t"}, "made with prompt 'find: ', expected None"),
    ],
)
def test_foreign_shards(tmp_path, kind, facts, message):
    path, _ = written(tmp_path)
    with pytest.raises(shards.ShardError, match=message):
        shards.read(path, kind, facts)


def test_shards_of_another_layout(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "LAYOUT", 0)
    path, _ = written(tmp_path)
    monkeypatch.undo()
    with pytest.raises(shards.ShardError, match=r"layout 0, expected 2 \(made by another release\)"):
        shards.read(path, "embeddings", FACTS)


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"keys": np.zeros((2, 15), np.uint8)},
        {"keys": np.zeros((2, 16), np.int8)},
        {"keys": np.zeros(16, np.uint8)},
        {"keys": np.zeros((2, 16), np.uint8), "row.embedding": np.zeros((3, 4), np.float32)},
        {"keys": np.zeros((2, 16), np.uint8), "list.id": np.zeros(3, np.int64)},
        {"keys": np.zeros((2, 16), np.uint8), "list.id": np.zeros(3, np.int64), "offsets": np.array([0, 2, 4])},
        {"keys": np.zeros((2, 16), np.uint8), "list.id": np.zeros(3, np.int64), "offsets": np.array([0, 4, 3])},
        {"keys": np.zeros((2, 16), np.uint8), "other": np.zeros(2)},
    ],
)
def test_shards_that_are_none(tmp_path, columns):
    """The checksum is right, and yet these are no rows: somebody else's file."""
    from hardmine.plumbing import container

    path = tmp_path / "x.shard"
    about = {"layout": 2, "facts": FACTS, "checksum": shards.checksum("embeddings", 2, FACTS, columns)}
    container.save(path, "shard of embeddings", columns, about)
    with pytest.raises(shards.ShardError, match=r"x\.shard: malformed shard"):
        shards.read(path, "embeddings", FACTS)


def test_a_folder_and_nonsense_are_no_shards(tmp_path):
    (tmp_path / "a.shard").mkdir()
    (tmp_path / "b.shard").write_bytes(b"")
    (tmp_path / "c.shard").write_bytes(b"\xff" * 64)
    for name in "abc":
        with pytest.raises(shards.ShardError, match=rf"{name}\.shard"):
            shards.read(tmp_path / f"{name}.shard", "embeddings", FACTS)


@pytest.mark.parametrize("depth", [50, 900, 3_000, 100_000])
def test_facts_nested_as_deep_as_they_may(tmp_path, depth):
    about = '{"layout":2,"facts":{"a":' + "[" * depth + "]" * depth + "}}"
    header = json.dumps({"__metadata__": {"hardmine": "shard of k", "metadata": about}}).encode()
    path = tmp_path / "x.shard"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(shards.ShardError, match=r"x\.shard: (made with a \[\[|not a hardmine file)"):
        shards.read(path, "k", {"a": 1})


# Rows of several shards


def test_rows_come_back_in_the_order_asked_for(tmp_path, monkeypatch):
    words = [f"word {i}" for i in range(30)]
    vectors = np.random.default_rng(0).standard_normal((30, 4), dtype=np.float32)
    lists = [np.arange(i % 4) + i for i in range(30)]
    rng = np.random.default_rng(1)
    for part in np.split(rng.permutation(30), [7, 8, 20]):
        rows = Rows(tmp_path, "k", FACTS, keys_of(*(words[i] for i in part)))
        assert rows.missing.tolist() == list(range(part.size))
        taken = [lists[i] for i in part]
        offsets = np.cumsum([0, *map(len, taken)]).astype(np.int64)
        rows.add(rows.missing, {"row.v": vectors[part], "offsets": offsets, "list.id": np.concatenate(taken)})
        assert rows.missing.size == 0
    asked = rng.integers(0, 30, 100)
    rows = Rows(tmp_path, "k", FACTS, keys_of(*(words[i] for i in asked)))
    assert rows.missing.size == 0
    assert rows.counts == (4, np.unique(asked).size, 0, 0)
    assert np.array_equal(rows.column("v"), vectors[asked])
    offsets, found = rows.lists({"id": np.int64})
    assert [found["id"][a:b].tolist() for a, b in pairwise(offsets.tolist())] == [lists[i].tolist() for i in asked]
    few = assembled(rows, "v", tmp_path)
    monkeypatch.setattr("hardmine.store.matrix.IN_MEMORY", 0)
    monkeypatch.setattr("hardmine.store.matrix._BLOCK", 50)
    mapped = assembled(rows, "v", tmp_path)
    assert isinstance(mapped.array, np.memmap)
    for matrix in (few, mapped):
        assert np.array_equal(matrix.array, vectors[asked])
        assert not matrix.array.flags.writeable
        assert matrix.digest == fingerprint.of_matrix(vectors[asked])
    assert len(list(tmp_path.iterdir())) == 4, "the mapped file has no name"


def test_missing_are_the_first_of_equal_keys(tmp_path):
    rows = Rows(tmp_path / "new", "k", FACTS, keys_of("b", "a", "b", "c", "a"))
    assert rows.missing.tolist() == [0, 1, 3]
    rows.add(np.array([1]), {"row.v": np.float32([[1]])})
    assert rows.missing.tolist() == [0, 3]
    assert Rows(tmp_path / "new", "k", FACTS, keys_of("d", "a")).missing.tolist() == [0]
    assert Rows(tmp_path / "new", "k", FACTS, keys_of()).missing.size == 0


def test_entries_of_another_shape_are_refused(tmp_path):
    keys = keys_of("a", "b")
    for place, width in ((0, 3), (1, 4)):
        Rows(tmp_path, "k", FACTS, keys).add(np.array([place]), {"row.v": np.zeros((1, width), np.float32)})
    with pytest.raises(shards.ShardError, match=r"v of float32 \(\d,\), expected float32 \(\d,\) as in others"):
        Rows(tmp_path, "k", FACTS, keys).column("v")


def test_policies(tmp_path):
    keys = keys_of("a", "b", "c")
    for place in range(3):
        Rows(tmp_path, "k", FACTS, keys).add(np.array([place]), {"row.v": np.float32([[place]])})
    victim = sorted(tmp_path.iterdir())[1]
    victim.write_bytes(victim.read_bytes()[:-1])
    held = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(shards.ShardError, match=rf"{victim.name}: .*; remove it, or .* cache_policy='reuse'"):
        Rows(tmp_path, "k", FACTS, keys)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == held, "refusing changes nothing"
    said = []
    rows = Rows(tmp_path, "k", FACTS, keys, policy="reuse", say=said.append)
    assert rows.missing.size == 1
    assert len(said) == 1
    assert f"thrown away: {victim}" in said[0]
    assert not victim.exists()
    rows.add(rows.missing, {"row.v": np.float32([[9]])})
    said.clear()
    rows = Rows(tmp_path, "k", FACTS, keys_of("b"), policy="overwrite", say=said.append)
    assert rows.missing.tolist() == [0]
    assert len(said) == 1
    assert len(list(tmp_path.iterdir())) == 2, "what this run does not want stays"
