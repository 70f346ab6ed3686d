"""Texts that the workers of a cluster read: those of `Collection.read`, in its order; the embeddings of one machine."""

import json
import re
import sys
import threading

import numpy as np
import pytest

pytest.importorskip("ray")
pytest.importorskip("pyarrow")
pytest.importorskip("bm25s")

import pyarrow as pa
import pyarrow.parquet as pq

import hardmine as hm
from hardmine.distributed import actors
from hardmine.distributed import texts as far
from hardmine.distributed.cluster import ClusterError
from hardmine.store import fingerprint
from tests.ray_script import script
from tests.texts import random_beir

BOTH = far.Named("text", "title")


@pytest.fixture(scope="module")
def beir(tmp_path_factory):
    """A collection on the disk, with what lines may hold: a mark at the begin, blank lines, no end of the last."""
    folder = random_beir(tmp_path_factory.mktemp("texts") / "collection", num_queries=23, num_documents=60)
    path = folder / "corpus.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    more = [
        {"_id": "x1", "text": 'Zürich \u2028 東京 \\ " \r\n tail'},
        {"_id": "x2", "title": None, "text": "2009-01-01"},
    ]
    lines += ["", *(json.dumps(record, ensure_ascii=False) for record in more), "  "]
    lines.append(json.dumps({"title": "only a title", "text": "", "_id": "x3"}))
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    return folder


def read(given, named=BOTH):
    """All texts of some files, by what the tasks do."""
    found = []
    for piece in far.source_of(given, named):
        begun, texts = far.texts_of_piece(piece, named)
        assert begun == far.BEGUN
        (_, (keys, lengths)) = far.digests(texts)
        assert (keys == fingerprint.of_texts(texts)).all()
        assert (lengths == [len(text.encode()) for text in texts.to_pylist()]).all()
        found += texts.to_pylist()
    return found


@pytest.mark.parametrize("size", [9, 300, 10**6])
def test_parts_of_files_are_the_texts_of_the_collection(size, beir, tmp_path, monkeypatch):
    """Wherever the parts are cut, in lines and in tables; of a folder and a pattern in the order of paths."""
    monkeypatch.setattr(far, "SPAN", size)
    wanted = hm.Collection.read(beir)
    assert read(beir / "corpus.jsonl") == wanted.document_texts.to_pylist()
    assert read(str(beir / "queries.jsonl"), far.Named("text", None)) == wanted.query_texts.to_pylist()
    for number, start in enumerate((0, 20, 50)):
        part = wanted.documents.slice(start, (20, 30, None)[number])
        pq.write_table(part, tmp_path / f"part-{number}.parquet", row_group_size=7)
    (tmp_path / ".part-3.parquet").write_text("half-written")
    (tmp_path / "_SUCCESS").write_text("")
    for given in (tmp_path, tmp_path / "part-*.parquet", sorted(tmp_path.glob("part-*"))):
        assert read(given) == wanted.document_texts.to_pylist()
    turned = read([tmp_path / "part-2.parquet", tmp_path / "part-0.parquet"])
    assert turned == [*wanted.document_texts.to_pylist()[50:], *wanted.document_texts.to_pylist()[:20]]


def test_an_error_in_a_part_names_the_line_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(far, "SPAN", 50)
    path = tmp_path / "texts.jsonl"
    for bad, line in (
        ('{"text": null}', "line 31, field 'text': null, expected a string"),
        ('{"body": "a"}', "line 31, field 'text': missing; found body, expected a string under this name"),
        ('{"text": 3}', r"line 31, field 'text': a number \(3\), expected a string"),
        ("[1]", r"line 31: a list \(\[1\]\), expected one JSON object per line"),
    ):
        path.write_text("".join('{"text": "a text of some words"}\n' for _ in range(30)) + bad + "\n")
        with pytest.raises(ValueError, match=f"texts.jsonl, {line}"):
            read(path)


