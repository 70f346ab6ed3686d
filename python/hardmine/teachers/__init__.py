"""Teachers: what gives a query and a document a score."""

from __future__ import annotations

import os
from typing import Any

from hardmine.teachers.chat_judge import ChatJudge
from hardmine.teachers.judge import CrossEncoderJudge, Judge, JudgeError
from hardmine.teachers.precomputed import precomputed
from hardmine.teachers.protocol import DenseTeacher, LexicalIndex, LexicalTeacher, Teacher

__all__ = [
    "ChatJudge",
    "CrossEncoderJudge",
    "DenseTeacher",
    "Judge",
    "JudgeError",
    "LexicalIndex",
    "LexicalTeacher",
    "Teacher",
    "load",
    "precomputed",
]


def load(name: str | os.PathLike[str], /, **options: Any) -> Teacher:
    """Load a teacher by name.

    Parameters
    ----------
    name : str or path-like
        "bm25", the folder of a transformers encoder, or its Hugging Face name.
    **options
        For "bm25": ``k1``, ``b``, ``stopwords``, ``token_pattern``. For an encoder: ``pooling``, ``query_prompt``,
        ``document_prompt``, ``max_length``, ``similarity``, ``normalize``, ``dtype``, ``device``, ``batch_tokens``,
        ``name``; what is not given comes from the model's own sentence-transformers configuration where it has one.

    Returns
    -------
    DenseTeacher or LexicalTeacher

    Raises
    ------
    TypeError
        An option that this teacher does not have.
    ValueError, FileNotFoundError
        The model cannot be loaded, or its configuration asks for something that is not supported.
    ModuleNotFoundError
        The extra is not installed; the message names the command.

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.teachers.load("bm25", k1=1.2)
    BM25(k1=1.2, b=0.75)
    """
    if not isinstance(name, (str, os.PathLike)):
        raise TypeError(f"teacher: {type(name).__name__}, expected a name or a path")
    name = os.fspath(name)
    if name == "bm25":
        from hardmine.teachers.bm25 import BM25

        return _made(BM25, name, options)
    from hardmine.teachers.dense import Dense

    return _made(Dense, name, {"model": name, **options})


def _made(kind: Any, name: str, options: dict[str, Any]) -> Teacher:
    known = kind.__init__.__kwdefaults__
    unknown = sorted(set(options) - set(known) - {"model"})
    if unknown:
        raise TypeError(f"teacher {name!r}: unknown option {unknown[0]!r}, expected {', '.join(known)}")
    made: Teacher = kind(**options)
    return made
