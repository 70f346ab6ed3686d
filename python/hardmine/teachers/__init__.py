"""Teachers: what gives a query and a document a score."""

from __future__ import annotations

import os
from typing import Any, cast

from hardmine.plumbing.extras import is_a
from hardmine.teachers.chat_judge import ChatJudge
from hardmine.teachers.judge import CrossEncoderJudge, Judge, JudgeError
from hardmine.teachers.precomputed import precomputed
from hardmine.teachers.protocol import DenseTeacher, LexicalIndex, LexicalTeacher, PairScorer, SparseTeacher, Teacher

__all__ = [
    "ChatJudge",
    "CrossEncoderJudge",
    "DenseTeacher",
    "Judge",
    "JudgeError",
    "LexicalIndex",
    "LexicalTeacher",
    "PairScorer",
    "SparseTeacher",
    "Teacher",
    "load",
    "load_cross_encoder",
    "precomputed",
    "sparse",
]


def load(name: str | os.PathLike[str], /, **options: Any) -> Teacher:
    """Load a teacher by name.

    Parameters
    ----------
    name : str or path-like
        "bm25", the folder of a transformers encoder, or its Hugging Face name.
    **options
        For "bm25": ``method`` ("lucene", "robertson", "atire", "bm25l" or "bm25+", as bm25s names them), ``k1``, ``b``,
        ``delta`` (of the last two methods), ``stopwords``, ``token_pattern``. For an encoder: ``pooling``,
        ``query_prompt``, ``document_prompt``, ``max_length``, ``similarity``, ``normalize``, ``dtype``, ``device``,
        ``batch_tokens``, ``name``; what is not given comes from the model's own sentence-transformers configuration
        where it has one.

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
    >>> hm.teachers.load("bm25", method="bm25+", delta=1)
    BM25(method='bm25+', k1=1.5, b=0.75, delta=1)
    """
    if not isinstance(name, (str, os.PathLike)):
        raise TypeError(f"teacher: {type(name).__name__}, expected a name or a path")
    name = os.fspath(name)
    if name == "bm25":
        from hardmine.teachers.bm25 import BM25

        return _made(BM25, name, options)
    from hardmine.teachers.dense import Dense

    return _made(Dense, name, {"model": name, **options})


def sparse(model: Any, /, **options: Any) -> SparseTeacher:
    """Use a learned sparse encoder, such as a SPLADE, as a teacher: texts as weights of terms, searched exactly.

    Parameters
    ----------
    model : str, path-like, or SparseEncoder of sentence-transformers
        Folder or Hugging Face name of a transformers masked-language model: the weight of a term is the largest
        log(1 + relu(logit)) over the tokens of the text (SPLADE v2, arXiv 2109.10086), padding left out. Or an object
        that sentence-transformers has loaded, for any other architecture: queries go through its ``encode_query`` and
        documents through its ``encode_document``, so that queries may do without a model (SparseStaticEmbedding).
    **options
        ``max_query_terms``, ``max_document_terms``: only so many largest weights of a row are kept, equal ones by lower
        term (``max_active_dims`` of the model's configuration, else all). ``query_prompt``, ``document_prompt``,
        ``similarity``, ``name``: as of an encoder (`load`); "dot" by default. For a folder or a name:
        ``special_tokens``: whether [CLS], [SEP] and the like may have weights: True as in the code of SPLADE
        (github.com/naver/splade, models/transformer_rep.py) and in sentence-transformers' SpladePooling; False as
        OpenSearch's sparse encoders, whose model cards set them to 0. ``max_length``, ``dtype``, ``device``,
        ``batch_tokens``: as of an encoder. For an object, which has its own of these: ``batch_size`` (32).

    Returns
    -------
    SparseTeacher
        ``encode_queries`` and ``encode_documents`` give `hardmine.SparseRows`.

    Raises
    ------
    TypeError
        Something else, or an option that this teacher does not have.
    ValueError, FileNotFoundError
        The model cannot be loaded, has no such head, or its configuration asks for something that is not supported.
    ModuleNotFoundError
        The extra is not installed; the message names the command.

    Notes
    -----
    The same texts in the same order give the same bytes. The last bits of a weight depend on the texts that share its
    batch, as in every such model, so a weight next to 0 may be there in one batch and not in another. Logits are held
    for a piece of the vocabulary at a time, whatever its size.

    Examples
    --------
    >>> import hardmine as hm
    >>> hm.teachers.sparse("./splade")
    Traceback (most recent call last):
    ...
    FileNotFoundError: sparse teacher './splade': no such folder, expected a model folder or a model name
    """
    if is_a(model, "sentence_transformers", "SparseEncoder"):
        from hardmine.teachers.sparse_encoder import SparseEncoding

        return cast("SparseTeacher", _checked(SparseEncoding, "sparse teacher", {"model": model, **options}))
    if not isinstance(model, (str, os.PathLike)):
        raise TypeError(
            f"sparse teacher: {type(model).__name__}, expected a name, a path or a SparseEncoder of "
            "sentence_transformers"
        )
    from hardmine.teachers.splade import Splade

    name = os.fspath(model)
    return cast("SparseTeacher", _checked(Splade, f"sparse teacher {name!r}", {"model": name, **options}))


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
