"""What the tests of sparse teachers share: texts, terms weighed by hand, an encoder of queries without a model."""

import numpy as np
import torch
import transformers

SHORT = ["a", "a b c d e f", "", "h g f", "b b", "c d " * 30, "h h g a"]


def by_hand(folder, texts, *, max_length=32, twice=False, without=()):
    """One text at a time, no batch, no padding: the largest log(1 + relu(logit)) of every term."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForMaskedLM.from_pretrained(folder).eval()
    rows = []
    for text in texts:
        tokens = tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")
        with torch.no_grad():
            weights = torch.log1p(torch.relu(model(**tokens).logits[0]))
        weights = torch.log1p(weights) if twice else weights
        weights = weights.max(0).values.numpy()
        weights[list(without)] = 0
        rows.append(weights)
    return np.array(rows)


def dense(rows):
    """Sparse rows as a matrix."""
    return rows.to_scipy().toarray()


def largest(row, most):
    """A row of weights with the `most` largest alone, equal ones by lower term."""
    kept = sorted(range(len(row)), key=lambda term: (-abs(row[term]), term))[:most]
    return [weight if term in kept else 0 for term, weight in enumerate(row)]


def without_a_query_model(folder):
    """A SparseEncoder whose queries are their tokens, each with a weight of its own."""
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder import modules

    encoder = modules.Transformer(str(folder), transformer_task="fill-mask")
    weights = torch.arange(1, 17, dtype=torch.float32) / 8
    queries = modules.SparseStaticEmbedding(encoder.tokenizer, weight=weights)
    router = modules.Router.for_query_document(
        query_modules=[queries], document_modules=[encoder, modules.SpladePooling("max")]
    )
    return SparseEncoder(modules=[router], similarity_fn_name="dot", device="cpu")
