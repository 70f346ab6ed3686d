"""Teachers: what gives a query and a document a score."""

from __future__ import annotations

import os
from typing import Any

from hardmine.teachers.chat_judge import ChatJudge
from hardmine.teachers.judge import CrossEncoderJudge, Judge, JudgeError
from hardmine.teachers.precomputed import precomputed
from hardmine.teachers.protocol import DenseTeacher, LexicalIndex, LexicalTeacher, PairScorer, Teacher

__all__ = [
    "ChatJudge",
    "CrossEncoderJudge",
    "DenseTeacher",
    "Judge",
    "JudgeError",
    "LexicalIndex",
    "LexicalTeacher",
    "PairScorer",
    "Teacher",
    "load",
    "load_cross_encoder",
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


def load_cross_encoder(name: str | os.PathLike[str], /, **options: Any) -> PairScorer:
    """Load a cross-encoder, which scores a query and a document together: what `hardmine.rescore` takes.

    Parameters
    ----------
    name : str or path-like
        Folder or Hugging Face name of a transformers model with a head of sequence classification. With one label the
        score is its logit, or the sigmoid of it; with two the log-odds of the last one, which then means "relevant".
    **options
        ``max_length``: tokens of a pair, of which the longer text loses first (by the model's configuration).
        ``activation``: "logit" or "sigmoid", of one label; what the model's sentence-transformers configuration says,
        else "logit": sigmoids of good pairs are so close to 1 that float32 tells few of them apart.
        ``dtype``, ``device``, ``batch_tokens``, ``name``: as of an encoder (`load`); the head computes in float32
        whatever the ``dtype``.

    Returns
    -------
    PairScorer

    Raises
    ------
    TypeError
        An option that cross-encoders do not have.
    ValueError, FileNotFoundError
        The model cannot be loaded, has no such head, has more than two labels, or its configuration asks for something
        that is not supported.
    ModuleNotFoundError
        The extra is not installed; the message names the command.

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.teachers.load_cross_encoder("./reranker")
    Traceback (most recent call last):
    ...
    FileNotFoundError: cross-encoder './reranker': no such folder, expected a model folder or a model name
    """
    if not isinstance(name, (str, os.PathLike)):
        raise TypeError(f"cross-encoder: {type(name).__name__}, expected a name or a path")
    from hardmine.teachers.cross_encoder import CrossEncoder

    name = os.fspath(name)
    made: PairScorer = _checked(CrossEncoder, f"cross-encoder {name!r}", {"model": name, **options})
    return made


def _made(kind: Any, name: str, options: dict[str, Any]) -> Teacher:
    made: Teacher = _checked(kind, f"teacher {name!r}", options)
    return made


def _checked(kind: Any, whose: str, options: dict[str, Any]) -> Any:
    known = kind.__init__.__kwdefaults__
    unknown = sorted(set(options) - set(known) - {"model"})
    if unknown:
        raise TypeError(f"{whose}: unknown option {unknown[0]!r}, expected {', '.join(known)}")
    return kind(**options)
