"""The report as a page: what it says is right, nothing in a text becomes more than text, and it asks for nothing."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import hardmine as hm
from hardmine.report.html import charts, page
from hardmine.report.html.bins import bins, growing
from hardmine.report.html.elements import element
from hardmine.report.html.material import choose, relative, row_maxima
from hardmine.report.html.of_mined import of_mined
from hardmine.report.html.sweep import headline
from tests.report_pages import AUDIT, HOSTILE, SWEEP, Found, hostile_collection, mined, without_pictures


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A page in which every text that a user can bring is hostile."""
    path = tmp_path_factory.mktemp("hostile") / "report.html"
    found = mined(hostile_collection(), teacher=HOSTILE[6])
    found.report_html(path, title=HOSTILE[3], sweep=SWEEP, audit=AUDIT)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def hostile_parsed(hostile):
    return Found(hostile)


def test_the_page_is_whole(hostile, hostile_parsed):
    assert hostile_parsed.doctype == "DOCTYPE html"
    assert hostile_parsed.stack == []
    assert hostile_parsed.comments == []
    assert [tag for tag, _, _ in hostile_parsed.elements][:2] == ["html", "head"]
    ids = [attributes["id"] for _, attributes, _ in hostile_parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes, _ in hostile_parsed.elements:
        assert set(attributes.get("aria-labelledby", "").split()) <= set(ids)
        if attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in ids
    assert "\x00" not in hostile
    assert "\x07" not in hostile


def test_the_page_asks_for_nothing(hostile_parsed):
    for tag, attributes, _ in hostile_parsed.elements:
        assert "src" not in attributes, tag
        assert "style" not in attributes, tag
        assert "srcset" not in attributes, tag
        assert re.fullmatch(r"#[\w-]+|data:,", attributes.get("href", "#x")), attributes
        assert not [name for name in attributes if name.startswith(("on", "xlink", "xmlns"))], attributes
    assert not hostile_parsed.all("img")
    assert not hostile_parsed.all("iframe")
    policy = next(each for each in hostile_parsed.all("meta") if "http-equiv" in each)["content"]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")


def test_a_hostile_text_stays_text(hostile, hostile_parsed):
    assert len(hostile_parsed.all("script")) == 1
    assert len(hostile_parsed.all("h1")) == 1
    assert hostile.count("<script") == hostile.count("</script") == 1
    for number, text in enumerate(HOSTILE):
        shown = text.replace("\x00", "\ufffd").replace("\x07", "\ufffd")
        assert hostile_parsed.text.count(shown) >= 3, (number, text)


def test_everything_is_reachable_without_eyes_or_mouse(hostile_parsed):
    pictures = [each for each in hostile_parsed.all("svg") if each.get("role") == "img"]
    figures = hostile_parsed.all("figure")
    assert len(pictures) == len(figures) >= 8
    assert all(len(each["aria-labelledby"].split()) == 2 for each in pictures)
    inside = [where for tag, _, where in hostile_parsed.elements if tag == "table" and "figure" in where]
    assert len(inside) == len(figures)
    assert all("scope" in each for each in hostile_parsed.all("th"))
    controls = [(tag, where) for tag, _, where in hostile_parsed.elements if tag in ("input", "select")]
    assert len(controls) == 3
    assert all("label" in where for _, where in controls)
    assert all(each["type"] == "button" for each in hostile_parsed.all("button"))
    assert hostile_parsed.all("html")[0]["lang"] == "en"


def test_the_parts_of_sweep_and_audit_are_there(hostile_parsed):
    text = hostile_parsed.text
    assert "Hard against false" in text
    assert f"Recommended: {HOSTILE[1]}=1." in text
    assert "false negatives, estimated (1.5 to 6.0 %)3.0 %" in text
    assert "12,345" in text
    assert "What did the audit find?" in text


def test_the_estimate_is_that_of_the_rule_that_mined():
    rows = [
        {"selection": {"ceiling": {"kind": "none"}, "range_min": first, "seed": 5}, "false_negative_rate": rate}
        for first, rate in ((0, 0.5), (5, 0.25), (9, None))
    ]
    told = [
        headline({"rows": rows}, {"ceiling": {"kind": "none"}, "range_min": first, "seed": 0}) for first in (0, 5, 9)
    ]
    assert [each and each.value for each in told] == ["50.0 %", "25.0 %", None]
    assert headline({"rows": rows}, {}) is None


def test_the_same_input_gives_the_same_bytes(hostile, tmp_path):
    code = (
        "import sys; from tests.report_pages import *\n"
        "found = mined(hostile_collection(), teacher=HOSTILE[6])\n"
        "found.report_html(sys.argv[1], title=HOSTILE[3], sweep=SWEEP, audit=AUDIT)\n"
    )
    path = tmp_path / "again.html"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=100, env=environment)
    assert path.read_text(encoding="utf-8") == hostile


