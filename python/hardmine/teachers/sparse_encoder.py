"""A SparseEncoder of sentence-transformers as a sparse teacher: its own modules, tokens and batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hardmine.nouns.sparse import SparseRows
from hardmine.plumbing import checks
from hardmine.plumbing.extras import need
from hardmine.plumbing.progress import Progress, Reporting
from hardmine.plumbing.ragged import rows_of
from hardmine.teachers._sparse_rows import Rows, Weights, finished, most_terms, pruned
from hardmine.teachers._transformer import bytes_of_some_seconds
from hardmine.teachers.model_digest import of_config, of_tokenizer, of_weights
from hardmine.teachers.protocol import strings

_WINDOW = 1_024
"""Texts that are given to it at a time; it sorts them by length."""
_SET_BY_USE = {"embedding_dimension"}
"""What a module notes of itself when it is used for the first time."""


class SparseEncoding:
    """Whatever a SparseEncoder makes of a text; made by `hardmine.teachers.sparse`, whose parameters these are.

    Queries go through its ``encode_query`` and documents through its ``encode_document``, so that the two may differ,
    as where only documents need a model.
    """

    def __init__(
        self,
        model: Any,
        *,
        max_query_terms: int | None = None,
        max_document_terms: int | None = None,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        similarity: str | None = None,
        batch_size: int = 32,
        name: str | None = None,
    ) -> None:
        self._model = model
        inner = getattr(model.transformers_model, "name_or_path", None) or "sparse-encoder"
        self.name = name or (Path(inner).resolve().name if Path(inner).is_dir() else str(inner))
        self.similarity = checks.similarity(similarity or model.similarity_fn_name)
        self.batch_size = checks.integer("batch_size", batch_size, minimum=1)
        self._prompts = {"queries": query_prompt, "documents": document_prompt}
        # Its own max_active_dims has acted already.
        self._most = {
            "queries": most_terms("max_query_terms", max_query_terms, None),
            "documents": most_terms("max_document_terms", max_document_terms, None),
        }

    def encode_queries(self, texts: Sequence[str], *, progress: Reporting = False) -> SparseRows:
        """Weights of the terms of queries, row by row in the order given."""
        return self._encode("queries", self._model.encode_query, texts, progress=progress)

    def encode_documents(self, texts: Sequence[str], *, progress: Reporting = False) -> SparseRows:
        """Weights of the terms of documents, row by row in the order given."""
        return self._encode("documents", self._model.encode_document, texts, progress=progress)

    def fingerprint(self, what: str) -> dict[str, Any]:
        """All that rows of ``"queries"`` or ``"documents"`` depend on besides the texts; see `DenseTeacher`."""
        model = self._model
        tokenizers = [each.tokenizer for each in model.modules() if getattr(each, "tokenizer", None) is not None]
        configs = [each for each in model.modules() if hasattr(getattr(each, "config", None), "to_dict")]
        prompt = self._prompts[what]
        return {
            "teacher": "sentence-transformers",
            "weights": of_weights(model.state_dict()),
            "configs": sorted({of_config(each) for each in configs}),
            "tokenizers": [of_tokenizer(each) for each in tokenizers],
            "modules": [_settings(each) for each in model.modules() if hasattr(each, "get_config_dict")],
            "prompt": [model.default_prompt_name, dict(model.prompts)] if prompt is None else prompt,
            "max_active_dims": model.max_active_dims,
            "max_terms": self._most[what],
            "similarity": self.similarity,
            "max_length": model.max_seq_length,
            "dtype": str(model.dtype),
            "device": model.device.type,
            "batch_size": self.batch_size,
            **{
                name: str(need(name, what="sparse teacher", extra="torch").__version__)
                for name in ("torch", "transformers", "sentence_transformers")
            },
        }

    @property
    def group_bytes(self) -> int:
        """Bytes of texts that take about ten seconds, by the size of the model; see `DenseTeacher`."""
        return bytes_of_some_seconds(self._model, self._model.device.type, self.batch_size)

    def __repr__(self) -> str:
        return f"SparseEncoding({self.name!r}, {self.similarity}, on {self._model.device})"

    def _encode(self, what: str, encode: Any, texts: Sequence[str], *, progress: Reporting) -> SparseRows:
        whose, prompt, most = f"teacher {self.name!r}", self._prompts[what], self._most[what]
        rows, num_terms = Rows(len(texts)), None
        with Progress(f"embedding {what}", len(texts), progress) as bar:
            for start in range(0, len(texts), _WINDOW):
                some = strings(texts[start : start + _WINDOW])
                tensor = encode(
                    some,
                    **({} if prompt is None else {"prompt": prompt}),
                    batch_size=self.batch_size,
                    show_progress_bar=False,
                    convert_to_tensor=True,
                    convert_to_sparse_tensor=True,
                    save_to_cpu=True,
                )
                found = SparseRows.of(tensor.float(), whose)
                if len(found) != len(some):
                    raise ValueError(f"{whose}: {len(found)} rows, expected {len(some)}")
                num_terms = found.num_terms
                weights = Weights(rows_of(found.offsets), found.terms, found.weights)
                rows.put(start + np.arange(len(some)), pruned(weights, most))
                bar.update(len(some))
        return finished(whose, rows, num_terms, self.similarity)


def _settings(module: Any) -> list[Any]:
    """What a module of sentence-transformers was made with, besides its weights."""
    found = {name: value for name, value in module.get_config_dict().items() if name not in _SET_BY_USE}
    return [f"{type(module).__module__}.{type(module).__qualname__}", repr(sorted(found.items(), key=str))]
