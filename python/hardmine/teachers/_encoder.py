"""What encoders of single texts have in common, dense and sparse: prompts, tokens, padded batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hardmine.plumbing.progress import Progress, Reporting
from hardmine.teachers._model_folder import Reading
from hardmine.teachers._transformer import WINDOW, Transformer
from hardmine.teachers.protocol import strings


class Padded(NamedTuple):
    """Some rows of tokens as the model takes them."""

    inputs: dict[str, Any]
    mask: Any
    """bool [rows, width]: which tokens are no padding."""
    lengths: Any
    is_full: bool
    """Whether there is no padding."""


class Encoder(Transformer):
    """A model that reads one text at a time."""

    recipe: Reading

    def _each_batch(
        self,
        what: str,
        texts: Sequence[str],
        prompt: str,
        take: Callable[[npt.NDArray[np.int64], list[list[int]]], None],
        *,
        progress: Reporting,
    ) -> None:
        """Call `take` with the places of the texts of a batch and their tokens, batch after batch."""
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
                    take(start + members, [tokens[i] for i in members])
                    bar.update(len(members))

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
        self._refuse_unknown(ids)
        return ids

    def _padded(self, tokens: list[list[int]]) -> Padded:
        torch = self._torch
        pad = self._tokenizer.pad_token_id or 0
        tokens = [t or [pad] for t in tokens]  # an empty text of a tokenizer without special tokens
        width = max(map(len, tokens))
        ids = torch.tensor([t + [pad] * (width - len(t)) for t in tokens], device=self.device)
        lengths = torch.tensor([len(t) for t in tokens], device=self.device)
        mask = torch.arange(width, device=self.device) < lengths[:, None]
        # Without a mask attention takes its fastest route; equal lengths need none.
        is_full = all(len(t) == width for t in tokens)
        inputs = {"input_ids": ids} if is_full else {"input_ids": ids, "attention_mask": mask.long()}
        return Padded(inputs, mask, lengths, is_full)
