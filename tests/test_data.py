"""Negatives inside a data loader: the same as `select` on the whole run, whatever the batch, worker, rank or start."""

import ast
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hardmine as hm
from tests import negatives as made
from tests.oracle import data as oracle

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

ROOT = Path(__file__).resolve().parent.parent
TEXTS, RUN, LABELS, EXCLUDE, GROUPS = made.parts()
posix = pytest.mark.skipif(sys.platform == "win32", reason="fork and forkserver are POSIX matters")


def rows(batch):
    return [
        (item["query_id"], item["positive_id"], item["negative_ids"].tolist(), item["negative_scores"].tolist())
        for item in batch
    ]


def in_batches(dataset, size, seed=0):
    """All items, asked for in random batches, in their own order."""
    order = np.random.default_rng(seed).permutation(len(dataset))
    found = {}
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        found.update(zip(batch.tolist(), rows(dataset.__getitems__(batch.tolist())), strict=True))
    return [found[i] for i in range(len(dataset))]


# The negatives

weights = np.random.default_rng(5).normal(size=RUN.ids.size)
SELECTIONS = {
    "sim-ans": made.RULE,
    "top, max": hm.Selection(3, ceiling=hm.MarginPos(0.1), positive_agg="max"),
    "each": made.RULE.replace(positive_agg="each"),
    "each, top, window": hm.Selection(2, range_min=1, range_max=9, positive_agg="each"),
    "laplace, mean, floor": made.RULE.replace(draw=hm.Laplace(4.0), positive_agg="mean", floor=0.1),
    "weighted": made.RULE.replace(draw=hm.TopThen(1, hm.Weighted(weights)), seed=2**64 - 1),
    "popularity": made.RULE.replace(draw=hm.Popularity(np.arange(made.NUM_DOCUMENTS), 0.5)),
    "fill": made.RULE.replace(num_negatives=12, on_shortage="fill"),
    "each, fill": made.RULE.replace(num_negatives=12, on_shortage="fill", positive_agg="each"),
    "uniform, no ceiling": made.RULE.replace(draw=hm.Uniform(), ceiling=hm.NoCeiling()),
}


@pytest.mark.parametrize("which", ["sample", "first", "each"])
@pytest.mark.parametrize("name", SELECTIONS)
def test_batches_give_what_select_gives_for_the_whole_run(name, which, tmp_path):
    selection = SELECTIONS[name]
    dataset = made.dataset(selection, which_positive=which)
    dataset.save(tmp_path / "set.hm")
    stored = hm.data.NegativeDataset.load(tmp_path / "set.hm", num_threads=2)
    for epoch in (0, 7):
        expected = oracle.items(
            RUN, LABELS, selection, epoch=epoch, exclude=EXCLUDE, groups=GROUPS, which=which,
            num_documents=made.NUM_DOCUMENTS,
        )  # fmt: skip
        for source, size in ((dataset, 1), (dataset, 13), (stored, len(expected))):
            source.set_epoch(epoch)
            assert str(in_batches(source, size)) == str(expected)  # as text: NaN equals NaN


@pytest.mark.parametrize("name", ["sim-ans", "each"])
def test_without_groups_and_exclusions_with_keys(name):
    keys = np.random.default_rng(1).integers(0, 2**64, made.NUM_QUERIES, dtype=np.uint64)
    dataset = made.dataset(
        SELECTIONS[name], exclude=None, document_groups=None, query_keys=keys, which_positive="sample"
    )
    dataset.set_epoch(3)
    expected = oracle.items(
        RUN, LABELS, SELECTIONS[name], epoch=3, exclude=None, groups=None, which="sample", num_documents=None,
        query_keys=keys,
    )  # fmt: skip
    assert in_batches(dataset, 9) == expected
    by_document = made.dataset(SELECTIONS[name], document_keys=np.arange(made.NUM_DOCUMENTS))
    assert in_batches(by_document, 9) == in_batches(made.dataset(SELECTIONS[name]), 9)
    assert in_batches(by_document, 9) != in_batches(
        made.dataset(SELECTIONS[name], document_keys=np.arange(made.NUM_DOCUMENTS) + 1), 9
    )


