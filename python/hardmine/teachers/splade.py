"""A masked-language model as a sparse teacher: every term of its vocabulary gets a weight.

T. Formal et al., SPLADE v2: Sparse Lexical and Expansion Model for Information Retrieval, arXiv 2109.10086, 2021: the
weight of a term is the largest log(1 + relu(logit)) over the tokens of the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hardmine.nouns.sparse import SparseRows
from hardmine.plumbing import checks
from hardmine.plumbing.progress import Reporting
from hardmine.teachers._encoder import Encoder, Padded
from hardmine.teachers._model_folder import SparseRecipe, read_sparse_recipe
from hardmine.teachers._sparse_rows import Rows, Weights, finished, most_terms, pruned
from hardmine.teachers._transformer import check_place, loading, needed, refuse_wordless
from hardmine.teachers.model_digest import model_digests

WHAT = "sparse teacher"
_PIECE_BYTES = {"cpu": 2**22, "mps": 2**26, "cuda": 2**28}
"""Logits that are held at a time: on a processor what stays in its caches."""


class Splade(Encoder):
    """A transformers masked-language model that weighs terms; made by `hardmine.teachers.sparse`.

    Its parameters are those of that function.

    Attributes
    ----------
    num_terms : int
        Size of the vocabulary.
    dtype : str
        The arithmetic that is used, never "auto".
    dtype_choice : MeasuredDtype or None
        What "auto" has measured, and what it chose.

    Raises
    ------
    ValueError
        The model's configuration asks for something else, or the model cannot be loaded or has no such head.
    """

    recipe: SparseRecipe

    def __init__(
        self,
        model: str,
        *,
        max_query_terms: int | None = None,
        max_document_terms: int | None = None,
        special_tokens: bool = True,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
        max_length: int | None = None,
        similarity: str | None = None,
        dtype: str | None = None,
        device: str | None = None,
        batch_tokens: int | None = None,
        name: str | None = None,
    ) -> None:
        transformers = needed(WHAT)
        check_place(WHAT, model, "a model folder or a model name")
        prompts: dict[str, Any] = {"query_prompt": query_prompt, "document_prompt": document_prompt}
        if max_length is not None:
            max_length = checks.integer("max_length", max_length, minimum=1)
        recipe = read_sparse_recipe(model)
        recipe = replace(recipe, **{key: value for key, value in prompts.items() if value is not None})
        self.similarity = checks.similarity(similarity or recipe.similarity or "dot")
        self._most = {
            "queries": most_terms("max_query_terms", max_query_terms, recipe.max_terms),
            "documents": most_terms("max_document_terms", max_document_terms, recipe.max_terms),
        }
        self.special_tokens = checks.boolean("special_tokens", special_tokens)
        super().__init__(model, what=WHAT, device=device, dtype=dtype, batch_tokens=batch_tokens, name=name)
        with loading(transformers, WHAT, model):
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(model, subfolder=recipe.subfolder)
            loaded, about = transformers.AutoModelForMaskedLM.from_pretrained(
                model, subfolder=recipe.subfolder, output_loading_info=True
            )
        _refuse_headless(model, about)
        refuse_wordless(WHAT, model, self._tokenizer)
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        longest = self._length(max_length, recipe.max_length, loaded)
        self.recipe = replace(recipe, max_length=longest)
        with loading(transformers, WHAT, model):
            self.num_terms, self._passes_hidden_on = self._tried(loaded.eval())
        self._settle(loaded, longest)

    def encode_queries(self, texts: Sequence[str], *, progress: Reporting = False) -> SparseRows:
        """Weights of the terms of queries, row by row in the order given."""
        return self._encode("queries", texts, self.recipe.query_prompt, progress=progress)

    def encode_documents(self, texts: Sequence[str], *, progress: Reporting = False) -> SparseRows:
        """Weights of the terms of documents, row by row in the order given."""
        return self._encode("documents", texts, self.recipe.document_prompt, progress=progress)

    def fingerprint(self, what: str) -> dict[str, Any]:
        """All that rows of ``"queries"`` or ``"documents"`` depend on besides the texts; see `DenseTeacher`.

        Weights are known by their numbers, not by a name: those in memory are hashed each time, a second per GB or so.
        """
        recipe = self.recipe
        return {
            "teacher": "sparse",
            "class": f"{type(self).__module__}.{type(self).__qualname__}",
            **model_digests(self._model, self._tokenizer),
            "activation": recipe.activation,
            "max_terms": self._most[what],
            "special_tokens": self.special_tokens,
            "similarity": self.similarity,  # rows of cosine are scaled
            "max_length": recipe.max_length,
            "lower_case": recipe.lower_case,
            "prompt": recipe.query_prompt if what == "queries" else recipe.document_prompt,
            "dtype": self.dtype,
            "device": self.device.type,
            "batch_tokens": self.batch_tokens,
        }

    def __repr__(self) -> str:
        return (
            f"Splade({self.name!r}, {self.num_terms} terms, {self.similarity}, {self._shown_dtype()} on {self.device})"
        )

    def _encode(self, what: str, texts: Sequence[str], prompt: str, *, progress: Reporting) -> SparseRows:
        rows, most = Rows(len(texts)), self._most[what]

        def take(members: npt.NDArray[np.int64], tokens: list[list[int]]) -> None:
            rows.put(members, pruned(self._weights(tokens), most))

        self._each_batch(what, texts, prompt, take, progress=progress)
        return finished(f"teacher {self.name!r}", rows, self.num_terms, self.similarity)

    def _pass(self, tokens: list[list[int]]) -> npt.NDArray[np.float32]:
        return self._weights(tokens).weights

    def _weights(self, tokens: list[list[int]]) -> Weights:
        """Weights of a batch. The largest of a term's logits alone goes through log(1 + relu), which never falls."""
        weights = self._largest(self._padded(tokens)).float().relu().log1p()
        if self.recipe.activation == "log1p_relu":
            weights = weights.log1p()
        if not self.special_tokens:
            weights[:, self._tokenizer.all_special_ids] = 0
        empty = [row for row, each in enumerate(tokens) if not each]
        if empty:  # what stands for a text without tokens is padding
            weights[empty] = 0
        rows, terms = weights.nonzero(as_tuple=True)
        return Weights(*(each.cpu().numpy() for each in (rows, terms, weights[rows, terms])))

    def _largest(self, batch: Padded) -> Any:
        """The largest logit of every term over the tokens of each row, [rows, terms].

        Logits of all tokens and terms at once would take more memory than the model: 2,048 tokens of 250,000 terms are
        2 GB. So the last layer is applied to some terms at a time, or, where the model does something behind it, the
        whole model to some rows at a time.
        """
        torch = self._torch
        rows, width = batch.mask.shape
        absent = None if batch.is_full else ~batch.mask[:, :, None]

        def largest(logits: Any, absent: Any) -> Any:
            return (logits if absent is None else logits.masked_fill_(absent, -torch.inf)).amax(dim=1)

        numbers = _PIECE_BYTES.get(self.device.type, _PIECE_BYTES["cpu"]) // 4
        if not self._passes_hidden_on:
            step = max(1, numbers // (width * self.num_terms))
            pieces = [slice(start, start + step) for start in range(0, rows, step)]
            return torch.cat([
                largest(self._model(**{k: v[some] for k, v in batch.inputs.items()}).logits,
                        None if absent is None else absent[some])
                for some in pieces
            ])  # fmt: skip
        hidden, last = self._model(**batch.inputs).logits, self._model.get_output_embeddings()
        step = max(1, numbers // (rows * width))
        weights, biases = last.weight.split(step), None if last.bias is None else last.bias.split(step)
        return torch.cat([
            largest(torch.nn.functional.linear(hidden, weight, None if biases is None else biases[i]), absent)
            for i, weight in enumerate(weights)
        ], dim=1)  # fmt: skip

    def _tried(self, loaded: Any) -> tuple[int, bool]:
        """The size of the vocabulary, and whether the model gives from now on what its last layer is given.

        It gives that in the place of logits, unless its last layer is no plain one or is not what comes last.
        """
        torch = self._torch
        last, seen = loaded.get_output_embeddings(), []
        is_plain = type(last) is torch.nn.Linear
        if is_plain:
            handle = last.register_forward_hook(lambda _module, _given, found: seen.append(found))
        some = self._tokenize(["some words to try the model with"], "")[0] or [self._tokenizer.pad_token_id or 0]
        with torch.inference_mode():
            logits = loaded(input_ids=torch.tensor([some])).logits
        if is_plain:
            handle.remove()
        is_last = len(seen) == 1 and seen[0] is logits
        if is_last:
            last.forward = _passed_on
        return int(logits.shape[-1]), is_last


def _passed_on(hidden: Any) -> Any:
    return hidden


def _refuse_headless(model: str, about: Any) -> None:
    """Raise where weights were not in the files: transformers makes them up, and rows would mean nothing."""
    missing = sorted(about.get("missing_keys") or ())
    if missing:
        raise ValueError(
            f"{WHAT} {model!r}: its files lack {missing[0]!r}"
            + (f" and {len(missing) - 1} more" if missing[1:] else "")
            + ", expected a masked-language model (an encoder alone has no such head)"
        )
