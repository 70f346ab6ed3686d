"""Row formats: golden files, round trips, titles, convert, datasets; whole or absent."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardmine as hm
from hardmine.formats import chunks, opening, registry, training_rows
from hardmine.formats.chunks import SCHEMA
from tests.row_cases import DOCUMENTS, KEEPS, chunk, kept, mined, random_rows, row

GOLDEN = Path(__file__).parent / "golden" / "rows"
NO_SCORES = {
    "ms-swift", "llama-index", "tevatron-ids", "automodel .jsonl", "msmarco-hard-negatives", "gpl", "colbert", "arctic"
}  # fmt: skip
NUMBERS = ("msmarco-hard-negatives", "colbert", "arctic")


def suffix_of(key):
    name, _, suffix = key.partition(" ")
    return suffix or layouts_of(name)[0]


def layouts_of(name):
    return registry.find(name, "rows", "writes").layouts


def read(path, key):
    return [found for table in hm.formats.read_rows(path, key.partition(" ")[0]) for found in table.to_pylist()]


CASES = [(key, scores) for key in KEEPS for scores in (False, True) if not (scores and key in NO_SCORES)]
CASES = [case for case in CASES if case != ("pylate", True)]  # it has scores anyway
READ_CASES = [case for case in CASES if case != ("sentence-transformers:labeled-pair", True)]  # no labels
FLAT = [(shape, suffix) for shape in ("triplet", "n-tuple", "labeled-pair") for suffix in (".csv", ".tsv")]


def test_every_format_of_rows_is_here():
    names = {key.partition(" ")[0] for key in KEEPS}
    assert names == set(hm.formats.WRITE)
    only_read = set(hm.formats.names_of("rows", "reads")) - names
    assert all(name.startswith("msmarco-triples:") for name in only_read)


def golden_of(key, scores):
    return GOLDEN / f"{key.partition(' ')[0].replace(':', '-')}{'-scores' * scores}{suffix_of(key)}"


@pytest.mark.parametrize(("key", "scores"), CASES)
def test_golden_files(tmp_path, key, scores):
    """What is written is what is checked in, to the byte, in all files of the format; and nothing else is there."""
    golden = golden_of(key, scores)
    path = tmp_path / golden.name
    mined().write(path, key.partition(" ")[0], scores=scores, provenance=False)
    made = sorted(file.relative_to(tmp_path) for file in tmp_path.rglob("*") if file.is_file())
    assert len(made) == {"tevatron-ids": 2, "pylate": 3, "automodel .json": 3}.get(key, 1)
    for file in made:
        if file.suffix == ".parquet":
            assert pq.read_table(tmp_path / file).equals(pq.read_table(GOLDEN / file))
        else:
            assert (tmp_path / file).read_bytes() == (GOLDEN / file).read_bytes(), file


@pytest.mark.parametrize(("shape", "suffix"), FLAT)
def test_golden_flat_files(tmp_path, shape, suffix):
    name = f"sentence-transformers-{shape}{suffix}"
    mined().write(tmp_path / name, f"sentence-transformers:{shape}", provenance=False)
    if (GOLDEN / name).exists():
        assert (tmp_path / name).read_bytes() == (GOLDEN / name).read_bytes()
    lines = read(tmp_path / name, f"sentence-transformers:{shape}")
    assert lines == read(GOLDEN / f"sentence-transformers-{shape}.jsonl", f"sentence-transformers:{shape}")


def mined_rows(*, short=True):
    """The rows of `mined`, by hand."""
    of = {name: (name, title, text) for name, title, text in DOCUMENTS}
    odd = DOCUMENTS[1][2]
    rows = [
        row("1", "which otter?", [(*of["10"], 0.9), (*of["13"], 0.75)], [(*of["12"], 0.7), (*of["14"], 0.6)]),
        row("2", f"what {odd}", [(*of["14"], 0.8)], [(*of["11"], 0.5), (*of["12"], 0.4)]),
        row("3", "who", [(*of["15"], 0.7)], [(*of["11"], 0.1)]),
    ]
    return rows if short else rows[:2]


@pytest.mark.parametrize(("key", "scores"), READ_CASES)
def test_golden_files_are_read(key, scores):
    rows = mined_rows(short=not key.endswith("n-tuple"))
    assert read(golden_of(key, scores), key) == kept(key, rows, scores=scores)


ALL = (".jsonl", ".json", ".jsonl.gz", ".jsonl.zst", ".json.zst", ".parquet", ".csv", ".tsv.gz")


def suffixes_of(key):
    """What the files of a format may be called."""
    if " " in key:
        return [suffix for suffix in ALL if key.endswith(suffix)]
    layouts = layouts_of(key)
    return [suffix for suffix in ALL if "." + suffix.split(".")[1] in layouts]


SUFFIXES = {key: suffixes_of(key) for key in KEEPS}


@pytest.mark.parametrize("key", KEEPS)
@given(data=st.data())
def test_round_trips(tmp_path_factory, key, data):
    """Whatever is written is read again, in every layout and however it is cut into chunks."""
    suffix, most = data.draw(st.sampled_from(SUFFIXES[key])), data.draw(st.sampled_from([1, 3, 9999]))
    scores = (
        key not in NO_SCORES and suffix[1] in "jp" and not key.endswith("labeled-pair") and data.draw(st.booleans())
    )
    exact = key.endswith("n-tuple")
    rows = data.draw(random_rows(negatives=(2, 2) if exact else (0, 3), numbers=key in NUMBERS))
    folder = tmp_path_factory.mktemp("rows")
    path = folder / f"rows{suffix}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "MOST_ROWS", most)
        cut = [chunk(rows[at : at + most]) for at in range(0, len(rows), most)]
        written = hm.formats.write_rows(path, cut, key.partition(" ")[0], scores=scores)
        found = read(path, key)
    assert found == kept(key, rows, scores=scores)
    assert written["pairs"] == sum(len(found["positives"]) for found in rows)


@pytest.mark.parametrize("key", [key for key in KEEPS if "bare" not in KEEPS[key]])
def test_rows_are_a_collection(key):
    name, path = key.partition(" ")[0], golden_of(key, scores=False)
    found = hm.Collection.read(path, name)
    rows = kept(key, mined_rows(short=not key.endswith("n-tuple")), scores=False)
    assert found.query_texts.to_pylist() == list(dict.fromkeys(one["query"] for one in rows))
    texts = found.document_texts.to_pylist()
    labels = {
        found.query_texts[query].as_py(): {texts[d] for d in found.positives[query]}
        for query in range(len(found.positives))
    }
    whole = mined_rows()
    for one in whole[: len(labels)]:
        joined = [f"{t} {x}" if t else x for t, x in zip(one["positive_titles"], one["positives"], strict=True)]
        assert labels[one["query"]] == set(joined)
    assert len(set(texts)) == len(texts) == (6 if not key.endswith("n-tuple") else 5)
    if "ids" in KEEPS[key]:
        assert set(found.document_ids) <= {name for name, _, _ in DOCUMENTS}


def test_a_collection_needs_rows_and_positives(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("")
    with pytest.raises(hm.formats.FormatError, match=r"rows\.jsonl: no rows, expected at least one"):
        hm.Collection.read(path, "flag-embedding")
    path.write_text('{"a": "q", "b": "d", "label": 0}\n')
    with pytest.raises(hm.formats.FormatError, match=r"rows\.jsonl: no positives, expected at least one"):
        hm.Collection.read(path, "sentence-transformers:labeled-pair")
    passage = '{{"docid": "1", "text": "{}"}}'
    line = '{{"query_id": "{}", "query": "{}", "positive_passages": [{}], "negative_passages": []}}\n'
    path.write_text(line.format(1, "a", passage.format("x")) + line.format(2, "b", passage.format("y")))
    with pytest.raises(hm.formats.FormatError, match=r"row 2: document id '1' has another text in an earlier row"):
        hm.Collection.read(path, "tevatron")
    path.write_text(line.format(1, "a", passage.format("x")) + line.format(1, "b", passage.format("x")))
    with pytest.raises(hm.formats.FormatError, match=r"row 2: query id '1' has another text in an earlier row"):
        hm.Collection.read(path, "tevatron")


# Titles


def test_a_collection_without_titles_has_none_in_the_file(tmp_path):
    """A title that is there and empty puts a blank before every passage of Tevatron's trainer."""
    mined(titles=False).write(tmp_path / "rows.jsonl", "tevatron")
    passages = [
        json.loads(line)["negative_passages"] for line in (tmp_path / "rows.jsonl").read_bytes().split(b"\n")[:-1]
    ]
    assert {tuple(passage) for found in passages for passage in found} == {("docid", "text")}
    mined(titles=False).write(tmp_path / "rows.json", "dpr")  # which reads a title always
    assert '"title": ""' in (tmp_path / "rows.json").read_text()


