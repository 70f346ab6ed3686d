"""Rescoring: held to a plain loop, what is kept of the first teacher, what a cache keeps, what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hardmine as hm
from hardmine.cli.main import main
from tests.oracle import rescore as oracle
from tests.pair_scorers import Counting
from tests.texts import random_beir

pytest.importorskip("pyarrow")
F32 = np.float32


@pytest.fixture(scope="module")
def beir(tmp_path_factory):
    return random_beir(tmp_path_factory.mktemp("beir") / "c", num_queries=20, num_documents=80)


@pytest.fixture(scope="module")
def collection(beir):
    return hm.Collection.read(beir)


@pytest.fixture(scope="module")
def run(collection):
    return hm.retrieve(collection, "bm25", k=15, exclude_positives=False, progress=False)


def exact(queries, documents):
    """A callable whose score of a pair knows nothing of other pairs."""
    return [float(Counting().score(q, d)) for q, d in zip(queries, documents, strict=True)]


def rescored(collection, run, scorer=exact, **options):
    return hm.rescore(collection, run, scorer, progress=False, **options)


def as_bytes(run, folder):
    run.save(folder / "run.hm")
    return (folder / "run.hm").read_bytes()


@pytest.mark.parametrize("k", [None, 0, 1, 7, 100])
def test_equals_the_loop(collection, run, k, count_cases):
    found = rescored(collection, run, k=k)
    lists, positives = oracle.rescore(collection, run, Counting().score, k)
    assert [list(zip(*found[q], strict=True)) for q in range(len(found))] == [
        [(document, score) for document, score, _ in row] for row in lists
    ]
    assert found.teacher_scores["bm25"].tolist() == [first for row in lists for _, _, first in row]
    assert found.positives.has_labels_of(collection.positives)
    assert found.positives.scores.tolist() == [score for row in positives for score in row]
    assert found.positives.teacher_scores["bm25"].tolist() == run.positives.scores.tolist()
    assert found.ranks is None
    count_cases(found.ids.size)


def test_each_pair_of_texts_is_scored_once_in_groups(collection, run):
    scorer = Counting(group_bytes=500)
    found = rescored(collection, run, scorer)
    seen = [pair for call in scorer.calls for pair in call]
    assert len(seen) == len(set(seen))
    queries, documents = collection.query_texts.to_pylist(), collection.document_texts.to_pylist()
    rows = run.row_of_each
    wanted = {(queries[q], documents[d]) for q, d in zip(rows, run.ids, strict=True)}
    labels = collection.positives
    wanted |= {(queries[q], documents[d]) for q, d in zip(labels.query_of_each, labels.ids, strict=True)}
    assert set(seen) == wanted
    for call in scorer.calls[:-1]:
        sizes = [len(q) + len(d) for q, d in call]
        assert sum(sizes[:-1]) < 500 <= sum(sizes)
    assert as_equal(found, rescored(collection, run, Counting(group_bytes=500)))


def as_equal(left, right):
    return left.ids.tolist() == right.ids.tolist() and left.scores.tobytes() == right.scores.tobytes()


def test_metadata_and_columns_go_along(collection, run):
    anchors = np.arange(run.ids.size, dtype=F32)
    source = run.replace(sources=np.arange(run.ids.size) % 7, anchor_scores=anchors, query_ids=None, document_ids=None)
    found = rescored(collection, source, Counting(), k=9)
    assert found.metadata["teacher"] == "counting"
    assert found.metadata["first_teacher"] == "bm25"
    assert found.metadata["k"] == 9
    assert found.metadata["similarity"] == "made up"
    assert found.metadata["version"] == hm.__version__
    assert found.metadata["rescored_from"] == dict(run.metadata)
    assert found.query_ids == collection.query_ids == run.query_ids
    place = {(q, d): at for at, (q, d) in enumerate(zip(run.row_of_each.tolist(), run.ids.tolist(), strict=True))}
    places = [place[pair] for pair in zip(found.row_of_each.tolist(), found.ids.tolist(), strict=True)]
    assert found.anchor_scores.tolist() == anchors[places].tolist()
    assert found.sources.tolist() == source.sources[places].tolist()
    assert {name: count.tolist() for name, count in found.reasons.items()} == {
        name: count.tolist() for name, count in run.reasons.items()
    }


def test_several_times_keeps_all(collection, run):
    first = rescored(collection, run, Counting(name="one"))
    second = rescored(collection, first, Counting(name="two", weights=1))
    assert sorted(second.teacher_scores) == sorted(second.positives.teacher_scores) == ["bm25", "one"]
    assert (second.metadata["teacher"], second.metadata["first_teacher"]) == ("two", "bm25")
    one = {(q, d): s for q in range(len(first)) for d, s in zip(*first[q], strict=True)}
    assert [one[pair] for pair in zip(second.row_of_each, second.ids, strict=True)] == second.teacher_scores[
        "one"
    ].tolist()
    for name in ("bm25", "one", "two"):
        with pytest.raises(
            ValueError, match=f"scorer: its name '{name}' is that of a teacher whose scores the run has"
        ):
            rescored(collection, second, Counting(name=name))
    with pytest.raises(ValueError, match="run: has scores of 'one' as its own and in teacher_scores"):
        rescored(collection, second.replace(metadata={"teacher": "one"}), Counting(name="three"))


def test_a_run_made_elsewhere_has_a_first_teacher_without_a_name(collection, run):
    bare = hm.Candidates(run.offsets, run.ids, run.scores)
    found = rescored(collection, bare)
    assert list(found.teacher_scores) == ["first"]
    assert found.positives.teacher_scores is None
    assert found.metadata["first_teacher"] == "first"
    assert "k" not in found.metadata
    assert found.positives.scores.size == collection.positives.ids.size


def test_ceilings_act_on_the_scale_they_name(collection, run):
    found = rescored(collection, run)
    rule = hm.Selection(3, ceiling=hm.PercPos(0.9), on_shortage="keep")
    mined = hm.Mined.from_run(collection, found, rule)
    assert (mined.report["teacher"], mined.report["first_teacher"]) == ("exact", "bm25")
    assert "teacher exact, candidates found by bm25" in mined.summary()
    for query, row in enumerate(mined.negatives):
        lowest = found.positives.take([query]).scores.min()
        assert (row.scores <= lowest - abs(lowest) * 0.1 + 1e-6).all()
    both = hm.PercPos(0.9, teacher="bm25") & hm.MarginPos(0.0)
    chosen = hm.Mined.from_run(collection, found, rule.replace(ceiling=both)).negatives
    place = {pair: at for at, pair in enumerate(zip(found.row_of_each.tolist(), found.ids.tolist(), strict=True))}
    for query, row in enumerate(chosen):
        labels = found.positives.take([query])
        for document, score in zip(*row, strict=True):
            assert score <= labels.scores.min()
            assert (
                found.teacher_scores["bm25"][place[query, document]] <= 0.9 * labels.teacher_scores["bm25"].min() + 1e-6
            )
    assert chosen.reasons["above_ceiling"].sum() > 0
    assert "first_teacher" not in hm.Mined.from_run(collection, run, rule).report


# The cache


def test_a_cache_is_shared_by_pairs(collection, run, tmp_path):
    cache, scorer = tmp_path / "cache", Counting()
    small = rescored(collection, run, scorer, k=5, cache=cache)
    few = sum(map(len, scorer.calls))
    again = Counting()
    assert as_equal(small, rescored(collection, run, again, k=5, cache=cache))
    assert again.calls == []
    more = Counting()
    rescored(collection, run, more, k=9, cache=cache)
    plain = Counting()
    rescored(collection, run, plain, k=9)
    assert sum(map(len, more.calls)) == sum(map(len, plain.calls)) - few > 0
    last = json.loads((cache / "last-run.json").read_text())["scores of pairs"]
    assert (last["rows_reused"], last["rows_computed"]) == (few, sum(map(len, more.calls)))
    reworded = hm.Collection.from_pairs(
        collection.query_texts.to_pylist()[:1], [collection.document_texts.to_pylist()[int(run[0].ids[0])]]
    )
    known = Counting()
    rescored(reworded, hm.Candidates([0, 1], [0], F32([1])), known, cache=cache)
    assert known.calls == []  # another collection with the same two texts
    other = Counting(weights=1)
    rescored(collection, run, other, k=5, cache=cache)
    assert sum(map(len, other.calls)) == few


def test_with_and_without_a_cache_give_the_same_bytes(collection, run, tmp_path):
    plain = rescored(collection, run, Counting())
    assert as_equal(plain, rescored(collection, run, Counting(), cache=tmp_path / "cache"))
    assert as_equal(plain, rescored(collection, run, Counting(), cache=tmp_path / "cache"))


def test_query_and_document_do_not_run_into_each_other(tmp_path):
    pairs = hm.Collection.from_pairs(["a", "ab"], ["bc", "c"])
    run = hm.Candidates([0, 2, 4], [0, 1, 0, 1], F32([1, 1, 1, 1]))
    scorer = Counting()
    found = rescored(pairs, run, scorer, cache=tmp_path / "cache")
    assert sorted(pair for call in scorer.calls for pair in call) == [
        ("a", "bc"),
        ("a", "c"),
        ("ab", "bc"),
        ("ab", "c"),
    ]
    assert abs(found.positives.scores - [scorer.score("a", "bc"), scorer.score("ab", "c")]).max() < 1e-4


def test_damaged_shards_are_refused_and_computed_again(collection, run, tmp_path):
    cache = tmp_path / "cache"
    first = rescored(collection, run, Counting(), cache=cache)
    shard = next(cache.rglob("*.shard"))
    assert shard.parent.parent.name == "pair-scores"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    with pytest.raises(ValueError, match="damaged .*; remove it, or compute its rows again by cache_policy='reuse'"):
        rescored(collection, run, Counting(), cache=cache)
    assert as_equal(first, rescored(collection, run, Counting(), cache=cache, cache_policy="reuse"))
    anew = Counting()
    rescored(collection, run, anew, cache=cache, cache_policy="overwrite")
    assert anew.calls


def test_nothing_wrong_is_kept(collection, run, tmp_path):
    queries, documents = collection.query_texts.to_pylist(), collection.document_texts.to_pylist()
    last = queries[19], documents[int(run[19].ids[-1])]
    with pytest.raises(ValueError, match="NaN for query 19"):
        rescored(collection, run, Counting(special={last: F32(np.nan)}), cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.shard"))


def test_a_cache_wants_a_fingerprint(collection, run, tmp_path):
    with pytest.raises(
        TypeError, match="scorer 'exact': fingerprint None, by which a cache would know it; expected an"
    ):
        rescored(collection, run, cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()

    def known(queries, documents):
        return exact(queries, documents)

    known.fingerprint = "grid 1"
    assert as_equal(rescored(collection, run), rescored(collection, run, known, cache=tmp_path / "cache"))


# What scorers may be and give


def test_what_a_scorer_may_return(collection, run):
    torch = pytest.importorskip("torch")
    wanted = rescored(collection, run)
    for kind in (
        lambda found: np.array(found, np.float64), lambda found: np.array(found, np.float16), torch.tensor,
        lambda found: torch.tensor(found, dtype=torch.bfloat16, requires_grad=True), tuple,
    ):  # fmt: skip
        assert as_equal(wanted, rescored(collection, run, lambda q, d, kind=kind: kind(exact(q, d))))


def test_a_buffer_that_is_handed_out_again_does_no_harm(collection, run, tmp_path):
    buffer = np.empty(10_000, F32)

    class Lazy(Counting):
        def score_pairs(self, queries, documents, **options):
            buffer[: len(queries)] = super().score_pairs(queries, documents, **options)
            return buffer[: len(queries)]

    assert as_equal(rescored(collection, run, Counting()), rescored(collection, run, Lazy()))
    assert as_equal(rescored(collection, run, Counting()), rescored(collection, run, Lazy(), cache=tmp_path / "cache"))


def test_infinite_candidates_are_ordered(collection, run):
    query = collection.query_texts.to_pylist()[0]
    positive = {collection.document_texts[int(d)].as_py() for d in collection.positives[0]}
    texts = [collection.document_texts[int(d)].as_py() for d in run[0].ids]
    best, worst = [text for text in texts if text not in positive][-2:]
    found = rescored(collection, run, Counting(special={(query, best): F32(np.inf), (query, worst): F32(-np.inf)}))
    assert (found[0].scores[0], found[0].scores[-1]) == (np.inf, -np.inf)


def test_progress_counts_the_pairs(collection, run, tmp_path):
    for cache in (None, tmp_path / "cache"):
        events = []
        hm.rescore(collection, run, Counting(), cache=cache, progress=events.append)
        assert {event.stage for event in events} == {"scoring pairs"}
        assert (events[-1].kind, events[-1].done) == ("end", events[0].total)


# The command line


def test_on_the_command_line(beir, tmp_path, monkeypatch, capsys):
    made = {}

    def load(name, /, **options):
        made.update(options, model=name)
        return Counting(name=options.get("name", name))

    monkeypatch.setattr(hm.teachers, "load_cross_encoder", load)
    stored, output = tmp_path / "run.hm", tmp_path / "rescored.hm"
    assert main(["retrieve", str(beir), "--teacher", "bm25", "-k", "10", "--output", str(stored), "--quiet"]) == 0
    command = [
        "rescore",
        str(beir),
        str(stored),
        "--cross-encoder",
        "ce",
        "--output",
        str(output),
        "-k",
        "6",
        "--quiet",
    ]
    assert main([*command, "--cache", str(tmp_path / "cache"), "--max-length", "9", "--dtype", "bfloat16"]) == 0
    assert made == {"model": "ce", "max_length": 9, "dtype": "bfloat16"}
    collection = hm.Collection.read(beir)
    expected = rescored(collection, hm.Candidates.load(stored), Counting(name="ce"), k=6)
    assert output.read_bytes() == as_bytes(expected, tmp_path / "cache")
    assert "scores of bm25) in " in capsys.readouterr().out
    rows = tmp_path / "rows.jsonl"
    select = ["select", str(beir), str(output), "--num-negatives", "1", "--output", str(rows), "--quiet", "--json"]
    assert main([*select, "--rule", "perc-pos=0.9@bm25 & margin-pos=0"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["selection"]["ceiling"]["ceilings"][0] == {"kind": "perc-pos", "f": 0.9, "teacher": "bm25"}
    assert report["first_teacher"] == "bm25"
    assert main([*select, "--rule", "perc-pos=0.9@other"]) == 2
    assert "hardmine: ceiling: names the teacher 'other'" in capsys.readouterr().err
    assert main([*command, "--name", "bm25"]) == 2
    assert "scorer: its name 'bm25' is that of a teacher whose scores the run has" in capsys.readouterr().err
    assert main([*command, "--cache-policy", "reuse"]) == 2
    assert main(["mine", str(beir), "--teacher", "bm25", "--rule", "abs=1@ce", "--output", str(rows)]) == 2
    assert "names the teacher 'ce', but mine() has the scores of one" in capsys.readouterr().err


def test_a_missing_extra_is_one_line(tmp_path):
    code = "import sys; sys.modules['torch'] = None; import hardmine as hm; hm.teachers.load_cross_encoder('a/b')"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    last = "ModuleNotFoundError: a cross-encoder needs torch: pip install 'hardmine[torch]'"
    assert (found.returncode, found.stderr.splitlines()[-1]) == (1, last)


def test_what_is_wrong_with_a_run_is_said_before_the_model_is_loaded(beir, tmp_path, capsys):
    command = ["rescore", str(beir), str(tmp_path / "none.hm"), "--cross-encoder", "./none", "--output"]
    assert main([*command, str(tmp_path / "o.hm")]) == 2
    assert "none.hm: no such file, expected a run" in capsys.readouterr().err
    assert main([*command, str(tmp_path / "no" / "o.hm")]) == 2
    assert not Path(tmp_path / "o.hm").exists()


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_a_score_that_float32_cannot_hold_is_refused_by_pair(collection, run, kind):
    def huge(queries, _):
        scores = np.full(len(queries), 0.5)
        scores[3] = -1e300
        return scores if kind == "numpy" else pytest.importorskip("torch").from_numpy(scores)

    with pytest.raises(
        ValueError, match=r"scorer 'huge': -1e\+300 for query .* and document .*, expected a number that"
    ):
        rescored(collection, run, huge)
    judge = hm.teachers.CrossEncoderJudge(huge, negative_below=0.0, positive_above=1.0)
    with pytest.raises(
        ValueError, match=r"scorer 'huge': -1e\+300 for item 3, expected a number that float32 can hold"
    ):
        judge(["a"] * 5, list("bcdef"), [""] * 5)
