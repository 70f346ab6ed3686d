"""Audits of texts: damage and what looks like it, near-duplicates in bounded memory, counts of rows, titles."""

# ruff: noqa: RUF001 - letters of many scripts are what this is about

import numpy as np
import pyarrow as pa
import pytest

import hardmine as hm
from hardmine.primitives.shingles import similarity
from hardmine.report.audit import near
from hardmine.report.audit.damage import damaged_at
from tests import audit_cases
from tests.texts import write_jsonl

FLAG = {
    "query": "what is it?",
    "pos": ["this is what it is"],
    "neg": ["nothing of the kind", "a thing of another kind"],
}


def found(report):
    return {finding["check"]: finding for finding in report.findings}


def flag_file(path, *rows):
    return write_jsonl(path, [FLAG | row for row in rows])


# Damage

WORDS = [
    "łódź zażółć", "Grüße über", "中文检索模型", "これは検索です", "안녕하세요", "привет мир", "καλημέρα",
    "مرحبا بالعالم", "שלום עולם", "สวัสดี", "ışık şeker", "příliš kůň", "tiếng Việt rất hay",
    "it’s a “test” – here…", "nice 🎉 day", "café",
    "à la carte", "£5", "« oui »", "naïve", "36 °C", "CAFÉ", "ESPAÑA", "São Paulo", "m²", "नमस्ते",
]  # fmt: skip


def as_windows(read):
    """What the WHATWG's decoder makes of bytes: those that Windows has no letter for stay as they are."""
    return "".join(bytes([each]).decode("cp1252", "ignore") or chr(each) for each in read)


@pytest.mark.parametrize("word", WORDS)
def test_damage_of_every_script_is_found(word):
    for damaged in (word.encode().decode("latin-1"), as_windows(word.encode())):
        assert damaged_at(f"before {damaged} behind") >= 0, damaged
    assert damaged_at(f"before {word} behind") == -1


@pytest.mark.parametrize(
    "clean",
    [
        "“BOA MANHÃ”", "« BOA MANHû", "A MINHA IRMÃ…", "“TÔI ĐÃ”", "ĐÃ… XONG", "ROMÂ»", "ROMÂ” ", "«Â»", "ALEMû",
        "the Ã² operator", "MAÇ㔠manhã” lã…", "“olá”…", "“só”…»", "« café\u00a0»", "payé\u00a0€", "Spaß”", "Fuß…",
        "CAFÉ™",
        "naïve’…", "IRMÃ’s", "IRMÃ–MÃE", "LÀ\u00a0!", "PÅ”", "Ångström", "ÐAÐ", "está…¿Qué?",
    ],
)  # fmt: skip
def test_clean_words_are_no_damage(tmp_path, clean):
    assert damaged_at(clean) == -1
    path = flag_file(tmp_path / "a.jsonl", {"pos": [f"uma resposta {clean} e mais"], "neg": ["outra coisa qualquer"]})
    assert "mojibake" not in found(hm.audit(path))


def test_a_text_is_cut_up_from_three_letters_on(tmp_path):
    def names(negatives):
        return set(found(hm.audit(flag_file(tmp_path / "a.jsonl", {"neg": negatives}), near_duplicates=None)))

    assert names(["a", "b", "c"]) == {"text_in_characters"}
    assert names(["a", "b"]) == {"one_character_text"}
    assert names(["", ""]) == {"empty_negative"}
    assert names(["", "a", "b", "c"]) == {"empty_negative", "one_character_text"}
    assert names(["月", "火", "水"]) == {"one_character_text"}


# Near-duplicates