def test_titles_that_come_later_stand_in_front_of_the_text(tmp_path):
    """The first chunk says whether rows have titles: all have the same fields."""
    first = chunk([row("1", "a", [("d", "", "x", 1.0)], [("e", "", "y", 0.5)], titles=False)])
    later = chunk([row("2", "b", [("f", "T", "x", 1.0)], [("g", "", "y", 0.5)])])
    hm.formats.write_rows(tmp_path / "rows.jsonl", [first, later], "tevatron")
    second = json.loads((tmp_path / "rows.jsonl").read_text().splitlines()[1])
    assert second["positive_passages"] == [{"docid": "f", "text": "T x"}]
    hm.formats.write_rows(tmp_path / "rows.jsonl", [later, first], "tevatron")
    second = json.loads((tmp_path / "rows.jsonl").read_text().splitlines()[1])
    assert second["positive_passages"] == [{"docid": "d", "title": "", "text": "x"}]


# Ids


def test_documents_without_ids_are_named_after_their_texts(tmp_path):
    (tmp_path / "in.jsonl").write_text(
        '{"query": "a", "pos": ["x"], "neg": ["y", "z"]}\n{"query": "b", "pos": ["z"], "neg": ["x"]}\n'
    )
    hm.formats.write_rows(
        tmp_path / "ids.jsonl", hm.formats.read_rows(tmp_path / "in.jsonl", "flag-embedding"), "tevatron-ids"
    )
    found = read(tmp_path / "ids.jsonl", "tevatron-ids")
    assert [(one["query"], one["positives"], one["negatives"]) for one in found] == [
        ("a", ["x"], ["y", "z"]),
        ("b", ["z"], ["x"]),
    ]
    assert found[0]["positive_ids"] == found[1]["negative_ids"]
    assert found[0]["negative_ids"][1] == found[1]["positive_ids"][0]
    assert len((tmp_path / "ids.corpus.jsonl").read_text().splitlines()) == 3
    assert len({one["query_id"] for one in found}) == 2


