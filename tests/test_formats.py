"""The registry, and training files: exact columns, every shape, side file, same bytes, whole or absent."""

import ast
import dataclasses
import gzip
import inspect
import json
import subprocess
import sys
import textwrap
import types

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hardmine as hm
from hardmine.formats import mined_pairs, registry, sentence_transformers, training_rows
from hardmine.nouns.lists import REASONS

PREFIX = "sentence-transformers:"


@pytest.fixture
def mined():
    """Three queries (two positives, one, one with a single negative), 2 negatives each wanted."""
    collection = hm.Collection.from_pairs(
        ["q0", "q1", "q2"], [["p0", "p1"], "p2", "p3"], ["n0", "n1", "n2", 'ñ"3\u2028']
    )
    positives = hm.Positives(collection.positives.offsets, collection.positives.ids, [0.9, 0.75, 0.8, 0.7])
    run = hm.Candidates([0, 3, 5, 6], [0, 1, 2, 3, 1, 2], np.float32([0.8, 0.7, 0.6, 0.5, 0.4, 0.1]),
                        metadata={"teacher": "hand"})  # fmt: skip
    return hm.Mined.from_run(collection, run, hm.Selection(2, ceiling=hm.PercPos(0.95)), positives=positives)


def rows(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    return pq.read_table(path).to_pylist()


SHAPES = {
    "triplet": [
        {"anchor": "q0", "positive": "p0", "negative": "n1"},
        {"anchor": "q0", "positive": "p0", "negative": "n2"},
        {"anchor": "q0", "positive": "p1", "negative": "n1"},
        {"anchor": "q0", "positive": "p1", "negative": "n2"},
        {"anchor": "q1", "positive": "p2", "negative": 'ñ"3\u2028'},
        {"anchor": "q1", "positive": "p2", "negative": "n1"},
        {"anchor": "q2", "positive": "p3", "negative": "n2"},
    ],
    "n-tuple": [
        {"anchor": "q0", "positive": "p0", "negative_1": "n1", "negative_2": "n2"},
        {"anchor": "q0", "positive": "p1", "negative_1": "n1", "negative_2": "n2"},
        {"anchor": "q1", "positive": "p2", "negative_1": 'ñ"3\u2028', "negative_2": "n1"},
    ],
    "labeled-pair": [
        {"anchor": "q0", "positive": "p0", "label": 1},
        {"anchor": "q0", "positive": "p1", "label": 1},
        {"anchor": "q0", "positive": "n1", "label": 0},
        {"anchor": "q0", "positive": "n2", "label": 0},
        {"anchor": "q1", "positive": "p2", "label": 1},
        {"anchor": "q1", "positive": 'ñ"3\u2028', "label": 0},
        {"anchor": "q1", "positive": "n1", "label": 0},
        {"anchor": "q2", "positive": "p3", "label": 1},
        {"anchor": "q2", "positive": "n2", "label": 0},
    ],
    "labeled-list": [
        {"anchor": "q0", "positive": ["p0", "n1", "n2"], "labels": [1, 0, 0]},
        {"anchor": "q0", "positive": ["p1", "n1", "n2"], "labels": [1, 0, 0]},
        {"anchor": "q1", "positive": ["p2", 'ñ"3\u2028', "n1"], "labels": [1, 0, 0]},
        {"anchor": "q2", "positive": ["p3", "n2"], "labels": [1, 0]},
    ],
}


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(mined, tmp_path, shape, suffix):
    path = tmp_path / f"rows{suffix}"
    written = mined.write(path, PREFIX + shape)
    found = rows(path)
    assert found == SHAPES[shape]
    assert [list(row) for row in found] == [list(row) for row in SHAPES[shape]]
    dropped = 1 if shape == "n-tuple" else 0
    assert written == {"rows": len(found), "pairs": 4, "dropped_pairs": dropped}


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("chunk", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_chunks_do_not_show(mined, tmp_path, monkeypatch, shape, chunk, suffix):
    monkeypatch.setattr(mined_pairs, "_CHUNK", chunk)
    mined.write(tmp_path / f"rows{suffix}", PREFIX + shape)
    assert rows(tmp_path / f"rows{suffix}") == SHAPES[shape]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_scores(mined, tmp_path, suffix):
    path = tmp_path / f"rows{suffix}"
    found = {}
    for shape in SHAPES:
        mined.write(path, PREFIX + shape, scores=True, provenance=False)
        found[shape] = rows(path)
    assert [row["scores"] for row in found["triplet"]][:3] == [[0.9, 0.7], [0.9, 0.6], [0.75, 0.7]]
    assert [row["scores"] for row in found["n-tuple"]] == [[0.9, 0.7, 0.6], [0.75, 0.7, 0.6], [0.8, 0.5, 0.4]]
    assert [row["score"] for row in found["labeled-pair"]] == [0.9, 0.75, 0.7, 0.6, 0.8, 0.5, 0.4, 0.7, 0.1]
    assert [row["scores"] for row in found["labeled-list"]][-1] == [0.7, 0.1]
    assert "labels" not in found["labeled-list"][0]
    assert "label" not in found["labeled-pair"][0]
    assert not (tmp_path / f"rows.provenance{suffix}").exists()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scores", [False, True])
def test_infinite_scores(tmp_path, monkeypatch, shape, scores):
    """JSON has no word for them: null there, as they are in parquet; in the rows and beside them."""
    collection = hm.Collection.from_pairs(["q0", "q1"], ["p0", "p1"], ["n0", "n1"])
    run = hm.Candidates([0, 2, 4], [0, 1, 1, 0], np.float32([np.inf, 0.5, 0.25, -np.inf]))
    rule = hm.Selection(2, ceiling=hm.NoCeiling())
    positives = collection.positives.with_scores([0.75, 0.5])
    made = hm.Mined.from_run(collection, run, rule, positives=positives)
    monkeypatch.setattr(mined_pairs, "_CHUNK", 1)
    for suffix, high, low in ((".jsonl", None, None), (".parquet", np.inf, -np.inf)):
        path = tmp_path / f"rows{suffix}"
        made.write(path, PREFIX + shape, scores=scores)
        side = rows(tmp_path / f"rows.provenance{suffix}")
        assert [row["negative_scores"] for row in side] == [[high, 0.5], [0.25, low]]
        assert [row["positive_score"] for row in side] == [0.75, 0.5]
        found = [row.get("scores", row.get("score")) for row in rows(path)]
        if scores:
            flat = [x for one in found for x in (one if isinstance(one, list) else [one])]
            assert flat.count(high) + (flat.count(low) if suffix == ".parquet" else 0) == 2
            assert {0.75, 0.5, 0.25} <= set(flat)


def test_column_types(mined, tmp_path):
    path = tmp_path / "rows.parquet"
    mined.write(path, PREFIX + "labeled-list")
    schema = pq.read_schema(path)
    assert schema.field("labels").type.value_type == pa.int64()
    mined.write(path, PREFIX + "n-tuple", scores=True)
    assert pq.read_schema(path).field("scores").type.value_type == pa.float64()


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize(("shape", "first_rows"), [
    ("n-tuple", [0, 1, 2, -1]), ("triplet", [0, 2, 4, 6]), ("labeled-pair", [0, 1, 4, 7]),
    ("labeled-list", [0, 1, 2, 3]),
])  # fmt: skip
def test_provenance(mined, tmp_path, suffix, shape, first_rows):
    mined.write(tmp_path / f"rows{suffix}", PREFIX + shape)
    found = rows(tmp_path / f"rows.provenance{suffix}")
    assert [row["query_id"] for row in found] == ["0", "0", "1", "2"]
    assert [row["output_row"] for row in found] == first_rows
    first = {**found[0], "drop_reasons": None}
    assert first == {
        "query_id": "0", "positive_id": "positive-4", "positive_score": 0.9, "negative_ids": ["1", "2"],
        "negative_scores": [0.7, 0.6], "negative_ranks": [2, 3], "teacher": "hand", "num_found": 2,
        "output_row": first_rows[0], "drop_reasons": None, "rule_positive_score": 0.75, "mined_row": 0,
    }  # fmt: skip
    assert tuple(found[0]["drop_reasons"]) == REASONS
    assert found[0]["drop_reasons"]["above_ceiling"] == 1
    assert sum(found[0]["drop_reasons"].values()) == 3


@pytest.mark.parametrize("chunk", [1, 2, 9])
def test_provenance_points_at_rows(tmp_path, monkeypatch, chunk):
    """A pair without a row between pairs with one, whatever the chunks."""
    collection = hm.Collection.from_pairs(["q0", "q1", "q2"], ["p0", "p1", "p2"], ["n0", "n1"])
    positives = collection.positives.with_scores(np.float32([0.9, 0.8, 0.7]))
    run = hm.Candidates([0, 2, 3, 5], [0, 1, 0, 1, 0], np.float32([0.5, 0.4, 0.3, 0.2, 0.1]))
    mined = hm.Mined.from_run(collection, run, hm.Selection(2), positives=positives)
    monkeypatch.setattr(mined_pairs, "_CHUNK", chunk)
    mined.write(tmp_path / "rows.jsonl", PREFIX + "n-tuple")
    side = rows(tmp_path / "rows.provenance.jsonl")
    assert [row["output_row"] for row in side] == [0, -1, 1]
    written = rows(tmp_path / "rows.jsonl")
    assert [written[row["output_row"]]["anchor"] for row in side if row["output_row"] >= 0] == ["q0", "q2"]


def test_each_positive_has_its_own_row(mined, tmp_path):
    rule = hm.Selection(2, ceiling=hm.PercPos(0.95), positive_agg="each")
    each = hm.Mined.from_run(mined.collection, mined.candidates, rule, positives=mined.positives)
    path = tmp_path / "rows.jsonl"
    each.write(path, PREFIX + "labeled-list", scores=True)
    assert [(row["positive"], row["scores"]) for row in rows(path)] == [
        (["p0", "n0", "n1"], [0.9, 0.8, 0.7]),
        (["p1", "n1", "n2"], [0.75, 0.7, 0.6]),
        (["p2", 'ñ"3\u2028', "n1"], [0.8, 0.5, 0.4]),
        (["p3", "n2"], [0.7, 0.1]),
    ]


def test_input_names_are_kept(tmp_path):
    (tmp_path / "pairs.jsonl").write_text('{"question": "a b", "answer": "a"}\n{"question": "c b", "answer": "b c"}\n')
    rule = hm.Selection(1, ceiling=hm.NoCeiling())
    mined = hm.mine(hm.Collection.read(tmp_path / "pairs.jsonl"), "bm25", rule, progress=False)
    mined.write(tmp_path / "out.jsonl", PREFIX + "triplet")
    # The second question shares no word with the other document.
    assert rows(tmp_path / "out.jsonl") == [{"question": "a b", "answer": "a", "negative": "b c"}]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_same_bytes(mined, tmp_path, suffix):
    mined.write(tmp_path / f"a{suffix}")
    mined.write(tmp_path / f"b{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    sides = [(tmp_path / f"{name}.provenance{suffix}").read_bytes() for name in "ab"]
    assert sides[0] == sides[1]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_write_leaves_the_old_file(mined, tmp_path, monkeypatch, suffix, error):
    path = tmp_path / f"rows{suffix}"
    mined.write(path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    cut = sentence_transformers._Cut.n_tuple
    calls = []

    def break_off(self, pairs):
        calls.append(pairs)
        if len(calls) == 2:
            raise error
        return cut(self, pairs)

    monkeypatch.setattr(mined_pairs, "_CHUNK", 1)
    monkeypatch.setattr(sentence_transformers._Cut, "n_tuple", break_off)
    with pytest.raises(error):
        mined.write(path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_no_rows(mined, tmp_path):
    rule = hm.Selection(2, ceiling=hm.Absolute(-1.0))
    empty = hm.Mined.from_run(mined.collection, mined.candidates, rule, positives=mined.positives)
    for suffix in (".jsonl", ".parquet"):
        for shape in ("n-tuple", "triplet"):
            assert empty.write(tmp_path / f"rows{suffix}", PREFIX + shape)["rows"] == 0
            assert rows(tmp_path / f"rows{suffix}") == []
    columns = pq.read_schema(tmp_path / "rows.parquet").names
    assert columns == ["anchor", "positive", "negative"]


def test_refusals(mined, tmp_path):
    with pytest.raises(ValueError, match="format: 'tevatro', expected one of 'flag-embedding', "):
        mined.write(tmp_path / "rows.jsonl", "tevatro")
    with pytest.raises(ValueError, match=r"rows.txt: suffix '.txt', expected .jsonl, .parquet, .csv or .tsv"):
        mined.write(tmp_path / "rows.txt")
    with pytest.raises(ValueError, match=r"rows.csv: suffix '.csv', expected .jsonl or .parquet"):
        mined.write(tmp_path / "rows.csv", scores=True)
    with pytest.raises(ValueError, match=r"rows.parquet.gz: suffix '.gz', expected .parquet alone"):
        mined.write(tmp_path / "rows.parquet.gz")
    with pytest.raises(FileNotFoundError, match=r"rows.jsonl: the folder .*gone does not exist"):
        mined.write(tmp_path / "gone" / "rows.jsonl")
    (tmp_path / "d.jsonl").mkdir()
    with pytest.raises(IsADirectoryError, match=r"d.jsonl: a folder, expected a file to write"):
        mined.write(tmp_path / "d.jsonl")
    rule = hm.Selection(2, ceiling=hm.Absolute(0.2), on_shortage="fill")
    filled = hm.Mined.from_run(mined.collection, mined.candidates, rule, positives=mined.positives)
    assert filled.negatives.filled.any()
    with pytest.raises(ValueError, match="scores: some are unknown"):
        filled.write(tmp_path / "rows.jsonl", scores=True)
    filled.write(tmp_path / "rows.jsonl")
    assert None in rows(tmp_path / "rows.provenance.jsonl")[0]["negative_scores"]


CLASHES = [
    ("n-tuple", "negative_1", False), ("n-tuple", "negative_2", False), ("n-tuple", "scores", True),
    ("triplet", "negative", False), ("triplet", "scores", True), ("labeled-pair", "label", False),
    ("labeled-pair", "score", True), ("labeled-list", "labels", False), ("labeled-list", "scores", True),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "name", "scores"), CLASHES)
@pytest.mark.parametrize("place", [0, 1])
def test_a_name_of_the_input_that_a_shape_needs_is_refused(mined, tmp_path, shape, name, scores, place):
    names = ("other", name)[:: 1 if place else -1]
    collection = dataclasses.replace(mined.collection, column_names=names)
    clashing = dataclasses.replace(mined, collection=collection)
    with pytest.raises(
        ValueError, match=f"column_names: '{name}', expected another than that of a column of the shape"
    ):
        clashing.write(tmp_path / "rows.jsonl", PREFIX + shape, scores=scores)
    assert list(tmp_path.iterdir()) == []
    free = {"n-tuple": "negative_3", "triplet": "negative_1", "labeled-pair": "labels", "labeled-list": "label"}[shape]
    collection = dataclasses.replace(mined.collection, column_names=(free, "other"))
    dataclasses.replace(mined, collection=collection).write(tmp_path / "rows.jsonl", PREFIX + shape, scores=scores)
    assert list(rows(tmp_path / "rows.jsonl")[0])[:2] == [free, "other"]


@pytest.mark.parametrize("count", [100_001, 10**12, 2**61, 2**63 - 1])
def test_more_negatives_than_an_n_tuple_has_columns(mined, tmp_path, count):
    """Refused before the work by whoever knows the number; the other shapes just have short lists."""
    wanted = f"num_negatives: {count}, expected at most 100000 for an n-tuple"
    with pytest.raises(ValueError, match=wanted):
        hm.formats.check_output(tmp_path / "rows.jsonl", PREFIX + "n-tuple", num_negatives=count)
    many = hm.Mined.from_run(
        mined.collection, mined.candidates, hm.Selection(count, ceiling=hm.NoCeiling()), positives=mined.positives
    )
    with pytest.raises(ValueError, match=wanted):
        many.write(tmp_path / "rows.jsonl")
    for shape in ("triplet", "labeled-pair", "labeled-list"):
        hm.formats.check_output(tmp_path / "rows.jsonl", PREFIX + shape, num_negatives=count)
        assert many.write(tmp_path / "rows.jsonl", PREFIX + shape)["rows"] > 0


def test_booleans_are_no_strings(mined, tmp_path):
    for option in ("scores", "provenance"):
        with pytest.raises(TypeError, match=f"{option}: str 'no', expected True or False"):
            mined.write(tmp_path / "rows.jsonl", **{option: "no"})


def test_sentence_transformers_reads_them(mined, tmp_path):
    datasets = pytest.importorskip("datasets")
    for suffix, kind in ((".jsonl", "json"), (".parquet", "parquet")):
        mined.write(tmp_path / f"rows{suffix}", PREFIX + "labeled-list", scores=True)
        found = datasets.load_dataset(kind, data_files=str(tmp_path / f"rows{suffix}"), cache_dir=str(tmp_path / "c"))
        assert found["train"].column_names == ["anchor", "positive", "scores"]
        assert found["train"][0]["positive"] == ["p0", "n1", "n2"]


def test_the_names():
    assert hm.formats.READ[:4] == ("beir", "jsonl", "parquet", "docstrings")
    assert {PREFIX + shape for shape in ("triplet", "n-tuple", "labeled-pair", "labeled-list")} <= set(hm.formats.WRITE)
    for kind in ("collection", "run", "rows"):
        for does in ("reads", "writes"):
            names = hm.formats.names_of(kind, does)
            assert len(set(names)) == len(names), "a name stands for one module"


@pytest.mark.parametrize("known", registry.FORMATS, ids=lambda known: known.name)
def test_a_module_keeps_what_its_line_says(known):
    module = known.load()
    by_rows = {"collection"} & set(known.reads) if "rows" in known.reads else set()  # rows are a collection too
    for does in ("read", "write"):
        for kind in set(getattr(known, f"{does}s")) - by_rows:
            assert hasattr(module, "row_writer" if (does, kind) == ("write", "rows") else f"{does}_{kind}"), kind
    if "collection" in known.reads and not by_rows:
        taken = inspect.signature(module.read_collection).parameters
        named = [name for name, parameter in taken.items() if parameter.kind is parameter.KEYWORD_ONLY]
        assert sorted(named) == sorted(known.takes)
        assert set(known.takes) <= {"format", "progress", "corpus", "split"}
    assert known.holds
    assert known.layouts


def test_a_format_is_a_line_and_a_module(tmp_path, monkeypatch, mined):
    """Nothing else needs to know of it: it is recognised, read, refused options that it has not, written."""
    made = types.ModuleType("hardmine.formats.toy")
    made.read_collection = lambda path, *, split="all", **options: (path, split, options)

    class Writer(training_rows.RowWriter):
        layouts = (".toy",)

        def tables(self, chunk):
            return [chunk.select(["query", "negatives"])]

    made.row_writer = Writer
    made.read_rows = lambda *_: iter(())
    monkeypatch.setitem(sys.modules, "hardmine.formats.toy", made)
    lines = [
        registry.Format("toy", "toy", "a toy", reads=("collection",), signs=("/toy.json", ".toy"), takes=("split",)),
        registry.Format("toy", "toy", "rows of a toy", reads=("rows",), writes=("rows",)),
    ]
    monkeypatch.setattr(registry, "FORMATS", [*lines, *registry.FORMATS])
    folder, file = tmp_path / "folder", tmp_path / "file.toy.gz"
    folder.mkdir()
    file.touch()
    with pytest.raises(FileNotFoundError, match="expected in a BEIR folder"):
        hm.formats.read(folder)
    (folder / "toy.json").touch()
    assert hm.formats.read(folder) == (folder, None, {})
    assert hm.formats.read(file, split="dev", more=True) == (file, "dev", {"more": True})
    with pytest.raises(ValueError, match="corpus: 'c.jsonl', but only a jsonl file or a parquet file .*takes one"):
        hm.formats.read(file, corpus="c.jsonl")
    with pytest.raises(
        ValueError, match="suffix '.xyz', expected a toy, .toy, a BEIR folder, .jsonl, .ndjson, .parquet"
    ):
        hm.formats.read(write_text(tmp_path / "a.xyz", ""))
    with pytest.raises(ValueError, match="format: 'x', expected one of 'toy', 'beir'"):
        hm.formats.read(file, "x")
    assert mined.write(file, "toy", provenance=False) == {"rows": 3, "pairs": 4, "dropped_pairs": 0}
    assert [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()] == [
        {"query": "q0", "negatives": ["n1", "n2"]},
        {"query": "q1", "negatives": ['ñ"3\u2028', "n1"]},
        {"query": "q2", "negatives": ["n2"]},
    ]
    assert list(hm.formats.read_rows(file, "toy")) == []


def write_text(path, text):
    path.write_text(text)
    return path


def test_options_of_other_formats_are_refused(tmp_path):
    pairs = write_text(tmp_path / "pairs.jsonl", '{"query": "a", "positive": "b"}')
    with pytest.raises(ValueError, match="split: 'dev', but only a BEIR folder .*takes one"):
        hm.Collection.read(pairs, split="dev")
    with pytest.raises(ValueError, match="corpus: 'c', but only a jsonl file or a parquet file .*takes one"):
        hm.Collection.read(tmp_path, corpus="c")
    with pytest.raises(TypeError, match="progress: int 1, expected True, False or a callable"):
        hm.Collection.read(pairs, progress=1)
    assert hm.Collection.read(pairs, progress=True).num_queries == 1


def fresh(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_only_the_format_that_is_asked_for_is_imported(tmp_path):
    pairs = write_text(tmp_path / "pairs.jsonl", '{"query": "a", "positive": "b"}')
    loaded = "print(sorted(m for m in sys.modules if m.startswith('hardmine.formats') or m == 'pyarrow'))"
    found = fresh(f"import sys, hardmine as hm; hm.formats; {loaded}; hm.formats.read({str(pairs)!r}); {loaded}")
    before, after = (eval(line) for line in found.stdout.splitlines())
    assert before == [
        "hardmine.formats", "hardmine.formats.access", "hardmine.formats.errors", "hardmine.formats.registry"
    ]  # fmt: skip
    assert {"hardmine.formats.pairs", "pyarrow"} <= set(after)
    assert not {"hardmine.formats.beir", "hardmine.formats.docstrings", "hardmine.formats.training_rows"} & set(after)


def test_a_format_whose_extra_is_missing_says_so(tmp_path):
    block = "import sys; sys.modules['pyarrow'] = None; import hardmine as hm; "
    for call in (f"hm.formats.read({str(tmp_path)!r})", f"hm.formats.read({str(tmp_path)!r}, 'docstrings')"):
        last = fresh(block + call).stderr.splitlines()[-1]
        assert last == "ModuleNotFoundError: hardmine.Collection needs pyarrow: pip install 'hardmine[mine]'"
    last = fresh(f"{block}hm.formats.check_output({str(tmp_path / 'a.parquet')!r}, hm.formats.WRITE[0])").stderr
    assert "reading and writing training rows needs pyarrow: pip install 'hardmine[mine]'" in last


SOURCE = '''
def long_enough(a, b):
    """Adds two numbers and more.

    Details.
    """
    total = a + b + sum(range(a)) + sum(range(b))
    return total * 2 + len(str(total))

class C:
    @property
    async def m(self):
        "Waits for the answer here."
        answer = await self.something_that_takes_a_while(self.argument)
        return answer

def trivial():
    """Does next to nothing at all."""
    pass

def again(a, b):
    """Adds  two numbers and MORE."""
    return [a + b for a in range(10000) for b in range(100000) if a > b if a != b + 1]
'''


def test_docstrings(tmp_path):
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "mod.py").write_text("\x0c\n" + SOURCE)
    (tmp_path / "pkg" / "broken.py").write_text("def (")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "t.py").write_text(SOURCE)
    collection = hm.Collection.read(tmp_path, format="docstrings")
    assert collection.counts["queries_without_positives"] == 0
    assert collection.queries.to_pydict() == {
        "id": ["pkg.mod.long_enough", "pkg.mod.C.m"],
        "text": ["Adds two numbers and more.", "Waits for the answer here."],
    }
    assert collection.document_texts.to_pylist()[0] == (
        "def long_enough(a, b):\n    total = a + b + sum(range(a)) + sum(range(b))\n"
        "    return total * 2 + len(str(total))"
    )
    assert collection.document_texts[1].as_py().startswith("async def m(self):\n    answer")


def test_any_folder_of_sources(tmp_path):
    """Files that break parsers, links into nothing, odd names: what is left is read."""
    good = SOURCE.strip()
    chained = textwrap.indent(good.partition("class")[0].replace("two", "all").replace("total", "found"), "    ")
    chain = "if a:\n    pass\n" + "".join(f"elif a == {i}:\n    pass\n" for i in range(950)) + "else:\n" + chained
    escape = good.replace("Adds two", "Adds \\ud800 two").replace("long_enough", "odd")
    for name, text in {
        "a_bom": "\ufeff" + good, "b_deep": "x = " + "(" * 5000, "c_minus": "x = " + "-" * 100_000 + "1",
        "d_null": "x = 1\0", "e_chain": chain, "f_half_a_pair": escape,
    }.items():  # fmt: skip
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "g_latin.py").write_bytes(b"# caf\xe9\n" + good.encode())
    (tmp_path / "h_link.py").symlink_to(tmp_path / "gone.py")
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "m.py").write_text(good.replace("Adds two", "Subtracts two").replace("total", "left"))
    try:
        deep = ast.parse(chain)
    except (RecursionError, MemoryError):  # how deep a parser goes is its own affair
        deep = None
    found = hm.Collection.read(tmp_path, "docstrings").queries["id"].to_pylist()
    assert found == ["a_bom.long_enough", "a_bom.C.m", *(["e_chain.long_enough"] if deep else [])]
    inner = hm.Collection.read(tmp_path / "site-packages", "docstrings")
    assert inner.queries["id"].to_pylist() == ["m.long_enough", "m.C.m", "m.again"]


def test_no_sources(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone: no such folder, expected a folder of Python sources"):
        hm.Collection.read(tmp_path / "gone", "docstrings")
    with pytest.raises(FileNotFoundError, match="a.py: a file, expected a folder of Python sources"):
        hm.Collection.read(write_text(tmp_path / "a.py", "x = 1"), "docstrings")
    with pytest.raises(hm.formats.FormatError, match="no functions with docstrings in 1 Python sources, expected at l"):
        hm.Collection.read(tmp_path, "docstrings")


@pytest.mark.parametrize("rows", [
    [{"query": "a", "positive": "x"}, {"id": "0", "query": "b", "positive": "y"}],
    [{"id": "0", "query": "a", "positive": "x"}, {"id": "0", "query": "b", "positive": "y"}],
])  # fmt: skip
def test_an_id_belongs_to_one_query(tmp_path, rows):
    """Also one that was given to a query without an id: labels would go to another query."""
    path = write_text(tmp_path / "pairs.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(hm.formats.FormatError, match="line 2: query id '0' has another text in an earlier row"):
        hm.Collection.read(path)


def test_ids_that_are_given_are_free(tmp_path):
    rows = [{"id": "q", "query": "a", "positive": "x"}, {"id": "1", "query": "a", "positive": "y"},
            {"query": "b", "positive": "z"}, {"query": "c", "positive": "x"}]  # fmt: skip
    path = write_text(tmp_path / "pairs.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    found = hm.Collection.read(path)
    assert found.queries.to_pydict() == {"id": ["q", "1", "2", "3"], "text": ["a", "a", "b", "c"]}
    assert [row.tolist() for row in found.positives] == [[0], [1], [2], [0]]
