"""Audits: every planted defect is found on its line, nothing in a clean file, and repairs that last."""

import json
import math
import weakref
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hardmine as hm
from hardmine.formats.chunks import SCHEMA
from hardmine.nouns.normal_form import normalised, normalised_all
from hardmine.report.audit import seen, sources
from hardmine.report.audit.checks import CHECKS
from tests import audit_cases, row_cases
from tests.audit_cases import FLAG, flag_file
from tests.texts import random_beir, write_jsonl


def found(report):
    return {finding["check"]: finding for finding in report.findings}


def lines(finding):
    return [example["line"] for example in finding["examples"]]


@pytest.fixture
def evaluation():
    return hm.Collection.from_pairs(audit_cases.LEAKED, audit_cases.ANSWERS)


# What is found


def test_every_planted_defect_is_found_on_its_line(tmp_path, evaluation):
    wanted = audit_cases.planted(tmp_path / "rows.jsonl")
    assert sum(map(len, wanted.values())) >= 50
    report = hm.audit(tmp_path / "rows.jsonl", against=evaluation)
    assert {name: lines(finding) for name, finding in found(report).items()} == wanted
    counts = {name: finding["count"] for name, finding in found(report).items()}
    assert counts == {name: len(places) for name, places in wanted.items()}
    for finding in report.findings:
        for example in finding["examples"]:
            assert example["file"] == str(tmp_path / "rows.jsonl")
            assert example["unit"] == "line"
    assert report.worst == "error"
    json.dumps(report.to_dict(), allow_nan=False)


def test_every_check_has_a_case():
    elsewhere = {"score_length", "unknown_id", "unreadable_rest", "no_rows", "lone_negatives", "scattered_rows"}
    assert {check for check, _ in audit_cases.DEFECTS} | {"hub_negative"} | elsewhere == set(CHECKS)


def test_the_same_without_defects_is_clean(tmp_path, evaluation):
    write_jsonl(tmp_path / "rows.jsonl", [audit_cases.row(number) for number in range(150)])
    report = hm.audit(tmp_path / "rows.jsonl", against=evaluation)
    assert report.findings == ()
    assert report.worst is None
    assert not report.fails("info")
    assert report.counts["rows"] == 150
    assert report.counts["negatives"] == 600
    assert "nothing found" in report.summary()


FORMATS = [
    ("flag-embedding", ".jsonl"), ("flag-embedding", ".jsonl.gz"), ("tevatron", ".parquet"), ("dpr", ".json"),
    ("llama-index", ".jsonl"), ("ms-swift", ".jsonl"), ("tevatron-ids", ".jsonl"), ("automodel", ".json"),
    ("automodel", ".jsonl"), ("pylate", ".parquet"), ("ids", ".jsonl"), ("sentence-transformers:triplet", ".csv"),
    ("sentence-transformers:n-tuple", ".parquet"), ("sentence-transformers:labeled-pair", ".tsv"),
    ("sentence-transformers:labeled-list", ".jsonl"),
]  # fmt: skip


@pytest.fixture(scope="module")
def mined(tmp_path_factory):
    collection = hm.Collection.read(random_beir(tmp_path_factory.mktemp("audit") / "c", num_documents=400))
    texts = [f"{text} n{number}" for number, text in enumerate(collection.document_texts.to_pylist())]
    queries = [f"{text} about {number}" for number, text in enumerate(collection.query_texts.to_pylist())]
    collection = hm.Collection(
        pa.table({"id": collection.queries["id"], "text": queries}),
        pa.table({"id": collection.documents["id"], "text": texts}),
        collection.positives,
    )
    selection = hm.Selection(3, ceiling=hm.PercPos(0.95), on_shortage="drop")
    return hm.mine(collection, "bm25", selection, k=100, progress=False)


@pytest.mark.parametrize(("name", "layout"), FORMATS)
def test_mined_rows_are_clean_in_every_format(mined, tmp_path, name, layout):
    path = tmp_path / f"rows{layout}"
    mined.write(path, name)
    report = hm.audit(path, format=name, near_duplicates=None)
    assert report.findings == ()
    assert report.counts["negatives"] >= mined.negatives.ids.size
    assert hm.formats.format_of_rows(path) == name
    assert hm.audit(mined, near_duplicates=None).findings == ()


