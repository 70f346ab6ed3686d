"""Stand-ins for models of sentence-transformers: the embedding of a text, the score of a pair, come from its bytes."""

import functools
import hashlib
from types import SimpleNamespace

import numpy as np
import torch
from sentence_transformers import util

WIDTH = 24
SIMILARITIES = {
    "cosine": (util.cos_sim, util.pairwise_cos_sim),
    "dot": (util.dot_score, util.pairwise_dot_score),
    "euclidean": (util.euclidean_sim, util.pairwise_euclidean_sim),
    "manhattan": (util.manhattan_sim, util.pairwise_manhattan_sim),
}


@functools.cache
def vector(text):
    """A unit vector; its first component leans to one side, so that cosines do."""
    rng = np.random.default_rng(list(hashlib.sha256(text.encode()).digest()))
    values = rng.standard_normal(WIDTH)
    values[0] += 3 if "x" not in text else -3
    return np.float32(values / np.linalg.norm(values))


class Model:
    """What `mine_hard_negatives` asks of a SentenceTransformer."""

    device = "cpu"

    def __init__(self, similarity="cosine", *, base_model=None, dtype=np.float32, special=None):
        self.similarity, self.similarity_pairwise = SIMILARITIES[similarity]
        self.model_card_data = SimpleNamespace(base_model=base_model)
        self.prompts = {"query": "Q: ", "other": "O: "}
        self.dtype, self.special = dtype, special or {}
        self.calls = []

    def state_dict(self):
        return {text: torch.tensor(np.float32(row)) for text, row in self.special.items()} | {"any": torch.zeros(1)}

    def get_embedding_dimension(self):
        return WIDTH

    def start_multi_process_pool(self, target_devices=None):
        self.calls.append(("start", target_devices))
        return {"devices": target_devices}

    def stop_multi_process_pool(self, pool):
        self.calls.append(("stop", pool["devices"]))

    def _encode(self, texts, kind, *, prompt, prompt_name, **options):
        assert isinstance(texts, list)
        assert options["normalize_embeddings"]
        assert options["convert_to_numpy"]
        self.calls.append((kind, len(texts), options["pool"], options["batch_size"]))
        if prompt is None:
            prompt = self.prompts[prompt_name] if prompt_name is not None else ""
        rows = [self.special.get(text, vector(prompt + text)) for text in texts]
        return np.array(rows, dtype=self.dtype).reshape(len(texts), WIDTH)

    def encode_query(self, texts, **options):
        return self._encode(texts, "query", **options)

    def encode_document(self, texts, **options):
        return self._encode(texts, "corpus", **options)


class Scorer:
    """What it asks of a CrossEncoder."""

    def __init__(self, special=None):
        self.pairs, self.calls, self.special = [], [], special or {}

    start_multi_process_pool = Model.start_multi_process_pool
    stop_multi_process_pool = Model.stop_multi_process_pool

    def predict(self, pairs, batch_size, convert_to_tensor, pool):
        assert convert_to_tensor
        self.calls.append(("predict", len(pairs), pool, batch_size))
        self.pairs += pairs
        return torch.tensor([self.score(*pair) for pair in pairs])

    def score(self, query, document):
        if (query, document) in self.special:
            return self.special[query, document]
        digest = hashlib.sha256(f"{query}\n{document}".encode()).digest()
        return int.from_bytes(digest[:3], "big") / 2**24
