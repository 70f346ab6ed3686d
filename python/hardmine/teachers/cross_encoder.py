"""Any transformers sequence-classification model as a scorer of pairs: both texts go through the model together."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.plumbing import checks
from hardmine.plumbing.progress import Progress, Reporting
from hardmine.teachers._model_folder import ACTIVATIONS, read_pair_recipe
from hardmine.teachers._transformer import WINDOW, Transformer, check_place, loading, needed, refuse_wordless
from hardmine.teachers.model_digest import model_digests
from hardmine.teachers.protocol import strings

_WHAT = "cross-encoder"


class CrossEncoder(Transformer):
    """A transformers cross-encoder; made by `hardmine.teachers.load_cross_encoder`, whose parameters these are.

    Attributes
    ----------
    name : str
        What runs call it.
    similarity : str
        What its score is: "logit", "sigmoid" or "log-odds".
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
        max_length: int | None = None,
        activation: str | None = None,
        dtype: str | None = None,
        device: str | None = None,
        batch_tokens: int | None = None,
        name: str | None = None,
    ) -> None:
        transformers = needed(_WHAT)
        check_place(_WHAT, model, "a model folder or a model name")
        super().__init__(model, what=_WHAT, device=device, dtype=dtype, batch_tokens=batch_tokens, name=name)
        if activation is not None:
            checks.choice("activation", activation, ACTIVATIONS)
        if max_length is not None:
            max_length = checks.integer("max_length", max_length, minimum=1)
        recipe = read_pair_recipe(model)
        with loading(transformers, _WHAT, model):
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(model, subfolder=recipe.subfolder)
            loaded, about = transformers.AutoModelForSequenceClassification.from_pretrained(
                model, subfolder=recipe.subfolder, output_loading_info=True
            )
        _refuse_headless(model, about)
        labels = int(loaded.config.num_labels)
        self.similarity = _meaning(model, labels, activation, recipe.activation)
        loaded.config.use_cache = False
        refuse_wordless(_WHAT, model, self._tokenizer)
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        if loaded.config.pad_token_id is None:  # a decoder finds the last token by it
            loaded.config.pad_token_id = self._tokenizer.pad_token_id
        self._unwanted = _unwanted(self._tokenizer, loaded)
        self.max_length = self._length(max_length, recipe.max_length, loaded, texts=2)
        self._settle(loaded, self.max_length)

    def _placed(self, model: Any, dtype: str) -> Any:
        """The model in its arithmetic, but its head in float32: a score of eight bits would tie with its neighbours."""
        placed = super()._placed(model, dtype)
        body = placed.base_model
        for part in placed.children():
            if part is not body and dtype != "float32":
                part.float()
                part.register_forward_pre_hook(_widened)
        return placed

    def score_pairs(
        self, queries: Sequence[str], documents: Sequence[str], *, progress: Reporting = False
    ) -> npt.NDArray[np.float32]:
        """Score of each pair (queries[i], documents[i]).

        Parameters
        ----------
        queries, documents : sequence of str
            Of one length.
        progress : bool or callable
            Whether to show progress on standard error, or what to call with each `hardmine.ProgressEvent`.

        Returns
        -------
        float32 [n]
            In the order given.
        """
        if len(queries) != len(documents):
            raise ValueError(f"documents: {len(documents)} texts, expected {len(queries)} as queries")
        result = np.empty(len(queries), dtype=np.float32)
        with (
            Progress("scoring pairs", len(queries), progress) as bar,
            ThreadPoolExecutor(1) as ahead,  # tokenises the next window while the model works on this one
            self._torch.inference_mode(),
        ):
            starts = range(0, len(queries), WINDOW)
            windows = (ahead.submit(self._tokenize, queries[s : s + WINDOW], documents[s : s + WINDOW]) for s in starts)
            upcoming = next(windows, None)
            for start in starts:
                assert upcoming is not None  # noqa: S101
                columns, upcoming = upcoming.result(), next(windows, None)
                for members in self._batches(columns["input_ids"]):
                    batch = {name: [rows[i] for i in members] for name, rows in columns.items()}
                    result[start + members] = self._scores(batch)
                    bar.update(len(members))
        return result

    def fingerprint(self) -> dict[str, Any]:
        """All that a score depends on besides the two texts; weights are hashed each time, a second per GB or so."""
        return {
            "scorer": _WHAT,
            "class": f"{type(self).__module__}.{type(self).__qualname__}",
            **model_digests(self._model, self._tokenizer),
            "score": self.similarity,
            "max_length": self.max_length,
            "dtype": self.dtype,
            "device": self.device.type,
            "batch_tokens": self.batch_tokens,
        }

    def __repr__(self) -> str:
        return f"CrossEncoder({self.name!r}, {self.similarity}, {self._shown_dtype()} on {self.device})"

    def _tokenize(self, queries: Any, documents: Any) -> dict[str, list[list[int]]]:
        """Tokens of the pairs by the name of the model's input; the longer of the two texts is cut first."""
        found = self._tokenizer(
            strings(queries),
            strings(documents),
            truncation="longest_first",
            max_length=self.max_length,
            return_attention_mask=False,
        )
        self._refuse_unknown(found["input_ids"])
        return {name: found[name] for name in found if name not in self._unwanted}

    def _pass(self, tokens: list[list[int]]) -> npt.NDArray[np.float32]:
        return self._scores({"input_ids": tokens})

    def _scores(self, columns: dict[str, list[list[int]]]) -> npt.NDArray[np.float32]:
        torch = self._torch
        rows = columns["input_ids"]
        width = max(1, *map(len, rows))
        left = self._tokenizer.padding_side == "left"
        fills = {"input_ids": self._tokenizer.pad_token_id or 0, "token_type_ids": self._tokenizer.pad_token_type_id}

        def padded(values: list[list[int]], fill: int) -> Any:
            filled = [
                ([fill] * (width - len(row)) + row) if left else (row + [fill] * (width - len(row))) for row in values
            ]
            return torch.tensor(filled, device=self.device)

        inputs = {name: padded(values, fills.get(name, 0)) for name, values in columns.items()}
        # Without a mask attention takes its fastest route; equal lengths need none.
        if any(len(row) != width for row in rows):
            inputs["attention_mask"] = padded([[1] * len(row) for row in rows], 0)
        logits = self._model(**inputs).logits.float()
        if self.similarity == "log-odds":
            found = logits[:, 1] - logits[:, 0]
        else:
            found = logits[:, 0].sigmoid() if self.similarity == "sigmoid" else logits[:, 0]
        scores: npt.NDArray[np.float32] = found.cpu().numpy()
        return scores


