"""Audits of files: what a repair must not touch, rows whose records are apart, what cannot be read."""

import gzip
import json
import random

import pyarrow.parquet as pq
import pytest

import hardmine as hm
from hardmine.report.audit.repairs import NOT_CARRIED
from tests import audit_cases
from tests.texts import write_jsonl


def found(report):
    return {finding["check"]: finding for finding in report.findings}


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def mined():
    sentences = [audit_cases.sentence(number) for number in range(40)]
    collection = hm.Collection.from_pairs(sentences[:6], sentences[10:16], sentences[20:40])
    return hm.mine(collection, "bm25", hm.Selection(3, ceiling=hm.NoCeiling()), k=20, progress=False)


# Side files


@pytest.mark.parametrize(
    ("name", "rows", "fix", "touched"),
    [
        ("automodel", "rows.json", "rows.json.gz", "rows.corpus/train.parquet"),
        ("tevatron-ids", "rows.jsonl.gz", "rows.jsonl", "rows.corpus.jsonl"),
        ("pylate", "rows.jsonl.gz", "rows.jsonl", "rows.queries.jsonl"),
        ("sentence-transformers:triplet", "rows.csv", "rows.tsv", "rows.provenance.jsonl"),
    ],
)
def test_no_file_that_is_read_is_replaced(mined, tmp_path, name, rows, fix, touched):
    mined.write(tmp_path / rows.removesuffix(".gz"), name, provenance=name.startswith("sentence"))
    if rows.endswith(".gz"):
        plain = tmp_path / rows.removesuffix(".gz")
        (tmp_path / rows).write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=r"^fix: .* is looked at; expected another$") as caught:
        hm.audit(tmp_path / rows, format=name, fix=tmp_path / fix)
    wanted = (
        f"fix: {tmp_path / fix} would replace {tmp_path / touched}, a file of {tmp_path / rows}, which is looked at"
    )
    assert str(caught.value) == f"{wanted}; expected another"
    assert contents(tmp_path) == before