def test_long_texts_are_as_alike_as_short_ones(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    words = [f"w{number}" for number in range(6)]
    rows = []
    for number in range(60):
        base = rng.choice(words, rng.integers(1, 12))
        near_ones = [" ".join([*base[: -int(rng.integers(1, 3))], *rng.choice(words, 2)]) for _ in range(4)]
        rows.append(
            {"query": f"query {number}", "pos": [" ".join(base), "É " * 5], "neg": [*near_ones, " ".join(base) * 2]}
        )
    path = flag_file(tmp_path / "a.jsonl", *rows)
    for threshold in (0.0, 0.2, 0.5, 0.9, 1.0):
        reports = []
        for long in (10**6, 0):
            monkeypatch.setattr(near, "_LONG", long)
            reports.append(found(hm.audit(path, near_duplicates=threshold)).get("positive_in_negatives_near"))
        assert reports[0] == reports[1]
        assert threshold > 0.9 or reports[0]["count"] > 0


def test_shingles_give_the_similarity_of_the_kernel():
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(list("abcd"), rng.integers(0, 9))) for _ in range(60)]
    texts[:2] = " ".join(["a b c"] * 8), "a b c a b"  # far apart in words, and one set of shingles
    view = type("View", (), {})()
    view.unique = type("Unique", (), {"forms": pa.array(texts), "folded": np.arange(len(texts))})()
    shingles = near._Shingles(view)
    for left, right in [(0, 1), *rng.integers(0, len(texts), (300, 2)).tolist()]:
        wanted = similarity([texts[left]], [texts[right]])[0]
        assert np.float32(shingles.similarity(left, right, 0.0)) == wanted
        if wanted >= 0.4:  # what is reached is not passed over
            assert np.float32(shingles.similarity(left, right, 0.4)) == wanted


def test_a_long_positive_is_not_copied_for_each_negative(tmp_path, monkeypatch):
    sizes = []

    def counted(left, right):
        sizes.append(int(pa.compute.sum(pa.compute.binary_length(left)).as_py() or 0))
        return similarity(left, right)

    monkeypatch.setattr("hardmine.primitives.shingles.similarity", counted)
    monkeypatch.setattr(near, "_BYTES", 20_000)
    cut = []
    whole = near._Shingles._of
    monkeypatch.setattr(near._Shingles, "_of", lambda self, number: cut.append(number) or whole(self, number))
    long = " ".join(audit_cases.sentence(number) for number in range(400))
    negatives = [f"{audit_cases.sentence(5000 + number, 60)}" for number in range(300)]
    report = hm.audit(flag_file(tmp_path / "a.jsonl", {"pos": [long, "short one"], "neg": negatives}))
    assert "positive_in_negatives_near" not in found(report)
    assert max(sizes) <= 20_000 + 4_096  # the short positive, cut by bytes
    assert len(set(cut)) == 1  # lengths alone tell all others apart


# Counts, ids, titles


def test_two_outliers_of_one_row_are_in_one_row(tmp_path):
    rows = [{"query": f"query {n}", "pos": [f"positive {n}"], "neg": [f"n {n}", f"m {n}"]} for n in range(9)]
    rows[3]["neg"] = ["x " * 1500, "y " * 1500]
    finding = found(hm.audit(flag_file(tmp_path / "a.jsonl", *rows)))["length_outlier"]
    assert (finding["count"], finding["rows"]) == (2, 1)


@pytest.mark.parametrize("apart", [False, True])
def test_an_empty_id_is_not_the_first_of_a_query(tmp_path, monkeypatch, apart):
    if apart:
        monkeypatch.setattr("hardmine.formats.chunks.MOST_ROWS", 1)
    rows = [
        audit_cases.row(number) | {"query": "one query", "query_id": name} for number, name in enumerate(["", "a", "b"])
    ]
    finding = found(hm.audit(write_jsonl(tmp_path / "a.jsonl", rows)))["query_text_with_two_ids"]
    assert [each["line"] for each in finding["examples"]] == [3]


@pytest.mark.parametrize("text", ["A Title how it goes", "how  it goes", "a title. How it goes", "no title here"])
def test_answers_are_met_with_their_titles_and_without(tmp_path, text):
    documents = pa.table({"id": ["d", "e"], "title": ["A Title", ""], "text": ["how it goes", "no title here"]})
    evaluation = hm.Collection(pa.table({"id": ["q"], "text": ["?"]}), documents, hm.Positives([0, 2], [0, 1]))
    report = hm.audit(flag_file(tmp_path / "a.jsonl", {"pos": [text]}), against=evaluation)
    assert found(report)["leaked_positive"]["details"]["evaluation_positives_found"] == 1
    report = hm.audit(flag_file(tmp_path / "a.jsonl", {"pos": ["how it went"]}), against=evaluation)
    assert "leaked_positive" not in found(report)


def test_documents_of_rows_are_met_without_their_titles(tmp_path):
    evaluation = hm.Collection.from_pairs(["?"], ["how it goes"])
    row = audit_cases.row(1)
    audit_cases.pos(row, title="Another Title", text="How it goes")
    report = hm.audit(write_jsonl(tmp_path / "a.jsonl", [row]), against=evaluation)
    assert found(report)["leaked_positive"]["count"] == 1
