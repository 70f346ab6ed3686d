"""Coverage-guided fuzzing with atheris: ``python fuzz/fuzz.py TARGET [SECONDS]``; ``make fuzz`` runs every target.

The contract: a valid result, or a ValueError / TypeError / MemoryError of one line. Anything else, a crash or a hang is
a finding; the input stays in ``fuzz/findings``. Every target makes its own seeds.
"""

import io
import json
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["hardmine"]):
    import hardmine as hm
    from hardmine.formats import read
    from hardmine.formats.columns import Field, by_line
    from hardmine.formats.columns import records as in_order
    from hardmine.rules.spelling import parse_ceiling, parse_draw, spell
    from hardmine.store import shards
    from hardmine.store.lock import holder
    from hardmine.store.manifest import MANIFEST, looked_at
    from hardmine.store.rows import Rows

import numpy as np

REFUSALS = (ValueError, TypeError, MemoryError)
FOLDER = Path(tempfile.mkdtemp())
DTYPES = ["f2", "f4", "f8", ">f4", "i4", "u1", "?", "c8", "O", "U2"]


def _one_line(error):
    assert "\n" not in str(error), error


def shapes(data):
    """Shape, stride and dtype parsing: any view equals its contiguous copy."""
    feed = atheris.FuzzedDataProvider(data)
    dtype = np.dtype(feed.PickValueInList(DTYPES))
    base = np.arange(64).astype(dtype).reshape(8, 8)
    steps = [feed.PickValueInList([-3, -2, -1, 1, 2, 3]) for _ in range(2)]
    starts = [feed.ConsumeIntInRange(-9, 9) for _ in range(2)]
    view = base[starts[0] :: steps[0], starts[1] :: steps[1]]
    view = view.T if feed.ConsumeBool() else view
    if feed.ConsumeBool():
        view = np.broadcast_to(view[:1], (5, view.shape[1])) if view.shape[0] else view
    view = view[None] if feed.ConsumeIntInRange(0, 9) == 0 else view
    k = feed.ConsumeInt(9)
    call = feed.PickValueInList(
        [lambda a: hm.topk(a, k, num_threads=1).ids, lambda a: hm.search(a, a, k, num_threads=1).ids]
    )
    assert np.array_equal(call(view), call(np.ascontiguousarray(view)))


def parameters(data):
    """Ceilings, draws, selections, positives and CSR."""
    feed = atheris.FuzzedDataProvider(data)
    number = lambda: feed.PickValueInList([feed.ConsumeFloat(), feed.ConsumeInt(9), True, None, "1"])  # noqa: E731
    rules = [hm.Absolute, hm.MarginPos, hm.PercPos]
    draws = [lambda _: hm.Top(), hm.Softmax, hm.SimANS, hm.Laplace, hm.RankPower]
    ints = lambda: [feed.ConsumeIntInRange(-1, 7) for _ in range(feed.ConsumeIntInRange(0, 4))]  # noqa: E731
    positives = hm.Positives.from_lists([ints(), ints()]) if feed.ConsumeBool() else hm.Positives(ints(), ints())
    ceiling = feed.PickValueInList(rules)(number()) & feed.PickValueInList(rules)(number())
    rule = hm.Selection(
        feed.ConsumeIntInRange(0, 9), ceiling=ceiling, draw=feed.PickValueInList(draws)(number()),
        range_min=feed.ConsumeIntInRange(0, 9), seed=feed.ConsumeInt(9),
        positive_agg=feed.PickValueInList(["min", "mean", "max", "each"]),
    )  # fmt: skip
    assert hm.Selection.from_dict(rule.to_dict()) == rule
    scores = np.frombuffer(feed.ConsumeBytes(64).ljust(64, b"\1"), np.float32).reshape(2, 8)
    mined = hm.mine_scores(scores, positives, rule, nan="drop", exclude=[ints(), ints()], num_threads=1)
    assert (mined.lengths <= rule.num_negatives).all()
    for row, query in enumerate(mined.queries):
        ids = mined[row].ids
        assert len(set(ids.tolist())) == ids.size
        assert not np.isin(ids, positives[int(query)]).any()


def sparse(data):
    """Sparse rows of any numbers: refused, or searched as their dense twins."""
    feed = atheris.FuzzedDataProvider(data)
    ints = lambda low, high: np.array([feed.ConsumeIntInRange(low, high) for _ in range(feed.ConsumeIntInRange(0, 9))])  # noqa: E731
    made = []
    for _ in range(2):
        offsets, terms = np.cumsum([0, *ints(-1, 3)]), ints(-1, 12)
        dtype = feed.PickValueInList([np.float16, np.float32])
        weights = np.frombuffer(feed.ConsumeBytes(40).ljust(40, b"\1"), dtype)[: terms.size]
        made.append(hm.SparseRows(offsets, terms.astype(np.int64), weights, feed.PickValueInList([None, 12, 13])))
    queries, documents = made
    k, threads = feed.ConsumeIntInRange(-1, 9), feed.ConsumeIntInRange(1, 3)
    found = hm.search(queries, documents, k, ceiling=feed.PickValueInList([None, 0.5]), num_threads=threads)
    scores = hm.pair_scores(queries, documents, found.row_of_each, found.ids)
    assert found.scores.tobytes() == scores.tobytes()


