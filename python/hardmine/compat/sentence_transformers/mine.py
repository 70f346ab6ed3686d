"""`mine_hard_negatives` with the signature of sentence-transformers 6.2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hardmine.compat.sentence_transformers import admissible, choose, scores, settings, texts
from hardmine.compat.sentence_transformers.embeddings import Prompt, Side, embed
from hardmine.compat.sentence_transformers.rows import rows
from hardmine.compat.sentence_transformers.statistics import print_statistics
from hardmine.formats.fingerprint import fingerprint
from hardmine.plumbing import checks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datasets import Dataset


def mine_hard_negatives(
    dataset: Dataset,
    model: Any,
    anchor_column_name: str | None = None,
    positive_column_name: str | None = None,
    corpus: Iterable[str] | None = None,
    cross_encoder: Any = None,
    range_min: int = 0,
    range_max: int | None = None,
    max_score: float | None = None,
    min_score: float | None = None,
    absolute_margin: float | None = None,
    relative_margin: float | None = None,
    num_negatives: int = 3,
    sampling_strategy: str = "top",
    query_prompt_name: str | None = None,
    query_prompt: str | None = None,
    corpus_prompt_name: str | None = None,
    corpus_prompt: str | None = None,
    include_positives: bool = False,  # noqa: FBT001, FBT002 - positions are part of the signature
    output_format: str = "triplet",
    output_scores: bool = False,  # noqa: FBT001, FBT002
    batch_size: int = 32,
    faiss_batch_size: int = 16384,
    use_faiss: bool = False,  # noqa: ARG001, FBT001, FBT002
    use_multi_process: list[str] | bool = False,  # noqa: FBT001, FBT002
    verbose: bool = True,  # noqa: FBT001, FBT002
    cache_folder: str | None = None,
    as_triplets: bool | None = None,  # noqa: FBT001
    margin: float | None = None,
    *,
    seed: int = 0,
    num_threads: int | None = None,
    max_memory: int | str | None = None,
) -> Dataset:
    """Add hard negatives to a dataset of (query, positive) rows.

    In place of ``sentence_transformers.util.mine_hard_negatives``: its parameters, columns, values, printed statistics
    and warnings, but for defects that ``docs/compat.md`` lists. The search is exact whatever `use_faiss` says, a random
    choice has a seed, and memory is bounded.

    Parameters
    ----------
    dataset : datasets.Dataset
        Two columns of texts. Rows of one query are its positives, none of which becomes its negative.
    model : sentence_transformers.SentenceTransformer
        Its ``encode_query`` and ``encode_document`` make normalised embeddings, its ``similarity`` compares them.
    anchor_column_name, positive_column_name : str, optional
        The first and the second column where they are not given, or not there (with a warning).
    corpus : iterable of str, optional
        Documents to mine in, besides the positives of the dataset.
    cross_encoder : sentence_transformers.CrossEncoder, optional
        Scores the candidates and the positives anew; order, filters and output follow its scores.
    range_min, range_max : int, int or None
        Half-open window on the candidates that the score filters left. `range_max` also sets how deep the search goes:
        ``range_max`` and the largest number of positives of a query. By default it follows `num_negatives`, and ten
        times as many where a filter may remove some.
    max_score, min_score : float, optional
        Highest and lowest score of a negative; equality keeps.
    absolute_margin, relative_margin : float, optional
        A negative's score is at most p - absolute_margin, and at most p - abs(p) * relative_margin, with p the lowest
        score of the query's positives.
    num_negatives : int
        Negatives per query, at least 1.
    sampling_strategy : {"top", "random"}
        The best of the window, or a uniform draw from all of it.
    query_prompt_name, query_prompt, corpus_prompt_name, corpus_prompt : str, optional
        Handed to the model as ``prompt_name`` and ``prompt``.
    include_positives : bool
        Positives may stand among the negatives: a ranking for the evaluation of rerankers, always "n-tuple".
    output_format : {"triplet", "n-tuple", "labeled-pair", "labeled-list"}
        One row per negative; per (query, positive) with all its negatives, rows with fewer are left out; per document
        with a label; per (query, positive) with a list of documents and one of labels.
    output_scores : bool
        Add the scores, or put them in the place of labels.
    batch_size : int
        Handed to the model and the cross-encoder.
    faiss_batch_size : int
        Must be positive, and means nothing: `max_memory` bounds the search.
    use_faiss : bool
        Accepted; the search is exact either way, and needs no FAISS.
    use_multi_process : bool or list of str
        Encode with the model's own pool of processes, one for each of these devices.
    verbose : bool
        Print statistics.
    cache_folder : str, optional
        Keep the embeddings there, and use those that are there for the same weights, tokenizer, prompts and texts.
    as_triplets, margin : optional
        Deprecated: `output_format` and `absolute_margin`.
    seed : int
        Of the random choice; the same seed gives the same negatives.
    num_threads : int, optional
        Threads of search and selection; the result does not depend on them.
    max_memory : int or str, optional
        Bound on the working memory of the search beyond embeddings and result, in bytes or as "2GB". Default 256 MB.

    Returns
    -------
    datasets.Dataset
        Grouped by query in the order of first occurrence. Columns, by format: (query, positive, ``negative``);
        (query, positive, ``negative_1`` ...); (query, document, ``label``); (query, documents, ``labels``). With
        `output_scores` ``scores`` at the end, or ``score`` and ``scores`` in the place of label and labels.

    Raises
    ------
    ValueError
        An empty dataset, a window without room for the negatives, an unknown format; NaN or an infinity in an embedding
        or a score of the cross-encoder (the message says where); a damaged file in `cache_folder`.
    TypeError
        A column or the corpus holds anything but text, or a parameter has another type.
    ImportError
        ``datasets`` is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from datasets import Dataset
    >>> from hardmine.compat.sentence_transformers import mine_hard_negatives
    >>> class Letters:  # stands for a SentenceTransformer
    ...     def encode_query(self, texts, **_):
    ...         counts = np.float32([[text.count(letter) for letter in "abcdefgh"] for text in texts])
    ...         return counts / np.linalg.norm(counts, axis=1, keepdims=True)
    ...     encode_document = encode_query
    ...     def similarity(self, a, b):
    ...         return a @ b.T
    ...     def similarity_pairwise(self, a, b):
    ...         return (a * b).sum(axis=1)
    >>> dataset = Dataset.from_dict({"query": ["abc"], "answer": ["aabbcc"]})
    >>> mined = mine_hard_negatives(
    ...     dataset, Letters(), corpus=["aabc", "abcc", "fgh"], num_negatives=1, relative_margin=0.05, verbose=False
    ... )
    >>> mined[0]
    {'query': 'abc', 'answer': 'aabbcc', 'negative': 'aabc'}
    """
    try:
        from datasets import Dataset as Output
    except ImportError as error:
        raise ImportError("Please install `datasets` to use this function: `pip install datasets`.") from error
    verbose = bool(verbose)
    if not isinstance(dataset, Output):
        raise TypeError(f"dataset: {type(dataset).__name__}, expected one datasets.Dataset, such as a split")
    if len(dataset) == 0:
        raise ValueError("The dataset is empty. Please provide a non-empty dataset.")
    if faiss_batch_size <= 0:
        raise ValueError(f"faiss_batch_size must be a positive integer, got {faiss_batch_size}.")
    names = settings.column_names(dataset, anchor_column_name, positive_column_name)
    asked = settings.Settings(
        num_negatives=num_negatives,
        range_min=range_min,
        range_max=range_max,
        absolute_margin=absolute_margin,
        relative_margin=relative_margin,
        max_score=max_score,
        min_score=min_score,
        sampling_strategy=sampling_strategy,
        include_positives=include_positives,
        output_format=output_format,
        output_scores=output_scores,
        verbose=verbose,
        seed=seed,
        num_threads=num_threads,
        max_memory=checks.memory("max_memory", max_memory, settings.DEFAULT_MEMORY),
    )
    asked = settings.without_deprecated(settings.checked(asked), as_triplets=as_triplets, margin=margin)
    found = texts.read(dataset, *names, corpus, num_threads)
    max_positives = int(found.rows_per_query.max())
    asked = settings.with_range(asked, max_positives, rescored=cross_encoder is not None)
    settings.refuse_clash(asked, *names)
    if verbose:
        _print_queries(found, len(dataset))
    embeddings = embed(
        model,
        Side("query", found.queries, Prompt(query_prompt, query_prompt_name)),
        Side("corpus", found.documents, Prompt(corpus_prompt, corpus_prompt_name), found.given),
        batch_size=batch_size,
        use_multi_process=use_multi_process,
        cache_folder=cache_folder,
        verbose=verbose,
    )
    depth = asked.depth + max_positives
    most = min(depth, len(found.documents))
    num_slots = len(found.queries) * depth
    if admissible.is_enough(model, asked, rescored=cross_encoder is not None):
        run, positives, skipped = admissible.retrieve(model, found, embeddings, most, asked, num_slots)
        del embeddings
    else:
        run, positives = scores.retrieve(model, found, embeddings, most, asked)
        del embeddings
        if not include_positives:
            run = choose.without_positives(run, positives, most, num_threads)
        if cross_encoder is not None:
            run, positives = scores.rescore(
                cross_encoder,
                found,
                run,
                positives,
                batch_size=batch_size,
                use_multi_process=use_multi_process,
                verbose=verbose,
            )
        run, skipped = choose.filtered(run, positives, asked, num_slots)
    negatives = choose.chosen(run, asked, len(found.documents))
    if verbose:
        print("Negative candidates mined, preparing dataset...")
    mined = rows(found, negatives, positives, names, asked)
    output = Output(mined.table, fingerprint=fingerprint(mined.table))
    if verbose:
        print_statistics(mined, scores.scores_of(positives), skipped, asked)
    return output


def _print_queries(found: texts.Texts, num_rows: int) -> None:
    num_queries = len(found.queries)
    if num_queries != num_rows:
        print(f"Found {num_queries} unique queries out of {num_rows} total queries.")
    if found.rows_per_query.max() > 1:
        print(f"Found an average of {np.mean(found.rows_per_query):.3f} positives per query.")