def test_every_epoch_draws_afresh_and_reproducibly():
    dataset, other = made.dataset(), made.dataset()
    seen = []
    for epoch in range(5):
        dataset.set_epoch(epoch)
        assert dataset.epoch == epoch
        seen.append(str(rows(dataset.__getitems__(range(len(dataset))))))
    assert len(set(seen)) == 5
    other.set_epoch(2)
    assert str(rows(other.__getitems__(range(len(other))))) == seen[2]


def test_positives_are_sampled_uniformly():
    texts = ["q"] * 50, [f"d{i}" for i in range(6)]
    run = hm.Candidates(np.zeros(51, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    labels = hm.Positives.from_lists([[4, 1, 2, 5]] * 50)
    dataset = hm.data.NegativeDataset(
        texts, run, hm.Selection(1, ceiling=hm.NoCeiling(), seed=1), positives=labels, columns="ids"
    )
    counts = np.zeros(6)
    for epoch in range(80):
        dataset.set_epoch(epoch)
        counts += np.bincount(dataset.__getitems__(range(50)).positive_ids, minlength=6)
    assert counts[[0, 3]].sum() == 0
    statistic = ((counts[[4, 1, 2, 5]] - 1000) ** 2 / 1000).sum()
    assert statistic < 16.27  # chi-square, 3 degrees of freedom, alpha 0.001


# Items


def test_items_hold_what_they_say():
    dataset = made.dataset(which_positive="first")
    item = dataset[5]
    assert item["query"] == TEXTS[0][5]
    assert item["positive"] == TEXTS[1][int(LABELS[5][0])]
    assert item["negatives"] == [TEXTS[1][i] for i in item["negative_ids"]]
    assert item["positive_score"] == LABELS.scores[LABELS.offsets[5]]
    assert item["positive_group"] == GROUPS[item["positive_id"]]
    assert item["negative_groups"].tolist() == GROUPS[item["negative_ids"]].tolist()
    expected = {*LABELS[5].tolist(), *EXCLUDE[5], *np.flatnonzero(np.isin(GROUPS, GROUPS[LABELS[5]])).tolist()}
    assert sorted(item["excluded_ids"].tolist()) == sorted(expected)
    assert str(dataset[-1]) == str(dataset[len(dataset) - 1])
    without = made.dataset(which_positive="first", columns="ids")[5]
    assert set(item) - set(without) == {"query", "positive", "negatives"}
    batch = dataset.__getitems__([5, 3, 5])
    assert len(batch) == 3
    assert str(batch[0]) == str(batch[-1]) == str(item) == str(batch[::2][1]) == str(next(iter(batch)))
    assert str(list(pickle.loads(pickle.dumps(batch)))) == str(list(batch))
    assert len(dataset.__getitems__([])) == 0
    assert repr(dataset) == "NegativeDataset(60 queries, 4 negatives each, epoch 0, in memory)"
    assert repr(batch) == f"NegativeBatch(3 items, {batch.negative_ids.size} negatives)"


@pytest.mark.parametrize("which", ["sample", "first", "each"])
@pytest.mark.parametrize("agg", ["min", "each"])
def test_shortage(agg, which):
    rule = made.RULE.replace(num_negatives=9, positive_agg=agg)
    keep = made.dataset(rule, which_positive=which)
    longest = {}
    for epoch in range(12):  # the sampled positive may change the ceiling
        keep.set_epoch(epoch)
        for at, item in enumerate(keep):
            longest.setdefault(at, []).append(len(item["negatives"]))
    drop = made.dataset(rule.replace(on_shortage="drop"), which_positive=which)
    assert 0 < len(drop) < len(keep)
    assert drop.left_out == {"short": len(keep) - len(drop)}
    keep.set_epoch(0)
    full = [at for at, lengths in longest.items() if min(lengths) == 9]
    assert str(rows(drop)) == str(rows(keep.__getitems__(full)))
    for epoch in range(3):
        drop.set_epoch(epoch)
        assert {len(item["negatives"]) for item in drop} == {9}
    short = next(at for at, lengths in longest.items() if min(lengths) < 9)
    with pytest.raises(
        ValueError,
        match=f"candidates: query {keep[short]['query_id']} has fewer than 9 admissible negatives, and so have "
        f"{len(keep) - len(full) - 1} more items; on_shortage='keep', 'drop' or 'fill' takes them",
    ):
        made.dataset(rule.replace(on_shortage="error"), which_positive=which)
    fill = made.dataset(rule.replace(on_shortage="fill"), which_positive=which)
    assert {len(item["negatives"]) for item in fill} == {9}
    assert fill[short]["filled"].any()
    assert np.isnan(fill[short]["negative_scores"][fill[short]["filled"]]).all()


def test_queries_without_a_positive_make_no_item():
    lists = [LABELS[i].tolist() if i % 3 else [] for i in range(60)]
    rule = made.RULE.replace(ceiling=hm.NoCeiling(), draw=hm.Uniform())
    for which, count in (("first", 40), ("each", sum(map(len, lists)))):
        dataset = made.dataset(rule, positives=hm.Positives.from_lists(lists), which_positive=which)
        assert len(dataset) == count
        assert dataset.left_out == {"without_positive": 20}
        assert all(item["query_id"] % 3 and item["positive_id"] in lists[item["query_id"]] for item in dataset)
        assert np.isnan(dataset[0]["positive_score"])
        assert "40 queries" in repr(dataset) or which == "each"


def test_a_collection_brings_texts_positives_groups_and_exclusions():
    collection = hm.Collection.from_pairs(
        ["red apples", "green pears"],
        [["red apples are apples", "Red  APPLES are apples too"], "green pears are pears"],
        ["red cars", "red apples ARE apples", "green leaves", "red and green", "a pear"],
    )
    run = hm.retrieve(collection, "bm25", k=5, exclude_positives=False, progress=False)
    dataset = hm.data.NegativeDataset(collection, run, hm.Selection(2, ceiling=hm.PercPos(0.9)))
    texts = collection.document_texts.to_pylist()
    item = dataset[0]
    assert item["query"] == "red apples"
    assert item["positive"].startswith(("red apples are", "Red  APPLES are"))
    assert item["negatives"] == [texts[i] for i in item["negative_ids"]]
    assert "red apples ARE apples" not in item["negatives"]
    assert not np.isnan(item["positive_score"])
    sliced = collection.query_texts.slice(1), collection.document_texts
    part = hm.data.NegativeDataset(sliced, run.take([1]), hm.Selection(1), positives=hm.Positives([0, 1], [2], [9.0]))
    assert part[0]["query"] == "green pears"


# Files


def test_a_stored_dataset_pickles_small(tmp_path):
    dataset = made.dataset(which_positive="each")
    dataset.save(tmp_path / "set.hm")
    stored = hm.data.NegativeDataset.load(tmp_path / "set.hm")
    stored.set_epoch(4)
    data = pickle.dumps(stored)
    assert len(data) < 4000 < len(pickle.dumps(dataset)) / 2
    again = pickle.loads(data)
    assert again.epoch == 4
    dataset.set_epoch(4)
    for source in (stored, again, pickle.loads(pickle.dumps(dataset))):
        assert str(rows(source)) == str(rows(dataset))
    assert not isinstance(stored._run.ids.base, type(None))
    assert repr(stored).endswith("epoch 4, set.hm)")
    view = hm.data.NegativeDataset.load(tmp_path / "set.hm", columns="sentence-transformers")
    assert len(view) == len(made.dataset(which_positive="each", columns="sentence-transformers")) < len(stored)
    assert list(pickle.loads(pickle.dumps(view))) == list(view)
    made.dataset(seed=1).save(tmp_path / "set.hm")
    with pytest.raises(ValueError, match=r"set.hm: changed since the dataset was made; load it again"):
        pickle.loads(data)
    assert str(rows(stored)) == str(rows(dataset))  # the old file is still mapped


def test_hostile_files(tmp_path):
    path = tmp_path / "set.hm"
    made.dataset(SELECTIONS["popularity"]).save(path)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    start = 8 + int.from_bytes(data[:8], "little")
    bad = tmp_path / "bad.hm"
    for size in (0, 5, start - 3, start, start + 100, len(data) - 1):
        bad.write_bytes(data[:size])
        with pytest.raises(ValueError, match="bad.hm: "):
            hm.data.NegativeDataset.load(bad)
    refused = 0
    for _ in range(150):
        broken = bytearray(data)
        for at in rng.integers(8, len(data), 8):
            broken[at] = rng.integers(256)
        bad.write_bytes(broken)
        try:
            dataset = hm.data.NegativeDataset.load(bad)
            rows(dataset.__getitems__(range(len(dataset))))
        except (ValueError, IndexError):
            refused += 1
    assert refused > 50
    RUN.save(bad)
    with pytest.raises(ValueError, match="bad.hm: holds candidates, expected negative-dataset"):
        hm.data.NegativeDataset.load(bad)
    with pytest.raises(FileNotFoundError):
        hm.data.NegativeDataset.load(tmp_path / "none.hm")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        made.dataset().save(tmp_path / "none" / "set.hm")


# The collator


@pytest.mark.parametrize("width", [None, 2, 6])
@pytest.mark.parametrize("single", [False, True])
def test_collator_equals_its_twin(width, single):
    dataset = made.dataset(made.RULE.replace(num_negatives=5), which_positive="each")
    collate = made.collator(num_negatives=width, document_prompt="find : ")
    for seed in range(5):
        batch = dataset.__getitems__(np.random.default_rng(seed).integers(0, len(dataset), 24))
        found = collate(list(batch) if single else batch)
        longest = max(len(item["negatives"]) for item in batch)
        expected = oracle.collate(list(batch), longest if width is None else width)
        texts = expected.pop("texts")
        for name, value in expected.items():
            assert torch.equal(found[name], torch.tensor(value, dtype=found[name].dtype)), name
        tokens = made.tokenizer()(
            ["find : " + text for text in texts], padding=True, truncation=True, max_length=8, return_tensors="pt"
        )
        assert torch.equal(found["document"]["input_ids"], tokens["input_ids"])
        assert torch.equal(found["document"]["attention_mask"], tokens["attention_mask"])
        assert found["query"]["input_ids"].shape[0] == 24
        assert found["negative_mask"].dtype is found["not_negative"].dtype is torch.bool
        own = found["not_negative"].gather(1, found["positive_index"][:, None])
        assert own.all()
        assert not (found["not_negative"].gather(1, found["negative_index"]) & found["negative_mask"]).any()


def test_collator_scores_and_options():
    dataset = made.dataset(SELECTIONS["fill"])
    found = made.collator()(dataset.__getitems__(range(20)))
    filled = np.stack([dataset[i]["filled"] for i in range(20)])
    assert np.array_equal(np.isnan(found["teacher_scores"][:, 1:].numpy()), filled)
    assert "teacher_scores" not in made.collator(teacher_scores=False)(dataset.__getitems__([0]))
    assert made.collator(pad_to_multiple_of=8)(dataset.__getitems__([0]))["query"]["input_ids"].shape == (1, 8)
    again = pickle.loads(pickle.dumps(made.collator(query_prompt="find : ")))
    assert made.digest(again(dataset.__getitems__([3]))) == made.digest(
        made.collator(query_prompt="find : ")(dataset.__getitems__([3]))
    )
    assert repr(made.collator()).startswith("HardNegativeCollator(")
    empty = made.dataset(made.RULE.replace(floor=10.0, ceiling=hm.NoCeiling()))
    found = made.collator()(empty.__getitems__([0, 1]))
    assert found["negative_index"].shape == (2, 0)
    assert found["teacher_scores"].shape == (2, 1)


def by_gap(positive_scores, negative_scores, mask):
    """Weights as a user writes them."""
    assert mask.shape == negative_scores.shape == (positive_scores.size, mask.shape[1])
    return np.nan_to_num(np.exp(negative_scores - positive_scores[:, None]), nan=0.5)


def test_collator_clusters_and_weights():
    dataset = made.dataset()
    clusters = np.random.default_rng(0).integers(-1, 4, made.NUM_DOCUMENTS)
    collate = pickle.loads(pickle.dumps(made.collator(clusters=clusters, negative_weights=by_gap)))
    items = dataset.__getitems__(range(20))
    found = collate(items)
    documents = found["document_ids"].numpy()
    for row, item in enumerate(items):
        own = item["positive_id"]
        for column, document in enumerate(documents):
            same = clusters[own] == clusters[document] != -1 and document != own
            assert found["same_cluster"][row, column] == same
        count = len(item["negative_ids"])
        expected = by_gap(np.float32([item["positive_score"]]), item["negative_scores"][None], np.ones((1, count)))
        assert np.allclose(found["negative_weights"][row, :count], expected[0])
        assert not found["negative_weights"][row, count:].any()
    assert found["same_cluster"].any()
    assert found["negative_weights"].dtype is torch.float32
    assert not {"same_cluster", "negative_weights"} & set(made.collator()(items))
    scores = torch.zeros(20, 20)
    hard = torch.zeros(found["negative_mask"].shape)
    hm.losses.info_nce(scores, hard, hard_mask=~found["negative_mask"], hard_weights=found["negative_weights"])


# Workers and ranks


def run_process(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.negatives", *map(str, arguments)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={k: v for k, v in os.environ.items() if k != "TOKENIZERS_PARALLELISM"},
    )  # fmt: skip


def finish(process, timeout=250):
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, err
    return out, err


@posix
@pytest.mark.timeout(300)  # processes that each load torch, one after another
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_every_start_method_gives_the_same_batches(method, tmp_path):
    made.dataset().save(tmp_path / "set.hm")
    out, err = finish(run_process("start", method, tmp_path / "set.hm"))
    assert out.strip() == "ok"
    assert "parallelism" not in err
    # Python's own tracker of semaphores may complain of a race at exit; nothing else may.
    assert [line for line in err.lower().splitlines() if "warning:" in line and "resource_tracker" not in line] == []


@pytest.mark.timeout(300)
def test_two_ranks_share_the_items_and_agree(tmp_path):
    dataset = made.dataset()
    dataset.save(tmp_path / "set.hm")
    ranks = [run_process("rank", rank, tmp_path) for rank in range(2)]
    out, _ = [finish(process)[0] for process in ranks]
    first, second = ast.literal_eval(out)
    for epoch in range(2):
        dataset.set_epoch(epoch)
        alone = [row[:3] for row in rows(dataset)]
        assert not {row[0] for row in first[epoch]} & {row[0] for row in second[epoch]}
        assert sorted(first[epoch] + second[epoch]) == alone
    assert [row[0] for row in first[0]] != [row[0] for row in first[1]]


def test_a_loader_without_workers():
    dataset = made.dataset(columns="ids")
    subset = torch.utils.data.Subset(dataset, [4, 8, 15])
    (batch,) = torch.utils.data.DataLoader(subset, batch_size=8, collate_fn=lambda items: items)
    assert isinstance(batch, hm.data.NegativeBatch)
    assert batch.query_ids.tolist() == [4, 8, 15]


# Bad input


def refused(error, match, selection=made.RULE, collection=TEXTS, candidates=RUN, **options):
    with pytest.raises(error, match=match):
        hm.data.NegativeDataset(collection, candidates, selection, **{"positives": LABELS, **options})


def test_bad_parts_are_named():
    refused(TypeError, "candidates: list, expected Candidates", candidates=[])
    refused(TypeError, r"selection: int, expected a Selection \(or a recipe of hm.strategies\)", selection=4)
    refused(
        TypeError, r"collection: str, expected a Collection or a pair \(query texts, document texts\)", collection="a"
    )
    refused(TypeError, "queries: str, expected several strings", collection=("ab", TEXTS[1]))
    refused(TypeError, "documents\\[1\\]: int, expected a string", collection=(TEXTS[0], ["a", 1]))
    refused(TypeError, "positives: NoneType, expected Positives", positives=None)
    refused(ValueError, "candidates: 60 queries, expected 59 as in the collection", collection=(TEXTS[0][1:], TEXTS[1]))
    refused(ValueError, "positives: 1 queries, expected 60 as in the", positives=hm.Positives([0, 1], [0], [1.0]))
    refused(
        ValueError, r"candidates: document 149, expected below 20 \(documents of the collection\)",
        collection=(TEXTS[0], TEXTS[1][:20]),
    )  # fmt: skip
    far = hm.Positives(np.arange(61), np.full(60, 150), np.ones(60))
    refused(ValueError, "positives: document 150, expected below 150", positives=far)
    refused(ValueError, "positives: no scores, which this ceiling or draw needs; add them with",
            positives=hm.Positives(LABELS.offsets, LABELS.ids))  # fmt: skip
    lacking = hm.Positives.from_lists([[]] + [[1]] * 59, [[]] + [[1.0]] * 59)
    refused(
        ValueError, "positives: query 0 has no positive, but this ceiling or draw needs its score", positives=lacking
    )
    refused(ValueError, "candidates: no anchor_scores, which the ceiling Anchored needs", selection=hm.Selection(
        1, ceiling=hm.Anchored()))  # fmt: skip
    refused(ValueError, "columns: 'texts', expected one of 'all', 'ids', 'sentence-transformers'", columns="texts")
    refused(TypeError, "columns: NoneType None, expected one of", columns=None)
    refused(ValueError, "which_positive: 'last', expected one of 'sample', 'first', 'each'", which_positive="last")
    refused(ValueError, "document_groups: length 3, expected 150", document_groups=[1, 2, 3])
    refused(ValueError, "exclude: 1 rows, expected 60", exclude=[[1]])
    refused(ValueError, r"query_keys: shape \(2,\), expected \(60,\)", query_keys=[1, 2])
    refused(ValueError, r"document_keys: shape \(2,\), expected \(150,\)", document_keys=[1, 2])
    refused(ValueError, "num_threads: 0, expected at least 1", num_threads=0)
    refused(ValueError, r"log_weights: length 2, expected .* \(the number of candidates\)", selection=hm.Selection(
        1, draw=hm.Weighted([0.0, 1.0])))  # fmt: skip
    refused(ValueError, r"counts: length 2, expected 150 \(the number of documents\)", selection=hm.Selection(
        1, draw=hm.Popularity([1, 1])))  # fmt: skip


def test_bad_calls_are_named(tmp_path):
    dataset = made.dataset()
    for index, error in ((60, IndexError), (-61, IndexError)):
        with pytest.raises(error, match=f"index {index} of a dataset of 60 items"):
            dataset[index]
    with pytest.raises(TypeError, match="index: float 1.0, expected an integer"):
        dataset[1.0]
    with pytest.raises(IndexError, match="index -1 of a dataset of 60 items"):
        dataset.__getitems__([3, -1])
    with pytest.raises(TypeError, match="indices: dtype float64, expected integers"):
        dataset.__getitems__([0.5])
    with pytest.raises(IndexError, match="index 2 of a batch of 1 items"):
        dataset.__getitems__([3])[2]
    with pytest.raises(ValueError, match="epoch: -1, expected at least 0"):
        dataset.set_epoch(-1)
    with pytest.raises(TypeError, match="epoch: float 1.5, expected an integer"):
        dataset.set_epoch(1.5)
    with pytest.raises(ValueError, match="columns: 'all', expected 'sentence-transformers' for a trainer"):
        dataset.to_datasets()
    rule = made.RULE.replace(num_negatives=10**12)
    absurd = hm.data.NegativeDataset(TEXTS, RUN, rule, positives=LABELS, columns="sentence-transformers")
    with pytest.raises(ValueError, match="num_negatives: 1000000000000, expected at most 100000 for an n-tuple"):
        absurd.to_datasets()
    dataset.save(tmp_path / "set.hm")
    with pytest.raises(ValueError, match="columns: 'x', expected one of"):
        hm.data.NegativeDataset.load(tmp_path / "set.hm", columns="x")


def test_bad_collators_are_named():
    make = hm.data.HardNegativeCollator
    with pytest.raises(TypeError, match="tokenizer: NoneType, expected a tokenizer of transformers"):
        make(None)
    with pytest.raises(ValueError, match="max_length: 0, expected at least 1"):
        make(len, max_length=0)
    with pytest.raises(TypeError, match="query_prompt: NoneType, expected a string"):
        make(len, query_prompt=None)
    with pytest.raises(TypeError, match="num_negatives: bool True, expected an integer"):
        make(len, num_negatives=True)
    with pytest.raises(TypeError, match="teacher_scores: int, expected True or False"):
        make(len, teacher_scores=1)
    with pytest.raises(ValueError, match="pad_to_multiple_of: 0, expected at least 1"):
        make(len, pad_to_multiple_of=0)
    with pytest.raises(TypeError, match="clusters: dtype float64"):
        make(len, clusters=[0.5])
    with pytest.raises(TypeError, match="negative_weights: float, expected a callable"):
        make(len, negative_weights=0.5)
    items = made.dataset().__getitems__(range(20))
    with pytest.raises(ValueError, match=r"clusters: length 3, but document \d+ occurs"):
        made.collator(clusters=[0, 1, 2])(items)
    with pytest.raises(ValueError, match=r"negative_weights: gave shape \(20,\), expected \(20, 3\)"):
        made.collator(num_negatives=3, negative_weights=lambda p, *_: p)(items)
    with pytest.raises(ValueError, match="negative_weights: gave a weight that is negative, infinite or NaN"):
        made.collator(negative_weights=lambda _, n, __: -np.ones_like(n))(items)
    with pytest.raises(ValueError, match="items: none, expected at least one"):
        make(len)([])
    with pytest.raises(TypeError, match="items: str, expected the dictionaries of a NegativeDataset"):
        make(len)(["a"])
    with pytest.raises(ValueError, match="items: no 'positive_id', expected items of a NegativeDataset with columns"):
        make(len)([{"query_id": 1}])
    with pytest.raises(ValueError, match="items: no texts, expected items of a NegativeDataset with columns='all'"):
        make(len)(made.dataset(columns="ids").__getitems__([0]))
    with pytest.raises(ValueError, match="items: no texts, expected a dataset with columns='all' or"):
        made.dataset(columns="ids").__getitems__([0]).text_columns()


def test_without_torch_one_line_says_what_to_install(tmp_path):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n")
    run = subprocess.run(
        [sys.executable, "-c", "import hardmine as hm; hm.data"], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT / 'python'}"},
    )  # fmt: skip
    assert run.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: hardmine.data needs torch: pip install 'hardmine[torch]'"
    )