def saved(data):
    """Our own containers."""
    path = FOLDER / "saved"
    path.write_bytes(data)
    for kind in (hm.Candidates, hm.Negatives, hm.ExactIndex):
        try:
            found = kind.load(path)
            repr(found), len(found)
        except REFUSALS as error:
            _one_line(error)


def shard(data):
    """A shard of a cache, and what stands in its lock and its manifest."""
    path = FOLDER / "cache" / "x.shard"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    try:
        columns = shards.read(path, "k", {"a": 1}, verify=False)
        Rows(path.parent, "k", {"a": 1}, columns["keys"], verify=False)
    except REFUSALS as error:
        _one_line(error)
    path.rename(FOLDER / "cache" / MANIFEST)
    try:
        looked_at(FOLDER / "cache")
    except REFUSALS as error:
        _one_line(error)
    with (FOLDER / "cache" / MANIFEST).open("rb") as file:
        assert holder(file.fileno()).startswith(("process ", "another process"))
    (FOLDER / "cache" / MANIFEST).unlink()


def pairs(data):
    """A jsonl file of pairs."""
    path = FOLDER / "pairs.jsonl"
    path.write_bytes(data)
    found = read(path)
    assert len(found.positives) == found.num_queries > 0


def parquet(data):
    """A parquet file of pairs."""
    path = FOLDER / "pairs.parquet"
    path.write_bytes(data)
    read(path)


def beir(data):
    """A BEIR folder: the bytes are cut into its three files."""
    folder = FOLDER / "beir"
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    names = ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv")
    for name, part in zip(names, [*data.split(b"\0"), b"", b""][:3], strict=True):
        (folder / name).write_bytes(part)
    assert len(read(folder).positives)


def _run_file(suffix, name):
    def target(data):
        path = FOLDER / f"run{suffix}"
        path.write_bytes(data)
        found = hm.Candidates.read(path, name)
        assert found.ids.size
        assert (np.diff(found.scores)[np.diff(found.row_of_each) == 0] <= 0).all()

    target.__doc__ = f"A run in the format {name}."
    return target


def qrels(data):
    """Judgements of trec_eval."""
    path = FOLDER / "judgements.qrels"
    path.write_bytes(data)
    assert len(read(path).positives)


def msmarco(data):
    """A folder of MS MARCO: the bytes are cut into its three files."""
    folder = FOLDER / "msmarco"
    folder.mkdir(exist_ok=True)
    names = ("collection.tsv", "queries.train.tsv", "qrels.train.tsv")
    for name, part in zip(names, [*data.split(b"\0"), b"", b""][:3], strict=True):
        (folder / name).write_bytes(part)
    assert len(read(folder).positives)


def records(data):
    """Records read in bulk: the same as line by line."""
    path = FOLDER / "records.jsonl"
    path.write_bytes(data)
    fields = (Field(("title",), default=""), Field(("text",)), Field(("_id", "id"), is_id=True))

    def outcome(reader):
        try:
            return [column.to_pylist() for column in reader(path, "jsonl", fields, "document")]
        except ValueError as error:
            return str(error)

    assert outcome(in_order) == outcome(by_line)


def state(data):
    """A folder of save_to_disk: the bytes are its state and its data."""
    folder = FOLDER / "dataset"
    folder.mkdir(exist_ok=True)
    (folder / "state.json").write_text('{"_data_files": [{"filename": "data.arrow"}]}')
    (folder / "data.arrow").write_bytes(data)
    read(folder)


ROW_FORMATS = [
    (name, layout) for known in hm.formats.FORMATS if "rows" in known.reads
    for name in known.names for layout in known.layouts if layout != ".parquet"
]  # fmt: skip


def rows(data):
    """A file of training rows of the format that the first byte says; what is read can be written and read again."""
    name, layout = ROW_FORMATS[(data[0] if data else 0) % len(ROW_FORMATS)]
    folder = FOLDER / "rows"
    folder.mkdir(exist_ok=True)
    path = folder / f"rows{layout}"
    parts = data[1:].split(b"\0")
    for file, part in zip((path, folder / "rows.corpus.jsonl", folder / "rows.documents.jsonl"), parts, strict=False):
        file.write_bytes(part)
    try:
        found = list(hm.formats.read_rows(path, name))
        counts = [
            hm.formats.write_rows(folder / "again.jsonl", found, other) for other in ("flag-embedding", "tevatron")
        ]
        assert counts[0] == counts[1]
        assert sum(map(len, hm.formats.read_rows(folder / "again.jsonl", "tevatron"))) == counts[1]["rows"]
    except FileNotFoundError as error:  # a corpus that the bytes name
        _one_line(error)
    finally:
        for file in folder.glob("rows.*"):
            file.unlink()


