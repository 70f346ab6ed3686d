"""Embeddings by the model as it is, once: kept in files if asked for."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.compat.sentence_transformers.settings import logger
from hardmine.nouns.strings import StringTable
from hardmine.plumbing.files import atomic_write, save_array
from hardmine.teachers.model_digest import about_backend, of_weights

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa


class Prompt(NamedTuple):
    """What the model puts before the texts of one side: a prompt, or the name of one that it knows."""

    text: str | None
    name: str | None


class Side(NamedTuple):
    """Queries or documents; the first texts may be there as Python strings too."""

    kind: str
    texts: pa.LargeStringArray
    prompt: Prompt
    given: Sequence[str] = ()

    def strings(self) -> list[str]:
        """The texts as Python strings: those that are there are not made once more."""
        return [*self.given, *self.texts.slice(len(self.given)).to_pylist()]


class Embeddings(NamedTuple):
    """One row for each distinct text."""

    queries: npt.NDArray[Any]
    documents: npt.NDArray[Any]


def embed(
    model: Any,
    queries: Side,
    documents: Side,
    *,
    batch_size: int,
    use_multi_process: list[str] | bool,
    cache_folder: str | None,
    verbose: bool,
) -> Embeddings:
    """Embeddings of queries and documents, from the cache where it holds them.

    Raises
    ------
    ValueError
        The model gives anything but one vector for each text, or a file of the cache is damaged.
    """
    files = _Cache(cache_folder, model, verbose=verbose) if cache_folder else None
    found = {side.kind: files.load(side) if files else None for side in (queries, documents)}
    missing = [side for side in (documents, queries) if found[side.kind] is None]
    if missing:
        encoders = {"query": model.encode_query, "corpus": model.encode_document}
        with pool_of(model, use_multi_process) as pool:
            for side in missing:
                vectors = encoders[side.kind](
                    side.strings(),
                    pool=pool,
                    batch_size=batch_size,
                    normalize_embeddings=True,
                    convert_to_numpy=True,
                    show_progress_bar=True,
                    prompt_name=side.prompt.name,
                    prompt=side.prompt.text,
                )
                found[side.kind] = _checked(side, vectors)
    arrays = {side.kind: _checked(side, found[side.kind]) for side in (queries, documents)}
    for side in (queries, documents):
        if files and side in missing:
            files.save(side, arrays[side.kind])
    return Embeddings(arrays["query"], arrays["corpus"])


@contextmanager
def pool_of(model: Any, use_multi_process: list[str] | bool) -> Iterator[Any]:  # noqa: FBT001
    """The model's pool of processes while it is needed; None where one process does the work."""
    if not use_multi_process:
        yield None
        return
    devices = None if isinstance(use_multi_process, bool) else use_multi_process
    pool = model.start_multi_process_pool(target_devices=devices)
    try:
        yield pool
    finally:
        model.stop_multi_process_pool(pool)


def _checked(side: Side, vectors: Any) -> npt.NDArray[Any]:
    """One row per text; float64, which models do not compute in, is rounded to float32."""
    array = as_numpy(vectors)
    if array.ndim != 2 or len(array) != len(side.texts):
        raise ValueError(
            f"model: embeddings of shape {array.shape} for {len(side.texts)} texts ({side.kind}), expected one row each"
        )
    return array.astype(np.float32) if array.dtype == np.float64 else array


def as_numpy(values: Any) -> npt.NDArray[Any]:
    """A NumPy array of what models return: bfloat16, which NumPy lacks, is widened."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.float() if str(values.dtype) == "torch.bfloat16" else values
        return np.asarray(values.numpy())
    return np.asarray(values)


class _Cache:
    """One .npy file for the embeddings of each (model, prompts, texts).

    The original's key has the name of the base model alone, which a fine-tuned model shares with the model it was made
    of, and every local folder shares with every other. Here it has what the embeddings depend on: weights, tokenizer,
    modules and prompts.
    """

    def __init__(self, folder: str, model: Any, *, verbose: bool) -> None:
        self._folder, self._verbose = Path(folder), verbose
        self._folder.mkdir(parents=True, exist_ok=True)
        self._model = fingerprint(model)

    def load(self, side: Side) -> npt.NDArray[Any] | None:
        path = self._path(side)
        if not path.exists():
            return None
        try:
            array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise ValueError(f"{path}: no array that NumPy can read ({error}); delete it to embed again") from None
        if array.ndim != 2 or len(array) != len(side.texts) or array.dtype.kind != "f":
            found = f"{array.dtype.name} of shape {array.shape}"
            raise ValueError(f"{path}: {found}, expected floats, {len(side.texts)} rows; delete it to embed again")
        if self._verbose:
            print(f"[Cache] Loaded {side.kind} embeddings from {path} (shape={array.shape})")
        return array

    def save(self, side: Side, array: npt.NDArray[Any]) -> None:
        path = self._path(side)
        with atomic_write(path) as file:
            save_array(file, array)
        if self._verbose:
            print(f"[Cache] Saved {side.kind} embeddings to {path}")

    def _path(self, side: Side) -> Path:
        digest = hashlib.sha256(repr((self._model, *side.prompt)).encode())
        table = StringTable.from_strings(side.texts)
        digest.update(table.offsets.data)
        digest.update(table.data.data)
        return self._folder / f"{side.kind}_embeddings_{digest.hexdigest()}.npy"


def fingerprint(model: Any) -> str:
    """A digest of what the embeddings of a model depend on; with a warning where its weights cannot be read."""
    digest = hashlib.sha256(repr((type(model).__qualname__, getattr(model, "prompts", None))).encode())
    for name in ("default_prompt_name", "truncate_dim", "max_seq_length"):
        digest.update(repr((name, getattr(model, name, None))).encode())
    weights = model.state_dict() if hasattr(model, "state_dict") else {}
    if not weights:
        base = getattr(getattr(model, "model_card_data", None), "base_model", None)
        logger.warning(
            "cache_folder: the weights of this %s cannot be read, so that any other of its class and base "
            "model (%s) would be given its embeddings.",
            type(model).__name__,
            base,
        )
        digest.update(repr(base).encode())
        return digest.hexdigest()
    if not repr(model).startswith("<"):  # which has an address
        digest.update(repr(model).encode())  # the modules and their settings, such as the pooling
    digest.update(of_weights(weights).encode())
    digest.update(_tokenizer(model))
    return digest.hexdigest()


def _tokenizer(model: Any) -> bytes:
    tokenizer = getattr(model, "tokenizer", None)
    facts = about_backend(tokenizer)
    if facts is not None:
        return json.dumps(facts, sort_keys=True).encode()
    vocabulary = getattr(tokenizer, "get_vocab", None)
    return repr(sorted(vocabulary().items(), key=str) if vocabulary else None).encode()