# Rows of ragged lists


def test_take_gives_the_rows_asked_for():
    run = RUN.replace(ranks=np.arange(RUN.ids.size) + 1, sources=np.ones(RUN.ids.size, np.int16),
                      query_ids=TEXTS[0], reasons={"nan": np.arange(60)})  # fmt: skip
    wanted = np.random.default_rng(2).integers(0, 60, 200)
    for threads in (1, 2):
        part = run.take(wanted, num_threads=threads)
        for at, row in enumerate(wanted.tolist()):
            own = slice(RUN.offsets[row], RUN.offsets[row + 1])
            mine = slice(part.offsets[at], part.offsets[at + 1])
            for name in ("ids", "scores", "ranks", "sources"):
                assert np.array_equal(getattr(part, name)[mine], getattr(run, name)[own])
            assert part.query_ids[at] == TEXTS[0][row]
            assert part.reasons["nan"][at] == row
    labels = LABELS.take(wanted)
    assert [labels[i].tolist() for i in range(200)] == [LABELS[int(row)].tolist() for row in wanted]
    assert len(RUN.take([])) == 0
    assert hm.Positives([0, 1], [3]).take([0, 0]).scores is None
    for take in (RUN.take, LABELS.take):
        with pytest.raises(ValueError, match="rows: id 60 of row 1 is outside 0..60"):
            take([0, 60])
        with pytest.raises(TypeError, match="rows: dtype float64, expected integers"):
            take([0.5])
    table = hm.StringTable.from_strings(["a", "", "日本"])
    assert table.take(np.array([2, 1, 0, 2])) == ["日本", "", "a", "日本"]
    with pytest.raises(ValueError, match="rows: id 3 of row 0 is outside 0..3"):
        table.take(np.array([3]))
