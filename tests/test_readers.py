"""What readers make of files that others leave behind: odd columns, spaces in ids, copies, hidden files, suffixes."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hardmine as hm
from tests.texts import write_beir

CORPUS = [("d1", "", "red"), (" d1", "", "green"), ("d\u00a0", "", "blue")]
QUERIES = [("q1", "which"), ("q 2 ", "what")]
HEADER = "query-id\tcorpus-id\tscore\n"


@pytest.fixture
def folder(tmp_path):
    return write_beir(tmp_path / "collection", CORPUS, QUERIES, train=[("q1", "d1", 1)])


def labels(collection):
    names = list(collection.document_ids)
    return {
        query: [names[d] for d in collection.positives[row]] for row, query in enumerate(list(collection.query_ids))
    }


# Parquet

PAIRS = {"query": ["a", "b"], "positive": ["c", "d"]}
FAR = {
    "a date beyond Python's": pa.array([2**62, 0], pa.timestamp("us")),
    "a day beyond Python's": pa.array([2**31 - 1, 0], pa.int32()).cast(pa.date32()),
    "a span beyond Python's": pa.array([2**62, 0], pa.duration("us")),
    "an unknown time zone": pa.array([1, 2], pa.timestamp("us", tz="Not/AZone")),
    "bytes that are no text": pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]
    ),
}


@pytest.mark.parametrize("column", FAR.values(), ids=FAR)
def test_columns_that_nobody_reads_do_not_matter(tmp_path, column):
    path = tmp_path / "pairs.parquet"
    pq.write_table(pa.table({"when": column, **PAIRS}), path)
    pq.write_table(pa.table({"text": ["x", "y"], "when": column}), tmp_path / "corpus.parquet")
    assert hm.Collection.read(path).num_queries == 2
    assert hm.Collection.read(path, corpus=tmp_path / "corpus.parquet").num_documents == 4


def test_bytes_of_columns_that_nobody_reads_do_not_matter(tmp_path):
    """Nor do they cost time: they are not read at all."""
    path = tmp_path / "pairs.parquet"
    wide = pa.table({**PAIRS, "vector": [[1.0, 2.0], [3.0, 4.0]]})
    pq.write_table(wide, path)
    column = pq.read_metadata(path).row_group(0).column(2)
    start = min(column.data_page_offset, column.dictionary_page_offset or column.data_page_offset)
    data = path.read_bytes()
    end = start + column.total_compressed_size
    path.write_bytes(data[:start] + b"\xff" * (end - start) + data[end:])
    with pytest.raises(OSError, match=r"."):
        pq.read_table(path)
    assert [query.as_py() for query in hm.Collection.read(path).query_texts] == PAIRS["query"]


@pytest.mark.parametrize("column", FAR.values(), ids=FAR)
@pytest.mark.parametrize("name", ["query", "positive", "positive_1", "id"])
def test_a_column_that_cannot_be_read_is_named(tmp_path, column, name):
    path = tmp_path / "pairs.parquet"
    pq.write_table(pa.table({**PAIRS, name: column}), path)
    with pytest.raises(hm.formats.FormatError, match=rf"pairs\.parquet(, row 1)?, field '{name}': ") as caught:
        hm.Collection.read(path)
    assert "\n" not in str(caught.value)


def test_a_column_that_comes_twice_is_named(tmp_path):
    path = tmp_path / "pairs.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(["a"])] * 3, names=["query", "query", "positive"]), path)
    with pytest.raises(hm.formats.FormatError, match=r"pairs\.parquet, field 'query': unreadable"):
        hm.Collection.read(path)


def test_a_missing_column_is_told_with_all_that_there_are(tmp_path):
    path = tmp_path / "pairs.parquet"
    pq.write_table(pa.table({"when": FAR["a date beyond Python's"], "positive": ["a", "b"], "what": [1, 2]}), path)
    with pytest.raises(hm.formats.FormatError, match="row 1, field 'query': missing; found when, positive, what"):
        hm.Collection.read(path)


# Ids of judgements


def test_ids_of_judgements_are_those_of_the_other_files_to_the_space(folder):
    path = folder / "qrels" / "train.tsv"
    path.write_text(HEADER + "q1\t d1\t1\nq 2 \td\u00a0\t 1 \n")
    assert labels(hm.Collection.read(folder)) == {"q1": [" d1"], "q 2 ": ["d\u00a0"]}
    path.write_text(HEADER + "q1\td1 \t1\n")
    with pytest.raises(hm.formats.FormatError, match=r"train\.tsv, line 2, field 'corpus-id': 'd1 ', expected an id"):
        hm.Collection.read(folder)
    path.write_text(HEADER + "q 2\td1\t1\n")
    with pytest.raises(hm.formats.FormatError, match=r"train\.tsv, line 2, field 'query-id': 'q 2', expected an id"):
        hm.Collection.read(folder)


@pytest.mark.parametrize("score", ["1", "nan", "inf", "-inf", "x", ""])
@pytest.mark.parametrize("before", ["", "\n", " \n"])
def test_a_first_row_without_a_header_is_not_lost(folder, score, before):
    (folder / "qrels" / "train.tsv").write_text(f"{before}q1\td1\t{score}\nq 2 \td1\t1\n")
    with pytest.raises(hm.formats.FormatError, match=rf"train\.tsv, line {1 + len(before.splitlines())}: no header"):
        hm.Collection.read(folder)


def test_a_header_after_blank_lines(folder):
    (folder / "qrels" / "train.tsv").write_text(f"\n \n{HEADER}q1\td1\t1\n")
    assert labels(hm.Collection.read(folder)) == {"q1": ["d1"]}


# Which file


def test_a_plain_file_goes_before_its_gzipped_copy(folder):
    other = gzip.compress(f"{HEADER}q 2 \td1\t1\n".encode())
    (folder / "qrels" / "train.tsv.gz").write_bytes(other)
    assert labels(hm.Collection.read(folder)) == {"q1": ["d1"]}
    (folder / "corpus.jsonl.gz").write_bytes(b"no gzip")
    (folder / "queries.jsonl.gz").write_bytes(b"no gzip")
    assert labels(hm.Collection.read(folder)) == {"q1": ["d1"]}
    (folder / "qrels" / "train.tsv").unlink()
    assert labels(hm.Collection.read(folder)) == {"q 2 ": ["d1"]}


@pytest.mark.parametrize("name", ["._foo.tsv", ".tsv", "train.tsv.bak", "train.tsv~", "dev.tsv.gz.part", "notes.txt"])
def test_what_is_no_split(folder, name):
    (folder / "qrels" / "train.tsv").rename(folder / "qrels" / "foo.tsv")
    (folder / "qrels" / name).write_bytes(b"\0\5\x16\7")
    assert labels(hm.Collection.read(folder)) == {"q1": ["d1"]}
    with pytest.raises(ValueError, match=r"split: 'x', expected one of foo \("):
        hm.Collection.read(folder, split="x")


@pytest.mark.parametrize("end", [".gz", ".GZ", ".Gz"])
def test_suffixes_in_any_case(folder, tmp_path, end):
    for path in (folder / "corpus.jsonl", folder / "queries.jsonl", folder / "qrels" / "train.tsv"):
        packed = path.with_name(path.stem + path.suffix.upper() + end)
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert labels(hm.Collection.read(folder)) == {"q1": ["d1"]}
    pairs = tmp_path / f"pairs.JSONL{end}"
    pairs.write_bytes(gzip.compress(b'{"query": "a", "positive": "b"}\n'))
    assert hm.Collection.read(pairs).num_queries == 1
    corpus = tmp_path / f"corpus.ndJSON{end}"
    corpus.write_bytes(gzip.compress(b'{"text": "c"}\n'))
    assert hm.Collection.read(pairs, corpus=corpus).num_documents == 2


@pytest.mark.parametrize("suffix", [".JSONL", ".Parquet"])
def test_suffixes_of_training_rows_in_any_case(tmp_path, suffix):
    collection = hm.Collection.from_pairs(["q"], ["p"], ["n"])
    run = hm.Candidates([0, 1], [0], [0.5])
    rule = hm.Selection(1, ceiling=hm.NoCeiling())
    mined = hm.Mined.from_run(collection, run, rule, positives=collection.positives)
    assert mined.write(tmp_path / f"rows{suffix}")["rows"] == 1
    assert (tmp_path / f"rows.provenance{suffix}").is_file()
    found = (tmp_path / f"rows{suffix}").read_bytes()
    mined.write(tmp_path / f"rows{suffix.lower()}")
    assert found == (tmp_path / f"rows{suffix.lower()}").read_bytes()


# Compression


def zstd(data):
    return pa.compress(data, "zstd", asbytes=True)


def test_zstd(folder, tmp_path):
    for path in (folder / "corpus.jsonl", folder / "queries.jsonl", folder / "qrels" / "train.tsv"):
        path.with_name(path.name + ".zst").write_bytes(zstd(path.read_bytes()))
        path.unlink()
    assert labels(hm.Collection.read(folder)) == {"q1": ["d1"]}
    pairs = tmp_path / "pairs.jsonl.ZST"
    pairs.write_bytes(zstd(b'{"query": "a", "positive": "b"}\n') + zstd(b'{"query": "c", "positive": "d"}\n'))
    assert hm.Collection.read(pairs).num_queries == 2


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("zstd", zstd)])
@pytest.mark.parametrize("break_it", [lambda whole: whole[:-9], lambda _: b"no such thing", lambda whole: whole + b"x"])
def test_broken_compression_is_named(tmp_path, name, pack, break_it):
    path = tmp_path / f"pairs.jsonl.{'gz' if name == 'gzip' else 'zst'}"
    path.write_bytes(break_it(pack(b'{"query": "a", "positive": "b"}\n' * 9)))
    with pytest.raises(hm.formats.FormatError, match=rf"line \d+: broken {name} data .*, expected a whole {name} file"):
        hm.Collection.read(path)