# --- what it says ---------------------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_a_slow_count(tmp_path):
    collection = hostile_collection()
    found = mined(collection, selection=hm.Selection(3, ceiling=hm.PercPos(0.9)), seed=3)
    found.report_html(tmp_path / "r.html", examples=4)
    text = Found((tmp_path / "r.html").read_text()).text
    negatives = found.negatives
    ratios, above, short = [], 0, 0
    for row in range(len(negatives)):
        p = float(negatives.positive_scores[row])
        scores = negatives[row].scores.tolist()
        ratios += [s / p for s in scores]
        above += sum(s > p for s in scores)
        short += len(scores) < 3
    assert f"{sorted(ratios)[len(ratios) // 2] if len(ratios) % 2 else np.median(ratios):.3g}" in text
    assert f"{len(ratios):,}negatives" in text.replace("\n", "") or f"{len(ratios):,}" in text
    assert above == 0
    assert "None of the negatives scores above the positive" in text
    assert short
    have = "row ({:.1f} %) has" if short == 1 else "rows ({:.1f} %) have"
    assert f"{short} {have.format(100 * short / len(negatives))} fewer than the 3 negatives" in text
    for name, counts in negatives.reasons.items():
        if counts.sum() and name == "above_ceiling":
            assert f"above the ceiling: {counts.sum():,} (" in text
    assert "ceiling 0.9" in text
    assert "Rule: perc-pos=0.9" in text


def test_a_negative_above_its_positive_is_said_and_marked(tmp_path):
    collection = hm.Collection.from_pairs(["a", "b"], ["one", "two"], ["three", "four"])
    scores = [[0.9, 0.8, 0.1, 0.05], [0.9, 0.5, 0.4, 0.3]]
    found = mined(collection, k=4, scores=scores, positive_scores=np.float32([0.5, 0.95]))
    found.report_html(tmp_path / "r.html")
    parsed = Found((tmp_path / "r.html").read_text())
    margins = [
        float(found.negatives.positive_scores[row]) - s
        for row in range(2)
        for s in found.negatives[row].scores.tolist()
    ]
    count = sum(margin < 0 for margin in margins)
    assert count
    assert f"{count} of {len(margins)} negatives" in parsed.text
    assert sum(each.get("class") == "above" for each in parsed.all("li")) == count
    examples = [each for each in parsed.all("details") if each.get("class") == "example"]
    assert [each["data-row"] for each in examples] == ["0", "1"]
    assert "data-above" in examples[0]
    assert "data-above" not in examples[1]


def test_ratios_rise_with_the_score_where_positives_are_below_zero():
    assert relative(np.float32([-3, -2, -1]), np.float32([-2, -2, -2])).tolist() == [0.5, 1.0, 1.5]
    assert np.isnan(relative(np.float32([1, 1, 1]), np.float32([0, np.nan, np.inf]))).all()
    assert relative(np.float32([np.inf, -np.inf]), np.float32([1, 1])).tolist() == [np.inf, -np.inf]


def test_examples_are_the_most_suspicious_then_short_then_even():
    suspicions = np.array([0.1, np.nan, 0.9, 0.5, 0.9, 0.2, 0.3, 0.4, 0.1, 0.05])
    counts = np.array([3, 0, 3, 3, 3, 1, 3, 3, 3, 3])
    chosen = choose(suspicions, counts, 3, 10)
    assert chosen[:7] == [(row, "suspicious") for row in (2, 4, 3, 7, 6, 5, 0)]
    assert chosen[7] == (1, "short")
    assert chosen[8:] == [(8, "sample"), (9, "sample")]
    assert choose(suspicions, counts, 3, 50) == [
        *((row, "suspicious") for row in (2, 4, 3, 7, 6, 5, 0, 8, 9)), (1, "short")
    ]  # fmt: skip
    assert [why for _, why in choose(np.full(7, np.nan), np.ones(7, np.int64), None, 3)] == ["sample"] * 3
    assert choose(suspicions, counts, 3, 0) == []
    assert row_maxima(np.array([0, 0, 2, 2]), np.array([np.nan, 2.0]))[1] == 2.0


