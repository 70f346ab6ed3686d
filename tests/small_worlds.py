"""Small folders in the layouts of the real collections, for tests of what reads those."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

INTENTS, ASKED, TOLD = 20, 5, 6
"""Intents of the made banking77, and the queries and documents of each."""


def _write(
    folder: Path, queries: dict[str, str], documents: dict[str, tuple[str, str]], splits: dict[str, list]
) -> None:
    (folder / "qrels").mkdir(parents=True)
    with (folder / "queries.jsonl").open("w") as file:
        file.writelines(json.dumps({"_id": id_, "text": text}) + "\n" for id_, text in queries.items())
    with (folder / "corpus.jsonl").open("w") as file:
        file.writelines(
            json.dumps({"_id": id_, "title": title, "text": text}) + "\n" for id_, (title, text) in documents.items()
        )
    for split, pairs in splits.items():
        lines = ["query-id\tcorpus-id\tscore", *(f"{query}\t{document}\t1" for query, document in pairs)]
        (folder / "qrels" / f"{split}.tsv").write_text("\n".join(lines) + "\n")


# An utterance asked says "red" where one told says "lion": what goes with what is the same in all intents, so that who
# learns it from some of them finds the documents of others.
ASKED_WORDS = ("red", "blue", "green", "black", "white", "gold", "pink", "gray", "brown", "purple", "orange", "silver")
TOLD_WORDS = ("lion", "tiger", "bear", "wolf", "horse", "sheep", "goat", "duck", "bird", "fish", "snake", "mouse")


def _utterance(rng: np.random.Generator, intent: int, *, asked: bool) -> str:
    """Of an intent, which is four of the pairs of words, with some words of all intents in it."""
    pairs = np.random.default_rng([9, intent]).permutation(len(TOLD_WORDS))[:4]
    own = [(ASKED_WORDS if asked else TOLD_WORDS)[pair] for pair in rng.choice(pairs, 4)]
    shared = [TOLD_WORDS[rng.choice(pairs)]] if asked else []  # so that a model that learnt nothing is not blind
    return " ".join(rng.permutation(own + shared + [f"c{number}" for number in rng.integers(0, 20, 2)]))


def _words(rng: np.random.Generator, topic: int, count: int) -> str:
    """Words of a topic, and some of all topics: "t3w2" is the second word of topic 3."""
    own = [f"t{topic}w{number}" for number in rng.integers(0, 12, count)]
    common = [f"c{number}" for number in rng.integers(0, 20, count // 2)]
    return " ".join(rng.permutation(own + common))


def banking77(folder: Path) -> None:
    """Utterances of intents, with labels.tsv."""
    rng = np.random.default_rng(0)
    asked = {f"q{n}": n // ASKED for n in range(INTENTS * ASKED)}
    told = {f"d{n}": n // TOLD for n in range(INTENTS * TOLD)}
    _write(
        folder / "banking77",
        {id_: _utterance(rng, intent, asked=True) for id_, intent in asked.items()},
        {id_: ("", _utterance(rng, intent, asked=False)) for id_, intent in told.items()},
        {"test": [(q, d) for q, intent in asked.items() for d, other in told.items() if intent == other]},
    )
    lines = ["id\tintent", *(f"{id_}\tintent{intent:02}" for id_, intent in (asked | told).items())]
    (folder / "banking77" / "labels.tsv").write_text("\n".join(lines) + "\n")


def judged(folder: Path, name: str, *, documents: int = 60, queries: int = 12) -> None:
    """A collection with titles and several judged documents of each query: cranfield, cisi."""
    rng = np.random.default_rng(1)
    topics = np.arange(documents) % queries
    _write(
        folder / name,
        {f"{n + 1}": _words(rng, n, 6) for n in range(queries)},
        {f"{n + 1}": (_words(rng, topic, 4), _words(rng, topic, 12)) for n, topic in enumerate(topics)},
        {"test": [(f"{topic + 1}", f"{n + 1}") for n, topic in enumerate(topics) if n < documents - queries]},
    )


def scifact(folder: Path) -> None:
    """Claims with one abstract each, train and test; eight of the tested share one with a claim that is no test."""
    rng = np.random.default_rng(2)
    documents = {f"{n}": (_words(rng, n % 30, 4), _words(rng, n % 30, 12)) for n in range(60)}
    train = [(f"a{n}", f"{n % 25}") for n in range(40)]
    test = [(f"b{n}", f"{30 + n}") for n in range(10)] + [(f"b{10 + n}", f"{n}") for n in range(8)]
    queries = {id_: _words(rng, int(document) % 30, 5) for id_, document in train + test}
    _write(folder / "scifact", queries, documents, {"train": train, "test": test})


def cf_lastfm(folder: Path, *, users: int = 30, items: int = 60) -> None:
    """Interactions in LightGCN's format: a line is a user and its items; users like one half of the items."""
    rng = np.random.default_rng(3)
    (folder / "cf-lastfm").mkdir(parents=True)
    liked = [rng.permutation(np.arange(user % 2, items, 2))[:14] for user in range(users)]
    for name, part in (("train", slice(0, 10)), ("valid", slice(10, 12)), ("test", slice(12, 14))):
        lines = [" ".join(map(str, [user, *items[part]])) for user, items in enumerate(liked)]
        (folder / "cf-lastfm" / f"{name}.txt").write_text("\n".join(lines) + "\n")


PACKAGES = {"pandas": 24, "sklearn": 20, "alpha": 20, "beta": 20}
"""Functions of each: the first trains, the second is the dev part, the others are judged."""


def docstrings(folder: Path) -> None:
    """Packages of functions that describe themselves, each of a topic of its own among those of its package."""
    rng = np.random.default_rng(4)
    for name, count in PACKAGES.items():
        sources = []
        for number in range(count):
            body = "".join(f"    {word} = mixed({word})\n" for word in _words(rng, number, 4).split())
            sources.append(f'def {name}{number}():\n    """{_words(rng, number, 6)}"""\n{body}')
        (folder / "docstrings" / name).mkdir(parents=True)
        (folder / "docstrings" / name / "code.py").write_text("\n\n".join(sources))


def make(folder: Path) -> Path:
    """All of them; returns the folder."""
    banking77(folder)
    docstrings(folder)
    for name in ("cranfield", "cisi"):
        judged(folder, name)
    scifact(folder)
    cf_lastfm(folder)
    return folder