def test_ids_alone_stay_ids_where_no_corpus_is(tmp_path):
    path = tmp_path / "rows.jsonl"
    mined().write(path, "tevatron-ids")
    (tmp_path / "rows.corpus.jsonl").unlink()
    assert read(path, "tevatron-ids")[0]["positives"] is None
    assert read(path, "tevatron-ids")[0]["positive_ids"] == ["10", "13"]
    with pytest.raises(ValueError, match="row 1: no text of a positive, expected a text"):
        hm.formats.write_rows(tmp_path / "out.jsonl", hm.formats.read_rows(path, "tevatron-ids"), "flag-embedding")
    assert not (tmp_path / "out.jsonl").exists()
    hm.formats.write_rows(tmp_path / "out.jsonl", hm.formats.read_rows(path, "tevatron-ids"), "ids")
    assert read(tmp_path / "out.jsonl", "ids")[0]["negative_ids"] == ["12", "14"]


def test_numbers_are_asked_for_where_a_format_has_them(tmp_path):
    rows = chunk([row("q1", "a", [("1", "", "x", 1.0)], [("2", "", "y", 0.5)])])
    with pytest.raises(ValueError, match="query id 'q1', expected an integer, which is what msmarco-hard-negatives"):
        hm.formats.write_rows(tmp_path / "rows.jsonl", [rows], "msmarco-hard-negatives")
    rows = chunk([row("1", "a", [("1", "", "x", 1.0)], [("d2", "", "y", 0.5)])])
    with pytest.raises(ValueError, match="document id 'd2', expected an integer"):
        hm.formats.write_rows(tmp_path / "rows.jsonl", [rows], "msmarco-hard-negatives")
    assert list(tmp_path.iterdir()) == []