@given(
    hnp.arrays(np.float32, st.integers(0, 60), elements=st.floats(width=32)),
    hnp.arrays(np.float32, st.integers(0, 60), elements=st.floats(width=32)),
)
def test_bins_count_every_finite_value_once(first, second):
    found = bins(first, second)
    finite = [int(np.isfinite(values).sum()) for values in (first, second)]
    if not any(finite):
        assert found is None
        return
    assert [int(counts.sum()) for counts in found.counts] == finite
    assert found.infinite == sum(int(np.isinf(values).sum()) for values in (first, second))
    assert (np.diff(found.edges) > 0).all()
    assert np.isfinite(found.edges).all()
    assert 1 <= found.edges.size - 1 <= 42


def test_bins_agree_with_a_loop():
    values = np.random.default_rng(0).normal(0.5, 0.2, 5000).astype(np.float32)
    found = bins(values)
    edges = found.edges.tolist()
    slow = [0] * (len(edges) - 1)
    for value in values.tolist():
        at = max([number for number in range(len(slow)) if edges[number] <= value], default=0)
        slow[at] += 1
    assert found.counts[0].tolist() == slow
    assert found.beyond == sum(value < edges[0] or value > edges[-1] for value in values.tolist())


@given(hnp.arrays(np.int64, st.integers(1, 50), elements=st.integers(1, 10**7)))
def test_growing_bins_hold_everything(values):
    found = growing(values)
    assert sum(count for _, _, count in found) == values.size
    for low, last, count in found:
        assert count == int(((values >= low) & (values <= last)).sum())


@given(st.text())
def test_any_text_comes_out_of_an_element_as_it_went_in(text):
    shown = element("p", text, title=text)
    parsed = Found(shown)
    assert [tag for tag, _, _ in parsed.elements] == ["p"]
    plain = "".join("\ufffd" if _is_control(letter) else letter for letter in text)
    assert parsed.text == plain
    assert parsed.elements[0][1]["title"] == plain


def _is_control(letter):
    return (letter < " " and letter not in "\t\n\r") or "\x7f" <= letter < "\xa0" or "\ud800" <= letter < "\ue000"


# --- size -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("filling", ['<&"', "\u6f22\u5b57"], ids=["escaped", "wide"])
def test_the_page_is_small_whatever_the_texts(tmp_path, monkeypatch, filling):
    without_pictures(monkeypatch)
    n = 600
    long = filling * 300
    collection = hm.Collection.from_pairs(
        [f"{i} {long}" for i in range(n)],
        [f"{i} positive {long}" for i in range(n)],
        [f"{i} other {long}" for i in range(n)],
    )
    found = mined(collection, selection=hm.Selection(10, ceiling=hm.NoCeiling()), k=20, teacher=long * 900)
    found.report_html(tmp_path / "r.html", examples=n, title=long * 900)
    size = (tmp_path / "r.html").stat().st_size
    assert 1_300_000 < size < 1_500_000
    text = Found((tmp_path / "r.html").read_text()).text
    shown = re.search(r"(\d+) of 600 rows, the most suspicious ones first. Texts are cut after 90 letters", text)
    assert 100 < int(shown.group(1)) < n
    assert "\u2026 cut, " in text


def test_the_page_of_many_rows_is_binned_first(tmp_path, monkeypatch):
    without_pictures(monkeypatch)
    n = 40_000
    ids = [f"q{i}" for i in range(n)]
    collection = hm.Collection.from_ids(
        ids, [f"d{i}" for i in range(500)], hm.Positives(np.arange(n + 1), np.arange(n) % 500)
    )
    found = mined(collection, selection=hm.Selection(5, ceiling=hm.NoCeiling()), k=6)
    found.report_html(tmp_path / "r.html", examples=50)
    assert (tmp_path / "r.html").stat().st_size < 400_000
    parsed = Found((tmp_path / "r.html").read_text())
    assert "50 of 40,000 rows" in parsed.text
    assert sum(each.get("class") == "example" for each in parsed.all("details")) == 50


# --- odd inputs -----------------------------------------------------------------------------------------------------


def pairs(n=3):
    return hm.Collection.from_pairs([f"q{i}" for i in range(n)], [f"p{i}" for i in range(n)], ["x", "y", "z"])


def one_row():
    return mined(pairs(1))


def no_negatives():
    return mined(pairs(), selection=hm.Selection(2, ceiling=hm.Absolute(-5.0)))