@pytest.mark.parametrize(("name", "layout"), FORMATS)
def test_a_defect_is_found_and_repaired_in_every_format(mined, tmp_path, name, layout):
    """The first negative of the second row of a chunk becomes its positive."""
    mined.write(tmp_path / f"clean{layout}", name)
    path, out = tmp_path / f"rows{layout}", tmp_path / f"out{layout}"
    (table,) = hm.formats.read_rows(tmp_path / f"clean{layout}", name)
    rows = table.to_pylist()
    for kind in ("ids", "texts", "titles"):
        columns = ("positives", "negatives") if kind == "texts" else (f"positive_{kind}", f"negative_{kind}")
        if rows[1][columns[0]] is not None:
            rows[1][columns[1]][0] = rows[1][columns[0]][0]
    hm.formats.write_rows(path, [pa.Table.from_pylist(rows, schema=SCHEMA)], name, scores=name == "pylate")
    report = hm.audit(path, near_duplicates=None, fix=out)
    rung = "id" if rows[1]["positive_ids"] is not None else "text"
    finding = found(report)[f"positive_in_negatives_{rung}"]
    assert finding["count"] == 1
    assert finding["examples"][0]["field"] == "negatives[0]"
    assert report.fixed["repairs"] == {f"positive_in_negatives_{rung}": 1}
    assert not repairable(hm.audit(out, near_duplicates=None))
    counts = hm.audit(out, near_duplicates=None).counts
    short = report.fixed["pairs_left_out"]
    assert counts["negatives"] == report.counts["negatives"] - (3 if short else 1)


def repairable(report):
    return [finding["check"] for finding in report.findings if finding["repair"]]


def test_scores_of_another_length(tmp_path):
    path = flag_file(tmp_path / "a.jsonl", {}, {"pos_scores": [1, 2]}, {"neg": ["n"] * 3, "neg_scores": [1.0]})
    finding = found(hm.audit(path))["score_length"]
    assert (finding["count"], lines(finding)) == (2, [2, 3])
    assert finding["examples"][1]["field"] == "neg_scores"
    assert finding["examples"][1]["shown"] == "1 numbers, expected 3, one for each of neg"


@pytest.mark.parametrize("layout", [".jsonl", ".parquet"])
def test_ids_that_the_corpus_does_not_have(tmp_path, layout):
    rows = [
        {"query_id": str(n), "query_text": audit_cases.sentence(n), "positive_document_ids": ["1"],
         "negative_document_ids": [str(n + 2), "x" if n == 2 else "9"]}
        for n in range(4)
    ]  # fmt: skip
    rows[3]["negative_document_ids"] = ["5", "5"]
    corpus = [{"docid": str(n), "text": audit_cases.sentence(100 + n)} for n in range(10)]
    for name, table in (("a", rows), ("a.corpus", corpus)):
        if layout == ".jsonl":
            write_jsonl(tmp_path / f"{name}{layout}", table)
        else:
            pq.write_table(pa.Table.from_pylist(table), tmp_path / f"{name}{layout}")
    report = hm.audit(tmp_path / f"a{layout}")
    finding = found(report)["unknown_id"]
    assert (finding["count"], lines(finding)) == (1, [3])
    assert finding["examples"][0]["shown"] == f"'x', expected an id of a.corpus{layout}"
    assert lines(found(report)["duplicate_negative_id"]) == [4]
    assert report.counts["rows"] == 3
    assert report.files[0]["unreadable"] == 1


