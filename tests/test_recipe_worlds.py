"""Splits of the real collections, on made folders in their layouts: nothing judged was trained on."""

import json
import re

import numpy as np
import pytest

from examples.recipes import worlds
from tests import small_worlds


def read(texts):
    """A side without a model: its texts are all that a split looks at."""
    texts = list(texts)
    return worlds.Side(texts, np.zeros((len(texts), worlds.LENGTH), np.int64), np.zeros((len(texts), 4), np.float32))


def topics(texts):
    """The topic of each text of `small_worlds`."""
    return [int(re.search(r"t(\d+)w", text)[1]) for text in texts]


def intents_of(folder):
    """A function that gives the intent of each text of the made banking77, by its labels.tsv."""
    lines = (folder / "banking77" / "labels.tsv").read_text().splitlines()[1:]
    intents = {id_: int(intent.removeprefix("intent")) for id_, intent in (line.split("\t") for line in lines)}
    files = [folder / "banking77" / name for name in ("queries.jsonl", "corpus.jsonl")]
    records = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    of_text = {record["text"]: intents[record["_id"]] for record in records}
    assert len(of_text) == len(records)  # no text has two
    return lambda texts: [of_text[text] for text in texts]


def test_banking77_is_split_by_intent(small_worlds_folder):
    world, topics = worlds.banking77(small_worlds_folder, read), intents_of(small_worlds_folder)
    seen = [set(topics(part.queries.texts)) for part in (world.train, world.dev, world.test)]
    assert sum(map(len, seen)) == len(set().union(*seen)) == small_worlds.INTENTS
    for part, intents in zip((world.train, world.dev, world.test), seen, strict=True):
        assert set(topics(part.documents.texts)) == intents
        asked, told = np.array(topics(part.queries.texts)), np.array(topics(part.documents.texts))
        assert part.clusters.tolist() == np.unique(asked, return_inverse=True)[1].tolist()
        for query, intent in enumerate(asked):
            assert part.truth[query].tolist() == np.flatnonzero(told == intent).tolist()
            (label,) = part.labels[query].tolist()
            assert label in part.truth[query]
    labels = world.train.labels.ids
    assert len(set(labels.tolist())) > len(seen[0])  # drawn for each query, not one of an intent for all


def test_titles_train_on_titles_and_judge_by_queries(small_worlds_folder):
    world = worlds.titles(small_worlds_folder, read, "cranfield")
    trained, dev, judged = (set(part.queries.texts) for part in (world.train, world.dev, world.test))
    assert trained
    assert dev
    assert not trained & dev
    assert not judged & (trained | dev)
    for part in (world.train, world.dev):
        answers = [part.documents.texts[part.truth[query][0]] for query in range(len(part.queries.texts))]
        assert topics(answers) == topics(part.queries.texts)
        assert len(set(answers)) == len(answers)
    for query, topic in enumerate(topics(world.test.queries.texts)):
        # A fifth of the documents is judged for nobody.
        found = topics(world.test.documents.texts[document] for document in world.test.truth[query])
        assert found == [topic] * 4


def test_scifact_marks_the_claims_whose_abstract_answers_one_of_train_or_dev(small_worlds_folder):
    world = worlds.scifact(small_worlds_folder, read)
    trained, chosen = (set(part.truth.ids.tolist()) for part in (world.train, world.dev))
    assert not trained & chosen
    answers = [set(world.test.truth[query].tolist()) for query in range(len(world.test.truth))]
    expected = [bool((trained | chosen) & each) for each in answers]
    assert world.test.leaky.tolist() == expected
    assert any(chosen & each and not trained & each for each in answers)
    assert not any(expected[:10])
    assert any(expected[10:])
    assert not world.train.leaky.any()


FUNCTION = '''def {name}(values):
    """{query}"""
    {name}_total = 0
    for {word} in values:
        if {word} is not None and {word} > {number}:
            {name}_total += {word} * {number} + offset_of({word}, "{name}")
        elif {word} == {other}:
            {name}_total -= {number} + weight_of({word}, "{name}", {other})
    return [{name}_total, {name}_total / {number}, {other}]
'''


