"""The store itself: what a shard refuses, whose lock it is, what a full disk leaves, which folder is a cache."""

import errno
import json
import multiprocessing
import os
import re
import resource
import subprocess
import sys
import textwrap
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from hardmine.store import fingerprint, lock, manifest, shards
from hardmine.store.matrix import assembled
from hardmine.store.rows import Rows
from tests.children import ROOT, run_script

pytest.importorskip("pyarrow")
posix = pytest.mark.skipif(sys.platform == "win32", reason="locks, limits and mounts of POSIX")
FACTS = {"teacher": "t", "prompt": "find: "}


def keys_of(*texts):
    return fingerprint.of_texts(list(texts))


def written(folder, count=5, facts=FACTS, kind="embeddings"):
    keys = keys_of(*(f"text {i}" for i in range(count)))
    columns = {"row.embedding": np.arange(3 * count, dtype=np.float32).reshape(count, 3)}
    return shards.write(folder, kind, facts, {"keys": keys, **columns}), keys


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
    about = {"layout": 2, "facts": FACTS, "checksum": shards._checksum("embeddings", 2, FACTS, columns)}
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


# The folder


def held(path, policy="refuse", say=lambda _: None):
    return manifest.opened(path, policy, say)


def test_a_cache_is_made_and_known_again(tmp_path):
    path = tmp_path / "Ünïcödé 東京" / "a b"
    with held(path) as store:
        rows = store.rows("stage", "kind", FACTS, keys_of("a"))
        rows.add(rows.missing, {"row.v": np.float32([[1]])})
    assert json.loads((path / manifest.MANIFEST).read_text()) == {"hardmine": "cache", "layout": 2}
    counts = {"shards_reused": 0, "rows_reused": 0, "shards_computed": 1, "rows_computed": 1}
    assert json.loads((path / manifest.LAST_RUN).read_text()) == {"stage": counts}
    with held(path) as store:
        assert store.rows("stage", "kind", FACTS, keys_of("a")).missing.size == 0
    store = manifest.looked_at(path)
    assert store.rows("stage", "kind", FACTS, keys_of("a", "b")).missing.tolist() == [1]
    assert manifest.looked_at(tmp_path / "none").rows("stage", "kind", FACTS, keys_of("a")).missing.tolist() == [0]
    assert not (tmp_path / "none").exists()


def test_the_layout_that_the_page_names():
    page = (ROOT / "docs/cache.md").read_text()
    assert re.findall(r'"layout": (\d+)|`layout` \((\d+);', page) == [
        (str(shards.LAYOUT), ""),
        ("", str(shards.LAYOUT)),
    ]


def test_looking_passes_over_damage_and_leaves_it(tmp_path):
    with held(tmp_path / "c") as store:
        rows = store.rows("stage", "kind", FACTS, keys_of("a"))
        rows.add(rows.missing, {"row.v": np.float32([[1]])})
    path = next((tmp_path / "c").rglob("*.shard"))
    path.write_bytes(b"nonsense")
    assert manifest.looked_at(tmp_path / "c").rows("stage", "kind", FACTS, keys_of("a")).missing.size == 1
    assert path.read_bytes() == b"nonsense"