def test_the_rest_of_a_file_that_cannot_be_read(tmp_path):
    whole = tmp_path / "whole.json"
    rows = [{"question": f"question {n}", "positive_ctxs": [{"text": f"p {n}"}], "hard_negative_ctxs": [{"text": "n"}]}
            for n in range(3)]  # fmt: skip
    whole.write_text(json.dumps(rows, indent=0)[:-20])
    other = flag_file(tmp_path / "other.jsonl", {})
    report = hm.audit([whole, other], near_duplicates=None)
    finding = found(report)["unreadable_rest"]
    assert (finding["count"], finding["examples"][0]["file"]) == (1, str(whole))
    assert [file["rows"] for file in report.files] == [2, 1]
    with pytest.raises(ValueError, match=r"^fix: the end of .*whole.json cannot be read, expected whole files$"):
        hm.audit(whole, near_duplicates=None, fix=tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


def test_a_file_without_rows(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n")
    report = hm.audit(tmp_path / "a.jsonl", format="flag-embedding")
    assert [finding["check"] for finding in report.findings] == ["no_rows"]
    assert "a.jsonl: no rows" in report.summary()


def test_several_files_are_one_set(tmp_path):
    one = flag_file(tmp_path / "one.jsonl", {}, {"query": "another query"})
    two = flag_file(tmp_path / "two.jsonl", {"query": "a third query"}, {})
    finding = found(hm.audit([one, two]))["duplicate_row"]
    assert finding["examples"][0]["file"] == str(two)
    assert finding["examples"][0]["shown"] == f"the same as line 1 of {one}"
    assert lines(finding) == [2]


def test_negatives_of_a_row_in_another_order_are_the_same_row(tmp_path):
    path = flag_file(tmp_path / "a.jsonl", {}, {"neg": FLAG["neg"][::-1]}, {"neg": FLAG["pos"], "pos": FLAG["neg"][:1]})
    assert lines(found(hm.audit(path))["duplicate_row"]) == [2]


def test_a_document_counts_under_one_check(tmp_path):
    path = flag_file(tmp_path / "a.jsonl", {"neg": [FLAG["pos"][0]] * 2 + [FLAG["query"], "", ""]})
    report = found(hm.audit(path))
    counts = {name: finding["count"] for name, finding in report.items()}
    assert counts == {"positive_in_negatives_text": 2, "query_in_negatives": 1, "empty_negative": 2}


def test_empty_ids_tell_nothing_apart(tmp_path):
    rows = [audit_cases.row(number) for number in range(2)]
    for row in rows:
        row["query_id"] = ""
        for passage in row["positive_passages"] + row["negative_passages"]:
            passage["docid"] = ""
    report = hm.audit(write_jsonl(tmp_path / "a.jsonl", rows), fix=tmp_path / "b.jsonl")
    assert {name: finding["count"] for name, finding in found(report).items()} == {"empty_id": 12}
    assert report.fixed["repairs"] == {}


def test_the_format_is_told_where_one_record_tells_it(tmp_path):
    for name, content in (
        ("colbert", '[1, 2, 3]\n'), ("ids", '{"query_id": "1", "positive_ids": ["2"]}'),
        ("flag-embedding", 'no json\n{"query": "q", "pos": "p"}'),
        ("sentence-transformers:n-tuple", '{"question": "q", "answer": "a", "negative_1": "n", "negative_2": "m"}'),
    ):  # fmt: skip
        (tmp_path / "a.jsonl").write_text(content)
        assert hm.formats.format_of_rows(tmp_path / "a.jsonl") == name
    for content in ('{"qid": "1", "pos": ["2"], "neg": {"a": ["3"]}}', '{"query": "q", "positive": "p"}', "{}"):
        (tmp_path / "a.jsonl").write_text(content)
        with pytest.raises(ValueError, match="expected to be told by format what it is"):
            hm.formats.format_of_rows(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").write_text("no json")
    with pytest.raises(hm.formats.FormatError, match=r"a\.jsonl: no rows, expected at least one$"):
        hm.formats.format_of_rows(tmp_path / "a.jsonl")


def test_titles_belong_to_texts(tmp_path):
    passage = {"docid": "1", "title": "Otters", "text": "live in rivers"}
    write_jsonl(tmp_path / "a.jsonl", [
        {"query_id": "q", "query": "what?", "positive_passages": [passage],
         "negative_passages": [{"docid": "2", "title": "", "text": "otters live in rivers"}]}])  # fmt: skip
    assert "positive_in_negatives_normalised" in found(hm.audit(tmp_path / "a.jsonl"))


def test_near_duplicates_have_a_threshold(tmp_path):
    text = " ".join(audit_cases.sentence(number) for number in range(4))
    path = flag_file(tmp_path / "a.jsonl", {"pos": ["not it", text], "neg": [audit_cases.near_of(text), "far away"]})
    assert lines(found(hm.audit(path))["positive_in_negatives_near"]) == [1]
    assert hm.audit(path).findings[0]["examples"][0]["field"] == "negatives[0]"
    assert hm.audit(path, near_duplicates=0.999).findings == ()
    assert hm.audit(path, near_duplicates=None).findings == ()


def test_hubs_come_in_a_share_of_the_rows(tmp_path):
    def rows(hubs):
        return [
            {"query": audit_cases.sentence(n), "pos": [audit_cases.sentence(1000 + n)],
             "neg": [audit_cases.sentence(2000 + n), "the hub" if n < hubs else audit_cases.sentence(3000 + n)]}
            for n in range(60)
        ]  # fmt: skip

    finding = found(hm.audit(flag_file(tmp_path / "a.jsonl", *rows(30)), hub_share=0.5))["hub_negative"]
    assert (finding["count"], finding["rows"]) == (1, 30)
    assert finding["examples"][0]["shown"] == "in 30 of 60 rows: the hub"
    assert hm.audit(flag_file(tmp_path / "b.jsonl", *rows(29)), hub_share=0.5).findings == ()
    assert hm.audit(flag_file(tmp_path / "c.jsonl", *rows(19)), hub_share=0).findings == ()


def test_missing_scores_count_where_others_are_known(tmp_path):
    path = flag_file(tmp_path / "a.jsonl", {"pos_scores": [1]}, {"query": "another"}, {"query": "a third"})
    finding = found(hm.audit(path))["missing_score"]
    assert (finding["count"], finding["rows"], lines(finding)) == (2, 2, [2, 3])


def test_examples_show_where_a_text_is_damaged(tmp_path):
    path = flag_file(tmp_path / "a.jsonl", {"neg": ["plain words " * 30 + "then cafÃ© and more", "b c d"]})
    shown = found(hm.audit(path))["mojibake"]["examples"][0]["shown"]
    assert shown.startswith("...")
    assert "cafÃ©" in shown


def test_ordinary_letters_are_no_damage(tmp_path):
    texts = [
        "SÃO PAULO",
        "crème brûlée à la carte",
        "Ångström",
        "日本語の文章",
        "Ελληνικά",
        "Что это?",
        "tab\there\nline",
        "Âge",
    ]
    rows = [{"query": f"{text} {at}", "pos": [f"{text} of {at}"], "neg": [text]} for at, text in enumerate(texts)]
    assert hm.audit(flag_file(tmp_path / "a.jsonl", *rows)).findings == ()


def test_other_positives_across_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr("hardmine.formats.chunks.MOST_ROWS", 2)
    rows = [{"query": f"query {n}", "pos": [f"positive {n}"], "neg": [f"negative {n}"]} for n in range(7)]
    rows[6] |= {"query": "Query 0", "neg": ["POSITIVE 0"]}
    finding = found(hm.audit(flag_file(tmp_path / "a.jsonl", *rows)))["other_positive_in_negatives"]
    assert (finding["count"], lines(finding)) == (1, [7])


# Leakage


def test_leakage_says_how_much_of_the_evaluation_was_met(tmp_path):
    evaluation = hm.Collection.from_pairs(["One?", "two?", "three?"], [["p one", "p two"], "p three", "p four"])
    path = flag_file(
        tmp_path / "a.jsonl", {"query": "one?", "pos": ["P  two", "p three"]}, {"query": "four?", "neg": ["p four"]}
    )
    report = hm.audit(path, against=evaluation)
    assert report.against == {"source": "pairs", "queries": 3, "positives": 4}
    details = {name: dict(finding["details"]) for name, finding in found(report).items()}
    assert details["leaked_query"] == {
        "evaluation_queries": 3, "evaluation_queries_found": 1, "by_exact_text": 0
    }  # fmt: skip
    assert details["leaked_positive"] == {
        "evaluation_positives": 4, "evaluation_positives_found": 2, "by_exact_text": 1, "queries_of_these": 2,
        "evaluation_queries": 3,
    }  # fmt: skip
    assert lines(found(report)["evaluation_positive_in_negatives"]) == [2]


def test_leakage_of_rows_of_ids(tmp_path):
    evaluation = hm.Collection.from_ids(["q1", "q2"], ["a", "b", "c"], ["b", "c"])
    write_jsonl(tmp_path / "a.jsonl", [{"query_id": "q2", "positive_id": "b", "negative_ids": ["x", "c"]}])
    report = found(hm.audit(tmp_path / "a.jsonl", against=evaluation))
    assert set(report) == {"leaked_query", "leaked_positive", "evaluation_positive_in_negatives"}
    assert report["leaked_positive"]["details"]["queries_of_these"] == 1


# Repairs


def test_repairs_of_the_planted_file_last(tmp_path):
    audit_cases.planted(tmp_path / "rows.jsonl")
    report = hm.audit(tmp_path / "rows.jsonl", fix=tmp_path / "fixed.jsonl")
    wanted = {name: finding["count"] for name, finding in found(report).items() if finding["repair"]}
    assert report.fixed["repairs"] == wanted
    again = hm.audit(tmp_path / "fixed.jsonl", fix=tmp_path / "again.jsonl")
    assert not repairable(again)
    assert again.fixed["repairs"] == {}
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "fixed.jsonl").read_bytes()
    left = {name for name, finding in found(report).items() if not finding["repair"]}
    # JSON has no word for what is not finite, a trainer none for rows without negatives, and ids are made of texts.
    rest = left - {"score_not_finite", "no_negative", "missing_id"}
    assert {finding["check"] for finding in again.findings} == rest


def test_what_has_no_safe_repair_stays(tmp_path):
    rows = [FLAG | {"neg": ["x", "cafÃ©", "a"], "neg_scores": [1.5, 2.5, 0.5], "pos_scores": [1.0]}]
    write_jsonl(tmp_path / "a.jsonl", rows)
    hm.audit(tmp_path / "a.jsonl", fix=tmp_path / "b.jsonl")
    assert [json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines()] == rows


def test_rows_that_become_neighbours_are_repaired_again(tmp_path):
    names = ("anchor", "positive", "negative")
    other = ("other", "p2", "n2")
    triples = [other, ("q", "p", "n1"), other, ("q", "p", "n1"), ("q", "p", "n4")]
    write_jsonl(tmp_path / "a.jsonl", [dict(zip(names, triple, strict=True)) for triple in triples])
    report = hm.audit(tmp_path / "a.jsonl", fix=tmp_path / "b.jsonl")
    assert report.files[0]["format"] == "sentence-transformers:triplet"
    assert not repairable(hm.audit(tmp_path / "b.jsonl"))
    found_rows = [tuple(json.loads(line).values()) for line in (tmp_path / "b.jsonl").read_text().splitlines()]
    assert found_rows == [other, ("q", "p", "n1"), ("q", "p", "n4")]
    assert report.fixed["repairs"] == {"duplicate_row": 1, "duplicate_negative_text": 1}


def test_where_repairs_go(tmp_path):
    one, two = flag_file(tmp_path / "a.jsonl", {}), tmp_path / "b.jsonl"
    write_jsonl(two, [audit_cases.row(1)])
    for files, fix, message in (
        ([one], one, f"fix: {one} is one of the files that are looked at, expected another"),
        ([one, two], tmp_path / "c.jsonl", "fix: files of the formats flag-embedding, tevatron, expected one format"),
        ([one], tmp_path / "c.csv", f"{tmp_path / 'c.csv'}: suffix '.csv', expected .jsonl"),
    ):
        with pytest.raises(ValueError, match=".") as caught:
            hm.audit(files, fix=fix)
        assert str(caught.value) == message


# Any rows


values = (
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=3) | st.sampled_from(["a", "A", "ß", " "])
)
floats = st.none() | st.sampled_from([1.0, 0.5, -math.inf, math.inf, math.nan])


@st.composite
def any_side(draw):
    size = draw(st.integers(0, 3))

    def part(items):
        return draw(st.none() | st.lists(items, min_size=size, max_size=size))

    return [part(values), part(values), part(values), part(floats)]


@st.composite
def any_chunks(draw):
    chunks = []
    for _ in range(draw(st.integers(0, 3))):
        rows = []
        for _ in range(draw(st.integers(0, 3))):
            columns = [draw(values), draw(values)]
            for _ in range(2):
                side = draw(any_side())
                sizes = {len(part) for part in side if part is not None}
                assert len(sizes) <= 1
                columns += side
            rows.append(dict(zip(SCHEMA.names, columns, strict=True)))
        chunks.append(pa.Table.from_pylist(rows, schema=SCHEMA))
    return chunks


@settings(max_examples=100, deadline=None)
@given(any_chunks())
def test_no_rows_make_an_audit_raise(chunks):
    path = Path(__file__)  # what is read is not looked at
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "read_rows", lambda *_: iter(chunks))
        evaluation = hm.Collection.from_pairs(["a", "b"], ["ss", "c"])
        report = hm.audit(path, format="flag-embedding", against=evaluation, hub_share=0)
    assert report.counts["rows"] == sum(chunk.num_rows for chunk in chunks)
    json.dumps(report.to_dict(), allow_nan=False)
    for finding in report.findings:
        assert 0 < len(finding["examples"]) <= 3
        assert finding["rows"] <= finding["count"] or finding["check"] == "hub_negative"
    assert report.summary()