def sources(data):
    """A folder with one Python source."""
    folder = FOLDER / "sources"
    folder.mkdir(exist_ok=True)
    (folder / "module.py").write_bytes(data)
    found = read(folder, "docstrings")
    assert len(found.positives) == found.num_queries == found.num_documents > 0


def rules(data):
    """Rules and draws as text."""
    text = data.decode("latin-1")
    for parse in (parse_ceiling, parse_draw):
        try:
            value = parse(text)
        except ValueError as error:
            _one_line(error)
        else:
            assert parse(spell(value)) == value


def _container_seed():
    path = FOLDER / "seed"
    hm.topk(np.eye(3, dtype="f4"), 2).save(path)
    return path.read_bytes()


def _shard_seed():
    columns = {"keys": np.zeros((2, 16), np.uint8), "offsets": np.array([0, 1, 3]), "list.id": np.arange(3)}
    return shards.write(FOLDER, "k", {"a": 1}, columns).read_bytes()


def _parquet_seed():
    import pyarrow as pa
    from pyarrow import parquet

    sink = io.BytesIO()
    parquet.write_table(pa.table({"query": ["a"], "positive": ["b"]}), sink)
    return sink.getvalue()


def _table_seed(columns, *, is_arrow=False):
    import pyarrow as pa
    from pyarrow import parquet

    sink = io.BytesIO()
    table = pa.table(columns)
    if is_arrow:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    else:
        parquet.write_table(table, sink)
    return sink.getvalue()


def _npz_seed():
    sink = io.BytesIO()
    np.savez(sink, ids=np.array([[1, 0]]), scores=np.float32([[1, 0.5]]))
    return sink.getvalue()


SOURCE = b'''def add(a, b):
    """Adds two numbers."""
    total = sum(range(a)) + sum(range(b)) + sum(range(a + b))
    return total * 2
'''
ROW = json.dumps({"query": "a", "positive": ["b", "c"]}).encode()
BEIR = b'{"_id":"1","text":"a"}\0{"_id":"q","text":"b"}\0query-id\tcorpus-id\tscore\nq\t1\t1\n'
ROWS = b"\0" + json.dumps({"query": "a", "pos": ["b"], "neg": ["c"], "neg_scores": [0.5]}).encode() + b"\n"
TARGETS = {
    "shapes": (shapes, lambda: bytes(range(64))),
    "parameters": (parameters, lambda: bytes(range(200))),
    "sparse": (sparse, lambda: bytes(range(200))),
    "saved": (saved, _container_seed),
    "shard": (shard, _shard_seed),
    "pairs": (pairs, lambda: ROW + b"\n"),
    "parquet": (parquet, _parquet_seed),
    "beir": (beir, lambda: BEIR),
    "trec": (_run_file(".trec", "trec-run"), lambda: b"q1 Q0 d1 1 0.5 x\nq1 Q0 d2 2 0.25 x\n"),
    "tsvrun": (_run_file(".tsv", "msmarco"), lambda: b"1\t2\t1\n1\t3\t2\n"),
    "tevatron": (_run_file(".txt", "tevatron"), lambda: b"1\t2\t1.5\n1\t3\t0.5\n"),
    "runtable": (
        _run_file(".parquet", "parquet"),
        lambda: _table_seed({"query_id": ["a"], "document_id": ["b"], "score": [1.0]}),
    ),
    "runarrow": (
        _run_file(".arrow", "arrow"),
        lambda: _table_seed({"query_id": ["a"], "document_id": ["b"], "score": [1.0]}, is_arrow=True),
    ),
    "rectangles": (_run_file(".npz", "npy"), _npz_seed),
    "kd": (
        _run_file(".jsonl", "pylate"),
        lambda: b'{"query_id": "q", "document_ids": ["a", "b"], "scores": "[1, 0.5]"}\n',
    ),
    "qrels": (qrels, lambda: b"q 0 d 1\n"),
    "msmarco": (msmarco, lambda: b"1\ta\0q\tb\0q\t0\t1\t1\n"),
    "records": (records, lambda: b'{"_id": "1", "title": "", "text": "a", "metadata": {}}\n'),
    "state": (state, lambda: _table_seed({"query": ["a"], "positive": ["b"]}, is_arrow=True)),
    "rows": (rows, lambda: ROWS),
    "sources": (sources, lambda: SOURCE),
    "rules": (rules, lambda: b"anchored=1.1,1.0"),
}


def main(name, seconds):
    """Run one target; the process ends with a code above 0 on a finding."""
    target, seed = TARGETS[name]
    corpus, findings = FOLDER / "corpus", Path(__file__).parent / "findings" / name
    corpus.mkdir()
    findings.mkdir(parents=True, exist_ok=True)
    (corpus / "seed").write_bytes(seed())

    def once(data):
        try:
            target(data)
        except REFUSALS as error:
            _one_line(error)

    options = [
        f"-max_total_time={seconds}",
        "-timeout=20",
        "-rss_limit_mb=3000",
        "-max_len=4096",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={findings}/", str(corpus)], once)
    atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        raise SystemExit(f"expected one of {', '.join(TARGETS)}")
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 60)
