"""Files read in blocks: the same strings and the same errors as by reading line by line, for whatever JSON allows."""

import gzip
import json
import subprocess
import sys
import textwrap

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hardmine.formats import FormatError, columns, rows
from hardmine.formats.columns import Field, by_line, in_bulk, records
from hardmine.nouns import arrow
from tests.oracle import records as oracle

FIELDS = (Field(("title",), default=""), Field(("text", "body")), Field(("_id", "id"), is_id=True))
PLAIN = [(("title",), "", False), (("text", "body"), None, False), (("_id", "id"), None, True)]
BARE = (Field(("_id", "id"), is_id=True), Field(("text",)))
PLAIN_BARE = [(("_id", "id"), None, True), (("text",), None, False)]


def outcome(read):
    try:
        return [column.to_pylist() for column in read()]
    except FormatError as error:
        return str(error)


strings = st.text(alphabet=st.sampled_from('ab"\\\n\té\u2028\U0001f600\0 {}[],:1'), max_size=8)
values = st.recursive(
    strings
    | st.integers(-3, 3)
    | st.none()
    | st.booleans()
    | st.floats()
    | st.sampled_from(["Inf", "-Infinity", 10**30]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(strings | st.just("_id"), inner, max_size=2),
    max_leaves=4,
)
ids = st.sampled_from(["1", "2", "3", 1, 2, 30, -4, 0]) | strings
good = st.fixed_dictionaries(
    {"_id": ids, "text": strings}, optional={"title": strings | st.none(), "metadata": values, "id": values}
)
odd = st.dictionaries(st.sampled_from(["_id", "id", "text", "body", "title", "x"]), ids | values, max_size=5)
raw = st.sampled_from([
    b"", b" ", b"\r", b"\t", b"\x0b", b"\xc2\xa0", b"{}", b"[1]", b"x", b"{", b"}", b'{"_id": "9", "text": "a"',
    b'{"_id": "8", "text": "a"}{"_id": "9", "text": "b"}', b'{"_id": "8", "metadata": {"a": 1}', b',"text": "b"}',
    b'{"_id": "8", "text": "a", "_id": "9"}', b'{"_id": "8", "text": "\\ud800"}', b'{"_id": "8", "text": "\\udc00"}',
    b'{"_id": "8", "x": "\\ud800", "text": "a"}', b'{"_id": "8", "text": "\xff"}', b'{"_id": "8", "text": "a\x01"}',
    b'{"\\u005fid": "8", "text": "a"}', b'{"\\u005fid": "7", "id": "8", "text": "a"}', b'{"_id": 1.0, "text": "a"}',
    b'{"_id": -0, "text": "a"}', b'{"_id": 123456789012345678901234567890, "text": "a"}', b'{"_id": true, "text": ""}',
    b'{"_id": "8", "text": "a", "x": Inf}', b'{"_id": "8", "text": "a", "x": -Inf}',
    b'{"_id": "8", "x": NaN, "text": "a"}',
    b'{"_id": "8", "text": "a", "x": 1e999}', b'{"_id": "8", "text": "a", "x": 01}', b'{"_id": "8", "text": "a"}\0}',
    b'{"_id": "8", "text": "a"}{"_id": "9", "text": "b"}\0}', b'  {"_id": "8", "text": "a"}  ', b'{"text": "a"}',
    b'{"_id": "8", "text": "a", "x": ' + b"1" * 5000 + b"}",
    b'{"_id": "8", "text": "a", "x": ' + b"[" * 3000 + b"]" * 3000 + b"}",
    b'\xef\xbb\xbf{"_id": "8", "text": "a"}', b'{"_id": null, "id": "8", "text": "a"}',
    b'{"_id": "8", "text": "Inf, [Inf]"}',
])  # fmt: skip
line = (good.map(json.dumps) | good.map(lambda r: json.dumps(r, ensure_ascii=False)) | odd.map(json.dumps)).map(
    str.encode
) | raw
files = st.tuples(
    st.lists(line, max_size=6), st.sampled_from([b"\n", b"\r\n", b"\r\r\n"]), st.booleans(), st.booleans()
)


@given(files, st.sampled_from([FIELDS, BARE]), st.sampled_from([1, 40, 1 << 20]))
@example(
    ([b'{"_id": "1", "text": "a"}{"_id": "2", "text": "b"}', b'{"_id": "3"', b',"text": "c"}'], b"\n", False, False),
    FIELDS,
    1 << 20,
)
@example(
    ([b'{"_id": "1", "text": "a"}{"_id": "2", "text": "b"}\0}', b'{"_id": "3", "text": "c"}'], b"\n", False, False),
    FIELDS,
    1 << 20,
)
@example(([b'{"id": "1", "text": "a"}', b'{"_id": "2", "id": "3", "text": "a"}'], b"\n", False, False), FIELDS, 1 << 20)
@example(
    ([b'{"_id": "1", "text": "a"}', b'{"_id": "2", "text": "b"}{"_id": "3", "text": "c"}'], b"\n", False, True),
    FIELDS,
    1 << 20,
)
@example(([b'\xef\xbb\xbf{"_id": "8", "text": "a"}'], b"\n", True, False), FIELDS, 1)
@settings(deadline=None, max_examples=300)
def test_any_file(tmp_path_factory, file, fields, block):
    lines, end, has_mark, has_end = file
    data = (b"\xef\xbb\xbf" if has_mark else b"") + end.join(lines) + (end if has_end else b"")
    path = tmp_path_factory.mktemp("any") / "file.jsonl"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "BLOCK", block)
        found = outcome(lambda: records(path, "jsonl", fields, "document"))
        slow = outcome(lambda: by_line(path, "jsonl", fields, "document"))
    assert found == slow
    wanted = oracle.read(data, PLAIN if fields is FIELDS else PLAIN_BARE)
    if isinstance(wanted, list):
        assert found == wanted
    else:
        number, name = wanted
        assert f"file.jsonl, line {number}" in found
        assert name is None or f"field {name!r}" in found