@settings(max_examples=40, deadline=None)
@given(row_cases.random_rows(), st.sampled_from(["flag-embedding", "tevatron", "sentence-transformers:labeled-pair"]))
def test_a_repair_is_there_once_and_for_all(tmp_path_factory, rows, name):
    folder = tmp_path_factory.mktemp("repair")
    for row in rows:  # texts of few letters collide often, as they should here
        row["query"] = row["query"][:3]
    hm.formats.write_rows(folder / "a.jsonl", [row_cases.chunk(rows)], name)
    report = hm.audit(folder / "a.jsonl", format=name, near_duplicates=None, fix=folder / "b.jsonl")
    again = hm.audit(folder / "b.jsonl", format=name, near_duplicates=None, fix=folder / "c.jsonl")
    assert not repairable(again)
    assert again.fixed["repairs"] == {}
    assert again.counts["rows"] <= report.counts["rows"]
    assert (folder / "b.jsonl").read_bytes() == (folder / "c.jsonl").read_bytes()


# Memory


def test_memory_holds_a_chunk_of_rows_and_some_bytes_of_every_other(tmp_path, monkeypatch):
    alive, most = weakref.WeakSet(), []
    made = sources.View

    def view(*arguments):
        one = made(*arguments)
        alive.add(one)
        most.append(len(alive))
        return one

    monkeypatch.setattr(sources, "View", view)
    monkeypatch.setattr("hardmine.formats.chunks.MOST_ROWS", 64)
    counts = {}
    for size in (2_000, 4_000):
        path = tmp_path / f"{size}.jsonl"
        rows = [{"query": f"query {n}", "pos": [f"positive {n}"], "neg": [f"negative {n}"]} for n in range(size)]
        counts[size] = hm.audit(write_jsonl(path, rows), near_duplicates=None).counts["remembered_bytes"]
    assert max(most) <= 2
    assert counts[4_000] - counts[2_000] <= 2_000 * (56 + 16)


