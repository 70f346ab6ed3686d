"""What must work in an environment that holds NumPy and the wheel alone. Run as a script, warnings as errors."""

import importlib.resources
import importlib.util
import sys

import numpy as np

import hardmine as hm

heavy = [name for name in ("pyarrow", "torch", "tqdm", "bm25s", "transformers") if name in sys.modules]
assert not heavy, f"import hardmine pulled in {heavy}"

rng = np.random.default_rng(0)
scores = rng.standard_normal((20, 500), dtype=np.float32)
found = hm.topk(scores, 10)
assert np.array_equal(found.padded()[0], np.argsort(-scores, kind="stable", axis=1)[:, :10])

positives = hm.Positives.from_lists([[int(row.argmax())] for row in scores])
negatives = hm.mine_scores(scores, positives, hm.strategies.top_k_perc_pos(4))
assert len(negatives) == 20
assert set(negatives.lengths.tolist()) == {4}
assert not (negatives.ids.reshape(20, 4) == positives.ids[:, None]).any()

vectors = rng.standard_normal((100, 16), dtype=np.float32)
assert hm.search(vectors, vectors, 1, similarity="cosine").ids.tolist() == list(range(100))

for name in ("page.css", "page.js"):  # beside the modules, and not one of them
    assert importlib.resources.files("hardmine.report.html").joinpath(name).is_file(), name

if importlib.util.find_spec("pyarrow") is None:
    try:
        hm.Collection  # noqa: B018 - the access is the test
    except ModuleNotFoundError as error:
        assert "pip install 'hardmine[mine]'" in str(error), error
    else:
        raise AssertionError("hm.Collection must ask for its extra")
print(f"hardmine {hm.__version__} with NumPy {np.__version__} alone: ok")