def test_collections_of_ids_alone(tmp_path):
    """Images and products are written by id; a format of texts says what is missing."""
    collection = hm.Collection.from_ids(["1", "2"], ["10", "11", "12"], ["10", "11"])
    run = hm.Candidates([0, 2, 3], [1, 2, 0], [0.5, 0.4, 0.3])
    positives = collection.positives.with_scores([0.9, 0.8])
    found = hm.Mined.from_run(collection, run, hm.Selection(1, ceiling=hm.NoCeiling()), positives=positives)
    for key in ("ids", "msmarco-hard-negatives"):
        found.write(tmp_path / "rows.jsonl", key)
        assert [one["negative_ids"] for one in read(tmp_path / "rows.jsonl", key)] == [["11"], ["10"]]
    with pytest.raises(ValueError, match="ids without texts"):
        found.write(tmp_path / "out.jsonl", "flag-embedding")
    assert not (tmp_path / "out.jsonl").exists()


# Scores and shortage


def test_rows_without_negatives_are_left_out_where_trainers_draw_from_them(tmp_path):
    rows = [
        row("1", "a", [("d", "", "x", 1.0), ("e", "", "z", 1.0)], []),
        row("2", "b", [("d", "", "x", 1.0)], [("f", "", "y", 0.5)]),
    ]
    for key in KEEPS:
        if not key.startswith(("sentence", *NUMBERS)):
            written = hm.formats.write_rows(tmp_path / f"rows{suffix_of(key)}", [chunk(rows)], key.partition(" ")[0])
            assert written == {
                "rows": 3 if key == "ids" else 1,
                "pairs": 3,
                "dropped_pairs": 0 if key == "ids" else 2,
            }, key


@pytest.mark.parametrize("key", sorted(NO_SCORES))
def test_scores_without_a_place_are_refused(tmp_path, key):
    path = tmp_path / f"rows{suffix_of(key)}"
    name = key.partition(" ")[0]
    with pytest.raises(ValueError, match=f"scores: {name} has no place for them, expected scores=False"):
        mined().write(path, name, scores=True)
    with pytest.raises(ValueError, match=f"scores: {name} has no place for them"):
        hm.formats.check_output(path, name, scores=True)
    assert list(tmp_path.iterdir()) == []


def test_scores_that_nobody_knows_are_refused(tmp_path):
    rows = [row("1", "a", [("d", "", "x", 1.0)], [("f", "", "y", None)])]
    with pytest.raises(ValueError, match="row 1: no score of a negative, expected a number, or scores=False"):
        hm.formats.write_rows(tmp_path / "rows.jsonl", [chunk(rows)], "flag-embedding", scores=True)
    with pytest.raises(ValueError, match="row 1: no score of a negative"):
        hm.formats.write_rows(tmp_path / "rows.jsonl", [chunk(rows)], "pylate")
    assert list(tmp_path.iterdir()) == []
    hm.formats.write_rows(tmp_path / "rows.jsonl", [chunk(rows)], "flag-embedding")


def test_scores_that_are_no_numbers(tmp_path):
    """JSON has no word for them; older files of Automodel have them all the same."""
    rows = [
        row("1", "a", [("d", "", "x", float("inf"))], [("f", "", "y", float("-inf")), ("g", "", "z", float("nan"))])
    ]
    for name, suffix in (
        ("tevatron", ".jsonl"),
        ("flag-embedding", ".jsonl"),
        ("automodel", ".json"),
        ("ids", ".jsonl"),
    ):
        path = tmp_path / f"rows{suffix}"
        hm.formats.write_rows(path, [chunk(rows)], name, scores=True)
        assert "inf" not in path.read_text().lower()
        (found,) = read(path, name)
        assert found["positive_scores"] == [None]
        assert found["negative_scores"] == [None, None]
    hm.formats.write_rows(tmp_path / "rows.parquet", [chunk(rows)], "tevatron", scores=True)
    assert read(tmp_path / "rows.parquet", "tevatron")[0]["positive_scores"] == [float("inf")]