def test_folders_that_are_no_cache(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(NotADirectoryError, match="cache: .*file: a file, expected a folder"), held(file):
        pass
    message = r"holds other files \('file'\), expected a cache or an empty folder"
    with pytest.raises(ValueError, match=message), held(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
    for text, message in (
        ('{"hardmine": "cache", "layout": 1}', "layout 1, expected 2; give another folder"),
        ('{"hardmine": "else", "layout": 2}', "layout None, expected 2"),
        ("[" * 5_000, "malformed, expected the manifest of a cache"),
        ("", "malformed, expected the manifest of a cache"),
        ("7", "malformed, expected the manifest of a cache"),
    ):
        (tmp_path / "c").mkdir(exist_ok=True)
        (tmp_path / "c" / manifest.MANIFEST).write_text(text)
        with pytest.raises(ValueError, match=message), held(tmp_path / "c"):
            pass
        with pytest.raises(ValueError, match=message):
            manifest.looked_at(tmp_path / "c")


def test_what_a_killed_run_was_writing_is_swept(tmp_path):
    with held(tmp_path / "c") as store:
        store.rows("s", "k", FACTS, keys_of("a")).add(np.array([0]), {"row.v": np.zeros((1, 1))})
    shard = next((tmp_path / "c").rglob("*.shard"))
    parts = [
        tmp_path / "c" / ".x.part",
        tmp_path / "c" / ".rows.jsonl.abc.1.old",
        shard.with_name(f".{shard.name}.abc.part"),
    ]
    kept = [tmp_path / "c" / name for name in (".rows.jsonl.abc.1.moved", "mine.old", ".mine.old")]
    for part in (*parts, *kept):
        part.write_bytes(b"half")
    with held(tmp_path / "c") as store:
        store.rows("s", "k", FACTS, keys_of("a"))
    assert not any(part.exists() for part in parts)
    assert all(path.exists() for path in kept), "what may have no other name, and what is none of ours"
    assert shard.exists()


@posix
@pytest.mark.parametrize("policy", ["refuse", "reuse", "overwrite"])
@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda path: path.mkdir(), "a folder, expected a file"),
        (lambda path: path.symlink_to("nowhere"), "a link to nothing, expected a file"),
        (lambda path: path.symlink_to(path.name), "a link to nothing, expected a file"),
        (os.mkfifo, "a device or a pipe, expected a file"),
    ],
)
def test_places_of_shards_that_are_no_files(tmp_path, make, what, policy):
    path = tmp_path / "facts" / "x.shard"
    path.parent.mkdir()
    make(path)
    is_folder, said = path.is_dir(), []

    def look():
        return Rows(path.parent, "k", FACTS, keys_of("a"), policy=policy, say=said.append)

    if policy == "refuse" or is_folder:
        with pytest.raises(shards.ShardError) as caught:
            look()
        assert str(caught.value).startswith(f"{path}: {what}; ")
        assert ("remove it" in str(caught.value), "\n" in str(caught.value)) == (True, False)
        assert os.path.lexists(path)
    else:
        assert look().missing.tolist() == [0]
        assert said == [f"thrown away: {path}: {what}"]
        assert not os.path.lexists(path)


@pytest.mark.parametrize("kind", [True, False])
def test_a_file_in_place_of_a_folder_of_shards(tmp_path, kind):
    with held(tmp_path / "c") as store:
        folder = store.folder / "k" / fingerprint.of_facts(FACTS)
    path = folder.parent if kind else folder
    path.parent.mkdir(exist_ok=True)
    path.write_text("x")
    message = rf"{path.name}: no folder, expected one of shards; remove it, or compute its rows again by"
    with pytest.raises(shards.ShardError, match=message), held(tmp_path / "c") as store:
        store.rows("s", "k", FACTS, keys_of("a"))
    with held(tmp_path / "c", "reuse") as store:
        rows = store.rows("s", "k", FACTS, keys_of("a"))
        rows.add(np.array([0]), {"row.v": np.zeros((1, 1))})
    with held(tmp_path / "c") as store:
        assert store.rows("s", "k", FACTS, keys_of("a")).missing.size == 0


def test_counts_that_cannot_be_written_cost_no_result(tmp_path):
    said = []
    with held(tmp_path / "c", say=said.append) as store:
        (store.folder / manifest.LAST_RUN).mkdir()
    assert len(said) == 1
    assert said[0].startswith(f"cache {tmp_path / 'c'}: last-run.json is not written (")


def test_a_first_run_killed_before_its_manifest(tmp_path):
    folder = tmp_path / "c"
    folder.mkdir()
    (folder / "lock").touch()
    (folder / f".{manifest.MANIFEST}.abc.part").write_text("{")
    with held(folder):
        pass
    assert sorted(path.name for path in folder.iterdir()) == [manifest.MANIFEST, manifest.LAST_RUN, "lock"]


# The lock


def hold(path, entered, leave):
    with held(path):
        entered.set()
        leave.wait(60)


