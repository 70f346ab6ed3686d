"""Any transformers encoder as a teacher."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.plumbing import checks
from hardmine.plumbing.progress import Progress, Reporting
from hardmine.teachers._model_folder import POOLINGS, read_recipe
from hardmine.teachers._transformer import WINDOW, Transformer, check_place, loading, needed
from hardmine.teachers.model_digest import model_digests
from hardmine.teachers.protocol import strings


class Dense(Transformer):
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
        with (
            Progress(f"embedding {what}", len(texts), progress) as bar,
            ThreadPoolExecutor(1) as ahead,  # tokenises the next window while the model works on this one
            self._torch.inference_mode(),
        ):
            starts = range(0, len(texts), WINDOW)
            windows = (ahead.submit(self._tokenize, texts[s : s + WINDOW], prompt) for s in starts)
            upcoming = next(windows, None)
            for start in starts:
                assert upcoming is not None  # noqa: S101
                tokens, upcoming = upcoming.result(), next(windows, None)
                for members in self._batches(tokens):
                    embedded = self._forward([tokens[i] for i in members], skipped)
                    result[start + members] = embedded.float().cpu().numpy()
                    bar.update(len(members))
        return result

    def _tokenize(self, texts: Sequence[str], prompt: str) -> list[list[int]]:
        prepared = [prompt + text for text in strings(texts)]
        if self.recipe.lower_case:
            prepared = [text.lower() for text in prepared]
        found = self._tokenizer(
            prepared,
            truncation=True,
            max_length=self.recipe.max_length,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        ids: list[list[int]] = found["input_ids"]
        return ids

    def _pass(self, tokens: list[list[int]]) -> npt.NDArray[np.float32]:
        found: npt.NDArray[np.float32] = self._forward(tokens, 0).float().cpu().numpy()
        return found

    def _forward(self, tokens: list[list[int]], skipped: int) -> Any:
        torch = self._torch
        pad = self._tokenizer.pad_token_id or 0
        tokens = [t or [pad] for t in tokens]  # an empty text of a tokenizer without special tokens
        width = max(map(len, tokens))
        ids = torch.tensor([t + [pad] * (width - len(t)) for t in tokens], device=self.device)
        lengths = torch.tensor([len(t) for t in tokens], device=self.device)
        position = torch.arange(width, device=self.device)
        mask = position < lengths[:, None]
        # Without a mask attention takes its fastest route; equal lengths need none.
        full = all(len(t) == width for t in tokens)
        inputs = {} if full else {"attention_mask": mask.long()}
        hidden = self._model(input_ids=ids, **inputs).last_hidden_state
        pooled = self._pool(hidden, mask & (position >= skipped), lengths)
        return torch.nn.functional.normalize(pooled, dim=-1) if self.recipe.normalize else pooled

    def _pool(self, hidden: Any, mask: Any, lengths: Any) -> Any:
        rows = self._torch.arange(hidden.shape[0], device=hidden.device)
        if self.recipe.pooling == "cls":
            return hidden[rows, mask.int().argmax(dim=1)].float()
        if self.recipe.pooling == "lasttoken":
            return hidden[rows, (lengths - 1).clamp(min=0)].float()
        weights = mask.unsqueeze(-1).float()
        return (hidden.float() * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)