# Files


@pytest.mark.parametrize("key", KEEPS)
def test_a_write_that_fails_leaves_nothing(tmp_path, key):
    """Also no folder; and what was there before is there still."""
    path = tmp_path / f"rows{suffix_of(key)}"

    def broken():
        yield chunk([row("1", "a", [("1", "", "x", 1.0)], [("2", "", "y", 0.5)])])
        raise OSError(5, "no more")

    with pytest.raises(OSError, match="no more"):
        hm.formats.write_rows(path, broken(), key.partition(" ")[0])
    assert list(tmp_path.iterdir()) == []
    mined().write(path, key.partition(" ")[0])
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(OSError, match="no more"):
        hm.formats.write_rows(path, broken(), key.partition(" ")[0])
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_what_stands_in_the_way_is_said_before(tmp_path):
    (tmp_path / "rows.corpus.jsonl").mkdir()
    with pytest.raises(IsADirectoryError, match=r"rows\.corpus\.jsonl: a folder, expected a file to write"):
        hm.formats.check_output(tmp_path / "rows.jsonl", "tevatron-ids")
    (tmp_path / "rows.corpus").write_text("")
    with pytest.raises(NotADirectoryError, match=r"rows\.corpus: a file, expected a folder or nothing"):
        hm.formats.check_output(tmp_path / "rows.json", "automodel")
    hm.formats.check_output(tmp_path / "rows.jsonl", "automodel")


def test_what_are_no_chunks(tmp_path):
    for chunks_, came in (([pa.table({"a": [1]})], "columns a"), ([{}], "dict"), (mined_rows(), "dict")):
        with pytest.raises(TypeError, match=f"chunks: {came}, expected tables of the schema hardmine.formats.chunks.S"):
            hm.formats.write_rows(tmp_path / "rows.jsonl", chunks_, "tevatron")
    uneven = mined_rows()
    uneven[1]["negative_scores"] = [0.5]
    with pytest.raises(ValueError, match="row 2 of a chunk: 1 negative_scores, expected 2 as of the others"):
        hm.formats.write_rows(tmp_path / "rows.jsonl", [chunk(uneven)], "tevatron")
    assert list(tmp_path.iterdir()) == []


def test_the_same_rows_give_the_same_bytes(tmp_path):
    for key in KEEPS:
        for suffix in SUFFIXES[key]:
            for folder in ("a", "b"):
                (tmp_path / folder).mkdir(exist_ok=True)
                mined().write(tmp_path / folder / f"rows{suffix}", key.partition(" ")[0])
            assert (tmp_path / "a" / f"rows{suffix}").read_bytes() == (tmp_path / "b" / f"rows{suffix}").read_bytes()


def test_rows_from_elsewhere_have_no_side_file(tmp_path):
    """One of an earlier write is about other rows."""
    path = tmp_path / "rows.jsonl"
    mined().write(path, "flag-embedding")
    assert (tmp_path / "rows.provenance.jsonl").exists()
    hm.formats.write_rows(path, [chunk(mined_rows())], "flag-embedding")
    assert not (tmp_path / "rows.provenance.jsonl").exists()


@pytest.mark.parametrize(("name", "side"), [
    ("rows.jsonl.gz", "rows.provenance.jsonl.gz"), ("rows.jsonl", "rows.provenance.jsonl"),
    ("rows.parquet", "rows.provenance.parquet"), ("rows.csv", "rows.provenance.jsonl"),
    ("rows.tsv.gz", "rows.provenance.jsonl.gz"),
])  # fmt: skip
def test_the_side_file_has_a_layout_with_lists(tmp_path, name, side):
    mined().write(tmp_path / name, "sentence-transformers:triplet")
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted((name, side))


