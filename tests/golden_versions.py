"""What a version of hardmine leaves behind, as tiny files that every later version of its series must still read.

`python -m tests.golden_versions` writes the folder of the version that is installed; `test_golden_versions` reads the
folders of all versions. A folder is written once, for the release, and never again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

import hardmine as hm

ROOT = Path(__file__).parent / "golden" / "versions"
NUM_QUERIES, NUM_DOCUMENTS, DIMENSION = 6, 40, 64
FORMAT = "sentence-transformers:n-tuple"
POSITIVES = [[3], [8, 21], [13], [0], [30], [39]]
DRAWS = {
    "top": hm.Top(),
    "uniform": hm.Uniform(),
    "softmax": hm.Softmax(0.25),
    "simans": hm.SimANS(2.0),
    "laplace": hm.Laplace(0.5),
    "rank-power": hm.RankPower(1.5),
    "stratified": hm.Stratified(3),
    "top-then": hm.TopThen(1, hm.Uniform()),
    "among": hm.Among(10, hm.Softmax(0.5)),
    "popularity": hm.Popularity(np.arange(1.0, NUM_DOCUMENTS + 1)),
}


def scores():
    """Whole 97ths, from integers alone, so that no library's random numbers enter."""
    rows, columns = np.indices((NUM_QUERIES, NUM_DOCUMENTS))
    return ((rows * 37 + columns * 61 + rows * columns * 5) % 97 / 97).astype(np.float32)


def positives():
    filled = hm.Positives.from_lists(POSITIVES)
    rows = np.repeat(np.arange(NUM_QUERIES), [len(row) for row in POSITIVES])
    return filled.with_scores(scores()[rows, filled.ids])


def run():
    """A run with every column that `Candidates.save` keeps."""
    found = hm.topk(scores(), 20)
    return found.replace(
        ranks=np.tile(np.arange(1, 21, dtype=np.int32), NUM_QUERIES),
        sources=np.tile([0, 1], NUM_QUERIES * 10),
        anchor_scores=found.scores / 2,
        query_ids=[f"q{row}" for row in range(NUM_QUERIES)],
        document_ids=[f"dé{row}" for row in range(NUM_DOCUMENTS)],
        positives=positives(),
        metadata={"teacher": "golden", "k": 20},
    )


def rule(draw, **options):
    return hm.Selection(4, ceiling=hm.PercPos(1.2), draw=draw, seed=11, **options)


def negatives(draw=DRAWS["simans"]):
    return hm.mine_scores(scores(), positives(), rule(draw), epoch=2)


def vectors():
    rows, columns = np.indices((NUM_DOCUMENTS, DIMENSION))
    return (((rows * 29 + columns * 17 + rows * columns * 3) % 31) / 31 - 0.4).astype(np.float32)


def collection():
    documents = [f"document {row} about subject {row % 7}" for row in range(NUM_DOCUMENTS)]
    return hm.Collection.from_pairs(
        [f"subject {row}" for row in range(NUM_QUERIES)], documents[:NUM_QUERIES], documents[NUM_QUERIES:]
    )


def dataset():
    texts = [f"query {row}" for row in range(NUM_QUERIES)], [f"text {row}" for row in range(NUM_DOCUMENTS)]
    return hm.data.NegativeDataset(texts, run(), rule(hm.Softmax(0.5)), positives=positives())


def facts(value):
    """An object as what JSON holds, arrays with their type; floats as they are written in hexadecimal digits."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.name, "values": [facts(each) for each in value.tolist()]}
    if isinstance(value, (list, tuple)):
        return [facts(each) for each in value]
    if hasattr(value, "items"):
        return {str(name): facts(each) for name, each in value.items()}
    if hasattr(value, "to_pylist"):
        return value.to_pylist()
    names = getattr(value, "__dataclass_fields__", None) or value._columns()
    return {name: facts(getattr(value, name)) for name in names}


def batch_facts(data):
    """What the data set shows in epochs 0 and 5."""
    shown = {}
    for epoch in (0, 5):
        data.set_epoch(epoch)
        shown[str(epoch)] = facts([data[row] for row in range(len(data))])
    return shown


READERS = {
    "run.hm": lambda path: facts(hm.Candidates.load(path)),
    "negatives.hm": lambda path: facts(hm.Negatives.load(path)),
    "index.hm": lambda path: facts(hm.ExactIndex.load(path).search(vectors()[:5], 3)),
    "dataset.hm": lambda path: batch_facts(hm.data.NegativeDataset.load(path)),
    "rows.jsonl": lambda path: [
        facts(row) for chunk in hm.formats.read_rows(path, FORMAT) for row in chunk.to_pylist()
    ],
    "rows.provenance.jsonl": lambda path: facts(_provenance(path)),
    "rule.json": lambda path: facts(hm.Selection.from_dict(json.loads(path.read_text())).to_dict()),
}
"""Everything that a version leaves behind by what reads it."""


def _provenance(path):
    from hardmine.formats.provenance import read_provenance

    return read_provenance(path).to_pylist()


def draws():
    """Which documents each draw takes: ids, and those of the two samplers that need no scores."""
    found = {name: negatives(draw).ids.tolist() for name, draw in DRAWS.items()}
    found["fill"] = hm.select(
        run(), positives(), rule(hm.Top(), range_max=2, on_shortage="fill"), num_documents=NUM_DOCUMENTS
    ).ids.tolist()
    found["sample_uniform"] = hm.sample_uniform(3, 4, 1000, seed=5).tolist()
    table = hm.AliasTable(np.arange(1.0, 101.0))
    found["alias"] = table.sample(3, 4, seed=5).tolist()
    found["alias distinct"] = table.sample(3, 4, seed=5, replace=False).tolist()
    found["ensemble"] = hm.ensemble(
        [negatives(DRAWS["top"]), negatives(DRAWS["uniform"])], scheme="joint", num_negatives=2, seed=5
    ).ids.tolist()
    return found


def write(folder):
    """Write all of it, and what it reads as."""
    folder.mkdir(parents=True)
    run().save(folder / "run.hm")
    negatives().save(folder / "negatives.hm")
    hm.ExactIndex(vectors(), similarity="cosine").save(folder / "index.hm")
    dataset().save(folder / "dataset.hm")
    mined = hm.mine(collection(), "bm25", rule(hm.Softmax(0.5)), progress=False)
    mined.write(folder / "rows.jsonl", FORMAT, scores=True)
    (folder / "rule.json").write_text(json.dumps(rule(DRAWS["among"]).to_dict(), indent=1) + "\n")
    for name, found in (
        ("expected", {name: read(folder / name) for name, read in READERS.items()}),
        ("draws", draws()),
    ):
        (folder / f"{name}.json").write_text(json.dumps(found, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    target = ROOT / hm.__version__
    if target.exists():
        sys.exit(f"{target}: is there already; a released version's files are never written again")
    write(target)
