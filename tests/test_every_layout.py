"""Every line of the registry: what it says is written can be written, in every layout, and read again."""

import pytest

import hardmine as hm
from hardmine.formats import FORMATS
from tests.row_cases import mined
from tests.run_cases import COLLECTION, RUN, table

CASES = [
    (kind, name, layout)
    for known in FORMATS
    for kind in known.writes
    for name in known.names
    for layout in known.layouts
]


@pytest.mark.parametrize(("kind", "name", "layout"), CASES)
def test_what_is_written_is_read(tmp_path, kind, name, layout):
    path = tmp_path / ("out" if layout == "/" else f"out{layout}")
    if kind == "rows":
        written = mined().write(path, name, provenance=False)
        found = sum(chunk.num_rows for chunk in hm.formats.read_rows(path, name))
        assert 0 < found <= written["rows"]
    elif kind == "run":
        RUN.write(path, name, collection=COLLECTION)
        found = table(hm.Candidates.read(path, name, collection=COLLECTION))
        wanted = table(RUN)
        assert {q: [d for d, _ in row] for q, row in found.items()} == {
            q: [d for d, _ in row] for q, row in wanted.items()
        }
    else:
        has_texts = name != "trec-qrels"
        collection = hm.Collection.from_pairs(["a", "b"], [["p", "r"], ["s"]], ["n"]) if has_texts else COLLECTION
        collection.write(path, name)
        corpus = tmp_path / f"out.corpus{layout}"
        found = hm.Collection.read(path, name, corpus=corpus if corpus.exists() else None)
        assert found.num_queries == collection.num_queries


def test_every_layout_is_tried():
    assert {kind for kind, _, _ in CASES} == {"collection", "run", "rows"}