def test_what_came_first_is_what_a_dictionary_says():
    import numpy as np

    rng = np.random.default_rng(0)
    first, kept = {}, seen.FirstSeen()
    for _ in range(60):
        keys = rng.integers(0, 500, rng.integers(0, 40)).astype(np.uint64)
        values = rng.integers(0, 2**60, keys.size).astype(np.uint64)
        found_values, was_there = kept.add(keys, values)
        for key, value, one, there in zip(
            *(part.tolist() for part in (keys, values, found_values, was_there)), strict=True
        ):
            assert there == (key in first)
            assert one == first.setdefault(key, value)
    assert kept.nbytes == 16 * len(first)


def test_counts_are_never_too_high_and_little_too_low():
    import numpy as np

    rng = np.random.default_rng(0)
    often, truth = seen.Often(50), np.zeros(400, np.int64)
    for _ in range(40):
        keys = np.minimum(rng.geometric(0.05, 100), 399)
        truth += np.bincount(keys, minlength=400)
        often.add(keys.astype(np.uint64))
        assert often.keys.size <= 50
    low = truth[often.keys.astype(np.int64)] - often.counts
    assert low.min() >= 0
    assert low.max() <= truth.sum() / 50
    heavy = np.flatnonzero(truth > truth.sum() / 50)
    assert set(heavy.tolist()) <= set(often.keys.tolist())


def test_columns_have_the_normal_form_of_their_texts():
    spaces = [
        "a b",
        " a",
        "a ",
        "a  b",
        "a\tb",
        "a\x1cb",
        "a\x0bb",
        "\n",
        "",
        "A B",
        "\uff21",
        "ﬁ",
        "ß",
        "İ",
        "a\u00a0b",
        None,
    ]
    wanted = [None if text is None else normalised(text) for text in spaces]
    assert normalised_all(pa.chunked_array([spaces])).to_pylist() == wanted
    assert normalised_all(pa.array([], pa.string())).to_pylist() == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0x2FF), max_size=5), max_size=5))
def test_the_normal_form_is_the_same_for_one_and_for_many(found_texts):
    assert normalised_all(pa.array(found_texts, pa.string())).to_pylist() == list(map(normalised, found_texts))


# Command line