@given(st.lists(good, min_size=1, max_size=20, unique_by=lambda record: str(record["_id"])))
@settings(deadline=None, max_examples=50)
def test_ordinary_files_are_read_in_bulk(tmp_path_factory, found):
    """What most files hold never needs the reader of lines."""
    path = tmp_path_factory.mktemp("good") / "file.jsonl"
    plain = [{"_id": str(r["_id"]), "title": r.get("title") or "", "text": r["text"]} for r in found]
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in plain), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "json_rows", None)
        read = in_bulk(path, "jsonl", FIELDS)
    assert [column.to_pylist() for column in read] == [[r[n] for r in plain] for n in ("title", "text", "_id")]


def test_integers_as_ids_are_read_in_bulk(tmp_path, monkeypatch):
    path = tmp_path / "file.jsonl"
    path.write_text('{"id": 7, "text": "a"}\n{"id": -8, "text": "b"}\n')
    monkeypatch.setattr(columns, "json_rows", None)
    assert in_bulk(path, "jsonl", FIELDS)[2].to_pylist() == ["7", "-8"]


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: pa.compress(data, "zstd", asbytes=True)])
def test_an_error_of_a_packed_file_is_that_of_the_plain_one(tmp_path, monkeypatch, pack):
    data = b'{"_id": "1", "text": "a"}\n' * 2 + b"{}\n"
    monkeypatch.setattr(rows, "BLOCK", 30)
    (tmp_path / "plain.jsonl").write_bytes(data)
    name = "plain.jsonl.gz" if pack is gzip.compress else "plain.jsonl.zst"
    (tmp_path / name).write_bytes(pack(data))
    plain, packed = (
        outcome(lambda p=p: records(tmp_path / p, "jsonl", FIELDS, "document")) for p in ("plain.jsonl", name)
    )
    assert "line 2: document id '1' occurs twice" in plain
    assert packed == plain.replace("plain.jsonl", name)


PARQUET = {
    "strings": {"_id": ["1", "2"], "text": ["a", "b"], "title": ["", None]},
    "integers": {"_id": pa.array([1, 2], pa.uint64()), "text": ["a", "b"]},
    "large strings": {"_id": pa.array(["1", "2"], pa.large_string()), "text": pa.array(["a", "b"], pa.large_string())},
    "a dictionary": {"_id": pa.array(["1", "2"]).dictionary_encode(), "text": ["a", "b"]},
    "twice": {"_id": ["1", "1"], "text": ["a", "b"]},
    "null": {"_id": ["1", None], "text": ["a", "b"]},
    "no text": {"_id": ["1", "2"], "x": ["a", "b"]},
    "numbers": {"_id": ["1", "2"], "text": [1, 2]},
    "the other name": {"id": ["1", "2"], "_id": ["3", "4"], "body": ["c", "d"], "text": ["a", "b"]},
}


IN_BULK = ("strings", "integers", "large strings", "the other name")


@pytest.mark.parametrize("name", PARQUET)
def test_parquet(tmp_path, monkeypatch, name):
    path = tmp_path / "file.parquet"
    pq.write_table(pa.table(PARQUET[name]), path)
    wanted = outcome(lambda: by_line(path, "parquet", FIELDS, "document"))
    if name in IN_BULK:
        monkeypatch.setattr(columns, "table_rows", None)
    assert outcome(lambda: records(path, "parquet", FIELDS, "document")) == wanted


def test_first_repeat():
    for strings in (["a"], [], ["a", "b", "a"], ["", "x", "y", "", "x"]):
        wanted = next((i for i, s in enumerate(strings) if s in strings[:i]), None)
        assert arrow.first_repeat(pa.array(strings, pa.large_string())) == wanted


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abcd")))
def test_places(among, wanted):
    found = arrow.places(pa.array(wanted, pa.string()), pa.array(among, pa.large_string())).tolist()
    assert found == [among.index(w) if w in among else -1 for w in wanted]


def test_memory_of_a_collection(tmp_path):
    """At most 1.3 times its bytes beyond what the libraries take; never a second copy of the texts."""
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    text = "some words of a passage that are as long as passages are, and so on " * 12
    with (folder / "corpus.jsonl").open("w") as file:
        for start in range(0, 200_000, 1000):
            file.write(
                "".join(f'{{"_id": "d{i}", "title": "", "text": "{text}"}}\n' for i in range(start, start + 1000))
            )
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "a"}\n')
    (folder / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq\td5\t1\n")
    code = """
        import sys, hardmine as hm, pyarrow.json, pyarrow.csv, pyarrow.compute
        def peak():
            with open("/proc/self/status") as file:
                return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
        before = peak()
        found = hm.Collection.read(sys.argv[1])
        print(peak() - before, found.queries.nbytes + found.documents.nbytes)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(folder)],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    grown, held = map(int, run.stdout.split())
    size = 200_000 * (len(text) + 6)
    assert held <= 1.3 * size
    assert grown <= 1.3 * size + 120e6, (grown, size)  # blocks on their way, and threads
