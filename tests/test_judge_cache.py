"""Verdicts that are kept, calls that fail, and kills: the same result at the end."""

import sys

import numpy as np
import pytest

import hardmine as hm
from hardmine.teachers import JudgeError
from tests.children import run_script
from tests.judge_cases import fixtures, judged, names, poison, same
from tests.judges import Counting
from tests.texts import random_beir

pytest.importorskip("pyarrow")

collection, run, mined = fixtures()


def test_a_larger_budget_goes_on(collection, run, tmp_path):
    fresh, first, second, third = (Counting() for _ in range(4))
    whole = judged(collection, run, fresh)
    judged(collection, run, first, budget=50, cache=tmp_path / "cache")
    found = judged(collection, run, second, budget=120, cache=tmp_path / "cache")
    assert first.items + second.items == fresh.items[:120]
    assert found.report["calls"]["reused"] == 50
    same(found, judged(collection, run, budget=120))
    again = judged(collection, run, third, budget=50, cache=tmp_path / "cache")
    assert third.calls == []
    same(again, judged(collection, run, budget=50))
    same(judged(collection, run, cache=tmp_path / "cache"), whole)


def test_verdicts_are_known_by_the_texts_and_the_judge(collection, run, mined, tmp_path):
    judged(collection, run, cache=tmp_path / "cache")
    other = Counting()
    judged(collection, mined, other, cache=tmp_path / "cache")  # the same texts, in other lists
    assert other.calls == []
    other.fingerprint = {"digest": 2}
    judged(collection, mined, other, cache=tmp_path / "cache")
    assert other.calls


def test_other_labels_make_other_items(tmp_path):
    """The positive that is shown is a part of what a verdict depends on."""
    corpus = ["d", "e", "f", "g"]
    run = hm.Candidates([0, 1], [3], [0.5])
    for positive in ("d", "e", "d"):
        collection = hm.Collection.from_pairs(["q"], [positive], corpus)
        judge = Counting()
        found = judged(collection, run, judge, cache=tmp_path / "cache")
        assert judge.items == ([] if found.report["calls"]["reused"] else [("q", "g", positive)])
    assert found.report["calls"]["reused"] == 1
    assert len(list((tmp_path / "cache").rglob("*.shard"))) == 2


def test_what_was_judged_before_a_failure_is_kept(collection, run, tmp_path):
    def stops(number, batch, found):  # noqa: ARG001
        if number > 3:
            raise OSError("the service is gone")
        return found

    first, second = Counting(stops), Counting()
    with pytest.raises(JudgeError, match=r"'counting': \(query 'q.*', document 'd.*'\) failed after up to 1 tries"):
        judged(collection, run, first, batch_size=10, max_retries=0, cache=tmp_path / "cache")
    found = judged(collection, run, second, cache=tmp_path / "cache")
    assert not set(second.items) & set(first.items[:30])
    assert found.report["calls"]["reused"] == 30
    same(found, judged(collection, run))


def test_ctrl_c_keeps_what_was_judged(collection, run, tmp_path):
    def interrupts(number, batch, found):  # noqa: ARG001
        if number == 3:
            raise KeyboardInterrupt
        return found

    with pytest.raises(KeyboardInterrupt):
        judged(collection, run, Counting(interrupts), batch_size=10, cache=tmp_path / "cache")
    assert judged(collection, run, cache=tmp_path / "cache").report["calls"]["reused"] == 20


def test_damaged_verdicts_are_refused(collection, run, tmp_path):
    judged(collection, run, cache=tmp_path / "cache")
    (shard,) = (tmp_path / "cache").rglob("*.shard")
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    with pytest.raises(ValueError, match="damaged"):
        judged(collection, run, cache=tmp_path / "cache")
    again = judged(collection, run, cache=tmp_path / "cache", cache_policy="reuse")
    assert again.report["calls"]["reused"] == 0
    same(again, judged(collection, run))


@pytest.mark.skipif(sys.platform == "win32", reason="fork and SIGKILL are POSIX matters")
@pytest.mark.timeout(200)
def test_killed_at_every_step_it_goes_on(tmp_path):
    """In the judge and before each flush and rename; the end is that of a run that nobody disturbed."""
    folder = random_beir(tmp_path / "c", num_queries=8, num_documents=40)
    out = run_script(
        f"""
        from pathlib import Path
        import hardmine as hm
        from hardmine.pipeline import judge_calls
        from tests import store_job as s
        from tests.judges import Counting
        judge_calls.SHARD_SECONDS = 0.0
        folder = Path({str(tmp_path)!r})
        collection = hm.Collection.read({str(folder)!r})
        run = hm.retrieve(collection, "bm25", k=6, num_threads=1, progress=False)
        def job(name, step=None, call=None):
            def trouble(number, batch, found):
                if number == call:
                    os.kill(os.getpid(), signal.SIGKILL)
                return found
            if step is not None:
                s.killing_at(step)
            cache = folder / f"cache-{{name}}"
            found = hm.judge(collection, run, Counting(trouble), cache=cache, batch_size=9, progress=False)
            found.run.save(folder / f"{{name}}.hm")
            found.write(folder / f"{{name}}.jsonl")
        assert s.forked(lambda: job("calm")) == 0
        kills = 0
        for step, call in [(1, None), (None, 1), (3, None), (None, 2), *((n, None) for n in range(1, 60))]:
            before = s.shards_in(folder / "cache-shaken")
            status = s.forked(lambda: job("shaken", step, call))
            assert before.items() <= s.shards_in(folder / "cache-shaken").items()
            if status == 0:
                break
            assert status == -signal.SIGKILL, status
            kills += 1
        for suffix in ("hm", "jsonl"):
            assert (folder / f"calm.{{suffix}}").read_bytes() == (folder / f"shaken.{{suffix}}").read_bytes()
        print(kills, len(before))
        """,
        timeout=150,
    )
    kills, shards = map(int, out.split())
    assert kills >= 8
    assert shards >= 2