def all_equal():
    return mined(pairs(), k=4, scores=np.full((3, 4), 0.5), positive_scores=np.full(3, 0.5, np.float32))


def infinite_scores():
    scores = np.tile(np.float32([np.inf, 1.0, 0.5, -np.inf]), (3, 1))
    return mined(pairs(), k=4, scores=scores, selection=hm.Selection(4, ceiling=hm.NoCeiling()))


def no_positive_scores():
    return mined(pairs(), positive_scores=False)


def positives_of_zero():
    return mined(pairs(), positive_scores=np.zeros(3, np.float32))


def filled():
    return mined(pairs(), k=2, selection=hm.Selection(3, ceiling=hm.Absolute(-1.0), on_shortage="fill"))


def dropped():
    return mined(pairs(), k=3, selection=hm.Selection(3, ceiling=hm.NoCeiling(), on_shortage="drop"))


def each_positive():
    collection = hm.Collection.from_pairs(["a", "b"], [["one", "two"], ["three"]], ["x", "y"])
    return mined(collection, selection=hm.Selection(2, ceiling=hm.PercPos(0.95), positive_agg="each"))


def ids_alone():
    collection = hm.Collection.from_ids(["q"], ["<b>", "d2", "d3"], ["<b>"])
    return mined(collection)


def several_teachers():
    collection = pairs()
    runs = [mined(collection, seed=seed).candidates for seed in (0, 1)]
    rule = hm.Selection(2, ceiling=hm.NoCeiling())
    return hm.Mined.from_runs(collection, [(run, rule) for run in runs], scheme="intra_sample")


def empty_texts():
    return mined(hm.Collection.from_pairs(["", " "], ["one", "two"], ["", "\n"]))


SAID = {
    one_row: "1 of 1 rows",
    no_negatives: "There are no negatives: there is nothing to train on.",
    all_equal: "None of the negatives scores above",
    infinite_scores: "infinite values are left out",
    no_positive_scores: "Scores of negatives and positives are not both known",
    positives_of_zero: "score above the positive",
    filled: "drawn at random",
    dropped: "queries were left out for that",
    each_positive: "Several positives",
    ids_alone: "<b>",
    several_teachers: "Several teachers gave these negatives",
    empty_texts: "(an empty text)",
}


DRAWN = (no_negatives, all_equal, infinite_scores, positives_of_zero)
"""Those whose numbers are odd; the pictures of the others are like any."""


@pytest.mark.parametrize("make", SAID, ids=lambda make: make.__name__)
def test_odd_inputs_have_a_page(make, tmp_path, monkeypatch):
    if make not in DRAWN:
        without_pictures(monkeypatch)
    path = tmp_path / "r.html"
    make().report_html(path)
    parsed = Found(path.read_text())
    assert parsed.stack == []
    assert SAID[make] in parsed.text
    assert not re.search(r"\b(nan|None|inf)\b", parsed.text.replace("without a score (NaN)", ""))


def test_no_examples(tmp_path):
    one_row().report_html(tmp_path / "r.html", examples=0)
    assert "Which rows are suspicious?" not in Found((tmp_path / "r.html").read_text()).text


# --- refused --------------------------------------------------------------------------------------------------------


def _sweep(**parts):
    return {"rows": [], "recommended": {}, **parts}


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"sweep": 3}, TypeError, "sweep: int, expected a result with to_dict()"),
        ({"sweep": {}}, ValueError, "sweep['rows']: missing, expected what to_dict() of a result of hardmine.sweep"),
        ({"sweep": {"rows": [], "recommended": 3}}, ValueError, "sweep['recommended']: int, expected"),
        ({"sweep": _sweep(rows=["x"])}, ValueError, "sweep['rows'][0]: str, expected an object"),
        ({"sweep": _sweep(rows=[None])}, ValueError, "sweep['rows'][0]: None, expected an object"),
        ({"sweep": _sweep(rows=[{"kept": True}])}, ValueError, "sweep['rows'][0]['kept']: bool, expected a whole"),
        ({"sweep": _sweep(rows=[{"selection": "a"}])}, ValueError, "sweep['rows'][0]['selection']: str, expected an"),
        ({"sweep": _sweep(rows=[{"hardness": 10**400}])}, ValueError, "['hardness']: a number of more than 64 bits"),
        ({"sweep": _sweep(recommended={"why": 3})}, ValueError, "sweep['recommended']['why']: int, expected a string"),
        ({"sweep": _sweep(recommended={"criterion": "x"})}, ValueError, "['criterion']: str, expected an object"),
        ({"sweep": _sweep(estimate=[1])}, ValueError, "sweep['estimate']: list, expected an object"),
        ({"audit": {"findings": [{"examples": 5}]}}, ValueError, "audit['findings'][0]['examples']: int, expected a"),
        ({"audit": {"findings": [], "files": 7}}, ValueError, "audit['files']: int, expected a list"),
        ({"title": None}, TypeError, "title: NoneType, expected a string"),
        ({"title": b"x"}, TypeError, "title: bytes, expected a string"),
        ({"audit": {"findings": "x"}}, ValueError, "audit['findings']: str, expected"),
        ({"examples": -1}, ValueError, "examples: -1, expected"),
        ({"examples": 1.5}, TypeError, "examples"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, given, kind, message):
    (tmp_path / "r.html").write_text("before")
    with pytest.raises(kind, match=re.escape(message)):
        one_row().report_html(tmp_path / "r.html", **given)
    assert (tmp_path / "r.html").read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["r.html"]