@pytest.mark.parametrize(("key", "first_rows"), [
    ("flag-embedding", [0, 0, 1, 2]), ("ms-swift", [0, 1, 2, 3]), ("ids", [0, 1, 2, 3]), ("tevatron", [0, 0, 1, 2]),
    ("colbert", [0, 1, 2, 3]), ("arctic", [0, 0, 4, 7]),
])  # fmt: skip
def test_provenance_points_at_the_rows(tmp_path, key, first_rows):
    mined().write(tmp_path / f"rows{suffix_of(key)}", key)
    side = tmp_path / f"rows.provenance{suffix_of(key)}"
    found = pq.read_table(side).to_pylist() if key == "arctic" else list(map(json.loads, side.read_text().splitlines()))
    assert [one["output_row"] for one in found] == first_rows


def test_a_row_of_several_positives_without_negatives_has_no_place(tmp_path):
    rule = hm.Selection(2, ceiling=hm.Absolute(0.55))
    before = mined()
    found = hm.Mined.from_run(before.collection, before.candidates, rule, positives=before.positives)
    assert found.write(tmp_path / "rows.jsonl", "flag-embedding") == {"rows": 2, "pairs": 4, "dropped_pairs": 2}
    side = [json.loads(line) for line in (tmp_path / "rows.provenance.jsonl").read_text().splitlines()]
    assert [one["output_row"] for one in side] == [-1, -1, 0, 1]


def test_an_empty_file_has_its_columns(tmp_path):
    for key in KEEPS:
        for suffix in SUFFIXES[key]:
            path = tmp_path / f"rows{suffix}"
            assert hm.formats.write_rows(path, [], key.partition(" ")[0])["rows"] == 0
            assert read(path, key) == []
    hm.formats.write_rows(tmp_path / "rows.parquet", [], "tevatron")
    assert pq.read_schema(tmp_path / "rows.parquet").names == [
        "query_id",
        "query",
        "positive_passages",
        "negative_passages",
    ]


def test_chunks_are_small_however_long_the_lists_are(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "MOST_DOCUMENTS", 5)
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps({"query": f"q{at}", "pos": ["x"], "neg": ["y"] * 3}) for at in range(5)]
    path.write_text("\n".join(lines))
    assert [len(table) for table in hm.formats.read_rows(path, "flag-embedding")] == [2, 2, 1]


def test_reading_is_no_further_than_asked_for(tmp_path, monkeypatch):
    """What is wrong with the end of a file is said when reading gets there: nothing is read ahead."""
    monkeypatch.setattr(chunks, "MOST_ROWS", 2)
    (tmp_path / "rows.jsonl").write_text('{"query": "a", "pos": ["x"], "neg": ["y"]}\n' * 4 + "{")
    found = hm.formats.read_rows(tmp_path / "rows.jsonl", "flag-embedding")
    assert [len(next(found)), len(next(found))] == [2, 2]
    with pytest.raises(hm.formats.FormatError, match="line 5"):
        next(found)
    taken = []

    def counted():
        for at in range(4):
            taken.append(at)
            yield chunk(mined_rows()[:1])

    tables = training_rows.RowWriter.of_chunks(row_writer("flag-embedding"), counted())
    next(tables)
    assert taken == [0]


def row_writer(name):
    return registry.find(name, "rows", "writes").load().row_writer(name, training_rows.Options())


