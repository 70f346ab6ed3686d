"""Any transformers encoder as a teacher."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.plumbing import checks
from hardmine.plumbing.extras import need
from hardmine.plumbing.progress import Progress, Reporting
from hardmine.teachers._dtype import MeasuredDtype, measured
from hardmine.teachers.model_digest import model_digests
from hardmine.teachers._model_folder import POOLINGS, read_recipe
from hardmine.teachers.protocol import strings

DTYPES = ("float32", "bfloat16", "float16", "auto")
"""Arithmetic of the model; embeddings leave as float32."""

_SIMILARITIES = ("cosine", "dot")
_WINDOW = 16_384
_BATCH_TOKENS = {"cpu": 2_048, "mps": 16_384, "cuda": 65_536}
_MEASURED_TOKENS = 128  # of a text; which dtype is faster hardly depends on it
_OPERATIONS = {"cpu": 2 * 10**11, "mps": 2 * 10**12, "cuda": 5 * 10**13}  # a second, roughly
_BYTES_PER_TOKEN = 4
_UNLIMITED = 100_000  # tokenizers without a limit report numbers above this


class Dense:
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
        Tokens after which a text is cut. Default: what the model's configuration says.
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
        self._torch = need("torch", what="dense teachers", extra="torch")
        transformers = need("transformers", what="dense teachers", extra="torch")
        _check_place(model)
        given: dict[str, Any] = {
            "query_prompt": query_prompt,
            "document_prompt": document_prompt,
            "normalize": normalize,
        }
        if pooling is not None:
            given["pooling"] = checks.choice("pooling", pooling, POOLINGS)
        if max_length is not None:
            given["max_length"] = checks.integer("max_length", max_length, minimum=1)
        if similarity is not None:
            given["similarity"] = similarity
        recipe = read_recipe(model)
        recipe = replace(recipe, **{key: value for key, value in given.items() if value is not None})
        self.similarity = checks.similarity(recipe.similarity or "cosine")
        self.name = name or (Path(model).resolve().name if Path(model).is_dir() else model)
        self.device = self._torch.device(device or self._best_device())
        if dtype is None:
            dtype = "bfloat16" if self.device.type == "cuda" else "float32"
        checks.choice("dtype", dtype, DTYPES)
        default = _BATCH_TOKENS.get(self.device.type, _BATCH_TOKENS["cpu"])
        self.batch_tokens = checks.integer("batch_tokens", default if batch_tokens is None else batch_tokens, minimum=1)
        with _loading(transformers, model):
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(model, subfolder=recipe.subfolder)
            config = transformers.AutoConfig.from_pretrained(model, subfolder=recipe.subfolder)
            # Of an encoder-decoder only the encoder embeds.
            family = transformers.AutoModelForTextEncoding if config.is_encoder_decoder else transformers.AutoModel
            loaded = family.from_pretrained(model, subfolder=recipe.subfolder, config=config)
        loaded.config.use_cache = False
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        longest = recipe.max_length or self._longest(config)
        self.recipe = replace(recipe, pooling=recipe.pooling or "mean", max_length=longest)
        self.dtype_choice = self._measured(loaded, min(_MEASURED_TOKENS, longest)) if dtype == "auto" else None
        self.dtype = dtype if self.dtype_choice is None else self.dtype_choice.dtype
        self._model = self._placed(loaded, self.dtype)

    def _placed(self, model: Any, dtype: str) -> Any:
        return model.to(device=self.device, dtype=getattr(self._torch, dtype)).eval()

    def _measured(self, loaded: Any, width: int) -> MeasuredDtype:
        """Which of the two arithmetics is the faster one for this model on this device."""
        if self.device.type == "cuda":
            return MeasuredDtype("bfloat16")
        half = self._placed(deepcopy(loaded), "bfloat16")
        models = {"float32": self._placed(loaded, "float32"), "bfloat16": half}
        token = self._tokenizer.unk_token_id or self._tokenizer.pad_token_id or 0
        longest, others = [token] * width, [token] * max(1, width - 1)  # as most batches are: with some padding

        def embed(model: Any, rows: int) -> None:
            self._model = model
            with self._torch.inference_mode():
                self._forward([longest, *[others] * (rows - 1)], 0).float().cpu()

        passes = {dtype: partial(embed, model) for dtype, model in models.items()}
        return measured(passes, width, max(1, self.batch_tokens // width))

    def _best_device(self) -> str:
        if self._torch.cuda.is_available():
            return "cuda"
        return "mps" if self._torch.backends.mps.is_available() else "cpu"

    def _longest(self, config: Any) -> int:
        limits = [self._tokenizer.model_max_length, getattr(config, "max_position_embeddings", None) or _UNLIMITED]
        return min(512 if min(limits) >= _UNLIMITED else min(limits), _UNLIMITED)

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

    @property
    def group_bytes(self) -> int:
        """Bytes of texts that take about ten seconds, by the size of the model; see `DenseTeacher`.

        By no measurement: the same texts must make the same groups whenever a run goes on.
        """
        numbers: int = sum(weight.numel() for weight in self._model.parameters())
        operations = _OPERATIONS.get(self.device.type, _OPERATIONS["cuda"])
        tokens = max(10 * operations // (2 * numbers), self.batch_tokens)
        return min(_BYTES_PER_TOKEN * tokens, 2**20)

    def __repr__(self) -> str:
        dtype = self.dtype if self.dtype_choice is None else f"{self.dtype} ({self.dtype_choice})"
        return f"Dense({self.name!r}, {self.recipe.pooling}, {self.similarity}, {dtype} on {self.device})"

    def _embed(self, what: str, texts: Sequence[str], prompt: str, *, progress: Reporting) -> npt.NDArray[np.float32]:
        width = int(self._model.config.hidden_size)
        result = np.empty((len(texts), width), dtype=np.float32)
        skipped = 0 if self.recipe.include_prompt or not prompt else len(self._tokenize([""], prompt)[0]) - 1
        with (
            Progress(f"embedding {what}", len(texts), progress) as bar,
            ThreadPoolExecutor(1) as ahead,  # tokenises the next window while the model works on this one
            self._torch.inference_mode(),
        ):
            starts = range(0, len(texts), _WINDOW)
            windows = (ahead.submit(self._tokenize, texts[s : s + _WINDOW], prompt) for s in starts)
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

    def _batches(self, tokens: list[list[int]]) -> Iterator[npt.NDArray[np.int64]]:
        """Texts of like length together, longest first, so that padding is rare and memory peaks at the start."""
        lengths = np.array([max(len(t), 1) for t in tokens], dtype=np.int64)
        order = np.argsort(-lengths, kind="stable")
        start = 0
        while start < order.size:
            rows = max(1, self.batch_tokens // int(lengths[order[start]]))
            yield order[start : start + rows]
            start += rows

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


def _check_place(model: str) -> None:
    path = Path(model)
    if path.is_dir():
        if not (path / "config.json").is_file() and not (path / "modules.json").is_file():
            raise ValueError(f"teacher {model!r}: the folder holds no model (no config.json or modules.json)")
        return
    looks_like_path = path.is_absolute() or model.startswith((".", "~")) or model.count("/") > 1 or path.exists()
    if looks_like_path:
        raise FileNotFoundError(f"teacher {model!r}: no such folder, expected a model folder, a model name or 'bm25'")


@contextmanager
def _loading(transformers: Any, model: str) -> Iterator[None]:
    """Load without bars, and with one line where it fails."""
    logging = transformers.utils.logging
    shown = logging.is_progress_bar_enabled()
    level = logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    except Exception as error:  # whatever its loaders raise, from a missing file to a broken header
        reason = " ".join(str(error).split()) or type(error).__name__
        reason = reason if len(reason) <= 160 else reason[:157] + "..."
        raise ValueError(f"teacher {model!r}: cannot be loaded ({reason})") from error
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()
