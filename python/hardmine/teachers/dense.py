"""Any transformers encoder as a teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.plumbing import checks
from hardmine.plumbing.progress import Reporting
from hardmine.teachers._encoder import Encoder
from hardmine.teachers._model_folder import POOLINGS, Recipe, read_recipe
from hardmine.teachers._transformer import check_place, loading, needed, refuse_wordless
from hardmine.teachers.model_digest import model_digests


class Dense(Encoder):
    """A transformers encoder that embeds queries and documents; made by `hardmine.teachers.load`.

    Parameters
    ----------
    model : str
        Folder or Hugging Face name.
    pooling : {"mean", "cls", "lasttoken"}, optional
        How token embeddings become one. Default: what the model's configuration says, else "mean".
    query_prompt, document_prompt : str, optional
        Put before every text. Default: what the model's configuration says, else nothing.
    max_length : int, optional
        Tokens after which a text is cut, those that the model adds counted: at least one more than these, at most the
        positions that the model has. Default: what the model's configuration says.
    similarity : {"cosine", "dot"}, optional
        Default: what the model's configuration says, else "cosine".
    normalize : bool, optional
        Scale embeddings to length 1. Default: what the model's configuration says.
    dtype : {"float32", "bfloat16", "float16", "auto"}, optional
        Default: bfloat16 on CUDA, float32 elsewhere (the same embeddings on every run and close to the same on every
        machine). "auto" is bfloat16 on CUDA; elsewhere it takes about a second to measure both here and now, and
        bfloat16 where it is at least 1.2 times as fast: three times with matrix units (AMX), while with the vector
        instructions alone it may be slower than float32. It is no default because a choice that depends on a
        measurement is not the same on every run: name the dtype it found (the attribute ``dtype``) for work that is
        to be resumed or repeated. While it measures, the model is held in both.
    device : str, optional
        Default: CUDA, else MPS, else CPU.
    batch_tokens : int, optional
        Tokens of a batch, padding included.
    name : str, optional
        What training files and runs call it; the model's name by default.

    Attributes
    ----------
    dtype : str
        The arithmetic that is used, never "auto".
    dtype_choice : MeasuredDtype or None
        What "auto" has measured, and what it chose.

    Raises
    ------
    ValueError
        The model's configuration asks for something else than the above, or the model cannot be loaded.
    """

    recipe: Recipe

    def __init__(
        self,
        model: str,
        *,
        pooling: str | None = None,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        max_length: int | None = None,
        similarity: str | None = None,
        normalize: bool | None = None,
        dtype: str | None = None,
        device: str | None = None,
        batch_tokens: int | None = None,
        name: str | None = None,
    ) -> None:
        transformers = needed("dense teacher")
        check_place("teacher", model, "a model folder, a model name or 'bm25'")
        given: dict[str, Any] = {
            "query_prompt": query_prompt,
            "document_prompt": document_prompt,
            "normalize": normalize,
        }
        if pooling is not None:
            given["pooling"] = checks.choice("pooling", pooling, POOLINGS)
        if max_length is not None:
            max_length = checks.integer("max_length", max_length, minimum=1)
        if similarity is not None:
            given["similarity"] = similarity
        recipe = read_recipe(model)
        recipe = replace(recipe, **{key: value for key, value in given.items() if value is not None})
        self.similarity = checks.similarity(recipe.similarity or "cosine")
        super().__init__(model, what="dense teacher", device=device, dtype=dtype, batch_tokens=batch_tokens, name=name)
        with loading(transformers, "teacher", model):
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(model, subfolder=recipe.subfolder)
            config = transformers.AutoConfig.from_pretrained(model, subfolder=recipe.subfolder)
            # Of an encoder-decoder only the encoder embeds.
            family = transformers.AutoModelForTextEncoding if config.is_encoder_decoder else transformers.AutoModel
            loaded = family.from_pretrained(model, subfolder=recipe.subfolder, config=config)
        loaded.config.use_cache = False
        refuse_wordless("teacher", model, self._tokenizer)
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        longest = self._length(max_length, recipe.max_length, loaded)
        self.recipe = replace(recipe, pooling=recipe.pooling or "mean", max_length=longest)
        self._settle(loaded, longest)

    def embed_queries(self, texts: Sequence[str], *, progress: Reporting = False) -> npt.NDArray[np.float32]:
        """Embeddings of queries, float32 [num_texts, dimension], in the order given."""
        return self._embed("queries", texts, self.recipe.query_prompt, progress=progress)

    def embed_documents(self, texts: Sequence[str], *, progress: Reporting = False) -> npt.NDArray[np.float32]:
        """Embeddings of documents, float32 [num_texts, dimension], in the order given."""
        return self._embed("documents", texts, self.recipe.document_prompt, progress=progress)

    def fingerprint(self, what: str) -> dict[str, Any]:
        """All that embeddings of ``"queries"`` or ``"documents"`` depend on besides the texts; see `DenseTeacher`.

        Weights are known by their numbers, not by a name: those in memory are hashed each time, a second per GB or so.
        """
        recipe = self.recipe
        return {
            "teacher": "dense",
            "class": f"{type(self).__module__}.{type(self).__qualname__}",
            **model_digests(self._model, self._tokenizer),
            "pooling": recipe.pooling,
            "normalize": recipe.normalize,
            "max_length": recipe.max_length,
            "lower_case": recipe.lower_case,
            "prompt": recipe.query_prompt if what == "queries" else recipe.document_prompt,
            "include_prompt": recipe.include_prompt,
            "dtype": self.dtype,
            "device": self.device.type,
            "batch_tokens": self.batch_tokens,
        }

    def __repr__(self) -> str:
        return f"Dense({self.name!r}, {self.recipe.pooling}, {self.similarity}, {self._shown_dtype()} on {self.device})"

    def _embed(self, what: str, texts: Sequence[str], prompt: str, *, progress: Reporting) -> npt.NDArray[np.float32]:
        width = int(self._model.config.hidden_size)
        result = np.empty((len(texts), width), dtype=np.float32)
        skipped = 0 if self.recipe.include_prompt or not prompt else len(self._tokenize([""], prompt)[0]) - 1

        def take(members: npt.NDArray[np.int64], tokens: list[list[int]]) -> None:
            result[members] = self._forward(tokens, skipped).float().cpu().numpy()

        self._each_batch(what, texts, prompt, take, progress=progress)
        return result

    def _pass(self, tokens: list[list[int]]) -> npt.NDArray[np.float32]:
        found: npt.NDArray[np.float32] = self._forward(tokens, 0).float().cpu().numpy()
        return found

    def _forward(self, tokens: list[list[int]], skipped: int) -> Any:
        torch = self._torch
        batch = self._padded(tokens)
        hidden = self._model(**batch.inputs).last_hidden_state
        position = torch.arange(hidden.shape[1], device=self.device)
        pooled = self._pool(hidden, batch.mask & (position >= skipped), batch.lengths)
        return torch.nn.functional.normalize(pooled, dim=-1) if self.recipe.normalize else pooled

    def _pool(self, hidden: Any, mask: Any, lengths: Any) -> Any:
        rows = self._torch.arange(hidden.shape[0], device=hidden.device)
        if self.recipe.pooling == "cls":
            return hidden[rows, mask.int().argmax(dim=1)].float()
        if self.recipe.pooling == "lasttoken":
            return hidden[rows, (lengths - 1).clamp(min=0)].float()
        weights = mask.unsqueeze(-1).float()
        return (hidden.float() * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)