def test_names_of_other_layouts_are_refused(tmp_path):
    for name, suffix, wanted in (
        ("flag-embedding", ".parquet", "expected .jsonl"), ("dpr", ".jsonl", "expected .json"),
        ("automodel", ".parquet", "expected .json or .jsonl"), ("tevatron", ".csv", "expected .jsonl or .parquet"),
        ("sentence-transformers:labeled-list", ".csv", "expected .jsonl or .parquet"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"suffix '{suffix}', {wanted}$"):
            hm.formats.check_output(tmp_path / f"rows{suffix}", name)
        if "list" not in name:
            with pytest.raises(ValueError, match=f"suffix '{suffix}', {wanted}$"):
                list(hm.formats.read_rows(tmp_path / f"rows{suffix}", name))


# datasets


@pytest.mark.parametrize(("key", "scores"), [case for case in CASES if case[0] not in ("automodel .json", "arctic")])
def test_to_dataset(tmp_path, key, scores):
    """The same rows as in a file, in memory."""
    datasets = pytest.importorskip("datasets")
    name, suffix = key.partition(" ")[0], suffix_of(key)
    found = mined().to_dataset(name, scores=scores)
    mined().write(tmp_path / f"rows{suffix}", name, scores=scores, provenance=False)
    rows = found["train"] if isinstance(found, datasets.DatasetDict) else found
    text = (tmp_path / f"rows{suffix}").read_text(encoding="utf-8")
    lines = json.loads(text) if suffix == ".json" else [json.loads(line) for line in text.split("\n")[:-1]]
    assert rows.to_list() == ([{"triple": line} for line in lines] if key == "colbert" else lines)
    if isinstance(found, datasets.DatasetDict):
        for part in set(found) - {"train"}:
            lines = (tmp_path / f"rows.{part}.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
            assert found[part].to_list() == [json.loads(line) for line in lines]


def test_automodel_in_memory_has_the_texts_inside():
    pytest.importorskip("datasets")
    first = mined().to_dataset("automodel")[0]
    assert first["pos_doc"] == ["Otters live in rivers", "a dog"]


def test_to_dataset_copies_no_texts_twice():
    """The columns of the dataset are those that were cut, not copies of them."""
    pytest.importorskip("datasets")
    found = mined().to_dataset("sentence-transformers:triplet")
    assert found.data.table.schema.field("anchor").type == pa.large_string()
    assert found.num_rows == 7


def test_schema_of_chunks():
    assert SCHEMA.names == [
        "query_id", "query", "positive_ids", "positive_titles", "positives", "positive_scores",
        "negative_ids", "negative_titles", "negatives", "negative_scores",
    ]  # fmt: skip
    for found in hm.formats.read_rows(golden_of("tevatron", scores=False), "tevatron"):
        assert found.schema == SCHEMA


def test_packed_rows_are_what_gzip_reads(tmp_path):
    mined().write(tmp_path / "rows.jsonl", "flag-embedding")
    mined().write(tmp_path / "rows.jsonl.gz", "flag-embedding")
    assert gzip.decompress((tmp_path / "rows.jsonl.gz").read_bytes()) == (tmp_path / "rows.jsonl").read_bytes()


@pytest.mark.parametrize("name", ["007", "-0", "00", "-01"])
@pytest.mark.parametrize(("format_", "suffix"), [
    ("colbert", "jsonl"), ("msmarco-hard-negatives", "jsonl"), ("arctic", "parquet")
])  # fmt: skip
def test_an_id_that_integers_change_is_refused(tmp_path, name, format_, suffix):
    """007 would come back as 7, which may be another document."""
    lines = [{"query_id": "0", "positive_id": "-7", "negative_ids": ["7", name]}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    message = f"document id '{name}', expected {int(name)}: {format_} holds integers, which keep no zeros in front"
    with pytest.raises(ValueError, match=message):
        hm.formats.write_rows(tmp_path / f"out.{suffix}", hm.formats.read_rows(tmp_path / "rows.jsonl", "ids"), format_)
    assert not (tmp_path / f"out.{suffix}").exists()


@pytest.mark.parametrize("has_nulls", [False, True])
def test_bytes_of_a_table_of_pylate_count(tmp_path, monkeypatch, has_nulls):
    """As they are read, batch by batch, also of those that are read row by row."""
    path = tmp_path / "rows.parquet"
    ids = [["1", "2"]] * 100
    scores = None if has_nulls else [[1.0, 0.5]] * 100
    pq.write_table(pa.table({"query_id": ["q"] * 100, "document_ids": ids, "scores": scores or [None] * 100}), path)
    sizes = []
    monkeypatch.setattr(opening._Reading, "count", lambda _, size: sizes.append(size))
    with opening.reading("rows", [path], False):
        assert len(read(path, "pylate")) == 100
        whole = path.stat().st_size
        assert sizes == [whole * 64 // 100, whole * 36 // 100]