def _unwanted(tokenizer: Any, model: Any) -> set[str]:
    """What the tokeniser gives and the model does not take: a plain one types the tokens of a decoder's texts too."""
    parameters = inspect.signature(model.forward).parameters
    if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return set()
    return set(tokenizer.model_input_names) - set(parameters)


def _widened(_: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of a module, those that are floats in float32."""
    return tuple(each.float() if hasattr(each, "is_floating_point") and each.is_floating_point() else each
                 for each in arguments)  # fmt: skip


def _meaning(model: str, labels: int, wanted: str | None, stated: str | None) -> str:
    """What the score of a model with so many labels is."""
    if labels not in (1, 2):
        raise ValueError(
            f"{_WHAT} {model!r}: {labels} labels, expected one (a score) or two (the last of which means relevant)"
        )
    if labels == 1:
        return wanted or stated or ACTIVATIONS[0]
    if wanted is not None:
        raise ValueError(f"activation: {wanted!r}, expected none: the score of two labels is the log-odds of the last")
    return "log-odds"


def _refuse_headless(model: str, about: Any) -> None:
    """Raise where weights were not in the files: transformers makes them up, and scores would mean nothing."""
    missing = sorted(about.get("missing_keys") or ())
    if missing:
        raise ValueError(
            f"{_WHAT} {model!r}: its files lack {missing[0]!r}"
            + (f" and {len(missing) - 1} more" if missing[1:] else "")
            + ", expected a sequence-classification model (an encoder, or a language model, has no such head)"
        )
