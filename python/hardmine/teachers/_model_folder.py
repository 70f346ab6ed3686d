"""What a model's own files say about how to embed with it: the sentence-transformers configuration, old and new."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardmine.plumbing.extras import need

POOLINGS = ("mean", "cls", "lasttoken")
"""How token embeddings become one."""

_OLD_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_TRANSFORMER_FILES = (
    "sentence_bert_config.json", "sentence_roberta_config.json", "sentence_distilbert_config.json",
    "sentence_camembert_config.json", "sentence_albert_config.json", "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
)  # fmt: skip
ACTIVATIONS = ("logit", "sigmoid")
"""What becomes of the one logit of a cross-encoder; the first where its configuration says nothing."""
SPARSE_ACTIVATIONS = ("relu", "log1p_relu")
"""What becomes of a logit before log(1 + x)."""
OF_AN_OBJECT = "give the object that sentence_transformers.SparseEncoder loads instead"
_TORCH_ACTIVATIONS = {"Identity": "logit", "Sigmoid": "sigmoid"}
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")
_NOT_READ = ("query_length", "document_length", "query_expansion", "processing_kwargs")
"""What a text is given to a model by that is not done here: embeddings made without it would be others."""


@dataclass(frozen=True)
class Reading:
    """How a model is given a text."""

    max_length: int | None = None
    lower_case: bool = False
    similarity: str | None = None
    query_prompt: str = ""
    document_prompt: str = ""
    subfolder: str = ""


@dataclass(frozen=True)
class Recipe(Reading):
    """How to embed with a model."""

    pooling: str | None = None
    normalize: bool = False
    include_prompt: bool = True


@dataclass(frozen=True)
class SparseRecipe(Reading):
    """How to weigh the terms of a text with a model."""

    activation: str = "relu"
    max_terms: int | None = None


@dataclass(frozen=True)
class PairRecipe:
    """How to score pairs with a model."""

    activation: str | None = None
    max_length: int | None = None
    subfolder: str = ""


def read_pair_recipe(model: str) -> PairRecipe:
    """What a cross-encoder's folder or repository says of scoring; an empty recipe where it says nothing.

    Raises
    ------
    ValueError
        The configuration is malformed, or asks for a module, a prompt or an activation that is not supported here:
        scores made without it would be others.
    """
    found: dict[str, Any] = {}
    about = _object(model, "config_sentence_transformers.json")
    if about.get("model_type") != "CrossEncoder":
        about = {}  # of an encoder, or of nobody: what transformers itself reads is left
    for module in _modules(model) if about else []:
        if module["type"].rpartition(".")[2] != "Transformer":
            raise ValueError(
                f"{model}/modules.json: module {module['type']!r}, expected one Transformer; give the object that "
                "sentence_transformers.CrossEncoder loads instead"
            )
        found = {"subfolder": module["path"], "max_length": _transformer(model, module["path"])["max_length"]}
    if about.get("default_prompt_name"):
        raise ValueError(
            f"{model}/config_sentence_transformers.json: the prompt {about['default_prompt_name']!r} before every "
            "pair, expected none; give the object that sentence_transformers.CrossEncoder loads instead"
        )
    config = _object(model, "config.json", found.get("subfolder", ""))
    older: Any = config.get("sentence_transformers")
    named = about.get("activation_fn") or (older.get("activation_fn") if isinstance(older, Mapping) else None)
    named = named or config.get("sbert_ce_default_activation_function")
    if named is None:
        return PairRecipe(**found)
    activation = _TORCH_ACTIVATIONS.get(str(named).rpartition(".")[2]) if str(named).startswith("torch.") else None
    if activation is None:
        raise ValueError(f"{model}: activation {named!r}, expected torch's Identity or Sigmoid")
    return PairRecipe(**found, activation=activation)


def _modules(model: str) -> list[dict[str, Any]]:
    """The modules that the configuration lists, each with a path; none where it has no such list."""
    modules = _json(model, "modules.json")
    if modules is None:
        return []
    for module in modules if isinstance(modules, list) and modules else [None]:
        texts = isinstance(module, dict) and [module.get("type"), module.get("path") or ""]
        if not texts or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{model}/modules.json: malformed, expected a list of objects with path and type")
    return [{**module, "path": module.get("path") or ""} for module in modules]


def read_recipe(model: str) -> Recipe:
    """The recipe in a model's folder or repository; an empty one where it has no such configuration.

    Raises
    ------
    ValueError
        The configuration is malformed, or asks for a module or a pooling that is not supported here: embeddings made
        without it would be others.
    """
    found: dict[str, Any] = _prompts(model)
    for module in _modules(model):
        kind, path = module["type"].rpartition(".")[2], module["path"]
        if kind == "Transformer":
            found |= {"subfolder": path} | _transformer(model, path)
        elif kind == "Pooling":
            found |= _pooling(model, path)
        elif kind == "Normalize":
            found["normalize"] = True
        else:
            raise ValueError(f"{model}/modules.json: module {kind!r}, expected Transformer, Pooling and Normalize only")
    return Recipe(**found)


def read_sparse_recipe(model: str) -> SparseRecipe:
    """The recipe in the folder or repository of a sparse encoder; an empty one where it has no such configuration.

    Raises
    ------
    ValueError
        The configuration is malformed, or asks for a module, a pooling or an activation that is not supported here.
    """
    found: dict[str, Any] = _prompts(model)
    modules = _modules(model)
    kinds = []
    for module in modules:
        kind, path = module["type"].rpartition(".")[2], module["path"]
        kinds.append(kind)
        if kind in ("Transformer", "MLMTransformer"):
            found |= {"subfolder": path} | _transformer(model, path)
        elif kind == "SpladePooling":
            found |= _splade_pooling(model, path)
        else:
            raise ValueError(
                f"{model}/modules.json: module {kind!r}, expected Transformer and SpladePooling only; {OF_AN_OBJECT}"
            )
    if modules and (len(kinds), kinds.count("SpladePooling")) != (2, 1):
        raise ValueError(f"{model}/modules.json: {', '.join(kinds)}, expected a Transformer and a SpladePooling")
    about = _object(model, "config_sentence_transformers.json")
    return SparseRecipe(**found, max_terms=_count(model, about, "max_active_dims"))


def _splade_pooling(model: str, path: str) -> dict[str, Any]:
    config = _object(model, "config.json", path)
    pooling, activation = config.get("pooling_strategy", "max"), config.get("activation_function", "relu")
    if pooling != "max":
        raise ValueError(f"{model}/{path}/config.json: pooling_strategy {pooling!r}, expected 'max'; {OF_AN_OBJECT}")
    if activation not in SPARSE_ACTIVATIONS:
        wanted = " or ".join(map(repr, SPARSE_ACTIVATIONS))
        raise ValueError(f"{model}/{path}/config.json: activation_function {activation!r}, expected {wanted}")
    return {"activation": activation}


def _transformer(model: str, path: str) -> dict[str, Any]:
    config = next((found for found in (_object(model, name, path) for name in _TRANSFORMER_FILES) if found), {})
    for name in _NOT_READ:
        if config.get(name):
            raise ValueError(
                f"{model}: {name} {config[name]!r} of its sentence-transformers configuration, expected none"
            )
    return {"max_length": _count(model, config, "max_seq_length"), "lower_case": bool(config.get("do_lower_case"))}


def _count(model: str, config: Mapping[str, Any], name: str) -> int | None:
    """A number of at least 1 in a configuration; None where it names none."""
    value = config.get(name)
    if value is not None and (type(value) is not int or value < 1):
        raise ValueError(f"{model}: {name} {value!r} in its configuration, expected a whole number of at least 1")
    return value


def _pooling(model: str, path: str) -> dict[str, Any]:
    config = _object(model, "config.json", path)
    modes = config.get("pooling_mode") or [mode for key, mode in _OLD_POOLINGS.items() if config.get(key)] or ["mean"]
    modes = [modes] if isinstance(modes, str) else list(modes)
    if len(modes) != 1 or modes[0] not in POOLINGS:
        wanted = ", ".join(map(repr, POOLINGS))
        came = " + ".join(map(str, modes))
        raise ValueError(f"{model}/{path}/config.json: pooling {came!r}, expected one of {wanted}")
    return {"pooling": modes[0], "include_prompt": bool(config.get("include_prompt", True))}


def _prompts(model: str) -> dict[str, Any]:
    """The prompt of each side: the one of its name, which may be empty on purpose, else the default one."""
    place = f"{model}/config_sentence_transformers.json"
    config = _object(model, "config_sentence_transformers.json")
    prompts = config.get("prompts") or {}
    if not isinstance(prompts, Mapping) or not all(isinstance(text, str) for text in prompts.values()):
        raise ValueError(f"{place}: prompts malformed, expected an object of texts")
    chosen = config.get("default_prompt_name")
    if chosen is not None and (not isinstance(chosen, str) or chosen not in prompts):
        raise ValueError(f"{place}: default_prompt_name {chosen!r}, expected one of {sorted(prompts)}")
    default = "" if chosen is None else prompts[chosen]
    return {
        "query_prompt": prompts.get("query", default),
        "document_prompt": next((prompts[name] for name in _DOCUMENT_PROMPTS if name in prompts), default),
        "similarity": config.get("similarity_fn_name"),
    }


def _object(model: str, name: str, subfolder: str = "") -> dict[str, Any]:
    """An object in a JSON file of the model; empty where it has no such file."""
    found = _json(model, name, subfolder)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ValueError(f"{Path(model, subfolder, name)}: {type(found).__name__}, expected an object")
    return found


def _json(model: str, name: str, subfolder: str = "") -> Any:
    """A JSON file of the model, or None where it has none."""
    if Path(model).is_dir():
        path = Path(model, subfolder, name)
        if not path.is_file():
            return None
    else:
        hub = need("transformers.utils.hub", what="a model", extra="torch")
        try:
            found = hub.cached_file(
                model,
                name,
                subfolder=subfolder,
                _raise_exceptions_for_missing_entries=False,
                _raise_exceptions_for_connection_errors=False,
            )
        except OSError as error:  # it can be the name of no repository
            raise ValueError(f"model {model!r}: {' '.join(str(error).split())[:160]}") from None
        if found is None:
            return None
        path = Path(found)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: malformed ({error}), expected JSON") from None
