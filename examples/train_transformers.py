"""Train a small BERT with the Trainer of transformers on hard negatives that are drawn afresh every epoch.

    python -m examples.train_transformers                       # docstrings of your Python: no model, no download
    python -m examples.train_transformers --collection FOLDER   # a BEIR folder

The model starts from nothing; what matters is how the pieces fit: the dataset and the collator go into the Trainer as
they are, a callback passes the epoch on, and `compute_loss` masks what is no trustworthy negative.
"""

from __future__ import annotations

import argparse
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, Trainer, TrainerCallback, TrainingArguments

import hardmine as hm
from examples.train_pytorch import make_tokenizer


class Embedder(torch.nn.Module):
    """A small BERT, mean-pooled, on the unit sphere."""

    def __init__(self, vocabulary: int, width: int, max_length: int) -> None:
        super().__init__()
        self.bert = BertModel(
            BertConfig(
                vocab_size=vocabulary,
                hidden_size=width,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=2 * width,
                max_position_embeddings=max_length,
            ),
            add_pooling_layer=False,
        )

    def forward(self, tokens: dict[str, torch.Tensor]) -> torch.Tensor:
        """One vector per text."""
        states = self.bert(tokens["input_ids"], attention_mask=tokens["attention_mask"]).last_hidden_state
        mask = tokens["attention_mask"][:, :, None].float()
        return functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)


class NegativesTrainer(Trainer):
    """InfoNCE over the documents of the batch."""

    def compute_loss(self, model: Embedder, inputs: dict[str, Any], **_: Any) -> torch.Tensor:
        """The mined negatives, and every other document that does not answer the query."""
        scores = model(inputs["query"]) @ model(inputs["document"]).T
        own = inputs["positive_index"]
        mask = inputs["not_negative"].scatter(1, own[:, None], value=False)
        return hm.losses.info_nce(scores, mask=mask, positive_columns=own, temperature=0.05)


class FreshNegatives(TrainerCallback):
    """Tells the dataset which epoch begins."""

    def __init__(self, dataset: hm.data.NegativeDataset) -> None:
        self.dataset = dataset

    def on_epoch_begin(self, _arguments: Any, state: Any, _control: Any, **_: Any) -> None:
        """Fresh draws."""
        self.dataset.set_epoch(round(state.epoch or 0))


@torch.no_grad()
def reciprocal_rank(model: Embedder, tokenizer: PreTrainedTokenizerFast, collection: hm.Collection) -> float:
    """Mean over the queries with positives of 1 / rank of the best one."""
    model.eval()

    def embed(texts: list[str]) -> torch.Tensor:
        parts = [texts[start : start + 256] for start in range(0, len(texts), 256)]
        return torch.cat([model(tokenizer(p, padding=True, truncation=True, return_tensors="pt")) for p in parts])

    scores = embed(collection.query_texts.to_pylist()) @ embed(collection.document_texts.to_pylist()).T
    owners = torch.from_numpy(collection.positives.query_of_each)
    found = scores[owners, torch.tensor(collection.positives.ids)]
    best = torch.full((len(scores),), -torch.inf).scatter_reduce(0, owners, found, "amax")
    return (1 / (1 + (scores > best[:, None]).sum(1)))[owners.unique()].mean().item()


def main(arguments: list[str] | None = None) -> dict[str, list[float]]:
    """Entry point; returns the losses, the metric before and after, and the share of new draws of each epoch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--collection", type=Path, help="a BEIR folder (default: docstrings of the installed Python)")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--width", type=int, default=64)
    options = parser.parse_args(arguments)
    torch.manual_seed(0)

    if options.collection is None:
        collection = hm.Collection.read(sysconfig.get_path("stdlib"), "docstrings")
    else:
        collection = hm.Collection.read(options.collection)
    # Once: retrieve. Every epoch: 4 of the 50 candidates, none above 95 % of the positive's score.
    run = hm.retrieve(collection, "bm25", k=50, progress=False)
    rule = hm.Selection(4, ceiling=hm.PercPos(0.95), draw=hm.Softmax(5.0), seed=0)
    dataset = hm.data.NegativeDataset(collection, run, rule)

    tokenizer = make_tokenizer([*collection.query_texts.to_pylist(), *collection.document_texts.to_pylist()], 8000)
    tokenizer.model_max_length = 64
    model = Embedder(len(tokenizer), options.width, 64)
    before = reciprocal_rank(model, tokenizer, collection)
    with tempfile.TemporaryDirectory() as folder:
        trainer = NegativesTrainer(
            model=model,
            args=TrainingArguments(
                folder,
                num_train_epochs=options.epochs,
                per_device_train_batch_size=options.batch_size,
                learning_rate=2e-3,
                logging_steps=1,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                use_cpu=True,
                remove_unused_columns=False,  # the collator needs them all
                dataloader_num_workers=options.workers,
                dataloader_pin_memory=False,
            ),
            train_dataset=dataset,
            data_collator=hm.data.HardNegativeCollator(tokenizer, max_length=64),
            callbacks=[FreshNegatives(dataset)],
        )
        trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    reached = dataset.epoch  # set by the callback

    seen: set[tuple[int, int]] = set()
    new = []
    for epoch in range(options.epochs):
        dataset.set_epoch(epoch)
        drawn = {(item["query_id"], int(document)) for item in dataset for document in item["negative_ids"]}
        new.append(len(drawn - seen) / len(drawn))
        seen |= drawn
    after = reciprocal_rank(model, tokenizer, collection)
    print(f"loss {losses[0]:.3f} at first, {losses[-1]:.3f} at last")
    print("share of negatives not seen in an earlier epoch: " + ", ".join(f"{share:.0%}" for share in new))
    print(f"mean reciprocal rank: {before:.3f} untrained, {after:.3f} trained")
    return {"loss": losses, "mrr": [before, after], "new": new, "epoch": [reached]}


if __name__ == "__main__":
    main()
