"""Train a small encoder in a plain PyTorch loop, with hard negatives drawn afresh every epoch.

    python examples/train_pytorch.py                       # docstrings of your Python: no model, no download, a minute
    python examples/train_pytorch.py --collection FOLDER   # a BEIR folder

The encoder is a bag of words that starts from nothing; what matters is the loop: `NegativeDataset` in a `DataLoader`,
`HardNegativeCollator`, and a loss that leaves out what is no trustworthy negative.
"""

from __future__ import annotations

import argparse
import sysconfig
import tempfile
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

import hardmine as hm


class BagOfWords(torch.nn.Module):
    """Mean of word vectors, on the unit sphere."""

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.words = torch.nn.EmbeddingBag(vocabulary, width, mode="sum")

    def forward(self, tokens: dict[str, torch.Tensor]) -> torch.Tensor:
        """One vector per text."""
        weights = tokens["attention_mask"].float()
        return functional.normalize(self.words(tokens["input_ids"], per_sample_weights=weights), dim=1)


def make_tokenizer(texts: list[str], size: int) -> PreTrainedTokenizerFast:
    """Learn a word-piece vocabulary from the texts themselves."""
    core = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer()
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=["[PAD]", "[UNK]"], show_progress=False)
    core.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token="[PAD]", unk_token="[UNK]")


def info_nce(queries: torch.Tensor, documents: torch.Tensor, batch: dict, temperature: float) -> torch.Tensor:
    """Every document of the batch is a negative of every query, but for those that may be right answers."""
    scores = queries @ documents.T
    # Known positives and equal texts; and what the model itself already places beside the positive.
    mask = batch["not_negative"] | hm.in_batch_mask(
        scores.detach(), ceiling=hm.PercPos(0.95), positive_columns=batch["positive_index"].numpy()
    )
    # The mined negatives have passed the teacher's ceiling: they stay, whatever the young model thinks of them.
    mined = torch.zeros_like(mask).scatter_(1, batch["negative_index"], batch["negative_mask"])
    mask &= ~mined | batch["not_negative"]
    mask.scatter_(1, batch["positive_index"][:, None], value=False)
    return functional.cross_entropy(scores.masked_fill(mask, -torch.inf) / temperature, batch["positive_index"])


@torch.no_grad()
def reciprocal_rank(model: BagOfWords, tokenizer: PreTrainedTokenizerFast, collection: hm.Collection) -> float:
    """Mean over all queries of 1 / rank of the best positive."""

    def embed(texts: list[str]) -> torch.Tensor:
        parts = [texts[start : start + 256] for start in range(0, len(texts), 256)]
        return torch.cat([model(tokenizer(p, padding=True, truncation=True, return_tensors="pt")) for p in parts])

    scores = embed(collection.query_texts.to_pylist()) @ embed(collection.document_texts.to_pylist()).T
    positives = collection.positives
    first = scores[torch.from_numpy(positives.query_of_each), torch.tensor(positives.ids)]
    best = torch.full((len(positives),), -torch.inf).scatter_reduce(
        0, torch.from_numpy(positives.query_of_each), first, "amax"
    )
    return (1 / (1 + (scores > best[:, None]).sum(1))).mean().item()


def main(arguments: list[str] | None = None) -> dict[str, list[float]]:
    """Entry point; returns the loss of each epoch, the metric before and after, and how many draws were new."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--collection", type=Path, help="a BEIR folder (default: docstrings of the installed Python)")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--width", type=int, default=128)
    options = parser.parse_args(arguments)
    torch.manual_seed(0)

    # Once: retrieve. BM25 is the teacher; its run holds 50 candidates per query.
    if options.collection is None:
        collection = hm.Collection.read(sysconfig.get_path("stdlib"), "docstrings")
    else:
        collection = hm.Collection.read(options.collection)
    run = hm.retrieve(collection, "bm25", k=50, progress=False)

    # Every epoch: 4 of them, drawn by their scores, none above 95 % of the positive's.
    rule = hm.Selection(4, ceiling=hm.PercPos(0.95), draw=hm.Softmax(5.0), seed=0)
    tokenizer = make_tokenizer([*collection.query_texts.to_pylist(), *collection.document_texts.to_pylist()], 8000)
    tokenizer.model_max_length = 128
    model = BagOfWords(len(tokenizer), options.width)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    history: dict[str, list[float]] = {"loss": [], "new": [], "mrr": [reciprocal_rank(model, tokenizer, collection)]}

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.hm"
        hm.data.NegativeDataset(collection, run, rule).save(path)
        dataset = hm.data.NegativeDataset.load(path)  # mapped: the workers share it
        loader = torch.utils.data.DataLoader(
            dataset,
            batch_size=options.batch_size,
            shuffle=True,
            num_workers=options.workers,
            persistent_workers=options.workers > 0,
            collate_fn=hm.data.HardNegativeCollator(tokenizer, max_length=128),
        )
        seen: set[tuple[int, int]] = set()
        for epoch in range(options.epochs):
            dataset.set_epoch(epoch)
            losses, drawn = [], set()
            for batch in loader:
                loss = info_nce(model(batch["query"]), model(batch["document"]), batch, 0.05)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
                rows, columns = batch["negative_mask"].nonzero(as_tuple=True)
                documents = batch["document_ids"][batch["negative_index"][rows, columns]]
                drawn.update(zip(batch["query_ids"][rows].tolist(), documents.tolist(), strict=True))
            history["loss"].append(sum(losses) / len(losses))
            history["new"].append(len(drawn - seen) / max(len(drawn), 1))
            seen |= drawn
            print(f"epoch {epoch}: loss {history['loss'][-1]:.3f}; {history['new'][-1]:.0%} of the negatives are new")
    history["mrr"].append(reciprocal_rank(model, tokenizer, collection))
    print(f"mean reciprocal rank: {history['mrr'][0]:.3f} untrained, {history['mrr'][1]:.3f} trained")
    return history


if __name__ == "__main__":
    main()