def test_a_judge_that_fails_one_call_in_five_ends_with_the_same_result(collection, run):
    rng = np.random.default_rng(5)

    def flaky(number, batch, found):  # noqa: ARG001
        if rng.random() < 0.2:
            raise TimeoutError("no answer")
        return found

    waits = []
    found = judged(collection, run, Counting(flaky), batch_size=5, sleep=waits.append)
    same(found, judged(collection, run))
    assert found.report["calls"]["faults"] == len(waits) > 15


def test_items_that_come_back_as_errors_are_asked_for_again_and_alone(collection, run):
    rng = np.random.default_rng(6)

    def flaky(number, batch, found):  # noqa: ARG001
        return [TimeoutError("no answer") if rng.random() < 0.2 else each for each in found]

    judge = Counting(flaky)
    found = judged(collection, run, judge, batch_size=50, max_retries=9, sleep=lambda _: None)
    same(found, judged(collection, run))
    assert len(judge.items) < 1.6 * found.report["asked"]  # what had a verdict was not asked for again


def test_one_bad_item_spoils_no_other(collection, run, tmp_path):
    fine = judged(collection, run)
    place = names(fine).index("negative")
    group = collection.document_groups[fine.documents[place]]
    bad = collection.document_texts[int((collection.document_groups == group).argmax())].as_py()
    waits = []
    options = {"batch_size": 16, "max_retries": 2, "sleep": waits.append, "cache": tmp_path / "cache"}
    found = judged(collection, run, Counting(poison({bad})), on_error="unsure", **options)
    failed = [
        collection.document_groups[d] == collection.document_groups[fine.documents[place]] for d in fine.documents
    ]
    failed = [is_bad and name != "known" for is_bad, name in zip(failed, names(fine), strict=True)]
    assert found.report["counts"]["failed"] == sum(failed) > 0
    assert names(found) == ["failed" if bad else name for bad, name in zip(failed, names(fine), strict=True)]
    assert waits
    # It is not in the cache: once the judge can read it, it is judged.
    judge = Counting()
    same(judged(collection, run, judge, **options), fine)
    assert {document for _, document, _ in judge.items} == {bad}
    with pytest.raises(JudgeError, match="failed after up to 3 tries .OSError: cannot read"):
        judged(collection, run, Counting(poison({bad})), **{**options, "cache": None})
    options["cache"] = None
    out = judged(collection, run, Counting(poison({bad})), on_error="unsure", unsure="remove", **options)
    assert out.flagged[np.array(failed)].all()


def test_waits_double_and_are_the_same_under_one_seed(collection, run):
    def down(number, batch, found):  # noqa: ARG001
        raise ConnectionError("refused")

    def waits(seed):
        found = []
        with pytest.raises(JudgeError, match=r"ConnectionError: refused"):
            judged(collection, run, Counting(down), batch_size=1, max_retries=9, seed=seed, sleep=found.append)
        return found

    first = waits(0)
    longest = [min(0.5 * 2**n, 60) for n in range(9)]
    assert all(0.5 * most <= wait <= most for wait, most in zip(first, longest, strict=True))
    assert first == waits(0) != waits(1)


def test_a_judge_that_is_not_there_ends_the_run(collection, run):
    def down(number, batch, found):  # noqa: ARG001
        raise ConnectionError("refused")

    judge = Counting(down)
    with pytest.raises(JudgeError, match="32 items in a row, the last of them .*ConnectionError: refused"):
        judged(collection, run, judge, on_error="unsure", batch_size=5, max_retries=1, sleep=lambda _: None)
    assert len(set(judge.items)) == 35


def test_errors_that_no_try_mends(collection, run):
    def too_long(number, batch, found):  # noqa: ARG001
        return [JudgeError("too long", retry=False), *found[1:]]

    judge = Counting(too_long)
    found = judged(collection, run, judge, on_error="unsure", batch_size=20)  # never sleeps
    assert found.report["counts"]["failed"] >= len(judge.calls)
    assert len(judge.items) == found.report["asked"]

    def no_key(number, batch, found):  # noqa: ARG001
        raise JudgeError("no such key", retry=False)

    with pytest.raises(JudgeError, match="^no such key$"):
        judged(collection, run, Counting(no_key), on_error="unsure")


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (lambda _: "negative", TypeError, "judge 'counting': str, expected a sequence with a verdict for each item"),
        (lambda _: None, TypeError, "judge 'counting': NoneType, expected a sequence"),
        (lambda found: (each for each in found), TypeError, "judge 'counting': generator, expected a sequence"),
        (lambda found: found[1:], ValueError, "judge 'counting': 3 verdicts, expected 4"),
        (lambda found: [*found[:-1], "Negative"], ValueError, "'counting': item 3: 'Negative', expected 'negative'"),
        (lambda found: [found[0], True, *found[2:]], TypeError, "'counting': item 1: bool True, expected 'negative'"),
        (lambda _: ["x" * 500] * 4, ValueError, r"item 0: 'x+\.\.\.x+', expected 'negative', 'positive' or 'unsure'"),
    ],
)
def test_answers_that_are_no_verdicts(collection, run, answer, error, message):
    judge = Counting(lambda number, batch, found: answer(found))  # noqa: ARG005
    with pytest.raises(error, match=message) as caught:
        judged(collection, run, judge, batch_size=4, on_error="unsure")
    assert len(judge.calls) == 1
    assert len(str(caught.value)) < 200
    numpy = Counting(lambda number, batch, found: np.array(found))  # noqa: ARG005
    same(judged(collection, run, numpy), judged(collection, run))