@pytest.mark.parametrize("package", ["altair", "vl_convert"])
def test_without_the_extra_the_command_is_named(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    found = one_row()
    with pytest.raises(
        ModuleNotFoundError, match=re.escape(f"the report needs {package}: pip install 'hardmine[report]'")
    ):
        found.report_html(tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()
    assert "<table>" in found._repr_html_()


def test_a_page_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    (tmp_path / "r.html").write_text("before")

    def fail(*_):
        raise OSError("no")

    monkeypatch.setattr(page, "_html", fail)
    with pytest.raises(OSError, match="no"):
        one_row().report_html(tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text() == "before"
    with pytest.raises(FileNotFoundError, match="does not exist"):
        one_row().report_html(tmp_path / "nowhere" / "r.html")


def test_every_colour_has_one_for_the_dark(hostile):
    drawn = set(re.findall(r'(?:fill|stroke)="(#\w+)"', hostile))
    assert len(drawn) >= 6
    assert drawn <= set(charts.DARK), drawn - set(charts.DARK)
    for colour in drawn:
        assert f'.chart [fill="{colour}"]' in hostile
        assert f'.chart [stroke="{colour}"]' in hostile


def test_the_short_form_of_a_notebook():
    found = mined(hostile_collection(), teacher=HOSTILE[0])
    shown = Found(found._repr_html_())
    assert not shown.all("script")
    assert HOSTILE[0] in shown.text
    assert f"{found.report['negatives']:,}" in shown.text
    assert json.dumps(found.report)  # it is data still


def test_other_teachers_are_heard(tmp_path):
    collection = hm.Collection.from_pairs(
        ["a", "b", "c"], [["p1", "p2"], ["p3"], ["p4"]], [f"other {i}" for i in range(9)]
    )
    rng = np.random.default_rng(4)
    plain = mined(collection, k=8).candidates
    other, labels = rng.random(plain.ids.size, dtype=np.float32), rng.random(4, dtype=np.float32)
    own = plain.positives
    run = plain.replace(
        teacher_scores={"first": other},
        positives=hm.Positives(own.offsets, own.ids, own.scores, teacher_scores={"first": labels}),
    )
    for agg in ("min", "each"):
        found = hm.Mined.from_run(collection, run, hm.Selection(3, ceiling=hm.NoCeiling(), positive_agg=agg))
        negatives = found.negatives
        expected = []
        for row, query in enumerate(negatives.queries.tolist()):
            mine = range(*own.offsets[query : query + 2])
            positive = negatives.positives[row]
            p = min(float(labels[at]) for at in mine if positive < 0 or own.ids[at] == positive)
            place = {int(run.ids[at]): at for at in range(*run.offsets[query : query + 2])}
            expected += [float(other[place[i]]) / p for i in negatives[row].ids.tolist()]
        material = of_mined(collection, negatives, found.positives, run, examples=5)
        assert material.others[0].name == "first"
        assert material.others[0].ratios == pytest.approx(expected, rel=1e-6)
        shown = [
            document.others["first"]
            for example in sorted(material.examples, key=lambda example: example.row)
            for document in example.negatives
        ]
        assert shown == pytest.approx(expected, rel=1e-6)
    found.report_html(tmp_path / "r.html")
    text = Found((tmp_path / "r.html").read_text()).text
    above = sum(ratio > 1 for ratio in expected)
    assert above
    assert f"first puts {100 * above / len(expected):.1f} % of them above their positive" in text
    assert "As another teacher sees them: first" in text
