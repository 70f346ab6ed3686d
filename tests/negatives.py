"""A small run with everything that real ones have, a tiny tokenizer, and what the data loader tests run in processes
of their own."""

import hashlib
import sys

import numpy as np

import hardmine as hm

NUM_QUERIES, NUM_DOCUMENTS, WORDS = 60, 150, 30


def parts(seed=0, *, several=True):
    """Texts, candidates, positives, exclusions and text groups. Lists are ragged, positives among them."""
    rng = np.random.default_rng(seed)
    texts = [f"w{i % WORDS} w{(7 * i) % WORDS} d{i}" for i in range(NUM_DOCUMENTS)]
    queries = [f"w{i % WORDS} q{i}" for i in range(NUM_QUERIES)]
    lengths = rng.integers(5, 40, NUM_QUERIES)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.concatenate([rng.permutation(NUM_DOCUMENTS)[:n] for n in lengths])
    scores = np.concatenate([np.sort(rng.normal(0.4, 0.2, n).astype(np.float32))[::-1] for n in lengths])
    run = hm.Candidates(offsets, ids, scores)
    labels = [
        rng.permutation(NUM_DOCUMENTS)[: rng.integers(1, 4) if several else 1].tolist() for _ in range(NUM_QUERIES)
    ]
    labels = hm.Positives.from_lists(labels)
    labels = labels.with_scores(rng.normal(0.7, 0.1, labels.ids.size).astype(np.float32))
    exclude = [rng.permutation(NUM_DOCUMENTS)[: rng.integers(0, 3)].tolist() for _ in range(NUM_QUERIES)]
    groups = np.arange(NUM_DOCUMENTS) % 110
    return (queries, texts), run, labels, exclude, groups


RULE = hm.Selection(4, ceiling=hm.PercPos(0.95), draw=hm.SimANS(5.0), seed=3)


def dataset(selection=RULE, seed=0, **options):
    texts, run, labels, exclude, groups = parts(seed)
    options = {"positives": labels, "exclude": exclude, "document_groups": groups, **options}
    return hm.data.NegativeDataset(texts, run, selection, **options)


def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", *(f"w{i}" for i in range(WORDS)), *(f"d{i}" for i in range(NUM_DOCUMENTS)), "find", ":"]
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token="[PAD]", unk_token="[UNK]")


def collator(**options):
    return hm.data.HardNegativeCollator(tokenizer(), max_length=8, **options)


def digest(batch):
    """Fingerprint of a collated batch."""
    found = hashlib.sha256()
    for name, value in sorted(batch.items()):
        for key, tensor in sorted(value.items()) if isinstance(value, dict) else [("", value)]:
            found.update(f"{name}{key}{tuple(tensor.shape)}".encode())
            found.update(tensor.numpy().tobytes())
    return found.hexdigest()


def loader(source, method=None, workers=0, *, persistent=False):
    import torch

    sampler = torch.utils.data.BatchSampler(range(len(source) - 1, -1, -1), 16, drop_last=False)
    return torch.utils.data.DataLoader(
        source,
        batch_sampler=sampler,
        collate_fn=collator(),
        num_workers=workers,
        persistent_workers=persistent,
        multiprocessing_context=method if workers else None,
    )


def epochs(source, method=None, workers=0, *, persistent=False):
    """Fingerprints of all batches of three epochs out of order."""
    batches = loader(source, method, workers, persistent=persistent)
    found = []
    for epoch in (1, 0, 2):
        source.set_epoch(epoch)
        found.append([digest(batch) for batch in batches])
    return found


def check_start_method(method, path):
    """Every set-up gives the batches of the main process."""
    import warnings

    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)
    tokenizer()(["w1 w2"] * 64, padding=True)  # the parent has used its parallel tokenizer
    stored = hm.data.NegativeDataset.load(path)
    here = epochs(stored)
    assert here == epochs(dataset())
    assert len({str(found) for found in here}) == 3
    set_ups = [(1, True), (2, False), (2, True)] if method == "fork" else [(2, True)]
    for workers, persistent in set_ups:
        assert epochs(stored, method, workers, persistent=persistent) == here, (workers, persistent)
    if method == "spawn":
        assert epochs(dataset(), method, 1, persistent=True) == here  # in memory: travels whole
    sys.stdout.write("ok")


def check_rank(rank, folder):
    """One of two ranks: its items and their negatives."""
    import torch
    import torch.distributed as dist

    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    source = hm.data.NegativeDataset.load(f"{folder}/set.hm", columns="ids")
    sampler = torch.utils.data.DistributedSampler(source, shuffle=True, seed=1)
    batches = torch.utils.data.DataLoader(source, batch_size=7, sampler=sampler, collate_fn=list)
    mine = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        source.set_epoch(epoch)
        rows = [(i["query_id"], i["positive_id"], i["negative_ids"].tolist()) for batch in batches for i in batch]
        mine.append(rows)
    found = [None, None]
    dist.all_gather_object(found, mine)
    dist.destroy_process_group()
    if rank == 0:
        sys.stdout.write(repr(found))


if __name__ == "__main__":
    {"start": check_start_method, "rank": lambda rank, folder: check_rank(int(rank), folder)}[sys.argv[1]](
        *sys.argv[2:]
    )
