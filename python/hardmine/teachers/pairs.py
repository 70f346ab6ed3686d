"""What scores pairs of texts, in one shape, whatever it was: a name, a CrossEncoder, an object, a function."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.plumbing import arrays, checks
from hardmine.plumbing.extras import is_a, need
from hardmine.plumbing.progress import Reporting
from hardmine.teachers.model_digest import model_digests, of_weights
from hardmine.teachers.protocol import PairScorer, strings


def pair_scorer(scorer: Any, argument: str = "scorer") -> PairScorer:
    """Whatever scores pairs, as a `PairScorer`.

    Parameters
    ----------
    scorer : str, path-like, CrossEncoder of sentence-transformers, PairScorer or callable
        A name or a folder is loaded as by `load_cross_encoder`. A callable is given two lists of texts and returns a
        score for each pair; its own name is that of the scorer.
    argument : str
        What errors call it.

    Raises
    ------
    TypeError, ValueError
        Something else, or what loading raises.
    """
    if isinstance(scorer, (str, os.PathLike)):
        from hardmine.teachers.cross_encoder import CrossEncoder

        return CrossEncoder(os.fspath(scorer))
    if hasattr(scorer, "score_pairs") and not isinstance(scorer, type):
        if not isinstance(getattr(scorer, "name", None), str) or not scorer.name:
            raise TypeError(f"{argument}: {type(scorer).__name__} with score_pairs but no name, expected a string")
        found: PairScorer = scorer
        return found
    if is_a(scorer, "sentence_transformers", "CrossEncoder"):
        return _Predicting(scorer)
    if callable(scorer) and not isinstance(scorer, type):
        return _Called(scorer)
    raise TypeError(
        f"{argument}: {type(scorer).__name__}, expected the name or folder of a cross-encoder, a CrossEncoder of "
        "sentence_transformers, an object with name and score_pairs, or a callable"
    )


def scores_of(whose: str, found: Any, count: int, describe: Callable[[int], str]) -> npt.NDArray[np.float32]:
    """What a scorer has returned as scores of its own memory: a scorer may hand out the same buffer again.

    Parameters
    ----------
    whose : str
        What errors call the scorer.
    found : array or tensor of floats [count]
    count : int
    describe : callable
        What errors call the pair at a place.

    Raises
    ------
    TypeError, ValueError
        It is something else, or holds a NaN, or a finite number that float32 cannot hold.
    """
    tensor = arrays.tensor(found)
    if tensor is not None:  # float64 goes as it is, so that what is too large is seen
        found = (tensor if "float64" in str(tensor.dtype) else tensor.float()).detach().cpu().numpy()
    scores = checks.float32_vector(whose, found, length=count).copy()
    if np.isnan(scores).any():
        raise ValueError(f"{whose}: NaN for {describe(int(np.isnan(scores).argmax()))}, expected a number")
    infinite = np.isinf(scores)
    if infinite.any():
        too_large = np.flatnonzero(infinite)[np.isfinite(np.asarray(found)[infinite])]
        if too_large.size:
            at = int(too_large[0])
            raise ValueError(f"{whose}: {found[at]:g} for {describe(at)}, expected a number that float32 can hold")
    return scores


class _Called:
    """A function of two lists of texts."""

    similarity = "score"

    def __init__(self, function: Callable[[list[str], list[str]], Any]) -> None:
        name = getattr(function, "name", None) or getattr(function, "__name__", None)
        self.name = name if isinstance(name, str) else type(function).__name__
        self._function = function
        for given in ("fingerprint", "group_bytes", "similarity"):
            if hasattr(function, given):
                setattr(self, given, getattr(function, given))

    def score_pairs(
        self,
        queries: Sequence[str],
        documents: Sequence[str],
        *,
        progress: Reporting = False,  # noqa: ARG002
    ) -> Any:
        """What the function returns."""
        return self._function(strings(queries), strings(documents))


class _Predicting:
    """A CrossEncoder of sentence-transformers: its own tokens, batches and activation."""

    def __init__(self, model: Any) -> None:
        self._model = model
        labels = int(model.num_labels)
        if labels not in (1, 2):
            raise ValueError(
                f"scorer: a CrossEncoder with {labels} labels, expected one (a score) or two (the last of which means "
                "relevant)"
            )
        self._odds = labels == 2
        self.similarity = "log-odds" if self._odds else type(model.activation_fn).__name__.lower()
        known = getattr(model.config, "_name_or_path", None) or "cross-encoder"
        self.name = Path(known).resolve().name if Path(known).is_dir() else str(known)

    def score_pairs(
        self,
        queries: Sequence[str],
        documents: Sequence[str],
        *,
        progress: Reporting = False,  # noqa: ARG002
    ) -> npt.NDArray[np.float32]:
        """What ``predict`` returns; of two labels the log-odds of the last."""
        pairs = list(zip(strings(queries), strings(documents), strict=True))
        if not self._odds:
            found = self._model.predict(pairs, show_progress_bar=False)
            return np.asarray(found, dtype=np.float32)
        torch = need("torch", what="scoring pairs", extra="torch")
        logits = np.asarray(self._model.predict(pairs, activation_fn=torch.nn.Identity(), show_progress_bar=False))
        return np.ascontiguousarray(logits[:, 1] - logits[:, 0], dtype=np.float32)

    def fingerprint(self) -> dict[str, Any]:
        """All that a score depends on besides the two texts."""
        model = self._model
        activation = type(model.activation_fn)
        return {
            "scorer": "sentence-transformers",
            **model_digests(model.model, model.tokenizer),
            "modules": [[f"{type(each).__module__}.{type(each).__qualname__}", _settings(each)] for each in model],
            "other_weights": of_weights({k: v for k, v in model.state_dict().items() if not k.startswith("0.")}),
            "activation": f"{activation.__module__}.{activation.__qualname__} {model.activation_fn!r}",
            "max_length": model.max_seq_length,
            "prompt": [model.default_prompt_name, dict(model.prompts)],
            "dtype": str(model.dtype) if hasattr(model, "dtype") else None,
            "device": model.device.type,
            "sentence_transformers": str(need("sentence_transformers", what="scorer", extra="torch").__version__),
        }


def _settings(module: Any) -> Any:
    """What a module of sentence-transformers was made with, besides its weights."""
    known = getattr(module, "get_config_dict", None)
    return repr(sorted(known().items(), key=str)) if callable(known) else None