def test_what_cannot_be_read_is_one_line_before_any_cluster(beir, tmp_path):
    tables = {"ids": {"id": ["a"]}, "nulls": {"text": ["a", None]}, "numbers": {"text": [1, 2]}}
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing PAR1")
    pq.write_table(
        pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], ["text", "text"]), tmp_path / "twice.parquet"
    )
    (tmp_path / "folder" / "inner.jsonl").mkdir(parents=True)
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "none").mkdir()
    (tmp_path / "packed.jsonl.gz").write_bytes(b"")
    toy = hm.teachers.precomputed(np.eye(2, dtype="f4"), np.eye(2, dtype="f4"))
    corpus = beir / "corpus.jsonl"
    for given, more, error, line in (
        (tmp_path / "absent.jsonl", {}, OSError, "absent.jsonl: no such file"),
        (tmp_path / "absent*.jsonl", {}, OSError, r"absent\*.jsonl' matches no file"),
        (tmp_path / "none", {}, OSError, "none: no file of texts in this folder, expected .jsonl or .parquet"),
        (tmp_path / "packed.jsonl.gz", {}, ValueError, "unknown suffix '.gz', expected .jsonl or .parquet"),
        (tmp_path / "empty.jsonl", {}, ValueError, "source: no texts, expected at least one"),
        ([], {}, ValueError, "source: no texts, expected at least one"),
        ("s3://bucket/corpus", {}, ValueError, "files elsewhere are read by ray.data, expected a path"),
        (3, {}, TypeError, "source: int, expected paths of files or a ray.data.Dataset"),
        ([corpus, 3], {}, TypeError, "source: 3, expected the path of a file"),
        (tmp_path / "ids.parquet", {}, ValueError, "ids.parquet, field 'text': missing; found id, expected a column"),
        (
            tmp_path / "nulls.parquet",
            {"title": "title"},
            ValueError,
            "nulls.parquet, field 'title': missing; found text",
        ),
        (
            tmp_path / "twice.parquet",
            {},
            ValueError,
            "twice.parquet, field 'text': 2 columns, expected one column under",
        ),
        (tmp_path / "folder", {}, OSError, "inner.jsonl: no such file"),
        (tmp_path / "broken.parquet", {}, ValueError, "broken.parquet: unreadable"),
        (corpus, {"text": ""}, TypeError, "text: '', expected the name of a column"),
        (corpus, {"title": 3}, TypeError, "title: 3, expected the name of a column"),
        (corpus, {"what": "both"}, ValueError, "what: 'both', expected one of 'queries', 'documents'"),
        (corpus, {"cache": None}, TypeError, "cache: None, expected the path of a folder"),
        (corpus, {"num_actors": 0}, ValueError, "num_actors: 0, expected at least 1"),
        (corpus, {"progress": 3}, TypeError, "progress: int 3, expected True, False or a callable"),
    ):
        with pytest.raises(error, match=line) as raised:
            hm.distributed.embed_dataset(given, toy, **{"cache": tmp_path / "cache", "progress": False, **more})
        assert "\n" not in str(raised.value)
    assert not (tmp_path / "cache").exists()
    # What the footer does not say, a task does.
    for name, line in (("nulls", "column 'text' holds 1 nulls"), ("numbers", "column 'text' of type int64")):
        with pytest.raises((TypeError, ValueError), match=re.escape(f"{name}.parquet: {line}, expected")):
            read(tmp_path / f"{name}.parquet", far.Named("text", None))