@posix
@pytest.mark.parametrize("end", ["leaves", "is killed"])
def test_the_second_waits_for_the_first(tmp_path, end):
    context = multiprocessing.get_context("spawn")
    entered, leave = context.Event(), context.Event()
    first = context.Process(target=hold, args=(tmp_path / "c", entered, leave), daemon=True)
    first.start()
    assert entered.wait(60)
    said, inside = [], threading.Event()

    def second():
        with held(tmp_path / "c", say=said.append):
            inside.set()

    thread = threading.Thread(target=second, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not said and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not inside.is_set()
    assert len(said) == 1
    assert f"waiting for process {first.pid} on " in said[0]
    assert ", which holds it since 20" in said[0]
    leave.set() if end == "leaves" else first.kill()
    assert inside.wait(60), "a lock of a process that has gone is no lock"
    thread.join(60)
    first.join(60)
    assert len(said) == 1


@posix
@pytest.mark.parametrize("forget", [True, False], ids=["Python forks", "a library forks"])
def test_a_forked_child_does_not_keep_the_lock(tmp_path, forget):
    """Nor does it take away what its parent holds."""
    out = run_script(
        f"""
import ctypes, warnings
from pathlib import Path
from hardmine.store import lock
warnings.simplefilter("ignore", DeprecationWarning)
fork = os.fork if {forget} else ctypes.PyDLL(None).fork
path = Path({str(tmp_path / "lock")!r})
with lock.locked(path, print):
    child = fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    descriptor = os.open(path, os.O_RDWR)
    try:
        lock.fcntl.flock(descriptor, lock.fcntl.LOCK_EX | lock.fcntl.LOCK_NB)
        print("lost")
    except BlockingIOError:
        print("held")
    os.close(descriptor)
with lock.locked(path, print) as held:
    print(held)
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
""",
        timeout=30,
    )
    assert out.split() == ["held", "True"]


@posix
def test_the_lock_of_a_killed_parent_does_not_live_on(tmp_path):
    out = run_script(
        f"""
import subprocess
from pathlib import Path
path = Path({str(tmp_path / "lock")!r})
code = '''
import os, signal, sys, time, warnings
from pathlib import Path
from hardmine.store import lock
warnings.simplefilter("ignore", DeprecationWarning)
ready, told = os.pipe()
with lock.locked(Path(sys.argv[1]), print):
    child = os.fork()
    if child == 0:
        signal.alarm(25)
        os.write(told, b"1")
        time.sleep(60)
        os._exit(0)
    os.read(ready, 1)
    print(child, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
'''
parent = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True)
orphan = int(parent.stdout.readline())
assert parent.wait() == -signal.SIGKILL
from hardmine.store import lock
try:
    with lock.locked(path, lambda line: sys.exit("waits: " + line)) as held:
        print(held)
finally:
    os.kill(orphan, signal.SIGKILL)
""",
        timeout=30,
    )
    assert out.split() == ["True"]


@posix
def test_a_run_inside_a_run_does_not_wait_for_itself(tmp_path):
    out = run_script(
        f"""
from pathlib import Path
from hardmine.store import lock
path = Path({str(tmp_path / "lock")!r})
with lock.locked(path, print):
    for inside in (path, path.parent / "." / "lock"):
        try:
            with lock.locked(inside, print):
                print("entered")
        except RuntimeError as error:
            print(error)
    with lock.locked(path.parent / "other", print) as held:
        print(held)
with lock.locked(path, print) as held:
    print(held)
""",
        timeout=30,
    )
    lines = out.splitlines()
    assert lines[2:] == ["True", "True"]
    said = (
        f"cache {tmp_path}: held by a run of this thread, which has not ended (a teacher or a progress callable that "
        "starts another would wait for itself); expected another folder for the run inside"
    )
    assert lines[:2] == [said, said]


@posix
def test_what_a_lock_says_may_be_anything(tmp_path):
    path = tmp_path / "lock"
    for text in ("", "[", "[]", '{"pid": "x"}', '{"pid": 1}', "\0" * 100):
        path.write_text(text)
        descriptor = os.open(path, os.O_RDWR)
        assert lock.holder(descriptor) == "another process, which holds it"
        os.close(descriptor)
    with lock.locked(path, pytest.fail) as is_held:  # whatever a dead process left there
        assert is_held
        assert json.loads(path.read_text())["pid"] == os.getpid()


@posix
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    said = []
    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    with held(tmp_path / "c", say=said.append) as store:
        # Somebody else's half-written file stays: nobody is kept away.
        (tmp_path / "c" / ".x.part").touch()
        store.rows("s", "k", FACTS, keys_of("a")).add(np.array([0]), {"row.v": np.zeros((1, 1))})
    with held(tmp_path / "c", say=said.append) as store:
        assert store.rows("s", "k", FACTS, keys_of("a")).missing.size == 0
    assert (tmp_path / "c" / ".x.part").exists()
    assert len(said) == 2
    assert "no locks here" in said[0]


@posix
def test_other_errors_of_a_lock_are_told(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    with pytest.raises(OSError, match="Input/output error"), held(tmp_path / "c"):
        pass


# A full disk, and folders that may not be written

FILLING = """
    import numpy as np
    from pathlib import Path
    from hardmine.store import fingerprint, manifest
    from hardmine.store.matrix import assembled
    import hardmine.store.matrix as matrix
    matrix.IN_MEMORY = 0
    keys = fingerprint.of_texts([str(i) for i in range(64)])
    try:
        with manifest.opened(Path({path!r}), "refuse", print) as store:
            rows = store.rows("s", "k", {{"a": 1}}, keys)
            for place in range({first}, {last}):
                rows.add(np.array([place]), {{"row.v": np.full((1, {numbers}), place, np.float32)}})
            if {last} == 64:
                assembled(rows, "v", store.folder)
            print("whole")
    except OSError as error:
        print(error)
"""


def fill(path, first, last, numbers, limit=None):
    code = FILLING.format(path=str(path), first=first, last=last, numbers=numbers)
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        preexec_fn=None if limit is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True, text=True, timeout=100, cwd=ROOT,
    )  # fmt: skip


@posix
def test_a_full_disk_while_a_shard_is_written(tmp_path):
    path = tmp_path / "c"
    assert fill(path, 0, 3, 100).stdout == "whole\n"
    before = {each: each.read_bytes() for each in path.rglob("*.shard")}
    found = fill(path, 3, 4, 100_000, limit=100_000)
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("\n") == 1
    assert "File too large" in found.stdout
    assert ".shard" in found.stdout
    assert {each: each.read_bytes() for each in path.rglob("*.shard")} == before
    assert not list(path.rglob(".*"))
    assert fill(path, 3, 4, 100).stdout == "whole\n"


@posix
def test_a_full_disk_while_embeddings_are_mapped(tmp_path):
    path = tmp_path / "c"
    assert fill(path, 0, 64, 1_000).stdout == "whole\n"
    found = fill(path, 64, 64, 1_000, limit=100_000)
    assert found.returncode == 0, found.stderr
    assert f"File too large: '{path}'" in found.stdout
    assert not list(path.rglob(".*"))
    assert fill(path, 64, 64, 1_000).stdout == "whole\n"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 kB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting takes root on Linux")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", mount], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no mount here: {made.stderr.strip()}")
    yield mount
    subprocess.run(["umount", "-l", mount], check=True)


