"""What a loaded model is made of, as digests: weights, configuration and tokenizer, whatever it was loaded from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hardmine.plumbing.extras import need
from hardmine.plumbing.threads import thread_count

_SIZE = 16
_NAMES_OF_FILES = ("_file", "name_or_path")
_WHERE_IT_CAME_FROM = {"_name_or_path", "transformers_version", "_commit_hash"}


def model_digests(model: Any, tokenizer: Any) -> dict[str, str]:
    """Digests of weights, configuration and tokenizer, and the versions of what computes with them.

    The numbers in memory are hashed, since a name, a path and a date say nothing of them: a model that was trained
    further, or files that were exchanged, give another digest.
    """
    torch = need("torch", what="a model", extra="torch")
    transformers = need("transformers", what="a model", extra="torch")
    return {
        "weights": of_weights(model.state_dict()),
        "config": of_config(model),
        "tokenizer": of_tokenizer(tokenizer),
        "torch": str(torch.__version__),
        "transformers": str(transformers.__version__),
    }


def of_weights(tensors: Mapping[str, Any]) -> str:
    """Digest of the names, dtypes, shapes and numbers of torch's tensors, such as a ``state_dict``, in any order."""
    torch = need("torch", what="a model", extra="torch")

    def digest(name: str) -> bytes:
        tensor = tensors[name].detach().cpu().contiguous()
        state = hashlib.blake2b(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode(), digest_size=_SIZE)
        state.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
        return state.digest()

    with ThreadPoolExecutor(thread_count(None)) as pool:  # hashing lets other threads run
        return hashlib.blake2b(b"".join(pool.map(digest, sorted(tensors))), digest_size=_SIZE).hexdigest()


def of_config(model: Any) -> str:
    """Digest of the configuration of a transformers model, wherever it was loaded from."""
    config = {name: value for name, value in model.config.to_dict().items() if name not in _WHERE_IT_CAME_FROM}
    config["attention"] = getattr(model.config, "_attn_implementation", None)
    return _of_json(config)


def of_tokenizer(tokenizer: Any) -> str:
    """Digest of what a tokenizer does to a text."""
    return _of_json(_about_tokenizer(tokenizer))


def about_backend(tokenizer: Any) -> dict[str, Any] | None:
    """What a fast tokenizer of transformers does to a text, as facts for JSON; None for any other."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return None
    # How texts are cut and filled up is left in it by the latest call, and given anew with every call.
    facts: dict[str, Any] = json.loads(backend.to_str())
    return facts | {"truncation": tokenizer.truncation_side, "padding": None}


def _about_tokenizer(tokenizer: Any) -> Any:
    facts = about_backend(tokenizer)
    if facts is not None:
        return facts
    options = {name: value for name, value in tokenizer.init_kwargs.items() if not name.endswith(_NAMES_OF_FILES)}
    return [type(tokenizer).__name__, tokenizer.get_vocab(), options]


def _of_json(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=_SIZE).hexdigest()