def test_blocks_of_a_dataset():
    """Of Arrow and of pandas, whole and in part; with titles, without, and with what is no text."""
    table = pa.table({"text": ["a", "b", "c"], "title": ["x", None, ""], "number": [1, 2, 3], "null": [None] * 3})
    for block in (table, table.to_pandas()):
        for span, named, wanted in (
            (None, far.Named("text", None), ["a", "b", "c"]),
            ((1, 3), far.Named("text", None), ["b", "c"]),
            (None, BOTH, ["x a", "b", "c"]),
            (None, far.Named("text", "null"), ["a", "b", "c"]),
            ((2, 2), BOTH, []),
        ):
            assert next(reversed(list(far.texts_of_block(block, span, named)))).to_pylist() == wanted
        for column, line in (
            ("title", "column 'title' holds 1 nulls, expected none"),
            ("null", "column 'null' holds 3 nulls, expected none"),
            ("number", "column 'number' of type int64, expected strings"),
        ):
            with pytest.raises((TypeError, ValueError), match=f"^source: {line}$"):
                list(far.texts_of_block(block, None, far.Named(column, None)))
    for layout in (pa.string_view(), pa.dictionary(pa.int8(), pa.string())):
        other = pa.table({name: table[name].cast(layout) for name in ("text", "title")})
        assert next(reversed(list(far.texts_of_block(other, None, BOTH)))).to_pylist() == ["x a", "b", "c"]
    mixed = table.to_pandas().assign(text=["a", 1, "c"])
    with pytest.raises(TypeError, match="^source: .*, expected columns of strings$"):
        list(far.texts_of_block(mixed, None, BOTH))


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed as POSIX kills them")
@pytest.mark.timeout(300)
def test_embeddings_of_texts_that_workers_read_are_those_of_one_machine(tmp_path):
    """Of lines, of tables, of datasets in blocks of Arrow and of pandas; then one line for each that is wrong."""
    out = script(
        tmp_path,
        """
import pyarrow as pa, pyarrow.parquet as pq, ray.data
from hardmine.distributed import texts as far
from hardmine.distributed.cluster import connected
from hardmine.store import fingerprint
cases.small_groups()
collection, _ = cases.case(folder, "toy")
one = hm.retrieve(collection, cases.Toy(), 12, cache=folder / "here", progress=False)
far.SPAN = 2000
named, documents = far.Named("text", "title"), collection.documents
wanted = fingerprint.of_texts(collection.document_texts)
pq.write_table(documents, folder / "documents.parquet", row_group_size=40)
with cases.cluster():
    given = {
        "table": folder / "documents.parquet",
        "pandas": ray.data.from_pandas([documents.slice(0, 7).to_pandas(), documents.slice(7).to_pandas()]),
        "many": ray.data.from_arrow(documents).repartition(13).map_batches(lambda batch: batch),
    }
    for name, source in given.items():
        with connected(None, None) as running:
            found = far.read(running, far.source_of(source, named), named, False)
        assert found.starts[-1] == 150 and (found.keys == wanted).all(), name
        assert (found.lengths == fingerprint.lengths_of(collection.document_texts)).all(), name
        say(name, len(found.blocks) > 1)
    embed, told = hm.distributed.embed_dataset, {"cache": folder / "far", "progress": False}
    embed(folder / "collection/queries.jsonl", cases.Toy, what="queries", **told)
    report = embed(given["pandas"], cases.Toy(), title="title", **told)
    say(report["embeddings of documents"]["rows_computed"], *report)
    local = cases.Toy()
    assert cases.same(hm.retrieve(collection, local, 12, cache=folder / "far", progress=False), one)
    assert local.seen == {"queries": [], "documents": []}
    assert ray.data.DataContext.get_current().execution_options.preserve_order is False
    def fails(batch):
        raise RuntimeError("a step of the user's own")
    for wrong in (
        ray.data.from_items([{"body": "a"}]),
        ray.data.from_arrow(pa.table({"text": ["a", None]})),
        ray.data.from_items([{"text": "a"}]).map_batches(fails),
    ):
        try:
            embed(wrong, cases.Toy(), cache=folder / "wrong", progress=False)
        except (ValueError, TypeError, OSError) as error:
            say(error)
""",
    )
    assert out[:4] == ["table True", "pandas True", "many True", "146 embeddings of documents"]
    assert out[4:6] == [
        "source: no column 'text', found body",
        "source: column 'text' holds 1 nulls, expected none",
    ]
    assert out[6] == "ray: a step of the dataset failed: RuntimeError: a step of the user's own"
    assert len(out) == 7


class _TwoError(Exception):
    def __init__(self, one, other):
        super().__init__(f"{one} and {other}")