def test_a_small_disk(small_disk):
    path = small_disk / "c"
    found = fill(path, 0, 64, 5_000)
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("\n") == 1
    assert "No space left on device" in found.stdout
    assert ".shard" in found.stdout
    kept = sorted(path.rglob("*.shard"))
    assert kept
    for each in kept:
        shards.read(each, "k", {"a": 1})
    assert not list(path.rglob(".*"))


@posix
def test_folders_that_may_not_be_written():
    """A new cache in a folder of somebody else, a cache of somebody else, and a shard that may not be read."""
    out = run_script(
        """
        import shutil, tempfile
        from pathlib import Path
        import numpy as np
        from hardmine.store import fingerprint, manifest
        keys = fingerprint.of_texts(["a"])
        folder = Path(tempfile.mkdtemp())

        def use(path):
            with manifest.opened(path, "refuse", print) as store:
                rows = store.rows("s", "k", {"a": 1}, keys)
                if rows.missing.size:
                    rows.add(rows.missing, {"row.v": np.zeros((1, 1))})

        use(folder / "c")
        shard = next(folder.rglob("*.shard"))
        (folder / "c" / "lock").chmod(0o444)
        (folder / "d").mkdir()
        for path in (folder, folder / "c"):
            path.chmod(0o555)
        root = os.geteuid() == 0
        try:
            for path in ("new", "c", "d"):
                if path == "d":
                    (folder / "c").chmod(0o777)
                    (folder / "c" / "lock").chmod(0o666)
                    shard.chmod(0)
                if root:
                    os.seteuid(65534)
                try:
                    use(folder / ("c" if path == "d" else path))
                except PermissionError as error:
                    print(error)
                finally:
                    if root:
                        os.seteuid(0)
        finally:
            folder.chmod(0o755)
            shutil.rmtree(folder)
        """
    )
    lines = out.splitlines()
    assert len(lines) == 3, out
    assert all(line.startswith("[Errno 13] Permission denied: '/") for line in lines), out
    assert [Path(line[:-1]).suffix or Path(line[:-1]).name for line in lines] == ["new", "lock", ".shard"]