def test_a_corpus_that_a_document_names_is_read_too(mined, tmp_path):
    mined.write(tmp_path / "fixed.json", "automodel", provenance=False)
    document = json.loads((tmp_path / "fixed.json").read_text())
    (tmp_path / "fixed.json").unlink()
    (tmp_path / "rows.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"fixed.corpus/train.parquet, a file of .*rows.json, which is looked at"):
        hm.audit(tmp_path / "rows.json", fix=tmp_path / "fixed.json")
    hm.audit(tmp_path / "rows.json", fix=tmp_path / "other.json")
    with pytest.raises(ValueError, match="train.parquet, a file of"):  # of any of several files
        hm.audit([tmp_path / "other.json", tmp_path / "rows.json"], fix=tmp_path / "fixed.json")


def test_a_folder_of_pylate_keeps_its_files(mined, tmp_path):
    mined.write(tmp_path / "train.parquet", "pylate", provenance=False)
    for part in ("queries", "documents"):
        (tmp_path / f"train.{part}.parquet").rename(tmp_path / f"{part}.parquet")
    with pytest.raises(ValueError, match=r"would replace .*train.parquet, a file of"):
        hm.audit(tmp_path, fix=tmp_path / "train.parquet")


@pytest.mark.parametrize("name", ["tevatron-ids", "pylate"])
def test_texts_beside_packed_rows_are_found(mined, tmp_path, name):
    mined.write(tmp_path / "a.jsonl", name, provenance=False)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    (tmp_path / "a.jsonl").unlink()
    report = hm.audit(tmp_path / "a.jsonl.gz", fix=tmp_path / "b.jsonl")
    assert report.files[0]["texts"]
    for side in tmp_path.glob("a.*.jsonl"):
        side.unlink()
    report = hm.audit(tmp_path / "a.jsonl.gz")
    assert not report.files[0]["texts"]
    assert "without texts of documents: compared by id alone" in report.summary()
    with pytest.raises(ValueError, match=r"^fix: .*a\.jsonl\.gz knows no texts of documents .* row 1: no text of"):
        hm.audit(tmp_path / "a.jsonl.gz", fix=tmp_path / "c.jsonl")


# Rows whose records are apart


def labeled(queries, negatives):
    rows = []
    for query in range(queries):
        names = {"sentence1": audit_cases.sentence(query, 5)}
        for place in range(1 + negatives):
            text = audit_cases.sentence(1000 + 10 * query + place)
            rows.append(names | {"sentence2": text, "label": int(place == 0)})
    return rows


def test_shuffled_labeled_pairs_are_no_fault_and_lose_nothing(tmp_path):
    rows = labeled(30, 3)
    whole = hm.audit(write_jsonl(tmp_path / "whole.jsonl", rows), near_duplicates=None)
    assert whole.findings == ()
    random.Random(0).shuffle(rows)
    path = write_jsonl(tmp_path / "a.jsonl", rows)
    report = hm.audit(path, near_duplicates=None, fix=tmp_path / "b.jsonl")
    assert set(found(report)) == {"scattered_rows"}
    assert found(report)["scattered_rows"]["severity"] == "info"
    assert "lone_negatives" in found(report)["scattered_rows"]["details"]["not_judged"]
    written = [json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines()]
    assert sorted(tuple(row.values()) for row in written) == sorted(tuple(row.values()) for row in rows)
    assert report.fixed["repairs"] == {}
    assert report.fixed["pairs_left_out"] == 0


def test_shuffled_tables_of_arctic_lose_nothing(tmp_path):
    rows = [{"query_id": str(q), "positive_id": str(q), "negative_ids": [str(50 + 3 * q + n) for n in range(3)]}
            for q in range(20)]  # fmt: skip
    write_jsonl(tmp_path / "ids.jsonl", rows)
    hm.formats.write_rows(tmp_path / "a.parquet", hm.formats.read_rows(tmp_path / "ids.jsonl", "ids"), "arctic")
    table = pq.read_table(tmp_path / "a.parquet")
    assert hm.audit(tmp_path / "a.parquet").findings == ()
    order = list(range(table.num_rows))
    random.Random(1).shuffle(order)
    pq.write_table(table.take(order), tmp_path / "b.parquet")
    report = hm.audit(tmp_path / "b.parquet", fix=tmp_path / "c.parquet")
    assert set(found(report)) == {"scattered_rows"}
    again = pq.read_table(tmp_path / "c.parquet").to_pylist()
    assert sorted(map(str, again)) == sorted(map(str, table.to_pylist()))


def test_shuffled_triplets_are_no_fault(tmp_path):
    rows = [
        {"anchor": audit_cases.sentence(q, 5), "positive": audit_cases.sentence(100 + q),
         "negative": audit_cases.sentence(1000 + 10 * q + n)}
        for q in range(20) for n in range(4)
    ]  # fmt: skip
    random.Random(2).shuffle(rows)
    report = hm.audit(write_jsonl(tmp_path / "a.jsonl", rows), near_duplicates=None, fix=tmp_path / "b.jsonl")
    assert set(found(report)) == {"scattered_rows"}
    assert len((tmp_path / "b.jsonl").read_text().splitlines()) == len(rows)


def test_records_that_stand_together_are_judged_and_lone_ones_kept(tmp_path):
    rows = labeled(4, 3)
    lone = [rows[0], *rows[2:4], *rows[5:]]  # one negative less; a query without its positive
    report = hm.audit(write_jsonl(tmp_path / "a.jsonl", lone), near_duplicates=None, fix=tmp_path / "b.jsonl")
    assert {name: finding["count"] for name, finding in found(report).items()} == {
        "lone_negatives": 1, "unequal_negatives": 1
    }  # fmt: skip
    assert found(report)["lone_negatives"]["examples"][0]["line"] == 4
    assert len((tmp_path / "b.jsonl").read_text().splitlines()) == len(lone)


def test_a_contradiction_is_found_where_records_are_apart(tmp_path):
    rows = labeled(4, 1)
    rows.append(rows[0] | {"label": 0})
    report = hm.audit(write_jsonl(tmp_path / "a.jsonl", rows), near_duplicates=None, fix=tmp_path / "b.jsonl")
    assert found(report)["other_positive_in_negatives"]["examples"][0]["line"] == 9
    assert len((tmp_path / "b.jsonl").read_text().splitlines()) == len(rows) - 1


def test_one_file_of_several_may_be_scattered(tmp_path):
    rows = labeled(6, 2)
    one = write_jsonl(tmp_path / "a.jsonl", [*rows[:5], *rows[6:9]])
    two = write_jsonl(tmp_path / "b.jsonl", [rows[number] for number in (9, 12, 10, 13, 11, 14)])
    names = set(found(hm.audit([one, two], near_duplicates=None)))
    assert names == {"unequal_negatives", "scattered_rows"}
    assert set(found(hm.audit(two, near_duplicates=None))) == {"scattered_rows"}


# What cannot be read


@pytest.mark.parametrize(("layout", "between"), [(".csv", ","), (".tsv", "\t")])
def test_a_bad_record_does_not_end_a_file_of_columns(tmp_path, layout, between):
    lines = [["query", "positive", "negative"]]
    lines += [[f"{kind} {n}" for kind in ("query", "positive", "negative")] for n in range(6)]
    lines[2] = lines[2][:2]
    lines[4].append("one more")
    lines[5][1] = "caf\xe9"
    path = tmp_path / f"a{layout}"
    path.write_bytes("\n".join(between.join(line) for line in lines).encode("latin-1"))
    report = hm.audit(path, fix=tmp_path / f"b{layout}")
    assert report.counts["rows"] == 3
    assert report.files[0]["unreadable"] == 3
    places = {name: [(each["line"], each["shown"]) for each in finding["examples"]]
              for name, finding in found(report).items()}  # fmt: skip
    rest = "expected 3, one for each column of the header"
    assert places == {
        "unreadable_row": [(2, f"2 values, {rest}"), (4, f"4 values, {rest}")],
        "broken_encoding": [(5, "byte 0xe9 at position 4, expected UTF-8 text")],
    }
    assert len((tmp_path / f"b{layout}").read_text().splitlines()) == 4
    with pytest.raises(hm.formats.FormatError, match="unreadable after row 0"):  # who trains is stopped
        list(hm.formats.read_rows(path, "sentence-transformers:triplet"))


def test_records_behind_a_bad_last_one_and_many_in_a_row(tmp_path):
    good = [f"query {n},positive {n},negative {n}" for n in range(3)]
    (tmp_path / "a.csv").write_text("\n".join(["query,positive,negative", "x", "y", *good[:2], "z", good[2], "u,v"]))
    report = hm.audit(tmp_path / "a.csv")
    assert report.counts["rows"] == 3
    assert [each["line"] for each in found(report)["unreadable_row"]["examples"]] == [1, 2, 5]
    assert found(report)["unreadable_row"]["count"] == 4


def test_a_bad_byte_does_not_end_a_document(tmp_path):
    rows = [{"question": f"question {n}", "positive_ctxs": [{"text": f"positive {n}"}],
             "hard_negative_ctxs": [{"text": f"negative {n}"}]} for n in range(4)]  # fmt: skip
    path = tmp_path / "a.json"
    path.write_bytes(json.dumps(rows, indent=0).encode().replace(b"negative 2", b"n\xe9gative 2"))
    report = hm.audit(path, fix=tmp_path / "b.json")
    assert report.counts["rows"] == 3
    assert found(report)["broken_encoding"]["examples"][0]["shown"] == "byte 0xe9, expected UTF-8 text"
    assert len(json.loads((tmp_path / "b.json").read_text())) == 3
    with pytest.raises(hm.formats.FormatError, match="byte 0xe9"):
        list(hm.formats.read_rows(path, "dpr"))


# What is said


def test_every_format_that_is_written_says_what_it_loses():
    assert set(NOT_CARRIED) == set(hm.formats.WRITE)


def test_the_formats_that_fit_are_named(tmp_path):
    for row, like in (
        ({"qid": "1", "pos": ["2"], "neg": {"a": ["3"]}}, "msmarco-hard-negatives or gpl, which look the same"),
        ({"a": "q", "b": "p", "label": 1, "source": "x"}, "labeled-pair, which has two columns beside its label"),
        ({"a": "q", "b": "p", "negative": "n", "source": "x"}, "triplet, which has three columns"),
    ):
        with pytest.raises(ValueError, match=f"; it is like .*{like}"):
            hm.audit(write_jsonl(tmp_path / "a.jsonl", [row]))


def test_scores_without_a_place_are_no_obstacle(tmp_path):
    (tmp_path / "a.jsonl").write_text("[1, [2, 0.9], [3, 0.8], [2, 0.7]]\n")
    report = hm.audit(tmp_path / "a.jsonl", fix=tmp_path / "b.jsonl")
    assert report.fixed["repairs"] == {"positive_in_negatives_id": 1}
    assert (tmp_path / "b.jsonl").read_text() == "[1, 2, 3]\n"
    assert report.fixed["not_carried"] == "scores of documents"