def test_what_a_teacher_raised_comes_back_or_one_line_of_it():
    held = RuntimeError("holds\na lock")
    held.lock = threading.Lock()
    lines = (
        (held, "RuntimeError: a lock"),
        (_TwoError("a", "b"), "_TwoError: a and b"),
        (SystemExit(3), "SystemExit: 3"),
    )
    for raised, line in lines:
        found = actors.unpacked(actors.packed(raised))
        assert type(found) is ClusterError
        assert str(found) == f"ray: the teacher raised {line}"
    found = actors.unpacked(actors.packed(KeyError("a", 1)))
    assert type(found) is KeyError
    assert found.args == ("a", 1)


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed as POSIX kills them")
@pytest.mark.timeout(300)
def test_a_teacher_that_dies_or_raises_ends_the_run_with_one_line_and_nothing_is_left(tmp_path):
    out = script(
        tmp_path,
        """
import threading
from hardmine.distributed.cluster import RETRIES
cases.small_groups()
(folder / "few.jsonl").write_text('{"text": "a"}\\n')
class Raises(cases.Toy):
    def __init__(self, how):
        super().__init__()
        self.how = how
    def embed_documents(self, texts, *, progress=False):
        self.how()
class Two(Exception):
    def __init__(self, one, other):
        super().__init__(f"{one} and {other}")
def two():
    raise Two("one", "other")
def dies():
    with open(folder / "starts", "a") as file:
        file.write("x")
    os._exit(3)
def sleeps():
    cases.time.sleep(100)
def made_once(flag=folder / "made"):
    if flag.exists():
        raise FileNotFoundError("no model\\non this node")
    flag.touch()
    return cases.Toy()
def run(teacher):
    try:
        hm.distributed.embed_dataset(folder / "few.jsonl", teacher, cache=folder / "cache", progress=False)
    except (OSError, TypeError) as error:
        say(type(error).__name__, error)
    names = [thread.name for thread in threading.enumerate()]
    until = cases.time.monotonic() + 60
    while cases.ray.available_resources().get("CPU") != 2 and cases.time.monotonic() < until:
        cases.time.sleep(0.2)
    assert not [name for name in names if name.startswith(("hardmine", "StreamingExecutor"))], names
    assert cases.ray.available_resources().get("CPU") == 2
with cases.cluster():
    for teacher in (Raises(two), Raises(threading.Lock()), two, lambda: None, made_once, Raises(dies)):
        run(teacher)
    say((folder / "starts").read_text().count("x") - 1 == RETRIES)
    os.environ["HARDMINE_RAY_PATIENCE"] = "3"
    run(Raises(sleeps))
""",
    )
    assert out[:5] == [
        "ClusterError ray: the teacher raised Two: one and other",
        "TypeError teacher 'toy': cannot be sent to the workers (cannot pickle '_thread.lock' object), expected one "
        "that pickles, or a function that makes one there",
        "ClusterError ray: the teacher raised Two: one and other",
        "TypeError teacher: the function gives NoneType, expected what hm.teachers.load gives",
        "ClusterError ray: an actor could not make or load the teacher: on this node",
    ]
    assert out[5].startswith("ClusterError ray: the process of the teacher died, also when started again 5 times (The ")
    assert out[6] == "True"
    assert re.search("ray: nothing has begun or ended for .* expected room for an actor, and a teacher whose", out[7])
    assert len(out) == 8


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed as POSIX kills them")
@pytest.mark.timeout(300)
def test_a_driver_that_is_killed_while_workers_read_embeds_what_lacks(tmp_path):
    body = """
from hardmine.distributed import texts as far
from hardmine.store import rows
cases.small_groups()
far.SPAN = 2000
collection, teacher = cases.case(folder, "toy")
if {mode!r} == "killed":
    add = rows.Rows.add
    def once(*arguments):
        add(*arguments)
        if len(list((folder / "kept").rglob("*.shard"))) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
    rows.Rows.add = once
told = {{"cache": folder / "kept", "progress": False}}
with cases.cluster():
    report = hm.distributed.embed_dataset(folder / "collection/corpus.jsonl", teacher, title="title", **told)
say(json.dumps(report["embeddings of documents"]))
one = hm.retrieve(collection, teacher, 12, cache=folder / "here", progress=False)
say(cases.same(hm.retrieve(collection, teacher, 12, cache=folder / "kept", progress=False), one))
"""
    with pytest.raises(AssertionError, match="exit status -9"):
        script(tmp_path, body.format(mode="killed"))
    report, same = script(tmp_path, body.format(mode="again"))
    counts = json.loads(report)
    assert counts["shards_reused"] == 4
    assert counts["rows_reused"] + counts["rows_computed"] == 146
    assert same == "True"