def function(name, number):
    """Source of a function that resembles no other one."""
    return FUNCTION.format(
        name=name, word=f"{name}_item", number=number, other=number + 7, query=f"Sum up what the {name} holds"
    )


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder of packages, "alpha" and "beta" being judged; with copies, but for a word, across the parts."""
    monkeypatch.setattr(worlds, "FEWEST_OF_A_PACKAGE", 3)
    own = {
        name: [function(f"{name}{n}", 10 * place + n) for n in range(4)]
        for place, name in enumerate(("pandas", "sklearn", "alpha", "beta", "pip"))
    }
    own["tiny"] = [function("tiny0", 99)]

    def copy(source, query):
        assert source.count("None") == 1
        return re.sub('"Sum up [^"]*"', f'"{query}"', source.replace("None", "nothing"))

    own["sklearn"].append(copy(own["pandas"][0], "Copied into the dev part"))
    own["alpha"].append(copy(own["pandas"][1], "Copied from what trains"))
    own["beta"].append(copy(own["sklearn"][1], "Copied from the dev part"))
    for name, sources in own.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "code.py").write_text("\n\n".join(sources))
    return tmp_path


def names(part):
    """The functions of a part."""
    return {re.match(r"def (\w+)", text)[1] for text in part.documents.texts}


def test_docstrings_are_split_by_package_and_near_copies_are_not_judged(packages):
    world = worlds.docstrings(read, packages)
    assert names(world.train) == {f"pandas{n}" for n in range(4)}
    assert names(world.dev) == {f"sklearn{n}" for n in range(4)}
    assert names(world.test) == {f"{name}{n}" for name in ("alpha", "beta") for n in range(4)}
    queries = [text for part in (world.dev, world.test) for text in part.queries.texts]
    assert len(queries) == 12
    assert not any(text.startswith("Copied") for text in queries)
    assert world.test.clusters.tolist() == [0] * 4 + [1] * 4


def test_packages_beside_the_collections_take_the_place_of_those_that_are_installed(small_worlds_folder):
    world = worlds.load("docstrings", small_worlds_folder, small_worlds_folder / "cache")
    sizes = [len(part.labels) for part in world[1:]]
    made = small_worlds.PACKAGES
    assert sizes == [made["pandas"], made["sklearn"], made["alpha"] + made["beta"]]


def test_without_the_check_the_near_copies_would_be_judged(packages, monkeypatch):
    """So that the test above finds them for that reason."""
    monkeypatch.setattr(worlds.hm, "near_duplicate_groups", lambda texts, _: np.arange(len(texts)))
    world = worlds.docstrings(read, packages)
    copies = [[text for text in part.queries.texts if text.startswith("Copied")] for part in (world.dev, world.test)]
    assert copies == [["Copied into the dev part"], ["Copied from what trains", "Copied from the dev part"]]


def test_a_side_has_tokens_and_unit_vectors():
    side = worlds.Reader()(["how do I top up", "a " * 200, "how do I top up"])
    assert side.tokens.shape == (3, worlds.LENGTH)
    assert side.tokens.dtype == np.int64
    assert (side.tokens > 0).sum(1).tolist() == [5, worlds.LENGTH, 5]
    assert side.vectors.shape == (3, 384)
    assert side.vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(side.vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(side.vectors[0], side.vectors[2], atol=1e-5)
    taken = side.take(np.array([1]))
    assert taken.texts == ["a " * 200]
    assert (taken.tokens[0] == side.tokens[1]).all()


class Counting:
    """A teacher that counts the texts it is given."""

    def __init__(self):
        self.texts = 0

    def embed_documents(self, texts):
        self.texts += len(texts)
        return np.array([[len(text), 1.0, 0.0] for text in texts])


def test_vectors_are_kept_and_those_of_a_changed_text_made_anew(tmp_path):
    def reader():
        found = worlds.Reader(tmp_path / "cache")
        found.__dict__["teacher"] = Counting()  # in the place of the cached property
        return found

    first = reader()
    vectors = first(["one", "three"]).vectors
    assert first.teacher.texts == 2
    again = reader()
    assert (again(["one", "three"]).vectors == vectors).all()
    assert again.teacher.texts == 0
    changed = again(["one", "eleven"]).vectors
    assert again.teacher.texts == 2
    assert (changed[0] == vectors[0]).all()
    assert (changed[1] != vectors[1]).any()
    assert len(list((tmp_path / "cache").iterdir())) == 2  # and nothing half written


def test_a_collection_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"^--data: no folder scifact in {re.escape(str(tmp_path))}$"):
        worlds.load("scifact", tmp_path)
