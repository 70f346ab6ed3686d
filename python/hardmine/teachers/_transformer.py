"""What the transformers models here have in common: where it is loaded from, its device, arithmetic, batches."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.plumbing import checks
from hardmine.plumbing.extras import need
from hardmine.teachers._dtype import MeasuredDtype, measured

DTYPES = ("float32", "bfloat16", "float16", "auto")
"""Arithmetic of a model; what it computes leaves as float32."""
WINDOW = 16_384
"""Texts that are tokenised at a time."""

_BATCH_TOKENS = {"cpu": 2_048, "mps": 16_384, "cuda": 65_536}
_MEASURED_TOKENS = 128  # of a text; which dtype is faster hardly depends on it
_OPERATIONS = {"cpu": 2 * 10**11, "mps": 2 * 10**12, "cuda": 5 * 10**13}  # a second, roughly
_BYTES_PER_TOKEN = 4
_UNLIMITED = 100_000  # tokenizers without a limit report numbers above this


class Transformer(ABC):
    """A model on its device, in its arithmetic; a subclass says how to load it and what a forward pass gives.

    Parameters
    ----------
    model : str
        Folder or Hugging Face name.
    what : str
        What errors call it.
    device, dtype, batch_tokens, name
        As of `Dense`.
    """

    def __init__(
        self,
        model: str,
        *,
        what: str,
        device: str | None,
        dtype: str | None,
        batch_tokens: int | None,
        name: str | None,
    ) -> None:
        self._torch = need("torch", what=f"a {what}", extra="torch")
        self.name = name or (Path(model).resolve().name if Path(model).is_dir() else model)
        self.device = self._usable(device or self._best_device())
        if dtype is None:
            dtype = "bfloat16" if self.device.type == "cuda" else "float32"
        self.dtype = checks.choice("dtype", dtype, DTYPES)
        default = _BATCH_TOKENS.get(self.device.type, _BATCH_TOKENS["cpu"])
        self.batch_tokens = checks.integer("batch_tokens", default if batch_tokens is None else batch_tokens, minimum=1)
        self.dtype_choice: MeasuredDtype | None = None
        self._tokenizer: Any = None
        self._model: Any = None
        self._known: Any = None
        self._may_exceed = False

    def _settle(self, loaded: Any, longest: int) -> None:
        """Place a loaded model on the device, in the arithmetic that was asked for or is found to be faster."""
        if self.dtype == "auto":
            self.dtype_choice = self._measured(loaded, min(_MEASURED_TOKENS, longest))
            self.dtype = self.dtype_choice.dtype
        self._model = self._placed(loaded, self.dtype)
        table = loaded.get_input_embeddings()
        self._known = getattr(table, "num_embeddings", None)
        highest = max(self._tokenizer.get_vocab().values(), default=-1)
        self._may_exceed = self._known is not None and highest >= self._known

    def _refuse_unknown(self, tokens: list[list[int]]) -> None:
        """Raise where the tokenizer made a token that the model has no embedding of."""
        if not self._may_exceed:
            return
        for row in tokens:
            if max(row, default=0) >= self._known:
                token = self._tokenizer.convert_ids_to_tokens(max(row))
                raise ValueError(
                    f"teacher {self.name!r}: its tokenizer makes token {max(row)} ({token!r}), expected below "
                    f"{self._known}, the size of the model's vocabulary"
                )

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

        def run(model: Any, rows: int) -> None:
            self._model = model
            with self._torch.inference_mode():
                self._pass([longest, *[others] * (rows - 1)])

        passes: dict[str, Callable[[int], object]] = {dtype: partial(run, model) for dtype, model in models.items()}
        return measured(passes, width, max(1, self.batch_tokens // width))

    @abstractmethod
    def _pass(self, tokens: list[list[int]]) -> npt.NDArray[np.float32]:
        """What the model makes of some rows of tokens."""

    def _best_device(self) -> str:
        if self._torch.cuda.is_available():
            return "cuda"
        return "mps" if self._torch.backends.mps.is_available() else "cpu"

    def _usable(self, name: Any) -> Any:
        """The device of this name, tried out: a model takes its time to load."""
        try:
            device = self._torch.device(name)
            if device.type == "meta":
                raise RuntimeError("it holds no numbers")
            self._torch.zeros(1, device=device).cpu()
        except Exception as error:  # whatever its driver raises
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise ValueError(f"device: {name!r} cannot be used here ({lines[0][:160]})") from None
        return device

    def _length(self, given: int | None, stated: int | None, loaded: Any, *, texts: int = 1) -> int:
        """The tokens after which an input of so many texts is cut; what the model cannot take is refused, or capped."""
        most = _positions(self._torch, loaded)
        own = int(self._tokenizer.num_special_tokens_to_add(pair=texts == 2))
        if given is not None and not own + texts <= given <= most:
            raise ValueError(
                f"max_length: {given}, expected "
                + (f"at most {most}, the positions of {self.name!r}" if given > most else
                   f"at least {own + texts}, since {own} tokens are those that {self.name!r} adds")
            )  # fmt: skip
        return min(given or stated or self._longest(loaded.config), most)

    def _longest(self, config: Any) -> int:
        limits = [self._tokenizer.model_max_length, getattr(config, "max_position_embeddings", None) or _UNLIMITED]
        return min(512 if min(limits) >= _UNLIMITED else min(limits), _UNLIMITED)

    @property
    def group_bytes(self) -> int:
        """Bytes of texts that take about ten seconds, by the size of the model; see `DenseTeacher`.

        By no measurement: the same texts must make the same groups whenever a run goes on.
        """
        return bytes_of_some_seconds(self._model, self.device.type, self.batch_tokens)

    def _batches(self, tokens: list[list[int]]) -> Iterator[npt.NDArray[np.int64]]:
        """Texts of like length together, longest first, so that padding is rare and memory peaks at the start."""
        lengths = np.array([max(len(t), 1) for t in tokens], dtype=np.int64)
        order = np.argsort(-lengths, kind="stable")
        start = 0
        while start < order.size:
            rows = max(1, self.batch_tokens // int(lengths[order[start]]))
            yield order[start : start + rows]
            start += rows

    def _shown_dtype(self) -> str:
        return self.dtype if self.dtype_choice is None else f"{self.dtype} ({self.dtype_choice})"


def _positions(torch: Any, model: Any) -> int:
    """The tokens that a model has embeddings of positions for; those that compute positions have no end."""
    counts = [sys.maxsize]
    for name, module in model.named_modules():
        last = name.rpartition(".")[2]
        if isinstance(module, torch.nn.Embedding) and last in ("position_embeddings", "embed_positions", "wpe"):
            # Some begin behind the number of the padding token, others behind an offset.
            skipped = 0 if module.padding_idx is None else module.padding_idx + 1
            counts.append(int(module.num_embeddings) - max(skipped, int(getattr(module, "offset", 0))))
    return min(counts)


def bytes_of_some_seconds(model: Any, device: str, least_tokens: int) -> int:
    """Bytes of texts that take a model about ten seconds, of at least so many tokens, at most 2**20."""
    numbers: int = sum(weight.numel() for weight in model.parameters())
    operations = _OPERATIONS.get(device, _OPERATIONS["cuda"])
    tokens = max(10 * operations // (2 * numbers), least_tokens)
    return min(_BYTES_PER_TOKEN * tokens, 2**20)


def needed(what: str) -> Any:
    """The package transformers; torch is asked for first, because without it transformers has a word of its own."""
    need("torch", what=f"a {what}", extra="torch")
    return need("transformers", what=f"a {what}", extra="torch")


def check_place(what: str, model: str, expected: str) -> None:
    """Raise where a name is a path at which there is no model."""
    path = Path(model)
    if path.is_dir():
        if not (path / "config.json").is_file() and not (path / "modules.json").is_file():
            raise ValueError(f"{what} {model!r}: the folder holds no model (no config.json or modules.json)")
        return
    looks_like_path = path.is_absolute() or model.startswith((".", "~")) or model.count("/") > 1 or path.exists()
    if looks_like_path:
        raise FileNotFoundError(f"{what} {model!r}: no such folder, expected {expected}")


def refuse_wordless(what: str, model: str, tokenizer: Any) -> None:
    """Raise where transformers made a tokenizer up, as it does where the files lack one: all words would be unknown."""
    if len(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids)) == 0:
        raise ValueError(f"{what} {model!r}: its tokenizer knows no words, expected the files of one")


@contextmanager
def loading(transformers: Any, what: str, model: str) -> Iterator[None]:
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
        raise ValueError(f"{what} {model!r}: cannot be loaded ({reason})") from error
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()
